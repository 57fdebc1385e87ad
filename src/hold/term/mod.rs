//! The state of a terminal that nobody need look at: what a program wrote is kept as cells, modes
//! and history, and written out again as the bytes that bring another terminal to the same state.

mod asked;
mod emulator;
mod handler;
#[cfg(test)]
mod judged;
mod model;
mod modes;
mod paint;
mod repair;
mod ring;
mod short;
mod style;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use emulator::Emulator;

use serde::{Deserialize, Serialize};

/// Columns and rows of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Size {
    /// What a client says of its terminal: 0x0 is what a terminal says that knows no size.
    pub(crate) fn told(columns: u16, rows: u16) -> Self {
        match (columns, rows) {
            (0, _) | (_, 0) => Self {
                columns: 80,
                rows: 24,
            },
            _ => Self {
                columns: columns.min(1000),
                rows: rows.min(500),
            },
        }
    }

    /// The size of a session: with less no program can do anything, so a smaller terminal is shown
    /// a part.
    pub(crate) fn clamped(columns: u16, rows: u16) -> Self {
        let Self { columns, rows } = Self::told(columns, rows);
        Self {
            columns: columns.max(20),
            rows: rows.max(5),
        }
    }
}

/// What is to be brought to the state of the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Paint {
    /// A terminal with a past, which scrolls up: history and screen come below it.
    Below,
    /// A terminal that shows an earlier screen: the lines that have left it since come above the
    /// new one, which are those after so many ([`Screen::gone`]). `None`: how many is not known,
    /// and that something may be missing is said.
    Over(Option<u64>),
}

/// The state behind one PTY, for a process that goes on with it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Kept {
    /// [`Paint::Below`].
    pub(crate) snapshot: Vec<u8>,
    pub(crate) more: More,
}

/// What no snapshot says. Another version may read it: it only ever gains fields.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct More {
    /// Links without a name so far.
    links: u64,
    /// Foreground and background that an attached terminal told.
    colours: [Option<String>; 2],
}

/// The state behind one PTY.
pub(crate) trait Screen: Send {
    /// Takes what the program wrote.
    fn feed(&mut self, bytes: &[u8]);
    /// Changes the size.
    fn resize(&mut self, size: Size);
    /// The bytes that bring a terminal of the same size to this state.
    fn snapshot(&mut self, paint: Paint) -> Vec<u8>;
    /// History and screen as lines of text, with colours if they are wanted.
    fn text(&mut self, colours: bool) -> Vec<u8>;
    /// The part of the screen that a terminal of another size can show, as bytes that draw it.
    fn crop(&mut self, size: Size) -> Vec<u8>;
    /// What a terminal would have answered to the queries since the last call.
    fn take_answers(&mut self) -> Vec<u8>;
    /// The title that the program gave its window.
    fn title(&self) -> Option<&str>;
    /// How many lines have left the screen upwards, in all.
    fn gone(&self) -> u64;
    /// Whether the program rang the bell since the last call.
    fn take_bell(&mut self) -> bool;
    /// Foreground and background, to answer with: those of a terminal that showed the session.
    fn set_colours(&mut self, colours: [Option<String>; 2]);
    /// Gives back memory that is only kept for speed.
    fn rest(&mut self);
    /// The state, for another one that is to go on with it.
    fn keep(&mut self) -> Kept;
    /// Goes on with a state, on an empty screen of the same size.
    fn restore(&mut self, kept: &Kept);
}
