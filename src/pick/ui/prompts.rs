//! Questions in the list's own prompt, and the request that one of them is about.

use ratatui::backend::Backend;
use vmux::cmd::exit::Failure;
use vmux::core::model::{Decision, Dialog};

use super::{CHOICE, Outside, Ui, selected};
use crate::board::Item;
use crate::prompt::{OpenPrompt, Prompt, Typed};
use crate::row::Entry;

impl<B, O> Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
    O: Outside,
{
    /// The session under the cursor, if it has not ended.
    fn subject(&mut self) -> Option<Entry> {
        self.finish_search(CHOICE);
        let entry = selected(self.parts().0, Item::entry)?;
        if entry.ended {
            self.notice = Some(format!("{} has ended", entry.session.title()));
            return None;
        }
        Some(entry)
    }

    pub(super) fn ask(&mut self, prompt: Prompt) {
        if let Some(entry) = self.subject() {
            self.open_prompt(prompt, &entry, None);
        }
    }

    /// Shows what the session asks, whole, and asks for the answer to it.
    pub(super) fn show_dialog(&mut self) {
        let Some(entry) = self.subject() else {
            return;
        };
        match self.outside.dialog(entry.session.id.clone()) {
            Ok(asked) => {
                // What is not read cannot be answered: the pane comes into view, at its top.
                self.wanted = Some(true);
                self.place_pane();
                self.back = usize::MAX;
                self.read = false;
                let prompt = if asked.questions.is_empty() {
                    Prompt::Allow
                } else {
                    Prompt::Choose
                };
                self.open_prompt(prompt, &entry, Some(asked));
            }
            Err(error) => self.notice = Some(error),
        }
    }

    fn open_prompt(&mut self, prompt: Prompt, entry: &Entry, dialog: Option<Dialog>) {
        let (app, _) = self.parts();
        let query = (app.input.value.clone(), app.input.cursor_pos);
        app.input.value = prompt.default(&entry.session);
        app.input.move_to_end();
        prompt.prompt().clone_into(&mut app.input.prompt);
        // What is typed now is no query.
        app.options.disabled = true;
        self.open = Some(OpenPrompt {
            about: prompt.about(&entry.session, &entry.row.state),
            prompt,
            id: entry.session.id.clone(),
            dialog,
            query,
        });
    }

    /// Puts the query back.
    pub(super) fn close_prompt(&mut self) -> Option<OpenPrompt> {
        let open = self.open.take()?;
        let (app, _) = self.parts();
        app.options.disabled = false;
        (app.input.value, app.input.cursor_pos) = open.query.clone();
        app.input.prompt.clone_from(&app.options.prompt);
        self.back = 0;
        Some(open)
    }

    pub(super) fn answer(&mut self) -> Result<(), Failure> {
        let text = self.parts().0.input.value.clone();
        let Some(open) = self.close_prompt() else {
            return Ok(());
        };
        let done = match open.prompt.read(&text) {
            Typed::Label(label) => self.outside.label(open.id, &label),
            Typed::End => self.outside.end(open.id),
            // Nobody allows what he could not read.
            Typed::Decide(Decision::Allow) if !self.read => {
                Err("nothing was sent: read it to its end first (shift-down)".to_owned())
            }
            Typed::Decide(decision) => {
                let request = open.dialog.map_or(0, |dialog| dialog.id);
                self.outside.decide(open.id, request, decision)
            }
            Typed::Unclear => Err("that was no answer: nothing was sent".to_owned()),
            Typed::Nothing => Ok(()),
        };
        self.notice = done.err();
        self.draw()
    }
}
