//! The state of a terminal, fed and asked.

use std::time::Duration;

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::Line;
use alacritty_terminal::vte::ansi::{Processor, Timeout};
use vmux::hosted::scan::{Scanner, Sequence};

use super::model::{GRID_HISTORY, Model};
use super::ring::Ring;
use super::{Kept, More, Paint, Screen, Size, paint};

/// Bytes that are fed between two looks at the history, so that none of it is lost.
const STEP: usize = 2048;
/// Rows of history that stay in the grid, once there are so many more.
const KEPT: usize = 384;
const MORE: usize = 384;
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
    pub(super) ring: Ring,
    /// A string was cut off: the rest of it is skipped.
    cut: bool,
}

impl Emulator {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            model: Model::new(size),
            parser: Processor::new(),
            scanner: Scanner::default(),
            ring: Ring::default(),
            cut: false,
        }
    }

    /// Up to the end of a sequence that the grid does not know, or of the bytes.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let (used, sequence) = self.scanner.step(&bytes[at..]);
            at += used;
            let known = match sequence {
                None => None,
                Some(Sequence::Csi(b"!", b'p')) => Some(Known::SoftReset),
                Some(Sequence::Csi(b">" | b">0", b'q')) => Some(Known::Version),
                Some(Sequence::Csi(b"=" | b"=0", b'c')) => Some(Known::Unit),
                Some(Sequence::Csi(b"16", b't')) => Some(Known::CellSize),
                Some(_) => continue,
            };
            self.advance(&bytes[..at]);
            match known {
                None => {}
                Some(Known::SoftReset) => self.model.soft_reset(),
                Some(Known::Version) => {
                    let version = env!("CARGO_PKG_VERSION");
                    self.model.answer(&format!("\x1bP>|vmux {version}\x1b\\"));
                }
                Some(Known::Unit) => self.model.answer("\x1bP!|00000000\x1b\\"),
                Some(Known::CellSize) => self.model.answer("\x1b[6;16;8t"),
            }
            return at;
        }
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
        let rows = usize::from(self.model.size().rows);
        let left = rows - self.ring.forget_empty(rows);
        if !self.ring.is_empty() {
            return;
        }
        let forget = |model: &mut Model| {
            let grid = model.term.grid_mut();
            let above = grid.history_size();
            let row = |at: usize| Line(-i32::try_from(above - at).unwrap_or(0));
            let empty = (0..left.min(above)).take_while(|at| grid[row(*at)].is_clear());
            let keep = above - empty.count();
            grid.update_history(keep);
            grid.update_history(GRID_HISTORY);
        };
        if self.model.is_alternate() {
            self.model.behind(forget);
        } else {
            forget(&mut self.model);
        }
    }

    /// Moves old rows from the grid to the ring.
    fn keep_history(&mut self) {
        if std::mem::take(&mut self.model.history_cleared) {
            self.ring.clear();
        }
        if self.model.is_alternate() {
            return;
        }
        let grid = self.model.term.grid_mut();
        let keep = KEPT.max(2 * grid.screen_lines());
        let above = grid.history_size();
        if above < keep + MORE {
            return;
        }
        for at in (keep + 1..=above).rev() {
            self.ring.take(grid, Line(-i32::try_from(at).unwrap_or(0)));
        }
        grid.update_history(keep);
        grid.update_history(GRID_HISTORY);
    }
}

enum Known {
    SoftReset,
    Version,
    Unit,
    CellSize,
}

impl Screen for Emulator {
    fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(STEP) {
            let mut at = 0;
            while at < piece.len() {
                at += self.step(&piece[at..]);
            }
            self.keep_history();
        }
    }

    fn resize(&mut self, size: Size) {
        if size != self.model.size() {
            self.model.resize(size);
            self.keep_history();
        }
    }

    fn snapshot(&mut self, paint: Paint) -> Vec<u8> {
        let tail = self.scanner.unfinished().to_vec();
        paint::snapshot(&mut self.model, &self.ring, &tail, paint)
    }

    fn text(&mut self, colours: bool) -> Vec<u8> {
        let ring = &self.ring;
        let text = if self.model.is_alternate() {
            let mut text = self.model.behind(|main| paint::text(main, Some(ring)));
            text.extend(paint::text(&self.model, None));
            text
        } else {
            paint::text(&self.model, Some(ring))
        };
        if colours {
            text
        } else {
            Scanner::default().text(&text)
        }
    }

    fn crop(&mut self, size: Size) -> Vec<u8> {
        paint::crop(&self.model, size)
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
        self.model.term.grid_mut().truncate();
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
