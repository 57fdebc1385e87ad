//! The protocol, over the real socket of a real daemon.
//!
//! Read before you change a frozen sample: scripts of users and older programs speak this. Fields
//! may be added; what is here must stay as it is.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::machine::{Machine, answer, prompt, tool};
use crate::service::{Daemon, wait_for};

/// A machine with one session, which waits for a permission.
pub(crate) fn machine() -> Machine {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    machine.repository("work/shop", "main");
    claude.file(json!({"status": "waiting", "waitingFor": "permission prompt", "name": "shop-5e"}));
    claude.says(
        "s-101",
        &[
            prompt("test it"),
            answer("I will."),
            tool("Bash", json!({"command": "cargo test"})),
        ],
    );
    machine
}

#[test]
fn a_list_is_what_scripts_know() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let session = daemon.wait_for_session("its place", |session| session["no_window"] == "no_wm");
    let root = machine.path("");
    let text = serde_json::to_string(&session)
        .unwrap()
        .replace(root.to_str().unwrap(), "/M/");
    let encoded =
        vmux::agent::claude::find::encode_cwd(machine.path("work/shop").to_str().unwrap());
    let text = text.replace(&encoded, "-M-work-shop");
    let session: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        session,
        json!({
            "id": "101-1010", "pid": 101, "session_id": "s-101", "agent": "claude", "cwd": "/M/work/shop",
            "git_branch": "main", "state": "needs_input", "reason": "permission prompt",
            "state_since": "2026-11-20T08:48:20.100Z", "waiting_since": "2026-11-20T08:48:20.100Z",
            "ask": "Bash(cargo test)", "preview": "Bash(cargo test)", "workspace": null, "label": null,
            "name": "shop-5e", "kind": "interactive", "repository": "shop",
            "transcript": "/M/home/.claude/projects/-M-work-shop/s-101.jsonl",
            "model": "claude-opus-5-5", "version": "2.1.328", "started_at": "2026-11-20T08:48:20Z",
            "no_window": "no_wm",
        })
    );
}

#[test]
fn every_reply_has_the_same_frame() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut client = daemon.connect();
    let reply = client.ask(r#"{"action":"ping"}"#);
    assert_eq!(
        (&reply["ok"], &reply["error"], &reply["sessions"]),
        (&json!(true), &json!(null), &json!([]))
    );
    assert_eq!(reply["status"]["version"], env!("CARGO_PKG_VERSION"));
    let reply = client.ask(r#"{"action":"label","args":{"session_id":"s-101","label":"pay"}}"#);
    assert_eq!(reply["sessions"][0]["label"], "pay");
    let reply = client.ask(r#"{"action":"list","args":{"of_the_future":true},"more":1}"#);
    assert_eq!(reply["sessions"][0]["label"], "pay");
    let reply = client.ask(r#"{"action":"switch","args":{"query":"pay"}}"#);
    assert_eq!(
        (&reply["ok"], &reply["code"]),
        (&json!(false), &json!("no_wm")),
    );
    assert!(
        reply["error"]
            .as_str()
            .unwrap()
            .starts_with("could not focus pay: ")
    );
    let reply = client.ask(r#"{"action":"switch","args":{"query":"nobody"}}"#);
    assert_eq!(
        (&reply["ok"], &reply["code"]),
        (&json!(false), &json!("no_match"))
    );
    let reply = client.ask(r#"{"action":"preview","args":{"query":"pay","messages":2}}"#);
    assert_eq!(
        reply["preview"][1],
        json!({"role": "tool", "text": "Bash(cargo test)", "at": "2026-11-20T08:48:49.298Z"})
    );
    let reply = client.ask(r#"{"action":"explain","args":{"query":"pay"}}"#);
    assert_eq!(reply["explanation"]["rule"], "its file says waiting");
}

#[test]
fn rows_come_ready_as_a_payload() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut client = daemon.connect();
    let reply = client.ask(r#"{"action":"rofi","args":{"retv":0,"outside":1}}"#);
    let bytes = client.bytes(usize::try_from(reply["payload"].as_u64().unwrap()).unwrap());
    assert!(bytes.starts_with(b"\0prompt\x1fvmux\n"));
    let reply = client.ask(r#"{"action":"list","args":{"format":"dmenu"}}"#);
    let bytes = client.bytes(usize::try_from(reply["payload"].as_u64().unwrap()).unwrap());
    assert!(
        String::from_utf8(bytes)
            .unwrap()
            .starts_with("shop  main  waiting ")
    );
}

#[test]
fn broken_requests_get_an_answer_and_the_connection_lives() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut client = daemon.connect();
    for broken in [
        "",
        "{",
        "[]",
        "null",
        "\u{7f}\u{1b}[31m",
        r#"{"action":7}"#,
        r#"{"args":{}}"#,
    ] {
        let reply = client.ask(broken);
        assert_eq!(
            (&reply["ok"], &reply["code"]),
            (&json!(false), &json!("bad_request")),
            "{broken}"
        );
    }
    let reply = client.ask(r#"{"action":"dance"}"#);
    assert_eq!(reply["error"], r#"unknown action "dance""#);
    let reply = client.ask(r#"{"action":"list","args":{"all":"yes"}}"#);
    assert!(
        reply["error"]
            .as_str()
            .unwrap()
            .starts_with("could not read the arguments of list: ")
    );
    assert_eq!(client.ask(r#"{"action":"ping"}"#)["ok"], true);
}

#[test]
fn an_oversized_request_ends_its_own_connection_only() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut client = daemon.connect();
    // The daemon may hang up before all of it is written.
    drop(client.send(&vec![b'x'; 200_000]));
    let reply: Value = serde_json::from_str(&client.line().unwrap()).unwrap();
    assert!(
        reply["error"]
            .as_str()
            .unwrap()
            .contains("longer than 64 KiB")
    );
    assert_eq!(client.line(), None);
    assert_eq!(daemon.ask(r#"{"action":"ping"}"#)["ok"], true);
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mut client = daemon.connect();
    client
        .send(b"{\"action\":\"ping\"}\n{\"action\":\"preview\",\"args\":{\"query\":\"shop\"}}\n{\"action\":\"list\"}\n{\"act")
        .unwrap();
    let mut next = || -> Value { serde_json::from_str(&client.line().unwrap()).unwrap() };
    assert!(next()["status"].is_object());
    assert!(next()["preview"].is_array());
    assert_eq!(next()["sessions"][0]["pid"], 101);
    client.send(b"ion\":\"ping\"}\n").unwrap();
    assert!(serde_json::from_str::<Value>(&client.line().unwrap()).unwrap()["status"].is_object());
}

#[test]
fn a_thousand_clients_some_silent_some_slow_cost_nobody_anything() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let silent: Vec<_> = (0..200).map(|_| daemon.connect()).collect();
    let mut slow = daemon.connect();
    // Asks for a megabyte and reads none of it.
    for _ in 0..2000 {
        if slow.send(b"{\"action\":\"list\"}\n").is_err() {
            break;
        }
    }
    let mut clients: Vec<_> = (0..1000).map(|_| daemon.connect()).collect();
    for client in &mut clients {
        client.send(b"{\"action\":\"list\"}\n").unwrap();
    }
    for client in &mut clients {
        let reply: Value = serde_json::from_str(&client.line().expect("a reply")).unwrap();
        assert_eq!(reply["sessions"][0]["pid"], 101);
    }
    let started = Instant::now();
    assert_eq!(daemon.ask(r#"{"action":"ping"}"#)["ok"], true);
    assert!(started.elapsed() < Duration::from_secs(2));
    drop(silent);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request_is_forgotten() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    for _ in 0..50 {
        let mut client = daemon.connect();
        client
            .send(b"{\"action\":\"preview\",\"args\":{\"query\":\"shop\"}}\n")
            .unwrap();
        drop(client);
    }
    wait_for("the connections to be closed", || {
        (daemon.ask(r#"{"action":"status"}"#)["status"]["connections"] == 1).then_some(())
    });
    // Busy polling on a dead client would show as processor time.
    let stat = |pid: u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = text
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = stat(daemon.child.id());
    std::thread::sleep(Duration::from_millis(300));
    assert!(stat(daemon.child.id()) - before <= 10, "the daemon spins");
}

/// What no client of ours sends.
fn odd_values() -> Vec<Value> {
    let large = "\u{300}\u{1f468}\u{200d}\0\u{202e}".repeat(3000);
    vec![
        json!(u64::MAX),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(1u64 << 40),
        json!(u32::MAX),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(null),
        json!(true),
        json!(""),
        json!("shop"),
        json!("4294967295-18446744073709551615"),
        json!(large),
        json!("table"),
        json!("allow"),
        json!({"choose": [[u64::MAX], [], [0, 0, 0]]}),
        json!({"deny": large}),
        json!({"PATH": large, "DISPLAY": ":99999999999999999999", "I3SOCK": large}),
        json!(["101-1010", "4294967295-0"]),
        json!([[[[[[]]]]]]),
        json!({"id": u64::MAX, "tool": large, "questions": [{"text": large, "options": [large]}]}),
    ]
}

/// Every action with every argument it has, each as long, as large and as odd as one line allows.
#[test]
fn no_request_ends_the_daemon() {
    let fields = [
        ("list", "all format width color"),
        (
            "switch",
            "id query session_id named first dry_run settle summon environ",
        ),
        ("next", "dry_run settle environ"),
        ("back", "dry_run settle environ"),
        ("label", "query session_id label"),
        ("snooze", "query seconds"),
        ("pin", "query off"),
        ("end", "query"),
        ("preview", "query messages"),
        ("explain", "query environ"),
        ("rofi", "retv info outside environ"),
        ("ask", "processes session_id asked"),
        ("asked", "query"),
        ("answer", "query request decision"),
        ("hook", "event processes session_id agent_id said"),
        ("status", "none"),
        ("subscribe", "none"),
    ];
    let values = odd_values();
    let machine = machine();
    let mut daemon = Daemon::start(&machine);
    daemon.wait_for_session("the session", |session| session["pid"] == 101);
    for (action, fields) in fields {
        for (field, value) in fields
            .split(' ')
            .flat_map(|f| values.iter().map(move |v| (f, v)))
        {
            let mut args = json!({"query": "shop", "format": "table"});
            args[field] = value.clone();
            let line = json!({"action": action, "args": args}).to_string();
            let mut client = daemon.connect();
            drop(client.send(format!("{line}\n{{\"action\":\"ping\"}}\n").as_bytes()));
            // Who asks for what comes later hears nothing now.
            if !matches!(action, "ask" | "subscribe") {
                client.line();
            }
        }
        assert_eq!(
            daemon.ask(r#"{"action":"ping"}"#)["ok"],
            true,
            "after {action}"
        );
    }
    assert!(daemon.child.try_wait().unwrap().is_none());
    let log = std::fs::read_to_string(machine.path("daemon.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn no_time_that_a_hook_reports_ends_anything() {
    let machine = machine();
    let mut daemon = Daemon::start(&machine);
    daemon.wait_for_session("the session", |session| session["pid"] == 101);
    let times = [
        "-262143-01-01T00:00:00Z",
        "+262142-12-31T23:59:59.999999999Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:60Z",
    ];
    for at in times {
        for event in [
            "started",
            "asked",
            "still_asks",
            "still_idle",
            "ended",
            "other",
        ] {
            let tool = json!({"id": "toolu_1", "name": "Bash", "summary": "make", "at": at});
            let args = json!({"event": event, "processes": ["101-1010"], "tool": tool});
            daemon.ask(&json!({"action": "hook", "args": args}).to_string());
            // Explained by the engine, so that it has taken the report in.
            let explain = daemon.ask(r#"{"action":"explain","args":{"query":"101"}}"#);
            assert_eq!(explain["ok"], true, "{event} at {at}");
        }
    }
    assert!(daemon.child.try_wait().unwrap().is_none());
    let log = std::fs::read_to_string(machine.path("daemon.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn the_socket_is_its_users_alone() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let mode = |path: &str| {
        std::fs::metadata(machine.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("vmux"), mode("vmux/vmux.sock")), (0o700, 0o600));
    let pid = std::fs::read_to_string(machine.path("vmux/vmuxd.pid")).unwrap();
    assert_eq!(pid.trim(), daemon.child.id().to_string());
}
