//! Where a new session can begin, and what can be gone on with there.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{ConversationId, RawPath};
use crate::core::text::CleanText;

/// A directory in which a session can begin.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Project {
    /// The directory, absolute. It is shown as it is: see [`crate::core::projects::projects`].
    pub dir: RawPath,
    /// When a session there was seen last; a repository where none was has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<DateTime<Utc>>,
    /// Sessions that are alive there.
    pub alive: u16,
    /// Conversations that can be gone on with, the newest first.
    pub past: Vec<Past>,
}

/// A conversation that nobody has at present.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Past {
    /// The coding tool, by its name on the wire.
    pub agent: &'static str,
    /// Its id.
    pub conversation: ConversationId,
    /// What it is about: its title, else its first prompt.
    pub title: CleanText,
    /// When it was written last.
    pub at: DateTime<Utc>,
}
