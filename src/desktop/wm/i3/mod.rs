//! i3 and sway, which speak the same protocol.

mod events;
mod find;
pub mod quote;
pub mod tree;
pub mod wire;

use std::path::Path;
use std::time::Duration;

use events::Events;
use wire::{Connection, MessageKind};

use super::x11::Display;
use super::{Backend, PATIENCE, Watch, WindowManager, WmError};
use crate::core::model::{
    Pid, Window, WindowId, WindowKey, WmAddress, WmTree, Workspace, WorkspaceId,
};

/// i3 and sway. Their address is the path of their socket.
pub const BACKEND: Backend = Backend {
    variables: &["SWAYSOCK", "I3SOCK", "WAYLAND_DISPLAY", "DISPLAY"],
    find: find::find,
    connect: |address, _| {
        let socket = Path::new(&address.0);
        let connected = || Ok(Box::new(I3::connect(socket)?) as Box<dyn WindowManager>);
        socket.is_absolute().then(connected)
    },
};

/// A connection for requests.
#[derive(Debug)]
struct I3 {
    connection: Connection,
    address: WmAddress,
    /// It is sway; asked where that matters.
    is_sway: Option<bool>,
}

impl I3 {
    /// Connects to the window manager that listens at `socket` and belongs to this user.
    fn connect(socket: &Path) -> Result<Self, WmError> {
        Self::connect_within(socket, PATIENCE)
    }

    /// The same, but waits no longer than this for a listener that is busy.
    fn connect_within(socket: &Path, patience: Duration) -> Result<Self, WmError> {
        Ok(Self {
            connection: Connection::open_within(socket, patience)?,
            address: WmAddress(socket.to_string_lossy().into_owned()),
            is_sway: None,
        })
    }

    fn command(&mut self, command: &str) -> Result<(), WmError> {
        let bytes = self
            .connection
            .request(MessageKind::RunCommand, command.as_bytes())?;
        tree::parse_command_reply(&bytes)
    }

    /// A name as an argument of a command.
    fn quoted(&mut self, name: &str) -> Result<String, WmError> {
        if !quote::is_plain(name) && self.is_sway()? {
            return Ok(quote::for_sway(name));
        }
        Ok(quote::for_i3(name))
    }

    fn is_sway(&mut self) -> Result<bool, WmError> {
        if let Some(known) = self.is_sway {
            return Ok(known);
        }
        let is_sway = self.version()?.variant.is_some();
        self.is_sway = Some(is_sway);
        Ok(is_sway)
    }

    fn version(&mut self) -> Result<tree::Version, WmError> {
        let bytes = self.connection.request(MessageKind::GetVersion, b"")?;
        tree::parse_version(&bytes).map_err(|error| WmError::Garbled(error.to_string()))
    }
}

impl WindowManager for I3 {
    fn address(&self) -> &WmAddress {
        &self.address
    }

    fn pid(&self) -> Option<Pid> {
        self.connection.peer_pid()
    }

    fn describe(&mut self) -> Result<String, WmError> {
        let version = self.version()?;
        let name = version.variant.as_deref().unwrap_or("i3");
        Ok(format!("{name} {}", version.human_readable))
    }

    fn tree(&mut self) -> Result<WmTree, WmError> {
        let bytes = self.connection.request(MessageKind::GetTree, b"")?;
        tree::parse(&bytes).map_err(|error| WmError::Garbled(error.to_string()))
    }

    fn focus(&mut self, window: &WindowId) -> Result<(), WmError> {
        self.command(&format!("{} focus", criteria(window)?))
    }

    fn guards(&self, window: &WindowId) -> bool {
        matches!(window.key, WindowKey::Con(_)) && window.xid.is_some()
    }

    fn put(&mut self, window: &Window, to: &Workspace, seen: &WmTree) -> Result<(), WmError> {
        let criteria = criteria(&window.id())?;
        if to.is_hidden() {
            return self.command(&format!("{criteria} move scratchpad"));
        }
        if to.is(&seen.focus.workspace) {
            // Focusing shows a hidden window on this workspace.
            return match window.workspace.is_hidden() {
                true => Ok(()),
                false => self.command(&format!("{criteria} move container to workspace current")),
            };
        }
        let name = self.quoted(name_of(to)?)?;
        self.command(&format!(
            "{criteria} move --no-auto-back-and-forth container to workspace {name}"
        ))?;
        if seen.has(to) || to.output.is_empty() {
            return Ok(());
        }
        // A workspace that was emptied is gone, and comes back on the output that has the focus.
        let tree = self.tree()?;
        let window = tree.by_key(window.key);
        if window.is_none_or(|window| window.workspace.output == to.output) {
            return Ok(());
        }
        let output = self.quoted(&to.output)?;
        self.command(&format!("{criteria} move workspace to output {output}"))
    }

    fn go(&mut self, to: &Workspace, seen: &WmTree) -> Result<(), WmError> {
        let name = self.quoted(name_of(to)?)?;
        self.command(&format!("workspace --no-auto-back-and-forth {name}"))?;
        if seen.has(to) || to.output.is_empty() {
            return Ok(());
        }
        let there = self.tree()?.focus.workspace;
        if there.is(to) && there.output != to.output {
            let output = self.quoted(&to.output)?;
            let moved = self.command(&format!("move workspace to output {output}"));
            // An output that is gone keeps nobody from its workspace.
            if let Err(WmError::Refused(words)) = moved {
                log::info!("could not move a workspace to {output}: {words}");
            } else {
                moved?;
            }
        }
        Ok(())
    }

    fn urgent(
        &mut self,
        window: &WindowId,
        urgent: bool,
        display: Option<&Display>,
    ) -> Result<bool, WmError> {
        if let (Some(display), Some(xid)) = (display, window.xid)
            && display.i3_socket()?.is_some()
        {
            return display.set_urgent(xid, urgent).map(|()| true);
        }
        // Of sway(5); i3 has no such command.
        let word = if urgent { "enable" } else { "disable" };
        self.command(&format!("{} urgent {word}", criteria(window)?))?;
        Ok(true)
    }

    fn watch(&self) -> Result<Box<dyn Watch>, WmError> {
        Ok(Box::new(Events::subscribe(Path::new(&self.address.0))?))
    }
}

/// What selects a window. Its container and, as ids are reused, the X11 window that it must hold.
fn criteria(window: &WindowId) -> Result<String, WmError> {
    let WindowKey::Con(con) = window.key else {
        return Err(WmError::Refused("it is not a container".into()));
    };
    let id = window.xid.map(|xid| format!(" id={}", xid.0));
    Ok(format!("[con_id={}{}]", con.0, id.unwrap_or_default()))
}

fn name_of(workspace: &Workspace) -> Result<&str, WmError> {
    match &workspace.id {
        WorkspaceId::Name(name) => Ok(name),
        _ => Err(WmError::Refused("it is not a named workspace".into())),
    }
}
