//! The page that shows what a session asks, and its answers. Pure.

use super::{Page, QUIET};
use crate::core::model::{Decision, Dialog, Question, Session};
use crate::core::text::{push_pango, truncate};
use crate::frontend::preview::{Line, Tone};

/// Lines of a request. The message bar grows with its text, also beyond the screen.
const LINES: usize = 16;
/// Columns of a line.
const COLUMNS: usize = 90;

/// What the rows of the page mean: the text behind `info`.
pub(super) fn decision(info: &str) -> Option<Decision> {
    match info {
        "allow" => Some(Decision::Allow),
        "deny" => Some(Decision::Deny(String::new())),
        _ => {
            let option = info.strip_prefix("option-")?.parse().ok()?;
            Some(Decision::Choose(vec![vec![option]]))
        }
    }
}

/// The whole request above, the answers below. The first row answers nothing: a stray Enter
/// must not allow a command.
pub(super) fn page(session: &Session, asked: &Dialog) -> Vec<u8> {
    let mut page = Page::new(&message(session, asked), &[], &[]);
    page.row("Back, answer nothing", &[("info", "back")]);
    match &asked.questions[..] {
        [] => {
            // Nobody allows what he could not read.
            if !asked.cut && lines(asked).len() <= LINES {
                page.row("Allow it, this once", &[("info", "allow")]);
            }
            page.row("Deny it", &[("info", "deny")]);
        }
        [question] if !question.several => push_options(&mut page, question),
        // Several at once are answered where there is more than a row for each.
        _ => {}
    }
    page.row("Go there", &[("info", "focus")]);
    page.into_bytes()
}

fn push_options(page: &mut Page, question: &Question) {
    for (n, option) in question.options.iter().enumerate() {
        let meaning = match &*option.description {
            "" => String::new(),
            words => format!("  \u{b7} {words}"),
        };
        let text = format!("{}{meaning}", option.label);
        let info = format!("option-{n}");
        page.row(&truncate(&text, COLUMNS), &[("info", &info)]);
    }
}

/// The request, long lines wrapped: a tail that is not seen could say anything.
fn lines(asked: &Dialog) -> Vec<String> {
    let lines = asked.text.lines().flat_map(|text| {
        let line = Line {
            spans: vec![(Tone::Plain, text.to_owned())],
            hang: 2,
        };
        line.wrap(COLUMNS)
    });
    let text = |line: Line| line.spans.into_iter().map(|(_, text)| text).collect();
    lines.map(text).collect()
}

fn message(session: &Session, asked: &Dialog) -> String {
    let mut out = String::from("<b>");
    push_pango(&mut out, &session.title());
    out.push_str("</b> asks: <b>");
    push_pango(&mut out, &asked.tool);
    out.push_str("</b>");
    let lines = lines(asked);
    for line in lines.iter().take(LINES) {
        out.push_str("&#10;");
        push_pango(&mut out, line);
    }
    if asked.cut || lines.len() > LINES {
        out.push_str(&format!(
            "&#10;{QUIET}\u{2026} and more: to allow it, read it in vmux pick or go there</span>"
        ));
    }
    for question in &asked.questions {
        out.push_str("&#10;");
        push_pango(&mut out, &truncate(&question.text, COLUMNS));
    }
    if asked.questions.len() > 1 || asked.questions.iter().any(|q| q.several) {
        out.push_str(&format!(
            "&#10;{QUIET}Several answers: vmux answer, vmux pick, or go there</span>"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Offer, State, made};
    use crate::core::text::CleanText;

    fn session() -> Session {
        made::session(1, "/w/R&D", State::NeedsInput)
    }

    fn rows(asked: &Dialog) -> Vec<String> {
        let text = String::from_utf8(page(&session(), asked)).unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('\0'));
        rows.map(|row| row.replace(['\0', '\u{1f}'], "|")).collect()
    }

    #[test]
    fn nothing_is_allowed_by_the_first_row() {
        let asked = Dialog {
            tool: CleanText::line("Bash"),
            text: CleanText::block("rm -r <x> && y", 100),
            ..Dialog::default()
        };
        assert_eq!(
            rows(&asked),
            [
                "Back, answer nothing|info|back",
                "Allow it, this once|info|allow",
                "Deny it|info|deny",
                "Go there|info|focus"
            ]
        );
        let said = message(&session(), &asked);
        assert_eq!(
            said,
            "<b>R&amp;D</b> asks: <b>Bash</b>&#10;rm -r &lt;x&gt; &amp;&amp; y"
        );
        assert_eq!(decision("allow"), Some(Decision::Allow));
        assert_eq!(decision("back"), None);
    }

    #[test]
    fn an_option_is_a_row_and_several_questions_are_answered_elsewhere() {
        let option = |label: &str, words: &str| Offer {
            label: CleanText::line(label),
            description: CleanText::line(words),
        };
        let question = Question {
            text: CleanText::line("Which?"),
            options: vec![option("Red", "a warm one"), option("Blue", "")],
            several: false,
        };
        let one = Dialog {
            questions: vec![question.clone()],
            ..Dialog::default()
        };
        let shown = rows(&one);
        assert_eq!(shown[1], "Red  \u{b7} a warm one|info|option-0");
        assert_eq!(shown[2], "Blue|info|option-1");
        assert_eq!(decision("option-1"), Some(Decision::Choose(vec![vec![1]])));
        let two = Dialog {
            questions: vec![question.clone(), question],
            ..Dialog::default()
        };
        assert_eq!(rows(&two).len(), 2);
        assert!(message(&session(), &two).contains("Several answers"));
    }

    #[test]
    fn a_long_request_says_that_it_goes_on() {
        let asked = Dialog {
            text: CleanText::block(&"line\n".repeat(40), 9999),
            ..Dialog::default()
        };
        assert!(message(&session(), &asked).contains("and more: to allow it"));
        assert!(!rows(&asked).iter().any(|row| row.contains("allow")));
        let hidden = Dialog {
            text: CleanText::block(&format!("{} && tail", "x".repeat(200)), 9999),
            ..Dialog::default()
        };
        assert!(message(&session(), &hidden).contains("tail"));
    }
}
