//! `vmux switch`, `vmux next`, `vmux back`: what moves the focus. They stand behind keys.

use std::collections::BTreeMap;

use super::call::{Context, failure, has_terminal, target, unreachable_daemon};
use super::out;
use crate::cmd::cli::{Move, Switch};
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{Landed, Session, SessionKey};
use crate::notify;
use crate::protocol::client::{Client, ClientError, PATIENCE, read};
use crate::protocol::reply::is_just_done;
use crate::protocol::request::{BackArgs, MoveArgs, NextArgs, SwitchArgs, Target};
use crate::protocol::{Refusal, Verb};
use crate::sys::clock::Deadline;

pub(super) fn switch(context: &Context, args: &Switch) -> anyhow::Result<Exit> {
    let verb = SwitchArgs {
        target: Target {
            first: args.first,
            ..target(&args.query)
        },
        dry_run: args.dry_run,
        summon: args.summon,
        settle: false,
        opened_ms: None,
        environ: context.travelling(),
    };
    let moved = go(context, verb)?;
    say_where(args.dry_run, || session_words(&moved.session))
}

/// Goes to the window of a session.
pub(super) fn to(context: &Context, id: &SessionKey) -> anyhow::Result<()> {
    let verb = SwitchArgs {
        target: Target {
            id: Some(id.clone()),
            ..Target::default()
        },
        environ: context.travelling(),
        ..SwitchArgs::default()
    };
    go(context, verb).map(drop)
}

pub(super) fn next(context: &Context, args: &Move) -> anyhow::Result<Exit> {
    let moved = go(context, NextArgs(move_args(context, args)))?;
    say_where(args.dry_run, || session_words(&moved.session))
}

pub(super) fn back(context: &Context, args: &Move) -> anyhow::Result<Exit> {
    let moved = go(context, BackArgs(move_args(context, args)))?;
    say_where(args.dry_run, || place_words(&moved.landed))
}

fn move_args(context: &Context, args: &Move) -> MoveArgs {
    MoveArgs {
        dry_run: args.dry_run,
        settle: false,
        environ: context.travelling(),
    }
}

fn go<V: Verb>(context: &Context, verb: V) -> anyhow::Result<V::Reply> {
    let reply = context.try_call(verb).inspect_err(|error| {
        if !has_terminal() {
            notify::message(&context.environ, "vmux", &format!("{error:#}"));
        }
    })?;
    let done = reply.map_err(|refusal| {
        tell(context, &refusal);
        failure(&refusal)
    })?;
    context.tell_note(&done);
    Ok(done)
}

/// Where a move would go.
fn say_where(dry_run: bool, words: impl FnOnce() -> String) -> anyhow::Result<Exit> {
    if dry_run {
        out::write(words().as_bytes())?;
    }
    Ok(Exit::Done)
}

fn session_words(session: &Session) -> String {
    let workspace = session.workspace.as_deref();
    let at = workspace.map_or_else(String::new, |name| format!("  workspace {name}"));
    format!("{}  {}{at}\n", session.id, session.title())
}

fn place_words(landed: &Landed) -> String {
    let window = landed.window.as_deref().unwrap_or("an empty place");
    format!("{window}  workspace {}\n", landed.workspace)
}

/// `vmux switch QUERY`, done before clap builds its tree: it stands behind keys. `None` if this is
/// another call, or if the daemon cannot be asked just so.
#[must_use]
pub(super) fn switch_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let ["switch", query] = *words else {
        return None;
    };
    if query.starts_with('-') {
        return None;
    }
    go_hot(|environ| SwitchArgs {
        target: target(query),
        environ,
        ..SwitchArgs::default()
    })
}

/// The same for a plain `vmux next`.
#[must_use]
pub(super) fn next_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    (words == ["next"]).then(|| go_hot(|environ| NextArgs(plain(environ))))?
}

/// The same for a plain `vmux back`.
#[must_use]
pub(super) fn back_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    (words == ["back"]).then(|| go_hot(|environ| BackArgs(plain(environ))))?
}

fn plain(environ: BTreeMap<String, String>) -> MoveArgs {
    MoveArgs {
        environ,
        ..MoveArgs::default()
    }
}

fn go_hot<V: Verb>(
    verb: impl FnOnce(BTreeMap<String, String>) -> V,
) -> Option<anyhow::Result<Exit>> {
    let context = Context::new(None, false)
        .ok()
        .filter(|context| !context.no_daemon)?;
    let verb = verb(context.travelling());
    let deadline = Deadline::after(PATIENCE);
    let mut client = match Client::connect(&context.paths.socket, PATIENCE) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => return None,
        Err(error) => return Some(Err(give_up(&context, unreachable_daemon(&error)))),
    };
    // From here on the daemon may have heard it: to ask again could be one more step of a walk.
    let called = client.call_raw(&verb, deadline.left());
    context.note(client.other());
    let reply = match called {
        Ok((line, _)) if is_just_done(&line) => return Some(Ok(Exit::Done)),
        Ok((line, _)) => read::<V::Reply>(&line),
        Err(error) => Err(error),
    };
    let failure = match reply {
        Ok(Ok(done)) => {
            context.tell_note(&done);
            return Some(Ok(Exit::Done));
        }
        Ok(Err(refusal)) => failure(&refusal),
        Err(error) => unreachable_daemon(&error),
    };
    Some(Err(give_up(&context, failure)))
}

fn give_up(context: &Context, failure: Failure) -> anyhow::Error {
    say(context, &failure);
    failure.into()
}

/// Says what went wrong where a key binding's user can see it.
pub(super) fn tell(context: &Context, refusal: &Refusal) {
    say(context, &failure(refusal));
}

fn say(context: &Context, failure: &Failure) {
    if has_terminal() {
        return;
    }
    let text = match &failure.hint {
        Some(hint) => format!("{}\n{hint}", failure.error),
        None => failure.error.clone(),
    };
    notify::message(&context.environ, "vmux", &text);
}
