//! The server's part in deciding dialogs: hooks that wait, and users who decide.

use std::sync::mpsc::TrySendError;

use super::Input;
use super::dialogs::{LetGo, session_of};
use super::published::{Completion, Ticket};
use super::server::Server;
use crate::agent::{self, Agent};
use crate::core::model::{Kind, LocalKey, Observation, Pid, State};
use crate::protocol::reply::{Acted, Asks, Decided, render};
use crate::protocol::request::{AwaitArgs, DecideArgs, DialogArgs, Target};
use crate::protocol::{Refusal, RefusalCode, Reply};
use crate::serve::reply::{self, find};
use crate::sys::clock;
use crate::sys::proc::Proc;

impl Server {
    /// A hook waits for a decision. One that nobody can make is let go at once.
    pub(super) fn await_decision(&mut self, ticket: Ticket, args: AwaitArgs) -> Option<Vec<u8>> {
        let snapshot = self.published.snapshot();
        let conversation = args.session_id.as_ref();
        let session = session_of(&args.processes, conversation, &snapshot);
        let session = session.filter(|key| {
            let session = snapshot.by_key(&(*key).into());
            session.is_some_and(|session| session.kind != Kind::Headless)
        });
        let Some(key) = session else {
            return Some(render(&Ok(Decided::default())));
        };
        let (id, before) = self.dialogs.begin(ticket, key, args.asked, clock::steady());
        self.tell_answerable(key, Some(id));
        if let Some(before) = before {
            self.let_go(before, Decided::default());
        }
        None
    }

    /// The dialog of a session, whole.
    pub(super) fn dialog(&self, args: &DialogArgs) -> Reply<Asks> {
        let session = find(&args.target.named(), &self.published.snapshot().sessions)?;
        let dialog = session.id.local().and_then(|key| self.dialogs.of(key));
        if let Some(asked) = dialog.cloned() {
            return Ok(Asks { session, asked });
        }
        let title = session.title();
        let words = format!("{title} asks nothing that can be answered from here");
        Err(Refusal::new(RefusalCode::NothingAsked, words).hint(
            "`vmux hooks install --answers` lets vmux answer what is asked from then on; \
             `vmux hooks status` shows where that was done",
        ))
    }

    /// Whether a session that waits is asked and answered through its agent, since no hook of it
    /// waits.
    pub(super) fn answers_itself(&self, target: &Target) -> bool {
        let found = find(target, &self.published.snapshot().sessions);
        found.is_ok_and(|session| {
            let hooked = session.id.local().and_then(|key| self.dialogs.of(key));
            let agent = agent::by_name(&session.agent);
            session.state == State::NeedsInput
                && hooked.is_none()
                && agent.is_some_and(Agent::answers)
        })
    }

    /// Refuses an answer of a client that a session has started.
    pub(super) fn fenced(&self, slot: usize) -> Reply<()> {
        if self.called_by_a_session(slot) {
            let words = "could not answer: a session must not answer for its user";
            return Err(Refusal::new(RefusalCode::NotAnswered, words)
                .hint("its user answers, in a terminal or a picker of his own"));
        }
        Ok(())
    }

    /// The user of the client in this slot decided: the hook says so to the session.
    pub(super) fn decide(&mut self, slot: usize, args: DecideArgs) -> Reply<Acted> {
        self.fenced(slot)?;
        let session = find(&args.target.named(), &self.published.snapshot().sessions)?;
        let key = reply::here(&session)?;
        let decided = self.dialogs.decide(key, args.request, &args.decision);
        let ticket = decided.map_err(|why| {
            let words = format!("could not answer {}: {why}", session.title());
            Refusal::new(RefusalCode::NotAnswered, words)
        })?;
        log::info!("{} was answered from vmux", session.id);
        self.tell_answerable(key, None);
        let decision = Some(args.decision);
        self.let_go(ticket, Decided { decision });
        Ok(Acted { session })
    }

    /// Whether a client was started by a session: a command that was allowed must not allow the
    /// next ones. It is a fence and no wall, since a process can leave its parents.
    fn called_by_a_session(&self, slot: usize) -> bool {
        let proc = Proc::open(&self.settings.paths.proc);
        let (Some(peer), Ok(proc)) = (self.peer(slot), proc) else {
            return false;
        };
        let snapshot = self.published.snapshot();
        let chain = proc.chain(Pid(peer));
        let mut sessions = snapshot.sessions.iter();
        sessions.any(|s| s.id.local().is_some_and(|key| chain.holds(key.pid)))
    }

    /// Lets hooks go that wait for nothing any more.
    pub(super) fn review_dialogs(&mut self) {
        self.tell_untold();
        let snapshot = self.published.snapshot();
        let gone: Vec<LetGo> = self.dialogs.review(&snapshot, clock::steady());
        for (ticket, session) in gone {
            self.tell_answerable(session, None);
            self.let_go(ticket, Decided::default());
        }
    }

    /// A client is gone, and what it asked with it.
    pub(super) fn forget_waiter(&mut self, slot: usize) {
        if let Some(session) = self.dialogs.drop_client(slot) {
            self.tell_answerable(session, None);
        }
    }

    /// Tells the engine; what it is too busy for is told again, or it would stand for ever.
    fn tell_answerable(&mut self, session: LocalKey, id: Option<u64>) {
        // Of what is said of one session only the last word counts.
        let same = |o: &Observation| matches!(o, Observation::Answerable(s, _) if *s == session);
        self.untold.retain(|untold| !same(untold));
        self.untold.push(Observation::Answerable(session, id));
        self.tell_untold();
    }

    fn tell_untold(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if untold.is_empty() {
            return;
        }
        if let Err(TrySendError::Full(Input::Observed(untold))) =
            self.engine.try_send(Input::Observed(untold))
        {
            self.untold = untold;
        }
    }

    /// Answers the hook that waits.
    fn let_go(&mut self, ticket: Ticket, decided: Decided) {
        self.complete(ticket, Completion::reply(&Ok(decided)));
    }
}
