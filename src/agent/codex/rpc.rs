//! What is said over the app-server's socket: JSON-RPC without its version. Pure.
//!
//! **Source:** 0.161.0 to 0.171.0, and the schema that 0.171.0 prints of itself
//! (`codex app-server generate-json-schema`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::core::model::time;
use crate::core::text::CleanText;

/// Who asks, as the app-server's log names it.
const CLIENT: &str = "vmux";

/// A message of the app-server.
#[derive(Debug)]
pub enum Message<'a> {
    /// The answer to the request of this number; or why there is none.
    Answer(u64, Result<&'a RawValue, String>),
    /// It tells something, at this time.
    Told(&'a str, &'a RawValue, Option<DateTime<Utc>>),
    /// It asks something, under a number of its own.
    Asked(Value, &'a str, &'a RawValue),
    /// Nothing that is known.
    Unknown,
}

/// Reads a message.
#[must_use]
pub fn read(bytes: &[u8]) -> Message<'_> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        id: Option<Value>,
        method: Option<&'a str>,
        #[serde(borrow)]
        params: Option<&'a RawValue>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        error: Option<Failure>,
        #[serde(rename = "emittedAtMs", default)]
        emitted_at: Value,
    }
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        message: String,
    }
    let Ok(raw) = serde_json::from_slice::<Raw<'_>>(bytes) else {
        return Message::Unknown;
    };
    let params = raw.params.unwrap_or(RawValue::NULL);
    match (raw.id, raw.method) {
        (None, Some(method)) => {
            let at = raw.emitted_at.as_i64().and_then(time::from_millis);
            Message::Told(method, params, at)
        }
        (Some(id), Some(method)) => Message::Asked(id, method, params),
        (Some(id), None) => match (id.as_u64(), raw.error, raw.result) {
            (Some(id), Some(failure), _) => Message::Answer(id, Err(failure.message)),
            (Some(id), None, Some(result)) => Message::Answer(id, Ok(result)),
            _ => Message::Unknown,
        },
        (None, None) => Message::Unknown,
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// The first of all.
    Initialize,
    /// Which threads are loaded.
    LoadedList,
    /// What is known of one of them.
    ReadThread(String),
    /// Takes part in one, which sends what it asks anew.
    Resume(String),
    /// Leaves it.
    Unsubscribe(String),
}

impl Request {
    /// As it is sent.
    #[must_use]
    pub fn write(&self, id: u64) -> String {
        let (method, params) = match self {
            Self::Initialize => {
                let client = json!({"name": CLIENT, "version": env!("CARGO_PKG_VERSION")});
                let params = json!({"clientInfo": client, "capabilities": {}});
                ("initialize", params)
            }
            Self::LoadedList => ("thread/loaded/list", json!({})),
            Self::ReadThread(id) => {
                let params = json!({"threadId": id, "includeTurns": false});
                ("thread/read", params)
            }
            Self::Resume(id) => {
                let params = json!({"threadId": id, "excludeTurns": true});
                ("thread/resume", params)
            }
            Self::Unsubscribe(id) => ("thread/unsubscribe", json!({"threadId": id})),
        };
        json!({"id": id, "method": method, "params": params}).to_string()
    }
}

/// What has to follow the answer to [`Request::Initialize`].
pub const INITIALIZED: &str = r#"{"method":"initialized"}"#;

/// The reply to a request of the app-server.
#[must_use]
pub fn reply(id: &Value, result: &Value) -> String {
    json!({"id": id, "result": result}).to_string()
}

/// What a thread does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Status {
    /// Its turn is over.
    Idle,
    /// A turn runs.
    Active(Vec<Flag>),
    /// The model's API failed, the turn is over.
    SystemError,
    /// It is not in memory.
    NotLoaded,
    /// A word that this version does not know; empty if there was none.
    Unknown(CleanText),
    /// It was not told yet.
    #[default]
    Untold,
}

/// What a turn waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flag {
    /// The user's permission.
    Approval,
    /// The user's answer to a question.
    UserInput,
    /// Something that this version does not know.
    Unknown(CleanText),
}

impl Status {
    /// Whether a turn runs.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active(_))
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "camelCase")]
        struct Raw {
            r#type: String,
            active_flags: Vec<String>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let flag = |word: &String| match word.as_str() {
            "waitingOnApproval" => Flag::Approval,
            "waitingOnUserInput" => Flag::UserInput,
            other => Flag::Unknown(CleanText::line(other)),
        };
        Ok(match raw.r#type.as_str() {
            "idle" => Self::Idle,
            "active" => Self::Active(raw.active_flags.iter().take(8).map(flag).collect()),
            "systemError" => Self::SystemError,
            "notLoaded" => Self::NotLoaded,
            other => Self::Unknown(CleanText::line(other)),
        })
    }
}

/// A thread, as `thread/read` tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Thread {
    /// Its id, which is that of the conversation.
    pub id: String,
    /// What it does.
    pub status: Status,
    /// Where it works.
    pub cwd: String,
    /// The model.
    pub model: Option<String>,
    /// Its title.
    pub name: Option<String>,
    /// Its rollout, which may not exist yet. What has none is the agent's own, such as the one
    /// that makes up titles.
    pub path: Option<String>,
    /// The version that wrote it.
    pub cli_version: Option<String>,
    /// The thread that started it as a subagent.
    pub parent_thread_id: Option<String>,
    /// Its last change, in seconds since 1970.
    pub recency_at: Option<i64>,
}

impl Thread {
    /// Whether it is a conversation with a person.
    #[must_use]
    pub fn is_conversation(&self) -> bool {
        self.path.is_some() && self.parent_thread_id.is_none()
    }
}

/// The ids in an answer to [`Request::LoadedList`].
#[must_use]
pub fn loaded(result: &RawValue) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Loaded {
        data: Vec<String>,
    }
    let loaded: Loaded = serde_json::from_str(result.get()).ok()?;
    Some(loaded.data)
}

/// The thread in an answer to [`Request::ReadThread`].
#[must_use]
pub fn thread(result: &RawValue) -> Option<Thread> {
    #[derive(Deserialize)]
    struct Read {
        thread: Thread,
    }
    let read: Read = serde_json::from_str(result.get()).ok()?;
    Some(read.thread)
}

/// What the app-server tells by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A thread does something else now.
    Status(String, Status),
    /// A thread is no longer in memory.
    Closed(String),
    /// A thread has another name, or is new.
    Changed(String),
    /// A request of the app-server has its answer.
    Resolved(Value),
    /// Nothing of interest.
    Other,
}

/// Reads what the app-server tells.
#[must_use]
pub fn told(method: &str, params: &RawValue) -> Told {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct Params {
        thread_id: String,
        status: Status,
        request_id: Value,
    }
    let of = || serde_json::from_str::<Params>(params.get()).unwrap_or_default();
    let about =
        |told: fn(String) -> Told| Some(of().thread_id).filter(|id| !id.is_empty()).map(told);
    let told = match method {
        "thread/status/changed" => {
            let params = of();
            let known = !params.thread_id.is_empty();
            known.then_some(Told::Status(params.thread_id, params.status))
        }
        "thread/closed" | "thread/deleted" => about(Told::Closed),
        "thread/name/updated" | "thread/settings/updated" => about(Told::Changed),
        "serverRequest/resolved" => Some(Told::Resolved(of().request_id)),
        _ => None,
    };
    told.unwrap_or(Told::Other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thread_of(bytes: &str) -> Thread {
        let Message::Answer(7, Ok(result)) = read(bytes.as_bytes()) else {
            panic!("an answer");
        };
        thread(result).unwrap()
    }

    /// As 0.171.0 wrote it.
    #[test]
    fn a_thread_is_read_and_one_without_a_rollout_is_told_apart() {
        let read = thread_of(
            r#"{"id":7,"result":{"thread":{"id":"01a221f3","parentThreadId":null,"ephemeral":false,"model":"lab-model","createdAt":1795865930,"recencyAt":1795866281,"status":{"type":"active","activeFlags":["waitingOnApproval"]},"path":"/h/rollout.jsonl","cwd":"/h/work","cliVersion":"0.171.0","name":"esc:touch lab.txt","turns":[]},"readState":null}}"#,
        );
        assert_eq!(read.status, Status::Active(vec![Flag::Approval]));
        assert_eq!(
            (&*read.cwd, read.recency_at),
            ("/h/work", Some(1_795_866_281))
        );
        assert!(read.is_conversation());
        let hidden = thread_of(
            r#"{"id":7,"result":{"thread":{"id":"01a221f8","status":{"type":"idle"},"path":null,"cwd":"/h/work","name":null}}}"#,
        );
        assert!(!hidden.is_conversation());
        let Message::Answer(1, Err(why)) =
            super::read(br#"{"id":1,"error":{"code":-32600,"message":"no"}}"#)
        else {
            panic!("a failure");
        };
        assert_eq!(why, "no");
    }

    #[test]
    fn what_is_told_is_read_and_unknown_words_survive() {
        let told = |text: &str| match read(text.as_bytes()) {
            Message::Told(method, params, _) => told(method, params),
            other => panic!("{other:?}"),
        };
        let status = |word: &str| {
            let params = format!(r#"{{"threadId":"t","status":{word}}}"#);
            told(&format!(
                r#"{{"method":"thread/status/changed","params":{params}}}"#
            ))
        };
        let is = |status| Told::Status("t".into(), status);
        assert_eq!(status(r#"{"type":"idle"}"#), is(Status::Idle));
        assert_eq!(status(r#"{"type":"systemError"}"#), is(Status::SystemError));
        let flags =
            status(r#"{"type":"active","activeFlags":["waitingOnUserInput","waitingOnTea"]}"#);
        let tea = Flag::Unknown(CleanText::line("waitingOnTea"));
        assert_eq!(flags, is(Status::Active(vec![Flag::UserInput, tea])));
        let dreams = Status::Unknown(CleanText::line("dreams"));
        assert_eq!(status(r#"{"type":"dreams","of":1}"#), is(dreams));
        let closed = told(r#"{"method":"thread/closed","params":{"threadId":"t"}}"#);
        assert_eq!(closed, Told::Closed("t".into()));
        let resolved =
            told(r#"{"method":"serverRequest/resolved","params":{"threadId":"t","requestId":0}}"#);
        assert_eq!(resolved, Told::Resolved(json!(0)));
        for odd in [
            r#"{"method":"thread/status/changed"}"#,
            r#"{"method":"thread/closed","params":[1]}"#,
            r#"{"method":"of/a/newer/version","params":{"x":1}}"#,
        ] {
            assert_eq!(told(odd), Told::Other, "{odd}");
        }
    }

    #[test]
    fn a_request_and_a_reply_are_written() {
        let wanted =
            r#"{"id":3,"method":"thread/read","params":{"includeTurns":false,"threadId":"t"}}"#;
        assert_eq!(Request::ReadThread("t".into()).write(3), wanted);
        let accept = reply(&json!(0), &json!({"decision": "accept"}));
        assert_eq!(accept, r#"{"id":0,"result":{"decision":"accept"}}"#);
        let asked = br#"{"method":"item/x/requestApproval","id":0,"params":{}}"#;
        assert!(matches!(read(asked), Message::Asked(id, "item/x/requestApproval", _) if id == 0));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = read(&bytes);
        }
    }
}
