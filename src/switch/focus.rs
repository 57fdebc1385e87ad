//! Finds a session's window, focuses it, and looks that it has the focus.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::perform;
use super::place::Places;
use crate::clock;
use crate::model::{Session, Trouble, TroubleCode, Window};
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
    /// more. Returns the window that has the focus then; `None` for a dry run.
    ///
    /// # Errors
    /// Why it could not be shown.
    pub fn switch(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
    ) -> Result<Option<Window>, Trouble> {
        if manner.settle && !manner.dry_run {
            clock::sleep(SETTLE);
        }
        let mut landed = self.once(session, manner, environ);
        if landed
            .as_ref()
            .is_err_and(|trouble| trouble.code == TroubleCode::FocusRefused)
        {
            landed = self.once(session, manner, environ);
        }
        if landed.is_ok() && manner.settle && !manner.dry_run {
            clock::sleep(LOOK_AGAIN);
            return self.once(session, manner, environ);
        }
        landed
    }

    fn once(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
    ) -> Result<Option<Window>, Trouble> {
        self.places.begin();
        let found = self
            .places
            .find(session, environ)
            .map_err(|(trouble, _)| trouble)?;
        if manner.dry_run {
            return Ok(None);
        }
        perform::perform(&found.actions).map(Some)
    }
}
