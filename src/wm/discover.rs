//! Finds the window manager of a session: by the session's own environment first, because a
//! daemon under systemd has none of it, and never by guessing between two.

use std::path::{Path, PathBuf};

use super::WmError;
use super::i3::I3;
use super::x11::Display;
use crate::model::Pid;
use crate::proc::sockets::Listening;
use crate::proc::{Environ, Proc};

/// Most listening sockets of window managers that are considered.
const SOCKETS_CAP: usize = 32;

/// Connects to the window manager that an environment belongs to.
///
/// In this order: its `SWAYSOCK` and `I3SOCK`, the root property of its `DISPLAY`, and the
/// listening window manager that has the same display (or is the only one, for an environment
/// without any).
///
/// # Errors
/// What was tried, in words.
pub fn find(environ: &Environ, proc: &Proc) -> Result<I3, String> {
    let mut tried = Vec::new();
    for name in ["SWAYSOCK", "I3SOCK"] {
        if let Some(path) = environ.get(name) {
            match I3::connect(Path::new(path)) {
                Ok(i3) => return Ok(i3),
                // One that hangs is found, and it is the right one: no other may be tried.
                Err(WmError::Hung) => return Err(format!("{name} does not answer")),
                Err(_) => tried.push(format!("{name}={} is dead", path.to_string_lossy())),
            }
        }
    }
    let display = environ.text("DISPLAY");
    if let Some(name) = display {
        match by_root_property(name, environ) {
            Ok(i3) => return Ok(i3),
            Err(why) => tried.push(why),
        }
    }
    match by_listening(display, proc) {
        Ok(i3) => Ok(i3),
        Err(why) => {
            tried.push(why);
            Err(tried.join(", "))
        }
    }
}

fn by_root_property(name: &str, environ: &Environ) -> Result<I3, String> {
    let display =
        open_display(name, environ).map_err(|error| format!("DISPLAY {name}: {error}"))?;
    let socket = display
        .i3_socket()
        .map_err(|error| format!("DISPLAY {name}: {error}"))?;
    let socket = socket.ok_or_else(|| format!("DISPLAY {name} has no i3"))?;
    I3::connect(&socket)
        .map_err(|error| format!("DISPLAY {name} names {}: {error}", socket.display()))
}

/// Opens an X display with the cookie file that an environment names.
///
/// # Errors
/// See [`WmError`].
pub fn open_display(name: &str, environ: &Environ) -> Result<Display, WmError> {
    let cookies = environ.get("XAUTHORITY").map(PathBuf::from).or_else(|| {
        environ
            .get("HOME")
            .map(|home| Path::new(home).join(".Xauthority"))
    });
    Display::open(name, cookies.as_deref())
}

fn by_listening(display: Option<&str>, proc: &Proc) -> Result<I3, String> {
    let mut fitting = Vec::new();
    for (path, pid) in listening(proc.listening(None)).take(SOCKETS_CAP) {
        let theirs = proc.environ(pid).unwrap_or_default();
        let same = display.is_none_or(|ours| theirs.text("DISPLAY") == Some(ours));
        if same && let Ok(i3) = I3::connect(&path) {
            fitting.push(i3);
        }
    }
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err("no i3 or sway listens".into()),
        n => Err(format!(
            "{n} window managers listen, and nothing tells which is meant"
        )),
    }
}

/// Those of the sockets that i3 and sway listen on, with the process in their name.
///
/// **Source:** i3 4.22: `$XDG_RUNTIME_DIR/i3/ipc-socket.PID`, `/tmp/i3-USER.XXXXXX/ipc-socket.PID`;
/// sway 1.7: `sway-ipc.UID.PID.sock`.
fn listening(sockets: Vec<Listening>) -> impl Iterator<Item = (PathBuf, Pid)> {
    let absolute = sockets.into_iter().filter(|s| s.path.is_absolute());
    absolute.filter_map(|Listening { path, .. }| {
        let name = path.file_name()?.to_str()?;
        let pid = name.strip_prefix("ipc-socket.").or_else(|| {
            let sway = name.strip_prefix("sway-ipc.")?.strip_suffix(".sock")?;
            Some(sway.split_once('.')?.1)
        })?;
        let pid = Pid(pid.parse().ok()?);
        Some((path, pid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_managers_are_known_by_their_sockets() {
        let paths = [
            "/run/user/1000/i3/ipc-socket.812",
            "/tmp/i3-a user.Ab12Cd/ipc-socket.9",
            "/run/user/1000/sway-ipc.1000.77.sock",
            "/run/user/1000/bus",
            "i3/ipc-socket.10",
            "/run/user/1000/i3/ipc-socket.",
        ];
        let sockets = paths.map(|path| Listening {
            inode: 1,
            path: path.into(),
        });
        let pids: Vec<u32> = listening(sockets.into()).map(|(_, pid)| pid.0).collect();
        assert_eq!(pids, [812, 9, 77]);
    }
}
