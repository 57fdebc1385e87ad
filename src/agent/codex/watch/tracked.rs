//! One session of Codex, and what is known of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::agent::codex::app_server::Held;
use crate::agent::codex::arguments::Asked;
use crate::agent::codex::pairing::{FIRST_WITHIN, Shown, made_at};
use crate::agent::codex::rollout::Rollout;
use crate::agent::codex::verdict::{self, Facts, RolloutFact, Runs, ThreadFact};
use crate::agent::lines::Follower;
use crate::agent::looks::{SLACK, started_at};
use crate::core::model::{
    AsRead, CallNature, ConversationId, Evidence, Kind, LocalKey, Pid, ProcessFact, RawPath,
    TitleFact, time,
};
use crate::core::text::CleanText;
use crate::sys::inotify::Watcher;
use crate::sys::proc::Proc;

/// A session.
pub(super) struct Tracked {
    pub(super) key: LocalKey,
    pub(super) kind: Kind,
    pub(super) home: PathBuf,
    pub(super) process: ProcessFact,
    pub(super) asked: Asked,
    /// Where it was told to work.
    pub(super) cwd: PathBuf,
    pub(super) runs: Runs,
    /// Which conversation it shows, by inference; of one that runs its own, by its descriptors.
    pub(super) shown: Shown,
    /// Why the app-server is not heard.
    pub(super) trouble: Option<CleanText>,
    rollout: Option<Follower<Rollout>>,
    /// The directory of its rollout, while that is watched.
    watched: Option<PathBuf>,
    /// Whether a process runs that was started since the pending call.
    child: bool,
    /// What the title of its terminal says.
    title: Option<TitleFact>,
    /// Since when a title would tell more than is known, if it would.
    pub(super) wants_title: Option<DateTime<Utc>>,
    /// The last line of its rollout and whether a process ran, when that was noted.
    stands: (Option<DateTime<Utc>>, bool),
}

impl Tracked {
    pub(super) fn new(
        key: LocalKey,
        kind: Kind,
        (home, cwd): (PathBuf, PathBuf),
        process: ProcessFact,
        asked: Asked,
    ) -> Self {
        Self {
            key,
            kind,
            home,
            process,
            asked,
            cwd,
            runs: Runs::default(),
            shown: Shown::Nothing,
            trouble: None,
            rollout: None,
            watched: None,
            child: false,
            title: None,
            wants_title: None,
            stands: (None, false),
        }
    }

    /// The same of which nothing was read yet.
    pub(super) fn anew(self, watcher: &mut Watcher) -> Self {
        let mut old = self;
        old.follow(None, watcher);
        Self::new(
            old.key,
            old.kind,
            (old.home, old.cwd),
            old.process,
            old.asked,
        )
    }

    /// The conversation that it shows.
    pub(super) fn conversation(&self) -> Option<&str> {
        match &self.shown {
            Shown::Thread(id, _) => Some(id),
            Shown::Ambiguous | Shown::Nothing => None,
        }
    }

    /// Whether its rollout is this file.
    pub(super) fn concerns(&self, dir: &Path, name: &str) -> bool {
        let path = self.rollout.as_ref().map(Follower::path);
        path.is_some_and(|path| path.parent() == Some(dir) && path.ends_with(name))
    }

    /// Notes that a directory is watched no more.
    pub(super) fn forget_watch(&mut self, dir: &Path) {
        self.watched.take_if(|watched| watched == dir);
    }

    /// Looks by its descriptors which conversation it runs itself; whether it runs one.
    pub(super) fn look_at_files(&mut self, proc: &Proc, watcher: &mut Watcher) -> bool {
        let open = proc.open_files(self.key.pid);
        let Some((id, rollout)) = runs_itself(&open, &self.home) else {
            return false;
        };
        self.runs = Runs::Itself;
        self.shown = Shown::Thread(id, "its process holds the files of this conversation open");
        self.follow(rollout.as_deref(), watcher);
        true
    }

    /// Follows this rollout, once it exists, and no other.
    pub(super) fn follow(&mut self, path: Option<&Path>, watcher: &mut Watcher) {
        if path.is_none() || self.rollout.as_ref().map(Follower::path) != path {
            self.rollout = path.and_then(|path| Follower::open_as(path, Rollout::default()).ok());
        }
        let dir = self.rollout.as_ref().and_then(|r| r.path().parent());
        let dir = dir.map(Path::to_path_buf);
        if dir == self.watched {
            return;
        }
        if let Some(before) = self.watched.take() {
            watcher.remove(&before);
        }
        // Without a watch it is read at each scan. 0.155.1 never closes it between two lines.
        self.watched = dir.filter(|dir| matches!(watcher.add_open(dir), Ok(true)));
    }

    /// Reads what is new in its rollout.
    pub(super) fn read_rollout(&mut self) {
        let read = self.rollout.as_mut().map(Follower::refresh);
        if matches!(read, Some(Err(_))) {
            self.rollout = None;
        }
    }

    /// Whether only a process beneath it tells if a call runs.
    pub(super) fn wants_children(&self) -> bool {
        let rollout = self.rollout.as_ref().map(Follower::conversation);
        let pending = rollout.map_or(&[][..], |rollout| &rollout.pending);
        self.runs == Runs::Itself && pending.iter().any(|c| c.nature == CallNature::AsksFirst)
    }

    /// Looks whether a process runs that was started since the pending call.
    pub(super) fn look_at_children(&mut self, proc: &Proc, boot: DateTime<Utc>) {
        let called = self
            .rollout
            .as_ref()
            .and_then(|rollout| rollout.conversation().at);
        let since = called.map(|at| time::before(at, SLACK));
        let started = |child: &Pid| started_at(boot, proc.stat(*child)?.start_ticks);
        let mut children = proc.children(self.key.pid).into_iter();
        self.child = self.wants_children() && children.any(|child| started(&child) >= since);
    }

    /// Whether it may change without any event.
    pub(super) fn is_restless(&self) -> bool {
        // Which files it holds open is told by nothing; nor is a rollout that is not watched.
        self.runs == Runs::Itself || (self.rollout.is_some() && self.watched.is_none())
    }

    /// What the claims are made of; `held` is what the app-server says of its conversation.
    fn known(&self, held: Option<&Held>) -> Facts {
        let rollout = self.rollout.as_ref().map(Follower::conversation);
        // One that is not followed may be older than what happened last, or another program's.
        let young = self.process.started_at.filter(|_| rollout.is_none());
        let own_from = young.map(|started| time::after(started, FIRST_WITHIN));
        let from = self.wants_title.max(own_from);
        let passed =
            |title: &TitleFact| title.until.is_some() && from.is_some_and(|from| title.at < from);
        Facts {
            runs: self.runs,
            ambiguous: self.shown == Shown::Ambiguous,
            thread: held.map(|held| ThreadFact {
                status: held.thread.status.clone(),
                since: held.since,
                vague: held.vague,
            }),
            rollout: rollout.cloned(),
            child: self.child,
            started_at: self.process.started_at,
            title: self.title.filter(|title| !passed(title)),
        }
    }

    /// Notes whether a title would tell more than is known.
    pub(super) fn note_want(&mut self, held: Option<&Held>, now: DateTime<Utc>) {
        let held = held.filter(|_| self.runs != Runs::Itself);
        let facts = self.known(held);
        let stands = (facts.rollout.as_ref().and_then(|r| r.at), facts.child);
        let same = std::mem::replace(&mut self.stands, stands) == stands;
        let before = self.wants_title.filter(|_| same);
        self.wants_title = verdict::wants_title(&facts).then(|| before.unwrap_or(now));
    }

    /// Takes over what the title of its terminal says.
    pub(super) fn take_title(&mut self, title: TitleFact) {
        self.title = Some(title);
    }

    /// Everything that is known; `held` is what the app-server says of its conversation.
    pub(super) fn evidence(&self, held: Option<&Held>) -> Evidence {
        let held = held.filter(|_| self.runs != Runs::Itself);
        let thread = held.map(|held| &held.thread);
        let rollout = self.rollout.as_ref().map(Follower::conversation);
        let facts = self.known(held);
        let line = |text: &String| CleanText::line(text).some();
        let version = thread.and_then(|thread| thread.cli_version.as_ref().and_then(line));
        let model = thread.and_then(|thread| thread.model.as_ref().and_then(line));
        let cwd = thread.map(|thread| thread.cwd.clone());
        let cwd = cwd.or_else(|| rollout?.cwd.clone());
        let cwd = cwd.unwrap_or_else(|| self.cwd.to_string_lossy().into_owned());
        let path = self.rollout.as_ref().map(Follower::path);
        Evidence {
            kind: self.kind,
            conversation: self.conversation().and_then(ConversationId::new),
            ambiguous: facts.ambiguous,
            process: self.process.clone(),
            cwd: Some(RawPath(cwd)),
            version: version.or_else(|| rollout?.version.clone()),
            name: thread.and_then(|thread| thread.name.as_ref().and_then(line)),
            model: model.or_else(|| rollout?.model.clone()),
            said: rollout.and_then(|rollout| rollout.said.clone()),
            transcript: path.map(|path| RawPath(path.to_string_lossy().into_owned())),
            answers: verdict::asks_through(&facts),
            claims: verdict::claims(&facts),
            facts: AsRead::of(&self.facts(held)),
            problems: self.trouble.iter().cloned().collect(),
            ..Evidence::default()
        }
    }

    /// What `explain` prints.
    fn facts(&self, held: Option<&Held>) -> Map<String, Value> {
        let mut facts = Map::new();
        let shows = match &self.shown {
            Shown::Thread(id, rule) => json!({
                "conversation": id,
                "rule": rule,
                "inferred": self.runs != Runs::Itself,
            }),
            Shown::Ambiguous => json!({"rule": "several conversations of its directory fit it"}),
            Shown::Nothing => json!({"rule": "no conversation is known to be its own"}),
        };
        facts.insert("shows".into(), shows);
        facts.insert("runs".into(), json!({"by": self.runs}));
        if let Some(held) = held {
            let status = format!("{:?}", held.thread.status);
            let thread = json!({
                "status": CleanText::line(&status),
                "since": held.since,
                "name": held.thread.name.as_deref().map(CleanText::line),
                "rollout": held.thread.path.as_deref().map(CleanText::line),
            });
            facts.insert("thread".into(), thread);
        }
        if let Some(follower) = &self.rollout {
            let rollout = follower.conversation();
            let fact = RolloutFact {
                last: rollout.last,
                at: rollout.at,
                pending: &rollout.pending,
                plan: rollout.plan.as_ref(),
                broken: rollout.broken,
            };
            facts.insert("rollout".into(), json!(fact));
        }
        if let Some(title) = &self.title {
            facts.insert("title".into(), json!(title));
        }
        facts
    }
}

/// The conversation whose files these are, and its rollout once it has one. The one that it went on
/// with last: by its id, which holds the time it was made, or by its rollout.
///
/// **Source:** 0.139.0 holds the rollout open from the first prompt on; 0.155.1, and 0.171.0 with
/// `--no-daemon`, a lock from the start. After `/new` both of the old one stay open.
fn runs_itself(open: &[OsString], home: &Path) -> Option<(String, Option<PathBuf>)> {
    let locks = home.join("thread-writer-locks");
    let sessions = home.join("sessions");
    let files = open.iter().map(Path::new);
    let named = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        if path.parent() == Some(&locks) {
            return Some((name.strip_suffix(".lock")?, None));
        }
        let stem = name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
        let id = stem.get(stem.len().checked_sub(36)?..)?;
        path.starts_with(&sessions)
            .then(|| (id, Some(path.to_path_buf())))
    });
    let written = |path: &PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let dated = named.filter_map(|(id, rollout)| {
        let made = SystemTime::from(made_at(id)?);
        let last = rollout
            .as_ref()
            .and_then(written)
            .map_or(made, |at| at.max(made));
        Some((last, rollout.is_some(), id.to_owned(), rollout))
    });
    let (_, _, id, rollout) = dated.max()?;
    Some((id, rollout))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "01a221f3-6a13-73f3-838d-9deb067035b8";
    const TWO: &str = "01a22209-a5c4-7263-b021-a48ee768f6ed";

    #[test]
    fn a_line_is_heard_of_while_the_rollout_stays_open() {
        use crate::sys::inotify::instance;
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollout.jsonl");
        let mut open = std::fs::File::create(&path).unwrap();
        let key = LocalKey {
            pid: Pid(1),
            start_ticks: 1,
        };
        let places = (dir.path().to_path_buf(), dir.path().to_path_buf());
        let process = ProcessFact::default();
        let mut tracked = Tracked::new(key, Kind::Interactive, places, process, Asked::default());
        let mut watcher = Watcher::new(instance);
        tracked.follow(Some(&path), &mut watcher);
        assert!(watcher.read().is_empty());
        open.write_all(b"{}\n").unwrap();
        assert_eq!(watcher.read().len(), 1);
    }

    #[test]
    fn open_files_tell_the_conversation() {
        let home = tempfile::tempdir().unwrap();
        let lock = |id: &str| home.path().join(format!("thread-writer-locks/{id}.lock"));
        let rollout = |id: &str| {
            let dir = home.path().join("sessions/2026/11/28");
            dir.join(format!("rollout-2026-11-28T11-38-50-{id}.jsonl"))
        };
        let read = |paths: &[PathBuf]| {
            let open: Vec<OsString> = paths.iter().map(Into::into).collect();
            runs_itself(&open, home.path())
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[lock(".coordination"), "/dev/null".into()]), None);
        assert_eq!(read(&[lock(ONE)]), Some((ONE.into(), None)));
        let both = read(&[lock(ONE), rollout(ONE)]);
        assert_eq!(both, Some((ONE.into(), Some(rollout(ONE)))));
        let after_new = read(&[rollout(ONE), lock(TWO), lock(ONE)]);
        assert_eq!(after_new, Some((TWO.into(), None)));
        std::fs::create_dir_all(rollout(ONE).parent().unwrap()).unwrap();
        std::fs::write(rollout(ONE), "").unwrap();
        let back = read(&[rollout(ONE), lock(TWO), lock(ONE)]);
        assert_eq!(
            back.unwrap().0,
            ONE,
            "it was written after the other was made"
        );
        let elsewhere = PathBuf::from(format!("/other/thread-writer-locks/{ONE}.lock"));
        assert_eq!(read(&[elsewhere]), None);
    }
}
