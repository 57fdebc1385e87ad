//! Real repositories of a private home, and what lies in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::home::Home;
use super::process::run;

impl Home {
    /// Runs git below `work`, as this home's user and nobody else.
    pub(crate) fn try_git(&self, dir: &str, words: &[&str]) -> Output {
        let mut git = self.command("git");
        git.args(words)
            .current_dir(self.path("work").join(dir))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_EDITOR", "true");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Ann")
                .env(format!("GIT_{who}_EMAIL"), "ann@example.org");
        }
        run(&mut git)
    }

    /// The same, with what it prints; it must not fail.
    pub(crate) fn git(&self, dir: &str, words: &[&str]) -> String {
        let done = self.try_git(dir, words);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "git {words:?} in {dir}: {error}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// A repository below `work`, with one commit. Returns its top.
    pub(crate) fn repository(&self, dir: &str) -> PathBuf {
        self.git(".", &["init", "-q", "-b", "main", dir]);
        self.git(dir, &["commit", "-q", "--allow-empty", "-m", "begin"]);
        self.path("work").join(dir)
    }
}

/// The files below a directory with what they hold and when they were written, but for those below
/// `.git/vmux`.
pub(crate) fn files_of(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.ends_with(".git/vmux") {
            continue;
        }
        if path.is_dir() {
            found.extend(files_of(&path));
        } else {
            let written = entry.metadata().unwrap().modified().unwrap();
            found.insert(path.clone(), (fs::read(&path).unwrap(), written));
        }
    }
    found
}
