//! The list while it offers where to start a session. The query and the cursor wait meanwhile.

use std::sync::Arc;

use ratatui::backend::Backend;
use vmux::cmd::exit::Failure;
use vmux::core::model::SessionKey;
use vmux::core::text::CleanText;
use vmux::sys::clock;

use super::{CHOICE, Outcome, Outside, Ui, order};
use crate::board::Offered;
use crate::palette::{self, Offer};

type Keys = &'static [(&'static str, &'static str)];

const PROMPT: &str = "new> ";
const KEYS: [(&str, &str); 3] = [
    ("enter", "start or go there"),
    ("~/dir", "any directory"),
    ("esc", "back"),
];

/// A palette that is open.
#[derive(Default)]
pub(super) struct OpenPalette {
    /// The query, and where its cursor was.
    query: (String, u16),
    /// The session under the cursor, or else its row.
    cursor: (Option<SessionKey>, usize),
    /// What the rows were made of.
    projects: Option<Arc<Offered>>,
    offers: Vec<Arc<Offer>>,
    /// What was typed when it was last looked for a directory, and the row of that.
    typed: (String, Option<Arc<Offer>>),
}

impl OpenPalette {
    /// What is said above the rows, and what the keys do.
    pub(super) fn scene(&self, notice: Option<&str>) -> (String, Keys) {
        let words = match (notice, self.projects.as_deref()) {
            (Some(notice), _) => notice,
            (None, None) => "New session: looking for projects\u{2026}",
            (None, Some(Err(error))) => error,
            (None, Some(Ok(none))) if none.is_empty() => "New session: no project is known yet",
            (None, Some(Ok(_))) => "New session: where?",
        };
        (CleanText::line(words).to_string(), &KEYS)
    }
}

impl<B, O> Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
    O: Outside,
{
    /// Offers projects instead of sessions.
    pub(crate) fn open_palette(&mut self) {
        self.finish_search(CHOICE);
        if let Err(error) = self.outside.gather() {
            self.notice = Some(error);
            return;
        }
        let (app, _) = self.parts();
        let (sessions, at) = order(app);
        let query = (std::mem::take(&mut app.input.value), app.input.cursor_pos);
        app.input.move_to_end();
        PROMPT.clone_into(&mut app.input.prompt);
        app.item_pool.clear();
        app.restart_matcher(true);
        self.anchor = None;
        self.palette = Some(OpenPalette {
            query,
            cursor: (sessions.get(at).cloned(), at),
            ..OpenPalette::default()
        });
    }

    pub(super) fn close_palette(&mut self) {
        let Some(open) = self.palette.take() else {
            return;
        };
        let (app, _) = self.parts();
        (app.input.value, app.input.cursor_pos) = open.query;
        app.input.prompt.clone_from(&app.options.prompt);
        app.item_pool.clear();
        app.restart_matcher(true);
        // All of them are put back when they are drawn.
        self.listed.clear();
        self.anchor = Some(open.cursor);
    }

    /// Gives skim what is offered now, if that is not what it has.
    pub(super) fn refresh_offers(&mut self) {
        let Some(mut open) = self.palette.take() else {
            return;
        };
        let projects = self.board.projects();
        let text = self.parts().0.input.value.clone();
        let new = open.projects.is_none() && projects.is_some();
        if new {
            let known = match projects.as_deref() {
                Some(Ok(known)) => known,
                _ => &[][..],
            };
            open.offers = palette::offers(known, self.outside.home(), clock::now());
            open.projects = projects;
        }
        let mut changed = new;
        if open.typed.0 != text {
            let found = self.outside.directory(&text);
            let row = found.map(|dir| palette::typed(dir, self.outside.home()));
            changed |= open.typed.1.is_some() || row.is_some();
            open.typed = (text, row);
        }
        if changed {
            let rows = open.typed.1.iter().chain(&open.offers);
            let rows = rows.map(|row| Arc::clone(row) as _).collect();
            let (app, _) = self.parts();
            app.item_pool.clear();
            app.item_pool.append(rows);
            app.restart_matcher(true);
        }
        self.palette = Some(open);
    }

    /// What is offered under the cursor, as the newest search has it.
    pub(super) fn choose_offer(&mut self) -> Result<Option<Outcome>, Failure> {
        self.refresh_offers();
        self.finish_search(CHOICE);
        if let Some(start) = self.offered(|offer| offer.start.clone()) {
            return Ok(Some(Outcome::New(start)));
        }
        self.notice = Some("no project fits, and there is no such directory".to_owned());
        self.draw()?;
        Ok(None)
    }

    /// What `take` wants of the offer under the cursor.
    pub(super) fn offered<T>(&mut self, take: impl Fn(&Offer) -> T) -> Option<T> {
        let item = self.parts().0.item_list.selected()?.item;
        item.as_ref().as_any().downcast_ref().map(take)
    }
}
