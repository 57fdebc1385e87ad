//! Which file system a directory lies on, by the kernel's list: the file system itself is not
//! asked.
//!
//! **Source:** proc(5), `/proc/self/mountinfo`: field 5 is the mount point, with octal escapes,
//! and the type follows the field `-`.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::sys::files::read_bounded;

/// Largest list that is read, in bytes.
const CAP: usize = 1 << 20;

/// File systems that answer as long as the machine does: no server, and no other process.
const LOCAL: [&str; 14] = [
    "bcachefs", "btrfs", "devtmpfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs",
    "squashfs", "tmpfs", "xfs", "zfs",
];

/// The mounts that this process sees.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<(PathBuf, String)>);

impl Mounts {
    /// Reads a list; what cannot be read is empty.
    pub(super) fn read(mountinfo: &Path) -> Self {
        let list = read_bounded(mountinfo, CAP).unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        let mount = |line: &str| {
            let (mount, source) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            Some((unescaped(point), source.split(' ').next()?.to_owned()))
        };
        Self(list.lines().filter_map(mount).collect())
    }

    /// The mount that a directory lies under; if several share a mount point, the last one.
    fn of(&self, dir: &Path) -> Option<&(PathBuf, String)> {
        let around = self.0.iter().filter(|(point, _)| dir.starts_with(point));
        around.max_by_key(|(point, _)| point.as_os_str().len())
    }

    /// The directory that stands for a file system: the mount point that `dir` lies under. Links on
    /// the way are not followed. The root file system always answers, so a directory on it that
    /// hangs is behind a link, and stands for itself.
    pub(super) fn point_of(&self, dir: &Path) -> PathBuf {
        let point = self.of(dir).map_or(Path::new("/"), |(point, _)| point);
        let point = Some(point).filter(|point| *point != Path::new("/"));
        point.unwrap_or(dir).to_path_buf()
    }

    /// Whether every file system on the way to a path, and to a `.git` beside that way, answers as
    /// long as the machine does. Links on the way are not followed: see [`leads_by_itself`].
    pub(super) fn all_local(&self, path: &Path) -> bool {
        let bytes = path.as_os_str().as_bytes();
        let mut known = false;
        let answers = |(point, kind): &(PathBuf, String)| {
            // By bytes first: most mounts are elsewhere, and this is asked often.
            let around = bytes.starts_with(point.as_os_str().as_bytes()) && path.starts_with(point);
            known |= around;
            let beside = || point.as_os_str().as_bytes().ends_with(b"/.git");
            !(around || beside()) || LOCAL.contains(&&**kind)
        };
        self.0.iter().all(answers) && known
    }

    /// Whether the file system of a directory answers as long as the machine does.
    pub(super) fn is_local(&self, dir: &Path) -> bool {
        self.of(dir)
            .is_none_or(|(_, kind)| LOCAL.contains(&&**kind))
    }
}

/// Whether no link is on the way to a path, as far as it exists. Asks the file systems on the way.
///
/// **Source:** openat2(2), Linux 5.6; with an older kernel the answer is no.
pub(super) fn leads_by_itself(path: &Path) -> bool {
    matches!(open_by_itself(path), Ok(_) | Err(Errno::NOENT))
}

/// Opens a path, only to look at what it leads to, if no link is on the way to it.
///
/// # Errors
/// Those of openat2(2): `NOENT` where nothing is at the end of such a way.
pub(super) fn open_by_itself(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let by_itself = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(CWD, path, flags, Mode::empty(), by_itself)
}

/// The list, read when the kernel says that it is another one.
///
/// **Source:** proc(5), `/proc/PID/mounts`: a change is told by `POLLERR` and `POLLPRI`.
pub(super) struct Table {
    path: PathBuf,
    file: Option<File>,
    mounts: Mounts,
}

impl Table {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            mounts: Mounts::default(),
        }
    }

    /// Reads the list anew where it is another one; whether it is.
    pub(super) fn renew(&mut self) -> bool {
        let other = self.file.as_ref().is_none_or(is_other);
        if other {
            // Opened before it is read, so that nothing slips through between.
            self.file = File::open(&self.path).ok();
            self.mounts = Mounts::read(&self.path);
        }
        other
    }

    /// The list as it was at the last [`Table::renew`].
    pub(super) fn current(&self) -> &Mounts {
        &self.mounts
    }
}

fn is_other(list: &File) -> bool {
    let mut fds = [PollFd::new(list, PollFlags::PRI)];
    let polled = poll(&mut fds, Some(&Timespec::default()));
    let told = fds[0].revents();
    polled.is_err() || told.intersects(PollFlags::PRI | PollFlags::ERR)
}

fn unescaped(field: &str) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        let octal = (*first == b'\\')
            .then(|| rest.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(*first));
        bytes = if octal.is_some() { &rest[3..] } else { rest };
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_longest_name() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("mountinfo");
        let text = "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw\n\
                    2 1 0:44 / /mnt/the\\040nas rw shared:2 - fuse.sshfs x rw\n\
                    3 2 0:45 / /mnt/the\\040nas/b rw - nfs4 x rw\n\
                    4 1 0:46 / /home rw - btrfs x rw\ntorn \\";
        std::fs::write(&list, text).unwrap();
        let mounts = Mounts::read(&list);
        for (dir, point, local) in [
            ("/mnt/the nas/b/c", "/mnt/the nas/b", false),
            ("/mnt/the nas/bc", "/mnt/the nas", false),
            ("/home/me", "/home", true),
            ("/srv/link", "/srv/link", true),
        ] {
            let dir = Path::new(dir);
            assert_eq!(
                (mounts.point_of(dir), mounts.is_local(dir)),
                (point.into(), local)
            );
        }
        for (path, local) in [
            ("/home/me", true),
            ("/mnt/other", true),
            ("/mnt/the nas/bc", false),
        ] {
            assert_eq!(mounts.all_local(Path::new(path)), local, "{path}");
        }
        assert!(
            !Mounts::default().all_local(Path::new("/home")),
            "not known"
        );
    }

    #[test]
    fn a_link_on_the_way_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        for (path, by_itself) in [
            ("real", true),
            ("real/none", true),
            ("link", false),
            ("link/none", false),
        ] {
            assert_eq!(leads_by_itself(&dir.join(path)), by_itself, "{path}");
        }
    }
}
