//! `vmux switch`, `vmux next`, `vmux back`: what moves the focus. They stand behind keys.

use super::ask::{Context, failure, has_terminal, target, unreachable_daemon};
use super::out;
use crate::cmd::cli::{Move, Switch};
use crate::cmd::exit::{Exit, Failure};
use crate::notify;
use crate::protocol::client::{Client, ClientError, PATIENCE};
use crate::protocol::{MoveArgs, Reply, Request, SwitchArgs, Target};
use crate::sys::clock::Deadline;

pub(super) fn switch(context: &Context, args: &Switch) -> anyhow::Result<Exit> {
    let request = Request::Switch(SwitchArgs {
        target: Target {
            first: args.first,
            ..target(&args.query)
        },
        dry_run: args.dry_run,
        summon: args.summon,
        settle: false,
        environ: context.travelling(),
    });
    go(context, &request, args.dry_run)
}

pub(super) fn next(context: &Context, args: &Move) -> anyhow::Result<Exit> {
    let request = Request::Next(move_args(context, args));
    go(context, &request, args.dry_run)
}

pub(super) fn back(context: &Context, args: &Move) -> anyhow::Result<Exit> {
    let request = Request::Back(move_args(context, args));
    go(context, &request, args.dry_run)
}

fn move_args(context: &Context, args: &Move) -> MoveArgs {
    MoveArgs {
        dry_run: args.dry_run,
        settle: false,
        environ: context.travelling(),
    }
}

fn go(context: &Context, request: &Request, dry_run: bool) -> anyhow::Result<Exit> {
    let reply = match context.ask_anything(request) {
        Ok((reply, _)) => reply,
        Err(error) => {
            if !has_terminal() {
                notify::message(&context.environ, "vmux", &format!("{error:#}"));
            }
            return Err(error);
        }
    };
    if !reply.ok {
        tell(context, &reply);
        return Err(failure(&reply).into());
    }
    if dry_run {
        out::write(where_to(&reply).as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Where a move would go.
fn where_to(reply: &Reply) -> String {
    if let Some(landed) = &reply.landed {
        let window = landed.window.as_deref().unwrap_or("an empty place");
        return format!("{window}  workspace {}\n", landed.workspace);
    }
    reply.sessions.first().map_or_else(String::new, |session| {
        let workspace = session.workspace.as_deref().unwrap_or("?");
        let title = session.title();
        format!("{}  {title}  workspace {workspace}\n", session.id)
    })
}

/// The plain calls, done before clap builds its tree: they stand behind keys. `None` if this is
/// another call, or if the daemon cannot be asked just so.
#[must_use]
pub fn run_hot(words: &[String]) -> Option<anyhow::Result<Exit>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_plain = match words[..] {
        ["switch", query] => !query.starts_with('-'),
        ["next" | "back"] => true,
        _ => false,
    };
    if !is_plain {
        return None;
    }
    let context = Context::new(None, false)
        .ok()
        .filter(|context| !context.no_daemon)?;
    let environ = context.travelling();
    let moved = |environ| MoveArgs {
        environ,
        ..MoveArgs::default()
    };
    let request = match words[..] {
        ["switch", query] => Request::Switch(SwitchArgs {
            target: target(query),
            environ,
            ..SwitchArgs::default()
        }),
        ["next"] => Request::Next(moved(environ)),
        _ => Request::Back(moved(environ)),
    };
    let deadline = Deadline::after(PATIENCE);
    let mut client = match Client::connect(&context.paths.socket, PATIENCE) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => return None,
        Err(error) => return Some(Err(give_up(&context, unreachable_daemon(&error)))),
    };
    // From here on the daemon may have heard it: to ask again could be one more step of a walk.
    let failure = match client.ask_raw(&request.render(), deadline.left()) {
        Ok((line, _)) if line.starts_with(b"{\"ok\":true") => return Some(Ok(Exit::Done)),
        Ok((line, _)) => match serde_json::from_slice(&line) {
            Ok(reply) => failure(&reply),
            Err(error) => unreachable_daemon(&ClientError::Broken(error.to_string())),
        },
        Err(error) => unreachable_daemon(&error),
    };
    Some(Err(give_up(&context, failure)))
}

fn give_up(context: &Context, failure: Failure) -> anyhow::Error {
    say(context, &failure);
    failure.into()
}

/// Says what went wrong where a key binding's user can see it.
pub(super) fn tell(context: &Context, reply: &Reply) {
    say(context, &failure(reply));
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
