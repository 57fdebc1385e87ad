//! Values that are known to be secret: those of a session's environment and of `.env` files. Pure.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::{Hit, value};
use crate::core::sorted::Gather as _;

/// Shortest value that is marked, in bytes: shorter ones are words of any text.
const SHORTEST: usize = 8;
/// Longest value that is looked for, in bytes.
const LONGEST: usize = 8 * 1024;
/// Most values.
const MOST: usize = 1000;
/// Shortest start of a value at the end of a text, in bytes, for the text to have been cut in it;
/// and where the text says that it was.
const STARTS: (usize, usize) = (8, 4);

/// Parts of names whose values are secret, as words between `_`, `-` or `.`.
const WORDS: [&str; 20] = [
    "key",
    "keys",
    "apikey",
    "token",
    "tokens",
    "secret",
    "secrets",
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "pw",
    "credential",
    "credentials",
    "auth",
    "dsn",
    "pat",
    "jwt",
    "webhook",
];
/// Ends of names that are one word: `PGPASSWORD`.
const ENDS: [&str; 6] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
];

/// Values to look for.
#[derive(Debug)]
pub(super) struct Known {
    finders: Vec<Finder<'static>>,
    values: Vec<String>,
}

impl Known {
    pub(super) fn new(values: Vec<String>) -> Self {
        let fits = |value: &String| (SHORTEST..=LONGEST).contains(&value.len());
        // A mark's own words are no secret: they would be marked over and over.
        let own = |value: &String| !super::MARK.contains(value.as_str());
        let values: BTreeSet<String> = values
            .into_iter()
            .map(|value| value.trim().to_owned())
            .filter(|value| fits(value) && own(value))
            .take(MOST)
            .gather();
        let mut wanted = BTreeSet::new();
        for value in &values {
            wanted.insert(value.clone());
            wanted.extend(value.lines().map(str::to_owned).filter(fits).filter(own));
            wanted.insert(percent(value));
            wanted.extend((0..3).filter_map(|before| base64_core(value.as_bytes(), before)));
        }
        let finders = wanted.iter().map(|value| Finder::new(value).into_owned());
        Self {
            finders: finders.collect(),
            values: values.into_iter().collect(),
        }
    }

    pub(super) fn find(&self, text: &str, hits: &mut Vec<Hit>) {
        for finder in &self.finders {
            let len = finder.needle().len();
            hits.extend(finder.find_iter(text.as_bytes()).map(|at| Hit {
                range: at..at + len,
                rule: "environment",
            }));
        }
        let end = text.trim_end_matches('…');
        let least = if end.len() < text.len() {
            STARTS.1
        } else {
            STARTS.0
        };
        for value in &self.values {
            let most = (value.len() - 1).min(end.len());
            let starts =
                |len: &usize| value.is_char_boundary(*len) && end.ends_with(&value[..*len]);
            if let Some(len) = (least..=most).rev().find(starts) {
                hits.push(Hit {
                    range: end.len() - len..end.len(),
                    rule: "environment",
                });
            }
        }
    }
}

/// The values out of the `pairs` of an environment, or of [`env_file`], that have to be taken out of
/// texts: those whose name says so, and passwords in URLs.
pub fn secrets<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut out = BTreeSet::new();
    for (name, text) in pairs {
        let text = text.trim();
        if text.len() < SHORTEST {
            continue;
        }
        if let Some((user, password)) = super::places::userinfo(text) {
            // A DSN without a password has its key there.
            let secret = password.unwrap_or(user);
            if secret.len() >= SHORTEST && !value::stands_in(secret) {
                out.insert(secret.to_owned());
            }
        }
        let number = text.bytes().all(|b| b.is_ascii_digit()) && text.len() < 12;
        if is_secret(name) && !value::stands_in(text) && !value::place(text) && !number {
            out.insert(text.to_owned());
        }
    }
    out.into_iter().collect()
}

/// Whether a variable of this name holds a secret.
fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if matches!(lower.as_str(), "pwd" | "oldpwd") {
        return false;
    }
    ENDS.iter().any(|end| lower.ends_with(end))
        || lower
            .split(['_', '-', '.'])
            .any(|word| WORDS.contains(&word))
}

/// The names and values of a `.env` file: `NAME=value`, perhaps in quotes or behind `export`.
#[must_use]
pub fn env_file(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.lines().take(10 * MOST) {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if name.is_empty() || !name.bytes().all(plain) {
            continue;
        }
        let quote = value
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\'' | '`'));
        let value = match quote {
            Some(quote) => value[1..].split(quote).next().unwrap_or_default(),
            None => value.split(" #").next().unwrap_or_default().trim_end(),
        };
        pairs.push((name.to_owned(), value.to_owned()));
    }
    pairs
}

/// `value` as a URL has it.
fn percent(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What base64 makes of `value` wherever it stands: without the characters that hold bits of what is
/// around it, if `before` bytes (modulo three) stand in front. Nothing for what is too short to tell.
fn base64_core(value: &[u8], before: usize) -> Option<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // So many bytes of it share a group with others.
    let skip = (3 - before % 3) % 3;
    let groups = value.get(skip..)?.chunks_exact(3);
    let mut out = String::new();
    for group in groups {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            out.push(char::from(DIGITS[(bits >> shift & 63) as usize]));
        }
    }
    (out.len() >= SHORTEST + 4).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_which_variables_are_secret() {
        for name in [
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "DB_PASS",
            "PGPASSWORD",
            "SENTRY_DSN",
            "client-secret",
            "AWS_SECRET_ACCESS_KEY",
            "NPM_AUTH",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "PWD",
            "OLDPWD",
            "HOME",
            "KEYBOARD",
            "XKB_KEYMAP",
            "COMPASS",
            "PATH",
            "MONKEY_ISLAND",
            "TOKENIZERS_PARALLELISM",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_taken_from_an_environment() {
        let taken = |name, value| secrets([(name, value)]);
        assert_eq!(taken("SHOP_TOKEN", "blue moon 7"), ["blue moon 7"]);
        assert!(taken("SHOP_TOKEN", "short").is_empty());
        assert!(taken("SSH_AUTH_SOCK", "/run/user/1000/ssh-agent.socket").is_empty());
        assert!(taken("SHOP_TOKEN", "your-token-here").is_empty());
        assert!(taken("SHOP_NAME", "blue moon 7").is_empty());
        assert_eq!(
            taken("DATABASE", "postgres://shop:blue-moon-7@db/shop"),
            ["blue-moon-7"]
        );
        assert_eq!(
            taken("REPORTS", "https://0123456789abcdef@o1.ingest/1"),
            ["0123456789abcdef"]
        );
    }

    #[test]
    fn a_file_of_variables_is_read_as_shells_do() {
        let text = "# a\nexport A='x y' # z\nB=\"1#2\"\nC = plain # no\n\nD=a=b\nnot one\n";
        let want = [("A", "x y"), ("B", "1#2"), ("C", "plain"), ("D", "a=b")];
        let got = env_file(text);
        let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn base64_of_a_value_is_found_wherever_it_stands() {
        // "open sesame!" alone, behind one and behind two bytes.
        for (before, text) in [
            "b3BlbiBzZXNhbWUh",
            "eG9wZW4gc2VzYW1lIQ==",
            "eHhvcGVuIHNlc2FtZSE=",
        ]
        .iter()
        .enumerate()
        {
            let core = base64_core(b"open sesame!", before).unwrap();
            assert!(text.contains(&core), "{text} {core}");
        }
    }
}
