//! Reads the end of a transcript, whatever its size, and follows what is appended.
//!
//! One block of 64 KiB is reused; a line over 192 KiB (an image, a written file) is never held
//! whole. Reads use `pread`: a mapping would fault when the CLI truncates the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::conversation::{Conversation, Message};
use crate::core::model::{LastLine, RawPath, TranscriptFact};

/// One read, in bytes.
const BLOCK: usize = 64 * 1024;
/// A longer line is known by its first and last bytes only. 1800 lines of text as a tool result
/// make one line of 176 KiB, which still has to be read; images start above 1 MiB.
const LINE_CAP: usize = 192 * 1024;
/// How much of the start of a longer line is kept: ids, role and the file's path come first.
const HEAD: usize = 4 * 1024;
/// How much of its end: the time comes last.
const TAIL: usize = 1024;
/// Lines that are read, and bytes that are searched backwards for them: at first (one turn with a
/// tool call is about ten), if those held no conversation, and behind a line that is larger than
/// any the CLI is known to write (16 MiB are three of those).
const LOOKS: [(usize, u64); 3] = [(40, 16 << 20), (400, 16 << 20), (400, 512 << 20)];
/// More appended bytes than this are not followed; the end is read anew.
const FOLLOW_CAP: u64 = 1 << 20;

/// A transcript that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// Device and inode: a replaced file is another one.
    identity: (u64, u64),
    /// Everything before this offset is folded; it is the start of a line.
    offset: u64,
    /// Its size at the last read: between `offset` and that there is no line break.
    size: u64,
    conversation: Conversation,
}

impl Follower {
    /// Opens the transcript at `path` and folds its last lines.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_as(path, Conversation::default())
    }

    /// The same for the transcript of a subagent.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_subagent(path: &Path) -> io::Result<Self> {
        Self::open_as(path, Conversation::new(true))
    }

    fn open_as(path: &Path, conversation: Conversation) -> io::Result<Self> {
        let mut follower = Self {
            path: path.to_path_buf(),
            identity: (0, 0),
            offset: 0,
            size: 0,
            conversation,
        };
        follower.refresh()?;
        Ok(follower)
    }

    /// Where the transcript lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size at the last read, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the conversation stands.
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// What `state` weighs.
    #[must_use]
    pub fn fact(&self, now: DateTime<Utc>) -> TranscriptFact {
        let conversation = self.conversation.clone();
        TranscriptFact {
            path: RawPath(self.path.to_string_lossy().into_owned()),
            size: self.size,
            last: conversation.last,
            at: conversation.at,
            pending: conversation.pending,
            background_agents: conversation.background_agents,
            may_go_on: self.conversation.may_go_on(),
            said: conversation.said,
            model: conversation.model,
            title: conversation.title,
            read_at: now,
        }
    }

    /// Reads what is new. Starts again where the file was replaced, truncated, or grew much.
    /// Returns whether anything was folded.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` if it was deleted.
    pub fn refresh(&mut self) -> io::Result<bool> {
        let file = open_regular(&self.path)?;
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        let size = metadata.len();
        let before = self.size;
        let same = identity == self.identity && size >= self.offset;
        if same && size == before {
            return Ok(false);
        }
        self.size = size;
        // What was read before is not read again, however long a line becomes.
        let read = if size < before { self.offset } else { before };
        if same && size - read <= FOLLOW_CAP {
            self.offset = fold_appended(&file, self.offset..size, read, &mut self.conversation)?;
            return Ok(true);
        }
        self.identity = identity;
        let of_subagent = self.conversation.of_subagent;
        let (conversation, offset) = read_end(&file, size, of_subagent, None)?;
        self.conversation = conversation;
        self.offset = offset;
        Ok(true)
    }
}

/// The last messages of the transcript at `path`, oldest first, at most `most`.
///
/// # Errors
/// Those of the file system.
pub fn read_messages(path: &Path, most: usize) -> io::Result<Vec<Message>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let mut messages = Vec::new();
    read_end(&file, size, false, Some((&mut messages, most)))?;
    let surplus = messages.len().saturating_sub(most);
    messages.drain(..surplus);
    Ok(messages)
}

/// The version that wrote the transcript at `path`, by its last lines that name one.
#[must_use]
pub fn read_version(path: &Path) -> Option<[u32; 3]> {
    let file = open_regular(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut end = vec![0; BLOCK];
    let filled = read_up_to(&file, size.saturating_sub(BLOCK as u64), &mut end).ok()?;
    let mark = b"\"version\":\"";
    let at = memchr::memmem::rfind(&end[..filled], mark)? + mark.len();
    let text = std::str::from_utf8(&end[at..filled.min(at + 24)]).ok()?;
    super::parse_version(text.split('"').next()?)
}

fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a regular file",
        ))
    }
}

/// Folds the last lines: few at first, more if those hold no conversation or too few messages.
fn read_end(
    file: &File,
    size: u64,
    of_subagent: bool,
    mut wanted: Option<(&mut Vec<Message>, usize)>,
) -> io::Result<(Conversation, u64)> {
    let mut buffer = vec![0u8; BLOCK];
    let mut found = (Conversation::new(of_subagent), 0);
    for (lines, back) in LOOKS {
        let breaks = last_line_starts(file, size, (lines, back), &mut buffer)?;
        let mut conversation = Conversation::new(of_subagent);
        let mut messages = wanted.as_mut().map(|(messages, _)| {
            messages.clear();
            &mut **messages
        });
        for bounds in breaks.windows(2) {
            fold_line(
                file,
                bounds[0],
                bounds[1] - 1,
                &mut buffer,
                &mut conversation,
                messages.as_deref_mut(),
            )?;
        }
        let enough = wanted
            .as_ref()
            .is_none_or(|(messages, most)| messages.len() >= *most);
        let known = conversation.last != LastLine::Nothing && conversation.said.is_some();
        found = (conversation, breaks.last().copied().unwrap_or(0));
        let whole = breaks.first() == Some(&0);
        let again = lines > LOOKS[0].0;
        let far = again && (known || breaks.len() > lines);
        if (known && enough) || whole || far {
            break;
        }
    }
    Ok(found)
}

/// Offsets where the last `lines` whole lines start, ascending, and where the last of them ends.
/// Fewer if they do not lie within `back` bytes of the end.
fn last_line_starts(
    file: &File,
    size: u64,
    (lines, back): (usize, u64),
    block: &mut Vec<u8>,
) -> io::Result<Vec<u64>> {
    let mut starts = Vec::with_capacity(lines + 1);
    block.resize(BLOCK, 0);
    let mut end = size;
    while end > 0 && size - end < back {
        let from = end.saturating_sub(BLOCK as u64);
        let length = usize::try_from(end - from).unwrap_or(BLOCK);
        let filled = read_up_to(file, from, &mut block[..length])?;
        for at in memchr::memrchr_iter(b'\n', &block[..filled]) {
            starts.push(from + at as u64 + 1);
            if starts.len() > lines {
                starts.reverse();
                return Ok(starts);
            }
        }
        end = from;
    }
    if end == 0 {
        starts.push(0);
    }
    starts.reverse();
    Ok(starts)
}

/// Folds the line in `from..to`: whole if it is not too long, else by its edges.
fn fold_line(
    file: &File,
    from: u64,
    to: u64,
    buffer: &mut Vec<u8>,
    conversation: &mut Conversation,
    messages: Option<&mut Vec<Message>>,
) -> io::Result<()> {
    let mut from = from;
    let mut length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    if length > LINE_CAP {
        from = past_nuls(file, from, to, buffer)?;
        length = usize::try_from(to - from).unwrap_or(usize::MAX);
    }
    if length <= LINE_CAP {
        if buffer.len() < length {
            // Exactly: growing by doubling would hold twice the longest line.
            buffer.reserve_exact(length - buffer.len());
            buffer.resize(length, 0);
        }
        let filled = read_up_to(file, from, &mut buffer[..length])?;
        conversation.fold(&buffer[..filled], messages);
        return Ok(());
    }
    let head = read_up_to(file, from, &mut buffer[..HEAD])?;
    let tail = read_up_to(file, to - TAIL as u64, &mut buffer[HEAD..HEAD + TAIL])?;
    conversation.fold_edges(&buffer[..head], &buffer[HEAD..HEAD + tail]);
    Ok(())
}

/// Where a line begins behind the NULs that a power failure left in front of it: whole blocks of
/// a file may never have reached the disk. At most 16 MiB are passed over.
fn past_nuls(file: &File, from: u64, to: u64, buffer: &mut [u8]) -> io::Result<u64> {
    let most = to.min(from.saturating_add(16 << 20));
    let mut at = from;
    while at < most {
        let length = usize::try_from(to - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let filled = read_up_to(file, at, &mut buffer[..length])?;
        if let Some(first) = buffer[..filled].iter().position(|byte| *byte != 0) {
            return Ok(at + first as u64);
        }
        if filled == 0 {
            break;
        }
        at += filled as u64;
    }
    Ok(at)
}

/// Folds the whole lines of `range`, whose first line break comes after `read`; returns the offset
/// after the last.
fn fold_appended(
    file: &File,
    Range { mut start, end: to }: Range<u64>,
    read: u64,
    conversation: &mut Conversation,
) -> io::Result<u64> {
    // A line that is read anew from its start costs less than one that is read in two pieces.
    let mut at = if read - start < BLOCK as u64 {
        start
    } else {
        read
    };
    let length = usize::try_from(to - at).unwrap_or(usize::MAX);
    let mut buffer = vec![0u8; length.min(BLOCK)];
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(BLOCK).min(BLOCK);
        let filled = read_up_to(file, at, &mut buffer[..length])?;
        if filled == 0 {
            break;
        }
        let breaks: Vec<usize> = memchr::memchr_iter(b'\n', &buffer[..filled]).collect();
        let mut folded = 0;
        for end in breaks {
            let line_end = at + end as u64;
            if start >= at {
                conversation.fold(&buffer[folded..end], None);
            } else {
                // It began in an earlier block.
                fold_line(
                    file,
                    start,
                    line_end,
                    &mut Vec::from([0u8; HEAD + TAIL]),
                    conversation,
                    None,
                )?;
            }
            folded = end + 1;
            start = line_end + 1;
        }
        at += filled as u64;
    }
    Ok(start)
}

fn read_up_to(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn prompt(text: &str) -> String {
        format!(
            r#"{{"parentUuid":null,"isSidechain":false,"type":"user","message":{{"role":"user","content":"{text}"}},"timestamp":"2026-11-20T08:48:47.298Z"}}"#
        )
    }

    fn answer(text: &str) -> String {
        format!(
            r#"{{"parentUuid":"a","isSidechain":false,"message":{{"role":"assistant","model":"claude-x","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn"}},"type":"assistant","timestamp":"2026-11-20T08:48:48.298Z"}}"#
        )
    }

    /// A tool result with an image of `bytes`, as the CLI writes one: a single line.
    fn image(bytes: usize) -> String {
        format!(
            r#"{{"parentUuid":"a","isSidechain":false,"type":"user","message":{{"role":"user","content":[{{"tool_use_id":"t1","type":"tool_result","content":[{{"type":"image","data":"{}"}}]}}]}},"timestamp":"2026-11-20T08:50:00.000Z"}}"#,
            "A".repeat(bytes)
        )
    }

    fn write(lines: &[String]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        std::fs::write(
            &path,
            lines.iter().map(|l| format!("{l}\n")).collect::<String>(),
        )
        .unwrap();
        (dir, path)
    }

    fn append(path: &Path, text: &str) {
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn said(follower: &Follower) -> &str {
        follower.conversation().said.as_deref().unwrap_or_default()
    }

    #[test]
    fn a_line_behind_many_nuls_is_read() {
        let nuls = "\0".repeat(3 * LINE_CAP);
        let (_dir, path) = write(&[prompt("one"), nuls.clone() + &answer("two")]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(said(&follower), "two");
        append(&path, &(nuls.clone() + &answer("three") + "\n"));
        assert!(follower.refresh().unwrap());
        assert_eq!(said(&follower), "three");
        append(&path, &(nuls + "\n"));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "three");
    }

    #[test]
    fn appended_lines_are_followed_and_an_unfinished_one_is_held_back() {
        let (_dir, path) = write(&[prompt("one")]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(follower.conversation().last, LastLine::Prompt);
        assert!(!follower.refresh().unwrap(), "nothing new");
        let line = answer("two");
        append(&path, &line[..40]);
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "one");
        append(&path, &format!("{}\n", &line[40..]));
        follower.refresh().unwrap();
        assert_eq!(
            (said(&follower), follower.conversation().last),
            ("two", LastLine::Answer)
        );
    }

    #[test]
    fn a_truncated_or_replaced_file_is_read_anew() {
        let (_dir, path) = write(&[prompt("a long first prompt"), answer("first")]);
        let mut follower = Follower::open(&path).unwrap();
        std::fs::write(&path, prompt("cut") + "\n").unwrap();
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "cut");
        let other = path.with_extension("new");
        std::fs::write(
            &other,
            prompt("replaced by a longer one") + "\n" + &answer("x") + "\n",
        )
        .unwrap();
        std::fs::rename(&other, &path).unwrap();
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "x");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            follower.refresh().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_line_larger_than_any_buffer_is_known_by_its_edges() {
        let (_dir, path) = write(&[prompt("see"), answer("seen"), image(5_000_000)]);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(
            (said(&follower), follower.conversation().last),
            ("seen", LastLine::ToolResult)
        );
        assert_eq!(
            follower.conversation().at.unwrap().to_rfc3339(),
            "2026-11-20T08:50:00+00:00"
        );
        append(&path, &(image(300_000) + "\n" + &answer("after") + "\n"));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "after");
    }

    /// What a crash leaves: a record of NULs, or one that is being written and is never finished.
    #[test]
    fn no_line_is_too_long_to_see_what_was_said_before_it() {
        let (_dir, path) = write(&[prompt("see"), answer("seen")]);
        let mut follower = Follower::open(&path).unwrap();
        let grow = |by: u64| {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(file.metadata().unwrap().len() + by).unwrap();
        };
        for _ in 0..3 {
            grow(30 << 20);
            follower.refresh().unwrap();
            assert_eq!(
                (said(&follower), follower.conversation().last),
                ("seen", LastLine::Answer)
            );
        }
        assert_eq!(said(&Follower::open(&path).unwrap()), "seen");
        append(&path, &format!("\n{}\n", answer("after")));
        follower.refresh().unwrap();
        assert_eq!(said(&follower), "after");
        assert_eq!(said(&Follower::open(&path).unwrap()), "after");
    }

    #[test]
    fn metadata_after_the_last_turn_does_not_hide_it() {
        let mut lines = vec![prompt("hello"), answer("hi")];
        lines.extend((0..200).map(|n| format!(r#"{{"type":"mode","mode":"normal","n":{n}}}"#)));
        let (_dir, path) = write(&lines);
        assert_eq!(said(&Follower::open(&path).unwrap()), "hi");
    }

    #[test]
    fn a_burst_larger_than_is_followed_is_read_from_its_end() {
        let (_dir, path) = write(&[prompt("start")]);
        let mut follower = Follower::open(&path).unwrap();
        let burst: String = (0..4000)
            .map(|n| answer(&format!("{n} {}", "x".repeat(400))) + "\n")
            .collect();
        append(&path, &burst);
        follower.refresh().unwrap();
        assert!(said(&follower).starts_with("3999 "));
    }

    #[test]
    fn messages_come_oldest_first_and_bounded() {
        let lines: Vec<String> = (0..30)
            .flat_map(|n| [prompt(&format!("p{n}")), answer(&format!("a{n}"))])
            .collect();
        let (_dir, path) = write(&lines);
        let messages = read_messages(&path, 3).unwrap();
        let texts: Vec<&str> = messages.iter().map(|m| m.text.as_str()).collect();
        assert_eq!(texts, ["a28", "p29", "a29"]);
    }

    #[test]
    fn broken_and_binary_lines_are_counted_and_skipped() {
        let (_dir, path) = write(&[
            prompt("ok"),
            "{\"type\":\"user\"".into(),
            "\u{0}\u{1}\u{ff}".into(),
        ]);
        let follower = Follower::open(&path).unwrap();
        assert_eq!((said(&follower), follower.conversation().broken), ("ok", 2));
        for odd in ["", "\n\n\n", "no newline"] {
            std::fs::write(&path, odd).unwrap();
            assert_eq!(
                Follower::open(&path).unwrap().conversation().last,
                LastLine::Nothing
            );
        }
    }
}
