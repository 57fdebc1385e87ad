//! The state of a terminal, fed and asked.

use std::time::Duration;

use alacritty_terminal::vte::ansi::{Processor, Timeout};
use vmux::hosted::scan::{Scanner, Sequence};

use super::model::Model;
use super::{Kept, More, Paint, Screen, Size, asked, paint, short};

/// A string that is longer means nothing to the grid.
const LONGEST_STRING: usize = 1024 * 1024;

/// The parser must not hold back what a program draws at once: a snapshot may be asked for then.
#[derive(Default)]
struct NoSync;

impl Timeout for NoSync {
    fn set_timeout(&mut self, _: Duration) {}

    fn clear_timeout(&mut self) {}

    fn pending_timeout(&self) -> bool {
        false
    }
}

/// A terminal made of `alacritty_terminal`'s grid.
pub(crate) struct Emulator {
    pub(super) model: Model,
    parser: Processor<NoSync>,
    scanner: Scanner,
    /// A string was cut off: the rest of it is skipped.
    cut: bool,
    /// Nothing goes the short way.
    #[cfg(test)]
    pub(super) long_way: bool,
}

impl Emulator {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            model: Model::new(size),
            parser: Processor::new(),
            scanner: Scanner::default(),
            cut: false,
            #[cfg(test)]
            long_way: false,
        }
    }

    /// Does what stands at the beginning; how many bytes that was.
    fn step(&mut self, bytes: &[u8]) -> usize {
        #[cfg(test)]
        if self.long_way {
            return self.parse(bytes);
        }
        if self.scanner.is_plain() {
            let done = short::take(&mut self.model, bytes);
            if done > 0 {
                return done;
            }
        }
        self.parse(bytes)
    }

    /// Up to the end of a line, of a sequence, or of the bytes.
    fn parse(&mut self, bytes: &[u8]) -> usize {
        let end = match bytes.first() {
            Some(0x1b) => None,
            _ => memchr::memchr2(0x1b, b'\n', bytes).filter(|end| bytes[*end] == b'\n'),
        };
        let line = &bytes[..end.map_or(bytes.len(), |end| end + 1)];
        let (used, sequence) = self.scanner.step(line);
        let known = sequence.and_then(|sequence| match sequence {
            Sequence::Csi(b"!", b'p') => Some(Known::SoftReset),
            Sequence::Csi(b">" | b">0", b'q') => Some(Known::Version),
            Sequence::Csi(b"=" | b"=0", b'c') => Some(Known::Unit),
            Sequence::Csi(b"16", b't') => Some(Known::CellSize),
            Sequence::Csi(body, b'b') => Some(Known::Repeat(short::repetitions(body))),
            Sequence::Dcs([b'+', b'q', names @ ..], true) => {
                Some(Known::Capabilities(asked::capabilities(names)))
            }
            _ => None,
        });
        if let Some(Known::Repeat(times)) = known {
            // The parser has not seen what is to be repeated: it forgets the sequence.
            self.advance(&bytes[..used - 1]);
            self.advance(b"\x18");
            self.model.repeat(times);
            return used;
        }
        self.advance(&bytes[..used]);
        match known {
            None | Some(Known::Repeat(_)) => {}
            Some(Known::SoftReset) => self.model.soft_reset(),
            Some(Known::Version) => {
                let version = env!("CARGO_PKG_VERSION");
                self.model.answer(&format!("\x1bP>|vmux {version}\x1b\\"));
            }
            Some(Known::Unit) => self.model.answer("\x1bP!|00000000\x1b\\"),
            Some(Known::CellSize) => self.model.answer("\x1b[6;16;8t"),
            Some(Known::Capabilities(answer)) => self.model.answer(&answer),
        }
        used
    }

    fn advance(&mut self, bytes: &[u8]) {
        let long = self.scanner.string_length() > LONGEST_STRING;
        if !self.cut {
            self.parser.advance(&mut self.model, bytes);
            if long {
                self.parser.advance(&mut self.model, b"\x18");
            }
        } else if !long {
            // It ends somewhere in here; all before that is of the string.
            let end = bytes
                .iter()
                .position(|byte| matches!(byte, 7 | 0x18 | 0x1a | 0x1b));
            self.parser
                .advance(&mut self.model, &bytes[end.unwrap_or(bytes.len())..]);
        }
        self.cut = long;
    }

    /// Forgets the empty screen that a snapshot pushed up as it came.
    fn forget_empty_past(&mut self) {
        if self.model.is_alternate() {
            self.model.behind(Model::forget_empty_past);
        } else {
            self.model.forget_empty_past();
        }
    }
}

enum Known {
    Repeat(u16),
    /// What it asks for, answered.
    Capabilities(String),
    SoftReset,
    Version,
    Unit,
    CellSize,
}

impl Screen for Emulator {
    fn feed(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.step(&bytes[at..]);
        }
    }

    fn resize(&mut self, size: Size) {
        if size != self.model.size() {
            self.model.resize(size);
        }
    }

    fn snapshot(&mut self, paint: Paint) -> Vec<u8> {
        let tail = self.scanner.unfinished().to_vec();
        paint::snapshot(&mut self.model, &tail, paint)
    }

    fn text(&mut self, colours: bool) -> Vec<u8> {
        let mut text = Vec::new();
        if self.model.is_alternate() {
            text = self.model.behind(|main| paint::text(main));
        }
        text.extend(paint::text(&self.model));
        if colours {
            text
        } else {
            Scanner::default().text(&text)
        }
    }

    fn crop(&mut self, size: Size) -> Vec<u8> {
        paint::crop(&self.model, size)
    }

    fn gone(&self) -> u64 {
        self.model.gone()
    }

    fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.model.answers)
    }

    fn title(&self) -> Option<&str> {
        Some(self.model.titles.current.as_str()).filter(|title| !title.is_empty())
    }

    fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.model.rang)
    }

    fn set_colours(&mut self, colours: [Option<String>; 2]) {
        self.model.colours = colours;
    }

    fn rest(&mut self) {
        self.model.rest();
    }

    fn keep(&mut self) -> Kept {
        Kept {
            snapshot: self.snapshot(Paint::Below),
            more: More {
                links: self.model.links,
                colours: self.model.colours.clone(),
            },
        }
    }

    fn restore(&mut self, kept: &Kept) {
        self.feed(&kept.snapshot);
        self.take_answers();
        self.forget_empty_past();
        let More { links, colours } = &kept.more;
        self.model.links = *links;
        self.model.colours.clone_from(colours);
    }
}
