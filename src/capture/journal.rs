//! Writes down what other coding tools tell of their conversations: without secrets, bounded, for
//! this user's eyes only. [`crate::agent::program::journal`] reads it.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::redact::Redactor;
use crate::agent::program::journal::{Created, EXTENSION, Entry};
use crate::core::model::ConversationId;
use crate::core::text::CleanText;
use crate::sys::files::create_private_dir;

/// Journals that are kept at once.
const MOST: usize = 1000;
/// One that nothing was told of for so long is removed: agents keep theirs for about as long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Largest journal, in bytes.
const CAP: u64 = 16 << 20;
/// Longest text of a message, in bytes.
const TEXT: usize = 64 * 1024;
/// Longest first line, in bytes.
const FIRST: u64 = 64 * 1024;
/// Longest name of a tool.
const NAME: usize = 40;
/// Stands for a prompt that is not to be kept.
const NOT_KEPT: &str = "‹not kept›";

/// Begins one for a conversation of this tool in this directory, which is absolute.
///
/// # Errors
/// In words.
pub fn create(dir: &Path, created: Created, now: DateTime<Utc>) -> Result<ConversationId, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let tool = &created.tool;
    if !(1..=NAME).contains(&tool.len()) || !tool.bytes().all(plain) {
        return Err(format!(
            "could not create a session: {:?} is no name of a tool (A-Z a-z 0-9 . _ -, at most {NAME})",
            CleanText::line(tool)
        ));
    }
    let failed = |error: io::Error| format!("could not create a session: {error}");
    create_private_dir(dir).map_err(failed)?;
    if clean(dir, SystemTime::from(now)) >= MOST {
        return Err(format!(
            "could not create a session: there are {MOST} already\nhint: those that nothing is told of for 30 days are removed"
        ));
    }
    let id = format!("{tool}-{:016x}", RandomState::new().build_hasher().finish());
    let id = ConversationId::new(&id).ok_or("could not create a session: its name is none")?;
    let entry = Entry {
        at: Some(now),
        created: Some(created),
        ..Entry::default()
    };
    let mut options = OpenOptions::new();
    let mut file = options
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(file(dir, &id))
        .map_err(failed)?;
    write(&mut file, &entry).map_err(failed)?;
    Ok(id)
}

/// The conversation of this name, if there is one.
///
/// # Errors
/// In words.
pub fn find(dir: &Path, id: &ConversationId) -> Result<Created, String> {
    let missing = || format!("there is no session {id}\nhint: create one first");
    let file = File::open(file(dir, id)).map_err(|_| missing())?;
    let mut line = Vec::new();
    let mut first = BufReader::new(file).take(FIRST);
    first.read_until(b'\n', &mut line).map_err(|_| missing())?;
    let entry: Option<Entry> = serde_json::from_slice(&line).ok();
    entry.and_then(|entry| entry.created).ok_or_else(missing)
}

/// Adds to it. Texts and lines lose what the redactor knows as secret before they are written: such
/// a line will not be found in a commit again.
///
/// # Errors
/// In words.
pub fn tell(
    dir: &Path,
    id: &ConversationId,
    mut entry: Entry,
    redactor: &mut Redactor,
) -> Result<(), String> {
    for text in entry.user.iter_mut().chain(&mut entry.assistant) {
        // A secret with invisible characters in it is one where they are left out.
        *text = CleanText::block(text, TEXT).as_str().to_owned();
    }
    if let Some(user) = &mut entry.user {
        if redactor.ignores(user).is_some() {
            NOT_KEPT.clone_into(user);
        }
        redact(user, redactor);
    }
    entry
        .assistant
        .iter_mut()
        .for_each(|text| redact(text, redactor));
    if let Some(change) = &mut entry.change {
        let texts = change.old.iter_mut().chain(&mut change.new);
        let lines = change.hunks.iter_mut().flat_map(|part| &mut part.lines);
        texts.chain(lines).for_each(|text| redact(text, redactor));
    }
    let failed = |error: io::Error| format!("could not write down what was told: {error}");
    let mut options = OpenOptions::new();
    let mut file = options.append(true).open(file(dir, id)).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() >= CAP {
        let words = "could not write down what was told: the session is full";
        return Err(format!("{words}\nhint: create another one"));
    }
    write(&mut file, &entry).map_err(failed)
}

fn redact(text: &mut String, redactor: &mut Redactor) {
    if let Some(marked) = redactor.marked(text) {
        *text = marked;
    }
}

fn file(dir: &Path, id: &ConversationId) -> PathBuf {
    dir.join(format!("{id}.{EXTENSION}"))
}

/// One write, so that nobody reads half of a line and takes it for a whole one.
fn write(file: &mut File, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Removes what is too old; returns how many are left.
fn clean(dir: &Path, now: SystemTime) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut left = 0;
    for entry in entries {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|at| now.duration_since(at).ok());
        let old = age.is_some_and(|age| age > KEPT);
        if !old || fs::remove_file(entry.path()).is_err() {
            left += 1;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::agent::{Agent as _, program::Program};
    use crate::core::model::time;
    use crate::core::transcript::{Edit, Hunk, ToldChange, ToldHunk, Turn};

    fn at(second: i64) -> DateTime<Utc> {
        time::from_seconds(1_795_860_000 + second).unwrap()
    }

    fn cursor() -> Created {
        Created {
            tool: "cursor".into(),
            cwd: "/srv/shop".into(),
            version: Some("3.1".into()),
            model: Some("gpt-9".into()),
        }
    }

    fn redactor() -> Redactor {
        let secrets = vec!["hunter2hunter2".to_owned()];
        let mut redactor = Redactor::new(secrets, &[], Path::new("/home/someone")).unwrap();
        redactor.ignoring(&["/^private:/".to_owned()]).unwrap();
        redactor
    }

    fn user(text: &str) -> Entry {
        Entry {
            user: Some(text.into()),
            ..Entry::default()
        }
    }

    fn changed(change: ToldChange) -> Entry {
        Entry {
            change: Some(change),
            ..Entry::default()
        }
    }

    /// A conversation with two prompts, in a directory of its own.
    fn told(dir: &Path) -> ConversationId {
        let id = create(dir, cursor(), at(0)).unwrap();
        let replaced = ToldChange {
            path: "/srv/shop/a.rs".into(),
            old: Some("let key = 1;".into()),
            new: Some("let key = \"hunter2hunter2\";".into()),
            ..ToldChange::default()
        };
        let done = Entry {
            assistant: Some("Done.".into()),
            done: true,
            ..Entry::default()
        };
        let lines = ToldChange {
            path: "/srv/shop/b.rs".into(),
            hunks: vec![ToldHunk {
                old_start: 3,
                new_start: 3,
                lines: vec!["-a".into(), "+b".into()],
            }],
            ..ToldChange::default()
        };
        let entries = [
            user("Use hunter2\u{200b}hunter2"),
            changed(replaced),
            done,
            user("private: things"),
            changed(lines),
        ];
        let mut redactor = redactor();
        for (second, entry) in (1..).zip(entries) {
            let at = Some(at(second));
            tell(dir, &id, Entry { at, ..entry }, &mut redactor).unwrap();
        }
        id
    }

    #[test]
    fn what_is_told_is_written_without_secrets_for_its_user_only() {
        let state = tempfile::tempdir().unwrap();
        let dir = state.path().join("journals");
        let id = told(&dir);
        assert!(id.as_str().starts_with("cursor-"));
        assert_eq!(find(&dir, &id), Ok(cursor()));
        let path = file(&dir, &id);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&dir)), (0o600, 0o700));
        let text = fs::read_to_string(&path).unwrap();
        let kept = ["hunter2", "things"].map(|secret| text.contains(secret));
        assert_eq!(kept, [false; 2], "{text}");
    }

    #[test]
    fn what_was_told_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let id = told(dir);
        let found = Program.transcripts(dir, SystemTime::UNIX_EPOCH);
        assert_eq!(found, [file(dir, &id)]);
        let (touched, behind) = Program.touched(&found[0], 0).unwrap();
        let shop = Path::new("/srv/shop");
        let wanted = [shop.join("a.rs"), shop.join("b.rs")];
        assert_eq!(Vec::from_iter(touched), wanted);
        assert_eq!(behind, found[0].metadata().unwrap().len());
        let read = Program.transcript(&found[0], &|_| true).unwrap();
        assert_eq!((&*read.agent, read.conversation), ("cursor", id));
        assert_eq!(read.model.as_deref(), Some("gpt-9"));
        let [first, second] = &read.turns[..] else {
            panic!("{:?}", read.turns);
        };
        let prompt = |turn: &Turn| turn.prompt.as_ref().map(|prompt| prompt.text.to_string());
        assert_eq!(prompt(first).unwrap(), "Use [redacted:environment]");
        assert_eq!((first.at, first.ended), (at(1), Some(at(3))));
        assert_eq!(first.answers[0].as_str(), "Done.");
        let replaced = &first.changes[0].edit;
        assert!(matches!(replaced, Edit::Replace { old, .. } if old == "let key = 1;"));
        assert_eq!(prompt(second).as_deref(), Some(NOT_KEPT));
        assert_eq!(second.ended, None);
        let hunk = Hunk {
            old_start: 3,
            new_start: 3,
            lines: vec!["-a".into(), "+b".into()],
        };
        let lines = &second.changes[0].edit;
        assert!(matches!(lines, Edit::Hunks { hunks, .. } if *hunks == [hunk]));
    }

    #[test]
    fn names_and_sizes_are_bounded_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for tool in ["", "../x", "a b", &"x".repeat(NAME + 1)] {
            let created = Created {
                tool: tool.into(),
                ..cursor()
            };
            assert!(
                create(dir, created, at(0))
                    .unwrap_err()
                    .contains("no name of a tool")
            );
        }
        let id = create(dir, cursor(), at(0)).unwrap();
        let other = ConversationId::new("cursor-1").unwrap();
        assert!(
            find(dir, &other)
                .unwrap_err()
                .starts_with("there is no session cursor-1")
        );
        assert!(tell(dir, &other, Entry::default(), &mut redactor()).is_err());
        let full = OpenOptions::new().write(true).open(file(dir, &id)).unwrap();
        full.set_len(CAP).unwrap();
        let error = tell(dir, &id, Entry::default(), &mut redactor()).unwrap_err();
        assert!(error.contains("full"), "{error}");
        full.set_modified(SystemTime::from(at(0))).unwrap();
        create(dir, cursor(), at(31 * 86_400)).unwrap();
        assert!(find(dir, &id).is_err());
    }
}
