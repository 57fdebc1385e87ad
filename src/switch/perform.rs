//! Does what `place` found, and checks that it is done.

use std::path::Path;
use std::time::Duration;

use super::place::Places;
use crate::clock;
use crate::host::{screen, tmux};
use crate::model::{Action, ConId, Trouble, TroubleCode, Xid};
use crate::text::CleanText;
use crate::wm::WmError;
use crate::wm::i3::I3;

/// Pauses before the tree is read again. A window that is about to vanish is still "focused
/// with success" for 2.3 ms (i3 4.22).
const CHECKS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(3),
    Duration::from_millis(20),
];

/// Performs actions in order.
///
/// # Errors
/// Why it did not work; `FocusRefused` where finding the window again may help.
pub fn perform(actions: &[Action], places: &mut Places) -> Result<(), Trouble> {
    for action in actions {
        match action {
            Action::TmuxSwitch {
                program,
                socket,
                client_tty,
                pane_id,
            } => {
                tmux::switch_client(program, socket, client_tty, pane_id)
                    .map_err(|error| refused(&format!("tmux did not switch: {error}")))?;
            }
            Action::ScreenSelect { session, window } => {
                screen::select(session, window)
                    .map_err(|error| refused(&format!("screen did not switch: {error}")))?;
            }
            Action::Focus {
                socket,
                con_id,
                xid,
            } => focus(places, socket, *con_id, *xid)?,
        }
    }
    Ok(())
}

fn refused(message: &str) -> Trouble {
    Trouble::new(TroubleCode::FocusRefused, message)
}

fn focus(
    places: &mut Places,
    socket: &Path,
    con_id: ConId,
    xid: Option<Xid>,
) -> Result<(), Trouble> {
    places
        .with_i3(socket, |i3| i3.focus(con_id, xid))
        .map_err(|error| trouble(&error))?;
    check(places, socket, con_id)
}

/// Reads from the tree that a container has the focus: the reply to a command alone may lie.
fn check(places: &mut Places, socket: &Path, con_id: ConId) -> Result<(), Trouble> {
    let mut other = CleanText::default();
    for pause in CHECKS {
        if !pause.is_zero() {
            clock::sleep(pause);
        }
        let tree = places
            .with_i3(socket, I3::tree)
            .map_err(|error| trouble(&error))?;
        match tree.focused() {
            Some(window) if window.con_id == con_id => return Ok(()),
            Some(window) => other = window.title.clone(),
            None => other = CleanText::line("nothing"),
        }
        if tree.by_con(con_id).is_none() {
            return Err(refused("its window has closed meanwhile"));
        }
    }
    let message = format!("\u{201c}{other}\u{201d} has the focus instead");
    Err(Trouble::new(TroubleCode::FocusLost, &message))
}

fn trouble(error: &WmError) -> Trouble {
    match error {
        WmError::Hung => Trouble::new(
            TroubleCode::WmHung,
            &format!("the window manager hangs: {error}"),
        ),
        WmError::Refused(words) => refused(&format!("the window manager refused: {words}")),
        other => Trouble::new(
            TroubleCode::NoWm,
            &format!("could not ask the window manager: {other}"),
        ),
    }
}
