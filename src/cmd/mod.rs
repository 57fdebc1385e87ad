//! The verbs: one file each. Parse, call the library, print.

mod agents;
mod answer;
mod ask;
mod attach;
mod bar;
mod call;
mod capture;
mod check;
pub mod cli;
mod complete;
mod completions;
mod config;
mod daemon;
mod demo;
mod dmenu;
mod doctor;
mod end;
mod enter;
mod events;
pub mod exit;
mod explain;
mod first;
mod history;
mod hook;
mod hooks;
mod hosted;
mod list;
mod log;
mod look_at;
mod man;
mod mark;
mod menu;
mod moves;
pub mod new;
mod open;
mod out;
mod pick;
mod preview;
mod protocol;
mod restore;
pub mod rofi;
mod share;
mod start;
mod status;
mod upgrade;
mod why;

pub use call::{Context, failure, no_sessions};
pub use enter::mistyped;

use crate::cmd::cli::{Cli, Verb};
use crate::cmd::exit::{Exit, Failure};
use crate::sys::ground::apart;

/// Runs a call that the words after its verb are plain enough for; `None` for any other.
type Hot = fn(&[&str]) -> Option<anyhow::Result<Exit>>;

/// What is done before clap builds its tree, by its first word: what tools, bars, keys and rofi
/// call often, and what would keep that tree in memory for as long as it runs. rofi's row text
/// comes as an argument and may look like an option, so that clap must not see it either.
const HOT: [(&str, Hot); 13] = [
    ("hook", hook::run_hot),
    ("rofi", rofi::run_hot),
    ("list", list::run_hot),
    ("ls", list::run_hot),
    ("switch", moves::switch_hot),
    ("next", moves::next_hot),
    ("back", moves::back_hot),
    ("daemon", daemon::run_hot),
    (apart::VERB, look_at::run_hot),
    ("stand-in", demo::run_hot),
    (complete::VERB, complete::run_hot),
    ("--version", version_hot),
    ("-V", version_hot),
];

fn version_hot(words: &[&str]) -> Option<anyhow::Result<Exit>> {
    let text = concat!("vmux ", env!("CARGO_PKG_VERSION"), "\n");
    let write = || Ok(out::write(text.as_bytes()).map(|()| Exit::Done)?);
    (words.len() == 1).then(write)
}

/// Runs a command line that clap need not see; `None` if it has to.
#[must_use]
pub fn run_hot(words: &[String]) -> Option<anyhow::Result<Exit>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = words.first()?;
    let (_, run) = HOT.iter().find(|(word, _)| word == first)?;
    run(&words)
}

/// Runs a parsed command line.
///
/// # Errors
/// What could not be done, for [`crate::cmd::exit::conclude`].
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    let context = Context::new(cli.socket.as_deref(), cli.no_daemon)?;
    match (cli.verb, cli.dir) {
        (None, None) => list::run_alone(&context),
        (None, Some(dir)) => enter::run(&context, &dir),
        (Some(verb), None) => run_verb(&context, verb),
        (Some(_), Some(dir)) => {
            let words = format!(
                "could not tell what {} stands for, before a verb",
                dir.display()
            );
            Err(Failure::new(words).exit(Exit::Usage).into())
        }
    }
}

fn run_verb(context: &Context, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::List(args) => list::run(context, &args),
        Verb::Switch(args) => moves::switch(context, &args),
        Verb::Next(args) => moves::next(context, &args),
        Verb::Back(args) => moves::back(context, &args),
        Verb::Start(args) => start::run(context, &args),
        Verb::Attach(args) => attach::run(context, &args),
        Verb::Detach(args) => attach::leave(context, &args),
        Verb::History(args) => history::history(context, &args),
        Verb::Logs(args) => history::logs(context, &args),
        Verb::Restore(args) => restore::run(context, &args),
        Verb::Send(args) => history::send(context, &args),
        Verb::Upgrade(args) => upgrade::run(context, &args),
        Verb::New(args) => new::run(context, &args),
        Verb::Open(args) => open::run(context, &args),
        Verb::Pick(args) => pick::run(context, &args),
        Verb::Menu(args) => menu::run(context, &args),
        Verb::Dmenu(args) => dmenu::run(context, &args),
        Verb::Rofi(_) => Ok(rofi::run(context)),
        Verb::Preview(args) => preview::run(context, &args),
        Verb::Label(args) => mark::label(context, &args),
        Verb::Snooze(args) => mark::snooze(context, &args),
        Verb::Pin(args) => mark::pin(context, &args),
        Verb::End(args) => end::run(context, &args),
        Verb::Answer(args) => answer::run(context, &args),
        Verb::Explain(args) => explain::run(context, &args),
        Verb::Events(args) => events::run(context, args.json),
        Verb::Status(args) => status::run(context, args.json),
        Verb::Bar(args) => bar::run(context, &args),
        Verb::Capture(args) => capture::run(context, &args.verb),
        Verb::Log(args) => log::run(context, &args),
        Verb::Why(args) => why::run(context, &args),
        Verb::Hooks(args) => hooks::run(context, &args.verb),
        Verb::Hook(args) => {
            hook::report(&args.event);
            Ok(Exit::Done)
        }
        Verb::Daemon(args) => daemon::run(context, &args),
        Verb::Doctor(args) => doctor::run(context, args.json),
        Verb::Config(args) => config::run(context, &args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Man(args) => man::run(&args),
        Verb::Protocol => protocol::run(),
    }
}
