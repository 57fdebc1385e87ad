//! The table that `vmux list` prints. Pure.

use crate::core::model::Standing;
use crate::frontend::row::{self, Row};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const BLUE: &str = "\u{1b}[34m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// Rows in columns, one line each, at most `columns` wide.
#[must_use]
pub fn render(rows: &[Row], columns: usize, color: bool) -> String {
    let widths = row::widths(&rows.iter());
    // Room for usual lines. `columns` is whatever a client says, and must not be room for anything.
    let mut out = String::with_capacity(rows.len() * (row::COLUMNS + 16));
    for row in rows {
        let paint = match row.standing {
            Standing::Waiting => RED,
            Standing::Done => GREEN,
            Standing::Working => BLUE,
            Standing::Menu | Standing::Snoozed | Standing::Idle | Standing::Unknown => DIM,
        };
        if color {
            out.push_str(paint);
        }
        row::push_line(&mut out, row, widths, columns);
        if color {
            out.push_str(RESET);
        }
        out.push('\n');
    }
    out
}

/// Rows as lines for a menu program, all different: those that would be equal get a number.
#[must_use]
pub fn render_unique(rows: &[Row]) -> Vec<String> {
    let widths = row::widths(&rows.iter());
    let mut lines: Vec<String> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut line = String::new();
        row::push_line(&mut line, row, widths, row::COLUMNS);
        let mut unique = line.clone();
        for n in 2.. {
            if !lines.contains(&unique) {
                break;
            }
            unique = format!("{line} \u{b7}{n}");
        }
        lines.push(unique);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;

    use super::*;
    use crate::core::model::{Session, State, made};
    use crate::core::text::CleanText;

    fn rows(labels: &[&str]) -> Vec<Row> {
        let sessions: Vec<_> = (1..)
            .zip(labels)
            .map(|(pid, label)| session(pid, label))
            .collect();
        row::rows(&sessions, DateTime::UNIX_EPOCH)
    }

    fn session(pid: u32, label: &str) -> Arc<Session> {
        Arc::new(Session {
            label: Some(CleanText::line(label)),
            state_since: None,
            ..made::session(pid, "", State::Working)
        })
    }

    #[test]
    fn lines_for_a_menu_are_all_different() {
        // Equal once they are cut to their column.
        let long = "a-name-that-is-longer-than-its-column";
        let lines = render_unique(&rows(&[long, long]));
        assert_eq!(
            lines,
            [
                "a-name-that-is-longer-tha\u{2026}  -  working",
                "a-name-that-is-longer-tha\u{2026}  -  working \u{b7}2",
            ]
        );
    }

    #[test]
    fn no_width_is_too_large_or_too_small() {
        let rows = rows(&["same"]);
        assert_eq!(render(&rows, usize::MAX, false), "same  -  working\n");
        assert_eq!(render(&rows, 0, false), "same  -  working\n");
    }

    #[test]
    fn colours_only_where_wanted() {
        let plain = render(&rows(&["same"]), 40, false);
        assert_eq!(plain, "same  -  working\n");
        let painted = render(&rows(&["same"]), 40, true);
        assert_eq!(painted, "\u{1b}[34msame  -  working\u{1b}[0m\n");
    }
}
