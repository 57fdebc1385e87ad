//! What is kept of a hosted session until it ends: enough to start it again after a crash or a
//! reboot. It lies in the state directory, for the runtime directory is gone by then.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::place::{Place, is_id};
use super::{Info, VARIABLE};
use crate::core::model::Pid;
use crate::core::named::named;
use crate::core::sorted::Arrange as _;
use crate::sys::files;
use crate::sys::proc::Proc;

/// Largest record, in bytes.
const LARGEST: usize = 256 * 1024;
/// Most records that are looked at.
const MOST: usize = 4096;
/// Most seconds between the start of a program and the note of it: each is read from another clock.
const APART: i64 = 3;
/// How a record's name ends.
const TAIL: &str = "kept";

/// A session that is to be there.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Record {
    /// What it was when it was started.
    pub session: Info,
    /// Variables that it needs to be started as it was: where programs and their files are.
    pub environ: BTreeMap<String, String>,
}

named!(Record { session, environ });

impl Record {
    /// Whether the program of the session still runs, whoever holds its terminal. Its pid may be
    /// another process's by now: it has to have the session in its environment or, where it has an
    /// environment of its own making, to have begun with the session.
    #[must_use]
    pub fn still_runs(&self) -> bool {
        let pid = Pid(self.session.pid);
        let Ok(proc) = Proc::open(Path::new("/proc")) else {
            return false;
        };
        let Some(key) = proc.key(pid).filter(|_| pid.0 != 0) else {
            return false;
        };
        let environ = proc.environ(pid).unwrap_or_default();
        if environ.text(VARIABLE) == Some(&self.session.id) {
            return true;
        }
        let ticks = key.start_ticks / rustix::param::clock_ticks_per_second().max(1);
        let begun = proc.boot_seconds().zip(i64::try_from(ticks).ok());
        begun.is_some_and(|(boot, ticks)| {
            let apart = self.session.started.timestamp() - boot.saturating_add(ticks);
            apart.abs() <= APART
        })
    }
}

/// Records, and what could not be read of them.
#[derive(Debug, Default)]
pub struct Records {
    /// Oldest session first.
    pub kept: Vec<Record>,
    /// In words.
    pub unread: Vec<String>,
}

impl Place {
    fn record(&self, id: &str) -> std::path::PathBuf {
        self.dirs()[1].join(format!("{id}.{TAIL}"))
    }

    /// Writes down that a session is to be there.
    ///
    /// # Errors
    /// Those of the file system; what was there before then still stands.
    pub fn keep(&self, record: &Record) -> io::Result<()> {
        let bytes = serde_json::to_vec(record)?;
        files::write_own(&self.record(&record.session.id), &bytes, true)
    }

    /// The session has ended, as it should.
    ///
    /// # Errors
    /// Those of the file system; that there is no record is none.
    pub fn let_go(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.record(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The record of a session, if it is to be there.
    ///
    /// # Errors
    /// Those of reading it, and what is wrong with it.
    pub fn kept(&self, id: &str) -> io::Result<Record> {
        let bytes = files::read_bounded(&self.record(id), LARGEST)?;
        let record: Record = serde_json::from_slice(&bytes)?;
        let whole = record.session.id == id && !record.session.command.is_empty();
        whole.then_some(record).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "it is the record of nothing")
        })
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> Records {
        let mut records = Records::default();
        let entries = fs::read_dir(self.dirs()[1]).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ids =
            names.filter_map(|name| Some(name.strip_suffix(TAIL)?.strip_suffix('.')?.to_owned()));
        for id in ids.filter(|id| is_id(id)).take(MOST) {
            match self.kept(&id) {
                Ok(record) => records.kept.push(record),
                // It ended just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let path = self.record(&id);
                    let words = format!("could not read {}: {error}", path.display());
                    records.unread.push(words);
                }
            }
        }
        records.unread.arrange();
        records.kept.arrange_by(|a, b| {
            let (a, b) = (&a.session, &b.session);
            (a.started, &a.id).cmp(&(b.started, &b.id))
        });
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_kept_until_it_is_let_go_and_a_broken_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(dir.path().join("run"), dir.path().join("state"));
        fs::create_dir(dir.path().join("state")).unwrap();
        let record = Record {
            session: Info {
                id: "habcd".into(),
                command: vec!["claude".into()],
                ..Info::default()
            },
            environ: BTreeMap::from([("PATH".into(), "/usr/bin".into())]),
        };
        place.keep(&record).unwrap();
        assert_eq!(place.kept("habcd").unwrap(), record);
        for (id, text) in [("hbrok", "{"), ("hnone", "{}"), ("other", "{}")] {
            fs::write(dir.path().join(format!("state/{id}.kept")), text).unwrap();
        }
        let records = place.records();
        assert_eq!(records.kept, [record]);
        let unread = records.unread.join("\n");
        assert!(
            unread.contains("hbrok.kept: ")
                && unread.contains("hnone.kept: it is the record of nothing"),
            "{unread}"
        );
        assert_eq!(records.unread.len(), 2);
        place.let_go("habcd").unwrap();
        place.let_go("habcd").unwrap();
        assert_eq!(place.records().kept, []);
    }
}
