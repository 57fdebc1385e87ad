//! The edges to the kernel: clock, children, files, processes, directories, sockets, git's files.

pub mod clock;
pub mod exec;
pub mod files;
pub mod git;
pub mod ground;
pub mod group;
pub mod image;
pub mod inotify;
pub mod logger;
pub mod memory;
pub mod paths;
pub mod proc;
pub mod socket;
