//! A file while it is replayed: its lines, each with who wrote it. Pure.

use std::collections::HashMap;
use std::ops::Range;

use super::diff::{Line, Lines, replaced};
use super::place::{self, Spot};
use crate::core::transcript::Hunk;

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// It stood in the parent, as its line of this number, from 0.
    Old(u32),
    /// A person, or what is not known.
    Other,
    /// The change of this number.
    Step(u32),
}

/// A line of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// Its text.
    pub(super) line: Line,
    /// Who wrote it.
    pub(super) owner: Owner,
}

/// Who makes a change.
#[derive(Clone, Copy)]
pub(super) enum By<'m> {
    /// A person, or what is not known.
    Other,
    /// A change that is told of.
    Step(u32),
    /// A change that is told of, as far as these lines of its outcome go; the rest is not known.
    Marked(u32, &'m [bool]),
}

impl By<'_> {
    fn owner(self, at: usize) -> Owner {
        match self {
            By::Step(step) => Owner::Step(step),
            By::Marked(step, marks) if marks.get(at) == Some(&true) => Owner::Step(step),
            By::Other | By::Marked(..) => Owner::Other,
        }
    }

    fn step(self) -> Option<u32> {
        match self {
            By::Other => None,
            By::Step(step) | By::Marked(step, _) => Some(step),
        }
    }
}

/// What a change whose place is not known left: lines, and whether it brought each.
pub(super) struct Astray {
    step: u32,
    lines: Vec<(Line, bool)>,
}

/// Lines compared for one file, at most.
const WORK: usize = 200_000_000;

/// A file while it is replayed.
pub(super) struct Rows<'a> {
    /// The texts of its lines.
    pub(super) lines: Lines<'a>,
    /// Its lines.
    pub(super) rows: Vec<Row>,
    /// Which change took away each line of the parent last.
    pub(super) removed: Vec<Option<u32>>,
    /// Lines that changes brought which nowhere fit.
    pub(super) astray: Vec<Astray>,
    /// Lines compared up to now.
    work: usize,
    /// Something was too much.
    over: bool,
}

impl<'a> Rows<'a> {
    /// The file as its parent has it.
    pub(super) fn new(lines: Lines<'a>, parent: &[Line]) -> Self {
        let old = |(at, line): (usize, &Line)| Row {
            line: *line,
            owner: Owner::Old(u32::try_from(at).unwrap_or(u32::MAX)),
        };
        Self {
            lines,
            rows: parent.iter().enumerate().map(old).collect(),
            removed: vec![None; parent.len()],
            astray: Vec::new(),
            work: 0,
            over: false,
        }
    }

    /// Counts work; whether there may be more.
    pub(super) fn charge(&mut self, work: usize) -> bool {
        self.work = self.work.saturating_add(work);
        self.over |= self.work > WORK;
        !self.over
    }

    /// Whether it was too much: then nothing that was found holds.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Makes the whole file these lines.
    pub(super) fn become_all(&mut self, target: &[Line], by: By) {
        self.become_these(0..self.rows.len(), target, by);
    }

    /// Makes a part of the file these lines: what is equal keeps its owner.
    pub(super) fn become_these(&mut self, part: Range<usize>, target: &[Line], by: By) {
        if !self.charge(part.len() + target.len()) {
            return;
        }
        let before: Vec<Row> = self.rows[part.clone()].to_vec();
        let numbers: Vec<Line> = before.iter().map(|row| row.line).collect();
        let mut out = Vec::with_capacity(target.len());
        let mut kept = 0;
        for piece in replaced(&numbers, target) {
            self.keep(&before[kept..piece.before.start], by, &mut out);
            kept = piece.before.end;
            let old = &before[piece.before];
            self.exchange(old, target, piece.after, by, &mut out);
        }
        self.keep(&before[kept..], by, &mut out);
        self.rows.splice(part, out);
    }

    /// Keeps lines that are equal. Where somebody unknown changed what is around them, brackets and
    /// blank lines may be equal by chance: then they are nobody's.
    fn keep(&self, rows: &[Row], by: By, out: &mut Vec<Row>) {
        let sure = by.step().is_some() || rows.iter().any(|row| self.lines.telling(row.line));
        out.extend(rows.iter().map(|row| match row.owner {
            Owner::Step(_) if !sure => Row {
                owner: Owner::Other,
                ..*row
            },
            _ => *row,
        }));
    }

    /// Puts the lines of `new` where those of `old` were. A line of which only the white space
    /// changed stays with who wrote it; one of the parent goes to who touched it.
    fn exchange(
        &mut self,
        old: &[Row],
        target: &[Line],
        new: Range<usize>,
        by: By,
        out: &mut Vec<Row>,
    ) {
        let pairs = self.alike(old, &target[new.clone()]);
        for (at, pair) in new.zip(&pairs) {
            let owner = match pair.map(|of| old[of].owner) {
                None | Some(Owner::Old(_)) => by.owner(at),
                Some(owner) => owner,
            };
            out.push(Row {
                line: target[at],
                owner,
            });
        }
        self.take_away(old, by);
    }

    /// Notes which lines of the parent a change took away.
    fn take_away(&mut self, old: &[Row], by: By) {
        for row in old {
            if let (Owner::Old(at), Some(step)) = (row.owner, by.step())
                && let Some(removed) = self.removed.get_mut(at as usize)
            {
                *removed = Some(step);
            }
        }
    }

    /// For each of the new lines, the old one that differs in white space only. Lines that say
    /// nothing, brackets and blank ones, go with their neighbours.
    fn alike(&self, old: &[Row], new: &[Line]) -> Vec<Option<usize>> {
        let mut pairs = vec![None; new.len()];
        if old.is_empty() || new.is_empty() {
            return pairs;
        }
        let mut lone = u32::MAX;
        let mut token = |line: Line| match self.lines.key(line) {
            Some(key) if self.lines.telling(line) => (true, key),
            _ => {
                lone -= 1;
                (false, lone)
            }
        };
        let before: Vec<(bool, u32)> = old.iter().map(|row| token(row.line)).collect();
        let after: Vec<(bool, u32)> = new.iter().map(|line| token(*line)).collect();
        let mut end = (0, 0);
        for piece in replaced(&before, &after) {
            pair_up(&mut pairs, end, piece.before.start);
            end = (piece.before.end, piece.after.end);
        }
        pair_up(&mut pairs, end, old.len());
        self.spread(&mut pairs, old, new);
        pairs
    }

    /// Pairs what stands directly below and above pairs, if it is alike.
    fn spread(&self, pairs: &mut [Option<usize>], old: &[Row], new: &[Line]) {
        let mut taken = vec![false; old.len()];
        for of in pairs.iter().flatten() {
            taken[*of] = true;
        }
        let alike = |of: usize, at: usize| self.lines.key(old[of].line) == self.lines.key(new[at]);
        let down = 1..pairs.len();
        let up = (0..pairs.len().saturating_sub(1)).rev();
        let ways = down
            .map(|at| (at, at - 1, true))
            .chain(up.map(|at| (at, at + 1, false)));
        for (at, neighbour, below) in ways {
            let next = pairs[neighbour].and_then(|of| {
                if below {
                    Some(of + 1)
                } else {
                    of.checked_sub(1)
                }
            });
            if let (None, Some(of)) = (pairs[at], next)
                && taken.get(of) == Some(&false)
                && alike(of, at)
            {
                pairs[at] = Some(of);
                taken[of] = true;
            }
        }
    }

    /// Applies lines that an agent shows, in order. Those without a place are astray.
    /// `exact` are lines as they really are, if what is shown has other white space.
    pub(super) fn patch(&mut self, hunks: &'a [Hunk], exact: &[Line], step: u32) {
        let mut drift = 0_i64;
        let mut below = 0;
        for hunk in hunks {
            let (old, new) = self.sides(hunk);
            let guess = place::guess(hunk, old.len(), drift, below).min(self.rows.len());
            if !self.charge(self.rows.len() + old.len()) {
                return;
            }
            let rows: Vec<Line> = self.rows.iter().map(|row| row.line).collect();
            let Some(spot) = place::find(&self.lines, &rows, &old, guess) else {
                self.stray(&old, &new, exact, step);
                continue;
            };
            if let Spot::Near(at) = spot {
                self.learn(at..(at + old.len()).min(self.rows.len()), &old);
            }
            let at = spot.at();
            drift += at as i64 - guess as i64;
            below = at + new.len();
            self.put(at, hunk, exact, step);
        }
    }

    /// Notes what a change brought that has no place.
    pub(super) fn stray(&mut self, old: &[Line], new: &[Line], exact: &[Line], step: u32) {
        let mut lines: Vec<(Line, bool)> = new.iter().map(|line| (*line, false)).collect();
        for at in replaced(old, new).into_iter().flat_map(|piece| piece.after) {
            lines[at] = (self.really(new[at], exact), true);
        }
        self.astray.push(Astray { step, lines });
    }

    /// The file is what the commit holds. Lines of changes without a place that stand there in
    /// nobody's name, each just once, are theirs; so are brackets and blank lines between those.
    pub(super) fn find_strays(&mut self, added: &[bool]) {
        let astray = std::mem::take(&mut self.astray);
        if astray.is_empty() {
            return;
        }
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            if let Some(key) = self.lines.key(row.line) {
                places.entry(key).or_default().push(at);
            }
        }
        for stray in astray.iter().rev() {
            let mut last: Option<(usize, usize)> = None;
            for (of, (line, mine)) in stray.lines.iter().enumerate() {
                let key = self.lines.key(*line).filter(|_| self.lines.telling(*line));
                let places = key
                    .and_then(|key| places.get(&key))
                    .map_or(&[][..], Vec::as_slice);
                let [at] = *places else { continue };
                if !mine || self.is_nobodys(at, added) {
                    self.claim(stray, last, (of, at), added);
                    last = Some((of, at));
                }
            }
        }
    }

    /// Whether nobody is known to have written this added line.
    fn is_nobodys(&self, at: usize, added: &[bool]) -> bool {
        let owner = self.rows.get(at).map(|row| row.owner);
        owner == Some(Owner::Other) && added.get(at) == Some(&true)
    }

    /// Gives a line of the commit to a change, if that brought it, and what lies between it and the
    /// line that was found before it, if that is alike.
    fn claim(
        &mut self,
        stray: &Astray,
        last: Option<(usize, usize)>,
        (of, at): (usize, usize),
        added: &[bool],
    ) {
        let between = match last {
            Some((before, place)) if place < at && of - before == at - place => of - before - 1,
            _ => 0,
        };
        let alike = |back: &usize| {
            let (line, _) = stray.lines[of - back];
            self.lines.key(line) == self.lines.key(self.rows[at - back].line)
        };
        let reach = if (1..=between).all(|back| alike(&back)) {
            between
        } else {
            0
        };
        for back in 0..=reach {
            if stray.lines[of - back].1 && self.is_nobodys(at - back, added) {
                self.rows[at - back].owner = Owner::Step(stray.step);
            }
        }
    }

    /// The lines of a hunk before and after.
    pub(super) fn sides(&mut self, hunk: &'a Hunk) -> (Vec<Line>, Vec<Line>) {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for text in &hunk.lines {
            let Some((sign, text)) = text.split_at_checked(1) else {
                continue;
            };
            let line = self.lines.one(text);
            if sign != "+" {
                old.push(line);
            }
            if sign != "-" {
                new.push(line);
            }
        }
        (old, new)
    }

    /// What a hunk shows of the file before differs from what is known: it is right.
    fn learn(&mut self, part: Range<usize>, shown: &[Line]) {
        let key = |line: Line| self.lines.key(line).unwrap_or_default();
        let before: Vec<Row> = self.rows[part.clone()].to_vec();
        let old: Vec<u32> = before.iter().map(|row| key(row.line)).collect();
        let new: Vec<u32> = shown.iter().map(|line| key(*line)).collect();
        let mut out = Vec::new();
        let mut kept = 0;
        for piece in replaced(&old, &new) {
            out.extend_from_slice(&before[kept..piece.before.start]);
            kept = piece.before.end;
            out.extend(shown[piece.after].iter().map(|line| Row {
                line: *line,
                owner: Owner::Other,
            }));
        }
        out.extend_from_slice(&before[kept..]);
        self.rows.splice(part, out);
    }

    /// Applies a hunk whose lines before stand here.
    fn put(&mut self, at: usize, hunk: &'a Hunk, exact: &[Line], step: u32) {
        let mut out = Vec::new();
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut row = at;
        for text in &hunk.lines {
            let Some((sign, text)) = text.split_at_checked(1) else {
                continue;
            };
            if sign == "+" {
                let line = self.lines.one(text);
                come.push(self.really(line, exact));
                continue;
            }
            let Some(here) = self.rows.get(row).copied() else {
                break;
            };
            row += 1;
            if sign == "-" {
                gone.push(here);
                continue;
            }
            self.exchange(&gone, &come, 0..come.len(), By::Step(step), &mut out);
            gone.clear();
            come.clear();
            out.push(here);
        }
        self.exchange(&gone, &come, 0..come.len(), By::Step(step), &mut out);
        self.rows.splice(at..row, out);
    }

    /// The line among `exact` that is shown so.
    fn really(&self, shown: Line, exact: &[Line]) -> Line {
        let Some(key) = self.lines.key(shown) else {
            return shown;
        };
        let same = |real: &&Line| self.lines.key(**real) == Some(key);
        exact.iter().find(same).copied().unwrap_or(shown)
    }
}

/// Pairs lines that are equal, from here on up to an end of the old ones.
fn pair_up(pairs: &mut [Option<usize>], from: (usize, usize), end: usize) {
    for (of, at) in (from.0..end).zip(from.1..) {
        if let Some(pair) = pairs.get_mut(at) {
            *pair = Some(of);
        }
    }
}
