//! `vmux capture`

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::call::Context;
use super::{check, out};
use crate::capture::consent::{self, Consent};
use crate::capture::{known, trees};
use crate::cmd::cli::{CaptureVerb, Place};
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::CleanText;
use crate::sys::clock;
use crate::sys::git::{self, GitEnv, Repository};

pub(super) fn run(context: &Context, verb: &CaptureVerb) -> anyhow::Result<Exit> {
    match verb {
        CaptureVerb::On(place) => on(context, place),
        CaptureVerb::Off(place) => off(context, place),
        CaptureVerb::Status(place) => status(context, place),
        CaptureVerb::Check => check::run(context),
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
    if consent::is_forbidden(repository.top()) {
        let file = repository.top().join(consent::FORBIDS);
        return Err(Failure::new(format!(
            "could not capture {}: {} forbids it",
            shown(repository.top()),
            shown(&file)
        ))
        .hint("who shares this repository wants no conversations kept; remove that file if that is you")
        .into());
    }
    if trees::all(common).is_empty() {
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

fn off(context: &Context, place: &Place) -> anyhow::Result<Exit> {
    let repository = repository(context, place)?;
    let common = repository.common();
    let changed = consent::forbid(common).map_err(|error| unwritten(common, &error))?;
    let list = context.paths.captured();
    if let Err(error) = known::change(&list, None, &[common.to_path_buf()]) {
        log::warn!("could not write {}: {error}", list.display());
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

/// What `status` prints.
#[derive(Serialize)]
struct Told {
    capture: bool,
    repository: CleanText,
    worktrees: Vec<CleanText>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forbidden: Vec<CleanText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Consent>,
}

fn status(context: &Context, place: &Place) -> anyhow::Result<Exit> {
    let repository = repository(context, place)?;
    let common = repository.common();
    let settings = settings(common)?;
    let clean = |path: &Path| CleanText::line(&path.to_string_lossy());
    let trees = trees::all(common);
    let forbidden = trees.iter().filter(|tree| consent::is_forbidden(&tree.top));
    let told = Told {
        capture: settings.is_some(),
        repository: clean(common),
        worktrees: trees.iter().map(|tree| clean(&tree.top)).collect(),
        forbidden: forbidden.map(|tree| clean(&tree.top)).collect(),
        settings,
    };
    let text = if place.json {
        serde_json::to_string(&told)? + "\n"
    } else {
        told.text()
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

impl Told {
    fn text(&self) -> String {
        let Some(settings) = &self.settings else {
            return "capture is off here; `vmux capture on` switches it on\n".into();
        };
        let since = settings
            .since
            .map(|since| format!(" since {}", since.format("%Y-%m-%d %H:%M UTC")));
        let mut text = format!("capture is on{}\n", since.unwrap_or_default());
        for top in &self.worktrees {
            let off = self.forbidden.contains(top);
            let note = if off { "  (forbidden there)" } else { "" };
            text.push_str(&format!("  {top}{note}\n"));
        }
        let answers = serde_json::to_string(&settings.answers).unwrap_or_default();
        let pasted = if settings.pasted { "kept" } else { "left out" };
        text.push_str(&format!(
            "answers: {}; pasted text: {pasted}; own patterns: {} to redact, {} to ignore\n",
            answers.trim_matches('"'),
            settings.redact.len(),
            settings.ignore.len(),
        ));
        text
    }
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
