//! The daemon: one engine thread that owns the registry, one server thread with one poll loop,
//! sources and workers around them.
//!
//! ```text
//! sessions source ─┐                        ┌─> desktop source (windows of sessions)
//! desktop source  ─┼─> engine ─> Published ─┤
//! requests        ─┘   (Registry)           └─> server ─> clients
//!                                                 └─> workers (focus, preview, labels)
//! ```
//!
//! The thread of notifications reads what is published, too.

mod alerts;
mod capture;
mod connection;
mod deciding;
pub mod detach;
mod dialogs;
mod dispatch;
mod engine;
mod escrow;
mod leaving;
mod listing;
pub mod lock;
mod orders;
mod published;
mod roll;
mod server;
mod sources;
mod storage;
mod supervise;
mod titles;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::Context as _;

use crate::core::model::{LocalKey, Observation};
use crate::core::registry::{MarkChange, Marks, Registry};
use crate::serve::config::Config;
use crate::serve::labels;
use crate::source::scout::{Roots, Scout};
use crate::sys::clock;
use crate::sys::files;
use crate::sys::memory;
use crate::sys::paths::Paths;
use crate::sys::proc::Environ;

use engine::Engine;
use lock::Instance;
use published::Published;
use storage::Kept;

/// Observations and commands that may wait for the engine. A source that outruns it waits. The
/// memory of all places is taken at the start: what goes through it is boxed.
const ENGINE_QUEUE: usize = 256;

/// Longest wait for labels to be written at the end.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What a daemon needs to know.
pub struct Settings {
    /// Where things lie.
    pub paths: Paths,
    /// What the user configured, as it was at the start.
    pub config: Config,
    /// What of it could not be read, in words.
    pub misread: Vec<String>,
    /// The daemon's own environment.
    pub environ: Environ,
    /// Somebody waits to hear that it listens.
    pub detached: bool,
}

/// Runs the daemon until it is told to stop.
///
/// Everything is found out once before it listens, so that the first answer is a whole one.
///
/// # Errors
/// If another daemon runs, or what it needs cannot be had.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let paths = &settings.paths;
    paths.create_runtime()?;
    // Before any thread starts.
    memory::share_heap();
    supervise::log_panics();
    // First: who waits for the lock may signal its holder at any time.
    let signals = server::Signals::install()?;
    let instance = Arc::new(Instance::take(paths)?);
    raise_descriptor_limit();
    write_icons(paths);
    let published = Arc::new(Published::new(settings.config.clone())?);
    let (to_engine, from_all) = sync_channel(ENGINE_QUEUE);

    let kept = load_marks(&settings, &published);
    let mut registry = Registry::new(kept.marks.clone());
    let scout = look(paths, &mut registry)?;
    let listener = instance.listen()?;
    published.publish(registry.snapshot());

    let storage = storage::start(paths, kept, to_engine.clone(), Arc::clone(&published))?;
    let engine = Engine::new(registry, Arc::clone(&published), storage.clone());
    supervise::vital("engine", move || engine.run(&from_all))?;
    sources::sessions(
        scout,
        to_engine.clone(),
        Arc::clone(&published),
        Arc::clone(&instance),
        capture::Capture::new(&settings.paths, &published),
    )?;
    sources::desktop(to_engine.clone(), Arc::clone(&published), &settings)?;
    let workers = worker::Workers::start(&settings, &published)?;
    if let Err(error) = escrow::start(&settings.paths) {
        log::warn!("could not keep the terminals of hosted sessions: {error}");
    }
    alerts::start(&settings, &published, to_engine.clone(), workers.focus())?;

    log::info!("listens at {}", paths.socket.display());
    if settings.detached {
        detach::tell_ready();
    }
    let roll = roll::start(&settings, &published)?;
    let place = (Arc::clone(&instance), listener);
    let (labels, focus, kept) = (storage.clone(), workers.focus(), roll.clone());
    let mut server = server::Server::new(
        place,
        settings,
        published,
        to_engine,
        workers,
        (labels, roll),
        signals,
    );
    let served = supervise::caught("server", || server.run());
    // The engine ends when all senders are gone; sources notice at their next report.
    drop(server);
    worker::finish(&focus, LAST_WRITE);
    storage.finish(LAST_WRITE);
    kept.finish(LAST_WRITE);
    instance.release();
    served.context("the server panicked, which is a bug of vmux")??;
    log::info!("stopped");
    Ok(())
}

/// Finds everything out once.
fn look(paths: &Paths, registry: &mut Registry) -> anyhow::Result<Scout> {
    let roots = Roots::of(paths);
    // Before the first session is kept there would be nothing to watch.
    if let Some(kept) = &roots.kept
        && let Err(error) = files::create_private_dir(kept)
    {
        log::warn!("could not make {}: {error}", kept.display());
    }
    let mut scout = Scout::new(roots).context("could not watch for sessions")?;
    let now = clock::now();
    // A scan that panics is made again under supervision; until then there is nothing to tell.
    let found = supervise::caught("the first scan", || scout.scan(now)).unwrap_or(Ok(Vec::new()));
    for observation in found.context("could not read /proc")? {
        registry.apply(observation, now);
    }
    registry.apply(Observation::Census(scout.keys()), now);
    Ok(scout)
}

/// Writes the icons for rofi, which does without where that cannot be.
fn write_icons(paths: &Paths) {
    let icons = paths.icons();
    if let Err(error) = crate::frontend::icons::write(&icons, &crate::agent::badges()) {
        log::warn!("could not write the icons to {}: {error}", icons.display());
    }
}

/// The labels that were kept. Says what could not be read of them and of the configuration.
fn load_marks(settings: &Settings, published: &Published) -> Kept {
    if !settings.misread.is_empty() {
        published.report("configuration", false, settings.misread.join("; "));
    }
    let path = &settings.paths.labels;
    let stamp = labels::stamp(path);
    let read = labels::load(path);
    if let Err(refused) = &read {
        log::warn!("{} (to fix it: {})", refused.cause, refused.remedy);
        published.report("labels", false, refused.cause.clone());
    }
    Kept {
        ill: read.is_err(),
        marks: read.ok().flatten().unwrap_or_default(),
        stamp,
    }
}

/// A thousand clients at once need more descriptors than the usual soft limit of 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::debug!("could not raise the limit of open files: {error}");
    }
}

/// What the engine is told.
enum Input {
    /// Reports of a source.
    Observed(Vec<Observation>),
    /// What the file of labels holds, and up to which change of this daemon.
    Kept(Box<Marks>, u64),
    /// What its user said of a session in a notification: nobody waits for an answer.
    Marked(LocalKey, MarkChange),
    /// A request that only the engine can answer.
    Command(published::Ticket, Box<engine::Command>),
}
