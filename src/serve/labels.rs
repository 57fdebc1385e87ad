//! `labels.json`: what a user said of conversations, kept through everything.
//!
//! Several may write it: daemons at other sockets, a call without a daemon, the user's editor, a
//! program that keeps dotfiles. So nobody simply writes out what he knows: under a lock the file is
//! read, the owed changes are made in it, and it is replaced. A file that cannot be read is never
//! replaced.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::core::registry::{Marks, NoMarks, Owed};
use crate::core::text::shell_word;
use crate::sys::clock;
use crate::sys::files::{Held, past_links, read_bounded};

/// Largest file that is read, in bytes: ten times what 2000 labels need.
const CAP: usize = 8 << 20;
/// How often, and how long apart, a file that is not whole is read again.
const SETTLE: (u32, Duration) = (6, Duration::from_millis(50));

/// Why labels cannot be read or written, and what a person can do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// In words.
    pub cause: String,
    /// What helps.
    pub remedy: String,
    /// Whether the file is one that no reader could understand.
    broken: bool,
}

impl Refused {
    fn new(path: &Path, verb: &str, cause: &str, remedy: &str) -> Self {
        Self {
            cause: format!("could not {verb} {}: {cause}", path.display()),
            remedy: remedy.to_owned(),
            broken: false,
        }
    }
}

/// Tells one state of the file from another: device, inode, and the times of its last changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp((u64, u64), (i64, i64), (i64, i64));

/// The state of the file; none if there is none.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let m = fs::metadata(path).ok()?;
    let changed = (m.ctime(), m.ctime_nsec());
    Some(Stamp(
        (m.dev(), m.ino()),
        (m.mtime(), m.mtime_nsec()),
        changed,
    ))
}

/// Reads the file, and changes nothing; a missing or empty one holds nothing.
///
/// # Errors
/// If it is there and cannot be read or understood.
pub fn load(path: &Path) -> Result<Option<Marks>, Refused> {
    let refused = |cause: &str, remedy: &str| Refused::new(path, "read", cause, remedy);
    let bytes = match read_bounded(path, CAP) {
        Ok(bytes) if bytes.trim_ascii().is_empty() => return Ok(None),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(&error.to_string(), &remedy_to_read(path, &error))),
    };
    Marks::parse(&bytes).map(Some).map_err(|error| match error {
        NoMarks::Newer(words) => refused(&words, "install that vmux, or move the file away"),
        NoMarks::Broken(words) => Refused {
            broken: true,
            ..refused(&words, "fix it, or move it away")
        },
    })
}

/// Changes what is owed in the file, and returns what it holds then. `known` is what it held
/// when it was read last: it counts if the file is gone.
///
/// A broken file is kept beside it as `labels.json.corrupt`.
///
/// # Errors
/// If it cannot be read, locked or written: then it stands as it was.
pub fn update(path: &Path, known: &Marks, owed: &Owed) -> Result<Marks, Refused> {
    let unwritten =
        |error: io::Error| Refused::new(path, "write", &error.to_string(), remedy_to_write(&error));
    let held = Held::take(path).map_err(unwritten)?;
    let found = match settled(held.path(), known) {
        Err(error) if error.broken => {
            let kept = held.set_aside().map_err(unwritten)?;
            log::warn!("{}; it is kept as {}", error.cause, kept.display());
            None
        }
        found => found?,
    };
    let mut marks = found.clone().unwrap_or_else(|| known.clone());
    marks.apply(owed);
    if found.as_ref() != Some(&marks) {
        let bytes = marks.render();
        if bytes.len() > CAP {
            let words = format!("it would be larger than {CAP} bytes");
            return Err(Refused::new(path, "write", &words, "take labels away"));
        }
        held.replace(&bytes).map_err(unwritten)?;
    }
    Ok(marks)
}

/// Reads the file once it is whole, unless that lasts: others write it in place, or take it away
/// and make it anew.
fn settled(path: &Path, known: &Marks) -> Result<Option<Marks>, Refused> {
    let nothing = *known == Marks::default();
    for _ in 0..SETTLE.0 {
        match load(path) {
            Ok(None) if nothing && !path.exists() => return Ok(None),
            Ok(Some(marks)) => return Ok(Some(marks)),
            Err(error) if !error.broken => return Err(error),
            _ => clock::sleep(SETTLE.1),
        }
    }
    load(path)
}

fn remedy_to_read(path: &Path, error: &io::Error) -> String {
    let metadata = past_links(path).and_then(fs::metadata);
    let ours = |m: &Metadata| m.uid() == rustix::process::geteuid().as_raw();
    let shown = shell_word(&path.to_string_lossy());
    match (error.kind(), metadata) {
        (io::ErrorKind::PermissionDenied, Ok(metadata)) if ours(&metadata) => {
            format!("chmod u+rw {shown}")
        }
        (io::ErrorKind::PermissionDenied, Ok(_)) => {
            format!("sudo chown $(id -u):$(id -g) {shown}")
        }
        _ => "move it away".to_owned(),
    }
}

fn remedy_to_write(error: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match error.kind() {
        K::StorageFull | K::QuotaExceeded => "make room on its disk",
        K::PermissionDenied | K::ReadOnlyFilesystem => "make it and its directory writable",
        K::ResourceBusy => "end the program that holds it",
        _ => "see that it can be written",
    }
}

#[cfg(test)]
mod tests;
