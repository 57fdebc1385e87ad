//! Reads `/proc` under a given root: one `readdir` to find pids, details of hits only.
//!
//! I/O without policy; which process is a session is decided in `agent`.
//!
//! **Source:** proc(5) of Linux 6.18. Measured: readdir of 200 processes takes 115 µs, each name
//! 3 µs more, so only names of new pids are read.

mod apart;
pub mod handle;
pub mod peers;
pub mod pty;
pub mod sockets;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, StatxFlags, openat, readlinkat, statat, statx,
};

use crate::core::model::{Link, LocalKey, Pid, ProcChain};
use crate::core::sorted::Gather as _;

/// Largest `environ` or `cmdline` that is read, in bytes. Linux's own limit of one exec is 2 MiB
/// by default; a session's environment is some kilobytes.
const BLOCK_CAP: usize = 2 << 20;

/// What is read of the directory at once, in bytes: more than a thousand processes.
const BLOCK: usize = 32 * 1024;

/// Most ancestors that are walked; a chain is rarely over 10 long.
const CHAIN_CAP: usize = 64;

/// A `/proc`, or a directory that looks like one.
#[derive(Debug)]
pub struct Proc {
    root: PathBuf,
    dir: OwnedFd,
    buffer: Vec<u8>,
}

/// The fields of `/proc/pid/stat` that vmux uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// `R`, `S`, `D`, `T`, `Z`, …
    pub state: u8,
    /// The parent.
    pub ppid: Pid,
    /// Its process group.
    pub group: u32,
    /// The session that it is in, by the pid of who leads it.
    pub session: u32,
    /// Device number of the controlling terminal, 0 for none.
    pub tty_nr: u32,
    /// The process group that has that terminal.
    pub foreground: Option<u32>,
    /// Start, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Stopped by a job control signal (not by a tracer).
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.state == b'T'
    }

    /// Ended, but not yet reaped.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// A process's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environ(Arc<BTreeMap<OsString, OsString>>);

impl Environ {
    /// Takes the NUL-separated form of `/proc/pid/environ`. Of a repeated name the first counts,
    /// as it does for getenv(3).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut map = BTreeMap::new();
        for entry in bytes.split(|b| *b == 0) {
            if let Some(at) = entry.iter().position(|b| *b == b'=') {
                let name = OsString::from_vec(entry[..at].to_vec());
                map.entry(name)
                    .or_insert_with(|| OsString::from_vec(entry[at + 1..].to_vec()));
            }
        }
        Self(Arc::new(map))
    }

    /// The value of `name`, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// The value of `name` if it is UTF-8 and not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// All names in it.
    pub fn names(&self) -> impl Iterator<Item = OsString> + '_ {
        self.0.keys().cloned()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(OsString, OsString)> for Environ {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(pairs: T) -> Self {
        Self(Arc::new(pairs.into_iter().gather()))
    }
}

impl Proc {
    /// Opens the process directory at `root`, usually `/proc`.
    ///
    /// # Errors
    /// Those of opening the directory.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(rustix::fs::CWD, root, flags, Mode::empty())?;
        Ok(Self {
            root: root.to_path_buf(),
            dir,
            buffer: Vec::new(),
        })
    }

    /// Where it was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Replaces `out` with all process ids, in ascending order.
    ///
    /// # Errors
    /// Those of reading the directory.
    pub fn pids(&mut self, out: &mut Vec<u32>) -> io::Result<()> {
        out.clear();
        rustix::fs::seek(&self.dir, rustix::fs::SeekFrom::Start(0))?;
        self.buffer.reserve(BLOCK);
        let spare: &mut [MaybeUninit<u8>] = self.buffer.spare_capacity_mut();
        let mut entries = RawDir::new(&self.dir, spare);
        while let Some(entry) = entries.next() {
            if let Some(pid) = parse_pid(entry?.file_name().to_bytes()) {
                out.push(pid);
            }
        }
        out.sort_unstable();
        Ok(())
    }

    /// Name of the process's main thread.
    #[must_use]
    pub fn comm(&self, pid: Pid) -> Option<String> {
        let mut buffer = [0u8; 64];
        let n = self.read_into(pid, "comm", &mut buffer)?;
        let name = buffer[..n].strip_suffix(b"\n").unwrap_or(&buffer[..n]);
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// State, parent, terminal and start of the process.
    #[must_use]
    pub fn stat(&self, pid: Pid) -> Option<Stat> {
        let mut buffer = [0u8; 1024];
        let n = self.read_into(pid, "stat", &mut buffer)?;
        parse_stat(&buffer[..n])
    }

    /// A descriptor from which [`read_stat`] reads again and again, of this very process: whoever
    /// gets its pid later cannot be read there.
    #[must_use]
    pub fn open_stat(&self, pid: Pid) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        openat(&self.dir, format!("{pid}/stat"), flags, Mode::empty()).ok()
    }

    /// The key of the process that has this pid now.
    #[must_use]
    pub fn key(&self, pid: Pid) -> Option<LocalKey> {
        let stat = self.stat(pid)?;
        (!stat.ended()).then_some(LocalKey {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// The arguments, the program's own name first.
    #[must_use]
    pub fn cmdline(&self, pid: Pid) -> Vec<OsString> {
        let bytes = self.read_all(pid, "cmdline").unwrap_or_default();
        let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        if text.is_empty() {
            return Vec::new();
        }
        text.split(|b| *b == 0)
            .map(|arg| OsString::from_vec(arg.to_vec()))
            .collect()
    }

    /// The environment it was started with.
    ///
    /// # Errors
    /// `PermissionDenied` for another user's process, and those of reading.
    pub fn environ(&self, pid: Pid) -> io::Result<Environ> {
        self.read_all(pid, "environ")
            .map(|bytes| Environ::parse(&bytes))
    }

    /// The executable. A trailing ` (deleted)`, which the kernel adds after an update replaced
    /// the file, is taken off.
    #[must_use]
    pub fn exe(&self, pid: Pid) -> Option<PathBuf> {
        let path = self.link(pid, "exe")?.into_vec();
        let path = path.strip_suffix(b" (deleted)").unwrap_or(&path);
        Some(PathBuf::from(OsStr::from_bytes(path)))
    }

    /// Whether its executable was replaced or removed since it started. `false` if that is not known.
    #[must_use]
    pub fn exe_is_gone(&self, pid: Pid) -> bool {
        let path = self.link(pid, "exe").map(OsString::into_vec);
        path.is_some_and(|path| path.ends_with(b" (deleted)"))
    }

    /// The working directory. The ` (deleted)` that the kernel adds to one that was removed is
    /// taken off, but not from one that is called so.
    #[must_use]
    pub fn cwd(&self, pid: Pid) -> Option<PathBuf> {
        let path = self.link(pid, "cwd")?;
        let stripped = path.as_bytes().strip_suffix(b" (deleted)");
        let name = stripped.filter(|_| self.cwd_is_removed(pid));
        let name = name.map(|name| OsStr::from_bytes(name).to_os_string());
        Some(PathBuf::from(name.unwrap_or(path)))
    }

    /// Whether no name leads to the working directory. Asks no server of a network file system.
    fn cwd_is_removed(&self, pid: Pid) -> bool {
        let cached = AtFlags::STATX_DONT_SYNC;
        match statx(&self.dir, format!("{pid}/cwd"), cached, StatxFlags::NLINK) {
            Ok(found) => found.stx_nlink == 0,
            // In a recorded directory the link leads nowhere.
            Err(errno) => errno == rustix::io::Errno::NOENT,
        }
    }

    /// The terminal behind a file descriptor, if it is one.
    #[must_use]
    pub fn tty(&self, pid: Pid, fd: u32) -> Option<PathBuf> {
        let target = PathBuf::from(self.link(pid, &format!("fd/{fd}"))?);
        let name = target.to_str()?;
        (name.starts_with("/dev/pts/") || name.starts_with("/dev/tty")).then_some(target)
    }

    /// Whether the process has this very terminal open, whatever it calls it: containers have a
    /// `/dev/pts` of their own, in which the same names and numbers are other terminals.
    #[must_use]
    pub fn has_terminal(&self, pid: Pid, tty: &Path) -> bool {
        let device = |path: &Path| {
            // A file of a network file system is not asked for.
            let flags = AtFlags::STATX_DONT_SYNC;
            let found = statx(&self.dir, path, flags, StatxFlags::TYPE).ok()?;
            let kind = FileType::from_raw_mode(found.stx_mode.into());
            let file_system = (found.stx_dev_major, found.stx_dev_minor);
            let number = (found.stx_rdev_major, found.stx_rdev_minor);
            (kind == FileType::CharacterDevice).then_some((file_system, number))
        };
        let own = |fd| device(Path::new(&format!("{pid}/fd/{fd}")));
        device(tty).is_some_and(|tty| (0..3).any(|fd| own(fd) == Some(tty)))
    }

    /// The user that runs the process.
    #[must_use]
    pub fn uid(&self, pid: Pid) -> Option<u32> {
        let stat = statat(&self.dir, pid.to_string(), AtFlags::empty()).ok()?;
        Some(stat.st_uid)
    }

    /// The process and its ancestors, up to and without pid 1.
    #[must_use]
    pub fn chain(&self, pid: Pid) -> ProcChain {
        let mut links = Vec::new();
        let mut next = pid;
        while next.0 > 1 && links.len() < CHAIN_CAP {
            let (Some(comm), Some(stat)) = (self.comm(next), self.stat(next)) else {
                break;
            };
            links.push(Link { pid: next, comm });
            next = stat.ppid;
        }
        ProcChain(links)
    }

    /// Children of all threads of the process.
    /// **Source:** proc(5), `/proc/pid/task/tid/children` (needs `CONFIG_PROC_CHILDREN`).
    #[must_use]
    pub fn children(&self, pid: Pid) -> Vec<Pid> {
        let tasks = self.root.join(pid.to_string()).join("task");
        let mut found = Vec::new();
        for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
            let list = crate::sys::files::read_bounded(&task.path().join("children"), 64 * 1024);
            let list = list.unwrap_or_default();
            let words = list.split(|b| *b == b' ').filter_map(parse_pid);
            found.extend(words.map(Pid));
        }
        found
    }

    /// Open descriptors of the process, as the targets of their links.
    #[must_use]
    pub fn open_files(&self, pid: Pid) -> Vec<OsString> {
        let dir = self.root.join(pid.to_string()).join("fd");
        std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(PathBuf::into_os_string)
            .collect()
    }

    /// The inode of the working directory, also if its path leads elsewhere from here.
    #[must_use]
    pub fn cwd_inode(&self, pid: Pid) -> Option<u64> {
        // Its file system may not answer any more: what the kernel has of it is enough.
        let flags = AtFlags::STATX_DONT_SYNC;
        let stat = statx(&self.dir, format!("{pid}/cwd"), flags, StatxFlags::INO).ok()?;
        Some(stat.stx_ino)
    }

    /// The inodes that the process watches by inotify(7).
    /// **Source:** `ino:` in `/proc/pid/fdinfo/fd` (proc_pid_fdinfo(5)), in hexadecimal.
    #[must_use]
    pub fn watched_inodes(&self, pid: Pid) -> Vec<u64> {
        let base = self.root.join(pid.to_string());
        let entries = std::fs::read_dir(base.join("fd"));
        let inotify = entries.into_iter().flatten().flatten().filter(|entry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|target| target == Path::new("anon_inode:inotify"))
        });
        let mut found = Vec::new();
        for entry in inotify {
            let info = base.join("fdinfo").join(entry.file_name());
            let text = crate::sys::files::read_bounded(&info, 1 << 20).unwrap_or_default();
            let lines = text.split(|byte| *byte == b'\n');
            let words = lines.filter_map(|line| {
                let line = std::str::from_utf8(line).ok()?.strip_prefix("inotify ")?;
                let word = line.split(' ').find_map(|word| word.strip_prefix("ino:"))?;
                u64::from_str_radix(word, 16).ok()
            });
            found.extend(words);
        }
        found
    }

    /// When the machine started, in seconds since 1970.
    #[must_use]
    pub fn boot_seconds(&self) -> Option<i64> {
        let text = crate::sys::files::read_bounded(&self.root.join("stat"), 1 << 20).ok()?;
        String::from_utf8_lossy(&text)
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .and_then(|n| n.trim().parse().ok())
    }

    fn link(&self, pid: Pid, name: &str) -> Option<OsString> {
        let target = readlinkat(&self.dir, format!("{pid}/{name}"), Vec::new()).ok()?;
        Some(OsString::from_vec(target.into_bytes()))
    }

    fn read_into(&self, pid: Pid, name: &str, buffer: &mut [u8]) -> Option<usize> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.dir, format!("{pid}/{name}"), flags, Mode::empty()).ok()?;
        rustix::io::read(&file, buffer).ok()
    }

    fn read_all(&self, pid: Pid, name: &str) -> io::Result<Vec<u8>> {
        crate::sys::files::read_bounded(&self.root.join(pid.to_string()).join(name), BLOCK_CAP)
    }
}

/// What [`Proc::stat`] reads, of the process of a descriptor; nothing once it is reaped.
#[must_use]
pub fn read_stat(stat: BorrowedFd<'_>) -> Option<Stat> {
    let mut buffer = [0u8; 1024];
    let n = rustix::io::pread(stat, &mut buffer, 0).ok()?;
    parse_stat(&buffer[..n])
}

fn parse_pid(name: &[u8]) -> Option<u32> {
    if name.is_empty() || !name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// Parses `/proc/pid/stat`. The name in field 2 may hold spaces and parentheses, so the fields
/// are counted from the last `)`.
#[must_use]
pub fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let after = bytes.iter().rposition(|b| *b == b')')? + 2;
    let text = std::str::from_utf8(bytes.get(after..)?).ok()?;
    let fields: Vec<&str> = text.split_ascii_whitespace().take(20).collect();
    // Field 3 of the man page is the first one here.
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        ppid: Pid(fields.get(1)?.parse().ok()?),
        group: fields.get(2)?.parse().unwrap_or(0),
        session: fields.get(3)?.parse().unwrap_or(0),
        tty_nr: fields.get(4)?.parse::<i32>().ok()?.cast_unsigned(),
        foreground: fields.get(5)?.parse().ok(),
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// Longest id of a boot, in bytes.
const BOOT_ID: usize = 64;

/// What tells this boot of the machine from others, read below the `/proc` at `proc`; empty if that is
/// not known.
#[must_use]
pub fn boot_id(proc: &Path) -> String {
    let bytes = crate::sys::files::read_bounded(&proc.join("sys/kernel/random/boot_id"), BOOT_ID);
    String::from_utf8_lossy(&bytes.unwrap_or_default())
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_survives_any_name() {
        let line =
            b"42 (tmux: server) 2) T 7 42 42 34817 42 4194304 1 2 3 4 5 6 7 8 20 0 9 0 326309 1 2";
        let stat = parse_stat(line).unwrap();
        assert_eq!(
            (stat.ppid, stat.tty_nr, stat.start_ticks),
            (Pid(7), 34817, 326_309)
        );
        assert!(stat.stopped());
        for bad in [
            &b""[..],
            b"42 (x",
            b"42 (x)",
            b"42 (x) S",
            b"42 (x) S a b c",
        ] {
            assert_eq!(parse_stat(bad), None);
        }
    }

    #[test]
    fn a_terminal_is_told_by_its_device() {
        use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

        let open = || {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            (master, PathBuf::from(name.into_string().unwrap()))
        };
        let ((_one, tty), (_two, other)) = (open(), open());
        let slave = std::fs::File::options().read(true).write(true).open(&tty);
        let mut cat = std::process::Command::new("cat")
            .stdin(slave.unwrap())
            .spawn()
            .unwrap();
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let has = |tty: &Path| proc.has_terminal(Pid(cat.id()), tty);
        let found = [
            &tty,
            &other,
            Path::new("/dev/null"),
            Path::new("/dev/pts/x"),
        ]
        .map(has);
        cat.kill().unwrap();
        cat.wait().unwrap();
        assert_eq!(found, [true, false, false, false]);
    }

    #[test]
    fn this_process_is_found_with_its_details() {
        let mut proc = Proc::open(Path::new("/proc")).unwrap();
        let me = Pid(std::process::id());
        let mut pids = Vec::new();
        proc.pids(&mut pids).unwrap();
        assert!(pids.contains(&me.0) && pids.is_sorted());
        assert_eq!(proc.key(me).map(|k| k.pid), Some(me));
        assert_eq!(proc.exe(me), std::env::current_exe().ok());
        assert_eq!(proc.cwd(me), std::env::current_dir().ok());
        assert_eq!(proc.chain(me).0[0].pid, me);
        assert!(proc.environ(me).is_ok());
        assert!(proc.boot_seconds().unwrap() > 0);
    }

    #[test]
    fn an_environment_keeps_the_first_of_a_name() {
        let environ = Environ::parse(b"A=1\0A=2\0EMPTY=\0noequals\0B=x=y\0");
        assert_eq!(environ.text("A"), Some("1"));
        assert_eq!(environ.text("B"), Some("x=y"));
        assert_eq!(environ.text("EMPTY"), None);
    }

    #[test]
    fn a_vanished_process_is_nothing() {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let gone = Pid(u32::MAX - 1);
        assert_eq!(
            (proc.comm(gone), proc.stat(gone), proc.exe(gone)),
            (None, None, None)
        );
        assert!(proc.chain(gone).0.is_empty());
    }
}
