//! Which conversation a process is in, where it has no status file, or one that goes on to name
//! the conversation of its start: told by its directory, by times, and by who cleared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};

use super::writers::{Writers, Written};
use crate::agent::claude::clears::{self, Beginning, Cleared};
use crate::agent::claude::find::{self, Transcript};
use crate::model::{ConversationId, Pid, time};

/// A transcript made this long after a process's start is its own: 2.0.x makes an empty one, after
/// 2 s, and after 6 s on a loaded machine.
const BORN_WITH: Duration = Duration::from_secs(15);
/// The start of a process is known to a clock tick, 10 ms, and the time of day may be adjusted.
const SLACK: Duration = Duration::from_millis(100);
/// An ending process writes its last lines within this time.
const LAST_LINES: Duration = Duration::from_secs(2);
/// What `/clear` began and nobody has left by then was begun by a process that has ended.
const HISTORY_LAG: TimeDelta = TimeDelta::seconds(30);
/// Conversations and transcripts that are remembered; past this, they are looked at again.
const MOST: usize = 4096;

/// A process whose conversation has to be found out.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) pid: Pid,
    pub(super) start: SystemTime,
    /// The conversation of its start, where it has a status file.
    pub(super) first: Option<ConversationId>,
    /// What was found the last time.
    pub(super) known: Option<ConversationId>,
}

impl Member {
    fn current(&self) -> Option<&ConversationId> {
        self.known.as_ref().or(self.first.as_ref())
    }
}

/// A conversation; none if it has said nothing yet; `Err` if several fit.
type Found = Result<Option<ConversationId>, ()>;

/// The same with its transcript.
pub(super) type Named = Result<Option<(PathBuf, ConversationId)>, ()>;

/// What is remembered between one look and the next.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// How the conversation of a transcript began, once that is known.
    beginnings: HashMap<PathBuf, Beginning>,
    /// Begun by `/clear`, but by no process that is there.
    foreign: BTreeSet<ConversationId>,
    /// Conversations whose process has ended, and when.
    ended: BTreeMap<ConversationId, SystemTime>,
    writers: Writers,
    /// Something was written just now that tells nothing yet.
    unsettled: bool,
}

impl Naming {
    /// A process has ended, whether its conversation was ever asked for here or not.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.writers.forget(pid);
    }

    /// A process has ended; its conversation is nobody's from now on. If that was never found
    /// out, it is one of those that no `living` process is known to be in.
    pub(super) fn end(
        &mut self,
        (config, cwd): (&Path, &str),
        ended: &Member,
        living: &[Member],
        now: SystemTime,
    ) {
        if self.ended.len() >= MOST {
            self.ended.clear();
        }
        let taken = |id: &ConversationId| living.iter().any(|member| member.current() == Some(id));
        let unknown = || {
            let transcripts = find::in_project(config, cwd, ended.start).unwrap_or_default();
            transcripts.into_iter().map(|t| t.conversation).collect()
        };
        let orphans: Vec<ConversationId> = ended
            .current()
            .map_or_else(unknown, |conversation| vec![conversation.clone()]);
        let orphans = orphans.into_iter();
        self.ended
            .extend(orphans.filter(|id| !taken(id)).map(|id| (id, now)));
    }

    /// Whether a name would be told by another look, a moment from now.
    pub(super) fn take_unsettled(&mut self) -> bool {
        std::mem::take(&mut self.unsettled)
    }

    /// Names the conversations of all these processes of one directory. `taken` are those that
    /// other processes are in for certain; `written` gives the bytes that a process has written.
    pub(super) fn name(
        &mut self,
        (config, cwd): (&Path, &str),
        members: &[Member],
        taken: &dyn Fn(&ConversationId) -> bool,
        written: &dyn Fn(Pid) -> Option<u64>,
        now: DateTime<Utc>,
    ) -> Vec<(Pid, Named)> {
        let Some(earliest) = members.iter().map(|member| member.start).min() else {
            return Vec::new();
        };
        let since = earliest.checked_sub(SLACK).unwrap_or(earliest);
        let unclear: Vec<Pid> = unclear(members);
        let count = || -> Written {
            let counts = unclear.iter().map(|pid| Some((*pid, written(*pid)?)));
            counts.flatten().collect()
        };
        let before = count();
        let mut transcripts = find::in_project(config, cwd, since).unwrap_or_default();
        transcripts.retain(|t| !taken(&t.conversation) && !self.has_ended(t));
        if !unclear.is_empty() {
            let (place, after) = ((config, cwd), count());
            let looked = self
                .writers
                .look(place, before, &transcripts, &after, now.into());
            self.unsettled |= !looked;
        }
        let begun = self.begun(&transcripts, members);
        let left = match begun[..] {
            [] => Vec::new(),
            _ => clears::left(config),
        };
        let mut named = Vec::new();
        let cleared = |t: &Transcript| {
            let beginning = self.beginnings.get(&t.path);
            matches!(beginning, Some(Beginning::Cleared(_)))
        };
        let facts = Facts {
            born: &|t, member| {
                let excluded = self.writers.excludes(member.pid, &t.conversation);
                // What says something, but not yet how it began, may be any process's.
                let told = t.size == 0 || self.beginnings.contains_key(&t.path);
                !excluded && told && !cleared(t) && is_born_with(t, member.start)
            },
            says: &|t| self.writers.says((config, cwd), t),
            cleared: &cleared,
        };
        let found = by_birth(members, &transcripts, &facts);
        for (member, found) in members.iter().zip(found) {
            let started = time::of_file(member.start) - SLACK;
            let own = begun.iter().filter(|(_, at)| *at >= started);
            let own: Vec<Cleared> = own.cloned().collect();
            let found = found.map(|id| Some(clears::follow(&id?, &left, &own)));
            let place = |id: ConversationId| {
                let listed = transcripts.iter().find(|t| t.conversation == id);
                let path = listed.map(|t| t.path.clone());
                Some((
                    path.or_else(|| find::by_conversation(config, cwd, &id))?,
                    id,
                ))
            };
            named.push((member.pid, found.map(|id| id.and_then(place))));
        }
        if named.iter().all(|(_, named)| named.is_ok()) {
            self.give_up(&begun, &named, now);
        }
        named
    }

    /// Whether the process of this conversation has ended, and no other took it up since.
    fn has_ended(&self, transcript: &Transcript) -> bool {
        let ended = self.ended.get(&transcript.conversation);
        ended.is_some_and(|ended| transcript.written <= *ended + LAST_LINES)
    }

    /// The conversations that `/clear` began and in which nobody was seen yet.
    fn begun(&mut self, transcripts: &[Transcript], members: &[Member]) -> Vec<Cleared> {
        if self.beginnings.len() >= MOST {
            self.beginnings.clear();
        }
        let known = |id| members.iter().any(|m| m.known.as_ref() == Some(id));
        let mut found = Vec::new();
        for Transcript {
            path, conversation, ..
        } in transcripts
        {
            if known(conversation) || self.foreign.contains(conversation) {
                continue;
            }
            let beginning = match self.beginnings.get(path) {
                Some(beginning) => *beginning,
                None => clears::beginning(path).unwrap_or(Beginning::Unknown),
            };
            if beginning != Beginning::Unknown {
                self.beginnings.insert(path.clone(), beginning);
            }
            if let Beginning::Cleared(at) = beginning {
                found.push((conversation.clone(), at));
            }
        }
        found
    }

    fn give_up(&mut self, begun: &[Cleared], named: &[(Pid, Named)], now: DateTime<Utc>) {
        if self.foreign.len() >= MOST {
            self.foreign.clear();
        }
        let claimed = |id: &ConversationId| {
            let mut all = named
                .iter()
                .filter_map(|(_, named)| named.as_ref().ok()?.as_ref());
            all.any(|(_, named)| named == id)
        };
        let lost = begun
            .iter()
            .filter(|(id, at)| !claimed(id) && now - *at > HISTORY_LAG);
        self.foreign.extend(lost.map(|(id, _)| id.clone()));
    }
}

/// The processes of one directory that have no conversation yet, where several might be in one,
/// with those that they might be mistaken for.
fn unclear(members: &[Member]) -> Vec<Pid> {
    let open = || members.iter().filter(|member| member.first.is_none());
    if open().count() < 2 || open().all(|member| member.known.is_some()) {
        return Vec::new();
    }
    open().map(|member| member.pid).collect()
}

/// What is known of a transcript besides its times.
struct Facts<'a> {
    /// Whether it may have been made by the start of this process.
    born: &'a dyn Fn(&Transcript, &Member) -> bool,
    /// Whether there is anything in it: what is empty says the same of whoever it belongs to.
    says: &'a dyn Fn(&Transcript) -> bool,
    /// Whether `/clear` began it: who is in it left another one.
    cleared: &'a dyn Fn(&Transcript) -> bool,
}

/// The conversation that each process was in when it was seen last, or began with.
fn by_birth(members: &[Member], transcripts: &[Transcript], facts: &Facts<'_>) -> Vec<Found> {
    let born = facts.born;
    let of_file = |member: &Member| member.current().filter(|_| member.first.is_some()).cloned();
    let mut found: Vec<Option<ConversationId>> = members.iter().map(of_file).collect();
    let open: Vec<usize> = (0..members.len()).filter(|i| found[*i].is_none()).collect();
    if let [alone] = open[..] {
        // It may have resumed any conversation; the one that it writes to is its own.
        let free = transcripts.iter().filter(|t| !is_given(t, &found));
        let written = free.filter(|t| t.written >= members[alone].start);
        let newest = written.max_by_key(|t| t.written);
        found[alone] = newest.map(|t| t.conversation.clone());
        return found.into_iter().map(Ok).collect();
    }
    for i in &open {
        let Some(known) = &members[*i].known else {
            continue;
        };
        // What was found while a neighbour was not known yet may be the neighbour's.
        let others = || open.iter().filter(|j| *j != i).map(|j| &members[*j]);
        let there = transcripts.iter().find(|t| t.conversation == *known);
        let own = there.filter(|t| !is_given(t, &found) && !others().any(|other| born(t, other)));
        found[*i] = own.map(|t| t.conversation.clone());
    }
    while let Some((i, conversation)) = only_choice(members, transcripts, &found, facts) {
        found[i] = Some(conversation);
    }
    doubt(members, transcripts, found, facts)
}

/// Takes back what is not sure: while somebody's conversation is left, who has none, or said
/// nothing in the one of its start, may have resumed it.
fn doubt(
    members: &[Member],
    transcripts: &[Transcript],
    found: Vec<Option<ConversationId>>,
    facts: &Facts<'_>,
) -> Vec<Found> {
    let left = transcripts.iter().filter(|t| !is_given(t, &found));
    let left: Vec<&Transcript> = left.filter(|t| (facts.says)(t)).collect();
    let resumable = left.iter().any(|t| !(facts.cleared)(t));
    let said = |id: &ConversationId| {
        let its_own = transcripts.iter().find(|t| t.conversation == *id);
        its_own.is_none_or(facts.says)
    };
    let sure = |member: &Member, found: &Option<ConversationId>| match found {
        None => left.is_empty(),
        Some(id) => member.first.is_some() || !resumable || said(id),
    };
    let all = members.iter().zip(found);
    all.map(|(member, found)| {
        if sure(member, &found) {
            Ok(found)
        } else {
            Err(())
        }
    })
    .collect()
}

fn is_given(transcript: &Transcript, found: &[Option<ConversationId>]) -> bool {
    found
        .iter()
        .flatten()
        .any(|id| *id == transcript.conversation)
}

/// A process that was born with one transcript only, which no other has to be given; or whose
/// last one, or just one that says anything, can be of no other.
fn only_choice(
    members: &[Member],
    transcripts: &[Transcript],
    found: &[Option<ConversationId>],
    facts: &Facts<'_>,
) -> Option<(usize, ConversationId)> {
    let choices: Vec<Vec<&Transcript>> = members
        .iter()
        .zip(found)
        .map(|(member, own)| {
            let open = transcripts.iter().filter(|_| own.is_none());
            let free = open.filter(|t| !is_given(t, found));
            free.filter(|t| (facts.born)(t, member)).collect()
        })
        .collect();
    choices.iter().enumerate().find_map(|(i, own)| {
        let of_no_other = |t: &&&Transcript| {
            let mut others = choices.iter().enumerate().filter(|(j, _)| *j != i);
            !others.any(|(_, other)| other.contains(t))
        };
        let alone: Vec<&&Transcript> = own.iter().filter(of_no_other).collect();
        let known = alone
            .iter()
            .find(|t| members[i].known.as_ref() == Some(&t.conversation));
        let written = || {
            let mut written = alone.iter().filter(|t| (facts.says)(t));
            written.next().filter(|_| written.next().is_none())
        };
        let only = || {
            let [one] = &own[..] else { return None };
            let rivals = choices.iter().filter(|other| **other == [*one]);
            (rivals.count() == 1).then_some(one)
        };
        let own = known.or_else(written).copied().or_else(only)?;
        Some((i, own.conversation.clone()))
    })
}

fn is_born_with(transcript: &Transcript, start: SystemTime) -> bool {
    let created = transcript.created.unwrap_or(transcript.written);
    match created.duration_since(start) {
        Ok(after) => after <= BORN_WITH,
        Err(before) => before.duration() <= SLACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_175_200 + seconds)
    }

    fn id(name: &str) -> ConversationId {
        ConversationId::new(name).unwrap()
    }

    fn member(pid: u32, start: u64, known: Option<&str>) -> Member {
        Member {
            pid: Pid(pid),
            start: at(start),
            first: None,
            known: known.map(id),
        }
    }

    fn transcript(name: &str, created: u64, written: u64) -> Transcript {
        Transcript {
            path: format!("/p/{name}.jsonl").into(),
            conversation: id(name),
            created: Some(at(created)),
            written: at(written),
            size: 1,
        }
    }

    fn names(members: &[Member], transcripts: &[Transcript]) -> Vec<String> {
        let word = |found: Found| match found {
            Ok(Some(id)) => id.to_string(),
            Ok(None) => "-".into(),
            Err(()) => "?".into(),
        };
        let facts = Facts {
            born: &|t, member| {
                let name = t.conversation.as_str();
                let pid = member.pid.to_string();
                let not = name
                    .strip_prefix("not")
                    .is_some_and(|pids| pids.contains(&pid));
                !not && !name.starts_with("cleared") && is_born_with(t, member.start)
            },
            says: &|t| t.size > 0,
            cleared: &|t| t.conversation.as_str().starts_with("cleared"),
        };
        by_birth(members, transcripts, &facts)
            .into_iter()
            .map(word)
            .collect()
    }

    #[test]
    fn a_process_that_is_alone_is_where_it_writes() {
        let old = transcript("resumed", 0, 150);
        let empty = transcript("empty", 101, 101);
        assert_eq!(names(&[member(1, 100, None)], &[old, empty]), ["resumed"]);
        let before = transcript("before", 0, 90);
        assert_eq!(names(&[member(1, 100, None)], &[before]), ["-"]);
    }

    #[test]
    fn processes_have_what_was_born_with_them() {
        let all = [transcript("a", 12, 99), transcript("b", 52, 98)];
        let starting = |one, two| names(&[member(1, one, None), member(2, two, None)], &all);
        assert_eq!(starting(10, 50), ["a", "b"]);
        assert_eq!(starting(10, 11), ["?", "?"], "born together");
    }

    /// Both are born near the first; only one can be of the second.
    #[test]
    fn processes_that_started_after_each_other_are_told_apart() {
        let members = [member(1, 100, None), member(2, 103, None)];
        let transcripts = [transcript("a", 101, 500), transcript("b", 104, 400)];
        assert_eq!(names(&members, &transcripts), ["a", "b"]);
    }

    #[test]
    fn what_fits_two_processes_is_given_to_none() {
        let members = [member(1, 100, None), member(2, 101, None)];
        assert_eq!(names(&members, &[transcript("a", 102, 102)]), ["?", "?"]);
        assert_eq!(names(&members, &[]), ["-", "-"]);
    }

    #[test]
    fn what_one_did_not_write_is_the_others() {
        let members = [member(1, 100, None), member(2, 101, None)];
        let both = [transcript("not2", 103, 150), transcript("b", 104, 104)];
        assert_eq!(names(&members, &both), ["not2", "b"]);
        assert_eq!(names(&members, &both[..1]), ["not2", "-"]);
    }

    #[test]
    fn the_only_one_that_can_have_written_is_found_among_three() {
        let members = [
            member(1, 100, None),
            member(2, 101, None),
            member(3, 101, None),
        ];
        let mut all = ["not23", "b", "c"].map(|name| transcript(name, 104, 150));
        all[1..].iter_mut().for_each(|t| t.size = 0);
        assert_eq!(names(&members, &all), ["not23", "-", "-"]);
    }

    /// The first one's `/clear` began another, whose first lines do not say so yet.
    #[test]
    fn what_was_known_stays_beside_something_new() {
        let members = [member(1, 100, Some("a")), member(2, 105, Some("b"))];
        let times = [("new", 109, 110), ("b", 107, 108), ("a", 102, 109)];
        let all = times.map(|(name, created, written)| transcript(name, created, written));
        assert_eq!(names(&members, &all), ["a", "b"]);
    }

    /// The second one was started with `--continue`: its own transcript stays empty.
    #[test]
    fn who_said_nothing_may_be_in_a_conversation_that_is_left() {
        let members = [member(1, 100, None), member(2, 300, None)];
        let mut all = [
            transcript("a", 103, 150),
            transcript("b", 303, 303),
            transcript("old", 0, 400),
        ];
        all[1].size = 0;
        assert_eq!(names(&members, &all), ["a", "?"]);
        assert_eq!(names(&members, &all[..2]), ["a", "b"]);
    }

    #[test]
    fn what_is_empty_says_the_same_of_both() {
        let members = [member(1, 100, None), member(2, 101, None)];
        let mut both = [transcript("a", 103, 103), transcript("b", 104, 104)];
        both.iter_mut().for_each(|t| t.size = 0);
        assert_eq!(names(&members, &both), ["-", "-"]);
        both[0].size = 900;
        assert_eq!(names(&members, &both), ["?", "?"]);
    }

    #[test]
    fn what_was_known_stays() {
        let mut members = [member(1, 100, Some("a")), member(2, 900, None)];
        let transcripts = [transcript("a", 600, 950), transcript("b", 901, 901)];
        assert_eq!(names(&members, &transcripts), ["a", "b"]);
        // It was alone when its neighbour's transcript appeared.
        members[0].known = Some(id("b"));
        let transcripts = [transcript("a", 102, 950), transcript("b", 901, 901)];
        assert_eq!(names(&members, &transcripts), ["a", "b"]);
    }

    #[test]
    fn what_a_command_began_was_born_with_none() {
        let members = [member(1, 100, Some("cleared")), member(2, 103, None)];
        let transcripts = [
            transcript("a", 101, 101),
            transcript("b", 104, 104),
            transcript("cleared", 106, 200),
        ];
        assert_eq!(names(&members, &transcripts), ["cleared", "b"]);
    }

    #[test]
    fn an_outdated_file_gives_the_first_conversation() {
        let mut of_file = member(1, 100, None);
        of_file.first = Some(id("a"));
        let transcripts = [transcript("a", 102, 110), transcript("b", 105, 120)];
        let members = [of_file.clone(), member(2, 104, None)];
        assert_eq!(names(&members, &transcripts), ["a", "b"]);
        of_file.known = Some(id("b"));
        assert_eq!(names(&[of_file], &transcripts), ["b"], "cleared since");
    }
}
