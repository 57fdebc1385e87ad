//! i3's events, as signs that something changed: treated as "look again", not as data.

use std::path::Path;

use serde::Deserialize;

use super::wire::{Connection, MessageKind};
use crate::wm::WmError;

/// A stream of events on a connection of its own. It must be read: i3 closes the connection of
/// a subscriber that does not read for about ten seconds (i3 4.22), older ones froze.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
}

#[derive(Deserialize)]
struct Subscribed {
    #[serde(default)]
    success: bool,
}

impl Events {
    /// Subscribes to what concerns windows and workspaces.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn subscribe(socket: &Path) -> Result<Self, WmError> {
        let mut connection = Connection::open(socket)?;
        let reply = connection.request(
            MessageKind::Subscribe,
            br#"["window","workspace","shutdown"]"#,
        )?;
        let subscribed: Subscribed =
            serde_json::from_slice(&reply).map_err(|error| WmError::Garbled(error.to_string()))?;
        if subscribed.success {
            Ok(Self { connection })
        } else {
            Err(WmError::Refused("a subscription".into()))
        }
    }

    /// Takes all events that have arrived; whether any of them moved a window, made or closed
    /// one, or moved the focus. A title alone does not: spinners change them every second.
    ///
    /// # Errors
    /// `Closed` once the manager is gone or restarts.
    pub fn drain(&mut self) -> Result<bool, WmError> {
        let messages = self.connection.drain()?;
        Ok(messages.iter().any(|message| {
            let start = &message.payload[..message.payload.len().min(64)];
            memchr::memmem::find(start, b"\"change\":\"title\"").is_none()
        }))
    }

    /// What to poll.
    #[must_use]
    pub fn descriptor(&self) -> std::os::fd::BorrowedFd<'_> {
        self.connection.descriptor()
    }
}
