//! Where i3 and sway listen: by the session's own environment first, because a daemon under
//! systemd has none of it, and never by guessing between two.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::I3;
use crate::core::model::Pid;
use crate::desktop::wm::discover::open_display;
use crate::desktop::wm::{Found, Missing, PATIENCE, WindowManager as _, WmError};
use crate::sys::proc::sockets::Listening;
use crate::sys::proc::{Environ, Proc};
use crate::sys::socket;

/// Most listening sockets of window managers that are considered.
const SOCKETS_CAP: usize = 32;

/// In this order: its `SWAYSOCK` and `I3SOCK`, the compositor of its `WAYLAND_DISPLAY`, the root
/// property of its `DISPLAY`, and the listening window manager that has the same display (or is
/// the only one, for an environment without any).
pub(super) fn find(environ: &Environ, proc: &Proc) -> Result<Found, Missing> {
    let found = |i3, by: &str| {
        Ok(Found {
            manager: Box::new(i3),
            by: by.to_owned(),
        })
    };
    let mut missing = Missing::default();
    for name in ["SWAYSOCK", "I3SOCK"] {
        if let Some(path) = environ.get(name) {
            match I3::connect(Path::new(path)) {
                Ok(i3) => return found(i3, name),
                // One that hangs is found, and it is the right one: no other may be tried.
                Err(WmError::Hung) => {
                    missing.tried = vec![format!("{name} does not answer")];
                    missing.hangs = true;
                    return Err(missing);
                }
                Err(_) => missing
                    .tried
                    .push(format!("{name}={} is dead", path.to_string_lossy())),
            }
        }
    }
    if let Some(name) = environ.get("WAYLAND_DISPLAY") {
        let name = name.to_string_lossy();
        match by_compositor(&name, environ, proc) {
            Ok(i3) => return found(i3, &format!("WAYLAND_DISPLAY {name}")),
            Err(why) => missing.tried.push(format!("WAYLAND_DISPLAY {name} {why}")),
        }
    }
    let display = environ.text("DISPLAY");
    if let Some(name) = display {
        match by_root_property(name, environ) {
            Ok(i3) => return found(i3, &format!("DISPLAY {name}")),
            // To ask it again, by another way, costs as much time again.
            Err(why) if why.hangs => return Err(why),
            Err(why) => missing.tried.extend(why.tried),
        }
    }
    match by_listening(display, proc) {
        Ok(i3) => found(i3, "its socket, in /proc/net/unix"),
        Err(why) => {
            missing.tried.push(why);
            Err(missing)
        }
    }
}

fn by_root_property(name: &str, environ: &Environ) -> Result<I3, Missing> {
    let missing = |words: &str, error: &WmError| Missing {
        tried: vec![format!("DISPLAY {name}{words}: {error}")],
        hangs: matches!(error, WmError::Hung),
    };
    let display = open_display(name, environ).map_err(|error| missing("", &error))?;
    let socket = display.i3_socket().map_err(|error| missing("", &error))?;
    let socket = socket.ok_or_else(|| Missing {
        tried: vec![format!("DISPLAY {name} has no i3")],
        hangs: false,
    })?;
    let names = format!(" names {}", socket.display());
    I3::connect(&socket).map_err(|error| missing(&names, &error))
}

/// The process that accepts at a Wayland display is its compositor, and sway has its number in the
/// name of its socket.
fn by_compositor(name: &str, environ: &Environ, proc: &Proc) -> Result<I3, String> {
    let runtime = environ.get("XDG_RUNTIME_DIR").unwrap_or_default();
    let path = Path::new(runtime).join(name);
    let stream = socket::connect(&path, PATIENCE).map_err(|error| format!("is dead: {error}"))?;
    let compositor = socket::peer_pid(&stream).map(Pid);
    let compositor = compositor.ok_or_else(|| "does not tell its process".to_owned())?;
    let sockets = listening(proc.listening(None)).filter(|(_, pid)| *pid == compositor);
    let mut connected = sockets.take(SOCKETS_CAP).filter_map(|(path, pid)| {
        let i3 = I3::connect(&path).ok()?;
        (i3.pid() == Some(pid)).then_some(i3)
    });
    connected.next().ok_or_else(|| "is not sway's".to_owned())
}

/// Anybody may give a socket such a name and never accept there: a socket counts if the process
/// in its name is this user's and the one that listens, and none is waited for.
fn by_listening(display: Option<&str>, proc: &Proc) -> Result<I3, String> {
    let own = rustix::process::getuid().as_raw();
    let sockets = listening(proc.listening(None));
    let of_ours = sockets.filter(|(_, pid)| proc.uid(*pid) == Some(own));
    let (mut fitting, mut busy) = (Vec::new(), 0);
    for (path, pid) in of_ours.take(SOCKETS_CAP) {
        let theirs = proc.environ(pid).unwrap_or_default();
        if display.is_some_and(|ours| theirs.text("DISPLAY") != Some(ours)) {
            continue;
        }
        match I3::connect_within(&path, Duration::ZERO) {
            Ok(i3) if i3.pid() == Some(pid) => fitting.push(i3),
            Ok(_) => log::debug!("not {pid} listens at {}", path.display()),
            Err(WmError::Hung) => busy += 1,
            Err(error) => log::debug!("{}: {error}", path.display()),
        }
    }
    match (fitting.len(), busy) {
        (1, _) => Ok(fitting.remove(0)),
        (0, 0) => Err("no i3 or sway listens".into()),
        (0, _) => Err("no i3 or sway that listens accepts".into()),
        (n, _) => Err(format!(
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
    /// A `/proc` with this process in it, and these sockets.
    fn machine(dir: &Path, sockets: &[PathBuf]) -> Proc {
        let mut table = String::from("Num RefCount Protocol Flags Type St Inode Path\n");
        for (n, path) in sockets.iter().enumerate() {
            let path = path.display();
            table += &format!("0: 00000002 00000000 00010000 0001 01 {n} {path}\n");
        }
        std::fs::create_dir_all(dir.join("net")).unwrap();
        std::fs::write(dir.join("net/unix"), table).unwrap();
        let own = dir.join(std::process::id().to_string());
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("environ"), "DISPLAY=:7\0").unwrap();
        std::fs::create_dir_all(dir.join("1")).unwrap();
        Proc::open(dir).unwrap()
    }

    #[test]
    fn sockets_that_do_not_accept_cost_nothing_and_hide_nobody() {
        use rustix::net::{
            AddressFamily, SocketAddrUnix, SocketType, bind, connect, listen, socket,
        };
        let dir = tempfile::tempdir().unwrap();
        let named = |n: usize, pid: u32| {
            let dir = dir.path().join(n.to_string());
            std::fs::create_dir_all(&dir).unwrap();
            dir.join(format!("ipc-socket.{pid}"))
        };
        let stream = || socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let mut sockets = Vec::new();
        let mut open = Vec::new();
        for n in 0..20 {
            let path = named(n, std::process::id());
            let address = SocketAddrUnix::new(&path).unwrap();
            let (listener, caller) = (stream(), stream());
            bind(&listener, &address).unwrap();
            // One call fills the queue.
            listen(&listener, 0).unwrap();
            connect(&caller, &address).unwrap();
            open.extend([listener, caller]);
            sockets.push(path);
        }
        let started = crate::sys::clock::steady();
        let none = by_listening(None, &machine(dir.path(), &sockets)).unwrap_err();
        assert_eq!(none, "no i3 or sway that listens accepts");
        // One that has another process in its name, and the right one behind them all.
        for (n, pid) in [(20, 1), (21, std::process::id())] {
            let path = named(n, pid);
            open.push(
                std::os::unix::net::UnixListener::bind(&path)
                    .unwrap()
                    .into(),
            );
            sockets.push(path);
        }
        let proc = machine(dir.path(), &sockets);
        for display in [None, Some(":7")] {
            let found = by_listening(display, &proc).unwrap();
            assert_eq!(found.address().0, sockets[21].to_string_lossy());
        }
        assert!(by_listening(Some(":8"), &proc).is_err());
        // Who waits, waits half a second for each of the twenty.
        let took = started.elapsed();
        assert!(took < Duration::from_secs(4), "it took {took:?}");
    }
}
