//! Directories under inotify.
//!
//! **Source:** inotify(7). A watch belongs to an inode: two paths to one directory share it, and
//! a directory that is replaced loses it, which [`Change::Lost`] tells.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify;

/// Something happened below a watched directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An entry was written and closed, made, moved in, moved out or removed.
    Entry {
        /// The directory, as it was given to [`Watcher::add`].
        dir: PathBuf,
        /// The entry's name.
        name: String,
    },
    /// The directory is gone or was moved; it is no longer watched.
    Lost {
        /// The directory.
        dir: PathBuf,
    },
    /// The kernel's queue was full: anything may have happened.
    Overflow,
}

/// An inotify instance. Directories are counted: each `add` wants a `remove`.
#[derive(Debug)]
pub struct Watcher {
    fd: OwnedFd,
    paths: HashMap<i32, Vec<PathBuf>>,
    watches: HashMap<PathBuf, (i32, usize)>,
}

impl Watcher {
    /// A watcher of nothing.
    ///
    /// # Errors
    /// Those of `inotify_init1`: too many instances of this user.
    pub fn new() -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self {
            fd,
            paths: HashMap::new(),
            watches: HashMap::new(),
        })
    }

    /// Watches `dir`; says whether it now does (the directory may not exist).
    ///
    /// # Errors
    /// `StorageFull` when the user's limit of watches is reached, and those of the file system
    /// but `NotFound`.
    pub fn add(&mut self, dir: &Path) -> io::Result<bool> {
        if let Some((_, count)) = self.watches.get_mut(dir) {
            *count += 1;
            return Ok(true);
        }
        use inotify::WatchFlags as F;
        let mask = F::CLOSE_WRITE
            | F::CREATE
            | F::MOVED_TO
            | F::MOVED_FROM
            | F::DELETE
            | F::DELETE_SELF
            | F::MOVE_SELF
            | F::ONLYDIR;
        let wd = match inotify::add_watch(&self.fd, dir, mask) {
            Ok(wd) => wd,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.paths.entry(wd).or_default().push(dir.to_path_buf());
        self.watches.insert(dir.to_path_buf(), (wd, 1));
        Ok(true)
    }

    /// Takes one `add` back.
    pub fn remove(&mut self, dir: &Path) {
        let Some((wd, count)) = self.watches.get_mut(dir) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let wd = *wd;
        self.watches.remove(dir);
        if let Some(paths) = self.paths.get_mut(&wd) {
            paths.retain(|path| path != dir);
            if paths.is_empty() {
                self.paths.remove(&wd);
                // Fails if the kernel has dropped the watch already; then nothing is left to do.
                let _removed = inotify::remove_watch(&self.fd, wd);
            }
        }
    }

    /// Whether `dir` is watched.
    #[must_use]
    pub fn holds(&self, dir: &Path) -> bool {
        self.watches.contains_key(dir)
    }

    /// How many directories are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.watches.len()
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// All changes since the last call, without waiting; equal ones in a row once.
    pub fn read(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let mut lost: Vec<i32> = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        while let Ok(event) = reader.next() {
            use inotify::ReadFlags as F;
            let flags = event.events();
            if flags.contains(F::QUEUE_OVERFLOW) {
                changes.push(Change::Overflow);
                continue;
            }
            if flags.intersects(F::IGNORED | F::MOVE_SELF | F::DELETE_SELF | F::UNMOUNT) {
                lost.push(event.wd());
                continue;
            }
            let Some(name) = event.file_name().and_then(|name| name.to_str().ok()) else {
                continue;
            };
            for dir in self.paths.get(&event.wd()).into_iter().flatten() {
                let change = Change::Entry {
                    dir: dir.clone(),
                    name: name.to_owned(),
                };
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        for wd in lost {
            for dir in self.paths.remove(&wd).into_iter().flatten() {
                self.watches.remove(&dir);
                // After a move the kernel still watches the old inode.
                let _removed = inotify::remove_watch(&self.fd, wd);
                changes.push(Change::Lost { dir });
            }
        }
        changes
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entry(dir: &Path, name: &str) -> Change {
        Change::Entry {
            dir: dir.to_path_buf(),
            name: name.into(),
        }
    }

    #[test]
    fn writes_and_removals_are_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new().unwrap();
        assert!(watcher.add(dir.path()).unwrap());
        fs::write(dir.path().join("1.json"), "{}").unwrap();
        fs::write(dir.path().join("1.json"), "{}").unwrap();
        assert_eq!(watcher.read(), [entry(dir.path(), "1.json")]);
        fs::remove_file(dir.path().join("1.json")).unwrap();
        assert_eq!(watcher.read(), [entry(dir.path(), "1.json")]);
        assert!(watcher.read().is_empty());
    }

    #[test]
    fn a_replaced_directory_is_lost_and_can_be_watched_again() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("sessions");
        let mut watcher = Watcher::new().unwrap();
        assert!(!watcher.add(&dir).unwrap(), "not there yet");
        fs::create_dir(&dir).unwrap();
        assert!(watcher.add(&dir).unwrap());
        fs::rename(&dir, parent.path().join("old")).unwrap();
        assert_eq!(watcher.read(), [Change::Lost { dir: dir.clone() }]);
        fs::create_dir(&dir).unwrap();
        assert!(watcher.add(&dir).unwrap());
        fs::write(dir.join("a"), "").unwrap();
        assert_eq!(watcher.read(), [entry(&dir, "a")]);
    }

    #[test]
    fn a_directory_is_watched_until_its_last_user_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new().unwrap();
        watcher.add(dir.path()).unwrap();
        watcher.add(dir.path()).unwrap();
        watcher.remove(dir.path());
        fs::write(dir.path().join("a"), "").unwrap();
        assert_eq!(watcher.read().len(), 1);
        watcher.remove(dir.path());
        assert!(watcher.is_empty());
        fs::write(dir.path().join("b"), "").unwrap();
        assert!(watcher.read().is_empty());
    }
}
