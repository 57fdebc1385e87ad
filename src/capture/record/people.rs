//! A record for people: what stands at the head of a note. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::{FilePart, Record};
use crate::core::text::{self, CleanText};

/// Columns of a prompt's line, and of what is quoted of a command.
const COLUMNS: usize = 70;
const COMMAND: usize = 40;
/// Most lines of one prompt.
const LINES: usize = 3;
/// Most files that a prompt's line names.
const FILES: usize = 12;

impl Record {
    /// The record as text: conversations, prompts with what came of them, and what else there is to
    /// say. None of its lines is empty, or `---`.
    #[must_use]
    pub fn people(&self) -> String {
        let mut out = String::new();
        for talk in &self.conversations {
            let version = talk.version.as_deref().map(|v| format!(" {v}"));
            let model = talk.model.as_deref().map(|m| format!(" · {m}"));
            let id: String = talk.session_id.as_str().chars().take(8).collect();
            let parts = [version, model].map(Option::unwrap_or_default).concat();
            line(&mut out, &format!("vmux 1 · {}{parts} · {id}", talk.agent));
        }
        for (at, prompt) in self.prompts.iter().enumerate() {
            let sign = if prompt.primary { "> " } else { "  before: " };
            quote(&mut out, sign, &prompt.text, &self.when(prompt.at));
            if prompt.primary {
                let places = self.places(|_, of| of == Some(at));
                let by = self.by_commands(at);
                let all: Vec<String> = places.into_iter().chain(by).collect();
                if !all.is_empty() {
                    line(&mut out, &format!("    {}", all.join("; ")));
                }
            }
        }
        let other = self.places(|_, of| of.is_none());
        if !other.is_empty() {
            line(
                &mut out,
                &format!("  by hand or unknown: {}", other.join("; ")),
            );
        }
        for cut in &self.cut {
            line(&mut out, &format!("  left out: {cut}"));
        }
        if !self.redacted.is_empty() {
            let rules = self.redacted.iter();
            let rules: Vec<String> = rules.map(|(rule, n)| format!("{n} {rule}")).collect();
            line(&mut out, &format!("  redacted: {}", rules.join(", ")));
        }
        if !self.complete {
            line(&mut out, "  a turn was not over yet");
        }
        out
    }

    /// A time, with its day if that is not the commit's.
    fn when(&self, at: DateTime<Utc>) -> String {
        let day = at.date_naive() == self.at.date_naive();
        at.format(if day {
            "%H:%M:%SZ"
        } else {
            "%Y-%m-%d %H:%M:%SZ"
        })
        .to_string()
    }

    /// `PATH LINES` for each file with lines that are `wanted` by file and prompt, and that no command
    /// wrote.
    fn places(&self, wanted: impl Fn(&FilePart, Option<usize>) -> bool) -> Vec<String> {
        let mut out = Vec::new();
        for file in &self.files {
            let mut all: BTreeMap<Option<&str>, Vec<(u32, u32)>> = BTreeMap::new();
            let spans = file.ranges.iter();
            for span in spans.filter(|span| span.by.is_none() && wanted(file, span.prompt)) {
                let spans = all.entry(span.from.as_deref()).or_default();
                spans.push((span.start, span.end));
            }
            for (from, spans) in all {
                let from = from.map(|from| format!(" from {}", shown(from)));
                let place = format!("{} {}", shown(&file.path), ranges(&spans));
                out.push(place + &from.unwrap_or_default());
            }
        }
        few(out)
    }

    /// `PATH LINES, PATH by: COMMAND` for each command of a prompt; what it touched has no lines.
    fn by_commands(&self, prompt: usize) -> Vec<String> {
        let mut by: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for file in &self.files {
            let path = shown(&file.path);
            let mut spans: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
            for span in file
                .ranges
                .iter()
                .filter(|span| span.prompt == Some(prompt))
            {
                if let Some(command) = &span.by {
                    spans
                        .entry(command)
                        .or_default()
                        .push((span.start, span.end));
                }
            }
            for (command, spans) in spans {
                let place = format!("{path} {}", ranges(&spans));
                by.entry(command).or_default().push(place);
            }
            for (_, command) in file.touched.iter().filter(|(of, _)| *of == prompt) {
                let command = command.as_deref().unwrap_or_default();
                by.entry(command).or_default().push(format!("{path}?"));
            }
        }
        let text = |(command, places): (&str, Vec<String>)| {
            let places = few(places).join(", ");
            match text::truncate(&CleanText::line(command), COMMAND) {
                none if none.is_empty() => places,
                command => format!("{places} by: {command}"),
            }
        };
        by.into_iter().map(text).collect()
    }
}

/// A path as it may be shown.
pub(in crate::capture) fn shown(path: &str) -> CleanText {
    CleanText::line(path)
}

/// The first ones, and how many more there are.
fn few(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(FILES);
    all.truncate(FILES);
    if more > 0 {
        all.push(format!("{more} more"));
    }
    all
}

/// `13-14, 17` of ranges that are in order; those that meet are one.
pub(in crate::capture) fn ranges(spans: &[(u32, u32)]) -> String {
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for &(start, end) in spans {
        match joined.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    let one = |(start, end): &(u32, u32)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    };
    let most = joined.iter().take(FILES).map(one).collect::<Vec<_>>();
    let more = if joined.len() > FILES { ", …" } else { "" };
    most.join(", ") + more
}

/// The first lines of a text behind `sign`, the first one with `when` at its right.
fn quote(out: &mut String, sign: &str, text: &str, when: &str) {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or("‹nothing›");
    let columns = COLUMNS - text::width(sign);
    let mut head = sign.to_owned();
    text::push_column(&mut head, first, columns);
    // Writing to a String cannot fail.
    let _ = write!(head, " {when}");
    line(out, &head);
    let sign = if sign.starts_with('>') {
        "> "
    } else {
        "          "
    };
    for more in lines.by_ref().take(LINES - 1) {
        line(out, &format!("{sign}{}", text::truncate(more, columns)));
    }
    if lines.next().is_some() {
        line(out, &format!("{sign}…"));
    }
}

/// Adds a line without spaces at its end, which git would take away.
fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
