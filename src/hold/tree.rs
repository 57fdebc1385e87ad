//! The processes of a session: all below its holder, and all that say so.

use std::collections::HashSet;
use std::path::Path;

use rustix::process::Pid;
use vmux::core::model::Pid as Number;
use vmux::hosted::{NO_SESSION, VARIABLE};
use vmux::sys::proc::Proc;

/// Deepest tree of processes that is walked.
const DEEPEST: usize = 64;
/// Most processes of a session that are found at once.
const MOST: usize = 4096;

fn number(pid: Number) -> Option<Pid> {
    Pid::from_raw(pid.0.try_into().ok()?)
}

/// Whether it is a daemon, the holder of another session, or a terminal that vmux opened, which
/// somebody in this session started: none is a part of it.
fn is_apart(proc: &Proc, pid: Number) -> bool {
    let environ = proc.environ(pid).ok();
    if environ.is_some_and(|environ| environ.text(VARIABLE) == Some(NO_SESSION)) {
        return true;
    }
    match proc.comm(pid).as_deref() {
        Some("vmux-host") => true,
        Some("vmux") => proc
            .cmdline(pid)
            .get(1)
            .is_some_and(|word| word == "daemon"),
        _ => false,
    }
}

/// The children of a process that belong to the session.
fn children(proc: &Proc, pid: Number) -> impl Iterator<Item = Number> + '_ {
    let all = proc.children(pid).into_iter();
    all.filter(|child| !is_apart(proc, *child))
}

/// Whether this process has a child that belongs to the session.
pub(crate) fn has_children() -> bool {
    let own = Number(std::process::id());
    // Where nobody can tell there may be one.
    Proc::open(Path::new("/proc")).map_or(true, |proc| children(&proc, own).next().is_some())
}

/// All processes below this one.
pub(crate) fn own() -> HashSet<Pid> {
    below(vec![Number(std::process::id())])
}

/// All processes of the session `id` of which `root` is the command, if this process is above none
/// of them: those below it, and those in whose environment the session stands.
pub(crate) fn foreign(root: Option<Pid>, id: &str) -> HashSet<Pid> {
    let Ok(mut proc) = Proc::open(Path::new("/proc")) else {
        return HashSet::new();
    };
    let own = Number(std::process::id());
    let mut pids = Vec::new();
    if let Err(error) = proc.pids(&mut pids) {
        log::warn!("could not list processes: {error}");
    }
    let user = rustix::process::getuid().as_raw();
    let says = |pid: &Number| {
        let environ = proc.environ(*pid).ok();
        environ.is_some_and(|environ| environ.text(VARIABLE) == Some(id))
    };
    let alive = |pid: &Number| proc.stat(*pid).is_some_and(|stat| !stat.ended());
    let roots = root.map(|root| Number(root.as_raw_nonzero().get().unsigned_abs()));
    let roots: Vec<Number> = pids
        .into_iter()
        .map(Number)
        .filter(|pid| *pid != own && proc.uid(*pid) == Some(user) && says(pid))
        .chain(roots)
        .filter(|pid| alive(pid) && !is_apart(&proc, *pid))
        .collect();
    let mut found: HashSet<Pid> = roots.iter().copied().filter_map(number).collect();
    found.extend(below(roots));
    found
}

fn below(mut level: Vec<Number>) -> HashSet<Pid> {
    let mut found = HashSet::new();
    let Ok(proc) = Proc::open(Path::new("/proc")) else {
        return found;
    };
    for _ in 0..DEEPEST {
        level = level.iter().flat_map(|pid| children(&proc, *pid)).collect();
        found.extend(level.iter().copied().filter_map(number));
        if level.is_empty() || found.len() > MOST {
            break;
        }
    }
    found
}
