//! `vmux`: the daemon and all verbs.

use std::process::ExitCode;

use clap::Parser as _;
use vmux::cmd::{self, cli::Cli, exit};
use vmux::sys::{logger, paths};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(result) = cmd::run_hot(&words) {
        return exit::conclude(result);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match cmd::mistyped(&words) {
            Some(failure) => return exit::conclude(Err(failure.into())),
            None => error.exit(),
        },
    };
    logger::install(&paths::environment(), log::LevelFilter::Warn);
    exit::conclude(cmd::run(cli))
}
