//! A client's connection to a holder, asked and answered with deadlines.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::frame::{self, Reader};
use super::{Ended, Hello, Image, Info, PROTOCOL};
use crate::core::text::CleanText;
use crate::sys::clock::Deadline;
use crate::sys::socket;

/// A connection.
pub struct Link {
    stream: UnixStream,
    reader: Reader,
}

impl Link {
    /// Connects and says hello.
    ///
    /// # Errors
    /// Those of connecting: `ConnectionRefused` and `NotFound` say that the holder is gone.
    pub fn connect(socket: &Path, hello: &Hello, patience: Duration) -> io::Result<Self> {
        let stream = socket::connect(socket, patience)?;
        stream.set_write_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut link = Self {
            stream,
            reader: Reader::default(),
        };
        let hello = Hello {
            protocol: PROTOCOL,
            ..hello.clone()
        };
        link.send(frame::HELLO, &serde_json::to_vec(&hello)?)?;
        Ok(link)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        frame::write(kind, payload, &mut out);
        self.stream.write_all(&out)
    }

    /// Appends what has arrived, without waiting; `false` if nothing has.
    ///
    /// # Errors
    /// `UnexpectedEof` if the holder hung up, and those of the socket.
    pub fn fill(&mut self) -> io::Result<bool> {
        socket::read_ready(&self.stream, self.reader.buffer())
    }

    /// The next frame that has arrived: its kind and payload.
    ///
    /// # Errors
    /// `InvalidData` if the holder does not keep to the form.
    pub fn take(&mut self) -> io::Result<Option<(u8, &[u8])>> {
        let next = self.reader.take();
        next.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Waits for a frame of this kind, whatever comes before it, and returns its payload.
    ///
    /// # Errors
    /// `TimedOut`, those of the socket, and what the holder refuses.
    pub fn wait(&mut self, kind: u8, deadline: Deadline) -> io::Result<Vec<u8>> {
        Ok(self.wait_for(&[kind], deadline)?.1)
    }

    fn wait_for(&mut self, kinds: &[u8], deadline: Deadline) -> io::Result<(u8, Vec<u8>)> {
        loop {
            while let Some((came, payload)) = self.take()? {
                if kinds.contains(&came) {
                    return Ok((came, payload.to_vec()));
                }
                if came == frame::REFUSED {
                    let words = CleanText::line(&String::from_utf8_lossy(payload)).to_string();
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
                }
            }
            socket::read(&self.stream, self.reader.buffer(), deadline)?;
        }
    }

    /// Asks what the session is.
    ///
    /// # Errors
    /// See [`Link::wait`].
    pub fn info(&mut self, patience: Duration) -> io::Result<Info> {
        self.send(frame::ASK, b"")?;
        let bytes = self.wait(frame::INFO, Deadline::after(patience))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Has the holder go on as the program at `path`, a `vmux-host`; the session as it is then.
    /// `None` if the holder is so old that it cannot.
    ///
    /// # Errors
    /// See [`Link::wait`].
    pub fn upgrade(&mut self, path: &Path, patience: Duration) -> io::Result<Option<Info>> {
        let image = Image {
            path: path.to_owned(),
        };
        self.send(frame::UPGRADE, &serde_json::to_vec(&image)?)?;
        // Who passes the one over answers the other.
        self.send(frame::PING, b"")?;
        let kinds = [frame::UPGRADED, frame::PONG];
        let (kind, bytes) = self.wait_for(&kinds, Deadline::after(patience))?;
        if kind == frame::PONG {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Ends the session and waits until nothing of it is left.
    ///
    /// # Errors
    /// See [`Link::wait`].
    pub fn end(&mut self, patience: Duration) -> io::Result<Ended> {
        self.send(frame::END, b"")?;
        let bytes = self.wait(frame::EXIT, Deadline::after(patience))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// The connection alone, before anything has come.
    #[must_use]
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// The connection's socket.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
