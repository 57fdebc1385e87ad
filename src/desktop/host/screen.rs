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

use super::{Client, Driver, Inside, Multiplexer, Shown, detached};
use crate::core::model::{Action, HostKind, PaneView, Pid, Trouble, TroubleCode};
use crate::core::text::{CleanText, shell_word};
use crate::desktop::way::Search;
use crate::sys::exec;
use crate::sys::proc::pty::Tty;
use crate::sys::proc::{Environ, Proc};

/// What servers and clients are called.
const COMM: &str = "screen";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most sessions of one directory that are looked at.
const SESSIONS_CAP: usize = 1000;

/// GNU screen.
pub(super) const DRIVER: Driver = Driver {
    kind: HostKind::Screen,
    name: "screen",
    servers: &[COMM, "SCREEN"],
    variable: "STY",
    tells: false,
    start: || Box::new(Screen),
    show,
};

struct Screen;

impl Multiplexer for Screen {
    fn begin(&mut self) {}

    fn find(
        &mut self,
        proc: &mut Proc,
        inside: &Inside<'_>,
        search: &mut Search,
    ) -> Result<Shown, Trouble> {
        let pid = inside.server;
        let server = server(proc, pid, inside.environ);
        search.enter(HostKind::Screen, COMM, server.name.as_deref());
        let name = server.name.as_deref().map(CleanText::line);
        let name = name.unwrap_or_else(|| CleanText::line(&format!("of process {pid}")));
        search.step(&format!("screen session {name}"));
        let Some(clients) = clients(proc, pid) else {
            let message = "its screen session does not let its terminals be seen";
            return Err(Trouble::new(TroubleCode::NoWindow, message));
        };
        if clients.is_empty() {
            let message = format!("screen session {name} is detached");
            return Err(detached(&message, &server.attach()));
        }
        // Which of its windows screen shows cannot be asked: select it anyway.
        search.uncertain = true;
        let window = window(&server, inside.environ);
        let clients = clients.into_iter().map(|(pid, tty)| {
            let tty = tty.name();
            Client {
                name: format!("screen client {tty}"),
                pid,
                steps: vec![format!("its client {tty} ({pid})")],
                show: window
                    .as_ref()
                    .map(|window| server.select(&tty, window.clone())),
                tty,
                hidden: false,
            }
        });
        Ok(Shown {
            clients: clients.collect(),
            untold: None,
        })
    }

    fn process(&self, _: &mut Proc, _: Pid, client: &Client) -> Result<Pid, Trouble> {
        Ok(client.pid)
    }

    fn which(&self, _: &mut Proc, _: &Inside<'_>, _: &[&Client]) -> Option<usize> {
        None
    }
}

/// A screen session.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Server {
    /// Its process.
    pid: Pid,
    /// Where its socket is, if it could be read.
    directory: Option<PathBuf>,
    /// `PID.NAME`, if it could be read.
    name: Option<String>,
    /// The directory is none of the usual: screen must be told.
    unusual: bool,
}

/// What is known of the screen session of this server. `environ` is that of a process in it.
fn server(proc: &Proc, pid: Pid, environ: &Environ) -> Server {
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
fn window(server: &Server, environ: &Environ) -> Option<String> {
    let from = number_of(environ.get("STY")?)?;
    let window = environ.text("WINDOW")?;
    let number = window.parse::<u32>().ok()?;
    (from == server.pid).then(|| number.to_string())
}

/// The clients of a server and their terminals, among all processes named `screen`: those whose
/// terminal it holds open. Empty if it is detached, `None` if its terminals may not be read.
fn clients(proc: &mut Proc, server: Pid) -> Option<Vec<(Pid, Tty)>> {
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
        held.contains(&tty).then_some((pid, tty))
    });
    let clients: Vec<_> = clients.collect();
    // A terminal that is held by nobody whom we may see.
    (!clients.is_empty()).then_some(clients)
}

impl Server {
    /// The words that attach it.
    fn attach(&self) -> String {
        let directory = self.directory.as_ref().filter(|_| self.unusual);
        let directory =
            directory.map(|at| format!("SCREENDIR={} ", shell_word(&at.to_string_lossy())));
        let directory = directory.unwrap_or_default();
        match &self.name {
            Some(name) => format!("attach it with: {directory}screen -r {}", shell_word(name)),
            None => format!("`{directory}screen -ls` names it, `screen -r NAME` attaches it"),
        }
    }

    /// Makes the client of a terminal show one of the windows.
    fn select(&self, tty: &str, window: String) -> Action {
        let directory = self.directory.clone().unwrap_or_default();
        Action::Show {
            view: PaneView {
                host: HostKind::Screen,
                program: "screen".into(),
                // How the name of its socket begins.
                server: directory.join(format!("{}.", self.pid)),
                client: tty.to_owned(),
                pane: window,
            },
            before: None,
        }
    }
}

/// Makes one display of a screen session show one of its windows.
fn show(view: &PaneView) -> io::Result<()> {
    let mut command = Command::new(&view.program);
    command.env_remove("STY");
    let directory = view.server.parent();
    if let Some(directory) = directory.filter(|path| !path.as_os_str().is_empty()) {
        command.env("SCREENDIR", directory);
    }
    let session = view.server.file_name().unwrap_or_default();
    // Without `at` the display that was attached last shows it.
    let display = format!("{}%", view.client);
    command.arg("-S").arg(session);
    command.args(["-X", "at", &display, "select", &view.pane]);
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
