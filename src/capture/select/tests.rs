//! Who belongs to a commit, by examples.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit, Prompt, Turn};

/// So many seconds after the parent was made.
fn at(seconds: f64) -> DateTime<Utc> {
    #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
    let millis = TimeDelta::milliseconds((seconds * 1000.0) as i64);
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + millis
}

fn turn(id: &str, from: f64) -> Turn {
    Turn {
        id: CleanText::line(id),
        prompt: Some(Prompt {
            text: CleanText::line(&format!("do {id}")),
            pasted: Vec::new(),
        }),
        at: at(from),
        ended: Some(at(from + 9.0)),
        answers: vec![CleanText::line(&format!("did {id}"))],
        asked: Vec::new(),
        commands: Vec::new(),
        changes: Vec::new(),
    }
}

impl Turn {
    fn unasked(mut self) -> Self {
        self.prompt = None;
        self
    }

    fn told(mut self, path: &str, seconds: f64, edit: Edit) -> Self {
        self.changes.push(Change {
            at: at(seconds),
            path: PathBuf::from(path),
            by: None,
            edit,
        });
        self
    }

    /// Adds a line to a file, behind its last one.
    fn adds(self, path: &str, seconds: f64, last: &str, line: &str) -> Self {
        let edit = Edit::Replace {
            before: None,
            old: last.into(),
            new: format!("{last}\n{line}"),
            all: false,
            shown: Vec::new(),
        };
        self.told(path, seconds, edit)
    }

    fn runs(mut self, text: &str, from: f64, to: f64) -> Self {
        self.commands.push(Command {
            text: CleanText::line(text),
            cwd: Some(PathBuf::from("/srv/shop/src")),
            from: at(from),
            to: Some(at(to)),
            background: false,
        });
        self
    }
}

fn talk(id: &str, turns: Vec<Turn>) -> Transcript {
    Transcript {
        agent: "claude".into(),
        conversation: ConversationId::new(id).unwrap(),
        subagent: None,
        version: None,
        model: None,
        turns,
    }
}

fn subagent(id: &str, turns: Vec<Turn>) -> Transcript {
    let subagent = Some(CleanText::line("reviewer"));
    Transcript {
        subagent,
        ..talk(id, turns)
    }
}

fn bytes(text: &str) -> Content {
    Content::Bytes(text.into())
}

fn file(path: &str, before: Content, after: Content) -> CommitFile {
    CommitFile {
        path: path.into(),
        old_path: None,
        before,
        after,
        added: None,
        mtime: None,
    }
}

/// A commit in `/srv/shop`, 100 seconds after its parent.
fn commit(files: Vec<CommitFile>) -> Commit {
    Commit {
        id: "c".into(),
        tree: "t".into(),
        at: at(100.0),
        parent: Some("p".into()),
        since: Some(at(0.0)),
        tops: vec![PathBuf::from("/srv/shop")],
        files,
    }
}

/// A commit that adds these lines to `a.rs`, which held `old`.
fn adding(lines: &[&str]) -> Commit {
    let after = format!("old\n{}\n", lines.join("\n"));
    commit(vec![file("a.rs", bytes("old\n"), bytes(&after))])
}

fn choose(commit: &Commit, transcripts: &[Transcript]) -> Selection {
    select(commit, transcripts, &Recorded::new())
}

/// The prompts, each with its conversation; those that only led there in brackets. Then the files,
/// each with its spans and who touched it.
fn words(selection: &Selection) -> String {
    let prompt = |asked: &Asked| {
        let talk = selection.conversations[asked.conversation]
            .session_id
            .as_str();
        let name = format!("{talk}/{}", asked.turn.as_str());
        if asked.primary {
            name
        } else {
            format!("({name})")
        }
    };
    let prompts: Vec<String> = selection.prompts.iter().map(prompt).collect();
    let name = |at: usize| selection.prompts[at].turn.as_str();
    let mut out = prompts.join(" ");
    for file in &selection.files {
        out += &format!("; {}", file.path);
        for span in &file.ranges {
            assert_eq!(span.hashes.len(), (span.end + 1 - span.start) as usize);
            out += &format!(
                " {}-{}={}",
                span.start,
                span.end,
                span.prompt.map_or("?", name)
            );
        }
        let mut from: Vec<&String> = file
            .ranges
            .iter()
            .filter_map(|span| span.from.as_ref())
            .collect();
        from.dedup();
        out += &from
            .iter()
            .map(|from| format!(" from {from}"))
            .collect::<String>();
        for (prompt, by) in &file.touched {
            let by = by
                .as_ref()
                .map(|by| format!(" by {}", by.as_str()))
                .unwrap_or_default();
            out += &format!(" ~{}{by}", name(*prompt));
        }
    }
    out
}

#[test]
fn prompts_whose_lines_are_in_it() {
    let one = talk(
        "one",
        vec![
            turn("talked", 1.0),
            turn("built", 10.0).adds("/srv/shop/a.rs", 11.0, "old", "built"),
            turn("elsewhere", 20.0).adds("/srv/shop/b.rs", 21.0, "old", "b"),
            turn("later", 101.0).adds("/srv/shop/a.rs", 102.0, "built", "later"),
        ],
    );
    let two = talk(
        "two",
        vec![turn("fixed", 30.0).adds("/srv/shop/a.rs", 31.0, "built", "fixed")],
    );
    let three = talk("three", vec![turn("idle", 5.0)]);
    let selection = choose(&adding(&["built", "fixed", "by hand"]), &[three, two, one]);
    let expected =
        "(one/talked) one/built (one/elsewhere) two/fixed; a.rs 2-2=built 3-3=fixed 4-4=?";
    assert_eq!(words(&selection), expected);
    assert_eq!(selection.prompts[1].text.as_str(), "do built");
    assert_eq!(selection.prompts[1].answers[0].as_str(), "did built");
    assert_eq!(selection.conversations.len(), 2);
    assert!(selection.complete);
}

#[test]
fn a_persons_commit_has_nobody() {
    let one = talk(
        "one",
        vec![turn("other", 1.0).adds("/srv/shop/b.rs", 2.0, "old", "b")],
    );
    assert_eq!(choose(&adding(&["by hand"]), &[one]), Selection::default());
    // The agent's line is not in it.
    let one = talk(
        "one",
        vec![turn("other", 1.0).adds("/srv/shop/a.rs", 2.0, "old", "its own")],
    );
    assert_eq!(choose(&adding(&["by hand"]), &[one]), Selection::default());
    assert_eq!(choose(&commit(Vec::new()), &[]), Selection::default());
}

#[test]
fn a_change_counts_where_its_file_is() {
    let chosen = |path: &str| {
        let one = talk("one", vec![turn("it", 1.0).adds(path, 2.0, "old", "new")]);
        let mut commit = adding(&["new"]);
        commit.tops.push(PathBuf::from("/home/someone/shop"));
        words(&choose(&commit, &[one]))
    };
    let it = "one/it; a.rs 2-2=it";
    assert_eq!(chosen("/srv/shop/a.rs"), it);
    assert_eq!(chosen("/srv/shop/src/../a.rs"), it);
    assert_eq!(chosen("/srv/shop/./a.rs"), it);
    // The repository lay there before.
    assert_eq!(chosen("/home/someone/shop/a.rs"), it);
    // Another working tree, another file, out of this one, no place at all.
    for path in [
        "/srv/shop-2/a.rs",
        "/srv/shop/src/a.rs",
        "/srv/shop/../a.rs",
        "a.rs",
        "/",
        "/srv/shop",
        "/../..",
    ] {
        assert_eq!(chosen(path), "", "{path}");
    }
}

#[test]
fn odd_names_are_names() {
    let name = "a\nb \u{fffd}.rs";
    let one = talk(
        "one",
        vec![turn("it", 1.0).adds(&format!("/srv/shop/{name}"), 2.0, "old", "new")],
    );
    let commit = commit(vec![file(name, bytes("old\n"), bytes("old\nnew\n"))]);
    assert_eq!(choose(&commit, &[one]).files[0].ranges[0].prompt, Some(0));
}

#[test]
fn the_clock_ends_at_the_commit() {
    let chosen = |seconds: f64| {
        let one = talk(
            "one",
            vec![turn("it", 1.0).adds("/srv/shop/a.rs", seconds, "old", "new")],
        );
        words(&choose(&adding(&["new"]), &[one]))
    };
    assert_eq!(chosen(100.05), "one/it; a.rs 2-2=it");
    assert_eq!(chosen(100.06), "");
}

#[test]
fn subagents_work_for_who_called_them() {
    let main = talk("one", vec![turn("asked", 1.0), turn("next", 20.0)]);
    // By the time at which it began, or by the prompt's own id.
    let by_time = subagent(
        "one",
        vec![
            turn("x", 5.0)
                .unasked()
                .adds("/srv/shop/a.rs", 30.0, "old", "new"),
        ],
    );
    let by_id = subagent(
        "one",
        vec![
            turn("next", 5.0)
                .unasked()
                .adds("/srv/shop/a.rs", 30.0, "old", "new"),
        ],
    );
    let commit = adding(&["new"]);
    let chosen = |sub: Transcript| words(&choose(&commit, &[sub, main.clone()]));
    assert_eq!(
        chosen(by_time.clone()),
        "one/asked (one/next); a.rs 2-2=asked"
    );
    assert_eq!(chosen(by_id), "(one/asked) one/next; a.rs 2-2=next");
    // Its caller is not told of.
    assert_eq!(words(&choose(&commit, &[by_time])), "one/x; a.rs 2-2=x");
}

#[test]
fn what_goes_on_by_itself_belongs_to_the_last_prompt() {
    let woken = turn("woken", 20.0)
        .unasked()
        .adds("/srv/shop/a.rs", 21.0, "old", "new");
    let one = talk("one", vec![turn("asked", 1.0), woken]);
    let selection = choose(&adding(&["new"]), &[one]);
    assert_eq!(words(&selection), "one/asked; a.rs 2-2=asked");
    let answers: Vec<&str> = selection.prompts[0]
        .answers
        .iter()
        .map(CleanText::as_str)
        .collect();
    assert_eq!(answers, ["did asked", "did woken"]);
}

#[test]
fn what_led_there_ends_at_the_last_record() {
    let mut turns: Vec<Turn> = (0..30)
        .map(|n| turn(&format!("t{n}"), f64::from(n)))
        .collect();
    turns.push(turn("it", 40.0).adds("/srv/shop/a.rs", 41.0, "old", "new"));
    turns.push(turn("commit", 50.0));
    turns.push(turn("after", 101.0));
    let one = [talk("one", turns)];
    let recorded = |seconds: f64| [(one[0].conversation.clone(), at(seconds))].into();
    let chosen = select(&adding(&["new"]), &one, &recorded(27.5));
    assert_eq!(
        words(&chosen),
        "(one/t28) (one/t29) one/it (one/commit); a.rs 2-2=it"
    );
    // Its own prompt may be older than that.
    let chosen = select(&adding(&["new"]), &one, &recorded(45.0));
    assert_eq!(words(&chosen), "one/it (one/commit); a.rs 2-2=it");
    // Without a record there is a bound.
    assert_eq!(choose(&adding(&["new"]), &one).prompts.len(), 1 + CONTEXT);
}

#[test]
fn a_turn_that_runs_makes_it_incomplete() {
    let running = |mut turn: Turn| {
        turn.ended = None;
        turn
    };
    let work = |turn: Turn| turn.adds("/srv/shop/a.rs", 2.0, "old", "new");
    let complete = |transcripts: &[Transcript]| choose(&adding(&["new"]), transcripts).complete;
    assert!(complete(&[talk(
        "one",
        vec![work(turn("a", 1.0)), running(turn("b", 5.0))]
    )]));
    assert!(!complete(&[talk(
        "one",
        vec![running(work(turn("a", 1.0)))]
    )]));
    let main = talk("one", vec![running(turn("a", 1.0))]);
    assert!(!complete(&[
        main,
        subagent("one", vec![work(turn("a", 1.0).unasked())])
    ]));
}

#[test]
fn a_fork_tells_the_same_again() {
    let work = || vec![turn("a", 1.0).adds("/srv/shop/a.rs", 2.0, "old", "new")];
    let chosen = choose(
        &adding(&["new"]),
        &[talk("one", work()), talk("two", work())],
    );
    assert_eq!(words(&chosen), "one/a; a.rs 2-2=a");
}

#[test]
fn lines_that_go_are_work_too() {
    let gone = |old: &str| Edit::Replace {
        before: None,
        old: old.into(),
        new: String::new(),
        all: false,
        shown: Vec::new(),
    };
    let one = talk(
        "one",
        vec![
            turn("cut", 1.0).told("/srv/shop/a.rs", 2.0, gone("b\n")),
            turn("no", 10.0).told("/srv/shop/a.rs", 11.0, gone("c\n")),
        ],
    );
    let commit = commit(vec![file("a.rs", bytes("a\nb\nc\n"), bytes("a\nc\n"))]);
    assert_eq!(
        words(&choose(&commit, &[one])),
        "one/cut (one/no); a.rs ~cut"
    );
}

#[test]
fn files_that_move_keep_their_past() {
    let moved = |to: &str| Edit::Moved {
        to: PathBuf::from(to),
        hunks: Vec::new(),
    };
    let one = [talk(
        "one",
        vec![
            turn("wrote", 1.0).adds("/srv/shop/a.rs", 2.0, "old", "first"),
            turn("moved", 10.0).told("/srv/shop/a.rs", 11.0, moved("/srv/shop/b.rs")),
            turn("more", 20.0).adds("/srv/shop/b.rs", 21.0, "first", "second"),
        ],
    )];
    // Git tells of it.
    let mut renamed = file("b.rs", bytes("old\n"), bytes("old\nfirst\nsecond\n"));
    renamed.old_path = Some("a.rs".into());
    let chosen = choose(&commit(vec![renamed]), &one);
    assert_eq!(
        words(&chosen),
        "one/wrote (one/moved) one/more; b.rs 2-2=wrote 3-3=more"
    );
    // It does not: what stood there before is nobody's.
    let pair = vec![
        file("a.rs", bytes("old\n"), Content::Missing),
        file("b.rs", Content::Missing, bytes("old\nfirst\nsecond\n")),
    ];
    let chosen = choose(&commit(pair), &one);
    let expected = "one/wrote one/moved one/more; a.rs ~moved; b.rs 1-1=? 2-2=wrote 3-3=more";
    assert_eq!(words(&chosen), expected);
    // It never saw the old name.
    let new = vec![file("b.rs", Content::Missing, bytes("first\nsecond\n"))];
    let wrote = Edit::Whole {
        before: Some(String::new()),
        after: "first\n".into(),
        shown: Vec::new(),
    };
    let mut two = one.clone();
    two[0].turns[0].changes[0].edit = wrote;
    assert_eq!(
        words(&choose(&commit(new), &two)),
        "one/wrote (one/moved) one/more; b.rs 1-1=wrote 2-2=more"
    );
}

#[test]
fn what_has_no_lines_goes_by_its_file() {
    let touch = |seconds: f64| {
        talk(
            "one",
            vec![turn("drew", seconds).told("/srv/shop/a.png", seconds, Edit::Touched)],
        )
    };
    let mut commit = commit(vec![file("a.png", Content::Unread, Content::Unread)]);
    assert_eq!(
        words(&choose(&commit, &[touch(5.0)])),
        "one/drew; a.png ~drew"
    );
    // Before the parent: only if the file was not written since.
    assert_eq!(words(&choose(&commit, &[touch(-5.0)])), "");
    commit.files[0].mtime = Some(at(-4.0));
    assert_eq!(
        words(&choose(&commit, &[touch(-5.0)])),
        "one/drew; a.png ~drew"
    );
}

#[test]
fn a_command_is_known_by_the_time_at_which_the_file_was_written() {
    let chosen = |turns: Vec<Turn>| {
        let mut commit = adding(&["generated"]);
        commit.files[0].mtime = Some(at(15.0));
        words(&choose(&commit, &[talk("one", turns)]))
    };
    let run = |text: &str, from: f64, to: f64| turn("ran", 1.0).runs(text, from, to);
    assert_eq!(
        chosen(vec![run("make gen", 14.0, 16.0)]),
        "one/ran; a.rs 2-2=? ~ran by make gen"
    );
    // Before or after it; for so long that a person may have; yet not if it names the file.
    assert_eq!(chosen(vec![run("make gen", 15.1, 16.0)]), "");
    assert_eq!(chosen(vec![run("make gen", 13.0, 14.9)]), "");
    assert_eq!(chosen(vec![run("make test", 1.0, 90.0)]), "");
    assert_eq!(
        chosen(vec![run("gen > a.rs", 1.0, 90.0)]),
        "one/ran; a.rs 2-2=? ~ran by gen > a.rs"
    );
    // It brings what others wrote; it runs elsewhere; behind the conversation; nobody knows how long.
    assert_eq!(chosen(vec![run("git stash pop", 14.0, 16.0)]), "");
    assert_eq!(
        chosen(vec![run("gen && git commit -qam x", 14.0, 16.0)])
            .matches('~')
            .count(),
        1
    );
    let but = |but: fn(&mut Command)| {
        let mut turn = run("make gen", 14.0, 16.0);
        but(&mut turn.commands[0]);
        chosen(vec![turn])
    };
    assert_eq!(
        but(|command| command.cwd = Some(PathBuf::from("/srv/other"))),
        ""
    );
    assert_eq!(but(|command| command.cwd = None), "");
    assert_eq!(but(|command| command.background = true), "");
    assert_eq!(but(|command| command.to = None), "");
    // Two may have.
    let other = turn("also", 2.0).runs("make all", 14.5, 16.5);
    assert_eq!(chosen(vec![run("make gen", 14.0, 16.0), other]), "");
    // An edit did: the rest of the file is somebody else's.
    let edited = run("make gen", 14.0, 16.0).adds("/srv/shop/a.rs", 15.0, "nothing like it", "x");
    assert_eq!(chosen(vec![edited]), "");
}

#[test]
fn git_says_which_lines_are_added() {
    let one = [talk(
        "one",
        vec![turn("it", 1.0).adds("/srv/shop/a.rs", 2.0, "}", "}")],
    )];
    let mut commit = commit(vec![file("a.rs", bytes("a\n}\n"), bytes("a\n}\n}\n"))]);
    // The last says more than there is.
    for added in [1..2, 2..3, 2..9] {
        commit.files[0].added = Some(vec![added.clone()]);
        let line = added.start + 1;
        assert_eq!(
            words(&choose(&commit, &one)),
            format!("one/it; a.rs {line}-{line}=it")
        );
    }
}

#[test]
fn lines_that_follow_each_other_are_one_span() {
    let one = talk(
        "one",
        vec![
            turn("it", 1.0)
                .adds("/srv/shop/a.rs", 2.0, "old", "first")
                .adds("/srv/shop/a.rs", 3.0, "first", "second"),
        ],
    );
    let mut commit = adding(&["first", "second", "", "by hand"]);
    commit
        .files
        .push(file("b.rs", Content::Missing, bytes("by hand\n")));
    commit
        .files
        .push(file("c.png", Content::Missing, Content::Unread));
    let selection = choose(&commit, &[one]);
    assert_eq!(
        words(&selection),
        "one/it; a.rs 2-3=it 4-5=?; b.rs 1-1=?; c.png"
    );
    assert_eq!(selection.files[0].ranges[1].hashes[0], 0);
}

mod moved;
