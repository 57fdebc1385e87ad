//! What waits, what is done, and the walk through both on a real desktop.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use super::faults::{daemon_pid, signal};
use super::{Desktop, Shown, wait_for};

/// A window that is no session; it has the focus.
pub(super) fn plain_window(desktop: &Desktop) -> u64 {
    let before = desktop.focused();
    let mut xterm = desktop.command("xterm");
    xterm.args(["-e", "sleep", "3600"]).stderr(Stdio::null());
    desktop.spawn(&mut xterm);
    wait_for("a window that is no session", || {
        desktop.focused().filter(|window| Some(*window) != before)
    })
}

pub(super) fn wait_until(
    desktop: &Desktop,
    shown: &Shown,
    what: &str,
    test: impl Fn(&Value) -> bool,
) {
    wait_for(&format!("{}: {what}", shown.name), || {
        desktop.session(shown).filter(|session| test(session))
    });
}

/// A turn of the session ends while its user looks at something else.
pub(super) fn finish(desktop: &Desktop, shown: &Shown) {
    shown.set(json!({"status": "busy"}));
    wait_until(desktop, shown, "working", |s| s["state"] == "working");
    shown.set(json!({"status": "idle"}));
    wait_until(desktop, shown, "idle", |s| s["state"] == "idle");
}

pub(super) fn move_to(desktop: &Desktop, shown: &Shown, workspace: &str) -> u64 {
    let window = desktop.window_of(shown);
    desktop.i3(&format!(
        "[id={window}] move container to workspace {workspace}"
    ));
    wait_until(desktop, shown, "moved", |s| s["workspace"] == workspace);
    window
}

pub(super) fn ok(desktop: &Desktop, words: &[&str]) -> String {
    let done = desktop.vmux(words);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "vmux {words:?}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
#[ignore = "needs a desktop"]
fn next_walks_through_what_needs_its_user_and_back_returns() {
    let desktop = Desktop::new();
    let [late, early, done, busy] = ["late", "early", "done", "busy"].map(|n| desktop.xterm(n));
    let late_window = move_to(&desktop, &late, "5");
    let early_window = move_to(&desktop, &early, "7");
    let done_window = move_to(&desktop, &done, "5");
    let home = plain_window(&desktop);
    late.waits(Duration::from_secs(300));
    early.waits(Duration::from_secs(600));
    busy.set(json!({"status": "busy"}));
    finish(&desktop, &done);
    wait_until(&desktop, &done, "unseen", |s| s["unseen"] == true);
    wait_until(&desktop, &late, "waiting", |s| s["state"] == "needs_input");
    wait_until(&desktop, &early, "waiting", |s| s["state"] == "needs_input");
    let said = ok(&desktop, &["next", "--dry-run"]);
    assert!(
        said.contains(&early.name) && said.contains("workspace 7"),
        "{said}"
    );
    assert_eq!(desktop.focused(), Some(home), "a dry run moves nothing");
    for window in [early_window, late_window, done_window, early_window] {
        ok(&desktop, &["next"]);
        assert_eq!(desktop.focused(), Some(window));
    }
    let said = ok(&desktop, &["back", "--dry-run"]);
    assert!(said.contains("workspace 1"), "{said}");
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(home));
    ok(&desktop, &["back"]);
    assert_eq!(
        desktop.focused(),
        Some(early_window),
        "and back where one was"
    );
    // Who went back begins anew from there.
    ok(&desktop, &["switch", &late.name]);
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(early_window));
}

#[test]
#[ignore = "needs a desktop"]
fn nothing_that_waits_is_said_and_moves_nothing() {
    let desktop = Desktop::new();
    let idle = desktop.xterm("idle");
    desktop.window_of(&idle);
    let home = plain_window(&desktop);
    let done = desktop.vmux(&["next"]);
    assert_eq!(done.status.code(), Some(1));
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(error, "vmux: no other session needs you\n");
    let done = desktop.vmux(&["back"]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(error.contains("there is nowhere to go back to"), "{error}");
    assert_eq!(desktop.focused(), Some(home));
}

#[test]
#[ignore = "needs a desktop"]
fn what_is_done_is_seen_once_its_window_has_the_focus_by_whatever_route() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("shown");
    let window = desktop.window_of(&shown);
    desktop.wait_for_focus(window);
    wait_until(&desktop, &shown, "in view", |s| {
        s["window"]["focused"] == true
    });
    finish(&desktop, &shown);
    desktop.i3("workspace 4");
    wait_until(&desktop, &shown, "out of view", |s| {
        s["window"]["focused"] != true
    });
    // It may have been too short a look; whatever it is now, the next end is unseen.
    finish(&desktop, &shown);
    wait_until(&desktop, &shown, "unseen", |s| s["unseen"] == true);
    let listed = ok(&desktop, &["list"]);
    assert!(listed.contains("done "), "{listed}");
    desktop.i3(&format!("[id={window}] focus"));
    wait_until(&desktop, &shown, "seen", |s| s["unseen"] != true);
}

#[test]
#[ignore = "needs a desktop"]
fn what_was_said_of_a_session_outlives_a_killed_daemon() {
    let desktop = Desktop::new();
    let [quiet, kept, done] = ["quiet", "kept", "done"].map(|name| desktop.xterm(name));
    desktop.window_of(&done);
    let home = plain_window(&desktop);
    quiet.waits(Duration::from_secs(600));
    wait_until(&desktop, &quiet, "waiting", |s| s["state"] == "needs_input");
    finish(&desktop, &done);
    wait_until(&desktop, &done, "unseen", |s| s["unseen"] == true);
    let said = ok(&desktop, &["snooze", &quiet.name, "1h 30m"]);
    assert!(said.contains("snoozed for 1h 30m"), "{said}");
    ok(&desktop, &["pin", &kept.name]);
    ok(&desktop, &["switch", &kept.name]);
    // It is written after the answer.
    wait_for("the way back on disk", || {
        desktop.path("vmux/back.json").exists().then_some(())
    });
    signal(daemon_pid(&desktop), "KILL");
    wait_until(&desktop, &quiet, "still snoozed", |s| {
        s["snoozed_until"].is_string()
    });
    wait_until(&desktop, &kept, "still pinned", |s| s["pinned"] == true);
    wait_until(&desktop, &done, "still unseen", |s| s["unseen"] == true);
    let said = ok(&desktop, &["next", "--dry-run"]);
    assert!(
        said.contains(&done.name),
        "what is snoozed does not call: {said}"
    );
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(home), "the way back is known too");
    ok(&desktop, &["snooze", &quiet.name, "off"]);
    let said = ok(&desktop, &["next", "--dry-run"]);
    assert!(said.contains(&quiet.name), "{said}");
}

#[test]
#[ignore = "needs a desktop"]
fn a_summoned_window_comes_here_and_goes_home_across_outputs() {
    let desktop = Desktop::with_config("fake-outputs 640x800+0+0,640x800+640+0");
    let far = desktop.xterm("far");
    let window = desktop.window_of(&far);
    desktop.i3("focus output fake-1");
    // A name that a tidy reader would change.
    desktop.i3("workspace \"8:  far\"");
    desktop.i3(&format!(
        "[id={window}] move container to workspace \"8:  far\""
    ));
    desktop.i3("focus output fake-0");
    desktop.i3("workspace 1");
    let home = plain_window(&desktop);
    let at = |workspace: &str, output: &str| {
        wait_until(&desktop, &far, "its place", |s| {
            s["workspace"] == workspace && s["window"]["output"] == output
        });
    };
    at("8: far", "fake-1");
    ok(&desktop, &["switch", "--summon", &far.name]);
    assert_eq!(desktop.focused(), Some(window));
    at("1", "fake-0");
    // Its workspace was emptied and is gone; it comes back where it was.
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(home));
    at("8: far", "fake-1");
    let reply = desktop.i3_msg(&["-t", "get_workspaces"]).stdout;
    let names = String::from_utf8_lossy(&reply).into_owned();
    assert!(names.contains("\"8:  far\""), "{names}");
}

#[test]
#[ignore = "needs a desktop"]
fn a_window_summoned_from_the_scratchpad_goes_back_there() {
    let desktop = Desktop::new();
    let hidden = desktop.xterm("hidden");
    let window = desktop.window_of(&hidden);
    desktop.i3(&format!("[id={window}] move scratchpad"));
    wait_until(&desktop, &hidden, "hidden", |s| {
        s["workspace"] == "scratchpad"
    });
    let home = plain_window(&desktop);
    ok(&desktop, &["switch", "--summon", &hidden.name]);
    assert_eq!(desktop.focused(), Some(window));
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(home));
    wait_until(&desktop, &hidden, "hidden again", |s| {
        s["workspace"] == "scratchpad"
    });
}
