//! The lines of a rollout, folded into where the conversation stands. Pure.
//!
//! `event_msg` lines tell the course of a turn, `response_item` lines the calls of tools; the
//! texts of both are the same, so that only one kind is read for each. A call is written before
//! its dialog opens: whether it runs or asks is not told here.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::agent::lines::Fold;
use crate::agent::record::{Fields, mend, records};
use crate::agent::{Message, Speaker};
use crate::core::model::{CallNature, ToolCall, time};
use crate::core::text::CleanText;

/// What is kept of one message for a preview, in bytes.
const SAID_CAP: usize = 4 * 1024;
/// Calls that wait for their results at once. Models call a handful.
const PENDING_CAP: usize = 64;
/// A longer working directory is none.
const PATH_CAP: usize = 4096;

/// What the last line that says something of the turn was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Last {
    /// There is none.
    #[default]
    Nothing,
    /// The begin of a turn, or its prompt.
    Prompt,
    /// Text of the model in the middle of a turn.
    Text,
    /// A call of a tool: it runs, or waits for permission.
    Call,
    /// The result of the last tool that ran.
    Result,
    /// The end of a turn.
    Answer,
    /// Its end, because the model's API failed.
    Failure,
    /// Its end, because the user interrupted it or said no.
    Interrupted,
}

/// Where a conversation stands after the lines folded so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rollout {
    /// Kind of the last line that says something of the turn.
    pub last: Last,
    /// Its own time.
    pub at: Option<DateTime<Utc>>,
    /// When the turn began.
    pub turn_at: Option<DateTime<Utc>>,
    /// Tools called that have not answered, in order.
    pub pending: Vec<ToolCall>,
    /// The last turn ended with a plan, which a menu offers to carry out: its first line.
    pub plan: Option<CleanText>,
    /// The last thing said, by either side.
    pub said: Option<CleanText>,
    /// The model of the last turn.
    pub model: Option<CleanText>,
    /// Where the last turn worked.
    pub cwd: Option<String>,
    /// The version that wrote its first line, where that was read.
    pub version: Option<CleanText>,
    /// Lines that could not be read.
    pub broken: u32,
    /// What a preview shows, where that is wanted.
    pub messages: Option<Messages>,
}

/// The messages of the lines folded so far, and how many are wanted.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Messages {
    /// Oldest first.
    pub all: Vec<Message>,
    /// More are not wanted.
    pub most: usize,
}

impl Fold for Rollout {
    fn fold(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let text = mend(line);
        let read = if let Ok(fields) = Fields::parse(&text) {
            self.fold_record(&fields)
        } else {
            let whole = records(&text).into_iter();
            let parsed = whole.filter_map(|raw| Fields::parse(raw.get()).ok());
            let count = parsed.map(|fields| self.fold_record(&fields)).count();
            (count > 0).then_some(())
        };
        if read.is_none() {
            self.broken += 1;
        }
    }

    /// A prompt with an image, a large answer of a tool. What is asked for, the ids and the time
    /// stand before the text.
    fn fold_edges(&mut self, head: &[u8], tail: &[u8]) {
        let (head, tail) = (mend(head), mend(tail));
        let field = |name: &str| string_after(&head, &format!("\"{name}\":\""));
        let at = field("timestamp").and_then(time::parse);
        let Some((_, payload)) = head.split_once("\"payload\":{") else {
            self.broken += 1;
            return;
        };
        let kind = string_after(payload, "\"type\":\"").unwrap_or_default();
        let call_id = string_after(payload, "\"call_id\":\"");
        let call_id = call_id.or_else(|| string_after(&tail, "\"call_id\":\""));
        let call_id = call_id.unwrap_or_default();
        match kind {
            "task_complete" => self.end(Last::Answer, at),
            "user_message" => self.note(Last::Prompt, at),
            "item_completed" if payload.contains("\"type\":\"UserMessage\"") => {
                self.note(Last::Prompt, at);
            }
            "agent_message" | "item_completed" => self.note(Last::Text, at),
            _ if kind.ends_with("_call_output") => self.answered(call_id, at),
            _ if kind.ends_with("_call") => {
                let name = string_after(payload, "\"name\":\"").unwrap_or(kind);
                self.called(call(call_id, name, CleanText::default(), at));
            }
            _ => {}
        }
    }

    fn is_known(&self) -> bool {
        self.last != Last::Nothing && self.said.is_some()
    }

    fn is_enough(&self) -> bool {
        let wanted = self.messages.as_ref();
        let listed = wanted.is_none_or(|messages| messages.all.len() >= messages.most);
        self.is_known() && self.model.is_some() && listed
    }

    fn anew(&self) -> Self {
        Self {
            messages: self.messages.as_ref().map(|messages| Messages {
                most: messages.most,
                ..Messages::default()
            }),
            ..Self::default()
        }
    }
}

impl Rollout {
    /// One that keeps the messages too.
    #[must_use]
    pub fn listing(most: usize) -> Self {
        let all = Vec::new();
        Self {
            messages: Some(Messages { all, most }),
            ..Self::default()
        }
    }

    /// Whether the turn is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.last,
            Last::Answer | Last::Failure | Last::Interrupted | Last::Nothing
        )
    }

    fn fold_record(&mut self, line: &Fields<'_>) -> Option<()> {
        let at = line.text("timestamp").as_deref().and_then(time::parse);
        let payload = Fields::parse(line.raw("payload")?.get()).ok()?;
        match &*line.word("type") {
            "session_meta" => {
                self.version = payload.text("cli_version").map(|v| CleanText::line(&v));
                self.works_in(payload.text("cwd"));
            }
            "turn_context" => {
                let model = payload.text("model");
                let model = model.and_then(|model| CleanText::line(&model).some());
                self.model = model.or(self.model.take());
                self.works_in(payload.text("cwd"));
            }
            "event_msg" => self.fold_event(&payload, at),
            "response_item" => self.fold_item(&payload, at),
            _ => {}
        }
        Some(())
    }

    fn works_in(&mut self, cwd: Option<String>) {
        let fits = |cwd: &String| !cwd.is_empty() && cwd.len() <= PATH_CAP;
        self.cwd = cwd.filter(fits).or(self.cwd.take());
    }

    fn fold_event(&mut self, event: &Fields<'_>, at: Option<DateTime<Utc>>) {
        let message = || event.word("message");
        match &*event.word("type") {
            "task_started" => {
                self.pending.clear();
                self.plan = None;
                self.turn_at = at;
                self.note(Last::Prompt, at);
            }
            "user_message" => {
                self.say(Speaker::User, &message(), at);
                self.note(Last::Prompt, at);
            }
            "agent_message" => {
                self.say(Speaker::Assistant, &message(), at);
                self.note(Last::Text, at);
            }
            "item_completed" => self.fold_completed(event, at),
            "task_complete" => {
                let failed = event.raw("error").is_some_and(|raw| raw.get() != "null");
                let last = if failed { Last::Failure } else { Last::Answer };
                self.end(last, at);
            }
            "turn_aborted" => {
                self.plan = None;
                self.end(Last::Interrupted, at);
            }
            _ => {}
        }
    }

    fn fold_completed(&mut self, event: &Fields<'_>, at: Option<DateTime<Utc>>) {
        let item = event
            .raw("item")
            .and_then(|raw| Fields::parse(raw.get()).ok());
        let item = item.unwrap_or_default();
        match &*item.word("type") {
            "UserMessage" => {
                self.say(Speaker::User, &texts(&item.list("content")), at);
                self.note(Last::Prompt, at);
            }
            "AgentMessage" => {
                self.say(Speaker::Assistant, &texts(&item.list("content")), at);
                self.note(Last::Text, at);
            }
            "Plan" => {
                let text = item.word("text");
                let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
                let title = lines.map(CleanText::line).find(|line| !line.is_empty());
                self.plan = Some(title.unwrap_or_default());
                self.say(Speaker::Assistant, &text, at);
                self.note(Last::Text, at);
            }
            _ => {}
        }
    }

    fn fold_item(&mut self, item: &Fields<'_>, at: Option<DateTime<Utc>>) {
        let kind = item.word("type");
        if kind.ends_with("_call_output") {
            self.answered(&item.word("call_id"), at);
        } else if kind.ends_with("_call") {
            let name = item.text("name").map_or(kind, Cow::Owned);
            let input = item.text("arguments").or_else(|| item.text("input"));
            let input = input.or_else(|| item.raw("action").map(|raw| raw.get().to_owned()));
            let summary = summarise(&input.unwrap_or_default());
            let call = call(&item.word("call_id"), &name, summary, at);
            if let Some(messages) = &mut self.messages {
                messages.all.push(Message {
                    speaker: Speaker::Tool,
                    text: call.ask(),
                    at,
                });
            }
            self.called(call);
        }
    }

    fn note(&mut self, last: Last, at: Option<DateTime<Utc>>) {
        self.last = last;
        self.at = at.or(self.at);
    }

    fn end(&mut self, last: Last, at: Option<DateTime<Utc>>) {
        self.pending.clear();
        self.note(last, at);
    }

    fn called(&mut self, call: ToolCall) {
        let at = call.at;
        if self.pending.len() < PENDING_CAP {
            self.pending.push(call);
        }
        self.note(Last::Call, at);
    }

    fn answered(&mut self, id: &str, at: Option<DateTime<Utc>>) {
        self.pending.retain(|call| call.id != id);
        let last = match self.pending.is_empty() {
            true => Last::Result,
            false => Last::Call,
        };
        self.note(last, at);
    }

    fn say(&mut self, speaker: Speaker, raw: &str, at: Option<DateTime<Utc>>) {
        let Some(line) = CleanText::line(raw).some() else {
            return;
        };
        self.said = Some(line);
        if let Some(messages) = &mut self.messages {
            let text = CleanText::block(raw, SAID_CAP);
            messages.all.push(Message { speaker, text, at });
        }
    }
}

/// The texts of a message's parts.
pub(super) fn texts(parts: &[&RawValue]) -> String {
    let parts = parts
        .iter()
        .filter_map(|part| Fields::parse(part.get()).ok());
    let texts: Vec<String> = parts.filter_map(|part| part.text("text")).collect();
    texts.join("\n")
}

fn call(id: &str, name: &str, summary: CleanText, at: Option<DateTime<Utc>>) -> ToolCall {
    ToolCall {
        id: id.chars().take(128).collect(),
        name: CleanText::line(match name {
            "exec_command" | "shell" | "shell_command" | "local_shell_call" => "Shell",
            other => other,
        }),
        summary,
        nature: match name {
            "request_user_input" => CallNature::Question,
            "exec_command" | "shell" | "shell_command" | "local_shell_call" => {
                CallNature::AsksFirst
            }
            "update_plan" => CallNature::Free,
            _ => CallNature::Other,
        },
        at,
    }
}

/// What a tool call would do, in one line, from its input: a command, a question, a file.
fn summarise(input: &str) -> CleanText {
    let Ok(fields) = Fields::parse(input) else {
        // A patch is no JSON: `*** Update File: src/lib.rs`.
        let files = input.lines().filter_map(|line| line.strip_prefix("*** "));
        let file = files.filter_map(|line| line.split_once(" File: ")).next();
        return file
            .map(|(_, path)| CleanText::line(path))
            .unwrap_or_default();
    };
    let questions = fields.list("questions").into_iter();
    let question = questions
        .filter_map(|raw| Fields::parse(raw.get()).ok()?.text("question"))
        .next();
    let words = || {
        let words: Vec<String> = serde_json::from_str(fields.raw("command")?.get()).ok()?;
        // `["bash", "-lc", "cargo test"]`
        match &words[..] {
            [_, option, script] if option.starts_with('-') => Some(script.clone()),
            _ => Some(words.join(" ")),
        }
    };
    let told = || {
        ["cmd", "command", "path", "query", "message"]
            .iter()
            .find_map(|name| fields.text(name))
    };
    let text = question.or_else(words).or_else(told);
    text.map(|text| CleanText::line(&text)).unwrap_or_default()
}

/// The string that follows `marker`, up to its closing quote. Good for ids, times and names,
/// which hold no escapes.
fn string_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let rest = &text[text.find(marker)? + marker.len()..];
    rest.find('"').map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;
    use crate::agent::lines::Follower;

    fn recorded(name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codex");
        dir.join(format!("{name}.jsonl"))
    }

    fn read(name: &str) -> Rollout {
        let follower = Follower::open_as(&recorded(name), Rollout::default()).unwrap();
        follower.conversation().clone()
    }

    fn asks(rollout: &Rollout) -> String {
        let asks = rollout.pending.iter().map(|call| call.ask().to_string());
        asks.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_recordings_say_where_each_stands() {
        for (name, last, said, asked) in [
            (
                "0.171.0/finished",
                Last::Answer,
                "All done, nothing left.",
                "",
            ),
            (
                "0.171.0/needs-permission",
                Last::Call,
                "esc:touch lab.txt",
                "Shell(touch lab.txt)",
            ),
            ("0.171.0/denied", Last::Interrupted, "esc:touch lab.txt", ""),
            ("0.171.0/interrupted", Last::Interrupted, "slow:900", ""),
            ("0.171.0/failed", Last::Failure, "error:400", ""),
            ("0.171.0/retrying", Last::Failure, "error:503", ""),
            ("0.171.0/question", Last::Call, "ask", "request_user_input"),
            ("0.171.0/resumed", Last::Answer, "after", ""),
            (
                "0.139.0/finished",
                Last::Answer,
                "All done, nothing left.",
                "",
            ),
            (
                "0.139.0/needs-permission",
                Last::Call,
                "esc:touch lab.txt",
                "Shell(touch lab.txt)",
            ),
            ("0.139.0/denied", Last::Interrupted, "esc:touch lab.txt", ""),
            ("0.139.0/working", Last::Prompt, "slow:900", ""),
        ] {
            let read = read(name);
            let got = (read.last, read.said.as_deref(), &*asks(&read));
            assert_eq!(got, (last, Some(said), asked), "{name}");
            assert_eq!(read.model.as_deref(), Some("lab-model"), "{name}");
            let dir = name.split('/').next_back().unwrap();
            assert_eq!(read.cwd, Some(format!("/home/dev/{dir}")), "{name}");
            assert!(
                read.at.is_some() && read.turn_at.is_some() && read.broken == 0,
                "{name}"
            );
            assert_eq!(read.version.as_deref(), name.split('/').next(), "{name}");
        }
    }

    #[test]
    fn a_plan_that_ended_the_turn_is_offered() {
        let plan = read("0.171.0/plan-proposed");
        assert_eq!(
            (plan.last, plan.plan.as_deref()),
            (Last::Answer, Some("Plan"))
        );
        let mut next = plan;
        next.fold(br#"{"timestamp":"2026-11-28T05:27:00Z","type":"event_msg","payload":{"type":"task_started"}}"#);
        assert_eq!((next.last, next.plan), (Last::Prompt, None));
    }

    #[test]
    fn a_preview_lists_what_was_said() {
        let listing = Rollout::listing(9);
        let follower = Follower::open_as(&recorded("0.171.0/needs-permission"), listing).unwrap();
        let messages = &follower.conversation().messages.as_ref().unwrap().all;
        let texts: Vec<_> = messages.iter().map(|m| (m.speaker, &*m.text)).collect();
        let wanted = [
            (Speaker::User, "esc:touch lab.txt"),
            (Speaker::Tool, "Shell(touch lab.txt)"),
        ];
        assert_eq!(texts, wanted);
    }

    fn item(payload: &str) -> Vec<u8> {
        let line = format!(
            r#"{{"timestamp":"2026-11-28T05:00:00Z","type":"response_item","payload":{payload}}}"#
        );
        line.into_bytes()
    }

    #[test]
    fn every_shape_of_a_call_is_summarised() {
        let mut rollout = Rollout::default();
        for payload in [
            r#"{"type":"function_call","name":"shell","arguments":"{\"command\":[\"bash\",\"-lc\",\"cargo test\"]}","call_id":"1"}"#,
            r#"{"type":"local_shell_call","call_id":"2","action":{"type":"exec","command":["ls","-l"]}}"#,
            r#"{"type":"custom_tool_call","name":"apply_patch","input":"*** Begin Patch\n*** Update File: a\u001b[1mb\n","call_id":"3"}"#,
            r#"{"type":"function_call","name":"request_user_input","arguments":"{\"questions\":[{\"question\":\"Which?\"}]}","call_id":"4"}"#,
            r#"{"type":"function_call","name":"odd","arguments":{"no":"text"},"call_id":"5"}"#,
        ] {
            rollout.fold(&item(payload));
        }
        assert_eq!(
            asks(&rollout),
            "Shell(cargo test), Shell(ls -l), apply_patch(ab), request_user_input(Which?), odd"
        );
        assert_eq!(rollout.pending[3].question().as_deref(), Some("Which?"));
        for id in ["1", "2", "3", "4"] {
            rollout.fold(&item(&format!(
                r#"{{"type":"function_call_output","call_id":"{id}"}}"#
            )));
            assert_eq!(rollout.last, Last::Call);
        }
        rollout.fold(&item(
            r#"{"type":"custom_tool_call_output","call_id":"5","output":[1]}"#,
        ));
        assert_eq!((rollout.last, rollout.pending.len()), (Last::Result, 0));
    }

    #[test]
    fn a_line_too_long_to_hold_is_known_by_its_edges() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.jsonl");
        let mut lines = std::fs::read(recorded("0.171.0/finished")).unwrap();
        let big = "A".repeat(300_000);
        let prompt = format!(
            r#"{{"timestamp":"2026-11-28T06:00:00Z","type":"event_msg","payload":{{"type":"item_completed","item":{{"type":"UserMessage","content":[{{"type":"image","url":"{big}"}}]}}}}}}"#
        );
        lines.extend_from_slice(prompt.as_bytes());
        lines.push(b'\n');
        std::fs::write(&path, &lines).unwrap();
        let mut follower = Follower::open_as(&path, Rollout::default()).unwrap();
        assert_eq!(follower.conversation().last, Last::Prompt);
        assert_eq!(
            follower.conversation().at.unwrap().to_rfc3339(),
            "2026-11-28T06:00:00+00:00"
        );
        for (payload, last, pending) in [
            (
                format!(
                    r#"{{"type":"function_call","name":"write","arguments":"{big}","call_id":"c"}}"#
                ),
                Last::Call,
                "write",
            ),
            (
                format!(r#"{{"type":"function_call_output","call_id":"c","output":"{big}"}}"#),
                Last::Result,
                "",
            ),
        ] {
            lines.extend(item(&payload));
            lines.push(b'\n');
            std::fs::write(&path, &lines).unwrap();
            follower.refresh().unwrap();
            let read = follower.conversation();
            assert_eq!((read.last, &*asks(read)), (last, pending));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut rollout = Rollout::listing(3);
            rollout.fold(&bytes);
            rollout.fold_edges(&bytes, &bytes);
        }

        /// A value of any kind in any field costs that field.
        #[test]
        fn no_odd_value_breaks_it(name in "type|timestamp|payload|message|item|call_id|arguments", value in "null|1|\"x\"|\\[1\\]|\\{\"type\":1\\}") {
            let line = format!(r#"{{"type":"event_msg","payload":{{"type":"user_message","message":"kept","{name}":{value}}}}}"#);
            Rollout::default().fold(line.as_bytes());
        }
    }
}
