//! vmux's own holders: which terminals show a session that vmux keeps. A holder keeps one session,
//! so every client of it shows it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Client, Driver, Inside, Multiplexer, Shown, detached};
use crate::core::model::{HostKind, PaneView, Pid, Trouble, TroubleCode};
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;
use crate::desktop::way::Search;
use crate::hosted::link::Link;
use crate::hosted::missed::{self, COMM};
use crate::hosted::place::Place;
use crate::hosted::{Hello, Info, VARIABLE};
use crate::sys::paths::Paths;
use crate::sys::proc::Proc;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// vmux's holders.
pub(super) const DRIVER: Driver = Driver {
    kind: HostKind::Vmux,
    name: "vmux",
    servers: &[COMM],
    variable: VARIABLE,
    tells: false,
    start: || Box::new(Holder),
    show,
};

struct Holder;

impl Multiplexer for Holder {
    fn begin(&mut self) {}

    fn find(
        &mut self,
        proc: &mut Proc,
        inside: &Inside<'_>,
        search: &mut Search,
    ) -> Result<Shown, Trouble> {
        let info = ask(proc, inside)?;
        let id = CleanText::line(&info.id);
        search.enter(HostKind::Vmux, COMM, Some(&id));
        search.step(&format!("hosted session {id}"));
        let mut clients = info.clients;
        // The one that leads was used last.
        clients.arrange_by_key(|client| !client.leads);
        let clients: Vec<_> = clients.into_iter().map(shown_by).collect();
        if clients.is_empty() {
            let message = format!("no terminal shows the hosted session {id}");
            let hint = format!("show it with: vmux attach {id}");
            return Err(detached(&message, &hint));
        }
        Ok(Shown {
            clients,
            untold: None,
        })
    }

    fn process(&self, _: &mut Proc, _: Pid, client: &Client) -> Result<Pid, Trouble> {
        Ok(client.pid)
    }

    fn which(&self, _: &mut Proc, _: &Inside<'_>, _: &[&Client]) -> Option<usize> {
        None
    }
}

fn shown_by(client: crate::hosted::Attached) -> Client {
    let tty = client.tty.unwrap_or_default().display().to_string();
    let tty = CleanText::line(&tty).to_string();
    let pid = Pid(client.pid);
    Client {
        name: format!("vmux attach on {tty}"),
        pid,
        steps: vec![format!("its client {tty} ({pid})")],
        tty,
        show: None,
        hidden: false,
    }
}

/// Asks a holder, at the socket that it made.
fn ask(proc: &Proc, inside: &Inside<'_>) -> Result<Info, Trouble> {
    let holder = inside.server;
    let unknown = |why: String| Trouble::new(TroubleCode::NoWindow, &why);
    let Some(socket) = socket(proc, inside) else {
        let message = format!("the holder {holder} of its session does not let its socket be seen");
        return Err(unknown(message));
    };
    let ask = || {
        Link::connect(&socket, &Hello::default(), PATIENCE).and_then(|mut link| link.info(PATIENCE))
    };
    let asked = match ask() {
        Err(_) if missed::call_to(&socket, proc, holder) => ask(),
        asked => asked,
    };
    match asked {
        Ok(info) if info.holder == holder.0 => Ok(info),
        Ok(_) => Err(unknown(format!(
            "another process than the holder {holder} answers"
        ))),
        // It is asked again later, as a window manager is: it may be busy, or stopped.
        Err(error) => {
            let message = format!("the holder {holder} does not answer: {error}");
            Err(Trouble::new(TroubleCode::WmHung, &message))
        }
    }
}

/// The socket of a holder: `ID.sock`.
fn socket(proc: &Proc, inside: &Inside<'_>) -> Option<PathBuf> {
    let mut sockets = proc.listens_on(inside.server).into_iter();
    let found = sockets.find(|path| missed::id_in(path).is_some())?;
    if !found.starts_with("/proc/self/fd") {
        return Some(found);
    }
    // Its whole name is too long for an address: it is where the session's environment says.
    let paths = Paths::of(inside.environ, None).ok()?;
    Some(Place::of(&paths).socket(missed::id_in(&found)?))
}

/// Its clients show nothing else.
fn show(_: &PaneView) -> io::Result<()> {
    Ok(())
}
