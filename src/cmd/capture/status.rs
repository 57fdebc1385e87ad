//! `vmux capture status`

use std::path::Path;

use serde::Serialize;

use super::{count, repository, settings, shown, world};
use crate::capture::consent::{self, Consent};
use crate::capture::pending::{self, Pending};
use crate::capture::state::{self, Missed};
use crate::capture::store::Store;
use crate::capture::trees;
use crate::cmd::call::Context;
use crate::cmd::cli::Place;
use crate::cmd::exit::{Exit, Failure};
use crate::cmd::out;
use crate::core::text::{self, CleanText};

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
}

pub(super) fn run(context: &Context, place: &Place) -> anyhow::Result<Exit> {
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
    };
    if told.capture {
        let here = all.iter().find(|tree| tree.top == repository.top());
        told.look(context, common, here)?;
    }
    let text = if place.json {
        serde_json::to_string(&told)? + "\n"
    } else {
        told.text()
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
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
        Ok(())
    }

    fn text(&self) -> String {
        let Some(settings) = &self.settings else {
            return "capture is off here; `vmux capture on` switches it on\n".into();
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
            let at = missed.at.format("%Y-%m-%d %H:%M");
            out.push_str(&text::truncate(
                &format!("  {at}  {}", missed.what),
                COLUMNS,
            ));
            out.push('\n');
        }
        out
    }
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
