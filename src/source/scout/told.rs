//! Which session a hook speaks of, and which transcript is whose: what no status file tells.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::{Scout, Tracked, again};
use crate::agent::claude::beginning::{self, Beginning};
use crate::agent::claude::{find, hook};
use crate::core::model::{HookReport, Observation, Pid};
use crate::source::naming::{Look, Member};
use crate::source::process;

/// Ancestors of a hook's process that are looked at. The session is the second one; a wrapper adds
/// one or two.
const ANCESTORS: usize = 8;

impl Scout {
    /// Takes over what a hook reported, at the time it arrived. A session that was not seen yet
    /// is found by it at once; a report that fits none is dropped.
    pub fn take_hook(&mut self, report: HookReport, at: DateTime<Utc>) -> Vec<Observation> {
        let mut out = Vec::new();
        let Some(pid) = self.session_of(&report, at, &mut out) else {
            return out;
        };
        self.guarded(pid, at, &mut out, |scout, out| {
            scout.fold_hook(pid, report, at, out);
        });
        out
    }

    fn fold_hook(
        &mut self,
        pid: Pid,
        report: HookReport,
        at: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) {
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        // Looked at now, not when it was last told: a shell from before is no answer.
        let since = tracked.open_calls(at).iter().filter_map(|c| c.at).min();
        let beside_shell = process::runs_tool(&self.proc, self.boot, pid, since);
        let renamed = tracked.hooked() != report.session_id.as_ref();
        let before = tracked.take_hook();
        tracked.hook = Some(hook::fold(before, report, at, beside_shell));
        self.refresh(pid, at, out);
        if renamed {
            // One that is known leaves fewer to choose from for the others.
            self.name_conversations(at, out);
        }
    }

    /// The session that a report comes from: an ancestor of the hook, else the only session in the
    /// conversation that it names (in a container, processes have other ids).
    fn session_of(
        &mut self,
        report: &HookReport,
        at: DateTime<Utc>,
        out: &mut Vec<Observation>,
    ) -> Option<Pid> {
        for key in report.processes.iter().take(ANCESTORS) {
            if !self.tracked.contains_key(&key.pid) {
                self.adopt(key.pid, None, at, out);
            }
            if self.tracked.get(&key.pid).is_some_and(|t| t.key == *key) {
                return Some(key.pid);
            }
        }
        let id = report.session_id.as_ref()?;
        let mut inside = self
            .tracked
            .values()
            .filter(|t| t.conversation() == Some(id));
        let pid = inside.next()?.key.pid;
        inside.next().is_none().then_some(pid)
    }

    /// What an ended session may have written is not taken for its neighbours'.
    pub(super) fn leave_to_nobody(&mut self, ended: &Tracked) {
        let project = ended.project();
        let neighbours = self.tracked.values_mut();
        let mut unnamed = neighbours
            .filter(|t| !t.silent && t.is_unnamed() && t.project() == project)
            .peekable();
        if unnamed.peek().is_none() {
            return;
        }
        let transcripts = find::in_project(&project.0, &project.1).unwrap_or_default();
        if let Some(written) = transcripts.iter().map(|t| t.written).max() {
            unnamed.for_each(|neighbour| neighbour.name.start_from(written));
        }
    }

    /// Finds out the conversations of sessions whose files do not tell them.
    pub(super) fn name_conversations(&mut self, now: DateTime<Utc>, out: &mut Vec<Observation>) {
        let mut groups: BTreeMap<(PathBuf, String), Vec<Member>> = BTreeMap::new();
        for tracked in self.tracked.values() {
            // What does not answer is not read.
            if tracked.silent || !tracked.is_unnamed() {
                continue;
            }
            let group = groups.entry(tracked.project());
            group.or_default().push(tracked.member(now));
        }
        for (project, members) in groups {
            let told = self.tracked.values().filter(|t| !t.is_unnamed());
            let others: Vec<&Tracked> = told.filter(|t| t.project() == project).collect();
            let mut transcripts = find::in_project(&project.0, &project.1).unwrap_or_default();
            transcripts.retain(|t| !others.iter().any(|o| o.was_in(&t.conversation)));
            let look = Look {
                members: &members,
                transcripts: &transcripts,
                beginning: &|path| beginning::beginning(path).unwrap_or(Beginning::Unknown),
                others: !others.is_empty(),
                now: now.into(),
            };
            let names = catch_unwind(AssertUnwindSafe(|| look.names()));
            let names = names.unwrap_or_else(|panic| {
                for member in &members {
                    self.fail(member.pid, &again::words(&*panic), now, out);
                }
                Vec::new()
            });
            for (pid, name) in names {
                if self.failed.contains_key(&pid) {
                    continue;
                }
                if let Some(tracked) = self.tracked.get_mut(&pid) {
                    tracked.name = name;
                }
                self.refresh(pid, now, out);
            }
        }
    }
}
