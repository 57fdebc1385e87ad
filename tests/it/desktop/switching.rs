//! `vmux switch` on a real desktop.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::{Desktop, wait_for};

#[test]
#[ignore = "needs a desktop"]
fn a_switch_lands_on_the_window_wherever_it_is() {
    let desktop = Desktop::new();
    let near = desktop.xterm("near");
    let far = desktop.xterm("far");
    let (near_window, far_window) = (desktop.window_of(&near), desktop.window_of(&far));
    desktop.i3(&format!("[id={far_window}] move container to workspace 7"));
    wait_for("the new workspace in the list", || {
        (desktop.session(&far)?["workspace"] == "7").then_some(())
    });
    for (shown, window) in [(&far, far_window), (&near, near_window), (&far, far_window)] {
        desktop.switch(shown);
        // A switch that says it is done is done.
        assert_eq!(desktop.focused(), Some(window), "{}", shown.name);
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_switch_reaches_fullscreen_scratchpad_and_tabs() {
    let desktop = Desktop::new();
    let hidden = desktop.xterm("hidden");
    let hidden_window = desktop.window_of(&hidden);
    desktop.i3(&format!("[id={hidden_window}] move scratchpad"));
    let buried = desktop.xterm("buried");
    let front = desktop.xterm("front");
    let (buried_window, front_window) = (desktop.window_of(&buried), desktop.window_of(&front));
    desktop.i3("layout tabbed");
    desktop.i3(&format!("[id={front_window}] focus, fullscreen enable"));
    wait_for("the scratchpad in the list", || {
        (desktop.session(&hidden)?["workspace"] == "scratchpad").then_some(())
    });
    for (shown, window) in [
        (&buried, buried_window),
        (&hidden, hidden_window),
        (&front, front_window),
    ] {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(window), "{}", shown.name);
    }
}

#[test]
#[ignore = "needs a desktop"]
fn the_one_that_waits_longest_is_one_word_away() {
    let desktop = Desktop::new();
    let [early, late] = ["early", "late"].map(|name| desktop.xterm(name));
    // Longer than any session of another test can wait.
    late.waits(Duration::from_secs(300));
    early.waits(Duration::from_secs(600));
    wait_for("both to wait", || {
        let waiting = desktop
            .sessions()
            .iter()
            .filter(|s| s["state"] == "needs_input")
            .count();
        (waiting == 2).then_some(())
    });
    let window = desktop.window_of(&early);
    desktop.i3("workspace 9");
    // The session one looks at comes last, also among those that wait.
    wait_for("the focus to be elsewhere", || {
        let focused = |s: &serde_json::Value| s["window"]["focused"] == json!(true);
        (!desktop.sessions().iter().any(focused)).then_some(())
    });
    assert!(desktop.vmux(&["switch", "@waiting"]).status.success());
    assert_eq!(desktop.focused(), Some(window));
}

#[test]
#[ignore = "needs a desktop"]
fn an_ambiguous_query_lists_what_fits_and_moves_nothing() {
    let desktop = Desktop::new();
    let web = desktop.xterm("shop-web");
    let api = desktop.xterm("shop-api");
    // One label for both: nothing is nearer than the other.
    for shown in [&web, &api] {
        assert!(
            desktop
                .vmux(&["label", &shown.name, &desktop.unique("shop")])
                .status
                .success()
        );
    }
    let before = desktop.window_of(&api);
    desktop.wait_for_focus(before);
    let done = desktop.vmux(&["switch", &desktop.unique("shop")]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2));
    for shown in [&web, &api] {
        assert!(error.contains(&format!("{}-", shown.pid)), "{error}");
    }
    assert_eq!(desktop.focused(), Some(before));
    assert!(
        desktop
            .vmux(&["switch", "--first", &desktop.unique("shop")])
            .status
            .success()
    );
}

#[test]
#[ignore = "needs a desktop"]
fn without_a_daemon_one_scan_finds_the_window_too() {
    let desktop = Desktop::new();
    let there = desktop.xterm("there");
    let window = desktop.window_of(&there);
    desktop.i3("workspace 4");
    assert!(desktop.vmux(&["daemon", "stop"]).status.success());
    let done = desktop.vmux(&["--no-daemon", "switch", &there.name]);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(desktop.focused(), Some(window));
    assert!(
        !desktop.path("vmux/vmux.sock").exists(),
        "no daemon was started"
    );
}

/// One process, several windows: `urxvtd`. Each child knows its own by `WINDOWID`.
#[test]
#[ignore = "needs a desktop"]
fn windows_of_one_process_are_told_apart_by_their_id() {
    let desktop = Desktop::new();
    let socket = desktop.path("urxvt.sock");
    let mut daemon = desktop.command("urxvtd");
    desktop.spawn(
        daemon
            .env("RXVT_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_for("urxvtd", || {
        let call = std::os::unix::net::UnixStream::connect(&socket);
        call.is_ok().then_some(())
    });
    let shown = ["left", "right"].map(|name| {
        let mut client = desktop.command("urxvtc");
        client
            .env("RXVT_SOCKET", &socket)
            .args(["-e", "sh", "-c", &desktop.script(name)]);
        assert!(client.status().unwrap().success());
        desktop.register(name)
    });
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    assert_ne!(windows[0], windows[1]);
    for (shown, window) in shown.iter().zip(windows) {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(window));
    }
}

/// Two windows of this very test process, and a session that is its child: nothing tells which.
#[test]
#[ignore = "needs a desktop"]
fn what_nothing_tells_apart_is_said_and_not_guessed() {
    use x11rb::connection::Connection as _;
    use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, WindowClass};
    let desktop = Desktop::new();
    let (x, root) = desktop.x();
    for _ in 0..2 {
        let window = x.generate_id().unwrap();
        let aux = CreateWindowAux::new();
        x.create_window(
            0,
            window,
            root,
            0,
            0,
            100,
            100,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &aux,
        )
        .unwrap();
        x.map_window(window).unwrap();
    }
    x.flush().unwrap();
    let script = desktop.script("child");
    desktop.spawn(
        desktop
            .command("sh")
            .args(["-c", &script])
            .stdin(Stdio::null()),
    );
    let child = desktop.register("child");
    let session = wait_for("the trouble", || {
        desktop
            .session(&child)
            .filter(|session| session["no_window"] == json!("ambiguous_window"))
    });
    assert_eq!(session["window"], json!(null));
    let done = desktop.vmux(&["switch", &child.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(
        error.contains("2 windows and nothing tells them apart"),
        "{error}"
    );
}

/// Each terminal in its own way of running a command; LIBGL_ALWAYS_SOFTWARE for those that paint
/// by GPU.
#[test]
#[ignore = "needs a desktop"]
fn the_windows_of_many_terminals_are_found() {
    let desktop = Desktop::new();
    let terminals: [(&str, &[&str]); 5] = [
        ("st", &["st", "-e"]),
        ("urxvt", &["urxvt", "-e"]),
        ("alacritty", &["alacritty", "-e"]),
        ("kitty", &["kitty", "--config", "NONE"]),
        ("lone", &["xterm", "-e"]),
    ];
    let shown = terminals.map(|(name, words)| desktop.terminal(name, words));
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    for (shown, window) in shown.iter().zip(windows) {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(window), "{}", shown.name);
    }
}

/// One process of kitty shows two windows; its children know theirs by `WINDOWID`.
#[test]
#[ignore = "needs a desktop"]
fn windows_of_one_kitty_are_told_apart() {
    let desktop = Desktop::new();
    let kitty = [
        "kitty",
        "-1",
        "--instance-group",
        "vmux",
        "--config",
        "NONE",
    ];
    let shown = ["left", "right"].map(|name| desktop.terminal(name, &kitty));
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    assert_ne!(windows[0], windows[1]);
    for (shown, window) in shown.iter().zip(windows) {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(window), "{}", shown.name);
    }
}
