//! What a snapshot brings, judged by terminals that are not ours.

use proptest::prelude::*;

use super::*;

#[path = "../../../tests/kit/judge.rs"]
mod judge;

type Judge = fn(u16, u16, &[u8]) -> Vec<String>;

/// To the other screen, whose cursor each terminal puts elsewhere, and back.
const ENTER: &str = "\x1b[0m\x1b[H\x1b[?1049h\x1b7";
const LEAVE: &str = "\x1b[0m\x1b[?1049l";

/// What a judge takes as all terminals do.
struct Dialect {
    looks: &'static [&'static str],
    characters: &'static [&'static str],
    controls: &'static [&'static str],
    moves: &'static [char],
}

/// In both a cursor behind the end of a row stays there while it is moved. Where a wide character
/// had no place at the end of a row, avt leaves the background; it inserts lines outside of margins.
const AVT: Dialect = Dialect {
    looks: &[
        "0",
        "22;1",
        "22;2",
        "3",
        "4",
        "7",
        "9",
        "22",
        "24",
        "27",
        "31",
        "97",
        "39",
        "42",
        "105",
        "49",
        "38;5;200",
        "38;2;1;2;3",
        "48;5;17",
        "48;2;9;8;7",
    ],
    characters: &["\u{e9}", "\u{2500}"],
    moves: &['A', 'B', 'C', 'D', 'G', 'd', 'X', 'P', '@'],
    controls: &[
        "\r",
        "\r\t",
        "\r\x1bM",
        "\r\x1bD",
        "\x1bE",
        "\r\x1b7",
        "\x1b8",
        "\r\t\x1bH",
        "\r\t\x1b[g",
        "\x1b[2;5r",
        "\x1b[r",
    ],
};

/// In vt100 new rows have no background, and what is saved is the same on both screens, and a wide
/// character that has no place at the end of a row leaves what stands there.
const VT100: Dialect = Dialect {
    looks: &[
        "0",
        "22;1",
        "22;2",
        "3",
        "4",
        "7",
        "22",
        "24",
        "27",
        "31",
        "97",
        "39",
        "38;5;200",
        "38;2;1;2;3",
    ],
    characters: &["\u{e9}", "e\u{301}", "\r\u{4f60}\u{597d}", "\r\u{1f600}"],
    moves: &['A', 'B', 'C', 'D', 'G', 'd', 'X', 'P', '@', 'L', 'M'],
    controls: &["\r", "\r\x1bM", "\x1b=", "\x1b>", "\x1b[3 q"],
};

fn atom(dialect: &'static Dialect) -> impl Strategy<Value = String> {
    let csi = (1..14u16, prop::sample::select(dialect.moves));
    let any = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    prop_oneof![
        8 => "[a-z ]{1,30}",
        4 => Just("\r\n".to_owned()),
        2 => any(dialect.controls),
        1 => any(dialect.characters),
        2 => (1..14u16, 1..30u16).prop_map(|(y, x)| format!("\x1b[{y};{x}H")),
        3 => csi.prop_map(|(a, last)| format!("\r\x1b[{a}{last}")),
        2 => (0..2u16, prop::sample::select(vec!['J', 'K'])).prop_map(|(a, last)| format!("\r\x1b[{a}{last}")),
        4 => prop::collection::vec(prop::sample::select(dialect.looks), 1..4).prop_map(|codes| format!("\x1b[{}m", codes.join(";"))),
        1 => any(&[ENTER, LEAVE]),
        2 => (prop::sample::select(vec![1, 25, 1000, 1002, 1003, 1006, 2004]), prop::sample::select(vec!['h', 'l']))
            .prop_map(|(mode, last)| format!("\x1b[?{mode}{last}")),
    ]
}

/// One stream in which the other screen is entered and left in turns (what else terminals do is
/// different in each).
fn joined(atoms: &[String]) -> Vec<u8> {
    let mut alternate = false;
    let mut stream = String::new();
    for atom in atoms {
        match atom.as_str() {
            ENTER if alternate => continue,
            LEAVE if !alternate => continue,
            ENTER | LEAVE => alternate = !alternate,
            _ => {}
        }
        stream.push_str(atom);
    }
    stream.into_bytes()
}

fn judged(by: Judge, size: Size, stream: &[u8], cut: usize) -> Result<(), TestCaseError> {
    let (before, after) = stream.split_at(cut);
    let mut seen = Emulator::new(size);
    seen.feed(before);
    let snapshot = seen.snapshot(Paint::Below);
    let text = String::from_utf8_lossy(stream);
    let alternate = text.rfind(ENTER) > text.rfind(LEAVE);
    let back: &[u8] = if alternate { b"\x1b[?1049l" } else { b"" };
    for rest in [&b""[..], after, &[after, back].concat()] {
        let verdict = |stream: &[u8]| by(size.columns, size.rows, stream);
        let direct = verdict(&[before, rest].concat());
        let restored = verdict(&[&snapshot, rest].concat());
        let differ: Vec<_> = direct
            .iter()
            .zip(&restored)
            .filter(|(l, r)| l != r)
            .take(4)
            .collect();
        prop_assert!(
            differ.is_empty() && direct.len() == restored.len(),
            "{:#?}\nbefore {:?}\nafter {:?}\nsnapshot {:?}",
            differ,
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(rest),
            String::from_utf8_lossy(&snapshot)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn avt_goes_on_alike(
        columns in 8..24u16, rows in 5..12u16,
        atoms in prop::collection::vec(atom(&AVT), 1..60), cut in any::<prop::sample::Index>()
    ) {
        let stream = joined(&atoms);
        judged(judge::avt, Size { columns, rows }, &stream, cut.index(stream.len() + 1))?;
    }

    #[test]
    fn vt100_goes_on_alike(
        columns in 8..24u16, rows in 5..12u16,
        atoms in prop::collection::vec(atom(&VT100), 1..60), cut in any::<prop::sample::Index>()
    ) {
        let stream = joined(&atoms);
        judged(judge::vt100, Size { columns, rows }, &stream, cut.index(stream.len() + 1))?;
    }
}
