//! Displayable text: the only way from a session's bytes to a terminal, rofi or a log.
//!
//! Pure. Everything a session wrote is hostile: escape sequences, bidi overrides, NULs and
//! Pango markup are taken out or escaped here, and nowhere else.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Longest text kept of one line a session wrote, in bytes. Rows show at most 200 columns;
/// more only costs memory per session.
const LINE_BYTES: usize = 512;

/// A text without control characters, escape sequences, bidi overrides or invisible marks.
///
/// Holds no line break unless it was made by [`CleanText::block`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CleanText(Arc<str>);

impl CleanText {
    /// Cleans `raw` into one line of at most 512 bytes; runs of white space become one space.
    #[must_use]
    pub fn line(raw: &str) -> Self {
        let mut out = String::with_capacity(raw.len().min(LINE_BYTES));
        let mut gap = false;
        for c in visible(raw) {
            if c.is_whitespace() {
                gap = !out.is_empty();
                continue;
            }
            if out.len() + c.len_utf8() + usize::from(gap) > LINE_BYTES {
                break;
            }
            if std::mem::take(&mut gap) {
                out.push(' ');
            }
            out.push(c);
        }
        Self(out.into())
    }

    /// Cleans `raw`, keeping its line breaks and indentation, up to `max_bytes`; tabs become
    /// four spaces.
    #[must_use]
    pub fn block(raw: &str, max_bytes: usize) -> Self {
        let mut out = String::with_capacity(raw.len().min(max_bytes));
        for c in visible(raw) {
            if out.len() + 4 > max_bytes {
                out.push('…');
                break;
            }
            match c {
                '\n' | '\u{2028}' | '\u{2029}' => out.push('\n'),
                '\t' => out.push_str("    "),
                '\r' => {}
                c if c.is_whitespace() => out.push(' '),
                c => out.push(c),
            }
        }
        Self(out.trim_end().into())
    }

    /// The clean text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same in composed form (NFC): as keyboards type accented letters, and as menus look for
    /// them.
    #[must_use]
    pub fn composed(&self) -> Self {
        if is_nfc_quick(self.chars()) == IsNormalized::Yes {
            return self.clone();
        }
        Self(self.nfc().collect::<String>().into())
    }

    /// Whether nothing is left to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This text, or nothing if it is empty.
    #[must_use]
    pub fn some(self) -> Option<Self> {
        if self.is_empty() { None } else { Some(self) }
    }
}

impl fmt::Display for CleanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for CleanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::ops::Deref for CleanText {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for CleanText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What comes over a socket is cleaned again: the other side is not trusted either.
impl<'de> Deserialize<'de> for CleanText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(if raw.contains('\n') {
            Self::block(&raw, 64 * 1024)
        } else {
            Self::line(&raw)
        })
    }
}

/// Reads a text that keeps its line breaks and its length, for `deserialize_with`: one line of it
/// may be as long as the whole.
///
/// # Errors
/// If it is no text.
pub fn deserialize_block<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<CleanText, D::Error> {
    let raw = Cow::<'de, str>::deserialize(deserializer)?;
    Ok(CleanText::block(&raw, 64 * 1024))
}

/// `raw` with everything that [`CleanText`] would remove spelled out, so that a reader sees what
/// another program would get: `\u{1b}` for an escape, and so on. Line breaks and tabs stay.
#[must_use]
pub fn spelled_out(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The characters of `raw` that may be shown, white space included.
fn visible(raw: &str) -> impl Iterator<Item = char> + '_ {
    let mut rest = raw.chars();
    std::iter::from_fn(move || {
        loop {
            let c = rest.next()?;
            match c {
                '\u{1b}' => skip_escape(&mut rest),
                // C1 introducers of CSI and of the string sequences (DCS, SOS, OSC, PM, APC).
                '\u{9b}' => skip_csi(&mut rest),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
                '\n' | '\t' | '\r' => return Some(c),
                c if c.is_control() || is_invisible(c) => {}
                c => return Some(c),
            }
        }
    })
}

/// Skips what follows ESC: a CSI, a string sequence, or a two-character escape (ECMA-48 §5.3).
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    let mut look = rest.clone();
    match look.next() {
        Some('[') => {
            *rest = look;
            skip_csi(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *rest = look;
            skip_string(rest);
        }
        // nF escapes: intermediates 0x20-0x2f, then one final byte.
        Some(' '..='/') => {
            *rest = look;
            for c in rest.by_ref() {
                if !(' '..='/').contains(&c) {
                    break;
                }
            }
        }
        Some('0'..='~') => *rest = look,
        _ => {}
    }
}

/// Skips parameters and the final byte 0x40-0x7e; stops before anything that cannot belong.
fn skip_csi(rest: &mut std::str::Chars<'_>) {
    loop {
        let mut look = rest.clone();
        match look.next() {
            Some(' '..='?') => *rest = look,
            Some('@'..='~') => {
                *rest = look;
                return;
            }
            _ => return,
        }
    }
}

/// Skips to BEL or ST. An unterminated string swallows at most 4096 characters of its line:
/// a terminal would swallow all, but a lost end must not hide the rest of a message.
fn skip_string(rest: &mut std::str::Chars<'_>) {
    for _ in 0..4096 {
        let mut look = rest.clone();
        match look.next() {
            None | Some('\n') => return,
            Some('\u{7}' | '\u{9c}') => {
                *rest = look;
                return;
            }
            Some('\u{1b}') => {
                if look.next() == Some('\\') {
                    *rest = look;
                }
                return;
            }
            Some(_) => *rest = look,
        }
    }
}

/// Characters that show nothing or reorder what others show: zero-width space, word joiner and
/// its kin, bidi marks, embeddings, overrides and isolates, BOM, interlinear marks, tags.
/// Joiners (U+200C, U+200D) stay: scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '\u{115f}' | '\u{1160}'
        | '\u{3164}' | '\u{ffa0}')
}

/// Width of `text` in terminal columns.
#[must_use]
pub fn width(text: &str) -> usize {
    // Clean text holds no controls, so that each ASCII character has one column.
    if text.is_ascii() {
        text.len()
    } else {
        text.width()
    }
}

/// `text` cut to at most `columns`, with `…` as its last column where something was cut.
#[must_use]
pub fn truncate(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    push_cut(&mut out, text, columns);
    Cow::Owned(out)
}

/// Appends [`truncate`]d `text` to `out`. Returns its width.
pub fn push_cut(out: &mut String, text: &str, columns: usize) -> usize {
    let whole = width(text);
    if whole <= columns {
        out.push_str(text);
        return whole;
    }
    let Some(room) = columns.checked_sub(1) else {
        return 0;
    };
    let (mut used, mut end) = (0, 0);
    if text.is_ascii() {
        (used, end) = (room, room);
    } else {
        for (at, c) in text.char_indices() {
            let w = c.width().unwrap_or(0);
            if used + w > room {
                break;
            }
            used += w;
            end = at + c.len_utf8();
        }
    }
    let start = out.len();
    out.push_str(&text[..end]);
    out.push('…');
    // Less than the sum where characters join to one: a family of three has two columns.
    if text.is_ascii() {
        used + 1
    } else {
        width(&out[start..])
    }
}

/// Where to break `text`, which has no line breaks, into lines of at most `columns`: between
/// words, or within one that is longer than a line. All but the first line are set in by `hang`,
/// which is what stands before the first one's words.
/// The space at a break belongs to neither line. An empty text is one line.
#[must_use]
pub fn wrap(text: &str, columns: usize, hang: usize) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let (mut start, mut room) = (0, columns);
    loop {
        let rest = &text[start..];
        let full = fitting(rest, room);
        if full == rest.len() {
            lines.push(start..text.len());
            return lines;
        }
        // A space right after the line counts, those that set it in do not.
        let mark = if start == 0 && hang > 0 {
            fitting(rest, hang)
        } else {
            0
        };
        let set_in = mark.max(rest.len() - rest.trim_start_matches(' ').len());
        let space = memchr::memrchr(b' ', &rest.as_bytes()[..=full]);
        let space = space.filter(|space| *space >= set_in);
        let (end, next) = space.map_or((full, full), |space| (space, space + 1));
        lines.push(start..start + end);
        start += next;
        room = columns.saturating_sub(hang);
    }
}

/// How many bytes of `text` fit into `columns`; its first character always does.
fn fitting(text: &str, columns: usize) -> usize {
    let mut used = 0;
    let mut chars = text.char_indices().skip_while(|(at, c)| {
        used += c.width().unwrap_or(0);
        used <= columns || *at == 0
    });
    chars.next().map_or(text.len(), |(at, _)| at)
}

/// Appends `text` to `out`, cut or padded with spaces to exactly `columns`.
pub fn push_column(out: &mut String, text: &str, columns: usize) {
    let used = push_cut(out, text, columns);
    out.extend(std::iter::repeat_n(" ", columns.saturating_sub(used)));
}

/// A duration in seconds in one unit, as people say it: `5s`, `3m`, `2h`, `4d`.
#[must_use]
pub fn age(seconds: i64) -> String {
    let mut out = String::new();
    push_age(&mut out, seconds);
    out
}

/// Appends [`age`] to `out`.
pub fn push_age(out: &mut String, seconds: i64) {
    // Writing to a String cannot fail.
    let _ = match seconds.max(0) {
        s @ 0..60 => write!(out, "{s}s"),
        s @ 60..3600 => write!(out, "{}m", s / 60),
        s @ 3600..86_400 => write!(out, "{}h", s / 3600),
        s => write!(out, "{}d", s / 86_400),
    };
}

/// Appends `text` to `out` with the characters that Pango markup gives a meaning escaped.
/// **Source:** Pango markup format, text attributes: XML entities.
pub fn push_pango(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c => out.push(c),
        }
    }
}

/// A word as a shell takes it.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_word_as_it_is() {
        for (word, want) in [
            ("/usr/bin/vmux", "/usr/bin/vmux"),
            ("", "''"),
            ("my work", "'my work'"),
            ("~", "'~'"),
            ("it's; rm -rf $HOME", r"'it'\''s; rm -rf $HOME'"),
        ] {
            assert_eq!(shell_word(word), want);
        }
    }

    #[test]
    fn a_line_keeps_words_and_loses_everything_a_terminal_obeys() {
        for (raw, want) in [
            ("plain", "plain"),
            ("two\n  lines\there", "two lines here"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{1b}Pq#0;2;0\u{1b}\\sixel", "sixel"),
            ("\u{1b}(Bcharset", "charset"),
            ("\u{9b}2Jc1", "c1"),
            ("nul\0 bell\u{7} del\u{7f}", "nul bell del"),
            ("gnp\u{202e}exe.txt", "gnpexe.txt"),
            ("a\u{200b}\u{2066}b\u{feff}", "ab"),
            ("\u{e0041}\u{e0042}tags", "tags"),
            ("lone \u{1b}", "lone"),
            ("cut \u{1b}[12", "cut"),
            ("  trimmed  ", "trimmed"),
            ("", ""),
        ] {
            assert_eq!(CleanText::line(raw).as_str(), want, "{raw:?}");
        }
    }

    #[test]
    fn an_unterminated_string_sequence_hides_its_line_only() {
        assert_eq!(
            CleanText::block("\u{1b}]0;never\nnext", 100).as_str(),
            "\nnext"
        );
    }

    #[test]
    fn a_line_is_bounded_and_cut_between_characters() {
        let long = CleanText::line(&"é".repeat(4000));
        assert_eq!(long.len(), LINE_BYTES);
    }

    #[test]
    fn a_block_keeps_lines_and_indentation() {
        assert_eq!(
            CleanText::block("fn a() {\n\tb\r\n}\n\n", 100).as_str(),
            "fn a() {\n    b\n}"
        );
        assert!(CleanText::block(&"x".repeat(100), 20).ends_with('…'));
    }

    #[test]
    fn columns_are_counted_in_terminal_cells() {
        assert_eq!(truncate("branch-name", 6), "branc…");
        assert_eq!(truncate("日本語", 5), "日本…");
        assert_eq!(truncate("日本語", 4), "日…");
        let mut out = String::new();
        push_column(&mut out, "日本語", 4);
        push_column(&mut out, "|", 1);
        assert_eq!(out, "日… |");
    }

    #[test]
    fn lines_break_between_words_and_fit() {
        for (text, columns, hang, want) in [
            ("", 5, 0, &[""][..]),
            ("short", 5, 0, &["short"]),
            ("one two three", 7, 0, &["one two", "three"]),
            ("one two three", 6, 0, &["one", "two", "three"]),
            ("- one two three", 6, 2, &["- one", "two", "thre", "e"]),
            ("longest word", 4, 0, &["long", "est", "word"]),
            ("    code here", 8, 0, &["    code", "here"]),
            ("    ", 2, 0, &["  ", "  "]),
            ("日本語", 4, 0, &["日本", "語"]),
            ("日本語", 1, 0, &["日", "本", "語"]),
            ("a bb", 1, 0, &["a", "b", "b"]),
            ("abc", 1, 9, &["a", "b", "c"]),
            ("> longest", 6, 2, &["> long", "est"]),
        ] {
            let lines = wrap(text, columns, hang).into_iter();
            let lines: Vec<&str> = lines.map(|line| &text[line]).collect();
            assert_eq!(lines, want, "{text:?} in {columns}");
        }
    }

    #[test]
    fn ages_use_one_unit() {
        for (seconds, want) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7199, "1h"),
            (90_000, "1d"),
        ] {
            assert_eq!(age(seconds), want);
        }
    }

    #[test]
    fn pango_sees_no_markup() {
        let mut out = String::new();
        push_pango(&mut out, "<b>&\"x\"\n");
        assert_eq!(out, "&lt;b&gt;&amp;&quot;x&quot;&#10;");
    }
}
