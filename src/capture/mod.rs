//! Prompts, answers and changes of the sessions in a repository, kept with its commits.

pub mod consent;
pub mod content;
pub mod cursor;
pub mod git;
pub mod index;
pub mod known;
pub mod patch;
pub mod record;
pub mod redact;
pub mod reflog;
pub mod select;
pub mod spot;
pub mod trees;
