//! Window managers that speak EWMH, with what each needs to start on a display of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};
use x11rb::rust_connection::RustConnection;

use super::desktop::Desktop;
use super::process::Killed;

/// How a window manager is started.
pub(crate) struct Manager {
    /// Its program.
    pub(crate) name: &'static str,
    /// Its arguments; `DIR` is the directory of the desktop.
    pub(crate) words: &'static [&'static str],
    /// A script that it finds as `DIR/autostart`.
    pub(crate) script: &'static str,
    /// It gives up without a message bus.
    pub(crate) needs_bus: bool,
}

/// What is installed by `scripts/test`.
pub(crate) const MANAGERS: [Manager; 5] = [
    Manager {
        words: &["--sm-disable"],
        ..Manager::called("openbox")
    },
    Manager {
        words: &["--compositor=off"],
        needs_bus: true,
        ..Manager::called("xfwm4")
    },
    Manager {
        needs_bus: true,
        ..Manager::called("kwin_x11")
    },
    Manager::called("awesome"),
    Manager {
        words: &["--autostart", "DIR/autostart"],
        // Two tags, as the others have more than one desktop.
        script: "#!/bin/sh\nherbstclient rename default 1\nherbstclient add 2\n",
        ..Manager::called("herbstluftwm")
    },
];

impl Manager {
    /// One that is started without any words.
    pub(crate) const fn called(name: &'static str) -> Self {
        Self {
            name,
            words: &[],
            script: "",
            needs_bus: false,
        }
    }

    /// One of [`MANAGERS`].
    pub(crate) fn named(name: &str) -> Self {
        let mut known = MANAGERS.into_iter();
        known.find(|manager| manager.name == name).unwrap()
    }

    pub(super) fn start(&self, desktop: &Desktop) -> Killed {
        let script = desktop.path("autostart");
        fs::write(&script, self.script).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = desktop.command(self.name);
        if self.needs_bus {
            desktop.set("DBUS_SESSION_BUS_ADDRESS", desktop.bus());
            command = desktop.command(self.name);
        }
        let dir = desktop.dir().to_str().unwrap();
        command.args(self.words.iter().map(|word| word.replace("DIR", dir)));
        desktop.logged(self.name, &mut command)
    }

    /// EWMH: the root names a window that names itself, as long as somebody manages the display.
    pub(super) fn manages(&self, desktop: &Desktop) -> Option<()> {
        let (x, root) = desktop.x();
        let name = x.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK").ok()?;
        let atom = name.reply().ok()?.atom;
        let child = window_in(&x, root, atom)?;
        (window_in(&x, child, atom)? == child).then_some(())
    }
}

/// The window that a property of another window names.
fn window_in(x: &RustConnection, window: u32, property: u32) -> Option<u32> {
    let cookie = x.get_property(false, window, property, AtomEnum::WINDOW, 0, 1);
    let reply = cookie.ok()?.reply().ok()?;
    reply.value32()?.next()
}
