//! What the daemon is given to keep, so that the end of this process is not the end of the session:
//! the terminal, and the state as it was a moment ago.
//!
//! As long as somebody has the terminal open the program in it is not hung up. So whoever keeps it
//! has to let go of it at the end of the session, which [`frame::EXIT`] tells.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use vmux::hosted::frame;
use vmux::sys::{clock, socket};

use crate::holder::Holder;
use crate::parser::Job;
use crate::state::{Shelf, State};
use crate::term::{Kept, Size};

/// While a program writes, its state is laid down this often; and once when it has paused.
const PACE: Duration = Duration::from_secs(5);

/// Where the state is laid down, again and again.
pub(crate) struct Saved {
    shelf: Shelf,
    state: State,
    at: Instant,
    /// Something has changed since.
    stale: bool,
}

impl Saved {
    pub(crate) fn new(shelf: Shelf, state: State) -> Self {
        Self {
            shelf,
            state,
            at: clock::steady(),
            stale: true,
        }
    }

    /// Something has changed; whether it is time to lay the state down.
    pub(crate) fn touch(&mut self) -> bool {
        self.stale = true;
        clock::steady() >= self.at + PACE
    }

    /// Whether the state is not the last one.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// Lays the state down.
    pub(crate) fn save(&mut self, screen: &Kept, size: Size) {
        let info = &mut self.state.head.info;
        (info.columns, info.rows) = (size.columns, size.rows);
        self.state.clear();
        self.state.put_screen(screen);
        if let Err(error) = self.shelf.write(&self.state) {
            log::warn!("could not lay the state down: {error}");
        }
        self.state.clear();
        self.stale = false;
        self.at = clock::steady();
    }
}

impl Holder {
    /// Gives the session to a client that keeps it. A second one may come when the first is gone.
    pub(crate) fn escrow(&mut self, client: u64) {
        if let Err(error) = self.try_escrow(client) {
            log::warn!("could not give the session to be kept: {error}");
            if let Some(client) = self.client(client) {
                client.gone = true;
            }
        }
    }

    /// From now on the state is laid down there.
    pub(crate) fn save_on(&self, shelf: Shelf) {
        let saved = Saved::new(shelf, self.state());
        self.parser.give(Job::Save(Some(Box::new(saved))));
    }

    /// The state but for clients and screen.
    fn state(&self) -> State {
        let mut state = State::default();
        state.head = self.head(&mut state);
        state.clear();
        state
    }

    fn try_escrow(&mut self, client: u64) -> std::io::Result<()> {
        if self.shelf.is_none() {
            let mut shelf = Shelf::new()?;
            // Without a screen it is kept already; that follows.
            shelf.write(&self.state())?;
            self.shelf = Some(shelf.as_fd().try_clone_to_owned()?);
            self.save_on(shelf);
        }
        let words = serde_json::to_vec(&self.info())?;
        let mut bytes = Vec::new();
        frame::write(frame::ESCROWED, &words, &mut bytes);
        let Some(shelf) = self.shelf.as_ref().map(OwnedFd::as_fd) else {
            return Ok(());
        };
        let fds = [self.pty.as_fd(), shelf];
        let client = self.clients.iter().find(|found| found.id == client);
        match client {
            Some(client) if !client.has_queue() => socket::send_with(client.stream(), &bytes, &fds),
            _ => Err(std::io::ErrorKind::WouldBlock.into()),
        }
    }
}
