//! `vmux`: the daemon and all verbs.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use vmux::cmd::cli::{self, Cli};
use vmux::cmd::{self, exit};
use vmux::sys::{logger, paths};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some(result) = cmd::run_hot(&words) {
        return exit::conclude(result);
    }
    let matches = cli::command().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => match cmd::mistyped(&words) {
            Some(failure) => return exit::conclude(Err(failure.into())),
            None => error.exit(),
        },
    };
    logger::install(&paths::environment(), log::LevelFilter::Warn);
    exit::conclude(cmd::run(cli))
}
