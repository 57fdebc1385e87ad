//! What happens around vmux on a real desktop: restarts, hangs, and the end of things.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Desktop, wait_for};

pub(super) fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

pub(super) fn daemon_pid(desktop: &Desktop) -> u32 {
    let done = desktop.vmux(&["daemon", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    u32::try_from(status["pid"].as_u64().unwrap()).unwrap()
}

#[test]
#[ignore = "needs a desktop"]
fn after_an_i3_restart_everything_is_found_again() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    let window = desktop.window_of(&shown);
    let before = desktop.session(&shown).unwrap()["window"]["con_id"].clone();
    desktop.i3("restart");
    wait_for("i3", || {
        desktop
            .i3_msg(&["-t", "get_version"])
            .status
            .success()
            .then_some(())
    });
    wait_for("the new container id", || {
        let now = desktop.session(&shown)?["window"]["con_id"].clone();
        (now != before && now != json!(null)).then_some(())
    });
    desktop.i3("workspace 2");
    desktop.switch(&shown);
    assert_eq!(desktop.focused(), Some(window));
}

/// It is asked over an open connection, and not again over a new one.
#[test]
#[ignore = "needs a desktop"]
fn a_stopped_x_server_costs_a_switch_its_patience_once() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    desktop.switch(&shown);
    let took = (0..3).map(|_| {
        signal(desktop.server_pid(), "STOP");
        let started = Instant::now();
        let done = desktop.vmux(&["switch", &shown.name]);
        let took = started.elapsed();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            !done.status.success() && error.contains("did not answer within 500 ms"),
            "{error}"
        );
        signal(desktop.server_pid(), "CONT");
        wait_for("the focus to work again", || {
            let again = desktop.vmux(&["switch", &shown.name]);
            again.status.success().then_some(())
        });
        took
    });
    // Whoever waits twice does so each time; a busy machine is slow once.
    let took = took.min().unwrap();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
}

#[test]
#[ignore = "needs a desktop"]
fn a_stopped_i3_is_said_in_time_and_costs_nobody_else_anything() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    let window = desktop.window_of(&shown);
    signal(desktop.manager_pid(), "STOP");
    let started = Instant::now();
    let done = desktop.vmux(&["switch", &shown.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        !done.status.success() && error.contains("did not answer"),
        "{error}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it took {:?}",
        started.elapsed()
    );
    shown.waits(Duration::from_secs(600));
    wait_for("the state to go on", || {
        (desktop.session(&shown)?["state"] == "needs_input").then_some(())
    });
    signal(desktop.manager_pid(), "CONT");
    wait_for("the focus to work again", || {
        desktop
            .vmux(&["switch", &shown.name])
            .status
            .success()
            .then_some(())
    });
    assert_eq!(desktop.focused(), Some(window));
}

#[test]
#[ignore = "needs a desktop"]
fn a_window_manager_that_comes_late_is_found() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    let window = desktop.window_of(&shown);
    desktop.end_manager();
    wait_for("the loss to show", || {
        (desktop.session(&shown)?["no_window"] == json!("no_wm")).then_some(())
    });
    desktop.start_i3();
    let done = wait_for("a switch", || {
        let done = desktop.vmux(&["switch", &shown.name]);
        done.status.success().then_some(done)
    });
    assert!(done.status.success());
    assert_eq!(desktop.focused(), Some(window));
}

#[test]
#[ignore = "needs a desktop"]
fn labels_survive_a_daemon_that_is_killed() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    assert!(
        desktop
            .vmux(&["label", "here", "payments"])
            .status
            .success()
    );
    let pid = daemon_pid(&desktop);
    signal(pid, "KILL");
    wait_for("its end", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    // The dead socket is no hindrance: the next command starts another daemon.
    wait_for("the label", || {
        (desktop.session(&shown)?["label"] == "payments").then_some(())
    });
    assert_ne!(daemon_pid(&desktop), pid);
}

#[test]
#[ignore = "needs a desktop"]
fn a_killed_session_disappears_at_once() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("here");
    assert_eq!(desktop.sessions().len(), 1);
    signal(shown.pid, "KILL");
    let started = Instant::now();
    wait_for("its row to go", || {
        desktop.sessions().is_empty().then_some(())
    });
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "only the scan found it"
    );
}

#[test]
#[ignore = "needs a desktop"]
fn a_daemon_without_any_display_variables_still_finds_the_window() {
    let desktop = Desktop::new();
    let mut daemon = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    daemon
        .env_remove("DISPLAY")
        .env_remove("XDG_RUNTIME_DIR")
        .args(["daemon", "start"]);
    assert!(daemon.status().unwrap().success());
    let shown = desktop.xterm("here");
    let window = desktop.window_of(&shown);
    desktop.i3("workspace 2");
    let mut switch = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    assert!(
        switch
            .env_remove("DISPLAY")
            .args(["switch", &shown.name])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(desktop.focused(), Some(window));
}

/// The first look of a daemon may come before its cookie can be read.
#[test]
#[ignore = "needs a desktop"]
fn a_cookie_that_comes_late_is_used() {
    let desktop = Desktop::guarded();
    let script = desktop.script("here");
    let mut xterm = desktop.command("xterm");
    // The window manager is found all the same.
    xterm.env("I3SOCK", desktop.socket()).stderr(Stdio::null());
    desktop.spawn(xterm.args(["-e", "sh", "-c", &script]));
    let shown = desktop.adopt("here");
    let away = desktop.path("cookie.away");
    std::fs::rename(desktop.cookie(), &away).unwrap();
    shown.set(json!({}));
    wait_for("the trouble", || {
        (desktop.session(&shown)?["no_window"] == json!("no_wm")).then_some(())
    });
    let done = desktop.vmux(&["switch", &shown.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1));
    assert!(error.contains("could not ask the X server"), "{error}");
    std::fs::rename(&away, desktop.cookie()).unwrap();
    // A person's own move tries again at once, and the list finds it by itself.
    desktop.i3("workspace 2");
    desktop.switch(&shown);
    let window = desktop.window_of(&shown);
    assert_eq!(desktop.focused(), Some(window));
}
