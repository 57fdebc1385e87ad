//! The order of sessions, everywhere the same. Pure.

use std::sync::Arc;

use crate::model::{Session, State};

/// Sorts sessions as pickers show them: those that wait first, the longest wait on top; then
/// menus a user left open, then working, idle and unknown ones, the latest change first. The
/// session whose window has the focus comes last, so that Enter always goes somewhere.
pub fn sort(sessions: &mut [Arc<Session>]) {
    sessions.sort_by_cached_key(|session| {
        let since = session.state_since.map(|at| at.timestamp_millis());
        let (group, when) = match session.state {
            State::NeedsInput if session.wants_attention() => (0, since.unwrap_or(i64::MAX)),
            State::NeedsInput => (1, since.unwrap_or(i64::MAX)),
            State::Working => (2, latest_first(since)),
            State::Idle => (3, latest_first(since)),
            State::Unknown => (4, latest_first(since)),
        };
        (is_current(session), group, when, session.id)
    });
}

/// Whether the session's window has the focus.
#[must_use]
pub fn is_current(session: &Session) -> bool {
    session.window.as_ref().is_some_and(|window| window.focused)
}

fn latest_first(since: Option<i64>) -> i64 {
    since.map_or(i64::MAX, i64::saturating_neg)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{Pid, Reason, SessionKey, WindowRef};

    fn session(pid: u32, state: State, since: i64) -> Session {
        Session {
            id: SessionKey {
                pid: Pid(pid),
                start_ticks: 1,
            },
            state,
            state_since: DateTime::from_timestamp(since, 0),
            ..Session::default()
        }
    }

    #[test]
    fn what_waits_longest_is_on_top_and_the_current_one_last() {
        let focused = WindowRef {
            focused: true,
            ..WindowRef::default()
        };
        let current = Session {
            window: Some(focused),
            ..session(1, State::NeedsInput, 5)
        };
        let menu = Session {
            reason: Some(Reason::Dialog),
            ..session(2, State::NeedsInput, 1)
        };
        let mut sessions: Vec<Arc<Session>> = [
            current,
            menu,
            session(3, State::Idle, 50),
            session(4, State::Idle, 60),
            session(5, State::Working, 10),
            session(6, State::NeedsInput, 30),
            session(7, State::NeedsInput, 20),
            session(8, State::Unknown, 99),
            session(9, State::Working, 40),
        ]
        .map(Arc::new)
        .into();
        sort(&mut sessions);
        let pids: Vec<u32> = sessions.iter().map(|s| s.pid.0.max(s.id.pid.0)).collect();
        assert_eq!(pids, [7, 6, 2, 9, 5, 4, 3, 8, 1]);
    }
}
