//! What of a session's output is text, however it is cut: what a terminal may be given that is not
//! the session's own. Pure.
//!
//! A terminal acts on sequences: it answers them as if somebody typed, takes a clipboard or another
//! title. Those pass that only say how text looks, where they are wanted: colours and links. Of
//! controls the end of a line and the tabulator pass; those of 8 bits (U+0080 to U+009F) begin
//! sequences, too, in xterm also when they come as UTF-8, and any other byte that is no UTF-8 may.

use super::scan::{Scanner, Sequence};

/// Longest link that passes, in bytes.
const LONGEST_LINK: usize = 4096;

/// Reads a stream, in pieces.
#[derive(Clone, Default, Debug)]
pub struct Plain {
    scanner: Scanner,
    /// How text looks passes, too.
    looks: bool,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Plain {
    /// Reads text; `looks`: colours and links pass.
    #[must_use]
    pub fn new(looks: bool) -> Self {
        Self {
            looks,
            ..Self::default()
        }
    }

    /// What of a piece passes.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let text = self.scanner.text_before(rest);
            put_text(&mut self.begun, &rest[..text], &mut out);
            let (taken, sequence) = self.scanner.step(rest);
            if let Some(sequence) = sequence.filter(|_| self.looks) {
                put_look(&sequence, &mut out);
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        out
    }
}

/// Text without controls; the beginning of a character at its end is kept for the next time.
fn put_text(begun: &mut Vec<u8>, text: &[u8], out: &mut Vec<u8>) {
    begun.extend_from_slice(text);
    let all = std::mem::take(begun);
    let mut chunks = all.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        let mut bytes = [0; 4];
        let passes = |c: &char| matches!(c, '\n' | '\t') || !c.is_control();
        for c in chunk.valid().chars().filter(passes) {
            out.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
        }
        let invalid = chunk.invalid();
        let open = || std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if chunks.peek().is_none() && !invalid.is_empty() && open() {
            begun.extend_from_slice(invalid);
        } else if !invalid.is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn put_look(sequence: &Sequence<'_>, out: &mut Vec<u8>) {
    match sequence {
        Sequence::Csi(body, b'm') if body.iter().all(|byte| matches!(byte, b'0'..=b';')) => {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(body);
            out.push(b'm');
        }
        Sequence::Osc(body, true)
            if body.starts_with(b"8;")
                && body.len() <= LONGEST_LINK
                && body.iter().all(|byte| matches!(byte, b' '..=b'~')) =>
        {
            out.extend_from_slice(b"\x1b]");
            out.extend_from_slice(body);
            out.extend_from_slice(b"\x1b\\");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What passes of a stream that is cut at each place.
    fn passes(looks: bool, stream: &[u8]) -> String {
        let whole = Plain::new(looks).feed(stream);
        for cut in 0..=stream.len() {
            let mut plain = Plain::new(looks);
            let mut out = plain.feed(&stream[..cut]);
            out.extend(plain.feed(&stream[cut..]));
            assert_eq!(out, whole, "cut at {cut}");
        }
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_passes() {
        for acts in [
            "\u{9b}c",
            "\u{9d}52;c;aGk=\u{9c}",
            "\u{90}q\u{9c}",
            "\x1b[c",
            "\x1b[6n",
            "\x1b[21t",
            "\x1b[?1049h",
            "\x1b[>4;2m",
            "\x1b[?4m",
            "\x1b]52;c;aGk=\x07",
            "\x1b]0;title\x1b\\",
            "\x1b]8;;x\u{9d}52;c;aGk=\x07",
            "\x1bP$qm\x1b\\",
            "\x1b_Ga=q\x1b\\",
            "\x1bc",
            "\x05\x07\x08\x0e\r",
            "\x1b[3\x1b",
        ] {
            for looks in [false, true] {
                let said = passes(looks, format!("a{acts}").as_bytes());
                assert!(
                    said.chars().all(|c| !c.is_control()),
                    "{acts:?} gives {said:?}"
                );
            }
        }
        // As bytes alone they are no characters.
        assert_eq!(passes(false, b"a\x9bcb\xff"), "a\u{fffd}cb\u{fffd}");
    }

    #[test]
    fn text_passes_and_how_it_looks_where_that_is_wanted() {
        let stream = "né\t\x1b[1;38:2::1:2:3mred\x1b[m\n\x1b]8;id=1;http://x/\x07端末\x1b]8;;\x07!";
        assert_eq!(passes(false, stream.as_bytes()), "né\tred\n端末!");
        assert_eq!(
            passes(true, stream.as_bytes()),
            "né\t\x1b[1;38:2::1:2:3mred\x1b[m\n\x1b]8;id=1;http://x/\x1b\\端末\x1b]8;;\x1b\\!"
        );
    }
}
