//! The thread that has commits recorded: it hears of them where their logs are, and of the ends of
//! turns from the engine. Without a captured repository there is no such thread.
//!
//! What lies in a repository may be on a file system that does not answer: each is worked on by a
//! thread of its own, which can be left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::published::Published;
use super::supervise::caught;
use crate::capture::work::{self, Caught};
use crate::capture::{consent, known, logs, trees};
use crate::core::model::{SessionKey, State};
use crate::core::sorted::Gather as _;
use crate::serve::world;
use crate::sys::clock;
use crate::sys::image;
use crate::sys::inotify::{self, Adder, Change, Watcher};
use crate::sys::memory;
use crate::sys::paths::Paths;

/// From a movement of `HEAD` to when it is recorded: an agent may write down what it did up to
/// 0.9 s later (observed on Claude Code 2.1.332).
const SETTLE: Duration = Duration::from_millis(1500);
/// One that moves on and on, as in a long rebase, is waited for so long.
const LONGEST: Duration = Duration::from_secs(6);
/// A repository that takes longer does not hold up the others.
const PATIENCE: Duration = Duration::from_secs(5);
/// Repositories that may be worked on at once: each is a thread that may be stuck.
const STUCK: usize = 8;
/// Shortest and longest pause before something that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// Repositories that do not answer which are named.
const NAMED: usize = 3;
/// Repositories that are followed.
const MOST: usize = 500;

/// Starts that thread once there is something to do for it.
#[derive(Clone)]
pub(super) struct Capture {
    paths: Paths,
    published: Arc<Published>,
    control: Arc<Mutex<Control>>,
}

#[derive(Default)]
struct Control {
    /// The list of repositories, as it was looked at last.
    stamp: Option<(SystemTime, u64)>,
    /// The thread runs.
    runs: bool,
    /// The list has changed.
    changed: bool,
    /// Repositories in which sessions were seen to work.
    found: BTreeSet<PathBuf>,
}

fn locked(control: &Mutex<Control>) -> MutexGuard<'_, Control> {
    control.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Capture {
    pub(super) fn new(paths: &Paths, published: &Arc<Published>) -> Self {
        Self {
            paths: paths.clone(),
            published: Arc::clone(published),
            control: Arc::default(),
        }
    }

    /// Sees whether the list of repositories has changed: one look at a file of the state directory.
    /// One in which a session works goes into it: it may have been moved.
    pub(super) fn look<'a>(&self, around: impl Iterator<Item = &'a str>) {
        let list = self.paths.captured();
        for common in around {
            if locked(&self.control).found.insert(common.into())
                && let Err(error) = known::change(&list, Some(Path::new(common)), &[])
            {
                log::warn!("could not write {}: {error}", list.display());
            }
        }
        let metadata = fs::metadata(&list).ok();
        let stamp = metadata.and_then(|list| Some((list.modified().ok()?, list.len())));
        let mut control = locked(&self.control);
        if control.stamp == stamp {
            return;
        }
        control.stamp = stamp;
        control.changed = true;
        if control.runs {
            self.published.capture.wake();
        } else if !known::read(&list).is_empty() {
            let capture = self.clone();
            let run = move || {
                let ended = caught("capture", || Follower::new(capture.clone()).run());
                if ended.is_none() {
                    let mut control = locked(&capture.control);
                    (control.runs, control.stamp) = (false, None);
                }
            };
            let started = thread::Builder::new().name("capture".into()).spawn(run);
            match started {
                Ok(_) => control.runs = true,
                Err(error) => log::warn!("could not start the thread of capture: {error}"),
            }
        }
    }
}

/// A repository that is followed.
#[derive(Default)]
struct Followed {
    /// The directories that are watched, and the git directory of which each tells.
    dirs: BTreeMap<PathBuf, PathBuf>,
    /// When it is worked on, and when the first reason for that came up.
    due: Option<(Instant, Instant)>,
    /// Since when it is worked on.
    begun: Option<Instant>,
    /// The thread that does so.
    thread: Option<JoinHandle<()>>,
    /// When the log of each git directory was seen to move last.
    moved: BTreeMap<PathBuf, DateTime<Utc>>,
    /// Commits that wait for the end of a turn.
    open: usize,
    /// Whether each end of a turn is of interest.
    turns: bool,
    /// How long it is waited after the next failure.
    pause: Option<Duration>,
    /// What failed last.
    trouble: Option<String>,
}

impl Followed {
    /// Whether the end of a turn is of interest.
    fn waits(&self) -> bool {
        self.open > 0 || self.turns
    }

    /// Has it worked on in so long.
    fn want(&mut self, pause: Duration) {
        let now = clock::steady();
        let first = self.due.map_or(now, |(_, first)| first);
        self.due = Some(((now + pause).min(first + LONGEST), first));
    }
}

/// What became of a repository that was worked on.
struct Done {
    common: PathBuf,
    /// It is not captured (any more).
    off: bool,
    /// What was to be watched.
    dirs: Vec<(PathBuf, PathBuf, Result<i32, Errno>)>,
    caught: Result<Caught, String>,
}

/// What the thread knows.
struct Follower {
    capture: Capture,
    watcher: Watcher,
    repositories: BTreeMap<PathBuf, Followed>,
    /// Sessions that were in a turn when they were looked at last.
    working: BTreeSet<SessionKey>,
    give: Sender<Done>,
    done: Receiver<Done>,
}

impl Follower {
    fn new(capture: Capture) -> Self {
        let (give, done) = channel();
        Self {
            capture,
            watcher: Watcher::new(inotify::instance),
            repositories: BTreeMap::new(),
            working: BTreeSet::new(),
            give,
            done,
        }
    }

    /// Works until no repository is captured.
    fn run(&mut self) {
        loop {
            if self.reload() {
                return;
            }
            self.start();
            self.report();
            self.wait();
            self.capture.published.capture.clear();
            while let Ok(done) = self.done.try_recv() {
                self.end(done);
            }
            self.hear();
            self.see_turns();
        }
    }

    /// Takes over what the list says; whether there is nothing to follow.
    fn reload(&mut self) -> bool {
        let mut control = locked(&self.capture.control);
        if !std::mem::take(&mut control.changed) {
            return false;
        }
        let list = known::read(&self.capture.paths.captured());
        let list: BTreeSet<PathBuf> = list.into_iter().take(MOST).gather();
        if list.is_empty() {
            control.runs = false;
            drop(control);
            let published = &self.capture.published;
            published.capture_waits.store(false, Ordering::Relaxed);
            published.report("capture", true, "no repository is captured".into());
            return true;
        }
        drop(control);
        let gone = self.repositories.keys().filter(|one| !list.contains(*one));
        for gone in gone.cloned().collect::<Vec<_>>() {
            self.forget(&gone);
        }
        for common in list {
            // What was done while nobody looked comes first.
            self.repositories
                .entry(common)
                .or_default()
                .want(Duration::ZERO);
        }
        false
    }

    fn forget(&mut self, common: &Path) {
        if let Some(followed) = self.repositories.remove(common) {
            for dir in followed.dirs.keys() {
                self.watcher.remove(dir);
            }
        }
    }

    /// Starts what is due: one after the other, but past those that do not answer.
    fn start(&mut self) {
        let now = clock::steady();
        loop {
            let begun = || self.repositories.values().filter_map(|one| one.begun);
            let fresh = begun().any(|begun| now.duration_since(begun) < PATIENCE);
            if fresh || begun().count() >= STUCK {
                return;
            }
            let due = self.repositories.iter_mut().filter(|(_, one)| {
                one.begun.is_none() && one.due.is_some_and(|(due, _)| due <= now)
            });
            let next = due.min_by_key(|(_, one)| one.due);
            let Some((common, followed)) = next else {
                return;
            };
            followed.due = None;
            followed.begun = Some(now);
            let (capture, give) = (self.capture.clone(), self.give.clone());
            let (common, moved) = (common.clone(), followed.moved.clone());
            let adder = self.watcher.adder();
            let run = move || {
                let worked = caught("capture", || work_on(&capture, &common, moved, adder));
                let done = worked.unwrap_or_else(|| Done {
                    common: common.clone(),
                    off: false,
                    dirs: Vec::new(),
                    caught: Err("it panicked, which is a bug of vmux".into()),
                });
                // Nobody is there to hear it once no repository is captured.
                let _told = give.send(done);
                capture.published.capture.wake();
            };
            let started = thread::Builder::new().name("commits".into()).spawn(run);
            match started {
                Ok(thread) => followed.thread = Some(thread),
                Err(error) => {
                    log::warn!("could not start a thread: {error}");
                    followed.begun = None;
                    followed.want(RETRY.0);
                    return;
                }
            }
        }
    }

    fn wait(&self) {
        let now = clock::steady();
        let begun = || self.repositories.values().filter_map(|one| one.begun);
        let late = begun().map(|begun| begun + PATIENCE);
        let late = late.filter(|at| *at > now).min();
        let idle = self.repositories.values().filter(|one| one.begun.is_none());
        let due = idle.filter_map(|one| one.due.map(|(due, _)| due)).min();
        // While one is worked on, others wait for its end or until it is late.
        let until = match (due, late) {
            (Some(due), Some(late)) => Some(due.max(late)),
            (None, late) => late,
            // All that may be stuck are: one of them has to answer first.
            (due, None) => due.filter(|_| begun().count() < STUCK),
        };
        let timeout: Option<Timespec> =
            until.map(|at| clock::timespec(at.saturating_duration_since(now)));
        let wake = self.capture.published.capture.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(wake, PollFlags::IN)];
        let told = self.watcher.descriptor();
        fds.extend(told.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // An interrupted wait is a short one.
        let _polled = poll(&mut fds, timeout.as_ref());
    }

    /// What the kernel tells.
    fn hear(&mut self) {
        for change in self.watcher.read() {
            match change {
                Change::Entry { dir, name } => {
                    let entry =
                        logs::matters(&name) || dir.ends_with("worktrees") || name == "worktrees";
                    for followed in self.repositories.values_mut().filter(|_| entry) {
                        if let Some(git_dir) = followed.dirs.get(&dir) {
                            followed.moved.insert(git_dir.clone(), clock::now());
                            followed.want(SETTLE);
                        }
                    }
                }
                Change::Lost { dir } => {
                    for followed in self.repositories.values_mut() {
                        if followed.dirs.remove(&dir).is_some() {
                            followed.want(SETTLE);
                        }
                    }
                }
                Change::Overflow => {
                    for followed in self.repositories.values_mut() {
                        followed.want(SETTLE);
                    }
                }
            }
        }
    }

    /// Looks at commits again that wait for the end of a turn, when one ended.
    fn see_turns(&mut self) {
        let waits = self.repositories.values().any(Followed::waits);
        let published = &self.capture.published;
        published.capture_waits.store(waits, Ordering::Relaxed);
        if !waits {
            self.working.clear();
            return;
        }
        let snapshot = published.snapshot();
        let sessions = snapshot.sessions.iter();
        let working =
            sessions.filter(|one| matches!(one.state, State::Working | State::NeedsInput));
        let working: BTreeSet<SessionKey> = working.map(|session| session.id.clone()).gather();
        let ended = self.working.difference(&working).next().is_some();
        self.working = working;
        if ended {
            for followed in self.repositories.values_mut().filter(|one| one.waits()) {
                followed.want(SETTLE);
            }
        }
    }

    /// Takes over what became of a repository.
    fn end(&mut self, done: Done) {
        if done.off {
            self.forget(&done.common);
            return;
        }
        let Some(followed) = self.repositories.get_mut(&done.common) else {
            return;
        };
        followed.begun = None;
        if let Some(thread) = followed.thread.take() {
            // It has told all and only ends now. What it read and ran for a commit is many times what
            // the daemon needs at rest, and part of it is given up only by its end.
            let _ended = thread.join();
            memory::give_back();
            image::let_go();
        }
        let mut dirs = BTreeMap::new();
        for (dir, git_dir, watched) in done.dirs {
            match watched {
                Ok(wd) if !followed.dirs.contains_key(&dir) || !self.watcher.holds(&dir) => {
                    self.watcher.take_over(&dir, wd);
                    // What moved behind the reading and before this was heard of no directory.
                    followed.want(SETTLE);
                }
                Ok(_) => {}
                Err(errno) => {
                    // What is not watched is recorded with the next thing that is heard.
                    let refused = self.watcher.refused(errno);
                    log::debug!("could not watch {}: {refused:?}", dir.display());
                    continue;
                }
            }
            dirs.insert(dir, git_dir);
        }
        for gone in followed.dirs.keys().filter(|dir| !dirs.contains_key(*dir)) {
            self.watcher.remove(gone);
        }
        followed.dirs = dirs;
        match done.caught {
            Ok(caught) => {
                (followed.open, followed.turns) = (caught.open, caught.turns);
                (followed.pause, followed.trouble) = (None, None);
                if !caught.recorded.is_empty() {
                    let (commits, common) = (caught.recorded.len(), done.common.display());
                    log::info!("{commits} commits of {common} were recorded");
                }
            }
            Err(words) => {
                log::warn!(
                    "could not record the commits of {}: {words}",
                    done.common.display()
                );
                let pause = followed.pause.unwrap_or(RETRY.0);
                followed.want(Duration::ZERO);
                followed.due = Some((clock::steady() + pause, clock::steady()));
                followed.pause = Some((pause * 2).min(RETRY.1));
                followed.trouble = Some(words);
            }
        }
    }

    /// Says how it is.
    fn report(&self) {
        let open: usize = self.repositories.values().map(|one| one.open).sum();
        let now = clock::steady();
        let late = |one: &Followed| {
            one.begun
                .is_some_and(|begun| now.duration_since(begun) >= PATIENCE)
        };
        let silent = self.repositories.iter().filter(|(_, one)| late(one));
        let silent: Vec<&PathBuf> = silent.map(|(common, _)| common).collect();
        let troubled = self.repositories.iter().find_map(|(common, one)| {
            let words = one.trouble.as_ref()?;
            Some(format!("{}: {words}", common.display()))
        });
        let mut detail = format!(
            "{} repositories, {open} commits wait for the end of a turn",
            self.repositories.len()
        );
        for common in silent.iter().take(NAMED) {
            detail.push_str(&format!("; {} does not answer", common.display()));
        }
        if let Some(more) = silent.len().checked_sub(NAMED).filter(|more| *more > 0) {
            detail.push_str(&format!(", nor do {more} others"));
        }
        let good = troubled.is_none() && silent.is_empty();
        detail.extend(troubled.map(|words| format!("; {words}")));
        let lacks = self.watcher.lack().map(inotify::Lack::words);
        self.capture
            .published
            .report_lacking("capture", good, detail, lacks);
    }
}

/// Works on a repository. May wait for ever.
fn work_on(
    capture: &Capture,
    common: &Path,
    moved: BTreeMap<PathBuf, DateTime<Utc>>,
    adder: Option<Adder>,
) -> Done {
    let mut done = Done {
        common: common.to_path_buf(),
        off: false,
        dirs: Vec::new(),
        caught: Ok(Caught::default()),
    };
    match consent::read(common) {
        Ok(Some(_)) => {}
        Ok(None) => {
            done.off = true;
            return done;
        }
        Err(error) => {
            done.caught = Err(format!("could not read its settings: {error}"));
            return done;
        }
    }
    // First: what moves from here on is heard.
    if let Some(adder) = adder {
        let mut dirs: Vec<(PathBuf, PathBuf)> = trees::all(common)
            .into_iter()
            .map(|tree| (logs::watched(&tree.git_dir), tree.git_dir))
            .collect();
        let linked = common.join("worktrees");
        let of_trees = if linked.is_dir() {
            linked
        } else {
            common.to_path_buf()
        };
        dirs.push((of_trees, common.to_path_buf()));
        dirs.dedup_by(|one, other| one.0 == other.0);
        let watched = dirs.into_iter().map(|(dir, git_dir)| {
            let added = adder.add(&dir);
            (dir, git_dir, added)
        });
        done.dirs = watched.collect();
    }
    let snapshot = capture.published.snapshot();
    let sessions = snapshot.sessions.iter().map(|session| &**session);
    let mut world = world::of(&capture.paths, sessions);
    world.moved = moved;
    done.caught = work::catch_up(common, &world).map_err(|error| error.to_string());
    done
}
