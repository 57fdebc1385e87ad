//! The command line of what keeps conversations with commits: see [`crate::capture`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::table::{arguments, ones};

/// Of `capture`.
#[derive(Args, Debug)]
pub struct Capture {
    /// What to do
    #[command(subcommand)]
    pub verb: CaptureVerb,
}

/// Verbs of `capture`.
#[derive(Subcommand, Debug)]
pub enum CaptureVerb {
    /// Keep them from now on, in all working trees of this repository
    ///
    /// Writes one file into the git directory, and nothing else: no hook, no setting of git, nothing
    /// in the working tree. What is kept stays on this machine until `vmux capture share`.
    On(Place),
    /// Keep no more; what was kept stays
    Off(CaptureOff),
    /// Say what is kept here, how, and what was missed
    Status(Place),
    /// Show what is kept of a commit
    Show(CaptureCommit),
    /// Look at a commit now, also at one that is older than capture
    Save(CaptureCommit),
    /// Remove what is kept of a commit, or of a conversation
    ///
    /// Only what was written here; nothing of it is left in what `vmux capture share` would push.
    Drop(CaptureDrop),
    /// Mark the secrets in what comes in, and say by which rules: what capture would keep of it
    ///
    /// It goes by the environment it is called in, by the .env files of the repository around here,
    /// and by the patterns of its settings. Ends with 0 if nothing was marked, with 1 if something
    /// was, and with 2 if it cannot be told.
    Check,
    /// Show what was kept and is not there yet, and send it to a remote after asking
    ///
    /// Sends the notes that were written here, and no other reference; nothing is forced.
    Share(Share),
}

arguments! {
    /// Of `capture share`.
    #[derive(Debug)]
    pub struct Share {
        /// The remote, as git knows it; `origin` or the only one if it is not named
        pub remote: Option<String>,
        /// Of this repository instead of the one around here
        pub repository: Option<PathBuf> = [ShortAs('C'), Long, Name("DIR"), Hint(ValueHint::DirPath)],
        /// Only show it
        pub dry_run: bool = [Long],
        /// Do not ask
        pub yes: bool = [Long, Short],
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Where, and how it is printed.
    #[derive(Clone, Debug)]
    pub struct Place {
        /// In this repository instead of the one around here
        pub repository: Option<PathBuf> = [ShortAs('C'), Long, Name("DIR"), Hint(ValueHint::DirPath)],
        /// Print JSON
        pub json: bool = [Long],
    }

    /// Of `capture off`.
    #[derive(Debug)]
    pub struct CaptureOff {
        /// Where
        pub place: Place,
        /// Also remove all that was kept, after asking
        pub purge: bool = [Long],
        /// Do not ask
        pub yes: bool = [Long, Short, Requires("purge")],
    }

    /// Of `capture show` and `capture save`.
    #[derive(Clone, Debug)]
    pub struct CaptureCommit {
        /// An id, a branch, HEAD~2 or whatever git takes for a commit
        pub commit: String = [Default("HEAD")],
        /// Where
        pub place: Place,
    }

    /// Of `capture drop`.
    #[derive(Debug)]
    pub struct CaptureDrop {
        /// A commit, or the beginning of a conversation's id
        pub what: String = [Name("COMMIT|SESSION")],
        /// Do not ask
        pub yes: bool = [Long, Short],
        /// Where
        pub place: Place,
    }

    /// Of `log`.
    #[derive(Clone, Debug)]
    pub struct Log {
        /// Which commits, as git takes them: `main..HEAD`, `v1.0..`, `HEAD~3..`
        pub range: String = [Default("HEAD")],
        /// In another form
        pub format: Option<LogFormat> = [Long, Name("FORM"), Conflicts(&["json"])],
        /// Only the newest so many records
        pub max_count: Option<usize> = [ShortAs('n'), Long, Name("COUNT")],
        /// Where, and as JSON
        pub place: Place,
    }
}

/// Forms of records.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For a pull request
    Markdown,
    /// Agent Trace 0.1.0, a record a line
    AgentTrace,
    /// Promptcellar's log (plf-1), a prompt a line
    Plf,
    /// The note of git-ai (authorship/3.0.0)
    GitAi,
}

ones!(LogFormat);
