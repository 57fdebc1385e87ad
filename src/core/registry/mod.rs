//! The registry: observations in, sessions and events out. Pure, and owned by one thread.
//!
//! [`Registry::replicate`] turns it into events, [`Mirror::apply`](crate::core::model::Mirror::apply) turns events back into
//! sessions: a subscriber gets the whole first and changes after, so it cannot drift.

mod ledger;
mod marks;
mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

pub use marks::{Mark, MarkPatch, Marks, NoMarks, Owed};

use crate::core::model::{
    ConversationId, Event, Evidence, Kind, LocalKey, Observation, Place, Reason, Session,
    SessionKey, State, TroubleCode, time,
};
use crate::core::text::CleanText;
use crate::core::verdict::{Settled, Verdict, Weighed, judge, weighed};
use ledger::Ledger;
use seen::Gaze;

/// The clock is adjusted now and then; when it goes back by more, it was set back.
const STEP: TimeDelta = TimeDelta::seconds(1);

/// All sessions at one moment, in the order of their keys.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Grows with every change.
    pub generation: u64,
    /// The sessions.
    pub sessions: Vec<Arc<Session>>,
}

impl Snapshot {
    /// The session of this key.
    #[must_use]
    pub fn by_key(&self, key: &SessionKey) -> Option<&Arc<Session>> {
        self.sessions.iter().find(|session| session.id == *key)
    }
}

struct Entry {
    evidence: Arc<Evidence>,
    place: Place,
    settled: Settled,
    conversation: Option<ConversationId>,
    gaze: Gaze,
    /// What it asks and a hook waits for, by its serial.
    answerable: Option<u64>,
    view: Arc<Session>,
}

/// What a user says of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarkChange {
    /// Its name; none takes it away.
    Label(Option<CleanText>),
    /// Until when he does not want to hear of it; none wakes it.
    Snooze(Option<DateTime<Utc>>),
    /// Whether he wants it on top.
    Pin(bool),
}

impl Entry {
    /// Takes the newest verdict, and notes the end of a turn.
    fn settle(&mut self, verdict: Verdict, now: DateTime<Utc>) {
        let worked = self.settled.shown.state == State::Working
            && self.settled.shown.reason != Some(Reason::Starting);
        self.settled = self.settled.next(verdict, now);
        if worked && self.rests() {
            self.gaze.finish(now);
        }
    }

    /// When time alone will change something.
    fn deadline(&self) -> Option<DateTime<Utc>> {
        let look = self.gaze.deadline(self.view.unseen);
        let deadlines = [self.settled.deadline(), look, self.view.snoozed_until];
        deadlines.into_iter().flatten().min()
    }

    /// Whether time alone may change something, at `now`.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.settled.is_due(now) || self.deadline().is_some_and(|at| at <= now)
    }

    /// Whether it still rests where its turn ended by itself: its user neither interrupted nor
    /// suspended it.
    fn rests(&self) -> bool {
        let shown = &self.settled.shown;
        let left = matches!(shown.reason, Some(Reason::Interrupted | Reason::Suspended));
        shown.state == State::Idle && !left && self.evidence.kind != Kind::Headless
    }
}

/// Everything vmux knows, with the evidence.
#[derive(Default)]
pub struct Registry {
    entries: BTreeMap<LocalKey, Entry>,
    marks: Ledger,
    generation: u64,
    /// When time was last looked at.
    ticked_at: Option<DateTime<Utc>>,
}

/// What a verdict was made from, for `explain`.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The session as everybody sees it.
    pub session: Arc<Session>,
    /// The rule that decided its state.
    pub rule: &'static str,
    /// A state that will show unless another comes first, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<(State, DateTime<Utc>)>,
    /// What each source says of its state, the strongest first.
    pub claims: Vec<Weighed>,
    /// All that the sources reported.
    pub evidence: Arc<Evidence>,
    /// Where it can be seen, and what proves it.
    pub place: Place,
}

impl Registry {
    /// An empty registry with the marks that were kept.
    #[must_use]
    pub fn new(marks: Marks) -> Self {
        Self {
            marks: Ledger::new(marks),
            ..Self::default()
        }
    }

    /// Takes an observation over; returns what changed.
    pub fn apply(&mut self, observation: Observation, now: DateTime<Utc>) -> Vec<Event> {
        match observation {
            Observation::Seen(key, evidence) => self.see(key, evidence, now),
            Observation::Gone(key) => self.remove(key),
            Observation::Census(keys) => {
                self.marks.retain_unseen(|key| keys.contains(key));
                let ended: Vec<LocalKey> = self
                    .entries
                    .keys()
                    .filter(|key| !keys.contains(key))
                    .copied()
                    .collect();
                ended.into_iter().flat_map(|key| self.remove(key)).collect()
            }
            Observation::Answerable(key, serial) => {
                let Some(entry) = self.entries.get_mut(&key) else {
                    return Vec::new();
                };
                entry.answerable = serial;
                self.publish(key, now)
            }
            Observation::Placed(key, place) => {
                let Some(entry) = self.entries.get_mut(&key) else {
                    return Vec::new();
                };
                entry.place = *place;
                entry.gaze.focus(in_view(&entry.place), now);
                self.publish(key, now)
            }
        }
    }

    fn see(&mut self, key: LocalKey, evidence: Arc<Evidence>, now: DateTime<Utc>) -> Vec<Event> {
        let conversation = evidence.conversation.clone();
        let verdict = judge(&evidence, now);
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            evidence: Arc::default(),
            place: Place::default(),
            settled: Settled::default(),
            conversation: None,
            gaze: Gaze::default(),
            answerable: None,
            view: Arc::default(),
        });
        entry.evidence = evidence;
        entry.settle(verdict, now);
        if conversation.is_some() && conversation != entry.conversation {
            let before = std::mem::replace(&mut entry.conversation, conversation.clone());
            self.marks
                .follow(key, before.as_ref(), conversation.as_ref());
        }
        self.publish(key, now)
    }

    fn remove(&mut self, key: LocalKey) -> Vec<Event> {
        if self.entries.remove(&key).is_none() {
            return Vec::new();
        }
        self.marks.set_unseen(key, false);
        self.generation += 1;
        vec![Event::Ended { id: key.into() }]
    }

    /// Looks again at what time alone decides; returns what changed.
    pub fn tick(&mut self, now: DateTime<Utc>) -> Vec<Event> {
        let due: Vec<LocalKey> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.is_due(now) || self.is_set_back(now))
            .map(|(key, _)| *key)
            .collect();
        self.move_snoozes(now);
        let mut events = Vec::new();
        for key in due {
            if let Some(entry) = self.entries.get_mut(&key) {
                let verdict = judge(&entry.evidence, now);
                entry.settle(verdict, now);
                events.extend(self.publish(key, now));
            }
        }
        events
    }

    /// Whether [`Registry::tick`] has something to do at once.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.is_set_back(now) || self.entries.values().any(|entry| entry.is_due(now))
    }

    /// Whether the clock was set back since time was last looked at.
    fn is_set_back(&self, now: DateTime<Utc>) -> bool {
        self.ticked_at.is_some_and(|at| now < at - STEP)
    }

    /// A snooze that was made before the clock was set back lasts as long as its user said.
    fn move_snoozes(&mut self, now: DateTime<Utc>) {
        let before = self.ticked_at.replace(now);
        let Some(back) = before.map(|at| at - now).filter(|back| *back > STEP) else {
            return;
        };
        for (key, entry) in &self.entries {
            let conversation = entry.conversation.as_ref();
            let mark = self.marks.of(*key, conversation);
            if let Some(until) = mark.and_then(|mark| mark.snoozed_until) {
                let moved = MarkPatch {
                    snoozed_until: Some(Some(time::before(until, back))),
                    ..MarkPatch::default()
                };
                self.marks.change(*key, conversation, moved);
            }
        }
    }

    /// When [`Registry::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.entries.values().filter_map(Entry::deadline).min()
    }

    /// Takes over what its user says of a session. Returns what changed; nothing for an unknown
    /// key.
    pub fn mark(&mut self, key: LocalKey, change: MarkChange, now: DateTime<Utc>) -> Vec<Event> {
        let Some(entry) = self.entries.get(&key) else {
            return Vec::new();
        };
        let mut patch = MarkPatch::default();
        match change {
            MarkChange::Label(label) => patch.label = Some(label),
            MarkChange::Snooze(until) => patch.snoozed_until = Some(until),
            MarkChange::Pin(pinned) => patch.pinned = Some(pinned),
        }
        self.marks.change(key, entry.conversation.as_ref(), patch);
        self.publish(key, now)
    }

    /// All changes of marks that are not in the file yet, if any was added since this was last
    /// asked.
    pub fn take_owed_marks(&mut self) -> Option<Owed> {
        self.marks.take_owed()
    }

    /// Takes over the content of the file of marks, which holds all changes up to `through`.
    /// Returns what changed.
    pub fn keep_marks(&mut self, kept: Marks, through: u64, now: DateTime<Utc>) -> Vec<Event> {
        if !self.marks.keep(kept, through) {
            return Vec::new();
        }
        let keys: Vec<LocalKey> = self.entries.keys().copied().collect();
        keys.into_iter()
            .flat_map(|key| self.publish(key, now))
            .collect()
    }

    /// Serial of the newest event: each event adds one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The events that turn any mirror into this registry.
    #[must_use]
    pub fn replicate(&self) -> Vec<Event> {
        vec![Event::State {
            sessions: self.snapshot().sessions,
        }]
    }

    /// All sessions, to hand out.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let sessions = self
            .entries
            .values()
            .map(|entry| Arc::clone(&entry.view))
            .collect();
        Snapshot {
            generation: self.generation,
            sessions,
        }
    }

    /// What the verdict on a session was made from.
    #[must_use]
    pub fn explain(&self, key: LocalKey, now: DateTime<Utc>) -> Option<Explanation> {
        let entry = self.entries.get(&key)?;
        Some(Explanation {
            session: Arc::clone(&entry.view),
            rule: entry.settled.shown.rule,
            held: entry
                .settled
                .held
                .as_ref()
                .map(|(verdict, due)| (verdict.state, *due)),
            claims: weighed(&entry.evidence, now),
            evidence: Arc::clone(&entry.evidence),
            place: entry.place.clone(),
        })
    }

    /// Makes the session's view anew; an event if it differs from the one before.
    fn publish(&mut self, key: LocalKey, now: DateTime<Utc>) -> Vec<Event> {
        let Some(entry) = self.entries.get_mut(&key) else {
            return Vec::new();
        };
        let rests = entry.rests();
        let conversation = entry.conversation.as_ref();
        let unseen = entry.gaze.judge(rests, self.marks.is_unseen(key), now);
        self.marks.set_unseen(key, unseen);
        let mark = self.marks.of(key, conversation);
        let until = mark.and_then(|mark| mark.snoozed_until);
        if until.is_some_and(|until| until <= now) {
            let awake = MarkPatch {
                snoozed_until: Some(None),
                ..MarkPatch::default()
            };
            self.marks.change(key, conversation, awake);
        }
        let view = view(key, entry, self.marks.of(key, conversation), unseen);
        if *entry.view == view {
            return Vec::new();
        }
        entry.view = Arc::new(view);
        self.generation += 1;
        vec![Event::Session {
            session: Arc::clone(&entry.view),
        }]
    }
}

/// Whether the place has the focus; `None` if that cannot be told. What no terminal shows has not.
fn in_view(place: &Place) -> Option<bool> {
    let detached = || {
        let trouble = place.trouble.as_ref()?;
        (trouble.code == TroubleCode::MuxDetached).then_some(false)
    };
    let focused = place.window.as_ref().map(|window| window.focused);
    focused.or_else(detached)
}

/// The session that others see.
fn view(key: LocalKey, entry: &Entry, mark: Option<&Mark>, unseen: bool) -> Session {
    let evidence = &entry.evidence;
    let (process, git) = (&evidence.process, evidence.git.as_ref());
    let verdict = &entry.settled.shown;
    let waits = verdict.state == State::NeedsInput;
    let own_cwd = evidence.cwd.as_ref();
    Session {
        id: key.into(),
        pid: key.pid,
        // The last certain conversation keeps its marks, but is not shown as this session's.
        session_id: (!evidence.ambiguous)
            .then(|| entry.conversation.clone())
            .flatten(),
        agent: CleanText::line(evidence.agent),
        cwd: own_cwd.unwrap_or(&process.cwd).clone(),
        git_branch: git.and_then(|g| g.branch.clone()),
        git_doing: git.and_then(|g| g.doing),
        cwd_gone: evidence.cwd_gone,
        state: verdict.state,
        reason: verdict.reason.clone(),
        state_since: entry.settled.since,
        waiting_since: entry.settled.since.filter(|_| waits),
        ask: verdict.ask.clone(),
        question: verdict.question.clone(),
        preview: verdict.asked().or(evidence.said.as_ref()).cloned(),
        workspace: entry.place.workspace.clone(),
        unseen,
        snoozed_until: mark.and_then(|mark| mark.snoozed_until),
        pinned: mark.is_some_and(|mark| mark.pinned),
        label: mark.and_then(|mark| mark.label.clone()),
        name: evidence.name.clone(),
        named_by_user: evidence.named_by_user,
        titles: evidence.titles.clone(),
        kind: evidence.kind,
        worktree: git.and_then(|g| g.worktree.clone()),
        repository: git.map(|g| g.repository.clone()),
        transcript: evidence.transcript.clone(),
        model: evidence.model.clone(),
        version: evidence
            .version
            .clone()
            .or_else(|| process.installed_version.clone()),
        started_at: evidence.started_at.or(process.started_at),
        config_dir: (!process.default_config).then(|| process.config_dir.clone()),
        container: process.container,
        shown_by: evidence.shown_by.clone(),
        attach: evidence.attach.clone(),
        host: entry.place.host.clone(),
        window: entry.place.window.clone(),
        answerable: entry.answerable.filter(|_| waits),
        answers: evidence.answers && waits,
        no_window: entry.place.trouble.as_ref().map(|trouble| trouble.code),
    }
}

#[cfg(test)]
mod tests;
