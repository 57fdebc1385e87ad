//! What is kept of a commit. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::model::ConversationId;
use crate::core::text::CleanText;

/// What is kept of a commit. Nothing in it is unredacted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// The commit, as its full id.
    pub commit: String,
    /// When the commit was made.
    pub at: DateTime<Utc>,
    /// The commit's tree.
    pub tree: String,
    /// `git patch-id --stable` of the commit; empty for one without changes.
    pub patch_id: String,
    /// The commits whose records went into this one when history was rewritten.
    pub from: Vec<String>,
    /// Whether all turns in it had ended.
    pub complete: bool,
    /// Who took part.
    pub conversations: Vec<Talk>,
    /// What was asked, by time.
    pub prompts: Vec<Asked>,
    /// The files of the commit with lines of known origin, and those without.
    pub files: Vec<FilePart>,
    /// How often each rule of redaction replaced something.
    pub redacted: BTreeMap<String, u32>,
    /// What was left out for its size, in words.
    pub cut: Vec<CleanText>,
}

/// What of conversations belongs to a commit, whole and unredacted: never written or shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// Who took part.
    pub conversations: Vec<Talk>,
    /// What was asked, by time.
    pub prompts: Vec<Asked>,
    /// The files of the commit.
    pub files: Vec<FilePart>,
    /// Whether all turns in it had ended.
    pub complete: bool,
}

/// A conversation that took part.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Talk {
    /// The agent's name on the wire.
    pub agent: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<CleanText>,
    /// Its model.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<CleanText>,
    /// The agent's own id of it.
    pub session_id: ConversationId,
}

/// A prompt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Its conversation, by its place in the record.
    pub conversation: usize,
    /// The turn's id within its conversation.
    pub turn: CleanText,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether lines or files of the commit come of it; else it only led there.
    pub primary: bool,
    /// Its text.
    #[serde(deserialize_with = "crate::core::text::deserialize_block")]
    pub text: CleanText,
    /// What was pasted into it, as [`Prompt`](crate::core::transcript::Prompt) has it. A record has
    /// none: it is put back into the text, or left out.
    #[serde(skip)]
    pub pasted: Vec<CleanText>,
    /// What the agent answered, the last first to be kept.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub answers: Vec<CleanText>,
    /// What the agent asked back, and was answered.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub asked: Vec<(CleanText, CleanText)>,
}

/// A file of a commit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FilePart {
    /// Its path from the top of the working tree, as git has it, bytes that are no UTF-8 replaced.
    pub path: String,
    /// Its added lines, in order, without overlap.
    pub ranges: Vec<Span>,
    /// Prompts that changed it though none of the lines can be told to be theirs, by their place in
    /// the record, with the command that did.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub touched: Vec<(usize, Option<CleanText>)>,
}

/// Added lines of one origin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Its first line, from 1.
    pub start: u32,
    /// Its last line.
    pub end: u32,
    /// The prompt they come of, by its place in the record; without one, a person or what is not
    /// known wrote them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<usize>,
    /// The command that wrote them, if a shell did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by: Option<CleanText>,
    /// [`line_hash`] of each line, 0 for a blank one.
    #[serde(default)]
    pub hashes: Vec<u32>,
}

/// What tells a line of a file from others, whatever its white space: FNV-1a, folded to 32 bits.
/// Nothing for one that is blank.
#[must_use]
pub fn line_hash(line: &[u8]) -> Option<u32> {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut any = false;
    for byte in line.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        any = true;
    }
    let folded = (hash >> 32) ^ (hash & u64::from(u32::MAX));
    any.then(|| u32::try_from(folded).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_differ_by_more_than_white_space() {
        let hash = |line: &str| line_hash(line.as_bytes());
        assert_eq!(hash("let a = 1;"), hash("\tlet a=1;\r"));
        assert_ne!(hash("let a = 1;"), hash("let b = 1;"));
        assert_eq!(hash(" \t"), None);
        // Records that were written before hold these numbers; FNV-1a of "a" is af63dc4c8601ec8c.
        assert_eq!(hash("a"), Some(0x2962_30c0));
    }
}
