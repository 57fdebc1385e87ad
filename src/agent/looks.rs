//! What is read of a process, to judge it and to tell of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{LocalKey, Pid, ProcessFact, RawPath, time};
use crate::core::text::CleanText;
use crate::sys::clock;
use crate::sys::git::GitEnv;
use crate::sys::proc::{Environ, Proc};

/// The start of a process is known to a clock tick, 10 ms, and the time of day is adjusted now and
/// then.
pub const SLACK: TimeDelta = TimeDelta::milliseconds(300);

/// What a process looks like.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    /// The process.
    pub key: LocalKey,
    /// Name of the main thread.
    pub comm: String,
    /// The executable, without ` (deleted)`.
    pub exe: Option<PathBuf>,
    /// The arguments; one entry without the rest where the program erased them.
    pub argv: Vec<OsString>,
    /// Whether standard input and output are terminals.
    pub terminal: bool,
    /// Its environment; empty where that cannot be read.
    pub environ: Environ,
    /// The directory of the executable, as it can be reached from here.
    pub beside: Option<PathBuf>,
}

/// What a process of an agent is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// A session, or it will be one.
    Session,
    /// One prompt from a script, by its arguments.
    Headless,
    /// A session only if the agent's own records say so: processes of several uses look alike.
    Unsure,
    /// The terminal in which a background session is looked at, and its word for which.
    Viewer(String),
    /// No session, with the reason.
    Never(&'static str),
}

impl Looks {
    /// Reads the rest of what a process looks like; nothing if it has ended or is another user's.
    #[must_use]
    pub fn read(
        proc: &Proc,
        uid: u32,
        pid: Pid,
        comm: String,
        exe: Option<PathBuf>,
    ) -> Option<Self> {
        if proc.uid(pid) != Some(uid) {
            return None;
        }
        let key = proc.key(pid)?;
        let root = proc.root().join(pid.to_string()).join("root");
        let beside = |exe: &PathBuf| Some(root.join(exe.parent()?.strip_prefix("/").ok()?));
        Some(Self {
            key,
            comm,
            argv: proc.cmdline(pid),
            terminal: proc.tty(pid, 0).is_some() && proc.tty(pid, 1).is_some(),
            environ: proc.environ(pid).unwrap_or_default(),
            beside: exe.as_ref().and_then(beside),
            exe,
        })
    }
}

/// What a process was started with, and where it lives.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Its working directory, also where that is no UTF-8.
    pub cwd: PathBuf,
    /// What its environment tells git.
    pub git: GitEnv,
    /// Its number where it lives, by which its files are called.
    pub pid: Pid,
    /// Its pid namespace.
    pub namespace: Option<u64>,
    /// Where its working directory is reached, if its files are not ours.
    pub far: Option<PathBuf>,
}

impl Start {
    /// Reads it.
    #[must_use]
    pub fn read(proc: &Proc, looks: &Looks) -> Self {
        let pid = looks.key.pid;
        Self {
            cwd: proc.cwd(pid).unwrap_or_default(),
            git: GitEnv::of(&looks.environ),
            pid: proc.pid_within(pid),
            namespace: proc.pid_namespace(pid),
            far: proc
                .has_own_files(pid)
                .then(|| proc.root().join(pid.to_string()).join("cwd")),
        }
    }

    /// Where a configuration directory of this process is reached: where it lies, if that is the
    /// same directory. What lies in it is believed only if it names this process.
    #[must_use]
    pub fn reach(&self, proc: &Proc, pid: Pid, config: PathBuf) -> PathBuf {
        if self.far.is_none() {
            return config;
        }
        let nowhere = || proc.root().join(pid.to_string()).join("root");
        let there = proc.path_within(pid, &config).unwrap_or_else(nowhere);
        let same = identity(&there).is_some_and(|there| Some(there) == identity(&config));
        if same { config } else { there }
    }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(dir).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The operating system's view of a process. What only its agent knows, such as its configuration
/// directory, is left to that. `boot` is when the machine started.
#[must_use]
pub fn process_fact(
    proc: &Proc,
    boot: DateTime<Utc>,
    looks: &Looks,
    start: &Start,
    now: DateTime<Utc>,
) -> ProcessFact {
    let pid = looks.key.pid;
    let exe = looks.exe.as_deref().unwrap_or(Path::new(""));
    ProcessFact {
        exe: CleanText::line(&exe.to_string_lossy()),
        comm: CleanText::line(&looks.comm),
        cwd: RawPath(start.cwd.to_string_lossy().into_owned()),
        started_at: started_at(boot, looks.key.start_ticks),
        stopped: proc.stat(pid).is_some_and(|stat| stat.stopped()),
        tty: proc
            .tty(pid, 0)
            .map(|tty| CleanText::line(&tty.to_string_lossy())),
        container: proc.is_contained(pid),
        read_at: now,
        ..ProcessFact::default()
    }
}

/// When the machine started; one that is made of files says so in one of them.
#[must_use]
pub fn booted_at(proc: &Proc, real: bool) -> DateTime<Utc> {
    if real {
        return clock::booted_at();
    }
    let recorded = proc.boot_seconds();
    recorded.and_then(time::from_seconds).unwrap_or_default()
}

/// When a process started, by its start in clock ticks since `boot`.
#[must_use]
pub fn started_at(boot: DateTime<Utc>, start_ticks: u64) -> Option<DateTime<Utc>> {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let since_boot = i64::try_from(start_ticks.saturating_mul(1000) / ticks).unwrap_or(0);
    time::plausible(time::after(boot, TimeDelta::milliseconds(since_boot)))
}
