//! JSON text with the place of each value, so that an edit leaves every other byte as it is. Pure.

use serde::de::IgnoredAny;

/// Containers nested deeper than this are skipped: hooks lie six deep.
const DEPTH: usize = 8;

/// Why a text cannot be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
    /// What a person can do about it.
    pub remedy: &'static str,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A value, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    /// Anything else, or too deep to look into.
    Other,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    /// Where its key stands.
    pub(super) start: usize,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn elements(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The member that counts: of several with one name the last does.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members()?.iter().rev().find(|m| m.key == key)
    }

    /// A string's text.
    pub(super) fn string(&self, text: &str) -> Option<String> {
        serde_json::from_str(&text[self.start..self.end]).ok()
    }
}

/// The line of an offset, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
}

/// Reads a text that holds one JSON value.
///
/// # Errors
/// Where it is no JSON, and what to do about it.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    // Checked by a parser that knows all of the grammar; the walk below then needs no errors.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(refusal(text, &error));
    }
    let mut walk = Walk { text, at: 0 };
    walk.blank();
    Ok(walk.value(DEPTH))
}

fn refusal(text: &str, error: &serde_json::Error) -> Refusal {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let (before, after) = text.as_bytes().split_at(at.min(text.len()));
    let next = after.first().copied().unwrap_or_default();
    let (what, remedy) = match (before.trim_ascii_end().last(), next) {
        (_, b'/') => (
            "a comment".to_owned(),
            "JSON knows no comments: remove it, then try again",
        ),
        (Some(b','), b'}' | b']') => (
            "a comma before a closing bracket".to_owned(),
            "remove the comma, then try again",
        ),
        _ => (
            format!("not JSON ({error})"),
            "fix the file, then try again; Claude Code cannot read it either",
        ),
    };
    Refusal {
        line: error.line(),
        what,
        remedy,
    }
}

/// Walks over a text that is known to be JSON.
struct Walk<'t> {
    text: &'t str,
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    /// Past a string, which starts here.
    fn string(&mut self) {
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    fn value(&mut self, depth: usize) -> Node {
        let start = self.at;
        let kind = match self.peek() {
            b'{' | b'[' if depth == 0 => {
                self.skip();
                Kind::Other
            }
            b'{' => Kind::Object(self.items(b'}', |walk| {
                let start = walk.at;
                walk.string();
                let key = walk.text.get(start..walk.at).unwrap_or_default();
                let key = serde_json::from_str(key).unwrap_or_default();
                walk.blank();
                walk.at += 1;
                walk.blank();
                let value = walk.value(depth - 1);
                Member { key, start, value }
            })),
            b'[' => Kind::Array(self.items(b']', |walk| walk.value(depth - 1))),
            b'"' => {
                self.string();
                Kind::Other
            }
            _ => {
                while !matches!(
                    self.peek(),
                    b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' | 0
                ) {
                    self.at += 1;
                }
                Kind::Other
            }
        };
        Node {
            start,
            end: self.at,
            kind,
        }
    }

    /// What stands between two brackets.
    fn items<T>(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        while self.peek() != close && self.at < self.text.len() {
            items.push(item(self));
            self.blank();
            if self.peek() == b',' {
                self.at += 1;
                self.blank();
            }
        }
        self.at += 1;
        items
    }

    /// Past a container, however deep.
    fn skip(&mut self) {
        let mut open = 0usize;
        while self.at < self.text.len() {
            match self.peek() {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }
}
