//! Prompts, answers and changes of the sessions in a repository, kept with its commits.

pub mod record;
pub mod select;
