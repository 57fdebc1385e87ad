//! Who is at the other end of a process's Unix sockets.
//!
//! **Source:** sock_diag(7) and `linux/unix_diag.h`, Linux 6.18: one socket is asked for by its
//! number, and the kernel tells the number of its peer. Anybody may ask.

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::{Proc, sockets::socket_inode};
use crate::core::model::Pid;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `UDIAG_SHOW_PEER`.
const SHOW_PEER: u32 = 4;
/// `UNIX_DIAG_PEER`.
const PEER: u16 = 2;
/// Length of `nlmsghdr`, in bytes.
const HEADER: usize = 16;
/// Length of `unix_diag_req`, and of `unix_diag_msg` before its attributes, in bytes.
const QUESTION: usize = 24;
const ANSWER: usize = 16;
/// Most sockets of one process that are asked about.
const SOCKETS_CAP: usize = 32;

impl Proc {
    /// The processes that are connected to the Unix sockets of a process, each once.
    #[must_use]
    pub fn connected(&mut self, pid: Pid) -> Vec<Pid> {
        let own = self.open_files(pid);
        let own = own.iter().filter_map(|link| socket_inode(link));
        let own: Vec<u64> = own.take(SOCKETS_CAP).collect();
        let peers = ask_peers(&own).unwrap_or_default();
        let mut pids = Vec::new();
        if peers.is_empty() || self.pids(&mut pids).is_err() {
            return Vec::new();
        }
        let others = pids.into_iter().map(Pid).filter(|other| *other != pid);
        let has_peer = |other: &Pid| {
            let files = self.open_files(*other);
            let mut inodes = files.iter().filter_map(|link| socket_inode(link));
            inodes.any(|inode| peers.contains(&inode))
        };
        others.filter(has_peer).collect()
    }
}

fn ask_peers(inodes: &[u64]) -> io::Result<Vec<u64>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let protocol = Some(netlink::SOCK_DIAG);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    let mut peers = Vec::new();
    for inode in inodes {
        let Ok(inode) = u32::try_from(*inode) else {
            continue;
        };
        send(&socket, &question(inode), SendFlags::empty())?;
        // The kernel has answered when it takes the question (netlink(7)).
        let mut answer = [0u8; 1024];
        let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
        peers.extend(peer(&answer[..length]).map(u64::from));
    }
    Ok(peers)
}

fn question(inode: u32) -> Vec<u8> {
    let length = u32::try_from(HEADER + QUESTION).unwrap_or_default();
    let mut message = Vec::with_capacity(HEADER + QUESTION);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&REQUEST.to_ne_bytes());
    // Sequence and port.
    message.extend_from_slice(&[0; 8]);
    let family = u8::try_from(AddressFamily::UNIX.as_raw()).unwrap_or_default();
    message.extend_from_slice(&[family, 0, 0, 0]);
    // In any state.
    message.extend_from_slice(&u32::MAX.to_ne_bytes());
    message.extend_from_slice(&inode.to_ne_bytes());
    message.extend_from_slice(&SHOW_PEER.to_ne_bytes());
    // No cookie.
    message.extend_from_slice(&[0xff; 8]);
    message
}

/// The number of the peer in an answer; `None` for a refusal, and for a socket without one.
fn peer(message: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    if kind != BY_FAMILY {
        return None;
    }
    let mut attributes = message.get(HEADER + ANSWER..)?;
    loop {
        let length = u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?);
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == PEER {
            return Some(u32::from_ne_bytes(attributes.get(4..8)?.try_into().ok()?));
        }
        // Each begins at a multiple of four bytes, and is four long at least.
        let next = usize::from(length.max(4)).next_multiple_of(4);
        attributes = attributes.get(next..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_other_end_of_a_socket_is_found() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .spawn()
            .unwrap();
        let mut proc = Proc::open(Path::new("/proc")).unwrap();
        let connected = proc.connected(Pid(std::process::id()));
        let back = proc.connected(Pid(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ours.as_raw_fd() >= 0);
        assert!(connected.contains(&Pid(child.id())));
        assert_eq!(back, [Pid(std::process::id())]);
    }

    #[test]
    fn an_odd_answer_has_no_peer() {
        let mut message = vec![0u8; HEADER + ANSWER];
        assert_eq!(peer(&message), None);
        message[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        for more in [
            &[][..],
            &[0, 0, 0, 0],
            &[4, 0, 2, 0],
            &[255, 255, 1, 0],
            &[0; 40],
        ] {
            assert_eq!(peer(&[&message[..], more].concat()), None, "{more:?}");
        }
    }
}
