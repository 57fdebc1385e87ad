//! A whole desktop of its own: Xvfb, i3 with its default configuration, terminals, menus, and a
//! private daemon. Sessions are real processes whose files the test writes.
//!
//! Where the focus is, is asked of the `i3ipc` crate: another implementation than ours.

mod attention;
mod bars;
mod faults;
mod menus;
mod notices;
mod popups;
mod rofi;
mod screens;
mod sway;
mod switching;
mod tabs;
mod terminals;
mod tmux;
mod ways;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::end_all_of;

/// Longest wait for anything: a loaded machine of two cores starts rofi in half a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `test` gives something.
pub(crate) fn wait_for<T>(what: &str, mut test: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = test() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// A child that is killed, by its pid, when the test ends.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) struct Desktop {
    dir: tempfile::TempDir,
    display: String,
    socket: PathBuf,
    // Ended in this order: sessions, window manager, X server.
    children: std::cell::RefCell<Vec<Killed>>,
    i3: std::cell::RefCell<Option<Killed>>,
    _xvfb: Killed,
}

/// A session: a process called `claude`, shown somewhere on the desktop.
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) pid: u32,
    start: String,
    file: PathBuf,
    cwd: PathBuf,
}

impl Desktop {
    pub(crate) fn new() -> Self {
        Self::with_config("")
    }

    /// i3's default configuration, with some lines more.
    pub(crate) fn with_config(more: &str) -> Self {
        Self::build(more, false)
    }

    /// One whose X server lets nobody in without the cookie in [`Desktop::cookie`].
    pub(crate) fn guarded() -> Self {
        Self::build("", true)
    }

    pub(crate) fn cookie(&self) -> PathBuf {
        self.path("cookie")
    }

    fn build(more: &str, guarded: bool) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("vmux-e2e-")
            .tempdir()
            .unwrap();
        for name in ["home/.claude", "run", "bin", "work"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        // A process is called after the name it was started by.
        symlink("/bin/sleep", dir.path().join("bin/claude")).unwrap();
        let cookie = dir.path().join("cookie");
        if guarded {
            // Xauthority(5): for any host and display, the name of the protocol, 16 bytes.
            let name = b"MIT-MAGIC-COOKIE-1";
            let data = [7; 16];
            let head = [255, 255, 0, 0, 0, 0, 0, name.len() as u8];
            fs::write(&cookie, [&head[..], name, &[0, 16], &data].concat()).unwrap();
        }
        let (xvfb, display) = start_xvfb(guarded.then_some(&*cookie));
        let default =
            fs::read_to_string("/etc/i3/config").expect("i3 is installed (scripts/test does)");
        let own: Vec<&str> = default
            .lines()
            .filter(|line| !line.starts_with("exec "))
            .collect();
        let config = format!(
            "{}\nipc-socket {}\n{more}\n",
            own.join("\n"),
            dir.path().join("i3.sock").display()
        );
        fs::write(dir.path().join("i3.config"), config).unwrap();
        let desktop = Self {
            socket: dir.path().join("i3.sock"),
            dir,
            display,
            children: Default::default(),
            i3: Default::default(),
            _xvfb: xvfb,
        };
        desktop.start_i3();
        desktop
    }

    pub(crate) fn start_i3(&self) {
        let log = fs::File::create(self.path("i3.log")).unwrap();
        let i3 = self
            .command("i3")
            .arg("-c")
            .arg(self.path("i3.config"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("i3 is installed (scripts/test does)");
        *self.i3.borrow_mut() = Some(Killed(i3));
        wait_for("i3", || {
            self.i3_msg(&["-t", "get_version"])
                .status
                .success()
                .then_some(())
        });
    }

    pub(crate) fn i3_pid(&self) -> u32 {
        self.i3.borrow().as_ref().unwrap().0.id()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// A command in this desktop's world, and in no other.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let own = Path::new(env!("CARGO_BIN_EXE_vmux")).parent().unwrap();
        let path = format!(
            "{}:{}:/usr/local/bin:/usr/bin:/bin",
            self.path("bin").display(),
            own.display()
        );
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CACHE_HOME", self.path("home/.cache"))
            .env("VMUX_DIR", self.path("vmux"))
            // Other tests run sessions at the same time.
            .env("VMUX_ONLY_CONFIG", "1")
            .env("DISPLAY", &self.display)
            .env("XAUTHORITY", self.cookie())
            .env("LANG", "C.UTF-8")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .current_dir(self.path("work"));
        command
    }

    pub(crate) fn spawn(&self, command: &mut Command) -> u32 {
        let child = command.spawn().unwrap();
        let pid = child.id();
        self.children.borrow_mut().push(Killed(child));
        pid
    }

    pub(crate) fn vmux(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_vmux"))
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub(crate) fn i3_msg(&self, words: &[&str]) -> Output {
        self.command("i3-msg")
            .arg("-s")
            .arg(&self.socket)
            .args(words)
            .output()
            .unwrap()
    }

    /// Runs an i3 command that must succeed.
    pub(crate) fn i3(&self, command: &str) {
        let done = self.i3_msg(&[command]);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success() && !text.contains("\"success\":false"),
            "{command}: {text}"
        );
    }

    /// Sends keys or pointer moves.
    pub(crate) fn xdotool(&self, words: &[&str]) {
        let done = self
            .command("xdotool")
            .args(words)
            .output()
            .expect("xdotool is installed (scripts/test does)");
        assert!(
            done.status.success(),
            "xdotool {words:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        let done = self.vmux(&["list", "--json"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        let reply: Value = serde_json::from_slice(&done.stdout).unwrap();
        reply["sessions"].as_array().unwrap().clone()
    }

    /// A name for a session that no other test has: displays are numbered.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("{name}{}", self.display.trim_start_matches(':'))
    }

    pub(crate) fn session(&self, shown: &Shown) -> Option<Value> {
        self.sessions()
            .into_iter()
            .find(|session| session["pid"] == shown.pid)
    }

    /// A session in an xterm of its own.
    pub(crate) fn xterm(&self, name: &str) -> Shown {
        self.terminal(name, &["xterm", "-e"])
    }

    /// A session in a terminal, started by `words` and then the command to run.
    pub(crate) fn terminal(&self, name: &str, words: &[&str]) -> Shown {
        let mut command = self.command(words[0]);
        command
            .args(&words[1..])
            .args(["sh", "-c", &self.script(name)]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.spawn(&mut command);
        self.register(name)
    }

    /// What a terminal runs: becomes a process called `claude`, and leaves its pid.
    pub(crate) fn script(&self, name: &str) -> String {
        let cwd = self.path(&format!("work/{}", self.unique(name)));
        fs::create_dir_all(&cwd).unwrap();
        format!(
            "cd '{}' && echo $$ > pid && exec '{}' 3600",
            cwd.display(),
            self.path("bin/claude").display()
        )
    }

    /// Waits for a started session, gives it a status file, and waits until vmux shows it.
    pub(crate) fn register(&self, name: &str) -> Shown {
        let shown = self.adopt(name);
        shown.set(json!({}));
        wait_for(&format!("{name} in the list"), || self.session(&shown));
        shown
    }

    /// The same without waiting for vmux.
    pub(crate) fn adopt(&self, name: &str) -> Shown {
        let cwd = self.path(&format!("work/{}", self.unique(name)));
        let pid: u32 = wait_for(&format!("the process of {name}"), || {
            let pid = fs::read_to_string(cwd.join("pid"))
                .ok()?
                .trim()
                .parse()
                .ok()?;
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (comm.trim() == "claude").then_some(pid)
        });
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(19)
            .unwrap()
            .to_owned();
        let file = self.path(&format!("home/.claude/sessions/{pid}.json"));
        Shown {
            name: self.unique(name),
            pid,
            start,
            file,
            cwd,
        }
    }

    /// Waits until vmux knows the window of a session.
    pub(crate) fn window_of(&self, shown: &Shown) -> u64 {
        wait_for(&format!("the window of {}", shown.name), || {
            self.session(shown)?["window"]["xid"].as_u64()
        })
    }

    /// The X window that has the focus, by i3ipc.
    pub(crate) fn focused(&self) -> Option<u64> {
        let done = self
            .command(std::env::current_exe().unwrap())
            .args(["desktop::oracle", "--exact", "--ignored", "--nocapture"])
            .env("I3SOCK", &self.socket)
            .env("VMUX_TEST_ORACLE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.split_once("FOCUS ")?
            .1
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }

    /// Switches to a session; it must succeed.
    pub(crate) fn switch(&self, shown: &Shown) {
        let done = self.vmux(&["switch", &shown.name]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {error}", shown.name);
    }

    pub(crate) fn wait_for_focus(&self, window: u64) {
        wait_for("the focus", || {
            (self.focused() == Some(window)).then_some(())
        });
    }

    /// The focus is there and stays there: a pointer that takes it back does so within moments.
    pub(crate) fn assert_focus_stays(&self, window: u64) {
        self.wait_for_focus(window);
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            assert_eq!(self.focused(), Some(window), "the focus was taken back");
        }
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.children.borrow_mut().clear();
        self.i3.borrow_mut().take();
        // Last: a bar or a menu that still ran would start another one.
        drop(self.vmux(&["daemon", "stop"]));
        end_all_of(self.dir.path());
        if std::thread::panicking() {
            for name in ["vmux/vmux.log", "i3.log"] {
                let text = fs::read_to_string(self.path(name)).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(15).collect();
                eprintln!("--- {name}");
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
    }
}

impl Shown {
    /// Writes its status file, with `changes` to a session that idles.
    pub(crate) fn set(&self, changes: Value) {
        let now = chrono::Utc::now().timestamp_millis();
        let mut file = json!({
            "pid": self.pid, "sessionId": format!("s-{}", self.pid), "cwd": self.cwd, "procStart": self.start,
            "startedAt": now, "version": "2.1.328", "kind": "interactive", "entrypoint": "cli",
            "status": "idle", "statusUpdatedAt": now,
        });
        for (name, value) in changes.as_object().unwrap() {
            file[name] = value.clone();
        }
        fs::create_dir_all(self.file.parent().unwrap()).unwrap();
        fs::write(&self.file, file.to_string()).unwrap();
    }

    /// It has been waiting for so long.
    pub(crate) fn waits(&self, length: Duration) {
        let since = chrono::Utc::now() - length;
        self.set(
            json!({"status": "waiting", "waitingFor": "permission prompt",
                        "statusUpdatedAt": since.timestamp_millis()}),
        );
    }

    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim_start().starts_with('Z') && !rest.is_empty())
    }
}

fn start_xvfb(cookie: Option<&Path>) -> (Killed, String) {
    let mut xvfb = Command::new("Xvfb");
    if let Some(cookie) = cookie {
        xvfb.arg("-auth").arg(cookie);
    }
    let mut xvfb = xvfb
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x800x24",
            "-nolisten",
            "tcp",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("Xvfb is installed (scripts/test does)");
    let mut line = String::new();
    BufReader::new(xvfb.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (Killed(xvfb), format!(":{}", line.trim()))
}

/// Not a test: what [`Desktop::focused`] runs, because i3ipc takes its socket from the
/// environment of its process only.
#[test]
#[ignore = "run by the desktop tests"]
#[allow(clippy::print_stdout, reason = "its output is its answer")]
fn oracle() {
    if std::env::var_os("VMUX_TEST_ORACLE").is_none() {
        return;
    }
    fn focused(node: &i3ipc::reply::Node) -> Option<i32> {
        if node.focused {
            return node.window;
        }
        node.nodes
            .iter()
            .chain(&node.floating_nodes)
            .find_map(focused)
    }
    let mut i3 = i3ipc::I3Connection::connect().unwrap();
    if let Some(window) = focused(&i3.get_tree().unwrap()) {
        println!("FOCUS {window}");
    }
}
