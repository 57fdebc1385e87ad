//! The whole of what a dialog asks, from the payload of the hook `PermissionRequest`, and the
//! hook's answer. Pure.
//!
//! **Source:** the real CLI, 2.0.45, 2.0.77, 2.1.50, 2.1.142 and 2.1.328: the dialog is on the screen
//! while the hook runs, so that waiting delays nobody. Who answers first counts; Esc ends the hook
//! with SIGTERM, any other answer leaves it running and ignores what it says. 2.1.328 takes
//! `updatedInput` with `answers` (question: label) as the answer to AskUserQuestion, and a yes to a
//! plan only with `updatedInput`. After that 2.0.77 says that it left plan mode, and stays in it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::record::mend;
use crate::core::model::{Decision, Dialog, Offer, Question};
use crate::core::text::{CleanText, spelled_out};

/// Bytes of a request that are shown. A file that is written may be larger.
const TEXT: usize = 12_000;

/// The one tool whose answers are options. Any other may have a field of that name.
const QUESTIONS: &str = "AskUserQuestion";

#[derive(Deserialize)]
struct Payload {
    tool_name: String,
    #[serde(default)]
    tool_input: Map<String, Value>,
}

/// Half of a surrogate pair is replaced here as it is on the screen; an answer that holds it then
/// does so in question and answer alike.
fn parse(payload: &[u8]) -> Option<Payload> {
    serde_json::from_str(&mend(payload)).ok()
}

/// Reads what is asked; `None` if this is no such payload.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Dialog> {
    let payload = parse(payload)?;
    let input = &payload.tool_input;
    // Cleaning would hide what a shell still runs: here it is written out.
    let text = spelled_out(&text(&payload.tool_name, input));
    Some(Dialog {
        id: 0,
        cut: CleanText::block(&text, usize::MAX).len() + 4 > TEXT,
        tool: CleanText::line(&payload.tool_name),
        text: CleanText::block(&text, TEXT),
        questions: if payload.tool_name == QUESTIONS {
            questions(input)
        } else {
            Vec::new()
        },
    })
}

fn field<'a>(input: &'a Map<String, Value>, name: &str) -> &'a str {
    input.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The request as it is read. Fields that a tool is not known to have are shown as they are: one
/// of them may switch a sandbox off.
fn text(tool: &str, input: &Map<String, Value>) -> String {
    let field = |name| field(input, name);
    let (text, known) = match tool {
        "Bash" | "PowerShell" => match field("description") {
            "" => (field("command").to_owned(), &["command"][..]),
            why => {
                let text = format!("{}\n\n# {why}", field("command"));
                (text, &["command", "description"][..])
            }
        },
        "Write" => {
            let text = format!("{}\n{}", field("file_path"), marked(field("content"), '+'));
            (text, &["file_path", "content"][..])
        }
        "Edit" => {
            let text = format!("{}\n{}", field("file_path"), change(input));
            (text, &["file_path", "old_string", "new_string"][..])
        }
        "MultiEdit" => {
            let edits = input.get("edits").and_then(Value::as_array);
            let edits = edits.into_iter().flatten().filter_map(Value::as_object);
            let edits: Vec<String> = edits.map(change).collect();
            let text = format!("{}\n{}", field("file_path"), edits.join("\n"));
            (text, &["file_path", "edits"][..])
        }
        "ExitPlanMode" => (field("plan").to_owned(), &["plan"][..]),
        QUESTIONS => (String::new(), &["questions"][..]),
        _ => (String::new(), &[][..]),
    };
    let others = input.iter().filter(|(name, _)| !known.contains(&&***name));
    let lines = others.map(|(name, value)| match value {
        Value::String(text) => format!("{name}: {text}\n"),
        other => format!("{name}: {other}\n"),
    });
    let others: String = lines.collect();
    match (text.is_empty(), others.is_empty()) {
        (_, true) => text,
        (true, false) => others,
        (false, false) => format!("{}\n\n{others}", text.trim_end()),
    }
}

fn change(edit: &Map<String, Value>) -> String {
    let old = marked(field(edit, "old_string"), '-');
    let new = marked(field(edit, "new_string"), '+');
    format!("{old}{new}")
}

/// Each line with a mark before it.
fn marked(text: &str, mark: char) -> String {
    text.lines()
        .map(|line| format!("{mark} {line}\n"))
        .collect()
}

fn questions(input: &Map<String, Value>) -> Vec<Question> {
    let line = |value: &Value, name: &str| {
        CleanText::line(value.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    let all = input.get("questions").and_then(Value::as_array);
    let all = all.into_iter().flatten();
    let question = |question: &Value| {
        let options = question.get("options").and_then(Value::as_array);
        let choice = |option: &Value| Offer {
            label: line(option, "label"),
            description: line(option, "description"),
        };
        Question {
            text: line(question, "question"),
            options: options.into_iter().flatten().map(choice).collect(),
            several: question.get("multiSelect") == Some(&Value::Bool(true)),
        }
    };
    all.map(question).collect()
}

/// What the hook writes for a decision; `None` if it does not fit the payload.
#[must_use]
pub fn answer(payload: &[u8], decision: &Decision) -> Option<String> {
    let decision = match decision {
        Decision::Allow => allowed(payload),
        Decision::Deny(message) => {
            let message = if message.is_empty() {
                "The user denied it."
            } else {
                message
            };
            json!({"behavior": "deny", "message": message})
        }
        Decision::Choose(choices) => {
            let input = with_answers(payload, choices)?;
            json!({"behavior": "allow", "updatedInput": input})
        }
        Decision::Unknown => return None,
    };
    let output = json!({"hookSpecificOutput": {
        "hookEventName": "PermissionRequest",
        "decision": decision,
    }});
    Some(output.to_string())
}

/// A yes. To that of a plan belongs its input: 2.1.328 goes on waiting for its user otherwise.
fn allowed(payload: &[u8]) -> Value {
    match parse(payload).filter(|payload| payload.tool_name == "ExitPlanMode") {
        Some(plan) => json!({"behavior": "allow", "updatedInput": plan.tool_input}),
        None => json!({"behavior": "allow"}),
    }
}

/// The input of the question tool with the answers in it, in the very words of the model.
fn with_answers(payload: &[u8], choices: &[Vec<usize>]) -> Option<Map<String, Value>> {
    let payload = parse(payload)?;
    if payload.tool_name != QUESTIONS {
        return None;
    }
    let mut input = payload.tool_input;
    let questions = input.get("questions")?.as_array()?;
    let mut answers = Map::new();
    for (question, chosen) in questions.iter().zip(choices) {
        let options = question.get("options")?.as_array()?;
        let label = |n: &usize| options.get(*n)?.get("label")?.as_str();
        let labels: Option<Vec<&str>> = chosen.iter().map(label).collect();
        let text = question.get("question")?.as_str()?;
        answers.insert(text.to_owned(), Value::String(labels?.join(", ")));
    }
    input.insert("answers".to_owned(), Value::Object(answers));
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(tool: &str, input: &Value) -> Vec<u8> {
        json!({"session_id": "s", "tool_name": tool, "tool_input": input})
            .to_string()
            .into_bytes()
    }

    fn text_of(tool: &str, input: &Value) -> String {
        read(&payload(tool, input)).unwrap().text.to_string()
    }

    #[test]
    fn the_whole_request_is_shown() {
        let bash = json!({"command": "cd a &&\n  make", "description": "Build it"});
        assert_eq!(text_of("Bash", &bash), "cd a &&\n  make\n\n# Build it");
        let edit = json!({"file_path": "/w/a.rs", "old_string": "one\ntwo", "new_string": "three"});
        assert_eq!(text_of("Edit", &edit), "/w/a.rs\n- one\n- two\n+ three");
        let write = json!({"file_path": "/w/a.rs", "content": "fn a() {}\n"});
        assert_eq!(text_of("Write", &write), "/w/a.rs\n+ fn a() {}");
        let edits = json!({"file_path": "/w", "edits": [{"old_string": "a", "new_string": "b"}, {"new_string": "c"}]});
        assert_eq!(text_of("MultiEdit", &edits), "/w\n- a\n+ b\n\n+ c");
        let flags = json!({"command": "make", "dangerouslyDisableSandbox": true, "timeout": 5});
        let shown = "make\n\ndangerouslyDisableSandbox: true\ntimeout: 5";
        assert_eq!(text_of("Bash", &flags), shown);
        let other = json!({"url": "http://x", "depth": 3});
        assert_eq!(text_of("mcp__web__get", &other), "depth: 3\nurl: http://x");
    }

    #[test]
    fn what_a_session_wrote_is_cleaned_and_bounded() {
        let hostile = json!({"command": "\u{1b}[31mred\u{7}\u{0}"});
        assert_eq!(
            text_of("Bash", &hostile),
            "\\u{1b}[31mred\\u{7}\\u{0}",
            "what a shell runs is seen"
        );
        let hidden = json!({"command": "echo \u{1b}X; rm -rf / ;\u{1b}\\ \u{202e}"});
        assert!(text_of("Bash", &hidden).contains("rm -rf /"));
        let long = json!({"command": "x".repeat(100_000)});
        assert!(text_of("Bash", &long).chars().count() <= TEXT + 1);
        assert!(read(&payload("Bash", &long)).unwrap().cut);
        assert!(!read(&payload("Bash", &hostile)).unwrap().cut);
        for letter in ["é", "\t|"] {
            let wide = json!({"command": letter.repeat(TEXT / 2 - 1)});
            assert!(read(&payload("Bash", &wide)).unwrap().cut, "{letter:?}");
        }
        for nonsense in [
            "",
            "{",
            "[]",
            r#"{"tool_name":7}"#,
            r#"{"tool_name":"Bash","tool_input":3}"#,
        ] {
            assert_eq!(read(nonsense.as_bytes()), None, "{nonsense}");
        }
    }

    #[test]
    fn a_question_is_answered_in_the_models_own_words() {
        let input = json!({"questions": [
            {"question": "Which  colour?", "multiSelect": false, "options": [
                {"label": "Red", "description": "a warm one"}, {"label": "Blue\u{7}", "description": "a cold one"}]},
            {"question": "And?", "multiSelect": true, "options": [{"label": "a"}, {"label": "b"}, {"label": "c"}]},
        ]});
        let payload = payload("AskUserQuestion", &input);
        let asked = read(&payload).unwrap();
        assert_eq!(&*asked.questions[0].options[1].label, "Blue");
        assert!(asked.questions[1].several && !asked.questions[0].several);
        let decision = Decision::Choose(vec![vec![1], vec![0, 2]]);
        let said: Value = serde_json::from_str(&answer(&payload, &decision).unwrap()).unwrap();
        let decision = &said["hookSpecificOutput"]["decision"];
        assert_eq!(decision["behavior"], "allow");
        let answers = json!({"Which  colour?": "Blue\u{7}", "And?": "a, c"});
        assert_eq!(decision["updatedInput"]["answers"], answers);
        assert_eq!(decision["updatedInput"]["questions"], input["questions"]);
        let beyond = Decision::Choose(vec![vec![9], vec![0]]);
        assert_eq!(answer(&payload, &beyond), None);
    }

    #[test]
    fn a_field_called_questions_makes_no_question() {
        let input = json!({"command": "x", "questions": [{"question": "Which?", "options": [{"label": "Red"}]}]});
        let payload = payload("mcp__shell__run", &input);
        let asked = read(&payload).unwrap();
        assert!(asked.questions.is_empty() && asked.text.contains("Which?"));
        assert_eq!(answer(&payload, &Decision::Choose(vec![vec![0]])), None);
    }

    #[test]
    fn yes_and_no_are_what_the_cli_expects() {
        let payload = payload("Bash", &json!({}));
        assert_eq!(
            answer(&payload, &Decision::Allow).unwrap(),
            r#"{"hookSpecificOutput":{"decision":{"behavior":"allow"},"hookEventName":"PermissionRequest"}}"#
        );
        let no = answer(&payload, &Decision::Deny("use make".into())).unwrap();
        assert!(
            no.contains(r#""behavior":"deny","message":"use make""#),
            "{no}"
        );
    }

    #[test]
    fn a_plan_is_allowed_with_its_input() {
        let input = json!({"plan": "# Paint it\n", "planFilePath": "/c/plans/a.md", "more": [1]});
        let payload = payload("ExitPlanMode", &input);
        let said: Value =
            serde_json::from_str(&answer(&payload, &Decision::Allow).unwrap()).unwrap();
        let decision = &said["hookSpecificOutput"]["decision"];
        assert_eq!(
            *decision,
            json!({"behavior": "allow", "updatedInput": input})
        );
    }
}
