//! Commits that nothing leads to any more, and that nobody looked at while something did: those of a
//! working tree that was made, used and removed with its branch meanwhile. Its logs went with it, and
//! so did where it lay; that there was one is told by who made it, and by the object, until git
//! prunes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::git;
use super::reflog::is_id;
use super::state::Missed;
use super::told::Config;
use crate::core::model::time;
use crate::core::text::CleanText;

/// Files of conversations that are looked through, and how much of them, in bytes.
const MOST: (usize, u64) = (2000, 512 << 20);
/// Commits that are asked for.
const COMMITS: usize = 200;
/// Longest wait for git.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those that were made since then, as far as conversations tell of them, without those of `recorded`.
///
/// # Errors
/// Those of git.
pub fn commits(
    common: &Path,
    configs: &[Config],
    since: DateTime<Utc>,
    recorded: &BTreeSet<String>,
) -> Result<Vec<Missed>, git::Error> {
    let told = told(configs, since);
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let input: String = told.keys().map(|id| format!("{id}^{{commit}}\n")).collect();
    let args = ["cat-file", "--batch-check"];
    let printed = git::run(common, &args, input.as_bytes(), PATIENCE)?;
    let printed = String::from_utf8_lossy(&printed);
    let mut here: BTreeMap<&str, &str> = BTreeMap::new();
    for (line, branch) in printed.lines().zip(told.values()) {
        // `ID commit SIZE`, or `NAME missing`: then it is of another repository.
        let mut words = line.split(' ');
        let (Some(id), Some("commit")) = (words.next(), words.next()) else {
            continue;
        };
        if is_id(id) && !recorded.contains(id) {
            here.insert(id, branch);
        }
    }
    if here.is_empty() {
        return Ok(Vec::new());
    }
    let since = format!("--since={}", since.timestamp());
    let mut args = vec!["rev-list", "--timestamp", &since];
    args.extend(here.keys().take(COMMITS));
    args.extend(["--not", "--all", "--reflog"]);
    let printed = git::run(common, &args, b"", PATIENCE)?;
    let printed = String::from_utf8_lossy(&printed);
    let missed = printed.lines().rev().filter_map(|line| {
        let (seconds, id) = line.split_once(' ')?;
        let at = time::from_seconds(seconds.parse().ok()?)?;
        let branch = here.get(id)?;
        let of = if branch.is_empty() {
            String::new()
        } else {
            format!(" of {branch}")
        };
        let what = format!(
            "{}{of}: no branch holds it any more, and its working tree was gone before it was looked at",
            id.get(..10).unwrap_or(id)
        );
        let what = CleanText::line(&what);
        Some(Missed { at, what })
    });
    Ok(missed.collect())
}

/// What conversations tell of commits: the beginnings of their ids, and their branches.
fn told(configs: &[Config], since: DateTime<Utc>) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let (mut files, mut bytes) = (0, 0);
    for (agent, config) in configs {
        for path in agent.transcripts(config, SystemTime::from(since)) {
            files += 1;
            bytes += fs::metadata(&path).map_or(0, |file| file.len());
            if files > MOST.0 || bytes > MOST.1 {
                return told;
            }
            let commits = agent.commits(&path).unwrap_or_default();
            told.extend(commits.into_iter().filter(|(id, _)| is_beginning(id)));
        }
    }
    told
}

/// Whether this can be the beginning of an id, and nothing else for git.
fn is_beginning(id: &str) -> bool {
    (7..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit())
}
