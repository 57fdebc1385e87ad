//! What the daemon costs: scans, tails, memory, wake-ups, and how soon a change is seen.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    let_underscore_drop,
    reason = "a benchmark sets up its own world, and tells what it finds"
)]

mod harness;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use harness::kit::{Home, Killed, Shown};
use harness::{Report, Set, built, command, daemon, machine, status, switches, write_status};
use serde_json::json;
use vmux::agent::claude::tail::Follower;
use vmux::source::scout::{Roots, Scout};
use vmux::sys::proc::Proc;

/// Counts what is allocated, for the peak of a tail.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[expect(
    unsafe_code,
    reason = "a counting allocator can be written in no other way"
)]
// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> std::process::ExitCode {
    let mut report = Report::default();
    scans(&mut report);
    tails(&mut report);
    visible(&mut report);
    events(&mut report);
    idle(&mut report, "vmux", f64::INFINITY);
    idle(&mut report, "vmux-musl", 3.5);
    report.conclude()
}

/// Real processes called `claude`, with status files; ended when they go out of scope.
fn sessions(home: &Home, count: usize) -> Vec<Shown> {
    let sessions = (0..count).map(|n| home.start(&n.to_string()));
    sessions.inspect(|session| session.set(json!({}))).collect()
}

/// Company, so that the sessions are a quarter of what runs.
fn company(home: &Home) {
    for _ in 0..150 {
        home.spawn(home.command("sleep").arg("600"));
    }
}

fn scans(report: &mut Report) {
    let home = Home::new();
    let _sessions = sessions(&home, 50);
    company(&home);
    let uid = rustix::process::getuid().as_raw();
    let roots = || Roots {
        proc: "/proc".into(),
        configs: [("claude", home.path("home/.claude"))].into(),
        uid,
        only_configs: true,
        kept: None,
        looker: None,
    };
    let mut floor = Proc::open(Path::new("/proc")).unwrap();
    let mut pids = Vec::new();
    let mut steady = Scout::new(roots()).unwrap();
    for _ in 0..3 {
        steady.scan(chrono::Utc::now()).unwrap();
    }
    let mut set = Set::default();
    set.case("readdir of /proc", || floor.pids(&mut pids).unwrap());
    set.case("steady scan", || {
        drop(steady.scan(chrono::Utc::now()).unwrap());
    });
    set.case("first scan", || {
        drop(
            Scout::new(roots())
                .unwrap()
                .scan(chrono::Utc::now())
                .unwrap(),
        );
    });
    set.case("pgrep -x claude", || {
        drop(
            Command::new("pgrep")
                .args(["-x", "claude"])
                .stdout(Stdio::null())
                .status(),
        );
    });
    let results = set.run(200);
    let floor = results.median("readdir of /proc");
    report.title("finding processes: 50 sessions among 200 and what else runs");
    report.say("readdir of /proc", floor, "us");
    report.limit(
        "steady scan / readdir",
        results.median("steady scan") / floor,
        "",
        1.3,
        false,
    );
    report.say(
        "first scan with all details / readdir",
        results.median("first scan") / floor,
        "",
    );
    report.say(
        "pgrep -x claude / readdir",
        results.median("pgrep -x claude") / floor,
        "",
    );
}

fn tails(report: &mut Report) {
    let dir = tempfile::tempdir().unwrap();
    let file = |megabytes: usize| {
        let path = dir.path().join(format!("{megabytes}.jsonl"));
        let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let mut written = 0;
        let mut n = 0;
        while written < megabytes << 20 {
            // Every 400th line is an image of 5 MB, one of them among the last.
            let size = if n % 400 == 390 { 5 << 20 } else { 2000 };
            let line = format!(
                "{{\"parentUuid\":\"a\",\"isSidechain\":false,\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":[{{\"tool_use_id\":\"t\",\"type\":\"tool_result\",\"content\":\"{}\"}}]}},\"timestamp\":\"2026-11-20T08:48:47.298Z\"}}\n",
                "x".repeat(size)
            );
            written += line.len();
            out.write_all(line.as_bytes()).unwrap();
            n += 1;
        }
        path
    };
    let (small, large) = (file(50), file(500));
    let mut set = Set::default();
    set.case("50 MB", || drop(Follower::open(&small).unwrap()));
    set.case("500 MB", || drop(Follower::open(&large).unwrap()));
    let results = set.run(60);
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    drop(Follower::open(&large).unwrap());
    let heap = (PEAK.load(Ordering::Relaxed) - before) as f64 / (1 << 20) as f64;
    report.title("the end of a transcript with lines of 5 MB");
    report.say("50 MB", results.median("50 MB"), "us");
    report.limit(
        "500 MB / 50 MB",
        results.median("500 MB") / results.median("50 MB"),
        "",
        1.5,
        false,
    );
    report.limit("heap, at its peak", heap, "MB", 0.5, true);
}

/// A connection that asks again and again.
struct Watcher {
    reader: BufReader<UnixStream>,
    line: String,
}

impl Watcher {
    fn new(socket: &Path) -> Self {
        Self {
            reader: BufReader::new(UnixStream::connect(socket).unwrap()),
            line: String::new(),
        }
    }

    fn list(&mut self) -> &str {
        self.line.clear();
        self.reader
            .get_mut()
            .write_all(b"{\"action\":\"list\"}\n")
            .unwrap();
        self.reader.read_line(&mut self.line).unwrap();
        &self.line
    }
}

/// From the end of the write of a status file to the first reply that shows it.
fn visible(report: &mut Report) {
    let machine = machine(50);
    let socket = machine.path("vmux/vmux.sock");
    let _daemon = daemon(command(&machine, "vmux"), &socket);
    let mut watcher = Watcher::new(&socket);
    let mut waits = false;
    write_status(&machine, 1001, "busy");
    std::thread::sleep(Duration::from_millis(300));
    let mut set = Set::default();
    let machine = &machine;
    set.timed("visible", move || {
        waits = !waits;
        write_status(machine, 1001, if waits { "waiting" } else { "busy" });
        let started = Instant::now();
        let wanted = if waits {
            "\"needs_input\""
        } else {
            "\"working\""
        };
        loop {
            let reply = watcher.list();
            let at = reply.find("\"id\":\"1001-10010\"").unwrap();
            let state = &reply[at..][reply[at..].find("\"state\":").unwrap()..];
            if state[8..].starts_with(wanted) {
                break;
            }
        }
        let took = started.elapsed();
        // A machine that was idle between, as it is.
        std::thread::sleep(Duration::from_millis(8));
        took
    });
    let results = set.run(400);
    report.title("a status file is written, 50 sessions: until a client sees it");
    report.say("median", results.quantile("visible", 0.5) / 1000.0, "ms");
    report.limit(
        "p99",
        results.quantile("visible", 0.99) / 1000.0,
        "ms",
        5.0,
        false,
    );
}

/// From the end of the write of a status file to the event at a subscriber, and to a bare inotify
/// watch of the same directory: what the kernel alone takes.
fn events(report: &mut Report) {
    let machine = machine(50);
    let socket = machine.path("vmux/vmux.sock");
    let _daemon = daemon(command(&machine, "vmux"), &socket);
    let (heard, hears) = mpsc::channel();
    // Ten subscribers; the last one is timed: its turn comes after all others.
    for n in 0..10 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"{\"action\":\"subscribe\"}\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        assert!(lines.next().unwrap().contains("\"event\":\"state\""));
        let heard = heard.clone();
        std::thread::spawn(move || {
            for line in lines.filter(|line| n == 9 && line.contains("\"id\":\"1001-10010\"")) {
                let state = if line.contains("\"needs_input\"") {
                    "waiting"
                } else {
                    "busy"
                };
                let _ended = heard.send((state, Instant::now()));
            }
        });
    }
    let (woken, wakes) = mpsc::channel();
    let sessions = machine.config().join("sessions");
    std::thread::spawn(move || {
        let inotify = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
        rustix::fs::inotify::add_watch(
            &inotify,
            &sessions,
            rustix::fs::inotify::WatchFlags::CLOSE_WRITE,
        )
        .unwrap();
        let mut buffer = [0; 4096];
        while rustix::io::read(&inotify, &mut buffer).is_ok() {
            if woken.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    write_status(&machine, 1001, "busy");
    std::thread::sleep(Duration::from_millis(500));
    let (mut state, mut floors) = ("busy", Vec::new());
    let mut times = Vec::new();
    for _ in 0..600 {
        hears.try_iter().for_each(drop);
        wakes.try_iter().for_each(drop);
        state = if state == "busy" { "waiting" } else { "busy" };
        let written = write_status(&machine, 1001, state);
        floors.push(wakes.recv_timeout(Duration::from_secs(5)).unwrap() - written);
        let at = hears.iter().find(|(heard, _)| *heard == state).unwrap().1;
        times.push(at - written);
        std::thread::sleep(Duration::from_millis(8));
    }
    floors.sort_unstable();
    times.sort_unstable();
    let at = |times: &[Duration], q: f64| times[(599.0 * q) as usize].as_secs_f64() * 1000.0;
    report.title(
        "a status file is written, 50 sessions, 10 subscribers: until the last one has the event",
    );
    report.say("median", at(&times, 0.5), "ms");
    report.say("median of a bare inotify watch", at(&floors, 0.5), "ms");
    report.say("p99 of a bare inotify watch", at(&floors, 0.99), "ms");
    report.limit("p99", at(&times, 0.99), "ms", 2.0, false);
}

fn idle(report: &mut Report, program: &str, limit: f64) {
    let home = Home::new();
    let _sessions = sessions(&home, 50);
    let socket = home.path("vmux/vmux.sock");
    let daemon = daemon(home.command(built(program)), &socket);
    let mut pause = home.command(built("pause"));
    let bare = Killed(pause.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(6));
    let pid = daemon.0.id();
    let rss = |pid| status(pid, "VmRSS") / 1024.0;
    report.title(&format!("the daemon with 50 idle sessions: {program}"));
    report.say("a bare Rust process", rss(bare.0.id()), "MB");
    report.limit("resident", rss(pid), "MB", limit, false);
    report.say("of it private", status(pid, "RssAnon") / 1024.0, "MB");
    let before = switches(pid);
    let pause = Duration::from_secs(20);
    std::thread::sleep(pause);
    report.limit(
        "wake-ups",
        (switches(pid) - before) / pause.as_secs_f64(),
        "/s",
        0.5,
        false,
    );
    let children = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.split_whitespace().nth(1) == Some(&pid.to_string()))
        });
    report.limit("child processes", children.count() as f64, "", 0.0, true);
    let mut watcher = Watcher::new(&socket);
    for _ in 0..1000 {
        watcher.list();
    }
    for _ in 0..1000 {
        Watcher::new(&socket).list();
    }
    report.limit(
        "resident after 2000 requests / bare",
        rss(pid) / rss(bare.0.id()),
        "",
        2.5,
        false,
    );
}
