//! `vmux bar`: what waits, in the terms of a status bar. Once, or for as long as the bar reads.
//!
//! A bar shows whatever is written to it, and may drop a block whose command fails: errors go to
//! standard error only, and the text is empty.

mod click;
mod follow;

use std::time::Duration;

use super::call::{Context, failure, unreachable_daemon};
use super::out;
use crate::cmd::cli::{Bar, BarFormat};
use crate::cmd::exit::{self, Exit};
use crate::frontend::bar::{Button, Format, Look};
use crate::protocol::reply::Listed;
use crate::protocol::request::ListArgs;
use crate::sys::clock::{self, Deadline};

/// Longest wait for sessions, the start of a daemon included: bars run their blocks one after
/// the other, or leave a gap until they have ended.
const PATIENCE: Duration = Duration::from_millis(250);

pub(super) fn run(context: &Context, args: &Bar) -> anyhow::Result<Exit> {
    let format = match args.format {
        BarFormat::I3blocks => Format::I3blocks,
        BarFormat::I3bar => Format::I3bar,
        BarFormat::Waybar => Format::Waybar,
        BarFormat::Polybar => Format::Polybar,
        BarFormat::Json => Format::Json,
    };
    if args.follow {
        return follow::run(context, format);
    }
    // i3blocks runs the command once more for a click.
    let button = context.environ.text("BLOCK_BUTTON");
    if let Some(button) = button.filter(|_| format == Format::I3blocks)
        && let Some(button) = Button::parse(button)
    {
        drop(click::perform(context, button));
    }
    let now = clock::now();
    let text = match list(context) {
        Ok(reply) => Look::of(&reply.sessions, now).render(format, false),
        Err(error) => {
            exit::complain(&error);
            Look::off("", now).render(format, false)
        }
    };
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

fn list(context: &Context) -> anyhow::Result<Listed> {
    let list = ListArgs::default();
    if context.no_daemon {
        return context.call(list);
    }
    let deadline = Deadline::after(PATIENCE);
    let mut client = context.connect_within(PATIENCE, PATIENCE)?;
    let reply = client.call(&list, deadline.left());
    context.note(client.other());
    let reply = reply.map_err(|error| unreachable_daemon(&error))?;
    reply.map_err(|refusal| failure(&refusal).into())
}
