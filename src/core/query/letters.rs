//! Letters in the forms that are compared. Pure.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A text without the marks of its letters, each of which is decomposed: what a query and what it
/// is matched with are brought to.
///
/// **Source:** `--normalize` of skim 5.9.0, `engine/util.rs`, which goes letter by letter.
pub(super) fn bare(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let letters = text.chars().flat_map(|c| std::iter::once(c).nfd());
    letters.filter(|c| !is_combining_mark(*c)).collect()
}

/// A name in the form in which it equals all that are the same but for case, width and how its
/// marks are written. The marks themselves count: `cafe` and `caf\u{e9}` are two names.
pub(super) fn folded(name: &str) -> String {
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
    fn marks_are_taken_off_their_letters() {
        assert_eq!(bare("Caf\u{e9} cafe\u{301} \u{30ac}"), "Cafe cafe \u{30ab}");
        assert_eq!(bare("plain"), "plain");
    }
}
