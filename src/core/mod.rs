//! The words as types and the rules over them. Pure: no file, clock, environment, process or thread.

pub mod counts;
pub mod few;
pub mod model;
pub mod named;
pub mod order;
pub mod projects;
pub mod query;
pub mod registry;
pub mod sorted;
pub mod text;
pub mod transcript;
pub mod verdict;
