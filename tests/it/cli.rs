//! The command line: what is printed, where, and with which exit code.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};
use vmux::capture::index::Index;
use vmux::capture::record::{Record, Talk};
use vmux::core::model::ConversationId;

use crate::machine::{Machine, answer, prompt, tool};
use crate::service::{Daemon, command, shown, vmux, wait_for};

/// Milliseconds since 1970, some seconds ago.
fn ago(seconds: i64) -> i64 {
    (chrono::Utc::now() - chrono::TimeDelta::seconds(seconds)).timestamp_millis()
}

fn machine() -> Machine {
    let machine = Machine::new();
    let waits = machine.claude(101);
    waits.works_in("work/shop");
    machine.repository("work/shop", "main");
    waits.file(json!({"status": "waiting", "waitingFor": "permission prompt", "statusUpdatedAt": ago(190)}));
    waits.says(
        "s-101",
        &[
            prompt("test it"),
            answer("I will."),
            tool("Bash", json!({"command": "cargo test"})),
        ],
    );
    let works = machine.claude(102);
    works.works_in("work/docs");
    works.file(json!({"status": "busy", "statusUpdatedAt": ago(3700)}));
    works.says("s-102", &[prompt("write them \u{1b}[31mall\u{1b}[0m")]);
    let rests = machine.claude(103);
    rests.works_in("work/api");
    rests.file(json!({"status": "idle", "statusUpdatedAt": ago(90_000)}));
    machine
}

fn run(machine: &Machine, words: &[&str]) -> String {
    shown(machine, &vmux(machine, words))
}

/// The same where nothing is installed.
fn without_programs(machine: &Machine, words: &[&str]) -> String {
    let mut vmux = command(machine, env!("CARGO_BIN_EXE_vmux"));
    shown(
        machine,
        &vmux
            .env("PATH", machine.path("no-programs"))
            .args(words)
            .output()
            .unwrap(),
    )
}

#[test]
fn a_list_for_people() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    let expected = "shop  main  waiting 3m  permission: Bash(cargo test)\n\
                    docs  -     working 1h  write them all\n\
                    api   -     idle 1d\n";
    assert_eq!(run(&machine, &["list"]), expected);
    assert_eq!(run(&machine, &["ls"]), expected);
    assert_eq!(
        run(&machine, &["list", "--format", "table"]),
        expected,
        "past the short cut before clap"
    );
    assert_eq!(run(&machine, &["list", "--format", "dmenu"]), expected);
    assert_eq!(
        run(&machine, &["--no-daemon", "list"]),
        expected,
        "without the daemon as well"
    );
    assert_eq!(
        run(&machine, &["status"]),
        "1 waiting \u{b7} 1 working \u{b7} 1 idle\n"
    );
}

#[test]
fn a_list_for_scripts_is_the_same_with_and_without_a_daemon() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    wait_for("the windows to be looked for", || {
        run(&machine, &["ls", "--json"])
            .contains("no_wm")
            .then_some(())
    });
    let with = run(&machine, &["list", "--json"]);
    assert_eq!(with, run(&machine, &["list", "--json", "--all"]));
    // Only the engine's clock dates what no file dates; here all are dated.
    assert_eq!(with, run(&machine, &["--no-daemon", "list", "--json"]));
}

#[test]
fn errors_say_what_why_and_what_to_do() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    assert_snapshot!(run(&machine, &["switch", "nobody"]), @r#"
    --- stderr
    vmux: no session matches "nobody"
    hint: `vmux list` shows all of them
    --- exit 1
    "#);
    assert_snapshot!(run(&machine, &["switch", "@waiting"]), @r"
    --- stderr
    vmux: could not focus shop: no window manager was found for it (no i3 or sway listens)
    --- exit 1
    ");
    assert_snapshot!(run(&machine, &["end", "shop"]), @r"
    --- stderr
    vmux: could not ask whether to end the session: this is not a terminal
    hint: --yes ends it without asking
    --- exit 2
    ");
    assert_snapshot!(run(&machine, &["dmenu", "--launcher", "nonsense"]), @r#"
    --- stderr
    vmux: could not use the launcher "nonsense": it is not known
    hint: known are fuzzel, rofi, wofi, bemenu, tofi, dmenu; `vmux list --format dmenu` feeds any other
    --- exit 2
    "#);
    assert_snapshot!(without_programs(&machine, &["dmenu", "--launcher", "tofi"]), @r"
    --- stderr
    vmux: could not run tofi: No such file or directory (os error 2)
    hint: is it installed?
    --- exit 1
    ");
    assert!(run(&machine, &["frobnicate"]).ends_with("--- exit 2\n"));
    assert!(run(&machine, &["switch"]).ends_with("--- exit 2\n"));
}

#[test]
fn an_ambiguous_query_names_the_candidates() {
    let machine = machine();
    for pid in [111, 112] {
        let twin = machine.claude(pid);
        twin.works_in("work/twin");
        twin.file(json!({}));
    }
    let _daemon = Daemon::start(&machine);
    assert_snapshot!(run(&machine, &["label", "twin", "x"]), @r#"
    --- stderr
    vmux: several sessions match "twin" equally well
      111-1110  twin  /M/work/twin
      112-1120  twin  /M/work/twin
    hint: name one by its id
    --- exit 2
    "#);
}

#[test]
fn labels_are_set_shown_and_taken_away() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    assert_eq!(
        run(&machine, &["label", "shop", "pay \u{1b}[31mments"]),
        "101-1010  pay ments\n"
    );
    assert!(run(&machine, &["list"]).starts_with("pay ments  main"));
    assert_eq!(
        run(&machine, &["label", "pay ments"]),
        "101-1010  shop has no label now\n"
    );
    drop(daemon);
    let done = run(&machine, &["--no-daemon", "label", "docs", "manual"]);
    assert_eq!(done, "102-1020  manual\n");
    let kept = std::fs::read_to_string(machine.path("vmux/labels.json")).unwrap();
    assert!(kept.contains("\"manual\""), "{kept}");
}

#[test]
fn a_preview_marks_who_speaks() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    assert_eq!(
        run(&machine, &["preview", "shop"]),
        "shop  waiting 3m\n/M/work/shop  main  claude-opus-5-5\nasks: Bash(cargo test)\n\n\
         \u{203a} test it\n\nI will.\n\n\u{2022} Bash(cargo test)\n"
    );
}

#[test]
fn a_preview_tells_of_the_commits_that_a_session_had_part_in() {
    let machine = machine();
    let list: Value =
        serde_json::from_str(&run(&machine, &["--no-daemon", "list", "--json"])).unwrap();
    let sessions = list["sessions"].as_array().unwrap();
    let shop = sessions
        .iter()
        .find(|s| s["cwd"].as_str().unwrap().ends_with("/shop"));
    let id = shop.unwrap()["session_id"].as_str().unwrap().to_owned();
    let mut index = Index::default();
    for n in 1..9 {
        let record = Record {
            commit: n.to_string().repeat(40),
            at: chrono::Utc::now() - chrono::TimeDelta::hours(n),
            conversations: vec![Talk {
                agent: "claude".into(),
                version: None,
                model: None,
                session_id: ConversationId::new(&id).unwrap(),
            }],
            ..Record::default()
        };
        index.put("refs/notes/vmux/me", "", &format!("Step {n}"), &record);
    }
    let git = machine.path("work/shop/.git");
    std::fs::create_dir(git.join("vmux")).unwrap();
    std::fs::write(git.join("vmux/index"), index.bytes()).unwrap();
    let _daemon = Daemon::start(&machine);
    let text = run(&machine, &["preview", "shop"]);
    let wanted = "asks: Bash(cargo test)\ncommitted 11111111 Step 1  1h\n\
                  committed 22222222 Step 2  2h\ncommitted 33333333 Step 3  3h\n\n";
    assert!(text.contains(wanted), "{text}");
    let told: Value = serde_json::from_str(&run(&machine, &["preview", "shop", "--json"])).unwrap();
    assert_eq!(told["commits"].as_array().unwrap().len(), 5);
    assert_eq!(told["commits"][0]["subject"], "Step 1");
}

#[test]
fn an_explanation_names_sources_and_rule() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    let text = wait_for("the windows to be looked for", || {
        Some(run(&machine, &["explain", "shop"])).filter(|text| text.contains("trouble"))
    });
    for part in [
        "shop  waiting 3m\n  state    needs_input (permission prompt)\n  because  its file says waiting\n",
        "/M/home/.claude/sessions/101.json",
        "waiting for: permission prompt",
        "summary: cargo test",
        "branch: main",
        "no window manager was found for it",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json: Value = serde_json::from_str(&run(&machine, &["explain", "--json", "shop"])).unwrap();
    assert_eq!(json["evidence"]["file"]["status"], "waiting");
}

#[test]
fn a_daemon_is_started_once_and_stopped_cleanly() {
    let machine = machine();
    assert!(run(&machine, &["daemon", "stop"]).starts_with("no vmux daemon is running\n"));
    assert_snapshot!(run(&machine, &["daemon", "status"]), @r"
    --- stderr
    vmux: the vmux daemon is not running (No such file or directory (os error 2))
    hint: `vmux daemon start` starts it; so does `vmux list`
    --- exit 1
    ");
    assert!(
        run(&machine, &["list"]).starts_with("shop"),
        "starts it by itself"
    );
    assert!(
        run(&machine, &["daemon", "start"]).starts_with("a vmux daemon is already running (pid ")
    );
    let second = run(&machine, &["daemon", "run"]);
    assert!(
        second.contains("vmux: a vmux daemon is already running (pid "),
        "{second}"
    );
    assert!(second.ends_with("--- exit 1\n"));
    assert!(run(&machine, &["daemon", "status"]).contains("3 sessions"));
    assert_eq!(run(&machine, &["daemon", "stop"]), "stopped\n");
    for left in ["vmux.sock", "vmuxd.pid"] {
        assert!(!machine.path("vmux").join(left).exists(), "{left}");
    }
}

#[test]
fn a_signal_ends_the_daemon_cleanly_and_a_dead_socket_is_replaced() {
    let machine = machine();
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start(&machine);
        let pid = daemon.child.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([&format!("-{signal}"), &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(daemon.child.wait().unwrap().success(), "{signal}");
        assert!(!daemon.socket().exists());
    }
    let mut daemon = Daemon::start(&machine);
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    assert!(daemon.socket().exists(), "kill -9 leaves it behind");
    assert!(run(&machine, &["list"]).starts_with("shop"));
    run(&machine, &["daemon", "stop"]);
}

#[test]
fn somebody_elses_file_in_the_sockets_place_is_left_alone() {
    let machine = machine();
    machine.write("vmux/vmux.sock", "precious");
    let said = run(&machine, &["daemon", "run"]);
    assert!(
        said.contains("something that is not a socket is in its place"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(machine.path("vmux/vmux.sock")).unwrap(),
        "precious"
    );
}

/// A launcher that waits for the end of a pipe must not wait for the daemon it started.
#[test]
fn a_detached_daemon_keeps_nothing_open() {
    let machine = machine();
    let (read, write) = std::io::pipe().unwrap();
    // Inherited on purpose, as rofi's pipes are by a careless parent.
    rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::empty()).unwrap();
    let done = vmux(&machine, &["list"]);
    assert!(done.status.success());
    drop(write);
    let ended =
        std::thread::spawn(move || std::io::Read::read(&mut { read }, &mut [0u8; 1]).unwrap());
    wait_for("the end of the pipe", || ended.is_finished().then_some(()));
    let status = vmux(&machine, &["daemon", "status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let pid = &status["pid"];
    let session = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = session
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(fields[3], pid.to_string(), "it leads a session of its own");
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&environ).contains("ROFI_"));
    run(&machine, &["daemon", "stop"]);
}

#[test]
fn rofi_always_gets_a_page() {
    let machine = machine();
    let rofi = |environ: &[(&str, &str)]| {
        let mut command = command(&machine, env!("CARGO_BIN_EXE_vmux-rofi"));
        let done = command
            .envs(environ.iter().copied())
            .arg("--help")
            .output()
            .unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout)
            .unwrap()
            .replace('\0', "<0>")
            .replace('\u{1f}', "<1f>")
    };
    machine.write("vmux/vmux.sock", "no socket at all");
    let page = rofi(&[("ROFI_RETV", "0")]);
    assert!(
        page.contains("something that is not a socket is in its place"),
        "{page}"
    );
    assert!(page.ends_with("Try again<0>info<1f>again\n"));
    std::fs::remove_file(machine.path("vmux/vmux.sock")).unwrap();
    let page = rofi(&[("ROFI_RETV", "0"), ("ROFI_OUTSIDE", "99999999")]);
    if page.contains("shop") {
        assert!(page.contains("<0>info<1f>101-1010<1f>meta<1f>"), "{page}");
    } else {
        // A busy machine: it does not listen yet, or has nothing to tell yet.
        let why = ["still starting", "does not answer"];
        assert!(why.iter().any(|why| page.contains(why)), "{page}");
    }
    wait_for("the daemon", || {
        machine.path("vmux/vmux.sock").exists().then_some(())
    });
    run(&machine, &["daemon", "stop"]);
}

/// A stopped daemon must not freeze rofi, which holds the keyboard meanwhile.
#[test]
fn a_daemon_that_hangs_costs_rofi_no_more_than_its_patience() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let signal = |name: &str| {
        let pid = daemon.child.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    let started = std::time::Instant::now();
    let done = command(&machine, env!("CARGO_BIN_EXE_vmux-rofi"))
        .output()
        .unwrap();
    let took = started.elapsed();
    let doctor = run(&machine, &["doctor"]);
    signal("-CONT");
    let way_out = format!("`kill -9 {}` ends it", daemon.child.id());
    assert!(doctor.contains("BAD   daemon"), "{doctor}");
    assert!(doctor.contains(&way_out), "{doctor}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("does not answer"));
    // 300 ms is the promise; a busy machine takes longer to start a process, but not the 4.5 s that
    // others wait for a daemon.
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_closed_pipe_is_a_good_end() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    let mut child = command(&machine, env!("CARGO_BIN_EXE_vmux"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}

#[test]
fn the_doctor_names_what_is_missing_and_what_to_do() {
    let machine = machine();
    let text = run(&machine, &["doctor"]);
    for part in [
        "note  daemon",
        "it starts when it is needed",
        "no i3 or sway",
        "ok    claude code    /M/home/.claude/sessions is watched",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    machine.write("vmux/config.toml", "launcher = [");
    assert!(
        run(&machine, &["doctor"]).ends_with("--- exit 1\n"),
        "a broken configuration is bad"
    );
    // What can be used of it is, and the daemon runs.
    let odd = "launcher = 3\nurgency = false\n";
    machine.write("vmux/config.toml", odd);
    let _daemon = Daemon::start(&machine);
    for words in [&["doctor"][..], &["daemon", "status"]] {
        let text = run(&machine, words);
        let part = "could not read /M/vmux/config.toml: line 1: launcher: invalid type";
        assert!(text.contains(part), "{text}");
    }
    let json: Value =
        serde_json::from_str(run(&machine, &["doctor", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!(json["ok"], false);
}

#[test]
fn a_menu_without_a_desktop_says_so() {
    let machine = machine();
    assert_snapshot!(run(&machine, &["menu"]), @r"
    --- stderr
    vmux: could not find a desktop: neither DISPLAY nor WAYLAND_DISPLAY is set
    hint: without one, `vmux pick` shows the list in a terminal
    --- exit 1
    ");
}

#[test]
fn a_demo_of_no_program_says_which() {
    let machine = machine();
    let said = run(&machine, &["demo", "--", "no-such-program"]);
    assert!(
        said.contains("could not run no-such-program: No such file"),
        "{said}"
    );
}

/// Without the kit: a demo makes a world of its own, of real processes.
#[test]
fn a_demo_shows_branches() {
    let machine = machine();
    let vmux = env!("CARGO_BIN_EXE_vmux");
    let mut demo = std::process::Command::new(vmux);
    demo.env_clear().env("HOME", machine.path("home"));
    let done = demo.args(["demo", "--sessions", "2", "--", vmux, "list"]);
    let listed = String::from_utf8(done.output().unwrap().stdout).unwrap();
    assert!(listed.contains("shop-web    feature/cart"), "{listed}");
}

#[test]
fn the_doctor_tries_to_write() {
    let machine = machine();
    let mut doctor = command(&machine, env!("CARGO_BIN_EXE_vmux"));
    // A file system in which nobody makes files, root included.
    let done = doctor.env("VMUX_DIR", "/proc").arg("doctor").output();
    let text = shown(&machine, &done.unwrap());
    assert!(
        text.contains("BAD   writing        could not write in /proc: "),
        "{text}"
    );
}
