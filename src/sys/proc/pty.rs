//! Pseudo terminals: which one a process has, and who holds the other end.
//!
//! A number proves nothing: each devpts counts from 0, and every container has one of its own
//! (pts(4)). What is compared is the devpts and the number in it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, major, minor, stat, statat, statfs};

use super::Proc;
use crate::core::model::Pid;

/// Major number of all pseudo terminals: `UNIX98_PTY_SLAVE_MAJOR` of Linux, whose minor numbers
/// have twenty bits.
const PTS: u32 = 136;
/// `DEVPTS_SUPER_MAGIC` of Linux.
const DEVPTS: u64 = 0x1cd1;

/// A pseudo terminal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tty {
    /// Device number of its devpts.
    instance: u64,
    /// `N` of `/dev/pts/N` there.
    number: u32,
}

impl Tty {
    /// Its name for those who have its devpts at the usual place.
    #[must_use]
    pub fn name(self) -> String {
        format!("/dev/pts/{}", self.number)
    }

    /// `N` of its name.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    fn of(file: &Stat) -> Option<Self> {
        let number = pts_number(file)?;
        Some(Self {
            instance: file.st_dev,
            number,
        })
    }
}

fn pts_number(file: &Stat) -> Option<u32> {
    let device = FileType::from_raw_mode(file.st_mode) == FileType::CharacterDevice;
    (device && major(file.st_rdev) == PTS).then(|| minor(file.st_rdev))
}

impl Proc {
    /// The pseudo terminal of a process: of those that are its standard files the one that
    /// controls it, else the first. `None` too if its files may not be read.
    #[must_use]
    pub fn terminal(&self, pid: Pid) -> Option<Tty> {
        let of_fd = |fd: u32| self.slave(pid, OsStr::new(&fd.to_string()));
        let ttys: Vec<Tty> = (0..3).filter_map(of_fd).collect();
        let controlling = self.controlling_pts(pid);
        let controls = |tty: &&Tty| Some(tty.number) == controlling;
        ttys.iter().find(controls).or(ttys.first()).copied()
    }

    /// Number of the pseudo terminal that controls a process, in whichever devpts: anybody may
    /// read that.
    #[must_use]
    pub fn controlling_pts(&self, pid: Pid) -> Option<u32> {
        let device = u64::from(self.stat(pid)?.tty_nr);
        (major(device) == PTS).then(|| minor(device))
    }

    /// The pseudo terminal that a process knows by this name.
    #[must_use]
    pub fn terminal_named(&self, pid: Pid, name: &str) -> Option<Tty> {
        let path = name.strip_prefix('/')?;
        let path = self.root.join(pid.to_string()).join("root").join(path);
        Tty::of(&stat(path).ok()?)
    }

    /// The pseudo terminals that a process has open on the side of a shell.
    #[must_use]
    pub fn open_terminals(&self, pid: Pid) -> Vec<Tty> {
        let fds = self.fds(pid).into_iter();
        fds.filter_map(|fd| self.slave(pid, fd.as_os_str()))
            .collect()
    }

    /// The pseudo terminals whose other end, the master, a process holds.
    ///
    /// **Source:** `tty-index` in `/proc/pid/fdinfo/fd`, Linux 4.15 and newer.
    #[must_use]
    pub fn pty_masters(&self, pid: Pid) -> Vec<Tty> {
        let fds = self.fds(pid).into_iter();
        fds.filter_map(|fd| self.master(pid, fd.as_os_str()))
            .collect()
    }

    /// Whether a process runs in a container: it has a pid namespace of its own, or a `/dev/pts`.
    /// `false` too where that cannot be read.
    #[must_use]
    pub fn is_contained(&self, pid: Pid) -> bool {
        let instance = |pid: &str| stat(self.root.join(pid).join("root/dev/pts")).ok();
        let instance = |pid: &str| instance(pid).map(|pts| pts.st_dev);
        let theirs = instance(&pid.to_string());
        !self.shares_pids(pid) || theirs.is_some() && theirs != instance("self")
    }

    /// Whether a process numbers processes as we do; `true` too where that cannot be read.
    #[must_use]
    pub fn shares_pids(&self, pid: Pid) -> bool {
        self.shares(pid, "ns/pid")
    }

    /// Whether a process sees the mounts that we see; `true` too where that cannot be read.
    #[must_use]
    pub fn shares_mounts(&self, pid: Pid) -> bool {
        self.shares(pid, "ns/mnt")
    }

    fn shares(&self, pid: Pid, namespace: &str) -> bool {
        let of = |pid: &str| std::fs::read_link(self.root.join(pid).join(namespace)).ok();
        of(&pid.to_string()).is_none_or(|theirs| of("self") == Some(theirs))
    }

    fn fds(&self, pid: Pid) -> Vec<PathBuf> {
        let dir = self.root.join(pid.to_string()).join("fd");
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into()).collect()
    }

    fn slave(&self, pid: Pid, fd: &OsStr) -> Option<Tty> {
        let name = format!("{pid}/fd/{}", fd.to_str()?);
        let link = self.link(pid, &format!("fd/{}", fd.to_str()?))?;
        // Only what can be a terminal is asked for its device: others may lie on a dead file
        // system. One of a container that hid its mount again has the name `/N`.
        let bytes = link.as_bytes();
        let hidden = |rest: &[u8]| rest.iter().all(u8::is_ascii_digit);
        if !bytes.starts_with(b"/dev/") && !bytes.strip_prefix(b"/").is_some_and(hidden) {
            return None;
        }
        Tty::of(&statat(&self.dir, name, AtFlags::empty()).ok()?)
    }

    fn master(&self, pid: Pid, fd: &OsStr) -> Option<Tty> {
        let fd = fd.to_str()?;
        let link = PathBuf::from(self.link(pid, &format!("fd/{fd}"))?);
        if link.file_name() != Some(OsStr::new("ptmx")) {
            return None;
        }
        let base = self.root.join(pid.to_string());
        let info = base.join("fdinfo").join(fd);
        let info = crate::sys::files::read_bounded(&info, 4096).ok()?;
        let info = String::from_utf8_lossy(&info).into_owned();
        let number = info.lines().find_map(|l| l.strip_prefix("tty-index:"))?;
        Some(Tty {
            instance: self.instance(pid, &base.join("fd").join(fd), &link)?,
            number: number.trim().parse().ok()?,
        })
    }

    /// The devpts that an open `ptmx` belongs to: the one it lies in, else the one mounted at
    /// `pts` beside it.
    ///
    /// **Source:** `devpts_mntget` of Linux 6.18.
    fn instance(&self, pid: Pid, open: &Path, link: &Path) -> Option<u64> {
        let file = stat(open).ok()?;
        if u64::try_from(statfs(open).ok()?.f_type) == Ok(DEVPTS) {
            return Some(file.st_dev);
        }
        let below = link.strip_prefix("/").ok()?;
        let root = self.root.join(pid.to_string()).join("root");
        // The link is written as we see it, which is not how a process in a chroot sees it.
        let names = [root.join(below), link.to_path_buf()];
        let is_it = |name: &&PathBuf| {
            stat(*name).is_ok_and(|at| (at.st_dev, at.st_ino) == (file.st_dev, file.st_ino))
        };
        let pts = names.iter().find(is_it)?.with_file_name("pts");
        Some(stat(pts).ok()?.st_dev)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn both_ends_of_a_terminal_are_the_same_device() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&name)
            .unwrap();
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let me = Pid(std::process::id());
        let tty = proc
            .slave(me, OsStr::new(&slave.as_raw_fd().to_string()))
            .unwrap();
        assert_eq!(tty.name(), name);
        assert!(proc.pty_masters(me).contains(&tty));
        assert!(proc.open_terminals(me).contains(&tty));
        assert_eq!(proc.terminal_named(me, &name), Some(tty));
    }

    #[test]
    fn what_is_no_terminal_is_none() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let me = Pid(std::process::id());
        for name in ["/dev/null", "/dev/pts/none", "relative", "", "/"] {
            assert_eq!(proc.terminal_named(me, name), None, "{name}");
        }
        let gone = Pid(u32::MAX - 1);
        assert_eq!(proc.terminal(gone), None);
        assert_eq!(proc.pty_masters(gone), []);
    }
}
