//! A home for the real CLIs: scripted models, a terminal, a vmux daemon that tells its log much.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;
use vmux::sys::proc::Proc;

use super::home::{Home, VMUX};
use super::install;
use super::process::{Killed, PATIENCE, end_all_of, processes_of, run, wait_for};

/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (120, 50);
/// Accepted in the seeded settings by its last 20 characters.
const KEY: &str = "sk-ant-lab-0123456789-abcdefghijklmnopqrstuvwxyz";
/// Directories that the seeded settings trust.
pub(crate) const TRUSTED: [&str; 2] = ["work", "other"];

/// A session as `vmux list --json` tells it to scripts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) cwd: PathBuf,
    pub(crate) pid: u32,
    pub(crate) session_id: Option<String>,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) ask: Option<String>,
    pub(crate) question: Option<String>,
    pub(crate) preview: Option<String>,
    pub(crate) unseen: bool,
    pub(crate) answerable: Option<u64>,
    pub(crate) label: Option<String>,
    pub(crate) kind: String,
    pub(crate) version: Option<String>,
    pub(crate) waiting_since: Option<chrono::DateTime<chrono::Utc>>,
    pub(crate) state_since: Option<chrono::DateTime<chrono::Utc>>,
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
pub(crate) struct Lab {
    home: Home,
    cli: PathBuf,
    model: Model,
    /// Panes and pids, for what is printed at a failure.
    started: RefCell<Vec<(String, u32)>>,
    /// Given back at the end.
    _slot: Slot,
}

impl Deref for Lab {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Lab {
    pub(crate) fn of(version: &str) -> Self {
        let cli = install::cli(version);
        let slot = Slot::take();
        let model = Model::start("fake_api.py");
        let home = home(&model);
        // By its name it is the real one.
        let name = home.path("bin/claude");
        fs::remove_file(&name).unwrap();
        symlink(&cli, name).unwrap();
        let lab = Self {
            home,
            cli,
            model,
            started: RefCell::default(),
            _slot: slot,
        };
        lab.seed("home");
        lab.says(&["daemon", "start"]).unwrap();
        lab.open_terminal();
        lab
    }

    /// Starts the terminal server in which everything is shown.
    fn open_terminal(&self) {
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        // Ends with this test, however that ends: nothing of it is left running.
        let guard = format!(
            "tail --pid={} -f /dev/null; exec tmux -S {} kill-server",
            std::process::id(),
            self.path("t").display()
        );
        let start = ["new-session", "-d", "-x", &columns, "-y", &rows, &guard];
        // What a session leaves on its screen is there after its end.
        let keep = [";", "set-option", "-g", "remain-on-exit", "on"];
        self.tmux(&[&start[..], &keep].concat());
    }

    /// Kills all that runs, the terminals and the daemon too, as a crash of the machine does; what
    /// comes up again is a terminal.
    pub(crate) fn crash(&self) {
        end_all_of(self.dir());
        self.started.borrow_mut().clear();
        self.open_terminal();
    }

    /// Makes a configuration directory.
    pub(crate) fn seed(&self, relative: &str) -> PathBuf {
        let config = self.make_dir(relative);
        seed(self.dir(), &config);
        config
    }

    /// The real CLI.
    pub(crate) fn cli(&self) -> &str {
        self.cli.to_str().unwrap()
    }

    /// Starts any program in a window of its own; returns its pane and its process.
    pub(crate) fn run(&self, dir: &str, command: &[&str]) -> (String, u32) {
        let (pane, pid) = self.window(dir, command);
        self.started.borrow_mut().push((pane.clone(), pid));
        (pane, pid)
    }

    /// Starts the CLI from an interactive shell, with its job control.
    pub(crate) fn run_from_shell(&self, dir: &str, arguments: &[&str]) -> (String, u32) {
        let (pane, shell) = self.window(dir, &["bash", "--norc", "--noprofile", "-i"]);
        let line = format!("{} {}", self.cli(), arguments.join(" "));
        self.tmux(&["send-keys", "-t", &pane, "-l", &line]);
        self.tmux(&["send-keys", "-t", &pane, "Enter"]);
        let children = format!("/proc/{shell}/task/{shell}/children");
        let pid = wait_for("the shell to start the CLI", || {
            let pids = fs::read_to_string(&children).unwrap_or_default();
            pids.split_whitespace()
                .next()
                .and_then(|pid| pid.parse().ok())
        });
        self.started.borrow_mut().push((pane.clone(), pid));
        (pane, pid)
    }

    fn window(&self, dir: &str, command: &[&str]) -> (String, u32) {
        let cwd = self.make_dir(dir);
        let format = "#{pane_id} #{pane_pid}";
        let fixed = ["new-window", "-d", "-P", "-F", format, "-c"];
        let said = self.tmux(&[&fixed[..], &[cwd.to_str().unwrap(), "--"], command].concat());
        let (pane, pid) = said.trim().split_once(' ').unwrap();
        (pane.to_owned(), pid.parse().unwrap())
    }

    /// Lets a `hold:` or `stall:` reply of the model end.
    pub(crate) fn go(&self, name: &str) {
        self.model.go(name);
    }

    /// Waits until a `hold:` reply of the model has said some words.
    pub(crate) fn until_said(&self, name: &str) {
        self.model.told(&format!("_said/{name}"));
    }

    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let mut command = self.command("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]);
        command.arg(self.path("t")).args(words);
        output(&mut command).unwrap_or_else(|said| panic!("tmux {words:?}: {said}"))
    }

    /// Runs the real binary.
    pub(crate) fn says(&self, words: &[&str]) -> Result<String, String> {
        output(self.command(VMUX).args(words))
    }

    /// The sessions as `vmux list --json` lists them.
    pub(crate) fn rows(&self, words: &[&str]) -> Vec<Row> {
        #[derive(Deserialize)]
        struct Reply {
            sessions: Vec<Row>,
        }
        let said = self.says(&[&["list", "--json"], words].concat());
        let said = said.unwrap_or_else(|said| panic!("vmux list: {said}"));
        let reply: Reply = serde_json::from_str(&said).unwrap();
        reply.sessions
    }

    /// Has a daemon that follows every session of this user, those of other tests too: it would
    /// record commits of their repositories.
    pub(crate) fn follow_all(&self) {
        self.stop_daemon();
        self.home.unset("VMUX_ONLY_CONFIG");
        self.says(&["daemon", "start"]).unwrap();
    }

    /// Stops the daemon. `vmux list` would start another one.
    pub(crate) fn stop_daemon(&self) {
        let said = self.says(&["daemon", "stop"]);
        assert_eq!(said.as_deref(), Ok("stopped\n"));
    }

    /// The hooks of vmux that wait for an answer, with the shells that they are run by.
    pub(crate) fn waiting_hooks(&self) -> Vec<String> {
        let proc = Proc::open(Path::new("/proc")).unwrap();
        let all = processes_of(self.dir());
        let commands = all.iter().map(|(_, pid)| {
            let words = proc.cmdline(*pid);
            words.join(OsStr::new(" ")).to_string_lossy().into_owned()
        });
        commands
            .filter(|line| line.ends_with("hook Answer"))
            .collect()
    }

    /// Everything that can explain a failure.
    fn dump(&self) {
        for (pane, pid) in self.started.borrow().iter() {
            let screen = output(self.command("tmux").arg("-S").arg(self.path("t")).args([
                "capture-pane",
                "-p",
                "-t",
                pane,
            ]));
            let said = |said: Result<String, String>| said.unwrap_or_else(|error| error);
            eprintln!("== screen of {pid}\n{}", said(screen).trim_end());
            let explained = self.says(&["explain", &pid.to_string()]);
            eprintln!("== vmux explain {pid}\n{}", said(explained));
        }
        let listed = self.says(&["list", "--json", "--all"]);
        eprintln!("== vmux list --json --all\n{listed:?}");
        eprintln!("== kept: {}", self.dir().display());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dump();
            self.home.keep();
        }
        let mut kill = self.command("tmux");
        drop(run(kill.arg("-S").arg(self.path("t")).arg("kill-server")));
    }
}

fn output(command: &mut Command) -> Result<String, String> {
    let done = run(command);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(format!("{}: {}", done.status, text(&done.stderr)))
    }
}

/// A home whose programs reach nothing but this model.
fn home(model: &Model) -> Home {
    let home = Home::new();
    let (own, all) = (home.variable("PATH"), std::env::var("PATH").unwrap());
    home.set("PATH", format!("{}:{all}", own.to_str().unwrap()));
    let tmp = home.make_dir("tmp");
    home.set("TMPDIR", &tmp);
    home.set("CLAUDE_CODE_TMPDIR", &tmp);
    for (name, value) in [
        ("VMUX_LOG", "debug"),
        ("TERM", "xterm-256color"),
        ("PS1", "$ "),
        ("ANTHROPIC_API_KEY", KEY),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        // Nothing but the scripted model is reached, whatever a version tries.
        ("https_proxy", "http://127.0.0.1:9"),
        ("no_proxy", "127.0.0.1"),
    ] {
        home.set(name, value);
    }
    let url = format!("http://127.0.0.1:{}", model.port);
    home.set("ANTHROPIC_BASE_URL", url);
    home
}

/// A scripted model, which ends with its standard input.
pub(crate) struct Model {
    pub(crate) port: u16,
    _process: Killed,
}

impl Model {
    pub(crate) fn start(script: &str) -> Self {
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
        let mut command = Command::new("python3");
        command.arg(lab.join(script));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().expect("python3 runs the scripted model");
        let mut process = Killed(child);
        let mut said = BufReader::new(process.0.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse();
        Self {
            port: port.expect("the scripted model says its port"),
            _process: process,
        }
    }

    /// Lets a `hold:` reply end.
    pub(crate) fn go(&self, name: &str) {
        self.told(&format!("_go/{name}"));
    }

    fn told(&self, path: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains(" 200 "), "{said}");
    }
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
