//! Finds the window of a session: asks `/proc`, window managers, X servers and multiplexers what
//! `locate` needs to know. Nothing is kept from one pass to the next but open connections.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::desktop::{Desktop, Ways};
use super::way::Search;
use super::{Finding, Found, Terminal};
use crate::host::{screen, tmux};
use crate::locate::{self, Hints, Landing, Mux};
use crate::model::{
    Action, Focus, Host, Pid, Place, ProcChain, Session, SessionKey, Trouble, TroubleCode, Window,
    WindowRef, WmTree, Xid,
};
use crate::proc::{Environ, Proc};
use crate::text::CleanText;
use crate::wm::i3::I3;
use crate::wm::{WmError, discover};

/// Terminals within terminals that are followed.
const ROUNDS: usize = 6;

/// The holders of all pseudo terminals, by their numbers.
fn masters(proc: &mut Proc) -> HashMap<u32, Vec<Pid>> {
    let mut pids = Vec::new();
    // What cannot be listed holds nothing that could be found.
    let _listed = proc.pids(&mut pids);
    let mut masters: HashMap<u32, Vec<Pid>> = HashMap::new();
    for pid in pids.into_iter().map(Pid) {
        for number in proc.pty_masters(pid) {
            masters.entry(number).or_default().push(pid);
        }
    }
    masters
}

/// What tells one desktop from another in an environment.
type DesktopKey = [Option<String>; 3];

/// The finder of windows.
pub struct Places {
    proc: Proc,
    desktops: Vec<Desktop>,
    by_environ: HashMap<DesktopKey, usize>,
    /// Environments that lead nowhere in this pass, with what was tried.
    dead_ends: HashMap<DesktopKey, String>,
    layouts: HashMap<Pid, Result<tmux::Layout, String>>,
    /// Who holds the other end of a session's terminal, for sessions whose parents are gone.
    holders: HashMap<SessionKey, Option<SessionKey>>,
    /// Who holds which pseudo terminal's master: read once a pass, where it is asked for at all.
    masters: Option<HashMap<u32, Vec<Pid>>>,
    own_environ: Environ,
    /// A person waits for what is found: what failed is tried again without a pause.
    at_once: bool,
}

impl Places {
    /// A finder with the `/proc` at `root`. `own_environ` is what is left for sessions without
    /// any desktop of their own.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn new(root: &Path, own_environ: Environ) -> io::Result<Self> {
        Ok(Self {
            proc: Proc::open(root)?,
            desktops: Vec::new(),
            by_environ: HashMap::new(),
            dead_ends: HashMap::new(),
            layouts: HashMap::new(),
            holders: HashMap::new(),
            masters: None,
            own_environ,
            at_once: false,
        })
    }

    /// The same for a person's own moves: what failed before is tried again without a pause.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }

    /// Starts a pass: what windows there are is asked anew.
    pub fn begin(&mut self) {
        for desktop in &mut self.desktops {
            desktop.tree = None;
        }
        self.dead_ends.clear();
        self.layouts.clear();
        self.masters = None;
        let proc = &self.proc;
        self.holders
            .retain(|key, _| proc.key(key.pid) == Some(*key));
    }

    /// The sockets of the window managers that were found.
    #[must_use]
    pub fn sockets(&self) -> Vec<PathBuf> {
        self.desktops
            .iter()
            .map(|desktop| desktop.i3.socket().to_path_buf())
            .collect()
    }

    /// The open connection to the window manager at `socket`, or a new one.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn with_i3<T>(
        &mut self,
        socket: &Path,
        ask: impl Fn(&mut I3) -> Result<T, WmError>,
    ) -> Result<T, WmError> {
        let known = self
            .desktops
            .iter()
            .position(|desktop| desktop.i3.socket() == socket);
        let Some(index) = known else {
            return ask(&mut I3::connect(socket)?);
        };
        match ask(&mut self.desktops[index].i3) {
            // Spoilt, or left over from before a restart.
            Err(WmError::Closed(_) | WmError::Garbled(_)) => {
                self.forget(index);
                ask(&mut I3::connect(socket)?)
            }
            Err(WmError::Hung) => {
                self.forget(index);
                Err(WmError::Hung)
            }
            answer => answer,
        }
    }

    /// Marks a window as urgent, or no longer.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn set_urgent(&mut self, window: &WindowRef, urgent: bool) -> Result<(), WmError> {
        let Some(socket) = window.socket.as_ref().map(|socket| Path::new(&socket.0)) else {
            return Ok(());
        };
        let desktop = self.desktops.iter().find(|d| d.i3.socket() == socket);
        let display = desktop.and_then(Desktop::display);
        if let (Some(display), Some(xid)) = (display, window.xid)
            && display.i3_socket()?.is_some()
        {
            return display.set_urgent(xid, urgent);
        }
        // Of sway(5); i3 has no such command.
        let word = if urgent { "enable" } else { "disable" };
        let command = format!("[con_id={}] urgent {word}", window.con_id.0);
        self.with_i3(socket, |i3| i3.command(&command))
    }

    /// The tree of the window manager at `socket`, read now, with the owners of its windows.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn tree(&mut self, socket: &Path) -> Result<WmTree, WmError> {
        let index = self.desktop_at(socket)?;
        match self.read(index, &Environ::default()) {
            // Spoilt, or left over from before a restart.
            Err(WmError::Closed(_) | WmError::Garbled(_)) => {}
            read => return read,
        }
        let index = self.desktop_at(socket)?;
        self.read(index, &Environ::default())
    }

    /// Reads a tree now. A desktop that does not answer is forgotten: its connection is spoilt,
    /// and after a restart its socket may be another one.
    fn read(&mut self, index: usize, environ: &Environ) -> Result<WmTree, WmError> {
        let ways = Ways {
            proc: &self.proc,
            environs: &[environ, &self.own_environ],
            at_once: self.at_once,
        };
        let read = self.desktops[index].read(ways);
        if read.is_err() {
            self.forget(index);
        }
        read
    }

    /// The desktop whose window manager listens at `socket`.
    fn desktop_at(&mut self, socket: &Path) -> Result<usize, WmError> {
        let is = |desktop: &Desktop| desktop.i3.socket() == socket;
        if let Some(index) = self.desktops.iter().position(is) {
            return Ok(index);
        }
        self.desktops.push(Desktop::new(I3::connect(socket)?));
        Ok(self.desktops.len() - 1)
    }

    /// What has the focus of the window manager at `socket`, as this pass has read it.
    #[must_use]
    pub fn focus_at(&self, socket: &Path) -> Option<Focus> {
        let mut desktops = self.desktops.iter();
        let desktop = desktops.find(|desktop| desktop.i3.socket() == socket)?;
        desktop.focus().map(|(_, focus)| focus)
    }

    /// What has the focus, as this pass has read it, by the socket of each window manager.
    #[must_use]
    pub fn focuses(&self) -> Vec<(PathBuf, Focus)> {
        self.desktops.iter().filter_map(Desktop::focus).collect()
    }

    /// Finds the window that shows `session`. `client` is the environment of who asks: for
    /// sessions that have no desktop of their own.
    ///
    /// # Errors
    /// Why there is none, and what is known of its host.
    pub fn find(&mut self, session: &Session, client: &Environ) -> Finding {
        let mut search = Search::default();
        let result = self.search(session, client, &mut search);
        match result {
            Ok(place) => Ok(Found {
                place,
                actions: search.actions,
                terminal: search.terminal,
                uncertain: search.uncertain,
            }),
            Err(trouble) => Err(Box::new(search.nowhere(trouble))),
        }
    }

    fn search(
        &mut self,
        session: &Session,
        client: &Environ,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        if self.proc.key(session.pid) != Some(session.id) {
            return Err(Trouble::new(TroubleCode::Gone, "its process has ended"));
        }
        let mut pid = session.pid;
        for _ in 0..ROUNDS {
            let chain = self.proc.chain(pid);
            let environ = self.nearest_environ(&chain);
            // A multiplexer on the way needs no desktop, so that its trouble is kept for later.
            let desktop = self.look(&environ, client);
            let tree = desktop
                .as_ref()
                .ok()
                .and_then(|index| self.desktops[*index].tree.as_ref());
            let manager = desktop.as_ref().map(|i| self.desktops[*i].i3.socket());
            search.walked(&chain, &manager);
            pid = match locate::land(&chain, tree) {
                Landing::Mux {
                    mux: Mux::Tmux,
                    server,
                } => self.through_tmux(server, &chain, &environ, search)?,
                Landing::Mux {
                    mux: Mux::Screen,
                    server,
                } => self.through_screen(server, &environ, search)?,
                Landing::Mux {
                    mux: Mux::Other(name),
                    ..
                } => return Err(unknown_mux(name)),
                Landing::Remote { program } => return Err(remote(&program, &environ)),
                Landing::Owner {
                    program,
                    pid: owner,
                    windows,
                } => {
                    search
                        .host
                        .get_or_insert_with(|| host("terminal", &program, None));
                    let choice =
                        locate::choose(&program, owner, &windows, &hints(session, &environ))?;
                    search.arrived(&choice, &windows, &environ);
                    search.terminal = Some(Terminal {
                        pid,
                        owner,
                        program: CleanText::line(&program),
                        windows: windows.len(),
                    });
                    return Ok(search.place(&choice, manager.ok()));
                }
                Landing::Adrift => self
                    .holder(session.id, pid)
                    .ok_or_else(|| self.adrift(desktop, &chain))?,
            };
        }
        Err(Trouble::new(
            TroubleCode::NoWindow,
            "it runs in too many terminals within terminals",
        ))
    }

    /// Why nothing was found on the way up from a process.
    fn adrift(&self, desktop: Result<usize, Trouble>, chain: &ProcChain) -> Trouble {
        match desktop.map(|index| &self.desktops[index].ownerless) {
            Err(trouble) => trouble,
            Ok(Some(why)) => no_owners(why),
            Ok(None) => nowhere(chain),
        }
    }

    /// How many terminals a process holds, as far as it lets us see.
    pub(super) fn terminals(&self, owner: Pid) -> usize {
        let masters: BTreeSet<u32> = self.proc.pty_masters(owner).into_iter().collect();
        masters.len()
    }

    /// A process's ancestors, and its environment.
    pub(super) fn surroundings(&self, pid: Pid) -> (ProcChain, Environ) {
        let chain = self.proc.chain(pid);
        let environ = self.nearest_environ(&chain);
        (chain, environ)
    }

    /// An X11 window, as this pass has seen it.
    pub(super) fn window_at(&self, socket: &Path, xid: Xid) -> Option<&Window> {
        let mut desktops = self.desktops.iter();
        let desktop = desktops.find(|desktop| desktop.i3.socket() == socket)?;
        let mut windows = desktop.tree.as_ref()?.windows.iter();
        windows.find(|window| window.xid == Some(xid))
    }

    /// The process's own environment, or that of its nearest ancestor that lets us read it.
    fn nearest_environ(&self, chain: &ProcChain) -> Environ {
        let readable = chain
            .0
            .iter()
            .filter_map(|link| self.proc.environ(link.pid).ok());
        readable
            .into_iter()
            .find(|environ| !environ.is_empty())
            .unwrap_or_default()
    }

    fn through_tmux(
        &mut self,
        pid: Pid,
        chain: &ProcChain,
        environ: &Environ,
        search: &mut Search,
    ) -> Result<Pid, Trouble> {
        let server = tmux::server(&self.proc, pid, environ)
            .ok_or_else(|| Trouble::new(TroubleCode::NoWindow, "its tmux server has no socket"))?;
        let layout = self
            .layouts
            .entry(pid)
            .or_insert_with(|| server.layout().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(|error| {
                Trouble::new(TroubleCode::WmHung, &format!("could not ask tmux: {error}"))
            })?;
        let spot = layout
            .spot(chain, environ.text("TMUX_PANE"))
            .ok_or_else(|| Trouble::new(TroubleCode::NoWindow, "tmux does not list its pane"))?;
        search
            .host
            .get_or_insert_with(|| host("tmux", "tmux", Some(&spot.pane.target)));
        search.through_tmux(pid, &server, &spot, environ);
        let Some(client) = spot.client else {
            let name = CleanText::line(&spot.pane.session);
            let message = format!("tmux session {name} is detached");
            let attach = format!(
                "attach it with: tmux -S {} attach -t {}",
                server.socket.display(),
                quoted(&name)
            );
            return Err(Trouble::new(TroubleCode::MuxDetached, &message).hint(&attach));
        };
        search.hidden |= !spot.visible;
        if !spot.visible {
            search.actions.push(Action::TmuxSwitch {
                program: server.program,
                socket: server.socket,
                client_tty: client.tty,
                pane_id: spot.pane.pane_id,
                shown: spot.shown,
            });
        }
        Ok(client.pid)
    }

    fn through_screen(
        &mut self,
        server: Pid,
        environ: &Environ,
        search: &mut Search,
    ) -> Result<Pid, Trouble> {
        let session = environ.text("STY").unwrap_or_default().to_owned();
        search
            .host
            .get_or_insert_with(|| host("screen", "screen", Some(&CleanText::line(&session))));
        let client = screen::client(&mut self.proc, server).ok_or_else(|| {
            let message = format!("screen session {} is detached", CleanText::line(&session));
            let attach = format!("attach it with: screen -r {}", quoted(&session));
            Trouble::new(TroubleCode::MuxDetached, &message).hint(&attach)
        })?;
        // Which of its windows screen shows cannot be asked: select it anyway.
        search.uncertain = true;
        if let Some(window) = environ.text("WINDOW") {
            search.actions.push(Action::ScreenSelect {
                session,
                window: window.to_owned(),
            });
        }
        Ok(client)
    }

    /// The process that holds the other end of the session's terminal, if it is not an ancestor
    /// (a reparented session, or one behind script(1)). Looked for once for each session.
    fn holder(&mut self, key: SessionKey, pid: Pid) -> Option<Pid> {
        if let Some(known) = self.holders.get(&key) {
            let known = known.filter(|holder| self.proc.key(holder.pid) == Some(*holder));
            return known
                .map(|holder| holder.pid)
                .filter(|holder| *holder != pid);
        }
        let found = self.find_holder(pid);
        self.holders
            .insert(key, found.and_then(|holder| self.proc.key(holder)));
        found
    }

    fn find_holder(&mut self, pid: Pid) -> Option<Pid> {
        let tty = self.proc.tty(pid, 0)?;
        let number: u32 = tty.to_str()?.strip_prefix("/dev/pts/")?.parse().ok()?;
        let masters = self.masters.get_or_insert_with(|| masters(&mut self.proc));
        let mut holders = masters.get(&number)?.iter().copied();
        holders.find(|other| *other != pid)
    }

    /// The desktop of a session, with its tree as this pass has read it. A connection that was
    /// left over from before a restart is made anew.
    fn look(&mut self, environ: &Environ, client: &Environ) -> Result<usize, Trouble> {
        let index = self.desktop(environ, client)?;
        match self.read_tree(index, environ) {
            Ok(()) => return Ok(index),
            Err(trouble) if trouble.code == TroubleCode::WmHung => return Err(trouble),
            Err(_) => {}
        }
        let index = self.desktop(environ, client)?;
        self.read_tree(index, environ).map(|()| index)
    }

    /// The desktop of a session's environment, else of the asker's, else of our own.
    fn desktop(&mut self, environ: &Environ, client: &Environ) -> Result<usize, Trouble> {
        if has_desktop(environ) {
            return self.desktop_of(environ);
        }
        if has_desktop(client) {
            return self.desktop_of(client);
        }
        let own = self.own_environ.clone();
        self.desktop_of(&own)
    }

    fn desktop_of(&mut self, environ: &Environ) -> Result<usize, Trouble> {
        let key =
            ["SWAYSOCK", "I3SOCK", "DISPLAY"].map(|name| environ.text(name).map(str::to_owned));
        if let Some(index) = self.by_environ.get(&key) {
            return Ok(*index);
        }
        if let Some(tried) = self.dead_ends.get(&key) {
            return Err(no_wm(tried));
        }
        let i3 = match discover::find(environ, &self.proc) {
            Ok(i3) => i3,
            Err(tried) => {
                let trouble = no_wm(&tried);
                self.dead_ends.insert(key, tried);
                return Err(trouble);
            }
        };
        let known = self
            .desktops
            .iter()
            .position(|desktop| desktop.i3.socket() == i3.socket());
        let index = known.unwrap_or_else(|| {
            self.desktops.push(Desktop::new(i3));
            self.desktops.len() - 1
        });
        self.by_environ.insert(key, index);
        Ok(index)
    }

    /// Reads the tree of a desktop, once a pass, with the owners of its windows.
    fn read_tree(&mut self, index: usize, environ: &Environ) -> Result<(), Trouble> {
        if self.desktops[index].tree.is_some() {
            return Ok(());
        }
        match self.read(index, environ) {
            Ok(tree) => {
                self.desktops[index].tree = Some(tree);
                Ok(())
            }
            Err(error) => {
                let code = if matches!(error, WmError::Hung) {
                    TroubleCode::WmHung
                } else {
                    TroubleCode::NoWm
                };
                Err(Trouble::new(
                    code,
                    &format!("could not ask the window manager: {error}"),
                ))
            }
        }
    }

    fn forget(&mut self, index: usize) {
        self.desktops.remove(index);
        self.by_environ.clear();
    }
}

fn has_desktop(environ: &Environ) -> bool {
    ["SWAYSOCK", "I3SOCK", "DISPLAY"]
        .iter()
        .any(|name| environ.get(name).is_some())
}

fn host(kind: &str, program: &str, target: Option<&CleanText>) -> Host {
    Host {
        kind: CleanText::line(kind),
        program: CleanText::line(program).some(),
        target: target.cloned(),
    }
}

fn hints(session: &Session, environ: &Environ) -> Hints {
    let window_id = environ
        .text("WINDOWID")
        .and_then(|text| text.parse().ok())
        .map(Xid);
    Hints {
        window_id,
        titles: session.name.iter().cloned().collect(),
    }
}

fn remote(program: &str, environ: &Environ) -> Trouble {
    let from = environ
        .text("SSH_CONNECTION")
        .and_then(|text| text.split(' ').next());
    let from = from.map(|host| format!(" from {host}")).unwrap_or_default();
    let message = format!("it runs in a login{from} ({program}); its window is on that machine");
    Trouble::new(TroubleCode::Remote, &message)
}

fn unknown_mux(name: &str) -> Trouble {
    let message = format!("it runs in {name}, whose window vmux cannot find yet");
    Trouble::new(TroubleCode::NoWindow, &message)
}

fn no_wm(tried: &str) -> Trouble {
    Trouble::new(
        TroubleCode::NoWm,
        &format!("no i3 or sway was found for it ({tried})"),
    )
}

fn no_owners(why: &str) -> Trouble {
    let message = format!("could not ask the X server who owns which window: {why}");
    Trouble::new(TroubleCode::NoWm, &message)
}

fn nowhere(chain: &ProcChain) -> Trouble {
    let message = format!("no window shows it (started from: {})", chain.describe());
    Trouble::new(TroubleCode::NoWindow, &message)
        .hint("it may run in the background, on a console, or in a container")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
