//! Finds sessions and keeps their evidence fresh: `/proc`, status files, transcripts, branches.
//!
//! Events first: a status file's change, a process's end and a checkout are told by the kernel.
//! The scan is the safety net, one `readdir` and the details of what is new. All roots are given,
//! so that a directory of recorded files is as good as a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::process::{self, Handle, Start};
use super::tracked::{FileRead, ShellWatch, Tracked};
use crate::agent::claude::process::Role;
use crate::agent::claude::status_file;
use crate::core::model::{Kind, LocalKey, Observation, Pid};
use crate::sys::clock;
use crate::sys::ground::{Again, Ground, Grounds, Spot, apart};
use crate::sys::inotify::{Change, Lack, Watcher};
use crate::sys::paths::Paths;
use crate::sys::proc::Proc;

mod again;
mod around;
mod told;
mod viewers;

use again::Failure;
pub use around::Senses;

/// A torn status file is whole again within half a millisecond, an empty one once after 90 ms.
const READ_AGAIN: Duration = Duration::from_millis(25);
/// Tries before a broken file is left to the next scan.
const READ_TRIES: u32 = 8;
/// A session that ends removes its status file, and is gone this soon after.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
/// A tool's shell starts within half a second of its call; looked for at this pace, and only for
/// versions that do not say whether they wait.
const SHELL_PACE: Duration = Duration::from_millis(500);
/// Known sessions that one scan looks at again, besides restless ones: what no event tells
/// (Ctrl+Z) and what an event may have missed is seen within a minute, of two dozen sessions.
const VERIFIED_PER_SCAN: usize = 2;

/// Where to look, and as whom.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`, or a directory that looks like it.
    pub proc: PathBuf,
    /// The user's default configuration directory of Claude Code, watched even with no session.
    pub config: PathBuf,
    /// Only this user's processes are looked at.
    pub uid: u32,
    /// Only sessions of that configuration directory count.
    pub only_config: bool,
    /// The `vmux` that looks where a file system may not answer; without it this process does.
    pub looker: Option<PathBuf>,
}

impl Roots {
    /// What a real machine has.
    #[must_use]
    pub fn of(paths: &Paths) -> Self {
        let own = std::env::current_exe();
        Self {
            proc: paths.proc.clone(),
            config: paths.claude.clone(),
            uid: rustix::process::getuid().as_raw(),
            only_config: paths.only_claude,
            looker: own.ok().map(|own| own.with_file_name("vmux")),
        }
    }
}

/// What is watched for a configuration directory.
#[derive(Default)]
struct Config {
    /// Device and inode of its `sessions` directory while that is watched.
    sessions: Option<(u64, u64)>,
    /// What is watched until `sessions` appears.
    parent: Option<PathBuf>,
}

/// The finder. One thread owns it.
pub struct Scout {
    proc: Proc,
    roots: Roots,
    real_proc: bool,
    boot: DateTime<Utc>,
    watcher: Watcher,
    pids: Vec<u32>,
    fresh: Vec<u32>,
    /// Seen for the first time since the scan before: between fork and exec a process looks like
    /// its parent, so these are looked at once more.
    young: Vec<u32>,
    tracked: BTreeMap<Pid, Tracked>,
    viewers: viewers::Viewers,
    configs: BTreeMap<PathBuf, Config>,
    again: Vec<(Instant, Pid, u32)>,
    failed: BTreeMap<Pid, Failure>,
    shell_due: Option<Instant>,
    verified: Pid,
    /// What lies where sessions work, and whether configuration directories answer.
    grounds: Grounds,
    /// Sessions that did something since the last scan: where they work, something may be new.
    stirred: BTreeSet<Pid>,
    /// Processes that were sessions, or looked like one, and have ended: until their pids are
    /// free, and in case somebody else gets one before the next scan.
    departed: Vec<u32>,
}

impl Scout {
    /// A finder that knows nothing yet.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn new(roots: Roots) -> io::Result<Self> {
        let senses = Senses {
            look: match &roots.looker {
                Some(program) => apart::look(program.clone(), &roots.proc),
                None => Arc::new(Ground::look),
            },
            ..Senses::default()
        };
        Self::with(roots, senses)
    }

    /// A finder with other senses.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn with(roots: Roots, senses: Senses) -> io::Result<Self> {
        let proc = Proc::open(&roots.proc)?;
        let real_proc = roots.proc == Path::new("/proc");
        let mut configs = BTreeMap::new();
        configs.insert(roots.config.clone(), Config::default());
        Ok(Self {
            real_proc,
            boot: process::booted_at(&proc, real_proc),
            proc,
            grounds: Grounds::new(senses.look, &roots.proc),
            stirred: BTreeSet::new(),
            departed: Vec::new(),
            roots,
            watcher: Watcher::new(senses.inotify),
            pids: Vec::new(),
            fresh: Vec::new(),
            young: Vec::new(),
            tracked: BTreeMap::new(),
            viewers: viewers::Viewers::default(),
            configs,
            again: Vec::new(),
            failed: BTreeMap::new(),
            shell_due: None,
            verified: Pid(0),
        })
    }

    /// What to wait for: the watcher, and the end of each session.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let ends = self
            .tracked
            .values()
            .filter_map(|tracked| tracked.handle.as_ref());
        let watcher = self.watcher.descriptor().into_iter();
        let ends = watcher.chain(ends.map(Handle::pidfd));
        ends.chain(self.viewers.descriptors())
    }

    /// Where it looks.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// All sessions that exist.
    #[must_use]
    pub fn keys(&self) -> Vec<LocalKey> {
        self.tracked.values().map(|tracked| tracked.key).collect()
    }

    /// Sessions and watched directories, for `status`.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.tracked.len(), self.watcher.len())
    }

    /// What keeps it from hearing of every change at once; then it only scans.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        self.watcher.lack()
    }

    /// Looks at all processes once. The first call finds everything; later ones cost little more
    /// than reading the directory.
    ///
    /// # Errors
    /// Those of reading `/proc`.
    pub fn scan(&mut self, now: DateTime<Utc>) -> io::Result<Vec<Observation>> {
        let mut out = Vec::new();
        // The time of day may have been set since.
        self.boot = process::booted_at(&self.proc, self.real_proc);
        let unheard = self.watcher.lack().is_some();
        self.watcher.renew();
        let again = if unheard { Again::All } else { Again::Due };
        self.look_again(again, now, &mut out);
        let young = std::mem::take(&mut self.young);
        self.find_new(now, &mut out)?;
        for pid in young {
            self.adopt(Pid(pid), None, now, &mut out);
        }
        let configs: Vec<PathBuf> = self.configs.keys().cloned().collect();
        for config in configs {
            self.watch_config(&config, now, &mut out);
        }
        if unheard {
            self.verify_all(now, &mut out);
        } else {
            self.verify_some(now, &mut out);
        }
        self.verify_viewers(now, &mut out);
        self.name_conversations(now, &mut out);
        if unheard && self.watcher.lack().is_none() {
            log::info!("changes of files are told again");
        }
        Ok(out)
    }

    /// Looks which processes are new, and which have ended.
    fn find_new(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) -> io::Result<()> {
        std::mem::swap(&mut self.pids, &mut self.fresh);
        self.proc.pids(&mut self.pids)?;
        let added = difference(&self.pids, &self.fresh);
        for pid in difference(&self.fresh, &self.pids) {
            self.end(Pid(pid), out);
            self.viewer_ended(Pid(pid), now, out);
        }
        self.young.extend_from_slice(&added);
        for pid in added {
            self.adopt(Pid(pid), None, now, out);
        }
        for pid in std::mem::take(&mut self.departed) {
            if self.pids.binary_search(&pid).is_err() {
                continue;
            }
            // It was not reaped yet, or is somebody else's by now.
            match self.proc.key(Pid(pid)) {
                Some(_) => self.adopt(Pid(pid), None, now, out),
                None => self.departed.push(pid),
            }
        }
        Ok(())
    }

    /// Takes over what the kernel told since the last call. Never waits.
    pub fn take_events(&mut self, now: DateTime<Utc>) -> Vec<Observation> {
        let mut out = Vec::new();
        for change in self.watcher.read() {
            match change {
                Change::Entry { dir, name } => self.entry_changed(&dir, &name, now, &mut out),
                Change::Lost { dir } => self.directory_lost(&dir, now, &mut out),
                Change::Overflow => {
                    self.look_again(Again::All, now, &mut out);
                    self.verify_all(now, &mut out);
                }
            }
        }
        let tracked = self.tracked.iter();
        let handles = tracked.filter_map(|(pid, tracked)| Some((*pid, tracked.handle.as_ref()?)));
        for pid in process::ended(handles) {
            self.end(pid, &mut out);
        }
        self.take_viewers_ends(now, &mut out);
        out
    }

    fn entry_changed(
        &mut self,
        dir: &Path,
        name: &str,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        let spots = self.grounds.changed(dir, &mut self.watcher);
        self.ground_changed(&spots, now, out);
        if let Some(config) = self.config_of_sessions(dir) {
            if let Some(pid) = status_file::pid_of_name(name) {
                self.file_named(pid, &config, now, out);
            } else if let Some(pid) = status_file::pid_of_key(name) {
                self.inbox_opened(pid, now, out);
            }
            return;
        }
        let configs: Vec<PathBuf> = self
            .configs
            .iter()
            .filter(|(_, config)| config.parent.as_deref() == Some(dir))
            .map(|(path, _)| path.clone())
            .collect();
        for config in &configs {
            self.watch_config(config, now, out);
        }
        // Before the very first start in a configuration there is nothing that it could watch.
        let waits = |t: &Tracked| t.is_unnamed() && configs.contains(&t.config);
        let concerned: Vec<Pid> = self
            .tracked
            .values()
            .filter(|t| t.concerns(dir, name) || waits(t))
            .map(|t| t.key.pid)
            .collect();
        let mut unnamed = false;
        for pid in concerned {
            unnamed |= self.tracked.get(&pid).is_some_and(Tracked::is_unnamed);
            if self.tracked.get(&pid).is_some_and(Tracked::is_far) {
                self.read_file(pid, 0, now, out);
            } else {
                self.refresh(pid, now, out);
            }
        }
        if unnamed {
            // A new transcript may be that of a new process. A failure shows at the next scan.
            drop(self.find_new(now, out));
            self.name_conversations(now, out);
        }
    }

    /// A process has opened its inbox: soon it has a status file, or it is in a dialog.
    fn inbox_opened(&mut self, pid: Pid, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return self.adopt(pid, None, now, out);
        };
        tracked.look_at_inbox(&self.proc);
        self.tell(pid, now, out);
    }

    fn directory_lost(&mut self, dir: &Path, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let spots = self.grounds.lost(dir, &mut self.watcher);
        self.ground_changed(&spots, now, out);
        let configs: Vec<PathBuf> = self.configs.keys().cloned().collect();
        for config in configs {
            self.watch_config(&config, now, out);
        }
        let pids: Vec<Pid> = self.tracked.keys().copied().collect();
        for pid in pids {
            if let Some(tracked) = self.tracked.get_mut(&pid) {
                tracked.forget_watch(dir);
            }
            self.refresh(pid, now, out);
        }
    }

    /// Looks at a process that is not tracked; tracks it if it is a session. `config` is where a
    /// status file names it.
    fn adopt(
        &mut self,
        pid: Pid,
        config: Option<&Path>,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        self.guarded(pid, now, out, |scout, out| {
            scout.adopt_process(pid, config, now, out);
        });
    }

    fn adopt_process(
        &mut self,
        pid: Pid,
        config: Option<&Path>,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if self.tracked.contains_key(&pid) {
            return;
        }
        let Some((key, candidate, role)) =
            process::look_at(&self.proc, self.roots.uid, pid, config.is_some())
        else {
            return;
        };
        if config.is_none() && self.may_be_fork(pid) {
            return;
        }
        let (found, fact, cli) = process::read_fact(
            &self.proc,
            &self.roots.config,
            self.boot,
            key,
            &candidate,
            now,
        );
        let config = config.map_or(found, Path::to_path_buf);
        if self.roots.only_config && config != self.roots.config {
            return;
        }
        let kind = if role == Some(Role::Headless) {
            Kind::Headless
        } else {
            Kind::Interactive
        };
        let start = Start::read(&self.proc, pid, cli);
        let silent = !self.answers(&config);
        let tracked = Tracked::new(key, config.clone(), fact, kind, start);
        // Kept before anything of it is read: if that fails, it is a session that failed.
        let tracked = self.tracked.entry(pid).or_insert(tracked);
        tracked.silent = silent;
        let read = tracked.read_file(now);
        if !tracked.is_session(role.as_ref()) {
            self.tracked.remove(&pid);
            if let Some(Role::Attached(word)) = role {
                self.add_viewer(key, &config, word, now, out);
            }
            return;
        }
        let far = tracked.is_far();
        let handle = self.real_proc.then(|| Handle::open(&self.proc, key));
        tracked.handle = handle.flatten();
        tracked.look_at_inbox(&self.proc);
        tracked.refresh(&mut self.watcher, &mut self.grounds);
        // Of another process no more is expected: whoever writes its file is heard.
        if read == FileRead::Again {
            self.put_off(pid, 0);
        }
        if !far && !self.configs.contains_key(&config) {
            self.configs.insert(config.clone(), Config::default());
            self.watch_config(&config, now, out);
        }
        self.tell(pid, now, out);
    }

    /// Whether it is seen for the first time and a child of a session, which may not be a session
    /// but about to run a hook, or the shell of a tool: those may go on for minutes.
    fn may_be_fork(&self, pid: Pid) -> bool {
        let parent = || self.proc.stat(pid).map(|stat| stat.ppid);
        self.young.contains(&pid.0) && parent().is_some_and(|pid| self.tracked.contains_key(&pid))
    }

    fn read_file(&mut self, pid: Pid, tries: u32, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        self.guarded(pid, now, out, |scout, out| {
            let Some(tracked) = scout.tracked.get_mut(&pid) else {
                return;
            };
            let config = Spot::only(&tracked.config);
            tracked.silent = scout.grounds.at(&config, &mut scout.watcher).silent;
            match tracked.read_file(now) {
                FileRead::Done => {}
                _ if tries >= READ_TRIES => tracked.lose_file(now),
                FileRead::Again => scout.put_off(pid, tries),
                FileRead::Gone => {
                    let at = clock::steady() + ENDS_WITHIN;
                    scout.again.push((at, pid, READ_TRIES));
                }
            }
            scout.refresh(pid, now, out);
        });
    }

    fn refresh(&mut self, pid: Pid, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        self.guarded(pid, now, out, |scout, out| {
            if let Some(tracked) = scout.tracked.get_mut(&pid) {
                tracked.look_at_inbox(&scout.proc);
                tracked.refresh(&mut scout.watcher, &mut scout.grounds);
                scout.stirred.insert(pid);
            }
            scout.tell(pid, now, out);
        });
    }

    /// Reports a session if something of it is new.
    fn tell(&mut self, pid: Pid, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        self.guarded(pid, now, out, |scout, out| scout.tell_news(pid, now, out));
    }

    fn tell_news(&mut self, pid: Pid, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let shown_by = self.shown_by(pid);
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        if tracked.file.as_ref().is_some_and(|file| file.spare) {
            return;
        }
        let watch = tracked.shell_watch();
        let open = match watch {
            ShellWatch::Poll => tracked.open_calls(now),
            ShellWatch::None | ShellWatch::Once => Vec::new(),
        };
        let since = open.iter().filter_map(|call| call.at).min();
        let runs = (watch != ShellWatch::None)
            .then(|| process::runs_tool(&self.proc, self.boot, pid, since));
        tracked.take_shell(runs, &open);
        if watch == ShellWatch::Poll {
            tracked.follow_asker();
            self.shell_due = Some(clock::steady() + SHELL_PACE);
        }
        tracked.shown_by = shown_by;
        if let Some(evidence) = tracked.news(now) {
            out.push(Observation::Seen(tracked.key, Box::new(evidence)));
        }
    }

    fn end(&mut self, pid: Pid, out: &mut Vec<Observation>) {
        if let Some(mut tracked) = self.tracked.remove(&pid) {
            self.departed.push(pid.0);
            self.failed.remove(&pid);
            self.leave_to_nobody(&tracked);
            tracked.unwatch(&mut self.watcher);
            out.push(Observation::Gone(tracked.key));
        }
    }

    /// Looks again at sessions that work or are stopped, and at a few others in turn.
    fn verify_some(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let after = self.tracked.range((
            std::ops::Bound::Excluded(self.verified),
            std::ops::Bound::Unbounded,
        ));
        let mut turn: Vec<Pid> = after.map(|(pid, _)| *pid).take(VERIFIED_PER_SCAN).collect();
        self.verified = match turn.last() {
            Some(last) if turn.len() == VERIFIED_PER_SCAN => *last,
            _ => Pid(0),
        };
        turn.extend(
            self.tracked
                .values()
                .filter(|t| t.is_restless() && !turn.contains(&t.key.pid))
                .map(|t| t.key.pid)
                .collect::<Vec<_>>(),
        );
        for pid in turn {
            self.verify(pid, now, out);
        }
    }

    /// Looks at everything: what happened was not told.
    fn verify_all(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let pids: Vec<Pid> = self.tracked.keys().copied().collect();
        for pid in pids {
            self.verify(pid, now, out);
            self.refresh(pid, now, out);
        }
        for config in self.configs.keys().cloned().collect::<Vec<_>>() {
            self.adopt_all(&config.join("sessions"), &config, now, out);
        }
    }

    fn verify(&mut self, pid: Pid, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        let stat = match &tracked.handle {
            Some(handle) => handle.stat(),
            None => self.proc.stat(pid),
        };
        let stat = stat.filter(|stat| !stat.ended());
        let Some(stat) = stat.filter(|stat| stat.start_ticks == tracked.key.start_ticks) else {
            self.end(pid, out);
            self.adopt(pid, None, now, out);
            return;
        };
        let stopped = std::mem::replace(&mut tracked.process.stopped, stat.stopped());
        if tracked.file_changed() {
            self.read_file(pid, 0, now, out);
            return;
        }
        let opened = tracked.inbox_at;
        tracked.look_at_inbox(&self.proc);
        if (opened, stopped) != (tracked.inbox_at, stat.stopped()) {
            self.tell(pid, now, out);
        }
    }
}

/// What is in `a` and not in `b`; both ascending.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut b = b.iter().peekable();
    a.iter()
        .filter(|pid| {
            while b.next_if(|other| other < pid).is_some() {}
            b.peek() != Some(pid)
        })
        .copied()
        .collect()
}
