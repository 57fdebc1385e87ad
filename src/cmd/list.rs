//! `vmux list`

use super::call::{Context, failure, unreachable_daemon};
use super::out;
use crate::agent;
use crate::cmd::cli::{List, ListFormat};
use crate::cmd::exit::{self, Exit};
use crate::protocol::client::{Client, ClientError, PATIENCE, read};
use crate::protocol::reply::{Listed, is_done};
use crate::protocol::request::{Format, ListArgs};
use crate::sys::clock::Deadline;

pub(super) fn run(context: &Context, args: &List) -> anyhow::Result<Exit> {
    let format = match (args.json, args.format) {
        (true, _) | (_, Some(ListFormat::Json)) => Format::Json,
        (_, Some(ListFormat::Dmenu)) => Format::Dmenu,
        (_, Some(ListFormat::Table) | None) => Format::Table,
    };
    let (line, payload) = context.call_raw(list_args(context, format, args))?;
    if let Err(refusal) = read::<Listed>(&line).map_err(|error| unreachable_daemon(&error))? {
        return Err(failure(&refusal).into());
    }
    let bytes = if format == Format::Json {
        &line
    } else {
        &payload
    };
    out::write(bytes)?;
    if bytes.is_empty() {
        say_none(args.agent.as_deref());
    }
    Ok(Exit::Done)
}

fn list_args(context: &Context, format: Format, args: &List) -> ListArgs {
    let width = out::columns();
    let color = format == Format::Table && out::colored(&context.environ);
    ListArgs {
        all: args.all,
        agent: args.agent.clone(),
        format,
        width,
        color,
    }
}

fn say_none(agent: Option<&str>) {
    let (of, start) = match agent.and_then(agent::by_name) {
        Some(agent) if agent.program().is_empty() => {
            exit::say("No programs. `vmux start -- COMMAND` runs one and it appears here.\n");
            return;
        }
        Some(agent) => (format!("{} ", agent.title()), agent.name().to_owned()),
        None => (String::new(), agent::any_of_them()),
    };
    exit::say(&format!(
        "No {of}sessions. Start {start} in a terminal and it appears here.\n"
    ));
}

/// The usual calls, done before clap builds its tree: a bar or a script runs them often.
/// `None` if this is another call, or the daemon has to be started first.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let format = match *words {
        ["list" | "ls"] => Format::Table,
        ["list" | "ls", "--json"] => Format::Json,
        ["list" | "ls", "--format", "dmenu"] => Format::Dmenu,
        _ => return None,
    };
    let context = Context::new(None, false)
        .ok()
        .filter(|context| !context.no_daemon)?;
    let deadline = Deadline::after(PATIENCE);
    let list = list_args(&context, format, &List::default());
    let asked = Client::connect(&context.paths.socket, PATIENCE).and_then(|mut client| {
        let reply = client.call_raw(&list, deadline.left());
        context.note(client.other());
        reply
    });
    let (line, payload) = match asked {
        Ok(reply) => reply,
        Err(ClientError::NotRunning(_) | ClientError::HungUp) => return None,
        // To ask once more would be to wait once more.
        Err(error) => return Some(Err(unreachable_daemon(&error).into())),
    };
    if !is_done(&line) {
        return None;
    }
    let bytes = if format == Format::Json {
        &line
    } else {
        &payload
    };
    if bytes.is_empty() {
        say_none(None);
    }
    Some(out::write(bytes).map(|()| Exit::Done).map_err(Into::into))
}
