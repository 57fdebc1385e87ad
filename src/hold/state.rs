//! What a holder leaves to the process that goes on with its session: another version of it, or
//! the one that follows after a crash. A head as JSON, and behind it what it points to.
//!
//! Versions meet here: the head only ever gains fields, and one that is missing means what a
//! holder knew before there was such a thing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};
use vmux::hosted::Info;
use vmux::hosted::sieve::Sieve;

use crate::client::Carried;
use crate::term::{Kept, More};

/// Largest state that is read, in bytes: history, and what waits for clients.
const LARGEST: u64 = 256 * 1024 * 1024;
/// Bytes before the first record: where that is which counts.
const FIRST: u64 = 16;

/// Bytes behind the head.
#[derive(Clone, Copy, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Span {
    at: u64,
    length: u64,
}

/// The head.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Head {
    /// The session.
    pub(crate) info: Info,
    /// Where its socket and file are, and where its logs.
    pub(crate) dirs: [PathBuf; 2],
    /// When the command was started, in ticks since boot: its pid alone may be another's by now.
    pub(crate) ticks: u64,
    /// The command is a child of the holder's process, which learns how it ended.
    pub(crate) own: bool,
    /// What a snapshot says of the screen.
    pub(crate) screen: Span,
    /// What it does not say.
    pub(crate) more: More,
    /// Nobody can write to the terminal any more.
    pub(crate) closed: bool,
    /// Keys that the program has not taken.
    pub(crate) input: Span,
    /// What clients have done so far.
    pub(crate) count: u64,
    pub(crate) leader: Option<u64>,
    pub(crate) clients: Vec<Carried>,
    /// Descriptors that the next image finds open: the terminal, and where clients come.
    pub(crate) terminal: i32,
    pub(crate) listener: i32,
    /// What the program has begun to say to the holder. What it has said is in `info`.
    pub(crate) sieve: Sieve,
    /// Where the daemon's copy of the state is laid down.
    pub(crate) shelf: Option<i32>,
    /// The client that asked for another image.
    pub(crate) asked: Option<u64>,
}

/// Head and what it points to.
#[derive(Default, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) head: Head,
    rest: Vec<u8>,
}

impl State {
    /// Takes bytes in.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Span {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let span = Span {
            at: number(self.rest.len()),
            length: number(bytes.len()),
        };
        self.rest.extend_from_slice(bytes);
        span
    }

    /// The bytes of a span; none where it points to nothing.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let range = || {
            let from = usize::try_from(span.at).ok()?;
            let to = from.checked_add(span.length.try_into().ok()?)?;
            self.rest.get(from..to)
        };
        range().unwrap_or_default()
    }

    /// Forgets all that the head points to.
    pub(crate) fn clear(&mut self) {
        self.rest = Vec::new();
        (self.head.screen, self.head.input) = Default::default();
    }

    /// Takes the screen in.
    pub(crate) fn put_screen(&mut self, kept: &Kept) {
        self.head.screen = self.put(&kept.snapshot);
        self.head.more = kept.more.clone();
    }

    /// The screen.
    pub(crate) fn screen(&self) -> Kept {
        Kept {
            snapshot: self.bytes(self.head.screen).to_vec(),
            more: self.head.more.clone(),
        }
    }
}

/// A state in memory that outlives the process which wrote it, as long as anybody has it open. The
/// last whole one counts: who writes may die in the middle of it.
pub(crate) struct Shelf {
    file: File,
    /// Where the record is that counts, and behind its end.
    last: (u64, u64),
}

impl Shelf {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("vmux-session", MemfdFlags::CLOEXEC)?;
        Ok(Self {
            file: file.into(),
            last: (0, FIRST),
        })
    }

    /// One that somebody else has written.
    pub(crate) fn found(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        let mut at = [0; 8];
        file.read_exact_at(&mut at, 0)?;
        let at = u64::from_le_bytes(at);
        let end = file.metadata()?.len();
        Ok(Self {
            file,
            last: (at, end),
        })
    }

    /// Lays a state down, in the place of the last one.
    pub(crate) fn write(&mut self, state: &State) -> io::Result<()> {
        let head = serde_json::to_vec(&state.head)?;
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let (head_length, rest_length) = (length(&head), length(&state.rest));
        let size = 16 + head_length + rest_length;
        let (from, end) = self.last;
        // Before the one that counts, if there is room.
        let before = from.saturating_sub(FIRST) >= size;
        let at = if before { FIRST } else { end };
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&head_length.to_le_bytes());
        lengths[8..].copy_from_slice(&rest_length.to_le_bytes());
        self.file.write_all_at(&lengths, at)?;
        self.file.write_all_at(&head, at + 16)?;
        self.file.write_all_at(&state.rest, at + 16 + head_length)?;
        self.file.write_all_at(&at.to_le_bytes(), 0)?;
        self.last = (at, at + size);
        self.give_back(before)
    }

    /// Gives the memory of the record before back.
    fn give_back(&self, behind: bool) -> io::Result<()> {
        let (at, end) = self.last;
        if behind {
            return self.file.set_len(end);
        }
        if at > FIRST {
            use rustix::fs::FallocateFlags as F;
            let flags = F::PUNCH_HOLE | F::KEEP_SIZE;
            rustix::fs::fallocate(&self.file, flags, FIRST, at - FIRST)?;
        }
        Ok(())
    }

    /// The last state that was laid down whole.
    pub(crate) fn read(&self) -> io::Result<State> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let end = self.file.metadata()?.len();
        let (at, _) = self.last;
        let mut lengths = [0; 16];
        if at < FIRST || end > LARGEST {
            return Err(damaged());
        }
        self.file.read_exact_at(&mut lengths, at)?;
        let (head, rest) = lengths.split_at(8);
        let number = |bytes: &[u8]| -> Option<u64> {
            let number = u64::from_le_bytes(bytes.try_into().ok()?);
            (number <= end).then_some(number)
        };
        let head = number(head).ok_or_else(damaged)?;
        let rest = number(rest).ok_or_else(damaged)?;
        let read = |from: u64, length: u64| -> io::Result<Vec<u8>> {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            self.file.read_exact_at(&mut bytes, from)?;
            Ok(bytes)
        };
        Ok(State {
            head: serde_json::from_slice(&read(at + 16, head)?)?,
            rest: read(at + 16 + head, rest)?,
        })
    }
}

impl AsFd for Shelf {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(id: &str, screen: &[u8]) -> State {
        let mut state = State::default();
        state.head.info.id = id.to_owned();
        state.head.input = state.put(b"keys");
        state.put_screen(&Kept {
            snapshot: screen.to_vec(),
            ..Kept::default()
        });
        state
    }

    fn found(shelf: &Shelf) -> io::Result<State> {
        Shelf::found(shelf.file.try_clone().unwrap().into())?.read()
    }

    #[test]
    fn the_last_whole_state_counts_and_memory_is_given_back() {
        let mut shelf = Shelf::new().unwrap();
        assert!(found(&shelf).is_err(), "nothing is there yet");
        for round in 0..50_usize {
            let screen = vec![b'x'; 1000 + (round * 7919) % 40_000];
            let state = state(&format!("h{round}"), &screen);
            shelf.write(&state).unwrap();
            let read = found(&shelf).unwrap();
            assert_eq!(read, state);
            assert_eq!(read.screen().snapshot, screen);
            assert_eq!(read.bytes(read.head.input), b"keys");
        }
        use std::os::unix::fs::MetadataExt as _;
        let kept = shelf.file.metadata().unwrap().blocks() * 512;
        assert!(kept < 100_000, "{kept} bytes are kept");
    }

    #[test]
    fn who_dies_in_the_middle_of_writing_leaves_the_state_before() {
        let mut shelf = Shelf::new().unwrap();
        let whole = state("habcd", b"whole");
        shelf.write(&whole).unwrap();
        let (_, end) = shelf.last;
        shelf.file.write_all_at(&[0xff; 40], end).unwrap();
        assert_eq!(found(&shelf).unwrap(), whole);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for bytes in [&b""[..], b"short", &[0xff; 64], &[16; 64], &[0; 64]] {
            let shelf = Shelf::new().unwrap();
            shelf.file.write_all_at(bytes, 0).unwrap();
            assert!(found(&shelf).is_err(), "{bytes:?}");
        }
        let nowhere = Span {
            at: u64::MAX,
            length: 9,
        };
        assert_eq!(state("h", b"x").bytes(nowhere), b"");
    }

    /// A head of an older version, or a newer one, is read as far as it is known.
    #[test]
    fn heads_of_other_versions_are_read() {
        let head: Head = serde_json::from_str(r#"{"count":3,"news":{"a":1}}"#).unwrap();
        assert_eq!(head.count, 3);
        assert_eq!(head.clients, []);
    }
}
