//! One client of the server. Never blocks, holds a bounded request, and is given up when it
//! neither reads nor writes.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;

use crate::clock;
use crate::protocol::REQUEST_CAP;

/// A client that does not take its reply is given up after this long.
const SLOW: Duration = Duration::from_secs(10);
/// A client that asks nothing is given up after this long.
const SILENT: Duration = Duration::from_secs(120);

/// One read, in bytes: more than any request but a broken one has.
const BLOCK: usize = 4 * 1024;

/// What a client's bytes amount to.
pub(super) enum Heard {
    /// No whole request yet.
    Nothing,
    /// A request, without its line break.
    Line(Vec<u8>),
    /// It sent more than any request has.
    Oversized,
    /// It hung up.
    End,
}

pub(super) struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: VecDeque<u8>,
    /// The request that is being worked on elsewhere.
    pub(super) waiting: Option<u64>,
    /// Closed as soon as its output is written.
    pub(super) closing: bool,
    pub(super) active_at: Instant,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Vec::new(),
            output: VecDeque::new(),
            waiting: None,
            closing: false,
            active_at: clock::steady(),
        })
    }

    /// What to wait for. While a request is worked on, no further one is read: the kernel's
    /// buffer holds the client back.
    pub(super) fn interest(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::OUT, !self.output.is_empty());
        flags.set(
            PollFlags::IN,
            self.output.is_empty() && self.waiting.is_none() && !self.closing,
        );
        flags
    }

    /// When to give it up.
    pub(super) fn deadline(&self) -> Instant {
        self.active_at + if self.output.is_empty() { SILENT } else { SLOW }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.output.is_empty() && self.waiting.is_none()
    }

    /// Reads once and takes the next request, if it is whole.
    pub(super) fn hear(&mut self) -> Heard {
        if let Some(line) = self.take_line() {
            return line;
        }
        self.input.reserve(BLOCK);
        match rustix::io::read(&self.stream, spare_capacity(&mut self.input)) {
            Ok(0) => return Heard::End,
            Ok(_) => self.active_at = clock::steady(),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => return Heard::End,
        }
        self.take_line().unwrap_or(Heard::Nothing)
    }

    /// The next request that has arrived already.
    pub(super) fn take_line(&mut self) -> Option<Heard> {
        if let Some(end) = memchr::memchr(b'\n', &self.input) {
            let rest = self.input.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.input, rest);
            line.pop();
            return Some(Heard::Line(line));
        }
        (self.input.len() > REQUEST_CAP).then_some(Heard::Oversized)
    }

    /// Queues bytes and writes what the client takes at once.
    ///
    /// # Errors
    /// If it hung up.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.extend(bytes);
        self.flush()
    }

    /// Writes what the client takes.
    ///
    /// # Errors
    /// If it hung up.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            match self.stream.write(front) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.output.drain(..n);
                    self.active_at = clock::steady();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.shrink_to(4096);
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
