//! `vmux label`, `vmux snooze`, `vmux pin`: what a user says of a session.

use std::sync::Arc;
use std::time::Duration;

use super::ask::{Context, target};
use super::out;
use crate::cmd::cli::{Label, Pin, Snooze};
use crate::cmd::exit::Exit;
use crate::core::model::Session;
use crate::protocol::{LabelArgs, PinArgs, Request, SnoozeArgs};

pub(super) fn label(context: &Context, args: &Label) -> anyhow::Result<Exit> {
    let request = Request::Label(LabelArgs {
        target: target(&args.query),
        label: args.text.clone().unwrap_or_default(),
    });
    say(context, &request, |session| match &session.label {
        Some(label) => label.to_string(),
        None => format!("{} has no label now", session.title()),
    })
}

pub(super) fn snooze(context: &Context, args: &Snooze) -> anyhow::Result<Exit> {
    let request = Request::Snooze(SnoozeArgs {
        target: target(&args.query),
        seconds: args.duration,
    });
    say(context, &request, |session| match session.snoozed_until {
        Some(_) => {
            let length = Duration::from_secs(args.duration.into());
            let length = humantime::format_duration(length);
            format!("{} snoozed for {length}", session.title())
        }
        None => format!("{} is awake", session.title()),
    })
}

pub(super) fn pin(context: &Context, args: &Pin) -> anyhow::Result<Exit> {
    let request = Request::Pin(PinArgs {
        target: target(&args.query),
        off: args.off,
    });
    say(context, &request, |session| {
        let how = if session.pinned { "pinned" } else { "unpinned" };
        format!("{} {how}", session.title())
    })
}

fn say(
    context: &Context,
    request: &Request,
    words: impl Fn(&Arc<Session>) -> String,
) -> anyhow::Result<Exit> {
    let (reply, _) = context.ask(request)?;
    if let Some(session) = reply.sessions.first() {
        out::write(format!("{}  {}\n", session.id, words(session)).as_bytes())?;
    }
    Ok(Exit::Done)
}
