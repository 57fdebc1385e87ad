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
use crate::cmd::cli::{Place, Why};
use crate::cmd::exit::{Exit, Failure};
use crate::core::model::{ConversationId, Session};
use crate::core::text::CleanText;
use crate::protocol::client::Client;
use crate::protocol::request::ListArgs;
use crate::serve::world;
use crate::sys::git::{self, GitEnv};

/// Longest wait for the repository: longer than git is given for each file.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(90);

mod go;
mod told;

/// Longest wait for the daemon to say which sessions live.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

pub(super) fn run(context: &Context, args: &Why) -> anyhow::Result<Exit> {
    if args.go {
        // It may ask, which takes as long as a person does.
        return go::go(context, args, &find(context, &args.what)?);
    }
    let here = Place {
        repository: None,
        json: args.json,
    };
    let args = args.clone();
    super::capture::within(context, &here, LONGEST, move |context, _| {
        tell(context, &args)
    })
}

fn tell(context: &Context, args: &Why) -> anyhow::Result<Exit> {
    let found = find(context, &args.what)?;
    let sessions = alive(context, &found);
    let text = if args.json {
        told::json(&found, sessions.as_deref())?
    } else {
        let columns = out::columns().unwrap_or(80);
        let colored = out::colored(&context.environ);
        told::text(&found, sessions.as_deref(), columns, colored)
    };
    out::write(text.as_bytes())?;
    if let Some(unread) = unread(&found) {
        super::exit::complain(&unread.into());
    }
    Ok(Exit::Done)
}

/// What may be why nothing is known: records that a partial clone does not hold.
fn unread(found: &Found) -> Option<Failure> {
    let (store, unproved) = match found {
        Found::Lines(repository, _, answers) => {
            let unproved =
                |answer: &Answer| matches!(answer.level, why::Level::None | why::Level::Commit);
            (
                Store::open(&repository.common),
                answers.iter().any(unproved),
            )
        }
        Found::Commit(repository, commit) => {
            (Store::open(&repository.common), commit.sources.is_empty())
        }
    };
    let lacking = store.ok().filter(|_| unproved)?.lacking().ok()?;
    (!lacking.is_empty()).then(|| {
        let words = format!(
            "could not read what is kept of {}: it is not in this partial clone, and vmux fetches nothing by itself",
            super::capture::count(lacking.len(), "commit")
        );
        Failure::new(words).hint("`git log --notes='vmux/*'` has git fetch it")
    })
}

/// What was asked for, and what is known of it.
enum Found {
    /// Lines of a file, by the path that was given.
    Lines(Repository, PathBuf, Vec<Answer>),
    /// A commit.
    Commit(Repository, OfCommit),
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
            Self::Lines(_, _, answers) => {
                for answer in answers {
                    for prompt in &answer.prompts {
                        if let Some(source) = &answer.source {
                            add(answer.level, source, prompt);
                        }
                    }
                }
            }
            Self::Commit(_, commit) => {
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
        if path.symlink_metadata().is_err()
            && let Some(file) = elsewhere(context, path)
        {
            return Ok(lines(context, &file, spot.lines)?);
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
        Ok(commit) => Ok(Found::Commit(repository, commit)),
        Err(child::Error::Failed(_)) => {
            let cause = match Path::new(text).is_dir() {
                true => "it is a directory",
                false => "it is neither a file nor a commit here",
            };
            Err(unknown(cause).into())
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
    let repository = Repository::of_file(context, &real, dir)?;
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
    Ok(Found::Lines(repository, path.to_path_buf(), answers))
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
    apart: Option<(PathBuf, PathBuf)>,
}

impl Repository {
    /// The one that holds a file in `dir`: around it, or the one of here if its files lie there.
    fn of_file(context: &Context, file: &Path, dir: &Path) -> Result<Self, Failure> {
        let env = GitEnv::of(&context.environ);
        let around = env.is_searched() && matches!(git::find(dir, &env), Ok(Some(_)));
        if !around && let Some((found, tree)) = of_here(context) {
            let holds = file.starts_with(&tree.top) && !file.starts_with(found.git_dir());
            if holds {
                let mut repository = Self::at(&found);
                repository.apart = Some((tree.git_dir, tree.top));
                return Ok(repository);
            }
        }
        Self::around(context, dir)
    }

    fn at(found: &git::Repository) -> Self {
        let common = found.common().to_path_buf();
        let own = Store::open(&common);
        let own = own.map_or_else(|_| String::new(), |store| store.writer().to_owned());
        Self {
            common,
            own,
            apart: None,
        }
    }

    fn around(context: &Context, dir: &Path) -> Result<Self, Failure> {
        let found = git::find(dir, &GitEnv::of(&context.environ));
        let cause = match found {
            Ok(Some(found)) => return Ok(Self::at(&found)),
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
            apart: self.apart.clone(),
        }
    }
}

/// The repository of here, and its working tree.
fn of_here(context: &Context) -> Option<(git::Repository, trees::Tree)> {
    let found = git::find(Path::new("."), &GitEnv::of(&context.environ));
    let found = found.ok().flatten()?;
    let mut trees = trees::all(found.common()).into_iter();
    let tree = trees.find(|tree| tree.git_dir == found.git_dir());
    let tree = tree.unwrap_or_else(|| trees::Tree {
        name: String::new(),
        git_dir: found.git_dir().to_path_buf(),
        top: found.top().to_path_buf(),
    });
    Some((found, tree))
}

/// A file by its path from the top of a working tree that lies elsewhere, as git names it then.
fn elsewhere(context: &Context, path: &Path) -> Option<PathBuf> {
    let (_, tree) = of_here(context)?;
    let here = Path::new(".").canonicalize().ok()?;
    let file = tree.top.join(path);
    (!here.starts_with(&tree.top) && file.is_file()).then_some(file)
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
