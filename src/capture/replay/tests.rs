//! A case a trap: what was, what was told, what is.

use proptest::prelude::*;

use super::super::diff::as_git;
use super::{Case, Shares, Step, replay};
use crate::core::transcript::{Edit, Hunk};

fn edit(old: &str, new: &str) -> Edit {
    Edit::Replace {
        before: None,
        old: old.into(),
        new: new.into(),
        all: false,
        shown: Vec::new(),
    }
}

/// The same, where the file's content before is told.
fn seen(before: &str, old: &str, new: &str) -> Edit {
    let mut edit = edit(old, new);
    if let Edit::Replace { before: told, .. } = &mut edit {
        *told = Some(before.into());
    }
    edit
}

fn whole(before: Option<&str>, after: &str) -> Edit {
    Edit::Whole {
        before: before.map(str::to_owned),
        after: after.into(),
        shown: Vec::new(),
    }
}

fn hunk(old_start: u32, new_start: u32, lines: &[&str]) -> Hunk {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    Hunk {
        old_start,
        new_start,
        lines,
    }
}

fn patched(hunks: &[Hunk]) -> Edit {
    Edit::Hunks {
        hunks: hunks.to_vec(),
        created: false,
        deleted: false,
    }
}

/// Shows an edit as its agent does.
fn shown(mut edit: Edit, hunks: &[Hunk]) -> Edit {
    if let Edit::Replace { shown, .. } | Edit::Whole { shown, .. } = &mut edit {
        *shown = hunks.to_vec();
    }
    edit
}

fn shares(before: &str, edits: &[(Edit, bool)], after: &str) -> Shares {
    shares_of(before, edits, after, 0)
}

/// The same where so many of the last changes are of the commit's second.
fn shares_of(before: &str, edits: &[(Edit, bool)], after: &str, late: usize) -> Shares {
    let (gone, added) = as_git(before.as_bytes(), after.as_bytes());
    let step = |(edit, later): &'_ (Edit, bool)| (edit.clone(), *later);
    let edits: Vec<(Edit, bool)> = edits.iter().map(step).collect();
    let steps: Vec<Step> = edits
        .iter()
        .map(|(edit, later)| Step {
            edit,
            later: *later,
        })
        .collect();
    let case = Case {
        before,
        after,
        steps: &steps,
        late,
        added: &added,
        gone: &gone,
    };
    replay(&case).unwrap()
}

/// A sign a line of `after`: `.` for an old one, `?` for nobody's, else the number of the change.
fn signs(before: &str, edits: &[(Edit, bool)], after: &str) -> String {
    let (_, added) = as_git(before.as_bytes(), after.as_bytes());
    let writers = shares(before, edits, after).writers;
    let sign = |(added, writer): (&bool, &Option<u32>)| match (added, writer) {
        (false, _) => ".".to_owned(),
        (true, None) => "?".to_owned(),
        (true, Some(step)) => step.to_string(),
    };
    added.iter().zip(&writers).map(sign).collect()
}

/// The same for changes that all were made after the parent.
fn who(before: &str, edits: &[Edit], after: &str) -> String {
    let edits: Vec<(Edit, bool)> = edits.iter().map(|edit| (edit.clone(), true)).collect();
    signs(before, &edits, after)
}

/// The same for changes of which it is not known whether the parent holds them.
fn early(before: &str, edits: &[Edit], after: &str) -> String {
    let edits: Vec<(Edit, bool)> = edits.iter().map(|edit| (edit.clone(), false)).collect();
    signs(before, &edits, after)
}

#[test]
fn a_line_is_its_writers() {
    assert_eq!(who("a\nb\n", &[edit("b", "B\nc")], "a\nB\nc\n"), ".00");
    assert_eq!(who("a\nb\n", &[edit("b\n", "")], "a\n"), ".");
    assert_eq!(who("let a = 1;\n", &[edit("1", "2")], "let a = 2;\n"), "0");
    assert_eq!(who("", &[whole(Some(""), "a\nb\n")], "a\nb\n"), "00");
    assert_eq!(who("a\nb\n", &[], "a\nc\nb\n"), ".?.");
}

#[test]
fn what_a_person_wrote_stays_nobodys() {
    let edits = [edit("two", "TWO")];
    // Before, beside and after what the agent did, unseen.
    assert_eq!(who("one\ntwo\n", &edits, "zero\none\nTWO\nthree\n"), "?.0?");
    // Before it, and seen.
    let edits = [seen("zero\none\ntwo\n", "two", "TWO")];
    assert_eq!(who("one\ntwo\n", &edits, "zero\none\nTWO\n"), "?.0");
    // Over what the agent wrote.
    assert_eq!(
        who("one\ntwo\n", &edits, "zero\none\nTWO, by hand\n"),
        "?.?"
    );
    // In between, over it, before the agent came again.
    let edits = [edit("two", "TWO"), seen("one\ntwo by hand\n", "one", "ONE")];
    assert_eq!(who("one\ntwo\n", &edits, "ONE\ntwo by hand\n"), "1?");
    // The same text, after the agent had taken its own back.
    let edits = [edit("one\n", "one\nadded\n"), edit("one\nadded\n", "one\n")];
    assert_eq!(who("one\ntwo\n", &edits, "one\ntwo\nadded\n"), "..?");
}

#[test]
fn several_share_a_file() {
    let edits = [
        edit("fn a() {", "fn a() {\n    one();"),
        edit("fn b() {", "fn b() {\n    two();"),
        edit("    one();", "    one();\n    three();"),
    ];
    let before = "fn a() {\n}\n\nfn b() {\n}\n";
    let after = "fn a() {\n    one();\n    three();\n}\n\nfn b() {\n    two();\n}\n";
    assert_eq!(who(before, &edits, after), ".02...1.");
}

#[test]
fn blank_lines_and_brackets_go_by_their_place() {
    let before = "fn a() {\n}\n\nfn z() {\n}\n";
    let edits = [edit("fn z() {", "fn m() {\n}\n\nfn z() {")];
    let after = "fn a() {\n}\n\nfn m() {\n}\n\nfn z() {\n}\n\nfn hand() {\n}\n";
    assert_eq!(who(before, &edits, after), "...000..???");
    // The person's stands above, and is as long.
    let after = "fn hand() {\n}\n\nfn a() {\n}\n\nfn m() {\n}\n\nfn z() {\n}\n";
    assert_eq!(who(before, &edits, after), "???...000..");
}

#[test]
fn a_patch_shows_tabs_as_two_spaces() {
    let before = "func a() {\n\tif x {\n\t\tone()\n\t}\n}\n";
    let edit = |old: &str| {
        let lines = [
            "     if x {",
            "-    one()",
            "+    two()",
            "+    three()",
            "   }",
        ];
        shown(edit(old, "\t\ttwo()\n\t\tthree()"), &[hunk(2, 2, &lines)])
    };
    let after = "func a() {\n\tif x {\n\t\ttwo()\n\t\tthree()\n\t}\n}\n";
    assert_eq!(who(before, &[edit("\t\tone()")], after), "..00..");
    // What was replaced is not there as it is told: then the patch alone says where.
    assert_eq!(who(before, &[edit("\t\tone();")], after), "..00..");
    // And the change is found again in a parent that has it.
    let more = after.replace("}\n", "}\nby hand\n");
    assert_eq!(
        early(after, &[edit("\t\tone()")], &more)
            .matches('0')
            .count(),
        0
    );
}

#[test]
fn line_ends_do_not_matter() {
    let edits = [seen("a\nb\n", "b", "B\nc")];
    assert_eq!(who("a\r\nb\r\n", &edits, "a\r\nB\r\nc\r\n"), ".00");
    let edits = [seen("a\nb", "b", "b\nc")];
    assert_eq!(who("a\nb", &edits, "a\nb\nc"), ".?0");
    assert_eq!(
        who(
            "\u{feff}a\nb\n",
            &[seen("a\nb\n", "b", "c")],
            "\u{feff}a\nc\n"
        ),
        ".0"
    );
}

#[test]
fn a_text_may_be_replaced_everywhere() {
    let everywhere = |old: &str, new: &str| {
        let mut edit = edit(old, new);
        if let Edit::Replace { all, .. } = &mut edit {
            *all = true;
        }
        edit
    };
    assert_eq!(
        who(
            "x + x\nb\nx\n",
            &[everywhere("x", "yy\nz")],
            "yy\nz + yy\nz\nb\nyy\nz\n"
        ),
        "000.00"
    );
    // One may end where the next begins, and lines be gone by then.
    let joined = everywhere("\n", "");
    assert_eq!(who("a\n\n\nb\n\n", &[joined], "ab"), "0");
    // Else just where it is shown.
    let one = shown(edit("x", "y"), &[hunk(3, 3, &["-x", "+y"])]);
    assert_eq!(who("x\nb\nx\n", &[one], "x\nb\ny\n"), "..0");
}

#[test]
fn what_the_parent_has_is_not_done_again() {
    let insert = edit("a\n", "a\nnew\n");
    let before = "a\nnew\nb\n";
    assert_eq!(
        early(before, std::slice::from_ref(&insert), "a\nnew\nnew\nb\n"),
        "..?."
    );
    // Nor what was changed again since.
    let again = edit("new\n", "newer\n");
    let edits = [insert, again];
    assert_eq!(early("a\nnewer\nb\n", &edits, "a\nnew\nnewer\nb\n"), ".?..");
    // Where the file is known to have been as the parent is, nothing before that counts.
    let edits = [seen("a\n", "a", "a\nb"), seen("a\nb\n", "b", "c")];
    assert_eq!(early("a\nb\n", &edits, "a\nc\n"), ".1");
    // What was made after the parent cannot be in it.
    let twice = edit("}\n", "}\n}\n");
    assert_eq!(who("a\n}\n}\n", &[twice], "a\n}\n}\n}\n"), "...0");
}

#[test]
fn a_commit_may_take_a_part_only() {
    let edits = [edit("a\n", "a\nfirst\n"), edit("z\n", "z\nsecond\n")];
    let (start, half, end) = ("a\nm\nz\n", "a\nm\nz\nsecond\n", "a\nfirst\nm\nz\nsecond\n");
    assert_eq!(who(start, &edits, half), "...1");
    assert_eq!(early(half, &edits, end), ".0...");
    // So may one change.
    let both = [whole(Some(start), end)];
    assert_eq!(who(start, &both, half), "...0");
    assert_eq!(early(half, &both, end), ".0...");
}

/// A file to which some of three changes were made, each a bit of `taken`, and the lines of a hunk with
/// all of them.
fn in_places(taken: u32) -> String {
    let lines = IN_PLACES.iter().filter(|(part, line)| match part {
        0 => true,
        part => line.starts_with('+') == (taken & part != 0),
    });
    lines.flat_map(|(_, line)| [&line[1..], "\n"]).collect()
}

const IN_PLACES: [(u32, &str); 11] = [
    (0, " fn a() {"),
    (1, "+    first();"),
    (0, " }"),
    (2, "-fn old() {}"),
    (2, "+fn second() {}"),
    (2, "+fn more() {}"),
    (0, " fn b() {"),
    (4, "-    gone();"),
    (0, " }"),
    (4, "+fn third() {}"),
    (0, " // end"),
];

/// Commits take one of three changes after the other.
#[test]
fn a_commit_may_take_a_part_of_a_hunk() {
    let (before, after) = (in_places(0), in_places(7));
    let lines = IN_PLACES.map(|(_, line)| line);
    let edits = [
        patched(&[hunk(1, 1, &lines)]),
        patched(&[hunk(0, 0, &lines)]),
        shown(edit(&before, &after), &[hunk(1, 1, &lines)]),
        shown(seen(&before, &before, &after), &[hunk(1, 1, &lines)]),
        edit(&before, &after),
        seen(&before, &before, &after),
        whole(Some(&before), &after),
    ];
    for (n, edit) in edits.iter().enumerate() {
        let edit = std::slice::from_ref(edit);
        for (one, two) in [
            (1, 2),
            (1, 4),
            (2, 1),
            (2, 4),
            (4, 1),
            (3, 4),
            (5, 2),
            (6, 1),
        ] {
            let half = in_places(one);
            let mut all = vec![who(&before, edit, &half)];
            all.push(early(&half, edit, &in_places(one | two)));
            assert!(!all.concat().contains('?'), "{n}: {one}, {two}: {all:?}");
            // What a person wrote in the place of the rest is no part of it.
            let other = half.replace("// end", "by_hand();\n// end");
            let signs = early(&half, edit, &other);
            assert!(!signs.contains('0'), "{n}: {one}, {two}: {signs}");
        }
    }
}

#[test]
fn a_formatter_leaves_lines_to_their_writers() {
    let edits = [edit("run();", "if ready {\nrun(1,2);\n}")];
    let after = "    if ready {\n        run(1, 2);\n    }\n";
    assert_eq!(who("run();\n", &edits, after), "000");
    // Also a person's.
    let edits = [seen(
        "by_hand();\nrun();\n",
        "by_hand();\n",
        "    by_hand();\n",
    )];
    assert_eq!(who("run();\n", &edits, "    by_hand();\nrun();\n"), "?.");
    // What the parent had goes to who moved it.
    assert_eq!(
        who("run();\n", &[edit("run();", "  run();")], "  run();\n"),
        "0"
    );
    assert_eq!(who("run();\n", &[edit("x", "y")], "  run();\n"), "?");
}

#[test]
fn a_place_is_found_by_what_stands_around() {
    let lines = [" fn b() {", "+    new();", " }"];
    let after = "// by hand\n// by hand\nfn a() {\n}\nfn b() {\n    new();\n}\n";
    let before = "fn a() {\n}\nfn b() {\n}\n";
    assert_eq!(
        who(before, &[patched(&[hunk(5, 5, &lines)])], after),
        "??...0."
    );
    assert_eq!(
        who(before, &[patched(&[hunk(0, 0, &lines)])], after),
        "??...0."
    );
    // Of equal places the one that is shown.
    let blocks = "{\n}\n{\n}\n{\n}\n";
    let second = patched(&[hunk(3, 3, &[" {", "+in();", " }"])]);
    assert_eq!(
        who(blocks, &[second], "{\n}\n{\nin();\n}\n{\n}\n"),
        "...0..."
    );
    // Around it stands only what nobody told of: what is found in the end, just once, is enough.
    let lost = patched(&[hunk(
        40,
        40,
        &[" other_text", "+let told = 1;", " more_text"],
    )]);
    assert_eq!(
        who("a\n", &[lost], "a\nother_text\nlet told = 1;\nmore_text\n"),
        ".?0?"
    );
}

#[test]
fn a_file_that_was_written_whole_without_what_it_held() {
    let marks = [hunk(1, 1, &[" a", "+b", " c"])];
    let edit = shown(whole(None, "a\nb\nc\nd\n"), &marks);
    assert_eq!(who("a\nc\n", &[edit], "a\nb\nc\nd\n"), ".0.?");
    // There was none before; so one agent tells of a new file.
    assert_eq!(who("", &[whole(None, "a\nb\n")], "a\nb\nc\n"), "00?");
    // Nothing shows what was new.
    assert_eq!(who("a\n", &[whole(None, "a\nb\n")], "a\nb\n"), ".?");
}

#[test]
fn a_file_may_come_and_go() {
    let created = Edit::Hunks {
        hunks: vec![hunk(0, 1, &["+a", "+b"])],
        created: true,
        deleted: false,
    };
    let deleted = Edit::Hunks {
        hunks: Vec::new(),
        created: false,
        deleted: true,
    };
    assert_eq!(who("", std::slice::from_ref(&created), "a\nb\nc\n"), "00?");
    let edits = [
        (created.clone(), true),
        (deleted.clone(), true),
        (created, true),
    ];
    assert_eq!(signs("", &edits, "a\nb\n"), "22");
    assert_eq!(shares("old\n", &[(deleted, true)], "").removers, [0].into());
}

#[test]
fn who_took_lines_away_is_known() {
    let removers = |edits: &[Edit], after: &str| {
        let edits: Vec<(Edit, bool)> = edits.iter().map(|edit| (edit.clone(), true)).collect();
        shares("a\nb\nc\nd\n", &edits, after)
            .removers
            .into_iter()
            .collect::<Vec<_>>()
    };
    let edits = [edit("b\n", ""), edit("c\n", "")];
    assert_eq!(removers(&edits, "a\nd\n"), [0, 1]);
    // One is not in the commit, or was put back.
    assert_eq!(removers(&edits, "a\nb\nd\n"), [1]);
    assert!(removers(&edits, "a\nb\nc\n").is_empty());
    // A person did it.
    let edits = [seen("a\nc\nd\n", "a", "A")];
    assert_eq!(removers(&edits, "A\nc\nd\n"), [0]);
    let edits = [seen("a\nc\nd\n", "d\n", "d\ne\n")];
    assert!(removers(&edits, "a\nc\nd\ne\n").is_empty());
}

#[test]
fn huge_and_odd_input_ends() {
    let odd = [
        hunk(u32::MAX, u32::MAX, &["", "é", "+x", "-y", "x"]),
        hunk(0, 7, &[]),
    ];
    assert_eq!(who("a\n", &[patched(&odd)], "a\nb\n"), ".?");
    assert_eq!(who("", &[edit("", "a\n")], "a\n"), "0");
    assert_eq!(who("a\n", &[edit("", "b\n")], "a\nb\n"), ".0");
    // A long line that is changed over and over is given up, not kept over and over.
    let long = "x".repeat(1 << 20);
    let before = format!("{long}0\n");
    let edits: Vec<Edit> = (0..40)
        .map(|n| edit(&format!("x{n}"), &format!("x{}", n + 1)))
        .collect();
    assert_eq!(who(&before, &edits, "b\n"), "?");
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let text =
        || proptest::string::string_regex("([ab}]|\t|  )?\r?(\n([ab}é]|\t|  )?){0,6}").unwrap();
    let line = || proptest::string::string_regex("[ +-]([ab}é]|\t|  )?").unwrap();
    let hunk = || {
        let lines = proptest::collection::vec(line(), 0..7);
        (0..9_u32, 0..9_u32, lines).prop_map(|(old_start, new_start, lines)| Hunk {
            old_start,
            new_start,
            lines,
        })
    };
    let hunks = move || proptest::collection::vec(hunk(), 0..3);
    let whole =
        (proptest::option::of(text()), text(), hunks()).prop_map(|(before, after, shown)| {
            Edit::Whole {
                before,
                after,
                shown,
            }
        });
    let replace = (
        proptest::option::of(text()),
        text(),
        text(),
        any::<bool>(),
        hunks(),
    )
        .prop_map(|(before, old, new, all, shown)| Edit::Replace {
            before,
            old,
            new,
            all,
            shown,
        });
    let patched =
        (hunks(), any::<bool>(), any::<bool>()).prop_map(|(hunks, created, deleted)| Edit::Hunks {
            hunks,
            created,
            deleted,
        });
    prop_oneof![whole, replace, patched, Just(Edit::Touched)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is told, each line of the commit has an answer, and only added ones a writer.
    #[test]
    fn anything_may_be_told(
        before in "([ab}é]?\r?\n){0,9}",
        after in "([ab}é]?\r?\n){0,9}[ab]?",
        edits in proptest::collection::vec((any_edit(), any::<bool>()), 0..6),
    ) {
        let mut edits = edits;
        edits.sort_by_key(|(_, later)| *later);
        let (_, added) = as_git(before.as_bytes(), after.as_bytes());
        let shares = shares(&before, &edits, &after);
        prop_assert_eq!(shares.writers.len(), added.len());
        for (writer, added) in shares.writers.iter().zip(&added) {
            prop_assert!(writer.is_none() || *added);
            prop_assert!(writer.is_none_or(|writer| (writer as usize) < edits.len()));
        }
    }
}

/// Where only the second of a commit is known, what the file held tells which changes it has.
#[test]
fn of_the_changes_of_a_commits_second_those_count_that_it_has() {
    let change = |before: &str, old: &str, new: &str| Edit::Replace {
        before: Some(before.into()),
        old: old.into(),
        new: new.into(),
        all: false,
        shown: Vec::new(),
    };
    let edits = [
        (change("a\n", "a", "a\nx"), true),
        (change("a\nx\n", "x", "y"), true),
        (change("a\ny\n", "y", "z"), true),
    ];
    let writers = |after: &str, late| shares_of("a\n", &edits, after, late).writers;
    assert_eq!(writers("a\nx\n", 3), [None, Some(0)]);
    assert_eq!(writers("a\ny\n", 3), [None, Some(1)]);
    assert_eq!(writers("a\nz\n", 3), [None, Some(2)]);
    // What an earlier second had is not looked at: somebody may have put it back since.
    assert_eq!(writers("a\nx\n", 1), [None, None]);
    // What no change found or left: nobody knows when that was.
    assert_eq!(writers("a\nx\nw\n", 3), writers("a\nx\nw\n", 0));
}
