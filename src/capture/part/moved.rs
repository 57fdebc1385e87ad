//! New files that nobody is told to have written, because a shell or a person moved or copied them
//! before they were committed: which file they were, by what they hold. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::{CLOCKS, Told, is_here};
use crate::capture::record::line_hash;
use crate::capture::select::{Commit, CommitFile, Content};
use crate::capture::talks::{Talks, TurnAt};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit};

/// Lines that both files have, at least: fewer may be chance.
const FEW: usize = 3;
/// A line that so many files have says nothing.
const MANY: usize = 8;

/// Which files have which lines, by what tells a line from others: the places of their paths in
/// [`Told::by_path`].
pub(super) type Brought = HashMap<u32, BTreeSet<usize>>;

/// What a file was.
pub(super) struct Before<'a> {
    /// Its path.
    pub(super) path: String,
    /// The turn that moved or copied it, if one is known to, and its command.
    pub(super) by: Option<(TurnAt, &'a CleanText)>,
}

impl<'a> Told<'a> {
    /// The path under which most of a new file was written. Nothing if several are as likely, or if
    /// nothing but its lines shows that it came from there.
    pub(super) fn was(
        &self,
        commit: &Commit,
        file: &CommitFile,
        talks: &Talks<'a>,
    ) -> Option<Before<'a>> {
        let Content::Bytes(after) = &file.after else {
            return None;
        };
        let new = file.before == Content::Missing && file.old_path.is_none();
        let written = |change: &Change| matches!(change.edit, Edit::Whole { .. });
        if !new || self.changes(&file.path).any(written) {
            return None;
        }
        let text = String::from_utf8_lossy(after);
        let lines: BTreeSet<u32> = text.lines().filter_map(key).collect();
        let brought = self.brought.get_or_init(|| self.brought());
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for line in &lines {
            let places = brought.get(line).filter(|places| places.len() <= MANY);
            for place in places.into_iter().flatten() {
                *counts.entry(*place).or_default() += 1;
            }
        }
        let mut best: Option<(usize, Before<'a>)> = None;
        let mut alone = true;
        for (place, path) in self.by_path.keys().enumerate() {
            let count = counts.get(&place).copied().unwrap_or_default();
            let enough = count >= FEW && 2 * count >= lines.len();
            let least = best.as_ref().map_or(0, |(most, _)| *most);
            if enough
                && count >= least
                && let Some(before) = self.may_be(commit, talks, path, &file.path)
            {
                alone = count > least;
                best = Some((count, before));
            }
        }
        best.filter(|_| alone).map(|(_, before)| before)
    }

    fn changes(&self, path: &str) -> impl Iterator<Item = &'a Change> {
        let places = self.by_path.get(path).into_iter().flatten();
        places.map(|at| self.all[*at].change)
    }

    fn brought(&self) -> Brought {
        let mut brought = Brought::new();
        for (place, path) in self.by_path.keys().enumerate() {
            for line in self.changes(path).flat_map(|change| lines(&change.edit)) {
                if let Some(key) = key(line) {
                    brought.entry(key).or_default().insert(place);
                }
            }
        }
        brought
    }

    /// A file as what another one was, if a command names both, or if it was written since the parent
    /// was made, and the commit does not have it.
    fn may_be(
        &self,
        commit: &Commit,
        talks: &Talks<'a>,
        path: &str,
        now: &str,
    ) -> Option<Before<'a>> {
        if path == now {
            return None;
        }
        let written = self.changes(path).map(|change| change.at).min()?;
        let fits = |command: &Command| {
            let words: BTreeSet<&str> = command.text.split(is_between).collect();
            let named =
                |one: &str, other: &str| own_parts(one, other).any(|part| words.contains(part));
            (written..=commit.at + CLOCKS).contains(&command.from)
                && is_here(command, commit)
                && named(path, now)
                && named(now, path)
        };
        let by = talks.turns().find_map(|(turn, told)| {
            let command = told.commands.iter().find(|command| fits(command))?;
            Some((turn, &command.text))
        });
        let is = |file: &CommitFile| file.path == path && file.after != Content::Missing;
        let since = |change: &Change| commit.since.is_none_or(|since| change.at > since);
        let away = || !commit.files.iter().any(is) && self.changes(path).all(since);
        (by.is_some() || away()).then(|| Before {
            path: path.to_owned(),
            by,
        })
    }
}

/// What tells a line that says something from others, whatever its white space.
fn key(line: &str) -> Option<u32> {
    let says = line.chars().any(char::is_alphanumeric);
    line_hash(line.as_bytes()).filter(|_| says)
}

/// The lines that a change brought.
fn lines(edit: &Edit) -> Vec<&str> {
    match edit {
        Edit::Whole { after: text, .. } | Edit::Replace { new: text, .. } => text.lines().collect(),
        Edit::Hunks { hunks, .. } | Edit::Moved { hunks, .. } => {
            let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
            lines.filter_map(|line| line.strip_prefix('+')).collect()
        }
        Edit::Touched => Vec::new(),
    }
}

/// Names in a path that are not in another one, and the last of them in any case.
fn own_parts<'p>(path: &'p str, other: &'p str) -> impl Iterator<Item = &'p str> {
    let last = Path::new(path).file_name().and_then(|name| name.to_str());
    let differ = path
        .split('/')
        .filter(|part| !other.split('/').any(|one| one == *part));
    differ.chain(last)
}

/// What separates names of files in a command.
fn is_between(c: char) -> bool {
    c.is_whitespace() || "/'\"=;:|&<>(){}$`,".contains(c)
}
