//! Which conversation follows another after `/clear`, for versions whose status file goes on to
//! name the one of their start.
//!
//! **Source:** 2.0.77 to 2.1.126: the new transcript begins with the command, and the history of
//! prompts has it, under the old conversation, within 20 ms of that.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::model::{ConversationId, time};

/// Bytes of a transcript in which the command stands, if it began with one: its first lines.
const HEAD: u64 = 16 * 1024;
/// Bytes of the history that are read: some thousands of prompts.
const HISTORY: u64 = 1 << 20;
/// The two times of one command differ by less.
const SLACK: TimeDelta = TimeDelta::seconds(1);
/// The command and its other names.
const COMMANDS: [&str; 3] = ["/clear", "/reset", "/new"];

/// A conversation that began with, or was left by, the command at that time.
pub type Cleared = (ConversationId, DateTime<Utc>);

/// How a conversation began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beginning {
    /// With the command, then.
    Cleared(DateTime<Utc>),
    /// Otherwise.
    Other,
    /// Its first lines are not all written.
    Unknown,
}

/// How the conversation of this transcript began, by its first lines.
///
/// # Errors
/// Those of the file system.
pub fn beginning(transcript: &Path) -> io::Result<Beginning> {
    let mut head = Vec::new();
    File::open(transcript)?.take(HEAD).read_to_end(&mut head)?;
    let head_is_full = head.len() as u64 >= HEAD;
    let head = String::from_utf8_lossy(&head);
    let told = head.lines().find_map(begins);
    let untold = if head_is_full {
        Beginning::Other
    } else {
        Beginning::Unknown
    };
    Ok(told.unwrap_or(untold))
}

/// What a line tells of the beginning: the first thing that its user said, or did by a command.
/// A warning and what a command printed stand around that, as lines of the user as well.
fn begins(text: &str) -> Option<Beginning> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        r#type: String,
        #[serde(default)]
        is_meta: bool,
        timestamp: Option<DateTime<Utc>>,
    }
    let line: Line = serde_json::from_str(text).ok()?;
    let named = |name: &&str| text.contains(&format!("<command-name>{name}</command-name>"));
    match &*line.r#type {
        "user" if line.is_meta => None,
        "user" if COMMANDS.iter().any(named) => line.timestamp.map(Beginning::Cleared),
        "user" if text.contains("<local-command-") => None,
        "user" | "assistant" => Some(Beginning::Other),
        _ => None,
    }
}

/// The conversations that the command left, by the history of prompts of a configuration.
#[must_use]
pub fn left(config: &Path) -> Vec<Cleared> {
    let lines = read_end(&config.join("history.jsonl")).unwrap_or_default();
    parse_history(&lines)
}

fn read_end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(HISTORY);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(HISTORY).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_history(lines: &str) -> Vec<Cleared> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Prompt {
        display: String,
        timestamp: i64,
        session_id: String,
    }
    let prompts = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Prompt>(line).ok());
    let clears = prompts.filter(|prompt| {
        let word = prompt.display.split_whitespace().next();
        word.is_some_and(|word| COMMANDS.contains(&word))
    });
    let cleared = |prompt: Prompt| {
        let at = time::from_millis(prompt.timestamp)?;
        Some((ConversationId::new(&prompt.session_id)?, at))
    };
    clears.filter_map(cleared).collect()
}

/// The conversation that a process is in by now, which was once in `first`.
#[must_use]
pub fn follow(first: &ConversationId, left: &[Cleared], begun: &[Cleared]) -> ConversationId {
    let mut current = first.clone();
    // Each step is a command later than the one before; so the number of them bounds it.
    for _ in begun {
        let leaving = left
            .iter()
            .filter(|(conversation, _)| *conversation == current);
        let next = leaving
            .flat_map(|(_, at)| {
                begun
                    .iter()
                    .map(move |(next, began)| (next, (*began - *at).abs()))
            })
            .filter(|(next, apart)| *apart < SLACK && **next != current)
            .min_by_key(|(_, apart)| *apart);
        let Some((next, _)) = next else { break };
        current = next.clone();
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ConversationId {
        ConversationId::new(name).unwrap()
    }

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_175_200_000 + ms).unwrap()
    }

    #[test]
    fn a_transcript_that_the_command_began_tells_when() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        let line = r#"{"type":"user","message":{"content":"<command-name>/clear</command-name>\n"},"timestamp":"2026-11-20T11:46:57.334Z"}"#;
        let says = |text: &str| {
            std::fs::write(&path, text).unwrap();
            beginning(&path).unwrap()
        };
        let first = "{\"type\":\"mode\"}\n";
        let at = "2026-11-20T11:46:57.334Z".parse().unwrap();
        assert_eq!(says(&format!("{first}{line}\n")), Beginning::Cleared(at));
        assert_eq!(says(first), Beginning::Unknown, "written in pieces");
        assert_eq!(says(&line[..60]), Beginning::Unknown);
        let answer = r#"{"type":"assistant"}"#;
        assert_eq!(says(&format!("{first}{answer}\n")), Beginning::Other);
        let prompt = r#"{"type":"user","message":{"content":"what does /clear do?"}}"#;
        assert_eq!(
            says(&format!("{first}{prompt}\n{line}\n")),
            Beginning::Other
        );
        let warning =
            r#"{"type":"user","isMeta":true,"message":{"content":"<local-command-caveat>"}}"#;
        assert_eq!(says(&format!("{warning}\n")), Beginning::Unknown);
        assert_eq!(
            says(&format!("{warning}\n{line}\n")),
            Beginning::Cleared(at)
        );
    }

    #[test]
    fn the_history_tells_who_cleared() {
        let lines = r#"
{"display":"/clear","pastedContents":{},"timestamp":1795175200001,"project":"/w","sessionId":"a"}
{"display":"clear it up","timestamp":1795175200002,"project":"/w","sessionId":"a"}
{"display":"/clear "#;
        assert_eq!(parse_history(lines), [(id("a"), at(1))]);
    }

    #[test]
    fn each_conversation_is_followed_to_its_own_next() {
        let left = [(id("a"), at(0)), (id("b"), at(400)), (id("a2"), at(9000))];
        let begun = [(id("a2"), at(5)), (id("b2"), at(404)), (id("a3"), at(9002))];
        assert_eq!(follow(&id("a"), &left, &begun), id("a3"));
        assert_eq!(follow(&id("b"), &left, &begun), id("b2"));
        assert_eq!(follow(&id("c"), &left, &begun), id("c"));
        let late = [(id("a2"), at(60_000))];
        assert_eq!(
            follow(&id("a"), &left, &late),
            id("a"),
            "that began otherwise"
        );
    }
}
