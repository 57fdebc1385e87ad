//! Directories under inotify.
//!
//! **Source:** inotify(7). A watch belongs to an inode: two paths to one directory share it, and
//! a directory that is replaced loses it, which [`Change::Lost`] tells.

use std::collections::{HashMap, HashSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify;
use rustix::io::Errno;

use super::git;

/// Something happened below a watched directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An entry was written and closed, made, moved in, moved out or removed; where that is
    /// asked for, also written and kept open.
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

/// What is missing to hear of every change at once. Only time is lost by it: what is not watched is
/// looked at by each scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// No inotify instance could be had.
    Instance(Errno),
    /// The user's limit of watches is reached: some directories are not watched.
    Watches,
}

impl Lack {
    /// What is missing, and what helps.
    #[must_use]
    pub fn words(self) -> String {
        let (what, limit) = match self {
            Self::Instance(errno) => {
                let cause = io::Error::from(errno);
                (
                    format!("no inotify instance is left ({cause})"),
                    "fs.inotify.max_user_instances",
                )
            }
            Self::Watches => (
                "no inotify watch is left".into(),
                "fs.inotify.max_user_watches",
            ),
        };
        format!("{what}; hint: raise {limit} (sysctl), or close what uses them up, often editors")
    }
}

/// Most events that one [`Watcher::read`] takes: beside a fast writer there is always one more.
const EVENTS: usize = 4096;

/// How an inotify instance is made.
pub type Init = fn() -> Result<OwnedFd, Errno>;

/// An inotify instance. Directories are counted: each `add` wants a `remove`.
#[derive(Debug)]
pub struct Watcher {
    init: Init,
    /// Shared with the threads that add what may not answer.
    fd: Option<Arc<OwnedFd>>,
    lack: Option<Lack>,
    paths: HashMap<i32, Vec<PathBuf>>,
    watches: HashMap<PathBuf, (i32, usize)>,
    /// Directories of git: only changes of names that [`git::matters`] knows count.
    git_dirs: HashSet<PathBuf>,
}

/// Adds watches from another thread: [`Watcher::adopt`] takes them over.
#[derive(Clone, Debug)]
pub struct Adder(Arc<OwnedFd>);

impl Adder {
    /// Watches a directory, and tells by which number.
    ///
    /// # Errors
    /// Those of `inotify_add_watch`.
    pub fn add(&self, dir: &Path) -> Result<i32, Errno> {
        self.add_with(dir, inotify::WatchFlags::empty())
    }

    fn add_with(&self, dir: &Path, more: inotify::WatchFlags) -> Result<i32, Errno> {
        use inotify::WatchFlags as F;
        let mask = F::CLOSE_WRITE
            | F::CREATE
            | F::MOVED_TO
            | F::MOVED_FROM
            | F::DELETE
            | F::DELETE_SELF
            | F::MOVE_SELF
            | F::ONLYDIR;
        inotify::add_watch(&self.0, dir, mask | more)
    }
}

/// Asks the kernel for an instance.
///
/// # Errors
/// Those of `inotify_init1`: this user has too many.
pub fn instance() -> Result<OwnedFd, Errno> {
    inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
}

impl Watcher {
    /// A watcher of nothing. Without an inotify instance it watches nothing for now:
    /// see [`Watcher::lack`] and [`Watcher::renew`].
    #[must_use]
    pub fn new(init: Init) -> Self {
        let mut watcher = Self {
            init,
            fd: None,
            lack: None,
            paths: HashMap::new(),
            watches: HashMap::new(),
            git_dirs: HashSet::new(),
        };
        watcher.renew();
        watcher
    }

    /// What is missing, if something is.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        self.lack
    }

    /// Tries to get what was missing.
    pub fn renew(&mut self) {
        // If there is an instance, a watch may have become free; if not, the next refusal says so.
        self.lack = None;
        if self.fd.is_none() {
            match (self.init)() {
                Ok(fd) => self.fd = Some(Arc::new(fd)),
                Err(errno) => self.lack = Some(Lack::Instance(errno)),
            }
        }
    }

    /// What adds watches from another thread; nothing where there is no instance.
    #[must_use]
    pub fn adder(&self) -> Option<Adder> {
        self.fd.clone().map(Adder)
    }

    /// Watches `dir`; says whether it now does (the directory may not exist, and without an
    /// instance nothing is watched).
    ///
    /// # Errors
    /// Those of the file system but `NotFound`.
    pub fn add(&mut self, dir: &Path) -> io::Result<bool> {
        self.add_with(dir, inotify::WatchFlags::empty())
    }

    /// The same for a directory whose files are written and kept open: each write is told.
    ///
    /// # Errors
    /// Those of [`Watcher::add`].
    pub fn add_open(&mut self, dir: &Path) -> io::Result<bool> {
        self.add_with(dir, inotify::WatchFlags::MODIFY)
    }

    fn add_with(&mut self, dir: &Path, more: inotify::WatchFlags) -> io::Result<bool> {
        if let Some((_, count)) = self.watches.get_mut(dir) {
            *count += 1;
            return Ok(true);
        }
        let Some(adder) = self.adder() else {
            return Ok(false);
        };
        match adder.add_with(dir, more) {
            Ok(wd) => {
                self.insert(dir, wd);
                Ok(true)
            }
            Err(errno) => self.refused(errno),
        }
    }

    /// Takes over a git directory that an [`Adder`] watches: of its entries only those count
    /// that tell of a checkout.
    pub fn adopt(&mut self, dir: &Path, wd: i32) {
        self.take_over(dir, wd);
        self.git_dirs.insert(dir.to_path_buf());
    }

    /// Takes over a directory that an [`Adder`] watches.
    pub fn take_over(&mut self, dir: &Path, wd: i32) {
        match self.watches.get_mut(dir) {
            Some((known, count)) if *known == wd => *count += 1,
            // The path leads to another directory now.
            Some(_) => {
                self.drop_watch(dir);
                self.insert(dir, wd);
            }
            None => self.insert(dir, wd),
        }
    }

    /// Notes why a watch was refused; not an error where it means only that there is none.
    ///
    /// # Errors
    /// Those of the file system but `NotFound`.
    pub fn refused(&mut self, errno: Errno) -> io::Result<bool> {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Ok(false),
            Errno::NOSPC => {
                self.lack = Some(Lack::Watches);
                Ok(false)
            }
            errno => Err(errno.into()),
        }
    }

    fn insert(&mut self, dir: &Path, wd: i32) {
        self.paths.entry(wd).or_default().push(dir.to_path_buf());
        self.watches.insert(dir.to_path_buf(), (wd, 1));
    }

    /// Takes one `add` back.
    pub fn remove(&mut self, dir: &Path) {
        let Some((_, count)) = self.watches.get_mut(dir) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.drop_watch(dir);
        }
    }

    fn drop_watch(&mut self, dir: &Path) {
        let Some((wd, _)) = self.watches.remove(dir) else {
            return;
        };
        self.git_dirs.remove(dir);
        if let Some(paths) = self.paths.get_mut(&wd) {
            paths.retain(|path| path != dir);
            if paths.is_empty() {
                self.paths.remove(&wd);
                self.forget(wd);
            }
        }
    }

    /// Takes a watch from the kernel. That fails if it has dropped the watch already; then
    /// nothing is left to do.
    fn forget(&self, wd: i32) {
        if let Some(fd) = &self.fd {
            let _removed = inotify::remove_watch(fd, wd);
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

    /// Whether this directory is watched.
    #[must_use]
    pub fn is_watched(&self, dir: &Path) -> bool {
        self.watches.contains_key(dir)
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Changes since the last call, without waiting; equal ones once. After a burst some may be
    /// left for the next call, for which the descriptor stays readable.
    pub fn read(&mut self) -> Vec<Change> {
        let Some(fd) = self.fd.clone() else {
            return Vec::new();
        };
        let mut changes: Vec<Change> = Vec::new();
        let mut told: HashSet<(i32, String)> = HashSet::new();
        let mut lost: Vec<i32> = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&*fd, &mut buffer);
        // What was read from the kernel is taken whole.
        let mut left = EVENTS;
        while left > 0 || !reader.is_buffer_empty() {
            let Ok(event) = reader.next() else {
                break;
            };
            left = left.saturating_sub(1);
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
            let wd = event.wd();
            let dirs = self.paths.get(&wd).into_iter().flatten();
            let counts = |dir: &&PathBuf| git::matters(name) || !self.git_dirs.contains(*dir);
            let mut dirs = dirs.filter(counts).peekable();
            if dirs.peek().is_none() || !told.insert((wd, name.to_owned())) {
                continue;
            }
            changes.extend(dirs.map(|dir| Change::Entry {
                dir: dir.clone(),
                name: name.to_owned(),
            }));
        }
        for wd in lost {
            for dir in self.paths.remove(&wd).into_iter().flatten() {
                self.watches.remove(&dir);
                self.git_dirs.remove(&dir);
                // After a move the kernel still watches the old inode.
                self.forget(wd);
                changes.push(Change::Lost { dir });
            }
        }
        changes
    }

    /// What becomes readable with a change; nothing where there is no instance.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
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
        let mut watcher = Watcher::new(instance);
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
        let mut watcher = Watcher::new(instance);
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
        let mut watcher = Watcher::new(instance);
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

    #[test]
    fn a_burst_is_taken_in_parts_and_each_name_once_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(instance);
        watcher.add(dir.path()).unwrap();
        // Each is made and closed: two events.
        let files = EVENTS;
        for n in 0..files {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        let first = watcher.read().len();
        assert!((EVENTS / 2..EVENTS).contains(&first), "{first}");
        let mut all = first;
        while let part @ 1.. = watcher.read().len() {
            all += part;
        }
        assert!(all >= files, "{all}");
    }
}
