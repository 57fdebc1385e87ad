//! Hosted sessions and windows.

use serde_json::Value;

use crate::kit::{Desktop, wait_for};

/// Where none shows it a terminal is opened, on the desktop of who asks; where one does, that one
/// gets the focus.
#[test]
#[ignore = "needs Xvfb, i3 and xterm: scripts/test runs it"]
fn a_switch_opens_a_terminal_or_goes_to_the_one_there_is() {
    let desktop = Desktop::new();
    desktop.set("TERMINAL", "xterm");
    let script = desktop.script("kept");
    let done = desktop.vmux(&[
        "start", "--json", "--name", "kept", "--", "sh", "-c", &script,
    ]);
    assert!(done.status.success(), "{done:?}");
    let info: Value = serde_json::from_slice(&done.stdout).unwrap();
    let kept = desktop.register("kept");
    let session = || desktop.session(&kept).unwrap_or_default();
    wait_for("its host", || {
        (session()["host"]["kind"] == "vmux").then_some(())
    });
    assert_eq!(session()["host"]["target"], info["id"]);
    desktop.switch(&kept);
    let window = wait_for("a window of its own", || {
        session()["window"]["xid"].as_u64()
    });
    desktop.wait_for_focus(window);
    let other = desktop.xterm("other");
    desktop.switch(&other);
    desktop.wait_for_focus(desktop.window_of(&other));
    desktop.switch(&kept);
    desktop.wait_for_focus(window);
    let left = desktop.vmux(&["detach", "kept"]);
    assert!(left.status.success(), "{left:?}");
    wait_for("no window", || session()["window"].is_null().then_some(()));
    let done = desktop.vmux(&["end", "--yes", "kept"]);
    assert!(done.status.success(), "{done:?}");
}

/// The terminal of a hosted session is opened where its user wants it; from then on where it was last,
/// also by the next daemon. The way back leads to where the user was.
#[test]
#[ignore = "needs Xvfb, i3 and xterm: scripts/test runs it"]
fn its_terminal_is_opened_on_the_workspace_where_it_was() {
    let desktop = Desktop::new();
    desktop.set("TERMINAL", "xterm");
    let script = desktop.script("kept");
    let words = [
        "start",
        "--name",
        "kept",
        "--workspace",
        "7",
        "--",
        "sh",
        "-c",
    ];
    let done = desktop.vmux(&[&words[..], &[&script]].concat());
    assert!(done.status.success(), "{done:?}");
    let kept = desktop.register("kept");
    let session = || desktop.session(&kept).unwrap_or_default();
    let on = |workspace: &str| {
        wait_for(workspace, || {
            (session()["workspace"] == workspace).then_some(())
        });
    };
    let other = desktop.xterm("other");
    desktop.switch(&other);
    let origin = desktop.window_of(&other);
    desktop.wait_for_focus(origin);
    wait_for("its host", || {
        (session()["host"]["kind"] == "vmux").then_some(())
    });
    desktop.switch(&kept);
    on("7");
    desktop.vmux(&["back"]);
    desktop.wait_for_focus(origin);
    let roll = desktop.path("vmux/sessions.json");
    let window = session()["window"]["con_id"].as_u64().unwrap();
    desktop.i3(&format!("[con_id={window}] move container to workspace 4"));
    on("4");
    let left = desktop.vmux(&["detach", "kept"]);
    assert!(left.status.success(), "{left:?}");
    wait_for("no window", || session()["window"].is_null().then_some(()));
    wait_for("a note of it", || {
        let text = std::fs::read_to_string(&roll).ok()?;
        text.contains(r#""workspace":"4""#).then_some(())
    });
    let done = desktop.vmux(&["daemon", "restart"]);
    assert!(done.status.success(), "{done:?}");
    wait_for("its host", || {
        (session()["host"]["kind"] == "vmux").then_some(())
    });
    desktop.switch(&kept);
    on("4");
    let done = desktop.vmux(&["end", "--yes", "kept"]);
    assert!(done.status.success(), "{done:?}");
}
