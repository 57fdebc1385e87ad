//! Questions in the list's own prompt, and the request that one of them is about.

use ratatui::backend::Backend;
use vmux::cmd::exit::Failure;
use vmux::core::model::{Asked, Decision};

use super::{CHOICE, Outside, Ui, selected};
use crate::ask::{Answer, Asking, Question};
use crate::board::Item;
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

    pub(super) fn ask(&mut self, question: Question) {
        if let Some(entry) = self.subject() {
            self.open_question(question, &entry, None);
        }
    }

    /// Shows what the session asks, whole, and asks for the answer to it.
    pub(super) fn ask_for_answer(&mut self) {
        let Some(entry) = self.subject() else {
            return;
        };
        match self.outside.asked(entry.session.id.clone()) {
            Ok(asked) => {
                // What is not read cannot be answered: the pane comes into view, at its top.
                self.wanted = Some(true);
                self.place_pane();
                self.back = usize::MAX;
                self.read = false;
                let question = if asked.questions.is_empty() {
                    Question::Allow
                } else {
                    Question::Choose
                };
                self.open_question(question, &entry, Some(asked));
            }
            Err(error) => self.notice = Some(error),
        }
    }

    fn open_question(&mut self, question: Question, entry: &Entry, asked: Option<Asked>) {
        let (app, _) = self.parts();
        let query = (app.input.value.clone(), app.input.cursor_pos);
        app.input.value = question.default(&entry.session);
        app.input.move_to_end();
        question.prompt().clone_into(&mut app.input.prompt);
        // What is typed now is no query.
        app.options.disabled = true;
        self.asking = Some(Asking {
            about: question.about(&entry.session, &entry.row.state),
            question,
            id: entry.session.id.clone(),
            asked,
            query,
        });
    }

    /// Puts the query back.
    pub(super) fn close_question(&mut self) -> Option<Asking> {
        let asking = self.asking.take()?;
        let (app, _) = self.parts();
        app.options.disabled = false;
        (app.input.value, app.input.cursor_pos) = asking.query.clone();
        app.input.prompt.clone_from(&app.options.prompt);
        self.back = 0;
        Some(asking)
    }

    pub(super) fn answer(&mut self) -> Result<(), Failure> {
        let text = self.parts().0.input.value.clone();
        let Some(asking) = self.close_question() else {
            return Ok(());
        };
        let done = match asking.question.read(&text) {
            Answer::Label(label) => self.outside.label(asking.id, &label),
            Answer::End => self.outside.end(asking.id),
            // Nobody allows what he could not read.
            Answer::Decide(Decision::Allow) if !self.read => {
                Err("nothing was sent: read it to its end first (shift-down)".to_owned())
            }
            Answer::Decide(decision) => {
                let request = asking.asked.map_or(0, |asked| asked.id);
                self.outside.decide(asking.id, request, decision)
            }
            Answer::Unclear => Err("that was no answer: nothing was sent".to_owned()),
            Answer::Nothing => Ok(()),
        };
        self.notice = done.err();
        self.draw()
    }
}
