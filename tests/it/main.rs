//! All integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    reason = "tests set up their own world"
)]

mod asks;
mod background;
mod bar;
mod capture;
mod capture_apart;
mod capture_text;
mod cli;
mod config;
mod containers;
mod contract;
mod desktop;
mod events;
mod feed;
#[cfg(feature = "host")]
mod first;
mod git;
mod ground;
mod help;
mod hooks;
#[cfg(feature = "host")]
mod hosted;
mod installed;
#[path = "../kit/mod.rs"]
mod kit;
mod labels;
mod layers;
mod life;
mod look;
mod lost;
#[cfg(feature = "pick")]
mod odd;
mod pages;
mod parrot;
mod pick;
mod props;
mod published;
mod readme;
mod recordings;
#[cfg(feature = "host")]
mod refusals;
mod rewrites;
mod schema;
mod scout;
mod seam;
mod secrets;
mod served;
mod shared;
mod starts;
#[cfg(feature = "host")]
mod tab;
mod untold;
mod versions;
mod watched;
mod window_events;
mod wire;

use kit::{machine, service};
