//! Directories that its other files name: past conversations are deleted after a month.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::agent::past::{edges, line, word};
use crate::core::model::{RawPath, time};
use crate::sys::files::read_bounded;

/// Largest file of settings that is read, in bytes: some versions kept what was typed in it.
const SETTINGS: usize = 32 << 20;
/// Bytes of the history that are read, at its end: some thousand prompts.
const TAIL: u64 = 1 << 20;
/// Most directories of each.
const MOST: usize = 4096;

/// See [`crate::agent::Agent::dirs`].
///
/// **Source:** observed on 2.1.332. `history.jsonl` has a line a prompt that a person typed, with
/// `project` and `timestamp` in milliseconds. `.claude.json` has a map `projects` by directories; it
/// stands in a directory that a variable names, else beside the usual one, `.claude`. A script (`-p`)
/// writes neither.
pub(super) fn dirs(config: &Path) -> Vec<(RawPath, Option<DateTime<Utc>>)> {
    let typed = typed(config).into_iter().map(|(dir, at)| (dir, Some(at)));
    let beside = config.ends_with(".claude").then(|| config.parent());
    let places = [Some(config), beside.flatten()].into_iter().flatten();
    let trusted = places.flat_map(|dir| trusted(&dir.join(".claude.json")));
    typed.chain(trusted.map(|dir| (dir, None))).collect()
}

/// Where something was typed, and when it was last.
fn typed(config: &Path) -> BTreeMap<RawPath, DateTime<Utc>> {
    let mut all = BTreeMap::new();
    let (_, tail) = edges(&config.join("history.jsonl"), 0, TAIL).unwrap_or_default();
    // The last ones first.
    for line in tail.rsplit(|byte| *byte == b'\n').filter_map(line) {
        let at = line.get("timestamp").and_then(serde_json::Value::as_i64);
        let (Some(dir), Some(at)) = (word(&line, "project"), at.and_then(time::from_millis)) else {
            continue;
        };
        if all.len() < MOST {
            let last = all.entry(RawPath(dir.to_owned())).or_insert(at);
            *last = at.max(*last);
        }
    }
    all
}

#[derive(Deserialize)]
struct Settings<'j> {
    #[serde(borrow)]
    projects: BTreeMap<String, &'j RawValue>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(rename = "hasTrustDialogAccepted")]
    trusted: bool,
}

/// The directories that a person has called trusted.
fn trusted(settings: &Path) -> Vec<RawPath> {
    let bytes = read_bounded(settings, SETTINGS).unwrap_or_default();
    let Ok(settings) = serde_json::from_slice::<Settings<'_>>(&bytes) else {
        return Vec::new();
    };
    let trusted = settings.projects.into_iter().filter(|(_, raw)| {
        let project = serde_json::from_str::<Project>(raw.get());
        project.is_ok_and(|project| project.trusted)
    });
    trusted.map(|(dir, _)| RawPath(dir)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HISTORY: &str = include_str!("../../../tests/fixtures/claude/2.1.332/history.jsonl");
    const BESIDE: &str = include_str!("../../../tests/fixtures/claude/2.1.332/claude.json");

    fn found(config: &Path) -> Vec<String> {
        let line = |(dir, at): (RawPath, Option<DateTime<Utc>>)| {
            let at = at.map(|at| at.timestamp().to_string());
            format!("{} {}", dir.0, at.unwrap_or_default())
        };
        dirs(config).into_iter().map(line).collect()
    }

    #[test]
    fn what_was_typed_and_trusted_names_directories() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join(".claude");
        fs::create_dir(&config).unwrap();
        assert_eq!(found(&config), [""; 0]);
        fs::write(config.join("history.jsonl"), HISTORY).unwrap();
        fs::write(home.path().join(".claude.json"), BESIDE).unwrap();
        let wanted = [
            "/home/dev/other 1795890024",
            "/home/dev/proj 1795890023",
            "/home/dev/other ",
            "/home/dev/proj ",
        ];
        assert_eq!(found(&config), wanted);
        // A directory that a variable names has its own, and none beside it.
        let named = home.path().join("named");
        fs::create_dir(&named).unwrap();
        assert_eq!(found(&named), [""; 0]);
        fs::write(named.join(".claude.json"), BESIDE).unwrap();
        assert_eq!(found(&named), wanted[2..]);
    }

    #[test]
    fn odd_files_cost_only_what_is_odd() {
        let config = tempfile::tempdir().unwrap();
        let config = config.path();
        let at = |name| config.join(name);
        let good = r#"{"project":"/srv/shop","timestamp":1795890024804}"#;
        let odd = r#"{"project":7,"timestamp":1}
            {"project":"/srv/a","timestamp":"1795890024804"}
            {"project":"/srv/b"}
            {"project":"/srv/c","timestamp":9223372036854775807}
            ["#;
        let more = format!("{{\"display\":\"{}\"}}\n", "x".repeat(2 << 20));
        fs::write(at("history.jsonl"), format!("{odd}\n{more}{good}\n{odd}")).unwrap();
        assert_eq!(found(config), ["/srv/shop 1795890024"]);
        fs::remove_file(at("history.jsonl")).unwrap();
        let entries = r#""/a":{"hasTrustDialogAccepted":true,"history":[{"display":"x"}]},
            "/b":{"hasTrustDialogAccepted":false},"/c":{"hasTrustDialogAccepted":3},"/d":[],
            "/e":{},"f":{"hasTrustDialogAccepted":true}"#;
        fs::write(
            at(".claude.json"),
            format!("{{\"x\":[1],\"projects\":{{{entries}}}}}"),
        )
        .unwrap();
        assert_eq!(found(config), ["/a ", "f "]);
        for broken in [
            "",
            "{\"projects\":{\"/a\":{\"hasTrust",
            "{\"projects\":[]}",
            "{}",
            "\u{0}",
        ] {
            fs::write(at(".claude.json"), broken).unwrap();
            assert_eq!(found(config), [""; 0], "{broken:?}");
        }
        let huge = fs::File::create(at(".claude.json")).unwrap();
        huge.set_len(1 << 40).unwrap();
        assert_eq!(found(config), [""; 0]);
        let many =
            (0..MOST + 9).map(|n| format!("{{\"project\":\"/{n}\",\"timestamp\":1795890024804}}"));
        fs::write(at("history.jsonl"), many.collect::<Vec<_>>().join("\n")).unwrap();
        assert_eq!(found(config).len(), MOST);
    }
}
