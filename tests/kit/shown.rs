//! Sessions that are stand-ins: real processes called `claude` whose status files the test
//! writes as Claude Code does.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::{Killed, is_alive};

/// A session that runs.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(super) start: String,
    pub(super) file: PathBuf,
    pub(crate) cwd: PathBuf,
    /// Of one that is no terminal's.
    pub(super) child: Option<Killed>,
}

impl Shown {
    /// Its key, as the wire has it.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.pid, self.start)
    }

    /// Writes its status file, with `changes` to a session that idles.
    pub(crate) fn set(&self, changes: Value) {
        let now = chrono::Utc::now().timestamp_millis();
        let file = status_file(self.pid, &self.start, &self.cwd, now);
        write_status(&self.file, &changed(file, &changes));
    }

    /// It has been waiting for so long.
    pub(crate) fn waits(&self, length: Duration) {
        let since = chrono::Utc::now() - length;
        self.set(
            json!({"status": "waiting", "waitingFor": "permission prompt",
                        "statusUpdatedAt": since.timestamp_millis()}),
        );
    }

    pub(crate) fn is_alive(&self) -> bool {
        is_alive(self.pid)
    }

    /// Whether a child of the test has ended.
    pub(crate) fn ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("a child of the test");
        child.0.try_wait().unwrap().is_some()
    }

    /// What was typed into a session that listens.
    pub(crate) fn typed(&self) -> String {
        let typed = fs::read(self.cwd.join("typed")).unwrap_or_default();
        String::from_utf8_lossy(&typed).into_owned()
    }
}

/// The status file of a session that idles since a moment after its start, as Claude Code 2.1.328
/// writes it.
pub(crate) fn status_file(pid: u32, start: &str, cwd: &Path, at_ms: i64) -> Value {
    json!({
        "pid": pid, "sessionId": format!("s-{pid}"), "cwd": cwd, "procStart": start,
        "startedAt": at_ms - 100, "version": "2.1.328", "kind": "interactive", "entrypoint": "cli",
        "status": "idle", "statusUpdatedAt": at_ms,
    })
}

/// A value with some of its fields changed.
pub(crate) fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

/// Writes a status file as the CLI does: over the old one, in one write, cut to length after it.
/// Says when it was about to be closed.
pub(crate) fn write_status(path: &Path, content: &Value) -> Instant {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut options = fs::File::options();
    let options = options.write(true).create(true).truncate(false);
    let mut file = options.open(path).unwrap();
    let text = content.to_string();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len(text.len() as u64).unwrap();
    Instant::now()
}
