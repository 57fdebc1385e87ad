//! From lines to the prompts that they come of, and how that is known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::blame::{Blamed, blame};
use super::index::{At, Index, Kept};
use super::patch::{Changed, Patch};
use super::record::{Record, Selection, Span, line_hash};
use super::{cache, content, git, patch};
use crate::core::sorted::Gather as _;

/// Longest wait for git to blame a file.
const BLAME: Duration = Duration::from_secs(60);
/// Longest wait for the changes of commits without a record.
const PATCHES: Duration = Duration::from_secs(30);
/// Commits without a record whose changes are looked at, at most, for one answer.
const MOST: usize = 200;
/// Lines that follow each other as in a record, at least, to be its lines and no chance.
const RUN: usize = 3;

/// How far it is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The record of the line's commit names the line.
    Line,
    /// A command of the prompt changed the file in that commit; not known which lines.
    File,
    /// The prompts led to that commit; none is known to have written the line.
    Commit,
    /// The same line stands in a record of another commit: history was rewritten, or the line moved; or
    /// it was written in a file that this one was, by what they hold.
    Content,
    /// It is not committed.
    Uncommitted,
    /// No record tells of it.
    None,
}

impl Level {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::File => "file",
            Self::Commit => "commit",
            Self::Content => "content",
            Self::Uncommitted => "uncommitted",
            Self::None => "none",
        }
    }
}

/// What led to the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The commit.
    Id,
    /// Another commit with the same changes.
    PatchId,
    /// What the lines say.
    Content,
}

impl By {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::PatchId => "patch-id",
            Self::Content => "content",
        }
    }
}

/// A record that is told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The record.
    pub record: Record,
    /// The reference that holds it.
    pub writer: String,
}

impl Source {
    /// Whether lines or files of the commit come of a prompt.
    #[must_use]
    pub fn is_primary(&self, prompt: usize) -> bool {
        let asked = self.record.prompts.get(prompt);
        asked.is_some_and(|asked| asked.primary)
    }
}

/// Lines that follow each other with one answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The lines.
    pub lines: Vec<Blamed>,
    /// How far it is proved.
    pub level: Level,
    /// What led to the record, if there is one.
    pub by: Option<By>,
    /// The record.
    pub source: Option<Rc<Source>>,
    /// The prompts, by their place in the record: one, where the level is line or content.
    pub prompts: Vec<usize>,
    /// The command that wrote the lines, if a shell did.
    pub command: Option<crate::core::text::CleanText>,
    /// The path under which they were written, if the record says that it was another one.
    pub from: Option<String>,
}

/// A repository whose records are asked.
#[derive(Debug)]
pub struct Asked<'r> {
    /// What its working trees share.
    pub common: &'r Path,
    /// The reference of this user's own records.
    pub own: &'r str,
    /// Its git directory and the top of its working tree, where git does not find them by itself.
    pub apart: Option<(PathBuf, PathBuf)>,
}

/// Which prompts lines of a file come of, by its name in `dir`.
///
/// # Errors
/// See [`git::Error`].
pub fn lines(
    asked: &Asked<'_>,
    dir: &Path,
    name: &OsStr,
    wanted: Option<(u32, u32)>,
) -> Result<Vec<Answer>, git::Error> {
    // Git takes longest to blame: the records are read meanwhile.
    let (index, blamed) = std::thread::scope(|scope| {
        let index = scope.spawn(|| cache::refresh(asked.common));
        let blamed = blame(dir, name, wanted, asked.apart.as_ref(), BLAME);
        let index = index.join().unwrap_or_else(|panic| resume_unwind(panic));
        (index, blamed)
    });
    let (index, blamed) = (index?, blamed?);
    let proofs = prove(asked, &index, &blamed)?;
    let sources = sources(asked, &index, proofs.iter().flatten())?;
    let mut answers: Vec<Answer> = Vec::new();
    for (line, proof) in blamed.into_iter().zip(proofs) {
        let answer = answer(&index, line, proof.as_ref(), &sources);
        match answers.last_mut().filter(|last| joins(last, &answer)) {
            Some(last) => last.lines.extend(answer.lines),
            None => answers.push(answer),
        }
    }
    Ok(answers)
}

/// The same answers, with those prompts for lines that are not committed which conversations tell of:
/// `selection` is that of the file as it is now, and `path` its path in it.
#[must_use]
pub fn with_uncommitted(answers: Vec<Answer>, selection: Selection, path: &str) -> Vec<Answer> {
    let part = selection.files.iter().find(|part| part.path == path);
    let spans = part.map_or_else(Vec::new, |part| part.ranges.clone());
    let record = Record {
        conversations: selection.conversations,
        prompts: selection.prompts,
        files: selection.files,
        ..Record::default()
    };
    let writer = String::new();
    let source = Rc::new(Source { record, writer });
    let mut told: Vec<Answer> = Vec::new();
    for answer in answers {
        if answer.level != Level::Uncommitted {
            told.push(answer);
            continue;
        }
        for line in answer.lines {
            let mut spans = spans.iter();
            let span = spans.find(|span| (span.start..=span.end).contains(&line.number));
            let known = span.filter(|span| span.prompt.is_some());
            let one = Answer {
                level: Level::Uncommitted,
                by: None,
                source: known.map(|_| Rc::clone(&source)),
                prompts: known.and_then(|span| span.prompt).into_iter().collect(),
                command: known.and_then(|span| span.by.clone()),
                from: known.and_then(|span| span.from.clone()),
                lines: vec![line],
            };
            match told.last_mut().filter(|last| joins(last, &one)) {
                Some(last) => last.lines.extend(one.lines),
                None => told.push(one),
            }
        }
    }
    told
}

/// Whether a line belongs to those above it.
fn joins(above: &Answer, line: &Answer) -> bool {
    let commit = |answer: &Answer| answer.lines.last().map(|line| line.commit.clone());
    above.level == line.level
        && above.by == line.by
        && above.prompts == line.prompts
        && above.command == line.command
        && above.from == line.from
        && above.source == line.source
        && commit(above) == commit(line)
}

/// What is known of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Proof {
    /// Its commit has a record, by its place in the index; with the line's place there, if it names it.
    Recorded(usize, By, Option<At>),
    /// A record of another commit has the line.
    Elsewhere(At),
}

fn prove(
    asked: &Asked<'_>,
    index: &Index,
    blamed: &[Blamed],
) -> Result<Vec<Option<Proof>>, git::Error> {
    let mut proofs: Vec<Option<Proof>> = vec![None; blamed.len()];
    let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (n, line) in blamed.iter().enumerate() {
        let Some(commit) = &line.commit else {
            continue;
        };
        if let Some(kept) = index.position(commit, asked.own) {
            let at = index.find_line(kept, &line.path, line.source);
            let at = at.filter(|at| index.line(*at).is_some_and(|(_, it)| it.hash == hash(line)));
            let named = at.is_some_and(|at| index.has_prompt(at));
            proofs[n] = Some(Proof::Recorded(kept, By::Id, at));
            if named {
                continue;
            }
        }
        open.entry(commit).or_default().push(n);
    }
    if open.is_empty() || index.kept.is_empty() {
        return Ok(proofs);
    }
    let commits: Vec<&str> = open.keys().copied().take(MOST).collect();
    let diff = patch::diff(asked.common, &commits, PATCHES)?;
    let ids = patch::ids_of(asked.common, &diff, PATCHES)?;
    for patch in patch::parse(&diff) {
        let Some(lines) = open.get(&*patch.commit) else {
            continue;
        };
        let id = ids.get(&patch.commit).map_or("", |id| id);
        let mut search = Search {
            asked,
            index,
            patch: &patch,
            found: HashMap::new(),
            foreign: HashMap::new(),
        };
        for n in lines {
            let line = &blamed[*n];
            let recorded = proofs[*n].is_some();
            let proof = match recorded {
                false => search
                    .by_patch(line, id)
                    .or_else(|| search.by_content(line, false)),
                true => search.by_content(line, true),
            };
            proofs[*n] = proof.or_else(|| proofs[*n].take());
        }
    }
    Ok(proofs)
}

fn hash(line: &Blamed) -> u32 {
    line_hash(&line.text).unwrap_or(0)
}

/// The search for the lines that a commit added, in records of others.
struct Search<'s> {
    asked: &'s Asked<'s>,
    index: &'s Index,
    patch: &'s Patch,
    /// What was found for each of its files.
    found: HashMap<String, Vec<Option<content::Found>>>,
    /// Whether commits are no part of its history.
    foreign: HashMap<String, bool>,
}

impl Search<'_> {
    /// The record of a commit with the same changes: its lines are in the same order.
    fn by_patch(&self, line: &Blamed, id: &str) -> Option<Proof> {
        let file = self.patch.file(&line.path)?;
        let place = place(file, line)?;
        for kept in self.index.of_patch(id, self.asked.own) {
            let place = kept_line(&self.index.kept[kept], file, place);
            if let Some((file, line)) = place {
                let at = At { kept, file, line };
                return Some(Proof::Recorded(kept, By::PatchId, Some(at)));
            }
        }
        None
    }

    /// A record with the same line. Its own commit may be part of this one's history: then the line
    /// must have been taken away where it stood, or come with its neighbours.
    fn by_content(&mut self, line: &Blamed, recorded: bool) -> Option<Proof> {
        let file = self.patch.file(&line.path)?;
        let place = place(file, line)?;
        let own = &line.commit;
        if !self.found.contains_key(&line.path) {
            let hashes: Vec<u32> = file.added.iter().map(|(_, text)| hash_of(text)).collect();
            let others = |kept: &Kept| Some(&kept.commit) != own.as_ref();
            let found = content::find(self.index, &line.path, &hashes, others);
            self.found.insert(line.path.clone(), found);
        }
        let found = self.found.get(&line.path)?.get(place)?.clone()?;
        found.prompt?;
        let moved = || file.removed.iter().any(|text| hash_of(text) == hash(line));
        let kept = &self.index.kept[found.at.kept];
        let proved = (hash(line) != 0 && moved())
            || !recorded && (found.run >= RUN || self.is_foreign(&kept.commit));
        proved.then_some(Proof::Elsewhere(found.at))
    }

    fn is_foreign(&mut self, commit: &str) -> bool {
        let (common, own) = (self.asked.common, &self.patch.commit);
        let ask = || {
            let args = ["merge-base", "--is-ancestor", commit, own];
            // It says no by its status alone; of one that is gone, in words.
            matches!(
                git::run(common, &args, &[], PATCHES),
                Err(git::Error::Failed(_))
            )
        };
        *self.foreign.entry(commit.to_owned()).or_insert_with(ask)
    }
}

fn hash_of(text: &[u8]) -> u32 {
    line_hash(text).unwrap_or(0)
}

/// Which of the added lines of its file a line is.
fn place(file: &Changed, line: &Blamed) -> Option<usize> {
    let places = &file.added;
    places
        .binary_search_by_key(&line.source, |(number, _)| *number)
        .ok()
}

/// The file and the line of a record that are this line of a file with the same changes.
fn kept_line(kept: &Kept, file: &Changed, place: usize) -> Option<(usize, usize)> {
    let hashes = || file.added.iter().map(|(_, text)| hash_of(text));
    let same = |lines: &super::index::Lines| {
        lines.lines.len() == file.added.len()
            && lines.lines.iter().map(|line| line.hash).eq(hashes())
    };
    let mut files = kept
        .files
        .iter()
        .enumerate()
        .filter(|(_, lines)| same(lines));
    let named = files
        .clone()
        .find(|(_, lines)| lines.path == file.path)
        .or_else(|| files.next());
    named.map(|(at, _)| (at, place))
}

/// The records that are told of, by their places in the index.
fn sources<'p>(
    asked: &Asked<'_>,
    index: &Index,
    proofs: impl Iterator<Item = &'p Proof>,
) -> Result<HashMap<usize, Rc<Source>>, git::Error> {
    let places: BTreeSet<usize> = proofs
        .map(|proof| match proof {
            Proof::Recorded(kept, ..) => *kept,
            Proof::Elsewhere(at) => at.kept,
        })
        .gather();
    let kept: Vec<(usize, &Kept)> = places
        .into_iter()
        .filter_map(|place| Some((place, index.kept.get(place)?)))
        .collect();
    let mut records = cache::records(asked.common, &kept)?;
    let mut sources = HashMap::new();
    for (place, kept) in kept {
        if let Some(record) = records.remove(&place) {
            let writer = kept.writer.clone();
            sources.insert(place, Rc::new(Source { record, writer }));
        }
    }
    Ok(sources)
}

fn answer(
    index: &Index,
    line: Blamed,
    proof: Option<&Proof>,
    sources: &HashMap<usize, Rc<Source>>,
) -> Answer {
    let path = line.path.clone();
    let mut answer = Answer {
        level: match line.commit {
            Some(_) => Level::None,
            None => Level::Uncommitted,
        },
        lines: vec![line],
        by: None,
        source: None,
        prompts: Vec::new(),
        command: None,
        from: None,
    };
    let (kept, by, at) = match proof {
        Some(Proof::Recorded(kept, by, at)) => (*kept, *by, *at),
        Some(Proof::Elsewhere(at)) => (at.kept, By::Content, Some(*at)),
        None => return answer,
    };
    let Some(source) = sources.get(&kept) else {
        return answer;
    };
    let record = &source.record;
    let prompt = at.and_then(|at| index.line(at)?.1.prompt);
    let prompt = prompt.and_then(|place| usize::try_from(place).ok());
    if let Some(prompt) = prompt.filter(|place| *place < record.prompts.len()) {
        let span = at.and_then(|at| span(index, record, at));
        answer.command = span.and_then(|span| span.by.clone());
        answer.from = span.and_then(|span| span.from.clone());
        answer.level = match by {
            By::Id | By::PatchId if answer.from.is_none() => Level::Line,
            _ => Level::Content,
        };
        answer.prompts = vec![prompt];
    } else {
        let part = record.files.iter().find(|part| part.path == path);
        let touched = part.map(|part| part.touched.iter().map(|(prompt, _)| *prompt));
        let touched: BTreeSet<usize> = touched.into_iter().flatten().gather();
        let known = |place: &usize| *place < record.prompts.len();
        answer.prompts = touched.into_iter().filter(known).collect();
        answer.level = Level::File;
        if answer.prompts.is_empty() {
            let primary = record.prompts.iter().enumerate();
            let primary = primary.filter(|(_, asked)| asked.primary);
            answer.prompts = primary.map(|(place, _)| place).collect();
            answer.level = Level::Commit;
        }
    }
    answer.by = Some(by);
    answer.source = Some(Rc::clone(source));
    answer
}

/// The lines of a record with this one.
fn span<'r>(index: &Index, record: &'r Record, at: At) -> Option<&'r Span> {
    let (kept, line) = index.line(at)?;
    let path = &kept.files.get(at.file)?.path;
    let part = record.files.iter().find(|part| part.path == *path)?;
    let mut spans = part.ranges.iter();
    spans.find(|span| (span.start..=span.end).contains(&line.number))
}

/// What is known of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfCommit {
    /// The commit, as its full id.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// What led to the records, if there are any.
    pub by: Option<By>,
    /// The records: one, or several that went into it where history was rewritten; of each the
    /// prompts, by their place in it.
    pub sources: Vec<(Rc<Source>, Vec<usize>)>,
}

/// Which prompts a commit comes of.
///
/// # Errors
/// See [`git::Error`]; `Failed` also if there is no such commit.
pub fn commit(asked: &Asked<'_>, dir: &Path, name: &str) -> Result<OfCommit, git::Error> {
    let commit = format!("{name}^{{commit}}");
    let args = [
        "log",
        "-1",
        "--no-show-signature",
        "--no-color",
        "--format=%H %s",
        "--end-of-options",
        &commit,
        "--",
    ];
    let text = git::run(dir, &args, &[], PATCHES)?;
    let text = String::from_utf8_lossy(&text);
    let (id, subject) = text
        .trim_end()
        .split_once(' ')
        .unwrap_or((text.trim_end(), ""));
    let mut told = OfCommit {
        commit: id.to_owned(),
        subject: subject.to_owned(),
        by: None,
        sources: Vec::new(),
    };
    let index = cache::refresh(asked.common)?;
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    if let Some(kept) = index.position(id, asked.own) {
        told.by = Some(By::Id);
        found.insert(kept, BTreeSet::new());
    } else if !index.kept.is_empty() {
        let diff = patch::diff(asked.common, &[id], PATCHES)?;
        let ids = patch::ids_of(asked.common, &diff, PATCHES)?;
        let patch_id = ids.get(id).map_or("", |id| id);
        if let Some(kept) = index.of_patch(patch_id, asked.own).first() {
            told.by = Some(By::PatchId);
            found.insert(*kept, BTreeSet::new());
        } else {
            found = by_lines(asked, &index, &diff);
            told.by = (!found.is_empty()).then_some(By::Content);
        }
    }
    let proofs: Vec<Proof> = found
        .keys()
        .map(|kept| Proof::Recorded(*kept, By::Id, None))
        .collect();
    let sources = sources(asked, &index, proofs.iter())?;
    for (kept, prompts) in found {
        let Some(source) = sources.get(&kept) else {
            continue;
        };
        let all = 0..source.record.prompts.len();
        let prompts = match prompts.is_empty() {
            true => all.collect(),
            false => prompts.into_iter().filter(|at| all.contains(at)).collect(),
        };
        told.sources.push((Rc::clone(source), prompts));
    }
    Ok(told)
}

/// Records that have the lines that a commit added, and the prompts of those lines.
fn by_lines(asked: &Asked<'_>, index: &Index, diff: &[u8]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for patch in patch::parse(diff) {
        let mut search = Search {
            asked,
            index,
            patch: &patch,
            found: HashMap::new(),
            foreign: HashMap::new(),
        };
        for file in &patch.files {
            for (source, text) in &file.added {
                let line = Blamed {
                    text: text.clone(),
                    path: file.path.clone(),
                    source: *source,
                    commit: Some(patch.commit.clone()),
                    ..Blamed::default()
                };
                let Some(Proof::Elsewhere(at)) = search.by_content(&line, false) else {
                    continue;
                };
                let prompt = index.line(at).and_then(|(_, line)| line.prompt);
                let prompt = prompt.and_then(|place| usize::try_from(place).ok());
                found.entry(at.kept).or_default().extend(prompt);
            }
        }
    }
    found
}
