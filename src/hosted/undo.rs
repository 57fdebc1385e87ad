//! What a stream of a program has switched in a terminal, and the bytes that undo it: no more and
//! no less, so that the shell that was there before finds its terminal again. Pure.

use super::scan::{Scanner, Sequence, numbers};
use crate::core::few::Few;

/// Most modes that are followed.
const MOST: usize = 128;
/// Deepest stack of keyboard modes that is undone.
const DEEPEST: usize = 64;

/// Follows a terminal's modes.
#[derive(Default, Debug)]
pub struct Undo {
    scanner: Scanner,
    /// Private modes that are on, beside those that have a field.
    on: Few<u16>,
    alternate: bool,
    /// Keyboard modes on the stack of the main and of the other screen.
    pushed: [usize; 2],
    /// Keyboard modes set without a stack.
    set: [bool; 2],
    other_keys: bool,
    keypad: bool,
    cursor_hidden: bool,
    cursor_style: bool,
    no_wrap: bool,
    colours: bool,
    titled: bool,
    /// What the program says of itself was said again.
    reported: bool,
    /// Anything at all was written.
    used: bool,
}

impl Undo {
    /// Takes what is written to the terminal.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.used |= !bytes.is_empty();
        let mut scanner = std::mem::take(&mut self.scanner);
        let mut at = 0;
        while at < bytes.len() {
            let (used, sequence) = scanner.step(&bytes[at..]);
            at += used;
            match sequence {
                Some(Sequence::Csi(body, last)) => self.csi(body, last),
                Some(Sequence::Esc(b"", b'c')) => {
                    *self = Self {
                        used: true,
                        ..Self::default()
                    }
                }
                Some(Sequence::Esc(b"", b'=')) => self.keypad = true,
                Some(Sequence::Esc(b"", b'>')) => self.keypad = false,
                Some(Sequence::Osc(text, _)) => self.osc(text),
                _ => {}
            }
        }
        self.scanner = scanner;
    }

    fn csi(&mut self, body: &[u8], last: u8) {
        let screen = usize::from(self.alternate);
        let number = |body: &[u8], other: u16| numbers(body).next().flatten().unwrap_or(other);
        match (body, last) {
            ([b'?', modes @ ..], b'h' | b'l') => {
                for mode in numbers(modes).flatten() {
                    self.private(mode, last == b'h');
                }
            }
            ([b'>', _flags @ ..], b'u') => {
                self.pushed[screen] = (self.pushed[screen] + 1).min(DEEPEST);
            }
            ([b'<', count @ ..], b'u') => {
                let count = usize::from(number(count, 1));
                self.set[screen] &= count <= self.pushed[screen];
                self.pushed[screen] = self.pushed[screen].saturating_sub(count);
            }
            ([b'=', flags @ ..], b'u') => self.set[screen] |= number(flags, 0) != 0,
            ([b'>', keys @ ..], b'm') => {
                let mut keys = numbers(keys);
                if keys.next() == Some(Some(4)) {
                    self.other_keys = keys.next().flatten().unwrap_or(0) != 0;
                }
            }
            ([style @ .., b' '], b'q') => self.cursor_style = number(style, 0) != 0,
            (b"!", b'p') => {
                (self.keypad, self.cursor_hidden, self.no_wrap) = (false, false, false);
                self.on.remove(&1);
            }
            _ => {}
        }
    }

    fn private(&mut self, mode: u16, on: bool) {
        match mode {
            47 | 1047 | 1049 => self.alternate = on,
            25 => self.cursor_hidden = !on,
            7 => self.no_wrap = !on,
            // Set back in any case, or no state at all.
            3 | 6 | 1048 | 2026 => {}
            _ if !on => _ = self.on.remove(&mode),
            _ if self.on.len() < MOST => _ = self.on.insert(mode, ()),
            _ => {}
        }
    }

    fn osc(&mut self, text: &[u8]) {
        let kind = text.split(|byte| *byte == b';').next().unwrap_or_default();
        let asks = text.ends_with(b"?");
        match kind {
            b"0" | b"1" | b"2" => self.titled = true,
            b"7501" if !asks => self.reported = true,
            b"4" | b"10" | b"11" | b"12" if !asks => self.colours = true,
            _ => {}
        }
    }

    /// Whether no sequence and no character has begun: others may be written now.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.scanner.unfinished().is_empty()
    }

    /// The bytes that undo it all, and forgets it: the terminal is as it was then, but for what
    /// stands in it and the place of the cursor.
    pub fn undo(&mut self) -> Vec<u8> {
        let was = std::mem::take(self);
        let mut out = Vec::new();
        if !was.used {
            return out;
        }
        // What is unfinished ends here.
        out.extend_from_slice(b"\x18\x1b\\\x1b[?2026l");
        was.undo_screen(&mut out);
        for mode in was.on.keys().rev() {
            out.extend_from_slice(format!("\x1b[?{mode}l").as_bytes());
        }
        for (switched, code) in [
            (was.keypad, "\x1b>"),
            (was.no_wrap, "\x1b[?7h"),
            (was.other_keys, "\x1b[>4;0m"),
            (was.cursor_style, "\x1b[0 q"),
            (
                was.colours,
                "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\",
            ),
            (was.titled, "\x1b]2;\x1b\\"),
            (was.reported, "\x1b]7501;state=clear\x1b\\"),
            (was.cursor_hidden, "\x1b[?25h"),
        ] {
            if switched {
                out.extend_from_slice(code.as_bytes());
            }
        }
        out
    }

    /// Look, margins and keyboard, and the main screen.
    fn undo_screen(&self, out: &mut Vec<u8>) {
        let keyboard = |screen: usize, out: &mut Vec<u8>| {
            if self.pushed[screen] > 0 {
                out.extend_from_slice(format!("\x1b[<{}u", self.pushed[screen]).as_bytes());
            }
            if self.set[screen] {
                out.extend_from_slice(b"\x1b[=0;1u");
            }
        };
        out.extend_from_slice(b"\x1b[0m\x1b]8;;\x1b\\\x1b(B\x1b)B\x0f\x1b[4l\x1b[20l");
        // To reset origin and margins moves the cursor.
        out.extend_from_slice(b"\x1b7\x1b[?6l\x1b[r\x1b8\x1b[?6l\x1b8");
        if self.alternate {
            keyboard(1, out);
            out.extend_from_slice(b"\x1b[?1049l");
        } else if self.pushed[1] > 0 || self.set[1] {
            out.extend_from_slice(b"\x1b[?1049h");
            keyboard(1, out);
            out.extend_from_slice(b"\x1b[?1049l");
        }
        keyboard(0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(stream: &str) -> String {
        let mut undo = Undo::default();
        undo.feed(stream.as_bytes());
        let bytes = undo.undo();
        assert_eq!(undo.undo(), b"", "it is undone once");
        let plain = String::from_utf8(bytes).unwrap();
        let always = "\x18\x1b\\\x1b[?2026l\x1b[0m\x1b]8;;\x1b\\\x1b(B\x1b)B\x0f\x1b[4l\x1b[20l\
                      \x1b7\x1b[?6l\x1b[r\x1b8\x1b[?6l\x1b8";
        plain.strip_prefix(always).unwrap().replace('\x1b', "ESC ")
    }

    #[test]
    fn exactly_what_is_on_is_undone() {
        for (stream, undone) in [
            ("text", ""),
            ("\x1b[?1049h\x1b[?1049l", ""),
            (
                "\x1b[?1049h\x1b[?1000;1006h\x1b[?2004h\x1b[?25l",
                "ESC [?1049lESC [?2004lESC [?1006lESC [?1000lESC [?25h",
            ),
            ("\x1b[?1000h\x1b[?1000l", ""),
            ("\x1b[>1u\x1b[>5u\x1b[<u", "ESC [<1u"),
            ("\x1b[>1u\x1b[<3u", ""),
            ("\x1b[?1049h\x1b[>5u", "ESC [<1uESC [?1049l"),
            ("\x1b[=5;1u", "ESC [=0;1u"),
            ("\x1b[>4;2m", "ESC [>4;0m"),
            ("\x1b[>4;2m\x1b[>4m", ""),
            ("\x1b[5 q", "ESC [0 q"),
            ("\x1b[5 q\x1b[0 q", ""),
            ("\x1b]0;t\x07", "ESC ]2;ESC \\"),
            ("\x1b]11;?\x07\x1b]7501;?\x07", ""),
            ("\x1b]7501;state=idle\x07", "ESC ]7501;state=clearESC \\"),
            ("\x1b=\x1b[?7l", "ESC >ESC [?7h"),
            ("\x1b[?2004h\x1bc", ""),
        ] {
            assert_eq!(after(stream), undone, "{stream:?}");
        }
        assert_eq!(Undo::default().undo(), b"", "nothing was written");
    }
}
