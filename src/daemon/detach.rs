//! Starts a daemon in the background, and what such a daemon does first.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::sys::clock::Deadline;
use crate::sys::paths::Paths;

/// What a daemon writes to its standard output once it listens; anything else is an error.
const READY: &[u8] = b"ready\n";
/// A log larger than this is started anew, in bytes.
const LOG_CAP: u64 = 1 << 20;
/// How rofi's variables begin. A daemon that had them would make every rofi it starts refuse
/// ("do not launch rofi from inside rofi").
const ROFI: &str = "ROFI_";

/// Starts `program daemon run --detached` and waits until it listens.
///
/// # Errors
/// In words: it could not be started, said why it cannot run, or was not ready in time.
pub fn start(
    program: &Path,
    paths: &Paths,
    environ_names: impl Iterator<Item = OsString>,
    patience: Duration,
) -> Result<(), String> {
    let deadline = Deadline::after(patience);
    let mut command = Command::new(program);
    command
        .args(["daemon", "run", "--detached"])
        .env("VMUX_SOCKET", &paths.socket);
    for name in environ_names {
        if name.to_string_lossy().starts_with(ROFI) {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| format!("could not start {}: {error}", program.display()))?;
    let Some(mut pipe) = child.stdout.take() else {
        return Err("could not open a pipe".into());
    };
    let mut said = Vec::new();
    loop {
        if deadline.passed() {
            return Err("the vmux daemon is still starting".into());
        }
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(format!("could not wait for the vmux daemon: {error}")),
        }
        let mut block = [0u8; 1024];
        match pipe.read(&mut block) {
            Ok(0) => break,
            Ok(n) => said.extend_from_slice(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("could not wait for the vmux daemon: {error}")),
        }
        if said == READY {
            return Ok(());
        }
    }
    // It has ended: reap it, and pass on what it said.
    let status = child
        .wait()
        .map_err(|error| format!("could not wait for the vmux daemon: {error}"))?;
    let said = String::from_utf8_lossy(&said);
    let said = said.trim().trim_start_matches("vmux: ");
    if said.is_empty() {
        return Err(format!("the vmux daemon ended at once ({status})"));
    }
    Err(said.to_owned())
}

/// Leaves the terminal and everything inherited behind: own session, `/`, standard error to the
/// log. Standard output stays until [`tell_ready`].
///
/// # Errors
/// Those of the file system.
pub fn leave(log: &Path) -> io::Result<()> {
    // Fails only for a group leader, which a freshly spawned child is not.
    let _session = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    // A daemon without a log is better than none: the home may be read-only.
    let file = match open_log(log) {
        Ok(file) => file,
        Err(_) => File::options().write(true).open("/dev/null")?,
    };
    rustix::stdio::dup2_stderr(&file)?;
    drop(file);
    close_inherited();
    Ok(())
}

fn open_log(log: &Path) -> io::Result<File> {
    if let Some(dir) = log.parent() {
        crate::sys::files::create_private_dir(dir)?;
    }
    let large = std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > LOG_CAP);
    let mut options = File::options();
    // A FIFO that nobody reads would hold up the start, and one that somebody reads a later word.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    options.create(true).mode(0o600).custom_flags(flags);
    let file = if large {
        options.write(true).truncate(true).open(log)?
    } else {
        options.append(true).open(log)?
    };
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Closes all descriptors but the standard three: a launcher that waits for the end of a pipe
/// that the daemon inherited would wait for ever.
#[expect(
    unsafe_code,
    reason = "descriptors of unknown origin can be closed in no other way"
)]
fn close_inherited() {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    // The listing's own descriptor is closed by now.
    for fd in open
        .into_iter()
        .filter(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok())
    {
        // SAFETY: called first thing, on the only thread, before any file of our own is open: no
        // one in this program owns the descriptor.
        unsafe { rustix::io::close(fd) };
    }
}

/// Tells whoever started this daemon that it listens.
pub fn tell_ready() {
    let mut out = io::stdout();
    // Who started it may be gone; the daemon is ready all the same.
    drop(out.write_all(READY).and_then(|()| out.flush()));
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _replaced = rustix::stdio::dup2_stdout(&null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_a_file_or_nothing() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("state/vmux.log");
        drop(open_log(&log).unwrap());
        std::fs::remove_file(&log).unwrap();
        mknodat(CWD, &log, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(open_log(&log).is_err(), "nobody reads it");
        let _reader = File::options().read(true).write(true).open(&log).unwrap();
        assert!(open_log(&log).is_err(), "somebody reads it, now");
    }
}
