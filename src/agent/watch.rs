//! What follows the sessions of an agent.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{Looks, Outside, Role};
use crate::core::model::{ConversationId, Evidence, HookReport, Pid, TitleFact};

/// Follows all sessions of an agent. One thread owns it; a call may take milliseconds, and what it
/// waits for has a deadline. The source finds processes and their ends, and holds each call that
/// names a process against a panic; [`guarded`](super::guarded) does so within a call.
pub trait Watch: Send {
    /// A process that its agent recognised, whatever for, and that is not tracked. If it is a
    /// session: [`Outside::track`], and [`Outside::tell`] what is known of it.
    fn adopt(&mut self, looks: Looks, role: Role, outside: &mut Outside);

    /// Reads all of a session anew and tells it: what lies around it changed, or it could not be
    /// read before.
    fn read(&mut self, pid: Pid, outside: &mut Outside);

    /// Its sessions give way to those of other agents: a process of one may become another's.
    fn yields(&self) -> bool {
        false
    }

    /// A session has ended.
    fn end(&mut self, pid: Pid, outside: &mut Outside);

    /// Reading a session panicked: whatever was read of it may be what it fails of, and is
    /// forgotten. Returns what is left to tell; nothing if it is not tracked.
    fn reset(&mut self, pid: Pid, outside: &mut Outside) -> Option<Evidence>;

    /// Looks whether something changed that no event told, and whether its process is stopped.
    fn verify(&mut self, pid: Pid, stopped: bool, outside: &mut Outside);

    /// Sessions that may change without any event: they are verified at each scan.
    fn restless(&self, _all: &mut Vec<Pid>) {}

    /// Where a session works by its own word; else where its process does.
    fn cwd(&self, _pid: Pid) -> Option<&str> {
        None
    }

    /// The configuration directory of a session. Whether its file system answers is watched.
    fn config(&self, _pid: Pid) -> Option<&Path> {
        None
    }

    /// Configuration directories that are looked into whoever runs.
    fn configs(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// A process that is not tracked is there no more.
    fn vanished(&mut self, _pid: Pid, _outside: &mut Outside) {}

    /// At each scan, once new processes were looked at and before sessions are verified.
    fn scan(&mut self, _outside: &mut Outside) {}

    /// Finds out what only all sessions together tell: after each scan, and after
    /// [`Outside::look_around`].
    fn sort_out(&mut self, _outside: &mut Outside) {}

    /// Something called `name` changed in a watched directory, which may be anybody's.
    fn changed(&mut self, _dir: &Path, _name: &str, _outside: &mut Outside) {}

    /// A watched directory is watched no more.
    fn lost(&mut self, _dir: &Path, _outside: &mut Outside) {}

    /// Changes were not told: everything is read anew.
    fn unheard(&mut self, _outside: &mut Outside) {}

    /// Adds what to wait for besides the watched directories and the ends of sessions. Becomes
    /// readable when [`Watch::ready`] has something to do.
    fn descriptors<'a>(&'a self, _all: &mut Vec<BorrowedFd<'a>>) {}

    /// Takes what its descriptors have, after each wait. Never waits.
    fn ready(&mut self, _outside: &mut Outside) {}

    /// When [`Watch::retry`] has something to do, besides the next scan.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Does what was put off, if it is due.
    fn retry(&mut self, _outside: &mut Outside) {}

    /// Whether the title of a session's terminal would tell more of its state than is known; if so,
    /// since when: a title that was read earlier tells nothing.
    fn wants_title(&self, _pid: Pid) -> Option<DateTime<Utc>> {
        None
    }

    /// Takes over what the title of a session's terminal says from now on.
    fn take_title(&mut self, _pid: Pid, _title: TitleFact, _outside: &mut Outside) {}

    /// Sessions that are in this conversation.
    fn inside(&self, _conversation: &ConversationId) -> Vec<Pid> {
        Vec::new()
    }

    /// Takes over what a hook of a session reported.
    fn take_hook(&mut self, _pid: Pid, _report: HookReport, _outside: &mut Outside) {}
}
