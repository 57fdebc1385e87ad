//! Installs versions of the real CLI and keeps them beside the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use vmux::sys::exec;

/// A download of 100 MB and its installation, on a slow line.
const INSTALL: Duration = Duration::from_secs(600);
/// `claude --version` reads a binary of 370 MB that may be in no cache.
const VERSION: Duration = Duration::from_secs(300);

/// What npm calls the newest version.
pub(crate) const LATEST: &str = "latest";
const PACKAGE: &str = "@anthropic-ai/claude-code";
/// The other agent, and the word before its version.
const CODEX: &str = "@openai/codex";

/// One install at a time: they are large.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The executable of this version, installed now or by an earlier run.
pub(crate) fn cli(version: &str) -> PathBuf {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = (version == LATEST).then(newest);
    let version = newest.as_deref().unwrap_or(version);
    installed(
        version,
        "claude",
        &format!("{PACKAGE}@{version}"),
        |aside| {
            let package = aside.join("node_modules").join(PACKAGE);
            if !says_version(&program(aside, "claude"), version)
                && package.join("install.cjs").exists()
            {
                // npm may refuse to run install scripts; this one puts the native binary in its place.
                let mut put = Command::new("node");
                run(put.arg("install.cjs").current_dir(&package), INSTALL);
            }
            version.to_owned()
        },
    )
}

/// The executable of this version of Codex CLI, installed now or by an earlier run.
pub(crate) fn codex(version: &str) -> PathBuf {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("codex-{version}");
    installed(&name, "codex", &format!("{CODEX}@{version}"), |_| {
        format!("codex-cli {version}")
    })
}

fn program(dir: &Path, name: &str) -> PathBuf {
    dir.join("node_modules/.bin").join(name)
}

/// The program of a package, which is kept under a name of its own. `finish` does what npm may have
/// left to do, and tells how the program's word of its version begins.
fn installed(
    name: &str,
    bin: &str,
    package: &str,
    finish: impl FnOnce(&Path) -> String,
) -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract");
    let dir = cache.join(name);
    let cli = program(&dir, bin);
    if cli.exists() {
        return cli;
    }
    // Made aside and renamed: what has the right name is complete.
    let aside = cache.join(format!("{name}.{}", std::process::id()));
    drop(fs::remove_dir_all(&aside));
    fs::create_dir_all(&aside).unwrap();
    let said = run(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
            .arg("--prefix")
            .arg(&aside)
            .arg(package),
        INSTALL,
    );
    let version = finish(&aside);
    assert!(
        says_version(&program(&aside, bin), &version),
        "could not install {package}, or it does not run here: {said}"
    );
    drop(fs::remove_dir_all(&dir));
    fs::rename(&aside, &dir).unwrap();
    cli
}

/// The number of the newest version; asked for once.
fn newest() -> String {
    static NEWEST: OnceLock<String> = OnceLock::new();
    let ask = || {
        run(
            Command::new("npm").args(["view", PACKAGE, "version"]),
            INSTALL,
        )
    };
    NEWEST.get_or_init(|| ask().trim().to_owned()).clone()
}

fn says_version(cli: &Path, version: &str) -> bool {
    let run = exec::run(Command::new(cli).arg("--version"), VERSION);
    run.is_ok_and(|done| String::from_utf8_lossy(&done.stdout).starts_with(version))
}

fn run(command: &mut Command, patience: Duration) -> String {
    let done = exec::run(command, patience).unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success(), "{command:?}: {said}");
    said
}
