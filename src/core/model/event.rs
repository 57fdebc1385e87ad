//! What changes, and what a subscriber makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Machine, Session, SessionKey};
use crate::core::text::CleanText;

/// A change of the sessions there are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Event {
    /// All sessions there are: what was known before is void.
    State {
        /// In the order of their keys.
        sessions: Vec<Arc<Session>>,
    },
    /// A session is new or has changed; its whole content.
    Session {
        /// The session.
        session: Arc<Session>,
    },
    /// A session has ended.
    Ended {
        /// Which one.
        id: SessionKey,
    },
    /// The subscriber read too slowly and is cut off; what follows is lost.
    Dropped {
        /// Why, for people.
        reason: CleanText,
    },
    /// Of a newer vmux.
    #[serde(other)]
    Unknown,
}

/// What a subscriber knows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mirror(pub BTreeMap<SessionKey, Arc<Session>>);

impl Mirror {
    /// Applies a change reported by a source that knows all sessions.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Session { session } => self.insert(session.id.clone(), session),
            Event::State { sessions } => {
                self.0.clear();
                for session in sessions {
                    self.insert(session.id.clone(), session);
                }
            }
            Event::Ended { id } => {
                self.0.remove(id);
            }
            Event::Dropped { .. } | Event::Unknown => {}
        }
    }

    /// Applies a change that `machine` reports about its own sessions (`None`: this machine).
    /// Sessions of other machines stay as they are. What it says about any other machine is
    /// ignored: each machine speaks for itself, so a session is never reported back to where it
    /// lives.
    pub fn apply_from(&mut self, machine: Option<&Machine>, event: &Event) {
        let key = |id: &SessionKey| {
            let machine = machine.cloned();
            let own = id.local().map(SessionKey::from);
            own.map(|own| SessionKey { machine, ..own })
        };
        match event {
            Event::Session { session } => {
                if let Some(key) = key(&session.id) {
                    self.insert(key, session);
                }
            }
            Event::State { sessions } => {
                self.0.retain(|id, _| id.machine.as_ref() != machine);
                for session in sessions {
                    if let Some(key) = key(&session.id) {
                        self.insert(key, session);
                    }
                }
            }
            Event::Ended { id } => {
                if let Some(key) = key(id) {
                    self.0.remove(&key);
                }
            }
            Event::Dropped { .. } | Event::Unknown => {}
        }
    }

    fn insert(&mut self, key: SessionKey, session: &Arc<Session>) {
        let mut session = Arc::clone(session);
        if session.id != key {
            Arc::make_mut(&mut session).id = key.clone();
        }
        self.0.insert(key, session);
    }
}
