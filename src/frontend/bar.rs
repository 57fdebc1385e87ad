//! Status bars: i3blocks, i3bar, waybar, polybar, and JSON for any other. Pure.
//!
//! Of what sessions say only waybar's tooltip and the JSON show anything; all else is numbers and
//! words of ours.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::core::counts::Counts;
use crate::core::model::{Session, Standing};
use crate::core::text::{age, push_pango, truncate};
use crate::frontend::row;

/// Rows of a tooltip; what is more is counted.
const TOOLTIP_ROWS: usize = 20;
/// Columns of what a session says in a tooltip.
const TOOLTIP_COLUMNS: usize = 60;

/// Whose terms a look is put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Lines of i3blocks; one JSON object a line for `format=json`.
    /// **Source:** i3blocks(1), COMMAND, and `block.c` of 1.4 and 1.5.
    I3blocks,
    /// The protocol of i3bar and swaybar. **Source:** <https://i3wm.org/docs/i3bar-protocol.html>.
    I3bar,
    /// JSON of waybar's custom module. **Source:** waybar-custom(5), RETURN-TYPE.
    Waybar,
    /// Formatting tags of polybar. **Source:** polybar's wiki, Formatting, and 3.6.3.
    Polybar,
    /// For scripts.
    Json,
}

/// The most urgent thing there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Waiting,
    Done,
    Working,
    Idle,
    None,
    Off,
}

impl Level {
    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Waiting => Self::Waiting,
            Standing::Done => Self::Done,
            Standing::Working => Self::Working,
            Standing::Snoozed | Standing::Menu | Standing::Idle | Standing::Unknown => Self::Idle,
        }
    }

    /// The word that style sheets and scripts know it by.
    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Working => "working",
            Self::Idle => "idle",
            Self::None => "none",
            Self::Off => "off",
        }
    }

    /// Its colour, where it is not the bar's own. Those that read on dark and on light bars.
    fn color(self) -> Option<&'static str> {
        match self {
            Self::Waiting => Some("#f5790a"),
            Self::Done => Some("#2f9e44"),
            Self::Working | Self::None => None,
            Self::Idle | Self::Off => Some("#8490a8"),
        }
    }
}

/// What a bar shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Look<'a> {
    /// Words, each with what it stands for.
    parts: Vec<(Level, String)>,
    /// For where there is little room.
    short: String,
    level: Level,
    counts: Counts,
    /// Those that wait or are done.
    callers: Vec<&'a Arc<Session>>,
    now: DateTime<Utc>,
}

impl<'a> Look<'a> {
    /// What a bar shows of sessions, which are in display order.
    #[must_use]
    pub fn of(sessions: &'a [Arc<Session>], now: DateTime<Utc>) -> Self {
        let counts = Counts::of(sessions);
        let quiet = |standing| Level::of(standing) == Level::Idle;
        let calm = counts.parts().all(|(standing, _)| quiet(standing));
        let parts: Vec<(Level, String)> = counts
            .parts()
            .filter(|(standing, _)| calm || !quiet(*standing))
            .map(|(standing, number)| {
                let mut words = format!("{number} {}", standing.word());
                if standing == Standing::Waiting {
                    push_age(&mut words, counts.waiting_since, now);
                }
                (Level::of(standing), words)
            })
            .collect();
        let short = counts.parts().find(|(s, _)| calm || !quiet(*s));
        let short = short.map(|(standing, number)| format!("{number} {}", standing.word()));
        Self {
            level: parts.first().map_or(Level::None, |(level, _)| *level),
            parts,
            short: short.unwrap_or_default(),
            counts,
            callers: callers(sessions).collect(),
            now,
        }
    }

    /// What a bar shows while there is no daemon: `word`, which may be empty.
    #[must_use]
    pub fn off(word: &str, now: DateTime<Utc>) -> Self {
        let parts = (!word.is_empty()).then(|| (Level::Off, word.to_owned()));
        Self {
            parts: parts.into_iter().collect(),
            short: word.to_owned(),
            level: Level::Off,
            counts: Counts::default(),
            callers: Vec::new(),
            now,
        }
    }

    /// `2 waiting 3m · 1 done · 3 working`; idle ones only if there are no others; nothing if
    /// there are no sessions, so that the bar hides it.
    #[must_use]
    pub fn text(&self) -> String {
        let words: Vec<&str> = self.parts.iter().map(|(_, words)| &**words).collect();
        words.join(" \u{b7} ")
    }

    /// One output, its line break included. `following` is one of many, on one line each.
    #[must_use]
    pub fn render(&self, format: Format, following: bool) -> String {
        match format {
            Format::I3blocks if following => line(&self.block(None)),
            Format::I3blocks => self.render_plain_block(),
            // The array never ends: each line but the first has the comma of the one before it.
            Format::I3bar if following => format!("{},\n", json(&[self.block(Some(NAME))])),
            Format::I3bar => line(&self.block(Some(NAME))),
            Format::Waybar => self.render_waybar(),
            Format::Polybar => self.render_polybar(),
            Format::Json => self.render_json(),
        }
    }

    fn block(&self, name: Option<&'static str>) -> Block {
        Block {
            name,
            full_text: self.text(),
            short_text: self.short.clone(),
            color: self.level.color(),
        }
    }

    /// Text, short text, colour. i3blocks takes each line as the next property, so that there
    /// is none where there is no text.
    fn render_plain_block(&self) -> String {
        if self.parts.is_empty() {
            return String::new();
        }
        let mut out = format!("{}\n{}\n", self.text(), self.short);
        if let Some(color) = self.level.color() {
            out.push_str(color);
            out.push('\n');
        }
        out
    }

    fn render_waybar(&self) -> String {
        #[derive(Serialize)]
        struct Module<'a> {
            text: String,
            alt: &'a str,
            class: &'a str,
            tooltip: String,
        }
        let mut text = String::new();
        push_pango(&mut text, &self.text());
        line(&Module {
            text,
            alt: self.level.word(),
            class: self.level.word(),
            tooltip: self.tooltip(),
        })
    }

    /// One row per session that calls: name, branch, state, and what it says.
    fn tooltip(&self) -> String {
        let sessions: Vec<Arc<Session>> = self.callers.iter().map(|s| Arc::clone(s)).collect();
        let rows = row::rows(&sessions, self.now);
        let mut out = String::new();
        for (row, session) in rows.iter().zip(&sessions).take(TOOLTIP_ROWS) {
            if !out.is_empty() {
                out.push('\n');
            }
            let mut state = session.standing().word().to_owned();
            push_age(&mut state, since(session), self.now);
            out.push_str("<b>");
            push_pango(&mut out, &row.name);
            out.push_str("</b>  ");
            push_pango(&mut out, &state);
            if !row.detail.is_empty() {
                out.push_str("  ");
                push_pango(&mut out, &truncate(&row.detail, TOOLTIP_COLUMNS));
            }
        }
        if sessions.len() > TOOLTIP_ROWS {
            out.push_str(&format!("\n… and {} more", sessions.len() - TOOLTIP_ROWS));
        }
        out
    }

    /// Each part in its colour, and the clicks on all of it.
    fn render_polybar(&self) -> String {
        if self.parts.is_empty() {
            return "\n".to_owned();
        }
        let mut out = String::new();
        for button in Button::ALL {
            out.push_str(&format!(
                "%{{A{}:vmux {}:}}",
                button.number(),
                button.verb()
            ));
        }
        for (index, (level, words)) in self.parts.iter().enumerate() {
            if index > 0 {
                out.push_str(" \u{b7} ");
            }
            match level.color() {
                Some(color) => out.push_str(&format!("%{{F{color}}}{words}%{{F-}}")),
                None => out.push_str(words),
            }
        }
        for _ in Button::ALL {
            out.push_str("%{A}");
        }
        out.push('\n');
        out
    }

    fn render_json(&self) -> String {
        #[derive(Serialize)]
        struct State<'a> {
            text: String,
            class: &'a str,
            counts: &'a Counts,
            waiting_since: Option<DateTime<Utc>>,
            sessions: &'a [&'a Arc<Session>],
        }
        line(&State {
            text: self.text(),
            class: self.level.word(),
            counts: &self.counts,
            waiting_since: self.counts.waiting_since,
            sessions: &self.callers,
        })
    }
}

/// The name of our block, which comes back with its clicks.
const NAME: &str = "vmux";

/// A block as i3bar and i3blocks know it.
#[derive(Serialize)]
struct Block {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    full_text: String,
    short_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'static str>,
}

/// What comes before the first output.
#[must_use]
pub fn header(format: Format) -> &'static str {
    match format {
        Format::I3bar => "{\"version\":1,\"click_events\":true}\n[\n",
        Format::I3blocks | Format::Waybar | Format::Polybar | Format::Json => "",
    }
}

/// When what is shown of these sessions changes by itself: an age is one more.
#[must_use]
pub fn next_change(
    format: Format,
    sessions: &[Arc<Session>],
    now: DateTime<Utc>,
) -> Option<Duration> {
    let longest = Counts::of(sessions).waiting_since;
    let rows = (format == Format::Waybar).then(|| callers(sessions).filter_map(|s| since(s)));
    let shown = longest.into_iter().chain(rows.into_iter().flatten());
    shown.map(|since| until_older(since, now)).min()
}

/// Sessions that wait or are done.
fn callers(sessions: &[Arc<Session>]) -> impl Iterator<Item = &Arc<Session>> {
    sessions.iter().filter(|session| session.standing().calls())
}

fn since(session: &Session) -> Option<DateTime<Utc>> {
    session.waiting_since.or(session.state_since)
}

/// Seconds change too often to be shown.
fn push_age(out: &mut String, since: Option<DateTime<Utc>>, now: DateTime<Utc>) {
    let seconds = since.map_or(0, |since| (now - since).num_seconds());
    if seconds >= 60 {
        out.push(' ');
        out.push_str(&age(seconds));
    }
}

/// How long until [`push_age`] says something else.
fn until_older(since: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    let millis = (now - since).num_milliseconds();
    let unit: i64 = match millis / 1000 {
        ..3600 => 60_000,
        3600..86_400 => 3_600_000,
        _ => 86_400_000,
    };
    let left = if millis < 0 {
        unit.saturating_sub(millis)
    } else {
        unit - millis % unit
    };
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}

/// A button of the mouse, as X numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Button {
    /// Goes to the next session.
    Left,
    /// Goes back.
    Middle,
    /// Opens the menu.
    Right,
}

impl Button {
    const ALL: [Self; 3] = [Self::Left, Self::Middle, Self::Right];

    fn number(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Middle => 2,
            Self::Right => 3,
        }
    }

    /// The verb that it stands for.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Left => "next",
            Self::Middle => "back",
            Self::Right => "menu",
        }
    }

    /// The button of this number, if it is for us.
    #[must_use]
    pub fn parse(number: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|button| number == button.number().to_string())
    }
}

/// Reads a click: a line of i3bar's endless array, or of what i3blocks writes to a persistent
/// block, which is an object or a bare number.
#[must_use]
pub fn parse_click(format: Format, line: &[u8]) -> Option<Button> {
    #[derive(Deserialize)]
    struct Click<'a> {
        button: Option<Number<'a>>,
        // i3blocks writes whatever looks like a number as one.
        #[serde(borrow)]
        name: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number<'a> {
        Number(u64),
        Text(#[serde(borrow)] std::borrow::Cow<'a, str>),
    }
    let line = std::str::from_utf8(line).ok()?;
    let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '[' | ','));
    if !line.starts_with('{') {
        return Button::parse(line);
    }
    let click: Click<'_> = serde_json::from_str(line).ok()?;
    // In i3blocks our block is called as its user likes.
    let quoted = json(&NAME);
    if format == Format::I3bar && click.name.is_some_and(|name| name.get() != quoted) {
        return None;
    }
    match click.button? {
        Number::Number(number) => Button::parse(&number.to_string()),
        Number::Text(text) => Button::parse(&text),
    }
}

fn line(value: &impl Serialize) -> String {
    json(value) + "\n"
}

/// Only maps with odd keys fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
