//! How hosted sessions are started and entered, and what is noted of them.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::{World, pid_of, signal};
use crate::kit::home::VMUX;
use crate::kit::process::is_alive;
use crate::kit::{Tty, wait_for};

/// A script that stands for a coding tool.
pub(super) fn play(world: &World, program: &str, script: &str) {
    world.0.play(program, script);
}

#[test]
fn a_directory_is_entered_and_entered_again() {
    let world = World::new();
    play(&world, "claude", "echo \"here: $PWD $*\"; exec cat");
    for dir in ["work/shop", "work/start"] {
        world.0.make_dir(dir);
    }
    let enter = |words: &[&str]| {
        let mut command = world.0.command(VMUX);
        Tty::run(command.args(words), 80, 24)
    };
    let mut tty = enter(&["shop"]);
    tty.waits_for("work/shop");
    tty.types("first\r");
    tty.waits_for("first\r\nfirst");
    tty.types("\x1d");
    assert!(tty.ends().success());
    let mut again = enter(&["shop/../shop"]);
    again.waits_for("first");
    again.types("\x1d");
    again.ends();
    assert_eq!(world.ids().len(), 1, "it was entered again");
    let other = world.0.vmux(&["start", "shop", "--name", "other"]);
    assert!(other.status.success(), "{other:?}");
    let mut last = enter(&["shop"]);
    last.waits_for("work/shop");
    last.types("\x1d");
    last.waits_for("shop has more sessions, `vmux attach ID` shows one:");
    last.ends();
    let mut verb = enter(&["./start"]);
    verb.waits_for("work/start");
    verb.types("\x1d");
    verb.ends();
    assert_eq!(world.ids().len(), 3);
}

#[test]
fn the_list_says_who_is_attached_where_asked() {
    let world = World::new();
    let info = world.start("listed", "echo up; exec cat");
    let nobody = world.says(&["list", "--hosted"]);
    assert!(nobody.contains("nobody is attached"), "{nobody}");
    assert!(nobody.contains(info["log"].as_str().unwrap()), "{nobody}");
    let mut one = world.attach(&["listed"], 90, 30);
    one.waits_for("up");
    let mut other = world.attach(&["--read-only", "listed"], 60, 20);
    other.waits_for("up");
    let listed = world.says(&["list", "--hosted"]);
    for words in ["  90x30, log ", ") 90x30, leads", ") 60x20, only looks"] {
        assert!(listed.contains(words), "{words:?} in {listed}");
    }
    let json: Value = serde_json::from_str(&world.says(&["list", "--hosted", "--json"])).unwrap();
    assert_eq!(json[0]["clients"].as_array().unwrap().len(), 2);
}

#[test]
fn two_who_enter_a_directory_at_once_meet_in_one_session() {
    let world = World::new();
    play(&world, "claude", "echo started; exec cat");
    let mut both = [(); 2].map(|()| Tty::run(world.0.command(VMUX).arg("."), 80, 24));
    for tty in &mut both {
        tty.waits_for("started");
    }
    assert_eq!(world.ids().len(), 1);
}

/// Only what ends as it should is over: what is killed is to come back.
#[test]
fn what_is_hosted_is_noted_until_it_ends_as_it_should() {
    let world = World::new();
    let kept = |info: &Value| {
        let id = info["id"].as_str().unwrap();
        world.0.path(&format!("vmux/hosted/{id}.kept"))
    };
    let noted = |info: &Value| wait_for("a note", || kept(info).exists().then_some(()));
    let gone = |info: &Value| wait_for("no note", || (!kept(info).exists()).then_some(()));
    let ends = world.start("ends", "read line; exit 3");
    noted(&ends);
    world.says(&["send", "--enter", "ends", "go"]);
    gone(&ends);
    let told = world.start("told", "trap '' HUP; exec sleep 3335");
    noted(&told);
    world.says(&["end", "--yes", "told"]);
    gone(&told);
    let killed = world.start("killed", "exec sleep 3336");
    let shut = world.start("shut", "trap 'exit 0' HUP TERM; read line");
    let lost = world.start("lost", "exec sleep 3337");
    for info in [&killed, &shut, &lost] {
        noted(info);
    }
    signal(pid_of(&killed["pid"]), Signal::KILL);
    signal(pid_of(&shut["holder"]), Signal::TERM);
    signal(pid_of(&lost["holder"]), Signal::KILL);
    for info in [&killed, &shut, &lost] {
        wait_for("its end", || {
            (!is_alive(pid_of(&info["holder"]))).then_some(())
        });
        noted(info);
    }
    let text = fs::read_to_string(kept(&killed)).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["session"]["command"][2], "exec sleep 3336");
    assert!(record["environ"]["PATH"].is_string(), "{record}");
}

#[test]
fn a_coding_tool_is_started_by_its_name() {
    let world = World::new();
    play(&world, "codex", "echo played codex; exec cat");
    let words = [
        "start",
        "--json",
        "--agent",
        "codex",
        "--name",
        "made",
        "--workspace",
        "3: web",
    ];
    let done = world.0.vmux(&words);
    assert!(done.status.success(), "{done:?}");
    let info: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&info["command"], &info["workspace"]),
        (&serde_json::json!(["codex"]), &"3: web".into())
    );
    world.shows("made", "played codex");
    for (words, said) in [
        (
            &["start", "--agent", "parrot"][..],
            "possible values: claude, codex",
        ),
        (
            &["start", "--agent", "codex", "--", "cat"],
            "cannot be used with",
        ),
    ] {
        let done = world.0.vmux(words);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(error.contains(said), "{words:?}: {error}");
    }
}
