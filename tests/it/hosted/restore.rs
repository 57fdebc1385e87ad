//! What was hosted comes back after everything was killed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::enter::play;
use super::{World, pid_of, signal};
use crate::kit::home::VMUX;
use crate::kit::process::is_alive;
use crate::kit::wait_for;

/// A home of which the runtime directory is one, and the state directory another.
struct Machine(World);

impl Drop for Machine {
    fn drop(&mut self) {
        for id in self.ids() {
            self.vmux(&["end", "--yes", &id]);
        }
        self.vmux(&["daemon", "stop"]);
    }
}

impl Machine {
    fn new() -> Self {
        let machine = Self(World::new());
        let real = machine.0.0.make_dir("bin/real");
        symlink("/bin/sleep", real.join("claude")).unwrap();
        // Says what it was started with, and in which conversation it is, as Claude Code does.
        let script = r#"echo "$PWD: $*" >> "$HOME/started"
            id=new-$$
            for word; do [ "$before" = --resume ] && id=$word; before=$word; done
            start=$(cut -d ' ' -f 22 /proc/$$/stat)
            mkdir -p "$HOME/.claude/sessions"
            echo "{\"pid\":$$,\"sessionId\":\"$id\",\"cwd\":\"$PWD\",\"procStart\":\"$start\",\"startedAt\":1795164508161,\"version\":\"2.1.328\",\"kind\":\"interactive\",\"entrypoint\":\"cli\",\"status\":\"idle\",\"statusUpdatedAt\":1795164508161}" > "$HOME/.claude/sessions/$$.json"
            exec "$HOME/../bin/real/claude" 3600"#;
        play(&machine.0, "claude", script);
        machine
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.0.0.command(VMUX);
        command.args(words).env_remove("VMUX_DIR");
        command
    }

    fn vmux(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn says(&self, words: &[&str]) -> String {
        let done = self.vmux(words);
        String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap()
    }

    fn start(&self, words: &[&str]) -> Value {
        let done = self.vmux(&[&["start", "--json"], words].concat());
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn state(&self, name: &str) -> PathBuf {
        self.0.0.path("home/.local/state/vmux").join(name)
    }

    fn ids(&self) -> Vec<String> {
        let dir = fs::read_dir(self.0.0.path("run/vmux/hosted"));
        let names = dir.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| Some(name.strip_suffix(".sock")?.to_owned()))
            .collect()
    }

    fn conversations(&self) -> Vec<String> {
        let done = self.vmux(&["list", "--json"]);
        let listed: Value = serde_json::from_slice(&done.stdout).unwrap();
        let all = listed["sessions"].as_array().unwrap().iter();
        let ids = all.filter_map(|session| Some(session["session_id"].as_str()?.to_owned()));
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    }

    /// Kills the daemon and all that is hosted, and empties the runtime directory.
    fn crash(&self, hosted: &[&Value]) {
        let pid = fs::read_to_string(self.0.0.path("run/vmux/vmuxd.pid")).unwrap();
        let daemon: u32 = pid.trim().parse().unwrap();
        let hosted = hosted
            .iter()
            .flat_map(|info| [pid_of(&info["holder"]), pid_of(&info["pid"])]);
        for pid in [daemon].into_iter().chain(hosted) {
            if is_alive(pid) {
                signal(pid, Signal::KILL);
            }
            wait_for("its end", || (!is_alive(pid)).then_some(()));
        }
        fs::remove_dir_all(self.0.0.path("run/vmux")).unwrap();
    }

    /// What claude was started with.
    fn started(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.0.path("home/started")).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| line.rsplit('/').next().unwrap().to_owned());
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    }
}

/// What was hosted when everything was killed.
struct Before {
    shop: Value,
    site: Value,
    docs: Value,
    server: Value,
    conversations: Vec<String>,
}

/// Three of Claude Code, of which one was ended, and another program.
fn crashed(machine: &Machine) -> Before {
    for dir in ["work/shop", "work/site", "work/docs"] {
        machine.0.0.make_dir(dir);
    }
    let shop = [
        "shop",
        "--name",
        "pay",
        "--workspace",
        "3",
        "--",
        "claude",
        "--model",
        "opus",
        "go",
    ];
    let shop = machine.start(&shop);
    let site = machine.start(&["site"]);
    let docs = machine.start(&["docs", "--name", "docs"]);
    let server = machine.start(&["--name", "dev", "--", "sleep", "3339"]);
    let conversations = wait_for("all conversations", || {
        Some(machine.conversations()).filter(|ids| ids.len() == 3)
    });
    wait_for("a note of them", || {
        let roll = fs::read_to_string(machine.state("sessions.json")).ok()?;
        let all = conversations.iter().all(|id| roll.contains(id.as_str()));
        let hosted = [&shop, &site, &docs].map(id);
        let hosted = hosted.iter().all(|id| roll.contains(id.as_str()));
        (all && hosted).then_some(())
    });
    machine.says(&["end", "--yes", "docs"]);
    fs::write(machine.state("hosted/hbrok.kept"), "{").unwrap();
    machine.crash(&[&shop, &site, &server]);
    fs::remove_file(machine.0.0.path("home/started")).unwrap();
    Before {
        shop,
        site,
        docs,
        server,
        conversations,
    }
}

fn id(info: &Value) -> String {
    info["id"].as_str().unwrap().to_owned()
}

fn conversation(info: &Value) -> String {
    format!("new-{}", info["pid"])
}

fn says_what_would_be_done(machine: &Machine, before: &Before) {
    let Before {
        shop,
        site,
        docs,
        server,
        ..
    } = before;
    let plan = machine.says(&["restore", "--dry-run"]);
    for words in [
        format!(
            "{}  would resume `claude --model opus --resume {}` in ",
            id(shop),
            conversation(shop)
        ),
        format!(
            "{}  would resume `claude --resume {}` in ",
            id(site),
            conversation(site)
        ),
        format!("{}  left: `sleep 3339` in ", id(server)),
        "work/shop, on workspace 3".to_owned(),
        "could not read ".to_owned(),
    ] {
        assert!(plan.contains(&words), "{words:?} in {plan}");
    }
    assert!(!plan.contains(&id(docs)), "it was ended: {plan}");
    assert_eq!(machine.started(), Vec::<String>::new(), "only said");
}

#[test]
fn what_was_hosted_comes_back_once_with_its_conversation() {
    let machine = Machine::new();
    let before = crashed(&machine);
    let Before { shop, site, .. } = &before;
    says_what_would_be_done(&machine, &before);
    let mut both = [(); 2].map(|()| {
        let mut command = machine.command(&["restore"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    for one in &mut both {
        let status = one.wait().unwrap();
        assert_eq!(status.code(), Some(1), "one record cannot be read");
    }
    let resumed = [
        format!("shop: --model opus --resume {}", conversation(shop)),
        format!("site: --resume {}", conversation(site)),
    ];
    wait_for("both", || (machine.started() == resumed).then_some(()));
    let mut kept = before.conversations.clone();
    kept.retain(|id| *id != conversation(&before.docs));
    wait_for("their conversations", || {
        (machine.conversations() == kept).then_some(())
    });
    let mut ids = [id(shop), id(site)];
    ids.sort();
    wait_for("their ids", || {
        let mut there = machine.ids();
        there.sort();
        (there == ids).then_some(())
    });
    assert!(machine.state("hosted/hbrok.kept").exists(), "it was left");
    let again = machine.says(&["restore"]);
    assert!(!again.contains("resumed"), "{again}");
    assert_eq!(machine.started(), resumed, "none twice");

    let forgotten = machine.says(&["end", "--yes", "dev"]);
    assert!(forgotten.contains("is not to be restored"), "{forgotten}");
    let left = machine.says(&["restore", "--commands", "--dry-run"]);
    assert!(!left.contains("sleep 3339"), "{left}");
}

/// A session whose holder crashed, and that no other one goes on with yet, is there: to start it
/// again would let its terminal go.
#[test]
fn a_session_that_waits_for_a_holder_is_not_restored() {
    let world = World::new();
    let vmux = world.earlier();
    let listed = world.0.command(&vmux).arg("list").output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let daemon = world.daemon();
    let info = world.start_by(&vmux, "waits", "exec cat");
    let pid = pid_of(&info["pid"]);
    let record = world.0.path("vmux/hosted");
    let record = record.join(format!("{}.kept", id(&info)));
    wait_for("its record", || record.exists().then_some(()));
    world.kept(daemon, 1);
    fs::remove_file(vmux.with_file_name("vmux-host")).unwrap();
    signal(pid_of(&info["holder"]), Signal::KILL);
    let log = world.0.path("vmux/vmux.log");
    wait_for("a try", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("could not go on").then_some(())
    });
    let refused = world.0.vmux(&["end", "--yes", "waits"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains(&format!("`kill {pid}`")), "{said}");
    assert!(record.exists(), "it is not forgotten");
    let words = format!("{}  left: it still runs (process {pid})", id(&info));
    let said = world.says(&["restore", "--commands"]);
    assert!(said.contains(&words), "{said}");
    world.kept(daemon, 1);
    assert!(is_alive(pid));
    // Once it is gone there is something to restore.
    signal(pid, Signal::KILL);
    world.kept(daemon, 0);
    let said = world.says(&["restore", "--commands"]);
    assert!(said.contains("  started `sh -c exec cat` in "), "{said}");
    signal(daemon, Signal::TERM);
}

/// Two that were lost have one name: neither is forgotten by it.
#[test]
fn a_name_that_two_lost_sessions_have_forgets_neither() {
    let world = World::new();
    let both = [(); 2].map(|()| world.start("shop", "exec cat"));
    let daemon = world.daemon();
    let records = both.each_ref().map(|info| {
        let file = format!("vmux/hosted/{}.kept", id(info));
        let file = world.0.path(&file);
        wait_for("its record", || file.exists().then_some(()));
        file
    });
    world.kept(daemon, 2);
    for info in &both {
        signal(pid_of(&info["holder"]), Signal::STOP);
        signal(pid_of(&info["pid"]), Signal::KILL);
        signal(pid_of(&info["holder"]), Signal::KILL);
    }
    world.kept(daemon, 0);
    let refused = world.0.vmux(&["end", "--yes", "shop"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("fits several"), "{said}");
    assert_eq!(refused.status.code(), Some(2), "{said}");
    let left = || records.each_ref().map(|file| file.exists());
    assert_eq!(left(), [true, true]);
    world.says(&["end", "--yes", &id(&both[1])]);
    assert_eq!(left(), [true, false]);
    world.says(&["end", "--yes", "shop"]);
    assert_eq!(left(), [false, false]);
    signal(daemon, Signal::TERM);
}
