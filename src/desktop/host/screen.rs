//! GNU screen: which clients show a server, and which of its windows they show.
//!
//! **Source:** screen 4.9.0, its man page and its processes: server and clients are all called
//! `screen`, and a server that was started attached is a child of its first client. The terminal
//! of each client is an open descriptor of the server. The socket is called `PID.NAME`, as `STY`
//! was when the window was made; anybody may rename it since.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::core::model::{Action, Pid};
use crate::core::text::{CleanText, shell_word};
use crate::sys::exec;
use crate::sys::proc::pty::Tty;
use crate::sys::proc::{Environ, Proc};

/// What servers and clients are called.
pub const COMM: &str = "screen";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most sessions of one directory that are looked at.
const SESSIONS_CAP: usize = 1000;

/// A screen session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Its process.
    pub pid: Pid,
    /// Where its socket is, if it could be read.
    directory: Option<PathBuf>,
    /// `PID.NAME`, if it could be read.
    pub name: Option<String>,
    /// The directory is none of the usual: screen must be told.
    unusual: bool,
}

/// A client of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its process: the way up from its parent leads to the window.
    pub pid: Pid,
    /// Its terminal.
    pub tty: Tty,
}

/// What is known of the screen session of this server. `environ` is that of a process in it.
#[must_use]
pub fn server(proc: &Proc, pid: Pid, environ: &Environ) -> Server {
    let own = |name: &OsStr| number_of(name) == Some(pid);
    let socket = proc.listens_on(pid).into_iter().find(|path| {
        // A name can be made up; this one is where it says only if the server made it.
        path.file_name().is_some_and(own)
    });
    let directory = socket.as_deref().and_then(Path::parent).map(PathBuf::from);
    let renamed = directory.as_ref().and_then(|directory| {
        let entries = std::fs::read_dir(directory).ok()?.flatten();
        let mut names = entries.take(SESSIONS_CAP).map(|entry| entry.file_name());
        names.find(|name| own(name))?.into_string().ok()
    });
    // A terminal hands `STY` on to its children.
    let inherited = || environ.text("STY").filter(|sty| own(OsStr::new(sty)));
    Server {
        pid,
        name: renamed.or_else(|| inherited().map(str::to_owned)),
        unusual: proc
            .environ(pid)
            .is_ok_and(|environ| environ.get("SCREENDIR").is_some()),
        directory,
    }
}

/// The process in `PID.NAME`.
fn number_of(name: &OsStr) -> Option<Pid> {
    let (number, _) = name.to_str()?.split_once('.')?;
    number.parse().ok().map(Pid)
}

/// The number of the window that a process was started in, if its environment is from this server.
#[must_use]
pub fn window(server: &Server, environ: &Environ) -> Option<String> {
    let from = number_of(environ.get("STY")?)?;
    let window = environ.text("WINDOW")?;
    let number = window.parse::<u32>().ok()?;
    (from == server.pid).then(|| number.to_string())
}

/// The clients of a server, among all processes named `screen`: those whose terminal it holds
/// open. Empty if it is detached, `None` if its terminals may not be read.
#[must_use]
pub fn clients(proc: &mut Proc, server: Pid) -> Option<Vec<Client>> {
    if proc.open_files(server).is_empty() {
        return None;
    }
    let held = proc.open_terminals(server);
    let mut pids = Vec::new();
    if held.is_empty() {
        return Some(Vec::new());
    }
    proc.pids(&mut pids).ok()?;
    let pids = pids.into_iter().map(Pid);
    let others = pids.filter(|pid| *pid != server && proc.comm(*pid).as_deref() == Some(COMM));
    let clients = others.filter_map(|pid| {
        let tty = proc.terminal(pid)?;
        held.contains(&tty).then_some(Client { pid, tty })
    });
    let clients: Vec<Client> = clients.collect();
    // A terminal that is held by nobody whom we may see.
    (!clients.is_empty()).then_some(clients)
}

impl Server {
    /// The words that attach it.
    #[must_use]
    pub fn attach(&self) -> String {
        let directory = self.directory.as_ref().filter(|_| self.unusual);
        let directory =
            directory.map(|at| format!("SCREENDIR={} ", shell_word(&at.to_string_lossy())));
        let directory = directory.unwrap_or_default();
        match &self.name {
            Some(name) => format!("attach it with: {directory}screen -r {}", shell_word(name)),
            None => format!("`{directory}screen -ls` names it, `screen -r NAME` attaches it"),
        }
    }

    /// Makes a client show one of the windows.
    #[must_use]
    pub fn select(&self, client: &Client, window: String) -> Action {
        Action::ScreenSelect {
            directory: self.directory.clone(),
            session: format!("{}.", self.pid),
            display: client.tty.name(),
            window,
        }
    }
}

/// Makes one display of a screen session show one of its windows. `session` is how its name
/// begins: `PID.`.
///
/// # Errors
/// `TimedOut`, those of starting it, or screen's own words.
pub fn select(
    directory: Option<&Path>,
    session: &str,
    display: &str,
    window: &str,
) -> io::Result<()> {
    let mut command = Command::new("screen");
    command.env_remove("STY");
    if let Some(directory) = directory {
        command.env("SCREENDIR", directory);
    }
    // Without `at` the display that was attached last shows it.
    let display = format!("{display}%");
    command.args(["-S", session, "-X", "at", &display, "select", window]);
    let done = exec::run(&mut command, PATIENCE)?;
    if done.status.success() {
        return Ok(());
    }
    let words = CleanText::line(&String::from_utf8_lossy(&done.stdout));
    Err(io::Error::other(words.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: Option<&str>, unusual: bool) -> Server {
        Server {
            pid: Pid(77),
            directory: Some("/home/a b/screens".into()),
            name: name.map(str::to_owned),
            unusual,
        }
    }

    fn environ(sty: &str, window: &str) -> Environ {
        Environ::parse(format!("STY={sty}\0WINDOW={window}\0").as_bytes())
    }

    #[test]
    fn a_window_counts_if_this_server_made_it() {
        let server = server(None, false);
        let of = |sty, number| window(&server, &environ(sty, number));
        assert_eq!(of("77.work", "3").as_deref(), Some("3"));
        assert_eq!(of("78.work", "3"), None);
        assert_eq!(of("77.work", "; quit"), None);
        assert_eq!(of("", ""), None);
    }

    #[test]
    fn what_attaches_it_is_never_an_empty_name() {
        let words = |name, unusual| server(name, unusual).attach();
        assert_eq!(
            words(Some("77.my work"), false),
            "attach it with: screen -r '77.my work'"
        );
        assert_eq!(
            words(Some("77.x"), true),
            "attach it with: SCREENDIR='/home/a b/screens' screen -r 77.x"
        );
        assert_eq!(
            words(None, false),
            "`screen -ls` names it, `screen -r NAME` attaches it"
        );
    }
}
