//! The command line of what keeps conversations with commits: see [`crate::capture`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

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
    Off(Place),
    /// Say what is kept here, how, and what was missed
    Status(Place),
}

/// Where, and how it is printed.
#[derive(Args, Debug)]
pub struct Place {
    /// In this repository instead of the one around here
    #[arg(short = 'C', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub repository: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
