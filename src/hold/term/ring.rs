//! History that has left the grid: lines as text, which take a tenth of what cells take. Pure.

use std::collections::VecDeque;

use alacritty_terminal::grid::Grid;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::Cell;

use super::style::{self, Pen};

/// Lines that are kept, and as many more as the oldest block holds.
const LINES: usize = 10_000;
/// Most bytes of all lines.
const BYTES: usize = 8 * 1024 * 1024;
/// Longest line, in bytes; one that is longer is cut.
const LONGEST: usize = 64 * 1024;
/// A block takes no more lines once it has so many bytes.
const BLOCK: usize = 4000;

/// Lines as a program wrote them, however wide the terminal was, each with its end; oldest first.
#[derive(Default)]
pub(super) struct Ring {
    blocks: VecDeque<Block>,
    lines: usize,
    /// Lines that were taken, those that are gone again too.
    ended: u64,
    bytes: usize,
    /// Bytes of the last line, if it goes on below.
    open: usize,
}

/// Lines that come and go together: one piece of memory for many.
#[derive(Default)]
struct Block {
    text: Vec<u8>,
    lines: usize,
}

impl Ring {
    /// Takes the row that follows.
    pub(super) fn take(&mut self, grid: &Grid<Cell>, line: Line) {
        let open = self.is_open();
        let full = |block: &Block| block.text.len() >= BLOCK;
        if !open && self.blocks.back().is_none_or(full) {
            self.next_block();
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        let before = block.text.len();
        let mut pen = Pen::new(std::mem::take(&mut block.text));
        pen.row(grid, line, open);
        pen.plain();
        self.open += pen.out.len() - before;
        if !style::goes_on(&grid[line]) || self.open > LONGEST {
            pen.raw("\r\n");
            self.open = 0;
            self.lines += 1;
            self.ended += 1;
            block.lines += 1;
        }
        self.bytes += pen.out.len() - before;
        block.text = pen.out;
    }

    /// Begins a block, and lets go of the oldest if that many are not wanted.
    fn next_block(&mut self) {
        let mut memory = Vec::new();
        while let Some(oldest) = self.blocks.front()
            && (self.lines - oldest.lines >= LINES || self.bytes > BYTES)
        {
            self.lines -= oldest.lines;
            self.bytes -= oldest.text.len();
            memory = self.blocks.pop_front().unwrap_or_default().text;
        }
        if let Some(last) = self.blocks.back_mut() {
            last.text.shrink_to_fit();
        }
        memory.clear();
        self.blocks.push_back(Block {
            text: memory,
            lines: 0,
        });
    }

    /// Forgets all lines: so many have been there.
    pub(super) fn clear(&mut self, ended: u64) {
        *self = Self {
            ended,
            ..Self::default()
        };
    }

    /// How many lines it was given.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Forgets empty lines at the beginning, so many at most; how many it were.
    pub(super) fn forget_empty(&mut self, most: usize) -> usize {
        let Some(oldest) = self.blocks.front_mut() else {
            return 0;
        };
        let pairs = oldest.text.chunks_exact(2).take(most);
        let empty = pairs.take_while(|pair| *pair == b"\r\n").count();
        oldest.text.drain(..2 * empty);
        oldest.lines -= empty;
        self.lines -= empty;
        self.bytes -= 2 * empty;
        empty
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the last line goes on in what follows.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Writes all lines, each with its end; the last one without, if it goes on.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_after(0, usize::MAX, out);
    }

    /// Writes the lines after so many, as the newest that are not longer than `most` bytes; how
    /// many of them are left out.
    pub(super) fn write_after(&self, before: u64, most: usize, out: &mut Vec<u8>) -> u64 {
        let mut wanted = self.ended.saturating_sub(before);
        let mut from = self.blocks.len();
        let mut room = most;
        let mut within = 0;
        for (at, block) in self.blocks.iter().enumerate().rev() {
            let lines = u64::try_from(block.lines).unwrap_or(0);
            if block.text.len() > room || (wanted == 0 && lines > 0) {
                break;
            }
            from = at;
            room -= block.text.len();
            // Of the first one only its last lines may be wanted.
            within = lines.saturating_sub(wanted);
            wanted = wanted.saturating_sub(lines);
        }
        let skipped = usize::try_from(within).unwrap_or(0);
        for (at, block) in self.blocks.iter().enumerate().skip(from) {
            let mut text = &block.text[..];
            if at == from && skipped > 0 {
                let end = memchr::memchr_iter(b'\n', text).nth(skipped - 1);
                text = &text[end.map_or(text.len(), |end| end + 1)..];
            }
            out.extend_from_slice(text);
        }
        wanted
    }
}
