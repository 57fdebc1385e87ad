//! Past conversations, from `projects/*/*.jsonl`.

use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use super::{NAME, find};
use crate::agent::past::{edges, line, names, newest, prompt, word};
use crate::core::model::{ConversationId, Past, RawPath, time};
use crate::core::text::CleanText;

/// Project directories that are looked into.
const PROJECTS: usize = 4096;
/// Bytes of a transcript that are read: at its beginning stand its directory and the first prompt,
/// at its end a title that came later.
const HEAD: u64 = 64 * 1024;
/// See [`HEAD`].
const TAIL: u64 = 32 * 1024;

/// Longest line that is read for a title alone, in bytes: most of a transcript is longer.
const TITLE: usize = 800;

/// See [`crate::agent::Agent::past`].
pub(super) fn past(config: &Path, most: usize) -> Vec<(RawPath, Past)> {
    let mut files = Vec::new();
    for name in names(&config.join("projects"), PROJECTS) {
        let found = find::in_project(config, &name).unwrap_or_default();
        files.extend(found.into_iter().map(|file| (file.written, file.path)));
        // Those that are left out again need not be held meanwhile.
        if files.len() > 4 * most {
            files = newest(files, most);
        }
    }
    let files = newest(files, most).into_iter();
    files
        .filter_map(|(written, path)| read(&path, written))
        .collect()
}

/// What a transcript tells; nothing of one that no person had, or that nobody could go on with.
fn read(path: &Path, written: SystemTime) -> Option<(RawPath, Past)> {
    let (head, tail) = edges(path, HEAD, TAIL).ok()?;
    let project = path.parent()?.file_name()?.to_str()?;
    // It is looked for by the name of its directory: a later `cd`, or a copy, has another one.
    let here = |line: &Value| {
        let cwd = word(line, "cwd")?;
        (find::encode_cwd(cwd) == project).then(|| RawPath(cwd.to_owned()))
    };
    let (mut cwd, mut title, mut said) = (None, None, None);
    let raw = [&head, &tail].into_iter();
    for raw in raw.flat_map(|bytes| bytes.split(|byte| *byte == b'\n')) {
        let known = cwd.is_some() && said.is_some();
        let read = !known || raw.len() <= TITLE;
        let Some(line) = read.then(|| line(raw)).flatten() else {
            continue;
        };
        let sdk = word(&line, "entrypoint").is_some_and(|entry| entry.starts_with("sdk"));
        if sdk || is(&line, "isSidechain") {
            return None;
        }
        cwd = cwd.or_else(|| here(&line));
        match word(&line, "type") {
            Some("custom-title") => title = word(&line, "customTitle").map(str::to_owned),
            Some("ai-title") => title = word(&line, "aiTitle").map(str::to_owned).or(title),
            Some("user") if said.is_none() && !is(&line, "isMeta") => {
                said = line.pointer("/message/content").and_then(prompt);
            }
            _ => {}
        }
    }
    // Its end has no first prompt, so a long one may have none.
    let title = title.or(said)?;
    let past = Past {
        agent: NAME,
        conversation: ConversationId::new(path.file_stem()?.to_str()?)?,
        title: CleanText::line(&title).some()?,
        at: time::of_file(written),
    };
    Some((cwd?, past))
}

fn is(line: &Value, name: &str) -> bool {
    line.get(name).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    const PROMPT: &str =
        r#"{"type":"user","cwd":"/srv/shop","message":{"content":"mend <b>the</b> cart"}}"#;

    fn write(config: &Path, project: &str, id: &str, text: &str, age: u64) {
        let dir = config.join("projects").join(project);
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{id}.jsonl"));
        fs::write(&path, text).unwrap();
        let base = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(base - Duration::from_secs(age)).unwrap();
    }

    fn found(config: &Path, most: usize) -> Vec<String> {
        let line = |(cwd, past): (RawPath, Past)| {
            format!("{} {} {}", past.conversation, cwd.0, past.title)
        };
        past(config, most).into_iter().map(line).collect()
    }

    #[test]
    fn the_newest_come_first_and_what_nobody_could_go_on_with_is_none() {
        let config = tempfile::tempdir().unwrap();
        let config = config.path();
        assert_eq!(found(config, 9), [""; 0]);
        let shop = "-srv-shop";
        let meta = r#"{"type":"user","isMeta":true,"cwd":"/srv/shop","message":{"content":"hm"}}"#;
        let command =
            r#"{"type":"user","message":{"content":"<command-name>/model</command-name>"}}"#;
        let titled = r#"{"type":"ai-title","aiTitle":"The \u001b[31mcart"}"#;
        let moved = r#"{"type":"user","cwd":"/srv/shop/src","message":{"content":"later"}}"#;
        write(config, shop, "old", PROMPT, 50);
        let text = format!("{{\"type\":\"mode\"}}\n{meta}\n{command}\nbroken\n{PROMPT}\n{moved}\n");
        write(config, shop, "new", &text, 10);
        write(config, shop, "named", &format!("{PROMPT}\n{titled}\n"), 20);
        let more = "{\"type\":\"progress\"}\n".repeat(200_000);
        write(
            config,
            shop,
            "huge",
            &format!("{PROMPT}\n{more}{titled}\n"),
            30,
        );
        // None of these.
        write(config, shop, "empty", "", 1);
        write(config, shop, "unused", meta, 1);
        write(config, shop, "agent-1f", PROMPT, 1);
        write(
            config,
            shop,
            "binary",
            "\0\u{1}\n[1]\n\"user\"\n{\"cwd\":3}",
            1,
        );
        write(
            config,
            shop,
            "headless",
            &PROMPT.replace("{\"t", "{\"entrypoint\":\"sdk-cli\",\"t"),
            1,
        );
        write(
            config,
            shop,
            "side",
            &PROMPT.replace("{\"t", "{\"isSidechain\":true,\"t"),
            1,
        );
        write(config, "-srv-site", "copied", PROMPT, 1);
        let wanted = [
            "new /srv/shop mend <b>the</b> cart",
            "named /srv/shop The cart",
            "huge /srv/shop The cart",
            "old /srv/shop mend <b>the</b> cart",
        ];
        assert_eq!(found(config, 99), wanted);
        for old in ["empty", "unused", "binary", "headless", "side"] {
            fs::remove_file(config.join(format!("projects/{shop}/{old}.jsonl"))).unwrap();
        }
        fs::remove_dir_all(config.join("projects/-srv-site")).unwrap();
        assert_eq!(found(config, 1), wanted[..1]);
    }
}
