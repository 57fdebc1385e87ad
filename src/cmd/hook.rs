//! `vmux hook EVENT`: what Claude Code calls when something happens in a session. It passes the
//! event on to a daemon that runs, in one line; it prints nothing, never fails and starts nothing.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::agent::claude::hook::parse;
use crate::agent::claude::process::plausible_comm;
use crate::clock::Deadline;
use crate::model::{Pid, SessionKey};
use crate::paths::{self, Paths};
use crate::proc::Proc;
use crate::protocol::{Request, socket};

/// Longest wait for a daemon that is there.
const PATIENCE: Duration = Duration::from_millis(10);
/// Longest wait for the event on standard input, which is usually there before the hook is.
const INPUT: Duration = Duration::from_millis(500);
/// Bytes of an event that are read: a file that is written is part of it. Of a larger one only
/// that it happened is passed on.
const INPUT_CAP: usize = 8 << 20;
/// Ancestors that are named. The session is the second: `vmux <- sh <- claude`.
const ANCESTORS: usize = 6;

/// Passes an event on.
pub fn report(event: &str) {
    // Even a bug must not show in somebody's session.
    std::panic::set_hook(Box::new(|_| {}));
    let _outcome = catch_unwind(AssertUnwindSafe(|| send(event)));
}

fn send(event: &str) -> Option<()> {
    let environ = paths::environment();
    let paths = Paths::of(&environ, None).ok()?;
    // Without a daemon nothing else is done.
    let mut stream = socket::connect(&paths.socket, PATIENCE).ok()?;
    let mut report = parse(event, &read_input());
    report.processes = ancestors(&Proc::open(&paths.proc).ok()?);
    let line = Request::Hook(Box::new(report)).render();
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&line).ok()
}

fn read_input() -> Vec<u8> {
    let deadline = Deadline::after(INPUT);
    let input = rustix::stdio::stdin();
    let mut bytes = Vec::new();
    let mut block = vec![0u8; 64 * 1024];
    while bytes.len() < INPUT_CAP {
        let mut fds = [PollFd::from_borrowed_fd(input, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&deadline.timespec())), Ok(n) if n > 0) {
            break;
        }
        match rustix::io::read(input, &mut block) {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&block[..n]),
        }
    }
    bytes
}

/// The processes this one descends from, up to the nearest that may be a session: a session that
/// was started by another one's tool must not be taken for that.
fn ancestors(proc: &Proc) -> Vec<SessionKey> {
    let mut found = Vec::new();
    let parent = rustix::process::getppid();
    let mut next = parent.and_then(|pid| u32::try_from(pid.as_raw_pid()).ok());
    while let Some(pid) = next.map(Pid).filter(|pid| pid.0 > 1)
        && found.len() < ANCESTORS
        && let Some(stat) = proc.stat(pid)
    {
        found.push(SessionKey {
            pid,
            start_ticks: stat.start_ticks,
        });
        if proc.comm(pid).is_some_and(|comm| plausible_comm(&comm)) {
            break;
        }
        next = Some(stat.ppid.0);
    }
    found
}
