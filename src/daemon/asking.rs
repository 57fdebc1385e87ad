//! The server's part in answering dialogs: hooks that wait, and users who decide.

use super::Input;
use super::asks::{LetGo, session_of};
use super::published::{Completion, Ticket};
use super::server::Server;
use crate::answer::find;
use crate::clock;
use crate::model::{Kind, Observation, SessionKey};
use crate::protocol::{AnswerArgs, AskArgs, AskedArgs, Reply};

impl Server {
    /// A hook waits for an answer. One that nobody can give is let go at once.
    pub(super) fn ask(&mut self, ticket: Ticket, args: AskArgs) -> Option<Vec<u8>> {
        let snapshot = self.published.snapshot();
        let conversation = args.session_id.as_ref();
        let session = session_of(&args.processes, conversation, &snapshot);
        let session = session.and_then(|key| snapshot.by_key(key));
        let Some(session) = session.filter(|session| session.kind != Kind::Headless) else {
            return Some(Reply::done().render());
        };
        let (id, before) = self
            .asks
            .begin(ticket, session.id, args.asked, clock::steady());
        self.tell_answerable(session.id, Some(id));
        if let Some(before) = before {
            self.reply_to(before, Reply::done());
        }
        None
    }

    /// What a session asks, whole.
    pub(super) fn asked(&self, args: &AskedArgs) -> Reply {
        let session = match find(&args.target, &self.published.snapshot().sessions) {
            Ok(session) => session,
            Err(reply) => return *reply,
        };
        match self.asks.of(session.id) {
            Some(asked) => Reply {
                asked: Some(asked.clone()),
                sessions: vec![session],
                ..Reply::done()
            },
            None => Reply {
                hint: Some("`vmux hooks install --answers` lets vmux answer new requests".into()),
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

    /// A user decided: the hook says so to the session.
    pub(super) fn decide(&mut self, args: AnswerArgs) -> Reply {
        let session = match find(&args.target, &self.published.snapshot().sessions) {
            Ok(session) => session,
            Err(reply) => return *reply,
        };
        match self.asks.decide(session.id, args.request, &args.decision) {
            Ok(ticket) => {
                log::info!("{} was answered from vmux", session.id);
                self.tell_answerable(session.id, None);
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

    /// Lets hooks go that wait for nothing any more.
    pub(super) fn review_asks(&mut self) {
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

    fn tell_answerable(&self, session: SessionKey, id: Option<u64>) {
        let observed = Input::Observed(vec![Observation::Answerable(session, id)]);
        if self.engine.try_send(observed).is_err() {
            log::warn!("could not tell that {session} can be answered: the engine is busy");
        }
    }

    fn reply_to(&mut self, ticket: Ticket, reply: Reply) {
        self.complete(ticket, Completion::Reply(Box::new(reply)));
    }
}
