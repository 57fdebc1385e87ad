//! tmux: which pane holds a process, which client shows it.
//!
//! **Source:** tmux(1) of 3.3a. The server's own executable is run, so that no `PATH` and no
//! difference between client and server versions matters; `TMUX` is unset, or it would win.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::core::model::{Pane, Pid, ProcChain, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::sys::exec;
use crate::sys::proc::Proc;
use crate::sys::socket;

/// Longest wait for one answer. tmux answers in 2 ms.
const PATIENCE: Duration = Duration::from_millis(500);
/// What a server is called.
pub const COMM: &str = "tmux: server";
/// What a client is called.
pub const CLIENT_COMM: &str = "tmux: client";
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
    /// Its terminal, as the server names it.
    tty: String,
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
    /// When it was used last, in seconds since 1970.
    pub activity: i64,
}

/// All panes and clients of a server at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    panes: Vec<PaneRow>,
    clients: Vec<Client>,
}

/// A session's pane, and who shows its tmux session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The pane, as its best view names it.
    pub pane: Pane,
    /// The best first; none if the session is detached.
    pub views: Vec<View>,
}

/// A client that shows a pane, or can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// The client.
    pub client: Client,
    /// The pane as its session names it: grouped sessions have one pane each in their own way.
    pub pane: Pane,
    /// The pane in that session, as tmux takes it: `$1:@2.%3`.
    pub target: String,
    /// Whether the client shows the pane right now, and it is the active one.
    pub visible: bool,
    /// The active pane of the window that this client shows.
    pub shown: Option<String>,
}

/// Finds a server's executable and socket, which `TMUX` may have named.
///
/// # Errors
/// Why it cannot be asked.
pub fn server(proc: &Proc, pid: Pid, named: Option<&Named>) -> Result<Server, Trouble> {
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
pub struct Named {
    /// The server's process.
    pub server: Pid,
    /// The tmux session that the process was started in: `$3`.
    pub session_id: String,
    socket: PathBuf,
}

/// Reads the value of `TMUX`: `socket,pid,session` (tmux(1)).
#[must_use]
pub fn named_by(value: &OsStr) -> Option<Named> {
    let mut fields = value.as_bytes().rsplitn(3, |byte| *byte == b',');
    let (session, server, socket) = (fields.next()?, fields.next()?, fields.next()?);
    let number = |field| std::str::from_utf8(field).ok()?.parse::<u32>().ok();
    Some(Named {
        server: Pid(number(server)?),
        session_id: format!("${}", number(session)?),
        socket: PathBuf::from(OsStr::from_bytes(socket)),
    })
}

/// The terminal for which a command line opens a popup.
#[must_use]
pub fn popup_client(words: &[OsString]) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let popup = |word: &&str| {
        // tmux takes any beginning of a command's name that no other has.
        *word == "popup" || word.len() > 8 && "display-popup".starts_with(*word)
    };
    let after = &words[words.iter().position(popup)? + 1..];
    let at = after.iter().position(|word| *word == "-c")?;
    after.get(at + 1).map(|tty| (*tty).to_owned())
}

/// Whether this server listens there, and no other that was started at the same place since. Any
/// user can make up a name for its socket. Who listened first may be systemd, for the server.
fn is_served(proc: &Proc, pid: Pid, path: &Path) -> bool {
    let Ok(stream) = socket::connect_foreign(path, PATIENCE) else {
        return false;
    };
    let Some(peer) = socket::peer_pid(&stream).map(Pid) else {
        return false;
    };
    let trusted = socket::peer_uid(&stream).is_ok_and(|uid| uid == 0 || proc.uid(pid) == Some(uid));
    peer == pid || trusted && proc.comm(peer).as_deref() != Some(COMM)
}

/// Columns of both listings, so that one child process answers both.
const PANES: &str = "P\t#{pane_id}\t#{pane_pid}\t#{session_id}\t#{window_id}\t#{window_index}\t#{pane_index}\t#{pane_active}\t#{pane_tty}\t#{session_name}";
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
        let fields: Vec<&str> = line.splitn(10, '\t').collect();
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
                tty,
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
                    tty: tty.into(),
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
    /// Finds the pane of a process: the one that has its terminal, else the one whose own process
    /// is among its ancestors. `TMUX_PANE` proves nothing: a server hands on the one that it was
    /// started with.
    #[must_use]
    pub fn spot(&self, chain: Option<&ProcChain>, tty: Option<&str>) -> Option<Spot> {
        let by_tty: Vec<&PaneRow> = self.panes.iter().filter(|p| Some(&*p.tty) == tty).collect();
        // The inner one, of a pane that was started from within another.
        let by_process = || {
            let pids = chain
                .into_iter()
                .flat_map(|chain| &chain.0)
                .map(|link| link.pid);
            let panes = pids.map(|pid| self.panes.iter().filter(move |p| p.pane_pid == pid));
            panes
                .map(Iterator::collect)
                .find(|rows: &Vec<_>| !rows.is_empty())
        };
        let rows = if by_tty.is_empty() {
            by_process()?
        } else {
            by_tty
        };
        // Grouped sessions list one pane several times.
        let mut views: Vec<View> = rows.iter().flat_map(|row| self.views_of(row)).collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.shows_window(), view.client.activity)));
        let pane = views.first().map(|view| view.pane.clone());
        Some(Spot {
            pane: pane.unwrap_or_else(|| rows[0].pane()),
            views,
        })
    }

    fn views_of(&self, row: &PaneRow) -> impl Iterator<Item = View> {
        let clients = self.clients.iter();
        let of_session = clients.filter(|client| client.session_id == row.session_id);
        of_session.map(|client| View {
            client: client.clone(),
            pane: row.pane(),
            target: format!("{}:{}.{}", row.session_id, row.window_id, row.pane_id),
            visible: row.active && client.window_id == row.window_id,
            shown: self.shown_by(client),
        })
    }

    /// The clients that may show a popup which was opened in this tmux session: those of the
    /// session, else all. The one that was used last first.
    #[must_use]
    pub fn popup_clients(&self, session_id: Option<&str>) -> Vec<Client> {
        let of_session = |client: &&Client| Some(&*client.session_id) == session_id;
        let mut clients: Vec<Client> = self.clients.iter().filter(of_session).cloned().collect();
        if clients.is_empty() {
            clients.clone_from(&self.clients);
        }
        clients.sort_by_key(|client| std::cmp::Reverse(client.activity));
        clients
    }

    /// The name of a tmux session.
    #[must_use]
    pub fn session_name(&self, session_id: &str) -> Option<&str> {
        let mut rows = self.panes.iter();
        let row = rows.find(|row| row.session_id == session_id)?;
        Some(&row.session)
    }

    /// The active pane of the window that a client shows.
    fn shown_by(&self, client: &Client) -> Option<String> {
        let shows = |row: &&PaneRow| {
            row.active && row.session_id == client.session_id && row.window_id == client.window_id
        };
        self.panes.iter().find(shows).map(|row| row.pane_id.clone())
    }
}

impl PaneRow {
    fn pane(&self) -> Pane {
        let target = format!("{}:{}.{}", self.session, self.window_index, self.pane_index);
        Pane {
            pane_id: self.pane_id.clone(),
            target: CleanText::line(&target),
            session: self.session.clone(),
        }
    }
}

impl View {
    fn shows_window(&self) -> bool {
        self.target.starts_with(&format!(
            "{}:{}.",
            self.client.session_id, self.client.window_id
        ))
    }
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
    use crate::core::model::Link;

    const LAYOUT: &str = "P\t%0\t100\t$0\t@0\t0\t0\t1\t/dev/pts/10\twork\n\
        P\t%1\t101\t$0\t@1\t1\t0\t1\t/dev/pts/11\twork\n\
        P\t%2\t102\t$0\t@1\t1\t1\t0\t/dev/pts/12\twork\n\
        P\t%3\t103\t$1\t@2\t0\t0\t1\t/dev/pts/13\ta name\twith tabs\n\
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

    fn spot(pids: &[u32], tty: Option<&str>) -> Spot {
        parse_layout(LAYOUT).spot(Some(&chain(pids)), tty).unwrap()
    }

    fn clients(views: &[View]) -> Vec<(u32, bool)> {
        let views = views.iter();
        views
            .map(|view| (view.client.pid.0, view.visible))
            .collect()
    }

    #[test]
    fn a_process_is_found_in_its_pane_and_who_shows_it_comes_first() {
        let shown = spot(&[500, 101, 7], None);
        assert_eq!(
            (shown.pane.pane_id.as_str(), shown.pane.target.as_str()),
            ("%1", "work:1.0")
        );
        assert_eq!(clients(&shown.views), [(900, true), (901, false)]);
        assert_eq!(shown.views[0].target, "$0:@1.%1");
        let other_window = spot(&[500, 100, 7], None);
        assert_eq!(clients(&other_window.views), [(901, true), (900, false)]);
        let inactive = spot(&[102], None);
        assert_eq!(
            clients(&inactive.views),
            [(900, false), (901, false)],
            "shown, but another pane is the active one"
        );
        assert_eq!(inactive.views[0].shown.as_deref(), Some("%1"));
    }

    #[test]
    fn a_session_only_a_control_client_shows_is_detached() {
        let detached = spot(&[103], None);
        assert_eq!(
            (detached.views, detached.pane.session.as_str()),
            (vec![], "a name\twith tabs")
        );
    }

    #[test]
    fn a_terminal_tells_the_pane_better_than_the_parents_do() {
        assert_eq!(spot(&[999], Some("/dev/pts/12")).pane.pane_id, "%2");
        assert_eq!(spot(&[100], Some("/dev/pts/12")).pane.pane_id, "%2");
        assert_eq!(spot(&[100], Some("/dev/pts/77")).pane.pane_id, "%0");
        assert_eq!(spot(&[500, 101, 100], None).pane.pane_id, "%1");
        let popup = parse_layout(LAYOUT).spot(Some(&chain(&[999])), Some("/dev/pts/77"));
        assert_eq!(popup, None);
    }

    #[test]
    fn of_a_grouped_session_the_shown_one_counts() {
        let text = "P\t%0\t100\t$0\t@0\t0\t0\t1\t/dev/pts/1\tfirst\nP\t%0\t100\t$5\t@0\t0\t0\t1\t/dev/pts/1\tsecond\n\
            C\t900\t/dev/pts/9\t$5\t@0\t50\t0\n";
        let spot = parse_layout(text).spot(Some(&chain(&[100])), None).unwrap();
        assert_eq!(
            (spot.pane.session.as_str(), &*spot.views[0].target),
            ("second", "$5:@0.%0")
        );
    }

    #[test]
    fn a_popup_is_shown_by_a_client_of_the_session_it_was_opened_in() {
        let layout = parse_layout(LAYOUT);
        let pids = |session| -> Vec<u32> {
            let clients = layout.popup_clients(session).into_iter();
            clients.map(|client| client.pid.0).collect()
        };
        assert_eq!(pids(Some("$0")), [900, 901]);
        assert_eq!(pids(None), [900, 901]);
        assert_eq!(pids(Some("$9")), [900, 901], "it may show another by now");
    }

    #[test]
    fn a_command_tells_whose_popup_it_opens() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            popup_client(&words)
        };
        let line = "tmux -S /tmp/s display-popup -w 80% -c /dev/pts/4 -E vi";
        assert_eq!(of(line).as_deref(), Some("/dev/pts/4"));
        assert_eq!(
            of("tmux popup -c /dev/pts/4").as_deref(),
            Some("/dev/pts/4")
        );
        assert_eq!(of("tmux display-panes -c /dev/pts/4"), None);
        assert_eq!(of("tmux display-popup -c"), None);
        assert_eq!(of("tmux display-popup vi"), None);
    }

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
