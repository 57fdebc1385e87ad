use super::*;
use crate::core::model::Source;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_164_500_000 + ms).unwrap()
}

fn claim(state: State) -> Claim {
    Claim::new(Source::File, state, "its file says so").since(Some(at(0)))
}

fn says(state: State) -> Evidence {
    Evidence {
        claims: vec![claim(state)],
        ..Evidence::default()
    }
}

/// A call that is fresh for a second and then asks, which only a hook's word of three seconds
/// would overrule.
#[test]
fn the_first_claim_in_force_decides_until_time_changes_that() {
    let evidence = Evidence {
        claims: vec![
            Claim {
                from: Some(at(2000)),
                ..claim(State::Idle).until(at(5000))
            },
            claim(State::Working).until(at(1000)),
            claim(State::NeedsInput),
            claim(State::Unknown).until(at(1500)),
        ],
        ..Evidence::default()
    };
    for (ms, state, recheck) in [
        (0, State::Working, Some(at(1000))),
        (999, State::Working, Some(at(1000))),
        (1000, State::NeedsInput, Some(at(2000))),
        (2000, State::Idle, Some(at(5000))),
        (5000, State::NeedsInput, None),
    ] {
        let verdict = judge(&evidence, at(ms));
        assert_eq!((verdict.state, verdict.recheck), (state, recheck), "{ms}");
    }
    let counts: Vec<bool> = weighed(&evidence, at(1200))
        .iter()
        .map(|w| w.in_force)
        .collect();
    assert_eq!(counts, [false, false, true, true]);
}

/// It would hold for an hour longer.
#[test]
fn a_claim_from_before_the_clock_was_set_back_does_not_hold() {
    let mut evidence = says(State::Working);
    evidence.claims[0].until = Some(at(1000));
    evidence.claims.push(claim(State::NeedsInput));
    let judged = |ms| judge(&evidence, at(ms));
    assert_eq!(judged(-1000).state, State::Working, "clocks differ");
    let verdict = judged(-3_600_000);
    assert_eq!((verdict.state, verdict.recheck), (State::NeedsInput, None));
}

#[test]
fn without_a_claim_nothing_is_known() {
    assert_eq!(judge(&Evidence::default(), at(0)).state, State::Unknown);
    let mut failed = says(State::Idle);
    failed.failed = Some(CleanText::line("a bug"));
    assert_eq!(judge(&failed, at(0)).reason, Some(Reason::Unreadable));
    let mut stopped = says(State::Working);
    stopped.process.stopped = true;
    assert_eq!(judge(&stopped, at(0)).reason, Some(Reason::Suspended));
    for overruled in [failed, stopped] {
        let claims = weighed(&overruled, at(0));
        assert!(claims.iter().all(|w| !w.in_force), "none of them decided");
    }
}

#[test]
fn the_end_of_work_shows_after_a_moment_and_a_blip_not_at_all() {
    let fresh = |state, ms| judge(&says(state), at(ms));
    let busy = Settled::default().next(fresh(State::Working, 0), at(0));
    let held = busy.next(fresh(State::Idle, 100), at(100));
    assert_eq!(
        (held.shown.state, held.deadline()),
        (State::Working, Some(at(400)))
    );
    let blip = held.next(fresh(State::Working, 107), at(107));
    assert_eq!((blip.shown.state, blip.deadline()), (State::Working, None));
    let ended = held.next(fresh(State::Idle, 400), at(400));
    assert_eq!((ended.shown.state, ended.deadline()), (State::Idle, None));
    let waits = busy.next(fresh(State::NeedsInput, 100), at(100));
    assert_eq!(waits.shown.state, State::NeedsInput, "a wait shows at once");
}

#[test]
fn a_clock_ahead_of_ours_never_dates_a_state_into_the_future() {
    let settled = Settled::default().next(judge(&says(State::NeedsInput), at(-5000)), at(-5000));
    assert_eq!(settled.since, Some(at(-5000)));
}

#[test]
fn no_state_is_older_than_its_process_by_more_than_clocks_differ() {
    let mut evidence = says(State::NeedsInput);
    let day = CLOCKS_DIFFER.num_milliseconds();
    let mut since = |started, now| {
        evidence.process.started_at = Some(at(started));
        judge(&evidence, at(now)).since
    };
    assert_eq!(since(day, day + 9000), Some(at(0)), "the clock was off");
    assert_eq!(since(day + 1, day + 9000), Some(at(day + 1)), "nonsense");
    assert_eq!(since(day + 1, 100), Some(at(0)), "the clock was set back");
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_back() {
    let fresh = |state, ms| judge(&says(state), at(ms));
    let busy = Settled::default().next(fresh(State::Working, 0), at(0));
    let held = busy.next(fresh(State::Idle, 100), at(100));
    let hour = -3_600_000;
    assert!(!held.is_due(at(399)) && held.is_due(at(hour)));
    let shown = held.next(fresh(State::Idle, 100), at(hour)).shown;
    assert_eq!(shown.state, State::Idle);
}
