//! Fuzzy matching with skim's scores ("v2"): an alignment with affine gaps, in which matches at
//! the start of words count more. Pure.
//!
//! **Source:** skim 5.9.0, `fuzzy_matcher/skim.rs` and `util.rs`, read and then compared by the
//! tests of `vmux-pick`, which links it. Scores must be equal to the point, because the order of
//! a list hangs on them, so its oddities are kept as well; see [`Fuzzy::bonus`].

/// A character that fits.
const MATCH: i32 = 16;
/// One that fits but for its case.
const OTHER_CASE: i32 = MATCH - 2;
/// First character that is left out between two that fit, besides [`GAP_MORE`].
const GAP: i32 = -3;
/// Each character that is left out.
const GAP_MORE: i32 = -1;
/// At least this much for a character right after another that fits.
const CONSECUTIVE: i32 = -(GAP + GAP_MORE);
/// After a space or a slash.
const HEAD: i32 = MATCH / 2;
/// After other punctuation.
const BREAK: i32 = HEAD + GAP_MORE;
/// An upper-case letter after a lower-case one or a digit.
const CAMEL: i32 = HEAD + 2 * GAP_MORE;
/// The text's very first character counts this many times.
const FIRST: i32 = 2;
/// No alignment has this score.
const NEVER: i32 = i16::MIN as i32;

/// A match: its score, the first character that fits and the one after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Alignment {
    pub(super) score: i32,
    pub(super) begin: usize,
    pub(super) end: usize,
}

/// A word that is matched against one text after the other.
pub(super) struct Fuzzy {
    pattern: Vec<char>,
    cased: bool,
    /// What a character gains from the one before it, by row and column of the alignment.
    ///
    /// skim never clears this table between texts, and reads a value of an earlier text where
    /// one letter of the word fits two letters in a row (`l` in `shell`). The order of its list
    /// depends on that, so this table lives as long as skim's: for one word of one query.
    bonus: Vec<i32>,
}

/// The best alignments that end at a character.
#[derive(Clone, Copy)]
struct Cell {
    /// Of those in which it fits.
    fits: i32,
    fits_from: usize,
    /// Of those in which it is left out.
    skips: i32,
    skips_from: usize,
}

const EMPTY: Cell = Cell {
    fits: NEVER,
    fits_from: 0,
    skips: NEVER,
    skips_from: 0,
};

impl Fuzzy {
    /// Takes a word; case counts if it has an upper-case letter.
    pub(super) fn new(word: &str) -> Self {
        Self {
            pattern: word.chars().collect(),
            cased: word.chars().any(char::is_uppercase),
            bonus: Vec::new(),
        }
    }

    /// The best alignment with a text; of equal ones the last. A word is never empty.
    pub(super) fn align(&mut self, text: &[char]) -> Option<Alignment> {
        let firsts = self.first_places(text)?;
        let places = place_bonuses(text);
        let width = text.len() + 1;
        self.clear_bonus(&firsts, width);
        let before = Cell {
            skips: GAP_MORE,
            ..EMPTY
        };
        let mut above = vec![before; width];
        let mut row = vec![EMPTY; width];
        for (n, first) in firsts.iter().copied().enumerate() {
            row[first] = EMPTY;
            for column in first + 1..width {
                let (fits, fits_from) = self.fit(n, column, text, above[column - 1], &places);
                let left = row[column - 1];
                let (opened, longer) = (GAP + GAP_MORE + left.fits, GAP_MORE + left.skips);
                let (skips, skips_from) = if opened >= longer {
                    (opened, left.fits_from)
                } else {
                    (longer, left.skips_from)
                };
                row[column] = Cell {
                    fits,
                    fits_from,
                    skips,
                    skips_from,
                };
            }
            std::mem::swap(&mut above, &mut row);
        }
        let last = *firsts.last()?;
        let (end, best) = (last..width)
            .map(|column| (column, above[column]))
            .max_by_key(|(_, cell)| cell.fits)?;
        Some(Alignment {
            score: best.fits,
            begin: best.fits_from,
            end,
        })
    }

    /// The best alignment in which the character before `column` fits the `n`th of the word, and
    /// where it begins. `before` are those that end one row and one column earlier.
    fn fit(
        &mut self,
        n: usize,
        column: usize,
        text: &[char],
        before: Cell,
        places: &[i32],
    ) -> (i32, usize) {
        let (c, p) = (text[column - 1], self.pattern[n]);
        let here = (n + 1) * (text.len() + 1) + column;
        if !same_char(c, p, self.cased) {
            self.bonus[here] = 0;
            return (NEVER, 0);
        }
        let consecutive = self.bonus[here - 1].max(places[column]).max(CONSECUTIVE);
        self.bonus[here - 1] = consecutive;
        let (joined, fresh) = (before.fits + consecutive, before.skips + places[column]);
        let (score, from) = if joined >= fresh {
            (joined, before.fits_from)
        } else {
            (fresh, before.skips_from)
        };
        let gain = if self.cased || c == p {
            MATCH
        } else {
            OTHER_CASE
        };
        (score + gain, if n == 0 { column - 1 } else { from })
    }

    /// Where each character of the word stands at first, one after the other.
    fn first_places(&self, text: &[char]) -> Option<Vec<usize>> {
        let mut places = Vec::with_capacity(self.pattern.len());
        let mut rest = text.iter().enumerate();
        for p in &self.pattern {
            places.push(rest.find(|(_, c)| same_char(**c, *p, self.cased))?.0);
        }
        Some(places)
    }

    /// Clears what skim clears before a text.
    fn clear_bonus(&mut self, firsts: &[usize], width: usize) {
        self.bonus.resize((firsts.len() + 1) * width, 0);
        self.bonus[..width].fill(0);
        for (n, first) in firsts.iter().enumerate() {
            self.bonus[(n + 1) * width + first] = 0;
        }
    }
}

/// What each character gains by its place, from column 1 on.
fn place_bonuses(text: &[char]) -> Vec<i32> {
    let mut bonuses = vec![0; text.len() + 1];
    let mut before = Class::Nothing;
    for (n, c) in text.iter().enumerate() {
        let class = Class::of(*c);
        bonuses[n + 1] = match (before, class) {
            (Class::Nothing | Class::Space, _) => HEAD,
            (Class::Punctuation, _) => BREAK,
            (Class::Lower | Class::Digit, Class::Upper) => CAMEL,
            _ => 0,
        };
        before = class;
    }
    if let Some(first) = bonuses.get_mut(1) {
        *first *= FIRST;
    }
    bonuses
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Nothing,
    Space,
    Punctuation,
    Digit,
    Upper,
    Lower,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            '\0' => Self::Nothing,
            ' ' | '/' | '\\' | '|' | '(' | ')' | '[' | ']' | '{' | '}' => Self::Space,
            '0'..='9' => Self::Digit,
            'A'..='Z' => Self::Upper,
            c if c.is_ascii_punctuation() => Self::Punctuation,
            _ => Self::Lower,
        }
    }
}

/// Whether two characters are the same: fullwidth ASCII is ASCII, and case counts if it is told
/// to.
fn same_char(a: char, b: char, cased: bool) -> bool {
    if a == b {
        return true;
    }
    let (a, b) = (narrow(a), narrow(b));
    if a == b || cased {
        return a == b;
    }
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(&b);
    }
    a.to_lowercase().eq(b.to_lowercase())
}

/// ASCII for its fullwidth form.
fn narrow(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Score, begin and end of a word in one text after the other.
    fn align(word: &str, texts: &[&str]) -> Vec<Option<(i32, usize, usize)>> {
        let mut fuzzy = Fuzzy::new(word);
        let aligned = texts.iter().map(|text| {
            let chars: Vec<char> = text.chars().collect();
            let found = fuzzy.align(&chars)?;
            Some((found.score, found.begin, found.end))
        });
        aligned.collect()
    }

    /// The figures are skim's.
    #[test]
    fn places_and_gaps_decide_the_score() {
        for (word, text, want) in [
            ("api", "api-server main", Some((71, 0, 3))),
            ("api", "my-api", Some((62, 3, 6))),
            ("as", "api-server", Some((48, 0, 5))),
            ("fb", "fooBar", Some((46, 0, 4))),
            ("FB", "FooBar", Some((48, 0, 4))),
            ("FB", "foobar", None),
            ("ü", "Über", Some((29, 0, 1))),
            ("main", "ｍａｉｎ", Some((83, 0, 4))),
            ("ab", "a", None),
            ("a", "", None),
        ] {
            assert_eq!(align(word, &[text]), [want], "{word} in {text}");
        }
    }

    /// skim's table of gains is not cleared: the second text alone would have 35.
    #[test]
    fn a_text_is_judged_with_what_the_one_before_left() {
        let texts = ["alal/a idle /", "la/laa idle /"];
        assert_eq!(align("aa", &texts), [Some((48, 0, 6)), Some((39, 4, 6))]);
        assert_eq!(align("aa", &texts[1..]), [Some((35, 4, 6))]);
    }
}
