//! How many sessions wait, work and rest: one counting for `status`, bars and menus. Pure.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::core::model::{Session, Standing};

/// How many sessions count as what.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Those that wait for their user.
    pub waiting: usize,
    /// Those that are done, and whose user has not looked since.
    pub done: usize,
    /// Those that would wait or be done, but were snoozed.
    pub snoozed: usize,
    /// Those in a menu that their user opened.
    pub menu: usize,
    /// Those that work.
    pub working: usize,
    /// Those whose turn is over.
    pub idle: usize,
    /// Those whose state is not known.
    pub unknown: usize,
    /// Since when the longest of those that wait does.
    #[serde(skip)]
    pub waiting_since: Option<DateTime<Utc>>,
}

impl Counts {
    /// Counts sessions.
    #[must_use]
    pub fn of(sessions: &[Arc<Session>]) -> Self {
        let mut counts = Self::default();
        for session in sessions {
            let number = match session.standing() {
                Standing::Waiting => {
                    let longest = counts.waiting_since.into_iter();
                    counts.waiting_since = longest.chain(session.waiting_since).min();
                    &mut counts.waiting
                }
                Standing::Done => &mut counts.done,
                Standing::Snoozed => &mut counts.snoozed,
                Standing::Menu => &mut counts.menu,
                Standing::Working => &mut counts.working,
                Standing::Idle => &mut counts.idle,
                Standing::Unknown => &mut counts.unknown,
            };
            *number += 1;
        }
        counts
    }

    /// How many there are of each, without those of which there are none; what is most worth a
    /// look comes first.
    pub fn parts(&self) -> impl Iterator<Item = (Standing, usize)> {
        let parts = [
            (Standing::Waiting, self.waiting),
            (Standing::Done, self.done),
            (Standing::Menu, self.menu),
            (Standing::Working, self.working),
            (Standing::Snoozed, self.snoozed),
            (Standing::Idle, self.idle),
            (Standing::Unknown, self.unknown),
        ];
        parts.into_iter().filter(|(_, number)| *number > 0)
    }
}

/// `2 waiting · 3 working · 5 idle`, or `no sessions`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.parts();
        let Some((standing, number)) = parts.next() else {
            return f.write_str("no sessions");
        };
        write!(f, "{number} {}", standing.word())?;
        parts.try_for_each(|(standing, number)| write!(f, " \u{b7} {number} {}", standing.word()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::made::{self, second as at};
    use crate::core::model::{Reason, State};

    fn session(state: State, reason: Option<Reason>, since: i64) -> Session {
        Session {
            reason,
            waiting_since: (state == State::NeedsInput).then(|| at(since)),
            ..made::session(1, "/home/u/shop", state)
        }
    }

    #[test]
    fn words_name_only_what_there_is() {
        let snoozed = Session {
            snoozed_until: Some(at(900)),
            ..session(State::NeedsInput, Some(Reason::Dialog), 0)
        };
        let done = Session {
            unseen: true,
            ..session(State::Idle, None, 0)
        };
        let all = [
            session(State::NeedsInput, Some(Reason::Question), 0),
            session(State::NeedsInput, Some(Reason::Dialog), 0),
            snoozed,
            done,
            session(State::Idle, None, 0),
        ];
        assert_eq!(
            Counts::of(&all.map(Arc::new)).to_string(),
            "1 waiting \u{b7} 1 done \u{b7} 1 in a menu \u{b7} 1 snoozed \u{b7} 1 idle"
        );
        assert_eq!(Counts::of(&[]).to_string(), "no sessions");
    }

    #[test]
    fn the_longest_wait_is_that_of_a_session_that_counts_as_waiting() {
        let all = [
            session(State::NeedsInput, Some(Reason::Dialog), -99),
            session(State::NeedsInput, Some(Reason::Permission), 5),
            session(State::NeedsInput, Some(Reason::Question), 3),
            session(State::Working, None, 0),
        ]
        .map(Arc::new);
        let counts = Counts::of(&all);
        assert_eq!((counts.waiting, counts.waiting_since), (2, Some(at(3))));
        assert_eq!(Counts::of(&all[3..]).waiting_since, None);
    }
}
