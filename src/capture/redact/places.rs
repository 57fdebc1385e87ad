//! Secrets that the place tells at which they stand: in a block of a key, in a URL, behind `curl -u`
//! or in a header. Pure.

use std::ops::Range;

use memchr::memmem;

use super::assign::cookie;
use super::{Hit, value};

/// Longest block of a key, in bytes.
const KEY_BYTES: usize = 16 * 1024;
/// Longest command or authority that is looked through, in bytes.
const REACH: usize = 4 * 1024;

/// Finds all of them.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    pem(text, hits);
    urls(text, hits);
    curl(text, hits);
    bearer(text, hits);
    query(text, hits);
    putty(text, hits);
}

/// `text` from `at`, at most `bytes` of it.
fn reach(text: &str, at: usize, bytes: usize) -> &str {
    let rest = &text[at..];
    &rest[..rest.floor_char_boundary(bytes)]
}

/// Blocks of private keys. **Source:** RFC 7468; RFC 4880 §6.2 for those of PGP.
fn pem(text: &str, hits: &mut Vec<Hit>) {
    let mut from = 0;
    while let Some(found) = memmem::find(&text.as_bytes()[from..], b"-----BEGIN ") {
        let start = from + found;
        from = start + 11;
        let rest = reach(text, from, KEY_BYTES);
        let Some((label, body)) = rest.split_once("-----") else {
            continue;
        };
        let ends = ["PRIVATE KEY", "PRIVATE KEY BLOCK", "OpenVPN Static key V1"];
        let private = ends.iter().any(|end| label.ends_with(end));
        if label.len() > 40 || !private {
            continue;
        }
        let head = from + label.len() + 5;
        let Some(len) = key_body(body) else {
            // Of a key that was cut, the rest may be anywhere.
            let line = text[..start].rsplit('\n').next().unwrap_or_default();
            let first = body.lines().next().unwrap_or_default();
            if line.trim().is_empty() && first.trim().is_empty() {
                hits.push(Hit {
                    range: start..head,
                    rule: "pem",
                });
            }
            continue;
        };
        from = head + len;
        hits.push(Hit {
            range: start..from,
            rule: "pem",
        });
    }
}

/// How long a key is behind its first line; nothing if there is none.
fn key_body(body: &str) -> Option<usize> {
    let coded = |text: &str| {
        let code = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
        let longest = text.as_bytes().split(|b| !code(b)).map(<[u8]>::len).max();
        longest.unwrap_or(0) >= 16
    };
    if let Some(end) = memmem::find(body.as_bytes(), b"-----END ") {
        let inside = &body[..end];
        let line = &body[end + 9..];
        let close = line.find("-----").filter(|close| *close <= 40);
        if let Some(close) = close.filter(|_| !inside.contains("-----BEGIN")) {
            return coded(inside).then_some(end + 9 + close + 5);
        }
    }
    let mut len = 0;
    for line in body.split_inclusive('\n') {
        let plain = line
            .trim()
            .trim_start_matches(['>', '|', '#', '"', '\'', ' ']);
        let code = |b: u8| b.is_ascii_alphanumeric() || b"+/=\\\"',; ".contains(&b) || b >= 0x80;
        let header = plain
            .split_once(": ")
            .is_some_and(|(name, _)| !name.contains(' '));
        let ends = !header && (plain.contains(' ') || !plain.bytes().all(code));
        if ends && len > 0 {
            break;
        }
        if ends {
            return None;
        }
        len += line.len();
    }
    let taken = body[..len].trim_end().len();
    coded(&body[..taken]).then_some(taken)
}

/// Users and passwords in URLs.
fn urls(text: &str, hits: &mut Vec<Hit>) {
    for at in memmem::find_iter(text.as_bytes(), b"://") {
        let scheme = text.as_bytes()[..at].iter().rev();
        let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"+.-".contains(b);
        let len = scheme.take(32).take_while(plain).count();
        let scheme = &text[at - len..at];
        if scheme.is_empty() {
            continue;
        }
        let start = at + 3;
        let info = info(scheme, reach(text, start, REACH));
        if let Some(info) = info.filter(|info| is_secret(scheme, info)) {
            hits.push(Hit {
                range: start..start + info.len(),
                rule: "url",
            });
        }
    }
}

/// The user and the password, if there is one, of a value that is a URL.
pub(super) fn userinfo(url: &str) -> Option<(&str, Option<&str>)> {
    let (scheme, rest) = url.split_once("://")?;
    let info = info(scheme, rest)?;
    Some(match info.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (info, None),
    })
}

/// What stands before the `@` of a URL's authority. **Source:** RFC 3986 §3.2.1.
fn info<'a>(scheme: &str, rest: &'a str) -> Option<&'a str> {
    let word = rest.find(|c: char| c.is_whitespace() || "\"'`<>|\\".contains(c));
    let word = &rest[..word.unwrap_or(rest.len())];
    let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(&word[..at]);
    }
    // Passwords are often not encoded as they should be.
    let (_, port) = authority.split_once(':')?;
    let web = scheme.starts_with("http") || scheme.starts_with("git") || scheme == "file";
    let until = word.find('/').filter(|_| web).unwrap_or(word.len());
    let number = port.bytes().all(|b| b.is_ascii_digit());
    let at = word[..until].rfind('@').filter(|_| !number)?;
    Some(&word[..at])
}

fn is_secret(scheme: &str, info: &str) -> bool {
    let token = |user: &str| user.len() >= 16 && value::mixed(user) && !value::stands_in(user);
    if let Some((user, password)) = info.split_once(':') {
        token(user) || (password.len() >= 2 && !value::stands_in(password))
    } else {
        scheme.starts_with("http") && token(info)
    }
}

/// `curl -u USER:PASSWORD`, and its long form.
fn curl(text: &str, hits: &mut Vec<Hit>) {
    for at in memmem::find_iter(text.as_bytes(), b"curl") {
        let rest = reach(text, at + 4, REACH);
        // Its line, and those behind a `\`.
        let mut end = rest.len();
        for (line, _) in rest.match_indices('\n') {
            if !rest[..line].trim_end_matches('\r').ends_with('\\') {
                end = line;
                break;
            }
        }
        let command = &rest[..end];
        for (found, _) in command.match_indices(" -") {
            let option = &command[found + 2..];
            if let Some(hit) = jar(command, found + 2, at + 4) {
                hits.push(hit);
            }
            let Some(len) = user_option(option) else {
                continue;
            };
            let behind = &option[len..];
            let skip = behind.len() - behind.trim_start_matches([' ', '=', '"', '\'']).len();
            if let Some(range) = credentials(&behind[skip..]) {
                let start = at + 4 + found + 2 + len + skip;
                hits.push(Hit {
                    range: start + range.start..start + range.end,
                    rule: "curl",
                });
            }
        }
    }
}

/// How long the option is, behind its first `-`, that has a user and a password behind it.
fn user_option(option: &str) -> Option<usize> {
    if let Some(long) = option.strip_prefix('-') {
        let names = ["user", "proxy-user"];
        let name = names.into_iter().find(|name| long.starts_with(name))?;
        return matches!(long.as_bytes().get(name.len()), Some(b' ' | b'='))
            .then_some(1 + name.len());
    }
    // Others without a value may stand before it: `-sSu`.
    let flags = option
        .bytes()
        .take_while(|b| b"fsSLkvigGIN46".contains(b))
        .count();
    matches!(option.as_bytes().get(flags), Some(b'u' | b'U')).then_some(flags + 1)
}

/// Where the secret is in `USER:PASSWORD`, or in a token in the place of a user.
fn credentials(text: &str) -> Option<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || "\"'`".contains(c);
    let (user, rest) = text.split_once(':')?;
    if user.contains(ends) {
        return None;
    }
    let quote = rest.len() - rest.trim_start_matches(['"', '\'']).len();
    let password = &rest[quote..];
    let password = &password[..password.find(ends).unwrap_or(password.len())];
    let start = user.len() + 1 + quote;
    if password.len() >= 2 && !value::stands_in(password) {
        return Some(start..start + password.len());
    }
    let token = user.len() >= 16 && value::mixed(user) && !value::stands_in(user);
    token.then_some(0..user.len())
}

/// `Bearer …` wherever it stands.
fn bearer(text: &str, hits: &mut Vec<Hit>) {
    for at in memmem::find_iter(text.as_bytes(), b"earer ") {
        let start = at + 6;
        let len = credential(&text[start..]);
        let word = &text[start..start + len];
        if len >= 16 && value::mixed(word) && !value::stands_in(word) && !value::name(word) {
            hits.push(Hit {
                range: start..start + len,
                rule: "header",
            });
        }
    }
}

/// How long the credential is that a header's value starts with.
/// **Source:** RFC 9110 §11.2, `token68`, and `:` as some services have it.
pub(super) fn credential(text: &str) -> usize {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=:".contains(b);
    let len = text.bytes().take_while(plain).count();
    text[..len].trim_end_matches(['.', ':']).len()
}

/// Cookies behind `-b` or `--cookie` of curl's `command`, the option of which starts at `option`
/// behind its first `-`; the command starts at `start`.
fn jar(command: &str, option: usize, start: usize) -> Option<Hit> {
    let rest = &command[option..];
    let behind = rest
        .strip_prefix("-cookie ")
        .or_else(|| rest.strip_prefix("b "))?;
    let behind = behind.trim_start_matches(['"', '\'']);
    let value = &behind[..behind.find(['"', '\'']).unwrap_or(behind.len())];
    let (skip, len) = cookie(value)?;
    let from = start + command.len() - behind.len() + skip;
    Some(Hit {
        range: from..from + len,
        rule: "header",
    })
}

/// What gives access behind a `?` or a `&`, by keys that tell nothing elsewhere.
fn query(text: &str, hits: &mut Vec<Hit>) {
    for key in ["sig=", "ignature=", "appid=", "code=", "key=", "auth="] {
        for at in memmem::find_iter(text.as_bytes(), key) {
            let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
            let name = text.as_bytes()[..at].iter().rev().take(32);
            let name = name.take_while(plain).count();
            if !text[..at - name].ends_with(['?', '&']) {
                continue;
            }
            let start = at + key.len();
            let word = reach(text, start, REACH);
            let ends = |c: char| c.is_whitespace() || "\"'`&#<>)]}\\".contains(c);
            let word = &word[..word.find(ends).unwrap_or(word.len())];
            if word.len() >= 20 && value::random(word) {
                hits.push(Hit {
                    range: start..start + word.len(),
                    rule: "url",
                });
            }
        }
    }
}

/// The private lines of a key of PuTTY. **Source:** PuTTY's manual, PPK file format.
fn putty(text: &str, hits: &mut Vec<Hit>) {
    for at in memmem::find_iter(text.as_bytes(), b"Private-Lines: ") {
        let rest = reach(text, at, KEY_BYTES);
        let Some((first, body)) = rest.split_once('\n') else {
            continue;
        };
        let code = |b: u8| b.is_ascii_alphanumeric() || b"+/= ".contains(&b);
        let lines = body.split_inclusive('\n');
        let lines = lines.take_while(|line| line.trim_end().bytes().all(code));
        let len: usize = lines.map(str::len).sum();
        let taken = body[..len].trim_end().len();
        let start = at + first.len() + 1;
        hits.push(Hit {
            range: start..start + taken,
            rule: "pem",
        });
    }
}
