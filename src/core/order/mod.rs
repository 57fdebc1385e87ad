//! The order of sessions, everywhere the same, and the walk through those that need their user.
//! Pure.

mod walk;

use std::sync::Arc;

use crate::core::model::{Session, Standing};

pub use walk::{Walk, queue};

/// Sorts sessions as pickers show them: those that wait first, the longest wait on top; then
/// finished turns that nobody saw, menus a user left open, working, snoozed, idle and unknown ones, the
/// latest change first. Pinned ones stand before their like, and before all that do not wait.
/// The session whose window has the focus comes last, so that Enter always goes somewhere.
pub fn sort(sessions: &mut [Arc<Session>]) {
    sessions.sort_by_cached_key(|session| {
        let since = session.state_since.map(|at| at.timestamp_millis());
        let standing = session.standing();
        let when = match standing {
            Standing::Waiting | Standing::Menu => since.unwrap_or(i64::MAX),
            _ => since.map_or(i64::MAX, i64::saturating_neg),
        };
        (
            is_current(session),
            standing != Standing::Waiting,
            !session.pinned,
            standing,
            when,
            session.id.clone(),
        )
    });
}

/// Whether the session's window has the focus.
#[must_use]
pub fn is_current(session: &Session) -> bool {
    session.window.as_ref().is_some_and(|window| window.focused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Reason, State, made};

    fn session(pid: u32, state: State, since: i64) -> Session {
        Session {
            state_since: Some(made::second(since)),
            ..made::session(pid, "/home/u/shop", state)
        }
    }

    fn sorted(sessions: impl IntoIterator<Item = Session>) -> Vec<u32> {
        let mut sessions = made::shared(sessions);
        sort(&mut sessions);
        sessions.iter().map(|session| session.id.pid.0).collect()
    }

    #[test]
    fn what_waits_longest_is_on_top_and_the_current_one_last() {
        let current = made::in_window(true, session(1, State::NeedsInput, 5));
        let menu = Session {
            reason: Some(Reason::Dialog),
            ..session(2, State::NeedsInput, 1)
        };
        let snoozed = Session {
            snoozed_until: Some(made::second(900)),
            ..session(11, State::NeedsInput, 2)
        };
        let done = Session {
            unseen: true,
            ..session(10, State::Idle, 3)
        };
        let sessions = [
            current,
            menu,
            snoozed,
            done,
            session(3, State::Idle, 50),
            session(4, State::Idle, 60),
            session(5, State::Working, 10),
            session(6, State::NeedsInput, 30),
            session(7, State::NeedsInput, 20),
            session(8, State::Unknown, 99),
            session(9, State::Working, 40),
        ];
        assert_eq!(sorted(sessions), [7, 6, 10, 2, 9, 5, 11, 4, 3, 8, 1]);
    }

    #[test]
    fn a_pinned_one_is_on_top_of_its_like_but_below_what_waits() {
        let pinned = |session: Session| Session {
            pinned: true,
            ..session
        };
        let sessions = [
            session(1, State::NeedsInput, 10),
            pinned(session(2, State::NeedsInput, 20)),
            session(3, State::Working, 10),
            pinned(session(4, State::Idle, 10)),
        ];
        assert_eq!(sorted(sessions), [2, 1, 4, 3]);
    }
}
