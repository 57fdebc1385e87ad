//! Conversations that are kept with commits where a repository is not as most are: its files lie
//! elsewhere, its objects are at a remote, or git hangs in it.

use std::fs;

use serde_json::Value;

use super::capture::{refused, said};
use super::kit::home::Home;
use super::kit::process::{run, wait_for};
use super::kit::stuck::Stuck;

/// Runs `vmux` in a directory below `work`, with the daemon that runs; what it prints and says.
fn told(home: &Home, dir: &str, words: &[&str]) -> (String, String) {
    let mut command = home.command(super::kit::home::VMUX);
    command.current_dir(home.path("work").join(dir));
    let done = run(command.args(words));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_repository_whose_files_lie_elsewhere_is_captured() {
    let home = Home::new();
    home.repository("shop");
    home.make_dir("work/files");
    home.git("shop", &["config", "core.worktree", "../../files"]);
    fs::write(home.path("work/files/.vmux-capture-off"), "").unwrap();
    let words = refused(&home, "shop", &["capture", "on"]);
    assert!(
        words.contains("work/files/.vmux-capture-off forbids it"),
        "{words}"
    );
    fs::remove_file(home.path("work/files/.vmux-capture-off")).unwrap();
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("aaaa", "files");
    talk.ask("Add the cart");
    talk.write("files/cart.rs", "fn cart() {}");
    talk.end("Done.");
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(
        status.contains("work/files\n") && status.contains("1 line: cart.rs"),
        "{status}"
    );
    home.git("shop", &["add", "-A"]);
    home.git("shop", &["commit", "-q", "-m", "cart"]);
    let kept = said(&home, "shop", &["capture", "save"]);
    assert!(
        kept.contains("> Add the cart") && kept.contains("cart.rs 1"),
        "{kept}"
    );
    assert_eq!(said(&home, "shop", &["capture", "show"]), kept);
    assert!(said(&home, "shop", &["log"]).contains("> Add the cart"));
    // As git names the file there, and where it lies.
    let whole = home.path("work/files/cart.rs").display().to_string() + ":1";
    for line in ["cart.rs:1", "../files/cart.rs:1", &whole] {
        let why = said(&home, "shop", &["why", "--json", line]);
        let why: Value = serde_json::from_str(&why).unwrap();
        assert_eq!(why["answers"][0]["level"], "line", "{line}: {why}");
        assert_eq!(why["answers"][0]["prompts"][0]["text"], "Add the cart");
    }
    // From where the files are, git has to be told.
    let mut command = home.command(super::kit::home::VMUX);
    command.current_dir(home.path("work/files"));
    command.env("GIT_DIR", home.path("work/shop/.git"));
    let done = run(command.args(["--no-daemon", "why", "cart.rs:1"]));
    assert!(
        String::from_utf8_lossy(&done.stdout).contains("Add the cart"),
        "{done:?}"
    );
}

#[test]
fn what_a_partial_clone_does_not_hold_is_not_called_nothing() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("aaaa", "shop");
    for n in 1..=3 {
        talk.ask(&format!("Add {n}"));
        talk.write("shop/a.rs", &format!("fn a{n}() {{}}"));
        talk.end("Done.");
        home.git("shop", &["add", "-A"]);
        home.git("shop", &["commit", "-q", "-m", "x"]);
    }
    said(&home, "shop", &["capture", "save"]);
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        home.git("shop", &["config", key, "true"]);
    }
    let remote = format!("file://{}", home.path("work/shop").display());
    home.git(".", &["clone", "-q", "--filter=blob:none", &remote, "part"]);
    let notes = "refs/notes/vmux/*:refs/notes/vmux/*";
    home.git(
        "part",
        &["fetch", "-q", "--filter=blob:none", "origin", notes],
    );
    // The contents of the file are there, as in a clone that was blamed once.
    let clean = home.try_git("part", &["blame", "a.rs"]);
    assert!(clean.status.success(), "{clean:?}");
    let partial = |words: &str| {
        assert!(words.contains("not in this partial clone"), "{words}");
        assert!(words.contains("hint: `git "), "{words}");
        assert!(!words.contains("nothing is kept"), "{words}");
    };
    // A place for the index that is kept: what it lacks must not be taken for all there is.
    said(&home, "part", &["capture", "on"]);
    let words = refused(&home, "part", &["capture", "show"]);
    partial(&words);
    partial(&refused(&home, "part", &["log"]));
    let (_, why) = told(&home, "part", &["--no-daemon", "why", "a.rs:2"]);
    partial(&why);
    let (_, why) = told(&home, "part", &["--no-daemon", "why", "HEAD"]);
    partial(&why);
    let missing = home.git(
        "part",
        &["rev-list", "--objects", "--all", "--missing=print"],
    );
    assert_eq!(
        missing.matches("\n?").count(),
        3,
        "nothing was fetched: {missing}"
    );
    // The way that it names leads on.
    let hint = words.split('`').nth(1).unwrap();
    let hint: Vec<&str> = hint.split(' ').skip(1).collect();
    home.git("part", &hint);
    assert!(said(&home, "part", &["capture", "show"]).contains("> Add 3"));
    let (log, words) = told(&home, "part", &["--no-daemon", "log"]);
    assert!(
        log.contains("> Add 3") && words.contains("2 commits"),
        "{log}{words}"
    );
    home.git("part", &["log", "--notes=vmux/*"]);
    assert!(said(&home, "part", &["log"]).contains("> Add 1"));
    let (why, words) = told(&home, "part", &["--no-daemon", "why", "a.rs:2"]);
    assert!(why.contains("Add 2") && words.is_empty(), "{why}{words}");
}

/// As on a file system that does not answer: git waits for its own settings.
#[test]
fn a_repository_that_does_not_answer_is_named() {
    let home = Home::new();
    let stuck = home.repository("stuck");
    home.repository("shop");
    home.sessions();
    for dir in ["stuck", "shop"] {
        said(&home, dir, &["capture", "on"]);
    }
    let good = said(&home, "shop", &["capture", "status"]);
    assert!(!good.contains("the daemon:"), "{good}");
    home.git("stuck", &["commit", "-q", "--allow-empty", "-m", "a"]);
    let stuck = Stuck::new(&stuck);
    let held = wait_for("git to hang", || stuck.waits());
    let name = home.path("work/stuck/.git").display().to_string();
    wait_for("the stuck one to be named", || {
        let (status, _) = told(&home, "shop", &["capture", "status"]);
        let daemon = status.split("the daemon: ").nth(1)?;
        daemon.contains(&name).then_some(())
    });
    let words = refused(&home, "stuck", &["capture", "status"]);
    assert!(
        words.contains("work/stuck") && words.contains("did not answer within"),
        "{words}"
    );
    stuck.answers(held);
}

#[test]
fn commits_of_a_working_tree_that_came_and_went_with_its_branch_are_told() {
    let home = Home::new();
    home.repository("shop");
    home.repository("other");
    said(&home, "shop", &["capture", "on"]);
    home.git("shop", &["worktree", "add", "-q", "../till", "-b", "till"]);
    let mut talk = home.talk("aaaa", "till");
    talk.ask("Add the till");
    talk.write("till/till.rs", "fn till() {}");
    let lost = talk.commit("till", "till");
    // Kept by a branch, by a log, or of another repository.
    talk.write("shop/shop.rs", "fn shop() {}");
    talk.commit("shop", "shop");
    home.git("shop", &["reset", "-q", "--hard", "HEAD~1"]);
    talk.write("other/other.rs", "fn other() {}");
    talk.commit("other", "other");
    talk.end("Done.");
    let missed = || {
        let status = said(&home, "shop", &["capture", "status", "--json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        status["missed"].as_array().unwrap().clone()
    };
    assert!(missed().is_empty(), "{:?}", missed());
    home.git("shop", &["worktree", "remove", "../till"]);
    home.git("shop", &["branch", "-q", "-D", "till"]);
    let told = missed();
    assert_eq!(told.len(), 1, "{told:?}");
    let what = told[0]["what"].as_str().unwrap();
    let want = format!("{} of till: no branch holds it", &lost[..10]);
    assert!(what.starts_with(&want), "{what}");
    // All of it is told to people, too.
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(
        status.lines().all(|line| line.chars().count() <= 78),
        "{status}"
    );
    let words: Vec<&str> = status.split_whitespace().collect();
    assert!(words.join(" ").contains(what), "{status}");
    // It can be brought back.
    home.git("shop", &["branch", "till", &lost]);
    assert!(missed().is_empty());
}
