//! What a value tells: whether it can be a secret, or only stands for one. Pure.

/// Words that stand for a secret, without what is no letter.
const STAND_INS: [&str; 30] = [
    "pass",
    "password",
    "passwd",
    "passphrase",
    "pw",
    "pwd",
    "secret",
    "mysecret",
    "topsecret",
    "supersecret",
    "token",
    "mytoken",
    "key",
    "mykey",
    "apikey",
    "user",
    "username",
    "admin",
    "test",
    "testing",
    "foo",
    "bar",
    "foobar",
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "string",
];
/// Parts of values that stand for a secret.
const STAND_IN_PARTS: [&str; 13] = [
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "your-",
    "your_",
    "replace",
    "redacted",
    "xxxx",
    "****",
    "...",
    "dummy",
];
/// Words of a name or a sentence about secrets. Nobody's secret is made of letters and these.
const ABOUT: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "api_key",
    "api-key",
];

/// Whether `value` stands for a secret: a variable, a template, an example.
pub(super) fn stands_in(value: &str) -> bool {
    let Some(first) = value.chars().next() else {
        return true;
    };
    if matches!(first, '$' | '<' | '{' | '[' | '(' | '%' | '…' | '`')
        || value.contains("${")
        || value.contains("{{")
        || value.contains("$(")
        || value.contains('…')
    {
        return true;
    }
    if value.len() > 256 {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    if STAND_IN_PARTS.iter().any(|part| lower.contains(part)) {
        return true;
    }
    let letters: String = lower.chars().filter(char::is_ascii_alphabetic).collect();
    let digits = lower.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 3 && STAND_INS.contains(&letters.as_str()) {
        return true;
    }
    let other = lower.chars().find(|c| !c.eq_ignore_ascii_case(&first));
    let Some(other) = other else {
        return true;
    };
    // Of two characters at most: `0000-0000`.
    let two = |c: char| c.eq_ignore_ascii_case(&first) || c == other;
    if value.len() > 4 && lower.chars().all(two) {
        return true;
    }
    digits == 0 && ABOUT.iter().any(|word| lower.contains(word))
}

/// Whether it has both letters and digits.
pub(super) fn mixed(value: &str) -> bool {
    value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic())
}

/// Whether it has two letters at least of either case.
pub(super) fn both_cases(value: &str) -> bool {
    let count = |of: fn(&u8) -> bool| value.bytes().filter(of).count();
    count(u8::is_ascii_uppercase) >= 2 && count(u8::is_ascii_lowercase) >= 2
}

/// Whether it is words with hyphens between: `correct-horse-battery`.
pub(super) fn phrase(value: &str) -> bool {
    let word = |word: &str| word.len() >= 3 && word.bytes().all(|b| b.is_ascii_alphabetic());
    value.len() >= 12 && value.split('-').count() >= 3 && value.split('-').all(word)
}

/// Whether it is a name of programs rather than a secret: `sha256_hash`, `Ed25519PublicKey`,
/// `self.key1`, `KEY_F12`.
pub(super) fn name(value: &str) -> bool {
    let rest = value.split_once('.').map_or("", |(_, rest)| rest);
    if !rest.is_empty() {
        return value.split('.').all(word);
    }
    snake(value) || camel(value)
}

/// One part of a name with dots.
fn word(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let plain = !letters.is_empty()
        && letters
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || b == b'_');
    plain && word.len() - letters.len() <= 4 || snake(word) || camel(word)
}

/// Words of one case, each perhaps with a number at its end, with `_` or `-` between.
pub(super) fn snake(value: &str) -> bool {
    let part = |part: &str| {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let case = |of: fn(&u8) -> bool| word.bytes().all(|b| of(&b));
        let short = part.len() - word.len() <= 6;
        let constant = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        short && (case(u8::is_ascii_lowercase) || case(u8::is_ascii_uppercase))
            || value.contains('_') && (part.bytes().all(constant) || camel(part))
    };
    let parts = value.split(['_', '-']).count();
    parts > 1 && value.split(['_', '-']).all(part)
}

/// Two words at least, each with a capital in front and perhaps a number at its end.
pub(super) fn camel(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (mut at, mut words) = (0, 0);
    let skip = |mut at: usize, of: fn(&u8) -> bool| {
        while bytes.get(at).is_some_and(of) {
            at += 1;
        }
        at
    };
    // The first one may have none: `myKey2`.
    let small = skip(0, u8::is_ascii_lowercase);
    if small > 1 {
        at = skip(small, u8::is_ascii_digit);
        words = 1;
    }
    while at < bytes.len() {
        let capitals = skip(at, u8::is_ascii_uppercase);
        if capitals == at {
            return false;
        }
        at = skip(skip(capitals, u8::is_ascii_lowercase), u8::is_ascii_digit);
        words += 1;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    (2..=5).contains(&words) && digits <= 6 && value.len() >= 4 * words
}

/// Whether it is where something lies: a path or an address.
pub(super) fn place(value: &str) -> bool {
    let start = value.trim_start_matches('~').trim_start_matches('.');
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b);
    value.contains("://")
        || (start.starts_with('/') && value.bytes().filter(|b| *b == b'/').count() > 1)
            && value
                .bytes()
                .skip_while(|b| *b == b'~')
                .all(|b| plain(b) || b.is_ascii_uppercase())
        || value.contains('/') && value.bytes().all(plain)
}
