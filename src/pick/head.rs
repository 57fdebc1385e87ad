//! The two lines above the list: how many sessions there are, and what the keys do. Pure.

use vmux::core::text::{truncate, width};
use vmux::frontend::preview::{self, Line, Tone};

use crate::keys::{Command, KEYS};
use vmux::frontend::filter::Filter;

/// What the lines say.
pub(crate) enum Scene<'a> {
    /// The list.
    List {
        /// `2 waiting · 1 idle`.
        counts: &'a str,
        /// How many of how many the query leaves, if any does not fit.
        fitting: Option<(usize, usize)>,
        /// What went wrong, or what was done.
        notice: Option<&'a str>,
        filter: Filter,
        next: Filter,
        /// Some request can be answered from here.
        answerable: bool,
    },
    /// A prompt: what it is about, and what the keys mean.
    Prompt {
        about: &'a str,
        keys: &'a [(&'static str, &'static str)],
    },
}

/// Both lines, at most `columns` wide, for a terminal.
pub(crate) fn render(scene: &Scene<'_>, columns: usize, colored: bool) -> String {
    let lines = match scene {
        Scene::List {
            counts,
            fitting,
            notice,
            filter,
            next,
            answerable,
        } => {
            let first = match notice {
                Some(notice) => vec![(Tone::Urgent, (*notice).to_owned())],
                None => summary(counts, *fitting, *filter),
            };
            [cut(first, columns), hints(*next, *answerable, columns)]
        }
        Scene::Prompt { about, keys } => [
            cut(vec![(Tone::Strong, (*about).to_owned())], columns),
            explain(
                keys.iter().map(|(key, word)| (*key, (*word).to_owned())),
                columns,
            ),
        ],
    };
    preview::render(&lines, colored).trim_end().to_owned()
}

/// The counts, those that wait and work in their colours.
fn summary(counts: &str, fitting: Option<(usize, usize)>, filter: Filter) -> Vec<(Tone, String)> {
    const DOT: &str = " \u{b7} ";
    let mut spans = Vec::new();
    for (n, part) in counts.split(DOT).enumerate() {
        if n > 0 {
            spans.push((Tone::Faint, DOT.to_owned()));
        }
        let tone = match part.split(' ').nth(1) {
            Some("waiting") => Tone::Urgent,
            Some("working") => Tone::Active,
            _ => Tone::Plain,
        };
        spans.push((tone, part.to_owned()));
    }
    if filter != Filter::All {
        spans.push((Tone::Faint, format!("{DOT}showing {}", filter.word())));
    }
    if let Some((fit, all)) = fitting {
        spans.push((Tone::Faint, format!("{DOT}{fit} of {all} fit")));
    }
    spans
}

/// The keys, as many as there is room for.
fn hints(next: Filter, answerable: bool, columns: usize) -> Line {
    let mut keys = vec![("enter", "focus".to_owned())];
    let mut named: Vec<Command> = Vec::new();
    for (key, command) in KEYS {
        if named.contains(&command) || (command == Command::Answer && !answerable) {
            continue;
        }
        named.push(command);
        let word = match command {
            Command::Label => "label".to_owned(),
            Command::End => "end".to_owned(),
            Command::Answer => "answer".to_owned(),
            Command::Filter => format!("show {}", next.word()),
            Command::New => "new".to_owned(),
            Command::Preview => "preview".to_owned(),
        };
        keys.push((key, word));
    }
    keys.push(("esc", "close".to_owned()));
    explain(keys.into_iter(), columns)
}

fn explain(keys: impl Iterator<Item = (&'static str, String)>, columns: usize) -> Line {
    let mut spans: Vec<(Tone, String)> = Vec::new();
    let mut used = 0;
    for (key, word) in keys {
        let gap = if spans.is_empty() { "" } else { "  " };
        let wide = gap.len() + width(key) + 1 + width(&word);
        if used + wide > columns {
            break;
        }
        used += wide;
        spans.push((Tone::Plain, format!("{gap}{key}")));
        spans.push((Tone::Faint, format!(" {word}")));
    }
    Line { spans, hang: 0 }
}

/// A line that ends with an ellipsis if it is too long.
fn cut(spans: Vec<(Tone, String)>, columns: usize) -> Line {
    let mut left = columns;
    let mut kept = Vec::new();
    for (tone, text) in spans {
        let piece = truncate(&text, left).into_owned();
        left -= width(&piece).min(left);
        kept.push((tone, piece));
    }
    Line {
        spans: kept,
        hang: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(filter: Filter, notice: Option<&'static str>) -> Scene<'static> {
        Scene::List {
            counts: "2 waiting \u{b7} 1 working \u{b7} 3 idle",
            fitting: None,
            notice,
            filter,
            next: Filter::Waiting,
            answerable: false,
        }
    }

    #[test]
    fn it_counts_and_explains_the_keys() {
        assert_eq!(
            render(&list(Filter::All, None), 100, false),
            "2 waiting \u{b7} 1 working \u{b7} 3 idle\n\
             enter focus  alt-r label  alt-k end  alt-s show waiting  alt-n new  alt-p preview  esc close"
        );
        assert_eq!(
            render(&list(Filter::Workspace, Some("could not do it")), 30, false),
            "could not do it\nenter focus  alt-r label"
        );
        assert_eq!(
            render(&list(Filter::Workspace, None), 48, false)
                .lines()
                .next(),
            Some("2 waiting \u{b7} 1 working \u{b7} 3 idle \u{b7} showing this w\u{2026}")
        );
    }

    #[test]
    fn the_key_that_answers_is_named_where_there_is_something_to_answer() {
        let line = hints(Filter::All, true, 40);
        let words: Vec<&str> = line.spans.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(words[..4], ["enter", " focus", "  alt-a", " answer"]);
    }

    #[test]
    fn what_waits_is_red() {
        let text = render(&list(Filter::All, None), 100, true);
        assert!(text.contains("\u{1b}[31m2 waiting\u{1b}[0m"));
        assert!(text.contains("\u{1b}[94m1 working\u{1b}[0m"));
    }

    #[test]
    fn a_question_says_what_its_keys_mean() {
        let keys = [("enter", "keep it"), ("esc", "back")];
        let scene = Scene::Prompt {
            about: "End shop-web?",
            keys: &keys,
        };
        assert_eq!(
            render(&scene, 60, false),
            "End shop-web?\nenter keep it  esc back"
        );
    }
}
