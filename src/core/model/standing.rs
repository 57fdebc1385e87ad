//! What a session counts as, for everybody who shows, orders, counts or tells of it.

use super::{Reason, Session, State};

/// What a session counts as. The one classification behind lists, icons, counts, order, bars,
/// notifications and previews; in the order in which they are shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// It waits for its user.
    Waiting,
    /// Its turn is over, and its user has not looked since.
    Done,
    /// It waits in a menu that its user opened: it asks nothing.
    Menu,
    /// It works.
    Working,
    /// It would wait, be done or be in a menu, but its user does not want to hear of it for a while.
    Snoozed,
    /// Its turn is over.
    Idle,
    /// What is known does not decide it.
    Unknown,
}

impl Standing {
    /// What a session counts as.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let awake = match session.state {
            State::NeedsInput if session.reason == Some(Reason::Dialog) => Self::Menu,
            State::NeedsInput => Self::Waiting,
            State::Idle if session.unseen => Self::Done,
            State::Working => return Self::Working,
            State::Idle => return Self::Idle,
            State::Unknown => return Self::Unknown,
        };
        if session.snoozed_until.is_some() {
            Self::Snoozed
        } else {
            awake
        }
    }

    /// Whether it is worth going there: it waits for its user, or has something that he has not
    /// seen.
    #[must_use]
    pub fn calls(self) -> bool {
        matches!(self, Self::Waiting | Self::Done)
    }

    /// The word behind a number.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Menu => "in a menu",
            Self::Working => "working",
            Self::Snoozed => "snoozed",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snooze_is_of_what_would_call_and_of_menus() {
        use Standing::{Done, Idle, Menu, Snoozed, Unknown, Waiting, Working};
        for (state, reason, unseen, awake, asleep) in [
            (State::NeedsInput, None, false, Waiting, Snoozed),
            (
                State::NeedsInput,
                Some(Reason::Plan),
                false,
                Waiting,
                Snoozed,
            ),
            (
                State::NeedsInput,
                Some(Reason::Dialog),
                false,
                Menu,
                Snoozed,
            ),
            (State::Idle, None, true, Done, Snoozed),
            (State::Idle, None, false, Idle, Idle),
            (State::Working, None, false, Working, Working),
            (State::Unknown, None, false, Unknown, Unknown),
        ] {
            let mut session = Session {
                state,
                reason,
                unseen,
                ..Session::default()
            };
            assert_eq!(session.standing(), awake, "{session:?}");
            session.snoozed_until = chrono::DateTime::from_timestamp(900, 0);
            assert_eq!(session.standing(), asleep, "{session:?}");
        }
    }
}
