//! What a program tells the terminal that a holder keeps for it, as claims beside those of its
//! agent. Pure.
//!
//! An agent's own word in a file or through a socket is stronger, and gets from here what it does
//! not say. What is only inferred is weaker.

use super::Agent;
use crate::core::model::{
    BlockedOn, Claim, Doing, Evidence, Reason, Record, Source, State, TerminalFact,
};
use crate::core::text::CleanText;
use crate::hosted::Info;

/// The claim of these records, of one program, as any program means them.
#[must_use]
pub fn plain(records: &[&Record]) -> Option<Claim> {
    let says = |record: &Record, state, rule| {
        Claim::new(Source::Terminal, state, rule).since(Some(record.at))
    };
    let root = records.iter().find(|record| record.id.is_empty());
    let is = |doing: Doing| move |record: &&&Record| record.state == doing;
    let blocked = root.into_iter().chain(records).find(is(Doing::Blocked));
    if let Some(record) = blocked {
        let rule = "it tells its terminal that it waits";
        let waits = says(record, State::NeedsInput, rule);
        let ask = record.msg.clone().or_else(|| record.title.clone());
        return Some(match record.kind {
            Some(BlockedOn::Permission) => waits.because(Reason::Permission).asking(ask, None),
            Some(BlockedOn::Question) => waits.because(Reason::Question).asking(None, ask),
            Some(BlockedOn::Auth) => {
                let sign_in = Reason::Other(CleanText::line("sign in"));
                waits.because(sign_in).asking(ask, None)
            }
            Some(BlockedOn::Unknown) | None => waits.asking(ask, None),
        });
    }
    let works = "it tells its terminal that it works";
    let Some(root) = root else {
        let working = records.iter().find(is(Doing::Working));
        return working.map(|record| says(record, State::Working, works));
    };
    let (state, rule) = match root.state {
        Doing::Idle => (State::Idle, "it tells its terminal that it is idle"),
        Doing::Done => (State::Idle, "it tells its terminal that its turn is over"),
        Doing::Error => (State::Idle, "it tells its terminal that its turn failed"),
        Doing::Working => (State::Working, works),
        Doing::Blocked | Doing::Unknown => return None,
    };
    let claim = says(root, state, rule);
    Some(match root.state {
        Doing::Error => claim.because(Reason::Error),
        _ => claim,
    })
}

/// Adds what a holder has heard in the terminal of a session: of these process groups alone, where
/// they are known.
pub(crate) fn join(
    agent: Option<&dyn Agent>,
    evidence: &mut Evidence,
    info: &Info,
    groups: &[u32],
) {
    let told = info.told.clone().unwrap_or_default();
    let own = |record: &&Record| is_of(record.group, groups);
    let records: Vec<&Record> = told.records.iter().filter(own).collect();
    let claim = match agent {
        Some(agent) => agent.told(&records),
        None => plain(&records),
    };
    if let Some(claim) = claim {
        add(&mut evidence.claims, claim);
    }
    let name = info.name.as_deref().map(CleanText::line);
    if let Some(name) = name
        .and_then(CleanText::some)
        .filter(|_| !evidence.named_by_user)
    {
        evidence.name = Some(name);
        evidence.named_by_user = true;
    }
    evidence.terminal = Some(TerminalFact {
        kept_as: CleanText::line(&info.id),
        told,
    });
}

/// Whether what a process group said in a terminal is that of a session of these.
#[must_use]
pub(crate) fn is_of(group: Option<u32>, groups: &[u32]) -> bool {
    groups.is_empty() || group.is_none_or(|group| groups.contains(&group))
}

/// Puts a claim behind those that are an agent's own word.
fn add(claims: &mut Vec<Claim>, mut said: Claim) {
    let is_word = |claim: &Claim| {
        matches!(claim.source, Source::File | Source::Socket | Source::Hook)
            && claim.state != State::Unknown
            && claim.reason != Some(Reason::Starting)
    };
    let at = claims.iter().position(|claim| !is_word(claim));
    let at = at.unwrap_or(claims.len());
    for claim in &mut claims[..at] {
        complete(claim, &said);
    }
    let not_begun =
        |claim: &Claim| matches!(claim.reason, Some(Reason::Starting | Reason::StartDialog));
    if said.state == State::NeedsInput && claims.first().is_some_and(not_begun) {
        said.reason = Some(Reason::StartDialog);
        said.ask = said.ask.or_else(|| said.question.take());
    }
    claims.insert(at, said);
}

/// Adds to an agent's own word what it does not say.
fn complete(claim: &mut Claim, said: &Claim) {
    if claim.state != said.state {
        return;
    }
    let asks = claim.state == State::NeedsInput && claim.reason != Some(Reason::Dialog);
    if asks && claim.ask.is_none() && claim.question.is_none() {
        claim.ask.clone_from(&said.ask);
        claim.question.clone_from(&said.question);
    }
    if claim.state == State::Idle && claim.reason.is_none() {
        claim.reason = said
            .reason
            .clone()
            .filter(|reason| *reason == Reason::Error);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::core::model::{ProcessFact, Told, time};
    use crate::core::verdict::judge;

    fn at(seconds: i64) -> DateTime<Utc> {
        time::from_seconds(1_795_865_000 + seconds).unwrap()
    }

    fn record(state: Doing, kind: Option<BlockedOn>, msg: &str) -> Record {
        Record {
            state,
            kind,
            msg: CleanText::line(msg).some(),
            at: at(0),
            group: Some(7),
            ..Record::default()
        }
    }

    /// State, reason and what is asked, with these claims of its agent's own.
    fn judged(claims: Vec<Claim>, records: Vec<Record>, group: u32) -> (State, String, String) {
        let mut evidence = Evidence {
            claims,
            ..Evidence::default()
        };
        let told = Told {
            records,
            ..Told::default()
        };
        let info = Info {
            told: Some(told),
            ..Info::default()
        };
        join(None, &mut evidence, &info, &[group]);
        let verdict = judge(&evidence, at(1));
        let asked = verdict.asked().map(ToString::to_string);
        let reason = verdict.reason.map(|reason| reason.as_str().to_owned());
        (
            verdict.state,
            reason.unwrap_or_default(),
            asked.unwrap_or_default(),
        )
    }

    fn is(found: &(State, String, String), state: State, reason: &str, asked: &str) {
        assert_eq!((found.0, &*found.1, &*found.2), (state, reason, asked));
    }

    #[test]
    fn a_program_without_files_is_what_it_says() {
        use BlockedOn::{Auth, Permission, Question};
        use State::{Idle, NeedsInput, Unknown, Working};
        for (doing, kind, state, reason) in [
            (Doing::Idle, None, Idle, ""),
            (Doing::Done, None, Idle, ""),
            (Doing::Error, None, Idle, "error"),
            (Doing::Working, None, Working, ""),
            (Doing::Blocked, None, NeedsInput, ""),
            (
                Doing::Blocked,
                Some(Permission),
                NeedsInput,
                "permission prompt",
            ),
            (Doing::Blocked, Some(Question), NeedsInput, "question"),
            (Doing::Blocked, Some(Auth), NeedsInput, "sign in"),
            (Doing::Unknown, None, Unknown, ""),
        ] {
            let found = judged(Vec::new(), vec![record(doing, kind, "Which?")], 7);
            let asks = if state == NeedsInput { "Which?" } else { "" };
            is(&found, state, reason, asks);
        }
        is(&judged(Vec::new(), Vec::new(), 7), Unknown, "", "");
        let child = |doing| Record {
            id: "a".into(),
            ..record(doing, None, "x")
        };
        let root = record(Doing::Working, None, "");
        is(
            &judged(Vec::new(), vec![child(Doing::Working)], 7),
            Working,
            "",
            "",
        );
        is(
            &judged(Vec::new(), vec![child(Doing::Done)], 7),
            Unknown,
            "",
            "",
        );
        let both = vec![root, child(Doing::Blocked)];
        is(&judged(Vec::new(), both, 7), NeedsInput, "", "x");
    }

    /// What another process said in the same terminal is not this one's.
    #[test]
    fn records_are_of_one_process_group() {
        let works = || vec![record(Doing::Working, None, "")];
        is(&judged(Vec::new(), works(), 8), State::Unknown, "", "");
    }

    #[test]
    fn an_agents_own_word_decides_and_is_completed() {
        let file = |state| Claim::new(Source::File, state, "its file says so");
        let asks = || {
            vec![record(
                Doing::Blocked,
                Some(BlockedOn::Permission),
                "Bash: ls",
            )]
        };
        is(
            &judged(vec![file(State::Idle)], asks(), 7),
            State::Idle,
            "",
            "",
        );
        let waits = file(State::NeedsInput).because(Reason::Permission);
        let reason = "permission prompt";
        let found = judged(vec![waits.clone()], asks(), 7);
        is(&found, State::NeedsInput, reason, "Bash: ls");
        let named = waits.asking(CleanText::line("Bash(ls -l)").some(), None);
        let found = judged(vec![named], asks(), 7);
        is(&found, State::NeedsInput, reason, "Bash(ls -l)");
        let failed = vec![record(Doing::Error, None, "API Error: 400")];
        let found = judged(vec![file(State::Idle)], failed, 7);
        is(&found, State::Idle, "error", "");
    }

    #[test]
    fn what_is_inferred_is_weaker() {
        let works = || vec![record(Doing::Working, None, "")];
        for (source, state) in [
            (Source::Transcript, State::NeedsInput),
            (Source::Title, State::Idle),
            (Source::Socket, State::Unknown),
        ] {
            let found = judged(vec![Claim::new(source, state, "")], works(), 7);
            is(&found, State::Working, "", "");
        }
    }

    #[test]
    fn a_dialog_before_the_start_waits() {
        let starts = Claim::new(Source::Process, State::Working, "").because(Reason::Starting);
        let trust = vec![record(
            Doing::Blocked,
            Some(BlockedOn::Permission),
            "trust this folder",
        )];
        let found = judged(vec![starts], trust, 7);
        is(
            &found,
            State::NeedsInput,
            "start dialog",
            "trust this folder",
        );
    }

    /// Nothing tells the terminal of a Ctrl+Z.
    #[test]
    fn a_stopped_process_does_not_work() {
        let mut evidence = Evidence {
            process: ProcessFact {
                stopped: true,
                ..ProcessFact::default()
            },
            ..Evidence::default()
        };
        let told = Told {
            records: vec![record(Doing::Working, None, "")],
            ..Told::default()
        };
        let info = Info {
            told: Some(told),
            ..Info::default()
        };
        join(None, &mut evidence, &info, &[]);
        assert_eq!(judge(&evidence, at(1)).reason, Some(Reason::Suspended));
    }
}
