//! What other coding tools tell over the socket, kept with the commits of their repositories.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use vmux::sys::clock;

use crate::machine::Machine;
use crate::service::{Daemon, command, shown, wait_for};

/// Runs a program in the repository.
fn inside(machine: &Machine, program: &str, words: &[&str]) -> Output {
    let mut command = command(machine, program);
    command.current_dir(machine.path("home/shop")).args(words);
    command.output().unwrap()
}

fn git(machine: &Machine, words: &[&str]) -> String {
    let who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.org"];
    let done = inside(machine, "git", &[&who[..], words].concat());
    assert!(done.status.success(), "{}", shown(machine, &done));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn vmux(machine: &Machine, words: &[&str]) -> String {
    let done = inside(machine, env!("CARGO_BIN_EXE_vmux"), words);
    shown(machine, &done)
}

/// A machine with a repository.
fn machine() -> (Machine, PathBuf) {
    let machine = Machine::new();
    let top = machine.path("home/shop");
    fs::create_dir_all(&top).unwrap();
    git(&machine, &["init", "-q"]);
    git(&machine, &["commit", "-q", "--allow-empty", "-m", "start"]);
    (machine, top)
}

fn tell(daemon: &Daemon<'_>, args: &Value) -> Value {
    daemon.ask(&json!({"action": "capture", "args": args}).to_string())
}

#[test]
fn what_another_tool_tells_is_kept_with_the_commit_without_secrets() {
    let (machine, top) = machine();
    vmux(&machine, &["capture", "on"]);
    // Git's logs tell seconds: what is committed in this one may have been before that.
    let second = clock::now().timestamp();
    wait_for("the next second", || {
        (clock::now().timestamp() > second).then_some(())
    });
    fs::write(top.join(".env"), "DB_PASSWORD=correct-horse-battery\n").unwrap();
    let daemon = Daemon::start(&machine);
    let create = json!({"create": {"tool": "cursor", "cwd": top, "model": "gpt-9"}});
    let created = tell(&daemon, &create);
    assert_eq!(created["ok"], true, "{created}");
    let id = created["session_id"].as_str().unwrap();
    let asked = "Greet, with correct-horse-battery";
    for args in [
        json!({"message": {"role": "user", "text": asked}}),
        json!({"change": {"path": "a.rs", "new": "fn greet() {\n    hello();\n}\n", "created": true}}),
        json!({"message": {"role": "assistant", "text": "It greets."}, "save": true}),
    ] {
        let mut args = args;
        args["session_id"] = id.into();
        let told = tell(&daemon, &args);
        assert_eq!(
            (&told["ok"], &told["session_id"]),
            (&true.into(), &id.into()),
            "{told}"
        );
    }
    let journal = machine.path(&format!("vmux/journals/{id}.jsonl"));
    let text = fs::read_to_string(journal).unwrap();
    assert!(!text.contains("correct-horse"), "{text}");

    fs::write(top.join("a.rs"), "fn greet() {\n    hello();\n}\n").unwrap();
    git(&machine, &["add", "a.rs"]);
    git(&machine, &["commit", "-q", "-m", "greet"]);
    let kept = wait_for("the record", || {
        let notes = git(
            &machine,
            &["for-each-ref", "--format=%(refname)", "refs/notes/vmux"],
        );
        let of = format!("--ref={}", notes.lines().next()?);
        Some(git(&machine, &["notes", &of, "show"]))
    });
    assert!(
        kept.contains("Greet, with [redacted:environment]"),
        "{kept}"
    );
    assert!(
        kept.contains("cursor") && kept.contains("a.rs 1-3"),
        "{kept}"
    );
}

#[test]
fn what_cannot_be_told_says_why_and_writes_nothing() {
    let (machine, top) = machine();
    let daemon = Daemon::start(&machine);
    let create = json!({"create": {"tool": "cursor", "cwd": top}});
    let refused = |args: &Value, code: &str, words: &str| {
        let said = tell(&daemon, args);
        assert_eq!(
            (&said["ok"], &said["code"]),
            (&false.into(), &code.into()),
            "{args}: {said}"
        );
        assert!(said["error"].as_str().unwrap().contains(words), "{said}");
    };
    refused(&create, "bad_request", "not captured");
    assert!(!machine.path("vmux/journals").exists());
    vmux(&machine, &["capture", "on"]);
    let id = tell(&daemon, &create)["session_id"].clone();
    refused(&json!({}), "bad_request", "either session_id or create");
    refused(
        &json!({"session_id": "cursor-0"}),
        "no_match",
        "no session cursor-0",
    );
    let odd = json!({"create": {"tool": "no tool", "cwd": top}});
    refused(&odd, "unsaved", "no name of a tool");
    let away = json!({"create": {"tool": "cursor", "cwd": "shop"}});
    refused(&away, "bad_request", "not absolute");
    for path in ["/etc/passwd", "../../else", ".git/config", ""] {
        let change = json!({"session_id": id, "change": {"path": path, "new": "x"}});
        refused(&change, "bad_request", "not in the session's repository");
    }
    let odd = json!({"session_id": id, "message": {"role": "system", "text": "x"}});
    refused(&odd, "bad_request", "neither user nor assistant");
    // Switched off: nothing more is written.
    vmux(&machine, &["capture", "off"]);
    let more = json!({"session_id": id, "message": {"role": "user", "text": "x"}});
    refused(&more, "bad_request", "not captured");
    let journal = machine.path(&format!("vmux/journals/{}.jsonl", id.as_str().unwrap()));
    assert_eq!(fs::read_to_string(journal).unwrap().lines().count(), 1);
}
