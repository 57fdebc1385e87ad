//! What rollouts tell of prompts, answers and changed files.
//!
//! **Source:** observed on 0.139.0 and 0.171.0; `tests/fixtures/codex/changes` holds what they wrote.
//! A patch is told with its lines, exactly; what a command changed is not told at all.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memchr::memmem;

use self::patch::made;
use self::tape::Tape;
use super::past;
use crate::agent::changes::absolute;
use crate::agent::record::each_record;
use crate::agent::stream::{Line, each_line};
use crate::core::transcript::{Edit, Transcript};

mod patch;
mod tape;

/// What stands in a line that tells of an applied patch (0.139; later ones).
const PATCHED: [&[u8]; 2] = [b"\"type\":\"patch_apply_end\"", b"\"type\":\"FileChange\""];

/// What stands in the line that tells where a turn works, and may run commands.
const TURN: &[u8] = b"\"type\":\"turn_context\"";

/// See [`crate::agent::Agent::transcripts`].
pub(super) fn transcripts(config: &Path, since: SystemTime) -> Vec<PathBuf> {
    let mut files = past::rollouts(&config.join("archived_sessions"));
    past::each_day(config, |day| {
        files.extend(past::rollouts(day));
        true
    });
    files.retain(|(written, _)| *written >= since);
    files.into_iter().map(|(_, path)| path).collect()
}

/// See [`crate::agent::Agent::touched`].
pub(super) fn touched(rollout: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
    let mut paths = BTreeSet::new();
    let behind = each_line(rollout, from, |line| match line {
        Line::Whole(line) if is_patch(line) => each_record(line, |fields| {
            for (path, edit) in made(&fields.object("payload")) {
                if let Edit::Moved { to, .. } = edit {
                    paths.insert(to);
                }
                paths.extend(absolute(None, &path));
            }
        }),
        Line::Whole(line) if memmem::find(line, TURN).is_some() => each_record(line, |fields| {
            let cwd = fields.object("payload").text("cwd");
            paths.extend(cwd.and_then(|cwd| absolute(None, &cwd)));
        }),
        Line::Whole(_) => {}
        Line::Beginning(head) => paths.extend(written(head)),
    })?;
    Ok((paths, behind))
}

/// See [`crate::agent::Agent::transcript`].
pub(super) fn transcript(path: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<Transcript> {
    let mut tape = Tape::of(wanted);
    each_line(path, 0, |line| match line {
        Line::Whole(line) if tells(line) => each_record(line, |fields| tape.fold(fields)),
        Line::Whole(_) => {}
        Line::Beginning(head) => {
            if let Some(path) = written(head) {
                tape.touched(path);
            }
        }
    })?;
    let transcript = tape.finish();
    transcript.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn is_patch(line: &[u8]) -> bool {
    let has = |mark: &&[u8]| memmem::find(line, mark).is_some();
    PATCHED.iter().any(has)
}

/// Whether a line belongs to the conversation: others count tokens and keep reasoning.
fn tells(line: &[u8]) -> bool {
    const KINDS: [&[u8]; 8] = [
        b"\"type\":\"session_meta\"",
        b"\"type\":\"turn_context\"",
        b"\"type\":\"item_completed\"",
        b"\"type\":\"task_",
        b"_message\"",
        b"\"type\":\"turn_aborted\"",
        b"_call",
        b"<user_shell_command>",
    ];
    let has = |mark: &&[u8]| memmem::find(line, mark).is_some();
    KINDS.iter().any(has) || is_patch(line)
}

/// The first file of a patch, by the beginning of a line too long to be held.
fn written(head: &[u8]) -> Option<PathBuf> {
    const MARK: &[u8] = b"\"changes\":{";
    if !is_patch(head) {
        return None;
    }
    let at = memmem::find(head, MARK)? + MARK.len();
    let values = serde_json::Deserializer::from_slice(&head[at..]);
    let path = values.into_iter::<String>().next()?.ok()?;
    absolute(None, &path)
}

#[cfg(test)]
mod tests;
