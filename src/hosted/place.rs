//! Where hosted sessions are found: a socket and a file each, in the runtime directory. There is
//! no list beside it: what is there is what there is, whatever the daemon knows.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::link::Link;
use super::{Hello, Info};
use crate::core::sorted::Arrange as _;
use crate::sys::files;
use crate::sys::paths::Paths;

/// Largest file of a session, in bytes.
const LARGEST: usize = 256 * 1024;
/// Most files that are looked at.
const MOST: usize = 4096;
/// Ended sessions whose files are kept, the newest ones.
const KEPT: usize = 50;

/// The directory of an installation's hosted sessions.
#[derive(Clone, Debug)]
pub struct Place {
    dir: PathBuf,
    logs: PathBuf,
}

/// A session that was found.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// Its holder answers.
    Live(Info),
    /// It has ended.
    Ended(Info),
    /// Its holder is gone, and did not say how it ended.
    Lost(Info),
    /// Its holder is there, and does not answer.
    Silent(Info),
}

impl Found {
    /// What is known of it.
    #[must_use]
    pub fn info(&self) -> &Info {
        match self {
            Self::Live(info) | Self::Ended(info) | Self::Lost(info) | Self::Silent(info) => info,
        }
    }
}

impl Place {
    /// Of an installation.
    #[must_use]
    pub fn of(paths: &Paths) -> Self {
        let state = paths.log.parent().unwrap_or(&paths.runtime);
        Self::at(paths.runtime.join("hosted"), state.join("hosted"))
    }

    /// Where sessions are found in this directory, and no logs.
    #[must_use]
    pub fn of_dir(dir: PathBuf) -> Self {
        Self::at(dir, PathBuf::new())
    }

    /// With sockets and files in one directory, and logs in another.
    #[must_use]
    pub fn at(dir: PathBuf, logs: PathBuf) -> Self {
        Self { dir, logs }
    }

    /// Both directories.
    #[must_use]
    pub fn dirs(&self) -> [&Path; 2] {
        [&self.dir, &self.logs]
    }

    /// Makes the directories, for this user only.
    ///
    /// # Errors
    /// Those of the file system; `PermissionDenied` if somebody else's is in the way.
    pub fn create(&self, paths: &Paths) -> io::Result<()> {
        paths.create_runtime()?;
        files::create_private_dir(&self.dir)?;
        files::create_private_dir(&self.logs)
    }

    /// Has others wait that would start a session, for as long as the result lives.
    ///
    /// # Errors
    /// `ResourceBusy` if another one holds it for longer than `patience`, and those of the file
    /// system.
    pub fn lock(&self, paths: &Paths, patience: Duration) -> io::Result<Option<File>> {
        self.create(paths)?;
        // A directory of its own: those of the sessions are locked by whoever writes there.
        let dir = self.logs.join("lock");
        files::create_private_dir(&dir)?;
        files::lock(&dir, patience)
    }

    /// The socket of a session.
    #[must_use]
    pub fn socket(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.sock"))
    }

    /// The file of a session.
    #[must_use]
    pub fn file(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    /// What its output is written to.
    #[must_use]
    pub fn log(&self, id: &str) -> PathBuf {
        self.logs.join(format!("{id}.log"))
    }

    /// Takes an id that no other session has, and keeps it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn claim(&self, seed: u64) -> io::Result<String> {
        let mut seed = seed;
        loop {
            // Odd multiplier: all ids come before one comes again.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = id(seed >> 33);
            // One that is to come back keeps its id, and one that is over its log.
            if self.kept(&id).is_ok() || self.log(&id).exists() {
                continue;
            }
            match self.claim_file(&id) {
                Ok(()) => return Ok(id),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the id of a session that is there no more, for the same session.
    ///
    /// # Errors
    /// `AlreadyExists` if it is there or its program still runs, and those of the file system.
    pub fn claim_again(&self, id: &str, patience: Duration) -> io::Result<String> {
        if !is_id(id) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if let Some(Found::Live(_) | Found::Silent(_)) = self.find(id, patience) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Whoever keeps its terminal lets it go once another session has the id.
        if self.kept(id).is_ok_and(|record| record.still_runs()) {
            let words = "its program still runs, and its next holder is awaited";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        for path in [self.socket(id), self.file(id)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.claim_file(id).map(|()| id.to_owned())
    }

    fn claim_file(&self, id: &str) -> io::Result<()> {
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.file(id));
        file.map(drop)
    }

    /// All sessions, those that ended too, oldest first. Each is asked, for `patience` at most.
    #[must_use]
    pub fn all(&self, patience: Duration) -> Vec<Found> {
        let mut found: Vec<Found> = self
            .ids()
            .iter()
            .filter_map(|id| self.find(id, patience))
            .collect();
        found.arrange_by(|a, b| {
            let (a, b) = (a.info(), b.info());
            (a.started, &a.id).cmp(&(b.started, &b.id))
        });
        found
    }

    /// The ids of all sessions of which there is a file.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ids = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()));
        ids.filter(|id| is_id(id)).take(MOST).collect()
    }

    /// What a session's file says: how it was at the start, or at the end.
    #[must_use]
    pub fn read(&self, id: &str) -> Option<Info> {
        read(&self.file(id))
    }

    /// One session, by its id.
    #[must_use]
    pub fn find(&self, id: &str, patience: Duration) -> Option<Found> {
        if !is_id(id) {
            return None;
        }
        let said = read(&self.file(id));
        if let Some(info) = &said
            && info.ended.is_some()
        {
            return said.map(Found::Ended);
        }
        let blank = || Info {
            id: id.to_owned(),
            ..Info::default()
        };
        let said = said.unwrap_or_else(blank);
        let asked = Link::connect(&self.socket(id), &Hello::default(), patience)
            .and_then(|mut link| link.info(patience));
        match asked {
            Ok(info) => Some(Found::Live(info)),
            Err(error) if gone(&error) && said.pid != 0 => Some(Found::Lost(said)),
            // It is only starting.
            Err(_) if said.pid == 0 => None,
            Err(_) => Some(Found::Silent(said)),
        }
    }

    /// Removes what sessions that ended long ago have left; also the logs of those whose files went
    /// with the runtime directory, as at a reboot.
    pub fn tidy(&self) {
        let ended: Vec<_> = self
            .ids()
            .into_iter()
            .filter_map(|id| {
                let info = read(&self.file(&id))?;
                Some((info.ended?.at, id))
            })
            .collect();
        self.forget_oldest(ended);
        self.forget_oldest(self.left_logs());
    }

    /// Forgets all but the newest sessions of these.
    fn forget_oldest<T: Ord>(&self, mut all: Vec<(T, String)>) {
        all.sort_unstable();
        let surplus = all.len().saturating_sub(KEPT);
        for (_, id) in all.into_iter().take(surplus) {
            self.forget(&id);
        }
    }

    /// Sessions of which there is a log and nothing else, with the time when it was written last.
    fn left_logs(&self) -> Vec<(SystemTime, String)> {
        let entries = fs::read_dir(&self.logs).into_iter().flatten().flatten();
        let logs = entries.take(MOST).filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_suffix(".log").filter(|id| is_id(id))?;
            let nothing = !self.file(id).exists() && self.kept(id).is_err();
            let written = entry.metadata().and_then(|data| data.modified()).ok()?;
            nothing.then(|| (written, id.to_owned()))
        });
        logs.collect()
    }

    /// Removes all files of a session.
    pub fn forget(&self, id: &str) {
        let log = self.log(id);
        let logs = ["log", "log.1", "times", "times.1"].map(|tail| log.with_extension(tail));
        for path in [self.socket(id), self.file(id)].into_iter().chain(logs) {
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                log::warn!("could not remove {}: {error}", path.display());
            }
        }
    }
}

fn read(path: &Path) -> Option<Info> {
    let bytes = files::read_bounded(path, LARGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether nobody listens any more.
fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
    )
}

/// Four letters or digits that are not taken for one another.
fn id(mut number: u64) -> String {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut id = String::from("h");
    for _ in 0..4 {
        let sign = SIGNS.get(usize::try_from(number % 32).unwrap_or(0));
        id.push(sign.copied().unwrap_or(b'a').into());
        number /= 32;
    }
    id
}

/// Whether it can be one, and so a part of a file's name.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 5 && text.starts_with('h') && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosted::record::Record;
    use crate::hosted::{Ended, VARIABLE};
    use crate::sys::clock;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            dir: dir.path().to_owned(),
            logs: dir.path().join("logs"),
        };
        (dir, place)
    }

    #[test]
    fn no_two_sessions_share_an_id() {
        let (_dir, place) = place();
        let ids: std::collections::BTreeSet<_> =
            (0..300).map(|_| place.claim(7).unwrap()).collect();
        assert_eq!(ids.len(), 300);
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
        for text in ["", "h", "../..", "hab/c", "gabcd", "habcde"] {
            assert!(!is_id(text), "{text}");
        }
    }

    #[test]
    fn a_session_is_ended_or_lost_or_just_starting() {
        let (_dir, place) = place();
        let put = |info: &Info| {
            fs::write(place.file(&info.id), serde_json::to_vec(info).unwrap()).unwrap();
        };
        let starting = place.claim(1).unwrap();
        assert_eq!(place.find(&starting, Duration::ZERO), None);
        let mut info = Info {
            id: "habcd".into(),
            pid: 4711,
            ..Info::default()
        };
        put(&info);
        let patience = Duration::from_secs(1);
        assert_eq!(
            place.find("habcd", patience),
            Some(Found::Lost(info.clone()))
        );
        info.ended = Some(Ended {
            code: Some(3),
            signal: None,
            at: clock::now(),
            ..Ended::default()
        });
        put(&info);
        assert_eq!(place.all(patience), [Found::Ended(info)]);
        assert_eq!(place.find("../habcd", patience), None);
    }

    #[test]
    fn the_id_of_a_program_that_still_runs_is_not_claimed_again() {
        use std::process::Command;

        let (_dir, place) = place();
        fs::create_dir_all(&place.logs).unwrap();
        let mut record = Record::default();
        record.session.id = "habcd".into();
        record.session.command = vec!["sleep".into()];
        let put = |record: &Record| {
            place.keep(record).unwrap();
            let bytes = serde_json::to_vec(&record.session).unwrap();
            fs::write(place.file("habcd"), bytes).unwrap();
        };
        let claimed = || place.claim_again("habcd", Duration::from_secs(1));
        let now = clock::now();
        let earlier = now - chrono::TimeDelta::hours(1);
        // By its environment, by its start, and one that has only the pid.
        for (own, started, runs) in [
            ("habcd", earlier, true),
            ("none", now, true),
            ("hother", earlier, false),
        ] {
            let mut sleep = Command::new("sleep");
            sleep.arg("60").env(VARIABLE, own);
            let mut sleep = sleep.spawn().unwrap();
            record.session.pid = sleep.id();
            record.session.started = started;
            put(&record);
            let claim = claimed().map_err(|error| error.kind());
            let before = read(&place.file("habcd"));
            sleep.kill().unwrap();
            sleep.wait().unwrap();
            if runs {
                assert_eq!(claim, Err(io::ErrorKind::AlreadyExists), "{own}");
                assert_eq!(before, Some(record.session.clone()), "{own}: it is left");
                put(&record);
                claimed().unwrap();
            } else {
                claim.unwrap();
            }
        }
    }

    #[test]
    fn logs_that_nothing_leads_to_are_kept_up_to_a_number() {
        let (_dir, place) = place();
        fs::create_dir(&place.logs).unwrap();
        let write = |id: &str, age: u64| {
            for tail in ["log", "log.1", "times", "times.1"] {
                let file = File::create(place.log(id).with_extension(tail)).unwrap();
                let written = SystemTime::from(clock::now()) - Duration::from_secs(age);
                file.set_modified(written).unwrap();
            }
        };
        let ids: Vec<String> = (0..60).map(id).collect();
        for (age, id) in (1000..).zip(&ids) {
            write(id, age);
        }
        // Both are older, and something leads to them.
        write("hhere", 5000);
        fs::write(place.file("hhere"), b"{}").unwrap();
        write("hback", 5000);
        let mut back = Record::default();
        back.session.id = "hback".into();
        back.session.command = vec!["claude".into()];
        place.keep(&back).unwrap();
        assert!(!ids.contains(&place.claim(0).unwrap()), "it has a log");
        place.tidy();
        let left = |id: &String| place.log(id).exists();
        assert!(ids[..KEPT].iter().all(left) && !ids[KEPT..].iter().any(left));
        assert!(left(&"hhere".into()) && left(&"hback".into()));
        assert!(!place.log(&ids[59]).with_extension("times.1").exists());
        let all = fs::read_dir(&place.logs).unwrap().count();
        assert_eq!(all, (KEPT + 2) * 4 + 1, "of each all files, and one record");
    }

    #[test]
    fn what_ended_last_is_kept() {
        let (_dir, place) = place();
        for n in 0..60_i64 {
            let id = place.claim(n.unsigned_abs()).unwrap();
            let at = clock::now() + chrono::TimeDelta::seconds(n);
            let info = Info {
                name: Some(n.to_string()),
                pid: 1,
                ended: Some(Ended {
                    at,
                    ..Ended::default()
                }),
                id: id.clone(),
                ..Info::default()
            };
            fs::write(place.file(&id), serde_json::to_vec(&info).unwrap()).unwrap();
        }
        place.tidy();
        let left = place.all(Duration::ZERO);
        assert_eq!(left.len(), KEPT);
        assert!(
            left.iter()
                .all(|found| found.info().name != Some("9".into()))
        );
    }
}
