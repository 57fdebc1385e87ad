//! One output per change, for as long as the bar reads. One loop waits for events of the daemon,
//! for clicks, for the bar's end, and for the moment when a shown age is one more.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::super::call::{Context, unreachable_daemon};
use super::super::out;
use super::click::{self, Clicks};
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::model::{Event, Mirror, Session};
use crate::frontend::bar::{self, Format, Look};
use crate::protocol::EventLine;
use crate::protocol::client::ClientError;
use crate::protocol::subscription::{Heard, Subscription};
use crate::serve::reply;
use crate::sys::clock::{self, Deadline};

/// How long the last text stands once the daemon is gone: a restart takes less.
const GRACE: Duration = Duration::from_secs(2);
/// Events that are taken in before the bar is looked at again.
const BURST: usize = 1024;
/// What a bar shows while there is no daemon, and while it does not answer.
const OFF: &str = "vmux off";
const HANGS: &str = "vmux hangs";

pub(super) fn run(context: &Context, format: Format) -> anyhow::Result<Exit> {
    if context.no_daemon {
        return Err(Failure::new("could not follow without a daemon")
            .exit(Exit::Usage)
            .into());
    }
    out::write(bar::header(format).as_bytes())?;
    let mut follower = Follower::new(context, format);
    loop {
        let more = follower.hear();
        let mut change = follower.say()?;
        if more {
            change = Some(Duration::ZERO);
        }
        if !follower.wait(change)? {
            return Ok(Exit::Done);
        }
    }
}

struct Follower<'c> {
    context: &'c Context,
    format: Format,
    events: Subscription,
    /// What is known, once anything is.
    mirror: Option<Mirror>,
    /// While there is no daemon: how long what it said last still stands.
    grace: Option<Deadline>,
    /// What it says once that is over.
    off: &'static str,
    clicks: Option<Clicks>,
    said: String,
}

impl<'c> Follower<'c> {
    fn new(context: &'c Context, format: Format) -> Self {
        let socket = &context.paths.socket;
        let events = context.connect().and_then(|client| {
            Subscription::over(client, socket).map_err(|error| unreachable_daemon(&error))
        });
        let (events, grace) = match events {
            Ok(events) => (events, None),
            Err(error) => {
                exit::complain(&error.into());
                let over = Deadline::after(Duration::ZERO);
                (Subscription::to(socket), Some(over))
            }
        };
        Self {
            context,
            format,
            events,
            mirror: None,
            grace,
            off: OFF,
            clicks: Clicks::listen(context, format),
            said: String::new(),
        }
    }

    /// Takes in what has happened. Whether there may be more, which no descriptor tells of.
    fn hear(&mut self) -> bool {
        for _ in 0..BURST {
            match self.events.hear_if_any() {
                Some(Heard::Line(line)) => {
                    self.context.note(self.events.other());
                    // What a newer daemon says and this program cannot read is none of its business.
                    if let Ok(line) = serde_json::from_slice::<EventLine>(&line) {
                        self.apply(&line.event);
                    }
                }
                Some(Heard::Lost(error)) => {
                    log::info!("{error}");
                    let hangs = matches!(error, ClientError::Slow);
                    self.off = if hangs { HANGS } else { OFF };
                    // One that hangs has had its time.
                    let grace = if hangs { Duration::ZERO } else { GRACE };
                    self.grace.get_or_insert_with(|| Deadline::after(grace));
                }
                None => return false,
            }
        }
        true
    }

    fn apply(&mut self, event: &Event) {
        if matches!(event, Event::State { .. }) {
            self.grace = None;
        }
        self.mirror.get_or_insert_default().apply(event);
    }

    /// Writes out what is new; says when it changes though nothing happens.
    fn say(&mut self) -> std::io::Result<Option<Duration>> {
        let now = clock::now();
        let (text, change) = match (&self.mirror, self.grace) {
            (_, Some(grace)) if grace.passed() => {
                (Look::off(self.off, now).render(self.format, true), None)
            }
            (_, Some(grace)) => return Ok(Some(grace.left())),
            (None, None) => return Ok(None),
            (Some(mirror), None) => {
                let all: Vec<std::sync::Arc<Session>> = mirror.0.values().cloned().collect();
                let sessions = reply::listed(&all, false);
                let text = Look::of(&sessions, now).render(self.format, true);
                (text, bar::next_change(self.format, &sessions, now))
            }
        };
        if text != self.said {
            out::write(text.as_bytes())?;
            self.said = text;
        }
        Ok(change)
    }

    /// Waits for an event, a click or `change`. Whether anybody still reads.
    fn wait(&mut self, change: Option<Duration>) -> std::io::Result<bool> {
        let retry = self.events.retry_in();
        let left = Some(change.map_or(retry, |change| change.min(retry)));
        let stdout = rustix::stdio::stdout();
        // No event is asked for: an error is told all the same.
        let mut fds = vec![PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
        if self.clicks.is_some() {
            fds.push(PollFd::from_borrowed_fd(click::stdin(), PollFlags::IN));
        }
        if let Some(events) = self.events.fd() {
            fds.push(PollFd::from_borrowed_fd(events, PollFlags::IN));
        }
        match poll(&mut fds, left.map(clock::timespec).as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        if !fds[0].revents().is_empty() {
            return Ok(false);
        }
        let clicked = self.clicks.is_some() && !fds[1].revents().is_empty();
        if clicked
            && let Some(clicks) = &mut self.clicks
            && !clicks.read(self.context)
        {
            self.clicks = None;
        }
        Ok(true)
    }
}
