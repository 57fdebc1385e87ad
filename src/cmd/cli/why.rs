//! The command line of `why`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

/// Of `why`.
#[derive(Args, Clone, Debug)]
pub struct Why {
    /// FILE:LINE, FILE:FIRST-LAST, FILE or a commit; also as editors have it: FILE:3:7, FILE#L3
    ///
    /// A file goes before a commit of the same name.
    #[arg(value_name = "FILE:LINE|COMMIT", value_hint = ValueHint::FilePath)]
    pub what: OsString,
    /// Go to the window of the session that wrote it; if it has ended, offer to go on with it
    #[arg(long)]
    pub go: bool,
    /// Go on with a session that has ended without asking
    #[arg(long, short, requires = "go")]
    pub yes: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "go")]
    pub json: bool,
}
