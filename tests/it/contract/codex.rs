//! Codex CLI from npm beside Claude Code: what vmux says of both, held against their screens and
//! against what they did.
//!
//! Versions were pinned on 2026-11-28. The conversations of 0.171.0 are run by an app-server, which
//! the first start copies into the home; 0.139.0 runs its own, and its title tells what its files do
//! not.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::kit::lab::{Model, Row, TRUSTED};
use serde_json::Value;

use crate::kit::home::VMUX;
use crate::kit::process::{poll, run, wait_within};
use crate::kit::{Lab, install};

/// Until a screen shows, or vmux says, what is waited for.
const SHOWS: Duration = Duration::from_secs(120);
/// What was typed shows at once, or was lost in a redraw.
const TYPED: Duration = Duration::from_secs(5);

/// A Codex CLI in a terminal, and its model.
pub(super) struct Codex<'l> {
    lab: &'l Lab,
    /// Where it works.
    dir: &'static str,
    pane: String,
    model: Model,
    /// Its process: a child of what npm starts.
    pid: Cell<u32>,
}

impl<'l> Codex<'l> {
    pub(super) fn start(lab: &'l Lab, version: &str) -> Self {
        Self::started_by(lab, version, "work", |cli| {
            lab.run("work", &[cli.to_str().unwrap()]).0
        })
    }

    /// One that vmux keeps, in a terminal that is attached to it.
    pub(super) fn hosted(lab: &'l Lab, name: &str) -> Self {
        Self::started_by(lab, "0.171.0", "work", |_| {
            lab.host(name, "work", &["--agent", "codex"]);
            lab.attach(name)
        })
    }

    /// The same, started with options, by which it works in another directory.
    pub(super) fn hosted_elsewhere(lab: &'l Lab, name: &str, options: &[&str]) -> Self {
        Self::started_by(lab, "0.171.0", "other", |_| {
            lab.make_dir("other");
            let command = ["--", "codex", "-C", "../other"];
            lab.host(name, "work", &[&command[..], options].concat());
            lab.attach(name)
        })
    }

    /// Writes its settings; what starts it is told of the program, and says the pane.
    fn started_by(
        lab: &'l Lab,
        version: &str,
        dir: &'static str,
        start: impl FnOnce(&Path) -> String,
    ) -> Self {
        let cli = install::codex(version);
        symlink(&cli, lab.path("bin/codex")).unwrap();
        let model = Model::start("fake_responses.py");
        let port = model.port;
        let home = lab.path("home/.codex");
        fs::create_dir_all(&home).unwrap();
        let dirs = TRUSTED.map(|dir| {
            format!(
                "[projects.{:?}]\ntrust_level = \"trusted\"\n",
                lab.path(dir)
            )
        });
        let settings = format!(
            "model = \"lab-model\"\nmodel_provider = \"lab\"\napproval_policy = \"on-request\"\n\
             sandbox_mode = \"workspace-write\"\ncheck_for_update_on_startup = false\n\
             [model_providers.lab]\nname = \"lab\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
             wire_api = \"responses\"\n{}",
            dirs.concat()
        );
        fs::write(home.join("config.toml"), settings).unwrap();
        Self {
            lab,
            dir,
            pane: start(&cli),
            model,
            pid: Cell::new(0),
        }
    }

    /// One that goes on, in another terminal.
    pub(super) fn moved_to(&mut self, pane: String) {
        self.pane = pane;
    }

    fn screen(&self) -> String {
        self.lab.tmux(&["capture-pane", "-p", "-t", &self.pane])
    }

    pub(super) fn shows(&self, words: &str) {
        wait_within(SHOWS, words, || self.screen().contains(words).then_some(()));
    }

    /// Types a line and sends it once it stands there.
    pub(super) fn says(&self, line: &str) {
        let keys = |keys: &[&str]| {
            self.lab
                .tmux(&[&["send-keys", "-t", &self.pane], keys].concat())
        };
        keys(&["-l", line]);
        self.shows(line);
        let sent = |row: &Row| row.state != "idle";
        wait_within(SHOWS, "the line to be sent", || {
            keys(&["Enter"]);
            poll(TYPED, || self.row().filter(sent).map(drop))
        });
    }

    fn press(&self, key: &str) {
        self.lab.tmux(&["send-keys", "-t", &self.pane, key]);
    }

    /// Kills it, and waits until vmux lists it no more.
    fn killed(&self) {
        let kill = std::process::Command::new("kill")
            .args(["-9", &self.pid.get().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        wait_within(SHOWS, "it to be gone", || {
            self.row().is_none().then_some(())
        });
    }

    fn row(&self) -> Option<Row> {
        let mut rows = self.lab.rows(&[]).into_iter();
        let dir = self.lab.path(self.dir);
        let row = rows.find(|row| row.agent == "codex" && row.cwd == dir)?;
        self.pid.set(row.pid);
        Some(row)
    }

    /// Waits until vmux says this of its state and its reason.
    pub(super) fn is(&self, state: &str, reason: Option<&str>) -> Row {
        let said = Cell::new(None);
        let fits = || {
            let row = self.row();
            let fit = row
                .clone()
                .filter(|row| row.state == state && row.reason.as_deref() == reason);
            said.set(row);
            fit
        };
        poll(SHOWS, fits).unwrap_or_else(|| {
            let explained = self.lab.says(&["explain", &self.pid.get().to_string()]);
            let said = said.take();
            panic!("{state} {reason:?} is not what vmux says: {said:?}\n{explained:?}")
        })
    }
}

impl Drop for Codex<'_> {
    fn drop(&mut self) {
        // The app-server makes its socket in a directory of all homes, and leaves it there.
        let socket = "home/.codex/app-server-control/app-server-control.sock";
        if let Ok(target) = fs::read_link(self.lab.path(socket)) {
            drop(fs::remove_file(target.with_extension("lock")));
            drop(fs::remove_file::<PathBuf>(target));
        }
    }
}

/// The story of one session, from its start to its end.
#[test]
#[ignore = "installs Claude Code and Codex CLI from npm"]
fn beside_claude_code() {
    let lab = super::newest();
    let claude = lab.claude(&[]);
    let codex = Codex::start(&lab, "0.171.0");
    codex.shows("lab-model");
    let row = codex.is("idle", None);
    assert_eq!(row.version.as_deref(), Some("0.171.0"));
    wait_within(SHOWS, "both in one list", || {
        let rows = lab.rows(&[]);
        let has = |agent: &str| rows.iter().any(|row| row.agent == agent);
        (has("claude") && has("codex")).then_some(())
    });
    let only = lab.rows(&["--agent", "codex"]);
    assert!(only.iter().any(|row| row.pid == codex.pid.get()));
    assert!(only.iter().all(|row| row.agent == "codex"));
    assert!(
        lab.rows(&["--agent", "claude"])
            .iter()
            .any(|row| row.pid == claude.pid)
    );

    codex.says("hold:a");
    codex.is("working", None);
    codex.shows("on and on");
    codex.model.go("a");
    let row = codex.is("idle", None);
    assert!(row.preview.is_some_and(|said| said.ends_with("ok")));

    let pid = answers(&lab, &codex);
    let listed = lab.says(&["preview", &pid]).unwrap();
    assert!(
        listed.contains("esc:touch asked.txt") && listed.contains("done"),
        "{listed}"
    );
    codex.killed();
    assert!(lab.rows(&[]).iter().any(|row| row.agent == "claude"));
}

/// The story of one that runs its conversation itself.
#[test]
#[ignore = "installs Codex CLI from npm"]
fn without_an_app_server() {
    let lab = super::newest();
    let codex = Codex::start(&lab, "0.139.0");
    codex.shows("lab-model");
    let row = codex.is("idle", None);
    assert_eq!(row.version.as_deref(), Some("0.139.0"));
    codex.says("hold:a");
    codex.is("working", None);
    codex.model.go("a");
    let row = codex.is("idle", None);
    assert!(row.preview.is_some_and(|said| said.ends_with("ok")));

    codex.says("esc:sleep 3");
    codex.shows("Would you like to run the following command?");
    let row = codex.is("needs_input", Some("permission prompt"));
    assert_eq!(row.ask.as_deref(), Some("Shell(sleep 3)"));
    let pid = row.pid.to_string();
    let because = "because  the title of its terminal says that it needs an answer";
    wait_within(SHOWS, because, || {
        let explained = lab.says(&["explain", &pid]).ok()?;
        explained.contains(because).then_some(())
    });
    let refused = lab.says(&["answer", &pid]).unwrap_err();
    assert!(refused.contains("without an app-server"), "{refused}");
    codex.press("y");
    codex.is("working", None);
    codex.is("idle", None);
    codex.killed();
}

/// What it patches leads to its prompts; what its shell writes is known by the file.
#[test]
#[ignore = "installs Codex CLI from npm"]
fn lines_lead_to_the_prompts_they_come_of() {
    for version in ["0.171.0", "0.139.0"] {
        let lab = super::newest();
        let work = lab.make_dir("work");
        let run = |program: &str, words: &[&str]| {
            let done = run(lab.command(program).args(words).current_dir(&work));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(done.status.success(), "{words:?}: {}", text(&done.stderr));
            text(&done.stdout)
        };
        run("git", &["init", "-q", "-b", "main"]);
        for (name, value) in [("name", "Someone"), ("email", "someone@example.org")] {
            run("git", &["config", &format!("user.{name}"), value]);
        }
        run("git", &["commit", "-q", "--allow-empty", "-m", "begin"]);
        run(VMUX, &["capture", "on"]);
        let codex = Codex::start(&lab, version);
        codex.shows("lab-model");
        codex.is("idle", None);
        let prompts = [
            "add:b.rs three by add",
            "add:a.rs one by add",
            "run:echo two by run >c.rs",
            "edit:a.rs one by add>one by edit",
        ];
        let turn = |prompt: &str| {
            codex.says(prompt);
            let ends = |row: &Row| row.preview.as_deref() == Some("done");
            wait_within(SHOWS, prompt, || Some(codex.is("idle", None)).filter(ends));
        };
        let why = |line: &str| {
            let told: Value = serde_json::from_str(&run(VMUX, &["why", "--json", line])).unwrap();
            let answer = &told["answers"][0];
            let words = [&answer["level"], &answer["prompts"][0]["text"]];
            words.map(|word| word.as_str().unwrap_or_default().to_owned())
        };
        prompts.iter().for_each(|prompt| turn(prompt));
        assert_eq!(
            fs::read_to_string(work.join("a.rs")).unwrap(),
            "one by edit\n"
        );
        run("git", &["add", "-A"]);
        run("git", &["commit", "-q", "-m", "a"]);
        let recorded = || Some(why("a.rs:1")).filter(|told| told[0] == "line");
        let told = wait_within(SHOWS, "the record", recorded);
        assert_eq!(told, ["line", prompts[3]], "{version}");
        assert_eq!(why("b.rs:1"), ["line", prompts[0]], "{version}");
        assert_eq!(why("c.rs:1"), ["file", prompts[2]], "{version}");
    }
}

/// It asks, vmux shows the whole command and allows it, and it runs. Returns its pid.
pub(super) fn answers(lab: &Lab, codex: &Codex<'_>) -> String {
    let asked = lab.path("work/asked.txt");
    codex.says("esc:touch asked.txt");
    codex.shows("Would you like to run the following command?");
    let row = codex.is("needs_input", Some("permission prompt"));
    assert_eq!(row.ask.as_deref(), Some("Shell(touch asked.txt)"));
    let pid = row.pid.to_string();
    let shown = lab.says(&["answer", &pid]).unwrap();
    assert!(
        shown.contains("touch asked.txt") && shown.contains("May I run it?"),
        "{shown}"
    );
    assert!(lab.says(&["answer", &pid, "allow"]).is_err(), "unread");
    assert!(
        lab.says(&["answer", &pid, "--request", "1", "allow"])
            .is_err(),
        "another one"
    );
    let mut rofi = lab.command(env!("CARGO_BIN_EXE_vmux-rofi"));
    let asks = [
        ("ROFI_RETV", "14"),
        ("ROFI_OUTSIDE", "1"),
        ("ROFI_INFO", &row.id),
    ];
    let page = rofi.envs(asks).output().unwrap().stdout;
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(
        page.contains("touch asked.txt") && page.contains("Allow it, this once"),
        "{page}"
    );
    assert!(!asked.exists(), "nothing ran before the answer");
    let (_, rest) = shown.split_once("(request ").unwrap();
    let (request, _) = rest.split_once(')').unwrap();
    lab.says(&["answer", &pid, "--request", request, "allow"])
        .unwrap();
    wait_within(SHOWS, "the command to run", || asked.exists().then_some(()));
    codex.is("idle", None);
    assert!(!codex.screen().contains("Would you like to run"));
    assert!(
        lab.says(&["answer", &pid]).is_err(),
        "it asks nothing any more"
    );
    pid
}
