//! The verbs: one file each. Parse, call the library, print.

mod answer;
mod ask;
mod bar;
pub mod cli;
mod completions;
mod daemon;
mod demo;
mod dmenu;
mod doctor;
mod end;
mod events;
pub mod exit;
mod explain;
mod hook;
mod hooks;
mod list;
mod look_at;
mod man;
mod mark;
mod menu;
mod moves;
mod out;
mod pick;
mod preview;
pub mod rofi;
pub mod standin;
mod status;

pub use ask::{Context, failure, no_sessions};
pub use daemon::run_hot as daemon_hot;
pub use demo::play;
pub use hook::report as hook;
pub use list::run_hot as list_hot;
pub use look_at::run as look_at;
pub use moves::run_hot as move_hot;

use crate::cmd::cli::{Cli, Verb};
use crate::cmd::exit::Exit;

/// Whether this is the call of a hook, which has to be done before anything else, and cannot fail.
#[must_use]
pub fn hook_event(words: &[String]) -> Option<&str> {
    match words {
        [verb, event] if verb == "hook" && !event.starts_with('-') => Some(event),
        _ => None,
    }
}

/// Runs a parsed command line.
///
/// # Errors
/// What could not be done, for [`crate::cmd::exit::conclude`].
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    let context = Context::new(cli.socket.as_deref(), cli.no_daemon)?;
    match cli.verb {
        Verb::List(args) => list::run(&context, &args),
        Verb::Switch(args) => moves::switch(&context, &args),
        Verb::Next(args) => moves::next(&context, &args),
        Verb::Back(args) => moves::back(&context, &args),
        Verb::Pick(args) => pick::run(&context, &args),
        Verb::Menu(args) => menu::run(&context, &args),
        Verb::Dmenu(args) => dmenu::run(&context, &args),
        Verb::Rofi(_) => Ok(rofi::run(&context)),
        Verb::Preview(args) => preview::run(&context, &args),
        Verb::Label(args) => mark::label(&context, &args),
        Verb::Snooze(args) => mark::snooze(&context, &args),
        Verb::Pin(args) => mark::pin(&context, &args),
        Verb::End(args) => end::run(&context, &args),
        Verb::Answer(args) => answer::run(&context, &args),
        Verb::Explain(args) => explain::run(&context, &args),
        Verb::Events(args) => events::run(&context, args.json),
        Verb::Status(args) => status::run(&context, args.json),
        Verb::Bar(args) => bar::run(&context, &args),
        Verb::Hooks(args) => hooks::run(&context, &args.verb),
        Verb::Hook(args) => {
            hook(&args.event);
            Ok(Exit::Done)
        }
        Verb::Daemon(args) => daemon::run(&context, &args),
        Verb::Doctor(args) => doctor::run(&context, args.json),
        Verb::Demo(args) => demo::run(&args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Man(args) => man::run(&args),
    }
}
