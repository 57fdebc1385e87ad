//! One daemon per socket: a lock that the kernel releases however its holder ends, and the socket
//! that goes with it, which anybody may remove.
//!
//! Cleaners of `/tmp` remove sockets, a logout removes the whole runtime directory. So with every
//! scan the holder of the lock checks that its socket still leads to itself. If not, it restores
//! the socket or ends: a daemon that nobody can reach would keep everybody from having one.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Stat, flock, fstat, statat};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::sys::clock::{self, Deadline};
use crate::sys::files::{read_bounded, write_atomic};
use crate::sys::paths::Paths;
use crate::sys::socket;

/// Longest wait for a lock whose holder does not listen: one that was killed holds it a moment
/// longer than its socket, and one that starts listens once it has scanned. Less than a client
/// waits for a start.
const HANDOVER: Duration = Duration::from_secs(8);
/// After this long the holder is told to look after its socket: nearly all that start or end have
/// done so by then.
const NUDGE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(5);
/// Longest wait to be let in where somebody listens.
const KNOCK: Duration = Duration::from_millis(500);
/// More than all locks of a large machine take in `/proc/locks`, in bytes.
const LOCKS_CAP: usize = 4 << 20;
/// How often that list is read before a lock is said not to be in it. The kernel gives it page by
/// page, and a line is left out where one of an earlier page goes away meanwhile.
const READS: u32 = 4;

/// The right to be the daemon.
#[derive(Debug)]
pub struct Instance {
    socket: PathBuf,
    pid_file: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// The directory of the socket.
    dir: Pinned,
    /// The locked file.
    lock: Pinned,
    /// The socket, once it is bound.
    bound: Option<Pinned>,
}

/// A file that is kept open. Meanwhile no other file can get its device and inode, so comparing
/// them tells for certain whether its path still leads to it.
#[derive(Debug)]
struct Pinned {
    file: OwnedFd,
    path: PathBuf,
    /// Whether a link at the path is followed.
    flags: AtFlags,
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Found {
    /// The pinned file; or nobody can say.
    Same,
    Nothing,
    Another,
}

impl Pinned {
    /// Pins the file at `path` as it is.
    fn open(path: &Path, flags: AtFlags) -> io::Result<Self> {
        let mut how = OFlags::PATH | OFlags::CLOEXEC;
        how.set(OFlags::NOFOLLOW, flags.contains(AtFlags::SYMLINK_NOFOLLOW));
        Ok(Self {
            file: rustix::fs::open(path, how, Mode::empty())?,
            path: path.to_owned(),
            flags,
        })
    }

    fn found(&self) -> Found {
        let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
        let there = statat(CWD, &self.path, self.flags).map(identity);
        match (there, fstat(&self.file).map(identity)) {
            (Err(Errno::NOENT | Errno::NOTDIR), _) => Found::Nothing,
            (Ok(there), Ok(own)) if there != own => Found::Another,
            _ => Found::Same,
        }
    }
}

/// Another daemon serves this socket.
#[derive(Debug)]
pub struct AlreadyRunning(pub Option<u32>);

impl std::fmt::Display for AlreadyRunning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "a vmux daemon is already running (pid {pid})"),
            None => f.write_str("a vmux daemon is already running"),
        }
    }
}

impl std::error::Error for AlreadyRunning {}

impl Instance {
    /// Takes the lock. A holder that does not listen is told to see to that, and waited for: it
    /// listens again, or ends.
    ///
    /// # Errors
    /// [`AlreadyRunning`], and those of the file system; in words, if the holder does neither.
    pub fn take(paths: &Paths) -> anyhow::Result<Self> {
        let path = paths.lock();
        let until = Deadline::after(HANDOVER);
        let mut nudge = Some(Deadline::after(NUDGE));
        let lock = loop {
            let lock =
                try_lock(&path).with_context(|| format!("could not lock {}", path.display()))?;
            if let Some(lock) = lock {
                break lock;
            }
            if let Some(running) = served_by(paths) {
                return Err(running.into());
            }
            if until.passed() {
                bail!("{}; `vmux daemon stop` ends it", unreachable(paths));
            }
            if nudge.take_if(|at| at.passed()).is_some() {
                signal_holder(paths, LOOK);
            }
            clock::sleep(PAUSE);
        };
        // The socket's own directory: the runtime directory may be another one.
        let dir = paths.socket.parent().unwrap_or(Path::new("/"));
        let dir = Pinned::open(dir, AtFlags::empty())
            .with_context(|| format!("could not open {}", dir.display()))?;
        Ok(Self {
            socket: paths.socket.clone(),
            pid_file: paths.pid_file(),
            held: Mutex::new(Held {
                dir,
                lock,
                bound: None,
            }),
        })
    }

    /// Listens at the socket. One that is left over is removed, but only after nobody answered
    /// a call: the lock does not know of daemons that hold none.
    ///
    /// # Errors
    /// [`AlreadyRunning`], and those of the file system.
    pub fn listen(&self) -> anyhow::Result<UnixListener> {
        let path = &self.socket;
        match socket::connect_foreign(path, KNOCK) {
            Ok(stream) => return Err(AlreadyRunning(socket::peer_pid(&stream)).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                bail!("could not listen: {error}")
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                bail!(
                    "could not listen at {}: somebody does, and does not answer",
                    path.display()
                )
            }
            Err(_) => remove_socket(path)?,
        }
        self.bind(&mut self.held())
    }

    fn bind(&self, held: &mut Held) -> anyhow::Result<UnixListener> {
        let path = &self.socket;
        // Before it listens: who finds the socket finds the pid. Without a pid file a daemon
        // works as well: a full disk must not stop it.
        let pid = format!("{}\n", std::process::id());
        if let Err(error) = write_atomic(&self.pid_file, pid.as_bytes()) {
            log::warn!("could not write {}: {error}", self.pid_file.display());
        }
        let bind = || -> io::Result<(UnixListener, Pinned)> {
            let listener = socket::listen(path)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok((listener, Pinned::open(path, AtFlags::SYMLINK_NOFOLLOW)?))
        };
        let (listener, bound) =
            bind().with_context(|| format!("could not listen at {}", path.display()))?;
        held.bound = Some(bound);
        Ok(listener)
    }

    /// Whether clients still get here. It costs some microseconds and changes nothing.
    pub(super) fn stands(&self) -> bool {
        let held = self.held();
        let pinned = [Some(&held.dir), Some(&held.lock), held.bound.as_ref()];
        let mut pinned = pinned.into_iter().flatten();
        pinned.all(|pinned| pinned.found() == Found::Same)
    }

    /// Sees to it that clients get here. A lock and a socket that were removed from their directory
    /// are made again, and the new listener is returned: that is simpler for everybody than a new
    /// daemon, since bars, notifications and hooks that wait go on as before.
    ///
    /// # Errors
    /// Why that cannot be: the directory is gone, or something else has taken a place. Nobody can
    /// reach this daemon any more, and another one may start.
    pub(super) fn restore(&self) -> anyhow::Result<Option<UnixListener>> {
        let mut held = self.held();
        let shown = |pinned: &Pinned| pinned.path.display().to_string();
        if held.dir.found() != Found::Same {
            bail!("{} is gone, or another one", shown(&held.dir));
        }
        match held.lock.found() {
            Found::Same => {}
            Found::Another => bail!("something else is in the place of {}", shown(&held.lock)),
            Found::Nothing => match try_lock(&held.lock.path)? {
                Some(lock) => held.lock = lock,
                None => bail!("another daemon holds {}", shown(&held.lock)),
            },
        }
        match held
            .bound
            .as_ref()
            .map(|bound| (bound.found(), shown(bound)))
        {
            None | Some((Found::Same, _)) => Ok(None),
            Some((Found::Another, path)) => bail!("something else is in the place of {path}"),
            Some((Found::Nothing, _)) => self.bind(&mut held).map(Some),
        }
    }

    /// Removes socket and pid file, if they are still ours. The lock goes with the process.
    pub fn release(&self) {
        let held = self.held();
        if let Some(bound) = &held.bound
            && bound.found() == Found::Same
        {
            drop(std::fs::remove_file(&self.socket));
            drop(std::fs::remove_file(&self.pid_file));
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Locks the file at `path`, which is made if need be; `None` if somebody else has it, or took it
/// away just now.
fn try_lock(path: &Path) -> io::Result<Option<Pinned>> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // A FIFO in its place must not block.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let lock = Pinned {
        file: file.into(),
        path: path.to_owned(),
        flags: AtFlags::empty(),
    };
    Ok((lock.found() == Found::Same).then_some(lock))
}

/// Who answers at the socket, or hangs there. Another user's program does neither.
fn served_by(paths: &Paths) -> Option<AlreadyRunning> {
    match socket::connect(&paths.socket, KNOCK) {
        Ok(stream) => Some(AlreadyRunning(socket::peer_pid(&stream))),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Some(AlreadyRunning(holder(paths)))
        }
        Err(_) => None,
    }
}

fn remove_socket(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if !is_socket {
        bail!(
            "could not listen at {}: something that is not a socket is in its place",
            path.display()
        );
    }
    std::fs::remove_file(path)
        .with_context(|| format!("could not remove the dead socket {}", path.display()))
}

/// What to say of a daemon that holds the lock while nobody listens.
#[must_use]
pub fn unreachable(paths: &Paths) -> String {
    let who = holder(paths).map_or("a vmux daemon".into(), |pid| {
        format!("a vmux daemon (pid {pid})")
    });
    format!(
        "{who} runs, and does not listen at {}",
        paths.socket.display()
    )
}

/// The process that holds the lock, whether or not it listens. Not what the pid file says: that
/// may be left over, and its number somebody else's by now.
///
/// **Source:** proc(5), `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 00:2e:1234 0 EOF`. Its
/// device is not always the one of stat(2), so that the process must have the file open besides.
#[must_use]
pub fn holder(paths: &Paths) -> Option<u32> {
    (0..READS).find_map(|_| listed_holder(paths))
}

fn listed_holder(paths: &Paths) -> Option<u32> {
    let lock = rustix::fs::stat(paths.lock()).ok()?;
    let locks = read_bounded(Path::new("/proc/locks"), LOCKS_CAP).ok()?;
    let locks = String::from_utf8_lossy(&locks);
    let holds = |line: &str| -> Option<u32> {
        let mut words = line.split_whitespace().skip(1);
        let (kind, pid) = (words.next()?, words.nth(2)?.parse().ok()?);
        let inode: u64 = words.next()?.rsplit(':').next()?.parse().ok()?;
        (kind == "FLOCK" && inode == lock.st_ino && has_open(pid, &lock)).then_some(pid)
    };
    locks.lines().find_map(holds)
}

fn has_open(pid: u32, file: &Stat) -> bool {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let mut open = open.into_iter().flatten().flatten();
    open.any(|entry| {
        let stat = rustix::fs::stat(entry.path());
        stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (file.st_dev, file.st_ino))
    })
}

/// Has a daemon look after its socket. Not `SIGHUP`: one that runs in a terminal ends with that.
pub(super) const LOOK: Signal = Signal::USR1;

/// Signals the holder of the lock; returns its pid, if there is one and it could be signalled.
pub fn signal_holder(paths: &Paths, signal: Signal) -> Option<u32> {
    let pid = holder(paths).filter(|pid| *pid != std::process::id())?;
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    let process = pidfd_open(process, PidfdFlags::empty()).ok()?;
    // Asked again: the descriptor holds on to it, but its number may have been given out anew
    // before.
    let signalled = holder(paths)? == pid && pidfd_send_signal(&process, signal).is_ok();
    signalled.then_some(pid)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::sys::proc::Environ;

    fn paths(dir: &Path) -> Paths {
        let dir = dir.to_string_lossy().into_owned();
        let environ: Environ = [("HOME", &dir), ("VMUX_DIR", &dir)]
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Paths::of(&environ, None).unwrap()
    }

    #[test]
    fn a_lock_that_its_dying_holder_still_has_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        let dying = Instance::take(&paths).unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| Instance::take(&paths).map(drop));
            // Without anybody at the socket the second one goes on trying.
            clock::sleep(PAUSE * 4);
            drop(dying);
            next.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_lock_whose_holder_listens_is_taken_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        let first = Instance::take(&paths).unwrap();
        let _listener = first.listen().unwrap();
        let second = Instance::take(&paths).unwrap_err();
        let own = Some(std::process::id());
        assert_eq!(second.downcast_ref::<AlreadyRunning>().unwrap().0, own);
    }

    #[test]
    fn the_holder_is_known_by_the_lock_and_not_by_the_pid_file() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        std::fs::write(paths.pid_file(), "1\n").unwrap();
        assert_eq!(holder(&paths), None, "nobody ever started");
        let first = Instance::take(&paths).unwrap();
        assert_eq!(holder(&paths), Some(std::process::id()));
        drop(first);
        assert_eq!(holder(&paths), None, "it has ended, and left its files");
    }

    #[test]
    fn the_holder_is_known_while_others_lock_and_unlock() {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        let _first = Instance::take(&paths).unwrap();
        let asked = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !asked.load(Ordering::Relaxed) {
                    let other = |n: u32| try_lock(&dir.path().join(format!("other-{n}")));
                    let others: Vec<_> = (0..20).map(other).collect();
                    drop(others);
                }
            });
            let known = (0..3_000).filter(|_| holder(&paths).is_some()).count();
            asked.store(true, Ordering::Relaxed);
            assert_eq!(known, 3_000);
        });
    }

    /// A daemon that listens, and where.
    fn listening() -> (tempfile::TempDir, Paths, Instance) {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(&dir.path().join("run"));
        paths.create_runtime().unwrap();
        let instance = Instance::take(&paths).unwrap();
        drop(instance.listen().unwrap());
        assert!(instance.stands());
        assert!(instance.restore().unwrap().is_none());
        (dir, paths, instance)
    }

    #[test]
    fn what_was_removed_is_made_again() {
        let (_dir, paths, instance) = listening();
        for removed in [
            &[paths.socket.clone()][..],
            &[paths.lock(), paths.socket.clone()],
        ] {
            removed
                .iter()
                .for_each(|path| std::fs::remove_file(path).unwrap());
            assert!(!instance.stands());
            let _listener = instance.restore().unwrap().expect("a new listener");
            assert!(instance.stands() && paths.lock().exists());
            assert!(served_by(&paths).is_some());
        }
        std::fs::remove_file(paths.lock()).unwrap();
        assert!(!instance.stands());
        assert!(instance.restore().unwrap().is_none(), "it still listens");
        assert_eq!(holder(&paths), Some(std::process::id()));
    }

    #[test]
    fn a_place_that_is_somebody_elses_is_left_to_him() {
        let replaced: [fn(&Paths); 5] = [
            |paths| std::fs::remove_dir_all(&paths.runtime).unwrap(),
            |paths| std::fs::rename(&paths.runtime, paths.runtime.with_extension("old")).unwrap(),
            |paths| {
                std::fs::remove_dir_all(&paths.runtime).unwrap();
                paths.create_runtime().unwrap();
            },
            |paths| {
                std::fs::remove_file(&paths.socket).unwrap();
                std::fs::write(&paths.socket, "").unwrap();
            },
            |paths| {
                std::fs::remove_file(paths.lock()).unwrap();
                drop(Instance::take(paths).unwrap());
            },
        ];
        for (n, replace) in replaced.into_iter().enumerate() {
            let (_dir, paths, instance) = listening();
            replace(&paths);
            assert!(!instance.stands(), "{n}");
            assert!(instance.restore().is_err(), "{n}");
            instance.release();
            assert_eq!(paths.socket.exists(), n == 3, "{n}: only ours is removed");
        }
    }
}
