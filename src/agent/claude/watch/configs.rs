//! The configuration directories of sessions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Sessions;
use crate::agent::Outside;
use crate::agent::claude::status_file;
use crate::core::model::Pid;
use crate::core::sorted::Gather as _;

/// What is watched for a configuration directory.
#[derive(Default)]
pub(super) struct Config {
    /// Device and inode of its `sessions` directory while that is watched.
    sessions: Option<(u64, u64)>,
    /// The last scan found that directory to be the one that is watched.
    verified: bool,
    /// What is watched until `sessions` appears.
    pub(super) parent: Option<PathBuf>,
}

impl Sessions {
    pub(super) fn config_of_sessions(&self, dir: &Path) -> Option<PathBuf> {
        let config = dir.parent().filter(|_| dir.ends_with("sessions"))?;
        self.configs
            .contains_key(config)
            .then(|| config.to_path_buf())
    }

    /// Watches all configurations. The kernel tells what happens to a directory that is watched, but
    /// not that one above it was replaced: every other scan sees that.
    pub(super) fn watch_configs(&mut self, outside: &mut Outside) {
        let mut due = Vec::new();
        for (path, config) in &mut self.configs {
            config.verified = config.sessions.is_some() && !config.verified;
            if config.verified || config.sessions.is_none() {
                due.push(path.clone());
            }
        }
        for path in due {
            self.watch_config(&path, outside);
        }
    }

    /// Watches the `sessions` directory of a configuration, or the nearest parent that exists;
    /// where the directory is new or was replaced, its files are read.
    pub(super) fn watch_config(&mut self, path: &Path, outside: &mut Outside) {
        if !outside.answers(path) {
            return;
        }
        let sessions = path.join("sessions");
        let identity = identity(&sessions);
        let Some(config) = self.configs.get_mut(path) else {
            return;
        };
        if identity.is_some() && identity == config.sessions && outside.watcher.holds(&sessions) {
            return;
        }
        let lost = config.sessions.take().is_some();
        if lost {
            outside.watcher.remove(&sessions);
        }
        if let Some(parent) = config.parent.take() {
            outside.watcher.remove(&parent);
        }
        if identity.is_some() {
            // Without a watch (the user's limit is reached) every scan reads the directory.
            if matches!(outside.watcher.add(&sessions), Ok(true)) {
                config.sessions = identity;
            }
            self.adopt_all(&sessions, path, outside);
            return;
        }
        let parent = path
            .ancestors()
            .find(|dir| dir.is_dir())
            .map(Path::to_path_buf);
        config.parent = parent.filter(|dir| matches!(outside.watcher.add(dir), Ok(true)));
        if lost {
            self.adopt_all(&sessions, path, outside);
        }
    }

    /// Reads all files of a `sessions` directory, and those that should be there.
    pub(super) fn adopt_all(&mut self, sessions: &Path, config: &Path, outside: &mut Outside) {
        if !outside.answers(config) {
            return;
        }
        let entries = std::fs::read_dir(sessions).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name());
        let there = names.filter_map(|name| status_file::pid_of_name(name.to_str()?));
        let known = self.tracked.values().filter(|t| t.config == config);
        let pids: BTreeSet<Pid> = there.chain(known.map(|t| t.start.pid)).gather();
        for pid in pids {
            self.file_named(pid, config, outside);
        }
    }

    /// The status file of this number is another one: of that process, and of those in containers
    /// that share the directory and have the number there.
    pub(super) fn file_named(&mut self, pid: Pid, config: &Path, outside: &mut Outside) {
        let tracked = self.tracked.values();
        let named = tracked.filter(|t| t.start.pid == pid && t.config == config);
        let within: Vec<Pid> = named.map(|t| t.key.pid).filter(|key| *key != pid).collect();
        for pid in within {
            self.read_file(pid, 0, outside);
        }
        if self.tracked.contains_key(&pid) {
            self.read_file(pid, 0, outside);
        } else {
            self.adopt_named(pid, config, outside);
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
