//! `vmux start`

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Access;

use super::call::{Context, sibling};
use super::{attach, hosted, out};
use crate::agent::{self, AGENTS, Agent};
use crate::cmd::cli::Start;
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::text::CleanText;
use crate::hosted::place::Place;
use crate::hosted::{AGAIN, Info};
use crate::sys::clock::Deadline;
use crate::sys::group;

/// Longest wait for the holder to be there.
const PATIENCE: Duration = Duration::from_secs(10);
/// How a holder says that it cannot keep a session to what was asked,
const UNLIMITED: &str = "could not limit";
/// and what it takes.
const LIMITS: &str = "--memory and --tasks need a systemd user manager that may limit memory and pids (control \
     groups of version 2: `systemctl --user show -p ControlGroup`); without them it starts";
/// Longest answer of a holder, in bytes.
const ANSWER: usize = 256 * 1024;

pub(super) fn run(context: &Context, args: &Start) -> anyhow::Result<Exit> {
    let dir = directory(args.dir.as_deref())?;
    let info = host(context, args, &dir)?;
    if args.attach {
        return attach::show(context, &info, false, None);
    }
    let text = if args.json {
        serde_json::to_string(&info)? + "\n"
    } else {
        let mut text = format!(
            "{}  {}\n",
            info.id,
            CleanText::line(&dir.display().to_string())
        );
        if let Some(log) = &info.log {
            text.push_str(&format!("log: {}\n", log.display()));
        }
        text
    };
    out::write(text.as_bytes())?;
    tell_end(context, &info);
    Ok(Exit::Done)
}

/// A limit costs something where systemd ends what it manages: it is told who was not to expect it.
fn tell_end(context: &Context, info: &Info) {
    let limited = info.memory.is_some() || info.tasks.is_some();
    let own = group::of(None).ok().flatten();
    if !limited || own.is_none_or(|own| group::is_of_manager(&own)) {
        return;
    }
    if hosted::ends_with_logins(info) && hosted::logins_end(context) {
        let linger = hosted::LINGER;
        exit::say(&format!(
            "note: with its limits it ends with your last login; {linger}\n"
        ));
    }
}

pub(super) fn directory(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let named = named.unwrap_or(Path::new("."));
    let dir = std::fs::canonicalize(named).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such directory".to_owned(),
            _ => error.to_string(),
        };
        let words = format!("could not start in {}: {why}", named.display());
        Failure::new(words).exit(Exit::Usage)
    })?;
    let why = if !dir.is_dir() {
        "it is a file, no directory".to_owned()
    } else if let Err(error) = rustix::fs::access(&dir, Access::EXEC_OK) {
        // As after `sudo -u`, which stays where somebody else was.
        std::io::Error::from(error).to_string()
    } else {
        return Ok(dir);
    };
    let shown = if named == Path::new(".") { &dir } else { named };
    let words = format!("could not start in {}: {why}", shown.display());
    Err(Failure::new(words).exit(Exit::Usage))
}

/// A session that was there before.
#[derive(Default)]
pub(super) struct Again<'a> {
    /// The id that it had.
    pub(super) id: Option<&'a str>,
    /// What it needs of its environment.
    pub(super) environ: &'a [(String, String)],
}

/// Starts a holder and waits until it says what it keeps.
pub(super) fn host(context: &Context, args: &Start, dir: &Path) -> anyhow::Result<Info> {
    host_again(context, args, dir, &Again::default())
}

/// The same for a session that was there before.
pub(super) fn host_again(
    context: &Context,
    args: &Start,
    dir: &Path,
    again: &Again<'_>,
) -> anyhow::Result<Info> {
    let program = sibling("vmux-host").map_err(Failure::new)?;
    let mut command = command(context, args, dir, &program)?;
    if let Some(id) = again.id {
        command.env(AGAIN, id);
    }
    for (name, value) in again.environ {
        command.env(name, value);
    }
    let child = command.spawn().map_err(|error| {
        Failure::new(format!("could not run {}: {error}", program.display()))
            .hint("it is installed beside vmux, unless vmux was built without the feature `host`")
    })?;
    answer(child)
}

/// The holder's command line.
fn command(context: &Context, args: &Start, dir: &Path, program: &Path) -> anyhow::Result<Command> {
    let place = Place::of(&context.paths);
    place.create(&context.paths).map_err(|error| {
        Failure::new(format!(
            "could not make the directory of hosted sessions: {error}"
        ))
    })?;
    let mut command = Command::new(program);
    for (word, path) in ["--dir", "--logs"].into_iter().zip(place.dirs()) {
        // It runs in the session's directory.
        command.arg(word).arg(std::path::absolute(path)?);
    }
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdin()) {
        command.args(["--columns", &size.ws_col.to_string()]);
        command.args(["--rows", &size.ws_row.to_string()]);
    }
    if let Some(name) = &args.name {
        command.arg(format!("--name={name}"));
    }
    if let Some(workspace) = &args.workspace {
        command.arg(format!("--workspace={workspace}"));
    }
    for agent in agent::tools() {
        command.arg(format!("--keep={}", agent.variable()));
    }
    if args.no_log {
        command.arg("--no-log");
    }
    for (word, limit) in [("--memory", args.memory), ("--tasks", args.tasks)] {
        command.args(limit.map(|limit| format!("{word}={limit}")));
    }
    command.arg("--");
    if args.command.is_empty() {
        command.arg(agent(args.agent.as_deref()).program());
    }
    command
        .args(&args.command)
        .current_dir(dir)
        .env("PWD", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Ok(command)
}

/// The coding tool of this name; the first one if none is named.
fn agent(name: Option<&str>) -> &'static dyn Agent {
    name.and_then(agent::by_name).unwrap_or(AGENTS[0])
}

/// What the holder says once it keeps the session, or why it does not.
fn answer(mut child: Child) -> anyhow::Result<Info> {
    let Some(mut pipe) = child.stdout.take() else {
        return Err(Failure::new("could not open a pipe").into());
    };
    let deadline = Deadline::after(PATIENCE);
    let mut said = Vec::new();
    while !said.ends_with(b"\n") && said.len() < ANSWER {
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        if poll(&mut fds, Some(&deadline.timespec()))? == 0 {
            return Err(Failure::new("the session is still starting").into());
        }
        let mut block = [0; 4096];
        match pipe.read(&mut block)? {
            0 => break,
            n => said.extend_from_slice(&block[..n]),
        }
    }
    serde_json::from_slice(&said).map_err(|_| {
        let words = String::from_utf8_lossy(&said);
        let words = words.trim();
        let words = if words.is_empty() {
            "could not start the session"
        } else {
            words
        };
        let failure = Failure::new(words);
        if words.starts_with(UNLIMITED) {
            return failure.hint(LIMITS).into();
        }
        failure.into()
    })
}
