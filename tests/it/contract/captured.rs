//! Who wrote which line of a commit: three real sessions in one working tree, a subagent, a person
//! in between, a shell, commits in part, one by an agent, and one that is amended. Each line names
//! its writer, and so does each prompt.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use vmux::capture::record::{FilePart, Record};
use vmux::capture::store::Store;
use vmux::sys::exec;

use crate::kit::Lab;
use crate::kit::home::VMUX;
use crate::kit::lab::TRUSTED;
use crate::kit::process::{run, wait_within};

/// A turn of the real CLI, which is started for it.
const TURN: Duration = Duration::from_secs(180);
/// Until a commit is recorded, on a loaded machine.
const RECORDED: Duration = Duration::from_secs(60);

/// A repository with sessions in it.
struct Shop<'l> {
    lab: &'l Lab,
    dir: PathBuf,
}

impl<'l> Shop<'l> {
    fn new(lab: &'l Lab) -> Self {
        let shop = Self {
            lab,
            dir: lab.make_dir(TRUSTED[0]),
        };
        shop.git(&["init", "-q", "-b", "main"]);
        shop.git(&["config", "user.name", "Someone"]);
        shop.git(&["config", "user.email", "someone@example.org"]);
        let base: String = (0..40).map(|n| format!("old line {n}\n")).collect();
        shop.write("base.rs", &base);
        shop.git(&["add", "-A"]);
        shop.git(&["commit", "-qm", "base"]);
        let mut on = lab.command(VMUX);
        let on = run(on.args(["capture", "on"]).current_dir(&shop.dir));
        assert!(
            on.status.success(),
            "{}",
            String::from_utf8_lossy(&on.stderr)
        );
        shop
    }

    fn git(&self, words: &[&str]) -> String {
        self.git_told(words, "")
    }

    /// The same with answers to what it asks.
    fn git_told(&self, words: &[&str], answers: &str) -> String {
        let line = format!("printf '{answers}' | git \"$@\"");
        let mut command = self.lab.command("bash");
        command
            .args(["-c", &line, "git"])
            .args(words)
            .current_dir(&self.dir);
        let done = exec::run(&mut command, RECORDED).unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            done.status.success(),
            "git {words:?}: {}",
            text(&done.stderr)
        );
        text(&done.stdout)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.join(file), text).unwrap();
    }

    /// A person replaces a text.
    fn by_hand(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert!(text.contains(old), "{file} has no {old:?}: {text}");
        self.write(file, &text.replacen(old, new, 1));
    }

    /// A turn of a session, which begins with its first one; the model calls these tools.
    fn turn(&self, session: u8, first: bool, calls: &[Value]) {
        let id = format!(
            "{:08x}-0000-4000-8000-00000000000{session}",
            std::process::id()
        );
        let prompt = format!("seq:{}", Value::from(calls));
        let known = if first { "--session-id" } else { "--resume" };
        let mut command = self.lab.command(self.lab.cli());
        command.args([
            "-p",
            &prompt,
            known,
            &id,
            "--allowedTools",
            "Read,Edit,Write,Bash,Agent",
        ]);
        let done = exec::run(command.current_dir(&self.dir), TURN).unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            said.contains("done"),
            "{prompt}: {said} {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).to_str().unwrap().to_owned()
    }

    fn creates(&self, file: &str, text: &str) -> Value {
        json!(["Write", {"file_path": self.path(file), "content": text}])
    }

    fn edits(&self, file: &str, old: &str, new: &str) -> [Value; 2] {
        let path = self.path(file);
        [
            json!(["Read", {"file_path": &path}]),
            json!(["Edit", {"file_path": path, "old_string": old, "new_string": new}]),
        ]
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    fn record(&self, commit: &str) -> Option<Record> {
        let store = Store::open(&self.dir.join(".git")).unwrap();
        store.get(commit).unwrap()
    }

    /// The record of the newest commit, once all its turns are in it.
    fn recorded(&self) -> Record {
        let commit = self.head();
        wait_within(RECORDED, "the record of a commit", || {
            self.record(&commit).filter(|record| record.complete)
        })
    }

    /// Holds a record against the tags of prompts that the commit must come of, and each of its
    /// lines against the tag that it carries.
    fn holds(&self, record: &Record, tags: &[&str]) {
        let primary = record.prompts.iter().filter(|asked| asked.primary);
        let texts: Vec<&str> = primary.map(|asked| asked.text.as_str()).collect();
        assert_eq!(texts.len(), tags.len(), "{tags:?}: {record:#?}");
        for (text, tag) in texts.iter().zip(tags) {
            assert!(text.contains(&format!("by {tag} ")), "{tag}: {text}");
        }
        for file in &record.files {
            self.lines_hold(record, file);
        }
    }

    fn lines_hold(&self, record: &Record, file: &FilePart) {
        let text = self.git(&["show", &format!("{}:{}", record.commit, file.path)]);
        let lines: Vec<&str> = text.lines().collect();
        for span in &file.ranges {
            for number in span.start..=span.end {
                let line = lines[number as usize - 1];
                let by = line.split_once("by ").map_or("", |(_, by)| by);
                let by = by.split_whitespace().next().unwrap_or_default();
                let told = span.prompt.map(|at| record.prompts[at].text.as_str());
                // What a shell wrote is known by its file, unless the CLI tells of it.
                let shell = by == "shell" && told.is_none() && !file.touched.is_empty();
                let right = told.map_or(by == "hand", |text| text.contains(&format!("by {by} ")));
                assert!(right || shell, "{}:{number} {line}: {told:?}", file.path);
            }
        }
    }
}

#[test]
#[ignore = "installs Claude Code from npm"]
fn lines_are_traced_to_their_prompts() {
    let lab = super::newest();
    let shop = Shop::new(&lab);
    shop.turn(
        1,
        true,
        &[shop.creates("a.rs", "one by first .\ntwo by first .\nthree by first .\n")],
    );
    shop.turn(
        2,
        true,
        &shop.edits(
            "a.rs",
            "two by first .",
            "two by first .\nadded by second .",
        ),
    );
    shop.by_hand("a.rs", "three by first .", "three by hand .");
    shop.write("a.rs", &format!("{}more by hand .\n", shop.read("a.rs")));
    shop.turn(
        1,
        false,
        &shop.edits("base.rs", "old line 3\n", "old line 3\nnew by third .\n"),
    );
    shop.by_hand("base.rs", "old line 30\n", "old line 30\nnew by hand .\n");

    // A part of the files.
    shop.git(&["add", "a.rs"]);
    shop.git(&["commit", "-qm", "a"]);
    shop.holds(&shop.recorded(), &["first", "second"]);

    // A part of a file.
    shop.git_told(&["add", "-p", "base.rs"], "y\\nn\\n");
    shop.git(&["commit", "-qm", "b"]);
    shop.holds(&shop.recorded(), &["third"]);

    // Nobody's but a person's.
    shop.write("notes.md", "all by hand .\n");
    shop.git(&["add", "notes.md"]);
    shop.git(&["commit", "-qm", "notes"]);
    let persons = shop.head();

    // A subagent, a shell, and a commit by the agent itself, with what the person left.
    let inner = format!(
        "seq:{}",
        json!([shop.creates("d.rs", "one by sub .\ntwo by sub .\n")])
    );
    let agent =
        json!({"description": "lab subagent", "prompt": inner, "subagent_type": "general-purpose"});
    shop.turn(3, true, &[json!(["Agent", agent])]);
    let shell =
        json!({"command": "printf 'one by shell .\\n' > gen.txt", "description": "lab command"});
    shop.turn(3, false, &[json!(["Bash", shell])]);
    let commit = json!({"command": "git add -A && git commit -qm c", "description": "lab command"});
    shop.turn(3, false, &[json!(["Bash", commit])]);
    shop.holds(&shop.recorded(), &["sub", "shell"]);

    // What is amended keeps what it had.
    shop.turn(
        2,
        false,
        &shop.edits("d.rs", "one by sub .", "one by sub .\nlate by last ."),
    );
    shop.by_hand("d.rs", "two by sub .", "two by sub .\nlate by hand .");
    shop.git(&["commit", "-qa", "--amend", "--no-edit"]);
    shop.holds(&shop.recorded(), &["sub", "shell", "last"]);
    assert_eq!(shop.record(&persons), None);
}
