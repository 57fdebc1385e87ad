//! The lines of a rollout, folded into its turns. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::patch::made;
use crate::agent::changes::{Index, Turns, absolute};
use crate::agent::codex::NAME;
use crate::agent::codex::rollout::texts;
use crate::agent::record::Fields;
use crate::core::model::{ConversationId, time};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit, Transcript};

/// Calls and turns that are remembered.
const REMEMBERED: usize = 100_000;
/// Questions of one dialog.
const QUESTIONS: usize = 64;
/// How the answer of a shell begins to tell that the command goes on behind the conversation.
const GOES_ON: &str = "Process running with session ID";

/// A call of a tool.
enum Call {
    /// Which command of which turn it is.
    Command(Index, Index),
    /// Questions, each with its id.
    Questions(Index, Vec<(String, String)>),
}

/// A rollout as far as it was read.
pub(super) struct Tape<'w> {
    wanted: &'w dyn Fn(&Path) -> bool,
    conversation: Option<ConversationId>,
    /// Another conversation has begun this one: no person asked it.
    subagent: Option<CleanText>,
    version: Option<CleanText>,
    model: Option<CleanText>,
    turns: Turns,
    now: Option<Index>,
    by_id: HashMap<String, Index>,
    calls: HashMap<String, Call>,
    /// The last turn that is older than the conversation: it was copied from another one.
    copied: Option<Index>,
    cwd: Option<String>,
    at: Option<DateTime<Utc>>,
}

impl<'w> Tape<'w> {
    /// One of which nothing was read.
    pub(super) fn of(wanted: &'w dyn Fn(&Path) -> bool) -> Self {
        Self {
            wanted,
            conversation: None,
            subagent: None,
            version: None,
            model: None,
            turns: Turns::default(),
            now: None,
            by_id: HashMap::new(),
            calls: HashMap::new(),
            copied: None,
            cwd: None,
            at: None,
        }
    }

    /// Takes one line.
    pub(super) fn fold(&mut self, line: &Fields<'_>) {
        let Some(at) = line.text("timestamp").as_deref().and_then(time::parse) else {
            return;
        };
        self.at = Some(at);
        let payload = line.object("payload");
        match &*line.word("type") {
            "session_meta" => self.meta(&payload),
            "turn_context" => {
                let model = payload.text("model");
                let model = model.and_then(|model| CleanText::line(&model).some());
                self.model = model.or(self.model.take());
                self.cwd = payload.text("cwd").or(self.cwd.take());
            }
            "event_msg" => self.event(&payload, at),
            "response_item" => self.item(&payload, at),
            _ => {}
        }
    }

    /// A file was changed by a line that is too long to be held.
    pub(super) fn touched(&mut self, path: PathBuf) {
        if let (Some(turn), Some(at)) = (self.now, self.at) {
            self.changed(turn, at, path, Edit::Touched);
        }
    }

    /// What was read; nothing where that is no conversation.
    pub(super) fn finish(mut self) -> Option<Transcript> {
        if let Some(last) = self.copied {
            self.turns.forget(last);
        }
        let turns = self.turns.finish();
        if turns.is_empty() {
            return None;
        }
        Some(Transcript {
            agent: NAME.to_owned(),
            conversation: self.conversation?,
            subagent: self.subagent,
            version: self.version,
            model: self.model,
            turns,
        })
    }

    /// The first line. A copy of another conversation has that one's behind its own.
    fn meta(&mut self, meta: &Fields<'_>) {
        if let Some(version) = meta.text("cli_version") {
            self.version = CleanText::line(&version).some();
        }
        if self.conversation.is_some() {
            return;
        }
        self.cwd = meta.text("cwd");
        let id = meta.text("id").or_else(|| meta.text("session_id"));
        let spawned = meta
            .object("source")
            .object("subagent")
            .object("thread_spawn");
        let parent = spawned.text("parent_thread_id");
        if let Some(parent) = parent.or_else(|| meta.text("parent_thread_id")) {
            self.subagent = id.as_deref().map(CleanText::line);
            self.conversation = ConversationId::new(&parent);
        } else {
            self.conversation = id.as_deref().and_then(ConversationId::new);
        }
    }

    fn event(&mut self, event: &Fields<'_>, at: DateTime<Utc>) {
        let id = event.text("turn_id");
        let known = id.as_ref().and_then(|id| self.by_id.get(id)).copied();
        match &*event.word("type") {
            "task_started" => self.begins(event, at),
            "user_message" => {
                let text = event.word("message");
                self.asks(self.now, "", at, &text);
            }
            "agent_message" => self.says(&event.word("message")),
            "patch_apply_end" => self.patched(event, known.or(self.now), at),
            "item_completed" => self.completed(event, known.or(self.now), at),
            "task_complete" | "turn_aborted" => {
                let turn = known.or(self.now).and_then(|turn| self.turns.get(turn));
                if let Some(turn) = turn {
                    turn.ended = Some(at);
                }
            }
            _ => {}
        }
    }

    /// A turn. One of a subagent is named after the turn of a person that is behind it.
    fn begins(&mut self, event: &Fields<'_>, at: DateTime<Utc>) {
        let id = event.word("turn_id").into_owned();
        let root = event
            .text("root_turn_id")
            .filter(|_| self.subagent.is_some());
        let Some(turn) = self.turns.begin(root.as_deref().unwrap_or(&id), at) else {
            return;
        };
        self.now = Some(turn);
        // Ids begin with the time at which they were made.
        let own = self
            .conversation
            .as_ref()
            .filter(|_| self.subagent.is_none());
        if let Some(own) = own.and_then(|own| made_at(own.as_str()))
            && made_at(&id).is_some_and(|made| made < own)
        {
            self.copied = Some(turn);
        }
        if self.by_id.len() < REMEMBERED {
            self.by_id.insert(id, turn);
        }
    }

    fn completed(&mut self, event: &Fields<'_>, turn: Option<Index>, at: DateTime<Utc>) {
        let item = event.object("item");
        let texts = || texts(&item.list("content"));
        match &*item.word("type") {
            "UserMessage" => self.asks(turn, &item.word("id"), at, &texts()),
            "AgentMessage" => self.says(&texts()),
            "Plan" => self.says(&item.word("text")),
            "FileChange" => self.patched(event, turn, at),
            "CommandExecution" => self.ran(event, &item, turn, at),
            _ => {}
        }
    }

    /// A prompt. The first one of a turn is that turn's; one that was typed while it works begins
    /// another one.
    fn asks(&mut self, turn: Option<Index>, id: &str, at: DateTime<Utc>, text: &str) {
        if self.subagent.is_some() || text.trim().is_empty() {
            return;
        }
        let mut turn = turn.or_else(|| self.turns.begin(id, at));
        if let Some(asked) = turn.and_then(|turn| self.turns.get(turn))
            && asked.prompt.is_some()
        {
            let name = match id {
                "" => format!("{} {}", asked.id, at.timestamp_millis()),
                id => id.to_owned(),
            };
            turn = self.turns.begin(&name, at);
        }
        let Some(turn) = turn else { return };
        self.turns.asked_for(turn, text.trim(), &[]);
        // What follows in the same turn of the agent is done for this one too.
        if let Some(now) = self.now.replace(turn) {
            for known in self.by_id.values_mut().filter(|known| **known == now) {
                *known = turn;
            }
        }
    }

    fn says(&mut self, text: &str) {
        if let Some(turn) = self.now.filter(|_| self.subagent.is_none()) {
            self.turns.answered(turn, text);
        }
    }

    fn patched(&mut self, event: &Fields<'_>, turn: Option<Index>, at: DateTime<Utc>) {
        let Some(turn) = turn else { return };
        for (path, edit) in made(event) {
            if let Some(path) = absolute(self.cwd.as_deref(), &path) {
                self.changed(turn, at, path, edit);
            }
        }
    }

    fn changed(&mut self, turn: Index, at: DateTime<Utc>, path: PathBuf, edit: Edit) {
        let moved = match &edit {
            Edit::Moved { to, .. } => (self.wanted)(to),
            _ => false,
        };
        if moved || (self.wanted)(&path) {
            let by = None;
            self.turns.changed(turn, Change { at, path, by, edit });
        }
    }

    /// A command has ended.
    fn ran(
        &mut self,
        event: &Fields<'_>,
        item: &Fields<'_>,
        turn: Option<Index>,
        at: DateTime<Utc>,
    ) {
        let from = event.number("started_at_ms").and_then(time::from_millis);
        let text = words(item.raw("command"));
        if item.word("source") == "user_shell" {
            return self.asks(
                turn,
                &item.word("id"),
                from.unwrap_or(at),
                &format!("! {text}"),
            );
        }
        let id = item.word("id").into_owned();
        if !self.calls.contains_key(&id) {
            self.starts(turn, &id, &text, None, from.unwrap_or(at));
        }
        if let Some(Call::Command(turn, command)) = self.calls.get(&id)
            && let Some(command) = self.turns.command(*turn, *command)
        {
            command.to = Some(at);
        }
    }

    fn starts(
        &mut self,
        turn: Option<Index>,
        id: &str,
        text: &str,
        cwd: Option<&str>,
        from: DateTime<Utc>,
    ) {
        // What a patch changes is told by itself.
        let Some(turn) = turn.filter(|_| !text.trim_start().starts_with("apply_patch")) else {
            return;
        };
        let command = Command {
            text: CleanText::line(text),
            cwd: absolute(self.cwd.as_deref(), cwd.unwrap_or_default()),
            from,
            to: None,
            background: false,
        };
        if self.calls.len() < REMEMBERED
            && let Some(command) = self.turns.started(turn, command)
        {
            self.calls
                .insert(id.to_owned(), Call::Command(turn, command));
        }
    }

    fn item(&mut self, item: &Fields<'_>, at: DateTime<Utc>) {
        let kind = item.word("type");
        let id = item.word("call_id");
        if kind.ends_with("_call_output") {
            self.answered(&id, item, at);
        } else if kind.ends_with("_call") {
            self.calls(&kind, &id, item, at);
        } else if kind == "message" && item.word("role") == "user" {
            // 0.139 tells only so of what the person ran in the shell.
            let text = texts(&item.list("content"));
            let command = text.strip_prefix("<user_shell_command>\n<command>\n");
            let command = command.and_then(|rest| rest.split_once("\n</command>"));
            let told = self.now.and_then(|turn| self.turns.get(turn));
            let told = told.is_some_and(|turn| turn.prompt.is_some() && turn.ended.is_none());
            if let Some((command, _)) = command.filter(|_| !told) {
                self.asks(self.now, "", at, &format!("! {command}"));
            }
        }
    }

    fn calls(&mut self, kind: &str, id: &str, item: &Fields<'_>, at: DateTime<Utc>) {
        let name = item.text("name");
        let arguments = item.text("arguments").unwrap_or_default();
        let input = Fields::parse(&arguments).unwrap_or_default();
        let cwd = input.text("workdir");
        match name.as_deref().unwrap_or(kind) {
            "exec_command" | "shell_command" | "shell" => {
                let text = input
                    .text("cmd")
                    .unwrap_or_else(|| words(input.raw("command")));
                self.starts(self.now, id, &text, cwd.as_deref(), at);
            }
            "local_shell_call" => {
                let text = words(item.object("action").raw("command"));
                self.starts(self.now, id, &text, cwd.as_deref(), at);
            }
            "request_user_input" => {
                let questions = input.list("questions").into_iter().take(QUESTIONS);
                let questions = questions.filter_map(|raw| {
                    let question = Fields::parse(raw.get()).ok()?;
                    Some((question.text("id")?, question.text("question")?))
                });
                if let Some(turn) = self.now.filter(|_| self.calls.len() < REMEMBERED) {
                    let call = Call::Questions(turn, questions.collect());
                    self.calls.insert(id.to_owned(), call);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, id: &str, item: &Fields<'_>, at: DateTime<Utc>) {
        let output = item.text("output").unwrap_or_default();
        match self.calls.get(id) {
            Some(Call::Command(turn, command)) => {
                if let Some(command) = self.turns.command(*turn, *command) {
                    command.background = output.contains(GOES_ON);
                    if !command.background {
                        command.to.get_or_insert(at);
                    }
                }
            }
            Some(Call::Questions(turn, questions)) => {
                let answers = Fields::parse(&output).unwrap_or_default().object("answers");
                for (id, question) in questions {
                    let answers = answers.object(id).list("answers").into_iter();
                    let answers = answers.filter_map(|raw| serde_json::from_str(raw.get()).ok());
                    let answers: Vec<String> = answers.collect();
                    if !answers.is_empty() {
                        self.turns.replied(*turn, question, &answers.join(", "));
                    }
                }
            }
            None => {}
        }
    }
}

/// The script of a command, or its words: `["bash", "-lc", "cargo test"]`.
fn words(raw: Option<&RawValue>) -> String {
    let words: Option<Vec<String>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    match words {
        Some(words) => match &words[..] {
            [_, option, script] if option.starts_with('-') => script.clone(),
            words => words.join(" "),
        },
        None => raw
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default(),
    }
}

/// The time in an id (UUID version 7), in milliseconds since 1970.
fn made_at(id: &str) -> Option<u64> {
    let time = id.get(..13)?.replace('-', "");
    u64::from_str_radix(&time, 16)
        .ok()
        .filter(|_| id.len() == 36)
}
