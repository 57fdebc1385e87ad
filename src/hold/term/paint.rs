//! The state as bytes that bring another terminal to it.
//!
//! The order is what matters: what is drawn needs the plain modes, what moves the cursor comes
//! before the cursor, and what stands after the cursor moves nothing.

use unicode_width::UnicodeWidthChar as _;

use alacritty_terminal::grid::{Cursor, Dimensions as _};
use alacritty_terminal::index::{Column, Line, Point};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, CursorShape, Rgb, StandardCharset};

use super::model::Model;
use super::modes::Keyboard;
use super::style::{self, Look, Pen};
use super::{Paint, Size};

/// Plain look, whole screen as region, no mode that changes what drawing does.
const PLAIN: &str = "\x1b[0m\x1b]8;;\x1b\\\x1b[r\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\x1b[?25l\
                     \x1b(B\x1b)B\x1b*B\x1b+B\x0f";
/// Most bytes of lines for a terminal that has fallen behind: it must not by that fall behind.
const MISSED: usize = 512 * 1024;
/// Said where lines are missing.
const LEFT_OUT: &str =
    "lines are left out, which came while this terminal was behind: see `vmux logs`";
const SETS: [(CharsetIndex, char); 4] = [
    (CharsetIndex::G0, '('),
    (CharsetIndex::G1, ')'),
    (CharsetIndex::G2, '*'),
    (CharsetIndex::G3, '+'),
];

/// All of it; `tail` is what the program has not finished.
pub(super) fn snapshot(model: &mut Model, tail: &[u8], paint: Paint) -> Vec<u8> {
    let mut pen = Pen::new(Vec::with_capacity(16 * 1024));
    model.settle(model.is_on(TermMode::ORIGIN), model.saved_origin[0]);
    pen.raw("\x1b[?2026h");
    pen.raw(PLAIN);
    tabs(model, &mut pen);
    palette(model, &mut pen);
    if model.is_alternate() {
        let origin = model.saved_origin[1];
        model.behind(|main| {
            main.settle(origin, origin);
            lines(main, paint, &mut pen);
            if origin {
                margins(main, &mut pen);
            }
            cursor(main, &main.term.grid().cursor, origin, &mut pen);
        });
        model.keyboard[1].write(&mut pen.out);
        pen.raw("\x1b[?1049h\x1b[?6l\x1b[r");
        pen.plain();
        pen.raw("\x1b(B\x1b)B\x1b*B\x1b+B\x0f\x1b[H\x1b[J");
        screen(model, 0, &mut pen);
    } else {
        if model.keyboard[1] != Keyboard::default() {
            pen.raw("\x1b[?1049h");
            model.keyboard[1].write(&mut pen.out);
            pen.raw("\x1b[?1049l");
        }
        lines(model, paint, &mut pen);
    }
    model.keyboard[0].write(&mut pen.out);
    model.titles.write(&mut pen.out);
    margins(model, &mut pen);
    let grid = model.term.grid();
    cursor(model, &grid.saved_cursor, model.saved_origin[0], &mut pen);
    pen.raw("\x1b7");
    again(model, &mut pen);
    let origin = model.is_on(TermMode::ORIGIN);
    cursor(model, &grid.cursor, origin, &mut pen);
    modes(model, &mut pen);
    pen.raw("\x1b[?2026l");
    let mut out = pen.out;
    out.extend_from_slice(tail);
    out
}

fn tabs(model: &Model, pen: &mut Pen) {
    if model
        .tabs
        .iter()
        .enumerate()
        .all(|(at, stop)| *stop == (at % 8 == 0))
    {
        return;
    }
    pen.raw("\x1b[3g");
    for (at, _) in model.tabs.iter().enumerate().filter(|(_, stop)| **stop) {
        pen.put(format_args!("\x1b[1;{}H\x1bH", at + 1));
    }
}

fn palette(model: &Model, pen: &mut Pen) {
    let colours = model.term.colors();
    for index in 0..=258 {
        let Some(rgb) = colours[index] else { continue };
        match index.checked_sub(256) {
            None => pen.put(format_args!("\x1b]4;{index};")),
            Some(dynamic) => pen.put(format_args!("\x1b]{};", 10 + dynamic)),
        }
        let Rgb { r, g, b } = rgb;
        pen.put(format_args!("rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\"));
    }
}

fn line(at: usize) -> Line {
    Line(i32::try_from(at).unwrap_or(i32::MAX))
}

/// History and screen of the screen that is shown.
fn lines(model: &Model, paint: Paint, pen: &mut Pen) {
    let rows = model.term.screen_lines();
    let mut drawn = first_drawn(model);
    match paint {
        Paint::Over(seen) => {
            pen.raw("\x1b[H\x1b[J");
            let (above, joined) = missed(model, seen, pen);
            if above > 0 {
                scroll(above.min(rows - 1), rows, pen);
            }
            if above == 0 || !joined {
                drawn = 0;
            }
        }
        Paint::Below => {
            pen.put(format_args!("\x1b[{rows}H\r\n"));
            model.ring.write(&mut pen.out);
            above(model, 0, model.ring.is_open(), pen);
            scroll(rows - 1, rows, pen);
        }
    }
    screen(model, drawn, pen);
}

/// Number of cells of the screen that are drawn with the history: it goes on in them.
fn first_drawn(model: &Model) -> usize {
    let grid = model.term.grid();
    if grid.history_size() == 0 || !style::goes_on(&grid[Line(-1)]) {
        return 0;
    }
    let wide = grid[Line(0)][Column(0)].flags.contains(Flags::WIDE_CHAR);
    1 + usize::from(wide)
}

/// Moves what is above the cursor out of the screen.
fn scroll(by: usize, rows: usize, pen: &mut Pen) {
    pen.put(format_args!("\x1b[{rows}H"));
    pen.out.extend(std::iter::repeat_n(b'\n', by));
}

/// Prints the lines that have left the screen since so many had: how many rows that took, as far as
/// it matters, and whether the last one may go on in the screen.
fn missed(model: &Model, seen: Option<u64>, pen: &mut Pen) -> (usize, bool) {
    let say = |words: &str, pen: &mut Pen| {
        // In one row, however narrow.
        pen.put(format_args!("\x1b[?7l\x1b[2m{words}\x1b[0m\x1b[?7h\r\n"));
    };
    let Some(seen) = seen else {
        say(&format!("here {LEFT_OUT}"), pen);
        return (1, false);
    };
    let kept = model.ring.ended();
    if seen >= kept {
        let skipped = usize::try_from(seen - kept).unwrap_or(usize::MAX);
        return (above(model, skipped, false, pen), true);
    }
    let mut lines = Vec::new();
    let left_out = model.ring.write_after(seen, MISSED, &mut lines);
    if seen > 0 && left_out > 0 {
        say(&format!("here {left_out} {LEFT_OUT}"), pen);
    }
    pen.out.extend(lines);
    above(model, 0, model.ring.is_open(), pen);
    (model.term.screen_lines(), true)
}

/// Prints the rows that the grid has above the screen, but for so many lines; how many rows.
fn above(model: &Model, mut skipped: usize, mut wrapped: bool, pen: &mut Pen) -> usize {
    let grid = model.term.grid();
    let mut rows = 0;
    let above = grid.history_size();
    for at in (1..=above).rev() {
        let line = Line(-i32::try_from(at).unwrap_or(0));
        let row = &grid[line];
        if skipped > 0 {
            skipped -= usize::from(!style::goes_on(row));
            continue;
        }
        rows += 1;
        pen.row(grid, line, wrapped);
        wrapped = style::goes_on(row);
        if !wrapped {
            pen.plain();
            pen.raw("\r\n");
        } else if at == 1 {
            // The first row of the screen goes on with it.
            pen.turn(&grid[Line(0)][Column(0)]);
        }
    }
    pen.plain();
    pen.raw("\r");
    rows
}

/// The rows of the screen that is shown, onto one that is empty but for its first cells.
fn screen(model: &Model, drawn: usize, pen: &mut Pen) {
    let grid = model.term.grid();
    let mut wrapped = false;
    for at in 0..grid.screen_lines() {
        let row = &grid[line(at)];
        let used = style::written(grid, line(at));
        if wrapped && used == 0 {
            pen.cell(&Cell::default());
        } else if used > 0 {
            let from = if at == 0 { drawn } else { 0 };
            if !wrapped {
                pen.put(format_args!("\x1b[{};{}H", at + 1, from + 1));
            }
            for column in from..used {
                pen.cell(&row[Column(column)]);
            }
        }
        wrapped = style::goes_on(row);
    }
    pen.plain();
}

fn margins(model: &Model, pen: &mut Pen) {
    let (top, bottom) = model.margins;
    if (top, bottom) != (0, model.term.screen_lines()) {
        pen.put(format_args!("\x1b[{};{bottom}r", top + 1));
    }
}

/// Draws the last character printed where it stands, so that it can be repeated.
fn again(model: &Model, pen: &mut Pen) {
    let grid = model.term.grid();
    let Some(printed) = model.printed else { return };
    let printed = grid.cursor.charsets[model.charset].map(printed);
    let from = grid.cursor.point.line.0;
    let rows = i32::try_from(grid.screen_lines()).unwrap_or(i32::MAX);
    let lines = (0..rows).map(|by| Line((from - by).rem_euclid(rows)));
    let last = grid.last_column();
    let columns = || (0..last.0).rev().map(Column);
    let points = lines.flat_map(|line| columns().map(move |column| Point::new(line, column)));
    let mut empty = None;
    for point in points {
        let cell = &grid[point.line][point.column];
        let end = cell.zerowidth().and_then(<[char]>::last).unwrap_or(&cell.c);
        let wide = cell.flags.contains(Flags::WIDE_CHAR);
        // The first two cells and the last one may be tied to the rows around.
        let tied = (wide && point.column + 1 == last)
            || (point.column.0 <= 1
                && point.line > grid.topmost_line()
                && grid[point.line - 1i32][last]
                    .flags
                    .contains(Flags::LEADING_WIDE_CHAR_SPACER));
        if *end == printed && !tied && !cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            pen.raw("\x1b[?6l\x1b(B\x0f");
            pen.put(format_args!(
                "\x1b[{};{}H",
                point.line.0 + 1,
                point.column.0 + 1
            ));
            return pen.cell(cell);
        }
        if empty.is_none() && *cell == Cell::default() {
            empty = Some(point);
        }
    }
    // It is gone: drawn where it leaves nothing behind.
    if let (Some(point), Some(1)) = (empty, printed.width()) {
        pen.plain();
        let (row, column) = (point.line.0 + 1, point.column.0 + 1);
        pen.put(format_args!(
            "\x1b[?6l\x1b(B\x0f\x1b[{row};{column}H{printed}\x08\x1b[X"
        ));
    }
}

/// Puts the cursor where `cursor` is, with all that it carries.
fn cursor(model: &Model, cursor: &Cursor<Cell>, origin: bool, pen: &mut Pen) {
    pen.raw(if origin { "\x1b[?6h" } else { "\x1b[?6l" });
    let point = cursor.point;
    let top = if origin { model.margins.0 } else { 0 };
    let row = usize::try_from(point.line.0)
        .unwrap_or(0)
        .saturating_sub(top);
    if cursor.input_needs_wrap {
        pen.raw("\x1b(B\x0f");
        let grid = model.term.grid();
        let wide = grid[point.line][point.column]
            .flags
            .contains(Flags::WIDE_CHAR_SPACER);
        let column = point.column.0.saturating_sub(usize::from(wide));
        pen.put(format_args!("\x1b[{};{}H", row + 1, column + 1));
        pen.cell(&grid[point.line][Column(column)]);
    } else {
        pen.put(format_args!("\x1b[{};{}H", row + 1, point.column.0 + 1));
    }
    pen.wear(&Look::of(&cursor.template));
    for (index, name) in SETS {
        let set = match cursor.charsets[index] {
            StandardCharset::Ascii => 'B',
            StandardCharset::SpecialCharacterAndLineDrawing => '0',
        };
        pen.put(format_args!("\x1b{name}{set}"));
    }
    pen.raw(if model.charset == CharsetIndex::G1 {
        "\x0e"
    } else {
        "\x0f"
    });
}

/// What stands after the cursor, and moves nothing.
fn modes(model: &Model, pen: &mut Pen) {
    for (mode, on, code) in [
        (TermMode::LINE_WRAP, false, "\x1b[?7l"),
        (TermMode::INSERT, true, "\x1b[4h"),
        (TermMode::LINE_FEED_NEW_LINE, true, "\x1b[20h"),
        (TermMode::SHOW_CURSOR, true, "\x1b[?25h"),
        (TermMode::APP_KEYPAD, true, "\x1b="),
    ] {
        if model.is_on(mode) == on {
            pen.raw(code);
        }
    }
    for (mode, on) in model.switches.iter() {
        pen.put(format_args!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }));
    }
    if model.other_keys != 0 {
        pen.put(format_args!("\x1b[>4;{}m", model.other_keys));
    }
    if let Some(style) = model.style {
        let shape = match style.shape {
            CursorShape::Underline => 3,
            CursorShape::Beam => 5,
            _ => 1,
        };
        pen.put(format_args!("\x1b[{} q", shape + u8::from(!style.blinking)));
    }
}

/// Draws the part around the cursor on a terminal of another size, which has no modes on.
pub(super) fn crop(model: &Model, size: Size) -> Vec<u8> {
    let grid = model.term.grid();
    let (rows, columns) = (usize::from(size.rows), usize::from(size.columns));
    let point = grid.cursor.point;
    let at = usize::try_from(point.line.0).unwrap_or(0);
    // The least that has to be left out, so that the cursor is seen.
    let top = (at + 1).saturating_sub(rows);
    let left = (point.column.0 + 1).saturating_sub(columns);
    let mut pen = Pen::new(b"\x1b[?2026h\x1b[?25l\x1b[0m".to_vec());
    for y in 0..rows {
        pen.put(format_args!("\x1b[{}H", y + 1));
        if top + y < grid.screen_lines() {
            let row = &grid[line(top + y)];
            let used = style::written(grid, line(top + y)).min(left + columns);
            for x in left..used {
                let cell = &row[Column(x)];
                let half = (x == left && cell.flags.contains(Flags::WIDE_CHAR_SPACER))
                    || (x + 1 == left + columns && cell.flags.contains(Flags::WIDE_CHAR));
                pen.cell(if half { &BLANK } else { cell });
            }
            if used.saturating_sub(left) == columns {
                continue;
            }
        }
        pen.plain();
        pen.raw("\x1b[K");
    }
    pen.plain();
    pen.put(format_args!(
        "\x1b[{};{}H",
        at - top + 1,
        point.column.0 - left + 1
    ));
    if model.is_on(TermMode::SHOW_CURSOR) {
        pen.raw("\x1b[?25h");
    }
    pen.raw("\x1b[?2026l");
    pen.out
}

static BLANK: std::sync::LazyLock<Cell> = std::sync::LazyLock::new(Cell::default);

/// History, which only the main screen has, and screen as lines.
pub(super) fn text(model: &Model) -> Vec<u8> {
    let grid = model.term.grid();
    let mut pen = Pen::new(Vec::new());
    if !model.is_alternate() {
        model.ring.write(&mut pen.out);
    }
    let above = i32::try_from(grid.history_size()).unwrap_or(0);
    let rows = (0..i32::try_from(grid.screen_lines()).unwrap_or(0))
        .rev()
        .map(Line);
    // Empty lines at the end are none that were written.
    let last = rows.into_iter().find(|at| style::written(grid, *at) > 0);
    for at in -above..=last.map_or(-1, |line| line.0) {
        pen.row(grid, Line(at), false);
        if !style::goes_on(&grid[Line(at)]) {
            pen.plain();
            pen.raw("\n");
        }
    }
    let mut out = pen.out;
    out.retain(|byte| *byte != b'\r');
    out
}
