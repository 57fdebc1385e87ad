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

#[test]
fn a_subagents_own_file_needs_no_mark_on_its_lines() {
    for mark in [json!(true), Value::Null, json!("true")] {
        let mut line = call(1, "Bash");
        line["isSidechain"] = mark.clone();
        let mut conversation = Conversation::new(true);
        conversation.fold(line.to_string().as_bytes(), None);
        assert_eq!(conversation.last, LastLine::ToolCall, "{mark}");
    }
    let mut line = call(1, "Bash");
    line["isSidechain"] = json!(true);
    let (own, _) = fold(&[prompt(0, "go"), line]);
    assert_eq!(own.last, LastLine::Prompt);
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

/// The lines after `before`, as text.
fn after(before: &[Value], text: &str) -> Conversation {
    let (mut conversation, _) = fold(before);
    conversation.fold(text.as_bytes(), None);
    conversation
}

#[test]
fn half_of_a_surrogate_pair_costs_one_character() {
    let text = answer(2, "It is the flag HALF here.").to_string();
    let conversation = after(&[prompt(1, "which?")], &text.replace("HALF", r"\ud83c"));
    assert_eq!(
        conversation.said.as_deref(),
        Some("It is the flag \u{fffd} here.")
    );
    let asks = json!([{"type": "tool_use", "id": "t1", "name": "AskUserQuestion",
        "input": {"questions": [{"question": "Use HALF now?"}]}}]);
    let text = line("assistant", 2, &asks, &json!({})).to_string();
    let conversation = after(&[], &text.replace("HALF", r"\ud99c"));
    assert_eq!(
        conversation.pending[0].summary.as_str(),
        "Use \u{fffd} now?"
    );
    assert_eq!(conversation.broken, 0);
}

#[test]
fn a_record_is_read_whatever_stands_before_it_on_its_line() {
    let (one, two) = (answer(2, "one").to_string(), answer(3, "two").to_string());
    for text in [
        format!("{one}{two}"),
        format!("{}{two}", &one[..one.len() / 2]),
        format!("\u{0}\u{0}\u{0}{two}\r"),
        format!("\u{feff}{two}"),
        format!("{two}{}", &one[..9]),
    ] {
        let conversation = after(&[prompt(1, "go")], &text);
        assert_eq!(conversation.said.as_deref(), Some("two"), "{text}");
        assert_eq!(
            (conversation.last, conversation.broken),
            (LastLine::Answer, 0)
        );
    }
    let nothing = after(&[prompt(1, "go")], "\u{0}\u{0}\u{0}");
    assert_eq!((nothing.last, nothing.broken), (LastLine::Prompt, 1));
}

#[test]
fn what_a_result_does_not_name_is_the_first_call_that_waits() {
    let result = |id: &Value| {
        let content = json!([{"type": "tool_result", "tool_use_id": id, "content": "ok"}]);
        line("user", 3, &content, &json!({}))
    };
    let (conversation, _) = fold(&[call(2, "Bash"), result(&Value::Null)]);
    assert_eq!(conversation.last, LastLine::ToolResult);
    let mut nameless = call(2, "Bash");
    nameless["message"]["content"][0]["id"] = json!(7);
    let (conversation, _) = fold(&[nameless, result(&json!("t1"))]);
    assert_eq!(conversation.last, LastLine::ToolResult);
    let (conversation, _) = fold(&[call(2, "Bash"), result(&json!("t9"))]);
    assert_eq!(conversation.pending.len(), 1, "of another call");
}

/// The line of a result may be lost.
#[test]
fn a_call_is_over_when_the_model_speaks_again() {
    let of = |id: &str, mut line: Value| {
        line["message"]["id"] = json!(id);
        line
    };
    let (conversation, _) = fold(&[of("m1", call(2, "Bash")), of("m1", answer(3, "and"))]);
    assert_eq!(conversation.pending.len(), 1, "one message, two lines");
    let (conversation, _) = fold(&[of("m1", call(2, "Bash")), of("m2", answer(3, "done"))]);
    assert_eq!(conversation.pending, []);
}

#[test]
fn no_conversation_keeps_more_than_it_needs() {
    let mut conversation = Conversation::default();
    for n in 0..1000 {
        let head = format!(
            r#"{{"parentUuid":null,"message":{{"role":"assistant","content":[{{"type":"tool_use","id":"{n}{}","name":"Write""#,
            "x".repeat(1000)
        );
        conversation.fold_edges(head.as_bytes(), b"");
    }
    assert_eq!(conversation.pending.len(), PENDING);
    assert!(
        conversation
            .pending
            .iter()
            .all(|call| call.id.len() <= ID_CAP)
    );
}

const OWN: &str = "<command-message>review</command-message>\n<command-name>/review</command-name>\n<command-args>cart</command-args>";

#[test]
fn a_command_of_the_persons_own_is_a_prompt() {
    let expanded = line(
        "user",
        2,
        &json!([{"type": "text", "text": "Review the changes of cart."}]),
        &json!({"isMeta": true}),
    );
    let (conversation, texts) = fold(&[answer(1, "hi"), prompt(2, OWN), expanded]);
    assert_eq!(conversation.last, LastLine::Prompt);
    assert_eq!(conversation.said.as_deref(), Some("/review cart"));
    assert_eq!(texts, ["hi", "/review cart"]);
    let plugin = OWN
        .replace("/review", "/cart:review")
        .replace("cart</command-args>", "</command-args>");
    let (conversation, _) = fold(&[prompt(2, &plugin)]);
    assert_eq!(conversation.said.as_deref(), Some("/cart:review"));
}

#[test]
fn a_command_of_the_clis_own_is_no_prompt() {
    for text in [
        "<command-name>/model</command-name>\n<command-message>model</command-message>\n<command-args></command-args>",
        "<local-command-stdout>Set model to x</local-command-stdout>",
        "<local-command-caveat>Caveat: The messages below</local-command-caveat>",
        "<command-message>The \"pdf\" skill is loading</command-message>\n<command-name>pdf</command-name>",
        "<bash-stdout>hi</bash-stdout><bash-stderr></bash-stderr>",
        "<command-message>cut",
    ] {
        let (conversation, texts) = fold(&[answer(1, "hi"), prompt(2, text)]);
        assert_eq!(conversation.last, LastLine::Answer, "{text}");
        assert_eq!(texts, ["hi"]);
    }
}

/// `! make`: the CLI runs it; a newer one answers to it after that, by a line of its own.
#[test]
fn what_a_person_has_the_shell_do_shows_and_is_no_work_of_the_model() {
    let (conversation, texts) =
        fold(&[answer(1, "hi"), prompt(2, "<bash-input>make</bash-input>")]);
    assert_eq!(conversation.last, LastLine::Answer);
    assert_eq!(texts, ["hi", "! make"]);
}

#[test]
fn a_prompt_too_long_to_be_read_shows_its_beginning() {
    let head = r#"{"parentUuid":null,"isSidechain":false,"type":"user","message":{"role":"user","content":""#;
    let text = format!("{head}what is this? {}\"}}}}", r"é\n".repeat(4000));
    let mut conversation = Conversation::default();
    let head: Vec<u8> = text.bytes().take(4096).collect();
    conversation.fold_edges(&head, &text.as_bytes()[text.len() - 200..]);
    assert_eq!(conversation.last, LastLine::Prompt);
    assert!(conversation.said.unwrap().starts_with("what is this? é é"));
}

/// A queued prompt: 2.1.328 says idle, and 8 ms later busy.
#[test]
fn what_is_queued_or_runs_beside_may_go_on_after_a_turn() {
    let ended = || {
        let mut line = answer(9, "done");
        line["message"]["stop_reason"] = json!("end_turn");
        line
    };
    let queue = |what: &str| json!({"type": "queue-operation", "operation": what});
    let may_go_on = |lines: &[Value]| fold(lines).0.may_go_on();
    assert!(!may_go_on(&[prompt(1, "go"), ended()]));
    let open = [prompt(1, "go"), answer(2, "a text")];
    assert!(may_go_on(&open));
    assert!(!may_go_on(&[&open[..], &[turn_duration()]].concat()));
    let queued = [queue("enqueue"), queue("dequeue"), ended()];
    assert!(may_go_on(&queued));
    assert!(!may_go_on(
        &[&queued[..], &[prompt(10, "and now"), ended()]].concat()
    ));
    assert!(may_go_on(&[prompt(1, "go"), call(2, "Agent"), ended()]));
}
