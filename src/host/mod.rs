//! Where a session's terminal lives, if not directly in a window: multiplexers.

pub mod screen;
pub mod tmux;
pub mod typing;
