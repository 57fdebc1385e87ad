//! Claude Code: which processes are its sessions, and what its files say of them.
//!
//! **Source:** observed on versions 1.0.128 to 2.1.329 of the real CLI; the recordings in
//! `tests/fixtures/claude` pin what is read here. Undocumented, so everything is read
//! defensively: a missing field, an unknown word, a broken line cost only themselves.

pub mod arguments;
pub mod beginning;
mod changes;
pub mod conversation;
mod dirs;
pub mod facts;
pub mod find;
pub mod hook;
pub mod job;
mod past;
pub mod process;
use super::record;
pub mod request;
pub mod settings;
pub mod standin;
pub mod status_file;
pub mod tail;
pub mod verdict;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

pub use crate::agent::version::parse_version;
use crate::agent::{Agent, Health, Hooks, Looks, Message, Role, Roots, Watch, told};
use crate::core::model::{
    Claim, ConversationId, Decision, Dialog, HookReport, Past, RawPath, Reason, Record, Session,
    State,
};
use crate::core::text::CleanText;
use crate::core::transcript::Transcript;
use crate::sys::files::read_bounded;
use crate::sys::proc::Environ;

/// Largest settings that are read, in bytes.
const SETTINGS_CAP: usize = 16 << 20;

/// The agent's name on the wire.
pub const NAME: &str = "claude";

/// Claude Code, for the table of agents.
pub struct ClaudeCode;

impl Agent for ClaudeCode {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Claude Code"
    }

    fn program(&self) -> &'static str {
        "claude"
    }

    fn variable(&self) -> &'static str {
        "CLAUDE_CONFIG_DIR"
    }

    fn config_dir(&self, environ: &Environ, home: &Path) -> PathBuf {
        let named = environ.get(self.variable()).map(PathBuf::from);
        named.unwrap_or_else(|| home.join(".claude"))
    }

    fn plausible(&self, comm: &str, exe: Option<&Path>) -> bool {
        process::plausible_comm(comm) || exe.is_some_and(process::is_claude_exe)
    }

    fn recognise(&self, looks: &Looks) -> Option<Role> {
        process::recognise(&process::Candidate::of(looks))
    }

    fn watch(&self, roots: &Roots) -> Box<dyn Watch> {
        Box::new(watch::Sessions::new(roots))
    }

    fn messages(&self, session: &Session, most: usize) -> Result<Vec<Message>, String> {
        let Some(path) = &session.transcript else {
            return Ok(Vec::new());
        };
        tail::read_messages(Path::new(&path.0), most)
            .map_err(|error| format!("could not read the conversation: {error}"))
    }

    fn go_on(&self, started: &[String], conversation: &ConversationId) -> Option<Vec<String>> {
        let id = super::as_argument(conversation)?;
        let (program, arguments) = super::begun(self, started);
        let options = arguments::lasting(arguments);
        Some([vec![program], options, vec!["--resume".to_owned(), id]].concat())
    }

    fn past(&self, config: &Path, most: usize) -> Vec<(RawPath, Past)> {
        past::past(config, most)
    }

    fn dirs(&self, config: &Path) -> Vec<(RawPath, Option<DateTime<Utc>>)> {
        dirs::dirs(config)
    }

    fn transcripts(&self, config: &Path, since: SystemTime) -> Vec<PathBuf> {
        changes::transcripts(config, since)
    }

    fn commits(&self, transcript: &Path) -> io::Result<Vec<(String, String)>> {
        changes::commits(transcript)
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

    /// A shell that goes on after the turn reads as work in its reports; what it asks begins with a
    /// word of its own.
    ///
    /// **Source:** observed on 2.1.295 to 2.1.332: `1 shell still running`, `approve Bash: make`,
    /// `answer: Which colour? (Red · Blue)`.
    fn told(&self, records: &[&Record]) -> Option<Claim> {
        let mut claim = told::plain(records)?;
        let root = records.iter().find(|record| record.id.is_empty());
        let msg = root.and_then(|root| root.msg.as_deref());
        if claim.state == State::Working && msg.is_some_and(only_shells_run) {
            let rule = "it tells its terminal that only a shell of it still runs";
            let idle = Claim::new(claim.source, State::Idle, rule).since(claim.since);
            return Some(idle.because(Reason::BackgroundShell));
        }
        for asked in [&mut claim.ask, &mut claim.question] {
            let text = asked.as_deref().unwrap_or_default();
            let rest = text
                .strip_prefix("approve ")
                .or_else(|| text.strip_prefix("answer: "));
            *asked = rest.map(CleanText::line).or(asked.take());
        }
        Some(claim)
    }

    fn sections(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("inbox_at", "inbox"),
            ("file", "status file"),
            ("transcript", "transcript"),
            ("subagent", "subagent"),
            ("job", "background"),
            ("hook", "hooks"),
        ]
    }

    fn hooks(&self) -> Option<&dyn Hooks> {
        Some(self)
    }

    /// **Source:** observed on 2.1.332: lines that a command of a shell changed are told in the modes
    /// `auto` (where a session begins, since about 2.1.328) and `bypassPermissions`, and in all others
    /// with this setting.
    fn untold(&self, config: &Path) -> Option<(String, &'static str)> {
        let bytes = read_bounded(&config.join("settings.json"), SETTINGS_CAP).ok()?;
        let settings: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        let mode = settings.pointer("/permissions/defaultMode")?.as_str()?;
        let told = ["auto", "bypassPermissions"].contains(&mode);
        if told || settings["bashEditDiffEnabled"] == true {
            return None;
        }
        // A session may be in another mode by now: what is said is where they begin.
        let words = format!(
            "sessions begin in the mode {mode} by its settings, in which it is not noted which lines \
             commands of a shell changed"
        );
        Some((
            words,
            "\"bashEditDiffEnabled\": true in its settings.json has it noted",
        ))
    }

    fn health(&self, config: &Path) -> Option<Health> {
        let sessions = config.join("sessions");
        let (words, remedy) = if sessions.is_dir() {
            (format!("{} is watched", sessions.display()), None)
        } else if config.is_dir() {
            (
                format!("{} is not there yet", sessions.display()),
                Some(
                    "Claude Code 2.1.75 and newer makes it at its first start; older ones are read by their transcripts",
                ),
            )
        } else {
            (
                format!("{} does not exist", config.display()),
                Some("start claude once; CLAUDE_CONFIG_DIR of each session is followed as well"),
            )
        };
        Some(Health {
            good: remedy.is_none(),
            words,
            remedy,
        })
    }
}

impl Hooks for ClaudeCode {
    fn report(&self, event: &str, payload: &[u8]) -> HookReport {
        let event = match event {
            settings::DECIDES => "PermissionRequest",
            event => event,
        };
        hook::parse(event, payload)
    }

    fn asks(&self, event: &str, payload: &[u8]) -> Option<Dialog> {
        let waits = event == settings::DECIDES;
        waits.then(|| request::read(payload)).flatten()
    }

    fn answer(&self, payload: &[u8], decision: &Decision) -> Option<String> {
        request::answer(payload, decision)
    }
}

/// `1 shell still running`, `2 shells still running`.
fn only_shells_run(msg: &str) -> bool {
    let Some((count, rest)) = msg.split_once(' ') else {
        return false;
    };
    count.bytes().all(|b| b.is_ascii_digit())
        && matches!(rest, "shell still running" | "shells still running")
}

/// First version that writes `sessions/<pid>.json`: an older one has no status file, a newer one
/// without it has not got past its start dialogs.
pub const FIRST_WITH_FILE: [u32; 3] = [2, 1, 75];
