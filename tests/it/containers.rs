//! Sessions in containers: their own files, their own process numbers.

use serde_json::{Value, json};
use vmux::core::model::{Session, State};

use crate::machine::{Machine, Process};
use crate::watched::Watched;

const EXE: &str = "/home/node/.local/share/claude/versions/2.1.332";

/// A machine with namespaces of its own, and a process in others: number 5 there.
fn contained(machine: &Machine, pid: u32, home: &str) -> u64 {
    let process = machine.process(pid, "claude", EXE, &["claude"]);
    process.environ(&format!("HOME={home}\0"));
    process.link("cwd", "/work/inside");
    machine.write(
        &format!("proc/{pid}/status"),
        &format!("NSpid:\t{pid}\t5\n"),
    );
    namespaces(&process, "4026532001");
    process.start
}

fn namespaces(process: &Process<'_>, pid: &str) {
    process.link("ns/pid", &format!("pid:[{pid}]"));
    process.link("ns/mnt", &format!("mnt:[{pid}]"));
}

fn machine() -> Machine {
    let machine = Machine::new();
    for pid in ["self", "101"] {
        std::fs::create_dir_all(machine.path(&format!("proc/{pid}/ns"))).unwrap();
    }
    for name in ["pid", "mnt"] {
        let link = machine.path(&format!("proc/self/ns/{name}"));
        std::os::unix::fs::symlink(format!("{name}:[4026531836]"), link).unwrap();
    }
    machine
}

/// The status file of number 5, as it is written in the container.
fn file(start: u64, changes: Value) -> String {
    let mut file = json!({
        "pid": 5, "sessionId": "s-5", "cwd": "/work/inside", "procStart": start.to_string(),
        "version": "2.1.332", "kind": "interactive", "entrypoint": "cli",
        "pidDomain": "linux:abc:pid:[4026532001]",
        "status": "busy", "statusUpdatedAt": 1_795_164_500_100_i64,
    });
    for (name, value) in changes.as_object().unwrap() {
        file[name] = value.clone();
    }
    file.to_string()
}

const WITHIN: &str = "proc/101/root/home/node/.claude/sessions/5.json";

#[test]
fn a_session_with_a_home_of_its_own_is_read_there() {
    let machine = machine();
    let start = contained(&machine, 101, "/home/node");
    machine.write(WITHIN, &file(start, json!({})));
    let mut watched = Watched::new(&machine);
    let Session {
        state,
        container,
        cwd,
        git_branch,
        ..
    } = watched.only();
    assert_eq!((state, container), (State::Working, true));
    assert_eq!((cwd.0.as_str(), git_branch), ("/work/inside", None));
    machine.write(WITHIN, &file(start, json!({"status": "waiting"})));
    watched.events();
    assert_eq!(watched.only().state, State::NeedsInput);
}

#[test]
fn a_home_behind_a_link_is_followed_within_the_container() {
    let machine = machine();
    let start = contained(&machine, 101, "/home/node");
    machine.write(
        "proc/101/root/data/sessions/5.json",
        &file(start, json!({})),
    );
    std::fs::create_dir_all(machine.path("proc/101/root/home/node")).unwrap();
    let link = machine.path("proc/101/root/home/node/.claude");
    std::os::unix::fs::symlink("/data", link).unwrap();
    assert_eq!(Watched::new(&machine).only().state, State::Working);
}

#[test]
fn a_file_in_a_shared_home_is_that_of_the_process_in_the_container() {
    let machine = machine();
    let home = machine.path("home");
    let start = contained(&machine, 101, home.to_str().unwrap());
    std::os::unix::fs::symlink("/", machine.path("proc/101/root")).unwrap();
    // A session of this machine has the same number.
    let stranger = machine.process(5, "claude", EXE, &["claude"]);
    std::fs::create_dir_all(machine.path("proc/5/ns")).unwrap();
    namespaces(&stranger, "4026531836");
    let shared = "home/.claude/sessions/5.json";
    machine.write(shared, &file(start, json!({})));
    let mut watched = Watched::new(&machine);
    let state = |watched: &Watched, pid: u32| {
        let all = watched.sessions();
        all.iter().find(|s| s.pid.0 == pid).map(|s| s.state)
    };
    assert_eq!(state(&watched, 101), Some(State::Working));
    assert_eq!(state(&watched, 5), Some(State::Unknown));
    machine.write(shared, &file(start, json!({"status": "waiting"})));
    watched.events();
    assert_eq!(state(&watched, 101), Some(State::NeedsInput));
    assert_eq!(state(&watched, 5), Some(State::Unknown));
}

#[test]
fn what_cannot_be_read_of_a_container_is_unknown() {
    let machine = machine();
    let start = contained(&machine, 101, "/home/node");
    // Another namespace's: it has had the number before.
    let other = json!({"pidDomain": "linux:abc:pid:[4026539999]"});
    for text in [None, Some(file(start, other)), Some(file(7, json!({})))] {
        if let Some(text) = text {
            machine.write(WITHIN, &text);
        }
        let Session {
            state, container, ..
        } = Watched::new(&machine).only();
        assert_eq!((state, container), (State::Unknown, true));
    }
}
