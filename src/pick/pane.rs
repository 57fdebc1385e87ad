//! The pane with the conversation: its head stays, its end is shown, older lines on request.
//! Pure.

use skim::tui::options::PreviewLayout;
use skim::tui::{Direction, Size};
use vmux::core::text::truncate;
use vmux::frontend::preview::{self, Line, Tone};

/// From this width on the pane stands to the right of the list: what is left beside it shows
/// names, branches, states and some words more.
const WIDE: u16 = 130;
/// Share of the width that a pane at the right has, in percent.
const RIGHT: u16 = 45;
/// Lines of a terminal from which on a pane below the list leaves enough of both.
const HIGH: u16 = 18;
/// Share of the height that a pane below has, in percent.
const BELOW: u16 = 50;

/// Where the pane stands in a terminal of this size; `wanted` is what the user said, if he did.
pub(crate) fn place(columns: u16, rows: u16, wanted: Option<bool>) -> PreviewLayout {
    let right = columns >= WIDE;
    let fits = right || rows >= HIGH;
    PreviewLayout {
        direction: if right {
            Direction::Right
        } else {
            Direction::Down
        },
        size: Size::Percent(if right { RIGHT } else { BELOW }),
        hidden: !wanted.unwrap_or(fits),
        ..PreviewLayout::default()
    }
}

/// Room for text within a pane that takes `columns` and `rows` with its border, which is a line
/// on one side; a column stays free.
pub(crate) fn room(direction: Direction, columns: u16, rows: u16) -> (usize, usize) {
    let beside = u16::from(direction == Direction::Right);
    let above = u16::from(direction == Direction::Down);
    let columns = columns.saturating_sub(beside + 1);
    (
        usize::from(columns),
        usize::from(rows.saturating_sub(above)),
    )
}

/// The pane's text for `columns` and `rows`: the head, and the last lines of the body that fit.
/// `back` is by how many lines the user went back; it is cut to what there is. Says besides
/// whether the last line is among them.
pub(crate) fn compose(
    head: &[Line],
    body: &[Line],
    (columns, rows): (usize, usize),
    back: &mut usize,
    colored: bool,
) -> (String, bool) {
    let wrap = |lines: &[Line]| -> Vec<Line> {
        let lines = lines.iter().flat_map(|line| line.wrap(columns.max(1)));
        lines.collect()
    };
    let (mut lines, mut body) = (wrap(head), wrap(body));
    // The head is parted from the body, also where that has lost its first lines.
    if body.first().is_some_and(Line::is_empty) {
        lines.push(body.remove(0));
    }
    lines.truncate(rows);
    let room = rows - lines.len();
    *back = (*back).min(body.len().saturating_sub(room));
    let end = body.len() - *back;
    let mut shown = body[end.saturating_sub(room)..end].to_vec();
    if *back > 0
        && let Some(last) = shown.last_mut()
    {
        let words = format!("\u{2193} {} more", *back + 1);
        *last = Line {
            spans: vec![(Tone::Faint, truncate(&words, columns).into_owned())],
            hang: 0,
        };
    }
    lines.extend(shown);
    let text = preview::render(&lines, colored);
    let text = text.lines().map(|line| format!(" {line}\n")).collect();
    (text, *back == 0 && room > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line {
            spans: vec![(Tone::Plain, (*text).to_owned())],
            hang: 0,
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn the_line_between_head_and_body_stays() {
        let head = lines(&["head"]);
        let body = lines(&["", "one", "two"]);
        let text = compose(&head, &body, (6, 3), &mut 0, false);
        assert_eq!(text, (" head\n \n two\n".to_owned(), true));
        let cramped = compose(&head, &body, (6, 1), &mut 0, false);
        assert!(!cramped.1, "nothing of the body is seen");
    }

    fn shown(rows: usize, back: &mut usize) -> Vec<String> {
        let head = lines(&["head"]);
        let body = lines(&["one", "two", "three", "four five"]);
        let (text, _) = compose(&head, &body, (6, rows), back, false);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_head_stays_and_the_end_is_shown() {
        let mut back = 0;
        assert_eq!(
            shown(9, &mut back),
            [" head", " one", " two", " three", " four", " five"]
        );
        assert_eq!(shown(3, &mut back), [" head", " four", " five"]);
        assert_eq!(shown(1, &mut back), [" head"]);
        assert_eq!(shown(0, &mut back), [""; 0]);
    }

    #[test]
    fn older_lines_are_shown_as_far_as_there_are_any() {
        let mut back = 1;
        assert_eq!(
            shown(4, &mut back),
            [" head", " two", " three", " \u{2193} 2 m\u{2026}"]
        );
        back = 99;
        assert_eq!(shown(4, &mut back)[..2], [" head", " one"]);
        assert_eq!(back, 2);
        assert_eq!(shown(9, &mut back).len(), 6);
        assert_eq!(back, 0, "all of it fits");
    }

    #[test]
    fn the_pane_stands_where_there_is_room() {
        for (columns, rows, wanted, want) in [
            (200, 50, None, (Direction::Right, false)),
            (130, 10, None, (Direction::Right, false)),
            (129, 50, None, (Direction::Down, false)),
            (80, 17, None, (Direction::Down, true)),
            (80, 17, Some(true), (Direction::Down, false)),
            (200, 50, Some(false), (Direction::Right, true)),
        ] {
            let layout = place(columns, rows, wanted);
            assert_eq!(
                (layout.direction, layout.hidden),
                want,
                "{columns} x {rows}"
            );
        }
        assert_eq!(room(Direction::Right, 90, 40), (88, 40));
        assert_eq!(room(Direction::Down, 80, 12), (79, 11));
        assert_eq!(room(Direction::Down, 0, 0), (0, 0));
    }
}
