//! Where a session's transcript lies.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::core::model::ConversationId;

/// A longer encoded directory name is cut here and gets a hash instead of its end.
const NAME_CAP: usize = 200;
/// Project directories looked through for a transcript that is not where it should be.
const PROJECTS_CAP: usize = 4096;
/// Transcripts of one project directory that are looked at.
const TRANSCRIPTS_CAP: usize = 4096;

/// The name of the directory under `projects/` for a working directory. Not reversible.
///
/// **Source:** observed on 2.0.77 to 2.1.328: every UTF-16 unit outside `[A-Za-z0-9]` becomes
/// `-`; past 200 characters the first 200, `-`, and the base-36 of the absolute value of the
/// 32-bit hash `h = h * 31 + unit` over the original path.
#[must_use]
pub fn encode_cwd(cwd: &str) -> String {
    let mut name = String::with_capacity(cwd.len());
    let mut hash = 0i32;
    for unit in cwd.encode_utf16() {
        hash = hash.wrapping_mul(31).wrapping_add(i32::from(unit));
        let plain = char::from_u32(u32::from(unit)).filter(char::is_ascii_alphanumeric);
        name.push(plain.unwrap_or('-'));
    }
    if name.len() > NAME_CAP {
        name.truncate(NAME_CAP);
        name.push('-');
        name.push_str(&base36(hash.unsigned_abs()));
    }
    name
}

fn base36(mut n: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(n % 36, 36).unwrap_or('0'));
        n /= 36;
        if n == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// Where the transcript of `conversation` is expected, whether or not it exists.
#[must_use]
pub fn expected(config: &Path, cwd: &str, conversation: &ConversationId) -> PathBuf {
    let project = config.join("projects").join(encode_cwd(cwd));
    project.join(format!("{conversation}.jsonl"))
}

/// Finds the transcript of `conversation`: where its directory says, else in any project (a
/// worktree switch moves it).
#[must_use]
pub fn by_conversation(config: &Path, cwd: &str, conversation: &ConversationId) -> Option<PathBuf> {
    let first = expected(config, cwd, conversation);
    if first.is_file() {
        return Some(first);
    }
    let name = format!("{conversation}.jsonl");
    let projects = std::fs::read_dir(config.join("projects")).ok()?;
    projects
        .flatten()
        .take(PROJECTS_CAP)
        .map(|project| project.path().join(&name))
        .find(|path| path.is_file())
}

/// Where the subagents of this transcript's conversation write (2.1; 2.0 puts them beside it).
#[must_use]
pub fn subagents(transcript: &Path) -> PathBuf {
    transcript.with_extension("").join("subagents")
}

/// When a subagent of the conversation at `transcript` last wrote its own transcript (2.1.x).
#[must_use]
pub fn agent_written(transcript: &Path, agent: &ConversationId) -> Option<SystemTime> {
    let file = subagents(transcript).join(format!("agent-{agent}.jsonl"));
    std::fs::metadata(file).ok()?.modified().ok()
}

/// The subagents' transcripts in a directory that were written since then, the last first.
#[must_use]
pub fn subagents_in(dir: &Path, since: SystemTime) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .take(TRANSCRIPTS_CAP)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_subagent))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, entry.path()))
        })
        .filter(|(written, _)| *written >= since)
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Whether a file of this name is a subagent's transcript.
#[must_use]
pub fn is_subagent(name: &str) -> bool {
    name.starts_with("agent-") && name.ends_with(".jsonl")
}

/// A transcript that may belong to a process without a status file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcript {
    /// Where it lies.
    pub path: PathBuf,
    /// The conversation, by its name.
    pub conversation: ConversationId,
    /// When it was made, where the file system knows.
    pub created: Option<SystemTime>,
    /// When it was last written.
    pub written: SystemTime,
    /// Bytes in it.
    pub size: u64,
}

/// The transcripts of a working directory, by its name under `projects/`.
///
/// # Errors
/// Those of listing the project directory; a missing one holds none.
pub fn in_project(config: &Path, name: &str) -> io::Result<Vec<Transcript>> {
    let project = config.join("projects").join(name);
    let entries = match std::fs::read_dir(project) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries.flatten().take(TRANSCRIPTS_CAP) {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|n| n.strip_suffix(".jsonl")) else {
            continue;
        };
        // 2.0.x keeps its subagents beside the sessions.
        let Some(conversation) = ConversationId::new(id).filter(|_| !id.starts_with("agent-"))
        else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let Ok(written) = metadata.modified() else {
            continue;
        };
        if metadata.is_file() {
            let created = metadata.created().ok();
            found.push(Transcript {
                path: entry.path(),
                conversation,
                created,
                written,
                size: metadata.len(),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_encoded_as_the_cli_does() {
        for (cwd, want) in [
            ("/home/dev/code/app", "-home-dev-code-app"),
            ("/w/a.b_c d", "-w-a-b-c-d"),
            ("/w/ü日", "-w---"),
            ("/w/😀", "-w---"),
        ] {
            assert_eq!(encode_cwd(cwd), want);
        }
    }

    #[test]
    fn a_long_directory_is_cut_and_hashed() {
        let name = encode_cwd(&format!("/{}", "a".repeat(207)));
        assert_eq!(&name[..201], format!("-{}-", "a".repeat(199)));
        // The hash by an independent computation of the same rule.
        assert_eq!(&name[201..], "vbcak2");
    }

    #[test]
    fn a_moved_transcript_is_found_in_another_project() {
        let config = tempfile::tempdir().unwrap();
        let id = ConversationId::new("abc-1").unwrap();
        assert_eq!(by_conversation(config.path(), "/w/app", &id), None);
        let other = config.path().join("projects/-w-app-worktree");
        std::fs::create_dir_all(&other).unwrap();
        std::fs::write(other.join("abc-1.jsonl"), "").unwrap();
        assert_eq!(
            by_conversation(config.path(), "/w/app", &id),
            Some(other.join("abc-1.jsonl"))
        );
    }

    #[test]
    fn only_sessions_of_the_project_count() {
        let config = tempfile::tempdir().unwrap();
        let project = config.path().join("projects/-w-app");
        std::fs::create_dir_all(&project).unwrap();
        for name in ["s1.jsonl", "agent-1f.jsonl", "notes.txt", ".jsonl"] {
            std::fs::write(project.join(name), "").unwrap();
        }
        let found = in_project(config.path(), "-w-app").unwrap();
        let names: Vec<_> = found.iter().map(|t| t.conversation.as_str()).collect();
        assert_eq!(names, ["s1"]);
        let missing = in_project(config.path(), "-w-other").unwrap();
        assert!(missing.is_empty());
    }
}
