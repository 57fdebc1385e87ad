//! Terminals by other hands, as judges of what a terminal shows: each says all that it can tell
//! after a stream, a line a fact.
//!
//! | judge | says | cannot say |
//! |---|---|---|
//! | avt 0.18 | cells, wrapped rows, history, both screens, cursor and saved cursor, margins, tabs, charsets, origin, wrap, insert and new line mode, cursor keys | underline kinds and colours, links, titles, marks on characters, mouse, paste, focus, keyboard |
//! | vt100 0.18 | cells with marks, cursor and its style, alternate screen, keypad, cursor keys, paste, mouse | history beyond text, margins, saved cursor, tabs, links, the screen behind |
//!
//! Neither knows kitty's keyboard, 2031, the palette and titles put aside: those are held against
//! the holder's own state, in its tests.

use std::num::NonZeroU16;

/// What avt says of a stream in a terminal of this size.
pub(crate) fn avt(columns: u16, rows: u16, stream: &[u8]) -> Vec<String> {
    let mut vt = avt::Vt::builder()
        .size(columns.into(), rows.into())
        .scrollback_limit(100_000)
        .build();
    vt.feed_str(&String::from_utf8_lossy(stream));
    // What was above before the session is no history of it.
    let history = vt.lines().count() - usize::from(rows);
    let above = vt.lines().take(history).map(|line| {
        let cells: Vec<String> = line.cells().iter().map(said).collect();
        let used = cells.iter().rposition(|cell| cell != "' ' None");
        cells[..used.map_or(0, |at| at + 1)].join(" ")
    });
    let above = above.skip_while(String::is_empty);
    let mut all: Vec<String> = above.map(|line| format!("avt above {line}")).collect();
    for (y, line) in vt.view().enumerate() {
        let cells = line.cells().iter().enumerate();
        all.extend(cells.map(|(x, cell)| format!("avt {y} {x} {}", said(cell))));
    }
    all.push(format!(
        "avt {:?} {}",
        vt.cursor(),
        vt.cursor_key_app_mode()
    ));
    all
}

/// It erases with all of the look, where others take the background: of a blank only that counts.
fn said(cell: &avt::Cell) -> String {
    if cell.char() == ' ' {
        return format!("' ' {:?}", cell.pen().background());
    }
    format!("{cell:?}")
}

/// What vt100 says of it. It scrolls in rows without the background that others give them, and so
/// is no judge of a stream with backgrounds, but for all else than cells.
pub(crate) fn vt100(columns: u16, rows: u16, stream: &[u8]) -> Vec<String> {
    let size = |n: u16| NonZeroU16::new(n).unwrap();
    let mut parser = vt100::Parser::new(size(rows), size(columns), 0);
    parser.process(stream);
    let screen = parser.screen();
    let mut all = vec![
        format!("vt100 alternate {}", screen.alternate_screen()),
        format!(
            "vt100 cursor {:?} {} {:?}",
            screen.cursor_position(),
            screen.hide_cursor(),
            screen.cursor_style()
        ),
        format!("vt100 modes {:?}", screen.input_mode_formatted()),
        format!("vt100 look {:?}", screen.attributes_formatted()),
    ];
    for y in 0..rows {
        all.extend((0..columns).map(|x| format!("vt100 {y} {x} {}", words(screen.cell(y, x)))));
    }
    all
}

fn words(cell: Option<&vt100::Cell>) -> String {
    let Some(cell) = cell else {
        return String::new();
    };
    // One that nobody wrote to is a blank; it, too, erases with more than the background.
    let text = Some(cell.contents()).filter(|text| !text.is_empty());
    let text = text.unwrap_or(" ");
    if text == " " {
        return format!("' ' {:?}", cell.bgcolor());
    }
    let looks = [
        cell.bold(),
        cell.dim(),
        cell.italic(),
        cell.underline(),
        cell.inverse(),
    ];
    format!(
        "{:?} {:?} {:?} {looks:?} {} {}",
        text,
        cell.fgcolor(),
        cell.bgcolor(),
        cell.is_wide(),
        cell.is_wide_continuation()
    )
}
