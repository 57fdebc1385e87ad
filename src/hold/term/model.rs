//! What a program's bytes do to a terminal: the grid of `alacritty_terminal`, and beside it what
//! that keeps to itself or does otherwise than the terminals people use.

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, CursorStyle, Handler as _, Mode, NamedMode, PrivateMode, StandardCharset,
};

use super::Size;
use super::modes::{Keyboard, Switches, Titles};
use super::repair;
use super::ring::Ring;
use super::style;
use super::text;

/// Rows that stay in the grid above the screen, at least: a window that grows shows them again.
const KEPT: usize = 64;
/// How many more there may be, before they are moved to the ring together.
const MORE: usize = 128;
/// More rows than a window that gets narrower makes of those.
const NO_BOUND: usize = 1 << 20;
/// Most bytes of answers that wait to be taken.
const ANSWERS: usize = 64 * 1024;
/// Most characters without width on one cell.
const MARKS: usize = 16;
/// Longest address of a link.
pub(super) const LINK: usize = 2048;

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows.into()
    }

    fn screen_lines(&self) -> usize {
        self.rows.into()
    }

    fn columns(&self) -> usize {
        self.columns.into()
    }
}

/// Cursor style, if the program chose one.
pub(super) type Style = Option<CursorStyle>;

/// A terminal's state.
pub(super) struct Model {
    pub(super) term: Term<VoidListener>,
    /// Margins as line numbers from 0, the second one behind the last.
    pub(super) margins: (usize, usize),
    pub(super) tabs: Vec<bool>,
    pub(super) switches: Switches,
    /// Of the screen that is shown, and of the other one.
    pub(super) keyboard: [Keyboard; 2],
    pub(super) other_keys: u8,
    pub(super) titles: Titles,
    pub(super) charset: CharsetIndex,
    pub(super) style: Style,
    /// Origin mode as it was when the cursor was saved, on the screen shown and the other one.
    pub(super) saved_origin: [bool; 2],
    /// The last character printed, which can be repeated.
    pub(super) printed: Option<char>,
    /// History that is no longer in the grid.
    pub(super) ring: Ring,
    /// The grid has no more rows to spare than it will use.
    pub(super) lean: bool,
    /// Lines that had left the main screen when the other one was shown.
    pub(super) gone_before: u64,
    /// Links without a name so far.
    pub(super) links: u64,
    pub(super) answers: Vec<u8>,
    /// Foreground and background that an attached terminal told.
    pub(super) colours: [Option<String>; 2],
    /// The bell rang since it was last asked.
    pub(super) rang: bool,
}

impl Model {
    pub(super) fn new(size: Size) -> Self {
        let config = Config {
            scrolling_history: most_above(size.rows.into()),
            ..Config::default()
        };
        Self {
            term: Term::new(config, &size, VoidListener),
            margins: (0, size.rows.into()),
            tabs: every_eighth(size.columns.into()),
            switches: Switches::default(),
            keyboard: <[Keyboard; 2]>::default(),
            other_keys: 0,
            titles: Titles::default(),
            charset: CharsetIndex::G0,
            style: None,
            saved_origin: [false; 2],
            printed: None,
            ring: Ring::default(),
            lean: false,
            gone_before: 0,
            links: 0,
            answers: Vec::new(),
            colours: [None, None],
            rang: false,
        }
    }

    pub(super) fn size(&self) -> Size {
        Size {
            columns: self.term.columns().try_into().unwrap_or(u16::MAX),
            rows: self.term.screen_lines().try_into().unwrap_or(u16::MAX),
        }
    }

    pub(super) fn resize(&mut self, size: Size) {
        // Nothing above is lost if it takes more rows now.
        let lift = |main: &mut Self| main.term.grid_mut().update_history(NO_BOUND);
        let keep = |main: &mut Self| {
            main.keep_history();
            main.bound_history();
            main.mend();
        };
        if self.is_alternate() {
            self.behind(lift);
        } else {
            lift(self);
        }
        self.term.resize(size);
        self.lean = false;
        self.margins = (0, size.rows.into());
        let from = self.tabs.len();
        let columns = size.columns.into();
        self.tabs.truncate(columns);
        self.tabs.extend((from..columns).map(|at| at % 8 == 0));
        if self.is_alternate() {
            self.term.grid_mut().truncate();
            self.mend();
            self.behind(|main| {
                keep(main);
                main.term.grid_mut().truncate();
            });
        } else {
            keep(self);
            self.truncate_alternate();
        }
    }

    /// Gives back the rows of the screen that is not shown: a grid makes a thousand where the
    /// window grows by one, and there they are never used.
    fn truncate_alternate(&mut self) {
        // What is on it is gone once it is shown.
        let saved = self.term.grid().saved_cursor.clone();
        self.term.swap_alt();
        self.term.grid_mut().truncate();
        self.term.swap_alt();
        self.term.grid_mut().saved_cursor = saved;
    }

    /// Moves old rows from the grid to the ring, if there are many. To be called after whatever
    /// may have moved rows out of the screen, so that the grid never has to drop one.
    pub(super) fn keep_history(&mut self) {
        let grid = self.term.grid_mut();
        let above = grid.history_size();
        let keep = kept(grid.screen_lines());
        if above < keep + MORE {
            return;
        }
        for at in (keep + 1..=above).rev() {
            self.ring.take(grid, Line(-i32::try_from(at).unwrap_or(0)));
        }
        // The grid makes a thousand rows at a time; these are as many as it will need.
        grid.truncate();
        self.lean = true;
        grid.update_history(keep);
        self.bound_history();
    }

    /// How many lines have left the main screen, in all.
    pub(super) fn gone(&self) -> u64 {
        if self.is_alternate() {
            return self.gone_before;
        }
        let grid = self.term.grid();
        let above = (1..=grid.history_size()).map(|at| Line(-i32::try_from(at).unwrap_or(0)));
        let ends = above.filter(|line| !style::goes_on(&grid[*line])).count();
        self.ring.ended() + u64::try_from(ends).unwrap_or(0)
    }

    fn bound_history(&mut self) {
        let grid = self.term.grid_mut();
        grid.update_history(most_above(grid.screen_lines()));
    }

    /// Forgets empty rows at the beginning of history, as many as a screen has.
    pub(super) fn forget_empty_past(&mut self) {
        let rows = self.term.screen_lines();
        let left = rows - self.ring.forget_empty(rows);
        if !self.ring.is_empty() {
            return;
        }
        let grid = self.term.grid_mut();
        let above = grid.history_size();
        let row = |at: usize| Line(-i32::try_from(above - at).unwrap_or(0));
        let empty = (0..left.min(above)).take_while(|at| grid[row(*at)].is_clear());
        let keep = above - empty.count();
        grid.update_history(keep);
        self.bound_history();
    }

    /// Gives back the memory of rows that may never be used.
    pub(super) fn rest(&mut self) {
        if !self.lean && !self.is_alternate() {
            self.term.grid_mut().truncate();
        }
    }

    /// Writes plain characters as far as they overwrite nothing but such, in the line of the cursor
    /// and not at its end; how many. For them it does the same as [`Term::input`], in a tenth of
    /// the time.
    pub(super) fn print(&mut self, text: &[u8]) -> usize {
        let plain = !self.is_on(TermMode::INSERT);
        let grid = self.term.grid_mut();
        let cursor = &grid.cursor;
        let (Line(line), Column(from)) = (cursor.point.line, cursor.point.column);
        let template = &cursor.template;
        let plain = plain
            && cursor.charsets[self.charset] == StandardCharset::Ascii
            && !cursor.input_needs_wrap
            && template.extra.is_none();
        let room = grid.columns().saturating_sub(from + 1).min(text.len());
        if !plain || room == 0 {
            return 0;
        }
        let (fg, bg, flags) = (template.fg, template.bg, template.flags);
        let row = &mut grid[Line(line)];
        let cells = &mut row[Column(from)..Column(from + room)];
        let wide = Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER;
        let set = |cell: &mut Cell, c: char| {
            let narrow = !cell.flags.intersects(wide);
            if narrow {
                (cell.c, cell.fg, cell.bg, cell.flags) = (c, fg, bg, flags);
                if cell.extra.is_some() {
                    cell.extra = None;
                }
            }
            narrow
        };
        let (mut written, mut taken) = (0, 0);
        let mut last = None;
        'cells: while written < room {
            // Nearly all are such, and need not be looked for.
            let ascii = text::ascii(&text[taken..]);
            for (cell, byte) in cells[written..].iter_mut().zip(&text[taken..][..ascii]) {
                if !set(cell, char::from(*byte)) {
                    break 'cells;
                }
                last = Some(char::from(*byte));
                (written, taken) = (written + 1, taken + 1);
            }
            let Some(cell) = cells.get_mut(written) else {
                break;
            };
            match text::first(&text[taken..]) {
                Some((c, length)) if set(cell, c) => {
                    last = Some(c);
                    (written, taken) = (written + 1, taken + length);
                }
                _ => break,
            }
        }
        grid.cursor.point.column = Column(from + written);
        self.printed = last.or(self.printed);
        taken
    }

    /// Writes the last character again, so often.
    pub(super) fn repeat(&mut self, times: u16) {
        if let Some(c) = self.printed {
            for _ in 0..times {
                self.input(c);
            }
        }
    }

    /// Cuts no wide character in half, whatever was done, and keeps both cursors on the screen.
    fn mend(&mut self) {
        let (rows, columns) = (self.term.screen_lines(), self.term.columns());
        let grid = self.term.grid_mut();
        repair::screen(grid);
        for cursor in [&mut grid.cursor, &mut grid.saved_cursor] {
            let last = Line(i32::try_from(rows).unwrap_or(i32::MAX) - 1);
            cursor.point.line = cursor.point.line.clamp(Line(0), last);
            cursor.point.column = cursor.point.column.min(Column(columns - 1));
            cursor.input_needs_wrap &= cursor.point.column == Column(columns - 1);
        }
    }

    /// Does something with the main screen while the other one is shown, which stays as it is.
    pub(super) fn behind<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let alternate: Grid<Cell> = self.term.grid().clone();
        self.term.swap_alt();
        let result = act(self);
        self.term.swap_alt();
        *self.term.grid_mut() = alternate;
        result
    }

    pub(super) fn is_alternate(&self) -> bool {
        self.term.mode().contains(TermMode::ALT_SCREEN)
    }

    pub(super) fn is_on(&self, mode: TermMode) -> bool {
        self.term.mode().contains(mode)
    }

    /// Sets back all modes, but nothing that is seen (DECSTR).
    pub(super) fn soft_reset(&mut self) {
        let point = self.term.grid().cursor.point;
        self.unset_mode(Mode::Named(NamedMode::Insert));
        self.private(6, false);
        self.private(7, true);
        self.private(25, true);
        self.private(1, false);
        self.unset_keypad_application_mode();
        self.set_scrolling_region(1, None);
        self.terminal_attribute(Attr::Reset);
        for index in [
            CharsetIndex::G0,
            CharsetIndex::G1,
            CharsetIndex::G2,
            CharsetIndex::G3,
        ] {
            self.configure_charset(index, StandardCharset::Ascii);
        }
        self.set_active_charset(CharsetIndex::G0);
        let grid = self.term.grid_mut();
        grid.saved_cursor = alacritty_terminal::grid::Cursor::default();
        grid.cursor.point = point;
        self.saved_origin[0] = false;
    }

    pub(super) fn answer(&mut self, text: &str) {
        if self.answers.len() + text.len() <= ANSWERS {
            self.answers.extend_from_slice(text.as_bytes());
        }
    }

    /// Line of the cursor, and that by which addresses are counted.
    pub(super) fn line(&self) -> (i32, i32) {
        let top = i32::try_from(self.margins.0).unwrap_or(0);
        let origin = if self.is_on(TermMode::ORIGIN) { top } else { 0 };
        (self.term.grid().cursor.point.line.0, origin)
    }

    /// Moves up or down, not over a margin that the cursor is within.
    pub(super) fn walk(&mut self, by: i32, column: Option<usize>) {
        let (line, origin) = self.line();
        let edge = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
        let (top, bottom) = (edge(self.margins.0), edge(self.margins.1) - 1);
        let last = edge(self.term.screen_lines()) - 1;
        let first = if line >= top { top } else { 0 };
        let last = if line <= bottom { bottom } else { last };
        let to = line.saturating_add(by).clamp(first, last);
        let column = column.unwrap_or(self.term.grid().cursor.point.column.0);
        self.term.goto(to - origin, column);
    }

    /// Lets go of what no bytes can say: that the last row goes on, or one at whose end a cursor
    /// waits, which only matters to a terminal that gets wider; and a place outside of the margins
    /// that the cursor is counted by.
    pub(super) fn settle(&mut self, origin: bool, saved_origin: bool) {
        let edge = |at: usize| Line(i32::try_from(at).unwrap_or(i32::MAX));
        let (first, last) = (edge(self.margins.0), edge(self.margins.1) - 1i32);
        let grid = self.term.grid_mut();
        let mut ends = vec![grid.bottommost_line()];
        for (cursor, origin) in [
            (&mut grid.cursor, origin),
            (&mut grid.saved_cursor, saved_origin),
        ] {
            if origin {
                cursor.point.line = cursor.point.line.clamp(first, last);
            }
            if cursor.input_needs_wrap {
                ends.push(cursor.point.line);
            }
        }
        let column = grid.last_column();
        for line in ends {
            grid[line][column].flags.remove(Flags::WRAPLINE);
        }
        repair::ends(grid);
    }

    pub(super) fn mend_line(&mut self) {
        let line = self.term.grid().cursor.point.line;
        repair::line(self.term.grid_mut(), line);
    }

    /// Whether one of the cells around the cursor is half a wide character.
    pub(super) fn is_beside_wide(&self) -> bool {
        let grid = self.term.grid();
        let Column(at) = grid.cursor.point.column;
        let cells = grid[grid.cursor.point.line][..].iter();
        let wide = Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER;
        let mut beside = cells.skip(at.saturating_sub(1)).take(3);
        beside.any(|cell| cell.flags.intersects(wide))
    }

    pub(super) fn private(&mut self, mode: u16, on: bool) {
        match mode {
            // The screens without and with a cursor of its own are one here.
            47 | 1047 | 1049 => self.turn(on),
            1048 if on => self.save_cursor_position(),
            1048 => self.restore_cursor_position(),
            2026 => {}
            3 => {
                self.set_term(3, on);
                self.margins = (0, self.term.screen_lines());
            }
            6 | 7 | 25 => self.set_term(mode, on),
            _ => self.switches.set(mode, on),
        }
    }

    pub(super) fn set_term(&mut self, mode: u16, on: bool) {
        use alacritty_terminal::vte::ansi::NamedPrivateMode as Named;
        let named = PrivateMode::Named(match mode {
            3 => Named::ColumnMode,
            6 => Named::Origin,
            7 => Named::LineWrap,
            25 => Named::ShowCursor,
            _ => Named::SwapScreenAndSetRestoreCursor,
        });
        if on {
            self.term.set_private_mode(named);
        } else {
            self.term.unset_private_mode(named);
            if mode == 6 {
                self.term.goto(0, 0);
            }
        }
    }

    fn turn(&mut self, on: bool) {
        if on == self.is_alternate() {
            return;
        }
        self.keyboard.swap(0, 1);
        if on {
            self.rest();
            self.gone_before = self.gone();
            let origin = self.is_on(TermMode::ORIGIN);
            self.saved_origin = [origin, origin];
            self.set_term(1049, true);
            let grid = self.term.grid_mut();
            grid.saved_cursor = grid.cursor.clone();
        } else {
            self.saved_origin = [self.saved_origin[1], false];
            self.set_term(1049, false);
            // As the cursor comes back, so does what it is counted by.
            let cursor = self.term.grid().cursor.clone();
            self.set_term(6, self.saved_origin[0]);
            self.term.grid_mut().cursor = cursor;
        }
    }

    pub(super) fn report(&self, mode: u16) -> u8 {
        let known = match mode {
            6 => Some(self.is_on(TermMode::ORIGIN)),
            7 => Some(self.is_on(TermMode::LINE_WRAP)),
            25 => Some(self.is_on(TermMode::SHOW_CURSOR)),
            47 | 1047 | 1049 => Some(self.is_alternate()),
            2026 => Some(false),
            1 | 12 | 1000 | 1002 | 1003 | 1004 | 1005 | 1006 | 2004 | 2031 => {
                Some(self.switches.get(mode).unwrap_or(false))
            }
            1007 => Some(self.switches.get(mode).unwrap_or(true)),
            _ => self.switches.get(mode),
        };
        known.map_or(0, |on| if on { 1 } else { 2 })
    }
}

/// Rows that the grid keeps above the screen, whatever else it moves out.
fn kept(rows: usize) -> usize {
    KEPT.max(2 * rows)
}

/// Most rows that are above the screen: no function moves more than the screen there.
fn most_above(rows: usize) -> usize {
    kept(rows) + MORE + rows
}

fn every_eighth(columns: usize) -> Vec<bool> {
    (0..columns).map(|at| at % 8 == 0).collect()
}

impl Model {
    /// Whether the cell that a mark would go to has enough of them.
    pub(super) fn is_full(&self) -> bool {
        let grid = self.term.grid();
        let point = grid.cursor.point;
        let mut column = point.column.0;
        if !grid.cursor.input_needs_wrap {
            column = column.saturating_sub(1);
        }
        let row = &grid[point.line];
        if row[Column(column)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column = column.saturating_sub(1);
        }
        row[Column(column)]
            .zerowidth()
            .is_some_and(|marks| marks.len() >= MARKS)
    }
}
