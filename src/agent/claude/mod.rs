//! Claude Code: which processes are its sessions, and what its files say of them.
//!
//! **Source:** observed on versions 1.0.128 to 2.1.329 of the real CLI; the recordings in
//! `tests/fixtures/claude` pin what is read here. Undocumented, so everything is read
//! defensively: a missing field, an unknown word, a broken line cost only themselves.

pub mod arguments;
pub mod beginning;
pub mod conversation;
pub mod facts;
pub mod find;
pub mod hook;
pub mod job;
pub mod process;
use super::record;
pub mod request;
pub mod settings;
pub mod status_file;
pub mod tail;
pub mod verdict;

/// The agent's name on the wire.
pub const NAME: &str = "claude";

/// First version that writes `sessions/<pid>.json`: an older one has no status file, a newer one
/// without it has not got past its start dialogs.
pub const FIRST_WITH_FILE: [u32; 3] = [2, 1, 75];

/// Splits `2.1.328` into its numbers, so that versions compare.
#[must_use]
pub fn parse_version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(str::parse::<u32>);
    let mut next = || parts.next()?.ok();
    let version = [next()?, next()?, next()?];
    next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(parse_version("2.1.328"), Some([2, 1, 328]));
        assert!(parse_version("2.1.75") < parse_version("2.1.119"));
        for bad in ["", "2.1", "2.1.x", "2.1.3.4", "claude"] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }
}
