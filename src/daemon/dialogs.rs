//! Dialogs of sessions whose hooks wait for an answer from here. Pure.

use std::time::{Duration, Instant};

use super::published::Ticket;
use crate::core::model::{Decision, Dialog, LocalKey, Session, State};
use crate::core::registry::Snapshot;

/// Longest time that a hook is kept waiting. The dialog is on the screen all the time, so that it
/// costs nobody anything; Claude Code itself ends hooks after ten minutes.
pub(super) const LONGEST: Duration = Duration::from_secs(590);
/// A hook waits at least this long: the session's file may still describe the previous dialog, or
/// the work between the two.
const SETTLES: Duration = Duration::from_secs(2);
/// If the session is not seen waiting within this time, its dialog has been answered already.
const APPEARS: Duration = Duration::from_secs(10);

/// A dialog that is open.
struct Open {
    ticket: Ticket,
    session: LocalKey,
    dialog: Dialog,
    since: Instant,
    /// The session was seen waiting.
    waited: bool,
    reviewed: Instant,
}

/// All of them: one a session at most, as there is one dialog at a time.
#[derive(Default)]
pub(super) struct Dialogs {
    open: Vec<Open>,
    serial: u64,
}

/// A hook that is let go without an answer, and the session that it belongs to.
pub(super) type LetGo = (Ticket, LocalKey);

impl Dialogs {
    /// A hook begins to wait. Returns the dialog's serial, and who waited for the same session:
    /// its dialog has been answered.
    pub(super) fn begin(
        &mut self,
        ticket: Ticket,
        session: LocalKey,
        dialog: Dialog,
        now: Instant,
    ) -> (u64, Option<Ticket>) {
        self.serial += 1;
        let before = self.open.iter().position(|open| open.session == session);
        let before = before.map(|at| self.open.swap_remove(at).ticket);
        self.open.push(Open {
            ticket,
            session,
            dialog: Dialog {
                id: self.serial,
                ..dialog
            },
            since: now,
            waited: false,
            reviewed: now,
        });
        (self.serial, before)
    }

    /// The dialog of a session.
    pub(super) fn of(&self, session: LocalKey) -> Option<&Dialog> {
        let open = self.open.iter().find(|open| open.session == session);
        open.map(|open| &open.dialog)
    }

    /// Decides the dialog of this serial; returns who waits for it.
    ///
    /// # Errors
    /// Why it cannot be decided so, in words.
    pub(super) fn decide(
        &mut self,
        session: LocalKey,
        id: Option<u64>,
        decision: &Decision,
    ) -> Result<Ticket, String> {
        let at = self.open.iter().position(|open| open.session == session);
        let at = at.ok_or("it asks nothing that can be answered from here")?;
        let dialog = &self.open[at].dialog;
        match id {
            Some(id) if id != dialog.id => {
                return Err("it asks something else by now".into());
            }
            // What was not read is not allowed.
            None if !matches!(decision, Decision::Deny(_)) => {
                return Err(format!("say which request is meant: it is {}", dialog.id));
            }
            _ => {}
        }
        dialog.takes(decision)?;
        Ok(self.open.swap_remove(at).ticket)
    }

    /// Lets go whoever waits for nothing any more: its session was answered, has ended, or time is
    /// up.
    pub(super) fn review(&mut self, snapshot: &Snapshot, now: Instant) -> Vec<LetGo> {
        let mut gone = Vec::new();
        self.open.retain_mut(|open| {
            let session = snapshot.by_key(&open.session.into());
            let waits = session.is_some_and(|session| session.state == State::NeedsInput);
            open.waited |= waits;
            open.reviewed = now;
            let age = now.saturating_duration_since(open.since);
            let may_wait = age < SETTLES || (!open.waited && age < APPEARS);
            let stays = session.is_some() && (waits || may_wait) && age < LONGEST;
            if !stays {
                gone.push((open.ticket, open.session));
            }
            stays
        });
        gone
    }

    /// A client hung up; the session that its hook belonged to.
    pub(super) fn drop_client(&mut self, slot: usize) -> Option<LocalKey> {
        let at = self.open.iter().position(|open| open.ticket.slot == slot)?;
        Some(self.open.swap_remove(at).session)
    }

    /// When [`Dialogs::review`] is due, if nothing changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.open.iter().map(|open| {
            let ages = [SETTLES, APPEARS, LONGEST].map(|age| open.since + age);
            let next = ages.into_iter().find(|at| *at > open.reviewed);
            next.unwrap_or(open.since + LONGEST)
        });
        due.min()
    }
}

/// The session that a hook's process belongs to: one of its ancestors, else the only one in its
/// conversation.
pub(super) fn session_of(
    processes: &[LocalKey],
    conversation: Option<&crate::core::model::ConversationId>,
    snapshot: &Snapshot,
) -> Option<LocalKey> {
    let ancestor = processes
        .iter()
        .find(|key| snapshot.by_key(&(**key).into()).is_some());
    if ancestor.is_some() {
        return ancestor.copied();
    }
    let fits = |session: &&std::sync::Arc<Session>| {
        conversation.is_some() && session.session_id.as_ref() == conversation
    };
    let mut fitting = snapshot.sessions.iter().filter(fits);
    let first = fitting.next()?.id.local()?;
    fitting.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Pid;
    use crate::sys::clock;
    use std::sync::Arc;

    const KEY: LocalKey = LocalKey {
        pid: Pid(1),
        start_ticks: 7,
    };

    fn ticket(slot: usize) -> Ticket {
        Ticket { slot, serial: 1 }
    }

    fn world(state: State) -> Snapshot {
        let session = Session {
            id: KEY.into(),
            state,
            ..Session::default()
        };
        Snapshot {
            sessions: vec![Arc::new(session)],
            ..Snapshot::default()
        }
    }

    /// One hook that waits since `now`.
    fn one(slot: usize, now: Instant) -> Dialogs {
        let mut dialogs = Dialogs::default();
        dialogs.begin(ticket(slot), KEY, Dialog::default(), now);
        dialogs
    }

    #[test]
    fn an_answer_goes_to_the_request_that_was_read() {
        let now = clock::steady();
        let mut dialogs = one(1, now);
        let first = dialogs.of(KEY).unwrap().id;
        let (second, before) = dialogs.begin(ticket(2), KEY, Dialog::default(), now);
        assert_eq!(before, Some(ticket(1)), "one dialog at a time");
        assert!(dialogs.decide(KEY, Some(first), &Decision::Allow).is_err());
        assert!(
            dialogs.decide(KEY, None, &Decision::Allow).is_err(),
            "unread"
        );
        assert!(
            dialogs
                .decide(KEY, Some(second), &Decision::Choose(vec![]))
                .is_err()
        );
        assert_eq!(dialogs.of(KEY).unwrap().id, second);
        assert_eq!(
            dialogs.decide(KEY, Some(second), &Decision::Allow),
            Ok(ticket(2))
        );
        assert!(dialogs.decide(KEY, Some(second), &Decision::Allow).is_err());
        let deny = Decision::Deny(String::new());
        assert_eq!(one(3, now).decide(KEY, None, &deny), Ok(ticket(3)));
    }

    #[test]
    fn a_hook_is_let_go_when_its_dialog_was_answered_elsewhere() {
        let now = clock::steady();
        let mut dialogs = one(1, now);
        assert_eq!(dialogs.review(&world(State::NeedsInput), now), []);
        assert_eq!(dialogs.deadline(), Some(now + SETTLES));
        assert_eq!(
            dialogs.review(&world(State::Working), now + SETTLES),
            [(ticket(1), KEY)]
        );
        assert_eq!(dialogs.deadline(), None);
    }

    #[test]
    fn what_the_file_still_says_of_the_dialog_before_lets_nobody_go() {
        let now = clock::steady();
        let mut dialogs = one(1, now);
        for state in [State::NeedsInput, State::Working, State::NeedsInput] {
            assert_eq!(dialogs.review(&world(state), now), [], "{state:?}");
        }
        assert_eq!(dialogs.review(&world(State::NeedsInput), now + APPEARS), []);
        assert_eq!(dialogs.deadline(), Some(now + LONGEST));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let now = clock::steady();
        let mut dialogs = one(1, now);
        assert_eq!(dialogs.review(&world(State::Working), now + SETTLES), []);
        assert_eq!(dialogs.deadline(), Some(now + APPEARS));
        assert_eq!(
            dialogs.review(&world(State::Working), now + APPEARS).len(),
            1
        );
        let mut dialogs = one(2, now);
        assert_eq!(
            dialogs
                .review(&world(State::NeedsInput), now + LONGEST)
                .len(),
            1
        );
        let mut dialogs = one(3, now);
        assert_eq!(
            dialogs.review(&Snapshot::default(), now).len(),
            1,
            "it has ended"
        );
        let mut dialogs = one(4, now);
        assert_eq!(dialogs.drop_client(4), Some(KEY));
        assert_eq!(dialogs.drop_client(4), None);
    }
}
