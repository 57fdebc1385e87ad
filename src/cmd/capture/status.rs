//! `vmux capture status`

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{count, repository, settings, shown, within, world};
use crate::capture::consent::{self, Consent};
use crate::capture::pending::{self, Pending};
use crate::capture::state::{self, Missed};
use crate::capture::store::Store;
use crate::capture::{trees, vanished};
use crate::cmd::call::Context;
use crate::cmd::cli::Place;
use crate::cmd::exit::{Exit, Failure};
use crate::cmd::out;
use crate::core::sorted::Gather as _;
use crate::core::text::{self, CleanText};
use crate::protocol::client::Client;
use crate::protocol::request;

/// Longest wait for a repository: longer than git is given.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for the daemon, which only adds to it.
const AT_ONCE: Duration = Duration::from_millis(500);
/// Columns of a line for people.
const COLUMNS: usize = 78;

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
    /// The reference that is written here, and what is kept in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<CleanText>,
    records: usize,
    /// Commits that wait for the end of a turn.
    open: Vec<String>,
    /// Conversations with something that is not committed.
    conversations: Vec<Pending>,
    /// What could not be kept, and why.
    missed: Vec<Missed>,
    /// What keeps the daemon from its work, in any repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<CleanText>,
}

pub(super) fn run(context: &Context, place: &Place) -> anyhow::Result<Exit> {
    let text = within(context, place, PATIENCE, look)?;
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// What there is to tell.
fn look(context: &Context, place: &Place) -> anyhow::Result<String> {
    let daemon = trouble(context);
    let repository = repository(context, place)?;
    let common = repository.common();
    let settings = settings(common)?;
    let all = trees::all(common);
    let forbidden = all.iter().filter(|tree| consent::is_forbidden(&tree.top));
    let mut told = Told {
        capture: settings.is_some(),
        repository: shown(common),
        worktrees: all.iter().map(|tree| shown(&tree.top)).collect(),
        forbidden: forbidden.map(|tree| shown(&tree.top)).collect(),
        settings,
        writer: None,
        records: 0,
        open: Vec::new(),
        conversations: Vec::new(),
        missed: Vec::new(),
        daemon,
    };
    if told.capture {
        let here = all.iter().find(|tree| tree.git_dir == repository.git_dir());
        told.look(context, common, here)?;
    }
    Ok(if place.json {
        serde_json::to_string(&told)? + "\n"
    } else {
        told.text()
    })
}

/// What keeps the daemon from its work, in any repository, if it runs and can say so at once.
fn trouble(context: &Context) -> Option<CleanText> {
    if context.no_daemon {
        return None;
    }
    let mut client = Client::connect(&context.paths.socket, AT_ONCE).ok()?;
    let mut reply = client.call(&request::Status {}, AT_ONCE).ok()?.ok()?;
    let capture = reply.status.sources.remove("capture")?;
    (!capture.ok).then(|| CleanText::line(&capture.detail))
}

impl Told {
    fn look(
        &mut self,
        context: &Context,
        common: &Path,
        here: Option<&trees::Tree>,
    ) -> anyhow::Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!(
                "could not read what is kept in {}: {error}",
                shown(common)
            ))
        };
        let store = Store::open(common).map_err(|error| failed(&error))?;
        let kept = store.list().map_err(|error| failed(&error))?;
        self.records = kept.iter().filter(|kept| kept.own).count();
        self.writer = CleanText::line(store.writer()).some();
        let known = state::read(common);
        if let Some(tree) = here.filter(|tree| !consent::is_forbidden(&tree.top)) {
            let world = world(context);
            self.conversations = pending::of(tree, &world, &known, self.settings.as_ref())
                .map_err(|error| failed(&error))?;
        }
        self.open = known.open.into_keys().collect();
        self.missed = known.missed;
        if let Some(since) = self.settings.as_ref().and_then(|settings| settings.since) {
            let recorded = kept.into_iter().map(|kept| kept.commit).gather();
            let configs = world(context).configs;
            let vanished = vanished::commits(common, &configs, since, &recorded);
            self.missed
                .extend(vanished.map_err(|error| failed(&error))?);
        }
        Ok(())
    }

    fn text(&self) -> String {
        let daemon = self.daemon.iter();
        let daemon: String = daemon
            .map(|words| format!("\nthe daemon: {words}\n"))
            .collect();
        let Some(settings) = &self.settings else {
            return format!("capture is off here; `vmux capture on` switches it on\n{daemon}");
        };
        let since = settings
            .since
            .map(|since| format!(" since {}", since.format("%Y-%m-%d %H:%M UTC")));
        let mut out = format!("capture is on{}\n", since.unwrap_or_default());
        for top in &self.worktrees {
            let off = self.forbidden.contains(top);
            let note = if off { "  (forbidden there)" } else { "" };
            out.push_str(&format!("  {top}{note}\n"));
        }
        let answers = serde_json::to_string(&settings.answers).unwrap_or_default();
        let pasted = if settings.pasted { "kept" } else { "left out" };
        out.push_str(&format!(
            "answers: {}; pasted text: {pasted}; own patterns: {} to redact, {} to ignore\n",
            answers.trim_matches('"'),
            settings.redact.len(),
            settings.ignore.len(),
        ));
        out.push_str(&format!("kept of {}", count(self.records, "commit")));
        if !self.open.is_empty() {
            out.push_str(&format!(", of {} until the turn ends", self.open.len()));
        }
        out.push('\n');
        if !self.conversations.is_empty() {
            out.push_str("\nnot committed here:\n");
        }
        for one in &self.conversations {
            out.push_str(&line_of(one));
        }
        if !self.missed.is_empty() {
            out.push_str("\nmissed:\n");
        }
        for missed in &self.missed {
            out.push_str(&told_of(missed));
        }
        out + &daemon
    }
}

/// What was missed, with all of its reason: in several lines, if need be.
fn told_of(missed: &Missed) -> String {
    let line = format!("  {}  {}", missed.at.format("%Y-%m-%d %H:%M"), missed.what);
    let indent = 20;
    let mut out = String::new();
    for (n, range) in text::wrap(&line, COLUMNS, indent).into_iter().enumerate() {
        let gap = if n == 0 { 0 } else { indent };
        out.push_str(&format!("{:gap$}{}\n", "", line[range].trim_end()));
    }
    out
}

/// A conversation, in two lines.
fn line_of(one: &Pending) -> String {
    let id: String = one.session_id.as_str().chars().take(8).collect();
    let first = format!(
        "  {} {id}  {}, {}, {}: {}",
        one.agent,
        count(one.messages, "message"),
        count(one.changes, "change"),
        count(one.lines as usize, "line"),
        one.files
            .iter()
            .map(CleanText::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    );
    let second = format!("    > {}", one.last);
    format!(
        "{}\n{}\n",
        text::truncate(&first, COLUMNS),
        text::truncate(&second, COLUMNS)
    )
}
