//! One connection to an app-server, which a poll loop reads and writes: nothing here waits.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::frames::{self, Incoming, Reader, UPGRADE};
use crate::sys::socket;

/// A socket whose backlog is full is not waited for longer.
const CONNECT: Duration = Duration::from_millis(50);
/// The upgrade took 2 ms on an idle machine; whatever is sent must be taken as soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// What waits to be sent, in bytes. Requests are some hundred bytes.
const QUEUE_CAP: usize = 1 << 20;
/// Read in one go: what comes faster is read when the poll loop comes by again.
const READ_CAP: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    reader: Reader,
    /// What is left to be sent of the request for the upgrade.
    hello: Vec<u8>,
    /// Waits until that is granted: whatever else comes with the request makes the app-server hang
    /// up (0.171.0).
    queue: Vec<u8>,
    open: bool,
    /// When something must have moved, while the upgrade or a write is awaited.
    due: Option<Instant>,
}

impl Link {
    /// Connects to the socket at `path` and asks for the upgrade. Only a socket of this user, or
    /// root's, is trusted.
    ///
    /// # Errors
    /// Those of connecting.
    pub fn connect(path: &Path, steady: Instant) -> io::Result<Self> {
        let stream = socket::connect(path, CONNECT)?;
        stream.set_nonblocking(true)?;
        let mut link = Self {
            stream,
            reader: Reader::default(),
            hello: UPGRADE.to_vec(),
            queue: Vec::new(),
            open: false,
            due: Some(steady + PATIENCE),
        };
        link.flush(steady)?;
        Ok(link)
    }

    /// Sends a message, or keeps it until the socket takes it.
    ///
    /// # Errors
    /// Those of writing; `WouldBlock` if too much waits to be sent.
    pub fn send(&mut self, message: &str, steady: Instant) -> io::Result<()> {
        self.queue.extend(frames::text(message.as_bytes()));
        self.flush(steady)
    }

    /// What has come in. Never waits.
    ///
    /// # Errors
    /// Those of reading, `InvalidData` for what is no websocket, `UnexpectedEof` at its end, and
    /// `TimedOut` if the other side takes too long for what it owes.
    pub fn read(&mut self, steady: Instant) -> io::Result<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        let mut block = [0u8; 16 * 1024];
        let mut taken = 0;
        while taken < READ_CAP {
            match self.stream.read(&mut block) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    taken += n;
                    self.reader.push(&block[..n]);
                    self.take(&mut messages, steady)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush(steady)?;
        if self.due.is_some_and(|due| due <= steady) {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(messages)
    }

    fn take(&mut self, messages: &mut Vec<Vec<u8>>, steady: Instant) -> io::Result<()> {
        let broken = |broken: frames::Broken| io::Error::new(ErrorKind::InvalidData, broken.0);
        while let Some(incoming) = self.reader.pull().map_err(broken)? {
            match incoming {
                Incoming::Upgraded => {
                    self.open = true;
                    self.due = (!self.queue.is_empty()).then(|| steady + PATIENCE);
                }
                Incoming::Message(message) => messages.push(message),
                Incoming::Ping(payload) => self.queue.extend(frames::pong(&payload)),
                Incoming::Closed => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(())
    }

    fn flush(&mut self, steady: Instant) -> io::Result<()> {
        if self.queue.len() > QUEUE_CAP {
            return Err(ErrorKind::WouldBlock.into());
        }
        let before = self.queue.len();
        write(&mut self.stream, &mut self.hello)?;
        if self.open {
            write(&mut self.stream, &mut self.queue)?;
            let moved = self.queue.len() < before;
            match self.due {
                _ if self.queue.is_empty() => self.due = None,
                Some(_) if !moved => {}
                _ => self.due = Some(steady + PATIENCE),
            }
        }
        Ok(())
    }

    /// When [`Link::read`] has to be called even if nothing came in.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// Writes what the socket takes.
fn write(stream: &mut UnixStream, queue: &mut Vec<u8>) -> io::Result<()> {
    while !queue.is_empty() {
        match stream.write(queue) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => drop(queue.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Drop for Link {
    /// Says good-bye, if that can be said at once.
    fn drop(&mut self) {
        if self.open && self.queue.is_empty() {
            drop(self.stream.write(&frames::close()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::sys::clock;

    fn pair() -> (Link, UnixStream, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let link = Link::connect(&path, clock::steady()).unwrap();
        (link, listener.accept().unwrap().0, dir)
    }

    fn hear(server: &mut UnixStream, length: usize) -> Vec<u8> {
        let mut heard = vec![0; length];
        server.read_exact(&mut heard).unwrap();
        heard
    }

    #[test]
    fn a_message_goes_and_comes_and_a_ping_is_answered() {
        let (mut link, mut server, _dir) = pair();
        assert_eq!(hear(&mut server, UPGRADE.len()), UPGRADE);
        assert!(link.read(clock::steady()).unwrap().is_empty());
        server
            .write_all(b"HTTP/1.1 101 x\r\n\r\n\x81\x02hi\x89\x01?")
            .unwrap();
        assert_eq!(link.read(clock::steady()).unwrap(), [b"hi"]);
        assert_eq!(link.due(), None, "it owes nothing");
        assert_eq!(hear(&mut server, 7), frames::pong(b"?"));
        link.send("{}", clock::steady()).unwrap();
        assert_eq!(hear(&mut server, 8), frames::text(b"{}"));
        drop(link);
        assert_eq!(hear(&mut server, 6), frames::close());
    }

    #[test]
    fn nothing_is_sent_before_the_upgrade_is_granted() {
        let (mut link, mut server, _dir) = pair();
        link.send("{}", clock::steady()).unwrap();
        hear(&mut server, UPGRADE.len());
        server.set_nonblocking(true).unwrap();
        let early = server.read(&mut [0; 9]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(false).unwrap();
        server.write_all(b"HTTP/1.1 101 x\r\n\r\n").unwrap();
        link.read(clock::steady()).unwrap();
        assert_eq!(hear(&mut server, 8), frames::text(b"{}"));
    }

    #[test]
    fn one_that_says_nothing_is_left_after_a_while() {
        let (mut link, mut server, _dir) = pair();
        hear(&mut server, UPGRADE.len());
        let due = link.due().unwrap();
        assert!(link.read(due - Duration::from_millis(1)).is_ok());
        let kind = |read: io::Result<Vec<Vec<u8>>>| read.unwrap_err().kind();
        assert_eq!(kind(link.read(due)), ErrorKind::TimedOut);
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!(kind(link.read(clock::steady())), ErrorKind::InvalidData);
        drop(server);
        assert_eq!(kind(link.read(clock::steady())), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn one_that_takes_nothing_is_left_after_a_while() {
        let (mut link, mut server, _dir) = pair();
        server.write_all(b"HTTP/1.1 101 x\r\n\r\n").unwrap();
        link.read(clock::steady()).unwrap();
        let word = "x".repeat(64 * 1024);
        while link.due().is_none() {
            link.send(&word, clock::steady()).unwrap();
        }
        let due = link.due().unwrap();
        link.send("y", due - Duration::from_millis(1)).unwrap();
        assert_eq!(link.due(), Some(due), "nothing moved");
        assert!(link.read(due).is_err());
        let full = (0..20).any(|_| link.send(&word, clock::steady()).is_err());
        assert!(full, "the queue has a bound");
    }
}
