//! Child processes with a deadline. The only place that starts and waits for them.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::sys::clock::Deadline;

/// Most output of a child that is kept, in bytes.
const OUTPUT_CAP: usize = 4 << 20;
/// Longest wait for a killed child to be gone.
const KILL: Duration = Duration::from_millis(500);

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
/// Its end is what counts, not that of its pipes: a child may close them and live on, or leave
/// them to a process of its own.
///
/// # Errors
/// Those of starting it; `TimedOut`; `FileTooLarge` past 4 MiB of output.
pub fn run(command: &mut Command, patience: Duration) -> io::Result<Finished> {
    let mut stdout = Vec::new();
    let mut keep = |piece: &[u8]| {
        stdout.extend_from_slice(piece);
        let fits = stdout.len() <= OUTPUT_CAP;
        fits.then_some(())
            .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
    };
    let mut done = pass(command, &[], &mut keep, patience)?;
    done.stdout = stdout;
    Ok(done)
}

/// The same with an input, and its output handed on in pieces as it comes: an error of who takes
/// them ends the child. A child that does not read its input to the end is none.
///
/// # Errors
/// Those of [`run`], and what `take` says.
pub fn pass(
    command: &mut Command,
    input: &[u8],
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    patience: Duration,
) -> io::Result<Finished> {
    let stdin = match input {
        [] => Stdio::null(),
        _ => Stdio::piped(),
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    match follow(&mut child, input, take, Deadline::after(patience)) {
        Ok(stderr) => Ok(Finished {
            status: child.wait()?,
            stdout: Vec::new(),
            stderr,
        }),
        Err(error) => {
            end(child);
            Err(error)
        }
    }
}

/// Reads until the child has ended, and what it has written by then.
fn follow(
    child: &mut Child,
    input: &[u8],
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    deadline: Deadline,
) -> io::Result<Vec<u8>> {
    let ends = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let mut feed = Input::of(child.stdin.take(), input)?;
    let mut out = Output::of(child.stdout.take())?;
    let mut err = Output::of(child.stderr.take())?;
    let mut words = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(&ends, PollFlags::IN)];
        let pipes = out.pipe.iter().map(AsFd::as_fd);
        let pipes = pipes.chain(err.pipe.iter().map(AsFd::as_fd));
        fds.extend(pipes.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        fds.extend(
            feed.pipe
                .iter()
                .map(|pipe| PollFd::new(pipe, PollFlags::OUT)),
        );
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Asked before the pipes are read: what a child wrote that has ended is in them.
        let ended = !fds[0].revents().is_empty();
        feed.write()?;
        out.read(take)?;
        err.read(&mut |piece| {
            words.extend_from_slice(piece);
            let fits = words.len() <= OUTPUT_CAP;
            fits.then_some(())
                .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
        })?;
        if ended {
            return Ok(words);
        }
        if deadline.passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// What a child is given to read.
struct Input<'a> {
    /// Until all is written.
    pipe: Option<ChildStdin>,
    left: &'a [u8],
}

impl<'a> Input<'a> {
    fn of(pipe: Option<ChildStdin>, left: &'a [u8]) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe, left })
    }

    /// Writes what fits.
    fn write(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.pipe {
            match pipe.write(self.left) {
                Ok(n) => self.left = &self.left[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It reads no further.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.left = &[],
                Err(error) => return Err(error),
            }
            if self.left.is_empty() {
                self.pipe = None;
            }
        }
        Ok(())
    }
}

/// Kills a child. One that the kernel holds back, as on a file system that does not answer, ends
/// later: a thread of its own waits for that.
fn end(mut child: Child) {
    // It may have ended by itself meanwhile.
    drop(child.kill());
    let ended = wait_for_exit(child.id(), KILL);
    let mut reap = move || drop(child.wait());
    if ended {
        reap();
    } else {
        // Without a thread it stays a zombie as long as this process lives.
        drop(std::thread::Builder::new().name("reap".into()).spawn(reap));
    }
}

/// One of a child's outputs.
struct Output<R> {
    /// Until its end.
    pipe: Option<R>,
}

impl<R: Read + AsFd> Output<R> {
    fn of(pipe: Option<R>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        Ok(Self { pipe })
    }

    /// Reads what is there.
    fn read(&mut self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut block = [0u8; 16 * 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut block) {
                Ok(0) => self.pipe = None,
                Ok(n) => take(&block[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What becomes readable at the end of a process that is no child of this one; `None` if it has
/// ended, or cannot be waited for.
///
/// A pidfd, not `kill(pid, 0)`: a process that its parent does not reap stays "alive" for that.
#[must_use]
pub fn end_of(pid: u32) -> Option<OwnedFd> {
    // No process has a number past that.
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Whether the process behind [`end_of`] has ended.
#[must_use]
pub fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Waits for the end of a process that is no child of this one; `true` once it has ended.
#[must_use]
pub fn wait_for_exit(pid: u32, patience: Duration) -> bool {
    let Some(process) = end_of(pid) else {
        return true;
    };
    let deadline = Deadline::after(patience);
    loop {
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) if !deadline.passed() => {}
            Err(_) => return false,
        }
    }
}

/// A program beside this one: those of vmux are installed into one directory.
///
/// # Errors
/// If nobody can say where this one is.
pub fn beside(name: &str) -> io::Result<std::path::PathBuf> {
    let own = std::env::current_exe()?;
    // After an update the running file is gone, and its name has a tail.
    let text = own.to_string_lossy();
    let own = std::path::PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(&text));
    Ok(own.with_file_name(name))
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
    fn a_child_reads_and_writes_more_than_its_pipes_hold() {
        let input = vec![b'x'; 3_000_000];
        let mut passed = 0;
        let mut count = |piece: &[u8]| {
            passed += piece.len();
            Ok(())
        };
        let done = pass(
            &mut Command::new("cat"),
            &input,
            &mut count,
            Duration::from_secs(20),
        );
        assert!(done.unwrap().status.success());
        assert_eq!(passed, input.len());
        // One that reads nothing has no quarrel with its input.
        let mut none = |_: &[u8]| Ok(());
        let done = pass(
            &mut Command::new("true"),
            &input,
            &mut none,
            Duration::from_secs(20),
        );
        assert!(done.unwrap().status.success());
        let mut refuse = |_: &[u8]| Err(io::ErrorKind::FileTooLarge.into());
        let done = pass(
            &mut Command::new("yes"),
            b"",
            &mut refuse,
            Duration::from_secs(20),
        );
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_child_that_hangs_is_killed_at_the_deadline() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    fn shell(script: &str, patience: Duration) -> (io::Result<Finished>, Duration) {
        let start = crate::sys::clock::steady();
        let done = run(Command::new("sh").args(["-c", script]), patience);
        (done, start.elapsed())
    }

    #[test]
    fn a_child_that_closes_its_pipes_and_lives_on_has_the_same_deadline() {
        for script in [
            "exec >&- 2>&-; sleep 5",
            "trap '' TERM INT; exec >&- 2>&-; sleep 5; sleep 5",
            "kill -STOP $$",
        ] {
            let (done, took) = shell(script, Duration::from_millis(200));
            assert_eq!(done.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(took < Duration::from_secs(3), "{script}: {took:?}");
        }
    }

    #[test]
    fn a_child_that_leaves_its_pipes_to_another_has_ended() {
        let (done, took) = shell("echo out; sleep 5 & exit 3", Duration::from_secs(4));
        let done = done.unwrap();
        assert_eq!(
            (&*done.stdout, done.status.code()),
            (&b"out\n"[..], Some(3))
        );
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn all_that_a_child_wrote_before_its_end_is_there() {
        let (done, _) = shell("head -c 3000000 /dev/zero", Duration::from_secs(20));
        assert_eq!(done.unwrap().stdout.len(), 3_000_000);
    }

    #[test]
    fn a_child_that_was_killed_leaves_no_zombie() {
        let mut command = Command::new("tail");
        assert!(run(command.args(["-f", "/dev/null"]), Duration::from_millis(20)).is_err());
        let zombies = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let own = std::process::id();
                stat.contains(&format!("(tail) Z {own} "))
            });
        assert_eq!(zombies.count(), 0);
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
