//! What a machine lacks of which vmux would make more: each thing is told once, with what it is good
//! for and what to install, and vmux works without it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::desktop::wm::discover;
use crate::frontend::menu::LAUNCHERS;
use crate::notify::dbus::{Body, Bus};
use crate::sys::exec::find_program;
use crate::sys::files::{create_private_dir, read_bounded, write_atomic};
use crate::sys::paths::Paths;
use crate::sys::proc::{Environ, Proc};

/// Largest of the files that are read, in bytes: a list of all image loaders.
const CAP: usize = 256 * 1024;

/// Something that may be missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lack {
    /// Any desktop: a console, or a login from afar.
    Desktop,
    /// A menu program.
    Menu,
    /// A window manager that can be asked.
    Windows,
    /// Who shows notifications.
    Notifications,
    /// What draws SVG for rofi.
    Icons,
}

/// All of them, as they are told.
const ALL: [Lack; 5] = [
    Lack::Desktop,
    Lack::Menu,
    Lack::Windows,
    Lack::Notifications,
    Lack::Icons,
];

/// Who makes the packages, by `/etc/os-release`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distribution {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Arch and what is made of it.
    Arch,
    /// Fedora and its kin.
    Fedora,
    /// Anything else.
    Other,
}

impl Distribution {
    /// That of this machine.
    #[must_use]
    pub fn here() -> Self {
        let text = read_bounded(Path::new("/etc/os-release"), CAP).unwrap_or_default();
        Self::of(&String::from_utf8_lossy(&text))
    }

    fn of(os_release: &str) -> Self {
        let lines = os_release.lines();
        let ids = lines.filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        });
        let ids: Vec<&str> = ids
            .flat_map(|ids| ids.trim_matches(['"', '\'']).split_whitespace())
            .collect();
        for (name, distribution) in [
            ("debian", Self::Debian),
            ("ubuntu", Self::Debian),
            ("arch", Self::Arch),
            ("fedora", Self::Fedora),
        ] {
            if ids.contains(&name) {
                return distribution;
            }
        }
        Self::Other
    }

    /// What loads SVG for gdk-pixbuf, by which rofi draws icons.
    #[must_use]
    pub fn svg_loader(self) -> &'static str {
        match self {
            Self::Debian => "librsvg2-common",
            Self::Fedora => "librsvg2",
            Self::Arch | Self::Other => "librsvg",
        }
    }

    fn installer(self) -> Option<&'static str> {
        match self {
            Self::Debian => Some("sudo apt install"),
            Self::Arch => Some("sudo pacman -S"),
            Self::Fedora => Some("sudo dnf install"),
            Self::Other => None,
        }
    }
}

/// What was told already, or found to be there: neither is looked for again.
pub struct Settled {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Settled {
    /// What was, on this machine.
    #[must_use]
    pub fn read(paths: &Paths) -> Self {
        let path = paths.told_lacks();
        let text = read_bounded(&path, CAP).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        Self {
            names: text.lines().map(str::to_owned).collect(),
            path,
        }
    }

    /// Whether this is.
    #[must_use]
    pub fn has(&self, lack: Lack) -> bool {
        self.names.contains(&format!("{lack:?}"))
    }

    /// Keeps that these are, before they are told: what cannot be kept would be told for ever.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn settle(&mut self, lacks: &[Lack]) -> io::Result<()> {
        let known = self.names.len();
        self.names
            .extend(lacks.iter().map(|lack| format!("{lack:?}")));
        if self.names.len() == known {
            return Ok(());
        }
        if let Some(dir) = self.path.parent() {
            create_private_dir(dir)?;
        }
        let names = self.names.iter().map(String::as_str);
        let text = names.collect::<Vec<_>>().join("\n") + "\n";
        write_atomic(&self.path, text.as_bytes())
    }
}

/// What is missing here and was not told yet. It is settled with that, and so is what is there.
///
/// # Errors
/// If that cannot be kept: then nothing is to be told.
pub fn told_now(paths: &Paths, environ: &Environ) -> io::Result<Vec<Lack>> {
    let mut settled = Settled::read(paths);
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"];
    let desktop = desktop.iter().any(|name| environ.get(name).is_some());
    let concerns = |lack: &Lack| (*lack == Lack::Desktop) != desktop && !settled.has(*lack);
    let (mut looked, mut missing) = (Vec::new(), Vec::new());
    for lack in ALL.into_iter().filter(concerns) {
        let is = is_missing(lack, paths, environ);
        looked.extend(is.map(|_| lack));
        missing.extend(is.filter(|is| *is).map(|_| lack));
    }
    settled.settle(&looked)?;
    Ok(missing)
}

/// Whether this is missing; `None` if nothing tells.
fn is_missing(lack: Lack, paths: &Paths, environ: &Environ) -> Option<bool> {
    match lack {
        Lack::Desktop => Some(true),
        Lack::Menu => {
            let has = |name: &str| has_program(name, environ);
            Some(!LAUNCHERS.iter().any(|launcher| has(launcher.name)))
        }
        Lack::Windows => {
            let proc = Proc::open(&paths.proc).ok()?;
            Some(discover::find(environ, &proc).is_err())
        }
        Lack::Notifications => {
            let (name, path) = (
                "org.freedesktop.Notifications",
                "/org/freedesktop/Notifications",
            );
            let asked = Bus::session(environ).and_then(|mut bus| {
                bus.call(name, path, name, "GetServerInformation", &Body::default())
            });
            match asked {
                Ok(_) => Some(false),
                // Late proves nothing.
                Err(error) => error.is_lost().then_some(true),
            }
        }
        Lack::Icons => lacks_icons(environ),
    }
}

fn has_program(name: &str, environ: &Environ) -> bool {
    find_program(name, environ.get("PATH").unwrap_or_default()).is_some()
}

/// What rofi's first list says, once: `None` if icons are drawn, or it was said.
#[must_use]
pub fn icons_word(paths: &Paths, environ: &Environ) -> Option<String> {
    let mut settled = Settled::read(paths);
    let missing = !settled.has(Lack::Icons) && lacks_icons(environ)?;
    settled.settle(&[Lack::Icons]).ok()?;
    let package = Distribution::here().svg_loader();
    missing.then(|| format!("Said once: without {package} these icons are blank."))
}

/// Whether rofi is here and draws no icon of vmux's; `None` if nothing tells.
#[must_use]
pub fn lacks_icons(environ: &Environ) -> Option<bool> {
    if !has_program("rofi", environ) {
        return None;
    }
    let named = environ.get("GDK_PIXBUF_MODULE_FILE").map(PathBuf::from);
    draws_svg(Path::new("/"), named).map(|draws| !draws)
}

/// Whether gdk-pixbuf has a loader of SVG, by its own lists of them; `None` if there is no list.
///
/// **Source:** gdk-pixbuf-query-loaders(1); from 2.44 on, glycin loads in its place.
fn draws_svg(root: &Path, named: Option<PathBuf>) -> Option<bool> {
    let under = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let lists: Vec<PathBuf> = match named {
        Some(list) => vec![list],
        None if root.join("usr/share/glycin-loaders").exists() => return Some(true),
        None => {
            let libraries = ["usr/lib", "usr/lib64"].map(|dir| root.join(dir));
            let nested = under(root.join("usr/lib"));
            let versions = libraries
                .into_iter()
                .chain(nested)
                .flat_map(|dir| under(dir.join("gdk-pixbuf-2.0")));
            versions.map(|dir| dir.join("loaders.cache")).collect()
        }
    };
    let lists = lists.iter().filter_map(|list| read_bounded(list, CAP).ok());
    let loads = lists.map(|list| String::from_utf8_lossy(&list).contains("image/svg"));
    loads.reduce(|a, b| a || b)
}

/// What is missing, in a few lines; empty if nothing is.
#[must_use]
pub fn words(missing: &[Lack], wayland: bool, distribution: Distribution) -> String {
    if missing.is_empty() {
        return String::new();
    }
    if missing.contains(&Lack::Desktop) {
        return "Said once: without a desktop `vmux pick` is the list, here in the terminal, and\n\
                `vmux switch` goes to panes of tmux and screen.\n"
            .into();
    }
    let packages = missing.iter().filter_map(|lack| match lack {
        Lack::Menu if wayland => Some("fuzzel"),
        Lack::Menu => Some("rofi"),
        Lack::Notifications if !wayland => Some("dunst"),
        Lack::Notifications if distribution == Distribution::Debian => Some("mako-notifier"),
        Lack::Notifications => Some("mako"),
        Lack::Icons => Some(distribution.svg_loader()),
        Lack::Windows | Lack::Desktop => None,
    });
    let packages: Vec<&str> = packages.collect();
    let mut named = packages.iter();
    let mut text = String::from("Said once: vmux works as it is, and would do more with\n");
    for lack in missing {
        let (name, gain) = match lack {
            Lack::Menu => (None, "the list behind a key, by `vmux menu`"),
            Lack::Notifications => (
                None,
                "to be told of a session that waits while you look elsewhere",
            ),
            Lack::Icons => (None, "the icons in rofi, which are blank without it"),
            Lack::Windows | Lack::Desktop => (
                Some("i3, sway, X11"),
                "to focus windows; without, `vmux switch` goes to panes of tmux only",
            ),
        };
        let name = name.or_else(|| named.next().copied()).unwrap_or_default();
        text.push_str(&format!("  {name:<15}  {gain}\n"));
    }
    if let Some(installer) = distribution.installer().filter(|_| !packages.is_empty()) {
        text.push_str(&format!("`{installer} {}`; ", packages.join(" ")));
    }
    text + "`vmux doctor` says it at any time.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_known_by_what_they_are_like() {
        for (text, want) in [
            ("NAME=x\nID=debian\n", Distribution::Debian),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                Distribution::Debian,
            ),
            ("ID=endeavouros\nID_LIKE='arch'\n", Distribution::Arch),
            ("ID=fedora\n", Distribution::Fedora),
            ("ID=nixos\n", Distribution::Other),
            ("", Distribution::Other),
        ] {
            assert_eq!(Distribution::of(text), want, "{text}");
        }
    }

    #[test]
    fn svg_is_drawn_by_what_the_lists_of_loaders_say() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(draws_svg(root, None), None, "no list proves nothing");
        let put = |dir: &str, text: &str| {
            let dir = root.join(dir).join("gdk-pixbuf-2.0/2.10.0");
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("loaders.cache"), text).unwrap();
        };
        put("usr/lib/x86_64-linux-gnu", "\"image/gif\" \"\"\n");
        assert_eq!(draws_svg(root, None), Some(false));
        let own = root.join("own");
        std::fs::write(&own, "\"image/svg+xml\" \"\"\n").unwrap();
        assert_eq!(draws_svg(root, Some(own)), Some(true));
        put("usr/lib64", "\"image/svg+xml\" \"image/svg\" \"\"\n");
        assert_eq!(draws_svg(root, None), Some(true));
        put("usr/lib64", "");
        std::fs::create_dir_all(root.join("usr/share/glycin-loaders")).unwrap();
        assert_eq!(draws_svg(root, None), Some(true));
    }

    #[test]
    fn what_is_missing_is_said_with_its_gain_and_one_command() {
        let x11 = [Lack::Menu, Lack::Windows, Lack::Notifications, Lack::Icons];
        let said = words(&x11, false, Distribution::Debian);
        let want = "Said once: vmux works as it is, and would do more with\n  \
            rofi             the list behind a key, by `vmux menu`\n  \
            i3, sway, X11    to focus windows; without, `vmux switch` goes to panes of tmux only\n  \
            dunst            to be told of a session that waits while you look elsewhere\n  \
            librsvg2-common  the icons in rofi, which are blank without it\n\
            `sudo apt install rofi dunst librsvg2-common`; `vmux doctor` says it at any time.\n";
        assert_eq!(said, want);
        let said = words(&[Lack::Menu, Lack::Notifications], true, Distribution::Arch);
        assert!(said.contains("\n`sudo pacman -S fuzzel mako`; "), "{said}");
        let said = words(&[Lack::Windows], true, Distribution::Fedora);
        assert!(!said.contains("dnf"), "{said}");
        assert_eq!(words(&[], false, Distribution::Other), "");
    }
}
