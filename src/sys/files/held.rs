//! A small file that is read and replaced as a whole, by one writer at a time.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, FlockOperation, Gid, Uid, XattrFlags};
use rustix::process::{Pid, geteuid, test_kill_process};

use super::{create_private_dir, read_bounded};
use crate::sys::clock::{self, Deadline};

/// Links that are followed at most, as the kernel does.
const LINKS: usize = 40;
/// Longest wait for another writer: each is done in milliseconds.
const OTHERS: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
/// Entries of the directory that are looked at for what killed writers left.
const ENTRIES: usize = 10_000;
/// Largest extended attribute, and list of their names, that is kept, in bytes (xattr(7)).
const ATTRIBUTE: usize = 64 << 10;

/// Whether a file is still what it was.
type Check<'a> = &'a dyn Fn() -> io::Result<()>;

/// A file that is locked: other writers that take the lock wait.
///
/// A link leads to its file, which is written; the link stays. The lock is the directory's
/// (flock(2)), which leaves no file behind. Where a file system has no locks it is written
/// without one.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    /// The directory, if it could be locked. The kernel lets the lock go, whatever ends this.
    dir: Option<File>,
}

impl Held {
    /// Waits for other writers, two seconds at most. The directory is made (0700) if missing.
    ///
    /// # Errors
    /// `ResourceBusy` if another writer does not end, and those of the file system.
    pub fn take(path: &Path) -> io::Result<Self> {
        let path = past_links(path)?;
        create_private_dir(parent(&path))?;
        let dir = lock(parent(&path), OTHERS)?;
        Ok(Self { path, dir })
    }

    /// Where the file lies, past links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces what the file holds, so that after a crash at any moment either the old or the new
    /// content is there: temporary file beside it, fsync, rename, fsync of the directory. Owner,
    /// permissions and, where permitted, extended attributes stay; a new file has mode 0600.
    ///
    /// A file with a second name (hard link), and one whose directory takes no other, is written
    /// in place: a crash in that moment may cost its end.
    ///
    /// # Errors
    /// Those of the file system; the old content then still stands.
    pub fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.replace_if(bytes, &|| Ok(()))
    }

    /// The same, if `check` passes at the last moment.
    fn replace_if(&self, bytes: &[u8], check: Check<'_>) -> io::Result<()> {
        self.clear_left_over();
        let before = match fs::symlink_metadata(&self.path) {
            Ok(before) => before,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.swap(bytes, None, check);
            }
            Err(error) => return Err(error),
        };
        if !before.is_file() {
            let words = "not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        // Root could write it all the same, against its user's wish.
        if before.mode() & 0o200 == 0 {
            let words = "it is read-only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
        }
        let in_place = || check().and_then(|()| write_in_place(&self.path, bytes));
        if before.nlink() > 1 {
            return in_place();
        }
        match self.swap(bytes, Some(&before), check) {
            Err(error) if wants_in_place(error.kind()) => in_place(),
            done => done,
        }
    }

    /// Moves the file out of the way and says where it went: `NAME.corrupt`, or `NAME.corrupt.N`
    /// where those exist, so that nothing that was kept before is lost.
    ///
    /// # Errors
    /// Those of the rename.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut target = self.path.with_file_name(format!("{name}.corrupt"));
        for n in 2..1000 {
            if target.symlink_metadata().is_err() {
                break;
            }
            target = self.path.with_file_name(format!("{name}.corrupt.{n}"));
        }
        fs::rename(&self.path, &target)?;
        Ok(target)
    }

    /// Removes temporary files of writers that were killed. While this is held no other writes,
    /// but one of an older vmux, which has a live process.
    fn clear_left_over(&self) {
        if self.dir.is_none() {
            return;
        }
        let Ok(entries) = fs::read_dir(parent(&self.path)) else {
            return;
        };
        for entry in entries.take(ENTRIES).flatten() {
            let dead = self.writer(&entry.file_name()).is_some_and(is_dead);
            let ours = || {
                let metadata = fs::symlink_metadata(entry.path());
                metadata.is_ok_and(|m| m.is_file() && m.uid() == geteuid().as_raw())
            };
            if dead && ours() {
                // The next write tries again.
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// The process that made a temporary file of this one, by the file's name.
    fn writer(&self, name: &std::ffi::OsStr) -> Option<Pid> {
        let own = self.path.file_name()?.as_encoded_bytes();
        let rest = name.as_encoded_bytes().strip_prefix(own)?;
        let pid = rest.strip_prefix(b".")?.strip_suffix(b".tmp")?;
        Pid::from_raw(std::str::from_utf8(pid).ok()?.parse().ok()?)
    }

    fn temporary(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.tmp", std::process::id()));
        self.path.with_file_name(name)
    }

    fn swap(&self, bytes: &[u8], before: Option<&Metadata>, check: Check<'_>) -> io::Result<()> {
        let temporary = self.temporary();
        let written = self
            .write_new(&temporary, bytes, before)
            .and_then(|()| check())
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(error) = written {
            // Best effort: the write's own error is the one to report.
            drop(fs::remove_file(&temporary));
            return Err(error);
        }
        self.dir.as_ref().map_or(Ok(()), File::sync_all)
    }

    fn write_new(&self, path: &Path, bytes: &[u8], before: Option<&Metadata>) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)?;
        match before {
            Some(before) => {
                give_to(&file, (before.uid(), before.gid()))?;
                copy_attributes(&self.path, &file);
                // After the owner: a change of that takes bits away.
                file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
            }
            None => inherit_owner(&file, parent(path))?,
        }
        file.sync_all()
    }
}

/// Where a path leads, past links; the last may lead to what is not there yet.
///
/// # Errors
/// `FilesystemLoop`, and those of reading a link.
pub fn past_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..LINKS {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                path = parent(&path).join(fs::read_link(&path)?);
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(rustix::io::Errno::LOOP.into())
}

/// Gives what root makes to the owner of the directory that it is made in: root's files in a
/// user's home lock that user out.
pub(super) fn inherit_owner(file: &File, dir: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let dir = fs::metadata(dir)?;
    if dir.uid() == 0 {
        return Ok(());
    }
    give_to(file, (dir.uid(), dir.gid()))
}

fn give_to(file: &File, (uid, gid): (u32, u32)) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (uid, gid) {
        return Ok(());
    }
    Ok(rustix::fs::fchown(
        file,
        Some(Uid::from_raw(uid)),
        Some(Gid::from_raw(gid)),
    )?)
}

/// Copies extended attributes, access lists among them, as far as that is permitted.
fn copy_attributes(from: &Path, to: &File) {
    let mut names = vec![0; ATTRIBUTE];
    let Ok(length) = rustix::fs::listxattr(from, &mut names[..]) else {
        return;
    };
    let mut value = vec![0; ATTRIBUTE];
    for name in names[..length].split(|byte| *byte == 0) {
        if let Ok(length) = rustix::fs::getxattr(from, name, &mut value[..]) {
            let _refused = rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty());
        }
    }
}

/// Whether the directory, not the file, refuses: it is read-only, the file is a mount, or its
/// owner could not be kept.
fn wants_in_place(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(
        kind,
        K::PermissionDenied | K::ReadOnlyFilesystem | K::ResourceBusy | K::CrossesDevices
    )
}

fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let length = bytes.len() as u64;
    if file.metadata()?.len() < length {
        // Room first: on a full disk the old content stays whole.
        match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, length) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    file.write_all(bytes)?;
    file.set_len(length)?;
    file.sync_all()
}

/// Locks a directory for as long as the result lives; `None` where that cannot be done.
///
/// # Errors
/// `ResourceBusy` if another program holds it for longer than `patience`.
pub fn lock(dir: &Path, patience: Duration) -> io::Result<Option<File>> {
    let Ok(file) = File::open(dir) else {
        return Ok(None);
    };
    let deadline = Deadline::after(patience);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                if deadline.passed() {
                    let words = format!("{} is locked by another program", dir.display());
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, words));
                }
                clock::sleep(PAUSE);
            }
            Err(error) => {
                log::debug!("could not lock {}: {error}", dir.display());
                return Ok(None);
            }
        }
    }
}

/// Whether the process has ended; this one, which holds the file, has no temporary file of it.
fn is_dead(pid: Pid) -> bool {
    pid.as_raw_pid().cast_unsigned() == std::process::id()
        || test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Removes temporary files of a file's killed writers, if there is anything to write to.
pub fn tidy(path: &Path) {
    let there = past_links(path).is_ok_and(|path| parent(&path).is_dir());
    if there && let Ok(held) = Held::take(path) {
        held.clear_left_over();
    }
}

/// Replaces somebody else's file at `path`, which holds `old`, by `new`. Does nothing if it holds
/// something else meanwhile.
///
/// # Errors
/// Those of the file system, and `ResourceBusy` if it has changed; it then still stands.
pub fn replace(path: &Path, old: Option<&[u8]>, new: &[u8]) -> io::Result<()> {
    let held = Held::take(path)?;
    held.replace_if(new, &|| unchanged(held.path(), old))
}

/// Checks that a file holds what it held; `None`: that it is not there.
///
/// # Errors
/// `ResourceBusy` if it does not, and those of reading it.
pub fn unchanged(path: &Path, old: Option<&[u8]>) -> io::Result<()> {
    let now = match read_bounded(path, old.map_or(0, <[u8]>::len)) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Some(b"longer".into()),
        Err(error) => return Err(error),
    };
    if now.as_deref() == old {
        return Ok(());
    }
    let message = "it was changed by somebody else meanwhile";
    Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
}

#[cfg(test)]
mod tests;
