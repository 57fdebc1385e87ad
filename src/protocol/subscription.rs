//! A stream of events that outlives the daemon it comes from.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::client::{Client, ClientError, PATIENCE};
use super::request::{Ping, Subscribe};
use super::version::Other;
use crate::sys::clock::{self, Deadline};

/// Pauses between tries to reach a daemon that is gone: first and longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Longest wait to be let in: only a daemon that hangs has no room.
const KNOCK: Duration = Duration::from_millis(250);
/// After so much silence the daemon is asked whether it is there. One that hangs tells nothing, as
/// one does that has nothing to tell.
const QUIET: Duration = Duration::from_secs(5);

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
    /// What its first line says of the daemon.
    other: Option<Other>,
    pause: Duration,
    /// When to try to connect, while there is no connection.
    retry: Deadline,
    silence: Silence,
    /// Asks whether the daemon is there.
    asker: Option<Client>,
}

/// While nothing is heard: for how long that may be.
#[derive(Clone, Copy, Debug)]
enum Silence {
    /// The whole state comes at once.
    First(Deadline),
    /// Nothing changes, perhaps.
    Quiet(Deadline),
    /// The daemon was asked, and answers at once.
    Asked(Deadline),
}

impl Subscription {
    /// A subscription that connects when it is first listened to.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            client: None,
            other: None,
            pause: Duration::ZERO,
            retry: Deadline::after(Duration::ZERO),
            silence: Silence::First(Deadline::after(PATIENCE)),
            asker: None,
        }
    }

    /// Subscribes over a fresh connection to the daemon at `socket`.
    ///
    /// # Errors
    /// `HungUp`, `Broken`.
    pub fn over(mut client: Client, socket: &Path) -> Result<Self, ClientError> {
        client.send(&Subscribe {})?;
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
            self.wait(None);
        }
    }

    /// The same for as long as somebody reads what is written to `out`: `None` once nobody does.
    pub fn hear_for(&mut self, out: impl AsFd) -> Option<Heard> {
        loop {
            let heard = self.hear_if_any();
            if heard.is_some() || !self.wait(Some(out.as_fd())) {
                return heard;
            }
        }
    }

    /// Waits until there may be more to hear. Whether somebody reads there.
    fn wait(&self, out: Option<BorrowedFd<'_>>) -> bool {
        let left = clock::timespec(self.retry_in());
        let poll_for = |flags| move |fd| PollFd::from_borrowed_fd(fd, flags);
        // No event is asked for: an error is told all the same.
        let read = out.map(poll_for(PollFlags::empty()));
        let mut fds: Vec<PollFd<'_>> = read.into_iter().collect();
        fds.extend(self.fd().map(poll_for(PollFlags::IN)));
        if let Err(error) = poll(&mut fds, Some(&left)) {
            log::debug!("could not wait for events: {error}");
            return true;
        }
        out.is_none() || fds[0].revents().is_empty()
    }

    /// The next line, or the end of the stream, if it has come. Tries to connect if it is time.
    pub fn hear_if_any(&mut self) -> Option<Heard> {
        if self.client.is_none() && self.retry.passed() {
            self.connect();
        }
        let error = match self.client.as_mut()?.next_line_if_any() {
            Ok(Some(line)) => {
                self.pause = RETRY.0;
                if matches!(self.silence, Silence::First(_)) {
                    self.other = Other::of_line(&line);
                }
                self.silence = Silence::Quiet(Deadline::after(QUIET));
                return Some(Heard::Line(line));
            }
            // What has come is heard first: this program may have been held up, and not the daemon.
            Ok(None) => self.bear_silence().err()?,
            Err(error) => error,
        };
        self.client = None;
        self.asker = None;
        self.retry = Deadline::after(self.pause);
        Some(Heard::Lost(error))
    }

    /// The daemon's process and version, if it has told anything and is another one.
    #[must_use]
    pub fn other(&self) -> Option<(Option<u32>, &Other)> {
        let client = self.client.as_ref()?;
        Some((client.peer(), self.other.as_ref()?))
    }

    /// Asks the daemon whether it is there, if it is time.
    ///
    /// # Errors
    /// `Slow` if it does not answer. That it is gone is told by the stream.
    fn bear_silence(&mut self) -> Result<(), ClientError> {
        let (Silence::First(until) | Silence::Quiet(until) | Silence::Asked(until)) = self.silence;
        if let (Silence::Asked(_), Some(asker)) = (self.silence, &mut self.asker) {
            match asker.next_line_if_any() {
                Ok(None) => {}
                Ok(Some(_)) => self.silence = Silence::Quiet(Deadline::after(QUIET)),
                Err(_) => {
                    self.asker = None;
                    self.silence = Silence::Quiet(Deadline::after(QUIET));
                }
            }
        }
        match self.silence {
            Silence::First(_) | Silence::Asked(_) if until.passed() => Err(ClientError::Slow),
            Silence::Quiet(until) if until.passed() => self.ask(),
            _ => Ok(()),
        }
    }

    fn ask(&mut self) -> Result<(), ClientError> {
        let asker = self
            .asker
            .take()
            .map_or_else(|| Client::connect(&self.socket, KNOCK), Ok);
        let asked = asker.and_then(|mut asker| asker.send(&Ping {}).map(|()| asker));
        self.silence = match asked {
            Ok(asker) => {
                self.asker = Some(asker);
                Silence::Asked(Deadline::after(PATIENCE))
            }
            Err(ClientError::Slow) => return Err(ClientError::Slow),
            Err(_) => Silence::Quiet(Deadline::after(QUIET)),
        };
        Ok(())
    }

    /// What is readable when there may be more to hear; none while nobody is connected.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    /// When to listen again though nothing is readable: it is time to connect, or to see whether
    /// the daemon is there.
    #[must_use]
    pub fn retry_in(&self) -> Duration {
        let (Silence::First(until) | Silence::Quiet(until) | Silence::Asked(until)) = self.silence;
        match self.client {
            Some(_) => until.left(),
            None => self.retry.left(),
        }
    }

    fn connect(&mut self) {
        self.pause = (self.pause * 2).clamp(RETRY.0, RETRY.1);
        let connected = Client::connect(&self.socket, KNOCK)
            .and_then(|mut client| client.send(&Subscribe {}).map(|()| client));
        match connected {
            Ok(client) => {
                self.client = Some(client);
                self.silence = Silence::First(Deadline::after(PATIENCE));
            }
            Err(error) => {
                log::debug!("could not subscribe again: {error}");
                self.retry = Deadline::after(self.pause);
            }
        }
    }
}
