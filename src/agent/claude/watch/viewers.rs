//! Terminals in which background sessions are looked at (`claude attach`).

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::Sessions;
use crate::agent::claude::job;
use crate::agent::claude::process::{self, Candidate};
use crate::agent::{Outside, Role};
use crate::core::model::{LocalKey, Pid};
use crate::sys::proc::handle::{self, Handle};

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
        handle::ended(viewers.filter_map(|(pid, v)| Some((*pid, v.handle.as_ref()?))))
    }
}

impl Sessions {
    /// A process shows what `word` names.
    pub(super) fn add_viewer(
        &mut self,
        key: LocalKey,
        config: &Path,
        word: String,
        outside: &mut Outside,
    ) {
        if self.viewers.0.len() >= CAP {
            return;
        }
        let handle = outside.real_proc.then(|| Handle::open(&outside.proc, key));
        let viewer = Viewer {
            key,
            config: config.to_path_buf(),
            word,
            handle: handle.flatten(),
        };
        self.viewers.0.insert(key.pid, viewer);
        self.viewers_changed(config, outside);
    }

    /// A process has ended, or is another one by now.
    pub(super) fn viewer_ended(&mut self, pid: Pid, outside: &mut Outside) {
        if let Some(viewer) = self.viewers.0.remove(&pid) {
            self.viewers_changed(&viewer.config, outside);
        }
    }

    /// Takes over which have ended.
    pub(super) fn take_viewers_ends(&mut self, outside: &mut Outside) {
        for pid in self.viewers.ended() {
            self.viewer_ended(pid, outside);
            // It may have become another program, such as the list of agents.
            outside.departs(pid);
        }
    }

    /// Looks whether they still are what they were: who leaves a session may go on to the list of
    /// all, in the same process.
    pub(super) fn verify_viewers(&mut self, outside: &mut Outside) {
        let pids: Vec<Pid> = self.viewers.0.keys().copied().collect();
        for pid in pids {
            let looks = outside.looks(pid);
            let same = looks.is_some_and(|looks| {
                let viewer = self.viewers.0.get(&pid);
                let viewer = viewer.map(|viewer| (viewer.key, &viewer.word));
                let role = process::recognise(&Candidate::of(&looks));
                matches!(role, Some(Role::Viewer(word)) if Some((looks.key, &word)) == viewer)
            });
            if !same {
                self.viewer_ended(pid, outside);
                outside.look_at(pid);
            }
        }
    }

    fn viewers_changed(&mut self, config: &Path, outside: &mut Outside) {
        let tracked = self.tracked.values();
        let shown = tracked.filter(|t| t.config == config && t.job().is_some());
        let pids: Vec<Pid> = shown.map(|tracked| tracked.key.pid).collect();
        for pid in pids {
            self.tell(pid, outside);
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
