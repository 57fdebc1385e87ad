//! The real daemon and the real programs, in a world of files: see [`Machine`].

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::machine::Machine;
pub(crate) use super::process::signal;
use super::process::wait_within;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until `look` finds something: it is to be there soon.
pub(crate) fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, look)
}

/// A command that knows nothing but a machine.
pub(crate) fn command(machine: &Machine, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", machine.path("home"))
        .env("VMUX_DIR", machine.path("vmux"))
        .env("VMUX_PROC", machine.path("proc"))
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC")
        .current_dir(machine.path("home"))
        .stdin(Stdio::null());
    command
}

/// Runs `vmux` to its end.
pub(crate) fn vmux(machine: &Machine, words: &[&str]) -> Output {
    command(machine, env!("CARGO_BIN_EXE_vmux"))
        .args(words)
        .output()
        .unwrap()
}

/// Output, errors and exit code as one text, with the machine's directory as `/M`.
pub(crate) fn shown(machine: &Machine, done: &Output) -> String {
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(machine.path("").to_str().unwrap(), "/M/")
    };
    let mut shown = text(&done.stdout);
    if !done.stderr.is_empty() {
        shown.push_str("--- stderr\n");
        shown.push_str(&text(&done.stderr));
    }
    match done.status.code() {
        Some(0) => {}
        code => shown.push_str(&format!(
            "--- exit {}\n",
            code.map_or("by signal".into(), |c| c.to_string())
        )),
    }
    shown
}

/// A daemon that is killed when the test ends.
pub(crate) struct Daemon<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) child: Child,
}

impl<'m> Daemon<'m> {
    pub(crate) fn start(machine: &'m Machine) -> Self {
        let child = command(machine, env!("CARGO_BIN_EXE_vmux"))
            .args(["daemon", "run"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(machine.path("daemon.log")).unwrap())
            .spawn()
            .unwrap();
        let daemon = Self { machine, child };
        wait_for("the daemon", || UnixStream::connect(daemon.socket()).ok());
        daemon
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.machine.path("vmux/vmux.sock")
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client {
            reader: BufReader::new(stream),
        }
    }

    pub(crate) fn ask(&self, line: &str) -> Value {
        self.connect().ask(line)
    }

    /// Waits until the first session that is listed fits.
    pub(crate) fn wait_for_session(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let reply = self.ask(r#"{"action":"list"}"#);
            reply["sessions"]
                .as_array()?
                .iter()
                .find(|session| fits(session))
                .cloned()
        })
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!(
                "{}",
                std::fs::read_to_string(self.machine.path("daemon.log")).unwrap_or_default()
            );
        }
    }
}

/// A connection that speaks lines.
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be asked, as `nc -N` and `socat` do.
    pub(crate) fn close_own_half(&mut self) {
        let stream = self.reader.get_ref();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// The next line; `None` at the end of the stream.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line),
        }
    }

    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.send(format!("{line}\n").as_bytes()).unwrap();
        serde_json::from_str(&self.line().expect("a reply")).unwrap()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        use std::io::Read as _;
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }
}
