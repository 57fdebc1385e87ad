//! From a key to the focus: `vmux switch` against `i3-msg`, which is told the container.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    let_underscore_drop,
    reason = "a benchmark sets up its own world, and tells what it finds"
)]

mod harness;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Daemon, Report, Set, built};
use vmux::core::model::WindowKey;
use vmux::desktop::wm::i3::wire::{Connection, MessageKind};
use vmux::sys::clock::Deadline;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, WindowClass};
use x11rb::wrapper::ConnectionExt as _;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() -> std::process::ExitCode {
    let mut report = Report::default();
    report.title("from the start of the process to the focus event; medians");
    for windows in [10, 100, 500] {
        measure(&mut report, windows);
    }
    report.conclude()
}

fn wait_for<T>(mut test: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(value) = test() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain");
}

fn measure(report: &mut Report, windows: usize) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["home/.claude/sessions", "bin", "work"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    std::os::unix::fs::symlink("/bin/sleep", at("bin/claude")).unwrap();
    let mut xvfb = Command::new("Xvfb");
    xvfb.args([
        "-displayfd",
        "1",
        "-screen",
        "0",
        "1280x800x24",
        "-nolisten",
        "tcp",
    ]);
    let mut xvfb = xvfb
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed");
    let mut display = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(xvfb.stdout.take().unwrap()),
        &mut display,
    )
    .unwrap();
    let display = format!(":{}", display.trim());
    let _xvfb = Killed(xvfb);
    let socket = at("i3.sock");
    // Ten windows a workspace, as people have them.
    let assigned: String = (0..windows.div_ceil(10))
        .map(|n| format!("assign [title=\"^company {n}-\"] workspace {}\n", n + 2))
        .collect();
    let config = format!(
        "ipc-socket {}\nfont monospace 8\n{assigned}",
        socket.display()
    );
    std::fs::write(at("i3.config"), config).unwrap();
    let world = |program: &Path| {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", at("home"))
            .env("VMUX_DIR", at("vmux"))
            .env("DISPLAY", &display)
            .env("I3SOCK", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let _i3 = Killed(
        world(Path::new("i3"))
            .env_remove("I3SOCK")
            .arg("-c")
            .arg(at("i3.config"))
            .spawn()
            .unwrap(),
    );
    wait_for(|| {
        world(Path::new("i3-msg"))
            .args(["-t", "get_version"])
            .status()
            .unwrap()
            .success()
            .then_some(())
    });
    let terminals = ["one", "two"].map(|name| terminal(&world, dir.path(), name));
    let company = company(&display, windows - 2);
    let _daemon = Daemon::start(world(&built("vmux")), &at("vmux/vmux.sock"));
    // i3 takes its time to map hundreds of windows, and answers nobody meanwhile.
    let ids = wait_for(|| con_ids(&socket, windows));
    let mut events = Connection::open(&socket).unwrap();
    events
        .request(MessageKind::Subscribe, br#"["window"]"#)
        .unwrap();
    // An already focused window tells of no focus: the first turn goes to the other one.
    let first = format!("[con_id={}] focus", ids[0]);
    Connection::open(&socket)
        .unwrap()
        .request(MessageKind::RunCommand, first.as_bytes())
        .unwrap();
    compare(report, windows, &world, &mut events, &ids);
    drop(company);
    drop(terminals);
}

fn terminal(world: &dyn Fn(&Path) -> Command, dir: &Path, name: &str) -> Killed {
    let cwd = dir.join("work").join(name);
    std::fs::create_dir_all(&cwd).unwrap();
    let script = format!(
        "cd '{}' && echo $$ > pid && exec '{}' 3600",
        cwd.display(),
        dir.join("bin/claude").display()
    );
    let mut xterm = world(Path::new("xterm"));
    let child = Killed(
        xterm
            .args(["-T", name, "-e", "sh", "-c", &script])
            .spawn()
            .unwrap(),
    );
    let pid = wait_for(|| {
        let pid = std::fs::read_to_string(cwd.join("pid"))
            .ok()?
            .trim()
            .to_owned();
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (comm.trim() == "claude").then_some(pid)
    });
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(19)
        .unwrap();
    let text = format!(
        r#"{{"pid":{pid},"sessionId":"s-{pid}","cwd":"{}","procStart":"{start}","version":"2.1.328","kind":"interactive","entrypoint":"cli","status":"idle","statusUpdatedAt":1795164500100}}"#,
        cwd.display()
    );
    std::fs::write(dir.join(format!("home/.claude/sessions/{pid}.json")), text).unwrap();
    child
}

/// Windows that only have to be there.
fn company(display: &str, count: usize) -> impl Sized {
    let (x, screen) = x11rb::connect(Some(display)).unwrap();
    let root = x.setup().roots[screen].root;
    for n in 0..count {
        let window = x.generate_id().unwrap();
        let aux = CreateWindowAux::new();
        x.create_window(
            0,
            window,
            root,
            0,
            0,
            50,
            50,
            0,
            WindowClass::INPUT_OUTPUT,
            0,
            &aux,
        )
        .unwrap();
        let title = format!("company {}-{n}", n / 10);
        x.change_property8(
            x11rb::protocol::xproto::PropMode::REPLACE,
            window,
            x11rb::protocol::xproto::AtomEnum::WM_NAME,
            x11rb::protocol::xproto::AtomEnum::STRING,
            title.as_bytes(),
        )
        .unwrap();
        x.map_window(window).unwrap();
    }
    x.flush().unwrap();
    x
}

/// Container ids of both terminals, once all windows are there.
fn con_ids(socket: &Path, windows: usize) -> Option<[u64; 2]> {
    let mut i3 = Connection::open(socket).ok()?;
    let bytes = i3.request(MessageKind::GetTree, b"").ok()?;
    let tree = vmux::desktop::wm::i3::tree::parse(&bytes).unwrap();
    if tree.windows.len() < windows {
        return None;
    }
    let id = |title: &str| {
        tree.windows
            .iter()
            .find(|w| &*w.title == title)
            .and_then(|w| match w.key {
                WindowKey::Con(id) => Some(id.0),
                _ => None,
            })
    };
    Some([id("one")?, id("two")?])
}

fn compare(
    report: &mut Report,
    windows: usize,
    world: &dyn Fn(&Path) -> Command,
    events: &mut Connection,
    ids: &[u64; 2],
) {
    let events = std::cell::RefCell::new(events);
    let turn = std::cell::Cell::new(0);
    let landed = |mut command: Command, wanted: u64| {
        drop(events.borrow_mut().drain());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let needle = format!("\"id\":{wanted},");
        let took = loop {
            let message = events
                .borrow_mut()
                .receive(Deadline::after(Duration::from_secs(10)))
                .unwrap();
            let text = String::from_utf8_lossy(&message.payload);
            if text.contains("\"change\":\"focus\"") && text.contains(&needle) {
                break started.elapsed();
            }
        };
        child.wait().unwrap();
        took
    };
    let next = || {
        turn.set(1 - turn.get());
        turn.get()
    };
    let mut set = Set::default();
    set.timed("i3-msg", || {
        let n = next();
        let mut command = world(Path::new("i3-msg"));
        command.arg(format!("[con_id={}] focus", ids[n]));
        landed(command, ids[n])
    });
    set.timed("vmux switch", || {
        let n = next();
        let mut command = world(&built("vmux"));
        command.args(["switch", ["one", "two"][n]]);
        landed(command, ids[n])
    });
    let results = set.run(80);
    let (ours, theirs) = (results.median("vmux switch"), results.median("i3-msg"));
    report.say(&format!("i3-msg, {windows} windows"), theirs / 1000.0, "ms");
    report.say(
        &format!("vmux switch, {windows} windows"),
        ours / 1000.0,
        "ms",
    );
    report.limit(
        &format!("vmux switch / i3-msg, {windows} windows"),
        ours / theirs,
        "",
        1.0,
        false,
    );
}
