//! What a value tells: whether it can be a secret, or only stands for one. Pure.

/// Words that stand for a secret, without what is no letter.
const STAND_INS: [&str; 31] = [
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
    "sample",
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
    "****",
    "...",
    "dummy",
    "abcdefghij",
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
    // A sealed secret of Kubernetes, which only its cluster can open.
    if value.len() > 128 && (value.starts_with("AgA") || value.starts_with("AgB")) {
        return true;
    }
    if value.len() > 256 {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    if STAND_IN_PARTS.iter().any(|part| lower.contains(part))
        || ["xxxx", "XXXX"].iter().any(|part| value.contains(part))
    {
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

/// Whether it looks random by itself, whatever stands before it: letters of both cases that make no
/// words, with digits among them or a sign, in what is neither a name nor a place.
pub(super) fn random(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"'`[]{}<>".contains(&b);
    let sign = value.bytes().any(|b| b"!$%^@".contains(&b));
    let upper = value.bytes().any(|b| b.is_ascii_uppercase());
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    let turns = value.as_bytes().windows(2);
    let turns = turns.filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
    let turned = (turns.count() >= 2 || !spoken(value)) && upper && lower || value.len() >= 16;
    let made = mixed(value) && (turned && (upper && lower || hexadecimal(value)) || sign);
    value.len() >= 8
        && (made || jumbled(value))
        && value.bytes().all(plain)
        && !value.starts_with(['&', '-', '/', '.'])
        && (value.len() >= 24 || !value.contains('+'))
        && !value.contains("::")
        && !name(value)
        && !place(value)
        && !stands_in(value)
}

/// Whether it changes between small letters, capitals and digits as often as random ones do, and far
/// more often than any name.
pub(super) fn scrambled(value: &str) -> bool {
    let class = |b: u8| match b {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = value.as_bytes();
    let changes = bytes
        .windows(2)
        .filter(|two| class(two[0]) != class(two[1]))
        .count();
    let plain = value.bytes().filter(u8::is_ascii_alphanumeric).count();
    let id = value
        .split_once('_')
        .is_some_and(|(kind, _)| kind.bytes().all(|b| b.is_ascii_lowercase()));
    value.len() >= 10
        && plain * 8 >= value.len() * 7
        && 12 * changes >= 5 * (value.len() - 1)
        && mixed(value)
        && both_cases(value)
        && !id
        && !["AAAA", "MII", "0x"]
            .iter()
            .any(|start| value.starts_with(start))
        && !spoken(value)
        && !stands_in(value)
}

/// Whether it has letters and then a sign that words do not have.
pub(super) fn signed(value: &str) -> bool {
    let letters = value.bytes().filter(u8::is_ascii_alphanumeric).count();
    let sign = |b: u8| b"!$%^&#".contains(&b);
    let plain = |b: u8| b.is_ascii_alphanumeric() || sign(b) || b"-_.@".contains(&b);
    let first = value
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    first
        && letters >= 6
        && value.len() >= 8
        && value.bytes().any(sign)
        && value.bytes().all(plain)
        && !stands_in(value)
}

/// Whether a digit stands for a letter within a word of it, as people write passwords: `t34p0t-lid`.
pub(super) fn respelt(value: &str) -> bool {
    let bytes = value.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_!.#&".contains(b);
    let spells = |b: u8| matches!(b, b'0' | b'1' | b'3' | b'4' | b'5' | b'7' | b'9');
    let letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    let within = |at: usize| {
        let len = bytes[at..].iter().take_while(|b| spells(**b)).count();
        (1..=2).contains(&len) && letter(at + len)
    };
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    value.len() >= 8
        && letters >= 5
        && bytes.iter().all(plain)
        && (1..bytes.len()).any(|at| letter(at - 1) && within(at))
        && !value.contains("::")
        && !stands_in(value)
}

/// Whether it is letters of both cases that make no words.
pub(super) fn jumbled(value: &str) -> bool {
    let value = value.trim_end_matches(['.', '!', '?', '#', '$', '*']);
    let letters = value.bytes().all(|b| b.is_ascii_alphabetic());
    letters && value.len() >= 8 && both_cases(value) && !spoken(value)
}

/// Whether it is four times four small letters, as the big mail services give them to programs.
pub(super) fn app_password(value: &str) -> bool {
    let four = |word: &str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_lowercase());
    value.split(' ').count() == 4 && value.split(' ').all(four)
}

/// Whether it is digits of base 16 alone, as machines make them.
pub(super) fn hexadecimal(value: &str) -> bool {
    value.len() >= 24 && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
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
    plain && word.len() - letters.len() <= 5 || snake(word) || camel(word)
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
    (2..=5).contains(&words) && digits <= 6 && value.len() >= 4 * words && spoken(value)
}

/// Whether two thirds of its letters are of words that can be spoken, one short acronym aside.
/// Random letters seldom are.
fn spoken(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (mut said, mut acronym, mut at) = (0, 0, 0);
    while at < bytes.len() {
        let len = word_len(&bytes[at..]);
        let word = &bytes[at..at + len.max(1)];
        at += word.len();
        if len >= 3 && word[1].is_ascii_lowercase() && syllables(word) {
            said += len;
        } else if len <= 5 && word.iter().all(u8::is_ascii_uppercase) {
            acronym = acronym.max(len);
        }
    }
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let digits = if digits > 2 { digits } else { 0 };
    3 * said + 2 * acronym >= 2 * letters && said > 0 && 2 * said + acronym >= letters + digits
}

/// How many letters the word or acronym has that `bytes` starts with: in `HTTPServer`, 4.
fn word_len(bytes: &[u8]) -> usize {
    let run = |bytes: &[u8], of: fn(&u8) -> bool| bytes.iter().take_while(|b| of(b)).count();
    let capitals = run(bytes, u8::is_ascii_uppercase);
    let small = run(&bytes[capitals..], u8::is_ascii_lowercase);
    match capitals {
        0 | 1 => capitals + small,
        _ if small == 0 => capitals,
        _ => capitals - 1,
    }
}

/// Whether a word has a vowel, and no more consonants in a row than words have.
fn syllables(word: &[u8]) -> bool {
    let vowels: &[u8] = if word.len() > 3 {
        b"aeiouyAEIOUY"
    } else {
        b"aeiouAEIOU"
    };
    let parts = word.split(|b| vowels.contains(b));
    let longest = parts.clone().map(<[u8]>::len).max().unwrap_or(0);
    parts.count() > 1 && longest <= if word.len() > 5 { 4 } else { 3 }
}

/// Whether it is where something lies: a path or an address.
pub(super) fn place(value: &str) -> bool {
    let start = value.trim_start_matches('~').trim_start_matches('.');
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b);
    let coded = |b: u8| b.is_ascii_alphanumeric() || b"/+=".contains(&b);
    let jumbled = |part: &str| part.len() >= 10 && both_cases(part) && mixed(part) && !name(part);
    if value.len() >= 32 && value.bytes().all(coded) && value.split('/').any(jumbled) {
        return false;
    }
    value.contains("://")
        || (start.starts_with('/') && value.bytes().filter(|b| *b == b'/').count() > 1)
            && value
                .bytes()
                .skip_while(|b| *b == b'~')
                .all(|b| plain(b) || b.is_ascii_uppercase())
        || value.contains('/') && value.bytes().all(plain)
}
