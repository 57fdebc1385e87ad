//! Objects out of one `git cat-file --batch`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{FILE, is_binary, too_much};
use crate::capture::git::{self, Error};
use crate::capture::select::Content;
use crate::core::model::time;

/// Bytes of files that are kept of all commits that are read at once.
const ALL: usize = 24 << 20;
/// Longest first line of an object.
const LINE: usize = 4096;

/// What was asked for.
#[derive(Default)]
pub(super) struct Objects {
    /// The ids of what was asked for by a name.
    pub(super) ids: BTreeMap<String, String>,
    /// When commits were made.
    pub(super) committed: BTreeMap<String, DateTime<Utc>>,
    blobs: BTreeMap<String, Vec<u8>>,
    size: usize,
}

impl Objects {
    /// What a blob holds.
    pub(super) fn content(&self, id: Option<&str>) -> Content {
        let Some(id) = id else {
            return Content::Missing;
        };
        let text = self.blobs.get(id).filter(|bytes| !is_binary(bytes));
        text.map_or(Content::Unread, |bytes| Content::Bytes(bytes.clone()))
    }

    fn keep(&mut self, name: &str, id: String, kind: &str, bytes: Vec<u8>) {
        match kind {
            "commit" => {
                let at = committed(&bytes);
                self.committed.extend(at.map(|at| (id.clone(), at)));
            }
            "blob" => {
                self.size += bytes.len();
                self.blobs.insert(id.clone(), bytes);
            }
            _ => {}
        }
        self.ids.insert(name.to_owned(), id);
    }
}

/// When a commit was made, by its own words.
fn committed(object: &[u8]) -> Option<DateTime<Utc>> {
    let mut lines = object.split(|b| *b == b'\n').take_while(|l| !l.is_empty());
    let line = lines.find_map(|line| line.strip_prefix(b"committer "))?;
    let close = memchr::memrchr(b'>', line)?;
    let text = std::str::from_utf8(&line[close + 1..]).ok()?;
    time::from_seconds(text.split_whitespace().next()?.parse().ok()?)
}

/// Reads objects by their ids or names.
pub(super) fn read<'a>(
    common: &Path,
    names: impl IntoIterator<Item = &'a str>,
    patience: Duration,
) -> Result<Objects, Error> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut reader = Reader {
        names: names.iter().copied(),
        line: Vec::new(),
        open: None,
        objects: Objects::default(),
    };
    if names.is_empty() {
        return Ok(reader.objects);
    }
    let input = names.join("\n") + "\n";
    let mut take = |piece: &[u8]| reader.take(piece);
    git::pass(
        common,
        &["cat-file", "--batch"],
        input.as_bytes(),
        &mut take,
        patience,
    )?;
    Ok(reader.objects)
}

struct Reader<'a, I> {
    /// What is still to be told, in the order in which it was asked for.
    names: I,
    line: Vec<u8>,
    open: Option<Open<'a>>,
    objects: Objects,
}

/// An object whose bytes come.
struct Open<'a> {
    name: &'a str,
    id: String,
    kind: String,
    /// With the line break behind it.
    left: u64,
    /// What is kept; nothing of an object that is too large.
    bytes: Option<Vec<u8>>,
}

impl<'a, I: Iterator<Item = &'a str>> Reader<'a, I> {
    fn take(&mut self, mut piece: &[u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let Some(open) = &mut self.open else {
                let end = memchr::memchr(b'\n', piece);
                let (now, rest) = piece.split_at(end.unwrap_or(piece.len()));
                self.line.extend_from_slice(now);
                if self.line.len() > LINE {
                    return Err(too_much());
                }
                piece = rest;
                if end.is_some() {
                    piece = &rest[1..];
                    self.begin();
                }
                continue;
            };
            let here = usize::try_from(open.left)
                .unwrap_or(usize::MAX)
                .min(piece.len());
            if let Some(bytes) = &mut open.bytes {
                bytes.extend_from_slice(&piece[..here]);
            }
            open.left -= here as u64;
            piece = &piece[here..];
            if open.left == 0
                && let Some(done) = self.open.take()
            {
                self.end(done);
            }
        }
        Ok(())
    }

    /// `ID KIND SIZE`, or `NAME missing`.
    fn begin(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        let Some(name) = self.names.next() else {
            return;
        };
        let mut words = line.split(' ');
        let (id, kind, size) = (words.next(), words.next(), words.next());
        let (Some(id), Some(kind), Some(size)) = (id, kind, size) else {
            return;
        };
        let Ok(size) = size.parse::<u64>() else {
            return;
        };
        let fits = size <= FILE as u64 && self.objects.size + FILE <= ALL;
        self.open = Some(Open {
            name,
            id: id.to_owned(),
            kind: kind.to_owned(),
            left: size.saturating_add(1),
            bytes: fits.then(Vec::new),
        });
    }

    fn end(&mut self, open: Open<'a>) {
        if let Some(mut bytes) = open.bytes {
            bytes.pop();
            self.objects.keep(open.name, open.id, &open.kind, bytes);
        } else {
            self.objects.ids.insert(open.name.to_owned(), open.id);
        }
    }
}
