//! Directories that its settings name: it reads no further back in its rollouts than the newest.

use std::path::Path;

use toml::{Table, Value};

use crate::core::model::RawPath;
use crate::sys::files::read_bounded;

/// Largest file of settings that is read, in bytes.
const SETTINGS: usize = 1 << 20;
/// Most directories.
const MOST: usize = 4096;

/// See [`crate::agent::Agent::dirs`].
///
/// **Source:** observed on 0.171.0: who is asked whether a directory is trusted finds the answer as
/// `[projects."/DIR"]` in `config.toml`. `history.jsonl` and `session_index.jsonl` name no directory.
pub(super) fn dirs(config: &Path) -> Vec<RawPath> {
    let bytes = read_bounded(&config.join("config.toml"), SETTINGS).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let mut settings: Table = toml::from_str(&text).unwrap_or_default();
    let Some(Value::Table(projects)) = settings.remove("projects") else {
        return Vec::new();
    };
    let dirs = projects.into_iter().filter(|(_, value)| value.is_table());
    dirs.map(|(dir, _)| RawPath(dir)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn its_settings_name_directories() {
        let config = tempfile::tempdir().unwrap();
        let found = |text: &str| {
            fs::write(config.path().join("config.toml"), text).unwrap();
            dirs(config.path())
                .into_iter()
                .map(|dir| dir.0)
                .collect::<Vec<_>>()
        };
        let recorded = include_str!("../../../tests/fixtures/codex/0.171.0/config.toml");
        assert_eq!(found(recorded), ["/home/dev/other", "/home/dev/proj"]);
        let odd = "[projects]\n\"/a\" = 3\n[projects.\"/b\"]\n[projects.c]\ntrust_level = 7\n";
        assert_eq!(found(odd), ["/b", "c"]);
        let deep = format!("projects = {}", "[".repeat(100_000));
        let huge = format!("{recorded}#{}", "x".repeat(SETTINGS));
        for none in ["", "projects = 3", "[projects", "\u{0}", &deep, &huge] {
            assert_eq!(found(none), [""; 0], "{:?}", none.get(..20));
        }
        fs::write(config.path().join("config.toml"), b"[projects.\"/\xff\"]").unwrap();
        assert_eq!(dirs(config.path()), []);
        fs::remove_file(config.path().join("config.toml")).unwrap();
        assert_eq!(dirs(config.path()), []);
    }
}
