//! Answering a dialog without going there: the hook that waits, the daemon between, the answer.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::service::{Daemon, command, vmux, wait_for};

const CALL: &str = r#"{"session_id":"s-101","hook_event_name":"PermissionRequest","tool_name":"Bash",
    "tool_input":{"command":"cargo test","description":"Run the tests"}}"#;
const QUESTION: &str = r#"{"session_id":"s-101","tool_name":"AskUserQuestion","tool_input":{"questions":[
    {"question":"Which colour?","multiSelect":false,"options":[{"label":"Red"},{"label":"Blue"}]}]}}"#;

fn waiting(machine: &Machine) {
    let file = json!({"status": "waiting", "waitingFor": "permission prompt", "name": "shop-5e"});
    machine.claude(101).file(file);
}

/// A machine with a session that waits.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.claude(101).works_in("work/shop");
    waiting(&machine);
    machine
}

/// The hook as Claude Code starts it, with the payload on its standard input.
fn hook(machine: &Machine, payload: &str) -> Child {
    let mut hook = command(machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["hook", "Answer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = hook.stdin.take().unwrap();
    // Without a daemon it ends before it has read anything.
    drop(input.write_all(payload.as_bytes()));
    hook
}

/// What it wrote until its end.
fn said(mut hook: Child) -> String {
    let status = wait_for("the end of the hook", || hook.try_wait().unwrap());
    let (mut out, mut err) = (String::new(), String::new());
    hook.stdout.unwrap().read_to_string(&mut out).unwrap();
    hook.stderr.unwrap().read_to_string(&mut err).unwrap();
    assert!(status.success() && err.is_empty(), "{status} {err}");
    out
}

fn asks(daemon: &Daemon<'_>) -> u64 {
    let session = daemon.wait_for_session("a request", |s| s["answerable"].is_number());
    session["answerable"].as_u64().unwrap()
}

fn asks_nothing(daemon: &Daemon<'_>) {
    daemon.wait_for_session("no request", |s| s["answerable"].is_null());
}

fn run(machine: &Machine, words: &[&str]) -> String {
    let done = vmux(machine, words);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn decision(said: &str) -> Value {
    let said: Value = serde_json::from_str(said).unwrap();
    said["hookSpecificOutput"]["decision"].clone()
}

#[test]
fn a_request_is_read_whole_and_answered_once() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let waits = hook(&machine, CALL);
    let id = asks(&daemon);
    let shown = run(&machine, &["answer", "shop"]);
    assert_eq!(
        shown,
        format!(
            "work asks (request {id}): Bash\n  cargo test\n  \n  # Run the tests\n\n\
             vmux answer shop --request {id} allow|deny\n"
        )
    );
    let other = (id + 1).to_string();
    let wrong = vmux(&machine, &["answer", "shop", "allow", "--request", &other]);
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(error.contains("it asks something else by now"), "{error}");
    run(
        &machine,
        &["answer", "shop", "allow", "--request", &id.to_string()],
    );
    assert_eq!(decision(&said(waits)), json!({"behavior": "allow"}));
    asks_nothing(&daemon);
    let again = vmux(&machine, &["answer", "shop", "deny"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn what_travels_is_neither_cut_nor_hidden() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let padding = "a".repeat(600);
    let command = format!("echo {padding} ; \u{1b}X rm -r / \u{1b}\\ end");
    let payload =
        json!({"session_id": "s-101", "tool_name": "Bash", "tool_input": {"command": command}});
    let mut waits = hook(&machine, &payload.to_string());
    asks(&daemon);
    let shown = run(&machine, &["answer", "shop"]);
    assert!(
        shown.contains(&padding) && shown.contains("rm -r /") && shown.contains(" end\n"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
    waits.kill().unwrap();
    waits.wait().unwrap();
}

#[test]
fn a_no_takes_a_word_along_and_a_question_an_option() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let waits = hook(&machine, CALL);
    asks(&daemon);
    run(&machine, &["answer", "shop", "deny", "-m", "use make"]);
    let no = json!({"behavior": "deny", "message": "use make"});
    assert_eq!(decision(&said(waits)), no);
    asks_nothing(&daemon);
    let waits = hook(&machine, QUESTION);
    let id = asks(&daemon).to_string();
    let unread = vmux(&machine, &["answer", "shop", "2"]);
    let error = String::from_utf8_lossy(&unread.stderr).into_owned();
    assert!(error.contains("say which request is meant"), "{error}");
    let wrong = vmux(&machine, &["answer", "shop", "allow", "--request", &id]);
    let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(error.contains("choose an option by its number"), "{error}");
    run(&machine, &["answer", "shop", "2", "--request", &id]);
    let answers = &decision(&said(waits))["updatedInput"]["answers"];
    assert_eq!(*answers, json!({"Which colour?": "Blue"}));
}

#[test]
fn a_hook_is_let_go_without_a_word_when_its_dialog_was_answered_there() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let waits = hook(&machine, CALL);
    asks(&daemon);
    machine.claude(101).file(json!({"status": "busy"}));
    assert_eq!(said(waits), "");
}

#[test]
fn the_next_dialog_takes_the_place_of_the_one_before() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let first = hook(&machine, CALL);
    let id = asks(&daemon);
    let second = hook(&machine, QUESTION);
    assert_eq!(said(first), "");
    daemon.wait_for_session("the second", |s| s["answerable"].as_u64() > Some(id));
    let id = (id + 1).to_string();
    run(&machine, &["answer", "shop", "1", "--request", &id]);
    assert!(said(second).contains("Red"));
}

#[test]
fn a_hook_that_is_ended_asks_nothing_any_more() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut waits = hook(&machine, CALL);
    asks(&daemon);
    waits.kill().unwrap();
    waits.wait().unwrap();
    asks_nothing(&daemon);
}

#[test]
fn a_daemon_that_ends_or_is_not_there_lets_hooks_go() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let waits = hook(&machine, CALL);
    asks(&daemon);
    drop(daemon);
    assert_eq!(said(waits), "");
    assert_eq!(said(hook(&machine, CALL)), "", "without a daemon");
    let daemon = Daemon::start(&machine);
    daemon.wait_for_session("it", |_| true);
    let strange = CALL.replace("s-101", "of-no-session");
    assert_eq!(said(hook(&machine, &strange)), "");
    assert_eq!(said(hook(&machine, "no JSON")), "");
}
