//! `labels.json` between daemons, editors, full disks and links: what was said is kept.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::machine::Machine;
use crate::service::{Daemon, command, shown, vmux, wait_for};

/// Two sessions, 101 of conversation `s-101` and 102 of `s-102`.
fn machine() -> Machine {
    let machine = Machine::new();
    for (pid, dir) in [(101, "shop"), (102, "docs")] {
        let claude = machine.claude(pid);
        claude.works_in(&format!("work/{dir}"));
        claude.file(serde_json::json!({}));
    }
    machine
}

fn run(machine: &Machine, words: &[&str]) -> String {
    shown(machine, &vmux(machine, words))
}

fn kept(machine: &Machine) -> String {
    fs::read_to_string(machine.path("vmux/labels.json")).unwrap_or_default()
}

fn wait_for_kept(machine: &Machine, words: &str) {
    wait_for(words, || kept(machine).contains(words).then_some(()));
}

/// A daemon that was started in a way of its own.
struct Other(Child);

impl Other {
    fn start(command: &mut Command, socket: &Path) -> Self {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.args(["daemon", "run"]).spawn().unwrap();
        let other = Self(child);
        wait_for("the daemon", || UnixStream::connect(socket).ok());
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A directory in the file's place fails for root as well, unlike permissions.
#[test]
fn an_unsaved_label_is_written_when_the_same_word_is_said_again() {
    let machine = machine();
    let path = machine.path("vmux/labels.json");
    let daemon = Daemon::start(&machine);
    fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        let said = run(&machine, &["label", "shop", "pay"]);
        assert!(said.contains("could not save the change"), "{said}");
        assert!(said.ends_with("--- exit 1\n"), "{said}");
    }
    assert!(
        run(&machine, &["list"]).starts_with("pay"),
        "kept meanwhile"
    );
    assert!(run(&machine, &["doctor"]).contains("BAD   labels"));
    fs::remove_dir(&path).unwrap();
    assert_eq!(run(&machine, &["label", "pay", "pay"]), "101-1010  pay\n");
    assert!(kept(&machine).contains("\"pay\""));
    drop(daemon);
}

#[test]
fn an_unsaved_label_is_written_by_itself_as_soon_as_it_can_be() {
    let machine = machine();
    let path = machine.path("vmux/labels.json");
    let daemon = Daemon::start(&machine);
    fs::create_dir(&path).unwrap();
    run(&machine, &["label", "shop", "pay"]);
    fs::remove_dir(&path).unwrap();
    wait_for_kept(&machine, "\"pay\"");
    let ill = || daemon.ask(r#"{"action":"status"}"#)["status"]["sources"]["labels"]["ok"].clone();
    wait_for("a good word", || (ill() == true).then_some(()));
    // The last try is that of the daemon's end.
    fs::create_dir(machine.path("aside")).unwrap();
    fs::rename(&path, machine.path("aside/labels.json")).unwrap();
    fs::create_dir(&path).unwrap();
    run(&machine, &["label", "docs", "manual"]);
    fs::remove_dir(&path).unwrap();
    run(&machine, &["daemon", "stop"]);
    assert!(kept(&machine).contains("\"manual\"") && kept(&machine).contains("\"pay\""));
}

#[test]
fn labels_that_could_not_be_read_at_the_start_are_as_soon_as_they_can_be() {
    let machine = machine();
    let path = machine.path("vmux/labels.json");
    fs::create_dir_all(&path).unwrap();
    let _daemon = Daemon::start(&machine);
    let status = || run(&machine, &["daemon", "status"]);
    assert!(
        status().contains("labels    fails: could not read"),
        "{}",
        status()
    );
    fs::remove_dir(&path).unwrap();
    fs::write(&path, r#"{"labels": {"s-101": {"label": "old"}}}"#).unwrap();
    wait_for("the label", || {
        run(&machine, &["list"]).contains("old").then_some(())
    });
    assert!(status().contains("labels    works"), "{}", status());
}

#[test]
fn daemons_at_two_sockets_keep_each_others_labels() {
    let machine = machine();
    let one = Daemon::start(&machine);
    let socket = machine.path("other.sock");
    let mut program = command(&machine, env!("CARGO_BIN_EXE_vmux"));
    let two = Other::start(program.env("VMUX_SOCKET", &socket), &socket);
    let at_two = |words: &[&str]| {
        let socket = ["--socket", socket.to_str().unwrap()];
        run(&machine, &[&socket[..], words].concat())
    };
    run(&machine, &["label", "shop", "pay"]);
    // Whether or not it has heard of the label.
    let pinned = at_two(&["pin", "101-1010"]);
    assert!(pinned.ends_with(" pinned\n"), "{pinned}");
    at_two(&["label", "docs", "manual"]);
    run(&machine, &["pin", "docs"]);
    for words in ["\"pay\"", "\"manual\""] {
        assert!(kept(&machine).contains(words), "{}", kept(&machine));
    }
    assert_eq!(kept(&machine).matches("\"pinned\": true").count(), 2);
    let both = |list: String| (list.contains("pay") && list.contains("manual")).then_some(());
    wait_for("both labels here", || both(run(&machine, &["list"])));
    wait_for("both labels there", || both(at_two(&["list"])));
    drop((one, two));
}

#[test]
fn what_an_editor_or_a_call_without_a_daemon_writes_is_seen_and_kept() {
    let machine = machine();
    let path = machine.path("vmux/labels.json");
    let _daemon = Daemon::start(&machine);
    run(&machine, &["label", "shop", "pay"]);
    fs::write(&path, kept(&machine).replace("\"pay\"", "\"payments\"")).unwrap();
    run(&machine, &["label", "docs", "manual"]);
    assert!(kept(&machine).contains("\"payments\""));
    wait_for("the label", || {
        run(&machine, &["list"]).contains("payments").then_some(())
    });
    let done = run(&machine, &["--no-daemon", "label", "manual", "guide"]);
    assert_eq!(done, "102-1020  guide\n");
    wait_for("the label", || {
        run(&machine, &["list"]).contains("guide").then_some(())
    });
    fs::write(&path, "{\"labels\": {}}").unwrap();
    wait_for("no label", || {
        (!run(&machine, &["list"]).contains("guide")).then_some(())
    });
}

/// `vmux` as a user for whom permissions count.
fn as_user(machine: &Machine) -> Command {
    let mut command = command(machine, env!("CARGO_BIN_EXE_vmux"));
    if rustix::process::geteuid().is_root() {
        let nobody = 65534;
        let chown = Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(machine.path(""))
            .status();
        assert!(chown.unwrap().success());
        command.uid(nobody).gid(nobody);
    }
    command
}

#[test]
fn labels_that_cannot_be_read_are_never_overwritten() {
    let machine = machine();
    let text = r#"{"version": 1, "labels": {"s-101": {"label": "old"}}}"#;
    let path = machine.write("vmux/labels.json", text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let socket = machine.path("vmux/vmux.sock");
    let _daemon = Other::start(&mut as_user(&machine), &socket);
    let run = |words: &[&str]| shown(&machine, &as_user(&machine).args(words).output().unwrap());
    for words in [
        &["label", "docs", "new"][..],
        &["--no-daemon", "label", "docs", "new"],
    ] {
        let said = run(words);
        assert!(said.contains("Permission denied"), "{said}");
        assert!(
            said.contains("hint: chmod u+rw /M/vmux/labels.json"),
            "{said}"
        );
        assert!(said.ends_with("--- exit 1\n"), "{said}");
    }
    assert!(run(&["doctor"]).contains("BAD   labels"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Once it can be read, both are there.
    wait_for_kept(&machine, "\"new\"");
    assert!(kept(&machine).contains("\"old\""));
    wait_for("the old label", || {
        run(&["list"]).contains("old").then_some(())
    });
}

#[test]
fn labels_are_written_where_the_directory_takes_no_other_file() {
    let machine = machine();
    let file = machine.write("dotfiles/labels.json", "{}");
    fs::create_dir_all(machine.path("vmux")).unwrap();
    symlink(&file, machine.path("vmux/labels.json")).unwrap();
    let mut label = as_user(&machine);
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o555)).unwrap();
    let done = label.args(["--no-daemon", "label", "shop", "pay"]).output();
    assert_eq!(shown(&machine, &done.unwrap()), "101-1010  pay\n");
    assert!(fs::read_to_string(&file).unwrap().contains("\"pay\""));
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_look_without_a_daemon_writes_nothing() {
    for text in [r#"{"version": 2, "labels": {}}"#, "{", "[]", ""] {
        let machine = machine();
        let path = machine.write("vmux/labels.json", text);
        let before = fs::metadata(machine.path("vmux")).unwrap().modified();
        let before = before.unwrap();
        for words in [
            &["--no-daemon", "list"][..],
            &["explain", "shop"],
            &["doctor"],
        ] {
            let mut look = command(&machine, env!("CARGO_BIN_EXE_vmux"));
            look.env("VMUX_NO_DAEMON", "1")
                .args(words)
                .output()
                .unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "{words:?}");
            assert_eq!(fs::read_dir(machine.path("vmux")).unwrap().count(), 1);
            let changed = fs::metadata(machine.path("vmux")).unwrap().modified();
            assert_eq!(changed.unwrap(), before, "{words:?}");
        }
    }
}

#[test]
fn what_a_killed_daemon_left_half_written_goes() {
    let machine = machine();
    // No process has this number (proc(5): 2^22 at most).
    let left = machine.write("vmux/labels.json.4194304.tmp", "{");
    let _daemon = Daemon::start(&machine);
    wait_for("its end", || (!left.exists()).then_some(()));
}

#[test]
fn a_label_that_no_query_could_mean_is_refused() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    for words in [
        &["label", "shop", "@waiting"][..],
        &["--no-daemon", "label", "shop", " @waiting"],
    ] {
        assert_eq!(
            run(&machine, words),
            "--- stderr\nvmux: @waiting means the session that waits longest, and can be no label\n\
             hint: choose another one\n--- exit 2\n"
        );
    }
    assert!(!run(&machine, &["list"]).contains('@'));
}

#[test]
fn a_snooze_says_for_how_long() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    for (length, words) in [("30d", "30 days"), ("90m", "1h 30m")] {
        let said = run(&machine, &["snooze", "shop", length]);
        assert_eq!(said, format!("101-1010  shop snoozed for {words}\n"));
    }
}
