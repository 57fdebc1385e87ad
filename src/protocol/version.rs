//! Versions, exchanged at first contact: each request and each reply says who wrote it. What is
//! added to the wire is ignored by an older reader, so that most of it works on; a difference is
//! worth a word all the same.

use std::fmt;

use serde::Deserialize;

use crate::core::text::CleanText;

/// The version of this program.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// What helps against a daemon of another version.
pub const REMEDY: &str = "`vmux daemon restart` starts the daemon of this version";

/// What helps whom a daemon does not understand.
pub const OLD_DAEMON: &str = "the daemon may be older: `vmux daemon restart`";

/// How a reply of this version begins, done or refused.
const BEGINS: [&str; 2] = [
    concat!(
        "{\"ok\":true,\"version\":\"",
        env!("CARGO_PKG_VERSION"),
        "\""
    ),
    concat!(
        "{\"ok\":false,\"version\":\"",
        env!("CARGO_PKG_VERSION"),
        "\""
    ),
];

/// The other side is another version; none where it is so old that it does not say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Other(Option<CleanText>);

impl Other {
    /// By what the other side says; none if it is this version.
    #[must_use]
    pub fn of(said: Option<CleanText>) -> Option<Self> {
        (said.as_deref() != Some(OWN)).then_some(Self(said))
    }

    /// By a line of the daemon; none if it is this version, or no object at all.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Said {
            version: Option<CleanText>,
        }
        // No JSON where it is most often so: the lines of hot calls are only written out.
        if BEGINS.iter().any(|own| line.starts_with(own.as_bytes())) {
            return None;
        }
        let said: Said = serde_json::from_slice(line).ok()?;
        Self::of(said.version)
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(version) => write!(f, "vmux {version}"),
            None => f.write_str("an older vmux"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::reply::{Done, render};
    use crate::protocol::{Refusal, RefusalCode, render_payload};

    #[test]
    fn a_line_tells_another_version_and_none_of_its_own() {
        let done = render(&Ok(Done {}));
        let refused = Refusal::new(RefusalCode::Busy, "busy").render();
        for own in [done, refused, render_payload(b"rows".to_vec())] {
            assert_eq!(Other::of_line(&own), None);
        }
        let other = |line: &str| Other::of_line(line.as_bytes()).map(|other| other.to_string());
        let newer = r#"{"ok":true,"version":"9.9.9\u001b[2J","error":null,"sessions":[]}"#;
        assert_eq!(other(newer).as_deref(), Some("vmux 9.9.9"));
        let old = r#"{"ok":true,"error":null,"sessions":[{"version":"2.1.328"}]}"#;
        assert_eq!(other(old).as_deref(), Some("an older vmux"));
        assert_eq!(other("no JSON"), None);
    }
}
