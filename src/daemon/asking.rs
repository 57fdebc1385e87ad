//! The server's part in answering dialogs: hooks that wait, and users who decide.

use std::sync::mpsc::TrySendError;

use super::Input;
use super::asks::{LetGo, session_of};
use super::published::{Completion, Ticket};
use super::server::Server;
use crate::core::model::{Kind, LocalKey, Observation, Pid};
use crate::protocol::{AnswerArgs, AskArgs, AskedArgs, Reply};
use crate::serve::reply::{self, find};
use crate::sys::clock;
use crate::sys::proc::Proc;

impl Server {
    /// A hook waits for an answer. One that nobody can give is let go at once.
    pub(super) fn ask(&mut self, ticket: Ticket, args: AskArgs) -> Option<Vec<u8>> {
        let snapshot = self.published.snapshot();
        let conversation = args.session_id.as_ref();
        let session = session_of(&args.processes, conversation, &snapshot);
        let session = session.filter(|key| {
            let session = snapshot.by_key(&(*key).into());
            session.is_some_and(|session| session.kind != Kind::Headless)
        });
        let Some(key) = session else {
            return Some(Reply::done().render());
        };
        let (id, before) = self.asks.begin(ticket, key, args.asked, clock::steady());
        self.tell_answerable(key, Some(id));
        if let Some(before) = before {
            self.reply_to(before, Reply::done());
        }
        None
    }

    /// What a session asks, whole.
    pub(super) fn asked(&self, args: &AskedArgs) -> Reply {
        let session = match find(&args.target.named(), &self.published.snapshot().sessions) {
            Ok(session) => session,
            Err(reply) => return *reply,
        };
        match session.id.local().and_then(|key| self.asks.of(key)) {
            Some(asked) => Reply {
                asked: Some(asked.clone()),
                sessions: vec![session],
                ..Reply::done()
            },
            None => Reply {
                hint: Some(
                    "`vmux hooks install --answers` lets vmux answer what is asked from then on; \
                     `vmux hooks status` shows where that was done"
                        .into(),
                ),
                ..Reply::error(
                    "nothing_asked",
                    format!(
                        "{} asks nothing that can be answered from here",
                        session.title()
                    ),
                )
            },
        }
    }

    /// The user of the client in this slot decided: the hook says so to the session.
    pub(super) fn decide(&mut self, slot: usize, args: AnswerArgs) -> Reply {
        if self.asked_by_a_session(slot) {
            return Reply {
                hint: Some("its user answers, in a terminal or a picker of his own".into()),
                ..Reply::error(
                    "not_answered",
                    "could not answer: a session must not answer for its user",
                )
            };
        }
        let session = match find(&args.target.named(), &self.published.snapshot().sessions) {
            Ok(session) => session,
            Err(reply) => return *reply,
        };
        let key = match reply::here(&session) {
            Ok(key) => key,
            Err(reply) => return *reply,
        };
        match self.asks.decide(key, args.request, &args.decision) {
            Ok(ticket) => {
                log::info!("{} was answered from vmux", session.id);
                self.tell_answerable(key, None);
                self.reply_to(
                    ticket,
                    Reply {
                        decision: Some(args.decision),
                        ..Reply::done()
                    },
                );
                Reply {
                    sessions: vec![session],
                    ..Reply::done()
                }
            }
            Err(why) => Reply::error(
                "not_answered",
                format!("could not answer {}: {why}", session.title()),
            ),
        }
    }

    /// Whether a client was started by a session: a command that was allowed must not allow the
    /// next ones. It is a fence and no wall, since a process can leave its parents.
    fn asked_by_a_session(&self, slot: usize) -> bool {
        let proc = Proc::open(&self.settings.paths.proc);
        let (Some(peer), Ok(proc)) = (self.peer(slot), proc) else {
            return false;
        };
        let snapshot = self.published.snapshot();
        let chain = proc.chain(Pid(peer));
        let mut sessions = snapshot.sessions.iter();
        sessions.any(|session| chain.holds(session.pid))
    }

    /// Lets hooks go that wait for nothing any more.
    pub(super) fn review_asks(&mut self) {
        self.tell_untold();
        let snapshot = self.published.snapshot();
        let gone: Vec<LetGo> = self.asks.review(&snapshot, clock::steady());
        for (ticket, session) in gone {
            self.tell_answerable(session, None);
            self.reply_to(ticket, Reply::done());
        }
    }

    /// A client is gone, and what it asked with it.
    pub(super) fn forget_asker(&mut self, slot: usize) {
        if let Some(session) = self.asks.drop_client(slot) {
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

    fn reply_to(&mut self, ticket: Ticket, reply: Reply) {
        self.complete(ticket, Completion::Reply(Box::new(reply)));
    }
}
