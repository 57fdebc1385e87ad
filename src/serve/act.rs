//! What is done to a session, or read of it, on request.

use std::path::{Path, PathBuf};

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::agent::{self, Agent, Message, Speaker};
use crate::capture::cache;
use crate::capture::index::Head;
use crate::core::model::{Decision, Dialog, Session, Trouble, TroubleCode, time};
use crate::core::text::CleanText;
use crate::protocol::reply::{Committed, Contents, PreviewMessage};
use crate::sys::git::{self, GitEnv};
use crate::sys::paths::Paths;
use crate::sys::proc::Proc;

/// Commits of a session that are told at most.
const COMMITS: usize = 5;
/// Messages of a conversation that are read at most.
const MESSAGES: usize = 500;

/// Reads the last messages of a session's conversation, 500 at most, and its last commits.
///
/// # Errors
/// In words.
pub fn read_preview(session: &Session, messages: usize) -> Result<Contents, String> {
    session
        .here()
        .map_err(|trouble| trouble.message.to_string())?;
    let Some(agent) = agent::by_name(&session.agent) else {
        return Ok(Contents::default());
    };
    let read = agent.messages(session, messages.min(MESSAGES))?;
    let words = |speaker| match speaker {
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
    };
    let shown = |m: Message| PreviewMessage {
        role: CleanText::line(words(m.speaker)),
        text: m.text,
        at: m.at,
    };
    Ok(Contents {
        messages: read.into_iter().map(shown).collect(),
        commits: commits(session),
    })
}

/// The last commits of its repository that a session had part in, where that is kept. From one small
/// file: no child is started.
fn commits(session: &Session) -> Vec<Committed> {
    let found = git::find(Path::new(&session.cwd.0), &GitEnv::default());
    let (Ok(Some(repository)), Some(conversation)) = (found, &session.session_id) else {
        return Vec::new();
    };
    let heads = cache::heads(repository.common(), conversation, COMMITS);
    let shown = |head: Head| Committed {
        commit: CleanText::line(&head.commit),
        subject: CleanText::line(&head.subject),
        at: time::from_seconds(head.at),
    };
    heads.into_iter().map(shown).collect()
}

/// The agent of a session that can be answered through the agent itself, and where that keeps its
/// files.
fn answers(session: &Session, paths: &Paths) -> Result<(&'static dyn Agent, PathBuf), String> {
    session
        .here()
        .map_err(|trouble| trouble.message.to_string())?;
    let agent = agent::by_name(&session.agent).filter(|agent| agent.answers());
    let agent = agent.ok_or("it asks nothing that can be answered from here")?;
    let own = session.config_dir.as_ref().map(|dir| PathBuf::from(&**dir));
    let config = own.unwrap_or_else(|| agent.config_dir(&paths.environ, &paths.home));
    Ok((agent, config))
}

/// What a session asks, read through its agent.
///
/// # Errors
/// In words.
pub fn read_dialog(session: &Session, paths: &Paths) -> Result<Dialog, String> {
    let (agent, config) = answers(session, paths)?;
    agent.dialog(session, &config)
}

/// Answers what a session asks through its agent.
///
/// # Errors
/// Why that cannot be, in words.
pub fn decide(
    session: &Session,
    paths: &Paths,
    request: Option<u64>,
    decision: &Decision,
) -> Result<(), String> {
    let (agent, config) = answers(session, paths)?;
    agent.decide(session, &config, request, decision)
}

/// Asks a session's process to end, as a closed terminal would. The descriptor holds on to the
/// process, so that a pid that is given out again meanwhile is never hit.
///
/// # Errors
/// `Gone` if it has ended; `Elsewhere`; what the kernel says otherwise.
pub fn end(session: &Session) -> Result<(), Trouble> {
    let key = session.here()?;
    let gone = || Trouble::new(TroubleCode::Gone, "its process has ended");
    let pid = rustix::process::Pid::from_raw(key.pid.0.cast_signed()).ok_or_else(gone)?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    let proc = Proc::open(Path::new("/proc")).map_err(|_| gone())?;
    if proc.key(key.pid) != Some(key) {
        return Err(gone());
    }
    pidfd_send_signal(&descriptor, Signal::TERM).map_err(|error| {
        Trouble::new(
            TroubleCode::FocusRefused,
            &format!("the kernel refused: {error}"),
        )
    })
}
