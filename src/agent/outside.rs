//! What the source lends to an agent for a call: the machine, and where to report to.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::looks::{Looks, Start, booted_at, process_fact};
use super::{AGENTS, Watch, told};
use crate::core::model::{Evidence, LocalKey, Observation, Pid, ProcessFact};
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::hosted::Info;
use crate::hosted::follow::Holders;
use crate::hosted::place::Place;
use crate::sys::clock;
use crate::sys::ground::{Ground, Grounds, Look, Spot};
use crate::sys::inotify::{self, Init, Watcher};
use crate::sys::paths::Paths;
use crate::sys::proc::Proc;
use crate::sys::proc::handle::Handle;

/// Shortest and longest pause before a session whose reading failed is read anew.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Where to look, and as whom.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`, or a directory that looks like it.
    pub proc: PathBuf,
    /// The user's default configuration directory of each agent, by its name: watched even with
    /// no session.
    pub configs: BTreeMap<&'static str, PathBuf>,
    /// Only sessions of those directories count.
    pub only_configs: bool,
    /// Only this user's processes are looked at.
    pub uid: u32,
    /// Where sessions are found that vmux itself keeps.
    pub kept: Option<PathBuf>,
    /// The `vmux` that looks where a file system may not answer; without it this process does.
    pub looker: Option<PathBuf>,
}

impl Roots {
    /// What a real machine has.
    #[must_use]
    pub fn of(paths: &Paths) -> Self {
        let own = std::env::current_exe();
        let config = |agent: &&dyn super::Agent| {
            let dir = agent.config_dir(&paths.environ, &paths.home);
            (agent.name(), dir)
        };
        Self {
            proc: paths.proc.clone(),
            configs: AGENTS.iter().map(config).gather(),
            only_configs: paths.only_configs,
            uid: rustix::process::getuid().as_raw(),
            kept: Some(Place::of(paths).dirs()[0].to_path_buf()),
            looker: own.ok().map(|own| own.with_file_name("vmux")),
        }
    }

    /// The default configuration directory of this agent.
    #[must_use]
    pub fn config(&self, agent: &str) -> &Path {
        self.configs.get(agent).map_or(Path::new(""), |dir| dir)
    }
}

/// How the outside is heard and looked at. [`Senses::default`] asks the kernel.
pub struct Senses {
    /// Makes an inotify instance.
    pub inotify: Init,
    /// Looks at a directory that may not answer.
    pub look: Look,
}

impl Default for Senses {
    fn default() -> Self {
        Self {
            inotify: inotify::instance,
            look: Arc::new(Ground::look),
        }
    }
}

/// A process that is a session, or whose agent waits for it to become one.
pub(crate) struct Known {
    pub(crate) key: LocalKey,
    /// Its agent, by its place in the table.
    pub(crate) agent: usize,
    /// Its process, where that is a real one and was told.
    pub(crate) handle: Option<Handle>,
    start: Start,
    told: Option<Arc<Evidence>>,
    /// What its agent told, before what its holder hears was added; if one keeps its terminal.
    pub(crate) own: Option<Box<Evidence>>,
}

/// Whether a process is on this terminal. One in a container calls others by the same names: it
/// has to have the same device open.
fn is_on(proc: &Proc, pid: Pid, process: &ProcessFact, tty: &Path) -> bool {
    match process.container {
        true => proc.has_terminal(pid, tty),
        false => process.tty.as_deref().map(Path::new) == Some(tty),
    }
}

/// A session whose reading failed.
struct Failure {
    due: Instant,
    pause: Duration,
    /// How often it failed since it was read last.
    times: u32,
}

/// The machine, as agents see it, and their reports.
pub struct Outside {
    /// When the call began.
    pub now: DateTime<Utc>,
    /// When the machine started.
    pub boot: DateTime<Utc>,
    /// Processes.
    pub proc: Proc,
    /// Whether they are those of this machine, and not recorded ones.
    pub real_proc: bool,
    /// Where to look.
    pub roots: Roots,
    /// Tells what changes in directories.
    pub watcher: Watcher,
    /// What lies where sessions work, and whether configuration directories answer.
    pub(crate) grounds: Grounds,
    pub(crate) known: BTreeMap<Pid, Known>,
    /// Who keeps terminals of sessions.
    pub(crate) holders: Holders,
    /// Sessions that did something since the last scan: where they work, something may be new.
    pub(crate) stirred: BTreeSet<Pid>,
    /// Processes that were sessions, or looked like one, and have ended: until their pids are
    /// free, and in case somebody else gets one before the next scan.
    pub(crate) departed: Vec<u32>,
    /// The agent that is called, by its place in the table, and its name.
    pub(crate) calls: (usize, &'static str),
    pub(crate) reports: Vec<Observation>,
    pub(crate) to_look_at: Vec<Pid>,
    pub(crate) look_around: bool,
    failures: BTreeMap<Pid, Failure>,
}

impl Outside {
    /// The outside of a source that knows nothing yet.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub(crate) fn new(roots: Roots, senses: Senses) -> io::Result<Self> {
        let proc = Proc::open(&roots.proc)?;
        let real_proc = roots.proc == Path::new("/proc");
        Ok(Self {
            now: clock::now(),
            boot: booted_at(&proc, real_proc),
            proc,
            real_proc,
            grounds: Grounds::new(senses.look, &roots.proc),
            holders: Holders::new(roots.kept.clone().map(Place::of_dir)),
            roots,
            watcher: Watcher::new(senses.inotify),
            known: BTreeMap::new(),
            stirred: BTreeSet::new(),
            departed: Vec::new(),
            calls: (0, ""),
            reports: Vec::new(),
            to_look_at: Vec::new(),
            look_around: false,
            failures: BTreeMap::new(),
        })
    }

    /// Reads what any process looks like, whatever its name; nothing if it has ended or is another
    /// user's.
    #[must_use]
    pub fn looks(&self, pid: Pid) -> Option<Looks> {
        let (comm, exe) = (self.proc.comm(pid)?, self.proc.exe(pid));
        Looks::read(&self.proc, self.roots.uid, pid, comm, exe)
    }

    /// What a process was started with, and the operating system's view of it. Its agent adds its
    /// configuration directory and version.
    #[must_use]
    pub fn process(&self, looks: &Looks) -> (Start, ProcessFact) {
        let start = Start::read(&self.proc, looks);
        let fact = process_fact(&self.proc, self.boot, looks, &start, self.now);
        (start, fact)
    }

    /// From now on this process is the calling agent's: nobody else is asked for it, it is
    /// verified in turn, and its end is told.
    pub fn track(&mut self, key: LocalKey, start: Start) {
        let known = Known {
            key,
            agent: self.calls.0,
            handle: None,
            start,
            told: None,
            own: None,
        };
        self.known.insert(key.pid, known);
    }

    /// It is no session after all.
    pub fn untrack(&mut self, pid: Pid) {
        self.known.remove(&pid);
    }

    /// Whether it is a session of any agent.
    #[must_use]
    pub fn is_tracked(&self, pid: Pid) -> bool {
        self.known.contains_key(&pid)
    }

    /// Where a session works. `own` is the directory by its own word.
    pub(crate) fn spot(&self, pid: Pid, own: Option<&str>) -> Option<Spot> {
        let start = &self.known.get(&pid)?.start;
        // What git says there may name paths that lead elsewhere here.
        if let Some(far) = &start.far {
            return Some(Spot::only(far));
        }
        // A path that is no UTF-8 is whole only here.
        let own = own.filter(|own| *own != start.cwd.to_string_lossy());
        Some(Spot {
            dir: own.map_or_else(|| start.cwd.clone(), PathBuf::from),
            work: Some(start.git.clone()),
        })
    }

    /// What lies where a session works.
    pub(crate) fn ground(&mut self, pid: Pid, own: Option<&str>) -> Ground {
        let spot = self.spot(pid, own);
        let at = spot.map(|spot| self.grounds.at(&spot, &mut self.watcher).clone());
        at.unwrap_or_default()
    }

    /// Whether the file system of a directory answers: else it is not looked into.
    pub fn answers(&mut self, dir: &Path) -> bool {
        let spot = Spot::only(dir);
        !self.grounds.at(&spot, &mut self.watcher).silent
    }

    /// Reports a session, if anything of it is new. The agent's name and what lies where it works
    /// are filled in.
    pub fn tell(&mut self, pid: Pid, mut evidence: Evidence) {
        let own = evidence.cwd.as_ref().map(|cwd| &*cwd.0);
        let ground = self.ground(pid, own);
        let Some(known) = self.known.get_mut(&pid) else {
            return;
        };
        evidence.agent = self.calls.1;
        evidence.git = ground.git;
        evidence.cwd_gone = ground.gone;
        evidence.problems.extend(ground.problem);
        known.own = None;
        let is = |tty: &Path| is_on(&self.proc, pid, &evidence.process, tty);
        if let Some(info) = self.holders.on(is) {
            known.own = Some(Box::new(evidence.clone()));
            let groups = groups(&self.proc, pid);
            // It may stand in the place of another one.
            self.look_around |= known.told.is_none();
            told::join(super::by_name(self.calls.1), &mut evidence, info, &groups);
        }
        if known.told.as_deref() == Some(&evidence) {
            return;
        }
        if self.real_proc && known.handle.is_none() {
            known.handle = Handle::open(&self.proc, known.key);
        }
        let evidence = Arc::new(evidence);
        known.told = Some(Arc::clone(&evidence));
        self.reports.push(Observation::Seen(known.key, evidence));
    }

    /// What is heard in the terminal of a session has changed, or nothing is any more.
    pub(crate) fn tell_again(&mut self, pid: Pid) {
        let known = self.known.get(&pid);
        let own = known.and_then(|known| {
            let own = known.own.as_deref().or(known.told.as_deref());
            own.cloned()
        });
        if let Some(own) = own {
            self.tell(pid, own);
        }
    }

    /// The sessions that holders keep.
    pub fn kept(&self) -> impl Iterator<Item = &Info> {
        self.holders.live()
    }

    /// The session that a holder keeps in the terminal of a process.
    #[must_use]
    pub fn kept_on(&self, pid: Pid, process: &ProcessFact) -> Option<&Info> {
        self.holders.on(|tty| is_on(&self.proc, pid, process, tty))
    }

    /// The same of a session that was told.
    pub(crate) fn kept_by(&self, pid: Pid) -> Option<&Info> {
        let told = self.known.get(&pid)?.told.as_deref()?;
        self.kept_on(pid, &told.process)
    }

    /// The sessions that were told and are on one of these terminals.
    pub(crate) fn sessions_on(&self, terminals: &[PathBuf]) -> Vec<Pid> {
        let is = |pid: Pid, known: &Known| {
            let told = known.told.as_deref();
            let mut all = terminals.iter();
            told.is_some_and(|told| all.any(|tty| is_on(&self.proc, pid, &told.process, tty)))
        };
        let known = self.known.iter();
        let on = known.filter(|(pid, known)| is(**pid, known));
        on.map(|(pid, _)| *pid).collect()
    }

    /// The terminals in which sessions of other agents run.
    #[must_use]
    pub fn terminals_of_others(&self) -> BTreeSet<CleanText> {
        let others = self
            .known
            .iter()
            .filter(|(_, known)| known.agent != self.calls.0);
        let told = others.filter_map(|(pid, known)| Some((*pid, &known.told.as_ref()?.process)));
        let here = told.filter_map(|(pid, process)| {
            if !process.container {
                return process.tty.clone();
            }
            let tty = self.kept_on(pid, process)?.tty.as_deref()?;
            CleanText::line(&tty.to_string_lossy()).some()
        });
        here.gather()
    }

    /// The process groups that speak for a session in its terminal: its own, and whoever has the
    /// terminal, if the session leads all that runs there.
    #[must_use]
    pub fn groups(&self, pid: Pid) -> Vec<u32> {
        groups(&self.proc, pid)
    }

    /// It is no session any more, though it lives.
    pub fn dismiss(&mut self, pid: Pid) {
        let known = self.known.remove(&pid);
        let told = known.filter(|known| known.told.is_some());
        self.reports
            .extend(told.map(|known| Observation::Gone(known.key)));
    }

    /// A session did something: what lies where it works is looked at again at the next scan.
    pub fn stir(&mut self, pid: Pid) {
        self.stirred.insert(pid);
    }

    /// Has this process looked at once the call is over, as if it were new.
    pub fn look_at(&mut self, pid: Pid) {
        self.to_look_at.push(pid);
    }

    /// A process has ended that may go on as something else: it is looked at again at the next
    /// scan.
    pub fn departs(&mut self, pid: Pid) {
        self.departed.push(pid.0);
    }

    /// Has new processes looked for once the call is over, and what all of them tell sorted out.
    pub fn look_around(&mut self) {
        self.look_around = true;
    }

    /// Its agent claimed a process, and failed before it knew more of it than that: it is looked
    /// at as if it were new once the failure is over.
    fn disown(&mut self, pid: Pid) {
        let own = |known: &Known| known.agent == self.calls.0;
        if !self.known.get(&pid).is_some_and(own) {
            return;
        }
        self.dismiss(pid);
    }

    /// Forgets a process that has ended.
    pub(crate) fn forget(&mut self, pid: Pid) -> Option<Known> {
        self.failures.remove(&pid);
        self.known.remove(&pid)
    }

    /// Whether a session failed just now, and is not looked at.
    #[must_use]
    pub fn rests(&self, pid: Pid) -> bool {
        let rests = |failure: &Failure| failure.due > clock::steady();
        self.failures.get(&pid).is_some_and(rests)
    }

    /// Whether a session could not be read when that was tried last.
    #[must_use]
    pub fn has_failed(&self, pid: Pid) -> bool {
        self.failures.contains_key(&pid)
    }

    /// When a session that failed is to be read anew.
    pub(crate) fn failures_due(&self) -> impl Iterator<Item = Instant> + '_ {
        self.failures.values().map(|failure| failure.due)
    }

    /// Those that are to be read anew by now, and how often each failed.
    pub(crate) fn failed(&self) -> Vec<(Pid, u32)> {
        let steady = clock::steady();
        let due = self.failures.iter().filter(|(_, f)| f.due <= steady);
        due.map(|(pid, f)| (*pid, f.times)).collect()
    }

    /// It was read: if it did not fail again, it is well.
    pub(crate) fn forgive(&mut self, pid: Pid, times: u32) {
        if self.failures.get(&pid).is_some_and(|f| f.times == times) {
            self.failures.remove(&pid);
        }
    }

    /// Notes that reading a process panicked.
    pub(crate) fn note_failure(&mut self, pid: Pid) {
        let failure = self.failures.entry(pid).or_insert(Failure {
            due: clock::steady(),
            pause: PAUSE.0,
            times: 0,
        });
        failure.due = clock::steady() + failure.pause;
        failure.pause = (failure.pause * 2).min(PAUSE.1);
        failure.times += 1;
        // Not why: a panic may quote what the session wrote. `explain` has that.
        log::error!("reading the session of process {pid} panicked, which is a bug of vmux");
    }
}

fn groups(proc: &Proc, pid: Pid) -> Vec<u32> {
    let Some(stat) = proc.stat(pid) else {
        return Vec::new();
    };
    let leads = stat.session == pid.0;
    let all = [Some(stat.group), stat.foreground.filter(|_| leads)];
    all.into_iter().flatten().collect()
}

/// Does a `step` that concerns one session; nothing while a failure of it rests. A panic is a bug
/// of vmux, set off by what that session wrote: it costs this session, not the others, until it
/// can be read anew.
pub fn guarded<W: Watch + ?Sized>(
    watch: &mut W,
    outside: &mut Outside,
    pid: Pid,
    step: impl FnOnce(&mut W, &mut Outside),
) {
    if outside.rests(pid) {
        return;
    }
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(watch, outside))) {
        fail(watch, outside, pid, &words(&*panic));
    }
}

/// A step that concerns this session panicked with these words.
pub fn fail<W: Watch + ?Sized>(watch: &mut W, outside: &mut Outside, pid: Pid, why: &str) {
    outside.note_failure(pid);
    let Some(left) = watch.reset(pid, outside) else {
        return outside.disown(pid);
    };
    let evidence = Evidence {
        failed: Some(CleanText::line(why)),
        ..left
    };
    outside.tell(pid, evidence);
}

/// What a panic says.
#[must_use]
pub fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it does not say why").to_owned()
}
