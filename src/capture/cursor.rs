//! Up to where a reflog was read: an offset and the line that ends there, so that a log which was
//! shortened or written anew meanwhile is noticed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::reflog::{self, Line};
use crate::core::model::time;

/// Most of a log's end that is read at once, in bytes: some twenty thousand movements.
const CAP: u64 = 4 << 20;

/// A place in a log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// Where the last line that was read ends, in bytes.
    pub offset: u64,
    /// That line's length, and FNV-1a of it, both with its end.
    length: u64,
    hash: u64,
    /// When it was written.
    #[serde(
        deserialize_with = "time::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub at: Option<DateTime<Utc>>,
}

/// What a log tells that was not read yet.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Its lines, in order.
    pub lines: Vec<Line>,
    /// Where to go on.
    pub next: Cursor,
    /// What was read last is not there any more: lines may be missing before these.
    pub gap: bool,
}

/// Reads on in a log; without a cursor, what was written since then. A log that is not there has
/// no lines.
///
/// # Errors
/// Those of reading it.
pub fn read_on(log: &Path, cursor: Option<&Cursor>, since: DateTime<Utc>) -> io::Result<News> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(News {
                next: cursor.cloned().unwrap_or_default(),
                ..News::default()
            });
        }
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    if let Some(known) = cursor
        && let Some(from) = known.offset.checked_sub(known.length)
        && known.offset <= length
        && length - from <= CAP
    {
        let text = tail(&mut file, from)?;
        let (last, new) = text.split_at(text.len().min(usize_of(known.length)));
        if known.is_at(last) {
            return Ok(News::of(new, known.offset, known.clone(), |_| true));
        }
    }
    let from = length.saturating_sub(CAP);
    let text = tail(&mut file, from)?;
    Ok(search(&text, from, cursor, since))
}

/// Finds the line that was read last where entries before it were taken away; without it, goes by
/// the time.
fn search(text: &[u8], from: u64, cursor: Option<&Cursor>, since: DateTime<Utc>) -> News {
    let since = cursor.and_then(|known| known.at).unwrap_or(since);
    let begin = Cursor {
        offset: from,
        at: cursor.and_then(|known| known.at),
        ..Cursor::default()
    };
    let Some(known) = cursor.filter(|known| known.length > 0) else {
        return News::of(text, from, begin, |line| line.at >= since);
    };
    let mut at = text.len();
    for line in text.split_inclusive(|b| *b == b'\n').rev() {
        if known.is_at(line) {
            let offset = from + at as u64;
            let found = Cursor {
                offset,
                ..known.clone()
            };
            return News::of(&text[at..], offset, found, |_| true);
        }
        at -= line.len();
    }
    News {
        gap: true,
        ..News::of(text, from, begin, |line| line.at >= since)
    }
}

impl News {
    /// The lines of `text`, which begins at `offset`. What has no end yet is left for later.
    fn of(text: &[u8], offset: u64, next: Cursor, wanted: impl Fn(&Line) -> bool) -> Self {
        let mut news = Self {
            next,
            ..Self::default()
        };
        let mut end = offset;
        for line in text.split_inclusive(|b| *b == b'\n') {
            let Some(bare) = line.strip_suffix(b"\n") else {
                break;
            };
            end += line.len() as u64;
            let read = reflog::parse(bare);
            let at = read.as_ref().map(|line| line.at);
            news.next = Cursor {
                offset: end,
                length: line.len() as u64,
                hash: hash(line),
                at: at.or(news.next.at),
            };
            news.lines.extend(read.filter(&wanted));
        }
        news
    }
}

impl Cursor {
    fn is_at(&self, line: &[u8]) -> bool {
        self.length == line.len() as u64 && self.hash == hash(line)
    }
}

fn tail(file: &mut File, from: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(CAP).read_to_end(&mut text)?;
    Ok(text)
}

fn usize_of(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    struct Log {
        path: PathBuf,
        _dir: tempfile::TempDir,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self {
                path: dir.path().join("HEAD"),
                _dir: dir,
            }
        }

        fn write(&self, lines: std::ops::Range<u32>) {
            let text: String = lines.map(line).collect();
            fs::write(&self.path, text).unwrap();
        }

        fn read(&self, cursor: Option<&Cursor>) -> News {
            read_on(&self.path, cursor, moment(3)).unwrap()
        }
    }

    fn moment(n: u32) -> DateTime<Utc> {
        time::from_seconds(1_795_888_800 + i64::from(n)).unwrap()
    }

    fn line(n: u32) -> String {
        let seconds = moment(n).timestamp();
        format!(
            "{n:040x} {:040x} A <a@b.c> {seconds} +0000\tcommit: {n}\n",
            n + 1
        )
    }

    fn numbers(news: &News) -> Vec<u32> {
        let number = |line: &Line| u32::from_str_radix(&line.new, 16).unwrap() - 1;
        news.lines.iter().map(number).collect()
    }

    #[test]
    fn the_first_look_takes_what_was_written_since() {
        let log = Log::new();
        assert_eq!(log.read(None), News::default(), "no log yet");
        log.write(1..6);
        let news = log.read(None);
        assert_eq!((numbers(&news), news.gap), (vec![3, 4, 5], false));
        assert_eq!(log.read(Some(&news.next)).lines, []);
    }

    #[test]
    fn a_line_counts_once_it_has_an_end() {
        let log = Log::new();
        log.write(3..4);
        let first = log.read(None);
        let (four, five) = (line(4), line(5));
        fs::write(&log.path, line(3) + &four + &five[..50]).unwrap();
        let second = log.read(Some(&first.next));
        assert_eq!(numbers(&second), [4]);
        log.write(3..6);
        let third = log.read(Some(&second.next));
        assert_eq!((numbers(&third), third.gap), (vec![5], false));
    }

    #[test]
    fn a_log_whose_beginning_expired_is_read_on_where_it_was_left() {
        let log = Log::new();
        log.write(1..20);
        let first = log.read(None);
        log.write(15..25);
        let news = log.read(Some(&first.next));
        assert_eq!((numbers(&news), news.gap), ((20..25).collect(), false));
        assert_eq!(log.read(Some(&news.next)).lines, []);
    }

    #[test]
    fn a_log_that_lost_its_place_is_read_by_time_and_that_is_told() {
        let log = Log::new();
        log.write(1..10);
        let first = log.read(None);
        log.write(20..22);
        let news = log.read(Some(&first.next));
        assert_eq!((numbers(&news), news.gap), (vec![20, 21], true));
        // Emptied, and written anew by hand.
        fs::write(&log.path, "").unwrap();
        let emptied = log.read(Some(&news.next));
        assert_eq!((numbers(&emptied), emptied.gap), (vec![], true));
        fs::write(&log.path, format!("nonsense\n\0\n{}", line(30))).unwrap();
        assert_eq!(numbers(&log.read(Some(&emptied.next))), [30]);
    }

    #[test]
    fn a_cursor_is_kept_as_it_is() {
        let log = Log::new();
        log.write(1..10);
        let cursor = log.read(None).next;
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        let odd: Cursor = serde_json::from_str(r#"{"offset":9,"length":99,"at":"soon"}"#).unwrap();
        assert!(log.read(Some(&odd)).gap, "a state that was meddled with");
    }
}
