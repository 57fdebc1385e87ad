//! A terminal of the test's own: what a program writes to it, and keys for it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::{PATIENCE, wait_for};

pub(crate) struct Tty {
    master: File,
    child: Child,
    /// All that was written to it.
    pub(crate) seen: Vec<u8>,
}

impl Tty {
    /// Runs a command in a terminal of this size.
    pub(crate) fn run(command: &Command, columns: u16, rows: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        size(&master, columns, rows);
        let slave = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        // setsid(1) makes it the terminal of a session of its own, so that it gets SIGWINCH. What
        // nohup(1) has the tests ignore, a program in a terminal does not.
        let mut all = Command::new("env");
        all.args(["--default-signal=HUP", "setsid", "--ctty"]);
        all.arg(command.get_program());
        all.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            all.env(name, value.unwrap_or_default());
        }
        if let Some(dir) = command.get_current_dir() {
            all.current_dir(dir);
        }
        all.stdin(slave.try_clone().unwrap());
        all.stdout(slave.try_clone().unwrap());
        all.stderr(slave);
        let child = all.spawn().unwrap();
        Self {
            master: master.into(),
            child,
            seen: Vec::new(),
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Types as much of this as is taken; how much that was. What is written back is read.
    pub(crate) fn pastes(&mut self, bytes: &[u8]) -> usize {
        let before = fcntl_getfl(&self.master).unwrap();
        fcntl_setfl(&self.master, before | OFlags::NONBLOCK).unwrap();
        let (mut at, mut since) = (0, Instant::now());
        while at < bytes.len() && since.elapsed() < Duration::from_millis(500) {
            let end = bytes.len().min(at + 4096);
            match self.master.write(&bytes[at..end]) {
                Ok(0) | Err(_) => drop(self.reads(Duration::from_millis(5))),
                Ok(n) => (at, since) = (at + n, Instant::now()),
            }
        }
        fcntl_setfl(&self.master, before).unwrap();
        at
    }

    /// Closes the terminal, as its window does, and waits for the program's end.
    pub(crate) fn hangs_up(mut self) -> ExitStatus {
        self.master = File::open("/dev/null").unwrap();
        let child = &mut self.child;
        wait_for("its end", || child.try_wait().unwrap())
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        size(
            &OwnedFd::from(self.master.try_clone().unwrap()),
            columns,
            rows,
        );
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads what is there, or comes within the time; `false` once nobody can write any more.
    pub(crate) fn reads(&mut self, within: Duration) -> bool {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let timeout = within.try_into().unwrap();
        if poll(&mut fds, Some(&timeout)).unwrap_or(0) == 0 {
            return true;
        }
        self.seen.reserve(65536);
        let read = rustix::io::read(&self.master, spare_capacity(&mut self.seen));
        read.is_ok_and(|n| n > 0)
    }

    /// Reads until this stands in what was written.
    pub(crate) fn waits_for(&mut self, text: &str) {
        let since = Instant::now();
        let mut from = 0;
        while !self.seen[from..]
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            from = self.seen.len().saturating_sub(text.len());
            assert!(
                since.elapsed() < PATIENCE,
                "waited in vain for {text:?} in {:?}",
                self.text()
            );
            assert!(
                self.reads(Duration::from_millis(100)),
                "hung up before {text:?}: {:?}",
                self.text()
            );
        }
    }

    /// Reads until the program ends.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.reads(Duration::from_millis(10)) && self.has_more() {}
                return status;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "it does not end: {:?}",
                self.text()
            );
            self.reads(Duration::from_millis(20));
        }
    }

    pub(crate) fn has_more(&self) -> bool {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let now = Duration::ZERO.try_into().unwrap();
        poll(&mut fds, Some(&now)).unwrap_or(0) > 0 && fds[0].revents().contains(PollFlags::IN)
    }

    /// The end of what was written.
    pub(crate) fn text(&self) -> String {
        let from = self.seen.len().saturating_sub(2000);
        String::from_utf8_lossy(&self.seen[from..]).into_owned()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // It has ended already, or ends now.
        self.child.kill().unwrap_or_default();
        self.child.wait().unwrap();
    }
}

fn size(master: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(master, size).unwrap();
}
