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
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::kit::{Desktop, wait_for};
use harness::{Report, Set, built, daemon};
use vmux::core::model::WindowKey;
use vmux::desktop::wm::i3::wire::{Connection, MessageKind};
use vmux::sys::clock::Deadline;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, WindowClass};
use x11rb::wrapper::ConnectionExt as _;

fn main() -> std::process::ExitCode {
    let mut report = Report::default();
    report.title("from the start of the process to the focus event; medians");
    for windows in [10, 100, 500] {
        measure(&mut report, windows);
    }
    report.conclude()
}

fn measure(report: &mut Report, windows: usize) {
    // Ten windows a workspace, as people have them.
    let assigned: String = (0..windows.div_ceil(10))
        .map(|n| format!("assign [title=\"^company {n}-\"] workspace {}\n", n + 2))
        .collect();
    let desktop = Desktop::bare(false).with_i3(&format!("font monospace 8\n{assigned}"));
    let socket = desktop.socket();
    desktop.set("I3SOCK", &socket);
    let _daemon = daemon(
        desktop.command(built("vmux")),
        &desktop.path("vmux/vmux.sock"),
    );
    let names = ["one", "two"].map(|name| {
        let shown = desktop.terminal(name, &["xterm", "-T", name, "-e"]);
        shown.name
    });
    let company = company(&desktop, windows - 2);
    // i3 takes its time to map hundreds of windows, and answers nobody meanwhile.
    let ids = wait_for("all windows", || con_ids(&socket, windows));
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
    compare(report, &desktop, &mut events, (&names, &ids), windows);
    drop(company);
}

/// Windows that only have to be there.
fn company(desktop: &Desktop, count: usize) -> impl Sized {
    let (x, root) = desktop.x();
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
    desktop: &Desktop,
    events: &mut Connection,
    (names, ids): (&[String; 2], &[u64; 2]),
    windows: usize,
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
    let quiet = |program: &Path| {
        let mut command = desktop.command(program);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut set = Set::default();
    set.timed("i3-msg", || {
        let n = next();
        let mut command = quiet("i3-msg".as_ref());
        command.arg(format!("[con_id={}] focus", ids[n]));
        landed(command, ids[n])
    });
    set.timed("vmux switch", || {
        let n = next();
        let mut command = quiet(&built("vmux"));
        command.args(["switch", &names[n]]);
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
