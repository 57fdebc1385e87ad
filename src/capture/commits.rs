//! Commits as git tells of them: what they changed, what the files held, and the id of the patch.
//! Three children for any number of commits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::git::{self, Error};
use super::reflog::is_id;
use super::select::{Commit, CommitFile, Content};
use crate::core::model::time;
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::sys::files::read_bounded;

mod diff;
mod objects;

use diff::Told;

/// Largest file whose lines are looked at, in bytes.
const FILE: usize = 1 << 20;
/// Longest wait for one child.
const PATIENCE: Duration = Duration::from_secs(30);

/// A commit, and what else is kept of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// What it is.
    pub commit: Commit,
    /// `git patch-id --stable`; empty for one without changes, for a merge, and for more changes than
    /// are looked at.
    pub patch_id: String,
    /// When it was made, as it says itself.
    pub committed: DateTime<Utc>,
    /// The first line of its message.
    pub subject: CleanText,
    /// What it changed, as [`patch::parse`](super::patch::parse) reads it; empty of a merge, and of more
    /// than is looked at.
    pub patch: Vec<u8>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// A commit's full id.
    pub id: String,
    /// When it was made, at most; nothing for the end of the second that it names itself.
    pub at: Option<DateTime<Utc>>,
}

/// Reads commits of the repository that is `common`, in the order in which they are asked for;
/// those that are not there any more are left out. Contents are read of files of commits for
/// which `wanted` holds.
///
/// # Errors
/// Those of git.
pub fn read(
    common: &Path,
    tops: &[PathBuf],
    asked: &[Asked],
    also: &[String],
    wanted: &dyn Fn(&[String]) -> bool,
) -> Result<(Vec<Made>, BTreeMap<String, String>), Error> {
    let told = diff::of(common, asked.iter().map(|one| &*one.id), PATIENCE)?;
    let mut names: BTreeSet<&str> = also.iter().map(String::as_str).gather();
    for one in &told {
        names.extend(one.parents.first().map(String::as_str));
        let old = one.files.iter().filter_map(|file| file.old_path.clone());
        let paths = one.files.iter().map(|file| file.path.clone()).chain(old);
        if wanted(&paths.collect::<Vec<_>>()) {
            names.extend(one.files.iter().flat_map(diff::File::blobs));
        }
    }
    let mut objects = objects::read(common, names, PATIENCE)?;
    let patches = patch_ids(common, &told)?;
    let found = also.iter().filter_map(|name| {
        let id = objects.ids.get(name)?;
        Some((name.clone(), id.clone()))
    });
    let found = found.collect();
    let mut made = Vec::new();
    for one in asked {
        let Some(told) = told.iter().find(|told| told.id == one.id) else {
            continue;
        };
        let commit = commit(told, one, tops, &mut objects);
        made.push(Made {
            commit,
            patch_id: patches.get(&one.id).cloned().unwrap_or_default(),
            committed: told.committed,
            subject: told.subject.clone(),
            patch: [one.id.as_bytes(), b"\n", &told.patch].concat(),
        });
    }
    Ok((made, found))
}

fn commit(told: &Told, asked: &Asked, tops: &[PathBuf], objects: &mut objects::Objects) -> Commit {
    let parent = told.parents.first();
    let since = parent.and_then(|parent| objects.committed.get(parent).copied());
    let top = tops.first();
    let files = told.files.iter().map(|file| {
        let after = objects.content(file.after.as_deref());
        CommitFile {
            path: file.path.clone(),
            old_path: file.old_path.clone(),
            before: objects.content(file.before.as_deref()),
            mtime: top.and_then(|top| written(&top.join(&file.path), &after)),
            after,
            added: file.added.clone(),
        }
    });
    Commit {
        id: told.id.clone(),
        tree: told.tree.clone(),
        at: asked
            .at
            .unwrap_or(time::after(told.committed, TimeDelta::milliseconds(999))),
        parent: parent.cloned(),
        since,
        tops: tops.to_vec(),
        files: files.collect(),
    }
}

/// What objects hold as files, by their ids or names.
///
/// # Errors
/// Those of git.
pub fn contents(dir: &Path, names: &[String]) -> Result<Vec<Content>, Error> {
    let objects = objects::read(dir, names.iter().map(String::as_str), PATIENCE)?;
    let held = names
        .iter()
        .map(|name| objects.content(objects.ids.get(name).map(String::as_str)));
    Ok(held.collect())
}

/// As git tells text from what is none: a zero in its first 8000 bytes.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, &bytes[..bytes.len().min(8000)]).is_some()
}

/// When a file of the working tree was written, if it holds this.
fn written(path: &Path, content: &Content) -> Option<DateTime<Utc>> {
    let Content::Bytes(bytes) = content else {
        return None;
    };
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() != bytes.len() as u64 {
        return None;
    }
    let same = read_bounded(path, bytes.len()).is_ok_and(|held| held == *bytes);
    let at = metadata.modified().ok().filter(|_| same)?;
    Some(time::of_file(at))
}

/// The ids of the patches, by commit.
fn patch_ids(common: &Path, told: &[Told]) -> Result<BTreeMap<String, String>, Error> {
    let mut text = Vec::new();
    for one in told.iter().filter(|one| !one.patch.is_empty()) {
        text.extend_from_slice(one.id.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(&one.patch);
    }
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let printed = git::run(common, &["patch-id", "--stable"], &text, PATIENCE)?;
    let printed = String::from_utf8_lossy(&printed);
    let pairs = printed.lines().filter_map(|line| line.split_once(' '));
    let good = pairs.filter(|(patch, commit)| is_id(patch) && is_id(commit));
    Ok(good
        .map(|(patch, commit)| (commit.to_owned(), patch.to_owned()))
        .gather())
}

/// Lines, numbered from 0.
type Lines = Vec<Range<u32>>;

/// What is too much ends what is read, and no more.
fn too_much() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

#[cfg(test)]
mod tests;
