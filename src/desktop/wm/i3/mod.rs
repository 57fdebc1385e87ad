//! i3 and sway, which speak the same protocol.

pub mod events;
pub mod quote;
pub mod tree;
pub mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use wire::{Connection, MessageKind};

use super::{PATIENCE, WmError};
use crate::core::model::{ConId, WmTree, Xid};

/// A connection for requests.
#[derive(Debug)]
pub struct I3 {
    connection: Connection,
    socket: PathBuf,
    /// It is sway; asked where that matters.
    is_sway: Option<bool>,
}

impl I3 {
    /// Connects to the window manager that listens at `socket` and belongs to this user.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn connect(socket: &Path) -> Result<Self, WmError> {
        Self::connect_within(socket, PATIENCE)
    }

    /// The same, but waits no longer than this for a listener that is busy.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn connect_within(socket: &Path, patience: Duration) -> Result<Self, WmError> {
        Ok(Self {
            connection: Connection::open_within(socket, patience)?,
            socket: socket.to_path_buf(),
            is_sway: None,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process, by the socket's other end.
    #[must_use]
    pub fn pid(&self) -> Option<crate::core::model::Pid> {
        self.connection.peer_pid()
    }

    /// All windows.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn tree(&mut self) -> Result<WmTree, WmError> {
        let bytes = self.connection.request(MessageKind::GetTree, b"")?;
        tree::parse(&bytes).map_err(|error| WmError::Garbled(error.to_string()))
    }

    /// Focuses a container. With `xid`, only if it holds that window: container ids are reused.
    ///
    /// # Errors
    /// `Refused` if there is no such container (any more).
    pub fn focus(&mut self, con_id: ConId, xid: Option<Xid>) -> Result<(), WmError> {
        let id = xid.map(|xid| format!(" id={}", xid.0)).unwrap_or_default();
        self.command(&format!("[con_id={}{id}] focus", con_id.0))
    }

    /// Runs one command.
    ///
    /// # Errors
    /// `Refused` with the manager's own words.
    pub fn command(&mut self, command: &str) -> Result<(), WmError> {
        let bytes = self
            .connection
            .request(MessageKind::RunCommand, command.as_bytes())?;
        tree::parse_command_reply(&bytes)
    }

    /// A name as an argument of [`I3::command`].
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn quoted(&mut self, name: &str) -> Result<String, WmError> {
        if !quote::is_plain(name) && self.is_sway()? {
            return Ok(quote::for_sway(name));
        }
        Ok(quote::for_i3(name))
    }

    fn is_sway(&mut self) -> Result<bool, WmError> {
        if let Some(known) = self.is_sway {
            return Ok(known);
        }
        let is_sway = self.ask_version()?.variant.is_some();
        self.is_sway = Some(is_sway);
        Ok(is_sway)
    }

    /// Its own name and version, such as `4.22 (2023-01-02)`.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn version(&mut self) -> Result<String, WmError> {
        Ok(self.ask_version()?.human_readable)
    }

    fn ask_version(&mut self) -> Result<tree::Version, WmError> {
        let bytes = self.connection.request(MessageKind::GetVersion, b"")?;
        tree::parse_version(&bytes).map_err(|error| WmError::Garbled(error.to_string()))
    }
}
