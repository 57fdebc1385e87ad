//! Records in the forms of other tools: Markdown for pull requests, Agent Trace, Promptcellar's log,
//! git-ai's notes. Pure.

mod git_ai;
mod markdown;
mod plf;

pub use self::git_ai::git_ai;
pub use self::markdown::markdown;
pub use self::plf::{Author, Line, line, lines};

use super::record::Record;
use crate::core::text::CleanText;

/// A record, and what git says of its commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What is kept of it.
    pub record: Record,
    /// The first line of its message.
    pub subject: CleanText,
    /// Who wrote it.
    pub author: Author,
    /// Whether the record was written here: others' are text that nobody vouches for.
    pub own: bool,
}

impl Entry {
    /// The commit's id, short.
    #[must_use]
    pub fn short(&self) -> &str {
        let id = &self.record.commit;
        id.get(..10).unwrap_or(id)
    }
}

/// The record of each entry as Agent Trace has it, one a line.
#[must_use]
pub fn agent_trace(entries: &[Entry]) -> String {
    entries
        .iter()
        .map(|entry| entry.record.json() + "\n")
        .collect()
}

/// The entries for people, as `git log` would have them.
#[must_use]
pub fn people(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        if !out.is_empty() {
            out.push('\n');
        }
        let other = if entry.own {
            ""
        } else {
            "  (of another writer)"
        };
        out.push_str(&format!("{} {}{other}\n", entry.short(), entry.subject));
        for line in entry.record.people().lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
