//! Who wrote each line that a commit adds to a file. Pure.
//!
//! The file is played through from what the commit's parent holds: the changes that are told of,
//! in the order of their own times, and in between what must have been changed by somebody else
//! because a change found the file otherwise than it was left. What the commit holds beyond that
//! is somebody else's, too. So a line is ascribed to a change only if that change put this text
//! into this place, and nobody is known to have changed it since.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::diff::{Line, Lines, Replaced, replaced};
use super::place::{Found, fits, guess, occurrences};
use super::rows::{By, Owner, Row, Rows};
use crate::core::transcript::{Edit, Hunk};

/// A change of the file.
pub(super) struct Step<'a> {
    /// What it did.
    pub(super) edit: &'a Edit,
    /// It was made after the commit's parent: that cannot hold it.
    pub(super) later: bool,
}

/// A file of a commit, to be replayed.
pub(super) struct Case<'a> {
    /// What the parent holds.
    pub(super) before: &'a str,
    /// What the commit holds.
    pub(super) after: &'a str,
    /// What was changed up to the commit, by time.
    pub(super) steps: &'a [Step<'a>],
    /// How many of the last ones may as well have been made behind the commit: it and they are of the
    /// same second.
    pub(super) late: usize,
    /// Which lines of the commit are added to the parent's.
    pub(super) added: &'a [bool],
    /// Which lines of the parent are removed.
    pub(super) gone: &'a [bool],
}

/// Who did what to a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Shares {
    /// For each line of the commit that is added, the number of the change that wrote it, if it is
    /// known; for all others nothing.
    pub(super) writers: Vec<Option<u32>>,
    /// Changes that took lines away which the commit takes away.
    pub(super) removers: BTreeSet<u32>,
}

/// Replays a file. Nothing if that is too much work.
pub(super) fn replay(case: &Case<'_>) -> Option<Shares> {
    let mut lines = Lines::default();
    let (parent, commit) = (lines.of(case.before), lines.of(case.after));
    lines.count(&parent);
    lines.count(&commit);
    let mut rows = Rows::new(lines, &parent);
    let steps = &case.steps[..reached(&mut rows, &commit, case)];
    let early = steps.iter().take_while(|step| !step.later).count();
    let start = settled(&mut rows, &parent, &steps[..early]);
    let mut within = within(&mut rows, &parent, &steps[start..early]).into_iter();
    let mut older = false;
    for (number, step) in steps.iter().enumerate().skip(start) {
        if step.later && std::mem::take(&mut older) {
            own_up(&mut rows, &parent);
        }
        if !within.next().unwrap_or(false) {
            older |= !step.later;
            apply(&mut rows, step.edit, u32::try_from(number).ok()?);
        }
    }
    if older {
        own_up(&mut rows, &parent);
    }
    rows.become_all(&commit, By::Other);
    rows.find_strays(case.added);
    if rows.is_over() {
        return None;
    }
    Some(Shares {
        writers: writers(&rows, case.added),
        removers: removers(&rows, &parent, case.gone),
    })
}

/// How many of the changes before the parent are surely in it: those up to the last one that found
/// or left the file as the parent has it.
fn settled<'a>(rows: &mut Rows<'a>, parent: &[Line], steps: &[Step<'a>]) -> usize {
    for (at, step) in steps.iter().enumerate().rev() {
        let before = known_before(step.edit);
        let after = before.and_then(|before| known_after(step.edit, before));
        let size = before.map_or(0, str::len) / 16 + 1;
        if !rows.charge(size) {
            return 0;
        }
        if after.is_some_and(|after| is_file(rows, parent.iter().copied(), &after)) {
            return at + 1;
        }
        if before.is_some_and(|before| is_file(rows, parent.iter().copied(), before)) {
            return at;
        }
    }
    0
}

/// How many of the changes may be in the commit. Those of its second count up to the last one that
/// found or left the file as the commit has it: that is where it was made. If none did, all of them.
fn reached(rows: &mut Rows, commit: &[Line], case: &Case<'_>) -> usize {
    let all = case.steps.len();
    let late = case.steps.iter().enumerate().rev().take(case.late);
    for (at, step) in late {
        let before = known_before(step.edit);
        let after = before.and_then(|before| known_after(step.edit, before));
        let size = before.map_or(0, str::len) / 16 + 1;
        if !rows.charge(size) {
            return all;
        }
        if after.is_some_and(|after| is_file(rows, commit.iter().copied(), &after)) {
            return at + 1;
        }
        if before.is_some_and(|before| is_file(rows, commit.iter().copied(), before)) {
            return at;
        }
    }
    all
}

/// Whether a text has just these lines.
fn is_file(rows: &Rows, file: impl Iterator<Item = Line>, text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().eq(file.map(|line| rows.lines.text(line)))
}

fn known_before(edit: &Edit) -> Option<&str> {
    match edit {
        Edit::Whole { before, .. } | Edit::Replace { before, .. } => before.as_deref(),
        Edit::Hunks { .. } | Edit::Moved { .. } | Edit::Touched => None,
    }
}

fn known_after<'a>(edit: &'a Edit, before: &str) -> Option<Cow<'a, str>> {
    match edit {
        Edit::Whole { after, .. } => Some(Cow::Borrowed(after)),
        Edit::Replace { old, .. } if old.is_empty() => None,
        Edit::Replace {
            old,
            new,
            all: true,
            ..
        } => Some(before.replace(old, new).into()),
        Edit::Replace { old, new, .. } => Some(before.replacen(old, new, 1).into()),
        Edit::Hunks { .. } | Edit::Moved { .. } | Edit::Touched => None,
    }
}

/// Which of the changes before the parent are in it. From the last one back, each that fits is taken
/// back, so that those before it meet what they left.
fn within<'a>(rows: &mut Rows<'a>, parent: &[Line], steps: &[Step<'a>]) -> Vec<bool> {
    let mut file = parent.to_vec();
    let mut within = vec![true; steps.len()];
    for (is_in, step) in within.iter_mut().zip(steps).rev() {
        *is_in = match step.edit {
            Edit::Touched => true,
            Edit::Hunks { deleted: true, .. } => file.is_empty(),
            Edit::Whole {
                before: Some(before),
                after,
                ..
            } => {
                let sides = whole_sides(rows, before, after);
                take_back(rows, &mut file, &sides)
            }
            Edit::Replace {
                old, new, shown, ..
            } if shown.is_empty() => take_back_text(rows, &mut file, old, new),
            Edit::Whole { shown: hunks, .. }
            | Edit::Replace { shown: hunks, .. }
            | Edit::Hunks { hunks, .. }
            | Edit::Moved { hunks, .. } => {
                let sides: Vec<Sides> = hunks.iter().map(|hunk| Sides::of(rows, hunk)).collect();
                !sides.is_empty() && take_back(rows, &mut file, &sides)
            }
        };
    }
    within
}

/// Lines before and after a change, with some around, and where they should stand after it.
struct Sides {
    old: Vec<Line>,
    new: Vec<Line>,
    at: usize,
}

impl Sides {
    fn of<'a>(rows: &mut Rows<'a>, hunk: &'a Hunk) -> Self {
        let (old, new) = rows.sides(hunk);
        let at = guess(hunk, old.len(), 0, 0);
        Self { old, new, at }
    }

    /// What of it may be in a commit without the rest: each run of lines that differ, with what is
    /// equal up to the next one.
    fn pieces(&self) -> Vec<Self> {
        let runs = replaced(&self.old, &self.new);
        let edge = |at: usize| at.checked_sub(1).and_then(|last| runs.get(last));
        let piece = |(n, _): (usize, &Replaced)| {
            let above = edge(n).map_or((0, 0), |last| (last.before.end, last.after.end));
            let below = runs.get(n + 1);
            let below = below.map_or((self.old.len(), self.new.len()), |next| {
                (next.before.start, next.after.start)
            });
            Self {
                old: self.old[above.0..below.0].to_vec(),
                new: self.new[above.1..below.1].to_vec(),
                at: self.at + above.1,
            }
        };
        runs.iter().enumerate().map(piece).collect()
    }
}

/// The same for a file that was written as a whole.
fn whole_sides<'a>(rows: &mut Rows<'a>, before: &'a str, after: &'a str) -> Vec<Sides> {
    const CONTEXT: usize = 3;
    let (old, new) = (rows.lines.of(before), rows.lines.of(after));
    if !rows.charge(old.len() + new.len()) {
        return Vec::new();
    }
    let around = |range: &Range<usize>, side: &[Line]| {
        let from = range.start.saturating_sub(CONTEXT);
        side[from..(range.end + CONTEXT).min(side.len())].to_vec()
    };
    let sides = |piece: Replaced| Sides {
        old: around(&piece.before, &old),
        new: around(&piece.after, &new),
        at: piece.after.start.saturating_sub(CONTEXT),
    };
    replaced(&old, &new).into_iter().map(sides).collect()
}

/// Takes back what of a change is in a file; whether all of it was.
fn take_back(rows: &mut Rows, file: &mut Vec<Line>, sides: &[Sides]) -> bool {
    let mut all = true;
    for side in sides.iter().rev() {
        if !rows.charge(2 * file.len()) {
            return true;
        }
        let place = |lines: &[Line]| fits(&rows.lines, file, lines, side.at);
        let far = |at: usize| at.abs_diff(side.at);
        match (place(&side.old), place(&side.new)) {
            (Some(old), Some(new)) if far(old) < far(new) => all = false,
            (_, Some(new)) => {
                drop(file.splice(new..new + side.new.len(), side.old.iter().copied()));
            }
            (Some(_), None) => all = false,
            (None, None) => {
                let pieces = side.pieces();
                all &= match &pieces[..] {
                    [] | [_] => mostly_in(rows, file, side),
                    pieces => take_back(rows, file, pieces),
                }
            }
        }
    }
    all
}

/// Whether a file has most of the lines that a change brought and that say something.
fn mostly_in(rows: &Rows, file: &[Line], side: &Sides) -> bool {
    let key = |line: &Line| rows.lines.key(*line).filter(|_| rows.lines.telling(*line));
    let old: BTreeSet<u32> = side.old.iter().filter_map(key).collect();
    let here: BTreeSet<u32> = file.iter().filter_map(key).collect();
    let new: Vec<u32> = side
        .new
        .iter()
        .filter_map(key)
        .filter(|key| !old.contains(key))
        .collect();
    2 * new.iter().filter(|key| here.contains(key)).count() > new.len()
}

/// The same for a text without a place.
fn take_back_text<'a>(
    rows: &mut Rows<'a>,
    file: &mut Vec<Line>,
    old: &'a str,
    new: &'a str,
) -> bool {
    if !rows.charge(2 * file.len()) {
        return true;
    }
    let has = |text: &str| !text.is_empty() && !occurrences(&rows.lines, file, text).is_empty();
    let has_old = has(old);
    if new.is_empty() {
        return !has_old;
    }
    if !has(new) || (has_old && !new.contains(old)) {
        return false;
    }
    for (part, lines) in exchanges(&mut rows.lines, file, (new, old), false, &[]) {
        file.splice(part, lines);
    }
    true
}

/// What the parent holds at the time at which it was made is old, whoever wrote it.
fn own_up(rows: &mut Rows, parent: &[Line]) {
    let here: Vec<Line> = rows.rows.iter().map(|row| row.line).collect();
    if !rows.charge(here.len() + parent.len()) {
        return;
    }
    let old = |at: usize| Row {
        line: parent[at],
        owner: Owner::Old(u32::try_from(at).unwrap_or(u32::MAX)),
    };
    let mut out = Vec::with_capacity(here.len());
    let mut end = 0;
    for piece in replaced(&here, parent) {
        out.extend((end..piece.after.start).map(old));
        end = piece.after.end;
        // What a change took away, and the parent did not take along, is still away.
        let away = |at: &usize| rows.removed[*at].is_some();
        out.extend(piece.after.filter(|at| !away(at)).map(old));
        out.extend_from_slice(&rows.rows[piece.before]);
    }
    out.extend((end..parent.len()).map(old));
    rows.rows = out;
}

/// Applies a change.
fn apply<'a>(rows: &mut Rows<'a>, edit: &'a Edit, step: u32) {
    // Mostly it is as it was left: that is seen without numbering its lines again.
    if let Some(before) = known_before(edit)
        && !is_file(rows, rows.rows.iter().map(|row| row.line), before)
    {
        let lines = rows.lines.of(before);
        rows.become_all(&lines, By::Other);
    }
    match edit {
        Edit::Whole {
            before,
            after,
            shown,
        } => {
            let lines = rows.lines.of(after);
            // Nothing was there before that could be somebody else's.
            let new = rows.rows.is_empty() && shown.is_empty();
            if before.is_some() || new {
                rows.become_all(&lines, By::Step(step));
            } else {
                let marks = marks(shown, lines.len());
                rows.become_all(&lines, By::Marked(step, &marks));
            }
        }
        Edit::Replace {
            old,
            new,
            all,
            shown,
            ..
        } => {
            let found = exchange(rows, (old, new), *all, shown, step);
            if !found {
                let exact = rows.lines.of(new);
                rows.patch(shown, &exact, step);
            }
            if !found && shown.is_empty() {
                let (old, new) = (rows.lines.of(old), rows.lines.of(new));
                rows.stray(&old, &new, &[], step);
            }
        }
        Edit::Hunks { deleted: true, .. } => rows.become_all(&[], By::Step(step)),
        // What it held elsewhere, if it was moved here, stays with who wrote it.
        Edit::Hunks {
            hunks,
            created: true,
            ..
        } => {
            let lines: Vec<Line> = hunks.iter().flat_map(|hunk| rows.sides(hunk).1).collect();
            rows.become_all(&lines, By::Step(step));
        }
        Edit::Hunks { hunks, .. } | Edit::Moved { hunks, .. } => rows.patch(hunks, &[], step),
        Edit::Touched => {}
    }
}

/// Which lines of a file hunks show as new in it.
fn marks(hunks: &[Hunk], count: usize) -> Vec<bool> {
    let mut marks = vec![false; count];
    for hunk in hunks {
        let after = hunk.lines.iter().filter(|line| !line.starts_with('-'));
        for (at, line) in ((hunk.new_start as usize).saturating_sub(1)..).zip(after) {
            if let Some(mark) = marks.get_mut(at) {
                *mark |= line.starts_with('+');
            }
        }
    }
    marks
}

/// Replaces a text; whether it stands in the file.
fn exchange<'a>(
    rows: &mut Rows<'a>,
    (old, new): (&str, &'a str),
    all: bool,
    shown: &[Hunk],
    step: u32,
) -> bool {
    if old.is_empty() {
        // So a file without content is filled.
        let empty = rows.rows.is_empty();
        if empty {
            let lines = rows.lines.of(new);
            rows.become_all(&lines, By::Step(step));
        }
        return empty;
    }
    let here: Vec<Line> = rows.rows.iter().map(|row| row.line).collect();
    if !rows.charge(here.len()) {
        return true;
    }
    let exchanges = exchanges(&mut rows.lines, &here, (old, new), all, shown);
    let any = !exchanges.is_empty();
    for (part, lines) in exchanges {
        rows.become_these(part, &lines, By::Step(step));
    }
    any
}

/// Which lines become which others if a text is replaced, everywhere or where it is shown, or else
/// where it stands first. They are to be replaced one after the other.
fn exchanges<'a>(
    lines: &mut Lines<'a>,
    file: &[Line],
    (old, new): (&str, &'a str),
    all: bool,
    shown: &[Hunk],
) -> Vec<(Range<usize>, Vec<Line>)> {
    let mut found = occurrences(lines, file, old);
    if !all && found.len() > 1 {
        let shown = shown.first().map_or(0, first_changed);
        let far = |one: &Found| {
            one.from
                .0
                .saturating_sub(shown)
                .max(shown.saturating_sub(one.to.0))
        };
        found = found.into_iter().min_by_key(far).into_iter().collect();
    }
    // From below, so that the places of those above stay right. Several may stand in one line, and
    // one may end where the next began.
    let mut now = file.to_vec();
    let mut out = Vec::new();
    for one in found.iter().rev() {
        let text = |at: usize| now.get(at).map(|line| lines.text(*line));
        let head = text(one.from.0).and_then(|text| text.get(..one.from.1));
        let head = head.unwrap_or_default().to_owned();
        let tail = text(one.to.0)
            .and_then(|text| text.get(one.to.1..))
            .map(str::to_owned);
        let Some(made) = between(lines, &head, new, tail.as_deref()) else {
            return Vec::new();
        };
        let part = one.from.0..(one.to.0 + 1).min(now.len());
        now.splice(part.clone(), made.iter().copied());
        out.push((part, made));
    }
    out
}

/// The line, from 0, at which a hunk begins to change something.
fn first_changed(hunk: &Hunk) -> usize {
    let context = hunk
        .lines
        .iter()
        .take_while(|line| line.starts_with(' '))
        .count();
    (hunk.old_start as usize).saturating_sub(1) + context
}

/// The lines of a text that stands between the beginning of a line and the end of one, or, without
/// the latter, at the end of the file. Nothing if that would be too long.
fn between<'a>(
    lines: &mut Lines<'a>,
    head: &str,
    new: &'a str,
    tail: Option<&str>,
) -> Option<Vec<Line>> {
    if head.is_empty() && (tail.is_none() || new.is_empty() && tail == Some("")) {
        // Whole lines that are replaced by nothing are gone, with their line break.
        return Some(lines.of(new));
    }
    let new = if tail.is_none() {
        new.strip_suffix('\n').unwrap_or(new)
    } else {
        new
    };
    let tail = tail.unwrap_or_default();
    let pieces: Vec<&'a str> = new.split('\n').collect();
    let last = pieces.len() - 1;
    let mut out = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.into_iter().enumerate() {
        let head = if at == 0 { head } else { "" };
        let tail = if at == last { tail } else { "" };
        if head.is_empty() && tail.is_empty() {
            out.push(lines.one(piece));
        } else {
            out.push(lines.make([head, piece.trim_end_matches('\r'), tail].concat())?);
        }
    }
    Some(out)
}

/// The writers of the added lines. Where equal lines stand beside each other, git may call another
/// one of them added than the one that was: the added one has the writer of that.
fn writers(rows: &Rows, added: &[bool]) -> Vec<Option<u32>> {
    let is_added = |at: usize| added.get(at) == Some(&true);
    let owners: Vec<Owner> = rows.rows.iter().map(|row| row.owner).collect();
    let mut spare: Vec<bool> = (0..owners.len())
        .map(|at| !is_added(at) && !matches!(owners[at], Owner::Old(_)))
        .collect();
    let mut writers = vec![None; owners.len()];
    let mut run = 0..0;
    for at in (0..owners.len()).filter(|at| is_added(*at)) {
        if !run.contains(&at) {
            let end = (at..owners.len())
                .find(|end| !is_added(*end))
                .unwrap_or(owners.len());
            run = at..end;
        }
        let owner = if matches!(owners[at], Owner::Old(_)) {
            let far = run.len() + 3;
            let window = at.saturating_sub(far)..(at + far + 1).min(owners.len());
            let same =
                |other: &usize| spare[*other] && rows.rows[*other].line == rows.rows[at].line;
            let twin = window.filter(same).min_by_key(|other| other.abs_diff(at));
            twin.map_or(Owner::Other, |twin| {
                spare[twin] = false;
                owners[twin]
            })
        } else {
            owners[at]
        };
        writers[at] = match owner {
            Owner::Step(step) => Some(step),
            Owner::Old(_) | Owner::Other => None,
        };
    }
    writers
}

/// Changes that took away what the commit takes away, or a line beside it that is equal.
fn removers(rows: &Rows, parent: &[Line], gone: &[bool]) -> BTreeSet<u32> {
    const BESIDE: usize = 64;
    let is_gone = |at: usize| gone.get(at) == Some(&true);
    let mut removers = BTreeSet::new();
    for (at, step) in rows.removed.iter().enumerate() {
        let Some(step) = *step else { continue };
        let window = at.saturating_sub(BESIDE)..(at + BESIDE + 1).min(parent.len());
        let twin = |other: usize| {
            is_gone(other) && parent[other] == parent[at] && rows.removed[other].is_none()
        };
        if is_gone(at) || window.clone().any(twin) {
            removers.insert(step);
        }
    }
    removers
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
