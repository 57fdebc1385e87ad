//! The directories around sessions: where they work, and their configurations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Scout, Tracked};
use crate::agent::claude::status_file;
use crate::core::model::{Observation, Pid};
use crate::sys::ground::{Again, Ground, Look, Spot};
use crate::sys::inotify::{self, Init};

/// How the outside is heard and looked at. [`Senses::default`] asks the kernel.
pub struct Senses {
    /// Makes an inotify instance.
    pub inotify: Init,
    /// Looks at a directory that may not answer.
    pub look: Look,
}

impl Default for Senses {
    fn default() -> Self {
        Self {
            inotify: inotify::instance,
            look: Arc::new(Ground::look),
        }
    }
}

impl Scout {
    /// Looks again where sessions work, and whether configuration directories answer.
    pub(super) fn look_again(
        &mut self,
        again: Again,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if self.grounds.is_to_forget(again) {
            let spots = self.tracked.values().map(Tracked::spot);
            let configs = self.tracked.values().map(|tracked| &tracked.config);
            let configs = configs
                .chain(self.configs.keys())
                .map(|dir| Spot::only(dir));
            let used: BTreeSet<Spot> = spots.chain(configs).collect();
            self.grounds
                .forget(|spot| used.contains(spot), &mut self.watcher);
        }
        let stirred = std::mem::take(&mut self.stirred);
        let stirred =
            |tracked: &&Tracked| tracked.is_restless() || stirred.contains(&tracked.key.pid);
        let stirred = self.tracked.values().filter(stirred).map(Tracked::spot);
        let stirred: Vec<Spot> = stirred.collect();
        let changed = self.grounds.look_again(again, &stirred, &mut self.watcher);
        self.ground_changed(&changed, now, out);
    }

    /// Takes over what is new at these spots.
    pub(super) fn ground_changed(
        &mut self,
        spots: &[Spot],
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if spots.is_empty() {
            return;
        }
        let concerned = self.tracked.values().filter(|tracked| {
            spots.contains(&tracked.spot()) || spots.contains(&Spot::only(&tracked.config))
        });
        let concerned: Vec<Pid> = concerned.map(|tracked| tracked.key.pid).collect();
        for pid in concerned {
            self.read_file(pid, 0, now, out);
        }
    }

    pub(super) fn answers(&mut self, config: &Path) -> bool {
        let spot = Spot::only(config);
        !self.grounds.at(&spot, &mut self.watcher).silent
    }

    pub(super) fn config_of_sessions(&self, dir: &Path) -> Option<PathBuf> {
        let config = dir.parent().filter(|_| dir.ends_with("sessions"))?;
        self.configs
            .contains_key(config)
            .then(|| config.to_path_buf())
    }

    /// Watches the `sessions` directory of a configuration, or the nearest parent that exists;
    /// where the directory is new or was replaced, its files are read.
    pub(super) fn watch_config(
        &mut self,
        path: &Path,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if !self.answers(path) {
            return;
        }
        let sessions = path.join("sessions");
        let identity = identity(&sessions);
        let Some(config) = self.configs.get_mut(path) else {
            return;
        };
        if identity.is_some() && identity == config.sessions && self.watcher.holds(&sessions) {
            return;
        }
        let lost = config.sessions.take().is_some();
        if lost {
            self.watcher.remove(&sessions);
        }
        if let Some(parent) = config.parent.take() {
            self.watcher.remove(&parent);
        }
        if identity.is_some() {
            // Without a watch (the user's limit is reached) every scan reads the directory.
            if matches!(self.watcher.add(&sessions), Ok(true)) {
                config.sessions = identity;
            }
            self.adopt_all(&sessions, path, now, out);
            return;
        }
        let parent = path
            .ancestors()
            .find(|dir| dir.is_dir())
            .map(Path::to_path_buf);
        config.parent = parent.filter(|dir| matches!(self.watcher.add(dir), Ok(true)));
        if lost {
            self.adopt_all(&sessions, path, now, out);
        }
    }

    /// Reads all files of a `sessions` directory, and those that should be there.
    pub(super) fn adopt_all(
        &mut self,
        sessions: &Path,
        config: &Path,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        if !self.answers(config) {
            return;
        }
        let entries = std::fs::read_dir(sessions).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name());
        let there = names.filter_map(|name| status_file::pid_of_name(name.to_str()?));
        let known = self.tracked.values().filter(|t| t.config == config);
        let pids: BTreeSet<Pid> = there.chain(known.map(|t| t.start.pid)).collect();
        for pid in pids {
            self.file_named(pid, config, now, out);
        }
    }

    /// The status file of this number is another one: of that process, and of those in containers
    /// that share the directory and have the number there.
    pub(super) fn file_named(
        &mut self,
        pid: Pid,
        config: &Path,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        let tracked = self.tracked.values();
        let named = tracked.filter(|t| t.start.pid == pid && t.config == config);
        let within: Vec<Pid> = named.map(|t| t.key.pid).filter(|key| *key != pid).collect();
        for pid in within {
            self.read_file(pid, 0, now, out);
        }
        if self.tracked.contains_key(&pid) {
            self.read_file(pid, 0, now, out);
        } else {
            self.adopt(pid, Some(config), now, out);
        }
    }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(dir)
        .ok()
        .filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}
