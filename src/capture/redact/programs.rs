//! Passwords at the places where the grammar of a program has nothing but a password, so that even
//! letters alone are one: `… | chpasswd`, `htpasswd -b`, `lftp -u user,…`, `expect` scripts, SQL's
//! `IDENTIFIED BY`, `.netrc`. Pure.
//!
//! **Source:** the manual pages of these programs.

use super::commands::{SHORTEST, command, hit, word};
use super::needles::Needles;
use super::{Hit, value};

/// How far behind a question a script may answer it, and behind `<<` its lines reach, in bytes.
const REACH: usize = 512;

/// What takes lines `user:password` from its input.
const PAIRS: &str = "chpasswd";
/// What takes a password from its input and nothing else.
const TAKES: [&str; 12] = [
    "sudo -S",
    "sudo -kS",
    "sudo --stdin",
    "sudo passwd",
    "| passwd",
    "passwd --stdin",
    "--password-stdin",
    "--passphrase-fd 0",
    "kinit ",
    "cryptsetup ",
    "vncpasswd -f",
    "smbpasswd -s",
];
/// Programs whose first word that is no option is the password.
const ALONE: [&str; 3] = ["rclone obscure ", "mkpasswd ", "openssl passwd "];
/// Options of these that have a word behind them.
const TAKE_A_WORD: [&str; 5] = ["-m", "-S", "-salt", "-R", "-s"];

static STARTS: Needles<17> = Needles::new([
    " -U ",
    PAIRS,
    "echo ",
    "printf ",
    "<<",
    "htpasswd",
    "lftp",
    "send",
    "machine ",
    "net use ",
    "IDENTIFIED BY ",
    "identified by ",
    "PASSWORD '",
    "password '",
    ALONE[0],
    ALONE[1],
    ALONE[2],
]);

/// Finds them.
pub(super) fn find(text: &str, hits: &mut Vec<Hit>) {
    STARTS.each(text, |word, end| match word {
        "echo " | "printf " => piped(text, end, hits),
        "<<" => here(text, end, hits),
        " -U " => hits.extend(samba(text, end)),
        "htpasswd" => hits.extend(htpasswd(text, end)),
        "lftp" => lftp(text, end, hits),
        "send" => hits.extend(answer(text, end)),
        "machine " => hits.extend(netrc(text, end)),
        "net use " => hits.extend(share(text, end)),
        "IDENTIFIED BY " | "identified by " => hits.extend(of_user(text, end)),
        "PASSWORD '" | "password '" => hits.extend(of_user(text, end - 1)),
        _ if ALONE.contains(&word) => hits.extend(alone(text, end)),
        _ => {}
    });
}

/// Whether a word is a password where nothing else can stand.
fn is_one(word: &str) -> bool {
    word.len() >= SHORTEST && !value::stands_in(word) && !value::place(word)
}

fn one(start: usize, word: &str) -> Option<Hit> {
    is_one(word).then(|| hit(start, word.len()))
}

/// The words of the command that goes on at `at`, without their quotes, and where they stand.
fn words(text: &str, at: usize) -> Vec<(usize, &str)> {
    let command = command(text, at);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(gap) = command[from..].find(|c: char| !c.is_whitespace()) {
        from += gap;
        if command[from..].starts_with("\\\n") {
            from += 2;
            continue;
        }
        let (skip, inside) = word(&command[from..]);
        if skip == 0 && inside.is_empty() {
            // `|`, `>` and the like: another command, or where this one writes to.
            break;
        }
        found.push((at + from + skip, inside));
        from += 2 * skip + inside.len();
        if from >= command.len() || !command.is_char_boundary(from) {
            break;
        }
    }
    found
}

/// Lines of `text`, also where a `\n` is written out, and where they start.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split('\n')
        .flat_map(|line| line.split("\\n"))
        .map(move |line| {
            let start = at;
            let behind = text.get(at + line.len()..).unwrap_or_default();
            at += line.len() + if behind.starts_with('\n') { 1 } else { 2 };
            (start, line)
        })
}

/// Passwords of lines that a program is given which takes these: behind their users, if `paired`.
fn given(at: usize, text: &str, paired: bool, hits: &mut Vec<Hit>) {
    for (start, line) in lines(text) {
        if !paired {
            hits.extend(one(at + start, line).filter(|_| !line.contains(char::is_whitespace)));
        } else if let Some((user, password)) = line.split_once(':')
            && !user.contains(char::is_whitespace)
        {
            hits.extend(one(at + start + user.len() + 1, password));
        }
    }
}

/// What the program `to` takes from its input: pairs, or a password alone.
fn takes(to: &str) -> Option<bool> {
    if to.contains(PAIRS) {
        return Some(true);
    }
    TAKES.iter().any(|name| to.contains(name)).then_some(false)
}

/// `echo … | chpasswd`, `printf … | sudo -S …`.
fn piped(text: &str, at: usize, hits: &mut Vec<Hit>) {
    let command = command(text, at);
    let mut start = 0;
    for option in [
        "-n ",
        "-e ",
        "-en ",
        "-ne ",
        "%s ",
        "'%s\\n' ",
        "\"%s\\n\" ",
    ] {
        start += command[start..].len() - command[start..].trim_start_matches(option).len();
    }
    let (skip, word) = word(&command[start..]);
    let rest = &command[start + skip + word.len()..];
    let rest = rest.trim_start_matches(['"', '\'', ' ']);
    if rest.starts_with('|')
        && let Some(paired) = takes(rest)
    {
        given(at + start + skip, word, paired, hits);
    }
}

/// `chpasswd <<< "user:…"`, and lines up to the word behind `<<`.
fn here(text: &str, at: usize, hits: &mut Vec<Hit>) {
    // `cat << END | chpasswd` has it behind.
    let before = text[..at - 2].rsplit('\n').next().unwrap_or_default();
    let behind = command(text, at);
    let Some(paired) = takes(before).or_else(|| takes(behind)) else {
        return;
    };
    if let Some(rest) = text[at..].strip_prefix('<') {
        let gap = rest.len() - rest.trim_start_matches(' ').len();
        let (skip, word) = word(&rest[gap..]);
        given(at + 1 + gap + skip, word, paired, hits);
        return;
    }
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(REACH)];
    let Some((first, body)) = rest.split_once('\n') else {
        return;
    };
    let (_, ends) = word(first.trim_start_matches(['-', ' ']));
    let mut close = body.match_indices('\n').map(|(at, _)| at + 1).chain([0]);
    let close = close.find(|at| body[*at..].lines().next().map(str::trim) == Some(ends));
    given(
        at + first.len() + 1,
        &body[..close.unwrap_or(body.len())],
        paired,
        hits,
    );
}

/// `htpasswd -b FILE USER …`, `htpasswd -nb USER …`.
fn htpasswd(text: &str, at: usize) -> Option<Hit> {
    let words = words(text, at);
    let flags = |word: &str| {
        let letters = word.strip_prefix('-').unwrap_or_default();
        !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let first = words
        .iter()
        .position(|(_, word)| flags(word) && word.contains('b'))?;
    let shown = words
        .iter()
        .any(|(_, word)| flags(word) && word.contains('n'));
    let mut told = Vec::new();
    let mut rest = words[first + 1..].iter();
    while let Some((start, word)) = rest.next() {
        match *word {
            "-C" | "-r" => drop(rest.next()),
            word if word.starts_with('-') => {}
            word => told.push((*start, word)),
        }
    }
    let (start, word) = told.get(if shown { 1 } else { 2 })?;
    one(*start, word)
}

/// `-U USER%…` of the programs of Samba.
fn samba(text: &str, at: usize) -> Option<Hit> {
    let (skip, word) = word(&text[at..]);
    let (user, password) = word.split_once('%')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-\\".contains(c);
    let named = !user.is_empty() && user.chars().all(plain);
    one(at + skip + user.len() + 1, password).filter(|_| named)
}

/// `lftp -u USER,…`, also of the `open` within it.
fn lftp(text: &str, at: usize, hits: &mut Vec<Hit>) {
    let command = command(text, at);
    for option in [" -u ", " --user "] {
        for (found, _) in command.match_indices(option) {
            let start = found + option.len();
            let (skip, word) = word(&command[start..]);
            if let Some((user, password)) = word.split_once(',') {
                hits.extend(one(at + start + skip + user.len() + 1, password));
            }
        }
    }
}

/// What a script of `expect` sends where it was asked for a password.
fn answer(text: &str, at: usize) -> Option<Hit> {
    let rest = &text[at..];
    let rest = rest.strip_prefix("line").unwrap_or(rest);
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let rest = rest.trim_start_matches([' ', '-', 'h', 's']);
    let mark = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = &rest[1..];
    let inside = &inside[..inside.find([mark, '\n'])?];
    // Within the quotes of a shell, too: `\"…\"`.
    let password = inside.trim_end_matches('\\');
    let ends = ["\\r", "\\n"];
    let password = ends.iter().fold(password, |word, end| {
        let short = word.strip_suffix(end).unwrap_or(word);
        ends.iter()
            .fold(short, |word, end| word.strip_suffix(end).unwrap_or(word))
    });
    let before = &text[text.floor_char_boundary(at.saturating_sub(REACH))..at - 4];
    let asked = ["assword", "assphrase", "asscode"];
    let asked = asked.iter().filter_map(|word| before.rfind(word)).max()?;
    let waits = |(at, _): (usize, &str)| {
        let behind = &before[at + 6..asked];
        let script = behind
            .trim_start_matches("_exact")
            .trim_start_matches(['(', '[']);
        let starts =
            script.starts_with([' ', '{', '"', '\'', '\n', '\t']) || script.starts_with("r'");
        starts && behind.len() < REACH
    };
    let expected = before[..asked].match_indices("expect").any(waits);
    let again = before[asked..].contains("send");
    (expected && !again && !password.contains(char::is_whitespace))
        .then(|| one(text.len() - rest.len() + 1, password))?
}

/// `machine HOST login USER password …` of `.netrc`.
fn netrc(text: &str, at: usize) -> Option<Hit> {
    let rest = &text[at..];
    let rest = &rest[..rest.floor_char_boundary(REACH)];
    let start = |word: &str| word.as_ptr() as usize - rest.as_ptr() as usize;
    let mut words = rest.split_ascii_whitespace();
    let _host = words.next()?;
    let mut login = false;
    while let (Some(name), Some(told)) = (words.next(), words.next()) {
        match name {
            "login" | "account" => login = true,
            // Without one, it is a sentence.
            "password" if login => return one(at + start(told), told),
            _ => return None,
        }
    }
    None
}

/// `net use Z: \\HOST\SHARE … /user:…`.
fn share(text: &str, at: usize) -> Option<Hit> {
    let words = words(text, at);
    let shared = words
        .iter()
        .position(|(_, word)| word.starts_with("\\\\"))?;
    let (start, word) = words.get(shared + 1)?;
    one(*start, word).filter(|_| !word.starts_with('/'))
}

/// A literal behind what SQL has before the password of a user.
fn of_user(text: &str, at: usize) -> Option<Hit> {
    let line = &text[text.floor_char_boundary(at.saturating_sub(REACH))..at];
    let line = line.rsplit([';', '\n']).next().unwrap_or_default();
    let line = line.to_ascii_lowercase();
    let makes = ["create ", "alter ", "or replace ", "if not exists "];
    let whom = ["user ", "role ", "login "];
    let makes = makes.iter().any(|verb| {
        line.match_indices(verb).any(|(at, _)| {
            whom.iter()
                .any(|whom| line[at + verb.len()..].starts_with(whom))
        })
    });
    if !makes && !line.contains("grant ") && !line.contains("set password") {
        return None;
    }
    let (skip, word) = word(&text[at..]);
    one(at + skip, word).filter(|_| skip > 0)
}

/// The first word that is no option.
fn alone(text: &str, at: usize) -> Option<Hit> {
    let words = words(text, at);
    let mut rest = words.iter();
    while let Some((start, word)) = rest.next() {
        if TAKE_A_WORD.contains(word) {
            rest.next();
        } else if !word.starts_with('-') {
            return one(*start, word);
        }
    }
    None
}
