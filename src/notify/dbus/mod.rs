//! A small client of the session bus, for desktop notifications.
//!
//! Own code, because each wait here must end: of the libraries, one waits for ever on a bus that
//! hangs up during authentication (rustbus 0.19), one brings an async runtime (zbus), one a C
//! library (dbus). **Source:** D-Bus specification 0.42, checked against dbus-daemon 1.14.

pub mod logind;
mod wire;

use std::fmt;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use wire::{Argument, Body, Incoming, Kind, Variant};

use crate::sys::clock::Deadline;
use crate::sys::proc::Environ;
use crate::sys::socket;

/// Longest wait for one answer of the bus.
pub const PATIENCE: Duration = Duration::from_millis(1000);
/// Signals that are kept until somebody takes them; later ones are lost. A person's clicks are few.
const SIGNALS: usize = 256;
/// The bus itself, which answers calls as anybody else does: its name and its interface.
const SELF: &str = "org.freedesktop.DBus";
const SELF_PATH: &str = "/org/freedesktop/DBus";
/// Longest line of the authentication, in bytes.
const LINE_CAP: usize = 1024;

/// Why the bus did not do what was asked.
#[derive(Debug)]
pub enum BusError {
    /// There is no bus, or it hung up.
    Io(io::Error),
    /// It does not know this user.
    Rejected,
    /// Its answer makes no sense.
    Garbled,
    /// It, or who was called, answered with an error: its name.
    Failed(String),
}

impl BusError {
    /// Whether the connection, or the program that was called, is of no more use: the bus hung up,
    /// or the program left it. Late is not lost: a reply that comes too late is skipped.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() != io::ErrorKind::TimedOut,
            Self::Rejected | Self::Garbled => true,
            // Of the bus itself (checked on dbus-daemon 1.14): nobody has that name, or he left
            // without an answer.
            Self::Failed(name) => matches!(
                name.strip_prefix("org.freedesktop.DBus.Error."),
                Some("ServiceUnknown" | "NameHasNoOwner" | "NoReply" | "Disconnected")
            ),
        }
    }
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("the session bus does not answer")
            }
            Self::Io(error) => write!(f, "no session bus: {error}"),
            Self::Rejected => f.write_str("the session bus turned this user away"),
            Self::Garbled => f.write_str("the session bus answers nonsense"),
            Self::Failed(name) => write!(f, "the session bus answered {name}"),
        }
    }
}

impl std::error::Error for BusError {}

impl From<io::Error> for BusError {
    fn from(error: io::Error) -> Self {
        Self::Io(match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

/// Where a bus listens.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Address {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// A connection to a bus.
#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    buffer: Vec<u8>,
    serial: u32,
    /// Longest wait for one answer.
    patience: Duration,
    /// Signals that came while an answer was waited for.
    signals: Vec<Incoming>,
}

impl Bus {
    /// Connects to the session bus that an environment names, or the usual one of its runtime
    /// directory.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn session(environ: &Environ) -> Result<Self, BusError> {
        let mut last = io::Error::new(
            io::ErrorKind::NotFound,
            "DBUS_SESSION_BUS_ADDRESS is not set",
        );
        for address in addresses(environ) {
            match open(&address) {
                Ok(stream) => return Self::over(stream),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }

    /// Introduces this user over an open stream.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn over(stream: UnixStream) -> Result<Self, BusError> {
        Self::over_within(stream, PATIENCE)
    }

    /// The same, for answers that may take longer.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn over_within(stream: UnixStream, patience: Duration) -> Result<Self, BusError> {
        let mut bus = Self {
            stream,
            buffer: Vec::new(),
            serial: 0,
            patience,
            signals: Vec::new(),
        };
        bus.authenticate()?;
        bus.call(SELF, SELF_PATH, SELF, "Hello", &Body::default())?;
        Ok(bus)
    }

    /// Asks for the signals that a rule describes.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn add_match(&mut self, rule: &str) -> Result<(), BusError> {
        let rule = Body::default().text(rule);
        self.call(SELF, SELF_PATH, SELF, "AddMatch", &rule)
            .map(drop)
    }

    /// Asks to be told when a name gets another owner, or none: see [`Incoming::new_owner`].
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn watch_name(&mut self, name: &str) -> Result<(), BusError> {
        self.add_match(&format!(
            "type='signal',sender='{SELF}',interface='{SELF}',member='{OWNER_CHANGED}',arg0='{name}'"
        ))
    }

    /// **Source:** specification, "Authentication Protocol": EXTERNAL, the user's id in hex.
    fn authenticate(&mut self) -> Result<(), BusError> {
        let deadline = Deadline::after(self.patience);
        let uid = rustix::process::getuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.write(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let line = loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                break self.buffer.drain(..=end).collect::<Vec<u8>>();
            }
            if self.buffer.len() > LINE_CAP {
                return Err(BusError::Garbled);
            }
            socket::read(&self.stream, &mut self.buffer, deadline)?;
        };
        if !line.starts_with(b"OK ") {
            return Err(BusError::Rejected);
        }
        self.write(b"BEGIN\r\n")
    }

    /// Calls a method and waits for its answer.
    ///
    /// # Errors
    /// See [`BusError`].
    pub fn call(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: &Body,
    ) -> Result<Incoming, BusError> {
        self.serial += 1;
        let serial = self.serial;
        let deadline = Deadline::after(self.patience);
        self.write(&wire::method_call(
            serial,
            destination,
            path,
            interface,
            member,
            body,
        ))?;
        loop {
            let message = self.receive(deadline)?;
            if message.reply_serial != Some(serial) {
                self.keep(message);
                // Something always comes on a busy bus.
                if deadline.passed() {
                    return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                }
                continue;
            }
            return match message.kind {
                Kind::Error => Err(BusError::Failed(message.error_name.unwrap_or_default())),
                _ => Ok(message),
            };
        }
    }

    /// Takes signals that have arrived, without waiting. It reads once only, so that a flood does
    /// not hold it up; what is left wakes the next poll.
    ///
    /// # Errors
    /// If the bus hung up.
    pub fn take_signals(&mut self) -> Result<Vec<Incoming>, BusError> {
        socket::read_ready(&self.stream, &mut self.buffer)?;
        while let Some(message) = self.take_message()? {
            self.keep(message);
        }
        Ok(std::mem::take(&mut self.signals))
    }

    fn keep(&mut self, message: Incoming) {
        if message.kind == Kind::Signal && self.signals.len() < SIGNALS {
            self.signals.push(message);
        }
    }

    fn receive(&mut self, deadline: Deadline) -> Result<Incoming, BusError> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            socket::read(&self.stream, &mut self.buffer, deadline)?;
        }
    }

    /// Takes a whole message out of what was read.
    fn take_message(&mut self) -> Result<Option<Incoming>, BusError> {
        wire::take_message(&mut self.buffer).map_err(|()| BusError::Garbled)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BusError> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        Ok(self.stream.write_all(bytes)?)
    }
}

const OWNER_CHANGED: &str = "NameOwnerChanged";

impl Incoming {
    /// If this is the bus's signal that `name` changed hands: its new owner, empty if it has none.
    #[must_use]
    pub fn new_owner(&self, name: &str) -> Option<String> {
        let by_bus = self.kind == Kind::Signal && self.sender.as_deref() == Some(SELF);
        if !by_bus || self.member.as_deref() != Some(OWNER_CHANGED) {
            return None;
        }
        match <[Argument; 3]>::try_from(self.arguments()).ok()? {
            [Argument::Text(of), _, Argument::Text(owner)] if of == name => Some(owner),
            _ => None,
        }
    }
}

impl AsFd for Bus {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn open(address: &Address) -> io::Result<UnixStream> {
    match address {
        Address::Path(path) => socket::connect(path, PATIENCE),
        Address::Abstract(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
    }
}

fn addresses(environ: &Environ) -> Vec<Address> {
    if let Some(text) = environ.text("DBUS_SESSION_BUS_ADDRESS") {
        return text.split(';').filter_map(parse_address).collect();
    }
    let runtime = environ.get("XDG_RUNTIME_DIR").map(Path::new);
    runtime
        .map(|dir| Address::Path(dir.join("bus")))
        .into_iter()
        .collect()
}

/// `unix:path=/run/user/1000/bus,guid=…` or `unix:abstract=/tmp/dbus-x`.
fn parse_address(text: &str) -> Option<Address> {
    let pairs = text
        .strip_prefix("unix:")?
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    for (key, value) in pairs {
        let value = unescape(value)?;
        match key {
            "path" => return Some(Address::Path(PathBuf::from(String::from_utf8(value).ok()?))),
            "abstract" => return Some(Address::Abstract(value)),
            _ => {}
        }
    }
    None
}

/// Bytes outside a small set are written as `%XX`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environ(name: &str, value: &str) -> Environ {
        [(name.into(), value.into())].into_iter().collect()
    }

    #[test]
    fn the_bus_is_found_by_address_or_runtime_directory() {
        let path = |text: &str| Address::Path(text.into());
        let named = |text: &str| addresses(&environ("DBUS_SESSION_BUS_ADDRESS", text));
        assert_eq!(
            named("unix:path=/run/user/1/bus,guid=ab"),
            [path("/run/user/1/bus")]
        );
        assert_eq!(
            named("unix:abstract=/tmp/x%2dy"),
            [Address::Abstract(b"/tmp/x-y".to_vec())]
        );
        assert_eq!(named("tcp:host=x;unix:path=/b"), [path("/b")]);
        assert_eq!(named("nonsense;unix:path=/%zz"), []);
        assert_eq!(
            addresses(&environ("XDG_RUNTIME_DIR", "/run/u")),
            [path("/run/u/bus")]
        );
    }

    #[test]
    fn a_bus_that_hangs_up_or_is_silent_is_an_error_in_time() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(Bus::over(ours), Err(BusError::Io(_))));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let error = Bus::over(ours).unwrap_err();
        assert_eq!(error.to_string(), "the session bus does not answer");
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
        assert!(matches!(Bus::over(ours), Err(BusError::Rejected)));
    }

    /// Only signals were counted, and a stranger who calls methods without end sends none.
    #[test]
    fn a_flood_without_signals_does_not_hold_a_look_up() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut bus = Bus {
            stream: ours,
            buffer: Vec::new(),
            serial: 0,
            patience: PATIENCE,
            signals: Vec::new(),
        };
        let ping = wire::method_call(1, SELF, SELF_PATH, SELF, "Ping", &Body::default());
        theirs.set_nonblocking(true).unwrap();
        let pings = ping.repeat(1024);
        while theirs.write_all(&pings).is_ok() {}
        assert!(bus.take_signals().unwrap().is_empty());
        let left = socket::read_ready(&bus.stream, &mut Vec::new()).unwrap();
        assert!(left, "it did not go on until nothing was left");
    }

    #[test]
    fn a_bus_that_says_everything_but_the_answer_is_an_error_in_time() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let started = crate::sys::clock::steady();
        let chatter = std::thread::spawn(move || {
            theirs.write_all(b"OK 0123\r\n").unwrap();
            let other = wire::method_call(1, SELF, SELF_PATH, SELF, "Ping", &Body::default());
            let lasts = PATIENCE * 3;
            while started.elapsed() < lasts && theirs.write_all(&other).is_ok() {}
        });
        let error = Bus::over(ours).unwrap_err();
        assert_eq!(error.to_string(), "the session bus does not answer");
        assert!(started.elapsed() < PATIENCE * 2);
        chatter.join().unwrap();
    }
}
