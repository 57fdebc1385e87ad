//! Codex CLI: which processes are its sessions, what its app-server and its rollouts say of them.
//!
//! From 0.161 on the process on the terminal is a client of one app-server a `CODEX_HOME`, which
//! runs all conversations and tells their states as they change. Before that, and with
//! `--no-daemon`, the process holds its rollout open itself.
//!
//! **Source:** observed on 0.139.0 to 0.171.0 of the real CLI; the recordings in
//! `tests/fixtures/codex` pin what is read here. Undocumented, so everything is read
//! defensively: a missing field, an unknown word, a broken line cost only themselves.

pub mod app_server;
pub mod frames;
pub mod link;
pub mod pairing;
pub mod process;
pub mod rollout;
pub mod rpc;
pub mod verdict;

/// The agent's name on the wire.
pub const NAME: &str = "codex";
