//! How vmux ends: exit codes, and the one place that prints an error.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Exit codes, as fzf and clap have them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Could not be done.
    Failed = 1,
    /// The command line, or a query, was not clear.
    Usage = 2,
    /// The user changed their mind.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with a hint and an exit code of its own.
#[derive(Debug)]
pub struct Failure {
    /// What could not be done, and why.
    pub error: String,
    /// What a person can do about it.
    pub hint: Option<String>,
    /// How to end.
    pub exit: Exit,
}

impl Failure {
    /// An ordinary failure.
    #[must_use]
    pub fn new(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            hint: None,
            exit: Exit::Failed,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Failure {}

/// Ends the program: prints an error once, cleaned, and turns it into an exit code. A closed
/// pipe is success: who read has seen enough.
#[must_use]
pub fn conclude(result: anyhow::Result<Exit>) -> ExitCode {
    let error = match result {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    if error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(closed))
    {
        return Exit::Done.into();
    }
    complain(&error);
    let failure = error.downcast_ref::<Failure>();
    failure.map_or(Exit::Failed, |failure| failure.exit).into()
}

/// Prints an error and its hint, cleaned.
pub fn complain(error: &anyhow::Error) {
    let mut text = format!("vmux: {}\n", clean(&format!("{error:#}")));
    let failure = error.downcast_ref::<Failure>();
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        text.push_str(&format!("hint: {}\n", clean(hint)));
    }
    say(&text);
}

/// Tells people, and not scripts. A terminal that has hung up hears nothing, and is no trouble.
pub fn say(text: &str) {
    std::io::stderr()
        .write_all(text.as_bytes())
        .unwrap_or_default();
}

fn clean(text: &str) -> crate::core::text::CleanText {
    crate::core::text::CleanText::block(text, 16 * 1024)
}
