//! Finds a session's window, focuses it, and looks that it has the focus; and goes back.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::here::Here;
use super::place::Places;
use super::trail::{Summoned, Trail, Trails};
use super::{Found, Homes, open, perform, tabs};
use crate::core::model::{Focus, HostKind, Landed, Session, Trouble, TroubleCode, WindowRef};
use crate::core::text::CleanText;
use crate::sys::clock::{self, Deadline};
use crate::sys::proc::Environ;

/// After a menu's end, i3 still handles the pointer's entering of what was below: a focus in
/// that very instant is lost 3 times in 280, 30 ms later never (i3 4.22, focus_follows_mouse).
const SETTLE: Duration = Duration::from_millis(30);
/// One more look after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(80);

/// Longest wait for a terminal that was opened to show its session.
const OPEN: Duration = Duration::from_secs(3);
/// Between two looks for it.
const LOOK_FOR: Duration = Duration::from_millis(50);

/// How a switch is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Manner {
    /// Only find the window.
    pub dry_run: bool,
    /// A menu was just closed: wait for the pointer's own focus change, and look again.
    pub settle: bool,
    /// Bring the window to the workspace that has the focus.
    pub summon: bool,
}

impl Manner {
    /// Without bringing anything along.
    #[must_use]
    pub fn plain(dry_run: bool, settle: bool) -> Self {
        Self {
            dry_run,
            settle,
            summon: false,
        }
    }
}

/// Moves the focus. One at a time: two moves must never cross.
pub struct Focuser {
    places: Places,
    trails: Trails,
    /// When it moved the focus last.
    moved_at: Option<Instant>,
    /// The window that it moved the focus to, if it was one.
    landed: Option<WindowRef>,
    /// Where terminals of hosted sessions are opened.
    homes: Arc<Homes>,
}

impl Focuser {
    /// A focuser with the `/proc` at `proc`, and this environment for sessions that have no desktop
    /// of their own.
    ///
    /// # Errors
    /// Those of opening `/proc`.
    pub fn new(proc: &Path, environ: Environ) -> io::Result<Self> {
        Ok(Self {
            places: Places::new(proc, environ)?.at_once(),
            trails: Trails::default(),
            moved_at: None,
            landed: None,
            homes: Arc::default(),
        })
    }

    /// Takes note of all sessions there are: see [`Places::know`]; and of where terminals of hosted ones
    /// are opened.
    pub fn know(&mut self, sessions: &[Arc<Session>], homes: Arc<Homes>) {
        self.places.know(sessions);
        self.homes = homes;
    }

    /// The ways back.
    #[must_use]
    pub fn trails(&self) -> &Trails {
        &self.trails
    }

    /// Takes over the ways back that were kept.
    pub fn set_trails(&mut self, trails: Trails) {
        self.trails = trails;
    }

    /// Shows a session. A window that vanished between finding and focusing is looked for once
    /// more. `here` is what has the focus, or had it when a menu was opened, if that is known;
    /// else it is read before it moves. Returns what its user should know though it is done.
    ///
    /// # Errors
    /// Why it could not be shown; or, if its code is half a success, why it may be hidden in the
    /// window that has the focus now.
    pub fn switch(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
        here: Option<&Here>,
    ) -> Result<Option<CleanText>, Trouble> {
        session.here()?;
        if manner.dry_run {
            return self.look(session, manner, environ);
        }
        if manner.settle {
            clock::sleep(SETTLE);
        }
        let known = here.and_then(|here| self.known(here, session));
        if known.is_some() && !manner.summon && !manner.settle {
            self.focus_known(session);
        }
        let mut done = match self.once(session, manner, environ) {
            Err(trouble) if trouble.code == TroubleCode::FocusRefused => {
                self.once(session, manner, environ)?
            }
            Err(trouble) if trouble.code == TroubleCode::MuxDetached => {
                self.open(session, manner, environ, trouble)?
            }
            landed => landed?,
        };
        let start = done.before.take();
        let start = start.or_else(|| self.start(known, manner, &done.found));
        if manner.settle {
            clock::sleep(LOOK_AGAIN);
            let summoned = done.summoned;
            done = self.once(session, manner, environ)?;
            done.summoned = summoned.or(done.summoned);
        }
        let Done {
            found,
            summoned,
            doubt,
            before: _,
        } = done;
        let shows = found.place.window.as_ref();
        let manager = shows.and_then(|window| window.manager.as_ref());
        let before = manager.and_then(|manager| self.trails.of(manager)).cloned();
        let trail = start.and_then(|start| Trail::after(before, &start, &found, summoned));
        if let Some(trail) = trail {
            self.trails.set(trail);
        }
        self.moved_at = Some(clock::steady());
        let away = self.beyond(&found, environ);
        self.landed = found.place.window;
        doubt.map_or(Ok(away.map(|place| told_of(&place))), Err)
    }

    /// Says what a switch would, as far as that is known beforehand.
    fn look(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
    ) -> Result<Option<CleanText>, Trouble> {
        let found = match self.find(session, environ) {
            Err(trouble)
                if trouble.code == TroubleCode::MuxDetached && open::hosted(session).is_some() =>
            {
                let words = "no terminal shows it: one is opened";
                return Ok(Some(CleanText::line(words)));
            }
            found => found?,
        };
        let away = self.within_reach(&found, manner, environ)?;
        let shown = found.place.window.as_ref();
        if shown.is_some_and(|window| !window.focused) {
            perform::look(&found.actions, &mut self.places)?;
        }
        Ok(away.map(|place| told_of(&place)))
    }

    /// Where a window is, if that is another display than its user's.
    fn beyond(&mut self, found: &Found, environ: &Environ) -> Option<String> {
        let window = found.place.window.as_ref()?;
        self.places.beyond(window.manager.as_ref()?, environ)
    }

    /// The same for a window that may be to be brought here.
    fn within_reach(
        &mut self,
        found: &Found,
        manner: Manner,
        environ: &Environ,
    ) -> Result<Option<String>, Trouble> {
        let away = self.beyond(found, environ);
        match &away {
            Some(place) if manner.summon => {
                let words = format!("it is on {place}, and no window can be brought from there");
                let trouble = Trouble::new(TroubleCode::OtherDisplay, &words);
                Err(trouble.hint("without --summon it gets the focus where it is"))
            }
            _ => Ok(away),
        }
    }

    /// Goes back to where the user was before vmux moved the focus, sends home what was brought
    /// along, and says where that is: on the display of this environment if it was moved there,
    /// else on that of the last move.
    ///
    /// # Errors
    /// Why it could not.
    pub fn back(&mut self, manner: Manner, environ: &Environ) -> Result<Landed, Trouble> {
        let nowhere = || {
            Trouble::new(TroubleCode::NoWindow, "there is nowhere to go back to")
                .hint("it returns from where `vmux switch`, `vmux next` or a picker led")
        };
        self.places.begin();
        let here = self.places.manager_of(environ);
        let here = here.and_then(|manager| self.trails.of(&manager));
        let trail = here.or(self.trails.last()).cloned().ok_or_else(nowhere)?;
        if manner.settle {
            clock::sleep(SETTLE);
        }
        if manner.dry_run {
            return perform::look_back(&trail, &mut self.places);
        }
        let (left, landed) = perform::go_back(&trail, &mut self.places)?;
        self.trails.set(trail.reversed(left));
        self.moved_at = Some(clock::steady());
        self.landed = None;
        Ok(landed)
    }

    /// What has the focus in the session's window manager, if that was reported after the last
    /// move, or was that move.
    fn known(&self, here: &Here, session: &Session) -> Option<Focus> {
        let focus = here.beside(session)?;
        let there = session.window.as_ref()?;
        let told_since = self.moved_at.is_none_or(|at| at < here.read_at);
        let of_it = |landed: &WindowRef| landed.manager == there.manager && landed.key == focus.key;
        (told_since || self.landed.as_ref().is_some_and(of_it)).then_some(focus)
    }

    /// Focuses the window that showed the session when its desktop last changed, before anything is
    /// read: with 500 windows, reading the tree costs as much as the focus itself. It works only if
    /// a window with all the same ids is still there; whether it was the right one is checked right
    /// after.
    fn focus_known(&mut self, session: &Session) {
        let terminal = session
            .host
            .as_ref()
            .is_some_and(|host| host.kind == HostKind::Terminal);
        if let Some(window) = &session.window
            && let Some(manager) = &window.manager
            && terminal
        {
            self.places.focus_known(manager, &window.id());
        }
    }

    /// Opens a terminal for a session that vmux keeps and none shows, on the workspace where it was
    /// last, and waits until it is there.
    fn open(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
        detached: Trouble,
    ) -> Result<Done, Trouble> {
        let Some(id) = open::hosted(session) else {
            return Err(detached);
        };
        self.places.begin();
        let manager = self.places.manager_of(environ);
        let home = self.homes.get(&id).filter(|_| !manner.summon);
        let before = manager.and_then(|manager| perform::visit(home, &manager, &mut self.places));
        open::open(&id, environ)?;
        let deadline = Deadline::after(OPEN);
        loop {
            // Neither the terminal nor the window manager tells when it is there.
            clock::sleep(LOOK_FOR);
            match self.once(session, manner, environ) {
                Err(_) if !deadline.passed() => {}
                Err(trouble) if trouble.code == TroubleCode::MuxDetached => {
                    return Err(open::unseen(&id));
                }
                done => return done.map(|done| Done { before, ..done }),
            }
        }
    }

    fn find(&mut self, session: &Session, environ: &Environ) -> Result<Found, Trouble> {
        self.places.begin();
        self.places
            .find(session, environ)
            .map_err(|nowhere| nowhere.0)
    }

    /// What had the focus before the move: the tree of this pass was read before it.
    fn start(&self, known: Option<Focus>, manner: Manner, found: &Found) -> Option<Focus> {
        let manager = found.place.window.as_ref()?.manager.as_ref()?;
        // A menu in a window of its own had it, and is gone.
        let gone = |focus: &Focus| manner.settle && !self.places.still_has(manager, focus);
        let known = known.filter(|focus| !gone(focus));
        known.or_else(|| self.places.focus_at(manager))
    }

    /// Finds the window and focuses it, unless it has the focus.
    fn once(
        &mut self,
        session: &Session,
        manner: Manner,
        environ: &Environ,
    ) -> Result<Done, Trouble> {
        let mut found = self.find(session, environ)?;
        if manner.summon {
            self.within_reach(&found, manner, environ)?;
        }
        let tabs = tabs::look(&found, session, &self.places);
        if let Some(tabs) = &tabs {
            tabs.lead(&mut found, &self.places);
        }
        let mut summoned = None;
        let in_view = found.place.window.as_ref().is_some_and(|w| w.focused)
            && !found.uncertain
            && tabs.is_none();
        if !in_view {
            if manner.summon {
                summoned = perform::summon(&found, &mut self.places)?;
            }
            perform::perform(&found.actions, &mut self.places)?;
        }
        let doubt = tabs.and_then(|tabs| tabs.bring_up(session).err());
        Ok(Done {
            found,
            summoned,
            doubt,
            before: None,
        })
    }
}

fn told_of(place: &str) -> CleanText {
    CleanText::line(&format!("its window is on {place}"))
}

/// A move that was made.
struct Done {
    found: Found,
    summoned: Option<Summoned>,
    /// Why its window may show something else.
    doubt: Option<Trouble>,
    /// What had the focus before its window was opened, if it was.
    before: Option<Focus>,
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::sync::Mutex;

    use super::*;
    use crate::core::model::{ConId, Host, Pid, Window, WindowKey, WmAddress, WmTree, Xid};
    use crate::desktop::fake::Fake;
    use crate::sys::proc::Proc;

    /// A process with a window of its own, which has not the focus.
    struct World {
        child: Child,
        tree: WmTree,
        session: Session,
        client: Environ,
    }

    impl World {
        /// A mover of the focus, and what it asks a window manager that keeps none from it.
        fn focuser(&self) -> (Focuser, Arc<Mutex<Vec<&'static str>>>) {
            let fake = Fake::new(&WmAddress("fake:".into()), &self.tree, true);
            let asked = fake.asked();
            let mut focuser = Focuser::new(Path::new("/proc"), Environ::default()).unwrap();
            let (_, own) = focuser.places.surroundings(self.session.pid);
            let environs = [&self.client, &own];
            focuser.places.pretend(Box::new(fake), &environs);
            (focuser, asked)
        }

        fn new() -> Self {
            let mut command = Command::new("sleep");
            command.arg("60").stdin(Stdio::null());
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            let child = quiet.spawn().unwrap();
            let pid = Pid(child.id());
            let window = |number: u32, pid, focused| Window {
                key: WindowKey::Con(ConId(number.into())),
                xid: Some(Xid(number)),
                pid: Some(pid),
                focused,
                ..Window::default()
            };
            let (shown, other) = (window(7, pid, false), window(8, Pid(1), true));
            let session = Session {
                id: Proc::open(Path::new("/proc"))
                    .unwrap()
                    .key(pid)
                    .unwrap()
                    .into(),
                pid,
                host: Some(Host {
                    kind: HostKind::Terminal,
                    ..Host::default()
                }),
                window: Some(WindowRef {
                    key: shown.key,
                    xid: shown.xid,
                    manager: Some(WmAddress("fake:".into())),
                    ..WindowRef::default()
                }),
                ..Session::default()
            };
            let tree = WmTree {
                focus: other.focus(),
                windows: vec![shown, other],
                ..WmTree::default()
            };
            let client = Environ::parse(b"DISPLAY=:fake\0");
            Self {
                child,
                tree,
                session,
                client,
            }
        }

        /// What a switch asks, and where its way back leads.
        fn switch(&self, here: Option<&Here>) -> (Vec<&'static str>, Focus) {
            let (mut focuser, asked) = self.focuser();
            let done = focuser.switch(&self.session, Manner::default(), &self.client, here);
            assert_eq!(done, Ok(None));
            let asked = asked.lock().unwrap().clone();
            (asked, focuser.trails().last().unwrap().origin.clone())
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    /// Each question is a round trip: those of a switch are felt.
    #[test]
    fn a_switch_asks_its_window_manager_no_more_than_it_must() {
        let world = World::new();
        let before = world.tree.focus.clone();
        let asked = world.switch(None);
        assert_eq!(asked, (vec!["tree", "focus", "tree"], before.clone()));
        let here = Here {
            read_at: clock::steady(),
            focuses: vec![(WmAddress("fake:".into()), before.clone())],
        };
        let asked = world.switch(Some(&here));
        assert_eq!(
            asked,
            (vec!["focus", "tree"], before),
            "the window was known"
        );
    }

    /// A key that does nothing is taken for broken.
    #[test]
    fn who_is_where_he_came_from_is_told_so() {
        let world = World::new();
        let (mut focuser, asked) = world.focuser();
        let plain = Manner::default();
        let switched = focuser.switch(&world.session, plain, &world.client, None);
        assert_eq!(switched, Ok(None));
        // Its user has gone back by himself.
        let (manager, before) = (WmAddress("fake:".into()), world.tree.focus.id());
        let clicked = focuser.places.with(&manager, |wm| wm.focus(&before));
        clicked.unwrap();
        asked.lock().unwrap().clear();
        for dry_run in [true, false] {
            let nowhere = focuser.back(Manner::plain(dry_run, false), &world.client);
            let words = nowhere.unwrap_err().message.to_string();
            assert_eq!(words, "you are where you came from");
        }
        assert_eq!(*asked.lock().unwrap(), ["tree", "tree"], "nothing is moved");
    }
}
