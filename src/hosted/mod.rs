//! Hosted sessions as both ends see them: the wire, where they are found, the client's side.
//! What keeps one is the program `vmux-host`, one process a session.
//!
//! The payloads here only ever gain fields: holders and clients of different versions meet, since
//! a session outlives an update.

pub mod asking;
pub mod attach;
pub mod follow;
pub mod frame;
pub mod keys;
pub mod limit;
pub mod link;
pub mod missed;
pub mod place;
pub mod plain;
pub mod record;
pub mod scan;
pub mod sieve;
pub mod told;
pub mod undo;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::model::Told;
use crate::core::named::named;

/// The protocol that this program speaks.
pub const PROTOCOL: u32 = 1;
/// In the environment of what a session runs: its id.
pub const VARIABLE: &str = "VMUX_SESSION";
/// The same in a terminal that vmux opened, whatever session the daemon was started in: what is in it
/// is no part of that.
pub const NO_SESSION: &str = "none";

/// In the environment of a holder: the id of the session that it brings back.
pub const AGAIN: &str = "VMUX_AGAIN";

/// What a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Shows the session and types into it.
    Attach,
    /// Shows it.
    Watch,
    /// Shows nothing: asks, sends keys, ends it.
    #[default]
    Ask,
}

/// The first frame of a client.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Hello {
    /// The newest protocol that it speaks.
    pub protocol: u32,
    /// What it is.
    pub role: Role,
    /// Columns of its terminal.
    pub columns: u16,
    /// Rows of its terminal.
    pub rows: u16,
    /// Its terminal's device.
    pub tty: Option<PathBuf>,
    /// The hosted session that it runs in itself.
    pub inside: Option<String>,
}

named!(Hello {
    protocol,
    role,
    columns,
    rows,
    tty,
    inside
});

/// What a client's terminal told when it was asked.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Terminal {
    /// It knows what programs say of themselves (`OSC 7501`).
    pub status: bool,
    /// Its colour of text, as it answers `OSC 10`: `rgb:d0d0/d0d0/d0d0`.
    pub foreground: Option<String>,
    /// That behind it, as it answers `OSC 11`.
    pub background: Option<String>,
}

named!(Terminal {
    status,
    foreground,
    background
});

/// A client, as others are told of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Attached {
    /// Its process.
    pub pid: u32,
    /// Its terminal's device.
    pub tty: Option<PathBuf>,
    /// Columns of its terminal.
    pub columns: u16,
    /// Rows of its terminal.
    pub rows: u16,
    /// The session has the size of its terminal.
    pub leads: bool,
    /// It cannot type.
    pub read_only: bool,
}

named!(Attached {
    pid,
    tty,
    columns,
    rows,
    leads,
    read_only
});

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Ended {
    /// The exit code of what it ran; no code and no signal where nobody saw how it ended.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When.
    pub at: DateTime<Utc>,
    /// As [`Info::starved`], until then.
    #[serde(skip_serializing_if = "is_none")]
    pub starved: u32,
}

named!(Ended {
    code,
    signal,
    at,
    starved
});

fn is_none(number: &u32) -> bool {
    *number == 0
}

/// What the kernel did, in words.
#[must_use]
pub fn starved_words(processes: u32) -> String {
    format!(
        "the kernel ended {processes} of its processes for taking more memory than the session may"
    )
}

/// Exit codes of programs that were told to end or killed, as shells have them: 128 and the signal.
const TOLD: [i32; 3] = [128 + 1, 128 + 9, 128 + 15];
/// Signals by which a person ends a program: those of Ctrl+C and Ctrl+\.
const TYPED: [i32; 2] = [2, 3];

impl Ended {
    /// Whether it ended of its own accord, or its user had it end; not by a crash, by being killed or
    /// with the machine.
    #[must_use]
    pub fn by_itself(&self) -> bool {
        match (self.code, self.signal) {
            (Some(code), _) => !TOLD.contains(&code),
            (None, Some(signal)) => TYPED.contains(&signal),
            (None, None) => false,
        }
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let words = match (self.code, self.signal) {
            (Some(code), _) if code != 0 => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended; how, nobody saw".to_owned(),
            _ => "ended".to_owned(),
        };
        match self.starved {
            0 => words,
            n => format!("{words}; {}", starved_words(n)),
        }
    }
}

/// A program that a holder is to go on as.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Image {
    /// Where it is.
    pub path: PathBuf,
}

named!(Image { path });

/// A hosted session. The file beside its socket holds the same, as it was at the start or the end.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Info {
    /// The newest protocol that its holder speaks.
    pub protocol: u32,
    /// The version of its holder.
    pub version: String,
    /// Its id.
    pub id: String,
    /// The name that its user gave it.
    pub name: Option<String>,
    /// What runs in it: the process that was started.
    pub pid: u32,
    /// Its holder's process.
    pub holder: u32,
    /// The directory that it was started in.
    pub cwd: PathBuf,
    /// What was started.
    pub command: Vec<String>,
    /// When.
    pub started: DateTime<Utc>,
    /// Its terminal's device.
    pub tty: Option<PathBuf>,
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
    /// Who is attached.
    pub clients: Vec<Attached>,
    /// The title of its window, as the program says.
    pub title: Option<String>,
    /// The workspace on which its terminal is opened, until it was on another one.
    pub workspace: Option<String>,
    /// What the program says of itself; `None`: the holder is too old to hear it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Where its output is kept.
    pub log: Option<PathBuf>,
    /// Most memory that all of it may take, in bytes.
    pub memory: Option<u64>,
    /// Most processes and threads.
    pub tasks: Option<u64>,
    /// Its processes that the kernel ended because the session took all its memory.
    #[serde(skip_serializing_if = "is_none")]
    pub starved: u32,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
}

named!(Info {
    protocol,
    version,
    id,
    name,
    pid,
    holder,
    cwd,
    command,
    started,
    tty,
    columns,
    rows,
    clients,
    title,
    workspace,
    told,
    log,
    memory,
    tasks,
    starved,
    ended
});

impl Info {
    /// Whether this very file is the program that holds it, by device and inode: two builds may
    /// call themselves the same. `None` where that cannot be told.
    #[must_use]
    pub fn is_held_by(&self, program: &Path) -> Option<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let identity = |path: &Path| path.metadata().ok().map(|data| (data.dev(), data.ino()));
        let running = identity(Path::new(&format!("/proc/{}/exe", self.holder)))?;
        Some(running == identity(program)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_took_is_told_with_the_end() {
        let killed = Ended {
            signal: Some(9),
            ..Ended::default()
        };
        assert_eq!(killed.words(), "was ended by signal 9");
        let starved = Ended {
            starved: 1,
            ..killed.clone()
        };
        let told = starved.words();
        assert!(told.starts_with("was ended by signal 9; the kernel ended 1 of"));
        // Who is older reads it, and says nothing of it to others.
        let words = [killed, starved].map(|ended| serde_json::to_string(&ended).unwrap());
        assert!(!words[0].contains("starved") && words[1].contains("\"starved\":1"));
    }
}
