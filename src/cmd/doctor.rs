//! `vmux doctor`: what vmux needs, what is there, and what to do about the rest.

mod capture;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use super::call::{Context, sibling};
use super::hosted;
use super::out::{self, paint};
use crate::agent::{AGENTS, Agent, tools};
use crate::cmd::exit::Exit;
use crate::core::model::{Pid, Xid};
use crate::core::sorted::Gather as _;
use crate::core::text::{CleanText, shell_word};
use crate::daemon::lock;
use crate::desktop::wm::{Found, discover};
use crate::frontend::menu::{self, LAUNCHERS};
use crate::hosted::Info;
use crate::hosted::missed;
use crate::hosted::place::{self, Place};
use crate::notify::dbus::{Argument, Body, Bus};
use crate::protocol::client::{Client, ClientError};
use crate::protocol::request::{ListArgs, Status};
use crate::protocol::version::{OWN, REMEDY};
use crate::serve::config::Loaded;
use crate::serve::labels;
use crate::serve::lacks::{self, Distribution};
use crate::sys::exec;
use crate::sys::files::past_links;
use crate::sys::proc::Proc;

/// Longest wait for a program's version.
const VERSION: Duration = Duration::from_secs(2);

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    /// As it should be.
    Good,
    /// Something is not there that some can do without.
    Note,
    /// Something does not work.
    Bad,
}

#[derive(Serialize)]
struct Check {
    name: Cow<'static, str>,
    grade: Grade,
    detail: CleanText,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<CleanText>,
}

fn check(name: impl Into<Cow<'static, str>>, grade: Grade, detail: &str) -> Check {
    Check {
        name: name.into(),
        grade,
        detail: CleanText::line(detail),
        remedy: None,
    }
}

impl Check {
    fn remedy(mut self, words: &str) -> Self {
        self.remedy = CleanText::line(words).some();
        self
    }
}

pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let mut checks = vec![check_config(context)];
    checks.extend(check_agents(context));
    checks.push(check_hooks(context));
    checks.extend(capture::check_all(context));
    let daemon = check_daemon(context);
    let answers = daemon.iter().all(|check| check.grade != Grade::Bad);
    checks.extend(daemon);
    checks.push(check_versions(context, answers));
    checks.push(check_runtime(context));
    checks.push(check_labels(context));
    checks.push(check_writing(context));
    checks.push(check_window_manager(context));
    checks.push(check_launchers(context));
    checks.extend(check_icons(context));
    checks.extend(check_programs());
    checks.push(check_notifications(context));
    checks.extend(check_hosted(context));
    let bad = checks.iter().any(|check| check.grade == Grade::Bad);
    if json {
        out::write(
            format!("{}\n", serde_json::json!({ "ok": !bad, "checks": checks })).as_bytes(),
        )?;
    } else {
        out::write(render(&checks, out::colored(&context.environ)).as_bytes())?;
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn render(checks: &[Check], colored: bool) -> String {
    let mut text = String::new();
    for check in checks {
        let mark = match check.grade {
            Grade::Good => paint("ok  ", "32", colored),
            Grade::Note => paint("note", "33", colored),
            Grade::Bad => paint("BAD ", "31", colored),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {:<14} {}", check.name, check.detail);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(text, "{:22}{remedy}", "");
        }
    }
    text
}

/// Sessions that `vmux start` started: what keeps them, and how long they live.
fn check_hosted(context: &Context) -> Vec<Check> {
    let live = |found: place::Found| match found {
        place::Found::Live(info) => Some(info),
        _ => None,
    };
    let place = Place::of(&context.paths);
    missed::call(&place);
    let found = place.all(hosted::PATIENCE);
    let live: Vec<Info> = found.into_iter().filter_map(live).collect();
    if live.is_empty() {
        return Vec::new();
    }
    let holders = sibling("vmux-host").map(|program| check_holders(&live, &program));
    let logins = check_logins(context, &live);
    holders.into_iter().chain(logins).collect()
}

/// Whether this `vmux-host` keeps all of these.
fn check_holders(live: &[Info], program: &Path) -> Check {
    let other = |info: &&Info| info.is_held_by(program) == Some(false);
    let others: Vec<&str> = live.iter().filter(other).map(|info| &*info.id).collect();
    if others.is_empty() {
        let words = format!("{} started, all kept by this version", live.len());
        return check("hosted", Grade::Good, &words);
    }
    let words = format!("another version keeps {}", others.join(", "));
    let remedy = "`vmux upgrade` makes it this one; they go on meanwhile";
    check("hosted", Grade::Note, &words).remedy(remedy)
}

/// Whether any of these ends with its user's last login.
fn check_logins(context: &Context, live: &[Info]) -> Option<Check> {
    let ends = |info: &&Info| hosted::ends_with_logins(info);
    let ending: Vec<&str> = live.iter().filter(ends).map(|info| &*info.id).collect();
    if ending.is_empty() || !hosted::logins_end(context) {
        return None;
    }
    let words = format!("with your last login systemd ends {}", ending.join(", "));
    Some(check("logins", Grade::Note, &words).remedy(hosted::LINGER))
}

fn check_config(context: &Context) -> Check {
    let path = context.paths.config.display().to_string();
    let loaded = Loaded::read(&context.paths.config);
    let launcher = loaded.config.launcher.filter(|name| is_no_launcher(name));
    if !loaded.wrong.is_empty() {
        return check("configuration", Grade::Bad, &loaded.wrong.join("; "))
            .remedy("fix the file, or move it away; the rest of it is used");
    }
    if let Some(name) = launcher {
        let words = format!("{path}: the launcher {name:?} is not known");
        return check("configuration", Grade::Bad, &words)
            .remedy(&format!("known are {}, pick", menu::names()));
    }
    if !loaded.unknown.is_empty() {
        return check("configuration", Grade::Note, &loaded.unknown.join("; "));
    }
    let words = if context.paths.config.exists() {
        path
    } else {
        format!("none ({path} is optional)")
    };
    check("configuration", Grade::Good, &words)
}

fn is_no_launcher(name: &str) -> bool {
    name != "pick" && menu::by_name(name).is_none()
}

/// Each agent that says something of its files.
fn check_agents(context: &Context) -> Vec<Check> {
    let (environ, home) = (&context.paths.environ, &context.paths.home);
    let check_agent = |agent: &&dyn Agent| {
        let health = agent.health(&agent.config_dir(environ, home))?;
        let grade = if health.good {
            Grade::Good
        } else {
            Grade::Note
        };
        let found = check(agent.title().to_lowercase(), grade, &health.words);
        Some(match health.remedy {
            Some(remedy) => found.remedy(remedy),
            None => found,
        })
    };
    AGENTS.iter().filter_map(check_agent).collect()
}

fn check_hooks(context: &Context) -> Check {
    match super::hooks::summary(context) {
        Ok((words, None)) => check("hooks", Grade::Good, &words),
        Ok((words, Some(remedy))) => check("hooks", Grade::Note, &words).remedy(remedy),
        Err(error) => check("hooks", Grade::Note, &error),
    }
}

fn check_daemon(context: &Context) -> Vec<Check> {
    let asked = Client::connect(&context.paths.socket, VERSION)
        .and_then(|mut client| client.call(&Status {}, VERSION));
    if let Err(error @ ClientError::Slow) = &asked {
        let remedy = super::daemon::hung(&context.paths);
        return vec![check("daemon", Grade::Bad, &error.to_string()).remedy(&remedy)];
    }
    if asked.is_err() && lock::holder(&context.paths).is_some() {
        let words = lock::unreachable(&context.paths);
        return vec![check("daemon", Grade::Bad, &words).remedy(super::daemon::UNREACHABLE)];
    }
    let health = asked
        .map_err(|error| error.to_string())
        .and_then(|reply| reply.map_err(|refusal| refusal.error));
    let status = match health {
        Ok(health) => health.status,
        Err(error) => {
            return vec![
                check("daemon", Grade::Note, &error)
                    .remedy("it starts when it is needed; `vmux daemon run` shows what it says"),
            ];
        }
    };
    let own = Proc::open(Path::new("/proc"));
    let mut checks = vec![if status.version != OWN {
        let words = format!("it is vmux {}, this is {OWN}", status.version);
        check("daemon", Grade::Note, &words).remedy(REMEDY)
    } else if own.is_ok_and(|proc| proc.exe_is_gone(Pid(status.pid))) {
        // Two builds may have one version.
        let words = "the program that it runs was replaced since";
        check("daemon", Grade::Note, words).remedy(REMEDY)
    } else {
        let words = format!("pid {} at {}", status.pid, status.socket);
        check("daemon", Grade::Good, &words)
    }];
    for (name, source) in &status.sources {
        // Many do without windows and notifications.
        let grade = match name.as_str() {
            _ if source.ok && source.lacks.is_none() => Grade::Good,
            "windows" | "notifications" => Grade::Note,
            _ if source.ok => Grade::Note,
            _ => Grade::Bad,
        };
        let found = check("source", grade, &format!("{name}: {}", source.detail));
        checks.push(found.remedy(source.lacks.as_deref().unwrap_or_default()));
    }
    checks
}

/// What a bug report needs to know first.
fn check_versions(context: &Context, answers: bool) -> Check {
    let mut words = vec![format!("vmux {}", env!("CARGO_PKG_VERSION"))];
    // A daemon that hangs has been waited for already.
    let client = answers.then(|| Client::connect(&context.paths.socket, VERSION));
    let listed = client.and_then(|client| {
        let reply = client.ok()?.call(&ListArgs::default(), VERSION);
        reply.ok()?.ok()
    });
    let sessions = listed.unwrap_or_default().sessions;
    for agent in tools() {
        let sessions = sessions.iter();
        let own = sessions.filter(|session| *session.agent == *agent.name());
        let versions: BTreeSet<&str> = own
            .map(|session| session.version.as_deref().unwrap_or("?"))
            .gather();
        if !versions.is_empty() {
            let versions: Vec<&str> = versions.into_iter().collect();
            words.push(format!("{} {}", agent.title(), versions.join(" and ")));
        }
    }
    if let Ok(done) = exec::run(Command::new("tmux").arg("-V"), VERSION) {
        words.push(CleanText::line(&String::from_utf8_lossy(&done.stdout)).to_string());
    }
    check("versions", Grade::Good, &words.join(", "))
}

fn check_runtime(context: &Context) -> Check {
    let dir = context.paths.socket.parent().unwrap_or(Path::new("/"));
    let shown = dir.display();
    match std::fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check("runtime", Grade::Good, &format!("{shown} will be made"))
        }
        Err(error) => check(
            "runtime",
            Grade::Bad,
            &format!("could not read {shown}: {error}"),
        ),
        Ok(metadata) if metadata.uid() != rustix::process::getuid().as_raw() => check(
            "runtime",
            Grade::Bad,
            &format!("{shown} is somebody else's"),
        )
        .remedy("set VMUX_DIR or XDG_RUNTIME_DIR"),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => check(
            "runtime",
            Grade::Note,
            &format!("{shown} is open to others"),
        )
        .remedy(&format!("chmod 700 {}", shell_word(&dir.to_string_lossy()))),
        Ok(_) => check("runtime", Grade::Good, &shown.to_string()),
    }
}

fn check_labels(context: &Context) -> Check {
    let path = &context.paths.labels;
    let file = past_links(path).unwrap_or_else(|_| path.clone());
    let aside = file.with_file_name("labels.json.corrupt");
    match labels::load(path) {
        Err(refused) => check("labels", Grade::Bad, &refused.cause).remedy(&refused.remedy),
        Ok(_) if aside.exists() => check(
            "labels",
            Grade::Note,
            &format!("a broken file was kept as {}", aside.display()),
        )
        .remedy("fix it and put it back, or remove it"),
        Ok(_) => check("labels", Grade::Good, &path.display().to_string()),
    }
}

/// Writes where the daemon writes, and takes it away again.
fn check_writing(context: &Context) -> Check {
    let paths = &context.paths;
    let dirs = [
        Some(&*paths.runtime),
        paths.labels.parent(),
        paths.log.parent(),
    ];
    let dirs: BTreeSet<&Path> = dirs.into_iter().flatten().gather();
    let failed = dirs
        .iter()
        .find_map(|dir| Some((dir.display(), try_writing(dir).err()?)));
    if let Some((dir, error)) = failed {
        let words = format!("could not write in {dir}: {error}");
        return check("writing", Grade::Bad, &words)
            .remedy("labels and the log cannot be kept until that is fixed");
    }
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    check("writing", Grade::Good, &dirs.join(", "))
}

/// Writes a file in a directory of this user; of one that is not there yet, asks whether it
/// could be made.
fn try_writing(dir: &Path) -> io::Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(dir) else {
        let above = dir.ancestors().find(|dir| dir.is_dir());
        let above = above.unwrap_or(Path::new("/"));
        return Ok(rustix::fs::access(above, rustix::fs::Access::WRITE_OK)?);
    };
    // Where somebody else may write, what is opened may be something else.
    if metadata.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::other("it is somebody else's"));
    }
    use rustix::fs::{Mode, OFlags};
    let unnamed = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(dir, unnamed, Mode::RUSR | Mode::WUSR) {
        return File::from(file).write_all(b"vmux");
    }
    // Not every file system has files without a name.
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&probe)?;
    let written = file.write_all(b"vmux");
    std::fs::remove_file(&probe)?;
    written
}

fn check_window_manager(context: &Context) -> Check {
    let Ok(proc) = Proc::open(Path::new("/proc")) else {
        return check("windows", Grade::Bad, "could not read /proc");
    };
    let Found { mut manager, by } = match discover::find(&context.environ, &proc) {
        Ok(found) => found,
        Err(tried) => {
            let words = format!("no window manager was found ({tried})");
            return check("windows", Grade::Note, &words)
                .remedy("run this inside i3, sway, or a window manager of X11 that speaks EWMH");
        }
    };
    let version = manager.describe().unwrap_or_else(|error| error.to_string());
    let version = format!("{version}, found by {by}");
    let tree = match manager.tree() {
        Ok(tree) => tree,
        Err(error) => {
            return check(
                "windows",
                Grade::Bad,
                &format!("{version}: could not read its tree: {error}"),
            );
        }
    };
    let xids: Vec<Xid> = tree
        .windows
        .iter()
        .filter(|w| w.pid.is_none())
        .filter_map(|w| w.xid)
        .collect();
    let display = context
        .environ
        .text("DISPLAY")
        .map(|name| discover::open_display(name, &context.environ));
    let owned = match display {
        Some(Ok(display)) => display.owners(&xids).map_or(0, |owners| owners.len()),
        Some(Err(error)) => {
            return check(
                "windows",
                Grade::Bad,
                &format!("{version}, but no X server: {error}"),
            );
        }
        None => 0,
    };
    let words = format!(
        "{version}; {} windows, owners of {} known",
        tree.windows.len(),
        tree.windows.len() - xids.len() + owned
    );
    let keeps_focus = manager.keeps_focus();
    let limits = [keeps_focus.as_deref(), manager.lacks(), manager.overlooks()];
    let limits: Vec<&str> = limits.into_iter().flatten().collect();
    if limits.is_empty() {
        return check("windows", Grade::Good, &words);
    }
    let words = format!("{words}; {}", limits.join("; "));
    check("windows", Grade::Note, &words)
}

fn check_launchers(context: &Context) -> Check {
    let path = context.environ.get("PATH").unwrap_or_default();
    let found: Vec<&str> = LAUNCHERS
        .iter()
        .map(|launcher| launcher.name)
        .filter(|name| exec::find_program(name, path).is_some())
        .collect();
    if found.is_empty() {
        return check("launchers", Grade::Note, "no menu program was found")
            .remedy("install rofi or dmenu (X11), or fuzzel (Wayland); `vmux pick` needs none");
    }
    let mut words = found.join(", ");
    if found.contains(&"rofi")
        && let Ok(done) = exec::run(Command::new("rofi").arg("-version"), VERSION)
    {
        let _ = write!(
            words,
            " (rofi: {})",
            CleanText::line(&String::from_utf8_lossy(&done.stdout))
        );
    }
    check("launchers", Grade::Good, &words)
}

/// Whether rofi, if it is here, draws the icons.
fn check_icons(context: &Context) -> Option<Check> {
    if !lacks::lacks_icons(&context.environ)? {
        return Some(check("icons", Grade::Good, "rofi draws them"));
    }
    let words = "gdk-pixbuf loads no SVG: icons are blank in rofi";
    let remedy = format!("install {}", Distribution::here().svg_loader());
    Some(check("icons", Grade::Note, words).remedy(&remedy))
}

fn check_programs() -> Vec<Check> {
    ["vmux-rofi", "vmux-pick"]
        .into_iter()
        .map(|name| match sibling(name) {
            Ok(path) if path.is_file() => {
                check("program", Grade::Good, &path.display().to_string())
            }
            Ok(path) => check(
                "program",
                Grade::Note,
                &format!("{} is missing", path.display()),
            )
            .remedy("install all three programs into one directory: `cargo install --path .` does"),
            Err(error) => check("program", Grade::Bad, &error),
        })
        .collect()
}

fn check_notifications(context: &Context) -> Check {
    let name = "org.freedesktop.Notifications";
    let path = "/org/freedesktop/Notifications";
    let asked = Bus::session(&context.environ)
        .and_then(|mut bus| bus.call(name, path, name, "GetServerInformation", &Body::default()));
    match asked {
        Ok(reply) => {
            let words: Vec<String> = reply
                .arguments()
                .into_iter()
                .map(|argument| match argument {
                    Argument::Text(text) => text,
                    Argument::Number(number) => number.to_string(),
                })
                .collect();
            check("notifications", Grade::Good, &words.join(" "))
        }
        Err(error) => check("notifications", Grade::Note, &error.to_string()).remedy(
            "install dunst (X11) or mako (Wayland): without, waits and errors of key bindings are not shown",
        ),
    }
}
