//! `vmux preview`

use super::ask::{Context, target};
use super::out;
use crate::cmd::cli::Preview;
use crate::cmd::exit::Exit;
use crate::frontend::preview;
use crate::protocol::{PreviewArgs, Request};
use crate::sys::clock;

pub(super) fn run(context: &Context, args: &Preview) -> anyhow::Result<Exit> {
    let request = Request::Preview(PreviewArgs {
        target: target(&args.query),
        messages: args.messages,
    });
    let (reply, _) = context.ask(&request)?;
    if args.json {
        out::write(&reply.render())?;
        return Ok(Exit::Done);
    }
    let mut lines = Vec::new();
    if let Some(session) = reply.sessions.first() {
        lines = preview::head(session, clock::now());
    }
    lines.extend(preview::messages(&reply.preview));
    let text = preview::render(&lines, out::colored(&context.environ));
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}
