//! Follows the sessions of Claude Code: status files, transcripts, hooks, and what of all that
//! only several sessions together tell.

mod configs;
mod inbox;
mod naming;
mod shells;
mod subagents;
mod table;
mod told;
mod tracked;
mod viewers;

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::{self, Candidate};
use super::{NAME, status_file};
use crate::agent::looks::Start;
use crate::agent::{Looks, Outside, Role, Roots, Watch, guarded};
use crate::core::model::{ConversationId, Evidence, HookReport, Kind, Pid, ProcessFact};
use crate::core::text::CleanText;
use crate::sys::clock;

use configs::Config;
use table::Table;
use tracked::{FileRead, ShellWatch, Tracked};
use viewers::Viewers;

/// A torn status file is whole again within half a millisecond, an empty one once after 90 ms.
const READ_AGAIN: Duration = Duration::from_millis(25);
/// Tries before a broken file is left to the next scan.
const READ_TRIES: u32 = 8;
/// A session that ends removes its status file, and is gone this soon after.
const ENDS_WITHIN: Duration = Duration::from_millis(500);
/// A tool's shell starts within half a second of its call; looked for at this pace, and only for
/// versions that do not say whether they wait.
const SHELL_PACE: Duration = Duration::from_millis(500);

/// All of them.
pub(super) struct Sessions {
    tracked: Table,
    viewers: Viewers,
    configs: BTreeMap<PathBuf, Config>,
    /// Files that are read again: when, whose, and how often that was tried.
    again: Vec<(Instant, Pid, u32)>,
    shell_due: Option<Instant>,
}

impl Sessions {
    pub(super) fn new(roots: &Roots) -> Self {
        let default = roots.config(NAME).to_path_buf();
        Self {
            tracked: Table::default(),
            viewers: Viewers::default(),
            configs: BTreeMap::from([(default, Config::default())]),
            again: Vec::new(),
            shell_due: None,
        }
    }

    /// Looks at the process that a status file in `config` names, whatever it looks like; tracks
    /// it if it is a session.
    fn adopt_named(&mut self, pid: Pid, config: &Path, outside: &mut Outside) {
        guarded(self, outside, pid, |sessions, outside| {
            if outside.is_tracked(pid) {
                return;
            }
            let Some(looks) = outside.looks(pid) else {
                return;
            };
            let role = process::recognise(&Candidate::of(&looks));
            sessions.adopt_process(&looks, role, Some(config), outside);
        });
    }

    fn adopt_process(
        &mut self,
        looks: &Looks,
        role: Option<Role>,
        named_in: Option<&Path>,
        outside: &mut Outside,
    ) {
        let (key, pid) = (looks.key, looks.key.pid);
        let (start, fact) = outside.process(looks);
        let default = outside.roots.config(NAME).to_path_buf();
        let (found, fact, cli) = complete(looks, &start, fact, &default, outside);
        let config = named_in.map_or(found, Path::to_path_buf);
        if outside.roots.only_configs && config != default {
            return;
        }
        let kind = match role {
            Some(Role::Headless) => Kind::Headless,
            _ => Kind::Interactive,
        };
        let silent = !outside.answers(&config);
        outside.track(key, start.clone());
        let tracked = Tracked::new(key, config.clone(), fact, kind, (start, cli));
        // Kept before anything of it is read: if that fails, it is a session that failed.
        let tracked = self.tracked.entry(pid).or_insert_with(|| Box::new(tracked));
        tracked.silent = silent;
        let read = tracked.read_file(outside.now);
        if !tracked.is_session(role.as_ref()) {
            self.tracked.remove(&pid);
            outside.untrack(pid);
            if let Some(Role::Viewer(word)) = role {
                self.add_viewer(key, &config, word, outside);
            }
            return;
        }
        let far = tracked.is_far();
        tracked.look_at_inbox(&outside.proc);
        tracked.refresh(outside);
        // Of another process no more is expected: whoever writes its file is heard.
        if read == FileRead::Again {
            self.put_off(pid, 0);
        }
        if !far && !self.configs.contains_key(&config) {
            self.configs.insert(config.clone(), Config::default());
            self.watch_config(&config, outside);
        }
        self.tell(pid, outside);
    }

    fn read_file(&mut self, pid: Pid, tries: u32, outside: &mut Outside) {
        guarded(self, outside, pid, |sessions, outside| {
            let Some(tracked) = sessions.tracked.get_mut(&pid) else {
                return;
            };
            tracked.silent = !outside.answers(&tracked.config);
            match tracked.read_file(outside.now) {
                FileRead::Done => {}
                _ if tries >= READ_TRIES => tracked.lose_file(outside.now),
                FileRead::Again => sessions.put_off(pid, tries),
                FileRead::Gone => {
                    let at = clock::steady() + ENDS_WITHIN;
                    sessions.again.push((at, pid, READ_TRIES));
                }
            }
            sessions.refresh(pid, outside);
        });
    }

    /// Reads the file of `pid` again in a moment, unless that was done too often.
    fn put_off(&mut self, pid: Pid, tries: u32) {
        if tries < READ_TRIES {
            let at = clock::steady() + READ_AGAIN;
            self.again.push((at, pid, tries + 1));
        }
    }

    fn refresh(&mut self, pid: Pid, outside: &mut Outside) {
        guarded(self, outside, pid, |sessions, outside| {
            if let Some(tracked) = sessions.tracked.get_mut(&pid) {
                tracked.look_at_inbox(&outside.proc);
                tracked.refresh(outside);
                outside.stir(pid);
            }
            sessions.tell(pid, outside);
        });
    }

    /// Reports a session if something of it is new.
    fn tell(&mut self, pid: Pid, outside: &mut Outside) {
        guarded(self, outside, pid, |sessions, outside| {
            sessions.tell_news(pid, outside);
        });
    }

    fn tell_news(&mut self, pid: Pid, outside: &mut Outside) {
        let shown_by = self.shown_by(pid);
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        if tracked.file.as_ref().is_some_and(|file| file.spare) {
            return;
        }
        let now = outside.now;
        let watch = tracked.shell_watch();
        let open = match watch {
            ShellWatch::Poll => tracked.open_calls(now),
            ShellWatch::None | ShellWatch::Once => Vec::new(),
        };
        let since = open.iter().filter_map(|call| call.at).min();
        let runs = (watch != ShellWatch::None)
            .then(|| shells::runs_tool(&outside.proc, outside.boot, pid, since));
        tracked.take_shell(runs, &open);
        if watch == ShellWatch::Poll {
            tracked.follow_asker();
            self.shell_due = Some(clock::steady() + SHELL_PACE);
        }
        tracked.shown_by = shown_by;
        if let Some(evidence) = tracked.news(now) {
            outside.tell(pid, evidence);
        }
    }

    /// A process has opened its inbox: soon it has a status file, or it is in a dialog.
    fn inbox_opened(&mut self, pid: Pid, outside: &mut Outside) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return outside.look_at(pid);
        };
        tracked.look_at_inbox(&outside.proc);
        self.tell(pid, outside);
    }

    fn pids(&self) -> Vec<Pid> {
        self.tracked.keys().copied().collect()
    }
}

/// What only Claude Code's environment tells of a process: its configuration directory, and how a
/// shell starts its CLI if it runs in the background.
fn complete(
    looks: &Looks,
    start: &Start,
    fact: ProcessFact,
    default: &Path,
    outside: &Outside,
) -> (PathBuf, ProcessFact, Option<CleanText>) {
    let environ = &looks.environ;
    let config = process::config_dir(environ, &start.cwd);
    let config = config.unwrap_or_else(|| default.to_path_buf());
    let config = start.reach(&outside.proc, looks.key.pid, config);
    let exe = looks.exe.as_deref().unwrap_or(Path::new(""));
    let version = process::version_of(&outside.proc, looks, start);
    let fact = ProcessFact {
        default_config: config == default,
        config_dir: CleanText::line(&config.to_string_lossy()),
        installed_version: version.map(|version| CleanText::line(&version)),
        ..fact
    };
    let cli = process::is_worker(environ)
        .then(|| super::job::cli(environ, exe, fact.default_config))
        .flatten();
    (config, fact, cli)
}

impl Watch for Sessions {
    fn adopt(&mut self, looks: Looks, role: Role, outside: &mut Outside) {
        self.adopt_process(&looks, Some(role), None, outside);
    }

    fn read(&mut self, pid: Pid, outside: &mut Outside) {
        self.read_file(pid, 0, outside);
    }

    fn end(&mut self, pid: Pid, outside: &mut Outside) {
        if let Some(mut tracked) = self.tracked.remove(&pid) {
            self.leave_to_nobody(&tracked);
            tracked.unwatch(&mut outside.watcher);
        }
    }

    fn reset(&mut self, pid: Pid, outside: &mut Outside) -> Option<Evidence> {
        let mut broken = *self.tracked.remove(&pid)?;
        broken.unwatch(&mut outside.watcher);
        let anew = Tracked::new(
            broken.key,
            broken.config,
            broken.process,
            broken.kind,
            (broken.start, broken.cli),
        );
        let left = anew.facts(outside.now).evidence();
        self.tracked.insert(pid, Box::new(anew));
        Some(left)
    }

    fn verify(&mut self, pid: Pid, stopped: bool, outside: &mut Outside) {
        let tracked = self.tracked.get(&pid);
        if tracked.is_some_and(|t| t.is_as_known(stopped)) {
            return;
        }
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        let before = std::mem::replace(&mut tracked.process.stopped, stopped);
        if tracked.file_changed() {
            self.read_file(pid, 0, outside);
            return;
        }
        let opened = tracked.inbox_at;
        tracked.look_at_inbox(&outside.proc);
        if (opened, before) != (tracked.inbox_at, stopped) {
            self.tell(pid, outside);
        }
    }

    fn restless(&self, all: &mut Vec<Pid>) {
        all.extend(self.tracked.restless());
    }

    fn cwd(&self, pid: Pid) -> Option<&str> {
        self.tracked.get(&pid).map(|t| t.cwd())
    }

    fn config(&self, pid: Pid) -> Option<&Path> {
        self.tracked.get(&pid).map(|tracked| &*tracked.config)
    }

    fn configs(&self) -> Vec<PathBuf> {
        self.configs.keys().cloned().collect()
    }

    fn vanished(&mut self, pid: Pid, outside: &mut Outside) {
        self.viewer_ended(pid, outside);
    }

    fn scan(&mut self, outside: &mut Outside) {
        self.watch_configs(outside);
        self.verify_viewers(outside);
    }

    fn sort_out(&mut self, outside: &mut Outside) {
        self.name_conversations(outside);
    }

    fn changed(&mut self, dir: &Path, name: &str, outside: &mut Outside) {
        if let Some(config) = self.config_of_sessions(dir) {
            if let Some(pid) = status_file::pid_of_name(name) {
                self.file_named(pid, &config, outside);
            } else if let Some(pid) = status_file::pid_of_key(name) {
                self.inbox_opened(pid, outside);
            }
            return;
        }
        let configs = self.configs.iter();
        let configs = configs.filter(|(_, config)| config.parent.as_deref() == Some(dir));
        let configs: Vec<PathBuf> = configs.map(|(path, _)| path.clone()).collect();
        for config in &configs {
            self.watch_config(config, outside);
        }
        // Before the very first start in a configuration there is nothing that it could watch.
        let waits = |t: &Tracked| t.is_unnamed() && configs.contains(&t.config);
        let concerned: Vec<Pid> = self
            .tracked
            .values()
            .filter(|t| t.concerns(dir, name) || waits(t))
            .map(|t| t.key.pid)
            .collect();
        for pid in concerned {
            let tracked = self.tracked.get(&pid);
            if tracked.is_some_and(|t| t.is_unnamed()) {
                // A new transcript may be that of a new process.
                outside.look_around();
            }
            if tracked.is_some_and(|t| t.is_far()) {
                self.read_file(pid, 0, outside);
            } else {
                self.refresh(pid, outside);
            }
        }
    }

    fn lost(&mut self, dir: &Path, outside: &mut Outside) {
        for config in self.configs() {
            self.watch_config(&config, outside);
        }
        for pid in self.pids() {
            if let Some(tracked) = self.tracked.get_mut(&pid) {
                tracked.forget_watch(dir);
            }
            self.refresh(pid, outside);
        }
    }

    fn unheard(&mut self, outside: &mut Outside) {
        for pid in self.pids() {
            self.refresh(pid, outside);
        }
        for config in self.configs() {
            self.adopt_all(&config.join("sessions"), &config, outside);
        }
    }

    fn descriptors<'a>(&'a self, all: &mut Vec<BorrowedFd<'a>>) {
        all.extend(self.viewers.descriptors());
    }

    fn ready(&mut self, outside: &mut Outside) {
        self.take_viewers_ends(outside);
    }

    fn due(&self) -> Option<Instant> {
        let torn = self.again.iter().map(|(at, _, _)| *at);
        torn.chain(self.shell_due).min()
    }

    fn retry(&mut self, outside: &mut Outside) {
        let steady = clock::steady();
        let torn = std::mem::take(&mut self.again);
        let (due, later): (Vec<_>, Vec<_>) = torn.into_iter().partition(|(at, _, _)| *at <= steady);
        self.again = later;
        for (_, pid, tries) in due {
            self.read_file(pid, tries, outside);
        }
        if self.shell_due.is_some_and(|at| at <= steady) {
            self.shell_due = None;
            for pid in self.pids() {
                self.tell(pid, outside);
            }
        }
    }

    fn inside(&self, conversation: &ConversationId) -> Vec<Pid> {
        let tracked = self.tracked.values();
        let inside = tracked.filter(|t| t.conversation() == Some(conversation));
        inside.map(|tracked| tracked.key.pid).collect()
    }

    fn take_hook(&mut self, pid: Pid, report: HookReport, outside: &mut Outside) {
        self.fold_hook(pid, report, outside);
    }
}
