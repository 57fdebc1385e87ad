//! vmux keeps a live registry of AI coding sessions and focuses the window of the one you choose.
//!
//! # Data flow
//!
//! ```text
//!  /proc, status files, transcripts, git,       windows: i3 or sway, X11, tmux, screen
//!  reports of hooks (optional)                               |
//!                  |                                          |
//!           source::scout                               switch::place       sources: own threads, may wait,
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
//! 1. One writer: the engine owns the [`registry`]; readers clone an `Arc`.
//! 2. Pure core, thin edges: [`state`], [`registry`], [`locate`], [`query`], [`order`], [`row`] and the
//!    frontends take `now` and values; no file, clock, environment or process below the edge.
//! 3. Facts keep their source: unknown and ambiguous are values, never guesses, and `explain`
//!    prints the evidence the verdict was made from. A wait, a window and a success are claimed
//!    by proof only; that something is missing proves nothing.
//! 4. The process is the key ([`model::SessionKey`]), not the conversation; labels follow the
//!    conversation.
//! 5. The daemon is disposable: all but what its user said (labels, snoozes, pins), what he has
//!    not seen and his way back is observed again at its start. A panic costs the session or the
//!    job that it came of; one of engine or server ends the daemon.
//! 6. Nothing waits without a deadline; every queue, input and retry has a bound. What may lie on
//!    a file system that does not answer is looked at by readers that can be left behind.
//! 7. No child process per tick, no work while nothing changes: inotify, pidfds and the window
//!    manager's events first, a scan every five seconds as the safety net.
//! 8. What a session wrote is hostile: it is shown as [`text::CleanText`] or not at all.
//! 9. Focus moves on a user's key only, and a switch is done when the tree says so.
//!
//! # Rooms
//!
//! `tests/it/layers.rs` holds every `use crate::` against the table of who may use whom.
//!
//! | module | job |
//! |---|---|
//! | [`model`], [`text`] | the words as types; the only way to displayable text |
//! | [`state`], [`registry`] | evidence to verdict; the reducer |
//! | [`locate`], [`query`], [`order`], [`counts`], [`row`], [`answer`], [`alert`] | window, session, order, numbers, line, reply, news: all pure |
//! | [`agent`] | Claude Code: its processes, status files, transcripts, hooks and settings |
//! | [`wm`], [`host`], [`switch`] | i3, sway and X11; tmux, screen and tabs; from a session to its focused window |
//! | [`source`], [`proc`] | what finds sessions and keeps their evidence fresh |
//! | [`protocol`], [`daemon`], [`local`] | the wire; the daemon; the same answers without one |
//! | [`frontend`], [`cmd`], [`cli`] | what people see; one file a verb |
//! | [`paths`], [`config`], [`clock`], [`exec`], [`files`], [`labels`], [`exit`], [`logger`] | the edges: environment, clock, children, files |
//! | [`dbus`], [`notify`], [`icons`], [`act`], [`standin`] | notifications; icons; ending a session; played sessions |

pub mod act;
pub mod agent;
pub mod alert;
pub mod answer;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod counts;
pub mod daemon;
pub mod dbus;
pub mod exec;
pub mod exit;
pub mod files;
pub mod frontend;
pub mod host;
pub mod icons;
pub mod labels;
pub mod local;
pub mod locate;
pub mod logger;
pub mod model;
pub mod notify;
pub mod order;
pub mod paths;
pub mod proc;
pub mod protocol;
pub mod query;
pub mod registry;
pub mod row;
pub mod source;
pub mod standin;
pub mod state;
pub mod switch;
pub mod text;
pub mod wm;
