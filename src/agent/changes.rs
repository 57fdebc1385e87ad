//! What readers of agents' conversations share: turns as they grow, bounded, and paths made
//! absolute.

use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit, Hunk, Prompt, Turn};

/// Bytes of a prompt that are kept, and of each text that was pasted into it. More than any record
/// takes.
const PROMPT: usize = 16 * 1024;
/// Texts pasted into one prompt.
const PASTED: usize = 32;
/// Bytes of an answer that are kept.
const ANSWER: usize = 8 * 1024;
/// Answers of one turn: the last ones count.
const ANSWERS: usize = 64;
/// Characters of a command.
const COMMAND: usize = 200;
/// Commands of one conversation.
const COMMANDS: usize = 50_000;
/// Prompts of one conversation.
const TURNS: usize = 50_000;
/// Bytes that all texts and changes of one conversation may take: what comes after is known by less
/// of it.
const ALL: usize = 48 << 20;
/// Longest path that Linux takes, in bytes.
const PATH: usize = 4096;

/// The turns of a conversation while it is read.
#[derive(Default)]
pub(super) struct Turns {
    all: Vec<Turn>,
    spent: usize,
    commands: usize,
}

/// Which one of them.
pub(super) type Index = usize;

impl Turns {
    /// Begins one; nothing if there are more than a person ever types.
    pub(super) fn begin(&mut self, id: &str, at: DateTime<Utc>) -> Option<Index> {
        if self.all.len() >= TURNS {
            return None;
        }
        self.all.push(Turn {
            id: CleanText::line(id),
            prompt: None,
            at,
            ended: None,
            answers: Vec::new(),
            asked: Vec::new(),
            commands: Vec::new(),
            changes: Vec::new(),
        });
        Some(self.all.len() - 1)
    }

    pub(super) fn last(&self) -> Option<Index> {
        self.all.len().checked_sub(1)
    }

    pub(super) fn get(&mut self, turn: Index) -> Option<&mut Turn> {
        self.all.get_mut(turn)
    }

    /// What was asked: its text, and what was pasted into it.
    pub(super) fn asked_for(&mut self, turn: Index, text: &str, pasted: &[&str]) {
        let most = if self.spent < ALL { PROMPT } else { 512 };
        let text = CleanText::block(text, most);
        let pasted = pasted
            .iter()
            .take(if self.spent < ALL { PASTED } else { 0 });
        let pasted: Vec<_> = pasted.map(|text| CleanText::block(text, PROMPT)).collect();
        self.spent += text.len() + pasted.iter().map(|text| text.len()).sum::<usize>();
        if let Some(turn) = self.get(turn) {
            turn.prompt = Some(Prompt { text, pasted });
        }
    }

    /// What was said to the person.
    pub(super) fn answered(&mut self, turn: Index, text: &str) {
        let answer = CleanText::block(text, ANSWER);
        if answer.is_empty() || self.spent >= ALL {
            return;
        }
        self.spent += answer.len();
        if let Some(turn) = self.all.get_mut(turn) {
            if turn.answers.len() == ANSWERS {
                turn.answers.remove(0);
            }
            turn.answers.push(answer);
        }
    }

    /// What was asked through a dialog, and answered.
    pub(super) fn replied(&mut self, turn: Index, question: &str, answer: &str) {
        let pair = (
            CleanText::block(question, ANSWER),
            CleanText::block(answer, ANSWER),
        );
        if self.spent < ALL {
            self.spent += pair.0.len() + pair.1.len();
            self.all
                .get_mut(turn)
                .into_iter()
                .for_each(|turn| turn.asked.push(pair.clone()));
        }
    }

    /// A command was started; which one of its turn it is.
    pub(super) fn started(&mut self, turn: Index, mut command: Command) -> Option<Index> {
        let turn = self.all.get_mut(turn)?;
        if self.commands >= COMMANDS {
            return None;
        }
        self.commands += 1;
        command.text = cut(&command.text);
        turn.commands.push(command);
        Some(turn.commands.len() - 1)
    }

    pub(super) fn command(&mut self, turn: Index, command: Index) -> Option<&mut Command> {
        self.all.get_mut(turn)?.commands.get_mut(command)
    }

    /// A file was changed.
    pub(super) fn changed(&mut self, turn: Index, mut change: Change) {
        let left = ALL.saturating_sub(self.spent);
        if weight(&change.edit) > left {
            change.edit = lighter(change.edit);
        }
        if weight(&change.edit) > left {
            change.edit = Edit::Touched;
        }
        self.spent += weight(&change.edit);
        if let Some(turn) = self.all.get_mut(turn) {
            turn.changes.push(change);
        }
    }

    /// Drops all up to this one.
    pub(super) fn forget(&mut self, last: Index) {
        self.all.drain(..self.all.len().min(last + 1));
    }

    /// All of them, by the time at which each began. Whatever a person asks next ends the turn
    /// before it.
    pub(super) fn finish(mut self) -> Vec<Turn> {
        self.all.arrange_by_key(|turn| turn.at);
        for index in 1..self.all.len() {
            let next = self.all[index].at;
            self.all[index - 1].ended.get_or_insert(next);
        }
        for turn in &mut self.all {
            turn.changes.arrange_by_key(|change| change.at);
        }
        self.all
    }
}

/// The beginning of a command.
fn cut(line: &CleanText) -> CleanText {
    match line.char_indices().nth(COMMAND) {
        Some((cut, _)) => CleanText::line(&format!("{}…", &line[..cut])),
        None => line.clone(),
    }
}

/// A path that a conversation tells, absolute, without `.` and `..`; its links are not resolved.
/// Nothing if it is relative to nothing, or no path.
pub(crate) fn absolute(cwd: Option<&str>, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let whole = match path.is_absolute() {
        true => path.to_path_buf(),
        false => Path::new(cwd?).join(path),
    };
    let bytes = whole.as_os_str().as_encoded_bytes();
    if !whole.is_absolute() || bytes.len() > PATH || bytes.contains(&0) {
        return None;
    }
    let mut plain = PathBuf::new();
    for component in whole.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain.file_name().is_some().then_some(plain)
}

/// Bytes that an edit holds.
fn weight(edit: &Edit) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let lines = |hunks: &[Hunk]| -> usize {
        let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.map(|line| line.len() + size_of::<String>()).sum()
    };
    match edit {
        Edit::Whole {
            before,
            after,
            shown,
        } => optional(before) + after.len() + lines(shown),
        Edit::Replace {
            before,
            old,
            new,
            shown,
            ..
        } => optional(before) + old.len() + new.len() + lines(shown),
        Edit::Hunks { hunks, .. } | Edit::Moved { hunks, .. } => lines(hunks),
        Edit::Touched => 0,
    }
}

/// The same without what the file held before.
fn lighter(edit: Edit) -> Edit {
    match edit {
        Edit::Whole { after, shown, .. } => Edit::Whole {
            before: None,
            after,
            shown,
        },
        Edit::Replace {
            old,
            new,
            all,
            shown,
            ..
        } => Edit::Replace {
            before: None,
            old,
            new,
            all,
            shown,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_plain() {
        for (cwd, path, wanted) in [
            (None, "/srv/shop/a.rs", Some("/srv/shop/a.rs")),
            (Some("/srv/shop"), "src/a.rs", Some("/srv/shop/src/a.rs")),
            (
                Some("/srv/shop/src"),
                "../b/./c.rs",
                Some("/srv/shop/b/c.rs"),
            ),
            (Some("/srv"), "../../../etc/passwd", Some("/etc/passwd")),
            (None, "/srv/two\nlines", Some("/srv/two\nlines")),
            (None, "src/a.rs", None),
            (Some("relative"), "a.rs", None),
            (Some("/srv"), "..", None),
            (None, "/srv/a\0b", None),
        ] {
            assert_eq!(absolute(cwd, path), wanted.map(PathBuf::from), "{path:?}");
        }
        assert_eq!(absolute(None, &format!("/{}", "a".repeat(PATH))), None);
    }

    #[test]
    fn what_is_too_much_is_known_by_less_of_it() {
        let at = DateTime::UNIX_EPOCH;
        let mut turns = Turns::default();
        let turn = turns.begin("t", at).unwrap();
        let text = |size: usize| "x".repeat(size);
        let write = |before: usize, after: usize| Change {
            at,
            path: "/srv/a".into(),
            by: None,
            edit: Edit::Whole {
                before: Some(text(before)),
                after: text(after),
                shown: Vec::new(),
            },
        };
        turns.changed(turn, write(1, ALL / 2));
        turns.changed(turn, write(ALL / 2, ALL / 4));
        turns.changed(turn, write(1, ALL / 2));
        turns.asked_for(turn, &text(100_000), &[&text(9), &text(100_000)]);
        (0..100).for_each(|n| turns.answered(turn, &format!("answer {n}")));
        let turn = turns.finish().remove(0);
        let kept = |change: &Change| match &change.edit {
            Edit::Whole { before, after, .. } => Some((before.is_some(), after.len())),
            _ => None,
        };
        let kept: Vec<_> = turn.changes.iter().map(kept).collect();
        assert_eq!(kept, [Some((true, ALL / 2)), Some((false, ALL / 4)), None]);
        let prompt = turn.prompt.unwrap();
        assert!(prompt.text.len() <= PROMPT && prompt.pasted[1].len() <= PROMPT);
        assert_eq!(turn.answers.len(), ANSWERS);
        assert_eq!(turn.answers.last().unwrap().as_str(), "answer 99");
    }

    #[test]
    fn a_long_command_is_cut() {
        assert_eq!(cut(&CleanText::line("make\n\tall")).as_str(), "make all");
        let long = cut(&CleanText::line(&"é".repeat(250)));
        assert_eq!(long.chars().count(), COMMAND + 1);
    }
}
