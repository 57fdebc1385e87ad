//! A session as a query sees it: letters, and what a match gains at each. Pure.

use super::letters::{bare, small};
use super::{Field, search_fields};
use crate::core::model::Session;
use crate::core::text::CleanText;

/// The first letter of the title, by which most people call a session.
const START: u8 = 10;
/// The first letter of a word.
const WORD: u8 = 8;
/// A capital after a small letter, a digit after a letter, or a letter after a digit.
const HUMP: u8 = 6;

/// What a query is matched against: what a row shows, and what a person may remember. A field is a
/// line of bounded length.
#[derive(Debug)]
pub struct Searched {
    text: String,
    letters: Vec<Letter>,
}

/// A letter that a letter of a query may fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    /// As it is written, without its marks.
    pub(super) written: char,
    /// The same whatever its case.
    pub(super) small: char,
    /// Which character of the text it is of.
    pub(super) at: u32,
    /// What its place is worth: the beginning of a word, for one.
    pub(super) place: u8,
    /// What it is worth that a match begins in its field.
    pub(super) field: u8,
    /// It is the first of its field.
    pub(super) starts: bool,
    /// It is the last of its field.
    pub(super) ends: bool,
    /// It is the last of a word.
    pub(super) closes: bool,
}

impl Searched {
    /// Makes a session ready to be searched.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        Self::over(&search_fields(session))
    }

    /// Makes anything else that has such parts ready to be searched.
    #[must_use]
    pub fn over(fields: &[(Field, CleanText)]) -> Self {
        let size = fields.iter().map(|(_, text)| text.len() + 1).sum();
        let mut searched = Self {
            text: String::with_capacity(size),
            letters: Vec::with_capacity(size),
        };
        let mut at = 0;
        for (field, text) in fields {
            if !searched.text.is_empty() {
                searched.text.push(' ');
                at += 1;
            }
            searched.text.push_str(text);
            searched.push(*field, text, at);
            at += text.chars().count();
        }
        searched
    }

    fn push(&mut self, field: Field, text: &str, at: usize) {
        let from = self.letters.len();
        let worth = worth(field);
        let mut before = Kind::Nothing;
        let mut push = |written: char, at: u32| {
            let kind = Kind::of(written);
            if let Some(last) = self.letters.get_mut(from..).and_then(<[_]>::last_mut) {
                last.closes = before != Kind::Other && kind == Kind::Other;
            }
            let place = match before {
                Kind::Nothing if field == Field::Title => START,
                _ => place(before, kind),
            };
            self.letters.push(Letter {
                written,
                small: small(written),
                at,
                place,
                field: worth,
                starts: before == Kind::Nothing,
                ends: false,
                closes: false,
            });
            before = kind;
        };
        let first = u32::try_from(at).unwrap_or(u32::MAX);
        for (at, c) in (first..).zip(text.chars()) {
            if c.is_ascii() {
                push(c, at);
            } else {
                bare(c).for_each(|letter| push(letter, at));
            }
        }
        if let Some(last) = self.letters.get_mut(from..).and_then(<[_]>::last_mut) {
            (last.ends, last.closes) = (true, Kind::of(last.written) != Kind::Other);
        }
    }

    /// All of it in a line; places of a match are characters of this.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn letters(&self) -> &[Letter] {
        &self.letters
    }
}

/// What tells words apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There is no letter: a field starts.
    Nothing,
    Small,
    Capital,
    Digit,
    /// Of no word.
    Other,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            'a'..='z' => Self::Small,
            'A'..='Z' => Self::Capital,
            '0'..='9' => Self::Digit,
            c if c.is_ascii() || !c.is_alphanumeric() => Self::Other,
            c if c.is_uppercase() => Self::Capital,
            c if c.is_numeric() => Self::Digit,
            _ => Self::Small,
        }
    }
}

/// What a letter after another is worth by its place.
fn place(before: Kind, here: Kind) -> u8 {
    match (before, here) {
        (_, Kind::Nothing | Kind::Other) => 0,
        (Kind::Nothing | Kind::Other, _) => WORD,
        (Kind::Small, Kind::Capital) => HUMP,
        (Kind::Digit, _) | (_, Kind::Digit) if before != here => HUMP,
        _ => 0,
    }
}

/// What it is worth that a match begins in this field. The title is worth most, then what else
/// names this session; its state and its directory it shares with others.
fn worth(field: Field) -> u8 {
    match field {
        Field::Title => 4,
        Field::Branch | Field::Name | Field::Workspace | Field::Target => 2,
        Field::State | Field::Directory | Field::Agent => 0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A text that is a title, and the directory that may come with it.
    pub(in crate::core::query) fn searched(title: &str, directory: &str) -> Searched {
        let fields = [(Field::Title, title), (Field::Directory, directory)];
        let fields = fields.map(|(field, text)| (field, CleanText::line(text)));
        let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
        Searched::over(&fields.collect::<Vec<_>>())
    }

    #[test]
    fn places_are_told_by_the_letters_around() {
        let searched = searched("my-apiServer2 \u{fc}ben", "/ab");
        let worth: Vec<u8> = searched.letters.iter().map(|letter| letter.place).collect();
        let want = [
            10, 0, 0, 8, 0, 0, 6, 0, 0, 0, 0, 0, 6, 0, 8, 0, 0, 0, 0, 8, 0,
        ];
        assert_eq!(worth, want);
        let marked = |is: fn(&Letter) -> bool| {
            let letters = searched.letters.iter().filter(|letter| is(letter));
            letters.map(|letter| letter.at).collect::<Vec<_>>()
        };
        assert_eq!(marked(|letter| letter.starts), [0, 19]);
        assert_eq!(marked(|letter| letter.ends), [17, 21]);
        assert_eq!(marked(|letter| letter.closes), [1, 12, 17, 21]);
    }

    #[test]
    fn places_count_characters_to_the_end_of_the_longest_field() {
        let places = |title: &str| {
            let searched = searched(title, "/y");
            let letters = searched.letters.iter().map(|letter| letter.at);
            letters.collect::<Vec<_>>()
        };
        assert_eq!(places("e\u{301}\u{fb01}x"), [0, 2, 2, 3, 5, 6]);
        let long = places(&"e".repeat(512));
        assert_eq!((long.len(), long[511], long[512]), (512 + 2, 511, 513));
    }
}
