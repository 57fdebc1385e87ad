//! Which conversation a process is in, where its status file does not tell: there is none, it was
//! lost, or it names the conversation of the start for ever (Claude Code up to 2.1.126).
//!
//! Only the plain case is decided. A process that is alone in its directory is in the conversation
//! that is written there. What may be one's or another's is nobody's: hooks tell them apart.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::agent::claude::beginning::Beginning;
use crate::agent::claude::find::Transcript;
use crate::core::model::{ConversationId, Pid};

/// A conversation younger than this may belong to a process whose own file or hook will name it in
/// a moment.
const FRESH: Duration = Duration::from_secs(1);

/// Times of files have ticks of 1 to 10 ms (Linux).
const TICK: Duration = Duration::from_millis(10);

/// What was found out of a process's conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Name {
    /// Its transcript and conversation, where they had to be found.
    pub(super) found: Option<(PathBuf, ConversationId)>,
    /// It may be in one of several; it may have left the one that its file names.
    pub(super) ambiguous: bool,
    /// Writes before this time, by the file system's clock, tell nothing new.
    since: SystemTime,
}

impl Name {
    /// For a process that started then and of which nothing is known yet.
    pub(super) fn new(start: SystemTime) -> Self {
        Self {
            found: None,
            ambiguous: false,
            since: start,
        }
    }

    /// For a process whose conversation was known for certain until now.
    pub(super) fn told_until(now: SystemTime) -> Self {
        Self::new(now.checked_sub(FRESH).unwrap_or(now))
    }

    /// Everything written until then has been weighed, or may come from a process that has ended.
    pub(super) fn start_from(&mut self, written: SystemTime) {
        self.since = self.since.max(written);
    }
}

/// A process whose conversation has to be found out.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) pid: Pid,
    pub(super) start: SystemTime,
    /// Its file may still come.
    pub(super) starting: bool,
    /// The conversation that its file names.
    pub(super) told: Option<ConversationId>,
    pub(super) name: Name,
}

impl Member {
    fn current(&self) -> Option<&ConversationId> {
        let found = self.name.found.as_ref().map(|(_, id)| id);
        let current = found.or(self.told.as_ref());
        current.filter(|_| !self.name.ambiguous)
    }
}

/// One look at all processes of a directory whose conversations have to be found out.
pub(super) struct Look<'a> {
    pub(super) members: &'a [Member],
    /// The transcripts there, except those that certainly belong to other processes.
    pub(super) transcripts: &'a [Transcript],
    /// How the conversation of a transcript began.
    pub(super) beginning: &'a dyn Fn(&Path) -> Beginning,
    /// Whether the directory has other processes, whose conversations are known for certain.
    pub(super) others: bool,
    pub(super) now: SystemTime,
}

/// What a look finds of one process.
enum Finding<'t> {
    /// Nothing new.
    Same,
    /// It is in this one now.
    In(&'t Transcript),
    /// It may be in one of several.
    Ambiguous,
    /// Something that would tell is not written yet: the next look may find it.
    NotYet,
}

impl<'a> Look<'a> {
    /// Names the conversation of each member.
    pub(super) fn names(&self) -> Vec<(Pid, Name)> {
        let name = |member: &Member| (member.pid, self.name(member));
        self.members.iter().map(name).collect()
    }

    fn name(&self, member: &Member) -> Name {
        let mut name = member.name.clone();
        // The clock may have been set back.
        name.since = name.since.min(self.now);
        match self.finding(member, name.since) {
            Finding::Same => {}
            Finding::NotYet => return name,
            Finding::In(transcript) => {
                name.found = Some((transcript.path.clone(), transcript.conversation.clone()));
                name.ambiguous = false;
            }
            Finding::Ambiguous => {
                name.found = None;
                name.ambiguous = true;
                if self.members.len() > 1 {
                    // A hook may tell of the others yet.
                    return name;
                }
                // Alone, it is where it writes next.
            }
        }
        if let Some(written) = self.transcripts.iter().map(|t| t.written).max() {
            // Another may be written in the same tick, after this look.
            let tick = if name.ambiguous { Duration::ZERO } else { TICK };
            name.start_from(written.checked_sub(tick).unwrap_or(written));
        }
        name
    }

    fn finding(&self, member: &Member, since: SystemTime) -> Finding<'a> {
        let written = |t: &&Transcript| t.size > 0 && t.written > since;
        let written = self.transcripts.iter().filter(written);
        let (held, free): (Vec<_>, Vec<_>) = written.partition(|t| self.inside(t) > 0);
        let current = self.transcript(member);
        // What is written in a conversation that two are in tells nothing of either.
        let last = current.filter(|t| self.inside(t) == 1).map(|t| t.written);
        // File times have ticks. What a process that is alone wrote in the same one tells nothing.
        let alone = self.members.len() == 1;
        let after = |t: &Transcript, last| t.written > last || (!alone && t.written == last);
        let later = |t: &&&Transcript| last.is_none_or(|last| after(t, last));
        let later: Vec<&Transcript> = free.iter().filter(later).copied().collect();
        if self.others && later.iter().any(|t| self.is_fresh(t)) {
            return Finding::NotYet;
        }
        match (alone, member.current()) {
            (true, _) => self.alone(member, &later),
            // It may also have resumed what a neighbour is in.
            (_, None) if held.is_empty() && later.is_empty() => Finding::Same,
            (_, None) if member.starting && later.is_empty() => Finding::NotYet,
            (_, None) => Finding::Ambiguous,
            // What a neighbour began is no doubt.
            (_, Some(_)) => match self.count_going(member, &later) {
                Some(0) => Finding::Same,
                Some(_) => Finding::Ambiguous,
                None => Finding::NotYet,
            },
        }
    }

    /// A process that is alone is where it wrote last, if it can have gone there.
    fn alone(&self, member: &Member, later: &[&'a Transcript]) -> Finding<'a> {
        let Some(newest) = later.iter().max_by_key(|t| t.written) else {
            return Finding::Same;
        };
        let first = usize::from(member.current().is_none());
        if later.len() == first {
            return Finding::In(newest);
        }
        if member.name.ambiguous {
            return Finding::Ambiguous;
        }
        match self.count_going(member, later) {
            // Only its first conversation may have begun in any way.
            Some(going) if going + first >= later.len() => Finding::In(newest),
            Some(_) => Finding::Ambiguous,
            None => Finding::NotYet,
        }
    }

    /// How many of these a process can have gone to from where it is: by `/clear`, which began
    /// them, or by resuming what is older. `None` if that cannot be told yet.
    fn count_going(&self, member: &Member, later: &[&Transcript]) -> Option<usize> {
        let from = self.transcript(member).map_or(member.start, made);
        let goes = |t: &&Transcript| match (self.beginning)(&t.path) {
            Beginning::Cleared => Some(1),
            Beginning::Other => Some(usize::from(member.current().is_some() && made(t) < from)),
            Beginning::Unknown => None,
        };
        later.iter().map(goes).sum()
    }

    /// The transcript that a member is in.
    fn transcript(&self, member: &Member) -> Option<&'a Transcript> {
        let current = member.current()?;
        self.transcripts.iter().find(|t| t.conversation == *current)
    }

    fn is_fresh(&self, transcript: &Transcript) -> bool {
        let age = self.now.duration_since(made(transcript));
        age.is_ok_and(|age| age <= FRESH)
    }

    /// How many are in this conversation.
    fn inside(&self, transcript: &Transcript) -> usize {
        let all = self.members.iter().filter_map(Member::current);
        all.filter(|id| **id == transcript.conversation).count()
    }
}

/// When a transcript was made, or at least was there.
fn made(transcript: &Transcript) -> SystemTime {
    transcript.created.unwrap_or(transcript.written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_175_200 + seconds)
    }

    /// A transcript that was made and last written then. One of a name that begins with `cleared`
    /// was begun by the command; of one with `new` that is not known yet.
    fn transcript(name: &str, created: u64, written: u64) -> Transcript {
        Transcript {
            path: format!("/p/{name}.jsonl").into(),
            conversation: ConversationId::new(name).unwrap(),
            created: Some(at(created)),
            written: at(written),
            size: 1,
        }
    }

    fn beginning(path: &Path) -> Beginning {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with("cleared") => Beginning::Cleared,
            Some(name) if name.starts_with("new") => Beginning::Unknown,
            _ => Beginning::Other,
        }
    }

    /// Processes of one directory, told by nothing but its transcripts.
    struct Directory {
        members: Vec<Member>,
        others: bool,
    }

    impl Directory {
        /// Processes that started then, and what their files say, if they have one.
        fn new(members: &[(u64, Option<&str>)]) -> Self {
            let member = |(pid, (start, told)): (usize, &(u64, Option<&str>))| Member {
                pid: Pid(u32::try_from(pid).unwrap()),
                start: at(*start),
                starting: false,
                told: told.and_then(ConversationId::new),
                name: Name::new(at(*start)),
            };
            Self {
                members: members.iter().enumerate().map(member).collect(),
                others: false,
            }
        }

        /// One that is alone was found in this conversation at that time.
        fn alone_in(name: &str, made: u64, seen: u64) -> Self {
            let mut directory = Self::new(&[(10, None)]);
            assert_eq!(
                directory.look(seen, &[transcript(name, made, seen)]),
                [name]
            );
            directory
        }

        /// What each is in by a look at that time: `-` for nothing yet, `?` for one of several.
        fn look(&mut self, now: u64, transcripts: &[Transcript]) -> Vec<String> {
            let look = Look {
                members: &self.members,
                transcripts,
                beginning: &beginning,
                others: self.others,
                now: at(now),
            };
            let names = look.names();
            for (member, (_, name)) in self.members.iter_mut().zip(names) {
                member.name = name;
            }
            let word = |member: &Member| match member.current() {
                _ if member.name.ambiguous => "?".to_owned(),
                Some(id) => id.to_string(),
                None => "-".to_owned(),
            };
            self.members.iter().map(word).collect()
        }
    }

    #[test]
    fn one_that_is_alone_is_where_it_writes() {
        let mut directory = Directory::new(&[(100, None)]);
        let before = transcript("before", 0, 90);
        let mut empty = transcript("empty", 102, 102);
        empty.size = 0;
        assert_eq!(directory.look(103, &[before.clone(), empty.clone()]), ["-"]);
        let resumed = transcript("before", 0, 110);
        assert_eq!(directory.look(111, &[resumed, empty]), ["before"]);
    }

    #[test]
    fn one_that_is_alone_is_followed_where_it_clears_and_resumes() {
        let mut directory = Directory::alone_in("a", 12, 20);
        let a = transcript("a", 12, 20);
        let mut new = transcript("new", 30, 30);
        assert_eq!(
            directory.look(30, &[a.clone(), new.clone()]),
            ["a"],
            "not yet"
        );
        new = transcript("cleared", 30, 31);
        assert_eq!(directory.look(31, &[a, new.clone()]), ["cleared"]);
        let a = transcript("a", 12, 40);
        assert_eq!(
            directory.look(41, &[a.clone(), new.clone()]),
            ["a"],
            "resumed"
        );
        assert_eq!(directory.look(50, &[a, new]), ["a"], "and stays there");
    }

    #[test]
    fn a_late_look_finds_where_one_went() {
        let all = [
            transcript("a", 12, 20),
            transcript("cleared", 30, 31),
            transcript("cleared2", 40, 41),
        ];
        assert_eq!(Directory::new(&[(10, None)]).look(99, &all), ["cleared2"]);
        assert_eq!(
            Directory::new(&[(10, Some("a"))]).look(99, &all),
            ["cleared2"]
        );
    }

    /// A script ran `claude -p` beside it, and nobody saw that process.
    #[test]
    fn what_one_cannot_have_begun_leaves_a_doubt_until_it_writes() {
        let foreign = transcript("b", 30, 35);
        let mut late = Directory::new(&[(10, None)]);
        assert_eq!(
            late.look(50, &[transcript("a", 12, 20), foreign.clone()]),
            ["?"]
        );
        assert_eq!(
            late.look(61, &[transcript("a", 12, 60), foreign.clone()]),
            ["a"]
        );
        let mut watched = Directory::alone_in("a", 12, 20);
        assert_eq!(
            watched.look(50, &[transcript("a", 12, 20), foreign.clone()]),
            ["?"]
        );
        assert_eq!(watched.look(61, &[transcript("a", 12, 60), foreign]), ["a"]);
    }

    #[test]
    fn what_may_be_of_either_is_of_none() {
        let mut directory = Directory::new(&[(10, None), (50, None)]);
        assert_eq!(directory.look(51, &[]), ["-", "-"]);
        let all = [transcript("a", 53, 60), transcript("b", 54, 61)];
        assert_eq!(directory.look(60, &all[..1]), ["?", "?"]);
        assert_eq!(directory.look(62, &all), ["?", "?"]);
        // Hooks told of the second: the first is the only one left.
        directory.members.truncate(1);
        assert_eq!(directory.look(70, &all[..1]), ["a"]);
    }

    #[test]
    fn a_new_neighbour_takes_nobodys_name_and_gets_none() {
        let mut directory = Directory::alone_in("a", 12, 20);
        directory
            .members
            .extend(Directory::new(&[(50, None)]).members);
        let a = transcript("a", 12, 20);
        assert_eq!(directory.look(51, std::slice::from_ref(&a)), ["a", "-"]);
        let b = transcript("b", 60, 60);
        assert_eq!(directory.look(60, &[a.clone(), b.clone()]), ["a", "?"]);
        let cleared = transcript("cleared", 70, 70);
        assert_eq!(directory.look(70, &[a, b, cleared]), ["?", "?"]);
    }

    /// Who says nothing may have resumed what its neighbour is in.
    #[test]
    fn a_conversation_may_be_of_two() {
        let mut directory = Directory::alone_in("a", 12, 20);
        directory
            .members
            .extend(Directory::new(&[(50, None)]).members);
        directory.members[1].starting = true;
        let a = transcript("a", 12, 55);
        assert_eq!(directory.look(58, std::slice::from_ref(&a)), ["a", "-"]);
        directory.members[1].starting = false;
        assert_eq!(directory.look(60, &[a]), ["a", "?"]);
        let mut both = Directory::new(&[(10, Some("a")), (50, Some("a"))]);
        let cleared = transcript("cleared", 60, 60);
        let all = [transcript("a", 12, 70), cleared];
        assert_eq!(both.look(71, &all), ["?", "?"]);
    }

    #[test]
    fn two_that_are_told_apart_by_their_files_stay_so_until_one_clears() {
        let mut directory = Directory::new(&[(10, Some("a")), (50, Some("b"))]);
        let all = [transcript("a", 12, 80), transcript("b", 52, 81)];
        assert_eq!(directory.look(82, &all), ["a", "b"]);
        let cleared = transcript("cleared", 90, 90);
        let all = [all[0].clone(), all[1].clone(), cleared];
        assert_eq!(directory.look(90, &all), ["?", "?"]);
        let spoke = [all[0].clone(), transcript("b", 52, 99), all[2].clone()];
        assert_eq!(directory.look(99, &spoke), ["?", "?"]);
    }

    #[test]
    fn what_an_ended_neighbour_wrote_is_not_taken_over() {
        let mut directory = Directory::new(&[(10, None), (50, None)]);
        let all = [transcript("a", 12, 60), transcript("b", 54, 90)];
        assert_eq!(directory.look(91, &all), ["?", "?"]);
        directory.members.truncate(1);
        directory.members[0].name.start_from(at(100));
        assert_eq!(directory.look(101, &all), ["?"]);
        let all = [transcript("a", 12, 110), all[1].clone()];
        assert_eq!(directory.look(110, &all), ["a"]);
    }

    /// A newer version beside it clears: its own file says so a moment later.
    #[test]
    fn what_others_may_have_begun_is_taken_after_a_moment_only() {
        let mut directory = Directory::alone_in("a", 12, 20);
        directory.others = true;
        let all = [transcript("a", 12, 20), transcript("cleared", 30, 30)];
        assert_eq!(directory.look(30, &all), ["a"]);
        let mut theirs = Directory::alone_in("a", 12, 20);
        theirs.others = true;
        assert_eq!(theirs.look(30, &all), ["a"]);
        assert_eq!(theirs.look(35, &all[..1]), ["a"]);
        assert_eq!(directory.look(35, &all), ["cleared"]);
    }

    #[test]
    fn a_clock_that_was_set_back_hides_nothing() {
        let mut directory = Directory::alone_in("a", 12, 900);
        let all = [transcript("a", 12, 50), transcript("cleared", 60, 61)];
        assert_eq!(directory.look(62, &all), ["a"]);
        let all = [transcript("a", 12, 50), transcript("cleared", 60, 63)];
        assert_eq!(directory.look(63, &all), ["cleared"], "its next line");
    }
}
