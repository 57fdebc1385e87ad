//! `vmux config`

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::call::Context;
use super::out;
use crate::cmd::cli::{Config, ConfigVerb};
use crate::cmd::exit::{self, Exit};
use crate::core::text::CleanText;
use crate::serve::config::{Loaded, SCHEMA};

pub(super) fn run(context: &Context, args: &Config) -> anyhow::Result<Exit> {
    let path = &context.paths.config;
    let shown = CleanText::line(&path.display().to_string());
    match args.verb.unwrap_or(ConfigVerb::Show { json: false }) {
        ConfigVerb::Path => out::write(format!("{shown}\n").as_bytes())?,
        ConfigVerb::Schema => out::write(SCHEMA.as_bytes())?,
        ConfigVerb::Show { json } => {
            let loaded = Loaded::read(path);
            let text = if json {
                as_json(&loaded, shown.as_str())?
            } else {
                as_toml(&loaded, shown.as_str())?
            };
            out::write(text.as_bytes())?;
            say(&loaded);
        }
        ConfigVerb::Check => {
            let loaded = Loaded::read(path);
            say(&loaded);
            if !(loaded.wrong.is_empty() && loaded.unknown.is_empty()) {
                return Ok(Exit::Failed);
            }
            let found = match path.exists() {
                true => "is right",
                false => "is not there, and need not be",
            };
            out::write(format!("{shown} {found}\n").as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// What is wrong, a line each.
fn say(loaded: &Loaded) {
    for words in loaded.wrong.iter().chain(&loaded.unknown) {
        let words = CleanText::block(words, 4096);
        exit::say(&format!("vmux: {words}\n"));
    }
}

/// All keys, with what they are, and the line of the file that says so.
fn effective(loaded: &Loaded) -> anyhow::Result<Vec<(String, Value, Option<usize>)>> {
    let Value::Object(all) = serde_json::to_value(&loaded.config)? else {
        return Ok(Vec::new());
    };
    let with_line = |(key, value)| {
        let line = loaded.lines.get(&key).copied();
        (key, value, line)
    };
    Ok(all.into_iter().map(with_line).collect())
}

fn as_json(loaded: &Loaded, shown: &str) -> anyhow::Result<String> {
    let mut values = Map::new();
    for (key, value, line) in effective(loaded)? {
        let origin = match line {
            Some(line) => json!({"file": shown, "line": line}),
            None => json!("default"),
        };
        values.insert(key, json!({"value": value, "origin": origin}));
    }
    let whole = json!({
        "path": shown,
        "values": values,
        "wrong": loaded.wrong,
        "unknown": loaded.unknown,
    });
    Ok(format!("{whole}\n"))
}

/// As a file that could be written so. What is only found out when it is needed is a comment.
fn as_toml(loaded: &Loaded, shown: &str) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for (key, value, line) in effective(loaded)? {
        let text = match value {
            Value::Null => format!("# {key}"),
            // JSON's words, numbers and lists of words are TOML's, too.
            value => format!("{key} = {value}"),
        };
        let origin = match line {
            Some(line) => format!("{shown}:{line}"),
            None if text.starts_with('#') => "found out when it is needed".to_owned(),
            None => "default".to_owned(),
        };
        rows.push((text, origin));
    }
    let width = rows.iter().map(|(text, _)| text.len()).max().unwrap_or(0);
    let mut page = String::new();
    for (text, origin) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{text:width$}  # {origin}");
    }
    Ok(page)
}
