//! What the engine publishes, and how threads wake each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::event::{EventfdFlags, eventfd};

use super::supervise::Pulse;
use crate::core::model::{Dialog, Event, HookReport, LocalKey, SessionKey, TitleFact, Trouble};
use crate::core::registry::Snapshot;
use crate::desktop::Homes;
use crate::desktop::here::{Here, Lately};
use crate::protocol::reply::{Body, Contents, SourceStatus, render};
use crate::protocol::{EventLine, Reply};
use crate::serve::config::Config;
use crate::sys::clock;

/// Reports of hooks that wait at most: some hundred sessions at once send fewer.
const HOOKS: usize = 256;

/// Bytes of events that wait for the server at most. Past this the whole state is shorter.
const UNSENT: usize = 4 << 20;

/// Which request of which connection an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    /// Slot of the connection.
    pub(super) slot: usize,
    /// Grows with each request: a connection that is gone gets no answer.
    pub(super) serial: u64,
}

/// An answer that was worked out elsewhere.
pub(super) enum Completion {
    /// To be sent as it is.
    Reply(Vec<u8>),
    /// The end of a conversation, for rofi.
    RofiPreview(SessionKey, Contents),
    /// What a session asks, for rofi.
    RofiDialog(SessionKey, Result<Dialog, String>),
    /// A session was answered, for rofi.
    RofiAnswered(Result<(), String>),
    /// A session was told to end, for rofi.
    RofiEnded(Result<(), Trouble>),
}

impl Completion {
    /// The reply to a verb.
    pub(super) fn reply<R: Body>(reply: &Reply<R>) -> Self {
        Self::Reply(render(reply))
    }
}

/// Wakes a thread that polls.
pub(super) struct Wake(OwnedFd);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Wakes the thread, or lets it not sleep.
    pub(super) fn wake(&self) {
        // Fails only if the counter is full: then it is awake anyway.
        let _written = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes all wakes so far.
    pub(super) fn clear(&self) {
        let mut counter = [0u8; 8];
        let _read = rustix::io::read(&self.0, &mut counter);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What all threads share: the newest snapshot, and answers on their way to the server.
pub(super) struct Published {
    snapshot: Mutex<Arc<Snapshot>>,
    completions: Mutex<Vec<(Ticket, Completion)>>,
    /// Requests that are worked on elsewhere and whose clients still wait, by their serials.
    expected: Mutex<BTreeSet<u64>>,
    sources: Mutex<BTreeMap<String, SourceStatus>>,
    /// What each thread is at.
    pub(super) pulse: Pulse,
    /// Event lines on their way to subscribers, with their serials.
    events: Mutex<Vec<(u64, Vec<u8>)>>,
    subscribers: AtomicUsize,
    here: Mutex<Lately>,
    /// What has the focus, while the source of windows sleeps and would be told of a change.
    here_now: Mutex<Option<Here>>,
    /// Wakes the server.
    pub(super) wake: Wake,
    /// Reports of hooks on their way to the source of sessions, and when they arrived.
    hooks: Mutex<Vec<(HookReport, DateTime<Utc>)>>,
    /// What titles say, on its way to the source of sessions: of each the newest.
    titles: Mutex<BTreeMap<LocalKey, TitleFact>>,
    /// The sessions whose titles would tell more than is known, and since when.
    wanted_titles: Mutex<BTreeMap<LocalKey, DateTime<Utc>>>,
    /// Wakes the source of sessions.
    pub(super) sessions: Wake,
    /// Wakes the source of windows.
    pub(super) desktop: Wake,
    /// Wakes the thread of notifications.
    pub(super) alerts: Wake,
    /// Wakes the thread of capture.
    pub(super) capture: Wake,
    /// It wants to hear of sessions: a commit waits for the end of a turn.
    pub(super) capture_waits: AtomicBool,
    /// Where the terminals of hosted sessions are opened.
    homes: Mutex<Arc<Homes>>,
    /// Clients do not get here any more.
    displaced: AtomicBool,
    /// The source of windows shall look again, though no event told it to.
    pass: AtomicBool,
    /// What the user configured, as it was read last.
    config: Mutex<Arc<Config>>,
}

impl Published {
    pub(super) fn new(config: Config) -> io::Result<Self> {
        Ok(Self {
            config: Mutex::new(Arc::new(config)),
            snapshot: Mutex::default(),
            completions: Mutex::default(),
            expected: Mutex::default(),
            sources: Mutex::default(),
            pulse: Pulse::new(),
            events: Mutex::default(),
            subscribers: AtomicUsize::new(0),
            here: Mutex::default(),
            here_now: Mutex::default(),
            wake: Wake::new()?,
            hooks: Mutex::default(),
            titles: Mutex::default(),
            wanted_titles: Mutex::default(),
            sessions: Wake::new()?,
            desktop: Wake::new()?,
            alerts: Wake::new()?,
            capture: Wake::new()?,
            capture_waits: AtomicBool::new(false),
            homes: Mutex::default(),
            displaced: AtomicBool::new(false),
            pass: AtomicBool::new(false),
        })
    }

    /// What the user configured.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&locked(&self.config))
    }

    /// What the user has changed it to: who goes by it is woken.
    pub(super) fn set_config(&self, config: Config) {
        *locked(&self.config) = Arc::new(config);
        self.alerts.wake();
        self.request_pass();
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        *locked(&self.snapshot) = Arc::new(snapshot);
    }

    /// Publishes a snapshot, and the events that led to it. Events that nobody has subscribed to
    /// are not written: a subscriber counts itself first and reads the snapshot after, so that
    /// it misses none.
    pub(super) fn publish_events(&self, snapshot: Snapshot, events: Vec<Event>) {
        let first = snapshot.generation + 1 - events.len() as u64;
        self.publish(snapshot);
        if self.subscribers.load(Ordering::SeqCst) > 0 {
            let numbered = events.into_iter().zip(first..);
            let lines = numbered.map(|(event, seq)| (seq, EventLine::of(seq, event).render()));
            let mut unsent = locked(&self.events);
            unsent.extend(lines);
            if unsent.iter().map(|(_, line)| line.len()).sum::<usize>() > UNSENT {
                *unsent = vec![self.whole_state()];
            }
        }
        self.wake.wake();
        self.desktop.wake();
        self.alerts.wake();
        if self.capture_waits.load(Ordering::Relaxed) {
            self.capture.wake();
        }
    }

    /// The event that takes the place of all before it.
    fn whole_state(&self) -> (u64, Vec<u8>) {
        let snapshot = self.snapshot();
        let (seq, sessions) = (snapshot.generation, snapshot.sessions.clone());
        (seq, EventLine::state(seq, sessions).render())
    }

    /// Counts one subscriber more or less.
    pub(super) fn count_subscriber(&self, more: bool) {
        if more {
            self.subscribers.fetch_add(1, Ordering::SeqCst);
        } else {
            self.subscribers.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(super) fn take_events(&self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut *locked(&self.events))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&locked(&self.snapshot))
    }

    /// Somebody waits for the answer to a request, or does no more.
    pub(super) fn expect(&self, serial: u64, waits: bool) {
        if waits {
            locked(&self.expected).insert(serial);
        } else {
            locked(&self.expected).remove(&serial);
        }
    }

    /// Whether a request is still to be done: nobody has it done once its client has given up.
    pub(super) fn is_expected(&self, ticket: Ticket) -> bool {
        locked(&self.expected).contains(&ticket.serial)
    }

    /// Hands an answer to the server.
    pub(super) fn complete(&self, ticket: Ticket, completion: Completion) {
        locked(&self.completions).push((ticket, completion));
        self.wake.wake();
    }

    pub(super) fn take_completions(&self) -> Vec<(Ticket, Completion)> {
        std::mem::take(&mut *locked(&self.completions))
    }

    /// Hands a hook's report to the source of sessions; not if that has too many to do already.
    pub(super) fn report_hook(&self, report: HookReport) -> bool {
        let mut hooks = locked(&self.hooks);
        if hooks.len() >= HOOKS {
            return false;
        }
        hooks.push((report, clock::now()));
        drop(hooks);
        self.sessions.wake();
        true
    }

    pub(super) fn take_hooks(&self) -> Vec<(HookReport, DateTime<Utc>)> {
        self.sessions.clear();
        std::mem::take(&mut *locked(&self.hooks))
    }

    /// Hands what titles say to the source of sessions.
    pub(super) fn tell_titles(&self, news: Vec<(LocalKey, TitleFact)>) {
        if !news.is_empty() {
            locked(&self.titles).extend(news);
            self.sessions.wake();
        }
    }

    pub(super) fn take_titles(&self) -> BTreeMap<LocalKey, TitleFact> {
        std::mem::take(&mut *locked(&self.titles))
    }

    /// Says whose titles would tell more than is known, and since when.
    pub(super) fn want_titles(&self, wanted: BTreeMap<LocalKey, DateTime<Utc>>) {
        let mut before = locked(&self.wanted_titles);
        if *before != wanted {
            *before = wanted;
            drop(before);
            self.desktop.wake();
        }
    }

    pub(super) fn wanted_titles(&self) -> BTreeMap<LocalKey, DateTime<Utc>> {
        locked(&self.wanted_titles).clone()
    }

    /// Says how a source is.
    pub(super) fn report(&self, source: &str, ok: bool, detail: String) {
        self.report_lacking(source, ok, detail, None);
    }

    /// Says how a source is, and what it has to do without.
    pub(super) fn report_lacking(
        &self,
        source: &str,
        ok: bool,
        detail: String,
        lacks: Option<String>,
    ) {
        let status = SourceStatus {
            ok,
            detail,
            lacks,
            at: Some(clock::now()),
        };
        locked(&self.sources).insert(source.to_owned(), status);
    }

    /// How each source is. One that hangs cannot say so itself.
    pub(super) fn sources(&self) -> BTreeMap<String, SourceStatus> {
        let mut sources = locked(&self.sources).clone();
        for (name, busy) in self.pulse.stuck() {
            let source = sources.entry(name.to_owned()).or_default();
            source.ok = false;
            source.detail = format!("it hangs: busy with one thing for {} s", busy.as_secs());
        }
        sources
    }

    /// Has the server look after its socket.
    pub(super) fn displace(&self) {
        self.displaced.store(true, Ordering::Release);
        self.wake.wake();
    }

    pub(super) fn take_displaced(&self) -> bool {
        self.displaced.swap(false, Ordering::AcqRel)
    }

    /// Asks the source of windows to look again.
    pub(super) fn request_pass(&self) {
        self.pass.store(true, Ordering::Release);
        self.desktop.wake();
    }

    pub(super) fn take_pass_request(&self) -> bool {
        self.pass.swap(false, Ordering::AcqRel)
    }

    /// Says where the terminals of hosted sessions are opened.
    pub(super) fn set_homes(&self, homes: Homes) {
        *locked(&self.homes) = Arc::new(homes);
    }

    pub(super) fn homes(&self) -> Arc<Homes> {
        Arc::clone(&locked(&self.homes))
    }

    pub(super) fn set_here(&self, here: Here) {
        locked(&self.here).set(here);
    }

    /// Says what has the focus as long as nothing else is said, or that it has to be read.
    pub(super) fn set_here_now(&self, here: Option<Here>) {
        *locked(&self.here_now) = here;
    }

    /// What has the focus, unless that has to be read first.
    pub(super) fn here(&self) -> Option<Here> {
        locked(&self.here_now).clone()
    }

    /// What had the focus this long ago, as far as it was read: when a menu closes, the window
    /// below the pointer gets the focus.
    pub(super) fn here_before(&self, while_ago: Duration) -> Option<Here> {
        locked(&self.here)
            .before(while_ago, clock::steady())
            .cloned()
    }

    /// Name of the workspace that has the focus.
    pub(super) fn workspace(&self) -> Option<String> {
        let here = locked(&self.here);
        let here = here.now()?;
        let mut names = here.focuses.iter().map(|(_, focus)| &focus.workspace.name);
        names.find(|name| !name.is_empty()).map(ToString::to_string)
    }
}

/// A thread that panicked while it held the lock left a whole value: each is replaced at once.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Session, State, made};
    use crate::core::text::CleanText;

    #[test]
    fn events_that_nobody_takes_become_the_whole_state() {
        let published = Published::new(Config::default()).unwrap();
        published.count_subscriber(true);
        let session = Arc::new(Session {
            preview: CleanText::line(&"x".repeat(1000)).some(),
            ..made::session(1, "/srv/shop", State::Idle)
        });
        for generation in 1..=10_000 {
            let snapshot = Snapshot {
                generation,
                sessions: vec![Arc::clone(&session)],
            };
            let session = Arc::clone(&session);
            published.publish_events(snapshot, vec![Event::Session { session }]);
        }
        let taken = published.take_events();
        let bytes: usize = taken.iter().map(|(_, line)| line.len()).sum();
        assert!(bytes <= UNSENT, "{bytes}");
        let first = String::from_utf8_lossy(&taken[0].1);
        assert!(first.contains("\"event\":\"state\""), "{first:.80}");
        let serials: Vec<u64> = taken.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(serials.last(), Some(&10_000));
        assert!(serials.is_sorted());
    }
}
