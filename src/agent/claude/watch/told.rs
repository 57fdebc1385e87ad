//! Which session a hook speaks of, and which transcript is whose: what no status file tells.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::naming::{Look, Member};
use super::{Sessions, shells, tracked::Tracked};
use crate::agent::claude::beginning::{self, Beginning};
use crate::agent::claude::{find, hook};
use crate::agent::{Outside, outside};
use crate::core::model::{HookReport, Pid};

impl Sessions {
    pub(super) fn fold_hook(&mut self, pid: Pid, report: HookReport, outside: &mut Outside) {
        let at = outside.now;
        let Some(tracked) = self.tracked.get_mut(&pid) else {
            return;
        };
        // Looked at now, not when it was last reported: a shell that ran before the dialog is no
        // answer to it.
        let since = tracked.open_calls(at).iter().filter_map(|c| c.at).min();
        let beside_shell = shells::runs_tool(&outside.proc, outside.boot, pid, since);
        let renamed = tracked.hooked() != report.session_id.as_ref();
        let before = tracked.take_hook();
        tracked.hook = Some(hook::fold(before, report, at, beside_shell));
        self.refresh(pid, outside);
        if renamed {
            // Once one conversation is known, the others have fewer to choose from.
            self.name_conversations(outside);
        }
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
    pub(super) fn name_conversations(&mut self, outside: &mut Outside) {
        if !self.tracked.has_unnamed() {
            return;
        }
        let mut groups: BTreeMap<(PathBuf, String), Vec<Member>> = BTreeMap::new();
        for tracked in self.tracked.values() {
            // What does not answer is not read.
            if tracked.silent || !tracked.is_unnamed() {
                continue;
            }
            let group = groups.entry(tracked.project());
            group.or_default().push(tracked.member(outside.now));
        }
        for (project, members) in groups {
            let told = self.tracked.values().filter(|t| !t.is_unnamed());
            let others: Vec<_> = told.filter(|t| t.project() == project).collect();
            let mut transcripts = find::in_project(&project.0, &project.1).unwrap_or_default();
            transcripts.retain(|t| !others.iter().any(|o| o.was_in(&t.conversation)));
            let look = Look {
                members: &members,
                transcripts: &transcripts,
                beginning: &|path| beginning::beginning(path).unwrap_or(Beginning::Unknown),
                others: !others.is_empty(),
                now: outside.now.into(),
            };
            let names = catch_unwind(AssertUnwindSafe(|| look.names()));
            let names = names.unwrap_or_else(|panic| {
                for member in &members {
                    outside::fail(self, outside, member.pid, &outside::words(&*panic));
                }
                Vec::new()
            });
            for (pid, name) in names {
                if outside.has_failed(pid) {
                    continue;
                }
                if let Some(tracked) = self.tracked.get_mut(&pid) {
                    tracked.name = name;
                }
                self.refresh(pid, outside);
            }
        }
    }
}
