//! `vmux dmenu`: the list through dmenu or a program like it.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::call::{Context, failure};
use super::moves::tell;
use super::new;
use crate::cmd::cli::Dmenu;
use crate::cmd::exit::{Exit, Failure};
use crate::frontend::menu::{self, Choice, Launcher};
use crate::frontend::projects::{Chosen, NEW, lines};
use crate::frontend::row;
use crate::frontend::table;
use crate::protocol::request::{ListArgs, SwitchArgs, Target};
use crate::sys::clock;

pub(super) fn run(context: &Context, args: &Dmenu) -> anyhow::Result<Exit> {
    let name = args.launcher.as_deref().unwrap_or("dmenu");
    let launcher = menu::by_name(name).ok_or_else(|| unknown(name))?;
    choose(context, launcher, &args.args)
}

/// The error for a launcher that nobody knows.
pub(super) fn unknown(name: &str) -> Failure {
    Failure::new(format!(
        "could not use the launcher {name:?}: it is not known"
    ))
    .hint(format!(
        "known are {}; `vmux list --format dmenu` feeds any other",
        menu::names()
    ))
    .exit(Exit::Usage)
}

/// Shows the list in a launcher and focuses the choice, once the launcher has ended: a focus
/// made while its window is still there would be undone by the pointer.
pub(super) fn choose(
    context: &Context,
    launcher: &Launcher,
    args: &[String],
) -> anyhow::Result<Exit> {
    let sessions = context.call(ListArgs::default())?.sessions;
    let mut rows = table::render_unique(&row::rows(&sessions, clock::now()));
    rows.push(NEW.to_owned());
    let opened = clock::steady();
    let number = match show(launcher, args, &rows)? {
        Choice::Row(number) if number == sessions.len() => {
            return new_session(context, launcher, args);
        }
        Choice::Row(number) => number,
        Choice::Cancelled => return Ok(Exit::Cancelled),
        Choice::Unknown(text) => {
            return Err(Failure::new(format!("no session has the row {text:?}")).into());
        }
    };
    let target = Target {
        id: sessions.get(number).map(|session| session.id.clone()),
        ..Target::default()
    };
    let switch = SwitchArgs {
        target,
        dry_run: false,
        summon: false,
        settle: true,
        opened_ms: u64::try_from(opened.elapsed().as_millis()).ok(),
        environ: context.travelling(),
    };
    match context.try_call(switch)? {
        Ok(done) => {
            context.tell_note(&done);
            Ok(Exit::Done)
        }
        Err(refusal) => {
            tell(context, &refusal);
            Err(failure(&refusal).into())
        }
    }
}

/// Asks again: where a session begins, or what goes on.
fn new_session(context: &Context, launcher: &Launcher, args: &[String]) -> anyhow::Result<Exit> {
    let projects = new::projects(context, new::PATIENCE)?;
    let lines = lines(&projects, clock::now());
    let rows: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    let line = match show(launcher, args, &rows)? {
        Choice::Row(number) => lines.get(number),
        Choice::Cancelled => return Ok(Exit::Cancelled),
        Choice::Unknown(text) => {
            let dir = new::typed(context, &text);
            let words = format!("could not begin a session: {text:?} is no directory");
            new::begin(context, &dir.ok_or_else(|| Failure::new(words))?)?;
            return Ok(Exit::Done);
        }
    };
    match line.map(|line| &line.chosen) {
        None => {}
        Some(Chosen::Begin(dir)) => drop(new::begin(context, Path::new(dir))?),
        Some(Chosen::Resume(id)) => drop(new::resume_by_id(context, &projects, id.as_str())?),
    }
    Ok(Exit::Done)
}

fn show(launcher: &Launcher, args: &[String], rows: &[String]) -> Result<Choice, Failure> {
    let fail =
        |error: std::io::Error| Failure::new(format!("could not run {}: {error}", launcher.name));
    let mut child = Command::new(launcher.name)
        .args(launcher.args)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => fail(error).hint("is it installed?"),
            _ => fail(error),
        })?;
    if let Some(mut pipe) = child.stdin.take() {
        // A launcher that ends before it has read everything says so by its status.
        drop(pipe.write_all(format!("{}\n", rows.join("\n")).as_bytes()));
    }
    // Its user may take as long as they like.
    let done = child.wait_with_output().map_err(fail)?;
    if let Some(signal) = done.status.signal() {
        return Err(Failure::new(format!(
            "{} was killed by signal {signal}",
            launcher.name
        )));
    }
    Ok(menu::parse_choice(
        launcher.returns,
        done.status.code(),
        &String::from_utf8_lossy(&done.stdout),
        rows,
    ))
}
