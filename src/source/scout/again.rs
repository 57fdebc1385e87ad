//! What is done again a little later: files that were torn, and sessions whose reading failed.
//!
//! A panic while one session is looked at is a bug of vmux, set off by what that session wrote.
//! It costs this session, not the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::{READ_AGAIN, READ_TRIES, Scout, Tracked};
use crate::core::model::{Evidence, Observation, Pid};
use crate::core::text::CleanText;
use crate::sys::clock;

/// Shortest and longest pause before a session whose reading failed is read anew.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A session whose reading failed.
pub(super) struct Failure {
    due: Instant,
    pause: Duration,
    /// How often it failed since it was read last.
    times: u32,
}

impl Scout {
    /// When [`Scout::retry`] has something to do, besides the next scan.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let torn = self.again.iter().map(|(at, _, _)| *at);
        let failed = self.failed.values().map(|failure| failure.due);
        torn.chain(failed).chain(self.shell_due).min()
    }

    /// Does what was put off: files that were torn, shells that a tool should have started.
    pub fn retry(&mut self, now: DateTime<Utc>) -> Vec<Observation> {
        let mut out = Vec::new();
        let steady = clock::steady();
        let torn = std::mem::take(&mut self.again);
        let (due, later): (Vec<_>, Vec<_>) = torn.into_iter().partition(|(at, _, _)| *at <= steady);
        self.again = later;
        for (_, pid, tries) in due {
            self.read_file(pid, tries, now, &mut out);
        }
        self.read_failed(now, &mut out);
        if self.shell_due.is_some_and(|at| at <= steady) {
            self.shell_due = None;
            let pids: Vec<Pid> = self.tracked.keys().copied().collect();
            for pid in pids {
                self.tell(pid, now, &mut out);
            }
        }
        out
    }

    /// Reads the file of `pid` again in a moment, unless that was done too often.
    pub(super) fn put_off(&mut self, pid: Pid, tries: u32) {
        if tries < READ_TRIES {
            let at = clock::steady() + READ_AGAIN;
            self.again.push((at, pid, tries + 1));
        }
    }

    /// Does a `step` that concerns one session; nothing while a failure of it rests. If the step
    /// panics, the session is unknown until it can be read anew.
    pub(super) fn guarded(
        &mut self,
        pid: Pid,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
        step: impl FnOnce(&mut Self, &mut Vec<Observation>),
    ) {
        let rests = |failure: &Failure| failure.due > clock::steady();
        if self.failed.get(&pid).is_some_and(rests) {
            return;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self, out))) {
            self.fail(pid, &words(&*panic), now, out);
        }
    }

    pub(super) fn fail(
        &mut self,
        pid: Pid,
        why: &str,
        now: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        let failure = self.failed.entry(pid).or_insert(Failure {
            due: clock::steady(),
            pause: PAUSE.0,
            times: 0,
        });
        failure.due = clock::steady() + failure.pause;
        failure.pause = (failure.pause * 2).min(PAUSE.1);
        failure.times += 1;
        // Not why: a panic may quote what the session wrote. `explain` has that.
        log::error!("reading the session of process {pid} panicked, which is a bug of vmux");
        let Some(mut broken) = self.tracked.remove(&pid) else {
            return;
        };
        broken.unwatch(&mut self.watcher);
        // Whatever was read of it may be what it fails of.
        let mut anew = Tracked::new(
            broken.key,
            broken.config,
            broken.process,
            broken.kind,
            broken.start,
        );
        anew.handle = broken.handle;
        let evidence = Evidence {
            failed: Some(CleanText::line(why)),
            ..anew.facts(now).evidence()
        };
        out.push(Observation::Seen(anew.key, Box::new(evidence)));
        self.tracked.insert(pid, anew);
    }

    /// Reads those anew whose reading failed, each after its pause.
    fn read_failed(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let steady = clock::steady();
        let due = self.failed.iter().filter(|(_, f)| f.due <= steady);
        let due: Vec<(Pid, u32)> = due.map(|(pid, f)| (*pid, f.times)).collect();
        for (pid, times) in due {
            if self.tracked.contains_key(&pid) {
                self.read_file(pid, 0, now, out);
            } else {
                self.adopt(pid, None, now, out);
            }
            if self.failed.get(&pid).is_some_and(|f| f.times == times) {
                self.failed.remove(&pid);
            }
        }
    }
}

/// What a panic says.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Roots;
    use super::*;
    use crate::sys::proc::Proc;

    /// A scout of a configuration in which a status file names this very process.
    fn scout(config: &Path) -> (Scout, Pid) {
        let pid = Pid(std::process::id());
        let start = Proc::open(Path::new("/proc")).unwrap().key(pid).unwrap();
        let sessions = config.join("sessions");
        std::fs::create_dir_all(&sessions).unwrap();
        let file = format!(
            r#"{{"pid":{pid},"procStart":"{}","status":"idle"}}"#,
            start.start_ticks
        );
        std::fs::write(sessions.join(format!("{pid}.json")), file).unwrap();
        let roots = Roots {
            proc: "/proc".into(),
            config: config.into(),
            uid: rustix::process::getuid().as_raw(),
            only_config: true,
            looker: None,
        };
        (Scout::new(roots).unwrap(), pid)
    }

    fn failed(out: &[Observation]) -> Vec<Option<&str>> {
        let seen = out.iter().filter_map(|observation| match observation {
            Observation::Seen(_, evidence) => Some(evidence.failed.as_deref()),
            _ => None,
        });
        seen.collect()
    }

    /// However often: the others are told, and it is when it can be read again.
    #[test]
    fn a_panic_costs_one_session_until_it_can_be_read_anew() {
        let config = tempfile::tempdir().unwrap();
        let (mut scout, pid) = scout(config.path());
        assert_eq!(failed(&scout.scan(clock::now()).unwrap()), [None]);
        let mut out = Vec::new();
        let now = clock::now();
        scout.guarded(pid, now, &mut out, |_, _| panic!("deliberate {}", 1));
        assert_eq!(failed(&out), [Some("deliberate 1")]);
        let due = scout.due().unwrap();
        assert!(due > clock::steady(), "not at once");
        out.clear();
        scout.read_file(pid, 0, now, &mut out);
        assert_eq!(out, [], "nor when something changes at once");
        clock::sleep(due.saturating_duration_since(clock::steady()));
        assert_eq!(failed(&scout.retry(clock::now())), [None]);
        assert!(scout.failed.is_empty());
    }

    #[test]
    fn the_pause_grows_while_it_fails() {
        let config = tempfile::tempdir().unwrap();
        let (mut scout, pid) = scout(config.path());
        let mut out = Vec::new();
        let pauses = [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| {
            scout.fail(pid, "it does", clock::now(), &mut out);
            let due = scout.failed[&pid].due;
            (due - clock::steady()).as_secs_f32().round() as u64 == seconds
        });
        assert_eq!(pauses, [true; 8]);
    }
}
