//! Window managers of X11 that speak EWMH: openbox, xfwm4, KWin, metacity, mutter and many more.
//!
//! They are asked by messages to the root window and answer nothing. What became of it is read
//! from properties; that a window has the focus is believed only if the X server's own input focus
//! agrees with `_NET_ACTIVE_WINDOW` (spectrwm 3.4 sets the one without the other).
//!
//! **Source:** EWMH 1.5, and what was observed on 17 window managers.

mod find;
mod parse;
mod plan;
mod watch;

use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, GetPropertyReply, PropMode,
    Window as XWindow, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::x11::{Display, broken, unanswered};
use super::{Watch, WindowManager, WmError};
use crate::core::model::{
    Focus, Pid, Window, WindowId, WindowKey, WmAddress, WmTree, Workspace, WorkspaceId, Xid,
};
use crate::core::text::CleanText;
use crate::sys::clock;
pub use find::BACKEND;
use parse::{Desktops, State, StateAtoms, Where};
use plan::Step;

/// Most windows that count.
const CLIENTS: u32 = 4096;
/// Most words of four bytes that are read of a text, of the names of all desktops, of a window's
/// states, and of the list of what a manager can.
const TEXT: u32 = 256;
const NAMES: u32 = 4096;
const STATES: u32 = 64;
const SUPPORTED: u32 = 1024;
/// Deepest nesting between a window and one within it that has the input focus.
const DEPTH: usize = 16;
/// Most events that are taken at once.
const EVENTS: usize = 10_000;
/// Who asks, in messages: a pager, which acts for its user (EWMH "Source indication").
const PAGER: u32 = 2;
/// How often, and for how long, it is looked what became of a request. awesome 4.3 and fluxbox 1.3
/// take 17 ms on an idle machine, and ten times as long on a busy one.
const TICK: Duration = Duration::from_millis(1);
const CARRIED_OUT: Duration = Duration::from_millis(300);
/// How long the focus is waited for before it is asked for again, and then.
const ASKED_AGAIN: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
];

/// A window manager that speaks EWMH.
pub struct Ewmh {
    display: Display,
    address: WmAddress,
    atoms: Atoms,
    name: CleanText,
    /// The window by which the manager shows that it is there.
    check: XWindow,
    /// A window of our own: its properties tell the server's time.
    asker: XWindow,
    supported: Vec<Atom>,
    /// Its display belongs to a compositor of Wayland.
    in_wayland: bool,
}

#[derive(Clone, Copy, Debug)]
struct Atoms {
    check: Atom,
    supported: Atom,
    clients: Atom,
    active: Atom,
    count: Atom,
    current: Atom,
    names: Atom,
    net_name: Atom,
    desktop: Atom,
    net_state: Atom,
    wm_state: Atom,
    states: StateAtoms,
}

impl Atoms {
    fn of(display: &Display) -> Result<Self, WmError> {
        let names = [
            "_NET_SUPPORTING_WM_CHECK",
            "_NET_SUPPORTED",
            "_NET_CLIENT_LIST",
            "_NET_ACTIVE_WINDOW",
            "_NET_NUMBER_OF_DESKTOPS",
            "_NET_CURRENT_DESKTOP",
            "_NET_DESKTOP_NAMES",
            "_NET_WM_NAME",
            "_NET_WM_DESKTOP",
            "_NET_WM_STATE",
            "WM_STATE",
            "_NET_WM_STATE_SHADED",
            "_NET_WM_STATE_HIDDEN",
            "_NET_WM_STATE_DEMANDS_ATTENTION",
        ];
        let atoms = display.atoms(names)?;
        let [check, supported, clients, active, count, current, names, ..] = atoms;
        let [
            ..,
            net_name,
            desktop,
            net_state,
            wm_state,
            shaded,
            hidden,
            attention,
        ] = atoms;
        Ok(Self {
            check,
            supported,
            clients,
            active,
            count,
            current,
            names,
            net_name,
            desktop,
            net_state,
            wm_state,
            states: StateAtoms {
                shaded,
                hidden,
                attention,
            },
        })
    }
}

/// What a look at one window told.
struct Look {
    at: Where,
    state: State,
    current: Option<u32>,
    active: Option<XWindow>,
    clients: Vec<XWindow>,
}

/// What became of a wish for the focus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Became {
    /// The window has it.
    Focused,
    /// The window is still hidden.
    Hidden,
    /// Something else has it.
    Passed,
}

impl Ewmh {
    /// The window manager of a display.
    ///
    /// # Errors
    /// `Unfit` if there is none, or if it does not tell what there is; else see [`WmError`].
    pub fn connect(display: Display) -> Result<Self, WmError> {
        let atoms = Atoms::of(&display)?;
        let none = || WmError::Unfit("no window manager there speaks EWMH".into());
        let check = display.properties(&[(display.root, atoms.check, 1)])?;
        let check = parse::first(one(&check, 0)).ok_or_else(none)?;
        let replies = display.properties(&[
            (check, atoms.check, 1),
            (check, atoms.net_name, TEXT),
            (display.root, atoms.supported, SUPPORTED),
            (display.root, atoms.clients, 1),
        ])?;
        // The property outlives a manager that has ended, its window does not.
        if parse::first(one(&replies, 0)) != Some(check) {
            return Err(none());
        }
        let name = parse::text(one(&replies, 1)).some();
        let name = name.unwrap_or_else(|| CleanText::line("a window manager without a name"));
        let supported = parse::words(one(&replies, 2));
        let listed = [atoms.clients, atoms.active].map(|atom| supported.contains(&atom));
        for (known, word) in listed.into_iter().zip(["windows", "focus"]) {
            if !known {
                let why = format!("{name} does not tell its {word} by EWMH");
                return Err(WmError::Unfit(why));
            }
        }
        Ok(Self {
            address: WmAddress(format!("{SCHEME}{}", display.name())),
            asker: own_window(&display)?,
            display,
            atoms,
            name,
            check,
            supported,
            in_wayland: false,
        })
    }

    /// Whether it says that it can do what this atom stands for.
    fn can(&self, atom: Atom) -> bool {
        self.supported.contains(&atom)
    }

    /// Whether this manager shows the desktop of a window that gets the focus, and swaps its
    /// monitors if it is told to (herbstluftwm 0.9.5).
    fn follows(&self) -> bool {
        self.name.as_str() == "herbstluftwm"
    }

    fn windows(&self, clients: &[XWindow], desktops: &Desktops) -> Result<Vec<Window>, WmError> {
        const OF_EACH: usize = 6;
        let atoms = &self.atoms;
        let of_each = |xid: &XWindow| -> [(XWindow, Atom, u32); OF_EACH] {
            [
                (*xid, atoms.net_name, TEXT),
                (*xid, AtomEnum::WM_NAME.into(), TEXT),
                (*xid, AtomEnum::WM_CLASS.into(), TEXT),
                (*xid, atoms.desktop, 1),
                (*xid, atoms.net_state, STATES),
                (*xid, AtomEnum::WM_HINTS.into(), 1),
            ]
        };
        let asked: Vec<_> = clients.iter().flat_map(of_each).collect();
        let replies = self.display.properties(&asked)?;
        let xids: Vec<Xid> = clients.iter().copied().map(Xid).collect();
        let owners = self.display.owners(&xids)?;
        let mut windows = Vec::with_capacity(clients.len());
        for (xid, replies) in xids.iter().zip(replies.chunks(OF_EACH)) {
            // One that has closed meanwhile has none of them.
            if replies.iter().all(Option::is_none) {
                continue;
            }
            let state = State::parse(one(replies, 4), None, one(replies, 5), atoms.states);
            let title = parse::text(one(replies, 0)).some();
            windows.push(Window {
                key: WindowKey::X(*xid),
                xid: Some(*xid),
                pid: owners.get(xid).copied(),
                title: title.unwrap_or_else(|| parse::text(one(replies, 1))),
                class: parse::class(one(replies, 2)),
                workspace: desktops.workspace(Where::parse(one(replies, 3))),
                focused: false,
                urgent: state.urgent,
            });
        }
        Ok(windows)
    }

    /// Whether keys arrive in this window: it, or one within it, has the X input focus.
    fn has_input(&self, window: XWindow, clients: &[XWindow]) -> Result<bool, WmError> {
        self.display.in_time();
        let x = &self.display.connection;
        let focus = x.get_input_focus().map_err(broken)?;
        let focus = focus.reply().map_err(unanswered)?.focus;
        let mut at = focus;
        // `None` and `PointerRoot` are no windows.
        for _ in 0..DEPTH {
            if at == window {
                return Ok(true);
            }
            if at <= 1 || at == self.display.root || clients.contains(&at) {
                break;
            }
            at = match x.query_tree(at).map_err(broken)?.reply() {
                Ok(tree) => tree.parent,
                Err(x11rb::errors::ReplyError::X11Error(_)) => return Ok(false),
                Err(error) => return Err(unanswered(error)),
            };
        }
        // A window beside it that takes the keys for it is of the same client.
        let mask = !x.setup().resource_id_mask;
        Ok(focus > 1 && !clients.contains(&at) && focus & mask == window & mask)
    }

    /// Looks at a window that must still be there.
    fn look(&self, window: XWindow) -> Result<Look, WmError> {
        let (root, atoms) = (self.display.root, &self.atoms);
        let replies = self.display.properties(&[
            (root, atoms.clients, CLIENTS),
            (root, atoms.active, 1),
            (root, atoms.current, 1),
            (window, atoms.desktop, 1),
            (window, atoms.net_state, STATES),
            (window, atoms.wm_state, 1),
        ])?;
        let clients = parse::words(one(&replies, 0));
        if !clients.contains(&window) {
            return Err(WmError::Refused("its window has closed meanwhile".into()));
        }
        Ok(Look {
            active: parse::first(one(&replies, 1)),
            current: parse::first(one(&replies, 2)),
            at: Where::parse(one(&replies, 3)),
            state: State::parse(one(&replies, 4), one(&replies, 5), None, atoms.states),
            clients,
        })
    }

    fn unshade(&self, window: XWindow) -> Result<(), WmError> {
        let data = [0, self.atoms.states.shaded, 0, PAGER, 0];
        self.display.ask(Xid(window), self.atoms.net_state, data)
    }

    /// Shows a desktop, and waits until it is shown: whether it is.
    fn show(&self, desktop: u32) -> Result<bool, WmError> {
        let (root, current) = (self.display.root, self.atoms.current);
        let data = [desktop, self.now()?, 0, 0, 0];
        self.display.ask(Xid(root), current, data)?;
        self.becomes(root, current, desktop)
    }

    /// Asks for the focus of a window in view, and waits until it has it.
    fn activate(&self, window: XWindow) -> Result<Became, WmError> {
        let mut became = Became::Passed;
        for pause in ASKED_AGAIN {
            // A time of its own: who showed a desktop may have set the focus since, by himself.
            let data = [PAGER, self.now()?, 0, 0, 0];
            self.display.ask(Xid(window), self.atoms.active, data)?;
            let until = clock::steady() + pause;
            loop {
                let look = self.look(window)?;
                let active = look.active == Some(window) && !look.state.hidden;
                if active && self.has_input(window, &look.clients)? {
                    return Ok(Became::Focused);
                }
                became = if look.state.hidden {
                    Became::Hidden
                } else {
                    Became::Passed
                };
                if clock::steady() > until {
                    break;
                }
                clock::sleep(TICK);
            }
        }
        Ok(became)
    }

    /// Waits until one number of a property is this.
    fn becomes(&self, window: XWindow, atom: Atom, value: u32) -> Result<bool, WmError> {
        let until = clock::steady() + CARRIED_OUT;
        loop {
            let read = self.display.properties(&[(window, atom, 1)])?;
            if parse::first(one(&read, 0)) == Some(value) {
                return Ok(true);
            }
            if clock::steady() > until {
                return Ok(false);
            }
            clock::sleep(TICK);
        }
    }

    /// The server's time, now: a message with none, or with an old one, is refused by metacity,
    /// marco, mutter and muffin.
    ///
    /// **Source:** ICCCM 2.0 §2.1: an append of nothing is told as any change, with its time.
    fn now(&self) -> Result<u32, WmError> {
        self.display.in_time();
        let x = &self.display.connection;
        let name = AtomEnum::WM_NAME;
        x.change_property8(PropMode::APPEND, self.asker, name, AtomEnum::STRING, b"")
            .map_err(broken)?;
        // What was told before this reply has arrived with it.
        let reply = x.get_input_focus().map_err(broken)?;
        reply.reply().map_err(unanswered)?;
        let mut time = x11rb::CURRENT_TIME;
        for _ in 0..EVENTS {
            match x.poll_for_event().map_err(broken)? {
                Some(Event::PropertyNotify(event)) if event.window == self.asker => {
                    time = event.time;
                }
                // A refusal of something asked before, of a window that has gone.
                Some(_) => {}
                None => break,
            }
        }
        Ok(time)
    }
}

/// How an address begins.
const SCHEME: &str = "x11:";

impl WindowManager for Ewmh {
    fn address(&self) -> &WmAddress {
        &self.address
    }

    fn pid(&self) -> Option<Pid> {
        let check = Xid(self.check);
        self.display.owners(&[check]).ok()?.get(&check).copied()
    }

    fn describe(&mut self) -> Result<String, WmError> {
        Ok(format!("{} (EWMH)", self.name))
    }

    fn lacks(&self) -> Option<&'static str> {
        let marks = self.can(self.atoms.states.attention);
        (!marks).then_some("it marks no window as urgent")
    }

    fn keeps_focus(&self) -> Option<String> {
        // dwm 6.4 only marks a window that somebody wants to have the focus.
        let why = "lets no program move the focus (it has no _NET_CURRENT_DESKTOP)";
        (!self.can(self.atoms.current)).then(|| format!("{} {why}", self.name))
    }

    fn display(&self) -> Option<&str> {
        Some(self.display.name())
    }

    fn overlooks(&self) -> Option<&'static str> {
        let why = "of this Wayland session only the windows of X11 programs are seen";
        self.in_wayland.then_some(why)
    }

    fn tree(&mut self) -> Result<WmTree, WmError> {
        let (root, atoms) = (self.display.root, &self.atoms);
        let replies = self.display.properties(&[
            (self.check, atoms.check, 1),
            (root, atoms.clients, CLIENTS),
            (root, atoms.active, 1),
            (root, atoms.count, 1),
            (root, atoms.current, 1),
            (root, atoms.names, NAMES),
        ])?;
        if parse::first(one(&replies, 0)) != Some(self.check) {
            let ended = std::io::Error::new(std::io::ErrorKind::NotConnected, "it has ended");
            return Err(WmError::Closed(ended));
        }
        let clients = parse::words(one(&replies, 1));
        let active = parse::first(one(&replies, 2)).filter(|active| clients.contains(active));
        let desktops = Desktops::parse(one(&replies, 3), one(&replies, 4), one(&replies, 5));
        let mut windows = self.windows(&clients, &desktops)?;
        let mut focus = Focus {
            workspace: desktops.workspace(desktops.current.map_or(Where::Unknown, Where::On)),
            ..Focus::default()
        };
        if let Some(active) = active
            && self.has_input(active, &clients)?
            && let Some(window) = windows.iter_mut().find(|w| w.xid == Some(Xid(active)))
        {
            window.focused = true;
            (focus.key, focus.xid, focus.pid) = (window.key, window.xid, window.pid);
        }
        Ok(WmTree {
            windows,
            workspaces: desktops.all().collect(),
            focus,
            ..WmTree::default()
        })
    }

    fn focus(&mut self, window: &WindowId) -> Result<(), WmError> {
        let Some(Xid(xid)) = window.xid else {
            return Err(WmError::Refused("it is no X11 window".into()));
        };
        let look = self.look(xid)?;
        let keeps_focus = self.keeps_focus();
        let shows = keeps_focus.is_none() && !self.follows();
        for step in plan::plan(look.at, look.state, look.current, shows) {
            match step {
                Step::Unshade => self.unshade(xid)?,
                Step::Show(desktop) => drop(self.show(desktop)?),
                Step::Activate => match self.activate(xid)? {
                    // qtile 0.37 shows a minimised window only if that asks to be mapped.
                    Became::Hidden => {
                        self.display.in_time();
                        let x = &self.display.connection;
                        x.map_window(xid).map_err(broken)?;
                        self.activate(xid)?;
                    }
                    Became::Passed => {
                        if let Some(why) = keeps_focus {
                            return Err(WmError::Refused(why));
                        }
                    }
                    Became::Focused => {}
                },
            }
        }
        Ok(())
    }

    fn guards(&self, _: &WindowId) -> bool {
        false
    }

    fn put(&mut self, window: &Window, to: &Workspace, _: &WmTree) -> Result<(), WmError> {
        let (Some(xid), WorkspaceId::Index(desktop)) = (window.xid, &to.id) else {
            return Err(WmError::Refused("it has no such desktop".into()));
        };
        let (kind, desktop) = (self.atoms.desktop, *desktop);
        self.display.ask(xid, kind, [desktop, PAGER, 0, 0, 0])?;
        if self.becomes(xid.0, kind, desktop)? {
            return Ok(());
        }
        let why = format!(
            "{} did not move the window to desktop {}",
            self.name, to.name
        );
        Err(WmError::Refused(why))
    }

    fn go(&mut self, to: &Workspace, _: &WmTree) -> Result<(), WmError> {
        let WorkspaceId::Index(desktop) = to.id else {
            return Err(WmError::Refused("it has no such desktop".into()));
        };
        // That it is so is looked at by who asks.
        self.show(desktop).map(drop)
    }

    fn urgent(
        &mut self,
        window: &WindowId,
        urgent: bool,
        _: Option<&Display>,
    ) -> Result<bool, WmError> {
        let can = self.can(self.atoms.states.attention);
        if let Some(xid) = window.xid.filter(|_| can) {
            self.display.set_urgent(xid, urgent)?;
        }
        Ok(can)
    }

    fn watch(&self) -> Result<Box<dyn Watch>, WmError> {
        let changes = watch::Changes::watch(self.display.again()?, self.atoms)?;
        Ok(Box::new(changes))
    }
}

/// One reply of several.
fn one(replies: &[Option<GetPropertyReply>], n: usize) -> Option<&GetPropertyReply> {
    replies.get(n)?.as_ref()
}

/// A window that is never shown.
fn own_window(display: &Display) -> Result<XWindow, WmError> {
    display.in_time();
    let x = &display.connection;
    let window = x.generate_id();
    let window = window.map_err(|error| WmError::Garbled(error.to_string()))?;
    let aux = CreateWindowAux::new()
        .override_redirect(1)
        .event_mask(EventMask::PROPERTY_CHANGE);
    let kind = WindowClass::INPUT_ONLY;
    x.create_window(0, window, display.root, 0, 0, 1, 1, 0, kind, 0, &aux)
        .map_err(broken)?;
    Ok(window)
}
