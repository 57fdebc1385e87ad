//! The list as it is shown now. Menus and bars ask in bursts: within a second neither order nor
//! ages change unless a session does.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::answer::listed;
use crate::model::Session;
use crate::registry::Snapshot;
use crate::row::{self, Row};

/// Sessions in display order, and their rows.
pub(super) struct Listed {
    pub(super) sessions: Vec<Arc<Session>>,
    pub(super) rows: Vec<Row>,
}

/// What a list was made from: the generation, whether all were wanted, and the second.
type Made = (u64, bool, i64);

/// Makes lists, and keeps the newest.
#[derive(Default)]
pub(super) struct Listing {
    rows: row::Cache,
    newest: Option<(Made, Arc<Listed>)>,
}

impl Listing {
    /// The list at `now`; with what scripts run if `all`.
    pub(super) fn at(&mut self, snapshot: &Snapshot, all: bool, now: DateTime<Utc>) -> Arc<Listed> {
        let made = (snapshot.generation, all, now.timestamp());
        if let Some((before, listed)) = &self.newest
            && *before == made
        {
            return Arc::clone(listed);
        }
        let sessions = listed(&snapshot.sessions, all);
        let rows = self.rows.rows(&sessions, now);
        let listed = Arc::new(Listed { sessions, rows });
        self.newest = Some((made, Arc::clone(&listed)));
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Pid, SessionKey, State};

    #[test]
    fn a_list_is_made_anew_for_a_new_second_a_change_and_another_wish() {
        let now = DateTime::from_timestamp(1_795_164_500, 0).unwrap();
        let session = |pid, kind| {
            Arc::new(Session {
                id: SessionKey {
                    pid: Pid(pid),
                    start_ticks: 1,
                },
                state: State::Working,
                state_since: Some(now),
                kind,
                ..Session::default()
            })
        };
        let mut snapshot = Snapshot {
            generation: 1,
            sessions: vec![session(1, Kind::Interactive), session(2, Kind::Headless)],
        };
        let mut listing = Listing::default();
        let first = listing.at(&snapshot, false, now);
        assert_eq!(first.rows[0].state, "working 0s");
        let half = chrono::TimeDelta::milliseconds(500);
        assert!(Arc::ptr_eq(
            &first,
            &listing.at(&snapshot, false, now + half)
        ));
        let later = listing.at(&snapshot, false, now + half + half);
        assert_eq!(later.rows[0].state, "working 1s");
        assert_eq!(listing.at(&snapshot, true, now).sessions.len(), 2);
        snapshot.generation = 2;
        snapshot.sessions.pop();
        assert_eq!(listing.at(&snapshot, true, now).sessions.len(), 1);
    }
}
