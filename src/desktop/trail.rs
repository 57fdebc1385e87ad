//! The way back: where the focus was before vmux moved it. Pure.

use serde::{Deserialize, Serialize};

use super::Found;
use crate::core::model::{Action, Focus, PaneView, WindowId, WmAddress, Workspace};

/// Window managers whose ways back are kept.
const MANAGERS: usize = 8;
/// Most summoned windows whose homes are kept: the file stays small.
const SUMMONED: usize = 32;

/// A window that was brought here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summoned {
    /// The window.
    pub window: WindowId,
    /// Where it was before.
    pub home: Workspace,
    /// The workspace it was brought to: who moved it on from there wants it elsewhere.
    pub to: Workspace,
}

/// Where a user came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trail {
    /// The window manager.
    pub manager: WmAddress,
    /// What had the focus before vmux moved it first.
    pub origin: Focus,
    /// The window that vmux focused last: who is still there has not left the trail.
    pub landed: WindowId,
    /// What clients of multiplexers in the window of the origin showed.
    pub panes: Vec<PaneView>,
    /// What was brought along and has not gone home, the last one last.
    pub summoned: Vec<Summoned>,
    /// It was made by going back: who goes on from there begins a new one.
    pub returned: bool,
}

/// The ways back, one for each window manager, that of the last move last: who works on two
/// displays goes back on the one where he is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trails(Vec<Trail>);

impl Trails {
    /// The one of a window manager.
    #[must_use]
    pub fn of(&self, manager: &WmAddress) -> Option<&Trail> {
        self.0.iter().find(|trail| trail.manager == *manager)
    }

    /// The one of the last move.
    #[must_use]
    pub fn last(&self) -> Option<&Trail> {
        self.0.last()
    }

    /// Takes the one of the last move, in the place of its window manager's.
    pub fn set(&mut self, trail: Trail) {
        self.0.retain(|other| other.manager != trail.manager);
        self.0.push(trail);
        let surplus = self.0.len().saturating_sub(MANAGERS);
        self.0.drain(..surplus);
    }
}

impl From<Trail> for Trails {
    fn from(trail: Trail) -> Self {
        Self(vec![trail])
    }
}

impl Trail {
    /// The trail after a switch that began at `start`. Who moved on by himself since the last one
    /// begins a new trail; what was summoned on the old one still has a home to go to.
    #[must_use]
    pub fn after(
        before: Option<Self>,
        start: &Focus,
        found: &Found,
        summoned: Option<Summoned>,
    ) -> Option<Self> {
        let reference = found.place.window.as_ref()?;
        let manager = reference.manager.clone()?;
        let window = WindowId {
            key: reference.key,
            xid: reference.xid,
            pid: found.terminal.as_ref().map(|terminal| terminal.owner),
        };
        let panes = panes_before(&found.actions);
        let before = before.filter(|trail| trail.manager == manager);
        let goes_on = |trail: &Self| !trail.returned && trail.landed.is(&start.id());
        let mut trail = match before {
            Some(trail) if goes_on(&trail) => trail,
            // Where one is already is no way back.
            _ if start.id().is(&window) && panes.is_empty() => return None,
            before => Self {
                manager,
                origin: start.clone(),
                landed: window,
                panes: Vec::new(),
                summoned: before.map(|trail| trail.summoned).unwrap_or_default(),
                returned: false,
            },
        };
        trail.landed = window;
        if trail.origin.id().is(&window) {
            for pane in panes {
                let known = trail.panes.iter().any(|p| p.client == pane.client);
                trail.panes.extend((!known).then_some(pane));
            }
        }
        if let Some(summoned) = summoned {
            trail.bring_along(summoned);
        }
        Some(trail)
    }

    /// Keeps where a window came from; where it came from first, if it is brought further.
    fn bring_along(&mut self, mut summoned: Summoned) {
        let known = |other: &Summoned| other.window.is(&summoned.window);
        if let Some(at) = self.summoned.iter().position(known) {
            let first = self.summoned.remove(at);
            if first.to.is(&summoned.home) {
                summoned.home = first.home;
            }
        }
        self.summoned.push(summoned);
        let surplus = self.summoned.len().saturating_sub(SUMMONED);
        self.summoned.drain(..surplus);
    }

    /// The trail that leads to where this one was left: the way back has a way back.
    #[must_use]
    pub fn reversed(&self, left: Focus) -> Self {
        Self {
            manager: self.manager.clone(),
            origin: left,
            landed: self.origin.id(),
            panes: Vec::new(),
            summoned: Vec::new(),
            returned: true,
        }
    }
}

fn panes_before(actions: &[Action]) -> Vec<PaneView> {
    let panes = actions.iter().filter_map(|action| match action {
        Action::Show {
            view,
            before: Some(pane),
        } => Some(PaneView {
            pane: pane.clone(),
            ..view.clone()
        }),
        _ => None,
    });
    panes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConId, HostKind, Pid, Place, WindowKey, WindowRef, WorkspaceId, Xid};

    const WM: &str = "/run/i3";

    fn con(id: u64) -> WindowKey {
        WindowKey::Con(ConId(id))
    }

    fn number(key: WindowKey) -> u64 {
        match key {
            WindowKey::Con(id) => id.0,
            other => panic!("{other:?}"),
        }
    }

    fn named(name: &str) -> Workspace {
        Workspace {
            id: WorkspaceId::Name(name.into()),
            ..Workspace::default()
        }
    }

    fn at(id: u64) -> Focus {
        Focus {
            key: con(id),
            ..Focus::default()
        }
    }

    fn found(id: u64) -> Found {
        let window = WindowRef {
            key: con(id),
            manager: Some(WmAddress(WM.into())),
            ..WindowRef::default()
        };
        Found {
            place: Place {
                window: Some(window),
                ..Place::default()
            },
            actions: Vec::new(),
            terminal: None,
            uncertain: false,
        }
    }

    fn in_tmux(id: u64, shown: &str) -> Found {
        let action = Action::Show {
            view: PaneView {
                host: HostKind::Tmux,
                program: "/bin/tmux".into(),
                server: "/tmp/tmux".into(),
                client: "/dev/pts/1".into(),
                pane: "%9".into(),
            },
            before: Some(shown.into()),
        };
        Found {
            actions: vec![action],
            ..found(id)
        }
    }

    fn after(before: Option<Trail>, start: u64, found: &Found) -> Trail {
        Trail::after(before, &at(start), found, None).unwrap()
    }

    fn ends(trail: &Trail) -> (u64, u64) {
        (number(trail.origin.key), number(trail.landed.key))
    }

    fn summoned(id: u64, from: &str, to: &str) -> Summoned {
        Summoned {
            window: at(id).id(),
            home: named(from),
            to: named(to),
        }
    }

    fn homes(trail: &Trail) -> Vec<(u64, String)> {
        let home = |s: &'_ Summoned| (number(s.window.key), s.home.id.clone());
        let named = |(id, home)| {
            (
                id,
                if let WorkspaceId::Name(name) = home {
                    name
                } else {
                    panic!()
                },
            )
        };
        trail.summoned.iter().map(home).map(named).collect()
    }

    #[test]
    fn a_walk_leads_back_to_where_it_began() {
        let trail = after(None, 1, &found(2));
        let trail = after(Some(trail), 2, &found(3));
        assert_eq!(ends(&trail), (1, 3));
    }

    #[test]
    fn a_walk_goes_on_though_i3_restarted() {
        let window = |id| Focus {
            xid: Some(Xid(77)),
            pid: Some(Pid(500)),
            ..at(id)
        };
        let trail = Trail {
            landed: window(2).id(),
            ..after(None, 1, &found(2))
        };
        let trail = Trail::after(Some(trail), &window(902), &found(3), None).unwrap();
        assert_eq!(ends(&trail), (1, 3));
    }

    #[test]
    fn who_moved_on_by_himself_comes_back_to_there() {
        let trail = after(None, 1, &found(2));
        let trail = after(Some(trail), 7, &found(3));
        assert_eq!(trail.origin.key, con(7));
    }

    #[test]
    fn where_one_is_already_is_no_way_back() {
        assert_eq!(Trail::after(None, &at(2), &found(2), None), None);
    }

    #[test]
    fn the_pane_that_was_looked_at_is_shown_again() {
        let trail = after(None, 2, &in_tmux(2, "%1"));
        assert_eq!((trail.origin.key, &*trail.panes[0].pane), (con(2), "%1"));
        let trail = after(Some(trail), 2, &in_tmux(2, "%9"));
        assert_eq!(trail.panes.len(), 1, "the first is what he left");
        let elsewhere = after(None, 1, &in_tmux(2, "%1"));
        assert_eq!(elsewhere.panes, []);
    }

    #[test]
    fn who_went_back_begins_anew() {
        let back = after(None, 1, &found(2)).reversed(at(2));
        let trail = after(Some(back), 1, &found(3));
        assert_eq!(ends(&trail), (1, 3));
    }

    #[test]
    fn the_way_back_has_a_way_back() {
        let back = after(None, 1, &found(2)).reversed(at(2));
        assert_eq!(ends(&back), (2, 1));
    }

    #[test]
    fn all_that_was_summoned_has_a_home_on_a_new_trail_too() {
        let first = Trail::after(None, &at(1), &found(2), Some(summoned(2, "five", "one")));
        let second = Trail::after(first, &at(1), &found(3), Some(summoned(3, "six", "one")));
        let trail = after(second, 7, &found(4));
        assert_eq!(
            homes(&trail),
            [(2, "five".to_owned()), (3, "six".to_owned())]
        );
    }

    #[test]
    fn a_window_summoned_twice_goes_home_to_where_it_was_first() {
        let first = Trail::after(None, &at(1), &found(2), Some(summoned(2, "five", "one")));
        let again =
            Trail::after(first, &at(7), &found(2), Some(summoned(2, "one", "two"))).unwrap();
        assert_eq!(homes(&again), [(2, "five".to_owned())]);
        assert_eq!(again.summoned[0].to, named("two"));
        // Somebody else moved it between: that is its home now.
        let moved = Trail::after(
            Some(again),
            &at(8),
            &found(2),
            Some(summoned(2, "nine", "one")),
        );
        assert_eq!(homes(&moved.unwrap()), [(2, "nine".to_owned())]);
    }

    #[test]
    fn what_is_kept_of_the_summoned_has_a_bound() {
        let mut trail = None;
        for n in 1..100 {
            trail = Trail::after(trail, &at(500), &found(n), Some(summoned(n, "far", "here")));
        }
        let kept = trail.unwrap().summoned;
        assert_eq!(
            (kept.len(), number(kept[SUMMONED - 1].window.key)),
            (SUMMONED, 99)
        );
    }
}
