//! What keeps a program alive behind a terminal: `vmux-host`, and those before it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kit::{Home, Tty};

/// The size of every terminal: columns and rows.
pub(crate) const SIZE: (u16, u16) = (200, 50);

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layer {
    VmuxHost,
    Tmux,
    Screen,
    Dtach,
    Abduco,
}

impl Layer {
    /// Those that are installed.
    pub(crate) fn all() -> Vec<Self> {
        let all = [
            Self::VmuxHost,
            Self::Tmux,
            Self::Screen,
            Self::Dtach,
            Self::Abduco,
        ];
        let there = |layer: &Self| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            *layer == Self::VmuxHost
                || std::env::split_paths(&path).any(|dir| dir.join(layer.name()).is_file())
        };
        all.into_iter().filter(there).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VmuxHost => "vmux-host",
            Self::Tmux => "tmux",
            Self::Screen => "screen",
            Self::Dtach => "dtach",
            Self::Abduco => "abduco",
        }
    }

    /// Whether it knows what its terminal shows: the others bring nothing back.
    pub(crate) fn keeps_state(self) -> bool {
        !matches!(self, Self::Dtach | Self::Abduco)
    }
}

/// Where all of them run.
pub(crate) struct World {
    home: Home,
    sessions: Vec<(Layer, String)>,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        for (name, text) in [
            (
                "tmux.conf",
                "set -g status off\nset -g history-limit 10000\nset -sg escape-time 0\n",
            ),
            (
                "screenrc",
                "startup_message off\ndefscrollback 10000\naltscreen on\nvbell off\n",
            ),
        ] {
            fs::write(home.path(name), text).unwrap();
        }
        for (name, value) in [("SCREENDIR", "screens"), ("ABDUCO_SOCKET_DIR", "run")] {
            home.set(name, home.path(value));
        }
        let screens = home.make_dir("screens");
        fs::set_permissions(screens, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        home.set("TERM", "xterm-256color");
        Self {
            home,
            sessions: Vec::new(),
        }
    }

    pub(crate) fn dir(&self, name: &str) -> std::path::PathBuf {
        self.home.path(name)
    }

    /// Starts a session, of which nobody sees anything yet.
    pub(crate) fn start(&mut self, layer: Layer, name: &str, program: &[OsString]) {
        let mut command = self.call(layer);
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        match layer {
            Layer::VmuxHost => command.args(["start", "--name", name, "--"]),
            Layer::Tmux => command.args([
                "new-session",
                "-d",
                "-s",
                name,
                "-x",
                &columns,
                "-y",
                &rows,
                "--",
            ]),
            Layer::Screen => command.args(["-d", "-m", "-S", name]),
            Layer::Dtach => command.arg("-n").arg(self.home.path(name)),
            Layer::Abduco => command.args(["-n", name]),
        };
        command.args(program);
        self.sessions.push((layer, name.to_owned()));
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// Shows a session in a terminal.
    pub(crate) fn attach(&self, layer: Layer, name: &str) -> Tty {
        let mut command = self.call(layer);
        match layer {
            Layer::VmuxHost => command.args(["attach", name]),
            Layer::Tmux => command.args(["attach-session", "-t", name]),
            Layer::Screen => command.args(["-x", name]),
            Layer::Dtach => command
                .arg("-a")
                .arg(self.home.path(name))
                .args(["-E", "-z", "-r", "none"]),
            Layer::Abduco => command.args(["-a", name]),
        };
        Tty::run(&command, SIZE.0, SIZE.1)
    }

    /// A terminal without anything between it and the program.
    pub(crate) fn bare(&self, program: &[OsString]) -> Tty {
        let mut command = self.home.command(&program[0]);
        command.args(&program[1..]);
        Tty::run(&command, SIZE.0, SIZE.1)
    }

    fn call(&self, layer: Layer) -> Command {
        let program: &Path = match layer {
            Layer::VmuxHost => &crate::built("vmux"),
            other => other.name().as_ref(),
        };
        let mut command = self.home.command(program);
        command.stdout(Stdio::null());
        match layer {
            Layer::Tmux => {
                command.arg("-S").arg(self.home.path("tmux"));
                command.arg("-f").arg(self.home.path("tmux.conf"));
            }
            Layer::Screen => {
                command.arg("-c").arg(self.home.path("screenrc"));
            }
            _ => {}
        }
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (layer, name) in &self.sessions {
            let mut command = self.call(*layer);
            match layer {
                Layer::VmuxHost => command.args(["end", "--yes", name]),
                Layer::Tmux => command.arg("kill-server"),
                Layer::Screen => command.args(["-S", name, "-X", "quit"]),
                // Their programs end with the world: see `Home`.
                Layer::Dtach | Layer::Abduco => continue,
            };
            command.stderr(Stdio::null()).status().ok();
        }
    }
}
