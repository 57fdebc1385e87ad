//! What is told of a session beside its state: what was said, and what came of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::reply::PreviewMessage;
use crate::core::model::time;
use crate::core::text::CleanText;

/// What is told of a session beside its state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// The end of its conversation.
    pub messages: Vec<PreviewMessage>,
    /// Commits that it had part in, the newest first.
    pub commits: Vec<Committed>,
}

impl From<Vec<PreviewMessage>> for Contents {
    fn from(messages: Vec<PreviewMessage>) -> Self {
        Self {
            messages,
            commits: Vec::new(),
        }
    }
}

/// A commit that a session had part in.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Committed {
    /// Its full id.
    pub commit: CleanText,
    /// The first line of its message.
    pub subject: CleanText,
    /// When it was made.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub at: Option<DateTime<Utc>>,
}

impl Committed {
    /// The start of its id, which people and git take for it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.commit.get(..8).unwrap_or(&self.commit)
    }
}
