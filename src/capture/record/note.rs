//! A record as the note of its commit: text for people, `---`, and one line of JSON, which is an Agent
//! Trace record with the prompts in its metadata. Pure.
//!
//! What is read may come from another writer's repository, and nothing in it is trusted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::{Asked, FilePart, Record, Span, Talk, trace};
use crate::core::model::time;
use crate::core::sorted::Gather as _;
use crate::core::text::CleanText;

/// The largest note that is read, in bytes; ours have 64 KiB at most.
const LARGEST: usize = 4 << 20;
/// Most records of one note: those that git glued together.
const MOST: usize = 256;
/// The longest text that is read, in bytes.
const TEXT: usize = 64 << 10;
/// The longest path, in bytes.
const PATH: usize = 4096;

/// What stands under `metadata`.
#[derive(Serialize, Deserialize)]
struct Metadata<O> {
    #[serde(rename = "dev.vmux")]
    own: O,
}

/// What Agent Trace has no place for. Where files, prompts or commands are named by number, it is
/// their place in a list.
#[derive(Serialize, Deserialize)]
struct Own {
    /// The version of this form.
    v: u32,
    #[serde(default)]
    tree: String,
    #[serde(default)]
    patch_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    conversations: Vec<Talk>,
    #[serde(default)]
    prompts: Vec<Asked>,
    /// Commands that wrote or touched files.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "blocks"
    )]
    commands: Vec<CleanText>,
    /// In the order of the trace's files.
    #[serde(default)]
    files: Vec<OwnFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    redacted: BTreeMap<String, u32>,
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "blocks"
    )]
    cut: Vec<CleanText>,
}

/// First line, last line, prompt, command, and the hashes of the lines, in base64.
type Lines = (u32, u32, Option<usize>, Option<usize>, String);

#[derive(Serialize, Deserialize, Default)]
struct OwnFile {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Lines>,
    /// Prompt and command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    touched: Vec<(usize, Option<usize>)>,
    /// Of which lines, by their place in the list, another path is known under which they were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<(usize, String)>,
}

/// What is read of a trace.
#[derive(Deserialize)]
struct Read {
    #[serde(deserialize_with = "at")]
    timestamp: DateTime<Utc>,
    vcs: ReadVcs,
    files: Vec<ReadFile>,
    metadata: Metadata<Own>,
}

#[derive(Deserialize)]
struct ReadVcs {
    revision: String,
}

#[derive(Deserialize)]
struct ReadFile {
    path: String,
}

impl Record {
    /// The note.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = self.people();
        out.push_str("---\n");
        out.push_str(&self.json());
        out.push('\n');
        out
    }

    /// The note's last line.
    #[must_use]
    pub fn json(&self) -> String {
        let own = Metadata { own: self.own() };
        // Of strings and numbers alone: this cannot fail.
        serde_json::to_string(&trace::trace(self, own)).unwrap_or_default()
    }

    fn own(&self) -> Own {
        let mut commands: Vec<CleanText> = Vec::new();
        let mut number = |command: &Option<CleanText>| {
            let command = command.as_ref()?;
            let known = commands.iter().position(|known| known == command);
            Some(known.unwrap_or_else(|| {
                commands.push(command.clone());
                commands.len() - 1
            }))
        };
        let mut files = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let lines = file.ranges.iter().map(|span| {
                let hashes = encode(&span.hashes);
                (span.start, span.end, span.prompt, number(&span.by), hashes)
            });
            let lines = lines.collect();
            let from = file.ranges.iter().enumerate();
            let from = from.filter_map(|(at, span)| Some((at, span.from.clone()?)));
            let from = from.collect();
            let touched = file.touched.iter();
            let touched = touched.map(|(prompt, by)| (*prompt, number(by)));
            files.push(OwnFile {
                lines,
                touched: touched.collect(),
                from,
            });
        }
        Own {
            v: 1,
            tree: self.tree.clone(),
            patch_id: self.patch_id.clone(),
            from: self.from.clone(),
            complete: self.complete,
            conversations: self.conversations.clone(),
            prompts: self.prompts.clone(),
            commands,
            files,
            redacted: self.redacted.clone(),
            cut: self.cut.clone(),
        }
    }

    /// Reads a note: the last record in it, if git glued several together.
    ///
    /// # Errors
    /// What it is instead of a note of vmux.
    pub fn parse(note: &[u8]) -> Result<Self, String> {
        let (mut all, error) = read(note);
        all.pop().ok_or(error)
    }
}

/// The records of a note, in the order in which git glued them together, and why there are no more.
pub(super) fn read(note: &[u8]) -> (Vec<Record>, String) {
    if note.len() > LARGEST {
        return (Vec::new(), format!("{} bytes are no note", note.len()));
    }
    let mut all = Vec::new();
    let mut error = "no record of vmux is in it".to_owned();
    for line in note.split(|byte| *byte == b'\n') {
        if !line.starts_with(b"{") || all.len() == MOST {
            continue;
        }
        match serde_json::from_slice::<Read>(line) {
            Ok(read) => match checked(read) {
                Ok(record) => all.push(record),
                Err(words) => error = words.to_owned(),
            },
            Err(words) => error = CleanText::line(&words.to_string()).to_string(),
        }
    }
    (all, error)
}

/// The record, if all that it says fits together.
fn checked(read: Read) -> Result<Record, &'static str> {
    let own = read.metadata.own;
    if own.v != 1 {
        return Err("its form is of another version");
    }
    let hex = |id: &str| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if read.vcs.revision.is_empty() || !hex(&read.vcs.revision) {
        return Err("its commit is none");
    }
    let talks = own.conversations.len();
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let agents = own.conversations.iter().map(|talk| talk.agent.as_str());
    for agent in agents {
        if !(1..=32).contains(&agent.len()) || !agent.bytes().all(word) {
            return Err("its agent is none");
        }
    }
    if own
        .prompts
        .iter()
        .any(|prompt| prompt.conversation >= talks)
    {
        return Err("a prompt of it has no conversation");
    }
    if own.files.len() != read.files.len() {
        return Err("its files do not fit together");
    }
    let mut files = Vec::with_capacity(read.files.len());
    for (file, parts) in read.files.into_iter().zip(own.files) {
        files.push(part(file.path, parts, own.prompts.len(), &own.commands)?);
    }
    let rules = own.redacted.into_iter();
    let known = |(rule, _): &(String, u32)| rule.len() <= 32 && rule.bytes().all(word);
    Ok(Record {
        commit: read.vcs.revision,
        at: read.timestamp,
        tree: Some(own.tree).filter(|id| hex(id)).unwrap_or_default(),
        patch_id: Some(own.patch_id).filter(|id| hex(id)).unwrap_or_default(),
        from: own
            .from
            .into_iter()
            .filter(|id| !id.is_empty() && hex(id))
            .collect(),
        complete: own.complete,
        conversations: own.conversations,
        prompts: own.prompts,
        files,
        redacted: rules.filter(known).gather(),
        cut: own.cut,
    })
}

/// A file, if its lines are in order and what it names is there.
fn part(
    path: String,
    parts: OwnFile,
    prompts: usize,
    commands: &[CleanText],
) -> Result<FilePart, &'static str> {
    if path.is_empty() || path.len() > PATH {
        return Err("a path of it is none");
    }
    let command = |at: Option<usize>| match at {
        Some(at) => commands
            .get(at)
            .cloned()
            .map(Some)
            .ok_or("a command of it is missing"),
        None => Ok(None),
    };
    let mut ranges = Vec::with_capacity(parts.lines.len());
    let mut last = 0;
    for (start, end, prompt, by, hashes) in parts.lines {
        if start <= last || end < start || prompt.is_some_and(|at| at >= prompts) {
            return Err("lines of it are out of order");
        }
        last = end;
        let hashes = decode(&hashes).ok_or("hashes of it are none")?;
        if !hashes.is_empty() && hashes.len() as u64 != u64::from(end - start) + 1 {
            return Err("hashes of it are missing");
        }
        let by = command(by)?;
        ranges.push(Span {
            start,
            end,
            prompt,
            by,
            from: None,
            hashes,
        });
    }
    for (at, from) in parts.from {
        let span = ranges.get_mut(at).filter(|_| from.len() <= PATH);
        span.ok_or("lines of it are missing")?.from = Some(from);
    }
    let mut touched = Vec::with_capacity(parts.touched.len());
    for (prompt, by) in parts.touched {
        if prompt >= prompts {
            return Err("a prompt of it is missing");
        }
        touched.push((prompt, command(by)?));
    }
    Ok(FilePart {
        path,
        ranges,
        touched,
    })
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Numbers as base64 of their bytes, the lowest first, without filling.
fn encode(numbers: &[u32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            out.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u32>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = DIGITS.iter().position(|known| known == digit)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let [_, all @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend_from_slice(all.get(..group.len() - 1)?);
    }
    let numbers = bytes.chunks_exact(4);
    let rest = numbers.remainder().is_empty();
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).ok();
    rest.then(|| numbers.map(number).collect()).flatten()
}

/// A text that keeps its line breaks and its length.
struct Block(CleanText);

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self(CleanText::block(&raw, TEXT)))
    }
}

/// Reads texts that keep their line breaks and length, for `deserialize_with`.
pub(super) fn blocks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CleanText>, D::Error> {
    let all = Vec::<Block>::deserialize(from)?;
    Ok(all.into_iter().map(|block| block.0).collect())
}

/// The same of pairs.
pub(super) fn pairs<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<(CleanText, CleanText)>, D::Error> {
    let all = Vec::<(Block, Block)>::deserialize(from)?;
    Ok(all.into_iter().map(|(a, b)| (a.0, b.0)).collect())
}

/// Reads a time, which has to be one, for `deserialize_with`.
pub(super) fn at<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    time::deserialize(from)?.ok_or_else(|| D::Error::custom("no time"))
}
