//! Which files may switch hooks off, read.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::SIZE_CAP;
use crate::agent::claude::settings::off::{Layer, Off, switched_off};
use crate::core::sorted::Arrange as _;
use crate::sys::files::read_bounded;

/// Where an administrator's settings lie.
///
/// **Source:** 2.1.332 of the real CLI, which reads both of them.
pub(super) const MANAGED: &str = "/etc/claude-code";
/// Fragments of managed settings that are read at most.
const FRAGMENTS: usize = 256;

/// What switches the hooks of a configuration directory off, in the working directory `cwd` if
/// one is named.
pub(super) fn look(config: &Path, cwd: Option<&Path>, managed: &Path) -> Option<Off> {
    let own = [config.join("settings.json")];
    let of_project = cwd.into_iter().flat_map(|cwd| {
        let root = cwd.ancestors().find(|dir| dir.join(".git").exists());
        let local = |dir: &Path| dir.join(".claude/settings.local.json");
        let above = root.filter(|root| *root != cwd).map(local);
        let project = Some(cwd.join(".claude/settings.json"));
        [project, above, Some(local(cwd))].into_iter().flatten()
    });
    let layers = own.into_iter().chain(of_project);
    let layers = layers.map(|file| (file, false));
    let managed = administrators(managed).into_iter().map(|file| (file, true));
    let layers: Vec<Layer> = layers
        .chain(managed)
        .filter_map(|(file, managed)| {
            let text = String::from_utf8(read_bounded(&file, SIZE_CAP).ok()?).ok()?;
            Some(Layer {
                file,
                text,
                managed,
            })
        })
        .collect();
    switched_off(&layers)
}

/// The administrator's files, in their order.
fn administrators(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("managed-settings.d"));
    let entries = entries.into_iter().flatten().flatten();
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let fragments = entries.map(|entry| entry.path()).filter(is_json);
    let mut files: Vec<PathBuf> = fragments.take(FRAGMENTS).collect();
    files.arrange();
    files.insert(0, dir.join("managed-settings.json"));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_that_counts_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let files = [
            "config/settings.json",
            "repo/sub/.claude/settings.json",
            "repo/.claude/settings.local.json",
            "repo/sub/.claude/settings.local.json",
            "etc/managed-settings.json",
            "etc/managed-settings.d/10-a.json",
            "etc/managed-settings.d/20-b.json",
        ];
        fs::create_dir_all(at("repo/.git")).unwrap();
        let cwd = at("repo/sub");
        let look = || look(&at("config"), Some(&cwd), &at("etc")).map(|off| off.file);
        assert_eq!(look(), None);
        // Each counts more than all before it.
        for file in files {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            fs::write(at(file), r#"{"disableAllHooks": true}"#).unwrap();
            assert_eq!(look(), Some(at(file)));
        }
        for file in files {
            fs::write(at(file), r#"{"disableAllHooks": false}"#).unwrap();
        }
        fs::write(
            at("repo/.claude/settings.json"),
            r#"{"disableAllHooks": true}"#,
        )
        .unwrap();
        fs::write(
            at("etc/managed-settings.d/99-x.txt"),
            r#"{"disableAllHooks": true}"#,
        )
        .unwrap();
        assert_eq!(look(), None, "these are not read");
    }
}
