//! What vmux says of itself: help, manual pages, completions.

use insta::assert_snapshot;
use serde_json::json;

use crate::machine::Machine;
use crate::service::{shown, vmux};

fn run(machine: &Machine, words: &[&str]) -> String {
    shown(machine, &vmux(machine, words))
}

#[test]
fn help_is_the_same_as_it_was() {
    let machine = Machine::new();
    let mut text = String::new();
    let mut pages = vec![vec![]];
    pages.extend(verbs(&machine).into_iter().map(|verb| vec![verb]));
    for verb in ["run", "start", "stop", "status"] {
        pages.push(vec!["daemon".into(), verb.into()]);
    }
    for verb in ["install", "uninstall", "status"] {
        pages.push(vec!["hooks".into(), verb.into()]);
    }
    for verb in ["on", "off", "status", "show", "save", "drop"] {
        pages.push(vec!["capture".into(), verb.into()]);
    }
    for page in pages {
        let mut words: Vec<&str> = page.iter().map(String::as_str).collect();
        words.push("--help");
        text.push_str(&format!(
            "$ vmux {}\n{}\n",
            words.join(" "),
            run(&machine, &words)
        ));
    }
    assert!(!machine.path("vmux").exists(), "help does nothing else");
    assert_snapshot!("help", text);
}

/// The verbs, as `--help` lists them in their groups.
fn verbs(machine: &Machine) -> Vec<String> {
    let help = run(machine, &["--help"]);
    let list = help.split("\nLook:\n").nth(1).unwrap();
    let lines = list.lines().take_while(|line| *line != "Arguments:");
    let verbs = lines.filter_map(|line| line.strip_prefix("  "));
    verbs
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn alone_it_lists_the_sessions_and_says_what_to_do_next() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    claude.file(json!({}));
    let done = vmux(&machine, &["--no-daemon"]);
    assert_eq!(done.status.code(), Some(0));
    let listed = run(&machine, &["--no-daemon", "list"]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), listed);
    let hint = String::from_utf8_lossy(&done.stderr);
    assert!(
        hint.contains("`vmux next`") && hint.contains("`vmux .`"),
        "{hint}"
    );
}

#[test]
fn every_verb_has_a_manual_page() {
    let machine = Machine::new();
    let dir = machine.path("man");
    run(&machine, &["man", "--dir", dir.to_str().unwrap()]);
    for verb in verbs(&machine) {
        let page = std::fs::read_to_string(dir.join(format!("vmux-{verb}.1"))).unwrap();
        assert_eq!(page, run(&machine, &["man", &verb]));
        assert!(page.contains(&format!("vmux\\-{verb} \\- ")), "{page}");
    }
    let page = std::fs::read_to_string(dir.join("vmux.1")).unwrap();
    for heading in ["STATES", "FILES", "ENVIRONMENT", "EXAMPLES", "EXIT STATUS"] {
        assert!(
            page.contains(&format!(".SH \"{heading}\""))
                || page.contains(&format!(".SH {heading}\n")),
            "{heading}"
        );
    }
    let page = run(&machine, &["man", "hooks-install"]);
    assert!(page.contains("\\-\\-answers"), "verbs of verbs: {page}");
    let page = run(&machine, &["man", "hooks"]);
    let heading = ".SH \"ANSWER WITHOUT GOING THERE\"";
    assert!(page.contains(heading), "what more there is to say: {page}");
    let dir = machine.path("share/man");
    run(
        &machine,
        &["man", "--dir", dir.join("man1").to_str().unwrap()],
    );
    let page = std::fs::read_to_string(dir.join("man7/vmux-states.7")).unwrap();
    assert_eq!(page, run(&machine, &["man", "states"]));
    let done = vmux(&machine, &["man", "nonsense"]);
    assert_eq!(done.status.code(), Some(2));
}

#[test]
#[ignore = "needs groff"]
fn groff_takes_every_manual_page_without_a_word() {
    let machine = Machine::new();
    let dir = machine.path("man");
    run(&machine, &["man", "--dir", dir.to_str().unwrap()]);
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let done = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(entry.path())
            .output()
            .expect("groff is installed (scripts/test does)");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.success() && said.is_empty(),
            "{:?}: {said}",
            entry.path()
        );
    }
}
