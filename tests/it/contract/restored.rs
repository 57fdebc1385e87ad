//! Real CLIs that come back after everything was killed.

use std::fs;

use super::codex::Codex;
use super::screen::Shown;
use super::session::Want;
use super::stories::ASKING;
use crate::kit::lab::Row;
use crate::kit::{Lab, wait_for};

impl Lab {
    /// Waits until the daemon has noted these conversations.
    fn notes(&self, conversations: &[&str]) {
        let roll = self.path("vmux/sessions.json");
        wait_for("a note of each", || {
            let roll = fs::read_to_string(&roll).ok()?;
            let all = conversations.iter().all(|id| roll.contains(id));
            all.then_some(())
        });
    }

    /// Says what would be restored, and restores it; what it said of that.
    fn restore(&self, words: &[&str]) -> String {
        let would = self.says(&[words, &["--dry-run"]].concat()).unwrap();
        assert!(self.running(&["claude", "codex"]).is_empty(), "only said");
        let does = self.says(words).unwrap();
        let (would, does) = (would.lines(), does.lines());
        for (would, does) in would.zip(does.clone()) {
            let rest = |line: &str| line.split_once("  ").unwrap().1.to_owned();
            assert_eq!(rest(would), rest(does).replace("resumed", "would resume"));
        }
        does.map(|line| format!("{line}\n")).collect()
    }

    /// A terminal on what goes on with a conversation, by what `restore` said.
    fn comes_back(&self, restored: &str, command: &str, dir: &str) -> String {
        let said = format!("  resumed `{command}` in {}", self.path(dir).display());
        let line = restored.lines().find(|line| line.ends_with(&said));
        let line = line.unwrap_or_else(|| panic!("no line with {said:?} in\n{restored}"));
        self.attach(line.split("  ").next().unwrap())
    }
}

/// Two agents in windows of their own and one that is kept: each conversation comes back once, and can
/// be gone on with.
#[test]
#[ignore = "installs Claude Code and Codex CLI from npm"]
fn all_that_ran_comes_back_after_everything_was_killed() {
    let lab = super::newest();
    let mut one = lab.claude(&ASKING);
    let mut two = lab.hosted_claude("two", "other");
    let mut three = Codex::start(&lab, "0.171.0");
    one.expect(Shown::Idle, &Want::idle());
    two.expect(Shown::Idle, &Want::idle());
    three.shows("lab-model");
    three.is("idle", None);
    let mut told = Vec::new();
    for (claude, words) in [(&mut one, "the first"), (&mut two, "the second")] {
        claude.say(&format!("say:{words}"));
        claude.sees(&format!("\u{25cf} {words}"));
        let row = claude.expect(Shown::Idle, &Want::idle().preview(words));
        told.push(row.session_id.unwrap());
    }
    three.says("say:the third");
    let ends = |row: &Row| row.preview.as_deref() == Some("the third");
    let row = wait_for("its reply", || Some(three.is("idle", None)).filter(ends));
    told.push(row.session_id.unwrap());
    let [first, second, third] = &told[..] else {
        panic!("{told:?}");
    };
    lab.notes(&[first, second, third]);

    lab.crash();
    let said = lab.restore(&["restore", "--all"]);
    assert_eq!(said.lines().count(), 3, "{said}");
    let options = ASKING.join(" ");
    one.moved_to(lab.comes_back(&said, &format!("claude --resume {first}"), "work"));
    let command = format!("claude {options} --resume {second}");
    two.moved_to(lab.comes_back(&said, &command, "other"));
    three.moved_to(lab.comes_back(&said, &format!("codex resume {third}"), "work"));
    for (claude, id, words) in [
        (&mut one, first, "the first"),
        (&mut two, second, "the second"),
    ] {
        claude.sees(&format!("\u{25cf} {words}"));
        let row = wait_for("its row", || {
            let mut rows = lab.rows(&[]).into_iter();
            rows.find(|row| row.session_id.as_ref() == Some(id))
        });
        claude.pid = row.pid;
        claude.say("say:and on");
        claude.sees("\u{25cf} and on");
        claude.expect(Shown::Idle, &Want::idle().preview("and on"));
    }
    three.shows("the third");
    let goes_on = |row: &Row| row.session_id.as_ref() == Some(third);
    wait_for("its conversation", || {
        Some(three.is("idle", None)).filter(goes_on)
    });
    let again = lab.says(&["restore", "--all"]).unwrap();
    assert_eq!(again, "Nothing is to be restored.\n");
}

/// Codex comes back with the model and the directory that it was started with.
#[test]
#[ignore = "installs Claude Code and Codex CLI from npm"]
fn codex_comes_back_as_it_was_started() {
    let lab = super::newest();
    let options = ["-m", "other-model", "-c", "show_raw_agent_reasoning=true"];
    let mut codex = Codex::hosted_elsewhere(&lab, "one", &[&options[..], &["say:once"]].concat());
    codex.shows("other-model");
    let id = wait_for("its conversation", || codex.is("idle", None).session_id);
    codex.shows("once");
    lab.notes(&[&id]);

    lab.crash();
    let said = lab.restore(&["restore"]);
    let command = format!("codex resume {} {id}", options.join(" "));
    codex.moved_to(lab.comes_back(&said, &command, "other"));
    codex.shows("other-model");
    codex.shows("once");
    let goes_on = |row: &Row| row.session_id.as_deref() == Some(&*id);
    wait_for("its conversation", || {
        Some(codex.is("idle", None)).filter(goes_on)
    });
    codex.says("say:again");
    let ends = |row: &Row| row.preview.as_deref() == Some("again");
    wait_for("its reply", || Some(codex.is("idle", None)).filter(ends));
}
