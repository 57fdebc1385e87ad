//! Tells when something is typed at a terminal: no event tells that tmux shows another pane, but
//! somebody typed before.
//!
//! **Source:** inotify(7); measured with tmux 3.3a on Linux 6: reading a key from its client's
//! terminal is an `IN_ACCESS` of `/dev/pts/N`, what tmux draws there is none.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify;

/// Terminals that are listened to, until the first key of any of them.
#[derive(Debug, Default)]
pub struct Typing {
    /// There from the first terminal on, if one could be had.
    fd: Option<OwnedFd>,
    watched: Vec<i32>,
}

impl Typing {
    /// Listens to these terminals, and to no others. One that is gone is left out; where this
    /// user has no inotify instance left, nothing is heard until the next call.
    pub fn listen(&mut self, terminals: &BTreeSet<PathBuf>) {
        self.stop();
        if terminals.is_empty() {
            return;
        }
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        self.fd = self.fd.take().or_else(|| inotify::init(flags).ok());
        let Some(fd) = &self.fd else { return };
        let flags = inotify::WatchFlags::ACCESS;
        let watches = terminals
            .iter()
            .filter_map(|terminal| inotify::add_watch(fd, terminal, flags).ok());
        self.watched = watches.collect();
    }

    /// Whether a key was read. Then all are left in peace until they are listened to again: who
    /// types a sentence is heard once.
    pub fn take(&mut self) -> bool {
        let Some(fd) = &self.fd else {
            return false;
        };
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut heard = false;
        // Ends with `AGAIN`: the descriptor does not block.
        while let Ok(event) = reader.next() {
            heard |= event.events().contains(inotify::ReadFlags::ACCESS);
        }
        if heard {
            self.stop();
        }
        heard
    }

    /// To poll for, if it listens.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
    }

    fn stop(&mut self) {
        let Some(fd) = &self.fd else { return };
        for watch in self.watched.drain(..) {
            // Fails if the terminal is gone, and the watch with it.
            let _removed = inotify::remove_watch(fd, watch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn a_key_is_heard_once_and_what_is_drawn_is_not() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = PathBuf::from(name.to_str().unwrap());
        let mut master = std::fs::File::from(master);
        let mut terminal = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let mut typing = Typing::default();
        let all = BTreeSet::from([path, PathBuf::from("/dev/pts/none")]);
        typing.listen(&all);
        terminal.write_all(b"drawn").unwrap();
        assert!(!typing.take());
        let mut press = |master: &mut std::fs::File| {
            master.write_all(b"x\n").unwrap();
            terminal.read_exact(&mut [0; 2]).unwrap();
        };
        press(&mut master);
        assert!(typing.take());
        press(&mut master);
        assert!(!typing.take(), "until it is listened to again");
        typing.listen(&all);
        press(&mut master);
        assert!(typing.take());
    }
}
