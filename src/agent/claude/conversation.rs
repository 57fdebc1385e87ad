//! The lines of a transcript, folded into where the conversation stands. Pure.
//!
//! Only `user` and `assistant` lines belong to the conversation; two dozen other kinds come in
//! between and after, many without a time. A line that cannot be read is skipped and counted.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use self::line::{Line, RawMessage, each_record, with_message};
use super::facts::LastLine;
use super::record::{Fields, beginning};
use crate::agent::{Message, Speaker};
use crate::core::model::{CallNature, ToolCall, time};
use crate::core::text::CleanText;

mod line;

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
    /// Prompts that are queued, or were taken from the queue and are not written yet.
    queued: u32,
    /// A subagent was started since the last prompt.
    has_subagent: bool,
    /// The version does not say of its last answer whether that ends the turn.
    is_open: bool,
    /// The model's id of its last message, which may have several lines.
    message: String,
    /// Whether it is a subagent's: of a transcript only such lines count, or only others.
    pub of_subagent: bool,
}

/// The fields of a tool's input that say what it would do, the one that says most first.
const TELLING: [&str; 9] = [
    "command",
    "file_path",
    "notebook_path",
    "url",
    "query",
    "pattern",
    "skill",
    "description",
    "prompt",
];

/// What a tool call would do, in one line, from its input: a command, a path, a question. Empty if
/// its input holds none of the known fields.
#[must_use]
pub fn summarise_input(input: &str) -> CleanText {
    let Ok(fields) = Fields::parse(input) else {
        return CleanText::default();
    };
    let questions = fields.list("questions").into_iter();
    let question = questions
        .filter_map(|raw| Fields::parse(raw.get()).ok()?.text("question"))
        .next();
    // A plan is a document; its first line is its title.
    let plan = || {
        let plan = fields.text("plan")?;
        let mut lines = plan.lines().map(|line| line.trim_start_matches(['#', ' ']));
        lines.find(|line| !line.is_empty()).map(str::to_owned)
    };
    let told = || TELLING.iter().find_map(|name| fields.text(name));
    let text = question.or_else(plan).or_else(told);
    text.map(|text| CleanText::line(&text)).unwrap_or_default()
}

/// A call of a tool.
pub(super) fn tool_call(id: &str, name: &str, input: Option<&RawValue>) -> ToolCall {
    ToolCall {
        id: bounded(id).to_owned(),
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
        "Bash" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "Read" => CallNature::AsksFirst,
        // Its name before and since some 2.1.
        "Task" | "Agent" => CallNature::Subagent,
        // They wait for what was started before, as long as it takes.
        "TaskOutput" | "BashOutput" | "AgentOutputTool" => CallNature::Free,
        _ => CallNature::Other,
    }
}

/// What a person typed, by the text of a `user` line.
pub(super) enum Typed<'a> {
    /// A prompt: the model works on it.
    Prompt(Cow<'a, str>),
    /// Something that the CLI does by itself.
    Aside(String),
}

impl<'a> Typed<'a> {
    /// Nothing for the CLI's own words: output of its commands, and their echo.
    ///
    /// **Source:** 2.0.77, 2.1.100 and 2.1.328. A command of the person's own, of a plugin or a
    /// skill begins with `<command-message>`, and what it stands for follows as `isMeta`; one of
    /// the CLI's own begins with `<command-name>`. `!` in front makes `<bash-input>`, `#` made
    /// `<user-memory-input>` (1.0).
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let aside = |mark: &str, tag| Some(Self::Aside(format!("{mark} {}", inside(text, tag)?)));
        if text.starts_with("<command-message>") {
            let name = inside(text, "command-name")?;
            let arguments = inside(text, "command-args").unwrap_or_default();
            let command = format!("{name} {arguments}");
            // The tool of skills says without a slash which one it loads.
            name.starts_with('/')
                .then_some(Self::Prompt(command.into()))
        } else if text.starts_with("<bash-input>") {
            aside("!", "bash-input")
        } else if text.starts_with("<user-memory-input>") {
            aside("#", "user-memory-input")
        } else {
            let own = [
                "<local-command-",
                "<command-name>",
                "<bash-",
                "Caveat: The messages below",
            ];
            let own = own.iter().any(|start| text.starts_with(start));
            (!own).then_some(Self::Prompt(text.into()))
        }
    }
}

/// What stands between a tag and its end.
fn inside<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>"))
        .map(|(inside, _)| inside)
}

/// A first prompt that is older than the line before it, but by less than this, was written late.
/// **Source:** 2.1.116 to 2.1.236 write the first prompt of a conversation after its answer, if
/// that comes within some 300 ms. A larger step back is the clock's.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// Most of one message that is kept for a preview, in bytes.
const SAID_CAP: usize = 8 * 1024;

/// Kinds of progress that only a tool tells which runs. A hook's comes before the dialog.
/// **Source:** the code of 2.0.77 and 2.1.100.
const RUNS: [&str; 5] = [
    "bash_progress",
    "powershell_progress",
    "mcp_progress",
    "query_update",
    "search_results_received",
];

/// Calls that are kept while they are not answered.
const PENDING: usize = 32;

/// Bytes of an id that are kept; the CLI's have some 30.
const ID_CAP: usize = 128;

/// Bytes of a path that are kept: more than Linux takes.
const PATH_CAP: usize = 4096;

fn bounded(id: &str) -> &str {
    &id[..id.floor_char_boundary(ID_CAP)]
}

/// How the line begins that the CLI writes where a person stops it.
pub(super) const INTERRUPTED: &str = "[Request interrupted by user";

impl Conversation {
    /// One of which nothing was read yet.
    #[must_use]
    pub fn new(of_subagent: bool) -> Self {
        Self {
            of_subagent,
            ..Self::default()
        }
    }

    /// Folds one line (without its line break) into the conversation; `messages`, if given,
    /// receives what a preview would show of it.
    pub fn fold(&mut self, bytes: &[u8], mut messages: Option<&mut Vec<Message>>) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let read = each_record(bytes, |line| {
            self.fold_record(line, messages.as_deref_mut());
        });
        if !read {
            self.broken += 1;
        }
    }

    fn fold_record(&mut self, line: &Line<'_>, messages: Option<&mut Vec<Message>>) {
        // All of a subagent's own file is its own, also where the mark is missing.
        if line.is_sidechain && !self.of_subagent {
            return;
        }
        if !line.cwd.is_empty() && line.cwd.len() <= PATH_CAP {
            self.cwd = Some(line.cwd.clone().into_owned());
        }
        match &*line.kind {
            // One without a type tells by its role what it is.
            "user" | "assistant" | "" => self.fold_message(line, messages),
            "system" if line.subtype == "turn_duration" => self.end_turn(line),
            "progress" if !self.pending.is_empty() => {
                let data = line.data.and_then(|raw| Fields::parse(raw.get()).ok());
                if data.is_some_and(|data| RUNS.contains(&&*data.word("type"))) {
                    self.last = LastLine::ToolRuns;
                }
            }
            // One that is taken from the queue stays counted until it is written.
            "queue-operation" => match &*line.operation {
                "enqueue" => self.queued = self.queued.saturating_add(1),
                "remove" => self.queued = self.queued.saturating_sub(1),
                "popAll" => self.queued = 0,
                _ => {}
            },
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

    /// Whether the end of a turn may be followed by more at once.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        let is_open = self.last == LastLine::Answer && self.is_open;
        is_open || self.has_subagent || self.background_agents > 0 || self.queued > 0
    }

    /// A turn is over. How it ended is told by a line before, where it did not end by itself.
    fn end_turn(&mut self, line: &Line<'_>) {
        self.background_agents = line.pending_background_agent_count;
        self.is_open = false;
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
        let read = with_message(raw, |message| self.fold_said(line, message, messages));
        if read.is_none() {
            self.broken += 1;
        }
    }

    fn fold_said(
        &mut self,
        line: &Line<'_>,
        message: &RawMessage<'_>,
        messages: Option<&mut Vec<Message>>,
    ) {
        let role = match &*line.kind {
            "" => &*message.role,
            kind => kind,
        };
        let at = time::parse(&line.timestamp);
        let mut said = Vec::new();
        let late = role == "user" && self.is_late(at);
        let counts = match role {
            "user" => self.fold_user(line, message, late, &mut said),
            "assistant" => {
                self.fold_assistant(line, message, at, &mut said);
                true
            }
            _ => false,
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
                said.map(|(speaker, text)| Message { speaker, text, at }),
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
            match block.kind() {
                "tool_result" => {
                    self.answer(&block.tool_use_id);
                    counts = true;
                }
                "text" => counts |= self.fold_text(&block.text, late, said),
                _ => {}
            }
        }
        counts
    }

    /// Folds a text of the user's side; whether it belongs to the conversation.
    fn fold_text(&mut self, text: &str, late: bool, said: &mut Said) -> bool {
        if text.starts_with(INTERRUPTED) {
            self.pending.clear();
            self.last = LastLine::Interrupted;
            return true;
        }
        match Typed::of(text) {
            // The lines before it say where the conversation stands.
            Some(Typed::Prompt(prompt)) if late => {
                said.push((Speaker::User, CleanText::block(&prompt, SAID_CAP)));
                false
            }
            Some(Typed::Prompt(prompt)) => {
                self.pending.clear();
                self.background_agents = 0;
                self.has_subagent = false;
                self.queued = self.queued.saturating_sub(1);
                self.last = LastLine::Prompt;
                if !prompt.starts_with("<task-notification>") {
                    self.say(Speaker::User, &prompt, said);
                }
                true
            }
            Some(Typed::Aside(aside)) => {
                self.say(Speaker::User, &aside, said);
                false
            }
            None => false,
        }
    }

    /// A call was made. One that is told twice is one.
    fn call(&mut self, call: ToolCall) {
        let nature = call.nature;
        let known = |other: &ToolCall| !call.id.is_empty() && other.id == call.id;
        // Bounded: a model calls a handful of tools at once.
        if self.pending.len() < PENDING && !self.pending.iter().any(known) {
            self.pending.push(call);
        }
        self.has_subagent |= nature == CallNature::Subagent;
        self.last = LastLine::ToolCall;
    }

    /// A call was answered: the one of this id; where an id is missing, the first that it can be.
    fn answer(&mut self, id: &str) {
        let id = bounded(id);
        let before = self.pending.len();
        self.pending.retain(|call| id.is_empty() || call.id != id);
        if self.pending.len() == before {
            let open = |call: &ToolCall| id.is_empty() || call.id.is_empty();
            self.pending
                .iter()
                .position(open)
                .map(|of| self.pending.remove(of));
        }
        self.last = if self.pending.is_empty() {
            LastLine::ToolResult
        } else {
            LastLine::ToolCall
        };
    }

    fn fold_assistant(
        &mut self,
        line: &Line<'_>,
        message: &RawMessage<'_>,
        at: Option<DateTime<Utc>>,
        said: &mut Said,
    ) {
        // Whoever answers has heard of all that was called before, told here or not.
        if !message.id.is_empty() && bounded(&message.id) != self.message {
            self.message = bounded(&message.id).to_owned();
            self.pending.clear();
        }
        let model = message.model.as_deref();
        if let Some(model) = model.filter(|m| !m.starts_with('<')) {
            self.model = CleanText::line(model).some();
        }
        for block in &message.content.0 {
            match block.kind() {
                "text" => {
                    self.is_open = message.stop_reason.is_none();
                    if model != Some(SYNTHETIC) || block.text != NOTHING_SAID {
                        self.say(Speaker::Assistant, &block.text, said);
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
                    let words = call.question().unwrap_or_else(|| call.ask());
                    said.push((Speaker::Tool, words));
                    self.call(call);
                }
                "thinking" | "redacted_thinking" => self.last = LastLine::Thinking,
                _ => {}
            }
        }
    }

    fn say(&mut self, speaker: Speaker, raw: &str, said: &mut Said) {
        if let Some(text) = CleanText::line(raw).some() {
            self.said = Some(text);
            said.push((speaker, CleanText::block(raw, SAID_CAP)));
        }
    }

    /// Folds a line of which only the first and last bytes were read, because it is larger than
    /// any buffer should be (an image, a file that is written).
    pub fn fold_edges(&mut self, head: &[u8], tail: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let tail = String::from_utf8_lossy(tail);
        let conversation =
            head.starts_with("{\"parentUuid\"") && !head.contains("\"attachment\":{");
        let aside = !self.of_subagent && head.contains("\"isSidechain\":true");
        if !conversation || aside {
            return;
        }
        let at = string_after(&tail, "\"timestamp\":\"");
        let at = at.or_else(|| string_after(&head, "\"timestamp\":\""));
        self.at = at.and_then(time::parse).or(self.at);
        if head.contains("\"role\":\"assistant\"") {
            if head.contains("\"type\":\"tool_use\"") {
                let field = |name: &str| string_after(&head, name).unwrap_or_default();
                let id = field("\"type\":\"tool_use\",\"id\":\"");
                let name = field("\"name\":\"");
                let call = ToolCall {
                    summary: CleanText::line(field("\"file_path\":\"")),
                    at: self.at,
                    ..tool_call(id, name, None)
                };
                self.call(call);
            } else {
                self.last = LastLine::Answer;
            }
        } else if let Some(id) = string_after(&head, "\"tool_use_id\":\"") {
            self.answer(id);
        } else if head.contains("\"role\":\"user\"") && !tail.contains("\"isMeta\":true") {
            let text = ["\"content\":\"", "\"text\":\""]
                .iter()
                .find_map(|mark| head.split_once(mark));
            let text = text.map(|(_, rest)| beginning(rest)).unwrap_or_default();
            if tail.contains("\"isCompactSummary\":true") {
                self.last = LastLine::Answer;
            } else {
                self.fold_text(&text, false, &mut Vec::new());
            }
        }
    }
}

type Said = Vec<(Speaker, CleanText)>;

/// The string that follows `marker`, up to its closing quote. Good for ids, times and paths,
/// which hold no escapes.
fn string_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let rest = &text[text.find(marker)? + marker.len()..];
    rest.find('"').map(|end| &rest[..end])
}

#[cfg(test)]
mod tests;
