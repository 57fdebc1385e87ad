//! Questions that are asked in the list's own prompt: a name for a session, and whether to end it.
//!
//! The query waits meanwhile. skim edits the answer; only keys that edit get through to it.

use skim::tui::event::Action;
use vmux::model::{Session, SessionKey};

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// What to call it.
    Label,
    /// Whether to end it.
    End,
}

/// A question that is open.
pub(crate) struct Asking {
    pub(crate) question: Question,
    pub(crate) id: SessionKey,
    /// What the line above the list says.
    pub(crate) about: String,
    /// The query, and where its cursor was.
    pub(crate) query: (String, u16),
}

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Call it so; empty takes the name away.
    Label(String),
    /// End it.
    End,
    /// Leave it as it is.
    Nothing,
}

impl Question {
    /// The prompt.
    pub(crate) fn prompt(self) -> &'static str {
        match self {
            Self::Label => "label> ",
            Self::End => "end it? [y/N] ",
        }
    }

    /// What the answer is at first.
    pub(crate) fn default(self, session: &Session) -> String {
        match self {
            Self::Label => session.label.as_deref().unwrap_or_default().to_owned(),
            Self::End => String::new(),
        }
    }

    /// What it is about.
    pub(crate) fn about(self, session: &Session, state: &str) -> String {
        let title = session.title();
        match self {
            Self::Label => format!("A name for {title}; an empty one takes it away"),
            Self::End => format!("End {title} ({state}, {})?", session.cwd.clean()),
        }
    }

    /// What its keys do.
    pub(crate) fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Label => &[("enter", "save"), ("esc", "back")],
            Self::End => &[("y enter", "end it"), ("enter", "no"), ("esc", "back")],
        }
    }

    /// What an answer means. Only a clear yes ends a session.
    pub(crate) fn read(self, answer: &str) -> Answer {
        match self {
            Self::Label => Answer::Label(answer.trim().to_owned()),
            Self::End if matches!(answer.trim(), "y" | "Y" | "yes") => Answer::End,
            Self::End => Answer::Nothing,
        }
    }
}

/// Whether an action of skim's edits the prompt, and does nothing to the list.
pub(crate) fn edits(action: &Action) -> bool {
    matches!(
        action,
        Action::AddChar(_)
            | Action::BackwardChar
            | Action::BackwardDeleteChar
            | Action::BackwardKillWord
            | Action::BackwardWord
            | Action::BeginningOfLine
            | Action::DeleteChar
            | Action::EndOfLine
            | Action::ForwardChar
            | Action::ForwardWord
            | Action::KillLine
            | Action::KillWord
            | Action::UnixLineDiscard
            | Action::UnixWordRubout
            | Action::Yank
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_ends_a_session() {
        for (text, want) in [
            ("y", Answer::End),
            ("Y", Answer::End),
            (" yes ", Answer::End),
            ("", Answer::Nothing),
            ("n", Answer::Nothing),
            ("yy", Answer::Nothing),
            ("yes please", Answer::Nothing),
        ] {
            assert_eq!(Question::End.read(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_label_is_what_was_typed() {
        assert_eq!(
            Question::Label.read(" pay ments "),
            Answer::Label("pay ments".into())
        );
        assert_eq!(Question::Label.read(" "), Answer::Label(String::new()));
    }
}
