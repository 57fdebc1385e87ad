//! Popups of tmux: they are no panes, and tmux does not tell which of its clients shows one.

use std::sync::Arc;

use super::follow::{Start, Walk, below, host};
use super::place::Places;
use super::way::Search;
use crate::core::model::{Pid, Place, Trouble, TroubleCode};
use crate::core::text::CleanText;
use crate::desktop::host::tmux;

/// How much older than a popup's process its opening may seem, in seconds: tmux counts whole ones.
const POPUP_SLACK: i64 = 1;
/// Longest time between a command and the popup that it opens, in clock ticks.
const OPENING: u64 = 300;

/// A client that leads to a window.
type Shown<'c> = (&'c tmux::Client, Search, Place);

/// A popup of tmux, or what may be one.
pub(super) struct Popup {
    pub(super) server: Pid,
    /// The tmux session that it was opened in, if that is known.
    pub(super) session: Option<String>,
    pub(super) layout: Arc<tmux::Layout>,
}

impl Places {
    /// A process of tmux without a pane: what it runs in a popup, or in the background.
    pub(super) fn in_popup(
        &mut self,
        popup: &Popup,
        start: &Start,
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Place, Trouble> {
        let below = below(&start.chain, popup.server).last();
        // The process that the server itself started.
        let top = below.map(|link| link.pid).or(start.held);
        let tty = top.and_then(|top| self.proc.terminal(top));
        let Some((top, tty)) = top.zip(tty) else {
            let message = "tmux runs it in the background, without a terminal";
            return Err(Trouble::new(TroubleCode::NoWindow, message));
        };
        if !self.holders(top, tty).contains(&popup.server) {
            let message = "it runs below tmux, in a terminal that is none of its panes";
            return Err(Trouble::new(TroubleCode::NoWindow, message));
        }
        let session = popup.session.as_deref();
        let name = session.and_then(|id| popup.layout.session_name(id));
        let target = CleanText::line(&format!("{} (popup)", name.unwrap_or("tmux")));
        search
            .host
            .get_or_insert_with(|| host("tmux", "tmux", Some(&target)));
        let mut clients = popup.layout.popup_clients(session);
        // A client that runs in the popup does not show it.
        clients.retain(|client| !walk.started.contains(&client.pid));
        let mut shown = self.clients_with_windows(popup.server, &clients, walk, search)?;
        if differ(&shown) {
            let clients: Vec<&tmux::Client> = shown.iter().map(|(client, ..)| *client).collect();
            let opener = self.opener(top, &clients);
            shown.retain(|(client, ..)| opener.as_deref() == Some(&*client.tty));
        }
        let Some((_, attempt, place)) = shown.into_iter().next() else {
            let message = "several clients of tmux may show its popup, and nothing tells which";
            return Err(Trouble::new(TroubleCode::Ambiguous, message));
        };
        *search = attempt;
        Ok(place)
    }

    /// The clients among these that lead to a window, with the ways there.
    fn clients_with_windows<'c>(
        &mut self,
        server: Pid,
        clients: &'c [tmux::Client],
        walk: &mut Walk<'_>,
        search: &mut Search,
    ) -> Result<Vec<Shown<'c>>, Trouble> {
        let before = walk.started.clone();
        let mut shown = Vec::new();
        let mut failed = None;
        for client in clients {
            walk.started.clone_from(&before);
            let mut attempt = search.clone();
            attempt.over_popup(client);
            let place = self
                .client_process(server, client)
                .and_then(|pid| self.follow(pid, None, walk, &mut attempt));
            match place {
                Ok(place) => shown.push((client, attempt, place)),
                Err(trouble) => {
                    search.reject(&passed_over(client, &trouble));
                    failed.get_or_insert(trouble);
                }
            }
        }
        if !shown.is_empty() {
            return Ok(shown);
        }
        let closed = "no client of tmux shows its popup";
        Err(failed.unwrap_or_else(|| Trouble::new(TroubleCode::NoWindow, closed)))
    }

    /// The client that a popup was opened for, by its terminal: the one that the command names
    /// which opened it and waits for its end; else the only one that was used since: a key opened
    /// it.
    ///
    /// **Source:** tmux 3.3a: `display-popup -c TTY` runs until the popup is closed; a client has
    /// one popup at most.
    fn opener(&mut self, top: Pid, clients: &[&tmux::Client]) -> Option<String> {
        let begun = self.proc.stat(top)?.start_ticks;
        let mut pids = Vec::new();
        self.proc.pids(&mut pids).ok()?;
        let commands = pids.into_iter().map(Pid).filter_map(|pid| {
            let stat = self.proc.stat(pid)?;
            let age = begun.checked_sub(stat.start_ticks)?;
            let command = self.proc.comm(pid)? == tmux::CLIENT_COMM && age <= OPENING;
            let tty = tmux::popup_client(&self.proc.cmdline(pid)).filter(|_| command)?;
            Some((age, tty))
        });
        let named = commands.min().map(|(_, tty)| tty);
        if let Some(named) = named {
            let mut clients = clients.iter();
            return clients.any(|client| client.tty == named).then_some(named);
        }
        let ticks = i64::try_from(begun / rustix::param::clock_ticks_per_second().max(1)).ok()?;
        let begun = self.proc.boot_seconds()?.checked_add(ticks)?;
        let used = |client: &&&tmux::Client| client.activity >= begun - POPUP_SLACK;
        let mut since = clients.iter().filter(used);
        match (since.next(), since.next()) {
            (Some(client), None) => Some(client.tty.clone()),
            _ => None,
        }
    }
}

/// Whether these clients lead to more than one window.
fn differ(shown: &[Shown<'_>]) -> bool {
    let windows = shown.iter().filter_map(|(.., place)| place.window.as_ref());
    let mut windows = windows.map(|window| (&window.manager, window.key));
    let first = windows.next();
    windows.any(|window| Some(window) != first)
}

fn passed_over(client: &tmux::Client, trouble: &Trouble) -> String {
    format!("tmux client {}: {}", client.tty, trouble.message)
}
