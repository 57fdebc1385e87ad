//! Where a session's terminal lives, if not directly in a window: multiplexers, and terminals
//! with tabs.

pub mod kitty;
pub mod screen;
pub mod tmux;
pub mod typing;
