//! Conversations in the working tree itself, for those who want them in the repository: one file for
//! each, `YYYY/MM/DD/SESSION.jsonl` below the directory that the settings name, a line for each
//! prompt once its turn has ended. Lines are added at the end and never changed.
//!
//! **Source:** Promptcellar Logging Format, plf-1, §2: the day is that of the conversation's start,
//! in UTC, and one process writes a file; here, whoever holds the repository's lock.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::OFlags;
use serde::Deserialize;

use super::formats::{Author, Line, line};
use super::record::{Asked, Limits, Talk, kept};
use super::redact::Redactor;
use crate::core::model::ConversationId;
use crate::core::sorted::Gather as _;
use crate::core::transcript::{Transcript, Turn};
use crate::sys::files::read_bounded;

/// A file of the working tree that keeps prompts out, and the largest one that is read, in bytes.
/// **Source:** Promptcellar Logging Format, plf-1, §4.
const IGNORES: (&str, usize) = (".promptcellarignore", 64 << 10);
/// Largest file of a conversation that is read, in bytes; one that is larger gets no more lines.
const CAP: usize = 64 << 20;
/// Directories of days that are looked through for a file.
const DAYS: usize = 5000;

/// Adds to the files below `dir` in the working tree `top` what these conversations have that they do
/// not: prompts that were asked since then, and whose turns have ended. Returns how many.
///
/// # Errors
/// Those of the file system; `InvalidInput` if `dir` is no directory inside the working tree, or
/// leads out of it.
pub fn write(
    (top, dir): (&Path, &str),
    transcripts: &[Transcript],
    since: DateTime<Utc>,
    author: &Author,
    redactor: &mut Redactor,
    limits: &Limits,
) -> io::Result<usize> {
    let dir = inside(top, dir)?;
    let mut written = 0;
    for transcript in transcripts.iter().filter(|t| t.subagent.is_none()) {
        let wanted =
            |turn: &&Turn| turn.prompt.is_some() && turn.ended.is_some() && turn.at >= since;
        let turns: Vec<&Turn> = transcript.turns.iter().filter(wanted).collect();
        let (Some(first), false) = (transcript.turns.first(), turns.is_empty()) else {
            continue;
        };
        let path = file(&dir, &transcript.conversation, first.at);
        let (known, mut last) = ids(&path)?;
        let mut text = String::new();
        for turn in turns {
            let files = changed(transcripts, transcript, turn, top);
            let mut line = entry(transcript, turn, files, author, redactor, limits);
            if known.contains(&line.id) {
                continue;
            }
            if let Some(before) = last.replace(line.id.clone()) {
                line.follows(&before);
            }
            text.push_str(&line.text());
            written += 1;
        }
        if !text.is_empty() {
            append(top, &path, &text)?;
        }
    }
    Ok(written)
}

/// The patterns of a working tree's `.promptcellarignore`.
#[must_use]
pub fn ignores(top: &Path) -> String {
    let text = read_bounded(&top.join(IGNORES.0), IGNORES.1).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// The directory `dir` of a working tree.
fn inside(top: &Path, dir: &str) -> io::Result<PathBuf> {
    let path = Path::new(dir);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(name) if name != ".git");
    if dir.is_empty() || !path.components().all(plain) {
        let words = format!("tree = {dir:?} is no directory inside the working tree");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
    }
    Ok(top.join(path))
}

/// What is written of a turn.
fn entry(
    transcript: &Transcript,
    turn: &Turn,
    files: Vec<String>,
    author: &Author,
    redactor: &mut Redactor,
    limits: &Limits,
) -> Line {
    let prompt = turn.prompt.as_ref();
    let mut asked = Asked {
        conversation: 0,
        turn: turn.id.clone(),
        at: turn.at,
        primary: true,
        text: prompt.map(|p| p.text.clone()).unwrap_or_default(),
        pasted: prompt.map(|p| p.pasted.clone()).unwrap_or_default(),
        answers: turn.answers.clone(),
        asked: Vec::new(),
    };
    kept(&mut asked, redactor, limits);
    let talk = Talk {
        agent: transcript.agent.clone(),
        version: transcript.version.clone(),
        model: transcript.model.clone(),
        session_id: transcript.conversation.clone(),
    };
    line(&talk, &asked, author, files, true)
}

/// The files of the working tree that a turn changed, its subagents' included.
fn changed(all: &[Transcript], own: &Transcript, turn: &Turn, top: &Path) -> Vec<String> {
    let next = own
        .turns
        .iter()
        .map(|other| other.at)
        .filter(|at| *at > turn.at)
        .min();
    let during = |at: DateTime<Utc>| at >= turn.at && next.is_none_or(|next| at < next);
    let of = |transcript: &&Transcript| transcript.conversation == own.conversation;
    let turns = all
        .iter()
        .filter(of)
        .flat_map(|transcript| &transcript.turns);
    let changes = turns.flat_map(|turn| &turn.changes);
    let paths = changes
        .filter(|change| during(change.at))
        .filter_map(|change| {
            let path = change.path.strip_prefix(top).ok()?;
            Some(path.to_string_lossy().into_owned())
        });
    paths.gather::<BTreeSet<String>>().into_iter().collect()
}

/// The file of a conversation: the one that is there, or that of its first day.
fn file(dir: &Path, conversation: &ConversationId, start: DateTime<Utc>) -> PathBuf {
    let name = format!("{conversation}.jsonl");
    let day = dir.join(start.format("%Y/%m/%d").to_string()).join(&name);
    if day.symlink_metadata().is_ok() {
        return day;
    }
    // Of one that goes on, the beginning may not be known any more.
    let below = |dirs: Vec<PathBuf>| -> Vec<PathBuf> {
        let entries = dirs
            .into_iter()
            .flat_map(|dir| fs::read_dir(dir).into_iter().flatten());
        let paths = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        paths.map(|entry| entry.path()).take(DAYS).collect()
    };
    let days = below(below(below(vec![dir.to_path_buf()])));
    let mut there = days.into_iter().map(|day| day.join(&name));
    there
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(day)
}

/// The prompts that a file holds, and the last of them.
fn ids(path: &Path) -> io::Result<(BTreeSet<String>, Option<String>)> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    let bytes = match read_bounded(path, CAP) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    let ids = lines.filter_map(|line| serde_json::from_slice::<Id>(line).ok());
    let ids: Vec<String> = ids.map(|id| id.id).collect();
    let last = ids.last().cloned();
    Ok((ids.into_iter().gather(), last))
}

/// Adds lines to a file of the working tree, which may hold anything: nothing on the way may be a
/// link.
fn append(top: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut at = top.to_path_buf();
    let below = path.strip_prefix(top).unwrap_or(path);
    for part in below.parent().into_iter().flat_map(Path::components) {
        at.push(part);
        match fs::create_dir(&at) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !at.symlink_metadata()?.is_dir() {
            let words = format!("{} is no directory", at.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)?;
    let text = if is_torn(&file)? {
        format!("\n{text}")
    } else {
        text.to_owned()
    };
    file.write_all(text.as_bytes())
}

/// Whether the last line has no end: who wrote it was killed.
fn is_torn(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut last = [b'\n'];
    if let Some(at) = metadata.len().checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::Value;

    use super::*;
    use crate::core::model::time;
    use crate::core::text::CleanText;
    use crate::core::transcript::{Change, Edit, Prompt};

    fn at(text: &str) -> DateTime<Utc> {
        time::parse(text).unwrap()
    }

    fn turn(id: &str, begin: &str, text: &str, path: Option<&str>) -> Turn {
        let change = |path: &str| Change {
            at: at(begin),
            path: PathBuf::from(path),
            by: None,
            edit: Edit::Touched,
        };
        Turn {
            id: CleanText::line(id),
            prompt: Some(Prompt {
                text: CleanText::line(text),
                pasted: Vec::new(),
            }),
            at: at(begin),
            ended: Some(at(begin)),
            answers: vec![CleanText::line("done, with blue-moon-7-9")],
            asked: Vec::new(),
            commands: Vec::new(),
            changes: path.map(change).into_iter().collect(),
        }
    }

    fn transcript(turns: Vec<Turn>) -> Transcript {
        Transcript {
            agent: "claude".to_owned(),
            conversation: ConversationId::new("b30c3c80").unwrap(),
            subagent: None,
            version: Some(CleanText::line("2.1.332")),
            model: None,
            turns,
        }
    }

    fn write_all(top: &Path, dir: &str, transcripts: &[Transcript]) -> io::Result<usize> {
        let author = Author {
            email: CleanText::line("someone@example.com"),
            name: CleanText::line("Some One"),
        };
        let values = vec!["blue-moon-7-9".to_owned()];
        let mut redactor = Redactor::new(values, &[], Path::new("/home/someone")).unwrap();
        redactor.ignoring_file("id: pay\nsalar(y|ies)\n").unwrap();
        let since = at("2026-11-27T00:00:00Z");
        let limits = Limits::default();
        write(
            (top, dir),
            transcripts,
            since,
            &author,
            &mut redactor,
            &limits,
        )
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn each_prompt_is_added_once_its_turn_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        let changed = top.join("a.rs");
        let mut all = vec![transcript(vec![
            turn("p0", "2026-11-26T10:00:00Z", "before capture", None),
            turn(
                "p1",
                "2026-11-27T10:00:00Z",
                "use blue-moon-7-9",
                changed.to_str(),
            ),
            turn("p2", "2026-11-27T11:00:00Z", "the SALARIES, please", None),
            turn("p3", "2026-11-27T12:00:00Z", "go on", None),
        ])];
        all[0].turns[3].ended = None;
        assert_eq!(write_all(top, ".prompts", &all).unwrap(), 2);
        assert_eq!(
            write_all(top, ".prompts", &all).unwrap(),
            0,
            "they are there"
        );
        let path = top.join(".prompts/2026/11/26/b30c3c80.jsonl");
        let [first, second] = lines(&path).try_into().unwrap();
        assert_eq!(first["prompt"], "use [redacted:environment]");
        assert_eq!(
            first["outcome"]["summary"],
            "done, with [redacted:environment]"
        );
        assert_eq!(
            first["outcome"]["files_touched"],
            serde_json::json!(["a.rs"])
        );
        assert_eq!(second["excluded"]["reason"], "matched an ignore pattern");
        assert_eq!(second.get("prompt"), None);

        // The turn ends; its beginning is not known any more, and a line was torn.
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"id\":\"torn").unwrap();
        all[0].turns[3].ended = Some(at("2026-11-27T13:00:00Z"));
        all[0].turns.remove(0);
        assert_eq!(write_all(top, ".prompts", &all).unwrap(), 1);
        let text = fs::read_to_string(&path).unwrap();
        let third: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(third["prompt"], "go on");
        assert_eq!(third["parent"]["prompt_id"], second["id"]);
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn nothing_is_written_outside_the_working_tree() {
        let dir = tempfile::tempdir().unwrap();
        let (top, out) = (dir.path().join("shop"), dir.path().join("out"));
        fs::create_dir(&top).unwrap();
        fs::create_dir(&out).unwrap();
        let all = [transcript(vec![turn(
            "p",
            "2026-11-27T10:00:00Z",
            "go",
            None,
        )])];
        for odd in [
            "",
            "..",
            "../out",
            "/tmp",
            "a/../../out",
            ".git",
            ".git/x",
            "a/.git",
        ] {
            let error = write_all(&top, odd, &all).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{odd}");
        }
        symlink(&out, top.join("link")).unwrap();
        assert!(write_all(&top, "link", &all).is_err());
        assert!(write_all(&top, "link/deeper", &all).is_err());
        let day = top.join(".prompts/2026/11/27");
        fs::create_dir_all(&day).unwrap();
        symlink(out.join("x"), day.join("b30c3c80.jsonl")).unwrap();
        assert!(write_all(&top, ".prompts", &all).is_err());
        assert_eq!(fs::read_dir(out).unwrap().count(), 0);
    }
}
