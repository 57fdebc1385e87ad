//! When to tell the person: which waits and ends become notifications, and which windows are
//! urgent. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::core::model::{
    Kind, Reason, Session, SessionKey, Standing, WindowKey, WindowRef, WmAddress,
};
use crate::core::text::{CleanText, truncate};

/// A wait that is answered, or a window that is gone to, within this time is no news.
const GRACE: TimeDelta = TimeDelta::milliseconds(700);
/// Pause before a notification that could not be shown is tried again: who takes them may be
/// starting.
const AGAIN: TimeDelta = TimeDelta::seconds(5);
/// Columns of a name at most.
const TITLE: usize = 60;
/// Characters of a question or a command at most: a notification is read at a glance.
const SAID: usize = 240;

/// What the user wants to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Wanted {
    /// Sessions that begin to wait, and those that are done.
    #[default]
    All,
    /// Only those that begin to wait.
    Waiting,
    /// Nothing.
    Off,
}

/// What there is to tell of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum News {
    /// It waits for its user.
    Waits,
    /// Its turn is over, unseen.
    Done,
}

impl News {
    fn of(session: &Session) -> Option<Self> {
        if session.kind == Kind::Headless {
            None
        } else {
            match session.standing() {
                Standing::Waiting => Some(Self::Waits),
                Standing::Done => Some(Self::Done),
                _ => None,
            }
        }
    }
}

/// One wait, or one end of a turn.
type Cause = (News, Option<DateTime<Utc>>);

fn cause(session: &Session) -> Option<Cause> {
    News::of(session).map(|news| (news, session.state_since))
}

/// What a notification says. Plain text, not markup.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// Which session, and what.
    pub summary: String,
    /// The command it wants to run, the question it asks, or the last thing it said; and where.
    pub body: String,
}

/// The words for a session.
#[must_use]
pub fn words(session: &Session, news: News) -> Words {
    let title = session.title();
    let title = truncate(&title, TITLE);
    let summary = match (news, &session.reason) {
        (News::Done, Some(Reason::Error)) => format!("{title} stopped with an error"),
        (News::Done, _) => format!("{title} is done"),
        (News::Waits, Some(Reason::Permission)) => format!("{title} asks for a permission"),
        (News::Waits, Some(Reason::Question)) => format!("{title} asks a question"),
        (News::Waits, Some(Reason::Plan)) => format!("{title} asks whether its plan is good"),
        (News::Waits, _) => format!("{title} waits for you"),
    };
    let said = session.asked().or(session.preview.as_ref());
    let said = said.map(|said| shortened(said));
    let at = |name: &CleanText| format!("workspace {name}");
    let place = session.workspace.as_ref().map(at).into_iter();
    let place = place.chain(session.git_branch.as_ref().map(ToString::to_string));
    let place = place.collect::<Vec<_>>().join(" \u{b7} ");
    let lines = said.into_iter().chain((!place.is_empty()).then_some(place));
    Words {
        summary,
        body: lines.collect::<Vec<_>>().join("\n"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

/// What to do about notifications.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Show one, in the place of the one that this session has.
    Show(SessionKey, News, Words),
    /// Take the one of this session away.
    Close(SessionKey),
}

/// How far the telling of one cause is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Phase {
    /// It is told at this time, if it is still news then.
    Pending(DateTime<Utc>),
    /// Its notification says this.
    Shown(Words),
    /// It was seen, or is not to be told.
    Quiet,
}

/// What was told.
#[derive(Debug, Default)]
pub struct Alerts {
    wanted: Wanted,
    /// `None` before the first step: what was so before the daemon came is no news.
    told: Option<BTreeMap<SessionKey, (Cause, Phase)>>,
}

impl Alerts {
    /// Nothing told yet.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, told: None }
    }

    /// What its user wants from now on: what is not wanted any more is closed with the next step.
    pub fn want(&mut self, wanted: Wanted) {
        self.wanted = wanted;
    }

    /// What to do now that the sessions are these; and when to look again, if nothing changes.
    pub fn step(
        &mut self,
        sessions: &[Arc<Session>],
        now: DateTime<Utc>,
    ) -> (Vec<Step>, Option<DateTime<Utc>>) {
        let first = self.told.is_none();
        let mut before = self.told.take().unwrap_or_default();
        let mut after = BTreeMap::new();
        let mut steps = Vec::new();
        for session in sessions {
            let old = before.remove(&session.id);
            let Some(cause) = cause(session) else {
                close(&session.id, old.as_ref(), &mut steps);
                continue;
            };
            let phase = match old {
                Some((known, _)) if known == cause && !self.wants(cause.0) => {
                    close(&session.id, old.as_ref(), &mut steps);
                    Phase::Quiet
                }
                Some((known, phase)) if known == cause => phase,
                old => {
                    close(&session.id, old.as_ref(), &mut steps);
                    self.begin(first, cause, now)
                }
            };
            let phase = advance(&phase, session, cause.0, now, &mut steps);
            after.insert(session.id.clone(), (cause, phase));
        }
        for (key, old) in &before {
            close(key, Some(old), &mut steps);
        }
        let due = after.values().filter_map(|(_, phase)| match phase {
            Phase::Pending(at) => Some(*at),
            _ => None,
        });
        let due = due.min();
        self.told = Some(after);
        (steps, due)
    }

    /// The notification of a session was closed by its user.
    pub fn dismiss(&mut self, key: &SessionKey) {
        if let Some((_, phase)) = self.told.as_mut().and_then(|told| told.get_mut(key)) {
            *phase = Phase::Quiet;
        }
    }

    /// The notification of a session could not be shown: it is tried once more, a little later.
    pub fn retry(&mut self, key: &SessionKey, now: DateTime<Utc>) {
        if let Some((_, phase)) = self.told.as_mut().and_then(|told| told.get_mut(key)) {
            *phase = Phase::Pending(now + AGAIN);
        }
    }

    fn begin(&self, first: bool, (news, _): Cause, now: DateTime<Utc>) -> Phase {
        if self.wants(news) && !first {
            Phase::Pending(now + GRACE)
        } else {
            Phase::Quiet
        }
    }

    fn wants(&self, news: News) -> bool {
        match self.wanted {
            Wanted::All => true,
            Wanted::Waiting => news == News::Waits,
            Wanted::Off => false,
        }
    }
}

fn close(key: &SessionKey, old: Option<&(Cause, Phase)>, steps: &mut Vec<Step>) {
    if let Some((_, Phase::Shown(_))) = old {
        steps.push(Step::Close(key.clone()));
    }
}

fn advance(
    phase: &Phase,
    session: &Session,
    news: News,
    now: DateTime<Utc>,
    steps: &mut Vec<Step>,
) -> Phase {
    let in_view = session.window.as_ref().is_some_and(|w| w.focused);
    match phase {
        // A clock that jumped back makes nobody wait.
        Phase::Pending(due) if *due > now => Phase::Pending((*due).min(now + AGAIN)),
        Phase::Pending(_) if in_view => Phase::Quiet,
        Phase::Shown(_) if in_view => {
            steps.push(Step::Close(session.id.clone()));
            Phase::Quiet
        }
        Phase::Pending(_) | Phase::Shown(_) => {
            let words = words(session, news);
            if *phase != Phase::Shown(words.clone()) {
                steps.push(Step::Show(session.id.clone(), news, words.clone()));
            }
            Phase::Shown(words)
        }
        Phase::Quiet => Phase::Quiet,
    }
}

/// A window of a window manager.
type Container = (WmAddress, WindowKey);

/// The windows that were made urgent.
#[derive(Debug, Default)]
pub struct Urgencies {
    /// The waits for which a window was made urgent. Who looked and left without an answer is not
    /// called again.
    told: BTreeSet<(SessionKey, Option<DateTime<Utc>>)>,
    urgent: BTreeMap<Container, WindowRef>,
}

impl Urgencies {
    /// The windows that become urgent now (`true`), and those that no longer are.
    pub fn step(&mut self, sessions: &[Arc<Session>]) -> Vec<(WindowRef, bool)> {
        // Focusing a window takes its hint away.
        let seen = sessions.iter().filter_map(|session| container(session));
        for (container, _) in seen.filter(|(_, window)| window.focused) {
            self.urgent.remove(&container);
        }
        let mut told = BTreeSet::new();
        let mut wanted = BTreeMap::new();
        let mut changes = Vec::new();
        for session in sessions {
            let Some((News::Waits, since)) = cause(session) else {
                continue;
            };
            let Some((container, window)) = container(session) else {
                continue;
            };
            let wait = (session.id.clone(), since);
            wanted.insert(container.clone(), window.clone());
            let fresh = !self.told.contains(&wait) && !self.urgent.contains_key(&container);
            told.insert(wait);
            if fresh && !window.focused {
                self.urgent.insert(container, window.clone());
                changes.push((window.clone(), true));
            }
        }
        self.told = told;
        self.urgent.retain(|container, window| {
            let waits = wanted.contains_key(container);
            if !waits {
                changes.push((window.clone(), false));
            }
            waits
        });
        changes
    }
}

fn container(session: &Session) -> Option<(Container, &WindowRef)> {
    let window = session.window.as_ref()?;
    Some(((window.manager.clone()?, window.key), window))
}

#[cfg(test)]
mod tests;
