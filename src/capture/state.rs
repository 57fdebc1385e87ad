//! What vmux knows of a captured repository: `vmux/state.json` in its common git directory. All of
//! it can be found out again, but where the reflogs were read up to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::consent::place;
use super::cursor::Cursor;
use super::select::Recorded;
use crate::core::model::{ConversationId, time};
use crate::core::text::CleanText;
use crate::sys::files::{self, create_private_dir, read_bounded, write_own};

/// Largest state that is read, in bytes; a larger one is begun anew.
const CAP: usize = 32 << 20;
/// What was missed that is remembered.
const MISSED: usize = 50;
/// Records of a conversation that are remembered, and conversations.
const RECORDED: (usize, usize) = (64, 1000);

/// What is known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Who writes here, without the beginning of the reference's name.
    pub writer: Option<String>,
    /// The working trees, by their names.
    pub trees: BTreeMap<String, Known>,
    /// Commits whose turns had not ended, by their ids.
    pub open: BTreeMap<String, Open>,
    /// Files of conversations that touched this repository.
    pub transcripts: BTreeMap<PathBuf, Told>,
    /// When those files were looked for last.
    #[serde(deserialize_with = "time::deserialize")]
    pub looked: Option<DateTime<Utc>>,
    /// When the last records of each conversation were made, by their commits.
    pub recorded: BTreeMap<ConversationId, Vec<DateTime<Utc>>>,
    /// Commits that were looked at already though the logs are not read up to them: where there are
    /// many, who is killed in the middle goes on there.
    pub done: BTreeSet<String>,
    /// Up to when commits of working trees that are gone were looked for.
    #[serde(deserialize_with = "time::deserialize")]
    pub strangers: Option<DateTime<Utc>>,
    /// What was missed, the newest last.
    pub missed: Vec<Missed>,
}

/// A working tree.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Where it lies, and where it lay before.
    pub tops: Vec<PathBuf>,
    /// Up to where its log was read.
    pub log: Cursor,
    /// Where it has no log: the commit that was seen last.
    pub head: Option<String>,
    /// When that was.
    #[serde(deserialize_with = "time::deserialize")]
    pub at: Option<DateTime<Utc>>,
}

/// A commit that is to be looked at again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Open {
    /// The name of its working tree.
    pub tree: String,
    /// When it was made, at most.
    pub at: DateTime<Utc>,
    /// What it replaced, if it is an amended one.
    #[serde(default)]
    pub old: Option<String>,
}

/// A file of a conversation, or of a subagent's part of one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The agent's name on the wire.
    pub agent: String,
    /// Up to where it was read, in bytes.
    pub offset: u64,
    /// What it touched in this repository, as it says itself.
    pub touched: BTreeSet<PathBuf>,
}

/// Something that could not be kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Missed {
    /// When that was noticed.
    pub at: DateTime<Utc>,
    /// What, and why.
    pub what: CleanText,
}

impl State {
    /// Notes that a commit of then names a conversation.
    pub fn recorded_at(&mut self, conversation: &ConversationId, at: DateTime<Utc>) {
        let times = self.recorded.entry(conversation.clone()).or_default();
        if let Err(place) = times.binary_search(&at) {
            times.insert(place, at);
        }
        let old = times.len().saturating_sub(RECORDED.0);
        times.drain(..old);
        if self.recorded.len() > RECORDED.1 {
            let oldest = self
                .recorded
                .iter()
                .min_by_key(|(_, times)| times.last().copied());
            let oldest = oldest.map(|(id, _)| id.clone());
            self.recorded.retain(|id, _| Some(id) != oldest.as_ref());
        }
    }

    /// When each conversation was recorded last before then.
    #[must_use]
    pub fn recorded_before(&self, then: DateTime<Utc>) -> Recorded {
        let last = self.recorded.iter().filter_map(|(id, times)| {
            let at = times.iter().rev().find(|at| **at < then)?;
            Some((id.clone(), *at))
        });
        last.collect()
    }

    /// Notes that something was missed.
    pub fn miss(&mut self, at: DateTime<Utc>, what: &str) {
        let what = CleanText::line(what);
        if self.missed.last().is_some_and(|last| last.what == what) {
            return;
        }
        self.missed.push(Missed { at, what });
        let old = self.missed.len().saturating_sub(MISSED);
        self.missed.drain(..old);
    }
}

fn file(common: &Path) -> PathBuf {
    place(common).join("state.json")
}

/// What is known of a repository; nothing where that cannot be read.
#[must_use]
pub fn read(common: &Path) -> State {
    let bytes = read_bounded(&file(common), CAP).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Keeps it.
///
/// # Errors
/// Those of the file system; what was kept before still stands.
pub fn write(common: &Path, state: &State) -> io::Result<()> {
    write_own(&file(common), &serde_json::to_vec(state)?, true)
}

/// The right to work in a repository, which one process has at a time.
#[derive(Debug)]
pub struct Lock {
    _held: Option<File>,
}

/// Waits for that.
///
/// # Errors
/// `ResourceBusy` if another process has it for longer than `patience`, and those of the file
/// system.
pub fn lock(common: &Path, patience: Duration) -> io::Result<Lock> {
    create_private_dir(&place(common))?;
    let path = place(common).join("lock");
    let mut options = OpenOptions::new();
    drop(options.append(true).create(true).mode(0o600).open(&path)?);
    Ok(Lock {
        _held: files::lock(&path, patience)?,
    })
}
