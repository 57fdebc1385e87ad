//! Questions at the terminal, answered with yes or not at all.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::cmd::exit::{Exit, Failure};

/// Asks; anything but yes is no. Where nobody can answer, it fails: `whether` says what is not known
/// then, `hint` how to do without the question.
pub(super) fn confirmed(question: &str, whether: &str, hint: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let words = format!("could not ask {whether}: this is not a terminal");
        return Err(Failure::new(words).hint(hint).exit(Exit::Usage).into());
    }
    let mut error = std::io::stderr().lock();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
