//! Evidence becomes a verdict: state, reason, since when, and the rule that decided. Pure.
//!
//! The rules are those measured on the real CLI, first match wins. What they weigh is kept
//! beside the verdict, so that `explain` shows the same evidence and not a second opinion.

mod hook;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{
    CallNature, Evidence, FileFact, FileStatus, LastLine, Reason, State, ToolCall, TranscriptFact,
    time,
};
use crate::core::text::CleanText;

/// Where more may follow, a finished turn is believed after this long: when a background agent
/// ends or a prompt is queued, the CLI writes `idle` and 7 ms later `busy` for the next turn.
pub const SETTLE: TimeDelta = TimeDelta::milliseconds(300);

/// A tool call of a version without status that shows no running shell after this long waits
/// for permission; the shell is there within half a second.
pub const ASK_AFTER: TimeDelta = TimeDelta::milliseconds(1000);

/// A process whose inbox is open for this long and whose session has not begun is in a dialog
/// before its start (trust, login). Without a dialog it begins 0.1 s after that.
pub const START_DIALOG_AFTER: TimeDelta = TimeDelta::seconds(4);

/// A tool call of a version without status that may ask, and may run for long without a sign, is
/// believed to run for so long. Most have ended by then.
pub const UNSURE_AFTER: TimeDelta = TimeDelta::seconds(3);

/// Clocks of one machine differ by less.
const AHEAD: TimeDelta = TimeDelta::seconds(1);

/// A process of a version that writes a status file has written it after this long: it took 0.6 s,
/// once 4.7 s on a loaded machine.
pub const STARTED_AFTER: TimeDelta = TimeDelta::seconds(8);

/// How far the clock may have been off when a source wrote a time: a machine that keeps local time,
/// or was told the time after its start. What is dated further before its process began is
/// nonsense; less than this keeps the order of those that wait.
pub const CLOCKS_DIFFER: TimeDelta = TimeDelta::hours(24);

/// What decided a verdict, in words for `explain`.
pub type Rule = &'static str;

/// A session's state and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// What adds to it.
    pub reason: Option<Reason>,
    /// Since when, by the source that decided; `None` if no source has a clock for it.
    pub since: Option<DateTime<Utc>>,
    /// Whether `since` is only a sign of life from within the state: good for a session that is
    /// seen for the first time, no date of a change that was watched.
    pub vague: bool,
    /// Whether nothing is known of which more would follow at once.
    pub certain: bool,
    /// What it asks.
    pub ask: Option<CleanText>,
    /// The question or the plan alone, where it asks one.
    pub question: Option<CleanText>,
    /// The rule that decided.
    pub rule: Rule,
    /// When the same evidence may give another verdict.
    pub recheck: Option<DateTime<Utc>>,
}

impl Verdict {
    fn new(state: State, rule: Rule) -> Self {
        Self {
            state,
            rule,
            ..Self::default()
        }
    }

    fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// What it asks, as people read it.
    #[must_use]
    pub fn asked(&self) -> Option<&CleanText> {
        self.question.as_ref().or(self.ask.as_ref())
    }

    fn since(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.since = since;
        self
    }

    fn since_about(self, since: Option<DateTime<Utc>>) -> Self {
        Self {
            vague: true,
            ..self.since(since)
        }
    }

    fn recheck(mut self, at: DateTime<Utc>) -> Self {
        self.recheck = Some(at);
        self
    }

    fn asking(self, evidence: &Evidence) -> Self {
        let first = |t: &'_ Option<TranscriptFact>| t.as_ref()?.pending.first().cloned();
        let own = first(&evidence.transcript);
        // What a subagent would do says more than that there is one.
        let call = match &own {
            Some(call) if call.nature != CallNature::Subagent => own,
            _ => first(&evidence.subagent).or(own),
        };
        self.asking_for(call.as_ref())
    }

    /// What the agent's own record of a background session says, if nothing said more.
    fn or_needs(mut self, evidence: &Evidence) -> Self {
        let needs = || evidence.job.as_ref()?.ask.clone();
        self.ask = self.ask.or_else(needs);
        self
    }

    fn asking_for(mut self, call: Option<&ToolCall>) -> Self {
        match call.map(|call| call.nature) {
            Some(CallNature::Question) => self.reason = Some(Reason::Question),
            Some(CallNature::Plan) => self.reason = Some(Reason::Plan),
            _ => {}
        }
        self.ask = call.map(ToolCall::ask);
        self.question = call.and_then(ToolCall::question);
        self
    }
}

/// Judges a session by what is known of it at `now`.
#[must_use]
pub fn judge(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let verdict = decide(evidence, now);
    // It was in no state before it was there, whatever a file says. A start in the future was
    // read before the clock was set back.
    let started = evidence.process.started_at.filter(|at| *at <= now);
    let nonsense = |since: &DateTime<Utc>| {
        started.is_some_and(|started| *since < time::before(started, CLOCKS_DIFFER))
    };
    let since = match verdict.since {
        Some(since) if nonsense(&since) => started,
        since => since,
    };
    Verdict { since, ..verdict }
}

fn decide(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    if evidence.failed.is_some() {
        let rule = "reading its files failed, which is a bug of vmux";
        return Verdict::new(State::Unknown, rule).because(Reason::Unreadable);
    }
    if evidence.process.stopped {
        return Verdict::new(State::Idle, "the process is stopped (Ctrl+Z)")
            .because(Reason::Suspended);
    }
    let transcript = evidence.transcript.as_ref();
    if let Some(file) = &evidence.file
        && let Some(status) = &file.status
    {
        return by_file(file, status, evidence, now);
    }
    if let Some(verdict) = hook::judge(evidence, now) {
        return verdict;
    }
    if evidence.transcript_ambiguous {
        return Verdict::new(
            State::Unknown,
            "several conversations of its directory fit it",
        )
        .because(Reason::Ambiguous);
    }
    match transcript {
        Some(transcript) if transcript.last != LastLine::Nothing => {
            by_transcript(transcript, evidence, now)
        }
        _ => without_transcript(evidence, now),
    }
}

fn by_file(
    file: &FileFact,
    status: &FileStatus,
    evidence: &Evidence,
    now: DateTime<Utc>,
) -> Verdict {
    let transcript = evidence.transcript.as_ref();
    let verdict = match status {
        FileStatus::Waiting => return waiting(file, evidence),
        FileStatus::Busy if file.busy_lies => {
            if let Some(verdict) = hook::asks(evidence, now) {
                return verdict;
            }
            let by_transcript = transcript.map(|t| by_transcript(t, evidence, now));
            match by_transcript {
                Some(verdict)
                    if matches!(verdict.state, State::NeedsInput | State::Unknown)
                        || verdict.recheck.is_some() =>
                {
                    return verdict;
                }
                _ => {
                    let busy = Verdict::new(State::Working, "its file says busy");
                    return busy.since_about(file.status_at);
                }
            }
        }
        FileStatus::Busy if file.busy_spans_shells && only_shell_runs(file, evidence) => {
            return Verdict::new(State::Idle, "its turn ended, a shell it started runs")
                .because(Reason::BackgroundShell)
                .since(transcript.and_then(|t| t.at));
        }
        FileStatus::Busy => Verdict::new(State::Working, "its file says busy"),
        FileStatus::Idle => ended(transcript, "its file says idle"),
        FileStatus::Shell => {
            ended(transcript, "its file says shell").because(Reason::BackgroundShell)
        }
        FileStatus::Other(word) => Verdict::new(State::Unknown, "its file says an unknown word")
            .because(Reason::Other(word.clone())),
    };
    verdict.since(file.status_at)
}

/// Whether a version that says `busy` for both has ended its turn and left a shell running.
fn only_shell_runs(file: &FileFact, evidence: &Evidence) -> bool {
    let ended = evidence.transcript.as_ref().is_some_and(|t| {
        let over = matches!(
            t.last,
            LastLine::Answer | LastLine::ApiError | LastLine::Interrupted
        );
        // The end of an earlier turn says nothing of the one that the file speaks of.
        over && t.background_agents == 0 && t.at >= file.status_at
    });
    ended && evidence.tool_shell == Some(true)
}

fn waiting(file: &FileFact, evidence: &Evidence) -> Verdict {
    let verdict = Verdict::new(State::NeedsInput, "its file says waiting").since(file.status_at);
    match file.waiting_reason.clone().unwrap_or(Reason::Permission) {
        Reason::Dialog => verdict.because(Reason::Dialog),
        reason => {
            let verdict = verdict.because(reason);
            match hook::asked_for(file, evidence) {
                Some(call) => verdict.asking_for(Some(call)),
                None => verdict.asking(evidence).or_needs(evidence),
            }
        }
    }
}

/// The turn is over; the transcript may say how.
fn ended(transcript: Option<&TranscriptFact>, rule: Rule) -> Verdict {
    let verdict = Verdict {
        certain: transcript.is_some_and(|t| !t.may_go_on),
        ..Verdict::new(State::Idle, rule)
    };
    match transcript.map(|t| t.last) {
        Some(LastLine::Interrupted) => verdict.because(Reason::Interrupted),
        Some(LastLine::ApiError) => verdict.because(Reason::Error),
        _ => verdict,
    }
}

/// The verdict of a version whose files hold no status.
fn by_transcript(transcript: &TranscriptFact, evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let working = |rule| Verdict::new(State::Working, rule).since_about(transcript.at);
    match transcript.last {
        LastLine::Prompt => {
            Verdict::new(State::Working, "its transcript ends with a prompt").since(transcript.at)
        }
        LastLine::ToolResult => working("its transcript ends with a tool's result"),
        LastLine::Thinking => working("its transcript ends in the middle of an answer"),
        LastLine::ToolRuns => working("its transcript shows that the tool runs"),
        LastLine::ToolCall => {
            let subagent = evidence.subagent.as_ref();
            let asker = subagent.filter(|_| transcript.waits_for_subagent());
            by_tool_call(asker.unwrap_or(transcript), evidence, now)
        }
        LastLine::Answer if transcript.background_agents > 0 => {
            working("its turn ended, a background agent runs").because(Reason::BackgroundAgent)
        }
        LastLine::Answer | LastLine::ApiError | LastLine::Interrupted | LastLine::Nothing => {
            ended(Some(transcript), "its transcript shows the end of a turn").since(transcript.at)
        }
    }
}

/// A pending call: the tool runs, or its dialog is open. The transcript alone does not tell.
/// A subagent's call is judged by the same rules.
fn by_tool_call(transcript: &TranscriptFact, evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let asking = |rule| {
        let verdict = Verdict::new(State::NeedsInput, rule).because(Reason::Permission);
        verdict.since(transcript.at).asking(evidence)
    };
    let working = |rule| Verdict::new(State::Working, rule).since_about(transcript.at);
    if transcript.has_pending(&[CallNature::Question, CallNature::Plan]) {
        return asking("its transcript ends with a question to the user");
    }
    let called_at = transcript.at.unwrap_or(transcript.read_at);
    // A call from the future was made before the clock was set back: it is not fresh for ever.
    let is_fresh = |until| now < until && called_at <= time::after(now, AHEAD);
    if !transcript.has_pending(&[CallNature::AsksFirst]) {
        let working = working("its transcript ends with a tool call");
        let unsure_at = time::after(called_at, UNSURE_AFTER);
        // Hooks would have told of a dialog.
        return match transcript.has_pending(&[CallNature::Other]) && evidence.hook.is_none() {
            false => working,
            true if is_fresh(unsure_at) => working.recheck(unsure_at),
            true => {
                let rule = "a tool call is pending: it runs, or waits for permission";
                Verdict::new(State::Unknown, rule).since(Some(unsure_at))
            }
        };
    }
    if evidence.tool_shell == Some(true) {
        return working("a shell of its tool call runs");
    }
    let asks_at = time::after(called_at, ASK_AFTER);
    if is_fresh(asks_at) {
        return working("its transcript ends with a fresh tool call").recheck(asks_at);
    }
    asking("a tool call is pending and no shell of it runs")
}

fn without_transcript(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let started = evidence.process.started_at;
    if evidence.file.is_some() {
        // With a file but no status: 2.1.75 to 2.1.118, or the first moments of a newer one.
        return Verdict::new(State::Idle, "nothing was asked yet").since_about(started);
    }
    if let Some(opened) = evidence.process.inbox_at {
        let asks_at = time::after(opened, START_DIALOG_AFTER);
        if now < asks_at {
            return starting(started, asks_at);
        }
        let rule = "its inbox is open and its session has not begun: a dialog before the start";
        return Verdict::new(State::NeedsInput, rule)
            .because(Reason::StartDialog)
            .since(Some(opened));
    }
    if !evidence.expects_file {
        return Verdict::new(State::Idle, "no status file and no transcript").since_about(started);
    }
    let known_at = time::after(started.unwrap_or(evidence.process.read_at), STARTED_AFTER);
    if now < known_at {
        return starting(started, known_at);
    }
    // A dialog before the start, a directory that cannot be written, another program that tidied
    // up: nothing tells which.
    Verdict::new(
        State::Unknown,
        "its status file is not there, and nothing shows why",
    )
}

fn starting(since: Option<DateTime<Utc>>, until: DateTime<Utc>) -> Verdict {
    Verdict::new(State::Working, "its status file is not there yet")
        .because(Reason::Starting)
        .since(since)
        .recheck(until)
}

/// Whether what was to be held for [`SETTLE`] was: also if the clock was set back meanwhile.
fn is_due(due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now >= due || due - now > SETTLE
}

/// What is shown, after verdicts that may be blips were held back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// The verdict shown.
    pub shown: Verdict,
    /// Since when it is in this state.
    pub since: Option<DateTime<Utc>>,
    /// A verdict that will be shown at that time unless another comes.
    pub held: Option<(Verdict, DateTime<Utc>)>,
}

impl Settled {
    /// Takes the newest verdict. The end of work is held back for [`SETTLE`]; everything else
    /// shows at once.
    #[must_use]
    pub fn next(&self, fresh: Verdict, now: DateTime<Utc>) -> Self {
        let ends_work = self.shown.state == State::Working
            && self.shown.reason != Some(Reason::Starting)
            && fresh.state == State::Idle
            && !fresh.certain
            && fresh.reason != Some(Reason::Suspended);
        if !ends_work {
            return self.show(fresh, now);
        }
        let held = self.held.as_ref();
        let due = held.filter(|(held, _)| held.state == fresh.state);
        let due = due.map_or(now + SETTLE, |(_, due)| *due);
        if is_due(due, now) {
            return self.show(fresh, now);
        }
        Self {
            held: Some((fresh, due)),
            ..self.clone()
        }
    }

    fn show(&self, fresh: Verdict, now: DateTime<Utc>) -> Self {
        // A source's clock may be ahead of ours, or have jumped; nothing is since the future.
        let claimed = fresh.since.map(|since| since.min(now));
        let before = self.since.filter(|_| self.shown.state == fresh.state);
        let watched = self.since.is_some() && self.shown.state != State::Unknown;
        let since = match (claimed, before) {
            (Some(claimed), _) if !fresh.vague => claimed,
            (_, Some(before)) => before.min(now),
            (Some(claimed), None) if !watched => claimed,
            _ => now,
        };
        Self {
            shown: fresh,
            since: Some(since),
            held: None,
        }
    }

    /// Whether time alone may change what is shown, at `now`.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let held = self.held.as_ref().is_some_and(|(_, due)| is_due(*due, now));
        held || self.shown.recheck.is_some_and(|at| at <= now)
    }

    /// When to look again although no source reports anything.
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let held = self.held.as_ref().map(|(_, due)| *due);
        [held, self.shown.recheck].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
