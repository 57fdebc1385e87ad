//! X11: which process owns a window, and where i3 listens.
//!
//! **Source:** XRes 1.2 (`QueryClientIds`, answers with the host's pid even for a client in a pid
//! namespace), EWMH `_NET_WM_PID` (set by the client itself), i3's root property
//! `I3_SOCKET_PATH`. Every wait has a deadline, which x11rb's own stream has not.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::protocol::res::{self, ClientIdMask, ClientIdSpec, ConnectionExt as _};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, GetPropertyReply,
    Window as XWindow,
};
use x11rb::reexports::x11rb_protocol::parse_display::{ParsedDisplay, parse_display};
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

use super::{PATIENCE, WmError};
use crate::core::model::{Pid, Xid};
use crate::sys::clock::Deadline;
use crate::sys::files::read_bounded;

/// Windows asked about at once: more than anyone has open, less than floods the server's buffer.
const BATCH: usize = 256;
/// Properties asked for at once.
const PROPERTIES: usize = 2048;
/// Largest `.Xauthority` that is read, in bytes.
const XAUTHORITY_CAP: usize = 1 << 20;

/// An open display.
pub struct Display {
    pub(super) connection: RustConnection<Timed>,
    pub(super) root: XWindow,
    name: String,
    cookies: Option<PathBuf>,
    has_res: bool,
}

/// A stream on which each question ends in time: with its answer, or at the deadline, however
/// much else the server sends until then.
pub(super) struct Timed {
    stream: DefaultStream,
    deadline: Cell<Deadline>,
}

impl Timed {
    fn new(stream: DefaultStream) -> Self {
        Self {
            stream,
            deadline: Cell::new(Deadline::after(PATIENCE)),
        }
    }

    fn late(&self) -> io::Result<()> {
        if self.deadline.get().passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Stream for Timed {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, mode.readable());
        flags.set(PollFlags::OUT, mode.writable());
        loop {
            self.late()?;
            let mut fds = [PollFd::from_borrowed_fd(self.stream.as_fd(), flags)];
            match poll(&mut fds, Some(&self.deadline.get().timespec())) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self, buffer: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.late()?;
        self.stream.read(buffer, fds)
    }

    fn write(&self, buffer: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.stream.write(buffer, fds)
    }

    fn write_vectored(
        &self,
        buffers: &[io::IoSlice<'_>],
        fds: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.stream.write_vectored(buffers, fds)
    }
}

/// The one name of a local display, which has two: `:0.0` is `:0`. `None` if it is none.
#[must_use]
pub fn canonical(name: &str) -> Option<String> {
    Some(only_name(&parse_local(name).ok()?))
}

fn only_name(parsed: &ParsedDisplay) -> String {
    match (parsed.display, parsed.screen) {
        (display, 0) => format!(":{display}"),
        (display, screen) => format!(":{display}.{screen}"),
    }
}

fn parse_local(name: &str) -> Result<ParsedDisplay, WmError> {
    let parsed = parse_display(Some(name)).map_err(|error| WmError::Garbled(error.to_string()))?;
    if !parsed.host.is_empty() && parsed.host != "unix" {
        let words = format!("{name} is not a display of this machine");
        return Err(WmError::Garbled(words));
    }
    Ok(parsed)
}

impl Display {
    /// Connects to the local display `name` (`:0`), with the cookie in `xauthority` if that file
    /// has one for it.
    ///
    /// # Errors
    /// `Closed` if no server listens or it refuses the cookie, `Hung`, `Garbled` for a name that
    /// is no local display.
    pub fn open(name: &str, xauthority: Option<&Path>) -> Result<Self, WmError> {
        let parsed = parse_local(name)?;
        let stream = connect(parsed.display)?;
        let (stream, (_, address)) = DefaultStream::from_unix_stream(stream)?;
        let file = xauthority
            .and_then(|path| read_bounded(path, XAUTHORITY_CAP).ok())
            .unwrap_or_default();
        let (auth, data) = find_cookie(&file, &address, parsed.display).unwrap_or_default();
        let screen = usize::from(parsed.screen);
        let connection = RustConnection::connect_to_stream_with_auth_info(
            Timed::new(stream),
            screen,
            auth,
            data,
        )
        .map_err(connect_error)?;
        let root = connection.setup().roots[screen].root;
        let res = connection.extension_information(res::X11_EXTENSION_NAME);
        let has_res = res.map_err(broken)?.is_some();
        Ok(Self {
            connection,
            root,
            name: only_name(&parsed),
            cookies: xauthority.map(Path::to_path_buf),
            has_res,
        })
    }

    /// Starts the time that the next question has; all its parts share it.
    pub(super) fn in_time(&self) {
        let deadline = Deadline::after(PATIENCE);
        self.connection.stream().deadline.set(deadline);
    }

    /// A second connection to the same display.
    ///
    /// # Errors
    /// See [`Display::open`].
    pub fn again(&self) -> Result<Self, WmError> {
        Self::open(&self.name, self.cookies.as_deref())
    }

    /// Its name, such as `:0`: see [`canonical`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What becomes readable when the server has something to tell.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.connection.stream().stream.as_fd()
    }

    /// Where i3 says that it listens.
    ///
    /// # Errors
    /// See [`WmError`].
    pub fn i3_socket(&self) -> Result<Option<PathBuf>, WmError> {
        self.in_time();
        let atom = self
            .connection
            .intern_atom(true, b"I3_SOCKET_PATH")
            .map_err(broken)?;
        let atom = atom.reply().map_err(unanswered)?.atom;
        if atom == x11rb::NONE {
            return Ok(None);
        }
        let cookie = self
            .connection
            .get_property(false, self.root, atom, AtomEnum::ANY, 0, 1024);
        let reply = cookie.map_err(broken)?.reply().map_err(unanswered)?;
        let path = String::from_utf8_lossy(&reply.value)
            .trim_end_matches('\0')
            .to_owned();
        Ok((!path.is_empty()).then(|| PathBuf::from(path)))
    }

    /// The atoms of these names, in their order.
    pub(super) fn atoms<const N: usize>(&self, names: [&str; N]) -> Result<[Atom; N], WmError> {
        self.in_time();
        let mut cookies = Vec::with_capacity(N);
        for name in names {
            let cookie = self.connection.intern_atom(false, name.as_bytes());
            cookies.push(cookie.map_err(broken)?);
        }
        let mut atoms = [x11rb::NONE; N];
        for (atom, cookie) in atoms.iter_mut().zip(cookies) {
            *atom = cookie.reply().map_err(unanswered)?.atom;
        }
        Ok(atoms)
    }

    /// Properties of windows, each cut off after so many words of four bytes; in one round trip.
    /// `None` for one of a window that is gone.
    pub(super) fn properties(
        &self,
        asked: &[(XWindow, Atom, u32)],
    ) -> Result<Vec<Option<GetPropertyReply>>, WmError> {
        self.in_time();
        let mut read = Vec::with_capacity(asked.len());
        for batch in asked.chunks(PROPERTIES) {
            let mut cookies = Vec::with_capacity(batch.len());
            for (window, property, words) in batch {
                let any = AtomEnum::ANY;
                let cookie = self
                    .connection
                    .get_property(false, *window, *property, any, 0, *words);
                cookies.push(cookie.map_err(broken)?);
            }
            for cookie in cookies {
                read.push(match cookie.reply() {
                    Ok(reply) => Some(reply),
                    Err(x11rb::errors::ReplyError::X11Error(_)) => None,
                    Err(error) => return Err(unanswered(error)),
                });
            }
        }
        Ok(read)
    }

    /// Asks the window manager for something, by a message to the root window.
    pub(super) fn ask(&self, window: Xid, kind: Atom, data: [u32; 5]) -> Result<(), WmError> {
        self.in_time();
        let message = ClientMessageEvent::new(32, window.0, kind, data);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        let sent = self.connection.send_event(false, self.root, mask, message);
        sent.map_err(broken)?;
        self.connection.flush().map_err(broken)
    }

    /// Marks a window as urgent, or no longer.
    ///
    /// **Source:** EWMH `_NET_WM_STATE_DEMANDS_ATTENTION`; i3 4.22 takes it as its urgent hint.
    ///
    /// # Errors
    /// `Hung` or `Closed`.
    pub fn set_urgent(&self, window: Xid, urgent: bool) -> Result<(), WmError> {
        let [state, attention] =
            self.atoms(["_NET_WM_STATE", "_NET_WM_STATE_DEMANDS_ATTENTION"])?;
        // 1 adds, 0 removes; the sender is a pager, 2.
        self.ask(window, state, [u32::from(urgent), attention, 0, 2, 0])
    }

    /// The processes that own these windows, as far as the server knows.
    ///
    /// # Errors
    /// `Hung` or `Closed`; a window that is gone is left out.
    pub fn owners(&self, windows: &[Xid]) -> Result<HashMap<Xid, Pid>, WmError> {
        self.in_time();
        let mut owners = HashMap::with_capacity(windows.len());
        if self.has_res {
            for batch in windows.chunks(BATCH) {
                self.owners_by_res(batch, &mut owners)?;
            }
        }
        let rest: Vec<Xid> = windows
            .iter()
            .filter(|xid| !owners.contains_key(xid))
            .copied()
            .collect();
        for batch in rest.chunks(BATCH) {
            self.owners_by_property(batch, &mut owners)?;
        }
        Ok(owners)
    }

    /// Asks once for each client: all its windows share the bits above the resource mask.
    fn owners_by_res(
        &self,
        windows: &[Xid],
        owners: &mut HashMap<Xid, Pid>,
    ) -> Result<(), WmError> {
        let base = |xid: u32| xid & !self.connection.setup().resource_id_mask;
        let mut clients: Vec<u32> = windows.iter().map(|xid| base(xid.0)).collect();
        clients.sort_unstable();
        clients.dedup();
        let mask = ClientIdMask::LOCAL_CLIENT_PID;
        let specs: Vec<ClientIdSpec> = clients
            .iter()
            .map(|client| ClientIdSpec {
                client: *client,
                mask,
            })
            .collect();
        let reply = self
            .connection
            .res_query_client_ids(&specs)
            .map_err(broken)?
            .reply();
        let reply = match reply {
            Ok(reply) => reply,
            // A client that has just gone makes the whole question fail: the property answers.
            Err(x11rb::errors::ReplyError::X11Error(_)) => return Ok(()),
            Err(error) => return Err(unanswered(error)),
        };
        let pids: HashMap<u32, u32> = reply
            .ids
            .iter()
            .filter_map(|id| Some((base(id.spec.client), *id.value.first()?)))
            .collect();
        for xid in windows {
            if let Some(pid) = pids.get(&base(xid.0)).filter(|pid| **pid > 0) {
                owners.insert(*xid, Pid(*pid));
            }
        }
        Ok(())
    }

    fn owners_by_property(
        &self,
        windows: &[Xid],
        owners: &mut HashMap<Xid, Pid>,
    ) -> Result<(), WmError> {
        let atom = self
            .connection
            .intern_atom(true, b"_NET_WM_PID")
            .map_err(broken)?;
        let atom = atom.reply().map_err(unanswered)?.atom;
        if atom == x11rb::NONE {
            return Ok(());
        }
        let mut cookies = Vec::with_capacity(windows.len());
        for xid in windows {
            let cookie = self
                .connection
                .get_property(false, xid.0, atom, AtomEnum::CARDINAL, 0, 1);
            cookies.push((*xid, cookie.map_err(broken)?));
        }
        for (xid, cookie) in cookies {
            match cookie.reply() {
                Ok(reply) => {
                    if let Some(pid) = reply.value32().and_then(|mut values| values.next()) {
                        owners.insert(xid, Pid(pid));
                    }
                }
                Err(x11rb::errors::ReplyError::X11Error(_)) => {}
                Err(error) => return Err(unanswered(error)),
            }
        }
        Ok(())
    }
}

/// The server listens on a socket in the file system, an abstract one, or both.
fn connect(display: u16) -> io::Result<std::os::unix::net::UnixStream> {
    let path = format!("/tmp/.X11-unix/X{display}");
    match crate::sys::socket::connect_foreign(Path::new(&path), PATIENCE) {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&path)?;
            std::os::unix::net::UnixStream::connect_addr(&address).map_err(|_| error)
        }
        stream => stream,
    }
}

/// The cookie for a display in an `.Xauthority` file.
/// **Source:** libXau `AuRead.c`: family, then four fields, each with a big-endian length.
fn find_cookie(file: &[u8], host: &[u8], display: u16) -> Option<(Vec<u8>, Vec<u8>)> {
    const LOCAL: u16 = 256;
    const WILD: u16 = 65535;
    let number = display.to_string();
    let mut rest = file;
    let short = |rest: &mut &[u8]| {
        let (head, tail) = rest.split_at_checked(2)?;
        *rest = tail;
        Some(u16::from_be_bytes([head[0], head[1]]))
    };
    loop {
        let family = short(&mut rest)?;
        let mut field = || {
            let length = short(&mut rest)?;
            let (head, tail) = rest.split_at_checked(length.into())?;
            rest = tail;
            Some(head)
        };
        let (address, shown, name, data) = (field()?, field()?, field()?, field()?);
        let here = family == WILD || (family == LOCAL && address == host);
        let this = shown.is_empty() || shown == number.as_bytes();
        if here && this && name == b"MIT-MAGIC-COOKIE-1" {
            return Some((name.to_vec(), data.to_vec()));
        }
    }
}

fn connect_error(error: x11rb::errors::ConnectError) -> WmError {
    match error {
        x11rb::errors::ConnectError::IoError(error) => error.into(),
        other => WmError::Refused(other.to_string()),
    }
}

pub(super) fn broken(error: x11rb::errors::ConnectionError) -> WmError {
    match error {
        x11rb::errors::ConnectionError::IoError(error) => error.into(),
        other => WmError::Garbled(other.to_string()),
    }
}

pub(super) fn unanswered(error: x11rb::errors::ReplyError) -> WmError {
    match error {
        x11rb::errors::ReplyError::ConnectionError(error) => broken(error),
        x11rb::errors::ReplyError::X11Error(error) => {
            WmError::Refused(format!("{:?}", error.error_kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn entry(family: u16, address: &[u8], number: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = family.to_be_bytes().to_vec();
        for field in [address, number, b"MIT-MAGIC-COOKIE-1", data] {
            bytes.extend((field.len() as u16).to_be_bytes());
            bytes.extend(field);
        }
        bytes
    }

    /// Else one window manager is two, and a way back ends between them.
    #[test]
    fn a_display_has_one_name() {
        for (name, want) in [
            (":0", Some(":0")),
            (":0.0", Some(":0")),
            (":1.2", Some(":1.2")),
            ("far:0", None),
            ("", None),
        ] {
            assert_eq!(canonical(name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn the_cookie_is_the_one_of_this_host_and_display() {
        let file = [
            entry(256, b"other", b"0", b"wrong host"),
            entry(256, b"here", b"1", b"wrong display"),
            entry(0, b"here", b"0", b"wrong family"),
            entry(256, b"here", b"0", b"right"),
        ]
        .concat();
        assert_eq!(find_cookie(&file, b"here", 0).unwrap().1, b"right");
        assert_eq!(find_cookie(&file, b"here", 7), None);
        assert_eq!(
            find_cookie(&entry(65535, b"", b"", b"any"), b"here", 7)
                .unwrap()
                .1,
            b"any"
        );
        for cut in 0..file.len() {
            let _never_panics = find_cookie(&file[..cut], b"x", 0);
        }
    }

    /// A byte now and then kept each single wait alive, and with it the question for ever.
    #[test]
    fn a_server_that_drips_is_late() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            // Accepted, protocol 11.0, and the length of a setup that never is complete.
            let mut sent = theirs.write_all(&[1, 0, 11, 0, 0, 0, 0xff, 0xff]);
            theirs.set_read_timeout(Some(PATIENCE / 8)).unwrap();
            for _ in 0..64 {
                match theirs.read(&mut [0; 64]) {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(_) => sent = theirs.write_all(&[0]),
                }
                if sent.is_err() {
                    return true;
                }
            }
            false
        });
        let (stream, _) = DefaultStream::from_unix_stream(ours).unwrap();
        let opened = RustConnection::connect_to_stream_with_auth_info(
            Timed::new(stream),
            0,
            Vec::new(),
            Vec::new(),
        );
        let error = opened.map(drop).map_err(connect_error).unwrap_err();
        assert!(matches!(error, WmError::Hung), "{error}");
        assert!(server.join().unwrap(), "it was given up in time");
    }

    #[test]
    fn a_display_of_another_machine_or_of_nobody_is_an_error() {
        for name in ["host:0", "nonsense", "", ":64999"] {
            assert!(Display::open(name, None).is_err(), "{name}");
        }
    }
}
