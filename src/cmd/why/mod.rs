//! `vmux why`: from a line to the prompt that it comes of, and to the window of its session.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::call::Context;
use super::out;
use crate::capture::spot::readings;
use crate::capture::store::Store;
use crate::capture::why::{Answer, Asked, OfCommit};
use crate::capture::{consent, git as child, pending, state, trees, why};
use crate::cmd::cli::Why;
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{ConversationId, Session};
use crate::core::text::CleanText;
use crate::protocol::client::Client;
use crate::protocol::request::ListArgs;
use crate::serve::world;
use crate::sys::git::{self, GitEnv};

mod go;
mod told;

/// Longest wait for the daemon to say which sessions live.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

pub(super) fn run(context: &Context, args: &Why) -> anyhow::Result<Exit> {
    let found = find(context, &args.what)?;
    if args.go {
        return go::go(context, args, &found);
    }
    let sessions = alive(context, &found);
    let text = if args.json {
        told::json(&found, sessions.as_deref())?
    } else {
        let columns = out::columns().unwrap_or(80);
        let colored = out::colored(&context.environ);
        told::text(&found, sessions.as_deref(), columns, colored)
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// What was asked for, and what is known of it.
enum Found {
    /// Lines of a file, by the path that was given.
    Lines(PathBuf, Vec<Answer>),
    /// A commit.
    Commit(OfCommit),
}

impl Found {
    /// Conversations that it comes of, each once, with the tool that had it: the surest first. Those
    /// that only led to the commit count where nothing else does.
    fn conversations(&self) -> Vec<(String, ConversationId)> {
        let mut found: Vec<(why::Level, String, ConversationId)> = Vec::new();
        let mut add = |level, source: &why::Source, prompt: &usize| {
            let record = &source.record;
            let talk = record
                .prompts
                .get(*prompt)
                .and_then(|asked| record.conversations.get(asked.conversation));
            let Some(talk) = talk else {
                return;
            };
            if !found.iter().any(|(_, _, id)| *id == talk.session_id) {
                found.push((level, talk.agent.clone(), talk.session_id.clone()));
            }
        };
        match self {
            Self::Lines(_, answers) => {
                for answer in answers {
                    for prompt in &answer.prompts {
                        if let Some(source) = &answer.source {
                            add(answer.level, source, prompt);
                        }
                    }
                }
            }
            Self::Commit(commit) => {
                for (source, prompts) in &commit.sources {
                    for prompt in prompts.iter().filter(|at| source.is_primary(**at)) {
                        add(why::Level::Line, source, prompt);
                    }
                }
            }
        }
        let weak = |level: &why::Level| *level == why::Level::Commit;
        let strong = found.iter().any(|(level, ..)| !weak(level));
        let kept = found
            .into_iter()
            .filter(|(level, ..)| !strong || !weak(level));
        kept.map(|(_, agent, id)| (agent, id)).collect()
    }
}

fn find(context: &Context, what: &OsStr) -> anyhow::Result<Found> {
    let here = Path::new(".");
    for spot in readings(what.as_bytes()) {
        let path = Path::new(OsStr::from_bytes(spot.path));
        if path.is_file() {
            return Ok(lines(context, path, spot.lines)?);
        }
        if path.is_dir() && spot.lines.is_some() {
            let words = format!("could not tell of {}: it is a directory", shown(path));
            return Err(Failure::new(words).exit(Exit::Usage).into());
        }
    }
    let is_line = readings(what.as_bytes()).len() > 1;
    let text = what.to_str().filter(|_| !is_line);
    let unknown = |cause: &str| {
        let what = CleanText::line(&what.to_string_lossy());
        Failure::new(format!("could not tell of {what}: {cause}"))
            .hint("FILE:LINE, FILE:FIRST-LAST, FILE or a commit")
            .exit(Exit::Usage)
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(unknown("there is no such file").into());
    };
    let repository = Repository::around(context, here)?;
    match why::commit(&repository.asked(), here, text) {
        Ok(commit) => Ok(Found::Commit(commit)),
        Err(child::Error::Failed(_)) => {
            Err(unknown("it is neither a file nor a commit here").into())
        }
        Err(error) => Err(failed(text, &error).into()),
    }
}

fn lines(context: &Context, path: &Path, wanted: Option<(u32, u32)>) -> Result<Found, Failure> {
    let name = CleanText::line(&path.to_string_lossy());
    let refused = |cause: String| {
        let words = format!("could not tell of {name}: {cause}");
        Failure::new(words).exit(Exit::Usage)
    };
    if wanted.is_some_and(|(first, _)| first == 0) {
        return Err(refused("lines are counted from 1".into()));
    }
    // Where the file itself lies: links lead to it from anywhere.
    let real = path
        .canonicalize()
        .map_err(|error| refused(error.to_string()))?;
    let (Some(dir), Some(file)) = (real.parent(), real.file_name()) else {
        return Err(refused("it is no file".into()));
    };
    let repository = Repository::around(context, dir)?;
    let answers = why::lines(&repository.asked(), dir, file, wanted);
    let answers = answers.map_err(|error| match &error {
        child::Error::Failed(words) if words.contains("no such path") => {
            refused("git does not know it: nothing is committed of it".into())
        }
        child::Error::Failed(words) if words.contains("Cannot read blob") => {
            let words = format!(
                "could not tell of {name}: older contents of it are not in this partial clone, and vmux \
                 fetches nothing by itself"
            );
            Failure::new(words).hint(format!("`git blame {}` has git fetch them", again(&file.into())))
        }
        child::Error::Failed(words) if words.contains("has only") => {
            let few = words.split("has only").nth(1).unwrap_or_default();
            refused(format!("it has only{few}"))
        }
        error => failed(&name, error),
    })?;
    let open = answers
        .iter()
        .any(|answer| answer.level == why::Level::Uncommitted);
    let answers = match open {
        true => uncommitted(context, &repository, &real, answers),
        false => answers,
    };
    Ok(Found::Lines(path.to_path_buf(), answers))
}

/// Asks the conversations of the lines that are not committed, where they are captured at all.
fn uncommitted(
    context: &Context,
    repository: &Repository,
    file: &Path,
    answers: Vec<Answer>,
) -> Vec<Answer> {
    let common = &repository.common;
    let Ok(Some(consent)) = consent::read(common) else {
        return answers;
    };
    let mut trees = trees::all(common).into_iter();
    let Some(tree) = trees.find(|tree| file.starts_with(&tree.top)) else {
        return answers;
    };
    let Ok(path) = file.strip_prefix(&tree.top) else {
        return answers;
    };
    let sessions = living(context).unwrap_or_default();
    let world = world::of(&context.paths, sessions.iter().map(AsRef::as_ref));
    let known = state::read(common);
    match pending::of_file(&tree, &world, &known, &consent, path) {
        Ok(selection) => why::with_uncommitted(answers, selection, &path.to_string_lossy()),
        Err(error) => {
            log::warn!("could not ask the conversations: {error}");
            answers
        }
    }
}

fn failed(what: &str, error: &child::Error) -> Failure {
    let failure = Failure::new(format!("could not tell of {what}: {error}"));
    match error {
        child::Error::Missing => failure.hint("install git: lines are told by `git blame`"),
        child::Error::Late => failure.hint("ask for a line of it: `vmux why FILE:LINE`"),
        child::Error::Failed(_) | child::Error::Io(_) => failure,
    }
}

/// The repository that is asked.
struct Repository {
    common: PathBuf,
    own: String,
}

impl Repository {
    fn around(context: &Context, dir: &Path) -> Result<Self, Failure> {
        let found = git::find(dir, &GitEnv::of(&context.environ));
        let cause = match found {
            Ok(Some(found)) => {
                let common = found.common().to_path_buf();
                let own = Store::open(&common);
                let own = own.map_or_else(|_| String::new(), |store| store.writer().to_owned());
                return Ok(Self { common, own });
            }
            Ok(None) => "there is none".to_owned(),
            Err(error) => error.to_string(),
        };
        let words = format!("could not find a repository in {}: {cause}", shown(dir));
        Err(Failure::new(words).exit(Exit::Usage))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            common: &self.common,
            own: &self.own,
        }
    }
}

/// The sessions that live, if anybody can say so at once: a daemon is not started for that.
fn alive(context: &Context, found: &Found) -> Option<Vec<Arc<Session>>> {
    if found.conversations().is_empty() {
        return None;
    }
    living(context)
}

fn living(context: &Context) -> Option<Vec<Arc<Session>>> {
    let all = ListArgs {
        all: true,
        ..ListArgs::default()
    };
    if context.no_daemon {
        return Some(context.call(all).ok()?.sessions);
    }
    let mut client = Client::connect(&context.paths.socket, PATIENCE).ok()?;
    let reply = client.call(&all, PATIENCE).ok()?;
    Some(reply.ok()?.sessions)
}

fn shown(path: &Path) -> CleanText {
    CleanText::line(&path.to_string_lossy())
}

/// What a shell would be told to do the same again.
fn again(what: &OsString) -> String {
    crate::core::text::shell_word(&CleanText::line(&what.to_string_lossy()))
}
