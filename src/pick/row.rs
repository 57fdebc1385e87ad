//! A session as a row of the list: columns that fit, colours by state, what matched underlined.
//! Pure.

use std::sync::Arc;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use skim::{DisplayContext, Matches};
use vmux::core::model::Session;
use vmux::core::model::Standing;
use vmux::core::query::{Field, Searched, search_fields};
use vmux::core::text::{push_column, truncate, width};
use vmux::frontend::row::{Row, Widths};

/// Space between columns.
pub(crate) const GAP: usize = 2;
/// The reason is worth more than the end of a long name: this much is kept for it.
const DETAIL: usize = 16;
/// Branches and names are not cut below this.
const LEAST: usize = 8;

/// A session, and how it was last listed.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) session: Arc<Session>,
    pub(crate) row: Row,
    pub(crate) widths: Widths,
    /// What queries are matched against.
    pub(crate) searched: Arc<Searched>,
    /// It is not listed any more.
    pub(crate) ended: bool,
}

/// Widths that leave room for the reason in `columns`, taken from the branch first; a branch that
/// has no room at all goes.
fn fit(widths: Widths, columns: usize) -> Widths {
    let mut fitted = widths;
    let taken = |w: Widths| w.name + w.branch + w.state + 3 * GAP;
    let over = |w: Widths| (taken(w) + DETAIL).saturating_sub(columns);
    fitted.branch -= over(fitted).min(fitted.branch.saturating_sub(LEAST));
    fitted.name -= over(fitted).min(fitted.name.saturating_sub(LEAST));
    if taken(fitted) > columns {
        fitted.branch = 0;
    }
    fitted
}

/// What of a session a query fits, a flag for each character.
#[derive(Default)]
struct Marks {
    name: Vec<bool>,
    branch: Vec<bool>,
    state: bool,
}

impl Marks {
    fn of(entry: &Entry, matches: &Matches) -> Self {
        let mut marks = Self::default();
        // What the matcher gives; everything else is skim's own.
        let Matches::CharIndices(matched) = matches else {
            return marks;
        };
        let mut at = 0;
        for (field, text) in search_fields(&entry.session) {
            let end = at + text.chars().count();
            let here: Vec<bool> = (at..end).map(|n| matched.contains(&n)).collect();
            match field {
                // Two sessions of one title show their own name, or the title and more.
                Field::Title if entry.row.name.starts_with(&*text) => marks.name = here,
                Field::Name if entry.row.name == text && here.contains(&true) => marks.name = here,
                Field::Branch => marks.branch = here,
                Field::State => marks.state |= here.contains(&true),
                _ => {}
            }
            at = end + 1;
        }
        marks
    }
}

/// How the columns of a row are painted.
struct Paint {
    name: Style,
    branch: Style,
    state: Style,
    detail: Style,
}

impl Paint {
    /// The selected row is marked by inverse video alone, which suits every palette; of its colours
    /// it keeps only that of a session that waits.
    fn of(entry: &Entry, base: Style, colored: bool) -> Self {
        let selected = base.add_modifier.contains(Modifier::REVERSED);
        let dim = if selected {
            base
        } else {
            base.add_modifier(Modifier::DIM)
        };
        let bold = base.add_modifier(Modifier::BOLD);
        let hue = |style: Style, color: Color| if colored { style.fg(color) } else { style };
        let (name, state, detail) = match entry.row.standing {
            _ if entry.ended => (dim, dim, dim),
            Standing::Waiting if selected => (bold, hue(bold, Color::Red), base),
            Standing::Waiting => (hue(bold, Color::Red), hue(bold, Color::Red), base),
            _ if selected => (base, base, base),
            Standing::Done => (hue(bold, Color::Green), hue(bold, Color::Green), base),
            // The darker blue cannot be read on black.
            Standing::Working => {
                let blue = hue(base, Color::LightBlue);
                (blue, blue, dim)
            }
            Standing::Menu | Standing::Snoozed | Standing::Idle | Standing::Unknown => {
                (dim, dim, dim)
            }
        };
        Self {
            name,
            branch: dim,
            state,
            detail,
        }
    }
}

/// The row of a session, filled up to the width of the list.
pub(crate) fn line(entry: &Entry, context: &DisplayContext, colored: bool) -> Line<'static> {
    let columns = context.container_width;
    let widths = fit(entry.widths, columns);
    let marks = Marks::of(entry, &context.matches);
    let paint = Paint::of(entry, context.base_style, colored);
    let (state, detail) = if entry.ended {
        ("ended", "")
    } else {
        (entry.row.state.as_str(), entry.row.detail.as_str())
    };
    let word = state.split(' ').next().unwrap_or_default().len();
    let state_marks: Vec<bool> = (0..word).map(|_| marks.state).collect();
    let cells = [
        (&*entry.row.name, widths.name, paint.name, marks.name),
        (
            &*entry.row.branch,
            widths.branch,
            paint.branch,
            marks.branch,
        ),
        (state, widths.state, paint.state, state_marks),
    ];
    let mut spans = Vec::new();
    let mut left = columns;
    for (text, width, style, marks) in cells {
        if width == 0 || left == 0 {
            continue;
        }
        push_cell(&mut spans, text, width.min(left), style, &marks);
        left -= width.min(left);
        let gap = GAP.min(left);
        spans.push(Span::styled(" ".repeat(gap), context.base_style));
        left -= gap;
    }
    push_cell(&mut spans, detail, left, paint.detail, &[]);
    Line::from(spans)
}

/// Appends a column, cut or filled to its width, what is marked underlined.
pub(crate) fn push_cell(
    spans: &mut Vec<Span<'static>>,
    text: &str,
    columns: usize,
    style: Style,
    marks: &[bool],
) {
    let kept = truncate(text, columns);
    let cut = kept.len() < text.len();
    let mut piece = String::new();
    let mut marked = false;
    let last = kept.chars().count().saturating_sub(1);
    let mut flush = |piece: &mut String, marked: bool| {
        if !piece.is_empty() {
            let style = if marked {
                style
                    .remove_modifier(Modifier::DIM)
                    .add_modifier(Modifier::UNDERLINED | Modifier::BOLD)
            } else {
                style
            };
            spans.push(Span::styled(std::mem::take(piece), style));
        }
    };
    for (n, c) in kept.chars().enumerate() {
        let mark = marks.get(n) == Some(&true) && !(cut && n == last);
        if mark != marked {
            flush(&mut piece, marked);
            marked = mark;
        }
        piece.push(c);
    }
    flush(&mut piece, marked);
    let mut fill = String::new();
    push_column(&mut fill, "", columns.saturating_sub(width(&kept)));
    flush(&mut fill, false);
}

#[cfg(test)]
mod tests {
    use vmux::core::model::{RawPath, State};
    use vmux::core::text::CleanText;
    use vmux::frontend::row;

    use super::*;

    fn entry() -> Entry {
        let session = Arc::new(Session {
            cwd: RawPath("/srv/shop-web".into()),
            git_branch: Some(CleanText::line("feature/cart-survives-reload")),
            state: State::NeedsInput,
            ask: Some(CleanText::line("Bash(cargo test)")),
            reason: Some(vmux::core::model::Reason::Permission),
            ..Session::default()
        });
        let mut rows = row::rows(&[Arc::clone(&session)], chrono::DateTime::UNIX_EPOCH);
        let widths = row::widths(&rows.iter());
        Entry {
            searched: Arc::new(Searched::of(&session)),
            row: rows.remove(0),
            session,
            widths,
            ended: false,
        }
    }

    fn context(columns: usize, matches: Matches) -> DisplayContext {
        DisplayContext {
            container_width: columns,
            matches,
            ..DisplayContext::default()
        }
    }

    fn text(line: &Line<'_>) -> String {
        line.spans.iter().map(|span| &*span.content).collect()
    }

    fn underlined(line: &Line<'_>) -> Vec<String> {
        let marked = line
            .spans
            .iter()
            .filter(|span| span.style.add_modifier.contains(Modifier::UNDERLINED));
        marked.map(|span| span.content.to_string()).collect()
    }

    #[test]
    fn columns_make_room_for_the_reason() {
        for (columns, want) in [
            (
                90,
                "shop-web  feature/cart-survives…  waiting  permission: Bash(cargo test)",
            ),
            (
                56,
                "shop-web  feature/cart-survi…  waiting  permission: Bas…",
            ),
            (40, "shop-web  feature…  waiting  permission…"),
            (22, "shop-web  waiting  pe…"),
            (12, "shop-web  w…"),
            (3, "sh…"),
            (0, ""),
        ] {
            let line = line(&entry(), &context(columns, Matches::None), true);
            let text = text(&line);
            assert_eq!(width(&text), columns, "filled: {text:?}");
            assert_eq!(text.trim_end(), want, "{columns}");
        }
    }

    #[test]
    fn what_matched_is_underlined_where_it_stands() {
        let entry = entry();
        let marked = |matches| underlined(&line(&entry, &context(90, matches), true));
        let places = |part: &str| {
            let text = entry.searched.text();
            let at = text.find(part).unwrap();
            let at = text[..at].chars().count();
            Matches::CharIndices((at..at + part.chars().count()).collect())
        };
        assert_eq!(marked(Matches::CharIndices(vec![0, 5, 6])), ["s", "we"]);
        assert_eq!(marked(places("cart")), ["cart"]);
        // Cut off in its column, and the ellipsis is no letter of it.
        assert_eq!(marked(places("survives-reload")), ["survives"]);
        assert_eq!(marked(places("ne")), ["waiting"]);
        assert!(marked(places("/srv")).is_empty());
        assert!(marked(Matches::None).is_empty());
    }

    #[test]
    fn an_ended_session_says_so_and_no_longer_shouts() {
        let ended = Entry {
            ended: true,
            ..entry()
        };
        let line = line(&ended, &context(60, Matches::None), true);
        assert!(text(&line).contains("  ended"));
        assert!(line.spans.iter().all(|span| span.style.fg.is_none()));
    }
}
