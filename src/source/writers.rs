//! Who cannot have written a transcript: a process that wrote fewer bytes, in all, than it grew.
//!
//! Two sessions that started together in one directory have nothing else that tells them apart:
//! Claude Code opens its transcript, writes and closes it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::agent::claude::find::Transcript;
use crate::model::{ConversationId, Pid};

/// The kernel counts what was written after the file has grown (Linux, `ksys_write`): a file that
/// rested for so long is counted.
pub(super) const SETTLED: Duration = Duration::from_millis(200);
/// Directories and exclusions that are remembered; past this, they are looked at again.
const MOST: usize = 1024;

/// Bytes that each process has written so far, to whatever it was.
pub(super) type Written = BTreeMap<Pid, u64>;

/// One look at the transcripts of a directory and the processes in it.
#[derive(Debug)]
struct Look {
    at: SystemTime,
    written: Written,
    sizes: BTreeMap<ConversationId, u64>,
}

/// What looks at the same directory, one after the other, have excluded.
#[derive(Debug, Default)]
pub(super) struct Writers {
    last: HashMap<(PathBuf, String), Look>,
    excluded: BTreeSet<(Pid, ConversationId)>,
}

impl Writers {
    /// Compares with the look before. The counts were taken `before` the transcripts were listed
    /// and `after` it. Whether all of them rested: else nothing is concluded yet.
    pub(super) fn look(
        &mut self,
        (config, cwd): (&Path, &str),
        before: Written,
        transcripts: &[Transcript],
        after: &Written,
        now: SystemTime,
    ) -> bool {
        let fresh = |t: &Transcript| match now.duration_since(t.written) {
            Ok(age) => age < SETTLED,
            // Written after this look began; or before the time of day was set back.
            Err(ahead) => ahead.duration() < SETTLED,
        };
        if transcripts.iter().any(fresh) {
            return false;
        }
        if self.last.len() + self.excluded.len() >= MOST {
            *self = Self::default();
        }
        let place = (config.to_path_buf(), cwd.to_owned());
        if let Some(last) = self.last.get(&place) {
            for transcript in transcripts {
                let grown = last.growth(transcript);
                let innocent = last.wrote_less(grown, after);
                // Where nobody wrote it, the counts do not hold all that was written.
                if innocent.len() < after.len() {
                    let pairs = innocent.into_iter();
                    self.excluded
                        .extend(pairs.map(|pid| (pid, transcript.conversation.clone())));
                }
            }
        }
        let sizes = transcripts.iter().map(|t| (t.conversation.clone(), t.size));
        let look = Look {
            at: now,
            written: before,
            sizes: sizes.collect(),
        };
        self.last.insert(place, look);
        true
    }

    /// Whether a transcript says anything, as far as the last look goes.
    pub(super) fn says(&self, (config, cwd): (&Path, &str), transcript: &Transcript) -> bool {
        let place = (config.to_path_buf(), cwd.to_owned());
        let last = self.last.get(&place);
        let size = last.and_then(|last| last.sizes.get(&transcript.conversation));
        *size.unwrap_or(&transcript.size) > 0
    }

    /// Whether this process did not write this transcript.
    pub(super) fn excludes(&self, pid: Pid, conversation: &ConversationId) -> bool {
        self.excluded.contains(&(pid, conversation.clone()))
    }

    /// Another process may have this pid from now on.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.excluded.retain(|(of, _)| *of != pid);
        for look in self.last.values_mut() {
            look.written.remove(&pid);
        }
    }
}

impl Look {
    /// Bytes that were added since; none where the size before is not known.
    fn growth(&self, transcript: &Transcript) -> u64 {
        let new = transcript.created.is_some_and(|at| at >= self.at);
        let before = self.sizes.get(&transcript.conversation).copied();
        let before = before.or(new.then_some(0));
        before.map_or(0, |before| transcript.size.saturating_sub(before))
    }

    fn wrote_less(&self, than: u64, after: &Written) -> Vec<Pid> {
        let less = |(pid, now): &(&Pid, &u64)| {
            let before = self.written.get(pid).copied();
            let wrote = before.and_then(|before| now.checked_sub(before));
            wrote.is_some_and(|wrote| wrote < than)
        };
        after.iter().filter(less).map(|(pid, _)| *pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: (&str, &str) = ("/h/.claude", "/w");

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_175_200) + Duration::from_millis(millis)
    }

    /// Bytes in it, made and last written at these times.
    fn transcript(name: &str, size: u64, created: u64, written: u64) -> Transcript {
        Transcript {
            path: format!("/p/{name}.jsonl").into(),
            conversation: ConversationId::new(name).unwrap(),
            created: Some(at(created)),
            written: at(written),
            size,
        }
    }

    struct World(Writers);

    impl World {
        /// Looks, with what processes 1 and 2 have written so far.
        fn look(&mut self, now: u64, written: [u64; 2], transcripts: &[Transcript]) -> bool {
            let written: Written = [(Pid(1), written[0]), (Pid(2), written[1])].into();
            let place = (Path::new(PLACE.0), PLACE.1);
            self.0
                .look(place, written.clone(), transcripts, &written, at(now))
        }

        fn excluded(&self, name: &str) -> Vec<u32> {
            let id = ConversationId::new(name).unwrap();
            let pids = [1, 2].into_iter();
            pids.filter(|pid| self.0.excludes(Pid(*pid), &id)).collect()
        }
    }

    #[test]
    fn who_wrote_less_than_it_grew_did_not_write_it() {
        let mut world = World(Writers::default());
        assert!(world.look(1000, [5000, 7000], &[transcript("a", 0, 0, 0)]));
        assert!(world.look(2000, [5900, 7050], &[transcript("a", 800, 0, 1500)]));
        assert_eq!(world.excluded("a"), [2]);
        world.0.forget(Pid(2));
        assert!(world.excluded("a").is_empty(), "another process now");
    }

    #[test]
    fn nothing_is_concluded_while_it_is_written() {
        let mut world = World(Writers::default());
        let empty = transcript("a", 0, 0, 0);
        assert!(world.look(1000, [0, 0], &[empty]));
        let growing = transcript("a", 800, 0, 1990);
        for now in [1980, 2000] {
            assert!(!world.look(now, [0, 0], std::slice::from_ref(&growing)));
        }
        assert!(world.excluded("a").is_empty());
        let place = (Path::new(PLACE.0), PLACE.1);
        assert!(!world.0.says(place, &growing), "as it was when it rested");
        assert!(world.look(2190, [900, 0], std::slice::from_ref(&growing)));
        assert!(world.0.says(place, &growing));
        assert_eq!(world.excluded("a"), [2]);
    }

    #[test]
    fn counts_that_miss_something_exclude_nobody() {
        let mut world = World(Writers::default());
        world.look(1000, [0, 0], &[transcript("a", 0, 0, 0)]);
        world.look(2000, [10, 10], &[transcript("a", 800, 0, 1500)]);
        assert!(world.excluded("a").is_empty());
    }

    #[test]
    fn what_was_there_before_has_no_known_growth() {
        let mut world = World(Writers::default());
        world.look(1000, [0, 0], &[]);
        let resumed = transcript("old", 9000, 0, 1500);
        let new = transcript("new", 800, 1200, 1500);
        world.look(2000, [900, 0], &[resumed, new]);
        assert!(world.excluded("old").is_empty());
        assert_eq!(world.excluded("new"), [2]);
    }
}
