//! Characters that take a cell each and do nothing else: nearly all that programs write. Pure.

/// Bytes that are looked at together: a row has not many more.
const MOST: usize = 1024;

/// The first character, if it is such a one, and its length in bytes.
// Compiled by size it is called for each cell, which takes a sixth of the time of all.
#[inline(always)]
pub(super) fn first(bytes: &[u8]) -> Option<(char, usize)> {
    match *bytes {
        [byte @ b' '..=b'~', ..] => Some((char::from(byte), 1)),
        [a @ 0xc2..=0xdf, b @ 0x80..=0xbf, ..] => {
            let code = u32::from(a & 0x1f) << 6 | u32::from(b & 0x3f);
            let narrow = matches!(code, 0xa0..=0xac | 0xae..=0x2ff | 0x391..=0x3c9 | 0x400..=0x482);
            Some((char::from_u32(code).filter(|_| narrow)?, 2))
        }
        [0xe2, a @ 0x80..=0xbf, b @ 0x80..=0xbf, ..] => {
            let code = 0x2000 | u32::from(a & 0x3f) << 6 | u32::from(b & 0x3f);
            // Dashes and quotes, arrows, boxes, shapes, dingbats, Braille.
            let narrow = matches!(
                code,
                0x2010..=0x2027 | 0x2190..=0x21ff | 0x2500..=0x25fc | 0x2710..=0x2727
                    | 0x2729..=0x274b | 0x2800..=0x28ff
            );
            Some((char::from_u32(code).filter(|_| narrow)?, 3))
        }
        _ => None,
    }
}

/// How many bytes of such characters there are at the beginning.
pub(super) fn run(bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(MOST)];
    let mut at = 0;
    loop {
        at += ascii(&bytes[at..]);
        let Some((_, length)) = first(&bytes[at..]) else {
            return at;
        };
        at += length;
    }
}

/// How many bytes of printable ASCII there are at the beginning.
pub(super) fn ascii(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The upper bit of a byte that is below a blank, above a tilde, or no ASCII.
    let other = |word: u64| {
        (word.wrapping_sub(EACH * 0x20) | word | word.wrapping_add(EACH)) & (EACH * 0x80)
    };
    let (words, _) = bytes.as_chunks();
    let plain = words
        .iter()
        .take_while(|word| other(u64::from_le_bytes(**word)) == 0);
    let at = 8 * plain.count();
    let rest = bytes[at..].iter();
    at + rest.take_while(|byte| matches!(byte, b' '..=b'~')).count()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthChar as _;

    use super::*;

    #[test]
    fn each_takes_one_cell() {
        let mut taken = 0;
        for c in (0..=0xffff).filter_map(char::from_u32) {
            let text = c.to_string();
            if let Some(found) = first(text.as_bytes()) {
                assert_eq!(found, (c, text.len()));
                assert_eq!(c.width(), Some(1), "{c:?}");
                taken += 1;
            }
        }
        assert!(taken > 1500, "{taken}");
    }

    #[test]
    fn a_run_ends_where_something_else_begins() {
        for (text, found) in [
            (&b""[..], 0),
            (b"a", 1),
            (b"a\x1b[m", 1),
            (b"0123456789abcdef\x7f", 16),
            (b"0123456789abcdef\n", 16),
            ("ab\u{2500}".as_bytes(), 5),
            ("ab\u{2500}c\u{4f60}".as_bytes(), 6),
            (b"ab\xe2\x94", 2),
            (b"ab\xff", 2),
        ] {
            assert_eq!(run(text), found, "{text:?}");
        }
        for at in 0..40 {
            for byte in [0, b'\n', 0x1b, 0x1f, 0x7f, 0x80, 0xff] {
                let mut text = [b'~'; 40];
                text[at] = byte;
                assert_eq!(ascii(&text), at);
            }
        }
        assert!(run(&[b'x'; 5000]) <= MOST);
    }
}
