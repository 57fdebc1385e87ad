//! What travels between vmux and its daemon: one JSON object on one line each way.
//!
//! A request is `{"action": …, "args": {…}}`, its reply `{"ok", "error", "sessions", …}`.
//! Requests of one connection are answered one after the other. A reply with `"payload": N` is
//! followed by N bytes that are to be written out as they are: rows rendered by the daemon for
//! clients that are started often. Fields are only ever added, and unknown ones ignored.

pub mod client;
pub mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::core::model::{
    Asked, ConversationId, Decision, Event, HookReport, Landed, LocalKey, Session, SessionKey, time,
};
use crate::core::text::{CleanText, deserialize_block};

/// Longest request that is read, in bytes. Real ones have less than 2 KiB.
pub const REQUEST_CAP: usize = 64 * 1024;
/// Longest reply that a client reads, in bytes: some ten thousand sessions.
pub const REPLY_CAP: usize = 64 << 20;

/// Variables of a client's environment that travel with its request: what finds a desktop for
/// sessions that have none, and what a prompt or a notification needs.
pub const ENVIRON: [&str; 10] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "I3SOCK",
    "SWAYSOCK",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "PATH",
    "LANG",
];

/// A request as it is written.
#[derive(Serialize)]
struct Written<'a, T> {
    action: &'a str,
    args: &'a T,
}

/// A request as it is read first.
#[derive(Deserialize)]
struct Envelope<'a> {
    action: String,
    #[serde(default, borrow)]
    args: Option<&'a RawValue>,
}

/// How sessions are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As `sessions` of the reply.
    #[default]
    Json,
    /// A table for people, as payload.
    Table,
    /// One unique line each for a menu program, as payload.
    Dmenu,
}

/// Arguments of `list`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListArgs {
    /// Also what scripts run without a person (`-p`, SDK).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
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
    /// Bring its window to the workspace that has the focus.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub summon: bool,
    /// The asker's desktop.
    pub environ: BTreeMap<String, String>,
}

/// Arguments of `next` and `back`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
pub struct EndArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
}

/// Arguments of `preview`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Messages at most; 0 means 20.
    pub messages: usize,
}

/// Arguments of `ask`: a hook waits for the answer to a dialog. The reply comes when there is one,
/// or none is to be had any more.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AskArgs {
    /// The ancestors of the hook's process, nearest first: one of them is the session.
    pub processes: Vec<LocalKey>,
    /// The conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<ConversationId>,
    /// What is asked.
    pub asked: Asked,
}

/// Arguments of `asked`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AskedArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
}

/// Arguments of `answer`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnswerArgs {
    /// Which session.
    #[serde(flatten)]
    pub target: Target,
    /// Serial of the request that was read: another one is not answered by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// `"allow"`, `{"deny": "a word for the model"}` or `{"choose": [[0]]}`.
    pub decision: Decision,
}

/// Arguments of `explain`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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

/// A request, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Is anyone there?
    Ping,
    /// The sessions.
    List(ListArgs),
    /// Focus one.
    Switch(SwitchArgs),
    /// Focus the one that needs its user most, or the next one of a walk.
    Next(MoveArgs),
    /// Focus what had the focus before vmux moved it.
    Back(MoveArgs),
    /// Name one.
    Label(LabelArgs),
    /// Leave one alone for a while.
    Snooze(SnoozeArgs),
    /// Keep one on top.
    Pin(PinArgs),
    /// End one.
    End(EndArgs),
    /// The end of a conversation.
    Preview(PreviewArgs),
    /// What a verdict was made from.
    Explain(ExplainArgs),
    /// rofi's script mode.
    Rofi(RofiArgs),
    /// A hook waits for the answer to a dialog.
    Ask(Box<AskArgs>),
    /// What a session asks, whole.
    Asked(AskedArgs),
    /// What a user decided.
    Answer(AnswerArgs),
    /// What a hook of a session reports. The asker need not wait for the reply.
    Hook(Box<HookReport>),
    /// How the daemon is.
    Status,
    /// All sessions, and every change of them from then on: a line each, see [`EventLine`].
    Subscribe,
    /// End the daemon.
    Stop,
}

impl Request {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it, for the reply.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let envelope: Envelope<'_> = serde_json::from_slice(line)
            .map_err(|error| format!("could not read the request: {error}"))?;
        let args = envelope.args.map_or("{}", RawValue::get);
        let args = if args == "null" { "{}" } else { args };
        fn read<'a, T: Deserialize<'a>>(action: &str, args: &'a str) -> Result<T, String> {
            serde_json::from_str(args)
                .map_err(|error| format!("could not read the arguments of {action}: {error}"))
        }
        let action = envelope.action.as_str();
        Ok(match action {
            "ping" => Self::Ping,
            "list" => Self::List(read(action, args)?),
            "switch" => Self::Switch(read(action, args)?),
            "next" => Self::Next(read(action, args)?),
            "back" => Self::Back(read(action, args)?),
            "label" => Self::Label(read(action, args)?),
            "snooze" => Self::Snooze(read(action, args)?),
            "pin" => Self::Pin(read(action, args)?),
            "end" => Self::End(read(action, args)?),
            "preview" => Self::Preview(read(action, args)?),
            "explain" => Self::Explain(read(action, args)?),
            "rofi" => Self::Rofi(read(action, args)?),
            "ask" => Self::Ask(Box::new(read(action, args)?)),
            "asked" => Self::Asked(read(action, args)?),
            "answer" => Self::Answer(read(action, args)?),
            "hook" => Self::Hook(Box::new(read(action, args)?)),
            "status" => Self::Status,
            "subscribe" => Self::Subscribe,
            "stop" => Self::Stop,
            other => return Err(format!("unknown action {:?}", CleanText::line(other))),
        })
    }

    /// Whether it moves or changes something, so that it must not be done for somebody who has
    /// given up waiting. A hook's report is told, and not asked.
    #[must_use]
    pub fn acts(&self) -> bool {
        match self {
            Self::Switch(_)
            | Self::Next(_)
            | Self::Back(_)
            | Self::Label(_)
            | Self::Snooze(_)
            | Self::Pin(_)
            | Self::End(_)
            | Self::Rofi(_)
            | Self::Answer(_)
            | Self::Stop => true,
            Self::Ping
            | Self::List(_)
            | Self::Preview(_)
            | Self::Explain(_)
            | Self::Ask(_)
            | Self::Asked(_)
            | Self::Hook(_)
            | Self::Status
            | Self::Subscribe => false,
        }
    }

    /// Writes one line, its line break included.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        fn write<T: Serialize>(action: &str, args: &T) -> Vec<u8> {
            let mut line = serde_json::to_vec(&Written { action, args }).unwrap_or_default();
            line.push(b'\n');
            line
        }
        let nothing = BTreeMap::<String, String>::new();
        match self {
            Self::Ping => write("ping", &nothing),
            Self::List(args) => write("list", args),
            Self::Switch(args) => write("switch", args),
            Self::Next(args) => write("next", args),
            Self::Back(args) => write("back", args),
            Self::Label(args) => write("label", args),
            Self::Snooze(args) => write("snooze", args),
            Self::Pin(args) => write("pin", args),
            Self::End(args) => write("end", args),
            Self::Preview(args) => write("preview", args),
            Self::Explain(args) => write("explain", args),
            Self::Rofi(args) => write("rofi", args),
            Self::Ask(args) => write("ask", args),
            Self::Asked(args) => write("asked", args),
            Self::Answer(args) => write("answer", args),
            Self::Hook(report) => write("hook", report),
            Self::Status => write("status", &nothing),
            Self::Subscribe => write("subscribe", &nothing),
            Self::Stop => write("stop", &nothing),
        }
    }
}

/// One message of a preview.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewMessage {
    /// `user`, `assistant` or `tool`.
    pub role: CleanText,
    /// What was said; may hold line breaks.
    #[serde(deserialize_with = "deserialize_block")]
    pub text: CleanText,
    /// When.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub at: Option<DateTime<Utc>>,
}

/// How the daemon is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    #[serde(deserialize_with = "time::deserialize")]
    pub started_at: Option<DateTime<Utc>>,
    /// Where it listens.
    pub socket: String,
    /// Sessions by state.
    pub counts: BTreeMap<String, usize>,
    /// Sessions that ask for an answer (a menu that a user opened does not).
    pub attention: usize,
    /// Requests answered.
    pub requests: u64,
    /// Connections open.
    pub connections: usize,
    /// Each source, and how it is.
    pub sources: BTreeMap<String, SourceStatus>,
}

/// How a source is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// Whether it works.
    pub ok: bool,
    /// What there is to say of it.
    pub detail: String,
    /// What it has to do without, and what helps; it works nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// When it last reported.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub at: Option<DateTime<Utc>>,
}

/// A reply.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// Why not, for people.
    pub error: Option<String>,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Why not, for programs: `no_match`, `ambiguous`, or a code of `no_window`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Sessions: those asked for, the one that was acted on, or those that fit equally well.
    pub sessions: Vec<Arc<Session>>,
    /// Of `preview`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<PreviewMessage>,
    /// Of `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<RawValue>>,
    /// Of `status` and `ping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Of `asked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Of `ask`: what was decided, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Of `back`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landed: Option<Landed>,
    /// Bytes that follow this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<usize>,
}

impl Reply {
    /// Done.
    #[must_use]
    pub fn done() -> Self {
        Self {
            ok: true,
            ..Self::default()
        }
    }

    /// Not done.
    #[must_use]
    pub fn error(code: &str, error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            code: Some(code.into()),
            ..Self::default()
        }
    }

    /// One line, its line break included.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// One line of a subscription. The first holds the whole state; each later one has the next
/// serial, so that a subscriber can tell that nothing is missing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EventLine {
    /// Serial. It begins anew with each daemon.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl EventLine {
    /// One line, its line break included.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A reply whose bytes follow its line.
#[must_use]
pub fn render_payload(mut payload: Vec<u8>) -> Vec<u8> {
    let line = format!(
        "{{\"ok\":true,\"error\":null,\"sessions\":[],\"payload\":{}}}\n",
        payload.len()
    );
    // Put before it in place: another buffer of this size costs more than moving it.
    payload.splice(0..0, line.into_bytes());
    payload
}
