//! Interleaved measuring: the cases of a set take turns in shuffled order, so that what drifts
//! on a shared machine drifts for all of them. Only ratios within one run are worth quoting.

#![allow(dead_code, unused_imports, reason = "each benchmark uses its part")]

#[path = "../kit/mod.rs"]
pub(crate) mod kit;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kit::machine::{Machine, Process, prompt};
use kit::{Killed, wait_for};
use serde_json::json;

/// A case: its name, and the time of each of its runs.
pub(crate) struct Case<'a> {
    name: String,
    run: Box<dyn FnMut() -> Duration + 'a>,
    times: Vec<Duration>,
}

/// Cases that are measured together.
#[derive(Default)]
pub(crate) struct Set<'a> {
    cases: Vec<Case<'a>>,
}

impl<'a> Set<'a> {
    /// Adds a case that measures itself.
    pub(crate) fn timed(&mut self, name: impl Into<String>, run: impl FnMut() -> Duration + 'a) {
        self.cases.push(Case {
            name: name.into(),
            run: Box::new(run),
            times: Vec::new(),
        });
    }

    /// Adds a case that is measured from outside.
    pub(crate) fn case(&mut self, name: impl Into<String>, mut run: impl FnMut() + 'a) {
        self.timed(name, move || {
            let started = Instant::now();
            run();
            started.elapsed()
        });
    }

    /// Runs every case `rounds` times, after a tenth of that to warm up.
    pub(crate) fn run(mut self, rounds: usize) -> Results {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let warm = rounds.div_ceil(10);
        for round in 0..rounds + warm {
            let mut order: Vec<usize> = (0..self.cases.len()).collect();
            for n in (1..order.len()).rev() {
                order.swap(n, random.below(n + 1));
            }
            for index in order {
                let time = (self.cases[index].run)();
                if round >= warm {
                    self.cases[index].times.push(time);
                }
            }
        }
        let sorted = |mut case: Case<'_>| {
            case.times.sort_unstable();
            (case.name, case.times)
        };
        Results(self.cases.into_iter().map(sorted).collect())
    }
}

/// A small generator: the order needs to be mixed, not unpredictable.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Times of each case, ascending.
pub(crate) struct Results(Vec<(String, Vec<Duration>)>);

impl Results {
    /// Median of a case, in microseconds.
    pub(crate) fn median(&self, name: &str) -> f64 {
        self.quantile(name, 0.5)
    }

    /// Any quantile of a case, in microseconds.
    pub(crate) fn quantile(&self, name: &str, q: f64) -> f64 {
        let (_, times) = self
            .0
            .iter()
            .find(|(case, _)| case == name)
            .expect("a known case");
        let at = ((times.len() - 1) as f64 * q).round() as usize;
        times[at].as_secs_f64() * 1e6
    }
}

/// What a benchmark found, against its limits.
#[derive(Default)]
pub(crate) struct Report {
    over: Vec<String>,
}

impl Report {
    /// Starts a table.
    pub(crate) fn title(&self, title: &str) {
        println!("\n{title}");
    }

    /// A figure without a limit.
    pub(crate) fn say(&self, name: &str, value: f64, unit: &str) {
        println!("  {name:<58} {value:>10.2} {unit}");
    }

    /// A figure with a limit. A noisy one is only told; an exact one fails the run.
    pub(crate) fn limit(&mut self, name: &str, value: f64, unit: &str, limit: f64, exact: bool) {
        if limit.is_infinite() {
            return self.say(name, value, unit);
        }
        let over = value > limit;
        let mark = if over { "OVER" } else { "ok" };
        println!("  {name:<58} {value:>10.2} {unit:<6} limit {limit:>8.2}  {mark}");
        if over && exact {
            self.over.push(name.to_owned());
        } else if over {
            println!("    (a timing: told, not failed)");
        }
    }

    /// A figure that is to be as large as this: a noisy one.
    pub(crate) fn at_least(&self, name: &str, value: f64, unit: &str, bar: f64) {
        let mark = if value < bar { "OVER" } else { "ok" };
        println!("  {name:<58} {value:>10.2} {unit:<6} bar   {bar:>8.2}  {mark}");
    }

    /// How to end: what was started is taken down first, as values go out of scope.
    pub(crate) fn conclude(self) -> std::process::ExitCode {
        if self.over.is_empty() {
            return std::process::ExitCode::SUCCESS;
        }
        println!("\nover their limit: {}", self.over.join(", "));
        std::process::ExitCode::FAILURE
    }
}

/// A machine of files with `count` sessions, a third of them waiting.
pub(crate) fn machine(count: u32) -> Machine {
    let machine = Machine::new();
    for n in 0..count {
        let pid = 1000 + n;
        let claude = machine.claude(pid);
        let cwd = format!("work/project-{pid}");
        claude.works_in(&cwd);
        machine.repository(&cwd, "feature/some-branch");
        write_status(&machine, pid, ["waiting", "busy", "idle"][n as usize % 3]);
        let said = "Make the cart survive a reload, and write a test for it, please.";
        claude.says(&format!("s-{pid}"), &[prompt(said)]);
    }
    machine
}

/// Writes a status file, as the CLI does. Says when it was about to be closed.
pub(crate) fn write_status(machine: &Machine, pid: u32, status: &str) -> Instant {
    let start = u64::from(pid) * 10;
    let claude = Process {
        machine,
        pid,
        start,
    };
    let now = chrono::Utc::now().timestamp_millis();
    claude
        .file(json!({"status": status, "waitingFor": "permission prompt", "statusUpdatedAt": now}))
}

/// A program that `scripts/bench` has built.
pub(crate) fn built(name: &str) -> PathBuf {
    let dir = std::env::var_os("VMUX_BENCH_BIN").expect("run by scripts/bench");
    PathBuf::from(dir).join(name)
}

/// A command in a machine's world.
pub(crate) fn command(machine: &Machine, program: &str) -> Command {
    kit::service::command(machine, built(program))
}

/// Starts a daemon and waits until it listens. It ends with the value.
pub(crate) fn daemon(mut command: Command, socket: &Path) -> Killed {
    command.args(["daemon", "run"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let daemon = Killed(child.unwrap());
    wait_for("the daemon", || {
        std::os::unix::net::UnixStream::connect(socket).ok()
    });
    daemon
}

/// A number in `/proc/pid/status`, such as `VmRSS`, in its own unit.
pub(crate) fn status(pid: u32, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or("x 0");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}

/// How often any thread of a process has slept and been woken.
pub(crate) fn switches(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten();
    let count = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt"))
            .unwrap_or("x 0");
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    tasks.map(count).sum()
}

/// Memory that a process has for itself alone, in MB.
pub(crate) fn private(pid: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kib = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.sum::<f64>() / 1024.0
}
