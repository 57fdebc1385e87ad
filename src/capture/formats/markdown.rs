//! Records as Markdown, to be read in a pull request. Pure.
//!
//! What sessions said is text there and nothing else: no HTML, no image, no link, no mention of a
//! person, no `fixes #1`, no command to a forge at the start of a line.
//! **Source:** CommonMark 0.31 §2.4 (escapes), GitHub's and GitLab's references and quick actions.

use super::Entry;
use crate::capture::record::{Record, ranges, shown};

/// Lines of a prompt that are shown; the rest is folded.
const LINES: usize = 12;
/// Files of a prompt that are named.
const FILES: usize = 20;

/// All of them.
#[must_use]
pub fn markdown(entries: &[Entry]) -> String {
    let mut out = String::new();
    for entry in entries {
        if !out.is_empty() {
            out.push('\n');
        }
        commit(&mut out, entry);
    }
    out
}

fn commit(out: &mut String, entry: &Entry) {
    let record = &entry.record;
    out.push_str(&format!(
        "### {} {}\n",
        code(entry.short()),
        escaped(&entry.subject)
    ));
    for talk in &record.conversations {
        let words = [Some(talk.agent.as_str()), talk.version.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let model = talk
            .model
            .as_deref()
            .map(|model| format!(" · {}", escaped(model)));
        let id: String = talk.session_id.as_str().chars().take(8).collect();
        out.push_str(&format!(
            "\n{}{} · session {}\n",
            escaped(&words.join(" ")),
            model.unwrap_or_default(),
            code(&id)
        ));
    }
    for (at, prompt) in record.prompts.iter().enumerate() {
        let when = prompt.at.format("%Y-%m-%d %H:%M UTC");
        let what = if prompt.primary { "" } else { ", before" };
        out.push_str(&format!("\n**Prompt** ({when}{what})\n\n"));
        let lines: Vec<&str> = prompt.text.lines().collect();
        let shown = &lines[..lines.len().min(LINES)];
        quote(out, shown);
        if lines.len() > LINES {
            let rest = &lines[LINES..];
            folded(out, &format!("{} more lines", rest.len()), rest);
        }
        for answer in &prompt.answers {
            folded(out, "Answer", &answer.lines().collect::<Vec<_>>());
        }
        let came = came_of(record, at);
        if !came.is_empty() {
            out.push_str(&format!("\n{}\n", came.join(" · ")));
        }
    }
    for cut in &record.cut {
        out.push_str(&format!("\n*Left out: {}*\n", escaped(cut)));
    }
}

/// What came of a prompt: files with lines, and those that a command touched.
fn came_of(record: &Record, prompt: usize) -> Vec<String> {
    let mut out = Vec::new();
    for file in &record.files {
        let spans = file
            .ranges
            .iter()
            .filter(|span| span.prompt == Some(prompt));
        let spans: Vec<(u32, u32)> = spans.map(|span| (span.start, span.end)).collect();
        let touched = file.touched.iter().find(|(of, _)| *of == prompt);
        if !spans.is_empty() {
            out.push(format!("{} {}", code(&shown(&file.path)), ranges(&spans)));
        } else if let Some((_, command)) = touched {
            let by = command.as_deref().map(|by| format!(" by {}", code(by)));
            out.push(format!(
                "{}{}",
                code(&shown(&file.path)),
                by.unwrap_or_default()
            ));
        }
    }
    let more = out.len().saturating_sub(FILES);
    out.truncate(FILES);
    if more > 0 {
        out.push(format!("{more} more"));
    }
    out
}

/// Lines as a quotation that keeps its line breaks.
fn quote(out: &mut String, lines: &[&str]) {
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start_matches(' ');
        let indent = "&nbsp;".repeat((line.len() - words.len()).min(16));
        let next = lines
            .get(at + 1)
            .is_some_and(|next| !next.trim().is_empty());
        let text = format!("{indent}{}", escaped(words));
        let broken = if next && !text.is_empty() { "\\" } else { "" };
        out.push_str(format!("> {text}{broken}").trim_end());
        out.push('\n');
    }
}

fn folded(out: &mut String, title: &str, lines: &[&str]) {
    out.push_str(&format!("\n<details><summary>{title}</summary>\n\n"));
    quote(out, lines);
    out.push_str("\n</details>\n");
}

/// A text that is nothing but text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let mut first = true;
    let mut digits = false;
    while let Some(c) = chars.next() {
        let word = chars
            .peek()
            .is_some_and(|next| next.is_alphanumeric() || *next == '_');
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A mention, a reference or a command, were it not for what nobody sees.
            '@' | '#' | '!' | '$' | '%' | '~' | '/' | '-'
                if word && (first || c != '/' && c != '-') =>
            {
                out.push('\\');
                out.push(c);
                out.push_str("&#8203;");
            }
            ':' if chars.peek() == Some(&'/') => out.push_str(":&#8203;"),
            '.' | ')' if digits => {
                out.push('\\');
                out.push(c);
            }
            '-' | '+' | '=' if first => {
                out.push('\\');
                out.push(c);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' | '$' | '{'
            | '}' | '@' | '^' => {
                out.push('\\');
                out.push(c);
            }
            // `GH-1` and `www.` are references and links, too.
            'H' | 'h' if chars.peek() == Some(&'-') => {
                out.push(c);
                out.push_str("&#8203;");
            }
            'w' | 'W' if chars.peek() == Some(&'.') => {
                out.push(c);
                out.push_str("&#8203;");
            }
            c => out.push(c),
        }
        digits = c.is_ascii_digit() && (first || digits);
        first = false;
    }
    out
}

/// A text as code. **Source:** CommonMark 0.31 §6.1.
pub(super) fn code(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    let text = text.replace('\n', " ");
    let space = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{text}{space}{fence}")
}
