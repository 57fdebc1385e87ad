//! What a session writes, kept in files: the bytes as they are, and beside them when each piece
//! came. `scriptreplay -t ID.times ID.log` plays it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Instant;

use vmux::sys::{clock, files};

/// Bytes of a file, after which the next one begins; the one before is kept.
const LARGEST: u64 = 8 * 1024 * 1024;

/// The files of a session.
pub(crate) struct Keep {
    path: PathBuf,
    files: Option<(File, File)>,
    written: u64,
    last: Instant,
    /// It was said that it cannot be written.
    said: bool,
}

impl Keep {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: None,
            written: 0,
            last: clock::steady(),
            said: false,
        }
    }

    /// Appends. A disk that is full costs the log, and nothing else.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        match self.try_write(bytes) {
            Ok(()) => self.said = false,
            Err(error) if !self.said => {
                self.said = true;
                log::warn!("could not write {}: {error}", self.path.display());
            }
            Err(_) => {}
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Removed or moved from outside: nobody looks for it there.
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let found = self.path.metadata().map(identity).ok();
        let gone = |(log, _): &(File, File)| log.metadata().map(identity).ok() != found;
        if self.files.as_ref().is_some_and(gone) {
            self.files = None;
            if let Some(dir) = self.path.parent() {
                files::create_private_dir(dir)?;
            }
        }
        if self.written > LARGEST {
            self.files = None;
            for tail in ["log", "times"] {
                let path = self.path.with_extension(tail);
                fs::rename(&path, path.with_extension(format!("{tail}.1")))?;
            }
            self.written = 0;
        }
        if self.files.is_none() {
            let open = |tail: &str| {
                let path = self.path.with_extension(tail);
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(path)
            };
            let log = open("log")?;
            // A holder before this one may have begun it.
            self.written = log.metadata()?.len();
            self.files = Some((log, open("times")?));
        }
        let Some((log, times)) = &mut self.files else {
            return Ok(());
        };
        let now = clock::steady();
        let delay = now.saturating_duration_since(self.last);
        self.last = now;
        log.write_all(bytes)?;
        self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        times.write_all(format!("{:.6} {}\n", delay.as_secs_f64(), bytes.len()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn two_files_at_most_are_kept_for_their_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("habcd.log");
        let mut keep = Keep::new(path.clone());
        let block = vec![b'x'; 1024 * 1024];
        for _ in 0..20 {
            keep.write(&block);
        }
        keep.write(b"end");
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        assert_eq!(size(path.with_extension("log.1")), 9 << 20);
        assert_eq!(size(path.clone()), (2 << 20) + 3);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let times = fs::read_to_string(path.with_extension("times")).unwrap();
        let sum: usize = times
            .lines()
            .map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(sum, (2 << 20) + 3);
    }

    #[test]
    fn what_was_removed_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosted/habcd.log");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let mut keep = Keep::new(path.clone());
        keep.write(b"before");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        keep.write(b"after");
        assert_eq!(fs::read(&path).unwrap(), b"after");
    }

    #[test]
    fn what_cannot_be_written_is_passed_over() {
        let mut keep = Keep::new(PathBuf::from("/proc/nowhere/x.log"));
        keep.write(b"one");
        keep.write(b"two");
        assert!(keep.said);
    }
}
