//! Sessions whose own file does not tell what they do, or which conversation they are in.

use std::fs;

use chrono::{DateTime, Utc};
use serde_json::json;
use vmux::core::model::{Session, State};

use crate::machine::{Machine, answer, prompt, tool};
use crate::watched::Watched;

/// 2.1.75 to 2.1.126 go on to name the conversation of their start.
#[test]
fn a_cleared_conversation_is_followed_where_the_file_does_not() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": null, "version": null, "procStart": null}));
    claude.says("s-101", &[prompt("one"), answer("the first")]);
    let mut watched = Watched::new(&machine);
    assert_eq!(previews(&watched), ["the first"]);
    claude.says("new", &[prompt("<command-name>/clear</command-name>")]);
    watched.events();
    assert_eq!(previews(&watched), [""]);
    claude.says("new", &[prompt("go on"), answer("the second")]);
    watched.events();
    assert_eq!(previews(&watched), ["the second"]);
    let again = Watched::new(&machine);
    assert_eq!(previews(&again), ["the second"], "also by a later start");
}

/// The file of each names the conversation of its start, until one of them may have left it.
#[test]
fn of_two_in_a_directory_a_cleared_conversation_is_nobodys() {
    let machine = Machine::new();
    let old = json!({"status": null, "version": null, "procStart": null});
    let (one, two) = (machine.claude(101), machine.claude(102));
    one.file(old.clone());
    two.file(old);
    one.says("s-101", &[prompt("one"), answer("first of one")]);
    two.says("s-102", &[prompt("two"), answer("first of two")]);
    let mut watched = Watched::new(&machine);
    assert_eq!(previews(&watched), ["first of one", "first of two"]);
    two.says(
        "new",
        &[prompt("<command-name>/clear</command-name>"), answer("new")],
    );
    watched.events();
    let ambiguous = (State::Unknown, Some("ambiguous".to_owned()));
    assert_eq!(verdicts(&watched), [ambiguous.clone(), ambiguous]);
    assert_eq!(previews(&watched), ["", ""], "and no first one is shown");
    let mut sessions = watched.sessions().into_iter();
    assert!(sessions.all(|session| session.session_id.is_none()));
    two.end();
    watched.scan();
    assert_eq!(watched.only().state, State::Unknown, "it may be in either");
    let path = one.says("s-101", &[prompt("more"), answer("second of one")]);
    // In a later tick of the file system's clock.
    let written = fs::File::options().append(true).open(path).unwrap();
    written
        .set_modified(vmux::sys::clock::now().into())
        .unwrap();
    watched.events();
    assert_eq!(previews(&watched), ["second of one"], "it wrote there");
}

/// Its file comes a moment after its start; until then it is no neighbour that was never told.
#[test]
fn a_session_that_starts_beside_a_busy_one_is_not_ambiguous() {
    let machine = Machine::new();
    let old = json!({"status": null, "version": null});
    let start = |pid| machine.process(pid, "claude", "/usr/bin/node", &["claude"]);
    let left = start(101);
    left.file(old.clone());
    left.says("s-101", &[prompt("go")]);
    let mut watched = Watched::new(&machine);
    let mut right = start(102);
    right.start = machine.ticks(Utc::now());
    right.state('S');
    watched.scan();
    left.says("s-101", &[answer("gone")]);
    watched.events();
    assert_eq!(watched.sessions()[1].state, State::Idle);
    right.file(old);
    watched.events();
    assert_eq!(watched.sessions()[1].state, State::Idle);
    assert_eq!(previews(&watched), ["gone", ""]);
}

/// A newer version says which conversations were its own.
#[test]
fn what_a_neighbour_that_is_told_for_certain_left_is_not_taken_over() {
    let machine = Machine::new();
    let (old, new) = (machine.claude(101), machine.claude(102));
    old.file(json!({"status": null, "version": null, "procStart": null}));
    old.says("s-101", &[prompt("old"), answer("of the old one")]);
    new.file(json!({}));
    new.says("s-102", &[prompt("new"), answer("of the new one")]);
    let mut watched = Watched::new(&machine);
    assert_eq!(previews(&watched), ["of the old one", "of the new one"]);
    // The transcript is there before the file says so.
    new.says("next", &[prompt("<command-name>/clear</command-name>")]);
    watched.events();
    assert_eq!(previews(&watched), ["of the old one", "of the new one"]);
    new.file(json!({"sessionId": "next"}));
    watched.events();
    new.says("next", &[answer("of the next one")]);
    new.says("s-102", &[json!({"type": "cost-state"})]);
    watched.events();
    assert_eq!(previews(&watched), ["of the old one", "of the next one"]);
}

fn previews(watched: &Watched) -> Vec<String> {
    let sessions = watched.sessions();
    let said = sessions.into_iter().map(|s| s.preview.unwrap_or_default());
    said.map(|said| said.to_string()).collect()
}

/// The states, with their reasons.
fn verdicts(watched: &Watched) -> Vec<(State, Option<String>)> {
    let verdict = |s: &Session| (s.state, s.reason.as_ref().map(|r| r.as_str().to_owned()));
    watched.sessions().iter().map(verdict).collect()
}

/// Without a status file: what a session said does not become its neighbour's when it ends.
#[test]
fn an_ended_session_leaves_its_conversation_to_nobody() {
    let machine = Machine::new();
    let left = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    left.says("aaa", &[prompt("left"), answer("from the left")]);
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().session_id.unwrap().as_str(), "aaa");
    let right = machine.process(105, "claude", "/usr/bin/node", &["claude"]);
    watched.scan();
    right.says("bbb", &[prompt("right"), answer("from the right")]);
    watched.events();
    right.end();
    watched.scan();
    assert_eq!(watched.only().preview.unwrap().as_str(), "from the left");
}

#[test]
fn a_version_without_status_is_judged_by_its_one_transcript() {
    let machine = Machine::new();
    let claude = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    claude.says(
        "abc",
        &[prompt("run it"), tool("Bash", json!({"command": "make"}))],
    );
    let watched = Watched::new(&machine);
    let session = watched.only();
    assert_eq!(session.state, State::NeedsInput);
    assert_eq!(session.ask.unwrap().as_str(), "Bash(make)");
    assert_eq!(session.session_id.unwrap().as_str(), "abc");
}

/// The lines of a subagent that would run a command.
fn subagent_asks(conversation: &str, command: &str) -> Vec<serde_json::Value> {
    let lines = [prompt("do it"), tool("Bash", json!({"command": command}))];
    let of_subagent = |mut line: serde_json::Value| {
        line["isSidechain"] = true.into();
        line["sessionId"] = conversation.into();
        line
    };
    lines.map(of_subagent).to_vec()
}

#[test]
fn a_subagent_that_asks_is_found_where_its_session_says_nothing() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": null, "version": null}));
    claude.says("s-101", &[prompt("split it"), tool("Task", json!({}))]);
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::Working);
    // Its directory appears with it.
    claude.says("s-101/subagents/agent-a1", &subagent_asks("s-101", "make"));
    watched.events();
    assert_eq!(watched.only().ask.unwrap().as_str(), "Bash(make)");
    assert_eq!(watched.only().state, State::NeedsInput);
    start_shell(&machine, 101, 205, "08:48:55");
    watched.retry();
    assert_eq!(watched.only().state, State::Working);
}

/// 2.0 keeps the subagents of all sessions of a directory beside them.
#[test]
fn a_subagent_of_another_session_asks_nothing() {
    let machine = Machine::new();
    let claude = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    claude.says("abc", &[prompt("split it"), tool("Task", json!({}))]);
    claude.says("agent-1", &subagent_asks("other", "make"));
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::Working);
    claude.says("agent-2", &subagent_asks("abc", "make test"));
    watched.events();
    assert_eq!(watched.only().ask.unwrap().as_str(), "Bash(make test)");
}

/// In 2.1.328 the turn may be over while a subagent asks: the session knows only that it waits.
#[test]
fn what_a_background_subagent_asks_is_told() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    claude.says("s-101", &[prompt("split it"), answer("It runs.")]);
    claude.says("s-101/subagents/agent-a1", &subagent_asks("s-101", "make"));
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::Working);
    let at = 1_795_164_529_500_i64; // 0.2 s after the call of the recorded lines
    claude.file(json!({"status": "waiting", "statusUpdatedAt": at}));
    watched.events();
    assert_eq!(watched.only().ask.unwrap().as_str(), "Bash(make)");
    claude.file(json!({"status": "waiting", "statusUpdatedAt": at + 3_600_000}));
    watched.events();
    assert_eq!(watched.only().ask, None, "that call is long over");
}

/// A shell of a tool among the children of a process, that started at this time of the recorded
/// lines' day.
fn start_shell(machine: &Machine, parent: u32, pid: u32, time: &str) {
    start_process(
        machine,
        parent,
        pid,
        time,
        "source /x/shell-snapshots/s && eval 'make'",
    );
}

fn start_process(machine: &Machine, parent: u32, pid: u32, time: &str, command: &str) {
    let mut shell = machine.process(pid, "bash", "/bin/bash", &["/bin/bash", "-c", command]);
    let at = format!("2026-11-20T{time}Z")
        .parse::<DateTime<Utc>>()
        .unwrap();
    shell.start = machine.ticks(at);
    shell.state('S');
    machine.write(
        &format!("proc/{parent}/task/{parent}/children"),
        &format!("{pid} "),
    );
}

#[test]
fn a_running_shell_is_what_tells_a_tool_from_a_dialog_there() {
    let machine = Machine::new();
    let claude = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    claude.says(
        "abc",
        &[prompt("run it"), tool("Bash", json!({"command": "make"}))],
    );
    // A shell in the background, from before the call of 08:48:49.298.
    start_shell(&machine, 104, 205, "08:40:00");
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::NeedsInput);
    start_shell(&machine, 104, 206, "08:48:55");
    watched.retry();
    assert_eq!(watched.only().state, State::Working, "permitted");
    machine.write("proc/104/task/104/children", "");
    watched.retry();
    assert_eq!(watched.only().state, State::Working, "its result is due");
    let mut another = tool("Bash", json!({"command": "make"}));
    another["message"]["content"][0]["id"] = "toolu_2".into();
    claude.says("abc", &[another]);
    watched.events();
    assert_eq!(watched.only().state, State::NeedsInput, "another call");
}

/// Just before the first dialog of a session 2.0.77 to 2.1.328 make a snapshot of the shell.
#[test]
fn the_making_of_a_snapshot_is_no_running_tool() {
    let machine = Machine::new();
    let claude = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    claude.says(
        "abc",
        &[prompt("run it"), tool("Bash", json!({"command": "make"}))],
    );
    let script =
        "SNAPSHOT_FILE=/x/shell-snapshots/snapshot-bash-1.sh\n# No user config file to source";
    start_process(&machine, 104, 206, "08:48:50", script);
    let watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::NeedsInput);
}

#[test]
fn two_processes_of_one_directory_without_files_stay_ambiguous() {
    let machine = Machine::new();
    let claude = machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    machine.process(105, "claude", "/usr/bin/node", &["claude"]);
    claude.says("abc", &[prompt("whose?")]);
    let watched = Watched::new(&machine);
    let ambiguous = (State::Unknown, Some("ambiguous".to_owned()));
    assert_eq!(verdicts(&watched), [ambiguous.clone(), ambiguous]);
}
