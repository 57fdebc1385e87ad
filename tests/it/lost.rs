//! Sessions whose status file another program took away: they go on, and never write it again.

use std::fs;

use serde_json::json;
use vmux::core::model::{Reason, Session, State};

use crate::machine::{Machine, Process, answer, prompt, tool};
use crate::watched::Watched;

/// What another program does to the file of a session.
type Deed = fn(&Machine, &Process<'_>);

const DEEDS: [(&str, Deed); 7] = [
    ("removed", |_, claude| {
        fs::remove_file(claude.file_path()).unwrap();
    }),
    ("its directory removed", |machine, _| {
        fs::remove_dir_all(machine.config().join("sessions")).unwrap();
    }),
    ("its directory replaced", |machine, _| {
        let sessions = machine.config().join("sessions");
        fs::rename(&sessions, machine.path("old")).unwrap();
        fs::create_dir(&sessions).unwrap();
    }),
    ("of another process's start", |_, claude| {
        claude.file(json!({"procStart": "7", "status": "busy", "sessionId": "other"}));
    }),
    ("of another pid", |_, claude| {
        claude.file(json!({"pid": 7, "procStart": null, "status": "busy", "sessionId": "other"}));
    }),
    ("emptied", |_, claude| {
        fs::write(claude.file_path(), "").unwrap();
    }),
    ("unreadable", |_, claude| {
        fs::remove_file(claude.file_path()).unwrap();
        fs::create_dir(claude.file_path()).unwrap();
    }),
];

/// A session that said something, and waits for a permission by its file only.
fn waiting(machine: &Machine) -> Process<'_> {
    let claude = machine.claude(101);
    claude.says("s-101", &[prompt("hello"), answer("Hello there.")]);
    claude.file(json!({"status": "waiting", "waitingFor": "permission prompt", "name": "shop"}));
    claude
}

/// Takes over the events, and does what was put off because of them.
fn settle(watched: &mut Watched) {
    watched.events();
    while watched.scout.due().is_some() {
        watched.retry();
    }
}

/// Conversation, name, version and preview.
fn known(session: &Session) -> [String; 4] {
    let conversation = session.session_id.as_ref();
    let texts = [&session.name, &session.version, &session.preview];
    let [name, version, preview] = texts.map(|text| text.as_deref().unwrap_or("").to_owned());
    [
        conversation.map_or(String::new(), ToString::to_string),
        name,
        version,
        preview,
    ]
}

#[test]
fn a_file_that_is_gone_has_no_last_word() {
    for (what, deed) in DEEDS {
        let machine = Machine::new();
        let claude = waiting(&machine);
        let mut watched = Watched::new(&machine);
        assert_eq!(watched.only().state, State::NeedsInput);
        deed(&machine, &claude);
        settle(&mut watched);
        let session = watched.only();
        assert_eq!(session.state, State::Idle, "{what}");
        let want = ["s-101", "shop", "2.1.328", "Hello there."];
        assert_eq!(known(&session), want, "{what}");
        assert!(watched.problems(101).contains("no more"), "{what}");

        claude.says("s-101", &[prompt("count the tests")]);
        settle(&mut watched);
        assert_eq!(watched.only().state, State::Working, "{what}");
        claude.says("s-101", &[tool("Bash", json!({"command": "make"}))]);
        watched.events();
        let session = watched.only();
        assert_eq!(session.state, State::NeedsInput, "{what}");
        assert_eq!(session.ask.unwrap().as_str(), "Bash(make)", "{what}");

        drop(fs::remove_dir(claude.file_path()));
        claude.file(json!({"status": "busy", "name": "back"}));
        watched.events();
        watched.scan();
        let session = watched.only();
        assert_eq!(session.state, State::Working, "{what}, and back again");
        assert_eq!(known(&session)[1], "back", "{what}");
        assert_eq!(watched.problems(101), "[]", "{what}");
    }
}

#[test]
fn a_session_that_was_never_asked_anything_goes_on_waiting_for_nothing() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "waiting", "waitingFor": "dialog open"}));
    let mut watched = Watched::new(&machine);
    fs::remove_file(claude.file_path()).unwrap();
    settle(&mut watched);
    assert_eq!(watched.only().state, State::Idle);
}

/// The file goes first, then the process.
#[test]
fn an_end_shows_nothing_on_its_way() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "shell"}));
    let mut watched = Watched::new(&machine);
    fs::remove_file(claude.file_path()).unwrap();
    watched.events();
    watched.scan();
    let shell = Some(Reason::BackgroundShell);
    assert_eq!(watched.only().reason, shell, "for a moment");
    claude.end();
    watched.scan();
    assert!(watched.pids().is_empty());
    watched.retry();
    assert!(watched.pids().is_empty());
}

#[test]
fn what_follows_a_clear_is_found_without_the_file() {
    let machine = Machine::new();
    let claude = waiting(&machine);
    let mut watched = Watched::new(&machine);
    fs::remove_file(claude.file_path()).unwrap();
    settle(&mut watched);
    let clear = prompt("<command-name>/clear</command-name>");
    claude.says("next", &[clear, prompt("go on"), answer("Next.")]);
    watched.events();
    let want = ["next", "shop", "2.1.328", "Next."];
    assert_eq!(known(&watched.only()), want);
}

/// A sweep takes the files of all: each keeps its conversation until one of them may have left.
#[test]
fn two_of_a_directory_are_not_mixed_up_without_their_files() {
    let machine = Machine::new();
    let sessions = [101, 102].map(|pid| machine.claude(pid));
    for claude in &sessions {
        claude.file(json!({}));
        let words = format!("of {}", claude.pid);
        claude.says(&format!("s-{}", claude.pid), &[prompt("?"), answer(&words)]);
    }
    let mut watched = Watched::new(&machine);
    fs::remove_dir_all(machine.config().join("sessions")).unwrap();
    settle(&mut watched);
    let previews = |watched: &Watched| {
        let sessions = watched.sessions();
        [0, 1].map(|n| known(&sessions[n])[3].clone())
    };
    assert_eq!(previews(&watched), ["of 101", "of 102"]);
    sessions[1].says("s-102", &[prompt("?"), answer("more of 102")]);
    watched.events();
    assert_eq!(previews(&watched), ["of 101", "more of 102"]);
    let clear = prompt("<command-name>/clear</command-name>");
    sessions[0].says("next", &[clear, answer("whose?")]);
    watched.events();
    let states: Vec<State> = watched.sessions().iter().map(|s| s.state).collect();
    assert_eq!(states, [State::Unknown, State::Unknown]);
    assert_eq!(previews(&watched), ["", ""]);
}
