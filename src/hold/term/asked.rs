//! What a program may ask a terminal for when nobody shows it one. Pure.

use alacritty_terminal::vte::ansi::Rgb;

/// Most capabilities that are answered at once.
const MOST: usize = 64;
/// Longest name of one, in hexadecimal digits.
const LONGEST: usize = 64;

/// Answers a query (XTGETTCAP) for these names, which are in hexadecimal digits: what the program's
/// `TERM` and `COLORTERM` say. Of the rest is said that it is not known, so that nobody waits.
pub(super) fn capabilities(names: &[u8]) -> String {
    let names = names.split(|byte| *byte == b';').take(MOST);
    names.map(capability).collect()
}

fn capability(name: &[u8]) -> String {
    let digits = Some(name).filter(|name| name.iter().all(u8::is_ascii_hexdigit));
    let digits = digits.filter(|name| name.len() <= LONGEST);
    let digits = String::from_utf8_lossy(digits.unwrap_or_default());
    let value = match &digits.to_ascii_lowercase()[..] {
        "544e" | "6e616d65" => "xterm-256color",
        "436f" | "636f6c6f7273" => "256",
        "524742" => "8/8/8",
        // `Tc` has no value.
        "5463" => return format!("\x1bP1+r{digits}\x1b\\"),
        _ => return format!("\x1bP0+r{digits}\x1b\\"),
    };
    let value = value.bytes().map(|byte| format!("{byte:02X}"));
    format!("\x1bP1+r{digits}={}\x1b\\", value.collect::<String>())
}

/// A colour, as terminals tell it.
pub(super) fn colour(Rgb { r, g, b }: Rgb) -> String {
    format!("rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}")
}

/// The colours that a terminal has if nobody chose others. **Source:** those of xterm.
pub(super) fn palette(index: usize) -> Option<Rgb> {
    const NAMED: [[u8; 3]; 16] = [
        [0x00, 0x00, 0x00],
        [0xcd, 0x00, 0x00],
        [0x00, 0xcd, 0x00],
        [0xcd, 0xcd, 0x00],
        [0x00, 0x00, 0xee],
        [0xcd, 0x00, 0xcd],
        [0x00, 0xcd, 0xcd],
        [0xe5, 0xe5, 0xe5],
        [0x7f, 0x7f, 0x7f],
        [0xff, 0x00, 0x00],
        [0x00, 0xff, 0x00],
        [0xff, 0xff, 0x00],
        [0x5c, 0x5c, 0xff],
        [0xff, 0x00, 0xff],
        [0x00, 0xff, 0xff],
        [0xff, 0xff, 0xff],
    ];
    let index = u8::try_from(index).ok()?;
    let [r, g, b] = match index {
        0..=15 => NAMED[usize::from(index)],
        // A cube of six steps each way, and greys.
        16..=231 => [36, 6, 1].map(|unit| match (index - 16) / unit % 6 {
            0 => 0,
            step => 55 + 40 * step,
        }),
        232.. => [8 + 10 * (index - 232); 3],
    };
    Some(Rgb { r, g, b })
}
