//! Where in a file: the forms in which editors, compilers and web pages name lines. Pure.

/// A file, and lines of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spot<'t> {
    /// The path, as it was given.
    pub path: &'t [u8],
    /// Its first and last line, from 1; nothing for the whole file.
    pub lines: Option<(u32, u32)>,
}

/// All that `text` may mean, the longest path first: a path may have colons and numbers in it, so
/// that only what exists can tell.
///
/// Known: `FILE`, `FILE:3`, `FILE:3-9`, `FILE:3,9`, `FILE:3:7` (a column), `FILE:3:`, `FILE#L3`,
/// `FILE#L3-L9`, `FILE#L3C4-L9C1`, and `FILE(3)`, `FILE(3,7)` (a column) of compilers.
#[must_use]
pub fn readings(text: &[u8]) -> Vec<Spot<'_>> {
    let whole = Spot {
        path: text,
        lines: None,
    };
    let mut found = vec![whole];
    for (at, byte) in text.iter().enumerate().rev() {
        let (path, rest) = (&text[..at], &text[at + 1..]);
        let lines = match byte {
            b':' => colon(rest),
            b'#' => range(rest),
            b'(' => rest.strip_suffix(b")").and_then(bracket),
            _ => None,
        };
        if let Some(lines) = lines.filter(|_| at > 0) {
            found.push(Spot {
                path,
                lines: Some(lines),
            });
        }
    }
    found
}

/// `3`, `3-9`, `3,9`; or `3:7`, where the second is a column.
fn colon(rest: &[u8]) -> Option<(u32, u32)> {
    let rest = rest.strip_suffix(b":").unwrap_or(rest);
    let mut parts = rest.splitn(2, |byte| *byte == b':');
    let lines = range(parts.next()?)?;
    parts.next().is_none_or(is_column).then_some(lines)
}

/// `3` or `3,7`, where the second is a column.
fn bracket(rest: &[u8]) -> Option<(u32, u32)> {
    let mut parts = rest.splitn(2, |byte| *byte == b',');
    let line = number(parts.next()?)?;
    parts.next().is_none_or(is_column).then_some((line, line))
}

fn is_column(part: &[u8]) -> bool {
    let numbers = part.split(|byte| matches!(byte, b':' | b'-'));
    let plain = |number: &[u8]| !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    numbers.into_iter().all(plain)
}

fn range(text: &[u8]) -> Option<(u32, u32)> {
    let mut ends = text.splitn(2, |byte| matches!(byte, b'-' | b','));
    let first = number(ends.next()?)?;
    let last = ends.next().map_or(Some(first), number)?;
    Some((first.min(last), first.max(last)))
}

/// `3`, `L3` or `L3C7`.
fn number(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"L").unwrap_or(text);
    let digits = match digits.iter().position(|byte| *byte == b'C') {
        Some(at) if at > 0 && is_column(&digits[at + 1..]) => &digits[..at],
        Some(_) => return None,
        None => digits,
    };
    let plain = digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let words = |spot: Spot| {
            let path = String::from_utf8_lossy(spot.path).into_owned();
            let lines = spot.lines.map(|(from, to)| format!(" {from}-{to}"));
            path + &lines.unwrap_or_default()
        };
        readings(text.as_bytes()).into_iter().map(words).collect()
    }

    #[test]
    fn lines_are_named_as_editors_name_them() {
        for (text, wanted) in [
            ("a.rs:3", "a.rs 3-3"),
            ("a.rs:3-9", "a.rs 3-9"),
            ("a.rs:9-3", "a.rs 3-9"),
            ("a.rs:3,9", "a.rs 3-9"),
            ("a.rs:3:", "a.rs 3-3"),
            ("a.rs:L3", "a.rs 3-3"),
            ("a.rs#L3", "a.rs 3-3"),
            ("a.rs#3", "a.rs 3-3"),
            ("a.rs#L3-L9", "a.rs 3-9"),
            ("a.rs#L3C4-L9C1", "a.rs 3-9"),
            ("a.rs(3)", "a.rs 3-3"),
            ("a.rs(3,7)", "a.rs 3-3"),
        ] {
            assert_eq!(read(text), [text, wanted], "{text}");
        }
    }

    #[test]
    fn what_may_be_a_path_is_left_to_the_one_who_looks() {
        let column = ["a.rs:3:7", "a.rs:3 7-7", "a.rs 3-3"];
        assert_eq!(read("a.rs:3:7"), column);
        assert_eq!(read("a:1:b:2"), ["a:1:b:2", "a:1:b 2-2"]);
        assert_eq!(read("C#:4"), ["C#:4", "C# 4-4"]);
        for plain in [
            "main",
            "",
            ":3",
            "#L3",
            "a.rs:",
            "a.rs:x",
            "a:-3",
            "a:3-",
            "HEAD~3",
            "a:+3",
            "a.rs:99999999999",
            "a.rs#L3C",
            "a.rs#LC3",
            "a.rs:3:x",
            "a.rs(3",
        ] {
            assert_eq!(read(plain), [plain], "{plain}");
        }
    }
}
