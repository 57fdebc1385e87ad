//! Terminals that take little or nothing of what a session writes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use vmux::hosted::link::Link;
use vmux::hosted::{Hello, frame};
use vmux::sys::clock::Deadline;

use super::{World, pid_of};
use crate::kit::process::{private_kib, wait_within};
use crate::kit::{PATIENCE, wait_for};

/// Writes numbered lines of 200 bytes, and says in a file that it has.
fn lines(count: usize) -> String {
    format!(
        "read go; seq -f 'line %.0f' {count} | sed \"s/$/ $(printf %190s | tr ' ' x)/\"; \
         echo; touch done; echo the end; exec cat"
    )
}

/// One that leads and takes a little all the time costs the program a moment.
#[test]
fn a_slow_terminal_does_not_slow_the_program() {
    let world = World::new();
    world.start("slow", &lines(150_000));
    let mut slow = world.attach(&["slow"], 80, 24);
    slow.waits_for("\x1b[?2026l");
    slow.types("\r");
    let done = world.0.path("work/done");
    // A little at each look: at that rate the program would need more than a minute.
    wait_within(PATIENCE, "the program", || {
        slow.reads(Duration::ZERO);
        slow.seen.clear();
        done.exists().then_some(())
    });
    slow.waits_for("the end");
    slow.types("typed\r");
    slow.waits_for("typed\r\ntyped");
}

/// One that leads and takes nothing for a while: what left the screen meanwhile stands above it, or
/// it is said how many lines do not.
#[test]
fn a_terminal_that_was_stuck_misses_no_line_unsaid() {
    let world = World::new();
    let count = 20_000;
    world.start("stuck", &lines(count));
    let mut stuck = world.attach(&["stuck"], 80, 24);
    stuck.waits_for("\x1b[?2026l");
    stuck.types("\r");
    let done = world.0.path("work/done");
    wait_for("the program's end", || done.exists().then_some(()));
    stuck.waits_for("the end");
    let text = String::from_utf8_lossy(&stuck.seen).into_owned();
    let words = |from: &str| -> Vec<usize> {
        let after = text.split(from).skip(1);
        after
            .filter_map(|rest| rest.split(' ').next()?.parse().ok())
            .collect()
    };
    let shown: BTreeSet<usize> = words("line ").into_iter().collect();
    let told: usize = words("here ").into_iter().sum();
    assert!(told > 0, "it was never behind");
    let missing = (1..=count).filter(|n| !shown.contains(n)).count();
    // Those that stood on the screen then are drawn over.
    let above = told.checked_sub(missing);
    assert!(
        above.is_some_and(|above| above <= 24),
        "{missing} are missing, {told} told"
    );
    fs::remove_file(done).unwrap();
}

/// The last of the numbered lines that stand in a text.
fn last_line(text: &str) -> usize {
    let numbers = text.split("line ").skip(1);
    let numbers = numbers.filter_map(|rest| rest.split_once(' ')?.0.parse().ok());
    numbers.max().unwrap_or(0)
}

/// One leads and takes nothing, and the other has been behind once: while the program writes on
/// and on, the other is shown what it writes.
#[test]
fn who_was_behind_is_shown_a_flood_that_does_not_end() {
    let world = World::new();
    world.start("flood", &lines(100_000_000));
    let mut other = world.attach(&["flood"], 80, 24);
    other.waits_for("\x1b[?2026l");
    let mut stuck = world.attach(&["flood"], 80, 24);
    stuck.waits_for("\x1b[?2026l");
    stuck.types("\r");
    let written = || last_line(&world.history("flood"));
    wait_for("8 MB", || (written() > 40_000).then_some(()));
    for _ in 0..3 {
        let now = written();
        let since = Instant::now();
        loop {
            other.seen.clear();
            for _ in 0..50 {
                other.reads(Duration::from_millis(20));
            }
            if last_line(&String::from_utf8_lossy(&other.seen)) > now {
                break;
            }
            assert!(since.elapsed() < PATIENCE, "nothing is shown since {now}");
        }
    }
}

/// Who asks and does not read the answers is heard again once it does; until then nothing grows.
#[test]
fn questions_of_who_reads_no_answers_wait() {
    let world = World::new();
    let info = world.start("asked", "seq -f '%0200.0f' 100; exec cat");
    world.shows("asked", &format!("{:0200}", 100));
    let socket = world.0.path("vmux/hosted");
    let socket = socket.join(format!("{}.sock", info["id"].as_str().unwrap()));
    let holder = pid_of(&info["holder"]);
    let before = private_kib(holder);
    for (kind, answer, count) in [
        (frame::ASK, frame::INFO, 20_000),
        (frame::HISTORY, frame::TEXT, 1_000),
    ] {
        let mut link = Link::connect(&socket, &Hello::default(), PATIENCE).unwrap();
        let mut all = Vec::new();
        for _ in 0..count {
            frame::write(kind, b"", &mut all);
        }
        // At once: the connection has room for that, which it has not for so many pieces.
        link.stream().write_all(&all).unwrap();
        // Others are heard meanwhile, after all that can be done.
        for n in 0..3 {
            let word = format!("{kind} {n}");
            world.says(&["send", "--enter", "asked", &word]);
            world.shows("asked", &format!("{word}\n{word}"));
        }
        let grown = private_kib(holder).saturating_sub(before);
        assert!(grown < 8 * 1024, "the holder grew by {grown} KiB");
        let deadline = Deadline::after(PATIENCE);
        for n in 0..count {
            link.wait(answer, deadline)
                .unwrap_or_else(|error| panic!("answer {n} to {kind}: {error}"));
        }
    }
}

/// What a window that grows takes beside its cells is given back, on either screen.
#[test]
fn a_window_that_grows_costs_what_it_shows() {
    let world = World::new();
    let script = "echo ready; read line; printf '\\033[?1049hother'; exec cat";
    let info = world.start("grows", script);
    let (holder, id) = (pid_of(&info["holder"]), info["id"].as_str().unwrap());
    let socket = world.0.path(&format!("vmux/hosted/{id}.sock"));
    let mut link = Link::connect(&socket, &Hello::default(), PATIENCE).unwrap();
    let mut tty = world.attach(&["grows"], 80, 24);
    tty.waits_for("ready");
    let before = private_kib(holder);
    for (rows, screen) in [(60, "ready"), (70, "other")] {
        if screen == "other" {
            tty.types("\r");
            tty.waits_for("other");
        }
        tty.resize(200, rows);
        wait_for("its size", || {
            (link.info(PATIENCE).unwrap().rows == rows).then_some(())
        });
        // Two screens of cells.
        wait_for("its memory", || {
            tty.reads(Duration::from_millis(10));
            let grown = private_kib(holder).saturating_sub(before);
            (grown < 2500).then_some(())
        });
    }
}
