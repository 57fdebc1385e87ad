//! What happens when a thread panics, and who notices one that hangs.
//!
//! A panic costs the one thing that was being done. Sources and workers go on with the next one.
//! Everything else depends on engine and server, so the daemon ends if one of them panics: the next
//! call starts another daemon, which observes everything anew.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::clock;

/// What a source that panicked says of itself.
pub(super) const PANICKED: &str = "it panicked, which is a bug of vmux";
/// Longest time that one thing takes: some children and a display that do not answer, one after
/// the other. What takes longer hangs.
const LONGEST: Duration = Duration::from_secs(10);
/// Bytes of a panic's message that are logged.
const MESSAGE: usize = 200;

/// Has panics logged with message and place, from now on.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let place = place.unwrap_or_else(|| "an unknown place".into());
        log::error!("panicked at {place}: {}", message(info.payload()));
    }));
}

/// The words of a panic without what it quotes: that may be the text of a session.
fn message(payload: &(dyn Any + Send)) -> &str {
    let formatted = payload.downcast_ref::<String>().map(String::as_str);
    let words = formatted.or_else(|| payload.downcast_ref::<&str>().copied());
    let words = words.unwrap_or_default();
    let end = words.find(['`', '\'', '"']).unwrap_or(words.len());
    words.get(..end.min(MESSAGE)).unwrap_or_default()
}

/// Runs `work`; `None` if it panicked, which is logged.
pub(super) fn caught<T>(name: &str, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        log::error!("{name}: {PANICKED}");
    }
    done
}

/// Starts a thread with which the daemon ends if it panics.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn vital(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let title = name.to_owned();
    let run = move || {
        if caught(&title, work).is_none() {
            log::error!("the daemon ends; the next call starts another");
            // As a panic of the main thread. A server that runs on would answer with what it
            // heard last, for ever.
            std::process::exit(101);
        }
    };
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map(drop)
}

/// A thread that `status` knows of. The one that asks for labels is not: it waits for its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Engine,
    Sessions,
    Windows,
    Focus,
    Read,
    Storage,
    Notifications,
}

/// All of them in their order, as `status` calls them.
const PARTS: [(Part, &str); 7] = [
    (Part::Engine, "engine"),
    (Part::Sessions, "sessions"),
    (Part::Windows, "windows"),
    (Part::Focus, "focus"),
    (Part::Read, "read"),
    (Part::Storage, "labels"),
    (Part::Notifications, "notifications"),
];

impl Part {
    /// What `status` calls it.
    pub(super) fn name(self) -> &'static str {
        PARTS[self as usize].1
    }
}

/// What each thread is at: since when it has been busy with one thing, if it is.
pub(super) struct Pulse {
    started: Instant,
    /// In milliseconds since `started`, from 1; 0 while it waits for something to do.
    since: [AtomicU64; PARTS.len()],
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            started: clock::steady(),
            since: Default::default(),
        }
    }

    /// It begins with something.
    pub(super) fn begin(&self, part: Part) {
        self.since[part as usize].store(self.now(), Ordering::Relaxed);
    }

    /// It waits for something to do.
    pub(super) fn rest(&self, part: Part) {
        self.since[part as usize].store(0, Ordering::Relaxed);
    }

    /// Those that have been busy with one thing for too long, and for how long.
    pub(super) fn stuck(&self) -> Vec<(&'static str, Duration)> {
        let busy = |(part, name): (Part, &'static str)| {
            let since = self.since[part as usize].load(Ordering::Relaxed);
            let busy = Duration::from_millis(self.now().saturating_sub(since));
            (since > 0 && busy > LONGEST).then_some((name, busy))
        };
        PARTS.into_iter().filter_map(busy).collect()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).map_or(u64::MAX, |now| now + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_without_what_it_quotes() {
        let told = |work: fn()| message(&*catch_unwind(work).unwrap_err()).to_owned();
        assert_eq!(told(|| panic!("capacity overflow")), "capacity overflow");
        let sliced = told(|| {
            let secret = "\u{e9}t\u{e9} of a session";
            let _half = &secret[..std::hint::black_box(1)];
        });
        assert!(
            !sliced.contains("session") && !sliced.is_empty(),
            "{sliced}"
        );
        let unwrapped = told(|| {
            let error = std::hint::black_box(Err::<(), _>("a secret"));
            error.unwrap();
        });
        assert!(!unwrapped.contains("secret"), "{unwrapped}");
        let index = told(|| {
            let _none = vec![1][std::hint::black_box(7)];
        });
        assert_eq!(
            index,
            "index out of bounds: the len is 1 but the index is 7"
        );
    }

    #[test]
    fn every_part_has_its_own_place() {
        for (n, (part, _)) in PARTS.into_iter().enumerate() {
            assert_eq!(part as usize, n);
        }
    }

    #[test]
    fn a_thread_that_hangs_is_told_and_one_that_waits_is_not() {
        let mut pulse = Pulse::new();
        let long_ago = |pulse: &mut Pulse, ago| {
            pulse.started = pulse.started.checked_sub(Duration::from_secs(ago)).unwrap();
        };
        pulse.begin(Part::Focus);
        pulse.begin(Part::Read);
        assert_eq!(pulse.stuck(), []);
        long_ago(&mut pulse, 60);
        pulse.begin(Part::Engine);
        pulse.rest(Part::Read);
        let stuck = pulse.stuck();
        assert_eq!(
            stuck.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["focus"]
        );
        assert_eq!(stuck[0].1.as_secs(), 60);
    }

    /// The test itself, as the process that ends.
    #[test]
    fn the_daemon_ends_with_its_engine() {
        let ends = crate::sys::paths::environment()
            .get("VMUX_TEST_ENDS")
            .is_some();
        if ends {
            vital("engine", || panic!("on purpose")).unwrap();
            clock::sleep(Duration::from_secs(60));
            return;
        }
        let mut own = std::process::Command::new(std::env::current_exe().unwrap());
        own.args([
            "--exact",
            "daemon::supervise::tests::the_daemon_ends_with_its_engine",
        ]);
        own.env("VMUX_TEST_ENDS", "1");
        let done = crate::sys::exec::run(&mut own, Duration::from_secs(20)).unwrap();
        assert_eq!(done.status.code(), Some(101));
    }
}
