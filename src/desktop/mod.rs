//! From a session to its focused window: the I/O around `locate`.

mod background;
#[cfg(test)]
mod fake;
pub mod focus;
mod follow;
pub mod here;
pub mod host;
pub mod kept;
pub mod locate;
mod open;
pub mod perform;
pub mod place;
mod systems;
mod tabs;
mod through;
mod titles;
pub mod trail;
mod way;
pub mod wm;

pub use open::Homes;

use crate::core::model::{Action, Pid, Place, Trouble};
use crate::core::text::CleanText;

/// Where a session is, and what has to be done to see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// Innermost multiplexer first, the window last.
    pub actions: Vec<Action>,
    /// Who shows it in the window.
    pub terminal: Option<Terminal>,
    /// Its window may have the focus and show something else: screen cannot be asked.
    pub uncertain: bool,
}

/// The program that shows a session in a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// What runs in it: the session, or the client of its multiplexer.
    pub pid: Pid,
    /// The process that owns the window.
    pub owner: Pid,
    /// Name of that.
    pub program: CleanText,
    /// Windows that it has.
    pub windows: usize,
}

/// The title of a pane, as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaneTitle {
    /// The pane: its server, and how that calls it.
    pub pane: (Pid, String),
    /// The title, by whoever runs there.
    pub title: CleanText,
}

/// Where a session is, or why it was not found and the part of its place that is known.
pub type Finding = Result<Found, Box<(Trouble, Place)>>;

/// The place of a session as far as it is known, found or not.
#[must_use]
pub fn shown(finding: Finding) -> Place {
    match finding {
        Ok(found) => found.place,
        Err(nowhere) => nowhere.1,
    }
}
