//! Follows the sessions of Codex: the app-server of each home, and the rollouts.

mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::app_server::AppServer;
use super::pairing::{self, FIRST_WITHIN, Shown, Terminal};
use super::verdict::Runs;
use super::{FIRST_SERVED, NAME};
use super::{arguments, process};
use crate::agent::version::parse_version;
use crate::agent::{Looks, Outside, Role, Roots, Watch, guarded};
use crate::core::model::{ConversationId, Evidence, Kind, Pid, ProcessFact, TitleFact, time};
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;
use crate::sys::clock;
use tracked::Tracked;

/// How often it is looked whether a process of a pending call runs, or whether a terminal that has
/// just started has its conversation: nothing tells either.
const PACE: Duration = Duration::from_millis(500);

/// All of them.
pub(super) struct Sessions {
    tracked: BTreeMap<Pid, Tracked>,
    servers: BTreeMap<PathBuf, AppServer>,
    /// What each terminal showed when that was known last.
    kept: BTreeMap<Pid, String>,
    /// When what no event tells is looked at again.
    due: Option<Instant>,
    default: PathBuf,
}

impl Sessions {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            tracked: BTreeMap::new(),
            servers: BTreeMap::new(),
            kept: BTreeMap::new(),
            due: None,
            default: roots.config(NAME).to_path_buf(),
        }
    }

    /// Who runs a session's conversation, as far as that shows; reads its rollout.
    fn look_at(&mut self, pid: Pid, outside: &mut Outside) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        if !outside.answers(&tracked.home) {
            tracked.follow(None, &mut outside.watcher);
            tracked.trouble = Some(CleanText::line(
                "the file system of its home does not answer",
            ));
            return;
        }
        tracked.trouble = None;
        let itself =
            tracked.kind == Kind::Headless || tracked.asked.alone || is_old(&tracked.process);
        let may = itself || tracked.runs == Runs::Itself || tracked.conversation().is_none();
        if may && tracked.look_at_files(&outside.proc, &mut outside.watcher) {
            tracked.read_rollout();
            return;
        }
        if itself {
            tracked.runs = Runs::Itself;
            tracked.shown = Shown::Nothing;
            tracked.follow(None, &mut outside.watcher);
            return;
        }
        let server = self.servers.entry(tracked.home.clone());
        let server = server.or_insert_with_key(|home| AppServer::new(home));
        let failure = server.failure().filter(|_| !server.is_heard());
        tracked.runs = match failure {
            Some(_) => Runs::Unheard,
            None => Runs::Server,
        };
        tracked.trouble = failure
            .map(|why| CleanText::line(&format!("could not ask the app-server of Codex: {why}")));
        let held = tracked.conversation().and_then(|id| server.thread(id));
        let path = held.and_then(|held| held.thread.path.as_ref());
        let path = path
            .map(Path::new)
            .filter(|path| path.starts_with(&tracked.home))
            .filter(|path| !path.components().any(|part| part == Component::ParentDir));
        if failure.is_none() {
            tracked.follow(path, &mut outside.watcher);
        }
        tracked.read_rollout();
    }

    /// Reads a session anew, and tells what is new of it.
    fn refresh(&mut self, pid: Pid, outside: &mut Outside) {
        guarded(self, outside, pid, |sessions, outside| {
            sessions.look_at(pid, outside);
            outside.stir(pid);
            sessions.tell(pid, outside);
        });
    }

    fn tell(&mut self, pid: Pid, outside: &mut Outside) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        tracked.look_at_children(&outside.proc, outside.boot);
        let server = self.servers.get(&tracked.home);
        let held = tracked.conversation().and_then(|id| server?.thread(id));
        tracked.note_want(held, outside.now);
        let evidence = tracked.evidence(held);
        let young = |process: &ProcessFact| {
            let until = process.started_at.map(|at| time::after(at, FIRST_WITHIN));
            until.is_some_and(|until| outside.now < until)
        };
        let waits = tracked.conversation().is_none() && young(&tracked.process);
        if waits || tracked.wants_children() {
            self.due = Some(clock::steady() + PACE);
        }
        outside.tell(pid, evidence);
    }

    /// The sessions of a home whose conversations its app-server runs.
    fn served<'a>(&'a self, home: &'a Path) -> impl Iterator<Item = &'a Tracked> {
        let all = self.tracked.values();
        all.filter(move |t| t.home == home && t.runs != Runs::Itself)
    }

    /// Finds out which terminal shows which conversation.
    fn pair(&mut self, outside: &mut Outside) {
        let homes: Vec<PathBuf> = self.servers.keys().cloned().collect();
        let mut others = BTreeMap::new();
        for home in homes {
            let heard = self.servers.get(&home).filter(|server| server.is_heard());
            let terminals: Vec<Terminal> = self.served(&home).map(terminal).collect();
            let Some(server) = heard else {
                let nothing = terminals.iter().map(|t| (t.pid, Shown::Nothing));
                others.extend(nothing);
                continue;
            };
            let pids: BTreeSet<Pid> = terminals.iter().map(|t| t.pid).gather();
            let mine = self.kept.iter().filter(|(pid, _)| pids.contains(pid));
            let mut kept = mine.map(|(pid, id)| (*pid, id.clone())).gather();
            others.extend(pairing::pair(&terminals, &server.loaded(), &mut kept));
            self.kept.extend(kept);
        }
        for (pid, shown) in others {
            let Some(tracked) = self.tracked.get_mut(&pid) else {
                continue;
            };
            let server = self.servers.get(&tracked.home);
            let lost = server.is_some_and(|server| server.failure().is_some());
            if tracked.shown != shown || lost != (tracked.runs == Runs::Unheard) {
                tracked.shown = shown;
                self.refresh(pid, outside);
            }
        }
    }

    /// Takes what the app-servers have sent.
    fn hear(&mut self, outside: &mut Outside) {
        let mut changed = BTreeSet::new();
        for server in self.servers.values_mut() {
            let news = server.read(outside.now, clock::steady());
            changed.extend(news.changed);
            if news.others {
                // Its terminal may be newer than the last scan.
                outside.look_around();
            }
        }
        let concerned = self
            .tracked
            .values()
            .filter(|t| t.conversation().is_some_and(|id| changed.contains(id)));
        let concerned: Vec<Pid> = concerned.map(|t| t.key.pid).collect();
        for pid in concerned {
            self.refresh(pid, outside);
        }
    }

    /// Lists the threads of each app-server that somebody uses, and leaves the others.
    fn list(&mut self, outside: &mut Outside) {
        let used: BTreeSet<PathBuf> = self.tracked.values().map(|t| t.home.clone()).gather();
        for (home, server) in &mut self.servers {
            if !used.contains(home) {
                server.leave();
            } else if outside.answers(home) {
                server.list(clock::steady());
            }
        }
        self.servers.retain(|home, _| used.contains(home));
    }
}

/// Whether a session is of a version that knew no app-server for terminals.
fn is_old(process: &ProcessFact) -> bool {
    let version = process.installed_version.as_deref().and_then(parse_version);
    version.is_some_and(|version| version < FIRST_SERVED)
}

fn terminal(tracked: &Tracked) -> Terminal {
    Terminal {
        pid: tracked.key.pid,
        cwd: tracked.cwd.clone(),
        started_at: tracked.process.started_at,
        resumes: tracked.asked.resumes,
        named: tracked.asked.named.clone(),
    }
}

impl Watch for Sessions {
    fn adopt(&mut self, looks: Looks, role: Role, outside: &mut Outside) {
        let kind = match role {
            Role::Session => Kind::Interactive,
            Role::Headless => Kind::Headless,
            Role::Unsure | Role::Viewer(_) | Role::Never(_) => return,
        };
        let (key, pid) = (looks.key, looks.key.pid);
        let (start, fact) = outside.process(&looks);
        let home = process::home(&looks.environ, &start.cwd);
        let home = home.unwrap_or_else(|| self.default.clone());
        let home = start.reach(&outside.proc, pid, home);
        if outside.roots.only_configs && home != self.default {
            return;
        }
        let exe = looks.exe.as_deref().unwrap_or(Path::new(""));
        let version = process::installed_version(exe);
        let process = ProcessFact {
            default_config: home == self.default,
            config_dir: CleanText::line(&home.to_string_lossy()),
            installed_version: version.map(|version| CleanText::line(&version)),
            ..fact
        };
        let asked = arguments::asked(&looks.argv);
        let dir = asked.dir.clone();
        let cwd = dir.map_or_else(|| start.cwd.clone(), |dir| start.cwd.join(dir));
        outside.track(key, start);
        let tracked = Tracked::new(key, kind, (home, cwd), process, asked);
        self.tracked.insert(pid, tracked);
        self.look_at(pid, outside);
        self.list(outside);
        self.tell(pid, outside);
        outside.look_around();
    }

    fn read(&mut self, pid: Pid, outside: &mut Outside) {
        self.refresh(pid, outside);
    }

    fn end(&mut self, pid: Pid, outside: &mut Outside) {
        if let Some(mut tracked) = self.tracked.remove(&pid) {
            tracked.follow(None, &mut outside.watcher);
        }
        self.kept.remove(&pid);
    }

    fn reset(&mut self, pid: Pid, outside: &mut Outside) -> Option<Evidence> {
        let broken = self.tracked.remove(&pid)?;
        let anew = broken.anew(&mut outside.watcher);
        let left = anew.evidence(None);
        self.tracked.insert(pid, anew);
        Some(left)
    }

    fn verify(&mut self, pid: Pid, stopped: bool, outside: &mut Outside) {
        if let Some(tracked) = self.tracked.get_mut(&pid) {
            tracked.process.stopped = stopped;
            self.refresh(pid, outside);
        }
    }

    fn restless(&self, all: &mut Vec<Pid>) {
        let restless = self.tracked.values().filter(|t| t.is_restless());
        all.extend(restless.map(|t| t.key.pid));
    }

    fn cwd(&self, pid: Pid) -> Option<&str> {
        self.tracked.get(&pid)?.cwd.to_str()
    }

    fn config(&self, pid: Pid) -> Option<&Path> {
        self.tracked.get(&pid).map(|tracked| &*tracked.home)
    }

    fn scan(&mut self, outside: &mut Outside) {
        self.list(outside);
    }

    fn sort_out(&mut self, outside: &mut Outside) {
        self.pair(outside);
    }

    fn changed(&mut self, dir: &Path, name: &str, outside: &mut Outside) {
        let concerned = self.tracked.values().filter(|t| t.concerns(dir, name));
        let concerned: Vec<Pid> = concerned.map(|t| t.key.pid).collect();
        for pid in concerned {
            self.refresh(pid, outside);
        }
    }

    fn lost(&mut self, dir: &Path, outside: &mut Outside) {
        let pids: Vec<Pid> = self.tracked.keys().copied().collect();
        for pid in pids {
            if let Some(tracked) = self.tracked.get_mut(&pid) {
                tracked.forget_watch(dir);
            }
            self.refresh(pid, outside);
        }
    }

    fn descriptors<'a>(&'a self, all: &mut Vec<BorrowedFd<'a>>) {
        all.extend(self.servers.values().filter_map(AppServer::descriptor));
    }

    fn ready(&mut self, outside: &mut Outside) {
        self.hear(outside);
    }

    fn due(&self) -> Option<Instant> {
        let servers = self.servers.values().filter_map(AppServer::due);
        servers.chain(self.due).min()
    }

    fn retry(&mut self, outside: &mut Outside) {
        if self.due.take_if(|at| *at <= clock::steady()).is_none() {
            return;
        }
        self.list(outside);
        let waits = |t: &&Tracked| t.conversation().is_none() || t.wants_children();
        let pids: Vec<Pid> = self
            .tracked
            .values()
            .filter(waits)
            .map(|t| t.key.pid)
            .collect();
        for pid in pids {
            self.refresh(pid, outside);
        }
    }

    fn wants_title(&self, pid: Pid) -> Option<DateTime<Utc>> {
        self.tracked.get(&pid)?.wants_title
    }

    fn take_title(&mut self, pid: Pid, title: TitleFact, outside: &mut Outside) {
        if let Some(tracked) = self.tracked.get_mut(&pid) {
            tracked.take_title(title);
            self.tell(pid, outside);
        }
    }

    fn inside(&self, conversation: &ConversationId) -> Vec<Pid> {
        let all = self.tracked.values();
        let inside = all.filter(|t| t.conversation() == Some(conversation.as_str()));
        inside.map(|t| t.key.pid).collect()
    }
}
