//! Conversations of Claude Code that are played: their transcripts, and the files that they change.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::home::Home;
use super::process::run;

/// A conversation in a home, begun in a directory below `work`.
pub(crate) struct Talk<'h> {
    home: &'h Home,
    id: String,
    cwd: PathBuf,
    prompt: usize,
    lines: usize,
}

impl Home {
    pub(crate) fn talk(&self, id: &str, dir: &str) -> Talk<'_> {
        Talk {
            home: self,
            id: id.into(),
            cwd: self.path("work").join(dir),
            prompt: 0,
            lines: 0,
        }
    }
}

impl Talk<'_> {
    fn file(&self) -> PathBuf {
        let dir = self.cwd.to_str().unwrap().replace(['/', '.'], "-");
        let dir = self.home.path("home/.claude/projects").join(dir);
        fs::create_dir_all(&dir).unwrap();
        dir.join(format!("{}.jsonl", self.id))
    }

    /// A line, as Claude Code 2.1.332 writes it at this moment.
    fn tell(&mut self, line: Value) {
        self.tell_as(line, |text| text);
    }

    fn tell_as(&mut self, mut line: Value, text: impl FnOnce(String) -> String) {
        self.lines += 1;
        let now = chrono::Utc::now();
        let common = json!({
            "isSidechain": false,
            "uuid": format!("{}-{}", self.id, self.lines),
            "timestamp": now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            "cwd": self.cwd,
            "sessionId": self.id,
            "version": "2.1.332",
        });
        let fields = line.as_object_mut().unwrap();
        fields.extend(common.as_object().unwrap().clone());
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.file()).unwrap();
        let line = text(format!("{line}\n"));
        file.write_all(line.as_bytes()).unwrap();
    }

    /// Its user asks for something.
    pub(crate) fn ask(&mut self, words: &str) {
        self.prompt += 1;
        let prompt = format!("{}-prompt-{}", self.id, self.prompt);
        self.tell(json!({
            "type": "user", "promptId": prompt, "origin": {"kind": "human"}, "promptSource": "typed",
            "message": {"role": "user", "content": words},
        }));
    }

    /// It puts a line at the end of a file below `work`.
    pub(crate) fn write(&mut self, path: &str, line: &str) {
        let file = self.home.path("work").join(path);
        let before = fs::read_to_string(&file).ok();
        let after = format!("{}{line}\n", before.as_deref().unwrap_or_default());
        let call = format!("{}-call-{}", self.id, self.lines);
        let input = json!({"file_path": file, "content": after});
        self.says(
            json!([{"type": "tool_use", "id": call, "name": "Write", "input": input}]),
            "tool_use",
        );
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &after).unwrap();
        let kind = if before.is_some() { "update" } else { "create" };
        self.gets(
            &call,
            json!({
                "type": kind, "filePath": file, "content": after, "originalFile": before,
                "structuredPatch": [],
            }),
        );
    }

    fn gets(&mut self, call: &str, result: Value) {
        let prompt = format!("{}-prompt-{}", self.id, self.prompt);
        self.tell(json!({
            "type": "user", "promptId": prompt,
            "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call, "content": "ok"}]},
            "toolUseResult": result,
        }));
    }

    /// It runs a command in its shell; what that changes is not told.
    pub(crate) fn run(&mut self, command: &str) {
        let call = format!("{}-call-{}", self.id, self.lines);
        let tool = json!({"type": "tool_use", "id": call, "name": "Bash"});
        // The CLI has the name before the input: that is how vmux finds commands.
        let name = "\"name\":\"Bash\",";
        let input = format!("{name}\"input\":{},", json!({"command": command}));
        let line = Self::said(json!([tool]), "tool_use");
        self.tell_as(line, |text| text.replace(name, &input));
        let mut shell = self.home.command("sh");
        let done = run(shell.args(["-c", command]).current_dir(&self.cwd));
        assert!(done.status.success(), "{command}: {done:?}");
        self.gets(
            &call,
            json!({"stdout": "", "stderr": "", "interrupted": false}),
        );
    }

    /// It commits all that there is where it works, as Claude Code 2.1.332 tells of it.
    pub(crate) fn commit(&mut self, dir: &str, message: &str) -> String {
        let call = format!("{}-call-{}", self.id, self.lines);
        self.says(
            json!([{"type": "tool_use", "id": call, "name": "Bash", "input": {"command": "git commit"}}]),
            "tool_use",
        );
        self.home.git(dir, &["add", "-A"]);
        self.home.git(dir, &["commit", "-q", "-m", message]);
        let short = self.home.git(dir, &["rev-parse", "--short", "HEAD"]);
        let branch = self.home.git(dir, &["branch", "--show-current"]);
        self.gets(
            &call,
            json!({
                "stdout": "", "stderr": "", "interrupted": false,
                "gitOperation": {"commit": {"sha": short, "kind": "committed", "branch": branch}},
            }),
        );
        self.home.git(dir, &["rev-parse", "HEAD"])
    }

    /// Its turn ends with these words.
    pub(crate) fn end(&mut self, words: &str) {
        self.says(json!([{"type": "text", "text": words}]), "end_turn");
        self.tell(json!({"type": "system", "subtype": "turn_duration", "durationMs": 1000}));
    }

    fn says(&mut self, content: Value, stop: &str) {
        self.tell(Self::said(content, stop));
    }

    fn said(content: Value, stop: &str) -> Value {
        json!({
            "type": "assistant",
            "message": {
                "role": "assistant", "model": "claude-opus-5-5", "content": content, "stop_reason": stop,
            },
        })
    }
}
