//! Shows a hosted session in the terminal that this process has, until somebody leaves.
//!
//! Nothing here waits for the terminal or the holder alone: the key that detaches works while the
//! program floods the terminal, and while it takes no keys.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::SendFlags;
use rustix::termios::{OptionalActions, Termios};
use signal_hook::consts::signal::{SIGHUP, SIGTERM, SIGWINCH};

use super::asking::{Asking, QUESTION};
use super::frame;
use super::keys::DetachKey;
use super::link::Link;
use super::undo::Undo;
use super::{Ended, Hello, Role};
use crate::core::text::CleanText;
use crate::sys::clock::{self, Deadline};
use crate::sys::socket;

/// Longest wait for the holder to take the connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes for the terminal that may wait; then the holder is not read.
const OUTPUT: usize = 256 * 1024;
/// What it is to write to a terminal that is gone.
const HUNG_UP: i32 = rustix::io::Errno::IO.raw_os_error();
/// Keys for the holder that may wait; then the terminal is not read.
const INPUT: usize = 16 * 1024 * 1024;
/// How long the terminal may take to be set back.
const LAST: Duration = Duration::from_secs(1);
/// How long the terminal may take to answer what it is asked: afterwards all that comes are keys.
const ANSWERS: Duration = Duration::from_secs(5);
/// The rest of an answer follows its beginning at once; else they were keys.
const REST: Duration = Duration::from_millis(100);
/// One that was asked just now may answer yet, when it is left: the shell is not to read that.
const LATE: Duration = Duration::from_millis(300);
/// Most bytes of what the program says of itself that wait for the end of a sequence.
const REPORTS: usize = 64 * 1024;
/// One read of the terminal.
const BLOCK: usize = 16 * 1024;

/// How a session is shown.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only look.
    pub read_only: bool,
    /// The key that detaches, if one does.
    pub key: Option<DetachKey>,
    /// The hosted session that this process runs in.
    pub inside: Option<String>,
    /// Ask the terminal what it knows; one that is no more than a console may show the question.
    pub asks: bool,
    /// What the terminal is called until the program says it.
    pub title: CleanText,
}

/// Why a session is shown no longer.
#[derive(Debug)]
pub enum Left {
    /// Somebody detached.
    Detached,
    /// The session is over.
    Ended(Ended),
    /// The holder refuses.
    Refused(String),
    /// The holder is gone without a word.
    Lost,
}

/// Shows the session behind the socket.
///
/// # Errors
/// If there is no terminal, or the holder cannot be reached.
pub fn attach(socket: &Path, options: &Options) -> io::Result<Left> {
    let terminal = Terminal::open()?;
    let (columns, rows) = terminal.size();
    let hello = Hello {
        role: if options.read_only {
            Role::Watch
        } else {
            Role::Attach
        },
        columns,
        rows,
        tty: Some(terminal.name.clone()),
        inside: options.inside.clone(),
        ..Hello::default()
    };
    let link = Link::connect(socket, &hello, PATIENCE)?;
    let (signals, write) = UnixStream::pair()?;
    write.set_nonblocking(true)?;
    for signal in [SIGWINCH, SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    let ending = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, ending.clone())?;
    }
    let mut view = View {
        terminal: terminal.raw()?,
        link,
        signals,
        ending,
        key: options.key,
        read_only: options.read_only,
        size: (columns, rows),
        output: VecDeque::new(),
        waiting: 0,
        input: Vec::new(),
        undo: Undo::default(),
        in_snapshot: false,
        asks: options.asks,
        title: format!("\x1b]2;{}\x1b\\", options.title).into_bytes(),
        asking: None,
        reports: Vec::new(),
    };
    let left = view.run();
    view.restore();
    left
}

/// What the terminal is to be given.
enum Piece {
    Bytes(Vec<u8>, usize),
    /// All modes back, for a snapshot.
    Reset,
}

struct View {
    terminal: Terminal,
    link: Link,
    signals: UnixStream,
    ending: std::sync::Arc<std::sync::atomic::AtomicBool>,
    key: Option<DetachKey>,
    read_only: bool,
    size: (u16, u16),
    output: VecDeque<Piece>,
    waiting: usize,
    input: Vec<u8>,
    /// What was written to the terminal has switched.
    undo: Undo,
    /// The snapshot that comes in pieces has begun.
    in_snapshot: bool,
    /// The terminal is to be asked what it knows.
    asks: bool,
    /// Before each snapshot: the terminal's title, if the program has set none.
    title: Vec<u8>,
    /// It was, and may answer until then.
    asking: Option<(Asking, Deadline)>,
    /// For the terminal, between two sequences.
    reports: Vec<u8>,
}

impl View {
    fn run(&mut self) -> io::Result<Left> {
        loop {
            let [terminal, link, signal] = self.wait()?;
            if signal.contains(PollFlags::IN) && self.signal()? {
                return Ok(Left::Detached);
            }
            let typed = terminal.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
            if (typed && self.keys()?) || (!typed && self.typed_after_all()) {
                self.say_goodbye();
                return Ok(Left::Detached);
            }
            if link.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
                && let Some(left) = self.frames()?
            {
                return Ok(left);
            }
            self.send()?;
            match self.draw() {
                Err(error) if error.raw_os_error() == Some(HUNG_UP) => {
                    self.say_goodbye();
                    return Ok(Left::Detached);
                }
                drawn => drawn?,
            }
        }
    }

    fn wait(&self) -> io::Result<[PollFlags; 3]> {
        let mut terminal = PollFlags::empty();
        terminal.set(PollFlags::IN, self.input.len() < INPUT);
        terminal.set(PollFlags::OUT, !self.output.is_empty());
        let mut link = PollFlags::empty();
        link.set(PollFlags::IN, self.waiting < OUTPUT);
        link.set(PollFlags::OUT, !self.input.is_empty());
        let mut fds = [
            PollFd::new(&self.terminal.file, terminal),
            PollFd::new(&self.link, link),
            PollFd::new(&self.signals, PollFlags::IN),
        ];
        let holds = self
            .asking
            .as_ref()
            .is_some_and(|(asking, _)| asking.holds());
        let rest = holds.then(|| clock::timespec(REST));
        match poll(&mut fds, rest.as_ref()) {
            Ok(_) => Ok(fds.map(|fd| fd.revents())),
            Err(rustix::io::Errno::INTR) => Ok([PollFlags::empty(); 3]),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this process is to end.
    fn signal(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        socket::read_ready(&self.signals, &mut bytes)?;
        if self.ending.load(std::sync::atomic::Ordering::Relaxed) {
            return Ok(true);
        }
        let size = self.terminal.size();
        if size != self.size {
            self.size = size;
            frame::write(frame::RESIZE, &frame::size(size.0, size.1), &mut self.input);
        }
        Ok(false)
    }

    /// Reads keys; whether they detach.
    fn keys(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::with_capacity(BLOCK);
        match rustix::io::read(&self.terminal.file, spare_capacity(&mut bytes)) {
            // The terminal is gone.
            Ok(0) | Err(rustix::io::Errno::IO) => return Ok(true),
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let keys = self.answers(bytes);
        Ok(self.typed(keys))
    }

    /// Takes answers of the terminal out of what it sent.
    fn answers(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some((asking, until)) = &mut self.asking else {
            return bytes;
        };
        let keys = asking.take(&bytes);
        if let Some(told) = asking.told() {
            let words = serde_json::to_vec(told).unwrap_or_default();
            frame::write(frame::TERMINAL, &words, &mut self.input);
            self.asking = None;
        } else if until.passed() {
            self.asking = None;
        }
        keys
    }

    /// What may have been an answer was typed: no more of it came. Whether it detaches.
    fn typed_after_all(&mut self) -> bool {
        let held = self.asking.as_mut().map(|(asking, _)| asking.let_go());
        self.typed(held.unwrap_or_default())
    }

    /// Sends keys; whether they detach.
    fn typed(&mut self, bytes: Vec<u8>) -> bool {
        let (keys, detach) = match self.key {
            Some(key) => {
                let typed = key.find(&bytes);
                (typed.keys, typed.detach)
            }
            None => (bytes, false),
        };
        if !keys.is_empty() && !self.read_only {
            frame::write(frame::INPUT, &keys, &mut self.input);
        }
        detach
    }

    /// Asks the terminal, before anything of the session is written to it.
    fn ask(&mut self) {
        if std::mem::take(&mut self.asks) {
            self.output.push_back(Piece::Bytes(QUESTION.to_vec(), 0));
            self.waiting += QUESTION.len();
            self.asking = Some((Asking::default(), Deadline::after(ANSWERS)));
        }
    }

    /// Takes what the holder sent.
    fn frames(&mut self) -> io::Result<Option<Left>> {
        match self.link.fill() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Some(Left::Lost));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(Some(Left::Lost));
            }
            Err(error) => return Err(error),
        }
        while let Some((kind, payload)) = self.link.take()? {
            match kind {
                frame::OUTPUT => {
                    let bytes = payload.to_vec();
                    self.ask();
                    self.output.push_back(Piece::Bytes(bytes, 0));
                }
                frame::SNAP | frame::SNAP_MORE => {
                    let mut bytes = Vec::new();
                    if !self.in_snapshot {
                        self.output.push_back(Piece::Reset);
                        bytes.extend_from_slice(&self.title);
                    }
                    bytes.extend_from_slice(payload);
                    self.ask();
                    self.in_snapshot = kind == frame::SNAP_MORE;
                    self.output.push_back(Piece::Bytes(bytes, 0));
                }
                frame::STATUS => {
                    let bytes = payload.to_vec();
                    self.report(&bytes);
                    continue;
                }
                frame::BYE => return Ok(Some(Left::Detached)),
                frame::EXIT => {
                    let ended = serde_json::from_slice(payload).unwrap_or_default();
                    self.draw_all(Deadline::after(LAST));
                    return Ok(Some(Left::Ended(ended)));
                }
                frame::REFUSED => {
                    let words = String::from_utf8_lossy(payload).into_owned();
                    return Ok(Some(Left::Refused(words)));
                }
                _ => continue,
            }
            self.waiting += payload_len(self.output.back());
        }
        Ok(None)
    }

    /// What the program says of itself, for the terminal: in its place among what waits.
    fn report(&mut self, bytes: &[u8]) {
        if self.waiting == 0 && self.undo.is_between() {
            self.waiting += bytes.len();
            self.output.push_back(Piece::Bytes(bytes.to_vec(), 0));
        } else if self.reports.len() + bytes.len() <= REPORTS {
            self.reports.extend_from_slice(bytes);
        }
    }

    /// Sends keys, as far as the holder takes them.
    fn send(&mut self) -> io::Result<()> {
        if self.input.is_empty() {
            return Ok(());
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(self.link.stream(), &self.input, flags) {
            Ok(n) => drop(self.input.drain(..n)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            // That it is gone is told by reading.
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => self.input.clear(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Writes to the terminal what it takes now.
    fn draw(&mut self) -> io::Result<()> {
        while let Some(piece) = self.output.front_mut() {
            let (bytes, from) = match piece {
                Piece::Bytes(bytes, from) => (bytes, from),
                Piece::Reset => {
                    let undo = self.undo.undo();
                    self.waiting += undo.len();
                    *piece = Piece::Bytes(undo, 0);
                    continue;
                }
            };
            if *from == bytes.len() {
                self.output.pop_front();
                if !self.reports.is_empty() && self.undo.is_between() {
                    let reports = std::mem::take(&mut self.reports);
                    self.waiting += reports.len();
                    self.output.push_front(Piece::Bytes(reports, 0));
                }
                continue;
            }
            match rustix::io::write(&self.terminal.file, &bytes[*from..]) {
                Ok(n) => {
                    self.undo.feed(&bytes[*from..*from + n]);
                    *from += n;
                    self.waiting = self.waiting.saturating_sub(n);
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes all that waits, if the terminal takes it in time.
    fn draw_all(&mut self, deadline: Deadline) {
        while !self.output.is_empty() && !deadline.passed() {
            let mut fds = [PollFd::new(&self.terminal.file, PollFlags::OUT)];
            let waited = poll(&mut fds, Some(&deadline.timespec()));
            if waited.is_err_and(|error| error != rustix::io::Errno::INTR) || self.draw().is_err() {
                return;
            }
        }
    }

    /// Tells the holder, if it listens just now; that the connection ends says the same.
    fn say_goodbye(&mut self) {
        frame::write(frame::DETACH, b"", &mut self.input);
        if let Err(error) = self.send() {
            log::debug!("could not say that this client leaves: {error}");
        }
    }

    /// Reads what the terminal may answer yet, as far as it does at once.
    fn await_answers(&mut self) {
        let late = Deadline::after(LATE);
        while let Some((asking, until)) = &mut self.asking {
            let left = late.left();
            if left.is_zero() || until.left() < ANSWERS.saturating_sub(LATE) {
                return;
            }
            let mut fds = [PollFd::new(&self.terminal.file, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&clock::timespec(left)));
            let mut bytes = Vec::with_capacity(BLOCK);
            let read = rustix::io::read(&self.terminal.file, spare_capacity(&mut bytes));
            if ready.is_err() || !matches!(read, Ok(1..)) {
                return;
            }
            asking.take(&bytes);
            if asking.told().is_some() {
                return;
            }
        }
    }

    /// Sets the terminal back: what waits is dropped, what is on is undone, and the next line is
    /// the shell's.
    fn restore(&mut self) {
        self.await_answers();
        self.output.clear();
        let mut last = self.undo.undo();
        if !last.is_empty() {
            last.extend_from_slice(format!("\x1b[{}H\r\n", self.size.1.max(1)).as_bytes());
        }
        self.output.push_back(Piece::Bytes(last, 0));
        self.draw_all(Deadline::after(LAST));
    }
}

fn payload_len(piece: Option<&Piece>) -> usize {
    match piece {
        Some(Piece::Bytes(bytes, _)) => bytes.len(),
        _ => 0,
    }
}

/// The terminal, opened anew: that it does not block is then no affair of the shell's.
struct Terminal {
    file: OwnedFd,
    name: PathBuf,
    /// How it was.
    before: Option<Termios>,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let none = |_| io::Error::other("this is no terminal");
        let name = rustix::termios::ttyname(&stdin, Vec::new()).map_err(none)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(name.as_c_str(), flags, Mode::empty());
        // Somebody else's, after `su`: it is still the one that is open.
        let file = file.or_else(|_| rustix::fs::open("/dev/tty", flags, Mode::empty()))?;
        let name = PathBuf::from(name.to_string_lossy().into_owned());
        Ok(Self {
            file,
            name,
            before: None,
        })
    }

    /// Keys come as they are typed from now on, until this is dropped.
    fn raw(mut self) -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(&self.file)?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&self.file, OptionalActions::Now, &raw)?;
        self.before = Some(before);
        Ok(self)
    }

    fn size(&self) -> (u16, u16) {
        rustix::termios::tcgetwinsize(self.file.as_fd())
            .map_or((0, 0), |size| (size.ws_col, size.ws_row))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = rustix::termios::tcsetattr(&self.file, OptionalActions::Now, before)
        {
            log::debug!("could not set the terminal back: {error}");
        }
    }
}
