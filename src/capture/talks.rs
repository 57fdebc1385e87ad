//! Conversations as wholes: what subagents and later turns did belongs to what a person asked.
//! Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::record::Talk;
use crate::core::model::ConversationId;
use crate::core::sorted::Arrange as _;
use crate::core::text::CleanText;
use crate::core::transcript::{Transcript, Turn};

/// A turn, by the places of its transcript and of it in that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TurnAt {
    pub(super) transcript: usize,
    pub(super) turn: usize,
}

/// A prompt, by the places of its conversation and of its turn in that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ask {
    pub(super) talk: usize,
    pub(super) turn: usize,
}

/// A conversation.
struct One<'a> {
    /// The transcript that names it.
    main: &'a Transcript,
    /// Its turns by time, without those of subagents unless there is nothing else.
    turns: Vec<&'a Turn>,
}

/// All conversations.
pub(super) struct Talks<'a> {
    transcripts: &'a [Transcript],
    /// The conversation of each transcript.
    talk: Vec<usize>,
    all: Vec<One<'a>>,
}

impl<'a> Talks<'a> {
    pub(super) fn of(transcripts: &'a [Transcript]) -> Self {
        let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (at, transcript) in transcripts.iter().enumerate() {
            let name = (transcript.agent.as_str(), transcript.conversation.as_str());
            groups.entry(name).or_default().push(at);
        }
        let mut talk = vec![0; transcripts.len()];
        let mut all = Vec::new();
        for group in groups.into_values() {
            for at in &group {
                talk[*at] = all.len();
            }
            let members = || group.iter().map(|at| &transcripts[*at]);
            let main: Vec<&Transcript> = members().filter(|one| one.subagent.is_none()).collect();
            let from = if main.is_empty() {
                members().collect()
            } else {
                main
            };
            let mut turns: Vec<&Turn> = from.iter().flat_map(|one| &one.turns).collect();
            turns.arrange_by_key(|turn| turn.at);
            all.extend(from.last().map(|main| One { main, turns }));
        }
        Self {
            transcripts,
            talk,
            all,
        }
    }

    /// All turns, in no order that matters.
    pub(super) fn turns(&self) -> impl Iterator<Item = (TurnAt, &'a Turn)> + use<'a> {
        self.transcripts
            .iter()
            .enumerate()
            .flat_map(|(transcript, one)| {
                let at = move |turn| TurnAt { transcript, turn };
                one.turns
                    .iter()
                    .enumerate()
                    .map(move |(turn, this)| (at(turn), this))
            })
    }

    /// The prompt for which a turn did what it did: a person's, if there was one before.
    pub(super) fn ask(&self, at: TurnAt) -> Ask {
        let talk = self.talk[at.transcript];
        let turn = &self.transcripts[at.transcript].turns[at.turn];
        let turns = &self.all[talk].turns;
        let own = turns.iter().position(|one| one.id == turn.id);
        let running = || {
            turns
                .partition_point(|one| one.at <= turn.at)
                .saturating_sub(1)
        };
        let own = own.unwrap_or_else(running);
        let asked = (0..=own).rev().find(|at| turns[*at].prompt.is_some());
        Ask {
            talk,
            turn: asked.unwrap_or(own),
        }
    }

    /// A prompt's turn.
    pub(super) fn turn(&self, ask: Ask) -> &'a Turn {
        self.all[ask.talk].turns[ask.turn]
    }

    /// Whether a turn has ended, and the one that it belongs to.
    pub(super) fn ended(&self, at: TurnAt) -> bool {
        let turn = &self.transcripts[at.transcript].turns[at.turn];
        turn.ended.is_some() && self.turn(self.ask(at)).ended.is_some()
    }

    /// What a person asked in a conversation, by time: after `from`, if that is given, and not
    /// after `to`.
    pub(super) fn asked(
        &self,
        talk: usize,
        from: Option<DateTime<Utc>>,
        to: DateTime<Utc>,
    ) -> impl DoubleEndedIterator<Item = Ask> {
        let turns = self.all[talk].turns.iter().enumerate();
        turns
            .filter(move |(_, one)| one.at <= to && from.is_none_or(|from| one.at > from))
            .filter(|(_, one)| one.prompt.is_some())
            .map(move |(turn, _)| Ask { talk, turn })
    }

    /// What the agent said for a prompt: in its turn, and in those that nobody asked behind it.
    pub(super) fn answers(&self, ask: Ask) -> Vec<CleanText> {
        let turns = &self.all[ask.talk].turns[ask.turn..];
        let own = turns.iter().take(1);
        let behind = turns
            .iter()
            .skip(1)
            .take_while(|turn| turn.prompt.is_none());
        own.chain(behind)
            .flat_map(|turn| turn.answers.clone())
            .collect()
    }

    /// A conversation's id.
    pub(super) fn id(&self, talk: usize) -> &'a ConversationId {
        &self.all[talk].main.conversation
    }

    /// A conversation in a record's words.
    pub(super) fn talk(&self, talk: usize) -> Talk {
        let main = self.all[talk].main;
        Talk {
            agent: main.agent.clone(),
            version: main.version.clone(),
            model: main.model.clone(),
            session_id: main.conversation.clone(),
        }
    }
}
