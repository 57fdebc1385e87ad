//! Writes to standard output: one buffer, one write, a closed pipe is an error that ends well.

use std::io::{self, IsTerminal as _, Write as _};

use crate::sys::proc::Environ;

/// Writes bytes out.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Standard output without a buffer, for what comes in large pieces: std's would write the end of
/// each piece on its own, since it holds back what is no whole line.
#[derive(Default)]
pub(super) struct Pieces {
    /// Whether something was written.
    pub(super) begun: bool,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = rustix::io::write(io::stdout(), bytes)?;
        self.begun |= n > 0;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard output may have colours: a terminal, and `NO_COLOR` is not set.
pub(super) fn colored(environ: &Environ) -> bool {
    io::stdout().is_terminal() && environ.get("NO_COLOR").is_none()
}

/// Columns of the terminal that standard output is, if it is one.
pub(super) fn columns() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Paints text, if colours are wanted.
pub(super) fn paint(text: &str, code: &str, colored: bool) -> String {
    if colored {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
