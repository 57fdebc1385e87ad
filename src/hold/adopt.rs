//! A session whose holder has ended without a word: another one goes on with it, by what the
//! daemon was given to keep. The state is its standard input, the terminal its standard output.
//!
//! The process that the daemon starts tries the state and leaves the work to a child of its own,
//! which so has no parent that would have to wait for its end.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use vmux::core::model::Pid;
use vmux::hosted::place::Place;
use vmux::sys::clock::Deadline;
use vmux::sys::{paths, socket};

use crate::holder::{Holder, Signals};
use crate::parser::Parser;
use crate::pty::Pty;
use crate::scope;
use crate::stand;
use crate::state::{Shelf, State};
use crate::term::Size;
use crate::upgrade::{child, work};

/// What the daemon calls this with.
pub(crate) const ADOPT: &str = "--adopt";
/// What the one that goes on is called with.
pub(crate) const ADOPTED: &str = "--adopted";
/// Longest wait for an answer at the place of the session.
const KNOCK: Duration = Duration::from_millis(500);
/// Longest wait until it does.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tries the state, and starts the one that goes on with it.
pub(crate) fn adopt() -> anyhow::Result<()> {
    let state = read()?;
    let [dir, logs] = state.head.dirs.clone();
    stand::make_dirs(&Place::at(dir.clone(), logs))?;
    // One after the other: two daemons may keep one session, and both have seen its holder go.
    let mut turn = fs::File::options();
    let turn = turn
        .create(true)
        .append(true)
        .mode(0o600)
        .open(dir.join("adopting"))?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive)?;
    drop(work(&state));
    let mut adopted = Command::new(std::env::current_exe()?);
    let mut child = adopted.arg(ADOPTED).stderr(Stdio::piped()).spawn()?;
    let mut pipe = child.stderr.take().context("could not open a pipe")?;
    let deadline = Deadline::after(PATIENCE);
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    if poll(&mut fds, Some(&deadline.timespec()))? == 0 {
        child.kill()?;
        bail!("it does not begin");
    }
    let mut said = [0; 3];
    pipe.read_exact(&mut said).context("it has ended")?;
    Ok(())
}

fn read() -> anyhow::Result<State> {
    let stdin = rustix::stdio::stdin().try_clone_to_owned()?;
    Ok(Shelf::found(stdin)?.read()?)
}

/// Goes on with the session.
pub(crate) fn adopted(signals: Signals) -> anyhow::Result<Holder> {
    rustix::process::setsid().context("could not leave the session")?;
    let state = read()?;
    let head = &state.head;
    let mut info = head.info.clone();
    let master = rustix::stdio::stdout().try_clone_to_owned()?;
    let pty = Pty::of(master, info.tty.clone().unwrap_or_default())?;
    let [dir, logs] = head.dirs.clone();
    let place = Place::at(dir, logs);
    let size = Size::clamped(info.columns, info.rows);
    let (work, disk) = work(&state);
    // As on the screen: what is beside it was written down before.
    info.title = work.title.clone();
    let parser = Parser::start(work)?;
    let child = child(head, false)?;
    let path = place.socket(&info.id);
    if socket::connect(&path, KNOCK).is_ok() {
        bail!("somebody holds it");
    }
    fs::remove_file(&path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    stand::make_dirs(&place)?;
    let listener = stand::listen(&path)?;
    info.holder = std::process::id();
    info.version = env!("CARGO_PKG_VERSION").to_owned();
    info.clients.clear();
    // What the program said of itself may be another thing by now.
    info.told = None;
    // The size as the state has it: the terminal may have another one by now.
    pty.resize(size)?;
    repaint(&pty);
    let parts = (pty, child, size);
    let mut holder = Holder::new((info, place), parts, (parser, disk), listener, signals);
    holder.child.collect();
    holder.write_file();
    io::stderr().write_all(b"on\n")?;
    let null = fs::File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(null)?;
    join(&holder);
    Ok(holder)
}

/// Enters the session's scope; not on the thread that clients wait for.
fn join(holder: &Holder) {
    let (id, pid) = (holder.info.id.clone(), Pid(holder.info.pid));
    let join = move || scope::join(&paths::environment(), &id, pid);
    if let Err(error) = std::thread::Builder::new().name("scope".into()).spawn(join) {
        log::debug!("could not start a thread: {error}");
    }
}

/// Has the program draw its screen anew: what it wrote last may have been lost.
fn repaint(pty: &Pty) {
    let group = rustix::termios::tcgetpgrp(pty);
    let told = group.and_then(|group| rustix::process::kill_process_group(group, Signal::WINCH));
    if let Err(error) = told {
        log::debug!("could not ask for a repaint: {error}");
    }
}
