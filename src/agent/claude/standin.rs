//! Plays a Claude Code session: a real process that writes real files and changes its state.
//! For `vmux demo` and the tests of a whole desktop.
//!
//! **Source:** the files as 2.1.328 writes them, in `tests/fixtures/claude/2.1.328`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::find;
use crate::core::model::{ConversationId, Pid};
use crate::sys::clock::{self, Deadline};
use crate::sys::proc::Proc;

/// A played session's files.
pub struct StandIn {
    file: PathBuf,
    transcript: PathBuf,
    fixed: Value,
}

/// One scene: a state, and what is said at its start.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// `busy`, `waiting`, `idle` or `shell`.
    pub status: &'static str,
    /// What it waits for.
    pub waiting_for: Option<&'static str>,
    /// A prompt, an answer, or a tool and what it would do.
    pub line: Line,
    /// How long it lasts.
    pub lasts: Duration,
}

/// What a scene adds to the conversation.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// Nothing.
    None,
    /// The user asks.
    Prompt(&'static str),
    /// The model answers.
    Answer(&'static str),
    /// The model calls a tool with this command.
    Bash(&'static str),
    /// The model asks a question.
    Question(&'static str),
    /// The tool has run.
    Result,
}

impl StandIn {
    /// Makes the files of a session of this process, which works in `cwd`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn start(config: &Path, cwd: &Path, name: &str) -> io::Result<Self> {
        let pid = Pid(std::process::id());
        let key = Proc::open(Path::new("/proc"))?.key(pid);
        let start = key.map(|key| key.start_ticks).unwrap_or_default();
        let session = format!("5ta9d1n0-0000-4000-8000-{:012}", pid.0);
        let conversation = ConversationId::new(&session).ok_or(io::ErrorKind::InvalidInput)?;
        let cwd_text = cwd.to_string_lossy();
        let transcript = find::expected(config, &cwd_text, &conversation);
        for dir in [config.join("sessions"), transcript.with_file_name("")] {
            std::fs::create_dir_all(dir)?;
        }
        let fixed = json!({
            "pid": pid.0, "sessionId": session, "cwd": cwd_text, "procStart": start.to_string(),
            "startedAt": clock::now().timestamp_millis(), "version": "2.1.328", "peerProtocol": 1,
            "kind": "interactive", "entrypoint": "cli", "name": name, "nameSource": "derived",
        });
        Ok(Self {
            file: config.join(format!("sessions/{pid}.json")),
            transcript,
            fixed,
        })
    }

    /// Plays scenes until the time is up, over and over; ends early when standard input ends.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn play(&self, scenes: &[Scene], from: usize) -> io::Result<()> {
        let mut asked: u64 = 0;
        let from = from % scenes.len().max(1);
        // The first scene began a while ago, so that a fresh demo already has ages to show, and a
        // conversation before it.
        let ago = 30 + 70 * i64::try_from(from).unwrap_or(0);
        let mut since = clock::now() - chrono::TimeDelta::seconds(ago);
        for scene in &scenes[..from] {
            self.say(scene.line, &mut asked, since)?;
        }
        for scene in scenes.iter().cycle().skip(from) {
            self.say(scene.line, &mut asked, since)?;
            self.set(scene.status, scene.waiting_for, since)?;
            if input_ended(scene.lasts) {
                break;
            }
            since = clock::now();
        }
        std::fs::remove_file(&self.file)
    }

    /// Writes the status file as the CLI does: no truncation, one write, then the new length.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set(
        &self,
        status: &str,
        waiting_for: Option<&str>,
        at: DateTime<Utc>,
    ) -> io::Result<()> {
        let mut content = self.fixed.clone();
        content["status"] = status.into();
        content["updatedAt"] = at.timestamp_millis().into();
        content["statusUpdatedAt"] = at.timestamp_millis().into();
        if let Some(words) = waiting_for {
            content["waitingFor"] = words.into();
        }
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.file)?;
        file.write_all(content.to_string().as_bytes())?;
        let end = file.stream_position()?;
        file.set_len(end)
    }

    fn say(&self, line: Line, asked: &mut u64, at: DateTime<Utc>) -> io::Result<()> {
        let tool = |name: &str, input: Value, id: u64| json!([{ "type": "tool_use", "id": format!("toolu_{id}"), "name": name, "input": input }]);
        let assistant = |content: Value, reason: &str| {
            json!({ "parentUuid": "p", "isSidechain": false, "type": "assistant", "timestamp": at.to_rfc3339(),
                "message": { "role": "assistant", "model": "claude-opus-5-5", "stop_reason": reason, "content": content } })
        };
        let user = |content: Value| {
            json!({ "parentUuid": null, "isSidechain": false, "type": "user", "timestamp": at.to_rfc3339(),
                "message": { "role": "user", "content": content } })
        };
        let written = match line {
            Line::None => return Ok(()),
            Line::Prompt(text) => user(text.into()),
            Line::Answer(text) => assistant(json!([{ "type": "text", "text": text }]), "end_turn"),
            Line::Bash(command) => {
                *asked += 1;
                assistant(
                    tool("Bash", json!({ "command": command }), *asked),
                    "tool_use",
                )
            }
            Line::Question(text) => {
                *asked += 1;
                let input = json!({ "questions": [{ "question": text, "options": [] }] });
                assistant(tool("AskUserQuestion", input, *asked), "tool_use")
            }
            Line::Result => user(
                json!([{ "type": "tool_result", "tool_use_id": format!("toolu_{asked}"), "content": "ok" }]),
            ),
        };
        show(line);
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(&self.transcript)?;
        file.write_all(format!("{written}\n").as_bytes())
    }
}

/// What the terminal of a real session would show of it, roughly.
fn show(line: Line) {
    use std::io::IsTerminal as _;
    let text = match line {
        Line::None | Line::Result => return,
        Line::Prompt(text) => format!("\u{1b}[1m> {text}\u{1b}[0m"),
        Line::Answer(text) => text.to_owned(),
        Line::Bash(command) => {
            format!("\u{1b}[33mBash({command})\u{1b}[0m\r\n  Do you want to proceed? 1. Yes  2. No")
        }
        Line::Question(text) => format!("\u{1b}[33m{text}\u{1b}[0m"),
    };
    let mut out = io::stdout();
    if out.is_terminal() {
        // A terminal that is gone ends the play by its input.
        drop(
            out.write_all(format!("\r\n{text}\r\n").as_bytes())
                .and_then(|()| out.flush()),
        );
    }
}

/// Waits; `true` if standard input has ended meanwhile: who started the play is gone.
fn input_ended(lasts: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    let deadline = Deadline::after(lasts);
    let input = io::stdin();
    while !deadline.passed() {
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut fds, Some(&deadline.timespec())) {
            Ok(0) | Err(_) => {}
            Ok(_) => {
                let mut block = [0u8; 64];
                if !matches!(input.lock().read(&mut block), Ok(n) if n > 0) {
                    return true;
                }
            }
        }
    }
    false
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The scenes of the demo; each session starts at another one.
pub const DEMO: [Scene; 8] = [
    Scene {
        status: "waiting",
        waiting_for: Some("permission prompt"),
        line: Line::Bash("cargo test --workspace"),
        lasts: seconds(25),
    },
    Scene {
        status: "busy",
        waiting_for: None,
        line: Line::Prompt("Make the cart survive a reload, and write a test for it"),
        lasts: seconds(12),
    },
    Scene {
        status: "idle",
        waiting_for: None,
        line: Line::Answer(
            "All 214 tests pass. The flaky one waited on a fixed sleep; it waits on the event now.",
        ),
        lasts: seconds(20),
    },
    Scene {
        status: "busy",
        waiting_for: None,
        line: Line::Prompt(
            "Why does the invoice round to 0.01 too much? Find out, do not fix it yet",
        ),
        lasts: seconds(15),
    },
    Scene {
        status: "waiting",
        waiting_for: Some("input needed"),
        line: Line::Question("Keep the old session table, or migrate it?"),
        lasts: seconds(30),
    },
    Scene {
        status: "busy",
        waiting_for: None,
        line: Line::Result,
        lasts: seconds(7),
    },
    Scene {
        status: "shell",
        waiting_for: None,
        line: Line::Answer("The dev server runs in the background on port 5173."),
        lasts: seconds(15),
    },
    Scene {
        status: "waiting",
        waiting_for: Some("dialog open"),
        line: Line::None,
        lasts: seconds(10),
    },
];
