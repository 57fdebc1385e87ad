//! What the real CLI writes, cut anywhere: recorded here, played to a holder, and what that brings a
//! terminal to judged by terminals that are not ours.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vmux::hosted::link::Link;
use vmux::hosted::sieve::Sieve;
use vmux::hosted::{Hello, Role, frame};
use vmux::sys::clock::Deadline;

use crate::kit::judge;
use crate::kit::process::poll;
use crate::kit::{Lab, PATIENCE, wait_for};

/// Size of a session to which no terminal was attached.
const SIZE: (u16, u16) = (80, 24);
/// Cuts of each recording.
const CUTS: usize = 40;
/// Enter that was not taken is pressed again.
const AGAIN: Duration = Duration::from_secs(4);
/// Played on after each.
const MORE: usize = 2048;

/// A hosted session, ended with the test.
struct Hosted<'a> {
    lab: &'a Lab,
    id: String,
    log: String,
}

impl Drop for Hosted<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.lab
            .says(&["end", "--yes", &self.id])
            .unwrap_or_default();
    }
}

impl<'a> Hosted<'a> {
    fn start(lab: &'a Lab, command: &[&str]) -> Self {
        let dir = lab.make_dir("work");
        let start = ["start", "--json", dir.to_str().unwrap(), "--"];
        let said = lab.says(&[&start[..], command].concat()).unwrap();
        let info: Value = serde_json::from_str(&said).unwrap();
        let word = |name: &str| info[name].as_str().unwrap().to_owned();
        Self {
            lab,
            id: word("id"),
            log: word("log"),
        }
    }

    fn types(&self, keys: &str) {
        self.lab.says(&["send", &self.id, keys]).unwrap();
    }

    fn sees(&self, text: &str) {
        wait_for(text, || self.shows(text).then_some(()));
    }

    fn shows(&self, text: &str) -> bool {
        let shown = self.lab.says(&["history", &self.id]).unwrap();
        shown.contains(text)
    }

    fn says(&self, prompt: &str, answer: &str) {
        self.types(prompt);
        self.sees(prompt);
        self.enter(answer);
    }

    /// Enter until it is taken: right after text it may be a part of a paste, and a dialog that has
    /// just opened ignores it.
    fn enter(&self, answer: &str) {
        let since = Instant::now();
        loop {
            self.types("\r");
            let shown = || self.shows(answer).then_some(());
            if poll(AGAIN, shown).is_some() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "no {answer:?}");
        }
    }

    /// What a terminal of the same size is sent when it is attached.
    fn snapshot(&self) -> Vec<u8> {
        let socket = self.lab.path(&format!("vmux/hosted/{}.sock", self.id));
        let hello = Hello {
            role: Role::Watch,
            columns: SIZE.0,
            rows: SIZE.1,
            ..Hello::default()
        };
        let mut link = Link::connect(&socket, &hello, PATIENCE).unwrap();
        link.wait(frame::SNAP, Deadline::after(PATIENCE)).unwrap()
    }
}

/// What the CLI writes in some turns.
fn recording(lab: &Lab, inline: bool) -> Vec<u8> {
    let variable = format!("CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN={}", u8::from(inline));
    let mut command = vec!["env"];
    if inline {
        command.push(&variable);
    }
    command.extend([lab.cli(), "--permission-mode", "default"]);
    let claude = Hosted::start(lab, &command);
    claude.sees("? for shortcuts");
    claude.says("say:all is well \u{4f60}\u{597d}", "\u{25cf} all is well");
    claude.says("fill:large.txt", "Do you want");
    claude.enter("\u{25cf} done");
    claude.says("say:the end", "\u{25cf} the end");
    fs::read(&claude.log).unwrap()
}

/// Where to cut: anywhere, in the middle of sequences and characters too.
fn cuts(length: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut next = || {
        // Numerical Recipes' generator: good enough to be anywhere.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % length
    };
    let mut cuts: Vec<usize> = (0..CUTS).map(|_| next()).collect();
    cuts.sort_unstable();
    cuts
}

/// Plays a recording to a holder, up to each cut, and has what it shows then judged.
fn judged(lab: &Lab, recording: &[u8], seed: u64) -> Vec<String> {
    let pieces = lab.make_dir("pieces");
    let cuts = cuts(recording.len(), seed);
    let mut from = 0;
    for (n, cut) in cuts.iter().enumerate() {
        fs::write(pieces.join(n.to_string()), &recording[from..*cut]).unwrap();
        from = *cut;
    }
    let fifo = pieces.join("next");
    let made = lab.command("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let script = format!(
        "stty raw -echo; cd {}; while read -r n; do cat $n; done <next",
        pieces.display()
    );
    let player = Hosted::start(lab, &["sh", "-c", &script]);
    let mut next = OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut wrong = Vec::new();
    for (n, cut) in cuts.iter().enumerate() {
        writeln!(next, "{n}").unwrap();
        let length = u64::try_from(*cut).unwrap();
        wait_for("the piece", || (kept(&player.log) == length).then_some(()));
        let snapshot = player.snapshot();
        let (before, after) = recording.split_at(*cut);
        let after = &after[..after.len().min(MORE)];
        for rest in [&b""[..], after, &[after, b"\x1b[0m\x1b[?1049l"].concat()] {
            let direct = [before, rest].concat();
            let sent = sifted(&direct)[sifted(before).len()..].to_vec();
            let restored = verdict(&[snapshot.clone(), sent].concat());
            let direct = verdict(&direct);
            let differ = direct.iter().zip(&restored).filter(|(l, r)| l != r);
            let differ: Vec<_> = differ.take(3).collect();
            if !differ.is_empty() || direct.len() != restored.len() {
                wrong.push(format!("cut at {cut}, {} more: {differ:?}", rest.len()));
            }
        }
    }
    fs::remove_dir_all(&pieces).unwrap();
    wrong
}

/// What of a stream terminals are sent.
fn sifted(stream: &[u8]) -> Vec<u8> {
    let passed = Sieve::default().feed(stream, |_| ());
    passed.unwrap_or_else(|| stream.to_vec())
}

fn verdict(stream: &[u8]) -> Vec<String> {
    let mut all = judge::avt(SIZE.0, SIZE.1, stream);
    all.extend(judge::vt100(SIZE.0, SIZE.1, stream));
    all
}

fn kept(log: &str) -> u64 {
    Path::new(log).metadata().map_or(0, |data| data.len())
}

/// Full screen and inline.
pub(super) fn cuts_are_exact(lab: &Lab) {
    for inline in [false, true] {
        let recording = recording(lab, inline);
        let seed = u64::try_from(recording.len()).unwrap();
        let wrong = judged(lab, &recording, seed);
        assert!(
            wrong.is_empty(),
            "{} of {CUTS} cuts with seed {seed}, inline {inline}: {wrong:#?}",
            wrong.len()
        );
    }
}
