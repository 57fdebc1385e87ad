//! `vmux list`

use super::ask::{Context, unreachable_daemon};
use super::out;
use crate::cmd::cli::{List, ListFormat};
use crate::cmd::exit::Exit;
use crate::protocol::client::{Client, ClientError, PATIENCE};
use crate::protocol::{Format, ListArgs, Request};
use crate::sys::clock::Deadline;

pub(super) fn run(context: &Context, args: &List) -> anyhow::Result<Exit> {
    let format = match (args.json, args.format) {
        (true, _) | (_, Some(ListFormat::Json)) => Format::Json,
        (_, Some(ListFormat::Dmenu)) => Format::Dmenu,
        (_, Some(ListFormat::Table) | None) => Format::Table,
    };
    let request = request(context, format, args.all);
    let (reply, payload) = context.ask(&request)?;
    if format == Format::Json {
        out::write(&reply.render())?;
        return Ok(Exit::Done);
    }
    out::write(&payload)?;
    if payload.is_empty() {
        say_none();
    }
    Ok(Exit::Done)
}

fn request(context: &Context, format: Format, all: bool) -> Request {
    let width = out::columns();
    let color = format == Format::Table && out::colored(&context.environ);
    Request::List(ListArgs {
        all,
        format,
        width,
        color,
    })
}

#[expect(clippy::print_stderr, reason = "said to people, not to scripts")]
fn say_none() {
    eprintln!("No Claude Code sessions. Start claude in a terminal and it appears here.");
}

/// The usual calls, done before clap builds its tree: a bar or a script runs them often.
/// `None` if this is another call, or the daemon has to be started first.
#[must_use]
pub fn run_hot(words: &[String]) -> Option<anyhow::Result<Exit>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let format = match words[..] {
        ["list" | "ls"] => Format::Table,
        ["list" | "ls", "--json"] => Format::Json,
        ["list" | "ls", "--format", "dmenu"] => Format::Dmenu,
        _ => return None,
    };
    let context = Context::new(None, false)
        .ok()
        .filter(|context| !context.no_daemon)?;
    let deadline = Deadline::after(PATIENCE);
    let request = request(&context, format, false).render();
    let asked = Client::connect(&context.paths.socket, PATIENCE)
        .and_then(|mut client| client.ask_raw(&request, deadline.left()));
    let (line, payload) = match asked {
        Ok(reply) => reply,
        Err(ClientError::NotRunning(_) | ClientError::HungUp) => return None,
        // To ask once more would be to wait once more.
        Err(error) => return Some(Err(unreachable_daemon(&error).into())),
    };
    if !line.starts_with(b"{\"ok\":true") {
        return None;
    }
    let bytes = if format == Format::Json {
        &line
    } else {
        &payload
    };
    if bytes.is_empty() {
        say_none();
    }
    Some(out::write(bytes).map(|()| Exit::Done).map_err(Into::into))
}
