//! Which processes are Codex CLI, and which of those can be sessions. All but the read of an
//! installation's `package.json` takes values.
//!
//! **Source:** observed on 0.139.0, 0.155.1, 0.161.0 and 0.171.0 from npm: `node …/.bin/codex` starts
//! the native `codex`, which keeps its arguments. One that has no terminal may be the app-server
//! that runs the conversations of all others, its updater, or the sandbox of a command.

use std::path::{Path, PathBuf};

use super::arguments;
use crate::agent::Looks;
use crate::agent::version::parse_version;
use crate::sys::proc::Environ;

/// What a Codex process is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A session on its terminal.
    Session,
    /// One prompt from a script (`codex exec`).
    Headless,
    /// The app-server that runs the conversations of one `CODEX_HOME`.
    Daemon,
    /// No session, with the reason.
    Never(&'static str),
}

/// Whether a process of this name is worth a closer look. Cheap: decided for every new pid.
#[must_use]
pub fn plausible_comm(comm: &str) -> bool {
    is_name(comm)
}

/// `codex`, or what the release archives call it: `codex-x86_64-unknown-linux-musl`, cut to 15
/// bytes where it is the name of a thread.
fn is_name(base: &str) -> bool {
    base == "codex" || base.starts_with("codex-x86_64-un") || base.starts_with("codex-aarch64-u")
}

/// Judges a process. `None`: not Codex CLI.
#[must_use]
pub fn recognise(looks: &Looks) -> Option<Purpose> {
    let base = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    if !is_name(&base(looks.exe.as_deref()?)?) {
        return None;
    }
    let words = looks.argv.iter().map(|word| word.to_string_lossy());
    let words: Vec<_> = words.collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    // One binary under many names: `codex-linux-sandbox`, `apply_patch`.
    let called = words.first().and_then(|name| base(Path::new(name)));
    if !called.is_some_and(|name| is_name(&name)) {
        return Some(Purpose::Never("a tool of Codex under another name"));
    }
    let role = arguments::purpose(words.get(1..).unwrap_or_default());
    Some(match role {
        Purpose::Session if !looks.terminal => Purpose::Never("it has no terminal"),
        role => role,
    })
}

/// The version that an executable's place tells: the directory of a release that the app-server
/// runs from, or the package around it.
#[must_use]
pub fn installed_version(exe: &Path) -> Option<String> {
    exe.ancestors().skip(1).take(5).find_map(|dir| {
        let parent = dir.parent().and_then(Path::file_name);
        let name = dir.file_name()?.to_str()?;
        if parent.is_some_and(|parent| parent == "releases") {
            return version(name);
        }
        let in_package = |file: &str| {
            let bytes = crate::sys::files::read_bounded(&dir.join(file), 256 * 1024).ok()?;
            let package: Package = serde_json::from_slice(&bytes).ok()?;
            version(&package.version)
        };
        in_package("codex-package.json").or_else(|| {
            let own = name.starts_with("codex") && parent.is_some_and(|p| p == "@openai");
            own.then(|| in_package("package.json")).flatten()
        })
    })
}

#[derive(serde::Deserialize)]
struct Package {
    version: String,
}

/// `0.171.0` of `0.171.0-linux-x64`.
fn version(text: &str) -> Option<String> {
    let number = text.split('-').next()?;
    parse_version(number).map(|_| number.to_owned())
}

/// Where a process keeps its conversations, by its environment.
#[must_use]
pub fn home(environ: &Environ, cwd: &Path) -> Option<PathBuf> {
    if let Some(dir) = environ.get("CODEX_HOME") {
        return Some(cwd.join(dir));
    }
    let home = environ.get("HOME")?;
    Some(Path::new(home).join(".codex"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    const EXE: &str =
        "/n/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex";
    const DAEMON: &str =
        "/h/.codex/packages/app-server-daemon/releases/0.171.0-x86_64-unknown-linux-musl/bin/codex";

    fn judge(exe: &str, argv: &[&str], terminal: bool) -> Option<Purpose> {
        recognise(&Looks {
            exe: Some(exe.into()),
            argv: argv.iter().map(OsString::from).collect(),
            terminal,
            ..Looks::default()
        })
    }

    #[test]
    fn every_shape_of_a_session_is_found() {
        for argv in [
            &[EXE][..],
            &[EXE, "fix it"],
            &["codex", "resume", "--last"],
            &["codex", "-m", "gpt", "fork"],
            &["codex", "--no-daemon", "-c", "model=x"],
            &["codex", "-C", "exec"],
            &["codex", "--", "exec"],
            &["codex", "explain exec"],
        ] {
            assert_eq!(judge(EXE, argv, true), Some(Purpose::Session), "{argv:?}");
        }
        let release = "/opt/codex-x86_64-unknown-linux-musl";
        assert_eq!(judge(release, &[release], true), Some(Purpose::Session));
        assert!(plausible_comm("codex-x86_64-un"));
    }

    #[test]
    fn what_is_not_a_session_is_told_apart() {
        let never = |argv: &[&str]| matches!(judge(EXE, argv, true), Some(Purpose::Never(_)));
        for argv in [
            &["codex", "login"][..],
            &["codex", "-m", "x", "mcp", "list"],
            &["codex", "--version"],
            &["codex", "agents"],
            &["codex", "app-server", "proxy"],
            &["codex-linux-sandbox", "--sandbox-policy-cwd", "/w"],
            &["/h/.codex/tmp/arg0-linux/codex-arg0x/apply_patch", "x"],
        ] {
            assert!(never(argv), "{argv:?}");
        }
        for argv in [&["codex", "e", "hi"][..], &["codex", "--oss", "exec"]] {
            assert_eq!(judge(EXE, argv, true), Some(Purpose::Headless), "{argv:?}");
        }
        let served = [
            DAEMON,
            "app-server",
            "--listen",
            "unix://",
            "--managed-daemon",
        ];
        assert_eq!(judge(DAEMON, &served, false), Some(Purpose::Daemon));
        let updater = [DAEMON, "app-server", "daemon", "pid-update-loop"];
        assert!(matches!(
            judge(DAEMON, &updater, false),
            Some(Purpose::Never(_))
        ));
        assert!(matches!(judge(EXE, &[EXE], false), Some(Purpose::Never(_))));
        let wrapper = ["node", "/n/node_modules/.bin/codex"];
        assert_eq!(judge("/usr/bin/node", &wrapper, true), None);
        assert_eq!(
            judge("/n/codex-code-mode-host", &["codex-code-mode-host"], true),
            None
        );
    }

    #[test]
    fn the_place_of_a_program_tells_its_version() {
        assert_eq!(
            installed_version(Path::new(DAEMON)).as_deref(),
            Some("0.171.0")
        );
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("@openai/codex-linux-x64");
        let bin = package.join("vendor/x86_64-unknown-linux-musl/bin");
        std::fs::create_dir_all(&bin).unwrap();
        let exe = bin.join("codex");
        assert_eq!(installed_version(&exe), None);
        std::fs::write(
            package.join("package.json"),
            r#"{"version":"0.139.0-linux-x64"}"#,
        )
        .unwrap();
        assert_eq!(installed_version(&exe).as_deref(), Some("0.139.0"));
        let inner = bin.join("../codex-package.json");
        std::fs::write(inner, r#"{"version":"0.171.0"}"#).unwrap();
        assert_eq!(installed_version(&exe).as_deref(), Some("0.171.0"));
    }

    #[test]
    fn its_home_can_be_moved() {
        let environ = |text: &[u8]| Environ::parse(text);
        let at = |text: &[u8]| home(&environ(text), Path::new("/w"));
        assert_eq!(at(b"HOME=/h\0"), Some("/h/.codex".into()));
        assert_eq!(at(b"HOME=/h\0CODEX_HOME=alt\0"), Some("/w/alt".into()));
        assert_eq!(at(b"X=1\0"), None);
    }
}
