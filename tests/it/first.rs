//! The first minute on a machine that lacks much: what is said, and that it is said once.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::kit::tty::Tty;
use crate::machine::Machine;
use crate::service::{Daemon, command, wait_for};

/// `vmux` alone, where no program is found but those of `path`.
fn alone(machine: &Machine, path: &str, desktop: bool) -> Command {
    let script = format!(
        "PATH={path} exec {} --no-daemon",
        env!("CARGO_BIN_EXE_vmux")
    );
    let mut alone = command(machine, "sh");
    alone.args(["-c", &script]);
    if desktop {
        // No X server has such a number.
        alone.env("DISPLAY", ":59999");
    }
    alone
}

fn seen_at_a_terminal(command: &Command) -> String {
    let mut tty = Tty::run(command, 120, 40);
    tty.waits_for("tells the rest");
    assert!(tty.ends().success());
    tty.text()
}

#[test]
fn what_is_missing_is_said_once_and_to_a_person_only() {
    let machine = Machine::new();
    let piped = alone(&machine, "/nowhere", true).output().unwrap();
    assert!(!String::from_utf8_lossy(&piped.stderr).contains("Said once"));
    let kept = machine.path("vmux/told-lacks");
    assert!(!kept.exists(), "nobody has read it");

    let first = seen_at_a_terminal(&alone(&machine, "/nowhere", true));
    let said = first.split("Said once: ").nth(1).expect(&first);
    for part in [
        "  rofi ",
        "  dunst ",
        "  i3, sway, X11 ",
        "`vmux doctor` says it at any time",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(!said.contains("icons"), "there is no rofi: {said}");
    assert!(first.contains("No sessions."), "it works: {first}");
    let again = seen_at_a_terminal(&alone(&machine, "/nowhere", true));
    assert!(!again.contains("Said once"), "{again}");
}

#[test]
fn without_a_desktop_no_program_of_one_is_missed() {
    let machine = Machine::new();
    let first = seen_at_a_terminal(&alone(&machine, "/nowhere", false));
    let said = first.split("Said once: ").nth(1).expect(&first);
    assert!(
        said.contains("`vmux pick`") && !said.contains("rofi"),
        "{said}"
    );
    let again = seen_at_a_terminal(&alone(&machine, "/nowhere", false));
    assert!(!again.contains("Said once"), "{again}");
    // What a desktop lacks is still to be said, once there is one.
    let later = seen_at_a_terminal(&alone(&machine, "/nowhere", true));
    assert!(
        later.contains("Said once") && later.contains("  rofi "),
        "{later}"
    );
}

#[test]
fn who_wants_no_hints_gets_none() {
    let machine = Machine::new();
    machine.write("vmux/config.toml", "hints = false\n");
    let seen = seen_at_a_terminal(&alone(&machine, "/nowhere", true));
    assert!(!seen.contains("Said once"), "{seen}");
}

#[test]
fn icons_that_rofi_cannot_draw_are_explained_in_its_first_list() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.file(serde_json::json!({}));
    let rofi = machine.write("bin/rofi", "#!/bin/sh\n");
    std::fs::set_permissions(rofi, std::fs::Permissions::from_mode(0o755)).unwrap();
    let loaders = machine.write("loaders.cache", "\"image/gif\" \"\"\n");
    let of = |program: &str| {
        let mut command = command(&machine, program);
        let path = format!("{}:/usr/bin:/bin", machine.path("bin").display());
        command.env("PATH", path);
        command.env("GDK_PIXBUF_MODULE_FILE", &loaders);
        command
    };
    let vmux = env!("CARGO_BIN_EXE_vmux");
    let daemon = Daemon {
        machine: &machine,
        child: of(vmux)
            .args(["daemon", "run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    };
    wait_for("the daemon", || {
        std::os::unix::net::UnixStream::connect(daemon.socket()).ok()
    });
    daemon.wait_for_session("a session", |_| true);
    let list = || {
        let done = of(env!("CARGO_BIN_EXE_vmux-rofi"))
            .env("ROFI_RETV", "0")
            .output();
        String::from_utf8(done.unwrap().stdout).unwrap()
    };
    let first = list();
    assert!(first.contains("these icons are blank.</b>&#10;"), "{first}");
    assert!(first.contains("101-1010"), "and the list is there: {first}");
    assert!(!list().contains("blank"));
    let doctor = of(vmux).arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        said.contains("note  icons          gdk-pixbuf loads no SVG"),
        "{said}"
    );
    let seen = std::fs::read_to_string(&loaders).unwrap() + "\"image/svg+xml\" \"\"\n";
    std::fs::write(&loaders, seen).unwrap();
    let doctor = of(vmux).arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    icons"), "{said}");
}
