//! The table of what a session survives, and its proofs.

use std::fs;
use std::path::Path;

/// What the manual says of survival, row by row, and what proves it.
const ROWS: [(&str, &str); 10] = [
    ("the window is closed", "a_session_outlives_its_terminals"),
    (
        "the daemon stops",
        "daemons_come_and_go_under_an_attached_terminal",
    ),
    ("vmux is updated", "a_holder_is_upgraded_in_a_flood"),
    (
        "its holder crashes",
        "a_holder_that_is_killed_is_followed_by_another",
    ),
    (
        "the same, and no daemon",
        "without_a_daemon_a_killed_holder_takes_its_session_along",
    ),
    ("the daemon's unit", "the_unit_ends_the_daemon_alone"),
    ("you log out", "the_end_of_a_login_ends_no_session"),
    (
        "the disk of its log",
        "a_disk_that_hangs_costs_a_part_of_the_log_and_no_session",
    ),
    ("it is ended", "nothing_is_left_of_thirty_trees"),
    (
        "a reboot",
        "what_was_hosted_comes_back_once_with_its_conversation",
    ),
];

#[test]
fn each_row_of_the_table_of_survival_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("src/cmd/man/hosting.md")).unwrap();
    let table = readme
        .split("| what happens | the session |\n|---|---|\n")
        .nth(1);
    let table = table
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with("| "));
    let rows: Vec<&str> = table.map(|line| &line[2..]).collect();
    assert_eq!(rows.len(), ROWS.len(), "{rows:#?}");
    let mut tests = String::new();
    for entry in fs::read_dir(root.join("tests/it/hosted"))
        .unwrap()
        .flatten()
    {
        tests += &fs::read_to_string(entry.path()).unwrap();
    }
    for (row, (begin, test)) in rows.iter().zip(ROWS) {
        assert!(row.starts_with(begin), "{row}, not {begin}");
        let there = tests.contains(&format!("#[test]\nfn {test}("));
        assert!(there, "{test} for {row}");
    }
}
