//! The thread that keeps the roll. The server tells it of a change that matters, which is rare.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Settings;
use super::orders::Orders;
use super::published::Published;
use super::supervise::caught;
use crate::core::few::Few;
use crate::core::model::Session;
use crate::core::registry::Snapshot;
use crate::core::sorted::Gather as _;
use crate::desktop::Homes;
use crate::hosted::place::{Found, Place};
use crate::serve::roll::{self, Roll};
use crate::sys::clock;
use crate::sys::proc::boot_id;

/// From a change to its write: a burst is written once.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for a holder.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Known {
    /// What there is, as far as the server was told.
    roll: Roll,
    /// It is not written.
    owed: bool,
    end: bool,
    ended: bool,
}

/// Tells the thread what there is.
#[derive(Clone)]
pub(super) struct Keeper {
    orders: Arc<Orders<Known>>,
    boot: String,
    told: Arc<Snapshot>,
}

impl Keeper {
    /// Takes over which sessions there are, if the roll does not say the same already.
    pub(super) fn tell(&mut self, snapshot: &Arc<Snapshot>) {
        if self.told.generation == snapshot.generation {
            return;
        }
        let (before, now) = (&self.told.sessions, &snapshot.sessions);
        let same = |(one, other): (&Arc<Session>, &Arc<Session>)| {
            Arc::ptr_eq(one, other) || roll::same(one, other)
        };
        let changed = before.len() != now.len() || !before.iter().zip(now).all(same);
        self.told = Arc::clone(snapshot);
        if changed {
            let sessions = snapshot.sessions.iter().map(|session| &**session);
            self.orders.change(|known| {
                known.roll.see(sessions, &self.boot, clock::now());
                known.owed = true;
            });
        }
    }

    /// Has the end of the daemon noted, and waits for that.
    pub(super) fn finish(&self, patience: Duration) {
        self.orders.change(|known| known.end = true);
        self.orders
            .take(Some(patience), |known| !known.ended, |_| ());
    }
}

/// Starts the thread, with what the last daemon left.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn start(settings: &Settings, published: &Arc<Published>) -> std::io::Result<Keeper> {
    let path = settings.paths.roll();
    let roll = Roll::load(&path);
    // It is written anew: what it held cannot be read anyway.
    let told = |error: &_| log::warn!("could not read {}: {error}", path.display());
    let roll = roll.inspect_err(told).unwrap_or_default();
    let orders = Arc::new(Orders::new(Known {
        roll,
        owed: true,
        ..Known::default()
    }));
    let keeper = Keeper {
        orders: Arc::clone(&orders),
        boot: boot_id(&settings.paths.proc),
        told: Arc::default(),
    };
    let mut writer = Writer {
        orders: Arc::clone(&orders),
        place: Place::of(&settings.paths),
        hosted: BTreeSet::new(),
        wanted: Homes::default(),
        published: Arc::clone(published),
        path,
        owed_since: None,
    };
    let run = move || {
        while caught("roll", || writer.step()).unwrap_or(true) {}
        orders.change(|known| known.ended = true);
    };
    thread::Builder::new().name("roll".into()).spawn(run)?;
    Ok(keeper)
}

struct Writer {
    orders: Arc<Orders<Known>>,
    place: Place,
    /// The hosted sessions that are known, and the workspaces that their users want.
    hosted: BTreeSet<String>,
    wanted: Homes,
    published: Arc<Published>,
    path: PathBuf,
    /// Since when there is something to write.
    owed_since: Option<Instant>,
}

impl Writer {
    /// Waits for something to do and does it; `false` once the daemon ends.
    fn step(&mut self) -> bool {
        let (mut roll, changed, end) = self.wait();
        if changed {
            self.owed_since.get_or_insert_with(clock::steady);
            let hosted = roll.entries.iter().filter_map(|entry| entry.hosted.clone());
            let hosted: BTreeSet<String> = hosted.gather();
            if hosted != self.hosted {
                self.hosted = hosted;
                self.wanted = roll::wanted(&self.place);
            }
            self.published.set_homes(roll.homes(&self.wanted));
        }
        let due = self.owed_since.is_some_and(|at| at.elapsed() >= PAUSE);
        if !due && !end {
            return true;
        }
        self.owed_since = None;
        if !end && self.settle(&roll) {
            return true;
        }
        roll.stopped = end.then(clock::now);
        if let Err(error) = roll.save(&self.path) {
            log::warn!("could not write {}: {error}", self.path.display());
        }
        !end
    }

    /// The roll, whether it has changed, and whether the daemon ends.
    fn wait(&self) -> (Roll, bool, bool) {
        let left = |since: Instant| PAUSE.saturating_sub(since.elapsed());
        self.orders.take(
            self.owed_since.map(left),
            |known| !known.owed && !known.end,
            |known| {
                let owed = std::mem::take(&mut known.owed);
                (known.roll.clone(), owed, known.end)
            },
        )
    }

    /// Decides what became of sessions that ended a moment ago: a holder that ends, too, has said so
    /// by then. Whether there is anything new, or to be decided yet.
    fn settle(&self, roll: &Roll) -> bool {
        let long_ago = clock::now() - PAUSE;
        let ended = roll.entries.iter().filter_map(|entry| {
            let hosted = entry.hosted.as_deref()?;
            Some((hosted, entry.ended? <= long_ago))
        });
        let is_lost = |id: &str| {
            let found = self.place.find(id, PATIENCE);
            let lives = matches!(found, Some(Found::Live(_) | Found::Silent(_)));
            !lives && self.place.kept(id).is_ok()
        };
        let (ripe, unripe): (Vec<_>, Vec<_>) = ended.partition(|(_, ripe)| *ripe);
        let lost: Few<&str, bool> = ripe.iter().map(|(id, _)| (*id, is_lost(id))).gather();
        self.orders.change(|known| {
            let news = known.roll.settle(|id| lost.get(id).copied()) || !unripe.is_empty();
            known.owed |= news;
            news
        })
    }
}
