//! Reads a file of JSON lines from an offset to its end, one line after the other, whatever its
//! size.
//!
//! A line over 8 MiB is known by its first bytes only, and costs nothing but its reading: a written
//! file of 4 MiB still makes a line of less.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::lines::{open_regular, read_up_to};

/// One read, in bytes; a buffer of it is kept while a file is read.
const BLOCK: usize = 256 * 1024;
/// A longer line is not held.
const LONGEST: usize = 8 << 20;
/// What is kept of its beginning: ids, kind and the file's path come first.
const HEAD: usize = 4 * 1024;

/// A line, without its line break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The beginning of one that is too long to be held.
    Beginning(&'a [u8]),
}

/// Hands over the whole lines behind this offset, which is the start of one, and returns the
/// offset behind the last of them. A file that is shorter than that was written anew: it is read
/// from its start.
///
/// # Errors
/// Those of the file system; `InvalidData` for what is no regular file, `PermissionDenied` for one
/// of another user, who could tell anything in this user's name.
pub(super) fn each_line(path: &Path, from: u64, mut take: impl FnMut(Line<'_>)) -> io::Result<u64> {
    let file = open_regular(path)?;
    let metadata = file.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // What is appended meanwhile is for the next time.
    let size = metadata.len();
    let mut at = if from > size { 0 } else { from };
    let mut behind = at;
    let mut buffer = vec![0; BLOCK];
    let mut held = 0;
    let mut head = None;
    while at < size {
        if held == buffer.len() {
            if held < LONGEST {
                buffer.resize(held * 2, 0);
            } else {
                head.get_or_insert_with(|| buffer[..HEAD].to_vec());
                held = 0;
            }
        }
        let room = buffer.len() - held;
        let length = usize::try_from(size - at).map_or(room, |left| left.min(room));
        let filled = read_up_to(&file, at, &mut buffer[held..held + length])?;
        if filled == 0 {
            break;
        }
        at += filled as u64;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[held..held + filled]) {
            let end = held + end;
            match head.take() {
                Some(head) => take(Line::Beginning(&head)),
                None => take(Line::Whole(&buffer[start..end])),
            }
            start = end + 1;
        }
        held += filled;
        if start > 0 {
            behind = at - (held - start) as u64;
            buffer.copy_within(start..held, 0);
            held -= start;
        }
    }
    Ok(behind)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn read(path: &Path, from: u64) -> (Vec<String>, u64) {
        let mut lines = Vec::new();
        let behind = each_line(path, from, |line| {
            lines.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::Beginning(head) => format!("{} of more", head.len()),
            });
        });
        (lines, behind.unwrap())
    }

    #[test]
    fn whole_lines_are_handed_over_and_an_unfinished_one_waits() {
        let (_dir, path) = file(b"one\n\ntwo\nthr");
        assert_eq!(
            read(&path, 0),
            (vec!["one".into(), String::new(), "two".into()], 9)
        );
        assert_eq!(read(&path, 9), (vec![], 9));
        std::fs::write(&path, "one\n\ntwo\nthree\n").unwrap();
        assert_eq!(read(&path, 9), (vec!["three".into()], 15));
        // Written anew, and shorter.
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(read(&path, 15), (vec!["new".into()], 4));
    }

    #[test]
    fn a_line_over_the_bound_is_never_held_and_hides_no_other() {
        let long = "x".repeat(LONGEST - 10);
        let longer = "y".repeat(3 * LONGEST);
        let text = format!("a\n{long}\n{longer}\nb\n{longer}\nc");
        let (_dir, path) = file(text.as_bytes());
        let (lines, behind) = read(&path, 0);
        let short = format!("{HEAD} of more");
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| &line[..line.len().min(40)])
            .collect();
        assert_eq!(lines, ["a", &long[..40], &short, "b", &short]);
        assert_eq!(behind, text.len() as u64 - 1);
    }

    #[test]
    fn a_pipe_in_its_place_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        let error = each_line(&path, 0, |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
