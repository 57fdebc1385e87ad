//! `vmux capture`

mod kept;
mod status;

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::call::Context;
use super::{check, out, share};
use crate::capture::consent::{self, Consent};
use crate::capture::work::World;
use crate::capture::{known, trees};
use crate::cmd::cli::{CaptureOff, CaptureVerb, Place};
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::CleanText;
use crate::protocol::request::ListArgs;
use crate::serve::world;
use crate::sys::clock;
use crate::sys::git::{self, GitEnv, Repository};

pub(super) fn run(context: &Context, verb: &CaptureVerb) -> anyhow::Result<Exit> {
    match verb {
        CaptureVerb::On(place) => within(context, place, PATIENCE, on),
        CaptureVerb::Off(args) => off(context, args),
        CaptureVerb::Status(place) => status::run(context, place),
        CaptureVerb::Show(args) => {
            let args = args.clone();
            let place = args.place.clone();
            within(context, &place, PATIENCE, move |context, _| {
                kept::show(context, &args)
            })
        }
        CaptureVerb::Save(args) => kept::save(context, args),
        CaptureVerb::Drop(args) => kept::drop_kept(context, args),
        CaptureVerb::Check => check::run(context),
        CaptureVerb::Share(args) => {
            let place = Place {
                repository: args.repository.clone(),
                json: args.json,
            };
            share::run(&repository(context, &place)?, args)
        }
    }
}

/// Longest wait for a repository: longer than any program that is run there is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `look` finds in a repository, from a thread that can be left behind: what lies there may be
/// on a file system that does not answer.
pub(super) fn within<T: Send + 'static>(
    context: &Context,
    place: &Place,
    patience: Duration,
    look: impl FnOnce(&Context, &Place) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (give, told) = mpsc::channel();
    let (own, here) = (context.clone(), place.clone());
    let run = move || {
        // Nobody hears it who has waited for long enough.
        let _heard = give.send(look(&own, &here));
    };
    let looks = thread::Builder::new().spawn(run)?;
    match told.recv_timeout(patience) {
        Ok(found) => found,
        Err(RecvTimeoutError::Disconnected) => match looks.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => Err(Failure::new("could not look: nothing was found out").into()),
        },
        Err(RecvTimeoutError::Timeout) => {
            // The kernel knows that by itself: the file system is not asked once more.
            let here = std::env::current_dir().unwrap_or_default();
            let dir = place.repository.as_ref().map(|dir| here.join(dir));
            let words = format!(
                "could not look at the repository in {}: it did not answer within {} s",
                shown(&dir.unwrap_or(here)),
                patience.as_secs()
            );
            let hint = "its file system hangs, or a program that git runs there";
            Err(Failure::new(words).hint(hint).into())
        }
    }
}

/// What `on` and `off` print.
#[derive(Serialize)]
struct Switched<'a> {
    capture: bool,
    changed: bool,
    repository: CleanText,
    settings: &'a Path,
}

fn on(context: &Context, place: &Place) -> anyhow::Result<Exit> {
    let repository = repository(context, place)?;
    let common = repository.common();
    let trees = trees::all(common);
    // It may lie elsewhere than around its git directory.
    let own = trees
        .iter()
        .find(|tree| tree.git_dir == repository.git_dir());
    let top = own.map_or(repository.top(), |tree| &tree.top);
    if consent::is_forbidden(top) {
        let file = top.join(consent::FORBIDS);
        return Err(Failure::new(format!(
            "could not capture {}: {} forbids it",
            shown(top),
            shown(&file)
        ))
        .hint("who shares this repository wants no conversations kept; remove that file if that is you")
        .into());
    }
    if trees.is_empty() {
        return Err(Failure::new(format!(
            "could not capture {}: it has no working tree that git finds by itself",
            shown(common)
        ))
        .hint("changes are told by the files of a working tree: `git worktree add` makes one")
        .into());
    }
    let changed =
        consent::allow(&repository, clock::now()).map_err(|error| unwritten(common, &error))?;
    let list = context.paths.captured();
    if let Err(error) = known::change(&list, Some(common), &[]) {
        log::warn!("could not write {}: {error}", list.display());
    }
    switched(place, &repository, true, changed)
}

fn off(context: &Context, args: &CaptureOff) -> anyhow::Result<Exit> {
    let place = &args.place;
    let repository = repository(context, place)?;
    let common = repository.common();
    if args.purge {
        let question = format!(
            "Remove all that is kept with the commits of {}?",
            shown(repository.top())
        );
        if !args.yes
            && !super::ask::confirmed(
                &question,
                "whether to remove it",
                "--yes removes it without asking",
            )?
        {
            return Ok(Exit::Cancelled);
        }
    }
    let changed = consent::forbid(common).map_err(|error| unwritten(common, &error))?;
    let list = context.paths.captured();
    if let Err(error) = known::change(&list, None, &[common.to_path_buf()]) {
        log::warn!("could not write {}: {error}", list.display());
    }
    if args.purge {
        kept::purge(&repository)?;
        if place.json {
            return switched(place, &repository, false, changed);
        }
        let text = format!("{}: nothing is kept any more\n", shown(repository.top()));
        out::write(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    switched(place, &repository, false, changed)
}

fn switched(
    place: &Place,
    repository: &Repository,
    capture: bool,
    changed: bool,
) -> anyhow::Result<Exit> {
    let settings = consent::file(repository.common());
    let told = Switched {
        capture,
        changed,
        repository: CleanText::line(&repository.common().to_string_lossy()),
        settings: &settings,
    };
    if place.json {
        out::write(format!("{}\n", serde_json::to_string(&told)?).as_bytes())?;
        return Ok(Exit::Done);
    }
    let top = shown(repository.top());
    let text = match (capture, changed) {
        (true, true) => format!(
            "{top}: conversations are kept with its commits from now on, on this machine only\n\
             settings: {}\n",
            shown(&settings)
        ),
        (true, false) => format!(
            "{top}: is captured already\nsettings: {}\n",
            shown(&settings)
        ),
        (false, true) => format!("{top}: nothing more is kept; what was kept stays\n"),
        (false, false) => format!("{top}: was not captured\n"),
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The settings of a repository, or why they cannot be had.
fn settings(common: &Path) -> Result<Option<Consent>, Failure> {
    consent::read(common).map_err(|error| {
        let file = consent::file(common);
        Failure::new(format!("could not read {}: {error}", shown(&file)))
            .hint("nothing is kept until it can be read; mend it, or remove it and switch capture on again")
    })
}

/// The repository that is meant.
pub(super) fn repository(context: &Context, place: &Place) -> Result<Repository, Failure> {
    let dir = place
        .repository
        .clone()
        .unwrap_or_else(|| PathBuf::from("."));
    let refused = |cause: &str| {
        Failure::new(format!(
            "could not find a repository in {}: {cause}",
            shown(&dir)
        ))
        .hint("git repositories can be captured; -C names another directory")
        .exit(Exit::Usage)
    };
    // The variables name the repository of whoever set them, not the one of another directory.
    let env = match place.repository {
        Some(_) => GitEnv::default(),
        None => GitEnv::of(&context.environ),
    };
    match git::find(&dir, &env) {
        Ok(Some(repository)) => Ok(repository),
        Ok(None) => Err(refused("there is none")),
        Err(error) => Err(refused(&error.to_string())),
    }
}

fn unwritten(common: &Path, error: &io::Error) -> Failure {
    let words = format!(
        "could not write to {}: {error}",
        shown(&consent::place(common))
    );
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Failure::new(words).hint("its settings cannot be understood: mend them, or remove them")
        }
        _ => Failure::new(words).hint(
            "what is kept lies in the git directory, which this user has to be able to write to",
        ),
    }
}

fn shown(path: &Path) -> CleanText {
    CleanText::line(&path.to_string_lossy())
}

/// What has to be known besides the repository, from the daemon or from a look at the machine.
fn world(context: &Context) -> World {
    let listed = context.call(ListArgs::default());
    let told = |error: &anyhow::Error| log::debug!("could not ask for sessions: {error}");
    let sessions = listed.inspect_err(told).map(|listed| listed.sessions);
    let sessions = sessions.unwrap_or_default();
    world::of(&context.paths, sessions.iter().map(|session| &**session))
}

pub(super) fn count(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}
