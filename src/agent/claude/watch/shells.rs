//! The shells that a session's tools run in.

use chrono::{DateTime, Utc};

use crate::agent::claude::process::is_tool_shell;
use crate::agent::looks::{SLACK, started_at};
use crate::core::model::{Pid, time};
use crate::sys::proc::Proc;

/// Whether a shell of a tool is among the children of a session; with `since`, one that started
/// after it (a background shell goes on for hours).
pub(super) fn runs_tool(
    proc: &Proc,
    boot: DateTime<Utc>,
    pid: Pid,
    since: Option<DateTime<Utc>>,
) -> bool {
    let since = since.map(|since| time::before(since, SLACK));
    let started = |child| {
        proc.stat(child)
            .and_then(|stat| started_at(boot, stat.start_ticks))
    };
    let children = proc.children(pid).into_iter();
    let mut recent =
        children.filter(|child| since.is_none_or(|since| started(*child) >= Some(since)));
    recent.any(|child| is_tool_shell(&proc.cmdline(child)))
}
