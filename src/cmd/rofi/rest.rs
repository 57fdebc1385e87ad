//! What the daemon does not do for rofi: its own start, and the page of projects.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Call, Rest, ask, connect};
use crate::cmd::call::{Context, vmux_program};
use crate::cmd::new;
use crate::cmd::out::Pieces;
use crate::core::text::CleanText;
use crate::frontend::projects::{Chosen, lines};
use crate::frontend::rofi::keys::Keys;
use crate::frontend::rofi::projects::{self, Asked};
use crate::sys::clock;

/// What is left of rofi's patience when projects were gathered: they still have to be written.
const SHOWN: Duration = Duration::from_millis(60);

pub(super) fn run(
    context: &Context,
    call: &Call,
    rest: Rest,
    out: &mut Pieces,
) -> Result<(), String> {
    match rest {
        Rest::Projects(asked) => new_session(context, call, &asked, out),
        Rest::Start => {
            context.start_daemon(call.deadline.left())?;
            let client = connect(context, call.deadline);
            ask(client.map_err(|error| error.to_string())?, call, out)
        }
    }
}

/// What the page of projects asks for: itself, or a session that another process begins, because
/// rofi holds the keyboard until this one ends.
fn new_session(
    context: &Context,
    call: &Call,
    asked: &Asked,
    out: &mut Pieces,
) -> Result<(), String> {
    let mut word = None;
    let chosen = match asked {
        Asked::Chosen(chosen) => Some(chosen.clone()),
        Asked::Typed => {
            let text = std::env::args_os().next_back().unwrap_or_default();
            let text = text.to_string_lossy();
            let dir = new::typed(context, &text);
            word = Some(format!("{} is no directory.", CleanText::line(&text)));
            dir.map(|dir| Chosen::Begin(dir.to_string_lossy().into_owned()))
        }
        Asked::Page | Asked::Back => None,
    };
    if let Some(chosen) = chosen {
        return begin(&chosen);
    }
    let left = call.deadline.left().saturating_sub(SHOWN);
    let projects = new::projects(context, left).map_err(|error| error.to_string())?;
    let lines = lines(&projects, clock::now());
    let hints = context
        .config()
        .config
        .hints
        .then(|| Keys::of(&call.request.keys));
    let page = projects::page(&lines, word.as_deref(), hints.as_ref());
    out.write_all(&page).map_err(|error| error.to_string())
}

fn begin(chosen: &Chosen) -> Result<(), String> {
    let mut command = Command::new(vmux_program()?);
    command
        .args(chosen.command())
        // They are of this rofi alone, and a session would keep them.
        .env_remove("ROFI_RETV")
        .env_remove("ROFI_INFO")
        .env_remove("ROFI_DATA")
        .env_remove("ROFI_OUTSIDE")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = command.spawn();
    begun
        .map(drop)
        .map_err(|error| format!("could not run vmux: {error}"))
}
