//! The terminal that the list is drawn on: whatever standard input and output are.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::OwnedFd;

use vmux::exit::{Exit, Failure};

/// Standard error as a terminal, for as long as this lives: skim draws there, and would wait for
/// ever behind a list that nobody sees.
pub(crate) struct Terminal {
    /// What standard error was, if it was something else.
    before: Option<OwnedFd>,
}

impl Terminal {
    /// Makes sure that there is a terminal, and that standard error is it.
    pub(crate) fn claim() -> Result<Self, Failure> {
        let fail = |error: io::Error| {
            Failure::new(format!("could not open the terminal: {error}"))
                .hint("`vmux menu` and `vmux switch` work without one")
                .exit(Exit::Usage)
        };
        let terminal = File::options().read(true).write(true).open("/dev/tty");
        let terminal = terminal.map_err(fail)?;
        if io::stderr().is_terminal() {
            return Ok(Self { before: None });
        }
        let before = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3);
        let before = before.map_err(|error| fail(error.into()))?;
        rustix::stdio::dup2_stderr(&terminal).map_err(|error| fail(error.into()))?;
        Ok(Self {
            before: Some(before),
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // Errors are said where the user sent them; if that fails, on the terminal.
            let _restored = rustix::stdio::dup2_stderr(before);
        }
    }
}
