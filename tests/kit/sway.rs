//! sway, headless: the same protocol as i3, windows known by their pid, no X server at all.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::home::{Home, tell_end_of};
use super::process::{run, wait_for};
use super::shown::Shown;

/// A home with a sway; sway refuses to run as root, so it may be another user's.
pub(crate) struct Sway {
    home: Home,
}

impl Deref for Sway {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Sway {
    pub(crate) fn new() -> Self {
        let home = Home::of_another_user();
        let config = "output HEADLESS-1 resolution 1280x800\n";
        std::fs::write(home.path("config"), config).unwrap();
        let sway = Self { home };
        let log = std::fs::File::create(sway.path("sway.log")).unwrap();
        let mut command = sway.command("sway");
        command
            .env("WLR_BACKENDS", "headless")
            .env("WLR_LIBINPUT_NO_DEVICES", "1")
            .env("WLR_RENDERER", "pixman")
            .arg("-c")
            .arg(sway.path("config"));
        sway.spawn(command.stderr(log));
        wait_for("sway", || sway.find_socket());
        sway
    }

    fn find_socket(&self) -> Option<PathBuf> {
        let mut entries = std::fs::read_dir(self.path("run")).ok()?.flatten();
        entries
            .find(|entry| entry.file_name().to_string_lossy().contains("sway-ipc"))
            .map(|entry| entry.path())
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.find_socket().expect("sway listens")
    }

    /// A command of a program that is on its screen.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = self.command(program);
        command
            .env("WAYLAND_DISPLAY", "wayland-1")
            .env("SWAYSOCK", self.socket());
        command
    }

    pub(crate) fn swaymsg(&self, words: &[&str]) -> Value {
        let done = run(self.client("swaymsg").arg("-r").args(words));
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }

    /// A session in a foot of its own.
    pub(crate) fn foot(&self, name: &str) -> Shown {
        self.foot_by(self.client("foot"), name)
    }

    /// The same, by this command of foot.
    pub(crate) fn foot_by(&self, mut foot: Command, name: &str) -> Shown {
        let script = self.script(name);
        foot.args(["-T", name, "sh", "-c", &script]);
        self.spawn(foot.stdout(Stdio::null()).stderr(Stdio::null()));
        let shown = self.adopt(name);
        shown.set(json!({}));
        shown
    }

    /// Waits until vmux knows the window of a session.
    pub(crate) fn window_of(&self, shown: &Shown) -> u64 {
        wait_for(&format!("the window of {}", shown.name), || {
            self.session(shown)?["window"]["con_id"].as_u64()
        })
    }

    /// The screen, as a PPM.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        run(self.client("grim").args(["-t", "ppm", "-"])).stdout
    }
}

impl Drop for Sway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell_end_of(&self.path("sway.log"));
        }
    }
}
