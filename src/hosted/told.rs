//! What a program says of itself with `OSC 7501`, and how long that holds. Pure.
//!
//! The text is hostile: what is longer than the protocol allows is refused, as is a text with
//! control characters; what is left is clean.
//!
//! **Source:** "Program status" of the Rex terminal, revision 0.4; observed on Claude Code 2.1.295
//! and newer, Codex CLI 0.171.0 and Pi 1.6.0.

use chrono::{DateTime, Utc};

use crate::core::model::{BlockedOn, Doing, Record, Told};
use crate::core::text::CleanText;

/// Longest sequence, in bytes.
pub const LONGEST: usize = 4096;
/// Most records.
const MOST: usize = 64;
/// Longest message and title, in bytes.
const MESSAGE: usize = 2048;
const TITLE: usize = 192;
/// Longest id in bytes, and its deepest level.
const ID: usize = 128;
const LEVELS: usize = 8;
/// Longest name of a program.
const APP: usize = 32;

/// What one sequence says.
#[derive(Clone, PartialEq, Debug)]
pub enum Report {
    /// This, instead of what was said before under the same id.
    Says(Box<Record>),
    /// No more of this id, and of those below it; of all, if it is empty.
    Clears(String),
}

/// Reads what stands between `OSC 7501 ;` and its end. `None` if it breaks the rules.
#[must_use]
pub fn parse(body: &[u8], at: DateTime<Utc>, group: Option<u32>) -> Option<Report> {
    let text = std::str::from_utf8(body).ok()?;
    if body.len() > LONGEST || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let mut record = Record {
        at,
        group,
        ..Record::default()
    };
    let mut state = None;
    for field in text.split(':') {
        let (name, value) = field.split_once('=')?;
        match name {
            "state" => state = Some(value),
            "kind" => record.kind = Some(blocked_on(value)),
            "id" => record.id = value.to_owned(),
            "progress" => record.progress = value.parse().ok().filter(|percent| *percent <= 100),
            "app" => record.app = Some(value.to_owned()).filter(|app| is_name(app, APP)),
            "title" => record.title = words(value, TITLE),
            "msg" => record.msg = words(value, MESSAGE),
            // A newer version says more.
            _ => {}
        }
    }
    if !record.id.is_empty() && !is_path(&record.id) {
        return None;
    }
    record.state = match state? {
        "idle" => Doing::Idle,
        "working" => Doing::Working,
        "done" => Doing::Done,
        "blocked" => Doing::Blocked,
        "error" => Doing::Error,
        "clear" => return Some(Report::Clears(record.id)),
        _ => return None,
    };
    record.kind = record.kind.filter(|_| record.state == Doing::Blocked);
    Some(Report::Says(Box::new(record)))
}

fn blocked_on(word: &str) -> BlockedOn {
    match word {
        "permission" => BlockedOn::Permission,
        "question" => BlockedOn::Question,
        "auth" => BlockedOn::Auth,
        _ => BlockedOn::Unknown,
    }
}

fn is_name(text: &str, most: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(plain)
}

fn is_path(text: &str) -> bool {
    text.len() <= ID
        && text.split('/').count() <= LEVELS
        && text.split('/').all(|level| is_name(level, ID))
}

/// A text in base64; none if it is too long or holds control characters.
fn words(encoded: &str, most: usize) -> Option<CleanText> {
    let text = String::from_utf8(decode(encoded)?).ok()?;
    if text.len() > most || text.chars().any(char::is_control) {
        return None;
    }
    CleanText::block(&text, most).some()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u8);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(out)
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |index: usize| three.get(index).copied().map_or(0, u32::from);
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap_or(0);
            let known = digit <= three.len();
            out.push(if known { DIGITS[index].into() } else { '=' });
        }
    }
    out
}

/// Takes a report over; whether that changed anything.
pub fn take(told: &mut Told, report: Report) -> bool {
    match report {
        Report::Clears(id) => {
            let before = told.records.len();
            told.records.retain(|record| !is_within(&record.id, &id));
            told.records.len() != before
        }
        Report::Says(new) => {
            // There is always room for the program itself.
            let room = told.records.len() < MOST - usize::from(!new.id.is_empty());
            let known = told.records.iter_mut().find(|record| record.id == new.id);
            match known {
                Some(known) => *known = *new,
                None if room => told.records.push(*new),
                None => return false,
            }
            true
        }
    }
}

fn is_within(id: &str, above: &str) -> bool {
    let rest = id.strip_prefix(above);
    above.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whoever reported has ended, as a shell's prompt or the end of the program shows: what it did
/// holds no longer, how its work ended does. Whether that changed anything.
pub fn end(told: &mut Told) -> bool {
    let before = told.records.len();
    let lasts = |record: &Record| matches!(record.state, Doing::Done | Doing::Error);
    told.records.retain(lasts);
    told.records.len() != before
}

/// The sequence that says this again, to a terminal.
#[must_use]
pub fn say(report: &Report) -> Vec<u8> {
    let mut out = String::from("\x1b]7501;");
    match report {
        Report::Clears(id) => {
            out.push_str("state=clear");
            push(
                &mut out,
                "id",
                Some(id.as_str()).filter(|id| !id.is_empty()),
            );
        }
        Report::Says(record) => {
            out.push_str("state=");
            out.push_str(record.state.as_str());
            let kind = record.kind.filter(|kind| *kind != BlockedOn::Unknown);
            push(&mut out, "kind", kind.map(BlockedOn::as_str));
            push(
                &mut out,
                "id",
                Some(&*record.id).filter(|id| !id.is_empty()),
            );
            let progress = record.progress.map(|percent| percent.to_string());
            push(&mut out, "progress", progress.as_deref());
            push(&mut out, "app", record.app.as_deref());
            let coded = |text: &CleanText| encode(text.as_bytes());
            push(
                &mut out,
                "title",
                record.title.as_ref().map(coded).as_deref(),
            );
            push(&mut out, "msg", record.msg.as_ref().map(coded).as_deref());
        }
    }
    out.push_str("\x1b\\");
    out.into_bytes()
}

fn push(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(':');
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// The sequences that bring a terminal to all of it, whatever it was told before.
#[must_use]
pub fn say_all(told: &Told) -> Vec<u8> {
    let mut out = say(&Report::Clears(String::new()));
    for record in &told.records {
        out.extend(say(&Report::Says(Box::new(record.clone()))));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Option<Report> {
        parse(body.as_bytes(), DateTime::UNIX_EPOCH, Some(7))
    }

    fn record(body: &str) -> Record {
        match read(body) {
            Some(Report::Says(record)) => *record,
            other => panic!("{body:?} is {other:?}"),
        }
    }

    fn told(bodies: &[&str]) -> Told {
        let mut told = Told::default();
        for body in bodies {
            take(&mut told, read(body).unwrap());
        }
        told
    }

    fn words_of(told: &Told) -> Vec<String> {
        let records = told.records.iter();
        records
            .map(|record| format!("{} {}", record.id, record.state.as_str()))
            .collect()
    }

    #[test]
    fn what_claude_code_says_is_read() {
        let asks = format!(
            "state=blocked:kind=permission:app=claude-code:msg={}",
            encode("approve Bash: touch x".as_bytes())
        );
        let asks = record(&asks);
        assert_eq!(asks.state, Doing::Blocked);
        assert_eq!(asks.kind, Some(BlockedOn::Permission));
        assert_eq!(asks.app.as_deref(), Some("claude-code"));
        assert_eq!(asks.msg.as_deref(), Some("approve Bash: touch x"));
        assert_eq!(asks.group, Some(7));
        let task = record("state=working:id=tasks/b1:title=c2xlZXA=:progress=40:new=thing");
        assert_eq!(task.id, "tasks/b1");
        assert_eq!(task.title.as_deref(), Some("sleep"));
        assert_eq!(task.progress, Some(40));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let long = "a".repeat(LONGEST + 1);
        for refused in [
            "",
            "idle",
            "state=",
            "state=tired",
            "kind=permission",
            "state=idle:x",
            "state=idle:id=a//b",
            "state=idle:id=a/b/c/d/e/f/g/h/i",
            "state=idle:id=../x y",
            "state=idle\x07",
            "state=idle:msg=\u{e9}",
            &format!("state=idle:x={long}"),
            &format!("state=idle:id={}", "a".repeat(ID + 1)),
        ] {
            assert_eq!(read(refused), None, "{refused:?}");
        }
        for (odd, value) in [
            ("progress=101", None),
            ("progress=x", None),
            ("app=a b", None),
            ("kind=permission", None),
            ("msg=!", None),
        ] {
            let record = record(&format!("state=idle:{odd}"));
            let fields = (record.progress, record.app, record.kind, record.msg);
            assert_eq!(fields, (value, None, None, None), "{odd}");
        }
    }

    #[test]
    fn hostile_text_is_clean_or_not_there() {
        let said = |text: &str| {
            let body = format!("state=working:msg={}", encode(text.as_bytes()));
            record(&body).msg.map(|text| text.to_string())
        };
        assert_eq!(said("\x1b[31mred"), None);
        assert_eq!(said("two\nlines"), None);
        assert_eq!(said("a\u{202e}b").as_deref(), Some("ab"));
        assert_eq!(
            said(&"x".repeat(MESSAGE)).map(|text| text.len()),
            Some(MESSAGE)
        );
        assert_eq!(said(&"x".repeat(MESSAGE + 1)), None);
        let title = format!("state=idle:title={}", encode(&[b'x'; TITLE + 1]));
        assert_eq!(record(&title).title, None);
    }

    #[test]
    fn a_report_replaces_its_record_and_clear_takes_what_is_below() {
        let mut all = told(&[
            "state=working:msg=YQ==",
            "state=done:id=a",
            "state=working:id=a/b",
            "state=working:id=ab",
            "state=idle",
        ]);
        assert_eq!(
            words_of(&all),
            [" idle", "a done", "a/b working", "ab working"]
        );
        assert_eq!(all.root().unwrap().msg, None, "it is replaced whole");
        assert!(take(&mut all, Report::Clears("a".into())));
        assert_eq!(words_of(&all), [" idle", "ab working"]);
        assert!(end(&mut all));
        assert_eq!(all.records, []);
        let mut all = told(&["state=done", "state=error:id=a", "state=blocked:id=b"]);
        assert!(end(&mut all) && !end(&mut all));
        assert_eq!(words_of(&all), [" done", "a error"]);
        assert!(take(&mut all, Report::Clears(String::new())));
        assert_eq!(all, Told::default());
    }

    #[test]
    fn there_is_room_for_64_and_always_for_the_program_itself() {
        let mut told = Told::default();
        for at in 0..100 {
            take(&mut told, read(&format!("state=working:id=t{at}")).unwrap());
        }
        assert_eq!(told.records.len(), MOST - 1);
        assert!(take(&mut told, read("state=idle").unwrap()));
        assert_eq!(told.records.len(), MOST);
        assert!(take(&mut told, read("state=done:id=t5").unwrap()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_said_again_reads_the_same(
            bodies in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..300),
                    "(state=(idle|working|done|blocked|error|clear)|kind=[a-z]{0,9}|id=[a-c/]{0,9}|\
                      progress=[0-9]{0,4}|app=[a-z.]{0,40}|(msg|title)=[A-Za-z0-9+/]{0,300}={0,2}|x=y)\
                      (:(state=(idle|blocked)|id=[a-c/]{0,5}|msg=[A-Za-z0-9]{0,9}|kind=question)){0,4}"
                        .prop_map(String::into_bytes),
                ],
                0..90,
            )
        ) {
            let at = DateTime::UNIX_EPOCH;
            let mut told = Told::default();
            for body in &bodies {
                if let Some(report) = parse(body, at, None) {
                    let again = say(&report);
                    prop_assert!(again.len() <= LONGEST + 16);
                    take(&mut told, report);
                }
            }
            prop_assert!(told.records.len() <= MOST);
            let mut other = Told::default();
            let text = say_all(&told);
            for said in text.split(|byte| *byte == 0x1b) {
                if let Some(body) = said.strip_prefix(b"]7501;") {
                    let report = parse(body, at, None);
                    prop_assert!(report.is_some(), "{:?}", String::from_utf8_lossy(body));
                    take(&mut other, report.unwrap());
                }
            }
            // A kind that is not known is not said again.
            for record in &mut told.records {
                record.kind = record.kind.filter(|kind| *kind != BlockedOn::Unknown);
            }
            prop_assert_eq!(told, other);
        }
    }
}
