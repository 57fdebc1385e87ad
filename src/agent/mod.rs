//! Coding tools that vmux knows: one folder each, which reads only under given roots.

pub mod claude;
pub mod codex;
pub mod lines;
mod record;
