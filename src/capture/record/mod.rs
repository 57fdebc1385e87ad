//! What is kept of a commit: made of a selection (`build`), written as the note of a commit and
//! read again (`note`), for people (`people`). Pure.

mod build;
mod fit;
mod note;
mod people;
mod trace;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(super) use self::build::kept;
pub(super) use self::build::shortened;
pub use self::build::{LEFT_OUT, Limits};
pub(super) use self::people::{ranges, shown};
pub use self::trace::uuid;
pub(super) use self::trace::{provider, stamp};
use crate::core::model::ConversationId;
use crate::core::text::CleanText;

/// What is kept of a commit. Nothing in it is unredacted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<String, u32>,
    /// What was left out for its size, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    #[serde(deserialize_with = "note::at")]
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
    /// What the agent answered, in order.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        default,
        deserialize_with = "note::blocks"
    )]
    pub answers: Vec<CleanText>,
    /// What the agent asked back, and was answered.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        default,
        deserialize_with = "note::pairs"
    )]
    pub asked: Vec<(CleanText, CleanText)>,
}

/// A file of a commit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct FilePart {
    /// Its path from the top of the working tree, as git has it, bytes that are no UTF-8 replaced: to
    /// be compared, and shown as [`CleanText`] only.
    pub path: String,
    /// Its added lines, in order, without overlap.
    pub ranges: Vec<Span>,
    /// Prompts that changed it though none of the lines can be told to be theirs, by their place in
    /// the record, with the command that did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub touched: Vec<(usize, Option<CleanText>)>,
}

/// Added lines of one origin.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Span {
    /// Its first line, from 1.
    pub start: u32,
    /// Its last line.
    pub end: u32,
    /// The prompt they come of, by its place in the record; without one, a person or what is not
    /// known wrote them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<usize>,
    /// The command that wrote them, if a shell did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<CleanText>,
    /// The path under which they were written, if nobody tells that the file was moved or copied from
    /// there: that it was is said by what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// [`line_hash`] of each line, 0 for a blank one.
    #[serde(skip)]
    pub hashes: Vec<u32>,
}

impl Record {
    /// The same without a conversation; nothing if no other took part.
    #[must_use]
    pub fn without(&self, conversation: &ConversationId) -> Option<Self> {
        let stays = |at: usize| {
            let talk = self.conversations.get(at);
            talk.is_some_and(|talk| talk.session_id != *conversation)
        };
        let place = |at: usize| (0..at).filter(|at| stays(*at)).count();
        let asked = |at: usize| {
            self.prompts
                .get(at)
                .is_some_and(|asked| stays(asked.conversation))
        };
        let prompt = |at: usize| asked(at).then(|| (0..at).filter(|at| asked(*at)).count());
        let mut rest = self.clone();
        rest.conversations
            .retain(|talk| talk.session_id != *conversation);
        rest.prompts.retain(|asked| stays(asked.conversation));
        for asked in &mut rest.prompts {
            asked.conversation = place(asked.conversation);
        }
        for file in &mut rest.files {
            for span in &mut file.ranges {
                span.prompt = span.prompt.and_then(prompt);
                span.by = span.by.take().filter(|_| span.prompt.is_some());
                span.from = span.from.take().filter(|_| span.prompt.is_some());
            }
            let touched = std::mem::take(&mut file.touched).into_iter();
            file.touched = touched
                .filter_map(|(at, by)| Some((prompt(at)?, by)))
                .collect();
        }
        (!rest.conversations.is_empty()).then_some(rest)
    }
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
mod tests;
