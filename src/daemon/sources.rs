//! The threads of the sources: each is started again, after a pause, if it fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::capture::Capture;
use super::lock::Instance;
use super::published::Published;
use super::supervise::{PANICKED, Part, caught};
use super::titles::{self, Shown, Spot, Titles};
use super::{Input, Settings};
use crate::agent;
use crate::core::model::{
    Action, Focus, Kind, LocalKey, Observation, Place, Session, State, WindowKey, WmAddress,
};
use crate::core::registry::Snapshot;
use crate::core::sorted::Gather as _;
use crate::desktop::here::Here;
use crate::desktop::host::{self, typing::Typing};
use crate::desktop::place::Places;
use crate::desktop::wm::{Since, Watch};
use crate::desktop::{Finding, Found, PaneTitle, shown};
use crate::notify::alert::Urgencies;
use crate::source::scout::{Roots, Scout};
use crate::sys::proc::Environ;
use crate::sys::{clock, image};

/// The safety net: everything is looked at again this often.
const SCAN: Duration = Duration::from_secs(5);
/// Shortest and longest pause before a failed source is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Windows are looked at again at most this often: a burst of events is one change.
const PASS_PACE: Duration = Duration::from_millis(100);
/// After a key tmux is asked what it shows: once it has done what the key says, and this often.
const TYPING_SETTLE: Duration = Duration::from_millis(100);
const TYPING_PACE: Duration = Duration::from_secs(2);
/// Shortest and longest pause before a lost window manager is looked for again.
const WM_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Starts the thread that watches sessions.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn sessions(
    scout: Scout,
    engine: SyncSender<Input>,
    published: Arc<Published>,
    instance: Arc<Instance>,
    capture: Capture,
) -> std::io::Result<()> {
    let roots = scout.roots().clone();
    let run = move || {
        let mut scout = Some(scout);
        let mut pause = RETRY.0;
        loop {
            let started = clock::steady();
            let current = scout.take();
            published.pulse.begin(Part::Sessions);
            let watched = caught("sessions", || {
                let mut scout = current.map_or_else(|| start_anew(&roots, &engine), Ok)?;
                watch(&mut scout, &engine, &published, (&instance, &capture))
            });
            let failed = match watched {
                Some(Ok(())) => return,
                Some(Err(error)) => error.to_string(),
                None => PANICKED.to_owned(),
            };
            log::error!("the source of sessions failed: {failed}");
            published.report("sessions", false, failed);
            published.pulse.rest(Part::Sessions);
            see_that_it_stands(&instance, &published);
            if started.elapsed() > RETRY.1 {
                pause = RETRY.0;
            }
            clock::sleep(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    };
    thread::Builder::new()
        .name("sessions".into())
        .spawn(run)
        .map(drop)
}

/// A scout that finds everything out again, and tells which sessions are left.
fn start_anew(roots: &Roots, engine: &SyncSender<Input>) -> std::io::Result<Scout> {
    let mut scout = Scout::new(roots.clone())?;
    let mut observations = scout.scan(clock::now())?;
    observations.push(Observation::Census(scout.keys()));
    let _sent = engine.send(Input::Observed(observations));
    Ok(scout)
}

/// Watches until the engine is gone.
fn watch(
    scout: &mut Scout,
    engine: &SyncSender<Input>,
    published: &Published,
    (instance, capture): (&Instance, &Capture),
) -> std::io::Result<()> {
    capture.look(scout.captured());
    let mut next_scan = clock::steady() + SCAN;
    let mut starts = true;
    loop {
        let (sessions, directories) = scout.counts();
        let counts = format!("{sessions} sessions, {directories} directories watched");
        let lacks = scout.lack().map(|lack| {
            let pace = SCAN.as_secs();
            format!("sees changes every {pace} s only: {}", lack.words())
        });
        published.report_lacking("sessions", true, counts, lacks);
        published.want_titles(scout.wanted_titles());
        let due = scout.due().map_or(next_scan, |due| due.min(next_scan));
        wait(scout, published, due)?;
        let mut observations = scout.take_events(clock::now());
        for (report, at) in published.take_hooks() {
            observations.extend(scout.take_hook(report, at));
        }
        for (key, title) in published.take_titles() {
            observations.extend(scout.take_title(key, title, clock::now()));
        }
        observations.extend(scout.retry(clock::now()));
        if clock::steady() >= next_scan {
            next_scan = clock::steady() + SCAN;
            see_that_it_stands(instance, published);
            capture.look(scout.captured());
            observations.extend(scout.scan(clock::now())?);
            if std::mem::take(&mut starts) {
                image::let_go();
            }
        }
        if !observations.is_empty() && engine.send(Input::Observed(observations)).is_err() {
            return Ok(());
        }
    }
}

/// Tells the server if clients do not get to it. Here, since this thread is awake now and then.
fn see_that_it_stands(instance: &Instance, published: &Published) {
    if !instance.stands() {
        published.displace();
    }
}

fn wait(scout: &Scout, published: &Published, until: Instant) -> std::io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = scout
        .descriptors()
        .into_iter()
        .chain(std::iter::once(published.sessions.as_fd()))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let timeout = clock::timespec(until.saturating_duration_since(clock::steady()));
    published.pulse.rest(Part::Sessions);
    let polled = poll(&mut fds, Some(&timeout));
    published.pulse.begin(Part::Sessions);
    match polled {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Starts the thread that knows the window of each session.
///
/// # Errors
/// Those of starting a thread and of opening `/proc`.
pub(super) fn desktop(
    engine: SyncSender<Input>,
    published: Arc<Published>,
    settings: &Settings,
) -> std::io::Result<()> {
    let (proc, environ) = (settings.paths.proc.clone(), settings.environ.clone());
    let places = Places::new(&proc, environ.clone())?;
    let mut desktop = Desktop {
        places,
        engine,
        published,
        told: HashMap::new(),
        viewers: Vec::new(),
        events: HashMap::new(),
        urgencies: Urgencies::default(),
        typing: Typing::default(),
        resting: BTreeMap::new(),
        passed: None,
        told_at: None,
        typed_at: None,
        retry: WM_RETRY.0,
        retry_at: None,
        titles: Titles::default(),
    };
    let run = move || {
        while caught("windows", || desktop.run()).is_none() {
            let published = Arc::clone(&desktop.published);
            published.report("windows", false, PANICKED.into());
            published.pulse.rest(Part::Windows);
            clock::sleep(RETRY.0);
            // What cannot be had now is tried again with what is there.
            if let Ok(places) = Places::new(&proc, environ.clone()) {
                desktop.places = places;
                desktop.events.clear();
                let news = desktop.titles.end(now());
                desktop.published.tell_titles(news);
            }
        }
    };
    thread::Builder::new()
        .name("windows".into())
        .spawn(run)
        .map(drop)
}

/// The terminals of clients behind which a session is hidden, each with its window.
fn behind(found: &Found) -> Option<(WindowKey, PathBuf)> {
    let window = found.place.window.as_ref()?;
    found.actions.iter().find_map(|action| match action {
        Action::Show { view, .. } if host::tells_panes(view.host) => {
            Some((window.key, PathBuf::from(&view.client)))
        }
        _ => None,
    })
}

/// The processes that show sessions in the background.
fn viewers(snapshot: &Snapshot) -> impl Iterator<Item = LocalKey> {
    let sessions = snapshot.sessions.iter();
    sessions.flat_map(|session| session.shown_by.iter().copied())
}

struct Desktop {
    places: Places,
    engine: SyncSender<Input>,
    published: Arc<Published>,
    told: HashMap<LocalKey, Place>,
    /// Who showed sessions in the background.
    viewers: Vec<LocalKey>,
    /// What each window manager tells.
    events: HashMap<WmAddress, Box<dyn Watch>>,
    /// Windows that were made urgent.
    urgencies: Urgencies,
    /// Keys typed where a hidden tmux pane may come into view.
    typing: Typing,
    /// Sessions in tmux, and whether each rests.
    resting: BTreeMap<LocalKey, bool>,
    passed: Option<Instant>,
    /// When events were taken last that changed something.
    told_at: Option<Instant>,
    /// When what follows a key will be looked at.
    typed_at: Option<Instant>,
    retry: Duration,
    /// When a window manager that was lost is looked for again.
    retry_at: Option<Instant>,
    titles: Titles,
}

fn now() -> titles::Now {
    (clock::steady(), clock::now())
}

/// The titles that a pass comes by.
#[derive(Default)]
struct Titled {
    shown: BTreeMap<LocalKey, Shown>,
    /// How many sessions are at each place.
    crowds: BTreeMap<Spot, usize>,
}

impl Titled {
    /// Notes where the title of a session stands, if its agent reads it.
    fn note(
        &mut self,
        places: &Places,
        session: &Session,
        (finding, pane): (&Finding, Option<PaneTitle>),
    ) {
        let place = finding.as_ref().ok().map(|found| &found.place);
        let window = place.and_then(|place| place.window.as_ref());
        let (spot, title) = match (pane, window) {
            (Some(PaneTitle { pane, title }), _) => (Spot::Pane(pane.0, pane.1), Some(title)),
            (None, Some(window)) => {
                let manager = window.manager.clone().unwrap_or_default();
                (Spot::Window(manager, window.key), None)
            }
            (None, None) => return,
        };
        *self.crowds.entry(spot.clone()).or_default() += 1;
        let agent = agent::by_name(&session.agent);
        let reader = agent.and_then(|agent| agent.title_reader());
        let (Some(reader), Some(key)) = (reader, session.id.local()) else {
            return;
        };
        let alone = || title.is_some() || finding.as_ref().is_ok_and(|f| places.shows_alone(f));
        if session.kind == Kind::Interactive && alone() {
            let shown = Shown {
                spot,
                reader,
                title,
            };
            self.shown.insert(key, shown);
        }
    }

    /// Those of which no other session can have set it: one may be stopped behind another.
    fn alone(mut self) -> BTreeMap<LocalKey, Shown> {
        let crowds = &self.crowds;
        self.shown
            .retain(|_, shown| crowds.get(&shown.spot) == Some(&1));
        self.shown
    }
}

impl Desktop {
    /// Runs until the engine is gone.
    fn run(&mut self) {
        let mut dirty = true;
        loop {
            self.mark_urgent();
            let known = self.known();
            dirty |= self.hidden_session_came_to_rest();
            dirty |= self.look_after_titles();
            if (dirty || known != self.sessions()) && self.may_pass() {
                match self.pass() {
                    Ok(missed) => dirty = missed,
                    Err(()) => return,
                }
                continue;
            }
            let pace = self
                .passed
                .filter(|_| dirty || known != self.sessions())
                .map(|at| at + PASS_PACE);
            let due = [pace, self.retry_at, self.typed_at, self.titles.due()];
            let until = due.into_iter().flatten().min();
            self.published.set_here_now(self.here());
            dirty |= self.wait(until);
            self.published.set_here_now(None);
            if self.published.take_pass_request() {
                dirty = true;
            }
            for due in [&mut self.retry_at, &mut self.typed_at] {
                dirty |= due.take_if(|at| *at <= clock::steady()).is_some();
            }
        }
    }

    /// What has the focus: as the last pass has read it, or as events have told since. `None` if
    /// they do not tell enough.
    fn here(&self) -> Option<Here> {
        let focus_of = |(manager, read): (WmAddress, Focus)| {
            let focus = match self.events.get(&manager)?.since() {
                Since::Still => read,
                Since::On(key) => self.places.focus_on(&manager, key)?,
                Since::Elsewhere | Since::Unknown => return None,
            };
            Some((manager, focus))
        };
        let focuses = self.places.focuses().into_iter().map(focus_of);
        Some(Here {
            read_at: self.told_at.max(self.passed)?,
            focuses: focuses.collect::<Option<_>>()?,
        })
    }

    fn may_pass(&self) -> bool {
        self.passed.is_none_or(|at| at.elapsed() >= PASS_PACE)
    }

    /// The sessions that there are, and who shows those in the background.
    fn sessions(&self) -> BTreeSet<LocalKey> {
        let snapshot = self.published.snapshot();
        let keys = snapshot.sessions.iter().filter_map(|s| s.id.local());
        keys.chain(viewers(&snapshot)).gather()
    }

    /// Those that the last pass has looked for.
    fn known(&self) -> BTreeSet<LocalKey> {
        self.told.keys().chain(&self.viewers).copied().gather()
    }

    /// Looks at all windows and tells what changed. Returns whether something may have slipped
    /// through: a window manager that was found by this pass was not listened to before.
    fn pass(&mut self) -> Result<bool, ()> {
        let read_at = clock::steady();
        self.passed = Some(read_at);
        // Subscribed before the trees are read, so that nothing slips through between.
        self.subscribe();
        self.events.values_mut().for_each(|watch| watch.restart());
        self.places.begin();
        let snapshot = self.published.snapshot();
        self.viewers = viewers(&snapshot).collect();
        self.places.know(&snapshot.sessions);
        let mut observations = Vec::new();
        let mut lost = 0;
        let mut hidden = Vec::new();
        let mut titled = Titled::default();
        for session in &snapshot.sessions {
            let Some(key) = session.id.local() else {
                continue;
            };
            let nobody = Environ::default();
            let (finding, pane) = self.places.find_with_pane(session, &nobody);
            titled.note(&self.places, session, (&finding, pane));
            if let Ok(found) = &finding
                && session.standing().calls()
            {
                hidden.extend(behind(found));
            }
            let place = shown(finding);
            lost += usize::from(place.trouble.as_ref().is_some_and(|t| t.code.concerns_wm()));
            if self.told.get(&key) != Some(&place) {
                observations.push(Observation::Placed(key, Box::new(place.clone())));
                self.told.insert(key, place);
            }
        }
        self.told
            .retain(|key, _| snapshot.by_key(&(*key).into()).is_some());
        let missed = self.subscribe();
        let news = self.titles.found(titled.alone(), now());
        self.published.tell_titles(news);
        self.heed();
        let focuses = self.places.focuses();
        self.published.set_here(Here { read_at, focuses });
        self.listen(&hidden);
        self.plan_retry(lost, snapshot.sessions.len());
        if !observations.is_empty() {
            let sent = self.engine.send(Input::Observed(observations));
            sent.map_err(drop)?;
        }
        Ok(missed)
    }

    /// Takes over whose titles are wanted, and ends what stands still; whether panes are to be read.
    fn look_after_titles(&mut self) -> bool {
        let now = now();
        let mut news = self.titles.want(&self.published.wanted_titles(), now);
        let (ended, panes) = self.titles.late(now);
        news.extend(ended);
        self.published.tell_titles(news);
        self.heed();
        panes
    }

    /// Has window managers tell the titles that are wanted.
    fn heed(&mut self) {
        let mut windows = self.titles.windows();
        for (manager, events) in &mut self.events {
            events.heed(windows.remove(manager).unwrap_or_default());
        }
    }

    /// Listens to the terminals that have the focus and hide something worth a look.
    fn listen(&mut self, hidden: &[(WindowKey, PathBuf)]) {
        let focuses = self.places.focuses();
        let in_focus = |key: &WindowKey| focuses.iter().any(|(_, focus)| focus.key == *key);
        let terminals = hidden.iter().filter(|(key, _)| in_focus(key));
        self.typing
            .listen(&terminals.map(|(_, terminal)| terminal.clone()).gather());
    }

    /// Whether a session in tmux began to wait, or ended its turn. Whether its pane is in view is
    /// asked then: no event had told.
    fn hidden_session_came_to_rest(&mut self) -> bool {
        let snapshot = self.published.snapshot();
        let in_panes = snapshot.sessions.iter().filter(|session| {
            let host = session.host.as_ref();
            host.is_some_and(|host| host::tells_panes(host.kind))
        });
        let resting: BTreeMap<LocalKey, bool> = in_panes
            .filter_map(|session| Some((session.id.local()?, session.state != State::Working)))
            .gather();
        let before = std::mem::replace(&mut self.resting, resting);
        let came = |(key, rests): (&LocalKey, &bool)| *rests && before.get(key) == Some(&false);
        self.resting.iter().any(came)
    }

    /// Has the window manager colour the workspaces of windows that wait.
    fn mark_urgent(&mut self) {
        let snapshot = self.published.snapshot();
        // Where the user wants it no longer, nobody waits.
        let wanted = self.published.config().urgency;
        let sessions = if wanted { &snapshot.sessions[..] } else { &[] };
        for (window, urgent) in self.urgencies.step(sessions) {
            if let Err(error) = self.places.set_urgent(&window, urgent) {
                log::debug!("could not mark {}: {error}", window.key);
            }
        }
    }

    /// A window manager that does not answer is tried again, ever more rarely.
    fn plan_retry(&mut self, lost: usize, of: usize) {
        let managers = self.places.managers().len();
        // Some run where there is none, on a text console or over ssh; where all do, ours is lost.
        self.published.report(
            "windows",
            lost == 0 || lost < of,
            format!("{managers} window managers, {lost} of {of} sessions without one"),
        );
        if lost == 0 {
            self.retry = WM_RETRY.0;
            self.retry_at = None;
        } else {
            self.retry_at = Some(clock::steady() + self.retry);
            self.retry = (self.retry * 2).min(WM_RETRY.1);
        }
    }

    /// Listens to all window managers that were found; whether one of them is new.
    fn subscribe(&mut self) -> bool {
        let managers = self.places.managers();
        let mut new = false;
        self.events.retain(|manager, _| managers.contains(manager));
        for manager in managers {
            if let std::collections::hash_map::Entry::Vacant(entry) = self.events.entry(manager) {
                match self.places.watch(entry.key()) {
                    Ok(watch) => {
                        entry.insert(watch);
                        new = true;
                    }
                    Err(error) => log::info!("could not follow {}: {error}", entry.key()),
                }
            }
        }
        new
    }

    /// Waits for something to look at; whether windows changed.
    fn wait(&mut self, until: Option<Instant>) -> bool {
        let own = std::iter::once(self.published.desktop.as_fd());
        let events = self.events.values().map(|events| events.descriptor());
        let all = own.chain(self.typing.descriptor()).chain(events);
        let mut fds: Vec<PollFd<'_>> = all
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timeout =
            until.map(|at| clock::timespec(at.saturating_duration_since(clock::steady())));
        // An interrupted wait is a wait that ended.
        self.published.pulse.rest(Part::Windows);
        let _ready = poll(&mut fds, timeout.as_ref());
        self.published.pulse.begin(Part::Windows);
        drop(fds);
        self.published.desktop.clear();
        if self.typing.take() {
            let paced = self
                .passed
                .map_or_else(clock::steady, |at| at + TYPING_PACE);
            self.typed_at = Some(paced.max(clock::steady() + TYPING_SETTLE));
        }
        let taken_at = clock::steady();
        let mut changed = false;
        self.events.retain(|manager, events| match events.drain() {
            Ok(any) => {
                changed |= any;
                true
            }
            Err(error) => {
                log::info!("lost the window manager at {manager}: {error}");
                changed = true;
                false
            }
        });
        if changed {
            self.told_at = Some(taken_at);
        }
        for (manager, events) in &mut self.events {
            let news = self.titles.heard(manager, &events.titles(), now());
            self.published.tell_titles(news);
        }
        changed
    }
}
