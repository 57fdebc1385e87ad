//! Which session is meant, and what belongs to it.

use std::fs;

use super::{World, pid_of};
use crate::kit::home::VMUX;
use crate::kit::process::is_alive;
use crate::kit::wait_for;

/// The one that goes on is no parent of what runs in the session, which is found all the same: in the
/// list, by whoever wants to show it, and by `vmux end`.
#[test]
fn a_session_is_found_whose_holder_was_killed() {
    let world = World::new();
    let script = world.0.script("found");
    let info = world.start("kept", &script);
    let found = world.0.register("found");
    let hosted = || {
        let session = world.0.session(&found).unwrap_or_default();
        (session["host"]["kind"] == "vmux").then_some(session)
    };
    wait_for("its host", hosted);
    let pid = fs::read_to_string(world.0.path("vmux/vmuxd.pid")).unwrap();
    let daemon = pid.trim().parse().unwrap();
    world.kept(daemon, 1);
    world.crash(info["id"].as_str().unwrap());
    let session = wait_for("its host again", hosted);
    assert_eq!(session["host"]["target"], info["id"]);
    let query = session["id"].as_str().unwrap();
    let mut tty = world.attach(&[query], 80, 24);
    tty.waits_for("\x1b[");
    let ended = world.says(&["end", "--yes", query]);
    assert!(ended.contains("ended"), "{ended}");
    assert!(tty.ends().success());
}

/// Two of one name: neither is ended by it. An id is that session's, whatever others are called.
#[test]
fn a_name_that_two_sessions_have_ends_neither() {
    let world = World::new();
    let first = world.start("shop", "exec cat");
    let second = world.start("shop", "exec cat");
    let alive = || [&first, &second].map(|info| is_alive(pid_of(&info["pid"])));
    let refused = world.0.vmux(&["end", "--yes", "shop"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success()
            && said.contains("fits several")
            && said.contains("hint: its id stands for one"),
        "{said}"
    );
    let id = second["id"].as_str().unwrap();
    let named = world.start(id, "exec cat");
    world.says(&["end", "--yes", id]);
    assert_eq!(alive(), [true, false]);
    assert!(is_alive(pid_of(&named["pid"])));
    world.says(&["end", "--yes", "shop"]);
    assert_eq!(alive(), [false, false]);
    let refused = world.0.vmux(&["end", "--yes", "shop"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let hint = format!("hint: `vmux logs {id}` has what it wrote");
    assert!(
        !refused.status.success() && said.starts_with("vmux: shop ") && said.contains(&hint),
        "{said}"
    );
}

/// A session that was started in another one is a session of its own, also for `vmux end`.
#[test]
fn the_session_within_is_ended_and_not_the_one_around_it() {
    let world = World::new();
    let script = world.0.script("within");
    let inner = format!("{VMUX} start --name inner -- sh -c \"$0\"; exec cat");
    let mut start = world.0.command(VMUX);
    let words = ["start", "--json", "--name", "outer", "--", "sh", "-c"];
    let done = start.args(words).args([&inner, &script]).output().unwrap();
    let outer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let within = world.0.register("within");
    let session = world.0.session(&within).unwrap();
    world.says(&["end", "--yes", session["id"].as_str().unwrap()]);
    wait_for("its end", || (!is_alive(within.pid)).then_some(()));
    assert!(is_alive(pid_of(&outer["pid"])));
}

/// A terminal that vmux opens for another session does not end with the one in which that was asked
/// for, nor does it think that it is inside of it.
#[test]
fn a_terminal_that_was_opened_from_within_outlives_its_session() {
    let world = World::new();
    let shown = world.start("shown", "exec cat");
    let log = world.0.path("opened");
    let terminal = world.0.path("terminal");
    let script = format!(
        "#!/bin/sh\necho \"$$ $VMUX_SESSION.\" > {0}.new; mv {0}.new {0}; exec sleep 3338\n",
        log.display()
    );
    fs::write(&terminal, script).unwrap();
    let opens = format!(
        "chmod 755 {0}; TERMINAL={0} {VMUX} open shown; exec cat",
        terminal.display()
    );
    world.start("asks", &opens);
    let said = wait_for("the terminal", || fs::read_to_string(&log).ok());
    let (pid, session) = said.trim().split_once(' ').unwrap();
    let pid: u32 = pid.parse().unwrap();
    assert_eq!(session, "none.");
    world.says(&["end", "--yes", "asks"]);
    let ended = !is_alive(pid);
    if !ended {
        super::signal(pid, rustix::process::Signal::KILL);
    }
    assert!(!ended, "the terminal was ended, too");
    assert!(is_alive(pid_of(&shown["pid"])));
}

/// What a shell offers at Tab: names that the verb takes, each of one session only.
#[test]
fn names_that_a_shell_offers_are_taken() {
    let world = World::new();
    for name in ["my shop", "twin", "twin"] {
        world.start(name, "exec cat");
    }
    world.start("over", "exit 0");
    let offered = |verb: &str| -> Vec<(String, String)> {
        let said = world.says(&["complete", "zsh", "vmux", verb, ""]);
        let lines = said.strip_prefix("words\n").unwrap().lines();
        let halves = lines.map(|line| line.split_once('\t').unwrap());
        halves
            .map(|(name, about)| (name.to_owned(), about.to_owned()))
            .collect()
    };
    let names = wait_for("all who answer in time", || {
        let names: Vec<String> = offered("attach")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        (names.len() == 3).then_some(names)
    });
    assert_eq!(names[0], "my shop");
    assert!(!names.contains(&"twin".into()), "it names two: {names:?}");
    for name in &names {
        world.history(name);
    }
    let ended = wait_for("the one that has ended", || {
        let mut all = offered("logs").into_iter();
        all.find(|(name, about)| name == "over" && about.starts_with("ended"))
    });
    world.says(&["logs", &ended.0]);
    world.says(&["label", "my shop", "payments"]);
    let label = wait_for("its label", || {
        let mut all = offered("send").into_iter();
        all.find(|(name, _)| name == "payments")
    });
    world.says(&["send", &label.0, "x"]);
}
