//! `vmux capture share`: shows what would go, asks, and sends this writer's records.

use std::fmt::Write as _;

use serde_json::json;

use super::{ask, out};
use crate::capture::git;
use crate::capture::share::{self, Going, Plan};
use crate::capture::store::Store;
use crate::cmd::cli::Share;
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::{CleanText, truncate};
use crate::sys::git::Repository;

/// Commits that are listed; how many more there are is said.
const LISTED: usize = 40;

pub(super) fn run(repository: &Repository, args: &Share) -> anyhow::Result<Exit> {
    let (common, top) = (repository.common(), repository.top());
    let store = Store::open(common).map_err(|error| failed(&error))?;
    let remote = remote(top, args.remote.as_deref())?;
    let plan = share::plan(&store, top, &remote).map_err(|error| failed(&error))?;
    let Some(plan) = plan else {
        out::write(b"Nothing is kept here that could be shared.\n")?;
        return Ok(Exit::Done);
    };
    if plan.is_done() {
        let words = format!(
            "{} has all that is kept here.\n",
            CleanText::line(&plan.remote)
        );
        out::write(words.as_bytes())?;
        return Ok(Exit::Done);
    }
    if args.json {
        out::write(format!("{}\n", json(&plan)).as_bytes())?;
    } else {
        out::write(listing(&plan, out::columns().unwrap_or(80)).as_bytes())?;
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    let question = format!(
        "Send these prompts and answers to {}, for all who can read it?",
        CleanText::line(&plan.remote)
    );
    let hint = "--yes sends it without asking, --dry-run only lists it";
    if !args.yes && !ask::confirmed(&question, "whether to send it", hint)? {
        return Ok(Exit::Cancelled);
    }
    plan.send(top).map_err(|error| failed(&error))?;
    if !args.json {
        out::write(sent(&plan).as_bytes())?;
    }
    Ok(Exit::Done)
}

fn failed(error: &git::Error) -> Failure {
    let failure = Failure::new(format!("could not share: {error}"));
    let words = error.to_string();
    if words.contains("[rejected]") {
        return failure.hint("another clone of yours shared meanwhile: do it again");
    }
    failure
}

/// The one that is named, or git's `origin`, or the only one.
fn remote(top: &std::path::Path, named: Option<&str>) -> anyhow::Result<String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let all = share::remotes(top).map_err(|error| failed(&error))?;
    let chosen = match &all[..] {
        [one] => Some(one),
        all => all.iter().find(|name| *name == "origin"),
    };
    if let Some(chosen) = chosen {
        return Ok(chosen.clone());
    }
    let words = match all.is_empty() {
        true => "could not share: this repository has no remote".to_owned(),
        false => format!("could not tell which remote is meant: {}", all.join(", ")),
    };
    let hint = "`vmux capture share REMOTE` names one, as git knows it";
    Err(Failure::new(words).hint(hint).exit(Exit::Usage).into())
}

fn listing(plan: &Plan, columns: usize) -> String {
    let mut text = String::new();
    for going in plan.going.iter().take(LISTED) {
        let line = line(going);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", truncate(&line, columns));
    }
    if plan.going.len() > LISTED {
        let _ = writeln!(text, "… {} more", plan.going.len() - LISTED);
    }
    let prompts: usize = plan
        .going
        .iter()
        .map(|going| going.record.prompts.len())
        .sum();
    let bytes: usize = plan.going.iter().map(|going| going.bytes).sum();
    let _ = writeln!(
        text,
        "{}, {}, {} KB, {}",
        counted(plan.going.len(), "commit"),
        counted(prompts, "prompt"),
        bytes.div_ceil(1024),
        marks(plan)
    );
    let _ = writeln!(
        text,
        "to {} as {}",
        CleanText::line(&plan.remote),
        plan.writer
    );
    text
}

fn line(going: &Going) -> String {
    let record = &going.record;
    let marks: u32 = record.redacted.values().sum();
    let marks = match marks {
        0 => String::new(),
        some => format!(", {some} redacted"),
    };
    let first = record
        .prompts
        .first()
        .map(|asked| CleanText::line(&asked.text));
    format!(
        "{}  {}  ({}, {} KB{marks})  \u{203a} {}",
        record.commit.get(..8).unwrap_or_default(),
        CleanText::line(&going.subject),
        counted(record.prompts.len(), "prompt"),
        going.bytes.div_ceil(1024),
        first.unwrap_or_default()
    )
}

fn counted(count: usize, word: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {word}{end}")
}

fn marks(plan: &Plan) -> String {
    let sums = plan.redacted();
    if sums.is_empty() {
        return "nothing redacted".into();
    }
    let words: Vec<String> = sums
        .iter()
        .map(|(rule, sum)| format!("{rule} {sum}"))
        .collect();
    format!("redacted: {}", words.join(", "))
}

fn sent(plan: &Plan) -> String {
    let remote = CleanText::line(&plan.remote);
    format!(
        "Sent. Others have them with every fetch after\n    git config --add remote.{remote}.fetch {}\n",
        plan.refspec()
    )
}

fn json(plan: &Plan) -> serde_json::Value {
    let commits = plan.going.iter().map(|going| {
        json!({
            "commit": going.record.commit,
            "subject": CleanText::line(&going.subject),
            "prompts": going.record.prompts.len(),
            "bytes": going.bytes,
            "redacted": going.record.redacted,
        })
    });
    json!({
        "remote": plan.remote,
        "reference": plan.writer,
        "fetch": plan.refspec(),
        "commits": commits.collect::<Vec<_>>(),
    })
}
