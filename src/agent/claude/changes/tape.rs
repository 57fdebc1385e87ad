//! The lines of a transcript, folded into its turns. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::result::{Made, asked, made};
use super::typed::typed;
use crate::agent::changes::{Index, Turns, absolute};
use crate::agent::claude::NAME;
use crate::agent::claude::conversation::INTERRUPTED;
use crate::agent::claude::find::is_subagent;
use crate::agent::record::Fields;
use crate::core::model::{ConversationId, time};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit, Transcript};

/// Calls of tools, and prompts' ids, that are remembered.
const REMEMBERED: usize = 100_000;
/// Blocks of one message.
const BLOCKS: usize = 64;

/// A call of a tool.
struct Call {
    turn: Index,
    /// Which of its turn's commands it is.
    command: Option<Index>,
    answered: bool,
    /// What it is to change: a subagent that works behind its caller is told no more than that it
    /// did.
    asked: Option<Made>,
}

/// A transcript as far as it was read.
pub(super) struct Tape<'w> {
    wanted: &'w dyn Fn(&Path) -> bool,
    /// All of a subagent's own file is its own: no person asked it, or hears it.
    subagent: Option<CleanText>,
    conversation: Option<ConversationId>,
    version: Option<CleanText>,
    model: Option<CleanText>,
    turns: Turns,
    /// The turn that goes on.
    now: Option<Index>,
    /// The last turn of each id of a prompt, and the last such id.
    by_prompt: HashMap<String, Index>,
    prompt: Option<String>,
    calls: HashMap<String, Call>,
    /// The last turn that was copied from another conversation, and from which.
    copied: Option<(Index, ConversationId)>,
    /// Directory and time of the last line.
    cwd: Option<String>,
    at: Option<DateTime<Utc>>,
}

impl<'w> Tape<'w> {
    /// One of the file at `path`, of which nothing was read.
    ///
    /// **Source:** observed on 2.1.332: `<conversation>.jsonl`, and for subagents
    /// `<conversation>/subagents/agent-<id>.jsonl`. 2.0 puts the latter beside the former; its lines
    /// say whose they are.
    pub(super) fn of(path: &Path, wanted: &'w dyn Fn(&Path) -> bool) -> Self {
        let word = |path: &Path| Some(path.file_stem()?.to_str()?.to_owned());
        let name = word(path).unwrap_or_default();
        let file = path.file_name().and_then(|name| name.to_str());
        let subagent = file
            .is_some_and(is_subagent)
            .then(|| CleanText::line(name.trim_start_matches("agent-")));
        let conversation = match (&subagent, path.parent()) {
            (None, _) => Some(name),
            (Some(_), Some(dir)) if dir.ends_with("subagents") => dir.parent().and_then(word),
            (Some(_), _) => None,
        };
        Self {
            wanted,
            subagent,
            conversation: conversation.as_deref().and_then(ConversationId::new),
            version: None,
            model: None,
            turns: Turns::default(),
            now: None,
            by_prompt: HashMap::new(),
            prompt: None,
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
        self.cwd = line.text("cwd").or(self.cwd.take());
        if let Some(version) = line.text("version") {
            self.version = CleanText::line(&version).some().or(self.version.take());
        }
        if self.conversation.is_none() {
            let id = line.text("sessionId");
            self.conversation = id.as_deref().and_then(ConversationId::new);
        }
        match &*line.word("type") {
            "user" => self.user(line, at),
            "assistant" => self.assistant(line, at),
            "attachment" => self.queued(line, at),
            "system" => self.paused(line, at),
            _ => {}
        }
    }

    /// A file was written by a line that is too long to be held.
    pub(super) fn touched(&mut self, path: PathBuf, at: Option<DateTime<Utc>>) {
        if let (Some(turn), Some(at)) = (self.now, at.or(self.at)) {
            self.changed(turn, at, path, None, Edit::Touched);
        }
    }

    /// What was read; nothing where that is no conversation. What was copied from another one,
    /// as a fork does, is left to that, if it is still `there`.
    ///
    /// **Source:** observed on 2.1.332: `requestSessionId` stands in a copied answer; the prompts'
    /// ids are lost.
    pub(super) fn finish(mut self, there: impl Fn(&ConversationId) -> bool) -> Option<Transcript> {
        if let Some((last, _)) = self.copied.take_if(|(_, from)| there(from)) {
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

    fn user(&mut self, line: &Fields<'_>, at: DateTime<Utc>) {
        let message = line.object("message");
        let id = line.text("promptId");
        let text = match message.text("content") {
            Some(text) => text,
            None => self.blocks(line, &message.list("content"), id.as_deref(), at),
        };
        if text.is_empty() || line.flag("isMeta") || line.flag("isCompactSummary") {
            return;
        }
        if text.starts_with(INTERRUPTED) {
            self.ends(Some(at));
            return;
        }
        let aside = self.subagent.is_some() || line.flag("isSidechain");
        let by_a_person = line
            .object("origin")
            .text("kind")
            .map_or(!aside && !text.starts_with("<task-notification>"), |kind| {
                kind == "human"
            });
        let uuid = line.word("uuid");
        if !by_a_person {
            self.goes_on(id, &text, &uuid, at);
        } else if let Some((text, pasted)) = typed(&text) {
            self.asks(id, &uuid, at, &text, &pasted);
        }
    }

    /// Takes the results of tools; returns what is text beside them.
    fn blocks(
        &mut self,
        line: &Fields<'_>,
        content: &[&RawValue],
        prompt: Option<&str>,
        at: DateTime<Utc>,
    ) -> String {
        let mut texts = Vec::new();
        let told = line.raw("toolUseResult").is_some();
        let mut result = Some(line.object("toolUseResult"));
        for raw in content.iter().take(BLOCKS) {
            let Ok(block) = Fields::parse(raw.get()) else {
                continue;
            };
            match &*block.word("type") {
                "tool_result" => {
                    let result = result.take().unwrap_or_default();
                    let id = block.word("tool_use_id");
                    let made = match told {
                        true => made(&result),
                        false if block.flag("is_error") => Vec::new(),
                        false => self.did_as_asked(&id, block.raw("content")),
                    };
                    self.answered(&id, prompt, (&result, made), at);
                }
                // What an editor shows beside a prompt is none.
                "text" => texts.extend(block.text("text").filter(|text| {
                    !text.starts_with("<ide_") && !text.starts_with("<system-reminder>")
                })),
                _ => {}
            }
        }
        texts.join("\n")
    }

    /// A prompt.
    fn asks(
        &mut self,
        id: Option<String>,
        uuid: &str,
        at: DateTime<Utc>,
        text: &str,
        pasted: &[&str],
    ) {
        // All prompts that were copied have one id.
        let new = id.as_deref().filter(|id| !self.by_prompt.contains_key(*id));
        let name = new.unwrap_or(uuid);
        // 2.1.116 to 2.1.236 may write the first prompt after its answer.
        let late = self.turns.last().filter(|_| self.subagent.is_none());
        let late = late.filter(|last| {
            let last = self.turns.get(*last);
            last.is_some_and(|last| last.prompt.is_none() && at <= last.at)
        });
        let turn = match late {
            Some(last) => {
                if let Some(turn) = self.turns.get(last) {
                    (turn.id, turn.at) = (CleanText::line(name), at);
                }
                last
            }
            None => match self.turns.begin(name, at) {
                Some(turn) => turn,
                None => return,
            },
        };
        self.turns.asked_for(turn, text, pasted);
        self.now = Some(turn);
        let id = id.or(self.prompt.take());
        self.known_by(id, turn);
    }

    /// Lines with this prompt's id belong to that turn from now on.
    fn known_by(&mut self, id: Option<String>, turn: Index) {
        if let Some(id) = id.filter(|_| self.by_prompt.len() < REMEMBERED) {
            self.by_prompt.insert(id.clone(), turn);
            self.prompt = Some(id);
        }
    }

    /// Something that no person said lets it go on: for the prompt whose command has ended, or for
    /// the last one. A subagent is told by its caller, with the id of the prompt that is behind it.
    fn goes_on(&mut self, id: Option<String>, text: &str, uuid: &str, at: DateTime<Utc>) {
        let ended = text.split_once("<tool-use-id>");
        let ended = ended.and_then(|(_, rest)| rest.split_once("</tool-use-id>"));
        let call = ended.and_then(|(id, _)| self.calls.get(id));
        let known = id.as_ref().and_then(|id| self.by_prompt.get(id)).copied();
        let mut turn = known.or(call.map(|call| call.turn));
        if let Some(call) = call
            && let Some(command) = call.command
            && let Some(command) = self.turns.command(call.turn, command)
        {
            command.to.get_or_insert(at);
        }
        if self.subagent.is_none() || id.is_none() {
            turn = turn.or(self.turns.last());
        }
        let name = id.as_deref().unwrap_or(uuid);
        self.now = turn.or_else(|| self.turns.begin(name, at));
        self.ends(None);
        if let Some(turn) = self.now {
            self.known_by(id, turn);
        }
    }

    /// The turn that goes on has ended, or has not.
    fn ends(&mut self, at: Option<DateTime<Utc>>) {
        if let Some(turn) = self.now.and_then(|turn| self.turns.get(turn)) {
            turn.ended = at;
        }
    }

    /// The CLI has nothing more to do, but for what runs behind the conversation.
    fn paused(&mut self, line: &Fields<'_>, at: DateTime<Utc>) {
        if line.word("subtype") == "turn_duration" {
            let behind = line.number("pendingBackgroundAgentCount").unwrap_or(0);
            self.ends((behind <= 0).then_some(at));
        }
    }

    /// A prompt that was typed while the agent worked, and is told to it in the middle of its turn.
    fn queued(&mut self, line: &Fields<'_>, at: DateTime<Utc>) {
        let queued = line.object("attachment");
        let kind = queued.object("origin").text("kind");
        let by_a_person = match kind {
            Some(kind) => kind == "human",
            None => queued.word("commandMode") == "prompt",
        };
        let prompt = || {
            queued.text("prompt").unwrap_or_else(|| {
                let blocks = queued.list("prompt").into_iter().take(BLOCKS);
                let blocks = blocks.filter_map(|raw| Fields::parse(raw.get()).ok());
                let texts: Vec<_> = blocks.filter_map(|block| block.text("text")).collect();
                texts.join("\n")
            })
        };
        if queued.word("type") != "queued_command" || !by_a_person || self.subagent.is_some() {
            return;
        }
        if let Some((text, pasted)) = typed(&prompt()) {
            let at = queued
                .text("timestamp")
                .as_deref()
                .and_then(time::parse)
                .unwrap_or(at);
            self.asks(None, &line.word("uuid"), at, &text, &pasted);
        }
    }

    fn assistant(&mut self, line: &Fields<'_>, at: DateTime<Utc>) {
        let message = line.object("message");
        let said_by = message.text("model");
        let by_the_cli = said_by
            .as_deref()
            .is_some_and(|model| model.starts_with('<'));
        // What stands in the place of an answer, where a conversation is gone on with, is none.
        if by_the_cli && !line.flag("isApiErrorMessage") {
            return;
        }
        let uuid = line.word("uuid");
        let turn = self.now.or_else(|| self.turns.begin(&uuid, at));
        let Some(turn) = turn else { return };
        self.now = Some(turn);
        let from = line.text("requestSessionId");
        let from = from.as_deref().and_then(ConversationId::new);
        if let Some(from) = from.filter(|from| self.conversation.as_ref() != Some(from)) {
            self.copied = Some((turn, from));
        }
        if let Some(model) = said_by.filter(|_| !by_the_cli) {
            self.model = CleanText::line(&model).some().or(self.model.take());
        }
        let aside = self.subagent.is_some() || line.flag("isSidechain") || by_the_cli;
        for raw in message.list("content").into_iter().take(BLOCKS) {
            let Ok(block) = Fields::parse(raw.get()) else {
                continue;
            };
            match &*block.word("type") {
                "text" if !aside => self.turns.answered(turn, &block.word("text")),
                "tool_use" => self.calls(&block, turn, at),
                _ => {}
            }
        }
        let ends = by_the_cli || message.word("stop_reason") == "end_turn";
        self.ends(ends.then_some(at));
    }

    fn calls(&mut self, block: &Fields<'_>, turn: Index, at: DateTime<Utc>) {
        let id = block.word("id");
        if self.calls.len() >= REMEMBERED || self.calls.contains_key(&*id) {
            return;
        }
        let input = block.object("input");
        let command = match &*block.word("name") {
            "Bash" => input.text("command"),
            _ => None,
        };
        let command = command.map(|text| Command {
            text: CleanText::line(&text),
            cwd: self.cwd.as_deref().and_then(|cwd| absolute(None, cwd)),
            from: at,
            to: None,
            background: input.flag("run_in_background"),
        });
        let command = command.and_then(|command| self.turns.started(turn, command));
        let asked = self.subagent.as_ref().and_then(|_| asked(block));
        let wanted = |made: &Made| {
            let path = absolute(self.cwd.as_deref(), &made.path);
            path.is_some_and(|path| (self.wanted)(&path))
        };
        let call = Call {
            turn,
            command,
            answered: false,
            asked: asked.filter(wanted),
        };
        self.calls.insert(id.into_owned(), call);
    }

    /// What a call was to change, now that it has answered without a word of that.
    fn did_as_asked(&mut self, id: &str, said: Option<&RawValue>) -> Vec<Made> {
        let asked = self.calls.get_mut(id).and_then(|call| call.asked.take());
        let is_new = said.is_some_and(|said| said.get().contains("File created successfully"));
        let known = |mut made: Made| {
            if let Edit::Whole { before, .. } = &mut made.edit {
                *before = is_new.then(String::new);
            }
            made
        };
        asked.map(known).into_iter().collect()
    }

    /// A tool has answered: what it changed, when a command ended, what a person replied.
    fn answered(
        &mut self,
        id: &str,
        prompt: Option<&str>,
        (result, made): (&Fields<'_>, Vec<Made>),
        at: DateTime<Utc>,
    ) {
        let mut command = None;
        let mut turn = None;
        if let Some(call) = self.calls.get_mut(id) {
            if call.answered {
                return;
            }
            call.answered = true;
            turn = Some(call.turn);
            command = call
                .command
                .and_then(|command| self.turns.command(call.turn, command));
        }
        let by = command.map(|command| {
            command.background |= result.raw("backgroundTaskId").is_some();
            if !command.background {
                command.to = Some(at);
            }
            command.text.clone()
        });
        let known = prompt.and_then(|id| self.by_prompt.get(id)).copied();
        let turn = turn.or(known).or(self.now);
        let Some(turn) = turn.or_else(|| self.turns.begin(prompt.unwrap_or(id), at)) else {
            return;
        };
        for made in made {
            if let Some(path) = absolute(self.cwd.as_deref(), &made.path) {
                let by = by.clone().filter(|_| made.by_shell);
                self.changed(turn, at, path, by, made.edit);
            }
        }
        let answers = result.object("answers");
        for raw in result.list("questions").into_iter().take(BLOCKS) {
            let question = Fields::parse(raw.get())
                .ok()
                .and_then(|raw| raw.text("question"));
            let Some(question) = question else { continue };
            let answer = answers.text(&question).or_else(|| {
                let several: Vec<String> =
                    serde_json::from_str(answers.raw(&question)?.get()).ok()?;
                Some(several.join(", "))
            });
            if let Some(answer) = answer {
                self.turns.replied(turn, &question, &answer);
            }
        }
    }

    fn changed(
        &mut self,
        turn: Index,
        at: DateTime<Utc>,
        path: PathBuf,
        by: Option<CleanText>,
        edit: Edit,
    ) {
        if (self.wanted)(&path) {
            let change = Change { at, path, by, edit };
            self.turns.changed(turn, change);
        }
    }
}
