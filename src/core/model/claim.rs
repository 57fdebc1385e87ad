//! What one source says of a session's state.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Reason, State};
use crate::core::text::CleanText;

/// Where a claim comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// What the operating system tells of the process.
    #[default]
    Process,
    /// The agent's own word on its state, in a file.
    File,
    /// The lines of the conversation.
    Transcript,
    /// A hook.
    Hook,
    /// The title of its terminal.
    Title,
    /// The agent's own word on its state, through a socket.
    Socket,
    /// The program's own word on its state, to the terminal that a holder keeps for it.
    Terminal,
}

impl Source {
    /// The word that `explain` prints.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::File => "file",
            Self::Transcript => "transcript",
            Self::Hook => "hook",
            Self::Title => "title",
            Self::Socket => "socket",
            Self::Terminal => "terminal",
        }
    }
}

/// What one source says of a session, in force from `from` until before `until`. Its agent makes
/// it; the verdict only weighs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Claim {
    /// Who says so.
    pub source: Source,
    /// The state.
    pub state: State,
    /// What adds to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Since when, by the source's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Whether `since` only shows that the session was in this state by then. That is good enough
    /// for a session seen for the first time, but it does not date a change that vmux watched.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub vague: bool,
    /// Whether nothing is known that would start more work at once, such as a queued prompt.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub certain: bool,
    /// What it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<CleanText>,
    /// The question or the plan alone, where it asks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<CleanText>,
    /// What makes it so, in words.
    pub rule: &'static str,
    /// It counts from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// It counts no longer at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Claim {
    /// A claim that holds for ever, unless another one is made.
    #[must_use]
    pub fn new(source: Source, state: State, rule: &'static str) -> Self {
        Self {
            source,
            state,
            rule,
            ..Self::default()
        }
    }

    /// With what adds to the state.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// With the time of the change into this state.
    #[must_use]
    pub fn since(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.since = since;
        self
    }

    /// With a time from within this state.
    #[must_use]
    pub fn since_about(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.vague = true;
        self.since(since)
    }

    /// In force until before this time.
    #[must_use]
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until);
        self
    }

    /// What it asks: the call that is pending.
    #[must_use]
    pub fn asking(mut self, ask: Option<CleanText>, question: Option<CleanText>) -> Self {
        (self.ask, self.question) = (ask, question);
        self
    }
}
