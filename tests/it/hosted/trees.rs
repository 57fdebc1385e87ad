//! The end of a session takes all that it has started, whatever that does against it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{World, signal};
use crate::kit::home::VMUX;
use crate::kit::process::is_alive;
use crate::kit::{PATIENCE, wait_for};

/// What is run, `SEC` being a number of seconds that nobody else sleeps, and how it is said to
/// have ended. Each says that it is ready by a file of the name of its session.
const TREES: &[(&str, &str, &str)] = &[
    ("plain", "exec sleep SEC", "signal 1"),
    ("group", "sleep SEC & sleep SEC & wait", "signal 1"),
    ("pipeline", "sleep SEC | cat | cat", "signal 1"),
    (
        "deaf",
        "trap '' HUP; sleep SEC & wait; sleep SEC",
        "signal 15",
    ),
    (
        "deafer",
        "trap '' HUP TERM INT QUIT; while :; do sleep SEC; done",
        "signal 9",
    ),
    ("says", "trap 'exit 7' HUP; sleep SEC & wait", "exit code 7"),
    (
        "says-late",
        "trap '' HUP; trap 'exit 9' TERM; sleep SEC & while :; do wait; done",
        "exit code 9",
    ),
    ("says-good", "trap 'exit 0' HUP; sleep SEC & wait", "ended"),
    (
        "twice",
        "(sleep SEC &) ; (sh -c '(sleep SEC &)' &) ; exec sleep SEC",
        "signal 1",
    ),
    (
        "nohup",
        "nohup sleep SEC >&- 2>&- & exec sleep SEC",
        "signal 1",
    ),
    ("setsid", "setsid sleep SEC & exec sleep SEC", "signal 1"),
    (
        "setsid-deaf",
        "trap '' HUP TERM; setsid sh -c 'sleep SEC' & (setsid sleep SEC &) ; exec sleep SEC",
        "signal 9",
    ),
    (
        "nameless",
        "env -i setsid sleep SEC & exec env -i sleep SEC",
        "signal 1",
    ),
    (
        "nameless-deaf",
        "trap '' HUP TERM; (env -i setsid sleep SEC &) ; exec sleep SEC",
        "signal 9",
    ),
    (
        "stopped",
        "sleep SEC & sleep 0.2; kill -STOP $$; wait",
        "signal 1",
    ),
    (
        "stopped-child",
        "sleep SEC & sleep 0.2; kill -STOP $!; exec sleep SEC",
        "signal 1",
    ),
    (
        "stopped-deaf",
        "trap '' HUP TERM; sleep SEC & sleep 0.2; kill -STOP $! $$; wait",
        "signal 9",
    ),
    (
        "stopped-apart",
        "setsid sleep SEC & sleep 0.1; kill -STOP $!; exec sleep SEC",
        "signal 1",
    ),
    (
        "stops-itself",
        "trap 'kill -STOP $$' HUP TERM; sleep SEC & while :; do wait; done",
        "signal 9",
    ),
    (
        "breeds",
        "trap '' HUP TERM; while :; do (setsid sleep SEC &) ; sleep 0.02; done",
        "signal 9",
    ),
    (
        "breeds-when-told",
        "trap 'setsid sleep SEC & exit 3' HUP; sleep SEC & wait",
        "exit code 3",
    ),
    (
        "breeds-at-last",
        "trap '' HUP; trap '(setsid sh -c \"trap \\\"\\\" TERM; sleep SEC\" &) ; exit 4' TERM; sleep SEC & while :; do wait; done",
        "exit code 4",
    ),
    (
        "relay",
        "relay() { sleep SEC & trap relay HUP; }; trap relay HUP; relay; while :; do wait; done",
        "signal 15",
    ),
    (
        "deep",
        "n=$1; deep() { if [ $1 -gt 0 ]; then (deep $(($1 - 1))); else sleep SEC; fi; :; }; deep 40",
        "signal 1",
    ),
    (
        "deep-deaf",
        "trap '' HUP TERM; deep() { if [ $1 -gt 0 ]; then (deep $(($1 - 1))); else sleep SEC; fi; :; }; deep 20",
        "signal 9",
    ),
    (
        "jobs",
        "set -m; sleep SEC & sleep SEC & sleep SEC & wait",
        "signal 1",
    ),
    (
        "jobs-stopped",
        "set -m; sleep SEC & sleep 0.2; kill -STOP %1; trap '' HUP TERM; sleep SEC & wait; wait",
        "signal 9",
    ),
    (
        "zombie",
        "sh -c 'sleep 0 & exec sleep SEC' & exec sleep SEC",
        "signal 1",
    ),
    (
        "leaves",
        "(sleep 0.2; setsid sleep SEC) & exec sleep SEC",
        "signal 1",
    ),
    (
        "closed",
        "setsid sleep SEC <&- >&- 2>&- & exec sleep SEC <&- >&- 2>&-",
        "signal 1",
    ),
    (
        "namespace",
        "unshare --user --map-root-user --pid --fork sleep SEC & exec sleep SEC",
        "signal 1",
    ),
    (
        "namespace-deaf",
        "trap '' HUP TERM; unshare --user --map-root-user --pid --fork sh -c 'setsid sleep SEC & sleep SEC' & exec sleep SEC",
        "signal 9",
    ),
];

/// Processes that sleep this long.
fn sleepers(seconds: usize) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let wanted = format!("sleep\0{seconds}\0");
    pids.filter(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.ends_with(wanted.as_bytes()) && is_alive(*pid)
    })
    .collect()
}

#[test]
fn nothing_is_left_of_thirty_trees() {
    let world = World::new();
    // Other runs sleep other times.
    let first = 1_000_000 + usize::try_from(std::process::id()).unwrap() * 100;
    for (at, (name, script, _)) in TREES.iter().enumerate() {
        world.start(name, &script.replace("SEC", &(first + at).to_string()));
    }
    for (at, (name, _, _)) in TREES.iter().enumerate() {
        wait_for(name, || (!sleepers(first + at).is_empty()).then_some(()));
    }
    let since = Instant::now();
    let mut ends = BTreeMap::new();
    for (name, _, _) in TREES {
        let mut end = world.0.command(VMUX);
        let end = end.args(["end", "--yes", name]).stdout(Stdio::piped());
        ends.insert(*name, end.spawn().unwrap());
    }
    let (mut wrong, mut odd) = (Vec::new(), Vec::new());
    for (at, (name, _, how)) in TREES.iter().enumerate() {
        let done = ends.remove(name).unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if !said.ends_with(how) {
            odd.push((at, format!("{name}: {said:?}, not {how:?}")));
        }
        let left = sleepers(first + at);
        if !left.is_empty() {
            wrong.push(format!("{name}: {left:?} are left"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    // All at once, one may get no turn within its grace on a busy machine. By itself it does.
    for (at, words) in odd {
        let (name, script, how) = TREES[at];
        world.start(name, &script.replace("SEC", &(first + at).to_string()));
        wait_for(name, || (!sleepers(first + at).is_empty()).then_some(()));
        let done = world.0.vmux(&["end", "--yes", name]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(said.trim().ends_with(how), "{words}; alone: {said:?}");
    }
    // How each has ended is kept.
    let entries = fs::read_dir(world.0.path("vmux/hosted")).unwrap().flatten();
    let files = entries.filter(|entry| entry.path().extension().is_some_and(|tail| tail == "json"));
    for file in files {
        let ended = wait_for(&file.path().display().to_string(), || {
            // One that ends just now is written beside it first.
            let info: Value = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
            Some(info["ended"].clone()).filter(Value::is_object)
        });
        assert!(
            ended["code"].is_number() || ended["signal"].is_number(),
            "{ended}"
        );
    }
}

/// A daemon and a session that were started inside of a session are no part of it.
#[test]
fn what_is_started_apart_inside_of_a_session_outlives_it() {
    let world = World::new();
    let script = "vmux list; vmux start --name inner -- cat; echo both; exec cat";
    world.start("outer", script);
    world.shows("outer", "both");
    let daemon: u32 = fs::read_to_string(world.0.path("vmux/vmuxd.pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let since = Instant::now();
    world.says(&["end", "--yes", "outer"]);
    assert!(
        since.elapsed() < Duration::from_secs(4),
        "{:?}",
        since.elapsed()
    );
    assert!(is_alive(daemon), "the daemon");
    world.says(&["send", "--enter", "inner", "still here"]);
    world.shows("inner", "still here");
    signal(daemon, rustix::process::Signal::TERM);
}

/// After a crash the holder is above nobody: what says that it belongs to the session ends with it.
#[test]
fn the_tree_of_a_holder_that_was_followed_by_another_ends_too() {
    let world = World::new();
    let daemon = world.daemon();
    let seconds = 1_000_099 + usize::try_from(std::process::id()).unwrap() * 100;
    let script =
        "(setsid sh -c 'trap \"\" HUP TERM; sleep SEC; sleep SEC' &); sleep SEC & exec cat";
    let info = world.start("orphans", &script.replace("SEC", &seconds.to_string()));
    wait_for("both", || (sleepers(seconds).len() == 2).then_some(()));
    world.kept(daemon, 1);
    world.crash(info["id"].as_str().unwrap());
    assert_eq!(sleepers(seconds).len(), 2, "a crash ends none");
    let said = world.says(&["end", "--yes", "orphans"]);
    assert!(said.contains("ended; how, nobody saw"), "{said}");
    assert!(sleepers(seconds).is_empty());
    signal(daemon, rustix::process::Signal::TERM);
}
