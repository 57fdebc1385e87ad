//! Real CLIs that vmux keeps. Their terminals are panes that are attached to them, and judged as ever:
//! by another emulator than the holder's.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::codex::{self, Codex};
use super::screen::Shown;
use super::session::{Session, Want};
use super::stories::ASKING;
use crate::kit::home::VMUX;
use crate::kit::process::{is_alive, poll, processes_of, wait_within};
use crate::kit::{Lab, wait_for};

/// A dialog that has just opened ignores keys: sent again then.
const AGAIN: Duration = Duration::from_secs(2);
/// Until the whole tree of a session is gone.
const GONE: Duration = Duration::from_secs(30);

impl Lab {
    /// Starts a session that vmux keeps; what it says of it.
    pub(super) fn host(&self, name: &str, dir: &str, words: &[&str]) -> Value {
        let dir = self.make_dir(dir);
        let fixed = ["start", "--json", "--name", name, dir.to_str().unwrap()];
        let said = self.says(&[&fixed[..], words].concat()).unwrap();
        serde_json::from_str(&said).unwrap()
    }

    /// A pane that is attached to it.
    pub(super) fn attach(&self, name: &str) -> String {
        self.run("work", &[VMUX, "attach", name]).0
    }

    pub(super) fn hosted_claude(&self, name: &str, dir: &str) -> Session<'_> {
        let info = self.host(name, dir, &[&["--", "claude"], &ASKING[..]].concat());
        let pid = info["pid"].as_u64().unwrap().try_into().unwrap();
        Session::new(self, self.attach(name), pid)
    }

    /// Ends the daemon as a crash does.
    fn kill_daemon(&self) {
        let pid = fs::read_to_string(self.path("vmux/vmuxd.pid")).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }

    /// Programs of this world that are called so.
    pub(super) fn running(&self, names: &[&str]) -> Vec<u32> {
        let ours = processes_of(self.dir()).into_iter().map(|(_, pid)| pid.0);
        let called = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            names.iter().any(|name| comm.trim().starts_with(name))
        };
        ours.filter(called).filter(|pid| is_alive(*pid)).collect()
    }
}

/// Three sessions of two agents. Their daemon is killed while one streams; whoever is attached does not
/// notice, and the next daemon tells all three as they are. They are answered in the terminal, by keys
/// from outside and through the agent; left; and ended with nothing left of them.
#[test]
#[ignore = "installs Claude Code and Codex CLI from npm"]
fn three_of_two_agents_outlive_their_daemon() {
    let lab = super::newest();
    let mut one = lab.hosted_claude("one", "work");
    let mut two = lab.hosted_claude("two", "other");
    let three = Codex::hosted(&lab, "three");
    one.expect(Shown::Idle, &Want::idle());
    two.expect(Shown::Idle, &Want::idle());
    three.shows("lab-model");
    three.is("idle", None);

    one.say("hold:x");
    lab.until_said("x");
    one.expect(Shown::Working, &Want::working());
    lab.kill_daemon();
    one.expect(Shown::Working, &Want::working());
    two.expect(Shown::Idle, &Want::idle());
    three.is("idle", None);
    lab.kill_daemon();
    lab.go("x");
    one.sees("\u{25cf} ");
    one.expect(Shown::Idle, &Want::idle());

    // In the terminal that is attached.
    one.say("bash:touch typed.txt");
    let ask = Want::asking("permission prompt", "Bash(touch typed.txt)");
    one.expect(Shown::Permission, &ask);
    one.answer(Shown::Permission, "Enter");
    one.makes(&lab.path("work/typed.txt"));
    one.expect(Shown::Idle, &Want::idle());
    // With nobody attached, from outside.
    two.say("bash:touch sent.txt");
    let ask = Want::asking("permission prompt", "Bash(touch sent.txt)");
    two.expect(Shown::Permission, &ask);
    two.press("C-]");
    wait_for("the terminal to be left", || two.has_ended().then_some(()));
    let sent = lab.path("other/sent.txt");
    wait_within(Duration::from_secs(120), "the answer", || {
        lab.says(&["send", "--enter", "two", ""]).unwrap();
        poll(AGAIN, || sent.exists().then_some(()))
    });
    // It is drawn whole in another terminal.
    two.moved_to(lab.attach("two"));
    two.expect(Shown::Idle, &Want::idle());
    two.sees("touch sent.txt");
    // Through the agent.
    codex::answers(&lab, &three);

    for name in ["one", "two", "three"] {
        let said = lab.says(&["end", "--yes", name]).unwrap();
        assert!(said.contains("ended"), "{said}");
    }
    let names = ["vmux-host", "claude", "codex", "node"];
    wait_within(GONE, "nothing to be left", || {
        lab.running(&names).is_empty().then_some(())
    });
    wait_for("no rows", || lab.rows(&["--all"]).is_empty().then_some(()));
}

/// What the claims of a session are now, those that are in force.
fn claims(lab: &Lab, pid: u32) -> String {
    let said = lab.says(&["explain", &pid.to_string()]).unwrap();
    let claims = said.lines().filter(|line| line.ends_with(", in force"));
    claims.map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Claude Code tells the terminal that vmux keeps for it what its files do not: the dialog before
/// its session has a file. Where there is a file the two agree, and the file decides.
#[test]
#[ignore = "installs Claude Code from npm"]
fn a_kept_one_tells_its_terminal_what_it_does() {
    let lab = super::newest();
    let mut claude = lab.hosted_claude("one", "unknown");
    let trust = Want::asking("start dialog", "trust this folder");
    claude.expect(Shown::StartDialog, &trust);
    let asks = "terminal: needs_input (start dialog), in force";
    assert!(claims(&lab, claude.pid).starts_with(asks));
    // It is heard of before it is drawn, and one that has just opened ignores keys.
    wait_for("yes to be chosen", || {
        let yes = || claude.screen().contains("\u{276f} Yes").then_some(());
        poll(AGAIN, yes).or_else(|| {
            claude.press("Down");
            None
        })
    });
    claude.answer(Shown::StartDialog, "Enter");
    claude.expect(Shown::Idle, &Want::idle());
    let says = |claude: &Session<'_>, by_file: &str, by_terminal: &str| {
        let both = format!("file: {by_file}, in force; terminal: {by_terminal}, in force");
        wait_for(&both, || (claims(&lab, claude.pid) == both).then_some(()));
    };
    says(&claude, "idle", "idle");
    claude.say("hold:x");
    lab.until_said("x");
    claude.expect(Shown::Working, &Want::working());
    says(&claude, "working", "working");
    lab.go("x");
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("bash:touch there.txt");
    let ask = Want::asking("permission prompt", "Bash(touch there.txt)");
    claude.expect(Shown::Permission, &ask);
    let asks = "needs_input (permission prompt)";
    says(&claude, asks, asks);
    claude.answer(Shown::Permission, "Enter");
    claude.makes(&lab.path("unknown/there.txt"));
    claude.expect(Shown::Idle, &Want::idle());
    says(&claude, "idle", "idle");
    claude.say("ask");
    let asked = Want::asking("question", "Which colour do you want?");
    claude.expect(Shown::Question, &asked);
    says(&claude, "needs_input (question)", "needs_input (question)");
    claude.answer(Shown::Question, "Enter");
    claude.expect(Shown::Idle, &Want::idle());
    claude.say("error:400");
    claude.expect(Shown::Idle, &Want::idle_because("error"));
    says(&claude, "idle (error)", "idle (error)");
    // Its reports call this work.
    claude.say("bg:sleep 60");
    claude.expect(Shown::Idle, &Want::idle_because("background shell"));
    says(
        &claude,
        "idle (background shell)",
        "idle (background shell)",
    );
}
