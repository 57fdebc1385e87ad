//! Questions that are asked in the list's own prompt: a name for a session, and whether to end it.
//!
//! The query waits meanwhile. skim edits the answer; only keys that edit get through to it.

use skim::tui::event::Action;
use vmux::core::model::{Decision, Dialog, Session, SessionKey};

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Prompt {
    /// What to call it.
    Label,
    /// Whether to end it.
    End,
    /// Whether it may do what it asks for.
    Allow,
    /// Which options it shall take.
    Choose,
}

/// A prompt that is open.
pub(crate) struct OpenPrompt {
    pub(crate) prompt: Prompt,
    pub(crate) id: SessionKey,
    /// What the session asks.
    pub(crate) dialog: Option<Dialog>,
    /// What the line above the list says.
    pub(crate) about: String,
    /// The query, and where its cursor was.
    pub(crate) query: (String, u16),
}

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Typed {
    /// Call it so; empty takes the name away.
    Label(String),
    /// End it.
    End,
    /// Answer what it asks.
    Decide(Decision),
    /// Neither yes nor no.
    Unclear,
    /// Leave it as it is.
    Nothing,
}

impl Prompt {
    /// The prompt.
    pub(crate) fn prompt(self) -> &'static str {
        match self {
            Self::Label => "label> ",
            Self::End => "end it? [y/N] ",
            Self::Allow => "allow it? [y/n] ",
            Self::Choose => "option> ",
        }
    }

    /// What the answer is at first.
    pub(crate) fn default(self, session: &Session) -> String {
        match self {
            Self::Label => session.label.as_deref().unwrap_or_default().to_owned(),
            Self::End | Self::Allow | Self::Choose => String::new(),
        }
    }

    /// What it is about.
    pub(crate) fn about(self, session: &Session, state: &str) -> String {
        let title = session.title();
        match self {
            Self::Label => format!("A name for {title}; an empty one takes it away"),
            Self::End => format!("End {title} ({state}, {})?", session.cwd.clean()),
            Self::Allow | Self::Choose => format!("{title} asks what the pane shows"),
        }
    }

    /// What its keys do.
    pub(crate) fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Label => &[("enter", "save"), ("esc", "back")],
            Self::End => &[("y enter", "end it"), ("enter", "no"), ("esc", "back")],
            Self::Allow => &[
                ("y enter", "allow"),
                ("n enter", "deny"),
                ("n words enter", "deny and say so"),
                ("esc", "back"),
            ],
            Self::Choose => &[
                ("2 enter", "the second option"),
                ("1,3", "several"),
                ("n enter", "deny"),
                ("esc", "back"),
            ],
        }
    }

    /// What an answer means. Only a clear yes ends a session.
    pub(crate) fn read(self, answer: &str) -> Typed {
        match self {
            Self::Label => Typed::Label(answer.trim().to_owned()),
            Self::End if matches!(answer.trim(), "y" | "Y" | "yes") => Typed::End,
            Self::End => Typed::Nothing,
            Self::Allow | Self::Choose => self.decision(answer.trim()),
        }
    }
}

impl Prompt {
    fn decision(self, answer: &str) -> Typed {
        let (first, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match (self, first) {
            (_, "") => Typed::Nothing,
            (_, "n" | "N" | "no") => Typed::Decide(Decision::Deny(rest.trim().to_owned())),
            (Self::Allow, "y" | "Y" | "yes") if rest.is_empty() => Typed::Decide(Decision::Allow),
            (Self::Choose, _) => {
                let number = |word: &str| word.parse::<usize>().ok()?.checked_sub(1);
                let numbers = |word: &str| word.split(',').map(number).collect();
                let chosen: Option<Vec<Vec<usize>>> =
                    answer.split_whitespace().map(numbers).collect();
                chosen.map_or(Typed::Unclear, |chosen| {
                    Typed::Decide(Decision::Choose(chosen))
                })
            }
            _ => Typed::Unclear,
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
            ("y", Typed::End),
            ("Y", Typed::End),
            (" yes ", Typed::End),
            ("", Typed::Nothing),
            ("n", Typed::Nothing),
            ("yy", Typed::Nothing),
            ("yes please", Typed::Nothing),
        ] {
            assert_eq!(Prompt::End.read(text), want, "{text:?}");
        }
    }

    #[test]
    fn only_a_clear_word_answers_a_request() {
        let decide = Typed::Decide;
        let deny = |words: &str| decide(Decision::Deny(words.into()));
        for (text, want) in [
            ("y", decide(Decision::Allow)),
            (" yes ", decide(Decision::Allow)),
            ("n", deny("")),
            ("n use  make", deny("use  make")),
            ("", Typed::Nothing),
            ("yy", Typed::Unclear),
            ("y please", Typed::Unclear),
            ("1", Typed::Unclear),
        ] {
            assert_eq!(Prompt::Allow.read(text), want, "{text:?}");
        }
        let choose = |choices: &[&[usize]]| {
            decide(Decision::Choose(
                choices.iter().map(|c| c.to_vec()).collect(),
            ))
        };
        for (text, want) in [
            ("2", choose(&[&[1]])),
            ("1,3 2", choose(&[&[0, 2], &[1]])),
            ("no", deny("")),
            ("0", Typed::Unclear),
            ("y", Typed::Unclear),
            ("", Typed::Nothing),
        ] {
            assert_eq!(Prompt::Choose.read(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_label_is_what_was_typed() {
        assert_eq!(
            Prompt::Label.read(" pay ments "),
            Typed::Label("pay ments".into())
        );
        assert_eq!(Prompt::Label.read(" "), Typed::Label(String::new()));
    }
}
