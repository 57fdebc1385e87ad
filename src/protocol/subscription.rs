//! A stream of events that outlives the daemon it comes from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Request;
use super::client::{Client, ClientError, PATIENCE};
use crate::clock;

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
}

impl Subscription {
    /// A subscription that connects when it is first listened to.
    #[must_use]
    pub fn to(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            client: None,
            pause: Duration::ZERO,
        }
    }

    /// Subscribes over a fresh connection to the daemon at `socket`.
    ///
    /// # Errors
    /// `HungUp`, `Broken`.
    pub fn over(mut client: Client, socket: &Path) -> Result<Self, ClientError> {
        client.send(&Request::Subscribe)?;
        Ok(Self {
            socket: socket.to_owned(),
            client: Some(client),
            pause: RETRY.0,
        })
    }

    /// Waits for the next line, or the end of the stream, for as long as it takes.
    pub fn hear(&mut self) -> Heard {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect(),
        };
        match client.next_line() {
            Ok(line) => {
                self.pause = RETRY.0;
                self.client = Some(client);
                Heard::Line(line)
            }
            Err(error) => Heard::Lost(error),
        }
    }

    fn connect(&mut self) -> Client {
        loop {
            clock::sleep(self.pause);
            self.pause = (self.pause * 2).clamp(RETRY.0, RETRY.1);
            let connected = Client::connect(&self.socket, PATIENCE)
                .and_then(|mut client| client.send(&Request::Subscribe).map(|()| client));
            match connected {
                Ok(client) => return client,
                Err(error) => log::debug!("could not subscribe again: {error}"),
            }
        }
    }
}
