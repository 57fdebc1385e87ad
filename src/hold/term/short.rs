//! A short way for what programs write most: plain text, the ends of lines, colours, and moves of
//! the cursor. It does what the parser would do with them, without looking at each byte twice
//! more. Only to be taken between two sequences. Pure.

use alacritty_terminal::vte::ansi::{Attr, Color, Handler as _, LineClearMode, NamedColor, Rgb};
use vmux::hosted::scan;

use super::model::Model;
use super::text;

/// Most numbers of a sequence; one with more is left to the parser.
const MOST: usize = 24;

/// Does what stands at the beginning, if it is known here; how many bytes that was.
pub(super) fn take(model: &mut Model, bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(0x1b) => sequence(model, bytes),
        Some(b'\r') => {
            model.carriage_return();
            1
        }
        Some(b'\n') => {
            model.linefeed();
            1
        }
        _ => plain(model, bytes),
    }
}

fn plain(model: &mut Model, bytes: &[u8]) -> usize {
    let printed = model.print(&bytes[..text::run(bytes)]);
    if printed > 0 {
        return printed;
    }
    let Some((c, length)) = text::first(bytes) else {
        return 0;
    };
    model.input(c);
    length
}

/// How often a sequence (REP) has the last character repeated.
pub(super) fn repetitions(body: &[u8]) -> u16 {
    if !body.iter().all(|byte| matches!(byte, b'0'..=b';')) {
        return 0;
    }
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| next(number, *digit)).max(1)
}

fn next(number: u16, digit: u8) -> u16 {
    let more = u32::from(number) * 10 + u32::from(digit - b'0');
    more.try_into().unwrap_or(u16::MAX)
}

/// The numbers of a sequence that has nothing else; one that is missing is 0.
struct Numbers {
    all: [u16; MOST],
    last: usize,
}

impl Numbers {
    fn of(body: &[u8]) -> Option<Self> {
        let mut numbers = Self {
            all: [0; MOST],
            last: 0,
        };
        let mut number = 0;
        for byte in body {
            match byte {
                b'0'..=b'9' => number = next(number, *byte),
                b';' if numbers.last + 1 < MOST => {
                    numbers.all[numbers.last] = number;
                    numbers.last += 1;
                    number = 0;
                }
                _ => return None,
            }
        }
        numbers.all[numbers.last] = number;
        Some(numbers)
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        self.all[..=self.last].iter().copied()
    }

    /// One that counts something.
    fn count(&self, at: usize) -> usize {
        self.all[at].max(1).into()
    }
}

fn sequence(model: &mut Model, bytes: &[u8]) -> usize {
    let Some((body, last)) = scan::whole_csi(bytes) else {
        return 0;
    };
    let done = match (body, last) {
        ([b'?', modes @ ..], b'h' | b'l') => Numbers::of(modes).map(|modes| {
            for mode in modes.iter() {
                model.private(mode, last == b'h');
            }
        }),
        // Most have one number, if any.
        ([] | [_] | [_, _], b'm') if body.iter().all(u8::is_ascii_digit) => {
            let number = body.iter().fold(0, |number, digit| next(number, *digit));
            attributes(model, std::iter::once(number));
            Some(())
        }
        _ => Numbers::of(body).and_then(|numbers| plain_sequence(model, &numbers, last)),
    };
    done.map_or(0, |()| body.len() + 3)
}

fn plain_sequence(model: &mut Model, numbers: &Numbers, last: u8) -> Option<()> {
    let (first, second) = (numbers.count(0), numbers.count(1));
    let line = |number: usize| i32::try_from(number).unwrap_or(i32::MAX) - 1;
    match last {
        b'm' => attributes(model, numbers.iter()),
        b'A' => model.move_up(first),
        b'B' => model.move_down(first),
        b'C' => model.move_forward(first),
        b'D' => model.move_backward(first),
        b'G' => model.goto_col(first - 1),
        b'd' => model.goto_line(line(first)),
        b'H' => model.goto(line(first), second - 1),
        b'K' => model.clear_line(match numbers.all[0] {
            0 => LineClearMode::Right,
            1 => LineClearMode::Left,
            2 => LineClearMode::All,
            _ => return None,
        }),
        _ => return None,
    }
    Some(())
}

fn attributes(model: &mut Model, mut numbers: impl Iterator<Item = u16>) {
    while let Some(number) = numbers.next() {
        let attribute = match number {
            38 => colour(&mut numbers).map(Attr::Foreground),
            48 => colour(&mut numbers).map(Attr::Background),
            58 => colour(&mut numbers).map(|colour| Attr::UnderlineColor(Some(colour))),
            _ => attribute(number),
        };
        if let Some(attribute) = attribute {
            model.terminal_attribute(attribute);
        }
    }
}

/// What follows the number that begins a colour.
fn colour(numbers: &mut impl Iterator<Item = u16>) -> Option<Color> {
    let mut part = || u8::try_from(numbers.next()?).ok();
    match part() {
        Some(2) => Some(Color::Spec(Rgb {
            r: part()?,
            g: part()?,
            b: part()?,
        })),
        Some(5) => Some(Color::Indexed(part()?)),
        _ => None,
    }
}

fn attribute(number: u16) -> Option<Attr> {
    const NAMED: [NamedColor; 16] = [
        NamedColor::Black,
        NamedColor::Red,
        NamedColor::Green,
        NamedColor::Yellow,
        NamedColor::Blue,
        NamedColor::Magenta,
        NamedColor::Cyan,
        NamedColor::White,
        NamedColor::BrightBlack,
        NamedColor::BrightRed,
        NamedColor::BrightGreen,
        NamedColor::BrightYellow,
        NamedColor::BrightBlue,
        NamedColor::BrightMagenta,
        NamedColor::BrightCyan,
        NamedColor::BrightWhite,
    ];
    let named = |from: u16| Color::Named(NAMED[usize::from(number - from)]);
    Some(match number {
        0 => Attr::Reset,
        1 => Attr::Bold,
        2 => Attr::Dim,
        3 => Attr::Italic,
        4 => Attr::Underline,
        7 => Attr::Reverse,
        8 => Attr::Hidden,
        9 => Attr::Strike,
        21 => Attr::CancelBold,
        22 => Attr::CancelBoldDim,
        23 => Attr::CancelItalic,
        24 => Attr::CancelUnderline,
        27 => Attr::CancelReverse,
        28 => Attr::CancelHidden,
        29 => Attr::CancelStrike,
        30..=37 => Attr::Foreground(named(30)),
        39 => Attr::Foreground(Color::Named(NamedColor::Foreground)),
        40..=47 => Attr::Background(named(40)),
        49 => Attr::Background(Color::Named(NamedColor::Background)),
        59 => Attr::UnderlineColor(None),
        90..=97 => Attr::Foreground(named(82)),
        100..=107 => Attr::Background(named(92)),
        // Blinking, which the grid does not keep, and what nobody knows.
        _ => return None,
    })
}
