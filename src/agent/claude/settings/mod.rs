//! The hooks of vmux in Claude Code's `settings.json`. Pure: text in, text out.
//!
//! Only what is vmux's own is ever added or taken away, known by its command; every other byte
//! stays, so that taking the hooks out again gives back the text from before.

pub mod off;
mod text;

use std::ops::Range;
use std::path::Path;

pub use text::Refusal;
use text::{Kind, Member, Node, line_of, parse};

use crate::core::sorted::Arrange as _;
use crate::core::text::shell_word;

/// A hook that vmux asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hook {
    /// Claude Code's name of the event.
    pub event: &'static str,
    /// First version that knows it: an older one that meets an unknown event ignores the whole
    /// file, other people's settings with it.
    pub since: Option<[u32; 3]>,
}

/// The word of the hook that also waits for a decision, in place of `PermissionRequest`'s own.
pub const DECIDES: &str = "Answer";
/// How long Claude Code lets that hook wait, in seconds: a little longer than it does by itself.
const DECIDES_WITHIN: u32 = 600;

/// The hooks that vmux installs: what no file tells, or tells late, and nothing else.
///
/// | event | what it is for |
/// |---|---|
/// | `SessionStart` | which conversation a process is in, after `/clear` and resume too: before 2.1.75 no file says so, and two sessions in one directory may stay unknown |
/// | `PermissionRequest` | a dialog at once, with tool and command, a subagent's too: before 2.1.119 and in 2.1.141/142 no file says so. It only reports, and answers nothing |
/// | `Notification` | the dialogs of versions before 2.0.45, six seconds late; elsewhere that a dialog is still open, or a turn over |
/// | `Stop` | the end of a turn where texts do not tell it (2.1.50 to 2.1.7x), and the last message |
///
/// Not asked for: `UserPromptSubmit`, `PreToolUse` and `PostToolUse` (the transcript has their
/// lines as early, and they would cost a process for each tool call), `SubagentStop` (it fires
/// for internal helpers as well, and the main transcript goes on anyway), `SessionEnd` (a
/// process's end is told by the kernel, also that of a killed one).
///
/// **Source:** 1.0.128, 2.0.44, 2.0.77, 2.1.142 and 2.1.328 of the real CLI with these hooks.
/// 1.0.128 runs no hook at all, and reads nothing else of the file, if one event is unknown.
pub const HOOKS: [Hook; 4] = [
    Hook {
        event: "SessionStart",
        since: None,
    },
    Hook {
        event: "PermissionRequest",
        since: Some([2, 0, 45]),
    },
    Hook {
        event: "Notification",
        since: None,
    },
    Hook {
        event: "Stop",
        since: None,
    },
];

/// A hook of vmux that was found in a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Own {
    /// The event.
    pub event: String,
    /// Whether it answers as well.
    pub answers: bool,
    /// The program that is called.
    pub program: String,
}

/// The command of a hook.
#[must_use]
pub fn command(own: &Own) -> String {
    let word = if own.answers { DECIDES } else { &own.event };
    format!("{} hook {word}", shell_word(&own.program))
}

/// The program of a command, if that is one of vmux's hooks.
fn own_program(command: &str) -> Option<(String, bool)> {
    let (call, event) = command.trim().rsplit_once(' ')?;
    if !event.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let word = call.trim_end().strip_suffix(" hook")?.trim();
    let bare = word.strip_prefix('\'').and_then(|w| w.strip_suffix('\''));
    let program = bare.map_or_else(|| word.to_owned(), |w| w.replace(r"'\''", "'"));
    let name = Path::new(&program).file_name()?;
    (name == "vmux").then_some((program, event == DECIDES))
}

/// The byte order mark that some editors put first, and the rest.
fn split_mark(text: &str) -> (&str, &str) {
    let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    (&text[..text.len() - rest.len()], rest)
}

/// vmux's hooks in a text.
///
/// # Errors
/// Where it is no JSON.
pub fn installed(text: &str) -> Result<Vec<Own>, Refusal> {
    let (_, body) = split_mark(text);
    if body.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for hooks in hooks_of(&parse(body)?) {
        for member in hooks.value.members().unwrap_or_default() {
            for group in member.value.elements().unwrap_or_default() {
                let programs = entries(group).iter().filter_map(|e| own(e, body));
                found.extend(programs.map(|(program, answers)| Own {
                    event: member.key.clone(),
                    answers,
                    program,
                }));
            }
        }
    }
    found.arrange();
    Ok(found)
}

/// All members called `hooks`; a text may repeat a name, though only the last counts.
fn hooks_of(root: &Node) -> impl Iterator<Item = &Member> {
    let members = root.members().unwrap_or_default().iter();
    members.filter(|member| member.key == "hooks")
}

/// The commands of a group: `{"matcher": …, "hooks": [COMMAND, …]}`.
fn entries(group: &Node) -> &[Node] {
    let hooks = group.member("hooks");
    hooks.and_then(|m| m.value.elements()).unwrap_or_default()
}

/// The program that a command of a group calls, if it is one of vmux's hooks.
fn own(entry: &Node, text: &str) -> Option<(String, bool)> {
    own_program(&entry.member("command")?.value.string(text)?)
}

/// Puts the hooks of `events` in, and nothing else; those that are there for another program or
/// another event go. `answers`: permission requests can be answered from vmux.
///
/// # Errors
/// Where the text is no JSON, or not what settings look like.
pub fn install(
    text: &str,
    program: &str,
    events: &[&str],
    answers: bool,
) -> Result<String, Refusal> {
    let mut wanted: Vec<Own> = events
        .iter()
        .map(|event| Own {
            event: (*event).to_owned(),
            answers: answers && *event == "PermissionRequest",
            program: program.to_owned(),
        })
        .collect();
    let in_order = wanted.clone();
    wanted.arrange();
    let there = installed(text)?;
    if there == wanted {
        return Ok(text.to_owned());
    }
    let bare = if there.is_empty() {
        text.to_owned()
    } else {
        uninstall(text)?
    };
    let (mark, body) = split_mark(&bare);
    let mut body = body.to_owned();
    if body.trim().is_empty() {
        body = "{}\n".to_owned();
    }
    for own in &in_order {
        body = with_hook(&body, own)?;
    }
    Ok(format!("{mark}{body}"))
}

/// Takes vmux's hooks out, and what is left empty by that.
///
/// # Errors
/// Where the text is no JSON.
pub fn uninstall(text: &str) -> Result<String, Refusal> {
    let (mark, body) = split_mark(text);
    if body.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let root = parse(body)?;
    let mut cuts = Vec::new();
    let members = root.members().unwrap_or_default();
    let emptied = cut(
        members,
        |member| (member.start, member.value.end),
        &mut cuts,
        |member, cuts| member.key == "hooks" && cut_events(&member.value, body, cuts),
    );
    if emptied {
        cuts.clear();
        cuts.push(root.start + 1..root.end - 1);
    }
    let mut rest = String::with_capacity(body.len());
    let mut at = 0;
    cuts.arrange_by_key(|range| range.start);
    for range in cuts {
        rest.push_str(&body[at..range.start]);
        at = range.end;
    }
    rest.push_str(&body[at..]);
    Ok(format!("{mark}{rest}"))
}

fn cut_events(hooks: &Node, text: &str, cuts: &mut Vec<Range<usize>>) -> bool {
    let members = hooks.members().unwrap_or_default();
    let place = |member: &Member| (member.start, member.value.end);
    cut(members, place, cuts, |member, cuts| {
        let groups = member.value.elements().unwrap_or_default();
        cut(
            groups,
            |group| (group.start, group.end),
            cuts,
            |group, cuts| {
                let place = |entry: &Node| (entry.start, entry.end);
                cut(entries(group), place, cuts, |entry, _| {
                    own(entry, text).is_some()
                })
            },
        )
    })
}

/// Cuts those items of a container out that `goes` says are vmux's own through and through.
/// Returns whether none is left: then the container itself goes, and nothing is cut in it.
fn cut<T>(
    items: &[T],
    place: impl Fn(&T) -> (usize, usize),
    cuts: &mut Vec<Range<usize>>,
    mut goes: impl FnMut(&T, &mut Vec<Range<usize>>) -> bool,
) -> bool {
    let before = cuts.len();
    let gone: Vec<bool> = items.iter().map(|item| goes(item, cuts)).collect();
    if !items.is_empty() && gone.iter().all(|gone| *gone) {
        cuts.truncate(before);
        return true;
    }
    let mut at = 0;
    while at < items.len() {
        if !gone[at] {
            at += 1;
            continue;
        }
        let end = (at..items.len()).find(|n| !gone[*n]).unwrap_or(items.len());
        // With the comma before it; the first with the one after.
        cuts.push(match at.checked_sub(1) {
            Some(before) => place(&items[before]).1..place(&items[end - 1]).1,
            None => place(&items[0]).0..place(&items[end]).0,
        });
        at = end;
    }
    false
}

/// Whether a text holds no settings at all.
#[must_use]
pub fn is_empty(text: &str) -> bool {
    let (_, body) = split_mark(text);
    let object = || {
        parse(body)
            .ok()
            .is_some_and(|root| matches!(root.kind, Kind::Object(m) if m.is_empty()))
    };
    body.trim().is_empty() || object()
}

/// Adds one hook at the end of its event.
fn with_hook(text: &str, own: &Own) -> Result<String, Refusal> {
    let event = own.event.as_str();
    let root = parse(text)?;
    let style = Style::of(text, &root);
    let wrong = |node: &Node, what: &str| Refusal {
        line: line_of(text, node.start),
        what: what.to_owned(),
        remedy: "fix the file, then try again",
    };
    let group = Value::group(own);
    if root.members().is_none() {
        return Err(wrong(&root, "the settings are not an object"));
    }
    let Some(hooks) = root.member("hooks") else {
        let events = Value::Object(vec![(event.to_owned(), Value::Array(vec![group]))]);
        return Ok(style.insert(text, &root, Some("hooks"), &events, ""));
    };
    if hooks.value.members().is_none() {
        return Err(wrong(&hooks.value, "\"hooks\" is not an object"));
    }
    let Some(groups) = hooks.value.member(event) else {
        let indent = indent_of(text, hooks.start);
        let groups = Value::Array(vec![group]);
        return Ok(style.insert(text, &hooks.value, Some(event), &groups, indent));
    };
    if groups.value.elements().is_none() {
        return Err(wrong(
            &groups.value,
            &format!("\"hooks\".\"{event}\" is not an array"),
        ));
    }
    let indent = indent_of(text, groups.start);
    Ok(style.insert(text, &groups.value, None, &group, indent))
}

/// The white space that the line of an offset starts with.
fn indent_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[start..at];
    &line[..line.len() - line.trim_start().len()]
}

/// A value to be written.
enum Value {
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
    String(String),
    True,
    Number(u32),
}

impl Value {
    fn group(own: &Own) -> Self {
        let mut entry = vec![
            ("type".to_owned(), Self::String("command".to_owned())),
            ("command".to_owned(), Self::String(command(own))),
        ];
        entry.push(if own.answers {
            ("timeout".to_owned(), Self::Number(DECIDES_WITHIN))
        } else {
            // Versions that know it do not wait for the hook; older ones ignore the key.
            ("async".to_owned(), Self::True)
        });
        let entries = Self::Array(vec![Self::Object(entry)]);
        Self::Object(vec![("hooks".to_owned(), entries)])
    }
}

/// How a text is laid out.
struct Style {
    newline: &'static str,
    /// One step of indentation.
    unit: String,
    colon: &'static str,
    comma: &'static str,
    /// It has no line breaks.
    flat: bool,
}

impl Style {
    fn of(text: &str, root: &Node) -> Self {
        let first = root.members().and_then(<[Member]>::first);
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let Some(first) = first else {
            return Self {
                newline,
                unit: "  ".into(),
                colon: ": ",
                comma: ",",
                flat: false,
            };
        };
        let gap = &text[root.start + 1..first.start];
        let flat = !gap.contains('\n');
        let spaced = text[..first.value.start].ends_with(' ');
        Self {
            newline,
            unit: indent_of(text, first.start).to_owned(),
            colon: if spaced { ": " } else { ":" },
            comma: if spaced && flat { ", " } else { "," },
            flat,
        }
    }

    /// Puts a value at the end of a container; `indent` is that of the container's own line.
    fn insert(
        &self,
        text: &str,
        container: &Node,
        key: Option<&str>,
        value: &Value,
        indent: &str,
    ) -> String {
        let last = match &container.kind {
            Kind::Object(members) => members.iter().map(|m| (m.start, m.value.end)).next_back(),
            Kind::Array(elements) => elements.iter().map(|e| (e.start, e.end)).next_back(),
            Kind::Other => None,
        };
        let mut new = String::new();
        let at = if let Some((start, end)) = last {
            // Set off as its neighbour is.
            let before = &text[..start];
            let gap = &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..];
            let flat = !gap.contains('\n');
            new.push(',');
            new.push_str(if flat && gap.is_empty() {
                &self.comma[1..]
            } else {
                gap
            });
            self.push(&mut new, key, value, indent_of(text, start), flat);
            end
        } else {
            if self.flat {
                self.push(&mut new, key, value, "", true);
            } else {
                let inner = format!("{indent}{}", self.unit);
                new.push_str(self.newline);
                new.push_str(&inner);
                self.push(&mut new, key, value, &inner, false);
                new.push_str(self.newline);
                new.push_str(indent);
            }
            container.start + 1
        };
        format!("{}{new}{}", &text[..at], &text[at..])
    }

    fn push(&self, out: &mut String, key: Option<&str>, value: &Value, indent: &str, flat: bool) {
        if let Some(key) = key {
            push_string(out, key);
            out.push_str(self.colon);
        }
        let items: Vec<(Option<&str>, &Value)> = match value {
            Value::String(text) => return push_string(out, text),
            Value::True => return out.push_str("true"),
            Value::Number(number) => return out.push_str(&number.to_string()),
            Value::Object(members) => members.iter().map(|(k, v)| (Some(&**k), v)).collect(),
            Value::Array(elements) => elements.iter().map(|v| (None, v)).collect(),
        };
        let (open, close) = match value {
            Value::Array(_) => ('[', ']'),
            _ => ('{', '}'),
        };
        let inner = format!("{indent}{}", self.unit);
        out.push(open);
        for (n, (key, value)) in items.into_iter().enumerate() {
            if n > 0 {
                out.push_str(if flat { self.comma } else { "," });
            }
            if !flat {
                out.push_str(self.newline);
                out.push_str(&inner);
            }
            self.push(out, key, value, &inner, flat);
        }
        if !flat {
            out.push_str(self.newline);
            out.push_str(indent);
        }
        out.push(close);
    }
}

fn push_string(out: &mut String, text: &str) {
    // Writing a string cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests;
