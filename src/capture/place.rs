//! Where in a file a change was made. Pure.

use super::diff::{Line, Lines};
use crate::core::transcript::Hunk;

/// Where a hunk stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// All its lines before stand here.
    Here(usize),
    /// Many of its lines before stand here.
    Near(usize),
}

impl Spot {
    /// The first of its lines.
    pub(super) fn at(self) -> usize {
        match self {
            Spot::Here(at) | Spot::Near(at) => at,
        }
    }
}

/// Where a hunk should stand by its own words. `drift` is how far off the one before it was, `below`
/// where that ended: what follows it, if a hunk does not know its place.
pub(super) fn guess(hunk: &Hunk, old: usize, drift: i64, below: usize) -> usize {
    // A hunk without lines before or after names the line in front of it there.
    let said = match (hunk.new_start, hunk.old_start) {
        (0, 0) => return below,
        (0, start) => i64::from(start) - i64::from(old > 0),
        (start, _) => i64::from(start) - 1,
    };
    usize::try_from(said + drift).unwrap_or(0)
}

/// How far around its guess a hunk is looked for of which only a part fits.
const AROUND: usize = 400;

/// Where these lines stand: the nearest place to `guess` at which all do, white space aside, or
/// else that at which most do.
pub(super) fn find(lines: &Lines, rows: &[Line], old: &[Line], guess: usize) -> Option<Spot> {
    let guess = guess.min(rows.len());
    if old.is_empty() {
        return Some(Spot::Here(guess));
    }
    fits(lines, rows, old, guess)
        .map(Spot::Here)
        .or_else(|| nearly(lines, rows, old, guess).map(Spot::Near))
}

/// The nearest place to `guess` at which all these lines stand, white space aside.
pub(super) fn fits(lines: &Lines, rows: &[Line], side: &[Line], guess: usize) -> Option<usize> {
    let last = rows.len().checked_sub(side.len())?;
    let alike = |(a, b): (&Line, &Line)| a == b || lines.key(*a) == lines.key(*b);
    let fits = |at: &usize| rows[*at..].iter().zip(side).all(alike);
    let start = guess.min(last);
    let above = (0..start).rev();
    let below = start..=last;
    let mut ways = (below.peekable(), above.peekable());
    loop {
        let at = match (ways.0.peek(), ways.1.peek()) {
            (Some(down), Some(up)) if down - start <= start - up => ways.0.next(),
            (_, Some(_)) => ways.1.next(),
            (Some(_), None) => ways.0.next(),
            (None, None) => return None,
        };
        if let Some(at) = at.filter(fits) {
            return Some(at);
        }
    }
}

/// The place near `guess` at which most of these lines stand: of those that say something, two of
/// five at least.
fn nearly(lines: &Lines, rows: &[Line], old: &[Line], guess: usize) -> Option<usize> {
    let telling = old.iter().filter(|line| lines.telling(**line)).count();
    let score = |at: usize| {
        let pairs = rows[at..].iter().zip(old);
        pairs
            .filter(|(a, b)| lines.telling(**b) && lines.key(**a) == lines.key(**b))
            .count()
    };
    let window = guess.saturating_sub(AROUND)..(guess + AROUND).min(rows.len());
    let best = window.max_by_key(|at| (score(*at), std::cmp::Reverse(at.abs_diff(guess))))?;
    let most = score(best);
    (most > 0 && most * 5 >= telling * 3).then_some(best)
}

/// A text in a file: its first line and the byte there at which it begins, its last line and the
/// byte there at which it ends. The last line is one past the file's if the text ends with the
/// file's last line break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) from: (usize, usize),
    pub(super) to: (usize, usize),
}

/// All places of a text that is not empty, in order, without overlap.
pub(super) fn occurrences(lines: &Lines, rows: &[Line], text: &str) -> Vec<Found> {
    let pieces: Vec<&str> = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    let mut found = Vec::new();
    let [first, middle @ .., last] = &pieces[..] else {
        let finder = memchr::memmem::Finder::new(text);
        for (at, line) in rows.iter().enumerate() {
            let starts = finder.find_iter(lines.text(*line).as_bytes());
            found.extend(starts.map(|start| Found {
                from: (at, start),
                to: (at, start + text.len()),
            }));
        }
        return found;
    };
    let mut at = 0;
    while at + 1 + middle.len() <= rows.len() {
        let end = at + 1 + middle.len();
        let begins = lines.text(rows[at]);
        let fits = begins.ends_with(first)
            && rows[at + 1..end]
                .iter()
                .zip(middle)
                .all(|(row, piece)| lines.text(*row) == *piece)
            && rows
                .get(end)
                .map_or(last.is_empty(), |row| lines.text(*row).starts_with(last));
        if fits {
            found.push(Found {
                from: (at, begins.len() - first.len()),
                to: (end, last.len()),
            });
        }
        at += if fits { 1 + middle.len() } else { 1 };
    }
    found
}
