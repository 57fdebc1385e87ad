//! The engine thread: sole owner and writer of the registry.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::published::{Completion, Published, Ticket};
use super::storage::Storage;
use super::supervise::Part;
use super::{ENGINE_QUEUE, Input};
use crate::core::model::{Event, LocalKey};
use crate::core::registry::{MarkChange, Registry};
use crate::protocol::reply::Acted;
use crate::protocol::{Refusal, RefusalCode, Reply};
use crate::serve::reply;
use crate::sys::clock;

/// A request that only the engine can answer.
pub(super) enum Command {
    /// What its user says of a session.
    Mark(LocalKey, MarkChange),
    /// What a verdict was made from.
    Explain(LocalKey),
}

pub(super) struct Engine {
    registry: Registry,
    published: Arc<Published>,
    storage: Storage,
    /// What has happened since the last publication.
    pending: Vec<Event>,
}

impl Engine {
    pub(super) fn new(registry: Registry, published: Arc<Published>, storage: Storage) -> Self {
        Self {
            registry,
            published,
            storage,
            pending: Vec::new(),
        }
    }

    /// Runs until every sender is gone.
    pub(super) fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            self.published.pulse.rest(Part::Engine);
            let input = match self.wait() {
                None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(pause) => inputs.recv_timeout(pause),
            };
            self.published.pulse.begin(Part::Engine);
            match input {
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What has arrived meanwhile is taken along, so that a burst is published once; and no
            // more, so that a source that never rests keeps nothing from being published.
            for input in inputs.try_iter().take(ENGINE_QUEUE) {
                self.take(input);
            }
            self.pending.extend(self.registry.tick(clock::now()));
            self.publish();
            self.save(None);
        }
    }

    /// Until when nothing has to be done unless something is told.
    fn wait(&self) -> Option<Duration> {
        let now = clock::now();
        if self.registry.is_due(now) {
            return Some(Duration::ZERO);
        }
        let deadline = self.registry.deadline()?;
        // A clock that jumped back must not make this sleep for hours.
        let left = (deadline - now).to_std().unwrap_or_default();
        Some(left.min(Duration::from_secs(10)))
    }

    fn take(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Observed(observations) => {
                for observation in observations {
                    self.pending.extend(self.registry.apply(observation, now));
                }
            }
            Input::Kept(marks, through) => {
                self.pending
                    .extend(self.registry.keep_marks(*marks, through, now));
            }
            Input::Marked(key, change) => {
                self.pending.extend(self.registry.mark(key, change, now));
            }
            Input::Command(ticket, _) if !self.published.is_expected(ticket) => {}
            Input::Command(ticket, command) => self.answer(ticket, *command, now),
        }
    }

    fn answer(&mut self, ticket: Ticket, command: Command, now: DateTime<Utc>) {
        match command {
            Command::Mark(key, change) => {
                self.pending.extend(self.registry.mark(key, change, now));
                // Published before the answer, so that who asked sees what he did.
                self.publish();
                self.save(Some((ticket, key)));
            }
            Command::Explain(key) => {
                let reply = reply::explain_reply(self.registry.explain(key, now).as_ref());
                self.published.complete(ticket, Completion::reply(&reply));
            }
        }
    }

    fn publish(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.pending);
        self.published
            .publish_events(self.registry.snapshot(), events);
    }

    /// Hands changed labels to the thread that writes them; that one answers who asked.
    fn save(&mut self, asked: Option<(Ticket, LocalKey)>) {
        let answer = asked.map(|(ticket, key)| (ticket, self.marked(key)));
        let owed = self.registry.take_owed_marks();
        if (owed.is_some() || answer.is_some())
            && let Some(refused) = self.storage.save(owed, answer)
        {
            let words = "too many changes wait to be saved";
            let reply: Reply<Acted> = Err(Refusal::new(RefusalCode::Busy, words));
            self.published.complete(refused, Completion::reply(&reply));
        }
    }

    fn marked(&self, key: LocalKey) -> Reply<Acted> {
        let snapshot = self.registry.snapshot();
        let session = snapshot.by_key(&key.into()).ok_or_else(reply::gone)?;
        Ok(Acted {
            session: Arc::clone(session),
        })
    }
}
