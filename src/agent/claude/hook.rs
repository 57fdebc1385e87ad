//! What Claude Code tells its hooks. Pure.
//!
//! **Source:** payloads of 1.0.128, 2.0.45, 2.0.77, 2.1.142 and 2.1.328 of the real CLI. Dialogs
//! come one after the other, each with its own `PermissionRequest`, which has no id of the call.

use chrono::{DateTime, TimeDelta, Utc};

use super::conversation::tool_call;
use super::facts::{HookAsk, HookFact};
use super::record::{Fields, mend};
use crate::core::model::{ConversationId, HookEvent, HookReport};
use crate::core::text::CleanText;

/// Claude Code reports a dialog that is still open six seconds after it opened, later while its
/// user types. A report after this long is about another dialog.
const CONFIRMS_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// Reads the payload of a hook's event. A field of an unexpected type counts as missing, a
/// payload that is no JSON as empty.
#[must_use]
pub fn parse(event: &str, payload: &[u8]) -> HookReport {
    let mended = mend(payload);
    let fields = Fields::parse(&mended).unwrap_or_default();
    let text = |name: &str| fields.text(name);
    let id = |name: &str| text(name).and_then(|id| ConversationId::new(&id));
    let message = text("message").unwrap_or_default();
    let named = || message.strip_prefix("Claude needs your permission to use ");
    let tool = text("tool_name").or_else(|| named().map(str::to_owned));
    let input = fields.raw("tool_input");
    HookReport {
        event: match event {
            "SessionStart" => HookEvent::Started,
            "PermissionRequest" => HookEvent::Asked,
            "Stop" => HookEvent::Ended,
            "Notification" => notified(text("notification_type").as_deref(), &message),
            _ => HookEvent::Other,
        },
        processes: Vec::new(),
        session_id: id("session_id"),
        tool: tool.map(|name| tool_call("", &name, input)),
        agent_id: id("agent_id"),
        said: text("last_assistant_message").and_then(|said| CleanText::line(&said).some()),
    }
}

/// What a notification says: 2.0.77 and newer give it a type, older ones only words.
fn notified(kind: Option<&str>, message: &str) -> HookEvent {
    match kind {
        Some("permission_prompt" | "agent_needs_input" | "elicitation_dialog") => {
            HookEvent::StillAsks
        }
        Some("idle_prompt") => HookEvent::StillIdle,
        None if message.contains("needs your permission") => HookEvent::StillAsks,
        None if message.contains("waiting for your input") => HookEvent::StillIdle,
        _ => HookEvent::Other,
    }
}

/// Adds a report, which arrived at `at`, to what was reported before. `beside_shell`: a shell of
/// a tool runs already.
#[must_use]
pub fn fold(
    before: Option<HookFact>,
    report: HookReport,
    at: DateTime<Utc>,
    beside_shell: bool,
) -> HookFact {
    let mut fact = before.unwrap_or_default();
    if report.session_id.is_some() && report.session_id != fact.conversation {
        // Cleared or resumed: nothing of the other conversation counts.
        fact = HookFact {
            conversation: report.session_id,
            ..HookFact::default()
        };
    }
    if report.event == HookEvent::Other {
        return fact;
    }
    (fact.event, fact.at) = (report.event, at);
    let ask = HookAsk {
        call: report.tool,
        at,
        confirmed_at: None,
        agent: report.agent_id,
        agent_went_on_at: None,
        beside_shell,
    };
    match report.event {
        HookEvent::Asked => fact.ask = Some(ask),
        HookEvent::StillAsks => {
            let before = fact.ask.take().filter(|before| confirms(before, at));
            fact.ask = Some(HookAsk {
                confirmed_at: Some(at),
                ..before.unwrap_or(ask)
            });
        }
        // A subagent in the background may still ask.
        HookEvent::Ended => {
            fact.ask = fact.ask.take().filter(|ask| ask.agent.is_some());
            fact.said = report.said;
        }
        HookEvent::Started | HookEvent::StillIdle | HookEvent::Other => fact.ask = None,
    }
    fact
}

/// Whether a later report is about the dialog that was reported before it. It may name the tool
/// differently (2.0.77 says `Fetch` for `WebFetch`), so only the time between them tells.
fn confirms(before: &HookAsk, at: DateTime<Utc>) -> bool {
    before.confirmed_at.is_none() && at - before.at <= CONFIRMS_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::made::second as at;

    fn report(event: &str, payload: &str) -> HookReport {
        parse(event, payload.as_bytes())
    }

    fn ask(tool: &str) -> HookReport {
        let payload = format!(r#"{{"session_id":"s-1","tool_name":"{tool}"}}"#);
        report("PermissionRequest", &payload)
    }

    #[test]
    fn a_permission_request_names_tool_and_command() {
        let read = report(
            "PermissionRequest",
            r#"{"session_id":"s-1","transcript_path":"/c/p/s-1.jsonl","cwd":"/w","permission_mode":"default",
                "effort":{"level":"xhigh"},"agent_id":"aca4","hook_event_name":"PermissionRequest",
                "tool_name":"Bash","tool_input":{"command":"rm -r x","description":"d"},"permission_suggestions":[{}]}"#,
        );
        assert_eq!(read.event, HookEvent::Asked);
        assert_eq!(read.tool.unwrap().ask().as_str(), "Bash(rm -r x)");
        assert_eq!(read.session_id, ConversationId::new("s-1"));
        assert_eq!(read.agent_id, ConversationId::new("aca4"));
    }

    #[test]
    fn every_version_words_its_notifications_differently() {
        for (payload, want, tool) in [
            (
                r#"{"message":"Claude needs your permission to use Bash"}"#,
                HookEvent::StillAsks,
                Some("Bash"),
            ),
            (
                r#"{"message":"Claude needs your permission","notification_type":"permission_prompt"}"#,
                HookEvent::StillAsks,
                None,
            ),
            (
                r#"{"message":"Claude is waiting for your input"}"#,
                HookEvent::StillIdle,
                None,
            ),
            (
                r#"{"message":"x","notification_type":"idle_prompt"}"#,
                HookEvent::StillIdle,
                None,
            ),
            (
                r#"{"message":"x","notification_type":"auth_success"}"#,
                HookEvent::Other,
                None,
            ),
            (r#"{"message":"x"}"#, HookEvent::Other, None),
        ] {
            let read = report("Notification", payload);
            let name = read.tool.as_ref().map(|tool| tool.name.as_str());
            assert_eq!((read.event, name), (want, tool), "{payload}");
        }
    }

    #[test]
    fn surprises_cost_only_themselves() {
        for hostile in [
            "",
            "{",
            "null",
            "[]",
            "7",
            "\u{0}",
            r#"{"session_id":7,"tool_name":[],"agent_id":"../x"}"#,
        ] {
            let read = report("Stop", hostile);
            assert_eq!(
                read,
                HookReport {
                    event: HookEvent::Ended,
                    ..HookReport::default()
                },
                "{hostile}"
            );
        }
        let said = report(
            "Stop",
            r#"{"last_assistant_message":"\u001b[31mred\u0007","tool_name":{}}"#,
        )
        .said;
        assert_eq!(said.unwrap().as_str(), "red");
    }

    #[test]
    fn a_late_word_confirms_the_dialog_before_it_once() {
        let late = || {
            report(
                "Notification",
                r#"{"session_id":"s-1","message":"Claude needs your permission to use Fetch"}"#,
            )
        };
        let asked = fold(None, ask("WebFetch"), at(1), true);
        let confirmed = fold(Some(asked.clone()), late(), at(7), false);
        let of = confirmed.ask.clone().unwrap();
        assert_eq!(
            (of.at, of.confirmed_at, of.beside_shell),
            (at(1), Some(at(7)), true)
        );
        let another = fold(Some(confirmed), late(), at(9), false).ask.unwrap();
        assert_eq!(
            (another.at, another.call.is_some()),
            (at(9), true),
            "a dialog that nothing told of"
        );
        let old = fold(Some(asked), late(), at(600), false).ask.unwrap();
        assert_eq!(old.at, at(600));
    }

    #[test]
    fn what_ends_a_turn_or_a_conversation_ends_its_dialogs() {
        let asked = || Some(fold(None, ask("Bash"), at(1), false));
        let stop = report(
            "Stop",
            r#"{"session_id":"s-1","last_assistant_message":"done"}"#,
        );
        let ended = fold(asked(), stop.clone(), at(2), false);
        assert_eq!((ended.ask, ended.said.unwrap().as_str()), (None, "done"));
        let cleared = fold(
            asked(),
            report("Odd", r#"{"session_id":"s-2"}"#),
            at(2),
            false,
        );
        assert_eq!(
            (cleared.ask, cleared.conversation),
            (None, ConversationId::new("s-2"))
        );
        assert_eq!(
            fold(asked(), report("SessionStart", "{}"), at(2), false).ask,
            None
        );
        let of_agent = HookReport {
            agent_id: ConversationId::new("a1"),
            ..ask("Bash")
        };
        let of_agent = fold(None, of_agent, at(1), false);
        assert!(
            fold(Some(of_agent), stop, at(2), false).ask.is_some(),
            "in the background"
        );
    }
}
