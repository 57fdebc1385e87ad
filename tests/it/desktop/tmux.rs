//! Sessions in tmux, shown by terminals of a real desktop.

use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::json;

use super::{Desktop, Shown, wait_for};

pub(super) struct Tmux<'d> {
    pub(super) desktop: &'d Desktop,
    pub(super) socket: std::path::PathBuf,
}

impl<'d> Tmux<'d> {
    pub(super) fn new(desktop: &'d Desktop, name: &str) -> Self {
        Self {
            desktop,
            socket: desktop.path(&format!("{name}.tmux")),
        }
    }

    pub(super) fn run(&self, words: &[&str]) -> Output {
        self.desktop
            .command("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(words)
            .output()
            .unwrap()
    }

    pub(super) fn ok(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert!(
            done.status.success(),
            "tmux {words:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// A detached session whose first window runs `claude` in a shell's place.
    pub(super) fn session(&self, session: &str, name: &str) -> Shown {
        self.ok(&[
            "new-session",
            "-d",
            "-s",
            session,
            "sh",
            "-c",
            &self.desktop.script(name),
        ]);
        self.desktop.register(name)
    }

    fn window(&self, session: &str, name: &str) -> Shown {
        self.ok(&[
            "new-window",
            "-d",
            "-t",
            session,
            "sh",
            "-c",
            &self.desktop.script(name),
        ]);
        self.desktop.register(name)
    }

    /// An xterm that shows a session; returns its X window.
    pub(super) fn attach(&self, session: &str) -> u64 {
        let before = self.clients();
        let mut xterm = self.desktop.command("xterm");
        xterm
            .args(["-e", "tmux", "-S"])
            .arg(&self.socket)
            .args(["attach", "-t", session]);
        self.desktop.spawn(xterm.stderr(Stdio::null()));
        wait_for("the client", || (self.clients() > before).then_some(()));
        wait_for("its window", || self.desktop.focused())
    }

    /// Waits until no client was used for a second: tmux counts whole ones.
    pub(super) fn rest(&self) {
        wait_for("clients at rest", || {
            let now = chrono::Utc::now().timestamp();
            let used = self.ok(&["list-clients", "-F", "#{client_activity}"]);
            let mut used = used.lines().map(|line| line.parse::<i64>().unwrap());
            used.all(|used| used + 2 < now).then_some(())
        });
    }

    fn clients(&self) -> usize {
        String::from_utf8_lossy(&self.run(&["list-clients"]).stdout)
            .lines()
            .count()
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        drop(self.run(&["kill-server"]));
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_hidden_window_of_tmux_is_shown_and_its_terminal_focused() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    let first = tmux.session("work", "first");
    let second = tmux.window("work", "second");
    let terminal = tmux.attach("work");
    desktop.i3("workspace 2");
    for shown in [&second, &first] {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(terminal));
        let pane = tmux.ok(&["display-message", "-p", "-t", "work", "#{pane_pid}"]);
        assert_eq!(pane, shown.pid.to_string(), "{}", shown.name);
        desktop.i3("workspace 2");
    }
    let row = wait_for("its place in the list", || {
        desktop
            .session(&first)
            .filter(|s| s["host"]["kind"] == "tmux" && s["workspace"] == "1")
    });
    assert_eq!(row["host"]["target"], "work:0.0");
}

#[test]
#[ignore = "needs a desktop"]
fn of_several_clients_the_one_that_shows_the_session_counts() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    let left = tmux.session("left", "in-left");
    let right = tmux.session("right", "in-right");
    let left_terminal = tmux.attach("left");
    desktop.i3("workspace 2");
    wait_for("an empty workspace", || {
        desktop.focused().is_none().then_some(())
    });
    let right_terminal = tmux.attach("right");
    for (shown, terminal) in [
        (&left, left_terminal),
        (&right, right_terminal),
        (&left, left_terminal),
    ] {
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(terminal), "{}", shown.name);
    }
}

/// A telephone over ssh was used last; the key was pressed on this desktop.
#[test]
#[ignore = "needs a desktop"]
fn a_client_that_leads_nowhere_does_not_hide_one_that_has_a_window() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    let front = tmux.session("work", "front");
    let hidden = tmux.window("work", "hidden");
    let terminal = tmux.attach("work");
    tmux.rest();
    // Holds a terminal without a window, under the name of what serves logins.
    std::fs::copy("/usr/bin/script", desktop.path("bin/sshd")).unwrap();
    let attach = format!("exec tmux -S '{}' attach -t work", tmux.socket.display());
    let mut login = desktop.command("sshd");
    let login = login.args(["-qfc", &attach, "/dev/null"]);
    let login = login.env("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 22");
    let login = login.env("TERM", "xterm").stdin(Stdio::piped());
    desktop.spawn(login.stdout(Stdio::null()));
    wait_for("the other client", || (tmux.clients() == 2).then_some(()));
    for shown in [&hidden, &front] {
        desktop.i3("workspace 2");
        desktop.switch(shown);
        assert_eq!(desktop.focused(), Some(terminal), "{}", shown.name);
    }
    wait_for("the other client to be passed over", || {
        let why = desktop.vmux(&["explain", &hidden.name]).stdout;
        let why = String::from_utf8_lossy(&why).into_owned();
        why.contains("its window is on that machine").then_some(())
    });
}

#[test]
#[ignore = "needs a desktop"]
fn tmux_in_tmux_is_followed_to_the_terminal() {
    let desktop = Desktop::new();
    let inner = Tmux::new(&desktop, "inner");
    let outer = Tmux::new(&desktop, "outer");
    let deep = inner.session("deep", "deep");
    outer.ok(&["new-session", "-d", "-s", "outer", "sleep", "3600"]);
    let attach = format!(
        "TMUX= exec tmux -S '{}' attach -t deep",
        inner.socket.display()
    );
    outer.ok(&["new-window", "-d", "-t", "outer", "sh", "-c", &attach]);
    wait_for("the inner client", || (inner.clients() == 1).then_some(()));
    let terminal = outer.attach("outer");
    desktop.i3("workspace 2");
    desktop.switch(&deep);
    assert_eq!(desktop.focused(), Some(terminal));
    let window = outer.ok(&["display-message", "-p", "-t", "outer", "#{window_index}"]);
    assert_eq!(window, "1", "the outer tmux shows the inner one");
}

#[test]
#[ignore = "needs a desktop"]
fn a_detached_session_says_how_to_attach_it() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    let lonely = tmux.session("my work", "lonely");
    let session = wait_for("its trouble", || {
        desktop
            .session(&lonely)
            .filter(|session| session["no_window"] == json!("mux_detached"))
    });
    // rofi stays open, and says why.
    let mut script = desktop.command(env!("CARGO_BIN_EXE_vmux-rofi"));
    let id = session["id"].as_str().unwrap();
    let chosen = [("ROFI_RETV", "1"), ("ROFI_OUTSIDE", "1"), ("ROFI_INFO", id)];
    script.envs(chosen);
    let mut choose = || String::from_utf8(script.output().unwrap().stdout).unwrap();
    let page = choose();
    assert!(
        page.contains("\0message\x1f<b>No terminal shows it: "),
        "{page:?}"
    );
    assert!(page.contains(&lonely.name), "{page:?}");
    let done = desktop.vmux(&["switch", &lonely.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        error.contains("tmux session my work is detached"),
        "{error}"
    );
    assert!(error.contains("attach -t 'my work'"), "{error}");
    tmux.attach("my work");
    wait_for("rofi to be closed", || choose().is_empty().then_some(()));
}

/// Cleaners of /tmp do that.
#[test]
#[ignore = "needs a desktop"]
fn a_socket_that_was_removed_can_be_had_again() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    let shown = tmux.session("work", "front");
    let terminal = tmux.attach("work");
    let server = tmux.ok(&["display-message", "-p", "#{pid}"]);
    desktop.i3("workspace 2");
    std::fs::remove_file(&tmux.socket).unwrap();
    let done = desktop.vmux(&["switch", &shown.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        error.contains("socket of its tmux server is gone"),
        "{error}"
    );
    let hint = format!("kill -USR1 {server}");
    assert!(error.contains(&hint), "{error}");
    let kill = desktop.command("sh").args(["-c", &hint]).status().unwrap();
    assert!(kill.success());
    wait_for("the socket", || tmux.socket.exists().then_some(()));
    desktop.switch(&shown);
    assert_eq!(desktop.focused(), Some(terminal));
}

/// People take TMUX out of the environment to nest; then the socket is found by its number.
#[test]
#[ignore = "needs a desktop"]
fn a_server_is_found_by_any_socket_without_tmux_in_the_environment() {
    let desktop = Desktop::new();
    for (name, socket) in [("plain", "s"), ("odd", "a b, 'c' \"d\" é ")] {
        let tmux = Tmux::new(&desktop, socket);
        let script = format!("unset TMUX TMUX_PANE; {}", desktop.script(name));
        tmux.ok(&["new-session", "-d", "-s", "work", "sh", "-c", &script]);
        let shown = desktop.register(name);
        let terminal = tmux.attach("work");
        desktop.i3("workspace 2");
        desktop.switch(&shown);
        assert_eq!(desktop.focused(), Some(terminal), "{socket}");
    }
}

/// A terminal hands TMUX on to what it starts: an xterm opened from within tmux is no pane.
#[test]
#[ignore = "needs a desktop"]
fn a_leaked_tmux_variable_does_not_mislead() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    tmux.session("work", "pane");
    let tmux_terminal = tmux.attach("work");
    let value = format!(
        "TMUX={},{},0",
        tmux.socket.display(),
        tmux.ok(&["display-message", "-p", "#{pid}"])
    );
    // Set in the terminal: xterm takes the variable away.
    let mut xterm = desktop.command("xterm");
    let script = desktop.script("own-window");
    xterm.args(["-e", "env", &value, "TMUX_PANE=%0", "sh", "-c", &script]);
    desktop.spawn(xterm.stderr(Stdio::null()));
    let own = desktop.register("own-window");
    let window = desktop.window_of(&own);
    assert_ne!(window, tmux_terminal);
    desktop.i3("workspace 2");
    desktop.switch(&own);
    assert_eq!(desktop.focused(), Some(window));
    let why = desktop.vmux(&["explain", &own.name]).stdout;
    let why = String::from_utf8_lossy(&why).into_owned();
    assert!(
        why.contains("TMUX: no tmux server is among its parents"),
        "{why}"
    );
}

/// i3 tells nothing of it: the terminal has the focus all the time.
#[test]
#[ignore = "needs a desktop"]
fn a_done_pane_is_seen_when_its_user_turns_to_it_in_tmux() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "seen");
    let front = tmux.session("work", "front");
    let hidden = tmux.window("work", "hidden");
    let window = tmux.attach("work");
    let is = |shown: &Shown, what: &str, test: &dyn Fn(&serde_json::Value) -> bool| {
        wait_for(&format!("{} {what}", shown.name), || {
            desktop.session(shown).filter(test)
        });
    };
    is(&front, "in view", &|s| s["window"]["focused"] == true);
    for status in ["busy", "idle"] {
        hidden.set(json!({"status": status}));
        let state = if status == "busy" { "working" } else { "idle" };
        is(&hidden, state, &|s| s["state"] == state);
    }
    is(&hidden, "unseen", &|s| s["unseen"] == true);
    // The daemon alone must notice: listing has it look again, so nothing is listed meanwhile.
    let mut events = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    events.args(["events", "--json"]).stdout(Stdio::piped());
    let mut events = super::Killed(events.spawn().unwrap());
    desktop.xdotool(&["key", "--window", &window.to_string(), "ctrl+b"]);
    desktop.xdotool(&["key", "--window", &window.to_string(), "n"]);
    let stdout = events.0.stdout.take().unwrap();
    let (tell, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            let session = &event["session"];
            if session["pid"] == hidden.pid && session["unseen"] != true {
                let _sent = tell.send(());
            }
        }
    });
    seen.recv_timeout(super::PATIENCE)
        .expect("the pane is seen, and an event says so");
}

#[test]
#[ignore = "needs a desktop"]
fn back_shows_the_pane_that_was_looked_at() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "walk");
    let front = tmux.session("work", "front");
    let hidden = tmux.window("work", "hidden");
    let window = tmux.attach("work");
    wait_for("the pane in view", || {
        (desktop.session(&front)?["window"]["focused"] == true).then_some(())
    });
    hidden.waits(Duration::from_secs(600));
    wait_for("the other one to wait", || {
        (desktop.session(&hidden)?["state"] == "needs_input").then_some(())
    });
    let shown = |words: &[&str]| {
        let done = desktop.vmux(words);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{error}");
        assert_eq!(desktop.focused(), Some(window));
        tmux.ok(&["display-message", "-p", "-t", "work", "#{pane_pid}"])
    };
    assert_eq!(shown(&["next"]), hidden.pid.to_string());
    assert_eq!(shown(&["back"]), front.pid.to_string());
}
