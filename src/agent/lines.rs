//! Reads the end of a file of JSON lines, whatever its size, and follows what is appended.
//!
//! One block of 64 KiB is reused; a line over 192 KiB (an image, a written file) is never held
//! whole. Reads use `pread`: a mapping would fault when the writer truncates the file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// One read, in bytes.
pub(super) const BLOCK: usize = 64 * 1024;
/// A longer line is known by its first and last bytes only. 1800 lines of text as a tool result
/// make one line of 176 KiB, which still has to be read; images start above 1 MiB.
pub(super) const LINE_CAP: usize = 192 * 1024;
/// How much of the start of a longer line is kept: ids, role and the file's path come first.
const HEAD: usize = 4 * 1024;
/// How much of its end: the time comes last.
const TAIL: usize = 1024;
/// How many lines are read, and how many bytes are searched backwards for them: at first (one turn
/// with a tool call is about ten lines); again, if those held too little; and at last, behind a
/// line that is larger than any that is known to be written (16 MiB hold three of those).
const LOOKS: [(usize, u64); 3] = [(40, 16 << 20), (400, 16 << 20), (400, 512 << 20)];
/// More appended bytes than this are not followed; the end is read anew.
const FOLLOW_CAP: u64 = 1 << 20;

/// What lines are folded into.
pub trait Fold {
    /// Takes one line, without its line break.
    fn fold(&mut self, line: &[u8]);
    /// Takes a line that is too long to be held, by its first and last bytes.
    fn fold_edges(&mut self, head: &[u8], tail: &[u8]);
    /// Whether the lines folded so far tell where the conversation stands.
    fn is_known(&self) -> bool;
    /// Whether they are all that is wanted.
    fn is_enough(&self) -> bool {
        self.is_known()
    }
    /// One that knows nothing yet.
    fn anew(&self) -> Self;
}

/// A file that is followed.
#[derive(Debug)]
pub struct Follower<C> {
    path: PathBuf,
    /// Device and inode: a replaced file is another one.
    identity: (u64, u64),
    /// Everything before this offset is folded; it is the start of a line.
    offset: u64,
    /// Its size at the last read: between `offset` and that there is no line break.
    size: u64,
    conversation: C,
}

impl<C: Fold> Follower<C> {
    /// Opens the file at `path` and folds its last lines into `conversation`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_as(path: &Path, conversation: C) -> io::Result<Self> {
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

    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size at the last read, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What its lines say.
    #[must_use]
    pub fn conversation(&self) -> &C {
        &self.conversation
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
        let (conversation, offset) = read_end(&file, size, &self.conversation)?;
        self.conversation = conversation;
        self.offset = offset;
        Ok(true)
    }
}

/// Opens a file that is no pipe and no device.
///
/// # Errors
/// Those of the file system; `InvalidData` for anything else.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
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

/// Folds the last lines: few at first, more if those are not enough.
///
/// # Errors
/// Those of the file system.
pub(super) fn read_end<C: Fold>(file: &File, size: u64, like: &C) -> io::Result<(C, u64)> {
    let mut buffer = vec![0u8; BLOCK];
    let mut found = (like.anew(), 0);
    for (lines, back) in LOOKS {
        let breaks = last_line_starts(file, size, (lines, back), &mut buffer)?;
        let mut conversation = like.anew();
        for bounds in breaks.windows(2) {
            let (from, to) = (bounds[0], bounds[1] - 1);
            fold_line(file, from, to, &mut buffer, &mut conversation)?;
        }
        let enough = conversation.is_enough();
        let whole = breaks.first() == Some(&0);
        let again = lines > LOOKS[0].0;
        let far = again && (conversation.is_known() || breaks.len() > lines);
        found = (conversation, breaks.last().copied().unwrap_or(0));
        if enough || whole || far {
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
fn fold_line<C: Fold>(
    file: &File,
    from: u64,
    to: u64,
    buffer: &mut Vec<u8>,
    conversation: &mut C,
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
        conversation.fold(&buffer[..filled]);
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
fn fold_appended<C: Fold>(
    file: &File,
    Range { mut start, end: to }: Range<u64>,
    read: u64,
    conversation: &mut C,
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
                conversation.fold(&buffer[folded..end]);
            } else {
                // It began in an earlier block.
                fold_line(
                    file,
                    start,
                    line_end,
                    &mut Vec::from([0u8; HEAD + TAIL]),
                    conversation,
                )?;
            }
            folded = end + 1;
            start = line_end + 1;
        }
        at += filled as u64;
    }
    Ok(start)
}

pub(super) fn read_up_to(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
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
