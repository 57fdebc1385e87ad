//! Sessions in the background, and the terminals that show them.

use std::fs;

use serde_json::json;
use vmux::core::model::{Kind, Session, State};

use crate::machine::{Machine, Process};
use crate::watched::Watched;

const EXE: &str = "/home/dev/.local/share/claude/versions/2.1.332";

/// A worker of the agent's daemon in the session `job`.
fn worker<'m>(machine: &'m Machine, pid: u32, job: &str, name: &str) -> Process<'m> {
    let process = machine.process(pid, "claude.exe", EXE, &["claude bg-spare"]);
    let home = machine.path("home");
    process.environ(&format!(
        "HOME={}\0CLAUDE_CODE_SESSION_KIND=bg\0",
        home.display()
    ));
    process.file(json!({"kind": "bg", "jobId": job, "name": name}));
    process
}

fn attach<'m>(machine: &'m Machine, pid: u32, words: &[&str]) -> Process<'m> {
    machine.process(pid, "claude", EXE, &[&["claude"], words].concat())
}

fn shown_by(watched: &Watched, pid: u32) -> Vec<u32> {
    let sessions = watched.sessions();
    let session = sessions
        .iter()
        .find(|session| session.pid.0 == pid)
        .unwrap();
    session.shown_by.iter().map(|key| key.pid.0).collect()
}

#[test]
fn an_attached_terminal_is_the_window_of_its_session() {
    let machine = Machine::new();
    worker(&machine, 201, "0808e29a", "shop");
    worker(&machine, 202, "cdea1818", "Deploy it");
    attach(&machine, 301, &["attach", "0808e29a"]);
    let late = attach(&machine, 302, &["attach", "deploy"]);
    attach(&machine, 303, &["--model", "opus", "attach", "cdea1818"]);
    let mut watched = Watched::new(&machine);
    watched.scan();
    assert_eq!(watched.pids(), [201, 202], "the terminals are no sessions");
    assert_eq!(shown_by(&watched, 201), [301]);
    assert_eq!(shown_by(&watched, 202), [302, 303]);
    late.end();
    watched.scan();
    assert_eq!(shown_by(&watched, 202), [303]);
    // It went on to the list of all sessions, in the same process.
    machine.write("proc/303/cmdline", "claude\0agents\0");
    watched.scan();
    assert_eq!(shown_by(&watched, 202), [0; 0]);
}

#[test]
fn a_word_that_fits_two_sessions_leads_to_neither() {
    let machine = Machine::new();
    worker(&machine, 201, "0808e29a", "shop");
    worker(&machine, 202, "cdea1818", "shop two");
    attach(&machine, 301, &["attach", "shop"]);
    let elsewhere = attach(&machine, 302, &["attach", "0808e29a"]);
    elsewhere.environ("HOME=/elsewhere\0");
    let watched = Watched::new(&machine);
    assert_eq!(shown_by(&watched, 201), [0; 0]);
    assert_eq!(shown_by(&watched, 202), [0; 0]);
}

#[test]
fn what_it_asks_is_read_from_its_record() {
    let machine = Machine::new();
    let worker = worker(&machine, 201, "0808e29a", "shop");
    let record = "home/.claude/jobs/0808e29a/state.json";
    machine.write(record, r#"{"state":"working","needs":null}"#);
    let mut watched = Watched::new(&machine);
    worker.file(
        json!({"kind": "bg", "jobId": "0808e29a", "status": "waiting",
        "waitingFor": "permission prompt"}),
    );
    machine.write(
        record,
        r#"{"state":"working","needs":"approve Bash: touch bg.txt"}"#,
    );
    watched.events();
    let Session {
        state,
        kind,
        ask,
        attach,
        ..
    } = watched.only();
    assert_eq!((state, kind), (State::NeedsInput, Kind::Background));
    assert_eq!(ask.unwrap().as_str(), "Bash: touch bg.txt");
    assert_eq!(attach.unwrap().as_str(), "claude attach 0808e29a");
    fs::write(machine.path(record), "{").unwrap();
    watched.events();
    assert_eq!(watched.only().ask, None);
}

#[test]
fn an_id_that_is_none_leads_to_no_file() {
    let machine = Machine::new();
    machine.write(
        "home/.claude/state.json",
        r#"{"needs":"approve everything"}"#,
    );
    let claude = machine.claude(201);
    claude.file(json!({"kind": "bg", "jobId": "../jobs/..", "status": "waiting"}));
    let watched = Watched::new(&machine);
    let session = watched.only();
    let attach = session.attach.map(|command| command.to_string());
    assert_eq!(
        (session.ask, attach.as_deref()),
        (None, Some("claude agents"))
    );
}
