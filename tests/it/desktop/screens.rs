//! Sessions in GNU screen, whose server and clients are all called `screen`.

use std::process::{Output, Stdio};

use serde_json::json;

use super::{Desktop, Shown, wait_for};

struct Screen<'d> {
    desktop: &'d Desktop,
    name: String,
}

impl<'d> Screen<'d> {
    fn new(desktop: &'d Desktop, name: &str) -> Self {
        let directory = desktop.path("screens");
        std::fs::create_dir_all(&directory).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&directory, private).unwrap();
        Self {
            desktop,
            name: name.to_owned(),
        }
    }

    fn command(&self, program: &str, words: &[&str]) -> std::process::Command {
        let mut command = self.desktop.command(program);
        command
            .env("SCREENDIR", self.desktop.path("screens"))
            .args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut screen = self.command("screen", &["-S", &self.name]);
        screen
            .args(words)
            .output()
            .expect("screen is installed (scripts/test does)")
    }

    /// A detached session of screen whose first window runs `claude`.
    fn session(&self, name: &str) -> Shown {
        let script = self.desktop.script(name);
        self.run(&["-dm", "sh", "-c", &script]);
        self.desktop.register(name)
    }

    fn window(&self, name: &str) -> Shown {
        let script = self.desktop.script(name);
        self.run(&["-X", "screen", "sh", "-c", &script]);
        self.desktop.register(name)
    }

    /// A terminal in which screen runs; returns its X window.
    fn terminal(&self, words: &[&str]) -> u64 {
        let before = self.desktop.focused();
        let mut xterm = self.command("xterm", &["-e", "screen"]);
        xterm.args(words).stderr(Stdio::null());
        self.desktop.spawn(&mut xterm);
        wait_for("its window", || {
            self.desktop.focused().filter(|now| Some(*now) != before)
        })
    }

    fn is(&self, what: &str) {
        wait_for(what, || {
            let list = self.run(&["-ls"]).stdout;
            String::from_utf8_lossy(&list).contains(what).then_some(())
        });
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        drop(self.run(&["-X", "quit"]));
    }
}

/// Its server is a child of its client.
#[test]
#[ignore = "needs a desktop"]
fn a_screen_that_was_started_attached_is_attached() {
    let desktop = Desktop::new();
    let screen = Screen::new(&desktop, "work");
    let script = desktop.script("inside");
    let terminal = screen.terminal(&["-S", "work", "sh", "-c", &script]);
    let inside = desktop.register("inside");
    desktop.lands(&inside, terminal);
    let second = screen.window("second");
    desktop.lands(&second, terminal);
    screen.run(&["-d"]);
    screen.is("(Detached)");
    let row = wait_for("its trouble", || {
        desktop
            .session(&inside)
            .filter(|session| session["no_window"] == json!("mux_detached"))
    });
    assert_eq!(row["host"]["kind"], "screen");
    let again = screen.terminal(&["-r", "work"]);
    // Its window is there before the client in it.
    screen.is("(Attached)");
    desktop.lands(&inside, again);
}

#[test]
#[ignore = "needs a desktop"]
fn a_detached_screen_says_how_to_attach_it() {
    let desktop = Desktop::new();
    let screen = Screen::new(&desktop, "my work");
    let lonely = screen.session("lonely");
    let trouble = || {
        let done = desktop.vmux(&["switch", &lonely.name]);
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let error = trouble();
    assert!(error.contains(".my work is detached"), "{error}");
    let directory = desktop.path("screens");
    let hint = format!("SCREENDIR={} screen -r '", directory.display());
    assert!(error.contains(&hint), "{error}");
    // A new name is no new `STY`.
    screen.run(&["-X", "sessionname", "other"]);
    let error = trouble();
    assert!(error.contains(".other"), "{error}");
    Screen::new(&desktop, "other").run(&["-X", "quit"]);
}

#[test]
#[ignore = "needs a desktop"]
fn of_two_clients_of_screen_the_one_with_a_window_shows_it() {
    let desktop = Desktop::new();
    let screen = Screen::new(&desktop, "work");
    let first = screen.session("first");
    let second = screen.window("second");
    let terminal = screen.terminal(&["-x", "work"]);
    screen.is("(Attached)");
    // Holds a terminal without a window, and was attached last.
    let drawn = desktop.path("drawn");
    let mut other = screen.command("script", &["-qfc", "screen -x work"]);
    let other = other.arg(&drawn).env("TERM", "xterm").stdin(Stdio::piped());
    desktop.spawn(other.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for("the other client", || {
        let drawn = std::fs::metadata(&drawn).ok()?;
        (drawn.len() > 0).then_some(())
    });
    desktop.lands(&first, terminal);
    desktop.lands(&second, terminal);
}
