//! tmux: which pane holds a process, which client shows it.
//!
//! **Source:** tmux(1) of 3.3a. The server's own executable is run, so that no `PATH` and no
//! difference between client and server versions matters; `TMUX` is unset, or it would win.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::exec;
use crate::model::{Pane, Pid, ProcChain};
use crate::proc::{Environ, Proc};
use crate::protocol::socket;
use crate::text::CleanText;

/// Longest wait for one answer. tmux answers in 2 ms.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most names of its socket that are tried: one is true, the others are made up.
const SOCKETS_CAP: usize = 4;

/// A tmux server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Its executable.
    pub program: PathBuf,
    /// Its socket.
    pub socket: PathBuf,
}

/// A pane, as `list-panes` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct PaneRow {
    pane_id: String,
    pane_pid: Pid,
    session_id: String,
    window_id: String,
    session: String,
    window_index: String,
    pane_index: String,
    /// It is the active pane of its window.
    active: bool,
}

/// A client, as `list-clients` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its process: the way up from it leads to the window.
    pub pid: Pid,
    /// Its terminal.
    pub tty: String,
    session_id: String,
    window_id: String,
    activity: i64,
}

/// All panes and clients of a server at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    panes: Vec<PaneRow>,
    clients: Vec<Client>,
}

/// A session's pane, and the client that shows its tmux session best.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The pane.
    pub pane: Pane,
    /// The client, unless the session is detached.
    pub client: Option<Client>,
    /// Whether that client shows the pane right now, and it is the active one.
    pub visible: bool,
    /// The active pane of the window that this client shows.
    pub shown: Option<String>,
}

/// Finds the server's executable and socket from its process and a pane's environment.
#[must_use]
pub fn server(proc: &Proc, pid: Pid, pane_environ: &Environ) -> Option<Server> {
    let program = proc.root().join(pid.to_string()).join("exe");
    let named = pane_environ.get("TMUX").and_then(named_socket);
    // A terminal hands `TMUX` on to its children: it counts only if it names this server.
    let named = named.filter(|(_, server)| *server == pid);
    let socket = match named {
        Some((socket, _)) => socket,
        None => listening_socket(proc, pid)?,
    };
    Some(Server { program, socket })
}

/// Socket and server in the value of `TMUX`: `socket,pid,session` (tmux(1)).
fn named_socket(value: &OsStr) -> Option<(PathBuf, Pid)> {
    let mut fields = value.as_bytes().rsplitn(3, |byte| *byte == b',');
    let (_session, server, socket) = (fields.next()?, fields.next()?, fields.next()?);
    let server = std::str::from_utf8(server).ok()?.parse().ok()?;
    Some((PathBuf::from(OsStr::from_bytes(socket)), Pid(server)))
}

/// The socket a process listens on. Any user can make up a name for it, so that whoever listens
/// there must be that process.
fn listening_socket(proc: &Proc, pid: Pid) -> Option<PathBuf> {
    let paths = proc.listens_on(pid).into_iter().take(SOCKETS_CAP);
    let mut absolute = paths.filter(|path| path.is_absolute());
    absolute.find(|path| {
        let stream = socket::connect(path, PATIENCE);
        stream.is_ok_and(|stream| socket::peer_pid(&stream) == Some(pid.0))
    })
}

/// Columns of both listings, so that one child process answers both.
const PANES: &str = "P\t#{pane_id}\t#{pane_pid}\t#{session_id}\t#{window_id}\t#{window_index}\t#{pane_index}\t#{pane_active}\t#{session_name}";
const CLIENTS: &str = "C\t#{client_pid}\t#{client_tty}\t#{session_id}\t#{window_id}\t#{client_activity}\t#{client_control_mode}";

impl Server {
    /// Runs one tmux command line.
    ///
    /// # Errors
    /// `TimedOut`, those of starting it, or tmux's own words.
    pub fn run(&self, words: &[&str]) -> io::Result<Vec<u8>> {
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
    pub fn layout(&self) -> io::Result<Layout> {
        let words = [
            "list-panes",
            "-a",
            "-F",
            PANES,
            ";",
            "list-clients",
            "-F",
            CLIENTS,
        ];
        Ok(parse_layout(&String::from_utf8_lossy(&self.run(&words)?)))
    }
}

/// Reads both listings. A line of any other shape is left out.
#[must_use]
pub fn parse_layout(text: &str) -> Layout {
    let mut layout = Layout::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(9, '\t').collect();
        match fields[..] {
            [
                "P",
                pane_id,
                pid,
                session_id,
                window_id,
                window_index,
                pane_index,
                active,
                session,
            ] => {
                let Ok(pid) = pid.parse() else { continue };
                layout.panes.push(PaneRow {
                    pane_id: pane_id.into(),
                    pane_pid: Pid(pid),
                    session_id: session_id.into(),
                    window_id: window_id.into(),
                    session: session.into(),
                    window_index: window_index.into(),
                    pane_index: pane_index.into(),
                    active: active == "1",
                });
            }
            // A client in control mode shows nothing itself.
            ["C", pid, tty, session_id, window_id, activity, "0"] => {
                let Ok(pid) = pid.parse() else { continue };
                layout.clients.push(Client {
                    pid: Pid(pid),
                    tty: tty.into(),
                    session_id: session_id.into(),
                    window_id: window_id.into(),
                    activity: activity.parse().unwrap_or(0),
                });
            }
            _ => {}
        }
    }
    layout
}

impl Layout {
    /// Finds the pane in which a process runs: the one whose own process is among its ancestors,
    /// else the one its environment names.
    #[must_use]
    pub fn spot(&self, chain: &ProcChain, tmux_pane: Option<&str>) -> Option<Spot> {
        let by_process = || self.panes.iter().filter(|pane| chain.holds(pane.pane_pid));
        let by_name = || {
            self.panes
                .iter()
                .filter(|pane| Some(&*pane.pane_id) == tmux_pane)
        };
        // Grouped sessions list one pane several times: take the listing that a client shows.
        let rows: Vec<&PaneRow> = match by_process().count() {
            0 => by_name().collect(),
            _ => by_process().collect(),
        };
        let best = rows
            .iter()
            .map(|row| (row, self.client_of(row)))
            .max_by_key(|(_, client)| client.map(rank))?;
        let (row, client) = (best.0, best.1.map(|(client, ..)| client));
        let visible = row.active
            && client
                .is_some_and(|c| c.session_id == row.session_id && c.window_id == row.window_id);
        let shown = client.and_then(|client| self.shown_by(client));
        let target = format!("{}:{}.{}", row.session, row.window_index, row.pane_index);
        Some(Spot {
            pane: Pane {
                pane_id: row.pane_id.clone(),
                target: CleanText::line(&target),
                session: row.session.clone(),
            },
            client: client.cloned(),
            visible,
            shown,
        })
    }

    /// The active pane of the window that a client shows.
    fn shown_by(&self, client: &Client) -> Option<String> {
        let shows = |row: &&PaneRow| {
            row.active && row.session_id == client.session_id && row.window_id == client.window_id
        };
        self.panes.iter().find(shows).map(|row| row.pane_id.clone())
    }

    /// The client that fits a pane best: it shows the pane's session, then its window; then the
    /// one that was used last.
    fn client_of(&self, row: &PaneRow) -> Option<(&Client, bool, i64)> {
        self.clients
            .iter()
            .filter(|client| client.session_id == row.session_id)
            .map(|client| (client, client.window_id == row.window_id, client.activity))
            .max_by_key(|client| rank(*client))
    }
}

fn rank((_, window, activity): (&Client, bool, i64)) -> (bool, i64) {
    (window, activity)
}

/// Makes a client show a pane, zoomed windows staying zoomed. The window changes for all clients
/// of that tmux session.
///
/// # Errors
/// See [`Server::run`].
pub fn switch_client(
    program: &Path,
    socket: &Path,
    client_tty: &str,
    pane_id: &str,
) -> io::Result<()> {
    let server = Server {
        program: program.to_path_buf(),
        socket: socket.to_path_buf(),
    };
    server
        .run(&["switch-client", "-Z", "-c", client_tty, "-t", pane_id])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Link;

    const LAYOUT: &str = "P\t%0\t100\t$0\t@0\t0\t0\t1\twork\n\
        P\t%1\t101\t$0\t@1\t1\t0\t1\twork\n\
        P\t%2\t102\t$0\t@1\t1\t1\t0\twork\n\
        P\t%3\t103\t$1\t@2\t0\t0\t1\ta name\twith tabs\n\
        C\t900\t/dev/pts/9\t$0\t@1\t50\t0\n\
        C\t901\t/dev/pts/8\t$0\t@0\t40\t0\n\
        C\t902\t\t$1\t@2\t99\t1\n\
        nonsense\n";

    fn chain(pids: &[u32]) -> ProcChain {
        ProcChain(
            pids.iter()
                .map(|pid| Link {
                    pid: Pid(*pid),
                    comm: "x".into(),
                })
                .collect(),
        )
    }

    fn spot(pids: &[u32], pane: Option<&str>) -> Spot {
        parse_layout(LAYOUT).spot(&chain(pids), pane).unwrap()
    }

    #[test]
    fn a_process_is_found_in_its_pane_and_at_the_best_client() {
        let shown = spot(&[500, 101, 7], None);
        assert_eq!(
            (shown.pane.pane_id.as_str(), shown.pane.target.as_str()),
            ("%1", "work:1.0")
        );
        assert_eq!((shown.client.unwrap().pid, shown.visible), (Pid(900), true));
        let other_window = spot(&[500, 100, 7], None);
        assert_eq!(
            (other_window.client.unwrap().pid, other_window.visible),
            (Pid(901), true)
        );
        let inactive = spot(&[102], None);
        assert!(
            !inactive.visible,
            "shown, but another pane is the active one"
        );
        assert_eq!(inactive.shown.as_deref(), Some("%1"));
    }

    #[test]
    fn a_session_only_a_control_client_shows_is_detached() {
        let detached = spot(&[103], None);
        assert_eq!(
            (detached.client, detached.pane.session.as_str()),
            (None, "a name\twith tabs")
        );
    }

    #[test]
    fn the_environment_names_the_pane_only_if_no_process_does() {
        assert_eq!(spot(&[999], Some("%2")).pane.pane_id, "%2");
        assert_eq!(spot(&[100], Some("%2")).pane.pane_id, "%0");
        assert_eq!(parse_layout(LAYOUT).spot(&chain(&[999]), None), None);
    }

    #[test]
    fn of_a_grouped_session_the_shown_one_counts() {
        let text = "P\t%0\t100\t$0\t@0\t0\t0\t1\tfirst\nP\t%0\t100\t$5\t@0\t0\t0\t1\tsecond\n\
            C\t900\t/dev/pts/9\t$5\t@0\t50\t0\n";
        let spot = parse_layout(text).spot(&chain(&[100]), None).unwrap();
        assert_eq!(
            (spot.pane.session.as_str(), spot.client.unwrap().pid),
            ("second", Pid(900))
        );
    }
}
