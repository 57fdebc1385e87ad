//! What lies where sessions work, looked at by threads that may get stuck.
//!
//! A directory may lie on a file system that does not answer: its server is away, its FUSE
//! process hangs. Who looks there sleeps in the kernel, and no signal ends that. So the thread
//! that finds sessions never looks below their directories itself: a reader does, and one that
//! does not answer is left behind, with its mount, until it does. All others are served by a new
//! one.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use self::mounts::Table;
use self::stamp::{Seen, Stamp};
use super::git::{self, GitEnv};
use super::inotify::{Adder, Watcher};
use crate::core::model::GitFact;
use crate::core::text::CleanText;

pub mod apart;
mod mounts;
mod stamp;
mod turns;

/// Longest wait for one directory. A disk that wakes up may take longer: then the next scan has
/// its answer.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most readers that may be stuck at once, one per mount: each is a thread. With more, nothing is
/// looked at until one of them answers.
const STUCK: usize = 8;

/// A directory, and how it is looked at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Spot {
    /// The directory.
    pub dir: PathBuf,
    /// Where a session works: what its environment tells git. `None`: it is only asked whether
    /// the directory answers.
    pub work: Option<GitEnv>,
}

/// What was found at a [`Spot`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ground {
    /// Nothing is there (any more).
    pub gone: bool,
    /// Its file system does not answer.
    pub silent: bool,
    /// The repository around it.
    pub git: Option<GitFact>,
    /// The repository whose commits conversations are kept with, if it is one: what its worktrees
    /// share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<String>,
    /// Where a checkout shows.
    #[serde(skip)]
    pub watch: Option<PathBuf>,
    /// What could not be read, in words for `explain`.
    pub problem: Option<CleanText>,
}

impl Spot {
    /// A directory of which it is only asked whether it answers.
    pub(crate) fn only(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            work: None,
        }
    }
}

impl Ground {
    /// Looks at a spot. May wait for ever.
    #[must_use]
    pub fn look(spot: &Spot) -> Self {
        let Some(env) = &spot.work else {
            // What is not there answers, too.
            let _answered = fs::metadata(&spot.dir);
            return Self::default();
        };
        match git::find(&spot.dir, env) {
            Ok(repository) => Self {
                git: repository.as_ref().map(git::Repository::read),
                captured: repository
                    .as_ref()
                    .and_then(|one| one.captured()?.into_os_string().into_string().ok()),
                watch: repository.as_ref().map(git::Repository::watched),
                ..Self::default()
            },
            Err(error) if is_gone(&error) => Self {
                gone: true,
                problem: words(&format!("{} is gone", spot.dir.display())),
                ..Self::default()
            },
            Err(error) => Self::unread(&spot.dir, &error.to_string()),
        }
    }

    fn unread(dir: &Path, cause: &str) -> Self {
        Self {
            problem: words(&format!("could not look into {}: {cause}", dir.display())),
            ..Self::default()
        }
    }

    fn silent(dir: &Path) -> Self {
        Self {
            silent: true,
            ..Self::unread(dir, "its file system does not answer")
        }
    }
}

/// Tells of paths whether their file system answers as long as the machine does.
pub fn local(proc: &Path) -> impl Fn(&Path) -> bool + use<> {
    let mounts = mounts::Mounts::read(&proc.join("self/mountinfo"));
    move |dir| mounts.is_local(dir)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn words(text: &str) -> Option<CleanText> {
    CleanText::line(text).some()
}

/// How a spot is looked at: [`Ground::look`].
pub type Look = Arc<dyn Fn(&Spot) -> Ground + Send + Sync>;

/// Which spots are looked at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Again {
    /// All: changes were not told.
    All,
    /// Those that may not answer, those where something happened, and some of the others in turn.
    Due,
}

/// What is known of all spots.
pub(crate) struct Grounds {
    look: Look,
    mounts: Table,
    known: BTreeMap<Spot, Known>,
    /// What showed at paths since the last look began: spots have parents in common.
    seen: Seen,
    /// The spot that was the last one in turn.
    turn: Option<Spot>,
    /// Looks at those that are due, until they are really looked at.
    looks: u32,
    reader: Option<Reader>,
    stuck: Vec<Stuck>,
}

#[derive(Default)]
struct Known {
    ground: Ground,
    watched: Option<PathBuf>,
    /// What showed before it was looked at, where that can be had at once.
    stamp: Option<Stamp>,
    /// The last look found that it surely answers, and the mounts are the same since.
    sure: bool,
}

/// A reader that was left behind.
struct Stuck {
    /// Where nothing is looked at until it answers.
    mount: PathBuf,
    reader: Reader,
}

impl Grounds {
    pub(crate) fn new(look: Look, proc: &Path) -> Self {
        Self {
            look,
            mounts: Table::new(proc.join("self/mountinfo")),
            known: BTreeMap::new(),
            seen: Seen::new(),
            turn: None,
            looks: 0,
            reader: None,
            stuck: Vec::new(),
        }
    }

    /// What is at a spot, as it was seen last; one that was never seen is looked at.
    pub(crate) fn at(&mut self, spot: &Spot, watcher: &mut Watcher) -> &Ground {
        if !self.known.contains_key(spot) {
            self.look_at(vec![spot.clone()], watcher);
        }
        &self.known.entry(spot.clone()).or_default().ground
    }

    /// The repositories around all spots whose commits conversations are kept with.
    pub(crate) fn captured(&self) -> impl Iterator<Item = &str> {
        let known = self.known.values();
        known.filter_map(|known| known.ground.captured.as_deref())
    }

    /// Looks at spots again, among them those where something happened (`stirred`). Returns those
    /// with something new.
    pub(crate) fn look_again(
        &mut self,
        again: Again,
        stirred: &[Spot],
        watcher: &mut Watcher,
    ) -> Vec<Spot> {
        self.begin();
        let spots = match again {
            Again::All => self.known.keys().cloned().collect(),
            Again::Due => self.due(stirred),
        };
        self.look_on(spots, watcher)
    }

    /// A look begins: the mounts are those of now, and nothing was seen yet.
    fn begin(&mut self) {
        self.renew_mounts();
        self.seen.clear();
    }

    fn renew_mounts(&mut self) {
        if self.mounts.renew() {
            self.known.values_mut().for_each(|known| known.sure = false);
        }
    }

    /// Whether it is time to forget what is no longer used: now and then.
    pub(crate) fn is_to_forget(&self, again: Again) -> bool {
        again == Again::All || self.looks == 0
    }

    /// Forgets those that are no longer `used`.
    pub(crate) fn forget(&mut self, used: impl Fn(&Spot) -> bool, watcher: &mut Watcher) {
        let unused = self.known.keys().filter(|spot| !used(spot));
        let unused: Vec<Spot> = unused.cloned().collect();
        for spot in unused {
            let known = self.known.remove(&spot);
            self.unwatch(known.and_then(|known| known.watched), watcher);
        }
    }

    /// Looks again at the repositories whose checkout shows in `dir`; nothing where it is none
    /// of them.
    pub(crate) fn changed(&mut self, dir: &Path, watcher: &mut Watcher) -> Vec<Spot> {
        let here = |known: &Known| known.watched.as_deref() == Some(dir);
        let spots = self.known.iter().filter(|(_, known)| here(known));
        let spots = spots.map(|(spot, _)| spot.clone()).collect();
        self.look_at(spots, watcher)
    }

    /// A watched directory was lost.
    pub(crate) fn lost(&mut self, dir: &Path, watcher: &mut Watcher) -> Vec<Spot> {
        let mut spots = Vec::new();
        for (spot, known) in &mut self.known {
            if known.watched.as_deref() == Some(dir) {
                known.watched = None;
                spots.push(spot.clone());
            }
        }
        self.look_at(spots, watcher)
    }

    fn look_at(&mut self, spots: Vec<Spot>, watcher: &mut Watcher) -> Vec<Spot> {
        if spots.is_empty() {
            return spots;
        }
        self.begin();
        self.look_on(spots, watcher)
    }

    fn look_on(&mut self, spots: Vec<Spot>, watcher: &mut Watcher) -> Vec<Spot> {
        let mut changed = Vec::new();
        self.release();
        let mut rest = VecDeque::new();
        for spot in spots {
            let sure = self.surely_answers(&spot);
            let known = self.known.entry(spot.clone()).or_default();
            known.sure = sure;
            if sure {
                let news = known.ground != Ground::default()
                    && self.note(&spot, Answer::of(Ground::default()), watcher);
                changed.extend(news.then_some(spot));
            } else {
                self.stamp(&spot);
                rest.push_back(spot);
            }
        }
        while !rest.is_empty() {
            rest.retain(|spot| {
                let silent = self.is_silent(&spot.dir);
                if silent && self.note(spot, Answer::of(Ground::silent(&spot.dir)), watcher) {
                    changed.push(spot.clone());
                }
                !silent
            });
            let Some(spot) = rest.front().cloned() else {
                break;
            };
            match self.ask(&rest, watcher.adder()) {
                Ok(()) => self.hear(&mut rest, watcher, &mut changed),
                Err(error) => {
                    let ground = Ground::unread(&spot.dir, &error.to_string());
                    changed.extend(
                        self.note(&spot, Answer::of(ground), watcher)
                            .then_some(spot),
                    );
                    rest.pop_front();
                }
            }
        }
        changed
    }

    /// Keeps what shows at a spot, before it is looked at.
    fn stamp(&mut self, spot: &Spot) {
        let wanted = spot.work.as_ref().is_some_and(GitEnv::is_searched);
        let (mounts, seen) = (self.mounts.current(), &mut self.seen);
        let stamp = wanted.then(|| Stamp::read(&spot.dir, mounts, seen));
        self.known.entry(spot.clone()).or_default().stamp = stamp.flatten();
    }

    /// Hands the reader all that is to be looked at.
    fn ask(&mut self, spots: &VecDeque<Spot>, adder: Option<Adder>) -> io::Result<()> {
        let watched = |spot| self.known.get(spot).and_then(|known| known.watched.clone());
        let spots = spots.iter().map(|spot| (spot.clone(), watched(spot)));
        let job = Job {
            spots: spots.collect(),
            adder,
        };
        if self.reader.is_none() {
            self.reader = Some(Reader::start(Arc::clone(&self.look))?);
        }
        let sent = self.reader.as_ref().map(|reader| reader.jobs.send(job));
        if matches!(sent, Some(Ok(()))) {
            return Ok(());
        }
        self.reader = None;
        Err(io::Error::other("its reader has ended"))
    }

    /// Takes answers until all are there, or none comes for a while. Woken once a job: each answer
    /// alone would cost two switches between threads.
    fn hear(&mut self, rest: &mut VecDeque<Spot>, watcher: &mut Watcher, changed: &mut Vec<Spot>) {
        // Put aside first: after a panic, its late answers would be taken for those of other spots.
        let Some(reader) = self.reader.take() else {
            return;
        };
        while let Some(first) = rest.front().cloned() {
            let done = reader.done.recv_timeout(PATIENCE);
            let answers: Vec<Answer> = reader.answers.try_iter().take(rest.len()).collect();
            if answers.is_empty() && done == Err(RecvTimeoutError::Timeout) {
                // The mount is silent from now on, and this spot with it.
                return self.leave_behind(reader, &first.dir);
            }
            let answered: Vec<Spot> = rest.drain(..answers.len()).collect();
            for (spot, answer) in answered.into_iter().zip(answers) {
                if self.note(&spot, answer, watcher) {
                    changed.push(spot);
                }
            }
            if done == Err(RecvTimeoutError::Disconnected) {
                let Some(spot) = rest.pop_front() else { return };
                log::error!(
                    "looking into {} panicked, which is a bug of vmux",
                    spot.dir.display()
                );
                let cause = "that panicked, which is a bug of vmux";
                let ground = Ground::unread(&spot.dir, cause);
                if self.note(&spot, Answer::of(ground), watcher) {
                    changed.push(spot);
                }
                return;
            }
        }
        self.reader = Some(reader);
    }

    fn leave_behind(&mut self, reader: Reader, dir: &Path) {
        reader.left_behind.store(true, Ordering::Release);
        self.renew_mounts();
        let mount = self.mounts.current().point_of(dir);
        log::warn!(
            "{} does not answer, nor may what lies under {}",
            dir.display(),
            mount.display()
        );
        self.stuck.push(Stuck { mount, reader });
    }

    /// Lets go of the readers that have answered after all, and of their mounts.
    fn release(&mut self) {
        self.stuck.retain(|stuck| {
            let still = matches!(stuck.reader.answers.try_recv(), Err(TryRecvError::Empty));
            if !still {
                log::info!("{} answers again", stuck.mount.display());
            }
            still
        });
    }

    fn is_silent(&mut self, dir: &Path) -> bool {
        if self.stuck.is_empty() {
            return false;
        }
        let mount = self.mounts.current().point_of(dir);
        self.stuck.len() >= STUCK || self.stuck.iter().any(|stuck| stuck.mount == mount)
    }

    /// Takes over what was found; whether that is new.
    fn note(&mut self, spot: &Spot, answer: Answer, watcher: &mut Watcher) -> bool {
        let mut ground = answer.ground;
        let known = self.known.entry(spot.clone()).or_default();
        if known.watched != ground.watch {
            let before = known.watched.take();
            self.unwatch(before, watcher);
        }
        match (&ground.watch, answer.added) {
            (Some(dir), Some(Ok(wd))) if !self.is_watched(dir) => watcher.adopt(dir, wd),
            (Some(dir), Some(Err(errno))) => {
                if let Err(error) = watcher.refused(errno) {
                    ground.problem = words(&format!("could not watch {}: {error}", dir.display()));
                }
            }
            _ => {}
        }
        let known = self.known.entry(spot.clone()).or_default();
        known.watched = ground.watch.clone().filter(|dir| watcher.holds(dir));
        let new = known.ground != ground;
        known.ground = ground;
        new
    }

    fn is_watched(&self, dir: &Path) -> bool {
        let mut watched = self.known.values().filter_map(|k| k.watched.as_deref());
        watched.any(|watched| watched == dir)
    }

    /// Stops watching a directory that no spot needs any more.
    fn unwatch(&self, dir: Option<PathBuf>, watcher: &mut Watcher) {
        if let Some(dir) = dir.filter(|dir| !self.is_watched(dir)) {
            watcher.remove(&dir);
        }
    }
}

/// What a reader is to do.
struct Job {
    /// Each with the directory that is watched for it.
    spots: Vec<(Spot, Option<PathBuf>)>,
    adder: Option<Adder>,
}

struct Answer {
    ground: Ground,
    /// The number of the new watch, where one was wanted.
    added: Option<Result<i32, Errno>>,
}

impl Answer {
    fn of(ground: Ground) -> Self {
        Self {
            ground,
            added: None,
        }
    }
}

/// A thread that looks, and may get stuck.
struct Reader {
    jobs: Sender<Job>,
    /// One for each spot, in order.
    answers: Receiver<Answer>,
    /// One for each job, after its answers.
    done: Receiver<()>,
    left_behind: Arc<AtomicBool>,
}

impl Reader {
    fn start(look: Look) -> io::Result<Self> {
        let (jobs, asked) = channel::<Job>();
        let (tell, answers) = channel();
        let (end, done) = channel();
        let left_behind = Arc::new(AtomicBool::new(false));
        let is_left = Arc::clone(&left_behind);
        let run = move || {
            for job in asked {
                for (spot, watched) in job.spots {
                    let answer = answer(&look, &spot, watched.as_deref(), job.adder.as_ref());
                    if tell.send(answer).is_err() || is_left.load(Ordering::Acquire) {
                        return;
                    }
                }
                if end.send(()).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("ground".into()).spawn(run)?;
        Ok(Self {
            jobs,
            answers,
            done,
            left_behind,
        })
    }
}

fn answer(look: &Look, spot: &Spot, watched: Option<&Path>, adder: Option<&Adder>) -> Answer {
    let ground = look(spot);
    let wanted = ground.watch.as_deref().filter(|dir| Some(*dir) != watched);
    let Some((dir, adder)) = wanted.zip(adder) else {
        return Answer::of(ground);
    };
    let added = Some(adder.add(dir));
    // Read once more, so that nothing slips through between.
    Answer {
        ground: look(spot),
        added,
    }
}

#[cfg(test)]
mod tests;
