//! What a session writes, kept in files: the bytes as they are, and beside them when each piece
//! came. `scriptreplay -t ID.times ID.log` plays it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, Utc};
use vmux::sys::{clock, files};

/// Bytes of a file, after which the next one begins; the one before is kept.
const LARGEST: u64 = 8 * 1024 * 1024;

/// The files of a session.
pub(crate) struct Keep {
    path: PathBuf,
    files: Option<Files>,
    last: Instant,
    /// What is missing behind the last piece.
    missing: Option<Lost>,
    /// It was said that it cannot be written.
    said: bool,
}

/// A log and its times, as long as they are.
struct Files {
    log: File,
    written: u64,
    times: File,
    timed: u64,
}

/// Output that is not in the log.
#[derive(Debug)]
pub(crate) struct Lost {
    bytes: u64,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Lost {
    /// So many bytes more.
    pub(crate) fn add(lost: &mut Option<Self>, bytes: usize, at: DateTime<Utc>) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let lost = lost.get_or_insert(Self {
            bytes: 0,
            from: at,
            to: at,
        });
        lost.bytes = lost.bytes.saturating_add(bytes);
        lost.to = at;
    }

    /// A line of the log, whatever the program had begun to write.
    fn line(&self) -> String {
        let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
        let Self { bytes, from, to } = self;
        let (from, to) = (time(*from), time(*to));
        format!(
            "\x18\r\n[vmux: {bytes} bytes written from {from} to {to} UTC are missing here]\r\n"
        )
    }
}

impl Keep {
    /// `begun`: when the first piece could have come.
    pub(crate) fn new(path: PathBuf, begun: Instant) -> Self {
        Self {
            path,
            files: None,
            last: begun,
            missing: None,
            said: false,
        }
    }

    /// Appends what came then, after what is lost. A disk that is full costs the log, and nothing
    /// else.
    pub(crate) fn write(&mut self, at: Instant, lost: Option<Lost>, bytes: &[u8]) {
        if let Some(lost) = lost {
            match &mut self.missing {
                Some(missing) => {
                    missing.bytes = missing.bytes.saturating_add(lost.bytes);
                    missing.to = lost.to;
                }
                none => *none = Some(lost),
            }
        }
        match self.try_write(at, bytes) {
            Ok(()) => self.said = false,
            Err(error) => {
                Lost::add(&mut self.missing, bytes.len(), clock::now());
                if !self.said {
                    self.said = true;
                    log::warn!("could not write {}: {error}", self.path.display());
                }
            }
        }
    }

    fn try_write(&mut self, at: Instant, bytes: &[u8]) -> io::Result<()> {
        if let Some(line) = self.missing.as_ref().map(Lost::line) {
            self.append(at, line.as_bytes())?;
            self.missing = None;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.append(at, bytes)
    }

    fn append(&mut self, at: Instant, bytes: &[u8]) -> io::Result<()> {
        self.turn()?;
        let Some(files) = &mut self.files else {
            return Ok(());
        };
        let delay = at.saturating_duration_since(self.last);
        let time = format!("{:.6} {}\n", delay.as_secs_f64(), bytes.len());
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let written = files
            .log
            .write_all(bytes)
            .and_then(|()| files.times.write_all(time.as_bytes()));
        if let Err(error) = written {
            // Half of it would be taken for all. What cannot be cut stays.
            files.log.set_len(files.written).unwrap_or_default();
            files.times.set_len(files.timed).unwrap_or_default();
            return Err(error);
        }
        files.written += length(bytes);
        files.timed += length(time.as_bytes());
        self.last = at;
        Ok(())
    }

    /// Opens the files, and puts those aside that are full.
    fn turn(&mut self) -> io::Result<()> {
        // Removed or moved from outside: nobody looks for it there.
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let found = self.path.metadata().map(identity).ok();
        let gone = |files: &Files| files.log.metadata().map(identity).ok() != found;
        if self.files.as_ref().is_some_and(gone) {
            self.files = None;
            if let Some(dir) = self.path.parent() {
                files::create_private_dir(dir)?;
            }
        }
        if self
            .files
            .take_if(|files| files.written > LARGEST)
            .is_some()
        {
            for tail in ["log", "times"] {
                let path = self.path.with_extension(tail);
                fs::rename(&path, path.with_extension(format!("{tail}.1")))?;
            }
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
            let (log, times) = (open("log")?, open("times")?);
            self.files = Some(Files {
                // A holder before this one may have begun it.
                written: log.metadata()?.len(),
                log,
                timed: times.metadata()?.len(),
                times,
            });
        }
        Ok(())
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
        let mut keep = Keep::new(path.clone(), clock::steady());
        let block = vec![b'x'; 1024 * 1024];
        for _ in 0..20 {
            keep.write(clock::steady(), None, &block);
        }
        keep.write(clock::steady(), None, b"end");
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
        let mut keep = Keep::new(path.clone(), clock::steady());
        keep.write(clock::steady(), None, b"before");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        keep.write(clock::steady(), None, b"after");
        assert_eq!(fs::read(&path).unwrap(), b"after");
    }

    #[test]
    fn what_cannot_be_written_is_passed_over() {
        let mut keep = Keep::new(PathBuf::from("/proc/nowhere/x.log"), clock::steady());
        keep.write(clock::steady(), None, b"one");
        keep.write(clock::steady(), None, b"two");
        assert!(keep.said);
    }
}
