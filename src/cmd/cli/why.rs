//! The command line of `why`.

use std::ffi::OsString;

use clap::ValueHint;

use super::table::arguments;

arguments! {
    /// Of `why`.
    #[derive(Clone, Debug)]
    pub struct Why {
        /// FILE:LINE, FILE:FIRST-LAST, FILE or a commit; also as editors have it: FILE:3:7, FILE#L3
        ///
        /// A file goes before a commit of the same name.
        pub what: OsString = [Name("FILE:LINE|COMMIT"), Hint(ValueHint::FilePath)],
        /// Go to the window of the session that wrote it; if it has ended, offer to go on with it
        pub go: bool = [Long],
        /// Go on with a session that has ended without asking
        pub yes: bool = [Long, Short, Requires("go")],
        /// Print JSON
        pub json: bool = [Long, Conflicts(&["go"])],
    }
}
