//! Programs that vmux keeps, as rows of the list; and what all rows gain from what holders hear.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{World, pid_of, signal};
use crate::kit::process::{processes_of, run, start_ticks};
use crate::kit::shown::{changed, status_file};
use crate::kit::wait_for;

impl World {
    /// All rows of this agent, as scripts get them.
    fn rows(&self, agent: &str) -> Vec<Value> {
        let said = self.says(&["list", "--json", "--agent", agent]);
        let reply: Value = serde_json::from_str(&said).unwrap();
        reply["sessions"].as_array().unwrap().clone()
    }

    /// Waits until the only row of this agent says this.
    fn only(&self, agent: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || match &self.rows(agent)[..] {
            [row] if fits(row) => Some(row.clone()),
            _ => None,
        })
    }

    fn types(&self, line: &str) {
        self.says(&["send", "--enter", "one", line]);
    }
}

fn is(state: &'static str, reason: Option<&'static str>) -> impl Fn(&Value) -> bool {
    move |row| row["state"] == state && row["reason"].as_str() == reason
}

/// What nothing tells is unknown; what it says to its terminal is heard at once, not at a scan.
#[test]
fn a_program_is_a_row_that_says_what_it_tells_its_terminal() {
    let world = World::new();
    let tell = "stty -echo; while read line; do printf \"\\033]$line\\007\"; done";
    let info = world.start("one", tell);
    let row = world.only("program", "a row", is("unknown", None));
    assert_eq!(row["pid"], info["pid"]);
    assert_eq!(
        (&row["name"], &row["named_by_user"]),
        (&"one".into(), &true.into())
    );
    let works = Instant::now();
    world.types("7501;state=working");
    world.only("program", "that it works", is("working", None));
    world.types("7501;state=blocked:kind=question:msg=V2hpY2g/");
    let row = world.only(
        "program",
        "that it asks",
        is("needs_input", Some("question")),
    );
    assert_eq!(row["question"], "Which?");
    assert!(row["waiting_since"].is_string());
    assert!(
        works.elapsed() < Duration::from_secs(4),
        "{:?}",
        works.elapsed()
    );
    let explained = world.says(&["explain", "one"]);
    for words in [
        "terminal: needs_input (question), in force",
        "kind: question",
        "msg: Which?",
    ] {
        assert!(explained.contains(words), "{words:?} in {explained}");
    }
    world.types("7501;state=error:msg=bm8=");
    world.only("program", "that it failed", is("idle", Some("error")));
    world.types("7501;state=clear");
    world.only("program", "nothing", is("unknown", None));
    // Gemini CLI says it by its title alone.
    world.types("0;\u{270b}  Action Required (shop)");
    world.only("program", "that it asks", is("needs_input", None));
    world.types("0;\u{25c7}  Ready (shop)");
    world.only("program", "that it is ready", is("idle", None));
    let local = world.says(&["--no-daemon", "list", "--json", "--agent", "program"]);
    assert!(local.contains("\"state\":\"idle\""), "{local}");
    world.says(&["end", "--yes", "one"]);
    wait_for("the end of the row", || {
        world.rows("program").is_empty().then_some(())
    });
}

/// A shell whose job is stopped or killed has the terminal again: what the job said holds no more.
#[test]
fn what_a_stopped_job_said_does_not_read_as_work() {
    let world = World::new();
    let job = "printf '\\033]7501;state=working\\007'; sleep 600";
    world.start("one", "exec bash --norc -i");
    world.types("PS1='ready> '");
    world.shows("one", "ready> ");
    world.only("program", "a row", is("unknown", None));
    for end in ["\u{1a}", "\u{3}"] {
        world.types(&format!("bash -c \"{}\"", job.replace('\\', "\\\\")));
        world.only("program", "that it works", is("working", None));
        world.says(&["send", "one", end]);
        world.only("program", "that nothing is known", is("unknown", None));
    }
}

/// So it is in a container that was given the terminal: processes have other numbers there.
#[test]
fn a_coding_tool_in_a_container_on_the_same_terminal_is_heard_there() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = World::new();
    // Its name is all that tells what it is, until its file does.
    let tool = world.0.make_dir("inner").join("claude");
    let done = run(Command::new("install").arg("/bin/sleep").arg(&tool));
    assert!(done.status.success(), "{done:?}");
    let info = world.start("one", "exec bash --norc -i");
    let shell = world.only("program", "the shell", is("unknown", None));
    let contained = "unshare --pid --mount --fork --kill-child";
    world.types(&format!("{contained} {} 3600", tool.display()));
    let pid = wait_for("the process", || {
        let ours = processes_of(world.0.dir());
        let pids = ours.iter().map(|(_, pid)| pid.0);
        let mut tools = pids.filter(|pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm.trim() == "claude")
        });
        tools.next()
    });
    // Its file, as it is written inside: there it is the first process.
    let namespace = fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    let now = chrono::Utc::now().timestamp_millis();
    let domain = json!({"pidDomain": format!("linux:abc:{}", namespace.display())});
    let file = changed(status_file(1, &start_ticks(pid), &cwd, now), &domain);
    let dir = world.0.make_dir("home/.claude/sessions");
    fs::write(dir.join("1.json"), file.to_string()).unwrap();
    let row = world.only("claude", "the tool", |row| row["name"] == "one");
    assert_eq!(
        (&row["container"], &row["named_by_user"]),
        (&true.into(), &true.into())
    );
    assert_eq!(world.rows("program"), [] as [Value; 0]);
    let tty = info["tty"].as_str().unwrap();
    let mut tty = fs::OpenOptions::new().write(true).open(tty).unwrap();
    tty.write_all(b"\x1b]7501;state=error:msg=bm8=\x07")
        .unwrap();
    world.only("claude", "that it failed", is("idle", Some("error")));
    signal(pid_of(&row["pid"]), Signal::KILL);
    let row = world.only("program", "the shell again", is("unknown", None));
    assert_eq!(row["id"], shell["id"]);
}

/// A coding tool in the same terminal stands in the list in place of the shell; it gets the name
/// that its user gave the session, and what its file does not say.
#[test]
fn a_shell_gives_way_to_the_coding_tool_in_it() {
    let world = World::new();
    let script = world.0.path("inner.sh");
    fs::write(&script, world.0.script("inner")).unwrap();
    let info = world.start("one", "exec bash --norc -i");
    let shell = world.only("program", "the shell", is("unknown", None));
    world.types(&format!("sh {}", script.display()));
    let claude = world.0.register("inner");
    let row = world.only("claude", "the tool", |row| row["pid"] == claude.pid);
    assert_ne!(row["id"], shell["id"]);
    assert_eq!(world.rows("program"), [] as [Value; 0]);
    // As its program would: from its terminal.
    let says = |text: &str| {
        let tty = info["tty"].as_str().unwrap();
        let mut tty = fs::OpenOptions::new().write(true).open(tty).unwrap();
        tty.write_all(text.as_bytes()).unwrap();
    };
    says(
        "\x1b]7501;state=blocked:kind=permission:app=claude-code:msg=dHJ1c3QgdGhpcyBmb2xkZXI=\x07",
    );
    let row = world.only("claude", "what the file says", is("idle", None));
    assert_eq!(
        (&row["name"], &row["named_by_user"]),
        (&"one".into(), &true.into())
    );
    claude.set(json!({"status": "waiting", "waitingFor": "permission prompt"}));
    world.only("claude", "what is asked", |row| {
        row["ask"] == "trust this folder"
    });
    says("\x1b]7501;state=error:msg=bm8=\x07");
    claude.set(json!({}));
    world.only("claude", "that it failed", is("idle", Some("error")));
    // Nothing tells the terminal that it was stopped, or killed.
    says("\x1b]7501;state=working\x07");
    claude.set(json!({"status": "busy"}));
    world.only("claude", "that it works", is("working", None));
    world.says(&["send", "one", "\u{1a}"]);
    world.only(
        "claude",
        "that it is stopped",
        is("idle", Some("suspended")),
    );
    signal(claude.pid, Signal::KILL);
    let row = world.only("program", "the shell again", is("unknown", None));
    assert_eq!(row["id"], shell["id"]);
}
