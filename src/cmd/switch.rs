//! `vmux switch`

use super::ask::{Context, failure, has_terminal, target};
use super::out;
use crate::cli::Switch;
use crate::exit::Exit;
use crate::notify;
use crate::protocol::client::{Client, PATIENCE};
use crate::protocol::{Reply, Request, SwitchArgs, Target};

pub(super) fn run(context: &Context, args: &Switch) -> anyhow::Result<Exit> {
    let reply = match context.ask_anything(&request(context, args)) {
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
    if args.dry_run
        && let Some(session) = reply.sessions.first()
    {
        let workspace = session.workspace.as_deref().unwrap_or("?");
        out::write(
            format!(
                "{}  {}  workspace {workspace}\n",
                session.id,
                session.title()
            )
            .as_bytes(),
        )?;
    }
    Ok(Exit::Done)
}

fn request(context: &Context, args: &Switch) -> Request {
    Request::Switch(SwitchArgs {
        target: Target {
            first: args.first,
            ..target(&args.query)
        },
        dry_run: args.dry_run,
        settle: false,
        environ: context.travelling(),
    })
}

/// The plain call, done before clap builds its tree: it stands behind a key. `None` if this is
/// another call, or if it did not just work.
#[must_use]
pub fn run_hot(words: &[String]) -> Option<Exit> {
    let [verb, query] = words else { return None };
    if verb != "switch" || query.starts_with('-') {
        return None;
    }
    let context = Context::new(None, false)
        .ok()
        .filter(|context| !context.no_daemon)?;
    let args = Switch {
        query: query.clone(),
        first: false,
        dry_run: false,
    };
    let mut client = Client::connect(&context.paths.socket, PATIENCE).ok()?;
    let (line, _) = client
        .ask_raw(&request(&context, &args).render(), PATIENCE)
        .ok()?;
    // An error is said by the other way, which asks again: nothing has moved.
    line.starts_with(b"{\"ok\":true").then_some(Exit::Done)
}

/// Says what went wrong where a key binding's user can see it.
pub(super) fn tell(context: &Context, reply: &Reply) {
    if has_terminal() {
        return;
    }
    let failure = failure(reply);
    let text = match &failure.hint {
        Some(hint) => format!("{}\n{hint}", failure.error),
        None => failure.error,
    };
    notify::message(&context.environ, "vmux", &text);
}
