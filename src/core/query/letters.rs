//! Letters in the forms that are compared. Pure.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The letters of a character as they are compared: without accents, and in the usual width. Most
/// characters are one letter; an accent by itself is none, a ligature or a Hangul syllable is
/// several.
pub(super) fn bare(c: char) -> impl Iterator<Item = char> {
    let letters = std::iter::once(c).nfkd();
    letters.filter(|c| !is_combining_mark(*c))
}

/// The letter in lower case. One letter never becomes two: `\u{df}` is not `ss` here.
pub(super) fn small(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    // By way of the capital, so that both small sigmas are one.
    let capital = only(c.to_uppercase()).unwrap_or(c);
    only(capital.to_lowercase()).unwrap_or(capital)
}

fn only(mut chars: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if chars.len() == 1 { chars.next() } else { None }
}

/// A name in the form in which it equals all that are the same but for case, width and how its
/// marks are written. The marks themselves count: `cafe` and `caf\u{e9}` are two names.
pub(super) fn folded(name: &str) -> String {
    // Most names are such, and a shell compares each with each.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // By way of the capitals, so that both small sigmas are one, and `\u{df}` is `ss`.
    let capitals = name
        .nfkd()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_but_for_case_width_and_form() {
        for same in [
            ["Caf\u{e9}", "cafe\u{301}", "CAF\u{c9}"],
            [
                "\u{3c3}\u{3af}\u{3c3}\u{3c5}\u{3c2}",
                "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a3}",
                "\u{3c3}\u{3b9}\u{301}\u{3c3}\u{3c5}\u{3c3}",
            ],
            ["shop", "\u{ff53}\u{ff48}\u{ff4f}\u{ff50}", "SHOP"],
            ["stra\u{df}e", "STRASSE", "Stra\u{1e9e}e"],
            ["\u{30ac}", "\u{30ab}\u{3099}", "\u{ff76}\u{ff9e}"],
            ["a\u{323}\u{302}", "\u{1ead}", "a\u{302}\u{323}"],
        ] {
            let forms = same.map(folded);
            assert!(
                forms.iter().all(|form| *form == forms[0]),
                "{same:?} {forms:?}"
            );
        }
        assert_ne!(folded("cafe"), folded("caf\u{e9}"));
    }

    #[test]
    fn letters_lose_their_marks_and_their_width() {
        let all = |text: &str| text.chars().flat_map(bare).collect::<String>();
        assert_eq!(all("Caf\u{e9} cafe\u{301} \u{30ac}"), "Cafe cafe \u{30ab}");
        assert_eq!(all("\u{ff33}hop \u{fb01}x"), "Shop fix");
        assert_eq!(all("\u{301}\u{3099}"), "");
    }

    #[test]
    fn case_is_folded_letter_by_letter() {
        for (c, want) in [
            ('A', 'a'),
            ('-', '-'),
            ('\u{dc}', '\u{fc}'),
            ('\u{3a3}', '\u{3c3}'),
            ('\u{3c2}', '\u{3c3}'),
            ('\u{df}', '\u{df}'),
            ('\u{65e5}', '\u{65e5}'),
        ] {
            assert_eq!(small(c), want);
        }
        assert!(('\0'..=char::MAX).all(|c| small(small(c)) == small(c)));
    }
}
