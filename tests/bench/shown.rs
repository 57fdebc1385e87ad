//! What a terminal shows, by an emulator of its own.

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::{Config, Term};
use alacritty_terminal::vte::ansi::Processor;

use crate::layers::SIZE;

/// The size, as the emulator wants it.
struct Size;

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }

    fn screen_lines(&self) -> usize {
        SIZE.1.into()
    }

    fn columns(&self) -> usize {
        SIZE.0.into()
    }
}

/// A terminal that shows what it is fed.
pub(crate) struct Shown {
    term: Term<VoidListener>,
    parser: Processor,
}

impl Shown {
    pub(crate) fn new() -> Self {
        Self {
            term: Term::new(Config::default(), &Size, VoidListener),
            parser: Processor::new(),
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.term, bytes);
    }

    /// The text of each row, down to the last one that has any.
    pub(crate) fn rows(&self) -> Vec<String> {
        let row = |line: i32| -> String {
            let row = &self.term.grid()[Line(line)];
            let cells = (0..SIZE.0).map(|column| row[Column(column.into())].c);
            cells.collect::<String>().trim_end().to_owned()
        };
        let mut rows: Vec<String> = (0..i32::from(SIZE.1)).map(row).collect();
        while rows.len() > 1 && rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }
}
