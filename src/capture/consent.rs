//! Whether a repository is captured, and how: `vmux/capture.toml` in its common git directory. It
//! moves with the repository, is never cloned, and holds for all its worktrees.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::model::time;
use crate::sys::files::{create_private_dir, read_bounded, write_atomic};
use crate::sys::git::{CAPTURED, Repository};

/// Largest file that is read, in bytes.
const CAP: usize = 64 << 10;
/// A file of this name at the top of a working tree forbids capture there, whoever asks for it: who
/// shares a repository may say so for all its users.
pub const FORBIDS: &str = ".vmux-capture-off";
/// Its name while capture is off.
const ASIDE: &str = "capture.off.toml";

/// How a repository is captured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Consent {
    /// What was committed since then counts.
    #[serde(deserialize_with = "time::deserialize")]
    pub since: Option<DateTime<Utc>>,
    /// Which answers are kept.
    pub answers: Answers,
    /// Whether what was pasted into prompts is kept.
    pub pasted: bool,
    /// Words as they are, or regular expressions between slashes: what they match is never kept.
    pub redact: Vec<String>,
    /// The same: of a prompt that one of them matches, only that there was one is kept.
    pub ignore: Vec<String>,
    /// A directory of the working tree into which each conversation is written, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// Which answers of an agent are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answers {
    /// None.
    None,
    /// The last of each turn.
    #[default]
    Last,
    /// All.
    All,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            since: None,
            answers: Answers::Last,
            pasted: false,
            redact: Vec::new(),
            ignore: Vec::new(),
            tree: None,
        }
    }
}

/// Where vmux keeps what it knows of a repository.
#[must_use]
pub fn place(common: &Path) -> PathBuf {
    common.join("vmux")
}

/// The file that says so.
#[must_use]
pub fn file(common: &Path) -> PathBuf {
    common.join(CAPTURED)
}

/// How a repository is captured; nothing if it is not.
///
/// # Errors
/// Those of reading the file, and `InvalidData` if it cannot be understood: then nothing is
/// captured, for it may say what must not be kept.
pub fn read(common: &Path) -> io::Result<Option<Consent>> {
    let bytes = match read_bounded(&file(common), CAP) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    parse(&String::from_utf8_lossy(&bytes)).map(Some)
}

/// Reads what the file holds. A key that is not known is an error, too: a slip in `redact` would
/// keep what must not be kept.
fn parse(text: &str) -> io::Result<Consent> {
    let bad = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| bad(error.to_string().trim_end().to_owned()))?;
    let known = ["since", "answers", "pasted", "redact", "ignore", "tree"];
    if let Some(odd) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(bad(format!("unknown key {odd:?}")));
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| bad(error.message().to_owned()))
}

/// Whether the working tree with this top forbids it.
#[must_use]
pub fn is_forbidden(top: &Path) -> bool {
    top.join(FORBIDS).symlink_metadata().is_ok()
}

/// Has a repository captured from now on; `false` if it is already. What its file said before it
/// was switched off holds again.
///
/// # Errors
/// Those of the file system.
pub fn allow(repository: &Repository, now: DateTime<Utc>) -> io::Result<bool> {
    let common = repository.common();
    if read(common)?.is_some() {
        return Ok(false);
    }
    let aside = place(common).join(ASIDE);
    let before = match read_bounded(&aside, CAP) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let text = text(before.as_deref().unwrap_or(SETTINGS), now);
    parse(&text)?;
    create_private_dir(&place(common))?;
    write_atomic(&file(common), text.as_bytes())?;
    if before.is_some() {
        fs::remove_file(aside)?;
    }
    Ok(true)
}

/// Ends it; `false` if it was not captured. What the file says is kept for the next time.
///
/// # Errors
/// Those of the file system.
pub fn forbid(common: &Path) -> io::Result<bool> {
    match fs::rename(file(common), place(common).join(ASIDE)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

const HEAD: &str =
    "# vmux keeps prompts and changes of coding sessions with this repository's commits.\n";
const SETTINGS: &str = "\
# Which answers: \"none\", \"last\" (of each turn) or \"all\".
answers = \"last\"
# What was pasted into prompts, too.
pasted = false
# Never kept: words as they are, or regular expressions between slashes.
redact = []
# Of prompts that match, only that there was one is kept.
ignore = []
# Write each conversation into this directory of the working tree, too.
# tree = \".prompts\"
";

/// The file's text, with `settings` as they are but for the time.
fn text(settings: &str, now: DateTime<Utc>) -> String {
    let mut text = HEAD.to_owned();
    let seconds = now.format("%Y-%m-%dT%H:%M:%SZ");
    text.push_str(&format!(
        "# What was committed since then.\nsince = \"{seconds}\"\n"
    ));
    let own = |line: &&str| {
        !line.starts_with("since")
            && *line != "# What was committed since then."
            && *line != HEAD.trim_end()
    };
    for line in settings.lines().filter(own) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::sys::git::{GitEnv, find};

    fn now() -> DateTime<Utc> {
        time::from_seconds(1_795_888_800).unwrap()
    }

    fn repository(dir: &Path) -> Repository {
        for part in ["objects", "refs"] {
            fs::create_dir_all(dir.join(".git").join(part)).unwrap();
        }
        fs::write(dir.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        find(dir, &GitEnv::default()).unwrap().unwrap()
    }

    #[test]
    fn it_is_asked_for_in_one_file_that_only_its_user_reads() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path());
        let common = repository.common();
        assert_eq!(read(common).unwrap(), None);
        assert!(allow(&repository, now()).unwrap());
        let given = Consent {
            since: Some(now()),
            ..Consent::default()
        };
        assert_eq!(read(common).unwrap(), Some(given));
        assert!(!allow(&repository, now()).unwrap(), "twice");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file(common)), mode(&place(common))), (0o600, 0o700));
        let entries = fs::read_dir(place(common)).unwrap();
        assert_eq!(entries.count(), 1);
    }

    #[test]
    fn what_was_said_comes_back_when_it_is_switched_on_again() {
        let dir = tempfile::tempdir().unwrap();
        let repository = repository(dir.path());
        let common = repository.common();
        allow(&repository, now()).unwrap();
        let own = "since = \"2026-01-01T00:00:00Z\"\nanswers = \"all\" # mine\nredact = [\"shop-[0-9]+\"]\n";
        fs::write(file(common), own).unwrap();
        assert!(forbid(common).unwrap());
        assert_eq!(read(common).unwrap(), None);
        assert!(!forbid(common).unwrap(), "twice");
        for _ in 0..2 {
            assert!(allow(&repository, now()).unwrap());
            let text = fs::read_to_string(file(common)).unwrap();
            assert!(text.contains("# mine"), "{text}");
            assert_eq!(text.matches("since = ").count(), 1, "{text}");
            let consent = read(common).unwrap().unwrap();
            assert_eq!(
                (consent.since, consent.answers),
                (Some(now()), Answers::All)
            );
            assert_eq!(consent.redact, ["shop-[0-9]+"]);
            forbid(common).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_understood_is_no_consent() {
        for (text, word) in [
            ("redact = \"x\"", "sequence"),
            ("redcat = [\"x\"]", "redcat"),
            ("answers = \"some\"", "some"),
            ("redact = [", "line"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(parse("").unwrap(), Consent::default());
        assert_eq!(parse("since = \"soon\"").unwrap().since, None);
    }
}
