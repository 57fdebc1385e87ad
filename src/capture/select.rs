//! Which conversations and prompts a commit comes of. Pure.
//!
//! A change belongs to a commit by the path of its file, wherever its session was started. It
//! counts for what is still there: for lines that the commit adds, or lines that it takes away.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};

use super::record::{Asked, FilePart, Talk};
use crate::core::model::ConversationId;

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

/// What of the conversations goes into the record of a commit; nothing is redacted yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// Who took part. If there is nobody, there is nothing to record.
    pub conversations: Vec<Talk>,
    /// What was asked, by time.
    pub prompts: Vec<Asked>,
    /// The files of the commit with lines of known origin, and those without.
    pub files: Vec<FilePart>,
    /// Whether all turns in it have ended.
    pub complete: bool,
}

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
