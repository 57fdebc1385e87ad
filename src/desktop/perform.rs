//! Does what `place` found, and checks that it is done.

use std::time::Duration;

use super::Found;
use super::place::Places;
use super::trail::{Summoned, Trail};
use crate::core::model::{
    Action, Focus, Landed, PaneView, Trouble, TroubleCode, Window, WindowId, WmAddress, WmTree,
    Workspace, WorkspaceId,
};
use crate::core::text::CleanText;
use crate::desktop::host::Driver;
use crate::desktop::wm::WmError;
use crate::sys::clock;

/// Pauses before the tree is read again. A window that is about to vanish is still "focused
/// with success" for 2.3 ms (i3 4.22); others take up to 17 ms to do as they are told (awesome
/// 4.3).
const CHECKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(3),
    Duration::from_millis(20),
    Duration::from_millis(80),
];

/// Performs actions in order.
///
/// # Errors
/// Why it did not work; `FocusRefused` where finding the window again may help.
pub fn perform(actions: &[Action], places: &mut Places) -> Result<(), Trouble> {
    for action in actions {
        match action {
            Action::Show { view, .. } => show(view).map_err(|why| refused(&why))?,
            Action::Focus { manager, window } => focus(places, manager, window)?,
        }
    }
    Ok(())
}

/// Looks whether these could be performed, as far as that is known beforehand.
///
/// # Errors
/// As [`perform`] would say it.
pub fn look(actions: &[Action], places: &mut Places) -> Result<(), Trouble> {
    for action in actions {
        if let Action::Focus { manager, .. } = action {
            let keeps = places.with(manager, |wm| match wm.keeps_focus() {
                Some(why) => Err(WmError::Refused(why)),
                None => Ok(()),
            });
            keeps.map_err(|error| trouble(&error))?;
        }
    }
    Ok(())
}

/// Makes a client of a multiplexer show a pane; else says why it does not.
fn show(view: &PaneView) -> Result<(), String> {
    let driver = Driver::of(view.host).ok_or("its host is not known")?;
    let shown = (driver.show)(view);
    shown.map_err(|error| format!("{} did not switch: {error}", driver.name))
}

/// Brings the window that was found to the workspace that has the focus. Says where it was, if
/// that was another one.
///
/// # Errors
/// Why it did not work.
pub fn summon(found: &Found, places: &mut Places) -> Result<Option<Summoned>, Trouble> {
    let Some(Action::Focus {
        manager,
        window: aim,
    }) = found.actions.last()
    else {
        return Ok(None);
    };
    let tree = owned_tree(places, manager)?;
    let Some(window) = tree.by_key(aim.key).filter(|window| window.id().is(aim)) else {
        return Err(refused("its window has closed meanwhile"));
    };
    let here = &tree.focus.workspace;
    let everywhere = window.workspace.id == WorkspaceId::Everywhere;
    if window.workspace.is(here) || everywhere {
        return Ok(None);
    }
    put(window, here, &tree, places, manager)?;
    Ok(Some(Summoned {
        window: window.id(),
        home: window.workspace.clone(),
        to: here.clone(),
    }))
}

/// Where a trail leads back to.
///
/// # Errors
/// If the window manager does not answer, or if it leads nowhere else.
pub fn look_back(trail: &Trail, places: &mut Places) -> Result<Landed, Trouble> {
    let tree = owned_tree(places, &trail.manager)?;
    leads_on(trail, &tree)?;
    Ok(landed(trail, origin(trail, &tree)))
}

/// Refuses to go back from where the trail began: a key that does nothing is taken for broken. What a
/// multiplexer shows there now is not known.
fn leads_on(trail: &Trail, tree: &WmTree) -> Result<(), Trouble> {
    let there = match origin(trail, tree) {
        Some(window) => window.focused,
        None => tree.focus.workspace.is(&trail.origin.workspace),
    };
    let to_send = |summoned: &Summoned| {
        let window = tree.again(&summoned.window);
        window.is_some_and(|window| window.workspace.is(&summoned.to))
    };
    if there && trail.panes.is_empty() && !trail.summoned.iter().any(to_send) {
        let words = "you are where you came from";
        return Err(Trouble::new(TroubleCode::NoWindow, words));
    }
    Ok(())
}

/// The window where a trail began. One that was hidden since would be shown on any workspace.
fn origin<'t>(trail: &Trail, tree: &'t WmTree) -> Option<&'t Window> {
    let window = tree.again(&trail.origin.id())?;
    (!window.workspace.is_hidden()).then_some(window)
}

fn landed(trail: &Trail, window: Option<&Window>) -> Landed {
    let workspace = window.map_or(&trail.origin.workspace, |window| &window.workspace);
    Landed {
        window: window.map(|window| window.title.clone()),
        workspace: workspace.name.clone(),
    }
}

/// Goes a trail back: what was brought along goes home, multiplexers show what they showed, the window
/// gets the focus. Says what was left, and where it led.
///
/// # Errors
/// Why it did not work. A window that has closed is no trouble: its workspace is as good.
pub fn go_back(trail: &Trail, places: &mut Places) -> Result<(Focus, Landed), Trouble> {
    let manager = &trail.manager;
    let before = owned_tree(places, manager)?;
    leads_on(trail, &before)?;
    for summoned in trail.summoned.iter().rev() {
        let window = before.again(&summoned.window);
        if let Some(window) = window.filter(|window| window.workspace.is(&summoned.to)) {
            match put(window, &summoned.home, &before, places, manager) {
                Err(trouble) if trouble.code.concerns_wm() => return Err(trouble),
                // Going back is worth more than tidying up.
                Err(trouble) => log::info!("could not send a window home: {}", trouble.message),
                Ok(()) => {}
            }
        }
    }
    for pane in &trail.panes {
        if let Err(why) = show(pane) {
            // The pane may be gone; its window is still worth going to.
            log::info!("on the way back: {why}");
        }
    }
    let window = origin(trail, &before);
    let landed = landed(trail, window);
    match window {
        Some(window) => focus(places, manager, &window.id())?,
        None => go(&trail.origin.workspace, &before, places, manager)?,
    }
    Ok((before.focus, landed))
}

/// Puts a window on a workspace.
fn put(
    window: &Window,
    to: &Workspace,
    seen: &WmTree,
    places: &mut Places,
    manager: &WmAddress,
) -> Result<(), Trouble> {
    let done = places.with(manager, |wm| wm.put(window, to, seen));
    done.map_err(|error| trouble(&error))
}

/// Goes to a workspace, and looks that it has the focus.
fn go(
    to: &Workspace,
    seen: &WmTree,
    places: &mut Places,
    manager: &WmAddress,
) -> Result<(), Trouble> {
    if read_tree(places, manager)?.focus.workspace.is(to) {
        return Ok(());
    }
    let gone = places.with(manager, |wm| wm.go(to, seen));
    gone.map_err(|error| trouble(&error))?;
    let mut there = Workspace::default();
    for pause in CHECKS {
        rest(pause);
        there = read_tree(places, manager)?.focus.workspace;
        if there.is(to) {
            return Ok(());
        }
    }
    let there = there.name;
    let message = format!("workspace \u{201c}{there}\u{201d} has the focus instead");
    Err(Trouble::new(TroubleCode::FocusLost, &message))
}

/// Goes to the workspace of this name, so that a window opens there. Says what had the focus before.
/// A window that opens elsewhere is as good as none is: trouble is only told to the log.
pub(super) fn visit(
    name: Option<&CleanText>,
    manager: &WmAddress,
    places: &mut Places,
) -> Option<Focus> {
    let seen = owned_tree(places, manager);
    let seen = seen
        .inspect_err(|trouble| log::info!("{}", trouble.message))
        .ok()?;
    let there = name.filter(|name| **name != seen.focus.workspace.name);
    match there.map(|name| (name, seen.called(name))) {
        None => {}
        Some((name, None)) => log::info!("there is no workspace {name}"),
        Some((name, Some(workspace))) => {
            if let Err(trouble) = go(&workspace, &seen, places, manager) {
                log::info!("could not go to workspace {name}: {}", trouble.message);
            }
        }
    }
    Some(seen.focus)
}

fn read_tree(places: &mut Places, manager: &WmAddress) -> Result<WmTree, Trouble> {
    let tree = places.with(manager, |wm| wm.tree());
    tree.map_err(|error| trouble(&error))
}

/// The same, with the owners of its windows: what was kept is known again by them.
fn owned_tree(places: &mut Places, manager: &WmAddress) -> Result<WmTree, Trouble> {
    places.tree(manager).map_err(|error| trouble(&error))
}

fn refused(message: &str) -> Trouble {
    Trouble::new(TroubleCode::FocusRefused, message)
}

fn rest(pause: Duration) {
    if !pause.is_zero() {
        clock::sleep(pause);
    }
}

/// Focuses a window, and reads from the tree that it has the focus: what the manager answers may
/// be a lie.
fn focus(places: &mut Places, manager: &WmAddress, aim: &WindowId) -> Result<(), Trouble> {
    let asked = places.with(manager, |wm| wm.focus(aim));
    asked.map_err(|error| trouble(&error))?;
    let mut other = String::new();
    for pause in CHECKS {
        rest(pause);
        let tree = read_tree(places, manager)?;
        match landed_on(aim, &tree) {
            Landing::There => return Ok(()),
            Landing::Elsewhere(words) => other = words,
            Landing::Closed => return Err(refused("its window has closed meanwhile")),
        }
    }
    let message = format!("{other} has the focus instead");
    Err(Trouble::new(TroubleCode::FocusLost, &message))
}

/// Where a focus went.
#[derive(PartialEq, Eq, Debug)]
enum Landing {
    There,
    /// What has it, in words.
    Elsewhere(String),
    Closed,
}

/// What a tree says of a focus that was asked for. A number that was given to another window since
/// is not the window; who owns it counts where the manager knows that itself.
fn landed_on(aim: &WindowId, tree: &WmTree) -> Landing {
    let owned = |window: &&Window| {
        let other = window.pid.is_some() && aim.pid.is_some() && window.pid != aim.pid;
        window.xid == aim.xid && !other
    };
    if tree.by_key(aim.key).filter(owned).is_none() {
        return Landing::Closed;
    }
    match tree.focused() {
        Some(window) if window.key == aim.key => Landing::There,
        Some(window) => Landing::Elsewhere(format!("\u{201c}{}\u{201d}", window.title)),
        None if tree.menu => Landing::Elsewhere("a menu".to_owned()),
        None => Landing::Elsewhere("no known window".to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::core::model::{ConId, Pid, WindowKey, WorkspaceId, Xid};
    use crate::core::text::CleanText;
    use crate::desktop::fake::Fake;
    use crate::sys::proc::Environ;

    fn window(con: u64, xid: u32, pid: Option<u32>, focused: bool) -> Window {
        Window {
            key: WindowKey::Con(ConId(con)),
            xid: Some(Xid(xid)),
            pid: pid.map(Pid),
            title: CleanText::line(&format!("window {con}")),
            focused,
            ..Window::default()
        }
    }

    #[test]
    fn a_focus_has_landed_when_the_tree_says_so_of_the_very_window() {
        let aim = window(7, 77, Some(500), true).id();
        let says = |windows: Vec<Window>| {
            let tree = WmTree {
                windows,
                ..WmTree::default()
            };
            landed_on(&aim, &tree)
        };
        assert_eq!(says(vec![window(7, 77, Some(500), true)]), Landing::There);
        let untold = says(vec![window(7, 77, None, true)]);
        assert_eq!(untold, Landing::There, "the manager knows no owners");
        let beside = window(8, 78, None, true);
        assert_eq!(
            says(vec![window(7, 77, None, false), beside.clone()]),
            Landing::Elsewhere("\u{201c}window 8\u{201d}".into())
        );
        assert_eq!(says(vec![beside]), Landing::Closed);
        let reused = says(vec![window(7, 78, Some(500), true)]);
        assert_eq!(reused, Landing::Closed, "the container holds another");
        let other = says(vec![window(7, 77, Some(501), true)]);
        assert_eq!(
            other,
            Landing::Closed,
            "both ids were given to another process"
        );
    }

    #[test]
    fn what_a_manager_claims_is_no_proof() {
        let address = WmAddress("liar:".into());
        let tree = WmTree {
            windows: vec![window(7, 77, None, false), window(8, 78, None, true)],
            ..WmTree::default()
        };
        let mut places = Places::new(Path::new("/proc"), Environ::default()).unwrap();
        let liar = Fake::new(&address, &tree, false);
        places.pretend(Box::new(liar), &[]);
        let aim = window(7, 77, None, false).id();
        let trouble = focus(&mut places, &address, &aim).unwrap_err();
        assert_eq!(trouble.code, TroubleCode::FocusLost);
        assert_eq!(
            trouble.message.as_str(),
            "\u{201c}window 8\u{201d} has the focus instead"
        );
        let gone = window(9, 79, None, false).id();
        let trouble = focus(&mut places, &address, &gone).unwrap_err();
        assert_eq!(trouble.code, TroubleCode::FocusRefused);
        let elsewhere = Workspace {
            id: WorkspaceId::Index(3),
            ..Workspace::default()
        };
        let trouble = go(&elsewhere, &tree, &mut places, &address).unwrap_err();
        assert_eq!(trouble.code, TroubleCode::FocusLost);
    }

    #[test]
    fn what_has_the_focus_instead_is_named() {
        let mut tree = WmTree {
            windows: vec![window(7, 77, None, false)],
            ..WmTree::default()
        };
        let aim = window(7, 77, None, false).id();
        assert_eq!(
            landed_on(&aim, &tree),
            Landing::Elsewhere("no known window".into())
        );
        tree.menu = true;
        assert_eq!(landed_on(&aim, &tree), Landing::Elsewhere("a menu".into()));
    }
}
