//! Opens a terminal for a hosted session that none shows.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::core::few::Few;
use crate::core::model::{Session, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::sys::exec;
use crate::sys::proc::Environ;

/// The workspaces on which the terminals of hosted sessions are opened, by their ids.
pub type Homes = Few<String, CleanText>;

/// Longest wait for a terminal to be started.
const START: Duration = Duration::from_secs(1);

/// The id of the hosted session that a session runs in, if vmux keeps it.
pub(super) fn hosted(session: &Session) -> Option<String> {
    let id = session.host.as_ref()?.target.as_ref()?;
    session.is_kept().then(|| id.to_string())
}

/// One was opened, and nothing shows the session.
pub(super) fn unseen(id: &str) -> Trouble {
    let words = format!("a terminal was opened, and none shows the hosted session {id}");
    Trouble::new(TroubleCode::MuxDetached, &words)
        .hint("`terminal` in config.toml, or $TERMINAL, names another one")
}

/// Starts a terminal that shows it, on the desktop of this environment: `vmux open` chooses which.
///
/// # Errors
/// In its words.
pub(super) fn open(id: &str, environ: &Environ) -> Result<(), Trouble> {
    let failed = |words: &str| {
        Trouble::new(TroubleCode::MuxDetached, words)
            .hint(&format!("show it in a terminal with: vmux attach {id}"))
    };
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("vmux"));
    let mut command = Command::new(own.with_file_name("vmux"));
    command.args(["open", id]);
    for name in environ.names() {
        if let Some(value) = environ.get(&name.to_string_lossy()) {
            command.env(&name, value);
        }
    }
    match exec::run(&mut command, START) {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let words = String::from_utf8_lossy(&done.stderr);
            let words = words.trim().trim_start_matches("vmux: ");
            Err(failed(
                words.lines().next().unwrap_or("could not open a terminal"),
            ))
        }
        Err(error) => Err(failed(&format!("could not open a terminal: {error}"))),
    }
}
