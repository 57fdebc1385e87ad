//! Hosted sessions from end to end: real holders, real terminals, and what may befall them.

mod bad_days;
mod clients;
mod enter;
mod limits;
mod logs;
mod new;
mod restore;
mod rows;
mod skew;
mod soak;
mod survive;
mod table;
mod told;
mod trees;
mod unit;
mod whose;
mod window;
mod written;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kit::home::VMUX;
use crate::kit::process::{is_alive, private_kib};
use crate::kit::{Home, Tty, wait_for};

/// A home whose hosted sessions end with it.
pub(super) struct World(Home);

impl Drop for World {
    fn drop(&mut self) {
        for id in self.ids() {
            self.0.vmux(&["end", "--yes", &id]);
        }
    }
}

impl World {
    fn new() -> Self {
        Self(Home::new())
    }

    /// Starts a session that runs a script; what `vmux start --json` says of it.
    fn start(&self, name: &str, script: &str) -> Value {
        let done = self
            .0
            .vmux(&["start", "--json", "--name", name, "--", "sh", "-c", script]);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let dir = fs::read_dir(self.0.path("vmux/hosted"));
        let names = dir.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| Some(name.strip_suffix(".sock")?.to_owned()))
            .collect()
    }

    fn attach(&self, words: &[&str], columns: u16, rows: u16) -> Tty {
        let mut command = self.0.command(VMUX);
        command
            .arg("attach")
            .args(words)
            .env("TERM", "xterm-256color");
        Tty::run(&command, columns, rows)
    }

    fn says(&self, words: &[&str]) -> String {
        let done = self.0.vmux(words);
        assert!(
            done.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn history(&self, name: &str) -> String {
        self.says(&["history", name])
    }

    /// Waits until this stands on the session's screen or above.
    fn shows(&self, name: &str, text: &str) {
        wait_for(text, || self.history(name).contains(text).then_some(()));
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn pid_of(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

#[test]
fn a_session_is_started_shown_left_and_ended() {
    let world = World::new();
    let info = world.start(
        "first",
        "echo \"in $VMUX_SESSION $TERM ${TMUX-none}\"; cat; exit 7",
    );
    let id = info["id"].as_str().unwrap().to_owned();
    world.shows("first", &format!("in {id} xterm-256color none"));
    let mut tty = world.attach(&["first"], 80, 24);
    tty.waits_for(&format!("in {id}"));
    tty.types("hello\r");
    tty.waits_for("hello\r\nhello");
    tty.types("\x1d");
    assert!(tty.ends().success());
    tty.waits_for(&format!("`vmux attach {id}` comes back"));
    let mut again = world.attach(&[&id], 80, 24);
    again.waits_for("hello");
    again.types("\x04");
    let status = again.ends();
    assert!(status.success(), "{}", again.text());
    again.waits_for("first ended with exit code 7");
    assert!(
        world.says(&["logs", "first"]).contains("hello"),
        "the log outlives it"
    );
    let kept = fs::read_dir(world.0.path("vmux/hosted")).unwrap().flatten();
    let names: Vec<_> = kept
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert!(
        names.contains(&format!("{id}.json")) && !names.contains(&format!("{id}.sock")),
        "{names:?}"
    );
}

/// Modes are undone exactly, also in mid-flood, and whatever the terminal calls the key.
#[test]
fn leaving_works_in_a_flood_and_sets_the_terminal_back() {
    let world = World::new();
    world.start(
        "flood",
        "printf '\\033[?1049h\\033[?1000h\\033[?2004h\\033[>5u\\033[?25l'; exec yes",
    );
    for key in ["\x1d", "\x1b[93;5u"] {
        let mut tty = world.attach(&["flood"], 80, 24);
        tty.waits_for("y\r\ny\r\ny");
        tty.types(key);
        tty.ends();
        let text = tty.text();
        let last = &text[text.rfind("\x1b\\\x1b[?2026l").unwrap()..];
        for undone in [
            "\x1b[<1u\x1b[?1049l",
            "\x1b[?2004l",
            "\x1b[?1000l",
            "\x1b[?25h",
            "detached from flood",
        ] {
            assert!(last.contains(undone), "{undone:?} in {last:?}");
        }
    }
}

/// The daemon is not in the way of the bytes: a terminal that is attached does not notice its end.
#[test]
fn no_byte_is_lost_when_the_daemon_is_killed() {
    let world = World::new();
    world.0.sessions();
    let file = world.0.path("vmux/vmuxd.pid");
    let daemon: u32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    world.start(
        "count",
        "read go; i=0; while [ $i -lt 20000 ]; do echo \"n $i\"; i=$((i+1)); done; cat",
    );
    let mut tty = world.attach(&["count"], 80, 24);
    tty.types("go\r");
    tty.waits_for("n 500\r\n");
    signal(daemon, Signal::KILL);
    tty.waits_for("n 19999\r\n");
    let text = String::from_utf8_lossy(&tty.seen).into_owned();
    let numbers: Vec<u32> = text
        .split("\r\n")
        .filter_map(|line| line.rsplit("n ").next()?.parse().ok())
        .collect();
    let all: BTreeSet<u32> = numbers.iter().copied().collect();
    assert_eq!(all.len(), 20_000, "every line came");
    world.0.sessions();
    assert!(
        is_alive(tty.pid()),
        "still attached, and the daemon is back"
    );
    signal(
        pid_of(
            &fs::read_to_string(world.0.path("vmux/vmuxd.pid"))
                .unwrap()
                .trim()
                .parse::<u32>()
                .unwrap()
                .into(),
        ),
        Signal::TERM,
    );
}

#[test]
fn a_session_outlives_its_terminals() {
    let world = World::new();
    world.start("lives", "printf '\\033[31mred\\033[0m\\n'; exec cat");
    for _ in 0..3 {
        let mut tty = world.attach(&["lives"], 80, 24);
        tty.waits_for("\x1b[0;31mred");
        signal(tty.pid(), Signal::KILL);
        tty.ends();
    }
    let mut tty = world.attach(&["lives"], 80, 24);
    tty.waits_for("\x1b[0;31mred");
    tty.types("still\r");
    tty.waits_for("still\r\nstill");
}

/// A terminal that takes nothing neither stops the program nor others, and takes no memory; when
/// it is back, it is drawn anew.
#[test]
fn a_stuck_terminal_slows_nobody_and_is_drawn_anew() {
    let world = World::new();
    let script = "read go; head -c 24000000 /dev/zero | tr '\\0' 'x' | fold -w 79; echo; echo the end; exec cat";
    let info = world.start("big", script);
    let holder = pid_of(&info["holder"]);
    let mut stuck = world.attach(&["big"], 80, 24);
    stuck.types("\r");
    let mut other = world.attach(&["big"], 80, 24);
    other.waits_for("\x1b[?2026l");
    let before = private_kib(holder);
    other.types("go\r");
    other.waits_for("the end");
    let grown = private_kib(holder).saturating_sub(before);
    assert!(grown < 16 * 1024, "the holder grew by {grown} KiB");
    // Both see the end, the one that was stuck by a fresh screen.
    stuck.waits_for("the end");
    other.types("typed\r");
    stuck.waits_for("typed");
}

/// Nothing is left of a session that is ended, whatever its processes do against it.
#[test]
fn the_end_takes_the_whole_tree() {
    let world = World::new();
    let script = "trap '' HUP TERM; \
                  (trap '' HUP TERM; setsid sleep 3333 & echo $! > one) & \
                  setsid sh -c 'trap \"\" HUP TERM INT; echo $$ > two; while :; do sleep 1; done' & \
                  sh -c 'sleep 3334 & echo $! > three' & \
                  while :; do sleep 1; done";
    let info = world.start("tree", script);
    let pid = |name: &str| -> u32 {
        wait_for(name, || {
            fs::read_to_string(world.0.path("work").join(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
    };
    let pids = [
        pid("one"),
        pid("two"),
        pid("three"),
        pid_of(&info["pid"]),
        pid_of(&info["holder"]),
    ];
    assert!(pids[..2].iter().all(|pid| is_alive(*pid)));
    let since = Instant::now();
    let words = world.says(&["end", "--yes", "tree"]);
    assert!(words.contains("was ended by signal 9"), "{words}");
    assert!(
        since.elapsed() < Duration::from_secs(9),
        "{:?}",
        since.elapsed()
    );
    wait_for("the end of all", || {
        pids.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
}

/// A program's queries are answered with nobody attached.
#[test]
fn queries_are_answered_with_nobody_attached() {
    let world = World::new();
    let script = "stty raw -echo; printf '\\033[c\\033[6n\\033[?2026$p'; dd bs=1 count=25 2>/dev/null | od -An -c; exec cat";
    world.start("asks", script);
    wait_for("the answers", || {
        let text: String = world.history("asks").split_whitespace().collect();
        text.contains("033[?62;22c033[1;1R033[?2026").then_some(())
    });
}

#[test]
fn a_terminal_is_called_as_the_session_until_the_program_says_more() {
    let world = World::new();
    let script = "stty -echo; read go; printf '\\033]2;of the program\\033\\\\'; exec cat";
    world.start("named", script);
    let mut terminal = world.attach(&["named"], 80, 24);
    terminal.waits_for("\x1b]2;named\x1b\\");
    terminal.types("go\r");
    terminal.waits_for("\x1b]2;of the program\x1b\\");
    let mut second = world.attach(&["named"], 80, 24);
    second.waits_for("\x1b]2;of the program\x1b\\");
}

#[test]
fn who_asks_for_all_where_there_is_none_is_told_so() {
    let world = World::new();
    for words in [&["list", "--hosted"][..], &["upgrade"]] {
        let done = world.0.vmux(words);
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(said.starts_with("No hosted sessions."), "{words:?}: {said}");
        assert!(done.status.success() && done.stdout.is_empty());
    }
    assert_eq!(world.says(&["list", "--hosted", "--json"]), "[]\n");
}

#[test]
fn a_session_is_not_attached_to_inside_of_itself() {
    let world = World::new();
    world.start(
        "self",
        "read go; vmux attach self; vmux detach; echo \"status $?\"; exec cat",
    );
    world.says(&["send", "--enter", "self", "go"]);
    world.shows("self", "this terminal is inside of it");
    world.shows("self", "status 0");
}

/// The size is that of who typed last; who has another one sees a part, and who only looks
/// changes nothing.
#[test]
fn one_leads_and_others_see_a_part() {
    let world = World::new();
    let script =
        "trap 'stty size' WINCH; stty size; while :; do read line && echo \"<$line>\"; done";
    world.start("sizes", script);
    let mut large = world.attach(&["sizes"], 100, 30);
    large.waits_for("30 100");
    let mut watcher = world.attach(&["--read-only", "sizes"], 60, 10);
    watcher.waits_for("30 100");
    watcher.types("ignored\r");
    let mut small = world.attach(&["sizes"], 50, 12);
    small.waits_for("12 50");
    large.types("from large\r");
    large.waits_for("<from large>");
    wait_for("the size", || {
        world.history("sizes").matches("30 100").nth(1).map(|_| ())
    });
    large.resize(90, 20);
    large.waits_for("20 90");
    small.waits_for("20 90");
    assert!(!world.history("sizes").contains("ignored"));
    world.says(&["detach", "sizes"]);
    for tty in [&mut large, &mut small, &mut watcher] {
        assert!(tty.ends().success(), "{}", tty.text());
    }
}

/// A paste that the program does not read yet is lost neither here nor there.
#[test]
fn a_large_paste_arrives_whole() {
    let world = World::new();
    world.start(
        "paste",
        "stty raw -echo; echo ready; head -c 10000000 | cksum; exec cat",
    );
    let mut tty = world.attach(&["paste"], 80, 24);
    tty.waits_for("ready");
    let text = "0123456789".repeat(1_000_000);
    let sum = {
        fs::write(world.0.path("work/text"), &text).unwrap();
        let done = Command::new("cksum")
            .stdin(fs::File::open(world.0.path("work/text")).unwrap())
            .output()
            .unwrap();
        String::from_utf8(done.stdout)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    for part in text.as_bytes().chunks(4096) {
        tty.types(std::str::from_utf8(part).unwrap());
        tty.reads(Duration::ZERO);
    }
    tty.waits_for(&sum);
}

#[test]
fn what_cannot_be_started_says_so_and_leaves_nothing() {
    let world = World::new();
    fs::write(world.0.path("work/notes"), "").unwrap();
    for (words, said) in [
        (
            &["start", "--", "/no/such/program"][..],
            "could not run /no/such/program",
        ),
        (
            &["start", "/no/such/dir"],
            "could not start in /no/such/dir: there is no such directory",
        ),
        (
            &["start", "notes"],
            "could not start in notes: it is a file, no directory",
        ),
        (
            &["notes"],
            "could not start in notes: it is a file, no directory",
        ),
        (&["swich"], "did you mean `vmux switch`?"),
        (&["swich", "api"], "did you mean `vmux switch`?"),
        (
            &["lst", "--json"],
            "could not start in lst: there is no such directory",
        ),
        (&["payments"], "neither a verb nor a directory"),
        (
            &["."],
            "could not show a session here: this is not a terminal",
        ),
        (&[".", "list"], "before a verb"),
        (&["attach", "nobody"], "no hosted session fits \"nobody\""),
        (&["detach"], "this is in no hosted session"),
    ] {
        let done = world.0.vmux(words);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            !done.status.success() && error.contains(said),
            "{words:?}: {error}"
        );
    }
    let left = fs::read_dir(world.0.path("vmux/hosted")).unwrap().count();
    assert_eq!(left, 0);
}

/// Colours, wide characters, repetition, margins, and two screens.
const STREAM: &str = concat!(
    "\\033[2J\\033[H\\033[1;31mbold red\\033[0m plain \\033[48;5;17mblue\\033[K\\033[0m\\n",
    "\\033[5;10Hmiddle \\033[4munder\\033[24m \\344\\275\\240\\345\\245\\275 e\\314\\201\\n",
    "\\033[10;1Hx\\033[7b\\033[8;12r\\033[12;1Hone\\ntwo\\nthree\\033[r",
    "\\033[?1049h\\033[3;3H\\033[7malternate\\033[27m\\033[20;70Hwrapped at the end of the line",
);

/// A tmux server of the test's own.
struct Tmux<'a>(&'a World);

impl Tmux<'_> {
    fn says(&self, words: &[&str]) -> String {
        let mut command = self.0.0.command("tmux");
        command.arg("-S").arg(self.0.0.path("work/tmux.sock"));
        let done = command.args(["-f", "/dev/null"]).args(words);
        let done = done.output().unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn runs(&self, name: &str, script: &str) {
        let new = ["new-session", "-d", "-x", "80", "-y", "24", "-s"];
        self.says(&[&new[..], &[name, script]].concat());
    }

    fn screen(&self, name: &str) -> String {
        self.says(&["capture-pane", "-p", "-e", "-t", name])
    }

    fn behind(&self, name: &str) -> String {
        self.says(&["capture-pane", "-p", "-e", "-a", "-t", name])
    }

    fn state(&self, name: &str) -> String {
        let format =
            "#{alternate_on} #{cursor_x} #{cursor_y} #{scroll_region_upper} #{scroll_region_lower}";
        self.says(&["display", "-p", "-t", name, format])
    }
}

/// What a terminal shows after it was attached is what it shows if the program runs in it: judged
/// by tmux, whose emulator is another one.
#[test]
#[ignore = "needs tmux: scripts/test runs it"]
fn tmux_shows_the_same_attached_and_direct() {
    let world = World::new();
    let lines = "for i in $(seq 1 40); do echo \"line $i\"; done";
    let script = format!("{lines}; printf '{STREAM}'; sleep 3600");
    world.start("judged", &script);
    world.shows("judged", "alternate");
    let tmux = Tmux(&world);
    tmux.runs("direct", &script);
    tmux.runs("attached", &format!("{VMUX} attach judged"));
    wait_for("the program", || {
        tmux.screen("direct").contains("wrapped").then_some(())
    });
    wait_for("the same screen", || {
        (tmux.screen("direct") == tmux.screen("attached")).then_some(())
    });
    assert_eq!(tmux.state("direct"), tmux.state("attached"));
    let (direct, attached) = (tmux.behind("direct"), tmux.behind("attached"));
    assert_eq!(direct, attached, "the main screen behind it");
    tmux.says(&["kill-server"]);
}
