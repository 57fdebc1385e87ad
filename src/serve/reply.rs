//! What a request means for a set of sessions, whoever asks: the daemon's server, or a client
//! that runs without one. Pure.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{Kind, Landed, LocalKey, Session, SessionKey, Trouble};
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
    if let Some(id) = &target.id {
        let found = sessions.iter().find(|session| session.id == *id);
        return found.cloned().ok_or_else(|| Box::new(absent(id)));
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

/// The reply to who names a session that is not there.
fn absent(id: &SessionKey) -> Reply {
    match id.local() {
        Some(_) => Reply::error("gone", "the session has ended"),
        None => refused(&format!("could not reach {id}"), &Trouble::elsewhere(id)),
    }
}

/// The process of a session, for what is done to it.
///
/// # Errors
/// The reply that says that it lives on another machine.
pub fn here(session: &Session) -> Result<LocalKey, Box<Reply>> {
    let could_not = || format!("could not reach {}", session.title());
    let here = session.here();
    here.map_err(|trouble| Box::new(refused(&could_not(), &trouble)))
}

/// The reply to what could not be done.
fn refused(could_not: &str, trouble: &Trouble) -> Reply {
    Reply {
        hint: trouble.hint.as_deref().map(str::to_owned),
        ..Reply::error(
            trouble.code.as_str(),
            format!("{could_not}: {}", trouble.message),
        )
    }
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
        Err(trouble) => refused("could not go back", &trouble),
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
        Err(trouble) => refused(&format!("could not end {}", session.title()), &trouble),
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
                machine: None,
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
                machine: None,
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

    #[test]
    fn what_lives_on_another_machine_is_said_to_and_not_touched() {
        let far = |pid| Session {
            id: SessionKey {
                machine: crate::core::model::Machine::new("box"),
                pid: Pid(pid),
                start_ticks: 1,
            },
            ..(*session(pid, "/app")).clone()
        };
        let sessions = [session(1, "/app"), Arc::new(far(1))];
        let named = |session: &Session| Target {
            id: Some(session.id.clone()),
            ..Target::default()
        };
        let found = find(&named(&sessions[1]), &sessions).unwrap();
        assert_eq!(found, sessions[1], "not the one of the same number here");
        let refusal = here(&found).unwrap_err();
        assert_eq!(refusal.code.as_deref(), Some("elsewhere"));
        assert_eq!(
            refusal.error.as_deref(),
            Some("could not reach app: it lives on box")
        );
        assert_eq!(
            here(&sessions[0]).unwrap(),
            (LocalKey {
                pid: Pid(1),
                start_ticks: 1
            })
        );
        let unknown = find(&named(&far(9)), &sessions).unwrap_err();
        assert_eq!(
            unknown.code.as_deref(),
            Some("elsewhere"),
            "no word of its end"
        );
        let ended = crate::serve::act::end(&far(1)).unwrap_err();
        assert_eq!(ended.code, crate::core::model::TroubleCode::Elsewhere);
        let mut focuser = crate::desktop::focus::Focuser::new(
            std::path::Path::new("/proc"),
            crate::sys::proc::Environ::default(),
        )
        .unwrap();
        let manner = crate::desktop::focus::Manner::default();
        let moved = focuser.switch(&far(1), manner, &Default::default(), None);
        assert_eq!(
            moved.unwrap_err().code,
            crate::core::model::TroubleCode::Elsewhere
        );
        assert_eq!(
            crate::serve::act::read_preview(&far(1), 1).unwrap_err(),
            "it lives on box"
        );
    }
}
