//! Fuzzy matching: the letters of a word in their order, with others between them. Pure.
//!
//! A match scores by how easily the eye finds it: letters gain if they stand together, or begin a
//! word or the title; letters left out between them cost. Of all ways to fit a word the best is
//! taken, of equal ones the first.

use super::searched::Letter;

/// A letter that fits.
pub(super) const MATCH: i32 = 16;
/// At least this much for one right after another that fits: more than the beginning of a word.
const TOGETHER: i32 = 10;
/// The place of the first letter counts this many times.
const FIRST: i32 = 2;
/// A word of the text ends with the last letter.
const WHOLE: i32 = 2;
/// The first letter that is left out: as much as the beginning of a word gains. A piece of a word
/// elsewhere is worth no more than its letters.
const GAP: i32 = -8;
/// Each further one.
const GAP_MORE: i32 = -1;
/// Less than any score, even after it was added to.
const NEVER: i32 = i32::MIN / 2;

/// Longest word that is matched this way, in letters: one bit each.
pub(super) const LONGEST: usize = u64::BITS as usize;

/// How a word fits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Alignment {
    pub(super) score: i32,
    /// Characters of the text that fit, in order.
    pub(super) places: Vec<u32>,
}

/// Letters that are looked for.
#[derive(Clone, Debug)]
pub(super) struct Word {
    letters: Vec<char>,
    /// Their case counts.
    cased: bool,
}

impl Word {
    /// Takes bare letters. Case counts if one of them is a capital.
    pub(super) fn new(letters: Vec<char>) -> Self {
        let cased = letters.iter().any(|letter| letter.is_uppercase());
        let letters = if cased {
            letters
        } else {
            letters.into_iter().map(super::letters::small).collect()
        };
        Self { letters, cased }
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn fits(&self, n: usize, letter: &Letter) -> bool {
        let here = if self.cased {
            letter.written
        } else {
            letter.small
        };
        self.letters[n] == here
    }

    /// The best alignment; a word has at least one letter and at most [`LONGEST`].
    ///
    /// Works row by row, one for each letter of the word: `row[j]` is the best score of all
    /// alignments that end with this letter at `j`. Two bits for each letter and place tell how it
    /// got there, so memory grows with the text only.
    pub(super) fn align(&self, text: &[Letter]) -> Option<Alignment> {
        let windows = self.windows(text)?;
        let (mut above, mut row) = (vec![NEVER; text.len()], vec![NEVER; text.len()]);
        let mut ways = vec![Way::default(); text.len()];
        let mut start = windows.first()?.0;
        for (n, (first, last)) in windows.iter().copied().enumerate() {
            let bit = 1 << n;
            let mut gap = NEVER;
            row.fill(NEVER);
            for j in start..=last {
                let opened = j.checked_sub(2).map_or(NEVER, |from| above[from] + GAP);
                gap += GAP_MORE;
                if opened > gap {
                    gap = opened;
                    ways[j].opened |= bit;
                }
                if j < first || !self.fits(n, &text[j]) {
                    continue;
                }
                row[j] = MATCH + gain(&text[j], n, self.len());
                if n > 0 {
                    let together = above[j - 1] + joined(&text[j]);
                    row[j] += together.max(gap);
                    if together >= gap {
                        ways[j].joined |= bit;
                    }
                }
            }
            start = first + 1;
            std::mem::swap(&mut above, &mut row);
        }
        let (first, last) = *windows.last()?;
        let end = (first..=last).rev().max_by_key(|j| above[*j])?;
        Some(Alignment {
            score: above[end],
            places: self.places(text, &ways, end)?,
        })
    }

    /// The first and the last place that each letter can have.
    fn windows(&self, text: &[Letter]) -> Option<Vec<(usize, usize)>> {
        let mut rest = text.iter();
        if !(0..self.len()).all(|n| rest.any(|letter| self.fits(n, letter))) {
            return None;
        }
        let mut windows = Vec::with_capacity(self.len());
        let mut from = 0;
        for n in 0..self.len() {
            let first = from
                + text[from..]
                    .iter()
                    .position(|letter| self.fits(n, letter))?;
            windows.push((first, first));
            from = first + 1;
        }
        let mut to = text.len();
        for (n, window) in windows.iter_mut().enumerate().rev() {
            window.1 = text[..to].iter().rposition(|letter| self.fits(n, letter))?;
            to = window.1;
        }
        Some(windows)
    }

    /// The way back from where the last letter stands.
    fn places(&self, text: &[Letter], ways: &[Way], end: usize) -> Option<Vec<u32>> {
        let mut places = vec![text[end].at; self.len()];
        let mut j = end;
        for n in (1..self.len()).rev() {
            let bit = 1 << n;
            j = if ways[j].joined & bit == 0 {
                let opened = ways[..=j].iter().rposition(|way| way.opened & bit != 0)?;
                opened.checked_sub(2)?
            } else {
                j.checked_sub(1)?
            };
            places[n - 1] = text[j].at;
        }
        Some(places)
    }
}

/// How the letters of the word get to a place, a bit for each.
#[derive(Clone, Copy, Default)]
struct Way {
    /// The one before it stands right before.
    joined: u64,
    /// The best gap up to here leaves out one letter only; otherwise it is that of the place
    /// before, and one letter more.
    opened: u64,
}

/// What a letter gains besides, if the one before it fits as well.
pub(super) fn joined(letter: &Letter) -> i32 {
    (TOGETHER - i32::from(letter.place)).max(0)
}

/// What the `n`th of so many letters gains by its place.
pub(super) fn gain(letter: &Letter, n: usize, of: usize) -> i32 {
    let first = if n == 0 {
        (FIRST - 1) * i32::from(letter.place) + i32::from(letter.field)
    } else {
        0
    };
    let whole = if n + 1 == of && letter.closes {
        WHOLE
    } else {
        0
    };
    i32::from(letter.place) + first + whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::letters::bare;
    use super::super::searched::tests::searched;
    use super::*;

    fn word(text: &str) -> Word {
        Word::new(text.chars().flat_map(bare).collect())
    }

    /// What a way to fit a word is worth, by the rules alone.
    fn worth(text: &[Letter], way: &[usize]) -> i32 {
        let mut sum = 0;
        for (n, j) in way.iter().copied().enumerate() {
            sum += MATCH + gain(&text[j], n, way.len());
            let Some(before) = n.checked_sub(1).map(|n| way[n]) else {
                continue;
            };
            let between = i32::try_from(j - before - 1).unwrap();
            sum += match between {
                0 => joined(&text[j]),
                more => GAP + (more - 1) * GAP_MORE,
            };
        }
        sum
    }

    /// The best of all ways, tried one by one.
    fn best(word: &Word, text: &[Letter], way: &mut Vec<usize>) -> Option<i32> {
        if way.len() == word.len() {
            return Some(worth(text, way));
        }
        let from = way.last().map_or(0, |last| last + 1);
        let mut found = None;
        for j in from..text.len() {
            if word.fits(way.len(), &text[j]) {
                way.push(j);
                found = found.max(best(word, text, way));
                way.pop();
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

        #[test]
        fn no_other_way_to_fit_is_better(
            title in "[abAB1\u{e9}\u{df}/ -]{0,14}",
            directory in "/[ab/-]{0,6}",
            letters in "[abAB1e-]{1,5}",
        ) {
            let (text, word) = (searched(&title, &directory), word(&letters));
            let found = word.align(text.letters());
            let want = best(&word, text.letters(), &mut Vec::new());
            prop_assert_eq!(found.as_ref().map(|found| found.score), want);
            if let Some(Alignment { score, places }) = found {
                let at = |place: &u32| text.letters().iter().position(|l| l.at == *place);
                let way: Vec<usize> = places.iter().filter_map(at).collect();
                prop_assert_eq!(way.len(), word.len());
                prop_assert!((0..).zip(&way).all(|(n, j)| word.fits(n, &text.letters()[*j])));
                prop_assert_eq!(worth(text.letters(), &way), score, "what is marked is what scored");
            }
        }
    }

    #[test]
    fn the_longest_word_fits_as_any_other() {
        let text = searched(&"a-".repeat(LONGEST), "");
        let found = word(&"a".repeat(LONGEST)).align(text.letters()).unwrap();
        assert!(found.places.iter().copied().eq((0..64).map(|n| 2 * n)));
    }
}
