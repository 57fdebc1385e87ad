//! A machine made of files: `/proc`, a home with `.claude`, projects.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;
use vmux::agent::AGENTS;
use vmux::source::scout::{Roots, Scout, Senses};

use super::process::end_all_of;
use super::shown::{changed, status_file, write_status};

/// A directory that looks like a machine to the scout.
pub(crate) struct Machine {
    dir: tempfile::TempDir,
}

/// A process of it.
pub(crate) struct Process<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc")).unwrap();
        fs::create_dir_all(dir.path().join("home")).unwrap();
        fs::write(dir.path().join("proc/stat"), "cpu 1 2\nbtime 1795160000\n").unwrap();
        Self { dir }
    }

    /// A time in clock ticks since this machine's start.
    pub(crate) fn ticks(&self, at: chrono::DateTime<chrono::Utc>) -> u64 {
        let since_boot = at.timestamp_millis() - 1_795_160_000_000;
        u64::try_from(since_boot / 10).unwrap()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("home/.claude")
    }

    pub(crate) fn scout(&self) -> Scout {
        Scout::new(self.roots()).unwrap()
    }

    pub(crate) fn scout_with(&self, senses: Senses) -> Scout {
        Scout::with(self.roots(), senses, AGENTS).unwrap()
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots {
            proc: self.path("proc"),
            configs: [("claude", self.config())].into(),
            uid: rustix::process::getuid().as_raw(),
            only_configs: false,
            kept: Some(self.path("hosted")),
            looker: None,
        }
    }

    pub(crate) fn write(&self, relative: &str, text: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A repository, as far as git wants to see one, with this branch checked out.
    pub(crate) fn repository(&self, relative: &str, branch: &str) {
        let dot_git = self.path(relative).join(".git");
        fs::create_dir_all(dot_git.join("objects")).unwrap();
        fs::create_dir_all(dot_git.join("refs")).unwrap();
        fs::write(dot_git.join("HEAD"), format!("ref: refs/heads/{branch}\n")).unwrap();
    }

    /// A process as `/proc` shows it.
    pub(crate) fn process(&self, pid: u32, comm: &str, exe: &str, argv: &[&str]) -> Process<'_> {
        let start = u64::from(pid) * 10;
        let process = Process {
            machine: self,
            pid,
            start,
        };
        let at = |name: &str| format!("proc/{pid}/{name}");
        self.write(&at("comm"), &format!("{comm}\n"));
        self.write(
            &at("cmdline"),
            &argv.iter().map(|a| format!("{a}\0")).collect::<String>(),
        );
        self.write(
            &at("environ"),
            &format!("HOME={}\0", self.path("home").display()),
        );
        process.state('S');
        let cwd = self.path("work");
        fs::create_dir_all(&cwd).unwrap();
        process.link("exe", exe);
        process.link("cwd", cwd.to_str().unwrap());
        fs::create_dir_all(self.path(&at("fd"))).unwrap();
        process.link("fd/0", "/dev/pts/7");
        process.link("fd/1", "/dev/pts/7");
        process
    }

    /// The usual one: npm's native binary.
    pub(crate) fn claude(&self, pid: u32) -> Process<'_> {
        self.process(
            pid,
            "claude",
            "/n/@anthropic-ai/claude-code/bin/claude.exe",
            &["claude"],
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end_all_of(self.dir.path());
    }
}

impl Process<'_> {
    pub(crate) fn state(&self, state: char) {
        let Self { pid, start, .. } = self;
        let zeros = "0 ".repeat(17);
        let line = format!("{pid} (claude) {state} 1 {zeros}{start} 0");
        self.machine.write(&format!("proc/{pid}/stat"), &line);
    }

    pub(crate) fn environ(&self, text: &str) {
        self.machine
            .write(&format!("proc/{}/environ", self.pid), text);
    }

    pub(crate) fn link(&self, name: &str, target: &str) {
        let path = self.machine.path(&format!("proc/{}/{name}", self.pid));
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        symlink(target, path).unwrap();
    }

    /// Works in another directory.
    pub(crate) fn works_in(&self, relative: &str) -> PathBuf {
        let dir = self.machine.path(relative);
        fs::create_dir_all(&dir).unwrap();
        self.link("cwd", dir.to_str().unwrap());
        dir
    }

    pub(crate) fn end(&self) {
        fs::remove_dir_all(self.machine.path(&format!("proc/{}", self.pid))).unwrap();
    }

    pub(crate) fn file_path(&self) -> PathBuf {
        self.machine
            .config()
            .join(format!("sessions/{}.json", self.pid))
    }

    /// Writes its status file, as 2.1.328 does, with `changes` on top. Says when it was about to
    /// be closed.
    pub(crate) fn file(&self, changes: serde_json::Value) -> std::time::Instant {
        let cwd = fs::read_link(self.machine.path(&format!("proc/{}/cwd", self.pid))).unwrap();
        let file = status_file(self.pid, &self.start.to_string(), &cwd, 1_795_164_500_100);
        write_status(&self.file_path(), &changed(file, &changes))
    }

    /// Appends lines to the transcript of `conversation`.
    pub(crate) fn says(&self, conversation: &str, lines: &[serde_json::Value]) -> PathBuf {
        use std::io::Write as _;
        let cwd = fs::read_link(self.machine.path(&format!("proc/{}/cwd", self.pid))).unwrap();
        let project = vmux::agent::claude::find::encode_cwd(cwd.to_str().unwrap());
        let path = self
            .machine
            .config()
            .join(format!("projects/{project}/{conversation}.jsonl"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::options()
            .append(true)
            .create(true)
            .open(&path)
            .unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        file.write_all(text.as_bytes()).unwrap();
        path
    }
}

/// A prompt, as a transcript line.
pub(crate) fn prompt(text: &str) -> serde_json::Value {
    json!({"parentUuid": null, "isSidechain": false, "type": "user",
           "message": {"role": "user", "content": text}, "timestamp": "2026-11-20T08:48:47.298Z"})
}

/// An answer that ends the turn.
pub(crate) fn answer(text: &str) -> serde_json::Value {
    json!({"parentUuid": "a", "isSidechain": false, "type": "assistant",
           "message": {"role": "assistant", "model": "claude-opus-5-5", "stop_reason": "end_turn",
                       "content": [{"type": "text", "text": text}]},
           "timestamp": "2026-11-20T08:48:48.298Z"})
}

/// A tool call.
pub(crate) fn tool(name: &str, input: serde_json::Value) -> serde_json::Value {
    json!({"parentUuid": "a", "isSidechain": false, "type": "assistant",
           "message": {"role": "assistant", "model": "claude-opus-5-5", "stop_reason": "tool_use",
                       "content": [{"type": "tool_use", "id": "toolu_1", "name": name, "input": input}]},
           "timestamp": "2026-11-20T08:48:49.298Z"})
}

/// Where the recordings lie.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude")
}
