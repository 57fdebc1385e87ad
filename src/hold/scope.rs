//! A place of its own for a session among systemd's units: a scope, which ends neither with the
//! daemon's unit nor with the login that it was started from, and which can be limited.
//!
//! **Source:** org.freedesktop.systemd1(5), `StartTransientUnit`: name, mode, `a(sv)` of
//! properties, `a(sa(sv))` of further units, which is empty. `PIDs` is `au`, `MemoryMax` and
//! `TasksMax` are `t`. Without `Delegate` the whole scope ends when the kernel ends one process for
//! want of memory (systemd.service(5), `OOMPolicy`).

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use vmux::notify::dbus::{Body, Bus, PATIENCE, Variant};
use vmux::sys::clock::{self, Deadline};
use vmux::sys::files::read_bounded;
use vmux::sys::proc::Environ;
use vmux::sys::socket;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Longest wait until this process is in its scope, and how often that is looked at.
const ENTER: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);
/// Largest file of the kernel that is read here, in bytes.
const CAP: usize = 16 * 1024;

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
/// limited that is as good as it can be had.
pub(crate) fn enter(environ: &Environ, id: &str, limits: Limits) -> anyhow::Result<()> {
    let entered = try_enter(environ, id, limits);
    if limits.are_none() {
        if let Err(error) = entered {
            log::debug!("no scope of its own: {error:#}");
        }
        return Ok(());
    }
    entered.context("could not limit the session")
}

fn try_enter(environ: &Environ, id: &str, limits: Limits) -> anyhow::Result<()> {
    let runtime = environ.get("XDG_RUNTIME_DIR").map(Path::new);
    let runtime = runtime.filter(|dir| dir.join("systemd").is_dir());
    let runtime = runtime.context("no systemd manages this user's programs")?;
    // An older desktop has a session bus beside it, on which it is not.
    let mut bus = match socket::connect(&runtime.join("bus"), PATIENCE) {
        Ok(stream) => Bus::over(stream)?,
        Err(_) => Bus::session(environ)?,
    };
    let scope = format!("vmux-{id}.scope");
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
        let groups = read_bounded(Path::new("/proc/self/cgroup"), CAP)?;
        // No event tells of it.
        match group(&String::from_utf8_lossy(&groups), &scope) {
            Some(group) => break group,
            None if deadline.passed() => bail!("systemd did not move it to {scope}"),
            None => clock::sleep(PAUSE),
        }
    };
    holds(Path::new("/sys/fs/cgroup"), &group, limits)
}

/// The control group of a process in this scope: where the file of its groups says so.
fn group(groups: &str, scope: &str) -> Option<String> {
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let inside = unified.split('/').any(|part| part == scope);
    inside.then(|| unified.trim_start_matches('/').to_owned())
}

/// Whether the kernel holds a group to its limits: a manager without that controller takes them,
/// and does nothing.
fn holds(root: &Path, group: &str, limits: Limits) -> anyhow::Result<()> {
    let wanted = [("memory.max", limits.memory), ("pids.max", limits.tasks)];
    for (file, limit) in wanted {
        let Some(limit) = limit else { continue };
        let said = fs::read_to_string(root.join(group).join(file)).unwrap_or_default();
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

    const UNIFIED: &str =
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vmux-habcd.scope\n";

    #[test]
    fn one_is_in_the_scope_where_the_unified_hierarchy_says_so() {
        let found = group(UNIFIED, "vmux-habcd.scope").unwrap();
        assert!(found.starts_with("user.slice/") && found.ends_with("/vmux-habcd.scope"));
        let older = "4:memory:/vmux-habcd.scope\n0::/user.slice/session-2.scope\n";
        for groups in ["", "0::/\n", older] {
            assert_eq!(group(groups, "vmux-habcd.scope"), None, "{groups}");
        }
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
        let holds = || holds(root.path(), "a.scope", limits).map_err(|error| error.to_string());
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
