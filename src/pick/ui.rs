//! The list on the screen: skim's parts, driven by a loop of our own, because skim's leaves at
//! every key that is bound and knows no list that changes under the cursor.
//!
//! Everything passes [`Ui::handle`], one event at a time; what is not ours goes on to skim.
//! **Source:** skim 5.9.0, `Skim::tick` and `App::handle_event`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyEvent, MouseEvent, MouseEventKind};
use ratatui::widgets::Widget as _;
use skim::Skim;
use skim::binds::SkimEvent;
use skim::tui::actions::Action;
use skim::tui::{App, Event, Tui};
use vmux::cmd::exit::Failure;
use vmux::core::counts::Counts;
use vmux::core::model::{Decision, Dialog, RawPath, SessionKey};
use vmux::core::text::CleanText;
use vmux::frontend::filter::Filter;
use vmux::frontend::preview::{self, Line, Tone};
use vmux::sys::clock::{self, Deadline};

use crate::board::{Board, Item};
use crate::head::{self, Scene};
use crate::keys::Command;
use crate::palette::{Offer, Start};
use crate::pane;
use crate::prompt::{OpenPrompt, Prompt, edits};
use crate::row::Entry;

mod palette;
mod prompts;

use self::palette::OpenPalette;

/// How often skim looks at its search while one may be running.
const BEAT: Duration = Duration::from_millis(10);
/// So long after a key a search may be running: it takes a millisecond, on a full machine more.
const LIVELY: Duration = Duration::from_millis(300);
/// Longest wait for a search before a frame is drawn without it.
const FRAME: Duration = Duration::from_millis(50);
/// Longest wait for a search before the session under the cursor is taken.
const CHOICE: Duration = Duration::from_secs(2);
/// How often a second skim looks for what nothing else tells it. Its default of 120 would wake the
/// processor all the time.
pub(crate) const BEATS: f64 = 10.0;
/// More rows than any list has.
const ALL: i32 = 1 << 20;
/// Lines that one turn of the mouse wheel moves the conversation by.
const WHEEL: i64 = 3;

/// What skim reports as keys, though no user pressed one. Nothing is bound to them.
const SIGNALS: [SkimEvent; 7] = [
    SkimEvent::Start,
    SkimEvent::Load,
    SkimEvent::Change,
    SkimEvent::Result,
    SkimEvent::Focus,
    SkimEvent::Zero,
    SkimEvent::One,
];

/// What the list asks of the rest of vmux.
pub(crate) trait Outside {
    /// Names a session; empty takes its name away.
    fn label(&mut self, id: SessionKey, label: &str) -> Result<(), String>;
    /// Tells a session to end.
    fn end(&mut self, id: SessionKey) -> Result<(), String>;
    /// What a session asks, whole.
    fn dialog(&mut self, id: SessionKey) -> Result<Dialog, String>;
    /// Answers this request of a session.
    fn decide(&mut self, id: SessionKey, request: u64, decision: Decision) -> Result<(), String>;
    /// The workspace that has the focus.
    fn workspace(&mut self) -> Option<String>;
    /// This session's conversation is wanted.
    fn show(&mut self, id: Option<SessionKey>);
    /// Looks for projects; the board is told of them later.
    fn gather(&mut self) -> Result<(), String>;
    /// The directory that this query names, if it is one.
    fn directory(&mut self, query: &str) -> Option<RawPath>;
    /// The directory of the user.
    fn home(&self) -> &Path;
}

/// How it ended.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    /// With this session.
    Chosen(SessionKey),
    /// With a session that is to be started.
    New(Start),
    /// With none.
    Cancelled,
}

/// The list, its pane and its prompt.
pub(crate) struct Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
{
    skim: Skim<B>,
    board: Arc<Board>,
    outside: O,
    colored: bool,
    filter: Filter,
    workspace: Option<String>,
    /// What skim has to choose from, in this order, and by which texts it was last searched.
    listed: Vec<SessionKey>,
    texts: u64,
    /// Where the cursor was before the list was searched anew: its session, or else its row.
    anchor: Option<(Option<SessionKey>, usize)>,
    open: Option<OpenPrompt>,
    /// Projects stand in the list instead of sessions.
    palette: Option<OpenPalette>,
    /// What went wrong, until the next key.
    notice: Option<String>,
    /// The session in the pane, by how many lines it was scrolled back, and what it shows.
    shown: Option<SessionKey>,
    back: usize,
    pane: String,
    /// The end of the request that is asked about was on the screen.
    read: bool,
    /// Whether the user wants the pane; he has not said so at first.
    wanted: Option<bool>,
    lively: Instant,
}

impl<B, O> Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
    O: Outside,
{
    /// Takes over a skim that has been started and has a terminal.
    pub(crate) fn new(skim: Skim<B>, board: Arc<Board>, outside: O, colored: bool) -> Self {
        let mut ui = Self {
            skim,
            board,
            outside,
            colored,
            filter: Filter::All,
            workspace: None,
            listed: Vec::new(),
            texts: 0,
            anchor: None,
            open: None,
            palette: None,
            notice: None,
            shown: None,
            back: 0,
            pane: String::new(),
            read: false,
            wanted: None,
            lively: clock::steady() + LIVELY,
        };
        ui.place_pane();
        ui
    }

    /// Lets the user choose.
    pub(crate) async fn run(&mut self) -> Result<Outcome, Failure> {
        self.draw()?;
        loop {
            let event = self.next().await;
            let event = event.ok_or_else(|| Failure::new("the terminal has gone"))?;
            if let Some(outcome) = self.handle(event)? {
                return Ok(outcome);
            }
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let lively = clock::steady() < self.lively;
        let tui = self.skim.tui_mut();
        if !lively {
            return tui.next().await;
        }
        let next = tokio::time::timeout(BEAT, tui.next()).await;
        next.unwrap_or(Some(Event::Heartbeat))
    }

    fn parts(&mut self) -> (&mut App, &mut Tui<B>) {
        self.skim.app_and_tui()
    }

    fn pass(&mut self, event: &Event) -> Result<(), Failure> {
        let (app, tui) = self.parts();
        app.handle_event(tui, event)
            .map_err(|error| Failure::new(format!("could not draw the list: {error:#}")))
    }

    /// Takes one event.
    pub(crate) fn handle(&mut self, event: Event) -> Result<Option<Outcome>, Failure> {
        match event {
            Event::Render => self.draw()?,
            Event::Key(key) => self.key(key)?,
            Event::Action(action) => return self.action(action),
            Event::Mouse(mouse) => self.mouse(mouse)?,
            Event::Paste(_) => self.edit(&event)?,
            Event::Quit | Event::Close => return Ok(Some(Outcome::Cancelled)),
            // skim's way asks the terminal for the cursor on standard output, which may be a pipe.
            Event::Clear => self.pass(&Event::Redraw)?,
            Event::Error(error) => {
                return Err(Failure::new(format!(
                    "could not read the terminal: {error}"
                )));
            }
            Event::Resize(..) => {
                self.pass(&event)?;
                self.place_pane();
            }
            // The pane is ours, and no command is ever run.
            Event::RunPreview | Event::RunExecute(_) | Event::Reload(_) => {}
            event => self.pass(&event)?,
        }
        Ok(None)
    }

    fn key(&mut self, key: KeyEvent) -> Result<(), Failure> {
        if SIGNALS
            .iter()
            .any(|signal| signal.key_event().code == key.code)
        {
            return Ok(());
        }
        self.lively = clock::steady() + LIVELY;
        self.notice = None;
        self.pass(&Event::Key(key))
    }

    fn action(&mut self, action: Action) -> Result<Option<Outcome>, Failure> {
        // What the user sees under the cursor is what he means.
        self.keep_cursor(CHOICE);
        match action {
            Action::Accept(Some(word)) => match Command::parse(&word) {
                // What a prompt is about must not change while it is open.
                Some(command) if self.open.is_none() => self.command(command)?,
                _ => {}
            },
            Action::Accept(None) if self.open.is_some() => self.answer()?,
            Action::Abort if self.open.is_some() => {
                self.close_prompt();
                self.draw()?;
            }
            Action::Abort if self.palette.is_some() => {
                self.close_palette();
                self.draw()?;
            }
            Action::Accept(None) if self.palette.is_some() => return self.choose_offer(),
            Action::Accept(None) => return self.choose(),
            Action::Abort => return Ok(Some(Outcome::Cancelled)),
            Action::PreviewUp(lines) => self.scroll(i64::from(lines))?,
            Action::PreviewDown(lines) => self.scroll(-i64::from(lines))?,
            action if self.open.is_some() && !edits(&action) => {}
            action => self.edit(&Event::Action(action))?,
        }
        Ok(None)
    }

    /// Hands on what may change the query. The best match is on top, so there the cursor goes.
    fn edit(&mut self, event: &Event) -> Result<(), Failure> {
        let before = self.parts().0.input.value.clone();
        self.pass(event)?;
        let open = self.open.is_some();
        let (app, _) = self.parts();
        if !open && app.input.value != before {
            app.item_list.jump_to_first();
            self.anchor = None;
        }
        Ok(())
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Result<(), Failure> {
        let over = |area: ratatui::layout::Rect| area.contains((mouse.column, mouse.row).into());
        let in_pane = self.parts().0.layout.preview_area.is_some_and(over);
        match mouse.kind {
            MouseEventKind::Moved => Ok(()),
            MouseEventKind::ScrollUp if in_pane => self.scroll(WHEEL),
            MouseEventKind::ScrollDown if in_pane => self.scroll(-WHEEL),
            _ if in_pane || self.open.is_some() => Ok(()),
            _ => {
                self.lively = clock::steady() + LIVELY;
                self.pass(&Event::Mouse(mouse))
            }
        }
    }

    /// The session under the cursor, as the newest search has it.
    fn choose(&mut self) -> Result<Option<Outcome>, Failure> {
        self.finish_search(CHOICE);
        let Some(entry) = selected(self.parts().0, Item::entry) else {
            return Ok(None);
        };
        if !entry.ended {
            return Ok(Some(Outcome::Chosen(entry.session.id.clone())));
        }
        self.notice = Some(format!("{} has ended", entry.session.title()));
        self.draw()?;
        Ok(None)
    }

    fn command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            // They are about sessions.
            _ if self.palette.is_some() && command != Command::Preview => {}
            Command::New => self.open_palette(),
            Command::Label => self.ask(Prompt::Label),
            Command::End => self.ask(Prompt::End),
            Command::Answer => self.show_dialog(),
            Command::Filter => {
                self.workspace = self.outside.workspace();
                self.filter = self.filter.next(self.workspace.as_deref());
            }
            Command::Preview => {
                let hidden = self.parts().0.options.preview_window.hidden;
                self.wanted = Some(hidden);
                self.pass(&Event::Action(Action::TogglePreview))?;
            }
        }
        self.draw()
    }

    fn scroll(&mut self, lines: i64) -> Result<(), Failure> {
        let lines = isize::try_from(lines).unwrap_or(0);
        self.back = self.back.saturating_add_signed(lines);
        self.draw()
    }
}

// The list.
impl<B, O> Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
    O: Outside,
{
    /// Draws everything anew; ratatui writes only what differs.
    fn draw(&mut self) -> Result<(), Failure> {
        self.refresh_list();
        self.keep_cursor(FRAME);
        self.refresh_head();
        self.pass(&Event::Render)?;
        self.parts().0.pending_preview_run = false;
        if self.refresh_pane() {
            self.pass(&Event::Render)?;
            self.parts().0.pending_preview_run = false;
        }
        Ok(())
    }

    /// Gives skim what is listed now, if that is not what it has. The cursor stays on its session.
    fn refresh_list(&mut self) {
        // The prompt holds no query meanwhile.
        if self.open.is_some() {
            return;
        }
        if self.palette.is_some() {
            self.refresh_offers();
            return;
        }
        let (items, texts) = self.board.items();
        let listed = items.into_iter().filter(|item| {
            let workspace = self.workspace.as_deref();
            self.filter.has(&item.entry().session, workspace)
        });
        let listed: Vec<Arc<Item>> = listed.collect();
        let keys: Vec<SessionKey> = listed.iter().map(|item| item.id.clone()).collect();
        let queried = !self.parts().0.input.value.is_empty();
        if keys == self.listed && (texts == self.texts || !queried) {
            self.texts = texts;
            return;
        }
        let (before, at) = order(self.parts().0);
        if keys != self.listed {
            let pool = &self.parts().0.item_pool;
            pool.clear();
            pool.append(listed.into_iter().map(|item| item as _).collect());
        }
        (self.listed, self.texts) = (keys, texts);
        self.anchor.get_or_insert((before.get(at).cloned(), at));
        self.parts().0.restart_matcher(true);
    }

    /// Puts the cursor back on its session, once a new search has found it.
    fn keep_cursor(&mut self, patience: Duration) {
        if self.anchor.is_none() || !self.finish_search(patience) {
            return;
        }
        let Some((session, row)) = self.anchor.take() else {
            return;
        };
        let (app, _) = self.parts();
        let (found, at) = order(app);
        let same = session.and_then(|id| found.iter().position(|other| *other == id));
        let last = found.len().saturating_sub(1);
        go(app, at, same.unwrap_or(row.min(last)));
    }

    /// Waits for a search that runs, and takes over what it found without drawing it yet. Says
    /// whether it is over.
    fn finish_search(&mut self, patience: Duration) -> bool {
        let (app, tui) = self.parts();
        if app.pending_matcher_restart {
            app.restart_matcher(true);
        }
        let deadline = Deadline::after(patience);
        while !app.matcher_control.stopped() && !deadline.passed() {
            clock::sleep(Duration::from_micros(200));
        }
        let over = app.matcher_control.stopped();
        let area = tui.get_frame().area();
        app.render(area, &mut Buffer::empty(area));
        over
    }

    fn refresh_head(&mut self) {
        let sessions = self.board.sessions();
        let counts = Counts::of(&sessions).to_string();
        let answerable = sessions.iter().any(|session| session.can_be_answered());
        let trouble = self.board.trouble();
        let trouble = trouble.map(|trouble| format!("{trouble}; this may be old"));
        let (listed, filter) = (self.listed.len(), self.filter);
        let next = self.filter.next(self.workspace.as_deref());
        let colored = self.colored;
        let notice = self.notice.clone().or(trouble);
        let notice = notice.map(|notice| CleanText::line(&notice));
        let open = self.open.as_ref();
        let prompt = open.map(|open| (open.about.clone(), open.prompt.keys()));
        let palette = self.palette.as_ref();
        let prompt = prompt.or_else(|| Some(palette?.scene(self.notice.as_deref())));
        let (app, _) = self.skim.app_and_tui();
        let area = app.layout.header_area.unwrap_or(app.layout.list_area);
        let columns = usize::from(area.width.saturating_sub(2));
        let fit = app.item_list.count();
        let scene = match &prompt {
            Some((about, keys)) => Scene::Prompt { about, keys },
            None => Scene::List {
                counts: &counts,
                fitting: (!app.input.value.is_empty()).then_some((fit, listed)),
                notice: notice.as_deref(),
                filter,
                next,
                answerable,
            },
        };
        app.header.header = head::render(&scene, columns, colored);
    }
}

// The pane.
impl<B, O> Ui<B, O>
where
    B: Backend + 'static,
    B::Error: Send + Sync + 'static,
    O: Outside,
{
    fn place_pane(&mut self) {
        let wanted = self.wanted;
        let (app, tui) = self.parts();
        let area = tui.get_frame().area();
        let place = pane::place(area.width, area.height, wanted);
        app.preview.direction = place.direction;
        app.options.preview_window = place;
        app.resize(area.width, area.height);
        // skim has emptied it.
        self.pane.clear();
    }

    /// Shows the session under the cursor in the pane. Says whether that changed anything.
    fn refresh_pane(&mut self) -> bool {
        let entry = selected(self.parts().0, Item::entry);
        let id = entry.as_ref().map(|entry| entry.session.id.clone());
        if self.shown != id {
            (self.shown, self.back) = (id.clone(), 0);
            self.outside.show(id);
        }
        let about = self.offered(Offer::about);
        let none = match self.palette {
            Some(_) => "no project fits",
            None => "no session fits",
        };
        let (app, _) = self.skim.app_and_tui();
        let Some(area) = app.layout.preview_area else {
            return false;
        };
        let room = pane::room(app.preview.direction, area.width, area.height);
        let (mut head, mut body) = match entry {
            Some(entry) => conversation(&self.board, &entry),
            None => (about.unwrap_or_else(|| vec![faint(none)]), Vec::new()),
        };
        if let Some(asked) = self.open.as_ref().and_then(|open| open.dialog.as_ref()) {
            body = preview::asked(asked);
            // Room for the request: the pane may be a few lines high.
            head.truncate(1);
        }
        let (text, at_end) = pane::compose(&head, &body, room, &mut self.back, self.colored);
        self.read |= at_end && self.open.is_some();
        if text == self.pane {
            return false;
        }
        // Fails on what is no text only.
        let shown = app.preview.content(text.as_bytes()).is_ok();
        self.pane = text;
        shown
    }
}

/// What is said of a session in the pane.
fn conversation(board: &Board, entry: &Entry) -> (Vec<Line>, Vec<Line>) {
    let mut head = preview::head(&entry.session, clock::now());
    if entry.ended
        && let Some((tone, state)) = head.first_mut().and_then(|line| line.spans.last_mut())
    {
        (*tone, *state) = (Tone::Faint, "  ended".to_owned());
    }
    let said = board.said(&entry.session.id);
    if let Some(Ok(told)) = said.as_deref() {
        head.extend(preview::commits(&told.commits, clock::now()));
    }
    let body = match said.as_deref() {
        None => Vec::new(),
        Some(Ok(told)) if told.messages.is_empty() => vec![faint(""), faint("nothing said yet")],
        Some(Ok(told)) => preview::messages(&told.messages),
        Some(Err(error)) => vec![faint(""), faint(&CleanText::line(error))],
    };
    (head, body)
}

fn faint(text: &str) -> Line {
    Line {
        spans: vec![(Tone::Faint, text.to_owned())],
        hang: 0,
    }
}

/// What `take` wants of the item under the cursor.
fn selected<T>(app: &App, take: impl Fn(&Item) -> T) -> Option<T> {
    let item = app.item_list.selected()?.item;
    item.as_ref().as_any().downcast_ref().map(take)
}

/// The list as it is shown, and the place of the cursor in it. skim only tells which item is under
/// the cursor, so the cursor is taken through all of them.
fn order(app: &mut App) -> (Vec<SessionKey>, usize) {
    let here = selected(app, |item| item.id.clone());
    let count = app.item_list.count();
    app.item_list.scroll_by(-ALL);
    let mut ids = Vec::with_capacity(count);
    for n in 0..count {
        if n > 0 {
            app.item_list.scroll_by(1);
        }
        ids.extend(selected(app, |item| item.id.clone()));
    }
    let at = ids
        .iter()
        .position(|id| Some(id) == here.as_ref())
        .unwrap_or(0);
    go(app, ids.len().saturating_sub(1), at);
    (ids, at)
}

/// Moves the cursor from one place of the list to another; the view stays where it can.
fn go(app: &mut App, from: usize, to: usize) {
    let place = |n: usize| i32::try_from(n).unwrap_or(0);
    app.item_list.scroll_by(place(to) - place(from));
}

#[cfg(test)]
mod tests;
