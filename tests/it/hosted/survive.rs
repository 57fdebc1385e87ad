//! What a session survives: another version of its holder, and its holder's end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{World, pid_of};
use crate::kit::home::VMUX;
use crate::kit::process::is_alive;
use crate::kit::{PATIENCE, Tty, wait_for};

/// A version that this program calls itself nowhere; as long as its own.
const EARLIER: &str = "0.0.9";

impl World {
    /// Another installation: the same programs, but that the holder calls itself earlier.
    pub(super) fn earlier(&self) -> PathBuf {
        let dir = self.0.make_dir("earlier");
        let beside = Path::new(VMUX).with_file_name("vmux-host");
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(own.len(), EARLIER.len(), "a version of another length here");
        let mut bytes = fs::read(beside).unwrap();
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&bytes[at..], own.as_bytes()) {
            at += found;
            bytes[at..at + own.len()].copy_from_slice(EARLIER.as_bytes());
        }
        install(&bytes, &dir.join("vmux-host"), "755");
        install(&fs::read(VMUX).unwrap(), &dir.join("vmux"), "755");
        dir.join("vmux")
    }

    pub(super) fn start_by(&self, vmux: &Path, name: &str, script: &str) -> Value {
        let mut command = self.0.command(vmux);
        let words = ["start", "--json", "--name", name, "--", "sh", "-c", script];
        let done = command.args(words).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// The session as its holder describes it now.
    fn holder(&self, id: &str) -> Value {
        let file = self.0.path("vmux/hosted").join(format!("{id}.json"));
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    }
}

/// Puts a program there. By a process of its own: a child of this one that begins meanwhile would
/// have it open for writing, and such a file cannot be run.
fn install(bytes: &[u8], path: &Path, mode: &str) {
    let source = path.with_extension("new");
    fs::write(&source, bytes).unwrap();
    let mut install = Command::new("install");
    let done = install.args(["-m", mode]).args([&source, path]).status();
    assert!(done.unwrap().success());
}

/// Runs a command while a terminal is read.
fn while_read(tty: &mut Tty, command: &mut Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < PATIENCE, "it does not end");
        tty.reads(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// The numbers of the lines `n 1`, `n 2` … that a terminal was given, in their order.
fn numbers(tty: &Tty) -> Vec<u32> {
    let text = String::from_utf8_lossy(&tty.seen).into_owned();
    let lines = text.split("\r\n");
    lines
        .filter_map(|line| line.rsplit("n ").next()?.parse().ok())
        .collect()
}

/// The holder becomes another program while it is flooded: the same processes, the same
/// connections, every byte once, and all of the history.
#[test]
fn a_holder_is_upgraded_in_a_flood() {
    let world = World::new();
    let earlier = world.earlier();
    let script = "for i in 1 2 3 4 5; do echo \"before $i\"; done; read go; seq -f 'n %.0f' 1 60000; \
                  echo the end; exec cat";
    let info = world.start_by(&earlier, "flood", script);
    let id = info["id"].as_str().unwrap().to_owned();
    assert_eq!(info["version"], EARLIER);
    let doctor = || String::from_utf8_lossy(&world.0.vmux(&["doctor"]).stdout).into_owned();
    let told = doctor();
    let words = format!("another version keeps {id}");
    assert!(
        told.contains(&words) && told.contains("`vmux upgrade`"),
        "{told}"
    );
    let mut tty = world.attach(&["flood"], 80, 24);
    tty.waits_for("before 5");
    let mut small = world.attach(&["--read-only", "flood"], 40, 10);
    small.waits_for("before 5");
    tty.types("go\r");
    tty.waits_for("n 100\r\n");
    // There, and back, and there again.
    let mut versions = Vec::new();
    for vmux in [Path::new(VMUX), &earlier, Path::new(VMUX)] {
        let done = while_read(&mut tty, world.0.command(vmux).args(["upgrade", "flood"]));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}");
        assert!(said.contains(" -> "), "{said}");
        versions.push(world.holder(&id)["version"].clone());
    }
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(versions, [own, EARLIER, own]);
    tty.waits_for("the end\r\n");
    let seen = numbers(&tty);
    let all: Vec<u32> = (1..=60_000).collect();
    let differ = seen.iter().zip(&all).find(|(seen, all)| seen != all);
    assert!(
        seen == all,
        "{} lines, the first that is wrong is {differ:?}",
        seen.len()
    );
    small.waits_for("the end");
    tty.types("typed\r");
    tty.waits_for("typed\r\ntyped");
    let now = world.holder(&id);
    for name in ["holder", "pid", "tty", "started", "cwd"] {
        assert_eq!(now[name], info[name], "{name}");
    }
    let again = world.says(&["upgrade"]);
    assert!(
        again.contains(&format!("vmux-host {own} already")),
        "{again}"
    );
    let told = doctor();
    assert!(
        told.contains("1 started, all kept by this version"),
        "{told}"
    );
    assert!(is_alive(tty.pid()) && is_alive(small.pid()));
    tty.types("\x04");
    assert!(tty.ends().success(), "{}", tty.text());
    tty.waits_for("flood ended");
}

/// History, modes and what was typed ahead come along.
#[test]
fn an_upgraded_holder_keeps_history_modes_and_keys() {
    let world = World::new();
    let earlier = world.earlier();
    let script = "seq -f 'line %.0f' 1 3000; printf '\\033[?1049h\\033[?2004h\\033[5;5Halternate'; \
                  sleep 1; stty -echo; read first; echo \"<$first>\"; exit 5";
    let info = world.start_by(&earlier, "state", script);
    world.shows("state", "alternate");
    let before = world.history("state");
    world.says(&["send", "--enter", "state", "ahead"]);
    world.says(&["upgrade", "state"]);
    let after = world.history("state");
    assert!(before.contains("line 1\n") && before.contains("line 3000\n"));
    assert_eq!(
        before.replace("ahead", ""),
        after.replace("ahead", ""),
        "history and both screens"
    );
    let mut tty = world.attach(&["state"], 80, 24);
    tty.waits_for("\x1b[?2004h");
    tty.waits_for("<ahead>");
    tty.ends();
    tty.waits_for("state ended with exit code 5");
    wait_for("the end of the holder", || {
        (!is_alive(pid_of(&info["holder"]))).then_some(())
    });
}

/// A program that is none, or none that can go on, is refused before anything is given up.
#[test]
fn an_upgrade_that_cannot_be_leaves_all_as_it_was() {
    let world = World::new();
    let earlier = world.earlier();
    let info = world.start("stays", "echo here; exec cat");
    world.shows("stays", "here");
    let mut tty = world.attach(&["stays"], 80, 24);
    tty.waits_for("here");
    let host = earlier.with_file_name("vmux-host");
    for (program, mode, why) in [
        (&b"#!/bin/sh\nexit 1\n"[..], "755", "cannot go on"),
        (b"#!/bin/sh\nexec sleep 100\n", "755", "could not try"),
        (b"nothing", "644", "it is no program"),
        (b"\x7fELF", "755", "could not try"),
        (b"#!/bin/sh\nexit 0\n", "777", "everybody can write to it"),
    ] {
        install(program, &host, mode);
        let done = while_read(&mut tty, world.0.command(&earlier).arg("upgrade"));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            !done.status.success() && said.contains(why),
            "{why}: {said}"
        );
        tty.types("ok\r");
        tty.waits_for("ok\r\nok");
        tty.seen.clear();
    }
    // It passes the trial, and is gone then.
    install(b"#!/bin/sh\nrm -f \"$0\"\n", &host, "755");
    let done = while_read(&mut tty, world.0.command(&earlier).arg("upgrade"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("could not run"), "{said}");
    tty.types("still\r");
    tty.waits_for("still\r\nstill");
    assert_eq!(
        world.holder(info["id"].as_str().unwrap())["holder"],
        info["holder"]
    );
}
