//! kitty: which of its tabs shows a session, and how that one comes to the top.
//!
//! **Source:** kitty 0.26.5, "remote control protocol": one JSON object in a DCS frame each way,
//! over the socket that `KITTY_LISTEN_ON` names; some 10 ms an answer. Its user has to allow that
//! (`allow_remote_control`, `listen_on`). Strings in the JSON are escaped, so that no title can
//! end a frame.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::SocketAddrUnix;
use serde::Deserialize;

use crate::core::model::{Pid, ProcChain, Xid};
use crate::core::text::CleanText;
use crate::sys::clock::Deadline;
use crate::sys::proc::Environ;
use crate::sys::socket;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Largest answer that is read, in bytes: 1.5 KB a tab were measured.
const CAP: usize = 4 << 20;
const HEAD: &[u8] = b"\x1bP@kitty-cmd";
const TAIL: &[u8] = b"\x1b\\";

/// A kitty that listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kitty {
    address: Address,
    pid: Pid,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Address {
    Path(PathBuf),
    /// In the abstract namespace of Linux.
    Name(Vec<u8>),
}

/// Where a session is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    /// kitty's own id of what it calls a window: one terminal.
    pub id: u64,
    /// The X11 window that this is in; under Wayland it is not told.
    pub xid: Option<Xid>,
    /// Whether its tab is on top, and it has the keyboard there.
    pub on_top: bool,
}

/// All terminals of a kitty, with their first processes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout(Vec<(Pid, Spot)>);

impl Kitty {
    /// The one in whose terminal a process with this environment runs. The variables are handed
    /// on to the children of other terminals: they count if they name `owner`, the process whose
    /// window it is.
    #[must_use]
    pub fn of(environ: &Environ, owner: Pid) -> Option<Self> {
        if environ.text("KITTY_PID")?.parse() != Ok(owner.0) {
            return None;
        }
        let place = environ.text("KITTY_LISTEN_ON")?.strip_prefix("unix:")?;
        let address = match place.strip_prefix('@') {
            Some(name) => Address::Name(name.as_bytes().to_vec()),
            None => Address::Path(PathBuf::from(place)),
        };
        let is_absolute = !matches!(&address, Address::Path(path) if !path.is_absolute());
        is_absolute.then_some(Self {
            address,
            pid: owner,
        })
    }

    /// Asks for all its terminals.
    ///
    /// # Errors
    /// `TimedOut`, `PermissionDenied` if somebody else listens there, or kitty's own words.
    pub fn layout(&self) -> io::Result<Layout> {
        let data = self.ask("ls", &serde_json::json!({}))?;
        let windows: Vec<OsWindow> = serde_json::from_str(&data)?;
        Ok(Layout::of(windows))
    }

    /// Brings a terminal to the top of its window, with the keyboard.
    ///
    /// # Errors
    /// See [`Kitty::layout`].
    pub fn select(&self, id: u64) -> io::Result<()> {
        let which = serde_json::json!({"match": format!("id:{id}")});
        self.ask("focus-window", &which).map(drop)
    }

    fn ask(&self, command: &str, payload: &serde_json::Value) -> io::Result<String> {
        let deadline = Deadline::after(PATIENCE);
        // An old version: a kitty refuses to serve clients that are newer than itself.
        let request = serde_json::json!({
            "cmd": command, "version": [0, 14, 2], "no_response": false, "payload": payload,
        });
        let mut stream = self.connect()?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&[HEAD, request.to_string().as_bytes(), TAIL].concat())?;
        let answer = read_frame(&stream, deadline)?;
        let answer: Answer = serde_json::from_slice(&answer)?;
        if answer.ok {
            return Ok(answer.data);
        }
        let words = CleanText::line(&answer.error);
        Err(io::Error::other(format!("it refused: {words}")))
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let address = match &self.address {
            Address::Path(path) => SocketAddrUnix::new(path)?,
            Address::Name(name) => SocketAddrUnix::new_abstract_name(name)?,
        };
        let stream = socket::connect_to(&address, PATIENCE)?;
        if socket::peer_pid(&stream) == Some(self.pid.0) {
            return Ok(stream);
        }
        let words = "somebody else listens at its socket";
        Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
    }
}

fn read_frame(stream: &UnixStream, deadline: Deadline) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(frame) = bytes.strip_suffix(TAIL) {
            let frame = frame.strip_prefix(HEAD);
            return frame
                .map(<[u8]>::to_vec)
                .ok_or(io::ErrorKind::InvalidData.into());
        }
        if bytes.len() > CAP {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        socket::read(stream, &mut bytes, deadline)?;
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Answer {
    ok: bool,
    data: String,
    error: String,
}

#[derive(Deserialize)]
struct OsWindow {
    #[serde(default)]
    platform_window_id: Option<u32>,
    #[serde(default)]
    tabs: Vec<Tab>,
}

#[derive(Deserialize)]
struct Tab {
    #[serde(flatten)]
    top: Top,
    #[serde(default)]
    windows: Vec<Terminal>,
}

#[derive(Deserialize)]
struct Terminal {
    #[serde(flatten)]
    top: Top,
    id: u64,
    pid: Option<u32>,
}

/// Whether a tab or a terminal is the one on top; named differently by version.
#[derive(Deserialize)]
struct Top {
    #[serde(alias = "is_active_tab", alias = "is_active_window")]
    is_active: Option<bool>,
    is_focused: Option<bool>,
}

impl Top {
    fn is(&self) -> bool {
        self.is_active.or(self.is_focused).unwrap_or(false)
    }
}

impl Layout {
    fn of(windows: Vec<OsWindow>) -> Self {
        let mut all = Vec::new();
        for window in windows {
            for tab in window.tabs {
                for terminal in &tab.windows {
                    let Some(pid) = terminal.pid else { continue };
                    let spot = Spot {
                        id: terminal.id,
                        xid: window.platform_window_id.map(Xid),
                        on_top: tab.top.is() && terminal.top.is(),
                    };
                    all.push((Pid(pid), spot));
                }
            }
        }
        Self(all)
    }

    /// A terminal, by kitty's id.
    #[must_use]
    pub fn by_id(&self, id: u64) -> Option<Spot> {
        let mut spots = self.0.iter().map(|(_, spot)| *spot);
        spots.find(|spot| spot.id == id)
    }

    /// Where a process is shown: in the terminal that one of its ancestors was started in, else
    /// in the one its environment names (a process whose parents have ended).
    #[must_use]
    pub fn spot(&self, chain: &ProcChain, environ: &Environ) -> Option<Spot> {
        let by_process = self.0.iter().find(|(pid, _)| chain.holds(*pid));
        let named = environ
            .text("KITTY_WINDOW_ID")
            .and_then(|id| id.parse().ok());
        let by_name = || self.0.iter().find(|(_, spot)| Some(spot.id) == named);
        by_process.or_else(by_name).map(|(_, spot)| *spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Link;

    /// Of kitty 0.26.5, with fewer fields.
    const LS: &str = r#"[{"id":1,"is_active":true,"is_focused":true,"last_focused":true,"platform_window_id":8388620,"tabs":[
        {"id":1,"is_active_tab":false,"is_focused":false,"layout":"fat","title":"evil \u001b\\ \"x\n","windows":[
          {"id":1,"is_active_window":true,"is_focused":true,"pid":100,"env":{"KITTY_WINDOW_ID":"1"}}]},
        {"id":2,"is_active_tab":true,"is_focused":true,"windows":[
          {"id":2,"is_active_window":true,"is_focused":true,"pid":200},
          {"id":3,"is_active_window":false,"is_focused":false,"pid":300}]}]},
        {"id":2,"platform_window_id":null,"tabs":[
        {"id":3,"is_focused":true,"windows":[{"id":4,"is_focused":true,"pid":400},{"id":5,"pid":null}]}]}]"#;

    fn spot(pid: u32, named: Option<&str>) -> Option<(u64, Option<u32>, bool)> {
        let layout = Layout::of(serde_json::from_str(LS).unwrap());
        let link = |pid| Link {
            pid: Pid(pid),
            comm: "x".into(),
        };
        let chain = ProcChain([900, pid, 50].map(link).into());
        let environ = named.map(|id| ("KITTY_WINDOW_ID".into(), id.into()));
        let spot = layout.spot(&chain, &environ.into_iter().collect())?;
        Some((spot.id, spot.xid.map(|xid| xid.0), spot.on_top))
    }

    #[test]
    fn a_terminal_is_found_by_its_process_and_known_to_be_on_top_or_not() {
        let window = Some(8_388_620);
        assert_eq!(spot(100, None), Some((1, window, false)));
        assert_eq!(spot(200, None), Some((2, window, true)));
        assert_eq!(spot(300, None), Some((3, window, false)), "beside it");
        assert_eq!(
            spot(400, Some("1")),
            Some((4, None, true)),
            "an older kitty"
        );
        assert_eq!(spot(999, Some("3")), Some((3, window, false)));
        assert_eq!(spot(999, None), None);
    }

    #[test]
    fn the_variables_count_only_if_they_name_the_owner() {
        let of = |pid: &str, listens: &str| {
            let pairs = [("KITTY_PID", pid), ("KITTY_LISTEN_ON", listens)];
            let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
            Kitty::of(&pairs.into_iter().collect(), Pid(70)).map(|kitty| kitty.address)
        };
        let path = Address::Path("/tmp/my kitty-70".into());
        assert_eq!(of("70", "unix:/tmp/my kitty-70"), Some(path));
        let name = Address::Name(b"kitty-70".into());
        assert_eq!(of("70", "unix:@kitty-70"), Some(name));
        for (pid, listens) in [
            ("71", "unix:/tmp/kitty"),
            ("", "unix:/tmp/kitty"),
            ("70", "unix:kitty"),
            ("70", "tcp:localhost:123"),
            ("70", ""),
        ] {
            assert_eq!(of(pid, listens), None, "{pid} {listens}");
        }
    }

    #[test]
    fn an_answer_ends_where_its_frame_does() {
        let answer = |bytes: &[u8], hung_up: bool| {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(bytes).unwrap();
            let theirs = (!hung_up).then_some(theirs);
            let deadline = Deadline::after(Duration::from_millis(50));
            let answer = read_frame(&ours, deadline);
            drop(theirs);
            answer.map_err(|error| error.kind())
        };
        let whole = b"\x1bP@kitty-cmd{\"ok\": true}\x1b\\";
        assert_eq!(answer(whole, false).unwrap(), b"{\"ok\": true}");
        assert_eq!(answer(&whole[..20], false), Err(io::ErrorKind::TimedOut));
        assert_eq!(
            answer(&whole[..20], true),
            Err(io::ErrorKind::UnexpectedEof)
        );
        assert_eq!(
            answer(b"\x1b[31m\x1b\\", false),
            Err(io::ErrorKind::InvalidData)
        );
    }

    #[test]
    fn a_stranger_at_the_socket_is_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kitty");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let kitty = Kitty {
            address: Address::Path(path),
            pid: Pid(1),
        };
        let error = kitty.layout().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
