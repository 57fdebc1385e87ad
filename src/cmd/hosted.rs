//! Which hosted session a person means, and what of one is asked.

use std::path::Path;
use std::time::Duration;

use super::call::{Context, target};
use crate::cmd::exit::{self, Exit, Failure};
use crate::core::model::Pid;
use crate::core::text::CleanText;
use crate::hosted::keys::DetachKey;
use crate::hosted::link::Link;
use crate::hosted::missed;
use crate::hosted::place::{Found, Place};
use crate::hosted::record::Record;
use crate::hosted::{Hello, Info, NO_SESSION, VARIABLE};
use crate::notify::dbus::logind;
use crate::protocol::request::PreviewArgs;
use crate::sys::group;
use crate::sys::proc::Proc;

/// What has sessions outlive logins.
pub(super) const LINGER: &str = "`loginctl enable-linger` keeps it all without a login; where that is denied, root does it: \
     `sudo loginctl enable-linger $USER`";
/// Longest wait for one holder.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The session that this command runs in itself, if a holder keeps it.
pub(super) fn inside(context: &Context) -> Option<String> {
    let id = context.environ.text(VARIABLE);
    id.filter(|id| *id != NO_SESSION).map(str::to_owned)
}

/// A session that is alive. Its id, pid or name, or a part of its name, directory or command; or
/// what `vmux list` has, if a holder keeps it.
pub(super) fn find(context: &Context, query: &str) -> anyhow::Result<Info> {
    if let Some(info) = choose_live(context, query)? {
        return Ok(info);
    }
    by_daemon(context, query)
}

/// The same, also one that has ended.
pub(super) fn find_any(context: &Context, query: &str) -> anyhow::Result<Info> {
    if let Some(info) = choose_live(context, query)? {
        return Ok(info);
    }
    match choose(context, query, Age::Over, ANY)? {
        Some(info) => Ok(info),
        None => by_daemon(context, query),
    }
}

/// One that is alive. Its holder may have lost its place, and is called back.
fn choose_live(context: &Context, query: &str) -> anyhow::Result<Option<Info>> {
    let found = choose(context, query, Age::Alive, ANY)?;
    if found.is_none() && missed::call(&Place::of(&context.paths)) {
        return choose(context, query, Age::Alive, ANY);
    }
    Ok(found)
}

/// The hosted session that is meant exactly: by its id, its pid or its name.
pub(super) fn exactly(context: &Context, query: &str) -> anyhow::Result<Option<Info>> {
    choose(context, query, Age::Alive, EXACT)
}

/// The session that was lost, and is meant exactly: by its id or its name.
pub(super) fn lost(context: &Context, query: &str) -> anyhow::Result<Option<Record>> {
    let place = Place::of(&context.paths);
    let mut fit = place.records().kept;
    fit.retain(|record| {
        let session = &record.session;
        let named = session.id == query || session.name.as_deref() == Some(query);
        let there = || place.find(&session.id, PATIENCE);
        named && !matches!(there(), Some(Found::Live(_) | Found::Silent(_)))
    });
    // An id is that session's, whatever others are called.
    if let Some(at) = fit.iter().position(|record| record.session.id == query) {
        return Ok(Some(fit.swap_remove(at)));
    }
    if fit.len() > 1 {
        return Err(several(query, fit.iter().map(|record| &record.session)).into());
    }
    Ok(fit.pop())
}

/// A query fits all of these.
fn several<'a>(query: &str, infos: impl Iterator<Item = &'a Info>) -> Failure {
    let mut words = format!("{query:?} fits several hosted sessions");
    for info in infos {
        words.push_str(&format!("\n  {}", line(info)));
    }
    let failure = Failure::new(words).exit(Exit::Usage);
    failure.hint("its id stands for one of them alone")
}

/// The session in whose terminal a process is.
pub(super) fn around(context: &Context, pid: Pid) -> Option<Info> {
    let proc = Proc::open(Path::new("/proc")).ok()?;
    let live = live(context);
    live.into_iter().find(|info| has_terminal(&proc, info, pid))
}

/// The session that a process runs in, if in a terminal within that.
fn above(context: &Context, pid: Pid) -> Option<Info> {
    let proc = Proc::open(Path::new("/proc")).ok()?;
    let mut live = live(context);
    if let Some(at) = live.iter().position(|info| has_terminal(&proc, info, pid)) {
        return Some(live.swap_remove(at));
    }
    // The nearest: a session may have been started in another one.
    let chain = proc.chain(pid).0;
    let mut chain = chain.iter().map(|link| link.pid.0);
    let at = chain.find_map(|pid| live.iter().position(|info| info.holder == pid))?;
    Some(live.swap_remove(at))
}

/// Whether a process is in the terminal of a session. Its holder need not be above it: it may be one
/// that goes on after a crash.
fn has_terminal(proc: &Proc, info: &Info, pid: Pid) -> bool {
    let own = Pid(std::process::id());
    let tty = info.tty.as_deref().and_then(Path::to_str);
    // Not by its name alone: a container has terminals of the same names.
    let tty = tty.and_then(|tty| proc.terminal_named(own, tty));
    tty.is_some() && proc.terminal(pid) == tty
}

fn live(context: &Context) -> Vec<Info> {
    let all = Place::of(&context.paths).all(PATIENCE).into_iter();
    let live = all.filter_map(|found| match found {
        Found::Live(info) => Some(info),
        _ => None,
    });
    live.collect()
}

/// Whether a session is wanted that is alive, or one that is no longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Alive,
    Over,
}

/// The session that a query fits best, and no worse than `worst`: see [`rank`].
fn choose(context: &Context, query: &str, age: Age, worst: u8) -> anyhow::Result<Option<Info>> {
    let place = Place::of(&context.paths);
    // An id is one session's: others are not asked, which may be slow to answer.
    let all = match place.find(query, PATIENCE) {
        Some(found) if age_of(&found) == age => vec![found],
        _ => place.all(PATIENCE),
    };
    let wanted = |found: &&Found| age_of(found) == age;
    let infos: Vec<&Info> = all.iter().filter(wanted).map(Found::info).collect();
    let mut best = fitting(&infos, query, worst).into_iter();
    // Of those that ended, the last one is meant.
    let (first, second) = match age {
        Age::Over => (best.next_back(), None),
        Age::Alive => (best.next(), best.next()),
    };
    match (first, second) {
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(best);
            Err(several(query, all).into())
        }
        (first, _) => Ok(first.cloned()),
    }
}

/// Those that a query fits best, in the given order.
pub(super) fn best<'a>(infos: &[&'a Info], query: &str) -> Vec<&'a Info> {
    fitting(infos, query, ANY)
}

fn fitting<'a>(infos: &[&'a Info], query: &str, worst: u8) -> Vec<&'a Info> {
    let ranked = infos
        .iter()
        .filter_map(|info| Some((rank(info, query)?, *info)))
        .filter(|(rank, _)| *rank <= worst);
    let ranked: Vec<_> = ranked.collect();
    let least = ranked.iter().map(|(rank, _)| *rank).min();
    let best = ranked.into_iter().filter(|(rank, _)| Some(*rank) == least);
    best.map(|(_, info)| info).collect()
}

fn age_of(found: &Found) -> Age {
    match found {
        Found::Live(_) | Found::Silent(_) => Age::Alive,
        Found::Ended(_) | Found::Lost(_) => Age::Over,
    }
}

/// The worst rank of a query that is meant exactly, and of any that fits.
const EXACT: u8 = 1;
const ANY: u8 = u8::MAX;

/// How well a query fits; less is better.
fn rank(info: &Info, query: &str) -> Option<u8> {
    let lower = query.to_lowercase();
    let name = info.name.as_deref().unwrap_or_default().to_lowercase();
    let dir = info
        .cwd
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let command = info.command.join(" ").to_lowercase();
    if lower.is_empty() {
        return None;
    }
    let ranks = [
        info.id == query || query.parse() == Ok(info.pid),
        name == lower,
        dir == lower,
        name.starts_with(&lower),
        name.contains(&lower) || dir.contains(&lower),
        command.contains(&lower),
    ];
    ranks
        .iter()
        .position(|fits| *fits)
        .and_then(|at| u8::try_from(at).ok())
}

/// How the session ended that is meant exactly, if it did.
pub(super) fn over(context: &Context, query: &str) -> Option<Failure> {
    let info = choose(context, query, Age::Over, EXACT).ok().flatten()?;
    let how = info.ended.clone()?;
    let failure = Failure::new(format!("{} {}", title(&info), how.words()));
    Some(failure.hint(format!("`vmux logs {}` has what it wrote", info.id)))
}

/// A session that the daemon knows, and that a holder keeps.
fn by_daemon(context: &Context, query: &str) -> anyhow::Result<Info> {
    let none = || {
        over(context, query).unwrap_or_else(|| {
            Failure::new(format!("no hosted session fits {query:?}"))
                .hint("`vmux start` starts one; `vmux switch` goes to those in other terminals")
        })
    };
    let find = PreviewArgs {
        target: target(query).named(),
        messages: 1,
    };
    let Ok(preview) = context.call(find) else {
        return Err(none().into());
    };
    let session = preview.session;
    above(context, session.pid).ok_or_else(|| {
        Failure::new(format!("{} is in a terminal of its own", session.title()))
            .hint("`vmux switch` goes there; only what `vmux start` started can be attached to")
            .into()
    })
}

/// A session in a line.
pub(super) fn line(info: &Info) -> CleanText {
    let name = info.name.as_deref().unwrap_or("-");
    CleanText::line(&format!(
        "{}  {name}  {}  {}",
        info.id,
        info.cwd.display(),
        info.command.join(" ")
    ))
}

/// What a session is called on its terminal: its name, or its directory's.
pub(super) fn title(info: &Info) -> CleanText {
    let dir = info.cwd.file_name().unwrap_or(info.cwd.as_os_str());
    let dir = dir.to_string_lossy();
    CleanText::line(info.name.as_deref().unwrap_or(&dir))
}

/// Says beside the output that nothing is hosted.
pub(super) fn say_none() {
    exit::say("No hosted sessions. `vmux start` starts one.\n");
}

/// Whether what keeps a session is of those that systemd manages for its user.
pub(super) fn ends_with_logins(info: &Info) -> bool {
    let found = group::of(Some(Pid(info.holder))).ok().flatten();
    found.is_some_and(|found| group::is_of_manager(&found))
}

/// Whether those end with the user's last login, as far as can be known.
pub(super) fn logins_end(context: &Context) -> bool {
    logind::logins(&context.environ).is_ok_and(|logins| !logins.lingers)
}

/// A connection that only asks.
pub(super) fn link(context: &Context, info: &Info) -> Result<Link, Failure> {
    let socket = Place::of(&context.paths).socket(&info.id);
    Link::connect(&socket, &Hello::default(), PATIENCE).map_err(|error| {
        Failure::new(format!(
            "could not reach the holder of {}: {error}",
            info.id
        ))
    })
}

/// A failure of a connection, in words.
pub(super) fn failed(what: &str, info: &Info, error: &std::io::Error) -> Failure {
    Failure::new(format!("could not {what} {}: {error}", info.id))
}

/// The key that detaches, as configured; `off` is none.
pub(super) fn detach_key(words: Option<&str>) -> Result<Option<DetachKey>, Failure> {
    match words {
        None => Ok(Some(DetachKey::default())),
        Some("off") => Ok(None),
        Some(words) => DetachKey::parse(words).map(Some).map_err(|error| {
            Failure::new(format!("could not read the detach key: {error}")).exit(Exit::Usage)
        }),
    }
}
