//! Several terminals in one window: whether the one of a session is on top, and how it gets there.
//!
//! A window manager knows nothing of tabs. kitty can be asked, if its user allows that; of others
//! only the number of terminals is known, and what the window is titled.

use super::Found;
use super::place::Places;
use crate::core::model::{Action, Session, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::desktop::host::kitty::{Kitty, Spot};
use crate::desktop::locate;

/// The terminals that a window may show instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tabs {
    /// kitty tells, and brings it to the top.
    Kitty(Kitty, Spot),
    /// Nobody tells.
    Untold {
        /// The terminal program.
        program: CleanText,
        /// Its terminals.
        terminals: usize,
        /// Its windows.
        windows: usize,
    },
}

/// The tabs of the window that a session is in; `None` if no other tab can be on top of its own.
pub(super) fn look(found: &Found, session: &Session, places: &Places) -> Option<Tabs> {
    let terminal = found.terminal.as_ref()?;
    let terminals = places.terminals(terminal.owner);
    if terminals < 2 {
        return None;
    }
    let (chain, environ) = places.surroundings(terminal.pid);
    if let Some(kitty) = Kitty::of(&environ, terminal.owner) {
        match kitty.layout().map(|layout| layout.spot(&chain, &environ)) {
            Ok(Some(spot)) => return Some(Tabs::Kitty(kitty, spot)),
            Ok(None) => log::info!("kitty does not list the terminal of {}", session.id),
            Err(error) => log::info!("could not ask kitty: {error}"),
        }
    }
    let title = found.place.window.as_ref().map(|window| &*window.title);
    let (own, _) = places.titles.split(session);
    let on_top = title.is_some_and(|seen| own.iter().any(|own| locate::same_title(seen, own)));
    (terminals > terminal.windows && !on_top).then(|| Tabs::Untold {
        program: terminal.program.clone(),
        terminals,
        windows: terminal.windows,
    })
}

impl Tabs {
    /// Leads to the window that the tab is in, if that is told and another: a tab that was moved
    /// keeps the `WINDOWID` of its first window.
    pub(super) fn lead(&self, found: &mut Found, places: &Places) {
        let Self::Kitty(_, Spot { xid: Some(xid), .. }) = self else {
            return;
        };
        let Some(Action::Focus { manager, window }) = found.actions.last_mut() else {
            return;
        };
        if window.xid != Some(*xid)
            && let Some(other) = places.window_at(manager, *xid)
            && let Some(reference) = &mut found.place.window
        {
            *window = other.id();
            (reference.key, reference.xid) = (other.key, other.xid);
        }
    }

    /// Brings the session's tab to the top of its window, and looks that it is there.
    ///
    /// # Errors
    /// `OtherTab` if it is not, `TabUnknown` if nobody knows.
    pub(super) fn bring_up(&self, session: &Session) -> Result<(), Trouble> {
        match self {
            Self::Kitty(_, spot) if spot.on_top => Ok(()),
            Self::Kitty(kitty, spot) => {
                let selected = kitty.select(spot.id).and_then(|()| kitty.layout());
                match selected.map(|layout| layout.by_id(spot.id)) {
                    Ok(Some(spot)) if spot.on_top => Ok(()),
                    Ok(_) => Err(other_tab("kitty shows another tab")),
                    // It had another tab on top a moment ago.
                    Err(error) => Err(other_tab(&format!(
                        "kitty did not switch to its tab: {error}"
                    ))),
                }
            }
            Self::Untold {
                program,
                terminals,
                windows,
            } => Err(untold(program, *terminals, *windows, session)),
        }
    }
}

fn other_tab(message: &str) -> Trouble {
    Trouble::new(TroubleCode::OtherTab, message)
}

fn untold(program: &CleanText, terminals: usize, windows: usize, session: &Session) -> Trouble {
    let several = if windows == 1 {
        "one window"
    } else {
        "its windows"
    };
    let message = format!(
        "it may be in another tab: {program} has {terminals} terminals in {several}, and does not say which it shows"
    );
    let trouble = Trouble::new(TroubleCode::TabUnknown, &message);
    if &**program == "kitty" {
        return trouble
            .hint("with allow_remote_control and listen_on in kitty.conf, vmux selects its tab");
    }
    // What its terminal is titled first: the topic, where it has one.
    match session.titles.first().or(session.name.as_ref()) {
        Some(title) => trouble.hint(&format!("its tab may be titled \u{201c}{title}\u{201d}")),
        None => trouble,
    }
}
