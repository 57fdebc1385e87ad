use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::core::transcript::{Edit, Hunk};

fn recorded(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude/changes");
    dir.join(format!("{name}.jsonl"))
}

fn read(name: &str) -> Transcript {
    transcript(&recorded(name), &|_| true).unwrap()
}

fn shown(hunks: &[Hunk]) -> String {
    let lines = |hunk: &Hunk| {
        let lines: Vec<_> = hunk.lines.iter().map(|line| format!("{line:?}")).collect();
        format!(
            "@{} @{} {}",
            hunk.old_start,
            hunk.new_start,
            lines.join(" ")
        )
    };
    hunks.iter().map(lines).collect::<Vec<_>>().join(", ")
}

fn edit(edit: &Edit) -> String {
    match edit {
        Edit::Whole {
            before,
            after,
            shown: hunks,
        } => format!("{before:?} -> {after:?} {}", shown(hunks)),
        Edit::Replace {
            before,
            old,
            new,
            all,
            shown: hunks,
        } => {
            let all = if *all { "all " } else { "" };
            let before = before.as_ref().map(String::len);
            let hunks = shown(hunks);
            format!("of {before:?} {all}{old:?} -> {new:?} shown {hunks}")
        }
        Edit::Hunks {
            hunks,
            created,
            deleted,
        } => {
            let new = if *created { "new " } else { "" };
            let gone = if *deleted { "gone " } else { "" };
            format!("{new}{gone}{}", shown(hunks))
        }
        other => format!("{other:?}"),
    }
}

/// What each prompt led to, one line each.
fn told(transcript: &Transcript) -> String {
    let mut out = String::new();
    let shop = Path::new("/home/dev/shop");
    for turn in &transcript.turns {
        let prompt = turn.prompt.as_ref().map(|prompt| prompt.text.as_str());
        let prompt = prompt.unwrap_or("(nobody)").replace('\n', " | ");
        writeln!(out, "> {prompt}").unwrap();
        for command in &turn.commands {
            let behind = if command.background { " &" } else { "" };
            assert_eq!(command.cwd.as_deref(), Some(shop));
            writeln!(out, "$ {}{behind}", command.text).unwrap();
        }
        for change in &turn.changes {
            let path = change.path.strip_prefix(shop).unwrap().display();
            let by = if change.by.is_some() { "$ " } else { "" };
            writeln!(out, "{by}{path}: {}", edit(&change.edit)).unwrap();
        }
        for (question, answer) in &turn.asked {
            writeln!(out, "? {question} {answer}").unwrap();
        }
        for answer in &turn.answers {
            writeln!(out, "{answer}").unwrap();
        }
    }
    out
}

#[test]
fn the_recordings_tell_what_each_prompt_led_to() {
    let mut different = Vec::new();
    for (name, subagent) in [
        ("edits", None),
        ("bash", None),
        (
            "bash/subagents/agent-a009a0cc0ccc876d9",
            Some("a009a0cc0ccc876d9"),
        ),
        ("people", None),
    ] {
        let read = read(name);
        let text = told(&read);
        let golden = recorded(name).with_extension("told");
        if std::fs::read_to_string(&golden).ok().as_ref() != Some(&text) {
            let new = golden.with_extension("told.new");
            std::fs::write(&new, &text).unwrap();
            different.push(new);
        }
        assert_eq!(read.agent, "claude");
        // A subagent's conversation is that of its caller.
        assert_eq!(Some(read.conversation.as_str()), name.split('/').next());
        assert_eq!(read.subagent.as_deref(), subagent);
        assert_eq!(read.version.as_deref(), Some("2.1.332"));
        assert_eq!(read.model.as_deref(), Some("claude-opus-5-5"));
        assert!(
            read.turns.iter().all(|turn| turn.ended > Some(turn.at)),
            "{name}"
        );
    }
    assert!(
        different.is_empty(),
        "{different:?} is not what was recorded; look at it"
    );
}

#[test]
fn a_subagents_turn_has_the_name_of_the_prompt_behind_it() {
    let subagent = read("bash/subagents/agent-a009a0cc0ccc876d9");
    let turns = read("bash").turns;
    let behind = turns.iter().find(|turn| turn.id == subagent.turns[0].id);
    let prompt = behind.and_then(|turn| turn.prompt.as_ref()).unwrap();
    assert_eq!(prompt.text.as_str(), "Let another do it");
}

/// The results of one that works behind its caller, as 2.1.332 has them work, tell of no change.
#[test]
fn a_subagent_that_works_behind_did_what_it_asked_for() {
    let name = "behind/subagents/agent-a8c3b2975f881d1d9";
    let edit = "d.rs: Some(\"\") -> \"one by sub .\\ntwo by sub .\\n\" ";
    assert!(told(&read(name)).contains(edit), "{}", told(&read(name)));
    let (paths, _) = touched(&recorded(name), 0).unwrap();
    assert_eq!(paths, [PathBuf::from("/home/dev/shop/d.rs")].into());
    // Unless it was refused.
    let dir = tempfile::tempdir().unwrap();
    let refused = dir.path().join("agent-1f.jsonl");
    let text = std::fs::read_to_string(recorded(name)).unwrap();
    let result = "\"type\":\"tool_result\",";
    let error = format!("{result}\"is_error\":true,");
    assert!(text.contains(result));
    std::fs::write(&refused, text.replace(result, &error)).unwrap();
    let refused = transcript(&refused, &|_| true).unwrap();
    assert!(refused.turns.iter().all(|turn| turn.changes.is_empty()));
}

/// A fork begins with a copy of all that was said before.
#[test]
fn a_fork_tells_only_what_is_its_own() {
    assert_eq!(
        told(&read("forked")),
        "> In the fork\nfork.txt: Some(\"\") -> \"f\\n\" \nForked.\n"
    );
    // The one it was made from is gone: then it is the only one that knows.
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("forked.jsonl");
    std::fs::copy(recorded("forked"), &alone).unwrap();
    let alone = transcript(&alone, &|_| true).unwrap();
    let files = |name: &str| told(&alone).contains(name);
    assert!(files("colour.txt") && files("fork.txt"));
    assert_eq!(
        told(&read("cleared")),
        "> After clear\nafter.txt: Some(\"\") -> \"a\\n\" \nAfterwards.\n"
    );
}

#[test]
fn only_files_that_are_wanted_are_kept() {
    let read = transcript(&recorded("edits"), &|path| path.ends_with("tab.go")).unwrap();
    let kept: Vec<_> = read.turns.iter().flat_map(|turn| &turn.changes).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(read.turns.len(), 10, "prompts are kept");
}

#[test]
fn touched_files_are_known_from_any_line_on() {
    let all = std::fs::read(recorded("bash")).unwrap();
    let (paths, behind) = touched(&recorded("bash"), 0).unwrap();
    // With the directory in which commands ran.
    assert!(paths.contains(Path::new("/home/dev/shop")));
    assert_eq!((paths.len(), behind), (13, all.len() as u64));
    let last = all.windows(6).position(|part| part == b"loudly").unwrap();
    let from = all[..last].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let (paths, behind) = touched(&recorded("bash"), from as u64).unwrap();
    let wanted = ["/home/dev/shop", "/home/dev/shop/m/1.txt"];
    assert_eq!(Vec::from_iter(paths), wanted.map(PathBuf::from));
    assert_eq!(behind, all.len() as u64);
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one.jsonl");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn prompt(text: &str, second: u32) -> String {
    format!(
        r#"{{"type":"user","cwd":"/home/dev/shop","uuid":"u{second}","message":{{"content":{}}},"timestamp":"2026-11-28T10:00:{second:02}Z"}}"#,
        serde_json::json!(text)
    ) + "\n"
}

fn result(result: &str, second: u32) -> String {
    format!(
        r#"{{"type":"user","cwd":"/home/dev/shop/src","message":{{"content":[{{"type":"tool_result","tool_use_id":"t{second}"}}]}},"timestamp":"2026-11-28T10:00:{second:02}Z","toolUseResult":{result}}}"#
    ) + "\n"
}

/// By hand, in the shape that 1.0 to 2.0 wrote.
#[test]
fn several_edits_at_once_are_told_one_by_one() {
    let edits = r#"{"filePath":"../a.rs","edits":[{"old_string":"a","new_string":"b","replace_all":false},{"old_string":"c","new_string":"d","replace_all":true}],"originalFileContents":"a\nc\n","structuredPatch":[],"userModified":false}"#;
    let made = r#"{"filePath":"/home/dev/shop/new","oldString":"","newString":"new\n","originalFile":"","structuredPatch":[],"userModified":false}"#;
    let (_dir, path) = written(&[prompt("Go", 0), result(edits, 1), result(made, 2)].concat());
    assert_eq!(
        told(&transcript(&path, &|_| true).unwrap()),
        "> Go\na.rs: of Some(4) \"a\" -> \"b\" shown \na.rs: of None all \"c\" -> \"d\" shown \n\
         new: Some(\"\") -> \"new\\n\" \n"
    );
}

/// What a person changed in the dialog is not the agent's: that it was changed is all that is told.
#[test]
fn an_edit_that_a_person_changed_is_no_proof_of_lines() {
    let edit = r#"{"filePath":"/home/dev/shop/a","oldString":"a","newString":"by hand","originalFile":"a","structuredPatch":[],"userModified":true}"#;
    let (_dir, path) = written(&(prompt("Go", 0) + &result(edit, 1)));
    assert_eq!(
        told(&transcript(&path, &|_| true).unwrap()),
        "> Go\na: Touched\n"
    );
}

#[test]
fn a_result_that_stands_there_twice_counts_once() {
    let write = r#"{"filePath":"/home/dev/shop/a","content":"x","structuredPatch":[]}"#;
    let call = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t2","name":"Write","input":{}}]},"timestamp":"2026-11-28T10:00:01Z"}"#.to_owned() + "\n";
    let text = [prompt("Go", 0), call, result(write, 2), result(write, 2)].concat();
    let (_dir, path) = written(&text);
    assert_eq!(
        told(&transcript(&path, &|_| true).unwrap()),
        "> Go\na: None -> \"x\" \n"
    );
}

/// 2.1.116 to 2.1.236 write the first prompt behind what it led to, if that came at once.
#[test]
fn a_first_prompt_that_was_written_late_is_the_first() {
    let write = r#"{"filePath":"/home/dev/shop/a","content":"x","structuredPatch":[]}"#;
    let (_dir, path) = written(&[result(write, 2), prompt("Go", 1), prompt("On", 3)].concat());
    let told = told(&transcript(&path, &|_| true).unwrap());
    assert_eq!(told, "> Go\na: None -> \"x\" \n> On\n");
}

#[test]
fn what_was_pasted_is_left_out_of_the_prompt() {
    let pasted =
        "<pasted_content id=\"1\">\none\n</pasted_content id=\"2\">\n</pasted_content id=\"1\">";
    let more = "<pasted_content id=\"2\">\nnever ended";
    for (text, wanted, count) in [
        (
            "plain <b>text</b>\n\n  kept",
            "plain <b>text</b>\n\n  kept",
            0,
        ),
        (&*format!("{pasted}\n\nwhy?"), "‹2 lines pasted›\nwhy?", 1),
        (
            &*format!("a {pasted} b {more}"),
            "a\n‹2 lines pasted›\nb\n‹1 line pasted›",
            2,
        ),
    ] {
        let (said, pasted) = typed::typed(text).unwrap();
        assert_eq!((&*said, pasted.len()), (wanted, count), "{text}");
    }
    for own in [
        "<local-command-stdout>x</local-command-stdout>",
        "<bash-stdout></bash-stdout>",
        " ",
    ] {
        assert!(typed::typed(own).is_none(), "{own}");
    }
}

#[test]
fn broken_and_hostile_lines_cost_only_themselves() {
    let write = |path: &str| {
        format!(
            r#"{{"filePath":{},"content":"x","structuredPatch":[]}}"#,
            serde_json::json!(path)
        )
    };
    let text = [
        "\0\0{\"type\":\"user\",\"toolUseResult\":{\"structuredPatch\":\n".to_owned(),
        prompt("\u{1b}[31mGo\u{7}\u{202e}", 0),
        result(&write("/home/dev/shop/two\nlines"), 1),
        result(&write("../../../../../etc/passwd"), 2),
        result(&write("/home/dev/shop/a\0b"), 3),
        result(r#"{"filePath":7,"content":[],"structuredPatch":{}}"#, 4),
        result(
            r#"{"filePath":"/home/dev/shop/b","content":"x \ud83c y","structuredPatch":[{"lines":3}]}"#,
            5,
        ),
        result(
            r#"{"bashEditDiff":{"files":[3,{"hunks":1}],"changedFiles":[null,"/home/dev/shop/c"]}}"#,
            6,
        ),
    ];
    let (_dir, path) = written(&text.concat());
    let read = transcript(&path, &|_| true).unwrap();
    assert_eq!(read.turns.len(), 1);
    assert_eq!(read.turns[0].prompt.as_ref().unwrap().text.as_str(), "Go");
    let changes = read.turns[0].changes.iter();
    let paths: Vec<_> = changes
        .map(|change| change.path.to_str().unwrap())
        .collect();
    let shop = "/home/dev/shop";
    let wanted = ["two\nlines", "../../../etc/passwd", "b", "c"];
    let wanted = wanted.map(|name| match name.strip_prefix("../../..") {
        Some(outside) => outside.to_owned(),
        None => format!("{shop}/{name}"),
    });
    assert_eq!(paths, wanted);
    assert_eq!(Vec::from_iter(touched(&path, 0).unwrap().0).len(), 4);
    for none in ["", "{}\n", "[1,2]\n", "{\"type\":\"user\"}\n"] {
        let (_dir, path) = written(none);
        let error = transcript(&path, &|_| true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(touched(&path, 0).unwrap().0.len(), 0);
    }
}

/// A line over the bound is never held; which file it writes stands at its beginning.
#[test]
fn a_large_file_is_known_by_its_name_and_a_smaller_one_whole() {
    let write = |name: &str, size: usize| {
        let text = "x".repeat(size);
        format!(r#"{{"filePath":"/home/dev/shop/{name}","content":"{text}","structuredPatch":[]}}"#)
    };
    let (small, large) = (4 << 20, 30 << 20);
    let text = [
        prompt("Go", 0),
        result(&write("small", small), 1),
        result(&write("large", large), 2),
        prompt("On", 3),
    ];
    let (_dir, path) = written(&text.concat());
    let read = transcript(&path, &|_| true).unwrap();
    let [small_one, large_one] = &read.turns[0].changes[..] else {
        panic!("{:?}", read.turns.len());
    };
    assert!(matches!(&small_one.edit, Edit::Whole { after, .. } if after.len() == small));
    assert_eq!(
        (large_one.path.to_str(), &large_one.edit),
        (Some("/home/dev/shop/large"), &Edit::Touched)
    );
    assert_eq!(read.turns.len(), 2);
}

#[test]
fn transcripts_are_found_with_those_of_subagents() {
    let config = tempfile::tempdir().unwrap();
    let shop = config.path().join("projects/-home-dev-shop");
    let subagents = shop.join("one/subagents");
    std::fs::create_dir_all(&subagents).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let write = |path: &Path, age: u64| {
        std::fs::write(path, "{}\n").unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(now - Duration::from_secs(age)).unwrap();
    };
    write(&shop.join("one.jsonl"), 100);
    write(&subagents.join("agent-1f.jsonl"), 1);
    write(&subagents.join("agent-2f.jsonl"), 100);
    write(&shop.join("two.jsonl"), 1);
    write(&shop.join("agent-3f.jsonl"), 1);
    write(&shop.join("notes.txt"), 1);
    symlink("/etc/passwd", shop.join("linked.jsonl")).unwrap();
    let mut found = transcripts(config.path(), now - Duration::from_secs(10));
    found.sort();
    let wanted = [
        "agent-3f.jsonl",
        "one/subagents/agent-1f.jsonl",
        "two.jsonl",
    ];
    assert_eq!(found, wanted.map(|name| shop.join(name)));
    assert!(transcripts(Path::new("/nowhere"), now).is_empty());
}
