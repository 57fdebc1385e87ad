//! A private home: its directories, its environment, its sessions, and the daemon it may have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::process::{Killed, end_all_of, run, start_ticks, wait_for};
use super::shown::Shown;

/// The user of a world that must not be root's.
const OTHER: u32 = 12345;

/// The binary under test.
pub(crate) const VMUX: &str = env!("CARGO_BIN_EXE_vmux");

/// A private directory, and everything that runs in it.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    user: Option<u32>,
    variables: RefCell<BTreeMap<OsString, OsString>>,
    /// Goes behind the names of its sessions, where they have to be like no other test's.
    pub(super) mark: String,
    children: RefCell<Vec<Killed>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::of(None)
    }

    /// The home of another user, where the test is run by root.
    pub(crate) fn of_another_user() -> Self {
        Self::of(rustix::process::getuid().is_root().then_some(OTHER))
    }

    fn of(user: Option<u32>) -> Self {
        // Short, because a socket's path has 108 bytes at most.
        let dir = tempfile::Builder::new().prefix("vmux-").tempdir().unwrap();
        for name in ["home/.claude", "run", "bin/listens", "work"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        // A process is called after the name it was started by.
        symlink("/bin/sleep", dir.path().join("bin/claude")).unwrap();
        symlink("/usr/bin/tee", dir.path().join("bin/listens/claude")).unwrap();
        let home = Self {
            dir,
            user,
            variables: RefCell::default(),
            mark: String::new(),
            children: RefCell::default(),
        };
        home.give_away(home.dir());
        home.set("PATH", home.programs(Path::new(VMUX)));
        for (name, relative) in [
            ("HOME", "home"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_CACHE_HOME", "home/.cache"),
            ("VMUX_DIR", "vmux"),
        ] {
            home.set(name, home.path(relative));
        }
        // Other tests run sessions at the same time.
        home.set("VMUX_ONLY_CONFIG", "1");
        home.set("LANG", "C.UTF-8");
        home
    }

    /// Where programs are found: its own, those beside this `vmux`, the machine's.
    fn programs(&self, vmux: &Path) -> String {
        let beside = vmux.parent().unwrap().display();
        let own = self.path("bin");
        format!("{}:{beside}:/usr/local/bin:/usr/bin:/bin", own.display())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir().join(relative)
    }

    /// Sets a variable of every command from now on.
    pub(crate) fn set(&self, name: &str, value: impl AsRef<OsStr>) {
        let value = value.as_ref().to_owned();
        self.variables.borrow_mut().insert(name.into(), value);
    }

    /// A variable that was set.
    pub(crate) fn variable(&self, name: &str) -> OsString {
        self.variables.borrow()[OsStr::new(name)].clone()
    }

    pub(crate) fn unset(&self, name: &str) {
        self.variables.borrow_mut().remove(OsStr::new(name));
    }

    /// Leaves its directory there at the end.
    pub(crate) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// Puts a script in the place of a program.
    pub(crate) fn play(&self, program: &str, script: &str) {
        let new = self.path("bin/new");
        fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        // A link to a program of the machine may lie there: that is replaced, never written through.
        fs::rename(&new, self.path("bin").join(program)).unwrap();
    }

    /// Makes a directory that belongs to its user.
    pub(crate) fn make_dir(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(&path).unwrap();
        self.give_away(&path);
        path
    }

    fn give_away(&self, path: &Path) {
        let Some(user) = self.user else { return };
        chown(path, Some(user), Some(user)).unwrap();
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                self.give_away(&entry.path());
            }
        }
    }

    /// A command in this world, and in no other.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.borrow().iter())
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Starts something that runs until the end of this world. Returns its pid.
    pub(crate) fn spawn(&self, command: &mut Command) -> u32 {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error} (scripts/test installs it)"));
        let pid = child.id();
        self.children.borrow_mut().push(Killed(child));
        pid
    }

    /// Ends what was started by [`Self::spawn`], the last first.
    pub(crate) fn end_children(&self) {
        let mut children = self.children.borrow_mut();
        while let Some(child) = children.pop() {
            drop(child);
        }
    }

    pub(crate) fn vmux(&self, words: &[&str]) -> Output {
        run(self.command(VMUX).args(words))
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        let done = self.vmux(&["list", "--json"]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
        let reply: Value = serde_json::from_slice(&done.stdout).unwrap();
        reply["sessions"].as_array().unwrap().clone()
    }

    /// A session as scripts see it.
    pub(crate) fn session(&self, shown: &Shown) -> Option<Value> {
        let mut all = self.sessions().into_iter();
        all.find(|session| session["pid"] == shown.pid)
    }

    /// A name for a session that no other test has.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("{name}{}", self.mark)
    }

    /// A session without a terminal: a child of the test, which ends with the value.
    pub(crate) fn start(&self, name: &str) -> Shown {
        let cwd = self.make_dir(&format!("work/{}", self.unique(name)));
        let mut command = self.command(self.path("bin/claude"));
        let child = command.arg("3600").current_dir(&cwd).spawn().unwrap();
        let pid = wait_for("the process", || called_claude(child.id()));
        self.shown(name, pid, Some(Killed(child)))
    }

    /// What a terminal runs: becomes a process called `claude`, and leaves its pid.
    pub(crate) fn script(&self, name: &str) -> String {
        self.becomes(name, "bin/claude", "3600")
    }

    /// The same of a session that writes down what is typed into it: see [`Shown::typed`].
    pub(crate) fn listening(&self, name: &str) -> String {
        let script = self.becomes(name, "bin/listens/claude", "typed");
        // Each key by itself, and not only at the end of a line.
        format!("stty -icanon min 1; {script}")
    }

    fn becomes(&self, name: &str, program: &str, word: &str) -> String {
        let cwd = self.make_dir(&format!("work/{}", self.unique(name)));
        let (cwd, program) = (cwd.display(), self.path(program));
        let program = program.display();
        format!("cd '{cwd}' && echo $$ > pid && exec '{program}' {word}")
    }

    /// Waits for a started session, gives it a status file, and waits until vmux shows it.
    pub(crate) fn register(&self, name: &str) -> Shown {
        let shown = self.adopt(name);
        shown.set(serde_json::json!({}));
        wait_for(&format!("{name} in the list"), || self.session(&shown));
        shown
    }

    /// Waits for a started session; it has no status file yet.
    pub(crate) fn adopt(&self, name: &str) -> Shown {
        let file = self.path(&format!("work/{}/pid", self.unique(name)));
        let pid = wait_for(&format!("the process of {name}"), || {
            let pid = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            called_claude(pid)
        });
        self.shown(name, pid, None)
    }

    fn shown(&self, name: &str, pid: u32, child: Option<Killed>) -> Shown {
        let name = self.unique(name);
        Shown {
            pid,
            start: start_ticks(pid),
            file: self.path(&format!("home/.claude/sessions/{pid}.json")),
            cwd: self.path(&format!("work/{name}")),
            name,
            child,
        }
    }
}

/// The pid, once its process has become one of that name.
fn called_claude(pid: u32) -> Option<u32> {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (comm.trim() == "claude").then_some(pid)
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end_children();
        // Last: a bar or a menu that still ran would start another one.
        drop(self.vmux(&["daemon", "stop"]));
        end_all_of(self.dir());
        if std::thread::panicking() {
            tell_end_of(&self.path("vmux/vmux.log"));
        }
    }
}

/// Shows the last lines of a log.
pub(crate) fn tell_end_of(log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("--- {}", log.display());
    for line in &lines[lines.len().saturating_sub(15)..] {
        eprintln!("{line}");
    }
}
