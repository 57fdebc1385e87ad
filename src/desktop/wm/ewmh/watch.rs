//! What changes on a display, told by the X server. Properties of the root window tell of the
//! focus, of desktops and of windows that open and close, those of the windows themselves where
//! they went. That something changed is all that is taken from them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::fd::BorrowedFd;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropertyNotifyEvent,
    Window as XWindow,
};

use super::{Atoms, CLIENTS, EVENTS, TEXT, one, parse};
use crate::core::model::{WindowKey, Xid};
use crate::core::text::CleanText;
use crate::desktop::wm::x11::{Display, broken};
use crate::desktop::wm::{Since, Watch, WmError};

/// Listens on a connection of its own.
pub(super) struct Changes {
    display: Display,
    atoms: Atoms,
    /// The windows whose properties are told.
    known: HashSet<XWindow>,
    since: Since,
    heeded: BTreeSet<WindowKey>,
    titles: BTreeMap<WindowKey, CleanText>,
}

/// What a change of a property means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// Nothing that matters.
    Nothing,
    /// This window has another title.
    Title(XWindow),
    /// Something moved.
    Moved,
    /// There are other windows.
    Windows,
    /// The manager has ended, or another one began.
    Manager,
}

impl Changes {
    /// Begins to listen.
    pub(super) fn watch(display: Display, atoms: Atoms) -> Result<Self, WmError> {
        let mut changes = Self {
            display,
            atoms,
            known: HashSet::new(),
            since: Since::Still,
            heeded: BTreeSet::new(),
            titles: BTreeMap::new(),
        };
        changes.listen(changes.display.root)?;
        changes.take_windows()?;
        Ok(changes)
    }

    fn listen(&self, window: XWindow) -> Result<(), WmError> {
        self.display.in_time();
        let aux = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        let asked = self
            .display
            .connection
            .change_window_attributes(window, &aux);
        // One that has closed meanwhile is told among the events.
        asked.map(drop).map_err(broken)
    }

    /// Listens to the windows that are there now.
    fn take_windows(&mut self) -> Result<(), WmError> {
        let asked = [(self.display.root, self.atoms.clients, CLIENTS)];
        let replies = self.display.properties(&asked)?;
        let now: HashSet<XWindow> = parse::words(one(&replies, 0)).into_iter().collect();
        for window in now.difference(&self.known) {
            self.listen(*window)?;
        }
        self.known = now;
        self.display.connection.flush().map_err(broken)
    }

    /// The properties that hold a window's title, the better one first.
    fn names(&self) -> [Atom; 2] {
        [self.atoms.net_name, AtomEnum::WM_NAME.into()]
    }

    /// Reads the titles of these windows.
    fn read_titles(&mut self, windows: &BTreeSet<XWindow>) -> Result<(), WmError> {
        for window in windows {
            let asked = self.names().map(|name| (*window, name, TEXT));
            let replies = self.display.properties(&asked)?;
            let titles = [0, 1].map(|n| parse::text(one(&replies, n)));
            let title = titles.into_iter().find(|title| !title.is_empty());
            let key = WindowKey::X(Xid(*window));
            self.titles.insert(key, title.unwrap_or_default());
        }
        Ok(())
    }

    fn told(&self, event: &PropertyNotifyEvent) -> Told {
        let (atoms, atom) = (&self.atoms, event.atom);
        if event.window != self.display.root {
            return match atom {
                _ if [atoms.desktop, atoms.net_state].contains(&atom) => Told::Moved,
                _ if self.names().contains(&atom) => Told::Title(event.window),
                _ => Told::Nothing,
            };
        }
        if atom == atoms.check {
            return Told::Manager;
        }
        if atom == atoms.clients {
            return Told::Windows;
        }
        let of_root = [atoms.active, atoms.current, atoms.count, atoms.names];
        if of_root.contains(&atom) {
            return Told::Moved;
        }
        Told::Nothing
    }
}

impl Watch for Changes {
    fn drain(&mut self) -> Result<bool, WmError> {
        let mut changed = false;
        let mut windows = false;
        let mut titles = BTreeSet::new();
        self.display.in_time();
        for _ in 0..EVENTS {
            let event = self.display.connection.poll_for_event().map_err(broken)?;
            let told = match event {
                Some(Event::PropertyNotify(event)) => self.told(&event),
                Some(_) => Told::Nothing,
                // What arrives while they are taken is looked at too.
                None if std::mem::take(&mut windows) => {
                    self.take_windows()?;
                    continue;
                }
                None if !titles.is_empty() => {
                    self.read_titles(&std::mem::take(&mut titles))?;
                    continue;
                }
                None => break,
            };
            if let Told::Title(window) = told {
                if self.heeded.contains(&WindowKey::X(Xid(window))) {
                    titles.insert(window);
                }
                continue;
            }
            changed |= told != Told::Nothing;
            windows |= told == Told::Windows;
            if told == Told::Manager {
                let ended = io::Error::new(io::ErrorKind::NotConnected, "another one began");
                return Err(WmError::Closed(ended));
            }
        }
        if changed {
            self.since = Since::Unknown;
        }
        Ok(changed)
    }

    fn heed(&mut self, windows: BTreeSet<WindowKey>) {
        self.titles.retain(|key, _| windows.contains(key));
        self.heeded = windows;
    }

    fn titles(&mut self) -> BTreeMap<WindowKey, CleanText> {
        std::mem::take(&mut self.titles)
    }

    fn since(&self) -> Since {
        self.since
    }

    fn restart(&mut self) {
        self.since = Since::Still;
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.display.descriptor()
    }
}
