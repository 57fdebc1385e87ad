//! History that has left the grid: lines as text, which take a tenth of what cells take. Pure.

use std::collections::VecDeque;

use alacritty_terminal::grid::Grid;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::Cell;

use super::style::{self, Pen};

/// Most lines.
const LINES: usize = 10_000;
/// Most bytes of all lines.
const BYTES: usize = 16 * 1024 * 1024;
/// Longest line, in bytes; one that is longer is cut.
const LONGEST: usize = 64 * 1024;

/// Lines as a program wrote them, however wide the terminal was; oldest first.
#[derive(Default)]
pub(super) struct Ring {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// What the last line has so far, if it goes on below.
    open: Vec<u8>,
}

impl Ring {
    /// Takes the row that follows.
    pub(super) fn take(&mut self, grid: &Grid<Cell>, line: Line) {
        let open = self.is_open();
        let mut pen = Pen::new(std::mem::take(&mut self.open));
        pen.row(grid, line, open);
        pen.plain();
        self.open = pen.out;
        if !style::goes_on(&grid[line]) || self.open.len() > LONGEST {
            let line = std::mem::take(&mut self.open).into_boxed_slice();
            self.bytes += line.len();
            self.lines.push_back(line);
        }
        while self.lines.len() > LINES || self.bytes > BYTES {
            let line = self.lines.pop_front().unwrap_or_default();
            self.bytes -= line.len();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets empty lines at the beginning, so many at most; how many it were.
    pub(super) fn forget_empty(&mut self, most: usize) -> usize {
        let empty = self.lines.iter().take(most);
        let empty = empty.take_while(|line| line.is_empty()).count();
        self.lines.drain(..empty);
        empty
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && !self.is_open()
    }

    /// Whether the last line goes on in what follows.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Writes all lines, each with its end; the last one without, if it goes on.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for line in &self.lines {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.open);
    }
}
