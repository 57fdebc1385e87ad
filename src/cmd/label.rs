//! `vmux label`

use super::ask::{Context, target};
use super::out;
use crate::cli::Label;
use crate::exit::Exit;
use crate::protocol::{LabelArgs, Request};

pub(super) fn run(context: &Context, args: &Label) -> anyhow::Result<Exit> {
    let label = args.text.clone().unwrap_or_default();
    let request = Request::Label(LabelArgs {
        target: target(&args.query),
        label,
    });
    let (reply, _) = context.ask(&request)?;
    if let Some(session) = reply.sessions.first() {
        let line = match &session.label {
            Some(label) => format!("{}  {label}\n", session.id),
            None => format!("{}  {} has no label now\n", session.id, session.title()),
        };
        out::write(line.as_bytes())?;
    }
    Ok(Exit::Done)
}
