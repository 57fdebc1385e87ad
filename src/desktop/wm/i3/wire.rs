//! The i3 IPC protocol: framed messages on a Unix socket, each answered in time or not at all.
//!
//! **Source:** i3 user's guide "IPC interface", checked on i3 4.22 and 4.24, sway 1.7 and 1.10.
//! A header whose payload does not follow freezes i3 completely until that connection closes, so
//! a message leaves in one write.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::core::model::Pid;
use crate::desktop::wm::{PATIENCE, WmError};
use crate::sys::clock::Deadline;
use crate::sys::socket;

const MAGIC: &[u8; 6] = b"i3-ipc";
const HEADER: usize = 14;
/// Largest payload that is accepted, in bytes. A tree of 500 windows has 0.4 MiB.
const PAYLOAD_CAP: u32 = 32 << 20;
/// Marks an event's type.
const EVENT: u32 = 1 << 31;

/// Messages that vmux sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum MessageKind {
    /// Runs a command.
    RunCommand = 0,
    /// Turns the connection into a stream of events.
    Subscribe = 2,
    /// The layout tree.
    GetTree = 4,
    /// Name and version.
    GetVersion = 7,
}

/// What arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its type; of an event with the highest bit set.
    pub kind: u32,
    /// JSON.
    pub payload: Vec<u8>,
}

/// An open connection. After an error it is of no more use: an answer may still be under way.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    /// What was read and not yet taken.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `socket` and checks that this user listens there.
    ///
    /// # Errors
    /// `Closed` if nobody or somebody else does.
    pub fn open(socket: &Path) -> Result<Self, WmError> {
        Self::open_within(socket, PATIENCE)
    }

    /// The same, but waits no longer than this for a listener that is busy.
    ///
    /// # Errors
    /// See [`Connection::open`].
    pub fn open_within(socket: &Path, patience: Duration) -> Result<Self, WmError> {
        let stream = socket::connect(socket, patience)?;
        Self::over(stream)
    }

    /// Speaks over an open stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn over(stream: UnixStream) -> Result<Self, WmError> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// The process at the other end.
    #[must_use]
    pub fn peer_pid(&self) -> Option<Pid> {
        socket::peer_pid(&self.stream).map(Pid)
    }

    /// Sends a request and waits for its answer; events that come before it are dropped.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn request(&mut self, kind: MessageKind, payload: &[u8]) -> Result<Vec<u8>, WmError> {
        let deadline = Deadline::after(PATIENCE);
        self.send(kind, payload, deadline)?;
        loop {
            let message = self.receive(deadline)?;
            if message.kind == kind as u32 {
                return Ok(message.payload);
            }
            if message.kind & EVENT == 0 {
                return Err(WmError::Garbled(format!(
                    "an answer of type {}",
                    message.kind
                )));
            }
        }
    }

    fn send(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        deadline: Deadline,
    ) -> Result<(), WmError> {
        let length =
            u32::try_from(payload.len()).map_err(|_| WmError::Garbled("a long request".into()))?;
        let mut message = Vec::with_capacity(HEADER + payload.len());
        message.extend_from_slice(MAGIC);
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&(kind as u32).to_ne_bytes());
        message.extend_from_slice(payload);
        let mut rest = &message[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(WmError::Closed(io::ErrorKind::WriteZero.into())),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(deadline)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// `Hung` at the deadline, `Closed` at the end of the stream.
    pub fn receive(&mut self, deadline: Deadline) -> Result<Message, WmError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            socket::read(&self.stream, &mut self.buffer, deadline)?;
        }
    }

    /// All whole messages that have arrived, without waiting.
    ///
    /// # Errors
    /// `Closed` at the end of the stream, once all before it is taken.
    pub fn drain(&mut self) -> Result<Vec<Message>, WmError> {
        let mut messages = Vec::new();
        loop {
            while let Some(message) = self.take()? {
                messages.push(message);
            }
            match socket::read_ready(&self.stream, &mut self.buffer) {
                Ok(true) => {}
                Ok(false) => return Ok(messages),
                Err(_) if !messages.is_empty() => return Ok(messages),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes a whole message out of the buffer.
    fn take(&mut self) -> Result<Option<Message>, WmError> {
        let Some(header) = self.buffer.get(..HEADER) else {
            return Ok(None);
        };
        let number = |at: usize| {
            let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
            u32::from_ne_bytes(bytes)
        };
        let (length, kind) = (number(6), number(10));
        if &header[..6] != MAGIC || length > PAYLOAD_CAP {
            return Err(WmError::Garbled("not the i3 protocol".into()));
        }
        let end = HEADER + length as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let payload = self.buffer[HEADER..end].to_vec();
        self.buffer.drain(..end);
        Ok(Some(Message { kind, payload }))
    }

    /// Waits until the other end takes more.
    fn wait(&self, deadline: Deadline) -> Result<(), WmError> {
        if deadline.passed() {
            return Err(WmError::Hung);
        }
        let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) => Err(WmError::Hung),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(WmError::Closed(error.into())),
        }
    }

    /// What to poll for the arrival of events.
    #[must_use]
    pub fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn message(kind: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((payload.len() as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection::over(ours).unwrap(), theirs)
    }

    #[test]
    fn an_answer_is_found_behind_events_and_in_pieces() {
        let (mut connection, mut i3) = pair();
        let server = std::thread::spawn(move || {
            let mut request = [0u8; 14];
            i3.read_exact(&mut request).unwrap();
            assert_eq!(&request[..6], MAGIC);
            let mut bytes = message(EVENT | 3, b"{}");
            bytes.extend(message(4, b"[1,2,3]"));
            for piece in bytes.chunks(5) {
                i3.write_all(piece).unwrap();
            }
            i3
        });
        assert_eq!(
            connection.request(MessageKind::GetTree, b"").unwrap(),
            b"[1,2,3]"
        );
        drop(server.join());
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let (mut connection, _i3) = pair();
        assert!(matches!(
            connection.request(MessageKind::GetTree, b""),
            Err(WmError::Hung)
        ));
    }

    #[test]
    fn nonsense_and_the_end_are_errors() {
        for (bytes, hung_up) in [
            (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), false),
            (message(4, b"")[..10].to_vec(), true),
            (message(9, b"other"), false),
            (
                [&MAGIC[..], &u32::MAX.to_ne_bytes(), &4u32.to_ne_bytes()].concat(),
                false,
            ),
        ] {
            let (mut connection, mut i3) = pair();
            i3.write_all(&bytes).unwrap();
            let i3 = (!hung_up).then_some(i3);
            let error = connection.request(MessageKind::GetTree, b"").unwrap_err();
            drop(i3);
            assert_eq!(matches!(error, WmError::Closed(_)), hung_up, "{error:?}");
        }
    }

    #[test]
    fn draining_takes_what_is_there_and_tells_the_end() {
        let (mut connection, mut i3) = pair();
        i3.write_all(&message(EVENT | 3, b"{}")).unwrap();
        assert_eq!(connection.drain().unwrap().len(), 1);
        assert!(connection.drain().unwrap().is_empty());
        drop(i3);
        assert!(matches!(connection.drain(), Err(WmError::Closed(_))));
    }
}
