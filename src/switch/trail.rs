//! The way back: where the focus was before vmux moved it. Pure.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Found;
use crate::model::{Action, ConId, Focus, Xid};
use crate::text::CleanText;

/// A pane that a tmux client showed before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaneBefore {
    /// Executable of the running server.
    pub program: PathBuf,
    /// Its socket.
    pub socket: PathBuf,
    /// Terminal of the client.
    pub client_tty: String,
    /// The pane.
    pub pane_id: String,
}

/// A window that was brought here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summoned {
    /// The container.
    pub con_id: ConId,
    /// The X11 window that it holds.
    pub xid: Option<Xid>,
    /// Its workspace before, as the manager calls it.
    pub workspace: String,
    /// The output that workspace was on.
    pub output: Option<CleanText>,
}

/// Where a user came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trail {
    /// The window manager.
    pub socket: PathBuf,
    /// What had the focus before vmux moved it first.
    pub origin: Focus,
    /// The container that vmux focused last: who is still there has not left the trail.
    pub landed: ConId,
    /// What tmux clients in the window of the origin showed.
    pub panes: Vec<PaneBefore>,
    /// What was brought along, the last one last.
    pub summoned: Vec<Summoned>,
    /// Where it began, if it was made by going back: who goes on from there begins a new one.
    #[serde(default)]
    pub returned_to: Option<Focus>,
}

impl Trail {
    /// The trail after a switch. `here` is what had the focus before it; `None` if nothing was read
    /// since the last switch, which is where one still is then. Who moved on by himself since
    /// begins a new trail.
    #[must_use]
    pub fn after(
        before: Option<Self>,
        here: Option<&[(PathBuf, Focus)]>,
        found: &Found,
        summoned: Option<Summoned>,
    ) -> Option<Self> {
        let window = found.place.window.as_ref()?;
        let socket = PathBuf::from(&window.socket.as_ref()?.0);
        let panes = panes_before(&found.actions);
        let start = here.map(|here| here.iter().find(|(manager, _)| *manager == socket));
        let returned_to = before.as_ref().and_then(|trail| trail.returned_to.clone());
        let goes_on = before.filter(|trail| {
            let left = start.is_some_and(|s| s.is_none_or(|(_, at)| at.con_id != trail.landed));
            trail.socket == socket && !left && trail.returned_to.is_none()
        });
        let mut trail = if let Some(trail) = goes_on {
            trail
        } else {
            let read = start.map(|start| start.map(|(_, focus)| focus.clone()));
            // Nothing was read since: he is where the way back has led.
            let start = read.unwrap_or(returned_to)?;
            // Where one is already is no way back.
            if start.con_id == window.con_id && panes.is_empty() {
                return None;
            }
            Self {
                socket,
                origin: start.clone(),
                landed: start.con_id,
                panes: Vec::new(),
                summoned: Vec::new(),
                returned_to: None,
            }
        };
        trail.landed = window.con_id;
        if trail.origin.con_id == window.con_id {
            for pane in panes {
                let known = trail.panes.iter().any(|p| p.client_tty == pane.client_tty);
                trail.panes.extend((!known).then_some(pane));
            }
        }
        trail.summoned.extend(summoned);
        Some(trail)
    }

    /// The trail that leads to where this one was left: the way back has a way back.
    #[must_use]
    pub fn reversed(&self, left: Focus) -> Self {
        Self {
            socket: self.socket.clone(),
            origin: left,
            landed: self.origin.con_id,
            panes: Vec::new(),
            summoned: Vec::new(),
            returned_to: Some(self.origin.clone()),
        }
    }
}

fn panes_before(actions: &[Action]) -> Vec<PaneBefore> {
    let panes = actions.iter().filter_map(|action| match action {
        Action::TmuxSwitch {
            program,
            socket,
            client_tty,
            shown: Some(shown),
            ..
        } => Some(PaneBefore {
            program: program.clone(),
            socket: socket.clone(),
            client_tty: client_tty.clone(),
            pane_id: shown.clone(),
        }),
        _ => None,
    });
    panes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Place, RawPath, WindowRef};

    const WM: &str = "/run/i3";

    fn at(con_id: u64) -> Vec<(PathBuf, Focus)> {
        let focus = Focus {
            con_id: ConId(con_id),
            ..Focus::default()
        };
        vec![(WM.into(), focus)]
    }

    fn found(con_id: u64) -> Found {
        let window = WindowRef {
            con_id: ConId(con_id),
            socket: Some(RawPath(WM.into())),
            ..WindowRef::default()
        };
        Found {
            place: Place {
                window: Some(window),
                ..Place::default()
            },
            actions: Vec::new(),
            uncertain: false,
        }
    }

    fn in_tmux(con_id: u64, shown: &str) -> Found {
        let action = Action::TmuxSwitch {
            program: "/bin/tmux".into(),
            socket: "/tmp/tmux".into(),
            client_tty: "/dev/pts/1".into(),
            pane_id: "%9".into(),
            shown: Some(shown.into()),
        };
        Found {
            actions: vec![action],
            ..found(con_id)
        }
    }

    fn after(before: Option<Trail>, here: u64, found: &Found) -> Trail {
        Trail::after(before, Some(&at(here)), found, None).unwrap()
    }

    #[test]
    fn a_walk_leads_back_to_where_it_began() {
        let trail = after(None, 1, &found(2));
        let trail = after(Some(trail), 2, &found(3));
        assert_eq!((trail.origin.con_id, trail.landed), (ConId(1), ConId(3)));
    }

    #[test]
    fn who_moved_on_by_himself_comes_back_to_there() {
        let trail = after(None, 1, &found(2));
        let trail = after(Some(trail), 7, &found(3));
        assert_eq!(trail.origin.con_id, ConId(7));
    }

    #[test]
    fn quick_presses_are_one_trail() {
        let first = after(None, 1, &found(2));
        let trail = Trail::after(Some(first), None, &found(3), None).unwrap();
        assert_eq!((trail.origin.con_id, trail.landed), (ConId(1), ConId(3)));
    }

    #[test]
    fn where_one_is_already_is_no_way_back() {
        assert_eq!(Trail::after(None, Some(&at(2)), &found(2), None), None);
        assert_eq!(Trail::after(None, Some(&[]), &found(2), None), None);
    }

    #[test]
    fn the_pane_that_was_looked_at_is_shown_again() {
        let trail = after(None, 2, &in_tmux(2, "%1"));
        assert_eq!(
            (trail.origin.con_id, &*trail.panes[0].pane_id),
            (ConId(2), "%1")
        );
        let trail = after(Some(trail), 2, &in_tmux(2, "%9"));
        assert_eq!(trail.panes.len(), 1, "the first is what he left");
        let elsewhere = after(None, 1, &in_tmux(2, "%1"));
        assert_eq!(elsewhere.panes, []);
    }

    #[test]
    fn who_went_back_begins_anew() {
        let back = after(None, 1, &found(2)).reversed(at(2).remove(0).1);
        let trail = after(Some(back.clone()), 1, &found(3));
        assert_eq!(trail.origin.con_id, ConId(1));
        // However quickly: nothing was read since the way back.
        let quick = Trail::after(Some(back), None, &found(3), None).unwrap();
        assert_eq!((quick.origin.con_id, quick.landed), (ConId(1), ConId(3)));
    }

    #[test]
    fn the_way_back_has_a_way_back() {
        let trail = after(None, 1, &found(2));
        let left = at(2).remove(0).1;
        let back = trail.reversed(left);
        assert_eq!((back.origin.con_id, back.landed), (ConId(2), ConId(1)));
    }
}
