//! What travels between vmux and its daemon: one JSON object on one line each way.
//!
//! A request is `{"action": …, "args": {…}}`, its reply `{"ok", "error", "sessions", …}`; both say
//! the version of who wrote them.
//! Requests of one connection are answered one after the other. A reply with `"payload": N` is
//! followed by N bytes that are to be written out as they are: rows rendered by the daemon for
//! clients that are started often. Fields are only ever added, and unknown ones ignored.

pub mod client;
mod contents;
pub mod feed;
pub mod reply;
pub mod request;
#[cfg(test)]
mod schema;
pub mod subscription;
pub mod version;

pub use reply::{EventLine, Refusal, RefusalCode, Reply, render_payload};
pub use request::{Request, Verb};

/// The JSON schema of what travels. A test makes it from the types.
pub const SCHEMA: &str = include_str!("schema.json");

/// Longest request that is read, in bytes. Real ones have less than 2 KiB.
pub const REQUEST_CAP: usize = 64 * 1024;
/// Longest reply that a client reads, in bytes: some ten thousand sessions.
pub const REPLY_CAP: usize = 64 << 20;

/// Variables of a client's environment that travel with its request: what finds a desktop for
/// sessions that have none, and what a prompt, a notification or a terminal needs.
pub const ENVIRON: [&str; 11] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "I3SOCK",
    "SWAYSOCK",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "PATH",
    "LANG",
    "TERMINAL",
];
