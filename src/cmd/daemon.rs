//! `vmux daemon`

mod unit;

use std::fmt::Write as _;
use std::time::Duration;

use rustix::process::Signal;

use super::call::Context;
use super::{first, out};
use crate::cmd::cli::{Daemon, DaemonVerb};
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{Standing, State};
use crate::core::text::{CleanText, age};
use crate::daemon::{self, Settings, detach, lock};
use crate::protocol::client::{Client, ClientError, PATIENCE};
use crate::protocol::reply::DaemonStatus;
use crate::protocol::request::{Status, Stop};
use crate::protocol::version::{OWN, REMEDY};
use crate::sys::clock::{self, Deadline};
use crate::sys::exec;
use crate::sys::paths::Paths;
use crate::sys::socket;

/// Longest wait for a daemon to be up.
const CHANGE: Duration = Duration::from_secs(10);
/// Longest wait to hear who listens where nobody answers.
const PEER: Duration = Duration::from_millis(100);
/// What becomes of a daemon whose socket is gone.
pub(super) const UNREACHABLE: &str =
    "it listens again or ends within seconds, unless it hangs; `vmux daemon stop` ends it";

pub(super) fn run(context: &Context, args: &Daemon) -> anyhow::Result<Exit> {
    match args.verb.unwrap_or(DaemonVerb::Run { detached: false }) {
        DaemonVerb::Run { detached } => serve(context, detached),
        DaemonVerb::Start => start(context),
        DaemonVerb::Stop => {
            let words = if stop(context)? {
                "stopped\n"
            } else {
                "no vmux daemon is running\n"
            };
            out::write(words.as_bytes())?;
            Ok(Exit::Done)
        }
        DaemonVerb::Restart => {
            stop(context)?;
            start(context)
        }
        DaemonVerb::Status { json } => status(context, json),
        DaemonVerb::InstallUnit { print } => unit::install(print),
    }
}

/// The daemon's own start, done before clap builds its tree: that would stay in its memory for as
/// long as it runs. `None` if this is another call.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let detached = match *words {
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
    crate::sys::logger::install(&context.environ, log::LevelFilter::Info);
    let loaded = context.config();
    let result = daemon::run(Settings {
        paths: context.paths.clone(),
        config: loaded.config,
        misread: loaded.wrong,
        environ: context.environ.clone(),
        detached,
    });
    if let (Err(error), true) = (&result, detached) {
        // Whoever started this daemon reads it there.
        out::write(format!("{error:#}\n").as_bytes())?;
    }
    result.map(|()| Exit::Done)
}

fn start(context: &Context) -> anyhow::Result<Exit> {
    match ask_status(context) {
        Ok(DaemonStatus { pid, .. }) => {
            out::write(format!("a vmux daemon is already running (pid {pid})\n").as_bytes())?;
            return Ok(Exit::Done);
        }
        Err(ClientError::NotRunning(_) | ClientError::HungUp) => {}
        Err(error) => {
            return Err(unanswered(context, "could not start the daemon: ", &error).into());
        }
    }
    context
        .start_daemon(CHANGE)
        .map_err(|error| Failure::new(format!("could not start the daemon: {error}")))?;
    let status = ask_status(context).map_err(|error| unanswered(context, "", &error))?;
    out::write(format!("started a vmux daemon (pid {})\n", status.pid).as_bytes())?;
    first::tell(context);
    Ok(Exit::Done)
}

/// Stops the daemon; whether there was one.
fn stop(context: &Context) -> anyhow::Result<bool> {
    let deadline = Deadline::after(PATIENCE);
    let pid = match tell_to_stop(context, deadline) {
        Ok(pid) => pid,
        Err(ClientError::NotRunning(_)) => return Ok(false),
        Err(error) => {
            return Err(unanswered(context, "could not stop the daemon: ", &error).into());
        }
    };
    if pid.is_some_and(|pid| !exec::wait_for_exit(pid, deadline.left())) {
        return Err(Failure::new("could not stop the daemon: it does not end")
            .hint(hung(&context.paths))
            .into());
    }
    Ok(true)
}

/// Tells the daemon to end; returns its pid, if that can be known.
fn tell_to_stop(context: &Context, deadline: Deadline) -> Result<Option<u32>, ClientError> {
    let paths = &context.paths;
    let mut client = match Client::connect(&paths.socket, deadline.left()) {
        Ok(client) => client,
        // One that nobody can reach still hears a signal.
        Err(error @ ClientError::NotRunning(_)) => {
            let pid = lock::signal_holder(paths, Signal::TERM);
            return pid.map(Some).ok_or(error);
        }
        Err(error) => return Err(error),
    };
    match client.call(&Stop {}, deadline.left()) {
        Ok(_) | Err(ClientError::HungUp) => Ok(client.peer()),
        Err(error) => Err(error),
    }
}

/// What to do about a daemon that is there and does not answer.
pub(super) fn hung(paths: &Paths) -> String {
    if let Some(pid) = lock::holder(paths) {
        return format!(
            "`kill -9 {pid}` ends it, and the next call starts another; labels are kept"
        );
    }
    // Without the lock it may be any program.
    let peer = socket::connect(&paths.socket, PEER).ok();
    match peer.and_then(|stream| socket::peer_pid(&stream)) {
        Some(pid) => format!(
            "process {pid} listens at {}, and may not be a vmux daemon",
            paths.socket.display()
        ),
        None => "end it by its pid; the next call starts another, and labels are kept".into(),
    }
}

/// What went wrong with a daemon, and the way out where there is one.
fn unanswered(context: &Context, what: &str, error: &ClientError) -> Failure {
    match error {
        ClientError::Slow => Failure::new(format!("{what}{error}")).hint(hung(&context.paths)),
        ClientError::NotRunning(_) if lock::holder(&context.paths).is_some() => {
            Failure::new(format!("{what}{}", lock::unreachable(&context.paths))).hint(UNREACHABLE)
        }
        ClientError::NotRunning(_) => Failure::new(format!("{what}{error}"))
            .hint("`vmux daemon start` starts it; so does `vmux list`"),
        _ => Failure::new(format!("{what}{error}")),
    }
}

fn ask_status(context: &Context) -> Result<DaemonStatus, ClientError> {
    let deadline = Deadline::after(PATIENCE);
    let mut client = Client::connect(&context.paths.socket, PATIENCE)?;
    let reply = client.call(&Status {}, deadline.left())?;
    reply
        .map(|health| health.status)
        .map_err(|refusal| ClientError::Broken(refusal.error))
}

fn status(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let status = ask_status(context).map_err(|error| unanswered(context, "", &error))?;
    if json {
        out::write(format!("{}\n", serde_json::to_string(&status)?).as_bytes())?;
        return Ok(Exit::Done);
    }
    out::write(page(&status)?.as_bytes())?;
    Ok(Exit::Done)
}

/// A state as rows have it.
fn in_words(state: &str) -> &str {
    if state == State::NeedsInput.as_str() {
        Standing::Waiting.word()
    } else {
        state
    }
}

/// The status as people read it.
fn page(status: &DaemonStatus) -> Result<String, std::fmt::Error> {
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
        .map(|(state, n)| format!("{n} {}", in_words(state)))
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
        let heard = source
            .at
            .filter(|_| !source.ok)
            .map_or_else(String::new, |at| {
                let ago = age((clock::now() - at).num_seconds());
                format!(" (last heard of {ago} ago)")
            });
        let detail = CleanText::line(&source.detail);
        writeln!(text, "{name:<9} {word}: {detail}{heard}")?;
        if let Some(lacks) = &source.lacks {
            writeln!(text, "{:10}{}", "", CleanText::line(lacks))?;
        }
    }
    if status.version != OWN {
        writeln!(text, "this vmux is {OWN}; {REMEDY}")?;
    }
    Ok(text)
}
