//! What Claude Code's facts claim of a session's state. Pure.
//!
//! The rules are those measured on the real CLI, the first that fits wins. What time alone decides
//! is a claim that ends, with the next one after it.

mod hook;

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{Facts, FileFact, FileStatus, LastLine, TranscriptFact};
use crate::core::model::{CallNature, Claim, Reason, Source, State, ToolCall, time};

/// A tool call of a version without status that shows no running shell after this long waits
/// for permission; the shell is there within half a second.
pub const ASK_AFTER: TimeDelta = TimeDelta::milliseconds(1000);

/// A process whose inbox is open for this long and whose session has not begun is in a dialog
/// before its start (trust, login). Without a dialog it begins 0.1 s after that.
pub const START_DIALOG_AFTER: TimeDelta = TimeDelta::seconds(4);

/// A tool call of a version without status that may ask, and may run for long without a sign, is
/// believed to run for so long. Most have ended by then.
pub const UNSURE_AFTER: TimeDelta = TimeDelta::seconds(3);

/// A process of a version that writes a status file has written it after this long: it took 0.6 s,
/// once 4.7 s on a loaded machine.
pub const STARTED_AFTER: TimeDelta = TimeDelta::seconds(8);

/// Everything that these facts claim, the strongest first. The last holds for ever.
#[must_use]
pub fn claims(facts: &Facts) -> Vec<Claim> {
    if let Some(file) = &facts.file
        && let Some(status) = &file.status
    {
        return by_file(file, status, facts);
    }
    let mut claims: Vec<Claim> = hook::asks(facts).into_iter().collect();
    if let Some(ended) = hook::ended(facts) {
        claims.push(ended);
    } else if facts.transcript_ambiguous {
        let rule = "several conversations of its directory fit it";
        let unknown = claim(Source::Transcript, State::Unknown, rule);
        claims.push(unknown.because(Reason::Ambiguous));
    } else {
        let transcript = facts.transcript.as_ref();
        claims.extend(match transcript.filter(|t| t.last != LastLine::Nothing) {
            Some(transcript) => by_transcript(transcript, facts),
            None => without_transcript(facts),
        });
    }
    claims
}

fn claim(source: Source, state: State, rule: &'static str) -> Claim {
    Claim::new(source, state, rule)
}

/// Names what is asked: the call that is pending, or a subagent's.
fn asking(claim: Claim, facts: &Facts) -> Claim {
    let first = |t: &'_ Option<TranscriptFact>| t.as_ref()?.pending.first().cloned();
    let own = first(&facts.transcript);
    // What a subagent would do says more than that there is one.
    let call = match &own {
        Some(call) if call.nature != CallNature::Subagent => own,
        _ => first(&facts.subagent).or(own),
    };
    asking_for(claim, call.as_ref())
}

fn asking_for(mut claim: Claim, call: Option<&ToolCall>) -> Claim {
    match call.map(|call| call.nature) {
        Some(CallNature::Question) => claim.reason = Some(Reason::Question),
        Some(CallNature::Plan) => claim.reason = Some(Reason::Plan),
        _ => {}
    }
    claim.asking(call.map(ToolCall::ask), call.and_then(ToolCall::question))
}

fn by_file(file: &FileFact, status: &FileStatus, facts: &Facts) -> Vec<Claim> {
    let transcript = facts.transcript.as_ref();
    let says = |state, rule| claim(Source::File, state, rule);
    let claim = match status {
        FileStatus::Waiting => return vec![waiting(file, facts)],
        FileStatus::Busy if file.busy_lies => return by_lying_file(file, facts),
        FileStatus::Busy if file.busy_spans_shells && only_shell_runs(file, facts) => {
            let rule = "its turn ended, a shell it started runs";
            let idle = claim(Source::Transcript, State::Idle, rule);
            let idle = idle.because(Reason::BackgroundShell);
            return vec![idle.since(transcript.and_then(|t| t.at))];
        }
        FileStatus::Busy => says(State::Working, "its file says busy"),
        FileStatus::Idle => ended(transcript, says(State::Idle, "its file says idle")),
        FileStatus::Shell => ended(transcript, says(State::Idle, "its file says shell"))
            .because(Reason::BackgroundShell),
        FileStatus::Other(word) => says(State::Unknown, "its file says an unknown word")
            .because(Reason::Other(word.clone())),
    };
    vec![claim.since(file.status_at)]
}

/// A version that says `busy` while a dialog is open: what tells of one is stronger.
fn by_lying_file(file: &FileFact, facts: &Facts) -> Vec<Claim> {
    let mut claims: Vec<Claim> = hook::asks(facts).into_iter().collect();
    let transcript = facts.transcript.as_ref();
    let told = transcript.map(|t| by_transcript(t, facts));
    claims.extend(told.into_iter().flatten().filter(|claim| {
        let asks = matches!(claim.state, State::NeedsInput | State::Unknown);
        asks || claim.until.is_some()
    }));
    let busy = claim(Source::File, State::Working, "its file says busy");
    claims.push(busy.since_about(file.status_at));
    claims
}

/// Whether a version that says `busy` for both has ended its turn and left a shell running.
fn only_shell_runs(file: &FileFact, facts: &Facts) -> bool {
    let ended = facts.transcript.as_ref().is_some_and(|t| {
        let over = matches!(
            t.last,
            LastLine::Answer | LastLine::ApiError | LastLine::Interrupted
        );
        // The end of an earlier turn says nothing of the one that the file speaks of.
        over && t.background_agents == 0 && t.at >= file.status_at
    });
    ended && facts.tool_shell == Some(true)
}

fn waiting(file: &FileFact, facts: &Facts) -> Claim {
    let waits = claim(Source::File, State::NeedsInput, "its file says waiting");
    let waits = waits.since(file.status_at);
    match file.waiting_reason.clone().unwrap_or(Reason::Permission) {
        Reason::Dialog => waits.because(Reason::Dialog),
        reason => {
            let waits = waits.because(reason);
            if let Some(call) = hook::asked_for(file, facts) {
                return asking_for(waits, Some(call));
            }
            let mut waits = asking(waits, facts);
            // The agent's own record of a background session, if nothing said more.
            let needs = || facts.job.as_ref()?.ask.clone();
            waits.ask = waits.ask.or_else(needs);
            waits
        }
    }
}

/// The turn is over; the transcript may say how.
fn ended(transcript: Option<&TranscriptFact>, idle: Claim) -> Claim {
    let idle = Claim {
        certain: transcript.is_some_and(|t| !t.may_go_on),
        ..idle
    };
    match transcript.map(|t| t.last) {
        Some(LastLine::Interrupted) => idle.because(Reason::Interrupted),
        Some(LastLine::ApiError) => idle.because(Reason::Error),
        _ => idle,
    }
}

/// What a transcript claims, where no file holds a status.
fn by_transcript(transcript: &TranscriptFact, facts: &Facts) -> Vec<Claim> {
    let says = |state, rule| claim(Source::Transcript, state, rule);
    let working = |rule| says(State::Working, rule).since_about(transcript.at);
    vec![match transcript.last {
        LastLine::Prompt => {
            says(State::Working, "its transcript ends with a prompt").since(transcript.at)
        }
        LastLine::ToolResult => working("its transcript ends with a tool's result"),
        LastLine::Thinking => working("its transcript ends in the middle of an answer"),
        LastLine::ToolRuns => working("its transcript shows that the tool runs"),
        LastLine::ToolCall => {
            let subagent = facts.subagent.as_ref();
            let asker = subagent.filter(|_| transcript.waits_for_subagent());
            return by_tool_call(asker.unwrap_or(transcript), facts);
        }
        LastLine::Answer if transcript.background_agents > 0 => {
            working("its turn ended, a background agent runs").because(Reason::BackgroundAgent)
        }
        LastLine::Answer | LastLine::ApiError | LastLine::Interrupted | LastLine::Nothing => {
            let idle = says(State::Idle, "its transcript shows the end of a turn");
            ended(Some(transcript), idle).since(transcript.at)
        }
    }]
}

/// A pending call: the tool runs, or its dialog is open. The transcript alone does not tell.
/// A subagent's call is judged by the same rules.
fn by_tool_call(transcript: &TranscriptFact, facts: &Facts) -> Vec<Claim> {
    let says = |state, rule| claim(Source::Transcript, state, rule);
    let asks = |rule| {
        let asks = says(State::NeedsInput, rule).because(Reason::Permission);
        asking(asks.since(transcript.at), facts)
    };
    let working = |rule| says(State::Working, rule).since_about(transcript.at);
    if transcript.has_pending(&[CallNature::Question, CallNature::Plan]) {
        return vec![asks("its transcript ends with a question to the user")];
    }
    let called_at = transcript.at.unwrap_or(transcript.read_at);
    // A call from the future was made before the clock was set back: it is not fresh for ever.
    let fresh = |rule, until| working(rule).since_about(Some(called_at)).until(until);
    if !transcript.has_pending(&[CallNature::AsksFirst]) {
        let rule = "its transcript ends with a tool call";
        // Hooks would have told of a dialog.
        if !transcript.has_pending(&[CallNature::Other]) || facts.hook.is_some() {
            return vec![working(rule)];
        }
        let unsure_at = time::after(called_at, UNSURE_AFTER);
        let unsure = "a tool call is pending: it runs, or waits for permission";
        let unsure = says(State::Unknown, unsure).since(Some(unsure_at));
        return vec![fresh(rule, unsure_at), unsure];
    }
    if facts.tool_shell == Some(true) {
        return vec![working("a shell of its tool call runs")];
    }
    let rule = "its transcript ends with a fresh tool call";
    vec![
        fresh(rule, time::after(called_at, ASK_AFTER)),
        asks("a tool call is pending and no shell of it runs"),
    ]
}

fn without_transcript(facts: &Facts) -> Vec<Claim> {
    let started = facts.process.started_at;
    let says = |state, rule| claim(Source::Process, state, rule);
    if facts.file.is_some() {
        // With a file but no status: 2.1.75 to 2.1.118, or the first moments of a newer one.
        let idle = claim(Source::File, State::Idle, "nothing was asked yet");
        return vec![idle.since_about(started)];
    }
    if let Some(opened) = facts.inbox_at {
        let rule = "its inbox is open and its session has not begun: a dialog before the start";
        let dialog = says(State::NeedsInput, rule).because(Reason::StartDialog);
        let asks_at = time::after(opened, START_DIALOG_AFTER);
        return vec![starting(started, asks_at), dialog.since(Some(opened))];
    }
    if !facts.expects_file {
        let idle = says(State::Idle, "no status file and no transcript");
        return vec![idle.since_about(started)];
    }
    let known_at = time::after(started.unwrap_or(facts.process.read_at), STARTED_AFTER);
    // A dialog before the start, a directory that cannot be written, another program that tidied
    // up: nothing tells which.
    let rule = "its status file is not there, and nothing shows why";
    vec![starting(started, known_at), says(State::Unknown, rule)]
}

fn starting(since: Option<DateTime<Utc>>, until: DateTime<Utc>) -> Claim {
    claim(
        Source::Process,
        State::Working,
        "its status file is not there yet",
    )
    .because(Reason::Starting)
    .since(since)
    .until(until)
}

#[cfg(test)]
mod tests;
