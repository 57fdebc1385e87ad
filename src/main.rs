//! `vmux`: the daemon and all verbs.

use std::process::ExitCode;

use clap::Parser as _;
use vmux::cmd::{self, cli::Cli, exit};
use vmux::sys::{logger, paths};

fn main() -> ExitCode {
    // The calls that bars and rofi make often are done before clap builds its tree. rofi's row
    // text comes as an argument and may look like an option, so that clap must not see it either.
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // A tool waits for its hooks: nothing is printed, and nothing fails.
    if let Some(event) = cmd::hook_event(&words) {
        cmd::hook(event);
        return ExitCode::SUCCESS;
    }
    if words.first().is_some_and(|word| word == "rofi")
        && !words.iter().any(|word| word == "--help")
    {
        return cmd::rofi::main();
    }
    if let Some(result) = cmd::list_hot(&words) {
        return exit::conclude(result);
    }
    if let Some(result) = cmd::move_hot(&words) {
        return exit::conclude(result);
    }
    if let Some(result) = cmd::daemon_hot(&words) {
        return exit::conclude(result);
    }
    if let [verb] = &words[..]
        && verb == vmux::sys::ground::apart::VERB
    {
        return exit::conclude(cmd::look_at());
    }
    if let [verb, number] = &words[..]
        && verb == "stand-in"
        && let Ok(number) = number.parse()
    {
        return exit::conclude(cmd::play(number));
    }
    let cli = Cli::parse();
    logger::install(&paths::environment(), log::LevelFilter::Warn);
    exit::conclude(cmd::run(cli))
}
