//! A client of the session, as its holder sees it: what waits to be sent, and what it is shown.
//!
//! Who waits for whom: the program waits for the client that leads, and only as long as that keeps
//! taking what it is sent: [`ENOUGH`] in each [`WINDOW`], while more than [`BEHIND`] waits for it.
//! A terminal that works takes ten times as much. One that takes less has fallen behind, as any
//! other client has with more than that waiting: what waits is dropped, and once it has taken the
//! piece that had begun, it is given the lines that left the screen in between, and the screen. If
//! that were more than it can be given, how many lines are left out is said. For the next
//! [`AGAIN`] the program does not wait for it at all: a client that is slow or stuck costs it one
//! window in ten seconds.

mod carried;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;
use vmux::hosted::frame::{self, Reader};
use vmux::hosted::{Attached, Role};
use vmux::sys::{clock, socket};

pub(crate) use self::carried::Carried;
use crate::output::Output;
use crate::parser::Seen;
use crate::term::Size;

/// Bytes that may wait for a client; then it has fallen behind.
pub(crate) const BEHIND: usize = 1024 * 1024;
/// So long the program waits for the client that leads, before it is looked at what that took.
const WINDOW: Duration = Duration::from_millis(250);
/// Bytes that it has to take then.
const ENOUGH: u64 = 256 * 1024;
/// So long the program does not wait for a client that has fallen behind.
const AGAIN: Duration = Duration::from_secs(10);

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

/// Whole frames, and what the terminal shows when they are drawn, if that is something else then.
struct Piece {
    frames: Arc<Vec<u8>>,
    seen: Option<Seen>,
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
    /// What its terminal shows, once what has been sent is drawn.
    seen: Seen,
    /// Its terminal knows what programs say of themselves.
    pub(crate) reports: bool,
    /// It is told when the program says something else of itself.
    pub(crate) follows: bool,
    /// It goes once it has taken what waits.
    pub(crate) leaving: bool,
    /// Nothing can be sent to it, or read from it.
    pub(crate) gone: bool,
    /// It has sent keys for which there is no room yet, or asks and does not take the answers.
    pub(crate) held: bool,
    /// The history that it asked for is being written.
    pub(crate) awaits_text: bool,
    queue: VecDeque<Piece>,
    /// Bytes of the first of the queue that are sent.
    sent: usize,
    queued: usize,
    /// Bytes that it has taken.
    taken: u64,
    /// Since when the program waits for it, and what it had taken by then.
    awaited: Option<(Instant, u64)>,
    /// When the program may wait for it again.
    again: Instant,
}

impl Client {
    pub(crate) fn new(id: u64, stream: UnixStream) -> Self {
        Self {
            id,
            stream,
            reader: Reader::default(),
            role: None,
            size: Size::told(0, 0),
            tty: None,
            view: View::Nothing,
            active: 0,
            seen: Seen::Nothing,
            reports: false,
            follows: false,
            leaving: false,
            gone: false,
            held: false,
            awaits_text: false,
            queue: VecDeque::new(),
            sent: 0,
            queued: 0,
            taken: 0,
            awaited: None,
            again: clock::steady(),
        }
    }

    /// Whether it may lead.
    pub(crate) fn attaches(&self) -> bool {
        self.role == Some(Role::Attach) && !self.leaving && !self.gone
    }

    pub(crate) fn attached(&self, leads: bool) -> Option<Attached> {
        if self.gone || self.leaving {
            return None;
        }
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
        self.push(Arc::new(bytes), None);
    }

    /// Queues whole frames.
    fn push(&mut self, frames: Arc<Vec<u8>>, seen: Option<Seen>) {
        if self.gone {
            return;
        }
        self.queued += frames.len();
        self.queue.push_back(Piece { frames, seen });
    }

    /// Sends what the connection takes now.
    pub(crate) fn flush(&mut self) {
        while let Some(first) = self.queue.front() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(&self.stream, &first.frames[self.sent..], flags) {
                Ok(n) => {
                    self.taken += u64::try_from(n).unwrap_or(0);
                    self.queued -= n;
                    self.sent += n;
                    if self.sent == first.frames.len() {
                        self.seen = first.seen.unwrap_or(self.seen);
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
        self.awaited = None;
        let begun = self.queue.pop_front().filter(|_| self.sent > 0);
        self.queue.clear();
        self.queued = begun
            .as_ref()
            .map_or(0, |begun| begun.frames.len() - self.sent);
        self.queue.extend(begun);
    }

    pub(crate) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.queued > BEHIND
    }

    /// Whether the next of what it has sent has to wait: keys while there is no room for them, and
    /// questions while it does not take the answers, which would grow without end.
    pub(crate) fn has_to_wait(&self, full: bool) -> bool {
        match self.reader.kind() {
            Some(frame::INPUT) => full,
            Some(frame::HISTORY) if self.awaits_text => !self.gone,
            Some(frame::PING | frame::ASK | frame::FOLLOW | frame::HISTORY) => {
                self.is_behind() && !self.gone
            }
            _ => false,
        }
    }

    /// Whether it has fallen behind for good, and has to be drawn anew. See the head of this file.
    pub(crate) fn has_fallen_behind(&mut self, leads: bool, now: Instant) -> bool {
        if self.queued < BEHIND / 2 {
            self.awaited = None;
        }
        if !self.is_behind() || !matches!(self.view, View::All) {
            return false;
        }
        if !leads || now < self.again {
            return true;
        }
        let (since, taken) = *self.awaited.get_or_insert((now, self.taken));
        if now < since + WINDOW {
            return false;
        }
        self.awaited = None;
        if self.taken - taken >= ENOUGH {
            return false;
        }
        self.again = now + AGAIN;
        true
    }

    /// When it may have fallen behind for good.
    pub(crate) fn window_ends(&self) -> Option<Instant> {
        Some(self.awaited?.0 + WINDOW)
    }

    /// Shows it output of the program up to a byte.
    pub(crate) fn output(&mut self, output: &Output, until: u64) {
        match &mut self.view {
            View::All => self.push(output.frame(), Some(Seen::Until(until))),
            View::Soon { after, lost } => {
                let bytes = output.bytes();
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

    /// Takes the snapshot that it waits for, which with what has come since makes all output up to a
    /// byte. `false` if too much has come.
    pub(crate) fn snapshot(&mut self, bytes: &[u8], until: u64) -> bool {
        let View::Soon { after, lost } = &mut self.view else {
            return true;
        };
        if *lost {
            return false;
        }
        let after = std::mem::take(after);
        self.view = View::All;
        let mut frames = Vec::with_capacity(bytes.len() + after.len() + 4 * frame::HEAD);
        frame::write_snapshot(bytes, &mut frames);
        if !after.is_empty() {
            frame::write(frame::OUTPUT, &after, &mut frames);
        }
        self.push(Arc::new(frames), Some(Seen::Until(until)));
        true
    }

    /// What its terminal will show when all that waits is drawn.
    fn will_have_seen(&self) -> Seen {
        let last = self.queue.iter().rev().find_map(|piece| piece.seen);
        last.unwrap_or(self.seen)
    }

    /// Waits for a snapshot from now on; what it will be drawn over.
    pub(crate) fn await_snapshot(&mut self) -> Seen {
        self.view = View::Soon {
            after: Vec::new(),
            lost: false,
        };
        self.will_have_seen()
    }

    /// Empties its screen for parts to be drawn on: what it showed before stays above.
    pub(crate) fn send_empty_screen(&mut self) {
        let rows = usize::from(self.size.rows);
        let mut bytes = String::new();
        let mut seen = None;
        if self.will_have_seen() == Seen::Nothing {
            bytes = format!("\x1b[{rows}H{}", "\n".repeat(rows));
            seen = Some(Seen::Parts);
        }
        bytes.push_str("\x1b[H\x1b[J");
        let mut frames = Vec::new();
        frame::write_snapshot(bytes.as_bytes(), &mut frames);
        self.push(Arc::new(frames), seen);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A client for which two windows of output wait, and its other end.
    fn behind() -> (Client, UnixStream) {
        let (stream, other) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut client = Client::new(1, stream);
        client.view = View::All;
        for at in 1..=24 {
            client.output(&Output::of(&vec![0; 64 * 1024 - frame::HEAD]), at);
        }
        client.flush();
        (client, other)
    }

    #[test]
    fn the_program_waits_for_a_leader_that_takes_enough_and_a_moment_for_another() {
        let (mut client, _other) = behind();
        let start = clock::steady();
        assert!(!client.has_fallen_behind(true, start));
        assert!(!client.has_fallen_behind(true, start + WINDOW / 2));
        client.taken += ENOUGH;
        assert!(!client.has_fallen_behind(true, start + WINDOW));
        assert_eq!(client.window_ends(), None);
        let next = start + WINDOW;
        assert!(!client.has_fallen_behind(true, next));
        assert!(client.has_fallen_behind(true, next + WINDOW));
        let soon = next + WINDOW * 2;
        assert!(client.has_fallen_behind(true, soon), "not again so soon");
        assert!(!client.has_fallen_behind(true, next + WINDOW + AGAIN));
        let (mut other_one, _other) = behind();
        assert!(other_one.has_fallen_behind(false, start));
    }

    #[test]
    fn what_has_begun_is_sent_and_counts_as_seen() {
        use std::io::Read as _;

        let (mut client, mut other) = behind();
        client.drop_queue();
        assert!(client.has_queue());
        let mut read = vec![0; 64 * 1024];
        let mut pieces = 0;
        loop {
            client.flush();
            if !client.has_queue() {
                break;
            }
            other.read_exact(&mut read).unwrap();
            pieces += 1;
        }
        let Seen::Until(last) = client.seen else {
            panic!("{:?}", client.seen)
        };
        assert!((pieces..24).contains(&last), "{pieces} {last}");
    }
}
