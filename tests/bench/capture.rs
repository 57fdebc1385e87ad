//! What capture costs: memory of the daemon, the time of a commit, and the records of a rebase.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark sets up its own world, and tells what it finds"
)]

mod harness;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::kit::{Home, Killed, wait_for};
use harness::{Report, Set, built, daemon, status, switches};

/// Commits of the rebase, and of the memory's burst.
const MANY: (usize, usize) = (200, 40);
/// Longest time after a commit until nothing more is done for it.
const QUIET: Duration = Duration::from_secs(4);

fn main() -> std::process::ExitCode {
    let mut report = Report::default();
    memory(&mut report);
    commits(&mut report);
    rebase(&mut report);
    report.conclude()
}

/// Runs `vmux` in a directory below `work`; it must succeed.
fn vmux(home: &Home, dir: &str, words: &[&str]) {
    let mut command = home.command(built("vmux"));
    command.current_dir(home.path("work").join(dir));
    let command = command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "{words:?}");
}

fn started(home: &Home) -> Killed {
    daemon(home.command(built("vmux")), &home.path("vmux/vmux.sock"))
}

/// Commits, each of one change of one prompt.
fn work(home: &Home, dir: &str, commits: usize) {
    let mut talk = home.talk(&format!("talk-{dir}"), dir);
    for n in 0..commits {
        talk.ask(&format!(
            "Add {n}, and say why it is there: {}",
            "it is so. ".repeat(60)
        ));
        talk.write(&format!("{dir}/{}.rs", n % 7), &format!("fn x{n}() {{}}"));
        talk.end(&"Done, and here is what I did. ".repeat(40));
        home.git(dir, &["add", "-A"]);
        home.git(dir, &["commit", "-q", "-m", "x"]);
    }
}

fn recorded(home: &Home, dir: &str, commits: usize) {
    wait_for("the records", || {
        let refs = ["for-each-ref", "--format=%(refname)", "refs/notes/vmux"];
        let name = home.git(dir, &refs);
        let list = || {
            home.git(dir, &["notes", "--ref", &name, "list"])
                .lines()
                .count()
        };
        (!name.is_empty() && list() >= commits).then_some(())
    });
}

/// Time of the processors that children which ended have used, theirs included, in seconds.
fn of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: Vec<f64> = fields
        .skip(13)
        .take(2)
        .map(|n| n.parse().unwrap())
        .collect();
    // proc(5): in ticks, of which a second has 100 everywhere.
    ticks.iter().sum::<f64>() / 100.0
}

fn memory(report: &mut Report) {
    // Two daemons at the same time, which differ in this only.
    let homes = [Home::new(), Home::new()];
    for home in &homes {
        home.repository("shop");
    }
    vmux(&homes[1], "shop", &["capture", "on"]);
    let daemons = [started(&homes[0]), started(&homes[1])];
    let more = |report: &mut Report, name: &str, limit: f64| {
        std::thread::sleep(QUIET);
        // Pages of the program are the same ones in every process that runs it.
        let own = |daemon: &Killed| status(daemon.0.id(), "RssAnon") / 1024.0;
        let [off, on] = [own(&daemons[0]), own(&daemons[1])];
        report.say(&format!("{name}: private, capture off"), off, "MB");
        report.limit(
            &format!("{name}: more with capture"),
            on - off,
            "MB",
            limit,
            false,
        );
    };
    report.title("the daemon's memory with one captured repository");
    more(report, "at rest", 0.5);
    for home in &homes {
        work(home, "shop", 1);
    }
    recorded(&homes[1], "shop", 1);
    more(report, "after a commit", 0.5);
    for home in &homes {
        work(home, "shop", MANY.1);
    }
    recorded(&homes[1], "shop", MANY.1);
    more(report, "after 40 commits in a row", 0.5);
    let before = switches(daemons[1].0.id());
    let pause = Duration::from_secs(20);
    std::thread::sleep(pause);
    let woken = (switches(daemons[1].0.id()) - before) / pause.as_secs_f64();
    report.limit("wake-ups with capture", woken, "/s", 0.5, false);
}

fn commits(report: &mut Report) {
    let home = Home::new();
    for dir in ["shop", "plain"] {
        home.repository(dir);
    }
    vmux(&home, "shop", &["capture", "on"]);
    let _daemon = started(&home);
    std::thread::sleep(QUIET);
    let mut set = Set::default();
    for dir in ["shop", "plain"] {
        let home = &home;
        set.case(dir, move || {
            home.git(dir, &["commit", "-q", "--allow-empty", "-m", "x"]);
        });
    }
    let found = set.run(100);
    report.title("`git commit`, in turns");
    report.say("without capture, median", found.median("plain") / 1e3, "ms");
    report.say("with capture, median", found.median("shop") / 1e3, "ms");
    let ratio = found.median("shop") / found.median("plain");
    report.limit("with capture / without", ratio, "", 1.05, false);
}

fn rebase(report: &mut Report) {
    let home = Home::new();
    // One that started would do the work itself, unmeasured.
    home.set("VMUX_NO_DAEMON", "1");
    home.repository("shop");
    let begin = home.git("shop", &["rev-parse", "HEAD"]);
    vmux(&home, "shop", &["capture", "on"]);
    work(&home, "shop", MANY.0);
    let save = || {
        let (begun, spent) = (Instant::now(), of_children());
        vmux(&home, "shop", &["capture", "save"]);
        (begun.elapsed().as_secs_f64(), of_children() - spent)
    };
    let first = save();
    home.git("shop", &["checkout", "-q", "-b", "base", begin.trim()]);
    std::fs::write(home.path("work/shop/base"), "x\n").unwrap();
    home.git("shop", &["add", "-A"]);
    home.git("shop", &["commit", "-q", "-m", "base"]);
    home.git("shop", &["checkout", "-q", "-"]);
    home.git("shop", &["rebase", "-q", "base"]);
    let second = save();
    recorded(&home, "shop", 2 * MANY.0);
    report.title("records of 200 commits at once");
    report.limit("made", first.0, "s", 3.0, false);
    report.say("made: time of the processors, git's included", first.1, "s");
    report.limit("carried over a rebase", second.0, "s", 3.0, false);
    report.say("carried: time of the processors", second.1, "s");
    let kept = |dir: &Path| {
        let packs = std::fs::read_dir(dir.join("objects/pack"))
            .unwrap()
            .flatten();
        packs
            .map(|pack| pack.metadata().unwrap().len())
            .sum::<u64>() as f64
    };
    let common = home.path("work/shop/.git");
    home.git("shop", &["gc", "-q", "--prune=now"]);
    let with = kept(&common);
    let refs = ["for-each-ref", "--format=%(refname)", "refs/notes/vmux"];
    let name = home.git("shop", &refs);
    home.git("shop", &["update-ref", "-d", name.trim()]);
    home.git("shop", &["reflog", "expire", "--expire=now", "--all"]);
    home.git("shop", &["gc", "-q", "--prune=now"]);
    let each = (with - kept(&common)) / 1024.0 / (2 * MANY.0) as f64;
    report.limit(
        "packed, for 1,000 commits",
        each * 1000.0 / 1024.0,
        "MB",
        6.0,
        false,
    );
}
