//! Tells whether a directory may belong to another repository than before, by the entries that
//! would show it; what is in them is not read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, statat};

use super::mounts::{Mounts, leads_by_itself};

/// Parents that are looked at.
const DEPTH: usize = 64;

/// What shows of an entry: device, inode, and time of the last change in nanoseconds.
type Entry = Option<(u64, u64, i128)>;

/// What showed at each `.git` that was looked for.
pub(super) type Seen = HashMap<PathBuf, Entry>;

/// What showed: the directory, and each `.git` in and above it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamp(Vec<Entry>);

impl Stamp {
    /// Reads it where that cannot take long: on local file systems that no link leads away from.
    /// What is `seen` already is not looked for again.
    pub(super) fn read(dir: &Path, mounts: &Mounts, seen: &mut Seen) -> Option<Self> {
        if !mounts.all_local(dir) || !leads_by_itself(dir) {
            return None;
        }
        let mut mark = |dir: &Path| {
            let path = dir.join(".git");
            *seen.entry(path).or_insert_with_key(|path| entry(path))
        };
        let marks = dir.ancestors().take(DEPTH).map(&mut mark);
        Some(Self(std::iter::once(entry(dir)).chain(marks).collect()))
    }
}

fn entry(path: &Path) -> Entry {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = statat(CWD, path, flags).ok()?;
    let seconds = i128::from(stat.st_ctime);
    let changed = seconds * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
    Some((stat.st_dev, stat.st_ino, changed))
}
