//! `vmux completions`

use super::out;
use crate::cmd::cli::{self, Completions};
use crate::cmd::exit::Exit;

pub(super) fn run(args: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "vmux", &mut script);
    out::write(&script)?;
    Ok(Exit::Done)
}
