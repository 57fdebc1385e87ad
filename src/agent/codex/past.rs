//! Past conversations, from `sessions/YEAR/MONTH/DAY/rollout-*.jsonl`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::NAME;
use crate::agent::past::{edges, lines, names, newest, prompt, word};
use crate::core::model::{ConversationId, Past, RawPath, time};
use crate::core::text::CleanText;

/// Entries of a directory that are looked at.
const ENTRIES: usize = 4096;
/// Bytes of a rollout that are read: its first line alone has 22 kB of instructions.
const HEAD: u64 = 128 * 1024;
/// Characters of an id.
const ID: usize = 36;

/// See [`crate::agent::Agent::past`].
pub(super) fn past(config: &Path, most: usize) -> Vec<(RawPath, Past)> {
    let mut files = Vec::new();
    // A conversation stays in the file of the day on which it began: look some days further back.
    let enough = 4 * most;
    each_day(config, |day| {
        files.extend(rollouts(day));
        files.len() < enough
    });
    let files = newest(files, most).into_iter();
    files
        .filter_map(|(written, path)| read(&path, written))
        .collect()
}

/// Hands over the directories of days, the last one first, while more are wanted.
pub(super) fn each_day(config: &Path, mut more: impl FnMut(&Path) -> bool) {
    let mut days = vec![(config.join("sessions"), 0)];
    while let Some((dir, depth)) = days.pop() {
        if depth == 3 {
            if !more(&dir) {
                return;
            }
            continue;
        }
        let mut below = names(&dir, ENTRIES);
        below.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        // The last one is looked at first.
        below.sort_unstable();
        days.extend(below.iter().map(|name| (dir.join(name), depth + 1)));
    }
}

/// The rollouts in a directory, with the times at which they were written.
pub(super) fn rollouts(dir: &Path) -> Vec<(SystemTime, PathBuf)> {
    let names = names(dir, ENTRIES).into_iter();
    let rollouts = names.filter(|name| name.starts_with("rollout-") && name.ends_with(".jsonl"));
    let dated = rollouts.filter_map(|name| {
        let path = dir.join(name);
        Some((path.metadata().ok()?.modified().ok()?, path))
    });
    dated.collect()
}

/// What a rollout tells; nothing of one that no person had.
///
/// **Source:** observed on 0.139.0 to 0.171.0: the first line is `session_meta`; `source` is a word
/// (`cli`, `vscode`, `exec`), or an object where a conversation began another one.
fn read(path: &Path, written: SystemTime) -> Option<(RawPath, Past)> {
    let (head, _) = edges(path, HEAD, 0).ok()?;
    let stem = path.file_stem()?.to_str()?;
    let id = stem.get(stem.len().checked_sub(ID)?..)?;
    let mut lines = lines(&head);
    let first = lines.next()?;
    let meta = first
        .get("payload")
        .filter(|_| word(&first, "type") == Some("session_meta"))?;
    let by_a_person = match meta.get("source") {
        None => true,
        Some(source) => source.as_str().is_some_and(|source| source != "exec"),
    };
    let cwd = word(meta, "cwd").filter(|_| by_a_person)?;
    let title = lines.find_map(|line| said(line.get("payload")?))?;
    let past = Past {
        agent: NAME,
        conversation: ConversationId::new(id)?,
        title: CleanText::line(&title).some()?,
        at: time::of_file(written),
    };
    Some((RawPath(cwd.to_owned()), past))
}

/// What the user said by a line.
fn said(payload: &Value) -> Option<String> {
    match word(payload, "type")? {
        "user_message" => prompt(payload.get("message")?),
        "item_completed" => {
            let item = payload.get("item")?;
            let own = word(item, "type") == Some("UserMessage");
            prompt(item.get("content").filter(|_| own)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    fn write(config: &Path, day: &str, n: u32, text: &str, age: u64) {
        let dir = config.join("sessions").join(day);
        fs::create_dir_all(&dir).unwrap();
        let name = format!("rollout-2026-11-28T06-00-00-01a2209e-44d6-7291-9988-{n:012}.jsonl");
        fs::write(dir.join(&name), text).unwrap();
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let file = File::options().append(true).open(dir.join(name)).unwrap();
        file.set_modified(base - Duration::from_secs(age)).unwrap();
    }

    fn text(source: &str, said: &str) -> String {
        let meta = format!(
            r#"{{"type":"session_meta","payload":{{"cwd":"/srv/shop","source":{source}}}}}"#
        );
        format!("{meta}\n{{\"type\":\"event_msg\",\"payload\":{said}}}\n")
    }

    #[test]
    fn what_a_person_had_is_found_whatever_its_version() {
        let config = tempfile::tempdir().unwrap();
        let config = config.path();
        assert_eq!(past(config, 9), []);
        let old = r#"{"type":"user_message","message":"mend the cart"}"#;
        let new = r#"{"type":"item_completed","item":{"type":"UserMessage","content":[{"type":"text","text":"mend the site"}]}}"#;
        write(config, "2026/11/28", 1, &text("\"vscode\"", new), 20);
        write(config, "2026/11/27", 2, &text("\"cli\"", old), 30);
        write(config, "2025/01/01", 3, &text("\"cli\"", old), 10);
        write(config, "2026/11/28", 4, &text("\"exec\"", old), 1);
        write(
            config,
            "2026/11/28",
            5,
            &text("{\"subagent\":\"review\"}", old),
            1,
        );
        write(config, "2026/11/28", 6, "{\"type\":\"session_meta\"}\n", 1);
        write(config, "2026/11/28", 7, "", 1);
        write(config, "2026/11/28", 8, &"x".repeat(1 << 20), 1);
        let found = past(config, 99);
        let line = |(cwd, past): &(RawPath, Past)| {
            let id = past.conversation.as_str();
            format!("{} {} {}", &id[35..], cwd.0, past.title)
        };
        let found: Vec<String> = found.iter().map(line).collect();
        let wanted = [
            "3 /srv/shop mend the cart",
            "1 /srv/shop mend the site",
            "2 /srv/shop mend the cart",
        ];
        assert_eq!(found, wanted);
    }
}
