//! Which repositories are captured, for a daemon that starts where no session works: a list of
//! paths in the state directory. A hint only: each repository says for itself whether it is.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sys::files::{Held, read_bounded};

/// Largest list that is read, in bytes.
const CAP: usize = 1 << 20;
/// Repositories that it holds at most; the oldest go.
const MOST: usize = 1000;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct List {
    /// Common git directories, as they are shown where they are no UTF-8: such a one is found by
    /// its sessions only.
    repositories: Vec<PathBuf>,
}

/// The common git directories in the list at `path`; none if it cannot be read.
#[must_use]
pub fn read(path: &Path) -> Vec<PathBuf> {
    let bytes = read_bounded(path, CAP).unwrap_or_default();
    let list: List = serde_json::from_slice(&bytes).unwrap_or_default();
    list.repositories
}

/// Puts a repository into the list, and takes others out.
///
/// # Errors
/// Those of the file system.
pub fn change(path: &Path, add: Option<&Path>, remove: &[PathBuf]) -> io::Result<()> {
    let before = read(path);
    let mut repositories = before.clone();
    repositories.retain(|one| !remove.contains(one));
    if let Some(add) = add.filter(|add| add.to_str().is_some())
        && !repositories.iter().any(|one| one == add)
    {
        repositories.push(add.to_path_buf());
    }
    if repositories == before {
        return Ok(());
    }
    let held = Held::take(path)?;
    let gone = repositories.len().saturating_sub(MOST);
    repositories.drain(..gone);
    held.replace(&serde_json::to_vec(&List { repositories })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_in_the_list_once() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("capture.json");
        let (shop, till) = (Path::new("/srv/shop/.git"), Path::new("/srv/till/.git"));
        assert!(read(&list).is_empty());
        change(&list, None, &[shop.into()]).unwrap();
        assert!(!list.exists(), "nothing to say");
        for one in [shop, till, shop] {
            change(&list, Some(one), &[]).unwrap();
        }
        assert_eq!(read(&list), [shop, till]);
        change(&list, None, &[shop.into()]).unwrap();
        assert_eq!(read(&list), [till]);
        std::fs::write(&list, "{").unwrap();
        change(&list, Some(shop), &[]).unwrap();
        assert_eq!(read(&list), [shop], "a broken one is written anew");
    }
}
