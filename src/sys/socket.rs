//! Unix sockets with deadlines, and whose other end is known.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::sys::clock::{self, Deadline};

/// How often a full backlog is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(1);
/// Most descriptors in one message.
const MOST_FDS: usize = 4;
/// One read, in bytes.
const BLOCK: usize = 64 * 1024;

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

/// Waits until something arrives and appends it to `buffer`: one read, whose size the caller
/// bounds in sum. Once the deadline has passed nothing is read any more, however much is there: a
/// peer that talks without end is late, too.
///
/// # Errors
/// `TimedOut` at the deadline, `UnexpectedEof` if the other end hung up, and those of the socket.
pub fn read(stream: &UnixStream, buffer: &mut Vec<u8>, deadline: Deadline) -> io::Result<()> {
    loop {
        let left = deadline.left();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut fds = [PollFd::new(stream, PollFlags::IN)];
        match poll(&mut fds, Some(&clock::timespec(left))) {
            Ok(_) if read_ready(stream, buffer)? => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Appends what is there already to `buffer`, without waiting: one read. `false` if that is
/// nothing.
///
/// # Errors
/// `UnexpectedEof` if the other end hung up, and those of the socket.
pub fn read_ready(stream: &UnixStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    // Read in place: to clear a block of this size costs more than all the rest.
    buffer.reserve(BLOCK);
    match rustix::net::recv(stream, spare_capacity(buffer), RecvFlags::DONTWAIT) {
        Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sends all of it at once, with descriptors.
///
/// # Errors
/// `WouldBlock` if the other end does not take it now, and those of the socket.
pub fn send_with(stream: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(bytes)], &mut control, flags)?;
    if sent < bytes.len() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(())
}

/// Appends what is there already, without waiting: one small read, and the descriptors that came
/// with it. `false` if that is nothing.
///
/// # Errors
/// `UnexpectedEof` if the other end hung up, and those of the socket.
pub fn receive_with(
    stream: &UnixStream,
    buffer: &mut Vec<u8>,
    fds: &mut Vec<OwnedFd>,
) -> io::Result<bool> {
    let mut block = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let parts = &mut [IoSliceMut::new(&mut block)];
    let length = match rustix::net::recvmsg(stream, parts, &mut control, flags) {
        Ok(message) => message.bytes,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            fds.extend(came);
        }
    }
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.extend_from_slice(&block[..length]);
    Ok(true)
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
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_arrives_is_read_until_the_deadline() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let soon = || Deadline::after(Duration::from_millis(20));
        let mut buffer = b"<".to_vec();
        assert!(!read_ready(&ours, &mut buffer).unwrap(), "nothing yet");
        let silent = read(&ours, &mut buffer, soon()).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        theirs.write_all(b"one").unwrap();
        read(&ours, &mut buffer, soon()).unwrap();
        theirs.write_all(b"two").unwrap();
        assert!(read_ready(&ours, &mut buffer).unwrap());
        assert_eq!(buffer, b"<onetwo");
        theirs.write_all(b"late").unwrap();
        let late = read(&ours, &mut buffer, Deadline::after(Duration::ZERO));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(buffer, b"<onetwo", "nothing is read after the deadline");
        drop(theirs);
        read(&ours, &mut buffer, soon()).unwrap();
        let end = read(&ours, &mut buffer, soon()).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        let end = read_ready(&ours, &mut buffer).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(buffer, b"<onetwolate");
    }

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
