//! The page of "New session…". Pure. The script shows it by itself: the daemon has no part in it.

use super::keys::Keys;
use super::{Page, QUIET};
use crate::core::text::push_pango;
use crate::frontend::projects::{Chosen, Line};

/// `ROFI_RETV` of the key that leads here.
const KEY: u32 = 15;
/// Which of the keys that is.
pub(super) const CUSTOM: usize = 6;

/// `info` of a row that does the same.
pub(super) const INFO: &str = "new";

/// What a call asks of the page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// To be shown.
    Page,
    /// What was chosen on it.
    Chosen(Chosen),
    /// What was typed on it: the list takes no typed text.
    Typed,
    /// To go back to the list.
    Back,
}

/// What a call has to do with the page; nothing if `None`.
#[must_use]
pub fn asked(retv: u32, info: Option<&str>) -> Option<Asked> {
    let chosen = info.and_then(Chosen::of);
    match (retv, chosen) {
        (1, Some(chosen)) => Some(Asked::Chosen(chosen)),
        (2, _) => Some(Asked::Typed),
        (1, None) if info == Some(INFO) => Some(Asked::Page),
        (KEY, None) => Some(Asked::Page),
        (3 | 10.., Some(_)) => Some(Asked::Back),
        _ => None,
    }
}

/// The page, with a word on what went wrong before.
#[must_use]
pub fn page(lines: &[Line], word: Option<&str>, keys: Option<&Keys>) -> Vec<u8> {
    let mut text = String::new();
    if let Some(word) = word {
        text.push_str("<b>");
        push_pango(&mut text, word);
        text.push_str("</b>&#10;");
    }
    text.push_str("New session: choose where, or what goes on. A directory can be typed.");
    // Without a row rofi passes no key on.
    let keys = keys.filter(|_| !lines.is_empty());
    if let Some(key) = keys.and_then(|keys| keys.get(CUSTOM)) {
        text.push_str(&format!("&#10;{QUIET}<b>"));
        push_pango(&mut text, key);
        text.push_str("</b> back to the sessions</span>");
    }
    let mut page = Page::new(&text, &[], &[]);
    page.header("prompt", "new");
    page.header("no-custom", "false");
    for line in lines {
        let info = line.chosen.words();
        page.row(&line.text, &[("info", &info), ("meta", &line.keywords)]);
    }
    page.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_pages_or_the_lists() {
        let dir = || Chosen::Begin("/srv/shop".into());
        for (retv, info, want) in [
            (0, None, None),
            (15, Some("12-34"), Some(Asked::Page)),
            (15, None, Some(Asked::Page)),
            (15, Some("new:/srv/shop"), Some(Asked::Back)),
            (10, Some("past:a"), Some(Asked::Back)),
            (3, Some("past:a"), Some(Asked::Back)),
            (1, Some("new:/srv/shop"), Some(Asked::Chosen(dir()))),
            (1, Some("12-34"), None),
            (1, Some("all"), None),
            (1, Some("new"), Some(Asked::Page)),
            (1, None, None),
            (2, None, Some(Asked::Typed)),
            (14, Some("12-34"), None),
        ] {
            assert_eq!(asked(retv, info), want, "{retv} {info:?}");
        }
    }

    #[test]
    fn the_page_takes_typed_text_and_no_markup_but_its_own() {
        let line = Line {
            text: "/srv/<b>R&D</b>".into(),
            keywords: "shop".into(),
            chosen: Chosen::Begin("/srv/<b>R&D</b>".into()),
        };
        let keys = Keys::of(&["", "", "", "", "", "<F6>"].map(String::from));
        let page = page(&[line], Some("no <i>"), Some(&keys));
        let page = String::from_utf8(page).unwrap();
        let page = page.replace(['\0', '\u{1f}'], "|");
        let wanted = "|message|<b>no &lt;i&gt;</b>&#10;New session: choose where, or what goes on. A \
             directory can be typed.&#10;<span alpha=\"65%\"><b>&lt;F6&gt;</b> back to the sessions</span>\n";
        assert!(page.contains(wanted), "{page}");
        let end =
            "|prompt|new\n|no-custom|false\n/srv/<b>R&D</b>|info|new:/srv/<b>R&D</b>|meta|shop\n";
        assert!(page.ends_with(end), "{page}");
        assert!(page.contains("|markup-rows|false\n"), "{page}");
    }
}
