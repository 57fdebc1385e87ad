//! `vmux events`: every change as it happens, over restarts of the daemon.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use chrono::{DateTime, Local, Utc};

use super::call::{Context, unreachable_daemon};
use super::out;
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::model::{Event, Session, SessionKey};
use crate::core::text::CleanText;
use crate::frontend::row;
use crate::protocol::EventLine;
use crate::protocol::client::ClientError;
use crate::protocol::subscription::{Heard, Subscription};
use crate::sys::clock;

pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let mut events = subscribe(context)?;
    let mut told = Told::default();
    // Whether that there is nothing to hear was said: it is tried again and again.
    let mut said = false;
    while let Some(heard) = events.hear_for(std::io::stdout()) {
        let line = match heard {
            Heard::Line(line) => {
                context.note(events.other());
                line
            }
            Heard::Lost(error) => {
                if !std::mem::replace(&mut said, true) {
                    exit::complain(&unanswered(context, &error).into());
                }
                continue;
            }
        };
        said = false;
        if json {
            out::write(&line)?;
            continue;
        }
        // A line that cannot be read is news of a kind that only a newer vmux knows.
        if let Ok(line) = serde_json::from_slice::<EventLine>(&line) {
            out::write(told.describe(&line.event, clock::now()).as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// Why there is nothing to hear, and what can be done.
fn unanswered(context: &Context, error: &ClientError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        ClientError::Slow => failure.hint(super::daemon::hung(&context.paths)),
        _ => failure.hint("the next one is waited for; `vmux daemon start` starts it"),
    }
}

/// A stream of events from the daemon, which is started if need be.
///
/// # Errors
/// If there is to be no daemon, or none can be had.
pub(super) fn subscribe(context: &Context) -> Result<Subscription, Failure> {
    if context.no_daemon {
        return Err(Failure::new("could not follow events without a daemon").exit(Exit::Usage));
    }
    Subscription::over(context.connect()?, &context.paths.socket)
        .map_err(|error| unreachable_daemon(&error))
}

/// What a reader has been told of each session: name, state, and what it is about.
#[derive(Default)]
struct Told(BTreeMap<SessionKey, (CleanText, String, CleanText)>);

impl Told {
    /// An event as people read it: only what changes a row, not its every detail.
    fn describe(&mut self, event: &Event, now: DateTime<Utc>) -> String {
        match event {
            Event::State { sessions } => {
                let gone: Vec<SessionKey> = self.0.keys().cloned().collect();
                let gone = gone
                    .into_iter()
                    .filter(|id| sessions.iter().all(|session| session.id != *id))
                    .map(|id| self.end(&id, now))
                    .collect::<String>();
                sessions
                    .iter()
                    .fold(gone, |text, session| text + &self.say(session, now))
            }
            Event::Session { session } => self.say(session, now),
            Event::Ended { id } => self.end(id, now),
            Event::Dropped { reason } => line(now, "cut off", reason, ""),
            Event::Unknown => String::new(),
        }
    }

    fn say(&mut self, session: &Arc<Session>, now: DateTime<Utc>) -> String {
        let row = row::rows(slice::from_ref(session), now).remove(0);
        let state = row.state.split(' ').next().unwrap_or_default().to_owned();
        let words = (row.name, state, row.detail);
        if self.0.get(&session.id) == Some(&words) {
            return String::new();
        }
        let text = line(now, &words.1, &words.0, &words.2);
        self.0.insert(session.id.clone(), words);
        text
    }

    fn end(&mut self, id: &SessionKey, now: DateTime<Utc>) -> String {
        let told = self.0.remove(id);
        told.map_or_else(String::new, |(name, ..)| line(now, "ended", &name, ""))
    }
}

fn line(now: DateTime<Utc>, word: &str, name: &str, detail: &str) -> String {
    let time = now.with_timezone(&Local).format("%H:%M:%S");
    format!(
        "{}\n",
        format!("{time}  {word:<9}{name}  {detail}").trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{State, made};

    #[test]
    fn people_read_what_changed_and_nothing_twice() {
        let idle = made::session(7, "/w/shop", State::Idle);
        let id = idle.id.clone();
        let seen = Session {
            workspace: None,
            state_since: Some(made::second(9)),
            ..idle.clone()
        };
        let busy = Session {
            state: State::Working,
            ..idle.clone()
        };
        let now = made::at(0);
        let mut told = Told::default();
        let mut hear = |event: Event| {
            told.describe(&event, now)
                .split_once("  ")
                .map(|(_, rest)| rest.to_owned())
        };
        let session = |session: &Session| Event::Session {
            session: Arc::new(session.clone()),
        };
        let state = |all: &[&Session]| Event::State {
            sessions: all.iter().map(|s| Arc::new((*s).clone())).collect(),
        };
        assert_eq!(hear(state(&[&idle])).unwrap(), "idle     shop\n");
        assert_eq!(hear(session(&seen)), None, "an age that grows is no news");
        assert_eq!(hear(session(&busy)).unwrap(), "working  shop\n");
        assert_eq!(
            hear(state(&[&busy])),
            None,
            "as after a restart of the daemon"
        );
        assert_eq!(
            hear(state(&[])).unwrap(),
            "ended    shop\n",
            "one that ended meanwhile"
        );
        assert_eq!(hear(Event::Ended { id }), None);
    }
}
