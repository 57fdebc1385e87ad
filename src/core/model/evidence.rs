//! What the sources report about a session, each fact with its source and age.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Claim, ConversationId, Kind, LocalKey, Place, RawPath, State, Told};
use crate::core::text::CleanText;

/// Everything known about one session, as its agent saw it last. Complete by itself: a newer
/// one replaces it, so that nothing stale can stick.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Evidence {
    /// Which coding tool: `claude`.
    pub agent: &'static str,
    /// Interactive, background or headless.
    pub kind: Kind,
    /// The conversation it is in, as far as that is certain.
    pub conversation: Option<ConversationId>,
    /// It may be in one of several conversations, and nothing tells which.
    pub ambiguous: bool,
    /// The operating system's view.
    pub process: ProcessFact,
    /// Where it works, by its own word.
    pub cwd: Option<RawPath>,
    /// When it started, by its own word.
    pub started_at: Option<DateTime<Utc>>,
    /// The agent's version, by its own word.
    pub version: Option<CleanText>,
    /// The name that its agent or its user gave it.
    pub name: Option<CleanText>,
    /// Whether a person gave that name.
    pub named_by_user: bool,
    /// Titles that the agent may have given its terminal, beside that name and without its signs.
    pub titles: Vec<CleanText>,
    /// The model that answered last.
    pub model: Option<CleanText>,
    /// The last thing said in the conversation.
    pub said: Option<CleanText>,
    /// The file of the conversation. The facts of an agent may tell more of it, by the same word.
    #[serde(skip)]
    pub transcript: Option<RawPath>,
    /// The command that shows a background session in a terminal, or a list to choose it from.
    pub attach: Option<CleanText>,
    /// What it asks, if it asks, can be answered through its agent.
    pub answers: bool,
    /// The processes that show a background session in their terminals.
    pub shown_by: Vec<LocalKey>,
    /// The repository it works in.
    pub git: Option<GitFact>,
    /// Nothing lies at its directory any more.
    pub cwd_gone: bool,
    /// What each of its agent's sources says of its state, the strongest first.
    #[serde(skip)]
    pub claims: Vec<Claim>,
    /// What the agent has read, each fact as it is: only for `explain`.
    #[serde(flatten)]
    pub facts: AsRead,
    /// What is heard in its terminal, if a holder keeps that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalFact>,
    /// Why reading its files failed, which is a bug of vmux: nothing else here is to be believed.
    pub failed: Option<CleanText>,
    /// What could not be read, in words for `explain`.
    pub problems: Vec<CleanText>,
}

/// Facts as an agent has them. Kept as text: every session has some, and few ask.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AsRead(Box<str>);

impl AsRead {
    /// Keeps facts whose JSON is an object; of others nothing.
    #[must_use]
    pub fn of(facts: &impl Serialize) -> Self {
        Self(serde_json::to_string(facts).unwrap_or_default().into())
    }
}

impl Serialize for AsRead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = serde_json::from_str::<Map<String, Value>>(&self.0);
        facts.unwrap_or_default().serialize(serializer)
    }
}

/// The operating system's view of a session.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ProcessFact {
    /// The executable's path.
    pub exe: CleanText,
    /// Name of the main thread.
    pub comm: CleanText,
    /// Working directory of the process.
    pub cwd: RawPath,
    /// When the kernel started it.
    pub started_at: Option<DateTime<Utc>>,
    /// Stopped by a signal (Ctrl+Z).
    pub stopped: bool,
    /// Standard input is a terminal: its device, such as `/dev/pts/3`.
    pub tty: Option<CleanText>,
    /// The agent's configuration directory of this process.
    pub config_dir: CleanText,
    /// Whether that is the one every process of this user gets by default.
    pub default_config: bool,
    /// The agent's version as its installation says, before any file does.
    pub installed_version: Option<CleanText>,
    /// It runs in a container, with processes or terminals of its own.
    pub container: bool,
    /// When this was read.
    pub read_at: DateTime<Utc>,
}

/// What a holder has heard in the terminal of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TerminalFact {
    /// The holder's name for it.
    pub kept_as: CleanText,
    /// What its program says of itself.
    #[serde(flatten)]
    pub told: Told,
}

/// The git repository around a directory, read from its files.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct GitFact {
    /// The branch, or the short commit when detached.
    pub branch: Option<CleanText>,
    /// Whether no branch is checked out.
    pub detached: bool,
    /// What goes on meanwhile; `branch` is then the one that comes back.
    pub doing: Option<GitDoing>,
    /// Name of the main directory.
    pub repository: CleanText,
    /// Name of the linked worktree, if it is one.
    pub worktree: Option<CleanText>,
}

/// What git does while no branch is checked out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum GitDoing {
    /// A rebase stopped, or runs.
    Rebasing,
    /// A bad commit is looked for.
    Bisecting,
    /// A word of a newer version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl GitDoing {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebasing => "rebasing",
            Self::Bisecting => "bisecting",
            Self::Unknown => "unknown",
        }
    }
}

/// What the title of a session's terminal tells of its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct TitleFact {
    /// The state; nothing where it tells none, or is not known to be this session's.
    pub says: Option<State>,
    /// When it was first seen to say so; of a title that nothing follows, when it was read.
    pub at: DateTime<Utc>,
    /// It is not followed, and believed no longer at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// What a source reports to the registry.
#[derive(Clone, PartialEq, Debug)]
pub enum Observation {
    /// A session exists, with all that is known of it.
    Seen(LocalKey, Arc<Evidence>),
    /// It has ended.
    Gone(LocalKey),
    /// These sessions exist, and no others: after a source had to start anew.
    Census(Vec<LocalKey>),
    /// Where it can be seen.
    Placed(LocalKey, Box<Place>),
    /// A hook of it waits for an answer: to the request of this serial, or no longer.
    Answerable(LocalKey, Option<u64>),
}
