//! All sessions, and which of them change though nothing is told.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::tracked::Tracked;
use crate::core::model::Pid;

/// The sessions by their processes. What each scan asks of all of them is found out anew only when
/// somebody may have changed one: between the others none is touched.
#[derive(Default)]
pub(super) struct Table {
    /// Boxed: a tree keeps room for twice as many.
    all: BTreeMap<Pid, Box<Tracked>>,
    asked: OnceCell<Asked>,
}

/// What each scan asks.
struct Asked {
    restless: Vec<Pid>,
    unnamed: bool,
}

impl Table {
    /// Those that may change without any event.
    pub(super) fn restless(&self) -> &[Pid] {
        &self.asked().restless
    }

    /// Whether the conversation of any has to be found out.
    pub(super) fn has_unnamed(&self) -> bool {
        self.asked().unnamed
    }

    fn asked(&self) -> &Asked {
        self.asked.get_or_init(|| {
            let restless = self.all.values().filter(|t| t.is_restless());
            Asked {
                restless: restless.map(|t| t.key.pid).collect(),
                unnamed: self.all.values().any(|t| t.is_unnamed()),
            }
        })
    }
}

impl Deref for Table {
    type Target = BTreeMap<Pid, Box<Tracked>>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.asked.take();
        &mut self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::looks::Start;
    use crate::core::model::{Kind, LocalKey, ProcessFact};

    #[test]
    fn what_is_asked_is_as_new_as_what_was_changed() {
        let pid = Pid(7);
        let key = LocalKey {
            pid,
            start_ticks: 1,
        };
        let (process, start) = (ProcessFact::default(), (Start::default(), None));
        let tracked = Tracked::new(key, "/c".into(), process, Kind::Interactive, start);
        let mut table = Table::default();
        assert!(table.restless().is_empty() && !table.has_unnamed());
        table.insert(pid, Box::new(tracked));
        assert!(table.restless().is_empty() && table.has_unnamed());
        for stopped in [true, false] {
            table.get_mut(&pid).unwrap().process.stopped = stopped;
            assert_eq!(table.restless().contains(&pid), stopped);
        }
        table.remove(&pid);
        assert!(!table.has_unnamed());
    }
}
