//! What is asked of the terminal that shows a session, and its answers among the keys. Pure.
//!
//! The question is written before anything of the session, so that the first answers are to it:
//! what the program asks is answered later. It ends with one that every terminal answers.

use super::Terminal;

/// Whether it knows `OSC 7501`, its two colours, and what sort of terminal it is.
pub const QUESTION: &[u8] = b"\x1b]7501;?\x1b\\\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[c";

/// Longest answer, in bytes.
const LONGEST: usize = 512;
/// How answers begin.
const ANSWERS: [&[u8]; 4] = [b"\x1b]7501;", b"\x1b]10;", b"\x1b]11;", b"\x1b[?"];

/// Answers that are waited for.
#[derive(Default, Debug)]
pub struct Asking {
    told: Terminal,
    /// What may be the beginning of an answer.
    held: Vec<u8>,
    done: bool,
}

impl Asking {
    /// Takes what came from the terminal; what of it are keys.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut keys = Vec::with_capacity(all.len());
        let mut rest = &all[..];
        while let Some(at) = memchr::memchr(0x1b, rest).filter(|_| !self.done) {
            keys.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            match self.answer(rest) {
                Answer::Is(length) => rest = &rest[length..],
                Answer::May => {
                    self.held = rest.to_vec();
                    return keys;
                }
                Answer::Not => {
                    keys.push(0x1b);
                    rest = &rest[1..];
                }
            }
        }
        keys.extend_from_slice(rest);
        keys
    }

    /// Reads an answer at the beginning of these bytes.
    fn answer(&mut self, bytes: &[u8]) -> Answer {
        // An escape alone is a key.
        let begins = |head: &&[u8]| bytes.len() > 1 && head.starts_with(bytes);
        let Some(head) = ANSWERS.iter().find(|head| bytes.starts_with(head)) else {
            return match ANSWERS.iter().any(begins) {
                true => Answer::May,
                false => Answer::Not,
            };
        };
        let body = &bytes[head.len()..];
        let end = |byte: &u8| match head[1] {
            b'[' => !matches!(byte, b'0'..=b'9' | b';'),
            _ => matches!(byte, 0x07 | 0x1b),
        };
        let Some(end) = body.iter().position(end) else {
            return match bytes.len() < LONGEST {
                true => Answer::May,
                false => Answer::Not,
            };
        };
        let (said, tail) = body.split_at(end);
        let last = match tail {
            [b'c', ..] if head[1] == b'[' => 1,
            _ if head[1] == b'[' => return Answer::Not,
            [0x07, ..] => 1,
            [0x1b, b'\\', ..] => 2,
            [0x1b] => return Answer::May,
            _ => return Answer::Not,
        };
        let words = || Some(String::from_utf8_lossy(said).into_owned());
        match *head {
            b"\x1b]7501;" => self.told.status = true,
            b"\x1b]10;" => self.told.foreground = words(),
            b"\x1b]11;" => self.told.background = words(),
            _ => self.done = true,
        }
        Answer::Is(head.len() + end + last)
    }

    /// Whether something is held back that may be a key.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was held back: the rest of an answer has not come.
    pub fn let_go(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// What the terminal told, once it has.
    #[must_use]
    pub fn told(&self) -> Option<&Terminal> {
        self.done.then_some(&self.told)
    }
}

enum Answer {
    Is(usize),
    May,
    Not,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = "a\x1b]7501;?\x1b\\\x1b[Ab\x1b]10;rgb:ffff/ffff/ffff\x07\x1b\x1b]11;rgb:0/0/0\x1b\\\
                         \x1b[?2026;1$y\x1b[?62;22cc\x1b[?1c";

    fn answered(stream: &str, cuts: &[usize]) -> (String, Option<Terminal>) {
        let mut asking = Asking::default();
        let mut keys = Vec::new();
        let mut from = 0;
        for to in cuts.iter().copied().chain([stream.len()]) {
            keys.extend(asking.take(&stream.as_bytes()[from..to]));
            from = to;
        }
        keys.extend(asking.let_go());
        let keys = String::from_utf8(keys).unwrap();
        (keys, asking.told().cloned())
    }

    /// An escape alone at the end of a read is a key, so no cut is made behind one.
    #[test]
    fn answers_are_told_from_keys_wherever_they_are_cut() {
        let told = Terminal {
            status: true,
            foreground: Some("rgb:ffff/ffff/ffff".into()),
            background: Some("rgb:0/0/0".into()),
        };
        for cut in 0..WHOLE.len() {
            if cut > 0 && WHOLE.as_bytes()[cut - 1] == 0x1b && WHOLE.as_bytes()[cut] != b'\\' {
                continue;
            }
            let (keys, got) = answered(WHOLE, &[cut]);
            assert_eq!(keys, "a\x1b[Ab\x1b\x1b[?2026;1$yc\x1b[?1c", "cut at {cut}");
            assert_eq!(got.as_ref(), Some(&told));
        }
    }

    #[test]
    fn one_that_knows_nothing_of_it_says_what_it_is() {
        let (keys, told) = answered("\x1b[?1;2cls\r", &[]);
        assert_eq!((keys.as_str(), told), ("ls\r", Some(Terminal::default())));
        let (keys, told) = answered("\x1b]2;x\x07\x1b", &[]);
        assert_eq!((keys.as_str(), told), ("\x1b]2;x\x07\x1b", None));
    }

    proptest! {
        #[test]
        fn no_key_is_lost(keys in "(\\x1b|\\x1b\\[[?0-9;]{0,4}[A-Za-z]|\\x1b\\]1?[0-9;]{0,600}|[a-z]{1,9}){0,20}") {
            let mut asking = Asking::default();
            let mut got = asking.take(keys.as_bytes());
            got.extend(asking.let_go());
            if asking.told().is_none() && asking.told == Terminal::default() {
                prop_assert_eq!(String::from_utf8(got).unwrap(), keys);
            }
        }
    }
}
