//! Keeps the terminals of hosted sessions, so that a holder's crash does not end its session: the
//! program in a terminal that somebody has open is not hung up, and another holder goes on. If none
//! can for now, the terminal is kept all the same, and it is tried again, ever more rarely, for as
//! long as a program has it open.
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
/// So many times in a row another holder goes on at once; then there is a pause, each time twice as
/// long,
const AT_ONCE: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// up to this. A session that was well for twice as long begins a new row.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often the directory is looked at while nobody tells what changes in it.
const UNTOLD: Duration = Duration::from_secs(5);
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

/// A session without a holder.
struct Orphan {
    id: String,
    terminal: OwnedFd,
    state: OwnedFd,
    /// When another holder is to go on.
    due: Instant,
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
    /// The watcher tells what changes in the directory.
    watches: bool,
    kept: Vec<Kept>,
    orphans: Vec<Orphan>,
    /// Sessions whose holders have crashed: how often in a row, and when last.
    crashes: HashMap<String, (u32, Instant)>,
    program: PathBuf,
}

impl Escrow {
    fn new(paths: &Paths) -> io::Result<Self> {
        let place = Place::of(paths);
        if let Err(error) = place.create(paths) {
            log::debug!("could not make the place of hosted sessions: {error}");
        }
        Ok(Self {
            place,
            watcher: Watcher::new(inotify::instance),
            watches: false,
            kept: Vec::new(),
            orphans: Vec::new(),
            crashes: HashMap::new(),
            program: exec::beside("vmux-host")?,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            if !self.watches {
                self.watch();
            }
            self.adopt_orphans();
            self.wait()?;
        }
    }

    /// Watches the directory, and then looks at what is in it. Its end, and another in its place, is
    /// told by the one above: a socket in it that somebody has open keeps it in the kernel's memory.
    /// It is not made anew: whoever removes the one above would find that not empty.
    fn watch(&mut self) {
        let [dir, _] = self.place.dirs().map(Path::to_owned);
        self.watcher.renew();
        self.watches = false;
        for dir in dir.parent().into_iter().chain([&*dir]) {
            self.watcher.remove(dir);
            match self.watcher.add(dir) {
                Ok(watches) => self.watches |= watches,
                Err(error) => log::debug!("could not watch {}: {error}", dir.display()),
            }
        }
        self.look();
    }

    fn look(&mut self) {
        for id in self.place.ids() {
            self.ask(&id);
        }
    }

    /// Waits for what is next, and does it.
    fn wait(&mut self) -> io::Result<()> {
        let watched = self.watcher.descriptor().filter(|_| self.watches);
        let streams = self.kept.iter().map(|kept| kept.stream.as_fd());
        let mut fds: Vec<_> = watched
            .into_iter()
            .chain(streams)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        // That no program has it open any more is told without being asked for.
        let terminals = self.orphans.iter().map(|orphan| orphan.terminal.as_fd());
        fds.extend(terminals.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())));
        let now = clock::steady();
        let untold = (!self.watches).then(|| now + UNTOLD);
        let due = self.orphans.iter().map(|orphan| orphan.due).chain(untold);
        let timeout = due
            .min()
            .map(|due| clock::timespec(due.saturating_duration_since(now)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let changed = watched.is_some() && ready.next() == Some(true);
        let heard: Vec<bool> = ready.by_ref().take(self.kept.len()).collect();
        let left: Vec<bool> = ready.collect();
        drop(fds);
        let mut left = left.into_iter();
        self.orphans.retain(|_| left.next() != Some(true));
        // From the end, so that the numbers of the others stay.
        for at in (0..heard.len()).rev().filter(|at| heard[*at]) {
            self.hear(at);
        }
        if changed {
            self.changed();
        }
        Ok(())
    }

    fn changed(&mut self) {
        let [own, _] = self.place.dirs().map(Path::to_owned);
        for change in self.watcher.read() {
            match change {
                Change::Entry { dir, name } if dir != own => {
                    self.watches &= own.file_name() != Some(name.as_ref());
                }
                Change::Entry { name, .. } => {
                    // The file is written once its holder listens.
                    if let Some(id) = name.strip_suffix(".json") {
                        self.ask(id);
                    }
                }
                Change::Overflow => self.look(),
                Change::Lost { .. } => self.watches = false,
            }
        }
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

    /// The same, where it was here before: that counts until the holder has given what it has, for
    /// it may crash at once.
    fn ask_again(&mut self, id: &str, fds: Vec<OwnedFd>) {
        self.ask(id);
        if let Some(next) = self.kept.iter_mut().find(|next| next.id == id) {
            next.fds = fds;
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

    /// Another holder is to go on, if this one is gone and has not said how the session ended. That
    /// its file is gone says nothing.
    fn hung_up(&mut self, kept: Kept) {
        let Kept { id, fds, pid, .. } = kept;
        let ended = self.place.read(&id).and_then(|info| info.ended);
        if fds.len() < 2 || ended.is_some() {
            return;
        }
        if !exec::wait_for_exit(pid, DYING) {
            log::warn!("the holder of {id} has hung up, and lives");
            return self.ask_again(&id, fds);
        }
        log::warn!("the holder of {id} has crashed; another is to go on");
        let mut fds = fds.into_iter();
        if let (Some(terminal), Some(state)) = (fds.next(), fds.next()) {
            let due = self.next_try(&id);
            self.orphans.push(Orphan {
                id,
                terminal,
                state,
                due,
            });
        }
    }

    /// When another holder is to be tried, now that there is none.
    fn next_try(&mut self, id: &str) -> Instant {
        let now = clock::steady();
        let lasts = |at: &Instant| now < *at + 2 * LONGEST_PAUSE;
        self.crashes.retain(|_, (_, at)| lasts(at));
        let (count, at) = self.crashes.entry(id.to_owned()).or_insert((0, now));
        (*count, *at) = (*count + 1, now);
        now + pause(*count)
    }

    fn adopt_orphans(&mut self) {
        let now = clock::steady();
        let due = |orphan: &mut Orphan| orphan.due <= now;
        let orphans: Vec<Orphan> = self.orphans.extract_if(.., due).collect();
        for mut orphan in orphans {
            // Another daemon may have seen to it.
            if socket::connect(&self.place.socket(&orphan.id), KNOCK).is_ok() {
                self.ask_again(&orphan.id, vec![orphan.terminal, orphan.state]);
                continue;
            }
            match self.adopt(&orphan) {
                Ok(()) => self.ask_again(&orphan.id, vec![orphan.terminal, orphan.state]),
                Err(error) => {
                    log::warn!("could not go on with {}: {error}", orphan.id);
                    orphan.due = self.next_try(&orphan.id);
                    self.orphans.push(orphan);
                }
            }
        }
    }

    fn adopt(&self, orphan: &Orphan) -> io::Result<()> {
        let mut adopter = Command::new(&self.program);
        adopter
            .arg("--adopt")
            .stdin(orphan.state.try_clone()?)
            .stdout(orphan.terminal.try_clone()?)
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

/// How long to wait before another holder is tried for the `count`th time in a row.
fn pause(count: u32) -> Duration {
    let Some(more) = count.checked_sub(AT_ONCE + 1) else {
        return Duration::ZERO;
    };
    PAUSE.saturating_mul(1 << more.min(16)).min(LONGEST_PAUSE)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_holder_is_tried_at_once_and_then_ever_more_rarely() {
        let pauses: Vec<u64> = (1..=12).map(|count| pause(count).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
