//! The list as it is shown now. It is kept as long as it would read the same: until a session
//! changes, or an age that is shown.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::core::model::Session;
use crate::core::registry::Snapshot;
use crate::frontend::row::{self, Row};
use crate::serve::reply::listed;

/// Sessions in display order, and their rows.
#[derive(Clone)]
pub(super) struct Listed {
    pub(super) sessions: Arc<[Arc<Session>]>,
    pub(super) rows: Arc<[Row]>,
    /// Two lists with the same edition read the same.
    pub(super) edition: u64,
}

/// What a list was made from: the generation, and whether all were wanted.
type Made = (u64, bool);

/// Makes lists, and keeps the newest.
#[derive(Default)]
pub(super) struct Listing {
    rows: row::Cache,
    newest: Option<(Made, Listed)>,
    /// When its ages were brought up to date, in seconds.
    ticked: i64,
    edition: u64,
}

impl Listing {
    /// The list at `now`; with what scripts run if `all`.
    pub(super) fn at(&mut self, snapshot: &Snapshot, all: bool, now: DateTime<Utc>) -> Listed {
        let made = (snapshot.generation, all);
        let second = std::mem::replace(&mut self.ticked, now.timestamp());
        if let Some((before, listed)) = &mut self.newest
            && *before == made
        {
            if second != self.ticked && row::tick(&mut listed.rows, now) {
                self.edition += 1;
                listed.edition = self.edition;
            }
            return listed.clone();
        }
        self.edition += 1;
        let sessions = listed(&snapshot.sessions, all);
        let listed = Listed {
            rows: self.rows.rows(&sessions, now).into(),
            sessions: sessions.into(),
            edition: self.edition,
        };
        self.newest = Some((made, listed.clone()));
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Kind, State, made};

    #[test]
    fn a_list_is_another_edition_once_it_reads_differently() {
        let now = made::at(0);
        let session = |pid, kind| {
            Arc::new(Session {
                kind,
                ..made::session(pid, "", State::Working)
            })
        };
        let mut snapshot = Snapshot {
            generation: 1,
            sessions: vec![session(1, Kind::Interactive), session(2, Kind::Headless)],
        };
        let mut listing = Listing::default();
        let mut at = |all, millis| {
            let at = now + chrono::TimeDelta::milliseconds(millis);
            let listed = listing.at(&snapshot, all, at);
            (
                listed.rows[0].state.clone(),
                listed.edition,
                listed.rows.len(),
            )
        };
        assert_eq!(at(false, 0), ("working 0s".into(), 1, 1));
        assert_eq!(at(false, 500), ("working 0s".into(), 1, 1));
        assert_eq!(at(false, 1000), ("working 1s".into(), 2, 1));
        assert_eq!(at(false, 61_000), ("working 1m".into(), 3, 1));
        assert_eq!(at(false, 99_000), ("working 1m".into(), 3, 1));
        assert_eq!(at(true, 99_000).2, 2);
        snapshot.generation = 2;
        snapshot.sessions.pop();
        assert_eq!(listing.at(&snapshot, true, now).sessions.len(), 1);
    }
}
