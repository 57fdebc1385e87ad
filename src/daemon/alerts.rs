//! The thread that tells the person: notifications about sessions, and what is done with them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::event::{PollFd, PollFlags, poll};

use super::published::Published;
use super::supervise::{PANICKED, Part, caught};
use super::worker::{FocusJob, MENU_CLOSES};
use super::{Input, Settings};
use crate::core::model::SessionKey;
use crate::core::registry::MarkChange;
use crate::notify::alert::{Alerts, News, Step, Words};
use crate::notify::dbus::BusError;
use crate::notify::{Click, Heard, Notice, Notices};
use crate::sys::clock;
use crate::sys::proc::Environ;

/// What the button says.
const SNOOZE: TimeDelta = TimeDelta::minutes(10);
/// So many notifications in a row are tried again. Who has no notification daemon is left alone.
const ATTEMPTS: u32 = 3;
/// Longest sleep: a clock that jumps must not put a notification off for hours.
const NAP: Duration = Duration::from_secs(10);
/// Pause after a panic.
const PAUSE: Duration = Duration::from_secs(1);

struct Teller {
    alerts: Alerts,
    notices: Option<Notices>,
    /// Notifications that are on the screen.
    shown: BTreeMap<SessionKey, u32>,
    environ: Environ,
    icons: PathBuf,
    published: Arc<Published>,
    engine: SyncSender<Input>,
    focus: SyncSender<FocusJob>,
    /// Notifications in a row that could not be shown.
    failures: u32,
}

/// Starts the thread. It rests while the user wants no notifications.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn start(
    settings: &Settings,
    published: &Arc<Published>,
    engine: SyncSender<Input>,
    focus: SyncSender<FocusJob>,
) -> io::Result<()> {
    let wanted = settings.config.notifications;
    let mut teller = Teller {
        alerts: Alerts::new(wanted),
        notices: None,
        shown: BTreeMap::new(),
        environ: settings.environ.clone(),
        icons: settings.paths.icons(),
        published: Arc::clone(published),
        engine,
        focus,
        failures: 0,
    };
    let run = move || {
        while caught("notifications", || teller.run()).is_none() {
            let published = &teller.published;
            published.report("notifications", false, PANICKED.into());
            published.pulse.rest(Part::Notifications);
            clock::sleep(PAUSE);
        }
    };
    thread::Builder::new()
        .name("alerts".into())
        .spawn(run)
        .map(drop)
}

impl Teller {
    fn run(&mut self) {
        loop {
            let snapshot = self.published.snapshot();
            self.alerts.want(self.published.config().notifications);
            let (steps, due) = self.alerts.step(&snapshot.sessions, clock::now());
            for step in steps {
                match step {
                    Step::Show(key, news, words) => self.show(key, news, &words),
                    Step::Close(key) => self.close(&key),
                }
            }
            // Before the wait: signals that came along with a reply are read already, so no
            // descriptor tells of them.
            if !self.hear() {
                self.wait(due);
            }
        }
    }

    fn show(&mut self, key: SessionKey, news: News, words: &Words) {
        let icon = match news {
            News::Waits => "waiting.svg",
            News::Done => "done.svg",
        };
        let icon = self.icons.join(icon);
        let icon = icon.to_string_lossy();
        let before = self.shown.get(&key).copied();
        let show = |teller: &mut Self| {
            teller.with_notices(|notices| {
                notices.show(&Notice {
                    replaces: before.unwrap_or(0),
                    summary: &words.summary,
                    body: &words.body,
                    icon: &icon,
                    asks: news == News::Waits,
                })
            })
        };
        let known = self.notices.is_some();
        let mut shown = show(self);
        if known && self.notices.is_none() {
            // The notification daemon is gone. News goes to the next one, which this may start;
            // what the old one showed is not shown again.
            if before.is_some() {
                return;
            }
            shown = show(self);
        }
        match shown {
            Ok(id) => {
                self.failures = 0;
                self.shown.insert(key, id);
                self.published
                    .report("notifications", true, "they are shown".into());
            }
            Err(error) => {
                self.failures += 1;
                if self.failures <= ATTEMPTS {
                    self.alerts.retry(&key, clock::now());
                }
                log::info!("could not notify of {key}: {error}");
                self.published
                    .report("notifications", false, error.to_string());
            }
        }
    }

    fn close(&mut self, key: &SessionKey) {
        if let Some(id) = self.shown.remove(key)
            && let Err(error) = self.with_notices(|notices| notices.close(id))
        {
            log::debug!("could not take notification {id} away: {error}");
        }
    }

    /// The notification daemon, connected to anew if it was lost.
    fn with_notices<T>(
        &mut self,
        ask: impl FnOnce(&mut Notices) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let notices = match self.notices.take() {
            Some(notices) => notices,
            None => Notices::connect(&self.environ)?,
        };
        let done = ask(self.notices.insert(notices));
        if done.as_ref().is_err_and(BusError::is_lost) {
            self.lose("it has left the bus");
        }
        done
    }

    /// The notification daemon is gone, and with it all that it showed: its ids are another's by
    /// now. What was told stays told.
    fn lose(&mut self, why: &str) {
        log::info!("lost the notification daemon: {why}");
        self.notices = None;
        for key in std::mem::take(&mut self.shown).into_keys() {
            self.alerts.dismiss(&key);
        }
    }

    fn wait(&self, due: Option<DateTime<Utc>>) {
        let mut fds = vec![PollFd::from_borrowed_fd(
            self.published.alerts.as_fd(),
            PollFlags::IN,
        )];
        let bus = self.notices.iter();
        fds.extend(bus.map(|notices| PollFd::from_borrowed_fd(notices.as_fd(), PollFlags::IN)));
        let left = due.map(|at| (at - clock::now()).to_std().unwrap_or_default().min(NAP));
        // A time that is cut to whole milliseconds would wake a moment too early.
        let timeout = left.map(|left| clock::timespec(left + Duration::from_millis(1)));
        // An interrupted wait is a wait that ended.
        self.published.pulse.rest(Part::Notifications);
        let _ready = poll(&mut fds, timeout.as_ref());
        self.published.pulse.begin(Part::Notifications);
        self.published.alerts.clear();
    }

    /// Does what was asked by a button; whether anything was heard.
    fn hear(&mut self) -> bool {
        let Some(notices) = &mut self.notices else {
            return false;
        };
        let heard = match notices.heard() {
            Ok(heard) => heard,
            Err(error) => {
                self.lose(&error.to_string());
                return true;
            }
        };
        let any = !heard.is_empty();
        for heard in heard {
            match heard {
                Heard::OwnerLost => {
                    self.lose("another one took its place");
                    break;
                }
                Heard::Click(id, click) => self.take_click(id, click),
            }
        }
        any
    }

    fn take_click(&mut self, id: u32, click: Click) {
        let key = self.shown.iter().find(|(_, shown)| **shown == id);
        let Some(key) = key.map(|(key, _)| key.clone()) else {
            return;
        };
        match click {
            Click::Go => self.go(&key),
            Click::Snooze => {
                let until = MarkChange::Snooze(Some(clock::now() + SNOOZE));
                let Some(key) = key.local() else {
                    return;
                };
                if self.engine.try_send(Input::Marked(key, until)).is_err() {
                    log::warn!("could not snooze {key}: the daemon is busy");
                }
            }
            Click::Closed => {
                self.shown.remove(&key);
                self.alerts.dismiss(&key);
            }
        }
    }

    fn go(&self, key: &SessionKey) {
        let Some(session) = self.published.snapshot().by_key(key).cloned() else {
            return;
        };
        let job = FocusJob::AfterMenu {
            session,
            environ: self.environ.clone(),
            here: self.published.here_before(MENU_CLOSES),
        };
        if self.focus.try_send(job).is_err() {
            log::warn!("could not go to {key}: the daemon is busy");
        }
    }
}
