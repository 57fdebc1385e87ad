//! How many lines had left the screen when a byte of output had been taken: who fell behind there
//! is given the lines since. Pure.

use std::collections::VecDeque;

/// Most marks; there is one for each piece of output by which lines left the screen.
const MOST: usize = 8192;

/// Marks along the output.
#[derive(Default)]
pub(crate) struct Marks {
    /// Bytes taken.
    taken: u64,
    /// From which byte on so many lines were gone; oldest first.
    marks: VecDeque<(u64, u64)>,
}

impl Marks {
    /// So many lines were gone before the first byte.
    pub(crate) fn from(lines: u64) -> Self {
        Self {
            taken: 0,
            marks: VecDeque::from([(0, lines)]),
        }
    }

    /// So many more bytes were taken, and so many lines are gone now.
    pub(crate) fn note(&mut self, bytes: usize, lines: u64) {
        self.taken += u64::try_from(bytes).unwrap_or(0);
        if self.marks.back().is_some_and(|(_, last)| *last == lines) {
            return;
        }
        if self.marks.len() >= MOST {
            self.marks.pop_front();
        }
        self.marks.push_back((self.taken, lines));
    }

    /// The lines are counted anew.
    pub(crate) fn forget(&mut self) {
        self.marks.clear();
    }

    /// Lines that were gone at the end of a piece of output; `None` if that is forgotten.
    pub(crate) fn at(&self, byte: u64) -> Option<u64> {
        let after = self.marks.partition_point(|(at, _)| *at <= byte);
        let (_, lines) = self.marks.get(after.checked_sub(1)?)?;
        Some(*lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_the_byte_until_it_is_forgotten() {
        let mut marks = Marks::from(7);
        marks.note(100, 7);
        marks.note(50, 9);
        marks.note(50, 9);
        assert_eq!(
            [0, 100, 150, 200, 999].map(|byte| marks.at(byte)),
            [Some(7), Some(7), Some(9), Some(9), Some(9)]
        );
        for n in 0..MOST {
            marks.note(1, 10 + u64::try_from(n).unwrap());
        }
        assert_eq!(marks.at(200), None);
        assert_eq!(marks.at(201), Some(10));
        assert_eq!(marks.marks.len(), MOST);
    }
}
