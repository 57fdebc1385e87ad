//! The command line of what keeps sessions: see [`crate::hosted`].

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cmd::agents;
use crate::hosted::limit;

/// Of `start`.
#[derive(Args, Debug, Default)]
pub struct Start {
    /// Where; here if not given
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Call it so
    #[arg(long)]
    pub name: Option<String>,
    /// Open its terminal on this workspace, until it was on another one
    #[arg(long)]
    pub workspace: Option<String>,
    /// Run this coding tool
    #[arg(long, value_name = "NAME", value_parser = agents::tools(), conflicts_with = "command")]
    pub agent: Option<String>,
    /// Show it here at once
    #[arg(long, conflicts_with = "json")]
    pub attach: bool,
    /// Keep no log of what it writes
    #[arg(long)]
    pub no_log: bool,
    /// Let all of it take no more memory, such as 4G (by systemd; refused where it cannot)
    #[arg(long, value_name = "BYTES", value_parser = limit::bytes)]
    pub memory: Option<u64>,
    /// Let it have no more processes and threads (by systemd; refused where it cannot)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub tasks: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// What to run, instead of `claude`
    #[arg(last = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<std::ffi::OsString>,
}

/// Of `restore`.
#[derive(Args, Debug)]
pub struct Restore {
    /// Also what ran in windows of its own; it comes back as hosted
    #[arg(long)]
    pub all: bool,
    /// Also run again what is no coding tool
    #[arg(long)]
    pub commands: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `attach`.
#[derive(Args, Debug)]
pub struct Attach {
    /// Id, pid, name, directory or part of it
    pub query: String,
    /// Only look: no key reaches it, and it keeps its size
    #[arg(long)]
    pub read_only: bool,
    /// Leave by this key, instead of ctrl-]; `off` for none
    #[arg(long, value_name = "KEY")]
    pub detach_key: Option<String>,
}

/// Of `detach`.
#[derive(Args, Debug)]
pub struct Detach {
    /// Id, pid, name, directory or part of it; the session that this runs in if not given
    pub query: Option<String>,
}

/// Of `upgrade`.
#[derive(Args, Debug)]
pub struct Upgrade {
    /// Id, pid, name, directory or part of it; all started sessions if not given
    pub query: Option<String>,
}

/// Of `new`.
#[derive(Args, Debug)]
pub struct New {
    /// A directory, or part of the path of a project; without it all projects are listed
    #[arg(value_hint = ValueHint::DirPath)]
    pub project: Option<PathBuf>,
    /// Go on with this conversation of the past
    #[arg(long, value_name = "ID", conflicts_with = "project")]
    pub resume: Option<String>,
    /// Print the projects as JSON
    #[arg(long, conflicts_with_all = ["project", "resume"])]
    pub json: bool,
}

/// Of `open`.
#[derive(Args, Debug)]
pub struct Open {
    /// Id, pid, name, directory or part of it
    pub query: String,
}

/// Of `history`.
#[derive(Args, Debug)]
pub struct History {
    /// Id, pid, name, directory or part of it
    pub query: String,
    /// With colours
    #[arg(long, visible_alias = "colors")]
    pub colours: bool,
}

/// Of `logs`.
#[derive(Args, Debug)]
pub struct Logs {
    /// Id, pid, name, directory or part of it, also of one that has ended
    pub query: String,
    /// Go on until the session ends
    #[arg(long, short)]
    pub follow: bool,
    /// Every byte, not only text
    #[arg(long)]
    pub raw: bool,
}

/// Of `send`.
#[derive(Args, Debug)]
pub struct Send {
    /// Id, pid, name, directory or part of it
    pub query: String,
    /// The keys, as text
    #[arg(allow_hyphen_values = true)]
    pub text: String,
    /// Press Enter after them
    #[arg(long)]
    pub enter: bool,
}
