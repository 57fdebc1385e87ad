//! The end of a conversation as lines: what the session is, what it asks, what was said. Pure.

use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::core::model::{Dialog, Session, Standing};
use crate::core::text::{self, width};
use crate::frontend::row;
use crate::protocol::reply::{Committed, PreviewMessage};

/// What a session asks, line by line: what is taken away and added in colour, options numbered.
#[must_use]
pub fn asked(asked: &Dialog) -> Vec<Line> {
    let mut lines = vec![Line::plain(Tone::Plain, "")];
    lines.push(Line::plain(Tone::Strong, &*asked.tool));
    for line in asked.text.lines() {
        let tone = match line.get(..2) {
            Some("- ") => Tone::Urgent,
            Some("+ ") => Tone::Active,
            _ => Tone::Plain,
        };
        lines.push(Line {
            hang: 2,
            ..Line::plain(tone, line)
        });
    }
    if asked.cut {
        lines.push(Line::plain(
            Tone::Urgent,
            "cut: go there to read and allow it",
        ));
    }
    for question in &asked.questions {
        lines.push(Line::plain(Tone::Plain, ""));
        lines.push(Line::plain(Tone::Strong, &*question.text));
        for (n, option) in question.options.iter().enumerate() {
            let number = (Tone::Active, format!("{}  ", n + 1));
            let label = (Tone::Plain, option.label.to_string());
            let meaning = (Tone::Faint, format!("  {}", option.description));
            lines.push(Line {
                spans: vec![number, label, meaning],
                hang: 3,
            });
        }
    }
    lines
}

/// How a piece of a line wants to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Bold.
    Strong,
    /// Dim.
    Faint,
    /// It waits for its user.
    Urgent,
    /// It works.
    Active,
}

impl Tone {
    /// What turns it on in a terminal, as the parameter of SGR; nothing for [`Tone::Plain`].
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Urgent => "31",
            // The darker blue (34) cannot be read on black.
            Self::Active => "94",
        }
    }
}

/// A line, in pieces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The pieces; without control characters.
    pub spans: Vec<(Tone, String)>,
    /// Columns that the rest of the line is set in by, where it is too long for one.
    pub hang: usize,
}

impl Line {
    fn plain(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            spans: vec![(tone, text.into())],
            hang: 0,
        }
    }

    /// Whether there is nothing on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.iter().all(|(_, text)| text.is_empty())
    }

    /// The line in lines of at most `columns`, broken between words where that is possible.
    #[must_use]
    pub fn wrap(&self, columns: usize) -> Vec<Self> {
        let all: String = self.spans.iter().map(|(_, text)| text.as_str()).collect();
        let mut lines = Vec::new();
        for (n, part) in text::wrap(&all, columns, self.hang).into_iter().enumerate() {
            let mut spans = self.part(&part);
            if n > 0 && self.hang > 0 {
                spans.insert(0, (Tone::Plain, " ".repeat(self.hang)));
            }
            lines.push(Self {
                spans,
                hang: self.hang,
            });
        }
        lines
    }

    fn part(&self, part: &Range<usize>) -> Vec<(Tone, String)> {
        let mut at = 0;
        let mut spans = Vec::new();
        for (tone, text) in &self.spans {
            let start = part.start.clamp(at, at + text.len()) - at;
            let end = part.end.clamp(at, at + text.len()) - at;
            if start < end {
                spans.push((*tone, text[start..end].to_owned()));
            }
            at += text.len();
        }
        spans
    }
}

/// What a session is, where it works, and what it asks.
#[must_use]
pub fn head(session: &Session, now: DateTime<Utc>) -> Vec<Line> {
    let tone = match session.standing() {
        Standing::Waiting => Tone::Urgent,
        Standing::Working => Tone::Active,
        Standing::Done => Tone::Strong,
        _ => Tone::Plain,
    };
    let state = row::state_words(session, now);
    let branch = row::branch_words(session);
    let doing = session
        .git_doing
        .map(|doing| format!(" ({})", doing.as_str()));
    let doing = doing.unwrap_or_default();
    let model = session.model.as_deref().unwrap_or("-");
    let place = format!("{}  {branch}{doing}  {model}", session.cwd.clean());
    let mut lines = vec![
        Line {
            spans: vec![
                (Tone::Strong, session.title().to_string()),
                (tone, format!("  {state}")),
            ],
            hang: 0,
        },
        Line::plain(Tone::Faint, place),
    ];
    let ask = session.asked();
    lines.extend(ask.map(|ask| Line::plain(Tone::Urgent, format!("asks: {ask}"))));
    lines
}

/// Commits that are shown of a session, at most: its conversation needs the room.
const COMMITS: usize = 3;

/// The last commits that a session had part in, one on a line.
#[must_use]
pub fn commits(commits: &[Committed], now: DateTime<Utc>) -> Vec<Line> {
    let shown = commits.iter().take(COMMITS);
    shown
        .map(|commit| {
            let age = commit
                .at
                .map(|at| format!("  {}", text::age((now - at).num_seconds())));
            let words = format!(
                "committed {} {}{}",
                commit.short(),
                commit.subject,
                age.unwrap_or_default()
            );
            Line {
                hang: 2,
                ..Line::plain(Tone::Faint, words)
            }
        })
        .collect()
}

/// Messages as people read them: an empty line before each, the user's marked, tools faint.
#[must_use]
pub fn messages(messages: &[PreviewMessage]) -> Vec<Line> {
    let mut lines = Vec::new();
    for message in messages {
        lines.push(Line::plain(Tone::Plain, ""));
        let (mark, tone) = match &*message.role {
            "user" => ("\u{203a} ", Tone::Strong),
            "tool" => ("\u{2022} ", Tone::Faint),
            _ => ("", Tone::Plain),
        };
        let hang = width(mark);
        for (n, line) in message.text.lines().enumerate() {
            let text = if n == 0 {
                format!("{mark}{line}")
            } else {
                format!("{:hang$}{line}", "")
            };
            let spans = vec![(tone, text)];
            lines.push(Line { spans, hang });
        }
    }
    lines
}

/// Lines as text for a terminal, a line break after each.
#[must_use]
pub fn render(lines: &[Line], colored: bool) -> String {
    let mut out = String::new();
    for line in lines {
        for (tone, text) in &line.spans {
            if colored && *tone != Tone::Plain && !text.is_empty() {
                out.push_str(&format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code()));
            } else {
                out.push_str(text);
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{State, made};
    use crate::core::text::CleanText;

    fn message(role: &str, text: &str) -> PreviewMessage {
        PreviewMessage {
            role: CleanText::line(role),
            text: CleanText::block(text, 1000),
            at: None,
        }
    }

    fn session() -> Session {
        Session {
            git_branch: Some(CleanText::line("main")),
            ask: Some(CleanText::line("Bash(cargo test)")),
            ..made::session(1, "/w/shop", State::NeedsInput)
        }
    }

    #[test]
    fn the_head_says_what_it_is_and_what_it_asks() {
        let lines = head(&session(), made::second(185));
        assert_eq!(
            render(&lines, false),
            "shop  waiting 3m\n/w/shop  main  -\nasks: Bash(cargo test)\n"
        );
        assert_eq!(
            render(&lines[..1], true),
            "\u{1b}[1mshop\u{1b}[0m\u{1b}[31m  waiting 3m\u{1b}[0m\n"
        );
    }

    #[test]
    fn messages_are_told_apart_and_their_lines_belong_together() {
        let said = [
            message("user", "first\nsecond"),
            message("tool", "Bash(ls)"),
            message("assistant", "Done."),
        ];
        assert_eq!(
            render(&messages(&said), false),
            "\n\u{203a} first\n  second\n\n\u{2022} Bash(ls)\n\nDone.\n"
        );
    }

    #[test]
    fn a_long_line_keeps_its_tones_and_hangs() {
        let line = Line {
            spans: vec![
                (Tone::Strong, "\u{203a} one two".into()),
                (Tone::Faint, " three".into()),
            ],
            hang: 2,
        };
        assert_eq!(render(&line.wrap(9), false), "\u{203a} one two\n  three\n");
        let parts = line.wrap(7);
        assert_eq!(render(&parts, false), "\u{203a} one\n  two\n  three\n");
        assert_eq!(
            parts[1].spans,
            [(Tone::Plain, "  ".into()), (Tone::Strong, "two".into())]
        );
        let empty = Line::plain(Tone::Plain, "");
        assert_eq!(empty.wrap(9).len(), 1, "an empty line stays one");
        assert!(empty.is_empty() && empty.wrap(9)[0].is_empty());
    }
}
