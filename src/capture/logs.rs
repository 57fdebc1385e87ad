//! How a working tree's `HEAD` moved since it was looked at, from whatever its repository has: a
//! log as a file, a log in tables, or none at all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::cursor;
use super::git;
use super::reflog::{Line, Move, is_id, movement};
use super::state::Known;
use super::trees::Tree;
use crate::core::model::time;

/// Movements that are looked at where git has to be asked.
const MOST: &str = "--max-count=1000";
/// Longest wait for git.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a working tree has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `logs/HEAD`.
    File,
    /// Tables.
    Tables,
    /// Nothing: `core.logAllRefUpdates` is off.
    None,
}

impl Kind {
    /// That of a working tree.
    #[must_use]
    pub fn of(git_dir: &Path) -> Self {
        if git_dir.join("logs/HEAD").is_file() {
            Self::File
        } else if git_dir.join("reftable").is_dir() {
            Self::Tables
        } else {
            Self::None
        }
    }
}

/// The directory whose entries tell of a movement, if it is there.
#[must_use]
pub fn watched(git_dir: &Path) -> PathBuf {
    match Kind::of(git_dir) {
        Kind::File => git_dir.join("logs"),
        Kind::Tables => git_dir.join("reftable"),
        Kind::None => git_dir.to_path_buf(),
    }
}

/// Whether an entry of that directory may tell of one. Without a log, what any commit, reset or
/// checkout writes.
#[must_use]
pub fn matters(name: &str) -> bool {
    ["HEAD", "COMMIT_EDITMSG", "ORIG_HEAD", "tables.list", "logs"].contains(&name)
}

/// How `HEAD` moved.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct News {
    /// In order.
    pub lines: Vec<Line>,
    /// Some movements may be missing before these.
    pub gap: bool,
}

/// Reads on, and notes up to where. Of a tree that was never looked at, what was done since then.
///
/// # Errors
/// Those of reading, or of git.
pub fn read_on(tree: &Tree, known: &mut Known, since: DateTime<Utc>) -> Result<News, git::Error> {
    match Kind::of(&tree.git_dir) {
        Kind::File => {
            let cursor = (known.log != cursor::Cursor::default()).then_some(&known.log);
            let since = known.at.unwrap_or(since);
            let log = tree.git_dir.join("logs/HEAD");
            let news = cursor::read_on(&log, cursor, since).map_err(git::Error::Io)?;
            known.log = news.next;
            if let Some(last) = news.lines.last() {
                (known.head, known.at) = (Some(last.new.clone()), Some(last.at));
            }
            Ok(News {
                lines: news.lines,
                gap: news.gap,
            })
        }
        Kind::Tables => tables(tree, known, since),
        Kind::None => bare(tree, known, since),
    }
}

/// The log in tables, which only git reads: the newest first.
fn tables(tree: &Tree, known: &mut Known, since: DateTime<Utc>) -> Result<News, git::Error> {
    let args = [
        "log",
        "-g",
        MOST,
        "--date=unix",
        "--format=%H %gd %gs",
        "HEAD",
        "--",
    ];
    let printed = match git::run(&tree.git_dir, &args, b"", PATIENCE) {
        // Nothing was committed yet.
        Err(git::Error::Failed(_)) => Vec::new(),
        printed => printed?,
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut met = false;
    let from = known.at.unwrap_or(since);
    for text in printed.split(|b| *b == b'\n') {
        let Some((new, at, what)) = entry(text) else {
            continue;
        };
        if let Some(later) = lines.last_mut() {
            later.old = Some(new.clone());
        }
        met = known.head.as_ref() == Some(&new) && known.at == Some(at);
        if met || at < from {
            break;
        }
        lines.push(Line {
            old: None,
            new,
            at,
            what,
        });
    }
    lines.reverse();
    let gap = known.head.is_some() && !met && !lines.is_empty();
    if let Some(last) = lines.last() {
        (known.head, known.at) = (Some(last.new.clone()), Some(last.at));
    }
    // A stash and a checkout of the same commit leave it where it was.
    lines.retain(|line| line.old.as_ref() != Some(&line.new));
    Ok(News { lines, gap })
}

/// `ID HEAD@{SECONDS} MESSAGE`.
fn entry(text: &[u8]) -> Option<(String, DateTime<Utc>, Move)> {
    let mut words = text.splitn(3, |b| *b == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?;
    let at = std::str::from_utf8(words.next()?).ok()?;
    let seconds = at.strip_prefix("HEAD@{")?.strip_suffix('}')?;
    let at = time::from_seconds(seconds.parse().ok()?)?;
    let what = movement(words.next().unwrap_or_default());
    is_id(id).then(|| (id.to_owned(), at, what))
}

/// Without a log: what lies between the commit that was seen last and this one.
fn bare(tree: &Tree, known: &mut Known, since: DateTime<Utc>) -> Result<News, git::Error> {
    let head = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
    let Ok(printed) = git::run(&tree.git_dir, &head, b"", PATIENCE) else {
        return Ok(News::default());
    };
    let head = String::from_utf8_lossy(printed.trim_ascii()).into_owned();
    if !is_id(&head) || known.head.as_ref() == Some(&head) {
        return Ok(News::default());
    }
    let from = known.at.unwrap_or(since);
    let range = known.head.as_ref().map(|known| format!("^{known}"));
    let listed = commits(tree, &head, range.as_deref(), from);
    // The commit that was seen last may be gone.
    let (lines, gap) = match (listed, &range) {
        (Err(git::Error::Failed(_)), Some(_)) => (commits(tree, &head, None, from)?, true),
        (listed, _) => (listed?, false),
    };
    known.head = Some(head);
    known.at = lines.last().map(|line| line.at).or(Some(from));
    Ok(News { lines, gap })
}

fn commits(
    tree: &Tree,
    head: &str,
    without: Option<&str>,
    from: DateTime<Utc>,
) -> Result<Vec<Line>, git::Error> {
    let since = format!("--since={}", from.timestamp() - 1);
    let mut args = vec![
        "log",
        "--first-parent",
        MOST,
        &since,
        "--format=%H %ct",
        head,
    ];
    args.extend(without);
    args.push("--");
    let printed = git::run(&tree.git_dir, &args, b"", PATIENCE)?;
    let printed = String::from_utf8_lossy(&printed);
    let read = |line: &str| {
        let (id, seconds) = line.split_once(' ')?;
        let at = time::from_seconds(seconds.parse().ok()?)?;
        (is_id(id) && at >= from - TimeDelta::seconds(1)).then(|| Line {
            old: None,
            new: id.to_owned(),
            at,
            what: Move::Commit,
        })
    };
    let mut lines: Vec<Line> = printed.lines().filter_map(read).collect();
    lines.reverse();
    Ok(lines)
}
