//! Unix sockets with deadlines, and whose other end is known.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::clock::{self, Deadline};

/// How often a full backlog is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// Connects to the socket at `path` within `patience`, if this user or root listens there.
///
/// # Errors
/// `TimedOut` if the listener does not accept, `PermissionDenied` if it is somebody else's, and
/// those of the file system; `InvalidInput` for a path that no socket address can hold.
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
    connect_to(&SocketAddrUnix::new(path)?, patience)
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
