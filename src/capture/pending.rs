//! What conversations changed in a working tree that is not committed yet.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::commits;
use super::consent::Consent;
use super::git;
use super::record::Selection;
use super::select::{Commit, CommitFile, Content, Recorded, select};
use super::state::State;
use super::told::{self, Shelf};
use super::trees::Tree;
use super::work::World;
use crate::core::model::ConversationId;
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::core::transcript::Transcript;
use crate::sys::files::read_bounded;

/// Files that are looked at.
const FILES: usize = 500;
/// Largest file that is looked at, in bytes.
const FILE: usize = 1 << 20;

/// A conversation, and what of it waits for a commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Pending {
    /// The agent's name on the wire.
    pub agent: String,
    /// The agent's own id of it.
    pub session_id: ConversationId,
    /// Prompts and answers since its last record.
    pub messages: usize,
    /// Changes of files here since then.
    pub changes: usize,
    /// Lines of the working tree that are not committed and come of it.
    pub lines: u32,
    /// The files with such lines, or with changes that cannot be told by lines.
    pub files: Vec<CleanText>,
    /// What was asked last.
    #[serde(skip_serializing_if = "CleanText::is_empty")]
    pub last: CleanText,
}

/// What waits in a working tree. Nothing is written.
///
/// # Errors
/// Those of reading, and of git.
pub fn of(
    tree: &Tree,
    world: &World,
    state: &State,
    consent: Option<&Consent>,
) -> Result<Vec<Pending>, git::Error> {
    let looked = look(tree, world, state, consent, &|_| true)?;
    Ok(summed(
        &looked.transcripts,
        &looked.selection,
        &looked.recorded,
    ))
}

/// Which prompts the lines of a file come of that are not committed, by its path from the top of the
/// working tree. Nothing is written, and nothing is redacted: it is for the eyes of who asks.
///
/// # Errors
/// Those of reading, and of git.
pub fn of_file(
    tree: &Tree,
    world: &World,
    state: &State,
    consent: &Consent,
    path: &Path,
) -> Result<Selection, git::Error> {
    let looked = look(tree, world, state, Some(consent), &|other| other == path)?;
    Ok(looked.selection)
}

/// What was found.
struct Looked {
    transcripts: Vec<Transcript>,
    recorded: Recorded,
    selection: Selection,
}

/// Looks at those files that were changed and of which `wanted` holds.
fn look(
    tree: &Tree,
    world: &World,
    state: &State,
    consent: Option<&Consent>,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<Looked, git::Error> {
    let mut state = state.clone();
    let known = state.trees.entry(tree.name.clone()).or_default();
    if known.tops.first() != Some(&tree.top) {
        known.tops.insert(0, tree.top.clone());
    }
    let tops = known.tops.clone();
    let since = consent.and_then(|consent| consent.since);
    let since = since.unwrap_or(world.now);
    told::look(&mut state, &world.configs, &tops, (world.now, since));
    let mut touched = told::inside(&state, &tops).files(FILES);
    touched.retain(|path| wanted(path));
    let commit = Commit {
        id: String::new(),
        tree: String::new(),
        at: world.now,
        parent: None,
        since: None,
        tops: tops.clone(),
        files: changed(tree, touched)?,
    };
    let transcripts = Shelf::default().take(&told::of(&state, &commit), &world.configs, &tops);
    let recorded = state.recorded_before(world.now);
    let selection = select(&commit, &transcripts, &recorded);
    Ok(Looked {
        transcripts,
        recorded,
        selection,
    })
}

/// Those of these files whose content is not that of `HEAD`.
fn changed(tree: &Tree, paths: Vec<PathBuf>) -> Result<Vec<CommitFile>, git::Error> {
    let names: Vec<(String, PathBuf)> = paths
        .into_iter()
        .filter_map(|path| Some((path.to_str()?.to_owned(), path)))
        .filter(|(name, _)| !name.contains('\n') && !name.is_empty())
        .collect();
    let asked: Vec<String> = names
        .iter()
        .map(|(name, _)| format!("HEAD:{name}"))
        .collect();
    let before = commits::contents(&tree.git_dir, &asked)?;
    let files = names
        .into_iter()
        .zip(before)
        .filter_map(|((name, path), before)| {
            let after = held(&tree.top.join(&path));
            (before != after).then_some(CommitFile {
                path: name,
                old_path: None,
                before,
                after,
                added: None,
                mtime: None,
            })
        });
    Ok(files.collect())
}

/// What a file of the working tree holds.
fn held(path: &Path) -> Content {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let bytes = read_bounded(path, FILE);
            let text = bytes.ok().filter(|bytes| !commits::is_binary(bytes));
            text.map_or(Content::Unread, Content::Bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Content::Missing,
        _ => Content::Unread,
    }
}

fn summed(all: &[Transcript], selection: &Selection, recorded: &Recorded) -> Vec<Pending> {
    let ids: BTreeSet<&ConversationId> = selection
        .conversations
        .iter()
        .map(|talk| &talk.session_id)
        .gather();
    let one = |id: &&ConversationId| {
        let since: Option<DateTime<Utc>> = recorded.get(*id).copied();
        let own = || all.iter().filter(|talk| talk.conversation == **id);
        let turns = || {
            own()
                .flat_map(|talk| &talk.turns)
                .filter(|turn| since.is_none_or(|at| turn.at > at))
        };
        let place = selection
            .conversations
            .iter()
            .position(|talk| talk.session_id == **id);
        let asked = |n: usize| {
            selection
                .prompts
                .get(n)
                .is_some_and(|asked| Some(asked.conversation) == place)
        };
        let mut lines = 0;
        let mut files = Vec::new();
        for file in &selection.files {
            let spans = file
                .ranges
                .iter()
                .filter(|span| span.prompt.is_some_and(&asked));
            let here: u32 = spans
                .map(|span| span.end.saturating_sub(span.start) + 1)
                .sum();
            lines += here;
            if here > 0 || file.touched.iter().any(|(n, _)| asked(*n)) {
                files.push(CleanText::line(&file.path));
            }
        }
        let mut prompts = turns().filter_map(|turn| turn.prompt.as_ref());
        Some(Pending {
            agent: own().next()?.agent.clone(),
            session_id: (*id).clone(),
            messages: turns()
                .map(|turn| usize::from(turn.prompt.is_some()) + turn.answers.len())
                .sum(),
            changes: turns().map(|turn| turn.changes.len()).sum(),
            lines,
            files,
            last: prompts
                .next_back()
                .map(|prompt| CleanText::line(&prompt.text))
                .unwrap_or_default(),
        })
    };
    ids.iter().filter_map(one).collect()
}
