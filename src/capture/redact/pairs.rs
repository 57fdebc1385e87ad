//! Secrets whose name stands beside them without a sign between: `define('DB_PASSWORD', '…')`,
//! `name: DB_PASSWORD` above `value: …`, `<add key="ApiKey" value="…" />`; and what a client or a
//! login is made with: `Client("…")`. Pure.

use memchr::{memchr_iter, memmem};

use super::assign::{Kind, closing, judged, kind, marked_as, quoted};
use super::{Hit, value};

/// Longest name, in bytes.
const NAME: usize = 64;
/// Longest value, in bytes.
const VALUE: usize = 4 * 1024;
/// Shortest argument of a call that is marked for the call's name alone, in bytes.
const ARGUMENT: usize = 20;
/// Ends of the names of calls that take a secret, besides those of secrets.
const CALLS: [&str; 7] = [
    "client",
    "login",
    "auth",
    "configure",
    "bearer",
    "basic",
    "bot",
];

/// Finds them.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    for at in memchr_iter(b',', text.as_bytes()) {
        hits.extend(behind_comma(text, at));
    }
    for at in memmem::find_iter(text.as_bytes(), b"alue") {
        hits.extend(named_value(text, at));
    }
    for at in memchr_iter(b'(', text.as_bytes()) {
        hits.extend(argument(text, at));
    }
}

/// The last `len` bytes at most of `text` before `at` that may be of a name.
fn name_before(text: &str, at: usize) -> &str {
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let before = text.as_bytes()[..at].iter().rev();
    let len = before.take(NAME).take_while(plain).count();
    &text[at - len..at]
}

/// What stands behind `at`, no more than a value may have and no further than its line.
fn line_behind(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(VALUE)];
    &rest[..rest.find('\n').unwrap_or(rest.len())]
}

/// `"NAME", "value"`.
fn behind_comma(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let quote = |at: usize| matches!(bytes.get(at), Some(b'"' | b'\'' | b'`'));
    if at == 0 || !quote(at - 1) {
        return None;
    }
    let start = at + 1 + usize::from(bytes.get(at + 1) == Some(&b' '));
    if !quote(start) {
        return None;
    }
    let name = name_before(text, at - 1);
    if bytes[..at - 1 - name.len()].last() != Some(&bytes[at - 1]) {
        return None;
    }
    let kind = kind(name)?;
    let (skip, len) = judged(kind, false, false, line_behind(text, start))?;
    Some(marked_as(kind, start + skip, len))
}

/// `name: NAME`, then `value: …`, in the same line or the next one.
fn named_value(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let first = at
        .checked_sub(1)
        .filter(|at| matches!(bytes[*at], b'v' | b'V'))?;
    let behind = line_behind(text, at + 4);
    let sign = behind.trim_start_matches(['"', '\'', '\\', ' ']);
    let colon = sign.starts_with(':');
    let rest = sign.strip_prefix([':', '='])?.trim_start();
    let between = |c: char| c.is_whitespace() || "\"'\\,;{-/>".contains(c);
    let before = text[..first].trim_end_matches(between);
    if first - before.len() > 48 {
        return None;
    }
    let name = name_before(text, before.len());
    let kind = kind(name)?;
    let lead = before[..before.len() - name.len()].trim_end_matches(['"', '\'', '\\', ' ', '>']);
    if !lead.ends_with([':', '=']) {
        return None;
    }
    let start = at + 4 + (behind.len() - rest.len());
    let (skip, len) = judged(kind, false, colon, rest)?;
    Some(marked_as(kind, start + skip, len))
}

/// `Client("…")`, `set_token("…")`, `BasicAuth("someone", "…")`.
fn argument(text: &str, at: usize) -> Option<Hit> {
    let mark = match text.as_bytes().get(at + 1)? {
        b'"' => '"',
        b'\'' => '\'',
        _ => return None,
    };
    let name = name_before(text, at);
    let last = name.rsplit('.').next()?;
    let lower = last.to_ascii_lowercase();
    let secret = kind(name).is_some();
    let call = CALLS.iter().any(|call| lower.ends_with(call));
    if !secret && !call && !last.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let inside = &line_behind(text, at + 1)[1..];
    let word = &inside[..closing(inside, mark)];
    let behind = inside[word.len()..].strip_prefix(mark)?;
    if let Some(second) = behind.strip_prefix(", ").filter(|_| call || secret) {
        let second = second.strip_prefix(mark)?;
        let second = &second[..closing(second, mark)];
        let start = at + 2 + word.len() + 4;
        return quoted(Kind::Password, false, second)
            .then(|| marked_as(Kind::Token, start, second.len()));
    }
    let made = word.len() >= ARGUMENT && quoted(Kind::Token, false, word);
    // What any object is made of may be an id.
    let known = secret || call && !value::hexadecimal(word);
    let object = || {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let ids = [
            "public", "address", "id", "hash", "digest", "url", "base", "path",
        ];
        word.len() >= 24
            && word.bytes().all(plain)
            && value::both_cases(word)
            && value::random(word)
            && !ids.iter().any(|id| lower.contains(id))
    };
    (made && (known || object())).then(|| marked_as(Kind::Token, at + 2, word.len()))
}
