//! The client's side: one request, one reply, in time.

use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::version::Other;
use super::{REPLY_CAP, Reply, Verb, reply};
use crate::sys::clock::Deadline;
use crate::sys::socket;

/// Longest wait for an ordinary reply, so that a verb gives up within five seconds in all. A switch
/// through a hung window manager takes the daemon a second to give up.
pub const PATIENCE: Duration = Duration::from_millis(4500);

/// Longest line that is short, in bytes: those before a payload are.
const SHORT: usize = 256;

/// Why there is no reply.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens at the socket.
    NotRunning(io::Error),
    /// It does not answer in time.
    Slow,
    /// It has ended meanwhile.
    HungUp,
    /// It answers nonsense.
    Broken(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning(error) => write!(f, "the vmux daemon is not running ({error})"),
            Self::Slow => f.write_str("the vmux daemon does not answer"),
            Self::HungUp => f.write_str("the vmux daemon is not running any more"),
            Self::Broken(what) => write!(f, "the vmux daemon answers nonsense: {what}"),
        }
    }
}

impl std::error::Error for ClientError {}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// What its first reply says of it.
    other: Option<Other>,
    met: bool,
}

impl Client {
    /// Connects to the daemon at `socket`.
    ///
    /// # Errors
    /// `NotRunning` if nobody of this user listens there, `Slow`.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self, ClientError> {
        match socket::connect(socket, patience) {
            Ok(stream) => Ok(Self {
                stream,
                buffer: Vec::new(),
                other: None,
                met: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(ClientError::Slow),
            Err(error) => Err(ClientError::NotRunning(error)),
        }
    }

    /// The daemon's process.
    #[must_use]
    pub fn peer(&self) -> Option<u32> {
        socket::peer_pid(&self.stream)
    }

    /// The daemon's process and version, if it has replied and is another one.
    #[must_use]
    pub fn other(&self) -> Option<(Option<u32>, &Other)> {
        Some((self.peer(), self.other.as_ref()?))
    }

    /// Sends a request and reads its reply.
    ///
    /// # Errors
    /// `Slow` after `patience`, `HungUp`, `Broken`.
    pub fn call<V: Verb>(
        &mut self,
        verb: &V,
        patience: Duration,
    ) -> Result<Reply<V::Reply>, ClientError> {
        let (line, _) = self.call_raw(verb, patience)?;
        read(&line)
    }

    /// The same, without reading the reply's line; with its payload if it has one.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub fn call_raw<V: Verb>(
        &mut self,
        verb: &V,
        patience: Duration,
    ) -> Result<(Vec<u8>, Vec<u8>), ClientError> {
        let deadline = Deadline::after(patience);
        let (line, payload) = self.call_line(verb, patience)?;
        while self.buffer.len() < payload {
            self.fill(deadline)?;
        }
        let rest = self.buffer.split_off(payload);
        Ok((line, std::mem::replace(&mut self.buffer, rest)))
    }

    /// Sends a request and hands the payload of its reply on while it arrives, to somebody who
    /// may stop reading it. Returns the reply's line.
    ///
    /// # Errors
    /// See [`Client::call`], with `patience` for the line and for each further piece. Pieces may
    /// have been handed on.
    pub fn relay<V: Verb>(
        &mut self,
        verb: &V,
        patience: Duration,
        out: &mut impl io::Write,
    ) -> Result<Vec<u8>, ClientError> {
        let (line, mut left) = self.call_line(verb, patience)?;
        while left > 0 {
            if self.buffer.is_empty() {
                self.fill(Deadline::after(patience))?;
            }
            let n = self.buffer.len().min(left);
            if out.write_all(&self.buffer[..n]).is_err() {
                break;
            }
            self.buffer.drain(..n);
            left -= n;
        }
        Ok(line)
    }

    /// Sends a request, and reads the line of its reply and the length of what follows.
    fn call_line<V: Verb>(
        &mut self,
        verb: &V,
        patience: Duration,
    ) -> Result<(Vec<u8>, usize), ClientError> {
        let deadline = Deadline::after(patience);
        self.stream
            .set_write_timeout(Some(patience))
            .map_err(|error| broken(&error))?;
        self.stream
            .write_all(&verb.render())
            .map_err(|error| broken(&error))?;
        let end = loop {
            if let Some(end) = line_end(&self.buffer) {
                break end;
            }
            self.fill(deadline)?;
        };
        // The buffer stays whole: what follows the line is longer than it.
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        if !std::mem::replace(&mut self.met, true) {
            self.other = Other::of_line(&line);
        }
        let payload = payload_length(&line).unwrap_or(0);
        Ok((line, payload))
    }

    /// Sends a request whose answer is a stream.
    ///
    /// # Errors
    /// `HungUp`, `Broken`.
    pub fn send<V: Verb>(&mut self, verb: &V) -> Result<(), ClientError> {
        self.stream
            .write_all(&verb.render())
            .map_err(|error| broken(&error))
    }

    /// The next line of a stream if it is there already, its line break included.
    ///
    /// # Errors
    /// `HungUp`, `Broken`.
    pub fn next_line_if_any(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(end) = line_end(&self.buffer) {
                let rest = self.buffer.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            self.check_length()?;
            let read = socket::read_ready(&self.stream, &mut self.buffer);
            if !read.map_err(|error| broken(&error))? {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self, deadline: Deadline) -> Result<(), ClientError> {
        self.check_length()?;
        socket::read(&self.stream, &mut self.buffer, deadline).map_err(|error| broken(&error))
    }

    fn check_length(&self) -> Result<(), ClientError> {
        if self.buffer.len() > REPLY_CAP {
            return Err(ClientError::Broken("an endless reply".into()));
        }
        Ok(())
    }
}

impl AsFd for Client {
    /// Readable when there may be another line.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The place of the first line break. The start of a buffer is searched byte by byte: the first use
/// of `memchr` asks the processor what it can do, which takes 35 us in a virtual machine, a tenth of
/// what a small client takes.
fn line_end(buffer: &[u8]) -> Option<usize> {
    let (start, rest) = buffer.split_at(buffer.len().min(SHORT));
    match start.iter().position(|byte| *byte == b'\n') {
        None if !rest.is_empty() => Some(SHORT + memchr::memchr(b'\n', rest)?),
        end => end,
    }
}

/// The length that a payload's line announces. It is the line's last field, so that a client
/// which only writes the payload out needs no JSON.
fn payload_length(line: &[u8]) -> Option<usize> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    line[..colon].strip_suffix(b"\"payload\"")?;
    let digits = line[colon + 1..].strip_suffix(b"}\n")?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (length <= REPLY_CAP).then_some(length)
}

/// Reads the line of a verb's reply.
///
/// # Errors
/// `Broken`.
pub fn read<R: reply::Body>(line: &[u8]) -> Result<Reply<R>, ClientError> {
    reply::read(line).map_err(|error| ClientError::Broken(error.to_string()))
}

/// The words of a refusal, if the line of a reply is one.
///
/// # Errors
/// `Broken`.
pub fn refusal_words(line: &[u8]) -> Result<Option<String>, ClientError> {
    reply::refusal_words(line).map_err(|error| ClientError::Broken(error.to_string()))
}

fn broken(error: &io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Slow,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => ClientError::HungUp,
        _ => ClientError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_first_break_however_long_it_is() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 3 * SHORT] {
            let line = vec![b'x'; length];
            assert_eq!(line_end(&line), None, "{length}");
            assert_eq!(line_end(&[&line[..], b"\n\n"].concat()), Some(length));
        }
    }

    #[test]
    fn a_payload_is_announced_at_the_end_of_its_line_only() {
        let line = super::super::render_payload(Vec::new());
        assert_eq!(payload_length(&line), Some(0));
        assert_eq!(payload_length(b"{\"ok\":true,\"payload\":17}\n"), Some(17));
        assert_eq!(
            payload_length(b"{\"error\":\"\\\"payload\\\":17}\"}\n"),
            None
        );
        assert_eq!(payload_length(b"{\"payload\":99999999999}\n"), None);
    }
}
