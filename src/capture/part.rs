//! What conversations have in one file of a commit. Pure.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::diff::as_git;
use super::record::{FilePart, Span, line_hash};
use super::replay::{self, Case, Step};
use super::select::{Commit, CommitFile, Content};
use super::talks::{Talks, TurnAt};
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::core::text::CleanText;
use crate::core::transcript::{Change, Command, Edit};

mod moved;

/// A change's clock and the commit's differ by so much at most.
const CLOCKS: TimeDelta = TimeDelta::milliseconds(50);

/// A change that is all there is of what moved away.
static GONE: Edit = Edit::Hunks {
    hunks: Vec::new(),
    created: false,
    deleted: true,
};

/// A change before the commit, somewhere in its working tree.
#[derive(Clone)]
struct One<'a> {
    turn: TurnAt,
    change: &'a Change,
    /// Its path from the top of the working tree.
    path: String,
    /// Where it moved its file to, from there.
    to: Option<String>,
}

/// All changes that may have a part in a commit, by time.
pub(super) struct Told<'a> {
    all: Vec<One<'a>>,
    /// Which there are of each path, the one that it was moved to, too.
    by_path: BTreeMap<String, Vec<usize>>,
    /// What was brought into which of them, once somebody asked.
    brought: OnceCell<moved::Brought>,
}

/// A change, and what it did to the file in question.
type OneOfFile<'a> = (TurnAt, &'a Change, &'a Edit);

/// The changes that may have a part in a file of a commit, by time.
#[derive(Default)]
pub(super) struct OfFile<'a> {
    changes: Vec<OneOfFile<'a>>,
    /// The path that it had before its first move, if that is not git's.
    origin: Option<String>,
    /// The path of the file that it was by what it holds: nobody tells that it was moved.
    from: Option<String>,
    /// Who moved it here, by which command, if that is known.
    by: Option<(TurnAt, &'a CleanText)>,
}

impl OfFile<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl<'a> Told<'a> {
    pub(super) fn all(commit: &Commit, talks: &Talks<'a>) -> Self {
        let mut all: Vec<One<'a>> = Vec::new();
        for (turn, told) in talks.turns() {
            for change in told
                .changes
                .iter()
                .filter(|one| one.at <= commit.at + CLOCKS)
            {
                let Some(path) = commit.inside(&change.path) else {
                    continue;
                };
                let to = match &change.edit {
                    Edit::Moved { to, .. } => commit.inside(to),
                    _ => None,
                };
                all.push(One {
                    turn,
                    change,
                    path,
                    to,
                });
            }
        }
        all.arrange_by_key(|one| one.change.at);
        // A conversation that was forked tells the same once more.
        all.dedup_by(|again, first| again.change == first.change);
        let mut by_path: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, one) in all.iter().enumerate() {
            for path in std::iter::once(&one.path).chain(one.to.as_ref()) {
                by_path.entry(path.clone()).or_default().push(at);
            }
        }
        Self {
            all,
            by_path,
            brought: OnceCell::new(),
        }
    }

    /// Those of a file, under all names that it had.
    pub(super) fn of(&self, commit: &Commit, file: &CommitFile, talks: &Talks<'a>) -> OfFile<'a> {
        let mut places = BTreeSet::new();
        let mut origin = None;
        let mut names = vec![(file.path.clone(), usize::MAX)];
        names.extend(file.old_path.clone().map(|path| (path, usize::MAX)));
        let was = self.was(commit, file, talks);
        let by = was.as_ref().and_then(|was| was.by);
        let from = was.map(|was| was.path);
        if let Some(from) = &from {
            // What was done under that name after it had come here, was done to another file.
            let own = self.by_path.get(&file.path).and_then(|own| own.first());
            names.push((from.clone(), own.copied().unwrap_or(usize::MAX)));
            origin = Some(from.clone());
        }
        let mut known: BTreeSet<String> = BTreeSet::new();
        while let Some((name, until)) = names.pop() {
            let at = self.by_path.get(&name).into_iter().flatten();
            for at in at.copied().filter(|at| *at < until) {
                let one = &self.all[at];
                places.insert(at);
                if one.to.as_ref() == Some(&name) && known.insert(one.path.clone()) {
                    names.push((one.path.clone(), at));
                    origin = Some(one.path.clone());
                }
            }
            known.insert(name);
        }
        let mine = |path: &String| *path == file.path || file.old_path.as_ref() == Some(path);
        let edit = |one: &One<'a>| match &one.change.edit {
            Edit::Moved { .. } if !one.to.as_ref().is_some_and(|to| known.contains(to)) => &GONE,
            Edit::Moved { .. } if file.after == Content::Missing && mine(&one.path) => &GONE,
            edit => edit,
        };
        let tell = |at: usize| {
            let one = &self.all[at];
            (one.turn, one.change, edit(one))
        };
        // It went on here.
        let gone = |at: &usize| {
            let one = &self.all[*at];
            from.as_ref() == Some(&one.path)
                && matches!(one.change.edit, Edit::Hunks { deleted: true, .. })
        };
        let elsewhere = |path: &String| commit.files.iter().any(|other| other.path == *path);
        OfFile {
            changes: places
                .into_iter()
                .filter(|at| !gone(at))
                .map(tell)
                .collect(),
            origin: origin.filter(|path| file.before == Content::Missing && elsewhere(path)),
            from,
            by,
        }
    }
}

/// Lines, from 0, and who wrote them by which change.
struct Run<'a> {
    lines: Range<usize>,
    writer: Option<(TurnAt, &'a Change)>,
    /// They were written in the file that this one was.
    before: bool,
}

/// What conversations have in a file.
#[derive(Default)]
pub(super) struct Part<'a> {
    /// The added lines, in order.
    runs: Vec<Run<'a>>,
    /// The turns that changed it though none of the lines can be told to be theirs, with the
    /// command that did.
    touched: Vec<(TurnAt, Option<&'a CleanText>)>,
    /// What this file was, by what it holds.
    from: Option<String>,
}

impl<'a> Part<'a> {
    pub(super) fn new(
        commit: &Commit,
        file: &CommitFile,
        told: &OfFile<'a>,
        talks: &Talks<'a>,
    ) -> Self {
        let recent = |change: &Change| {
            let close = |mtime: DateTime<Utc>| (mtime - change.at).abs() <= TimeDelta::seconds(2);
            commit.since.is_none_or(|since| change.at > since) || file.mtime.is_some_and(close)
        };
        let (parent, commit_has) = (parent(commit, file, told), bytes(&file.after));
        let (Some(before), Some(after)) = (parent, commit_has) else {
            let mut part = Self::default();
            part.touch(told.changes.iter().filter(|(_, change, _)| recent(change)));
            part.by_clock(commit, file, told, talks);
            return part;
        };
        let (gone, mut added) = as_git(before, after);
        if told.origin.is_some() {
            added.fill(true);
        }
        if let Some(ranges) = &file.added {
            added.fill(false);
            for at in ranges.iter().cloned().flatten() {
                if let Some(added) = added.get_mut(at as usize) {
                    *added = true;
                }
            }
        }
        let mut part = Self {
            from: told.from.clone(),
            ..Self::default()
        };
        part.replayed(commit, told, [before, after], [&added, &gone]);
        let unseen = |(_, change, edit): &&OneOfFile| **edit == Edit::Touched && recent(change);
        part.touch(told.changes.iter().filter(unseen));
        // Who moved it here has a part in it, too.
        part.touched
            .extend(told.by.map(|(turn, by)| (turn, Some(by))));
        if part.runs.iter().any(|run| run.writer.is_none()) {
            part.by_clock(commit, file, told, talks);
        }
        part
    }

    /// Plays the changes through, and notes who wrote and removed what.
    fn replayed(
        &mut self,
        commit: &Commit,
        told: &OfFile<'a>,
        [before, after]: [&[u8]; 2],
        [added, gone]: [&[bool]; 2],
    ) {
        // Nothing of a file that was not there can be in the parent.
        let new = told.from.is_some() && before.is_empty();
        let later = |change: &Change| new || commit.since.is_none_or(|since| change.at > since);
        let step = |(_, change, edit): &OneOfFile<'a>| Step {
            edit,
            later: later(change),
        };
        let steps: Vec<Step<'a>> = told.changes.iter().map(step).collect();
        // Logs tell when a commit was made to the second.
        let second = commit.at - TimeDelta::seconds(1);
        let late = |(_, change, _): &&OneOfFile<'a>| change.at > second;
        let texts = [before, after].map(String::from_utf8_lossy);
        let case = Case {
            before: &texts[0],
            after: &texts[1],
            steps: &steps,
            late: told.changes.iter().rev().take_while(late).count(),
            added,
            gone,
        };
        let shares = if steps.is_empty() {
            None
        } else {
            replay::replay(&case)
        };
        let shares = shares.unwrap_or_default();
        let change = |at: &u32| told.changes.get(*at as usize);
        for line in (0..added.len()).filter(|line| added[*line]) {
            let writer = shares.writers.get(line).and_then(|step| step.as_ref());
            let writer = writer
                .and_then(change)
                .map(|(turn, change, _)| (*turn, *change));
            let was = |(_, change): (_, &Change)| {
                told.from.is_some() && commit.inside(&change.path) == told.from
            };
            self.add(line, writer, writer.is_some_and(was));
        }
        self.touch(shares.removers.iter().filter_map(change));
    }

    /// Adds a line, from 0, behind all others.
    fn add(&mut self, line: usize, writer: Option<(TurnAt, &'a Change)>, before: bool) {
        let name = |of: &Option<(TurnAt, &'a Change)>| of.map(|(turn, change)| (turn, &change.by));
        if let Some(run) = self.runs.last_mut()
            && run.lines.end == line
            && (name(&run.writer), run.before) == (name(&writer), before)
        {
            run.lines.end += 1;
        } else {
            self.runs.push(Run {
                lines: line..line + 1,
                writer,
                before,
            });
        }
    }

    /// Notes who changed the file.
    fn touch<'t>(&mut self, by: impl Iterator<Item = &'t OneOfFile<'a>>)
    where
        'a: 't,
    {
        self.touched
            .extend(by.map(|(turn, change, _)| (*turn, change.by.as_ref())));
    }

    /// The file was written last while a command ran: notes that, if it is the only one.
    fn by_clock(&mut self, commit: &Commit, file: &CommitFile, told: &OfFile, talks: &Talks<'a>) {
        let Some(mtime) = file.mtime.filter(|mtime| *mtime <= commit.at + CLOCKS) else {
            return;
        };
        let told_of = |change: &Change| (mtime - change.at).abs() <= TimeDelta::seconds(1);
        if told.changes.iter().any(|(_, change, _)| told_of(change)) {
            return;
        }
        let mut found: Option<(TurnAt, &'a Command)> = None;
        for (turn, told) in talks.turns() {
            for command in told
                .commands
                .iter()
                .filter(|one| may_have(one, commit, file, mtime))
            {
                let same = |(other, _): &(TurnAt, _)| talks.ask(*other) == talks.ask(turn);
                if !found.as_ref().is_none_or(same) {
                    return;
                }
                found = Some((turn, command));
            }
        }
        self.touched
            .extend(found.map(|(turn, command)| (turn, Some(&command.text))));
    }

    /// The turns that have a part in the file.
    pub(super) fn turns(&self) -> impl Iterator<Item = TurnAt> {
        let writers = self
            .runs
            .iter()
            .filter_map(|run| run.writer.map(|(turn, _)| turn));
        writers.chain(self.touched.iter().map(|(turn, _)| *turn))
    }

    /// In a record's words. `place` tells the place of a turn's prompt in the record.
    pub(super) fn record(
        &self,
        file: &CommitFile,
        place: &dyn Fn(TurnAt) -> Option<usize>,
    ) -> FilePart {
        let after = bytes(&file.after).unwrap_or_default();
        let hashes: Vec<u32> = after
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| line_hash(line).unwrap_or_default())
            .collect();
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut ranges: Vec<Span> = Vec::new();
        for run in &self.runs {
            let prompt = run.writer.and_then(|(turn, _)| place(turn));
            let by = run.writer.and_then(|(_, change)| change.by.clone());
            let from = self.from.clone().filter(|_| run.before && prompt.is_some());
            let hashes = hashes.get(run.lines.clone()).unwrap_or_default();
            match ranges.last_mut() {
                Some(span)
                    if span.end as usize == run.lines.start
                        && (span.prompt, &span.by, &span.from) == (prompt, &by, &from) =>
                {
                    span.end = number(run.lines.end);
                    span.hashes.extend_from_slice(hashes);
                }
                _ => ranges.push(Span {
                    start: number(run.lines.start + 1),
                    end: number(run.lines.end),
                    prompt,
                    by,
                    from,
                    hashes: hashes.to_vec(),
                }),
            }
        }
        let wrote: BTreeSet<usize> = ranges.iter().filter_map(|span| span.prompt).gather();
        let mut touched: Vec<(usize, Option<CleanText>)> = Vec::new();
        for (turn, by) in &self.touched {
            let new = |prompt: &usize| {
                !wrote.contains(prompt) && touched.iter().all(|(other, _)| other != prompt)
            };
            if let Some(prompt) = place(*turn).filter(new) {
                touched.push((prompt, (*by).cloned()));
            }
        }
        FilePart {
            path: file.path.clone(),
            ranges,
            touched,
        }
    }
}

/// What a file was played through from: what git says, or what it was moved from.
fn parent<'f>(commit: &'f Commit, file: &'f CommitFile, told: &OfFile) -> Option<&'f [u8]> {
    let was = |path: &String| commit.files.iter().find(|of| of.path == *path);
    let origin = told.origin.as_ref().and_then(was).unwrap_or(file);
    bytes(&origin.before)
}

/// What a file holds, if that has lines.
fn bytes(content: &Content) -> Option<&[u8]> {
    match content {
        Content::Missing => Some(&[]),
        Content::Bytes(bytes) => Some(bytes),
        Content::Unread => None,
    }
}

/// Whether a command may have written a file at this time. A long one proves little unless it
/// names the file; one of git brings what others wrote.
fn may_have(command: &Command, commit: &Commit, file: &CommitFile, mtime: DateTime<Utc>) -> bool {
    const LONG: TimeDelta = TimeDelta::seconds(30);
    const BRINGS: [&str; 13] = [
        "am",
        "apply",
        "checkout",
        "cherry-pick",
        "clone",
        "merge",
        "pull",
        "rebase",
        "reset",
        "restore",
        "revert",
        "stash",
        "switch",
    ];
    let Some(to) = command.to.filter(|_| !command.background) else {
        return false;
    };
    let name = Path::new(&file.path)
        .file_name()
        .map(|name| name.to_string_lossy());
    let names = name.is_some_and(|name| command.text.contains(&*name));
    let words = || {
        command
            .text
            .split(|c: char| !(c.is_alphanumeric() || c == '-'))
    };
    let git = words().any(|word| word == "git") && words().any(|word| BRINGS.contains(&word));
    (command.from..=to).contains(&mtime)
        && (names || to - command.from <= LONG)
        && is_here(command, commit)
        && !git
}

/// Whether a command ran in the working tree of a commit.
fn is_here(command: &Command, commit: &Commit) -> bool {
    let here = |cwd: &Path| commit.tops.iter().any(|top| cwd.starts_with(top));
    command.cwd.as_deref().is_some_and(here)
}
