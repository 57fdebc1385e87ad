//! `vmux end`

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::ask::{Context, target};
use super::out;
use crate::cmd::cli::End;
use crate::cmd::exit::{Exit, Failure};
use crate::frontend::row;
use crate::protocol::{EndArgs, PreviewArgs, Request, Target};
use crate::sys::clock;

pub(super) fn run(context: &Context, args: &End) -> anyhow::Result<Exit> {
    // Which session is meant is settled before anything is asked; then only its id counts.
    let find = Request::Preview(PreviewArgs {
        target: target(&args.query).named(),
        messages: 1,
    });
    let (reply, _) = context.ask(&find)?;
    let Some(session) = reply.sessions.first() else {
        return Err(Failure::new("the session has ended").into());
    };
    let state = row::state_words(session, clock::now());
    if !args.yes
        && !confirmed(&format!(
            "End {} ({state}, {})?",
            session.title(),
            session.cwd.clean()
        ))?
    {
        return Ok(Exit::Cancelled);
    }
    let target = Target {
        id: Some(session.id.clone()),
        ..Target::default()
    };
    context.ask(&Request::End(EndArgs { target }))?;
    out::write(format!("{}  {} was told to end\n", session.id, session.title()).as_bytes())?;
    Ok(Exit::Done)
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::new("could not ask whether to end the session: this is no terminal")
                .hint("--yes ends it without asking")
                .exit(Exit::Usage)
                .into(),
        );
    }
    let mut error = std::io::stderr().lock();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
