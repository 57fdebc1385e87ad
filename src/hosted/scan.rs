//! Where the control sequences of a terminal's stream begin and end. Pure.
//!
//! One scanner for both ends of a hosted session: the holder needs the bytes of what is not
//! finished yet, the client the modes that it has to undo.
//!
//! **Source:** the states are those of vte 0.15, which follows
//! <https://vt100.net/emu/dec_ansi_parser>; like it, the scanner knows no 8-bit controls.

/// Longest string (OSC, DCS, …) whose bytes are kept.
pub const LONGEST_STRING: usize = 64 * 1024;
/// Longest other sequence.
const LONGEST: usize = 256;

const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// A complete control sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence<'a> {
    /// `ESC [ BODY LAST`, the body with what private or intermediate bytes it has.
    Csi(&'a [u8], u8),
    /// `ESC BODY LAST`, without brackets.
    Esc(&'a [u8], u8),
    /// `ESC ] TEXT`, and whether all of it is here.
    Osc(&'a [u8], bool),
    /// `ESC P TEXT`, and whether all of it is here.
    Dcs(&'a [u8], bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    Csi,
    Osc,
    Dcs,
    /// SOS, PM or APC.
    String,
}

/// Reads a stream, in pieces that are cut anywhere.
#[derive(Clone, Default, Debug)]
pub struct Scanner {
    state: State,
    /// The bytes of the sequence or character that has begun.
    begun: Vec<u8>,
    /// How long the string is, kept or not.
    length: usize,
    /// `begun` is handed out, and is done with.
    done: bool,
}

impl Scanner {
    /// Reads until a sequence is complete: how many bytes that took, and the sequence. `None`
    /// once all bytes are read.
    pub fn step<'a>(&'a mut self, bytes: &'a [u8]) -> (usize, Option<Sequence<'a>>) {
        if std::mem::take(&mut self.done) {
            self.begun.clear();
            if self.state == State::Escape {
                self.begun.push(ESC);
            }
        }
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Ground {
                let plain = match bytes[at] {
                    ESC => Some(0),
                    _ => memchr::memchr(ESC, &bytes[at..]),
                };
                let Some(plain) = plain else {
                    self.keep_partial(&bytes[at..]);
                    return (bytes.len(), None);
                };
                at += plain;
                if let Some((body, last)) = whole_csi(&bytes[at..]) {
                    self.done = true;
                    return (at + body.len() + 3, Some(Sequence::Csi(body, last)));
                }
                self.begin();
                at += 1;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            if let Some(whole) = self.byte(byte) {
                self.done = true;
                return (at, Some(self.sequence(byte, whole)));
            }
        }
        (at, None)
    }

    /// How many of the bytes stand before the next sequence, or outside of any.
    #[must_use]
    pub fn text_before(&self, bytes: &[u8]) -> usize {
        match self.state {
            State::Ground => memchr::memchr(ESC, bytes).unwrap_or(bytes.len()),
            _ => 0,
        }
    }

    /// What of the bytes stands outside of sequences, controls too.
    pub fn text(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            out.extend_from_slice(&rest[..self.text_before(rest)]);
            at += self.step(rest).0;
        }
        out
    }

    /// The bytes of what has begun and is not finished: a terminal that is given them goes on as
    /// one that saw the whole stream. Of a string too long to be kept only its kind.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        match self.state {
            _ if self.done && self.state == State::Escape => b"\x1b",
            _ if self.done => b"",
            State::Osc if self.length > LONGEST_STRING => b"\x1b]7777;",
            State::Dcs | State::String if self.length > LONGEST_STRING => b"\x1b^",
            _ => &self.begun,
        }
    }

    /// Whether nothing has begun, neither a sequence nor a character.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.state == State::Ground && (self.done || self.begun.is_empty())
    }

    /// Length of the string that is being read, in bytes.
    #[must_use]
    pub fn string_length(&self) -> usize {
        match self.state {
            State::Osc | State::Dcs | State::String => self.length,
            _ => 0,
        }
    }

    fn begin(&mut self) {
        self.state = State::Escape;
        self.begun.clear();
        self.begun.push(ESC);
        self.length = 0;
    }

    fn collect(&mut self, byte: u8, most: usize) {
        self.length += 1;
        if self.begun.len() < most {
            self.begun.push(byte);
        }
    }

    fn drop_all(&mut self) {
        self.state = State::Ground;
        self.begun.clear();
    }

    /// One byte within a sequence; whether one is complete by it, and which.
    fn byte(&mut self, byte: u8) -> Option<State> {
        let string = matches!(self.state, State::Osc | State::Dcs | State::String);
        match byte {
            BEL | CAN | SUB if self.state == State::Osc => return self.end(State::Ground),
            CAN | SUB => self.drop_all(),
            ESC if matches!(self.state, State::Osc | State::Dcs) => return self.end(State::Escape),
            ESC => self.begin(),
            _ if string => self.collect(byte, LONGEST_STRING),
            // Controls are done at once, in the middle of a sequence.
            0x00..=0x1f | 0x7f.. => {}
            _ => return self.inside(byte),
        }
        None
    }

    fn end(&mut self, then: State) -> Option<State> {
        Some(std::mem::replace(&mut self.state, then))
    }

    /// A printable byte of a sequence that is no string.
    fn inside(&mut self, byte: u8) -> Option<State> {
        let was = self.state;
        let first = self.begun.len() == 1;
        match (was, byte) {
            (State::Escape, b'[') if first => self.state = State::Csi,
            (State::Escape, b']') if first => self.state = State::Osc,
            (State::Escape, b'P') if first => self.state = State::Dcs,
            (State::Escape, b'X' | b'^' | b'_') if first => self.state = State::String,
            (State::Escape, 0x20..=0x2f) | (State::Csi, 0x20..=0x3f) => {}
            (State::Escape | State::Csi, _) => {
                self.state = State::Ground;
                return Some(was);
            }
            _ => {}
        }
        self.collect(byte, LONGEST);
        if self.state != State::Csi {
            self.length = 0;
        }
        None
    }

    fn sequence(&self, last: u8, whole: State) -> Sequence<'_> {
        let body = |from: usize| self.begun.get(from..).unwrap_or_default();
        match whole {
            State::Csi => Sequence::Csi(body(2), last),
            State::Osc => Sequence::Osc(body(2), self.length <= LONGEST_STRING - 2),
            State::Dcs => Sequence::Dcs(body(2), self.length <= LONGEST_STRING - 2),
            _ => Sequence::Esc(body(1), last),
        }
    }

    /// Keeps the beginning of a character at the end of plain text.
    fn keep_partial(&mut self, text: &[u8]) {
        // What was begun before goes on in this text.
        let mut all = std::mem::take(&mut self.begun);
        if text.len() >= 4 {
            all.clear();
        }
        all.extend_from_slice(&text[text.len().saturating_sub(4)..]);
        let from = all.len().saturating_sub(3);
        for start in from..all.len() {
            let needed = match all[start] {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => continue,
            };
            let rest = &all[start..];
            let open = rest.len() < needed
                && std::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none());
            if open {
                self.begun.extend_from_slice(rest);
                return;
            }
        }
    }
}

/// The CSI sequence that begins here, if it stands here as a whole and is as most are: byte by byte
/// it is found, too.
#[must_use]
pub fn whole_csi(bytes: &[u8]) -> Option<(&[u8], u8)> {
    let rest = bytes.strip_prefix(b"\x1b[")?;
    let end = rest.iter().position(|byte| !matches!(byte, b' '..=b'?'))?;
    let whole = end < LONGEST - 2 && matches!(rest[end], b'@'..=b'~');
    whole.then(|| (&rest[..end], rest[end]))
}

/// The numbers of a CSI body that has no private byte: `1;2` as 1 and 2, a missing one as `None`.
/// Sub-parameters (`4:3`) count by their first.
pub fn numbers(body: &[u8]) -> impl Iterator<Item = Option<u16>> + '_ {
    body.split(|byte| *byte == b';').map(|part| {
        let part = part.split(|byte| *byte == b':').next().unwrap_or_default();
        std::str::from_utf8(part).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(scanner: &mut Scanner, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let (used, sequence) = scanner.step(&bytes[at..]);
            at += used;
            match sequence {
                Some(Sequence::Csi(body, last)) => found.push(format!(
                    "CSI {} {}",
                    String::from_utf8_lossy(body),
                    last as char
                )),
                Some(Sequence::Esc(body, last)) => found.push(format!(
                    "ESC {} {}",
                    String::from_utf8_lossy(body),
                    last as char
                )),
                Some(Sequence::Osc(text, _)) => {
                    found.push(format!("OSC {}", String::from_utf8_lossy(text)));
                }
                Some(Sequence::Dcs(text, _)) => {
                    found.push(format!("DCS {}", String::from_utf8_lossy(text)));
                }
                None => return found,
            }
        }
    }

    #[test]
    fn sequences_are_found_however_the_stream_is_cut() {
        let stream = "a\u{e9}\x1b[1;2Hb\x1b]0;t\u{ed}tle\x07\x1b(0q\x1b[?20\n04h\x1b]8;;x\x1b\\\
                      \x1bPq#1\x1b\\\x1b[3\x18m\x1b7"
            .as_bytes();
        let expected = [
            "CSI 1;2 H",
            "OSC 0;t\u{ed}tle",
            "ESC ( 0",
            "CSI ?2004 h",
            "OSC 8;;x",
            "ESC  \\",
            "DCS q#1",
            "ESC  \\",
            "ESC  7",
        ];
        for cut in 0..stream.len() {
            let mut scanner = Scanner::default();
            let mut found = all(&mut scanner, &stream[..cut]);
            found.extend(all(&mut scanner, &stream[cut..]));
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn text_is_what_is_left_without_sequences() {
        let stream = b"a\x1b[1mb\x1b]8;;x\x1b\\c\x1b]8;;\x07d\x1b7e\n\x1b";
        for cut in 0..stream.len() {
            let mut scanner = Scanner::default();
            let mut text = scanner.text(&stream[..cut]);
            text.extend(scanner.text(&stream[cut..]));
            assert_eq!(text, b"abcde\n", "cut at {cut}");
        }
    }

    #[test]
    fn what_is_unfinished_is_kept() {
        for (stream, rest) in [
            (&b"abc"[..], &b""[..]),
            (b"a\xe2\x82", b"\xe2\x82"),
            (b"a\xe2\x82\xac", b""),
            (b"a\xe2\x82\xacb\xf0\x9f\x98", b"\xf0\x9f\x98"),
            (b"a\x1b", b"\x1b"),
            (b"a\x1b[1\n;3", b"\x1b[1;3"),
            (b"a\x1b[1;3m", b""),
            (b"a\x1b]0;x", b"\x1b]0;x"),
            (b"a\x1b]0;x\x1b", b"\x1b"),
            (b"a\x1bPq", b"\x1bPq"),
            (b"a\x1b[1\x18", b""),
        ] {
            for cut in 0..=stream.len() {
                let mut scanner = Scanner::default();
                all(&mut scanner, &stream[..cut]);
                all(&mut scanner, &stream[cut..]);
                assert_eq!(scanner.unfinished(), rest, "{stream:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_string_without_end_takes_no_memory() {
        let mut scanner = Scanner::default();
        all(&mut scanner, b"\x1b]52;c;");
        for _ in 0..64 {
            all(&mut scanner, &[b'A'; 4096]);
        }
        assert!(scanner.begun.len() <= LONGEST_STRING);
        assert_eq!(scanner.unfinished(), b"\x1b]7777;");
        let (_, sequence) = scanner.step(b"\x07");
        assert!(matches!(sequence, Some(Sequence::Osc(_, false))));
    }
}
