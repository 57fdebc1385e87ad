//! The processes of a test: all that have its private directory in their environment.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use vmux::core::model::Pid;
use vmux::sys::proc::Proc;

/// Longest wait for the end of processes that were killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends what still runs of the test in `dir`: daemons that a last client started anew, sessions
/// that write their last lines, their shells.
pub(crate) fn end_all_of(dir: &Path) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = processes_of(dir);
        if left.is_empty() {
            return;
        }
        for (process, _) in &left {
            // It may have ended meanwhile.
            pidfd_send_signal(process, Signal::KILL).ok();
        }
        if Instant::now() > until {
            return eprintln!("something of {} still runs: {left:?}", dir.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes of the test in `dir`, each with a descriptor that keeps its pid from becoming
/// another's.
pub(crate) fn processes_of(dir: &Path) -> Vec<(OwnedFd, Pid)> {
    let mut pids = Vec::new();
    let mut proc = Proc::open(Path::new("/proc")).unwrap();
    proc.pids(&mut pids).unwrap();
    let name = dir.as_os_str().as_bytes();
    let of_this = |pid: u32| {
        if pid == std::process::id() {
            return None;
        }
        let raw = rustix::process::Pid::from_raw(pid.cast_signed())?;
        let process = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let ours = memchr::memmem::find(&environ, name).is_some();
        ours.then_some((process, Pid(pid)))
    };
    pids.into_iter().filter_map(of_this).collect()
}
