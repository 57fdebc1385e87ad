//! `vmux end`

use std::time::Duration;

use super::call::{Context, target};
use super::{ask, hosted, out};
use crate::cmd::cli::End;
use crate::cmd::exit::{Exit, Failure};
use crate::frontend::row;
use crate::hosted::Info;
use crate::hosted::place::Place;
use crate::protocol::request::{EndArgs, PreviewArgs, Target};
use crate::sys::clock;

/// Longest wait for a session to end: it is asked, told and killed by then.
const PATIENCE: Duration = Duration::from_secs(12);

pub(super) fn run(context: &Context, args: &End) -> anyhow::Result<Exit> {
    if let Some(info) = hosted::exactly(context, &args.query)? {
        let question = format!("End {}?", hosted::line(&info));
        if !args.yes && !confirmed(&question)? {
            return Ok(Exit::Cancelled);
        }
        return end_hosted(context, &info);
    }
    if let Some(record) = hosted::lost(context, &args.query)? {
        let line = hosted::line(&record.session);
        if record.still_runs() {
            let pid = record.session.pid;
            let words =
                format!("could not end {line}: its holder is gone, and the next one awaited");
            let hint = format!("it goes on then; `kill {pid}` tells its program to end now");
            return Err(Failure::new(words).hint(hint).into());
        }
        if !args.yes
            && !confirmed(&format!(
                "Forget {line}, which `vmux restore` would bring back?"
            ))?
        {
            return Ok(Exit::Cancelled);
        }
        Place::of(&context.paths).let_go(&record.session.id)?;
        out::write(format!("{}  is not to be restored\n", record.session.id).as_bytes())?;
        return Ok(Exit::Done);
    }
    // Which session is meant is settled before anything is asked; then only its id counts.
    let find = PreviewArgs {
        target: target(&args.query).named(),
        messages: 1,
    };
    let found = context.call(find);
    let session = found
        .map_err(|error| hosted::over(context, &args.query).map_or(error, Into::into))?
        .session;
    let state = row::state_words(&session, clock::now());
    if !args.yes
        && !confirmed(&format!(
            "End {} ({state}, {})?",
            session.title(),
            session.cwd.clean()
        ))?
    {
        return Ok(Exit::Cancelled);
    }
    // One in a terminal within that ends alone.
    if let Some(info) = hosted::around(context, session.pid) {
        return end_hosted(context, &info);
    }
    let target = Target {
        id: Some(session.id.clone()),
        ..Target::default()
    };
    context.call(EndArgs { target })?;
    out::write(format!("{}  {} was told to end\n", session.id, session.title()).as_bytes())?;
    Ok(Exit::Done)
}

/// Ends a hosted session with all that runs in it, and says how it ended.
fn end_hosted(context: &Context, info: &Info) -> anyhow::Result<Exit> {
    let mut link = hosted::link(context, info)?;
    let ended = link
        .end(PATIENCE)
        .map_err(|error| hosted::failed("end", info, &error))?;
    out::write(format!("{}  {}\n", info.id, ended.words()).as_bytes())?;
    Ok(Exit::Done)
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    let hint = "--yes ends it without asking";
    ask::confirmed(question, "whether to end the session", hint)
}
