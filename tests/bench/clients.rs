//! What a person's key costs: starting a client, asking, writing the answer out.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    let_underscore_drop,
    reason = "a benchmark sets up its own world, and tells what it finds"
)]

mod harness;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::kit::Killed;
use harness::kit::machine::Machine;
use harness::kit::service;
use harness::{Report, Set, built, command, daemon, machine};

/// Spawned processes each.
const ROUNDS: usize = 150;

struct World {
    // Ended in this order.
    _daemon: Killed,
    machine: Machine,
}

fn world(count: u32) -> World {
    let machine = machine(count);
    let socket = machine.path("vmux/vmux.sock");
    World {
        _daemon: daemon(command(&machine, "vmux"), &socket),
        machine,
    }
}

fn spawn(mut command: Command) {
    let done = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    std::hint::black_box(done.stdout.len());
}

/// A hook as Claude Code runs it, with an event as it sends one.
fn hook(machine: &Machine) {
    let event = br#"{"session_id":"s-1","transcript_path":"/p/s-1.jsonl","cwd":"/w","hook_event_name":"PermissionRequest","tool_name":"Bash","tool_input":{"command":"cargo test"}}"#;
    let mut child = command(machine, "vmux")
        .args(["hook", "PermissionRequest"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Without a daemon it ends before it reads.
    drop(std::io::Write::write_all(
        &mut child.stdin.take().unwrap(),
        event,
    ));
    assert!(child.wait().unwrap().success());
}

fn main() -> std::process::ExitCode {
    let worlds = [10, 100, 1000].map(|count| (count, world(count)));
    let hundred = &worlds[1].1.machine;
    let elsewhere = Machine::new();
    let mut set = Set::default();
    set.case("E", || spawn(command(hundred, "empty")));
    set.case("E musl", || spawn(command(hundred, "empty-musl")));
    for (count, world) in &worlds {
        set.case(format!("vmux-rofi {count}"), || {
            spawn(command(&world.machine, "vmux-rofi"));
        });
    }
    set.case("vmux-rofi musl 100", || {
        spawn(command(hundred, "vmux-rofi-musl"));
    });
    let with = |words: &'static [&'static str]| {
        move || {
            let mut command = command(hundred, "vmux");
            command.args(words);
            spawn(command);
        }
    };
    set.case("vmux list", with(&["list"]));
    set.case("vmux list --json", with(&["list", "--json"]));
    set.case("vmux status", with(&["status"]));
    set.case("vmux --version", with(&["--version"]));
    for (name, machine) in [("down", &elsewhere), ("up", hundred)] {
        set.case(format!("vmux hook, daemon {name}"), move || hook(machine));
    }
    set.case("pgrep -x claude", || {
        spawn({
            let mut command = Command::new("pgrep");
            command.args(["-x", "claude"]);
            command
        });
    });
    let results = set.run(ROUNDS);
    let mut report = Report::default();
    report.title("clients: spawned, answered, reaped; medians, against an empty Rust program (E)");
    let floor = results.median("E");
    report.say("E", floor, "us");
    for (name, limit) in [
        ("vmux-rofi 10", 1.2),
        ("vmux-rofi 100", 1.2),
        ("vmux-rofi 1000", 1.5),
        ("vmux-rofi musl 100", 0.5),
        ("vmux list", 1.3),
        ("vmux --version", 1.3),
        ("vmux hook, daemon down", 1.3),
        ("vmux hook, daemon up", 1.5),
    ] {
        report.limit(name, results.median(name) / floor, "E", limit, false);
    }
    for name in [
        "E musl",
        "vmux list --json",
        "vmux status",
        "pgrep -x claude",
    ] {
        report.say(name, results.median(name) / floor, "E");
    }
    exact(&mut report, hundred);
    report.conclude()
}

/// Figures that are the same on every machine: they may fail the run.
fn exact(report: &mut Report, machine: &Machine) {
    report.title("vmux-rofi, 100 sessions: exact counts");
    let (floor, ours) = (built("empty"), built("vmux-rofi"));
    let instructions = |program: &PathBuf| instructions(machine, program);
    let syscalls = |program: &PathBuf| syscalls(machine, program);
    let (e, v) = (instructions(&floor), instructions(&ours));
    report.say("instructions of E", e, "");
    report.limit("instructions of vmux-rofi / of E", v / e, "", 1.5, true);
    let (e, v) = (syscalls(&floor), syscalls(&ours));
    report.say("system calls of E", e, "");
    report.limit(
        "system calls of vmux-rofi beyond those of E",
        v - e,
        "",
        20.0,
        true,
    );
}

/// Instructions in user space, counted by callgrind.
fn instructions(machine: &Machine, program: &Path) -> f64 {
    let mut run = service::command(machine, "valgrind");
    let out = machine.path("callgrind.out");
    run.arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program);
    let done = run
        .output()
        .expect("valgrind is installed (scripts/bench does)");
    let text = String::from_utf8_lossy(&done.stderr);
    let line = text
        .lines()
        .find(|line| line.contains("Collected"))
        .expect("a count");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// System calls, counted by strace.
fn syscalls(machine: &Machine, program: &Path) -> f64 {
    let out = machine.path("strace.out");
    let mut run = service::command(machine, "strace");
    run.arg("-f").arg("-o").arg(&out).arg(program);
    run.output()
        .expect("strace is installed (scripts/bench does)");
    let text = std::fs::read_to_string(out).unwrap();
    text.lines()
        .filter(|line| line.contains('(') && !line.contains("+++"))
        .count() as f64
}
