//! Where a background session is seen: in the terminals that are attached to it.

use super::Finding;
use super::place::Places;
use super::way::Search;
use crate::core::model::{Kind, Session, Trouble, TroubleCode, WindowRef};
use crate::sys::proc::Environ;

impl Places {
    /// Finds a window that shows a background session: the one with the focus, else the first.
    pub(super) fn find_attached(&mut self, session: &Session, client: &Environ) -> Finding {
        let mut best: Option<Finding> = None;
        for viewer in &session.shown_by {
            let terminal = Session {
                id: (*viewer).into(),
                pid: viewer.pid,
                kind: Kind::Interactive,
                ..session.clone()
            };
            let found = self.find(&terminal, client);
            if best.as_ref().is_none_or(|best| rank(&found) > rank(best)) {
                best = Some(found);
            }
        }
        best.unwrap_or_else(|| Err(Box::new(Search::default().nowhere(unattached(session)))))
    }
}

fn rank(finding: &Finding) -> u8 {
    let focused = |window: &WindowRef| window.focused;
    match finding {
        Ok(found) => 1 + u8::from(found.place.window.as_ref().is_some_and(focused)),
        Err(_) => 0,
    }
}

fn unattached(session: &Session) -> Trouble {
    let message = "it runs in the background, and no terminal is known to show it";
    let trouble = Trouble::new(TroubleCode::MuxDetached, message);
    match &session.attach {
        Some(command) => trouble.hint(&format!("attach it with: {command}")),
        None => trouble,
    }
}
