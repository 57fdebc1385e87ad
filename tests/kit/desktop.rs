//! A desktop of its own: Xvfb, a window manager, terminals, keys, a message bus.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use x11rb::connection::Connection as _;
use x11rb::rust_connection::RustConnection;

use super::home::{Home, tell_end_of};
use super::manager::Manager;
use super::process::{Killed, run, wait_for};
use super::shown::Shown;

/// An X server without a screen that anybody sees.
pub(crate) struct Display {
    /// Such as `:7`.
    pub(crate) name: String,
    server: Killed,
}

impl Display {
    /// Starts one; with a cookie it lets nobody in who does not have it.
    pub(crate) fn start(cookie: Option<&Path>) -> Self {
        let mut xvfb = Command::new("Xvfb");
        if let Some(cookie) = cookie {
            xvfb.arg("-auth").arg(cookie);
        }
        xvfb.args(["-displayfd", "1", "-screen", "0", "1280x800x24"])
            .args(["-nolisten", "tcp", "-noreset"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let child = xvfb.spawn();
        let mut server = Killed(child.expect("Xvfb is installed (scripts/test does)"));
        let mut number = String::new();
        let mut out = BufReader::new(server.0.stdout.take().unwrap());
        out.read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb found no free display");
        Self {
            name: format!(":{}", number.trim()),
            server,
        }
    }
}

/// A home with a display and a window manager.
pub(crate) struct Desktop {
    // Ended in this order: the window manager, what is in the home, the X server.
    manager: RefCell<Option<Killed>>,
    home: Home,
    bus: Cell<bool>,
    display: Display,
}

impl Deref for Desktop {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Desktop {
    /// i3 with its default configuration.
    pub(crate) fn new() -> Self {
        Self::with_config("")
    }

    /// i3 with its default configuration and some lines more.
    pub(crate) fn with_config(more: &str) -> Self {
        Self::bare(false).with_i3(&(default_config() + more))
    }

    /// One whose X server lets nobody in without the cookie in [`Desktop::cookie`].
    pub(crate) fn guarded() -> Self {
        Self::bare(true).with_i3(&default_config())
    }

    /// Another window manager, once it says by EWMH that it manages the display.
    pub(crate) fn under(manager: &Manager) -> Self {
        let desktop = Self::bare(false);
        let child = manager.start(&desktop);
        *desktop.manager.borrow_mut() = Some(child);
        wait_for(manager.name, || manager.manages(&desktop));
        desktop
    }

    /// A display that nobody manages yet.
    pub(crate) fn bare(guarded: bool) -> Self {
        let mut home = Home::new();
        let cookie = home.path("cookie");
        if guarded {
            // Xauthority(5): for any host and display, the name of the protocol, 16 bytes.
            let name = b"MIT-MAGIC-COOKIE-1";
            let data = [7; 16];
            let head = [255, 255, 0, 0, 0, 0, 0, name.len() as u8];
            fs::write(&cookie, [&head[..], name, &[0, 16], &data].concat()).unwrap();
        }
        let display = Display::start(guarded.then_some(&*cookie));
        home.set("DISPLAY", &display.name);
        home.set("XAUTHORITY", &cookie);
        home.set("LIBGL_ALWAYS_SOFTWARE", "1");
        // Displays are numbered.
        display
            .name
            .trim_start_matches(':')
            .clone_into(&mut home.mark);
        Self {
            manager: RefCell::default(),
            home,
            bus: Cell::new(false),
            display,
        }
    }

    /// i3 with this configuration and no other.
    pub(crate) fn with_i3(self, config: &str) -> Self {
        let socket = self.socket();
        let config = format!("{config}\nipc-socket {}\n", socket.display());
        fs::write(self.path("i3.config"), config).unwrap();
        self.start_i3();
        self
    }

    pub(crate) fn start_i3(&self) {
        let mut i3 = self.command("i3");
        i3.arg("-c").arg(self.path("i3.config"));
        *self.manager.borrow_mut() = Some(self.logged("i3", &mut i3));
        wait_for("i3", || {
            let version = self.i3_msg(&["-t", "get_version"]);
            version.status.success().then_some(())
        });
    }

    /// Starts a program whose errors go to a file of its own.
    pub(super) fn logged(&self, name: &str, command: &mut Command) -> Killed {
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        Killed(child.unwrap_or_else(|error| panic!("{name}: {error} (scripts/test installs it)")))
    }

    pub(crate) fn cookie(&self) -> PathBuf {
        self.path("cookie")
    }

    pub(crate) fn display(&self) -> &str {
        &self.display.name
    }

    /// Process of the X server.
    pub(crate) fn server_pid(&self) -> u32 {
        self.display.server.0.id()
    }

    /// Where i3 listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("i3.sock")
    }

    /// Ends the window manager at once.
    pub(crate) fn end_manager(&self) {
        drop(self.manager.borrow_mut().take());
    }

    /// Process of the window manager.
    pub(crate) fn manager_pid(&self) -> u32 {
        self.manager.borrow().as_ref().unwrap().0.id()
    }

    pub(crate) fn i3_msg(&self, words: &[&str]) -> Output {
        let mut i3_msg = self.command("i3-msg");
        run(i3_msg.arg("-s").arg(self.socket()).args(words))
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
        let done = run(self.command("xdotool").args(words));
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "xdotool {words:?}: {error}");
    }

    /// A connection to its display, and the root window.
    pub(crate) fn x(&self) -> (RustConnection, u32) {
        let (x, screen) = x11rb::connect(Some(self.display())).unwrap();
        let root = x.setup().roots[screen].root;
        (x, root)
    }

    /// The screen, as a PPM.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let mut import = self.command("import");
        run(import.args(["-window", "root", "-depth", "8", "ppm:-"])).stdout
    }

    /// The address of its message bus, which is started by the first who asks. It starts nothing
    /// by itself: another notification daemon would come, with its user's configuration.
    pub(crate) fn bus(&self) -> String {
        let socket = self.path("run/bus");
        if !self.bus.replace(true) {
            let config = BUS.replace("BUS", socket.to_str().unwrap());
            fs::write(self.path("bus.conf"), config).unwrap();
            let mut daemon = self.command("dbus-daemon");
            daemon.arg("--nofork").arg("--config-file");
            daemon.arg(self.path("bus.conf")).stdout(Stdio::null());
            self.spawn(daemon.stderr(Stdio::null()));
            wait_for("the bus", || socket.exists().then_some(()));
        }
        format!("unix:path={}", socket.display())
    }

    /// A session in an xterm of its own.
    pub(crate) fn xterm(&self, name: &str) -> Shown {
        self.terminal(name, &["xterm", "-e"])
    }

    /// A session in an xterm of its own, which writes down what is typed into it.
    pub(crate) fn listener(&self, name: &str) -> Shown {
        self.run_in(&["xterm", "-e"], &self.listening(name));
        self.register(name)
    }

    /// A session in a terminal, started by `words` and then the command to run.
    pub(crate) fn terminal(&self, name: &str, words: &[&str]) -> Shown {
        self.run_in(words, &self.script(name));
        self.register(name)
    }

    fn run_in(&self, words: &[&str], script: &str) {
        let mut command = self.command(words[0]);
        command.args(&words[1..]).args(["sh", "-c", script]);
        self.spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    }

    /// Waits until vmux knows the window of a session.
    pub(crate) fn window_of(&self, shown: &Shown) -> u64 {
        wait_for(&format!("the window of {}", shown.name), || {
            self.session(shown)?["window"]["xid"].as_u64()
        })
    }

    /// Switches to a session; it must succeed.
    pub(crate) fn switch(&self, shown: &Shown) {
        let done = self.vmux(&["switch", &shown.name]);
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {error}", shown.name);
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        self.end_children();
        self.end_manager();
        if std::thread::panicking() {
            let logs = fs::read_dir(self.dir()).into_iter().flatten().flatten();
            let logs = logs.map(|entry| entry.path());
            logs.filter(|path| path.extension().is_some_and(|end| end == "log"))
                .for_each(|log| tell_end_of(&log));
        }
    }
}

/// i3's default configuration, without what it starts.
fn default_config() -> String {
    let default =
        fs::read_to_string("/etc/i3/config").expect("i3 is installed (scripts/test does)");
    let own = default.lines().filter(|line| !line.starts_with("exec "));
    own.map(|line| format!("{line}\n")).collect()
}

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=BUS</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;
