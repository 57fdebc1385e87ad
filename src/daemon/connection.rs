//! One client of the server. Never blocks, holds a bounded request, and is given up when it
//! neither reads nor writes.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::core::model::Event;
use crate::core::text::CleanText;
use crate::protocol::{EventLine, REQUEST_CAP};
use crate::sys::clock;
use crate::sys::socket;

/// A client that does not take its reply is given up after this long.
const SLOW: Duration = Duration::from_secs(10);
/// A client that asks nothing is given up after this long.
const SILENT: Duration = Duration::from_secs(120);

/// One read, in bytes: more than any request but a broken one has.
const BLOCK: usize = 4 * 1024;

/// Bytes of events that wait for a subscriber at most: some thousand of them.
const BACKLOG: usize = 1 << 20;

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
    /// The last byte that was written did not end a line.
    mid_line: bool,
    /// The request that is being worked on elsewhere.
    pub(super) waiting: Option<u64>,
    /// It gets every event after this serial.
    pub(super) subscribed: Option<u64>,
    /// Closed as soon as its output is written.
    pub(super) closing: bool,
    /// It will ask nothing more, and still listens: `shutdown(SHUT_WR)`, as `socat` and `nc -N` do.
    pub(super) has_said_all: bool,
    pub(super) active_at: Instant,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Vec::new(),
            output: VecDeque::new(),
            mid_line: false,
            waiting: None,
            subscribed: None,
            closing: false,
            has_said_all: false,
            active_at: clock::steady(),
        })
    }

    /// Its process.
    pub(super) fn peer(&self) -> Option<u32> {
        socket::peer_pid(&self.stream)
    }

    /// What to wait for. While a request is worked on, no further one is read: the kernel's
    /// buffer holds the client back.
    pub(super) fn interest(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::OUT, !self.output.is_empty());
        flags.set(
            PollFlags::IN,
            self.is_idle() && !self.closing && !self.has_said_all,
        );
        flags
    }

    /// When to give it up. A subscriber may say nothing and read nothing for as long as it
    /// likes: what waits for it has a bound. Once it is cut off it is waited for once more.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = match self.subscribed {
            Some(_) if !self.closing => return None,
            // Who worked out the answer takes care of that; poll must not be told of it.
            None if self.waiting.is_some() => return None,
            None if !self.output.is_empty() => SLOW,
            _ => SILENT,
        };
        Some(self.active_at + patience)
    }

    /// Queues the events that are new to a subscriber. One that has not read what was queued
    /// before is told so and cut off: it must not hold memory, nor anybody else up.
    ///
    /// # Errors
    /// If it hung up.
    pub(super) fn notify(&mut self, events: &[(u64, Vec<u8>)]) -> io::Result<()> {
        let Some(last) = self.subscribed.filter(|_| !self.closing) else {
            return Ok(());
        };
        for (seq, line) in events.iter().filter(|(seq, _)| *seq > last) {
            self.output.extend(line);
            self.subscribed = Some(*seq);
        }
        if self.output.len() > BACKLOG {
            self.cut_off();
        }
        self.flush()
    }

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// Takes back all lines but the one that is partly written, and says why.
    pub(super) fn cut_off(&mut self) {
        let end = self
            .output
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.output.truncate(if self.mid_line { end } else { 0 });
        self.output.shrink_to_fit();
        let reason = CleanText::line("it read too slowly");
        let seq = self.subscribed.unwrap_or_default();
        self.output
            .extend(EventLine::of(seq, Event::Dropped { reason }).render());
        self.closing = true;
    }

    /// Whether it has closed the connection, and not only its own half of it: then nobody reads
    /// an answer any more.
    ///
    /// **Source:** Linux 6.18, `unix_poll`: `POLLHUP` once both directions are shut, by `close` or
    /// `shutdown`; what it sent before can still be read.
    pub(super) fn has_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::empty())];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        polled.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
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
    pub(super) fn send(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        if self.output.is_empty() {
            self.output = bytes.into();
        } else {
            self.output.extend(bytes);
        }
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
                    self.mid_line = front[n - 1] != b'\n';
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_answer_has_no_deadline_and_who_is_silent_has() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut client = Connection::new(ours).unwrap();
        assert_eq!(client.deadline(), Some(client.active_at + SILENT));
        client.waiting = Some(1);
        assert_eq!(
            client.deadline(),
            None,
            "poll would spin once it has passed"
        );
    }
}
