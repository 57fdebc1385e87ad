//! Another image in the place of this one: the same process, the same children, the same
//! connections, another program.
//!
//! The state goes into memory that outlives the image. A trial run of the new program reads it
//! before anything is given up; if that or `execve` fails, this image goes on.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::io::FdFlags;
use rustix::process::Pid;
use vmux::hosted::place::Place;
use vmux::hosted::{Image, PROTOCOL, frame};
use vmux::sys::exec;

use crate::client::{Client, View};
use crate::disk::Disk;
use crate::holder::{Holder, LAST, Signals};
use crate::parser::{Job, Parser, Work};
use crate::pty::{Child, Pty, started};
use crate::raw;
use crate::state::{Head, Shelf, State};
use crate::term::Size;

/// What the next image is called with, before the number of the descriptor with the state.
pub(crate) const TAKE_OVER: &str = "--take-over";
/// The same for a trial.
pub(crate) const TRY: &str = "--try-take-over";
/// Longest trial.
const TRIAL: Duration = Duration::from_secs(3);

impl Holder {
    /// Goes on as another program, if it can.
    pub(crate) fn upgrade(&mut self, client: u64, payload: &[u8]) {
        let image: Image = serde_json::from_slice(payload).unwrap_or_default();
        // Only what fails comes back.
        let Err(error) = self.try_upgrade(client, &image.path);
        log::warn!("could not go on as {}: {error:#}", image.path.display());
        if let Some(client) = self.client(client) {
            client.send(frame::REFUSED, format!("{error:#}").as_bytes());
        }
    }

    fn try_upgrade(
        &mut self,
        client: u64,
        path: &Path,
    ) -> anyhow::Result<std::convert::Infallible> {
        if self.ending.is_some() || self.child.ended.is_some() {
            bail!("the session is ending");
        }
        let program = path.display();
        check(path).with_context(|| format!("could not take {program}"))?;
        let mut work = self.parser.stop()?;
        self.take_done();
        // Nothing of what waits would be written; and a thread that hangs may let no image begin.
        let written = self.disk.settle(LAST);
        let handed = match written {
            true => self.hand_over(client, path, &mut work),
            false => Err(anyhow::anyhow!("its log cannot be written now")),
        };
        let error = match handed {
            Err(error) => error,
            Ok(never) => match never {},
        };
        self.parser.go_on(work);
        self.ask_again();
        Err(error)
    }

    fn hand_over(
        &mut self,
        client: u64,
        path: &Path,
        work: &mut Work,
    ) -> anyhow::Result<std::convert::Infallible> {
        let mut state = State::default();
        state.put_screen(&work.screen.keep());
        state.head = Head {
            clients: self.clients.iter().map(|c| c.carry(&mut state)).collect(),
            asked: Some(client),
            shelf: self.shelf.as_ref().map(AsRawFd::as_raw_fd),
            ..self.head(&mut state)
        };
        let mut shelf = Shelf::new()?;
        shelf.write(&state).context("could not write the state")?;
        inherit(shelf.as_fd(), true)?;
        let number = shelf.as_fd().as_raw_fd().to_string();
        let mut trial = Command::new(path);
        let done = exec::run(trial.args([TRY, &number]), TRIAL)
            .with_context(|| format!("could not try {}", path.display()))?;
        if !done.status.success() {
            bail!("{} cannot go on with this session", path.display());
        }
        let carried = || {
            let clients = self.clients.iter().map(Client::as_fd);
            let shelf = self.shelf.as_ref().map(OwnedFd::as_fd);
            let own = [self.pty.as_fd(), self.listener.as_fd()];
            clients.chain(own).chain(shelf)
        };
        for fd in carried() {
            inherit(fd, true)?;
        }
        // It only returns if it fails.
        let error = Command::new(path).args([TAKE_OVER, &number]).exec();
        // It has set this signal to end the process: a handler, whatever it does, prevents that.
        let flag = Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGPIPE, flag)?;
        for fd in carried() {
            inherit(fd, false)?;
        }
        Err(error).with_context(|| format!("could not run {}", path.display()))
    }

    /// What is written down of the session; without its clients, and with the screen that is in
    /// the state already.
    pub(crate) fn head(&self, state: &mut State) -> Head {
        Head {
            info: self.info(),
            dirs: self.place.dirs().map(Path::to_owned),
            ticks: started(self.child.pid).unwrap_or_default(),
            own: self.child.is_own(),
            closed: self.closed,
            input: state.put(&self.input),
            count: self.count,
            leader: self.leader,
            terminal: self.pty.as_fd().as_raw_fd(),
            listener: self.listener.as_fd().as_raw_fd(),
            sieve: self.telling.sieve.clone(),
            screen: state.head.screen,
            more: std::mem::take(&mut state.head.more),
            ..Head::default()
        }
    }

    /// Asks the parser again for what it was asked when it did not run.
    fn ask_again(&mut self) {
        let waits = |client: &&mut Client| matches!(client.view, View::Soon { .. });
        for client in self.clients.iter_mut().filter(waits) {
            let seen = client.await_snapshot();
            let client = client.id;
            self.parser.give(Job::Snapshot { client, seen });
        }
    }
}

/// Whether it is a program that this user may trust as much as the one that runs.
fn check(path: &Path) -> anyhow::Result<()> {
    if !path.is_absolute() {
        bail!("it is not a whole path");
    }
    let data = path.metadata()?;
    if !data.is_file() || data.permissions().mode() & 0o111 == 0 {
        bail!("it is no program");
    }
    let own = rustix::process::getuid().as_raw();
    if data.uid() != own && data.uid() != 0 {
        bail!("it belongs to another user");
    }
    if data.permissions().mode() & 0o002 != 0 {
        bail!("everybody can write to it");
    }
    Ok(())
}

/// Leaves a descriptor to the next image, or not.
fn inherit(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut flags = rustix::io::fcntl_getfd(fd)?;
    flags.set(FdFlags::CLOEXEC, !on);
    Ok(rustix::io::fcntl_setfd(fd, flags)?)
}

/// Reads the state at a descriptor that the image before left open.
fn read(number: &str) -> anyhow::Result<State> {
    let fd = raw::take(number.parse()?)?;
    Ok(Shelf::found(fd)?.read()?)
}

/// The screen of a state, and where what comes is kept.
pub(crate) fn work(state: &State) -> (Work, Arc<Disk>) {
    let Head { info, dirs, .. } = &state.head;
    let [dir, logs] = dirs.clone();
    let disk = Arc::new(Disk::new(Place::at(dir, logs), info.log.clone()));
    let size = Size::clamped(info.columns, info.rows);
    let work = Work::restored(size, Some(disk.clone()), &state.screen());
    (work, disk)
}

/// Whether this image can go on with a state: all is done that can be, but for what only one
/// process can do.
pub(crate) fn try_take_over(number: &str) -> anyhow::Result<()> {
    let state = read(number)?;
    if state.head.info.id.is_empty() || state.head.screen == <_>::default() {
        bail!("there is no session in it");
    }
    drop(work(&state));
    Ok(())
}

/// The command of a session; `own` if it is this process's child.
pub(crate) fn child(head: &Head, own: bool) -> anyhow::Result<Child> {
    let info = &head.info;
    let pid = i32::try_from(info.pid).ok().and_then(Pid::from_raw);
    let pid = pid.context("the session has no process")?;
    if own {
        return Ok(Child::own(pid));
    }
    // Its number may be another's by now.
    let watch = exec::end_of(info.pid).filter(|_| started(pid) == Some(head.ticks));
    Ok(Child::foreign(pid, watch, &info.id))
}

/// Goes on with the session of the image before.
pub(crate) fn take_over(number: &str, signals: Signals) -> anyhow::Result<Holder> {
    let state = read(number)?;
    let head = &state.head;
    let (work, disk) = work(&state);
    let parser = Parser::start(work)?;
    let mut info = head.info.clone();
    info.version = env!("CARGO_PKG_VERSION").to_owned();
    info.protocol = PROTOCOL;
    info.clients.clear();
    let told = info.told.take().unwrap_or_default();
    let child = child(head, head.own)?;
    let size = Size::clamped(info.columns, info.rows);
    let tty = info.tty.clone().unwrap_or_default();
    let pty = Pty::of(raw::take(head.terminal)?, tty)?;
    let listener = UnixListener::from(raw::take(head.listener)?);
    let [dir, logs] = head.dirs.clone();
    let mut holder = Holder::new(
        (info, Place::at(dir, logs)),
        (pty, child, size),
        (parser, disk),
        listener,
        signals,
    );
    holder.input = state.bytes(head.input).to_vec();
    holder.closed = head.closed;
    holder.telling.told = told;
    holder.telling.sieve = head.sieve.clone();
    holder.count = head.count;
    holder.leader = head.leader;
    for carried in &head.clients {
        let stream = UnixStream::from(raw::take(carried.stream)?);
        let client = Client::carried(carried, stream, &state, size);
        holder.clients.push(client);
    }
    if let Some(number) = head.shelf {
        let shelf = raw::take(number)?;
        holder.shelf = Some(shelf.try_clone()?);
        let shelf = Shelf::found(shelf)?;
        holder.save_on(shelf);
    }
    holder.write_file();
    let words = serde_json::to_vec(&holder.info())?;
    if let Some(client) = head.asked.and_then(|id| holder.client(id)) {
        client.send(frame::UPGRADED, &words);
    }
    // What they sent with that.
    for client in &head.clients {
        holder.read_client(client.id);
    }
    // Whoever ended between the two images has sent its signal to neither.
    holder.child.collect();
    Ok(holder)
}
