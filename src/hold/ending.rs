//! Ends a session: asked to go, told to go, killed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use vmux::sys::clock;

use crate::pty::Child;

/// What is sent, and how long after the first.
const STEPS: [(Duration, Signal); 3] = [
    (Duration::ZERO, Signal::HUP),
    (Duration::from_secs(2), Signal::TERM),
    (Duration::from_secs(5), Signal::KILL),
];
/// After the last step, it is sent again so often: a process may have been born just then.
const AGAIN: Duration = Duration::from_millis(200);
/// What is left after so long cannot be ended: it hangs in the kernel.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A session that is being ended.
pub(crate) struct Ending {
    since: Instant,
    /// Steps done.
    done: usize,
    next: Instant,
    over: bool,
}

impl Ending {
    /// Begins with the first step.
    pub(crate) fn begin(child: &Child) -> Self {
        let since = clock::steady();
        let mut ending = Self {
            since,
            done: 0,
            next: since,
            over: false,
        };
        ending.step(child, true);
        ending
    }

    /// Does what is due. `left`: a child of this process is left, and so the session.
    pub(crate) fn step(&mut self, child: &Child, left: bool) {
        let now = clock::steady();
        self.over = !left || now > self.since + GIVE_UP;
        if self.over || now < self.next {
            return;
        }
        let last = STEPS.len() - 1;
        let (_, signal) = STEPS[self.done.min(last)];
        child.signal(signal);
        if signal != Signal::KILL {
            // One that is stopped takes no signal.
            child.signal(Signal::CONT);
        }
        self.done += 1;
        self.next = STEPS
            .get(self.done)
            .map_or(now + AGAIN, |(after, _)| self.since + *after);
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}
