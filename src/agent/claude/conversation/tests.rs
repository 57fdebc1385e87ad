use serde_json::{Value, json};

use super::*;

fn line(kind: &str, second: u32, content: &Value, more: &Value) -> Value {
    let mut line = json!({
        "type": kind, "isSidechain": false,
        "timestamp": format!("2026-11-20T11:00:{second:02}.000Z"),
        "message": {"role": kind, "content": content},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        line[name] = value.clone();
    }
    line
}

fn prompt(second: u32, text: &str) -> Value {
    line("user", second, &json!(text), &json!({}))
}

fn answer(second: u32, text: &str) -> Value {
    let content = json!([{"type": "text", "text": text}]);
    line("assistant", second, &content, &json!({}))
}

fn call(second: u32, name: &str) -> Value {
    let content =
        json!([{"type": "tool_use", "id": "t1", "name": name, "input": {"command": "ls"}}]);
    line("assistant", second, &content, &json!({}))
}

fn turn_duration() -> Value {
    json!({"type": "system", "subtype": "turn_duration", "durationMs": 9})
}

fn fold(lines: &[Value]) -> (Conversation, Vec<String>) {
    let mut conversation = Conversation::default();
    let mut messages = Vec::new();
    for line in lines {
        conversation.fold(line.to_string().as_bytes(), Some(&mut messages));
    }
    let texts = messages.iter().map(|message| message.text.to_string());
    (conversation, texts.collect())
}

/// 2.1.140 and 2.1.142 write a turn's duration also after an error that was given up.
#[test]
fn how_a_turn_ended_is_not_forgotten_when_its_duration_follows() {
    let failed = line(
        "assistant",
        2,
        &json!([{"type": "text", "text": "API Error: 400"}]),
        &json!({"isApiErrorMessage": true}),
    );
    let (conversation, _) = fold(&[prompt(1, "go"), failed, turn_duration()]);
    assert_eq!(conversation.last, LastLine::ApiError);
    let interrupted = prompt(2, "[Request interrupted by user]");
    let (conversation, _) = fold(&[prompt(1, "go"), interrupted, turn_duration()]);
    assert_eq!(conversation.last, LastLine::Interrupted);
    let (conversation, _) = fold(&[prompt(1, "go"), turn_duration()]);
    assert_eq!(conversation.last, LastLine::Answer);
}

/// 2.1.116 to 2.1.236 write a first prompt that is answered at once after its answer.
#[test]
fn a_prompt_that_is_written_late_changes_nothing() {
    let (conversation, texts) = fold(&[answer(3, "hi"), turn_duration(), prompt(2, "hello")]);
    assert_eq!(conversation.last, LastLine::Answer);
    assert_eq!(conversation.said.as_deref(), Some("hi"));
    assert_eq!(texts, ["hello", "hi"], "a preview has them in order");
    let (conversation, _) = fold(&[call(3, "Bash"), prompt(2, "list it")]);
    assert_eq!(conversation.last, LastLine::ToolCall);
    assert_eq!(conversation.pending.len(), 1, "its dialog is still open");
}

#[test]
fn a_clock_that_was_set_back_hides_no_prompt() {
    let (conversation, _) = fold(&[answer(59, "hi"), prompt(2, "and now?")]);
    assert_eq!(conversation.last, LastLine::Prompt);
    assert_eq!(conversation.said.as_deref(), Some("and now?"));
}

#[test]
fn what_stands_for_no_answer_was_not_said() {
    let mut filler = answer(3, "No response requested.");
    filler["message"]["model"] = json!("<synthetic>");
    let (conversation, texts) = fold(&[prompt(1, "go"), answer(2, "gone"), filler]);
    assert_eq!(conversation.said.as_deref(), Some("gone"));
    assert_eq!(texts, ["go", "gone"]);
    assert_eq!(conversation.last, LastLine::Answer);
    let (conversation, _) = fold(&[prompt(1, "go"), answer(2, "No response requested.")]);
    assert_eq!(conversation.said.as_deref(), Some("No response requested."));
}

#[test]
fn a_plan_is_known_by_its_title() {
    let plan = r##"{"plan":"\n# Paint it\n\n1. Open the tin\n"}"##;
    assert_eq!(summarise_input(plan).as_str(), "Paint it");
}
