//! Which conversations and prompts a commit comes of. Pure.
//!
//! A change belongs to a commit by the path of its file, wherever its session was started. It
//! counts for what is still there: for lines that the commit adds, or lines that it takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};

use super::part::{OfFile, Part, Told};
use super::record::{Asked, Selection};
use super::talks::{Ask, Talks, TurnAt};
use crate::core::model::ConversationId;
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::core::transcript::Transcript;

/// A commit, as git tells of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// Its full id.
    pub id: String,
    /// Its tree.
    pub tree: String,
    /// When it was made, exact to 0.1 s; where only the second is known, the end of that.
    pub at: DateTime<Utc>,
    /// Its first parent.
    pub parent: Option<String>,
    /// When its first parent was made, by git: no later change can be part of that.
    pub since: Option<DateTime<Utc>>,
    /// The top of its working tree, absolute; then paths at which that lay before, or that lead to
    /// it through links.
    pub tops: Vec<PathBuf>,
    /// What it changed, compared with its first parent.
    pub files: Vec<CommitFile>,
}

/// A file that a commit changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitFile {
    /// Its path from the top of the working tree, bytes that are no UTF-8 replaced.
    pub path: String,
    /// Its path before, if the commit renamed it.
    pub old_path: Option<String>,
    /// What it held in the first parent.
    pub before: Content,
    /// What it holds in the commit.
    pub after: Content,
    /// The lines, from 0, that git calls added; they are found here where nobody asked git.
    pub added: Option<Vec<Range<u32>>>,
    /// When the file in the working tree was written last, if it still holds what the commit does.
    pub mtime: Option<DateTime<Utc>>,
}

/// What a file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// There is no such file.
    Missing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What has no lines, or too many: binary files, links, modules, and what is over 1 MiB.
    Unread,
}

/// When the last record was made that names a conversation.
pub type Recorded = BTreeMap<ConversationId, DateTime<Utc>>;

impl Commit {
    /// A path below the top of the working tree, from there on.
    #[must_use]
    pub fn inside(&self, path: &Path) -> Option<String> {
        let path = plain(path)?;
        let rest = self
            .tops
            .iter()
            .find_map(|top| path.strip_prefix(plain(top)?).ok())?;
        let text = rest.to_string_lossy();
        (!text.is_empty()).then(|| text.into_owned())
    }

    /// Which of its files an absolute path means, by its name in the commit or before.
    #[must_use]
    pub fn place(&self, path: &Path) -> Option<usize> {
        let path = self.inside(path)?;
        let named = |file: &CommitFile| file.path == path;
        let was = |file: &CommitFile| file.old_path.as_ref() == Some(&path);
        let files = &self.files;
        files
            .iter()
            .position(named)
            .or_else(|| files.iter().position(was))
    }
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::RootDir | Component::Normal(_) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop().then_some(())?),
            Component::Prefix(_) => return None,
        }
    }
    plain.has_root().then_some(plain)
}

/// Prompts of a conversation that only led to a commit, at most.
const CONTEXT: usize = 20;

/// Chooses what belongs to a commit. Without anybody's lines or files in it: nothing.
#[must_use]
pub fn select(commit: &Commit, transcripts: &[Transcript], recorded: &Recorded) -> Selection {
    let talks = Talks::of(transcripts);
    let told = Told::all(commit, &talks);
    let mut parts = Vec::new();
    for file in &commit.files {
        let changes = told.of(commit, file, &talks);
        let worth = !changes.is_empty() || file.mtime.is_some();
        parts.push(worth.then(|| Part::new(commit, file, &changes, &talks)));
    }
    let turns: BTreeSet<TurnAt> = parts.iter().flatten().flat_map(Part::turns).gather();
    if turns.is_empty() {
        return Selection::default();
    }
    let primary: BTreeSet<Ask> = turns.iter().map(|turn| talks.ask(*turn)).gather();
    let (members, asks) = order(commit, &talks, &primary, recorded);
    let place = |turn: TurnAt| {
        let ask = talks.ask(turn);
        asks.iter().position(|other| *other == ask)
    };
    let whole = |(file, part): (&CommitFile, Option<Part>)| {
        let nobody = || Part::new(commit, file, &OfFile::default(), &talks);
        part.unwrap_or_else(nobody).record(file, &place)
    };
    let asked = |ask: &Ask| {
        let turn = talks.turn(*ask);
        let prompt = turn.prompt.as_ref();
        Asked {
            conversation: members
                .iter()
                .position(|talk| *talk == ask.talk)
                .unwrap_or_default(),
            turn: turn.id.clone(),
            at: turn.at,
            primary: primary.contains(ask),
            text: prompt.map(|prompt| prompt.text.clone()).unwrap_or_default(),
            pasted: prompt
                .map(|prompt| prompt.pasted.clone())
                .unwrap_or_default(),
            answers: talks.answers(*ask),
            asked: turn.asked.clone(),
        }
    };
    Selection {
        files: commit.files.iter().zip(parts).map(whole).collect(),
        complete: turns.iter().all(|turn| talks.ended(*turn)),
        conversations: members.iter().map(|talk| talks.talk(*talk)).collect(),
        prompts: asks.iter().map(asked).collect(),
    }
}

/// The conversations that have a part in a commit, in the order in which they began to, and the
/// prompts that have, with those that led to them, by time.
fn order(
    commit: &Commit,
    talks: &Talks,
    primary: &BTreeSet<Ask>,
    recorded: &Recorded,
) -> (Vec<usize>, Vec<Ask>) {
    let by_time = |ask: &Ask| (talks.turn(*ask).at, *ask);
    let mut first: Vec<Ask> = primary.iter().copied().collect();
    first.arrange_by_key(by_time);
    let mut members: Vec<usize> = Vec::new();
    for ask in &first {
        if !members.contains(&ask.talk) {
            members.push(ask.talk);
        }
    }
    let mut asks = first;
    for talk in &members {
        let from = recorded.get(talks.id(*talk)).copied();
        let led = talks.asked(*talk, from, commit.at).rev();
        asks.extend(led.filter(|ask| !primary.contains(ask)).take(CONTEXT));
    }
    asks.arrange_by_key(by_time);
    (members, asks)
}

#[cfg(test)]
mod tests;
