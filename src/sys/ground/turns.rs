//! Which directories a scan looks at again.

use std::ops::Bound::{Excluded, Unbounded};

use super::mounts::leads_by_itself;
use super::stamp::Stamp;
use super::{Grounds, Known, Spot};

/// Working directories that every other look sees again, besides silent ones and those where a
/// session did something. The kernel tells what changes in a repository; only that a repository
/// appears or goes has to be looked for: around idle sessions that shows within a minute for each
/// dozen directories.
pub(super) const IN_TURN: usize = 1;
/// Once in so many looks, more spots are really looked at, because a [`Stamp`] does not show
/// everything (such as a repository without a work tree above). At a scan's pace that is once a
/// minute.
pub(super) const REALLY: u32 = 12;
/// How many then.
pub(super) const REALLY_IN_TURN: usize = 8;

impl Known {
    /// Whether it takes no turns: only that it answers is asked, or it did not.
    fn is_always_due(&self, spot: &Spot) -> bool {
        spot.work.is_none() || self.ground.silent
    }
}

impl Grounds {
    /// The spots whose turn it is and where something may be new, and those that are read below or
    /// may answer by now.
    pub(super) fn due(&mut self, stirred: &[Spot]) -> Vec<Spot> {
        let (really, in_turn) = (self.looks == 0, self.looks.is_multiple_of(2));
        self.looks = (self.looks + 1) % REALLY;
        // One that surely answers is asked by every other look, when no other has its turn.
        let known = self.known.iter();
        let due = known.filter(|(spot, known)| known.is_always_due(spot));
        let due = due.filter(|(_, known)| !(in_turn && known.sure));
        let mut due: Vec<Spot> = due.map(|(spot, _)| spot.clone()).collect();
        let mut others = match (really, in_turn) {
            (true, _) => self.next_in_turn(REALLY_IN_TURN),
            (_, true) => self.next_in_turn(IN_TURN),
            _ => Vec::new(),
        };
        let stirred = stirred.iter().filter(|spot| self.known.contains_key(spot));
        others.extend(stirred.cloned());
        others.sort_unstable();
        others.dedup();
        due.extend(
            others
                .into_iter()
                .filter(|spot| really || self.may_differ(spot)),
        );
        due.sort_unstable();
        due.dedup();
        due
    }

    /// So many of those that take turns, from the one after the last on.
    fn next_in_turn(&mut self, count: usize) -> Vec<Spot> {
        let first = self.turn.as_ref().map_or(Unbounded, Excluded);
        let after = self.known.range((first, Unbounded));
        let before = self.known.iter();
        let before = before.take_while(|(spot, _)| Some(*spot) <= self.turn.as_ref());
        let others = after.chain(before);
        let others = others.filter(|(spot, known)| !known.is_always_due(spot));
        let next: Vec<Spot> = others.take(count).map(|(spot, _)| spot.clone()).collect();
        self.turn = next.last().cloned().or(self.turn.take());
        next
    }

    /// Whether a look may find something new at a spot.
    fn may_differ(&mut self, spot: &Spot) -> bool {
        let known = self.known.get(spot).and_then(|known| known.stamp.as_ref());
        let (mounts, seen) = (self.mounts.current(), &mut self.seen);
        known.is_none_or(|known| Some(known) != Stamp::read(&spot.dir, mounts, seen).as_ref())
    }

    /// Whether it is only asked if a spot answers, and the spot lies where the answer is always
    /// yes.
    pub(super) fn surely_answers(&self, spot: &Spot) -> bool {
        let sessions = spot.work.is_none().then(|| spot.dir.join("sessions"));
        sessions.is_some_and(|dir| self.mounts.current().all_local(&dir) && leads_by_itself(&dir))
    }
}
