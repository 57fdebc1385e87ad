//! A client of the session, as its holder sees it: what waits to be sent, and what it is shown.

mod carried;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;
use vmux::hosted::frame::{self, Reader};
use vmux::hosted::{Attached, Role};
use vmux::sys::{clock, socket};

pub(crate) use self::carried::Carried;
use crate::term::{Paint, Size};

/// Bytes that may wait for a client; then it has fallen behind.
pub(crate) const BEHIND: usize = 1024 * 1024;
/// A client that takes nothing for so long is stuck.
pub(crate) const STUCK: Duration = Duration::from_millis(250);

/// What a client is shown.
pub(crate) enum View {
    /// Nothing.
    Nothing,
    /// The snapshot that is being taken; output since then, unless that was too much.
    Soon { after: Vec<u8>, lost: bool },
    /// Every byte.
    All,
    /// Nothing more until it has taken what waits.
    Stuck,
    /// The part that it has room for, drawn anew: whether that is being done, has to be done again,
    /// and when it was done last.
    Part {
        busy: bool,
        stale: bool,
        at: Instant,
    },
}

/// A connection.
pub(crate) struct Client {
    pub(crate) id: u64,
    stream: UnixStream,
    pub(crate) reader: Reader,
    /// What it said it is; `None` before that.
    pub(crate) role: Option<Role>,
    pub(crate) size: Size,
    pub(crate) tty: Option<PathBuf>,
    pub(crate) view: View,
    /// When it attached or typed last, by the holder's count.
    pub(crate) active: u64,
    /// Its terminal shows something of the session already.
    pub(crate) painted: bool,
    /// Its terminal knows what programs say of themselves.
    pub(crate) reports: bool,
    /// It is told when the program says something else of itself.
    pub(crate) follows: bool,
    /// It goes once it has taken what waits.
    pub(crate) leaving: bool,
    /// Nothing can be sent to it, or read from it.
    pub(crate) gone: bool,
    queue: VecDeque<Rc<[u8]>>,
    /// Bytes of the first of the queue that are sent.
    sent: usize,
    queued: usize,
    /// When it last took something, or had nothing to take.
    progress: Instant,
}

impl Client {
    pub(crate) fn new(id: u64, stream: UnixStream) -> Self {
        Self {
            id,
            stream,
            reader: Reader::default(),
            role: None,
            size: Size::clamped(0, 0),
            tty: None,
            view: View::Nothing,
            active: 0,
            painted: false,
            reports: false,
            follows: false,
            leaving: false,
            gone: false,
            queue: VecDeque::new(),
            sent: 0,
            queued: 0,
            progress: clock::steady(),
        }
    }

    /// Whether it may lead.
    pub(crate) fn attaches(&self) -> bool {
        self.role == Some(Role::Attach) && !self.leaving && !self.gone
    }

    pub(crate) fn attached(&self, leads: bool) -> Option<Attached> {
        let read_only = match self.role? {
            Role::Attach => false,
            Role::Watch => true,
            Role::Ask => return None,
        };
        Some(Attached {
            pid: socket::peer_pid(&self.stream).unwrap_or(0),
            tty: self.tty.clone(),
            columns: self.size.columns,
            rows: self.size.rows,
            leads,
            read_only,
        })
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Queues a frame.
    pub(crate) fn send(&mut self, kind: u8, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(payload.len() + frame::HEAD);
        frame::write(kind, payload, &mut bytes);
        self.push(bytes.into());
    }

    /// Queues whole frames.
    pub(crate) fn push(&mut self, frames: Rc<[u8]>) {
        if self.queue.is_empty() {
            self.progress = clock::steady();
        }
        self.queued += frames.len();
        self.queue.push_back(frames);
    }

    /// Sends what the connection takes now.
    pub(crate) fn flush(&mut self) {
        while let Some(first) = self.queue.front() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.stream, &first[self.sent..], flags) {
                Ok(n) => {
                    self.progress = clock::steady();
                    self.queued -= n;
                    self.sent += n;
                    if self.sent == first.len() {
                        self.queue.pop_front();
                        self.sent = 0;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
    }

    /// Drops what waits, but for the piece that has begun.
    pub(crate) fn drop_queue(&mut self) {
        let begun = self.queue.pop_front().filter(|_| self.sent > 0);
        self.queue.clear();
        self.queued = begun.as_ref().map_or(0, |begun| begun.len() - self.sent);
        self.queue.extend(begun);
    }

    pub(crate) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.queued > BEHIND
    }

    /// When it counts as stuck, if it takes nothing until then.
    pub(crate) fn stuck_at(&self) -> Instant {
        self.progress + STUCK
    }

    /// Shows it output of the program; `frame` is the same as a frame.
    pub(crate) fn output(&mut self, bytes: &[u8], frame: &Rc<[u8]>) {
        match &mut self.view {
            View::All => self.push(frame.clone()),
            View::Soon { after, lost } => {
                if *lost || after.len() + bytes.len() > BEHIND {
                    *lost = true;
                    after.clear();
                } else {
                    after.extend_from_slice(bytes);
                }
            }
            View::Part { stale, .. } => *stale = true,
            View::Nothing | View::Stuck => {}
        }
    }

    /// Takes the snapshot that it waits for. `false` if too much has come since.
    pub(crate) fn snapshot(&mut self, bytes: &[u8]) -> bool {
        let View::Soon { after, lost } = &mut self.view else {
            return true;
        };
        if *lost {
            return false;
        }
        let after = std::mem::take(after);
        self.view = View::All;
        self.painted = true;
        let mut frames = Vec::with_capacity(bytes.len() + after.len() + 4 * frame::HEAD);
        frame::write_snapshot(bytes, &mut frames);
        if !after.is_empty() {
            frame::write(frame::OUTPUT, &after, &mut frames);
        }
        self.push(frames.into());
        true
    }

    /// Waits for a snapshot from now on; how it is to be taken.
    pub(crate) fn await_snapshot(&mut self) -> Paint {
        self.view = View::Soon {
            after: Vec::new(),
            lost: false,
        };
        if self.painted {
            Paint::Over
        } else {
            Paint::Below
        }
    }

    /// Empties its screen for parts to be drawn on: what it showed before stays above.
    pub(crate) fn send_empty_screen(&mut self) -> bool {
        let rows = usize::from(self.size.rows);
        let push = if self.painted {
            String::new()
        } else {
            format!("\x1b[{rows}H{}", "\n".repeat(rows))
        };
        self.send(frame::SNAP, format!("{push}\x1b[H\x1b[J").as_bytes());
        true
    }

    /// Reads what has arrived; `false` if it hung up.
    pub(crate) fn read(&mut self) -> io::Result<bool> {
        match socket::read_ready(&self.stream, self.reader.buffer()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
