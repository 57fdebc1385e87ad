//! `vmux why --go`: to the session that wrote a line, alive or not.

use std::path::Path;
use std::sync::Arc;

use super::{Found, again};
use crate::agent;
use crate::cmd::call::{Context, has_terminal};
use crate::cmd::cli::Why;
use crate::cmd::exit::{Exit, Failure};
use crate::cmd::{ask, moves, new, out};
use crate::core::model::{ConversationId, Past, Project, Session};
use crate::core::text::{CleanText, shell_word};
use crate::notify;
use crate::protocol::request::ListArgs;

/// Goes to the window of the session; if it has ended, offers to go on with its conversation.
pub(super) fn go(context: &Context, args: &Why, found: &Found) -> anyhow::Result<Exit> {
    let done = try_to(context, args, found);
    // A key of an editor has no terminal.
    if let Err(error) = &done
        && !has_terminal()
    {
        notify::message(&context.environ, "vmux", &format!("{error:#}"));
    }
    done
}

fn try_to(context: &Context, args: &Why, found: &Found) -> anyhow::Result<Exit> {
    let conversations = found.conversations();
    let all = ListArgs {
        all: true,
        ..ListArgs::default()
    };
    if conversations.is_empty() {
        let words = "could not go anywhere: no recorded session wrote it";
        return Err(Failure::new(words).into());
    }
    let sessions = context.call(all)?.sessions;
    let (agent, id) = match &conversations[..] {
        [one] => one,
        several => the_one_alive(several, &sessions).ok_or_else(|| unclear(args, several))?,
    };
    if let Some(session) = alive(&sessions, id) {
        moves::to(context, &session.id)?;
        return Ok(Exit::Done);
    }
    offer(context, args, agent, id)
}

fn alive<'s>(sessions: &'s [Arc<Session>], id: &ConversationId) -> Option<&'s Session> {
    let mut sessions = sessions.iter().map(AsRef::as_ref);
    sessions.find(|session: &&Session| session.session_id.as_ref() == Some(id))
}

type Named = (String, ConversationId);

fn the_one_alive<'c>(several: &'c [Named], sessions: &[Arc<Session>]) -> Option<&'c Named> {
    let mut living = several
        .iter()
        .filter(|(_, id)| alive(sessions, id).is_some());
    let one = living.next()?;
    living.next().is_none().then_some(one)
}

fn unclear(args: &Why, several: &[Named]) -> Failure {
    let mut words = format!(
        "could not tell which session is meant: {} comes of several:",
        again(&args.what)
    );
    for (agent, id) in several.iter().take(9) {
        words.push_str(&format!("\n  {id}  {agent}"));
    }
    let hint = "ask for one line, or `vmux switch ID`";
    Failure::new(words).hint(hint).exit(Exit::Usage)
}

fn offer(context: &Context, args: &Why, agent: &str, id: &ConversationId) -> anyhow::Result<Exit> {
    let projects = new::projects(context, new::PATIENCE)?;
    let Some((past, dir)) = find(&projects, id) else {
        return Err(gone(agent, id).into());
    };
    let command = command(agent, id).unwrap_or_default();
    let question = format!(
        "{} has ended. Go on with it (`{command}` in {})?",
        past.title,
        CleanText::line(&dir.to_string_lossy())
    );
    let hint = format!("--yes goes on without asking, `vmux new --resume {id}` as well");
    if !args.yes && !ask::confirmed(&question, "whether to go on with its conversation", &hint)? {
        return Ok(Exit::Cancelled);
    }
    let words = new::resume(context, past, dir)?;
    out::write(format!("{}\n", words.trim_end()).as_bytes())?;
    Ok(Exit::Done)
}

fn find<'p>(all: &'p [Project], id: &ConversationId) -> Option<(&'p Past, &'p Path)> {
    all.iter().find_map(|project| {
        let past = project.past.iter().find(|past| past.conversation == *id)?;
        Some((past, Path::new(&project.dir.0)))
    })
}

/// The command that goes on with a conversation, as a shell takes it.
pub(super) fn command(agent: &str, id: &ConversationId) -> Option<String> {
    let words = agent::by_name(agent)?.go_on(&[], id)?;
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    Some(words.join(" "))
}

fn gone(agent: &str, id: &ConversationId) -> Failure {
    let words =
        format!("could not go to {id}: it has ended, and its conversation is not found here");
    let failure = Failure::new(words);
    match command(agent, id) {
        Some(command) => failure.hint(format!(
            "conversations are deleted after a while; `{command}` in its directory would go on with it"
        )),
        None => failure,
    }
}
