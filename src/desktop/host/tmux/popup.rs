//! Popups of tmux: they are no panes, and tmux does not tell which of its clients shows one.

use std::ffi::OsString;

use super::layout::Layout;
use super::{CLIENT_COMM, NAME, Named};
use crate::core::model::{HostKind, Pid, Trouble, TroubleCode};
use crate::desktop::host::{Client, Inside, Shown};
use crate::desktop::way::Search;
use crate::sys::proc::Proc;

/// How much older than a popup's process its opening may seem, in seconds: tmux counts whole ones.
const POPUP_SLACK: i64 = 1;
/// Longest time between a command and the popup that it opens, in clock ticks.
const OPENING: u64 = 300;

/// A process of tmux without a pane: what it runs in a popup, or in the background. `named` is
/// what the process's own `TMUX` says.
pub(super) fn find(
    proc: &Proc,
    inside: &Inside<'_>,
    named: Option<&Named>,
    layout: &Layout,
    search: &mut Search,
) -> Result<Shown, Trouble> {
    let top = top(inside);
    let tty = top.and_then(|top| proc.terminal(top));
    let Some(tty) = tty else {
        let message = "tmux runs it in the background, without a terminal";
        return Err(Trouble::new(TroubleCode::NoWindow, message));
    };
    if !proc.pty_masters(inside.server).contains(&tty) {
        let message = "it runs below tmux, in a terminal that is none of its panes";
        return Err(Trouble::new(TroubleCode::NoWindow, message));
    }
    let session = named.map(|named| &*named.session_id);
    let name = session.and_then(|id| layout.session_name(id));
    let target = format!("{} (popup)", name.unwrap_or(NAME));
    search.enter(HostKind::Tmux, NAME, Some(&target));
    let clients: Vec<Client> = layout
        .popup_clients(session)
        .into_iter()
        .map(|client| Client {
            name: format!("tmux client {}", client.tty),
            pid: client.pid,
            steps: vec![format!(
                "a popup of its client {} ({})",
                client.tty, client.pid
            )],
            tty: client.tty,
            show: None,
            hidden: false,
        })
        .collect();
    if clients.is_empty() {
        let message = "no client of tmux shows its popup";
        return Err(Trouble::new(TroubleCode::NoWindow, message));
    }
    let message = "several clients of tmux may show its popup, and nothing tells which";
    Ok(Shown {
        clients,
        untold: Some(Trouble::new(TroubleCode::Ambiguous, message)),
    })
}

/// The process that the server itself started.
fn top(inside: &Inside<'_>) -> Option<Pid> {
    inside.below().last().map(|link| link.pid).or(inside.held)
}

/// The client that a popup was opened for: the one that the command names which opened it and
/// waits for its end; else the only one that was used since: a key opened it.
///
/// **Source:** tmux 3.3a: `display-popup -c TTY` runs until the popup is closed; a client has
/// one popup at most.
pub(super) fn opener(
    proc: &mut Proc,
    inside: &Inside<'_>,
    layout: &Layout,
    clients: &[&Client],
) -> Option<usize> {
    let begun = proc.stat(top(inside)?)?.start_ticks;
    let mut pids = Vec::new();
    proc.pids(&mut pids).ok()?;
    let commands = pids.into_iter().map(Pid).filter_map(|pid| {
        let stat = proc.stat(pid)?;
        let age = begun.checked_sub(stat.start_ticks)?;
        let command = proc.comm(pid)? == CLIENT_COMM && age <= OPENING;
        let tty = popup_client(&proc.cmdline(pid)).filter(|_| command)?;
        Some((age, tty))
    });
    if let Some((_, named)) = commands.min() {
        return clients.iter().position(|client| client.tty == named);
    }
    let ticks = i64::try_from(begun / rustix::param::clock_ticks_per_second().max(1)).ok()?;
    let begun = proc.boot_seconds()?.checked_add(ticks)?;
    let used = |client: &Client| {
        let used_at = layout.used_at(&client.tty);
        used_at.is_some_and(|at| at >= begun - POPUP_SLACK)
    };
    let mut since = (0..clients.len()).filter(|n| used(clients[*n]));
    match (since.next(), since.next()) {
        (Some(client), None) => Some(client),
        _ => None,
    }
}

/// The terminal for which a command line opens a popup.
fn popup_client(words: &[OsString]) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let popup = |word: &&str| {
        // tmux takes any beginning of a command's name that no other has.
        *word == "popup" || word.len() > 8 && "display-popup".starts_with(*word)
    };
    let after = &words[words.iter().position(popup)? + 1..];
    let at = after.iter().position(|word| *word == "-c")?;
    after.get(at + 1).map(|tty| (*tty).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_whose_popup_it_opens() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            popup_client(&words)
        };
        let line = "tmux -S /tmp/s display-popup -w 80% -c /dev/pts/4 -E vi";
        assert_eq!(of(line).as_deref(), Some("/dev/pts/4"));
        assert_eq!(
            of("tmux popup -c /dev/pts/4").as_deref(),
            Some("/dev/pts/4")
        );
        assert_eq!(of("tmux display-panes -c /dev/pts/4"), None);
        assert_eq!(of("tmux display-popup -c"), None);
        assert_eq!(of("tmux display-popup vi"), None);
    }
}
