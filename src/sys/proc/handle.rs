//! Holds on to living processes.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Proc, Stat, read_stat};
use crate::core::model::{LocalKey, Pid};

/// What is kept open of a living process. Both descriptors are of this very process, whoever gets
/// its pid later.
#[derive(Debug)]
pub struct Handle {
    /// Becomes readable when the process ends.
    pidfd: OwnedFd,
    stat: OwnedFd,
}

impl Handle {
    /// Opened by pid, then checked by start time. `None` if it has ended.
    #[must_use]
    pub fn open(proc: &Proc, key: LocalKey) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(key.pid.0.cast_signed())?;
        let handle = Self {
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok()?,
            stat: proc.open_stat(key.pid)?,
        };
        (handle.stat()?.start_ticks == key.start_ticks).then_some(handle)
    }

    /// Becomes readable when the process ends.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// As it is now; nothing once it is reaped.
    #[must_use]
    pub fn stat(&self) -> Option<Stat> {
        read_stat(self.stat.as_fd())
    }
}

/// Those of these processes that have ended.
pub fn ended<'a>(handles: impl Iterator<Item = (Pid, &'a Handle)>) -> Vec<Pid> {
    let (pids, mut fds): (Vec<Pid>, Vec<PollFd<'a>>) = handles
        .map(|(pid, handle)| (pid, PollFd::from_borrowed_fd(handle.pidfd(), PollFlags::IN)))
        .unzip();
    if fds.is_empty() {
        return Vec::new();
    }
    let at_once = Timespec::default();
    if !poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0) {
        return Vec::new();
    }
    let all = pids.into_iter().zip(&fds);
    all.filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(pid, _)| pid)
        .collect()
}
