//! Bounded reads and atomic writes of small files.

mod held;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

pub use held::{Held, lock, past_links, replace, tidy, unchanged};

/// What a table of the kernel gives with one read(2), in bytes.
const PAGE: usize = 4096;

/// Reads at most `cap` bytes of the file at `path`. Never blocks on a FIFO or a device.
///
/// # Errors
/// Those of opening and reading; `InvalidData` if it is not a regular file, `FileTooLarge` past `cap`.
pub fn read_bounded(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    let (file, size) = open_regular(path)?;
    // With room the first read takes what is there. Without, it takes 32 bytes; and a table of the
    // kernel that is read in parts may lack a line: another one went away between.
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size.max(PAGE).min(cap) + 1);
    file.take(cap as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {cap} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads the first bytes of the file at `path`, at most `cap`. Never blocks on a FIFO or a device.
///
/// # Errors
/// Those of opening and reading; `InvalidData` if it is not a regular file.
pub fn read_start(path: &Path, cap: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (file, _) = open_regular(path)?;
    file.take(cap as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file, and tells its size in bytes: 0 for those that the kernel makes up.
fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // O_NONBLOCK: opening a FIFO somebody put in the file's place must not hang the thread.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "not a regular file",
    ))
}

/// Replaces the file at `path`, past links, with `bytes`: see [`Held::replace`].
///
/// # Errors
/// Those of the file system; the old content then still stands.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Held::take(path)?.replace(bytes)
}

/// Replaces a file (0600) that no other process writes, so that whoever reads it finds the old or the
/// new content; with `lasts` also after a crash of the machine. Others write beside it at the same
/// time: it takes no lock.
///
/// # Errors
/// Those of the file system; the old content then still stands.
pub fn write_own(path: &Path, bytes: &[u8], lasts: bool) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let aside = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = || {
        let mut file = options.open(&aside)?;
        file.write_all(bytes)?;
        if lasts {
            file.sync_all()?;
        }
        fs::rename(&aside, path)?;
        match path.parent() {
            Some(dir) if lasts => File::open(dir)?.sync_all(),
            _ => Ok(()),
        }
    };
    written().inspect_err(|_| {
        // It may not even be there.
        drop(fs::remove_file(&aside));
    })
}

/// Makes `dir` (0700) and its missing parents.
///
/// # Errors
/// Those of the file system.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    make(dir, 0o700)
}

fn make(dir: &Path, mode: u32) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent() {
        make(above, 0o777)?;
    }
    match fs::DirBuilder::new().mode(mode).create(dir) {
        // Somebody else was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => held::inherit_owner(&File::open(dir)?, dir.parent().unwrap_or(dir)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
