//! Prompts, answers and changes of the sessions in a repository, kept with its commits.

pub mod consent;
pub mod cursor;
pub mod git;
pub mod known;
pub mod record;
pub mod redact;
pub mod reflog;
pub mod select;
pub mod trees;
pub mod content;
pub mod index;
pub mod patch;
pub mod record;
pub mod select;
pub mod spot;
