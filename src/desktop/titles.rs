//! The titles of all sessions: one that two of them may have set proves nothing. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use crate::core::model::Session;
use crate::core::text::CleanText;

/// The titles that more than one session may have given its terminal.
#[derive(Debug, Default)]
pub(super) struct Titles {
    shared: HashSet<CleanText>,
}

impl Titles {
    /// Those of these sessions.
    pub(super) fn of(sessions: &[Arc<Session>]) -> Self {
        let (mut seen, mut shared) = (HashSet::new(), HashSet::new());
        for session in sessions {
            let own: HashSet<&CleanText> = session.may_title().collect();
            for title in own {
                if !seen.insert(title) {
                    shared.insert(title.clone());
                }
            }
        }
        Self { shared }
    }

    /// Those that a session alone may have set, and those that another may have set too.
    pub(super) fn split(&self, session: &Session) -> (Vec<CleanText>, Vec<CleanText>) {
        let titles = session.may_title().cloned();
        titles.partition(|title| !self.shared.contains(title))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_two_sessions_may_have_is_neithers() {
        let session = |name: &str, titles: &[&str]| {
            Arc::new(Session {
                name: CleanText::line(name).some(),
                titles: titles.iter().map(|title| CleanText::line(title)).collect(),
                ..Session::default()
            })
        };
        let all = [
            session("shop-91", &["Fix the cart"]),
            session("shop-a3", &["Fix the cart", "Mend the till"]),
            session("docs", &["docs"]),
        ];
        let titles = Titles::of(&all);
        let own = |session: &Session| {
            let (own, shared) = titles.split(session);
            [own, shared].map(|titles| {
                let titles: Vec<String> = titles.iter().map(ToString::to_string).collect();
                titles.join(", ")
            })
        };
        assert_eq!(own(&all[0]), ["shop-91", "Fix the cart"]);
        assert_eq!(own(&all[1]), ["shop-a3, Mend the till", "Fix the cart"]);
        assert_eq!(own(&all[2])[1], "", "twice its own is no other's");
    }
}
