//! Window systems: who owns which window, and how one gets the focus.

pub mod discover;
pub mod i3;
pub mod x11;

use std::fmt;
use std::time::Duration;

/// Longest wait for one answer of a window manager or X server.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Why a window system did not do what was asked.
#[derive(Debug)]
pub enum WmError {
    /// Nobody listens there (any more).
    Closed(std::io::Error),
    /// No answer in time.
    Hung,
    /// It refused; its own words.
    Refused(String),
    /// Its answer makes no sense.
    Garbled(String),
}

impl fmt::Display for WmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(error) => write!(f, "it does not listen: {error}"),
            Self::Hung => write!(f, "it did not answer within {} ms", PATIENCE.as_millis()),
            Self::Refused(words) => write!(f, "it refused: {words}"),
            Self::Garbled(what) => write!(f, "its answer makes no sense: {what}"),
        }
    }
}

impl std::error::Error for WmError {}

impl From<std::io::Error> for WmError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => Self::Hung,
            _ => Self::Closed(error),
        }
    }
}
