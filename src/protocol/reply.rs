//! What the daemon says: a body for each verb in one frame, or why not.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

pub use super::contents::{Committed, Contents};
use super::version::OWN;
use crate::core::model::{Decision, Dialog, Event, Landed, Session, Trouble, TroubleCode, time};
use crate::core::text::{CleanText, deserialize_block};

/// A reply: what was asked for, or why it was not done.
pub type Reply<R> = Result<R, Refusal>;

/// What the reply to a verb holds beside the frame `{"ok", "error", "sessions"}`.
pub trait Body: Serialize + DeserializeOwned {
    /// The frame's sessions: those asked for, or the one that was acted on.
    fn sessions(&self) -> &[Arc<Session>] {
        &[]
    }

    /// What its user should know though it was done.
    fn note(&self) -> Option<&CleanText> {
        None
    }
}

/// Of `hook` and `stop`: it was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Done {}

impl Body for Done {}

/// Of `ping` and `status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Health {
    /// How the daemon is.
    pub status: DaemonStatus,
}

impl Body for Health {}

/// Of `list`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listed {
    /// In display order; none where a text was asked for.
    #[serde(skip_serializing)]
    pub sessions: Vec<Arc<Session>>,
    /// Bytes of a text that follow this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<usize>,
}

impl Body for Listed {
    fn sessions(&self) -> &[Arc<Session>] {
        &self.sessions
    }
}

/// Of `rofi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Page {
    /// Bytes that follow this line.
    pub payload: usize,
}

impl Body for Page {}

/// Of what moves the focus to a session: `switch`, `next`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Moved {
    /// The session.
    #[serde(rename = "sessions", deserialize_with = "first", skip_serializing)]
    pub session: Arc<Session>,
    /// What its user should know though it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<CleanText>,
}

impl Body for Moved {
    fn sessions(&self) -> &[Arc<Session>] {
        slice::from_ref(&self.session)
    }

    fn note(&self) -> Option<&CleanText> {
        self.note.as_ref()
    }
}

/// Of what else is done to one session: `label`, `snooze`, `pin`, `end`, `answer`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Acted {
    /// The session, as it is after that.
    #[serde(rename = "sessions", deserialize_with = "first", skip_serializing)]
    pub session: Arc<Session>,
}

/// Of `preview`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Previewed {
    /// The session.
    #[serde(rename = "sessions", deserialize_with = "first", skip_serializing)]
    pub session: Arc<Session>,
    /// The end of its conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<PreviewMessage>,
    /// Commits that it had part in, where that is kept; the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<Committed>,
}

/// Of `explain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explained {
    /// The session.
    #[serde(rename = "sessions", deserialize_with = "first", skip_serializing)]
    pub session: Arc<Session>,
    /// What its verdict was made from.
    pub explanation: Box<RawValue>,
}

/// Of `asked`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asks {
    /// The session.
    #[serde(rename = "sessions", deserialize_with = "first", skip_serializing)]
    pub session: Arc<Session>,
    /// The dialog that it waits in.
    pub asked: Dialog,
}

macro_rules! of_one_session {
    ($($body:ty),*) => {
        $(impl Body for $body {
            fn sessions(&self) -> &[Arc<Session>] {
                slice::from_ref(&self.session)
            }
        })*
    };
}

of_one_session!(Acted, Previewed, Explained, Asks);

/// Of `ask`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decided {
    /// What was decided; none if that is not to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl Body for Decided {}

/// Of `back`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WentBack {
    /// Where that led.
    pub landed: Landed,
}

impl Body for WentBack {}

/// The one session of a frame.
fn first<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Session>, D::Error> {
    let sessions = Vec::<Arc<Session>>::deserialize(deserializer)?;
    let first = sessions.into_iter().next();
    first.ok_or_else(|| D::Error::custom("no session in the reply"))
}

/// Why a request was not done.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// For people.
    #[serde(default = "refused")]
    pub error: String,
    /// What a person can do about it.
    #[serde(default)]
    pub hint: Option<String>,
    /// For programs.
    #[serde(default)]
    pub code: Code,
    /// The sessions that fit equally well, or the one that it was about.
    #[serde(default)]
    pub sessions: Vec<Arc<Session>>,
}

fn refused() -> String {
    "the daemon refused".into()
}

impl Refusal {
    /// A refusal without a hint.
    #[must_use]
    pub fn new(code: impl Into<Code>, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            hint: None,
            code: code.into(),
            sessions: Vec::new(),
        }
    }

    /// A trouble, after what could not be done.
    #[must_use]
    pub fn of(could_not: &str, trouble: &Trouble) -> Self {
        Self {
            hint: trouble.hint.as_deref().map(str::to_owned),
            ..Self::new(trouble.code, format!("{could_not}: {}", trouble.message))
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// One line, its line break included.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        line(&Frame {
            ok: false,
            version: OWN,
            error: Some(&self.error),
            hint: self.hint.as_deref(),
            code: Some(self.code),
            sessions: &self.sessions,
            body: &Done {},
        })
    }
}

/// Why a request was not done, for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Code {
    /// The request could not be met.
    Refused(RefusalCode),
    /// The session or its window is the trouble.
    Trouble(TroubleCode),
}

impl Default for Code {
    fn default() -> Self {
        Self::Trouble(TroubleCode::Unknown)
    }
}

impl From<RefusalCode> for Code {
    fn from(code: RefusalCode) -> Self {
        Self::Refused(code)
    }
}

impl From<TroubleCode> for Code {
    fn from(code: TroubleCode) -> Self {
        Self::Trouble(code)
    }
}

/// Why a request could not be met. What is none of these is a [`TroubleCode`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum RefusalCode {
    /// It is no request.
    BadRequest,
    /// No session matches.
    NoMatch,
    /// Several sessions match equally well.
    Ambiguous,
    /// No session waits.
    NothingWaits,
    /// The session asks nothing that can be answered from here.
    NothingAsked,
    /// The decision fits no dialog.
    NotAnswered,
    /// The conversation could not be read.
    Unreadable,
    /// The change could not be written.
    Unsaved,
    /// Only the daemon can do it.
    NoDaemon,
    /// Too much is asked at once.
    Busy,
    /// A bug of vmux.
    Bug,
}

/// A reply as it is written.
#[derive(Serialize)]
struct Frame<'a, R> {
    ok: bool,
    version: &'a str,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    sessions: &'a [Arc<Session>],
    #[serde(flatten)]
    body: &'a R,
}

fn line<T: Serialize>(content: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(content).unwrap_or_default();
    line.push(b'\n');
    line
}

/// One line, its line break included.
#[must_use]
pub fn render<R: Body>(reply: &Reply<R>) -> Vec<u8> {
    match reply {
        Err(refusal) => refusal.render(),
        Ok(body) => line(&Frame {
            ok: true,
            version: OWN,
            error: None,
            hint: None,
            code: None,
            sessions: body.sessions(),
            body,
        }),
    }
}

/// The same, and that there is nothing to be told of it.
#[must_use]
pub fn is_just_done(line: &[u8]) -> bool {
    // A quote within a text has a backslash before it.
    let note = b"\"note\":";
    is_done(line) && !line.windows(note.len()).any(|part| part == note)
}

/// Whether the line of a reply says that it was done; read without JSON, as vmux writes it.
#[must_use]
pub fn is_done(line: &[u8]) -> bool {
    line.starts_with(b"{\"ok\":true")
}

/// Why the line of a reply says that it was not done, in words for people; `None` if it was. The
/// rest of the line is not read: what does that is most of a small program.
///
/// # Errors
/// Those of JSON that is none.
pub fn refusal_words(line: &[u8]) -> Result<Option<String>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        ok: bool,
        error: Option<String>,
    }
    if is_done(line) {
        return Ok(None);
    }
    let head: Head = serde_json::from_slice(line)?;
    Ok((!head.ok).then(|| head.error.unwrap_or_else(refused)))
}

/// Reads the line of a reply.
///
/// # Errors
/// Those of JSON that is none, or not of this verb.
pub fn read<R: Body>(line: &[u8]) -> Result<Reply<R>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        ok: bool,
    }
    if is_done(line) || serde_json::from_slice::<Head>(line)?.ok {
        serde_json::from_slice(line).map(Ok)
    } else {
        serde_json::from_slice(line).map(Err)
    }
}

/// One message of a preview.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DaemonStatus {
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

/// One line of a subscription. The first holds the whole state; each later one has the next
/// serial, so that a subscriber can tell that nothing is missing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventLine {
    /// Serial. It begins anew with each daemon.
    pub seq: u64,
    /// Who tells it, beside a whole state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<CleanText>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl EventLine {
    /// What happened.
    #[must_use]
    pub fn of(seq: u64, event: Event) -> Self {
        let version = None;
        Self {
            seq,
            version,
            event,
        }
    }

    /// The whole state, and who tells it.
    #[must_use]
    pub fn state(seq: u64, sessions: Vec<Arc<Session>>) -> Self {
        Self {
            version: CleanText::line(OWN).some(),
            ..Self::of(seq, Event::State { sessions })
        }
    }

    /// One line, its line break included.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        line(self)
    }
}

/// A reply whose bytes follow its line.
#[must_use]
pub fn render_payload(mut payload: Vec<u8>) -> Vec<u8> {
    let line = format!(
        "{{\"ok\":true,\"version\":\"{OWN}\",\"error\":null,\"sessions\":[],\"payload\":{}}}\n",
        payload.len()
    );
    // Put before it in place: another buffer of this size costs more than moving it.
    payload.splice(0..0, line.into_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Pid;

    fn text(line: &[u8]) -> &str {
        std::str::from_utf8(line).unwrap()
    }

    #[test]
    fn a_reply_is_its_frame_and_what_its_verb_adds() {
        let decided = Decided {
            decision: Some(Decision::Allow),
        };
        assert_eq!(
            text(&render(&Ok(decided))),
            format!(
                "{{\"ok\":true,\"version\":\"{OWN}\",\"error\":null,\"sessions\":[],\"decision\":\"allow\"}}\n"
            )
        );
        let session = Arc::new(Session {
            pid: Pid(7),
            ..Session::default()
        });
        let acted = render(&Ok(Acted {
            session: Arc::clone(&session),
        }));
        let frame = text(&acted).matches("\"sessions\"").count();
        assert_eq!(frame, 1, "{}", text(&acted));
        assert_eq!(read::<Acted>(&acted).unwrap(), Ok(Acted { session }));
        let refusal = Refusal::new(RefusalCode::NoMatch, "none").hint("look");
        let line = render::<Done>(&Err(refusal.clone()));
        assert_eq!(
            text(&line),
            format!(
                "{{\"ok\":false,\"version\":\"{OWN}\",\"error\":\"none\",\"hint\":\"look\",\"code\":\"no_match\",\"sessions\":[]}}\n"
            )
        );
        assert_eq!(read::<Acted>(&line).unwrap(), Err(refusal));
    }

    #[test]
    fn the_explanation_goes_through_as_it_is() {
        let raw = r#"{"rule":"x","evidence":{"a":1.50}}"#;
        let line = render(&Ok(Explained {
            session: Arc::default(),
            explanation: serde_json::from_str(raw).unwrap(),
        }));
        let read = read::<Explained>(&line).unwrap().unwrap();
        assert_eq!(read.explanation.get(), raw);
    }

    #[test]
    fn every_code_is_one_word_both_ways_and_a_new_one_is_unknown() {
        let codes = [
            Code::from(RefusalCode::Ambiguous),
            RefusalCode::BadRequest.into(),
            RefusalCode::NothingWaits.into(),
            TroubleCode::Ambiguous.into(),
            TroubleCode::Gone.into(),
            TroubleCode::WmHung.into(),
        ];
        let words = codes.map(|code| serde_json::to_string(&code).unwrap());
        assert_eq!(
            words.join(" "),
            r#""ambiguous" "bad_request" "nothing_waits" "ambiguous_window" "gone" "wm_hung""#
        );
        for (code, word) in codes.into_iter().zip(words) {
            assert_eq!(serde_json::from_str::<Code>(&word).unwrap(), code);
        }
        let newer = br#"{"more": 1, "ok": false, "error": "no", "code": "of_the_future"}"#;
        let refusal = read::<Health>(newer).unwrap().unwrap_err();
        assert_eq!(refusal.code, Code::default());
        let bare = read::<Health>(br#"{"ok": false}"#).unwrap().unwrap_err();
        assert_eq!(bare.error, "the daemon refused");
    }

    #[test]
    fn a_line_that_is_no_reply_is_an_error() {
        for line in ["", "{}", "[]", r#"{"ok":true,"error":null,"sessions":[]}"#] {
            assert!(read::<Acted>(line.as_bytes()).is_err(), "{line}");
        }
    }
}
