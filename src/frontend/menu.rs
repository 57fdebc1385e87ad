//! Menu programs that read rows and print a choice: dmenu and its kin, each by its own habits.
//! Pure: the table of launchers, which one fits, and what an answer means.
//!
//! **Source:** run: dmenu 5.2, rofi 1.7.3 to 2.0, bemenu 0.6.14, fuzzel 1.8.2, wofi 1.3,
//! tofi 0.8.1.

use crate::core::text::CleanText;

/// How a launcher gives a choice back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Returns {
    /// The number of the row, from 0.
    Index,
    /// The row itself.
    Text,
}

/// A menu program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Launcher {
    /// Its executable, and its name in the configuration.
    pub name: &'static str,
    /// Runs on X11.
    pub x11: bool,
    /// Runs on Wayland.
    pub wayland: bool,
    /// Arguments for a list that is read from standard input.
    pub args: &'static [&'static str],
    /// What it prints.
    pub returns: Returns,
}

/// All known launchers. On each desktop the first one that is installed is taken.
pub const LAUNCHERS: [Launcher; 6] = [
    Launcher {
        name: "fuzzel",
        x11: false,
        wayland: true,
        args: &["--dmenu", "--index", "--prompt", "vmux "],
        returns: Returns::Index,
    },
    Launcher {
        name: "rofi",
        x11: true,
        wayland: true,
        args: &["-dmenu", "-i", "-p", "vmux", "-format", "i", "-no-custom"],
        returns: Returns::Index,
    },
    Launcher {
        name: "wofi",
        x11: false,
        wayland: true,
        args: &[
            "--dmenu",
            "-i",
            "-p",
            "vmux",
            "-D",
            "dmenu-print_line_num=true",
        ],
        returns: Returns::Index,
    },
    Launcher {
        name: "bemenu",
        x11: true,
        wayland: true,
        args: &["-i", "-l", "20", "-p", "vmux"],
        returns: Returns::Text,
    },
    Launcher {
        name: "tofi",
        x11: false,
        wayland: true,
        args: &["--prompt-text", "vmux: "],
        returns: Returns::Text,
    },
    Launcher {
        name: "dmenu",
        x11: true,
        wayland: false,
        args: &["-i", "-l", "20", "-p", "vmux"],
        returns: Returns::Text,
    },
];

/// The names of all known launchers.
#[must_use]
pub fn names() -> String {
    LAUNCHERS.map(|launcher| launcher.name).join(", ")
}

/// The launcher of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Launcher> {
    LAUNCHERS.iter().find(|launcher| launcher.name == name)
}

/// What a desktop offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Desktop {
    /// `WAYLAND_DISPLAY` is set.
    pub wayland: bool,
    /// `DISPLAY` is set.
    pub x11: bool,
}

impl Desktop {
    /// Whether there is one at all.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.wayland || self.x11
    }
}

/// The launcher for a desktop, among those that are installed. An X11 program is not taken on
/// Wayland, where it could not hold the keyboard; rofi speaks Wayland from 2.0 on.
#[must_use]
pub fn detect(
    desktop: Desktop,
    installed: impl Fn(&str) -> bool,
    rofi_speaks_wayland: impl Fn() -> bool,
) -> Option<&'static Launcher> {
    LAUNCHERS.iter().find(|launcher| {
        if !installed(launcher.name) {
            return false;
        }
        if desktop.wayland {
            return launcher.wayland && (launcher.name != "rofi" || rofi_speaks_wayland());
        }
        desktop.x11 && launcher.x11
    })
}

/// Whether a rofi of this `-version` output speaks Wayland.
#[must_use]
pub fn rofi_speaks_wayland(version: &str) -> bool {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let major = number.and_then(|word| word.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= 2) || version.contains("wayland")
}

/// What a launcher's answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// The row of this number.
    Row(usize),
    /// Nothing was chosen.
    Cancelled,
    /// It is no row; for people.
    Unknown(CleanText),
}

/// Reads the answer of a launcher that ended with `status` (`None`: killed by a signal).
///
/// A text is looked up exactly, never guessed: what a person typed is no row.
#[must_use]
pub fn parse_choice(
    returns: Returns,
    status: Option<i32>,
    output: &str,
    rows: &[String],
) -> Choice {
    let line = output.strip_suffix('\n').unwrap_or(output);
    // tofi ends with 0 and prints nothing when it is cancelled.
    if status != Some(0) || line.is_empty() {
        return Choice::Cancelled;
    }
    let found = match returns {
        Returns::Index => line.trim().parse().ok().filter(|n| *n < rows.len()),
        Returns::Text => rows.iter().position(|row| row == line),
    };
    found.map_or_else(|| Choice::Unknown(CleanText::line(line)), Choice::Row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_desktop_gets_a_launcher_that_works_there() {
        let wayland = Desktop {
            wayland: true,
            x11: true,
        };
        let x11 = Desktop {
            wayland: false,
            x11: true,
        };
        let pick = |desktop, installed: &[&str], rofi2: bool| {
            detect(desktop, |name| installed.contains(&name), || rofi2)
                .map(|launcher| launcher.name)
        };
        assert_eq!(pick(x11, &["dmenu", "rofi", "fuzzel"], false), Some("rofi"));
        assert_eq!(pick(x11, &["dmenu"], false), Some("dmenu"));
        assert_eq!(
            pick(wayland, &["rofi", "dmenu", "wofi"], false),
            Some("wofi")
        );
        assert_eq!(pick(wayland, &["rofi", "wofi"], true), Some("rofi"));
        assert_eq!(pick(wayland, &["dmenu"], false), None);
        assert_eq!(pick(Desktop::default(), &["dmenu", "rofi"], false), None);
    }

    #[test]
    fn rofi_tells_what_it_speaks() {
        assert!(!rofi_speaks_wayland("Version: 1.7.3"));
        assert!(rofi_speaks_wayland("Version: 2.0.0"));
        assert!(rofi_speaks_wayland("Version: 1.7.5+wayland3"));
        assert!(!rofi_speaks_wayland(""));
    }

    #[test]
    fn an_answer_is_a_row_or_nothing() {
        let rows = ["api  main".to_owned(), "web  main".to_owned()];
        for (returns, status, output, want) in [
            (Returns::Index, Some(0), "1\n", Choice::Row(1)),
            (
                Returns::Index,
                Some(0),
                "2\n",
                Choice::Unknown(CleanText::line("2")),
            ),
            (
                Returns::Index,
                Some(0),
                "-1\n",
                Choice::Unknown(CleanText::line("-1")),
            ),
            (Returns::Index, Some(1), "", Choice::Cancelled),
            (Returns::Index, Some(65), "0\n", Choice::Cancelled),
            (Returns::Text, Some(0), "web  main\n", Choice::Row(1)),
            (
                Returns::Text,
                Some(0),
                "web\n",
                Choice::Unknown(CleanText::line("web")),
            ),
            (Returns::Text, Some(0), "", Choice::Cancelled),
            (Returns::Text, None, "web  main\n", Choice::Cancelled),
        ] {
            assert_eq!(
                parse_choice(returns, status, output, &rows),
                want,
                "{output:?} {status:?}"
            );
        }
    }
}
