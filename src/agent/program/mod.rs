//! Programs that are no coding tool vmux knows, kept by vmux itself: `vmux start -- htop`. Only
//! what they tell their terminal says what they do.
//!
//! A coding tool that runs in the same terminal stands in the list in its place.

pub mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;

use crate::agent::looks::Start;
use crate::agent::{Agent, Looks, Message, Outside, Role, Roots, Watch, guarded, told, tools};
use crate::core::model::{
    Claim, ConversationId, Evidence, Pid, ProcessFact, Session, Source, State, time,
};
use crate::core::text::CleanText;
use crate::core::transcript::Transcript;
use crate::hosted::Info;
use crate::sys::clock;
use crate::sys::proc::Environ;

/// The agent's name on the wire.
pub const NAME: &str = "program";

/// A coding tool that was started by its name is known as such after this long: some are started
/// by a script.
const TOOL_WITHIN: TimeDelta = TimeDelta::seconds(10);
/// How often it is looked whether it is.
const PACE: Duration = Duration::from_secs(1);

/// For the table of agents.
pub struct Program;

impl Agent for Program {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "Program"
    }

    fn program(&self) -> &'static str {
        ""
    }

    fn variable(&self) -> &'static str {
        ""
    }

    fn config_dir(&self, _environ: &Environ, _home: &Path) -> PathBuf {
        PathBuf::new()
    }

    fn plausible(&self, _comm: &str, _exe: Option<&Path>) -> bool {
        false
    }

    fn recognise(&self, _looks: &Looks) -> Option<Role> {
        None
    }

    fn watch(&self, _roots: &Roots) -> Box<dyn Watch> {
        Box::new(Programs::default())
    }

    fn messages(&self, _session: &Session, _most: usize) -> Result<Vec<Message>, String> {
        Ok(Vec::new())
    }

    fn transcripts(&self, config: &Path, since: SystemTime) -> Vec<PathBuf> {
        journal::transcripts(config, since)
    }

    fn touched(&self, transcript: &Path, from: u64) -> io::Result<(BTreeSet<PathBuf>, u64)> {
        journal::touched(transcript, from)
    }

    fn transcript(
        &self,
        transcript: &Path,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> io::Result<Transcript> {
        journal::transcript(transcript, wanted)
    }

    fn go_on(&self, _started: &[String], _conversation: &ConversationId) -> Option<Vec<String>> {
        None
    }
}

/// What the title of Gemini CLI says.
///
/// **Source:** observed on Gemini CLI 0.61.0: `◇  Ready (dir)`, `✦  Working… (dir)`,
/// `✋  Action Required (dir)`, exact in every state seen.
fn read_title(title: &str) -> Option<State> {
    let (sign, words) = title.split_once(' ')?;
    let words = words.trim_start();
    match sign {
        "\u{25c7}" if words.starts_with("Ready") => Some(State::Idle),
        "\u{2726}" if !words.is_empty() => Some(State::Working),
        "\u{270b}" if words.starts_with("Action Required") => Some(State::NeedsInput),
        _ => None,
    }
}

#[derive(Default)]
struct Programs {
    tracked: BTreeMap<Pid, Kept>,
    due: Option<Instant>,
}

/// A program that is kept.
struct Kept {
    process: ProcessFact,
    /// Its holder's name for the session.
    id: String,
    /// Its user's name for it.
    name: Option<String>,
    /// What was started.
    command: Vec<String>,
    /// It says something of itself.
    speaks: bool,
}

impl Programs {
    fn tell(&mut self, pid: Pid, outside: &mut Outside) {
        let Some(kept) = self.tracked.get_mut(&pid) else {
            return;
        };
        let mut command = kept.command.iter();
        let program = command.next().map(Path::new);
        let program = program.and_then(Path::file_name).unwrap_or_default();
        let program = program.to_string_lossy();
        let name = kept.name.as_deref().unwrap_or(&program);
        let told = outside.kept_on(pid, &kept.process);
        let told = told.and_then(|info| info.told.clone()).unwrap_or_default();
        kept.speaks =
            !told.records.is_empty() || told.title.as_deref().and_then(read_title).is_some();
        let own = told::is_of(told.titled_by, &outside.groups(pid));
        let title = told.title.as_deref().filter(|_| own);
        let state = title.and_then(read_title);
        let claim = state.map(|state| {
            Claim::new(Source::Title, state, "the title of its terminal says so")
                .since(told.titled_at)
        });
        let evidence = Evidence {
            process: kept.process.clone(),
            name: CleanText::line(name).some(),
            // Who starts a program names it.
            named_by_user: true,
            said: told.title.or_else(|| {
                let line: Vec<&str> = kept.command.iter().map(String::as_str).collect();
                CleanText::line(&line.join(" "))
                    .some()
                    .filter(|_| line.len() > 1)
            }),
            claims: claim.into_iter().collect(),
            ..Evidence::default()
        };
        outside.tell(pid, evidence);
    }

    fn take(&mut self, info: &Info, outside: &mut Outside) {
        let pid = Pid(info.pid);
        if outside.is_tracked(pid) {
            return;
        }
        let young = time::after(info.started, TOOL_WITHIN) > outside.now;
        if young && is_tool(&info.command) {
            self.due = Some(clock::steady() + PACE);
            return;
        }
        let Some(looks) = outside.looks(pid) else {
            return;
        };
        let (start, process) = process(&looks, outside);
        outside.track(looks.key, start);
        let kept = Kept {
            process,
            id: info.id.clone(),
            name: info.name.clone(),
            command: info.command.clone(),
            speaks: false,
        };
        self.tracked.insert(pid, kept);
        self.tell(pid, outside);
    }
}

/// The operating system's view of it. It has no configuration that vmux knows of.
fn process(looks: &Looks, outside: &Outside) -> (Start, ProcessFact) {
    let (start, process) = outside.process(looks);
    let process = ProcessFact {
        default_config: true,
        ..process
    };
    (start, process)
}

/// Whether a coding tool was started, by its name.
fn is_tool(command: &[String]) -> bool {
    let program = command.first().map(Path::new);
    let name = program
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    name.is_some_and(|name| tools().any(|agent| agent.program() == name))
}

impl Watch for Programs {
    fn adopt(&mut self, _looks: Looks, _role: Role, _outside: &mut Outside) {}

    fn yields(&self) -> bool {
        true
    }

    fn read(&mut self, pid: Pid, outside: &mut Outside) {
        self.tell(pid, outside);
    }

    fn end(&mut self, pid: Pid, _outside: &mut Outside) {
        self.tracked.remove(&pid);
    }

    fn reset(&mut self, pid: Pid, _outside: &mut Outside) -> Option<Evidence> {
        let kept = self.tracked.get(&pid)?;
        Some(Evidence {
            process: kept.process.clone(),
            ..Evidence::default()
        })
    }

    fn verify(&mut self, pid: Pid, stopped: bool, outside: &mut Outside) {
        if let Some(kept) = self.tracked.get_mut(&pid) {
            kept.process.stopped = stopped;
        }
        self.tell(pid, outside);
    }

    /// Who has the terminal now, and with it whose reports count, no event tells.
    fn restless(&self, all: &mut Vec<Pid>) {
        let speaking = self.tracked.iter().filter(|(_, kept)| kept.speaks);
        all.extend(speaking.map(|(pid, _)| *pid));
    }

    fn sort_out(&mut self, outside: &mut Outside) {
        if self.tracked.is_empty() && outside.kept().next().is_none() {
            return;
        }
        let kept: Vec<Info> = outside.kept().cloned().collect();
        let taken = outside.terminals_of_others();
        let is_taken =
            |tty: &Option<CleanText>| tty.as_ref().is_some_and(|tty| taken.contains(tty));
        let is_kept = |id: &str| kept.iter().any(|info| info.id == id);
        let pids: Vec<Pid> = self.tracked.keys().copied().collect();
        for pid in pids {
            let Some(program) = self.tracked.get(&pid) else {
                continue;
            };
            let comm = outside.proc.comm(pid);
            if is_taken(&program.process.tty) || !is_kept(&program.id) {
                self.tracked.remove(&pid);
                outside.dismiss(pid);
            } else if comm.is_some_and(|comm| comm != *program.process.comm) {
                // It may have become a coding tool.
                outside.look_at(pid);
                if let (Some(looks), Some(program)) =
                    (outside.looks(pid), self.tracked.get_mut(&pid))
                {
                    program.process = process(&looks, outside).1;
                }
            }
        }
        for info in kept {
            let tty = info
                .tty
                .as_ref()
                .map(|tty| CleanText::line(&tty.to_string_lossy()));
            if !is_taken(&tty) {
                guarded(self, outside, Pid(info.pid), |programs, outside| {
                    programs.take(&info, outside);
                });
            }
        }
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn retry(&mut self, outside: &mut Outside) {
        if self.due.take_if(|at| *at <= clock::steady()).is_some() {
            outside.look_around();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_gemini_are_read_and_no_others() {
        for (title, state) in [
            ("\u{25c7}  Ready (shop)", Some(State::Idle)),
            ("\u{2726}  Working\u{2026} (shop)", Some(State::Working)),
            ("\u{270b}  Action Required (shop)", Some(State::NeedsInput)),
            ("Ready", None),
            ("vim", None),
            ("", None),
            ("\u{270b} hello", None),
        ] {
            assert_eq!(read_title(title), state, "{title}");
        }
    }

    #[test]
    fn a_tool_is_known_by_its_name() {
        let is = |words: &[&str]| {
            is_tool(
                &words
                    .iter()
                    .map(|&word| word.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert!(is(&["/usr/local/bin/claude", "--resume"]) && is(&["codex"]));
        assert!(!is(&["bash", "claude"]) && !is(&[]) && !is(&[""]));
    }
}
