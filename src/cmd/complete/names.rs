//! The names of sessions for a shell: each is one that its verb takes, and takes for that session.

use std::sync::Arc;
use std::time::Duration;

use super::Which;
use crate::cmd::call::Context;
use crate::cmd::hosted::best;
use crate::core::model::{Kind, Session, Standing};
use crate::core::query::{WAITING, resolve_named};
use crate::core::text::CleanText;
use crate::frontend::row;
use crate::hosted::Info;
use crate::hosted::place::{Found, Place};
use crate::protocol::client::{Client, ClientError, read};
use crate::protocol::reply::Listed;
use crate::protocol::request::{Format, ListArgs};
use crate::serve::local::Local;
use crate::sys::clock;

/// A name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Name {
    pub(super) value: CleanText,
    /// Whose it is.
    pub(super) about: String,
    /// It stands for whichever session fits, and is offered to who begins it.
    pub(super) special: bool,
}

/// The names of these sessions, in the order of the list. The daemon is asked if it runs; it is not
/// started for this.
pub(super) fn of(context: &Context, which: Which, patience: Duration) -> Vec<Name> {
    let place = Place::of(&context.paths);
    match which {
        Which::Listed => listed(&sessions(context, patience)),
        Which::Hosted | Which::Ended => {
            let found = place.all(patience);
            hosted(&found, which, || sessions(context, patience))
        }
    }
}

/// All sessions, also those that are not offered: their names are taken.
fn sessions(context: &Context, patience: Duration) -> Vec<Arc<Session>> {
    let list = ListArgs {
        all: true,
        format: Format::Json,
        ..ListArgs::default()
    };
    let look = || -> Option<Vec<u8>> {
        let mut local = Local::look(&context.paths, &context.environ).ok()?;
        Some(local.answer(&list.clone().into()).0)
    };
    let line = if context.no_daemon {
        look()
    } else {
        match Client::connect(&context.paths.socket, patience) {
            Ok(mut client) => client.call_raw(&list, patience).ok().map(|(line, _)| line),
            Err(ClientError::NotRunning(_)) => look(),
            Err(_) => None,
        }
    };
    let listed = line.and_then(|line| read::<Listed>(&line).ok()?.ok());
    listed.map(|listed| listed.sessions).unwrap_or_default()
}

/// Sessions in display order: each by the name that people know it by, if that names no other one.
fn listed(sessions: &[Arc<Session>]) -> Vec<Name> {
    let now = clock::now();
    let names = sessions
        .iter()
        .filter(|session| session.kind != Kind::Headless);
    let names = names.filter_map(|session| {
        let title = session.title();
        let pid = CleanText::line(&session.pid.to_string());
        let id = CleanText::line(&session.id.to_string());
        let ways = [
            Some(title.clone()),
            session.name.clone(),
            Some(pid),
            Some(id),
        ];
        let names_it = |value: &CleanText| {
            can_stand(value)
                && resolve_named(value, sessions).is_ok_and(|found| found.id == session.id)
        };
        let value = ways.into_iter().flatten().find(names_it)?;
        let mut about = row::state_words(session, now);
        let branch = session.git_branch.as_ref();
        let name = Some(&title).filter(|title| **title != value);
        for part in name.into_iter().chain(branch) {
            about.push_str(&format!(" \u{b7} {part}"));
        }
        Some(Name {
            value,
            about,
            special: false,
        })
    });
    let mut names: Vec<Name> = names.collect();
    let waiting = sessions
        .iter()
        .find(|session| session.standing() == Standing::Waiting);
    names.extend(waiting.map(|session| Name {
        value: CleanText::line(WAITING),
        about: format!("now {}", session.title()),
        special: true,
    }));
    names
}

/// Sessions that vmux keeps: by name, directory or id. A label is the daemon's, and taken where no
/// session here has that name.
fn hosted(
    found: &[Found],
    which: Which,
    sessions: impl FnOnce() -> Vec<Arc<Session>>,
) -> Vec<Name> {
    let alive = |found: &&Found| matches!(found, Found::Live(_) | Found::Silent(_));
    let live: Vec<&Info> = found.iter().filter(alive).map(Found::info).collect();
    let mut names: Vec<Name> = live
        .iter()
        .filter_map(|info| kept(info, |name| best(&live, name).len() == 1))
        .collect();
    if which == Which::Ended {
        let over = found.iter().filter(|found| !alive(found));
        // Of those with one name the last is meant.
        let over: Vec<&Info> = over.map(Found::info).rev().collect();
        let first = |info: &Info, name: &str| {
            let named = best(&over, name)
                .first()
                .is_some_and(|first| first.id == info.id);
            named && best(&live, name).is_empty()
        };
        let ended = over
            .iter()
            .filter_map(|info| kept(info, |name| first(info, name)));
        names.extend(ended.map(|name| Name {
            about: format!("ended \u{b7} {}", name.about),
            ..name
        }));
        return names;
    }
    let sessions = sessions();
    let labels = sessions.iter().filter(|session| session.is_kept());
    let labels = labels.filter_map(|session| {
        let label = session.label.clone()?;
        let free = can_stand(&label) && best(&live, &label).is_empty();
        let its = resolve_named(&label, &sessions).is_ok_and(|found| found.id == session.id);
        (free && its).then(|| Name {
            value: label,
            about: session.place().to_string(),
            special: false,
        })
    });
    names.extend(labels);
    names
}

/// The first name of a session that is its own.
fn kept(info: &Info, own: impl Fn(&str) -> bool) -> Option<Name> {
    let dir = info.cwd.file_name().and_then(|name| name.to_str());
    let ways = [info.name.as_deref(), dir, Some(&*info.id)];
    let value = ways.into_iter().flatten().find_map(|way| {
        let value = CleanText::line(way);
        (can_stand(&value) && *value == *way && own(way)).then_some(value)
    })?;
    let about = format!("{}  {}", info.cwd.display(), info.command.join(" "));
    Some(Name {
        value,
        about,
        special: false,
    })
}

/// Whether a name can stand in a command line without being taken for something else.
fn can_stand(name: &CleanText) -> bool {
    !name.is_empty() && !name.starts_with('-') && **name != *WAITING
}
