//! Coding tools that vmux knows: one folder each, which reads only under given roots, and the
//! table through which all else reaches them.

pub mod claude;
pub mod codex;
pub mod lines;
pub mod looks;
pub mod outside;
mod record;
mod watch;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

pub use looks::{Looks, Role};
pub use outside::{Outside, Roots, Senses, guarded};
pub use watch::Watch;

use crate::core::model::Session;
use crate::core::text::CleanText;
use crate::sys::proc::Environ;

/// All agents. The first that recognises a process has it.
pub static AGENTS: &[&dyn Agent] = &[&claude::ClaudeCode];

/// A coding tool whose sessions vmux shows.
pub trait Agent: Sync {
    /// Its name on the wire: `claude`.
    fn name(&self) -> &'static str;

    /// Its name for people: `Claude Code`.
    fn title(&self) -> &'static str;

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

    /// The command that goes on with a session's conversation, in its directory.
    fn resume(&self, session: &Session) -> Option<Vec<String>>;

    /// The titles under which `explain` shows its own facts, by their names in the evidence.
    fn sections(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// How its files look in this directory, for `doctor`; nothing if it is not used here.
    fn health(&self, _config: &Path) -> Option<Health> {
        None
    }
}

/// The agent of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Agent> {
    AGENTS.iter().find(|agent| agent.name() == name).copied()
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
