//! Conversations that are kept with commits, in repositories that git made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::kit::home::Home;
use super::kit::process::{Killed, poll, wait_for};
use super::kit::repository::files_of;
use super::kit::stuck::Stuck;

/// Runs `vmux` in a directory below `work`, without a daemon.
fn vmux(home: &Home, dir: &str, words: &[&str]) -> std::process::Output {
    let mut command = home.command(super::kit::home::VMUX);
    command.current_dir(home.path("work").join(dir));
    super::kit::process::run(command.arg("--no-daemon").args(words))
}

/// What it prints; it must not fail.
pub(crate) fn said(home: &Home, dir: &str, words: &[&str]) -> String {
    let done = vmux(home, dir, words);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {error}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What it says of what cannot be done.
pub(crate) fn refused(home: &Home, dir: &str, words: &[&str]) -> String {
    let done = vmux(home, dir, words);
    assert!(!done.status.success(), "{words:?}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn a_repository_is_left_as_it_is_when_capture_is_switched_on_and_off() {
    let home = Home::new();
    let top = home.repository("shop");
    fs::write(top.join("a.rs"), "fn a() {}\n").unwrap();
    home.git("shop", &["add", "a.rs"]);
    home.git("shop", &["commit", "-q", "-m", "a"]);
    let before = files_of(&top);
    let words = said(&home, "shop", &["capture", "on"]);
    assert!(words.contains("on this machine only"), "{words}");
    assert!(said(&home, "shop", &["capture", "on"]).contains("already"));
    let status: Value =
        serde_json::from_str(&said(&home, "shop", &["capture", "status", "--json"])).unwrap();
    assert_eq!(status["capture"], true);
    assert_eq!(status["settings"]["answers"], "last");
    said(&home, "shop", &["capture", "off"]);
    assert!(said(&home, "shop", &["capture", "status"]).contains("is off here"));
    assert_eq!(files_of(&top), before);
    assert_eq!(home.git("shop", &["status", "--porcelain"]), "");
}

#[test]
fn linked_worktrees_are_switched_on_with_their_repository_and_can_forbid_it() {
    let home = Home::new();
    home.repository("shop");
    home.git("shop", &["worktree", "add", "-q", "../till"]);
    said(&home, "till", &["capture", "on"]);
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(
        status.contains("work/shop\n") && status.contains("work/till\n"),
        "{status}"
    );
    fs::write(home.path("work/till/.vmux-capture-off"), "").unwrap();
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(status.contains("work/till  (forbidden there)"), "{status}");
    assert!(refused(&home, "till", &["capture", "on"]).contains("forbids it"));
}

#[test]
fn what_cannot_be_captured_says_why() {
    let home = Home::new();
    home.repository("shop");
    home.git(".", &["clone", "-q", "--bare", "shop", "bare.git"]);
    let words = refused(&home, "bare.git", &["capture", "on"]);
    assert!(
        words.contains("no working tree") && words.contains("hint: "),
        "{words}"
    );
    assert!(!home.path("work/bare.git/vmux").exists());
    home.make_dir("work/plain");
    let words = refused(&home, "plain", &["capture", "on"]);
    assert!(words.contains("could not find a repository"), "{words}");
    // In a submodule its own repository is meant.
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q"];
    home.repository("mall");
    home.git("mall", &[&add[..], &["../shop", "shop"]].concat());
    said(&home, "mall/shop", &["capture", "on"]);
    assert!(
        home.path("work/mall/.git/modules/shop/vmux/capture.toml")
            .exists()
    );
    assert!(said(&home, "mall", &["capture", "status"]).contains("is off here"));
    // Settings that cannot be understood may say what must not be kept.
    fs::write(home.path("work/shop/.git/vmux"), "").unwrap();
    let words = refused(&home, "shop", &["capture", "on"]);
    assert!(
        words.contains("could not") && words.contains("hint: "),
        "{words}"
    );
    if !rustix::process::geteuid().is_root() {
        let git = home.path("work/mall/.git");
        fs::set_permissions(&git, fs::Permissions::from_mode(0o500)).unwrap();
        let words = refused(&home, "mall", &["capture", "on"]);
        fs::set_permissions(&git, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(words.contains("could not write to"), "{words}");
    }
}

/// What is kept of a commit, as JSON.
fn kept(home: &Home, dir: &str, commit: &str) -> Value {
    serde_json::from_str(&said(home, dir, &["capture", "show", commit, "--json"])).unwrap()
}

/// The texts of the prompts that a commit comes of.
fn prompts(home: &Home, dir: &str, commit: &str) -> Vec<String> {
    let record = kept(home, dir, commit);
    let prompts = record["metadata"]["dev.vmux"]["prompts"]
        .as_array()
        .unwrap()
        .clone();
    let primary = prompts
        .into_iter()
        .filter(|prompt| prompt["primary"] == true);
    primary
        .map(|prompt| prompt["text"].as_str().unwrap().to_owned())
        .collect()
}

fn commit(home: &Home, dir: &str, message: &str) -> String {
    home.git(dir, &["add", "-A"]);
    home.git(dir, &["commit", "-q", "-m", message]);
    home.git(dir, &["rev-parse", "HEAD"])
}

/// Text with each digit of a time of day as `0`.
fn timeless(text: &str) -> String {
    let time = |line: &str| {
        let (head, time) = line.split_at(line.len().saturating_sub(9));
        let zeros = time.replace(|c: char| c.is_ascii_digit(), "0");
        let zeros = if time.ends_with('Z') {
            zeros
        } else {
            time.into()
        };
        format!("{head}{zeros}\n")
    };
    text.lines().map(time).collect()
}

/// What the manual shows of a commit.
#[test]
fn a_commit_is_kept_as_the_manual_shows() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("0b51f3a2-1111-4222-8333-944455556666", "shop");
    talk.ask("Add the cart");
    talk.write("shop/cart.rs", "struct Cart {");
    talk.write("shop/cart.rs", "}");
    talk.end("The cart is there.");
    let status = said(&home, "shop", &["capture", "status"]);
    let line = "0b51f3a2  2 messages, 2 changes, 2 lines: cart.rs";
    assert!(status.contains(line), "{status}");
    assert!(status.contains("> Add the cart"), "{status}");
    talk.ask("and the total, for the till");
    talk.write("shop/cart.rs", "fn total() {}");
    talk.write("shop/till.rs", "fn till() {}");
    talk.end("Done.");
    let cart = home.path("work/shop/cart.rs");
    let text = fs::read_to_string(&cart).unwrap();
    fs::write(&cart, text + "// by hand\n").unwrap();
    fs::write(home.path("work/shop/notes.txt"), "by hand\n").unwrap();
    commit(&home, "shop", "cart");
    let shown = said(&home, "shop", &["capture", "save"]);
    let manual = super::readme::blocks("text");
    let manual = manual.iter().find(|block| block.starts_with("  vmux 1"));
    let shifted: String = shown.lines().map(|line| format!("  {line}\n")).collect();
    assert_eq!(timeless(&shifted), timeless(manual.unwrap()));
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert_eq!(said(&home, "shop", &["capture", "show", "HEAD"]), shown);
    let notes = home.git("shop", &["log", "-1", "--format=%N", "--notes=vmux/*"]);
    assert!(notes.starts_with(shown.trim_end()), "{notes}");
}

#[test]
fn a_file_leads_to_who_wrote_it_when_a_shell_has_moved_it() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("aaaa", "shop");
    talk.ask("Add the cart");
    for line in ["fn cart() {}", "fn total() {}", "fn pay() {}"] {
        talk.write("shop/cart.rs", line);
    }
    talk.end("Done.");
    let why = |line: &str| {
        let told = said(&home, "shop", &["why", "--json", line]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let answer = &told["answers"][0];
        let words = [
            &answer["prompts"][0]["text"],
            &answer["level"],
            &answer["from"],
        ];
        words.map(|word| word.as_str().unwrap_or_default().to_owned())
    };
    // Before anything is committed, so that git knows nothing of it.
    talk.ask("Move it to the till");
    talk.run("mkdir till && mv cart.rs till/cart.rs");
    talk.end("Done.");
    commit(&home, "shop", "till");
    said(&home, "shop", &["capture", "save"]);
    let wanted = ["Add the cart", "content", "cart.rs"];
    assert_eq!(why("till/cart.rs:2"), wanted);
    assert_eq!(
        prompts(&home, "shop", "HEAD"),
        ["Add the cart", "Move it to the till"]
    );
    let text = said(&home, "shop", &["why", "till/cart.rs:2"]);
    assert!(
        text.contains("content: it wrote the line in cart.rs"),
        "{text}"
    );
    // A copy of what is committed; then git tells of the move.
    talk.ask("Have another one");
    talk.run("cp till/cart.rs basket.rs");
    talk.end("Done.");
    commit(&home, "shop", "basket");
    said(&home, "shop", &["capture", "save"]);
    let copied = ["Add the cart", "content", "cart.rs"];
    assert_eq!(why("basket.rs:1"), copied);
    talk.run("git mv basket.rs bag.rs");
    commit(&home, "shop", "bag");
    assert_eq!(why("bag.rs:1"), copied);
}

#[test]
fn what_is_kept_can_be_taken_away() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut commits = Vec::new();
    for name in ["one-1a", "two-2b"] {
        let mut talk = home.talk(name, "shop");
        talk.ask(&format!("Add the secret of {name}"));
        talk.write(&format!("shop/{name}.rs"), "fn x() {}");
        talk.end("Done.");
        commits.push(commit(&home, "shop", name));
    }
    assert!(refused(&home, "shop", &["capture", "show"]).contains("nothing is kept of"));
    said(&home, "shop", &["capture", "save"]);
    let status = said(&home, "shop", &["capture", "status"]);
    assert!(
        status.contains("kept of 2 commits") && !status.contains("not committed"),
        "{status}"
    );
    for what in ["nobody-7", "on", "HEAD~2"] {
        let words = refused(&home, "shop", &["capture", "drop", what, "--yes"]);
        assert!(words.contains("hint: "), "{words}");
    }
    let words = said(&home, "shop", &["capture", "drop", "one-1a", "--yes"]);
    assert!(words.contains("dropped from 1 commit"), "{words}");
    refused(&home, "shop", &["capture", "show", &commits[0]]);
    assert_eq!(
        prompts(&home, "shop", &commits[1]),
        ["Add the secret of two-2b"]
    );
    // Nothing that is left leads to the text.
    home.git("shop", &["gc", "-q", "--prune=now"]);
    let text = |id: &str| {
        let objects = home.git(
            "shop",
            &["cat-file", "--batch", "--batch-all-objects", "--unordered"],
        );
        objects.contains(&format!("secret of {id}"))
    };
    assert!(!text("one-1a") && text("two-2b"));
    let dropped = said(
        &home,
        "shop",
        &["capture", "drop", "HEAD", "--yes", "--json"],
    );
    assert_eq!(dropped, "{\"dropped\":1}\n");
    refused(&home, "shop", &["capture", "show"]);
    said(&home, "shop", &["capture", "save"]);
    let purge = ["capture", "off", "--purge", "--yes", "--json"];
    let off: Value = serde_json::from_str(&said(&home, "shop", &purge)).unwrap();
    assert_eq!(off["capture"], false);
    assert!(!home.path("work/shop/.git/vmux").exists());
    assert_eq!(home.git("shop", &["for-each-ref", "refs/notes"]), "");
}

/// Waits until a commit has a record, by the daemon's hand.
fn recorded(home: &Home, dir: &str, commit: &str) {
    wait_for(&format!("a record of {commit}"), || {
        vmux(home, dir, &["capture", "show", commit])
            .status
            .success()
            .then_some(())
    });
}

#[test]
fn the_daemon_records_what_is_committed_wherever_it_is() {
    let home = Home::new();
    home.repository("shop");
    home.repository("plain");
    home.sessions();
    let mut talk = home.talk("aaaa", "plain");
    talk.ask("Add a");
    talk.write("shop/a.rs", "fn a() {}");
    talk.write("plain/a.rs", "fn a() {}");
    talk.end("Done.");
    said(&home, "shop", &["capture", "on"]);
    let a = commit(&home, "shop", "a");
    commit(&home, "plain", "a");
    recorded(&home, "shop", &a);
    // In a working tree that is made while it looks, by a conversation that goes on.
    home.git("shop", &["worktree", "add", "-q", "../till"]);
    talk.ask("Add b to the till");
    talk.write("till/b.rs", "fn b() {}");
    let b = commit(&home, "till", "b");
    recorded(&home, "till", &b);
    assert_eq!(prompts(&home, "till", &b), ["Add b to the till"]);
    // Rewritten, with the daemon stopped: git does not notice, nor does the record get lost.
    let pid = fs::read_to_string(home.path("vmux/vmuxd.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    home.git("till", &["commit", "-q", "--amend", "-m", "better words"]);
    let c = home.git("till", &["rev-parse", "HEAD"]);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    recorded(&home, "till", &c);
    assert_eq!(prompts(&home, "till", &c), ["Add b to the till"]);
    assert_eq!(home.git("plain", &["for-each-ref", "refs/notes"]), "");
}

#[test]
fn what_was_done_while_no_daemon_ran_is_recorded_when_one_does() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("aaaa", "shop");
    let mut commits = Vec::new();
    for n in 0..5 {
        talk.ask(&format!("Add {n}"));
        talk.write(&format!("shop/{n}.rs"), "fn x() {}");
        talk.end("Done.");
        commits.push(commit(&home, "shop", "x"));
    }
    home.sessions();
    for (n, id) in commits.iter().enumerate() {
        recorded(&home, "shop", id);
        assert_eq!(prompts(&home, "shop", id), [format!("Add {n}")]);
    }
}

#[test]
fn a_prompt_is_in_the_working_tree_once_its_turn_has_ended_where_that_is_wanted() {
    let home = Home::new();
    let top = home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let settings = top.join(".git/vmux/capture.toml");
    let text = fs::read_to_string(&settings).unwrap() + "tree = \".prompts\"\n";
    fs::write(settings, text).unwrap();
    let claude = home.start("one");
    let is = |state: &str| {
        wait_for(&format!("a session that is {state}"), || {
            let session = home.session(&claude)?;
            (session["state"] == state).then_some(())
        });
    };
    let mut talk = home.talk("aaaa", "shop");
    let file = || {
        let day = chrono::Utc::now().format(".prompts/%Y/%m/%d/aaaa.jsonl");
        fs::read_to_string(top.join(day.to_string())).ok()
    };
    for (n, words) in ["Add a", "Add b"].into_iter().enumerate() {
        claude.set(json!({"status": "busy"}));
        talk.ask(words);
        talk.write("shop/a.rs", "fn a() {}");
        is("working");
        let before = file();
        talk.end("Done.");
        claude.set(json!({"status": "idle"}));
        is("idle");
        let written = wait_for("its line", || {
            file().filter(|text| text.lines().count() > n)
        });
        assert_eq!(before.unwrap_or_default().lines().count(), n, "not before");
        let line: Value = serde_json::from_str(written.lines().last().unwrap()).unwrap();
        assert_eq!(line["prompt"], words, "{line}");
    }
    // The next `git add -A` takes it along; nothing was committed, and no note was made.
    let status = home.git("shop", &["status", "--porcelain"]);
    assert_eq!(status, "?? .prompts/\n?? a.rs");
    assert_eq!(home.git("shop", &["for-each-ref", "refs/notes"]), "");
}

/// As on a file system that does not answer: git waits for its own settings.
#[test]
fn a_repository_in_which_git_hangs_holds_up_no_other() {
    let home = Home::new();
    let stuck = home.repository("stuck");
    home.repository("shop");
    home.sessions();
    for dir in ["stuck", "shop"] {
        said(&home, dir, &["capture", "on"]);
    }
    let mut talk = home.talk("aaaa", "shop");
    talk.ask("Add both");
    talk.write("stuck/a.rs", "fn a() {}");
    talk.write("shop/a.rs", "fn a() {}");
    talk.end("Done.");
    let a = commit(&home, "stuck", "a");
    let stuck = Stuck::new(&stuck);
    let held = wait_for("git to hang", || stuck.waits());
    let b = commit(&home, "shop", "b");
    recorded(&home, "shop", &b);
    home.sessions();
    assert!(stuck.waits().is_some(), "git waits still");
    stuck.answers(held);
    recorded(&home, "stuck", &a);
}

#[test]
fn a_merge_that_an_agent_resolved_names_it() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    fs::write(home.path("work/shop/a.rs"), "old();\n").unwrap();
    commit(&home, "shop", "old");
    for (branch, line) in [("side", "side();\n"), ("main", "main();\n")] {
        home.git("shop", &["checkout", "-q", "-B", branch, "main"]);
        fs::write(home.path("work/shop/a.rs"), format!("old();\n{line}")).unwrap();
        if branch == "side" {
            commit(&home, "shop", branch);
        }
    }
    commit(&home, "shop", "main");
    assert!(
        !home
            .try_git("shop", &["merge", "-q", "side"])
            .status
            .success()
    );
    let mut talk = home.talk("aaaa", "shop");
    talk.ask("Resolve it");
    talk.run("printf 'old();\\nmain();\\nside();\\n' > a.rs");
    talk.write("shop/a.rs", "both();");
    talk.end("Done.");
    let merge = commit(&home, "shop", "merge");
    said(&home, "shop", &["capture", "save"]);
    assert_eq!(prompts(&home, "shop", &merge), ["Resolve it"]);
    let told = said(&home, "shop", &["why", "a.rs:4"]);
    assert!(
        told.contains("Resolve it") && told.contains("line: the record"),
        "{told}"
    );
    let told = said(&home, "shop", &["why", "a.rs:3"]);
    assert!(told.contains("none: no recorded session"), "{told}");
}

/// Numbers that look like chance, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// `VMUX_KILLS=200` has it killed that often, over a thousand commits.
#[test]
fn a_daemon_that_is_killed_at_any_moment_loses_and_doubles_nothing() {
    let kills: u64 = std::env::var("VMUX_KILLS").map_or(6, |text| text.parse().unwrap());
    let home = Home::new();
    let top = home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let before = home.git("shop", &["rev-parse", "HEAD"]);
    let mut talk = home.talk("aaaa", "shop");
    let mut chance = Chance(7);
    let mut commits = Vec::new();
    for _ in 0..kills {
        for _ in 0..5 {
            let n = commits.len();
            talk.ask(&format!("Add {n}"));
            talk.write(&format!("shop/{}.rs", n % 7), &format!("fn x{n}() {{}}"));
            talk.end("Done.");
            commits.push(commit(&home, "shop", "x"));
        }
        // It catches up at its start, and is hit before, in the middle, or as soon as its notes
        // are there, when they are not ticked off yet.
        let mut command = home.command(super::kit::home::VMUX);
        let refs = top.join(".git/refs/notes/vmux");
        let notes = || fs::metadata(&refs).and_then(|dir| dir.modified()).ok();
        let kept = notes();
        let daemon = Killed(command.args(["daemon", "run"]).spawn().unwrap());
        let chosen = Duration::from_millis(chance.below(350));
        poll(chosen, || (notes() != kept).then_some(()));
        drop(daemon);
    }
    said(&home, "shop", &["capture", "save"]);
    let refs = home.git(
        "shop",
        &["for-each-ref", "--format=%(refname)", "refs/notes/vmux"],
    );
    let list = home.git("shop", &["notes", "--ref", &refs, "list"]);
    assert_eq!(list.lines().count(), commits.len(), "each has one note");
    for (n, id) in commits.iter().enumerate() {
        let note = home.git("shop", &["notes", "--ref", &refs, "show", id]);
        assert_eq!(note.matches("\n---\n").count(), 1, "{note}");
        assert!(note.contains(&format!("> Add {n} ")), "{n}: {note}");
    }
    assert_eq!(home.git("shop", &["status", "--porcelain"]), "");
    assert_eq!(
        home.git("shop", &["rev-list", "--count", &format!("{before}..HEAD")]),
        commits.len().to_string()
    );
    home.git("shop", &["fsck", "--strict"]);
    assert!(!top.join(".git/index.lock").exists());
}
