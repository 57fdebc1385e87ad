//! The only place that starts git. Every child has a deadline, takes no lock that it can do
//! without, and runs no program that a repository or its user configured.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::core::text::CleanText;
use crate::sys::exec;

/// Most output of one child that is kept, in bytes.
const CAP: usize = 64 << 20;

/// Why git did not do it.
#[derive(Debug)]
pub enum Error {
    /// There is no git.
    Missing,
    /// It did not end in time.
    Late,
    /// What it said.
    Failed(CleanText),
    /// It could not be run, or said too much.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no git on the PATH"),
            Self::Late => f.write_str("git did not end in time"),
            Self::Failed(words) if words.is_empty() => f.write_str("git failed without a word"),
            Self::Failed(words) => write!(f, "git says: {words}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Io(error),
        }
    }
}

/// Runs git in a repository's directory and returns what it prints.
///
/// # Errors
/// See [`Error`].
pub fn run<S: AsRef<OsStr>>(
    dir: &Path,
    args: &[S],
    input: &[u8],
    patience: Duration,
) -> Result<Vec<u8>, Error> {
    let mut printed = Vec::new();
    let mut keep = |piece: &[u8]| {
        printed.extend_from_slice(piece);
        let fits = printed.len() <= CAP;
        fits.then_some(())
            .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
    };
    pass(dir, args, input, &mut keep, patience)?;
    Ok(printed)
}

/// The same, with what it prints handed on in pieces.
///
/// # Errors
/// See [`Error`].
pub fn pass<S: AsRef<OsStr>>(
    dir: &Path,
    args: &[S],
    input: &[u8],
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    patience: Duration,
) -> Result<(), Error> {
    let done = exec::pass(command(dir).args(args), input, take, patience)?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    // A push that is refused says first where it went.
    let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("To ");
    let first = words.lines().find(says);
    Err(Error::Failed(CleanText::line(first.unwrap_or_default())))
}

/// Git in a directory. Nothing of the caller's environment tells it of another repository, index
/// or set of settings: who commits with `GIT_INDEX_FILE` may have started vmux, too.
fn command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
        "GIT_NOTES_REF",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_EXTERNAL_DIFF",
        "GIT_REPLACE_REF_BASE",
        "GIT_TRACE",
        "GIT_TRACE2",
        "GIT_TRACE2_EVENT",
    ] {
        command.env_remove(name);
    }
    command
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .current_dir(dir);
    // One that stands in a git directory need not be guessed (`safe.bareRepository`).
    if dir.join("HEAD").exists() && dir.join("objects").is_dir() {
        command.env("GIT_DIR", dir);
    }
    // No hook, no monitor, no pager, and no process of its own in the background.
    for setting in [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.pager=cat",
        "diff.external=",
        "gc.auto=0",
        "maintenance.auto=false",
        "core.quotePath=true",
    ] {
        command.args(["-c", setting]);
    }
    command
}
