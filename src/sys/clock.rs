//! The only reader of clocks, and the only place that sleeps.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// The time of day, which may jump.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the reader of the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// When the machine started, in the time of day of now. `/proc/stat` knows it to the second only.
#[must_use]
pub fn booted_at() -> DateTime<Utc> {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let up = TimeDelta::seconds(up.tv_sec) + TimeDelta::nanoseconds(up.tv_nsec);
    now().checked_sub_signed(up).unwrap_or_default()
}

/// The steady clock, for deadlines.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the reader of the clock")]
pub fn steady() -> Instant {
    Instant::now()
}

/// Waits. Only where nothing can report an event.
#[expect(clippy::disallowed_methods, reason = "this is the place that sleeps")]
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// A point in time after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(steady() + duration)
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(steady())
    }

    /// What is left, as `poll` takes it.
    #[must_use]
    pub fn timespec(&self) -> rustix::event::Timespec {
        timespec(self.left())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }
}

/// A duration as `poll` takes it.
#[must_use]
pub fn timespec(duration: Duration) -> rustix::event::Timespec {
    rustix::event::Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
