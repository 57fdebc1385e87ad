//! The terminal that the list is drawn on: whatever standard input and output are.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use signal_hook::consts::signal::{SIGHUP, SIGTERM};
use skim::tui::Event;
use tokio::sync::mpsc::Sender;
use vmux::cmd::exit::{Exit, Failure};

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

/// Leaves the list as Escape does when this program is told to end: a terminal that was left
/// as it is would show no keys to the shell after it.
///
/// # Errors
/// Those of the kernel.
pub(crate) fn quit_on_signals(list: Sender<Event>) -> io::Result<()> {
    let (mut read, write) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    let wait = move || {
        if read.read_exact(&mut [0]).is_ok() {
            // Closed already if the list is being left.
            drop(list.blocking_send(Event::Quit));
        }
    };
    let thread = std::thread::Builder::new().name("signals".into());
    thread.spawn(wait).map(drop)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // Errors are said where the user sent them; if that fails, on the terminal.
            let _restored = rustix::stdio::dup2_stderr(before);
        }
    }
}
