//! Private worlds for tests and benchmarks: homes, daemons, sessions that are stand-ins, desktops.
//!
//! Everything lies in a directory of its own below `TMPDIR`, knows nothing of the user's
//! environment, and is ended by its process ids when its value goes out of scope.

#![allow(
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    reason = "tests and benchmarks read easier so, and tell people what went wrong"
)]

pub(crate) mod app_server;
pub(crate) mod desktop;
pub(crate) mod home;
pub(crate) mod install;
pub(crate) mod judge;
pub(crate) mod lab;
pub(crate) mod machine;
pub(crate) mod manager;
pub(crate) mod process;
pub(crate) mod repository;
pub(crate) mod service;
pub(crate) mod shown;
pub(crate) mod stuck;
pub(crate) mod sway;
pub(crate) mod talk;
#[cfg(feature = "host")]
pub(crate) mod tty;

pub(crate) use desktop::{Desktop, Display};
pub(crate) use home::Home;
pub(crate) use lab::Lab;
pub(crate) use process::{Killed, PATIENCE, wait_for};
pub(crate) use shown::Shown;
pub(crate) use sway::Sway;
#[cfg(feature = "host")]
pub(crate) use tty::Tty;
