//! Commits of linked working trees that were removed before anybody looked at them. Their own logs
//! went with them; the logs of their branches stay, and what was merged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::cursor;
use super::git;
use super::logs::Kind;
use super::reflog::{Move, is_id};
use super::state::State;
use super::trees::Tree;
use crate::core::model::time;

/// Entries of logs of branches that are looked at, and commits that are asked for.
const MOST: (usize, &str) = (20_000, "--max-count=1000");
/// Longest wait for git.
const PATIENCE: Duration = Duration::from_secs(10);

/// A commit that no working tree that is there made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stranger {
    /// When, to the second.
    pub at: DateTime<Utc>,
    /// Its full id.
    pub id: String,
    /// Its branch, if its log tells of it.
    pub branch: Option<String>,
}

/// Up to when all logs were read: since then there may be strangers.
#[must_use]
pub fn since(state: &State, begin: DateTime<Utc>) -> DateTime<Utc> {
    let read = state.trees.values().filter_map(|known| known.at);
    read.chain(state.strangers)
        .chain([begin])
        .max()
        .unwrap_or(begin)
}

/// The working trees that are known but not there any more, by their names.
#[must_use]
pub fn names(state: &State, common: &Path, trees: &[Tree]) -> Vec<String> {
    let there = |name: &str| {
        let git_dir = match name {
            "" => common.to_path_buf(),
            name => common.join("worktrees").join(name),
        };
        trees.iter().any(|tree| tree.name == name) || git_dir.is_dir()
    };
    let names = state.trees.keys().filter(|name| !there(name));
    names.cloned().collect()
}

/// What the logs of branches tell since then. They are to be read before those of the working trees,
/// each of which git writes before that of its branch: what is in these only is a stranger's.
#[must_use]
pub fn of_logs(common: &Path, since: DateTime<Utc>) -> Vec<Stranger> {
    let top = common.join("logs/refs/heads");
    let mut found = Vec::new();
    let mut dirs = vec![top.clone()];
    let mut seen = 0;
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST.0 {
                return found;
            }
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() && is_newer(&entry, since) {
                found.extend(of_log(&top, &entry.path(), since));
            }
        }
    }
    found
}

fn is_newer(entry: &fs::DirEntry, since: DateTime<Utc>) -> bool {
    let moved = entry.metadata().and_then(|log| log.modified());
    moved.is_ok_and(|moved| moved + Duration::from_secs(1) >= SystemTime::from(since))
}

fn of_log(top: &Path, log: &Path, since: DateTime<Utc>) -> Vec<Stranger> {
    let branch = log
        .strip_prefix(top)
        .map(|path| path.to_string_lossy().into_owned());
    let news = cursor::read_on(log, None, since).unwrap_or_default();
    let made = news.lines.into_iter().filter(|line| is_made(line.what));
    let strangers = made.map(|line| Stranger {
        at: line.at,
        id: line.new,
        branch: branch.clone().ok(),
    });
    strangers.collect()
}

fn is_made(what: Move) -> bool {
    matches!(what, Move::Commit | Move::Amend | Move::Pick | Move::Melt)
}

/// What the branches hold since then, the oldest first.
///
/// # Errors
/// Those of git.
pub fn of_branches(common: &Path, since: DateTime<Utc>) -> Result<Vec<Stranger>, git::Error> {
    let from = format!("--since={}", since.timestamp() - 1);
    let args = ["log", "--branches", MOST.1, &from, "--format=%H %ct", "--"];
    let printed = git::run(common, &args, b"", PATIENCE)?;
    let read = |line: &str| {
        let (id, seconds) = line.split_once(' ')?;
        let at = time::from_seconds(seconds.parse().ok()?)?;
        let (id, branch) = (id.to_owned(), None);
        (is_id(&id) && at >= since).then_some(Stranger { at, id, branch })
    };
    Ok(String::from_utf8_lossy(&printed)
        .lines()
        .filter_map(read)
        .collect())
}

/// Those that none of these working trees made, in order.
#[must_use]
pub fn strange(found: Vec<Stranger>, git_dirs: &[PathBuf], since: DateTime<Utc>) -> Vec<Stranger> {
    if found.is_empty() || git_dirs.iter().any(|dir| Kind::of(dir) != Kind::File) {
        // Without its log, nothing tells what a working tree made.
        return Vec::new();
    }
    let logs = git_dirs.iter().map(|dir| dir.join("logs/HEAD"));
    let news = logs.map(|log| cursor::read_on(&log, None, since).unwrap_or_default());
    let lines = news.flat_map(|news| news.lines);
    let own = lines.filter(|line| line.what != Move::Skip);
    let mut seen: BTreeSet<String> = own.map(|line| line.new).collect();
    let mut found: Vec<Stranger> = found;
    found.sort();
    found.retain(|one| seen.insert(one.id.clone()));
    found
}
