//! What hooks add. Pure. They fill in what the files leave open, and never override a
//! status file.
//!
//! Esc, "no" and a killed process fire no hook. So a report counts only until something newer is
//! seen: a line of the transcript, a change of the status file, a tool's shell, a line of the
//! subagent that asked. A dialog that was not confirmed in time, or is very old, does not count.

use chrono::{DateTime, TimeDelta, Utc};

use super::asking_for;
use crate::agent::claude::facts::{Facts, FileFact, HookAsk, HookFact, LastLine, TranscriptFact};
use crate::core::model::{CallNature, Claim, HookEvent, Reason, Source, State, ToolCall, time};

/// A dialog that stays open is reported a second time, six seconds after it opened. If no second
/// report comes within this time, it was answered: nothing else tells that before its tool ends.
const CONFIRM_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// A dialog counts as open for a working day, unless something ends it.
const ASK_HOLDS: TimeDelta = TimeDelta::hours(8);

/// The status file changes within 0.1 s before or after the dialog opens; on a loaded machine a
/// hook takes a second or two to start.
const FILE_SLACK: TimeDelta = TimeDelta::seconds(2);

/// A queued prompt starts the next turn before the end of the last one is reported.
const PROMPT_SLACK: TimeDelta = TimeDelta::seconds(2);

/// A dialog that a hook told of, for as long as that is believed.
pub(super) fn asks(facts: &Facts) -> Option<Claim> {
    let (ask, until) = open_ask(facts)?;
    // If the first report is the one after six seconds, the dialog opened with the transcript's
    // last line.
    let late = ask.confirmed_at == Some(ask.at);
    let line = facts.transcript.as_ref().and_then(|t| t.at);
    let since = line.filter(|at| late && *at < ask.at).unwrap_or(ask.at);
    let claim = Claim::new(Source::Hook, State::NeedsInput, "a hook told of a dialog")
        .because(Reason::Permission)
        .since(Some(since))
        .until(until);
    let told = ask.call.as_ref().filter(|call| !call.summary.is_empty());
    // The report after six seconds names no tool, or gives its name for people. The transcript
    // has the call itself.
    let pending = || {
        let name = ask.call.as_ref().map(|call| &call.name);
        let pending = &facts.transcript.as_ref()?.pending;
        let Some(name) = name else {
            return pending.first();
        };
        // `Fetch` means `WebFetch`. A tool that is not pending here is a subagent's.
        pending.iter().find(|call| call.name.ends_with(&**name))
    };
    let call = told.or_else(pending).or(ask.call.as_ref());
    Some(asking_for(claim, call))
}

/// The dialog that is still open, and until when that is believed.
fn open_ask(facts: &Facts) -> Option<(&HookAsk, DateTime<Utc>)> {
    let last_line = facts.transcript.as_ref().and_then(|t| t.at);
    let ask = facts.hook.as_ref()?.open_ask(last_line)?;
    let file = facts.file.as_ref();
    let changed = file.and_then(|file| file.status_at);
    let shell = facts.tool_shell == Some(true) && !ask.beside_shell;
    if shell
        || ask.agent_went_on_at.is_some()
        || changed.is_some_and(|at| at > time::after(ask.told_at(), FILE_SLACK))
    {
        return None;
    }
    // 2.1.141 and 2.1.142 hide their dialogs from the confirmation, too.
    let confirmed = ask.confirmed_at.is_some() || file.is_some_and(|file| file.busy_lies);
    let holds = if confirmed { ASK_HOLDS } else { CONFIRM_WITHIN };
    Some((ask, time::after(ask.told_at(), holds)))
}

/// What a session asks for, where its file says that it waits. The transcript has that as well,
/// except for a subagent's dialog.
pub(super) fn asked_for<'e>(file: &FileFact, facts: &'e Facts) -> Option<&'e ToolCall> {
    let last_line = facts.transcript.as_ref().and_then(|t| t.at);
    let ask = facts.hook.as_ref()?.open_ask(last_line)?;
    let earlier = |since: DateTime<Utc>| ask.told_at() < time::before(since, FILE_SLACK);
    if file.status_at.is_some_and(earlier) || ask.agent_went_on_at.is_some() {
        return None;
    }
    ask.call.as_ref().filter(|call| !call.summary.is_empty())
}

/// The end of a turn, where the transcript does not show it.
pub(super) fn ended(facts: &Facts) -> Option<Claim> {
    let hook = facts.hook.as_ref()?;
    let over = match &facts.transcript {
        Some(transcript) => ends(hook, transcript),
        None => hook.event == HookEvent::Ended,
    };
    let rule = "a hook told of the end of a turn";
    over.then(|| Claim::new(Source::Hook, State::Idle, rule).since(Some(hook.at)))
}

fn ends(hook: &HookFact, transcript: &TranscriptFact) -> bool {
    let slack = match transcript.last {
        LastLine::Prompt => PROMPT_SLACK,
        _ => TimeDelta::zero(),
    };
    let question = |call: &ToolCall| matches!(call.nature, CallNature::Question | CallNature::Plan);
    let shown = matches!(
        transcript.last,
        LastLine::Nothing | LastLine::Answer | LastLine::ApiError | LastLine::Interrupted
    );
    matches!(hook.event, HookEvent::Ended | HookEvent::StillIdle)
        && !shown
        && !transcript.pending.iter().any(question)
        && transcript
            .at
            .is_none_or(|at| time::after(at, slack) <= hook.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::claude::facts::FileStatus;
    use crate::agent::claude::verdict::tests::judge;
    use crate::core::model::ConversationId;
    use crate::core::model::made::{at, call};

    /// A call that the transcript cannot judge, and the hook that told of its dialog at 100 ms.
    fn asked() -> Facts {
        let fetch = call("WebFetch", "https://x.test", CallNature::Other);
        Facts {
            transcript: Some(TranscriptFact {
                last: LastLine::ToolCall,
                pending: vec![fetch.clone()],
                at: Some(at(0)),
                ..TranscriptFact::default()
            }),
            hook: Some(HookFact {
                event: HookEvent::Asked,
                at: at(100),
                ask: Some(HookAsk {
                    call: Some(fetch),
                    at: at(100),
                    ..HookAsk::default()
                }),
                ..HookFact::default()
            }),
            ..Facts::default()
        }
    }

    fn ask(evidence: &mut Facts) -> &mut HookAsk {
        evidence.hook.as_mut().unwrap().ask.as_mut().unwrap()
    }

    fn state(evidence: &Facts, ms: i64) -> State {
        judge(evidence, at(ms)).state
    }

    #[test]
    fn a_late_word_dates_the_wait_from_its_line_and_one_from_the_future_counts_for_nothing() {
        let mut evidence = asked();
        evidence.transcript.as_mut().unwrap().at = Some(at(50));
        let since = |evidence: &Facts| asks(evidence).and_then(|claim| claim.since);
        assert_eq!(since(&evidence), Some(at(100)), "told at once");
        let ask = evidence.hook.as_mut().unwrap().ask.as_mut().unwrap();
        (ask.at, ask.confirmed_at) = (at(6100), Some(at(6100)));
        assert_eq!(since(&evidence), Some(at(50)), "told late");
        assert_eq!(state(&evidence, 7000), State::NeedsInput);
        assert_eq!(
            state(&evidence, -60_000),
            State::Working,
            "the clock was set back"
        );
    }

    #[test]
    fn a_dialog_shows_at_once_with_tool_and_command() {
        let verdict = judge(&asked(), at(101));
        assert_eq!(
            (verdict.state, verdict.reason, verdict.since),
            (State::NeedsInput, Some(Reason::Permission), Some(at(100)))
        );
        assert_eq!(verdict.ask.unwrap().as_str(), "WebFetch(https://x.test)");
        assert_eq!(verdict.recheck, Some(at(10_100)));
        let mut question = asked();
        ask(&mut question).call = Some(call("AskUserQuestion", "Which?", CallNature::Question));
        let verdict = judge(&question, at(101));
        assert_eq!(verdict.reason, Some(Reason::Question));
    }

    #[test]
    fn a_late_word_names_its_tool_by_the_transcript() {
        let mut evidence = asked();
        for told in [None, Some("WebFetch"), Some("Fetch")] {
            ask(&mut evidence).call = told.map(|name| call(name, "", CallNature::Other));
            let verdict = judge(&evidence, at(101));
            assert_eq!(verdict.ask.unwrap().as_str(), "WebFetch(https://x.test)");
        }
        ask(&mut evidence).call = Some(call("Write", "", CallNature::Other));
        let verdict = judge(&evidence, at(101));
        assert_eq!(verdict.ask.unwrap().as_str(), "Write", "a subagent's");
    }

    /// Esc, "no" and a yes fire no hook: each leaves something newer behind.
    #[test]
    fn anything_newer_ends_a_dialog() {
        let line = |last| {
            move |evidence: &mut Facts| {
                let transcript = evidence.transcript.as_mut().unwrap();
                transcript.at = Some(at(200));
                transcript.last = last;
                transcript.pending.clear();
            }
        };
        type Happens = Box<dyn Fn(&mut Facts)>;
        let newer: [(&str, Happens, State); 6] = [
            ("Esc", Box::new(line(LastLine::Interrupted)), State::Idle),
            ("no", Box::new(line(LastLine::ToolResult)), State::Working),
            ("the end", Box::new(line(LastLine::Answer)), State::Idle),
            (
                "a shell",
                Box::new(|e| e.tool_shell = Some(true)),
                State::Working,
            ),
            (
                "a line of the subagent",
                Box::new(|e| ask(e).agent_went_on_at = Some(at(2000))),
                State::Working,
            ),
            (
                "age",
                Box::new(|e| {
                    ask(e).confirmed_at = Some(at(6000));
                    ask(e).at = at(100) - ASK_HOLDS;
                    ask(e).confirmed_at = Some(at(100) - ASK_HOLDS);
                    e.transcript.as_mut().unwrap().at = Some(at(0) - ASK_HOLDS);
                }),
                State::Working,
            ),
        ];
        for (what, change, want) in newer {
            let mut evidence = asked();
            assert_eq!(state(&evidence, 300), State::NeedsInput);
            change(&mut evidence);
            assert_eq!(state(&evidence, 300), want, "{what}");
        }
    }

    #[test]
    fn a_shell_from_before_is_no_answer() {
        let mut evidence = asked();
        evidence.tool_shell = Some(true);
        ask(&mut evidence).beside_shell = true;
        assert_eq!(state(&evidence, 300), State::NeedsInput);
    }

    #[test]
    fn a_dialog_that_is_not_confirmed_was_answered() {
        let mut evidence = asked();
        assert_eq!(state(&evidence, 10_099), State::NeedsInput);
        assert_eq!(state(&evidence, 10_100), State::Working, "it runs");
        ask(&mut evidence).confirmed_at = Some(at(6100));
        assert_eq!(state(&evidence, 3_600_000), State::NeedsInput);
        // A result of a tool that ran beside it.
        evidence.transcript.as_mut().unwrap().at = Some(at(3000));
        assert_eq!(state(&evidence, 3_600_000), State::NeedsInput);
    }

    #[test]
    fn no_hook_overrides_a_status_file() {
        for (status, want) in [
            (FileStatus::Busy, State::Working),
            (FileStatus::Idle, State::Idle),
            (FileStatus::Shell, State::Idle),
        ] {
            let mut evidence = asked();
            evidence.file = Some(FileFact {
                status: Some(status),
                status_at: Some(at(0)),
                ..FileFact::default()
            });
            assert_eq!(state(&evidence, 300), want);
        }
    }

    #[test]
    fn two_versions_that_hide_their_dialogs_are_seen_through_at_once() {
        let mut evidence = asked();
        evidence.file = Some(FileFact {
            status: Some(FileStatus::Busy),
            busy_lies: true,
            status_at: Some(at(-500)),
            ..FileFact::default()
        });
        assert_eq!(state(&evidence, 101), State::NeedsInput);
        assert_eq!(
            state(&evidence, 60_000),
            State::NeedsInput,
            "never confirmed"
        );
        evidence.file.as_mut().unwrap().status_at = Some(at(5000));
        assert_eq!(state(&evidence, 60_000), State::Working, "a new turn");
    }

    #[test]
    fn a_hook_names_what_a_subagent_asks_for() {
        let mut evidence = asked();
        evidence.transcript.as_mut().unwrap().pending =
            vec![call("Task", "look", CallNature::Other)];
        evidence.file = Some(FileFact {
            status: Some(FileStatus::Waiting),
            status_at: Some(at(150)),
            ..FileFact::default()
        });
        ask(&mut evidence).call = Some(call("Bash", "rm x", CallNature::AsksFirst));
        ask(&mut evidence).agent = ConversationId::new("a1");
        let words = |evidence: &Facts| judge(evidence, at(60_000)).ask.unwrap();
        assert_eq!(words(&evidence).as_str(), "Bash(rm x)");
        evidence.file.as_mut().unwrap().status_at = Some(at(9000));
        assert_eq!(words(&evidence).as_str(), "Task(look)", "another dialog");
        evidence.file.as_mut().unwrap().waiting_reason = Some(Reason::Dialog);
        assert_eq!(judge(&evidence, at(300)).ask, None, "a menu");
    }

    #[test]
    fn the_end_of_a_turn_counts_until_the_next_line() {
        let mut evidence = asked();
        let hook = evidence.hook.as_mut().unwrap();
        *hook = HookFact {
            event: HookEvent::Ended,
            at: at(1000),
            ..HookFact::default()
        };
        let with = |last, ms| {
            let mut evidence = evidence.clone();
            let transcript = evidence.transcript.as_mut().unwrap();
            (transcript.last, transcript.at) = (last, Some(at(ms)));
            transcript.pending.clear();
            state(&evidence, 5000)
        };
        assert_eq!(with(LastLine::Thinking, 900), State::Idle);
        assert_eq!(with(LastLine::Prompt, -1500), State::Idle);
        assert_eq!(with(LastLine::Prompt, 900), State::Working, "it was queued");
        assert_eq!(with(LastLine::Thinking, 1001), State::Working);
        assert_eq!(with(LastLine::Prompt, 1001), State::Working);
        evidence.transcript.as_mut().unwrap().pending =
            vec![call("AskUserQuestion", "?", CallNature::Question)];
        assert_eq!(state(&evidence, 5000), State::NeedsInput);
    }

    #[test]
    fn a_dialog_is_certain_where_transcripts_are_not() {
        let mut evidence = asked();
        evidence.transcript = None;
        evidence.transcript_ambiguous = true;
        assert_eq!(state(&evidence, 300), State::NeedsInput);
        assert_eq!(state(&evidence, 60_000), State::Unknown);
    }
}
