//! Claims become a verdict: state, reason, since when, and the rule that decided. Pure.
//!
//! An agent makes the claims, the strongest first; here they are weighed. They stay beside the
//! verdict, so that `explain` shows the same evidence and not a second opinion.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::core::model::{Claim, Evidence, Reason, State, time};
use crate::core::text::CleanText;

/// Where more may follow, a finished turn is believed after this long: when a background agent
/// ends or a prompt is queued, Claude Code writes `idle` and 7 ms later `busy` for the next turn.
pub const SETTLE: TimeDelta = TimeDelta::milliseconds(300);

/// Clocks of one machine differ by less.
const AHEAD: TimeDelta = TimeDelta::seconds(1);

/// How far the clock may have been off when a source wrote a time: a machine that keeps local time,
/// or was told the time after its start. What is dated further before its process began is
/// nonsense; less than this keeps the order of those that wait.
pub const CLOCKS_DIFFER: TimeDelta = TimeDelta::hours(24);

/// What decided a verdict, in words for `explain`.
pub type Rule = &'static str;

/// A session's state and why.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// What adds to it.
    pub reason: Option<Reason>,
    /// Since when, by the source that decided; `None` if no source has a clock for it.
    pub since: Option<DateTime<Utc>>,
    /// Whether `since` only shows that the session was in this state by then. That is good enough
    /// for a session seen for the first time, but it does not date a change that vmux watched.
    pub vague: bool,
    /// Whether nothing is known that would start more work at once, such as a queued prompt.
    pub certain: bool,
    /// What it asks.
    pub ask: Option<CleanText>,
    /// The question or the plan alone, where it asks one.
    pub question: Option<CleanText>,
    /// The rule that decided.
    pub rule: Rule,
    /// When the same evidence may give another verdict.
    pub recheck: Option<DateTime<Utc>>,
}

impl Verdict {
    /// What it asks, as people read it.
    #[must_use]
    pub fn asked(&self) -> Option<&CleanText> {
        self.question.as_ref().or(self.ask.as_ref())
    }
}

impl From<Claim> for Verdict {
    fn from(claim: Claim) -> Self {
        Self {
            state: claim.state,
            reason: claim.reason,
            since: claim.since,
            vague: claim.vague,
            certain: claim.certain,
            ask: claim.ask,
            question: claim.question,
            rule: claim.rule,
            recheck: None,
        }
    }
}

/// A claim, and what it counts for.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Weighed {
    /// What is claimed.
    #[serde(flatten)]
    pub claim: Claim,
    /// Whether it counts now; the first that does decides.
    pub in_force: bool,
}

/// What each claim counts for at `now`, the strongest first.
#[must_use]
pub fn weighed(evidence: &Evidence, now: DateTime<Utc>) -> Vec<Weighed> {
    let overruled = overrules(evidence).is_some();
    let weigh = |claim: &Claim| Weighed {
        claim: claim.clone(),
        in_force: !overruled && is_in_force(claim, now),
    };
    evidence.claims.iter().map(weigh).collect()
}

/// Judges a session by what is known of it at `now`.
#[must_use]
pub fn judge(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    let verdict = decide(evidence, now);
    // It was in no state before it was there, whatever a file says. A start in the future was
    // read before the clock was set back.
    let started = evidence.process.started_at.filter(|at| *at <= now);
    let nonsense = |since: &DateTime<Utc>| {
        started.is_some_and(|started| *since < time::before(started, CLOCKS_DIFFER))
    };
    let since = match verdict.since {
        Some(since) if nonsense(&since) => started,
        since => since,
    };
    Verdict { since, ..verdict }
}

/// What counts whatever is claimed.
fn overrules(evidence: &Evidence) -> Option<Verdict> {
    let verdict = |state, reason, rule| Verdict {
        state,
        reason: Some(reason),
        rule,
        ..Verdict::default()
    };
    if evidence.failed.is_some() {
        let rule = "reading its files failed, which is a bug of vmux";
        return Some(verdict(State::Unknown, Reason::Unreadable, rule));
    }
    let rule = "the process is stopped (Ctrl+Z)";
    let stopped = evidence.process.stopped;
    stopped.then(|| verdict(State::Idle, Reason::Suspended, rule))
}

fn decide(evidence: &Evidence, now: DateTime<Utc>) -> Verdict {
    if let Some(verdict) = overrules(evidence) {
        return verdict;
    }
    let claims = &evidence.claims;
    let decides = claims.iter().position(|claim| is_in_force(claim, now));
    // A weaker claim changes nothing, whenever it begins or ends.
    let counts = decides.map_or(claims.len(), |at| at + 1);
    let bounds = claims[..counts]
        .iter()
        .filter(|claim| !is_from_the_future(claim, now))
        .flat_map(|claim| [claim.from, claim.until]);
    let recheck = bounds.flatten().filter(|at| *at > now).min();
    let verdict = match decides {
        Some(at) => Verdict::from(claims[at].clone()),
        None => Verdict {
            rule: "nothing tells its state",
            ..Verdict::default()
        },
    };
    Verdict { recheck, ..verdict }
}

fn is_in_force(claim: &Claim, now: DateTime<Utc>) -> bool {
    claim.from.is_none_or(|from| from <= now)
        && claim.until.is_none_or(|until| now < until)
        && !is_from_the_future(claim, now)
}

/// Whether a claim that holds for a while was made before the clock was set back: it would hold
/// for that much longer.
fn is_from_the_future(claim: &Claim, now: DateTime<Utc>) -> bool {
    let ahead = |since: DateTime<Utc>| since > time::after(now, AHEAD);
    claim.until.is_some() && claim.since.is_some_and(ahead)
}

/// Whether something that is held back for [`SETTLE`] was held for so long, also if the clock was
/// set back meanwhile.
fn is_due(due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now >= due || due - now > SETTLE
}

/// What is shown, after verdicts that may be blips were held back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settled {
    /// The verdict shown.
    pub shown: Verdict,
    /// Since when it is in this state.
    pub since: Option<DateTime<Utc>>,
    /// A verdict that will be shown at that time unless another comes.
    pub held: Option<(Verdict, DateTime<Utc>)>,
}

impl Settled {
    /// Takes the newest verdict. The end of work is held back for [`SETTLE`]; everything else
    /// shows at once.
    #[must_use]
    pub fn next(&self, fresh: Verdict, now: DateTime<Utc>) -> Self {
        let ends_work = self.shown.state == State::Working
            && self.shown.reason != Some(Reason::Starting)
            && fresh.state == State::Idle
            && !fresh.certain
            && fresh.reason != Some(Reason::Suspended);
        if !ends_work {
            return self.show(fresh, now);
        }
        let held = self.held.as_ref();
        let due = held.filter(|(held, _)| held.state == fresh.state);
        let due = due.map_or(now + SETTLE, |(_, due)| *due);
        if is_due(due, now) {
            return self.show(fresh, now);
        }
        Self {
            held: Some((fresh, due)),
            ..self.clone()
        }
    }

    fn show(&self, fresh: Verdict, now: DateTime<Utc>) -> Self {
        // A source's clock may be ahead of ours, or have jumped; nothing is since the future.
        let claimed = fresh.since.map(|since| since.min(now));
        let before = self.since.filter(|_| self.shown.state == fresh.state);
        let watched = self.since.is_some() && self.shown.state != State::Unknown;
        let since = match (claimed, before) {
            (Some(claimed), _) if !fresh.vague => claimed,
            (_, Some(before)) => before.min(now),
            (Some(claimed), None) if !watched => claimed,
            _ => now,
        };
        Self {
            shown: fresh,
            since: Some(since),
            held: None,
        }
    }

    /// Whether time alone may change what is shown, at `now`.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let held = self.held.as_ref().is_some_and(|(_, due)| is_due(*due, now));
        held || self.shown.recheck.is_some_and(|at| at <= now)
    }

    /// When to look again although no source reports anything.
    #[must_use]
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let held = self.held.as_ref().map(|(_, due)| *due);
        [held, self.shown.recheck].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
