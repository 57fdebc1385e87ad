//! rofi's script mode on a real desktop, with i3's default `focus_follows_mouse`.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::bars::keep_shot;
use super::{Desktop, Shown, wait_for};

/// rofi's window, if it shows one.
fn window(desktop: &Desktop) -> Option<String> {
    let mut search = desktop.command("xdotool");
    let found = search
        .args(["search", "--onlyvisible", "--class", "rofi"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&found.stdout)
        .lines()
        .next()
        .map(str::to_owned)
}

/// Opens rofi by `vmux menu` and waits until it can take keys.
pub(super) fn open(desktop: &Desktop) {
    let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    desktop.spawn(
        command
            .args(["menu", "--launcher", "rofi"])
            .stderr(Stdio::null()),
    );
    wait_for("rofi's window", || window(desktop));
}

pub(super) fn wait_closed(desktop: &Desktop) {
    wait_for("rofi to close", || window(desktop).is_none().then_some(()));
}

/// Whether rofi closes within moments. A click that comes after it would hit what is below.
fn closes(desktop: &Desktop) -> bool {
    let until = std::time::Instant::now() + Duration::from_millis(300);
    while std::time::Instant::now() < until {
        if window(desktop).is_none() {
            return true;
        }
    }
    false
}

/// Narrows rofi's list to one session.
fn narrow(desktop: &Desktop, shown: &Shown) {
    desktop.xdotool(&["type", "--delay", "1", &shown.name]);
}

/// Two sessions on one workspace; the second has the focus.
fn two(desktop: &Desktop) -> [(Shown, u64); 2] {
    ["alpha", "beta"].map(|name| {
        let shown = desktop.xterm(name);
        let window = desktop.window_of(&shown);
        (shown, window)
    })
}

/// The hard one: the pointer rests where rofi opens, so that its closing gives the window below
/// an EnterNotify. Whoever focuses while rofi is still there loses here.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_by_key_lands_under_a_resting_pointer() {
    let desktop = Desktop::new();
    let [(alpha, alpha_window), (_, beta_window)] = two(&desktop);
    // beta is on the right, where the pointer is put: below rofi's window.
    desktop.xdotool(&["mousemove", "700", "200"]);
    for _ in 0..5 {
        desktop.i3(&format!("[id={beta_window}] focus"));
        desktop.wait_for_focus(beta_window);
        open(&desktop);
        narrow(&desktop, &alpha);
        desktop.xdotool(&["key", "Return"]);
        desktop.assert_focus_stays(alpha_window);
    }
}

#[test]
#[ignore = "needs a desktop"]
fn the_session_that_has_the_focus_comes_last() {
    let desktop = Desktop::new();
    let [(_, alpha), (_, beta)] = two(&desktop);
    for (focused, other) in [(alpha, beta), (beta, alpha)] {
        desktop.i3(&format!("[id={focused}] focus"));
        wait_for("the order to follow the focus", || {
            let order: Vec<_> = desktop
                .sessions()
                .iter()
                .map(|s| s["window"]["xid"].clone())
                .collect();
            (order == [json!(other), json!(focused)]).then_some(())
        });
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_choice_by_mouse_lands_and_stays() {
    let desktop = Desktop::new();
    let [(alpha, alpha_window), (_, beta_window)] = two(&desktop);
    desktop.wait_for_focus(beta_window);
    open(&desktop);
    narrow(&desktop, &alpha);
    let mut search = desktop.command("xdotool");
    let geometry = search
        .args([
            "search",
            "--onlyvisible",
            "--class",
            "rofi",
            "getwindowgeometry",
            "--shell",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&geometry.stdout).into_owned();
    let number = |name: &str| -> i32 {
        text.lines()
            .find_map(|l| l.strip_prefix(name))
            .and_then(|n| n.parse().ok())
            .unwrap()
    };
    // Walks down the window until a click on the row closes it: themes differ in where it is.
    let (x, top, height) = (
        number("X=") + number("WIDTH=") / 2,
        number("Y="),
        number("HEIGHT="),
    );
    for y in (top + 20..top + height).step_by(12) {
        // rofi takes a row on a double click.
        let (x, y) = (x.to_string(), y.to_string());
        desktop.xdotool(&[
            "mousemove",
            &x,
            &y,
            "click",
            "--repeat",
            "2",
            "--delay",
            "20",
            "1",
        ]);
        if closes(&desktop) {
            break;
        }
    }
    desktop.assert_focus_stays(alpha_window);
}

#[test]
#[ignore = "needs a desktop"]
fn a_choice_on_another_workspace_lands_there() {
    let desktop = Desktop::new();
    let [(alpha, alpha_window), _] = two(&desktop);
    desktop.i3(&format!(
        "[id={alpha_window}] move container to workspace 6"
    ));
    desktop.i3("workspace 3");
    open(&desktop);
    narrow(&desktop, &alpha);
    desktop.xdotool(&["key", "Return"]);
    desktop.assert_focus_stays(alpha_window);
}

#[test]
#[ignore = "needs a desktop"]
fn a_label_is_asked_for_in_a_second_rofi_with_the_old_one_filled_in() {
    let desktop = Desktop::new();
    let [(alpha, _), _] = two(&desktop);
    let old = desktop.unique("pay");
    assert!(desktop.vmux(&["label", &alpha.name, &old]).status.success());
    open(&desktop);
    desktop.xdotool(&["type", "--delay", "1", &old]);
    desktop.xdotool(&["key", "alt+1"]);
    wait_for("the second rofi", || prompt_runs(&desktop).then_some(()));
    wait_for("its window", || window(&desktop));
    desktop.xdotool(&["type", "--delay", "1", "ments"]);
    desktop.xdotool(&["key", "Return"]);
    let new = format!("{old}ments");
    wait_for("the label", || {
        (desktop.session(&alpha)?["label"] == json!(new)).then_some(())
    });
}

/// Whether the daemon of this desktop runs its prompt.
fn prompt_runs(desktop: &Desktop) -> bool {
    let ours = desktop.path("home");
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let has = |text: Vec<u8>, what: &str| String::from_utf8_lossy(&text).contains(what);
        has(read("cmdline"), "-p\0label\0") && has(read("environ"), ours.to_str().unwrap())
    })
}

#[test]
#[ignore = "needs a desktop"]
fn ending_a_session_is_asked_and_no_is_the_default() {
    let desktop = Desktop::new();
    let [(alpha, _), (beta, _)] = two(&desktop);
    open(&desktop);
    narrow(&desktop, &alpha);
    desktop.xdotool(&["key", "alt+3"]);
    desktop.xdotool(&["key", "Return"]);
    desktop.xdotool(&["key", "Escape"]);
    wait_closed(&desktop);
    assert!(alpha.is_alive(), "Enter on the question is no");
    open(&desktop);
    narrow(&desktop, &alpha);
    desktop.xdotool(&["key", "alt+3"]);
    desktop.xdotool(&["key", "Down"]);
    desktop.xdotool(&["key", "Return"]);
    wait_for("alpha to end", || (!alpha.is_alive()).then_some(()));
    wait_for("its row to go", || {
        desktop.session(&alpha).is_none().then_some(())
    });
    assert!(beta.is_alive());
    desktop.xdotool(&["key", "Escape"]);
    wait_closed(&desktop);
}

/// The hook of a session that asks, as Claude Code runs it.
fn asking(desktop: &Desktop, shown: &Shown, command: &str) -> std::process::Child {
    shown.waits(Duration::from_secs(600));
    let payload = json!({"session_id": format!("s-{}", shown.pid), "tool_name": "Bash",
        "tool_input": {"command": command, "description": "Clean up"}});
    let mut hook = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    hook.args(["hook", "Answer"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut hook = hook.spawn().unwrap();
    let mut input = hook.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, payload.to_string().as_bytes()).unwrap();
    wait_for("the request", || {
        desktop.session(shown)?["answerable"].as_u64()
    });
    hook
}

#[test]
#[ignore = "needs a desktop"]
fn a_request_is_answered_in_rofi_and_not_by_the_first_row() {
    let desktop = Desktop::new();
    let [(alpha, _), (_, beta_window)] = two(&desktop);
    let mut hook = asking(&desktop, &alpha, "rm -r build && make install");
    for keys in [&["Return"][..], &["Down", "Return"]] {
        open(&desktop);
        narrow(&desktop, &alpha);
        desktop.xdotool(&["key", "alt+5"]);
        assert!(hook.try_wait().unwrap().is_none(), "nothing was answered");
        keys.iter().for_each(|key| desktop.xdotool(&["key", key]));
        desktop.xdotool(&["key", "Escape"]);
        wait_closed(&desktop);
    }
    wait_for("the hook's end", || hook.try_wait().unwrap());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut hook.stdout.take().unwrap(), &mut said).unwrap();
    assert!(said.contains(r#""behavior":"allow""#), "{said}");
    assert_eq!(desktop.focused(), Some(beta_window), "without moving");
}

/// A command that was allowed must not allow the next one.
#[test]
#[ignore = "needs a desktop"]
fn what_a_session_started_does_not_answer_for_its_user() {
    let desktop = Desktop::new();
    // A session that runs commands: a shell under its name, which reads them from a pipe.
    let claude = desktop.path("bin/claude");
    std::fs::remove_file(&claude).unwrap();
    std::os::unix::fs::symlink("/bin/bash", &claude).unwrap();
    let cwd = desktop.path(&format!("work/{}", desktop.unique("alpha")));
    std::fs::create_dir_all(&cwd).unwrap();
    let run = "mkfifo pipe; while read -r line < pipe; do eval \"$line\" 2> said.part; mv said.part said; done";
    let script = format!(
        "cd '{}' && echo $$ > pid && exec '{}' -c '{run}'",
        cwd.display(),
        claude.display()
    );
    let mut xterm = desktop.command("xterm");
    desktop.spawn(
        xterm
            .args(["-e", "sh", "-c", &script])
            .stderr(Stdio::null()),
    );
    let alpha = desktop.register("alpha");
    let mut hook = asking(&desktop, &alpha, "make");
    let id = desktop.session(&alpha).unwrap()["answerable"].to_string();
    let command = format!("vmux answer {} allow --request {id}\n", alpha.name);
    std::fs::write(cwd.join("pipe"), &command).unwrap();
    let said = wait_for("what it was told", || {
        std::fs::read_to_string(cwd.join("said")).ok()
    });
    assert!(
        said.contains("a session must not answer for its user"),
        "{said}"
    );
    assert!(hook.try_wait().unwrap().is_none());
    // Its user may.
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    assert!(desktop.vmux(&words).status.success());
    wait_for("the hook's end", || hook.try_wait().unwrap());
}

/// The plain invocation of the README, without `vmux menu` around it.
#[test]
#[ignore = "needs a desktop"]
fn rofi_alone_starts_the_daemon_and_lists() {
    let desktop = Desktop::new();
    let [(alpha, alpha_window), _] = two(&desktop);
    assert!(desktop.vmux(&["daemon", "stop"]).status.success());
    let socket = desktop.path("vmux/vmux.sock");
    desktop.i3("workspace 5");
    let mut rofi = desktop.command("rofi");
    desktop.spawn(
        rofi.args(["-show", "vmux", "-modi", "vmux:vmux-rofi"])
            .stderr(Stdio::null()),
    );
    wait_for("rofi's window", || window(&desktop));
    wait_for("the daemon", || socket.exists().then_some(()));
    // On a machine too busy to start it in time the first page is a row that says so.
    wait_for("the choice to land", || {
        if window(&desktop).is_some() {
            narrow(&desktop, &alpha);
            desktop.xdotool(&["key", "Return"]);
        }
        (desktop.focused() == Some(alpha_window)).then_some(())
    });
}

/// How many pixels of a shot are green: a session of 80 columns and 24 rows has 6 by 13 for each.
fn green_in(shot: &[u8]) -> usize {
    // Pixels are the end of it.
    let pixels = shot[shot.len() - 3 * 1280 * 800..].chunks_exact(3);
    pixels.filter(|pixel| pixel == &[0, 255, 0]).count()
}

/// Enter on a session that no terminal shows opens one, on its workspace, with its screen in it and its
/// keys going there. Enter again goes to that one, and opens no other.
#[test]
#[ignore = "needs a desktop"]
fn a_choice_opens_a_terminal_for_what_vmux_keeps_and_then_goes_to_it() {
    let desktop = Desktop::new();
    desktop.set("TERMINAL", "xterm");
    let green = r"printf '\033[48;5;46m\033[2J\033[H'";
    let script = format!("{green}; {}", desktop.listening("kept"));
    let name = desktop.unique("kept");
    let words = [
        "start",
        "--workspace",
        "7",
        "--name",
        &name,
        "--",
        "sh",
        "-c",
        &script,
    ];
    let done = desktop.vmux(&words);
    assert!(done.status.success(), "{done:?}");
    let kept = desktop.register("kept");
    let other = desktop.xterm("other");
    let origin = desktop.window_of(&other);
    let session = || desktop.session(&kept).unwrap_or_default();
    wait_for("its host", || {
        (session()["host"]["kind"] == "vmux").then_some(())
    });
    let choose = || {
        desktop.i3(&format!("[id={origin}] focus"));
        desktop.wait_for_focus(origin);
        open(&desktop);
        narrow(&desktop, &kept);
        desktop.xdotool(&["key", "Return"]);
        wait_closed(&desktop);
    };
    choose();
    let window = wait_for("a window of its own", || {
        session()["window"]["xid"].as_u64()
    });
    desktop.wait_for_focus(window);
    assert_eq!(session()["workspace"], "7");
    wait_for("its screen", || {
        let shot = desktop.screenshot();
        keep_shot("hosted", &shot);
        (green_in(&shot) > 100_000).then_some(())
    });
    desktop.xdotool(&["type", "hello"]);
    wait_for("what was typed", || {
        kept.typed().contains("hello").then_some(())
    });
    choose();
    desktop.assert_focus_stays(window);
    let mut search = desktop.command("xdotool");
    let terminals = search
        .args(["search", "--class", "xterm"])
        .output()
        .unwrap();
    let terminals = String::from_utf8_lossy(&terminals.stdout).lines().count();
    assert_eq!(terminals, 2, "its own and the other one");
    let done = desktop.vmux(&["end", "--yes", &name]);
    assert!(done.status.success(), "{done:?}");
}
