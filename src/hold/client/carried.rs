//! A client of which another process is the holder from now on.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vmux::hosted::Role;
use vmux::sys::clock;

use super::{Client, View};
use crate::parser::Seen;
use crate::state::{Span, State};
use crate::term::Size;

/// A client, as it is written down.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Carried {
    pub(crate) id: u64,
    /// Its connection.
    pub(crate) stream: i32,
    role: Option<Role>,
    columns: u16,
    rows: u16,
    tty: Option<PathBuf>,
    shown: Shown,
    active: u64,
    painted: bool,
    reports: bool,
    follows: bool,
    leaving: bool,
    /// Frames of which some bytes are sent, and how many.
    begun: Span,
    sent: usize,
    /// Frames that wait.
    queue: Span,
    /// What has come of a frame that is not whole.
    unread: Span,
}

/// What it is shown. One that is not known is drawn anew.
#[derive(Clone, Copy, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    Nothing,
    All,
    #[default]
    #[serde(other)]
    Anew,
}

impl Client {
    /// Writes it down.
    pub(crate) fn carry(&self, state: &mut State) -> Carried {
        let mut queue = self.queue.iter();
        let begun = (self.sent > 0).then(|| queue.next()).flatten();
        let rest: Vec<u8> = queue
            .flat_map(|piece| piece.frames.iter().copied())
            .collect();
        Carried {
            id: self.id,
            stream: self.stream.as_raw_fd(),
            role: self.role,
            columns: self.size.columns,
            rows: self.size.rows,
            tty: self.tty.clone(),
            shown: match self.view {
                View::Nothing => Shown::Nothing,
                View::All => Shown::All,
                View::Soon { .. } | View::Stuck | View::Part { .. } => Shown::Anew,
            },
            active: self.active,
            painted: self.seen != Seen::Nothing,
            reports: self.reports,
            follows: self.follows,
            leaving: self.leaving,
            begun: state.put(begun.map_or(&[], |begun| &begun.frames)),
            sent: self.sent,
            queue: state.put(&rest),
            unread: state.put(self.reader.unread()),
        }
    }

    /// Goes on with it, in a session of this size.
    pub(crate) fn carried(
        carried: &Carried,
        stream: UnixStream,
        state: &State,
        size: Size,
    ) -> Self {
        let mut client = Self::new(carried.id, stream);
        client.role = carried.role;
        client.size = Size::told(carried.columns, carried.rows);
        client.tty.clone_from(&carried.tty);
        client.active = carried.active;
        client.reports = carried.reports;
        client.follows = carried.follows;
        client.leaving = carried.leaving;
        client.view = match carried.shown {
            Shown::Nothing => View::Nothing,
            Shown::All => View::All,
            Shown::Anew if client.size == size => View::Stuck,
            Shown::Anew => View::Part {
                busy: false,
                stale: true,
                at: clock::steady(),
            },
        };
        let unread = state.bytes(carried.unread);
        client.reader.buffer().extend_from_slice(unread);
        let begun = state.bytes(carried.begun);
        if carried.sent < begun.len() {
            client.push(Arc::new(begun.to_vec()), None);
            client.sent = carried.sent;
            client.queued -= carried.sent;
        }
        let queue = state.bytes(carried.queue);
        // Output is counted anew: with all of this it has seen all there was.
        let all = matches!(client.view, View::All).then_some(Seen::Until(0));
        let waits = client.has_queue() || !queue.is_empty();
        client.seen = match all {
            _ if !carried.painted => Seen::Nothing,
            Some(all) if !waits => all,
            _ => Seen::Unknown,
        };
        if waits {
            client.push(Arc::new(queue.to_vec()), all);
        }
        client
    }
}
