//! The rows of "New session…": a project, and below it what can be gone on with there. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::core::model::{ConversationId, Project};
use crate::core::text::{push_age, truncate};

/// The row of a menu that leads here.
pub const NEW: &str = "New session\u{2026}";
/// Conversations that are shown of a project.
const PAST: usize = 3;
/// Columns of what a conversation is about.
const TITLE: usize = 60;

/// What a row stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// A session in this directory.
    Begin(String),
    /// This conversation.
    Resume(ConversationId),
}

impl Chosen {
    /// Of the words that stand for it. Neither has control characters.
    #[must_use]
    pub fn of(words: &str) -> Option<Self> {
        match words.split_once(':')? {
            ("new", dir) => Some(Self::Begin(dir.to_owned())),
            ("past", id) => ConversationId::new(id).map(Self::Resume),
            _ => None,
        }
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Begin(dir) => format!("new:{dir}"),
            Self::Resume(id) => format!("past:{id}"),
        }
    }

    /// What follows `vmux` to do it.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let words = match self {
            Self::Begin(dir) => ["new", "--", dir],
            Self::Resume(id) => ["new", "--resume", id.as_str()],
        };
        words.map(str::to_owned).into()
    }
}

/// A row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What is read: of one line, clean, and no other row's.
    pub text: String,
    /// What it is found by besides.
    pub keywords: String,
    /// What it stands for.
    pub chosen: Chosen,
}

/// The rows.
#[must_use]
pub fn lines(projects: &[Project], now: DateTime<Utc>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut texts = BTreeSet::new();
    for project in projects {
        let mut text = project.dir.0.clone();
        if project.alive > 0 {
            text.push_str(&format!("  \u{b7} {} alive", project.alive));
        } else if let Some(seen) = project.seen {
            text.push_str("  \u{b7} ");
            push_age(&mut text, (now - seen).num_seconds());
        }
        texts.insert(text.clone());
        lines.push(Line {
            text,
            keywords: String::new(),
            chosen: Chosen::Begin(project.dir.0.clone()),
        });
        for past in project.past.iter().take(PAST) {
            let mut text = format!("    \u{21b3} {}  \u{b7} ", truncate(&past.title, TITLE));
            push_age(&mut text, (now - past.at).num_seconds());
            if !texts.insert(text.clone()) {
                text.push_str(&format!("  \u{b7} {}", past.conversation));
            }
            lines.push(Line {
                text,
                keywords: project.dir.0.clone(),
                chosen: Chosen::Resume(past.conversation.clone()),
            });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Past, RawPath, made};
    use crate::core::text::CleanText;

    #[test]
    fn a_row_stands_for_one_thing_and_comes_back_as_it() {
        let past = |id: &str| Past {
            agent: "claude",
            conversation: ConversationId::new(id).unwrap(),
            title: CleanText::line("mend <b>it</b>\0info\u{1f}new:/"),
            at: made::second(40),
        };
        let project = |dir: &str, alive, past| Project {
            dir: RawPath(dir.into()),
            seen: Some(made::second(10)),
            alive,
            past,
        };
        let all = [
            project("/srv/shop", 2, vec![past("a"), past("b")]),
            project("/srv/a: b", 0, Vec::new()),
        ];
        let lines = lines(&all, made::second(100));
        let text: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        let wanted = [
            "/srv/shop  \u{b7} 2 alive",
            "    \u{21b3} mend <b>it</b>infonew:/  \u{b7} 1m",
            "    \u{21b3} mend <b>it</b>infonew:/  \u{b7} 1m  \u{b7} b",
            "/srv/a: b  \u{b7} 1m",
        ];
        assert_eq!(text, wanted);
        for line in &lines {
            assert_eq!(
                Chosen::of(&line.chosen.words()).as_ref(),
                Some(&line.chosen)
            );
        }
        assert_eq!(lines[3].chosen.command(), ["new", "--", "/srv/a: b"]);
        for other in ["", "yes", "12-34", "past:../x", "host:1"] {
            assert_eq!(Chosen::of(other), None, "{other}");
        }
    }
}
