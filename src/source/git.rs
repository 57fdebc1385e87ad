//! The repository around a directory, read from its files: no child process.
//!
//! **Source:** gitrepository-layout(5) of git 2.47: `.git` is a directory, or a file
//! `gitdir: PATH` in linked worktrees and submodules; `HEAD` holds `ref: refs/heads/NAME` or an
//! object id; `commondir` leads from a linked worktree to the main repository.

use std::path::{Component, Path, PathBuf};

use crate::files::read_bounded;
use crate::model::GitFact;
use crate::text::CleanText;

/// Largest of git's small files that is read, in bytes.
const CAP: usize = 4096;
/// Parents that are searched for a repository.
const DEPTH: usize = 64;

/// A repository, and where its `HEAD` lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// RawPath that holds `HEAD`: watched for a checkout.
    pub git_dir: PathBuf,
    /// The directory around which it was found: the top of the working tree.
    top: PathBuf,
}

/// Finds the repository around `cwd`.
#[must_use]
pub fn find(cwd: &Path) -> Option<Repository> {
    for top in cwd.ancestors().take(DEPTH) {
        let dot_git = top.join(".git");
        if dot_git.join("HEAD").is_file() {
            return Some(Repository {
                git_dir: dot_git,
                top: top.to_path_buf(),
            });
        }
        if let Some(git_dir) = pointed_to(&dot_git, top) {
            return git_dir.join("HEAD").is_file().then(|| Repository {
                git_dir,
                top: top.to_path_buf(),
            });
        }
        // A bare repository has no `.git`: its worktrees point into it, but a session may also
        // sit in the bare directory itself.
        if top.join("HEAD").is_file() && top.join("objects").is_dir() && top.join("refs").is_dir() {
            return Some(Repository {
                git_dir: top.to_path_buf(),
                top: top.to_path_buf(),
            });
        }
    }
    None
}

/// The directory that a `.git` file names.
fn pointed_to(dot_git: &Path, top: &Path) -> Option<PathBuf> {
    let text = read_text(dot_git)?;
    let target = text.strip_prefix("gitdir:")?.trim();
    Some(normalise(&top.join(target)))
}

fn read_text(path: &Path) -> Option<String> {
    let bytes = read_bounded(path, CAP).ok()?;
    String::from_utf8(bytes).ok()
}

/// Takes `.` and `..` out without asking the file system.
fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

impl Repository {
    /// Reads what is checked out.
    #[must_use]
    pub fn read(&self) -> GitFact {
        let head = read_text(&self.git_dir.join("HEAD")).unwrap_or_default();
        let head = head.trim();
        let branch = head.strip_prefix("ref:").map(str::trim);
        let shown = match branch {
            // The reftable format keeps a stub here: the branch is not in any file of text.
            Some("refs/heads/.invalid") => None,
            Some(name) => CleanText::line(name.strip_prefix("refs/heads/").unwrap_or(name)).some(),
            None => CleanText::line(head.get(..7).unwrap_or(head)).some(),
        };
        let linked = read_text(&self.git_dir.join("commondir"));
        let common = linked
            .as_ref()
            .map(|text| normalise(&self.git_dir.join(text.trim())));
        let worktree = common.is_some().then(|| base(&self.top));
        GitFact {
            branch: shown,
            detached: branch.is_none() && !head.is_empty(),
            repository: repository_name(common.as_deref(), &self.top),
            worktree,
        }
    }
}

/// The main directory's name: the parent of a common `.git`, or a bare repository without its
/// ending.
fn repository_name(common: Option<&Path>, top: &Path) -> CleanText {
    match common {
        Some(common) if common.ends_with(".git") => base(common.parent().unwrap_or(common)),
        Some(bare) => {
            let name = base(bare);
            CleanText::line(name.strip_suffix(".git").unwrap_or(&name))
        }
        None => base(top),
    }
}

fn base(path: &Path) -> CleanText {
    CleanText::line(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(cwd: &Path) -> GitFact {
        find(cwd).unwrap().read()
    }

    #[test]
    fn a_branch_is_read_from_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("shop");
        write(top.join(".git/HEAD"), "ref: refs/heads/feature/cart\n");
        fs::create_dir_all(top.join("src/deep")).unwrap();
        let fact = read(&top.join("src/deep"));
        assert_eq!(fact.branch.unwrap().as_str(), "feature/cart");
        assert_eq!(
            (fact.repository.as_str(), fact.worktree, fact.detached),
            ("shop", None, false)
        );
    }

    #[test]
    fn a_detached_head_shows_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path().join(".git/HEAD"),
            "0123456789abcdef0123456789abcdef01234567\n",
        );
        let fact = read(dir.path());
        assert_eq!(
            (fact.branch.unwrap().as_str(), fact.detached),
            ("0123456", true)
        );
    }

    #[test]
    fn a_linked_worktree_knows_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("shop");
        write(main.join(".git/HEAD"), "ref: refs/heads/main\n");
        write(
            main.join(".git/worktrees/fix/HEAD"),
            "ref: refs/heads/fix-cart\n",
        );
        write(main.join(".git/worktrees/fix/commondir"), "../..\n");
        let tree = dir.path().join("fix");
        write(
            tree.join(".git"),
            &format!("gitdir: {}/.git/worktrees/fix\n", main.display()),
        );
        let fact = read(&tree);
        assert_eq!(fact.branch.unwrap().as_str(), "fix-cart");
        assert_eq!(
            (fact.repository.as_str(), fact.worktree.unwrap().as_str()),
            ("shop", "fix")
        );
    }

    #[test]
    fn a_submodule_is_a_repository_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path().join("shop/.git/modules/lib/HEAD"),
            "ref: refs/heads/v2\n",
        );
        write(
            dir.path().join("shop/lib/.git"),
            "gitdir: ../.git/modules/lib\n",
        );
        let fact = read(&dir.path().join("shop/lib"));
        assert_eq!(
            (fact.branch.unwrap().as_str(), fact.repository.as_str()),
            ("v2", "lib")
        );
        assert_eq!(fact.worktree, None);
    }

    #[test]
    fn what_is_broken_or_missing_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(dir.path()), None);
        write(dir.path().join(".git"), "gitdir: /nowhere/at/all\n");
        assert_eq!(find(dir.path()), None);
        fs::remove_file(dir.path().join(".git")).unwrap();
        write(dir.path().join(".git/HEAD"), "");
        let fact = read(dir.path());
        assert_eq!((fact.branch, fact.detached), (None, false));
    }
}
