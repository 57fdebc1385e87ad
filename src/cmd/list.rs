//! `vmux list`

use std::path::Path;

use super::call::{Context, failure, unreachable_daemon};
use super::{first, out};
use crate::agent;
use crate::cmd::cli::{List, ListFormat};
use crate::cmd::exit::{self, Exit};
use crate::core::text::CleanText;
use crate::hosted::limit::shown;
use crate::hosted::place::{Found, Place};
use crate::hosted::{Info, starved_words};
use crate::protocol::client::{Client, ClientError, PATIENCE, read};
use crate::protocol::reply::{Listed, is_done};
use crate::protocol::request::{Format, ListArgs};
use crate::sys::clock::Deadline;

/// `vmux` without any word: the list, and what one may do with it.
pub(super) fn run_alone(context: &Context) -> anyhow::Result<Exit> {
    let go = if print(context, &List::default())? {
        "`vmux next` goes to the first that waits, "
    } else {
        ""
    };
    exit::say(&format!(
        "{go}`vmux .` enters the session of this directory, `vmux --help` tells the rest\n"
    ));
    first::tell(context);
    Ok(Exit::Done)
}

pub(super) fn run(context: &Context, args: &List) -> anyhow::Result<Exit> {
    if args.hosted {
        return hosted(context, args.json);
    }
    print(context, args).map(|_| Exit::Done)
}

/// Prints the list; whether there is one.
fn print(context: &Context, args: &List) -> anyhow::Result<bool> {
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
    Ok(!bytes.is_empty())
}

/// What holders say of the sessions that they keep: the daemon is not asked.
fn hosted(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let place = Place::of(&context.paths);
    let all = place
        .all(PATIENCE)
        .into_iter()
        .filter_map(|found| match found {
            Found::Live(info) => Some(info),
            _ => None,
        });
    let all: Vec<Info> = all.collect();
    if json {
        out::write((serde_json::to_string(&all)? + "\n").as_bytes())?;
        return Ok(Exit::Done);
    }
    let text: String = all.iter().map(described).collect();
    out::write(text.as_bytes())?;
    if all.is_empty() {
        super::hosted::say_none();
    }
    Ok(Exit::Done)
}

/// A hosted session with all who are attached, a line each.
fn described(info: &Info) -> String {
    let (columns, rows) = (info.columns, info.rows);
    let mut text = format!("{}\n  {columns}x{rows}", super::hosted::line(info));
    let memory = info.memory.map(|most| format!("{} of memory", shown(most)));
    let tasks = info.tasks.map(|most| format!("{most} processes"));
    let most: Vec<String> = memory.into_iter().chain(tasks).collect();
    if !most.is_empty() {
        text.push_str(&format!(", at most {}", most.join(" and ")));
    }
    if let Some(log) = &info.log {
        text.push_str(&format!(
            ", log {}",
            CleanText::line(&log.display().to_string())
        ));
    }
    text.push('\n');
    if info.starved > 0 {
        text.push_str(&format!("  {}\n", starved_words(info.starved)));
    }
    for client in &info.clients {
        let tty = client
            .tty
            .as_deref()
            .unwrap_or(Path::new("?"))
            .display()
            .to_string();
        let mut words = format!("{tty} ({}) {}x{}", client.pid, client.columns, client.rows);
        if client.leads {
            words.push_str(", leads");
        }
        if client.read_only {
            words.push_str(", only looks");
        }
        text.push_str(&format!("  attached: {}\n", CleanText::line(&words)));
    }
    if info.clients.is_empty() {
        text.push_str("  nobody is attached\n");
    }
    text
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
