//! Looks again at sessions that are known: what no event told.

use std::ops::Bound::{Excluded, Unbounded};

use super::Scout;
use crate::core::model::Pid;

/// Known sessions that every other scan looks at again, besides restless ones: what no event tells
/// (Ctrl+Z) and what an event may have missed is seen within a minute, of half a dozen idle
/// sessions. The scans between look again at a directory.
const VERIFIED_IN_TURN: usize = 1;

impl Scout {
    /// Looks again at these, which work or are stopped, and at a few others in turn.
    pub(super) fn verify_some(&mut self, restless: &[Pid]) {
        let known = &self.outside.known;
        let after = known.range((Excluded(self.verified), Unbounded));
        let round = after.chain(known.range(..=self.verified));
        let count = if self.verifies { VERIFIED_IN_TURN } else { 0 };
        self.verifies = !self.verifies;
        let mut turn: Vec<Pid> = round.map(|(pid, _)| *pid).take(count).collect();
        self.verified = turn.last().copied().unwrap_or(self.verified);
        let others = restless.iter().filter(|pid| !turn.contains(pid));
        let others: Vec<Pid> = others.copied().collect();
        turn.extend(others);
        for pid in turn {
            self.verify(pid);
        }
    }

    /// Looks at everything: what happened was not told.
    pub(super) fn verify_all(&mut self) {
        let pids: Vec<Pid> = self.outside.known.keys().copied().collect();
        for pid in pids {
            self.verify(pid);
        }
        self.each(|watch, outside| watch.unheard(outside));
    }

    fn verify(&mut self, pid: Pid) {
        let Some(known) = self.outside.known.get(&pid) else {
            return;
        };
        let stat = match &known.handle {
            Some(handle) => handle.stat(),
            None => self.outside.proc.stat(pid),
        };
        let stat = stat.filter(|stat| !stat.ended());
        let Some(stat) = stat.filter(|stat| stat.start_ticks == known.key.start_ticks) else {
            self.end(pid);
            self.adopt(pid);
            return;
        };
        self.of(pid, |watch, outside| {
            watch.verify(pid, stat.stopped(), outside);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Roots;
    use super::*;
    use crate::core::model::Observation;
    use crate::sys::clock;
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
            configs: [("claude", config.into())].into(),
            uid: rustix::process::getuid().as_raw(),
            only_configs: true,
            kept: None,
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
        scout.of(pid, |_, _| panic!("deliberate {}", 1));
        assert_eq!(failed(&scout.reports()), [Some("deliberate 1")]);
        let due = scout.due().unwrap();
        assert!(due > clock::steady(), "not at once");
        scout.of(pid, |watch, outside| watch.read(pid, outside));
        assert_eq!(scout.reports(), [], "nor when something changes at once");
        clock::sleep(due.saturating_duration_since(clock::steady()));
        assert_eq!(failed(&scout.retry(clock::now())), [None]);
        assert!(!scout.outside.has_failed(pid));
    }

    /// Else nobody would ever look at it again.
    #[test]
    fn a_process_that_its_agent_knows_nothing_of_is_nobodys() {
        let config = tempfile::tempdir().unwrap();
        let (mut scout, pid) = scout(config.path());
        let key = scout.outside.proc.key(pid).unwrap();
        scout
            .outside
            .track(key, crate::agent::looks::Start::default());
        scout.of(pid, |_, _| panic!("deliberate"));
        assert_eq!(scout.reports(), [], "it was never told");
        assert!(!scout.outside.is_tracked(pid) && scout.outside.rests(pid));
    }

    #[test]
    fn the_pause_grows_while_it_fails() {
        let config = tempfile::tempdir().unwrap();
        let (mut scout, pid) = scout(config.path());
        let pauses = [1, 2, 4, 8, 16, 32, 60, 60].map(|seconds| {
            scout.outside.note_failure(pid);
            let due = scout.due().unwrap();
            (due - clock::steady()).as_secs_f32().round() as u64 == seconds
        });
        assert_eq!(pauses, [true; 8]);
    }
}
