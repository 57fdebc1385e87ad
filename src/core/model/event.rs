//! What changes, and what a subscriber makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Session, SessionKey};
use crate::core::text::CleanText;

/// A change of the sessions there are.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
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
    /// Takes a change over.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Session { session } => {
                self.0.insert(session.id, Arc::clone(session));
            }
            Event::State { sessions } => {
                let keyed = sessions
                    .iter()
                    .map(|session| (session.id, Arc::clone(session)));
                self.0 = keyed.collect();
            }
            Event::Ended { id } => {
                self.0.remove(id);
            }
            Event::Dropped { .. } | Event::Unknown => {}
        }
    }
}
