//! What a line of a reflog says. Pure.
//!
//! **Source:** git 2.47: `refs/files-backend.c` writes `OLD NEW NAME <MAIL> SECONDS ZONE\tMESSAGE`,
//! one line for each movement of `HEAD`, before the reference itself moves. The first words of the
//! message come of the command (`GIT_REFLOG_ACTION` may put others there): `builtin/commit.c`,
//! `sequencer.c`, `builtin/merge.c`, `builtin/pull.c`, `builtin/am.c`.

use chrono::{DateTime, Utc};

use crate::core::model::time;

/// A movement of `HEAD`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Where it was, as a full id; nothing before the first commit.
    pub old: Option<String>,
    /// Where it is, as a full id.
    pub new: String,
    /// When, to the second.
    pub at: DateTime<Utc>,
    /// What moved it.
    pub what: Move,
}

/// What moved `HEAD`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// Nothing new came of it: a checkout, a reset, a fast-forward.
    Skip,
    /// A commit was made.
    Commit,
    /// A commit replaced the one before: the line's old id.
    Amend,
    /// A commit was made of another one, as a rebase and a cherry-pick do.
    Pick,
    /// A commit of several others, as a rebase melts them.
    Melt,
    /// A command that is not known: the commit may be new or old.
    Unknown,
}

/// Reads a line, without its end; nothing if it is none.
#[must_use]
pub fn parse(line: &[u8]) -> Option<Line> {
    let (head, message) = match memchr::memchr(b'\t', line) {
        Some(tab) => (&line[..tab], &line[tab + 1..]),
        None => (line, &b""[..]),
    };
    let (old, rest) = id(head)?;
    let (new, rest) = id(rest)?;
    // A name may hold anything but `<`, `>` and line breaks: the time is behind the last `>`.
    let close = memchr::memrchr(b'>', rest)?;
    let mut words = rest[close + 1..].split(u8::is_ascii_whitespace);
    let seconds = words.find(|word| !word.is_empty())?;
    let seconds = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    // One that was removed, or stayed where it was, brings nothing.
    let what = if is_null(new) || old == new {
        Move::Skip
    } else {
        movement(message)
    };
    Some(Line {
        old: (!is_null(old)).then(|| old.to_owned()),
        new: new.to_owned(),
        at: time::from_seconds(seconds)?,
        what,
    })
}

/// An id of SHA-1 or SHA-256 and a space, and what follows.
fn id(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    let word = std::str::from_utf8(&text[..end]).ok()?;
    is_id(word).then(|| (word, &text[end + 1..]))
}

/// Whether this is the full id of an object: what may be given to git as one.
#[must_use]
pub fn is_id(word: &str) -> bool {
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    matches!(word.len(), 40 | 64) && word.bytes().all(lower)
}

fn is_null(id: &str) -> bool {
    id.bytes().all(|b| b == b'0')
}

/// What the message of a line says of its movement.
#[must_use]
pub fn movement(message: &[u8]) -> Move {
    // Subjects follow a colon and a space; a command holds none.
    let message = String::from_utf8_lossy(&message[..message.len().min(512)]);
    let (command, detail) = message.split_once(": ").unwrap_or((&message, ""));
    let command = command.trim();
    if detail.trim_end() == "Fast-forward" {
        return Move::Skip;
    }
    let first = command.split(' ').next().unwrap_or_default();
    // `rebase (pick)`, `rebase -i (fixup)`, `pull --rebase origin main (finish)`.
    let step = command
        .rsplit_once('(')
        .and_then(|(_, step)| step.strip_suffix(')'));
    match (first, step) {
        ("commit", Some("amend")) => Move::Amend,
        ("commit", Some("cherry-pick")) | ("cherry-pick", _) => Move::Pick,
        ("commit" | "revert" | "am" | "merge", _) | ("pull", None) => Move::Commit,
        ("rebase" | "pull", Some(step)) => rebasing(step),
        // Of git before 2.7: `rebase: SUBJECT`; `rebase finished: returning to …`.
        ("rebase", None) if command == "rebase" => Move::Pick,
        ("checkout" | "reset" | "clone" | "branch" | "Branch" | "rebase" | "initial", _) => {
            Move::Skip
        }
        _ => Move::Unknown,
    }
}

/// What a step of a rebase makes.
fn rebasing(step: &str) -> Move {
    match step {
        "pick" | "reword" | "edit" | "continue" | "merge" => Move::Pick,
        "fixup" | "squash" => Move::Melt,
        _ => Move::Skip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn line(old: &str, new: &str, message: &str) -> Option<Line> {
        let text = format!("{old} {new} A B <a@b.c> 1795888800 +0100\t{message}");
        parse(text.as_bytes())
    }

    /// As git 2.47 writes them, but for the older forms that are marked.
    #[test]
    fn each_operation_is_told_by_its_message() {
        for (message, what) in [
            ("commit: Add the cart", Move::Commit),
            ("commit (initial): Begin", Move::Commit),
            ("commit (merge): Merge branch 'x'", Move::Commit),
            ("commit (amend): Add the cart", Move::Amend),
            ("commit (cherry-pick): Add", Move::Pick),
            ("cherry-pick: Add", Move::Pick),
            ("revert: Revert \"Add\"", Move::Commit),
            ("am: Add", Move::Commit),
            ("merge x: Merge made by the 'ort' strategy.", Move::Commit),
            ("merge x: Fast-forward", Move::Skip),
            ("pull: Fast-forward", Move::Skip),
            (
                "pull origin main: Merge made by the 'ort' strategy.",
                Move::Commit,
            ),
            ("pull --rebase (start): checkout 2222", Move::Skip),
            ("pull --rebase (pick): Add", Move::Pick),
            (
                "pull --rebase (finish): returning to refs/heads/main",
                Move::Skip,
            ),
            ("rebase (start): checkout main", Move::Skip),
            ("rebase (pick): Add (again): yes", Move::Pick),
            ("rebase (reword): Add", Move::Pick),
            ("rebase (edit): Add", Move::Pick),
            ("rebase (continue): Add", Move::Pick),
            ("rebase (fixup): Add", Move::Melt),
            ("rebase (squash): Add", Move::Melt),
            ("rebase (finish): returning to refs/heads/x", Move::Skip),
            ("rebase (abort): returning to refs/heads/x", Move::Skip),
            ("rebase (reset): 'onto'", Move::Skip),
            // Of git before 2.26.
            ("rebase -i (pick): Add", Move::Pick),
            ("rebase -i (finish): returning to refs/heads/x", Move::Skip),
            ("rebase: Add", Move::Pick),
            ("rebase finished: returning to refs/heads/x", Move::Skip),
            ("checkout: moving from main to x", Move::Skip),
            ("reset: moving to HEAD~1", Move::Skip),
            ("clone: from /srv/shop", Move::Skip),
            ("Branch: renamed refs/heads/a to refs/heads/b", Move::Skip),
            ("initial pull", Move::Skip),
            ("export from jj", Move::Unknown),
            ("", Move::Unknown),
            ("commit-of-mine: x", Move::Unknown),
        ] {
            assert_eq!(line(A, B, message).unwrap().what, what, "{message}");
        }
    }

    #[test]
    fn a_line_is_read_whatever_its_name_holds() {
        let at = time::from_seconds(1_795_888_800).unwrap();
        let plain = line(A, B, "commit: x").unwrap();
        assert_eq!(
            (plain.old.as_deref(), &*plain.new, plain.at),
            (Some(A), B, at)
        );
        let null = "0".repeat(40);
        assert_eq!(line(&null, B, "commit (initial): x").unwrap().old, None);
        assert_eq!(line(A, &null, "").unwrap().what, Move::Skip);
        // A stash moves nothing.
        assert_eq!(
            line(A, A, "reset: moving to HEAD").unwrap().what,
            Move::Skip
        );
        let sha256 = "a".repeat(64);
        assert_eq!(line(A, &sha256, "commit: x").unwrap().new, sha256);
        let odd = [
            format!("{A} {B} \u{ff} <<a> b> 1795888800 -0500\tcommit: a\tb").into_bytes(),
            [
                format!("{A} {B} ").as_bytes(),
                b"\xfe\xff <> 1795888800 +0000\tcommit: \xff",
            ]
            .concat(),
        ];
        for text in odd {
            assert_eq!(parse(&text).unwrap().what, Move::Commit, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for text in [
            String::new(),
            "\t".into(),
            A.into(),
            format!("{A} {B}"),
            format!("{A} {B} a <b>\tcommit: x"),
            format!("{A} {B} a <b> soon +0000\tcommit: x"),
            format!("{A} {B} a <b> 99999999999999999999 +0000\tcommit: x"),
            format!("{A} {B} a <b> -5 +0000\tcommit: x"),
            format!("{A} --upload-pack=x a <b> 1795888800 +0000\tcommit: x"),
            format!("{} {B} a <b> 1795888800 +0000\tcommit: x", &A[1..]),
            format!(
                "{A} {} a <b> 1795888800 +0000\tcommit: x",
                B.replace('2', "G")
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
