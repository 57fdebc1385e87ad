//! The directories around sessions: where they work, and their configurations.

use std::collections::BTreeSet;

use super::Scout;
use crate::core::model::Pid;
use crate::core::sorted::Gather as _;
use crate::sys::ground::{Again, Spot};

impl Scout {
    /// Where a session works.
    fn spot(&self, pid: Pid) -> Option<Spot> {
        let at = self.outside.known.get(&pid)?.agent;
        self.outside.spot(pid, self.watches[at].cwd(pid))
    }

    /// Its configuration directory.
    fn config(&self, pid: Pid) -> Option<Spot> {
        let at = self.outside.known.get(&pid)?.agent;
        self.watches[at].config(pid).map(Spot::only)
    }

    /// Sessions that may change without any event.
    pub(super) fn restless(&self) -> Vec<Pid> {
        let mut all = Vec::new();
        for watch in &self.watches {
            watch.restless(&mut all);
        }
        all
    }

    /// Looks again where sessions work, these first, and whether configuration directories answer.
    pub(super) fn look_again(&mut self, again: Again, restless: &[Pid]) {
        if self.outside.grounds.is_to_forget(again) {
            let known = || self.outside.known.keys().copied();
            let spots = known().filter_map(|pid| self.spot(pid));
            let configs = known().filter_map(|pid| self.config(pid));
            let watched = self.watches.iter().flat_map(|watch| watch.configs());
            let watched = watched.map(|dir| Spot::only(&dir));
            let used: BTreeSet<Spot> = spots.chain(configs).chain(watched).gather();
            let outside = &mut self.outside;
            outside
                .grounds
                .forget(|spot| used.contains(spot), &mut outside.watcher);
        }
        let mut stirred = std::mem::take(&mut self.outside.stirred);
        stirred.extend(restless);
        let stirred: Vec<Spot> = stirred.iter().filter_map(|pid| self.spot(*pid)).collect();
        let outside = &mut self.outside;
        let changed = outside
            .grounds
            .look_again(again, &stirred, &mut outside.watcher);
        self.ground_changed(&changed);
    }

    /// Takes over what is new at these spots.
    pub(super) fn ground_changed(&mut self, spots: &[Spot]) {
        if spots.is_empty() {
            return;
        }
        let is_at = |spot: Option<Spot>| spot.is_some_and(|spot| spots.contains(&spot));
        let known = self.outside.known.keys().copied();
        let concerned = known.filter(|pid| is_at(self.spot(*pid)) || is_at(self.config(*pid)));
        for pid in concerned.collect::<Vec<Pid>>() {
            self.of(pid, |watch, outside| watch.read(pid, outside));
        }
    }
}
