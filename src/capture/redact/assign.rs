//! Values of keys whose name says that they are secret: `password: …`, `"api_key" = "…"`,
//! `DB_PASSWORD=…`, `--token …`; and headers, which are such keys, too. Pure.

use memchr::{memchr2_iter, memmem};

use super::places::credential;
use super::{Hit, value};

/// Longest key, in bytes.
const KEY: usize = 64;
/// Longest value, in bytes.
const VALUE: usize = 4 * 1024;
/// Shortest value, in bytes.
const SHORTEST: usize = 8;

/// What a key's name tells of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person may have chosen it: letters may be all.
    Password,
    /// A machine made it.
    Token,
    /// A header with a scheme and a credential.
    Header,
    /// A header with pairs.
    Cookie,
}

/// Ends of names, without `_`, `-` and `.`.
const PASSWORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "psk",
    "securestring",
];
const TOKENS: [&str; 28] = [
    "token",
    "apikey",
    "accesskey",
    "authkey",
    "accountkey",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "privatekey",
    "secretkey",
    "servicekey",
    "rolekey",
    "credential",
    "credentials",
    "clientkey",
    "keydata",
    "keybase",
    "licensekey",
    "subscriptionkey",
    "sharedkey",
    "storagekey",
    "unsealkey",
    "recoverykey",
    "networkkey",
    "consumerkey",
    "artapi",
    "honeycombteam",
    "bearer",
];
/// Words that end as names of passwords do.
const NO_PASSWORDS: [&str; 7] = [
    "bypass",
    "compass",
    "overpass",
    "subpass",
    "renderpass",
    "multipass",
    "trespass",
];
/// Those that tell of no secret: of pages, of parsers and of models.
const NO_TOKENS: [&str; 22] = [
    "pagetoken",
    "nexttoken",
    "continuationtoken",
    "cancellationtoken",
    "canceltoken",
    "synctoken",
    "endtoken",
    "starttoken",
    "stoptoken",
    "eostoken",
    "bostoken",
    "padtoken",
    "unktoken",
    "masktoken",
    "septoken",
    "clstoken",
    "specialtoken",
    "texttoken",
    "nextpagetoken",
    "lasttoken",
    "firsttoken",
    "pertoken",
];

/// The last two letters of all these names.
const LAST: [[u8; 2]; 21] = [
    *b"rd", *b"wd", *b"se", *b"de", *b"et", *b"ss", *b"pw", *b"en", *b"ey", *b"al", *b"ls", *b"on",
    *b"ie", *b"th", *b"sn", *b"at", *b"ta", *b"pi", *b"am", *b"sk", *b"er",
];

/// Finds them.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    for at in memchr2_iter(b'=', b':', text.as_bytes()) {
        if let Some(hit) = at_sign(text, at) {
            hits.push(hit);
        }
    }
    for end in ENDS {
        for at in memmem::find_iter(text.as_bytes(), end) {
            let at = at + end.len();
            if matches!(text.as_bytes().get(at), Some(b' ' | b'>')) {
                hits.extend(unsigned(text, at));
            }
        }
    }
    for at in memmem::find_iter(text.as_bytes(), b"--") {
        if let Some(hit) = option(text, at + 2) {
            hits.push(hit);
        }
    }
    for start in [&b" -pass"[..], b" -Pass", b" -token", b" -secret"] {
        for at in memmem::find_iter(text.as_bytes(), start) {
            hits.extend(option(text, at + 2));
        }
    }
    for start in SETS {
        for at in memmem::find_iter(text.as_bytes(), start.as_bytes()) {
            hits.extend(set(text, at + start.len()));
        }
    }
}

/// Ends of names that a secret may follow without a sign: `ENV API_SECRET …`, `<password>…`.
const ENDS: [&[u8]; 9] = [
    b"assword",
    b"ASSWORD",
    b"ecret",
    b"ECRET",
    b"oken",
    b"OKEN",
    b"_key",
    b"_KEY",
    b"ureString",
];

/// What sets a variable without a sign: of Windows, of csh and of fish.
const SETS: [&str; 5] = ["setx ", "setenv ", "set -gx ", "set -Ux ", "set -x "];

/// The secret behind the name of the variable that is set at `at`.
fn set(text: &str, at: usize) -> Option<Hit> {
    let (name, behind) = text[at..].split_once(' ')?;
    let kind = kind(name).filter(|_| is_variable(name))?;
    let behind = &behind[..behind.floor_char_boundary(VALUE)];
    let behind = &behind[..behind.find('\n').unwrap_or(behind.len())];
    let (skip, found) = judged(kind, true, false, behind)?;
    Some(marked_as(kind, at + name.len() + 1 + skip, found))
}

/// The secret behind a name that ends at `at`, with a space or as an element.
fn unsigned(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let len = last_word(&text[..at]).len();
    let kind = kind(&text[at - len..at])?;
    let rest = &text[at + 1..];
    let rest = &rest[..rest.floor_char_boundary(VALUE)];
    let element = bytes[at] == b'>';
    if !element && rest.starts_with(['"', '\'']) {
        let (skip, found) = judged(kind, false, false, rest)?;
        return Some(marked_as(kind, at + 1 + skip, found));
    }
    let ends = |c: char| c.is_whitespace() || "\"'`<".contains(c);
    let value = &rest[..rest.find(ends).unwrap_or(rest.len())];
    let secret = if element {
        let opens = bytes[..at - len].last() == Some(&b'<');
        let closes = rest[value.len()..].starts_with("</");
        opens && closes && quoted(kind, false, value)
    } else {
        value.len() >= 16 && value::mixed(value) && bare(Kind::Token, false, value)
    };
    let start = at + 1;
    secret.then(|| Hit {
        range: start..start + value.len(),
        rule: "assignment",
    })
}

/// The secret behind the `=` or `:` at `at`.
fn at_sign(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let colon = bytes[at] == b':';
    // A cheap look at what stands before, for most signs are of something else.
    let mut end = at;
    if !colon && end > 0 && matches!(bytes[end - 1], b':' | b'?' | b'=' | b'!') {
        end -= 1;
    }
    let spaced = end;
    while end > 0 && matches!(bytes[end - 1], b' ' | b'\t') && at - end < 32 {
        end -= 1;
    }
    let spaces = spaced != end;
    while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'`' | b'\\' | b']') {
        end -= 1;
    }
    let named = numbered(&text[..end]);
    let last = named.as_bytes().last_chunk();
    let last = last.map(|[a, b]| [a | 0x20, b | 0x20])?;
    if !LAST.contains(&last) || (colon && bytes.get(at + 1) == Some(&b':')) {
        return None;
    }
    let key = last_word(named);
    // In `arn:aws:…:secret:NAME`, it is no key.
    let start = named.len() - key.len();
    if colon && start > 0 && bytes[start - 1] == b':' && bytes.get(at + 1) != Some(&b' ') {
        return None;
    }
    let known = kind(key).or_else(|| colon.then(|| kind(&two_words(named)?))?);
    // Of a connection, not of a shell.
    let of_connection = key.eq_ignore_ascii_case("pwd") && named[..start].ends_with(';');
    let known = known.or(of_connection.then_some(Kind::Password));
    let bare_key = key.eq_ignore_ascii_case("key");
    let kind = known.or(bare_key.then_some(Kind::Token))?;
    let after = &text[at + 1..];
    let after = &after[..after.floor_char_boundary(VALUE)];
    let after = &after[..after.find('\n').unwrap_or(after.len())];
    let gap = after.len() - after.trim_start_matches([' ', '\t', '>', '=']).len();
    let after = &after[gap..];
    let shell = !colon && !spaces && gap == 0 && is_variable(key) && !of_connection;
    let found = judged(kind, shell, colon, after);
    let variable = || colon && kind == Kind::Password && is_variable(key);
    let found = found.or_else(|| variable().then(|| listed(after))?);
    let (skip, found) = found.or_else(|| of_connection.then(|| braced(after))?)?;
    let value = &after[skip..skip + found];
    if known.is_none()
        && !(found >= 24
            && value::both_cases(value)
            && value::random(value)
            && !value.contains('\\'))
    {
        return None;
    }
    let start = at + 1 + gap + skip;
    Some(marked_as(kind, start, found))
}

/// A mark by the rule that goes by keys of this kind.
pub(super) fn marked_as(kind: Kind, start: usize, len: usize) -> Hit {
    let rule = match kind {
        Kind::Header | Kind::Cookie => "header",
        Kind::Password | Kind::Token => "assignment",
    };
    Hit {
        range: start..start + len,
        rule,
    }
}

/// `text` without a number at its end: of `Unseal Key 1` what stands before it.
fn numbered(text: &str) -> &str {
    let short = text.trim_end_matches(|c: char| c.is_ascii_digit());
    match short.strip_suffix(' ') {
        Some(named) if short.len() < text.len() && short.len() + 2 >= text.len() => named,
        _ => text,
    }
}

/// The word that `text` ends with, as a key may be written.
fn last_word(text: &str) -> &str {
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let bytes = text.as_bytes().iter().rev();
    let len = bytes.take(KEY).take_while(plain).count();
    &text[text.len() - len..]
}

/// The last two words of `text` as one, if the last one is `key`: `API key`.
fn two_words(text: &str) -> Option<String> {
    let last = last_word(text);
    let before = text[..text.len() - last.len()].strip_suffix(' ')?;
    let first = last_word(before);
    (last.eq_ignore_ascii_case("key") && !first.is_empty()).then(|| format!("{first}{last}"))
}

/// The secret behind `--password` or the like, whose name starts at `at`.
fn option(text: &str, at: usize) -> Option<Hit> {
    let rest = &text.as_bytes()[at..];
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"-_".contains(b);
    let len = rest.iter().take(KEY).take_while(plain).count();
    let name = &text[at..at + len];
    let key = name == "key";
    let kind = kind(name).or(key.then_some(Kind::Token))?;
    let behind = text[at + len..].strip_prefix(if key { [' ', '='] } else { [' ', ' '] })?;
    let behind = &behind[..behind.floor_char_boundary(VALUE)];
    let (skip, found) = judged(kind, false, true, behind)?;
    if key && !(found >= 20 && value::random(&behind[skip..skip + found])) {
        return None;
    }
    let start = at + len + 1 + skip;
    Some(Hit {
        range: start..start + found,
        rule: "assignment",
    })
}

/// What `key` tells.
pub(super) fn kind(key: &str) -> Option<Kind> {
    let flat: String = key.chars().filter(|c| !"_-.".contains(*c)).collect();
    let flat = flat.to_ascii_lowercase();
    if matches!(flat.as_str(), "authorization" | "proxyauthorization") {
        return Some(Kind::Header);
    }
    if matches!(flat.as_str(), "cookie" | "setcookie") {
        return Some(Kind::Cookie);
    }
    if matches!(flat.as_str(), "auth" | "bwsession") {
        return Some(Kind::Token);
    }
    if matches!(flat.as_str(), "pwd" | "oldpwd") {
        return None;
    }
    let ends = |list: &[&str]| list.iter().any(|end| flat.ends_with(end));
    let word = key.rsplit(['_', '-', '.']).next().unwrap_or_default();
    let lower = word.to_ascii_lowercase();
    if ends(&NO_TOKENS) || ends(&NO_PASSWORDS) {
        return None;
    }
    if ends(&PASSWORDS) || lower.ends_with("pass") || lower == "pw" {
        return Some(Kind::Password);
    }
    // Headers of one's own: `X-Auth-Key`.
    if lower == "key" && key.starts_with(['X', 'x']) && key[1..].starts_with('-') {
        return Some(Kind::Token);
    }
    let named = matches!(word, "KEY" | "AUTH" | "DSN" | "PAT") && word.len() < key.len();
    (ends(&TOKENS) || named).then_some(Kind::Token)
}

/// Whether a shell's variable may be named so, as those of environments are.
fn is_variable(key: &str) -> bool {
    key.bytes().any(|b| b.is_ascii_uppercase())
        && key
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Where a secret stands in `text`, which follows a key, and how long it is.
pub(super) fn judged(kind: Kind, shell: bool, colon: bool, text: &str) -> Option<(usize, usize)> {
    let quote = text.trim_start_matches(['b', 'r', 'f', 'u', '&', '\\']);
    let skip = text.len() - quote.len();
    if let Some(mark) = quote
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'))
    {
        let inside = &quote[1..];
        let end = closing(inside, mark);
        let value = inside[..end].trim_end_matches('\\');
        return match kind {
            Kind::Header => header(value),
            Kind::Cookie => cookie(value),
            _ => quoted(kind, shell, value).then_some((0, value.len())),
        }
        .map(|(at, len)| (skip + 1 + at, len));
    }
    match kind {
        Kind::Header => header(&text[..closing(text, '"').min(closing(text, '\''))]),
        Kind::Cookie => cookie(&text[..closing(text, '"').min(closing(text, '\''))]),
        _ => {
            let stops = |c: char| c.is_whitespace() || "\"'`".contains(c);
            let more = |c: char| stops(c) || ",;)}]&|<>".contains(c);
            let end = if shell {
                text.find(stops)
            } else {
                text.find(more)
            };
            let value = text[..end.unwrap_or(text.len())].trim_end_matches(['.', ',', ';', '\\']);
            if bare(kind, shell, value) {
                return Some((0, value.len()));
            }
            // A constant's type stands before its value.
            let typed = colon.then(|| typed(kind, text)).flatten();
            typed.or_else(|| wrapped(text))
        }
    }
}

/// A value in braces, as connections of ODBC have it.
fn braced(text: &str) -> Option<(usize, usize)> {
    let inside = text.strip_prefix('{')?;
    let value = &inside[..inside.find('}')?];
    (value.len() >= SHORTEST && chosen(value) && !value::stands_in(value))
        .then_some((1, value.len()))
}

/// The value of a variable in a list of them, as composed containers have it.
fn listed(text: &str) -> Option<(usize, usize)> {
    let value = &text[..text.find(char::is_whitespace).unwrap_or(text.len())];
    let plain = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    let secret = value.len() >= SHORTEST && plain && value::mixed(value) && !value::camel(value);
    (secret && !value::stands_in(value)).then_some((0, value.len()))
}

/// `TYPE = "value"`.
fn typed(kind: Kind, text: &str) -> Option<(usize, usize)> {
    let (before, after) = text.split_once('=')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_&<>' ,[]:".contains(&b);
    if before.len() > 40 || !before.bytes().all(plain) {
        return None;
    }
    let quote = after.trim_start();
    let inside = quote.strip_prefix('"')?;
    let value = &inside[..closing(inside, '"')];
    let start = before.len() + 1 + (after.len() - quote.len()) + 1;
    quoted(kind, false, value).then_some((start, value.len()))
}

/// `String::from("value")`; of `("user", "value")` the last one.
fn wrapped(text: &str) -> Option<(usize, usize)> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_.:[]&".contains(b);
    let name = text.bytes().take(40).take_while(plain).count();
    let mut at = name + 1;
    let open = text[name..].strip_prefix(['(', '['])?;
    let pair = open.split(')').next()?;
    let comma = pair
        .rfind(", ")
        .filter(|comma| pair[comma + 2..].starts_with(['"', '\'']));
    at += comma.filter(|_| name == 0).map_or(0, |comma| comma + 2);
    let mark = text[at..]
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))?;
    let inside = &text[at + 1..];
    let value = &inside[..closing(inside, mark)];
    let kind = if name == 0 && at > 1 {
        Kind::Password
    } else {
        Kind::Token
    };
    quoted(kind, false, value).then_some((at + 1, value.len()))
}

/// Where the quote ends that `inside` is in.
pub(super) fn closing(inside: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        if c == mark {
            // `\"` ends what began with `\"`, and may stand in what began with `"`: the shorter one.
            return at;
        }
        if c == '\n' && !escaped {
            return at;
        }
        escaped = c == '\\';
    }
    inside.len()
}

/// Whether a value in quotes is a secret.
pub(super) fn quoted(kind: Kind, shell: bool, value: &str) -> bool {
    if value.len() < SHORTEST || value::stands_in(value) || value::place(value) {
        return false;
    }
    if value.contains(char::is_whitespace) {
        return kind == Kind::Password && (shell || value::app_password(value));
    }
    match kind {
        Kind::Password => {
            shell
                || chosen(value)
                || value::phrase(value)
                || value.bytes().all(|b| b.is_ascii_digit())
        }
        _ => made(value) || value.len() >= 24 && value::random(value),
    }
}

/// Whether a value without quotes is one.
fn bare(kind: Kind, shell: bool, value: &str) -> bool {
    if value.len() < SHORTEST || value::stands_in(value) || value::place(value) {
        return false;
    }
    if !shell && (value.contains(['(', '[', '{', '$', '*']) || value.contains("::")) {
        return false;
    }
    match kind {
        Kind::Password if shell => !value.contains('(') && !value.starts_with(['&', '!', '-']),
        Kind::Password => chosen(value) || value::phrase(value),
        _ => made(value),
    }
}

/// Whether a person may have chosen it as a password rather than as a name.
pub(super) fn chosen(value: &str) -> bool {
    let odd = value.bytes().any(|b| b"!#$%^&*?~@".contains(&b));
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let words = value.contains('-') && !value.contains(['_', '.', '/']) && letters >= 4;
    (value::mixed(value) || odd && letters >= 4 || value::jumbled(value))
        && (!value::name(value) || words && value::mixed(value))
}

/// Whether a machine may have made it.
fn made(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+/=~:!@#$%^*|".contains(&b);
    let number = value
        .strip_prefix("0x")
        .is_some_and(|n| n.len() != 64 && n.bytes().all(|b| b.is_ascii_hexdigit()));
    value.len() >= 12
        && value::mixed(value)
        && value.bytes().all(plain)
        && !value::name(value)
        && !number
}

/// The credential of a header's value.
fn header(value: &str) -> Option<(usize, usize)> {
    let trimmed = value.trim_start();
    let lead = value.len() - trimmed.len();
    let (scheme, rest) = trimmed.split_once(' ').unwrap_or(("", trimmed));
    let named = matches!(
        scheme.to_ascii_lowercase().as_str(),
        "bearer" | "basic" | "token" | "apikey" | "key" | "negotiate" | "bot" | "splunk"
    );
    if named {
        let skip = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let word = &rest[..credential(rest)];
        let random = value::mixed(word) || value::both_cases(word) && !value::name(word);
        let secret = word.len() >= SHORTEST && random && !value::stands_in(word);
        return secret.then(|| (lead + scheme.len() + 1 + skip, word.len()));
    }
    if let Some(at) = value.find("Signature=") {
        // AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
        let word = &value[at + 10..];
        let len = credential(word);
        return (len >= 32).then_some((at + 10, len));
    }
    let secret = |text: &str| {
        let word = &text[..credential(text)];
        let random = word.len() >= 16 && value::mixed(word) && !value::name(word);
        (random && !value::stands_in(word) && !value::place(word)).then_some(word.len())
    };
    let other = scheme.len() <= 24
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let behind = || Some((lead + scheme.len() + 1, secret(rest)?));
    match secret(trimmed) {
        Some(len) => Some((lead, len)),
        None if other && !scheme.is_empty() => behind(),
        None => None,
    }
}

/// All pairs of a cookie, if one of them holds something.
pub(super) fn cookie(value: &str) -> Option<(usize, usize)> {
    let holds = |pair: &str| {
        let (_, value) = pair.split_once('=').unwrap_or_default();
        value.len() >= 16 && value::mixed(value) && !value::stands_in(value) && !value::name(value)
    };
    let lead = value.len() - value.trim_start().len();
    value
        .split(';')
        .any(holds)
        .then(|| (lead, value.trim().len()))
}
