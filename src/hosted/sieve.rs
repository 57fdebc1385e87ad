//! Takes out of a program's stream what it says with `OSC 7501`, however the stream is cut. Pure.
//!
//! What is taken out concerns the holder, not the terminals that show the session: they may not
//! know it, or answer the query for themselves. An `ESC ]` begins such a string whatever came
//! before it, so that nothing else of the stream need be understood.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::told::LONGEST;

const START: &[u8] = b"\x1b]7501;";
/// A shell's prompt begins: what ran before has ended.
const PROMPT: &[u8] = b"\x1b]133;A";
/// The terminal is reset.
const RESET: &[u8] = b"\x1bc";

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// What stands between `OSC 7501 ;` and its end.
    Says(&'a [u8]),
    /// It asks whether that is known here; what ended the question is to end the answer.
    Asks(&'static [u8]),
    /// A prompt of the shell.
    Prompt,
    /// The terminal is reset.
    Reset,
}

/// Reads a stream, in pieces that are cut anywhere.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Sieve {
    /// What may become a sequence: its beginning, as far as it has come.
    held: Vec<u8>,
    /// The end of a string that is too long is to come.
    skips: bool,
}

impl Sieve {
    /// Takes a piece. `None`: all of it may pass, and nothing was found. Else what passes, after
    /// `each` was told of all that was found.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Found<'_>)) -> Option<Vec<u8>> {
        if self.held.is_empty() && !self.skips && is_plain(bytes) {
            return None;
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(all.len());
        let mut rest = &all[..];
        if self.skips {
            rest = self.skip(rest);
        }
        while let Some(at) = memchr::memchr(0x1b, rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            if let Some(body) = rest.strip_prefix(START) {
                match self.string(rest, body, &mut each) {
                    Some(after) => rest = after,
                    None => return Some(out),
                }
                continue;
            }
            for (mark, found) in [(PROMPT, Found::Prompt), (RESET, Found::Reset)] {
                if rest.starts_with(mark) {
                    each(found);
                }
            }
            if may_begin(rest) {
                self.held = rest.to_vec();
                return Some(out);
            }
            out.push(0x1b);
            rest = &rest[1..];
        }
        out.extend_from_slice(rest);
        Some(out)
    }

    /// A string that began at `from`, up to its end; `None` if that has not come.
    fn string<'a>(
        &mut self,
        from: &[u8],
        body: &'a [u8],
        each: &mut impl FnMut(Found<'_>),
    ) -> Option<&'a [u8]> {
        let end = body.iter().position(|byte| ends(*byte));
        let whole = end.map_or(body.len(), |end| end);
        if whole > LONGEST {
            self.skips = true;
            let rest = self.skip(&body[whole..]);
            return Some(rest);
        }
        let end = end.filter(|end| body[*end] != 0x1b || body.len() > end + 1);
        let Some(end) = end else {
            self.held = from.to_vec();
            return None;
        };
        let (said, rest) = body.split_at(end);
        let (end, rest): (&'static [u8], _) = match rest {
            [0x1b, b'\\', rest @ ..] => (b"\x1b\\", rest),
            // Another sequence begins, and ends this one.
            [0x1b, ..] => (b"\x1b\\", rest),
            [0x07, rest @ ..] => (b"\x07", rest),
            // It was given up.
            rest => return rest.get(1..),
        };
        match said {
            b"?" => each(Found::Asks(end)),
            said => each(Found::Says(said)),
        }
        Some(rest)
    }

    /// Behind the end of a string that is too long, if that has come.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| ends(*byte)) else {
            return &[];
        };
        match &bytes[end..] {
            [0x1b] => {
                self.held = vec![0x1b];
                return &[];
            }
            _ => self.skips = false,
        }
        match &bytes[end..] {
            // Another sequence begins.
            rest @ [0x1b, next, ..] if *next != b'\\' => rest,
            [0x1b, _, rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        }
    }
}

fn ends(byte: u8) -> bool {
    matches!(byte, 0x07 | 0x18 | 0x1a | 0x1b)
}

/// Whether this is the beginning of something, and not all of it.
fn may_begin(rest: &[u8]) -> bool {
    let begins = |mark: &&[u8]| rest.len() < mark.len() && mark.starts_with(rest);
    [START, PROMPT, RESET].iter().any(begins)
}

/// Whether nothing in it can concern the sieve, nor begin what does.
fn is_plain(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(START.len() - 1)..];
    !memchr::memchr_iter(0x1b, tail).any(|at| may_begin(&tail[at..]))
        && memmem::find(bytes, RESET).is_none()
        && !memmem::find_iter(bytes, b"\x1b]").any(|at| {
            let rest = &bytes[at..];
            rest.starts_with(START) || rest.starts_with(PROMPT)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What passes and what is found, if the stream is cut at these places.
    fn sieved(stream: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<String>) {
        let mut sieve = Sieve::default();
        let mut found = Vec::new();
        let mut passed = Vec::new();
        let mut from = 0;
        for to in cuts.iter().copied().chain([stream.len()]) {
            let to = to.clamp(from, stream.len());
            let piece = &stream[from..to];
            from = to;
            let out = sieve.feed(piece, |what| {
                found.push(match what {
                    Found::Says(said) => String::from_utf8_lossy(said).into_owned(),
                    Found::Asks(end) => format!("asks {end:?}"),
                    Found::Prompt => "prompt".into(),
                    Found::Reset => "reset".into(),
                });
            });
            passed.extend(out.unwrap_or_else(|| piece.to_vec()));
            assert!(sieve.held.len() <= START.len() + LONGEST + 1);
        }
        passed.extend(&sieve.held);
        (passed, found)
    }

    #[test]
    fn what_concerns_the_holder_is_taken_out_wherever_the_stream_is_cut() {
        let stream = b"a\x1b]7501;?\x07\x1b[cb\x1b]7501;state=idle\x1b\\c\x1b]0;7501;\x07\
                       \x1b]7501;?\x1b\\\x1b]133;A\x07$ \x1bc\x1b]7501;state=done\x1b[1md\
                       \x1b]7501;lost\x18e\x1b]7502;x\x07\x1bPq\x1b]7501;state=error\x07f\x1b[2J";
        let passes =
            "a\x1b[cbc\x1b]0;7501;\x07\x1b]133;A\x07$ \x1bc\x1b[1mde\x1b]7502;x\x07\x1bPqf\x1b[2J";
        let finds = [
            "asks [7]",
            "state=idle",
            "asks [27, 92]",
            "prompt",
            "reset",
            "state=done",
            "state=error",
        ];
        for cut in 0..stream.len() {
            for next in [cut, cut + 1, cut + 3] {
                let (passed, found) = sieved(stream, &[cut, next]);
                assert_eq!(
                    String::from_utf8_lossy(&passed),
                    passes,
                    "cut at {cut}, {next}"
                );
                assert_eq!(found, finds, "cut at {cut}, {next}");
            }
        }
    }

    #[test]
    fn a_string_that_is_too_long_is_dropped_up_to_its_end() {
        for end in ["\x07", "\x1b\\"] {
            let stream = format!(
                "a\x1b]7501;{}{end}b\x1b]7501;x\x07c",
                "y".repeat(3 * LONGEST)
            );
            for cut in (1..stream.len()).step_by(997).chain([stream.len() - 12]) {
                let (passed, found) = sieved(stream.as_bytes(), &[cut]);
                assert_eq!(String::from_utf8_lossy(&passed), "abc", "cut at {cut}");
                assert_eq!(found, ["x"]);
            }
        }
    }

    #[test]
    fn a_stream_without_any_of_it_is_not_copied() {
        let mut sieve = Sieve::default();
        for plain in [
            &b"text"[..],
            b"\x1b[1mx\x1b]0;t\x07",
            b"\x1b]7502;\x07",
            b"\x1b[",
            b"",
        ] {
            assert_eq!(sieve.feed(plain, |_| panic!()), None, "{plain:?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just(b"\x1b]7501;".to_vec()),
                    Just(b"\x1b".to_vec()),
                    Just(b"\x07".to_vec()),
                    Just(b"\x1b\\".to_vec()),
                    Just(b"?".to_vec()),
                    Just(b"\x1b]133;A".to_vec()),
                    Just(b"\x1bc".to_vec()),
                    Just(vec![b'z'; 1500]),
                    proptest::collection::vec(any::<u8>(), 0..12),
                ],
                0..24,
            ),
            mut cuts in proptest::collection::vec(0usize..9000, 0..9),
        ) {
            let stream = parts.concat();
            cuts.sort_unstable();
            prop_assert_eq!(sieved(&stream, &cuts), sieved(&stream, &[]));
        }
    }
}
