//! The stream of events, over the real socket of a real daemon: the whole state first, then each
//! change with the next serial.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::machine::{Machine, Process};
use crate::service::{Client, Daemon, PATIENCE, command, signal, wait_for};

fn machine() -> Machine {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    claude.file(json!({"status": "busy"}));
    machine
}

fn subscribe(daemon: &Daemon<'_>) -> (Client, Value) {
    let mut client = daemon.connect();
    let whole = client.ask(r#"{"action":"subscribe"}"#);
    (client, whole)
}

fn next(client: &mut Client) -> Value {
    serde_json::from_str(&client.line().expect("an event")).unwrap()
}

/// The next event that `fits`, and how many came before it.
fn hear(client: &mut Client, last: &mut u64, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = next(client);
        *last += 1;
        assert_eq!(event["seq"], *last, "no event is missing: {event}");
        if fits(&event) {
            return event;
        }
    }
}

#[test]
fn the_whole_state_comes_first_and_every_change_after() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let (mut client, whole) = subscribe(&daemon);
    assert_eq!(whole["event"], "state");
    assert_eq!(whole["sessions"][0]["state"], "working");
    let mut last = whole["seq"].as_u64().unwrap();

    let claude = machine.claude(101);
    claude.works_in("work/shop");
    claude.file(json!({"status": "waiting", "waitingFor": "permission prompt"}));
    let event = hear(&mut client, &mut last, |event| {
        event["session"]["state"] == "needs_input"
    });
    assert_eq!(event["event"], "session");
    assert_eq!(event["session"]["id"], "101-1010");

    daemon.ask(r#"{"action":"label","args":{"session_id":"s-101","label":"pay"}}"#);
    hear(&mut client, &mut last, |event| {
        event["session"]["label"] == "pay"
    });

    claude.end();
    let event = hear(&mut client, &mut last, |event| event["event"] == "ended");
    assert_eq!(event["id"], "101-1010");
}

#[test]
fn a_subscription_begins_with_what_has_happened_before_it() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut early = subscribe(&daemon);
    let mut last = early.1["seq"].as_u64().unwrap();
    daemon.ask(r#"{"action":"label","args":{"query":"101","label":"pay"}}"#);
    hear(&mut early.0, &mut last, |event| {
        event["session"]["label"] == "pay"
    });
    let (_late, whole) = subscribe(&daemon);
    assert_eq!(whole["sessions"][0]["label"], "pay");
    assert!(whole["seq"].as_u64().unwrap() >= last);
}

/// All sessions are renamed again and again, until so many bytes were told of it.
fn flood(sessions: &[Process<'_>], client: &mut Client, mut last: u64, bytes: usize) {
    let mut heard = 0;
    for round in 0.. {
        let name = format!("{round}-{}", "x".repeat(500));
        for session in sessions {
            session.file(json!({"status": "busy", "name": name}));
        }
        let mut left = sessions.len();
        while left > 0 {
            let event = hear(client, &mut last, |_| true);
            heard += event.to_string().len();
            left -= usize::from(event["session"]["name"] == json!(name));
        }
        if heard > bytes {
            return;
        }
    }
}

#[test]
fn a_slow_reader_is_told_and_dropped_and_holds_nobody_up() {
    let machine = Machine::new();
    let sessions: Vec<_> = (101..161).map(|pid| machine.claude(pid)).collect();
    let daemon = Daemon::start(&machine);
    let (mut slow, _) = subscribe(&daemon);
    // Where their windows are may have come between.
    let (mut brisk, whole) = subscribe(&daemon);
    let last = whole["seq"].as_u64().unwrap();
    // More than the megabyte that may wait, and what the kernel holds.
    flood(&sessions, &mut brisk, last, 3_000_000);
    let lines: Vec<String> = std::iter::from_fn(|| slow.line()).collect();
    let told: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(
        (&told["event"], &told["reason"]),
        (&json!("dropped"), &json!("it read too slowly"))
    );
    for line in &lines {
        serde_json::from_str::<Value>(line).expect("whole lines only");
    }
}

#[test]
fn a_subscriber_that_asks_or_leaves_harms_nobody() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let (mut client, whole) = subscribe(&daemon);
    let mut last = whole["seq"].as_u64().unwrap();
    client.send(b"{\"action\":\"ping\"}\n{broken\n").unwrap();
    for _ in 0..20 {
        drop(subscribe(&daemon));
    }
    daemon.ask(r#"{"action":"label","args":{"query":"101","label":"pay"}}"#);
    hear(&mut client, &mut last, |event| {
        event["session"]["label"] == "pay"
    });
    wait_for("the connections to be closed", || {
        (daemon.ask(r#"{"action":"status"}"#)["status"]["connections"] == 2).then_some(())
    });
}

#[test]
fn vmux_events_goes_on_after_the_daemon_was_killed_and_started_again() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut events = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["events", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(events.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _gone = sender.send(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let wait = |name: &str| -> Value {
        loop {
            let event = lines.recv_timeout(PATIENCE).expect("an event");
            if event["event"] == name {
                return event;
            }
        }
    };
    assert_eq!(wait("state")["sessions"][0]["state"], "working");
    drop(daemon);
    machine.claude(102).works_in("work/api");
    let daemon = Daemon::start(&machine);
    assert_eq!(wait("state")["sessions"].as_array().unwrap().len(), 2);
    daemon.ask(r#"{"action":"label","args":{"query":"102","label":"pay"}}"#);
    assert_eq!(wait("session")["event"], "session");
    events.kill().unwrap();
    events.wait().unwrap();
}

#[test]
fn vmux_events_says_when_the_daemon_hangs_and_goes_on_when_it_wakes() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut events = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .arg("events")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(events.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(events.stderr.take().unwrap()).lines();
    assert!(out.next().unwrap().unwrap().contains("working  shop"));
    signal(&daemon.child, "-STOP");
    assert_eq!(
        said.next().unwrap().unwrap(),
        "vmux: the vmux daemon does not answer"
    );
    let hint = said.next().unwrap().unwrap();
    assert!(
        hint.contains(&format!("`kill -9 {}` ends it", daemon.child.id())),
        "{hint}"
    );
    signal(&daemon.child, "-CONT");
    machine.claude(102).works_in("work/api");
    assert!(out.next().unwrap().unwrap().contains("api"));
    events.kill().unwrap();
    events.wait().unwrap();
}

/// As in `vmux events | head -1`: nothing more may happen for hours.
#[test]
fn vmux_events_ends_with_its_reader() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    let mut events = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .arg("events")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(events.stdout.take().unwrap()).lines();
    assert!(out.next().unwrap().unwrap().contains("working  shop"));
    drop(out);
    let status = wait_for("its end", || events.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn readers_that_never_read_take_little_together() {
    let machine = Machine::new();
    let sessions: Vec<_> = (101..131).map(|pid| machine.claude(pid)).collect();
    let daemon = Daemon::start(&machine);
    let silent: Vec<Client> = (0..200).map(|_| subscribe(&daemon).0).collect();
    let (mut brisk, whole) = subscribe(&daemon);
    let last = whole["seq"].as_u64().unwrap();
    // A megabyte each would be 200.
    flood(&sessions, &mut brisk, last, 1_100_000);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let most: u64 = most.trim_end_matches("kB").trim().parse().unwrap();
    assert!(most < 130_000, "{most} KiB");
    drop(silent);
}
