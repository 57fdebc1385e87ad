//! The walk of `vmux next`. Pure.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::is_current;
use crate::core::model::{Kind, Session, SessionKey};
use crate::core::sorted::Arrange as _;

/// Presses within this time are one walk, whatever has the focus: what the window manager did
/// after the last one may not be known yet.
const PRESSES: TimeDelta = TimeDelta::seconds(2);

/// The sessions that need their user, the most urgent first: those that wait, the longest wait
/// first; then the finished ones that he has not seen, the oldest first. Pinned ones come before
/// their like, and those that no window shows last.
#[must_use]
pub fn queue(sessions: &[Arc<Session>]) -> Vec<&Arc<Session>> {
    let mut queue: Vec<_> = sessions
        .iter()
        .filter(|session| session.standing().calls())
        .filter(|session| session.kind != Kind::Headless)
        .collect();
    queue.arrange_by_key(|session| {
        (
            session.no_window.is_some(),
            session.standing(),
            !session.pinned,
            session
                .state_since
                .map_or(i64::MAX, |at| at.timestamp_millis()),
            session.id.clone(),
        )
    });
    queue
}

/// Where a press led: to a session, because of this wait or this end of a turn.
type Stop = (SessionKey, Option<DateTime<Utc>>);

/// A walk through the queue: repeated presses go to one after the other, and round again. It
/// begins anew, with the longest wait, once its user has gone elsewhere by himself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Walk {
    visited: Vec<Stop>,
    pressed_at: Option<DateTime<Utc>>,
}

impl Walk {
    /// Where the next press leads, and the walk after it. `None` if no session needs its user
    /// except the one he is looking at.
    #[must_use]
    pub fn next(
        &self,
        sessions: &[Arc<Session>],
        now: DateTime<Utc>,
    ) -> Option<(Arc<Session>, Self)> {
        let here = self.here(sessions, now);
        let mut visited = self.visited.clone();
        if here.is_none() || here != self.last() {
            // Who begins at a session has seen that one.
            let start = sessions
                .iter()
                .filter(|session| Some(&session.id) == here.as_ref());
            visited = start.map(|session| stop(session)).collect();
        }
        let mut queue: Vec<_> = queue(sessions)
            .into_iter()
            .filter(|session| Some(&session.id) != here.as_ref())
            .collect();
        // Sessions that no window shows are left out as long as there is another one to go to.
        if queue.iter().any(|session| session.no_window.is_none()) {
            queue.retain(|session| session.no_window.is_none());
        }
        let fresh = |visited: &[Stop]| {
            queue
                .iter()
                .find(|session| !visited.contains(&stop(session)))
                .copied()
        };
        let target = fresh(&visited).or_else(|| {
            // All of them were shown: round again.
            visited.clear();
            fresh(&visited)
        })?;
        visited.push(stop(target));
        let walk = Self {
            visited,
            pressed_at: Some(now),
        };
        Some((Arc::clone(target), walk))
    }

    /// The session that its user looks at.
    fn here(&self, sessions: &[Arc<Session>], now: DateTime<Utc>) -> Option<SessionKey> {
        let recent = |at: &DateTime<Utc>| *at <= now && now - *at < PRESSES;
        if self.pressed_at.as_ref().is_some_and(recent) {
            return self.last();
        }
        let current = sessions.iter().find(|session| is_current(session));
        current.map(|session| session.id.clone())
    }

    fn last(&self) -> Option<SessionKey> {
        self.visited.last().map(|(session, _)| session.clone())
    }
}

fn stop(session: &Session) -> Stop {
    (session.id.clone(), session.state_since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::made::{self, second as at};
    use crate::core::model::{Reason, State, TroubleCode};

    fn session(pid: u32, state: State, since: i64) -> Session {
        Session {
            state_since: Some(at(since)),
            ..made::session(pid, "/srv/shop", state)
        }
    }

    fn done(pid: u32, since: i64) -> Session {
        Session {
            unseen: true,
            ..session(pid, State::Idle, since)
        }
    }

    /// The sessions with the focus on the one of this pid.
    fn looking_at(pid: u32, sessions: &[Session]) -> Vec<Arc<Session>> {
        let sessions = sessions.iter().cloned();
        made::shared(sessions.map(|session| made::in_window(session.pid.0 == pid, session)))
    }

    /// Presses the key `times` times, an hour apart, the focus following.
    fn walked(sessions: &[Session], times: usize) -> Vec<u32> {
        let (mut walk, mut here, mut stops) = (Walk::default(), 0, Vec::new());
        for n in 0..times {
            let seen = looking_at(here, sessions);
            let Some((target, next)) = walk.next(&seen, at(n as i64 * 3600)) else {
                break;
            };
            (walk, here) = (next, target.id.pid.0);
            stops.push(here);
        }
        stops
    }

    #[test]
    fn the_longest_wait_comes_first_then_the_next_then_what_is_done() {
        let sessions = [
            done(1, 5),
            session(2, State::NeedsInput, 30),
            session(3, State::Working, 1),
            session(4, State::NeedsInput, 20),
            done(5, 1),
            session(6, State::Idle, 1),
        ];
        assert_eq!(walked(&sessions, 6), [4, 2, 5, 1, 4, 2]);
    }

    #[test]
    fn menus_snoozed_ones_and_scripts_are_left_out() {
        let sessions = [
            Session {
                reason: Some(Reason::Dialog),
                ..session(1, State::NeedsInput, 1)
            },
            Session {
                snoozed_until: Some(at(600)),
                ..session(2, State::NeedsInput, 1)
            },
            Session {
                snoozed_until: Some(at(600)),
                ..done(3, 1)
            },
            Session {
                kind: Kind::Headless,
                ..session(4, State::NeedsInput, 1)
            },
        ];
        assert_eq!(walked(&sessions, 3), Vec::<u32>::new());
    }

    #[test]
    fn a_done_one_leaves_the_queue_once_seen_and_the_walk_goes_on() {
        let waiting = session(1, State::NeedsInput, 1);
        let all = [waiting.clone(), done(2, 5), done(3, 6)];
        let (first, walk) = Walk::default().next(&looking_at(0, &all), at(0)).unwrap();
        let (second, walk) = walk.next(&looking_at(1, &all), at(10)).unwrap();
        let left = [waiting, session(2, State::Idle, 5), done(3, 6)];
        let (third, _) = walk.next(&looking_at(2, &left), at(20)).unwrap();
        assert_eq!([first, second, third].map(|s| s.id.pid.0), [1, 2, 3]);
    }

    #[test]
    fn a_walk_begins_anew_once_its_user_went_elsewhere() {
        let sessions = [
            session(1, State::NeedsInput, 1),
            session(2, State::NeedsInput, 2),
        ];
        let (_, walk) = Walk::default()
            .next(&looking_at(0, &sessions), at(0))
            .unwrap();
        let elsewhere = looking_at(0, &sessions);
        assert_eq!(
            walk.next(&elsewhere, at(1)).unwrap().0.id.pid.0,
            2,
            "pressed again at once"
        );
        assert_eq!(walk.next(&elsewhere, at(60)).unwrap().0.id.pid.0, 1);
    }

    #[test]
    fn quick_presses_do_not_wait_for_the_focus_to_be_known() {
        let sessions = [1, 2, 3].map(|n| session(n, State::NeedsInput, n.into()));
        let stale = looking_at(1, &sessions);
        let (mut walk, mut stops) = (Walk::default(), Vec::new());
        for _ in 0..5 {
            let (target, next) = walk.next(&stale, at(0)).unwrap();
            walk = next;
            stops.push(target.id.pid.0);
        }
        assert_eq!(stops, [2, 3, 1, 2, 3]);
    }

    #[test]
    fn a_new_wait_of_a_visited_session_is_a_new_stop() {
        let old = [
            session(1, State::NeedsInput, 1),
            session(2, State::NeedsInput, 2),
        ];
        let (_, walk) = Walk::default().next(&looking_at(0, &old), at(0)).unwrap();
        let (_, walk) = walk.next(&looking_at(1, &old), at(10)).unwrap();
        let new = [
            session(1, State::NeedsInput, 15),
            session(2, State::NeedsInput, 2),
        ];
        assert_eq!(
            walk.next(&looking_at(2, &new), at(20)).unwrap().0.id.pid.0,
            1
        );
    }

    #[test]
    fn what_he_looks_at_is_no_goal() {
        let one = [session(1, State::NeedsInput, 1)];
        assert_eq!(Walk::default().next(&looking_at(1, &one), at(0)), None);
        assert_eq!(walked(&one, 1), [1]);
    }

    #[test]
    fn what_no_window_shows_comes_last() {
        let hidden = Session {
            no_window: Some(TroubleCode::MuxDetached),
            ..session(1, State::NeedsInput, 1)
        };
        assert_eq!(walked(&[hidden.clone(), done(2, 9)], 2), [2, 1]);
        let all = [hidden, done(2, 8), done(3, 9)];
        assert_eq!(walked(&all, 4), [2, 3, 2, 3], "while others can be gone to");
    }
}
