//! `vmux history`, `vmux logs` and `vmux send`: what a session wrote, and keys for it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::call::Context;
use super::{hosted, out};
use crate::cmd::cli::{History, Logs, Send};
use crate::cmd::exit::{self, Exit, Failure};
use crate::hosted::place::{Found, Place};
use crate::hosted::plain::Plain;
use crate::hosted::{Info, frame};
use crate::sys::clock::{self, Deadline};
use crate::sys::exec;

/// How often a log that is followed is looked at.
const BEAT: Duration = Duration::from_millis(200);
/// Longest time from the end of a session to that of its holder.
const LAST: Duration = Duration::from_secs(2);
/// Longest wait for a history of ten thousand lines.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a history.
const LARGEST: usize = 64 * 1024 * 1024;

pub(super) fn history(context: &Context, args: &History) -> anyhow::Result<Exit> {
    let info = hosted::find(context, &args.query)?;
    let mut link = hosted::link(context, &info)?;
    let failed = |error: io::Error| hosted::failed("read the history of", &info, &error);
    link.send(frame::HISTORY, &[u8::from(args.colours)])
        .map_err(failed)?;
    let deadline = Deadline::after(PATIENCE);
    let mut all = Vec::new();
    while all.len() < LARGEST {
        let piece = link.wait(frame::TEXT, deadline).map_err(failed)?;
        if piece.is_empty() {
            break;
        }
        all.extend(piece);
    }
    // One of another version may let more pass.
    out::write(&Plain::new(args.colours).feed(&all))?;
    Ok(Exit::Done)
}

pub(super) fn logs(context: &Context, args: &Logs) -> anyhow::Result<Exit> {
    let info = hosted::find_any(context, &args.query)?;
    let Some(path) = &info.log else {
        return Err(Failure::new(format!("{} keeps no log", info.id))
            .hint("it was started with --no-log; `vmux history` has what it remembers")
            .into());
    };
    // To a terminal goes text alone: the sequences of another size would be noise there.
    let mut plain = (!args.raw).then(Plain::default);
    if io::stdout().is_terminal() && args.raw {
        log::warn!("the terminal is given all that the session wrote, modes too");
    }
    let before = path.with_extension("log.1");
    if before.exists() {
        copy(&mut open(&before)?, &mut plain)?;
    }
    let mut file: Option<File> = None;
    loop {
        // Asked first: what it wrote before its end is there then.
        let over = !args.follow || is_over(context, &info);
        let now = File::open(path).ok();
        if identity(now.as_ref()) != identity(file.as_ref()) {
            // The one before was put aside.
            if let Some(before) = &mut file {
                copy(before, &mut plain)?;
            }
            file = now.or(file);
        }
        // Nothing may have been written yet.
        if let Some(file) = &mut file {
            copy(file, &mut plain)?;
        }
        if over {
            tell_end(context, &info.id);
            return Ok(Exit::Done);
        }
        clock::sleep(BEAT);
    }
}

/// Says beside a log how its session ended, if it has.
fn tell_end(context: &Context, id: &str) {
    let found = Place::of(&context.paths).find(id, hosted::PATIENCE);
    if let Some(Found::Ended(info)) = found
        && let Some(how) = &info.ended
    {
        exit::say(&format!("{} {}\n", hosted::title(&info), how.words()));
    }
}

/// Whether a session writes nothing more.
fn is_over(context: &Context, info: &Info) -> bool {
    match Place::of(&context.paths).find(&info.id, hosted::PATIENCE) {
        Some(Found::Live(_) | Found::Silent(_)) => false,
        // It says so first, and then writes the rest of the log.
        Some(Found::Ended(ended)) => {
            if !exec::wait_for_exit(ended.holder, LAST) {
                log::debug!("the holder of {} has not ended", info.id);
            }
            true
        }
        // Another holder may go on.
        Some(Found::Lost(_)) | None => exec::wait_for_exit(info.pid, Duration::ZERO),
    }
}

/// Device and inode.
fn identity(file: Option<&File>) -> Option<(u64, u64)> {
    let data = file?.metadata().ok()?;
    Some((data.dev(), data.ino()))
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path)
        .map_err(|error| Failure::new(format!("could not read {}: {error}", path.display())).into())
}

/// Copies what is there, without sequences if they are not wanted.
fn copy(file: &mut File, plain: &mut Option<Plain>) -> anyhow::Result<()> {
    let mut block = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(());
        }
        match plain {
            None => out::write(&block[..n])?,
            Some(plain) => out::write(&plain.feed(&block[..n]))?,
        }
    }
}

pub(super) fn send(context: &Context, args: &Send) -> anyhow::Result<Exit> {
    let info = hosted::find(context, &args.query)?;
    let mut link = hosted::link(context, &info)?;
    let mut keys = args.text.clone().into_bytes();
    if args.enter {
        keys.push(b'\r');
    }
    // The answer to the question comes once the keys before it are taken; or the session ended of them.
    let failed = |error: io::Error| hosted::failed("type into", &info, &error);
    link.send(frame::INPUT, &keys).map_err(failed)?;
    match link.info(hosted::PATIENCE) {
        Err(error) if !has_ended(context, &info) => Err(failed(error).into()),
        _ => Ok(Exit::Done),
    }
}

/// Whether a session has ended, and says how.
fn has_ended(context: &Context, info: &Info) -> bool {
    let found = Place::of(&context.paths).find(&info.id, hosted::PATIENCE);
    matches!(found, Some(Found::Ended(_)))
}
