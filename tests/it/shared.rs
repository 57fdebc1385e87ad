//! `vmux why` and `vmux capture share` as people run them, in repositories that git made.

use std::fs;
use std::thread;

use serde_json::Value;
use vmux::capture::consent;
use vmux::capture::record::{Asked, FilePart, Record, Span, Talk, line_hash};
use vmux::capture::store::Store;
use vmux::core::model::ConversationId;
use vmux::core::text::CleanText;

use super::capture::{refused, said};
use super::kit::home::{Home, VMUX};
use super::kit::process::run;

const CONVERSATION: &str = "b30c3c80-0000-4000-8000-000000000000";

/// Commits a file of which an agent wrote the second line, with a record.
pub(crate) fn commit(home: &Home, dir: &str, name: &str) -> String {
    let top = home.path("work").join(dir);
    fs::create_dir_all(top.join(name).parent().unwrap()).unwrap();
    fs::write(top.join(name), "by hand\r\nlet total = 1;\r\n").unwrap();
    if !home
        .try_git(dir, &["config", "user.email"])
        .status
        .success()
    {
        home.git(dir, &["config", "user.email", "ann@example.org"]);
    }
    home.git(dir, &["add", "."]);
    home.git(dir, &["commit", "-q", "-m", "Add the total"]);
    let commit = home.git(dir, &["rev-parse", "HEAD"]);
    let common = home.git(
        dir,
        &["rev-parse", "--path-format=absolute", "--git-common-dir"],
    );
    let store = Store::open(common.as_ref()).unwrap();
    let place = consent::place(common.as_ref());
    fs::create_dir_all(place).unwrap();
    let line = |number: u32, text: &str, prompt| Span {
        start: number,
        end: number,
        prompt,
        by: None,
        from: None,
        hashes: vec![line_hash(text.as_bytes()).unwrap()],
    };
    let record = Record {
        commit: commit.clone(),
        at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        tree: home.git(dir, &["rev-parse", "HEAD^{tree}"]),
        complete: true,
        conversations: vec![Talk {
            agent: "claude".into(),
            version: Some(CleanText::line("2.1.332")),
            model: None,
            session_id: ConversationId::new(CONVERSATION).unwrap(),
        }],
        prompts: vec![Asked {
            conversation: 0,
            turn: CleanText::line("turn-1"),
            at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            primary: true,
            text: CleanText::block("Add the total\nto the cart", 1000),
            pasted: Vec::new(),
            answers: vec![CleanText::line("Done.")],
            asked: Vec::new(),
        }],
        files: vec![FilePart {
            path: name.to_owned(),
            ranges: vec![line(1, "by hand", None), line(2, "let total = 1;", Some(0))],
            touched: Vec::new(),
        }],
        redacted: [("url".to_owned(), 2)].into(),
        ..Record::default()
    };
    let tip = store.tip().unwrap();
    store.put(&[record], tip.as_deref()).unwrap();
    commit
}

#[test]
fn a_line_tells_its_prompt_and_session() {
    let home = Home::new();
    home.repository("shop");
    let commit = commit(&home, "shop", "src/a:b.rs");
    for form in [
        "src/a:b.rs:2",
        "src/a:b.rs:2:7",
        "src/a:b.rs#L2",
        "./src/../src/a:b.rs:2-2",
    ] {
        let text = said(&home, "shop", &["why", form]);
        for words in [
            "\u{203a} Add the total\n  to the cart\n",
            "  Done.\n",
            "    let total = 1;\n",
            "Claude Code 2.1.332",
            "line: the record of its commit names it",
            &format!("commit   {} Add the total", &commit[..8]),
            &format!("session  {CONVERSATION} has ended\n"),
            &format!("resume   claude --resume {CONVERSATION}\n"),
        ] {
            assert!(text.contains(words), "{form}: {words:?} in {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
    let json =
        |words: &[&str]| -> Value { serde_json::from_str(&said(&home, "shop", words)).unwrap() };
    let told = json(&["why", "--json", "src/a:b.rs"]);
    let levels = [0, 1].map(|n| told["answers"][n]["level"].as_str().unwrap().to_owned());
    assert_eq!(levels, ["commit", "line"]);
    assert_eq!(told["answers"][1]["prompts"][0]["session_id"], CONVERSATION);
    assert_eq!(told["answers"][1]["prompts"][0]["alive"], false);
    let told = json(&["why", "--json", "HEAD"]);
    assert_eq!(
        (&*commit, "id"),
        (
            told["commit"].as_str().unwrap(),
            told["by"].as_str().unwrap()
        )
    );
    // From a directory within, and from another working tree.
    said(&home, "shop/src", &["why", "a:b.rs:2"]);
    home.git("shop", &["worktree", "add", "-q", "../other"]);
    let text = said(&home, "other", &["why", "src/a:b.rs:2"]);
    assert!(text.contains("line: the record"), "{text}");
}

#[test]
fn a_line_that_is_not_committed_tells_its_prompt_where_it_is_captured() {
    let home = Home::new();
    home.repository("shop");
    said(&home, "shop", &["capture", "on"]);
    let mut talk = home.talk("0b51f3a2-0000-4000-8000-000000000000", "shop");
    let why = |line: &str| said(&home, "shop", &["why", line]);
    talk.ask("Add the cart");
    talk.write("shop/cart.rs", "fn cart() {}");
    home.git("shop", &["add", "."]);
    home.git("shop", &["commit", "-q", "-m", "cart"]);
    said(&home, "shop", &["capture", "save"]);
    talk.ask("and the total");
    talk.write("shop/cart.rs", "fn total() {}");
    let file = home.path("work/shop/cart.rs");
    let by_hand = fs::read_to_string(&file).unwrap() + "by hand\n";
    fs::write(&file, by_hand).unwrap();
    let text = why("cart.rs:1");
    assert!(
        text.contains("\u{203a} Add the cart") && text.contains("line: "),
        "{text}"
    );
    let text = why("cart.rs:2");
    assert!(text.contains("\u{203a} and the total"), "{text}");
    assert!(
        text.contains("uncommitted: a change that this conversation made"),
        "{text}"
    );
    let text = why("cart.rs:3");
    assert!(text.contains("uncommitted: no session is known"), "{text}");
    // And a commit that is amended goes on with its prompt.
    home.git(
        "shop",
        &["commit", "-q", "-a", "--amend", "-m", "cart and total"],
    );
    said(&home, "shop", &["capture", "save"]);
    for (line, words) in [
        ("cart.rs:1", "\u{203a} Add the cart"),
        ("cart.rs:2", "\u{203a} and the total"),
        ("cart.rs:3", "no recorded session wrote this line"),
    ] {
        let text = why(line);
        assert!(text.contains(words), "{line}: {text}");
    }
}

#[test]
fn what_cannot_be_told_is_said() {
    let home = Home::new();
    let top = home.repository("shop");
    commit(&home, "shop", "a.rs");
    fs::write(top.join("new.rs"), "x\n").unwrap();
    for (what, words) in [
        ("a.rs:9", "it has only 2 lines"),
        ("a.rs:0", "lines are counted from 1"),
        ("new.rs:1", "git does not know it"),
        ("none.rs:1", "there is no such file"),
        ("nothing", "it is neither a file nor a commit here"),
        ("--", "required"),
    ] {
        let error = refused(&home, "shop", &["why", what]);
        assert!(error.contains(words), "{what}: {error}");
    }
    let error = refused(&home, "shop", &["why", "--go", "a.rs:2"]);
    assert!(error.contains("it has ended"), "{error}");
    // A person's line is nobody's that is known; and one that is not committed says so.
    fs::write(top.join("a.rs"), "by hand\r\nlet total = 1;\r\nnew\r\n").unwrap();
    let text = said(&home, "shop", &["why", "a.rs:1"]);
    assert!(
        text.contains("no recorded session wrote this line"),
        "{text}"
    );
    let text = said(&home, "shop", &["why", "a.rs:3"]);
    assert!(text.contains("uncommitted:"), "{text}");
    // A file of commits to leave out that is not there is git's own trouble.
    home.git("shop", &["config", "blame.ignoreRevsFile", ".ignored"]);
    assert!(said(&home, "shop", &["why", "a.rs:2"]).contains("line: "));
    let mut command = home.command(VMUX);
    command.current_dir(&top).env("PATH", "/nowhere");
    let done = run(command.args(["--no-daemon", "why", "a.rs:2"]));
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(
        error.contains("no git") && error.contains("install git"),
        "{error}"
    );
}

#[test]
fn a_shallow_clone_and_a_submodule_tell_what_they_have() {
    let home = Home::new();
    home.repository("shop");
    commit(&home, "shop", "a.rs");
    home.git("shop", &["commit", "-q", "--allow-empty", "-m", "later"]);
    let from = format!("file://{}", home.path("work").join("shop").display());
    home.git(".", &["clone", "-q", "--depth", "1", &from, "small"]);
    home.git(
        "small",
        &[
            "fetch",
            "-q",
            "--depth",
            "1",
            "origin",
            "refs/notes/vmux/*:refs/notes/vmux/*",
        ],
    );
    let text = said(&home, "small", &["why", "a.rs:2"]);
    assert!(
        text.contains("content: ") && text.contains("where history begins"),
        "{text}"
    );
    home.repository("house");
    home.git(
        "house",
        &[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            &from,
            "sub",
        ],
    );
    commit(&home, "house/sub", "b.rs");
    let text = said(&home, "house", &["why", "sub/b.rs:2"]);
    assert!(text.contains("line: the record"), "{text}");
}

#[test]
fn nothing_is_shared_that_was_not_shown_and_agreed_to() {
    let home = Home::new();
    home.repository("shop");
    home.git(".", &["init", "-q", "--bare", "far.git"]);
    assert!(refused(&home, "shop", &["capture", "share"]).contains("has no remote"));
    home.git("shop", &["remote", "add", "origin", "../far.git"]);
    assert!(said(&home, "shop", &["capture", "share"]).contains("Nothing is kept"));
    commit(&home, "shop", "a.rs");
    let refs = || home.git("far.git", &["for-each-ref", "--format=%(refname)"]);
    let text = said(&home, "shop", &["capture", "share", "--dry-run"]);
    let sums = "1 commit, 1 prompt, ";
    assert!(
        text.contains(sums) && text.contains("redacted: url 2"),
        "{text}"
    );
    assert!(text.contains("Add the total  (1 prompt, "), "{text}");
    let error = refused(&home, "shop", &["capture", "share"]);
    assert!(
        error.contains("not a terminal") && error.contains("--yes"),
        "{error}"
    );
    assert_eq!(refs(), "");
    let text = said(&home, "shop", &["capture", "share", "--yes"]);
    let (_, refspec) = text.split_once("remote.origin.fetch ").unwrap();
    let name = refs();
    assert!(
        name.starts_with("refs/notes/vmux/") && name.lines().count() == 1,
        "{name}"
    );
    assert_eq!(refspec.trim(), format!("+{name}:{name}"));
    assert!(said(&home, "shop", &["capture", "share"]).contains("has all that is kept"));
    // The same person's other clone has the same reference, and loses nothing of it.
    home.git(".", &["clone", "-q", "far.git", "again"]);
    home.git("again", &["commit", "-q", "--allow-empty", "-m", "begin"]);
    commit(&home, "again", "b.rs");
    let text = said(&home, "again", &["capture", "share", "--yes"]);
    assert!(text.contains(sums), "{text}");
    let notes = home.git("far.git", &["ls-tree", "-r", "--name-only", &name]);
    assert_eq!(notes.lines().count(), 2);
}

#[test]
fn a_partial_clone_fetches_nothing_and_says_so() {
    let home = Home::new();
    home.repository("shop");
    commit(&home, "shop", "a.rs");
    fs::write(home.path("work/shop/a.rs"), "by hand\r\nlet total = 2;\r\n").unwrap();
    home.git("shop", &["commit", "-qam", "more"]);
    home.git("shop", &["config", "uploadpack.allowFilter", "true"]);
    let far = format!("file://{}", home.path("work/shop").display());
    home.git(".", &["clone", "-q", "--filter=blob:none", &far, "part"]);
    let error = refused(&home, "part", &["why", "a.rs:1"]);
    assert!(
        error.contains("not in this partial clone") && error.contains("hint: `git blame a.rs`"),
        "{error}"
    );
    home.git("part", &["blame", "a.rs"]);
    assert!(said(&home, "part", &["why", "a.rs:1"]).contains("none: no recorded session"));
}

#[test]
fn ten_writers_share_at_once() {
    let home = Home::new();
    home.git(".", &["init", "-q", "--bare", "far.git"]);
    let names: Vec<String> = (0..10).map(|n| format!("clone{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        home.repository(name);
        home.git(
            name,
            &["config", "user.email", &format!("p{n}@example.org")],
        );
        home.git(name, &["remote", "add", "origin", "../far.git"]);
        commit(&home, name, "a.rs");
    }
    let start = |name: &String| {
        let mut command = home.command(VMUX);
        command.current_dir(home.path("work").join(name));
        command.args(["--no-daemon", "capture", "share", "--yes"]);
        thread::spawn(move || run(&mut command))
    };
    let all: Vec<_> = names.iter().map(start).collect();
    for one in all {
        let done = one.join().unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{error}");
    }
    let refs = home.git("far.git", &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs.lines().count(), 10, "{refs}");
}
