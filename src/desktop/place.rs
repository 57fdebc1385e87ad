//! Finds the window of a session: asks `/proc`, window managers, X servers and multiplexers what
//! `locate` needs to know. Nothing is kept from one pass to the next but open connections.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::follow::Walk;
use super::systems::{Desktop, Ways};
use super::titles::Titles;
use super::way::Search;
use super::{Finding, Found, PaneTitle};
use crate::core::model::{
    Focus, HostKind, Kind, LocalKey, Pid, ProcChain, Session, Trouble, TroubleCode, Window,
    WindowId, WindowKey, WindowRef, WmAddress, WmTree, Xid,
};
use crate::core::sorted::Gather as _;
use crate::desktop::host::{Driver, Multiplexer};
use crate::desktop::wm::x11::canonical;
use crate::desktop::wm::{Watch, WindowManager, WmError, discover};
use crate::sys::proc::pty::Tty;
use crate::sys::proc::{Environ, Proc};

/// The holders of all pseudo terminals.
fn masters(proc: &mut Proc) -> HashMap<Tty, Vec<Pid>> {
    let mut pids = Vec::new();
    // What cannot be listed holds nothing that could be found.
    let _listed = proc.pids(&mut pids);
    let mut masters: HashMap<Tty, Vec<Pid>> = HashMap::new();
    for pid in pids.into_iter().map(Pid) {
        for tty in proc.pty_masters(pid) {
            masters.entry(tty).or_default().push(pid);
        }
    }
    masters
}

/// What tells one desktop from another in an environment: the values of all variables that lead
/// to a window manager, and where those are that are relative.
type DesktopKey = Vec<Option<OsString>>;

/// The finder of windows.
pub struct Places {
    pub(super) proc: Proc,
    pub(super) desktops: Vec<Desktop>,
    by_environ: HashMap<DesktopKey, usize>,
    /// Environments that lead nowhere in this pass, and why: that is waited for once.
    dead_ends: HashMap<DesktopKey, Trouble>,
    /// One of each kind that was asked.
    multiplexers: Vec<(HostKind, Box<dyn Multiplexer>)>,
    /// Who holds the other end of a process's terminal, where its parents did not lead on.
    holders: HashMap<(LocalKey, Tty), Vec<LocalKey>>,
    /// Who holds which pseudo terminal's master: read once a pass, where it is asked for at all.
    masters: Option<HashMap<Tty, Vec<Pid>>>,
    pub(super) titles: Titles,
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
            multiplexers: Vec::new(),
            holders: HashMap::new(),
            masters: None,
            titles: Titles::default(),
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
        for (_, multiplexer) in &mut self.multiplexers {
            multiplexer.begin();
        }
        self.masters = None;
        let proc = &self.proc;
        self.holders
            .retain(|(key, _), _| proc.key(key.pid) == Some(*key));
    }

    /// Takes note of all sessions there are, so that a title which two of them may have counts for
    /// neither.
    pub fn know(&mut self, sessions: &[Arc<Session>]) {
        self.titles = Titles::of(sessions);
    }

    /// The addresses of the window managers that were found.
    #[must_use]
    pub fn managers(&self) -> Vec<WmAddress> {
        let desktops = self.desktops.iter();
        desktops.map(|desktop| desktop.address().clone()).collect()
    }

    /// Asks the window manager at an address, over the open connection or a new one.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn with<T>(
        &mut self,
        manager: &WmAddress,
        ask: impl Fn(&mut dyn WindowManager) -> Result<T, WmError>,
    ) -> Result<T, WmError> {
        let known = self.known(manager);
        let Some(index) = known else {
            return ask(&mut *self.connect(manager)?);
        };
        match ask(&mut *self.desktops[index].wm) {
            // Spoilt, or left over from before a restart.
            Err(WmError::Closed(_) | WmError::Garbled(_)) => {
                self.forget(index);
                ask(&mut *self.connect(manager)?)
            }
            Err(WmError::Hung) => {
                self.forget(index);
                Err(WmError::Hung)
            }
            answer => answer,
        }
    }

    fn connect(&self, manager: &WmAddress) -> Result<Box<dyn WindowManager>, WmError> {
        discover::connect(manager, &[&self.own_environ])
    }

    fn known(&self, manager: &WmAddress) -> Option<usize> {
        let mut desktops = self.desktops.iter();
        desktops.position(|desktop| desktop.address() == manager)
    }

    /// Focuses a window that was seen a while ago, if its manager does so only while it is the
    /// same. What is wrong shows when it is looked for.
    pub(super) fn focus_known(&mut self, manager: &WmAddress, window: &WindowId) {
        let _tried = self.with(manager, |wm| match wm.guards(window) {
            true => wm.focus(window),
            false => Ok(()),
        });
    }

    /// Listens for changes of a window manager that was found.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn watch(&self, manager: &WmAddress) -> Result<Box<dyn Watch>, WmError> {
        match self.known(manager) {
            Some(index) => self.desktops[index].wm.watch(),
            None => self.connect(manager)?.watch(),
        }
    }

    /// Marks a window as urgent, or no longer.
    ///
    /// # Errors
    /// See [`WmError`]; `Refused` too where its window manager cannot.
    pub fn set_urgent(&mut self, window: &WindowRef, urgent: bool) -> Result<(), WmError> {
        let Some(manager) = &window.manager else {
            return Ok(());
        };
        let id = window.id();
        let done = match self.known(manager) {
            Some(index) => match self.desktops[index].urgent(&id, urgent) {
                // Spoilt, or left over from before a restart.
                Err(WmError::Closed(_) | WmError::Garbled(_)) => {
                    self.forget(index);
                    self.connect(manager)?.urgent(&id, urgent, None)
                }
                done => done,
            },
            None => self.connect(manager)?.urgent(&id, urgent, None),
        };
        match done? {
            true => Ok(()),
            false => Err(WmError::Refused(
                "this window manager has no such mark".into(),
            )),
        }
    }

    /// The tree of a window manager, read now, with the owners of its windows.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn tree(&mut self, manager: &WmAddress) -> Result<WmTree, WmError> {
        let index = self.desktop_at(manager)?;
        match self.read(index, &Environ::default()) {
            // Spoilt, or left over from before a restart.
            Err(WmError::Closed(_) | WmError::Garbled(_)) => {}
            read => return read,
        }
        let index = self.desktop_at(manager)?;
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
        if let Err(error) = &read {
            if matches!(error, WmError::Hung) {
                let led = self.by_environ.iter().filter(|(_, to)| **to == index);
                let ends = led.map(|(key, _)| (key.clone(), unasked(error)));
                self.dead_ends.extend(ends.collect::<Vec<_>>());
            }
            self.forget(index);
        }
        read
    }

    /// The desktop whose window manager is asked at an address.
    fn desktop_at(&mut self, manager: &WmAddress) -> Result<usize, WmError> {
        if let Some(index) = self.known(manager) {
            return Ok(index);
        }
        self.desktops.push(Desktop::new(self.connect(manager)?));
        Ok(self.desktops.len() - 1)
    }

    /// A window manager's tree, as this pass has read it.
    fn tree_read(&self, manager: &WmAddress) -> Option<&WmTree> {
        self.desktops[self.known(manager)?].tree.as_ref()
    }

    /// What has the focus of a window manager, as this pass has read it.
    #[must_use]
    pub fn focus_at(&self, manager: &WmAddress) -> Option<Focus> {
        self.tree_read(manager).map(|tree| tree.focus.clone())
    }

    /// What has the focus if this window has it, and all else is as this pass has read it.
    #[must_use]
    pub fn focus_on(&self, manager: &WmAddress, key: WindowKey) -> Option<Focus> {
        let window = self.tree_read(manager)?.by_key(key)?;
        (!window.workspace.is_hidden()).then(|| window.focus())
    }

    /// Whether what had the focus is still there, as this pass has read it: a window may have
    /// closed, a workspace can be made again.
    pub(super) fn still_has(&self, manager: &WmAddress, focus: &Focus) -> bool {
        let is_window = focus.xid.is_some() || focus.pid.is_some();
        let tree = self.tree_read(manager);
        !is_window || tree.is_some_and(|tree| tree.again(&focus.id()).is_some())
    }

    /// What has the focus, as this pass has read it, by the address of each window manager.
    #[must_use]
    pub fn focuses(&self) -> Vec<(WmAddress, Focus)> {
        self.desktops.iter().filter_map(Desktop::focus).collect()
    }

    /// Finds the window that shows `session`. `client` is the environment of who asks: for
    /// sessions that have no desktop of their own.
    ///
    /// # Errors
    /// Why there is none, and what is known of its host.
    pub fn find(&mut self, session: &Session, client: &Environ) -> Finding {
        self.find_with_pane(session, client).0
    }

    /// The same, and the title of the pane that it runs in, whether that is shown or not.
    pub fn find_with_pane(
        &mut self,
        session: &Session,
        client: &Environ,
    ) -> (Finding, Option<PaneTitle>) {
        if session.kind == Kind::Background {
            return (self.find_attached(session, client), None);
        }
        let mut search = Search::default();
        let result = self.search(&mut Walk::new(session, client), &mut search);
        let pane = search.pane.take();
        let finding = match result {
            Ok(place) => Ok(Found {
                place,
                actions: search.actions,
                terminal: search.terminal,
                uncertain: search.uncertain,
            }),
            Err(trouble) => Err(Box::new(search.nowhere(trouble))),
        };
        (finding, pane)
    }

    /// Whether a window shows a session and can show nothing else: its owner has one terminal.
    pub fn shows_alone(&self, found: &Found) -> bool {
        let host = found.place.host.as_ref();
        let terminal = host.is_some_and(|host| host.kind == HostKind::Terminal);
        let owner = found.terminal.as_ref().filter(|_| terminal);
        owner.is_some_and(|owner| self.terminals(owner.owner) == 1)
    }

    /// Why nothing was found on the way up from a process.
    pub(super) fn adrift(&self, desktop: Result<usize, Trouble>, chain: &ProcChain) -> Trouble {
        let desktop = match desktop {
            Err(trouble) => return trouble,
            Ok(index) => &self.desktops[index],
        };
        if let Some(why) = &desktop.ownerless {
            return no_owners(why);
        }
        nowhere(chain, desktop.wm.overlooks())
    }

    /// How many terminals a process holds, as far as it lets us see.
    pub(super) fn terminals(&self, owner: Pid) -> usize {
        let masters: BTreeSet<Tty> = self.proc.pty_masters(owner).into_iter().gather();
        masters.len()
    }

    /// A process's ancestors, and its environment.
    pub(super) fn surroundings(&self, pid: Pid) -> (ProcChain, Environ) {
        let chain = self.proc.chain(pid);
        let environ = self.nearest_environ(&chain);
        (chain, environ)
    }

    /// An X11 window, as this pass has seen it.
    pub(super) fn window_at(&self, manager: &WmAddress, xid: Xid) -> Option<&Window> {
        let mut windows = self.tree_read(manager)?.windows.iter();
        windows.find(|window| window.xid == Some(xid))
    }

    /// Who asks multiplexers of a kind.
    pub(super) fn multiplexer(
        &mut self,
        kind: HostKind,
    ) -> Result<(&mut Proc, &mut dyn Multiplexer), Trouble> {
        let all = &mut self.multiplexers;
        let known = all.iter().position(|(known, _)| *known == kind);
        let index = if let Some(index) = known {
            index
        } else {
            let unknown = || Trouble::new(TroubleCode::NoWindow, "its host is not known");
            let driver = Driver::of(kind).ok_or_else(unknown)?;
            all.push((kind, (driver.start)()));
            all.len() - 1
        };
        Ok((&mut self.proc, &mut *all[index].1))
    }

    /// Who holds the other end of a process's terminal. Looked for once, and again when one of
    /// them has ended.
    pub(super) fn holders(&mut self, pid: Pid, tty: Tty) -> Vec<Pid> {
        let Some(key) = self.proc.key(pid) else {
            return Vec::new();
        };
        let alive = |key: &LocalKey| self.proc.key(key.pid) == Some(*key);
        if let Some(known) = self.holders.get(&(key, tty))
            && known.iter().all(alive)
        {
            return known.iter().map(|key| key.pid).collect();
        }
        let masters = self.masters.get_or_insert_with(|| masters(&mut self.proc));
        let found = masters.get(&tty).cloned().unwrap_or_default();
        // This daemon has the terminals of its sessions open, and shows none.
        let own = Pid(std::process::id());
        let others = found.into_iter();
        let others = others.filter(|other| ![pid, own].contains(other));
        let keys: Vec<LocalKey> = others.filter_map(|pid| self.proc.key(pid)).collect();
        let pids = keys.iter().map(|key| key.pid).collect();
        self.holders.insert((key, tty), keys);
        pids
    }

    /// The desktop of a session, with its tree as this pass has read it. A connection that was
    /// left over from before a restart is made anew.
    pub(super) fn look(&mut self, environ: &Environ, client: &Environ) -> Result<usize, Trouble> {
        let index = self.desktop(environ, client)?;
        match self.read_tree(index, environ) {
            Ok(()) => return Ok(index),
            Err(trouble) if trouble.code == TroubleCode::WmHung => return Err(trouble),
            Err(_) => {}
        }
        let index = self.desktop(environ, client)?;
        self.read_tree(index, environ).map(|()| index)
    }

    /// The window manager of an environment, else of our own.
    pub(super) fn manager_of(&mut self, environ: &Environ) -> Option<WmAddress> {
        let index = self.desktop(environ, environ).ok()?;
        Some(self.desktops[index].wm.address().clone())
    }

    /// Where a window is, in words, if that is another display than the one of this environment
    /// beyond doubt. One compositor has a display of Wayland and one of X11, and is one.
    pub(super) fn beyond(&mut self, manager: &WmAddress, environ: &Environ) -> Option<String> {
        let here = environ.text("DISPLAY").and_then(canonical);
        let there = self.desktops[self.known(manager)?].display();
        if let (Some(here), Some(there)) = (&here, there) {
            return (here != there).then(|| format!("another display, {there}"));
        }
        if !has_desktop(environ) {
            return None;
        }
        let here = self.desktop_of(environ).ok()?;
        let ends = [here, self.known(manager)?].map(|index| &self.desktops[index].wm);
        let alike = ends.iter().all(|wm| wm.display().is_none());
        (alike && ends[0].address() != manager).then(|| "another display".to_owned())
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
        let key = key_of(environ);
        if let Some(index) = self.by_environ.get(&key) {
            return Ok(*index);
        }
        if let Some(trouble) = self.dead_ends.get(&key) {
            return Err(trouble.clone());
        }
        let wm = match discover::find(environ, &self.proc) {
            Ok(found) => found.manager,
            Err(tried) => {
                let trouble = no_wm(&tried);
                self.dead_ends.insert(key, trouble.clone());
                return Err(trouble);
            }
        };
        let index = self.known(wm.address()).unwrap_or_else(|| {
            self.desktops.push(Desktop::new(wm));
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
            Err(error) => Err(unasked(&error)),
        }
    }

    fn forget(&mut self, index: usize) {
        self.desktops.remove(index);
        self.by_environ.clear();
    }
}

fn key_of(environ: &Environ) -> DesktopKey {
    let variables = discover::variables().chain(["XDG_RUNTIME_DIR"]);
    variables
        .map(|name| environ.get(name).map(OsString::from))
        .collect()
}

#[cfg(test)]
impl Places {
    /// Has these environments lead to a window manager.
    pub(super) fn pretend(&mut self, wm: Box<dyn WindowManager>, environs: &[&Environ]) {
        let keys = environs.iter().map(|environ| key_of(environ));
        self.by_environ
            .extend(keys.map(|key| (key, self.desktops.len())));
        self.desktops.push(Desktop::new(wm));
    }
}

fn has_desktop(environ: &Environ) -> bool {
    discover::variables().any(|name| environ.get(name).is_some())
}

fn no_wm(tried: &str) -> Trouble {
    let message = format!("no window manager was found for it ({tried})");
    Trouble::new(TroubleCode::NoWm, &message)
}

fn unasked(error: &WmError) -> Trouble {
    let code = if matches!(error, WmError::Hung) {
        TroubleCode::WmHung
    } else {
        TroubleCode::NoWm
    };
    Trouble::new(code, &format!("could not ask the window manager: {error}"))
}

fn no_owners(why: &str) -> Trouble {
    let message = format!("could not ask the X server who owns which window: {why}");
    Trouble::new(TroubleCode::NoWm, &message)
}

fn nowhere(chain: &ProcChain, overlooked: Option<&str>) -> Trouble {
    let but = overlooked.map_or(String::new(), |why| format!(", and {why}"));
    let started = chain.describe();
    let message = format!("no window shows it{but} (started from: {started})");
    Trouble::new(TroubleCode::NoWindow, &message)
}
