//! The daemon's life: it can be reached, or it ends; and nobody is kept from having one.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::service::{Daemon, command, shown, signal, vmux, wait_for};

/// Within this a daemon that nobody can reach is gone: three scans.
const GONE: Duration = Duration::from_secs(15);

/// Less than from one scan to the next.
const SOON: Duration = Duration::from_secs(2);

/// What happens to a place, and how.
type Replacement = (&'static str, fn(&Machine));

fn machine() -> Machine {
    let machine = Machine::new();
    machine.claude(101).works_in("work/shop");
    machine
}

fn run(machine: &Machine, words: &[&str]) -> String {
    shown(machine, &vmux(machine, words))
}

fn ends(daemon: &mut Daemon<'_>, why: &str) {
    let since = Instant::now();
    let status = wait_for(&format!("the end: {why}"), || {
        daemon.child.try_wait().unwrap()
    });
    assert!(status.success(), "{why}: {status}");
    assert!(since.elapsed() < GONE, "{why}");
}

#[test]
fn a_socket_that_was_removed_is_made_again_and_nobody_notices() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut subscriber = daemon.connect();
    subscriber.ask(r#"{"action":"subscribe"}"#);
    fs::remove_file(daemon.socket()).unwrap();
    // It is there before anybody listens.
    wait_for("the socket", || UnixStream::connect(daemon.socket()).ok());
    daemon.ask(r#"{"action":"label","args":{"query":"101","label":"pay"}}"#);
    while !subscriber
        .line()
        .expect("an event")
        .contains("\"label\":\"pay\"")
    {}

    // Who comes at once need not wait for the next scan, but for a machine that is busy.
    let waited = || {
        fs::remove_file(daemon.socket()).unwrap();
        let since = Instant::now();
        assert!(run(&machine, &["list"]).starts_with("pay"));
        since.elapsed()
    };
    let waited = [(); 4].map(|()| waited());
    assert!(*waited.iter().min().unwrap() < SOON, "{waited:?}");
    let status = run(&machine, &["daemon", "status"]);
    let same = format!("(pid {})", daemon.child.id());
    assert!(status.contains(&same), "{status}");
    assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
}

#[test]
fn a_daemon_that_nobody_can_reach_ends_and_the_next_call_starts_another() {
    let replace: [Replacement; 5] = [
        ("its directory was removed", |machine| {
            fs::remove_dir_all(machine.path("vmux")).unwrap();
        }),
        ("its directory was made anew", |machine| {
            fs::remove_dir_all(machine.path("vmux")).unwrap();
            fs::create_dir(machine.path("vmux")).unwrap();
        }),
        ("its directory was renamed", |machine| {
            fs::rename(machine.path("vmux"), machine.path("old")).unwrap();
        }),
        ("a dead socket is in the socket's place", |machine| {
            fs::remove_file(machine.path("vmux/vmux.sock")).unwrap();
            drop(UnixListener::bind(machine.path("vmux/vmux.sock")).unwrap());
        }),
        ("another lock is in the lock's place", |machine| {
            fs::remove_file(machine.path("vmux/vmux.lock")).unwrap();
            fs::write(machine.path("vmux/vmux.lock"), "").unwrap();
        }),
    ];
    std::thread::scope(|scope| {
        for (why, replace) in replace {
            scope.spawn(move || {
                let machine = machine();
                let mut daemon = Daemon::start(&machine);
                let mut silent = daemon.connect();
                silent.ask(r#"{"action":"subscribe"}"#);
                replace(&machine);
                ends(&mut daemon, why);
                while silent.line().is_some() {}
                let list = run(&machine, &["list"]);
                assert!(list.starts_with("shop"), "{why}: {list}");
                assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
            });
        }
    });
}

#[test]
fn what_a_cleaner_removes_is_made_again_even_the_lock() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    for name in ["vmux.sock", "vmux.lock", "vmuxd.pid"] {
        fs::remove_file(machine.path("vmux").join(name)).unwrap();
    }
    fs::remove_dir_all(machine.path("vmux/icons")).unwrap();
    wait_for("the socket", || daemon.socket().exists().then_some(()));
    assert!(machine.path("vmux/vmux.lock").exists());
    wait_for("the icons", || {
        machine
            .path("vmux/icons/waiting.svg")
            .exists()
            .then_some(())
    });
    let second = run(&machine, &["daemon", "run"]);
    assert!(
        second.contains(&format!("already running (pid {})", daemon.child.id())),
        "{second}"
    );
}

#[test]
fn a_daemon_with_a_socket_of_its_own_ends_with_the_directory_above_it() {
    let machine = machine();
    let socket = machine.path("up/run/x.sock");
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let mut daemon = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["daemon", "run"])
        .env("VMUX_SOCKET", &socket)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the daemon", || socket.exists().then_some(()));
    fs::rename(machine.path("up"), machine.path("down")).unwrap();
    wait_for("its end", || daemon.try_wait().unwrap());
}

#[test]
fn a_file_in_the_sockets_place_ends_the_daemon_and_is_left_alone() {
    let machine = machine();
    let mut daemon = Daemon::start(&machine);
    fs::remove_file(daemon.socket()).unwrap();
    fs::write(daemon.socket(), "precious").unwrap();
    ends(&mut daemon, "a file is in the socket's place");
    assert_eq!(fs::read(daemon.socket()).unwrap(), b"precious");
    let list = run(&machine, &["list"]);
    assert!(
        list.contains("something that is not a socket is in its place"),
        "{list}"
    );
}

/// As by an update within one version, or by `cargo build`.
#[test]
fn a_daemon_whose_program_was_replaced_is_told() {
    let machine = machine();
    let vmux = machine.path("vmux-of-before");
    if fs::hard_link(env!("CARGO_BIN_EXE_vmux"), &vmux).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_vmux"), &vmux).unwrap();
    }
    let mut daemon = command(&machine, &vmux)
        .args(["daemon", "run"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = machine.path("vmux/vmux.sock");
    wait_for("the daemon", || socket.exists().then_some(()));
    let replaced = "note  daemon         the program that it runs was replaced since";
    assert!(!run(&machine, &["doctor"]).contains(replaced));
    fs::remove_file(&vmux).unwrap();
    let doctor = run(&machine, &["doctor"]);
    assert!(doctor.contains(replaced), "{doctor}");
    run(&machine, &["daemon", "stop"]);
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn two_daemons_whose_sockets_change_places_leave_no_orphan() {
    let machine = machine();
    let mut first = Daemon::start(&machine);
    let other = machine.path("other/x.sock");
    fs::create_dir(other.parent().unwrap()).unwrap();
    let mut second = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["daemon", "run", "--socket"])
        .arg(&other)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the other daemon", || other.exists().then_some(()));
    fs::rename(&other, first.socket()).unwrap();
    ends(&mut first, "another daemon's socket is in its place");
    // That one listens at its own place again, and soon no longer at the moved one.
    wait_for("its socket", || other.exists().then_some(()));
    wait_for("the death of the moved one", || {
        UnixStream::connect(first.socket()).is_err().then_some(())
    });
    assert!(run(&machine, &["list"]).starts_with("shop"));
    assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
    fs::remove_dir_all(machine.path("other")).unwrap();
    wait_for("its end", || second.try_wait().unwrap());
}

#[test]
fn a_daemon_that_hangs_without_a_socket_is_told_by_its_lock() {
    let machine = machine();
    let mut daemon = Daemon::start(&machine);
    let pid = daemon.child.id();
    signal(&daemon.child, "-STOP");
    fs::remove_file(daemon.socket()).unwrap();
    // Left over by another one, and by now perhaps a stranger.
    machine.write("vmux/vmuxd.pid", "1\n");
    let runs = format!("a vmux daemon (pid {pid}) runs, and does not listen at");
    for words in [&["daemon", "status"][..], &["doctor"], &["list"]] {
        let said = run(&machine, words);
        assert!(said.contains(&runs), "{words:?}: {said}");
    }
    let since = Instant::now();
    let said = run(&machine, &["daemon", "stop"]);
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "{:?}",
        since.elapsed()
    );
    assert!(said.contains(&format!("`kill -9 {pid}` ends it")), "{said}");
    signal(&daemon.child, "-CONT");
    ends(&mut daemon, "it was told to stop");
}

#[test]
fn clients_that_all_start_the_daemon_start_one() {
    let machine = machine();
    std::thread::scope(|scope| {
        let lists: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| run(&machine, &["list"])))
            .collect();
        for list in lists {
            let list = list.join().unwrap();
            assert!(list.starts_with("shop"), "{list}");
        }
    });
    assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
    assert_eq!(
        run(&machine, &["daemon", "stop"]),
        "no vmux daemon is running\n"
    );
}

/// Five seconds are the promise; a loaded machine may take a while to start a process.
#[test]
fn every_verb_gives_up_on_a_daemon_that_hangs_and_says_so() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    signal(&daemon.child, "-STOP");
    let calls = [
        "list",
        "list --json",
        "list --all",
        "switch shop",
        "switch --dry-run shop",
        "next",
        "next --dry-run",
        "back",
        "label shop pay",
        "snooze shop 5m",
        "pin shop",
        "end --yes shop",
        "preview shop",
        "explain shop",
        "status",
        "answer shop",
        "daemon start",
        "daemon status",
        "daemon stop",
        "doctor",
    ];
    std::thread::scope(|scope| {
        for call in calls {
            let machine = &machine;
            scope.spawn(move || {
                let words: Vec<&str> = call.split(' ').collect();
                let since = Instant::now();
                let said = run(machine, &words);
                let took = since.elapsed();
                assert!(took < Duration::from_secs(7), "{call}: {took:?}");
                assert!(
                    said.contains("the vmux daemon does not answer"),
                    "{call}: {said}"
                );
                assert!(said.contains("--- exit 1\n"), "{call}: {said}");
            });
        }
    });
    signal(&daemon.child, "-CONT");
}

#[test]
fn what_its_client_gave_up_is_not_done_later() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    signal(&daemon.child, "-STOP");
    let given_up = [
        r#"{"action":"label","args":{"query":"101","label":"pay"}}"#,
        r#"{"action":"pin","args":{"query":"101"}}"#,
        r#"{"action":"snooze","args":{"query":"101","seconds":600}}"#,
        r#"{"action":"end","args":{"query":"101"}}"#,
        r#"{"action":"switch","args":{"query":"101"}}"#,
        r#"{"action":"next"}"#,
        r#"{"action":"back"}"#,
        r#"{"action":"answer","args":{"query":"101","decision":"allow"}}"#,
        r#"{"action":"rofi","args":{"retv":1,"info":"101-1010"}}"#,
        r#"{"action":"stop"}"#,
    ];
    for request in given_up {
        drop(daemon.connect().send(format!("{request}\n").as_bytes()));
    }
    // A hook does not wait for the answer, and is heard.
    let report = r#"{"action":"hook","args":{"event":"session_start","processes":["101-1010"]}}"#;
    drop(daemon.connect().send(format!("{report}\n").as_bytes()));
    signal(&daemon.child, "-CONT");
    let session = daemon.ask(r#"{"action":"list"}"#)["sessions"][0].clone();
    let log = || fs::read_to_string(machine.path("daemon.log")).unwrap();
    let undone = || log().matches("left a request undone").count();
    wait_for("all of them", || (undone() == given_up.len()).then_some(()));
    let requests = daemon.ask(r#"{"action":"status"}"#)["status"]["requests"].clone();
    assert_eq!(requests, 3, "the report, the list and this one");
    assert_eq!(session["label"], serde_json::Value::Null, "{session}");
}

#[test]
fn who_closes_his_own_half_of_the_connection_is_served() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    signal(&daemon.child, "-STOP");
    let mut labels = daemon.connect();
    let mut listens = daemon.connect();
    let label = r#"{"action":"label","args":{"query":"101","label":"pay"}}"#;
    labels
        .send(format!("{label}\n{label}\n").as_bytes())
        .unwrap();
    labels.close_own_half();
    listens.send(b"{\"action\":\"subscribe\"}\n").unwrap();
    listens.close_own_half();
    signal(&daemon.child, "-CONT");
    for _ in 0..2 {
        assert!(
            labels
                .line()
                .expect("a reply")
                .contains("\"label\":\"pay\"")
        );
    }
    assert_eq!(labels.line(), None, "and then let go");
    daemon.ask(r#"{"action":"label","args":{"query":"101","label":"ship"}}"#);
    while !listens
        .line()
        .expect("an event")
        .contains("\"label\":\"ship\"")
    {}
    drop(listens);
    wait_for("the subscriber to be let go", || {
        (daemon.ask(r#"{"action":"status"}"#)["status"]["connections"] == 1).then_some(())
    });
}

#[test]
fn odd_places_keep_no_daemon_from_starting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let machine = machine();
    machine.write("vmux/icons", "no directory");
    mknodat(
        CWD,
        machine.path("vmux/vmux.log"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    let list = run(&machine, &["list"]);
    assert!(list.starts_with("shop"), "{list}");
    assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
}

#[test]
fn a_runtime_directory_may_have_any_length() {
    let machine = machine();
    let deep = machine.path(&format!("{}/run", "x".repeat(150)));
    let at = |program: &str, words: &[&str]| {
        let mut command = command(&machine, program);
        command
            .env("VMUX_DIR", &deep)
            .env("ROFI_RETV", "0")
            .args(words);
        shown(&machine, &command.output().unwrap())
    };
    let vmux = env!("CARGO_BIN_EXE_vmux");
    assert!(at(vmux, &["list"]).starts_with("shop"));
    assert!(at(env!("CARGO_BIN_EXE_vmux-rofi"), &[]).contains("shop"));
    assert!(at(vmux, &["daemon", "run"]).contains("already running (pid "));
    fs::remove_file(deep.join("vmux.sock")).unwrap();
    assert!(at(vmux, &["list"]).starts_with("shop"), "it listens again");
    assert_eq!(at(vmux, &["daemon", "stop"]), "stopped\n");
    let name = machine.path(&"n".repeat(120));
    let said = at(vmux, &["--socket", name.to_str().unwrap(), "list"]);
    assert!(said.contains("is too long for a socket"), "{said}");
}

#[test]
fn a_menu_that_does_not_end_holds_up_nobody_elses_move() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    daemon.wait_for_session("its place", |session| session["no_window"] == "no_wm");
    // A rofi that lives on after its choice.
    let chosen = format!(
        r#"{{"action":"rofi","args":{{"retv":1,"info":"101-1010","outside":{}}}}}"#,
        std::process::id()
    );
    for _ in 0..8 {
        assert_eq!(daemon.ask(&chosen)["ok"], true);
    }
    let since = Instant::now();
    assert_eq!(daemon.ask(r#"{"action":"back"}"#)["ok"], false);
    // Each of the eight is waited for a second.
    assert!(
        since.elapsed() < Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
}

#[test]
fn a_daemon_tells_its_sessions_in_the_words_of_rows() {
    let machine = machine();
    machine
        .claude(102)
        .file(serde_json::json!({"status": "waiting"}));
    let _daemon = Daemon::start(&machine);
    let status = run(&machine, &["daemon", "status"]);
    let line = status.lines().find(|line| line.starts_with("sessions"));
    assert_eq!(line, Some("sessions  1 idle, 1 waiting"), "{status}");
}

/// A variable that is set to nothing is as good as none; a name with a slip in it makes nothing.
#[test]
fn a_socket_is_named_by_a_name_in_a_directory_that_is_there() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    let mut empty = command(&machine, env!("CARGO_BIN_EXE_vmux"));
    // Past the short cut before clap.
    let words = ["list", "--format", "table"];
    let done = empty.env("VMUX_SOCKET", "").args(words).output().unwrap();
    assert!(shown(&machine, &done).starts_with("shop"), "{done:?}");
    let missing = machine.path("missing/x.sock");
    for words in [&["list"][..], &["daemon", "start"], &["daemon", "run"]] {
        let words = [&["--socket", missing.to_str().unwrap()], words].concat();
        let said = run(&machine, &words);
        assert!(
            said.contains("could not listen at /M/missing/x.sock: /M/missing is no directory"),
            "{said}"
        );
    }
    assert!(!missing.parent().unwrap().exists());
}
