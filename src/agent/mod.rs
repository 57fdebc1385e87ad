//! Coding tools that vmux knows: one folder each, which reads only under given roots, and the
//! table through which all else reaches them.

pub mod changes;
pub mod claude;
pub mod codex;
pub mod lines;
pub mod looks;
pub mod outside;
pub mod past;
pub mod program;
mod record;
mod stream;
pub mod told;
pub mod version;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

pub use looks::{Looks, Role};
pub use outside::{Outside, Roots, Senses, guarded};
pub use watch::Watch;

use crate::core::model::{
    Claim, ConversationId, Decision, Dialog, HookReport, Past, RawPath, Record, Session, State,
};
use crate::core::text::CleanText;
use crate::core::transcript::Transcript;
use crate::sys::proc::Environ;

/// All agents. The first that recognises a process has it.
pub static AGENTS: &[&dyn Agent] = &[&claude::ClaudeCode, &codex::Codex, &program::Program];

/// A coding tool whose sessions vmux shows.
pub trait Agent: Sync {
    /// Its name on the wire: `claude`.
    fn name(&self) -> &'static str;

    /// Its name for people: `Claude Code`.
    fn title(&self) -> &'static str;

    /// The command that starts it.
    fn program(&self) -> &'static str;

    /// The variable that names another directory for its files.
    fn variable(&self) -> &'static str;

    /// The directory in which it keeps a user's files, by vmux's own environment and that user's
    /// home; a session's environment may name another one.
    fn config_dir(&self, environ: &Environ, home: &Path) -> PathBuf;

    /// Whether a process of this name and executable is worth a closer look. Cheap: asked for
    /// every new process.
    fn plausible(&self, comm: &str, exe: Option<&Path>) -> bool;

    /// What a process is for; `None` if it is not this agent's by its looks.
    fn recognise(&self, looks: &Looks) -> Option<Role>;

    /// Follows its sessions.
    fn watch(&self, roots: &Roots) -> Box<dyn Watch>;

    /// The last messages of a session's conversation, oldest first.
    ///
    /// # Errors
    /// In words.
    fn messages(&self, session: &Session, most: usize) -> Result<Vec<Message>, String>;

    /// Reads what the titles that it gives its terminals tell of a session's state, if they do.
    fn title_reader(&self) -> Option<TitleReader> {
        None
    }

    /// The command that goes on with a session's conversation, in its directory.
    fn resume(&self, session: &Session) -> Option<Vec<String>> {
        self.go_on(&[], session.session_id.as_ref()?)
    }

    /// The command that goes on with a conversation as this command, if there is one, had it begun.
    fn go_on(&self, started: &[String], conversation: &ConversationId) -> Option<Vec<String>>;

    /// Conversations that its files in `config` tell of, with the directory in which each can be gone
    /// on with: those that were written last, at most so many, the newest first. Which of them are
    /// alive it does not know.
    fn past(&self, _config: &Path, _most: usize) -> Vec<(RawPath, Past)> {
        Vec::new()
    }

    /// Files in `config` that tell of conversations, subagents' parts too, and were written since.
    /// Looks at names and times only.
    fn transcripts(&self, _config: &Path, _since: SystemTime) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What one of them tells from this offset on, in bytes: which files changed, by their absolute
    /// paths, with the directories in which commands ran that may have changed more; and up to where
    /// it was read: the end of its last whole line.
    ///
    /// # Errors
    /// Those of reading it.
    fn touched(&self, _transcript: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
        Ok((BTreeSet::new(), from))
    }

    /// Commits that one of them tells of: the beginnings of their ids, with their branches. It is a
    /// hint: not all that were made are told.
    ///
    /// # Errors
    /// Those of reading it.
    fn commits(&self, _transcript: &Path) -> io::Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    /// What its files do not tell of changes as it is set up in `config`, and what helps; for `doctor`.
    fn untold(&self, _config: &Path) -> Option<(String, &'static str)> {
        None
    }

    /// All that one of them tells, with the changes of those files only for which `wanted` holds.
    ///
    /// # Errors
    /// Those of reading it; `InvalidData` if it tells of no conversation.
    fn transcript(
        &self,
        _transcript: &Path,
        _wanted: &dyn Fn(&Path) -> bool,
    ) -> io::Result<Transcript> {
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Directories that its other files in `config` tell of, and when a person was last there, where they
    /// say that. Nobody has looked whether they are there still.
    fn dirs(&self, _config: &Path) -> Vec<(RawPath, Option<DateTime<Utc>>)> {
        Vec::new()
    }

    /// Whether what a session asks may be answered through the agent itself, without a hook.
    fn answers(&self) -> bool {
        false
    }

    /// What a session asks now, read from the agent, whose files lie in `config`. May take seconds.
    ///
    /// # Errors
    /// In words.
    fn dialog(&self, _session: &Session, _config: &Path) -> Result<Dialog, String> {
        Err("it asks nothing that can be answered from here".into())
    }

    /// Answers what a session asks: the request of this serial, which its user has read. May take
    /// seconds.
    ///
    /// # Errors
    /// Why that cannot be, in words.
    fn decide(
        &self,
        _session: &Session,
        _config: &Path,
        _request: Option<u64>,
        _decision: &Decision,
    ) -> Result<(), String> {
        Err("it asks nothing that can be answered from here".into())
    }

    /// What marks its icons where sessions of several agents are listed, as SVG within 24 by 24.
    fn badge(&self) -> &'static str {
        ""
    }

    /// What a session claims by what its program tells the terminal that a holder keeps for it, if
    /// that is anything.
    fn told(&self, records: &[&Record]) -> Option<Claim> {
        told::plain(records)
    }

    /// The titles under which `explain` shows its own facts, by their names in the evidence.
    fn sections(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// What `vmux hook` needs to know, if it has hooks.
    fn hooks(&self) -> Option<&dyn Hooks> {
        None
    }

    /// How its files look in this directory, for `doctor`; nothing if it is not used here.
    fn health(&self, _config: &Path) -> Option<Health> {
        None
    }
}

/// Reads a title, whole; nothing where that tells no state. Cheap: asked up to ten times a second.
pub type TitleReader = fn(&str) -> Option<State>;

/// Those that people start by their names.
pub fn tools() -> impl Iterator<Item = &'static dyn Agent> {
    let all = AGENTS.iter().copied();
    all.filter(|agent| !agent.program().is_empty())
}

/// The program of a command that started this agent, with its arguments; else as it is found by its
/// name, with none.
fn begun<'c>(agent: &dyn Agent, started: &'c [String]) -> (String, &'c [String]) {
    let own = |program: &String| {
        let name = Path::new(program).file_name();
        name.is_some_and(|name| name == agent.program())
    };
    match started.split_first().filter(|(program, _)| own(program)) {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (agent.program().to_owned(), &[]),
    }
}

/// An id as an argument: one that looks like an option is none.
fn as_argument(conversation: &ConversationId) -> Option<String> {
    let id = conversation.as_str();
    (!id.starts_with('-')).then(|| id.to_owned())
}

/// Their names, for a hint: `claude or codex`.
#[must_use]
pub fn any_of_them() -> String {
    let names: Vec<&str> = tools().map(Agent::name).collect();
    names.join(" or ")
}

/// The name and the badge of each agent, for their icons.
#[must_use]
pub fn badges() -> Vec<(&'static str, &'static str)> {
    let named = AGENTS.iter().map(|agent| (agent.name(), agent.badge()));
    named.collect()
}

/// The agent of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().find(|agent| agent.name() == name).copied()
}

/// Whose hook calls, and the event: `AGENT:EVENT`, or an event of the first agent that has hooks,
/// whose settings name no agent.
#[must_use]
pub fn hooks_of(word: &str) -> Option<(&'static dyn Hooks, &str)> {
    if let Some((name, event)) = word.split_once(':') {
        return Some((by_name(name)?.hooks()?, event));
    }
    let mut all = AGENTS.iter().filter_map(|agent| agent.hooks());
    Some((all.next()?, word))
}

/// What an agent tells its hooks.
pub trait Hooks {
    /// What an event reports, without the processes it comes from.
    fn report(&self, event: &str, payload: &[u8]) -> HookReport;

    /// What is asked, whole, by an event whose hook waits for an answer.
    fn asks(&self, event: &str, payload: &[u8]) -> Option<Dialog>;

    /// What the hook prints for a decision; nothing if that does not fit what was asked.
    fn answer(&self, payload: &[u8], decision: &Decision) -> Option<String>;
}

/// How an agent's files look.
pub struct Health {
    /// Whether its sessions are seen at once.
    pub good: bool,
    /// What was found.
    pub words: String,
    /// What helps.
    pub remedy: Option<&'static str>,
}

/// A message of a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who says it.
    pub speaker: Speaker,
    /// Its text; may hold line breaks.
    pub text: CleanText,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

/// Who says something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    /// The user.
    User,
    /// The agent.
    Assistant,
    /// A tool that it called.
    Tool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::HookEvent;

    #[test]
    fn a_hook_that_names_no_agent_is_the_first_ones() {
        for (word, event) in [
            ("Stop", Some(HookEvent::Ended)),
            ("claude:Stop", Some(HookEvent::Ended)),
            ("Answer", Some(HookEvent::Asked)),
            ("nobody:Stop", None),
        ] {
            let report = hooks_of(word).map(|(hooks, event)| hooks.report(event, b"{}"));
            assert_eq!(report.map(|report| report.event), event, "{word}");
        }
        let request = br#"{"tool_name":"Bash","tool_input":{"command":"make"}}"#;
        let asks = |word| {
            let (hooks, event) = hooks_of(word)?;
            hooks.asks(event, request)
        };
        assert!(asks("Answer").is_some());
        assert_eq!(asks("PermissionRequest"), None, "nobody waits");
    }

    #[test]
    fn names_are_found_and_differ() {
        for (at, agent) in AGENTS.iter().enumerate() {
            let found = by_name(agent.name()).map(Agent::title);
            assert_eq!(found, Some(agent.title()));
            let others = AGENTS[..at].iter();
            assert!(others.clone().all(|other| other.name() != agent.name()));
        }
        assert!(by_name("nobody").is_none());
    }

    #[test]
    fn a_conversation_is_gone_on_with_by_its_id() {
        let mut session = Session::default();
        let claude = by_name("claude").unwrap();
        assert_eq!(claude.resume(&session), None);
        session.session_id = ConversationId::new("abc");
        let command = claude.resume(&session).unwrap().join(" ");
        assert_eq!(command, "claude --resume abc");
        session.session_id = ConversationId::new("--dangerously-skip-permissions");
        assert_eq!(
            claude.resume(&session),
            None,
            "a name made up to be an option"
        );
    }
}
