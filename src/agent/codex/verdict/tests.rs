use super::*;
use crate::core::model::Evidence;
use crate::core::verdict::judge;

fn at(seconds: i64) -> DateTime<Utc> {
    time::from_seconds(1_795_865_000 + seconds).unwrap()
}

fn call(name: &str, nature: CallNature) -> ToolCall {
    ToolCall {
        name: CleanText::line(name),
        summary: CleanText::line("x"),
        nature,
        ..ToolCall::default()
    }
}

fn rollout(last: Last, pending: Vec<ToolCall>) -> Rollout {
    Rollout {
        last,
        pending,
        at: Some(at(0)),
        turn_at: Some(at(0)),
        ..Rollout::default()
    }
}

/// State, reason and what is asked, so many seconds later.
fn judged(facts: &Facts, seconds: i64) -> (State, Option<String>, Option<String>) {
    let evidence = Evidence {
        claims: claims(facts),
        ..Evidence::default()
    };
    let verdict = judge(&evidence, at(seconds));
    assert!(!verdict.rule.is_empty());
    let reason = verdict.reason.map(|reason| reason.as_str().to_owned());
    (
        verdict.state,
        reason,
        verdict.ask.map(|ask| ask.to_string()),
    )
}

fn served(status: Status, rollout: Option<Rollout>) -> Facts {
    Facts {
        runs: Runs::Server,
        thread: Some(ThreadFact {
            status,
            since: Some(at(0)),
            vague: false,
        }),
        rollout,
        ..Facts::default()
    }
}

fn holds(facts: &Facts, seconds: i64, state: State, reason: &str, ask: &str) {
    let (found, why, asked) = judged(facts, seconds);
    let words = (why.unwrap_or_default(), asked.unwrap_or_default());
    assert_eq!(
        (found, &*words.0, &*words.1),
        (state, reason, ask),
        "{facts:?}"
    );
}

#[test]
fn the_app_servers_word_decides() {
    use State::{Idle, NeedsInput, Unknown, Working};
    let shell = || {
        Some(rollout(
            Last::Call,
            vec![call("Shell", CallNature::AsksFirst)],
        ))
    };
    let asks = || Some(rollout(Last::Call, vec![call("ask", CallNature::Question)]));
    let tea = || CleanText::line("tea");
    let active = |flag| Status::Active(vec![flag]);
    let (prompt, why) = ("permission prompt", "question");
    for (status, rollout, state, reason, ask) in [
        (Status::Idle, None, Idle, "", ""),
        (Status::Idle, shell(), Idle, "", ""),
        (Status::SystemError, None, Idle, "error", ""),
        (Status::Active(vec![]), shell(), Working, "", ""),
        (
            active(Flag::Approval),
            shell(),
            NeedsInput,
            prompt,
            "Shell(x)",
        ),
        (active(Flag::Approval), None, NeedsInput, prompt, ""),
        (active(Flag::UserInput), asks(), NeedsInput, why, "ask(x)"),
        (active(Flag::Unknown(tea())), None, Unknown, "tea", ""),
        (Status::Unknown(tea()), None, Unknown, "tea", ""),
        (Status::NotLoaded, None, Unknown, "", ""),
    ] {
        holds(&served(status, rollout), 1, state, reason, ask);
    }
    let doubt = Facts {
        ambiguous: true,
        ..served(Status::Idle, None)
    };
    holds(&doubt, 1, Unknown, "ambiguous", "");
}

#[test]
fn the_rollout_says_how_a_turn_ended() {
    let plan = Rollout {
        plan: Some(CleanText::line("Plan")),
        ..rollout(Last::Answer, Vec::new())
    };
    let over = served(Status::Idle, Some(plan));
    holds(&over, 1, State::NeedsInput, "dialog", "Plan");
    let stopped = served(Status::Idle, Some(rollout(Last::Interrupted, Vec::new())));
    holds(&stopped, 1, State::Idle, "interrupted", "");
}

#[test]
fn without_an_app_server_the_rollout_decides() {
    use State::{Idle, NeedsInput, Unknown, Working};
    let prompt = "permission prompt";
    let shell = || vec![call("Shell", CallNature::AsksFirst)];
    let other = || vec![call("mcp", CallNature::Other)];
    let asks = || vec![call("ask", CallNature::Question)];
    let free = || vec![call("update_plan", CallNature::Free)];
    for (last, pending, child, seconds, state, reason, ask) in [
        (Last::Prompt, vec![], false, 9, Working, "", ""),
        (Last::Call, shell(), true, 9, Working, "", ""),
        (Last::Call, shell(), false, 0, Working, "", ""),
        (
            Last::Call,
            shell(),
            false,
            1,
            NeedsInput,
            prompt,
            "Shell(x)",
        ),
        (Last::Call, other(), false, 1, Working, "", ""),
        (Last::Call, other(), false, 9, Unknown, "", ""),
        (
            Last::Call,
            asks(),
            false,
            0,
            NeedsInput,
            "question",
            "ask(x)",
        ),
        (Last::Call, free(), false, 9, Working, "", ""),
        (Last::Result, vec![], false, 9, Working, "", ""),
        (Last::Answer, vec![], false, 9, Idle, "", ""),
        (Last::Failure, vec![], false, 9, Idle, "error", ""),
        (Last::Interrupted, vec![], false, 9, Idle, "interrupted", ""),
    ] {
        let facts = Facts {
            rollout: Some(rollout(last, pending)),
            child,
            ..Facts::default()
        };
        holds(&facts, seconds, state, reason, ask);
    }
    holds(&Facts::default(), 9, Idle, "", "");
    let unheard = Facts {
        runs: Runs::Unheard,
        ..Facts::default()
    };
    holds(&unheard, 9, Unknown, "", "");
}

fn titled(says: State, facts: Facts) -> Facts {
    let title = Some(TitleFact {
        says: Some(says),
        at: at(0),
        until: None,
    });
    Facts { title, ..facts }
}

#[test]
fn a_title_tells_whether_a_call_runs_or_asks() {
    use State::{Idle, NeedsInput, Working};
    let calls = |nature, child| Facts {
        rollout: Some(rollout(Last::Call, vec![call("Shell", nature)])),
        child,
        ..Facts::default()
    };
    let prompt = "permission prompt";
    let shell = |child| calls(CallNature::AsksFirst, child);
    holds(&titled(Working, shell(false)), 9, Working, "", "");
    let asks = titled(NeedsInput, shell(false));
    holds(&asks, 0, NeedsInput, prompt, "Shell(x)");
    let another_runs = titled(NeedsInput, shell(true));
    holds(&another_runs, 9, NeedsInput, prompt, "Shell(x)");
    let other = || calls(CallNature::Other, false);
    holds(&titled(Working, other()), 9, Working, "", "");
    holds(
        &titled(NeedsInput, other()),
        0,
        NeedsInput,
        prompt,
        "Shell(x)",
    );
    let question = titled(NeedsInput, calls(CallNature::Question, false));
    holds(&question, 0, NeedsInput, "question", "Shell(x)");
    let ended = Facts {
        rollout: Some(rollout(Last::Answer, vec![])),
        ..Facts::default()
    };
    assert!(!wants_title(&ended) && wants_title(&shell(true)) && wants_title(&other()));
    for says in [Working, NeedsInput] {
        holds(&titled(says, ended.clone()), 9, Idle, "", "");
        holds(&titled(says, Facts::default()), 9, Idle, "", "");
    }
}

#[test]
fn a_title_that_nothing_follows_is_believed_for_a_while() {
    let title = Some(TitleFact {
        says: Some(State::Working),
        at: at(0),
        until: Some(at(7)),
    });
    let shell = vec![call("Shell", CallNature::AsksFirst)];
    let facts = Facts {
        rollout: Some(rollout(Last::Call, shell)),
        title,
        ..Facts::default()
    };
    holds(&facts, 6, State::Working, "", "");
    holds(
        &facts,
        7,
        State::NeedsInput,
        "permission prompt",
        "Shell(x)",
    );
}

#[test]
fn a_title_outranks_no_word_of_the_app_server() {
    use State::{Idle, NeedsInput, Unknown, Working};
    for (status, state) in [(Status::Idle, Idle), (Status::Active(vec![]), Working)] {
        for says in [Working, NeedsInput] {
            let facts = titled(says, served(status.clone(), None));
            holds(&facts, 1, state, "", "");
            assert!(!wants_title(&facts));
            let claims = claims(&facts);
            assert_eq!(claims.last().map(|claim| claim.source), Some(Source::Title));
        }
    }
    let doubt = Facts {
        ambiguous: true,
        ..served(Status::Idle, None)
    };
    let unheard = Facts {
        runs: Runs::Unheard,
        ..Facts::default()
    };
    let untold = served(Status::NotLoaded, None);
    for facts in [doubt, unheard, untold] {
        assert!(wants_title(&facts));
        assert_eq!(judged(&facts, 1).0, Unknown);
        holds(&titled(Working, facts.clone()), 1, Working, "", "");
        let asks = titled(NeedsInput, facts);
        holds(&asks, 1, NeedsInput, "dialog", "");
    }
}

#[test]
fn one_that_has_not_begun_is_starting_for_a_while() {
    let facts = Facts {
        runs: Runs::Server,
        started_at: Some(at(0)),
        ..Facts::default()
    };
    assert_eq!(judged(&facts, 3).1.as_deref(), Some("starting"));
    assert_eq!(judged(&facts, 60).0, State::Unknown);
}
