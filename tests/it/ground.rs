//! What lies where sessions work, and what is done where it cannot be seen.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use serde_json::json;
use vmux::core::model::{Session, State};
use vmux::source::scout::{Scout, Senses};
use vmux::sys::ground::Ground;
use vmux::sys::inotify;

use crate::machine::{Machine, answer, prompt};
use crate::service::{Daemon, command, wait_for};
use crate::watched::Watched;

fn branch(session: &Session) -> Option<&str> {
    session.git_branch.as_deref()
}

#[test]
fn a_removed_directory_is_gone_and_on_no_branch() {
    let machine = Machine::new();
    machine.repository("work/shop", "main");
    let claude = machine.claude(101);
    let dir = claude.works_in("work/shop/fix");
    claude.file(json!({}));
    let mut watched = Watched::new(&machine);
    assert_eq!(branch(&watched.only()), Some("main"));
    fs::remove_dir(&dir).unwrap();
    watched.scan();
    let session = watched.only();
    assert_eq!((branch(&session), session.cwd_gone), (None, true));
    assert!(watched.problems(101).contains("/work/shop/fix is gone"));
    // One that is made anew at its place is what its commands run in.
    fs::create_dir(&dir).unwrap();
    watched.scan();
    assert_eq!(branch(&watched.only()), Some("main"));
}

#[test]
fn the_kernels_mark_of_a_removed_directory_is_no_part_of_its_name() {
    let machine = Machine::new();
    let claude = machine.process(101, "claude", "/usr/bin/node", &["claude"]);
    claude.link(
        "cwd",
        &format!("{} (deleted)", machine.path("work/fix").display()),
    );
    let called_so = machine.process(102, "claude", "/usr/bin/node", &["claude"]);
    called_so.works_in("work/old (deleted)");
    let watched = Watched::new(&machine);
    let places = watched.sessions();
    let places = places.iter().map(|s| (s.place().to_string(), s.cwd_gone));
    let expected = [
        ("fix".to_owned(), true),
        ("old (deleted)".to_owned(), false),
    ];
    assert_eq!(places.collect::<Vec<_>>(), expected);
}

#[test]
fn a_repository_that_appears_or_goes_is_seen_by_the_next_scan() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop/src");
    claude.file(json!({}));
    let mut watched = Watched::new(&machine);
    assert_eq!(branch(&watched.only()), None);
    machine.repository("work/shop", "main");
    watched.scan();
    assert_eq!(branch(&watched.only()), Some("main"));
    machine.repository("work/shop/src", "nearer");
    watched.scan();
    assert_eq!(branch(&watched.only()), Some("nearer"));
    machine.write("work/shop/src/.git/HEAD", "ref: refs/heads/other\n");
    watched.events();
    assert_eq!(branch(&watched.only()), Some("other"));
    fs::remove_dir_all(machine.path("work/shop/src/.git")).unwrap();
    watched.events();
    watched.scan();
    assert_eq!(branch(&watched.only()), Some("main"));
}

/// Four sessions: one works on a file system that answers, the configuration of the last lies
/// on one that does not.
fn machine_with_a_silent_mount() -> Machine {
    let machine = Machine::new();
    for (pid, dir) in [(101, "dead/shop"), (102, "work/lib"), (103, "dead/other")] {
        machine.repository(dir, "main");
        let claude = machine.claude(pid);
        claude.works_in(dir);
        claude.file(json!({"status": "busy"}));
    }
    let elsewhere = machine.claude(104);
    let config = machine.path("dead/config");
    elsewhere.environ(&format!("CLAUDE_CONFIG_DIR={}\0", config.display()));
    fs::create_dir_all(&config).unwrap();
    let mount = format!(
        "1 0 0:44 / {} rw - fuse x rw\n",
        machine.path("dead").display()
    );
    machine.write("proc/self/mountinfo", &mount);
    machine
}

#[test]
fn a_silent_file_system_costs_its_own_sessions_only() {
    let machine = machine_with_a_silent_mount();
    let dead = machine.path("dead");
    let (answers, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let senses = Senses {
        look: Arc::new(move |spot| {
            if spot.dir.starts_with(&dead) {
                drop(wait.lock().map(|wait| wait.recv()));
            }
            Ground::look(spot)
        }),
        ..Senses::default()
    };
    let mut watched = Watched::by(machine.scout_with(senses));
    assert_eq!(watched.pids(), [101, 102, 103, 104]);
    let branches = |watched: &Watched| {
        let sessions = watched.sessions();
        let branches = sessions.iter().map(|s| branch(s).map(str::to_owned));
        branches.collect::<Vec<_>>()
    };
    let main = || Some("main".to_owned());
    assert_eq!(branches(&watched), [None, main(), None, None]);
    for pid in [101, 103, 104] {
        let problems = watched.problems(pid);
        assert!(
            problems.contains("its file system does not answer"),
            "{pid}: {problems}"
        );
    }
    // What its file says does not depend on where it works.
    let states = watched.sessions().into_iter().map(|s| s.state);
    assert_eq!(states.take(3).collect::<Vec<_>>(), [State::Working; 3]);
    drop(answers);
    for _ in 0..2000 {
        watched.scan();
        if branches(&watched)[..3] == [main(), main(), main()] {
            assert_eq!(watched.problems(104), "[]");
            return;
        }
        vmux::sys::clock::sleep(std::time::Duration::from_millis(5));
    }
    panic!("it answers again, and nobody looked");
}

/// The same with the processes that look there: they, too, wait for it.
#[test]
fn who_looks_at_a_silent_file_system_is_a_process_of_its_own() {
    let machine = machine_with_a_silent_mount();
    let (answers, looker) = (machine.path("answers"), machine.path("looker"));
    let script = format!(
        "#!/bin/sh\nuntil [ -e {} ]; do sleep 0.02; done\nexec {} look-at\n",
        answers.display(),
        env!("CARGO_BIN_EXE_vmux"),
    );
    fs::write(&looker, script).unwrap();
    fs::set_permissions(&looker, fs::Permissions::from_mode(0o755)).unwrap();
    let mut roots = machine.roots();
    roots.looker = Some(looker);
    let mut watched = Watched::by(Scout::new(roots).unwrap());
    let branches = |watched: &Watched| {
        let sessions = watched.sessions();
        let branches = sessions.iter().map(|s| branch(s).map(str::to_owned));
        branches.collect::<Vec<_>>()
    };
    let main = || Some("main".to_owned());
    assert_eq!(branches(&watched), [None, main(), None, None]);
    fs::write(&answers, "").unwrap();
    for _ in 0..2000 {
        watched.scan();
        if branches(&watched)[..3] == [main(), main(), main()] {
            return;
        }
        vmux::sys::clock::sleep(std::time::Duration::from_millis(5));
    }
    panic!("it answers again, and nobody looked");
}

thread_local! {
    static INSTANCES: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn without_inotify_every_scan_looks_at_all() {
    let machine = Machine::new();
    for pid in 101..109 {
        let dir = format!("work/{pid}");
        machine.repository(&dir, "main");
        let claude = machine.claude(pid);
        claude.works_in(&dir);
        claude.file(json!({"status": "busy"}));
        claude.says(&format!("s-{pid}"), &[prompt("go")]);
    }
    let mut watched = Watched::by(machine.scout_with(Senses {
        inotify: || match INSTANCES.get() {
            true => inotify::instance(),
            false => Err(Errno::MFILE),
        },
        ..Senses::default()
    }));
    let words = watched.scout.lack().unwrap().words();
    assert!(words.contains("max_user_instances"), "{words}");
    assert_eq!(watched.sessions().len(), 8);
    change_all(&machine, "one", "fix", "Done.");
    watched.scan();
    for session in watched.sessions() {
        let name = session.name.as_deref();
        assert_eq!((branch(&session), name), (Some("fix"), Some("one")));
        assert_eq!(session.preview.as_deref(), Some("Done."));
    }
    // Only the transcript moves.
    change_all(&machine, "one", "fix", "More.");
    watched.scan();
    assert!(
        watched
            .sessions()
            .iter()
            .all(|s| s.preview.as_deref() == Some("More."))
    );
    // An instance is free again: what happens now is told.
    INSTANCES.set(true);
    watched.scan();
    assert_eq!(watched.scout.lack(), None);
    watched.scan();
    change_all(&machine, "two", "last", "The end.");
    watched.events();
    for session in watched.sessions() {
        assert_eq!(
            (branch(&session), session.preview.as_deref()),
            (Some("last"), Some("The end."))
        );
    }
}

/// The whole daemon, as a user of whose inotify instances none is left.
#[test]
fn a_daemon_starts_without_inotify_and_says_so() {
    let possible = Command::new("unshare").args(["-Ur", "true"]).output();
    if !possible.is_ok_and(|done| done.status.success()) {
        return; // Here nobody may have limits of his own.
    }
    let machine = Machine::new();
    machine.claude(101).file(json!({"name": "one"}));
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$0\" daemon run";
    let child = command(&machine, "unshare")
        .args(["-Ur", "sh", "-c", script, env!("CARGO_BIN_EXE_vmux")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon {
        machine: &machine,
        child,
    };
    wait_for("the daemon", || UnixStream::connect(daemon.socket()).ok());
    let lacks = wait_for("the source of sessions", || {
        let status = daemon.ask(r#"{"action":"status"}"#);
        let lacks = &status["status"]["sources"]["sessions"]["lacks"];
        lacks.as_str().map(str::to_owned)
    });
    assert!(lacks.contains("fs.inotify.max_user_instances"), "{lacks}");
    machine.claude(101).file(json!({"name": "two"}));
    daemon.wait_for_session("the next scan", |session| session["name"] == "two");
}

/// Changes what can change of all sessions.
fn change_all(machine: &Machine, name: &str, head: &str, said: &str) {
    for pid in 101..109 {
        let sessions = machine.config().join(format!("sessions/{pid}.json"));
        let file = fs::read_to_string(&sessions).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&file).unwrap();
        file["name"] = json!(name);
        replace(&sessions, &file.to_string());
        let project = machine.path(&format!("work/{pid}"));
        let head = format!("ref: refs/heads/{head}\n");
        replace(&project.join(".git/HEAD"), &head);
        let cwd = vmux::agent::claude::find::encode_cwd(project.to_str().unwrap());
        let transcript = format!("home/.claude/projects/{cwd}/s-{pid}.jsonl");
        let text = fs::read_to_string(machine.path(&transcript)).unwrap();
        machine.write(&transcript, &format!("{text}{}\n", answer(said)));
    }
}

fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn a_pid_that_is_given_out_again_is_looked_at_again() {
    let machine = Machine::new();
    let claude = machine.process(101, "claude", "/usr/bin/node", &["claude"]);
    let mut watched = Watched::new(&machine);
    let first = watched.only().id;
    claude.state('Z');
    watched.scan();
    assert_eq!(watched.sessions().len(), 0);
    // Not reaped for a while, then somebody else's, which the list of pids does not show.
    watched.scan();
    let stat = machine.path("proc/101/stat");
    let text = fs::read_to_string(&stat).unwrap();
    fs::write(
        &stat,
        text.replace(") Z", ") S").replace(" 1010 0", " 2020 0"),
    )
    .unwrap();
    watched.scan();
    assert_ne!(watched.only().id, first);
}

#[test]
fn an_empty_file_of_another_process_wakes_nobody() {
    let machine = Machine::new();
    machine.claude(101).file(json!({}));
    machine.process(102, "bash", "/bin/bash", &["bash"]);
    let helper = machine.claude(103);
    helper.link("fd/0", "/dev/null");
    let mut watched = Watched::new(&machine);
    for pid in [102, 103] {
        machine.write(&format!("home/.claude/sessions/{pid}.json"), "");
    }
    watched.events();
    assert_eq!(watched.scout.due(), None);
    assert_eq!(watched.pids(), [101]);
    helper.file(json!({"status": "waiting"}));
    watched.events();
    assert_eq!(watched.pids(), [101, 103]);
}
