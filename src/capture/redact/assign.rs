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
enum Kind {
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
const PASSWORDS: [&str; 6] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
];
const TOKENS: [&str; 17] = [
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
const LAST: [[u8; 2]; 17] = [
    *b"rd", *b"wd", *b"se", *b"de", *b"et", *b"ss", *b"pw", *b"en", *b"ey", *b"al", *b"ls", *b"on",
    *b"ie", *b"th", *b"sn", *b"at", *b"ta",
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
}

/// Ends of names that a secret may follow without a sign: `ENV API_SECRET …`, `<password>…`.
const ENDS: [&[u8]; 8] = [
    b"assword", b"ASSWORD", b"ecret", b"ECRET", b"oken", b"OKEN", b"_key", b"_KEY",
];

/// The secret behind a name that ends at `at`, with a space or as an element.
fn unsigned(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let len = bytes[..at].iter().rev().take(KEY).take_while(plain).count();
    let kind = kind(&text[at - len..at])?;
    let rest = &text[at + 1..];
    let rest = &rest[..rest.floor_char_boundary(VALUE)];
    let element = bytes[at] == b'>';
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
    let last = bytes[..end].last_chunk();
    let last = last.map(|[a, b]| [a | 0x20, b | 0x20])?;
    if !LAST.contains(&last) || (colon && bytes.get(at + 1) == Some(&b':')) {
        return None;
    }
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let len = bytes[..end]
        .iter()
        .rev()
        .take(KEY)
        .take_while(plain)
        .count();
    let key = &text[end - len..end];
    let kind = kind(key)?;
    let after = &text[at + 1..];
    let after = &after[..after.floor_char_boundary(VALUE)];
    let after = &after[..after.find('\n').unwrap_or(after.len())];
    let gap = after.len() - after.trim_start_matches([' ', '\t', '>', '=']).len();
    let shell = !colon && !spaces && gap == 0 && is_variable(key);
    let found = judged(kind, shell, colon, &after[gap..]);
    let variable = || colon && kind == Kind::Password && is_variable(key);
    let (skip, found) = found.or_else(|| variable().then(|| listed(&after[gap..]))?)?;
    let start = at + 1 + gap + skip;
    let rule = match kind {
        Kind::Header | Kind::Cookie => "header",
        Kind::Password | Kind::Token => "assignment",
    };
    Some(Hit {
        range: start..start + found,
        rule,
    })
}

/// The secret behind `--password` or the like, whose name starts at `at`.
fn option(text: &str, at: usize) -> Option<Hit> {
    let rest = &text.as_bytes()[at..];
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || b"-_".contains(b);
    let len = rest.iter().take(KEY).take_while(plain).count();
    let kind = kind(&text[at..at + len])?;
    let behind = text[at + len..].strip_prefix(' ')?;
    let behind = &behind[..behind.floor_char_boundary(VALUE)];
    let (skip, found) = judged(kind, false, true, behind)?;
    let start = at + len + 1 + skip;
    Some(Hit {
        range: start..start + found,
        rule: "assignment",
    })
}

/// What `key` tells.
fn kind(key: &str) -> Option<Kind> {
    let flat: String = key.chars().filter(|c| !"_-.".contains(*c)).collect();
    let flat = flat.to_ascii_lowercase();
    if matches!(flat.as_str(), "authorization" | "proxyauthorization") {
        return Some(Kind::Header);
    }
    if matches!(flat.as_str(), "cookie" | "setcookie") {
        return Some(Kind::Cookie);
    }
    if flat == "auth" {
        return Some(Kind::Token);
    }
    if matches!(flat.as_str(), "pwd" | "oldpwd") {
        return None;
    }
    let ends = |list: &[&str]| list.iter().any(|end| flat.ends_with(end));
    let word = key.rsplit(['_', '-', '.']).next().unwrap_or_default();
    let lower = word.to_ascii_lowercase();
    if ends(&PASSWORDS) || matches!(lower.as_str(), "pass" | "pw") || word.ends_with("Pass") {
        return Some(Kind::Password);
    }
    if ends(&NO_TOKENS) {
        return None;
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
fn judged(kind: Kind, shell: bool, colon: bool, text: &str) -> Option<(usize, usize)> {
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
            colon.then(|| typed(kind, text)).flatten()
        }
    }
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

/// Where the quote ends that `inside` is in.
fn closing(inside: &str, mark: char) -> usize {
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
fn quoted(kind: Kind, shell: bool, value: &str) -> bool {
    if value.len() < SHORTEST || value::stands_in(value) || value::place(value) {
        return false;
    }
    if value.contains(char::is_whitespace) {
        return shell && kind == Kind::Password;
    }
    match kind {
        Kind::Password => {
            shell
                || chosen(value)
                || value::phrase(value)
                || value.bytes().all(|b| b.is_ascii_digit())
        }
        _ => made(value),
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
fn chosen(value: &str) -> bool {
    let odd = value.bytes().any(|b| b"!#$%^&*?~@".contains(&b));
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let words = value.contains('-') && !value.contains(['_', '.', '/']) && letters >= 4;
    (value::mixed(value) || odd && letters >= 4)
        && (!value::name(value) || words && value::mixed(value))
}

/// Whether a machine may have made it.
fn made(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.+/=~:!@#$%^*|".contains(&b);
    let number = value
        .strip_prefix("0x")
        .is_some_and(|n| n.bytes().all(|b| b.is_ascii_hexdigit()));
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
    let word = &trimmed[..credential(trimmed)];
    let secret =
        word.len() >= 16 && value::mixed(word) && !value::stands_in(word) && !value::name(word);
    (secret && !value::place(word)).then_some((lead, word.len()))
}

/// All pairs of a cookie, if one of them holds something.
fn cookie(value: &str) -> Option<(usize, usize)> {
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
