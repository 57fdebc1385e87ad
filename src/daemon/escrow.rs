//! Keeps the terminals of hosted sessions, so that a holder's crash does not end its session: the
//! program in a terminal that somebody has open is not hung up, and another holder goes on.
//!
//! One thread for all of them, which waits for events only. It is disposable: a daemon that starts
//! asks all holders anew.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::supervise::caught;
use crate::hosted::Hello;
use crate::hosted::frame::{self, Reader};
use crate::hosted::link::Link;
use crate::hosted::place::{self, Place};
use crate::sys::inotify::{self, Change, Watcher};
use crate::sys::paths::Paths;
use crate::sys::{clock, exec, socket};

/// Longest wait for a holder to take a connection.
const KNOCK: Duration = Duration::from_millis(500);
/// Longest time from the end of a connection to that of its process.
const DYING: Duration = Duration::from_secs(2);
/// Longest wait for the holder that goes on.
const ADOPTION: Duration = Duration::from_secs(6);
/// A session whose holders crash so often in a row is given up,
const CRASHES: u32 = 3;
/// where one that lived longer than this begins a new row.
const ROW: Duration = Duration::from_secs(60);
/// Memory for the thread: its work needs little.
const STACK: usize = 256 * 1024;

/// Starts the thread.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn start(paths: &Paths) -> io::Result<()> {
    let paths = paths.clone();
    let run = move || {
        // Once more after a panic: what it kept is asked for anew.
        for _ in 0..2 {
            let ended = caught("escrow", || Escrow::new(&paths)?.run());
            if let Some(Err(error)) = ended {
                log::warn!("could not keep the terminals of hosted sessions: {error}");
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("escrow".into());
    thread.stack_size(STACK).spawn(run).map(drop)
}

/// A session that is kept.
struct Kept {
    id: String,
    stream: UnixStream,
    reader: Reader,
    /// Its terminal and its state, once they are here.
    fds: Vec<OwnedFd>,
    /// Its holder.
    pid: u32,
}

/// What became of a connection.
enum Heard {
    /// It goes on.
    More,
    /// The session has ended, or its holder cannot give it away.
    Done,
    /// The holder has hung up without a word.
    HungUp,
}

struct Escrow {
    place: Place,
    watcher: Watcher,
    kept: Vec<Kept>,
    /// Sessions whose holders have crashed: how often in a row, and when last.
    crashes: HashMap<String, (u32, Instant)>,
    program: PathBuf,
}

impl Escrow {
    fn new(paths: &Paths) -> io::Result<Self> {
        let place = Place::of(paths);
        place.create(paths)?;
        let mut escrow = Self {
            place,
            watcher: Watcher::new(inotify::instance),
            kept: Vec::new(),
            crashes: HashMap::new(),
            program: exec::beside("vmux-host")?,
        };
        escrow.watch()?;
        Ok(escrow)
    }

    /// Watches the directory, and then looks at what is in it.
    fn watch(&mut self) -> io::Result<()> {
        let [dir, _] = self.place.dirs().map(Path::to_owned);
        if !self.watcher.add(&dir)? {
            let lack = self.watcher.lack().map(inotify::Lack::words);
            let words = lack.unwrap_or_else(|| format!("{} is gone", dir.display()));
            return Err(io::Error::other(words));
        }
        self.look();
        Ok(())
    }

    fn look(&mut self) {
        for id in self.place.ids() {
            self.ask(&id);
        }
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            let Some(watched) = self.watcher.descriptor() else {
                return Err(io::Error::other("no directory is watched"));
            };
            let mut fds = vec![PollFd::from_borrowed_fd(watched, PollFlags::IN)];
            let streams = self.kept.iter().map(|kept| kept.stream.as_fd());
            fds.extend(streams.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            // From the end, so that the numbers of the others stay.
            for at in (0..self.kept.len()).rev() {
                if ready.get(at + 1) == Some(&true) {
                    self.hear(at);
                }
            }
            if ready.first() == Some(&true) {
                self.changed()?;
            }
        }
    }

    fn changed(&mut self) -> io::Result<()> {
        for change in self.watcher.read() {
            match change {
                Change::Entry { name, .. } => {
                    // The file is written once its holder listens.
                    if let Some(id) = name.strip_suffix(".json") {
                        self.ask(id);
                    }
                }
                Change::Overflow => self.look(),
                Change::Lost { .. } => return Err(io::Error::other("its directory is gone")),
            }
        }
        Ok(())
    }

    /// Asks a holder for what it has, if that is not here.
    fn ask(&mut self, id: &str) {
        if !place::is_id(id) || self.kept.iter().any(|kept| kept.id == id) {
            return;
        }
        if self.place.read(id).is_none_or(|info| info.ended.is_some()) {
            return;
        }
        let asked = Link::connect(&self.place.socket(id), &Hello::default(), KNOCK);
        let asked = asked.and_then(|mut link| {
            link.send(frame::ESCROW, b"")?;
            // An older one answers only this.
            link.send(frame::PING, b"")?;
            Ok(link.into_stream())
        });
        match asked {
            Ok(stream) => self.kept.push(Kept {
                id: id.to_owned(),
                pid: socket::peer_pid(&stream).unwrap_or_default(),
                stream,
                reader: Reader::default(),
                fds: Vec::new(),
            }),
            Err(error) => log::debug!("could not ask the holder of {id}: {error}"),
        }
    }

    fn hear(&mut self, at: usize) {
        match self.kept[at].hear() {
            Heard::More => {}
            Heard::Done => drop(self.kept.swap_remove(at)),
            Heard::HungUp => {
                let kept = self.kept.swap_remove(at);
                self.hung_up(kept);
            }
        }
    }

    /// Has another holder go on, if this one is gone and has not said how the session ended.
    fn hung_up(&mut self, kept: Kept) {
        let id = kept.id.clone();
        let info = self.place.read(&id);
        if kept.fds.len() < 2 || info.is_none_or(|info| info.ended.is_some()) {
            return;
        }
        if !exec::wait_for_exit(kept.pid, DYING) {
            log::warn!("the holder of {id} has hung up, and lives");
            return self.ask(&id);
        }
        let now = clock::steady();
        let last = self.crashes.get(&id);
        let row = last.filter(|(_, at)| now < *at + ROW);
        let count = row.map_or(0, |(count, _)| *count) + 1;
        self.crashes.retain(|_, (_, at)| now < *at + ROW);
        self.crashes.insert(id.clone(), (count, now));
        if count > CRASHES {
            log::warn!("the holder of {id} has crashed again and again; it is given up");
            return;
        }
        log::warn!("the holder of {id} has crashed; another goes on");
        if let Err(error) = self.adopt(&kept) {
            log::warn!("could not go on with {id}: {error}");
            return;
        }
        self.ask(&id);
        // Until it has given what it has, should it crash at once.
        if let Some(next) = self.kept.iter_mut().find(|next| next.id == id) {
            next.fds = kept.fds;
        }
    }

    fn adopt(&self, kept: &Kept) -> io::Result<()> {
        let [terminal, state] = &kept.fds[..] else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut adopter = Command::new(&self.program);
        adopter
            .arg("--adopt")
            .stdin(state.try_clone()?)
            .stdout(terminal.try_clone()?)
            .stderr(Stdio::null());
        let mut child = adopter.spawn()?;
        if !exec::wait_for_exit(child.id(), ADOPTION) {
            child.kill()?;
        }
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("vmux-host: {status}")))
    }
}

impl Kept {
    fn hear(&mut self) -> Heard {
        match socket::receive_with(&self.stream, self.reader.buffer(), &mut self.fds) {
            Ok(_) => {}
            Err(_) => return Heard::HungUp,
        }
        // The last ones count: those before came from a holder that has crashed.
        let before = self.fds.len().saturating_sub(2);
        self.fds.drain(..before);
        loop {
            match self.reader.take() {
                Ok(None) => return Heard::More,
                Ok(Some((frame::EXIT, _))) | Err(_) => return Heard::Done,
                Ok(Some((frame::PONG, _))) if self.fds.is_empty() => {
                    log::info!("the holder of {} is too old to be kept", self.id);
                    return Heard::Done;
                }
                Ok(Some(_)) => {}
            }
        }
    }
}
