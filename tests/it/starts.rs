//! What is known of a process that has no status file: only evidence makes a wait of it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use serde_json::json;
use vmux::core::model::{Reason, Session, State};

use crate::machine::{Machine, Process};
use crate::watched::Watched;

/// The sha256 of the socket's path; vmux does not compute it.
const HASH: &str = "cd505e61e9f996155410d2a6f3eb4179381a08790b7c0e43d3942d344065958b";

impl Process<'_> {
    /// Listens on its inbox, as 2.1.250 and newer do before their start dialogs.
    fn listens(&self, machine: &Machine) {
        let pid = self.pid;
        self.link("fd/8", "socket:[4711]");
        let line = format!(
            "0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/user/7/cc-socks/{pid}.sock\n"
        );
        machine.write(&format!("proc/{pid}/net/unix"), &line);
    }

    /// Leaves the key to its inbox.
    fn leaves_key(&self, machine: &Machine, text: &str) -> fs::File {
        let name = format!("home/.claude/sessions/{}.{HASH}.key", self.pid);
        let path = machine.write(&name, text);
        fs::File::options().write(true).open(path).unwrap()
    }
}

/// A process of a version that writes a status file, without one.
fn newer(machine: &Machine, pid: u32) -> Process<'_> {
    let exe = "/h/claude/versions/2.1.332";
    machine.process(pid, "claude", exe, &["claude"])
}

fn seen(watched: &Watched) -> (State, Option<Reason>) {
    let Session { state, reason, .. } = watched.only();
    (state, reason)
}

const DIALOG: (State, Option<Reason>) = (State::NeedsInput, Some(Reason::StartDialog));
const UNKNOWN: (State, Option<Reason>) = (State::Unknown, None);

#[test]
fn a_start_dialog_is_an_open_inbox_without_a_session() {
    let machine = Machine::new();
    let claude = newer(&machine, 101);
    claude.listens(&machine);
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    let key = claude.leaves_key(&machine, "{}");
    key.set_modified(long_ago).unwrap();
    let mut watched = Watched::new(&machine);
    assert_eq!(seen(&watched), DIALOG);
    let since = watched.only().waiting_since.unwrap();
    assert!((since - chrono::DateTime::<Utc>::from(long_ago)).num_seconds() == 0);
    claude.file(json!({}));
    watched.events();
    assert_eq!(seen(&watched), (State::Idle, None), "answered");
}

#[test]
fn a_key_that_comes_late_is_seen_by_its_event() {
    let machine = Machine::new();
    let other = machine.claude(100);
    other.file(json!({}));
    let claude = newer(&machine, 101);
    let mut watched = Watched::new(&machine);
    let state = |watched: &Watched| {
        let all = watched.sessions();
        all.into_iter()
            .find(|s| s.pid.0 == 101)
            .map(|s| (s.state, s.reason))
    };
    assert_eq!(state(&watched), Some(UNKNOWN));
    claude.listens(&machine);
    claude.leaves_key(&machine, "{}");
    watched.events();
    assert_eq!(
        state(&watched),
        Some((State::Working, Some(Reason::Starting)))
    );
}

type Arrange = fn(&Machine, &Process<'_>);

#[test]
fn what_is_missing_proves_no_wait() {
    // Each lacks one thing of the first, or has something that speaks against it.
    let cases: [(&str, Arrange); 8] = [
        ("nothing but the process", |_, _| {}),
        (
            "a version that does not show that its session has begun",
            |machine, claude| {
                claude.link("exe", "/h/claude/versions/2.1.250");
                claude.listens(machine);
                claude.leaves_key(machine, "{}");
            },
        ),
        (
            "a key of the process that had the pid before",
            |machine, claude| {
                claude.listens(machine);
                let key = claude.leaves_key(machine, "{}");
                let before = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
                key.set_modified(before).unwrap();
            },
        ),
        ("a key, and nobody who listens", |machine, claude| {
            claude.leaves_key(machine, "{}");
        }),
        (
            "an inbox without a key: sessions/ cannot be written",
            |machine, claude| {
                claude.listens(machine);
            },
        ),
        ("an empty key: the disk is full", |machine, claude| {
            claude.listens(machine);
            claude.leaves_key(machine, "");
        }),
        (
            "an empty status file: the disk is full",
            |machine, claude| {
                claude.listens(machine);
                claude.leaves_key(machine, "{}");
                fs::write(claude.file_path(), "").unwrap();
            },
        ),
        (
            "its session has begun, its file was removed",
            |machine, claude| {
                claude.listens(machine);
                claude.leaves_key(machine, "{}");
                let inode = fs::metadata(machine.path("work")).unwrap().ino();
                claude.link("fd/9", "anon_inode:inotify");
                let info = format!("pos:\t0\ninotify wd:2 ino:{inode:x} sdev:fe00000 mask:fc6\n");
                machine.write("proc/101/fdinfo/9", &info);
            },
        ),
    ];
    for (what, arrange) in cases {
        let machine = Machine::new();
        let claude = newer(&machine, 101);
        arrange(&machine, &claude);
        let watched = Watched::new(&machine);
        assert_eq!(seen(&watched), UNKNOWN, "{what}");
    }
}

#[test]
fn a_file_that_another_process_left_is_no_sign_of_a_start() {
    let machine = Machine::new();
    let claude = newer(&machine, 101);
    claude.file(json!({"procStart": "7", "status": "idle"}));
    claude.listens(&machine);
    let key = claude.leaves_key(&machine, "{}");
    key.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
    let watched = Watched::new(&machine);
    assert_eq!(seen(&watched), DIALOG);
}

#[test]
fn a_session_whose_file_is_removed_is_in_no_start_dialog() {
    let machine = Machine::new();
    let claude = newer(&machine, 101);
    claude.listens(&machine);
    let key = claude.leaves_key(&machine, "{}");
    key.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
    claude.file(json!({}));
    let mut watched = Watched::new(&machine);
    fs::remove_file(claude.file_path()).unwrap();
    watched.events();
    watched.scan();
    assert_ne!(watched.only().state, State::NeedsInput);
}
