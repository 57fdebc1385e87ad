//! What a hook reports on its way to the session, and the tool calls that it speaks of.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ConversationId, LocalKey, time};
use crate::core::text::CleanText;

/// What a hook reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum HookEvent {
    /// A session started, was cleared or was resumed.
    Started,
    /// A dialog opened.
    Asked,
    /// A dialog is still open.
    StillAsks,
    /// A minute has passed since the end of a turn.
    StillIdle,
    /// A turn ended.
    Ended,
    /// Anything else: it tells only that the session is there.
    #[default]
    #[serde(other)]
    Other,
}

/// A hook's report on its way to the session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HookReport {
    /// What it reports.
    pub event: HookEvent,
    /// The ancestors of the hook's process, nearest first: one of them is the session.
    pub processes: Vec<LocalKey>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<ConversationId>,
    /// The tool that a dialog asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolCall>,
    /// The subagent that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<ConversationId>,
    /// The last message of a turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<CleanText>,
}

/// A tool call of the model.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// The model's id of the call.
    pub id: String,
    /// The tool.
    pub name: CleanText,
    /// What it would do, in one line: a command, a path, a question.
    pub summary: CleanText,
    /// What a pending call of it means.
    pub nature: CallNature,
    /// When it was made.
    #[serde(deserialize_with = "time::deserialize")]
    pub at: Option<DateTime<Utc>>,
}

/// What it means that a call of a tool is pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum CallNature {
    /// A question to the user is open.
    Question,
    /// A plan waits for the user's yes.
    Plan,
    /// It runs in a child shell or ends at once. If neither shows, it asks for permission.
    AsksFirst,
    /// A subagent works, and may ask.
    Subagent,
    /// It asks nobody, and may take long.
    Free,
    /// It may ask, and it may run for long without a sign.
    #[default]
    #[serde(other)]
    Other,
}

impl CallNature {
    /// Those whose call opens a dialog, or may.
    pub const ASKING: [Self; 3] = [Self::Question, Self::Plan, Self::AsksFirst];
}

impl ToolCall {
    /// The call as it stands: `Bash(cargo test)`, `AskUserQuestion(Which colour?)`.
    #[must_use]
    pub fn ask(&self) -> CleanText {
        if self.summary.is_empty() {
            return self.name.clone();
        }
        CleanText::line(&format!("{}({})", self.name, self.summary))
    }

    /// The question or the plan alone, where it asks one.
    #[must_use]
    pub fn question(&self) -> Option<CleanText> {
        matches!(self.nature, CallNature::Question | CallNature::Plan)
            .then(|| self.summary.clone().some())
            .flatten()
    }
}
