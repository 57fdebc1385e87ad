//! A window manager, and the X server that knows who owns its windows.
//!
//! The two come and go apart: a cookie file may be unreadable at first, a connection be cut. What
//! failed is tried again, ever more rarely; at once if a person waits for it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::core::model::{Focus, Pid, WindowId, WmAddress, WmTree, Xid};
use crate::desktop::wm::x11::Display;
use crate::desktop::wm::{WindowManager, WmError, discover};
use crate::sys::clock;
use crate::sys::proc::{Environ, Proc};

/// Shortest and longest pause before an X server is asked again that could not be.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// A window manager, and its X server.
pub(super) struct Desktop {
    /// The window manager.
    pub(super) wm: Box<dyn WindowManager>,
    /// Read once a pass.
    pub(super) tree: Option<WmTree>,
    /// Why the owners of windows are not known, if they are not.
    pub(super) ownerless: Option<String>,
    display: Option<Display>,
    pause: Duration,
    retry_at: Option<Instant>,
}

/// Where an X server may be found, and how hard to try.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    /// To read the window manager's own environment: that counts first, whatever others say.
    pub(super) proc: &'a Proc,
    /// Others.
    pub(super) environs: &'a [&'a Environ],
    /// A person waits.
    pub(super) at_once: bool,
}

impl Desktop {
    /// The window manager of this connection. Its X server is looked for when it is needed.
    pub(super) fn new(wm: Box<dyn WindowManager>) -> Self {
        Self {
            wm,
            tree: None,
            ownerless: None,
            display: None,
            pause: RETRY.0,
            retry_at: None,
        }
    }

    /// Where the window manager is asked.
    pub(super) fn address(&self) -> &WmAddress {
        self.wm.address()
    }

    /// The X server of its windows, such as `:0`, as far as it was asked.
    pub(super) fn display(&self) -> Option<&str> {
        let asked = self.display.as_ref().map(Display::name);
        self.wm.display().or(asked)
    }

    /// Marks a window as urgent, or no longer; whether its manager can.
    ///
    /// # Errors
    /// Those of the window manager.
    pub(super) fn urgent(&mut self, window: &WindowId, urgent: bool) -> Result<bool, WmError> {
        self.wm.urgent(window, urgent, self.display.as_ref())
    }

    /// Where the window manager is asked, and what has its focus, if that was read in this pass.
    pub(super) fn focus(&self) -> Option<(WmAddress, Focus)> {
        let tree = self.tree.as_ref()?;
        Some((self.address().clone(), tree.focus.clone()))
    }

    /// Reads the tree, with the owners of its windows as far as the X server can be asked.
    ///
    /// # Errors
    /// Those of the window manager.
    pub(super) fn read(&mut self, ways: Ways<'_>) -> Result<WmTree, WmError> {
        let mut tree = self.wm.tree()?;
        let unowned = tree.windows.iter().filter(|w| w.pid.is_none());
        let unowned: Vec<Xid> = unowned.filter_map(|w| w.xid).collect();
        self.ownerless = None;
        if unowned.is_empty() {
            return Ok(tree);
        }
        match self.owners(&unowned, ways) {
            Ok(owners) => {
                let owner = |xid: Option<Xid>| owners.get(&xid?).copied();
                for window in &mut tree.windows {
                    window.pid = window.pid.or_else(|| owner(window.xid));
                }
                tree.focus.pid = tree.focus.pid.or_else(|| owner(tree.focus.xid));
            }
            Err(why) => self.ownerless = Some(why),
        }
        Ok(tree)
    }

    /// Asks the X server; a new connection to it, if the old one is cut.
    fn owners(&mut self, windows: &[Xid], ways: Ways<'_>) -> Result<HashMap<Xid, Pid>, String> {
        if let Some(display) = &self.display {
            match display.owners(windows) {
                Ok(owners) => return Ok(owners),
                // To ask it again costs as much time again.
                Err(WmError::Hung) => {
                    self.display = None;
                    self.rest();
                    return Err(WmError::Hung.to_string());
                }
                Err(error) => log::info!("lost an X server: {error}"),
            }
            self.display = None;
        }
        let early = self.retry_at.is_some_and(|at| clock::steady() < at);
        if early && !ways.at_once {
            return Err("it could not be asked a moment ago".into());
        }
        let opened = self.open(ways);
        let asked = opened.and_then(|display| {
            let owners = display.owners(windows).map_err(|error| error.to_string())?;
            Ok((display, owners))
        });
        match asked {
            Ok((display, owners)) => {
                self.display = Some(display);
                (self.pause, self.retry_at) = (RETRY.0, None);
                Ok(owners)
            }
            Err(why) => {
                self.rest();
                Err(why)
            }
        }
    }

    /// Leaves the X server alone for a while.
    fn rest(&mut self) {
        self.retry_at = Some(clock::steady() + self.pause);
        self.pause = (self.pause * 2).min(RETRY.1);
    }

    fn open(&self, ways: Ways<'_>) -> Result<Display, String> {
        let pid = self.wm.pid();
        let theirs = pid.and_then(|pid| ways.proc.environ(pid).ok());
        let (mut seen, mut tried) = (Vec::new(), Vec::new());
        for environ in theirs.iter().chain(ways.environs.iter().copied()) {
            let Some(name) = environ.text("DISPLAY") else {
                continue;
            };
            let what = ["DISPLAY", "XAUTHORITY", "HOME"].map(|name| environ.get(name));
            if seen.contains(&what) {
                continue;
            }
            seen.push(what);
            match discover::open_display(name, environ) {
                Ok(display) => return Ok(display),
                // One that hangs is the right one, and has cost enough.
                Err(WmError::Hung) => return Err(format!("DISPLAY {name} does not answer")),
                Err(error) => tried.push(format!("DISPLAY {name}: {error}")),
            }
        }
        tried.dedup();
        if tried.is_empty() {
            return Err("nothing names its display".into());
        }
        Err(tried.join(", "))
    }
}
