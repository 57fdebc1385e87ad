//! The terminal of a session, and the processes behind it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use vmux::core::model::Pid as Number;
use vmux::hosted::Ended;
use vmux::sys::clock;
use vmux::sys::exec;
use vmux::sys::proc::Proc;

use crate::raw;
use crate::term::Size;
use crate::tree;

/// Most bytes that are read at once: a few screens, so that nobody waits long.
const BLOCK: usize = 64 * 1024;

/// A terminal of which this process is the other end.
pub(crate) struct Pty {
    master: OwnedFd,
    /// Its name on the program's side.
    pub(crate) tty: PathBuf,
}

impl Pty {
    /// Opens one, with the program's side.
    pub(crate) fn open(size: Size) -> io::Result<(Self, File)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let tty = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());
        let pty = Self { master, tty };
        pty.resize(size)?;
        Ok((pty, File::from(slave)))
    }

    /// Goes on with one that is open.
    pub(crate) fn of(master: OwnedFd, tty: PathBuf) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { master, tty })
    }

    /// Tells the program the size of its window.
    pub(crate) fn resize(&self, size: Size) -> io::Result<()> {
        let size = Winsize {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.master, size)?)
    }

    /// The process group that has the terminal.
    pub(crate) fn foreground(&self) -> Option<u32> {
        let group = rustix::termios::tcgetpgrp(&self.master).ok()?;
        group.as_raw_nonzero().get().try_into().ok()
    }

    /// Reads until nothing is there or it is enough; `false` once nobody can write any more.
    pub(crate) fn read(&self, block: &mut Vec<u8>) -> io::Result<bool> {
        block.clear();
        block.reserve(BLOCK);
        // One read gives 4 KiB at most.
        while block.len() + 4096 <= BLOCK {
            match rustix::io::read(&self.master, spare_capacity(block)) {
                Ok(0) | Err(rustix::io::Errno::IO) if block.is_empty() => return Ok(false),
                Ok(0) | Err(rustix::io::Errno::IO | rustix::io::Errno::AGAIN) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Writes what the program takes now; how much that was.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.master, bytes) {
            Ok(n) => Ok(n),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

/// What runs in the session.
pub(crate) struct Child {
    pub(crate) pid: Pid,
    /// How it ended.
    pub(crate) ended: Option<Ended>,
    foreign: Option<Foreign>,
}

/// A child of a holder that is gone: nobody tells this one how it ended.
struct Foreign {
    /// Readable at its end; `None` if it had ended before.
    watch: Option<OwnedFd>,
    /// The id of its session.
    id: String,
}

impl Child {
    /// Starts the command in the terminal.
    pub(crate) fn start(mut command: Command, terminal: File) -> io::Result<Self> {
        command
            .stdin(terminal.try_clone()?)
            .stdout(terminal.try_clone()?)
            .stderr(terminal);
        raw::own_terminal(&mut command);
        let child = command.spawn()?;
        Ok(Self::own(Pid::from_child(&child)))
    }

    /// A child of this process.
    pub(crate) fn own(pid: Pid) -> Self {
        Self {
            pid,
            ended: None,
            foreign: None,
        }
    }

    /// The command of session `id` that another process started, and what tells its end.
    pub(crate) fn foreign(pid: Pid, watch: Option<OwnedFd>, id: &str) -> Self {
        Self {
            pid,
            ended: None,
            foreign: Some(Foreign {
                watch,
                id: id.to_owned(),
            }),
        }
    }

    /// Whether this process learns how it ended.
    pub(crate) fn is_own(&self) -> bool {
        self.foreign.is_none()
    }

    /// What tells the end of one that is not this process's own.
    pub(crate) fn watch(&self) -> Option<BorrowedFd<'_>> {
        let foreign = self.foreign.as_ref()?;
        let watch = foreign.watch.as_ref().filter(|_| self.ended.is_none())?;
        Some(watch.as_fd())
    }

    /// Collects those that have ended; whether anything of the session is left.
    pub(crate) fn collect(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid && self.foreign.is_none() => {
                    self.ended = Some(Ended {
                        code: status.exit_status(),
                        signal: status.terminating_signal(),
                        at: clock::now(),
                        ..Ended::default()
                    });
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) if tree::has_children() => return true,
                Ok(None) | Err(_) => break,
            }
        }
        let Some(foreign) = &self.foreign else {
            return false;
        };
        if self.ended.is_none() && foreign.watch.as_ref().is_none_or(exec::has_ended) {
            self.ended = Some(Ended {
                at: clock::now(),
                ..Ended::default()
            });
        }
        !self.tree().is_empty()
    }

    fn tree(&self) -> HashSet<Pid> {
        match &self.foreign {
            None => tree::own(),
            Some(foreign) => {
                let root = self.ended.is_none().then_some(self.pid);
                tree::foreign(root, &foreign.id)
            }
        }
    }

    /// Sends a signal to the whole tree: the group of the command and every descendant of this
    /// process, which those come to whose parent has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // It may have ended just now.
            kill_process_group(self.pid, signal).unwrap_or_default();
        }
        for pid in self.tree() {
            kill_process(pid, signal).unwrap_or_default();
        }
    }
}

/// When a process was started, in ticks since boot.
pub(crate) fn started(pid: Pid) -> Option<u64> {
    let number = Number(pid.as_raw_nonzero().get().unsigned_abs());
    let stat = Proc::open(Path::new("/proc")).ok()?.stat(number)?;
    Some(stat.start_ticks)
}
