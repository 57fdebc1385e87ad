//! What the sources report about a session, each fact with its source and age.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ConversationId, Kind, LocalKey, Place, RawPath, Reason, time};
use crate::core::text::CleanText;

/// Everything known about one session, as its source saw it last. Complete by itself: a newer
/// one replaces it, so that nothing stale can stick.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Evidence {
    /// Which coding tool: `claude`.
    pub agent: &'static str,
    /// Interactive, background or headless.
    pub kind: Kind,
    /// The conversation it is in, by its file or by the one transcript that fits.
    pub conversation: Option<ConversationId>,
    /// The operating system's view.
    pub process: ProcessFact,
    /// The agent's own status file, where its version writes one.
    pub file: Option<FileFact>,
    /// The conversation's last lines.
    pub transcript: Option<TranscriptFact>,
    /// The transcript of a subagent whose last call may ask, where the session's own files do not
    /// tell what is asked, or that anything is.
    pub subagent: Option<TranscriptFact>,
    /// Several conversations of its directory fit this process and nothing tells which is its own.
    pub transcript_ambiguous: bool,
    /// Whether this version writes a status file once its session has started.
    pub expects_file: bool,
    /// Whether a shell runs, or has run, what is pending, for versions whose files do not tell a
    /// running tool from a permission dialog.
    pub tool_shell: Option<bool>,
    /// What else is known of a background session.
    pub job: Option<JobFact>,
    /// What its hooks reported, where vmux's hooks are installed.
    pub hook: Option<HookFact>,
    /// The repository it works in.
    pub git: Option<GitFact>,
    /// Nothing lies at its directory any more.
    pub cwd_gone: bool,
    /// Why reading its files failed, which is a bug of vmux: nothing else here is to be believed.
    pub failed: Option<CleanText>,
    /// What could not be read, in words for `explain`.
    pub problems: Vec<CleanText>,
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
    /// Since when it has been in a dialog before its start: its inbox is open, and its session has
    /// not begun.
    pub inbox_at: Option<DateTime<Utc>>,
    /// It runs in a container, with processes or terminals of its own.
    pub container: bool,
    /// How a shell starts its CLI, for a process of a background session.
    pub cli: Option<CleanText>,
    /// When this was read.
    pub read_at: DateTime<Utc>,
}

/// `sessions/<pid>.json` of Claude Code 2.1.75 and newer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct FileFact {
    /// Where it lies.
    pub path: CleanText,
    /// The conversation it names.
    pub conversation: Option<ConversationId>,
    /// Working directory of the session.
    pub cwd: Option<RawPath>,
    /// What the agent calls its state; absent before 2.1.119 and in the first moments.
    pub status: Option<FileStatus>,
    /// What it waits for, in the agent's words.
    pub waiting_for: Option<CleanText>,
    /// The same in vmux's words.
    pub waiting_reason: Option<Reason>,
    /// This version says `busy` while a dialog is open.
    pub busy_lies: bool,
    /// This version says `busy` also when its turn is over and a background shell goes on.
    pub busy_spans_shells: bool,
    /// Since when, by the file's own clock.
    pub status_at: Option<DateTime<Utc>>,
    /// The agent's version.
    pub version: Option<CleanText>,
    /// The session's name.
    pub name: Option<CleanText>,
    /// Whether a person gave that name.
    pub named_by_user: bool,
    /// The id of a background session, fit to be part of a path.
    pub job: Option<CleanText>,
    /// `session:@window.%pane`, when started in tmux (2.1.225 and newer).
    pub tmux: Option<CleanText>,
    /// When the session started, by the file.
    pub started_at: Option<DateTime<Utc>>,
    /// When this content was first seen here.
    pub read_at: DateTime<Utc>,
    /// Since when it can be read no more: removed, replaced, emptied or made unreadable by another
    /// program. Then its status is not told here.
    pub lost_at: Option<DateTime<Utc>>,
}

/// A session that the agent runs in the background (2.1.328 and newer).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct JobFact {
    /// What it needs of its user, by `jobs/<id>/state.json`.
    pub needs: Option<CleanText>,
    /// The same, without the verb.
    pub ask: Option<CleanText>,
    /// The command that shows it in a terminal.
    pub attach: Option<CleanText>,
    /// The processes that show it in their terminals.
    pub shown_by: Vec<LocalKey>,
}

/// The agent's raw status word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// A turn runs.
    Busy,
    /// A dialog is open.
    Waiting,
    /// The turn is over.
    Idle,
    /// The turn is over, a background shell runs.
    Shell,
    /// A word that this version does not know.
    Other(CleanText),
}

/// The state of a conversation by its transcript.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TranscriptFact {
    /// Where it lies.
    pub path: RawPath,
    /// Its size in bytes when it was read.
    pub size: u64,
    /// Kind of the last line that belongs to the conversation.
    pub last: LastLine,
    /// That line's own time.
    pub at: Option<DateTime<Utc>>,
    /// Tools that were called and have not answered, in order.
    pub pending: Vec<ToolCall>,
    /// Background agents that the last turn left running.
    pub background_agents: u32,
    /// Whether the end of a turn may be followed by more at once: a subagent of it ends, a prompt
    /// was queued, or the version does not say of an answer that it is the last.
    pub may_go_on: bool,
    /// The last thing said, by either side.
    pub said: Option<CleanText>,
    /// The model that answered last.
    pub model: Option<CleanText>,
    /// The conversation's title.
    pub title: Option<CleanText>,
    /// When this was read.
    pub read_at: DateTime<Utc>,
}

impl TranscriptFact {
    /// Whether a call of one of these natures is pending.
    #[must_use]
    pub fn has_pending(&self, natures: &[CallNature]) -> bool {
        has_call(&self.pending, natures)
    }

    /// Whether what is pending is a subagent's work, and nothing that asks by itself.
    #[must_use]
    pub fn waits_for_subagent(&self) -> bool {
        self.has_pending(&[CallNature::Subagent]) && !self.has_pending(&CallNature::ASKING)
    }
}

/// Whether one of these calls is of one of these natures.
#[must_use]
pub fn has_call(calls: &[ToolCall], natures: &[CallNature]) -> bool {
    calls.iter().any(|call| natures.contains(&call.nature))
}

/// What the hooks of a session reported. Esc, "no" and the end of a process fire no hook, so that
/// nothing of this counts once anything newer is known: see `state`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HookFact {
    /// The newest report that says something of the state.
    pub event: HookEvent,
    /// When that arrived.
    pub at: DateTime<Utc>,
    /// The conversation the process is in.
    pub conversation: Option<ConversationId>,
    /// The dialog that was opened last.
    pub ask: Option<HookAsk>,
    /// The last message of the turn that ended last.
    pub said: Option<CleanText>,
}

/// A dialog that a hook told of.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct HookAsk {
    /// What it asks for; nothing where the version only says that it asks.
    pub call: Option<ToolCall>,
    /// When it was reported.
    pub at: DateTime<Utc>,
    /// When it was reported again as still open, which happens once, after six seconds.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The subagent that asks, if it is not the session itself.
    pub agent: Option<ConversationId>,
    /// When that subagent went on: its own transcript was written after the report.
    pub agent_went_on_at: Option<DateTime<Utc>>,
    /// A shell of a tool ran before it was reported: one that runs says nothing of an answer.
    pub beside_shell: bool,
}

impl HookFact {
    /// The dialog that was opened last, unless a line of the transcript is newer: an answer, a
    /// "no" and Esc each write one.
    #[must_use]
    pub fn open_ask(&self, last_line: Option<DateTime<Utc>>) -> Option<&HookAsk> {
        let answered = |ask: &HookAsk| last_line.is_some_and(|at| at > ask.told_at());
        self.ask.as_ref().filter(|ask| !answered(ask))
    }
}

impl HookAsk {
    /// When it was reported last.
    #[must_use]
    pub fn told_at(&self) -> DateTime<Utc> {
        self.confirmed_at.unwrap_or(self.at)
    }
}

/// What a hook reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
pub enum CallNature {
    /// A question to the user is open.
    Question,
    /// A plan waits for the user's yes.
    Plan,
    /// It runs in a child shell, or ends at once; without either, a permission is asked.
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

/// The last line of a transcript that belongs to the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastLine {
    /// There is none.
    #[default]
    Nothing,
    /// The user's prompt.
    Prompt,
    /// A tool's result; the model goes on.
    ToolResult,
    /// A tool call: it runs, or waits for permission.
    ToolCall,
    /// A tool call that has shown that it runs.
    ToolRuns,
    /// Thinking, or text that announces a tool call.
    Thinking,
    /// The answer.
    Answer,
    /// An error of the model's API, given up.
    ApiError,
    /// The user interrupted.
    Interrupted,
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

/// What a source reports to the registry.
#[derive(Clone, PartialEq, Debug)]
pub enum Observation {
    /// A session exists, with all that is known of it.
    Seen(LocalKey, Box<Evidence>),
    /// It has ended.
    Gone(LocalKey),
    /// These sessions exist, and no others: after a source had to start anew.
    Census(Vec<LocalKey>),
    /// Where it can be seen.
    Placed(LocalKey, Box<Place>),
    /// A hook of it waits for an answer: to the request of this serial, or no longer.
    Answerable(LocalKey, Option<u64>),
}
