//! vmux keeps a live registry of AI coding sessions and focuses the window of the one you choose.
//!
//! # Data flow
//!
//! ```text
//!  /proc, status files, transcripts, git,       windows: i3, sway, EWMH, tmux, screen
//!  reports of hooks (optional)                               |
//!                  |                                          |
//!     source::scout, agent::*                           desktop::place      sources: own threads, may wait,
//!                  |                                          |             never touch the registry
//!                  +-------- Observation { key, facts } ------+             bounded channel
//!                                       v
//!        engine thread:  Registry::apply(observation, now) -> Vec<Event>    pure, sole writer; what is
//!                                       |  Arc<Snapshot> swapped            to be kept goes to storage
//!                                       v
//!        server thread:  request -> reply, one poll loop                    JSON lines on a Unix socket
//!                                       v
//!        frontends:      sessions -> order -> Row -> rofi | menu | bar      pure; a choice comes back by id
//!                                       v
//!        switch:         query -> place -> actions -> focus, proved after   one thread moves the focus
//! ```
//!
//! # Rules
//!
//! 1. One writer: the engine owns the registry; readers clone an `Arc`.
//! 2. Pure core, thin edges: [`core`], and every file that says so, takes `now` and values; no
//!    file, clock, environment or process below the edge.
//! 3. Facts keep their source: unknown and ambiguous are values, never guesses, and `explain`
//!    prints the evidence the verdict was made from. A wait, a window and a success are claimed
//!    by proof only; that something is missing proves nothing.
//! 4. The process is the key ([`SessionKey`](crate::core::model::SessionKey); where only one of this machine will do,
//!    [`LocalKey`](crate::core::model::LocalKey)), not the conversation; labels follow the
//!    conversation.
//! 5. The daemon is disposable: all but what its user said (labels, snoozes, pins), what he has
//!    not seen and his way back is observed again at its start. A panic costs the session or the
//!    job that it came of; one of engine or server ends the daemon.
//! 6. Nothing waits without a deadline; every queue, input and retry has a bound. What may lie on
//!    a file system that does not answer is looked at by readers that can be left behind.
//! 7. No child process per tick, no work while nothing changes: inotify, pidfds and the window
//!    manager's events first, a scan every five seconds as the safety net.
//! 8. What a session wrote is hostile: it is shown as [`CleanText`](crate::core::text::CleanText) or not at all.
//! 9. Focus moves on a user's key only, and a switch is done when the tree says so.
//!
//! # Rooms
//!
//! `tests/it/layers.rs` holds every `use crate::` against the table of who may use whom.
//!
//! | room | job |
//! |---|---|
//! | [`core`] | the words as types, displayable text, verdict, registry, query, order, counts: all pure |
//! | [`sys`] | the edges to the kernel: clock, children, files, processes, directories, sockets, inotify, git's files |
//! | [`protocol`] | a type per request and reply, versions, schema, the client's side of the socket |
//! | [`hosted`] | sessions that vmux itself keeps: wire, directory, the client's side; `vmux-host` keeps them |
//! | [`agent`] | the trait of coding tools and its table; a folder each: processes, files, sockets, hooks, claims |
//! | [`capture`] | what of those conversations belongs to which commit: replay, selection, redaction, records, git |
//! | [`source`] | finds processes, holds on to them and tells agents what changes: names no agent |
//! | [`desktop`] | from a session to its focused window: i3, sway and EWMH; tmux, screen and tabs; where, and the way there and back |
//! | [`notify`] | news, when to tell it, D-Bus |
//! | [`frontend`] | rows, icons, and what rofi, menus and bars are handed |
//! | [`serve`] | what the daemon and `--no-daemon` both answer with |
//! | [`daemon`] | engine, server, subscribers, supervision, storage |
//! | [`cmd`] | one file a verb |

pub mod agent;
pub mod capture;
pub mod cmd;
pub mod core;
pub mod daemon;
pub mod desktop;
pub mod frontend;
pub mod hosted;
pub mod notify;
pub mod protocol;
pub mod serve;
pub mod source;
pub mod sys;
