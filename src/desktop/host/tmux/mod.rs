//! tmux: which pane holds a process, which client shows it.
//!
//! **Source:** tmux(1) of 3.3a. The server's own executable is run, so that no `PATH` and no
//! difference between client and server versions matters; `TMUX` is unset, or it would win.

mod layout;
mod popup;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use layout::{Layout, Spot, View, parse_layout};

use super::{Client, Driver, Inside, Multiplexer, Shown, detached};
use crate::core::model::{Action, HostKind, PaneView, Pid, Trouble, TroubleCode};
use crate::core::text::{CleanText, shell_word};
use crate::desktop::PaneTitle;
use crate::desktop::way::Search;
use crate::sys::exec;
use crate::sys::proc::Proc;
use crate::sys::socket;

/// Longest wait for one answer. tmux answers in 2 ms.
const PATIENCE: Duration = Duration::from_millis(500);
/// What it is called.
const NAME: &str = "tmux";
/// What a server is called.
const COMM: &str = "tmux: server";
/// What a client is called.
const CLIENT_COMM: &str = "tmux: client";
/// Most names of its socket that are tried: one is true, the others are made up.
const SOCKETS_CAP: usize = 4;

/// tmux.
pub(super) const DRIVER: Driver = Driver {
    kind: HostKind::Tmux,
    name: NAME,
    servers: &[COMM],
    variable: "TMUX",
    tells: true,
    start: || Box::new(Tmux::default()),
    show,
};

/// A server, and what it said or why it did not.
type Asked = (Server, Result<Arc<Layout>, String>);

/// What tmux servers have told in this pass.
#[derive(Default)]
struct Tmux {
    layouts: HashMap<Pid, Asked>,
}

impl Multiplexer for Tmux {
    fn begin(&mut self) {
        self.layouts.clear();
    }

    fn find(
        &mut self,
        proc: &mut Proc,
        inside: &Inside<'_>,
        search: &mut Search,
    ) -> Result<Shown, Trouble> {
        let pid = inside.server;
        let named = named(proc, inside);
        let (server, layout) = self.layout(proc, pid, named.as_ref())?;
        // The numbers that a server in a container tells are none of ours.
        let numbered = proc.shares_pids(pid);
        let leaked = inside.environ.get("TMUX").and_then(named_by);
        if let Some(other) = leaked.filter(|named| numbered && named.server != pid) {
            let other = other.server;
            search.reject(&format!(
                "TMUX: it names server {other}, the process runs under server {pid}"
            ));
        }
        search.step(&format!("tmux server {pid} at {}", server.socket.display()));
        let layout = layout.map_err(|error| {
            Trouble::new(TroubleCode::WmHung, &format!("could not ask tmux: {error}"))
        })?;
        let tty = inside
            .pid()
            .and_then(|pid| name_for(proc, inside.server, pid));
        let chain = numbered.then_some(inside.chain);
        match layout.spot(chain, tty.as_deref()) {
            Some(spot) => {
                // An outer one shows what the inner one gives it.
                if search.host.is_none() {
                    let pane = &spot.pane.pane_id;
                    search.pane = layout.title(pane).map(|title| PaneTitle {
                        pane: (pid, pane.clone()),
                        title: title.clone(),
                    });
                }
                in_pane(&spot, &server, search)
            }
            None => popup::find(proc, inside, named.as_ref(), &layout, search),
        }
    }

    /// It says its own number, which in a container is another than here: the process counts that
    /// has its terminal.
    fn process(&self, proc: &mut Proc, server: Pid, client: &Client) -> Result<Pid, Trouble> {
        let Some(tty) = proc.terminal_named(server, &client.tty) else {
            // On a console.
            return Ok(client.pid);
        };
        let is_it = |proc: &Proc, pid: Pid| match proc.terminal(pid) {
            Some(own) => own == tty,
            // Another user's may not be read.
            None => proc.controlling_pts(pid) == Some(tty.number()),
        };
        if is_it(proc, client.pid) {
            return Ok(client.pid);
        }
        let mut pids = Vec::new();
        // What cannot be listed is not found.
        let _listed = proc.pids(&mut pids);
        let mut others = pids.into_iter().map(Pid);
        let found =
            others.find(|pid| proc.comm(*pid).as_deref() == Some(CLIENT_COMM) && is_it(proc, *pid));
        let message = "no process here has its terminal";
        found.ok_or_else(|| Trouble::new(TroubleCode::NoWindow, message))
    }

    fn which(&self, proc: &mut Proc, inside: &Inside<'_>, clients: &[&Client]) -> Option<usize> {
        let (_, layout) = self.layouts.get(&inside.server)?;
        popup::opener(proc, inside, layout.as_ref().ok()?, clients)
    }
}

impl Tmux {
    /// Panes and clients of a server, asked once a pass.
    fn layout(&mut self, proc: &Proc, pid: Pid, named: Option<&Named>) -> Result<Asked, Trouble> {
        if let Some(asked) = self.layouts.get(&pid) {
            return Ok(asked.clone());
        }
        let reached = server(proc, pid, named)?;
        let layout = reached.layout().map(Arc::new);
        let asked = (reached, layout.map_err(|error| error.to_string()));
        self.layouts.insert(pid, asked.clone());
        Ok(asked)
    }
}

/// What `TMUX` says where it names this server: of the process, or of one between it and the
/// server. People empty it to start a tmux within another.
fn named(proc: &Proc, inside: &Inside<'_>) -> Option<Named> {
    let below = inside.below().map(|link| link.pid);
    let mut named = inside.held.into_iter().chain(below).filter_map(|pid| {
        let environ = proc.environ(pid).ok()?;
        named_by(environ.get("TMUX")?)
    });
    named.find(|named| named.server == inside.server)
}

/// The terminal of a process as the server names it, if it is the same for both.
fn name_for(proc: &Proc, server: Pid, pid: Pid) -> Option<String> {
    let tty = proc.terminal(pid)?;
    let name = tty.name();
    (proc.terminal_named(server, &name) == Some(tty)).then_some(name)
}

/// The clients that show a pane, or can.
fn in_pane(spot: &Spot, server: &Server, search: &mut Search) -> Result<Shown, Trouble> {
    let pane = &spot.pane;
    search.enter(HostKind::Tmux, NAME, Some(&pane.target));
    if spot.views.is_empty() {
        search.step(&format!("its pane {} is {}", pane.pane_id, pane.target));
        search.step("no client shows its session");
        let name = CleanText::line(&pane.session);
        let message = format!("tmux session {name} is detached");
        let attach = format!(
            "attach it with: tmux -S {} attach -t {}",
            shell_word(&server.socket.to_string_lossy()),
            shell_word(&name)
        );
        return Err(detached(&message, &attach));
    }
    let clients = spot.views.iter().map(|view| through(view, server));
    Ok(Shown {
        clients: clients.collect(),
        untold: None,
    })
}

/// A client that shows a pane, or shall.
fn through(view: &View, server: &Server) -> Client {
    let pane = &view.pane;
    let how = if view.visible {
        "which shows it"
    } else {
        "which shows another pane now"
    };
    let client = &view.client;
    let show = Action::Show {
        view: PaneView {
            host: HostKind::Tmux,
            program: server.program.clone(),
            server: server.socket.clone(),
            client: client.tty.clone(),
            pane: view.target.clone(),
        },
        before: view.shown.clone(),
    };
    Client {
        name: format!("tmux client {}", client.tty),
        pid: client.pid,
        tty: client.tty.clone(),
        steps: vec![
            format!("its pane {} is {}", pane.pane_id, pane.target),
            format!("its client {} ({}), {how}", client.tty, client.pid),
        ],
        show: (!view.visible).then_some(show),
        hidden: !view.visible,
    }
}

/// A tmux server.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Server {
    /// Its executable.
    program: PathBuf,
    /// Its socket.
    socket: PathBuf,
}

/// Finds a server's executable and socket, which `TMUX` may have named.
///
/// # Errors
/// Why it cannot be asked.
fn server(proc: &Proc, pid: Pid, named: Option<&Named>) -> Result<Server, Trouble> {
    let nowhere = |message: &str| Trouble::new(TroubleCode::NoWindow, message);
    // As the server was given it: relative to where it was started, and below its own root.
    let here = proc.shares_mounts(pid);
    let home = proc.root().join(pid.to_string());
    let cwd = proc.cwd(pid).unwrap_or_default();
    let paths = match named {
        Some(named) => vec![named.socket.clone()],
        None => proc.listens_on(pid),
    };
    let paths = paths.into_iter().take(SOCKETS_CAP);
    let below = |path: PathBuf| match path.strip_prefix("/") {
        Ok(path) if !here => home.join("root").join(path),
        _ => path,
    };
    let paths: Vec<PathBuf> = paths.map(|path| below(cwd.join(path))).collect();
    let Some(socket) = paths
        .iter()
        .find(|path| is_served(proc, pid, path))
        .cloned()
    else {
        let gone = |path: &&PathBuf| {
            let file = std::fs::symlink_metadata(path);
            file.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        return Err(match paths.iter().find(gone) {
            Some(path) => {
                let message = format!("the socket of its tmux server is gone: {}", path.display());
                nowhere(&message).hint(&format!("tmux makes it anew upon: kill -USR1 {pid}"))
            }
            None if proc.exe(pid).is_none() => nowhere("its tmux server is another user's"),
            None => nowhere("its tmux server cannot be reached through its socket"),
        });
    };
    // Another user's executable cannot be run by this name, one of a container may lack its
    // libraries here.
    let program = match proc.exe(pid) {
        Some(_) if here => home.join("exe"),
        _ => PathBuf::from("tmux"),
    };
    Ok(Server { program, socket })
}

/// What the value of `TMUX` says.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Named {
    /// The server's process.
    server: Pid,
    /// The tmux session that the process was started in: `$3`.
    session_id: String,
    socket: PathBuf,
}

/// Reads the value of `TMUX`: `socket,pid,session` (tmux(1)).
fn named_by(value: &OsStr) -> Option<Named> {
    let mut fields = value.as_bytes().rsplitn(3, |byte| *byte == b',');
    let (session, server, socket) = (fields.next()?, fields.next()?, fields.next()?);
    let number = |field| std::str::from_utf8(field).ok()?.parse::<u32>().ok();
    Some(Named {
        server: Pid(number(server)?),
        session_id: format!("${}", number(session)?),
        socket: PathBuf::from(OsStr::from_bytes(socket)),
    })
}

/// Whether this server listens there, and no other that was started at the same place since. Any
/// user can make up a name for its socket. Who listened first may be systemd, for the server.
fn is_served(proc: &Proc, pid: Pid, path: &std::path::Path) -> bool {
    let Ok(stream) = socket::connect_foreign(path, PATIENCE) else {
        return false;
    };
    let Some(peer) = socket::peer_pid(&stream).map(Pid) else {
        return false;
    };
    let trusted = socket::peer_uid(&stream).is_ok_and(|uid| uid == 0 || proc.uid(pid) == Some(uid));
    peer == pid || trusted && proc.comm(peer).as_deref() != Some(COMM)
}

impl Server {
    /// Runs one tmux command line.
    ///
    /// # Errors
    /// `TimedOut`, those of starting it, or tmux's own words.
    fn run(&self, words: &[&str]) -> io::Result<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            // Without a UTF-8 locale tmux prints `_` for every other character of a name.
            .arg("-u")
            .arg("-S")
            .arg(&self.socket)
            .args(words);
        let done = exec::run(&mut command, PATIENCE)?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        let words = CleanText::line(&String::from_utf8_lossy(&done.stderr));
        Err(io::Error::other(words.to_string()))
    }

    /// Asks for all panes and clients.
    ///
    /// # Errors
    /// See [`Server::run`].
    fn layout(&self) -> io::Result<Layout> {
        let words = [
            "list-panes",
            "-a",
            "-F",
            layout::PANES,
            ";",
            "list-clients",
            "-F",
            layout::CLIENTS,
            ";",
            "list-panes",
            "-a",
            "-F",
            layout::TITLES,
        ];
        Ok(parse_layout(&String::from_utf8_lossy(&self.run(&words)?)))
    }
}

/// Makes a client show a pane, zoomed windows staying zoomed. The window changes for all clients
/// of that tmux session.
fn show(view: &PaneView) -> io::Result<()> {
    let server = Server {
        program: view.program.clone(),
        socket: view.server.clone(),
    };
    let words = ["switch-client", "-Z", "-c", &view.client, "-t", &view.pane];
    server.run(&words).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmux_names_socket_server_and_session() {
        let named = named_by(OsStr::new("/tmp/a,12,b c,77,3")).unwrap();
        assert_eq!(
            (named.socket, named.server, &*named.session_id),
            (PathBuf::from("/tmp/a,12,b c"), Pid(77), "$3")
        );
        for odd in ["", ",", ",,", "/tmp/a,x,1", "/tmp/a,1,x", "/tmp/a,1"] {
            assert_eq!(named_by(OsStr::new(odd)), None, "{odd}");
        }
    }
}
