//! `vmux preview`

use super::call::{Context, target};
use super::out;
use crate::cmd::cli::Preview;
use crate::cmd::exit::Exit;
use crate::frontend::preview;
use crate::protocol::reply::render;
use crate::protocol::request::PreviewArgs;
use crate::sys::clock;

pub(super) fn run(context: &Context, args: &Preview) -> anyhow::Result<Exit> {
    let verb = PreviewArgs {
        target: target(&args.query),
        messages: args.messages,
    };
    let reply = context.call(verb)?;
    if args.json {
        out::write(&render(&Ok(reply)))?;
        return Ok(Exit::Done);
    }
    let now = clock::now();
    let mut lines = preview::head(&reply.session, now);
    lines.extend(preview::commits(&reply.commits, now));
    lines.extend(preview::messages(&reply.preview));
    let text = preview::render(&lines, out::colored(&context.environ));
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}
