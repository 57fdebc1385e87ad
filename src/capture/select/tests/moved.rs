//! Files that were written under another name.

use super::*;
use crate::core::transcript::Hunk;

/// A conversation that wrote `src/a.rs`, ran a command, and did something else then.
fn mover(command: &str, then: impl Fn(Turn) -> Turn) -> [Transcript; 1] {
    let wrote = Edit::Whole {
        before: Some(String::new()),
        after: "one();\ntwo();\n}\nthree();\n".into(),
        shown: Vec::new(),
    };
    let turns = vec![
        turn("wrote", 1.0).told("/srv/shop/src/a.rs", 2.0, wrote),
        then(turn("moved", 10.0).runs(command, 11.0, 12.0)),
    ];
    [talk("one", turns)]
}

#[test]
fn what_a_shell_moves_stays_with_who_wrote_it() {
    let new = |path: &str, text: &str| file(path, Content::Missing, bytes(text));
    let told = |files: Vec<CommitFile>, all: &[Transcript]| words(&choose(&commit(files), all));
    let text = "one();\ntwo();\n}\nthree();\n";
    let longer = "one();\ntwo();\n}\nthree();\nby_hand();\n";
    let by = "~moved by mv src/a.rs lib/b.rs";
    // It tells nothing of what the command did.
    let quiet = mover("mv src/a.rs lib/b.rs", |turn| turn);
    assert_eq!(
        told(vec![new("lib/b.rs", longer)], &quiet),
        format!("one/wrote one/moved; lib/b.rs 1-4=wrote 5-5=? from src/a.rs {by}")
    );
    // A person moves it before the commit.
    let by_hand = mover("cargo test lib", |turn| turn);
    assert_eq!(
        told(vec![new("lib/b.rs", text)], &by_hand),
        "one/wrote (one/moved); lib/b.rs 1-4=wrote from src/a.rs"
    );
    // It tells that one came and one went; and it changes more.
    let shown = mover("mv src/a.rs lib/b.rs", |turn| {
        let lines = |sign: &str| text.lines().map(|line| format!("{sign}{line}")).collect();
        let hunk = |start: [u32; 2], sign: &str| Hunk {
            old_start: start[0],
            new_start: start[1],
            lines: lines(sign),
        };
        let (came, went) = (hunk([0, 1], "+"), hunk([1, 0], "-"));
        let edit = |hunk, created| Edit::Hunks {
            hunks: vec![hunk],
            created,
            deleted: !created,
        };
        turn.told("/srv/shop/lib/b.rs", 12.0, edit(came, true))
            .told("/srv/shop/src/a.rs", 12.0, edit(went, false))
            .adds("/srv/shop/lib/b.rs", 13.0, "two();", "more();")
    });
    let after = "one();\ntwo();\nmore();\n}\nthree();\n";
    assert_eq!(
        told(vec![new("lib/b.rs", after)], &shown),
        "one/wrote one/moved; lib/b.rs 1-2=wrote 3-3=moved 4-5=wrote from src/a.rs"
    );
    // A copy of what is still there.
    let copied = mover("cp -r src lib", |turn| turn);
    let both = vec![new("lib/a.rs", text), new("src/a.rs", text)];
    assert_eq!(
        told(both.clone(), &copied),
        "one/wrote one/moved; lib/a.rs 1-4=wrote from src/a.rs ~moved by cp -r src lib; src/a.rs 1-4=wrote"
    );
    // Nobody is known to have copied it: that may have been anybody.
    assert_eq!(
        told(both, &by_hand),
        "one/wrote (one/moved); lib/a.rs 1-4=?; src/a.rs 1-4=wrote"
    );
}

#[test]
fn a_file_of_which_little_was_elsewhere_is_new() {
    let told = |text: &str, all: &[Transcript]| {
        let new = file("b.rs", Content::Missing, bytes(text));
        words(&choose(&commit(vec![new]), all))
    };
    let moved = mover("mv src/a.rs b.rs", |turn| turn);
    assert_eq!(
        told("one();\ntwo();\n", &moved),
        "",
        "less than three lines"
    );
    let mostly = "one();\ntwo();\nthree();\na();\nb();\nc();\nd();\n";
    assert_eq!(told(mostly, &moved), "", "most of it is from elsewhere");
    let text = "one();\ntwo();\n}\nthree();\n";
    // Two have the same lines.
    let [one] = mover("mv src/a.rs b.rs", |turn| {
        let twin = Edit::Whole {
            before: Some(String::new()),
            after: text.into(),
            shown: Vec::new(),
        };
        turn.told("/srv/shop/src/c.rs", 13.0, twin)
    });
    assert_eq!(told(text, &[one]), "");
    // It was written here as well.
    let again = mover("mv src/a.rs b.rs", |turn| {
        let here = Edit::Whole {
            before: Some(String::new()),
            after: text.into(),
            shown: Vec::new(),
        };
        turn.told("/srv/shop/b.rs", 13.0, here)
    });
    assert_eq!(told(text, &again), "(one/wrote) one/moved; b.rs 1-4=moved");
}
