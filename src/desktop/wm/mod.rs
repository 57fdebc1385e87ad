//! Window systems: who owns which window, and how one gets the focus. Each is one file and one
//! line of [`BACKENDS`]; what is true of all of them is not here.

pub mod discover;
pub mod ewmh;
pub mod i3;
pub mod x11;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::core::model::{Pid, Window, WindowId, WindowKey, WmAddress, WmTree, Workspace};
use crate::core::text::CleanText;
use crate::sys::proc::{Environ, Proc};
pub use i3::tree::workspace;
use x11::Display;

/// The window systems that vmux knows, in the order in which they are looked for.
pub const BACKENDS: &[Backend] = &[i3::BACKEND, ewmh::BACKEND];

/// How a window system is found.
pub struct Backend {
    /// The variables of an environment that lead to one, and tell one from another.
    pub variables: &'static [&'static str],
    /// Finds the one that an environment belongs to.
    pub find: fn(&Environ, &Proc) -> Result<Found, Missing>,
    /// Connects to an address, with what these environments know of it; `None` if the address is
    /// not of its kind.
    pub connect: fn(&WmAddress, &[&Environ]) -> Option<Connected>,
}

/// A connection, or why there is none.
pub type Connected = Result<Box<dyn WindowManager>, WmError>;

/// A window manager that was found.
pub struct Found {
    /// The connection to it.
    pub manager: Box<dyn WindowManager>,
    /// What led there, for people: `I3SOCK`.
    pub by: String,
}

/// Why none was found.
#[derive(Debug, Default)]
pub struct Missing {
    /// What was tried, in words.
    pub tried: Vec<String>,
    /// The right one was found and does not answer: no other may be asked.
    pub hangs: bool,
}

/// A connection to a window manager. Every call has a deadline.
///
/// Window systems say yes to nonsense, or nothing at all: that something was asked for proves
/// nothing. That it is so is read from [`WindowManager::tree`], by those who call.
pub trait WindowManager: Send {
    /// Where it is asked.
    fn address(&self) -> &WmAddress;

    /// Its process, if that is known.
    fn pid(&self) -> Option<Pid>;

    /// Its name and version, for people.
    ///
    /// # Errors
    /// See [`WmError`].
    fn describe(&mut self) -> Result<String, WmError>;

    /// What others can and it cannot, for people.
    fn lacks(&self) -> Option<&'static str> {
        None
    }

    /// Why it gives no window the focus, whoever asks, for people.
    fn keeps_focus(&self) -> Option<String> {
        None
    }

    /// The X server whose windows it manages, such as `:0`, if it is known beforehand.
    fn display(&self) -> Option<&str> {
        None
    }

    /// Why a window may be there that it does not tell of, for people.
    fn overlooks(&self) -> Option<&'static str> {
        None
    }

    /// All windows, now. Who owns an X11 window may be left open: its server is asked.
    ///
    /// # Errors
    /// See [`WmError`].
    fn tree(&mut self) -> Result<WmTree, WmError>;

    /// Asks for the focus of a window, wherever it is.
    ///
    /// # Errors
    /// `Refused` if there is no such window (any more), or it cannot get the focus.
    fn focus(&mut self, window: &WindowId) -> Result<(), WmError>;

    /// Whether [`WindowManager::focus`] does nothing if the window's id was given to another
    /// window since: then it may be asked for by what was seen a while ago.
    fn guards(&self, window: &WindowId) -> bool;

    /// Puts a window on a workspace, and leaves the focus where it is. `seen` is the tree as it
    /// was before.
    ///
    /// # Errors
    /// See [`WmError`].
    fn put(&mut self, window: &Window, to: &Workspace, seen: &WmTree) -> Result<(), WmError>;

    /// Goes to a workspace, to its output if it has to be made again. `seen` is the tree as it
    /// was before.
    ///
    /// # Errors
    /// See [`WmError`].
    fn go(&mut self, to: &Workspace, seen: &WmTree) -> Result<(), WmError>;

    /// Marks a window as urgent, or no longer; whether this system can. `display` is the X server
    /// of its windows, if that has been found.
    ///
    /// # Errors
    /// See [`WmError`].
    fn urgent(
        &mut self,
        window: &WindowId,
        urgent: bool,
        display: Option<&Display>,
    ) -> Result<bool, WmError>;

    /// Listens for changes, on a connection of its own.
    ///
    /// # Errors
    /// See [`WmError`].
    fn watch(&self) -> Result<Box<dyn Watch>, WmError>;
}

/// Signs that something changed: to be treated as "look again". It must be drained when its
/// descriptor is ready.
pub trait Watch: Send {
    /// Takes all that has arrived; whether any of it may have moved a window, made or closed one,
    /// or moved the focus.
    ///
    /// # Errors
    /// `Closed` once the manager is gone or restarts.
    fn drain(&mut self) -> Result<bool, WmError>;

    /// From now on the titles of these windows are told too, and of no others.
    fn heed(&mut self, _windows: BTreeSet<WindowKey>) {}

    /// The titles of those that were changed since this was last asked, each as it is now.
    fn titles(&mut self) -> BTreeMap<WindowKey, CleanText> {
        BTreeMap::new()
    }

    /// What has been told of the focus since [`Watch::restart`].
    fn since(&self) -> Since;

    /// The tree is about to be read: it shows what was told so far.
    fn restart(&mut self);

    /// What to poll.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// What has become of the focus since the tree was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Since {
    /// Nothing has: it is where the tree has it.
    #[default]
    Still,
    /// This window got it, and nothing else changed.
    On(WindowKey),
    /// It is on another workspace: which window there got it is told next, if there is one.
    Elsewhere,
    /// More changed than was told.
    Unknown,
}

/// Longest wait for one answer of a window manager or X server.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Why a window system did not do what was asked.
#[derive(Debug)]
pub enum WmError {
    /// Nobody listens there (any more).
    Closed(std::io::Error),
    /// No answer in time.
    Hung,
    /// It refused; its own words.
    Refused(String),
    /// Its answer makes no sense.
    Garbled(String),
    /// It cannot do what is needed of a window manager: why.
    Unfit(String),
}

impl fmt::Display for WmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(error) => write!(f, "it does not listen: {error}"),
            Self::Hung => write!(f, "it did not answer within {} ms", PATIENCE.as_millis()),
            Self::Refused(words) => write!(f, "it refused: {words}"),
            Self::Garbled(what) => write!(f, "its answer makes no sense: {what}"),
            Self::Unfit(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WmError {}

impl From<std::io::Error> for WmError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => Self::Hung,
            _ => Self::Closed(error),
        }
    }
}
