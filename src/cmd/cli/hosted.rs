//! The command line of what keeps sessions: see [`crate::hosted`].

use std::path::PathBuf;

use clap::ValueHint;
use clap::builder::ValueParser;

use super::table::arguments;
use crate::cmd::agents;
use crate::hosted::limit;

arguments! {
    /// Of `start`.
    #[derive(Debug, Default)]
    pub struct Start {
        /// Where; here if not given
        pub dir: Option<PathBuf> = [Hint(ValueHint::DirPath)],
        /// Call it so
        pub name: Option<String> = [Long],
        /// Open its terminal on this workspace, until it was on another one
        pub workspace: Option<String> = [Long],
        /// Run this coding tool
        pub agent: Option<String> = [Long, Name("NAME"), Parser(|| agents::tools().into()), Conflicts(&["command"])],
        /// Show it here at once
        pub attach: bool = [Long, Conflicts(&["json"])],
        /// Keep no log of what it writes
        pub no_log: bool = [Long],
        /// Let all of it take no more memory, such as 4G (by systemd; refused where it cannot)
        pub memory: Option<u64> = [Long, Name("BYTES"), Parser(|| ValueParser::new(limit::bytes))],
        /// Let it have no more processes and threads (by systemd; refused where it cannot)
        pub tasks: Option<u64> = [Long, Name("NUMBER"), Parser(|| clap::value_parser!(u64).range(1..).into())],
        /// Print JSON
        pub json: bool = [Long],
        /// What to run, instead of `claude`
        pub command: Vec<std::ffi::OsString> = [Last, Hint(ValueHint::CommandWithArguments)],
    }

    /// Of `restore`.
    #[derive(Debug)]
    pub struct Restore {
        /// Also what ran in windows of its own; it comes back as hosted
        pub all: bool = [Long],
        /// Also run again what is no coding tool
        pub commands: bool = [Long],
        /// Only say what would be done
        pub dry_run: bool = [Long],
    }

    /// Of `attach`.
    #[derive(Debug)]
    pub struct Attach {
        /// Id, pid, name, directory or part of it
        pub query: String,
        /// Only look: no key reaches it, and it keeps its size
        pub read_only: bool = [Long],
        /// Leave by this key, instead of ctrl-]; `off` for none
        pub detach_key: Option<String> = [Long, Name("KEY")],
    }

    /// Of `detach`.
    #[derive(Debug)]
    pub struct Detach {
        /// Id, pid, name, directory or part of it; the session that this runs in if not given
        pub query: Option<String>,
    }

    /// Of `upgrade`.
    #[derive(Debug)]
    pub struct Upgrade {
        /// Id, pid, name, directory or part of it; all started sessions if not given
        pub query: Option<String>,
    }

    /// Of `new`.
    #[derive(Debug)]
    pub struct New {
        /// A directory, or part of the path of a project; without it all projects are listed
        pub project: Option<PathBuf> = [Hint(ValueHint::DirPath)],
        /// Go on with this conversation of the past
        pub resume: Option<String> = [Long, Name("ID"), Conflicts(&["project"])],
        /// Print the projects as JSON
        pub json: bool = [Long, Conflicts(&["project", "resume"])],
    }

    /// Of `open`.
    #[derive(Debug)]
    pub struct Open {
        /// Id, pid, name, directory or part of it
        pub query: String,
    }

    /// Of `history`.
    #[derive(Debug)]
    pub struct History {
        /// Id, pid, name, directory or part of it
        pub query: String,
        /// With colours
        pub colours: bool = [Long, Alias("colors")],
    }

    /// Of `logs`.
    #[derive(Debug)]
    pub struct Logs {
        /// Id, pid, name, directory or part of it, also of one that has ended
        pub query: String,
        /// Go on until the session ends
        pub follow: bool = [Long, Short],
        /// Every byte, not only text
        pub raw: bool = [Long],
    }

    /// Of `send`.
    #[derive(Debug)]
    pub struct Send {
        /// Id, pid, name, directory or part of it
        pub query: String,
        /// The keys, as text
        pub text: String = [Hyphens],
        /// Press Enter after them
        pub enter: bool = [Long],
    }
}
