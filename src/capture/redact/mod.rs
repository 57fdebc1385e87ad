//! Takes secrets out of texts before anything is written. Pure.
//!
//! Marked as `[redacted:RULE]` are, by the rule's name:
//!
//! | rule | what |
//! |---|---|
//! | `environment` | values of the session's environment and of `.env` files, also percent-encoded or in base64 |
//! | `own` | what the person listed |
//! | `token` | tokens of well-known services by their prefix, and JWTs |
//! | `pem` | private keys, also without their end |
//! | `url` | users and passwords in URLs |
//! | `curl` | `curl -u USER:PASSWORD` |
//! | `header` | `Authorization`, `Cookie` and the like, `Bearer …` |
//! | `assignment` | values of keys that are named as secrets, and arguments of calls that are |
//! | `command` | passwords and tokens in commands: `sshpass -p …`, `… login TOKEN`, `echo … \| … --password-stdin` |
//! | `prose` | words that look random near what names a secret: `the password is …` |
//!
//! The person's home directory becomes `~`. Nothing is judged by its entropy alone: paths, hashes and
//! ids look as random as secrets do.
//!
//! Not caught, unless the environment has it: a secret far from what names it, or named by nothing;
//! passwords of letters alone in prose, and those that read as a name does; one that is broken over
//! lines or encoded (an environment's value in base64 is); values of less than eight characters; pass
//! phrases with spaces, but in `NAME="…"`.

mod assign;
mod commands;
mod known;
mod needles;
mod pairs;
mod places;
mod prefixes;
mod programs;
mod prose;
mod token;
mod value;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use regex_lite::{Regex, RegexBuilder};

pub use self::known::{env_file, secrets};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;

/// What stands before the rule's name in a mark.
const MARK: &str = "[redacted:";
/// Most rounds over one text: each marks more of it, the second is for what the marks uncovered.
const ROUNDS: usize = 16;
/// Largest pattern of a person, compiled, in bytes.
const PATTERN_BYTES: usize = 256 * 1024;

/// A place that a rule marks.
struct Hit {
    range: Range<usize>,
    rule: &'static str,
}

/// Takes secrets out of texts.
#[derive(Debug)]
pub struct Redactor {
    known: known::Known,
    own: Vec<Regex>,
    ignored: Vec<Ignored>,
    home: Option<String>,
    counts: BTreeMap<String, u32>,
}

/// A pattern of prompts that are not kept.
#[derive(Debug)]
struct Ignored {
    id: Option<String>,
    pattern: Regex,
}

impl Redactor {
    /// Marks `values` as they are, and what `own` lists: a word as it is, in any case, or a regular
    /// expression between slashes.
    ///
    /// # Errors
    /// If an expression is none: then nothing may be written, for nothing is known to be safe.
    pub fn new(values: Vec<String>, own: &[String], home: &Path) -> Result<Self, String> {
        let own = own.iter().filter(|word| !word.trim().is_empty());
        let home = home.to_str().map(|home| home.trim_end_matches('/'));
        Ok(Self {
            known: known::Known::new(values),
            own: own.map(|word| listed(word)).collect::<Result<_, _>>()?,
            ignored: Vec::new(),
            home: home.filter(|home| home.len() > 1).map(str::to_owned),
            counts: BTreeMap::new(),
        })
    }

    /// Has [`Self::ignores`] go by `words`, too, as [`Self::new`] takes them.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ignoring(&mut self, words: &[String]) -> Result<(), String> {
        for word in words.iter().filter(|word| !word.trim().is_empty()) {
            let pattern = listed(word)?;
            self.ignored.push(Ignored { id: None, pattern });
        }
        Ok(())
    }

    /// Has it go by the text of a `.promptcellarignore`, too.
    /// **Source:** Promptcellar Logging Format, plf-1, §4: a regular expression a line, in any case;
    /// `#` comments; a line `id: NAME` names the one behind it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ignoring_file(&mut self, patterns: &str) -> Result<(), String> {
        let mut id = None;
        let lines = patterns.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix("id:") {
                let name = name.trim();
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                id = (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned());
                continue;
            }
            let pattern = expression(line)?;
            let id = id.take();
            self.ignored.push(Ignored { id, pattern });
        }
        Ok(())
    }

    /// Whether a prompt is not to be kept, and by the pattern of which name, if it has one.
    #[must_use]
    pub fn ignores(&self, prompt: &str) -> Option<Option<&str>> {
        let mut ignored = self.ignored.iter();
        let found = ignored.find(|ignored| ignored.pattern.is_match(prompt))?;
        Some(found.id.as_deref())
    }

    /// `text` without its secrets.
    #[must_use]
    pub fn text(&mut self, text: &CleanText) -> CleanText {
        match self.marked(text) {
            Some(marked) => CleanText::block(&marked, marked.len() + 64),
            None => text.clone(),
        }
    }

    /// `text` without its secrets, if it had any or names the home directory. What this returns has
    /// none left.
    #[must_use]
    pub fn marked(&mut self, text: &str) -> Option<String> {
        let mut marked = self.once(text)?;
        for _ in 1..ROUNDS {
            match self.once(&marked) {
                Some(more) => marked = more,
                None => break,
            }
        }
        Some(marked)
    }

    /// How often each rule has marked something since they were taken last.
    #[must_use]
    pub fn take_counts(&mut self) -> BTreeMap<String, u32> {
        std::mem::take(&mut self.counts)
    }

    /// One round.
    fn once(&mut self, text: &str) -> Option<String> {
        let marks = marks(text);
        let mut hits = Vec::new();
        self.known.find(text, &mut hits);
        for pattern in &self.own {
            hits.extend(pattern.find_iter(text).map(|found| Hit {
                range: found.range(),
                rule: "own",
            }));
        }
        token::find(text, &mut hits);
        places::find(text, &mut hits);
        assign::find(text, &mut hits);
        pairs::find(text, &mut hits);
        commands::find(text, &mut hits);
        programs::find(text, &mut hits);
        prose::find(text, &mut hits);
        let hits = apart(hits, &marks);
        let homes = self.homes(text);
        if hits.is_empty() && homes.is_empty() {
            return None;
        }
        for hit in &hits {
            *self.counts.entry(hit.rule.to_owned()).or_default() += 1;
        }
        Some(replaced(text, &hits, &homes))
    }

    /// Where `text` names the home directory.
    fn homes(&self, text: &str) -> Vec<Range<usize>> {
        let Some(home) = &self.home else {
            return Vec::new();
        };
        let ends = |rest: &str| {
            let next = rest.chars().next();
            !next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        };
        let starts = |before: &str| {
            let last = before.chars().next_back();
            !last.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~'))
        };
        let found = text.match_indices(home.as_str());
        let found = found.map(|(at, _)| at..at + home.len());
        found
            .filter(|range| starts(&text[..range.start]) && ends(&text[range.end..]))
            .collect()
    }
}

/// What a person lists: a word as it is, or an expression between slashes.
fn listed(word: &str) -> Result<Regex, String> {
    let inner = word.strip_prefix('/').and_then(|w| w.strip_suffix('/'));
    match inner {
        Some(pattern) if !pattern.is_empty() => expression(pattern),
        _ => expression(&regex_lite::escape(word)),
    }
}

/// A regular expression in any case, within bounds.
fn expression(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .size_limit(PATTERN_BYTES)
        .build()
        .map_err(|error| format!("{pattern:?} is no regular expression: {error}"))
}

/// Where `text` has marks already.
fn marks(text: &str) -> Vec<Range<usize>> {
    let found = text.match_indices(MARK).filter_map(|(at, _)| {
        let name = &text[at + MARK.len()..];
        let len = name.bytes().take_while(u8::is_ascii_lowercase).count();
        (len > 0 && name[len..].starts_with(']')).then(|| at..at + MARK.len() + len + 1)
    });
    found.collect()
}

/// `hits` in order, without empty ones, those that meet made one; nothing of `marks` is in them.
fn apart(mut hits: Vec<Hit>, marks: &[Range<usize>]) -> Vec<Hit> {
    hits.retain(|hit| !hit.range.is_empty());
    hits.arrange_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
    let mut merged: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.range.start < last.range.end => {
                last.range.end = last.range.end.max(hit.range.end);
            }
            _ => merged.push(hit),
        }
    }
    let mut out = Vec::with_capacity(merged.len());
    for hit in merged {
        let first = marks.partition_point(|mark| mark.end <= hit.range.start);
        let mut start = hit.range.start;
        for mark in marks[first..]
            .iter()
            .take_while(|m| m.start < hit.range.end)
        {
            if start < mark.start {
                out.push(Hit {
                    range: start..mark.start,
                    rule: hit.rule,
                });
            }
            start = mark.end;
        }
        if start < hit.range.end {
            out.push(Hit {
                range: start..hit.range.end,
                rule: hit.rule,
            });
        }
    }
    out
}

/// `text` with marks in place of `hits`, and `~` in place of `homes` that lie in none.
fn replaced(text: &str, hits: &[Hit], homes: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len() + 16 * hits.len());
    let mut homes = homes.iter().peekable();
    let mut at = 0;
    let mut plain = |out: &mut String, from: usize, to: usize| {
        let mut from = from;
        while let Some(home) = homes.next_if(|home| home.start < to) {
            if home.start >= from && home.end <= to {
                out.push_str(&text[from..home.start]);
                out.push('~');
                from = home.end;
            }
        }
        out.push_str(&text[from..to]);
    };
    for hit in hits {
        plain(&mut out, at, hit.range.start);
        out.push_str(MARK);
        out.push_str(hit.rule);
        out.push(']');
        at = hit.range.end;
    }
    plain(&mut out, at, text.len());
    out
}

#[cfg(test)]
mod tests;
