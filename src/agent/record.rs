//! JSON as it is found on people's machines: one odd field costs that field, one broken record
//! that record. Pure.
//!
//! Whole records are read by the typed readers next door; what follows is for what they refuse.
//!
//! **Source:** transcripts posted by users hold halves of surrogate pairs (claude-code#68325,
//! #69927: JavaScript writes and reads them), null in any field, records filled with NULs, two
//! records on one line, and the start of a record before a whole one.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

/// Bytes that are looked at to find the records of one broken line. A line is read whole up to
/// 192 KiB; one that needs more looks than this is given up.
const EFFORT: usize = 4 << 20;

/// Replaces what JSON does not allow, and JavaScript writes: half of a surrogate pair becomes
/// U+FFFD; control bytes, a byte order mark and what is no UTF-8 become white space or U+FFFD.
#[must_use]
pub(super) fn mend(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let odd = |c: char| c.is_ascii_control() || c == '\u{feff}';
    let text = if text.contains(odd) {
        Cow::Owned(text.replace(odd, " "))
    } else {
        text
    };
    match mend_pairs(&text) {
        Some(mended) => Cow::Owned(mended),
        None => text,
    }
}

/// The text with halves of surrogate pairs replaced; nothing if there are none.
fn mend_pairs(text: &str) -> Option<String> {
    let mut mended = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        let escape = at + found;
        match unit(text, escape) {
            // Any other escape: what follows the backslash is no escape of its own.
            None => at = escape + 2,
            Some(0xd800..0xdc00) if matches!(unit(text, escape + 6), Some(0xdc00..0xe000)) => {
                at = escape + 12;
            }
            Some(0xd800..0xe000) => {
                mended.push_str(&text[copied..escape]);
                mended.push_str("\\ufffd");
                at = escape + 6;
                copied = at;
            }
            Some(_) => at = escape + 6,
        }
        if at >= text.len() {
            break;
        }
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(&text[copied..]);
    Some(mended)
}

/// The UTF-16 unit of an escape `\uXXXX` that stands there.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits
        .iter()
        .try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
        .and_then(|unit| u16::try_from(unit).ok())
}

/// A text, without its escapes, that begins there; it may go on where `raw` ends.
pub(super) fn beginning(raw: &str) -> String {
    let quoted = format!("\"{}", mend(raw.as_bytes()));
    let mut whole = serde_json::Deserializer::from_str(&quoted).into_iter();
    if let Some(Ok(text)) = whole.next() {
        return text;
    }
    // An escape that is cut has at most twelve characters, for a pair.
    let cuts = (0..=12).filter_map(|n| quoted.get(..quoted.len().checked_sub(n)?));
    let mut texts = cuts.filter_map(|part| serde_json::from_str(&format!("{part}\"")).ok());
    texts.next().unwrap_or_default()
}

/// Hands over the fields of each whole record in a line: one, if nothing is broken.
pub(super) fn each_record(bytes: &[u8], mut take: impl FnMut(&Fields<'_>)) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(fields) = Fields::parse(text)
    {
        return take(&fields);
    }
    let text = mend(bytes);
    let whole = records(&text).into_iter();
    let fields = whole.filter_map(|raw| Fields::parse(raw.get()).ok());
    fields.for_each(|fields| take(&fields));
}

/// The whole records in a line: objects that nothing but another object, or the end, follows.
/// What stands before and between them was never finished.
pub(super) fn records(text: &str) -> Vec<&RawValue> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut effort = 0;
    while let Some(start) = memchr::memmem::find(&text.as_bytes()[at..], b"{\"") {
        let start = at + start;
        let rest = &text[start..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(value)) => {
                at = start + values.byte_offset();
                effort += value.get().len();
                let after = text[at..].trim_start();
                if after.is_empty() || after.starts_with('{') {
                    found.push(value);
                }
            }
            Some(Err(error)) => {
                effort += error.column();
                at = start + 1;
            }
            None => break,
        }
        if effort > EFFORT {
            break;
        }
    }
    found
}

/// The fields of an object, each read on its own.
#[derive(Clone, Default)]
pub(super) struct Fields<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// Those of JSON, if it is none.
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self)
    }

    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// An object in it; one without fields where there is none.
    pub(super) fn object(&self, name: &str) -> Fields<'a> {
        let raw = self.raw(name).map(RawValue::get);
        raw.and_then(|raw| Fields::parse(raw).ok())
            .unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let raw = self.raw(name)?.get();
        let mended = || serde_json::from_str(&mend_pairs(raw)?).ok();
        serde_json::from_str(raw).ok().or_else(mended)
    }

    /// The same; empty for anything else than a text.
    pub(super) fn word(&self, name: &str) -> Cow<'a, str> {
        Cow::Owned(self.text(name).unwrap_or_default())
    }

    /// A whole number, also one written as a string.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let raw = self.raw(name)?.get();
        serde_json::from_str(raw)
            .ok()
            .or_else(|| self.text(name)?.parse().ok())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.get() == "true")
    }

    /// The elements of a list; none for anything else.
    pub(super) fn list(&self, name: &str) -> Vec<&'a RawValue> {
        let list = self.raw(name).map(|raw| serde_json::from_str(raw.get()));
        list.and_then(Result::ok).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_pairs_kept() {
        for (raw, want) in [
            (r#""a \ud83c b""#, "a \u{fffd} b"),
            (r#""\udf00""#, "\u{fffd}"),
            (r#""\ud83c\ud83c\udf00""#, "\u{fffd}\u{1f300}"),
            (r#""\ud83c\udf00\ud83c""#, "\u{1f300}\u{fffd}"),
            (r#""\\ud83c \\\ud83c""#, "\\ud83c \\\u{fffd}"),
            (r#""\uD83C\n""#, "\u{fffd}\n"),
            (r#""é\ud83cé""#, "é\u{fffd}é"),
        ] {
            let read: String = serde_json::from_str(&mend(raw.as_bytes())).unwrap();
            assert_eq!(read, want, "{raw}");
        }
        for whole in ["", "\\", "\\u", "\\ud8", r#""\ud83c\udf00 \\""#, "\\\\\\"] {
            assert!(
                matches!(mend(whole.as_bytes()), Cow::Borrowed(_)),
                "{whole}"
            );
        }
    }

    #[test]
    fn the_beginning_of_a_text_is_read_as_far_as_it_goes() {
        let text = r#"a\\b \u00e9 \ud83c\udf00\n"}, "x"#;
        let whole = "a\\b é \u{1f300}\n";
        assert_eq!(beginning(text), whole);
        for cut in 0..text.find('"').unwrap() {
            let read = beginning(&text[..cut]);
            let read = read.trim_end_matches('\u{fffd}');
            assert!(whole.starts_with(read), "{read:?}");
            assert!(cut < 8 || read.starts_with("a\\b "), "{read:?}");
        }
    }

    #[test]
    fn bytes_that_no_text_has_cost_only_themselves() {
        let text = mend(b"\xef\xbb\xbf\0\0{\"a\":\"x\xff\x01y\"}\0\r");
        assert_eq!(Fields::parse(text.trim()).unwrap().word("a"), "x\u{fffd} y");
    }

    #[test]
    fn whole_records_are_found_beside_broken_ones() {
        let found = |text: &str| -> Vec<String> {
            records(text)
                .iter()
                .map(|raw| raw.get().to_owned())
                .collect()
        };
        let (one, two) = (r#"{"n":{"a":[{"b":1}]}}"#, r#"{"m":"{\"x\":1}"}"#);
        assert_eq!(found(&format!("{one}{two}")), [one, two]);
        assert_eq!(found(&format!("{one}   {two} ")), [one, two]);
        for cut in 1..two.len() {
            let torn = &two[..cut];
            assert_eq!(found(&format!("{torn}{one}")), [one], "before {torn}");
            assert_eq!(found(&format!("{one}{torn}")), [one], "after {torn}");
        }
        assert_eq!(found(r#"[{"a":1},{"b":2}]"#), [""; 0]);
    }

    #[test]
    fn a_line_made_to_be_looked_at_for_ever_is_given_up() {
        assert!(records(&r#"{"a":["#.repeat(40_000)).is_empty());
    }

    #[test]
    fn each_field_is_read_on_its_own() {
        let text = r#"{"a":null,"b":7,"c":"7","d":["x",{}],"e":true,"a2":"y","a2":"z"}"#;
        let fields = Fields::parse(text).unwrap();
        assert_eq!((fields.text("a"), fields.text("b")), (None, None));
        assert_eq!((fields.number("b"), fields.number("c")), (Some(7), Some(7)));
        assert_eq!((fields.list("d").len(), fields.list("b").len()), (2, 0));
        assert!(fields.flag("e") && !fields.flag("a"));
        assert_eq!(fields.word("a2"), "z", "as JavaScript reads it");
    }
}
