//! `vmux switch`

use super::ask::{Context, failure, has_terminal, target};
use super::out;
use crate::cli::Switch;
use crate::exit::Exit;
use crate::notify;
use crate::protocol::{Reply, Request, SwitchArgs, Target};

pub(super) fn run(context: &Context, args: &Switch) -> anyhow::Result<Exit> {
    let request = Request::Switch(SwitchArgs {
        target: Target {
            first: args.first,
            ..target(&args.query)
        },
        dry_run: args.dry_run,
        settle: false,
        environ: context.travelling(),
    });
    let reply = match context.ask_anything(&request) {
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
