//! Marks between registry and file: nothing that was said is lost, nothing of others is undone.

use super::*;

/// A registry with one session, which begins with the marks of a file.
fn began_with(file: &Marks) -> Registry {
    let mut registry = Registry::new(file.clone());
    registry.apply(seen(1, "a", State::Idle, 0), at(0));
    registry
}

/// Writes what a registry owes, as the thread that does so.
fn write(registry: &mut Registry, file: &mut Marks) {
    let owed = registry.take_owed_marks().unwrap();
    file.apply(&owed);
    registry.keep_marks(file.clone(), owed.through, at(0));
}

fn labelled(registry: &Registry) -> Option<String> {
    only(registry).label.map(|label| label.to_string())
}

#[test]
fn what_is_not_written_stays_owed_and_the_same_word_is_owed_again() {
    let mut registry = began_with(&Marks::default());
    label(&mut registry, "pay");
    let owed = registry.take_owed_marks().unwrap();
    // The disk was full; its user says it again.
    label(&mut registry, "pay");
    let again = registry.take_owed_marks().unwrap();
    assert_eq!(again.changes, owed.changes);
    registry.mark(key(1), MarkChange::Pin(true), at(0));
    let mut file = Marks::default();
    write(&mut registry, &mut file);
    let read = began_with(&Marks::parse(&file.render()).unwrap());
    assert_eq!(labelled(&read).as_deref(), Some("pay"));
    assert!(only(&read).pinned);
}

#[test]
fn what_was_said_during_a_write_is_owed_still() {
    let mut registry = began_with(&Marks::default());
    label(&mut registry, "first");
    let owed = registry.take_owed_marks().unwrap();
    label(&mut registry, "second");
    let mut file = Marks::default();
    file.apply(&owed);
    registry.keep_marks(file.clone(), owed.through, at(0));
    assert_eq!(labelled(&registry).as_deref(), Some("second"));
    write(&mut registry, &mut file);
    assert_eq!(labelled(&began_with(&file)).as_deref(), Some("second"));
    assert_eq!(registry.take_owed_marks(), None);
}

#[test]
fn two_daemons_keep_each_others_words() {
    let mut file = Marks::default();
    let (mut one, mut two) = (began_with(&file), began_with(&file));
    label(&mut one, "pay");
    write(&mut one, &mut file);
    // The other knows nothing of the label when it writes a pin of the same session.
    two.mark(key(1), MarkChange::Pin(true), at(0));
    write(&mut two, &mut file);
    assert_eq!(labelled(&two).as_deref(), Some("pay"), "and hears of it");
    let both = began_with(&file);
    assert_eq!(labelled(&both).as_deref(), Some("pay"));
    assert!(only(&both).pinned);
    // What one takes away is gone for the other, too.
    label(&mut two, "");
    write(&mut two, &mut file);
    assert_eq!(one.keep_marks(file.clone(), 0, at(0)).len(), 1);
    assert_eq!((labelled(&one), only(&one).pinned), (None, true));
}

#[test]
fn one_odd_mark_costs_that_one_and_what_is_not_understood_is_kept() {
    let text = r#"{"version": 1, "of_the_future": [1], "unseen": [7, "8-7"], "labels": {
        "a": {"label": "pay", "pinned": "yes", "order": -1, "colour": "red"},
        "b": 7,
        "c": {"snoozed_until": "+262142-12-31T23:59:59Z", "order": 18446744073709551615}}}"#;
    let mut file = Marks::parse(text.as_bytes()).unwrap();
    let mut registry = began_with(&file);
    assert_eq!(labelled(&registry).as_deref(), Some("pay"));
    registry.mark(key(1), MarkChange::Pin(true), at(0));
    write(&mut registry, &mut file);
    let written: serde_json::Value = serde_json::from_slice(&file.render()).unwrap();
    assert_eq!(written["of_the_future"], serde_json::json!([1]));
    assert_eq!(written["labels"]["a"]["colour"], "red");
    assert_eq!(written["labels"]["b"], 7);
    assert_eq!(written["unseen"], serde_json::json!(["8-7"]));
    assert_eq!(file.named("c").unwrap().snoozed_until, None);
    for newer in [r#"{"version": 2}"#, r#"{"version": "next"}"#] {
        assert!(matches!(
            Marks::parse(newer.as_bytes()),
            Err(NoMarks::Newer(_))
        ));
    }
    for broken in ["{", "[]", r#"{"labels": 3}"#, ""] {
        assert!(matches!(
            Marks::parse(broken.as_bytes()),
            Err(NoMarks::Broken(_))
        ));
    }
}

#[test]
fn a_new_mark_past_the_bound_costs_the_oldest() {
    let mut marks = Marks::default();
    let pinned = MarkPatch {
        pinned: Some(true),
        ..MarkPatch::default()
    };
    for n in 0..2001 {
        marks.change(&format!("c{n}"), &pinned);
    }
    assert_eq!(marks.named("c0"), None);
    assert!(marks.named("c1").is_some());
}

#[test]
fn a_file_of_more_marks_than_are_made_loses_no_more_than_one_a_change() {
    let many: serde_json::Map<_, _> = (0..5000)
        .map(|n| {
            (
                format!("c{n}"),
                serde_json::json!({"label": "x", "order": n}),
            )
        })
        .collect();
    let text = serde_json::json!({ "labels": many }).to_string();
    let mut marks = Marks::parse(text.as_bytes()).unwrap();
    let pinned = MarkPatch {
        pinned: Some(true),
        ..MarkPatch::default()
    };
    marks.change("new", &pinned);
    assert!(marks.named("c1").is_some() && marks.named("c0").is_none());
}
