//! The scout on machines made of files.

use std::fs;
use std::os::unix::fs::symlink;

use chrono::Utc;
use serde_json::json;
use vmux::core::model::{Kind, Session, State};

use crate::machine::{Machine, answer, prompt};
use crate::watched::Watched;

#[test]
fn every_shape_of_process_is_listed_and_nothing_else() {
    let machine = Machine::new();
    machine.claude(101).file(json!({}));
    machine
        .process(
            102,
            "claude",
            "/home/dev/.local/share/claude/versions/2.1.328",
            &["claude"],
        )
        .file(json!({}));
    machine
        .process(
            103,
            "2.1.328",
            "/h/claude/versions/2.1.328 (deleted)",
            &["/h/2.1.328"],
        )
        .file(json!({}));
    machine.process(104, "claude", "/usr/bin/node", &["claude"]);
    machine
        .claude(105)
        .file(json!({"kind": "bg", "spare": true}));
    machine
        .process(
            106,
            "claude.exe",
            "/n/@anthropic-ai/claude-code/bin/claude.exe",
            &["claude bg-spare"],
        )
        .file(json!({"kind": "bg", "jobId": "j1"}));
    machine.process(
        107,
        "claude",
        "/h/claude/versions/2.1.328",
        &["claude", "mcp", "serve"],
    );
    machine.process(
        108,
        "claude",
        "/h/claude/versions/2.1.328",
        &["claude bg-pty-host", "--", "claude"],
    );
    machine.process(109, "bash", "/bin/bash", &["bash"]);
    machine.claude(110).file(json!({"entrypoint": "sdk-cli"}));
    let watched = Watched::new(&machine);
    assert_eq!(watched.pids(), [101, 102, 103, 104, 106, 110]);
    let kinds: Vec<Kind> = watched.sessions().iter().map(|s| s.kind).collect();
    use Kind::{Background, Headless, Interactive};
    assert_eq!(
        kinds,
        [
            Interactive,
            Interactive,
            Interactive,
            Interactive,
            Background,
            Headless
        ]
    );
}

#[test]
fn a_session_in_an_editors_panel_has_no_terminal() {
    let machine = Machine::new();
    let panel = machine.claude(101);
    panel.link("fd/0", "pipe:[1]");
    panel.file(json!({"entrypoint": "claude-vscode", "status": "waiting"}));
    let watched = Watched::new(&machine);
    let Session { kind, state, .. } = watched.only();
    assert_eq!((kind, state), (Kind::Panel, State::NeedsInput));
}

#[test]
fn a_status_change_is_seen_by_its_event_alone() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::Working);
    claude.file(json!({"status": "waiting", "waitingFor": "permission prompt"}));
    assert_eq!(watched.events(), 1);
    assert_eq!(watched.only().state, State::NeedsInput);
    assert_eq!(watched.events(), 0);
    assert_eq!(watched.scan(), 0, "a scan with nothing new says nothing");
}

#[test]
fn a_file_of_a_process_that_had_the_pid_before_is_not_believed() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "waiting", "procStart": "7"}));
    let watched = Watched::new(&machine);
    assert_ne!(watched.only().state, State::NeedsInput);
}

#[test]
fn a_pid_given_out_again_is_another_session() {
    let machine = Machine::new();
    let first = machine.claude(101);
    first.file(json!({}));
    let mut watched = Watched::new(&machine);
    let before = watched.only().id;
    let second = vmux_process_with_start(&machine, 101, 5555);
    second();
    watched.scan();
    assert_eq!(
        (watched.only().pid.0, watched.only().id == before),
        (101, false)
    );
}

/// Rewrites the process of `pid` as one that started at `start`.
fn vmux_process_with_start(machine: &Machine, pid: u32, start: u64) -> impl Fn() + '_ {
    move || {
        let mut process = machine.process(pid, "claude", "/h/claude/versions/2.1.328", &["claude"]);
        process.start = start;
        process.state('S');
        process.file(json!({}));
    }
}

#[test]
fn sessions_come_and_go() {
    let machine = Machine::new();
    let mut watched = Watched::new(&machine);
    assert!(watched.pids().is_empty(), "no .claude at all");
    let first = machine.claude(101);
    first.file(json!({}));
    machine.claude(102).file(json!({}));
    watched.scan();
    assert_eq!(watched.pids(), [101, 102]);
    // As kill -9 leaves it: the process is gone, its file is not.
    first.end();
    watched.scan();
    assert_eq!(watched.pids(), [102]);
    assert!(first.file_path().exists());
}

#[test]
fn a_process_seen_between_fork_and_exec_is_looked_at_again() {
    let machine = Machine::new();
    let mut watched = Watched::new(&machine);
    machine.process(101, "bash", "/bin/bash", &["bash"]);
    watched.scan();
    machine.process(101, "claude", "/usr/bin/node", &["claude"]);
    watched.scan();
    assert_eq!(watched.pids(), [101]);
}

#[test]
fn the_first_conversation_of_a_new_configuration_is_found_at_once() {
    let machine = Machine::new();
    let old = machine.process(101, "claude", "/usr/bin/node", &["claude"]);
    assert!(!machine.config().exists());
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().session_id, None);
    fs::create_dir_all(machine.config()).unwrap();
    watched.events();
    old.says("s-1", &[prompt("go")]);
    watched.events();
    assert_eq!(watched.only().session_id.unwrap().as_str(), "s-1");
}

/// The shell of a hook or of a tool may then run for minutes.
#[test]
fn a_child_of_a_session_between_fork_and_exec_is_no_session() {
    let machine = Machine::new();
    machine.claude(101);
    let mut watched = Watched::new(&machine);
    let fork = |pid: u32| {
        machine.claude(pid);
        let stat = format!("proc/{pid}/stat");
        let text = fs::read_to_string(machine.path(&stat)).unwrap();
        machine.write(&stat, &text.replace(" S 1 ", " S 101 "));
    };
    fork(102);
    watched.scan();
    assert_eq!(watched.pids(), [101]);
    machine.process(102, "sh", "/bin/dash", &["sh", "-c", "vmux hook Answer"]);
    watched.scan();
    assert_eq!(watched.pids(), [101]);
    fork(103);
    watched.scan();
    watched.scan();
    assert_eq!(watched.pids(), [101, 103], "it stays what it looks like");
}

#[test]
fn each_process_is_read_in_its_own_configuration() {
    let machine = Machine::new();
    let other = machine.path("other");
    let claude = machine.claude(101);
    claude.environ(&format!(
        "HOME=/nowhere\0CLAUDE_CONFIG_DIR={}\0",
        other.display()
    ));
    claude.file(json!({"status": "busy"}));
    fs::create_dir_all(&other).unwrap();
    fs::rename(machine.config().join("sessions"), other.join("sessions")).unwrap();
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().state, State::Working);
    assert_eq!(
        watched.only().config_dir.unwrap().as_str(),
        other.to_str().unwrap()
    );
    let file = other.join("sessions/101.json");
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("busy", "waiting");
    fs::write(&file, text).unwrap();
    assert_eq!(watched.events(), 1, "and watched there");
}

#[test]
fn a_configuration_that_appears_or_is_replaced_is_followed() {
    let machine = Machine::new();
    let mut watched = Watched::new(&machine);
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    watched.events();
    assert_eq!(
        watched.only().state,
        State::Working,
        "found by the directory's appearance"
    );
    fs::rename(machine.config(), machine.path("home/old")).unwrap();
    claude.file(json!({"status": "waiting"}));
    watched.events();
    watched.scan();
    assert_eq!(watched.only().state, State::NeedsInput);
    fs::rename(machine.config(), machine.path("home/elsewhere")).unwrap();
    symlink(machine.path("home/elsewhere"), machine.config()).unwrap();
    watched.scan();
    claude.file(json!({"status": "busy"}));
    watched.events();
    assert_eq!(
        watched.only().state,
        State::Working,
        "through a symbolic link"
    );
}

#[test]
fn a_torn_file_keeps_the_old_value_and_is_read_again() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    let mut watched = Watched::new(&machine);
    let whole = fs::read_to_string(claude.file_path()).unwrap();
    fs::write(claude.file_path(), &whole[..30]).unwrap();
    watched.events();
    assert_eq!(watched.only().state, State::Working);
    assert!(watched.scout.due().is_some());
    // Made whole without an event: the retry alone must find it.
    fs::write(claude.file_path(), whole.replace("busy", "waiting")).unwrap();
    while let Some(due) = watched.scout.due() {
        vmux::sys::clock::sleep(due.saturating_duration_since(vmux::sys::clock::steady()));
        let observations = watched.scout.retry(Utc::now());
        watched.apply(observations);
        if watched.only().state == State::NeedsInput {
            return;
        }
    }
    panic!("the file was not read again");
}

#[test]
fn the_preview_model_and_branch_are_followed() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    machine.repository("work/shop", "main");
    claude.file(json!({"status": "idle"}));
    let mut watched = Watched::new(&machine);
    assert_eq!(watched.only().preview, None, "nothing asked yet");
    claude.says("s-101", &[prompt("make it fast")]);
    watched.events();
    // The project's directory is new: the first look finds it, the next event is its own.
    claude.says("s-101", &[answer("It is fast now.")]);
    watched.events();
    let session = watched.only();
    assert_eq!(session.preview.unwrap().as_str(), "It is fast now.");
    assert_eq!(session.model.unwrap().as_str(), "claude-opus-5-5");
    assert_eq!(session.git_branch.unwrap().as_str(), "main");
    machine.write("work/shop/.git/HEAD.lock", "ref: refs/heads/faster\n");
    fs::rename(
        machine.path("work/shop/.git/HEAD.lock"),
        machine.path("work/shop/.git/HEAD"),
    )
    .unwrap();
    watched.events();
    assert_eq!(watched.only().git_branch.unwrap().as_str(), "faster");
}

#[test]
fn a_cleared_conversation_is_another_under_the_same_session() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({}));
    claude.says("s-101", &[prompt("old"), answer("old answer")]);
    let mut watched = Watched::new(&machine);
    let before = watched.only();
    claude.says("s-new", &[prompt("new")]);
    claude.file(json!({"sessionId": "s-new"}));
    watched.events();
    let after = watched.only();
    assert_eq!(after.id, before.id);
    assert_eq!(after.session_id.unwrap().as_str(), "s-new");
    assert_eq!(after.preview.unwrap().as_str(), "new");
}

#[test]
fn a_deleted_or_truncated_transcript_costs_only_its_preview() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    let path = claude.says("s-101", &[prompt("one")]);
    let mut watched = Watched::new(&machine);
    fs::write(&path, "").unwrap();
    watched.events();
    assert_eq!(
        (watched.only().state, watched.only().preview),
        (State::Working, None)
    );
    fs::remove_file(&path).unwrap();
    watched.events();
    assert_eq!(watched.only().state, State::Working);
    claude.says("s-101", &[prompt("again")]);
    watched.events();
    assert_eq!(watched.only().preview.unwrap().as_str(), "again");
}

#[test]
fn a_stopped_process_is_noticed_by_scans() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(json!({"status": "busy"}));
    let mut watched = Watched::new(&machine);
    claude.state('T');
    watched.scan();
    assert_eq!(watched.only().reason.unwrap().as_str(), "suspended");
    claude.state('S');
    watched.scan();
    assert_eq!(watched.only().state, State::Working);
}

/// One scan looks at a few sessions only, but at every one that works or is stopped.
#[test]
fn a_session_that_goes_on_is_noticed_by_the_next_scan() {
    let machine = Machine::new();
    let sessions: Vec<_> = (101..=120)
        .map(|pid| {
            let node = machine.process(pid, "claude", "/usr/bin/node", &["claude"]);
            node.works_in(&format!("work/{pid}"));
            node.says("abc", &[prompt("run")]);
            node
        })
        .collect();
    let mut watched = Watched::new(&machine);
    let suspended = |watched: &Watched| {
        let all = watched.sessions();
        let is = |s: &&Session| s.reason.as_ref().is_some_and(|r| r.as_str() == "suspended");
        all.iter().filter(is).count()
    };
    for state in ['T', 'S'] {
        sessions.iter().for_each(|session| session.state(state));
        watched.scan();
        let want = if state == 'T' { sessions.len() } else { 0 };
        assert_eq!(suspended(&watched), want, "{state}");
    }
}

#[test]
fn an_exiting_session_never_looks_like_one_that_has_not_started() {
    let machine = Machine::new();
    machine.write(
        "n/@anthropic-ai/claude-code/package.json",
        r#"{"version":"2.1.328"}"#,
    );
    let exe = machine.path("n/@anthropic-ai/claude-code/bin/claude.exe");
    let claude = machine.process(101, "claude", exe.to_str().unwrap(), &["claude"]);
    claude.file(json!({"status": "idle"}));
    let mut watched = Watched::new(&machine);
    fs::remove_file(claude.file_path()).unwrap();
    watched.events();
    watched.scan();
    assert_eq!(watched.only().state, State::Idle);
}

#[test]
fn hostile_files_break_nothing() {
    let machine = Machine::new();
    machine
        .claude(101)
        .file(json!({"name": "\u{1b}]0;pwned\u{7}name", "cwd": "/w/\u{1b}[31m"}));
    machine.write("home/.claude/sessions/99999999999.json", "{}");
    machine.write("home/.claude/sessions/102.json", "not json");
    machine.write("home/.claude/sessions/101.abcdef.key", "secret");
    fs::create_dir_all(machine.path("home/.claude/sessions/103.json")).unwrap();
    machine.claude(103);
    let watched = Watched::new(&machine);
    let session = watched.sessions().remove(0);
    assert_eq!(session.name.as_ref().unwrap().as_str(), "name");
    assert_eq!(session.cwd.clean().as_str(), "/w/");
}
