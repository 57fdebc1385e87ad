//! The query language: words that must all fit, `'exact`, `^start`, `end$`, `!not`, `a | b`. Pure.
//!
//! - A word fits a field (title, branch, directory, …) that has its letters in their order; a marked
//!   one only as it stands. `^` is the start of a field, `$` the end of one.
//! - Case counts in a word that has a capital. Accents and the width of letters never count.
//! - `\ ` is a space within a word. A mark without a word, as while one types, says nothing.

use super::fuzzy::{Alignment, LONGEST, MATCH, Word, gain, joined};
use super::letters::bare;
use super::searched::{Letter, Searched};

/// Longest query that is looked for, in characters; longer ones fit nothing.
const LONGEST_QUERY: usize = 128;

/// What it is worth that a word is all that a field has: who types a whole name means the session
/// called so, and not one of those whose names begin with it.
const ALL: i32 = 1;

/// A query, ready to be held against many texts.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<AnyOf>);

/// Terms with bars between them: one of them must fit.
type AnyOf = Vec<Term>;

/// How well a query fits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fit {
    /// More is better. An empty query has 0 everywhere.
    pub score: i32,
    /// The characters of [`Searched::text`] that fit, each once, in order.
    pub places: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Term {
    word: Word,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Fuzzy,
    /// As it stands, and where.
    Exact {
        start: bool,
        end: bool,
        not: bool,
    },
}

impl Pattern {
    /// Reads a query. There is none that is wrong.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        if query.chars().nth(LONGEST_QUERY).is_some() {
            return Self(vec![AnyOf::new()]);
        }
        let mut all: Vec<AnyOf> = Vec::new();
        let mut barred = false;
        for token in tokens(query) {
            let Token::Word(word) = token else {
                barred = true;
                continue;
            };
            let term = Term::parse(&word);
            match all.last_mut().filter(|_| barred) {
                Some(any) => any.extend(term),
                None => all.push(term.into_iter().collect()),
            }
            barred = false;
        }
        all.retain(|any| !any.is_empty());
        Self(all)
    }

    /// How well it fits, if it does. Of terms with bars between them the best counts, of equal
    /// ones the first.
    #[must_use]
    pub fn fit(&self, searched: &Searched) -> Option<Fit> {
        let mut fit = Fit::default();
        for any in &self.0 {
            let fits = any.iter().filter_map(|term| term.align(searched.letters()));
            let best = best(fits)?;
            fit.score += best.score;
            let places = best.places.into_iter().map(|at| at as usize);
            fit.places.extend(places);
        }
        fit.places.sort_unstable();
        fit.places.dedup();
        Some(fit)
    }
}

enum Token {
    Word(String),
    Bar,
}

fn tokens(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut chars = query.chars().peekable();
    let mut close = |word: &mut String, bar: bool| {
        if !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(word)));
        }
        if bar {
            tokens.push(Token::Bar);
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next_if_eq(&' ').is_some() => word.push(' '),
            '|' => close(&mut word, true),
            c if c.is_whitespace() => close(&mut word, false),
            c => word.push(c),
        }
    }
    close(&mut word, false);
    tokens
}

impl Term {
    /// Reads a word with its marks; `None` if it is nothing but marks.
    fn parse(mut text: &str) -> Option<Self> {
        let mut strip = |mark: char| {
            let rest = text.strip_prefix(mark);
            text = rest.unwrap_or(text);
            rest.is_some()
        };
        let quoted = strip('\'');
        let not = strip('!');
        let start = strip('^');
        let rest = text.strip_suffix('$');
        let (text, end) = (rest.unwrap_or(text), rest.is_some());
        let letters: Vec<char> = text.chars().flat_map(bare).collect();
        if letters.is_empty() {
            return None;
        }
        let exact = quoted || not || start || end || letters.len() > LONGEST;
        let how = if exact {
            How::Exact { start, end, not }
        } else {
            How::Fuzzy
        };
        let word = Word::new(letters);
        Some(Self { word, how })
    }

    fn align(&self, text: &[Letter]) -> Option<Alignment> {
        let fields = text.chunk_by(|_, next| !next.starts);
        let (start, end, not) = match self.how {
            How::Fuzzy => {
                return best(fields.filter_map(|field| {
                    let mut alignment = self.word.align(field)?;
                    alignment.score += i32::from(field.len() == self.word.len()) * ALL;
                    Some(alignment)
                }));
            }
            How::Exact { start, end, not } => (start, end, not),
        };
        let runs = fields.flat_map(|field| field.windows(self.word.len()));
        let mut whole = runs.filter(|run| {
            let bounds = !start || run.first().is_some_and(|letter| letter.starts);
            bounds
                && (!end || run.last().is_some_and(|letter| letter.ends))
                && (0..).zip(*run).all(|(n, letter)| self.word.fits(n, letter))
        });
        if not {
            return whole.next().is_none().then(Alignment::default);
        }
        let score = |run: &[Letter]| {
            let gains = (0..).zip(run).map(|(n, letter)| {
                MATCH + gain(letter, n, run.len()) + if n > 0 { joined(letter) } else { 0 }
            });
            // A run with both ends of a field is all of it.
            let all = run.first().is_some_and(|letter| letter.starts)
                && run.last().is_some_and(|letter| letter.ends);
            gains.sum::<i32>() + i32::from(all) * ALL
        };
        best(whole.map(|run| Alignment {
            score: score(run),
            places: run.iter().map(|letter| letter.at).collect(),
        }))
    }
}

/// The one that scores best; of equal ones the first.
fn best(alignments: impl Iterator<Item = Alignment>) -> Option<Alignment> {
    alignments.reduce(|best, next| if next.score > best.score { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::searched::tests::searched;
    use super::*;

    fn fits(query: &str, title: &str) -> bool {
        Pattern::parse(query).fit(&searched(title, "")).is_some()
    }

    /// The title with what fits in brackets.
    fn marked(query: &str, title: &str) -> String {
        let searched = searched(title, "");
        let Some(fit) = Pattern::parse(query).fit(&searched) else {
            return "-".into();
        };
        let marked = title.chars().enumerate().map(|(at, c)| {
            if fit.places.contains(&at) {
                format!("[{c}]")
            } else {
                c.to_string()
            }
        });
        marked.collect::<String>().replace("][", "")
    }

    #[test]
    fn a_mark_says_how_a_word_fits() {
        for (query, want) in [
            ("", true),
            ("shopweb", true),
            ("bew", false),
            ("'web", true),
            ("'sweb", false),
            ("'WEB", false),
            ("^shop", true),
            ("^web", false),
            ("web$", true),
            ("shop$", false),
            ("^shop-web$", true),
            ("!blog", true),
            ("!shop", false),
            ("!^web", true),
            ("'!shop", false),
            ("web shop", true),
            ("web blog", false),
            ("'zzz | ^shop", true),
            ("zzz|'web", true),
            ("web zzz | ^shop", true),
            ("zzz | web blog", false),
        ] {
            assert_eq!(fits(query, "shop-web"), want, "{query:?}");
        }
        assert!(fits("'a\\ b", "x a b") && !fits("'a\\ b", "ab"));
        assert!(fits("web\u{3000}shop", "shop-web"), "any white space parts");
        assert!(fits("\\", "a\\b") && !fits("\\", "ab"));
    }

    /// The list must not flicker while a mark and no word stands there yet.
    #[test]
    fn a_mark_without_a_word_says_nothing() {
        for mark in [
            "'", "!", "^", "$", "|", "| |", "'!^$", "!^", "\u{301}", "  ",
        ] {
            for query in [mark.to_owned(), format!("web {mark}")] {
                assert!(fits(&query, "shop-web"), "{query:?}");
            }
            assert!(!fits(&format!("zzz {mark}"), "shop-web"), "{mark:?}");
        }
        assert!(!fits("zzz | !", "shop-web") && !fits("! | zzz", "shop-web"));
    }

    #[test]
    fn fields_have_a_start_and_an_end() {
        let text = searched("shop-web", "/srv/pay");
        let fits = |query: &str| Pattern::parse(query).fit(&text).is_some();
        assert!(fits("web$") && fits("pay$") && fits("^shop") && fits("^/srv"));
        assert!(!fits("^web") && !fits("srv$") && !fits("!web$"));
        assert!(fits("web pay") && !fits("webpay") && !fits("'web/srv"));
    }

    #[test]
    fn letters_fit_in_any_form_and_a_capital_only_a_capital() {
        for (query, title, want) in [
            ("caf\u{e9}", "Cafe\u{301}", "[Cafe]\u{301}"),
            ("cafe", "caf\u{e9}", "[caf\u{e9}]"),
            ("FB", "fooBar", "-"),
            ("fB", "fooBar", "[f]oo[B]ar"),
            ("ma", "\u{ff2d}\u{ff21}", "[\u{ff2d}\u{ff21}]"),
            ("\u{3c3}\u{3c2}", "\u{3a3}\u{3a3}", "[\u{3a3}\u{3a3}]"),
            ("'\u{d55c}", "a\u{d55c}\u{ae00}", "a[\u{d55c}]\u{ae00}"),
            ("fi", "\u{fb01}x", "[\u{fb01}]x"),
        ] {
            assert_eq!(marked(query, title), want, "{query}");
        }
    }

    #[test]
    fn what_fits_is_marked_where_the_eye_looks_for_it() {
        for (query, title, want) in [
            ("web", "we-are-web", "we-are-[web]"),
            ("api", "a-pi-api", "a-pi-[api]"),
            ("sw", "shows-web", "[s]hows-[w]eb"),
            ("fb", "offBeat-fooBar", "offBeat-[f]oo[B]ar"),
            ("a", "banana-apple", "banana-[a]pple"),
            ("'an", "banana-anna", "banana-[an]na"),
            ("web shop", "shop-web", "[shop]-[web]"),
            ("!x ^sh", "shop", "[sh]op"),
            ("srv", "api-server", "api-[s]e[r][v]er"),
        ] {
            let want = want.replace("][", "");
            assert_eq!(marked(query, title), want, "{query}");
        }
    }

    #[test]
    fn long_words_fit_as_they_stand_and_endless_queries_nowhere() {
        let long = "ab".repeat(40);
        assert!(fits(&long, &long) && !fits(&long, &long.replace("ba", "b-a")));
        let many = "a ".repeat(64);
        assert!(fits(&many, "a") && !fits(&format!("{many}a"), "a"));
    }
}
