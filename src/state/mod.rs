//! Evidence becomes a verdict: state, reason, since when, and the rule that decided. Pure.
//!
//! The rules are those measured on the real CLI, first match wins. What they weigh is kept
//! beside the verdict, so that `explain` shows the same evidence and not a second opinion.

mod hook;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{
    CallNature, Evidence, FileFact, FileStatus, LastLine, Reason, State, ToolCall, TranscriptFact,
};
use crate::text::CleanText;

/// A finished turn is believed after this long: when a background agent ends, the CLI writes
/// `idle` and 7 ms later `busy` for the turn that follows.
pub const SETTLE: TimeDelta = TimeDelta::milliseconds(300);

/// A tool call of a version without status that shows no running shell after this long waits
/// for permission; the shell is there within half a second.
pub const ASK_AFTER: TimeDelta = TimeDelta::milliseconds(1000);

/// A process of a version that writes a status file, but has none after this long, is in a
/// dialog before its start (trust, login). Creation took 0.6 s, once 4.7 s on a loaded machine.
pub const START_DIALOG_AFTER: TimeDelta = TimeDelta::seconds(8);

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
    /// What it asks.
    pub ask: Option<CleanText>,
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

    fn asking_for(mut self, call: Option<&ToolCall>) -> Self {
        match call.map(|call| call.nature) {
            Some(CallNature::Question) => self.reason = Some(Reason::Question),
            Some(CallNature::Plan) => self.reason = Some(Reason::Plan),
            _ => {}
        }
        self.ask = call.map(ToolCall::ask);
        self
    }
}

/// Judges a session by what is known of it at `now`.
#[must_use]
pub fn judge(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
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
        return Verdict::new(State::Unknown, "several transcripts fit this process")
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
                    if verdict.state == State::NeedsInput || verdict.recheck.is_some() =>
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
            Verdict::new(State::Idle, "its file says shell").because(Reason::BackgroundShell)
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
                None => verdict.asking(evidence),
            }
        }
    }
}

/// The turn is over; the transcript may say how.
fn ended(transcript: Option<&TranscriptFact>, rule: Rule) -> Verdict {
    let verdict = Verdict::new(State::Idle, rule);
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
    if !transcript.has_pending(&[CallNature::AsksFirst]) {
        return working("its transcript ends with a tool call");
    }
    if evidence.tool_shell == Some(true) {
        return working("a shell of its tool call runs");
    }
    let asks_at = transcript.at.unwrap_or(transcript.read_at) + ASK_AFTER;
    if now < asks_at {
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
    if !evidence.expects_file {
        return Verdict::new(State::Idle, "no status file and no transcript").since_about(started);
    }
    let asks_at = started.unwrap_or(evidence.process.read_at) + START_DIALOG_AFTER;
    if now < asks_at {
        return Verdict::new(State::Working, "its status file is not there yet")
            .because(Reason::Starting)
            .since(started)
            .recheck(asks_at);
    }
    Verdict::new(
        State::NeedsInput,
        "its status file never came: a dialog before the start",
    )
    .because(Reason::StartDialog)
    .since(started)
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
            && fresh.reason != Some(Reason::Suspended);
        if !ends_work {
            return self.show(fresh, now);
        }
        let due = match &self.held {
            Some((held, due)) if held.state == fresh.state => (*due).min(now + SETTLE),
            _ => now + SETTLE,
        };
        if now >= due {
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
            (_, Some(before)) => before,
            (Some(claimed), None) if !watched => claimed,
            _ => now,
        };
        Self {
            shown: fresh,
            since: Some(since),
            held: None,
        }
    }

    /// When to look again although no source reports anything.
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let held = self.held.as_ref().map(|(_, due)| *due);
        [held, self.shown.recheck].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProcessFact;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_164_500_000 + ms).unwrap()
    }

    fn call(name: &str, nature: CallNature) -> ToolCall {
        ToolCall {
            id: "t1".into(),
            name: CleanText::line(name),
            summary: CleanText::line("cargo test"),
            nature,
            at: None,
        }
    }

    fn with_file(status: FileStatus) -> Evidence {
        let file = FileFact {
            status: Some(status),
            status_at: Some(at(0)),
            ..FileFact::default()
        };
        Evidence {
            file: Some(file),
            ..Evidence::default()
        }
    }

    fn with_transcript(last: LastLine, pending: Vec<ToolCall>) -> Evidence {
        let transcript = TranscriptFact {
            last,
            pending,
            at: Some(at(0)),
            ..TranscriptFact::default()
        };
        Evidence {
            transcript: Some(transcript),
            ..Evidence::default()
        }
    }

    fn states(evidence: &Evidence, ms: i64) -> (State, Option<Reason>) {
        let verdict = judge(evidence, at(ms));
        (verdict.state, verdict.reason)
    }

    #[test]
    fn the_status_file_decides_where_there_is_one() {
        for (status, want) in [
            (FileStatus::Busy, (State::Working, None)),
            (
                FileStatus::Waiting,
                (State::NeedsInput, Some(Reason::Permission)),
            ),
            (FileStatus::Idle, (State::Idle, None)),
            (
                FileStatus::Shell,
                (State::Idle, Some(Reason::BackgroundShell)),
            ),
        ] {
            assert_eq!(states(&with_file(status), 0), want);
        }
        let word = CleanText::line("dreaming");
        let unknown = with_file(FileStatus::Other(word.clone()));
        assert_eq!(
            states(&unknown, 0),
            (State::Unknown, Some(Reason::Other(word)))
        );
    }

    #[test]
    fn a_wait_names_what_it_asks() {
        let mut evidence = with_file(FileStatus::Waiting);
        evidence.transcript = with_transcript(
            LastLine::ToolCall,
            vec![call("Bash", CallNature::AsksFirst)],
        )
        .transcript;
        let verdict = judge(&evidence, at(0));
        assert_eq!(verdict.ask.unwrap().as_str(), "Bash(cargo test)");
        evidence.file.as_mut().unwrap().waiting_reason = Some(Reason::Dialog);
        assert_eq!(judge(&evidence, at(0)).ask, None, "a menu asks nothing");
    }

    #[test]
    fn a_stopped_process_is_idle_whatever_its_file_says() {
        let mut evidence = with_file(FileStatus::Busy);
        evidence.process = ProcessFact {
            stopped: true,
            ..ProcessFact::default()
        };
        assert_eq!(states(&evidence, 0), (State::Idle, Some(Reason::Suspended)));
    }

    #[test]
    fn without_a_status_a_pending_tool_asks_once_its_shell_should_run() {
        let bash = || vec![call("Bash", CallNature::AsksFirst)];
        let fresh = with_transcript(LastLine::ToolCall, bash());
        assert_eq!(states(&fresh, 999).0, State::Working);
        assert_eq!(judge(&fresh, at(999)).recheck, Some(at(1000)));
        assert_eq!(
            states(&fresh, 1000),
            (State::NeedsInput, Some(Reason::Permission))
        );
        let running = Evidence {
            tool_shell: Some(true),
            ..with_transcript(LastLine::ToolCall, bash())
        };
        assert_eq!(states(&running, 9000).0, State::Working);
        let agent = with_transcript(LastLine::ToolCall, vec![call("Task", CallNature::Other)]);
        assert_eq!(states(&agent, 90_000).0, State::Working);
        let question = with_transcript(LastLine::ToolCall, vec![call("Ask", CallNature::Question)]);
        assert_eq!(
            states(&question, 0),
            (State::NeedsInput, Some(Reason::Question))
        );
    }

    #[test]
    fn two_versions_that_hide_their_dialogs_are_seen_through() {
        let mut evidence = with_file(FileStatus::Busy);
        evidence.file.as_mut().unwrap().busy_lies = true;
        assert_eq!(states(&evidence, 0).0, State::Working);
        evidence.transcript = with_transcript(
            LastLine::ToolCall,
            vec![call("Bash", CallNature::AsksFirst)],
        )
        .transcript;
        assert_eq!(judge(&evidence, at(10)).recheck, Some(at(1000)));
        assert_eq!(
            states(&evidence, 1000),
            (State::NeedsInput, Some(Reason::Permission))
        );
        evidence.tool_shell = Some(true);
        assert_eq!(states(&evidence, 1000).0, State::Working);
    }

    #[test]
    fn a_version_that_should_have_a_file_and_has_none_is_in_a_dialog() {
        let mut evidence = Evidence {
            expects_file: true,
            ..Evidence::default()
        };
        evidence.process.started_at = Some(at(0));
        assert_eq!(
            states(&evidence, 500),
            (State::Working, Some(Reason::Starting))
        );
        assert_eq!(
            states(&evidence, 8000),
            (State::NeedsInput, Some(Reason::StartDialog))
        );
        evidence.expects_file = false;
        assert_eq!(states(&evidence, 8000), (State::Idle, None));
    }

    #[test]
    fn the_end_of_work_shows_after_a_moment_and_a_blip_not_at_all() {
        let fresh = |status, ms| judge(&with_file(status), at(ms));
        let busy = Settled::default().next(fresh(FileStatus::Busy, 0), at(0));
        let held = busy.next(fresh(FileStatus::Idle, 100), at(100));
        assert_eq!(
            (held.shown.state, held.deadline()),
            (State::Working, Some(at(400)))
        );
        let blip = held.next(fresh(FileStatus::Busy, 107), at(107));
        assert_eq!((blip.shown.state, blip.deadline()), (State::Working, None));
        let ended = held.next(fresh(FileStatus::Idle, 400), at(400));
        assert_eq!((ended.shown.state, ended.deadline()), (State::Idle, None));
        let waits = busy.next(fresh(FileStatus::Waiting, 100), at(100));
        assert_eq!(waits.shown.state, State::NeedsInput, "a wait shows at once");
    }

    #[test]
    fn a_turn_that_left_a_shell_behind_is_over_though_its_file_says_busy() {
        let mut evidence = with_file(FileStatus::Busy);
        evidence.file.as_mut().unwrap().busy_spans_shells = true;
        evidence.tool_shell = Some(true);
        evidence.transcript = with_transcript(LastLine::Answer, Vec::new()).transcript;
        let idle = (State::Idle, Some(Reason::BackgroundShell));
        assert_eq!(states(&evidence, 0), idle);
        evidence.transcript.as_mut().unwrap().at = Some(at(-1));
        assert_eq!(states(&evidence, 0).0, State::Working, "a new turn");
        evidence.transcript.as_mut().unwrap().at = Some(at(0));
        evidence.tool_shell = Some(false);
        assert_eq!(states(&evidence, 0).0, State::Working, "an agent runs");
    }

    /// 2.0.77 to 2.1.118: the last line of the transcript is the same before and after a yes.
    #[test]
    fn work_that_follows_a_permission_began_with_it() {
        let asks = with_transcript(
            LastLine::ToolCall,
            vec![call("Bash", CallNature::AsksFirst)],
        );
        let runs = Evidence {
            tool_shell: Some(true),
            ..asks.clone()
        };
        let seen = |settled: &Settled, evidence, ms| settled.next(judge(evidence, at(ms)), at(ms));
        let waits = seen(&Settled::default(), &asks, 2000);
        assert_eq!(waits.since, Some(at(0)), "the dialog opened with the call");
        let works = seen(&waits, &runs, 60_000);
        assert_eq!(works.since, Some(at(60_000)));
        assert_eq!(seen(&works, &runs, 61_000).since, Some(at(60_000)));
        let found = seen(&Settled::default(), &runs, 60_000);
        assert_eq!(
            found.since,
            Some(at(0)),
            "the best there is at a first look"
        );
    }

    /// A turn that waits for a subagent: its own transcript ends with the call of it.
    #[test]
    fn a_subagent_asks_for_its_session() {
        let agent = call("Agent", CallNature::Subagent);
        let asks = vec![call("Bash", CallNature::AsksFirst)];
        let mut evidence = with_transcript(LastLine::ToolCall, vec![agent]);
        assert_eq!(states(&evidence, 9000).0, State::Working);
        evidence.subagent = with_transcript(LastLine::ToolCall, asks).transcript;
        evidence.tool_shell = Some(true);
        assert_eq!(states(&evidence, 9000).0, State::Working);
        evidence.tool_shell = Some(false);
        assert_eq!(states(&evidence, 900).0, State::Working);
        let verdict = judge(&evidence, at(9000));
        assert_eq!(verdict.state, State::NeedsInput);
        assert_eq!(verdict.ask.unwrap().as_str(), "Bash(cargo test)");
        // A version that tells the state by itself: only what is asked comes from there.
        evidence.file = with_file(FileStatus::Waiting).file;
        let ask = judge(&evidence, at(0)).ask.unwrap();
        assert_eq!(ask.as_str(), "Bash(cargo test)");
    }

    #[test]
    fn a_clock_ahead_of_ours_never_dates_a_state_into_the_future() {
        let settled =
            Settled::default().next(judge(&with_file(FileStatus::Waiting), at(-5000)), at(-5000));
        assert_eq!(settled.since, Some(at(-5000)));
    }
}
