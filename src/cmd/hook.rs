//! `vmux hook EVENT`: what Claude Code calls when something happens in a session. It passes the
//! event on to a daemon that runs, in one line; it prints nothing, never fails and starts nothing.
//!
//! `vmux hook Answer` also waits for what the user decides in vmux, and prints that alone. The
//! dialog is on the screen meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::agent::{AGENTS, hooks_of};
use crate::cmd::exit::Exit;
use crate::core::model::{LocalKey, Pid};
use crate::protocol::Verb as _;
use crate::protocol::reply::{self, Decided};
use crate::protocol::request::AwaitArgs;
use crate::sys::clock::Deadline;
use crate::sys::paths::{self, Paths};
use crate::sys::proc::Proc;
use crate::sys::socket;

/// Longest wait for a daemon that is there.
const PATIENCE: Duration = Duration::from_millis(10);
/// Longest wait for the event on standard input, which is usually there before the hook is.
const INPUT: Duration = Duration::from_millis(500);
/// Bytes of an event that are read: a file that is written is part of it. Of a larger one only
/// that it happened is passed on.
const INPUT_CAP: usize = 8 << 20;
/// Longest wait for an answer. Claude Code ends the hook a little later by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(595);
/// Ancestors that are named. The session is the second: `vmux <- sh <- claude`.
const ANCESTORS: usize = 6;

/// The call of a hook, done before clap builds its tree: a tool waits for it. Nothing is printed,
/// and nothing fails.
#[must_use]
pub(super) fn run_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let [_, event] = *words else {
        return None;
    };
    if event.starts_with('-') {
        return None;
    }
    report(event);
    Some(Ok(Exit::Done))
}

/// Passes an event on.
pub(super) fn report(event: &str) {
    // Even a bug must not show in somebody's session.
    std::panic::set_hook(Box::new(|_| {}));
    let _outcome = catch_unwind(AssertUnwindSafe(|| send(event)));
}

fn send(event: &str) -> Option<()> {
    let environ = paths::environment();
    let paths = Paths::of(&environ, None).ok()?;
    // Without a daemon nothing else is done.
    let mut stream = socket::connect(&paths.socket, PATIENCE).ok()?;
    let payload = read_input();
    let (hooks, event) = hooks_of(event)?;
    let mut report = hooks.report(event, &payload);
    report.processes = ancestors(&Proc::open(&paths.proc).ok()?);
    let (processes, session_id) = (report.processes.clone(), report.session_id.clone());
    let line = report.render();
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&line).ok()?;
    let Some(asked) = hooks.asks(event, &payload) else {
        return Some(());
    };
    let wait = AwaitArgs {
        processes,
        session_id,
        asked,
    };
    stream.write_all(&wait.render()).ok()?;
    let decision = decided(&stream)?.decision?;
    let said = hooks.answer(&payload, &decision)?;
    std::io::stdout().write_all(said.as_bytes()).ok()
}

/// The second reply: the first is that of the report.
fn decided(stream: &UnixStream) -> Option<Decided> {
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    let mut lines = BufReader::new(stream).lines();
    lines.next()?.ok()?;
    reply::read(lines.next()?.ok()?.as_bytes()).ok()?.ok()
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
fn ancestors(proc: &Proc) -> Vec<LocalKey> {
    let mut found = Vec::new();
    let parent = rustix::process::getppid();
    let mut next = parent.and_then(|pid| u32::try_from(pid.as_raw_pid()).ok());
    while let Some(pid) = next.map(Pid).filter(|pid| pid.0 > 1)
        && found.len() < ANCESTORS
        && let Some(stat) = proc.stat(pid)
    {
        found.push(LocalKey {
            pid,
            start_ticks: stat.start_ticks,
        });
        let may_be_session = |comm: &str| AGENTS.iter().any(|agent| agent.plausible(comm, None));
        if proc.comm(pid).is_some_and(|comm| may_be_session(&comm)) {
            break;
        }
        next = Some(stat.ppid.0);
    }
    found
}
