//! The list on a terminal made of cells, with keys as a person presses them.

use std::mem::ManuallyDrop;

use proptest::prelude::*;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
use skim::binds::parse_key;
use skim::tui::Size;
use vmux::core::model::{Offer, Question as DialogQuestion, Session, State};
use vmux::core::text::CleanText;
use vmux::protocol::reply::PreviewMessage;

use super::*;
use crate::board::tests::{key, session};
use crate::{Args, ui_options};

mod matching;
mod palette;

/// Notes what it is asked.
#[derive(Default)]
struct Fake {
    asked: Vec<String>,
    refuses: Option<String>,
    workspace: Option<String>,
    request: Option<Dialog>,
}

impl Outside for Fake {
    fn label(&mut self, id: SessionKey, label: &str) -> Result<(), String> {
        self.asked.push(format!("label {id} {label:?}"));
        self.refuses.take().map_or(Ok(()), Err)
    }
    fn end(&mut self, id: SessionKey) -> Result<(), String> {
        self.asked.push(format!("end {id}"));
        self.refuses.take().map_or(Ok(()), Err)
    }
    fn dialog(&mut self, id: SessionKey) -> Result<Dialog, String> {
        self.asked.push(format!("asked {id}"));
        self.request
            .clone()
            .ok_or_else(|| "it asks nothing".to_owned())
    }
    fn decide(&mut self, id: SessionKey, request: u64, decision: Decision) -> Result<(), String> {
        self.asked
            .push(format!("decide {id} {request} {decision:?}"));
        self.refuses.take().map_or(Ok(()), Err)
    }
    fn workspace(&mut self) -> Option<String> {
        self.workspace.clone()
    }
    fn show(&mut self, _id: Option<SessionKey>) {}
    fn gather(&mut self) -> Result<(), String> {
        self.asked.push("gather".into());
        self.refuses.take().map_or(Ok(()), Err)
    }
    fn directory(&mut self, query: &str) -> Option<RawPath> {
        let there = ["/srv", "/srv/docs"].contains(&query);
        there.then(|| RawPath(query.to_owned()))
    }
    fn home(&self) -> &Path {
        Path::new("/home/someone")
    }
}

/// The list, never dropped: it would reset the terminal that the tests run in.
struct Screen {
    ui: ManuallyDrop<Ui<TestBackend, Fake>>,
    board: Arc<Board>,
    outcome: Option<Outcome>,
}

impl Screen {
    fn new(columns: u16, rows: u16, sessions: &[Arc<Session>]) -> Self {
        let args = Args {
            query: None,
            height: None,
            print: false,
            filter: None,
        };
        let (_, nothing) = skim::prelude::unbounded();
        let options = ui_options(&args, true).unwrap();
        let mut skim = Skim::init(options, Some(nothing)).unwrap();
        let backend = TestBackend::new(columns, rows);
        let tui = Tui::new_with_height_and_backend(backend, Size::Percent(100)).unwrap();
        skim.init_tui_with(tui);
        skim.app_mut().matcher = crate::engine::matcher();
        skim.start();
        let board = Arc::new(Board::new(true));
        board.apply(sessions, clock::now());
        let ui = Ui::new(skim, Arc::clone(&board), Fake::default(), true);
        let mut screen = Self {
            ui: ManuallyDrop::new(ui),
            board,
            outcome: None,
        };
        screen.ui.draw().unwrap();
        screen.draw();
        screen
    }

    /// Handles all that is under way.
    fn settle(&mut self) {
        while let Ok(event) = self.ui.parts().1.event_rx.try_recv() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        let outcome = self.ui.handle(event).unwrap();
        self.outcome = self.outcome.take().or(outcome);
    }

    /// Presses keys one after the other, as fast as a terminal hands them over.
    fn press(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let key = parse_key(key).unwrap();
            let (_, tui) = self.ui.parts();
            tui.event_tx.try_send(Event::Key(key)).unwrap();
        }
        self.draw()
    }

    /// Draws what was found, however long it takes.
    fn draw(&mut self) -> &mut Self {
        self.settle();
        assert!(self.ui.finish_search(Duration::from_secs(20)));
        self.ui.draw().unwrap();
        self.settle();
        self
    }

    fn kind(&mut self, text: &str) -> &mut Self {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The daemon has news.
    fn news(&mut self, sessions: &[Arc<Session>]) -> &mut Self {
        self.board.apply(sessions, clock::now());
        self.take(Event::Render);
        self.draw()
    }

    fn lines(&mut self) -> Vec<String> {
        let buffer = self.ui.parts().1.backend().buffer();
        let rows = buffer.area.rows();
        let text = |row: ratatui::layout::Rect| {
            let cells = row.columns().map(|cell| buffer[(cell.x, cell.y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        rows.map(text).collect()
    }

    fn line(&mut self, n: usize) -> String {
        self.lines().swap_remove(n)
    }

    /// The rows of the list: the first word of each, the one under the cursor marked.
    fn list(&mut self) -> Vec<String> {
        let lines = self.lines();
        let rows = lines.iter().skip(3).take_while(|line| !line.is_empty());
        let first = |line: &String| {
            let mark = if line.starts_with('\u{258c}') {
                ">"
            } else {
                ""
            };
            let word = line.trim_start_matches(['\u{258c}', ' ']).split(' ').next();
            format!("{mark}{}", word.unwrap_or_default())
        };
        rows.map(first).collect()
    }

    fn asked(&self) -> &[String] {
        &self.ui.outside.asked
    }
}

/// Three sessions, as the daemon lists them.
fn three() -> Vec<Arc<Session>> {
    vec![
        session(1, "shop-web", State::NeedsInput),
        session(2, "api-server", State::Working),
        session(3, "shop-api", State::Idle),
    ]
}

/// Rows and columns without a pane.
fn small(sessions: &[Arc<Session>]) -> Screen {
    Screen::new(70, 14, sessions)
}

#[test]
fn the_list_counts_explains_and_shows_rows() {
    let mut screen = small(&three());
    assert_eq!(screen.line(0), "vmux>");
    assert_eq!(screen.line(1), "  1 waiting \u{b7} 1 working \u{b7} 1 idle");
    assert!(screen.line(2).starts_with("  enter focus  alt-r label"));
    assert_eq!(screen.list(), [">shop-web", "api-server", "shop-api"]);
    let row = screen.line(3);
    assert!(row.contains("shop-web    -  waiting "), "{row}");
    let buffer = screen.ui.parts().1.backend().buffer();
    let reversed = |x| buffer[(x, 3)].modifier.contains(Modifier::REVERSED);
    assert!((2..69).all(reversed), "the selected row is a bar");
}

#[test]
fn the_best_match_is_chosen_however_fast_enter_comes() {
    let mut screen = small(&three());
    screen.kind("shopapi");
    assert_eq!(screen.list(), [">shop-api"]);
    assert!(screen.line(1).ends_with("1 of 3 fit"));
    let mut screen = small(&three());
    screen.press(&["down", "a", "p", "i", "s", "enter"]);
    assert_eq!(screen.outcome, Some(Outcome::Chosen(key(2))));
}

#[test]
fn escape_and_control_c_choose_nothing() {
    for out in ["esc", "ctrl-c", "ctrl-g"] {
        let mut screen = small(&three());
        screen.press(&["a", out]);
        assert_eq!(screen.outcome, Some(Outcome::Cancelled), "{out}");
    }
    let mut screen = small(&three());
    screen.kind("zzz").press(&["enter"]);
    assert_eq!(screen.list().len(), 0);
    assert_eq!(screen.outcome, None);
}

#[test]
fn news_change_rows_but_neither_cursor_nor_query() {
    let mut screen = small(&three());
    screen.kind("shop").press(&["down"]);
    assert_eq!(screen.list(), ["shop-web", ">shop-api"]);
    // The text it was found by changes as well: with its state.
    let news = [
        session(3, "shop-api", State::NeedsInput),
        session(1, "shop-web", State::Working),
        session(4, "shop-new", State::Working),
    ];
    screen.news(&news);
    assert_eq!(screen.list(), ["shop-web", ">shop-api", "shop-new"]);
    assert_eq!(screen.line(0), "vmux> shop");
    assert!(screen.line(4).contains("waiting"));
    screen.press(&["enter"]);
    assert_eq!(screen.outcome, Some(Outcome::Chosen(key(3))));
}

#[test]
fn the_cursor_stays_on_its_session_where_ranks_change() {
    let labelled = |pid, label: &str| {
        let mut labelled = (*session(pid, "x", State::Idle)).clone();
        labelled.label = Some(CleanText::line(label));
        Arc::new(labelled)
    };
    let mut screen = small(&[
        labelled(1, "a-web"),
        labelled(2, "webs"),
        labelled(3, "web"),
    ]);
    screen.kind("web").press(&["down", "down"]);
    assert_eq!(screen.list(), ["web", "webs", ">a-web"]);
    screen.news(&[
        labelled(1, "web"),
        labelled(2, "-w-e-b"),
        labelled(3, "web"),
    ]);
    assert_eq!(screen.list().last().unwrap(), "-w-e-b");
    screen.press(&["enter"]);
    assert_eq!(screen.outcome, Some(Outcome::Chosen(key(1))));
}

#[test]
fn an_ended_session_stays_marked_and_cannot_be_chosen() {
    let mut screen = small(&three());
    screen.news(&three()[1..]);
    assert_eq!(screen.list(), [">shop-web", "api-server", "shop-api"]);
    assert!(screen.line(3).contains("ended"));
    assert_eq!(screen.line(1), "  1 working \u{b7} 1 idle");
    for key in ["enter", "alt-r", "alt-k"] {
        screen.press(&[key]);
        assert_eq!(screen.line(1), "  shop-web has ended", "{key}");
    }
    assert!(screen.outcome.is_none() && screen.asked().is_empty());
    screen.press(&["down", "enter"]);
    assert_eq!(screen.outcome, Some(Outcome::Chosen(key(2))));
}

#[test]
fn a_label_is_asked_in_place_and_the_query_comes_back() {
    let mut screen = small(&three());
    screen.kind("shop").press(&["down", "left", "alt-r"]);
    assert_eq!(screen.line(0), "label>");
    assert!(screen.line(1).contains("A name for shop-api"));
    screen
        .kind("pay ments")
        .press(&["left", "left", "bspace", "alt-s", "tab"]);
    assert_eq!(screen.line(0), "label> pay mets");
    assert_eq!(screen.list(), ["shop-web", ">shop-api"], "the list waits");
    screen.press(&["enter"]);
    assert_eq!(screen.asked(), ["label 3-1 \"pay mets\""]);
    assert_eq!(screen.line(0), "vmux> shop");
    assert_eq!(screen.list(), ["shop-web", ">shop-api"]);
    screen.kind("o");
    assert_eq!(screen.line(0), "vmux> shoop", "its cursor as well");
    assert!(screen.outcome.is_none());
}

#[test]
fn the_old_label_is_filled_in_and_escape_leaves_it() {
    let mut labelled = (*session(1, "x", State::Idle)).clone();
    labelled.label = Some(CleanText::line("old n\u{e4}me"));
    let mut screen = small(&[Arc::new(labelled)]);
    screen.press(&["alt-r"]);
    assert_eq!(screen.line(0), "label> old n\u{e4}me");
    screen.kind("x").press(&["esc"]);
    assert_eq!(
        (screen.line(0).as_str(), screen.asked().len()),
        ("vmux>", 0)
    );
    assert!(screen.outcome.is_none(), "escape leaves the question only");
    screen.press(&["alt-r", "ctrl-u", "enter"]);
    assert_eq!(screen.asked(), ["label 1-1 \"\""]);
}

#[test]
fn news_during_a_question_wait_for_its_end() {
    let mut screen = small(&three());
    screen.kind("shop").press(&["alt-r"]).kind("zz");
    let mut more = three();
    more.push(session(4, "shop-new", State::Working));
    screen.news(&more);
    assert_eq!(screen.list(), [">shop-web", "shop-api"]);
    screen.press(&["esc"]);
    assert_eq!(screen.list(), [">shop-web", "shop-api", "shop-new"]);
}

#[test]
fn ending_is_asked_and_no_is_the_default() {
    for (answer, want) in [
        (&["enter"][..], &[][..]),
        (&["n", "enter"], &[]),
        (&["y", "esc"], &[]),
        (&["y", "enter"], &["end 1-1"]),
    ] {
        let mut screen = small(&three());
        screen.press(&["alt-k"]);
        assert_eq!(screen.line(0), "end it? [y/N]");
        assert!(screen.line(1).starts_with("  End shop-web (waiting "));
        screen.press(answer);
        assert_eq!(screen.asked(), want, "{answer:?}");
        assert_eq!(screen.line(0), "vmux>");
        assert!(screen.outcome.is_none());
    }
}

#[test]
fn a_request_is_shown_from_its_top_and_answered_by_a_word() {
    let command = (1..=40).map(|n| format!("line {n}")).collect::<Vec<_>>();
    let request = Dialog {
        id: 7,
        tool: CleanText::line("Bash"),
        text: CleanText::block(&command.join("\n"), 9999),
        ..Dialog::default()
    };
    for (read, answer, want) in [
        (true, "y", &["asked 1-1", "decide 1-1 7 Allow"][..]),
        (false, "y", &["asked 1-1"]),
        (
            false,
            "n use make",
            &["asked 1-1", "decide 1-1 7 Deny(\"use make\")"],
        ),
        (true, "", &["asked 1-1"]),
        (true, "sure", &["asked 1-1"]),
    ] {
        let mut screen = Screen::new(140, 30, &three());
        screen.ui.outside.request = Some(request.clone());
        screen.press(&["alt-a"]);
        assert_eq!(screen.line(0).split("  ").next(), Some("allow it? [y/n]"));
        let shown = screen.lines().join("\n");
        assert!(
            shown.contains("line 1") && shown.contains("more"),
            "{shown}"
        );
        assert!(!shown.contains("line 40"), "{shown}");
        if read {
            screen.press(&["shift-down"; 20]);
            assert!(screen.lines().join("\n").contains("line 40"));
        }
        screen.kind(answer).press(&["enter"]);
        assert_eq!(screen.asked(), want, "{answer:?}");
        assert!(screen.line(0).starts_with("vmux>"));
        assert!(screen.outcome.is_none());
    }
    let mut screen = small(&three());
    screen.press(&["alt-a"]);
    assert_eq!(screen.line(1), "  it asks nothing");
}

#[test]
fn a_question_is_answered_by_the_number_of_an_option() {
    let option = |label: &str| Offer {
        label: CleanText::line(label),
        description: CleanText::line("a colour"),
    };
    let mut screen = Screen::new(140, 30, &three());
    screen.ui.outside.request = Some(Dialog {
        id: 8,
        questions: vec![DialogQuestion {
            text: CleanText::line("Which colour?"),
            options: vec![option("Red"), option("Blue")],
            several: false,
        }],
        ..Dialog::default()
    });
    screen.press(&["alt-a"]);
    let shown = screen.lines().join("\n");
    assert!(shown.contains("2  Blue  a colour"), "{shown}");
    screen.press(&["2", "enter"]);
    assert_eq!(screen.asked()[1], "decide 1-1 8 Choose([[1]])");
}

#[test]
fn what_cannot_be_done_is_said_until_the_next_key() {
    let mut screen = small(&three());
    screen.ui.outside.refuses = Some("could not save the label".into());
    screen.press(&["alt-r", "x", "enter"]);
    assert_eq!(screen.line(1), "  could not save the label");
    screen.news(&three());
    assert_eq!(screen.line(1), "  could not save the label");
    screen.press(&["down"]);
    assert!(screen.line(1).contains("1 waiting"));
    screen
        .board
        .complain("the vmux daemon does not answer".into());
    screen.take(Event::Render);
    assert!(screen.line(1).ends_with("does not answer; this may be old"));
}

#[test]
fn a_key_goes_through_the_parts_of_the_list() {
    let mut here = (*session(2, "api-server", State::Working)).clone();
    here.workspace = Some(CleanText::line("2"));
    let sessions = [three().swap_remove(0), Arc::new(here)];
    let mut screen = small(&sessions);
    screen.press(&["down", "alt-s"]);
    assert_eq!(screen.list(), [">shop-web"]);
    assert!(screen.line(1).ends_with("showing waiting"));
    assert!(screen.line(2).contains("alt-s show all"), "no workspaces");
    screen.press(&["alt-s"]);
    assert_eq!(screen.list(), [">shop-web", "api-server"]);
    screen.ui.outside.workspace = Some("2".into());
    screen.press(&["alt-s"]);
    assert!(screen.line(2).contains("alt-s show this workspace"));
    screen.press(&["alt-s"]);
    assert_eq!(screen.list(), [">api-server"]);
    assert!(screen.line(1).ends_with("showing this workspace"));
    // Who begins to wait appears in its part of the list.
    screen.press(&["alt-s", "alt-s"]);
    screen.news(&[session(2, "api-server", State::NeedsInput)]);
    assert_eq!(screen.list(), [">shop-web", "api-server"]);
}

#[test]
fn the_pane_shows_the_conversation_and_can_be_scrolled() {
    let mut screen = Screen::new(150, 14, &three());
    let said = |text: &str| PreviewMessage {
        role: CleanText::line("assistant"),
        text: CleanText::block(text, 1000),
        at: None,
    };
    let text: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    screen.board.tell(key(1), Ok(vec![said(&text)].into()));
    screen.take(Event::Render);
    let pane = |screen: &mut Screen| -> Vec<String> {
        let lines = screen.lines();
        let parts = lines.iter().map(|line| line.split_once("\u{2502} "));
        parts
            .map(|part| part.unwrap_or_default().1.to_owned())
            .collect()
    };
    assert!(pane(&mut screen)[0].starts_with("shop-web  waiting "));
    assert_eq!(pane(&mut screen)[2], "");
    assert_eq!(pane(&mut screen)[13], "line 20");
    screen.press(&["shift-up", "shift-up"]);
    assert_eq!(pane(&mut screen)[12..], ["line 17", "\u{2193} 3 more"]);
    screen.press(&["shift-down", "shift-down", "shift-down"]);
    assert_eq!(pane(&mut screen)[13], "line 20");
    screen.press(&["down"]);
    assert!(pane(&mut screen)[0].starts_with("api-server  working "));
    screen.kind("zzz");
    assert_eq!(pane(&mut screen)[0], "no session fits");
}

#[test]
fn the_pane_comes_and_goes_with_its_key() {
    for hide in ["alt-p", "ctrl-/", "ctrl-7"] {
        let mut screen = Screen::new(150, 14, &three());
        assert!(screen.line(0).contains("shop-web"), "at the right");
        screen.press(&[hide]);
        assert_eq!(screen.line(0), "vmux>", "{hide}");
        screen.press(&[hide]);
        assert!(screen.line(0).contains("shop-web"));
    }
    let mut screen = small(&three());
    assert_eq!(screen.lines().len(), 14);
    screen.press(&["alt-p"]);
    assert!(
        screen.line(8).starts_with(" shop-web"),
        "below, where it is asked for"
    );
}

/// Something that happens to the list.
#[derive(Clone, Debug)]
enum Op {
    Press(&'static str),
    /// Which sessions there are, and in which state each is.
    News(Vec<Option<usize>>),
    Resize(u16, u16),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    const KEYS: [&str; 23] = [
        "a", "s", "e", "w", "1", "space", "!", "'", "bspace", "ctrl-u", "up", "down", "pgdown",
        "tab", "alt-r", "alt-k", "alt-s", "alt-n", "alt-p", "y", "esc", "enter", "shift-up",
    ];
    let news = prop::collection::vec(prop::option::weighted(0.8, 0..4usize), 6);
    let op = prop_oneof![
        4 => prop::sample::select(KEYS.to_vec()).prop_map(Op::Press),
        2 => news.prop_map(Op::News),
        1 => (1..180u16, 1..40u16).prop_map(|(columns, rows)| Op::Resize(columns, rows)),
    ];
    prop::collection::vec(op, 1..60)
}

fn made(news: &[Option<usize>]) -> Vec<Arc<Session>> {
    let states = [
        State::NeedsInput,
        State::Working,
        State::Idle,
        State::Unknown,
    ];
    let dirs = ["api", "web", "shop-api", "shop-web", "docs", "search"];
    let all = (1..).zip(dirs).zip(news);
    all.filter_map(|((pid, dir), state)| Some(session(pid, dir, states[(*state)?])))
        .collect()
}

proptest! {
    // Each case leaves some idle threads behind.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// Whatever happens, nothing panics, news leave the cursor where it is while all are listed,
    /// and only a session that lives is chosen.
    #[test]
    fn nothing_that_happens_upsets_the_list(ops in ops()) {
        let mut screen = Screen::new(100, 24, &made(&[Some(0); 6]));
        for op in ops {
            let here = selected(screen.ui.parts().0, |item| item.id.clone());
            match &op {
                Op::Press(key) => {
                    screen.outcome = None;
                    screen.press(&[key]);
                    if let Some(Outcome::Chosen(id)) = &screen.outcome {
                        let alive = screen.board.sessions().iter().any(|s| s.id == *id);
                        prop_assert!(alive && Some(id) == here.as_ref());
                    }
                }
                Op::News(news) => {
                    let (query, filter) = (screen.ui.parts().0.input.value.clone(), screen.ui.filter);
                    screen.news(&made(news));
                    let (app, _) = screen.ui.parts();
                    prop_assert_eq!(&app.input.value, &query);
                    let now = selected(app, |item| item.id.clone());
                    let fits = |id| order(app).0.contains(id);
                    if filter == Filter::All && here.as_ref().is_some_and(fits) {
                        prop_assert_eq!(here, now);
                    }
                }
                Op::Resize(columns, rows) => {
                    screen.ui.parts().1.backend_mut().resize(*columns, *rows);
                    screen.take(Event::Resize(*columns, *rows));
                    screen.take(Event::Render);
                    screen.settle();
                }
            }
        }
    }
}
