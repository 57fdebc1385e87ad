//! The way back on a real desktop: from a daemon's first move on, over restarts of the daemon
//! and of i3, from wherever one was.

use std::time::Duration;

use serde_json::Value;

use super::attention::{move_to, ok, plain_window, wait_until};
use super::faults::{daemon_pid, signal};
use super::{Desktop, wait_for};

/// Ends the daemon: the next command starts another one, which knows nothing yet.
fn forget(desktop: &Desktop) {
    ok(desktop, &["daemon", "stop"]);
}

/// The workspace of each X11 window, as i3 calls it.
fn workspace_of(desktop: &Desktop, window: u64) -> Option<String> {
    fn find(node: &Value, window: u64, workspace: &str) -> Option<String> {
        let name = node["name"].as_str().unwrap_or_default();
        let workspace = if node["type"] == "workspace" {
            name
        } else {
            workspace
        };
        if node["window"] == window {
            return Some(workspace.to_owned());
        }
        let children = ["nodes", "floating_nodes"].map(|name| node[name].as_array());
        let mut children = children.into_iter().flatten().flatten();
        children.find_map(|child| find(child, window, workspace))
    }
    let tree = desktop.i3_msg(&["-t", "get_tree"]).stdout;
    find(&serde_json::from_slice(&tree).ok()?, window, "")
}

fn wait_for_workspace(desktop: &Desktop, window: u64, workspace: &str) {
    wait_for(&format!("the window on {workspace}"), || {
        (workspace_of(desktop, window)? == workspace).then_some(())
    });
}

/// Name and output of the workspace that has the focus.
fn focused_workspace(desktop: &Desktop) -> (String, String) {
    let reply = desktop.i3_msg(&["-t", "get_workspaces"]).stdout;
    let all: Vec<Value> = serde_json::from_slice(&reply).unwrap();
    let here = all.iter().find(|w| w["focused"] == true).unwrap();
    let text = |name: &str| here[name].as_str().unwrap().to_owned();
    (text("name"), text("output"))
}

#[test]
#[ignore = "needs a desktop"]
fn the_first_move_of_a_daemon_can_be_undone() {
    let desktop = Desktop::new();
    let far = desktop.xterm("far");
    far.waits(Duration::from_secs(600));
    let window = move_to(&desktop, &far, "7");
    let home = plain_window(&desktop);
    let moves: [&[&str]; 5] = [
        &["switch", &far.name],
        &["next"],
        &["switch", "--summon", &far.name],
        &["--no-daemon", "switch", &far.name],
        &["--no-daemon", "next"],
    ];
    for words in moves {
        forget(&desktop);
        drop(std::fs::remove_file(desktop.path("vmux/back.json")));
        ok(&desktop, words);
        assert_eq!(desktop.focused(), Some(window), "{words:?}");
        ok(&desktop, &["back"]);
        assert_eq!(desktop.focused(), Some(home), "{words:?}");
        assert_eq!(workspace_of(&desktop, window).as_deref(), Some("7"));
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_kept_way_leads_to_no_older_place_than_where_one_just_was() {
    let desktop = Desktop::new();
    let far = desktop.xterm("far");
    let window = move_to(&desktop, &far, "7");
    plain_window(&desktop);
    ok(&desktop, &["switch", &far.name]);
    wait_for("the way back on disk", || {
        desktop.path("vmux/back.json").exists().then_some(())
    });
    desktop.i3("workspace 3");
    let newer = plain_window(&desktop);
    let pid = daemon_pid(&desktop);
    signal(pid, "KILL");
    wait_for("its end", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    ok(&desktop, &["switch", &far.name]);
    assert_eq!(desktop.focused(), Some(window));
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(newer));
}

#[test]
#[ignore = "needs a desktop"]
fn what_was_summoned_goes_home_over_restarts_of_daemon_and_i3() {
    let desktop = Desktop::new();
    let [one, two] = ["one", "two"].map(|name| desktop.xterm(name));
    let windows = [&one, &two].map(|shown| desktop.window_of(shown));
    let names = [r#""5: a \"b\\c\"; d, [e]""#, "6"];
    for (window, name) in windows.iter().zip(names) {
        desktop.i3(&format!("[id={window}] move container to workspace {name}"));
    }
    let homes = windows.map(|window| workspace_of(&desktop, window).unwrap());
    assert_eq!(homes[0], r#"5: a "b\c"; d, [e]"#);
    let home = plain_window(&desktop);
    ok(&desktop, &["switch", "--summon", &one.name]);
    // By hand, and on: that is a new way, and both still have a home.
    desktop.i3(&format!("[id={home}] focus"));
    ok(&desktop, &["switch", "--summon", &two.name]);
    for window in windows {
        assert_eq!(workspace_of(&desktop, window).as_deref(), Some("1"));
    }
    forget(&desktop);
    desktop.i3("restart");
    wait_for("i3", || {
        let done = desktop.i3_msg(&["-t", "get_version"]);
        done.status.success().then_some(())
    });
    ok(&desktop, &["back"]);
    assert_eq!(desktop.focused(), Some(home));
    for (window, home) in windows.into_iter().zip(homes) {
        wait_for_workspace(&desktop, window, &home);
    }
}

#[test]
#[ignore = "needs a desktop"]
fn what_was_moved_on_by_hand_stays_there() {
    let desktop = Desktop::new();
    let far = desktop.xterm("far");
    let window = move_to(&desktop, &far, "5");
    let home = plain_window(&desktop);
    ok(&desktop, &["switch", "--summon", &far.name]);
    desktop.i3(&format!("[id={window}] move container to workspace 9"));
    let back = desktop.vmux(&["back"]);
    let said = String::from_utf8_lossy(&back.stderr).into_owned();
    assert!(said.contains("you are where you came from"), "{said}");
    assert_eq!(desktop.focused(), Some(home));
    assert_eq!(workspace_of(&desktop, window).as_deref(), Some("9"));
}

#[test]
#[ignore = "needs a desktop"]
fn the_way_back_leads_to_whatever_had_the_focus() {
    let desktop = Desktop::with_config("fake-outputs 640x800+0+0,640x800+640+0");
    let far = desktop.xterm("far");
    let window = move_to(&desktop, &far, "7");
    let there_and_back = || {
        forget(&desktop);
        ok(&desktop, &["switch", &far.name]);
        assert_eq!(desktop.focused(), Some(window));
        ok(&desktop, &["back"]);
    };
    // A window that floats, from the scratchpad; one that fills the screen.
    let home = plain_window(&desktop);
    for dress in [
        "move scratchpad, scratchpad show",
        "floating disable, fullscreen enable",
    ] {
        desktop.i3(&format!("[id={home}] focus, {dress}"));
        there_and_back();
        assert_eq!(desktop.focused(), Some(home), "{dress}");
    }
    desktop.i3("fullscreen disable");
    // An empty workspace on another output; it is gone meanwhile, and made again there.
    desktop.i3("focus output fake-1");
    desktop.i3("workspace \"an \\\"empty\\\" one\"");
    let empty = focused_workspace(&desktop);
    assert_eq!(empty.1, "fake-1");
    there_and_back();
    assert_eq!(focused_workspace(&desktop), empty);
    forget(&desktop);
    ok(&desktop, &["switch", &far.name]);
    desktop.i3("focus output fake-1");
    desktop.i3("workspace elsewhere");
    desktop.i3(&format!("[id={window}] focus"));
    ok(&desktop, &["back"]);
    assert_eq!(focused_workspace(&desktop), empty);
}

#[test]
#[ignore = "needs a desktop"]
fn a_window_that_was_closed_is_missed_and_no_other_is_taken_for_it() {
    let desktop = Desktop::new();
    let far = desktop.xterm("far");
    let window = move_to(&desktop, &far, "7");
    desktop.i3("workspace 3");
    // X gives the id of a closed window to the next one that is opened.
    let mut same_id = 0;
    for _ in 0..4 {
        desktop.i3("workspace 3");
        let home = plain_window(&desktop);
        ok(&desktop, &["switch", &far.name]);
        assert_eq!(desktop.focused(), Some(window));
        desktop.i3(&format!("[id={home}] kill"));
        wait_for("its end", || {
            workspace_of(&desktop, home).is_none().then_some(())
        });
        desktop.i3("workspace 4");
        let stranger = plain_window(&desktop);
        same_id += usize::from(stranger == home);
        desktop.i3(&format!("[id={window}] focus"));
        ok(&desktop, &["back"]);
        assert_eq!(focused_workspace(&desktop).0, "3");
        desktop.i3(&format!("[id={stranger}] kill"));
        wait_for("its end", || {
            workspace_of(&desktop, stranger).is_none().then_some(())
        });
    }
    assert!(same_id > 0, "no id was used again: this shows nothing");
    wait_until(&desktop, &far, "still there", |s| s["workspace"] == "7");
}

/// A menu that closes gives the focus to the window below the pointer: nobody was there before.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_a_menu_leads_back_to_where_it_was_opened() {
    let desktop = Desktop::new();
    let far = desktop.xterm("far");
    let window = move_to(&desktop, &far, "7");
    let home = plain_window(&desktop);
    plain_window(&desktop);
    for (launcher, y) in [("rofi", "200"), ("dmenu", "5")] {
        for _ in 0..5 {
            // In the right half, where the menu opens: over the other window.
            desktop.xdotool(&["mousemove", "700", y]);
            forget(&desktop);
            desktop.i3(&format!("[id={home}] focus"));
            desktop.wait_for_focus(home);
            if launcher == "rofi" {
                super::rofi::open(&desktop);
            } else {
                let mut menu = desktop.command(env!("CARGO_BIN_EXE_vmux"));
                menu.args(["dmenu", "--launcher", launcher]);
                desktop.spawn(menu.stderr(std::process::Stdio::null()));
                super::menus::wait_open(&desktop, launcher);
            }
            desktop.xdotool(&["type", "--delay", "1", &far.name]);
            desktop.xdotool(&["key", "Return"]);
            desktop.wait_for_focus(window);
            ok(&desktop, &["back"]);
            assert_eq!(desktop.focused(), Some(home), "{launcher}");
        }
    }
}
