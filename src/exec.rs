//! Child processes with a deadline. The only place that starts and waits for them.

use std::io;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::Deadline;

/// Most output of a child that is kept, in bytes.
const OUTPUT_CAP: usize = 4 << 20;

/// What a child left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a command to its end, with its output captured and no input; kills it at the deadline.
///
/// # Errors
/// Those of starting it; `TimedOut`; `FileTooLarge` past 4 MiB of output.
pub fn run(command: &mut Command, patience: Duration) -> io::Result<Finished> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let read = read_both(&mut child, Deadline::after(patience));
    if read.is_err() {
        // It may have ended by itself meanwhile; either way it is reaped below.
        drop(child.kill());
    }
    let status = child.wait()?;
    let (stdout, stderr) = read?;
    Ok(Finished {
        status,
        stdout,
        stderr,
    })
}

fn read_both(child: &mut Child, deadline: Deadline) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut out = (child.stdout.take(), Vec::new());
    let mut err = (child.stderr.take(), Vec::new());
    while out.0.is_some() || err.0.is_some() {
        let mut fds = Vec::with_capacity(2);
        fds.extend(
            out.0
                .as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        fds.extend(
            err.0
                .as_ref()
                .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
        );
        if deadline.passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        read_some(&mut out, &mut ready)?;
        read_some(&mut err, &mut ready)?;
    }
    Ok((out.1, err.1))
}

fn read_some<R: io::Read>(
    (pipe, bytes): &mut (Option<R>, Vec<u8>),
    ready: &mut impl Iterator<Item = bool>,
) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    if ready.next() != Some(true) {
        return Ok(());
    }
    let mut block = [0u8; 16 * 1024];
    match open.read(&mut block) {
        Ok(0) => *pipe = None,
        Ok(n) => bytes.extend_from_slice(&block[..n]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    if bytes.len() > OUTPUT_CAP {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(())
}

/// Waits for the end of a process that is no child of this one; `true` once it has ended.
///
/// A pidfd, not `kill(pid, 0)`: a process that its parent does not reap stays "alive" for that.
#[must_use]
pub fn wait_for_exit(pid: u32, patience: Duration) -> bool {
    // No process has a number past that.
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return true;
    };
    let fd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(error) => return error == rustix::io::Errno::SRCH,
    };
    let deadline = Deadline::after(patience);
    loop {
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) if !deadline.passed() => {}
            Err(_) => return false,
        }
    }
}

/// The program of this name on the given `PATH`.
#[must_use]
pub fn find_program(name: &str, path: &std::ffi::OsStr) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(path)
        .map(|dir| dir.join(name))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_are_kept() {
        let done = run(
            Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]),
            Duration::from_secs(5),
        );
        let done = done.unwrap();
        assert_eq!(
            (done.stdout, done.stderr),
            (b"out\n".to_vec(), b"err\n".to_vec())
        );
        assert_eq!(done.status.code(), Some(3));
    }

    #[test]
    fn a_child_that_hangs_is_killed_at_the_deadline() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn endless_output_is_cut_off() {
        let error = run(&mut Command::new("yes"), Duration::from_secs(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn the_end_of_any_process_is_noticed() {
        let mut child = Command::new("sleep").arg("0.05").spawn().unwrap();
        assert!(!wait_for_exit(std::process::id(), Duration::from_millis(1)));
        // Not reaped: a zombie counts as ended.
        assert!(wait_for_exit(child.id(), Duration::from_secs(5)));
        child.wait().unwrap();
        for nobody in [child.id(), 0, u32::MAX] {
            assert!(wait_for_exit(nobody, Duration::ZERO));
        }
    }
}
