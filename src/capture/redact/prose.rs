//! Secrets that are told: `the password is …`, `API key: …`, `someone@example.com / …`; and lines of
//! `.pgpass`. Only what looks random by itself is taken for one. Pure.

use std::ops::Range;

use memchr::memchr_iter;

use super::needles::Needles;
use super::{Hit, value};

/// How far behind its name a secret may stand, and the longest one, in bytes.
const REACH: (usize, usize) = (48, 512);
/// What names a secret, what takes one, and what stands within a line of a file of passwords.
static WORDS: Needles<29> = Needles::new([
    "assword",
    "ASSWORD",
    "asswort",
    "assphrase",
    "asscode",
    "asswd",
    "secret",
    "Secret",
    "SECRET",
    "token",
    "Token",
    "TOKEN",
    " key",
    " Key",
    "_key",
    "_KEY",
    "redentials",
    "creds",
    "login",
    "Login",
    "logged in",
    "cryptsetup",
    "lftp ",
    "/ pass",
    "user pass",
    "jwt.",
    ":*:",
    ":5432:",
    ":6432:",
]);
/// What tells of a word behind it that it is none: it is public, or the mark of something.
const PUBLIC: [&str; 12] = [
    "ublic",
    "ingerprint",
    "sha1",
    "sha2",
    "sha3",
    "sha5",
    "SHA2",
    "ntegrity",
    "hecksum",
    "ash",
    "igest",
    "ssh-",
];
/// The same, directly before it.
const IDS: [&str; 8] = ["Id", "id", "ID", "once", "data", "iv", "tag", "kid"];
/// Longest word that is cut by the reach, in bytes.
const LONGEST: usize = 256;
/// How far before and behind what names it a secret may stand that nothing else points at, in bytes.
const AROUND: (usize, usize) = (64, 80);

/// What stands before `key` where it is one to a service.
const KEYS: [&str; 13] = [
    "api",
    "access",
    "secret",
    "private",
    "license",
    "encryption",
    "auth",
    "account",
    "signing",
    "master",
    "service",
    "app",
    "my",
];

/// Finds them, besides what the other rules found.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    let mut told = Vec::new();
    told_of(text, &mut told);
    let mut known: Vec<Range<usize>> = hits.iter().map(|hit| hit.range.clone()).collect();
    known.sort_by_key(|range| (range.start, range.end));
    // Up to where the ones before reach, so that those that begin before `at` can be asked at once.
    let mut reach = 0;
    for range in &mut known {
        reach = reach.max(range.end);
        range.end = reach;
    }
    told.retain(|hit| {
        let before = known.partition_point(|range| range.start < hit.range.end);
        before == 0 || known[before - 1].end <= hit.range.start
    });
    hits.append(&mut told);
}

fn told_of(text: &str, hits: &mut Vec<Hit>) {
    WORDS.each(text, |word, end| {
        if word.starts_with(':') {
            hits.extend(password_file(text, end));
        } else if !word.to_ascii_lowercase().ends_with("key")
            || is_secret_key(&text[..end - word.len()])
        {
            hits.extend(named(text, end, word));
            // `login/`, `LoginForm` and the like say where something is.
            let next = text[end..].chars().next().unwrap_or(' ');
            if !word.ends_with("ogin") || matches!(next, ' ' | ':' | '\'' | '"') {
                around(text, end, hits);
            }
        }
    });
    for at in memchr_iter(b'@', text.as_bytes()) {
        hits.extend(beside_address(text, at));
    }
}

fn hit(start: usize, len: usize) -> Hit {
    Hit {
        range: start..start + len,
        rule: "prose",
    }
}

/// Whether `key` is one to a service, behind these words.
fn is_secret_key(before: &str) -> bool {
    let ends = |key: &str| {
        let tail = before.len().checked_sub(key.len());
        tail.and_then(|tail| before.get(tail..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(key))
    };
    KEYS.iter().any(|key| ends(key))
}

/// The word that `text` starts with, without what quotes it or ends a sentence, and where it starts.
fn word(text: &str) -> (usize, &str) {
    let skip = text.len() - text.trim_start_matches(['"', '\'', '`', '*', '(']).len();
    let rest = &text[skip..];
    let ends = |c: char| c.is_whitespace() || "\"'`()<>[]{}|,;".contains(c);
    let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
    (skip, word.trim_end_matches(['.', ':', '?', '*']))
}

/// The rest of the line behind `at`.
fn line(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(REACH.0 + REACH.1)];
    &rest[..rest.find('\n').unwrap_or(rest.len())]
}

/// `… is VALUE`, `… for the shop: VALUE`, `… VALUE`.
fn named(text: &str, at: usize, name: &str) -> Option<Hit> {
    // A person may have made it up.
    let name = name.to_ascii_lowercase();
    let chosen = name.contains("ass") || name.ends_with("word");
    let paired = ["redentials", "creds", "login"].contains(&&*name);
    let line = line(text, at);
    // `tokenId` names something else.
    let rest = line.strip_prefix('s').unwrap_or(line);
    if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let near = &line[..line.floor_char_boundary(REACH.0)];
    let said = [" is ", " was ", " ist ", " are ", ": ", " to "];
    let said = said
        .iter()
        .filter_map(|said| Some(near.find(said)? + said.len()));
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || " :`'\"-_.@/".contains(c))
    };
    let directly = near.starts_with(' ').then_some(1);
    let mut starts: Vec<usize> = said.chain(directly).collect();
    starts.sort_unstable();
    starts
        .into_iter()
        .filter(|start| plain(&line[..*start]))
        .find_map(|start| {
            let (skip, word) = word(&line[start..]);
            let directly = start == 1 && value::hexadecimal(word);
            let secret = value::random(word) || skip > 0 && value::signed(word);
            let secret = secret && word.len() <= REACH.1 && !directly;
            if secret || chosen && value::respelt(word) {
                return Some(hit(at + start + skip, word.len()));
            }
            // `ada:…`
            let (user, password) = word.split_once(':').filter(|_| paired)?;
            let made = value::respelt(password) || value::random(password);
            made.then(|| hit(at + start + skip + user.len() + 1, password.len()))
        })
}

/// `someone@example.com / VALUE`, also with `:` or `|` between.
fn beside_address(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    if at == 0 || !bytes[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let behind = line(text, at + 1);
    let host = |b: &u8| b.is_ascii_alphanumeric() || b"-.".contains(b);
    let host = behind.bytes().take_while(host).count();
    if !behind[..host].contains('.') {
        return None;
    }
    let rest = &behind[host..];
    let sign = rest.trim_start_matches(' ').strip_prefix(['/', ':', '|'])?;
    let start = rest.len() - sign.trim_start_matches(' ').len();
    let (skip, word) = word(&rest[start..]);
    let file = word.contains(['/', '.']);
    (value::random(word) && !file).then(|| hit(at + 1 + host + start + skip, word.len()))
}

/// `host:port:database:user:VALUE`. **Source:** PostgreSQL, the password file.
fn password_file(text: &str, at: usize) -> Option<Hit> {
    let before = text.floor_char_boundary(at.saturating_sub(REACH.1));
    let start = text[before..at].rfind(char::is_whitespace);
    let start = start.map_or(before, |space| before + space + 1);
    let rest = &text[start..];
    let rest = &rest[..rest.floor_char_boundary(REACH.1)];
    let line = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
    let mut fields = line.splitn(5, ':');
    let (host, port) = (fields.next()?, fields.next()?);
    let (_, _, password) = (fields.next()?, fields.next()?, fields.next()?);
    let number = port == "*" || !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let secret =
        number && !host.contains('/') && password.len() >= 6 && !value::stands_in(password);
    secret.then(|| hit(start + line.len() - password.len(), password.len()))
}

/// Words of the same line that no name is made like, near what names a secret.
fn around(text: &str, at: usize, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let inside = |at: &usize| {
        let byte = bytes[*at];
        byte.is_ascii_alphanumeric() || b"_-+/=!@#$%^&.".contains(&byte)
    };
    let line = |at: &usize| bytes[*at] != b'\n';
    let first = at.saturating_sub(AROUND.0);
    let start = (first..at).rev().take_while(line).last().unwrap_or(at);
    // A word that is cut by the reach is looked at as a whole.
    let most = start.saturating_sub(LONGEST);
    let start = (most..start)
        .rev()
        .take_while(inside)
        .last()
        .unwrap_or(start);
    let until = (at + AROUND.1).min(bytes.len());
    let mut place = start;
    while place < until && (place < at || line(&place)) {
        if !inside(&place) {
            place += 1;
            continue;
        }
        let most = bytes.len().min(place + 2 * LONGEST);
        let end = (place..most)
            .take_while(inside)
            .last()
            .map_or(place, |last| last + 1);
        // They are of one byte each.
        scrambled(text, place, &text[place..end], hits);
        place = end;
    }
}

/// Marks `word`, which stands at `place`, or those of its parts that look random.
fn scrambled(text: &str, place: usize, word: &str, hits: &mut Vec<Hit>) {
    if is_public(text, place) || value::stands_in(word) {
        return;
    }
    let coded = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let small = |part: &str| part.len() > 1 && part.bytes().all(|b| b.is_ascii_lowercase());
    let pure = word.bytes().all(coded) && !word.trim_end_matches('=').contains('=');
    let whole = pure && !word.split('/').any(small);
    let mut from = 0;
    for part in word.split(['=', '/', '.']) {
        let start = place + from;
        from += part.len() + 1;
        // `main-Dk3f9QaZ.js`
        let file = word[(from - 1).min(word.len())..].strip_prefix('.');
        let file = file.is_some_and(|kind| (2..=5).contains(&kind.len()) && small(kind));
        if file || !value::scrambled(part) || is_public(text, start) {
            continue;
        }
        if whole {
            hits.push(hit(place, word.len()));
            return;
        }
        hits.push(hit(start, part.len()));
    }
}

/// Whether what stands before `at` tells that the word there is no secret.
fn is_public(text: &str, at: usize) -> bool {
    let lead = &text[text.floor_char_boundary(at.saturating_sub(16))..at];
    let direct = lead.trim_end_matches([' ', ':', '=', '"', '\'', '(', '`', '/', '-']);
    PUBLIC.iter().any(|word| lead.contains(word)) || IDS.iter().any(|word| direct.ends_with(word))
}
