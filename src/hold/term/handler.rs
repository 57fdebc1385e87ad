//! The functions of a terminal, on the [`Model`]: most as `alacritty_terminal` does them.

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, KeyboardModes,
    KeyboardModesApplyBehavior, LineClearMode, Mode, ModifyOtherKeys, NamedColor, NamedMode,
    PrivateMode, Rgb, StandardCharset, TabulationClearMode,
};

use super::model::{LINK, Model};
use super::{Size, asked};

/// Passes calls on as they are.
macro_rules! as_it_is {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $type),*) {
            self.term.$name($($argument),*);
        })*
    };
}

/// The same, where half a wide character may be left in the cursor's line.
macro_rules! and_mend {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $type),*) {
            self.term.$name($($argument),*);
            self.mend_line();
        })*
    };
}

/// The same, where rows may have left the screen.
macro_rules! and_keep {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $type),*) {
            self.term.$name($($argument),*);
            self.keep_history();
        })*
    };
}

impl Handler for Model {
    as_it_is! {
        goto(line: i32, column: usize);
        goto_line(line: i32);
        move_forward(columns: usize);
        move_backward(columns: usize);
        move_forward_tabs(count: u16);
        backspace();
        carriage_return();
        scroll_down(lines: usize);
        insert_blank_lines(lines: usize);
        reverse_index();
        terminal_attribute(attribute: Attr);
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        configure_charset(index: CharsetIndex, charset: StandardCharset);
        reset_color(index: usize);
    }

    and_keep! {
        linefeed();
        newline();
        scroll_up(lines: usize);
        delete_lines(lines: usize);
    }

    and_mend! {
        insert_blank(count: usize);
        erase_chars(count: usize);
    }

    fn input(&mut self, c: char) {
        self.printed = Some(c);
        // Those without width pile up on one cell.
        if (c >= '\u{300}' || c == '\u{ad}')
            && unicode_width::UnicodeWidthChar::width(c) == Some(0)
            && self.is_full()
        {
            return;
        }
        self.term.input(c);
        // Just below a row that was full.
        if self.term.grid().cursor.point.column <= 2 {
            self.keep_history();
        }
        if self.is_on(TermMode::INSERT) {
            self.mend_line();
        }
    }

    fn delete_chars(&mut self, count: usize) {
        // More than there are would take some before the cursor, too.
        let Column(at) = self.term.grid().cursor.point.column;
        self.term.delete_chars(count.min(self.term.columns() - at));
        self.mend_line();
    }

    fn clear_line(&mut self, mode: LineClearMode) {
        let grid = self.term.grid_mut();
        let cursor = &grid.cursor;
        let whole = match mode {
            LineClearMode::All => true,
            LineClearMode::Right => cursor.point.column == Column(0) && !cursor.input_needs_wrap,
            LineClearMode::Left => false,
        };
        if whole {
            // The same, but for cells that have not been written.
            let (line, blank) = (cursor.point.line, Cell::from(cursor.template.bg));
            return grid[line].reset(&blank);
        }
        let wide = self.is_beside_wide();
        self.term.clear_line(mode);
        if wide {
            self.mend_line();
        }
    }

    fn set_color(&mut self, index: usize, colour: Rgb) {
        if index < alacritty_terminal::term::color::COUNT {
            self.term.set_color(index, colour);
        }
    }

    fn goto_col(&mut self, column: usize) {
        let (line, origin) = self.line();
        self.term.goto(line - origin, column);
    }

    fn move_up(&mut self, lines: usize) {
        self.walk(down(lines).saturating_neg(), None);
    }

    fn move_down(&mut self, lines: usize) {
        self.walk(down(lines), None);
    }

    fn move_up_and_cr(&mut self, lines: usize) {
        self.walk(down(lines).saturating_neg(), Some(0));
    }

    fn move_down_and_cr(&mut self, lines: usize) {
        self.walk(down(lines), Some(0));
    }

    fn put_tab(&mut self, count: u16) {
        self.term.move_forward_tabs(count);
    }

    fn move_backward_tabs(&mut self, count: u16) {
        self.term.move_backward_tabs(count);
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    fn set_horizontal_tabstop(&mut self) {
        let column = self.term.grid().cursor.point.column.0;
        self.term.set_horizontal_tabstop();
        if let Some(stop) = self.tabs.get_mut(column) {
            *stop = true;
        }
    }

    fn clear_tabs(&mut self, mode: TabulationClearMode) {
        let column = self.term.grid().cursor.point.column.0;
        match mode {
            TabulationClearMode::All => self.tabs.fill(false),
            TabulationClearMode::Current => {
                if let Some(stop) = self.tabs.get_mut(column) {
                    *stop = false;
                }
            }
        }
        self.term.clear_tabs(mode);
    }

    fn save_cursor_position(&mut self) {
        self.saved_origin[0] = self.is_on(TermMode::ORIGIN);
        self.term.save_cursor_position();
    }

    fn restore_cursor_position(&mut self) {
        let origin = self.saved_origin[0];
        self.set_term(6, origin);
        self.term.restore_cursor_position();
        if origin {
            let line = self.term.grid().cursor.point.line.0;
            let edge = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
            let line = line.clamp(edge(self.margins.0), edge(self.margins.1) - 1);
            self.term.grid_mut().cursor.point.line = Line(line);
        }
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        let above = matches!(mode, ClearMode::Above);
        if matches!(mode, ClearMode::Saved) {
            let gone = self.gone();
            if self.is_alternate() {
                self.behind(|main| main.term.grid_mut().clear_history());
            } else {
                self.term.clear_screen(mode);
            }
            return self.ring.clear(gone);
        }
        self.term.clear_screen(mode);
        self.keep_history();
        // `Term` leaves the first line if the cursor is in the second one.
        if above && self.term.grid().cursor.point.line == Line(1) {
            self.term.grid_mut().reset_region(Line(0)..Line(1));
        }
        self.mend_line();
    }

    fn reset_state(&mut self) {
        let size = self.size();
        let answers = std::mem::take(&mut self.answers);
        let colours = std::mem::take(&mut self.colours);
        let gone = self.gone();
        *self = Self {
            links: self.links,
            answers,
            colours,
            rang: self.rang,
            ..Self::new(size)
        };
        self.ring.clear(gone);
    }

    fn decaln(&mut self) {
        self.set_scrolling_region(1, None);
        self.term.decaln();
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        self.private(mode.raw(), true);
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        self.private(mode.raw(), false);
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        let rows = self.term.screen_lines();
        let bottom = bottom.unwrap_or(rows).min(rows);
        // As terminals do: a region of one line is none.
        if top == 0 || top >= bottom {
            return;
        }
        self.margins = (top - 1, bottom);
        self.term.set_scrolling_region(top, Some(bottom));
    }

    fn set_active_charset(&mut self, index: CharsetIndex) {
        self.charset = index;
        self.term.set_active_charset(index);
    }

    fn set_cursor_style(&mut self, style: Option<CursorStyle>) {
        self.style = style;
    }

    fn set_cursor_shape(&mut self, shape: CursorShape) {
        let blinking = self.style.is_some_and(|style| style.blinking);
        self.style = Some(CursorStyle { shape, blinking });
    }

    fn bell(&mut self) {
        self.rang = true;
    }

    fn set_title(&mut self, title: Option<String>) {
        self.titles.set(title);
    }

    fn push_title(&mut self) {
        self.titles.push();
    }

    fn pop_title(&mut self) {
        self.titles.pop();
    }

    fn set_hyperlink(&mut self, link: Option<Hyperlink>) {
        let fits = |link: &Hyperlink| {
            let id = link.id.as_deref().unwrap_or_default();
            let plain = |text: &str| !text.chars().any(char::is_control);
            link.uri.len() + id.len() <= LINK && plain(&link.uri) && plain(id)
        };
        // A link without a name gets one: what is written after a snapshot still belongs to it.
        let link = link.filter(fits).map(|link| {
            self.links += 1;
            let name = || format!("vmux-{}", self.links);
            Hyperlink {
                id: link.id.or_else(|| Some(name())),
                uri: link.uri,
            }
        });
        self.term.set_hyperlink(link);
    }

    fn push_keyboard_mode(&mut self, mode: KeyboardModes) {
        self.keyboard[0].push(mode.bits());
    }

    fn pop_keyboard_modes(&mut self, n: u16) {
        self.keyboard[0].pop(n.into());
    }

    fn set_keyboard_mode(&mut self, mode: KeyboardModes, how: KeyboardModesApplyBehavior) {
        let bits = mode.bits();
        self.keyboard[0].change(|now| match how {
            KeyboardModesApplyBehavior::Replace => bits,
            KeyboardModesApplyBehavior::Union => now | bits,
            KeyboardModesApplyBehavior::Difference => now & !bits,
        });
    }

    fn set_modify_other_keys(&mut self, mode: ModifyOtherKeys) {
        self.other_keys = match mode {
            ModifyOtherKeys::Reset => 0,
            ModifyOtherKeys::EnableExceptWellDefined => 1,
            ModifyOtherKeys::EnableAll => 2,
        };
    }

    fn identify_terminal(&mut self, kind: Option<char>) {
        match kind {
            None => self.answer("\x1b[?62;22c"),
            Some('>') => self.answer("\x1b[>1;100;0c"),
            Some(_) => {}
        }
    }

    fn device_status(&mut self, what: usize) {
        let point = self.term.grid().cursor.point;
        let (line, origin) = self.line();
        match what {
            5 => self.answer("\x1b[0n"),
            6 => self.answer(&format!(
                "\x1b[{};{}R",
                line - origin + 1,
                point.column.0 + 1
            )),
            _ => {}
        }
    }

    fn report_mode(&mut self, mode: Mode) {
        let on = match mode {
            Mode::Named(NamedMode::Insert) => Some(self.is_on(TermMode::INSERT)),
            Mode::Named(_) => Some(self.is_on(TermMode::LINE_FEED_NEW_LINE)),
            Mode::Unknown(_) => None,
        };
        let state = on.map_or(0, |on| if on { 1 } else { 2 });
        self.answer(&format!("\x1b[{};{state}$y", mode.raw()));
    }

    fn report_private_mode(&mut self, mode: PrivateMode) {
        let state = self.report(mode.raw());
        self.answer(&format!("\x1b[?{};{state}$y", mode.raw()));
    }

    fn report_keyboard_mode(&mut self) {
        self.answer(&format!("\x1b[?{}u", self.keyboard[0].current()));
    }

    fn report_modify_other_keys(&mut self) {
        self.answer(&format!("\x1b[>4;{}m", self.other_keys));
    }

    fn text_area_size_chars(&mut self) {
        let Size { columns, rows } = self.size();
        self.answer(&format!("\x1b[8;{rows};{columns}t"));
    }

    fn text_area_size_pixels(&mut self) {
        let Size { columns, rows } = self.size();
        let pixels = |cells: u16, of: u32| u32::from(cells) * of;
        self.answer(&format!(
            "\x1b[4;{};{}t",
            pixels(rows, 16),
            pixels(columns, 8)
        ));
    }

    fn dynamic_color_sequence(&mut self, prefix: String, index: usize, terminator: &str) {
        let colours = self.term.colors();
        let set = |index: usize| colours[index.min(alacritty_terminal::term::color::COUNT - 1)];
        // The cursor has the colour of the text, unless it is given one.
        let (set, index) = match set(index) {
            None if index == NamedColor::Cursor as usize => (set(256), 256),
            set => (set, index),
        };
        let told = index.checked_sub(256).and_then(|at| self.colours.get(at));
        let colour = match (set.or_else(|| asked::palette(index)), told) {
            (Some(colour), _) => asked::colour(colour),
            (None, Some(Some(told))) => told.clone(),
            (None, Some(None)) if index == 256 => "rgb:d0d0/d0d0/d0d0".to_owned(),
            (None, Some(None)) => "rgb:0000/0000/0000".to_owned(),
            (None, None) => return,
        };
        self.answer(&format!("\x1b]{prefix};{colour}{terminator}"));
    }
}

fn down(lines: usize) -> i32 {
    i32::try_from(lines).unwrap_or(i32::MAX)
}
