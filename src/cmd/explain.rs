//! `vmux explain`: everything that a verdict was made from, as the daemon has it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::call::{Context, target};
use super::out::{self, paint};
use crate::agent::{self, Agent};
use crate::cmd::cli::Query;
use crate::cmd::exit::Exit;
use crate::core::model::{Session, time};
use crate::core::text::{self, CleanText};
use crate::frontend::row;
use crate::protocol::reply::Explained;
use crate::protocol::request::ExplainArgs;
use crate::sys::clock;

pub(super) fn run(context: &Context, args: &Query) -> anyhow::Result<Exit> {
    let verb = ExplainArgs {
        target: target(&args.query),
        environ: context.travelling(),
    };
    let Explained {
        session,
        explanation: raw,
    } = context.call(verb)?;
    if args.json {
        out::write(format!("{}\n", raw.get()).as_bytes())?;
        return Ok(Exit::Done);
    }
    let explanation: Value = serde_json::from_str(raw.get())?;
    let colored = out::colored(&context.environ);
    out::write(render(&session, &explanation, clock::now(), colored).as_bytes())?;
    Ok(Exit::Done)
}

/// The verdict and its reason first, then every source with its values and their ages.
fn render(session: &Session, explanation: &Value, now: DateTime<Utc>, colored: bool) -> String {
    let mut page = String::new();
    let state = row::state_words(session, now);
    let title = paint(&session.title(), "1", colored);
    let reason = session
        .reason
        .as_ref()
        .map(|reason| format!(" ({})", reason.as_str()))
        .unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{title}  {state}");
    let _ = writeln!(page, "  state    {}{reason}", session.state.as_str());
    let printer = Printer { now };
    let place = &explanation["place"];
    printer.push_field(&mut page, "  because  ", &explanation["rule"]);
    printer.push_field(&mut page, "  held     ", &explanation["held"]);
    printer.push_field(&mut page, "  window   ", &place["proof"]);
    printer.push_field(&mut page, "  trouble  ", &place["trouble"]["message"]);
    let evidence = &explanation["evidence"];
    let claims = printer.claims(&explanation["claims"]);
    if !claims.is_empty() {
        let _ = write!(page, "\n{}\n{claims}", paint("claims", "1", colored));
    }
    let attention = attention(&explanation["session"]);
    let mut sections = vec![
        ("attention", &attention),
        ("process", &evidence["process"]),
        ("terminal", &evidence["terminal"]),
    ];
    let own = agent::by_name(&session.agent).map(Agent::sections);
    let own = own.into_iter().flatten();
    sections.extend(own.map(|(name, title)| (*title, &evidence[*name])));
    sections.extend([
        ("git", &evidence["git"]),
        ("window", place),
        ("problems", &evidence["problems"]),
    ]);
    for (title, section) in sections {
        let mut lines = String::new();
        printer.push_value(&mut lines, section, 1);
        if !lines.is_empty() {
            let _ = writeln!(page, "\n{}", paint(title, "1", colored));
            page.push_str(&lines);
        }
    }
    page
}

/// What decides where a session stands, and whether it calls.
fn attention(session: &Value) -> Value {
    let names = [
        "state_since",
        "waiting_since",
        "unseen",
        "snoozed_until",
        "pinned",
        "answerable",
        "answers",
    ];
    let fields = names.map(|name| (name.to_owned(), session[name].clone()));
    Value::Object(fields.into_iter().collect())
}

/// Prints values, and how old times are.
struct Printer {
    now: DateTime<Utc>,
}

/// A list longer than this is printed line by line, in characters.
const INLINE: usize = 60;

impl Printer {
    fn push_field(&self, text: &mut String, name: &str, value: &Value) {
        if let Some(words) = self.scalar(value) {
            text.push_str(name);
            text.push_str(&words);
            text.push('\n');
        }
    }

    /// What each source says of its state, the strongest first, and whether it counts.
    fn claims(&self, claims: &Value) -> String {
        let mut text = String::new();
        for claim in claims.as_array().into_iter().flatten() {
            let word = |name: &str| self.scalar(&claim[name]).unwrap_or_default();
            let reason = match word("reason") {
                reason if reason.is_empty() => reason,
                reason => format!(" ({reason})"),
            };
            let counts = match claim["in_force"].as_bool() {
                Some(true) => "in force",
                _ => "not in force",
            };
            let (source, state) = (word("source"), word("state"));
            let _ = writeln!(text, "  {source}: {state}{reason}, {counts}");
            let told = ["source", "state", "reason", "in_force"];
            let mut rest = claim.clone();
            if let Value::Object(fields) = &mut rest {
                fields.retain(|name, _| !told.contains(&name.as_str()));
            }
            self.push_value(&mut text, &rest, 2);
        }
        text
    }

    /// A value that fits a line; nothing for what is not there.
    fn scalar(&self, value: &Value) -> Option<String> {
        match value {
            Value::Null | Value::Object(_) => None,
            Value::String(text) => {
                let clean = CleanText::line(text).some()?;
                Some(format!("{clean}{}", self.age(text)))
            }
            Value::Array(values) => {
                let words: Vec<String> = values.iter().filter_map(|v| self.scalar(v)).collect();
                let short =
                    words.len() < 2 || words.iter().map(String::len).sum::<usize>() < INLINE;
                (!words.is_empty() && words.len() == values.len() && short)
                    .then(|| words.join(", "))
            }
            other => Some(other.to_string()),
        }
    }

    /// ` (3m ago)` of a time, and nothing of any other text.
    fn age(&self, text: &str) -> String {
        let Some(at) = time::parse(text) else {
            return String::new();
        };
        match (self.now - at).num_seconds() {
            ago @ 0.. => format!(" ({} ago)", text::age(ago)),
            ahead => format!(" (in {})", text::age(-ahead)),
        }
    }

    fn push_value(&self, text: &mut String, value: &Value, depth: usize) {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let shown = name.replace('_', " ");
                    if let Some(words) = self.scalar(value) {
                        text.push_str(&format!("{indent}{shown}: {words}\n"));
                    } else {
                        let mut inner = String::new();
                        self.push_value(&mut inner, value, depth + 1);
                        if !inner.is_empty() {
                            text.push_str(&format!("{indent}{shown}:\n{inner}"));
                        }
                    }
                }
            }
            Value::Array(values) => values
                .iter()
                .for_each(|value| self.push_value(text, value, depth)),
            other => {
                if let Some(words) = self.scalar(other) {
                    text.push_str(&format!("{indent}{words}\n"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::State;
    use serde_json::json;

    #[test]
    fn every_value_has_its_source_and_its_age() {
        let now: DateTime<Utc> = "2026-11-20T10:00:00Z".parse().unwrap();
        let session = Session {
            state: State::Idle,
            agent: CleanText::line("claude"),
            ..Session::default()
        };
        let long = "a long step that says how the window was found";
        let explanation = json!({
            "rule": "its file says idle",
            "session": {"unseen": true, "snoozed_until": "2026-11-20T10:05:00Z", "pinned": null},
            "claims": [
                {"source": "hook", "state": "needs_input", "reason": "plan", "rule": "told", "in_force": false,
                 "until": "2026-11-20T09:59:00Z"},
                {"source": "file", "state": "idle", "rule": "its file says idle", "certain": true, "in_force": true},
            ],
            "evidence": {
                "file": {"status": "idle\u{1b}[31m", "status_at": "2026-11-20T09:57:00Z"},
                "problems": ["one"],
            },
            "place": {"way": [long, long], "rejected": ["TMUX: another server"], "window": null},
        });
        let page = render(&session, &explanation, now, false);
        let (_, rest) = page.split_once("because").unwrap();
        assert_eq!(
            rest,
            format!(
                "  its file says idle\n\nclaims\n  hook: needs_input (plan), not in force\n    \
                 rule: told\n    until: 2026-11-20T09:59:00Z (1m ago)\n  file: idle, in force\n    certain: true\n    \
                 rule: its file says idle\n\nattention\n  snoozed until: 2026-11-20T10:05:00Z (in 5m)\n  \
                 unseen: true\n\nstatus file\n  status: idle\n  status at: 2026-11-20T09:57:00Z (3m ago)\n\n\
                 window\n  rejected: TMUX: another server\n  way:\n    {long}\n    {long}\n\nproblems\n  one\n"
            )
        );
    }
}
