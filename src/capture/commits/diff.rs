//! What commits changed, out of one `git diff-tree --stdin`.
//!
//! **Source:** git-diff-tree(1), git 2.47: for each commit a line in the asked-for format, a line
//! for each file (`:` once for each parent), an empty line, the patch. Names with odd bytes stand
//! in quotes, so that no line of the output can be mistaken.

use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Lines;
use crate::capture::git::{self, Error};
use crate::capture::patch::{self, unquoted};
use crate::capture::reflog::is_id;
use crate::core::model::time;
use crate::core::text::CleanText;

/// Largest patch of a commit that is looked at, and of all that are read at once, in bytes.
const PATCH: usize = 2 << 20;
const ALL: usize = 12 << 20;
/// Longest line of a patch that is looked at, in bytes.
const LINE: usize = 1 << 20;
/// Files of a commit that are looked at.
const FILES: usize = 5000;

/// What git told of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) tree: String,
    pub(super) parents: Vec<String>,
    pub(super) committed: DateTime<Utc>,
    pub(super) subject: CleanText,
    pub(super) files: Vec<File>,
    /// As git printed it; empty of a merge, and where it is too large.
    pub(super) patch: Vec<u8>,
    /// The patch is too large.
    dropped: bool,
}

/// A file of a commit; of a merge, one that is like in no parent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) old_path: Option<String>,
    /// The blob in the first parent.
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// It is no file with lines: a link or a module.
    odd: bool,
    pub(super) added: Option<Lines>,
}

impl File {
    /// The blobs of it that may have lines.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &str> {
        let both = [&self.before, &self.after];
        let odd = self.odd;
        both.into_iter()
            .filter_map(|id| id.as_deref())
            .filter(move |_| !odd)
    }
}

/// Asks git.
pub(super) fn of<'a>(
    common: &Path,
    ids: impl Iterator<Item = &'a str>,
    patience: Duration,
) -> Result<Vec<Told>, Error> {
    let mut input = String::new();
    for id in ids {
        input.push_str(id);
        input.push('\n');
    }
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let args = [
        "diff-tree",
        "--stdin",
        "--root",
        "-r",
        "-M",
        "-c",
        "--raw",
        "-p",
        "-U3",
        "--no-abbrev",
        "--full-index",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--always",
        "--format=format:%H %T %ct %P%x09%s",
    ];
    let mut reader = Reader::default();
    let mut take = |piece: &[u8]| {
        reader.take(piece);
        Ok::<(), io::Error>(())
    };
    git::pass(common, &args, input.as_bytes(), &mut take, patience)?;
    reader.finish();
    Ok(reader.told)
}

#[derive(Default)]
struct Reader {
    told: Vec<Told>,
    line: Vec<u8>,
    /// The line at hand is longer than what is looked at.
    long: bool,
    /// Bytes of patches that are kept.
    size: usize,
    hunk: Hunk,
    /// The file of the patch at hand, by its place in the commit.
    at: Option<usize>,
}

/// Lines that the hunk at hand still has before and after, and the number of the next one after.
#[derive(Default)]
struct Hunk {
    before: u32,
    after: u32,
    next: u32,
}

impl Reader {
    fn take(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|b| *b == b'\n') {
            let room = LINE.saturating_sub(self.line.len());
            self.long |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn finish(&mut self) {
        if !self.line.is_empty() {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let bare = line.strip_suffix(b"\n").unwrap_or(&line);
        self.read(bare);
        let long = std::mem::take(&mut self.long);
        self.keep(bare, long);
        self.line = line;
        self.line.clear();
    }

    /// Keeps a line of a patch.
    fn keep(&mut self, bare: &[u8], long: bool) {
        let Some(told) = self.told.last_mut() else {
            return;
        };
        let begun = !told.patch.is_empty() || bare.starts_with(b"diff --git ");
        if !begun || told.dropped || told.parents.len() > 1 || header(bare).is_some() {
            return;
        }
        told.patch.extend_from_slice(bare);
        told.patch.push(b'\n');
        self.size += bare.len() + 1;
        if long || told.patch.len() > PATCH || self.size > ALL {
            self.size -= told.patch.len();
            told.patch = Vec::new();
            told.dropped = true;
            for file in &mut told.files {
                file.added = None;
            }
        }
    }

    fn read(&mut self, line: &[u8]) {
        if self.hunk.before > 0 || self.hunk.after > 0 {
            return self.body(line);
        }
        if let Some(told) = header(line) {
            self.told.push(told);
            self.at = None;
        } else if line.starts_with(b":") {
            let told = self.told.last_mut().filter(|told| told.files.len() < FILES);
            if let (Some(told), Some(file)) = (told, file(line)) {
                told.files.push(file);
            }
        } else if line.starts_with(b"diff --git ") {
            self.at = None;
        } else if let Some(name) = line.strip_prefix(b"+++ ") {
            self.begin(name);
        } else if let Some(rest) = line.strip_prefix(b"@@ ") {
            self.hunk = hunk(rest).unwrap_or_default();
        }
    }

    /// The lines of a file follow. A name with a space has a tab behind it.
    fn begin(&mut self, name: &[u8]) {
        let name = unquoted(name.strip_suffix(b"\t").unwrap_or(name));
        let Some(path) = name.strip_prefix(b"b/") else {
            return;
        };
        let path = String::from_utf8_lossy(path);
        let Some(told) = self.told.last_mut().filter(|told| !told.dropped) else {
            return;
        };
        self.at = told.files.iter().position(|file| file.path == path);
        // A merge's hunks compare with all parents at once, and are not read: what it added to the
        // first one is found by what both hold.
        let one = told.parents.len() < 2;
        let text = self.file().filter(|file| one && !file.odd);
        if let Some(file) = text {
            file.added.get_or_insert_default();
        }
    }

    fn file(&mut self) -> Option<&mut File> {
        let told = self.told.last_mut().filter(|told| !told.dropped)?;
        told.files.get_mut(self.at?)
    }

    fn body(&mut self, line: &[u8]) {
        let next = self.hunk.next;
        match line.first() {
            Some(b'+') => {
                self.hunk.after = self.hunk.after.saturating_sub(1);
                self.hunk.next += 1;
                let lines = self.file().and_then(|file| file.added.as_mut());
                if let Some(lines) = lines {
                    match lines.last_mut() {
                        Some(last) if last.end == next => last.end += 1,
                        _ => lines.push(next..next + 1),
                    }
                }
            }
            Some(b'-') => self.hunk.before = self.hunk.before.saturating_sub(1),
            Some(b'\\') => {}
            _ => {
                self.hunk.before = self.hunk.before.saturating_sub(1);
                self.hunk.after = self.hunk.after.saturating_sub(1);
                self.hunk.next += 1;
            }
        }
    }
}

/// The first line of a commit: its id, its tree, its time, its parents; behind a tab its subject.
fn header(line: &[u8]) -> Option<Told> {
    let tab = memchr::memchr(b'\t', line)?;
    let (line, subject) = (&line[..tab], &line[tab + 1..]);
    if !(80..=64 * 20).contains(&line.len()) {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ');
    let (id, tree) = (words.next()?, words.next()?);
    let seconds = words.next()?.parse().ok()?;
    let parents: Vec<String> = words.filter(|w| !w.is_empty()).map(Into::into).collect();
    let good = is_id(id) && is_id(tree) && parents.iter().all(|parent| is_id(parent));
    good.then_some(Told {
        id: id.to_owned(),
        tree: tree.to_owned(),
        parents,
        committed: time::from_seconds(seconds).unwrap_or_default(),
        subject: CleanText::line(&String::from_utf8_lossy(subject)),
        files: Vec::new(),
        patch: Vec::new(),
        dropped: false,
    })
}

/// `:100644 100644 BEFORE AFTER M\tPATH`, or with a `:`, a mode and an id for each parent.
fn file(line: &[u8]) -> Option<File> {
    let parents = line.iter().take_while(|b| **b == b':').count();
    let mut fields = line[parents..].split(|b| *b == b'\t');
    let facts = std::str::from_utf8(fields.next()?).ok()?;
    let facts: Vec<&str> = facts.split(' ').collect();
    let (modes, ids) = facts.split_at_checked(parents + 1)?;
    let before = ids.first().copied()?;
    let after = ids.get(parents).copied()?;
    let blob = |id: &str| (is_id(id) && id.bytes().any(|b| b != b'0')).then(|| id.to_owned());
    let paths: Vec<String> = fields
        .map(|path| String::from_utf8_lossy(&unquoted(path)).into_owned())
        .collect();
    let status = facts.last()?;
    let renamed = parents == 1 && status.starts_with(['R', 'C']);
    let path = paths.last()?.clone();
    let odd = |mode: &&&str| !["000000", "100644", "100755", "100664"].contains(*mode);
    Some(File {
        old_path: paths
            .first()
            .filter(|old| renamed && **old != path)
            .cloned(),
        path,
        before: blob(before),
        after: blob(after),
        odd: modes.iter().any(|mode| odd(&mode)),
        added: None,
    })
}

/// `-3,2 +4,5 @@`.
fn hunk(text: &[u8]) -> Option<Hunk> {
    let ((before, after), start) = patch::hunk(text)?;
    Some(Hunk {
        before,
        after,
        next: start.saturating_sub(1),
    })
}
