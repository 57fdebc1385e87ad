//! A stream of events that outlives the daemon it comes from.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::Request;
use super::client::{Client, ClientError, PATIENCE};
use crate::clock::{self, Deadline};

/// Pauses between tries to reach a daemon that is gone: first and longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What a subscriber hears.
#[derive(Debug)]
pub enum Heard {
    /// A line of the stream, see [`EventLine`](super::EventLine); its line break included.
    Line(Vec<u8>),
    /// The stream has ended. The next line is the whole state again, from the next daemon.
    Lost(ClientError),
}

/// A subscription. A daemon that was stopped is waited for, not started: that may have been
/// on purpose.
#[derive(Debug)]
pub struct Subscription {
    socket: PathBuf,
    client: Option<Client>,
    pause: Duration,
    /// When to try to connect, while there is no connection.
    retry: Deadline,
}

impl Subscription {
    /// A subscription that connects when it is first listened to.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            client: None,
            pause: Duration::ZERO,
            retry: Deadline::after(Duration::ZERO),
        }
    }

    /// Subscribes over a fresh connection to the daemon at `socket`.
    ///
    /// # Errors
    /// `HungUp`, `Broken`.
    pub fn over(mut client: Client, socket: &Path) -> Result<Self, ClientError> {
        client.send(&Request::Subscribe)?;
        Ok(Self {
            client: Some(client),
            pause: RETRY.0,
            ..Self::to(socket)
        })
    }

    /// Waits for the next line, or the end of the stream, for as long as it takes.
    pub fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.hear_if_any() {
                return heard;
            }
            let left = self.retry_in().map(clock::timespec);
            let fd = self
                .fd()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let mut fds: Vec<PollFd<'_>> = fd.into_iter().collect();
            if let Err(error) = poll(&mut fds, left.as_ref()) {
                log::debug!("could not wait for events: {error}");
            }
        }
    }

    /// The next line, or the end of the stream, if it has come. Tries to connect if it is time.
    pub fn hear_if_any(&mut self) -> Option<Heard> {
        if self.client.is_none() && self.retry.passed() {
            self.connect();
        }
        match self.client.as_mut()?.next_line_if_any() {
            Ok(line) => {
                let line = line?;
                self.pause = RETRY.0;
                Some(Heard::Line(line))
            }
            Err(error) => {
                self.client = None;
                self.retry = Deadline::after(self.pause);
                Some(Heard::Lost(error))
            }
        }
    }

    /// What is readable when there may be more to hear; none while nobody is connected.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    /// When to listen again though nothing is readable: it is time to connect.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        self.client.is_none().then(|| self.retry.left())
    }

    fn connect(&mut self) {
        self.pause = (self.pause * 2).clamp(RETRY.0, RETRY.1);
        let connected = Client::connect(&self.socket, PATIENCE)
            .and_then(|mut client| client.send(&Request::Subscribe).map(|()| client));
        match connected {
            Ok(client) => self.client = Some(client),
            Err(error) => {
                log::debug!("could not subscribe again: {error}");
                self.retry = Deadline::after(self.pause);
            }
        }
    }
}
