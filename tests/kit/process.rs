//! Processes of a test, and waiting for what they do.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use vmux::core::model::Pid;
use vmux::sys::exec;
use vmux::sys::proc::Proc;

/// Longest wait for anything: a loaded machine of two cores starts rofi in half a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PACE: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, look)
}

/// The same with a patience of its own.
pub(crate) fn wait_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    wait_seeing(patience, what, || look().ok_or_else(String::new))
}

/// The same; what is seen instead is said in the end.
pub(crate) fn wait_seeing<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let mut seen = String::new();
    poll(patience, || look().map_err(|other| seen = other).ok())
        .unwrap_or_else(|| panic!("waited {patience:?} in vain for {what}\n{seen}"))
}

/// Looks again and again until there is something; `None` after `patience`.
pub(crate) fn poll<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > until {
            return found;
        }
        std::thread::sleep(PACE);
    }
}

/// Runs a command to its end, within [`PATIENCE`].
pub(crate) fn run(command: &mut Command) -> Output {
    let done = exec::run(command, PATIENCE);
    let done = done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Output {
        status: done.status,
        stdout: done.stdout,
        stderr: done.stderr,
    }
}

/// A child that is killed, by its pid, when the test ends.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// When a process started, in clock ticks since the machine did, as `/proc` says it.
pub(crate) fn start_ticks(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc_pid_stat(5): the 22nd field; the name in parentheses may hold anything.
    let rest = stat.rsplit(')').next().unwrap();
    rest.split_whitespace().nth(19).unwrap().to_owned()
}

/// The character of a process's state, as `/proc` says it; `None` where there is none.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// It runs: a zombie has ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Memory that a process shares with no other.
#[cfg(feature = "host")]
pub(crate) fn private_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    lines.map(|line| kib(line).unwrap()).sum()
}

/// Longest wait for the end of processes that were killed.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// Ends what still runs of the test in `dir`: daemons that a last client started anew, sessions
/// that write their last lines, their shells.
pub(crate) fn end_all_of(dir: &Path) {
    let until = Instant::now() + LAST_PATIENCE;
    let mut untold = Vec::new();
    loop {
        let left = look(dir);
        // A process that becomes another one has no environment for a moment; one that has none
        // at the next look either is somebody else's.
        if left.ours.is_empty() && left.untold.iter().all(|pid| untold.contains(pid)) {
            return;
        }
        for (process, _) in &left.ours {
            // It may have ended meanwhile.
            pidfd_send_signal(process, Signal::KILL).ok();
        }
        if Instant::now() > until {
            return eprintln!("something of {} still runs: {left:?}", dir.display());
        }
        untold = left.untold;
        std::thread::sleep(PACE);
    }
}

/// The processes of the test in `dir`, each with a descriptor that keeps its pid from becoming
/// another's.
pub(crate) fn processes_of(dir: &Path) -> Vec<(OwnedFd, Pid)> {
    look(dir).ours
}

/// What runs.
#[derive(Debug)]
struct Look {
    /// Has the directory in its environment.
    ours: Vec<(OwnedFd, Pid)>,
    /// Runs a program without any environment.
    untold: Vec<u32>,
}

fn look(dir: &Path) -> Look {
    let mut pids = Vec::new();
    let mut proc = Proc::open(Path::new("/proc")).unwrap();
    proc.pids(&mut pids).unwrap();
    let name = dir.as_os_str().as_bytes();
    let mut found = Look {
        ours: Vec::new(),
        untold: Vec::new(),
    };
    for pid in pids.into_iter().filter(|pid| *pid != std::process::id()) {
        let raw = rustix::process::Pid::from_raw(pid.cast_signed());
        let process = raw.and_then(|raw| pidfd_open(raw, PidfdFlags::empty()).ok());
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok();
        let (Some(process), Some(environ)) = (process, environ) else {
            continue;
        };
        if memchr::memmem::find(&environ, name).is_some() {
            found.ours.push((process, Pid(pid)));
        } else if environ.is_empty() && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok() {
            // Neither of the kernel nor ended: those have no program.
            found.untold.push(pid);
        }
    }
    found
}

/// Signals a process, `-STOP` for example.
pub(crate) fn signal(process: &Child, name: &str) {
    let done = run(Command::new("kill").args([name, &process.id().to_string()]));
    assert!(done.status.success());
}
