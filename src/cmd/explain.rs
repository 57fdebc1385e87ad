//! `vmux explain`: everything that a verdict was made from, as the daemon has it.

use std::fmt::Write as _;

use chrono::DateTime;
use serde_json::Value;

use super::ask::{Context, target};
use super::out::{self, paint};
use crate::cli::Query;
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::protocol::{ExplainArgs, Request};
use crate::row;
use crate::text::{self, CleanText};

pub(super) fn run(context: &Context, args: &Query) -> anyhow::Result<Exit> {
    let request = Request::Explain(ExplainArgs {
        target: target(&args.query),
        environ: context.travelling(),
    });
    let (reply, _) = context.ask(&request)?;
    let missing = || Failure::new("could not explain the session: it has ended");
    let raw = reply.explanation.as_ref().ok_or_else(missing)?;
    if args.json {
        out::write(format!("{}\n", raw.get()).as_bytes())?;
        return Ok(Exit::Done);
    }
    let session = reply.sessions.first().ok_or_else(missing)?;
    let explanation: Value = serde_json::from_str(raw.get())?;
    let colored = out::colored(&context.environ);
    let mut page = String::new();
    let state = row::state_words(session, clock::now());
    writeln!(page, "{}  {state}", paint(&session.title(), "1", colored))?;
    let reason = session
        .reason
        .as_ref()
        .map(|reason| format!(" ({})", reason.as_str()))
        .unwrap_or_default();
    writeln!(page, "  state    {}{reason}", session.state.as_str())?;
    push_field(&mut page, "  because  ", &explanation["rule"]);
    push_field(&mut page, "  held     ", &explanation["held"]);
    push_field(&mut page, "  window   ", &explanation["place"]["proof"]);
    push_field(
        &mut page,
        "  trouble  ",
        &explanation["place"]["trouble"]["message"],
    );
    for (title, section) in [
        ("process", &explanation["evidence"]["process"]),
        ("status file", &explanation["evidence"]["file"]),
        ("transcript", &explanation["evidence"]["transcript"]),
        ("subagent", &explanation["evidence"]["subagent"]),
        ("hooks", &explanation["evidence"]["hook"]),
        ("git", &explanation["evidence"]["git"]),
        ("window", &explanation["place"]),
        ("problems", &explanation["evidence"]["problems"]),
    ] {
        let mut lines = String::new();
        push_value(&mut lines, section, 1);
        if title == "hooks"
            && let Some(at) = section["at"].as_str()
            && let Ok(at) = DateTime::parse_from_rfc3339(at)
        {
            let seconds = (clock::now() - at.to_utc()).num_seconds();
            writeln!(lines, "  age: {}", text::age(seconds))?;
        }
        if !lines.is_empty() {
            writeln!(page, "\n{}", paint(title, "1", colored))?;
            page.push_str(&lines);
        }
    }
    out::write(page.as_bytes())?;
    Ok(Exit::Done)
}

fn push_field(text: &mut String, name: &str, value: &Value) {
    if let Some(words) = scalar(value) {
        text.push_str(name);
        text.push_str(&words);
        text.push('\n');
    }
}

/// A value that fits a line; nothing for what is not there.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::String(text) => CleanText::line(text).some().map(|text| text.to_string()),
        Value::Array(values) => {
            let words: Vec<String> = values.iter().filter_map(scalar).collect();
            (!words.is_empty() && words.len() == values.len()).then(|| words.join(", "))
        }
        other => Some(other.to_string()),
    }
}

fn push_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let shown = name.replace('_', " ");
                if let Some(words) = scalar(value) {
                    text.push_str(&format!("{indent}{shown}: {words}\n"));
                } else {
                    let mut inner = String::new();
                    push_value(&mut inner, value, depth + 1);
                    if !inner.is_empty() {
                        text.push_str(&format!("{indent}{shown}:\n{inner}"));
                    }
                }
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| push_value(text, value, depth)),
        other => {
            if let Some(words) = scalar(other) {
                text.push_str(&format!("{indent}{words}\n"));
            }
        }
    }
}
