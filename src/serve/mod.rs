//! What the daemon and `--no-daemon` both answer with, and from.

pub mod act;
pub mod config;
pub mod feed;
pub mod labels;
pub mod lacks;
pub mod local;
pub mod projects;
pub mod reply;
pub mod roll;
pub mod world;
