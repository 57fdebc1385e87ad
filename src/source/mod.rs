//! The threads that turn the outside into [`Observation`](crate::model::Observation)s. They may
//! block, and never touch the registry.

pub mod git;
pub mod ground;
mod inbox;
mod naming;
mod process;
pub mod scout;
mod subagents;
mod tracked;
pub mod watch;
