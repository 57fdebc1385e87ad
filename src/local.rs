//! The same answers without a daemon: one scan, one look at the windows, one reply.

use std::sync::Arc;

use anyhow::Context as _;

use crate::act;
use crate::answer::{self, find, listed, switch_reply};
use crate::clock;
use crate::labels;
use crate::model::{Observation, Session, Trouble};
use crate::paths::Paths;
use crate::proc::Environ;
use crate::protocol::{Format, Reply, Request, Target};
use crate::registry::{Marks, Registry};
use crate::row;
use crate::source::scout::{Roots, Scout};
use crate::switch::focus::{Focuser, Manner};
use crate::switch::place::Places;
use crate::switch::shown;
use crate::text::CleanText;

/// Everything found out once.
pub struct Local {
    registry: Registry,
    paths: Paths,
    environ: Environ,
}

impl Local {
    /// Scans once, and looks where each session is shown.
    ///
    /// # Errors
    /// If `/proc` or the labels cannot be read.
    pub fn look(paths: &Paths, environ: &Environ) -> anyhow::Result<Self> {
        let marks = labels::load(&paths.labels).unwrap_or_else(|error| {
            log::warn!("{error}");
            Marks::default()
        });
        let mut registry = Registry::new(marks);
        let mut scout = Scout::new(Roots {
            proc: paths.proc.clone(),
            config: paths.claude.clone(),
            uid: rustix::process::getuid().as_raw(),
            only_config: paths.only_claude,
        })
        .context("could not look for sessions")?;
        let now = clock::now();
        for observation in scout.scan(now).context("could not read /proc")? {
            registry.apply(observation, now);
        }
        let mut places = Places::new(&paths.proc, environ.clone())?;
        places.begin();
        for session in registry.snapshot().sessions {
            let place = shown(places.find(&session, environ));
            registry.apply(Observation::Placed(session.id, Box::new(place)), now);
        }
        Ok(Self {
            registry,
            paths: paths.clone(),
            environ: environ.clone(),
        })
    }

    /// Answers a request, with the payload if it has one.
    pub fn answer(&mut self, request: &Request) -> (Reply, Vec<u8>) {
        let sessions = self.registry.snapshot().sessions;
        let reply = match request {
            Request::List(args) => {
                let sessions = listed(&sessions, args.all);
                if args.format != Format::Json {
                    let text = answer::list_text(args, &row::rows(&sessions, clock::now()));
                    return (Reply::done(), text.into_bytes());
                }
                Reply {
                    sessions,
                    ..Reply::done()
                }
            }
            Request::Switch(args) => {
                let manner = Manner {
                    dry_run: args.dry_run,
                    settle: args.settle,
                };
                with(&args.target, &sessions, |session| {
                    self.switch(&session, manner)
                })
            }
            Request::Label(args) => with(&args.target, &sessions, |session| {
                self.label(&session, &args.label)
            }),
            Request::End(args) => with(&args.target, &sessions, |session| {
                match act::end(&session) {
                    Ok(()) => Reply {
                        sessions: vec![session],
                        ..Reply::done()
                    },
                    Err(trouble) => {
                        let error =
                            format!("could not end {}: {}", session.title(), trouble.message);
                        Reply::error(trouble.code.as_str(), error)
                    }
                }
            }),
            Request::Preview(args) => with(&args.target, &sessions, |session| {
                match act::read_preview(&session, args.messages.max(1)) {
                    Ok(preview) => Reply {
                        sessions: vec![session],
                        preview,
                        ..Reply::done()
                    },
                    Err(error) => Reply::error("unreadable", error),
                }
            }),
            Request::Explain(args) => {
                with(&args.target, &sessions, |session| self.explain(&session))
            }
            Request::Ping
            | Request::Rofi(_)
            | Request::Status
            | Request::Subscribe
            | Request::Stop => Reply::error("no_daemon", "this needs the daemon"),
        };
        (reply, Vec::new())
    }

    fn switch(&self, session: &Arc<Session>, manner: Manner) -> Reply {
        let done = Focuser::new(&self.paths.proc, self.environ.clone())
            .map_err(|error| Trouble::new(crate::model::TroubleCode::NoWm, &error.to_string()))
            .and_then(|mut focuser| focuser.switch(session, manner, &self.environ));
        switch_reply(session, done.err())
    }

    fn label(&mut self, session: &Arc<Session>, label: &str) -> Reply {
        self.registry
            .label(session.id, CleanText::line(label).some());
        let saved = self
            .registry
            .take_changed_marks()
            .map(|marks| labels::save(&self.paths.labels, &marks));
        if let Some(Err(error)) = saved {
            Reply::error("unsaved", format!("could not save the label: {error}"))
        } else {
            let session = self.registry.snapshot().by_key(session.id).cloned();
            Reply {
                sessions: session.into_iter().collect(),
                ..Reply::done()
            }
        }
    }

    fn explain(&self, session: &Arc<Session>) -> Reply {
        let explanation = self.registry.explain(session.id);
        let raw =
            explanation.and_then(|explanation| serde_json::value::to_raw_value(&explanation).ok());
        Reply {
            sessions: vec![Arc::clone(session)],
            explanation: raw,
            ..Reply::done()
        }
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
