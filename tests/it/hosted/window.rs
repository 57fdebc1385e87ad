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
