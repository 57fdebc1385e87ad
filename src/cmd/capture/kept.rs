//! `vmux capture show`, `save`, `drop` and `off --purge`: what is kept.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{repository, shown, world};
use crate::capture::record::Record;
use crate::capture::reflog::is_id;
use crate::capture::store::Store;
use crate::capture::{consent, git, state, work};
use crate::cmd::call::Context;
use crate::cmd::cli::{CaptureCommit, CaptureDrop};
use crate::cmd::exit::{Exit, Failure};
use crate::cmd::out;
use crate::core::model::ConversationId;
use crate::core::sorted::Arrange as _;
use crate::core::text::{self, CleanText};
use crate::sys::git::Repository;

/// Longest wait for git.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for another vmux that works in the repository.
const OTHERS: Duration = Duration::from_secs(10);
/// Shortest beginning of a conversation's id that names it.
const SHORTEST: usize = 6;

pub(super) fn show(context: &Context, args: &CaptureCommit) -> anyhow::Result<Exit> {
    let repository = repository(context, &args.place)?;
    let id = commit(&repository, &args.commit)?;
    let store = open(&repository)?;
    let found = store
        .get(&id)
        .map_err(|error| unread(&repository, &error))?;
    let Some(record) = found else {
        return Err(absent(&repository, &store, &id).into());
    };
    let text = if args.place.json {
        record.json() + "\n"
    } else {
        record.people()
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Why a commit's record cannot be shown.
fn absent(repository: &Repository, store: &Store, id: &str) -> Failure {
    let lacking = store.lacking().unwrap_or_default();
    let Some(writer) = lacking.get(id) else {
        return nothing(repository, id);
    };
    let words = format!(
        "could not show what is kept of {}: it is not in this partial clone, and vmux fetches nothing by itself",
        short(id)
    );
    let name = writer.strip_prefix("refs/notes/").unwrap_or(writer);
    let name = text::shell_word(&CleanText::line(name));
    Failure::new(words).hint(format!(
        "`git notes --ref={name} show {}` has git fetch it",
        short(id)
    ))
}

/// Why a commit has no record.
fn nothing(repository: &Repository, id: &str) -> Failure {
    let short = id.get(..10).unwrap_or(id);
    let common = repository.common();
    let hint = match consent::read(common) {
        Ok(Some(_)) => {
            "no conversation changed its files, or none that is still kept; `vmux capture save COMMIT` looks again"
        }
        _ => "capture is off here; `vmux capture on` switches it on",
    };
    Failure::new(format!("nothing is kept of {short}")).hint(hint)
}

pub(super) fn save(context: &Context, args: &CaptureCommit) -> anyhow::Result<Exit> {
    let repository = repository(context, &args.place)?;
    let common = repository.common();
    if super::settings(common)?.is_none() {
        let words = format!(
            "could not save anything: capture is off in {}",
            shown(repository.top())
        );
        return Err(Failure::new(words)
            .hint("`vmux capture on` switches it on")
            .into());
    }
    let id = commit(&repository, &args.commit)?;
    let world = world(context);
    let wish = work::Wish {
        commit: id.clone(),
        git_dir: repository.git_dir().to_path_buf(),
    };
    let caught = work::catch_up_with(common, &world, &[wish])
        .map_err(|error| Failure::new(format!("could not save {}: {error}", short(&id))))?;
    if !caught.recorded.contains(&id) {
        return Err(nothing(&repository, &id).into());
    }
    let store = open(&repository)?;
    let record = store
        .get(&id)
        .map_err(|error| unread(&repository, &error))?;
    let text = match record {
        Some(record) if args.place.json => record.json() + "\n",
        Some(record) => record.people(),
        None => String::new(),
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

pub(super) fn drop_kept(context: &Context, args: &CaptureDrop) -> anyhow::Result<Exit> {
    let repository = repository(context, &args.place)?;
    let common = repository.common();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "could not drop {}: {error}",
            CleanText::line(&args.what)
        ))
    };
    let store = open(&repository)?;
    let _lock = state::lock(common, OTHERS).map_err(|error| failed(&error))?;
    let all = store.all().map_err(|error| failed(&error))?;
    let own: Vec<Record> = all
        .into_iter()
        .filter(|(kept, _)| kept.own)
        .map(|(_, record)| record)
        .collect();
    let found = commit(&repository, &args.what);
    let is_kept = |id: &String| own.iter().any(|record| record.commit == *id);
    let (removed, changed) = match &found {
        Ok(id) if is_kept(id) => (vec![id.clone()], Vec::new()),
        _ => without(&own, &args.what).ok_or_else(|| not_kept(&found, &args.what))?,
    };
    let question = format!(
        "Drop what is kept of {}? It cannot be brought back.",
        super::count(removed.len() + changed.len(), "commit")
    );
    if !args.yes
        && !crate::cmd::ask::confirmed(
            &question,
            "whether to drop it",
            "--yes drops it without asking",
        )?
    {
        return Ok(Exit::Cancelled);
    }
    store
        .rewrite(&changed, &removed)
        .map_err(|error| failed(&error))?;
    let mut known = state::read(common);
    known.open.retain(|id, _| !removed.contains(id));
    state::write(common, &known).map_err(|error| failed(&error))?;
    if args.place.json {
        let dropped = serde_json::json!({"dropped": removed.len() + changed.len()});
        out::write(format!("{dropped}\n").as_bytes())?;
        return Ok(Exit::Done);
    }
    let text = format!(
        "dropped from {}; git forgets the text with its next garbage collection (`git gc --prune=now` at once)\n",
        super::count(removed.len() + changed.len(), "commit")
    );
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Why nothing can be dropped.
fn not_kept(found: &Result<String, Failure>, what: &str) -> Failure {
    let words = if let Ok(id) = found {
        format!("nothing that was written here is kept of {}", short(id))
    } else {
        let what = CleanText::line(what);
        format!("could not find a commit or a conversation {what:?}")
    };
    Failure::new(words)
        .hint("`git log --notes='vmux/*'` shows what is kept")
        .exit(Exit::Usage)
}

/// What becomes of records when a conversation is taken out: commits that have none any more, and
/// records that have others. Nothing if it is in none, or if the beginning of its id is not clear.
fn without(records: &[Record], what: &str) -> Option<(Vec<String>, Vec<Record>)> {
    if what.len() < SHORTEST {
        return None;
    }
    let talks = records.iter().flat_map(|record| &record.conversations);
    let mut ids: Vec<&ConversationId> = talks
        .map(|talk| &talk.session_id)
        .filter(|id| id.as_str().starts_with(what))
        .collect();
    ids.arrange();
    ids.dedup();
    let [id] = ids[..] else {
        return None;
    };
    let (mut removed, mut changed) = (Vec::new(), Vec::new());
    for record in records.iter().filter(|record| {
        record
            .conversations
            .iter()
            .any(|talk| talk.session_id == *id)
    }) {
        match record.without(id) {
            Some(rest) => changed.push(rest),
            None => removed.push(record.commit.clone()),
        }
    }
    Some((removed, changed))
}

/// Removes all that was kept here. What other writers keep stays.
pub(super) fn purge(repository: &Repository) -> Result<(), Failure> {
    let common = repository.common();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("could not remove what was kept: {error}"))
            .hint("`git for-each-ref refs/notes/vmux` lists it")
    };
    let lock = state::lock(common, OTHERS).map_err(|error| failed(&error))?;
    open(repository)?.purge().map_err(|error| failed(&error))?;
    drop(lock);
    fs::remove_dir_all(consent::place(common)).map_err(|error| failed(&error))
}

fn open(repository: &Repository) -> Result<Store, Failure> {
    Store::open(repository.common()).map_err(|error| unread(repository, &error))
}

fn unread(repository: &Repository, error: &git::Error) -> Failure {
    let top = shown(repository.top());
    Failure::new(format!("could not read what is kept in {top}: {error}"))
}

/// The full id of what a person calls a commit.
pub(super) fn commit(repository: &Repository, words: &str) -> Result<String, Failure> {
    let unclear = |cause: &str| {
        let words = CleanText::line(words);
        Failure::new(format!("could not find the commit {words:?}: {cause}"))
            .hint("an id, a branch, HEAD~2 or whatever git takes for a commit")
            .exit(Exit::Usage)
    };
    let name = format!("{words}^{{commit}}");
    let args = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &name,
    ];
    let printed = git::run(dir(repository), &args, b"", PATIENCE);
    let printed = printed.map_err(|error| match error {
        git::Error::Failed(_) => unclear("there is none"),
        error => unclear(&error.to_string()),
    })?;
    let id = String::from_utf8_lossy(printed.trim_ascii()).into_owned();
    is_id(&id)
        .then_some(id)
        .ok_or_else(|| unclear("there is none"))
}

/// Where git speaks of this working tree's `HEAD`.
fn dir(repository: &Repository) -> &Path {
    repository.git_dir()
}

fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}
