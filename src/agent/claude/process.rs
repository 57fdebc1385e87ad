//! Which processes are Claude Code, and which of those can be sessions. All but what
//! looks at an installation takes values.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::arguments::{self, Asked};
use super::parse_version;
use crate::agent::looks::Start;
use crate::agent::{Looks, Role};
use crate::sys::proc::{Environ, Proc};

/// What is read of a process to judge it.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// Name of the main thread.
    pub comm: String,
    /// The executable, without ` (deleted)`.
    pub exe: Option<PathBuf>,
    /// The arguments; one entry without the rest where the program erased them.
    pub argv: Vec<OsString>,
    /// Whether standard input and output are terminals.
    pub terminal: bool,
    /// Whether the agent's own daemon started it, to run a background session.
    pub worker: bool,
    /// Whether its executable lies among the files of an Electron app.
    pub electron: bool,
}

impl Candidate {
    /// What counts of a process's looks. Only of what has the right name it is asked what else
    /// lies beside it.
    #[must_use]
    pub fn of(looks: &Looks) -> Self {
        let own = looks.exe.as_deref().is_some_and(is_claude_exe);
        Self {
            comm: looks.comm.clone(),
            exe: looks.exe.clone(),
            argv: looks.argv.clone(),
            terminal: looks.terminal,
            worker: is_worker(&looks.environ),
            electron: own && looks.beside.as_deref().is_some_and(is_electron),
        }
    }
}

/// Whether a process of this name is worth a closer look. Cheap: decided for every new pid.
#[must_use]
pub fn plausible_comm(comm: &str) -> bool {
    // `node` for the first second of a JS installation, before it sets its title.
    matches!(comm, "claude" | "claude.exe" | "node" | "MainThread")
        || comm.starts_with(".claude")
        || parse_version(comm).is_some()
}

/// Whether this executable is Claude Code's own.
///
/// npm: `…/@anthropic-ai/claude-code/bin/claude.exe`; native installer:
/// `…/claude/versions/2.1.328`; otherwise by its base name.
#[must_use]
pub fn is_claude_exe(exe: &Path) -> bool {
    let mut parts = exe.iter().rev().filter_map(|part| part.to_str());
    let (Some(base), parent, grandparent) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    is_claude_name(base)
        || (parse_version(base).is_some()
            && parent == Some("versions")
            && grandparent == Some("claude"))
        || exe
            .to_str()
            .is_some_and(|path| path.contains("/@anthropic-ai/claude-code"))
}

/// Whether a program of this name is Claude Code's own, also within a wrapper: nixpkgs puts a script
/// in its place and calls the program itself `.claude-wrapped`, or `.claude-unwrapped`; wrapped
/// twice, `.claude-wrapped_`.
fn is_claude_name(base: &str) -> bool {
    let inner = base
        .strip_prefix('.')
        .map(|base| base.trim_end_matches('_'));
    let inner = inner.and_then(|base| {
        base.strip_suffix("-wrapped")
            .or_else(|| base.strip_suffix("-unwrapped"))
    });
    matches!(inner.unwrap_or(base), "claude" | "claude.exe")
}

/// Whether an executable is an Electron app: its bundle or Chromium's own files lie beside it.
/// `dir` is its directory, as it can be reached from here.
#[must_use]
pub fn is_electron(dir: &Path) -> bool {
    let own = [
        "resources/app.asar",
        "resources/app",
        "chrome_100_percent.pak",
        "icudtl.dat",
        "v8_context_snapshot.bin",
    ];
    own.iter().any(|name| dir.join(name).exists())
}

/// Claude Desktop, which is called `claude` too. Helpers of Chromium have their arguments in one
/// word.
fn is_desktop_app(candidate: &Candidate) -> bool {
    // Claude Code ends at once with an option that it does not know.
    let of_chromium = [
        "--type=",
        "--no-sandbox",
        "--ozone-platform",
        "--enable-features=",
        "--disable-gpu",
    ];
    let words = || candidate.argv.iter().filter_map(|word| word.to_str());
    let option = |word: &str| of_chromium.iter().any(|option| word.starts_with(option));
    // Packages put it into a directory of this name, or into `bin` of one.
    let dirs = candidate.exe.iter().flat_map(|exe| exe.ancestors());
    let mut dirs = dirs.skip(1).take(2).filter_map(Path::file_name);
    candidate.electron
        || words().next().is_some_and(|word| word.contains(" --type="))
        || words().any(option)
        || dirs.any(|dir| {
            let dir = dir.to_string_lossy().to_ascii_lowercase();
            dir.contains("claude-desktop")
        })
}

/// Judges a process. `None`: not Claude Code by its looks; a status file may still name it.
#[must_use]
pub fn recognise(candidate: &Candidate) -> Option<Role> {
    let exe = candidate.exe.as_deref();
    let own_exe = exe.is_some_and(is_claude_exe);
    let runtime = exe.is_none_or(is_js_runtime);
    let words: Vec<&str> = candidate
        .argv
        .iter()
        .map(|arg| arg.to_str().unwrap_or_default())
        .collect();
    let script = words.get(1).copied().unwrap_or_default();
    let is_script = |word: &str| {
        let base = word.rsplit('/').next().unwrap_or_default();
        word.ends_with("/@anthropic-ai/claude-code/cli.js") || is_claude_name(base)
    };
    let young = runtime && is_script(script);
    // A shell script named `claude` that starts the real one also has that name: not enough.
    let titled = runtime && candidate.comm == "claude";
    if !own_exe && !titled && !young {
        return None;
    }
    if is_desktop_app(candidate) {
        return Some(Role::Never("a window of Claude Desktop"));
    }
    let program = words.first().copied().unwrap_or_default();
    if program.contains("bg-pty-host") {
        return Some(Role::Never("pty host of a background session"));
    }
    if program.contains("bg-spare") || candidate.worker {
        return Some(Role::Unsure);
    }
    let first = if young { 2 } else { 1 };
    let arguments = candidate.argv.get(first..).unwrap_or_default();
    // A JS version erases its arguments, which leaves the terminal as the only sign.
    Some(match arguments::read(arguments) {
        Asked::Session if candidate.terminal => Role::Session,
        Asked::Session | Asked::Unsure => Role::Unsure,
        Asked::Print => Role::Headless,
        Asked::Attach(job) => Role::Viewer(job),
        Asked::Nothing(why) => Role::Never(why),
    })
}

/// Whether the agent's own daemon started a process of this environment.
/// **Source:** 2.1.332: spare and working processes of background sessions, and no others.
#[must_use]
pub fn is_worker(environ: &Environ) -> bool {
    environ.text("CLAUDE_CODE_SESSION_KIND") == Some("bg")
}

/// Whether this executable runs the JS builds (up to 2.1.110).
fn is_js_runtime(exe: &Path) -> bool {
    let base = exe
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    matches!(base, "node" | "nodejs" | "bun" | "deno") || base.starts_with("node-")
}

/// First version that is a native binary. What runs in node is older.
/// **Source:** 2.1.110 is JavaScript, 2.1.116 is not.
pub const FIRST_NATIVE: [u32; 3] = [2, 1, 111];

/// The version that an executable's place tells: its own name under `versions/`, or the
/// `package.json` of the npm package around it. A JS build erases its arguments, but a shell
/// that started it by hand has left its path in `_` (bash, zsh, ksh).
#[must_use]
pub fn installed_version(exe: &Path, environ: &Environ) -> Option<String> {
    if !is_js_runtime(exe) {
        return version_by_place(exe);
    }
    let script = Path::new(environ.get("_")?);
    let script = std::fs::canonicalize(script.is_absolute().then_some(script)?).ok()?;
    // An update may have put a native binary there since.
    version_by_place(&script).filter(|v| parse_version(v).is_some_and(|v| v < FIRST_NATIVE))
}

/// The version of a process, by where its executable lies.
#[must_use]
pub fn version_of(proc: &Proc, looks: &Looks, start: &Start) -> Option<String> {
    let exe = looks.exe.as_deref()?;
    if start.far.is_some() {
        // Not by its environment, whose paths lead elsewhere here.
        return installed_version(&proc.path_within(looks.key.pid, exe)?, &Environ::default());
    }
    installed_version(exe, &looks.environ)
}

fn version_by_place(file: &Path) -> Option<String> {
    let base = file.file_name()?.to_str()?;
    if parse_version(base).is_some() {
        return Some(base.to_owned());
    }
    let package = file.ancestors().find(|dir| {
        let name = dir
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.starts_with("claude-code")
            && dir.parent().is_some_and(|p| p.ends_with("@anthropic-ai"))
    })?;
    #[derive(serde::Deserialize)]
    struct Package {
        version: String,
    }
    let bytes = crate::sys::files::read_bounded(&package.join("package.json"), 256 * 1024).ok()?;
    let package: Package = serde_json::from_slice(&bytes).ok()?;
    parse_version(&package.version).map(|_| package.version)
}

/// The configuration directory of a process, by its environment.
#[must_use]
pub fn config_dir(environ: &Environ, cwd: &Path) -> Option<PathBuf> {
    if let Some(dir) = environ.get("CLAUDE_CONFIG_DIR") {
        return Some(cwd.join(dir));
    }
    environ
        .get("HOME")
        .map(|home| Path::new(home).join(".claude"))
}

/// Whether this command line is the shell of a running tool.
/// **Source:** 2.0.77 to 2.1.328: `/bin/bash -c [-l] "source …/shell-snapshots/snapshot-bash-… && … eval '<cmd>' …
/// && pwd -P >| …/claude-…-cwd"`. Hooks, status lines and MCP servers have shells without that; the one
/// that makes the snapshot, once a session and often just before its first dialog, begins with
/// `SNAPSHOT_FILE=`.
#[must_use]
pub fn is_tool_shell(argv: &[OsString]) -> bool {
    argv.iter().skip(1).any(|word| {
        let word = word.to_string_lossy();
        let own = word.contains("/shell-snapshots/") || word.contains("pwd -P >| ");
        own && word.contains("eval ") && !word.trim_start().starts_with("SNAPSHOT_FILE=")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(comm: &str, exe: &str, argv: &[&str], terminal: bool) -> Option<Role> {
        recognise(&Candidate {
            comm: comm.into(),
            exe: Some(exe.into()),
            argv: argv.iter().map(OsString::from).collect(),
            terminal,
            ..Candidate::default()
        })
    }

    const NPM: &str = "/n/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe";
    const NATIVE: &str = "/home/dev/.local/share/claude/versions/2.1.328";

    #[test]
    fn every_shape_of_a_session_is_found() {
        for (comm, exe, argv) in [
            ("claude", NPM, &["/n/.bin/claude", "--model", "x"][..]),
            ("claude", NATIVE, &["claude"]),
            ("2.1.328", NATIVE, &[NATIVE]),
            ("claude", "/usr/bin/node", &["claude"]),
            ("claude", "/usr/bin/node", &["claude", "", ""]),
            (
                "node",
                "/usr/bin/node",
                &["node", "/n/@anthropic-ai/claude-code/cli.js"],
            ),
            (
                "node",
                "/usr/bin/node",
                &["node", "/n/node_modules/.bin/claude", "fix it"],
            ),
            ("claude", NATIVE, &["claude", "config", "list"]),
            ("claude", NATIVE, &["claude", "--", "-p"]),
            ("cc", "/opt/claude", &["cc"]),
            (
                ".claude-wrapped",
                "/nix/store/abc-claude-code-2.1.328/bin/.claude-wrapped",
                &["claude"],
            ),
            (
                ".claude-unwrapp",
                "/nix/store/abc-claude-code-2.1.328/bin/.claude-unwrapped",
                &["/home/dev/.nix-profile/bin/claude", "--continue"],
            ),
            (
                ".claude-wrapped",
                "/nix/store/abc-claude/bin/.claude-wrapped_",
                &["claude"],
            ),
            (
                "node",
                "/nix/store/abc-nodejs/bin/node",
                &["node", "/nix/store/abc-claude-code/bin/.claude-wrapped"],
            ),
        ] {
            assert_eq!(
                judge(comm, exe, argv, true),
                Some(Role::Session),
                "{comm} {argv:?}"
            );
        }
    }

    #[test]
    fn what_is_not_a_session_is_told_apart() {
        let never =
            |argv: &[&str]| matches!(judge("claude", NATIVE, argv, true), Some(Role::Never(_)));
        for argv in [
            &["claude", "agents"][..],
            &["claude", "mcp", "serve"],
            &["claude", "daemon", "run", "--origin", "transient"],
            &["claude bg-pty-host", "--", "claude", "--session-id", "u"],
            &["claude", "--version"],
            &["claude", "doctor"],
        ] {
            assert!(never(argv), "{argv:?}");
        }
        assert_eq!(
            judge("claude", NATIVE, &["claude", "-p", "hi"], true),
            Some(Role::Headless)
        );
        assert_eq!(
            judge("claude.exe", NPM, &["claude bg-spare"], false),
            Some(Role::Unsure)
        );
        assert_eq!(
            judge("claude", "/usr/bin/node", &["claude"], false),
            Some(Role::Unsure)
        );
    }

    #[test]
    fn the_installed_version_is_read_from_where_it_lies() {
        assert_eq!(
            version_by_place(Path::new(NATIVE)).as_deref(),
            Some("2.1.328")
        );
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("@anthropic-ai/claude-code");
        std::fs::create_dir_all(package.join("bin")).unwrap();
        let exe = package.join("bin/claude.exe");
        assert_eq!(version_by_place(&exe), None);
        std::fs::write(
            package.join("package.json"),
            r#"{"version":"2.1.119","name":"x"}"#,
        )
        .unwrap();
        assert_eq!(version_by_place(&exe).as_deref(), Some("2.1.119"));
    }

    #[test]
    fn a_build_in_node_is_known_by_the_path_it_was_started_with() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("node_modules/@anthropic-ai/claude-code");
        let bin = dir.path().join("node_modules/.bin");
        for made in [&package, &bin] {
            std::fs::create_dir_all(made).unwrap();
        }
        let says = |version: &str| {
            let text = format!(r#"{{"version":"{version}"}}"#);
            std::fs::write(package.join("package.json"), text).unwrap();
        };
        std::fs::write(package.join("cli.js"), "").unwrap();
        let link = bin.join("claude");
        std::os::unix::fs::symlink("../@anthropic-ai/claude-code/cli.js", &link).unwrap();
        let started = |by: &str| {
            let environ = Environ::parse(format!("_={by}\0").as_bytes());
            installed_version(Path::new("/usr/bin/node"), &environ)
        };
        says("2.1.100");
        assert_eq!(started(link.to_str().unwrap()).as_deref(), Some("2.1.100"));
        assert_eq!(started("/usr/bin/tmux"), None);
        assert_eq!(started("claude"), None, "relative to who knows what");
        says("2.1.328");
        assert_eq!(started(link.to_str().unwrap()), None, "updated since");
    }

    #[test]
    fn each_process_may_have_its_own_configuration() {
        let environ = Environ::parse(b"HOME=/home/dev\0CLAUDE_CONFIG_DIR=work\0");
        assert_eq!(
            config_dir(&environ, Path::new("/w")),
            Some("/w/work".into())
        );
        let environ = Environ::parse(b"HOME=/home/dev\0");
        assert_eq!(
            config_dir(&environ, Path::new("/w")),
            Some("/home/dev/.claude".into())
        );
        assert_eq!(config_dir(&Environ::default(), Path::new("/w")), None);
    }

    #[test]
    fn a_tools_shell_is_known_by_its_command() {
        let shell =
            |words: &[&str]| is_tool_shell(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(shell(&[
            "/bin/bash",
            "-c",
            "-l",
            "source /c/shell-snapshots/snapshot-bash-1 && eval 'ls'"
        ]));
        assert!(shell(&[
            "/bin/zsh",
            "-c",
            "eval 'ls' < /dev/null && pwd -P >| /tmp/claude-fb7e-cwd"
        ]));
        for other in [
            "SNAPSHOT_FILE=/c/shell-snapshots/snapshot-bash-1.sh\neval \"$f\" >> \"$SNAPSHOT_FILE\"",
            "eval \"$(direnv export bash)\"",
            "npx -y some-mcp-server",
            "~/.claude/statusline.sh",
        ] {
            assert!(!shell(&["/bin/bash", "-c", "-l", other]), "{other}");
        }
        assert!(!shell(&["/bin/bash"]));
        assert!(!shell(&["node", "server.js"]));
    }

    #[test]
    fn claude_desktop_is_no_session() {
        let never = |candidate: Candidate| matches!(recognise(&candidate), Some(Role::Never(_)));
        let app = |exe: &str, argv: &[&str]| Candidate {
            comm: "claude".into(),
            exe: Some(exe.into()),
            argv: argv.iter().map(OsString::from).collect(),
            terminal: true,
            ..Candidate::default()
        };
        assert!(never(app("/usr/lib/claude-desktop/claude", &["claude"])));
        for exe in [
            "/nix/store/0a-claude-desktop-0.14/bin/.claude-wrapped",
            "/tmp/.mount_Claude/usr/lib/claude-desktop-unofficial/claude",
        ] {
            assert!(never(app(exe, &["claude"])), "{exe}");
        }
        let wayland = ["claude", "--ozone-platform-hint=auto"];
        assert!(never(app("/opt/Claude/claude", &wayland)));
        let project =
            "/home/a/claude-desktop/node_modules/@anthropic-ai/claude-code/bin/claude.exe";
        assert!(!never(app(project, &["claude"])));
        let helper = "/opt/Claude/claude --type=renderer --lang=de";
        assert!(never(app("/opt/Claude/claude", &[helper])));
        assert!(never(app(
            "/opt/Claude/claude",
            &["claude", "--type=zygote"]
        )));
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_electron(dir.path()));
        for own in ["icudtl.dat", "resources/app.asar", "resources/app/main.js"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(own);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            assert!(is_electron(dir.path()), "{own}");
        }
        let own = "/tmp/.mount_Claude/claude";
        assert!(!never(app(own, &["claude"])), "not by its name alone");
        assert!(never(Candidate {
            electron: true,
            ..app(own, &["claude"])
        }));
    }

    #[test]
    fn a_worker_is_a_session_only_by_its_file() {
        let worker = Candidate {
            comm: "claude.exe".into(),
            exe: Some(NPM.into()),
            argv: ["claude.exe", "--session-id", "u"]
                .map(OsString::from)
                .to_vec(),
            terminal: true,
            worker: true,
            ..Candidate::default()
        };
        assert_eq!(recognise(&worker), Some(Role::Unsure));
        let environ = |text: &[u8]| is_worker(&Environ::parse(text));
        assert!(environ(b"HOME=/h\0CLAUDE_CODE_SESSION_KIND=bg\0"));
        assert!(!environ(b"HOME=/h\0CLAUDECODE=1\0"));
    }

    #[test]
    fn other_programs_are_not_claude() {
        for (comm, exe, argv) in [
            ("node", "/usr/bin/node", &["node", "server.js"][..]),
            ("bash", "/bin/bash", &["bash", "-c", "claude"]),
            (
                "claude",
                "/bin/bash",
                &["/bin/bash", "/usr/local/bin/claude"],
            ),
            ("2.1.3", "/opt/tool/2.1.3", &["2.1.3"]),
            ("vim", "/usr/bin/vim", &["vim", "claude"]),
            (
                ".claude-helper",
                "/nix/store/abc/bin/.claude-helper",
                &["x"],
            ),
        ] {
            assert_eq!(judge(comm, exe, argv, true), None, "{comm}");
        }
    }
}
