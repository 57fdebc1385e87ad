//! Lines of files as numbers, and what differs between two lists of them. Pure.
//!
//! Agents write LF where a file has CRLF, and leave out a byte order mark: both are left out here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, sources};

use super::record::line_hash;

/// The text of a line, by its number: lines of equal text have equal numbers.
pub(super) type Line = u32;

/// Texts that replay makes up itself may take so many bytes.
const MADE_BYTES: usize = 16 << 20;

/// Numbers the lines of texts that live for `'a`.
#[derive(Default)]
pub(super) struct Lines<'a> {
    known: HashMap<Cow<'a, str>, Line>,
    facts: Vec<Facts<'a>>,
    made: usize,
}

struct Facts<'a> {
    text: Cow<'a, str>,
    /// Equal for lines that differ in white space only; nothing for a blank one.
    key: Option<u32>,
    /// It has letters or digits.
    words: bool,
    /// How often it stands in what was counted.
    seen: usize,
}

impl<'a> Lines<'a> {
    fn number(&mut self, text: Cow<'a, str>) -> Line {
        if let Some(line) = self.known.get(&text) {
            return *line;
        }
        if matches!(text, Cow::Owned(_)) {
            self.made += text.len();
        }
        let line = Line::try_from(self.facts.len()).unwrap_or(Line::MAX);
        self.facts.push(Facts {
            text: text.clone(),
            key: line_hash(text.as_bytes()),
            words: text.chars().any(char::is_alphanumeric),
            seen: 0,
        });
        self.known.insert(text, line);
        line
    }

    /// The lines of a text.
    pub(super) fn of(&mut self, text: &'a str) -> Vec<Line> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines: Vec<Line> = Vec::new();
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            lines.push(self.number(Cow::Borrowed(line)));
        }
        lines
    }

    /// A line of its own.
    pub(super) fn one(&mut self, text: &'a str) -> Line {
        let text = text.strip_suffix('\r').unwrap_or(text);
        self.number(Cow::Borrowed(text))
    }

    /// A line that stands in none of the texts. Nothing once too much was made up.
    pub(super) fn make(&mut self, text: String) -> Option<Line> {
        (self.made < MADE_BYTES).then(|| self.number(Cow::Owned(text)))
    }

    /// Its text.
    pub(super) fn text(&self, line: Line) -> &str {
        self.facts
            .get(line as usize)
            .map_or("", |facts| &facts.text)
    }

    /// Equal for lines that differ in white space only; nothing for a blank one.
    pub(super) fn key(&self, line: Line) -> Option<u32> {
        self.facts.get(line as usize).and_then(|facts| facts.key)
    }

    /// Counts how often each line stands here.
    pub(super) fn count(&mut self, lines: &[Line]) {
        for line in lines {
            if let Some(facts) = self.facts.get_mut(*line as usize) {
                facts.seen += 1;
            }
        }
    }

    /// Whether it says where it stands: it has words, and is not one of many. `}` and blank lines
    /// are not, and neither is `end` where each block has one.
    pub(super) fn telling(&self, line: Line) -> bool {
        const MANY: usize = 4;
        let facts = self.facts.get(line as usize);
        facts.is_some_and(|facts| facts.words && facts.seen <= MANY)
    }
}

/// Lines that were replaced by others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Replaced {
    /// Where they stood.
    pub(super) before: Range<usize>,
    /// Where the others stand.
    pub(super) after: Range<usize>,
}

/// What differs between two lists, in order.
///
/// Lines that are rare pair first: the brackets and blank lines that stand everywhere follow them.
pub(super) fn replaced<T: Copy + Default + Eq + Hash>(before: &[T], after: &[T]) -> Vec<Replaced> {
    let same = |(a, b): &(&T, &T)| a == b;
    let head = before.iter().zip(after).take_while(same).count();
    let rest = (&before[head..], &after[head..]);
    let tail = rest
        .0
        .iter()
        .rev()
        .zip(rest.1.iter().rev())
        .take_while(same)
        .count();
    let old = &before[head..before.len() - tail];
    let new = &after[head..after.len() - tail];
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    if old.is_empty() || new.is_empty() {
        return vec![Replaced {
            before: head..head + old.len(),
            after: head..head + new.len(),
        }];
    }
    let mut input = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let diff = Diff::compute(Algorithm::Histogram, &input);
    let at = |range: &Range<u32>| head + range.start as usize..head + range.end as usize;
    diff.hunks()
        .map(|hunk| Replaced {
            before: at(&hunk.before),
            after: at(&hunk.after),
        })
        .collect()
}

/// Which lines git calls removed and added between two contents, byte for byte.
pub(super) fn as_git(before: &[u8], after: &[u8]) -> (Vec<bool>, Vec<bool>) {
    let input = InternedInput::new(sources::byte_lines(before), sources::byte_lines(after));
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let flags = |count: usize, is: &dyn Fn(u32) -> bool| {
        (0..u32::try_from(count).unwrap_or(u32::MAX))
            .map(is)
            .collect()
    };
    (
        flags(input.before.len(), &|at| diff.is_removed(at)),
        flags(input.after.len(), &|at| diff.is_added(at)),
    )
}
