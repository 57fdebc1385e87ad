//! Codex without an app-server, whose rollout does not tell whether its call runs or asks: the
//! title of its terminal does. It is played: a program of that name with its rollout open, which
//! titles its terminal as the real one does.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::tmux::Tmux;
use super::{Desktop, wait_for};
use crate::kit::manager::Manager;
use crate::machine::fixtures;

/// Titles its terminal anew ten times a second, as the last word it was told wants it. Starts no
/// process, which might be the one of its call.
const PLAY: &str = r#"
exec 7>>"$HOME/.codex/sessions/2026/11/28/rollout-2026-11-28T04-57-58-01a22084-5988-7113-acb7-f089526d028a.jsonl"
exec 8<>"$HOME/pause"
spinner=(⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏) word=rests n=0
while :; do
    read -r -t 0.1 -u 8
    read -r told < "$HOME/word" && word=$told
    n=$((n + 1))
    case $word in
        works) title="${spinner[n % 10]} shop" ;;
        asks) title='[ ! ] Action Required | shop'; [ $((n / 10 % 2)) = 0 ] || title='[ . ] Action Required | shop' ;;
        rests) title=shop ;;
    esac
    [ $word = hangs ] || printf '\033]0;%s\007' "$title"
done
"#;

/// A played Codex.
struct Played<'d> {
    desktop: &'d Desktop,
}

impl<'d> Played<'d> {
    /// Gets it ready; returns it, and the command that starts it in a terminal.
    fn new(desktop: &'d Desktop) -> (Self, [String; 2]) {
        let dir = desktop.make_dir("home/.codex/sessions/2026/11/28");
        let name = "rollout-2026-11-28T04-57-58-01a22084-5988-7113-acb7-f089526d028a.jsonl";
        let recorded = fixtures().join("../codex/0.139.0/needs-permission.jsonl");
        fs::copy(recorded, dir.join(name)).unwrap();
        let fifo = desktop
            .command("mkfifo")
            .arg(desktop.path("home/pause"))
            .status()
            .unwrap();
        assert!(fifo.success());
        fs::write(desktop.path("home/word"), "rests\n").unwrap();
        let program = desktop.path("bin/codex");
        fs::copy("/bin/bash", &program).unwrap();
        let play = desktop.path("play");
        fs::write(&play, PLAY).unwrap();
        let words = [program, play].map(|path: PathBuf| path.display().to_string());
        (Self { desktop }, words)
    }

    fn titles(&self, word: &str) {
        fs::write(self.desktop.path("home/word"), format!("{word}\n")).unwrap();
    }

    fn session(&self) -> Option<Value> {
        let mut all = self.desktop.sessions().into_iter();
        all.find(|session| session["agent"] == "codex")
    }

    /// Waits until it is in this state by this rule.
    fn is(&self, state: &str, rule: &str) {
        wait_for(&format!("{state}: {rule}"), || {
            let session = self.session()?;
            let pid = session["pid"].to_string();
            let page = self.desktop.vmux(&["explain", &pid]).stdout;
            let page = String::from_utf8(page).unwrap();
            let because = format!("  because  {rule}\n");
            (session["state"] == state && page.contains(&because)).then_some(())
        });
    }
}

const GUESSED: &str = "inferred: a tool call is pending and no process of it runs";
const WORKS: &str = "the title of its terminal says so";
const ASKS: &str = "the title of its terminal says that it needs an answer";

fn in_xterm(desktop: &Desktop) {
    let (codex, words) = Played::new(desktop);
    let mut xterm = desktop.command("xterm");
    desktop.spawn(xterm.arg("-e").args(words).stderr(Stdio::null()));
    codex.is("needs_input", GUESSED);
    wait_for("its window", || codex.session()?["window"]["xid"].as_u64());
    codex.titles("works");
    codex.is("working", WORKS);
    codex.titles("asks");
    codex.is("needs_input", ASKS);
    codex.titles("works");
    codex.is("working", WORKS);
    codex.titles("rests");
    codex.is("needs_input", GUESSED);
}

#[test]
#[ignore = "needs a desktop"]
fn under_i3_the_title_of_a_window_tells_whether_a_call_asks() {
    let desktop = Desktop::new();
    in_xterm(&desktop);
    let codex = Played { desktop: &desktop };
    codex.titles("works");
    codex.is("working", WORKS);
    codex.titles("hangs");
    codex.is("needs_input", GUESSED);
}

#[test]
#[ignore = "needs a desktop"]
fn under_openbox_the_title_of_a_window_tells_whether_a_call_asks() {
    in_xterm(&Desktop::under(&Manager::named("openbox")));
}

#[test]
#[ignore = "needs a desktop"]
fn the_title_of_a_pane_tells_whether_a_call_asks() {
    let desktop = Desktop::new();
    let (codex, words) = Played::new(&desktop);
    let tmux = Tmux::new(&desktop, "a");
    tmux.ok(&["new-session", "-d", "-s", "work", &words[0], &words[1]]);
    codex.is("needs_input", GUESSED);
    codex.titles("asks");
    codex.is("needs_input", ASKS);
    codex.titles("works");
    codex.is("working", WORKS);
    codex.titles("rests");
    codex.is("needs_input", GUESSED);
}
