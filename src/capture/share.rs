//! This writer's records at another place: what would go there, and the way there. Nothing here is
//! forced, and nothing goes anywhere by itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::record::Record;
use super::store::Store;
use super::{cache, git};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;
use crate::sys::clock;

/// Longest wait for the other side.
const FAR: Duration = Duration::from_secs(120);
/// Longest wait for a child that looks here only.
const NEAR: Duration = Duration::from_secs(10);

/// A record that would go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Going {
    /// The record.
    pub record: Record,
    /// The first line of its commit's message.
    pub subject: String,
    /// The size of its note, in bytes.
    pub bytes: usize,
}

/// What would go where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The name of the other side in git's configuration, or its address.
    pub remote: String,
    /// The reference that would go: this writer's.
    pub writer: String,
    /// Where the reference is here.
    tip: String,
    /// Where it is on the other side, if it is there.
    there: Option<String>,
    /// The records that are not there yet, or otherwise, the newest first.
    pub going: Vec<Going>,
}

/// Remotes that git knows here.
///
/// # Errors
/// See [`git::Error`].
pub fn remotes(dir: &Path) -> Result<Vec<String>, git::Error> {
    let text = git::run(dir, &["remote"], &[], NEAR)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(str::to_owned).collect())
}

/// What would go to `remote`; nothing if nothing is kept here. What the same writer has put there from
/// another clone is fetched, and not lost. `top` is where a relative address begins.
///
/// # Errors
/// See [`git::Error`].
pub fn plan(store: &Store, top: &Path, remote: &str) -> Result<Option<Plan>, git::Error> {
    let common = store.common();
    let writer = store.writer();
    let Some(tip) = store.tip()? else {
        return Ok(None);
    };
    // What begins with a dash would be an option.
    let args = ["ls-remote", "--end-of-options", remote, writer];
    let listed = git::run(top, &args, &[], FAR)?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let there = listed.split_whitespace().next().map(str::to_owned);
    let (tip, known) = match &there {
        None => (tip, BTreeMap::new()),
        Some(there) => {
            let fetch = [
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--end-of-options",
            ];
            let fetch: Vec<&str> = fetch.into_iter().chain([remote, writer]).collect();
            git::run(top, &fetch, &[], FAR)?;
            let known = cache::notes(common, there)?;
            (join(store, &tip, there, &known)?, known)
        }
    };
    let here = cache::notes(common, &tip)?;
    let new = here
        .iter()
        .filter(|(commit, (blob, _))| known.get(*commit).is_none_or(|(known, _)| known != blob));
    let new: Vec<(&str, &str, u64)> = new
        .map(|(commit, (blob, size))| (&**commit, &**blob, *size))
        .collect();
    Ok(Some(Plan {
        remote: remote.to_owned(),
        writer: writer.to_owned(),
        going: going(store, &new)?,
        tip,
        there,
    }))
}

fn going(store: &Store, new: &[(&str, &str, u64)]) -> Result<Vec<Going>, git::Error> {
    let blobs: Vec<&str> = new.iter().map(|(_, blob, _)| *blob).collect();
    let commits: Vec<&str> = new.iter().map(|(commit, ..)| *commit).collect();
    let subjects = match commits.is_empty() {
        true => Default::default(),
        false => cache::subjects(store.common(), &commits)?,
    };
    let records = store.read(&blobs)?;
    let mut going: Vec<Going> = new
        .iter()
        .zip(records)
        .filter_map(|((commit, _, size), record)| {
            Some(Going {
                record: record?,
                subject: subjects.get(*commit).cloned().unwrap_or_default(),
                bytes: usize::try_from(*size).unwrap_or(usize::MAX),
            })
        })
        .collect();
    going.arrange_by_key(|going| std::cmp::Reverse(going.record.at));
    Ok(going)
}

/// Joins what the same writer has there from another clone with what is here, which wins. Where the
/// reference is then.
fn join(
    store: &Store,
    tip: &str,
    there: &str,
    known: &BTreeMap<String, (String, u64)>,
) -> Result<String, git::Error> {
    let common = store.common();
    let args = ["merge-base", "--is-ancestor", there, tip];
    if git::run(common, &args, &[], NEAR).is_ok() {
        return Ok(tip.to_owned());
    }
    let here = cache::notes(common, tip)?;
    let mut text = format!(
        "feature done\ncommit {}\ncommitter vmux <vmux> {} +0000\ndata 0\nfrom {tip}\nmerge {there}\n",
        store.writer(),
        clock::now().timestamp()
    );
    for (commit, (blob, _)) in known {
        if !here.contains_key(commit) {
            // As a file: `N` wants the commit to be here, too. Git reads notes at any depth.
            text.push_str(&format!("M 100644 {blob} {commit}\n"));
        }
    }
    text.push_str("done\n");
    let args = ["fast-import", "--quiet", "--date-format=raw"];
    git::run(common, &args, text.as_bytes(), NEAR)?;
    Ok(store.tip()?.unwrap_or_else(|| tip.to_owned()))
}

impl Plan {
    /// Whether all of it is there already.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.there.as_ref() == Some(&self.tip)
    }

    /// Sends it. Others' references are not touched, nor is what is there overwritten.
    ///
    /// # Errors
    /// See [`git::Error`].
    pub fn send(&self, top: &Path) -> Result<(), git::Error> {
        let what = format!("{}:{}", self.tip, self.writer);
        let args = [
            "push",
            "--quiet",
            "--no-follow-tags",
            "--no-recurse-submodules",
            "--end-of-options",
            &self.remote,
            &what,
        ];
        git::run(top, &args, &[], FAR).map(drop)
    }

    /// What others tell git to have these records, too.
    #[must_use]
    pub fn refspec(&self) -> String {
        format!("+{0}:{0}", self.writer)
    }

    /// How often each rule of redaction replaced something in what would go.
    #[must_use]
    pub fn redacted(&self) -> BTreeMap<CleanText, u32> {
        let mut sums: BTreeMap<CleanText, u32> = BTreeMap::new();
        for (rule, count) in self.going.iter().flat_map(|going| &going.record.redacted) {
            let sum = sums.entry(CleanText::line(rule)).or_default();
            *sum = sum.saturating_add(*count);
        }
        sums
    }
}
