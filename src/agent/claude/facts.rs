//! What Claude Code's files, hooks and processes tell of a session. Pure: claims are made from it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::model::{
    AsRead, CallNature, ConversationId, Evidence, HookEvent, Kind, LocalKey, ProcessFact, RawPath,
    Reason, ToolCall,
};
use crate::core::text::CleanText;
use crate::sys::ground::Ground;

/// What lists all background sessions, and shows the one that is chosen.
const LISTS: &str = "claude agents";

/// Everything that is known of one session.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Facts {
    /// Interactive, background or headless.
    #[serde(skip)]
    pub kind: Kind,
    /// The conversation it is in, by its file or by the one transcript that fits.
    #[serde(skip)]
    pub conversation: Option<ConversationId>,
    /// The operating system's view.
    #[serde(skip)]
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
    /// Since when it has been in a dialog before its start: its inbox is open, and its session has
    /// not begun.
    pub inbox_at: Option<DateTime<Utc>>,
    /// Whether a shell runs, or has run, what is pending, for versions whose files do not tell a
    /// running tool from a permission dialog.
    pub tool_shell: Option<bool>,
    /// What else is known of a background session.
    pub job: Option<JobFact>,
    /// What its hooks reported, where vmux's hooks are installed.
    pub hook: Option<HookFact>,
    /// What lies where it works.
    #[serde(skip)]
    pub ground: Ground,
    /// What could not be read, in words for `explain`.
    #[serde(skip)]
    pub problems: Vec<CleanText>,
}

impl Facts {
    /// What any agent tells of a session, with the claims that these facts make.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let (file, transcript) = (self.file.as_ref(), self.transcript.as_ref());
        let job = self.job.as_ref();
        let reported = || self.hook.as_ref()?.said.clone();
        let name = file.and_then(|file| file.name.as_ref());
        let topic = transcript.and_then(|transcript| transcript.title.as_ref());
        // The name of a file is made up of directory and number, while the terminal has the topic.
        let lists = || (self.kind == Kind::Background).then(|| CleanText::line(LISTS));
        let titles = name.and(topic).filter(|topic| name != Some(topic));
        Evidence {
            kind: self.kind,
            conversation: self.conversation.clone(),
            ambiguous: self.transcript_ambiguous,
            process: self.process.clone(),
            cwd: file.and_then(|file| file.cwd.clone()),
            started_at: file.and_then(|file| file.started_at),
            version: file.and_then(|file| file.version.clone()),
            name: name.or(topic).cloned(),
            titles: titles.into_iter().cloned().collect(),
            named_by_user: file.is_some_and(|file| file.named_by_user),
            model: transcript.and_then(|t| t.model.clone()),
            said: transcript.and_then(|t| t.said.clone()).or_else(reported),
            transcript: transcript.map(|t| t.path.clone()),
            attach: job.and_then(|job| job.attach.clone()).or_else(lists),
            shown_by: job.map(|job| job.shown_by.clone()).unwrap_or_default(),
            claims: super::verdict::claims(self),
            facts: AsRead::of(self),
            problems: self.problems.clone(),
            ..Evidence::default()
        }
    }
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
/// nothing of this counts once anything newer is known: see `verdict`.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, to_value};

    use super::*;

    #[test]
    fn where_no_command_shows_a_background_session_one_lists_it() {
        let attach = |kind, job: Option<JobFact>| {
            let facts = Facts {
                kind,
                job,
                ..Facts::default()
            };
            facts.evidence().attach.map(|command| command.to_string())
        };
        let job = JobFact {
            attach: CleanText::line("/opt/claude attach 1a").some(),
            ..JobFact::default()
        };
        let shows = attach(Kind::Background, Some(job));
        assert_eq!(shows.as_deref(), Some("/opt/claude attach 1a"));
        assert_eq!(attach(Kind::Background, None).as_deref(), Some(LISTS));
        assert_eq!(attach(Kind::Interactive, None), None);
    }

    /// Both are written into one object, and a name that is there twice is read once.
    #[test]
    fn no_fact_has_the_name_of_what_any_agent_tells() {
        let general = to_value(Evidence::default()).unwrap();
        let Value::Object(facts) = to_value(Facts::default()).unwrap() else {
            panic!("an object");
        };
        let twice: Vec<&String> = facts.keys().filter(|k| general.get(k).is_some()).collect();
        assert!(twice.is_empty() && !facts.is_empty(), "{twice:?}");
    }
}
