//! `vmux preview`

use std::fmt::Write as _;

use super::ask::{Context, target};
use super::out::{self, paint};
use crate::cli::Preview;
use crate::clock;
use crate::exit::Exit;
use crate::model::Session;
use crate::protocol::{PreviewArgs, PreviewMessage, Request};
use crate::row;

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
    let mut text = String::new();
    let colored = out::colored(&context.environ);
    if let Some(session) = reply.sessions.first() {
        push_head(&mut text, session, colored);
    }
    push_messages(&mut text, &reply.preview, colored);
    out::write(text.as_bytes())?;
    Ok(Exit::Done)
}

fn push_head(text: &mut String, session: &Session, colored: bool) {
    let state = row::state_words(session, clock::now());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}  {state}", paint(&session.title(), "1", colored));
    let branch = session.git_branch.as_deref().unwrap_or("-");
    let model = session.model.as_deref().unwrap_or("-");
    let _ = writeln!(
        text,
        "{}",
        paint(
            &format!("{}  {branch}  {model}", session.cwd.clean()),
            "2",
            colored
        )
    );
    if let Some(ask) = &session.ask {
        let _ = writeln!(text, "{}", paint(&format!("asks: {ask}"), "31", colored));
    }
}

/// Messages as people read them: the user's marked, tools in one line.
pub(super) fn push_messages(text: &mut String, messages: &[PreviewMessage], colored: bool) {
    for message in messages {
        text.push('\n');
        let (mark, code) = match &*message.role {
            "user" => ("\u{203a} ", "1"),
            "tool" => ("\u{2022} ", "2"),
            _ => ("", "0"),
        };
        for (n, line) in message.text.lines().enumerate() {
            let start = if n == 0 {
                mark
            } else if mark.is_empty() {
                ""
            } else {
                "  "
            };
            text.push_str(&paint(
                &format!("{start}{line}"),
                code,
                colored && code != "0",
            ));
            text.push('\n');
        }
    }
}
