//! Which files of conversations touched a repository: looked for when something is to be recorded,
//! and read on from where they were left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::select::Commit;
use super::state::{State, Told};
use crate::agent::Agent;
use crate::core::model::ConversationId;
use crate::core::sorted::Gather as _;
use crate::core::transcript::Transcript;

/// What was said that long before capture was switched on may still be uncommitted; agents keep
/// their conversations for about as long.
const BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// A file may be written while it is looked for.
const SLACK: Duration = Duration::from_secs(5);
/// Files of conversations that are remembered for a repository.
const MOST: usize = 5000;
/// Paths that are remembered of one.
const PATHS: usize = 20_000;

/// An agent, and a directory in which it keeps its files.
pub type Config = (&'static dyn Agent, PathBuf);

/// Looks for what touched the repository since it was looked at. Returns the files that told
/// something new.
pub fn look(
    state: &mut State,
    configs: &[Config],
    tops: &[PathBuf],
    (now, since): (DateTime<Utc>, DateTime<Utc>),
) -> BTreeSet<PathBuf> {
    let from = match state.looked {
        Some(looked) => SystemTime::from(looked) - SLACK,
        None => SystemTime::from(since) - BEFORE,
    };
    let mut changed = BTreeSet::new();
    for (agent, config) in configs {
        for path in agent.transcripts(config, from) {
            if read_on(state, *agent, &path, tops) {
                changed.insert(path);
            }
        }
    }
    state.looked = Some(now);
    forget(state);
    changed
}

/// Reads on in one; whether it is one of the repository's, and told more.
fn read_on(state: &mut State, agent: &dyn Agent, path: &Path, tops: &[PathBuf]) -> bool {
    let known = state.transcripts.get(path);
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    // One that was written anew is read anew.
    let from = known.map_or(0, |known| known.offset);
    let from = if from > size { 0 } else { from };
    let Ok((touched, offset)) = agent.touched(path, from) else {
        return false;
    };
    let ours = |path: &PathBuf| tops.iter().any(|top| path.starts_with(top));
    let touched: BTreeSet<PathBuf> = touched.into_iter().filter(ours).gather();
    if known.is_none() && touched.is_empty() {
        return false;
    }
    let told = state.transcripts.entry(path.to_path_buf()).or_default();
    agent.name().clone_into(&mut told.agent);
    let more = told.offset != offset;
    told.offset = offset;
    let room = PATHS.saturating_sub(told.touched.len());
    told.touched.extend(touched.into_iter().take(room));
    more
}

/// Forgets those that their agents have deleted, and where there are too many, any.
fn forget(state: &mut State) {
    let there = |path: &Path| match fs::symlink_metadata(path) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(_) => true,
    };
    state.transcripts.retain(|path, _| there(path));
    while state.transcripts.len() > MOST {
        state.transcripts.pop_first();
    }
}

/// What conversations touched below some tops, relative to them.
pub struct Touched {
    paths: BTreeSet<PathBuf>,
}

/// That of all that are known.
#[must_use]
pub fn inside(state: &State, tops: &[PathBuf]) -> Touched {
    let all = state.transcripts.values().flat_map(|told| &told.touched);
    let below = all.filter_map(|path| below(path, tops));
    Touched {
        paths: below.map(Path::to_path_buf).gather(),
    }
}

fn below<'a>(path: &'a Path, tops: &[PathBuf]) -> Option<&'a Path> {
    tops.iter().find_map(|top| path.strip_prefix(top).ok())
}

/// Whether somebody who touched this may have changed a file: it is the file, or a directory
/// around it in which a command ran.
fn may_change(touched: &Path, file: &Path) -> bool {
    file.starts_with(touched)
}

impl Touched {
    /// What of it may be files, at most so many.
    #[must_use]
    pub fn files(&self, most: usize) -> Vec<PathBuf> {
        let paths = self
            .paths
            .iter()
            .filter(|path| !path.as_os_str().is_empty());
        paths.take(most).cloned().collect()
    }

    /// Whether one of these files may have been changed by one of them.
    #[must_use]
    pub fn concerns(&self, files: &[String]) -> bool {
        let mut around = files.iter().flat_map(|file| Path::new(file).ancestors());
        around.any(|dir| self.paths.contains(dir))
    }
}

/// The files of conversations that may have to do with a commit.
#[must_use]
pub fn of(state: &State, commit: &Commit) -> Vec<(PathBuf, Told)> {
    let touches = |path: &PathBuf| {
        let Some(path) = below(path, &commit.tops) else {
            return false;
        };
        commit.files.iter().any(|file| {
            let old = file.old_path.as_ref();
            may_change(path, Path::new(&file.path))
                || old.is_some_and(|old| may_change(path, Path::new(old)))
        })
    };
    let all = state.transcripts.iter();
    let ours = all.filter(|(_, told)| told.touched.iter().any(touches));
    ours.map(|(path, told)| (path.clone(), told.clone()))
        .collect()
}

/// Conversations that were read, while commits that they may have to do with are looked at.
#[derive(Default)]
pub struct Shelf {
    read: BTreeMap<PathBuf, Option<Transcript>>,
    /// Files by what their names end with, for the conversations that subagents belong to.
    names: Option<Vec<(PathBuf, &'static str)>>,
}

impl Shelf {
    /// The conversations of these files, as far as they touch these tops; with each subagent's the
    /// one that called it.
    pub fn take(
        &mut self,
        files: &[(PathBuf, Told)],
        configs: &[Config],
        tops: &[PathBuf],
    ) -> Vec<Transcript> {
        let mut paths = BTreeSet::new();
        for (path, told) in files {
            let mut agents = configs.iter().map(|(agent, _)| *agent);
            let Some(agent) = agents.find(|agent| agent.name() == told.agent) else {
                continue;
            };
            paths.insert(path.clone());
            let called = self
                .open(path, agent, tops)
                .filter(|t| t.subagent.is_some());
            let Some(conversation) = called.map(|transcript| transcript.conversation.clone())
            else {
                continue;
            };
            for main in self.named(&conversation, agent, configs) {
                self.open(&main, agent, tops);
                paths.insert(main);
            }
        }
        let read = paths.iter().filter_map(|path| self.read.get(path)?.clone());
        read.collect()
    }

    fn open(&mut self, path: &Path, agent: &dyn Agent, tops: &[PathBuf]) -> Option<&Transcript> {
        let wanted = |path: &Path| tops.iter().any(|top| path.starts_with(top));
        let entry = self.read.entry(path.to_path_buf());
        let read = entry.or_insert_with(|| {
            let read = agent.transcript(path, &wanted);
            let told =
                |error: &io::Error| log::debug!("could not read {}: {error}", path.display());
            read.inspect_err(told).ok()
        });
        read.as_ref()
    }

    /// The files of a conversation itself.
    fn named(
        &mut self,
        conversation: &ConversationId,
        agent: &dyn Agent,
        configs: &[Config],
    ) -> Vec<PathBuf> {
        let names = self.names.get_or_insert_with(|| {
            let all = configs.iter().flat_map(|(agent, config)| {
                let files = agent
                    .transcripts(config, SystemTime::UNIX_EPOCH)
                    .into_iter();
                files.map(|path| (path, agent.name()))
            });
            all.collect()
        });
        let is_of = |path: &Path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.is_some_and(|stem| stem.ends_with(conversation.as_str()))
        };
        let own = names
            .iter()
            .filter(|(path, name)| *name == agent.name() && is_of(path));
        own.map(|(path, _)| path.clone()).collect()
    }
}
