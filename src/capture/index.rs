//! Which prompt's lines are in which record, in a form that is read in a few milliseconds: all
//! records of a repository, without their texts. It is a cache, and whoever misses it makes it anew. Pure.

use std::collections::{BTreeMap, HashMap};

use super::record::Record;
use crate::core::sorted::Arrange as _;

/// The first bytes of a file of this version.
const MAGIC: &[u8; 8] = b"vmuxix03";
/// In place of a prompt: the line is of nobody that is known.
const NOBODY: u32 = u32::MAX;

/// All records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Index {
    /// What the references to the records were when it was made.
    pub refs: String,
    /// Prompts: their session, and their turn in it.
    pub prompts: Vec<(String, String)>,
    /// The records.
    pub kept: Vec<Kept>,
}

/// A commit with a record, and who took part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// When the commit was made, in seconds since 1970.
    pub at: i64,
    /// The commit.
    pub commit: String,
    /// The first line of its message, as git has it.
    pub subject: String,
}

/// A record, as far as lines are to be found in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The reference that holds it.
    pub writer: String,
    /// What it lies in: another one if it is written anew.
    pub blob: String,
    /// Its commit.
    pub commit: String,
    /// The first line of the commit's message, as git has it.
    pub subject: String,
    /// When the commit was made, in seconds since 1970.
    pub at: i64,
    /// The commit's patch id.
    pub patch_id: String,
    /// Its prompts, by their place in [`Index::prompts`].
    pub prompts: Vec<u32>,
    /// Sessions that took part.
    pub sessions: Vec<String>,
    /// Its files.
    pub files: Vec<Lines>,
}

/// Lines of a file in a record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// Its path.
    pub path: String,
    /// The lines, in order.
    pub lines: Vec<Line>,
}

/// A line of a file in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: u32,
    /// Its hash; 0 of a blank one.
    pub hash: u32,
    /// The prompt, by its place in the record.
    pub prompt: Option<u32>,
}

impl Index {
    /// Takes a record in, in the place of an older one of the same commit and writer.
    pub fn put(&mut self, writer: &str, blob: &str, subject: &str, record: &Record) {
        self.kept
            .retain(|kept| kept.writer != writer || kept.commit != record.commit);
        let session = |at: usize| {
            let talk = record.conversations.get(at);
            talk.map_or_else(String::new, |talk| talk.session_id.to_string())
        };
        let asked = record.prompts.iter();
        let names: Vec<(String, String)> = asked
            .map(|asked| (session(asked.conversation), asked.turn.to_string()))
            .collect();
        let prompts = self.intern(names);
        let talks = record.conversations.iter();
        let mut sessions: Vec<String> = talks.map(|talk| talk.session_id.to_string()).collect();
        sessions.dedup();
        self.kept.push(Kept {
            writer: writer.to_owned(),
            blob: blob.to_owned(),
            commit: record.commit.clone(),
            subject: subject.to_owned(),
            at: record.at.timestamp(),
            patch_id: record.patch_id.clone(),
            prompts,
            sessions,
            files: record.files.iter().map(Lines::of).collect(),
        });
    }

    /// The places of prompts, new ones put behind.
    fn intern(&mut self, names: Vec<(String, String)>) -> Vec<u32> {
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let known = self.prompts.iter().rposition(|known| *known == name);
            let place = known.unwrap_or_else(|| {
                self.prompts.push(name);
                self.prompts.len() - 1
            });
            places.push(u32::try_from(place).unwrap_or(NOBODY));
        }
        places
    }

    /// Where the record of a commit is; a writer's own before others'.
    #[must_use]
    pub fn position(&self, commit: &str, own: &str) -> Option<usize> {
        let mut found = self.places_of(|kept| kept.commit == commit, own);
        (!found.is_empty()).then(|| found.remove(0))
    }

    /// Where the records of commits with this patch id are; a writer's own before others', then the
    /// newest first.
    #[must_use]
    pub fn of_patch(&self, patch_id: &str, own: &str) -> Vec<usize> {
        self.places_of(
            |kept| !patch_id.is_empty() && kept.patch_id == patch_id,
            own,
        )
    }

    fn places_of(&self, wanted: impl Fn(&Kept) -> bool, own: &str) -> Vec<usize> {
        let all = self.kept.iter().enumerate();
        let mut found: Vec<(usize, &Kept)> = all.filter(|(_, kept)| wanted(kept)).collect();
        found.arrange_by_key(|(_, kept)| (kept.writer != own, std::cmp::Reverse(kept.at)));
        found.into_iter().map(|(place, _)| place).collect()
    }

    /// Where a line of a file is in a record.
    #[must_use]
    pub fn find_line(&self, kept: usize, path: &str, number: u32) -> Option<At> {
        let files = &self.kept.get(kept)?.files;
        let file = files.iter().position(|file| file.path == path)?;
        let lines = &files[file].lines;
        let line = lines
            .binary_search_by_key(&number, |line| line.number)
            .ok()?;
        Some(At { kept, file, line })
    }

    /// Whether a prompt is known to have written the line there.
    #[must_use]
    pub fn has_prompt(&self, at: At) -> bool {
        self.line(at).is_some_and(|(_, line)| line.prompt.is_some())
    }

    /// What tells a record's prompt from those of all records.
    #[must_use]
    pub fn identity(kept: &Kept, line: &Line) -> Option<u32> {
        let place = usize::try_from(line.prompt?).ok()?;
        kept.prompts.get(place).copied()
    }

    /// The file that it is kept in.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let mut newest: Vec<&Kept> = self.kept.iter().collect();
        newest.arrange_by_key(|kept| std::cmp::Reverse(kept.at));
        many(&mut out, &newest, |out, kept| {
            out.extend(kept.at.to_le_bytes());
            text(out, &kept.commit);
            text(out, &kept.subject);
            many(out, &kept.sessions, |out, session| text(out, session));
        });
        text(&mut out, &self.refs);
        many(&mut out, &self.prompts, |out, (session, turn)| {
            text(out, session);
            text(out, turn);
        });
        many(&mut out, &self.kept, |out, kept| {
            for word in [
                &kept.writer,
                &kept.blob,
                &kept.commit,
                &kept.subject,
                &kept.patch_id,
            ] {
                text(out, word);
            }
            out.extend(kept.at.to_le_bytes());
            many(out, &kept.prompts, |out, place| {
                out.extend(place.to_le_bytes());
            });
            many(out, &kept.sessions, |out, session| text(out, session));
            many(out, &kept.files, |out, file| {
                text(out, &file.path);
                many(out, &file.lines, |out, line| {
                    let prompt = line.prompt.unwrap_or(NOBODY);
                    for number in [line.number, line.hash, prompt] {
                        out.extend(number.to_le_bytes());
                    }
                });
            });
        });
        out
    }

    /// Reads such a file; nothing if it is of another version or broken.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
        rest.many(Rest::head)?;
        let refs = rest.text()?;
        let prompts = rest.many(|rest| Some((rest.text()?, rest.text()?)))?;
        let kept = rest.many(|rest| {
            let mut kept = Kept {
                writer: rest.text()?,
                blob: rest.text()?,
                commit: rest.text()?,
                subject: rest.text()?,
                patch_id: rest.text()?,
                ..Kept::default()
            };
            kept.at = i64::from_le_bytes(rest.take()?);
            kept.prompts = rest.many(Rest::number)?;
            kept.sessions = rest.many(Rest::text)?;
            kept.files = rest.many(Rest::file)?;
            Some(kept)
        })?;
        rest.0.is_empty().then_some(Self {
            refs,
            prompts,
            kept,
        })
    }

    /// The newest commits that a session took part in, from the start of such a file: it need not be
    /// whole.
    #[must_use]
    pub fn heads(start: &[u8], session: &str, most: usize) -> Vec<Head> {
        let mut found: Vec<Head> = Vec::new();
        let mut rest = Rest(start.strip_prefix(MAGIC).unwrap_or_default());
        let count = rest.number().unwrap_or(0);
        for _ in 0..count {
            let Some((head, sessions)) = rest.head() else {
                break;
            };
            let known = found.iter().any(|known| known.commit == head.commit);
            if !known && sessions.iter().any(|one| one == session) {
                found.push(head);
            }
            if found.len() >= most {
                break;
            }
        }
        found
    }

    /// Where each hash of these stands in records, in files of which `wanted` holds.
    #[must_use]
    pub fn places(
        &self,
        hashes: impl Iterator<Item = u32>,
        wanted: impl Fn(&Kept, &Lines) -> bool,
    ) -> HashMap<u32, Vec<At>> {
        let mut places: HashMap<u32, Vec<At>> = hashes.map(|hash| (hash, Vec::new())).collect();
        for (k, kept) in self.kept.iter().enumerate() {
            for (f, file) in kept.files.iter().enumerate() {
                if !wanted(kept, file) {
                    continue;
                }
                for (l, line) in file.lines.iter().enumerate() {
                    if let Some(found) = places.get_mut(&line.hash) {
                        found.push(At {
                            kept: k,
                            file: f,
                            line: l,
                        });
                    }
                }
            }
        }
        places
    }

    /// The line there.
    #[must_use]
    pub fn line(&self, at: At) -> Option<(&Kept, &Line)> {
        let kept = self.kept.get(at.kept)?;
        Some((kept, kept.files.get(at.file)?.lines.get(at.line)?))
    }

    /// Keeps the records that are still there, by writer and commit with what they lie in.
    pub fn keep(&mut self, there: &BTreeMap<(String, String), String>) {
        self.kept.retain(|kept| {
            let key = (kept.writer.clone(), kept.commit.clone());
            there.get(&key) == Some(&kept.blob)
        });
    }
}

/// A line's place in an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct At {
    /// Which record.
    pub kept: usize,
    /// Which of its files.
    pub file: usize,
    /// Which of its lines.
    pub line: usize,
}

impl Lines {
    fn of(part: &super::record::FilePart) -> Self {
        let mut lines = Vec::new();
        for span in &part.ranges {
            for (number, hash) in (span.start..=span.end).zip(&span.hashes) {
                lines.push(Line {
                    number,
                    hash: *hash,
                    prompt: span.prompt.and_then(|place| u32::try_from(place).ok()),
                });
            }
        }
        Self {
            path: part.path.clone(),
            lines,
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    many(out, text.as_bytes(), |out, byte| out.push(*byte));
}

fn many<T>(out: &mut Vec<u8>, all: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    out.extend(count.to_le_bytes());
    for one in all {
        put(out, one);
    }
}

/// What is not yet read.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn many<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        // No more than there are bytes for: a broken count reserves nothing.
        (0..count).map(|_| one(self)).collect()
    }

    fn head(&mut self) -> Option<(Head, Vec<String>)> {
        let head = Head {
            at: i64::from_le_bytes(self.take()?),
            commit: self.text()?,
            subject: self.text()?,
        };
        Some((head, self.many(Self::text)?))
    }

    fn file(&mut self) -> Option<Lines> {
        let path = self.text()?;
        let lines = self.many(|rest| {
            let (number, hash, prompt) = (rest.number()?, rest.number()?, rest.number()?);
            Some(Line {
                number,
                hash,
                prompt: Some(prompt).filter(|prompt| *prompt != NOBODY),
            })
        })?;
        Some(Lines { path, lines })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::capture::record::{Asked, FilePart, Span, Talk, line_hash};
    use crate::core::model::ConversationId;
    use crate::core::text::CleanText;

    /// A record of a commit with one file: each line with its prompt, a session and turn in one
    /// word, `-` for nobody's.
    pub(crate) fn record(commit: &str, path: &str, lines: &[(u32, &str, &str)]) -> Record {
        let mut record = Record {
            commit: commit.into(),
            patch_id: format!("p{commit}"),
            ..Record::default()
        };
        let mut ranges = Vec::new();
        for (number, text, prompt) in lines {
            let prompt = (*prompt != "-").then(|| place(&mut record, prompt));
            ranges.push(Span {
                start: *number,
                end: *number,
                prompt,
                by: None,
                from: None,
                hashes: vec![line_hash(text.as_bytes()).unwrap_or(0)],
            });
        }
        record.files = vec![FilePart {
            path: path.into(),
            ranges,
            touched: Vec::new(),
        }];
        record
    }

    fn place(record: &mut Record, name: &str) -> usize {
        let known = record.prompts.iter().position(|asked| *asked.turn == *name);
        known.unwrap_or_else(|| {
            record.conversations.push(Talk {
                agent: "claude".into(),
                version: None,
                model: None,
                session_id: ConversationId::new(&format!("s-{name}")).unwrap(),
            });
            record.prompts.push(Asked {
                conversation: record.conversations.len() - 1,
                turn: CleanText::line(name),
                at: chrono::DateTime::UNIX_EPOCH,
                primary: true,
                text: CleanText::line(&format!("do {name}")),
                answers: Vec::new(),
                asked: Vec::new(),
                pasted: Vec::new(),
            });
            record.prompts.len() - 1
        })
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut index = Index {
            refs: "x".into(),
            ..Index::default()
        };
        let lines = [(3, "let a = 1;", "p1"), (4, "", "p1"), (9, "b", "-")];
        index.put("w", "b1", "Add a", &record("c1", "a.rs", &lines));
        index.put("w", "b2", "Add ä", &record("c2", "ä.rs", &lines[..1]));
        assert_eq!(index.prompts.len(), 1, "one prompt in two commits");
        assert_eq!(Index::read(&index.bytes()), Some(index.clone()));
        // The same commit again is in the old one's place.
        index.put("w", "b3", "Add a", &record("c1", "a.rs", &lines[..1]));
        let blobs: Vec<&str> = index.kept.iter().map(|kept| &*kept.blob).collect();
        assert_eq!(blobs, ["b2", "b3"]);
        // A session's commits are read from its start.
        let bytes = index.bytes();
        let heads = |bytes: &[u8], session| {
            let heads = Index::heads(bytes, session, 5);
            heads
                .into_iter()
                .map(|head| head.subject)
                .collect::<Vec<_>>()
        };
        assert_eq!(heads(&bytes, "s-p1"), ["Add ä", "Add a"]);
        assert_eq!(heads(&bytes[..60], "s-p1"), ["Add ä"]);
        assert_eq!(heads(&bytes, "s-p2"), Vec::<String>::new());
        assert_eq!(Index::heads(&bytes, "s-p1", 1).len(), 1);
    }

    #[test]
    fn a_broken_one_is_none() {
        let mut index = Index::default();
        index.put("w", "b", "s", &record("c", "a", &[(1, "x", "p")]));
        let bytes = index.bytes();
        for cut in 0..bytes.len() {
            assert_eq!(Index::read(&bytes[..cut]), None, "{cut}");
            let mut changed = bytes.clone();
            changed[cut] = 0xff;
            // Whatever it says, it neither panics nor reserves what is not there.
            assert!(Index::read(&changed).is_none_or(|read| read.kept.len() <= 1));
        }
    }
}
