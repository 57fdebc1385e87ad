//! What a program says of itself through the terminal that a holder keeps for it. As it travels
//! from the holder to the daemon; all texts are clean.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::named::named;
use crate::core::text::CleanText;

/// What a program does, by its own word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Nothing; nothing was asked, or it was interrupted.
    Idle,
    /// It works.
    Working,
    /// Its work is over.
    Done,
    /// It waits for a person.
    Blocked,
    /// Its work failed.
    Error,
    /// A word of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Doing {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Working => "working",
            Self::Done => "done",
            Self::Blocked => "blocked",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// What a program that is blocked waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockedOn {
    /// That something is allowed.
    Permission,
    /// The answer to a question.
    Question,
    /// That somebody signs in.
    Auth,
    /// A word of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl BlockedOn {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Question => "question",
            Self::Auth => "auth",
            Self::Unknown => "unknown",
        }
    }
}

/// One report of a program: of itself, or of something that it runs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Record {
    /// What it is about: a path such as `tasks/7`. Empty: the program itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What it does.
    pub state: Doing,
    /// What it waits for, if it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<BlockedOn>,
    /// How far it is, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// The program's name for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<CleanText>,
    /// What it asks, or what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<CleanText>,
    /// When it said so, by the holder's clock.
    pub at: DateTime<Utc>,
    /// The process group that had the terminal then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
}

named!(Record {
    id,
    state,
    kind,
    progress,
    app,
    title,
    msg,
    at,
    group
});

/// All that a program says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Told {
    /// What it reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Record>,
    /// The title that it gives its window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<CleanText>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub titled_at: Option<DateTime<Utc>>,
    /// The process group that had the terminal then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub titled_by: Option<u32>,
    /// When it rang the bell last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rang_at: Option<DateTime<Utc>>,
}

named!(Told {
    records,
    title,
    titled_at,
    titled_by,
    rang_at
});

impl Told {
    /// What it reports of itself.
    #[must_use]
    pub fn root(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.id.is_empty())
    }
}
