//! GNU screen: which client shows a server.
//!
//! **Source:** screen 4.9.0: server and client are both called `screen`; the client's terminal is
//! an open descriptor of the server.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::time::Duration;

use crate::exec;
use crate::model::Pid;
use crate::proc::Proc;
use crate::text::CleanText;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// The client of a server, among all processes named `screen`: the one whose terminal the server
/// holds open. `None` if it is detached.
#[must_use]
pub fn client(proc: &mut Proc, server: Pid) -> Option<Pid> {
    let held: Vec<OsString> = proc.open_files(server);
    let mut pids = Vec::new();
    proc.pids(&mut pids).ok()?;
    pids.into_iter()
        .map(Pid)
        .filter(|pid| *pid != server && proc.comm(*pid).as_deref() == Some("screen"))
        .find(|pid| {
            let tty = proc.tty(*pid, 0);
            tty.is_some_and(|tty| held.iter().any(|target| *target == *tty))
        })
}

/// Makes a screen session show one of its windows.
///
/// # Errors
/// `TimedOut`, those of starting it, or screen's own words.
pub fn select(session: &str, window: &str) -> io::Result<()> {
    let mut command = Command::new("screen");
    command
        .env_remove("STY")
        .args(["-S", session, "-X", "select", window]);
    let done = exec::run(&mut command, PATIENCE)?;
    if done.status.success() {
        return Ok(());
    }
    let words = CleanText::line(&String::from_utf8_lossy(&done.stdout));
    Err(io::Error::other(words.to_string()))
}
