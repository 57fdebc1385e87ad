//! Does what `place` found, and checks that it is done.

use std::path::Path;
use std::time::Duration;

use super::Found;
use super::place::Places;
use super::trail::{Summoned, Trail};
use crate::core::model::{
    Action, ConId, Focus, HIDDEN_WORKSPACE, Landed, Trouble, TroubleCode, Window, WmTree, Xid,
};
use crate::core::text::CleanText;
use crate::desktop::host::{screen, tmux};
use crate::desktop::wm::WmError;
use crate::desktop::wm::i3::I3;
use crate::sys::clock;

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
                ..
            } => {
                tmux::switch_client(program, socket, client_tty, pane_id)
                    .map_err(|error| refused(&format!("tmux did not switch: {error}")))?;
            }
            Action::ScreenSelect {
                directory,
                session,
                display,
                window,
            } => {
                screen::select(directory.as_deref(), session, display, window)
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

/// Brings the window that was found to the workspace that has the focus. Says where it was, if
/// that was another one.
///
/// # Errors
/// Why it did not work.
pub fn summon(found: &Found, places: &mut Places) -> Result<Option<Summoned>, Trouble> {
    let Some(Action::Focus {
        socket,
        con_id,
        xid,
    }) = found.actions.last()
    else {
        return Ok(None);
    };
    let tree = owned_tree(places, socket)?;
    let Some(window) = tree.by_con(*con_id).filter(|window| window.xid == *xid) else {
        return Err(refused("its window has closed meanwhile"));
    };
    if window.workspace_raw == tree.focus.workspace_raw {
        return Ok(None);
    }
    // Focusing shows a hidden window on this workspace.
    if window.workspace_raw != HIDDEN_WORKSPACE {
        let to_here = "move container to workspace current";
        command(
            places,
            socket,
            &format!("{} {to_here}", criteria(*con_id, *xid)),
        )?;
    }
    Ok(Some(Summoned {
        window: window.id(),
        workspace: window.workspace_raw.clone(),
        output: window.output.clone().some(),
        to: tree.focus.workspace_raw,
    }))
}

/// Where a trail leads back to.
///
/// # Errors
/// If the window manager does not answer.
pub fn look_back(trail: &Trail, places: &mut Places) -> Result<Landed, Trouble> {
    let tree = owned_tree(places, &trail.socket)?;
    Ok(landed(trail, origin(trail, &tree)))
}

/// The window where a trail began. One that was hidden since would be shown on any workspace.
fn origin<'t>(trail: &Trail, tree: &'t WmTree) -> Option<&'t Window> {
    let window = tree.again(&trail.origin.id())?;
    let hidden = window.workspace_raw == HIDDEN_WORKSPACE;
    (!hidden).then_some(window)
}

fn landed(trail: &Trail, window: Option<&Window>) -> Landed {
    let workspace = window.map_or(&trail.origin.workspace, |window| &window.workspace);
    Landed {
        window: window.map(|window| window.title.clone()),
        workspace: workspace.clone(),
    }
}

/// Goes a trail back: what was brought along goes home, tmux shows what it showed, the window
/// gets the focus. Says what was left, and where it led.
///
/// # Errors
/// Why it did not work. A window that has closed is no trouble: its workspace is as good.
pub fn go_back(trail: &Trail, places: &mut Places) -> Result<(Focus, Landed), Trouble> {
    let socket = &trail.socket;
    let before = owned_tree(places, socket)?;
    for summoned in trail.summoned.iter().rev() {
        let window = before.again(&summoned.window);
        if let Some(window) = window.filter(|w| w.workspace_raw == summoned.to) {
            let sent = send_home(window, summoned, &before, places, socket);
            match sent {
                Err(trouble) if trouble.code.concerns_wm() => return Err(trouble),
                // Going back is worth more than tidying up.
                Err(trouble) => log::info!("could not send a window home: {}", trouble.message),
                Ok(()) => {}
            }
        }
    }
    for pane in &trail.panes {
        let shown =
            tmux::switch_client(&pane.program, &pane.socket, &pane.client_tty, &pane.pane_id);
        if let Err(error) = shown {
            // The pane may be gone; its window is still worth going to.
            log::info!("tmux did not switch back: {error}");
        }
    }
    let window = origin(trail, &before);
    let landed = landed(trail, window);
    match window {
        Some(window) => focus(places, socket, window.con_id, window.xid)?,
        None => go_to_workspace(&trail.origin, &before, places, socket)?,
    }
    Ok((before.focus, landed))
}

fn send_home(
    window: &Window,
    summoned: &Summoned,
    before: &WmTree,
    places: &mut Places,
    socket: &Path,
) -> Result<(), Trouble> {
    let criteria = criteria(window.con_id, window.xid);
    if summoned.workspace == HIDDEN_WORKSPACE {
        return command(places, socket, &format!("{criteria} move scratchpad"));
    }
    let workspace = quoted(places, socket, &summoned.workspace)?;
    let home =
        format!("{criteria} move --no-auto-back-and-forth container to workspace {workspace}");
    command(places, socket, &home)?;
    if before.workspaces.contains(&summoned.workspace) {
        return Ok(());
    }
    // A workspace that was emptied is gone, and comes back on the output that has the focus.
    let tree = read_tree(places, socket)?;
    let strayed = summoned.output.as_ref().filter(|output| {
        let window = tree.by_con(window.con_id);
        window.is_some_and(|window| window.output != **output)
    });
    match strayed {
        Some(output) => {
            let output = quoted(places, socket, output)?;
            let over = format!("{criteria} move workspace to output {output}");
            command(places, socket, &over)
        }
        None => Ok(()),
    }
}

/// Goes to a workspace, on the output where it was if it is gone.
fn go_to_workspace(
    place: &Focus,
    before: &WmTree,
    places: &mut Places,
    socket: &Path,
) -> Result<(), Trouble> {
    let name = &place.workspace_raw;
    if read_tree(places, socket)?.focus.workspace_raw == *name {
        return Ok(());
    }
    let quoted_name = quoted(places, socket, name)?;
    let go = format!("workspace --no-auto-back-and-forth {quoted_name}");
    command(places, socket, &go)?;
    let there = read_tree(places, socket)?.focus;
    if there.workspace_raw == *name {
        let is_anew = !before.workspaces.contains(name);
        if is_anew && there.output != place.output && !place.output.is_empty() {
            let output = quoted(places, socket, &place.output)?;
            let over = format!("move workspace to output {output}");
            // An output that is gone keeps nobody from its workspace.
            if let Err(trouble) = command(places, socket, &over) {
                log::info!("{}", trouble.message);
            }
        }
        return Ok(());
    }
    let there = there.workspace;
    let message = format!("workspace \u{201c}{there}\u{201d} has the focus instead");
    Err(Trouble::new(TroubleCode::FocusLost, &message))
}

fn criteria(con_id: ConId, xid: Option<Xid>) -> String {
    let id = xid.map(|xid| format!(" id={}", xid.0)).unwrap_or_default();
    format!("[con_id={}{id}]", con_id.0)
}

fn quoted(places: &mut Places, socket: &Path, name: &str) -> Result<String, Trouble> {
    let quoted = places.with_i3(socket, |i3| i3.quoted(name));
    quoted.map_err(|error| trouble(&error))
}

fn command(places: &mut Places, socket: &Path, words: &str) -> Result<(), Trouble> {
    let done = places.with_i3(socket, |i3| i3.command(words));
    done.map_err(|error| trouble(&error))
}

fn read_tree(places: &mut Places, socket: &Path) -> Result<WmTree, Trouble> {
    let tree = places.with_i3(socket, I3::tree);
    tree.map_err(|error| trouble(&error))
}

/// The same, with the owners of its windows: what was kept is known again by them.
fn owned_tree(places: &mut Places, socket: &Path) -> Result<WmTree, Trouble> {
    places.tree(socket).map_err(|error| trouble(&error))
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
        let tree = read_tree(places, socket)?;
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
