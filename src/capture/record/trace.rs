//! A record as Agent Trace has it: which lines of which file come of which conversation. Pure.
//! **Source:** Agent Trace 0.1.0 (<https://agent-trace.dev/>), with the fields that its generated
//! schema allows and no others; `version` after the text and its own examples, which the schema
//! served there contradicts (`0.1`).

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::{Record, Span, Talk};

/// Longest id of a model, in characters. **Source:** the same, `contributor.model_id`.
const MODEL: usize = 250;

/// A trace record. `M` is what stands under `metadata`.
#[derive(Serialize)]
pub(super) struct Trace<'a, M> {
    version: &'static str,
    id: String,
    timestamp: String,
    vcs: Vcs<'a>,
    tool: Tool,
    files: Vec<File<'a>>,
    metadata: M,
}

#[derive(Serialize)]
struct Vcs<'a> {
    r#type: &'static str,
    revision: &'a str,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    conversations: Vec<Conversation>,
}

#[derive(Serialize)]
struct Conversation {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    contributor: Contributor,
    ranges: Vec<Range>,
}

#[derive(Serialize)]
struct Contributor {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
}

#[derive(Serialize)]
struct Range {
    start_line: u32,
    end_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<String>,
}

/// `record` so, with `metadata`.
pub(super) fn trace<M>(record: &Record, metadata: M) -> Trace<'_, M> {
    let mut named = vec![record.commit.as_str()];
    named.extend(
        record
            .conversations
            .iter()
            .map(|talk| talk.session_id.as_str()),
    );
    Trace {
        version: "0.1.0",
        id: uuid(&named),
        timestamp: stamp(record.at),
        vcs: Vcs {
            r#type: "git",
            revision: &record.commit,
        },
        tool: Tool {
            name: "vmux",
            version: env!("CARGO_PKG_VERSION"),
        },
        files: record
            .files
            .iter()
            .map(|file| File {
                path: &file.path,
                conversations: conversations(record, &file.ranges),
            })
            .collect(),
        metadata,
    }
}

/// The ranges of a file by conversation; those of nobody known last.
fn conversations(record: &Record, spans: &[Span]) -> Vec<Conversation> {
    let mut by_talk: BTreeMap<usize, Vec<Range>> = BTreeMap::new();
    for span in spans {
        let prompt = span.prompt.and_then(|at| record.prompts.get(at));
        let talk = prompt.map_or(usize::MAX, |prompt| prompt.conversation);
        by_talk.entry(talk).or_default().push(Range {
            start_line: span.start.max(1),
            end_line: span.end.max(span.start.max(1)),
            content_hash: content_hash(&span.hashes),
        });
    }
    let conversation = |(talk, ranges): (usize, Vec<Range>)| {
        let talk = record.conversations.get(talk);
        Conversation {
            url: talk.map(|talk| format!("vmux://{}/{}", talk.agent, talk.session_id)),
            contributor: Contributor {
                r#type: if talk.is_some() { "ai" } else { "unknown" },
                model_id: talk.and_then(model_id),
            },
            ranges,
        }
    };
    by_talk.into_iter().map(conversation).collect()
}

/// The id of a model as models.dev has it: `anthropic/claude-opus-4-5`.
fn model_id(talk: &Talk) -> Option<String> {
    let model = talk.model.as_deref()?;
    let whole = if model.contains('/') {
        model.to_owned()
    } else {
        format!("{}/{model}", provider(talk))
    };
    Some(whole.chars().take(MODEL).collect())
}

/// Who made the model of a conversation.
pub(in crate::capture) fn provider(talk: &Talk) -> &'static str {
    let model = talk.model.as_deref().unwrap_or_default();
    let starts = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    match talk.agent.as_str() {
        _ if starts(&["claude"]) => "anthropic",
        _ if starts(&["gpt", "o1", "o3", "o4", "codex"]) => "openai",
        _ if starts(&["gemini"]) => "google",
        "claude" => "anthropic",
        "codex" => "openai",
        _ => "unknown",
    }
}

/// A hash of lines, whatever their white space; nothing if theirs are not known.
fn content_hash(lines: &[u32]) -> Option<String> {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| line.to_le_bytes()).collect();
    (!lines.is_empty()).then(|| {
        let hash = fnv(&[&bytes]);
        format!("vmux1:{:08x}", (hash >> 32 ^ hash) & 0xffff_ffff)
    })
}

/// A UUID that the same words always get. **Source:** RFC 9562 §5.8 (version 8).
#[must_use]
pub fn uuid(words: &[&str]) -> String {
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let hash = fnv(&bytes) & !(0xf000 << 64) & !(0xc000 << 48);
    let hash = hash | 0x8000 << 64 | 0x8000 << 48;
    let digits = format!("{hash:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}

/// FNV-1a of 128 bits, with a mark between `parts`. **Source:** Fowler, Noll, Vo.
fn fnv(parts: &[&[u8]]) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let marks = parts.iter().flat_map(|part| part.iter().chain(&[0xff]));
    for byte in marks {
        hash = (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    }
    hash
}

/// A time as these formats have it, in UTC.
pub(in crate::capture) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_get_the_same_uuid() {
        let id = uuid(&["ab", "c"]);
        assert_eq!(id, uuid(&["ab", "c"]));
        assert_ne!(id, uuid(&["a", "bc"]));
        let form: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(form, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'8', "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
