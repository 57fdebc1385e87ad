//! What a conversation's files tell of its prompts and of what it changed, whichever agent wrote
//! them. Prompts and answers are shown as [`CleanText`]; contents of files are compared, byte for
//! byte, and never shown or kept.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::model::ConversationId;
use super::text::CleanText;

/// A conversation, or a subagent's part of one, as far as it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcript {
    /// The agent's name on the wire: `claude`.
    pub agent: String,
    /// The conversation that a person can go on with; a subagent's is the one that called it.
    pub conversation: ConversationId,
    /// Which subagent of it, if it is one.
    pub subagent: Option<CleanText>,
    /// The agent's version that wrote last.
    pub version: Option<CleanText>,
    /// The model that answered last, as the agent names it.
    pub model: Option<CleanText>,
    /// What was said and done, by the time at which each turn began.
    pub turns: Vec<Turn>,
}

/// A prompt, and all that was done for it until the next one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// What names it within its conversation, and stays when the file is read again.
    pub id: CleanText,
    /// What was asked, if a person asked it.
    pub prompt: Option<Prompt>,
    /// When it began.
    pub at: DateTime<Utc>,
    /// When it ended, if it has.
    pub ended: Option<DateTime<Utc>>,
    /// What the agent said to the person, in order.
    pub answers: Vec<CleanText>,
    /// What it asked the person through a dialog, and was answered.
    pub asked: Vec<(CleanText, CleanText)>,
    /// Commands that it ran in a shell, in order.
    pub commands: Vec<Command>,
    /// What it changed, by time.
    pub changes: Vec<Change>,
}

/// What a person asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// Its text with line breaks, without what was pasted.
    pub text: CleanText,
    /// What was pasted into it, in order; where each stood, the text has a line
    /// as [`pasted_mark`] makes it.
    pub pasted: Vec<CleanText>,
}

/// What stands in a prompt's text where this many lines were pasted.
#[must_use]
pub fn pasted_mark(lines: usize) -> String {
    match lines {
        1 => "‹1 line pasted›".to_owned(),
        lines => format!("‹{lines} lines pasted›"),
    }
}

/// A command that an agent ran in a shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Its words, at most 200 characters.
    pub text: CleanText,
    /// In which directory, absolute, if that is told.
    pub cwd: Option<PathBuf>,
    /// When it was started.
    pub from: DateTime<Utc>,
    /// When its result was there; nothing while it runs.
    pub to: Option<DateTime<Utc>>,
    /// It went on behind the conversation: its result says nothing of its end.
    pub background: bool,
}

/// A change of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// When it was made, by the agent's own clock: exact to 0.1 s.
    pub at: DateTime<Utc>,
    /// The file, absolute; its links are not resolved.
    pub path: PathBuf,
    /// The command that made it, if a shell did.
    pub by: Option<CleanText>,
    /// What it did.
    pub edit: Edit,
}

/// What a change did to its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// The whole file was written.
    Whole {
        /// What it held, an empty text if it is new; nothing if that was not kept.
        before: Option<String>,
        /// What it holds.
        after: String,
        /// What differs, as the agent shows it: white space in it may differ from the file's.
        shown: Vec<Hunk>,
    },
    /// A text in it was replaced by another one.
    Replace {
        /// What the file held, if that was kept.
        before: Option<String>,
        /// What was replaced.
        old: String,
        /// By what.
        new: String,
        /// Everywhere, and not just where it stood first.
        all: bool,
        /// Where, as the agent shows it: white space in it may differ from the file's.
        shown: Vec<Hunk>,
    },
    /// Lines were replaced.
    Hunks {
        /// Which, by place.
        hunks: Vec<Hunk>,
        /// The file is new.
        created: bool,
        /// The file is gone.
        deleted: bool,
    },
    /// It was renamed to this path and, perhaps, changed.
    Moved {
        /// Its new path, absolute.
        to: PathBuf,
        /// What changed.
        hunks: Vec<Hunk>,
    },
    /// It changed; how is not known.
    Touched,
}

/// Lines that were replaced by others, as a unified diff shows them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hunk {
    /// Its first line before, from 1; 0 if its place is not known.
    pub old_start: u32,
    /// Its first line after, from 1; 0 if its place is not known.
    pub new_start: u32,
    /// Its lines, each with ` `, `+` or `-` in front, without line breaks.
    pub lines: Vec<String>,
}

/// A change of one file as another coding tool tells of it: its lines; or a text in it; or all of
/// it (no `old`); or only that it was changed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToldChange {
    /// The file, absolute or in the conversation's directory.
    pub path: String,
    /// What was replaced where it stood first; nothing if the whole file was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// By what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// Lines that were replaced, as a unified diff shows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<ToldHunk>,
    /// The file is new.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// The file is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Lines of such a change.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToldHunk {
    /// Their first one before, from 1; 0 if that is not known.
    pub old_start: u32,
    /// Their first one after, from 1; 0 if that is not known.
    pub new_start: u32,
    /// The lines, each with ` `, `+` or `-` in front.
    pub lines: Vec<String>,
}
