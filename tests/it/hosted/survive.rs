//! What a session survives: another version of its holder, and its holder's end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
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

/// 1 to 60000, each once.
fn are_all(seen: &[u32]) {
    let all: Vec<u32> = (1..=60_000).collect();
    let differ = seen.iter().zip(&all).find(|(seen, all)| seen != all);
    let lines = seen.len();
    assert!(
        seen == all,
        "{lines} lines, the first that is wrong is {differ:?}"
    );
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
    let own = env!("CARGO_PKG_VERSION");
    for (vmux, version) in [
        (Path::new(VMUX), own),
        (&earlier, EARLIER),
        (Path::new(VMUX), own),
    ] {
        let done = while_read(&mut tty, world.0.command(vmux).args(["upgrade", "flood"]));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && said.contains(" -> "), "{said}");
        assert_eq!(world.holder(&id)["version"], version);
    }
    tty.waits_for("the end\r\n");
    are_all(&numbers(&tty));
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
    let log = fs::read_to_string(info["log"].as_str().unwrap()).unwrap();
    let logged = log.lines().filter_map(|line| line.strip_prefix("n "));
    are_all(&logged.map(|n| n.parse().unwrap()).collect::<Vec<_>>());
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

impl World {
    /// The daemon, which there is from now on.
    pub(super) fn daemon(&self) -> u32 {
        self.0.sessions();
        let pid = fs::read_to_string(self.0.path("vmux/vmuxd.pid")).unwrap();
        pid.trim().parse().unwrap()
    }

    /// Waits until the daemon `pid` keeps so many terminals.
    pub(super) fn kept(&self, pid: u32, terminals: usize) {
        wait_for("what the daemon keeps", || {
            let all = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
            let links = all.filter_map(|entry| fs::read_link(entry.path()).ok());
            let found = links.filter(|link| link.ends_with("ptmx")).count();
            (found == terminals).then_some(())
        });
    }

    /// Kills the holder of a session; the one that goes on.
    pub(super) fn crash(&self, id: &str) -> u32 {
        let before = pid_of(&self.holder(id)["holder"]);
        super::signal(before, Signal::KILL);
        wait_for("another holder", || {
            let now = pid_of(&self.holder(id)["holder"]);
            (now != before).then_some(now)
        })
    }
}

/// Another holder goes on where one was killed: the program does not notice, terminals come back,
/// history is there, and what it writes meanwhile, too.
#[test]
fn a_holder_that_is_killed_is_followed_by_another() {
    let world = World::new();
    let daemon = world.daemon();
    let script = "seq -f 'line %.0f' 1 2000; \
                  while read word; do printf \"\\033]0;at $word\\007<$word>\\n\"; done; exit 3";
    let info = world.start("crash", script);
    let id = info["id"].as_str().unwrap().to_owned();
    let mut tty = world.attach(&["crash"], 80, 24);
    tty.waits_for("line 2000");
    world.kept(daemon, 1);
    tty.types("before\r");
    tty.waits_for("<before>");
    // Once it has paused, what it wrote is laid down.
    let state = || fs::read(format!("/proc/{daemon}/fd/{}", state_of(daemon))).unwrap();
    wait_for("the state", || {
        memchr::memmem::find(&state(), b"<before>").map(|_| ())
    });
    let holder = world.crash(&id);
    assert!(is_alive(pid_of(&info["pid"])) && is_alive(tty.pid()));
    assert_eq!(world.holder(&id)["title"], "at before");
    tty.seen.clear();
    tty.waits_for("<before>");
    tty.types("after\r");
    tty.waits_for("<after>");
    let history = world.history("crash");
    assert!(history.starts_with("line 1\n"), "{}", &history[..200]);
    assert!(history.contains("line 2000\n"));
    // This one is kept, too, and can be another program.
    world.kept(daemon, 1);
    let earlier = world.earlier();
    let mut upgrade = world.0.command(&earlier);
    let done = while_read(&mut tty, upgrade.args(["upgrade", "crash"]));
    assert!(done.status.success(), "{done:?}");
    let now = world.holder(&id);
    assert_eq!(
        (pid_of(&now["holder"]), &now["version"]),
        (holder, &EARLIER.into())
    );
    tty.types("upgraded\r");
    tty.waits_for("<upgraded>");
    tty.seen.clear();
    world.crash(&id);
    // What is typed before it is drawn anew may go with the old connection.
    tty.waits_for("\x1b[?2026l");
    tty.types("again\r");
    tty.waits_for("<again>");
    let doctor = world.says(&["end", "--yes", "crash"]);
    assert!(doctor.contains("ended; how, nobody saw"), "{doctor}");
    assert!(!is_alive(pid_of(&info["pid"])));
    world.kept(daemon, 0);
    super::signal(daemon, Signal::TERM);
}

/// The number of the descriptor with a session's state.
fn state_of(daemon: u32) -> String {
    let all = fs::read_dir(format!("/proc/{daemon}/fd"))
        .unwrap()
        .flatten();
    let is_state = |entry: &fs::DirEntry| {
        let link = fs::read_link(entry.path()).unwrap_or_default();
        link.to_string_lossy().contains("memfd:vmux-session")
    };
    let mut found = all.filter(is_state);
    let name = found.next().unwrap().file_name();
    name.into_string().unwrap()
}

/// What the new daemon finds it keeps again; what it writes in a crash is not lost.
#[test]
fn a_flood_goes_on_after_daemon_and_holder_are_killed_in_turn() {
    let world = World::new();
    let first = world.daemon();
    let script = "read go; i=0; while [ $i -lt 3000 ]; do echo \"n $i\"; i=$((i+1)); done; \
                  echo the end; exec cat";
    let info = world.start("turn", script);
    let id = info["id"].as_str().unwrap().to_owned();
    world.kept(first, 1);
    super::signal(first, Signal::KILL);
    wait_for("its end", || (!is_alive(first)).then_some(()));
    let second = world.daemon();
    world.kept(second, 1);
    world.says(&["send", "--enter", "turn", "go"]);
    world.crash(&id);
    world.shows("turn", "the end");
    let history = world.history("turn");
    assert!(history.contains("n 2999\n"), "what came after the crash");
    assert!(is_alive(pid_of(&info["pid"])));
    super::signal(second, Signal::TERM);
}

/// Without a daemon nobody keeps the terminal: the program is hung up.
#[test]
fn without_a_daemon_a_killed_holder_takes_its_session_along() {
    let world = World::new();
    let info = world.start("alone", "exec cat");
    super::signal(pid_of(&info["holder"]), Signal::KILL);
    wait_for("the end of the program", || {
        (!is_alive(pid_of(&info["pid"]))).then_some(())
    });
}

/// At the end of a session the daemon lets go of its terminal: what is left in it is hung up.
#[test]
fn what_a_session_leaves_is_hung_up_though_the_daemon_keeps_terminals() {
    let world = World::new();
    let daemon = world.daemon();
    // In a group of its own: it is told by what it writes alone.
    let script = "set -m; (trap '' HUP; while echo x; do sleep 0.05; done) & \
                  echo $! > left; read go; sleep 0.5; exit 0";
    world.start("leaves", script);
    world.kept(daemon, 1);
    let left = wait_for("the one that is left", || {
        let pid = fs::read_to_string(world.0.path("work/left")).ok()?;
        pid.trim().parse::<u32>().ok()
    });
    world.says(&["send", "--enter", "leaves", "go"]);
    world.kept(daemon, 0);
    wait_for("its end", || (!is_alive(left)).then_some(()));
    super::signal(daemon, Signal::TERM);
}

/// Whose holders crash again and again waits a while for the next one, and lives on.
#[test]
fn a_crash_loop_costs_no_session() {
    let world = World::new();
    let daemon = world.daemon();
    let info = world.start("loop", "exec cat");
    let id = info["id"].as_str().unwrap().to_owned();
    for crashes in 1..=4 {
        world.kept(daemon, 1);
        world.crash(&id);
        assert!(is_alive(pid_of(&info["pid"])), "after {crashes}");
    }
    world.says(&["send", "--enter", "loop", "all is well"]);
    world.shows("loop", "all is well\nall is well");
    super::signal(daemon, Signal::TERM);
}

/// Where no holder can go on, as in the middle of an update, the session waits for one; also if the
/// runtime directory is gone.
#[test]
fn a_session_waits_for_a_holder_that_can_go_on() {
    let world = World::new();
    let vmux = world.earlier();
    let listed = world.0.command(&vmux).arg("list").output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let daemon = world.daemon();
    let info = world.start_by(&vmux, "waits", "read word; echo \"<$word>\"; exec cat");
    let gone = world.start_by(&vmux, "gone", "exec cat");
    world.kept(daemon, 2);
    let holder = vmux.with_file_name("vmux-host");
    let away = holder.with_extension("away");
    fs::rename(&holder, &away).unwrap();
    super::signal(pid_of(&info["holder"]), Signal::KILL);
    let log = world.0.path("vmux/vmux.log");
    wait_for("a try", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("could not go on").then_some(())
    });
    // The daemon may make something in it just then.
    wait_for("no directory", || {
        fs::remove_dir_all(world.0.path("vmux")).ok()
    });
    super::signal(pid_of(&gone["holder"]), Signal::KILL);
    fs::rename(&away, &holder).unwrap();
    for session in [&info, &gone] {
        let file = format!("vmux/hosted/{}.json", session["id"].as_str().unwrap());
        wait_for("another holder", || {
            let file = fs::read(world.0.path(&file)).ok()?;
            let now: Value = serde_json::from_slice(&file).ok()?;
            (now["holder"] != session["holder"]).then_some(())
        });
        assert!(is_alive(pid_of(&session["pid"])));
    }
    world.says(&["send", "--enter", "waits", "word"]);
    world.shows("waits", "<word>");
    world.kept(daemon, 2);
    // Whose program ends meanwhile is waited for no longer.
    fs::rename(&holder, &away).unwrap();
    let file = world.0.path(&format!(
        "vmux/hosted/{}.json",
        gone["id"].as_str().unwrap()
    ));
    let now: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    super::signal(pid_of(&now["holder"]), Signal::KILL);
    super::signal(pid_of(&gone["pid"]), Signal::KILL);
    world.kept(daemon, 1);
    fs::rename(&away, &holder).unwrap();
    super::signal(daemon, Signal::TERM);
}

/// However the daemon goes and comes, who is attached does not notice.
#[test]
fn daemons_come_and_go_under_an_attached_terminal() {
    let world = World::new();
    world.daemon();
    world.start("calm", "exec cat");
    let mut tty = world.attach(&["calm"], 80, 24);
    tty.waits_for("\x1b[?2026l");
    for words in [&["daemon", "restart"][..], &["daemon", "stop"]] {
        world.says(words);
        let word = words[1];
        tty.types(&format!("{word}\r"));
        tty.waits_for(&format!("{word}\r\n{word}"));
    }
    let daemon = world.daemon();
    world.kept(daemon, 1);
    assert!(is_alive(tty.pid()));
    super::signal(daemon, Signal::TERM);
}

/// A login ends: its terminal hangs up, and all that it has started is told. The daemon that it
/// started goes on, and so does the session.
#[test]
fn the_end_of_a_login_ends_no_session() {
    let world = World::new();
    let mut login = world.0.command("sh");
    login.args([
        "-c",
        "vmux list; vmux start --name kept -- cat; echo ready; exec cat",
    ]);
    let mut tty = Tty::run(&login, 80, 24);
    tty.waits_for("ready");
    // Its leader ends, and the kernel tells the rest; then the terminal itself goes.
    super::signal(tty.pid(), Signal::HUP);
    tty.ends();
    drop(tty);
    world.says(&["send", "--enter", "kept", "still here"]);
    world.shows("kept", "still here");
    let daemon = world.daemon();
    world.kept(daemon, 1);
    super::signal(daemon, Signal::TERM);
}

/// A cleaner of the runtime directory costs neither what is kept nor what comes.
#[test]
fn terminals_are_kept_though_their_directory_was_removed() {
    let world = World::new();
    let daemon = world.daemon();
    let first = world.start("first", "exec cat");
    world.kept(daemon, 1);
    fs::remove_dir_all(world.0.path("vmux/hosted")).unwrap();
    let second = world.start("second", "exec cat");
    world.kept(daemon, 2);
    world.crash(second["id"].as_str().unwrap());
    world.kept(daemon, 2);
    assert!(is_alive(pid_of(&second["pid"])));
    // Nothing leads to the first one any more; a signal ends it.
    super::signal(pid_of(&first["holder"]), Signal::TERM);
    wait_for("its end", || {
        (!is_alive(pid_of(&first["pid"]))).then_some(())
    });
    world.kept(daemon, 1);
    super::signal(daemon, Signal::TERM);
}

/// Two daemons may keep one session: one holder goes on, not two.
#[test]
fn two_daemons_that_keep_a_session_do_not_hold_it_twice() {
    let world = World::new();
    let daemon = world.daemon();
    let other = world.0.path("other.sock");
    let mut second = world.0.command(VMUX);
    second.args(["daemon", "run"]).env("VMUX_SOCKET", &other);
    let second = crate::kit::Killed(second.spawn().unwrap());
    let info = world.start("one", "while read word; do echo \"<$word>\"; done");
    let id = info["id"].as_str().unwrap();
    for pid in [daemon, second.0.id()] {
        world.kept(pid, 1);
    }
    let holder = world.crash(id);
    for pid in [daemon, second.0.id()] {
        world.kept(pid, 1);
    }
    for n in 0..20 {
        world.says(&["send", "--enter", "one", &format!("word{n}")]);
        world.shows("one", &format!("<word{n}>"));
    }
    assert_eq!(pid_of(&world.holder(id)["holder"]), holder);
    let all = fs::read_dir("/proc").unwrap().flatten();
    let held = all.filter(|entry| {
        let dir = entry.path();
        let command = fs::read(dir.join("cmdline")).unwrap_or_default();
        let own = fs::read(dir.join("environ")).unwrap_or_default();
        let home = world.0.dir().to_str().unwrap().as_bytes();
        command.ends_with(b"--adopted\0") && memchr::memmem::find(&own, home).is_some()
    });
    assert_eq!(held.count(), 1);
    super::signal(daemon, Signal::TERM);
}
