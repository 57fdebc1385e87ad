//! From a session to its focused window: the I/O around `locate`.

pub mod focus;
pub mod kept;
pub mod perform;
pub mod place;
pub mod trail;
mod way;

use crate::model::{Action, Pid, Place, Trouble};

/// Where a session is, and what has to be done to see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// Innermost multiplexer first, the window last.
    pub actions: Vec<Action>,
    /// The process that owns the window.
    pub owner: Option<Pid>,
    /// Its window may have the focus and show something else: screen cannot be asked.
    pub uncertain: bool,
}

/// Either, or why not; with what is known of its place in both cases.
pub type Finding = Result<Found, Box<(Trouble, Place)>>;

/// The place that is shown of a session, found or not.
#[must_use]
pub fn shown(finding: Finding) -> Place {
    match finding {
        Ok(found) => found.place,
        Err(nowhere) => nowhere.1,
    }
}
