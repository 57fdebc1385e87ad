//! What a request means for a set of sessions, whoever asks: the daemon's server, or a client
//! that runs without one. Pure.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{Kind, Landed, Session, Trouble};
use crate::core::order;
use crate::core::query::{self, QueryError};
use crate::core::text::CleanText;
use crate::frontend::row::{self, Row};
use crate::frontend::table;
use crate::protocol::{Format, ListArgs, Reply, Target};

/// The text of a list that is not JSON.
#[must_use]
pub fn list_text(args: &ListArgs, rows: &[Row]) -> String {
    match args.format {
        Format::Dmenu => table::render_unique(rows)
            .iter()
            .map(|line| format!("{line}\n"))
            .collect(),
        Format::Table | Format::Json => {
            table::render(rows, args.width.unwrap_or(row::COLUMNS), args.color)
        }
    }
}

/// Sessions in display order; those that scripts run only if asked for.
#[must_use]
pub fn listed(sessions: &[Arc<Session>], all: bool) -> Vec<Arc<Session>> {
    let wanted = sessions
        .iter()
        .filter(|session| all || session.kind != Kind::Headless);
    let mut listed: Vec<Arc<Session>> = wanted.cloned().collect();
    order::sort(&mut listed);
    listed
}

/// The session that a target names.
///
/// # Errors
/// The reply that says why there is none.
pub fn find(target: &Target, sessions: &[Arc<Session>]) -> Result<Arc<Session>, Box<Reply>> {
    let resolve = if target.named {
        query::resolve_named
    } else {
        query::resolve
    };
    if let Some(id) = target.id {
        let found = sessions.iter().find(|session| session.id == id);
        return found
            .cloned()
            .ok_or_else(|| Box::new(Reply::error("gone", "the session has ended")));
    }
    let Some(query) = target.query.as_ref().or(target.session_id.as_ref()) else {
        return Err(Box::new(Reply::error(
            "bad_request",
            "no session was named",
        )));
    };
    let all = listed(sessions, true);
    let shown = CleanText::line(query);
    let error = match resolve(query, &all) {
        Ok(session) => return Ok(session),
        Err(QueryError::Ambiguous(fitting)) => match fitting.first() {
            Some(first) if target.first => return Ok(Arc::clone(first)),
            _ => Reply {
                sessions: fitting,
                hint: Some(if target.named {
                    "name one by its id".into()
                } else {
                    "name one by its id; `vmux switch --first` takes the first of them".into()
                }),
                ..Reply::error(
                    "ambiguous",
                    format!("several sessions match {shown:?} equally well"),
                )
            },
        },
        Err(QueryError::NothingWaits) => {
            Reply::error("nothing_waits", "no session waits for an answer")
        }
        Err(QueryError::NoMatch) => {
            let hint = if all.is_empty() {
                "there are no sessions"
            } else {
                "`vmux list` shows all of them"
            };
            let error = Reply::error("no_match", format!("no session matches {shown:?}"));
            Reply {
                hint: Some(hint.into()),
                ..error
            }
        }
    };
    Err(Box::new(error))
}

/// When a snooze that begins `now` ends; none if it takes no time.
#[must_use]
pub fn snoozed_until(seconds: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (seconds > 0).then(|| now + TimeDelta::seconds(seconds.into()))
}

/// The reply to a `next` that leads nowhere.
#[must_use]
pub fn nothing_next() -> Reply {
    Reply::error("nothing_waits", "no other session needs you")
}

/// The reply to a `back`.
#[must_use]
pub fn back_reply(landed: Result<Landed, Trouble>) -> Reply {
    match landed {
        Ok(landed) => Reply {
            landed: Some(landed),
            ..Reply::done()
        },
        Err(trouble) => Reply {
            hint: trouble.hint.as_deref().map(str::to_owned),
            ..Reply::error(
                trouble.code.as_str(),
                format!("could not go back: {}", trouble.message),
            )
        },
    }
}

/// The reply to an `end`.
#[must_use]
pub fn end_reply(session: &Arc<Session>, ended: Result<(), Trouble>) -> Reply {
    match ended {
        Ok(()) => Reply {
            sessions: vec![Arc::clone(session)],
            ..Reply::done()
        },
        Err(trouble) => {
            let error = format!("could not end {}: {}", session.title(), trouble.message);
            Reply::error(trouble.code.as_str(), error)
        }
    }
}

/// The reply to a switch.
#[must_use]
pub fn switch_reply(session: &Arc<Session>, trouble: Option<Trouble>) -> Reply {
    let sessions = vec![Arc::clone(session)];
    match trouble {
        None => Reply {
            sessions,
            ..Reply::done()
        },
        Some(trouble) => {
            let (title, message) = (session.title(), &trouble.message);
            let words = if trouble.code.is_half() {
                format!("focused the window of {title}, but {message}")
            } else {
                format!("could not focus {title}: {message}")
            };
            Reply {
                sessions,
                hint: trouble.hint.as_deref().map(str::to_owned),
                ..Reply::error(trouble.code.as_str(), words)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Pid, RawPath, SessionKey};

    fn session(pid: u32, dir: &str) -> Arc<Session> {
        Arc::new(Session {
            id: SessionKey {
                pid: Pid(pid),
                start_ticks: 1,
            },
            pid: Pid(pid),
            cwd: RawPath(dir.into()),
            ..Session::default()
        })
    }

    fn code(target: &Target, sessions: &[Arc<Session>]) -> Option<String> {
        find(target, sessions).err().and_then(|reply| reply.code)
    }

    #[test]
    fn an_id_names_its_session_or_an_ended_one() {
        let sessions = [session(1, "/app"), session(2, "/app")];
        let id = |pid| Target {
            id: Some(SessionKey {
                pid: Pid(pid),
                start_ticks: 1,
            }),
            ..Target::default()
        };
        assert_eq!(find(&id(2), &sessions).unwrap().pid, Pid(2));
        assert_eq!(code(&id(9), &sessions).as_deref(), Some("gone"));
        assert_eq!(
            code(&Target::default(), &sessions).as_deref(),
            Some("bad_request")
        );
    }

    #[test]
    fn an_ambiguous_query_lists_what_fits_or_takes_the_first() {
        let sessions = [session(1, "/app"), session(2, "/app")];
        let mut target = Target {
            query: Some("app".into()),
            ..Target::default()
        };
        let reply = find(&target, &sessions).unwrap_err();
        assert_eq!(
            (reply.code.as_deref(), reply.sessions.len()),
            (Some("ambiguous"), 2)
        );
        target.first = true;
        assert_eq!(find(&target, &sessions).unwrap().pid, Pid(1));
    }

    #[test]
    fn what_scripts_run_is_listed_on_demand() {
        let headless = Arc::new(Session {
            kind: Kind::Headless,
            ..(*session(1, "/app")).clone()
        });
        let sessions = [headless, session(2, "/app")];
        assert_eq!(
            (
                listed(&sessions, false).len(),
                listed(&sessions, true).len()
            ),
            (1, 2)
        );
    }
}
