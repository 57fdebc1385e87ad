//! What Codex's facts claim of a session's state. Pure.
//!
//! The app-server's own word comes first. Without it a call that was written may run or ask: the
//! title of its terminal tells; else a shell of it, or its absence for a second.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::agent::codex::pairing::FIRST_WITHIN;
use crate::agent::codex::rollout::{Last, Rollout};
use crate::agent::codex::rpc::{Flag, Status};
use crate::core::model::{CallNature, Claim, Reason, Source, State, TitleFact, ToolCall, time};
use crate::core::text::CleanText;

/// A call of a shell that shows no process after this long waits for permission: a sandbox runs
/// 30 ms after its call, on a loaded machine 300.
pub const ASK_AFTER: TimeDelta = TimeDelta::milliseconds(1000);

/// A call of another tool, which shows no process, is believed to run for so long.
pub const UNSURE_AFTER: TimeDelta = TimeDelta::seconds(3);

/// Who runs a session's conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// Its own process: it holds its rollout open.
    #[default]
    Itself,
    /// The app-server, which tells its state.
    Server,
    /// The app-server, which cannot be asked.
    Unheard,
}

/// What the app-server says of a session's conversation.
#[derive(Clone, PartialEq, Debug)]
pub struct ThreadFact {
    /// What it does.
    pub status: Status,
    /// Since when, by its own clock.
    pub since: Option<DateTime<Utc>>,
    /// Whether `since` is only a sign of life.
    pub vague: bool,
}

/// All that the claims are made of.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// Who runs its conversation.
    pub runs: Runs,
    /// Several conversations fit, and nothing tells which is its own.
    pub ambiguous: bool,
    /// What the app-server says.
    pub thread: Option<ThreadFact>,
    /// Where its rollout stands, once it has one.
    pub rollout: Option<Rollout>,
    /// Whether a process that was started since the pending call runs beneath the session.
    pub child: bool,
    /// When its process began.
    pub started_at: Option<DateTime<Utc>>,
    /// What the title of its terminal says.
    pub title: Option<TitleFact>,
}

/// Everything that these facts claim, the strongest first. A title comes before a guess and before
/// not knowing, and behind all else.
#[must_use]
pub fn claims(facts: &Facts) -> Vec<Claim> {
    let mut claims = untitled(facts);
    let at = weak(facts, &claims).unwrap_or(claims.len());
    claims.splice(at..at, by_title(facts));
    claims
}

/// Whether its app-server takes an answer to what it asks. A menu of the terminal is none.
#[must_use]
pub fn asks_through(facts: &Facts) -> bool {
    let status = facts.thread.as_ref().map(|thread| &thread.status);
    let asks = |flag: &Flag| matches!(flag, Flag::Approval | Flag::UserInput);
    !facts.ambiguous && matches!(status, Some(Status::Active(flags)) if flags.iter().any(asks))
}

/// Whether a title would tell more than these facts do.
#[must_use]
pub fn wants_title(facts: &Facts) -> bool {
    weak(facts, &untitled(facts)).is_some()
}

/// The first of these claims that a title is better than.
fn weak(facts: &Facts, claims: &[Claim]) -> Option<usize> {
    let calls = facts.rollout.as_ref().map(|rollout| rollout.last) == Some(Last::Call);
    let guesses = facts.thread.is_none() && facts.runs == Runs::Itself && calls;
    let weak = |claim: &Claim| {
        claim.state == State::Unknown || guesses && claim.reason != Some(Reason::Question)
    };
    claims.iter().position(weak)
}

fn by_title(facts: &Facts) -> Option<Claim> {
    let title = facts.title.as_ref()?;
    let call = facts.rollout.as_ref().filter(|r| r.last == Last::Call);
    let claim = match title.says? {
        State::NeedsInput => {
            let rule = "the title of its terminal says that it needs an answer";
            let asks = |call: &&ToolCall| call.nature != CallNature::Free;
            let call = call.and_then(|r| r.pending.iter().rev().find(asks));
            let claim = Claim::new(Source::Title, State::NeedsInput, rule);
            match call {
                Some(call) if call.nature == CallNature::Question => claim
                    .because(Reason::Question)
                    .asking(Some(call.ask()), call.question()),
                Some(call) => claim
                    .because(Reason::Permission)
                    .asking(Some(call.ask()), None),
                None => claim.because(Reason::Dialog),
            }
        }
        state => Claim::new(Source::Title, state, "the title of its terminal says so"),
    };
    let claim = Claim {
        until: title.until,
        ..claim
    };
    Some(match title.until {
        None => claim.since(Some(title.at)),
        Some(_) => claim.since_about(call.and_then(|rollout| rollout.at)),
    })
}

fn untitled(facts: &Facts) -> Vec<Claim> {
    if facts.ambiguous {
        let rule = "several conversations of its directory fit it";
        return vec![Claim::new(Source::Socket, State::Unknown, rule).because(Reason::Ambiguous)];
    }
    if let Some(thread) = &facts.thread {
        return vec![by_thread(thread, facts.rollout.as_ref())];
    }
    match (&facts.rollout, facts.runs) {
        (_, Runs::Unheard) => {
            let rule = "its app-server does not answer";
            vec![Claim::new(Source::Socket, State::Unknown, rule)]
        }
        (Some(rollout), Runs::Itself) if rollout.last != Last::Nothing => {
            by_rollout(rollout, facts.child)
        }
        (_, Runs::Itself) => {
            let rule = "it has no rollout yet: nothing was asked";
            vec![Claim::new(Source::Process, State::Idle, rule).since_about(facts.started_at)]
        }
        (_, Runs::Server) => not_begun(facts.started_at),
    }
}

/// The app-server knows no conversation of it.
fn not_begun(started_at: Option<DateTime<Utc>>) -> Vec<Claim> {
    let rule = "the app-server knows no conversation of it yet";
    let starts = started_at.map(|started| {
        Claim::new(Source::Socket, State::Working, rule)
            .because(Reason::Starting)
            .since(started_at)
            .until(time::after(started, FIRST_WITHIN))
    });
    // A dialog before the start, another server (`--remote`): nothing tells which.
    let rule = "the app-server knows no conversation of it, and nothing shows why";
    let unknown = Claim::new(Source::Socket, State::Unknown, rule);
    starts.into_iter().chain([unknown]).collect()
}

fn by_thread(thread: &ThreadFact, rollout: Option<&Rollout>) -> Claim {
    let claim = |state, rule| {
        let claim = Claim::new(Source::Socket, state, rule);
        match thread.vague {
            true => claim.since_about(thread.since),
            false => claim.since(thread.since),
        }
    };
    match &thread.status {
        Status::Active(flags) => by_flags(flags, rollout, claim),
        Status::Idle => {
            let ended = rollout.map(|rollout| (rollout.last, &rollout.plan));
            if let Some((Last::Answer, Some(plan))) = ended {
                let rule = "its turn ended with a plan, which a menu offers to carry out";
                let ask = plan.clone().some();
                let menu = claim(State::NeedsInput, rule).because(Reason::Dialog);
                return menu.asking(ask.clone(), ask);
            }
            let idle = Claim {
                certain: true,
                ..claim(State::Idle, "the app-server says idle")
            };
            match ended {
                Some((Last::Interrupted, _)) => idle.because(Reason::Interrupted),
                _ => idle,
            }
        }
        Status::SystemError => Claim {
            certain: true,
            ..claim(
                State::Idle,
                "the app-server says that the model's API failed",
            )
        }
        .because(Reason::Error),
        Status::NotLoaded | Status::Untold => {
            claim(State::Unknown, "the app-server says nothing of its state")
        }
        Status::Unknown(word) => claim(State::Unknown, "the app-server says an unknown word")
            .because(Reason::Other(word.clone())),
    }
}

fn by_flags(
    flags: &[Flag],
    rollout: Option<&Rollout>,
    claim: impl Fn(State, &'static str) -> Claim,
) -> Claim {
    let pending = rollout.map_or(&[][..], |rollout| &rollout.pending);
    let unknown = flags.iter().find_map(|flag| match flag {
        Flag::Unknown(word) => Some(word.clone()),
        Flag::Approval | Flag::UserInput => None,
    });
    if flags.contains(&Flag::Approval) {
        let rule = "the app-server says that it waits for an approval";
        // Of several calls the last that was written is the one that is asked for.
        let call = pending
            .iter()
            .rev()
            .find(|call| call.nature != CallNature::Question);
        let asking = claim(State::NeedsInput, rule).because(Reason::Permission);
        return asking.asking(call.map(ToolCall::ask), None);
    }
    if flags.contains(&Flag::UserInput) {
        let rule = "the app-server says that it waits for an answer";
        return question(claim(State::NeedsInput, rule), pending);
    }
    match unknown {
        Some(word) => claim(
            State::Unknown,
            "the app-server says that it waits for an unknown thing",
        )
        .because(Reason::Other(word)),
        None => claim(State::Working, "the app-server says active"),
    }
}

fn question(claim: Claim, pending: &[ToolCall]) -> Claim {
    let call = pending
        .iter()
        .find(|call| call.nature == CallNature::Question);
    let asks = call.and_then(ToolCall::question);
    claim
        .because(Reason::Question)
        .asking(call.map(ToolCall::ask), asks)
}

/// A process that runs its own conversation: its rollout tells, but for a call.
fn by_rollout(rollout: &Rollout, child: bool) -> Vec<Claim> {
    let claim = |state, rule| Claim::new(Source::Transcript, state, rule);
    let working = |rule| claim(State::Working, rule).since_about(rollout.at);
    let ended = |rule| Claim {
        certain: true,
        ..claim(State::Idle, rule).since(rollout.at)
    };
    let one = match rollout.last {
        Last::Prompt => {
            claim(State::Working, "its rollout ends with a prompt").since(rollout.turn_at)
        }
        Last::Text => working("its rollout ends in the middle of an answer"),
        Last::Result => working("its rollout ends with a tool's result"),
        Last::Call => return by_call(rollout, child),
        Last::Answer => match &rollout.plan {
            Some(plan) => {
                let rule = "its turn ended with a plan, which a menu offers to carry out";
                let menu = claim(State::NeedsInput, rule).since(rollout.at);
                let ask = plan.clone().some();
                menu.because(Reason::Dialog).asking(ask.clone(), ask)
            }
            None => ended("its rollout shows the end of a turn"),
        },
        Last::Failure => {
            ended("its rollout shows that the model's API failed").because(Reason::Error)
        }
        Last::Interrupted => {
            ended("its rollout shows that the turn was interrupted").because(Reason::Interrupted)
        }
        Last::Nothing => return Vec::new(),
    };
    vec![one]
}

fn by_call(rollout: &Rollout, child: bool) -> Vec<Claim> {
    let claim = |state, rule| Claim::new(Source::Transcript, state, rule);
    let working = |rule| claim(State::Working, rule).since_about(rollout.at);
    let asks = |nature| rollout.pending.iter().any(|call| call.nature == nature);
    if asks(CallNature::Question) {
        let rule = "its rollout ends with a question";
        return vec![question(
            claim(State::NeedsInput, rule).since(rollout.at),
            &rollout.pending,
        )];
    }
    if child {
        return vec![working("a process of its tool call runs")];
    }
    let Some(called) = rollout.at else {
        return vec![claim(
            State::Unknown,
            "a tool call without a time is pending",
        )];
    };
    if asks(CallNature::AsksFirst) {
        let asked = time::after(called, ASK_AFTER);
        let fresh = working("its rollout ends with a fresh tool call").until(asked);
        let call = rollout
            .pending
            .iter()
            .rev()
            .find(|call| call.nature == CallNature::AsksFirst);
        let rule = "inferred: a tool call is pending and no process of it runs";
        let asking = claim(State::NeedsInput, rule).because(Reason::Permission);
        return vec![
            fresh,
            asking
                .since(rollout.at)
                .asking(call.map(ToolCall::ask), None),
        ];
    }
    let unsure = time::after(called, UNSURE_AFTER);
    let rule = "a tool call is pending: it runs, or waits for permission";
    match asks(CallNature::Other) {
        true => vec![
            working("its rollout ends with a fresh tool call").until(unsure),
            claim(State::Unknown, rule).since(Some(unsure)),
        ],
        false => vec![working("its rollout ends with a tool call")],
    }
}

/// What is printed of the rollout for `explain`.
#[derive(Serialize)]
pub struct RolloutFact<'a> {
    /// Its last significant line.
    pub last: Last,
    /// That line's time.
    pub at: Option<DateTime<Utc>>,
    /// Calls that wait for their results.
    pub pending: &'a [ToolCall],
    /// A plan that is offered.
    pub plan: Option<&'a CleanText>,
    /// Lines that could not be read.
    pub broken: u32,
}

#[cfg(test)]
mod tests;
