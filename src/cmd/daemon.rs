//! `vmux daemon`

use std::fmt::Write as _;
use std::time::Duration;

use super::ask::Context;
use super::out;
use crate::cli::{Daemon, DaemonVerb};
use crate::clock::{self, Deadline};
use crate::daemon::lock::running_pid;
use crate::daemon::{self, Settings, detach};
use crate::exec;
use crate::exit::{Exit, Failure};
use crate::paths::Paths;
use crate::protocol::client::{Client, ClientError, PATIENCE};
use crate::protocol::{Request, Status};
use crate::text::age;

/// Longest wait for a daemon to be up, or gone.
const CHANGE: Duration = Duration::from_secs(10);

pub(super) fn run(context: &Context, args: &Daemon) -> anyhow::Result<Exit> {
    match args.verb.unwrap_or(DaemonVerb::Run { detached: false }) {
        DaemonVerb::Run { detached } => serve(context, detached),
        DaemonVerb::Start => start(context),
        DaemonVerb::Stop => stop(context),
        DaemonVerb::Status { json } => status(context, json),
    }
}

/// The daemon's own start, done before clap builds its tree: that would stay in its memory for as
/// long as it runs. `None` if this is another call.
#[must_use]
pub fn run_hot(words: &[String]) -> Option<anyhow::Result<Exit>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let detached = match words[..] {
        ["daemon", "run"] => false,
        ["daemon", "run", "--detached"] => true,
        _ => return None,
    };
    let context = Context::new(None, false);
    Some(context.and_then(|context| serve(&context, detached)))
}

fn serve(context: &Context, detached: bool) -> anyhow::Result<Exit> {
    if detached {
        detach::leave(&context.paths.log)?;
    }
    crate::logger::install(&context.environ, log::LevelFilter::Info);
    let result = context
        .config()
        .map_err(anyhow::Error::from)
        .and_then(|config| {
            let settings = Settings {
                paths: context.paths.clone(),
                config,
                environ: context.environ.clone(),
                detached,
            };
            daemon::run(settings)
        });
    if let (Err(error), true) = (&result, detached) {
        // Whoever started this daemon reads it there.
        out::write(format!("{error:#}\n").as_bytes())?;
    }
    result.map(|()| Exit::Done)
}

fn start(context: &Context) -> anyhow::Result<Exit> {
    if let Ok(status) = ask_status(context) {
        out::write(format!("a vmux daemon is already running (pid {})\n", status.pid).as_bytes())?;
        return Ok(Exit::Done);
    }
    context
        .start_daemon(CHANGE)
        .map_err(|error| Failure::new(format!("could not start the daemon: {error}")))?;
    let status = ask_status(context).map_err(|error| unanswered(context, "", &error))?;
    out::write(format!("started a vmux daemon (pid {})\n", status.pid).as_bytes())?;
    Ok(Exit::Done)
}

fn stop(context: &Context) -> anyhow::Result<Exit> {
    let pid = ask_status(context)
        .ok()
        .map(|status| status.pid)
        .or_else(|| running_pid(&context.paths));
    let mut client = match Client::connect(&context.paths.socket, PATIENCE) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => {
            out::write(b"no vmux daemon is running\n")?;
            return Ok(Exit::Done);
        }
        Err(error) => {
            return Err(unanswered(context, "could not stop the daemon: ", &error).into());
        }
    };
    client
        .ask(&Request::Stop, PATIENCE)
        .map_err(|error| unanswered(context, "could not stop the daemon: ", &error))?;
    let deadline = Deadline::after(CHANGE);
    if pid.is_some_and(|pid| !exec::wait_for_exit(pid, deadline.left())) {
        return Err(Failure::new("could not stop the daemon: it does not end").into());
    }
    out::write(b"stopped\n")?;
    Ok(Exit::Done)
}

/// What to do about a daemon that is there and does not answer.
pub(super) fn hung(paths: &Paths) -> String {
    match running_pid(paths) {
        Some(pid) => {
            format!("`kill -9 {pid}` ends it, and the next call starts another; labels are kept")
        }
        None => "end it by its pid; the next call starts another, and labels are kept".into(),
    }
}

/// What went wrong with a daemon, and the way out where it hangs.
fn unanswered(context: &Context, what: &str, error: &ClientError) -> Failure {
    let failure = Failure::new(format!("{what}{error}"));
    match error {
        ClientError::Slow => failure.hint(hung(&context.paths)),
        _ => failure,
    }
}

fn ask_status(context: &Context) -> Result<Status, ClientError> {
    let mut client = Client::connect(&context.paths.socket, PATIENCE)?;
    let (reply, _) = client.ask(&Request::Status, PATIENCE)?;
    reply
        .status
        .ok_or_else(|| ClientError::Broken("no status".into()))
}

fn status(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let status = match ask_status(context) {
        Ok(status) => status,
        Err(error @ ClientError::NotRunning(_)) => {
            return Err(Failure::new(error.to_string())
                .hint("`vmux daemon start` starts it; so does `vmux list`")
                .into());
        }
        Err(error) => return Err(unanswered(context, "", &error).into()),
    };
    if json {
        out::write(format!("{}\n", serde_json::to_string(&status)?).as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    let up = status
        .started_at
        .map(|at| age((clock::now() - at).num_seconds()))
        .unwrap_or_default();
    writeln!(
        text,
        "vmux {} (pid {}), up {up}",
        status.version, status.pid
    )?;
    writeln!(text, "socket    {}", status.socket)?;
    let counts: Vec<String> = status
        .counts
        .iter()
        .map(|(state, n)| format!("{n} {state}"))
        .collect();
    writeln!(
        text,
        "sessions  {}",
        if counts.is_empty() {
            "none".into()
        } else {
            counts.join(", ")
        }
    )?;
    writeln!(
        text,
        "requests  {}, {} connections open",
        status.requests, status.connections
    )?;
    for (name, source) in &status.sources {
        let word = if source.ok { "works" } else { "fails" };
        writeln!(
            text,
            "{name:<9} {word}: {}",
            crate::text::CleanText::line(&source.detail)
        )?;
    }
    if status.version != env!("CARGO_PKG_VERSION") {
        writeln!(
            text,
            "this vmux is {}; `vmux daemon stop` lets it start anew",
            env!("CARGO_PKG_VERSION")
        )?;
    }
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}
