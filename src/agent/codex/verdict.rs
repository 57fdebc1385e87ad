//! What Codex's facts claim of a session's state. Pure.
//!
//! The app-server's own word comes first. Without it a call that was written may run or ask: a
//! shell of it, or its absence for a second, tells.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::pairing::FIRST_WITHIN;
use super::rollout::{Last, Rollout};
use super::rpc::{Flag, Status};
use crate::core::model::{CallNature, Claim, Reason, Source, State, ToolCall, time};
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
}

/// Everything that these facts claim, the strongest first.
#[must_use]
pub fn claims(facts: &Facts) -> Vec<Claim> {
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
mod tests {
    use super::*;
    use crate::core::model::Evidence;
    use crate::core::verdict::judge;

    fn at(seconds: i64) -> DateTime<Utc> {
        time::from_seconds(1_795_865_000 + seconds).unwrap()
    }

    fn call(name: &str, nature: CallNature) -> ToolCall {
        ToolCall {
            name: CleanText::line(name),
            summary: CleanText::line("x"),
            nature,
            ..ToolCall::default()
        }
    }

    fn rollout(last: Last, pending: Vec<ToolCall>) -> Rollout {
        Rollout {
            last,
            pending,
            at: Some(at(0)),
            turn_at: Some(at(0)),
            ..Rollout::default()
        }
    }

    /// State, reason and what is asked, so many seconds later.
    fn judged(facts: &Facts, seconds: i64) -> (State, Option<String>, Option<String>) {
        let evidence = Evidence {
            claims: claims(facts),
            ..Evidence::default()
        };
        let verdict = judge(&evidence, at(seconds));
        assert!(!verdict.rule.is_empty());
        let reason = verdict.reason.map(|reason| reason.as_str().to_owned());
        (
            verdict.state,
            reason,
            verdict.ask.map(|ask| ask.to_string()),
        )
    }

    fn served(status: Status, rollout: Option<Rollout>) -> Facts {
        Facts {
            runs: Runs::Server,
            thread: Some(ThreadFact {
                status,
                since: Some(at(0)),
                vague: false,
            }),
            rollout,
            ..Facts::default()
        }
    }

    fn holds(facts: &Facts, seconds: i64, state: State, reason: &str, ask: &str) {
        let (found, why, asked) = judged(facts, seconds);
        let words = (why.unwrap_or_default(), asked.unwrap_or_default());
        assert_eq!(
            (found, &*words.0, &*words.1),
            (state, reason, ask),
            "{facts:?}"
        );
    }

    #[test]
    fn the_app_servers_word_decides() {
        use State::{Idle, NeedsInput, Unknown, Working};
        let shell = || {
            Some(rollout(
                Last::Call,
                vec![call("Shell", CallNature::AsksFirst)],
            ))
        };
        let asks = || Some(rollout(Last::Call, vec![call("ask", CallNature::Question)]));
        let tea = || CleanText::line("tea");
        let active = |flag| Status::Active(vec![flag]);
        let (prompt, why) = ("permission prompt", "question");
        for (status, rollout, state, reason, ask) in [
            (Status::Idle, None, Idle, "", ""),
            (Status::Idle, shell(), Idle, "", ""),
            (Status::SystemError, None, Idle, "error", ""),
            (Status::Active(vec![]), shell(), Working, "", ""),
            (
                active(Flag::Approval),
                shell(),
                NeedsInput,
                prompt,
                "Shell(x)",
            ),
            (active(Flag::Approval), None, NeedsInput, prompt, ""),
            (active(Flag::UserInput), asks(), NeedsInput, why, "ask(x)"),
            (active(Flag::Unknown(tea())), None, Unknown, "tea", ""),
            (Status::Unknown(tea()), None, Unknown, "tea", ""),
            (Status::NotLoaded, None, Unknown, "", ""),
        ] {
            holds(&served(status, rollout), 1, state, reason, ask);
        }
        let doubt = Facts {
            ambiguous: true,
            ..served(Status::Idle, None)
        };
        holds(&doubt, 1, Unknown, "ambiguous", "");
    }

    #[test]
    fn the_rollout_says_how_a_turn_ended() {
        let plan = Rollout {
            plan: Some(CleanText::line("Plan")),
            ..rollout(Last::Answer, Vec::new())
        };
        let over = served(Status::Idle, Some(plan));
        holds(&over, 1, State::NeedsInput, "dialog", "Plan");
        let stopped = served(Status::Idle, Some(rollout(Last::Interrupted, Vec::new())));
        holds(&stopped, 1, State::Idle, "interrupted", "");
    }

    #[test]
    fn without_an_app_server_the_rollout_decides() {
        use State::{Idle, NeedsInput, Unknown, Working};
        let prompt = "permission prompt";
        let shell = || vec![call("Shell", CallNature::AsksFirst)];
        let other = || vec![call("mcp", CallNature::Other)];
        let asks = || vec![call("ask", CallNature::Question)];
        let free = || vec![call("update_plan", CallNature::Free)];
        for (last, pending, child, seconds, state, reason, ask) in [
            (Last::Prompt, vec![], false, 9, Working, "", ""),
            (Last::Call, shell(), true, 9, Working, "", ""),
            (Last::Call, shell(), false, 0, Working, "", ""),
            (
                Last::Call,
                shell(),
                false,
                1,
                NeedsInput,
                prompt,
                "Shell(x)",
            ),
            (Last::Call, other(), false, 1, Working, "", ""),
            (Last::Call, other(), false, 9, Unknown, "", ""),
            (
                Last::Call,
                asks(),
                false,
                0,
                NeedsInput,
                "question",
                "ask(x)",
            ),
            (Last::Call, free(), false, 9, Working, "", ""),
            (Last::Result, vec![], false, 9, Working, "", ""),
            (Last::Answer, vec![], false, 9, Idle, "", ""),
            (Last::Failure, vec![], false, 9, Idle, "error", ""),
            (Last::Interrupted, vec![], false, 9, Idle, "interrupted", ""),
        ] {
            let facts = Facts {
                rollout: Some(rollout(last, pending)),
                child,
                ..Facts::default()
            };
            holds(&facts, seconds, state, reason, ask);
        }
        holds(&Facts::default(), 9, Idle, "", "");
        let unheard = Facts {
            runs: Runs::Unheard,
            ..Facts::default()
        };
        holds(&unheard, 9, Unknown, "", "");
    }

    #[test]
    fn one_that_has_not_begun_is_starting_for_a_while() {
        let facts = Facts {
            runs: Runs::Server,
            started_at: Some(at(0)),
            ..Facts::default()
        };
        assert_eq!(judged(&facts, 3).1.as_deref(), Some("starting"));
        assert_eq!(judged(&facts, 60).0, State::Unknown);
    }
}
