//! Reads what there is to know of a session's process, and holds on to it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::agent::claude::job;
use crate::agent::claude::process::{
    Candidate, Role, config_dir, installed_version, is_claude_exe, is_electron, is_tool_shell,
    is_worker, plausible_comm, recognise,
};
use crate::core::model::{LocalKey, Pid, ProcessFact, RawPath, time};
use crate::core::text::CleanText;
use crate::sys::clock;
use crate::sys::git::GitEnv;
use crate::sys::proc::{Environ, Proc, Stat, read_stat};

/// The start of a process is known to a clock tick, 10 ms, and the time of day is adjusted now and
/// then.
pub(super) const SLACK: TimeDelta = TimeDelta::milliseconds(300);

/// When the machine started; one that is made of files says so in one of them.
pub(super) fn booted_at(proc: &Proc, real: bool) -> DateTime<Utc> {
    if real {
        return clock::booted_at();
    }
    let recorded = proc.boot_seconds();
    recorded.and_then(time::from_seconds).unwrap_or_default()
}

/// Reads what a process looks like; nothing if it is not Claude Code of this user. One that a
/// status file names may look like anything.
pub(super) fn look_at(
    proc: &Proc,
    uid: u32,
    pid: Pid,
    named: bool,
) -> Option<(LocalKey, Candidate, Option<Role>)> {
    let comm = proc.comm(pid)?;
    let exe = proc.exe(pid);
    let looks = plausible_comm(&comm) || exe.as_deref().is_some_and(is_claude_exe);
    if !(looks || named) || proc.uid(pid) != Some(uid) {
        return None;
    }
    let key = proc.key(pid)?;
    let terminal = proc.tty(pid, 0).is_some() && proc.tty(pid, 1).is_some();
    let root = proc.root().join(pid.to_string()).join("root");
    let within = |exe: &Path| Some(root.join(exe.parent()?.strip_prefix("/").ok()?));
    let candidate = Candidate {
        comm,
        electron: exe
            .as_deref()
            .and_then(within)
            .is_some_and(|dir| is_electron(&dir)),
        exe,
        argv: proc.cmdline(pid),
        terminal,
        worker: proc.environ(pid).is_ok_and(|environ| is_worker(&environ)),
    };
    let role = recognise(&candidate);
    (role.is_some() || named).then_some((key, candidate, role))
}

/// Reads the operating system's view of a session, its configuration directory, and how a shell
/// starts its CLI if it runs in the background. `boot` is when the machine started.
pub(super) fn read_fact(
    proc: &Proc,
    default_config: &Path,
    boot: DateTime<Utc>,
    key: LocalKey,
    candidate: &Candidate,
    now: DateTime<Utc>,
) -> (PathBuf, ProcessFact, Option<CleanText>) {
    let pid = key.pid;
    let cwd = proc.cwd(pid).unwrap_or_default();
    let environ = proc.environ(pid).unwrap_or_default();
    let config = config_dir(&environ, &cwd).unwrap_or_else(|| default_config.to_path_buf());
    let far = proc.has_own_files(pid);
    let config = if far {
        reach(proc, pid, config)
    } else {
        config
    };
    let exe = candidate.exe.as_deref().unwrap_or(Path::new(""));
    let started_at = started_at(boot, key.start_ticks);
    let fact = ProcessFact {
        exe: CleanText::line(&exe.to_string_lossy()),
        comm: CleanText::line(&candidate.comm),
        cwd: RawPath(cwd.to_string_lossy().into_owned()),
        started_at,
        stopped: proc.stat(pid).is_some_and(|stat| stat.stopped()),
        tty: proc
            .tty(pid, 0)
            .map(|tty| CleanText::line(&tty.to_string_lossy())),
        default_config: config == default_config,
        config_dir: CleanText::line(&config.to_string_lossy()),
        container: proc.is_contained(pid),
        installed_version: version(proc, pid, exe, &environ, far)
            .map(|version| CleanText::line(&version)),
        read_at: now,
    };
    let cli = is_worker(&environ)
        .then(|| job::cli(&environ, exe, fact.default_config))
        .flatten();
    (config, fact, cli)
}

/// What a process was started with, as far as git is concerned.
pub(super) struct Start {
    /// Its working directory, also where that is no UTF-8.
    pub(super) cwd: PathBuf,
    pub(super) git: GitEnv,
    /// Its number where it lives, by which its files are called.
    pub(super) pid: Pid,
    /// Its pid namespace.
    pub(super) namespace: Option<u64>,
    /// Where its working directory is reached, if its files are not ours.
    pub(super) far: Option<PathBuf>,
    /// How a shell starts its CLI, for a process of a background session.
    pub(super) cli: Option<CleanText>,
}

/// Where a configuration directory of a process with files of its own is reached: where it lies,
/// if that is the same directory. What lies in it is believed only if it names this process.
fn reach(proc: &Proc, pid: Pid, config: PathBuf) -> PathBuf {
    let nowhere = || proc.root().join(pid.to_string()).join("root");
    let there = proc.path_within(pid, &config).unwrap_or_else(nowhere);
    let same = identity(&there).is_some_and(|there| Some(there) == identity(&config));
    if same { config } else { there }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(dir).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn version(proc: &Proc, pid: Pid, exe: &Path, environ: &Environ, far: bool) -> Option<String> {
    if far {
        // Not by its environment, whose paths lead elsewhere here.
        installed_version(&proc.path_within(pid, exe)?, &Environ::default())
    } else {
        installed_version(exe, environ)
    }
}

impl Start {
    pub(super) fn read(proc: &Proc, pid: Pid, cli: Option<CleanText>) -> Self {
        Self {
            cli,
            cwd: proc.cwd(pid).unwrap_or_default(),
            git: GitEnv::of(&proc.environ(pid).unwrap_or_default()),
            pid: proc.pid_within(pid),
            namespace: proc.pid_namespace(pid),
            far: proc
                .has_own_files(pid)
                .then(|| proc.root().join(pid.to_string()).join("cwd")),
        }
    }
}

fn started_at(boot: DateTime<Utc>, start_ticks: u64) -> Option<DateTime<Utc>> {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let since_boot = i64::try_from(start_ticks.saturating_mul(1000) / ticks).unwrap_or(0);
    time::plausible(time::after(boot, TimeDelta::milliseconds(since_boot)))
}

/// Whether a shell of a tool is among the children of a session; with `since`, one that started
/// after it (a background shell goes on for hours).
pub(super) fn runs_tool(
    proc: &Proc,
    boot: DateTime<Utc>,
    pid: Pid,
    since: Option<DateTime<Utc>>,
) -> bool {
    let since = since.map(|since| time::before(since, SLACK));
    let started = |child| {
        proc.stat(child)
            .and_then(|stat| started_at(boot, stat.start_ticks))
    };
    let children = proc.children(pid).into_iter();
    let mut recent =
        children.filter(|child| since.is_none_or(|since| started(*child) >= Some(since)));
    recent.any(|child| is_tool_shell(&proc.cmdline(child)))
}

/// What is kept open of a living process. Both descriptors are of this very process, whoever gets
/// its pid later.
pub(super) struct Handle {
    /// Becomes readable when the process ends.
    pidfd: OwnedFd,
    stat: OwnedFd,
}

impl Handle {
    /// Opened by pid, then checked by start time.
    pub(super) fn open(proc: &Proc, key: LocalKey) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(key.pid.0.cast_signed())?;
        let handle = Self {
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok()?,
            stat: proc.open_stat(key.pid)?,
        };
        (handle.stat()?.start_ticks == key.start_ticks).then_some(handle)
    }

    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// As it is now; nothing once it is reaped.
    pub(super) fn stat(&self) -> Option<Stat> {
        read_stat(self.stat.as_fd())
    }
}

/// Those of these processes that have ended.
pub(super) fn ended<'a>(handles: impl Iterator<Item = (Pid, &'a Handle)>) -> Vec<Pid> {
    let (pids, mut fds): (Vec<Pid>, Vec<PollFd<'a>>) = handles
        .map(|(pid, handle)| (pid, PollFd::from_borrowed_fd(handle.pidfd(), PollFlags::IN)))
        .unzip();
    let at_once = Timespec::default();
    if !poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0) {
        return Vec::new();
    }
    let all = pids.into_iter().zip(&fds);
    all.filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(pid, _)| pid)
        .collect()
}
