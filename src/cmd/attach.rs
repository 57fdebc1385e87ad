//! `vmux attach` and `vmux detach`

use std::io;
use std::time::Duration;

use super::call::Context;
use super::{hosted, out};
use crate::cmd::cli::{Attach, Detach};
use crate::cmd::exit::{Exit, Failure};
use crate::core::text::CleanText;
use crate::hosted::attach::{Left, Options, attach};
use crate::hosted::place::{Found, Place};
use crate::hosted::{Info, frame};
use crate::sys::clock::{self, Deadline};

/// How long a holder that crashed is waited for, and how often it is looked for.
const COMES_BACK: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(20);

pub(super) fn run(context: &Context, args: &Attach) -> anyhow::Result<Exit> {
    let info = hosted::find(context, &args.query)?;
    show(context, &info, args.read_only, args.detach_key.as_deref())
}

/// Shows a session until somebody leaves, and says why it is shown no longer.
pub(super) fn show(
    context: &Context,
    info: &Info,
    read_only: bool,
    key: Option<&str>,
) -> anyhow::Result<Exit> {
    let inside = hosted::inside(context);
    if inside.as_deref() == Some(&*info.id) {
        return Err(Failure::new(format!(
            "could not attach to {}: this terminal is inside of it",
            info.id
        ))
        .into());
    }
    let configured = context.config().config.detach_key;
    let options = Options {
        read_only,
        key: hosted::detach_key(key.or(configured.as_deref()))?,
        inside,
        asks: !matches!(context.environ.text("TERM"), None | Some("dumb" | "linux")),
        title: hosted::title(info),
    };
    let socket = Place::of(&context.paths).socket(&info.id);
    let failed = |error: io::Error| hosted::failed("attach to", info, &error);
    let mut left = attach(&socket, &options).map_err(failed)?;
    while matches!(left, Left::Lost) && comes_back(context, info) {
        left = attach(&socket, &options).map_err(failed)?;
    }
    let name = CleanText::line(info.name.as_deref().unwrap_or(&info.id));
    let words = match left {
        Left::Detached => format!(
            "detached from {name}; `vmux attach {}` comes back\n",
            info.id
        ),
        Left::Ended(ended) => format!("{name} {}\n", ended.words()),
        Left::Refused(words) => {
            return Err(Failure::new(format!(
                "could not attach to {}: {}",
                info.id,
                CleanText::line(&words)
            ))
            .into());
        }
        Left::Lost => {
            return Err(Failure::new(format!("the holder of {} is gone", info.id)).into());
        }
    };
    // It may have been left because the terminal is gone.
    if let Err(error) = out::write(words.as_bytes()) {
        log::debug!("could not say how it was left: {error}");
    }
    Ok(Exit::Done)
}

/// Whether another holder goes on with the session, after one that has crashed.
fn comes_back(context: &Context, info: &Info) -> bool {
    let place = Place::of(&context.paths);
    let deadline = Deadline::after(COMES_BACK);
    while !deadline.passed() {
        match place.find(&info.id, hosted::PATIENCE) {
            Some(Found::Live(_)) => return true,
            None | Some(Found::Ended(_)) => return false,
            // No event tells of one that listens.
            Some(Found::Lost(_) | Found::Silent(_)) => clock::sleep(AGAIN),
        }
    }
    false
}

pub(super) fn leave(context: &Context, args: &Detach) -> anyhow::Result<Exit> {
    let query = args.query.clone().or_else(|| hosted::inside(context));
    let Some(query) = query else {
        return Err(
            Failure::new("could not detach: this is in no hosted session")
                .hint("`vmux detach NAME` lets all terminals leave that session")
                .exit(Exit::Usage)
                .into(),
        );
    };
    let info = hosted::find(context, &query)?;
    let mut link = hosted::link(context, &info)?;
    link.send(frame::DETACH_ALL, b"")
        .and_then(|()| link.wait(frame::BYE, Deadline::after(hosted::PATIENCE)))
        .map_err(|error| hosted::failed("detach from", &info, &error))?;
    Ok(Exit::Done)
}
