//! Finds the window manager of a session, and its X display.

use std::path::{Path, PathBuf};

use super::x11::Display;
use super::{BACKENDS, Connected, Found, WmError};
use crate::core::model::WmAddress;
use crate::sys::proc::{Environ, Proc};

/// Connects to the window manager that an environment belongs to: the first of the table that has
/// one there.
///
/// # Errors
/// What was tried, in words.
pub fn find(environ: &Environ, proc: &Proc) -> Result<Found, String> {
    let mut tried = Vec::new();
    for backend in BACKENDS {
        match (backend.find)(environ, proc) {
            Ok(found) => return Ok(found),
            Err(missing) if missing.hangs => return Err(missing.tried.join(", ")),
            Err(missing) => tried.extend(missing.tried),
        }
    }
    let mut said = std::collections::HashSet::new();
    tried.retain(|words| said.insert(words.clone()));
    Err(tried.join(", "))
}

/// Connects to the window manager at an address, with what these environments know of it.
///
/// # Errors
/// See [`WmError`]; `Refused` for an address of a kind that this vmux does not know.
pub fn connect(address: &WmAddress, environs: &[&Environ]) -> Connected {
    let mut connected = BACKENDS
        .iter()
        .filter_map(|backend| (backend.connect)(address, environs));
    let unknown = || Err(WmError::Refused(format!("{address} is no address")));
    connected.next().unwrap_or_else(unknown)
}

/// The variables that lead to a window manager.
pub fn variables() -> impl Iterator<Item = &'static str> {
    BACKENDS
        .iter()
        .flat_map(|backend| backend.variables.iter().copied())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desktop::wm::PATIENCE;
    use crate::sys::clock;

    #[test]
    fn an_x_server_that_hangs_is_waited_for_once() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};
        // A number that no X server takes by itself.
        let number = 20_000 + std::process::id() % 40_000;
        let address = SocketAddr::from_abstract_name(format!("/tmp/.X11-unix/X{number}")).unwrap();
        let _silent = UnixListener::bind_addr(&address).unwrap();
        let environ = Environ::parse(format!("DISPLAY=:{number}\0").as_bytes());
        let proc = Proc::open(Path::new("/proc")).unwrap();
        // Whoever waits twice does so each time; a busy machine is slow once.
        let took = (0..3).map(|_| {
            let started = clock::steady();
            let why = find(&environ, &proc).err().unwrap();
            assert!(why.contains("did not answer within 500 ms"), "{why}");
            started.elapsed()
        });
        let took = took.min().unwrap();
        assert!(took < PATIENCE * 2, "it took {took:?}");
    }

    #[test]
    fn clients_send_what_leads_to_their_window_manager() {
        for name in variables() {
            assert!(crate::protocol::ENVIRON.contains(&name), "{name}");
        }
    }
}
