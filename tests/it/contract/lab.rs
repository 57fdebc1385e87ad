//! A small world for the real CLI: a home, a scripted model, a terminal, a vmux daemon.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use vmux::sys::clock::Deadline;
use vmux::sys::exec;
use vmux::sys::proc::Proc;

use super::install;
use super::session::Session;
use crate::kit::process::{end_all_of, processes_of};

/// Between two looks at something that reports no event.
const PACE: Duration = Duration::from_millis(50);
/// A command that answers at once, on a machine that is busy with other tests.
const COMMAND: Duration = Duration::from_secs(60);
/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (120, 50);
/// Accepted in the seeded settings by its last 20 characters.
const KEY: &str = "sk-ant-lab-0123456789-abcdefghijklmnopqrstuvwxyz";
/// Directories that the seeded settings trust.
const TRUSTED: [&str; 2] = ["work", "other"];

/// A session as `vmux list --json` tells it to scripts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) agent: String,
    pub(super) cwd: PathBuf,
    pub(super) pid: u32,
    pub(super) session_id: Option<String>,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) ask: Option<String>,
    pub(super) question: Option<String>,
    pub(super) preview: Option<String>,
    pub(super) unseen: bool,
    pub(super) answerable: Option<u64>,
    pub(super) label: Option<String>,
    pub(super) kind: String,
    pub(super) version: Option<String>,
    pub(super) waiting_since: Option<chrono::DateTime<chrono::Utc>>,
    pub(super) state_since: Option<chrono::DateTime<chrono::Utc>>,
}

/// Worlds that run, and the end of one.
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to run a CLI: as many worlds at once as there are cores.
struct Slot;

impl Slot {
    fn take() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |running: &mut usize| *running >= cores;
        let free = RUNNING.1.wait_while(running, full);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RUNNING.1.notify_one();
    }
}

/// The world of one test. Its directory is kept if the test fails.
pub(super) struct Lab {
    dir: PathBuf,
    cli: PathBuf,
    port: u16,
    model: Child,
    daemon: Child,
    /// Panes and pids, for what is printed at a failure.
    started: RefCell<Vec<(String, u32)>>,
    /// Given back at the end.
    _slot: Slot,
}

impl Lab {
    pub(super) fn of(version: &str) -> Self {
        let cli = install::cli(version);
        let slot = Slot::take();
        // Short, because a socket's path has 108 bytes at most.
        let dir = tempfile::Builder::new().prefix("vmux-contract-").tempdir();
        let dir = dir.unwrap().keep();
        let mut model = model("fake_api.py");
        let port = read_port(&mut model);
        fs::create_dir(dir.join("tmp")).unwrap();
        seed(&dir, &dir.join("home"));
        let mut lab = Self {
            cli,
            port,
            model,
            daemon: daemon(&dir),
            dir,
            started: RefCell::default(),
            _slot: slot,
        };
        lab.wait_for_daemon();
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        // Ends with this test, however that ends: nothing of it is left running.
        let guard = format!(
            "tail --pid={} -f /dev/null; exec tmux -S {} kill-server",
            std::process::id(),
            lab.path("t").display()
        );
        let start = ["new-session", "-d", "-x", &columns, "-y", &rows, &guard];
        // What a session leaves on its screen is there after its end.
        let keep = [";", "set-option", "-g", "remain-on-exit", "on"];
        lab.tmux(&[&start[..], &keep].concat());
        lab
    }

    /// Makes a configuration directory.
    pub(super) fn seed(&self, relative: &str) -> PathBuf {
        let config = self.path(relative);
        seed(&self.dir, &config);
        config
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// Starts the CLI with these arguments in a trusted directory.
    pub(super) fn claude(&self, arguments: &[&str]) -> Session<'_> {
        self.claude_in(TRUSTED[0], arguments)
    }

    /// The same in another directory.
    pub(super) fn claude_in(&self, dir: &str, arguments: &[&str]) -> Session<'_> {
        self.start(dir, &[&[self.cli.to_str().unwrap()], arguments].concat())
    }

    /// The same with variables (`NAME=VALUE`) in its environment.
    pub(super) fn claude_with(&self, variables: &[&str], arguments: &[&str]) -> Session<'_> {
        let cli = self.cli.to_str().unwrap();
        let command = [&["env"], variables, &[cli], arguments].concat();
        self.start(TRUSTED[0], &command)
    }

    /// Starts any program in a window of its own; returns its pane and its process.
    pub(super) fn run(&self, dir: &str, command: &[&str]) -> (String, u32) {
        let (pane, pid) = self.window(dir, command);
        self.started.borrow_mut().push((pane.clone(), pid));
        (pane, pid)
    }

    fn start(&self, dir: &str, command: &[&str]) -> Session<'_> {
        let (pane, pid) = self.window(dir, command);
        self.started.borrow_mut().push((pane.clone(), pid));
        Session::new(self, pane, pid)
    }

    /// Starts the CLI from an interactive shell, with its job control.
    pub(super) fn claude_from_shell(&self, dir: &str, arguments: &[&str]) -> Session<'_> {
        let (pane, shell) = self.window(dir, &["bash", "--norc", "--noprofile", "-i"]);
        let line = format!("{} {}", self.cli.display(), arguments.join(" "));
        self.tmux(&["send-keys", "-t", &pane, "-l", &line]);
        self.tmux(&["send-keys", "-t", &pane, "Enter"]);
        let children = format!("/proc/{shell}/task/{shell}/children");
        let pid = wait("the shell to start the CLI", COMMAND, || {
            let pids = fs::read_to_string(&children).unwrap_or_default();
            pids.split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok())
        });
        self.started.borrow_mut().push((pane.clone(), pid));
        Session::new(self, pane, pid)
    }

    fn window(&self, dir: &str, command: &[&str]) -> (String, u32) {
        let cwd = self.dir.join(dir);
        fs::create_dir_all(&cwd).unwrap();
        let format = "#{pane_id} #{pane_pid}";
        let fixed = ["new-window", "-d", "-P", "-F", format, "-c"];
        let said = self.tmux(&[&fixed[..], &[cwd.to_str().unwrap(), "--"], command].concat());
        let (pane, pid) = said.trim().split_once(' ').unwrap();
        (pane.to_owned(), pid.parse().unwrap())
    }

    /// Lets a `hold:` or `stall:` reply of the model end.
    pub(super) fn go(&self, name: &str) {
        self.tell_model(&format!("_go/{name}"));
    }

    /// Waits until a `hold:` reply of the model has said some words.
    pub(super) fn until_said(&self, name: &str) {
        self.tell_model(&format!("_said/{name}"));
    }

    fn tell_model(&self, path: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(COMMAND)).unwrap();
        let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains(" 200 "), "{said}");
    }

    pub(super) fn tmux(&self, words: &[&str]) -> String {
        let mut command = self.command("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]);
        command.arg(self.dir.join("t")).args(words);
        output(&mut command).unwrap_or_else(|said| panic!("tmux {words:?}: {said}"))
    }

    /// Runs the real binary.
    pub(super) fn vmux(&self, words: &[&str]) -> Result<String, String> {
        output(self.command(env!("CARGO_BIN_EXE_vmux")).args(words))
    }

    /// The sessions as `vmux list --json` lists them.
    pub(super) fn rows(&self, words: &[&str]) -> Vec<Row> {
        #[derive(Deserialize)]
        struct Reply {
            sessions: Vec<Row>,
        }
        let said = self.vmux(&[&["list", "--json"], words].concat());
        let said = said.unwrap_or_else(|said| panic!("vmux list: {said}"));
        let reply: Reply = serde_json::from_str(&said).unwrap();
        reply.sessions
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        prepare(&mut command, &self.dir);
        command
            .env("TERM", "xterm-256color")
            .env("PS1", "$ ")
            .env(
                "ANTHROPIC_BASE_URL",
                format!("http://127.0.0.1:{}", self.port),
            )
            .env("ANTHROPIC_API_KEY", KEY)
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            // Nothing but the scripted model is reached, whatever a version tries.
            .env("https_proxy", "http://127.0.0.1:9")
            .env("no_proxy", "127.0.0.1");
        command
    }

    /// Stops the daemon. `vmux list` would start another one.
    pub(super) fn stop_daemon(&self) {
        let said = self.vmux(&["daemon", "stop"]);
        assert_eq!(said.as_deref(), Ok("stopped\n"));
    }

    /// The hooks of vmux that wait for an answer, with the shells that they are run by.
    pub(super) fn waiting_hooks(&self) -> Vec<String> {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let all = processes_of(&self.dir);
        let commands = all.iter().map(|(_, pid)| {
            let words = proc.cmdline(*pid);
            words.join(OsStr::new(" ")).to_string_lossy().into_owned()
        });
        commands
            .filter(|line| line.ends_with("hook Answer"))
            .collect()
    }

    fn wait_for_daemon(&mut self) {
        let daemon = &mut self.daemon;
        let socket = self.dir.join("vmux/vmux.sock");
        wait("the daemon to listen", COMMAND, || {
            assert!(daemon.try_wait().unwrap().is_none(), "the daemon has ended");
            socket.exists().then_some(())
        });
    }

    /// Everything that can explain a failure.
    fn dump(&self) {
        for (pane, pid) in self.started.borrow().iter() {
            let screen = output(
                self.command("tmux")
                    .arg("-S")
                    .arg(self.dir.join("t"))
                    .args(["capture-pane", "-p", "-t", pane]),
            );
            let said = |said: Result<String, String>| said.unwrap_or_else(|error| error);
            eprintln!("== screen of {pid}\n{}", said(screen).trim_end());
            let explained = self.vmux(&["explain", &pid.to_string()]);
            eprintln!("== vmux explain {pid}\n{}", said(explained));
        }
        let listed = self.vmux(&["list", "--json", "--all"]);
        eprintln!("== vmux list --json --all\n{listed:?}");
        eprintln!("== kept: {}", self.dir.display());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.dump();
        }
        let mut kill = self.command("tmux");
        kill.arg("-S").arg(self.dir.join("t")).arg("kill-server");
        drop(output(&mut kill));
        for child in [&mut self.daemon, &mut self.model] {
            drop(child.kill());
            drop(child.wait());
        }
        end_all_of(&self.dir);
        if !failed {
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}

/// Looks again and again until there is something; `None` after `patience`.
pub(super) fn poll<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Deadline::after(patience);
    loop {
        let found = look();
        if found.is_some() || deadline.passed() {
            return found;
        }
        vmux::sys::clock::sleep(PACE);
    }
}

/// The same, which has to come.
pub(super) fn wait<T>(what: &str, patience: Duration, look: impl FnMut() -> Option<T>) -> T {
    poll(patience, look).unwrap_or_else(|| panic!("waited {patience:?} for {what}"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let done = exec::run(command, COMMAND).map_err(|error| error.to_string())?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(format!("{}: {}", done.status, text(&done.stderr)))
    }
}

/// An environment with nothing of the caller's but `PATH`.
fn prepare(command: &mut Command, dir: &Path) {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir.join("home"))
        .env("VMUX_DIR", dir.join("vmux"))
        .env("TMPDIR", dir.join("tmp"))
        .env("CLAUDE_CODE_TMPDIR", dir.join("tmp"))
        .env("LANG", "C.UTF-8")
        .current_dir(dir);
}

/// A scripted model, which says its port and ends with its standard input.
pub(super) fn model(script: &str) -> Child {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let script = lab.join(script);
    let mut command = Command::new("python3");
    command
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().expect("python3 runs the scripted model")
}

pub(super) fn read_port(model: &mut Child) -> u16 {
    let mut line = String::new();
    let mut said = BufReader::new(model.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    line.trim()
        .parse()
        .expect("the scripted model says its port")
}

fn daemon(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("vmux.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmux"));
    prepare(&mut command, dir);
    command.env("VMUX_LOG", "debug").args(["daemon", "run"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().unwrap()
}

/// Writes the settings of a user who has been through the questions of the first start.
fn seed(dir: &Path, settings_in: &Path) {
    fs::create_dir_all(settings_in).unwrap();
    let trusted = TRUSTED.map(|name| {
        let path = dir.join(name).to_string_lossy().into_owned();
        (path, json!({"hasTrustDialogAccepted": true}))
    });
    let settings = json!({
        "hasCompletedOnboarding": true,
        "theme": "dark",
        "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]], "rejected": []},
        "projects": serde_json::Map::from_iter(trusted),
    });
    fs::write(settings_in.join(".claude.json"), settings.to_string()).unwrap();
}
