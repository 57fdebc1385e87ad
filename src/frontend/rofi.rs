//! rofi's script mode: what it shows, and the menu behind it. Pure.
//!
//! Script mode keeps no state on old versions, and cannot hide its window before an action, so
//! the menu lives in the daemon, keyed by rofi's pid, and a focus is only promised: it
//! happens when rofi has ended.
//!
//! **Source:** rofi-script(5), and rofi 1.7.3, 1.7.5 and 2.0 run side by side. Headers are
//! sticky, so each reply sets all of them; unknown ones are ignored, so newer ones are sent too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

mod dialog;
pub mod keys;
pub mod projects;

use self::keys::Keys;
use super::filter::Filter;
use crate::core::counts::Counts;
use crate::core::model::{Decision, Dialog, Session, SessionKey, Standing};
use crate::core::text::{CleanText, push_pango, truncate};
use crate::frontend::preview;
use crate::frontend::row::{self, Row, Widths};
use crate::protocol::reply::{Contents, PreviewMessage};

/// Menus that ended without a word are forgotten after this long.
const FORGET: TimeDelta = TimeDelta::minutes(10);
/// Most menus at once; rofi itself allows one.
const DIALOGUES: usize = 64;
/// What a row takes with its options, about.
const ROW_BYTES: usize = 384;
/// Room for the line that goes before a page.
const BEFORE: usize = 128;
/// Lines of a preview. The message bar grows with its text, also beyond the screen.
const PREVIEW_LINES: usize = 8;
/// Columns of a preview's line.
const PREVIEW_COLUMNS: usize = 80;
/// Marks a line of a tool.
const TOOL: &str = "\u{2022} ";
/// Stands between the options of a row, and between each one's name and value.
const OPTION: &str = "\x1f";
/// Begins what is less important, in any theme's colour. A `</span>` ends it.
const QUIET: &str = "<span alpha=\"65%\">";

/// One call of the script.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `ROFI_RETV`: 0 first call, 1 a row, 2 typed text, 3 Shift+Delete (2.0), 10 and on Alt+1….
    pub retv: u32,
    /// `info` of the chosen row.
    pub info: Option<&'a str>,
    /// rofi's pid.
    pub rofi: u32,
    /// The keys that call the script.
    pub keys: &'a Keys,
}

/// What is on the screen.
#[derive(Clone, PartialEq, Eq, Debug)]
enum View {
    List,
    Preview(SessionKey),
    Confirm(SessionKey),
    /// The dialog of this serial.
    Dialog(SessionKey, u64),
}

#[derive(Clone, Debug)]
struct OpenMenu {
    keys: Keys,
    view: View,
    filter: Filter,
    at: DateTime<Utc>,
}

/// What the daemon has to do for a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Write these bytes.
    Show(Vec<u8>),
    /// Write nothing, so that rofi closes; then focus.
    Focus(SessionKey),
    /// Write nothing; then ask for a label.
    Label(SessionKey),
    /// Read the end of the conversation, then call [`Menus::preview`].
    Preview(SessionKey),
    /// End the session, then call [`Menus::list_again`].
    End(SessionKey),
    /// Call [`Menus::dialog`] with what the session asks.
    Dialog(SessionKey),
    /// Decide the dialog of this serial, then call [`Menus::list_again`].
    Decide(SessionKey, u64, Decision),
}

/// What there is to show.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// In display order.
    pub sessions: &'a [Arc<Session>],
    /// Their rows, in the same order.
    pub rows: &'a [Row],
    /// Name of the workspace that has the focus.
    pub workspace: Option<&'a str>,
    /// Directory of the icons, absolute.
    pub icons: &'a str,
    /// The keys that the message bar explains; nothing if it is to explain none.
    pub keys: Option<&'a Keys>,
    /// Whether it is to explain any.
    pub hints: bool,
    /// The present.
    pub now: DateTime<Utc>,
    /// Two scenes of one edition have the same sessions and rows.
    pub edition: u64,
}

impl<'a> Scene<'a> {
    /// The same with the keys of one rofi.
    fn with<'b>(&self, keys: &'b Keys) -> Scene<'b>
    where
        'a: 'b,
    {
        Scene {
            keys: Some(keys),
            ..*self
        }
    }
}

/// All open menus, by rofi's pid.
#[derive(Debug, Default)]
pub struct Menus {
    open: HashMap<u32, OpenMenu>,
    /// The whole list as it was shown last, with its edition and workspace: what a key shows is
    /// most often this.
    list: Option<(u64, Option<String>, Keys, Vec<u8>)>,
}

impl Menus {
    /// Answers a call.
    pub fn answer(&mut self, call: Call<'_>, scene: &Scene<'_>) -> Effect {
        self.open.retain(|_, menu| scene.now - menu.at < FORGET);
        if self.open.len() >= DIALOGUES {
            self.open.clear();
        }
        let fresh = OpenMenu {
            keys: Keys::default(),
            view: View::List,
            filter: Filter::All,
            at: scene.now,
        };
        let mut menu = match call.retv {
            0 => fresh,
            _ => self.open.get(&call.rofi).cloned().unwrap_or(fresh),
        };
        menu.at = scene.now;
        menu.keys = call.keys.clone();
        let scene = &scene.with(call.keys);
        let effect = step(&mut menu, call, scene);
        let filter = menu.filter;
        self.open.insert(call.rofi, menu);
        effect.unwrap_or_else(|| Effect::Show(self.list(filter, scene)))
    }

    /// The list without a further word.
    fn list(&mut self, filter: Filter, scene: &Scene<'_>) -> Vec<u8> {
        if filter != Filter::All {
            return show_list(filter, None, scene);
        }
        // Without hints the keys are not shown.
        let keys = scene.keys.filter(|_| scene.hints);
        let shown = keys.cloned().unwrap_or_default();
        if let Some((edition, workspace, keys, page)) = &self.list
            && (*edition, workspace.as_deref()) == (scene.edition, scene.workspace)
            && *keys == shown
        {
            let mut copy = Vec::with_capacity(page.len() + BEFORE);
            copy.extend_from_slice(page);
            return copy;
        }
        let page = show_list(filter, None, scene);
        let workspace = scene.workspace.map(str::to_owned);
        self.list = Some((scene.edition, workspace, shown, page.clone()));
        page
    }

    /// Shows the end of a conversation, and its last commits.
    pub fn preview(
        &mut self,
        rofi: u32,
        key: &SessionKey,
        told: &Contents,
        scene: &Scene<'_>,
    ) -> Vec<u8> {
        match scene.sessions.iter().find(|session| session.id == *key) {
            Some(session) => show_preview(session, told, scene),
            None => self.list_again(rofi, Some("The session has ended."), scene),
        }
    }

    /// Shows what a session asks, and what can be answered.
    pub fn dialog(
        &mut self,
        rofi: u32,
        key: &SessionKey,
        asked: &Dialog,
        scene: &Scene<'_>,
    ) -> Vec<u8> {
        let Some(session) = scene.sessions.iter().find(|session| session.id == *key) else {
            return self.list_again(rofi, Some("The session has ended."), scene);
        };
        if let Some(menu) = self.open.get_mut(&rofi) {
            menu.view = View::Dialog(key.clone(), asked.id);
        }
        dialog::page(session, asked)
    }

    /// Shows the list again, with a word on what happened.
    pub fn list_again(&mut self, rofi: u32, word: Option<&str>, scene: &Scene<'_>) -> Vec<u8> {
        let menu = self.open.entry(rofi).or_insert(OpenMenu {
            keys: Keys::default(),
            view: View::List,
            filter: Filter::All,
            at: scene.now,
        });
        menu.view = View::List;
        show_list(menu.filter, word, &scene.with(&menu.keys))
    }
}

/// Whether a call may have an agent asked, which takes longer than all else.
#[must_use]
pub fn asks_agent(retv: u32, info: Option<&str>) -> bool {
    retv == 14 || retv == 1 && info.and_then(dialog::decision).is_some()
}

/// What a call asks for; nothing but the list if `None`.
fn step(menu: &mut OpenMenu, call: Call<'_>, scene: &Scene<'_>) -> Option<Effect> {
    let chosen = call.info.and_then(|info| info.parse::<SessionKey>().ok());
    let alive = |key: &SessionKey| scene.sessions.iter().any(|session| session.id == *key);
    let subject = match &menu.view {
        View::Preview(key) | View::Confirm(key) | View::Dialog(key, _) => Some(key.clone()),
        View::List => chosen,
    };
    if let Some(key) = &subject
        && !alive(key)
    {
        menu.view = View::List;
        return Some(Effect::Show(show_list(
            menu.filter,
            Some("The session has ended."),
            scene,
        )));
    }
    if let View::Dialog(ref key, serial) = menu.view
        && let (1, Some(answer)) = (call.retv, call.info)
        && let Some(decision) = dialog::decision(answer)
    {
        let key = key.clone();
        menu.view = View::List;
        return Some(Effect::Decide(key, serial, decision));
    }
    match (call.retv, call.info, subject) {
        (1, Some("yes"), Some(key)) if matches!(menu.view, View::Confirm(_)) => {
            menu.view = View::List;
            return Some(Effect::End(key));
        }
        (1, Some("focus"), Some(key)) => return Some(Effect::Focus(key)),
        (1, Some("all"), _) => menu.filter = Filter::All,
        (1, _, Some(key)) if menu.view == View::List => return Some(Effect::Focus(key)),
        (10, _, Some(key)) => return Some(Effect::Label(key)),
        (11, _, Some(key)) if !matches!(menu.view, View::Preview(_)) => {
            menu.view = View::Preview(key.clone());
            return Some(Effect::Preview(key));
        }
        (12 | 3, _, Some(key)) => {
            let page = show_confirm(&key, scene);
            menu.view = View::Confirm(key);
            return Some(Effect::Show(page));
        }
        (14, _, Some(key)) if menu.view == View::List => return Some(Effect::Dialog(key)),
        (13, _, _) if menu.view == View::List => {
            menu.filter = menu.filter.next(scene.workspace);
        }
        _ => {}
    }
    menu.view = View::List;
    None
}

/// The bytes of a reply.
struct Page(String);

impl Page {
    /// Starts with every header, because the last reply's still stand.
    fn new(message: &str, urgent: &[usize], active: &[usize]) -> Self {
        let mut page = Self(String::with_capacity(4096));
        page.header("prompt", "vmux");
        page.header("message", message);
        page.header("markup-rows", "false");
        page.header("no-custom", "true");
        page.header("use-hot-keys", "true");
        page.header("keep-selection", "false");
        page.header("keep-filter", "false");
        page.header("urgent", &indices(urgent));
        page.header("active", &indices(active));
        page
    }

    fn header(&mut self, name: &str, value: &str) {
        for part in ["\0", name, OPTION, value, "\n"] {
            self.0.push_str(part);
        }
    }

    /// A row and its options. All texts are clean: without NUL, 0x1f and line breaks.
    fn row(&mut self, text: &str, options: &[(&str, &str)]) {
        self.0.push_str(text);
        for (n, (name, value)) in options.iter().enumerate() {
            for part in [if n == 0 { "\0" } else { OPTION }, name, OPTION, value] {
                self.0.push_str(part);
            }
        }
        self.0.push('\n');
    }

    /// The row of a session: written in place, as there may be a thousand.
    fn session(&mut self, row: &Row, widths: Widths, icons: &str) {
        row::push_line(&mut self.0, row, widths, row::COLUMNS);
        // Writing to a String cannot fail.
        let _ = write!(self.0, "\0info{OPTION}{}", row.id);
        for part in [OPTION, "meta", OPTION, &row.keywords] {
            self.0.push_str(part);
        }
        for part in [OPTION, "icon", OPTION, icons, "/"] {
            self.0.push_str(part);
        }
        if let Some(agent) = &row.agent {
            self.0.push_str(agent);
            self.0.push('-');
        }
        self.0.push_str(row.icon);
        self.0.push_str(".svg\n");
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

fn indices(rows: &[usize]) -> String {
    let words: Vec<String> = rows.iter().map(ToString::to_string).collect();
    words.join(",")
}

fn show_list(filter: Filter, word: Option<&str>, scene: &Scene<'_>) -> Vec<u8> {
    let both = scene.sessions.iter().zip(scene.rows);
    let rows: Vec<&Row> = both
        .filter(|(s, _)| filter.has(s, scene.workspace))
        .map(|(_, row)| row)
        .collect();
    let with = |standing: Standing| {
        let rows = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.standing == standing);
        rows.map(|(n, _)| n).collect::<Vec<_>>()
    };
    let mut page = Page::new(
        &message(filter, word, scene),
        &with(Standing::Waiting),
        &with(Standing::Working),
    );
    let widths = row::widths(&rows.iter().copied());
    page.0.reserve(rows.len() * ROW_BYTES + BEFORE);
    for row in &rows {
        page.session(row, widths, scene.icons);
    }
    if rows.is_empty() && filter != Filter::All {
        let what = if filter == Filter::Waiting {
            "Nothing waits."
        } else {
            "No session is on this workspace."
        };
        page.row(&format!("{what} Show all."), &[("info", "all")]);
    } else if rows.is_empty() {
        // Without a row rofi passes no key on.
        page.row(super::projects::NEW, &[("info", projects::INFO)]);
    }
    page.into_bytes()
}

/// Counts and keys, in Pango markup: rofi reads the message bar as such, always.
fn message(filter: Filter, word: Option<&str>, scene: &Scene<'_>) -> String {
    let mut out = String::new();
    if let Some(word) = word {
        out.push_str("<b>");
        push_pango(&mut out, word);
        out.push_str("</b>&#10;");
    }
    if scene.sessions.is_empty() {
        out.push_str("No sessions. Start a coding tool in a terminal and it appears here.");
    } else {
        push_counts(&mut out, &Counts::of(scene.sessions));
    }
    if filter != Filter::All {
        out.push_str(" \u{b7} showing ");
        out.push_str(filter.word());
    }
    if scene.hints {
        push_hints(&mut out, filter, scene);
    }
    out
}

/// What each key does that is known to call the script.
fn push_hints(out: &mut String, filter: Filter, scene: &Scene<'_>) {
    let show = format!("show {}", filter.next(scene.workspace).word());
    // Only where there is something to answer: most users never ask for it.
    let answers = scene.sessions.iter().any(|s| s.can_be_answered());
    let hints = [
        (1, "label"),
        (2, "preview"),
        (3, "end"),
        (4, &*show),
        (5, "answer"),
        (projects::CUSTOM, "new session"),
    ];
    let mut before = ["&#10;", QUIET].concat();
    for (n, does) in hints {
        let key = scene.keys.and_then(|keys| keys.get(n));
        let helps = match n {
            5 => answers,
            projects::CUSTOM => true,
            _ => !scene.sessions.is_empty(),
        };
        let Some(key) = key.filter(|_| helps) else {
            continue;
        };
        out.push_str(&before);
        out.push_str("<b>");
        push_pango(out, key);
        out.push_str("</b> ");
        out.push_str(does);
        before = "   ".into();
    }
    if before == "   " {
        out.push_str("</span>");
    }
}

/// Counts, those that wait in bold.
fn push_counts(out: &mut String, counts: &Counts) {
    let words = counts.to_string();
    let bold = if counts.waiting > 0 {
        words.find(" \u{b7}").unwrap_or(words.len())
    } else {
        0
    };
    let (waiting, others) = words.split_at(bold);
    if !waiting.is_empty() {
        out.push_str("<b>");
        push_pango(out, waiting);
        out.push_str("</b>");
    }
    push_pango(out, others);
}

fn show_preview(session: &Session, told: &Contents, scene: &Scene<'_>) -> Vec<u8> {
    let mut text = String::new();
    let state = row::state_words(session, scene.now);
    text.push_str("<b>");
    push_pango(&mut text, &session.title());
    text.push_str("</b>  ");
    text.push_str(QUIET);
    push_pango(&mut text, &state);
    let lines = preview_lines(&told.messages);
    // What it asks is most often the last line as well.
    if let Some(ask) = session.asked()
        && !lines.last().is_some_and(|line| line.contains(&**ask))
    {
        text.push_str("  ");
        push_pango(&mut text, &truncate(ask, PREVIEW_COLUMNS));
    }
    for line in preview::commits(&told.commits, scene.now) {
        let line: String = line.spans.into_iter().map(|(_, text)| text).collect();
        text.push_str("&#10;");
        push_pango(&mut text, &truncate(&line, PREVIEW_COLUMNS));
    }
    text.push_str("</span>");
    for line in lines {
        text.push_str("&#10;");
        if line.starts_with(TOOL) {
            text.push_str(QUIET);
            push_pango(&mut text, &line);
            text.push_str("</span>");
        } else {
            push_pango(&mut text, &line);
        }
    }
    let mut page = Page::new(&text, &[], &[]);
    page.row("Focus this session", &[("info", "focus")]);
    page.row("Back", &[("info", "back")]);
    page.into_bytes()
}

/// The last lines of a conversation, each side marked.
fn preview_lines(messages: &[PreviewMessage]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for message in messages {
        let mark = match &*message.role {
            "user" => "\u{203a} ",
            "tool" => TOOL,
            _ => "  ",
        };
        for line in message.text.lines().filter(|line| !line.trim().is_empty()) {
            lines.push(truncate(&format!("{mark}{line}"), PREVIEW_COLUMNS).into_owned());
        }
    }
    let surplus = lines.len().saturating_sub(PREVIEW_LINES);
    lines.drain(..surplus);
    lines
}

fn show_confirm(key: &SessionKey, scene: &Scene<'_>) -> Vec<u8> {
    let session = scene.sessions.iter().find(|session| session.id == *key);
    let name = session.map(|session| session.title()).unwrap_or_default();
    let mut text = String::from("End the session <b>");
    push_pango(&mut text, &name);
    text.push_str("</b>? Its conversation can be resumed later.");
    let mut page = Page::new(&text, &[1], &[]);
    page.row("No, go back", &[("info", "back")]);
    page.row("Yes, end it", &[("info", "yes")]);
    page.into_bytes()
}

/// What rofi shows when the daemon cannot be asked: a word, and a row to try again.
#[must_use]
pub fn show_trouble(word: &str) -> Vec<u8> {
    let mut text = String::new();
    push_pango(&mut text, &CleanText::line(word));
    let mut page = Page::new(&text, &[], &[]);
    page.row("Try again", &[("info", "again")]);
    page.into_bytes()
}

#[cfg(test)]
mod tests;
