//! Records that go on with a commit when history is rewritten: amended, rebased, squashed, picked.
//!
//! What was asked for the commit itself comes first. Lines that nobody is known to have written are
//! looked for in records of commits that are no part of its history: in that of the commit it
//! replaces, in those of commits with the same changes, then by what the lines say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use super::commits::Made;
use super::index::{At, Index, Kept};
use super::record::{Asked, FilePart, Limits, Record, Span, line_hash};
use super::select::Commit;
use super::{cache, content, git, patch};
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::core::text::CleanText;

/// Longest wait for a child.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines that must be found at least by what they say: less may be chance.
const FEW: usize = 3;
/// Commits that a record says it comes from, at most.
const FROM: usize = 64;
/// Commits that are asked for whether they are part of the history.
const MOST: usize = 200;

/// What is to be carried over, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'r> {
    /// The repository: what its working trees share.
    pub common: &'r Path,
    /// The reference of this user's own records: those of others are never carried.
    pub own: &'r str,
    /// The records so far.
    pub index: &'r Index,
    /// Records that are not stored yet, by their commits.
    pub recent: &'r BTreeMap<String, Record>,
    /// The commit's changes, as [`patch::diff`] prints them.
    pub diff: &'r [u8],
    /// The commit that it replaces, if the reflog names it.
    pub replaced: Option<&'r str>,
}

/// Fills a record, whose prompts are those of its own sessions if there are any, with what records of
/// rewritten commits tell. Nothing is changed if they tell nothing.
///
/// # Errors
/// See [`git::Error`].
pub fn carry(rewrite: &Rewrite<'_>, record: &mut Record) -> Result<(), git::Error> {
    let patches = patch::parse(rewrite.diff);
    let Some(patch) = patches.iter().find(|patch| patch.commit == record.commit) else {
        return Ok(());
    };
    let mut work = Work {
        rewrite,
        commit: record.commit.clone(),
        whole: BTreeSet::new(),
        files: BTreeMap::new(),
    };
    for changed in &patch.files {
        let part = record.files.iter().find(|part| part.path == changed.path);
        work.files
            .insert(changed.path.clone(), lines(part, changed));
    }
    work.by_commits(&record.patch_id);
    work.by_content()?;
    work.fill(record)
}

/// Carries records over for commits that are recorded together, in their order.
#[derive(Debug)]
pub struct Carrier<'c> {
    common: &'c Path,
    own: &'c str,
    index: Index,
    /// What is to be stored, by commit.
    recent: BTreeMap<String, Record>,
    /// Its commits, in their order.
    order: Vec<String>,
}

impl<'c> Carrier<'c> {
    /// For the own records of a repository, as its index was kept last: that costs no child.
    #[must_use]
    pub fn new(common: &'c Path, own: &'c str) -> Self {
        Self {
            common,
            own,
            index: cache::kept(common).unwrap_or_default(),
            recent: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Takes a commit in, with the record of its own sessions if there is one. Whether there is anything
    /// to record.
    ///
    /// # Errors
    /// See [`git::Error`].
    pub fn take(
        &mut self,
        made: &Made,
        fresh: Option<Record>,
        replaced: Option<&str>,
    ) -> Result<bool, git::Error> {
        let mut record = fresh.unwrap_or_else(|| bare(&made.commit, &made.patch_id));
        let rewrite = Rewrite {
            common: self.common,
            own: self.own,
            index: &self.index,
            recent: &self.recent,
            diff: &made.patch,
            replaced,
        };
        if !self.index.kept.is_empty() {
            carry(&rewrite, &mut record)?;
        }
        if record.prompts.is_empty() {
            return Ok(false);
        }
        self.index.put(self.own, "", &made.subject, &record);
        let commit = record.commit.clone();
        if self.recent.insert(commit.clone(), record).is_none() {
            self.order.push(commit);
        }
        Ok(true)
    }

    /// What is to be stored, in the order in which it was taken in.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.order
            .iter()
            .filter_map(|commit| self.recent.get(commit))
    }

    /// Keeps the index with what was stored.
    pub fn keep(&self) {
        if self.recent.is_empty() {
            return;
        }
        if let Err(error) = cache::keep(self.common, &self.index) {
            log::debug!("could not keep the index of records: {error}");
        }
    }
}

/// The record of a commit that no session is known to have had part in, to be filled.
fn bare(commit: &Commit, patch_id: &str) -> Record {
    Record {
        commit: commit.id.clone(),
        at: commit.at,
        tree: commit.tree.clone(),
        patch_id: patch_id.to_owned(),
        complete: true,
        ..Record::default()
    }
}

/// By which prompt of a record a line was written, by which command, and under which other path.
type Written = (usize, Option<CleanText>, Option<String>);

/// An added line.
struct Line {
    number: u32,
    hash: u32,
    own: Option<Written>,
    /// Where it was found.
    found: Option<At>,
}

fn lines(part: Option<&FilePart>, changed: &patch::Changed) -> Vec<Line> {
    let span = |number: u32| {
        let mut spans = part?.ranges.iter();
        spans.find(|span| (span.start..=span.end).contains(&number))
    };
    let line = |(number, text): &(u32, Vec<u8>)| Line {
        number: *number,
        hash: line_hash(text).unwrap_or(0),
        own: span(*number).and_then(written),
        found: None,
    };
    changed.added.iter().map(line).collect()
}

fn written(span: &Span) -> Option<Written> {
    Some((span.prompt?, span.by.clone(), span.from.clone()))
}

struct Work<'w> {
    rewrite: &'w Rewrite<'w>,
    commit: String,
    /// Records that go over with all their prompts: of the same work.
    whole: BTreeSet<usize>,
    files: BTreeMap<String, Vec<Line>>,
}

impl Work<'_> {
    fn is_own(&self, kept: &Kept) -> bool {
        kept.writer == self.rewrite.own && kept.commit != self.commit
    }

    /// From the commit that it replaces, and from those with the same changes.
    fn by_commits(&mut self, patch_id: &str) {
        let index = self.rewrite.index;
        let replaced = self.rewrite.replaced;
        let replaced = replaced.and_then(|id| index.position(id, self.rewrite.own));
        let same = index.of_patch(patch_id, self.rewrite.own);
        let all: Vec<usize> = replaced.into_iter().chain(same).collect();
        for place in all {
            let kept = &index.kept[place];
            if self.is_own(kept) {
                self.whole.insert(place);
                let wanted = |other: &Kept| std::ptr::eq(other, kept);
                self.search(&wanted);
            }
        }
    }

    /// Looks for lines that have no prompt yet.
    fn search(&mut self, wanted: &dyn Fn(&Kept) -> bool) {
        for (path, lines) in &mut self.files {
            let open = |line: &Line| line.own.is_none() && line.found.is_none();
            if !lines.iter().any(open) {
                continue;
            }
            let hashes: Vec<u32> = lines.iter().map(|line| line.hash).collect();
            let found = content::find(self.rewrite.index, path, &hashes, wanted);
            for (line, found) in lines.iter_mut().zip(found) {
                let found = found.filter(|found| found.prompt.is_some() && open(line));
                line.found = line.found.or(found.map(|found| found.at));
            }
        }
    }

    /// From commits of which no more than lines are left.
    fn by_content(&mut self) -> Result<(), git::Error> {
        let before: Vec<(String, Vec<Option<At>>)> = self.places();
        let own = self.rewrite.own;
        let commit = self.commit.clone();
        self.search(&|kept| kept.writer == own && kept.commit != commit);
        let index = self.rewrite.index;
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for (lines, (_, before)) in self.files.values().zip(&before) {
            for (line, before) in lines.iter().zip(before) {
                let at = line.found.filter(|_| before.is_none() && line.hash != 0);
                if let Some(at) = at {
                    *counts.entry(at.kept).or_default() += 1;
                }
            }
        }
        let open = |line: &&Line| line.own.is_none() && line.hash != 0;
        let all = self.files.values().flatten().filter(open).count();
        let enough = |count: usize| count >= FEW || count * 2 >= all;
        let likely = counts.iter().filter(|(_, count)| enough(**count));
        let likely: BTreeSet<usize> = likely.map(|(place, _)| *place).gather();
        let commits = likely.iter().map(|place| &*index.kept[*place].commit);
        let foreign = self.foreign(&commits.gather())?;
        for (lines, (_, before)) in self.files.values_mut().zip(before) {
            for (line, before) in lines.iter_mut().zip(before) {
                let good = |at: &At| {
                    likely.contains(&at.kept) && foreign.contains(&index.kept[at.kept].commit)
                };
                line.found = before.or(line.found.filter(good));
            }
        }
        Ok(())
    }

    fn places(&self) -> Vec<(String, Vec<Option<At>>)> {
        let places = |lines: &Vec<Line>| lines.iter().map(|line| line.found).collect();
        let files = self.files.iter();
        files
            .map(|(path, lines)| (path.clone(), places(lines)))
            .collect()
    }

    /// Which commits are no part of its history: what they say is no copy of what stands there still.
    fn foreign(&self, commits: &BTreeSet<&str>) -> Result<BTreeSet<String>, git::Error> {
        if commits.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut input = String::new();
        for commit in commits.iter().take(MOST) {
            input += commit;
            input += "\n";
        }
        input += &format!("^{}\n", self.commit);
        let args = [
            "rev-list",
            "--ignore-missing",
            "--max-count=10000",
            "--stdin",
        ];
        let text = git::run(self.rewrite.common, &args, input.as_bytes(), PATIENCE)?;
        let text = String::from_utf8_lossy(&text);
        let listed: BTreeSet<&str> = text.lines().gather();
        Ok(commits
            .intersection(&listed)
            .map(|commit| (*commit).to_owned())
            .gather())
    }

    /// Puts what was found into the record.
    fn fill(self, record: &mut Record) -> Result<(), git::Error> {
        let index = self.rewrite.index;
        let found = self.files.values().flatten();
        let mut places: BTreeSet<usize> = found.filter_map(|line| Some(line.found?.kept)).gather();
        places.extend(&self.whole);
        if places.is_empty() {
            return Ok(());
        }
        let kept: Vec<(usize, &Kept)> = places.iter().map(|at| (*at, &index.kept[*at])).collect();
        let recent = self.rewrite.recent;
        let (known, stored): (Vec<_>, Vec<_>) = kept
            .iter()
            .copied()
            .partition(|(_, kept)| recent.contains_key(&kept.commit));
        let mut sources = match stored.is_empty() {
            true => HashMap::new(),
            false => cache::records(self.rewrite.common, &stored)?,
        };
        for (place, kept) in known {
            sources.extend(
                recent
                    .get(&kept.commit)
                    .map(|record| (place, record.clone())),
            );
        }
        let mut filler = Filler {
            record,
            sources: &sources,
            prompts: HashMap::new(),
        };
        for place in &self.whole {
            filler.whole(*place);
        }
        for (path, lines) in self.files {
            filler.file(index, path, lines);
        }
        for (place, kept) in kept {
            if let Some(source) = sources.remove(&place) {
                come_from(record, &kept.commit, source);
            }
        }
        by_time(record);
        record.fit(Limits::default().note);
        Ok(())
    }
}

/// Notes that a record comes from another one.
fn come_from(record: &mut Record, commit: &str, source: Record) {
    for from in std::iter::once(commit.to_owned()).chain(source.from) {
        if record.from.len() < FROM && !record.from.contains(&from) && record.commit != from {
            record.from.push(from);
        }
    }
    record.complete &= source.complete;
    for (rule, count) in source.redacted {
        let known = record.redacted.entry(rule).or_default();
        *known = count.max(*known);
    }
    for cut in source.cut {
        if !record.cut.contains(&cut) {
            record.cut.push(cut);
        }
    }
}

/// Sorts the prompts of a record.
fn by_time(record: &mut Record) {
    let mut order: Vec<usize> = (0..record.prompts.len()).collect();
    order.arrange_by_key(|place| record.prompts[*place].at);
    let mut places = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        places[*old] = new;
    }
    record.prompts = order
        .iter()
        .map(|old| record.prompts[*old].clone())
        .collect();
    let moved = |place: &mut usize| *place = places.get(*place).copied().unwrap_or(*place);
    for part in &mut record.files {
        let spans = part.ranges.iter_mut();
        spans
            .filter_map(|span| span.prompt.as_mut())
            .for_each(moved);
        part.touched
            .iter_mut()
            .map(|(place, _)| place)
            .for_each(moved);
    }
}

struct Filler<'f> {
    record: &'f mut Record,
    sources: &'f HashMap<usize, Record>,
    /// Prompts of the sources, and where they are in the record.
    prompts: HashMap<(usize, usize), usize>,
}

impl Filler<'_> {
    /// All prompts of a record, and what they touched.
    fn whole(&mut self, place: usize) {
        let Some(source) = self.sources.get(&place) else {
            return;
        };
        for prompt in 0..source.prompts.len() {
            self.prompt(place, prompt);
        }
        for part in &source.files {
            for (prompt, command) in &part.touched {
                let Some(prompt) = self.prompt(place, *prompt) else {
                    continue;
                };
                let files = self.record.files.iter_mut();
                let mut named = files.filter(|file| file.path == part.path);
                let touched = (prompt, command.clone());
                if let Some(file) = named.next()
                    && !file.touched.contains(&touched)
                {
                    file.touched.push(touched);
                }
            }
        }
    }

    /// Where a source's prompt is in the record; it is put there.
    fn prompt(&mut self, place: usize, prompt: usize) -> Option<usize> {
        if let Some(known) = self.prompts.get(&(place, prompt)) {
            return Some(*known);
        }
        let source = self.sources.get(&place)?;
        let asked = source.prompts.get(prompt)?;
        let talk = source.conversations.get(asked.conversation)?;
        let talks = &mut self.record.conversations;
        let same = |known: &super::record::Talk| {
            known.agent == talk.agent && known.session_id == talk.session_id
        };
        let conversation = talks.iter().position(same).unwrap_or_else(|| {
            talks.push(talk.clone());
            talks.len() - 1
        });
        let asked_all = &mut self.record.prompts;
        let same = |known: &Asked| known.conversation == conversation && known.turn == asked.turn;
        let at = asked_all.iter().position(same).unwrap_or_else(|| {
            asked_all.push(Asked {
                conversation,
                ..asked.clone()
            });
            asked_all.len() - 1
        });
        asked_all[at].primary |= asked.primary;
        self.prompts.insert((place, prompt), at);
        Some(at)
    }

    /// The lines of a file anew, with those that were found.
    fn file(&mut self, index: &Index, path: String, lines: Vec<Line>) {
        if lines.iter().all(|line| line.found.is_none()) {
            return;
        }
        let mut ranges: Vec<Span> = Vec::new();
        for line in lines {
            let found = line.found.and_then(|at| self.found(index, at));
            let (prompt, by, from) = match line.own.or(found) {
                Some((prompt, by, from)) => (Some(prompt), by, from),
                None => (None, None, None),
            };
            let joins = |span: &&mut Span| {
                span.end.checked_add(1) == Some(line.number)
                    && span.prompt == prompt
                    && span.by == by
                    && span.from == from
            };
            match ranges.last_mut().filter(joins) {
                Some(span) => {
                    span.end = line.number;
                    span.hashes.push(line.hash);
                }
                None => ranges.push(Span {
                    start: line.number,
                    end: line.number,
                    prompt,
                    by,
                    from,
                    hashes: vec![line.hash],
                }),
            }
        }
        let files = &mut self.record.files;
        match files.iter_mut().find(|part| part.path == path) {
            Some(part) => part.ranges = ranges,
            None => files.push(FilePart {
                path,
                ranges,
                touched: Vec::new(),
            }),
        }
    }

    fn found(&mut self, index: &Index, at: At) -> Option<Written> {
        let (kept, line) = index.line(at)?;
        let path = &kept.files.get(at.file)?.path;
        let place = usize::try_from(line.prompt?).ok()?;
        let part = self.sources.get(&at.kept)?.files.iter();
        let spans = part
            .filter(|part| part.path == *path)
            .flat_map(|part| &part.ranges);
        let mut spans = spans.filter(|span| (span.start..=span.end).contains(&line.number));
        let span = spans.next();
        let by = span.and_then(|span| span.by.clone());
        let from = span.and_then(|span| span.from.clone());
        Some((self.prompt(at.kept, place)?, by, from))
    }
}
