//! The working trees of a repository, from its files.
//!
//! **Source:** gitrepository-layout(5): `worktrees/NAME/gitdir` names the `.git` of a linked one,
//! relative to that directory in newer repositories; the main one stands around `.git`, or where
//! `core.worktree` says, as in a submodule.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git;
use crate::core::sorted::Arrange as _;
use crate::sys::files::read_bounded;
use crate::sys::git::leads_to;

/// Largest path that is read, in bytes.
const CAP: usize = 8 << 10;
/// Linked working trees that are looked at.
const MOST: usize = 1000;
/// Longest wait for git.
const PATIENCE: Duration = Duration::from_secs(2);

/// A working tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree {
    /// Its name within the repository; empty for the main one.
    pub name: String,
    /// Where its own `HEAD` and logs are.
    pub git_dir: PathBuf,
    /// Its top, without links.
    pub top: PathBuf,
}

/// The working trees of the repository that is `common`; those that are gone are left out.
#[must_use]
pub fn all(common: &Path) -> Vec<Tree> {
    let main = main_top(common).map(|top| Tree {
        name: String::new(),
        git_dir: common.to_path_buf(),
        top,
    });
    let mut linked: Vec<Tree> = fs::read_dir(common.join("worktrees"))
        .into_iter()
        .flatten()
        .take(MOST)
        .flatten()
        .filter_map(|entry| linked(&entry.path()))
        .collect();
    linked.arrange_by(|a, b| a.name.cmp(&b.name));
    main.into_iter().chain(linked).collect()
}

/// Linked working trees whose directory was taken away and which git has not forgotten yet, with
/// where they lay: their logs can still be read.
#[must_use]
pub fn removed(common: &Path) -> Vec<Tree> {
    let entries = fs::read_dir(common.join("worktrees")).into_iter().flatten();
    let removed = entries.take(MOST).flatten().filter_map(|entry| {
        let git_dir = entry.path();
        let named = read_bounded(&git_dir.join("gitdir"), CAP).ok()?;
        let dot_git = git_dir.join(OsStr::from_bytes(named.trim_ascii_end()));
        let top = dot_git.parent()?;
        (top.symlink_metadata().is_err() && top.is_absolute()).then(|| Tree {
            name: entry.file_name().to_string_lossy().into_owned(),
            git_dir,
            top: top.to_path_buf(),
        })
    });
    removed.collect()
}

fn linked(git_dir: &Path) -> Option<Tree> {
    let named = read_bounded(&git_dir.join("gitdir"), CAP).ok()?;
    let dot_git = git_dir.join(OsStr::from_bytes(named.trim_ascii_end()));
    if !leads_to(&dot_git, git_dir) {
        return None;
    }
    Some(Tree {
        name: git_dir.file_name()?.to_string_lossy().into_owned(),
        git_dir: git_dir.to_path_buf(),
        top: fs::canonicalize(dot_git.parent()?).ok()?,
    })
}

fn main_top(common: &Path) -> Option<PathBuf> {
    let around = common.parent()?;
    let settings = read_bounded(&common.join("config"), 1 << 20).unwrap_or_default();
    if names_a_tree(&settings) {
        let key = ["config", "--get", "core.worktree"];
        let printed = git::run(common, &key, b"", PATIENCE).ok()?;
        let top = common.join(OsStr::from_bytes(printed.trim_ascii_end()));
        return fs::canonicalize(top).ok().filter(|top| top.is_dir());
    }
    // A bare repository beside a `.git` that leads to it has linked trees only.
    (common.file_name() == Some(OsStr::new(".git"))).then(|| around.to_path_buf())
}

/// Whether settings may say where the working tree is: git is not asked for each repository.
fn names_a_tree(settings: &[u8]) -> bool {
    settings.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii_start();
        let key = line.get(..8).unwrap_or_default();
        let rest = line.get(8..).unwrap_or_default().trim_ascii_start();
        key.eq_ignore_ascii_case(b"worktree") && rest.starts_with(b"=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(dir: &Path, args: &[&str]) {
        let done = git::run(dir, args, b"", Duration::from_secs(20));
        done.unwrap_or_else(|error| panic!("{args:?}: {error}"));
    }

    fn tops(common: &Path) -> Vec<(String, PathBuf)> {
        let trees = all(common).into_iter();
        trees.map(|tree| (tree.name, tree.top)).collect()
    }

    #[test]
    fn all_trees_of_a_repository_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = fs::canonicalize(dir.path()).unwrap();
        let shop = dir.join("shop");
        git(&dir, &["init", "-q", "shop"]);
        let who = ["-c", "user.name=A", "-c", "user.email=a@b.c"];
        let commit = ["commit", "-q", "--allow-empty", "-m", "x"];
        git(&shop, &[&who[..], &commit[..]].concat());
        git(&shop, &["worktree", "add", "-q", "../till"]);
        let common = shop.join(".git");
        let both = [
            (String::new(), shop.clone()),
            ("till".into(), dir.join("till")),
        ];
        assert_eq!(tops(&common), both);
        fs::remove_dir_all(dir.join("till")).unwrap();
        assert_eq!(tops(&common), both[..1]);
        // A submodule's repository lies within the other one.
        let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q"];
        let from = [shop.to_str().unwrap(), "parts/shop"];
        git(&dir, &["init", "-q", "mall"]);
        git(&dir.join("mall"), &[&add[..], &from[..]].concat());
        let module = dir.join("mall/.git/modules/parts/shop");
        assert_eq!(
            tops(&module),
            [(String::new(), dir.join("mall/parts/shop"))]
        );
        // One whose files lie elsewhere.
        fs::create_dir(dir.join("files")).unwrap();
        git(&shop, &["config", "core.worktree", "../../files"]);
        assert_eq!(tops(&common), [(String::new(), dir.join("files"))]);
        git(
            &dir,
            &["--git-dir=shop/.git", "config", "--unset", "core.worktree"],
        );
        git(&dir, &["clone", "-q", "--bare", "shop", "bare.git"]);
        assert_eq!(tops(&dir.join("bare.git")), []);
        git(&dir.join("bare.git"), &["worktree", "add", "-q", "../desk"]);
        let desk = [("desk".into(), dir.join("desk"))];
        assert_eq!(tops(&dir.join("bare.git")), desk);
    }
}
