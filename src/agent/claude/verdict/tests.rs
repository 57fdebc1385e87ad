use super::*;
use crate::agent::claude::facts::HookFact;
use crate::core::model::ProcessFact;
use crate::core::model::made::{self, at};
use crate::core::text::CleanText;
use crate::core::verdict::{self, Settled, Verdict};

/// The verdict on what these facts claim.
pub(super) fn judge(facts: &Facts, now: DateTime<Utc>) -> Verdict {
    verdict::judge(&facts.evidence(), now)
}

fn call(name: &str, nature: CallNature) -> ToolCall {
    made::call(name, "cargo test", nature)
}

fn with_file(status: FileStatus) -> Facts {
    let file = FileFact {
        status: Some(status),
        status_at: Some(at(0)),
        ..FileFact::default()
    };
    Facts {
        file: Some(file),
        ..Facts::default()
    }
}

fn with_transcript(last: LastLine, pending: Vec<ToolCall>) -> Facts {
    let transcript = TranscriptFact {
        last,
        pending,
        at: Some(at(0)),
        ..TranscriptFact::default()
    };
    Facts {
        transcript: Some(transcript),
        ..Facts::default()
    }
}

fn states(evidence: &Facts, ms: i64) -> (State, Option<Reason>) {
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
    let running = Facts {
        tool_shell: Some(true),
        ..with_transcript(LastLine::ToolCall, bash())
    };
    assert_eq!(states(&running, 9000).0, State::Working);
    let agent = with_transcript(LastLine::ToolCall, vec![call("Task", CallNature::Subagent)]);
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
fn a_missing_file_is_no_dialog() {
    let mut evidence = Facts {
        expects_file: true,
        ..Facts::default()
    };
    evidence.process.started_at = Some(at(0));
    assert_eq!(
        states(&evidence, 500),
        (State::Working, Some(Reason::Starting))
    );
    assert_eq!(judge(&evidence, at(500)).recheck, Some(at(8000)));
    assert_eq!(states(&evidence, 8000), (State::Unknown, None));
    evidence.expects_file = false;
    assert_eq!(states(&evidence, 500), (State::Idle, None));
}

#[test]
fn an_open_inbox_before_the_session_is_a_dialog() {
    let mut evidence = Facts {
        expects_file: true,
        ..Facts::default()
    };
    evidence.process.started_at = Some(at(0));
    evidence.inbox_at = Some(at(300));
    assert_eq!(
        states(&evidence, 4200),
        (State::Working, Some(Reason::Starting))
    );
    assert_eq!(judge(&evidence, at(4200)).recheck, Some(at(4300)));
    let verdict = judge(&evidence, at(4300));
    assert_eq!(
        (verdict.state, verdict.reason, verdict.since),
        (State::NeedsInput, Some(Reason::StartDialog), Some(at(300)))
    );
    evidence.expects_file = false;
    assert_eq!(
        states(&evidence, 4300).0,
        State::NeedsInput,
        "whatever is known of its version"
    );
    evidence.file = Some(FileFact::default());
    assert_eq!(states(&evidence, 4300), (State::Idle, None));
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
    let runs = Facts {
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

/// A page is fetched, or a dialog is open: nothing tells, and neither is claimed.
#[test]
fn a_call_that_may_run_or_ask_is_unknown_after_a_moment() {
    let pending = |nature| with_transcript(LastLine::ToolCall, vec![call("x", nature)]);
    let fetch = pending(CallNature::Other);
    assert_eq!(states(&fetch, 2999).0, State::Working);
    assert_eq!(judge(&fetch, at(2999)).recheck, Some(at(3000)));
    assert_eq!(states(&fetch, 3000).0, State::Unknown);
    assert_eq!(states(&pending(CallNature::Free), 90_000).0, State::Working);
    let told = Facts {
        hook: Some(HookFact::default()),
        ..fetch.clone()
    };
    assert_eq!(states(&told, 90_000).0, State::Working, "a hook would tell");
    let mut lies = with_file(FileStatus::Busy);
    lies.file.as_mut().unwrap().busy_lies = true;
    lies.transcript = fetch.transcript.clone();
    assert_eq!(states(&lies, 3000).0, State::Unknown);
    let mut of_subagent = pending(CallNature::Subagent);
    of_subagent.subagent = fetch.transcript;
    assert_eq!(states(&of_subagent, 3000).0, State::Unknown);
}

#[test]
fn a_call_from_the_future_is_not_fresh_until_then() {
    let asks = with_transcript(
        LastLine::ToolCall,
        vec![call("Bash", CallNature::AsksFirst)],
    );
    assert_eq!(states(&asks, -999).0, State::Working);
    assert_eq!(states(&asks, -3_600_000).0, State::NeedsInput);
}

/// Esc, or an answer after which nothing is due.
#[test]
fn the_end_of_a_turn_shows_at_once_where_nothing_can_follow() {
    let mut ended = with_transcript(LastLine::Interrupted, Vec::new());
    ended.file = with_file(FileStatus::Idle).file;
    let busy = Settled::default().next(judge(&with_file(FileStatus::Busy), at(0)), at(0));
    let state = |evidence: &Facts| busy.next(judge(evidence, at(100)), at(100)).shown.state;
    assert_eq!(state(&ended), State::Idle);
    ended.transcript.as_mut().unwrap().may_go_on = true;
    assert_eq!(state(&ended), State::Working, "for a moment");
    ended.transcript = None;
    assert_eq!(state(&ended), State::Working, "nothing is known of it");
}

#[test]
fn a_question_is_told_with_its_tool_and_alone() {
    let mut evidence = with_file(FileStatus::Waiting);
    let question = call("AskUserQuestion", CallNature::Question);
    evidence.transcript = with_transcript(LastLine::ToolCall, vec![question]).transcript;
    let verdict = judge(&evidence, at(0));
    assert_eq!(verdict.ask.as_deref(), Some("AskUserQuestion(cargo test)"));
    assert_eq!(verdict.asked().map(|text| &**text), Some("cargo test"));
    let bash = call("Bash", CallNature::AsksFirst);
    evidence.transcript = with_transcript(LastLine::ToolCall, vec![bash]).transcript;
    let verdict = judge(&evidence, at(0));
    assert_eq!(verdict.question, None);
    assert_eq!(
        verdict.asked().map(|text| &**text),
        Some("Bash(cargo test)")
    );
}
