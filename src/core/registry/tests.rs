use super::*;
use crate::core::model::made::{at, local as key};
use crate::core::model::{Claim, Place, Reason, Source, Standing, WindowRef};

fn seen(pid: u32, conversation: &str, state: State, since_ms: i64) -> Observation {
    let claim = Claim {
        reason: (state == State::NeedsInput).then_some(Reason::Permission),
        ..Claim::new(Source::File, state, "its file says so").since(Some(at(since_ms)))
    };
    Observation::Seen(
        key(pid),
        Arc::new(Evidence {
            conversation: ConversationId::new(conversation),
            claims: vec![claim],
            ..Evidence::default()
        }),
    )
}

fn only(registry: &Registry) -> Session {
    let sessions = registry.snapshot().sessions;
    assert_eq!(sessions.len(), 1);
    (*sessions[0]).clone()
}

#[test]
fn waiting_since_is_the_files_clock_and_ends_with_the_wait() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Working, 0), at(0));
    registry.apply(seen(1, "a", State::NeedsInput, 1000), at(1003));
    assert_eq!(only(&registry).waiting_since, Some(at(1000)));
    registry.apply(seen(1, "a", State::NeedsInput, 1000), at(60_000));
    assert_eq!(
        only(&registry).waiting_since,
        Some(at(1000)),
        "a later look changes nothing"
    );
    registry.apply(seen(1, "a", State::Working, 61_000), at(61_000));
    assert_eq!(only(&registry).waiting_since, None);
    registry.apply(seen(1, "a", State::NeedsInput, 62_000), at(62_000));
    assert_eq!(
        only(&registry).waiting_since,
        Some(at(62_000)),
        "a new wait begins anew"
    );
}

#[test]
fn a_turns_end_shows_when_it_has_lasted() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Working, 0), at(0));
    assert!(
        registry
            .apply(seen(1, "a", State::Idle, 10), at(10))
            .is_empty()
    );
    assert_eq!(registry.deadline(), Some(at(310)));
    assert!(registry.tick(at(309)).is_empty());
    assert_eq!(registry.tick(at(310)).len(), 1);
    assert_eq!(
        (only(&registry).state, registry.deadline()),
        (State::Idle, None)
    );
}

#[test]
fn nothing_is_said_twice() {
    let mut registry = Registry::default();
    assert_eq!(
        registry.apply(seen(1, "a", State::Working, 0), at(0)).len(),
        1
    );
    assert!(
        registry
            .apply(seen(1, "a", State::Working, 0), at(5000))
            .is_empty()
    );
    assert_eq!(
        registry.apply(Observation::Gone(key(1)), at(5001)),
        [Event::Ended { id: key(1).into() }]
    );
    assert!(
        registry
            .apply(Observation::Gone(key(1)), at(5002))
            .is_empty()
    );
    let late = Observation::Placed(key(1), Box::default());
    assert!(
        registry.apply(late, at(5003)).is_empty(),
        "a place of an ended session"
    );
}

/// What the file holds once the changes of a registry are written.
fn written(registry: &mut Registry) -> Marks {
    let mut marks = Marks::default();
    marks.apply(&registry.take_owed_marks().unwrap());
    Marks::parse(&marks.render()).unwrap()
}

fn label(registry: &mut Registry, label: &str) {
    let change = MarkChange::Label(CleanText::line(label).some());
    registry.mark(key(1), change, at(0));
}

#[test]
fn a_label_follows_the_conversation_through_clear_and_resume() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "first", State::Idle, 0), at(0));
    label(&mut registry, "payments");
    registry.apply(seen(1, "cleared", State::Idle, 10), at(10));
    assert_eq!(only(&registry).label.unwrap().as_str(), "payments");
    registry.apply(Observation::Gone(key(1)), at(20));
    // Resumed by another process, in another daemon's life.
    let mut registry = Registry::new(written(&mut registry));
    registry.apply(seen(2, "cleared", State::Idle, 30), at(30));
    assert_eq!(only(&registry).label.unwrap().as_str(), "payments");
    assert_eq!(registry.take_owed_marks(), None, "reading changes nothing");
}

#[test]
fn a_conversation_with_a_label_of_its_own_keeps_it() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "old", State::Idle, 0), at(0));
    label(&mut registry, "old name");
    registry.apply(seen(1, "new", State::Idle, 1), at(1));
    label(&mut registry, "new name");
    registry.apply(seen(1, "old", State::Idle, 2), at(2));
    assert_eq!(only(&registry).label.unwrap().as_str(), "old name");
    label(&mut registry, "");
    assert_eq!(only(&registry).label, None);
}

#[test]
fn a_label_given_before_the_conversation_is_known_is_kept() {
    let mut registry = Registry::default();
    registry.apply(Observation::Seen(key(1), Arc::default()), at(0));
    label(&mut registry, "early");
    registry.apply(seen(1, "named", State::Idle, 1), at(1));
    assert_eq!(only(&registry).label.unwrap().as_str(), "early");
}

#[test]
fn the_preview_is_what_was_asked_or_else_what_was_said() {
    let Observation::Seen(key, mut evidence) = seen(1, "a", State::Idle, 0) else {
        unreachable!()
    };
    Arc::make_mut(&mut evidence).said = Some(CleanText::line("All done."));
    let mut registry = Registry::default();
    registry.apply(Observation::Seen(key, evidence), at(0));
    assert_eq!(only(&registry).preview.unwrap().as_str(), "All done.");
}

#[test]
fn an_explanation_holds_what_the_verdict_was_made_from() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::NeedsInput, 0), at(0));
    let explanation = registry.explain(key(1), at(0)).unwrap();
    assert_eq!(explanation.rule, "its file says so");
    assert_eq!(explanation.session.reason, Some(Reason::Permission));
    let claimed = &explanation.claims[0];
    assert!(claimed.in_force && claimed.claim.state == State::NeedsInput);
    assert!(registry.explain(key(2), at(0)).is_none());
}

fn placed(focused: bool) -> Observation {
    let window = WindowRef {
        focused,
        ..WindowRef::default()
    };
    let place = Place {
        window: Some(window),
        ..Place::default()
    };
    Observation::Placed(key(1), Box::new(place))
}

#[test]
fn a_turn_that_ends_unseen_is_done_until_its_window_was_looked_at() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Working, 0), at(0));
    registry.apply(placed(false), at(0));
    registry.apply(seen(1, "a", State::Idle, 1000), at(1000));
    assert_ne!(
        only(&registry).standing(),
        Standing::Done,
        "it may be a blip"
    );
    registry.tick(at(1300));
    assert_eq!(only(&registry).standing(), Standing::Done);
    // Another daemon knows it too.
    let mut registry = Registry::new(written(&mut registry));
    registry.apply(seen(1, "a", State::Idle, 1000), at(5000));
    assert_eq!(only(&registry).standing(), Standing::Done);
    registry.apply(placed(true), at(6000));
    assert_eq!(only(&registry).standing(), Standing::Done);
    assert_eq!(registry.deadline(), Some(at(6500)));
    assert_eq!(registry.tick(at(6500)).len(), 1);
    assert_ne!(only(&registry).standing(), Standing::Done);
    assert!(registry.take_owed_marks().is_some());
    assert_eq!(registry.deadline(), None);
}

#[test]
fn two_processes_of_one_conversation_are_done_each_by_itself() {
    let standing = |registry: &Registry, pid| {
        let snapshot = registry.snapshot();
        snapshot.by_key(&key(pid).into()).map(|s| s.standing())
    };
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Working, 0), at(0));
    registry.apply(placed(false), at(0));
    registry.apply(seen(2, "a", State::Working, 0), at(0));
    registry.apply(seen(1, "a", State::Idle, 1000), at(1000));
    registry.tick(at(1300));
    // The other goes on: its state is not the first one's.
    registry.apply(seen(2, "a", State::Working, 2000), at(2000));
    assert_eq!(standing(&registry, 1), Some(Standing::Done));
    assert_eq!(standing(&registry, 2), Some(Standing::Working));
}

#[test]
fn what_an_ended_process_left_unseen_is_forgotten() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Working, 0), at(0));
    registry.apply(placed(false), at(0));
    registry.apply(seen(1, "a", State::Idle, 1000), at(1000));
    registry.tick(at(1300));
    let kept = written(&mut registry);
    assert!(kept.is_unseen(key(1)));
    registry.apply(Observation::Gone(key(1)), at(2000));
    assert!(!written(&mut registry).is_unseen(key(1)));
    // Nor does a daemon that starts later remember it.
    let mut registry = Registry::new(kept.clone());
    registry.apply(Observation::Census(Vec::new()), at(3000));
    let mut file = kept;
    file.apply(&registry.take_owed_marks().unwrap());
    assert!(!file.is_unseen(key(1)));
}

#[test]
fn a_turn_that_its_user_stopped_or_saw_end_is_not_unseen() {
    let end = |focused, reason| {
        let mut registry = Registry::default();
        registry.apply(seen(1, "a", State::Working, 0), at(0));
        registry.apply(placed(focused), at(0));
        let Observation::Seen(key, mut evidence) = seen(1, "a", State::Idle, 1000) else {
            unreachable!()
        };
        Arc::make_mut(&mut evidence).claims[0].reason = reason;
        registry.apply(Observation::Seen(key, evidence), at(1000));
        registry.tick(at(1300));
        registry.tick(at(1800));
        assert_eq!(only(&registry).state, State::Idle);
        only(&registry).unseen
    };
    assert!(end(false, None));
    assert!(!end(false, Some(Reason::Interrupted)));
    assert!(!end(true, None));
}

#[test]
fn what_was_not_working_is_never_done() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::Idle, 0), at(0));
    registry.apply(seen(1, "a", State::NeedsInput, 10), at(10));
    registry.apply(seen(1, "a", State::Idle, 20), at(20));
    registry.tick(at(1000));
    assert!(
        !only(&registry).unseen,
        "a dialog is left by its user alone"
    );
}

#[test]
fn a_snooze_ends_by_itself_and_outlives_the_daemon() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::NeedsInput, 0), at(0));
    registry.mark(key(1), MarkChange::Snooze(Some(at(600_000))), at(0));
    registry.mark(key(1), MarkChange::Pin(true), at(0));
    assert_ne!(only(&registry).standing(), Standing::Waiting);
    let mut registry = Registry::new(written(&mut registry));
    registry.apply(seen(2, "a", State::NeedsInput, 0), at(1000));
    assert_eq!(only(&registry).snoozed_until, Some(at(600_000)));
    assert!(only(&registry).pinned);
    assert_eq!(registry.deadline(), Some(at(600_000)));
    assert_eq!(registry.tick(at(600_000)).len(), 1);
    assert_eq!(only(&registry).standing(), Standing::Waiting);
    assert_eq!(registry.deadline(), None);
}

#[test]
fn a_snooze_can_be_taken_back() {
    let mut registry = Registry::default();
    registry.apply(seen(1, "a", State::NeedsInput, 0), at(0));
    registry.mark(key(1), MarkChange::Snooze(Some(at(600_000))), at(0));
    registry.mark(key(1), MarkChange::Snooze(None), at(1));
    assert_eq!(only(&registry).standing(), Standing::Waiting);
}

mod kept;

#[test]
fn a_snooze_lasts_as_long_as_its_user_said_whatever_becomes_of_the_clock() {
    let mut registry = Registry::default();
    let hour = 3_600_000;
    registry.apply(seen(1, "a", State::NeedsInput, 0), at(hour));
    registry.tick(at(hour));
    registry.mark(
        key(1),
        MarkChange::Snooze(Some(at(hour + 600_000))),
        at(hour),
    );
    assert!(registry.is_due(at(0)), "the clock was set back");
    assert_eq!(registry.tick(at(0)).len(), 1);
    assert_eq!(only(&registry).snoozed_until, Some(at(600_000)));
    assert!(!registry.is_due(at(0)));
}
