//! `vmux-pick`: sessions in skim's finder, in the terminal. `vmux pick` execs it.
//!
//! A binary of its own, because linking skim costs every start of a program, brings an async
//! runtime and sets the allocator.

mod engine;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use vmux::cmd::{Context, no_sessions};
use vmux::exit::{self, Exit};
use vmux::protocol::{ListArgs, Request};

/// Choose a session in the terminal
#[derive(Parser, Debug)]
#[command(name = "vmux-pick", version, about, max_term_width = 100)]
struct Args {
    /// Print the ids that fit a query, best first, without asking
    #[arg(long, value_name = "QUERY", hide = true, allow_hyphen_values = true)]
    filter: Option<String>,
}

fn main() -> ExitCode {
    exit::conclude(run(&Args::parse()))
}

fn run(args: &Args) -> anyhow::Result<Exit> {
    let context = Context::new(None, false)?;
    let (reply, _) = context.ask(&Request::List(ListArgs::default()))?;
    if reply.sessions.is_empty() {
        return Err(no_sessions().into());
    }
    let ranked = engine::rank(args.filter.as_deref().unwrap_or_default(), &reply.sessions)?;
    let lines: String = ranked.iter().map(|id| format!("{id}\n")).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(if ranked.is_empty() {
        Exit::Failed
    } else {
        Exit::Done
    })
}
