//! The inbox of a process that has no status file (yet).
//!
//! **Source:** Claude Code 2.1.250 to 2.1.332. A process listens on `…/cc-socks/<pid>.sock` and
//! leaves `sessions/<pid>.<sha256 of that path>.key` before its start dialogs (trust, login);
//! `sessions/<pid>.json` comes 0.1 s later where there is no dialog, else with its answer.
//! From 2.1.300 on it watches its working directory once its session has started.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::tracked::Tracked;
use crate::agent::claude::{parse_version, status_file};
use crate::agent::looks::SLACK;
use crate::core::model::{LocalKey, Pid, ProcessFact, time};
use crate::sys::proc::Proc;

/// First version that watches its working directory once its session has started.
const FIRST_WATCHING: [u32; 3] = [2, 1, 300];

/// Younger than this, a process cannot have started its session and lost its status file.
const YOUNG: TimeDelta = TimeDelta::seconds(4);

/// Files of `sessions` that are looked through for a key.
const ENTRIES_CAP: usize = 4096;

impl Tracked {
    /// Looks whether it is in a dialog before its start: a status file of its own ends that for
    /// good.
    pub(super) fn look_at_inbox(&mut self, proc: &Proc) {
        let broken = self.file_broken || self.silent;
        let none = self.file.is_none() && !broken;
        let sessions = self.config.join("sessions");
        let (key, process) = (self.key, &self.process);
        let opened = || opened_at(proc, key, self.start.pid, &sessions, process);
        self.inbox_at = none.then(opened).flatten();
    }
}

/// Since when a process has had an inbox without having started its session; nothing where that is
/// not sure. `pid` is its number where it lives, by which its files are called.
fn opened_at(
    proc: &Proc,
    key: LocalKey,
    pid: Pid,
    sessions: &Path,
    process: &ProcessFact,
) -> Option<DateTime<Utc>> {
    let start = process.started_at?;
    let version = process.installed_version.as_deref().and_then(parse_version);
    // That an older version has started shows by nothing: it counts if it was seen before.
    let shows_start = version.is_none_or(|version| version >= FIRST_WATCHING);
    if !shows_start && process.read_at > time::after(start, YOUNG) {
        return None;
    }
    let made = key_made_at(sessions, pid)?;
    // One that an older process of this pid left.
    let own = made >= time::before(start, SLACK);
    let socket = format!("cc-socks/{pid}.sock");
    let listens = || {
        proc.listens_on(key.pid)
            .iter()
            .any(|path| path.ends_with(&socket))
    };
    (own && listens() && !watches_cwd(proc, key.pid)).then_some(made)
}

/// When the key file of this pid was written. Its content is a secret: it is never opened.
fn key_made_at(sessions: &Path, pid: Pid) -> Option<DateTime<Utc>> {
    let entries = std::fs::read_dir(sessions).ok()?.flatten();
    let mut keys = entries
        .take(ENTRIES_CAP)
        .filter(|entry| entry.file_name().to_str().and_then(status_file::pid_of_key) == Some(pid));
    let metadata = keys.next()?.metadata().ok()?;
    // Empty where the disk is full.
    let whole = metadata.is_file() && metadata.len() > 0;
    whole.then(|| metadata.modified().ok().map(time::of_file))?
}

/// Whether it watches its working directory. Told by the inode: a file system that shows the
/// kernel another one than it shows us only costs this sign.
fn watches_cwd(proc: &Proc, pid: Pid) -> bool {
    proc.cwd_inode(pid)
        .is_some_and(|inode| proc.watched_inodes(pid).contains(&inode))
}
