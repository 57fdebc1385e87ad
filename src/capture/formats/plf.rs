//! Prompts as Promptcellar logs them: one JSON object a line. Pure.
//! **Source:** Promptcellar Logging Format, plf-1, revision of 2026-04-30, and its JSON schema.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Entry;
use crate::capture::record::{Asked, LEFT_OUT, Talk, provider, shortened, stamp, uuid};
use crate::core::text::CleanText;

/// Longest summary, in bytes. **Source:** the same, §3.9.
const SUMMARY: usize = 500;

/// Who asked. Both have to be something.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Author {
    /// The address.
    pub email: CleanText,
    /// The name.
    pub name: CleanText,
}

/// One prompt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Line {
    version: &'static str,
    /// The same for the same prompt, whoever writes it.
    pub id: String,
    /// The conversation, which is the file's name, too.
    pub session_id: String,
    /// When it was asked.
    pub timestamp: String,
    author: Author,
    tool: Tool,
    model: Model,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<CleanText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<Excluded>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Tool {
    name: String,
    version: CleanText,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Model {
    provider: &'static str,
    name: CleanText,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Parent {
    prompt_id: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Outcome {
    #[serde(skip_serializing_if = "CleanText::is_empty")]
    summary: CleanText,
    files_touched: Vec<String>,
    commits: Vec<String>,
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Excluded {
    reason: &'static str,
}

/// A prompt of a conversation, as redacted, with the files that came of it, from the top of the
/// working tree. `ended` tells whether its turn has.
#[must_use]
pub fn line(talk: &Talk, prompt: &Asked, author: &Author, files: Vec<String>, ended: bool) -> Line {
    let session = talk.session_id.as_str();
    let or_unknown = |text: Option<&CleanText>| match text {
        Some(text) if !text.is_empty() => text.clone(),
        _ => CleanText::line("unknown"),
    };
    let left_out = prompt.text.as_str() == LEFT_OUT;
    let answer = prompt
        .answers
        .last()
        .map(|answer| shortened(answer, SUMMARY));
    Line {
        version: "plf-1",
        id: uuid(&[session, &prompt.turn]),
        session_id: session.to_owned(),
        timestamp: stamp(prompt.at),
        author: Author {
            email: or_unknown(Some(&author.email)),
            name: or_unknown(Some(&author.name)),
        },
        tool: Tool {
            name: match talk.agent.as_str() {
                "claude" => "claude-code".to_owned(),
                other => other.to_owned(),
            },
            version: or_unknown(talk.version.as_ref()),
        },
        model: Model {
            provider: provider(talk),
            name: or_unknown(talk.model.as_ref()),
        },
        prompt: (!left_out).then(|| prompt.text.clone()),
        parent: None,
        outcome: (!left_out).then(|| Outcome {
            summary: answer.unwrap_or_default(),
            files_touched: files,
            commits: Vec::new(),
            status: if ended { "completed" } else { "unknown" },
        }),
        excluded: left_out.then_some(Excluded {
            reason: "matched an ignore pattern",
        }),
    }
}

impl Line {
    /// Names the prompt before it, which is of the same conversation.
    pub fn follows(&mut self, before: &str) {
        if self.excluded.is_none() {
            self.parent = Some(Parent {
                prompt_id: before.to_owned(),
            });
        }
    }

    /// The line, with its end.
    #[must_use]
    pub fn text(&self) -> String {
        // Of strings alone: this cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The prompts of records, by time; one that led to several commits once, with all of them.
#[must_use]
pub fn lines(entries: &[Entry]) -> String {
    let mut all: BTreeMap<(String, String), Line> = BTreeMap::new();
    for entry in entries {
        let record = &entry.record;
        for (at, prompt) in record.prompts.iter().enumerate() {
            let Some(talk) = record.conversations.get(prompt.conversation) else {
                continue;
            };
            let of = |file: &&super::super::record::FilePart| {
                let mut spans = file.ranges.iter();
                spans.any(|span| span.prompt == Some(at))
                    || file.touched.iter().any(|(prompt, _)| *prompt == at)
            };
            let files = record.files.iter().filter(of);
            let files = files.map(|file| file.path.clone()).collect();
            let new = line(talk, prompt, &entry.author, files, record.complete);
            let key = (new.timestamp.clone(), new.id.clone());
            let known = all.entry(key).or_insert_with(|| new.clone());
            if let (Some(known), Some(new)) = (&mut known.outcome, new.outcome) {
                let other: Vec<String> = new.files_touched;
                let other = other
                    .into_iter()
                    .filter(|path| !known.files_touched.contains(path));
                let other: Vec<String> = other.collect();
                known.files_touched.extend(other);
                if prompt.primary {
                    // The format knows ids of 40 digits.
                    known.commits.push(record.commit.chars().take(40).collect());
                }
            }
        }
    }
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut out = String::new();
    for mut line in all.into_values() {
        if let Some(before) = last.insert(line.session_id.clone(), line.id.clone()) {
            line.follows(&before);
        }
        out.push_str(&line.text());
    }
    out
}
