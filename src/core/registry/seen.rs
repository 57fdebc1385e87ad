//! Whether a finished turn was seen: its window, or tmux pane, had the focus for a moment. Pure.

use chrono::{DateTime, TimeDelta, Utc};

/// A look takes at least this long: passing over a window on the way to another is not a look.
pub(super) const DWELL: TimeDelta = TimeDelta::milliseconds(500);

/// The user's eyes on one session, as far as the focus tells.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Gaze {
    /// Whether it is known where it would be seen. Where nothing can tell a look (no window
    /// manager, several windows that fit), nothing is called unseen: it would stay so for ever.
    can_tell: bool,
    /// Since when its window has the focus.
    focused_since: Option<DateTime<Utc>>,
    /// When its last turn ended; `None` once that is known to be seen or unseen.
    finished_at: Option<DateTime<Utc>>,
}

impl Gaze {
    /// A turn has ended.
    pub(super) fn finish(&mut self, now: DateTime<Utc>) {
        self.finished_at = Some(now);
    }

    /// Its window has, or has not, the focus; `None` if nothing can tell.
    pub(super) fn focus(&mut self, focused: Option<bool>, now: DateTime<Utc>) {
        self.can_tell = focused.is_some();
        let focused = focused == Some(true);
        self.focused_since = focused.then(|| self.focused_since.unwrap_or(now));
    }

    /// Whether the end of its turn is unseen now, given whether it was `unseen` before. `rests`:
    /// the session is still where that turn ended.
    pub(super) fn judge(&mut self, rests: bool, unseen: bool, now: DateTime<Utc>) -> bool {
        if !rests {
            self.finished_at = None;
            return false;
        }
        // Nothing was in the future; the clock has jumped back.
        self.focused_since = self.focused_since.map(|since| since.min(now));
        self.finished_at = self.finished_at.map(|at| at.min(now));
        match self.looked_at() {
            None if !self.can_tell => unseen,
            None => self.finished_at.take().is_some() || unseen,
            Some(at) if at <= now => {
                self.finished_at = None;
                false
            }
            Some(_) => unseen,
        }
    }

    /// When a look will have been long enough, if one has begun and there is something to see.
    pub(super) fn deadline(&self, unseen: bool) -> Option<DateTime<Utc>> {
        self.looked_at()
            .filter(|_| unseen || self.finished_at.is_some())
    }

    fn looked_at(&self) -> Option<DateTime<Utc>> {
        let since = self.focused_since?;
        Some(self.finished_at.map_or(since, |at| at.max(since)) + DWELL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::made::at;

    #[test]
    fn what_ends_behind_the_users_back_is_unseen_until_he_looks_for_a_moment() {
        let mut gaze = Gaze::default();
        gaze.focus(Some(false), at(0));
        gaze.finish(at(0));
        assert!(gaze.judge(true, false, at(0)));
        gaze.focus(Some(true), at(1000));
        assert!(gaze.judge(true, true, at(1200)), "a glance");
        assert_eq!(gaze.deadline(true), Some(at(1500)));
        gaze.focus(Some(false), at(1300));
        assert!(gaze.judge(true, true, at(9000)));
        assert_eq!(gaze.deadline(true), None);
        gaze.focus(Some(true), at(10_000));
        assert!(!gaze.judge(true, true, at(10_500)));
        assert_eq!(gaze.deadline(false), None);
    }

    #[test]
    fn what_ends_before_his_eyes_is_seen_unless_he_leaves_at_once() {
        let mut gaze = Gaze::default();
        gaze.focus(Some(true), at(0));
        gaze.finish(at(5000));
        assert!(!gaze.judge(true, false, at(5000)));
        assert_eq!(gaze.deadline(false), Some(at(5500)));
        let mut left = gaze.clone();
        assert!(!gaze.judge(true, false, at(5500)));
        assert_eq!(
            gaze,
            Gaze {
                can_tell: true,
                focused_since: Some(at(0)),
                finished_at: None
            }
        );
        left.focus(Some(false), at(5100));
        assert!(left.judge(true, false, at(5100)));
    }

    #[test]
    fn where_nothing_can_tell_a_look_nothing_is_unseen_yet() {
        let mut gaze = Gaze::default();
        gaze.finish(at(0));
        assert!(!gaze.judge(true, false, at(0)));
        assert!(gaze.judge(true, true, at(0)), "what is known stays known");
        gaze.focus(None, at(10));
        assert!(!gaze.judge(true, false, at(10)));
        gaze.focus(Some(false), at(20));
        assert!(gaze.judge(true, false, at(20)), "its window was found");
    }

    #[test]
    fn what_works_again_has_nothing_to_show() {
        let mut gaze = Gaze::default();
        gaze.finish(at(0));
        assert!(!gaze.judge(false, true, at(0)));
        assert!(!gaze.judge(true, false, at(1)));
    }

    #[test]
    fn a_clock_that_jumps_back_makes_nobody_wait() {
        let mut gaze = Gaze::default();
        gaze.focus(Some(true), at(3_600_000));
        gaze.finish(at(3_600_000));
        assert!(!gaze.judge(true, false, at(0)));
        assert_eq!(gaze.deadline(false), Some(at(500)));
    }
}
