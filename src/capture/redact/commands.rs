//! Secrets in commands: behind an option that only this command has for one (`sshpass -p …`), as the
//! word behind `login`, or piped into what stores it. Pure.

use super::assign::chosen;
use super::needles::Needles;
use super::{Hit, value};

/// Longest command that is looked through, in bytes.
const REACH: usize = 1024;
/// Shortest password of a command, in bytes.
pub(super) const SHORTEST: usize = 6;
/// Shortest token that a program is told alone, in bytes.
const TOKEN: usize = 20;

/// How a value stands behind an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// As the next word.
    Apart,
    /// Without a space.
    Glued,
    /// Either way.
    Both,
}
use Stands::{Apart, Both, Glued};

/// The option, how the password stands, and whether any word behind it is one.
type Passwords = (&'static str, Stands, bool);

/// What starts such a command, with its options. **Source:** the manual pages of these programs.
const OPTIONS: [(&str, &[Passwords]); 27] = [
    ("mysql", &[(" -p", Glued, true)]),
    ("mariadb", &[(" -p", Glued, true)]),
    ("sshpass", &[(" -p", Both, true)]),
    ("login", &[(" -p ", Apart, false)]),
    ("redis-cli", &[(" -a ", Apart, true)]),
    ("ldap", &[(" -w ", Apart, false)]),
    (
        "nuget",
        &[(" -k ", Apart, false), (" -ApiKey ", Apart, false)],
    ),
    (
        "keytool",
        &[(" -storepass ", Apart, true), (" -keypass ", Apart, true)],
    ),
    (
        "jarsigner",
        &[(" -storepass ", Apart, true), (" -keypass ", Apart, true)],
    ),
    ("openssl", &[(" pass:", Glued, true)]),
    ("openssl enc", &[(" -k ", Apart, true)]),
    ("openssl aes", &[(" -k ", Apart, true)]),
    (
        "ssh-keygen",
        &[(" -N ", Apart, true), (" -P ", Apart, true)],
    ),
    ("hash-password", &[(" --plaintext ", Apart, true)]),
    ("mongo", &[(" -p ", Apart, false)]),
    ("cqlsh", &[(" -p ", Apart, false)]),
    ("sqlcmd", &[(" -P ", Apart, false)]),
    ("snowsql", &[(" -p ", Apart, false)]),
    ("mosquitto_", &[(" -P ", Apart, false)]),
    ("ipmitool", &[(" -P ", Apart, true)]),
    ("zip ", &[(" -P ", Apart, true)]),
    ("7z ", &[(" -p", Glued, true)]),
    (
        "secret set",
        &[(" --body ", Apart, false), (" -b ", Apart, false)],
    ),
    ("auth init", &[(" -t ", Apart, false)]),
    ("vercel", &[(" -t ", Apart, false)]),
    ("bw ", &[(" --session ", Apart, false)]),
    ("xfreerdp", &[(" /p:", Glued, true)]),
];
/// What a token follows as a word of its own.
const LOGINS: [&str; 9] = [
    "login ",
    " auth ",
    "authtoken ",
    "service install ",
    " unseal ",
    " --with-token ",
    "set-token ",
    " join ",
    "activate ",
];
/// What prints its words, perhaps into another program.
const PRINTS: [&str; 2] = ["echo ", "printf "];
/// Programs with a user and a password in one word, and the signs before and behind the password.
const WORDS: [(&str, char, char); 2] = [("sqlplus ", '/', '@'), ("smbclient ", '%', ' ')];

const STARTS: usize = OPTIONS.len() + LOGINS.len() + PRINTS.len() + WORDS.len();
/// All that starts one of them.
static ALL: Needles<STARTS> = Needles::new(starts());

const fn starts() -> [&'static str; STARTS] {
    let mut all = [""; STARTS];
    let mut at = 0;
    while at < OPTIONS.len() {
        all[at] = OPTIONS[at].0;
        at += 1;
    }
    let mut next = 0;
    while next < LOGINS.len() {
        all[at + next] = LOGINS[next];
        next += 1;
    }
    at += next;
    (all[at], all[at + 1]) = (PRINTS[0], PRINTS[1]);
    (all[at + 2], all[at + 3]) = (WORDS[0].0, WORDS[1].0);
    all
}

/// Finds them.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    ALL.each(text, |word, end| {
        for (_, passwords) in OPTIONS.iter().filter(|(start, _)| *start == word) {
            for password in *passwords {
                options(text, end, *password, hits);
            }
        }
        if LOGINS.contains(&word) {
            hits.extend(token(text, end));
        }
        if PRINTS.contains(&word) {
            hits.extend(piped(text, end));
        }
        for (_, from, to) in WORDS.iter().filter(|(start, ..)| *start == word) {
            hits.extend(between(text, end, *from, *to));
        }
    });
}

pub(super) fn hit(start: usize, len: usize) -> Hit {
    Hit {
        range: start..start + len,
        rule: "command",
    }
}

/// The rest of the command behind `at`, also in lines behind a `\`.
pub(super) fn command(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(REACH)];
    let mut lines = rest.match_indices('\n');
    let end = lines.find(|(at, _)| !rest[..*at].trim_end_matches('\r').ends_with('\\'));
    &rest[..end.map_or(rest.len(), |(at, _)| at)]
}

/// The word that `text` starts with, without its quotes, and how many bytes of them stand before it.
pub(super) fn word(text: &str) -> (usize, &str) {
    let mark = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let ends = |c: char| match mark {
        Some(mark) => c == mark || c == '\n',
        None => c.is_whitespace() || "\"'`;|&<>)".contains(c),
    };
    let skip = usize::from(mark.is_some());
    let rest = &text[skip..];
    (skip, &rest[..rest.find(ends).unwrap_or(rest.len())])
}

/// What stands behind an option of the command that goes on at `at`.
fn options(text: &str, at: usize, (option, stands, any): Passwords, hits: &mut Vec<Hit>) {
    // The first one may stand at the very space that ends the program's name.
    let at = at - usize::from(text[..at].ends_with(' '));
    let command = command(text, at);
    for (found, _) in command.match_indices(option) {
        let behind = &command[found + option.len()..];
        let gap = behind.len() - behind.trim_start_matches(' ').len();
        if (stands == Glued && gap > 0) || (stands == Apart && gap > 1) {
            continue;
        }
        let (skip, word) = word(&behind[gap..]);
        let odd = word.len() >= SHORTEST && !value::stands_in(word) && !word.starts_with('-');
        let wanted = any && !value::place(word);
        if odd && (wanted || chosen(word) || value::random(word)) {
            hits.push(hit(at + found + option.len() + gap + skip, word.len()));
        }
    }
}

/// A token alone, behind the word that takes it.
fn token(text: &str, at: usize) -> Option<Hit> {
    let (skip, word) = word(&text[at..]);
    let long = word.len() >= 2 * TOKEN;
    let plain =
        |b: u8| b.is_ascii_alphanumeric() || b"_-=".contains(&b) || long && b"+/".contains(&b);
    let made = (TOKEN..=2048).contains(&word.len()) && word.bytes().all(plain);
    (made && value::random(word)).then(|| hit(at + skip, word.len()))
}

/// What is written into a program that takes a secret from its input.
fn piped(text: &str, at: usize) -> Option<Hit> {
    let command = command(text, at);
    let start = command.len()
        - command
            .trim_start_matches("-n ")
            .trim_start_matches("%s ")
            .len();
    let (skip, word) = word(&command[start..]);
    let (_, to) = command[start + skip + word.len()..].split_once('|')?;
    let takes = ["stdin", "secret", "passw", "token", "login", "vault"];
    let taken = takes.iter().any(|word| to.contains(word));
    let secret =
        word.len() >= 8 && (value::random(word) || chosen(word)) && !value::stands_in(word);
    (taken && secret).then(|| hit(at + start + skip, word.len()))
}

/// `USER/PASSWORD@` or `USER%PASSWORD `.
fn between(text: &str, at: usize, from: char, to: char) -> Option<Hit> {
    let command = command(text, at);
    let (user, rest) = command.split_once(from)?;
    let ends = |c: char| c == to || c.is_whitespace() || "\"'".contains(c);
    let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
    let secret = word.len() >= SHORTEST && !value::stands_in(word);
    (secret && user.len() < 256).then(|| hit(at + user.len() + 1, word.len()))
}
