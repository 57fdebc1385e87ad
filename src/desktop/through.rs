//! Through a multiplexer: from its server to the clients that show a session, and to their windows.

use super::follow::{Start, Walk};
use super::host::{Client, Inside, Shown};
use super::place::Places;
use super::way::Search;
use crate::core::model::{HostKind, Pid, Place, Trouble, TroubleCode};

/// A client that leads to a window.
type Led<'c> = (&'c Client, Search, Place);

impl Places {
    /// From a process in a multiplexer to the window of a client that shows it.
    pub(super) fn through(
        &mut self,
        (kind, server): (HostKind, Pid),
        start: &Start,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let environ = self.environ_inside(start);
        let inside = Inside {
            server,
            chain: &start.chain,
            held: start.held,
            environ: &environ,
        };
        let (proc, mux) = self.multiplexer(kind)?;
        let Shown { clients, untold } = mux.find(proc, &inside, search)?;
        match untold {
            None => self.through_best(kind, &inside, &clients, walk, search),
            Some(untold) => self.through_only(kind, &inside, &clients, untold, walk, search),
        }
    }

    /// Any of them can show it: the first that leads to a window counts.
    fn through_best(
        &mut self,
        kind: HostKind,
        inside: &Inside<'_>,
        clients: &[Client],
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let go = |places: &mut Self, client: &Client, search: &mut Search| {
            places.through_client(kind, inside.server, client, walk, search)
        };
        self.first(clients, search, go, |client| client.name.clone())
            .unwrap_or_else(|| Err(nobody()))
    }

    /// One of them shows it: all have to lead to the same window, or something has to tell which.
    fn through_only(
        &mut self,
        kind: HostKind,
        inside: &Inside<'_>,
        clients: &[Client],
        untold: Trouble,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let before = walk.started.clone();
        let (mut led, mut failed): (Vec<Led<'_>>, _) = (Vec::new(), None);
        // A client that runs inside what it is meant to show does not show it.
        let others = clients
            .iter()
            .filter(|client| !before.contains(&client.pid));
        for client in others {
            walk.started.clone_from(&before);
            let mut attempt = search.clone();
            match self.through_client(kind, inside.server, client, walk, &mut attempt) {
                Ok(place) => led.push((client, attempt, place)),
                Err(trouble) => {
                    search.reject(&format!("{}: {}", client.name, trouble.message));
                    failed.get_or_insert(trouble);
                }
            }
        }
        let mut which = (!led.is_empty()).then_some(0);
        if differ(&led) {
            let clients: Vec<&Client> = led.iter().map(|(client, ..)| *client).collect();
            let (proc, mux) = self.multiplexer(kind)?;
            which = mux.which(proc, inside, &clients);
        }
        match which.filter(|which| *which < led.len()) {
            Some(which) => {
                let (_, attempt, place) = led.swap_remove(which);
                *search = attempt;
                Ok(place)
            }
            None if led.is_empty() => Err(failed.unwrap_or_else(nobody)),
            None => Err(untold),
        }
    }

    fn through_client(
        &mut self,
        kind: HostKind,
        server: Pid,
        client: &Client,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        for step in &client.steps {
            search.step(step);
        }
        search.hidden |= client.hidden;
        search.actions.extend(client.show.clone());
        let (proc, mux) = self.multiplexer(kind)?;
        let pid = mux.process(proc, server, client)?;
        self.follow_client(pid, walk, search)
    }
}

fn nobody() -> Trouble {
    Trouble::new(TroubleCode::NoWindow, "no client shows it")
}

/// Whether these clients lead to more than one window.
fn differ(led: &[Led<'_>]) -> bool {
    let windows = led.iter().filter_map(|(.., place)| place.window.as_ref());
    let mut windows = windows.map(|window| (&window.manager, window.key));
    let first = windows.next();
    windows.any(|window| Some(window) != first)
}
