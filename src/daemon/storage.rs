//! The thread that writes labels, and that notices when somebody else has written them, or the
//! configuration.
//!
//! What could not be written stays owed: it is tried again with the next change, and ever more
//! rarely without one. Whoever waits for an answer is told how the try that he asked for went.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use super::Input;
use super::orders::Orders;
use super::published::{Completion, Published, Ticket};
use super::supervise::{Part, caught};
use crate::core::registry::{Marks, Owed};
use crate::protocol::reply::Acted;
use crate::protocol::{Refusal, RefusalCode, Reply};
use crate::serve::config::Loaded;
use crate::serve::labels::{self, Refused, Stamp};
use crate::sys::clock;
use crate::sys::files::tidy;
use crate::sys::paths::Paths;

/// How often the file is looked at, if nobody asks for a list.
const LOOK: Duration = Duration::from_secs(10);
/// A list has the file looked at, if it was not for this long.
const STALE: Duration = Duration::from_secs(1);
/// Shortest and longest pause before a write that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Clients that wait for a write at most. A disk that hangs must not gather them.
const WAITING: usize = 256;

/// What the thread is told.
#[derive(Default)]
struct Wishes {
    /// All that is owed: a newer word holds what the older one held.
    owed: Option<Owed>,
    /// Who waits for it to be written.
    waiting: Vec<(Ticket, Reply<Acted>)>,
    /// Somebody shows labels.
    look: bool,
    /// The daemon ends.
    end: bool,
    /// The thread has ended.
    ended: bool,
}

/// The thread that writes labels.
#[derive(Clone)]
pub(super) struct Storage {
    orders: Arc<Orders<Wishes>>,
    /// When a look was asked for last.
    asked_at: Option<Instant>,
}

impl Storage {
    /// Writes what is owed, then answers. Gives the answer back if too many wait already.
    pub(super) fn save(
        &self,
        owed: Option<Owed>,
        answer: Option<(Ticket, Reply<Acted>)>,
    ) -> Option<Ticket> {
        self.orders.change(|wishes| {
            if owed.is_some() {
                wishes.owed = owed;
            }
            let (ticket, reply) = answer?;
            if wishes.waiting.len() >= WAITING {
                return Some(ticket);
            }
            wishes.waiting.push((ticket, reply));
            None
        })
    }

    /// Has the file looked at soon: somebody shows labels.
    pub(super) fn look(&mut self) {
        if self.asked_at.is_none_or(|at| at.elapsed() >= STALE) {
            self.asked_at = Some(clock::steady());
            self.orders.change(|wishes| wishes.look = true);
        }
    }

    /// Has what is owed written, and waits for that.
    pub(super) fn finish(&self, patience: Duration) {
        self.orders.change(|wishes| wishes.end = true);
        self.orders
            .take(Some(patience), |wishes| !wishes.ended, |_| ());
    }
}

/// What was read of the file when the daemon began.
pub(super) struct Kept {
    /// What it holds.
    pub(super) marks: Marks,
    /// Its state before it was read.
    pub(super) stamp: Option<Stamp>,
    /// It could not be read, which was told.
    pub(super) ill: bool,
}

/// Starts the thread that writes labels.
///
/// # Errors
/// Those of starting a thread.
pub(super) fn start(
    paths: &Paths,
    kept: Kept,
    engine: SyncSender<Input>,
    published: Arc<Published>,
) -> std::io::Result<Storage> {
    let storage = Storage {
        orders: Arc::default(),
        asked_at: None,
    };
    let mut keeper = Keeper {
        path: paths.labels.clone(),
        config: Configuration {
            path: paths.config.clone(),
            ..Configuration::default()
        },
        known: kept.marks,
        stamp: kept.stamp,
        engine,
        published,
        owed: None,
        pause: RETRY.0,
        retry_at: None,
        looked_at: clock::steady(),
        ill: kept.ill,
    };
    let orders = Arc::clone(&storage.orders);
    let run = move || {
        tidy(&keeper.path);
        // What is owed is kept, and written with the next try.
        while caught("storage", || keeper.step(&orders)).unwrap_or(true) {}
        orders.change(|wishes| wishes.ended = true);
    };
    thread::Builder::new().name("storage".into()).spawn(run)?;
    Ok(storage)
}

/// The file of the configuration.
#[derive(Default)]
struct Configuration {
    path: PathBuf,
    /// Its state when it was read last; nothing if that may be too young to tell.
    stamp: Option<Option<Stamp>>,
    /// What was wrong with it.
    wrong: Vec<String>,
}

/// What the thread knows.
struct Keeper {
    path: PathBuf,
    config: Configuration,
    /// What the file held when it was read last.
    known: Marks,
    stamp: Option<Stamp>,
    engine: SyncSender<Input>,
    published: Arc<Published>,
    /// What is not written.
    owed: Option<Owed>,
    pause: Duration,
    /// When a write that failed is tried again.
    retry_at: Option<Instant>,
    looked_at: Instant,
    /// Whether trouble was told and is not over.
    ill: bool,
}

impl Keeper {
    /// Waits for something to do and does it; `false` once the daemon ends.
    fn step(&mut self, orders: &Orders<Wishes>) -> bool {
        let wishes = self.wait(orders);
        self.owed = wishes.owed.or_else(|| self.owed.take());
        let due = self.retry_at.is_none_or(|at| at <= clock::steady());
        if !wishes.waiting.is_empty() || (self.owed.is_some() && (due || wishes.end)) {
            let written = self.write();
            for (ticket, reply) in wishes.waiting {
                let reply = written.as_ref().map_err(unsaved).copied().and(reply);
                self.published.complete(ticket, Completion::reply(&reply));
            }
        } else if wishes.look || self.looked_at.elapsed() >= LOOK {
            self.look();
        }
        !wishes.end
    }

    fn wait(&self, orders: &Orders<Wishes>) -> Wishes {
        let look_at = self.looked_at + LOOK;
        let until = self.retry_at.map_or(look_at, |at| at.min(look_at));
        let left = until.saturating_duration_since(clock::steady());
        self.published.pulse.rest(Part::Storage);
        let idle = |wishes: &mut Wishes| {
            !(wishes.look || wishes.end || wishes.owed.is_some() || !wishes.waiting.is_empty())
        };
        let wishes = orders.take(Some(left), idle, std::mem::take);
        self.published.pulse.begin(Part::Storage);
        wishes
    }

    fn write(&mut self) -> Result<(), Refused> {
        let Some(owed) = &self.owed else {
            return Ok(());
        };
        match labels::update(&self.path, &self.known, owed) {
            Ok(marks) => {
                let through = owed.through;
                self.owed = None;
                self.retry_at = None;
                self.pause = RETRY.0;
                self.stamp = labels::stamp(&self.path);
                self.well();
                self.tell(marks, through);
                Ok(())
            }
            Err(refused) => {
                self.retry_at = Some(clock::steady() + self.pause);
                self.pause = (self.pause * 2).min(RETRY.1);
                self.trouble(&refused);
                Err(refused)
            }
        }
    }

    /// Sees whether somebody else wrote the file, or the configuration.
    fn look(&mut self) {
        self.looked_at = clock::steady();
        self.look_at_config();
        let stamp = labels::stamp(&self.path);
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        match labels::load(&self.path) {
            // A missing file may be about to be written anew: that does not count as all labels
            // taken away.
            Ok(None) => self.well(),
            Ok(Some(marks)) => {
                self.well();
                self.tell(marks, 0);
            }
            Err(refused) => self.trouble(&refused),
        }
    }

    /// Takes a changed configuration. One that cannot be read at all leaves what is in force.
    fn look_at_config(&mut self) {
        let own = &mut self.config;
        let stamp = labels::stamp(&own.path);
        if own.stamp.as_ref() == Some(&stamp) {
            return;
        }
        // Who writes it may be at it just now, and within a tick of the clock its times stay.
        let settled = is_settled(&own.path);
        own.stamp = settled.then_some(stamp);
        let loaded = Loaded::read(&own.path);
        let wrong = [&loaded.wrong[..], &loaded.unknown].concat();
        if wrong != own.wrong {
            let told = wrong.join("; ");
            let ok = loaded.wrong.is_empty();
            self.published.report("configuration", ok, told);
            own.wrong = wrong;
        }
        if !loaded.broken && loaded.config != *self.published.config() {
            log::info!("{} is taken as it is now", own.path.display());
            self.published.set_config(loaded.config);
        }
    }

    /// Tells the engine what the file holds.
    fn tell(&mut self, marks: Marks, through: u64) {
        self.known.clone_from(&marks);
        // Without an engine the daemon ends.
        let _sent = self.engine.send(Input::Kept(Box::new(marks), through));
    }

    fn trouble(&mut self, refused: &Refused) {
        if !self.ill {
            log::warn!("{} (to fix it: {})", refused.cause, refused.remedy);
        }
        self.ill = true;
        self.published
            .report("labels", false, refused.cause.clone());
    }

    fn well(&mut self) {
        if self.ill {
            log::info!("{} is read and written again", self.path.display());
            let words = self.path.display().to_string();
            self.published.report("labels", true, words);
        }
        self.ill = false;
    }
}

/// Whether a file was last changed more than a second ago, or is not there.
fn is_settled(path: &Path) -> bool {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(changed) = changed else {
        return true;
    };
    let age = chrono::DateTime::<chrono::Utc>::from(changed);
    (clock::now() - age).num_seconds().abs() > 1
}

fn unsaved(refused: &Refused) -> Refusal {
    let words = format!("could not save the change: {}", refused.cause);
    let hint = format!(
        "{}; until then the daemon keeps it, and tries again",
        refused.remedy
    );
    Refusal::new(RefusalCode::Unsaved, words).hint(hint)
}
