//! `vmux label`, `vmux snooze`, `vmux pin`: what a user says of a session.

use std::time::Duration;

use super::call::{Context, target};
use super::out;
use crate::cmd::cli::{Label, Pin, Snooze};
use crate::cmd::exit::Exit;
use crate::core::model::Session;
use crate::protocol::Verb;
use crate::protocol::reply::Acted;
use crate::protocol::request::{LabelArgs, PinArgs, SnoozeArgs};

pub(super) fn label(context: &Context, args: &Label) -> anyhow::Result<Exit> {
    let verb = LabelArgs {
        target: target(&args.query),
        label: args.text.clone().unwrap_or_default(),
    };
    say(context, verb, |session| match &session.label {
        Some(label) => label.to_string(),
        None => format!("{} has no label now", session.title()),
    })
}

pub(super) fn snooze(context: &Context, args: &Snooze) -> anyhow::Result<Exit> {
    let verb = SnoozeArgs {
        target: target(&args.query),
        seconds: args.duration,
    };
    say(context, verb, |session| match session.snoozed_until {
        Some(_) => {
            let length = length(Duration::from_secs(args.duration.into()));
            format!("{} snoozed for {length}", session.title())
        }
        None => format!("{} is awake", session.title()),
    })
}

/// A length of time in words: `1 day 2h`.
fn length(time: Duration) -> String {
    let words = humantime::format_duration(time).to_string();
    let part = |part: &str| {
        let (number, unit) = part.split_at(part.find(char::is_alphabetic).unwrap_or(part.len()));
        let gap = if unit.len() > 1 { " " } else { "" };
        format!("{number}{gap}{unit}")
    };
    words.split(' ').map(part).collect::<Vec<_>>().join(" ")
}

pub(super) fn pin(context: &Context, args: &Pin) -> anyhow::Result<Exit> {
    let verb = PinArgs {
        target: target(&args.query),
        off: args.off,
    };
    say(context, verb, |session| {
        let how = if session.pinned { "pinned" } else { "unpinned" };
        format!("{} {how}", session.title())
    })
}

fn say<V: Verb<Reply = Acted>>(
    context: &Context,
    verb: V,
    words: impl Fn(&Session) -> String,
) -> anyhow::Result<Exit> {
    let Acted { session } = context.call(verb)?;
    out::write(format!("{}  {}\n", session.id, words(&session)).as_bytes())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_as_it_is_said() {
        for (seconds, words) in [
            (30, "30s"),
            (5400, "1h 30m"),
            (86_400, "1 day"),
            (30 * 86_400 + 60, "30 days 1m"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), words);
        }
    }
}
