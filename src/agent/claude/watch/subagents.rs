//! The transcripts of a session's subagents, read only while they tell what nothing else does.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};

use crate::agent::claude::facts::{LastLine, TranscriptFact, has_call};
use crate::agent::claude::find;
use crate::agent::claude::tail::Follower;
use crate::core::model::{CallNature, ConversationId, time};

/// Subagents that are followed at once, those written last.
const MOST: usize = 8;
/// Clocks of the file system and of the lines in it differ by less.
const SLACK: TimeDelta = TimeDelta::seconds(1);
/// Bytes of a transcript in which the conversation is named, in its first line.
const HEAD: usize = 4 * 1024;

/// The subagents of one session.
#[derive(Debug, Default)]
pub(super) struct Subagents {
    followers: Vec<Follower>,
}

impl Subagents {
    /// Follows the subagents of `conversation` that wrote since then.
    pub(super) fn refresh(
        &mut self,
        transcript: &Path,
        conversation: &ConversationId,
        since: DateTime<Utc>,
    ) {
        let since = SystemTime::from(time::before(since, SLACK));
        let own = find::subagents(transcript);
        let mut found = find::subagents_in(&own, since);
        if found.is_empty()
            && let Some(project) = transcript.parent()
        {
            found = find::subagents_in(project, since);
            found.retain(|path| self.follows(path) || names(path, conversation));
        }
        found.truncate(MOST);
        self.followers
            .retain(|f| found.iter().any(|path| path == f.path()));
        for path in found {
            let known = self.followers.iter_mut().find(|f| f.path() == path);
            match known.map(Follower::refresh) {
                Some(Ok(_)) => {}
                // Gone, or unreadable: then it tells nothing.
                Some(Err(_)) => self.followers.retain(|f| f.path() != path),
                None => self.followers.extend(Follower::open_subagent(&path).ok()),
            }
        }
    }

    fn follows(&self, path: &Path) -> bool {
        self.followers.iter().any(|f| f.path() == path)
    }

    /// The subagent whose call between these times asks, the last of them; else the last whose call
    /// may ask.
    pub(super) fn asking(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<TranscriptFact> {
        let asks = |f: &Follower| has_call(&f.conversation().pending, &CallNature::ASKING);
        let asking = self.followers.iter().filter(|follower| {
            let conversation = follower.conversation();
            let between = |at| time::before(since, SLACK) <= at && at <= time::after(until, SLACK);
            conversation.last == LastLine::ToolCall
                && (asks(follower) || has_call(&conversation.pending, &[CallNature::Other]))
                && conversation.at.is_some_and(between)
        });
        asking
            .max_by_key(|f| (asks(f), f.conversation().at))
            .map(|f| f.fact(now))
    }

    pub(super) fn clear(&mut self) {
        self.followers.clear();
    }
}

/// Whether a subagent's transcript belongs to this conversation, by its first line.
fn names(path: &Path, conversation: &ConversationId) -> bool {
    let mut head = vec![0; HEAD];
    let read = File::open(path).and_then(|mut file| file.read(&mut head));
    let head = String::from_utf8_lossy(&head[..read.unwrap_or(0)]).into_owned();
    head.contains(&format!("\"sessionId\":\"{conversation}\""))
}

/// The directory to watch for subagents of a transcript: their own, or the one it will be in.
pub(super) fn watched(transcript: &Path) -> Option<PathBuf> {
    let own = find::subagents(transcript);
    own.ancestors()
        .take(2)
        .find(|dir| dir.is_dir())
        .map(Path::to_path_buf)
}
