//! Codex CLI: which processes are its sessions, what its app-server and its rollouts say of them.
//!
//! From 0.161 on the process on the terminal is a client of one app-server a `CODEX_HOME`, which
//! runs all conversations and tells their states as they change. Before that, and with
//! `--no-daemon`, the process holds its rollout open itself.
//!
//! **Source:** observed on 0.139.0 to 0.171.0 of the real CLI; the recordings in
//! `tests/fixtures/codex` pin what is read here. Undocumented, so everything is read
//! defensively: a missing field, an unknown word, a broken line cost only themselves.

pub mod app_server;
mod arguments;
mod changes;
pub mod dialog;
mod dirs;
pub mod frames;
pub mod link;
pub mod pairing;
mod past;
pub mod process;
pub mod rollout;
pub mod rpc;
pub mod title;
pub mod verdict;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use crate::agent::lines::Follower;
use crate::agent::{Agent, Health, Looks, Message, Role, Roots, TitleReader, Watch};
use crate::core::model::{ConversationId, Decision, Dialog, Past, RawPath, Session};
use crate::core::transcript::Transcript;
use crate::sys::proc::Environ;
use process::Purpose;
use rollout::Rollout;

/// The agent's name on the wire.
pub const NAME: &str = "codex";

/// The first version whose app-server runs the conversations of terminals.
pub const FIRST_SERVED: [u32; 3] = [0, 156, 0];

fn conversation(session: &Session) -> Result<&str, String> {
    let id = session.session_id.as_ref().map(ConversationId::as_str);
    id.ok_or_else(|| "which conversation it shows is not known".into())
}

/// Codex CLI, for the table of agents.
pub struct Codex;

impl Agent for Codex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Codex CLI"
    }

    fn program(&self) -> &'static str {
        "codex"
    }

    fn variable(&self) -> &'static str {
        "CODEX_HOME"
    }

    fn config_dir(&self, environ: &Environ, home: &Path) -> PathBuf {
        let named = environ.get(self.variable()).map(PathBuf::from);
        named.unwrap_or_else(|| home.join(".codex"))
    }

    fn plausible(&self, comm: &str, _exe: Option<&Path>) -> bool {
        process::plausible_comm(comm)
    }

    fn recognise(&self, looks: &Looks) -> Option<Role> {
        process::recognise(looks).map(|purpose| match purpose {
            Purpose::Session => Role::Session,
            Purpose::Headless => Role::Headless,
            Purpose::Daemon => Role::Never("the app-server that runs the conversations of others"),
            Purpose::Never(why) => Role::Never(why),
        })
    }

    fn watch(&self, roots: &Roots) -> Box<dyn Watch> {
        Box::new(watch::Sessions::new(roots))
    }

    fn messages(&self, session: &Session, most: usize) -> Result<Vec<Message>, String> {
        let Some(path) = &session.transcript else {
            return Ok(Vec::new());
        };
        let follower = Follower::open_as(Path::new(&path.0), Rollout::listing(most))
            .map_err(|error| format!("could not read the conversation: {error}"))?;
        let messages = follower.conversation().messages.as_ref();
        let all = messages.map_or(&[][..], |messages| &messages.all);
        Ok(all[all.len().saturating_sub(most)..].to_vec())
    }

    fn title_reader(&self) -> Option<TitleReader> {
        Some(title::state)
    }

    fn go_on(&self, started: &[String], conversation: &ConversationId) -> Option<Vec<String>> {
        let id = super::as_argument(conversation)?;
        let (program, arguments) = super::begun(self, started);
        let options = arguments::lasting(arguments);
        Some([vec![program, "resume".to_owned()], options, vec![id]].concat())
    }

    fn past(&self, config: &Path, most: usize) -> Vec<(RawPath, Past)> {
        past::past(config, most)
    }

    fn dirs(&self, config: &Path) -> Vec<(RawPath, Option<DateTime<Utc>>)> {
        let dirs = dirs::dirs(config).into_iter();
        dirs.map(|dir| (dir, None)).collect()
    }

    fn transcripts(&self, config: &Path, since: SystemTime) -> Vec<PathBuf> {
        changes::transcripts(config, since)
    }

    fn touched(&self, transcript: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
        changes::touched(transcript, from)
    }

    fn transcript(
        &self,
        transcript: &Path,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> io::Result<Transcript> {
        changes::transcript(transcript, wanted)
    }

    fn answers(&self) -> bool {
        true
    }

    fn dialog(&self, session: &Session, config: &Path) -> Result<Dialog, String> {
        dialog::read(config, conversation(session)?)
    }

    fn decide(
        &self,
        session: &Session,
        config: &Path,
        request: Option<u64>,
        decision: &Decision,
    ) -> Result<(), String> {
        dialog::decide(config, conversation(session)?, request, decision)
    }

    /// A prompt in a box, at the lower right.
    fn badge(&self) -> &'static str {
        "<rect x=\"11.5\" y=\"12.5\" width=\"12\" height=\"11\" rx=\"3\" fill=\"#0f8f73\" \
         stroke=\"#ffffff\"/><path d=\"M14.5 15.8l2.3 2.2-2.3 2.2M18 20.6h3\" fill=\"none\" \
         stroke=\"#ffffff\" stroke-width=\"1.5\" stroke-linecap=\"round\" \
         stroke-linejoin=\"round\"/>"
    }

    fn sections(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("runs", "runs"),
            ("shows", "shows"),
            ("thread", "app-server"),
            ("rollout", "rollout"),
            ("title", "title"),
        ]
    }

    fn health(&self, config: &Path) -> Option<Health> {
        if !config.is_dir() {
            return None;
        }
        let served = app_server::socket(config).exists();
        let words = match served {
            true => "its app-server tells each change of a state",
            false => "no app-server: states are read from rollouts",
        };
        Some(Health {
            good: true,
            words: format!("{}: {words}", config.display()),
            remedy: None,
        })
    }
}
