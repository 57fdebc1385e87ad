//! What `vmux why` prints.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Local, Utc};
use serde_json::{Value, json};

use super::{Found, go};
use crate::agent;
use crate::capture::record::{Asked, Record, Talk};
use crate::capture::why::{Answer, By, Level, OfCommit, Source};
use crate::core::model::Session;
use crate::core::text::{CleanText, age, truncate};
use crate::frontend::preview::{Line, Tone, render};
use crate::frontend::row;
use crate::sys::clock;

/// Lines of code that are shown of one answer.
const CODE: usize = 4;
/// Lines of a prompt, and of an answer, that are shown.
const SAID: usize = 12;
/// Columns of the words in front.
const KEY: usize = 9;

/// As one JSON object.
pub(super) fn json(found: &Found, alive: Option<&[Arc<Session>]>) -> serde_json::Result<String> {
    let value = match found {
        Found::Lines(_, path, answers) => {
            let answers = answers.iter().map(|answer| answer_json(answer, alive));
            json!({
                "file": path.to_string_lossy(),
                "answers": answers.collect::<Vec<_>>(),
            })
        }
        Found::Commit(_, told) => {
            let prompts = told.sources.iter().flat_map(|(source, prompts)| {
                let source: &Source = source;
                prompts
                    .iter()
                    .filter_map(|prompt| prompt_json(source, *prompt, alive))
            });
            json!({
                "commit": told.commit,
                "subject": told.subject,
                "level": level_of(told).as_str(),
                "by": told.by.map(By::as_str),
                "records": told.sources.iter().map(|(source, _)| &source.record.commit).collect::<Vec<_>>(),
                "prompts": prompts.collect::<Vec<_>>(),
            })
        }
    };
    Ok(serde_json::to_string(&value)? + "\n")
}

fn level_of(told: &OfCommit) -> Level {
    match told.by {
        Some(By::Id | By::PatchId) => Level::Commit,
        Some(By::Content) => Level::Content,
        None => Level::None,
    }
}

fn answer_json(answer: &Answer, alive: Option<&[Arc<Session>]>) -> Value {
    let ends = |number: fn(&crate::capture::blame::Blamed) -> u32| {
        let first = answer.lines.first().map(number);
        let last = answer.lines.last().map(number);
        [first, last]
    };
    let line = answer.lines.first();
    let commit = line.and_then(|line| line.commit.as_ref());
    let prompts = answer.prompts.iter().filter_map(|prompt| {
        let source = answer.source.as_ref()?;
        prompt_json(source, *prompt, alive)
    });
    json!({
        "lines": ends(|line| line.number),
        "commit": commit,
        "path": line.map(|line| &line.path),
        "source_lines": ends(|line| line.source),
        "subject": line.filter(|_| commit.is_some()).map(|line| &line.subject),
        "history_ends_there": line.is_some_and(|line| line.boundary),
        "level": answer.level.as_str(),
        "by": answer.by.map(By::as_str),
        "record": answer.source.as_ref().map(|source| &source.record.commit),
        "writer": answer.source.as_ref().map(|source| &source.writer),
        "command": answer.command,
        "from": answer.from,
        "prompts": prompts.collect::<Vec<_>>(),
    })
}

fn prompt_json(source: &Source, place: usize, alive: Option<&[Arc<Session>]>) -> Option<Value> {
    let (asked, talk) = asked(&source.record, place)?;
    let session = alive.map(|all| session_json(living(all, talk)));
    Some(json!({
        "text": asked.text,
        "at": asked.at,
        "turn": asked.turn,
        "primary": asked.primary,
        "answers": asked.answers,
        "agent": talk.agent,
        "version": talk.version,
        "model": talk.model,
        "session_id": talk.session_id,
        "alive": session,
    }))
}

fn session_json(session: Option<&Session>) -> Value {
    let Some(session) = session else {
        return Value::Bool(false);
    };
    json!({
        "id": session.id,
        "state": session.state.as_str(),
        "workspace": session.workspace,
    })
}

fn asked(record: &Record, place: usize) -> Option<(&Asked, &Talk)> {
    let asked = record.prompts.get(place)?;
    Some((asked, record.conversations.get(asked.conversation)?))
}

fn living<'s>(alive: &'s [Arc<Session>], talk: &Talk) -> Option<&'s Session> {
    let mut all = alive.iter().map(AsRef::as_ref);
    all.find(|session: &&Session| session.session_id.as_ref() == Some(&talk.session_id))
}

/// For people.
pub(super) fn text(
    found: &Found,
    alive: Option<&[Arc<Session>]>,
    columns: usize,
    colored: bool,
) -> String {
    let mut page = Page {
        lines: Vec::new(),
        now: clock::now(),
        alive,
        columns: columns.max(20),
    };
    match found {
        Found::Lines(_, path, answers) => {
            for answer in answers {
                page.answer(path, answer);
            }
        }
        Found::Commit(_, told) => page.commit(told),
    }
    let wrapped: Vec<Line> = page
        .lines
        .iter()
        .flat_map(|line| line.wrap(page.columns))
        .collect();
    render(&wrapped, colored)
}

struct Page<'p> {
    lines: Vec<Line>,
    now: DateTime<Utc>,
    alive: Option<&'p [Arc<Session>]>,
    columns: usize,
}

impl Page<'_> {
    fn push(&mut self, hang: usize, spans: Vec<(Tone, String)>) {
        self.lines.push(Line { spans, hang });
    }

    /// A word in front, and what it says.
    fn field(&mut self, key: &str, tone: Tone, text: String) {
        let key = (Tone::Faint, format!("{key:KEY$}"));
        self.push(KEY, vec![key, (tone, text)]);
    }

    fn gap(&mut self) {
        if !self.lines.is_empty() {
            self.push(0, vec![(Tone::Plain, String::new())]);
        }
    }

    fn answer(&mut self, path: &Path, answer: &Answer) {
        self.gap();
        let path = CleanText::line(&path.to_string_lossy());
        let (first, last) = match (answer.lines.first(), answer.lines.last()) {
            (Some(first), Some(last)) => (first.number, last.number),
            _ => return,
        };
        let place = match first == last {
            true => format!("{path}:{first}"),
            false => format!("{path}:{first}-{last}"),
        };
        self.push(0, vec![(Tone::Strong, place)]);
        for line in answer.lines.iter().take(CODE) {
            let code = CleanText::block(&String::from_utf8_lossy(&line.text), 1024);
            let code = truncate(&code, self.columns.saturating_sub(4)).into_owned();
            self.push(4, vec![(Tone::Plain, format!("    {code}"))]);
        }
        let more = answer.lines.len().saturating_sub(CODE);
        if more > 0 {
            self.push(4, vec![(Tone::Faint, format!("    … {more} more"))]);
        }
        let source = answer.source.as_deref();
        let own = answer.level != Level::Commit;
        if own {
            self.prompts(source, &answer.prompts);
        }
        self.proof(answer);
        if let Some(line) = answer.lines.first().filter(|line| line.commit.is_some()) {
            self.field("commit", Tone::Plain, self.commit_words(line));
        }
        if let Some(command) = &answer.command {
            self.field("command", Tone::Plain, command.to_string());
        }
        if !own {
            self.prompts(source, &answer.prompts);
        }
    }

    fn commit_words(&self, line: &crate::capture::blame::Blamed) -> String {
        let id = short(line.commit.as_deref().unwrap_or_default());
        let subject = CleanText::line(&line.subject);
        let age = age(self.now.timestamp().saturating_sub(line.at));
        let end = match line.boundary {
            true => ", where history begins",
            false => "",
        };
        format!("{id} {subject} ({age} ago{end})")
    }

    fn proof(&mut self, answer: &Answer) {
        let source = answer.source.as_deref();
        let record = source.map(|source| &source.record.commit);
        let record = short(record.map_or("", |commit| commit));
        let words = match (answer.level, answer.by) {
            (Level::Line, Some(By::PatchId)) => {
                format!("line: the record of {record}, a commit with the same changes, names it")
            }
            (Level::Line, _) => "line: the record of its commit names it".into(),
            (Level::File, _) => {
                "file: this changed the file in that commit; which lines is not known".into()
            }
            (Level::Commit, _) => {
                "commit: no recorded session wrote this line; these prompts led to its commit"
                    .into()
            }
            (Level::Content, Some(By::Id | By::PatchId)) => {
                let from = CleanText::line(answer.from.as_deref().unwrap_or_default());
                format!(
                    "content: it wrote the line in {from}; most lines of this file are from there"
                )
            }
            (Level::Content, _) => format!("content: the record of {record} has the same line"),
            (Level::Uncommitted, _) if source.is_some() => {
                "uncommitted: a change that this conversation made wrote it".into()
            }
            (Level::Uncommitted, _) => "uncommitted: no session is known to have written it".into(),
            (Level::None, _) => "none: no recorded session wrote it".into(),
        };
        self.field("proof", Tone::Plain, words);
    }

    fn prompts(&mut self, source: Option<&Source>, prompts: &[usize]) {
        let Some(source) = source else {
            return;
        };
        for prompt in prompts {
            if let Some((asked, talk)) = asked(&source.record, *prompt) {
                self.prompt(asked, talk);
            }
        }
    }

    fn prompt(&mut self, asked: &Asked, talk: &Talk) {
        self.said("\u{203a} ", Tone::Strong, &asked.text);
        if let Some(answer) = asked.answers.last() {
            self.said("  ", Tone::Faint, answer);
        }
        let at = asked.at.with_timezone(&Local).format("%Y-%m-%d %H:%M");
        let age = age((self.now - asked.at).num_seconds());
        let tool = agent::by_name(&talk.agent);
        let mut tool = tool.map_or_else(
            || CleanText::line(&talk.agent).to_string(),
            |tool| tool.title().to_owned(),
        );
        for more in [&talk.version, &talk.model].into_iter().flatten() {
            tool.push_str(&format!(" {more}"));
        }
        self.field("asked", Tone::Plain, format!("{at} ({age} ago), {tool}"));
        self.session(talk);
    }

    fn session(&mut self, talk: &Talk) {
        let id = &talk.session_id;
        let Some(alive) = self.alive else {
            self.field("session", Tone::Plain, id.to_string());
            return;
        };
        let Some(session) = living(alive, talk) else {
            self.field("session", Tone::Plain, format!("{id} has ended"));
            if let Some(command) = go::command(&talk.agent, id) {
                self.field("resume", Tone::Plain, command);
            }
            return;
        };
        let state = row::state_words(session, self.now);
        let place = session.workspace.as_ref();
        let place = place.map_or_else(String::new, |name| format!(", workspace {name}"));
        let words = format!("{}  {state}{place}  (--go goes there)", session.title());
        self.field("session", Tone::Active, words);
    }

    fn said(&mut self, mark: &str, tone: Tone, text: &CleanText) {
        let mut all: Vec<Line> = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let mark = if n == 0 { mark } else { "  " };
            let spans = vec![(tone, format!("{mark}{line}"))];
            all.extend(Line { spans, hang: 2 }.wrap(self.columns));
        }
        self.lines.extend(all.iter().take(SAID).cloned());
        if all.len() > SAID {
            let more = format!("  … {} more lines", all.len() - SAID);
            self.push(2, vec![(Tone::Faint, more)]);
        }
    }

    fn commit(&mut self, told: &OfCommit) {
        let head = format!("{} {}", short(&told.commit), CleanText::line(&told.subject));
        self.push(0, vec![(Tone::Strong, head)]);
        let records: Vec<&str> = told
            .sources
            .iter()
            .map(|(source, _)| short(&source.record.commit))
            .collect();
        let records = records.join(", ");
        let words = match told.by {
            Some(By::Id) => "commit: it has a record".into(),
            Some(By::PatchId) => {
                format!("commit: the record of {records}, which has the same changes")
            }
            Some(By::Content) => format!("content: lines of it are in the records of {records}"),
            None => "none: no recorded session is known to have had part in it".into(),
        };
        self.field("proof", Tone::Plain, words);
        for (source, prompts) in &told.sources {
            for place in prompts {
                let Some((asked, talk)) = asked(&source.record, *place) else {
                    continue;
                };
                self.gap();
                self.prompt(asked, talk);
                self.files(&source.record, *place);
            }
        }
    }

    /// Which lines of the commit come of a prompt.
    fn files(&mut self, record: &Record, prompt: usize) {
        let mut words: Vec<String> = Vec::new();
        for part in &record.files {
            let spans = part
                .ranges
                .iter()
                .filter(|span| span.prompt == Some(prompt));
            let ranges: Vec<String> = spans
                .map(|span| match span.start == span.end {
                    true => span.start.to_string(),
                    false => format!("{}-{}", span.start, span.end),
                })
                .collect();
            let touched = part.touched.iter().any(|(at, _)| *at == prompt);
            if !ranges.is_empty() || touched {
                let path = CleanText::line(&part.path);
                words.push(format!("{path} {}", ranges.join(",")).trim_end().to_owned());
            }
        }
        if !words.is_empty() {
            self.field("wrote", Tone::Plain, words.join("; "));
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
