//! Bad days: what goes wrong around a session does not touch it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use serde_json::Value;

use super::{World, pid_of, signal};
use crate::kit::home::VMUX;
use crate::kit::process::{is_alive, private_kib, processes_of, run};
use crate::kit::{Home, PATIENCE, Tty, wait_for};

/// A user cleans up, or the last login ends: sockets, files and logs are gone, and who looks for a
/// session finds it again. Who is attached stays so.
#[test]
fn a_runtime_directory_that_was_removed_is_made_anew() {
    let world = World::new();
    let info = world.start("kept", "echo here; exec cat");
    let id = info["id"].as_str().unwrap().to_owned();
    let other = world.start("other", "exec cat");
    world.start("ended", "exit 3");
    let mut tty = world.attach(&["kept"], 80, 24);
    tty.waits_for("here");
    let removed: [fn(&World); 4] = [
        |world| fs::remove_dir_all(world.0.path("vmux")).unwrap(),
        |world| fs::remove_dir_all(world.0.path("vmux/hosted")).unwrap(),
        |world| {
            for id in world.ids() {
                fs::remove_file(world.0.path(&format!("vmux/hosted/{id}.json"))).unwrap();
            }
        },
        |world| fs::rename(world.0.path("vmux/hosted"), world.0.path("vmux/away")).unwrap(),
    ];
    for (n, remove) in removed.into_iter().enumerate() {
        remove(&world);
        let word = format!("after {n}");
        tty.types(&format!("{word}\r"));
        tty.waits_for(&format!("{word}\r\n{word}"));
        // By its name, by its id, and with the others.
        assert!(world.history("kept").contains(&word));
        assert!(world.history(&id).contains(&word));
        let mut again = world.attach(&["kept"], 80, 24);
        again.waits_for(&word);
        wait_for("the log", || {
            world.says(&["logs", "kept"]).contains(&word).then_some(())
        });
        world.history("other");
        let dir = fs::metadata(world.0.path("vmux/hosted")).unwrap();
        assert_eq!(dir.permissions().mode() & 0o777, 0o700);
        let socket = fs::metadata(world.0.path(&format!("vmux/hosted/{id}.sock"))).unwrap();
        assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    }
    // Who enters its directory meets it, and starts no other.
    fs::remove_dir_all(world.0.path("vmux")).unwrap();
    let mut enters = world.0.command(VMUX);
    enters.arg(".");
    let mut entered = Tty::run(&enters, 80, 24);
    entered.waits_for("\x1b[?2026l");
    assert_eq!(world.ids().len(), 2);
    world.says(&["end", "--yes", "kept"]);
    assert!(is_alive(pid_of(&other["holder"])), "another session");
}

/// What is in its place is left to whoever put it there.
#[test]
fn a_socket_in_the_place_of_its_own_is_left_alone() {
    let world = World::new();
    let info = world.start("kept", "echo here; exec cat");
    let id = info["id"].as_str().unwrap();
    let [socket, file] =
        ["sock", "json"].map(|tail| world.0.path(&format!("vmux/hosted/{id}.{tail}")));
    for path in [&socket, &file] {
        fs::remove_file(path).unwrap();
    }
    fs::write(&socket, "precious").unwrap();
    let done = world.0.vmux(&["history", "kept"]);
    assert!(!done.status.success());
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
    fs::remove_file(&socket).unwrap();
    assert!(
        world.history("kept").contains("here"),
        "and found again once it is gone"
    );
}

/// It was written to, and closes: its client ends, and the session goes on for others.
#[test]
fn a_terminal_that_goes_in_mid_write_takes_its_client_only() {
    let world = World::new();
    let info = world.start("flood", "while :; do seq 1 400; sleep 0.05; done");
    let holder = pid_of(&info["holder"]);
    for _ in 0..5 {
        let mut tty = world.attach(&["flood"], 80, 24);
        tty.waits_for("\r\n398\r\n399\r\n");
        assert!(tty.hangs_up().success());
        assert!(is_alive(holder));
    }
    wait_for("no client", || {
        let ours = processes_of(world.0.dir());
        let clients = ours.iter().filter(|(_, pid)| {
            let line = fs::read(format!("/proc/{}/cmdline", pid.0)).unwrap_or_default();
            memchr::memmem::find(&line, b"\0attach\0").is_some()
        });
        (clients.count() == 0).then_some(())
    });
    let mut tty = world.attach(&["flood"], 80, 24);
    tty.waits_for("\r\n398\r\n399\r\n");
    assert!(private_kib(holder) < 64 * 1024);
}

/// A terminal without a size, and terminals that are nonsense.
#[test]
fn sizes_that_cannot_be_are_made_ones_that_can() {
    let world = World::new();
    let script =
        "trap 'stty size' WINCH; stty size; while :; do read line && echo \"<$line>\"; done";
    let info = world.start("sizes", script);
    let mut tty = world.attach(&["sizes"], 0, 0);
    tty.waits_for("24 80");
    for (columns, rows, size) in [
        (1, 1, "5 20\n"),
        (u16::MAX, u16::MAX, "500 1000\n"),
        (90, 20, "20 90\n"),
        (u16::MAX, 0, "24 80\n"),
        (1, u16::MAX, "500 20\n"),
        (100, 30, "30 100\n"),
    ] {
        tty.resize(columns, rows);
        world.shows("sizes", size);
        tty.reads(Duration::from_millis(10));
    }
    tty.types("typed\r");
    tty.waits_for("<typed>");
    assert!(private_kib(pid_of(&info["holder"])) < 64 * 1024);
}

/// What a program does not read waits where it was pasted, up to a bound: the holder does not grow, and
/// the session can be left by its key and ended all the same.
#[test]
fn a_paste_that_nobody_reads_grows_nothing_and_keeps_nobody() {
    let world = World::new();
    let info = world.start("deaf", "stty raw -echo; echo ready; exec sleep 3600");
    let holder = pid_of(&info["holder"]);
    let before = private_kib(holder);
    for (bytes, taken) in [(10_000_000, 10_000_000), (40_000_000, 20_000_000)] {
        let mut tty = world.attach(&["deaf"], 80, 24);
        tty.waits_for("ready");
        let pasted = tty.pastes(&vec![b'x'; bytes]);
        assert!(pasted <= taken, "{pasted} of {bytes} bytes were taken");
        if pasted == bytes {
            tty.types("\x1d");
        } else {
            // The key stands in line.
            world.says(&["detach", "deaf"]);
        }
        assert!(tty.ends().success(), "{}", tty.text());
        let grown = private_kib(holder).saturating_sub(before);
        assert!(grown < 4 * 1024, "the holder grew by {grown} KiB");
    }
    let mut other = world.attach(&["deaf"], 80, 24);
    other.waits_for("ready");
    world.says(&["end", "--yes", "deaf"]);
}

/// A directory on a disk of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(home: &Home, relative: &str) -> Self {
        let path = home.make_dir(relative);
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"]);
        let done = run(mount.arg(&path));
        assert!(done.status.success(), "{done:?}");
        Self(path)
    }

    fn fill(&self) {
        let full = fs::write(self.0.join("full"), vec![b'x'; 1 << 20]);
        assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("full")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(run(Command::new("umount").arg("--lazy").arg(&self.0)));
    }
}

/// A full disk costs the log and what is written beside the socket. The session goes on, and ends
/// with nothing left; a new one is refused with the reason, and leaves no process.
#[test]
fn a_full_disk_costs_the_log_and_no_session() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = Home::new();
    let disk = Disk::mount(&home, "vmux");
    let world = World(home);
    let info = world.start("kept", "echo here; exec cat");
    let mut tty = world.attach(&["kept"], 80, 24);
    tty.waits_for("here");
    disk.fill();
    tty.types("full\r");
    tty.waits_for("full\r\nfull");
    let refused = world.0.vmux(&["start", "--", "sleep", "3600"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && why.contains("No space left"),
        "{why}"
    );
    let holders = || {
        let ours = processes_of(world.0.dir());
        let comm = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        ours.iter()
            .filter(|(_, pid)| comm(pid).trim() == "vmux-host")
            .count()
    };
    wait_for("one holder", || (holders() == 1).then_some(()));
    disk.empty();
    tty.types("room\r");
    tty.waits_for("room\r\nroom");
    wait_for("the log to go on", || {
        let log = world.says(&["logs", "kept"]);
        log.contains("room").then_some(())
    });
    disk.fill();
    world.says(&["end", "--yes", "kept"]);
    assert!(!is_alive(pid_of(&info["pid"])));
    wait_for("no holder", || (holders() == 0).then_some(()));
    disk.empty();
    drop(world);
    drop(disk);
}

/// Puts a pipe in the place of a log, which takes nothing until it is read.
fn hang(log: &Value) -> PathBuf {
    let log = PathBuf::from(log.as_str().unwrap());
    rustix::fs::mkfifoat(rustix::fs::CWD, &log, 0o600.into()).unwrap();
    log
}

/// A disk that hangs, as one does whose server is gone, costs a part of the log. The program goes
/// on, and ends; what is missing is said once the disk is back. Until then no other version of the
/// holder is begun, which would lose what waits.
#[test]
fn a_disk_that_hangs_costs_a_part_of_the_log_and_no_session() {
    let world = World::new();
    let earlier = world.earlier();
    let script =
        "stty -echo; read go; yes 0123456789 | head -c 20000000; echo; echo the last; exec cat";
    let info = world.start_by(&earlier, "hangs", script);
    let log = hang(&info["log"]);
    let ends = world.start("ends", "stty -echo; read go; echo gone; exec cat");
    hang(&ends["log"]);
    for name in ["hangs", "ends"] {
        world.says(&["send", "--enter", name, "go"]);
    }
    world.shows("hangs", "the last");
    let refused = world.0.vmux(&["upgrade", "hangs"]);
    let why = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        !refused.status.success() && why.contains("its log cannot be written now"),
        "{why}"
    );
    world.shows("ends", "gone");
    let since = Instant::now();
    world.says(&["end", "--yes", "ends"]);
    assert!(since.elapsed() < Duration::from_secs(8));
    wait_for("no holder", || {
        (!is_alive(pid_of(&ends["holder"]))).then_some(())
    });
    let mut pipe = fs::File::options()
        .read(true)
        .write(true)
        .open(&log)
        .unwrap();
    let mut all = Vec::new();
    while !contains(&all, "are missing here]\r\n") {
        read_some(&mut pipe, &mut all);
    }
    let (text, said) = all.split_at(memchr::memmem::find(&all, b"\x18\r\n[vmux: ").unwrap());
    let said = String::from_utf8_lossy(said);
    let missing = said.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    assert!(missing > 10_000_000, "{said}");
    let waited = text.len() / 12 * 12;
    assert!(
        text[..waited]
            .chunks(12)
            .all(|line| line == b"0123456789\r\n")
    );
    let lines = 20_000_000_usize.div_ceil(11);
    let end = "\r\nthe last\r\n".len();
    assert_eq!(text.len() + missing, 20_000_000 + lines - 1 + end, "{said}");
    world.says(&["upgrade", "hangs"]);
    world.says(&["send", "--enter", "hangs", "typed"]);
    while !contains(&all, "typed\r\n") {
        read_some(&mut pipe, &mut all);
    }
}

fn contains(all: &[u8], text: &str) -> bool {
    memchr::memmem::find(all, text.as_bytes()).is_some()
}

/// Reads what comes.
fn read_some(pipe: &mut fs::File, all: &mut Vec<u8>) {
    let mut fds = [PollFd::new(pipe, PollFlags::IN)];
    let patience = PATIENCE.try_into().unwrap();
    assert_eq!(poll(&mut fds, Some(&patience)), Ok(1), "nothing comes");
    let mut block = vec![0; 64 * 1024];
    let n = pipe.read(&mut block).unwrap();
    all.extend_from_slice(&block[..n]);
}

/// All are started, found, and gone.
#[test]
#[ignore = "starts 200 holders: scripts/test runs it"]
fn two_hundred_sessions_at_once() {
    const ALL: usize = 200;
    let world = World::new();
    let since = Instant::now();
    let starters: Vec<_> = (0..ALL)
        .map(|n| {
            let mut start = world.0.command(VMUX);
            start.args(["start", "--no-log", "--name", &format!("s{n}"), "--"]);
            start.args(["sh", "-c", &format!("echo \"this is {n}.\"; exec cat")]);
            let child = start.stdout(std::process::Stdio::null()).spawn().unwrap();
            if n % 8 == 7 {
                std::thread::yield_now();
            }
            child
        })
        .collect();
    for mut starter in starters {
        assert!(starter.wait().unwrap().success());
    }
    let started = since.elapsed();
    assert_eq!(world.ids().len(), ALL);
    let doctor = String::from_utf8_lossy(&world.0.vmux(&["doctor"]).stdout).into_owned();
    assert!(doctor.contains("200 started"), "{doctor}");
    for n in [0, 99, 199] {
        assert!(
            world
                .history(&format!("s{n}"))
                .contains(&format!("this is {n}."))
        );
    }
    let mut tty = world.attach(&["s123"], 80, 24);
    tty.waits_for("this is 123.");
    tty.types("typed\r");
    tty.waits_for("typed\r\ntyped");
    let since = Instant::now();
    for id in world.ids() {
        world.says(&["end", "--yes", &id]);
    }
    eprintln!(
        "{ALL} started in {started:?}, ended one by one in {:?}",
        since.elapsed()
    );
    assert!(since.elapsed() < Duration::from_secs(60));
    wait_for("no process", || {
        let ours = processes_of(world.0.dir());
        let left = ours.iter().filter(|(_, pid)| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            ["vmux-host", "cat", "sh"].contains(&comm.trim())
        });
        (left.count() == 0).then_some(())
    });
}

/// The daemon, killed while nobody looks and the directory is gone, finds its sessions again.
#[test]
fn a_new_daemon_finds_sessions_whose_directory_is_gone() {
    let world = World::new();
    let script = world.0.script("lost");
    world.start("lost", &script);
    let lost = world.0.register("lost");
    let hosted = |shown: &crate::kit::Shown| {
        let session = world.0.session(shown).unwrap_or_default();
        (session["host"]["kind"] == "vmux").then_some(())
    };
    wait_for("its host", || hosted(&lost));
    let daemon = fs::read_to_string(world.0.path("vmux/vmuxd.pid")).unwrap();
    let daemon = daemon.trim().parse().unwrap();
    signal(daemon, Signal::KILL);
    // Until then it may write there.
    wait_for("its end", || (!is_alive(daemon)).then_some(()));
    fs::remove_dir_all(world.0.path("vmux")).unwrap();
    wait_for("its host again", || hosted(&lost));
    wait_for("its socket", || (world.ids().len() == 1).then_some(()));
}

/// A holder that does not answer in time, when a new daemon looks for the first time, is asked again.
#[test]
fn a_holder_that_was_too_late_is_found_all_the_same() {
    let world = World::new();
    let script = world.0.script("late");
    let info = world.start("late", &script);
    let holder = pid_of(&info["holder"]);
    signal(holder, Signal::STOP);
    let late = world.0.register("late");
    let session = || world.0.session(&late).unwrap_or_default();
    wait_for("a look", || {
        session()["no_window"].is_string().then_some(())
    });
    assert_eq!(session()["host"]["kind"], Value::Null);
    signal(holder, Signal::CONT);
    wait_for("its host", || {
        (session()["host"]["kind"] == "vmux").then_some(())
    });
}

/// More than the 108 bytes of a socket's address.
#[test]
fn a_runtime_directory_with_a_long_name_is_as_good() {
    let world = World::new();
    let dir = format!("vmux/{}", "long".repeat(30));
    world.0.set("VMUX_DIR", world.0.make_dir(&dir));
    let script = world.0.script("deep");
    world.start("deep", &script);
    let deep = world.0.register("deep");
    wait_for("its host", || {
        let session = world.0.session(&deep).unwrap_or_default();
        (session["host"]["kind"] == "vmux").then_some(())
    });
    fs::remove_dir_all(world.0.path(&dir).join("hosted")).unwrap();
    world.history("deep");
    world.says(&["end", "--yes", "deep"]);
}

/// As after `sudo -u`, which stays in the directory of somebody else.
#[test]
fn a_directory_that_cannot_be_entered_is_named_as_the_cause() {
    let home = Home::of_another_user();
    let closed = home.make_dir("work/closed");
    fs::set_permissions(closed, fs::Permissions::from_mode(0o600)).unwrap();
    let done = home.vmux(&["start", "closed", "--", "true"]);
    let error = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{error}");
    let said = "could not start in closed: Permission denied";
    assert!(error.contains(said), "{error}");
}
