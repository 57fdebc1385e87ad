//! Interleaved measuring: the cases of a set take turns in shuffled order, so that what drifts
//! on a shared machine drifts for all of them. Only ratios within one run are worth quoting.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
pub(crate) fn machine(dir: &Path, count: u32) {
    std::fs::create_dir_all(dir.join("proc")).unwrap();
    std::fs::write(dir.join("proc/stat"), "btime 1795160000\n").unwrap();
    std::fs::create_dir_all(dir.join("home/.claude/sessions")).unwrap();
    for n in 0..count {
        session(dir, 1000 + n, ["waiting", "busy", "idle"][n as usize % 3]);
    }
}

/// One session of it.
pub(crate) fn session(dir: &Path, pid: u32, status: &str) {
    let proc = dir.join(format!("proc/{pid}"));
    let cwd = dir.join(format!("work/project-{pid}"));
    std::fs::create_dir_all(proc.join("fd")).unwrap();
    std::fs::create_dir_all(cwd.join(".git")).unwrap();
    std::fs::write(
        cwd.join(".git/HEAD"),
        "ref: refs/heads/feature/some-branch\n",
    )
    .unwrap();
    let write = |name: &str, text: String| std::fs::write(proc.join(name), text).unwrap();
    write("comm", "claude\n".into());
    write("cmdline", "claude\0".into());
    write("environ", format!("HOME={}\0", dir.join("home").display()));
    write(
        "stat",
        format!("{pid} (claude) S 1 {}{pid} 0", "0 ".repeat(17)),
    );
    for (name, target) in [
        ("exe", "/h/claude/versions/2.1.328"),
        ("fd/0", "/dev/pts/7"),
        ("fd/1", "/dev/pts/7"),
    ] {
        let _ = std::os::unix::fs::symlink(target, proc.join(name));
    }
    let _ = std::os::unix::fs::symlink(&cwd, proc.join("cwd"));
    write_status(dir, pid, status);
    let project = vmux::agent::claude::find::encode_cwd(cwd.to_str().unwrap());
    let transcript = dir.join(format!("home/.claude/projects/{project}/s-{pid}.jsonl"));
    std::fs::create_dir_all(transcript.parent().unwrap()).unwrap();
    let line = json!({"parentUuid": null, "isSidechain": false, "type": "user",
        "message": {"role": "user", "content": "Make the cart survive a reload, and write a test for it, please."},
        "timestamp": "2026-11-20T08:48:47.298Z"});
    std::fs::write(transcript, format!("{line}\n")).unwrap();
}

/// Writes a status file, as the CLI does. Says when it was about to be closed.
pub(crate) fn write_status(dir: &Path, pid: u32, status: &str) -> Instant {
    let cwd = dir.join(format!("work/project-{pid}"));
    let now = chrono::Utc::now().timestamp_millis();
    let file = json!({"pid": pid, "sessionId": format!("s-{pid}"), "cwd": cwd, "procStart": pid.to_string(),
        "startedAt": 1_795_164_500_000_i64, "version": "2.1.328", "kind": "interactive", "entrypoint": "cli",
        "status": status, "waitingFor": "permission prompt", "statusUpdatedAt": now});
    let path = dir.join(format!("home/.claude/sessions/{pid}.json"));
    let mut out = std::fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut out, file.to_string().as_bytes()).unwrap();
    Instant::now()
}

/// A program that `scripts/bench` has built.
pub(crate) fn built(name: &str) -> PathBuf {
    let dir = std::env::var_os("VMUX_BENCH_BIN").expect("run by scripts/bench");
    PathBuf::from(dir).join(name)
}

/// A command in a machine's world.
pub(crate) fn command(dir: &Path, program: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command
        .env_clear()
        .env("HOME", dir.join("home"))
        .env("VMUX_DIR", dir.join("vmux"))
        .env("VMUX_PROC", dir.join("proc"))
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::null());
    command
}

/// A daemon that is killed when it goes out of scope.
pub(crate) struct Daemon(pub(crate) std::process::Child);

impl Daemon {
    /// Starts one and waits until it listens.
    pub(crate) fn start(mut command: std::process::Command, socket: &Path) -> Self {
        let child = command
            .args(["daemon", "run"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self(child);
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
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
