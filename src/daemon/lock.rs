//! One daemon for each socket: a lock that the kernel releases, whatever ends the holder.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

use crate::clock;
use crate::files::{read_bounded, write_atomic};
use crate::paths::Paths;
use crate::protocol::socket;

/// Longest wait for a lock whose holder does not listen: one that was killed holds it a moment
/// longer than its socket, and one that starts will listen soon.
const HANDOVER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// The right to be the daemon.
#[derive(Debug)]
pub struct Instance {
    _lock: File,
    socket: PathBuf,
    pid_file: PathBuf,
    /// Device and inode of our socket: only that one is removed at the end.
    bound: std::cell::Cell<Option<(u64, u64)>>,
}

/// Another daemon holds the lock.
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
    /// Takes the lock.
    ///
    /// # Errors
    /// [`AlreadyRunning`], and those of the file system.
    pub fn take(paths: &Paths) -> anyhow::Result<Self> {
        let path = paths.lock();
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("could not open {}", path.display()))?;
        let until = clock::steady() + HANDOVER;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if clock::steady() >= until || is_served(paths) {
                        return Err(AlreadyRunning(running_pid(paths)).into());
                    }
                    clock::sleep(PAUSE);
                }
                Err(error) => bail!("could not lock {}: {error}", path.display()),
            }
        }
        Ok(Self {
            _lock: lock,
            socket: paths.socket.clone(),
            pid_file: paths.pid_file(),
            bound: std::cell::Cell::new(None),
        })
    }

    /// Listens at the socket. One that is left over is removed, but only after nobody answered
    /// a call: the lock does not know of daemons that hold none.
    ///
    /// # Errors
    /// [`AlreadyRunning`], and those of the file system.
    pub fn listen(&self, paths: &Paths) -> anyhow::Result<UnixListener> {
        let path = &self.socket;
        match socket::connect_foreign(path, Duration::from_millis(500)) {
            Ok(_) => return Err(AlreadyRunning(running_pid(paths)).into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                bail!(
                    "could not listen at {}: somebody does, and does not answer",
                    path.display()
                )
            }
            Err(_) => remove_socket(path)?,
        }
        // Before it listens: who finds the socket finds the pid. Without a pid file a daemon
        // works as well: a full disk must not stop it.
        if let Err(error) = write_atomic(
            &self.pid_file,
            format!("{}\n", std::process::id()).as_bytes(),
        ) {
            log::warn!("could not write {}: {error}", self.pid_file.display());
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("could not listen at {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let metadata = std::fs::symlink_metadata(path)?;
        self.bound.set(Some((metadata.dev(), metadata.ino())));
        Ok(listener)
    }

    /// Removes socket and pid file, if they are still ours, and lets the lock go.
    pub fn release(self) {
        let identity = std::fs::symlink_metadata(&self.socket)
            .ok()
            .map(|m| (m.dev(), m.ino()));
        if identity.is_some() && identity == self.bound.get() {
            drop(std::fs::remove_file(&self.socket));
            drop(std::fs::remove_file(&self.pid_file));
        }
    }
}

/// Whether somebody answers at the socket, or hangs there.
fn is_served(paths: &Paths) -> bool {
    match socket::connect_foreign(&paths.socket, Duration::from_millis(500)) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::TimedOut,
    }
}

fn remove_socket(path: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if !is_socket {
        bail!(
            "could not listen at {}: something that is no socket is in its place",
            path.display()
        );
    }
    std::fs::remove_file(path)
        .with_context(|| format!("could not remove the dead socket {}", path.display()))
}

/// The pid in the pid file.
#[must_use]
pub fn running_pid(paths: &Paths) -> Option<u32> {
    let bytes = read_bounded(&paths.pid_file(), 64).ok()?;
    String::from_utf8_lossy(&bytes).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::Environ;

    fn paths(dir: &std::path::Path) -> Paths {
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
        let _listener = first.listen(&paths).unwrap();
        let second = Instance::take(&paths).unwrap_err();
        let own = Some(std::process::id());
        assert_eq!(second.downcast_ref::<AlreadyRunning>().unwrap().0, own);
    }
}
