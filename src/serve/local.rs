//! The same answers without a daemon: one scan, one look at the windows, one reply.

use std::sync::Arc;

use anyhow::Context as _;

use crate::core::model::{Observation, Session, Trouble, TroubleCode};
use crate::core::order::Walk;
use crate::core::registry::{MarkChange, Marks, Registry};
use crate::core::text::CleanText;
use crate::desktop::focus::{Focuser, Manner};
use crate::desktop::kept;
use crate::desktop::place::Places;
use crate::desktop::shown;
use crate::frontend::row;
use crate::protocol::{Format, ListArgs, Reply, Request, Target};
use crate::serve::act;
use crate::serve::labels;
use crate::serve::reply::{self, find, listed, switch_reply};
use crate::source::scout::{Roots, Scout};
use crate::sys::clock;
use crate::sys::paths::Paths;
use crate::sys::proc::Environ;

/// Everything found out once.
pub struct Local {
    registry: Registry,
    kept: Marks,
    paths: Paths,
    environ: Environ,
}

impl Local {
    /// Scans once, and looks where each session is shown.
    ///
    /// # Errors
    /// If `/proc` or the labels cannot be read.
    pub fn look(paths: &Paths, environ: &Environ) -> anyhow::Result<Self> {
        let kept = labels::load(&paths.labels).unwrap_or_else(|refused| {
            log::warn!("{} (to mend it: {})", refused.cause, refused.remedy);
            None
        });
        let kept = kept.unwrap_or_default();
        let mut registry = Registry::new(kept.clone());
        let mut scout = Scout::new(Roots::of(paths)).context("could not look for sessions")?;
        let now = clock::now();
        for observation in scout.scan(now).context("could not read /proc")? {
            registry.apply(observation, now);
        }
        let mut places = Places::new(&paths.proc, environ.clone())?;
        places.begin();
        for session in registry.snapshot().sessions {
            if let Some(key) = session.id.local() {
                let place = shown(places.find(&session, environ));
                registry.apply(Observation::Placed(key, Box::new(place)), now);
            }
        }
        Ok(Self {
            registry,
            kept,
            paths: paths.clone(),
            environ: environ.clone(),
        })
    }

    /// Answers a request, with the payload if it has one.
    pub fn answer(&mut self, request: &Request) -> (Reply, Vec<u8>) {
        let sessions = self.registry.snapshot().sessions;
        let reply = match request {
            Request::List(args) => return list(&sessions, args),
            Request::Switch(args) => with(&args.target, &sessions, |session| {
                let manner = Manner {
                    summon: args.summon,
                    ..Manner::plain(args.dry_run, args.settle)
                };
                self.switch(&session, manner)
            }),
            Request::Next(args) => match Walk::default().next(&sessions, clock::now()) {
                Some((session, _)) => {
                    self.switch(&session, Manner::plain(args.dry_run, args.settle))
                }
                None => reply::nothing_next(),
            },
            Request::Back(args) => {
                let manner = Manner::plain(args.dry_run, args.settle);
                reply::back_reply(self.with_focuser(|focuser| focuser.back(manner)))
            }
            Request::Label(args) => with(&args.target.named(), &sessions, |session| {
                let label = CleanText::line(&args.label).some();
                self.mark(&session, MarkChange::Label(label))
            }),
            Request::Snooze(args) => with(&args.target.named(), &sessions, |session| {
                let until = reply::snoozed_until(args.seconds, clock::now());
                self.mark(&session, MarkChange::Snooze(until))
            }),
            Request::Pin(args) => with(&args.target.named(), &sessions, |session| {
                self.mark(&session, MarkChange::Pin(!args.off))
            }),
            Request::End(args) => with(&args.target.named(), &sessions, |session| {
                reply::end_reply(&session, act::end(&session))
            }),
            Request::Preview(args) => with(&args.target, &sessions, |session| {
                preview(session, args.messages.max(1))
            }),
            Request::Explain(args) => {
                with(&args.target, &sessions, |session| self.explain(&session))
            }
            Request::Ping
            | Request::Ask(_)
            | Request::Asked(_)
            | Request::Answer(_)
            | Request::Hook(_)
            | Request::Rofi(_)
            | Request::Status
            | Request::Subscribe
            | Request::Stop => Reply::error("no_daemon", "this needs the daemon"),
        };
        (reply, Vec::new())
    }

    fn switch(&self, session: &Arc<Session>, manner: Manner) -> Reply {
        let done =
            self.with_focuser(|focuser| focuser.switch(session, manner, &self.environ, None));
        switch_reply(session, done.err())
    }

    /// Moves the focus, and keeps the way back.
    fn with_focuser<T>(
        &self,
        go: impl FnOnce(&mut Focuser) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut focuser = Focuser::new(&self.paths.proc, self.environ.clone())
            .map_err(|error| Trouble::new(TroubleCode::NoWm, &error.to_string()))?;
        let kept_in = self.paths.trail();
        let before = kept::load(&kept_in);
        if let Some(trail) = &before {
            focuser.set_trail(trail.clone());
        }
        let done = go(&mut focuser);
        let trail = focuser
            .trail()
            .filter(|trail| before.as_ref() != Some(trail));
        let saved = trail.map(|trail| kept::save(&kept_in, trail));
        if let Some(Err(error)) = saved {
            log::warn!("could not write {}: {error}", kept_in.display());
        }
        done
    }

    fn mark(&mut self, session: &Arc<Session>, change: MarkChange) -> Reply {
        let key = match reply::here(session) {
            Ok(key) => key,
            Err(reply) => return *reply,
        };
        self.registry.mark(key, change, clock::now());
        let owed = self.registry.take_owed_marks().unwrap_or_default();
        match labels::update(&self.paths.labels, &self.kept, &owed) {
            Err(refused) => Reply {
                hint: Some(refused.remedy),
                ..Reply::error(
                    "unsaved",
                    format!("could not save the change: {}", refused.cause),
                )
            },
            Ok(_) => Reply {
                sessions: self
                    .registry
                    .snapshot()
                    .by_key(&session.id)
                    .cloned()
                    .into_iter()
                    .collect(),
                ..Reply::done()
            },
        }
    }

    fn explain(&self, session: &Arc<Session>) -> Reply {
        let key = session.id.local();
        let explanation = key.and_then(|key| self.registry.explain(key, clock::now()));
        let raw =
            explanation.and_then(|explanation| serde_json::value::to_raw_value(&explanation).ok());
        Reply {
            sessions: vec![Arc::clone(session)],
            explanation: raw,
            ..Reply::done()
        }
    }
}

fn list(sessions: &[Arc<Session>], args: &ListArgs) -> (Reply, Vec<u8>) {
    let sessions = listed(sessions, args.all);
    if args.format != Format::Json {
        let text = reply::list_text(args, &row::rows(&sessions, clock::now()));
        return (Reply::done(), text.into_bytes());
    }
    let reply = Reply {
        sessions,
        ..Reply::done()
    };
    (reply, Vec::new())
}

fn preview(session: Arc<Session>, messages: usize) -> Reply {
    match act::read_preview(&session, messages) {
        Ok(preview) => Reply {
            sessions: vec![session],
            preview,
            ..Reply::done()
        },
        Err(error) => Reply::error("unreadable", error),
    }
}

fn with(
    target: &Target,
    sessions: &[Arc<Session>],
    then: impl FnOnce(Arc<Session>) -> Reply,
) -> Reply {
    match find(target, sessions) {
        Ok(session) => then(session),
        Err(reply) => *reply,
    }
}
