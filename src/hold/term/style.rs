//! Cells as bytes. Pure.

use std::fmt;
use std::io::Write as _;

use alacritty_terminal::grid::{Dimensions as _, Grid, Row};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};

/// How a cell looks, whatever stands in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Look {
    fg: Color,
    bg: Color,
    flags: Flags,
    underline: Option<Color>,
    link: Option<Hyperlink>,
}

const SEEN: Flags = Flags::INVERSE
    .union(Flags::BOLD_ITALIC)
    .union(Flags::ALL_UNDERLINES)
    .union(Flags::DIM)
    .union(Flags::HIDDEN)
    .union(Flags::STRIKEOUT);

impl Look {
    pub(super) fn of(cell: &Cell) -> Self {
        Self {
            fg: cell.fg,
            bg: cell.bg,
            flags: cell.flags & SEEN,
            underline: cell.underline_color(),
            link: cell.hyperlink(),
        }
    }

    fn has_colours_of(&self, other: &Self) -> bool {
        (self.fg, self.bg, self.flags, self.underline)
            == (other.fg, other.bg, other.flags, other.underline)
    }

    /// Whether a cell without links and coloured lines looks so; `false` if it has to be looked at.
    fn is_that_of(&self, cell: &Cell) -> bool {
        cell.extra.is_none()
            && self.link.is_none()
            && self.underline.is_none()
            && (self.fg, self.bg, self.flags) == (cell.fg, cell.bg, cell.flags & SEEN)
    }

    fn plain() -> Self {
        Self::of(&Cell::default())
    }
}

/// Writes cells, and knows how what is written next will look.
pub(super) struct Pen {
    pub(super) out: Vec<u8>,
    look: Look,
}

impl Pen {
    /// Writes to a terminal that has its plain look.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self {
            out,
            look: Look::plain(),
        }
    }

    pub(super) fn raw(&mut self, bytes: &str) {
        self.out.extend_from_slice(bytes.as_bytes());
    }

    /// Writes formatted text.
    pub(super) fn put(&mut self, text: fmt::Arguments<'_>) {
        if let Err(error) = self.out.write_fmt(text) {
            log::error!("a vector takes no more: {error}");
        }
    }

    /// Back to the plain look.
    pub(super) fn plain(&mut self) {
        self.wear(&Look::plain());
    }

    pub(super) fn wear(&mut self, look: &Look) {
        if !self.look.has_colours_of(look) {
            self.colours(look);
        }
        if self.look.link != look.link {
            if let Some(link) = &look.link {
                self.raw("\x1b]8;id=");
                self.raw(link.id());
                self.raw(";");
                self.raw(link.uri());
            } else {
                self.raw("\x1b]8;;");
            }
            self.raw("\x1b\\");
        }
        self.look = look.clone();
    }

    fn colours(&mut self, look: &Look) {
        self.raw("\x1b[0");
        for (flag, code) in [
            (Flags::BOLD, ";1"),
            (Flags::DIM, ";2"),
            (Flags::ITALIC, ";3"),
            (Flags::UNDERLINE, ";4"),
            (Flags::DOUBLE_UNDERLINE, ";4:2"),
            (Flags::UNDERCURL, ";4:3"),
            (Flags::DOTTED_UNDERLINE, ";4:4"),
            (Flags::DASHED_UNDERLINE, ";4:5"),
            (Flags::INVERSE, ";7"),
            (Flags::HIDDEN, ";8"),
            (Flags::STRIKEOUT, ";9"),
        ] {
            if look.flags.contains(flag) {
                self.raw(code);
            }
        }
        self.colour(look.fg, 30);
        self.colour(look.bg, 40);
        if let Some(colour) = look.underline {
            self.colour(colour, 50);
        }
        self.raw("m");
    }

    /// A colour for what `base` stands for: 30 text, 40 background, 50 underline.
    fn colour(&mut self, colour: Color, base: u16) {
        match colour {
            Color::Spec(Rgb { r, g, b }) if base == 50 => {
                self.put(format_args!(";58:2::{r}:{g}:{b}"));
            }
            Color::Spec(Rgb { r, g, b }) => {
                self.put(format_args!(";{};2;{r};{g};{b}", base + 8));
            }
            Color::Indexed(index) if base == 50 => self.put(format_args!(";58:5:{index}")),
            Color::Indexed(index) => self.put(format_args!(";{};5;{index}", base + 8)),
            Color::Named(NamedColor::Foreground | NamedColor::Background) => {}
            Color::Named(name) => match name as u16 {
                code @ 0..=7 => self.put(format_args!(";{}", base + code)),
                code @ 8..=15 => self.put(format_args!(";{}", base + 52 + code)),
                _ => {}
            },
        }
    }

    /// One cell; of a wide character the first one stands for both.
    pub(super) fn cell(&mut self, cell: &Cell) {
        if cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            return;
        }
        if !self.look.is_that_of(cell) {
            self.wear(&Look::of(cell));
        }
        if cell.extra.is_none() && matches!(cell.c, ' '..='~') {
            // Nearly all cells are such.
            self.out.push(cell.c as u8);
            return;
        }
        let mut buffer = [0; 4];
        let c = if cell.c.is_control() { ' ' } else { cell.c };
        self.out
            .extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        for mark in cell.zerowidth().unwrap_or_default() {
            self.out
                .extend_from_slice(mark.encode_utf8(&mut buffer).as_bytes());
        }
    }

    /// The first cell of a row that goes on with the one above, where that may scroll: the new row
    /// is filled with the background of the character that makes it.
    pub(super) fn turn(&mut self, first: &Cell) {
        let filled = first.bg != Color::Named(NamedColor::Background);
        if filled && !first.flags.contains(Flags::WIDE_CHAR) {
            self.plain();
            self.raw(" \x08");
        }
        self.cell(first);
        if filled && first.flags.contains(Flags::WIDE_CHAR) {
            self.plain();
            self.raw("\x1b[K");
        }
    }

    /// How many cells are plain characters that look as what was written last.
    fn count_plain(&self, cells: &[Cell]) -> usize {
        if self.look.link.is_some() || self.look.underline.is_some() {
            return 0;
        }
        let Look { fg, bg, flags, .. } = self.look;
        let unlike = |cell: &Cell| {
            !matches!(cell.c, ' '..='~')
                || cell.extra.is_some()
                || (cell.fg, cell.bg) != (fg, bg)
                || cell.flags & (SEEN | Flags::WIDE_CHAR_SPACER) != flags
        };
        cells.iter().position(unlike).unwrap_or(cells.len())
    }

    /// A row as far as anything stands in it; one that goes on in the next row in full. `on`: it
    /// goes on with the row above, and has a first character in any case.
    pub(super) fn row(&mut self, grid: &Grid<Cell>, line: Line, on: bool) {
        let row = &grid[line];
        if on {
            self.turn(&row[Column(0)]);
        }
        let written = written(grid, line);
        self.out.reserve(written);
        let mut rest = row[..].get(usize::from(on)..written).unwrap_or_default();
        while let Some((first, after)) = rest.split_first() {
            self.cell(first);
            let alike = self.count_plain(after);
            let (run, other) = after.split_at(alike);
            self.out.extend(run.iter().map(|cell| cell.c as u8));
            rest = other;
        }
    }
}

/// Whether the next row goes on with what is in this one.
pub(super) fn goes_on(row: &Row<Cell>) -> bool {
    row.last()
        .is_some_and(|cell| cell.flags.contains(Flags::WRAPLINE))
}

/// Number of cells of a row that have to be written.
pub(super) fn written(grid: &Grid<Cell>, line: Line) -> usize {
    let row = &grid[line];
    let columns = row.len();
    if goes_on(row) {
        // A wide character that had no place at the end is where the next row begins.
        let spacer = row[Column(columns - 1)]
            .flags
            .contains(Flags::LEADING_WIDE_CHAR_SPACER);
        let last = line == grid.bottommost_line();
        let wide = !last
            && grid[line + 1i32][Column(0)]
                .flags
                .contains(Flags::WIDE_CHAR);
        return columns - usize::from(spacer && wide);
    }
    row[..]
        .iter()
        .rposition(|cell| !is_blank(cell))
        .map_or(0, |at| at + 1)
}

/// Whether nothing is seen of a cell. Most of the cells of a row are asked, so the plain case first.
fn is_blank(cell: &Cell) -> bool {
    cell.c == ' '
        && !cell.flags.intersects(SEEN)
        && cell.bg == Color::Named(NamedColor::Background)
        && cell.fg == Color::Named(NamedColor::Foreground)
        && (cell.extra.is_none()
            || (cell.zerowidth().is_none_or(<[char]>::is_empty) && Look::of(cell) == Look::plain()))
}
