//! vmux's hooks: in somebody's settings and out again, and what they report.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Stdio;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use vmux::agent::claude::settings::{HOOKS, install, installed, uninstall};

use crate::machine::{Machine, prompt, tool};
use crate::service::{Daemon, command, shown, vmux, wait_for};

/// The program as it finds itself: the directory it was built in may be a link.
fn program() -> String {
    let path = fs::canonicalize(env!("CARGO_BIN_EXE_vmux")).unwrap();
    path.to_string_lossy().into_owned()
}

pub(crate) fn run(machine: &Machine, words: &[&str]) -> String {
    shown(machine, &vmux(machine, words))
        .replace(&program(), "/opt/vmux")
        .replace(env!("CARGO_MANIFEST_DIR"), "/src")
}

/// A machine with these settings, and where they lie.
pub(crate) fn with_settings(text: &str) -> (Machine, PathBuf) {
    let machine = Machine::new();
    let path = machine.write("home/.claude/settings.json", text);
    (machine, path)
}

/// 49 hooks of other tools, and all that settings may hold.
fn busy() -> String {
    let entry = |n: usize| json!({"matcher": format!("Tool{n}"), "hooks": [{"type": "command", "command": format!("other-tool {n} \"$FILE\""), "timeout": 5}]});
    let groups = |from: usize, to: usize| (from..to).map(entry).collect::<Vec<_>>();
    let settings = json!({
        "$schema": "https://json.schemastore.org/claude-code-settings.json",
        "permissions": {"allow": ["Bash(cargo test:*)", "Read(~/\u{fc}ber/**)"], "deny": []},
        "hooks": {
            "PreToolUse": groups(0, 20), "PostToolUse": groups(20, 40), "Stop": groups(40, 44),
            "Notification": groups(44, 49), "OfTheFuture": [],
        },
        "statusLine": {"type": "command", "command": "echo \\\"hi\\\" \u{1f980}"},
        "unknown": [1.0, -0.0, 1e300, null, true, {"deep": [[[]]]}],
    });
    serde_json::to_string_pretty(&settings).unwrap() + "\n"
}

#[test]
fn the_merged_file_is_as_it_was_and_more() {
    let text = r#"{
  "model": "opus",
  "hooks": {
    "Stop": [
      {
        "matcher": "",
        "hooks": [
          { "type": "command", "command": "notify-send done" }
        ]
      }
    ]
  },
  "zzz": {"unknown": [1, 2]}
}
"#;
    let (machine, path) = with_settings(text);
    let mut story = String::new();
    let mut tell = |words: &[&str]| {
        story.push_str(&format!(
            "$ vmux {}\n{}",
            words.join(" "),
            run(&machine, words)
        ));
        fs::read_to_string(&path).unwrap()
    };
    let beside = || fs::read_dir(path.parent().unwrap()).unwrap().count() - 1;
    assert_eq!(tell(&["hooks", "status"]), text);
    let after = tell(&["hooks", "install", "--dry-run"]);
    assert_eq!((&*after, beside()), (text, 0), "a dry run is dry");
    let merged = tell(&["hooks", "install"]);
    assert_eq!(tell(&["hooks", "install"]), merged, "twice is once");
    tell(&["hooks", "status"]);
    tell(&["hooks", "status", "--json"]);
    let line = "ok    hooks          installed in /M/home/.claude\n";
    assert!(run(&machine, &["doctor"]).contains(line));
    tell(&["hooks", "uninstall", "--dry-run"]);
    let after = tell(&["hooks", "uninstall"]);
    assert_eq!((&*after, beside()), (text, 0), "no copy is left");
    assert_eq!(tell(&["hooks", "uninstall"]), text);
    assert_snapshot!("hooks", story);
    let merged = merged.replace(&program(), "/opt/vmux");
    assert_snapshot!("hooks_merged", merged);
}

#[test]
fn every_shape_of_settings_comes_back_byte_by_byte() {
    let busy = busy();
    let large = format!(
        "{{\n  \"allow\": [\n{}    \"end\"\n  ]\n}}\n",
        (0..30_000)
            .map(|n| format!("    \"Bash(command number {n:>10})\",\n"))
            .collect::<String>()
    );
    assert!(large.len() > 1_000_000);
    let tabs = busy.replace("  ", "\t");
    let windows = busy.replace('\n', "\r\n");
    let marked = format!("\u{feff}{busy}");
    let flat = serde_json::from_str::<Value>(&busy).unwrap().to_string();
    for text in [
        &*busy,
        &*large,
        &*tabs,
        &*windows,
        &*marked,
        &*flat,
        busy.trim_end(),
        "",
        " \n",
        "{}",
        "{ }",
        "{\n}\n",
        "\u{feff}",
        "{\"hooks\":{}}",
        "{\"hooks\": { } }\n",
        "{\"hooks\":{\"Stop\":[]}}",
        "{\"hooks\":{\"Stop\":[ ],\"Notification\":[7,{}]},\"hooks\":{}}",
    ] {
        let (machine, path) = with_settings(text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = run(&machine, &["hooks", "install"]);
        assert!(
            said.starts_with("installed in /M/home/.claude/settings.json"),
            "{said}"
        );
        let merged = fs::read_to_string(&path).unwrap();
        assert_eq!(installed(&merged).unwrap().len(), HOOKS.len());
        run(&machine, &["hooks", "uninstall"]);
        let after = fs::read_to_string(&path).unwrap();
        assert!(after == text, "{text:.200} became {after:.200}");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }
}

#[test]
fn other_changes_since_are_kept() {
    let (machine, path) = with_settings(&busy());
    run(&machine, &["hooks", "install"]);
    let merged = fs::read_to_string(&path).unwrap();
    fs::write(&path, merged.replace("\"unknown\"", "\"known\"")).unwrap();
    run(&machine, &["hooks", "uninstall"]);
    let after = fs::read_to_string(&path).unwrap();
    assert_eq!(after, busy().replace("\"unknown\"", "\"known\""));
    assert!(
        path.with_extension("json.before-vmux").exists(),
        "it holds something else"
    );
}

#[test]
fn a_file_that_was_not_there_is_made_and_removed() {
    let machine = Machine::new();
    let said = run(&machine, &["hooks", "install"]);
    assert!(
        said.contains(
            "could not find /M/home/.claude: it is not a directory\nhint: start claude once"
        ),
        "{said}"
    );
    let path = machine.path("home/.claude/settings.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.with_extension("json.before-vmux"), "{}").unwrap();
    run(&machine, &["hooks", "install"]);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        run(&machine, &["hooks", "uninstall"]),
        "removed /M/home/.claude/settings.json: it held nothing else\n"
    );
    assert!(!path.exists());
    run(&machine, &["hooks", "install"]);
    let merged = fs::read_to_string(&path).unwrap();
    fs::write(&path, merged.replacen('{', "{\n  \"model\": \"x\",", 1)).unwrap();
    run(&machine, &["hooks", "uninstall"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "{\n  \"model\": \"x\"\n}\n"
    );
}

#[test]
fn a_link_stays_a_link() {
    let machine = Machine::new();
    let target = machine.write("dotfiles/claude.json", "{\"a\": 1}\n");
    let path = machine.path("home/.claude/settings.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink("../../dotfiles/claude.json", &path).unwrap();
    run(&machine, &["hooks", "install"]);
    assert!(path.is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains(" hook Stop"));
    run(&machine, &["hooks", "uninstall"]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "{\"a\": 1}\n");
    fs::remove_file(&target).unwrap();
    let said = run(&machine, &["hooks", "install"]);
    assert!(
        said.contains("settings.json: it is a link to nothing"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_changed_is_left_and_said() {
    let mut story = String::new();
    for (text, mode) in [
        ("{\n  // of mine\n  \"a\": 1\n}\n", 0o600),
        ("{\n  \"a\": [1,\n  ],\n}\n", 0o600),
        ("{\"hooks\": []}", 0o600),
        ("{}", 0o444),
    ] {
        let (machine, path) = with_settings(text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        story.push_str(&format!(
            "{text:?}\n{}\n",
            run(&machine, &["hooks", "install"])
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
    assert_snapshot!("hooks_refused", story);
    let machine = Machine::new();
    fs::create_dir_all(machine.path("home/.claude")).unwrap();
    fs::write(
        machine.path("home/.claude/settings.json"),
        [b'{', 0xff, b'}'],
    )
    .unwrap();
    assert!(run(&machine, &["hooks", "install"]).contains("it is not UTF-8"));
    let said = run(&machine, &["hooks", "install", "--config-dir", "nowhere"]);
    assert!(
        said.contains("could not find /M/home/nowhere: it is not a directory"),
        "{said}"
    );
}

/// Before 2.0.45 one unknown event makes Claude Code ignore the whole file.
#[test]
fn an_old_version_is_not_asked_for_what_it_does_not_know() {
    let machine = Machine::new();
    let old = machine.process(101, "claude", "/usr/bin/node", &["claude"]);
    let other = machine.path("other");
    fs::create_dir_all(&other).unwrap();
    fs::create_dir_all(machine.config()).unwrap();
    old.environ(&format!("CLAUDE_CONFIG_DIR={}\0", other.display()));
    old.file(json!({}));
    let sessions = other.join("sessions");
    fs::create_dir_all(&sessions).unwrap();
    let file = json!({"pid": 101, "sessionId": "s", "version": "2.0.44", "procStart": "1010"});
    fs::write(sessions.join("101.json"), file.to_string()).unwrap();
    let said = run(&machine, &["hooks", "install"]);
    assert!(
        said.contains(
            "without PermissionRequest: Claude Code 2.0.44, which is in use, might ignore"
        ),
        "{said}"
    );
    let events = |dir: PathBuf| {
        let text = fs::read_to_string(dir.join("settings.json")).unwrap();
        installed(&text)
            .unwrap()
            .into_iter()
            .map(|own| own.event)
            .collect::<Vec<_>>()
    };
    assert_eq!(events(other), ["Notification", "SessionStart", "Stop"]);
    assert_eq!(
        events(machine.config()).len(),
        4,
        "the others are asked for all"
    );
}

/// A version on node tells its version nowhere but in its transcript.
#[test]
fn a_version_on_node_is_read_from_its_transcript() {
    for (version, all) in [
        (Some("2.0.44"), false),
        (Some("2.0.77"), true),
        (None, false),
    ] {
        let machine = Machine::new();
        let old = machine.process(101, "claude", "/usr/bin/node", &["claude"]);
        let mut line = prompt("go");
        if let Some(version) = version {
            line["version"] = json!(version);
        }
        old.says("s-1", &[line]);
        run(&machine, &["hooks", "install"]);
        let text = fs::read_to_string(machine.config().join("settings.json")).unwrap();
        assert_eq!(text.contains("PermissionRequest"), all, "{version:?}");
    }
}

/// Reports as the hook itself does: this process stands for the session.
fn hook(machine: &Machine, event: &str, payload: &str) -> std::process::Output {
    let mut child = command(machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["hook", event])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A hook that does not care may have ended.
    drop(child.stdin.take().unwrap().write_all(payload.as_bytes()));
    child.wait_with_output().unwrap()
}

/// A session of an old version, which is this very process: the parent of its hooks.
fn old_session(machine: &Machine) -> crate::machine::Process<'_> {
    let old = machine.process(std::process::id(), "claude", "/usr/bin/node", &["claude"]);
    old.works_in("work/shop");
    old.says(
        "s-old",
        &[
            prompt("go"),
            tool("WebFetch", json!({"url": "https://x.test"})),
        ],
    );
    old
}

fn asks(command: &str) -> String {
    json!({"session_id": "s-old", "transcript_path": "/x", "cwd": "/y", "hook_event_name": "PermissionRequest",
           "tool_name": "Bash", "tool_input": {"command": command}})
    .to_string()
}

#[test]
fn a_hook_shows_a_dialog_at_once_and_esc_ends_it() {
    let machine = Machine::new();
    let old = old_session(&machine);
    let daemon = Daemon::start(&machine);
    // A page is fetched, or a dialog is open: its transcript does not tell.
    daemon.wait_for_session("its call", |session| session["state"] == "unknown");
    let done = hook(&machine, "PermissionRequest", &asks("rm -r \u{1b}[31mx"));
    assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty());
    let session = daemon.wait_for_session("the dialog", |s| s["state"] == "needs_input");
    assert_eq!(session["ask"], "Bash(rm -r x)");
    assert_eq!(session["session_id"], "s-old");
    let text = run(&machine, &["explain", "shop"]);
    for part in [
        "because  a hook told of a dialog",
        "\nhooks\n",
        "summary: rm -r x",
        "age: ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let interrupted = json!({"parentUuid": "a", "type": "user", "timestamp": chrono::Utc::now(),
        "message": {"role": "user", "content": [{"type": "text", "text": "[Request interrupted by user]"}]}});
    old.says("s-old", &[interrupted]);
    daemon.wait_for_session("the end of it", |session| session["state"] == "idle");
}

#[test]
fn the_hook_action_is_part_of_the_protocol() {
    let machine = Machine::new();
    let old = old_session(&machine);
    let daemon = Daemon::start(&machine);
    let key = format!("{}-{}", old.pid, old.start);
    let report = |args: Value| daemon.ask(&json!({"action": "hook", "args": args}).to_string());
    // Frozen: hooks of an older vmux stay in settings for long.
    let frozen = json!({"event": "asked", "processes": ["1-1", key], "session_id": "s-old",
        "tool": {"id": "", "name": "Bash", "summary": "ls", "nature": "asks_first"}, "agent_id": "a1", "said": "x"});
    assert_eq!(report(frozen)["ok"], true);
    daemon.wait_for_session("the dialog", |session| session["ask"] == "Bash(ls)");
    assert_eq!(
        report(json!({"event": "ended", "session_id": "of-nobody"}))["ok"],
        true
    );
    assert_eq!(
        report(json!({"event": "of the future", "more": [1]}))["ok"],
        true
    );
    assert_eq!(report(json!({"event": 7}))["code"], "bad_request");
    assert_eq!(report(json!({"session_id": "../x"}))["code"], "bad_request");
    // By its conversation, where the ancestors are other processes or none.
    assert_eq!(
        report(json!({"event": "ended", "processes": ["99-1"], "session_id": "s-new"}))["ok"],
        true
    );
    assert_eq!(
        report(json!({"event": "started", "session_id": "s-old"}))["ok"],
        true
    );
    daemon.wait_for_session("the end of the dialog", |session| {
        session["state"] == "working"
    });
}

#[test]
fn two_old_sessions_in_one_directory_are_told_apart() {
    let machine = Machine::new();
    for pid in [std::process::id(), 102] {
        let old = machine.process(pid, "claude", "/usr/bin/node", &["claude"]);
        old.works_in("work/shop");
        old.says(&format!("s-{pid}"), &[prompt(&format!("prompt of {pid}"))]);
    }
    let daemon = Daemon::start(&machine);
    daemon.wait_for_session("both", |session| session["state"] == "unknown");
    let own = format!("s-{}", std::process::id());
    let payload = json!({"session_id": own, "source": "startup"}).to_string();
    hook(&machine, "SessionStart", &payload);
    let session = daemon.wait_for_session("the first", |session| session["session_id"] == own);
    assert_eq!(session["state"], "working");
    daemon.wait_for_session("the other, which is left", |session| {
        session["session_id"] == "s-102"
    });
}

#[test]
fn a_hook_never_fails_prints_or_starts_anything() {
    let machine = Machine::new();
    let long = "x".repeat(300_000);
    for payload in ["", "{", "null", "\u{0}", &*long] {
        let done = hook(&machine, "Stop", payload);
        assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty());
    }
    assert!(!machine.path("vmux").exists(), "no daemon was started");
    let daemon = Daemon::start(&machine);
    for payload in ["", "{", "null", "\u{0}", "{\"session_id\": 7}", &*long] {
        for event in ["Stop", "Of\u{1b}[31mTheFuture", ""] {
            let done = hook(&machine, event, payload);
            assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty());
        }
    }
    wait_for("the daemon to be well", || {
        (daemon.ask(r#"{"action":"ping"}"#)["ok"] == true).then_some(())
    });
}

/// JSON as people and programs write it: any layout, any nesting, repeated names.
fn json_text() -> impl Strategy<Value = String> {
    let blank = prop_oneof![
        Just(""),
        Just(" "),
        Just("\n"),
        Just("\r\n  "),
        Just("\t"),
        Just("\n    ")
    ];
    let key = prop_oneof![
        "[a-z]{0,4}",
        Just("hooks".to_owned()),
        Just("Stop".to_owned()),
        Just("\\u0068ooks".to_owned())
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-1.5e+3".to_owned()),
        Just("true".to_owned()),
        "\"[a-z{}\\[\\], :\u{e9}]{0,6}\"",
        Just(r#""\\\"\u00e9""#.to_owned()),
        Just(r#"{"hooks":[{"type":"command","command":"x hook Stop"}]}"#.to_owned()),
    ];
    let value = leaf.prop_recursive(5, 40, 5, move |inner| {
        let padded =
            (blank.clone(), inner, blank.clone()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
        let member = (blank.clone(), key.clone(), padded.clone())
            .prop_map(|(a, k, v)| format!("{a}\"{k}\":{v}"));
        prop_oneof![
            proptest::collection::vec(padded, 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            (proptest::collection::vec(member, 0..4), blank.clone())
                .prop_map(|(m, b)| format!("{{{}{b}}}", m.join(","))),
        ]
    });
    (
        any::<bool>(),
        value,
        prop_oneof![Just(""), Just("\n"), Just("\r\n")],
    )
        .prop_map(|(mark, value, end)| {
            format!("{}{value}{end}", if mark { "\u{feff}" } else { "" })
        })
}

proptest! {
    #[test]
    fn any_json_comes_back_byte_by_byte(text in json_text(), answers in any::<bool>()) {
        let events = ["PermissionRequest", "Stop"];
        if let Ok(merged) = install(&text, "/opt/vmux", &events, answers) {
            prop_assert_eq!(installed(&merged).unwrap().len(), 2);
            prop_assert_eq!(&install(&merged, "/opt/vmux", &events, answers).unwrap(), &merged);
            let rest = uninstall(&merged).unwrap();
            prop_assert!(installed(&rest).unwrap().is_empty());
            // Containers that were empty before go as well; the copy from before brings them back.
            if !text.contains("[]") && !text.contains("{}") && !hollow(&text) {
                prop_assert_eq!(rest, text);
            }
        }
    }

    #[test]
    fn no_settings_end_it(text in "\\PC{0,60}", cut in 0usize..400) {
        drop(install(&text, "/opt/vmux", &["Stop"], false));
        let merged = install(&busy(), "/opt/vmux", &["Stop"], false).unwrap();
        let cut = (cut.min(merged.len())..).find(|at| merged.is_char_boundary(*at)).unwrap();
        drop(install(&merged[..cut], "/v/vmux", &["Stop"], false));
        drop(uninstall(&merged[..cut]));
    }
}

/// Whether a container with only white space is in it.
fn hollow(text: &str) -> bool {
    let packed: String = text.split_ascii_whitespace().collect();
    packed.contains("[]") || packed.contains("{}")
}
