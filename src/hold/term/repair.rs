//! Wide characters that an edit cut in half: real terminals blank what is left of them.

use alacritty_terminal::grid::{Dimensions as _, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};

/// Blanks the halves of wide characters in a line.
pub(super) fn line(grid: &mut Grid<Cell>, line: Line) {
    let columns = grid.columns();
    let row = &mut grid[line];
    let mut wide_before = false;
    for at in 0..columns {
        let flags = row[Column(at)].flags;
        let spacer = flags.contains(Flags::WIDE_CHAR_SPACER);
        if spacer && !wide_before {
            row[Column(at)].flags.remove(Flags::WIDE_CHAR_SPACER);
        }
        if wide_before && !spacer {
            row[Column(at - 1)].clear_wide();
        }
        wide_before = flags.contains(Flags::WIDE_CHAR);
    }
    if wide_before {
        row[Column(columns - 1)].clear_wide();
    }
}

/// The same in all lines of the screen.
pub(super) fn screen(grid: &mut Grid<Cell>) {
    for at in 0..grid.screen_lines() {
        line(grid, Line(i32::try_from(at).unwrap_or(i32::MAX)));
    }
}

/// Forgets the places at the end of a row that a wide character left, if it is no longer there.
pub(super) fn ends(grid: &mut Grid<Cell>) {
    let column = grid.last_column();
    let mut line = grid.topmost_line().max(Line(-1));
    while line < grid.bottommost_line() {
        let next: Line = line + 1i32;
        if !grid[next][Column(0)].flags.contains(Flags::WIDE_CHAR) {
            grid[line][column]
                .flags
                .remove(Flags::LEADING_WIDE_CHAR_SPACER);
        }
        line = next;
    }
}
