//! The index of a repository's records, kept beside its consent, and the records themselves: read
//! with as few children as there can be.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::index::{Head, Index, Kept};
use super::record::Record;
use super::{consent, git};
use crate::core::model::ConversationId;
use crate::core::sorted::Gather as _;
use crate::sys::files::{read_bounded, read_start, write_own};

/// Longest wait for a child that lists or reads.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest index that is read, in bytes.
const CAP: usize = 128 << 20;
/// How much of it tells of the newest commits, in bytes.
const START: usize = 256 << 10;
/// Largest note that is read, in bytes: what vmux writes is smaller.
const NOTE_CAP: u64 = 256 << 10;
/// Records that are looked at, at most.
const MOST: usize = 200_000;
/// Bytes of notes that are asked of one child.
const PIECE: u64 = 32 << 20;
/// Where the records of all writers are.
pub const REFS: &str = "refs/notes/vmux/";

/// Where the index of a repository lies.
#[must_use]
pub fn file(common: &Path) -> PathBuf {
    consent::place(common).join("index")
}

/// The index as it was kept last, without a look at the repository's references.
#[must_use]
pub fn kept(common: &Path) -> Option<Index> {
    Index::read(&read_bounded(&file(common), CAP).ok()?)
}

/// The newest commits that a conversation took part in, as it was kept last.
#[must_use]
pub fn heads(common: &Path, conversation: &ConversationId, most: usize) -> Vec<Head> {
    let start = read_start(&file(common), START).unwrap_or_default();
    Index::heads(&start, conversation.as_str(), most)
}

/// The index of all records that are there now; kept for the next time where vmux has a place in the
/// repository.
///
/// # Errors
/// See [`git::Error`].
pub fn refresh(common: &Path) -> Result<Index, git::Error> {
    let format = "--format=%(objectname) %(refname)";
    let refs = git::run(common, &["for-each-ref", format, REFS], &[], PATIENCE)?;
    let refs = String::from_utf8_lossy(&refs).into_owned();
    let mut index = kept(common).unwrap_or_default();
    if index.refs == refs {
        return Ok(index);
    }
    let (there, whole) = list(common, &refs)?;
    let blobs = there
        .iter()
        .map(|(key, (blob, _))| (key.clone(), blob.clone()));
    index.keep(&blobs.gather());
    let known = index.kept.iter();
    let known: BTreeMap<(String, String), ()> = known
        .map(|kept| ((kept.writer.clone(), kept.commit.clone()), ()))
        .gather();
    let missing = there
        .into_iter()
        .filter(|(key, _)| !known.contains_key(key));
    let missing: Vec<Note> = missing
        .map(|((writer, commit), (blob, size))| Note {
            writer,
            commit,
            blob,
            size,
        })
        .collect();
    take_in(common, &mut index, &missing)?;
    // What a partial clone does not hold yet may be there the next time.
    index.refs = if whole { refs } else { String::new() };
    if consent::place(common).is_dir()
        && let Err(error) = keep(common, &index)
    {
        log::debug!("could not keep the index of records: {error}");
    }
    Ok(index)
}

/// A note that the index does not have.
struct Note {
    writer: String,
    commit: String,
    blob: String,
    size: u64,
}

/// What lies in the references: for each writer and commit the note and its size in bytes.
type There = BTreeMap<(String, String), (String, u64)>;

/// What is there, and whether all of it can be read.
fn list(common: &Path, refs: &str) -> Result<(There, bool), git::Error> {
    let (mut there, mut whole) = (There::new(), true);
    for line in refs.lines() {
        let Some((tree, writer)) = line.split_once(' ') else {
            continue;
        };
        let entries = entries(common, tree)?;
        // So git names the size of what is not there.
        whole &= memchr::memmem::find(&entries, b" BAD\t").is_none();
        for (commit, note) in read_notes(&entries) {
            if there.len() < MOST {
                there.insert((writer.to_owned(), commit), note);
            }
        }
    }
    Ok((there, whole))
}

/// The notes of a reference, or of a commit or tree that it was: for each commit what its note lies in,
/// and the size of that in bytes. Too large ones are left out.
///
/// # Errors
/// See [`git::Error`].
pub fn notes(common: &Path, tree: &str) -> Result<BTreeMap<String, (String, u64)>, git::Error> {
    Ok(read_notes(&entries(common, tree)?))
}

fn entries(common: &Path, tree: &str) -> Result<Vec<u8>, git::Error> {
    let args = ["ls-tree", "-r", "-l", "-z", tree];
    git::run(common, &args, &[], PATIENCE)
}

fn read_notes(entries: &[u8]) -> BTreeMap<String, (String, u64)> {
    let entries = entries.split(|byte| *byte == 0);
    let notes = entries.filter_map(|entry| note(&String::from_utf8_lossy(entry)));
    notes
        .filter(|(_, _, size)| *size <= NOTE_CAP)
        .take(MOST)
        .map(|(commit, blob, size)| (commit, (blob, size)))
        .gather()
}

/// `MODE blob ID SIZE\tPATH`; the path is a commit's id, in directories where there are many.
fn note(entry: &str) -> Option<(String, String, u64)> {
    let (head, path) = entry.split_once('\t')?;
    let mut words = head.split_whitespace().skip(1);
    let (kind, blob, size) = (words.next()?, words.next()?, words.next()?);
    let commit = path.replace('/', "");
    let id = matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit());
    (kind == "blob" && id).then_some((commit, blob.to_owned(), size.parse().ok()?))
}

fn take_in(common: &Path, index: &mut Index, missing: &[Note]) -> Result<(), git::Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let commits: Vec<&str> = missing.iter().map(|note| &*note.commit).collect();
    let subjects = subjects(common, &commits)?;
    let mut rest = missing;
    while !rest.is_empty() {
        let mut size = 0;
        let fits = rest.iter().position(|note| {
            size += note.size;
            size > PIECE
        });
        let (piece, after) = rest.split_at(fits.unwrap_or(rest.len()).max(1));
        rest = after;
        let blobs: Vec<&str> = piece.iter().map(|note| &*note.blob).collect();
        let texts = cat(common, &blobs)?;
        for (note, text) in piece.iter().zip(texts) {
            // What is no record is somebody's note, and no trouble.
            let Some(record) = text.and_then(|text| record(&text, &note.commit)) else {
                continue;
            };
            let subject = subjects.get(&note.commit).map_or("", |subject| subject);
            index.put(&note.writer, &note.blob, subject, &record);
        }
    }
    Ok(())
}

fn record(text: &[u8], commit: &str) -> Option<Record> {
    let mut record = Record::parse(text).ok()?;
    // Where it lies tells whose it is.
    commit.clone_into(&mut record.commit);
    Some(record)
}

/// Keeps an index into which records were put that were just stored. What those lie in is not known;
/// the next one who refreshes the index finds out.
///
/// # Errors
/// Those of writing it.
pub fn keep(common: &Path, index: &Index) -> io::Result<()> {
    write_own(&file(common), &index.bytes(), false)
}

/// Records by their places in the index; those that are none are left out.
///
/// # Errors
/// See [`git::Error`].
pub fn records(
    common: &Path,
    wanted: &[(usize, &Kept)],
) -> Result<HashMap<usize, Record>, git::Error> {
    let names: Vec<(usize, String)> = wanted
        .iter()
        .flat_map(|(place, kept)| names(kept).into_iter().map(|name| (*place, name)))
        .collect();
    let asked: Vec<&str> = names.iter().map(|(_, name)| &**name).collect();
    let commits: HashMap<usize, &str> = wanted
        .iter()
        .map(|(place, kept)| (*place, &*kept.commit))
        .collect();
    let texts = cat(common, &asked)?;
    let read = names.iter().zip(texts).filter_map(|((place, _), text)| {
        let commit = commits.get(place)?;
        Some((*place, record(&text?, commit)?))
    });
    Ok(read.collect())
}

/// What a record may be found by.
fn names(kept: &Kept) -> Vec<String> {
    if !kept.blob.is_empty() {
        return vec![kept.blob.clone()];
    }
    // Git spreads notes over directories as they grow in number.
    let (writer, commit) = (&kept.writer, &kept.commit);
    let part = |range: std::ops::RangeFrom<usize>| commit.get(range).unwrap_or_default();
    let two = commit.get(..2).unwrap_or_default();
    let four = commit.get(2..4).unwrap_or_default();
    vec![
        format!("{writer}:{commit}"),
        format!("{writer}:{two}/{}", part(2..)),
        format!("{writer}:{two}/{four}/{}", part(4..)),
    ]
}

/// Contents of objects by their names, in their order; nothing for those that are not there.
fn cat(common: &Path, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, git::Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let input = names.join("\n") + "\n";
    let text = git::run(common, &["cat-file", "--batch"], input.as_bytes(), PATIENCE)?;
    let mut texts = Vec::with_capacity(names.len());
    let mut rest = &*text;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        // `ID KIND SIZE`, or `NAME missing`.
        let words: Vec<&str> = head.split(' ').collect();
        let size = match words[..] {
            [_, _, size] => size.parse::<usize>().ok(),
            _ => None,
        };
        texts.push(size.and_then(|size| {
            let (text, after) = rest.split_at_checked(size)?;
            rest = after.strip_prefix(b"\n").unwrap_or(after);
            Some(text.to_vec())
        }));
    }
    Ok(texts)
}

/// First lines of commits' messages; commits that are not there have none.
///
/// # Errors
/// See [`git::Error`].
pub fn subjects(common: &Path, commits: &[&str]) -> Result<HashMap<String, String>, git::Error> {
    let input = commits.join("\n") + "\n";
    let args = [
        "log",
        "--no-walk=unsorted",
        "--ignore-missing",
        "--no-show-signature",
        "--no-color",
        "--format=%H %s",
        "--stdin",
    ];
    let text = git::run(common, &args, input.as_bytes(), PATIENCE)?;
    let text = String::from_utf8_lossy(&text);
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(id, subject)| (id.to_owned(), subject.to_owned()))
        .collect())
}
