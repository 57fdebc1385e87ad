//! What other coding tools tell of their conversations.

use serde::{Deserialize, Serialize};

use super::reply::Body;
use crate::core::model::ConversationId;
use crate::core::transcript::ToldChange;

/// Arguments of `capture`: what another coding tool tells of a conversation, for the commits of a
/// repository that is captured. Several things may be told at once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaptureArgs {
    /// Which conversation, as the reply to `create` named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<ConversationId>,
    /// A new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<CaptureCreate>,
    /// What was said in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<CaptureMessage>,
    /// What it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ToldChange>,
    /// What was asked last is done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub save: bool,
}

/// A conversation that another coding tool begins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaptureCreate {
    /// The tool's name: `cursor`.
    pub tool: String,
    /// The directory in which it works, absolute.
    pub cwd: String,
    /// The tool's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The model that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What was said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CaptureMessage {
    /// By whom.
    pub role: Role,
    /// The words.
    pub text: String,
}

/// Who said something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Role {
    /// The person.
    #[default]
    User,
    /// The tool.
    Assistant,
    /// Of a newer vmux: it is refused.
    #[serde(other)]
    Unknown,
}

/// Of `capture`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Captured {
    /// The conversation of which something was told.
    pub session_id: ConversationId,
}

impl Body for Captured {}
