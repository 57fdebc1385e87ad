//! The wire between a session's holder and its clients: frames of `u8 kind, u32 length, payload`,
//! the length little-endian. Pure.
//!
//! Frozen: holders live for weeks, clients are newer. A kind never changes its payload; what is
//! new gets a new kind; a kind that is not known is skipped.

/// Longest payload, in bytes.
pub const LONGEST: usize = 1024 * 1024;
/// Bytes before the payload.
pub const HEAD: usize = 5;

/// From a client: what it is, as JSON ([`Hello`](super::Hello)). The first frame.
pub const HELLO: u8 = 1;
/// From a client: keys for the program.
pub const INPUT: u8 = 2;
/// From a client: the size of its terminal, columns and rows as `u16`.
pub const RESIZE: u8 = 3;
/// From a client: it leaves; what was sent to it so far counts. Answered by [`BYE`].
pub const DETACH: u8 = 4;
/// From a client: answered by [`PONG`] with the same payload.
pub const PING: u8 = 5;
/// From a client: asks for [`INFO`].
pub const ASK: u8 = 6;
/// From a client: ends the session. Answered by [`EXIT`] once nothing of it is left.
pub const END: u8 = 7;
/// From a client: all clients are to leave. Answered by [`BYE`].
pub const DETACH_ALL: u8 = 8;
/// From a client: asks for [`TEXT`]; one byte, 1 for colours.
pub const HISTORY: u8 = 9;
/// From a client: the holder is to go on as the program at the path, as JSON
/// ([`Image`](super::Image)). Answered by [`UPGRADED`], or by [`REFUSED`].
pub const UPGRADE: u8 = 10;
/// From a client: it keeps the session, should the holder crash. Answered by [`ESCROWED`].
pub const ESCROW: u8 = 11;
/// From a client: what its terminal told, as JSON ([`Terminal`](super::Terminal)).
pub const TERMINAL: u8 = 12;
/// From a client: asks for [`INFO`], now and whenever the program says something else of itself.
pub const FOLLOW: u8 = 13;

/// To a client: bytes of the program.
pub const OUTPUT: u8 = 64;
/// To a client: bytes that bring a terminal without any mode to the program's state. In pieces,
/// each but the last followed by more ([`SNAP_MORE`]).
pub const SNAP: u8 = 65;
/// To a client: the session is over, as JSON ([`Ended`](super::Ended)).
pub const EXIT: u8 = 66;
/// To a client: the session, as JSON ([`Info`](super::Info)).
pub const INFO: u8 = 67;
/// To a client: it has left.
pub const BYE: u8 = 68;
/// To a client: the answer to [`PING`].
pub const PONG: u8 = 69;
/// To a client: more of a snapshot.
pub const SNAP_MORE: u8 = 70;
/// To a client: history and screen as text, in pieces; an empty one is the last.
pub const TEXT: u8 = 71;
/// To a client: it is refused, and why, in words.
pub const REFUSED: u8 = 72;
/// To a client: another program holds the session now, as JSON ([`Info`](super::Info)).
pub const UPGRADED: u8 = 73;
/// To a client: the session, as JSON ([`Info`](super::Info)); with two descriptors, the terminal
/// and the state, which it has to let go of at [`EXIT`].
pub const ESCROWED: u8 = 74;
/// To a client: bytes that tell its terminal what the program says of itself, to be written
/// between two sequences of the stream.
pub const STATUS: u8 = 75;

/// Appends a frame. A payload that is too long is cut into several of the kind.
pub fn write(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let mut pieces = payload.chunks(LONGEST);
    // An empty payload is a frame, too.
    let first = pieces.next().unwrap_or_default();
    for piece in std::iter::once(first).chain(pieces) {
        out.push(kind);
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(piece);
    }
}

/// Appends a snapshot.
pub fn write_snapshot(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while rest.len() > LONGEST {
        let (piece, more) = rest.split_at(LONGEST);
        write(SNAP_MORE, piece, out);
        rest = more;
    }
    write(SNAP, rest, out);
}

/// What arrives, until it makes frames.
#[derive(Default, Debug)]
pub struct Reader {
    bytes: Vec<u8>,
    from: usize,
}

/// A frame is longer than any may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a frame is longer than 1 MiB")
    }
}

impl std::error::Error for TooLong {}

impl Reader {
    /// Where what arrives is appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.from > 0 {
            self.bytes.drain(..self.from);
            self.from = 0;
        }
        &mut self.bytes
    }

    /// The next whole frame: its kind and payload.
    ///
    /// # Errors
    /// If the other end does not keep to the form; nothing more can be read then.
    pub fn take(&mut self) -> Result<Option<(u8, &[u8])>, TooLong> {
        let rest = &self.bytes[self.from..];
        let Some((head, _)) = rest.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(TooLong);
        }
        if rest.len() < HEAD + length {
            return Ok(None);
        }
        let begin = self.from + HEAD;
        self.from = begin + length;
        Ok(Some((kind, &self.bytes[begin..begin + length])))
    }

    /// The kind of the next frame, whole or not.
    #[must_use]
    pub fn kind(&self) -> Option<u8> {
        self.unread().first().copied()
    }

    /// What has arrived and was not taken.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

/// The payload of [`RESIZE`].
#[must_use]
pub fn size(columns: u16, rows: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (columns.to_le_bytes(), rows.to_le_bytes());
    [a, b, c, d]
}

/// Reads the payload of [`RESIZE`]: columns and rows.
#[must_use]
pub fn read_size(payload: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d, ..] = *payload else {
        return None;
    };
    Some((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Old holders and new clients meet: none of these numbers may ever change.
    #[test]
    fn the_form_and_the_kinds_are_frozen() {
        let mut out = Vec::new();
        write(INPUT, b"ls\r", &mut out);
        assert_eq!(out, b"\x02\x03\x00\x00\x00ls\r");
        assert_eq!(size(80, 24), [80, 0, 24, 0]);
        assert_eq!(read_size(&[80, 0, 24, 0, 9]), Some((80, 24)));
        let kinds = [
            HELLO, INPUT, RESIZE, DETACH, PING, ASK, END, DETACH_ALL, HISTORY, UPGRADE, ESCROW,
        ];
        assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        let kinds = [
            OUTPUT, SNAP, EXIT, INFO, BYE, PONG, SNAP_MORE, TEXT, REFUSED, UPGRADED, ESCROWED,
        ];
        assert_eq!(kinds, [64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74]);
        assert_eq!([TERMINAL, FOLLOW, STATUS], [12, 13, 75]);
    }

    #[test]
    fn frames_come_whole_however_they_arrive() {
        let mut out = Vec::new();
        write(OUTPUT, b"one", &mut out);
        write(200, b"", &mut out);
        write(BYE, b"", &mut out);
        for cut in 0..out.len() {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for part in [&out[..cut], &out[cut..]] {
                reader.buffer().extend_from_slice(part);
                while let Some((kind, payload)) = reader.take().unwrap() {
                    found.push((kind, payload.to_vec()));
                }
            }
            assert_eq!(
                found,
                [(OUTPUT, b"one".to_vec()), (200, vec![]), (BYE, vec![])]
            );
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_an_error() {
        let mut reader = Reader::default();
        reader.buffer().extend_from_slice(b"\x40\xff\xff\xff\xff");
        assert_eq!(reader.take(), Err(TooLong));
        let mut out = Vec::new();
        write(OUTPUT, &vec![0; LONGEST + 1], &mut out);
        assert_eq!(out.len(), LONGEST + 1 + 2 * HEAD);
        let mut out = Vec::new();
        write_snapshot(&vec![0; LONGEST + 1], &mut out);
        assert_eq!((out[0], out[HEAD + LONGEST]), (SNAP_MORE, SNAP));
    }
}
