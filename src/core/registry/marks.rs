//! What a user says of conversations, and which sessions ended a turn that he has not seen. It
//! outlives the daemon.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::core::model::{ConversationId, LocalKey, time};
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;

/// Conversations whose marks are kept; a new one past this costs an old one.
const MOST: usize = 2000;
/// Layout of the file.
const VERSION: u64 = 1;

/// What a user said of one conversation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// Its name.
    #[serde(deserialize_with = "lenient")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<CleanText>,
    /// Until when he does not want to hear of it.
    #[serde(deserialize_with = "time::deserialize")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<DateTime<Utc>>,
    /// He wants it on top.
    #[serde(deserialize_with = "lenient")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Grows with every change: which marks are the oldest.
    #[serde(deserialize_with = "lenient")]
    pub order: u64,
    /// What another vmux knows of it.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Mark {
    fn is_empty(&self) -> bool {
        let nothing = Self {
            order: self.order,
            ..Self::default()
        };
        *self == nothing
    }

    /// The mark after a change.
    fn changed(mut self, change: &MarkPatch) -> Self {
        if let Some(label) = &change.label {
            self.label.clone_from(label);
        }
        if let Some(until) = change.snoozed_until {
            self.snoozed_until = until;
        }
        self.pinned = change.pinned.unwrap_or(self.pinned);
        self
    }
}

/// A field of another type than it should have is not there.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// What changes of a mark; the rest stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MarkPatch {
    /// Its name, or that it has none.
    pub label: Option<Option<CleanText>>,
    /// Until when its user does not want to hear of it, or that he does.
    pub snoozed_until: Option<Option<DateTime<Utc>>>,
    /// Whether he wants it on top.
    pub pinned: Option<bool>,
}

impl MarkPatch {
    /// All that a mark says.
    pub(super) fn all(mark: &Mark) -> Self {
        Self {
            label: Some(mark.label.clone()),
            snoozed_until: Some(mark.snoozed_until),
            pinned: Some(mark.pinned),
        }
    }

    /// Takes a later change in.
    pub(super) fn then(&mut self, later: Self) {
        if later.label.is_some() {
            self.label = later.label;
        }
        if later.snoozed_until.is_some() {
            self.snoozed_until = later.snoozed_until;
        }
        self.pinned = later.pinned.or(self.pinned);
    }
}

/// Changes that are not written yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owed {
    /// All changes up to this one are in it.
    pub through: u64,
    /// By the name of the mark.
    pub(super) changes: BTreeMap<String, MarkPatch>,
    /// Which processes ended a turn that nobody has seen, and which did not.
    pub(super) unseen: BTreeMap<LocalKey, bool>,
}

/// Why a text is not taken for marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoMarks {
    /// It cannot be understood.
    Broken(String),
    /// It has the layout of a newer vmux.
    Newer(String),
}

/// All marks: the content of `labels.json`. What is not understood of it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// By conversation, or `PID-TICKS` of a process whose conversation is not known.
    labels: BTreeMap<String, Mark>,
    /// The processes whose turn ended while he looked elsewhere. Two processes of one conversation
    /// have each their own turns.
    unseen: BTreeSet<LocalKey>,
    /// Entries that stand where a mark belongs but are not one.
    odd: BTreeMap<String, Value>,
    others: Map<String, Value>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Layout {
    #[serde(default)]
    version: Value,
    #[serde(default)]
    labels: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Marks {
    /// Reads the content of `labels.json`.
    ///
    /// # Errors
    /// Says what is wrong with it. One odd mark, or field of one, costs that only.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoMarks> {
        let layout: Layout =
            serde_json::from_slice(bytes).map_err(|error| NoMarks::Broken(error.to_string()))?;
        let known = layout.version.as_u64().is_some_and(|v| v <= VERSION);
        if !layout.version.is_null() && !known {
            let words = format!("it has layout {}, of a newer vmux", layout.version);
            return Err(NoMarks::Newer(CleanText::line(&words).to_string()));
        }
        let keys = layout
            .unseen
            .into_iter()
            .map(serde_json::from_value::<LocalKey>);
        let mut marks = Self {
            unseen: keys.filter_map(Result::ok).gather(),
            others: layout.others,
            ..Self::default()
        };
        for (name, value) in layout.labels {
            match serde_json::from_value::<Mark>(value.clone()) {
                Ok(mark) => drop(marks.labels.insert(name, mark)),
                Err(_) => drop(marks.odd.insert(name, value)),
            }
        }
        Ok(marks)
    }

    /// The content of `labels.json`.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut labels = self.odd.clone();
        for (name, mark) in &self.labels {
            labels.insert(name.clone(), serde_json::to_value(mark).unwrap_or_default());
        }
        let layout = Layout {
            version: VERSION.into(),
            labels,
            unseen: self
                .unseen
                .iter()
                .map(|key| key.to_string().into())
                .collect(),
            others: self.others.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&layout).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The mark of a session.
    #[must_use]
    pub fn of(&self, key: LocalKey, conversation: Option<&ConversationId>) -> Option<&Mark> {
        self.named(&name(key, conversation))
    }

    pub(super) fn named(&self, name: &str) -> Option<&Mark> {
        self.labels.get(name)
    }

    /// Takes over what others are to know.
    pub fn apply(&mut self, owed: &Owed) {
        for (name, change) in &owed.changes {
            self.change(name, change);
        }
        for (key, unseen) in &owed.unseen {
            self.set_unseen(*key, *unseen);
        }
    }

    /// Whether a process ended a turn that its user has not seen.
    pub(super) fn is_unseen(&self, key: LocalKey) -> bool {
        self.unseen.contains(&key)
    }

    /// All processes that did.
    pub(super) fn unseen(&self) -> &BTreeSet<LocalKey> {
        &self.unseen
    }

    /// Notes whether a process did.
    pub(super) fn set_unseen(&mut self, key: LocalKey, unseen: bool) {
        if unseen {
            self.unseen.insert(key);
        } else {
            self.unseen.remove(&key);
        }
    }

    /// Changes a mark.
    pub(super) fn change(&mut self, name: &str, change: &MarkPatch) {
        let before = self.labels.get(name).cloned().unwrap_or_default();
        let mut mark = before.clone().changed(change);
        if mark == before {
            return;
        }
        if mark.is_empty() {
            self.labels.remove(name);
            return;
        }
        mark.order = self.next_order();
        self.odd.remove(name);
        if self.labels.insert(name.to_owned(), mark).is_none() && self.labels.len() > MOST {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.labels.iter().min_by_key(|(_, mark)| mark.order);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.labels.remove(&name);
        }
    }

    fn next_order(&self) -> u64 {
        let orders = self.labels.values().map(|mark| mark.order);
        orders.max().unwrap_or(0).saturating_add(1)
    }
}

/// What the mark of a session is called.
pub(super) fn name(key: LocalKey, conversation: Option<&ConversationId>) -> String {
    conversation.map_or_else(|| key.to_string(), ToString::to_string)
}
