//! `vmux DIR`: the hosted session of a directory, started if there is none, shown here.

use std::ffi::OsStr;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use clap::Subcommand as _;

use super::call::Context;
use super::{attach, hosted, out, start};
use crate::agent::AGENTS;
use crate::cmd::cli::{Start, Verb};
use crate::cmd::exit::{Exit, Failure};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;
use crate::hosted::Info;
use crate::hosted::missed;
use crate::hosted::place::{Found, Place};

/// Longest wait for others that start a session just now.
const OTHERS: Duration = Duration::from_secs(15);

pub(super) fn run(context: &Context, named: &Path) -> anyhow::Result<Exit> {
    let dir = start::directory(Some(named)).map_err(|failure| explained(named, failure))?;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(
            Failure::new("could not show a session here: this is not a terminal")
                .hint("`vmux start` starts one without showing it; `vmux --help` tells the verbs")
                .exit(Exit::Usage)
                .into(),
        );
    }
    let (info, others) = enter(context, &dir)?;
    let exit = attach::show(context, &info, false, None)?;
    if !others.is_empty() {
        let dir = CleanText::line(&dir.display().to_string());
        let mut words = format!("{dir} has more sessions, `vmux attach ID` shows one:\n");
        for other in &others {
            words.push_str(&format!("  {}\n", hosted::line(other)));
        }
        out::write(words.as_bytes())?;
    }
    Ok(exit)
}

/// The session of a directory, and others that run there. Of two who ask at once only one starts it.
///
/// # Errors
/// If it could not be started.
pub(super) fn enter(context: &Context, dir: &Path) -> anyhow::Result<(Info, Vec<Info>)> {
    let _lock = lock(context)?;
    let place = Place::of(&context.paths);
    let find = || choose(place.all(hosted::PATIENCE), dir);
    let missed = || missed::call(&place).then(find).flatten();
    if let Some(found) = find().or_else(missed) {
        return Ok(found);
    }
    let info = start::host(context, &Start::default(), dir)?;
    Ok((info, Vec::new()))
}

/// Has others wait that would start the same session.
pub(super) fn lock(context: &Context) -> anyhow::Result<Option<File>> {
    let place = Place::of(&context.paths);
    let held = place.lock(&context.paths, OTHERS);
    held.map_err(|error| Failure::new(format!("could not start a session: {error}")).into())
}

/// The session that is meant by a directory: one of a coding tool before any other program, then
/// the one that was started last; and the others.
fn choose(all: Vec<Found>, dir: &Path) -> Option<(Info, Vec<Info>)> {
    let mut here: Vec<Info> = all
        .into_iter()
        .filter_map(|found| match found {
            Found::Live(info) if info.cwd == dir => Some(info),
            _ => None,
        })
        .collect();
    here.arrange_by_key(|info| (is_agent(info), info.started));
    let chosen = here.pop()?;
    Some((chosen, here))
}

/// Whether a coding tool was started.
fn is_agent(info: &Info) -> bool {
    let program = info.command.first().map(Path::new);
    let name = program.and_then(Path::file_name);
    AGENTS
        .iter()
        .any(|agent| name == Some(OsStr::new(agent.program())))
}

/// What is wrong with a command line that clap refused, if its first word is to blame: one that is
/// neither a verb nor a directory.
#[must_use]
pub fn mistyped(words: &[String]) -> Option<Failure> {
    let word = words.first().filter(|word| !word.starts_with('-'))?;
    let verbs = Verb::augment_subcommands(clap::Command::new("vmux"));
    if verbs.find_subcommand(word).is_some() {
        return None;
    }
    let named = Path::new(word);
    let failure = start::directory(Some(named)).err()?;
    Some(explained(named, failure))
}

/// A word that is no directory may be a verb with a slip of the pen.
fn explained(named: &Path, failure: Failure) -> Failure {
    let word = named.to_string_lossy();
    if named.exists() {
        return failure;
    }
    let hint = match nearest(&word) {
        Some(verb) => format!("did you mean `vmux {verb}`?"),
        None => "it is neither a verb nor a directory; `vmux --help` tells the verbs".to_owned(),
    };
    failure.hint(hint)
}

/// The verb that a word is most like, if few letters are wrong.
fn nearest(word: &str) -> Option<String> {
    let verbs = Verb::augment_subcommands(clap::Command::new("vmux"));
    let names = verbs.get_subcommands().map(clap::Command::get_name);
    let edits = names.map(|name| (strsim::osa_distance(word, name), name));
    let (edits, name) = edits.min()?;
    let few = if word.len() < 5 { 1 } else { 2 };
    (edits <= few).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, cwd: &str, program: &str, started: i64) -> Found {
        Found::Live(Info {
            id: id.into(),
            cwd: cwd.into(),
            command: vec![program.into()],
            started: chrono::DateTime::from_timestamp(started, 0).unwrap(),
            ..Info::default()
        })
    }

    #[test]
    fn a_directory_means_its_coding_tool_that_was_started_last() {
        let all = |extra: Found| {
            vec![
                found("h1111", "/srv/shop", "/opt/bin/claude", 10),
                found("h2222", "/srv/shop", "codex", 20),
                found("h3333", "/srv/shop", "npm", 30),
                found("h4444", "/srv/site", "claude", 40),
                extra,
            ]
        };
        let ended = Found::Ended(Info {
            cwd: "/srv/shop".into(),
            ..Info::default()
        });
        let (chosen, others) = choose(all(ended), Path::new("/srv/shop")).unwrap();
        let others: Vec<&str> = others.iter().map(|info| &*info.id).collect();
        assert_eq!((&*chosen.id, &*others.join(" ")), ("h2222", "h3333 h1111"));
        let other = found("h5555", "/srv/docs", "vim", 1);
        let (chosen, others) = choose(all(other.clone()), Path::new("/srv/docs")).unwrap();
        assert_eq!((&*chosen.id, others), ("h5555", Vec::new()));
        assert_eq!(choose(all(other), Path::new("/srv")), None);
    }

    #[test]
    fn a_slip_of_the_pen_is_no_directory() {
        for (word, verb) in [
            ("swich", "switch"),
            ("lst", "list"),
            ("statr", "start"),
            ("lists", "list"),
            ("competions", "completions"),
        ] {
            assert_eq!(nearest(word).as_deref(), Some(verb), "{word}");
        }
        for word in ["payments", "./swich", "~/shop", "api", "-", ""] {
            assert_eq!(nearest(word), None, "{word}");
        }
    }
}
