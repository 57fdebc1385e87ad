use super::*;
use crate::core::model::made::{self, at, key};
use crate::core::model::{ConId, State};

fn session(state: State, since: i64) -> Session {
    Session {
        state_since: Some(at(since)),
        ..made::session(1, "/w/api", state)
    }
}

fn waits(since: i64) -> Session {
    Session {
        reason: Some(Reason::Permission),
        ask: CleanText::line("Bash: make install").some(),
        ..session(State::NeedsInput, since)
    }
}

fn done(since: i64) -> Session {
    Session {
        unseen: true,
        ..session(State::Idle, since)
    }
}

fn focused(session: Session, focused: bool) -> Session {
    let window = WindowRef {
        key: WindowKey::Con(ConId(9)),
        manager: Some(WmAddress("/run/i3".into())),
        focused,
        ..WindowRef::default()
    };
    Session {
        window: Some(window),
        ..session
    }
}

/// What is told, step by step, of a session that is so at these times.
fn told(wanted: Wanted, story: &[(i64, Option<Session>)]) -> Vec<String> {
    let mut alerts = Alerts::new(wanted);
    alerts.step(&[Arc::new(session(State::Working, 0))], at(0));
    let mut told = Vec::new();
    for (ms, session) in story {
        let sessions: Vec<Arc<Session>> = session.iter().cloned().map(Arc::new).collect();
        let (steps, _) = alerts.step(&sessions, at(*ms));
        told.extend(steps.into_iter().map(|step| match step {
            Step::Show(_, _, words) => format!("{ms} {}", words.summary),
            Step::Close(_) => format!("{ms} closed"),
        }));
    }
    told
}

#[test]
fn a_wait_is_told_once_after_a_moment_and_closed_when_answered() {
    let story = [
        (10, Some(waits(10))),
        (500, Some(waits(10))),
        (710, Some(waits(10))),
        (5000, Some(waits(10))),
        (9000, Some(session(State::Working, 9000))),
    ];
    let expected = ["710 api asks for a permission", "9000 closed"];
    assert_eq!(told(Wanted::All, &story), expected);
}

#[test]
fn what_is_answered_at_once_is_no_news() {
    let story = [
        (10, Some(waits(10))),
        (600, Some(session(State::Working, 600))),
        (2000, Some(session(State::Working, 600))),
    ];
    assert!(told(Wanted::All, &story).is_empty());
}

#[test]
fn nothing_is_told_while_its_window_has_the_focus() {
    let here = |yes| Some(focused(waits(10), yes));
    let story = [(10, here(true)), (800, here(true)), (9000, here(false))];
    assert!(told(Wanted::All, &story).is_empty(), "he has seen it");
    let story = [
        (10, here(false)),
        (800, here(false)),
        (2000, here(true)),
        (3000, here(false)),
    ];
    let expected = ["800 api asks for a permission", "2000 closed"];
    assert_eq!(told(Wanted::All, &story), expected);
}

#[test]
fn the_end_of_a_turn_is_told_and_a_new_wait_is_new() {
    let story = [
        (10, Some(done(10))),
        (800, Some(done(10))),
        (900, Some(session(State::Working, 900))),
        (1000, Some(waits(1000))),
        (1800, Some(waits(1000))),
        (2000, Some(waits(2000))),
        (2800, Some(waits(2000))),
        (3000, None),
    ];
    let expected = [
        "800 api is done",
        "900 closed",
        "1800 api asks for a permission",
        "2000 closed",
        "2800 api asks for a permission",
        "3000 closed",
    ];
    assert_eq!(told(Wanted::All, &story), expected);
    assert_eq!(told(Wanted::Waiting, &story), expected[2..]);
    assert!(told(Wanted::Off, &story).is_empty());
}

#[test]
fn a_snooze_closes_it_and_its_end_tells_again() {
    let snoozed = Session {
        snoozed_until: Some(at(60_000)),
        ..waits(10)
    };
    let story = [
        (10, Some(waits(10))),
        (800, Some(waits(10))),
        (1000, Some(snoozed)),
        (60_000, Some(waits(10))),
        (60_700, Some(waits(10))),
    ];
    let expected = [
        "800 api asks for a permission",
        "1000 closed",
        "60700 api asks for a permission",
    ];
    assert_eq!(told(Wanted::All, &story), expected);
}

#[test]
fn menus_and_scripts_are_not_told() {
    let menu = Session {
        reason: Some(Reason::Dialog),
        ..waits(10)
    };
    let script = Session {
        kind: Kind::Headless,
        ..waits(10)
    };
    for quiet in [menu, script] {
        let story = [(10, Some(quiet.clone())), (2000, Some(quiet))];
        assert!(told(Wanted::All, &story).is_empty());
    }
}

#[test]
fn what_was_so_before_is_no_news_and_what_was_dismissed_stays_away() {
    let mut alerts = Alerts::default();
    let waiting = [Arc::new(waits(0))];
    assert_eq!(alerts.step(&waiting, at(0)), (vec![], None));
    assert_eq!(alerts.step(&waiting, at(5000)), (vec![], None));
    let again = [Arc::new(waits(6000))];
    assert_eq!(alerts.step(&again, at(6000)), (vec![], Some(at(6700))));
    assert_eq!(alerts.step(&again, at(6700)).0.len(), 1);
    alerts.dismiss(&key(1));
    assert_eq!(
        alerts.step(&[], at(7000)),
        (vec![], None),
        "nothing to close"
    );
}

#[test]
fn what_could_not_be_shown_is_tried_again_a_little_later() {
    let mut alerts = Alerts::default();
    alerts.step(&[], at(0));
    let waiting = [Arc::new(waits(0))];
    alerts.step(&waiting, at(0));
    assert_eq!(alerts.step(&waiting, at(700)).0.len(), 1);
    alerts.retry(&key(1), at(700));
    assert_eq!(alerts.step(&waiting, at(800)), (vec![], Some(at(5700))));
    assert_eq!(alerts.step(&waiting, at(5700)).0.len(), 1);
    alerts.retry(&key(1), at(6000));
    assert_eq!(
        alerts.step(&[], at(6100)),
        (vec![], None),
        "nothing to close"
    );
}

#[test]
fn a_question_that_becomes_known_later_replaces_the_words() {
    let mut alerts = Alerts::default();
    alerts.step(&[], at(0));
    let bare = Session {
        ask: None,
        ..waits(0)
    };
    let bare = [Arc::new(bare)];
    alerts.step(&bare, at(0));
    assert_eq!(alerts.step(&bare, at(700)).0.len(), 1);
    let whole = [Arc::new(waits(0))];
    let (steps, _) = alerts.step(&whole, at(800));
    let [Step::Show(_, News::Waits, words)] = &steps[..] else {
        panic!("{steps:?}");
    };
    assert_eq!(words.body, "Bash: make install");
    assert_eq!(alerts.step(&whole, at(900)).0, []);
}

#[test]
fn words_say_which_one_why_and_where() {
    let session = Session {
        workspace: CleanText::line("7").some(),
        git_branch: CleanText::line("fix/login").some(),
        ask: CleanText::line(&"x".repeat(500)).some(),
        ..waits(0)
    };
    let words = words(&session, News::Waits);
    assert_eq!(words.summary, "api asks for a permission");
    let lines: Vec<&str> = words.body.lines().collect();
    assert_eq!(lines[1], "workspace 7 \u{b7} fix/login");
    assert_eq!(lines[0].chars().count(), SAID + 1);
}

#[test]
fn a_window_is_urgent_while_one_of_its_sessions_waits() {
    let mut urgencies = Urgencies::default();
    let one = |session| vec![Arc::new(focused(session, false))];
    let turn = |urgencies: &mut Urgencies, sessions: &[Arc<Session>]| {
        let changes = urgencies.step(sessions).into_iter();
        changes.map(|(_, urgent)| urgent).collect::<Vec<_>>()
    };
    assert_eq!(turn(&mut urgencies, &one(waits(1))), [true]);
    assert_eq!(turn(&mut urgencies, &one(waits(1))), [] as [bool; 0]);
    let mut both = one(waits(1));
    both.push(Arc::new(focused(
        Session {
            id: key(2),
            ..waits(2)
        },
        false,
    )));
    assert_eq!(turn(&mut urgencies, &both), [] as [bool; 0], "it is urgent");
    assert_eq!(turn(&mut urgencies, &both[1..]), [] as [bool; 0]);
    assert_eq!(turn(&mut urgencies, &[]), [false]);
}

#[test]
fn the_next_session_in_a_window_that_was_looked_at_calls_again() {
    let mut urgencies = Urgencies::default();
    let pair = |looked, second| {
        let other = Session {
            id: key(2),
            ..second
        };
        let first = focused(waits(1), looked);
        vec![Arc::new(first), Arc::new(focused(other, false))]
    };
    let works = || session(State::Working, 0);
    assert_eq!(urgencies.step(&pair(false, works())).len(), 1);
    assert_eq!(urgencies.step(&pair(true, works())).len(), 0);
    assert_eq!(urgencies.step(&pair(false, works())).len(), 0);
    assert_eq!(urgencies.step(&pair(false, waits(9))).len(), 1);
}

#[test]
fn who_looked_and_left_is_not_called_again_for_the_same_wait() {
    let mut urgencies = Urgencies::default();
    let here = |yes, since| vec![Arc::new(focused(waits(since), yes))];
    assert_eq!(urgencies.step(&here(true, 1)).len(), 0);
    assert_eq!(urgencies.step(&here(false, 1)).len(), 0);
    assert_eq!(urgencies.step(&here(false, 2)).len(), 1);
}
