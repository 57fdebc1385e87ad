use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use std::sync::Arc;

use crate::core::model::{ConversationId, Evidence, LocalKey, Observation, made};
use crate::core::registry::{MarkChange, Registry};
use crate::core::text::CleanText;

fn key() -> LocalKey {
    made::local(1)
}

/// What somebody owes who called a conversation so.
fn label(conversation: &str, label: &str) -> Owed {
    let evidence = Evidence {
        conversation: ConversationId::new(conversation),
        ..Evidence::default()
    };
    let mut registry = Registry::default();
    registry.apply(Observation::Seen(key(), Arc::new(evidence)), clock::now());
    let change = MarkChange::Label(CleanText::line(label).some());
    registry.mark(key(), change, clock::now());
    registry.take_owed_marks().unwrap()
}

fn labels(path: &Path, conversations: [&str; 2]) -> [Option<String>; 2] {
    let marks = load(path).unwrap().unwrap();
    conversations.map(|name| {
        let mark = marks.of(key(), ConversationId::new(name).as_ref());
        mark?.label.as_ref().map(ToString::to_string)
    })
}

fn some(label: &str) -> Option<String> {
    Some(label.to_owned())
}

fn dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v/labels.json");
    (dir, path)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn each_writer_changes_only_what_he_was_told() {
    let (_dir, path) = dir();
    assert_eq!(load(&path), Ok(None));
    let nothing = Marks::default();
    update(&path, &nothing, &label("a", "pay")).unwrap();
    // Knows of nothing that was written since it began.
    update(&path, &nothing, &label("b", "docs")).unwrap();
    assert_eq!(labels(&path, ["a", "b"]), [some("pay"), some("docs")]);
    // Its user's editor.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("pay", "payments")).unwrap();
    update(&path, &nothing, &label("b", "")).unwrap();
    assert_eq!(labels(&path, ["a", "b"]), [some("payments"), None]);
}

#[test]
fn labels_whose_file_is_gone_are_written_again() {
    let (_dir, path) = dir();
    let known = update(&path, &Marks::default(), &label("a", "pay")).unwrap();
    for empty in [false, true] {
        fs::remove_file(&path).unwrap();
        if empty {
            fs::write(&path, " \n").unwrap();
        }
        update(&path, &known, &label("b", "docs")).unwrap();
        assert_eq!(labels(&path, ["a", "b"]), [some("pay"), some("docs")]);
    }
    assert_eq!(names(path.parent().unwrap()), ["labels.json"]);
}

#[test]
fn a_broken_file_is_kept_once_something_is_to_be_written() {
    let (dir, path) = dir();
    let target = dir.path().join("dotfiles/labels.json");
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink("../dotfiles/labels.json", &path).unwrap();
    fs::write(&target, "{\"labels\": {").unwrap();
    assert!(load(&path).is_err());
    assert_eq!(
        names(target.parent().unwrap()),
        ["labels.json"],
        "only read"
    );
    update(&path, &Marks::default(), &label("a", "pay")).unwrap();
    assert!(path.is_symlink());
    assert_eq!(labels(&path, ["a", "b"]), [some("pay"), None]);
    let aside = target.with_file_name("labels.json.corrupt");
    assert_eq!(fs::read(aside).unwrap(), b"{\"labels\": {");
}

#[test]
fn a_file_that_is_just_being_written_is_waited_for() {
    let (_dir, path) = dir();
    update(&path, &Marks::default(), &label("a", "pay")).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            clock::sleep(SETTLE.1);
            fs::write(&path, &whole).unwrap();
        });
        update(&path, &Marks::default(), &label("b", "docs")).unwrap();
    });
    assert_eq!(labels(&path, ["a", "b"]), [some("pay"), some("docs")]);
    assert_eq!(names(path.parent().unwrap()), ["labels.json"]);
}

#[test]
fn what_cannot_be_read_is_never_replaced() {
    let (_dir, path) = dir();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let large = " ".repeat(CAP) + "{}";
    for (text, word) in [
        ("{\"version\": 2, \"labels\": {}}", "newer vmux"),
        (&*large, "larger than"),
    ] {
        fs::write(&path, text).unwrap();
        let before = stamp(&path);
        for refused in [
            load(&path).unwrap_err(),
            update(&path, &Marks::default(), &label("a", "pay")).unwrap_err(),
        ] {
            assert!(refused.cause.contains(word), "{refused:?}");
        }
        assert_eq!(stamp(&path), before);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = update(&path, &Marks::default(), &label("a", "pay")).unwrap_err();
    assert!(refused.cause.contains("not a regular file"), "{refused:?}");
    assert_eq!(names(path.parent().unwrap()), ["labels.json"]);
}

#[test]
fn what_would_be_too_large_to_be_read_again_is_not_written() {
    let (_dir, path) = dir();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = format!("{{\"labels\": {{\"x\": \"{}\"}}}}", "x".repeat(CAP - 30));
    fs::write(&path, &text).unwrap();
    let refused = update(&path, &Marks::default(), &label("a", "pay")).unwrap_err();
    assert!(refused.cause.contains("it would be larger"), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}
