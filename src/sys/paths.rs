//! Where things lie, and the environment: read here and nowhere else.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use directories::BaseDirs;

use crate::sys::proc::Environ;

/// The environment of this process.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the reader of the environment"
)]
pub fn environment() -> Environ {
    std::env::vars_os().collect()
}

/// The places of one vmux installation of one user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paths {
    /// Socket, pid file and icons; nothing in it outlives a login.
    pub runtime: PathBuf,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// `config.toml`.
    pub config: PathBuf,
    /// `labels.json`.
    pub labels: PathBuf,
    /// Where the daemon writes what it has to say, when nobody reads its standard error.
    pub log: PathBuf,
    /// The user's home.
    pub home: PathBuf,
    /// The environment, which may say where agents keep their files.
    pub environ: Environ,
    /// Only sessions of the agents' default configuration directories count: `VMUX_ONLY_CONFIG`,
    /// for the demo and for tests, which must not show what else runs on the machine.
    pub only_configs: bool,
    /// Where processes are looked for: `/proc`, or what `VMUX_PROC` names, for tests.
    pub proc: PathBuf,
}

impl Paths {
    /// The places that an environment names: `VMUX_DIR`, or an existing `~/.vmux`, holds all of
    /// them; otherwise they follow the XDG base directories. `socket`, or `VMUX_SOCKET`, names
    /// another daemon.
    ///
    /// # Errors
    /// If there is no home directory at all.
    pub fn of(environ: &Environ, socket: Option<&Path>) -> io::Result<Self> {
        let missing =
            || io::Error::new(io::ErrorKind::NotFound, "no home directory (is HOME set?)");
        let base = BaseDirs::new().ok_or_else(missing)?;
        let home = base.home_dir();
        let one = environ.get("VMUX_DIR").map(PathBuf::from);
        let one = one.or_else(|| Some(home.join(".vmux")).filter(|dir| dir.is_dir()));
        let uid = rustix::process::getuid().as_raw();
        let mut paths = if let Some(dir) = one {
            Self {
                socket: dir.join("vmux.sock"),
                config: dir.join("config.toml"),
                labels: dir.join("labels.json"),
                log: dir.join("vmux.log"),
                home: home.to_path_buf(),
                environ: environ.clone(),
                proc: environ.get("VMUX_PROC").unwrap_or("/proc".as_ref()).into(),
                only_configs: environ.get("VMUX_ONLY_CONFIG").is_some(),
                runtime: dir,
            }
        } else {
            let fallback = || PathBuf::from(format!("/tmp/vmux-{uid}"));
            let runtime = login_dir(environ).map_or_else(fallback, |dir| dir.join("vmux"));
            let state = base
                .state_dir()
                .unwrap_or(base.data_local_dir())
                .join("vmux");
            Self {
                socket: runtime.join("vmux.sock"),
                config: base.config_dir().join("vmux/config.toml"),
                labels: base.data_dir().join("vmux/labels.json"),
                log: state.join("vmux.log"),
                home: home.to_path_buf(),
                environ: environ.clone(),
                proc: environ.get("VMUX_PROC").unwrap_or("/proc".as_ref()).into(),
                only_configs: environ.get("VMUX_ONLY_CONFIG").is_some(),
                runtime,
            }
        };
        let named = socket.filter(|path| !path.as_os_str().is_empty());
        let named = named.or_else(|| environ.get("VMUX_SOCKET").map(Path::new));
        if let Some(socket) = named {
            paths.socket = std::path::absolute(socket)?;
        }
        Ok(paths)
    }

    /// Holds the lock of the daemon behind this socket.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.beside_socket("lock")
    }

    /// Holds the pid of that daemon.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        if self.socket.ends_with("vmux.sock") {
            return self.socket.with_file_name("vmuxd.pid");
        }
        self.beside_socket("pid")
    }

    /// No two sockets share it, be they `work.1` and `work.2`.
    fn beside_socket(&self, extension: &str) -> PathBuf {
        if self.socket.extension().is_some_and(|e| e == "sock") {
            return self.socket.with_extension(extension);
        }
        let mut path = self.socket.clone().into_os_string();
        path.push(format!(".{extension}"));
        path.into()
    }

    /// Where the icons are written for rofi.
    #[must_use]
    pub fn icons(&self) -> PathBuf {
        self.runtime.join("icons")
    }

    /// Where the way back is kept: it is of this login, as the windows are.
    #[must_use]
    pub fn trail(&self) -> PathBuf {
        self.runtime.join("back.json")
    }

    /// Which sessions there are, for what has to be known of them when they are gone.
    #[must_use]
    pub fn roll(&self) -> PathBuf {
        self.log.with_file_name("sessions.json")
    }

    /// Which repositories are captured.
    #[must_use]
    pub fn captured(&self) -> PathBuf {
        self.log.with_file_name("capture.json")
    }

    /// Where is kept what other coding tools tell of their conversations.
    #[must_use]
    pub fn journals(&self) -> PathBuf {
        self.log.with_file_name("journals")
    }

    /// Which daemon of another version its user was told of.
    #[must_use]
    pub fn told_version(&self) -> PathBuf {
        self.runtime.join("told-version")
    }

    /// What its user was told that this machine lacks: it outlives the login.
    #[must_use]
    pub fn told_lacks(&self) -> PathBuf {
        self.log.with_file_name("told-lacks")
    }

    /// Makes the runtime directory, for this user only. That of a socket which was named elsewhere
    /// has to be there: a name with a slip in it would make directories, and start a daemon that
    /// nobody meant.
    ///
    /// # Errors
    /// `PermissionDenied` if the directory is somebody else's or open to others, `NotFound` if that
    /// of the socket is not there, and those of the file system; in words, with the path.
    pub fn create_runtime(&self) -> io::Result<()> {
        let said = |dir: &Path, error: io::Error| {
            let words = format!("could not make {}: {error}", dir.display());
            io::Error::new(error.kind(), words)
        };
        let dir = self.socket.parent().unwrap_or(Path::new("/"));
        if dir != self.runtime && !dir.is_dir() {
            let words = format!(
                "could not listen at {}: {} is no directory",
                self.socket.display(),
                dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, words));
        }
        create_private(&self.runtime).map_err(|error| said(&self.runtime, error))
    }
}

/// Where systemd keeps what is of each user's logins.
///
/// **Source:** `pam_systemd(8)`, "Environment": `$XDG_RUNTIME_DIR`.
const LOGINS: &str = "/run/user";

/// The directory that lives as long as this user is logged in. That of somebody else does not count
/// (`su` leaves its name in the environment); and where none is named, as in cron, and after `su -`
/// and `sudo -u`, it is the one of the logins that there are.
#[must_use]
pub fn login_dir(environ: &Environ) -> Option<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    login_dir_of(environ, Path::new(LOGINS), uid)
}

fn login_dir_of(environ: &Environ, logins: &Path, uid: u32) -> Option<PathBuf> {
    let named = environ.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let named = named.filter(|dir| dir.is_absolute());
    // One that is not there is not somebody else's.
    let ours = |dir: &PathBuf| std::fs::metadata(dir).map_or(true, |found| found.uid() == uid);
    named.filter(ours).or_else(|| {
        let dir = logins.join(uid.to_string());
        let found = std::fs::symlink_metadata(&dir).ok()?;
        let private = found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0;
        private.then_some(dir)
    })
}

/// Makes a directory for this user only, and takes one that is.
///
/// # Errors
/// `PermissionDenied` if it is somebody else's or a link, and those of the file system.
pub fn create_private(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    // In /tmp somebody may have made it first, or put a link there.
    let metadata = std::fs::symlink_metadata(dir)?;
    let ours = metadata.uid() == rustix::process::getuid().as_raw();
    if !metadata.is_dir() || !ours {
        let message = format!("{} is not a directory of this user", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if metadata.mode() & 0o077 != 0 {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environ(pairs: &[(&str, &str)]) -> Environ {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn one_directory_can_hold_everything() {
        let paths = Paths::of(&environ(&[("VMUX_DIR", "/x/v")]), None).unwrap();
        assert_eq!(paths.socket, Path::new("/x/v/vmux.sock"));
        assert_eq!(paths.labels, Path::new("/x/v/labels.json"));
        assert_eq!(paths.pid_file(), Path::new("/x/v/vmuxd.pid"));
    }

    #[test]
    fn another_socket_is_another_daemon() {
        let environ = environ(&[("VMUX_DIR", "/x/v"), ("VMUX_SOCKET", "/y/other.sock")]);
        assert_eq!(
            Paths::of(&environ, None).unwrap().socket,
            Path::new("/y/other.sock")
        );
        let named = Paths::of(&environ, Some(Path::new("/z/third.sock"))).unwrap();
        assert_eq!(
            (named.socket.as_path(), named.lock().as_path()),
            (Path::new("/z/third.sock"), Path::new("/z/third.lock"))
        );
        for (socket, lock) in [("/z/a.1", "/z/a.1.lock"), ("/z/a.lock", "/z/a.lock.lock")] {
            let named = Paths::of(&environ, Some(Path::new(socket))).unwrap();
            assert_eq!(named.lock(), Path::new(lock));
        }
    }

    #[test]
    fn one_that_came_by_su_or_cron_finds_the_daemon_of_the_logins() {
        let root = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let (own, other) = (root.path().join(uid.to_string()), root.path().join("0"));
        let find = |named: &str, uid| {
            login_dir_of(&environ(&[("XDG_RUNTIME_DIR", named)]), root.path(), uid)
        };
        assert_eq!(find("", uid), None, "nobody is logged in");
        create_private(&own).unwrap();
        for named in ["", "run"] {
            assert_eq!(find(named, uid), Some(own.clone()), "{named:?}");
        }
        let named = own.to_str().unwrap();
        assert_eq!(find(named, uid + 1), None, "it is somebody else's");
        let gone = other.to_str().unwrap();
        assert_eq!(find(gone, uid), Some(other.clone()), "it will be made");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&own, open).unwrap();
        assert_eq!(find("", uid), None, "others could get in");
        assert_eq!(find(named, uid), Some(own), "who names it has it so");
    }

    #[test]
    fn the_runtime_directory_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/run");
        std::fs::create_dir_all(&path).unwrap();
        let paths = Paths::of(&environ(&[("VMUX_DIR", path.to_str().unwrap())]), None).unwrap();
        paths.create_runtime().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(dir.path(), &path).unwrap();
        assert!(
            paths.create_runtime().is_err(),
            "a link in its place is not followed"
        );
    }
}
