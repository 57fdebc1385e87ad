//! Records as notes of git: `refs/notes/vmux/<writer>`, one reference for each person on each
//! machine, so that no two of them ever meet in one.
//!
//! **Source:** git-notes(1), git-fast-import(1): `N inline COMMIT` replaces the note of a commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git::{self, Error};
use super::record::Record;
use super::reflog::is_id;
use super::state;
use crate::core::sorted::{Arrange as _, Gather as _};
use crate::sys::clock;
use crate::sys::files::read_bounded;

/// What all references of notes of ours begin with.
pub const ALL: &str = "refs/notes/vmux/";
/// Longest wait for one child.
const PATIENCE: Duration = Duration::from_secs(10);
/// Notes that are read at most.
const MOST: usize = 200_000;
/// Largest note that is read, in bytes.
const NOTE: usize = 1 << 20;

/// The notes of a repository.
#[derive(Clone, Debug)]
pub struct Store {
    common: PathBuf,
    writer: String,
}

/// A note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The whole name of its reference.
    pub writer: String,
    /// Whether it was written here: others' are text that nobody vouches for.
    pub own: bool,
    /// Its commit.
    pub commit: String,
    /// Its object.
    pub blob: String,
}

impl Store {
    /// The notes of the repository whose common git directory this is.
    ///
    /// # Errors
    /// Those of asking git who writes here.
    pub fn open(common: &Path) -> Result<Self, Error> {
        let known = state::read(common).writer;
        let host = host();
        let writer = match known.filter(|writer| writer.ends_with(&format!("-{host}"))) {
            Some(writer) => writer,
            None => format!("{}-{host}", slug(&mail(common))),
        };
        Ok(Self {
            common: common.to_path_buf(),
            writer: format!("{ALL}{writer}"),
        })
    }

    /// The whole name of the reference that is written here.
    #[must_use]
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// The common git directory.
    #[must_use]
    pub fn common(&self) -> &Path {
        &self.common
    }

    /// Writes records of commits, each in the place of the one that was there. One child.
    ///
    /// `tip` is where the reference is, if there is one.
    ///
    /// # Errors
    /// Those of git: nothing is written then.
    pub fn put(&self, records: &[Record], tip: Option<&str>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let mut text = self.begin(tip);
        for record in records.iter().filter(|record| is_id(&record.commit)) {
            let note = record.render();
            text.push_str(&format!(
                "N inline {}\ndata {}\n",
                record.commit,
                note.len()
            ));
            text.push_str(&note);
            text.push('\n');
        }
        self.import(&text)
    }

    /// Puts these records in the place of those that were there, removes those of these commits, and
    /// leaves nothing that leads to what was there before: what is shared later must not hold it.
    ///
    /// # Errors
    /// Those of git.
    pub fn rewrite(&self, changed: &[Record], removed: &[String]) -> Result<(), Error> {
        let Some(tip) = self.tip()? else {
            return Ok(());
        };
        self.put(changed, Some(&tip))?;
        let tip = self.tip()?.unwrap_or(tip);
        let mut text = self.begin(Some(&tip));
        let null = "0".repeat(tip.len());
        for commit in removed.iter().filter(|commit| is_id(commit)) {
            text.push_str(&format!("N {null} {commit}\n"));
        }
        self.import(&text)?;
        let tree = format!("{}^{{tree}}", self.writer);
        let who = ["-c", "user.name=vmux", "-c", "user.email=vmux"];
        let make = [&who[..], &["commit-tree", &tree]].concat();
        let printed = git::run(&self.common, &make, b"\n", PATIENCE)?;
        let root = String::from_utf8_lossy(printed.trim_ascii()).into_owned();
        git::run(
            &self.common,
            &["update-ref", &self.writer, &root],
            b"",
            PATIENCE,
        )?;
        self.forget_log();
        Ok(())
    }

    /// The log of the own reference holds what was there before. Where it is in tables it stays, and
    /// git lets go of it with time.
    fn forget_log(&self) {
        let args = ["reflog", "expire", "--expire=now", &self.writer];
        if let Err(error) = git::run(&self.common, &args, b"", PATIENCE) {
            log::debug!("could not expire the log of {}: {error}", self.writer);
        }
    }

    fn begin(&self, tip: Option<&str>) -> String {
        let seconds = clock::now().timestamp();
        let from = tip.map(|tip| format!("from {tip}\n")).unwrap_or_default();
        let own = &self.writer;
        format!("commit {own}\ncommitter vmux <vmux> {seconds} +0000\ndata 0\n{from}")
    }

    fn import(&self, text: &str) -> Result<(), Error> {
        let text = format!("feature done\n{text}done\n");
        let args = ["fast-import", "--quiet", "--date-format=raw"];
        git::run(&self.common, &args, text.as_bytes(), PATIENCE).map(drop)
    }

    /// Where the own reference is.
    ///
    /// # Errors
    /// Those of git.
    pub fn tip(&self) -> Result<Option<String>, Error> {
        let refs = self.references()?;
        Ok(refs.get(&self.writer).cloned())
    }

    /// All writers' references, and where they are.
    ///
    /// # Errors
    /// Those of git.
    pub fn references(&self) -> Result<BTreeMap<String, String>, Error> {
        let args = ["for-each-ref", "--format=%(objectname) %(refname)", ALL];
        let printed = git::run(&self.common, &args, b"", PATIENCE)?;
        let printed = String::from_utf8_lossy(&printed);
        let pairs = printed.lines().filter_map(|line| line.split_once(' '));
        let good = pairs.filter(|(id, _)| is_id(id));
        Ok(good
            .map(|(id, name)| (name.to_owned(), id.to_owned()))
            .gather())
    }

    /// Which commits have notes, of all writers.
    ///
    /// # Errors
    /// Those of git.
    pub fn list(&self) -> Result<Vec<Kept>, Error> {
        let mut all = Vec::new();
        for (writer, tip) in self.references()? {
            let printed = git::run(&self.common, &["ls-tree", "-r", "-z", &tip], b"", PATIENCE)?;
            let own = writer == self.writer;
            for entry in printed.split(|b| *b == 0).take(MOST) {
                let entry = String::from_utf8_lossy(entry);
                let Some((facts, path)) = entry.split_once('\t') else {
                    continue;
                };
                let commit = path.replace('/', "");
                let blob = facts.rsplit(' ').next().unwrap_or_default();
                if is_id(&commit) && is_id(blob) {
                    all.push(Kept {
                        writer: writer.clone(),
                        own,
                        commit,
                        blob: blob.to_owned(),
                    });
                }
            }
        }
        all.arrange_by_key(|kept| !kept.own);
        Ok(all)
    }

    /// What these blobs hold; nothing of those that are no records. One child.
    ///
    /// # Errors
    /// Those of git.
    pub fn read(&self, blobs: &[&str]) -> Result<Vec<Option<Record>>, Error> {
        let texts = self.texts(blobs)?;
        let read = texts
            .iter()
            .map(|text| Record::parse(text.as_deref()?).ok());
        Ok(read.collect())
    }

    /// The record of a commit: the one that was written here, else another writer's.
    ///
    /// # Errors
    /// Those of git.
    pub fn get(&self, commit: &str) -> Result<Option<Record>, Error> {
        let mut writers: Vec<String> = self.references()?.into_keys().collect();
        writers.arrange_by_key(|writer| *writer != self.writer);
        // However full a reference is, its notes lie in one of these places.
        let split = |at: usize| {
            let parts = (0..at).filter_map(|n| commit.get(2 * n..2 * n + 2));
            let mut path: Vec<&str> = parts.collect();
            path.extend(commit.get(2 * at..));
            path.join("/")
        };
        let names: Vec<String> = writers
            .iter()
            .flat_map(|writer| (0..4).map(move |at| format!("{writer}:{}", split(at))))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = self.read(&names)?;
        Ok(found
            .into_iter()
            .flatten()
            .find(|record| record.commit == commit))
    }

    /// All records, with their writers: those that were written here first.
    ///
    /// # Errors
    /// Those of git.
    pub fn all(&self) -> Result<Vec<(Kept, Record)>, Error> {
        let kept = self.list()?;
        let blobs: Vec<&str> = kept.iter().map(|kept| &*kept.blob).collect();
        let read = self.read(&blobs)?;
        let pairs = kept.into_iter().zip(read);
        Ok(pairs
            .filter_map(|(kept, read)| Some((kept, read?)))
            .collect())
    }

    /// What objects hold, by their ids or names.
    fn texts(&self, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let input = names.join("\n") + "\n";
        let args = ["cat-file", "--batch"];
        let printed = git::run(&self.common, &args, input.as_bytes(), PATIENCE)?;
        let mut rest = &printed[..];
        let mut texts = Vec::new();
        for _ in names {
            texts.push(object(&mut rest));
        }
        Ok(texts)
    }

    /// The records that this clone does not hold, for it was made or fetched without the contents of
    /// files: their references, by their commits. Nothing is fetched.
    ///
    /// # Errors
    /// Those of git.
    pub fn lacking(&self) -> Result<BTreeMap<String, String>, Error> {
        if !is_partial(&self.common) {
            return Ok(BTreeMap::new());
        }
        let kept = self.list()?;
        if kept.is_empty() {
            return Ok(BTreeMap::new());
        }
        let blobs: Vec<&str> = kept.iter().map(|kept| &*kept.blob).collect();
        let input = blobs.join("\n") + "\n";
        let args = ["cat-file", "--batch-check"];
        let printed = git::run(&self.common, &args, input.as_bytes(), PATIENCE)?;
        let printed = String::from_utf8_lossy(&printed);
        let missing = printed.lines().map(|line| line.ends_with(" missing"));
        let lacking = kept
            .into_iter()
            .zip(missing)
            .filter(|(_, missing)| *missing);
        Ok(lacking.map(|(kept, _)| (kept.commit, kept.writer)).gather())
    }

    /// Removes the own reference.
    ///
    /// # Errors
    /// Those of git.
    pub fn purge(&self) -> Result<(), Error> {
        git::run(
            &self.common,
            &["update-ref", "-d", &self.writer],
            b"",
            PATIENCE,
        )
        .map(drop)
    }
}

/// Whether the repository may lack objects that a remote has.
/// **Source:** git-config(1), `remote.NAME.promisor` and `extensions.partialClone`.
fn is_partial(common: &Path) -> bool {
    let settings = read_bounded(&common.join("config"), 1 << 20).unwrap_or_default();
    let settings = settings.to_ascii_lowercase();
    ["promisor", "partialclone"]
        .iter()
        .any(|key| memchr::memmem::find(&settings, key.as_bytes()).is_some())
}

/// The next object of `cat-file --batch`: `ID KIND SIZE`, its bytes, a line break.
fn object(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memchr(b'\n', rest)?;
    let (line, after) = (&rest[..end], &rest[end + 1..]);
    *rest = after;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.rsplit(' ');
    let (size, kind) = (words.next()?.parse::<usize>().ok()?, words.next()?);
    let bytes = after.get(..size)?;
    *rest = after.get(size + 1..).unwrap_or_default();
    (kind == "blob" && size <= NOTE).then(|| bytes.to_vec())
}

/// The e-mail address under which its user commits here.
fn mail(common: &Path) -> String {
    let printed = git::run(common, &["config", "--get", "user.email"], b"", PATIENCE);
    let printed = printed.unwrap_or_default();
    String::from_utf8_lossy(printed.trim_ascii()).into_owned()
}

/// An address as a part of a reference's name.
fn slug(mail: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = mail.chars().take(40).map(plain).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return "nobody".into();
    }
    words.join("-")
}

/// Four digits that tell this machine from others.
fn host() -> String {
    let id = read_bounded(Path::new("/etc/machine-id"), 256).unwrap_or_default();
    let name = rustix::system::uname();
    let name = name.nodename().to_bytes();
    let hash = id
        .iter()
        .chain(name)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{:04x}", (hash >> 32 ^ hash) & 0xffff)
}
