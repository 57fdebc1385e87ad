//! Why a repository was not seen to.

use std::fmt;
use std::io;

use crate::capture::git;

/// Why nothing was done; it is tried again from where it was.
#[derive(Debug)]
pub enum Error {
    /// The settings cannot be understood, in words.
    Settings(String),
    /// Git did not do it.
    Git(git::Error),
    /// The file system did not.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(words) => f.write_str(words),
            Self::Git(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<git::Error> for Error {
    fn from(error: git::Error) -> Self {
        Self::Git(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
