//! What has the focus, and what had it a moment ago. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::core::model::{Focus, Session, WmAddress};

/// What has the focus in each window manager, by its address, kept up to date by its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Here {
    /// When reading it began.
    pub read_at: Instant,
    /// What.
    pub focuses: Vec<(WmAddress, Focus)>,
}

impl Here {
    /// What has the focus of the window manager that shows a session.
    #[must_use]
    pub fn beside(&self, session: &Session) -> Option<Focus> {
        let shows = session.window.as_ref()?.manager.as_ref()?;
        let mut focuses = self.focuses.iter();
        let (_, focus) = focuses.find(|(manager, _)| manager == shows)?;
        Some(focus.clone())
    }
}

/// What is remembered of where the focus was: more than it moves while a menu is open.
const MOST: usize = 8;

/// What has the focus since when, and what had it before that.
#[derive(Debug, Default)]
pub struct Lately(VecDeque<(Here, Instant)>);

impl Lately {
    /// Takes what was read last.
    pub fn set(&mut self, here: Here) {
        if let Some((now, _)) = self.0.back_mut()
            && now.focuses == here.focuses
        {
            now.read_at = here.read_at;
            return;
        }
        let since = here.read_at;
        self.0.push_back((here, since));
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// What was read last.
    #[must_use]
    pub fn now(&self) -> Option<&Here> {
        self.0.back().map(|(here, _)| here)
    }

    /// What had the focus a while ago, or the oldest that is known.
    #[must_use]
    pub fn before(&self, ago: Duration, now: Instant) -> Option<&Here> {
        let was = |since: &Instant| now.saturating_duration_since(*since) >= ago;
        let then = self.0.iter().rfind(|(_, since)| was(since));
        then.or(self.0.front()).map(|(here, _)| here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ConId, WindowKey};
    use crate::sys::clock;

    #[test]
    fn what_had_the_focus_a_moment_ago_is_known_until_it_is_old() {
        let con = |id| WindowKey::Con(ConId(id));
        let start = clock::steady();
        let at = |ms| start + Duration::from_millis(ms);
        let here = |id, ms| Here {
            read_at: at(ms),
            focuses: vec![(
                WmAddress("/run/i3".into()),
                Focus {
                    key: con(id),
                    ..Focus::default()
                },
            )],
        };
        let mut lately = Lately::default();
        let moment = Duration::from_millis(60);
        let focus = |lately: &Lately, ms| {
            let here = lately.before(moment, at(ms));
            here.map(|here| here.focuses[0].1.key)
        };
        assert_eq!(focus(&lately, 0), None);
        lately.set(here(1, 0));
        assert_eq!(focus(&lately, 1), Some(con(1)), "nothing older is known");
        lately.set(here(1, 500));
        lately.set(here(2, 1000));
        assert_eq!(focus(&lately, 1010), Some(con(1)));
        lately.set(here(2, 1020));
        assert_eq!(
            focus(&lately, 1030),
            Some(con(1)),
            "read again, and the same"
        );
        assert_eq!(focus(&lately, 1060), Some(con(2)));
        assert_eq!(lately.now().unwrap().read_at, at(1020));
        lately.set(here(3, 1030));
        let opened = lately.before(Duration::from_millis(300), at(1250));
        assert_eq!(
            opened.map(|here| here.focuses[0].1.key),
            Some(con(1)),
            "when a menu was opened, however slowly it closed"
        );
        for id in 4..100 {
            lately.set(here(id, 1030 + id));
        }
        assert_eq!(lately.0.len(), MOST);
    }
}
