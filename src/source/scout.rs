//! Finds sessions and keeps their evidence fresh: the processes, their ends and what changes in
//! directories. What a session is and says, its [`Agent`] knows.
//!
//! Events first: a file's change, a process's end and a checkout are told by the kernel. The scan
//! is the safety net, one `readdir` and the details of what is new. All roots are given, so that a
//! directory of recorded files is as good as a machine.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::agent::looks::booted_at;
use crate::agent::outside::{Known, Outside};
use crate::agent::{AGENTS, Agent, Looks, Role, Watch, guarded};
use crate::core::model::{HookReport, LocalKey, Observation, Pid, TitleFact};
use crate::core::sorted::Gather as _;
use crate::sys::ground::{Again, Ground, apart};
use crate::sys::inotify::{Change, Lack};
use crate::sys::proc::handle::{self, Handle};

mod around;
mod kept;
mod verify;

pub use crate::agent::{Roots, Senses};

/// Ancestors of a hook's process that are looked at. The session is the second one; a wrapper adds
/// one or two.
const ANCESTORS: usize = 8;

/// The finder. One thread owns it.
pub struct Scout {
    outside: Outside,
    agents: &'static [&'static dyn Agent],
    /// What follows the sessions of each.
    watches: Vec<Box<dyn Watch>>,
    pids: Vec<u32>,
    fresh: Vec<u32>,
    /// Seen for the first time since the scan before: between fork and exec a process looks like
    /// its parent, so these are looked at once more.
    young: Vec<u32>,
    /// The session that was the last one in turn, and whether the next scan looks at another one.
    verified: Pid,
    verifies: bool,
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
        Self::with(roots, senses, AGENTS)
    }

    /// A finder with other senses, for these agents.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn with(
        roots: Roots,
        senses: Senses,
        agents: &'static [&'static dyn Agent],
    ) -> io::Result<Self> {
        let watches = agents.iter().map(|agent| agent.watch(&roots)).collect();
        Ok(Self {
            outside: Outside::new(roots, senses)?,
            agents,
            watches,
            pids: Vec::new(),
            fresh: Vec::new(),
            young: Vec::new(),
            verified: Pid(0),
            verifies: false,
        })
    }

    /// The repositories in which sessions work and whose commits conversations are kept with: what
    /// their worktrees share.
    pub fn captured(&self) -> impl Iterator<Item = &str> {
        self.outside.grounds.captured()
    }

    /// What to wait for: the watcher, the end of each session, and what agents wait for.
    #[must_use]
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let known = self.outside.known.values();
        let ends = known.filter_map(|known| known.handle.as_ref());
        let watcher = self.outside.watcher.descriptor().into_iter();
        let mut all: Vec<BorrowedFd<'_>> = watcher.chain(ends.map(Handle::pidfd)).collect();
        all.extend(self.outside.holders.descriptors());
        for watch in &self.watches {
            watch.descriptors(&mut all);
        }
        all
    }

    /// Where it looks.
    #[must_use]
    pub fn roots(&self) -> &Roots {
        &self.outside.roots
    }

    /// All sessions that exist.
    #[must_use]
    pub fn keys(&self) -> Vec<LocalKey> {
        self.outside.known.values().map(|known| known.key).collect()
    }

    /// Sessions and watched directories, for `status`.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.outside.known.len(), self.outside.watcher.len())
    }

    /// What keeps it from hearing of every change at once; then it only scans.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        self.outside.watcher.lack()
    }

    /// Looks at all processes once. The first call finds everything; later ones cost little more
    /// than reading the directory.
    ///
    /// # Errors
    /// Those of reading `/proc`.
    pub fn scan(&mut self, now: DateTime<Utc>) -> io::Result<Vec<Observation>> {
        self.outside.now = now;
        // The time of day may have been set since.
        self.outside.boot = booted_at(&self.outside.proc, self.outside.real_proc);
        let unheard = self.lack().is_some();
        self.outside.watcher.renew();
        // What is found from here on is read by that.
        let restless = self.restless();
        self.look_again(if unheard { Again::All } else { Again::Due }, &restless);
        self.look_at_holders(unheard);
        let young = std::mem::take(&mut self.young);
        self.find_new()?;
        for pid in young {
            self.adopt(Pid(pid));
        }
        self.each(|watch, outside| watch.scan(outside));
        if unheard {
            self.verify_all();
        } else {
            self.verify_some(&restless);
        }
        self.each(|watch, outside| watch.sort_out(outside));
        if unheard && self.lack().is_none() {
            log::info!("changes of files are told again");
        }
        Ok(self.reports())
    }

    /// Takes over what the kernel and the agents' own sockets told since the last call. Never
    /// waits.
    pub fn take_events(&mut self, now: DateTime<Utc>) -> Vec<Observation> {
        self.outside.now = now;
        for change in self.outside.watcher.read() {
            match change {
                Change::Entry { dir, name } => {
                    let outside = &mut self.outside;
                    let spots = outside.grounds.changed(&dir, &mut outside.watcher);
                    self.ground_changed(&spots);
                    self.holder_changed(&dir);
                    self.each(|watch, outside| watch.changed(&dir, &name, outside));
                }
                Change::Lost { dir } => {
                    let outside = &mut self.outside;
                    let spots = outside.grounds.lost(&dir, &mut outside.watcher);
                    self.ground_changed(&spots);
                    self.each(|watch, outside| watch.lost(&dir, outside));
                }
                Change::Overflow => {
                    self.look_again(Again::All, &[]);
                    self.verify_all();
                }
            }
        }
        let known = self.outside.known.iter();
        let handles = known.filter_map(|(pid, known)| Some((*pid, known.handle.as_ref()?)));
        for pid in handle::ended(handles) {
            self.end(pid);
        }
        self.hear_holders();
        self.each(|watch, outside| watch.ready(outside));
        self.reports()
    }

    /// Takes over what a hook reported, at the time it arrived. A session that was not seen yet
    /// is found by it at once; a report that fits none is dropped.
    pub fn take_hook(&mut self, report: HookReport, at: DateTime<Utc>) -> Vec<Observation> {
        self.outside.now = at;
        if let Some(pid) = self.session_of(&report) {
            self.of(pid, |watch, outside| watch.take_hook(pid, report, outside));
        }
        self.reports()
    }

    /// Takes over what the title of a session's terminal says.
    pub fn take_title(
        &mut self,
        key: LocalKey,
        title: TitleFact,
        now: DateTime<Utc>,
    ) -> Vec<Observation> {
        self.outside.now = now;
        let known = self.outside.known.get(&key.pid);
        if known.is_some_and(|known| known.key == key) {
            self.of(key.pid, |watch, outside| {
                watch.take_title(key.pid, title, outside);
            });
        }
        self.reports()
    }

    /// The sessions whose titles would tell more of their states than is known, and since when.
    #[must_use]
    pub fn wanted_titles(&self) -> BTreeMap<LocalKey, DateTime<Utc>> {
        let known = self.outside.known.iter();
        let wanted = known.filter_map(|(pid, known)| {
            let since = self.watches[known.agent].wants_title(*pid)?;
            Some((known.key, since))
        });
        wanted.gather()
    }

    /// The session that a report comes from: an ancestor of the hook, else the only session in the
    /// conversation that it names (in a container, processes have other ids).
    fn session_of(&mut self, report: &HookReport) -> Option<Pid> {
        for key in report.processes.iter().take(ANCESTORS) {
            if !self.outside.is_tracked(key.pid) {
                self.adopt(key.pid);
            }
            let known = self.outside.known.get(&key.pid);
            if known.is_some_and(|known| known.key == *key) {
                return Some(key.pid);
            }
        }
        let id = report.session_id.as_ref()?;
        let mut inside = self.watches.iter().flat_map(|watch| watch.inside(id));
        let pid = inside.next()?;
        inside.next().is_none().then_some(pid)
    }

    /// When [`Scout::retry`] has something to do, besides the next scan.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let watches = self.watches.iter().filter_map(|watch| watch.due());
        self.outside.failures_due().chain(watches).min()
    }

    /// Does what was put off: sessions that failed are read anew, each after its pause, and what
    /// agents put off is done.
    pub fn retry(&mut self, now: DateTime<Utc>) -> Vec<Observation> {
        self.outside.now = now;
        for (pid, times) in self.outside.failed() {
            if self.outside.is_tracked(pid) {
                self.of(pid, |watch, outside| watch.read(pid, outside));
            } else {
                self.adopt(pid);
            }
            self.outside.forgive(pid, times);
        }
        self.each(|watch, outside| watch.retry(outside));
        self.reports()
    }

    /// Calls what follows the sessions of each agent.
    fn each(&mut self, mut call: impl FnMut(&mut dyn Watch, &mut Outside)) {
        for (at, agent) in self.agents.iter().enumerate() {
            self.outside.calls = (at, agent.name());
            call(&mut *self.watches[at], &mut self.outside);
        }
    }

    /// A step that concerns one session.
    fn of(&mut self, pid: Pid, step: impl FnOnce(&mut (dyn Watch + 'static), &mut Outside)) {
        let Some(known) = self.outside.known.get(&pid) else {
            return;
        };
        let at = known.agent;
        self.outside.calls = (at, self.agents[at].name());
        guarded(&mut *self.watches[at], &mut self.outside, pid, step);
    }

    fn follow_up(&mut self) {
        if std::mem::take(&mut self.outside.look_around) {
            // A failure shows at the next scan.
            drop(self.find_new());
            self.each(|watch, outside| watch.sort_out(outside));
        }
        for pid in std::mem::take(&mut self.outside.to_look_at) {
            self.adopt(pid);
        }
    }

    /// Does what agents asked for, and returns what they told.
    fn reports(&mut self) -> Vec<Observation> {
        self.follow_up();
        std::mem::take(&mut self.outside.reports)
    }

    /// Looks which processes are new, and which have ended.
    fn find_new(&mut self) -> io::Result<()> {
        std::mem::swap(&mut self.pids, &mut self.fresh);
        self.outside.proc.pids(&mut self.pids)?;
        let added = difference(&self.pids, &self.fresh);
        for pid in difference(&self.fresh, &self.pids).into_iter().map(Pid) {
            self.end(pid);
            self.each(|watch, outside| watch.vanished(pid, outside));
        }
        self.young.extend_from_slice(&added);
        for pid in added {
            self.adopt(Pid(pid));
        }
        for pid in std::mem::take(&mut self.outside.departed) {
            if self.pids.binary_search(&pid).is_err() {
                continue;
            }
            // It was not reaped yet, or is somebody else's by now.
            match self.outside.proc.key(Pid(pid)) {
                Some(_) => self.adopt(Pid(pid)),
                None => self.outside.departed.push(pid),
            }
        }
        Ok(())
    }

    /// Looks at a process that is not tracked; its agent tracks it if it is a session.
    fn adopt(&mut self, pid: Pid) {
        let yields = self.yields(pid);
        if (self.outside.is_tracked(pid) && !yields) || self.outside.rests(pid) {
            return;
        }
        let recognised = catch_unwind(AssertUnwindSafe(|| self.recognise(pid)));
        let Ok(recognised) = recognised else {
            return self.outside.note_failure(pid);
        };
        let Some((at, looks, role)) = recognised.filter(|_| !self.may_be_fork(pid)) else {
            return;
        };
        if yields {
            self.end(pid);
        }
        self.outside.calls = (at, self.agents[at].name());
        guarded(
            &mut *self.watches[at],
            &mut self.outside,
            pid,
            |watch, outside| watch.adopt(looks, role, outside),
        );
    }

    /// Which agent's a process is, and what for.
    fn recognise(&self, pid: Pid) -> Option<(usize, Looks, Role)> {
        let (proc, uid) = (&self.outside.proc, self.outside.roots.uid);
        let (comm, exe) = (proc.comm(pid)?, proc.exe(pid));
        let all = self.agents.iter().enumerate();
        let plausible = all.filter(|(_, agent)| agent.plausible(&comm, exe.as_deref()));
        let plausible: Vec<usize> = plausible.map(|(at, _)| at).collect();
        if plausible.is_empty() {
            return None;
        }
        let looks = Looks::read(proc, uid, pid, comm, exe)?;
        let mut roles = plausible.iter().filter_map(|at| {
            let role = self.agents[*at].recognise(&looks)?;
            Some((*at, role))
        });
        let (at, role) = roles.next()?;
        Some((at, looks, role))
    }

    /// Whether it is seen for the first time and a child of a session, which may not be a session
    /// but about to run a hook, or the shell of a tool: those may go on for minutes.
    fn may_be_fork(&self, pid: Pid) -> bool {
        let parent = || self.outside.proc.stat(pid).map(|stat| stat.ppid);
        let is_session = |pid: Pid| self.outside.is_tracked(pid) && !self.yields(pid);
        self.young.contains(&pid.0) && parent().is_some_and(is_session)
    }

    fn end(&mut self, pid: Pid) {
        if let Some(Known {
            key, agent, own, ..
        }) = self.outside.forget(pid)
        {
            // What it ran in is in the list again.
            self.outside.look_around |= own.is_some();
            self.outside.departed.push(pid.0);
            self.outside.calls = (agent, self.agents[agent].name());
            self.watches[agent].end(pid, &mut self.outside);
            self.outside.reports.push(Observation::Gone(key));
        }
    }
}

/// What is in `a` and not in `b`; both ascending.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    // Most often they are the same but for the last ones.
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let mut b = b[same..].iter().peekable();
    a[same..]
        .iter()
        .filter(|pid| {
            while b.next_if(|other| other < pid).is_some() {}
            b.peek() != Some(pid)
        })
        .copied()
        .collect()
}
