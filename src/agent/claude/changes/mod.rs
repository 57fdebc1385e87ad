//! What transcripts tell of prompts, answers and changed files.
//!
//! A file is read from its beginning, one line after the other. Most of its bytes stand in lines
//! that tell nothing of that, and are passed over by what stands in them as it does nowhere else.
//!
//! **Source:** observed on 2.0.77 to 2.1.332; `tests/fixtures/claude/changes` holds what the newest
//! wrote.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use memchr::memmem;

use self::result::{asked, made};
use self::tape::Tape;
use super::find;
use crate::agent::changes::absolute;
use crate::agent::past::names;
use crate::agent::record::{Fields, each_record};
use crate::agent::stream::{Line, each_line};
use crate::core::model::{ConversationId, time};
use crate::core::transcript::Transcript;

mod result;
mod tape;
mod typed;

/// Project directories that are looked into.
const PROJECTS: usize = 4096;

/// What stands in a line that holds a tool's result. In a text its quotes would be escaped.
const RESULT: &[u8] = b"\"toolUseResult\":{";
/// And beside it, where a file was changed.
const CHANGED: [&[u8]; 3] = [
    b"\"structuredPatch\":",
    b"\"bashEditDiff\":",
    b"\"notebook_path\":",
];

/// And where a command committed something.
const COMMITTED: &[u8] = b"\"gitOperation\":{\"commit\":{";

/// What stands in a line with which a command is started.
const COMMAND: &[u8] = b"\"name\":\"Bash\",\"input\":{";

/// See [`crate::agent::Agent::transcripts`].
pub(super) fn transcripts(config: &Path, since: SystemTime) -> Vec<PathBuf> {
    let projects = config.join("projects");
    let mut found = Vec::new();
    for name in names(&projects, PROJECTS) {
        for file in find::in_project(config, &name).unwrap_or_default() {
            found.extend(find::subagents_in(&find::subagents(&file.path), since));
            if file.written >= since {
                found.push(file.path);
            }
        }
        // 2.0 puts them beside their conversations.
        found.extend(find::subagents_in(&projects.join(&name), since));
    }
    found
}

/// See [`crate::agent::Agent::touched`].
pub(super) fn touched(transcript: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
    let mut paths = BTreeSet::new();
    let name = transcript.file_name().unwrap_or_default();
    let subagent = find::is_subagent(&name.to_string_lossy());
    let behind = each_line(transcript, from, |line| match line {
        Line::Whole(line) if subagent && tells_of_calls(line) => each_record(line, |fields| {
            let cwd = fields.text("cwd");
            for raw in fields.object("message").list("content") {
                let call = Fields::parse(raw.get()).ok();
                let asked = call.as_ref().and_then(asked);
                paths.extend(asked.and_then(|made| absolute(cwd.as_deref(), &made.path)));
            }
        }),
        Line::Whole(line) if tells_of_changes(line) => each_record(line, |fields| {
            let cwd = fields.text("cwd");
            let made = made(&fields.object("toolUseResult"));
            let made = made
                .iter()
                .filter_map(|made| absolute(cwd.as_deref(), &made.path));
            paths.extend(made);
        }),
        Line::Whole(line) if has(line, COMMAND) => {
            let cwd = value(line, b"\"cwd\":");
            paths.extend(cwd.and_then(|cwd| absolute(None, &cwd)));
        }
        Line::Whole(_) => {}
        Line::Beginning(head) => paths.extend(written(head).map(|(path, _)| path)),
    })?;
    Ok((paths, behind))
}

/// See [`crate::agent::Agent::commits`].
///
/// **Source:** observed on 2.1.332, which reads it in what `git commit` printed; nothing is told of
/// `git commit -q`, nor of the second one of a command.
pub(super) fn commits(transcript: &Path) -> io::Result<Vec<(String, String)>> {
    let mut told = Vec::new();
    each_line(transcript, 0, |line| match line {
        Line::Whole(line) if has(line, RESULT) && has(line, COMMITTED) => {
            each_record(line, |fields| {
                let result = fields.object("toolUseResult");
                let commit = result.object("gitOperation").object("commit");
                let id = commit.text("sha");
                let branch = commit.text("branch");
                told.extend(id.map(|id| (id, branch.unwrap_or_default())));
            });
        }
        Line::Whole(_) | Line::Beginning(_) => {}
    })?;
    Ok(told)
}

/// See [`crate::agent::Agent::transcript`].
pub(super) fn transcript(path: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Transcript> {
    let mut tape = Tape::of(path, wanted);
    each_line(path, 0, |line| match line {
        Line::Whole(line) if tells(line) => each_record(line, |fields| tape.fold(fields)),
        Line::Whole(_) => {}
        Line::Beginning(head) => {
            if let Some((path, at)) = written(head) {
                tape.touched(path, at);
            }
        }
    })?;
    let there = |id: &ConversationId| path.with_file_name(format!("{id}.jsonl")).is_file();
    let transcript = tape.finish(there);
    transcript.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn has(line: &[u8], mark: &[u8]) -> bool {
    memmem::find(line, mark).is_some()
}

fn tells_of_changes(line: &[u8]) -> bool {
    has(line, RESULT) && CHANGED.iter().any(|mark| has(line, mark))
}

/// Whether a line may hold a call that is to change a file.
fn tells_of_calls(line: &[u8]) -> bool {
    let kinds: [&[u8]; 3] = [
        b"\"type\":\"assistant\"",
        b"\"tool_use\"",
        b"\"file_path\":",
    ];
    kinds.iter().all(|kind| has(line, kind))
}

/// Whether a line belongs to the conversation: between those stand copies of whole requests.
fn tells(line: &[u8]) -> bool {
    const KINDS: [&[u8]; 4] = [
        b"\"type\":\"user\"",
        b"\"type\":\"assistant\"",
        b"\"subtype\":\"turn_duration\"",
        b"\"type\":\"queued_command\"",
    ];
    !line.starts_with(b"{\"type\":\"api-request") && KINDS.iter().any(|kind| has(line, kind))
}

/// The file that was written, and when, by the beginning of a line too long to be held. A tool that
/// was only called may have been refused.
fn written(head: &[u8]) -> Option<(PathBuf, Option<DateTime<Utc>>)> {
    let at = memmem::find(head, RESULT)?;
    let path = value(&head[at..], b"\"filePath\":")?;
    let cwd = value(&head[..at], b"\"cwd\":");
    let time = value(&head[..at], b"\"timestamp\":");
    let path = absolute(cwd.as_deref(), &path)?;
    Some((path, time.as_deref().and_then(time::parse)))
}

/// The first text behind this mark.
fn value(bytes: &[u8], mark: &[u8]) -> Option<String> {
    let at = memmem::find(bytes, mark)? + mark.len();
    let values = serde_json::Deserializer::from_slice(&bytes[at..]);
    values.into_iter::<String>().next()?.ok()
}

#[cfg(test)]
mod tests;
