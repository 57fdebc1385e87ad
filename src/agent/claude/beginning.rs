//! How a conversation began: with `/clear` of the one before, or otherwise.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;

/// Bytes of a transcript in which the command stands, if it began with one: its first lines.
const HEAD: u64 = 16 * 1024;
/// The command and its other names.
const COMMANDS: [&str; 3] = ["/clear", "/reset", "/new"];

/// How a conversation began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beginning {
    /// With the command: its process was in another conversation before.
    Cleared,
    /// Otherwise.
    Other,
    /// Its first lines are not all written.
    Unknown,
}

/// How the conversation of this transcript began, by its first lines.
///
/// **Source:** 2.0.77 to 2.1.126: the new transcript begins with the command.
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
    }
    let line: Line = serde_json::from_str(text).ok()?;
    let named = |name: &&str| text.contains(&format!("<command-name>{name}</command-name>"));
    match &*line.r#type {
        "user" if line.is_meta => None,
        "user" if COMMANDS.iter().any(named) => Some(Beginning::Cleared),
        "user" if text.contains("<local-command-") => None,
        "user" | "assistant" => Some(Beginning::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_that_the_command_began_tells_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        let line =
            r#"{"type":"user","message":{"content":"<command-name>/clear</command-name>\n"}}"#;
        let says = |text: &str| {
            std::fs::write(&path, text).unwrap();
            beginning(&path).unwrap()
        };
        let first = "{\"type\":\"mode\"}\n";
        assert_eq!(says(&format!("{first}{line}\n")), Beginning::Cleared);
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
        assert_eq!(says(&format!("{warning}\n{line}\n")), Beginning::Cleared);
    }
}
