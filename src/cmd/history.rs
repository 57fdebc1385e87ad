//! `vmux history`, `vmux logs` and `vmux send`: what a session wrote, and keys for it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _};
use std::path::Path;
use std::time::Duration;

use super::call::Context;
use super::{hosted, out};
use crate::cmd::cli::{History, Logs, Send};
use crate::cmd::exit::{Exit, Failure};
use crate::hosted::frame;
use crate::hosted::scan::Scanner;
use crate::sys::clock::{self, Deadline};

/// How often a log that is followed is looked at.
const BEAT: Duration = Duration::from_millis(200);
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
    out::write(&all)?;
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
    let mut plain = (!args.raw).then(Scanner::default);
    if io::stdout().is_terminal() && args.raw {
        log::warn!("the terminal is given all that the session wrote, modes too");
    }
    let before = path.with_extension("log.1");
    if before.exists() {
        copy(&mut open(&before)?, &mut plain)?;
    }
    let mut file = match open(path) {
        Ok(file) => file,
        // Nothing was written yet.
        Err(_) if args.follow => wait_for(path)?,
        Err(_) => return Ok(Exit::Done),
    };
    loop {
        copy(&mut file, &mut plain)?;
        if !args.follow || hosted::find_any(context, &info.id)?.ended.is_some() {
            // What came between the last look and the end.
            copy(&mut file, &mut plain)?;
            return Ok(Exit::Done);
        }
        clock::sleep(BEAT);
        // It was put aside, and a new one begun.
        let turned = open(path).is_ok_and(|mut now| {
            let len = now.seek(io::SeekFrom::End(0)).unwrap_or(u64::MAX);
            len < file.stream_position().unwrap_or(0)
        });
        if turned {
            copy(&mut file, &mut plain)?;
            file = open(path)?;
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path)
        .map_err(|error| Failure::new(format!("could not read {}: {error}", path.display())).into())
}

fn wait_for(path: &Path) -> anyhow::Result<File> {
    while !path.exists() {
        clock::sleep(BEAT);
    }
    open(path)
}

/// Copies what is there, without sequences if they are not wanted.
fn copy(file: &mut File, plain: &mut Option<Scanner>) -> anyhow::Result<()> {
    let mut block = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(());
        }
        match plain {
            None => out::write(&block[..n])?,
            Some(scanner) => {
                let mut text = scanner.text(&block[..n]);
                text.retain(|byte| !matches!(byte, 0..=8 | 11..=31 | 127));
                out::write(&text)?;
            }
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
    // The answer to the question comes once the keys before it are taken.
    link.send(frame::INPUT, &keys)
        .and_then(|()| link.info(hosted::PATIENCE))
        .map_err(|error| hosted::failed("type into", &info, &error))?;
    Ok(Exit::Done)
}
