//! Identities: which machine and process, which conversation, which window.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A process id of this machine.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pid(pub u32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One live process of this machine. A pid alone is reused by the kernel; with its start time in
/// clock ticks since boot it is not.
///
/// **Source:** proc(5), `/proc/pid/stat` field 22. Written as `PID-TICKS`. What touches `/proc`,
/// signals, windows and sources takes this type, so that no session of another machine gets there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LocalKey {
    /// The process.
    pub pid: Pid,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

impl LocalKey {
    /// The session of a process with this key on another machine.
    #[must_use]
    pub fn on(self, machine: Machine) -> SessionKey {
        SessionKey {
            machine: Some(machine),
            ..self.into()
        }
    }
}

impl fmt::Display for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.start_ticks)
    }
}

impl FromStr for LocalKey {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, ticks) = text.split_once('-').ok_or(())?;
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(pid) || !digits(ticks) {
            return Err(());
        }
        Ok(Self {
            pid: Pid(pid.parse().map_err(|_| ())?),
            start_ticks: ticks.parse().map_err(|_| ())?,
        })
    }
}

/// The name of another machine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Machine(Arc<str>);

impl Machine {
    /// Takes a name as hosts have them: 1 to 253 of `A-Z a-z 0-9 . _ -`, the first one a letter or
    /// digit. It is shown and becomes a word of commands as it is.
    ///
    /// **Source:** hostname(7); `_` is what people and ssh's aliases add.
    #[must_use]
    pub fn new(raw: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ok = raw.len() <= 253
            && raw.bytes().all(plain)
            && raw.starts_with(|c: char| c.is_ascii_alphanumeric());
        ok.then(|| Self(raw.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The identity of a session: one live process, on this machine or another. Written as `PID-TICKS`
/// here and `MACHINE/PID-TICKS` elsewhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionKey {
    /// The other machine; none is this one.
    pub machine: Option<Machine>,
    /// The process there.
    pub pid: Pid,
    /// When it started, in clock ticks since that machine's boot.
    pub start_ticks: u64,
}

impl SessionKey {
    /// The process, if it is one of this machine.
    #[must_use]
    pub fn local(&self) -> Option<LocalKey> {
        self.machine.is_none().then_some(self.there())
    }

    /// The process, wherever it runs.
    fn there(&self) -> LocalKey {
        LocalKey {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }
}

impl From<LocalKey> for SessionKey {
    fn from(LocalKey { pid, start_ticks }: LocalKey) -> Self {
        Self {
            machine: None,
            pid,
            start_ticks,
        }
    }
}

impl PartialEq<LocalKey> for SessionKey {
    fn eq(&self, other: &LocalKey) -> bool {
        self.local() == Some(*other)
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machine) = &self.machine {
            write!(f, "{machine}/")?;
        }
        self.there().fmt(f)
    }
}

impl FromStr for SessionKey {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('/') {
            Some((machine, key)) => Ok(key
                .parse::<LocalKey>()?
                .on(Machine::new(machine).ok_or(())?)),
            None => text.parse().map(LocalKey::into),
        }
    }
}

/// Both kinds of keys travel as they are written.
macro_rules! travels_as_text {
    ($key:ty, $form:literal) => {
        impl Serialize for $key {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $key {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse()
                    .map_err(|()| serde::de::Error::custom(concat!("a session id is ", $form)))
            }
        }
    };
}

travels_as_text!(LocalKey, "PID-TICKS");
travels_as_text!(SessionKey, "PID-TICKS or MACHINE/PID-TICKS");

/// The agent's own id of a conversation. It changes on `/clear`, survives a resume, and two
/// processes can share it. On the wire it is `session_id`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct ConversationId(Arc<str>);

impl ConversationId {
    /// Takes an id as agents write them: 1 to 128 of `A-Z a-z 0-9 . _ -`. Anything else could
    /// leave the projects directory when it becomes a file name.
    #[must_use]
    pub fn new(raw: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let ok = (1..=128).contains(&raw.len()) && raw.bytes().all(plain) && !raw.starts_with('.');
        ok.then(|| Self(raw.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not a conversation id"))
    }
}

/// A container of the tree of i3 or sway. All of them change when i3 restarts.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConId(pub u64);

/// An X11 window id. Reused freely by the server, and meaningless without its display.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Xid(pub u32);

/// What a window system itself calls a window. On the wire `con_id` is a number, every other
/// kind is `key`, a word and a number: `x:77`.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(from = "WrittenKey", into = "WrittenKey")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum WindowKey {
    /// A container of i3 or sway.
    Con(ConId),
    /// An X11 window.
    X(Xid),
    /// None, or one of a kind that this vmux does not know.
    #[default]
    Unknown,
}

impl fmt::Display for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Con(id) => id.0.fmt(f),
            Self::X(id) => id.0.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WrittenKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    con_id: Option<ConId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl From<WrittenKey> for WindowKey {
    fn from(written: WrittenKey) -> Self {
        if let Some(id) = written.con_id {
            return Self::Con(id);
        }
        let key = written.key.as_deref().and_then(|key| key.split_once(':'));
        match key.map(|(kind, number)| (kind, number.parse())) {
            Some(("x", Ok(number))) => Self::X(Xid(number)),
            _ => Self::Unknown,
        }
    }
}

impl From<WindowKey> for WrittenKey {
    fn from(key: WindowKey) -> Self {
        let (con_id, key) = match key {
            WindowKey::Con(id) => (Some(id), None),
            WindowKey::X(id) => (None, Some(format!("x:{}", id.0))),
            WindowKey::Unknown => (None, None),
        };
        Self { con_id, key }
    }
}

/// Address of a window system, usually the path of its socket. Only the code that speaks to it
/// reads it as an address; to everything else it is a name. A system without a socket has an
/// address that begins with its own name and a colon: `x11::7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WmAddress(pub String);

impl fmt::Display for WmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_what_it_prints_and_nothing_else() {
        let key = LocalKey {
            pid: Pid(4711),
            start_ticks: 326_309,
        };
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().parse(), Ok(SessionKey::from(key)));
        let there = key.on(Machine::new("box-7.lan").unwrap());
        assert_eq!(there.to_string(), "box-7.lan/4711-326309");
        assert_eq!(there.to_string().parse(), Ok(there.clone()));
        assert_eq!(there.to_string().parse::<LocalKey>(), Err(()));
        assert_eq!(
            (there.local(), SessionKey::from(key).local()),
            (None, Some(key))
        );
        for bad in [
            "",
            "4711",
            "-1",
            "4711-",
            "+4711-3",
            "4711-3x",
            "99999999999-1",
            "/4711-3",
            "box/",
            "box//4711-3",
            "box/far/4711-3",
            "../4711-3",
            "-box/4711-3",
            "b\u{1b}[31mx/4711-3",
            "b x/4711-3",
            "bücher/4711-3",
            &format!("{}/4711-3", "x".repeat(254)),
        ] {
            assert_eq!(bad.parse::<LocalKey>(), Err(()), "{bad}");
            assert_eq!(bad.parse::<SessionKey>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_conversation_id_is_a_safe_file_name() {
        assert!(ConversationId::new("68eaa3d6-fde3-408d-a7dd-87c322a274af").is_some());
        for bad in ["", "../x", "a/b", ".hidden", "a\0b", "ü", &"x".repeat(129)] {
            assert!(ConversationId::new(bad).is_none(), "{bad:?}");
        }
    }
}
