//! `vmux open`: a terminal window that shows a hosted session. The daemon calls it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::call::{Context, vmux_program};
use super::hosted;
use crate::cmd::cli::Open;
use crate::cmd::exit::{Exit, Failure};
use crate::hosted::{Info, NO_SESSION, VARIABLE};
use crate::sys::exec;
use crate::sys::proc::Environ;

/// What a terminal is shown on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    Any,
    X,
    Wayland,
}

/// Terminals that are known, in the order in which they are tried, and what comes before the
/// command that they run.
///
/// **Source:** their manual pages; `-e` takes all that follows in the others.
const KNOWN: [(&str, &[&str], On); 12] = [
    ("x-terminal-emulator", &["-e"], On::Any),
    ("ghostty", &["-e"], On::Any),
    ("kitty", &[], On::Any),
    ("alacritty", &["-e"], On::Any),
    ("foot", &[], On::Wayland),
    ("wezterm", &["start", "--"], On::Any),
    ("konsole", &["-e"], On::Any),
    ("gnome-terminal", &["--"], On::Any),
    ("xfce4-terminal", &["-x"], On::Any),
    ("urxvt", &["-e"], On::X),
    ("st", &["-e"], On::X),
    ("xterm", &["-e"], On::X),
];

pub(super) fn run(context: &Context, args: &Open) -> anyhow::Result<Exit> {
    let info = hosted::find(context, &args.query)?;
    window(context, &info)?;
    Ok(Exit::Done)
}

/// Opens it.
///
/// # Errors
/// If there is no terminal.
pub(super) fn window(context: &Context, info: &Info) -> Result<(), Failure> {
    let configured = context.config().config.terminal;
    let mut words = terminal(configured.as_deref(), &context.environ).ok_or_else(|| {
        Failure::new("could not find a terminal to open")
            .hint("`terminal = \"xterm\"` in config.toml, or $TERMINAL, names one")
    })?;
    let vmux = vmux_program().map_err(Failure::new)?;
    words.extend([
        vmux.into_os_string(),
        "attach".into(),
        info.id.clone().into(),
    ]);
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    Command::new(&program)
        .args(words)
        // Whoever calls this may be in a session; the terminal is in none.
        .env(VARIABLE, NO_SESSION)
        // It stays when this process, and the one that called it, end.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            Failure::new(format!(
                "could not run {}: {error}",
                program.to_string_lossy()
            ))
        })?;
    Ok(())
}

/// The terminal to open, with what comes before its command: as configured, as `TERMINAL` says, or
/// the first that is there and can be shown.
fn terminal(configured: Option<&str>, environ: &Environ) -> Option<Vec<OsString>> {
    let path = environ.get("PATH").unwrap_or_default();
    let named = configured.or_else(|| environ.text("TERMINAL"));
    let named = named.filter(|words| !words.trim().is_empty());
    if let Some(words) = named {
        let mut words: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        // Whoever gave more than a name knows what comes before the command.
        if words.len() == 1 {
            words.extend(before(Path::new(&words[0])));
        }
        return Some(words);
    }
    let there = KNOWN
        .iter()
        .filter_map(|(name, _, _)| exec::find_program(name, path));
    let found = there
        .into_iter()
        .find(|found| can_be_shown(found, environ))?;
    let mut words = vec![found.clone().into_os_string()];
    words.extend(before(&found));
    Some(words)
}

/// Whether it has a display of its kind here; the link of a distribution is what it leads to.
fn can_be_shown(program: &Path, environ: &Environ) -> bool {
    let real = program.canonicalize();
    let on = known(real.as_deref().unwrap_or(program)).map(|(_, _, on)| *on);
    let is_set = |name: &str| environ.text(name).is_some_and(|value| !value.is_empty());
    match on.unwrap_or(On::Any) {
        On::Any => true,
        On::X => is_set("DISPLAY") || !is_set("WAYLAND_DISPLAY"),
        On::Wayland => is_set("WAYLAND_DISPLAY"),
    }
}

fn known(program: &Path) -> Option<&'static (&'static str, &'static [&'static str], On)> {
    let name = program.file_name()?;
    KNOWN.iter().find(|(known, _, _)| name == *known)
}

fn before(program: &Path) -> Vec<OsString> {
    let words = known(program).map_or(&["-e"][..], |(_, words, _)| words);
    words.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_terminal_is_the_configured_one_or_that_of_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let there = |name: &str| {
            let script = dir.path().join(name);
            std::fs::write(&script, "").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&script, mode).unwrap();
            script
        };
        let (foot, st) = (there("foot"), there("st"));
        let link = dir.path().join("x-terminal-emulator");
        std::os::unix::fs::symlink(&st, &link).unwrap();
        let environ = |more: &str| {
            let path = dir.path().display();
            Environ::parse(format!("PATH={path}\0{more}\0").as_bytes())
        };
        let words = |configured, terminal: &str| {
            let words = terminal_words(configured, &environ(&format!("TERMINAL={terminal}")));
            words.map(|words| words.join(" "))
        };
        assert_eq!(words(Some("kitty"), "st").as_deref(), Some("kitty"));
        assert_eq!(
            words(Some("xterm -fs 9 -e"), "").as_deref(),
            Some("xterm -fs 9 -e")
        );
        assert_eq!(
            words(None, "/usr/bin/st").as_deref(),
            Some("/usr/bin/st -e")
        );
        assert_eq!(words(None, "wezterm").as_deref(), Some("wezterm start --"));
        let found = |more: &str| {
            let found = terminal(None, &environ(more)).unwrap().into_iter().next();
            PathBuf::from(found.unwrap())
        };
        assert_eq!(found("TERMINAL= "), link, "the one that is installed");
        assert_eq!(found("DISPLAY=:0\0WAYLAND_DISPLAY=wayland-1"), link);
        assert_eq!(
            found("WAYLAND_DISPLAY=wayland-1"),
            foot,
            "that can be shown"
        );
        assert_eq!(terminal(None, &Environ::default()), None);
    }

    fn terminal_words(configured: Option<&str>, environ: &Environ) -> Option<Vec<String>> {
        let words = terminal(configured, environ)?;
        Some(
            words
                .into_iter()
                .map(|word| word.into_string().unwrap())
                .collect(),
        )
    }
}
