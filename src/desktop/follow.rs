//! Follows a session's terminal to the window that shows it: up through its parents, across
//! multiplexers to their clients, and over the other end of a terminal to who holds it.
//!
//! Where several ways go on they are tried in order, and the first that ends at a window counts:
//! a client over ssh or on a console shows nothing here, however lately it was used.

use super::Terminal;
use super::place::Places;
use super::way::Search;
use crate::core::model::{
    HostKind, Kind, Link, Pid, Place, ProcChain, Session, Trouble, TroubleCode, Xid,
};
use crate::core::text::CleanText;
use crate::desktop::host::Mux;
use crate::desktop::locate::{self, Hints, Landing};
use crate::sys::proc::Environ;
use crate::sys::proc::pty::Tty;

/// Most processes that a search sets out from: terminals within terminals, and all their clients.
const STARTS_CAP: usize = 24;
/// What watches a container of podman.
const MONITOR: &str = "conmon";
/// How the name of what watches a container of docker begins.
const SHIM: &str = "containerd-shim";

/// What one search is about.
pub(super) struct Walk<'a> {
    pub(super) session: &'a Session,
    /// The environment of who asks.
    pub(super) client: &'a Environ,
    /// The processes it has set out from.
    pub(super) started: Vec<Pid>,
}

/// Where a way sets out.
pub(super) struct Start {
    /// A process and its parents.
    pub(super) chain: ProcChain,
    /// The process whose terminal's other end the first of them holds.
    pub(super) held: Option<Pid>,
    /// The first of them is a client of a multiplexer: one of screen is called as a server is.
    client: bool,
}

impl Start {
    /// The process that the way is about.
    fn inside(&self) -> Option<Pid> {
        self.held.or(self.chain.0.first().map(|link| link.pid))
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(session: &'a Session, client: &'a Environ) -> Self {
        Self {
            session,
            client,
            started: Vec::new(),
        }
    }

    fn set_out(&mut self, pid: Pid) -> Result<(), Trouble> {
        if self.started.len() >= STARTS_CAP || self.started.contains(&pid) {
            return Err(Trouble::new(
                TroubleCode::NoWindow,
                "it runs in too many terminals within terminals",
            ));
        }
        self.started.push(pid);
        Ok(())
    }
}

impl Places {
    /// Finds the window of the walk's session.
    pub(super) fn search(
        &mut self,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let session = walk.session;
        let key = session.here()?;
        if self.proc.key(key.pid) != Some(key) {
            return Err(Trouble::new(TroubleCode::Gone, "its process has ended"));
        }
        self.follow(session.pid, None, walk, search)
    }

    pub(super) fn follow(
        &mut self,
        pid: Pid,
        held: Option<Pid>,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        walk.set_out(pid)?;
        let start = Start {
            chain: self.proc.chain(pid),
            held,
            client: false,
        };
        self.go(&start, walk, search)
    }

    /// The same from a client of a multiplexer.
    pub(super) fn follow_client(
        &mut self,
        pid: Pid,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        walk.set_out(pid)?;
        let start = Start {
            chain: self.proc.chain(pid),
            held: None,
            client: true,
        };
        self.go(&start, walk, search)
    }

    fn go(
        &mut self,
        start: &Start,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let chain = &start.chain;
        let environ = self.nearest_environ(chain);
        // A multiplexer on the way needs no desktop, so that its trouble is kept for later.
        let desktop = self.look(&environ, walk.client);
        let index = desktop.as_ref().ok().copied();
        let tree = index.and_then(|index| self.desktops[index].tree.as_ref());
        let manager = desktop.as_ref().map(|i| self.desktops[*i].address());
        search.walked(chain, &manager);
        let mut landing = locate::land(chain, usize::from(start.client), tree);
        if let Landing::Owner { pid, .. } = landing
            && let Some(terminal) = self.terminal_above(start, pid)
        {
            landing = locate::land(chain, terminal, tree);
        }
        match landing {
            Landing::Mux { mux, server } => match mux {
                Mux::Known(kind) => self.through((kind, server), start, walk, search),
                Mux::Other(name) => Err(unknown_mux(name)),
            },
            Landing::Remote { program } => Err(remote(&program, &environ)),
            Landing::Owner {
                program,
                pid: owner,
                windows,
            } => {
                search.enter(HostKind::Terminal, &program, None);
                let mut hints = hints(walk.session, &self.environ_inside(start));
                if windows.len() > 1 {
                    hints.titles = self.own_titles(walk.session, search);
                }
                let choice = locate::choose(&program, owner, &windows, &hints)?;
                search.arrived(&choice, &windows, &environ);
                search.terminal = start.inside().map(|pid| Terminal {
                    pid,
                    owner,
                    program: CleanText::line(&program),
                    windows: windows.len(),
                });
                Ok(search.place(&choice, manager.ok()))
            }
            Landing::Adrift => {
                let trouble = self.adrift(desktop, chain);
                self.over_terminal(chain, trouble, walk, search)
            }
        }
    }

    /// Where in a chain the holder of the terminal stands, if that is above a process that owns
    /// windows: a graphical program that was started from a terminal does not show that terminal.
    fn terminal_above(&self, start: &Start, owner: Pid) -> Option<usize> {
        let tty = self.proc.terminal(start.inside()?)?;
        let links = &start.chain.0;
        let holds = |link: &Link| self.proc.pty_masters(link.pid).contains(&tty);
        let owner = links.iter().position(|link| link.pid == owner)?;
        // Nearly always.
        if holds(links.get(owner)?) {
            return None;
        }
        let holder = links.iter().position(holds)?;
        (holder > owner).then_some(holder)
    }

    /// Tries all ways in order and takes the first that ends at a window; else says what is wrong
    /// with the first. A window manager that hangs might show any of them: nothing more is tried.
    pub(super) fn first<W>(
        &mut self,
        ways: &[W],
        search: &mut Search,
        mut go: impl FnMut(&mut Self, &W, &mut Search) -> Result<Place, Trouble>,
        name: impl Fn(&W) -> String,
    ) -> Option<Result<Place, Trouble>> {
        let mut failed: Option<(Search, Trouble)> = None;
        let mut passed_over: Vec<String> = Vec::new();
        for way in ways {
            let mut attempt = search.clone();
            for words in &passed_over {
                attempt.reject(words);
            }
            match go(self, way, &mut attempt) {
                Ok(place) => {
                    *search = attempt;
                    return Some(Ok(place));
                }
                Err(trouble) => {
                    passed_over.push(format!("{}: {}", name(way), trouble.message));
                    let hangs = trouble.code == TroubleCode::WmHung;
                    failed.get_or_insert((attempt, trouble));
                    if hangs {
                        break;
                    }
                }
            }
        }
        let (attempt, trouble) = failed?;
        *search = attempt;
        Some(Err(trouble))
    }

    /// If no parent leads anywhere, follows the process's terminal to whoever holds its other end:
    /// the parents may be gone, or a program such as script(1) stands between.
    fn over_terminal(
        &mut self,
        chain: &ProcChain,
        trouble: Trouble,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let Some(pid) = chain.0.first().map(|link| link.pid) else {
            return Err(trouble);
        };
        let tty = self.proc.terminal(pid);
        let holders = tty.map(|tty| self.holders(pid, tty)).unwrap_or_default();
        let go = |places: &mut Self, holder: &Pid, search: &mut Search| {
            let tty = tty.map(Tty::name).unwrap_or_default();
            search.step(&format!(
                "the other end of its terminal {tty} is held by {holder}"
            ));
            places.follow(*holder, Some(pid), walk, search)
        };
        let name = |holder: &Pid| format!("process {holder}, which holds its terminal");
        match self.first(&holders, search, go, name) {
            Some(Err(further)) if further.code == TroubleCode::NoWindow => {}
            Some(landed) => return landed,
            None => {}
        }
        let go = |places: &mut Self, entered: &Pid, search: &mut Search| {
            search.step(&format!("process {entered} is attached to the container"));
            places.follow(*entered, None, walk, search)
        };
        let name = |entered: &Pid| format!("process {entered}, attached to the container");
        let attached = self.attached(chain);
        match self.first(&attached, search, go, name) {
            Some(Err(further)) if further.code == TroubleCode::NoWindow => {}
            Some(landed) => return landed,
            None => {}
        }
        if trouble.code == TroubleCode::NoWindow {
            return Err(self.without_window(chain, tty, trouble));
        }
        Err(trouble)
    }

    /// Who is attached to the container that a chain begins in.
    ///
    /// **Source:** podman 4.3.1: conmon, the parent of what runs in a container, holds the terminal
    /// there, and `podman run -it` or `exec -it` is connected to its socket (`toolbox` and
    /// `distrobox` run these). docker has nothing that leads from the one to the other.
    fn attached(&mut self, chain: &ProcChain) -> Vec<Pid> {
        let mut links = chain.0.iter();
        let monitor = links.find(|link| link.comm == MONITOR);
        monitor.map_or_else(Vec::new, |link| self.proc.connected(link.pid))
    }

    /// Why nothing shows a process: `trouble`, or something more exact.
    fn without_window(&self, chain: &ProcChain, tty: Option<Tty>, trouble: Trouble) -> Trouble {
        let pid = chain.0.first().map(|link| link.pid).unwrap_or_default();
        let held = "nothing here holds the other end of its terminal";
        if self.proc.is_contained(pid) {
            let has = |name: &str| chain.0.iter().any(|link| link.comm.starts_with(name));
            let hint = if has(MONITOR) {
                "no terminal here is attached to the container"
            } else if has(SHIM) {
                "docker does not tell which terminal entered the container"
            } else {
                held
            };
            let message = "it runs in a container whose terminal is not of this desktop";
            return Trouble::new(TroubleCode::NoWindow, message).hint(hint);
        }
        let console = self.proc.tty(pid, 0).filter(|_| tty.is_none());
        trouble.hint(&match console {
            Some(console) => format!("it runs on the console {}", console.display()),
            None if tty.is_none() => "it has no terminal: it runs in the background".to_owned(),
            None => held.to_owned(),
        })
    }

    /// The titles by which a session's window may be known, while it is what its terminal shows.
    fn own_titles(&self, session: &Session, search: &mut Search) -> Vec<CleanText> {
        if search.hidden || search.uncertain {
            return Vec::new();
        }
        let (own, shared) = self.titles.split(session);
        for title in shared {
            let words = "another session may have it too";
            search.reject(&format!("title \u{201c}{title}\u{201d}: {words}"));
        }
        own
    }

    /// The environment of the process that the way is about.
    pub(super) fn environ_inside(&self, start: &Start) -> Environ {
        let held = start.held.and_then(|held| self.proc.environ(held).ok());
        let held = held.filter(|environ| !environ.is_empty());
        held.unwrap_or_else(|| self.nearest_environ(&start.chain))
    }

    /// The process's own environment, or that of its nearest ancestor that lets us read it.
    pub(super) fn nearest_environ(&self, chain: &ProcChain) -> Environ {
        let links = chain.0.iter();
        let mut readable = links.filter_map(|link| self.proc.environ(link.pid).ok());
        let found = readable.find(|environ| !environ.is_empty());
        found.unwrap_or_default()
    }
}

fn hints(session: &Session, environ: &Environ) -> Hints {
    let window_id = environ
        .text("WINDOWID")
        .and_then(|text| text.parse().ok())
        .map(Xid);
    Hints {
        window_id,
        titles: Vec::new(),
        folder: (session.kind == Kind::Panel).then(|| session.cwd.base()),
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
