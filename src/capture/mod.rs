//! Prompts, answers and changes of the sessions in a repository, kept with its commits.

pub mod commits;
pub mod consent;
pub mod content;
pub mod cursor;
mod diff;
pub mod dotenv;
pub mod formats;
pub mod git;
pub mod index;
pub mod known;
pub mod logs;
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
pub mod state;
pub mod store;
mod talks;
pub mod told;
pub mod trees;
pub mod work;
