//! What a session asks, where its own files do not tell: by hooks, shells and subagents.

use chrono::{DateTime, TimeDelta, Utc};

use super::Tracked;
use crate::agent::claude::facts::{FileStatus, HookFact, LastLine, TranscriptFact, has_call};
use crate::agent::claude::find;
use crate::agent::claude::tail::Follower;
use crate::core::model::{CallNature, Reason, ToolCall, time};

/// A call is written at most this long before its dialog opens: a classifier may judge it first.
const BEFORE_DIALOG: TimeDelta = TimeDelta::seconds(60);

/// The lines before a dialog are written in batches, up to this long after the hook's report.
const ASKER_SLACK: TimeDelta = TimeDelta::seconds(1);

/// How the children of a session are looked at.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::agent::claude::watch) enum ShellWatch {
    /// Not at all.
    None,
    /// With each event: its files tell when that changes.
    Once,
    /// Again and again: only a shell shows that a dialog was answered.
    Poll,
}

impl Tracked {
    /// Whether, and how often, its children are looked at for what its files do not tell.
    pub(in crate::agent::claude::watch) fn shell_watch(&self) -> ShellWatch {
        let asks = |hook: &HookFact| hook.open_ask(self.last_line()).is_some();
        if self.is_untold() && self.hook.as_ref().is_some_and(asks) {
            return ShellWatch::Poll;
        }
        let Some(follower) = &self.follower else {
            return ShellWatch::None;
        };
        let conversation = follower.conversation();
        let may_ask = has_call(
            &conversation.pending,
            &[CallNature::AsksFirst, CallNature::Subagent],
        );
        match conversation.last {
            LastLine::ToolCall if self.is_untold() && may_ask => ShellWatch::Poll,
            LastLine::Answer | LastLine::ApiError | LastLine::Interrupted
                if self.is_busy() && self.fact().is_some_and(|f| f.busy_spans_shells) =>
            {
                ShellWatch::Once
            }
            _ => ShellWatch::None,
        }
    }

    fn last_line(&self) -> Option<DateTime<Utc>> {
        self.follower.as_ref()?.conversation().at
    }

    /// What its hooks reported, without a dialog that was answered since.
    pub(in crate::agent::claude::watch) fn take_hook(&mut self) -> Option<HookFact> {
        let mut hook = self.hook.take()?;
        if hook.open_ask(self.last_line()).is_none() {
            hook.ask = None;
        }
        Some(hook)
    }

    /// Notes whether the subagent that asked has gone on, which only its own transcript tells.
    pub(in crate::agent::claude::watch) fn follow_asker(&mut self) {
        let Some(follower) = &self.follower else {
            return;
        };
        let ask = self.hook.as_mut().and_then(|hook| hook.ask.as_mut());
        let Some(ask) = ask.filter(|ask| ask.agent_went_on_at.is_none()) else {
            return;
        };
        let Some(agent) = &ask.agent else { return };
        let written = find::agent_written(follower.path(), agent).map(time::of_file);
        ask.agent_went_on_at = written.filter(|at| *at > time::after(ask.told_at(), ASKER_SLACK));
    }

    /// The pending calls that a running shell would prove permitted: the session's own, or those
    /// of its subagent.
    pub(in crate::agent::claude::watch) fn open_calls(&self, now: DateTime<Utc>) -> Vec<ToolCall> {
        let conversation = self.follower.as_ref().map(Follower::conversation);
        let own = conversation.map_or(&[][..], |conversation| &conversation.pending);
        if !has_call(own, &CallNature::ASKING)
            && let Some(subagent) = self.asking_subagent(now)
        {
            return subagent.pending;
        }
        own.to_vec()
    }

    /// Notes whether a shell runs these calls. Once one did, they were permitted: after its end
    /// and before the line of its result no shell runs, and yet there is no dialog.
    pub(in crate::agent::claude::watch) fn take_shell(
        &mut self,
        runs: Option<bool>,
        open: &[ToolCall],
    ) {
        let ids = || open.iter().map(|call| call.id.clone());
        if runs == Some(true) {
            self.permitted = ids().collect();
        }
        let permitted = !open.is_empty() && ids().eq(self.permitted.iter().cloned());
        self.tool_shell = runs.map(|runs| runs || permitted);
    }

    /// Whether its file leaves open if a tool runs or a dialog is open.
    fn is_untold(&self) -> bool {
        match self.fact().and_then(|fact| fact.status.as_ref()) {
            None => true,
            Some(status) => {
                *status == FileStatus::Busy && self.fact().is_some_and(|fact| fact.busy_lies)
            }
        }
    }

    /// From when on a subagent's call may be what is asked. That is so while the turn waits for a
    /// subagent and the file does not tell whether a dialog is open, or while a dialog is open that
    /// is not about a call of the session's own. `None` if no subagent asks.
    pub(super) fn wants_subagents(&self) -> Option<DateTime<Utc>> {
        let conversation = self.follower.as_ref()?.conversation();
        let pending = |natures: &[CallNature]| has_call(&conversation.pending, natures);
        if pending(&CallNature::ASKING) {
            return None;
        }
        if self.is_untold() && pending(&[CallNature::Subagent]) {
            return conversation.turn_at.or(self.process.started_at);
        }
        let fact = self.fact()?;
        let asks =
            fact.status == Some(FileStatus::Waiting) && fact.waiting_reason != Some(Reason::Dialog);
        let at = fact.status_at.filter(|_| asks);
        at.map(|at| time::before(at, BEFORE_DIALOG))
    }

    pub(super) fn refresh_subagents(&mut self) {
        let wanted = self.wants_subagents().zip(self.follower.as_ref());
        let Some(((since, follower), id)) = wanted.zip(self.conversation()) else {
            self.subagents.clear();
            return;
        };
        let (path, id) = (follower.path().to_path_buf(), id.clone());
        self.subagents.refresh(&path, &id, since);
    }

    pub(super) fn asking_subagent(&self, now: DateTime<Utc>) -> Option<TranscriptFact> {
        let since = self.wants_subagents()?;
        let dialog_at = self.fact().and_then(|fact| fact.status_at);
        let until = dialog_at.filter(|_| !self.is_untold()).unwrap_or(now);
        self.subagents.asking(since, until, now)
    }
}
