use alacritty_terminal::grid::Cursor;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::CharsetIndex;
use proptest::prelude::*;

use super::model::Model;
use super::*;

fn cell(cell: &Cell) -> String {
    let link = cell.hyperlink().map(|link| {
        let id = link.id().to_owned();
        (
            link.uri().to_owned(),
            Some(id).filter(|id| !id.starts_with("vmux-")),
        )
    });
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {link:?}",
        cell.c,
        cell.fg,
        cell.bg,
        cell.flags - Flags::LEADING_WIDE_CHAR_SPACER - Flags::WRAPLINE,
        cell.zerowidth().unwrap_or_default(),
        cell.underline_color()
    )
}

fn cursor(cursor: &Cursor<Cell>) -> String {
    let sets = [
        CharsetIndex::G0,
        CharsetIndex::G1,
        CharsetIndex::G2,
        CharsetIndex::G3,
    ]
    .map(|index| cursor.charsets[index]);
    format!(
        "{:?} {} {sets:?} {}",
        cursor.point,
        cursor.input_needs_wrap,
        cell(&cursor.template)
    )
}

/// Text in which links without a name have none.
fn without_names(text: &str) -> String {
    let mut parts = text.split("id=vmux-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

/// One screen, a line a row.
fn shown(model: &Model) -> Vec<String> {
    let grid = model.term.grid();
    let size = model.size();
    let mut all = vec![
        format!("cursor {}", cursor(&grid.cursor)),
        format!("saved {}", cursor(&grid.saved_cursor)),
    ];
    for line in 0..i32::from(size.rows) {
        for column in 0..size.columns.into() {
            let at = &grid[Line(line)][Column(column)];
            // The place that a wide character left at the end of a row looks as it likes.
            let place = Flags::LEADING_WIDE_CHAR_SPACER.union(Flags::WRAPLINE);
            let last = column + 1 == usize::from(size.columns);
            let words = if last && at.flags.contains(place) {
                "place".to_owned()
            } else {
                cell(at)
            };
            all.push(format!("{line} {column} {words}"));
        }
        let wraps = style::goes_on(&grid[Line(line)]) && line + 1 < i32::from(size.rows);
        all.push(format!("{line} goes on {wraps}"));
    }
    all
}

/// All that can be told of a terminal.
fn state(emulator: &mut Emulator) -> Vec<String> {
    let model = &mut emulator.model;
    let mut all = vec![
        format!("mode {:?}", model.term.mode()),
        format!("margins {:?}", model.margins),
        format!("tabs {:?}", model.tabs),
        format!("switches {:?}", model.switches),
        format!("keyboard {:?}", model.keyboard),
        format!("keys {}", model.other_keys),
        format!("titles {:?}", model.titles),
        format!("charset {:?}", model.charset),
        format!("style {:?}", model.style),
        format!("origin {:?}", model.saved_origin),
    ];
    let colours = model.term.colors();
    all.extend((0..269).map(|at| format!("colour {at} {:?}", colours[at])));
    all.extend(shown(model));
    if model.is_alternate() {
        all.extend(model.behind(|main| shown(main)));
    }
    all.extend(
        without_names(&String::from_utf8_lossy(&emulator.text(true)))
            .lines()
            // Above is what the terminal showed before: here, nothing.
            .skip_while(|line| line.is_empty())
            .map(|line| format!("text {line:?}")),
    );
    all
}

fn assert_same(left: &mut Emulator, right: &mut Emulator, of: &str) {
    let (left, right) = (state(left), state(right));
    let differ: Vec<_> = left
        .iter()
        .zip(&right)
        .filter(|(l, r)| l != r)
        .take(6)
        .collect();
    assert!(differ.is_empty(), "{of}: {differ:#?}");
    assert_eq!(left.len(), right.len(), "{of}: as much text");
}

/// A terminal that is brought to the state of another one is like it, and stays so.
fn check(size: Size, stream: &[u8], cut: usize) {
    let (before, after) = stream.split_at(cut);
    let mut seen = Emulator::new(size);
    seen.feed(before);
    let snapshot = seen.snapshot(Paint::Below);
    let mut restored = Emulator::new(size);
    restored.feed(&snapshot);
    let of = |what: &str| {
        format!(
            "{what} {size:?}\nbefore {:?}\nafter {:?}\nsnapshot {:?}",
            String::from_utf8_lossy(before),
            String::from_utf8_lossy(after),
            String::from_utf8_lossy(&snapshot)
        )
    };
    assert_same(&mut seen, &mut restored, &of("restored"));
    let kept = seen.keep();
    let mut gone_on = Emulator::new(size);
    gone_on.restore(&kept);
    assert_same(&mut seen, &mut gone_on, &of("gone on"));
    let text =
        |emulator: &mut Emulator| without_names(&String::from_utf8_lossy(&emulator.text(true)));
    assert_eq!(text(&mut seen), text(&mut gone_on), "{}", of("no more"));
    seen.feed(after);
    restored.feed(after);
    assert_same(&mut seen, &mut restored, &of("went on"));
}

fn atom() -> impl Strategy<Value = Vec<u8>> {
    let n = 0..14u16;
    let csi = |last: &'static [char]| {
        (0..14u16, 0..30u16, prop::sample::select(last))
            .prop_map(|(a, b, last)| format!("\x1b[{a};{b}{last}"))
    };
    prop_oneof![
        6 => "[a-z ]{1,30}".prop_map(|text| text),
        2 => "[a-c \u{e9}\u{2500}\u{2502}\u{25cf}\u{273b}\u{2192}]{1,30}".prop_map(|text| text),
        2 => Just("\r\n".to_owned()),
        2 => prop::sample::select(vec!["\n", "\r", "\t", "\x08", "\x0e", "\x0f", "\x1bM", "\x1bD", "\x1bE", "\x1b7", "\x1b8",
            "\x1bH", "\x1b[g", "\x1b[3g", "\x1b=", "\x1b>", "\x1b(0", "\x1b(B", "\x1b)0", "\x1b)B", "\x1b[!p", "\x1bc", "\x1b#8"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec!["\u{e9}", "\u{4f60}\u{597d}", "\u{1f600}", "e\u{301}", "\u{1f469}\u{200d}\u{1f4bb}", "\u{301}", "\u{ad}", "\u{1f1e9}\u{1f1ea}"])
            .prop_map(str::to_owned),
        4 => csi(&['H', 'H', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'd', 'I', 'Z', 'X', 'P', '@', 'L', 'M', 'S', 'T', 'r']),
        1 => prop::sample::select(vec!["\x1b[H", "\x1b[;4H", "\x1b[3H", "\x1b[3;H", "\x1b[99999;99999H", "\x1b[A", "\x1b[0B", "\x1b[G", "\x1b[0G", "\x1b[d", "\x1b[70000d",
            "\x1b[K", "\x1b[5K", "\x1b[1:2K", "\x1b[?K", "\x1b[2;2K", "\x1b[m", "\x1b[;1m", "\x1b[1;m", "\x1b[?25;7l", "\x1b[?25;7h", "\x1b[?h", "\x1b[38m", "\x1b[38;5m", "\x1b[38;5;256;1m",
            "\x1b[48;2;1;2m", "\x1b[48;2;1;2;300;3m", "\x1b[38;7;1m", "\x1b[58;2;1;2;3;9m", "\x1b[1;38:5:9;4m", "\x1b[>1m", "\x1b[ m", "\x1b[1 m",
            "\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;31m", "\x1b[1;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;3m"])
            .prop_map(str::to_owned),
        2 => (0..4u16, prop::sample::select(vec!['J', 'K'])).prop_map(|(a, last)| format!("\x1b[{a}{last}")),
        4 => prop::collection::vec(prop::sample::select(vec!["0", "1", "2", "3", "4", "4:3", "4:2", "5", "7", "8", "9", "21", "22", "23", "24", "27", "28", "29", "31", "37", "42", "90", "97", "98", "100", "105", "108",
            "38;5;200", "48;5;17", "38;2;1;2;3", "48;2;9;8;7", "58;5;4", "58:2::1:2:3", "59", "39", "49"]), 1..4)
            .prop_map(|codes| format!("\x1b[{}m", codes.join(";"))),
        3 => (prop::sample::select(vec![1, 5, 6, 7, 12, 25, 47, 1000, 1002, 1003, 1004, 1006, 1007, 1047, 1048, 1049, 2004, 2026, 2031]), prop::sample::select(vec!['h', 'l']))
            .prop_map(|(mode, last)| format!("\x1b[?{mode}{last}")),
        1 => (prop::sample::select(vec![4, 20]), prop::sample::select(vec!['h', 'l'])).prop_map(|(mode, last)| format!("\x1b[{mode}{last}")),
        2 => (n, prop::sample::select(vec!["\x1b[>{}u", "\x1b[<{}u", "\x1b[={};1u", "\x1b[={};2u", "\x1b[>4;{}m", "\x1b[{} q"]))
            .prop_map(|(n, form)| form.replace("{}", &n.to_string())),
        1 => prop::sample::select(vec!["\x1b]0;title\x07", "\x1b]2;other\x1b\\", "\x1b[22;0t", "\x1b[23;0t", "\x1b]8;;http://x/\x1b\\", "\x1b]8;id=a;http://y/\x07",
            "\x1b]8;;\x1b\\", "\x1b]4;5;rgb:11/22/33\x07", "\x1b]11;#102030\x07", "\x1b]104\x07", "\x1b]52;c;aGk=\x07", "\x1bPq#0;2;0\x1b\\", "\x1b_Gi=1\x1b\\"])
            .prop_map(str::to_owned),
        1 => ("[a-z]", 0..30u16, prop::sample::select(vec!["\x1b[{}b", "\x1b[{};9b", "\x1b[{}:9b", "\x1b[?{}b", "\x1b[{}?b", "\x1b[{}\nb", "\x1b[{} b"]))
            .prop_map(|(c, n, form)| c + &form.replace("{}", &n.to_string())),
    ]
    .prop_map(String::into_bytes)
}

/// What is no text at all, and queries.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => atom(),
        1 => prop::collection::vec(any::<u8>(), 1..6),
        1 => prop::sample::select(vec!["\x1b[c", "\x1b[6n", "\x1b[?u", "\x1b]11;?\x07", "\x1b[>q", "\x1b[?2026$p"]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn stream() -> impl Strategy<Value = (Size, Vec<u8>, prop::sample::Index)> {
    let size = (8..24u16, 3..10u16).prop_map(|(columns, rows)| Size { columns, rows });
    let bytes = prop::collection::vec(odd(), 1..60).prop_map(|atoms| atoms.concat());
    (size, bytes, any::<prop::sample::Index>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_terminal_goes_on_as_the_one_it_was_taken_from((size, stream, cut) in stream()) {
        check(size, &stream, cut.index(stream.len() + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a program writes and however its window changes: nothing panics, and what is
    /// restored is what was there.
    #[test]
    fn any_bytes_in_any_size_can_be_restored(
        parts in prop::collection::vec((prop::collection::vec(odd(), 0..20), 2..40u16, 1..20u16), 1..6)
    ) {
        let mut seen = Emulator::new(Size { columns: 10, rows: 4 });
        for (atoms, columns, rows) in parts {
            seen.feed(&atoms.concat());
            let size = Size { columns: columns.max(8), rows: rows.max(3) };
            seen.resize(size);
            let snapshot = seen.snapshot(Paint::Below);
            let mut restored = Emulator::new(size);
            restored.feed(&snapshot);
            let (left, right) = (shown(&seen.model), shown(&restored.model));
            let differ: Vec<_> = left.iter().zip(&right).filter(|(l, r)| l != r).take(4).collect();
            prop_assert!(differ.is_empty(), "{differ:#?}\n{:?}", String::from_utf8_lossy(&snapshot));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Much has a short way into the grid: it leads to the same place.
    #[test]
    fn it_is_the_same_in_one_piece_and_byte_by_byte((size, stream, _) in stream()) {
        let mut whole = Emulator::new(size);
        whole.feed(&stream);
        for long_way in [false, true] {
            let mut single = Emulator::new(size);
            single.long_way = long_way;
            for byte in &stream {
                single.feed(std::slice::from_ref(byte));
            }
            assert_same(&mut whole, &mut single, &String::from_utf8_lossy(&stream));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A terminal of any other size shows the cells around the cursor, no half of a wide character,
    /// and the cursor.
    #[test]
    fn a_part_is_what_it_is_a_part_of((size, stream, _) in stream(), columns in 1..40u16, rows in 1..16u16, before in "[a-z]{0,40}") {
        let mut seen = Emulator::new(size);
        seen.feed(&stream);
        let small = Size { columns, rows };
        let mut view = Emulator::new(small);
        view.feed(format!("{before}\x1b[H").as_bytes());
        view.feed(&seen.crop(small));
        let (there, here) = (seen.model.term.grid(), view.model.term.grid());
        let at = there.cursor.point;
        let top = (at.line.0 + 1 - i32::from(rows)).max(0);
        let left = (at.column.0 + 1).saturating_sub(columns.into());
        prop_assert_eq!(here.cursor.point.line.0, at.line.0 - top);
        prop_assert_eq!(here.cursor.point.column.0, at.column.0 - left);
        for y in 0..i32::from(rows) {
            for x in 0..usize::from(columns) {
                let shown = &here[Line(y)][Column(x)];
                let inside = top + y < i32::from(size.rows) && left + x < usize::from(size.columns);
                let cell_there = if inside { there[Line(top + y)][Column(left + x)].clone() } else { Cell::default() };
                // The place that a wide character left looks as it likes.
                if cell_there.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER) {
                    continue;
                }
                let half = (x == 0 && cell_there.flags.contains(Flags::WIDE_CHAR_SPACER))
                    || (x + 1 == usize::from(columns) && cell_there.flags.contains(Flags::WIDE_CHAR));
                let wanted = if half { Cell::default() } else { cell_there };
                prop_assert_eq!(cell(shown), cell(&wanted), "{} {} of {:?}", y, x, small);
            }
        }
    }
}

const SIZE: Size = Size {
    columns: 20,
    rows: 5,
};

fn fed(stream: &str) -> Emulator {
    let mut emulator = Emulator::new(SIZE);
    emulator.feed(stream.as_bytes());
    emulator
}

fn lines(emulator: &mut Emulator) -> Vec<String> {
    let text = emulator.text(false);
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn ten_thousand_lines_come_back_and_no_more_are_kept() {
    let numbered: String = (0..12_500).map(|n| format!("line {n}\r\n")).collect();
    let mut seen = fed(&numbered);
    let all = lines(&mut seen);
    assert!((10_000..11_000).contains(&all.len()), "{}", all.len());
    assert_eq!(all.last().map(String::as_str), Some("line 12499"));
    let mut restored = Emulator::new(SIZE);
    restored.feed(&seen.snapshot(Paint::Below));
    let last = |lines: &[String]| lines[lines.len() - 10_000..].to_vec();
    assert!(last(&lines(&mut restored)) == last(&all));
}

#[test]
fn a_long_line_is_one_line_at_any_width() {
    let word = "0123456789".repeat(9);
    let mut seen = fed(&format!("{word}\r\n").repeat(900));
    assert!(lines(&mut seen).iter().all(|line| *line == word));
    let mut wider = Emulator::new(Size {
        columns: 200,
        rows: 5,
    });
    wider.feed(&seen.snapshot(Paint::Below));
    // The last one reaches into the screen, which is drawn for the size it has.
    let whole = lines(&mut wider);
    assert_eq!(whole.iter().filter(|line| **line == word).count(), 899);
}

#[test]
fn what_a_terminal_showed_before_stays_above() {
    let mut seen = fed("\x1b[31mone\r\ntwo\r\n\x1b[?1049halternate\x1b[?1000h");
    let mut used = fed("$ a\r\n$ b\r\n$ c\r\n$ d\r\n$ vmux attach");
    used.feed(&seen.snapshot(Paint::Below));
    assert_eq!(shown(&seen.model), shown(&used.model));
    let main = |model: &mut Model| model.behind(|main| shown(main));
    assert_eq!(main(&mut seen.model), main(&mut used.model));
    let all = lines(&mut used);
    assert_eq!(all[..5], ["$ a", "$ b", "$ c", "$ d", "$ vmux attach"]);
}

/// However it was moved out of the screen, and however narrow the window has become.
#[test]
fn no_line_of_history_is_lost() {
    for (way, count) in [
        ("\n", 5000),
        ("\x1b[5S", 1500),
        ("\x1b[2J\x1b[H", 3000),
        ("\x1bD", 5000),
        ("\x1b[H\x1b[M", 5000),
    ] {
        let stream: String = (0..count)
            .map(|n| format!("\rline {n}\x1b[K{way}"))
            .collect();
        let mut seen = fed(&stream);
        seen.resize(Size {
            columns: 200,
            rows: 40,
        });
        seen.resize(Size {
            columns: 8,
            rows: 5,
        });
        let all = lines(&mut seen);
        let numbers: Vec<usize> = all
            .iter()
            .filter_map(|line| line.strip_prefix("line ")?.parse().ok())
            .collect();
        assert!(
            numbers.iter().copied().eq(0..count),
            "{way:?} {} of {count}",
            numbers.len()
        );
    }
}

#[test]
fn what_is_deleted_lies_behind_the_cursor() {
    let mut seen = fed("abcdefgh\x1b[1;18Hxyz\x1b[1;19H\x1b[9P");
    assert_eq!(lines(&mut seen), ["abcdefgh         x"]);
}

#[test]
fn history_that_a_program_clears_is_gone() {
    let mut seen = fed(&"line\r\n".repeat(2000));
    seen.feed(b"\x1b[H\x1b[2J\x1b[3Jnew");
    assert_eq!(lines(&mut seen), ["new"]);
}

/// Whatever was seen and whatever came since: above the screen stands every line, once.
#[test]
fn who_fell_behind_is_given_the_lines_in_between() {
    for (seen, more) in [
        (3, 0),
        (3, 1),
        (3, 3),
        (3, 50),
        (40, 400),
        (2000, 300),
        (0, 5000),
        (900, 3000),
    ] {
        for end in ["", "\x1b[?1049hother"] {
            let numbered = |from: usize, to: usize| -> String {
                (from..to).map(|n| format!("line {n}\r\n")).collect()
            };
            let mut seen_there = fed(&numbered(0, seen));
            let gone = seen_there.gone();
            let mut client = Emulator::new(SIZE);
            client.feed(&seen_there.snapshot(Paint::Below));
            seen_there.feed((numbered(seen, seen + more) + end).as_bytes());
            client.feed(&seen_there.snapshot(Paint::Over(Some(gone))));
            let (left, right) = (lines(&mut client), lines(&mut seen_there));
            let left: Vec<_> = left.iter().skip_while(|line| line.is_empty()).collect();
            assert!(
                left.iter().copied().eq(&right),
                "{seen} {more} {end:?}: {left:?}"
            );
            let size = SIZE.rows.into();
            assert_eq!(
                shown(&client.model)[..size],
                shown(&seen_there.model)[..size]
            );
        }
    }
}

#[test]
fn lines_that_are_left_out_are_told() {
    let mut seen = fed("first\r\n");
    let mut client = fed("first\r\n");
    let long = "x".repeat(90);
    seen.feed(format!("{long}\r\n").repeat(9_000).as_bytes());
    client.feed(&seen.snapshot(Paint::Over(Some(1))));
    let all = lines(&mut client);
    let said: Vec<_> = all
        .iter()
        .filter(|line| line.starts_with("here "))
        .collect();
    let count: usize = said[0].split(' ').nth(1).unwrap().parse().unwrap();
    let whole = all.iter().filter(|line| **line == long).count();
    assert_eq!((said.len(), count + whole), (1, 9_000), "{}", all.len());
    client.feed(&seen.snapshot(Paint::Over(None)));
    let all = lines(&mut client);
    assert!(all.iter().any(|line| line.contains("here lines are")));
}

#[test]
fn queries_are_answered() {
    for (query, answer) in [
        ("\x1b[c", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>1;100;0c"),
        ("\x1b[=c", "\x1bP!|00000000\x1b\\"),
        ("ab\x1b[6n", "\x1b[1;3R"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[?2026$p", "\x1b[?2026;2$y"),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?1016$p", "\x1b[?1016;0$y"),
        ("\x1b[>5u\x1b[?u", "\x1b[?5u"),
        ("\x1b[18t", "\x1b[8;5;20t"),
        ("\x1b[14t", "\x1b[4;80;160t"),
        ("\x1b[16t", "\x1b[6;16;8t"),
        ("\x1b]11;?\x07", "\x1b]11;rgb:0000/0000/0000\x07"),
        ("\x1b]4;1;?\x07", "\x1b]4;1;rgb:cdcd/0000/0000\x07"),
        (
            "\x1b]4;16;?;231;?;232;?\x1b\\",
            "\x1b]4;16;rgb:0000/0000/0000\x1b\\\x1b]4;231;rgb:ffff/ffff/ffff\x1b\\\
             \x1b]4;232;rgb:0808/0808/0808\x1b\\",
        ),
        (
            "\x1b]4;7;#102030\x07\x1b]4;7;?\x07",
            "\x1b]4;7;rgb:1010/2020/3030\x07",
        ),
        ("\x1b]4;256;?\x07", ""),
        ("\x1b]12;?\x07", "\x1b]12;rgb:d0d0/d0d0/d0d0\x07"),
        (
            "\x1b]10;#ff0000\x07\x1b]12;?\x07",
            "\x1b]12;rgb:ffff/0000/0000\x07",
        ),
        (
            "\x1b]12;#00ff00\x07\x1b]12;?\x07",
            "\x1b]12;rgb:0000/ffff/0000\x07",
        ),
        // TN, Co and RGB; one that is not known, and one that is none.
        (
            "\x1bP+q544e;436f;524742\x1b\\",
            "\x1bP1+r544e=787465726D2D323536636F6C6F72\x1b\\\x1bP1+r436f=323536\x1b\\\
             \x1bP1+r524742=382F382F38\x1b\\",
        ),
        ("\x1bP+q5463\x1b\\", "\x1bP1+r5463\x1b\\"),
        (
            "\x1bP+q6b31;4\x1b\\\x1bP+qxy\x1b\\",
            "\x1bP0+r6b31\x1b\\\x1bP0+r4\x1b\\\x1bP0+r\x1b\\",
        ),
        ("\x1bP+q544e\x18", ""),
        (
            "\x1b]10;#ff0000\x07\x1b]10;?\x1b\\",
            "\x1b]10;rgb:ffff/0000/0000\x1b\\",
        ),
    ] {
        let answers = fed(query).take_answers();
        assert_eq!(String::from_utf8_lossy(&answers), answer, "{query:?}");
    }
    assert!(fed("\x1b[>q").take_answers().starts_with(b"\x1bP>|vmux "));
    assert_eq!(
        fed(&"\x1b[c".repeat(100_000)).take_answers().len() / 9,
        64 * 1024 / 9
    );
}

#[test]
fn stacks_marks_and_strings_without_end_take_no_memory() {
    let mut seen = fed(&"\x1b[>1u\x1b[22;0t".repeat(10_000));
    seen.feed(
        &b"\x1b]2;"
            .iter()
            .copied()
            .chain(std::iter::repeat_n(b'x', 3 << 20))
            .collect::<Vec<_>>(),
    );
    seen.feed(b"\x07after");
    seen.feed("\u{301}".repeat(100_000).as_bytes());
    assert!(seen.title().is_some_and(|title| title.len() <= 1024));
    let snapshot = seen.snapshot(Paint::Over(Some(0)));
    assert!(snapshot.len() < 64 * 1024, "{}", snapshot.len());
    assert!(lines(&mut seen)[0].starts_with("after"));
}

#[test]
fn another_size_sees_the_part_around_the_cursor() {
    let mut seen = fed("\x1b[1;1Hfirst row\x1b[5;15H\x1b[32mlast\u{4f60}");
    let small = Size {
        columns: 8,
        rows: 2,
    };
    let mut view = Emulator::new(small);
    view.feed(&seen.crop(small));
    assert_eq!(lines(&mut view), ["", "  last\u{4f60}"]);
    let large = Size {
        columns: 30,
        rows: 8,
    };
    let mut view = Emulator::new(large);
    view.feed(&seen.crop(large));
    assert_eq!(lines(&mut view), lines(&mut seen));
}
