//! What a request means for a set of sessions, whoever asks: the daemon's server, or a client
//! that runs without one. Pure.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::model::{
    Dialog, Kind, Landed, LocalKey, Session, SessionKey, Trouble, TroubleCode,
};
use crate::core::order;
use crate::core::query::{self, QueryError};
use crate::core::registry::Explanation;
use crate::core::text::CleanText;
use crate::frontend::row::{self, Row};
use crate::frontend::table;
use crate::protocol::reply::{Acted, Asks, Contents, Explained, Moved, Previewed, WentBack};
use crate::protocol::request::{Format, ListArgs, Target};
use crate::protocol::{Refusal, RefusalCode, Reply};

/// The text of a list that is not JSON.
///
/// # Errors
/// That the format is not known.
pub fn list_text(args: &ListArgs, rows: &[Row]) -> Reply<String> {
    match args.format {
        Format::Dmenu => Ok(table::render_unique(rows)
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()),
        Format::Table | Format::Json => {
            let width = args.width.unwrap_or(row::COLUMNS);
            Ok(table::render(rows, width, args.color))
        }
        Format::Unknown => {
            let words = "could not list the sessions: the format is not known";
            Err(Refusal::new(RefusalCode::BadRequest, words))
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

/// The sessions that a list shows, in display order: those of one coding tool, if only they are
/// wanted.
#[must_use]
pub fn listed_for(sessions: &[Arc<Session>], args: &ListArgs) -> Vec<Arc<Session>> {
    let mut listed = listed(sessions, args.all);
    if let Some(agent) = &args.agent {
        listed.retain(|session| *session.agent == **agent);
    }
    listed
}

/// The session that a target names.
///
/// # Errors
/// Why there is none.
pub fn find(target: &Target, sessions: &[Arc<Session>]) -> Reply<Arc<Session>> {
    let resolve = if target.named {
        query::resolve_named
    } else {
        query::resolve
    };
    if let Some(id) = &target.id {
        let found = sessions.iter().find(|session| session.id == *id);
        return found.cloned().ok_or_else(|| absent(id));
    }
    let Some(query) = target.query.as_ref().or(target.session_id.as_ref()) else {
        return Err(Refusal::new(
            RefusalCode::BadRequest,
            "no session was named",
        ));
    };
    let all = listed(sessions, true);
    let shown = CleanText::line(query);
    Err(match resolve(query, &all) {
        Ok(session) => return Ok(session),
        Err(QueryError::Ambiguous(fitting)) => match fitting.first() {
            Some(first) if target.first => return Ok(Arc::clone(first)),
            _ => ambiguous(&shown, fitting, target.named),
        },
        Err(QueryError::NothingWaits) => {
            Refusal::new(RefusalCode::NothingWaits, "no session waits for an answer")
        }
        Err(QueryError::NoMatch) => {
            let hint = if all.is_empty() {
                "there are no sessions"
            } else {
                "`vmux list` shows all of them"
            };
            let words = format!("no session matches {shown:?}");
            Refusal::new(RefusalCode::NoMatch, words).hint(hint)
        }
    })
}

fn ambiguous(query: &CleanText, fitting: Vec<Arc<Session>>, named: bool) -> Refusal {
    let hint = if named {
        "name one by its id"
    } else {
        "name one by its id; `vmux switch --first` takes the first of them"
    };
    let words = format!("several sessions match {query:?} equally well");
    Refusal {
        sessions: fitting,
        ..Refusal::new(RefusalCode::Ambiguous, words).hint(hint)
    }
}

/// A label as a user gave it; none takes it away.
///
/// # Errors
/// That a query means something else by it, always.
pub fn label(text: &str) -> Reply<Option<CleanText>> {
    let label = CleanText::line(text);
    if *label == *query::WAITING {
        let words = format!("{label} means the session that waits longest, and can be no label");
        return Err(Refusal::new(RefusalCode::BadRequest, words).hint("choose another one"));
    }
    Ok(label.some())
}

/// Why a session that was named by its key is not there.
fn absent(id: &SessionKey) -> Refusal {
    match id.local() {
        Some(_) => gone(),
        None => Refusal::of(&format!("could not reach {id}"), &Trouble::elsewhere(id)),
    }
}

/// The session has ended.
#[must_use]
pub fn gone() -> Refusal {
    Refusal::new(TroubleCode::Gone, "the session has ended")
}

/// The process of a session, for what is done to it.
///
/// # Errors
/// That it lives on another machine.
pub fn here(session: &Session) -> Reply<LocalKey> {
    let could_not = || format!("could not reach {}", session.title());
    let here = session.here();
    here.map_err(|trouble| Refusal::of(&could_not(), &trouble))
}

/// When a snooze that begins `now` ends; none if it takes no time.
#[must_use]
pub fn snoozed_until(seconds: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (seconds > 0).then(|| now + TimeDelta::seconds(seconds.into()))
}

/// A `next` leads nowhere.
#[must_use]
pub fn nothing_next() -> Refusal {
    Refusal::new(RefusalCode::NothingWaits, "no other session needs you")
}

/// The reply to a `back`.
///
/// # Errors
/// Why it led nowhere.
pub fn back_reply(landed: Result<Landed, Trouble>) -> Reply<WentBack> {
    match landed {
        Ok(landed) => Ok(WentBack { landed }),
        Err(trouble) => Err(Refusal::of("could not go back", &trouble)),
    }
}

/// The reply to a `preview`.
///
/// # Errors
/// Why it could not be read.
pub fn preview_reply(session: Arc<Session>, read: Result<Contents, String>) -> Reply<Previewed> {
    match read {
        Ok(Contents { messages, commits }) => Ok(Previewed {
            session,
            preview: messages,
            commits,
        }),
        Err(error) => Err(Refusal::new(RefusalCode::Unreadable, error)),
    }
}

/// The reply to an `explain`.
///
/// # Errors
/// That it has ended.
pub fn explain_reply(explanation: Option<&Explanation>) -> Reply<Explained> {
    let explanation = explanation.ok_or_else(gone)?;
    let raw = serde_json::value::to_raw_value(explanation).map_err(|error| {
        let words = format!("could not write the explanation: {error}");
        Refusal::new(RefusalCode::Bug, words)
    })?;
    Ok(Explained {
        session: Arc::clone(&explanation.session),
        explanation: raw,
    })
}

/// The reply to an `asked`.
///
/// # Errors
/// Why it could not be read.
pub fn dialog_reply(session: Arc<Session>, read: Result<Dialog, String>) -> Reply<Asks> {
    match read {
        Ok(asked) => Ok(Asks { session, asked }),
        Err(why) => {
            let words = format!("could not read what {} asks: {why}", session.title());
            Err(Refusal::new(RefusalCode::NothingAsked, words))
        }
    }
}

/// The reply to an `answer`.
///
/// # Errors
/// Why it was not answered.
pub fn decided_reply(session: Arc<Session>, decided: Result<(), String>) -> Reply<Acted> {
    match decided {
        Ok(()) => Ok(Acted { session }),
        Err(why) => {
            let words = format!("could not answer {}: {why}", session.title());
            Err(Refusal::new(RefusalCode::NotAnswered, words))
        }
    }
}

/// The reply to an `end`.
///
/// # Errors
/// Why it was not told to.
pub fn end_reply(session: Arc<Session>, ended: Result<(), Trouble>) -> Reply<Acted> {
    match ended {
        Ok(()) => Ok(Acted { session }),
        Err(trouble) => {
            let could_not = format!("could not end {}", session.title());
            Err(Refusal::of(&could_not, &trouble))
        }
    }
}

/// The reply to a switch.
///
/// # Errors
/// Why it was not focused, or why that may not be enough.
pub fn switch_reply(
    session: Arc<Session>,
    done: Result<Option<CleanText>, Trouble>,
) -> Reply<Moved> {
    let trouble = match done {
        Ok(note) => return Ok(Moved { session, note }),
        Err(trouble) => trouble,
    };
    let (title, message) = (session.title(), &trouble.message);
    let words = if trouble.code.is_half() {
        format!("focused the window of {title}, but {message}")
    } else {
        format!("could not focus {title}: {message}")
    };
    Err(Refusal {
        hint: trouble.hint.as_deref().map(str::to_owned),
        sessions: vec![session],
        ..Refusal::new(trouble.code, words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Machine, Pid, State, made};
    use crate::desktop::focus::{Focuser, Manner};
    use crate::protocol::reply::Code;
    use crate::serve::act;
    use crate::sys::proc::Environ;

    fn session(pid: u32, dir: &str) -> Arc<Session> {
        Arc::new(made::session(pid, dir, State::Unknown))
    }

    fn code(target: &Target, sessions: &[Arc<Session>]) -> Code {
        find(target, sessions).unwrap_err().code
    }

    #[test]
    fn an_id_names_its_session_or_an_ended_one() {
        let sessions = [session(1, "/app"), session(2, "/app")];
        let id = |pid| Target {
            id: Some(made::key(pid)),
            ..Target::default()
        };
        assert_eq!(find(&id(2), &sessions).unwrap().pid, Pid(2));
        assert_eq!(code(&id(9), &sessions), TroubleCode::Gone.into());
        assert_eq!(
            code(&Target::default(), &sessions),
            RefusalCode::BadRequest.into()
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
            (reply.code, reply.sessions.len()),
            (RefusalCode::Ambiguous.into(), 2)
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
            id: made::local(pid).on(Machine::new("box").unwrap()),
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
        assert_eq!(refusal.code, TroubleCode::Elsewhere.into());
        assert_eq!(refusal.error, "could not reach app: it lives on box");
        assert_eq!(here(&sessions[0]).unwrap(), made::local(1));
        let unknown = find(&named(&far(9)), &sessions).unwrap_err();
        assert_eq!(
            unknown.code,
            TroubleCode::Elsewhere.into(),
            "no word of its end"
        );
        let ended = act::end(&far(1)).unwrap_err();
        assert_eq!(ended.code, TroubleCode::Elsewhere);
        let mut focuser = Focuser::new(std::path::Path::new("/proc"), Environ::default()).unwrap();
        let moved = focuser.switch(&far(1), Manner::default(), &Environ::default(), None);
        assert_eq!(moved.unwrap_err().code, TroubleCode::Elsewhere);
        assert_eq!(
            act::read_preview(&far(1), 1).unwrap_err(),
            "it lives on box"
        );
    }
}
