//! A place of its own for a session among systemd's units: a scope, which ends neither with the
//! daemon's unit nor with the window that it was started from, and which can be limited.
//!
//! **Source:** org.freedesktop.systemd1(5), `StartTransientUnit`: name, mode, `a(sv)` of
//! properties, `a(sa(sv))` of further units, which is empty. `PIDs` is `au`, `MemoryMax` and
//! `TasksMax` are `t`. `AttachProcessesToUnit`: unit, group below it, `au` of processes. Without `Delegate` the whole scope ends when the kernel ends one process for
//! want of memory (systemd.service(5), `OOMPolicy`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use vmux::core::model::Pid;
use vmux::notify::dbus::logind::{self, Logins};
use vmux::notify::dbus::{Body, Bus, PATIENCE, Variant};
use vmux::sys::clock::{self, Deadline};
use vmux::sys::proc::Environ;
use vmux::sys::{group, paths, socket};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Where the kernel has its control groups.
const ROOT: &str = "/sys/fs/cgroup";
/// Longest wait for one answer where a limit is wanted: a busy machine may only be starting the bus.
const LIMITING: Duration = Duration::from_secs(3);
/// Longest wait until this process is in its scope, and how often that is looked at.
const ENTER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);

/// What a session may take. `None` is as much as there is.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Limits {
    /// Bytes of memory, swap not counted.
    pub(crate) memory: Option<u64>,
    /// Processes and threads.
    pub(crate) tasks: Option<u64>,
}

impl Limits {
    fn are_none(self) -> bool {
        self.memory.is_none() && self.tasks.is_none()
    }
}

/// Has this process, and so all that it starts, enter a scope of its own. Where nothing is to be
/// limited that is as good as it can be had, and only where the session lives longer by it.
pub(crate) fn enter(environ: &Environ, id: &str, limits: Limits) -> anyhow::Result<()> {
    if limits.are_none() && stays(environ) {
        return Ok(());
    }
    let entered = try_enter(environ, id, limits);
    if limits.are_none() {
        if let Err(error) = entered {
            log::debug!("no scope of its own: {error:#}");
        }
        return Ok(());
    }
    entered.context("could not limit the session")
}

/// Whether this process lives longer where it is. A user's manager ends with his last login, and
/// takes its scopes along; what was started in a login that leaves it alone goes on, and keeps the
/// manager.
///
/// **Source:** logind.conf(5), `KillUserProcesses`; checked on systemd 252.
fn stays(environ: &Environ) -> bool {
    let own = group::of(None).ok().flatten();
    if own.is_some_and(|own| group::is_of_manager(&own)) {
        return false;
    }
    let logins = logind::logins(environ).unwrap_or_else(|error| {
        log::debug!("could not ask logind: {error}");
        Logins::default()
    });
    !logins.lingers && !logins.kills
}

/// Has this process enter the scope of a session that it goes on with, if that has one: it was
/// started elsewhere.
pub(crate) fn join(environ: &Environ, id: &str, session: Pid) {
    let joined = try_join(environ, id, session);
    if let Err(error) = joined {
        log::debug!("could not enter the session's scope: {error:#}");
    }
}

fn try_join(environ: &Environ, id: &str, session: Pid) -> anyhow::Result<()> {
    let scope = name(id);
    let theirs = group::of(Some(session))?;
    if theirs.is_none_or(|theirs| !is_in(&theirs, &scope)) {
        return Ok(());
    }
    let own = [std::process::id()];
    let body = Body::default().text(&scope).text("").numbers(&own);
    manager(environ, PATIENCE)?.call(NAME, PATH, MANAGER, "AttachProcessesToUnit", &body)?;
    Ok(())
}

fn name(id: &str) -> String {
    format!("vmux-{id}.scope")
}

/// A connection to the bus of the manager that systemd runs for this user.
fn manager(environ: &Environ, patience: Duration) -> anyhow::Result<Bus> {
    let runtime = paths::login_dir(environ).filter(|dir| dir.join("systemd").is_dir());
    let runtime = runtime.context("no systemd manages this user's programs")?;
    // An older desktop has a session bus beside it, on which it is not.
    Ok(match socket::connect(&runtime.join("bus"), PATIENCE) {
        Ok(stream) => Bus::over_within(stream, patience)?,
        Err(_) => Bus::session(environ)?,
    })
}

fn try_enter(environ: &Environ, id: &str, limits: Limits) -> anyhow::Result<()> {
    let patience = if limits.are_none() {
        PATIENCE
    } else {
        LIMITING
    };
    let mut bus = manager(environ, patience)?;
    let scope = name(id);
    let own = [std::process::id()];
    let words = format!("vmux session {id}");
    let mut properties = vec![
        ("Description", Variant::Text(&words)),
        ("PIDs", Variant::Numbers(&own)),
        ("Delegate", Variant::Bool(true)),
        ("CollectMode", Variant::Text("inactive-or-failed")),
    ];
    let memory = limits.memory.map(|max| ("MemoryMax", Variant::Long(max)));
    let tasks = limits.tasks.map(|max| ("TasksMax", Variant::Long(max)));
    properties.extend(memory.into_iter().chain(tasks));
    let body = Body::default().text(&scope).text("fail");
    let body = body.properties(&properties).no_units();
    bus.call(NAME, PATH, MANAGER, "StartTransientUnit", &body)
        .context("systemd did not make a scope")?;
    let deadline = Deadline::after(ENTER);
    let group = loop {
        // No event tells of it.
        match group::of(None)?.filter(|group| is_in(group, &scope)) {
            Some(group) => break group,
            None if deadline.passed() => bail!("systemd did not move it to {scope}"),
            None => clock::sleep(PAUSE),
        }
    };
    holds(Path::new(ROOT), &group, limits)
}

/// How many processes of a session the kernel ended because all its memory was taken; this process
/// is in its scope.
pub(crate) fn starved(id: &str) -> u32 {
    let own = group::of(None).ok().flatten();
    let Some(own) = own.filter(|own| is_in(own, &name(id))) else {
        return 0;
    };
    let path = file(Path::new(ROOT), &own, "memory.events");
    oom_kills(&fs::read_to_string(path).unwrap_or_default())
}

/// **Source:** the kernel's admin-guide/cgroup-v2, `memory.events`.
fn oom_kills(events: &str) -> u32 {
    let mut lines = events.lines();
    let said = lines.find_map(|line| line.strip_prefix("oom_kill "));
    said.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A file of a control group.
fn file(root: &Path, group: &str, file: &str) -> PathBuf {
    root.join(group.trim_start_matches('/')).join(file)
}

fn is_in(group: &str, scope: &str) -> bool {
    group.split('/').any(|part| part == scope)
}

/// Whether the kernel holds a group to its limits: a manager without that controller takes them,
/// and does nothing.
fn holds(root: &Path, group: &str, limits: Limits) -> anyhow::Result<()> {
    let wanted = [("memory.max", limits.memory), ("pids.max", limits.tasks)];
    for (file, limit) in wanted {
        let Some(limit) = limit else { continue };
        let said = fs::read_to_string(self::file(root, group, file)).unwrap_or_default();
        let max: Option<u64> = said.trim().parse().ok();
        if max.is_none_or(|max| max > limit) {
            bail!("the kernel does not hold it to that ({file})");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_part_of_the_group_and_not_of_a_name() {
        let group = "/user.slice/user-1000.slice/user@1000.service/app.slice/vmux-habcd.scope";
        assert!(is_in(group, &name("habcd")) && is_in(&format!("{group}/inner"), &name("habcd")));
        assert!(!is_in(group, &name("abcd")) && !is_in("/user.slice/session-2.scope", &name("h")));
    }

    #[test]
    fn what_the_kernel_ended_is_counted() {
        let events = "low 0\nhigh 0\nmax 185\noom 1\noom_kill 3\noom_group_kill 9\n";
        assert_eq!([events, "", "oom_kill x"].map(oom_kills), [3, 0, 0]);
    }

    #[test]
    fn a_limit_counts_only_where_the_kernel_has_it() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a.scope");
        fs::create_dir(&dir).unwrap();
        let limits = Limits {
            memory: Some(8 << 20),
            tasks: Some(50),
        };
        let holds = || holds(root.path(), "/a.scope", limits).map_err(|error| error.to_string());
        assert!(holds().unwrap_err().contains("memory.max"), "no controller");
        fs::write(dir.join("memory.max"), "max\n").unwrap();
        assert!(holds().unwrap_err().contains("memory.max"), "not set");
        fs::write(dir.join("memory.max"), "8388608\n").unwrap();
        assert!(holds().unwrap_err().contains("pids.max"));
        fs::write(dir.join("pids.max"), "50\n").unwrap();
        holds().unwrap();
        super::holds(root.path(), "elsewhere", Limits::default()).unwrap();
    }
}
