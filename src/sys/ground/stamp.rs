//! Tells whether a directory may belong to another repository than before, by the entries that
//! would show it; what is in them is not read.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Stat, fstat, statat};
use rustix::io::Errno;

use super::mounts::{Mounts, open_by_itself};

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
        if !mounts.all_local(dir) {
            return None;
        }
        let (own, within) = match open_by_itself(dir) {
            Ok(opened) => (fstat(&opened).ok(), mark(&opened, ".git".as_ref())),
            Err(Errno::NOENT) => (None, None),
            Err(_) => return None,
        };
        let mut above = |dir: &Path| {
            let path = dir.join(".git");
            *seen.entry(path).or_insert_with_key(|path| mark(CWD, path))
        };
        let parents = dir.ancestors().skip(1).take(DEPTH);
        let mut all = vec![own.map(entry), within];
        all.extend(parents.map(&mut above));
        Some(Self(all))
    }
}

fn mark(dir: impl AsFd, path: &Path) -> Entry {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statat(dir, path, flags).ok().map(entry)
}

fn entry(stat: Stat) -> (u64, u64, i128) {
    let seconds = i128::from(stat.st_ctime);
    let changed = seconds * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
    (stat.st_dev, stat.st_ino, changed)
}
