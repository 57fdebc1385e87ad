//! Hosted sessions beside other programs that keep one alive: the same program in each, watched
//! through the same terminal, in turn.
//!
//! tmux and screen keep the state of the terminal, dtach and abduco do not: their ratios are told
//! and have no limit.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::too_many_lines,
    let_underscore_drop,
    reason = "a benchmark sets up its own world, and tells what it finds"
)]

mod harness;
mod layers;
mod player;
mod shown;

use std::cell::Cell;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use harness::{Report, Results, Set, built, kit, private, status, switches};
use kit::{Tty, wait_for};
use layers::{Layer, World};
use player::{DRAWN, Play, Text, end_mark, play};
use shown::Shown;

fn main() -> std::process::ExitCode {
    if play().is_some() {
        return std::process::ExitCode::SUCCESS;
    }
    let layers = Layer::all();
    let mut report = Report::default();
    attaching(&mut report, &layers);
    echo(&mut report, &layers);
    floods(&mut report, &layers);
    stuck(&mut report, &layers);
    memory(&mut report, &layers);
    starts(&mut report, &layers);
    report.conclude()
}

/// A program in each layer.
struct Cast {
    world: World,
    layers: Vec<Layer>,
    plays: Vec<Play>,
}

impl Cast {
    fn new(layers: &[Layer], text: Text, bytes: usize) -> Self {
        let mut world = World::new();
        let play = |layer: &Layer| {
            let play = Play {
                dir: world.dir(&format!("play-{}", layer.name())),
                text,
                bytes,
            };
            world.start(*layer, "shop", &play.prepare());
            wait_for("the program", || play.parent());
            play
        };
        let plays = layers.iter().map(play).collect();
        Self {
            world,
            layers: layers.to_vec(),
            plays,
        }
    }

    fn attach(&self, at: usize) -> Tty {
        self.world.attach(self.layers[at], "shop")
    }

    /// Attached, and what is typed comes back: also those get there that draw nothing.
    fn attach_and_type(&self, at: usize) -> Tty {
        let mut tty = self.attach(at);
        wait_for("an echo", || {
            tty.seen.clear();
            tty.types("~");
            let until = Instant::now() + Duration::from_millis(200);
            while Instant::now() < until && !tty.seen.contains(&b'~') {
                tty.reads(Duration::from_millis(20));
            }
            tty.seen.contains(&b'~').then_some(())
        });
        tty
    }
}

/// Tells a figure of each layer, and how this one does beside the best of the others; less is
/// better.
fn beside(report: &Report, layers: &[Layer], unit: &str, figure: impl Fn(Layer) -> f64) -> f64 {
    for layer in layers {
        report.say(layer.name(), figure(*layer), unit);
    }
    let others = layers.iter().filter(|layer| **layer != Layer::VmuxHost);
    let best = |keep: bool| {
        let of = others.clone().filter(|layer| !keep || layer.keeps_state());
        of.map(|layer| figure(*layer)).fold(f64::INFINITY, f64::min)
    };
    let ours = figure(Layer::VmuxHost);
    report.say("vmux-host / best of all", ours / best(false), "");
    ours / best(true)
}

fn attaching(report: &mut Report, layers: &[Layer]) {
    let layers: Vec<Layer> = layers.iter().copied().filter(|l| l.keeps_state()).collect();
    let cast = Cast::new(&layers, Text::Ascii, 0);
    let mut set = Set::default();
    for (at, layer) in layers.iter().enumerate() {
        let cast = &cast;
        set.timed(layer.name(), move || {
            let started = Instant::now();
            let mut tty = cast.attach(at);
            tty.waits_for(DRAWN);
            started.elapsed()
        });
    }
    let results = set.run(30);
    report.title("attached to a full screen, until it is drawn: medians (dtach, abduco: never)");
    let ms = |layer: Layer| results.median(layer.name()) / 1000.0;
    let ratio = beside(report, &layers, "ms", ms);
    report.limit("vmux-host", ms(Layer::VmuxHost), "ms", 5.0, false);
    // zmx was 0.91 of tmux, and the bar is 1.2 of zmx.
    report.limit(
        "vmux-host / best that keeps the screen",
        ratio,
        "",
        1.1,
        false,
    );
}

fn echo(report: &mut Report, layers: &[Layer]) {
    let cast = Cast::new(layers, Text::Ascii, 0);
    let mut set = Set::default();
    for (at, layer) in layers.iter().enumerate() {
        let mut tty = cast.attach_and_type(at);
        let mut key = 0;
        set.timed(layer.name(), move || {
            // What was drawn late must not be taken for it.
            while tty.has_more() {
                tty.reads(Duration::ZERO);
            }
            tty.seen.clear();
            key += 1;
            let letter = ["w", "x", "y", "z"][key % 4];
            let started = Instant::now();
            tty.types(letter);
            tty.waits_for(letter);
            started.elapsed()
        });
    }
    let results = set.run(1500);
    // What zmx was of the best of these: 1.37 and 1.29.
    for (q, words, limit) in [(0.5, "p50", 1.37), (0.99, "p99", 1.29)] {
        report.title(&format!("a key, until it is echoed: {words}"));
        let us = |layer: Layer| results.quantile(layer.name(), q);
        let ratio = beside(report, layers, "us", us);
        report.limit(
            "vmux-host / best that keeps the screen",
            ratio,
            "",
            limit,
            false,
        );
    }
}

/// Bytes of a flood.
const FLOOD: usize = 16 << 20;

fn floods(report: &mut Report, layers: &[Layer]) {
    // A tenth below what zmx was of tmux, with a client and without; half above where the screen
    // is full.
    for (text, with, without) in [
        (Text::Ascii, 1.38, 1.37),
        (Text::Inline, 4.6, 4.35),
        (Text::Full, 2.2, 2.3),
    ] {
        let results = flood(layers, text);
        for (watched, words, limit) in
            [(true, "with a client", with), (false, "with none", without)]
        {
            report.title(&format!("a flood, {}, {words}: MB/s", text.name()));
            let us = |layer: Layer| results.median(&flood_name(layer.name(), watched));
            let rate = |us: f64| FLOOD as f64 / us;
            for layer in layers {
                report.say(layer.name(), rate(us(*layer)), "MB/s");
            }
            if watched {
                report.say("no layer", rate(results.median("no layer")), "MB/s");
            }
            let ours = rate(us(Layer::VmuxHost));
            let others = layers.iter().filter(|layer| **layer != Layer::VmuxHost);
            let best = others.map(|layer| rate(us(*layer))).fold(0.0, f64::max);
            report.say("vmux-host / best of all", ours / best, "");
            report.at_least("vmux-host / tmux", ours / rate(us(Layer::Tmux)), "", limit);
        }
    }
}

fn flood_name(layer: &str, watched: bool) -> String {
    format!("{layer} {watched}")
}

fn flood(layers: &[Layer], text: Text) -> Results {
    let cast = Cast::new(layers, text, FLOOD);
    let bare = Play {
        dir: cast.world.dir("play-bare"),
        text,
        bytes: FLOOD,
    };
    let program: Vec<OsString> = bare.prepare();
    let serial = Cell::new(0);
    let next = || serial.replace(serial.get() + 1) + 1;
    let mut bare_tty = cast.world.bare(&program);
    bare_tty.waits_for(DRAWN);
    let mut set = Set::default();
    for (at, layer) in layers.iter().enumerate() {
        let (cast, next) = (&cast, &next);
        set.timed(flood_name(layer.name(), true), move || {
            let n = next();
            let mut tty = cast.attach_and_type(at);
            let started = Instant::now();
            cast.plays[at].go(n);
            drain_to(&mut tty, &end_mark(n));
            started.elapsed()
        });
        set.timed(flood_name(layer.name(), false), move || {
            let n = next();
            cast.plays[at].go(n);
            wait_for("the flood", || cast.plays[at].done(n)).took
        });
    }
    set.timed("no layer", || {
        let n = next();
        let started = Instant::now();
        bare.go(n);
        drain_to(&mut bare_tty, &end_mark(n));
        started.elapsed()
    });
    set.run(5)
}

/// Reads and forgets, until this stands in it.
fn drain_to(tty: &mut Tty, mark: &str) {
    let until = Instant::now() + kit::PATIENCE;
    tty.seen.clear();
    while memchr::memmem::find(&tty.seen, mark.as_bytes()).is_none() {
        assert!(Instant::now() < until, "waited in vain for {mark}");
        let from = tty.seen.len().saturating_sub(mark.len());
        tty.seen.drain(..from);
        assert!(tty.reads(Duration::from_secs(1)), "it hung up");
    }
}

/// Bytes that a client does not take.
const STUCK: usize = 200 << 20;
/// A program that has not written all of it after so long is taken for stopped.
const STOPPED: Duration = Duration::from_secs(30);

fn stuck(report: &mut Report, layers: &[Layer]) {
    report.title("200 MiB are written, and one of two clients reads nothing");
    for layer in layers {
        let cast = Cast::new(&[*layer], Text::Ascii, STUCK);
        let found = beside_a_stuck_client(&cast);
        let name = layer.name();
        if *layer != Layer::VmuxHost {
            let stalled = found
                .stalled
                .map_or(f64::INFINITY, |stalled| stalled.as_secs_f64());
            report.say(&format!("{name}: the program waits at most"), stalled, "s");
            report.say(&format!("{name}: it grows by"), found.growth, "MB");
            continue;
        }
        let stalled = found
            .stalled
            .map_or(f64::INFINITY, |stalled| stalled.as_secs_f64());
        report.limit(
            "vmux-host: the program waits at most",
            stalled,
            "s",
            1.0,
            false,
        );
        report.limit("vmux-host: it grows by", found.growth, "MB", 16.0, false);
        let pause = found.pause.as_secs_f64();
        report.limit(
            "vmux-host: the other client waits at most",
            pause,
            "s",
            1.0,
            false,
        );
        let wrong = f64::from(found.wrong);
        report.limit(
            "vmux-host: wrong rows once it reads again",
            wrong,
            "",
            0.0,
            true,
        );
    }
}

struct Found {
    /// The program's longest wait; `None` if it was stopped.
    stalled: Option<Duration>,
    /// What the layer takes more than before, at most, with its client; in MB.
    growth: f64,
    /// The longest time in which the other client got nothing.
    pause: Duration,
    /// Rows of the stuck client that are not as they should be in the end.
    wrong: u32,
}

fn beside_a_stuck_client(cast: &Cast) -> Found {
    let play = &cast.plays[0];
    let mut idle = cast.attach_and_type(0);
    let mut reads = cast.attach_and_type(0);
    let pids = [play.parent().unwrap(), idle.pid()];
    let memory = || {
        pids.map(|pid| status(pid, "RssAnon") / 1024.0)
            .iter()
            .sum::<f64>()
    };
    let (before, mut most, mut pause) = (memory(), 0.0, Duration::ZERO);
    play.go(1);
    let started = Instant::now();
    let (mut last, mut looked) = (started, started);
    let done = loop {
        reads.seen.clear();
        reads.reads(Duration::from_millis(20));
        let now = Instant::now();
        pause = pause.max(now - last);
        if !reads.seen.is_empty() {
            last = now;
        }
        if now - looked > Duration::from_millis(50) {
            looked = now;
            most = f64::max(most, memory() - before);
            let done = play.done(1);
            if done.is_some() || now - started > STOPPED {
                break done;
            }
        }
    };
    let wrong = if done.is_some() {
        wrong_rows(&mut idle)
    } else {
        50
    };
    Found {
        stalled: done.map(|done| done.stalled),
        growth: most,
        pause,
        wrong,
    }
}

/// Lets a client go on, and counts the rows that are not those of the end of the flood.
fn wrong_rows(tty: &mut Tty) -> u32 {
    let mut shown = Shown::new();
    let mut quiet = Instant::now();
    while quiet.elapsed() < Duration::from_secs(1) {
        tty.seen.clear();
        tty.reads(Duration::from_millis(100));
        if !tty.seen.is_empty() {
            quiet = Instant::now();
            shown.feed(&tty.seen);
        }
    }
    let rows = shown.rows();
    let (end, lines) = rows.split_last().unwrap();
    let number = |row: &String| row.get(..8)?.parse::<usize>().ok();
    let last = lines.last().and_then(number).unwrap_or(0);
    let first = last.saturating_sub(lines.len() - 1);
    let expected = (first..).zip(lines).map(|(n, row)| {
        let mut line = Vec::new();
        Text::Ascii.write(n, &mut line);
        String::from_utf8_lossy(&line).trim_end() == row
    });
    let wrong = expected.filter(|right| !right).count();
    u32::try_from(wrong).unwrap() + u32::from(*end != end_mark(1))
}

fn memory(report: &mut Report, layers: &[Layer]) {
    // Ten thousand lines of the flood.
    let cast = Cast::new(layers, Text::Ascii, 980_000);
    let private = || -> Vec<f64> {
        let pids = cast.plays.iter().map(|play| play.parent().unwrap());
        pids.map(private).collect()
    };
    std::thread::sleep(Duration::from_secs(2));
    let idle = private();
    let wakes = wake_ups(&cast);
    let watched: Vec<Tty> = (0..layers.len())
        .map(|at| cast.attach_and_type(at))
        .collect();
    let wakes_watched = wake_ups(&cast);
    drop(watched);
    for play in &cast.plays {
        play.go(1);
        wait_for("the flood", || play.done(1));
    }
    // What is only kept for speed is given back.
    std::thread::sleep(Duration::from_secs(3));
    let full = private();
    for (title, unit, figures, limit) in [
        ("private memory, idle", "MB", idle, 4.0),
        ("private memory, with 10 000 lines", "MB", full, 10.0),
        ("wake-ups, idle", "/s", wakes, 0.0),
        ("wake-ups, idle, with a client", "/s", wakes_watched, 0.0),
    ] {
        report.title(title);
        for (layer, figure) in layers.iter().zip(&figures) {
            match layer {
                Layer::VmuxHost => report.limit(layer.name(), *figure, unit, limit, false),
                _ => report.say(layer.name(), *figure, unit),
            }
        }
    }
}

/// Wake-ups a second of what holds each session.
fn wake_ups(cast: &Cast) -> Vec<f64> {
    let count = || -> Vec<f64> {
        let pids = cast.plays.iter().map(|play| play.parent().unwrap());
        pids.map(switches).collect()
    };
    std::thread::sleep(Duration::from_secs(2));
    let before = count();
    let pause = Duration::from_secs(5);
    std::thread::sleep(pause);
    let pairs = before.iter().zip(count());
    pairs
        .map(|(before, after)| (after - before) / pause.as_secs_f64())
        .collect()
}

/// Sessions that are started at once.
const MANY: usize = 40;

fn starts(report: &mut Report, layers: &[Layer]) {
    let mut set = Set::default();
    for layer in layers {
        set.timed(layer.name(), || {
            let mut world = World::new();
            let plays: Vec<Play> = (0..MANY)
                .map(|n| Play {
                    dir: world.dir(&format!("play-{n}")),
                    text: Text::Ascii,
                    bytes: 0,
                })
                .collect();
            let programs: Vec<_> = plays.iter().map(Play::prepare).collect();
            let started = Instant::now();
            for (n, program) in programs.iter().enumerate() {
                world.start(*layer, &format!("shop-{n}"), program);
            }
            for play in &plays {
                wait_for("the program", || play.parent());
            }
            started.elapsed()
        });
    }
    let results = set.run(3);
    report.title("40 sessions are started, one after the other, until the last one runs: each");
    let ms = |layer: Layer| results.median(layer.name()) / 1000.0 / MANY as f64;
    beside(report, layers, "ms", ms);
    report.limit("vmux-host", ms(Layer::VmuxHost), "ms", 15.0, false);
}
