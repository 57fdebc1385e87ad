//! `vmux log`: what is kept of commits, for people and in other tools' forms.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::call::Context;
use super::{capture, out};
use crate::capture::formats::{self, Author, Entry};
use crate::capture::record::Record;
use crate::capture::store::Store;
use crate::capture::{consent, git};
use crate::cmd::cli::{Log, LogFormat};
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::{self, CleanText};

/// Longest wait for git to list commits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for the repository.
const ALL: Duration = Duration::from_secs(90);

/// What `--json` prints of a commit, a line each.
#[derive(Serialize)]
struct Told<'a> {
    subject: &'a CleanText,
    author: &'a Author,
    /// Whether it was written here.
    own: bool,
    #[serde(flatten)]
    record: &'a Record,
}

pub(super) fn run(context: &Context, args: &Log) -> anyhow::Result<Exit> {
    let args = args.clone();
    let place = args.place.clone();
    capture::within(context, &place, ALL, move |context, _| look(context, &args))
}

fn look(context: &Context, args: &Log) -> anyhow::Result<Exit> {
    let repository = capture::repository(context, &args.place)?;
    let failed = |error: git::Error| {
        Failure::new(format!("could not read the repository's records: {error}"))
    };
    let commits = commits(repository.top(), args)?;
    let store = Store::open(repository.common()).map_err(failed)?;
    let lacking = store.lacking().map_err(failed)?;
    let lacking = commits
        .iter()
        .filter(|(id, ..)| lacking.contains_key(id))
        .count();
    let entries = entries(&store, commits, args).map_err(failed)?;
    if lacking > 0 {
        let range = text::shell_word(&CleanText::line(&args.range));
        let unread = Failure::new(format!(
            "could not read what is kept of {}: it is not in this partial clone, and vmux fetches nothing by itself",
            capture::count(lacking, "commit")
        ));
        let unread = unread.hint(format!(
            "`git log --notes='vmux/*' {range}` has git fetch it"
        ));
        if entries.is_empty() {
            return Err(unread.into());
        }
        super::exit::complain(&unread.into());
    } else if entries.is_empty() && args.max_count != Some(0) {
        let range = CleanText::line(&args.range);
        let off = !matches!(consent::read(repository.common()), Ok(Some(_)));
        let hint = if off {
            "hint: capture is off here; `vmux capture on` switches it on\n"
        } else {
            ""
        };
        super::exit::say(&format!("vmux: nothing is kept of {range}\n{hint}"));
    }
    let text = match args.format {
        _ if args.place.json => json(&entries)?,
        None => formats::people(&entries),
        Some(LogFormat::Markdown) => formats::markdown(&entries),
        Some(LogFormat::AgentTrace) => formats::agent_trace(&entries),
        Some(LogFormat::Plf) => formats::lines(&entries),
        Some(LogFormat::GitAi) => entries.iter().map(formats::git_ai).collect(),
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A commit: its id, its author, the first line of its message.
type Commit = (String, Author, CleanText);

/// The commits that are meant, the newest first.
fn commits(top: &std::path::Path, args: &Log) -> anyhow::Result<Vec<Commit>> {
    // git would take it for an option.
    if args.range.starts_with('-') {
        let words = format!("could not read {:?}: it is no range of commits", args.range);
        return Err(Failure::new(words).exit(Exit::Usage).into());
    }
    let format = "--format=%an%x1f%ae%x1f%s";
    let words = ["rev-list", format, &args.range, "--"];
    let printed = git::run(top, &words, b"", PATIENCE).map_err(|error| {
        let range = CleanText::line(&args.range);
        Failure::new(format!("could not list the commits of {range}: {error}"))
            .hint("a range is what git takes: main..HEAD, v1.0.., HEAD~3..")
            .exit(Exit::Usage)
    })?;
    let printed = String::from_utf8_lossy(&printed);
    let mut lines = printed.lines();
    let mut commits = Vec::new();
    while let (Some(commit), Some(facts)) = (lines.next(), lines.next()) {
        let mut facts = facts.split('\u{1f}').map(CleanText::line);
        let mut next = || facts.next().unwrap_or_default();
        let (name, email, subject) = (next(), next(), next());
        let id = commit.trim_start_matches("commit ").to_owned();
        commits.push((id, Author { email, name }, subject));
    }
    Ok(commits)
}

/// The records of these commits: of each the one that was written here, else another writer's.
fn entries(store: &Store, commits: Vec<Commit>, args: &Log) -> Result<Vec<Entry>, git::Error> {
    let mut kept = BTreeMap::new();
    for one in store.list()? {
        // Those that were written here come first.
        kept.entry(one.commit.clone()).or_insert(one);
    }
    let most = args.max_count.unwrap_or(usize::MAX);
    let found = commits
        .into_iter()
        .filter_map(|commit| Some((kept.get(&commit.0)?, commit)));
    let found: Vec<_> = found.take(most).collect();
    let blobs: Vec<&str> = found.iter().map(|(one, _)| &*one.blob).collect();
    let records = store.read(&blobs)?;
    let entries = found
        .into_iter()
        .zip(records)
        .filter_map(|((one, commit), record)| {
            let (id, author, subject) = commit;
            Some(Entry {
                record: record.filter(|record| record.commit == id)?,
                subject,
                author,
                own: one.own,
            })
        });
    Ok(entries.collect())
}

fn json(entries: &[Entry]) -> serde_json::Result<String> {
    let mut text = String::new();
    for entry in entries {
        let told = Told {
            subject: &entry.subject,
            author: &entry.author,
            own: entry.own,
            record: &entry.record,
        };
        text.push_str(&serde_json::to_string(&told)?);
        text.push('\n');
    }
    Ok(text)
}
