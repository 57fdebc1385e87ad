//! The same answers without a daemon: one scan, one look at the windows, one reply.

use std::sync::Arc;

use anyhow::Context as _;

use crate::core::model::{Observation, Session, Trouble, TroubleCode};
use crate::core::order::Walk;
use crate::core::registry::{MarkChange, Marks, Registry};
use crate::desktop::focus::{Focuser, Manner};
use crate::desktop::kept;
use crate::desktop::place::Places;
use crate::desktop::shown;
use crate::frontend::row;
use crate::protocol::reply::{Acted, Explained, Listed, Moved, Previewed, render};
use crate::protocol::request::{ExplainArgs, Format, ListArgs, PreviewArgs, Target};
use crate::protocol::{Refusal, RefusalCode, Reply, Request};
use crate::serve::act;
use crate::serve::labels;
use crate::serve::reply::{self, find};
use crate::serve::roll;
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
            log::warn!("{} (to fix it: {})", refused.cause, refused.remedy);
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
        places.know(&registry.snapshot().sessions);
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

    /// Answers a request: the line of the reply, and its payload if it has one.
    pub fn answer(&mut self, request: &Request) -> (Vec<u8>, Vec<u8>) {
        let sessions = self.registry.snapshot().sessions;
        let line = match request {
            Request::List(args) => return list(&sessions, args),
            Request::Switch(args) => {
                let manner = Manner {
                    summon: args.summon,
                    ..Manner::plain(args.dry_run, args.settle)
                };
                let found = find(&args.target, &sessions);
                render(&found.and_then(|session| self.switch(session, manner)))
            }
            Request::Next(args) => {
                let manner = Manner::plain(args.0.dry_run, args.0.settle);
                let next = Walk::default().next(&sessions, clock::now());
                let next = next.ok_or_else(reply::nothing_next);
                render(&next.and_then(|(session, _)| self.switch(session, manner)))
            }
            Request::Back(args) => {
                let manner = Manner::plain(args.0.dry_run, args.0.settle);
                render(&reply::back_reply(
                    self.with_focuser(|focuser| focuser.back(manner, &self.environ)),
                ))
            }
            Request::Label(args) => {
                let label = reply::label(&args.label);
                let mark = |label| self.mark(&args.target, &sessions, MarkChange::Label(label));
                render(&label.and_then(mark))
            }
            Request::Snooze(args) => {
                let until = reply::snoozed_until(args.seconds, clock::now());
                render(&self.mark(&args.target, &sessions, MarkChange::Snooze(until)))
            }
            Request::Pin(args) => {
                render(&self.mark(&args.target, &sessions, MarkChange::Pin(!args.off)))
            }
            Request::End(args) => {
                let found = find(&args.target.named(), &sessions);
                render(&found.and_then(|session| {
                    let ended = act::end(&session);
                    reply::end_reply(session, ended)
                }))
            }
            Request::Preview(args) => render(&preview(args, &sessions)),
            Request::Explain(args) => render(&self.explain(args, &sessions)),
            Request::Ping(_)
            | Request::Await(_)
            | Request::Capture(_)
            | Request::Dialog(_)
            | Request::Decide(_)
            | Request::Hook(_)
            | Request::Rofi(_)
            | Request::Status(_)
            | Request::Subscribe(_)
            | Request::Stop(_) => {
                Refusal::new(RefusalCode::NoDaemon, "this needs the daemon").render()
            }
        };
        (line, Vec::new())
    }

    fn switch(&self, session: Arc<Session>, manner: Manner) -> Reply<Moved> {
        let done =
            self.with_focuser(|focuser| focuser.switch(&session, manner, &self.environ, None));
        reply::switch_reply(session, done)
    }

    /// Moves the focus, and keeps the way back.
    fn with_focuser<T>(
        &self,
        go: impl FnOnce(&mut Focuser) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut focuser = Focuser::new(&self.paths.proc, self.environ.clone())
            .map_err(|error| Trouble::new(TroubleCode::NoWm, &error.to_string()))?;
        let homes = Arc::new(roll::homes(&self.paths));
        focuser.know(&self.registry.snapshot().sessions, homes);
        let kept_in = self.paths.trail();
        let before = kept::load(&kept_in);
        focuser.set_trails(before.clone());
        let done = go(&mut focuser);
        if *focuser.trails() != before
            && let Err(error) = kept::save(&kept_in, focuser.trails())
        {
            log::warn!("could not write {}: {error}", kept_in.display());
        }
        done
    }

    fn explain(&self, args: &ExplainArgs, sessions: &[Arc<Session>]) -> Reply<Explained> {
        let key = reply::here(&*find(&args.target, sessions)?)?;
        reply::explain_reply(self.registry.explain(key, clock::now()).as_ref())
    }

    fn mark(
        &mut self,
        target: &Target,
        sessions: &[Arc<Session>],
        change: MarkChange,
    ) -> Reply<Acted> {
        let session = find(&target.named(), sessions)?;
        self.registry
            .mark(reply::here(&session)?, change, clock::now());
        let owed = self.registry.take_owed_marks().unwrap_or_default();
        labels::update(&self.paths.labels, &self.kept, &owed).map_err(|refused| {
            let words = format!("could not save the change: {}", refused.cause);
            Refusal::new(RefusalCode::Unsaved, words).hint(refused.remedy)
        })?;
        let snapshot = self.registry.snapshot();
        let session = snapshot.by_key(&session.id).ok_or_else(reply::gone)?;
        Ok(Acted {
            session: Arc::clone(session),
        })
    }
}

fn list(sessions: &[Arc<Session>], args: &ListArgs) -> (Vec<u8>, Vec<u8>) {
    let sessions = reply::listed_for(sessions, args);
    if args.format == Format::Json {
        let payload = None;
        return (render(&Ok(Listed { sessions, payload })), Vec::new());
    }
    match reply::list_text(args, &row::rows(&sessions, clock::now())) {
        Ok(text) => (render(&Ok(Listed::default())), text.into_bytes()),
        Err(refusal) => (refusal.render(), Vec::new()),
    }
}

fn preview(args: &PreviewArgs, sessions: &[Arc<Session>]) -> Reply<Previewed> {
    let session = find(&args.target, sessions)?;
    let read = act::read_preview(&session, args.messages.max(1));
    reply::preview_reply(session, read)
}
