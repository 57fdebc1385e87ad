//! One session under observation: its files, read when they change.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

use super::naming::{Member, Name};
use super::subagents::{self, Subagents};
use crate::agent::claude::facts::{
    Facts, FileFact, FileStatus, HookFact, LastLine, TranscriptFact,
};
use crate::agent::claude::find;
use crate::agent::claude::status_file::{self, StatusFile};
use crate::agent::claude::tail::Follower;
use crate::agent::claude::{FIRST_WITH_FILE, parse_version};
use crate::agent::looks::Start;
use crate::agent::{Outside, Role};
use crate::core::model::{ConversationId, Evidence, Kind, LocalKey, ProcessFact};
use crate::core::text::CleanText;
use crate::sys::files::read_bounded;
use crate::sys::ground::Ground;
use crate::sys::inotify::Watcher;

mod asks;
mod job;

pub(super) use asks::ShellWatch;

/// For `explain`, where another program took its status file away.
const LOST: &str = "its status file is there no more although it runs: its transcript, its processes \
                    and its hooks tell what it does";

/// A status file comes 0.6 s after the start, once after 4.7 s on a loaded machine.
const STARTS_WITHIN: TimeDelta = TimeDelta::seconds(8);

/// Conversations that are remembered of a session besides its own.
const MOST_LEFT: usize = 64;

/// For `explain`, where a version does not tell its conversation.
const AMBIGUOUS: &str = "several conversations of its directory fit it, so that none is shown; \
                         vmux hooks install tells them apart";

/// A session that is watched.
pub(super) struct Tracked {
    pub(super) key: LocalKey,
    /// Configuration directory of its process.
    pub(super) config: PathBuf,
    pub(super) process: ProcessFact,
    /// Since when it has been in a dialog before its start.
    pub(super) inbox_at: Option<DateTime<Utc>>,
    /// What its arguments say; its file knows better.
    pub(super) kind: Kind,
    pub(super) file: Option<StatusFile>,
    /// Inode, size and change time of the status file when it was read: what an event may have
    /// missed.
    file_stamp: Option<Stamp>,
    /// What is there in its place cannot be read, or not yet.
    pub(super) file_broken: bool,
    /// What was found where its file does not name its conversation (any more).
    pub(super) name: Name,
    /// The conversations that it was in before, the last first.
    left: VecDeque<ConversationId>,
    tool_shell: Option<bool>,
    /// The pending calls that a shell was seen to run: they were permitted.
    permitted: Vec<String>,
    /// What its hooks reported.
    pub(super) hook: Option<HookFact>,
    /// What could not be read, for `explain`.
    problem: Option<CleanText>,
    follower: Option<Follower>,
    subagents: Subagents,
    /// What a background session needs, by its record.
    needs: Option<CleanText>,
    /// Who shows a background session.
    pub(super) shown_by: Vec<LocalKey>,
    /// What its process was started with.
    pub(super) start: Start,
    /// How a shell starts its CLI, for a process of a background session.
    pub(super) cli: Option<CleanText>,
    /// What lies where it works.
    ground: Ground,
    /// Its configuration directory does not answer: nothing in it is looked at.
    pub(super) silent: bool,
    watched: Vec<PathBuf>,
    sent: Option<Facts>,
}

/// What shows that a file changed without reading it.
type Stamp = (u64, u64, i64, i64);

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.ino(),
        metadata.len(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ))
}

/// What became of reading a status file.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum FileRead {
    /// It was read, or was never there.
    Done,
    /// It holds no whole JSON yet: read again in a moment.
    Again,
    /// It is not there any more, is another process's or cannot be read.
    Gone,
}

/// A transcript's fact, dated by when its content was first read.
fn first_read(mut fact: TranscriptFact, before: Option<&TranscriptFact>) -> TranscriptFact {
    if let Some(before) = before.filter(|b| b.size == fact.size && b.path == fact.path) {
        fact.read_at = before.read_at;
    }
    fact
}

impl Tracked {
    pub(super) fn new(
        key: LocalKey,
        config: PathBuf,
        process: ProcessFact,
        kind: Kind,
        (start, cli): (Start, Option<CleanText>),
    ) -> Self {
        let started = process.started_at;
        let started = started.map_or(SystemTime::UNIX_EPOCH, SystemTime::from);
        Self {
            key,
            config,
            process,
            inbox_at: None,
            kind,
            file: None,
            file_stamp: None,
            file_broken: false,
            name: Name::new(started),
            left: VecDeque::new(),
            tool_shell: None,
            permitted: Vec::new(),
            hook: None,
            problem: None,
            follower: None,
            subagents: Subagents::default(),
            needs: None,
            shown_by: Vec::new(),
            start,
            cli,
            ground: Ground::default(),
            silent: false,
            watched: Vec::new(),
            sent: None,
        }
    }

    /// Whether it is a session, by its role and its file.
    pub(super) fn is_session(&self, role: Option<&Role>) -> bool {
        match (&self.file, role) {
            // A worker that is kept ready is tracked but not told: its file changes when it is used.
            (Some(file), None) => file.proc_start.is_some(),
            (Some(_), Some(_)) | (None, Some(Role::Session | Role::Headless)) => true,
            (None, _) => false,
        }
    }

    pub(super) fn file_path(&self) -> PathBuf {
        self.config
            .join("sessions")
            .join(format!("{}.json", self.start.pid))
    }

    /// Reads the status file.
    pub(super) fn read_file(&mut self, now: DateTime<Utc>) -> FileRead {
        if self.silent {
            return FileRead::Done;
        }
        let path = self.file_path();
        // Taken before the content: a later one is then never taken for this.
        self.file_stamp = stamp(&path);
        self.file_broken = false;
        let believed = self.file.as_ref().is_some_and(|f| f.fact.lost_at.is_none());
        let gone = if believed {
            FileRead::Gone
        } else {
            FileRead::Done
        };
        let bytes = match read_bounded(&path, status_file::SIZE_CAP) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return gone,
            Err(error) => {
                self.file_broken = true;
                self.could_not("read", &path, &error);
                return gone;
            }
        };
        match status_file::parse(&bytes, &path.to_string_lossy(), now) {
            Ok(file) if self.is_own(&file) => {
                self.take_file(file);
                FileRead::Done
            }
            Ok(_) => gone,
            Err(error) => {
                self.file_broken = true;
                self.could_not("read", &path, &error);
                FileRead::Again
            }
        }
    }

    /// Whether a file speaks of this process, and not of one that had its pid before and was
    /// killed, or has it where other processes count.
    fn is_own(&self, file: &StatusFile) -> bool {
        let namespace = file.namespace.zip(self.start.namespace);
        file.pid.is_none_or(|pid| pid == self.start.pid)
            && namespace.is_none_or(|(its, ours)| its == ours)
            && file
                .proc_start
                .is_none_or(|start| start == self.key.start_ticks)
    }

    /// The file cannot be read any more, although its process lives on. That process never writes
    /// it again, so its last word on the state is not believed. What it said of conversation, name
    /// and version stays.
    ///
    /// **Source:** 2.1.328; anthropics/claude-code#85283 (a container that shares the directory
    /// removes the files of what it takes for dead).
    pub(super) fn lose_file(&mut self, now: DateTime<Utc>) {
        let Some(file) = self
            .file
            .as_mut()
            .filter(|file| file.fact.lost_at.is_none())
        else {
            return;
        };
        if std::mem::take(&mut file.follows_clear) {
            self.name = Name::told_until(now.into());
        }
        file.fact = FileFact {
            status: None,
            status_at: None,
            waiting_for: None,
            waiting_reason: None,
            lost_at: Some(now),
            ..std::mem::take(&mut file.fact)
        };
    }

    /// Keeps what could not be done to one of its files, for `explain`.
    fn could_not(&mut self, verb: &str, path: &Path, error: &dyn Display) {
        let words = format!("could not {verb} {}: {error}", path.display());
        self.problem = Some(CleanText::line(&words));
    }

    fn take_file(&mut self, mut file: StatusFile) {
        self.problem = None;
        if let Some(before) = &self.file {
            let read_at = file.fact.read_at;
            file.fact.read_at = before.fact.read_at;
            if *before == file {
                return;
            }
            file.fact.read_at = read_at;
        }
        if self.named() != file.fact.conversation.as_ref() {
            // By its own word: nothing that was found or doubted before counts.
            self.name = Name::new(self.started());
        }
        self.file = Some(file);
    }

    /// Whether its status file is another one than was read.
    pub(super) fn file_changed(&self) -> bool {
        !self.silent && stamp(&self.file_path()) != self.file_stamp
    }

    /// Whether all is as it was read: its process, and its file, which shows that it is in no dialog
    /// before its start.
    pub(super) fn is_as_known(&self, stopped: bool) -> bool {
        let started = self.file.is_some() && self.inbox_at.is_none();
        started && self.process.stopped == stopped && !self.file_changed()
    }

    /// Whether its file says that it works.
    fn is_busy(&self) -> bool {
        let status = self.fact().and_then(|fact| fact.status.as_ref());
        status == Some(&FileStatus::Busy)
    }

    /// Whether it may change without any event (Ctrl+Z, `fg`): it works, or is stopped.
    pub(super) fn is_restless(&self) -> bool {
        self.process.stopped || self.is_busy() || self.is_in_untold_turn() || self.is_unwatched()
    }

    /// Whether its conversation waits for an answer, where its file does not tell what it does.
    fn is_in_untold_turn(&self) -> bool {
        let file = self.file.as_ref();
        let untold = file.is_none_or(|file| file.fact.status.is_none());
        let follower = self.follower.as_ref().filter(|_| untold);
        let last = follower.map(|f| f.conversation().last);
        !matches!(
            last,
            None | Some(
                LastLine::Nothing | LastLine::Answer | LastLine::ApiError | LastLine::Interrupted
            )
        )
    }

    /// Whether its configuration lies where nothing is watched.
    fn is_unwatched(&self) -> bool {
        self.is_far() && !self.watched.contains(&self.config.join("sessions"))
    }

    /// When its process started.
    fn started(&self) -> SystemTime {
        self.process
            .started_at
            .map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
    }

    pub(super) fn conversation(&self) -> Option<&ConversationId> {
        if !self.may_be_elsewhere() {
            return self.named();
        }
        let found = self.name.found.as_ref().map(|(_, id)| id);
        let found = found.or(self.named()).filter(|_| !self.name.ambiguous);
        self.hooked().or(found)
    }

    /// The conversation that its hooks told of. Counts like its file's word, where the file tells
    /// nothing of it.
    pub(super) fn hooked(&self) -> Option<&ConversationId> {
        self.hook.as_ref()?.conversation.as_ref()
    }

    /// The conversation that its file names.
    fn named(&self) -> Option<&ConversationId> {
        self.fact().and_then(|fact| fact.conversation.as_ref())
    }

    /// Whether its conversation has to be found out: neither its file nor a hook tells it.
    pub(super) fn is_unnamed(&self) -> bool {
        self.may_be_elsewhere() && self.hooked().is_none()
    }

    /// Whether it has started just now, so that its file may still come.
    fn is_starting(&self, now: DateTime<Utc>) -> bool {
        let young = |at: DateTime<Utc>| now.signed_duration_since(at) < STARTS_WITHIN;
        self.file.is_none() && self.process.started_at.is_some_and(young)
    }

    /// Whether it may be in another conversation than its file names: there is no file, it was
    /// lost, or its version names the conversation of the start for ever.
    fn may_be_elsewhere(&self) -> bool {
        self.file.as_ref().is_none_or(|file| !file.follows_clear)
    }

    pub(super) fn member(&self, now: DateTime<Utc>) -> Member {
        Member {
            pid: self.key.pid,
            start: self.started(),
            starting: self.is_starting(now),
            told: self.named().cloned(),
            name: self.name.clone(),
        }
    }

    /// The directory of its transcripts: its configuration and the name under `projects`. Two
    /// working directories may share it: `a.b` and `a-b` are written the same.
    pub(super) fn project(&self) -> (PathBuf, String) {
        (self.config.clone(), find::encode_cwd(self.cwd()))
    }

    /// Whether it is, or was, in this conversation.
    pub(super) fn was_in(&self, conversation: &ConversationId) -> bool {
        self.conversation() == Some(conversation) || self.left.contains(conversation)
    }

    /// Working directory of the session. Its file knows it better than the process does.
    pub(super) fn cwd(&self) -> &str {
        let by_file = self.file.as_ref().and_then(|file| file.fact.cwd.as_ref());
        &by_file.unwrap_or(&self.process.cwd).0
    }

    /// Whether its configuration lies among files of its own: nobody else looks there.
    pub(super) fn is_far(&self) -> bool {
        let process = self.start.far.as_deref().and_then(Path::parent);
        process.is_some_and(|process| self.config.starts_with(process))
    }

    /// Reads what is new in the transcript and the repository, and follows them where they went.
    pub(super) fn refresh(&mut self, outside: &mut Outside) {
        self.ground = outside.ground(self.key.pid, Some(self.cwd()));
        self.silent = !outside.answers(&self.config);
        if self.silent {
            // Whoever reads on in it gets stuck.
            self.follower = None;
            self.subagents.clear();
            return;
        }
        // Watched before it is read, so that nothing slips through between; and after, because
        // the transcript may lie elsewhere than expected.
        self.watch(&mut outside.watcher);
        self.refresh_transcript();
        self.watch(&mut outside.watcher);
        self.refresh_subagents();
        self.needs = self.read_needs();
    }

    fn refresh_transcript(&mut self) {
        let Some(path) = self.transcript_path() else {
            self.follower = None;
            return;
        };
        let read = match &mut self.follower {
            Some(follower) if follower.path() == path => follower.refresh().map(drop),
            _ => Follower::open(&path).map(|follower| self.follower = Some(follower)),
        };
        match read {
            Ok(()) => {}
            // Deleted, or not written before the first prompt.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.follower = None,
            Err(error) => {
                self.follower = None;
                self.could_not("read", &path, &error);
            }
        }
    }

    fn transcript_path(&self) -> Option<PathBuf> {
        let id = self.conversation()?;
        if let Some((path, _)) = self.name.found.as_ref().filter(|(_, found)| found == id) {
            return Some(path.clone());
        }
        if let Some(follower) = &self.follower {
            let same = follower
                .path()
                .file_stem()
                .is_some_and(|stem| stem == id.as_str());
            if same && follower.path().is_file() {
                return Some(follower.path().to_path_buf());
            }
        }
        find::by_conversation(&self.config, self.cwd(), id)
    }

    /// Watches the directories whose changes matter to this session, and no others.
    fn watch(&mut self, watcher: &mut Watcher) {
        let mut wanted = Vec::new();
        let project = match &self.follower {
            Some(follower) => follower.path().parent().map(Path::to_path_buf),
            None => Some(
                self.config
                    .join("projects")
                    .join(find::encode_cwd(self.cwd())),
            ),
        };
        // Before the first prompt the project's directory may be missing: a parent tells.
        let parents = [self.config.join("projects"), self.config.clone()];
        wanted.extend(project.into_iter().chain(parents).find(|dir| dir.is_dir()));
        wanted.extend(self.is_far().then(|| self.config.join("sessions")));
        wanted.extend(self.job_dir().filter(|dir| dir.is_dir()));
        if let (Some(_), Some(follower)) = (self.wants_subagents(), &self.follower) {
            wanted.extend(subagents::watched(follower.path()));
        }
        for dir in &wanted {
            if !self.watched.contains(dir)
                && let Err(error) = watcher.add(dir)
            {
                self.could_not("watch", dir, &error);
            }
        }
        for dir in std::mem::take(&mut self.watched) {
            if !wanted.contains(&dir) {
                watcher.remove(&dir);
            }
        }
        wanted.retain(|dir| watcher.holds(dir));
        self.watched = wanted;
    }

    /// A watched directory was lost; it is watched anew at the next refresh.
    pub(super) fn forget_watch(&mut self, dir: &Path) {
        self.watched.retain(|watched| watched != dir);
    }

    pub(super) fn unwatch(&mut self, watcher: &mut Watcher) {
        for dir in self.watched.drain(..) {
            watcher.remove(&dir);
        }
    }

    /// Whether a change of `name` in `dir` concerns this session's transcript.
    pub(super) fn concerns(&self, dir: &Path, name: &str) -> bool {
        if !self.watched.iter().any(|watched| watched == dir) {
            return false;
        }
        if self.is_far() && dir == self.config.join("sessions") {
            return status_file::pid_of_name(name) == Some(self.start.pid);
        }
        if self.job_dir().is_some_and(|job| job == dir) {
            return name == job::STATE;
        }
        if find::is_subagent(name) {
            return self.wants_subagents().is_some();
        }
        match self.conversation().filter(|_| !self.is_unnamed()) {
            Some(id) => name
                .strip_suffix(".jsonl")
                .is_none_or(|stem| stem == id.as_str()),
            None => true,
        }
    }

    fn fact(&self) -> Option<&FileFact> {
        self.file.as_ref().map(|file| &file.fact)
    }

    /// All that is known; `None` if that was told before.
    pub(super) fn news(&mut self, now: DateTime<Utc>) -> Option<Evidence> {
        let facts = self.facts(now);
        if self.sent.as_ref() == Some(&facts) {
            return None;
        }
        let before = self
            .sent
            .as_ref()
            .and_then(|sent| sent.conversation.clone());
        if before != facts.conversation {
            self.left.truncate(MOST_LEFT - 1);
            before.into_iter().for_each(|id| self.left.push_front(id));
        }
        let evidence = facts.evidence();
        self.sent = Some(facts);
        Some(evidence)
    }

    pub(super) fn facts(&self, now: DateTime<Utc>) -> Facts {
        let version = self
            .process
            .installed_version
            .as_deref()
            .and_then(parse_version);
        let sent = self.sent.as_ref();
        let before = sent.and_then(|sent| sent.transcript.as_ref());
        let transcript = self.follower.as_ref().map(|f| f.fact(now));
        let subagent = self.asking_subagent(now);
        let ambiguous = self.is_unnamed() && self.name.ambiguous;
        Facts {
            kind: self.file.as_ref().map_or(self.kind, |file| file.kind),
            conversation: self.conversation().cloned(),
            process: self.process.clone(),
            file: self.file.as_ref().map(|file| file.fact.clone()),
            transcript: transcript.map(|fact| first_read(fact, before)),
            subagent: subagent.map(|f| first_read(f, sent.and_then(|s| s.subagent.as_ref()))),
            transcript_ambiguous: ambiguous,
            expects_file: !self.silent
                && self.kind == Kind::Interactive
                && version.is_some_and(|version| version >= FIRST_WITH_FILE),
            inbox_at: self.inbox_at,
            tool_shell: self.tool_shell,
            job: self.job_fact(),
            hook: self.hook.clone(),
            ground: self.ground.clone(),
            problems: self.problems(),
        }
    }

    fn problems(&self) -> Vec<CleanText> {
        let dir = self.config.display();
        let silent = self.silent.then(|| {
            CleanText::line(&format!(
                "could not look into {dir}: its file system does not answer"
            ))
        });
        let ambiguous = self.is_unnamed() && self.name.ambiguous;
        let ambiguous = ambiguous.then(|| CleanText::line(AMBIGUOUS));
        let lost = self.fact().and_then(|fact| fact.lost_at);
        let lost = lost.map(|_| CleanText::line(LOST));
        let found = [self.problem.clone(), silent, lost, ambiguous];
        found.into_iter().flatten().collect()
    }
}
