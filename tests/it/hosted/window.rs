//! Hosted sessions and windows.

use serde_json::Value;

use crate::kit::home::{Home, VMUX};
use crate::kit::manager::Manager;
use crate::kit::process::run;
use crate::kit::{Desktop, Shown, Sway, wait_for};

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
    // One that ends at once. It is the client's that counts, whatever the daemon was started with.
    desktop.set("TERMINAL", "true");
    let refused = desktop.vmux(&["switch", "kept"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("a terminal was opened, and none shows"),
        "{said}"
    );
    desktop.set("TERMINAL", "xterm");
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

/// A session that vmux keeps, and what is said of it.
struct Kept<'h> {
    home: &'h Home,
    shown: Shown,
}

impl<'h> Kept<'h> {
    /// One that was just started on a desktop of this home.
    fn of(home: &'h Home) -> Self {
        let shown = home.register("kept");
        let kept = Self { home, shown };
        kept.has_host();
        kept
    }

    fn told(&self) -> Value {
        self.home.session(&self.shown).unwrap_or_default()
    }

    fn has_host(&self) {
        wait_for("its host", || {
            (self.told()["host"]["kind"] == "vmux").then_some(())
        });
    }

    /// Waits until its terminal is on a workspace that is called so.
    fn is_on(&self, workspace: &str) {
        wait_for(workspace, || {
            (self.told()["workspace"] == workspace).then_some(())
        });
    }

    /// Its terminal is left; another daemon knows where that was.
    fn is_left_on(&self, workspace: &str) {
        self.is_on(workspace);
        let done = self.home.vmux(&["detach", "kept"]);
        assert!(done.status.success(), "{done:?}");
        wait_for("no window", || {
            self.told()["window"].is_null().then_some(())
        });
        let roll = self.home.path("vmux/sessions.json");
        wait_for("a note of it", || {
            let text = std::fs::read_to_string(&roll).ok()?;
            text.contains(&format!("\"workspace\":{workspace:?}"))
                .then_some(())
        });
        let done = self.home.vmux(&["daemon", "restart"]);
        assert!(done.status.success(), "{done:?}");
        self.has_host();
    }
}

/// The words that start one, wanted on a workspace.
fn start<'w>(workspace: &'w str, script: &'w str) -> [&'w str; 9] {
    let [start, name, on, run] = ["start", "kept", "--workspace", "--"];
    [
        start, "--name", name, on, workspace, run, "sh", "-c", script,
    ]
}

/// The same where desktops are in a row and stay: the window was moved, and who asks is elsewhere.
fn opens_where_it_was(manager: &str) {
    let desktop = Desktop::under(&Manager::named(manager));
    desktop.xdotool(&["set_num_desktops", "2"]);
    desktop.set("TERMINAL", "xterm");
    let other = desktop.xterm("other");
    desktop.switch(&other);
    let first = wait_for("the workspace of the other", || {
        let session = desktop.session(&other)?;
        session["workspace"].as_str().map(str::to_owned)
    });
    let done = desktop.vmux(&start("2", &desktop.script("kept")));
    assert!(done.status.success(), "{done:?}");
    let kept = Kept::of(&desktop);
    // It has its directory once it is no longer the shell that it began as.
    wait_for("its directory", || {
        let found = desktop.vmux(&["switch", "--dry-run", &kept.shown.name]);
        found.status.success().then_some(())
    });
    desktop.switch(&kept.shown);
    let window = wait_for("a window", || kept.told()["window"]["xid"].as_u64());
    wait_for("the second desktop", || {
        let there = kept.told()["workspace"].as_str()?.to_owned();
        (there != first && kept.told()["window"]["focused"] == true).then_some(())
    });
    let back = desktop.vmux(&["back"]);
    assert!(back.status.success(), "{back:?}");
    wait_for("the other to have the focus", || {
        (desktop.session(&other)?["window"]["focused"] == true).then_some(())
    });
    desktop.xdotool(&["set_desktop_for_window", &window.to_string(), "0"]);
    kept.is_on(&first);
    desktop.xdotool(&["set_desktop", "1"]);
    kept.is_left_on(&first);
    desktop.switch(&kept.shown);
    kept.is_on(&first);
    wait_for("its focus", || {
        (kept.told()["window"]["focused"] == true).then_some(())
    });
    let done = desktop.vmux(&["end", "--yes", "kept"]);
    assert!(done.status.success(), "{done:?}");
}

#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_openbox() {
    opens_where_it_was("openbox");
}

#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_xfwm4() {
    opens_where_it_was("xfwm4");
}

#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_kwin_x11() {
    opens_where_it_was("kwin_x11");
}

#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_awesome() {
    opens_where_it_was("awesome");
}

#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_herbstluftwm() {
    opens_where_it_was("herbstluftwm");
}

/// The same in sway, where an empty workspace is gone.
#[test]
#[ignore = "needs a desktop"]
fn its_terminal_is_opened_where_it_was_under_sway() {
    let sway = Sway::new();
    let vmux = |words: &[&str]| {
        let done = run(sway.client(VMUX).args(words).env("TERMINAL", "foot"));
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    let other = sway.foot("other");
    sway.window_of(&other);
    vmux(&start("7", &sway.script("kept")));
    let kept = Kept::of(&sway);
    vmux(&["switch", "kept"]);
    kept.is_on("7");
    vmux(&["back"]);
    wait_for("the other to have the focus", || {
        (sway.session(&other)?["window"]["focused"] == true).then_some(())
    });
    let window = sway.window_of(&kept.shown);
    sway.swaymsg(&[&format!("[con_id={window}] move container to workspace 4")]);
    kept.is_left_on("4");
    vmux(&["switch", "kept"]);
    kept.is_on("4");
    wait_for("its focus", || {
        (kept.told()["window"]["focused"] == true).then_some(())
    });
    vmux(&["end", "--yes", "kept"]);
}
