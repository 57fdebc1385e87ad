//! Where a new session can be started, as rows of the same list: projects, their past
//! conversations, and a directory that is typed. Pure.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use skim::{DisplayContext, ItemPreview, Matches, PreviewContext, SkimItem};
use vmux::core::model::{Past, Project, RawPath};
use vmux::core::query::{Field, Fit, Pattern, Searched};
use vmux::core::text::{CleanText, age, width};
use vmux::frontend::preview::{self, Tone};

use crate::row::{GAP, push_cell};

/// Columns of what is known of a place, `12 live, 59m ago`.
const DETAIL: usize = 16;
/// Above every score that a query gives.
const FIRST: i32 = i32::MAX / 2;

/// What a row of it stands for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Start {
    /// Enter the session of this directory; start it if there is none.
    Begin(RawPath),
    /// Take up this conversation in its directory again.
    Resume(RawPath, Past),
}

/// A row.
pub(crate) struct Offer {
    pub(crate) start: Start,
    name: CleanText,
    dir: CleanText,
    detail: String,
    /// What the pane says of it.
    about: Vec<preview::Line>,
    /// Columns that the names of all rows would take.
    names: usize,
    /// None for what is typed, which is on top whatever is typed.
    searched: Option<Searched>,
}

/// Rows for all of them: first the projects in their order, then the conversations, newest first.
pub(crate) fn offers(projects: &[Project], home: &Path, now: DateTime<Utc>) -> Vec<Arc<Offer>> {
    let mut offers: Vec<Offer> = projects.iter().map(|one| project(one, home, now)).collect();
    let mut past: Vec<(&Project, &Past)> = projects
        .iter()
        .flat_map(|project| project.past.iter().map(move |past| (project, past)))
        .collect();
    past.sort_by_key(|(_, past)| std::cmp::Reverse(past.at));
    offers.extend(past.iter().map(|(project, past)| {
        let start = Start::Resume(project.dir.clone(), (*past).clone());
        let name = CleanText::line(&format!("resume: {}", past.title));
        Offer::new(start, name, home, ago(past.at, now))
    }));
    let names = offers.iter().map(|offer| width(&offer.name)).max();
    let names = names.unwrap_or_default();
    offers
        .into_iter()
        .map(|offer| Arc::new(Offer { names, ..offer }))
        .collect()
}

/// The row of a directory that was typed.
pub(crate) fn typed(dir: RawPath, home: &Path) -> Arc<Offer> {
    let name = dir.base();
    let offer = Offer::new(Start::Begin(dir), name, home, "as typed".to_owned());
    Arc::new(Offer {
        searched: None,
        names: width(&offer.name),
        ..offer
    })
}

fn project(project: &Project, home: &Path, now: DateTime<Utc>) -> Offer {
    let mut detail = match project.alive {
        0 => String::new(),
        alive => format!("{alive} live"),
    };
    if let Some(seen) = project.seen {
        let gap = if detail.is_empty() { "" } else { ", " };
        detail = format!("{detail}{gap}{}", ago(seen, now));
    }
    let start = Start::Begin(project.dir.clone());
    let mut offer = Offer::new(start, project.dir.base(), home, detail);
    if !project.past.is_empty() {
        offer.about.push(said(Tone::Plain, ""));
    }
    offer.about.extend(project.past.iter().map(|past| {
        let words = format!("{}, {}", past.title, ago(past.at, now));
        let spans = vec![(Tone::Faint, "resume: ".to_owned()), (Tone::Plain, words)];
        preview::Line { spans, hang: 8 }
    }));
    offer
}

fn said(tone: Tone, text: &str) -> preview::Line {
    preview::Line {
        spans: vec![(tone, text.to_owned())],
        hang: 0,
    }
}

fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", age((now - at).num_seconds()))
}

impl Offer {
    fn new(start: Start, name: CleanText, home: &Path, detail: String) -> Self {
        let (Start::Begin(dir) | Start::Resume(dir, _)) = &start;
        let dir = short(dir, home);
        let about = [
            (Tone::Strong, name.as_str()),
            (Tone::Plain, dir.as_str()),
            (Tone::Faint, detail.as_str()),
        ];
        Self {
            about: about
                .into_iter()
                .filter(|(_, text)| !text.is_empty())
                .map(|(tone, text)| said(tone, text))
                .collect(),
            searched: Some(Searched::over(&[
                (Field::Title, name.clone()),
                (Field::Directory, dir.clone()),
            ])),
            start,
            name,
            dir,
            detail,
            names: 0,
        }
    }

    /// How well a query fits it.
    pub(crate) fn fit(&self, query: &Pattern) -> Option<Fit> {
        let Some(searched) = &self.searched else {
            return Some(Fit {
                score: FIRST,
                places: Vec::new(),
            });
        };
        query.fit(searched)
    }

    /// What the pane says of it.
    pub(crate) fn about(&self) -> Vec<preview::Line> {
        self.about.clone()
    }
}

/// A directory, that of the user as `~`.
fn short(dir: &RawPath, home: &Path) -> CleanText {
    let rest = Path::new(&dir.0).strip_prefix(home);
    match rest {
        Ok(rest) if rest.as_os_str().is_empty() => CleanText::line("~"),
        Ok(rest) => CleanText::line(&format!("~/{}", rest.display())),
        Err(_) => dir.clean(),
    }
}

impl SkimItem for Offer {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }

    fn display(&self, context: DisplayContext) -> Line<'_> {
        let base = context.base_style;
        let selected = base.add_modifier.contains(Modifier::REVERSED);
        let dim = if selected {
            base
        } else {
            base.add_modifier(Modifier::DIM)
        };
        let marks = |from: usize, text: &str| -> Vec<bool> {
            let Matches::CharIndices(found) = &context.matches else {
                return Vec::new();
            };
            let places = from..from + text.chars().count();
            places.map(|n| found.contains(&n)).collect()
        };
        let columns = context.container_width;
        let names = self.names.min(columns / 2);
        let detail = DETAIL.min(columns.saturating_sub(names + GAP));
        let dir = columns.saturating_sub(names + detail + 2 * GAP);
        let after = self.name.chars().count() + 1;
        let gap = || Span::styled(" ".repeat(GAP), base);
        let mut spans = Vec::new();
        push_cell(&mut spans, &self.name, names, base, &marks(0, &self.name));
        spans.push(gap());
        push_cell(&mut spans, &self.detail, detail, dim, &[]);
        spans.push(gap());
        push_cell(&mut spans, &self.dir, dir, dim, &marks(after, &self.dir));
        Line::from(spans)
    }

    /// As with sessions, the pane is filled elsewhere.
    fn preview(&self, _context: PreviewContext) -> ItemPreview {
        ItemPreview::Text(String::new())
    }

    fn output(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.name)
    }
}
