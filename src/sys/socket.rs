//! Unix sockets with deadlines, and whose other end is known.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::sys::clock::{self, Deadline};

/// How often a full backlog is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// Connects to the socket at `path` within `patience`, if this user or root listens there.
///
/// # Errors
/// `TimedOut` if the listener does not accept, `PermissionDenied` if it is somebody else's, and
/// those of the file system; `InvalidInput` for a name that no socket address can hold.
pub fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let stream = connect_foreign(path, patience)?;
    let owner = peer_uid(&stream)?;
    if owner != rustix::process::getuid().as_raw() && owner != 0 {
        let message = format!("user {owner} listens at {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(stream)
}

/// The same, whoever listens.
///
/// # Errors
/// See [`connect`].
pub fn connect_foreign(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    through_short_path(path, |path| {
        connect_to(&SocketAddrUnix::new(path)?, patience)
    })
}

/// The same, at any address.
///
/// # Errors
/// See [`connect`].
pub fn connect_to(address: &SocketAddrUnix, patience: Duration) -> io::Result<UnixStream> {
    let deadline = Deadline::after(patience);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match rustix::net::connect(&socket, address) {
            Ok(()) => break,
            // unix(7): the backlog is full. No event tells when it is not.
            Err(rustix::io::Errno::AGAIN) if !deadline.passed() => clock::sleep(TRY_AGAIN),
            Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Listens at `path`, which must not be there.
///
/// # Errors
/// Those of `bind(2)`; `InvalidInput` for a name that no socket address can hold.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    through_short_path(path, UnixListener::bind)
}

/// Does something with the address of `path`. One that is too long is reached through its
/// directory's descriptor.
///
/// **Source:** unix(7): 108 bytes, with the one that ends it. Runtime directories of sandboxes and
/// test runs are often longer.
fn through_short_path<T>(
    path: &Path,
    reach: impl FnOnce(PathBuf) -> io::Result<T>,
) -> io::Result<T> {
    if SocketAddrUnix::new(path).is_ok() {
        return reach(path.to_owned());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let dir = rustix::fs::open(dir, flags, Mode::empty())?;
    let short = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let short = Path::new(&short).join(path.file_name().unwrap_or_default());
    if SocketAddrUnix::new(&short).is_err() {
        let message = format!("the name of {} is too long for a socket", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    reach(short)
}

/// The user at the other end.
///
/// # Errors
/// Those of `SO_PEERCRED`.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// The process at the other end, as it was when it connected.
#[must_use]
pub fn peer_pid(stream: &UnixStream) -> Option<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
    u32::try_from(credentials.pid.as_raw_pid()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_reached_and_a_long_name_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let path = deep.join("vmux.sock");
        let missing = connect(&path, Duration::ZERO).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let _listener = listen(&path).unwrap();
        assert!(path.exists());
        let stream = connect(&path, Duration::ZERO).unwrap();
        assert_eq!(peer_pid(&stream), Some(std::process::id()));
        let long = dir.path().join("n".repeat(120));
        for error in [
            listen(&long).unwrap_err(),
            connect(&long, Duration::ZERO).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(
                error.to_string().ends_with("is too long for a socket"),
                "{error}"
            );
        }
    }
}
