//! What Rust calls unsafe: what is done between fork and exec, and descriptors that somebody else
//! opened.
#![expect(
    unsafe_code,
    reason = "a child's terminal is set up between fork and exec; std has no safe way"
)]

use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::FdFlags;

/// Makes the child the leader of a session whose terminal is its standard input.
pub(crate) fn own_terminal(command: &mut Command) {
    // SAFETY: both calls are plain system calls: they allocate nothing and take no lock, which is
    // what may be done in a child that was forked from a process with threads.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(std::io::stdin().as_fd())?;
            Ok(())
        });
    }
}

/// Takes a descriptor over that was left open for this process, if it is open. Each number may be
/// taken once.
pub(crate) fn take(number: RawFd) -> std::io::Result<OwnedFd> {
    if number <= 2 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: the number is only asked for here; one that is not open is told by an error.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open, the image before this one left it for this one alone, and the caller
    // takes it once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Keeps from children what this process was given beside the three standard descriptors.
pub(crate) fn close_at_exec() {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let names = entries.flatten().map(|entry| entry.file_name());
    let numbers: Vec<RawFd> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // SAFETY: the number came from the kernel a moment ago, and nothing else runs yet that
        // could close it; one that is closed (that of the listing itself) is told by an error.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = rustix::io::fcntl_getfd(fd) {
            // One that is gone needs nothing.
            rustix::io::fcntl_setfd(fd, flags | FdFlags::CLOEXEC).unwrap_or_default();
        }
    }
}
