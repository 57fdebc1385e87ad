//! Programs that show several terminals in one. Each multiplexer is one file and one line of
//! [`DRIVERS`]; kitty is asked for its tabs, and any terminal for its keys.

mod hosted;
pub mod kitty;
mod screen;
mod tmux;
pub mod typing;

use std::io;

use super::way::Search;
use crate::core::model::{Action, HostKind, Link, PaneView, Pid, ProcChain, Trouble, TroubleCode};
use crate::sys::proc::{Environ, Proc};

/// The multiplexers that vmux knows.
pub const DRIVERS: &[Driver] = &[tmux::DRIVER, screen::DRIVER, hosted::DRIVER];

/// The one whose panes a way back kept when it kept those of one only.
pub const FIRST: HostKind = HostKind::Tmux;

/// Multiplexers that vmux cannot ask, by the names of their processes.
const OTHERS: [&str; 3] = ["zellij", "dtach", "abduco"];

/// What is known of a multiplexer without asking it.
pub struct Driver {
    /// What sessions in it say of their host.
    pub kind: HostKind,
    /// Its name, for people.
    pub name: &'static str,
    /// Names of its server's process (`/proc/pid/comm`).
    pub servers: &'static [&'static str],
    /// The variable by which those who run in it know. Terminals hand it on to their children.
    pub variable: &'static str,
    /// Whether it tells which pane a client shows.
    pub tells: bool,
    /// Begins to ask it.
    pub(super) start: fn() -> Box<dyn Multiplexer>,
    /// Makes a client show a pane.
    ///
    /// # Errors
    /// `TimedOut`, those of starting its command, or its own words.
    pub show: fn(&PaneView) -> io::Result<()>,
}

impl Driver {
    /// The multiplexer of hosts of a kind, if it is one.
    #[must_use]
    pub fn of(kind: HostKind) -> Option<&'static Self> {
        DRIVERS.iter().find(|driver| driver.kind == kind)
    }
}

/// Whether a host of this kind is a multiplexer that tells which pane a client shows.
#[must_use]
pub fn tells_panes(kind: HostKind) -> bool {
    Driver::of(kind).is_some_and(|driver| driver.tells)
}

/// A multiplexer, by the name of its server's process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mux {
    /// One of the table.
    Known(HostKind),
    /// One that vmux cannot ask: its name.
    Other(&'static str),
}

/// The multiplexer whose server is called so.
#[must_use]
pub fn server_called(comm: &str) -> Option<Mux> {
    let mut drivers = DRIVERS.iter();
    if let Some(driver) = drivers.find(|driver| driver.servers.contains(&comm)) {
        return Some(Mux::Known(driver.kind));
    }
    let other = OTHERS.into_iter().find(|name| *name == comm);
    other.map(Mux::Other)
}

/// Nobody is attached.
fn detached(message: &str, hint: &str) -> Trouble {
    Trouble::new(TroubleCode::MuxDetached, message).hint(hint)
}

/// Leads from a process in a multiplexer to who shows it.
pub(super) trait Multiplexer: Send {
    /// A pass begins: what was told before counts no longer.
    fn begin(&mut self);

    /// Finds the pane of a process and the clients that show it, or can. What is found out on the
    /// way goes into `search`: its host, the steps, and what does not count.
    ///
    /// # Errors
    /// Why nothing shows it, with what its user can do about that.
    fn find(
        &mut self,
        proc: &mut Proc,
        inside: &Inside<'_>,
        search: &mut Search,
    ) -> Result<Shown, Trouble>;

    /// The process of a client: the way up from it leads to the window.
    ///
    /// # Errors
    /// Why it is not known.
    fn process(&self, proc: &mut Proc, server: Pid, client: &Client) -> Result<Pid, Trouble>;

    /// Which of these clients shows it, of those that [`Multiplexer::find`] could not tell apart.
    fn which(&self, proc: &mut Proc, inside: &Inside<'_>, clients: &[&Client]) -> Option<usize>;
}

/// A process that runs in a multiplexer.
pub(super) struct Inside<'a> {
    /// The multiplexer's server.
    pub(super) server: Pid,
    /// A process and its parents, up to the server and further.
    pub(super) chain: &'a ProcChain,
    /// The process whose terminal's other end the first of them holds, if the way led there.
    pub(super) held: Option<Pid>,
    /// The environment of the process that the way is about.
    pub(super) environ: &'a Environ,
}

impl Inside<'_> {
    /// The process that the way is about.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.held.or(self.chain.0.first().map(|link| link.pid))
    }

    /// The links of its chain up to the server, without it.
    pub(super) fn below(&self) -> impl Iterator<Item = &Link> {
        let links = self.chain.0.iter();
        links.take_while(|link| link.pid != self.server)
    }
}

/// Who shows a process.
pub(super) struct Shown {
    /// Clients that show it or can, the best first. Never empty.
    pub(super) clients: Vec<Client>,
    /// Only one of them shows it: what to say where they lead to different windows, and nothing
    /// tells which it is.
    pub(super) untold: Option<Trouble>,
}

/// A client of a multiplexer.
pub(super) struct Client {
    /// Its name, for people: `tmux client /dev/pts/4`.
    pub(super) name: String,
    /// Its process, as the multiplexer says.
    pub(super) pid: Pid,
    /// Its terminal, as the multiplexer names it.
    pub(super) tty: String,
    /// How one gets to it, in words.
    pub(super) steps: Vec<String>,
    /// What makes it show the process.
    pub(super) show: Option<Action>,
    /// It shows something else now.
    pub(super) hidden: bool,
}
