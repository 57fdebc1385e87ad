use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::core::transcript::Hunk;

fn recorded(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codex/changes");
    dir.join(format!("{name}.jsonl"))
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

/// What each prompt led to, one line each.
fn told(transcript: &Transcript) -> String {
    let mut out = String::new();
    let shop = Path::new("/home/dev/shop");
    for turn in &transcript.turns {
        let prompt = turn.prompt.as_ref().map(|prompt| prompt.text.as_str());
        let prompt = prompt.unwrap_or("(nobody)").replace('\n', " | ");
        writeln!(out, "> {prompt}").unwrap();
        for command in &turn.commands {
            assert_eq!(command.cwd.as_deref(), Some(shop));
            assert!(command.to >= Some(command.from));
            writeln!(out, "$ {}", command.text).unwrap();
        }
        for change in &turn.changes {
            let path = change.path.strip_prefix(shop).unwrap().display();
            let edit = match &change.edit {
                Edit::Hunks { hunks, deleted, .. } => {
                    format!("{}{}", if *deleted { "gone" } else { "" }, shown(hunks))
                }
                Edit::Moved { to, hunks } => {
                    let to = to.strip_prefix(shop).unwrap().display();
                    format!("to {to} {}", shown(hunks))
                }
                other => format!("{other:?}"),
            };
            writeln!(out, "{path}: {edit}").unwrap();
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
    for version in ["0.139.0", "0.171.0"] {
        let path = recorded(version);
        let read = transcript(&path, &|_| true).unwrap();
        let text = told(&read);
        let golden = path.with_extension("told");
        if std::fs::read_to_string(&golden).ok().as_ref() != Some(&text) {
            let new = golden.with_extension("told.new");
            std::fs::write(&new, &text).unwrap();
            different.push(new);
        }
        assert_eq!(read.agent, "codex");
        assert!(read.conversation.as_str().starts_with("01a22"));
        assert_eq!(read.version.as_deref(), Some(version));
        assert_eq!(read.model.as_deref(), Some("gpt-5-codex"));
        assert!(
            read.turns.iter().all(|turn| turn.ended > Some(turn.at)),
            "{version}"
        );
        let (touched, behind) = touched(&path, 0).unwrap();
        let names = [
            "crlf.txt",
            "end.txt",
            "gone.txt",
            "moved.txt",
            "new/made.rs",
            "old.txt",
            "tab.go",
        ];
        // And where it worked.
        let shop = Path::new("/home/dev/shop");
        let wanted = names.iter().map(|name| shop.join(name));
        let wanted = std::iter::once(shop.to_path_buf()).chain(wanted);
        assert!(touched.into_iter().eq(wanted));
        assert_eq!(behind, std::fs::metadata(&path).unwrap().len());
    }
    assert!(
        different.is_empty(),
        "{different:?} is not what was recorded; look at it"
    );
}

fn line(kind: &str, payload: &str, second: u32) -> String {
    format!(
        r#"{{"timestamp":"2026-11-28T10:00:{second:02}Z","type":"{kind}","payload":{payload}}}"#
    ) + "\n"
}

fn read(text: &str) -> Transcript {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rollout-x.jsonl");
    std::fs::write(&path, text).unwrap();
    transcript(&path, &|_| true).unwrap()
}

const OWN: &str = "01a22382-7f2b-7681-8c75-db5156e4c49b";

fn meta(more: &str) -> String {
    let meta = format!(r#"{{"id":"{OWN}","cwd":"/home/dev/shop","cli_version":"0.171.0"{more}}}"#);
    line("session_meta", &meta, 0)
}

fn started(turn: &str, second: u32) -> String {
    let event = format!(r#"{{"type":"task_started","turn_id":"{turn}","root_turn_id":"root"}}"#);
    line("event_msg", &event, second)
}

fn said(text: &str, second: u32) -> String {
    let event = format!(r#"{{"type":"user_message","message":"{text}"}}"#);
    line("event_msg", &event, second)
}

fn added(name: &str, second: u32) -> String {
    let event = format!(
        r#"{{"type":"patch_apply_end","status":"completed","changes":{{"{name}":{{"type":"add","content":"x"}}}}}}"#
    );
    line("event_msg", &event, second)
}

const ADDED: &str = "Whole { before: None, after: \"x\", shown: [] }";

/// By hand: a fork begins with a copy, whose turns are older than it.
#[test]
fn a_fork_tells_only_what_is_its_own() {
    let text = [
        meta(""),
        started("01a22382-0000-7492-a481-6caacdfb7aa3", 1),
        said("Copied", 1),
        added("copied", 1),
        started("01a22382-8b05-7492-a481-6caacdfb7aa3", 2),
        said("Own", 2),
        added("own", 2),
    ];
    assert_eq!(
        told(&read(&text.concat())),
        format!("> Own\nown: {ADDED}\n")
    );
}

/// By hand: nobody asked a subagent; its turn has the name of the one behind it.
#[test]
fn a_subagents_conversation_is_that_of_its_caller() {
    let source =
        r#","source":{"subagent":{"thread_spawn":{"parent_thread_id":"caller","depth":1}}}"#;
    let text = [
        meta(source),
        started("t", 1),
        said("Do it", 1),
        added("a", 2),
    ];
    let read = read(&text.concat());
    assert_eq!(told(&read), format!("> (nobody)\na: {ADDED}\n"));
    assert_eq!(read.conversation.as_str(), "caller");
    assert_eq!(read.subagent.as_deref(), Some(OWN));
    assert_eq!(read.turns[0].id.as_str(), "root");
}

#[test]
fn a_prompt_in_the_middle_of_a_turn_is_one_of_its_own() {
    let asks = r#"{"type":"function_call","name":"request_user_input","call_id":"q","arguments":"{\"questions\":[{\"id\":\"colour\",\"question\":\"Which?\"}]}"}"#;
    let answer = r#"{"type":"function_call_output","call_id":"q","output":"{\"answers\":{\"colour\":{\"answers\":[\"Red\"]}}}"}"#;
    let text = [
        meta(""),
        started("t", 1),
        said("First", 1),
        added("a", 2),
        said("Second", 3),
        line("response_item", asks, 4),
        line("response_item", answer, 5),
        added("b", 6),
        line(
            "event_msg",
            r#"{"type":"turn_aborted","turn_id":"t","reason":"interrupted"}"#,
            7,
        ),
    ];
    let read = read(&text.concat());
    let wanted = format!("> First\na: {ADDED}\n> Second\nb: {ADDED}\n? Which? Red\n");
    assert_eq!(told(&read), wanted);
    assert!(read.turns.iter().all(|turn| turn.ended.is_some()));
}

#[test]
fn a_command_that_goes_on_has_no_end_yet() {
    let call = r#"{"type":"function_call","name":"exec_command","call_id":"c","arguments":"{\"cmd\":\"make\",\"workdir\":\"sub\"}"}"#;
    let output = r#"{"type":"function_call_output","call_id":"c","output":"Process running with session ID 7"}"#;
    let end = r#"{"type":"item_completed","turn_id":"t","started_at_ms":1795860001000,"item":{"type":"CommandExecution","id":"c","command":["/bin/bash","-lc","make"],"source":"unified_exec_startup"}}"#;
    let mut text = [
        meta(""),
        started("t", 1),
        line("response_item", call, 2),
        line("response_item", output, 3),
    ]
    .concat();
    let command = read(&text).turns.remove(0).commands.remove(0);
    assert_eq!(
        command.cwd.as_deref(),
        Some(Path::new("/home/dev/shop/sub"))
    );
    assert!(command.background && command.to.is_none());
    text += &line("event_msg", end, 9);
    let command = read(&text).turns.remove(0).commands.remove(0);
    assert_eq!(
        command.to.unwrap().timestamp() - command.from.timestamp(),
        7
    );
}

#[test]
fn broken_and_hostile_lines_cost_only_themselves() {
    let patch = |changes: &str| {
        let event =
            format!(r#"{{"type":"patch_apply_end","status":"completed","changes":{changes}}}"#);
        line("event_msg", &event, 3)
    };
    let failed = added("failed", 3).replace("completed", "failed");
    let text = [
        "\0{\"type\":\"session_meta\",\n".to_owned(),
        meta(""),
        started("t", 1),
        said("Go", 2),
        patch("7"),
        patch(r#"{"a\u0000b":{"type":"add","content":"x"}}"#),
        patch(
            r#"{"a":{"type":"update","unified_diff":"@@ -x +y @@\n+1\n@@ -99999999999,1 +1 @@\n+2\n+3\\"}}"#,
        ),
        patch(r#"{"b":{"type":"odd"},"c":[1]}"#),
        failed,
    ];
    let told = told(&read(&text.concat()));
    assert_eq!(
        told,
        "> Go\na: @0 @0 \"+1\", @0 @0 \"+2\" \"+3\\\\\"\nb: Touched\n"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rollout-x.jsonl");
    for none in ["", "{}\n", "[1]\n"] {
        std::fs::write(&path, none).unwrap();
        let error = transcript(&path, &|_| true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn rollouts_are_found_by_when_they_were_written() {
    let home = tempfile::tempdir().unwrap();
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_000_000);
    for (path, age) in [
        ("sessions/2026/11/27/rollout-a.jsonl", 1),
        ("sessions/2026/11/28/rollout-b.jsonl", 100),
        ("archived_sessions/rollout-c.jsonl", 1),
        ("sessions/2026/11/28/notes.txt", 1),
    ] {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{}\n").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(now - std::time::Duration::from_secs(age))
            .unwrap();
    }
    let mut found = transcripts(home.path(), now - std::time::Duration::from_secs(10));
    found.sort();
    let wanted = [
        "archived_sessions/rollout-c.jsonl",
        "sessions/2026/11/27/rollout-a.jsonl",
    ];
    assert_eq!(found, wanted.map(|name| home.path().join(name)));
}
