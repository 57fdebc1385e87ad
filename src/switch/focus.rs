//! Finds a session's window, focuses it, and looks that it has the focus.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::place::Places;
use super::{Found, perform};
use crate::clock;
use crate::model::{Session, Trouble, TroubleCode, WindowRef};
use crate::proc::Environ;

/// After a menu's end, i3 still handles the pointer's entering of what was below: a focus in
/// that very instant is lost 3 times in 280, 30 ms later never (i3 4.22, focus_follows_mouse).
const SETTLE: Duration = Duration::from_millis(30);
/// One more look after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(80);

/// How a switch is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manner {
    /// Only find the window.
    pub dry_run: bool,
    /// A menu was just closed: wait for the pointer's own focus change, and look again.
    pub settle: bool,
}

/// Moves the focus. One at a time: two moves must never cross.
pub struct Focuser {
    places: Places,
}

impl Focuser {
    /// A focuser with the `/proc` at `proc`, and this environment for sessions that have no desktop of their own.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn new(proc: &Path, environ: Environ) -> io::Result<Self> {
        Ok(Self {
            places: Places::new(proc, environ)?,
        })
    }

    /// Shows a session. A window that vanished between finding and focusing is looked for once
    /// more.
    ///
    /// # Errors
    /// Why it could not be shown.
    pub fn switch(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
    ) -> Result<(), Trouble> {
        if manner.dry_run {
            return self.find(session, environ).map(drop);
        }
        if manner.settle {
            clock::sleep(SETTLE);
        }
        self.focus_known(session);
        let mut landed = self.once(session, environ);
        if landed
            .as_ref()
            .is_err_and(|trouble| trouble.code == TroubleCode::FocusRefused)
        {
            landed = self.once(session, environ);
        }
        if landed.is_ok() && manner.settle {
            clock::sleep(LOOK_AGAIN);
            return self.once(session, environ);
        }
        landed
    }

    /// Focuses the window that showed the session when its desktop changed last, before anything
    /// is looked at: with 500 windows reading the tree costs as much as the focus. Container and
    /// X11 window must both still be there, or nothing happens; that it is the right one is
    /// proved right after.
    fn focus_known(&mut self, session: &Session) {
        let terminal = session
            .host
            .as_ref()
            .is_some_and(|host| &*host.kind == "terminal");
        if let Some(WindowRef {
            con_id,
            xid: Some(xid),
            socket: Some(socket),
            ..
        }) = &session.window
            && terminal
        {
            // What is wrong shows when it is looked for.
            let _tried = self
                .places
                .with_i3(Path::new(&socket.0), |i3| i3.focus(*con_id, Some(*xid)));
        }
    }

    fn find(&mut self, session: &Session, environ: &Environ) -> Result<Found, Trouble> {
        self.places.begin();
        self.places
            .find(session, environ)
            .map_err(|(trouble, _)| trouble)
    }

    /// Finds the window and focuses it, unless it has the focus.
    fn once(&mut self, session: &Session, environ: &Environ) -> Result<(), Trouble> {
        let found = self.find(session, environ)?;
        match &found.place.window {
            Some(window) if window.focused => Ok(()),
            _ => perform::perform(&found.actions, &mut self.places),
        }
    }
}
