//! What is asked of the daemon: arguments of each verb, and the table of them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::feed::{CaptureArgs, Captured};
use super::reply::{
    Acted, Asks, Body, Decided, Done, Explained, Health, Listed, Moved, Page, Previewed, WentBack,
};
use super::version::{OWN, Other};
use crate::core::model::{ConversationId, Decision, Dialog, HookReport, LocalKey, SessionKey};
use crate::core::text::CleanText;

/// Arguments of a verb, which name it and its reply.
pub trait Verb: Serialize + DeserializeOwned + Into<Request> {
    /// Its word on the wire.
    const ACTION: &'static str;
    /// What its reply holds.
    type Reply: Body;

    /// One line, its line break included.
    #[must_use]
    fn render(&self) -> Vec<u8> {
        let written = Written {
            action: Self::ACTION,
            args: self,
            version: OWN,
        };
        let mut line = serde_json::to_vec(&written).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A request as it is written.
#[derive(Serialize)]
struct Written<'a, T> {
    action: &'a str,
    args: &'a T,
    version: &'a str,
}

/// A request as it is read first. Scripts leave `args` out, or `null`: both are no arguments.
#[derive(Deserialize)]
struct Envelope<'a> {
    action: String,
    #[serde(default, borrow)]
    args: Option<&'a RawValue>,
    #[serde(default)]
    version: Option<CleanText>,
}

/// A line that was read: what it asks, and who wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The request, or what is wrong with it, for the reply.
    pub request: Result<Request, String>,
    /// It is of another version; scripts say none.
    pub other: Option<Other>,
}

/// The verbs: word on the wire, variant, arguments, reply, and whether it moves or changes
/// something, so that it must not be done for somebody who has given up waiting. (A hook's report
/// is told, and not asked.)
macro_rules! verbs {
    ($($(#[$doc:meta])* $action:literal $variant:ident($args:ty) -> $reply:ty, acts: $acts:literal;)*) => {
        /// A request, read.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum Request {
            $($(#[$doc])* $variant(Box<$args>),)*
        }

        impl Request {
            fn read(action: &str, args: &str) -> Result<Self, String> {
                match action {
                    $($action => read(action, args).map(|args| Self::$variant(Box::new(args))),)*
                    other => Err(format!("unknown action {:?}", CleanText::line(other))),
                }
            }

            /// Whether it moves or changes something.
            #[must_use]
            pub fn acts(&self) -> bool {
                match self {
                    $(Self::$variant(_) => $acts,)*
                }
            }
        }

        /// Each verb with the schema of its arguments and of its reply's body.
        #[cfg(test)]
        pub(super) fn schemas(
            asked: &mut schemars::SchemaGenerator,
            told: &mut schemars::SchemaGenerator,
        ) -> Vec<(&'static str, schemars::Schema, schemars::Schema)> {
            vec![$((
                $action,
                asked.subschema_for::<$args>(),
                told.subschema_for::<$reply>(),
            ),)*]
        }

        $(
            impl Verb for $args {
                const ACTION: &'static str = $action;
                type Reply = $reply;
            }

            impl From<$args> for Request {
                fn from(args: $args) -> Self {
                    Self::$variant(Box::new(args))
                }
            }
        )*
    };
}

verbs! {
    /// Is anyone there?
    "ping" Ping(Ping) -> Health, acts: false;
    /// How is the daemon?
    "status" Status(Status) -> Health, acts: false;
    /// The sessions.
    "list" List(ListArgs) -> Listed, acts: false;
    /// Focus one.
    "switch" Switch(SwitchArgs) -> Moved, acts: true;
    /// Focus the one that needs its user most, or the next one of a walk.
    "next" Next(NextArgs) -> Moved, acts: true;
    /// Focus what had the focus before vmux moved it.
    "back" Back(BackArgs) -> WentBack, acts: true;
    /// Name one.
    "label" Label(LabelArgs) -> Acted, acts: true;
    /// Leave one alone for a while.
    "snooze" Snooze(SnoozeArgs) -> Acted, acts: true;
    /// Keep one on top.
    "pin" Pin(PinArgs) -> Acted, acts: true;
    /// End one.
    "end" End(EndArgs) -> Acted, acts: true;
    /// The end of a conversation.
    "preview" Preview(PreviewArgs) -> Previewed, acts: false;
    /// What a verdict was made from.
    "explain" Explain(ExplainArgs) -> Explained, acts: false;
    /// rofi's script mode.
    "rofi" Rofi(RofiArgs) -> Page, acts: true;
    /// A hook waits for what is decided in a dialog.
    "ask" Await(AwaitArgs) -> Decided, acts: false;
    /// The dialog of a session, whole.
    "asked" Dialog(DialogArgs) -> Asks, acts: false;
    /// What a user decided.
    "answer" Decide(DecideArgs) -> Acted, acts: true;
    /// What a hook of a session reports. The asker need not wait for the reply.
    "hook" Hook(HookReport) -> Done, acts: false;
    /// What another coding tool tells of a conversation.
    "capture" Capture(CaptureArgs) -> Captured, acts: true;
    /// All sessions, and every change of them from then on: a line each, see
    /// [`EventLine`](super::EventLine). A reply comes only where it is refused.
    "subscribe" Subscribe(Subscribe) -> Done, acts: false;
    /// End the daemon.
    "stop" Stop(Stop) -> Done, acts: true;
}

impl Received {
    /// Reads one line.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        match serde_json::from_slice::<Envelope<'_>>(line) {
            Err(error) => Self {
                request: Err(format!("could not read the request: {error}")),
                other: None,
            },
            Ok(envelope) => {
                let args = envelope.args.map_or("{}", RawValue::get);
                let args = if args == "null" { "{}" } else { args };
                Self {
                    request: Request::read(&envelope.action, args),
                    other: envelope.version.and_then(|said| Other::of(Some(said))),
                }
            }
        }
    }
}

fn read<T: DeserializeOwned>(action: &str, args: &str) -> Result<T, String> {
    serde_json::from_str(args)
        .map_err(|error| format!("could not read the arguments of {action}: {error}"))
}

/// Arguments of `ping`: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ping {}

/// Arguments of `status`: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Status {}

/// Arguments of `subscribe`: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Subscribe {}

/// Arguments of `stop`: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stop {}

/// How sessions are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Format {
    /// As `sessions` of the reply.
    #[default]
    Json,
    /// A table for people, as payload.
    Table,
    /// One unique line each for a menu program, as payload.
    Dmenu,
    /// Of a newer vmux: it is refused.
    #[serde(other)]
    Unknown,
}

/// Arguments of `list`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListArgs {
    /// Also what scripts run without a person (`-p`, SDK).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Only the sessions of this coding tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What to send.
    pub format: Format,
    /// Columns of the reader's terminal, for a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Whether the table may have colours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub color: bool,
}

/// Names one session: by id, or by a query that must be clear.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Target {
    /// `PID-TICKS` or `MACHINE/PID-TICKS`, as a row carried it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SessionKey>,
    /// What a person typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The agent's id of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Only what it is called counts, no likeness: for what changes or ends a session.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// Take the best of several that fit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
}

impl Target {
    /// The same without any guess.
    #[must_use]
    pub fn named(&self) -> Self {
        Self {
            named: true,
            ..self.clone()
        }
    }
}

/// Arguments of `switch`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SwitchArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Only say where it would go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// A menu was just closed: let the pointer's own focus change pass first, and look again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub settle: bool,
    /// How long ago that menu was opened, in milliseconds: what had the focus then is where its
    /// user came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_ms: Option<u64>,
    /// Bring its window to the workspace that has the focus.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub summon: bool,
    /// The asker's desktop.
    pub environ: BTreeMap<String, String>,
}

/// Arguments of `next`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NextArgs(pub MoveArgs);

/// Arguments of `back`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackArgs(pub MoveArgs);

/// How the focus is moved.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MoveArgs {
    /// Only say where it would go.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// See [`SwitchArgs::settle`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub settle: bool,
    /// The asker's desktop.
    pub environ: BTreeMap<String, String>,
}

/// Arguments of `snooze`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SnoozeArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// For how long, in seconds; 0 wakes it.
    pub seconds: u32,
}

/// Arguments of `pin`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PinArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Whether it is no longer wanted on top.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub off: bool,
}

/// Arguments of `label`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LabelArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Its new name; empty takes it away.
    pub label: String,
}

/// Arguments of `end`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
}

/// Arguments of `preview`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreviewArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Messages at most; 0 means 20.
    pub messages: usize,
}

/// Arguments of `ask`: a hook waits for what the user decides in a dialog. The reply comes when
/// that is known, or is not to be known any more.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AwaitArgs {
    /// The ancestors of the hook's process, nearest first: one of them is the session.
    pub processes: Vec<LocalKey>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<ConversationId>,
    /// What is asked.
    pub asked: Dialog,
}

/// Arguments of `asked`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DialogArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
}

/// Arguments of `answer`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DecideArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Serial of the dialog that was read: another one is not decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// `"allow"`, `{"deny": "a word for the model"}` or `{"choose": [[0]]}`.
    pub decision: Decision,
}

/// Arguments of `explain`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// The asker's desktop.
    pub environ: BTreeMap<String, String>,
}

/// Arguments of `rofi`: one call of rofi's script mode.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RofiArgs {
    /// `ROFI_RETV`.
    pub retv: u32,
    /// `ROFI_INFO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// `ROFI_OUTSIDE`: rofi's pid.
    pub outside: u32,
    /// The keys of rofi's `kb-custom-1` and on; empty where one is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// rofi's desktop.
    pub environ: BTreeMap<String, String>,
}
