//! Bounded reads and atomic writes of small files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Reads at most `cap` bytes of the file at `path`. Never blocks on a FIFO or a device.
///
/// # Errors
/// Those of opening and reading; `InvalidData` if it is no regular file, `FileTooLarge` past `cap`.
pub fn read_bounded(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    // O_NONBLOCK: opening a FIFO somebody put in the file's place must not hang the thread.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    file.take(cap as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {cap} bytes"),
        ));
    }
    Ok(bytes)
}

/// Replaces the file at `path` with `bytes`, so that after a crash at any moment either the old
/// or the new content is there: temporary file beside it, fsync, rename, fsync of the directory.
/// Its directory is made (0700) if missing; the file has mode 0600.
///
/// # Errors
/// Those of the file system; the old content then still stands.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    create_private_dir(dir)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = dir.join(name);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: the write's own error is the one to report.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    File::open(dir)?.sync_all()
}

/// Replaces somebody else's file at `path`, which holds `old`, by `new`: atomically, with the
/// permissions it had (`mode`). Does nothing if it holds something else meanwhile.
///
/// # Errors
/// Those of the file system, and `ResourceBusy` if it has changed; it then still stands.
pub fn replace(path: &Path, old: Option<&[u8]>, new: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = dir.join(name);
    let replaced = write_synced(&temporary, new)
        .and_then(|()| fs::set_permissions(&temporary, fs::Permissions::from_mode(mode)))
        .and_then(|()| unchanged(path, old))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = replaced {
        // Best effort: the first error is the one to report.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    File::open(dir)?.sync_all()
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

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes `dir` and its missing parents, the last with mode 0700.
///
/// # Errors
/// Those of the file system.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

/// Moves an unreadable file out of the way and says where it went: `NAME.corrupt`, or
/// `NAME.corrupt.N` where those exist, so that no earlier evidence is lost.
///
/// # Errors
/// Those of the rename.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut target = path.with_file_name(format!("{name}.corrupt"));
    for n in 2..1000 {
        if !target.exists() {
            break;
        }
        target = path.with_file_name(format!("{name}.corrupt.{n}"));
    }
    fs::rename(path, &target)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/labels.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_read_is_bounded_and_wants_a_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, b"12345678901").unwrap();
        assert_eq!(
            read_bounded(&path, 10).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert!(read_bounded(dir.path(), 10).is_err());
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(
            read_bounded(&fifo, 10).is_err(),
            "a FIFO must not block the reader"
        );
    }

    #[test]
    fn files_set_aside_never_overwrite_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.json");
        for n in 1..=3 {
            fs::write(&path, format!("{n}")).unwrap();
            set_aside(&path).unwrap();
        }
        assert_eq!(
            fs::read(dir.path().join("labels.json.corrupt")).unwrap(),
            b"1"
        );
        assert_eq!(
            fs::read(dir.path().join("labels.json.corrupt.3")).unwrap(),
            b"3"
        );
    }
}
