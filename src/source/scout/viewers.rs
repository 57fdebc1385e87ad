//! Terminals in which background sessions are looked at (`claude attach`).

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::Scout;
use crate::agent::claude::job;
use crate::agent::claude::process::Role;
use crate::core::model::{LocalKey, Observation, Pid};
use crate::source::process::{self, Handle};

/// Terminals that are kept in mind.
const CAP: usize = 256;

/// A terminal that shows a background session.
struct Viewer {
    key: LocalKey,
    config: PathBuf,
    /// What was asked for: an id, or a part of a name.
    word: String,
    handle: Option<Handle>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Viewers(BTreeMap<Pid, Viewer>);

impl Viewers {
    /// Become readable when one ends.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let handles = self.0.values().filter_map(|viewer| viewer.handle.as_ref());
        handles.map(Handle::pidfd)
    }

    fn ended(&self) -> Vec<Pid> {
        let viewers = self.0.iter();
        process::ended(viewers.filter_map(|(pid, v)| Some((*pid, v.handle.as_ref()?))))
    }
}

impl Scout {
    /// A process shows what `word` names.
    pub(super) fn add_viewer(
        &mut self,
        key: LocalKey,
        config: &Path,
        word: String,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if self.viewers.0.len() >= CAP {
            return;
        }
        let handle = self.real_proc.then(|| Handle::open(&self.proc, key));
        let viewer = Viewer {
            key,
            config: config.to_path_buf(),
            word,
            handle: handle.flatten(),
        };
        self.viewers.0.insert(key.pid, viewer);
        self.viewers_changed(config, now, out);
    }

    /// A process has ended, or is another one by now.
    pub(super) fn viewer_ended(
        &mut self,
        pid: Pid,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if let Some(viewer) = self.viewers.0.remove(&pid) {
            self.viewers_changed(&viewer.config, now, out);
        }
    }

    /// Takes over which have ended.
    pub(super) fn take_viewers_ends(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        for pid in self.viewers.ended() {
            self.viewer_ended(pid, now, out);
            // It may have become another program, such as the list of agents.
            self.departed.push(pid.0);
        }
    }

    /// Looks whether they still are what they were: who leaves a session may go on to the list of
    /// all, in the same process.
    pub(super) fn verify_viewers(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let pids: Vec<Pid> = self.viewers.0.keys().copied().collect();
        for pid in pids {
            let found = process::look_at(&self.proc, self.roots.uid, pid, false);
            let same = found.is_some_and(|(key, _, role)| {
                let viewer = self
                    .viewers
                    .0
                    .get(&pid)
                    .map(|viewer| (viewer.key, &viewer.word));
                matches!(role, Some(Role::Attached(word)) if Some((key, &word)) == viewer)
            });
            if !same {
                self.viewer_ended(pid, now, out);
                self.adopt(pid, None, now, out);
            }
        }
    }

    fn viewers_changed(&mut self, config: &Path, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let tracked = self.tracked.values();
        let shown = tracked.filter(|t| t.config == config && t.job().is_some());
        let pids: Vec<Pid> = shown.map(|tracked| tracked.key.pid).collect();
        for pid in pids {
            self.tell(pid, now, out);
        }
    }

    /// The terminals that show the background session of this process.
    pub(super) fn shown_by(&self, pid: Pid) -> Vec<LocalKey> {
        let Some(tracked) = self.tracked.get(&pid) else {
            return Vec::new();
        };
        let Some(own) = tracked.job() else {
            return Vec::new();
        };
        let all = self.tracked.values();
        let all = all.filter(|other| other.config == tracked.config);
        let jobs = all.filter_map(|other| Some((&**other.job()?, other.job_name())));
        let viewers = self.viewers.0.values();
        viewers
            .filter(|viewer| viewer.config == tracked.config)
            .filter(|viewer| job::shown(&viewer.word, jobs.clone()) == Some(&**own))
            .map(|viewer| viewer.key)
            .collect()
    }
}
