//! What is done for a repository when its `HEAD` moved or a turn ended: records of the commits that
//! are new, or were not complete.
//!
//! Records are written before the place up to which the logs were read: who is killed in between
//! makes them once more, and the note of a commit is replaced, never added to.

mod error;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::commits::{self, Asked, Made};
use super::consent::{self, Consent};
use super::dotenv;
use super::formats::Author;
use super::git;
use super::gone::{self, Stranger};
use super::logs;
use super::record::{Limits, Record};
use super::redact::Redactor;
use super::reflog::{Line, Move};
use super::rewrite::Carrier;
use super::select::select;
use super::state::{self, Known, Open, State, Told};
use super::store::Store;
use super::told::{self, Config, Shelf};
use super::tree;
use super::trees::{self, Tree};
use crate::core::model::time;
use crate::core::text::CleanText;
use crate::core::transcript::Transcript;

pub use error::Error;

/// Longest wait for another process that works in the repository.
const OTHERS: Duration = Duration::from_secs(5);
/// Commits that are looked at together.
const CHUNK: usize = 32;
/// Longest wait for git to say who writes.
const PATIENCE_OF_GIT: Duration = Duration::from_secs(5);
/// A commit whose turn never ends is looked at again for so long.
const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// What a repository cannot tell by itself.
#[derive(Clone)]
pub struct World {
    /// Agents, and the directories in which they keep their files.
    pub configs: Vec<Config>,
    /// Secret values of live sessions' environments: in memory only.
    pub secrets: Vec<String>,
    /// The user's home.
    pub home: PathBuf,
    /// When.
    pub now: DateTime<Utc>,
    /// When the log of a working tree was seen to move last, by its git directory.
    pub moved: BTreeMap<PathBuf, DateTime<Utc>>,
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caught {
    /// Commits that have a record now.
    pub recorded: Vec<String>,
    /// Commits without anything to record.
    pub plain: usize,
    /// Commits whose turns have not ended.
    pub open: usize,
    /// Whether each end of a turn is of interest.
    pub turns: bool,
}

/// A commit that is to be looked at.
#[derive(Clone, Debug)]
struct Job {
    id: String,
    tree: usize,
    /// When it was made, at most, if its log tells.
    at: Option<DateTime<Utc>>,
    /// What it replaced.
    old: Option<String>,
    what: Move,
}

/// Records what is new in the repository that is `common`.
///
/// # Errors
/// See [`Error`]: then it is as if it had not been called.
pub fn catch_up(common: &Path, world: &World) -> Result<Caught, Error> {
    catch_up_with(common, world, &[])
}

/// A commit that somebody wants recorded, whatever the logs say of it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its full id.
    pub commit: String,
    /// The git directory of the working tree that it is of.
    pub git_dir: PathBuf,
}

/// The same, and these.
///
/// # Errors
/// Those of [`catch_up`].
pub fn catch_up_with(common: &Path, world: &World, wishes: &[Wish]) -> Result<Caught, Error> {
    let _lock = state::lock(common, OTHERS)?;
    let Some(consent) = consent::read(common)? else {
        return Ok(Caught::default());
    };
    let mut trees = trees::all(common);
    trees.extend(trees::removed(common));
    let git_dirs: Vec<PathBuf> = trees.iter().map(|tree| tree.git_dir.clone()).collect();
    trees.retain(|tree| !consent::is_forbidden(&tree.top));
    let before = state::read(common);
    let mut state = before.clone();
    let since = consent.since.unwrap_or(world.now);
    let fresh = gone::since(&before, since);
    let found = gone::of_logs(common, fresh);
    let mut jobs = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        jobs.extend(new_jobs(&mut state, (at, tree), since, world)?);
    }
    let strangers = gone::strange(found, &git_dirs, fresh);
    jobs.extend(lost(
        &mut state,
        common,
        (&mut trees, &git_dirs),
        strangers,
        world,
    )?);
    for wish in wishes {
        let tree = trees.iter().position(|tree| tree.git_dir == wish.git_dir);
        let known = jobs.iter().any(|job: &Job| job.id == wish.commit);
        jobs.extend(tree.filter(|_| !known).map(|tree| Job {
            id: wish.commit.clone(),
            tree,
            at: None,
            old: None,
            what: Move::Commit,
        }));
    }
    let mut caught = Caught::default();
    let turns = consent.tree.is_some();
    if !jobs.is_empty() || !state.open.is_empty() || turns {
        let mut work = Work::new(common, world, &consent, &trees, &mut state)?;
        caught = work.all(jobs, since, &before.trees)?;
    }
    caught.turns = turns;
    leave(&mut state, common, &trees);
    if state != before {
        state::write(common, &state)?;
    }
    Ok(caught)
}

/// What is new in the log of a working tree.
fn new_jobs(
    state: &mut State,
    (at, tree): (usize, &Tree),
    since: DateTime<Utc>,
    world: &World,
) -> Result<Vec<Job>, Error> {
    let known = state.trees.entry(tree.name.clone()).or_default();
    // It may have been moved; what was said before names it as it was.
    if known.tops.first() != Some(&tree.top) {
        known.tops.retain(|top| *top != tree.top);
        known.tops.insert(0, tree.top.clone());
        known.tops.truncate(8);
    }
    let news = logs::read_on(tree, known, since)?;
    if news.gap {
        let words = format!(
            "movements of {} that its log does not hold any more",
            tree.top.display()
        );
        state.miss(world.now, &words);
    }
    let moved = world.moved.get(&tree.git_dir).copied();
    let last = news.lines.len().saturating_sub(1);
    let jobs = news.lines.into_iter().enumerate();
    let jobs = jobs.filter(|(_, line)| line.what != Move::Skip);
    Ok(jobs
        .map(|(n, line)| Job {
            at: Some(exact(&line, moved.filter(|_| n == last))),
            old: line.old.filter(|_| line.what == Move::Amend),
            id: line.new,
            tree: at,
            what: line.what,
        })
        .collect())
}

/// When a commit was made at most: the end of the second that its log tells, or when it was seen.
fn exact(line: &Line, moved: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let end = time::after(line.at, TimeDelta::milliseconds(999));
    match moved {
        Some(moved) if moved >= line.at && moved < end => moved,
        _ => end,
    }
}

/// What working trees that are gone made: those of a known one are looked at where it lay, of others
/// nothing tells where that was.
fn lost(
    state: &mut State,
    common: &Path,
    (trees, git_dirs): (&mut Vec<Tree>, &[PathBuf]),
    mut strangers: Vec<Stranger>,
    world: &World,
) -> Result<Vec<Job>, Error> {
    let gone = gone::names(state, common, trees);
    let known = gone.iter().filter_map(|name| state.trees.get(name));
    let tops: Vec<PathBuf> = known.clone().flat_map(|known| known.tops.clone()).collect();
    if let Some(since) = known.clone().filter_map(|known| known.at).min() {
        strangers.extend(gone::of_branches(common, since)?);
        strangers = gone::strange(strangers, git_dirs, since);
        // What was read last of their logs is as old as that.
        let heads: BTreeSet<&String> = known.filter_map(|known| known.head.as_ref()).collect();
        strangers.retain(|one| !heads.contains(&one.id));
    }
    let Some(last) = strangers.iter().map(|one| one.at).max() else {
        return Ok(Vec::new());
    };
    state.strangers = Some(time::after(last, TimeDelta::seconds(1)));
    let (Some(name), Some(top)) = (gone.first(), tops.first()) else {
        let branch = strangers.iter().find_map(|one| one.branch.as_deref());
        let words = format!(
            "{} of {}, made in a working tree that was gone before it was looked at",
            match strangers.len() {
                1 => "a commit".to_owned(),
                more => format!("{more} commits"),
            },
            branch.unwrap_or("a branch")
        );
        state.miss(world.now, &words);
        return Ok(Vec::new());
    };
    trees.push(Tree {
        name: name.clone(),
        git_dir: common.to_path_buf(),
        top: top.clone(),
    });
    let tree = trees.len() - 1;
    let jobs = strangers.into_iter().map(|one| Job {
        at: Some(time::after(one.at, TimeDelta::milliseconds(999))),
        id: one.id,
        tree,
        old: None,
        what: Move::Commit,
    });
    let jobs = jobs.collect();
    state.trees.entry(name.clone()).or_default().tops = tops;
    Ok(jobs)
}

/// Forgets working trees that are gone, with the commits that were to be looked at again there.
fn leave(state: &mut State, common: &Path, trees: &[Tree]) {
    let there: Vec<Tree> = trees
        .iter()
        .filter(|tree| tree.top.is_dir())
        .cloned()
        .collect();
    for name in gone::names(state, common, &there) {
        state.trees.remove(&name);
    }
    let State { open, trees, .. } = state;
    open.retain(|_, open| trees.contains_key(&open.tree));
}

/// What takes secrets out of all that is kept of the repository with these working trees.
///
/// # Errors
/// In words, if its settings cannot be understood.
pub fn redactor(world: &World, consent: &Consent, trees: &[Tree]) -> Result<Redactor, String> {
    let mut secrets = world.secrets.clone();
    for tree in trees {
        secrets.extend(dotenv::secrets(&tree.top));
    }
    let mut redactor = Redactor::new(secrets, &consent.redact, &world.home)?;
    redactor.ignoring(&consent.ignore)?;
    for tree in trees {
        redactor.ignoring_file(&tree::ignores(&tree.top))?;
    }
    Ok(redactor)
}

/// What is needed for a commit's record.
struct Work<'a> {
    world: &'a World,
    store: Store,
    redactor: Redactor,
    limits: Limits,
    /// The directory of each working tree in which conversations are written, too.
    dir: Option<String>,
    trees: &'a [Tree],
    state: &'a mut State,
}

impl<'a> Work<'a> {
    fn new(
        common: &Path,
        world: &'a World,
        consent: &Consent,
        trees: &'a [Tree],
        state: &'a mut State,
    ) -> Result<Self, Error> {
        let redactor = redactor(world, consent, trees).map_err(Error::Settings)?;
        let store = Store::open(common)?;
        let writer = store.writer().strip_prefix(super::store::ALL);
        state.writer = writer.map(str::to_owned);
        Ok(Self {
            world,
            store,
            redactor,
            limits: Limits {
                pasted: consent.pasted,
                answers: consent.answers,
                ..Limits::default()
            },
            dir: consent.tree.clone(),
            trees,
            state,
        })
    }

    fn all(
        &mut self,
        mut jobs: Vec<Job>,
        since: DateTime<Utc>,
        before: &BTreeMap<String, Known>,
    ) -> Result<Caught, Error> {
        let tops: Vec<PathBuf> = self
            .state
            .trees
            .values()
            .flat_map(|known| known.tops.clone())
            .collect();
        let times = (self.world.now, since);
        let changed = told::look(self.state, &self.world.configs, &tops, times);
        jobs.retain(|job| !self.state.done.contains(&job.id));
        jobs.extend(self.again(&changed));
        self.write_trees(&changed, since);
        let mut seen = BTreeSet::new();
        jobs.retain(|job| seen.insert(job.id.clone()));
        let mut caught = Caught::default();
        for at in 0..self.trees.len() {
            let own: Vec<Job> = jobs.iter().filter(|job| job.tree == at).cloned().collect();
            for chunk in own.chunks(CHUNK) {
                self.chunk(at, chunk, &mut caught)?;
                if jobs.len() > CHUNK {
                    self.keep(chunk, before)?;
                }
            }
        }
        self.state.done.clear();
        caught.open = self.state.open.len();
        Ok(caught)
    }

    /// Keeps what is known, with these commits as done and the logs as they were read `before`.
    fn keep(&mut self, jobs: &[Job], before: &BTreeMap<String, Known>) -> Result<(), Error> {
        self.state
            .done
            .extend(jobs.iter().map(|job| job.id.clone()));
        let mut kept = self.state.clone();
        kept.trees.clone_from(before);
        Ok(state::write(self.store.common(), &kept)?)
    }

    /// Writes conversations that told more into the working trees that they touch, if that is wanted.
    fn write_trees(&mut self, changed: &BTreeSet<PathBuf>, since: DateTime<Utc>) {
        let Some(dir) = self.dir.clone() else {
            return;
        };
        for tree in self.trees.iter().filter(|tree| tree.top.is_dir()) {
            let told = self.state.transcripts.iter().filter(|(path, told)| {
                let mut touched = told.touched.iter();
                changed.contains(*path) && touched.any(|path| path.starts_with(&tree.top))
            });
            let told: Vec<(PathBuf, Told)> = told
                .map(|(path, told)| (path.clone(), told.clone()))
                .collect();
            if told.is_empty() {
                continue;
            }
            let tops = [tree.top.clone()];
            let transcripts = Shelf::default().take(&told, &self.world.configs, &tops);
            let author = author(self.store.common(), tree);
            let (redactor, limits) = (&mut self.redactor, &self.limits);
            let place = (tree.top.as_path(), dir.as_str());
            let written = tree::write(place, &transcripts, since, &author, redactor, limits);
            if let Err(error) = written {
                let what = format!("prompts in {}: {error}", tree.top.join(&dir).display());
                self.state.miss(self.world.now, &what);
            }
        }
    }

    /// Commits whose turns had not ended, if anything was said since.
    fn again(&mut self, changed: &BTreeSet<PathBuf>) -> Vec<Job> {
        let oldest = time::before(self.world.now, PATIENCE);
        self.state.open.retain(|_, open| open.at > oldest);
        if changed.is_empty() {
            return Vec::new();
        }
        let place = |name: &str| self.trees.iter().position(|tree| tree.name == name);
        let open = self.state.open.iter();
        let jobs = open.filter_map(|(id, open)| {
            Some(Job {
                id: id.clone(),
                tree: place(&open.tree)?,
                at: Some(open.at),
                old: open.old.clone(),
                what: Move::Commit,
            })
        });
        jobs.collect()
    }

    /// Looks at some commits of one working tree.
    fn chunk(&mut self, at: usize, jobs: &[Job], caught: &mut Caught) -> Result<(), Error> {
        match self.try_chunk(at, jobs, caught) {
            // One that git cannot read must not hold up the others.
            Err(Error::Git(git::Error::Failed(words))) if jobs.len() == 1 => {
                let what = format!("{}: git says: {words}", jobs[0].id);
                self.state.miss(self.world.now, &what);
                Ok(())
            }
            Err(Error::Git(git::Error::Failed(_))) => {
                let (first, second) = jobs.split_at(jobs.len() / 2);
                self.chunk(at, first, caught)?;
                self.chunk(at, second, caught)
            }
            done => done,
        }
    }

    fn try_chunk(&mut self, at: usize, jobs: &[Job], caught: &mut Caught) -> Result<(), Error> {
        let tree = &self.trees[at];
        let tops = self
            .state
            .trees
            .get(&tree.name)
            .map(|known| known.tops.clone());
        let tops = tops.unwrap_or_else(|| vec![tree.top.clone()]);
        let asked: Vec<Asked> = jobs
            .iter()
            .map(|job| Asked {
                id: job.id.clone(),
                at: job.at,
            })
            .collect();
        let touched = told::inside(self.state, &tops);
        let wanted = |paths: &[String]| touched.concerns(paths);
        let own = self.store.writer().to_owned();
        let (made, found) = commits::read(
            self.store.common(),
            &tops,
            &asked,
            std::slice::from_ref(&own),
            &wanted,
        )?;
        let mut shelf = Shelf::default();
        let common = self.store.common().to_path_buf();
        let mut carrier = Carrier::new(&common, &own);
        for job in jobs {
            let Some(made) = made.iter().find(|made| made.commit.id == job.id) else {
                continue;
            };
            if job.what == Move::Unknown && !is_new(made) {
                continue;
            }
            let fresh = self.record(job, made, &mut shelf, &tops);
            if !carrier.take(made, fresh, job.old.as_deref())? {
                caught.plain += 1;
            }
        }
        let records: Vec<Record> = carrier.records().cloned().collect();
        self.store
            .put(&records, found.get(&own).map(String::as_str))?;
        carrier.keep();
        caught
            .recorded
            .extend(records.into_iter().map(|record| record.commit));
        Ok(())
    }

    /// The record of a commit, if there is anything to record.
    fn record(
        &mut self,
        job: &Job,
        made: &Made,
        shelf: &mut Shelf,
        tops: &[PathBuf],
    ) -> Option<Record> {
        let files = told::of(self.state, &made.commit);
        let transcripts = shelf.take(&files, &self.world.configs, tops);
        let selection = select(
            &made.commit,
            &transcripts,
            &self.state.recorded_before(made.commit.at),
        );
        let running = transcripts.iter().any(|talk| runs(talk, made.commit.at));
        let fresh = !selection.conversations.is_empty();
        let complete = if fresh { selection.complete } else { !running };
        if complete {
            self.state.open.remove(&job.id);
        } else {
            let open = Open {
                tree: self.trees[job.tree].name.clone(),
                at: made.commit.at,
                old: job.old.clone(),
            };
            self.state.open.insert(job.id.clone(), open);
        }
        if !fresh {
            return None;
        }
        let record = Record::build(
            &made.commit,
            &made.patch_id,
            selection,
            &mut self.redactor,
            &self.limits,
        );
        if matches!(job.what, Move::Commit | Move::Amend) {
            self.note(&record, made.commit.at);
        }
        Some(record)
    }

    fn note(&mut self, record: &Record, at: DateTime<Utc>) {
        for talk in &record.conversations {
            self.state.recorded_at(&talk.session_id, at);
        }
    }
}

/// Whether a conversation was in a turn then that has not ended.
fn runs(talk: &Transcript, at: DateTime<Utc>) -> bool {
    let last = talk.turns.last();
    last.is_some_and(|turn| turn.ended.is_none() && turn.at <= at)
}

/// Whether a commit was made when `HEAD` came to it: a command that is not known may have gone to
/// an old one.
fn is_new(made: &Made) -> bool {
    (made.commit.at - made.committed).abs() <= TimeDelta::seconds(5)
}

/// Who writes in a working tree, as git says it.
fn author(common: &Path, tree: &Tree) -> Author {
    // The main one may lie where git does not find its repository by itself.
    let dir = if tree.name.is_empty() {
        common
    } else {
        &tree.top
    };
    let said = git::run(dir, &["var", "GIT_AUTHOR_IDENT"], b"", PATIENCE_OF_GIT);
    let said = said.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let (name, rest) = said.split_once(" <").unwrap_or_default();
    let email = rest.split('>').next().unwrap_or_default();
    Author {
        name: CleanText::line(name),
        email: CleanText::line(email),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
