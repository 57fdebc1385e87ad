//! What other coding tools told of their conversations over vmux's socket: a file of JSON lines each,
//! which vmux writes itself, its texts without secrets.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::agent::changes::{Index, Turns, absolute};
use crate::agent::past::names;
use crate::agent::stream::{Line, each_line};
use crate::core::model::{ConversationId, time};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Edit, Hunk, ToldChange, ToldHunk, Transcript};

/// Files that are looked at: more than are ever kept.
const FILES: usize = 4096;
/// How their names end.
pub const EXTENSION: &str = "jsonl";

/// A line of a journal: what was told at once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// When it was told.
    #[serde(deserialize_with = "time::deserialize")]
    pub at: Option<DateTime<Utc>>,
    /// The first line: which conversation it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Created>,
    /// What its user asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the tool answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<String>,
    /// What it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ToldChange>,
    /// What was asked is done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// A conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Created {
    /// The tool's name: `cursor`.
    pub tool: String,
    /// The directory in which it works, absolute.
    pub cwd: String,
    /// The tool's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The model that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// See [`crate::agent::Agent::transcripts`].
pub(super) fn transcripts(dir: &Path, since: SystemTime) -> Vec<PathBuf> {
    let paths = names(dir, FILES).into_iter().map(|name| dir.join(name));
    let journals = paths.filter(|path| path.extension().is_some_and(|end| end == EXTENSION));
    let written = |path: &PathBuf| path.symlink_metadata().ok()?.modified().ok();
    journals
        .filter(|path| written(path).is_some_and(|written| written >= since))
        .collect()
}

/// Hands over the entries behind this offset; returns the offset behind them.
fn entries(path: &Path, from: u64, mut take: impl FnMut(Entry)) -> io::Result<u64> {
    each_line(path, from, |line| {
        if let Line::Whole(line) = line
            && let Ok(entry) = serde_json::from_slice(line)
        {
            take(entry);
        }
    })
}

/// See [`crate::agent::Agent::touched`].
pub(super) fn touched(path: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
    // Paths are written absolute.
    let mut paths = BTreeSet::new();
    let behind = entries(path, from, |entry| {
        let change = entry.change.as_ref();
        paths.extend(change.and_then(|change| absolute(None, &change.path)));
    })?;
    Ok((paths, behind))
}

/// See [`crate::agent::Agent::transcript`].
pub(super) fn transcript(path: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Transcript> {
    let mut created = None;
    let mut turns = Turns::default();
    let mut prompts = 0;
    entries(path, 0, |entry| {
        let Some(at) = entry.at else { return };
        if let Some(user) = &entry.user {
            prompts += 1;
            if let Some(turn) = turns.begin(&format!("{prompts}"), at) {
                turns.asked_for(turn, user, &[]);
            }
        }
        if entry.created.is_some() {
            created = entry.created;
            return;
        }
        // What is told before the first prompt is nobody's.
        let turn = turns.last().or_else(|| turns.begin("0", at));
        if let Some(turn) = turn {
            fold(&mut turns, turn, at, &entry, wanted);
        }
    })?;
    let id = path.file_stem().and_then(|stem| stem.to_str());
    let made = || {
        let created: Created = created?;
        let line = |text: Option<String>| text.and_then(|text| CleanText::line(&text).some());
        Some(Transcript {
            agent: created.tool,
            conversation: ConversationId::new(id?)?,
            subagent: None,
            version: line(created.version),
            model: line(created.model),
            turns: turns.finish(),
        })
    };
    made().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn fold(
    turns: &mut Turns,
    turn: Index,
    at: DateTime<Utc>,
    entry: &Entry,
    wanted: &dyn Fn(&Path) -> bool,
) {
    if let Some(text) = &entry.assistant {
        turns.answered(turn, text);
    }
    if let Some(change) = &entry.change
        && let Some(path) = absolute(None, &change.path).filter(|path| wanted(path))
    {
        let edit = edit(change);
        let by = None;
        turns.changed(turn, Change { at, path, by, edit });
    }
    if let Some(turn) = turns.get(turn) {
        turn.ended = entry.done.then_some(at);
    }
}

fn edit(change: &ToldChange) -> Edit {
    let hunk = |part: &ToldHunk| Hunk {
        old_start: part.old_start,
        new_start: part.new_start,
        lines: part.lines.clone(),
    };
    match (&change.old, &change.new) {
        (Some(old), Some(new)) if !old.is_empty() => Edit::Replace {
            before: None,
            old: old.clone(),
            new: new.clone(),
            all: false,
            shown: Vec::new(),
        },
        (_, Some(new)) => Edit::Whole {
            before: change.created.then(String::new),
            after: new.clone(),
            shown: Vec::new(),
        },
        _ if !change.hunks.is_empty() || change.deleted => Edit::Hunks {
            hunks: change.hunks.iter().map(hunk).collect(),
            created: change.created,
            deleted: change.deleted,
        },
        _ => Edit::Touched,
    }
}
