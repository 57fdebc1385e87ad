//! Prompts, answers and changes of the sessions in a repository, kept with its commits.

pub mod consent;
pub mod content;
pub mod cursor;
mod diff;
pub mod git;
pub mod index;
pub mod known;
mod part;
pub mod patch;
mod place;
pub mod record;
pub mod redact;
pub mod reflog;
mod replay;
mod rows;
pub mod select;
pub mod spot;
mod talks;
pub mod trees;
