//! dmenu and its kin on a real desktop.

use std::process::Stdio;

use super::{Desktop, wait_for};

pub(super) fn wait_open(desktop: &Desktop, class: &str) {
    wait_for("the menu's window", || {
        let mut search = desktop.command("xdotool");
        let found = search
            .args(["search", "--onlyvisible", "--class", class])
            .output()
            .unwrap();
        (!found.stdout.is_empty()).then_some(())
    });
}

#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_dmenu_lands_and_stays() {
    let desktop = Desktop::new();
    let shown = ["alpha", "beta"].map(|name| desktop.xterm(name));
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    desktop.xdotool(&["mousemove", "900", "100"]);
    desktop.wait_for_focus(windows[1]);
    let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    desktop.spawn(
        command
            .args(["dmenu", "--", "-fn", "monospace"])
            .stderr(Stdio::null()),
    );
    wait_open(&desktop, "dmenu");
    desktop.xdotool(&["type", "--delay", "1", &shown[0].name]);
    desktop.xdotool(&["key", "Return"]);
    desktop.assert_focus_stays(windows[0]);
}

#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_rofis_dmenu_mode_lands_and_escape_is_silent() {
    let desktop = Desktop::new();
    let shown = ["alpha", "beta"].map(|name| desktop.xterm(name));
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    desktop.wait_for_focus(windows[1]);
    let start = || {
        let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
        command
            .args(["dmenu", "--launcher", "rofi"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let cancelled = start();
    wait_open(&desktop, "rofi");
    desktop.xdotool(&["key", "Escape"]);
    let done = cancelled.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(!String::from_utf8_lossy(&done.stderr).contains("vmux:"));
    let chosen = start();
    wait_open(&desktop, "rofi");
    desktop.xdotool(&["type", "--delay", "1", &shown[0].name]);
    desktop.xdotool(&["key", "Return"]);
    assert!(chosen.wait_with_output().unwrap().status.success());
    desktop.assert_focus_stays(windows[0]);
}

/// Whether the program in a terminal window has taken over its line editing.
#[cfg(feature = "pick")]
fn reads_keys(terminal: u32) -> Option<()> {
    use rustix::termios::{LocalModes, tcgetattr};
    let children = format!("/proc/{terminal}/task/{terminal}/children");
    let children = std::fs::read_to_string(children).ok()?;
    let program = children.split_whitespace().next()?;
    let screen = std::fs::File::open(format!("/proc/{program}/fd/0")).ok()?;
    let modes = tcgetattr(screen).ok()?.local_modes;
    (!modes.contains(LocalModes::ICANON)).then_some(())
}

/// The picker focuses while its own window is still there. When that closes, tiled or floating
/// under the pointer, the focus must not go anywhere else.
#[cfg(feature = "pick")]
#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_the_terminal_lands_and_stays() {
    for place in ["floating disable", "floating enable"] {
        let desktop = Desktop::with_config(&format!("for_window [class=\"^picker$\"] {place}"));
        let shown = ["alpha", "beta", "gamma"].map(|name| desktop.xterm(name));
        let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
        desktop.wait_for_focus(windows[2]);
        desktop.xdotool(&["mousemove", "640", "360"]);
        let mut command = desktop.command("xterm");
        command.args(["-class", "picker", "-e", env!("CARGO_BIN_EXE_vmux"), "pick"]);
        let picker = desktop.spawn(&mut command);
        wait_open(&desktop, "picker");
        wait_for("the picker's focus", || {
            let focused = desktop.focused()?;
            (!windows.contains(&focused)).then_some(())
        });
        // A Return that comes before that would be read as Ctrl+J.
        wait_for("the picker's raw terminal", || reads_keys(picker));
        desktop.xdotool(&["type", "--delay", "1", &shown[0].name]);
        desktop.xdotool(&["key", "Return"]);
        wait_for("the picker's end", || {
            let stat = std::fs::read_to_string(format!("/proc/{picker}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
        desktop.assert_focus_stays(windows[0]);
    }
}

/// bemenu gives its row back as text, and takes the keyboard as dmenu does.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_in_bemenu_lands() {
    let desktop = Desktop::new();
    let shown = ["alpha", "beta"].map(|name| desktop.xterm(name));
    let windows = shown.each_ref().map(|shown| desktop.window_of(shown));
    desktop.wait_for_focus(windows[1]);
    let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    desktop.spawn(
        command
            .args(["dmenu", "--launcher", "bemenu"])
            .stderr(Stdio::null()),
    );
    wait_open(&desktop, "bemenu");
    desktop.xdotool(&["type", "--delay", "1", &shown[0].name]);
    desktop.xdotool(&["key", "Return"]);
    desktop.assert_focus_stays(windows[0]);
}

/// On a desktop without rofi the one key still opens something.
#[test]
#[ignore = "needs a desktop"]
fn menu_takes_what_is_installed() {
    let desktop = Desktop::new();
    let alpha = desktop.xterm("alpha");
    let window = desktop.window_of(&alpha);
    desktop.i3("workspace 8");
    std::os::unix::fs::symlink("/usr/bin/dmenu", desktop.path("bin/dmenu")).unwrap();
    let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    command.env("PATH", desktop.path("bin"));
    desktop.spawn(command.arg("menu").stderr(Stdio::null()));
    wait_open(&desktop, "dmenu");
    desktop.xdotool(&["type", "--delay", "1", &alpha.name]);
    desktop.xdotool(&["key", "Return"]);
    desktop.assert_focus_stays(window);
}
