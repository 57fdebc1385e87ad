//! The secret values of a working tree's `.env` files: at its top and in the directories below, as
//! repositories of several packages have them.

use std::fs;
use std::path::{Path, PathBuf};

use super::redact;
use crate::core::sorted::Arrange as _;
use crate::sys::files::read_bounded;

/// Largest file that is read, in bytes.
const CAP: usize = 1 << 20;
/// Files that are read, directories that are looked through, and entries of one.
const FILES: usize = 64;
const DIRS: usize = 300;
const ENTRIES: usize = 10_000;
/// How far below the top they are looked for: `packages/api/.env`.
const DEPTH: usize = 2;
/// Directories of what was fetched or built.
const SKIPPED: [&str; 5] = ["node_modules", "target", "vendor", "dist", "build"];

/// The values, from files that can be read.
#[must_use]
pub fn secrets(top: &Path) -> Vec<String> {
    let mut secrets = Vec::new();
    for file in files(top) {
        let text = read_bounded(&file, CAP).unwrap_or_default();
        let pairs = redact::env_file(&String::from_utf8_lossy(&text));
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        secrets.extend(redact::secrets(pairs));
    }
    secrets.arrange();
    secrets.dedup();
    secrets
}

fn files(top: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![(top.to_path_buf(), 0)];
    let mut at = 0;
    while let Some((dir, depth)) = dirs.get(at).cloned() {
        at += 1;
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        for entry in entries.take(ENTRIES) {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            // Links are not followed: they may lead anywhere.
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let skipped = SKIPPED.iter().any(|skipped| skipped.as_bytes() == name);
            if is_dir && depth < DEPTH && dirs.len() < DIRS && !name.starts_with(b".") && !skipped {
                dirs.push((entry.path(), depth + 1));
            } else if !is_dir && name.starts_with(b".env") && files.len() < FILES {
                files.push(entry.path());
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_packages_are_secret_too() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            ".env",
            "SHOP_TOKEN=one-one-one-1\nSHOP_NAME=shop-of-someone\n",
        );
        write(".env.local", "SHOP_TOKEN=two-two-two-2\n");
        write("packages/api/.env", "SHOP_TOKEN=three-three-3\n");
        write("node_modules/x/.env", "SHOP_TOKEN=four-four-4\n");
        write("a/b/c/.env", "SHOP_TOKEN=five-five-5\n");
        fs::create_dir(dir.path().join(".envrc.d")).unwrap();
        let want = ["one-one-one-1", "three-three-3", "two-two-two-2"];
        assert_eq!(secrets(dir.path()), want);
        assert!(secrets(&dir.path().join("none")).is_empty());
    }
}
