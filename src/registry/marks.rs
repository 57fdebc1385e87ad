//! What a user says of conversations, and which sessions ended a turn that he has not seen. It
//! outlives the daemon.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{ConversationId, SessionKey, time};
use crate::text::CleanText;

/// Conversations whose marks are kept; past this the oldest go.
const MOST: usize = 2000;

/// Layout of the file.
const VERSION: u32 = 1;

/// What a user said of one conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<CleanText>,
    /// Until when he does not want to hear of it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub snoozed_until: Option<DateTime<Utc>>,
    /// He wants it on top.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Grows with every change: which marks are the oldest.
    pub order: u64,
}

impl Mark {
    fn is_empty(&self) -> bool {
        *self
            == Self {
                order: self.order,
                ..Self::default()
            }
    }
}

/// All marks: the content of `labels.json`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// Layout of the file.
    version: u32,
    /// By conversation, or `PID-TICKS` of a process whose conversation is not known.
    labels: BTreeMap<String, Mark>,
    /// The processes whose turn ended while he looked elsewhere. Two processes of one conversation
    /// have each their own turns.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unseen: BTreeSet<SessionKey>,
    #[serde(skip)]
    changed: bool,
}

impl Marks {
    /// Reads the content of `labels.json`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let marks: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match marks.version {
            0 | VERSION => Ok(marks),
            newer => Err(format!("they have layout {newer}, of a newer vmux")),
        }
    }

    /// The content of `labels.json`.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The mark of a session.
    #[must_use]
    pub fn of(&self, key: SessionKey, conversation: Option<&ConversationId>) -> Option<&Mark> {
        self.labels.get(&name(key, conversation))
    }

    /// Changes the mark of a session.
    pub fn change(
        &mut self,
        key: SessionKey,
        conversation: Option<&ConversationId>,
        change: impl FnOnce(&mut Mark),
    ) {
        let name = name(key, conversation);
        let before = self.labels.get(&name).cloned().unwrap_or_default();
        let mut mark = before.clone();
        change(&mut mark);
        if mark != before {
            mark.order = self.next_order();
            self.put(name, mark);
        }
    }

    /// Whether a process ended a turn that its user has not seen.
    #[must_use]
    pub fn is_unseen(&self, key: SessionKey) -> bool {
        self.unseen.contains(&key)
    }

    /// Notes whether a process ended a turn that its user has not seen.
    pub fn set_unseen(&mut self, key: SessionKey, unseen: bool) {
        self.changed |= if unseen {
            self.unseen.insert(key)
        } else {
            self.unseen.remove(&key)
        };
    }

    /// Forgets what processes have left unseen that are not there any more.
    pub fn retain_unseen(&mut self, lives: impl FnMut(&SessionKey) -> bool) {
        let before = self.unseen.len();
        self.unseen.retain(lives);
        self.changed |= self.unseen.len() != before;
    }

    /// The conversation of a process has changed (`/clear`, a resume, or it became known): its
    /// marks go along, unless the new one has its own.
    pub fn follow(
        &mut self,
        key: SessionKey,
        before: Option<&ConversationId>,
        after: Option<&ConversationId>,
    ) {
        let (from, to) = (name(key, before), name(key, after));
        if from == to || self.labels.contains_key(&to) {
            return;
        }
        if let Some(mark) = self.labels.get(&from).cloned() {
            let order = self.next_order();
            self.put(to, Mark { order, ..mark });
        }
    }

    /// These marks, if they changed since this was asked last.
    pub fn take_changed(&mut self) -> Option<Self> {
        std::mem::take(&mut self.changed).then(|| self.clone())
    }

    fn put(&mut self, name: String, mark: Mark) {
        self.version = VERSION;
        self.changed = true;
        if mark.is_empty() {
            self.labels.remove(&name);
            return;
        }
        self.labels.insert(name, mark);
        while self.labels.len() > MOST {
            let oldest = self.labels.iter().min_by_key(|(_, mark)| mark.order);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            self.labels.remove(&oldest);
        }
    }

    fn next_order(&self) -> u64 {
        self.labels
            .values()
            .map(|mark| mark.order)
            .max()
            .unwrap_or(0)
            .saturating_add(1)
    }
}

fn name(key: SessionKey, conversation: Option<&ConversationId>) -> String {
    conversation.map_or_else(|| key.to_string(), ToString::to_string)
}
