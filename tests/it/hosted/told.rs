//! What programs say of themselves and ask of their terminal, through a real holder.

use std::time::Duration;

use serde_json::Value;
use vmux::core::model::Doing;
use vmux::hosted::link::Link;
use vmux::hosted::{Hello, Info, frame};
use vmux::sys::clock::Deadline;

use super::World;
use crate::kit::PATIENCE;

/// What a client asks its terminal.
const QUESTION: &str = "\x1b]7501;?\x1b\\\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[c";
/// What a terminal answers that knows reports, and shows 2 on 1.
const KNOWS: &str =
    "\x1b]7501;?\x1b\\\x1b]10;rgb:2222/2222/2222\x07\x1b]11;rgb:1111/1111/1111\x1b\\\x1b[?62c";

/// Asks its terminal this for each line that is typed, and shows so many bytes of the answers.
fn asks(query: &str, bytes: usize) -> String {
    format!(
        "stty raw -echo; while head -c 1 >/dev/null; do printf '{query}'; \
         head -c {bytes} | od -An -v -c | tr -d ' \\n'; printf '|\\r\\n'; done"
    )
}

/// A line is typed whoever is attached.
fn pokes(world: &World, name: &str) {
    world.says(&["send", name, "x"]);
}

impl World {
    fn link(&self, session: &Value) -> Link {
        let id = session["id"].as_str().unwrap();
        let socket = self.0.path(&format!("vmux/hosted/{id}.sock"));
        Link::connect(&socket, &Hello::default(), PATIENCE).unwrap()
    }
}

/// Waits for what a holder pushes, until it fits.
fn heard(link: &mut Link, fits: impl Fn(&Info) -> bool) -> Info {
    let deadline = Deadline::after(PATIENCE);
    loop {
        let words = link.wait(frame::INFO, deadline).unwrap();
        let info: Info = serde_json::from_slice(&words).unwrap();
        if fits(&info) {
            return info;
        }
    }
}

/// Before the answer to DA1, by which programs tell that the terminal does not know it.
#[test]
fn the_question_is_answered_whoever_is_attached() {
    let world = World::new();
    world.start("asks", &asks("\\033[c\\033]7501;?\\007\\033[c", 27));
    pokes(&world, "asks");
    let both = "033]7501;?\\a033[?62;22c033[?62;22c|";
    world.shows("asks", both);
    // A terminal that does not know it answers the rest, whenever it likes.
    let mut tty = world.attach(&["asks"], 80, 24);
    tty.waits_for(QUESTION);
    tty.types("\x1b[?9c");
    pokes(&world, "asks");
    tty.waits_for("\x1b[c\x1b[c");
    tty.types("\x1b[?62;99c\x1b[?62;98c");
    tty.waits_for("033]7501;?\\a033[?62;99c033[?62;98c|");
    assert!(!tty.text().contains("7501;?\x07"), "{:?}", tty.text());
    assert!(!tty.text().contains("033[?9c"), "that was the client's own");
    tty.types("\x1d");
    tty.ends();
}

/// What a program asks, and what is answered with nobody attached, in a terminal of 80 x 24.
const QUERIES: [(&str, &str); 8] = [
    ("[>c", "\x1b[>1;100;0c"),
    (
        "[>q",
        concat!("\x1bP>|vmux ", env!("CARGO_PKG_VERSION"), "\x1b\\"),
    ),
    ("[?u", "\x1b[?0u"),
    ("[14t", "\x1b[4;384;640t"),
    ("[16t", "\x1b[6;16;8t"),
    ("[18t", "\x1b[8;24;80t"),
    ("[6n", "\x1b[1;1R"),
    ("[?2026$p", "\x1b[?2026;2$y"),
];

/// What a terminal is, how large, and where its cursor: the holder answers, or the terminal that
/// leads does, and never both.
#[test]
fn each_query_is_answered_once_whoever_is_attached() {
    let world = World::new();
    let answers = QUERIES.map(|(_, answer)| answer).concat();
    let asked = QUERIES.map(|(query, _)| format!("\x1b{query}")).concat();
    let query = format!("\x1b[H{asked}").replace('\x1b', "\\033");
    world.start("asks", &asks(&query, answers.len()));
    let as_od_does = |text: &str| {
        let text = text.replace('\x1b', "033");
        text.replace(' ', "") + "|"
    };
    pokes(&world, "asks");
    world.shows("asks", &as_od_does(&answers));
    let mut tty = world.attach(&["asks"], 80, 24);
    tty.waits_for(QUESTION);
    tty.types("\x1b[?9c");
    pokes(&world, "asks");
    tty.waits_for(&asked);
    // As many bytes as it waits for: one more would be among them.
    let theirs = format!("\x1b[>{}c", "7".repeat(answers.len() - 4));
    tty.types(&theirs);
    tty.waits_for(&as_od_does(&theirs));
}

/// Else the reply is typed into the shell that comes next.
#[test]
fn who_leaves_at_once_takes_the_answer_along() {
    let world = World::new();
    world.start("short", "cat");
    let mut tty = world.attach(&["short"], 80, 24);
    tty.waits_for(QUESTION);
    tty.types("\x1d");
    tty.types(KNOWS);
    assert!(tty.ends().success());
    assert!(!tty.text().contains("^["), "{:?}", tty.text());
}

#[test]
fn reports_reach_terminals_that_know_them_and_are_cleared() {
    let world = World::new();
    let says = "printf 'READY'; while read line; do printf \"\\033]7501;$line\\007heard \"; done";
    world.start("says", says);
    world.shows("says", "READY");
    let mut knows = world.attach(&["says"], 80, 24);
    knows.waits_for(QUESTION);
    knows.types(KNOWS);
    let mut old = world.attach(&["says"], 80, 24);
    old.waits_for(QUESTION);
    old.types("\x1b[?62c");
    let say = |line: &str| {
        world.says(&["send", "--enter", "says", line]);
    };
    say("state=working:app=lab");
    knows.waits_for("\x1b]7501;state=working:app=lab\x1b\\");
    say("state=working:id=one:msg=G1tt");
    knows.waits_for("\x1b]7501;state=working:id=one\x1b\\");
    // One that comes later is told all of it; one of another size, too.
    let mut later = world.attach(&["says", "--read-only"], 60, 20);
    later.waits_for(QUESTION);
    later.types(KNOWS);
    let all = "\x1b]7501;state=clear\x1b\\\x1b]7501;state=working:app=lab\x1b\\\x1b]7501;state=working:id=one\x1b\\";
    later.waits_for(all);
    for tty in [&mut knows, &mut later] {
        tty.types("\x1d");
        tty.ends();
        let text = tty.text();
        let last = text.rfind("\x1b]7501;state=clear\x1b\\");
        assert!(last > text.rfind("state=working"), "{text:?}");
    }
    old.waits_for("heard");
    old.types("\x1d");
    old.ends();
    assert!(!old.text().contains("7501;state"), "{:?}", old.text());
}

/// As the last terminal that was asked; before that grey on black.
#[test]
fn colours_are_those_of_the_last_terminal() {
    let world = World::new();
    world.start("colours", &asks("\\033]10;?\\007\\033]11;?\\007", 48));
    pokes(&world, "colours");
    world.shows(
        "colours",
        "033]10;rgb:d0d0/d0d0/d0d0\\a033]11;rgb:0000/0000/0000\\a|",
    );
    let mut tty = world.attach(&["colours"], 80, 24);
    tty.waits_for(QUESTION);
    tty.types(KNOWS);
    tty.types("\x1d");
    tty.ends();
    pokes(&world, "colours");
    world.shows(
        "colours",
        "033]10;rgb:2222/2222/2222\\a033]11;rgb:1111/1111/1111\\a|",
    );
}

/// No answer of a second terminal reaches the program, also where a key comes with it.
#[test]
fn one_terminal_answers() {
    let world = World::new();
    world.start("one", "stty raw -echo; exec cat -v");
    let tty = |colour: &str| {
        let mut tty = world.attach(&["one"], 80, 24);
        tty.waits_for(QUESTION);
        tty.types(&format!("\x1b]11;rgb:{colour}\x07\x1b[?62c"));
        tty
    };
    let (mut other, mut leads) = (tty("0000/0000/0000"), tty("1111/1111/1111"));
    leads.types("a\x1b[?62;1c");
    leads.waits_for("a^[[?62;1c");
    other.types("\x1b[?62;2c");
    other.types("\x1b[5;5Rb\x1b[?62;3c");
    // Who typed leads from now on.
    other.waits_for("b");
    leads.types("\x1b[I");
    leads.types("c");
    leads.waits_for("bc");
    let history = world.history("one");
    assert!(history.contains("a^[[?62;1cbc"), "{history}");
}

/// Pushed, not asked for; a burst is one message or a few.
#[test]
fn followers_are_told_of_each_change() {
    let world = World::new();
    let script = "read line; printf '\\033]0;first\\007\\033]7501;state=working\\007'; \
                  for i in 1 2 3 4 5 6 7 8 9; do printf \"\\033]0;spin $i\\007\\007\"; done; \
                  printf '\\033]7501;state=blocked:kind=question:msg=V2hpY2g/\\007'; read line; \
                  printf '\\033]133;A\\007$ '; read line; printf '\\033]7501;state=done\\007'; \
                  printf '\\033c'; read line; exit 3";
    let session = world.start("told", script);
    let mut link = world.link(&session);
    link.send(frame::FOLLOW, b"").unwrap();
    let first = heard(&mut link, |_| true).told.unwrap();
    assert_eq!(first, Default::default());
    world.says(&["send", "--enter", "told", "go"]);
    let told = heard(&mut link, |info| {
        let told = info.told.as_ref().unwrap();
        told.title.as_deref() == Some("spin 9") && told.rang_at.is_some()
    });
    let told = told.told.unwrap();
    let root = told.root().unwrap();
    assert_eq!(root.state, Doing::Blocked);
    assert_eq!(root.msg.as_deref(), Some("Which?"));
    assert_eq!(root.group.map(Value::from), Some(session["pid"].clone()));
    for line in ["at the prompt", "and reset"] {
        world.says(&["send", "--enter", "told", line]);
        let empty = |info: &Info| info.told.as_ref().unwrap().records.is_empty();
        heard(&mut link, empty);
    }
    assert!(
        link.wait(frame::INFO, Deadline::after(Duration::from_millis(300)))
            .is_err()
    );
    drop(link);
    world.says(&["end", "--yes", "told"]);
}

/// Who follows, what was said, and half of what is being said.
#[test]
fn another_version_of_the_holder_goes_on_hearing() {
    let world = World::new();
    let script = "stty -echo; printf '\\033]7501;state=working\\007\\033]7501;sta'; read line; \
                  printf 'te=done:id=a\\007heard'; read line";
    let session = world.start_by(&world.earlier(), "told", script);
    let mut link = world.link(&session);
    link.send(frame::FOLLOW, b"").unwrap();
    let works = |info: &Info| info.told.as_ref().unwrap().root().is_some();
    heard(&mut link, works);
    let mut tty = world.attach(&["told"], 80, 24);
    tty.waits_for(QUESTION);
    tty.types(KNOWS);
    tty.waits_for("\x1b]7501;state=working\x1b\\");
    world.says(&["upgrade", "told"]);
    world.says(&["send", "--enter", "told", ""]);
    let info = heard(&mut link, |info| {
        info.told.as_ref().unwrap().records.len() == 2
    });
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    tty.waits_for("\x1b]7501;state=done:id=a\x1b\\");
    tty.waits_for("heard");
    let text = tty.text();
    assert!(!text.contains("state=done:id=a\x07"), "{text:?}");
}
