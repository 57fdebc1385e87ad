//! `vmux open`: a terminal window that shows a hosted session. The daemon calls it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::call::{Context, vmux_program};
use super::hosted;
use crate::cmd::cli::Open;
use crate::cmd::exit::{Exit, Failure};
use crate::hosted::{Info, NO_SESSION, VARIABLE};
use crate::sys::exec;
use crate::sys::proc::Environ;

/// Terminals that are known, in the order in which they are tried, and what comes before the
/// command that they run.
///
/// **Source:** their manual pages; `-e` takes all that follows in the others.
const KNOWN: [(&str, &[&str]); 12] = [
    ("x-terminal-emulator", &["-e"]),
    ("ghostty", &["-e"]),
    ("kitty", &[]),
    ("alacritty", &["-e"]),
    ("foot", &[]),
    ("wezterm", &["start", "--"]),
    ("konsole", &["-e"]),
    ("gnome-terminal", &["--"]),
    ("xfce4-terminal", &["-x"]),
    ("urxvt", &["-e"]),
    ("st", &["-e"]),
    ("xterm", &["-e"]),
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
/// the first that is there.
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
    let found = KNOWN
        .iter()
        .find_map(|(name, _)| exec::find_program(name, path))?;
    let mut words = vec![found.clone().into_os_string()];
    words.extend(before(&found));
    Some(words)
}

fn before(program: &Path) -> Vec<OsString> {
    let name = program.file_name().map(PathBuf::from).unwrap_or_default();
    let known = KNOWN.iter().find(|(known, _)| name == Path::new(known));
    let words = known.map_or(&["-e"][..], |(_, words)| words);
    words.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_the_configured_one_or_that_of_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("foot");
        std::fs::write(&script, "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let environ = |terminal: &str| {
            let path = dir.path().display();
            Environ::parse(format!("PATH={path}\0TERMINAL={terminal}\0").as_bytes())
        };
        let words = |configured, terminal: &str| {
            let words = terminal_words(configured, &environ(terminal));
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
        let found = words(None, " ").unwrap();
        assert_eq!(Path::new(&found), script, "the one that is installed");
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
