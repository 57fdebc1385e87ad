//! A session as the registry publishes it and as it travels.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    ConversationId, GitDoing, LocalKey, Pid, SessionKey, Standing, Trouble, TroubleCode, WindowId,
    WindowKey, WmAddress, Xid, time,
};
use crate::core::text::CleanText;

/// vmux's verdict on a session. Few values that never change meaning; [`Reason`] carries the rest.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum State {
    /// It works: text streams, a tool runs, it waits for its model.
    Working,
    /// A dialog is open and nothing goes on before a person answers.
    NeedsInput,
    /// Its turn is over.
    Idle,
    /// What is known does not decide it.
    #[default]
    #[serde(other)]
    Unknown,
}

impl State {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::NeedsInput => "needs_input",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a session is in its state, where there is more to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It asks whether it may use a tool.
    Permission,
    /// It asks a question with options.
    Question,
    /// It asks whether its plan is good.
    Plan,
    /// The user opened a menu of the agent: it waits, but asks nothing. Never notified.
    Dialog,
    /// Its turn is over, a shell it started goes on.
    BackgroundShell,
    /// Its turn is over, a subagent it started goes on.
    BackgroundAgent,
    /// Stopped with Ctrl+Z.
    Suspended,
    /// The process is up, its session is not yet (start, or a dialog before it).
    Starting,
    /// It has not started yet: a dialog (trust, login) is open before its session.
    StartDialog,
    /// Its last turn was interrupted by the user.
    Interrupted,
    /// Its last turn ended with an error of the model's API.
    Error,
    /// Two sources or two transcripts fit, and nothing tells them apart.
    Ambiguous,
    /// What it wrote made vmux fail, which is a bug of vmux.
    Unreadable,
    /// A word of the agent that this version does not know.
    Other(CleanText),
}

impl Reason {
    /// The words on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Permission => "permission prompt",
            Self::Question => "question",
            Self::Plan => "plan",
            Self::Dialog => "dialog",
            Self::BackgroundShell => "background shell",
            Self::BackgroundAgent => "background agent",
            Self::Suspended => "suspended",
            Self::Starting => "starting",
            Self::StartDialog => "start dialog",
            Self::Interrupted => "interrupted",
            Self::Error => "error",
            Self::Ambiguous => "ambiguous",
            Self::Unreadable => "unreadable",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        match text {
            "permission prompt" => Self::Permission,
            "question" => Self::Question,
            "plan" => Self::Plan,
            "dialog" => Self::Dialog,
            "background shell" => Self::BackgroundShell,
            "background agent" => Self::BackgroundAgent,
            "suspended" => Self::Suspended,
            "starting" => Self::Starting,
            "start dialog" => Self::StartDialog,
            "interrupted" => Self::Interrupted,
            "error" => Self::Error,
            "ambiguous" => Self::Ambiguous,
            "unreadable" => Self::Unreadable,
            other => Self::Other(CleanText::line(other)),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Cow::<'de, str>::deserialize(deserializer)?.as_ref().into())
    }
}

/// What sort of session a process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Kind {
    /// A person sits at its terminal.
    #[default]
    Interactive,
    /// The agent runs it in the background, on a terminal of its own.
    Background,
    /// A person sits at it in the panel of another program, such as an editor: it has no terminal.
    Panel,
    /// One prompt from a script, or a program that uses the agent's SDK. Listed with `--all`.
    Headless,
    /// Of a newer vmux.
    #[serde(other)]
    Unknown,
}

/// A path as the session wrote it. Not cleaned, so that scripts can use it; printing goes through
/// [`RawPath::clean`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RawPath(pub String);

impl RawPath {
    /// The path, fit to be shown.
    #[must_use]
    pub fn clean(&self) -> CleanText {
        CleanText::line(&self.0)
    }

    /// The last component, fit to be shown; `/` for the root.
    #[must_use]
    pub fn base(&self) -> CleanText {
        let base = self
            .0
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let shown = CleanText::line(if base.is_empty() { "/" } else { base });
        // Of a name that nobody can see, its place is seen.
        shown
            .some()
            .unwrap_or_else(|| CleanText::line(&format!("{base:?}")))
    }
}

/// What the terminal of a session lives in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum HostKind {
    /// A window of its own.
    Terminal,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
    /// vmux's own holder of the session.
    Vmux,
    /// Not known, or of a newer vmux: an empty word.
    #[default]
    #[serde(other, rename = "")]
    Unknown,
}

impl HostKind {
    /// Whether it shows several terminals in one, and no event tells which.
    #[must_use]
    pub fn is_multiplexer(self) -> bool {
        matches!(self, Self::Tmux | Self::Screen | Self::Vmux)
    }
}

/// Where the terminal of a session lives.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host {
    /// Of what kind it is.
    pub kind: HostKind,
    /// The program that owns the window, or the multiplexer's server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<CleanText>,
    /// In tmux: `session:window.pane`, as its own commands take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<CleanText>,
}

/// The window that shows a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WindowRef {
    /// What its window manager calls it: `con_id` under i3 and sway, which changes when i3
    /// restarts, else `key`.
    #[serde(flatten)]
    pub key: WindowKey,
    /// X11 window, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xid: Option<Xid>,
    /// Where its window manager listens: a socket, or another address that begins with a name
    /// and a colon.
    #[serde(rename = "socket", skip_serializing_if = "Option::is_none")]
    pub manager: Option<WmAddress>,
    /// The window's own title.
    pub title: CleanText,
    /// The output (monitor) its workspace is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<CleanText>,
    /// Whether it has the input focus.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub focused: bool,
}

impl WindowRef {
    /// What identifies the window later; its owner is left open.
    #[must_use]
    pub fn id(&self) -> WindowId {
        WindowId {
            key: self.key,
            xid: self.xid,
            pid: None,
        }
    }
}

/// One live agent process, as every picker and every script sees it.
///
/// Times are RFC 3339 on the wire. Fields are only ever added.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Session {
    /// Identity while the process lives: `PID-TICKS`, of another machine `MACHINE/PID-TICKS`. A
    /// choice comes back by this.
    pub id: SessionKey,
    /// Process id, on its machine.
    pub pid: Pid,
    /// The agent's id of the conversation.
    pub session_id: Option<ConversationId>,
    /// The coding tool: `claude`.
    pub agent: CleanText,
    /// Working directory of the session.
    pub cwd: RawPath,
    /// Branch that is checked out there; the short commit if none is.
    pub git_branch: Option<CleanText>,
    /// What git does while no branch is checked out; the branch is then the one that comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_doing: Option<GitDoing>,
    /// Its directory was removed: it works nowhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cwd_gone: bool,
    /// The verdict.
    pub state: State,
    /// What decides or adds to the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Since when it is in this state.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub state_since: Option<DateTime<Utc>>,
    /// Since when it waits for an answer; set if and only if it does.
    #[serde(deserialize_with = "time::deserialize")]
    pub waiting_since: Option<DateTime<Utc>>,
    /// The call that waits for an answer: `Bash(cargo test)`, `AskUserQuestion(Which colour?)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<CleanText>,
    /// The question or the plan of that call alone, where it asks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<CleanText>,
    /// The last thing said in the conversation.
    pub preview: Option<CleanText>,
    /// Its turn ended while its user looked elsewhere, and he has not looked since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Until when its user does not want to hear of it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub snoozed_until: Option<DateTime<Utc>>,
    /// Its user wants it on top.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Workspace of its window; `scratchpad` if it is hidden there.
    pub workspace: Option<CleanText>,
    /// The name its user gave it in vmux.
    pub label: Option<CleanText>,
    /// The name the agent gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<CleanText>,
    /// Whether a person chose that name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub named_by_user: bool,
    /// Titles that the agent may have given its terminal, beside that name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub titles: Vec<CleanText>,
    /// Interactive, background or headless.
    pub kind: Kind,
    /// Name of the linked git worktree it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<CleanText>,
    /// Name of the repository's main directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<CleanText>,
    /// The file of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<RawPath>,
    /// The model that answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<CleanText>,
    /// Version of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<CleanText>,
    /// When the process started.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "time::deserialize"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// Its configuration directory, where it is not the user's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_dir: Option<CleanText>,
    /// Where its terminal lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// It runs in a container.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// The processes of its machine in whose terminals a background session is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shown_by: Vec<LocalKey>,
    /// The command that shows a background session in a terminal, or a list to choose it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<CleanText>,
    /// The window that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowRef>,
    /// Why no window is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_window: Option<TroubleCode>,
    /// Serial of what it asks, if that can be answered from vmux: its hook waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answerable: Option<u64>,
    /// What it asks can be answered from vmux through its agent, which tells its serial then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub answers: bool,
}

impl Session {
    /// Whether what it asks can be answered from vmux, one way or the other.
    #[must_use]
    pub fn can_be_answered(&self) -> bool {
        self.answerable.is_some() || self.answers
    }

    /// Whether vmux itself keeps it, so that it can be shown in any terminal.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        let host = self.host.as_ref();
        host.is_some_and(|host| host.kind == HostKind::Vmux)
    }

    /// Its process, for what can only be done on the machine that it runs on.
    ///
    /// # Errors
    /// `Elsewhere` if that is another one.
    pub fn here(&self) -> Result<LocalKey, Trouble> {
        self.id.local().ok_or_else(|| Trouble::elsewhere(&self.id))
    }

    /// What it asks, as people read it: a question, or the call that waits.
    #[must_use]
    pub fn asked(&self) -> Option<&CleanText> {
        self.question.as_ref().or(self.ask.as_ref())
    }

    /// All titles that it may have given its terminal.
    pub fn may_title(&self) -> impl Iterator<Item = &CleanText> {
        self.name.iter().chain(&self.titles)
    }

    /// What it counts as.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::of(self)
    }

    /// The name a person knows it by: label, the name its user gave in the agent, or the
    /// repository (with the worktree) or directory it works in.
    #[must_use]
    pub fn title(&self) -> CleanText {
        if let Some(label) = &self.label {
            return label.clone();
        }
        if let (Some(name), true) = (&self.name, self.named_by_user) {
            return name.clone();
        }
        self.place()
    }

    /// The name it has by itself, whatever its user calls it: the repository (with the worktree)
    /// or directory it works in.
    #[must_use]
    pub fn place(&self) -> CleanText {
        match (&self.repository, &self.worktree) {
            (Some(repository), Some(worktree)) => {
                CleanText::line(&format!("{repository}/{worktree}"))
            }
            _ => self.cwd.base(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ConId;

    #[test]
    fn a_host_has_the_words_it_always_had() {
        for (kind, word) in [
            (HostKind::Terminal, "terminal"),
            (HostKind::Tmux, "tmux"),
            (HostKind::Screen, "screen"),
            (HostKind::Vmux, "vmux"),
            (HostKind::Unknown, ""),
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
            assert_eq!(
                serde_json::from_value::<HostKind>(word.into()).unwrap(),
                kind
            );
        }
        let newer: Host = serde_json::from_str(r#"{"kind":"zellij"}"#).unwrap();
        assert_eq!(newer.kind, HostKind::Unknown);
    }

    #[test]
    fn a_window_of_any_system_travels() {
        let written = |key, xid| {
            let window = WindowRef {
                key,
                xid,
                manager: Some(WmAddress("/run/i3".into())),
                ..WindowRef::default()
            };
            let text = serde_json::to_string(&window).unwrap();
            assert_eq!(serde_json::from_str::<WindowRef>(&text).unwrap(), window);
            text
        };
        let con = written(WindowKey::Con(ConId(7)), Some(Xid(77)));
        let as_ever = r#"{"con_id":7,"xid":77,"socket":"/run/i3","title":""}"#;
        assert_eq!(con, as_ever);
        let x = written(WindowKey::X(Xid(77)), None);
        assert_eq!(x, r#"{"key":"x:77","socket":"/run/i3","title":""}"#);
        for odd in [r#"{"key":"kwin:{0a}"}"#, r#"{"key":"x:-1"}"#, "{}"] {
            let window: WindowRef = serde_json::from_str(odd).unwrap();
            assert_eq!(window.key, WindowKey::Unknown, "{odd}");
        }
    }

    #[test]
    fn an_older_reader_understands_a_newer_writer() {
        let text = r#"{"id":"1-2","pid":1,"state":"hibernating","kind":"swarm","reason":"tea break",
                       "fancy":{"new":[1]},"preview":"\u001b[31mred"}"#;
        let session: Session = serde_json::from_str(text).unwrap();
        assert_eq!(session.state, State::Unknown);
        assert_eq!(session.kind, Kind::Unknown);
        assert_eq!(session.reason.unwrap().as_str(), "tea break");
        assert_eq!(session.preview.unwrap().as_str(), "red");
    }

    #[test]
    fn a_name_that_nobody_can_see_is_shown_as_it_is_written() {
        let base = |path: &str| RawPath(path.into()).base().to_string();
        assert_eq!(base("/w/ "), "\" \"");
        assert_eq!(base("/w/\u{200b}"), r#""\u{200b}""#);
        assert_eq!((base("/"), base("/w/a b/")), ("/".into(), "a b".into()));
    }

    #[test]
    fn a_title_prefers_what_a_person_chose() {
        let mut session = Session {
            cwd: RawPath("/w/app/".into()),
            ..Session::default()
        };
        assert_eq!(session.title().as_str(), "app");
        session.name = Some(CleanText::line("app-91"));
        assert_eq!(session.title().as_str(), "app");
        session.repository = Some(CleanText::line("shop"));
        session.worktree = Some(CleanText::line("fix-cart"));
        assert_eq!(session.title().as_str(), "shop/fix-cart");
        session.named_by_user = true;
        assert_eq!(session.title().as_str(), "app-91");
        session.label = Some(CleanText::line("payments"));
        assert_eq!(session.title().as_str(), "payments");
    }
}
