//! The lines of a transcript, folded into where the conversation stands. Pure.
//!
//! Only `user` and `assistant` lines belong to the conversation; two dozen other kinds come in
//! between and after, many without a time. A line that cannot be read is skipped and counted.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::{CallNature, LastLine, ToolCall, time};
use crate::text::CleanText;

/// What the CLI writes in the model's place, where it resumes a conversation that ended with its
/// user (2.1.142): nobody said it, and no screen shows it.
const NOTHING_SAID: &str = "No response requested.";
/// The model of what the CLI writes itself.
const SYNTHETIC: &str = "<synthetic>";

/// Where a conversation stands after the lines folded so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Conversation {
    /// Kind of the last line that belongs to the conversation.
    pub last: LastLine,
    /// Its own time.
    pub at: Option<DateTime<Utc>>,
    /// When the turn began: the time of the last prompt.
    pub turn_at: Option<DateTime<Utc>>,
    /// Tools called and not answered, in order.
    pub pending: Vec<ToolCall>,
    /// Background agents left running when the last turn ended.
    pub background_agents: u32,
    /// The last thing said, by either side.
    pub said: Option<CleanText>,
    /// The model that answered last.
    pub model: Option<CleanText>,
    /// The conversation's title.
    pub title: Option<CleanText>,
    /// The directory the last line was written in. Unlike the transcript's own path, exact.
    pub cwd: Option<String>,
    /// Lines that could not be read.
    pub broken: u32,
    /// Whether it is a subagent's: of a transcript only such lines count, or only others.
    pub of_subagent: bool,
}

/// One message, for a preview.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; of a tool, what it would do.
    pub text: CleanText,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The model calls a tool.
    Tool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    subtype: Cow<'a, str>,
    #[serde(default)]
    is_sidechain: bool,
    #[serde(default)]
    is_meta: bool,
    #[serde(default)]
    is_compact_summary: bool,
    #[serde(default)]
    is_api_error_message: bool,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, borrow)]
    timestamp: Cow<'a, str>,
    #[serde(default, borrow)]
    cwd: Cow<'a, str>,
    #[serde(default, borrow)]
    ai_title: Cow<'a, str>,
    #[serde(default, borrow)]
    custom_title: Cow<'a, str>,
    #[serde(default)]
    pending_background_agent_count: u32,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default, borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct Progress {
    #[serde(default, rename = "type")]
    kind: String,
}

/// A message's content: a text, or blocks.
#[derive(Default)]
struct Content<'a>(Vec<Block<'a>>);

#[derive(Deserialize, Default)]
struct Block<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    text: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tool_use_id: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of blocks")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Content::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                // More blocks than a line of the CLI ever holds; the rest is read and dropped.
                while blocks.len() < 64 {
                    let Some(block) = seq.next_element()? else {
                        return Ok(Content(blocks));
                    };
                    blocks.push(block);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Content(blocks))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'a> Content<'a> {
    fn text(text: Cow<'a, str>) -> Self {
        Self(vec![Block {
            kind: Cow::Borrowed("text"),
            text,
            ..Block::default()
        }])
    }
}

/// What a tool would do, in one line: the field of its input that says most.
#[derive(Deserialize, Default)]
struct Input {
    command: Option<String>,
    file_path: Option<String>,
    notebook_path: Option<String>,
    url: Option<String>,
    query: Option<String>,
    pattern: Option<String>,
    skill: Option<String>,
    plan: Option<String>,
    description: Option<String>,
    prompt: Option<String>,
    #[serde(default)]
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    #[serde(default)]
    question: String,
}

/// What a tool call would do, from its input: a command, a path, a question. Empty if its input
/// holds none of the known fields.
#[must_use]
pub fn summarise_input(input: &str) -> CleanText {
    let input: Input = serde_json::from_str(input).unwrap_or_default();
    let first = input.questions.into_iter().map(|q| q.question).next();
    // A plan is a document; its first line is its title.
    let plan = input.plan.and_then(|plan| {
        let mut lines = plan.lines().map(|line| line.trim_start_matches(['#', ' ']));
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    });
    [
        first,
        plan,
        input.command,
        input.file_path,
        input.notebook_path,
        input.url,
        input.query,
        input.pattern,
        input.skill,
        input.description,
        input.prompt,
    ]
    .into_iter()
    .flatten()
    .next()
    .map(|text| CleanText::line(&text))
    .unwrap_or_default()
}

/// A call of a tool.
pub(super) fn tool_call(id: &str, name: &str, input: Option<&RawValue>) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: CleanText::line(name),
        summary: input.map(|i| summarise_input(i.get())).unwrap_or_default(),
        nature: nature(name),
        at: None,
    }
}

/// What a pending call of this tool means.
fn nature(tool: &str) -> CallNature {
    match tool {
        "AskUserQuestion" => CallNature::Question,
        "ExitPlanMode" => CallNature::Plan,
        "Bash" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => CallNature::AsksFirst,
        // Its name before and since some 2.1.
        "Task" | "Agent" => CallNature::Subagent,
        _ => CallNature::Other,
    }
}

/// Texts of `user` lines that no person typed: output of local commands and their echo.
fn is_machine_text(text: &str) -> bool {
    [
        "<local-command-",
        "<command-name>",
        "<command-message>",
        "<bash-",
        "Caveat: The messages below",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// A first prompt that is older than the line before it by less than this was written late.
/// **Source:** 2.1.116 to 2.1.236 write the first prompt of a conversation after its answer, if
/// that comes within some 300 ms. A larger step back is the clock's.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// Most of one message that is kept for a preview, in bytes.
const SAID_CAP: usize = 8 * 1024;

const INTERRUPTED: &str = "[Request interrupted by user";

impl Conversation {
    /// Folds one line (without its line break) into the conversation; `messages`, if given,
    /// receives what a preview would show of it.
    pub fn fold(&mut self, bytes: &[u8], messages: Option<&mut Vec<Message>>) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(bytes) else {
            self.broken += 1;
            return;
        };
        if line.is_sidechain != self.of_subagent {
            return;
        }
        if !line.cwd.is_empty() {
            self.cwd = Some(line.cwd.clone().into_owned());
        }
        match &*line.kind {
            "user" | "assistant" => self.fold_message(&line, messages),
            "system" if line.subtype == "turn_duration" => self.end_turn(&line),
            "progress" if !self.pending.is_empty() => {
                let data = line
                    .data
                    .and_then(|d| serde_json::from_str::<Progress>(d.get()).ok());
                if data.is_some_and(|d| d.kind == "bash_progress") {
                    self.last = LastLine::ToolRuns;
                }
            }
            "ai-title" | "custom-title" => {
                let title = if line.custom_title.is_empty() {
                    &line.ai_title
                } else {
                    &line.custom_title
                };
                self.title = CleanText::line(title).some().or(self.title.take());
            }
            _ => {}
        }
    }

    /// A turn is over. How it ended is told by a line before, where it did not end by itself.
    fn end_turn(&mut self, line: &Line<'_>) {
        self.background_agents = line.pending_background_agent_count;
        let told = matches!(
            self.last,
            LastLine::Nothing | LastLine::ApiError | LastLine::Interrupted
        );
        if self.pending.is_empty() && !told {
            self.last = LastLine::Answer;
        }
    }

    fn fold_message(&mut self, line: &Line<'_>, messages: Option<&mut Vec<Message>>) {
        let Some(raw) = line.message else { return };
        let Ok(message) = serde_json::from_str::<RawMessage<'_>>(raw.get()) else {
            self.broken += 1;
            return;
        };
        let at = time::parse(&line.timestamp);
        let mut said = Vec::new();
        let late = line.kind == "user" && self.is_late(at);
        let counts = if line.kind == "user" {
            self.fold_user(line, &message, late, &mut said)
        } else {
            self.fold_assistant(line, &message, at, &mut said);
            true
        };
        if counts {
            self.at = at.or(self.at);
        }
        if late || (counts && self.last == LastLine::Prompt) {
            self.turn_at = at;
        }
        if let Some(messages) = messages {
            let place = if late {
                messages.partition_point(|message| message.at <= at)
            } else {
                messages.len()
            };
            let said = said.into_iter();
            messages.splice(
                place..place,
                said.map(|(role, text)| Message { role, text, at }),
            );
        }
    }

    /// Whether a line is older than the one before it, which is no prompt, and not by a step of
    /// the clock.
    fn is_late(&self, at: Option<DateTime<Utc>>) -> bool {
        let (Some(at), Some(last), None) = (at, self.at, self.turn_at) else {
            return false;
        };
        at < last && last - at < LATE
    }

    /// Returns whether the line belongs to the conversation.
    fn fold_user(
        &mut self,
        line: &Line<'_>,
        message: &RawMessage<'_>,
        late: bool,
        said: &mut Said,
    ) -> bool {
        if line.is_meta {
            return false;
        }
        if line.is_compact_summary {
            self.last = LastLine::Answer;
            return true;
        }
        let mut counts = false;
        for block in &message.content.0 {
            match &*block.kind {
                "tool_result" => {
                    self.pending.retain(|call| call.id != block.tool_use_id);
                    self.last = if self.pending.is_empty() {
                        LastLine::ToolResult
                    } else {
                        LastLine::ToolCall
                    };
                    counts = true;
                }
                "text" if block.text.starts_with(INTERRUPTED) => {
                    self.pending.clear();
                    self.last = LastLine::Interrupted;
                    counts = true;
                }
                // The lines before it say where the conversation stands.
                "text" if late && !is_machine_text(&block.text) => {
                    said.push((Role::User, CleanText::block(&block.text, SAID_CAP)));
                }
                "text" if !is_machine_text(&block.text) => {
                    self.pending.clear();
                    self.background_agents = 0;
                    self.last = LastLine::Prompt;
                    counts = true;
                    if !block.text.starts_with("<task-notification>") {
                        self.say(Role::User, &block.text, said);
                    }
                }
                _ => {}
            }
        }
        counts
    }

    fn fold_assistant(
        &mut self,
        line: &Line<'_>,
        message: &RawMessage<'_>,
        at: Option<DateTime<Utc>>,
        said: &mut Said,
    ) {
        let model = message.model.as_deref();
        if let Some(model) = model.filter(|m| !m.starts_with('<')) {
            self.model = CleanText::line(model).some();
        }
        for block in &message.content.0 {
            match &*block.kind {
                "text" => {
                    if model != Some(SYNTHETIC) || block.text != NOTHING_SAID {
                        self.say(Role::Assistant, &block.text, said);
                    }
                    self.last = match message.stop_reason.as_deref() {
                        _ if line.is_api_error_message => LastLine::ApiError,
                        Some("tool_use") => LastLine::Thinking,
                        // `null` ends every line of 2.1.50 to 2.1.7x, and a cut-off stream later.
                        _ => LastLine::Answer,
                    };
                }
                "tool_use" => {
                    let call = ToolCall {
                        at,
                        ..tool_call(&block.id, &block.name, block.input)
                    };
                    said.push((Role::Tool, call.ask()));
                    // Bounded: a model calls a handful of tools at once.
                    if self.pending.len() < 32 {
                        self.pending.push(call);
                    }
                    self.last = LastLine::ToolCall;
                }
                "thinking" | "redacted_thinking" => self.last = LastLine::Thinking,
                _ => {}
            }
        }
    }

    fn say(&mut self, role: Role, raw: &str, said: &mut Said) {
        if let Some(text) = CleanText::line(raw).some() {
            self.said = Some(text);
            said.push((role, CleanText::block(raw, SAID_CAP)));
        }
    }

    /// Folds a line of which only the first and last bytes were read, because it is larger than
    /// any buffer should be (an image, a file that is written).
    pub fn fold_edges(&mut self, head: &[u8], tail: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let tail = String::from_utf8_lossy(tail);
        let conversation =
            head.starts_with("{\"parentUuid\"") && !head.contains("\"attachment\":{");
        if !conversation || head.contains("\"isSidechain\":true") != self.of_subagent {
            return;
        }
        if let Some(at) = string_after(&tail, "\"timestamp\":\"")
            .or_else(|| string_after(&head, "\"timestamp\":\""))
        {
            self.at = time::parse(at).or(self.at);
        }
        if head.contains("\"role\":\"assistant\"") {
            if head.contains("\"type\":\"tool_use\"") {
                let field = |name: &str| string_after(&head, name).unwrap_or_default();
                let call = ToolCall {
                    id: string_after(&head, "\"type\":\"tool_use\",\"id\":\"")
                        .unwrap_or_default()
                        .to_owned(),
                    name: CleanText::line(field("\"name\":\"")),
                    summary: CleanText::line(field("\"file_path\":\"")),
                    nature: nature(field("\"name\":\"")),
                    at: self.at,
                };
                self.pending.push(call);
                self.last = LastLine::ToolCall;
            } else {
                self.last = LastLine::Answer;
            }
        } else if let Some(id) = string_after(&head, "\"tool_use_id\":\"") {
            self.pending.retain(|call| call.id != id);
            self.last = if self.pending.is_empty() {
                LastLine::ToolResult
            } else {
                LastLine::ToolCall
            };
        } else if head.contains("\"role\":\"user\"") {
            self.pending.clear();
            self.last = LastLine::Prompt;
        }
    }
}

type Said = Vec<(Role, CleanText)>;

/// The string that follows `marker`, up to its closing quote. Good for ids, times and paths,
/// which hold no escapes.
fn string_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let rest = &text[text.find(marker)? + marker.len()..];
    rest.find('"').map(|end| &rest[..end])
}

#[cfg(test)]
mod tests;
