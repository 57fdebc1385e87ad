//! The query language of skim: `word`, `'exact`, `^start`, `end$`, `!not`, `a | b`, and words
//! that must all fit. Pure.
//!
//! **Source:** skim 5.9.0, `engine/factory.rs`, `andor.rs`, `exact.rs` and `fuzzy.rs`.

use super::fuzzy::Fuzzy;

/// How well a query fits. A fuzzy word counts its places in characters, an exact one in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Hit {
    pub(super) score: i64,
    pub(super) begin: i64,
    pub(super) end: i64,
}

/// All of these must fit, each by any of its terms.
///
/// Texts have to be given in list order: see [`Fuzzy`].
pub(super) struct Pattern(Vec<Vec<Term>>);

/// A part of a query that stands for itself.
enum Term {
    /// Fits everywhere.
    Anything,
    Fuzzy(Fuzzy),
    Exact(Exact),
}

struct Exact {
    text: Vec<char>,
    cased: bool,
    start: bool,
    end: bool,
    not: bool,
}

impl Pattern {
    /// Reads a query.
    pub(super) fn parse(query: &str) -> Self {
        if query.trim().is_empty() {
            // Nothing, or white space, which is looked for as it is.
            return Self(vec![vec![Term::parse(query)]]);
        }
        let joined = join_bars(&query.replace("\\ ", "\0"));
        let words = joined.split(' ').filter(|word| !word.is_empty());
        let terms = |word: &str| {
            let terms = word.split('|').filter(|term| !term.is_empty());
            terms
                .map(|term| Term::parse(&term.replace('\0', " ")))
                .collect()
        };
        Self(words.map(terms).collect())
    }

    /// How well it fits a text; not at all if any of its words does not.
    pub(super) fn hit(&mut self, text: &str) -> Option<Hit> {
        let chars: Vec<char> = text.chars().collect();
        let mut all: Option<Hit> = None;
        for terms in &mut self.0 {
            // Each of them is tried, and of equal ones the last counts.
            let hits = terms.iter_mut().filter_map(|term| term.hit(text, &chars));
            let best = hits.max_by_key(|hit| hit.score)?;
            all = Some(all.map_or(best, |sum| Hit {
                score: sum.score + best.score,
                begin: sum.begin.min(best.begin),
                end: sum.end.max(best.end),
            }));
        }
        all
    }
}

/// Takes out the spaces around bars, and all but one of several bars: `a | b` is one word.
fn join_bars(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for c in query.chars() {
        match c {
            '|' | ' ' if out.ends_with('|') => {}
            '|' => {
                out.truncate(out.trim_end_matches(' ').len());
                if !out.ends_with('|') {
                    out.push('|');
                }
            }
            c => out.push(c),
        }
    }
    out
}

impl Term {
    fn parse(mut text: &str) -> Self {
        let strip = |text: &mut &str, mark: char| {
            let rest = text.strip_prefix(mark);
            *text = rest.unwrap_or(text);
            rest.is_some()
        };
        let quoted = strip(&mut text, '\'');
        let not = strip(&mut text, '!');
        let start = strip(&mut text, '^');
        let end = text.ends_with('$');
        let text = text.strip_suffix('$').unwrap_or(text);
        if text.is_empty() {
            return Self::Anything;
        }
        if !(quoted || not || start || end) {
            return Self::Fuzzy(Fuzzy::new(text));
        }
        Self::Exact(Exact {
            text: text.chars().collect(),
            cased: text.chars().any(char::is_uppercase),
            start,
            end,
            not,
        })
    }

    fn hit(&mut self, text: &str, chars: &[char]) -> Option<Hit> {
        match self {
            Self::Anything => Some(Hit::default()),
            Self::Fuzzy(fuzzy) => {
                let found = fuzzy.align(chars)?;
                Some(Hit {
                    score: found.score.into(),
                    begin: found.begin as i64,
                    end: found.end as i64,
                })
            }
            Self::Exact(exact) => match (exact.find(text), exact.not) {
                (Some((begin, end)), false) => Some(Hit {
                    score: (end - begin) as i64,
                    begin: begin as i64,
                    end: end as i64,
                }),
                (None, true) => Some(Hit::default()),
                _ => None,
            },
        }
    }
}

impl Exact {
    /// Where it stands first, in bytes.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let end_of = |begin: usize| {
            let mut rest = text[begin..].chars();
            for want in &self.text {
                let c = rest.next()?;
                if c != *want && (self.cased || fold(c) != fold(*want)) {
                    return None;
                }
            }
            let end = text.len() - rest.as_str().len();
            (!self.end || end == text.len()).then_some((begin, end))
        };
        if self.start {
            return end_of(0);
        }
        let mut places = text.char_indices().map(|(at, _)| at);
        places.find_map(end_of)
    }
}

/// The letter that stands for all that are the same but for their case: Unicode's simple case
/// folding, in which one letter never becomes two.
///
/// **Source:** `CaseFolding.txt` (C and S) as skim's regular expressions have it; a test of
/// `vmux-pick` compares every letter.
fn fold(c: char) -> char {
    match c {
        // No other letter's small one, though its capital is I.
        '\u{131}' => c,
        // Equal, though neither has a capital of its own.
        '\u{1fd3}' => '\u{390}',
        '\u{1fe3}' => '\u{3b0}',
        '\u{fb05}' => '\u{fb06}',
        _ => {
            let upper = only(c.to_uppercase()).unwrap_or(c);
            only(upper.to_lowercase()).unwrap_or(upper)
        }
    }
}

fn only(mut chars: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if chars.len() == 1 { chars.next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(query: &str, text: &str) -> Option<(i64, i64, i64)> {
        let hit = Pattern::parse(query).hit(text)?;
        Some((hit.score, hit.begin, hit.end))
    }

    #[test]
    fn a_mark_says_how_a_word_fits() {
        for (query, want) in [
            ("", Some((0, 0, 0))),
            ("'web", Some((3, 5, 8))),
            ("'WEB", None),
            ("^shop", Some((4, 0, 4))),
            ("^web", None),
            ("web$", Some((3, 5, 8))),
            ("shop$", None),
            ("!blog", Some((0, 0, 0))),
            ("!shop", None),
            ("!^web", Some((0, 0, 0))),
            ("'", Some((0, 0, 0))),
            ("^$", Some((0, 0, 0))),
            ("|", None),
            ("'web ^shop", Some((7, 0, 8))),
            ("'zzz | ^shop", Some((4, 0, 4))),
            ("'zzz|'web", Some((3, 5, 8))),
        ] {
            assert_eq!(hit(query, "shop-web"), want, "{query:?}");
        }
        assert_eq!(hit("'a\\ b", "x a b"), Some((3, 2, 5)));
        assert_eq!(hit("'straße", "STRAßE"), Some((7, 0, 7)));
    }

    #[test]
    fn bars_bind_with_or_without_spaces() {
        for (query, want) in [
            ("a | b", "a|b"),
            ("a|  b", "a|b"),
            ("a | | b", "a|b"),
            ("a || b c", "a|b c"),
            (" a", " a"),
        ] {
            assert_eq!(join_bars(query), want);
        }
    }
}
