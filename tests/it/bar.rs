//! `vmux bar` as a bar runs it: what is written when, and when it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use serde_json::{Value, json};

use crate::machine::{Machine, Process};
use crate::service::{Daemon, PATIENCE, command, shown, signal, vmux, wait_for};

fn ago(seconds: i64) -> i64 {
    (chrono::Utc::now() - chrono::TimeDelta::seconds(seconds)).timestamp_millis()
}

fn waits(claude: &Process<'_>, seconds: i64) {
    claude.file(
        json!({"status": "waiting", "waitingFor": "permission prompt",
                       "statusUpdatedAt": ago(seconds)}),
    );
}

/// One waits, one works, one rests.
fn machine() -> Machine {
    let machine = Machine::new();
    let [first, second, third] = [101, 102, 103].map(|pid| machine.claude(pid));
    for (claude, dir) in [(&first, "shop"), (&second, "docs"), (&third, "api")] {
        claude.works_in(&format!("work/{dir}"));
    }
    waits(&first, 190);
    second.file(json!({"status": "busy"}));
    third.file(json!({}));
    machine
}

/// A `vmux bar --follow` whose lines are read as they come.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(machine: &Machine, format: &str) -> Self {
        let mut command = command(machine, env!("CARGO_BIN_EXE_vmux"));
        command.args(["bar", "--follow", "--format", format]);
        Self::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _gone = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn wait_for_end(child: &mut Child) -> ExitStatus {
    wait_for("its end", || child.try_wait().unwrap())
}

#[test]
fn once_it_answers_and_starts_the_daemon_it_needs() {
    let machine = machine();
    let bar = |words: &[&str]| shown(&machine, &vmux(&machine, words));
    let text = "1 waiting 3m \u{b7} 1 working";
    // A loaded machine may take longer to start a daemon than a bar waits.
    let plain = wait_for("the daemon", || {
        let said = bar(&["bar", "--format", "i3blocks"]);
        (!said.contains("still starting")).then_some(said)
    });
    assert_eq!(plain, format!("{text}\n1 waiting\n#f5790a\n"));
    assert_eq!(
        bar(&["--no-daemon", "bar", "--format", "i3blocks"]),
        plain,
        "the same without one"
    );
    let json: Value = serde_json::from_str(&bar(&["bar", "--format", "json"])).unwrap();
    assert_eq!(json["text"], text);
    assert_eq!(
        (&json["counts"]["waiting"], &json["counts"]["idle"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(json["sessions"][0]["id"], "101-1010");
    assert_eq!(json["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(bar(&["daemon", "stop"]), "stopped\n");
}

#[test]
fn a_bar_never_shows_an_error() {
    let machine = machine();
    std::fs::create_dir_all(machine.path("vmux")).unwrap();
    // It listens and says nothing.
    let _silent = UnixListener::bind(machine.path("vmux/vmux.sock")).unwrap();
    let start = Instant::now();
    for (format, empty) in [
        ("i3blocks", ""),
        ("polybar", "\n"),
        (
            "i3bar",
            "{\"name\":\"vmux\",\"full_text\":\"\",\"short_text\":\"\",\"color\":\"#8490a8\"}\n",
        ),
        (
            "waybar",
            "{\"text\":\"\",\"alt\":\"off\",\"class\":\"off\",\"tooltip\":\"\"}\n",
        ),
    ] {
        let done = vmux(&machine, &["bar", "--format", format]);
        assert_eq!(String::from_utf8_lossy(&done.stdout), empty, "{format}");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            said.starts_with("vmux: the vmux daemon does not answer"),
            "{said}"
        );
        assert!(done.status.success());
    }
    let most = 4.0 * 0.25 + 2.0;
    assert!(
        start.elapsed().as_secs_f32() < most,
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn it_follows_every_change_and_says_nothing_twice() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let follower = Follower::start(&machine, "polybar");
    let other = Follower::start(&machine, "json");
    assert!(
        follower
            .line()
            .contains("1 waiting 3m%{F-} \u{b7} 1 working%{A}")
    );
    let calls = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["sessions"].as_array().unwrap().len()
    };
    assert_eq!(calls(&other.line()), 1);
    // News that no bar shows, then news that all show.
    daemon.ask(r#"{"action":"label","args":{"query":"102","label":"pay"}}"#);
    daemon.wait_for_session("the label", |session| session["label"] == "pay");
    waits(&machine.claude(103), 30);
    assert!(
        follower
            .line()
            .contains("2 waiting 3m%{F-} \u{b7} 1 working%{A}")
    );
    assert_eq!(calls(&other.line()), 2);
    for pid in [101, 102, 103] {
        machine.claude(pid).end();
    }
    let rest: Vec<String> = std::iter::from_fn(|| {
        let line = follower.line();
        (!line.is_empty()).then_some(line)
    })
    .collect();
    let mut once = rest.clone();
    once.dedup();
    assert_eq!(rest, once, "and an empty line, which hides it, at last");
}

#[test]
fn an_age_grows_by_itself() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    // Enough for a loaded machine to say the first of the two.
    waits(&claude, 54);
    let _daemon = Daemon::start(&machine);
    let follower = Follower::start(&machine, "i3blocks");
    let text = |line: String| serde_json::from_str::<Value>(&line).unwrap()["full_text"].clone();
    assert_eq!(text(follower.line()), "1 waiting");
    assert_eq!(text(follower.line()), "1 waiting 1m", "with no event");
}

#[test]
fn it_outlives_the_daemon_and_says_when_there_is_none() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let follower = Follower::start(&machine, "i3bar");
    assert_eq!(follower.line(), r#"{"version":1,"click_events":true}"#);
    assert_eq!(follower.line(), "[");
    let words = "1 waiting 3m \u{b7} 1 working";
    assert!(follower.line().contains(words));
    drop(daemon);
    assert!(follower.line().contains("\"vmux off\""), "after a while");
    let _daemon = Daemon::start(&machine);
    assert!(follower.line().contains(words));
}

#[test]
fn it_says_when_the_daemon_hangs_and_goes_on_when_it_wakes() {
    let machine = machine();
    let daemon = Daemon::start(&machine);
    let follower = Follower::start(&machine, "i3blocks");
    let words = "1 waiting 3m \u{b7} 1 working";
    assert!(follower.line().contains(words));
    signal(&daemon.child, "-STOP");
    let late = Follower::start(&machine, "i3blocks");
    assert!(
        late.line().contains("vmux hangs"),
        "one that never heard anything"
    );
    assert!(follower.line().contains("vmux hangs"), "one that did");
    signal(&daemon.child, "-CONT");
    assert!(late.line().contains(words));
    assert!(follower.line().contains(words));
}

#[test]
fn it_ends_with_the_bar_that_reads_it() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    for format in ["i3blocks", "i3bar", "waybar", "polybar", "json"] {
        let mut child = command(&machine, env!("CARGO_BIN_EXE_vmux"))
            .args(["bar", "--follow", "--format", format])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        // Nothing is written any more: it notices all the same.
        drop(out);
        assert!(wait_for_end(&mut child).success(), "{format}");
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(said, "", "{format}");
    }
}

/// Where a block has the bar's own standard input, the clicks in it are those of all blocks.
#[test]
fn it_reads_only_clicks_that_are_meant_for_it() {
    let machine = machine();
    let _daemon = Daemon::start(&machine);
    for (variables, left) in [(&[][..], 2), (&[("interval", "persist")], 0)] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"9\n").unwrap();
        let mut command = command(&machine, env!("CARGO_BIN_EXE_vmux"));
        command
            .args(["bar", "--follow", "--format", "i3blocks"])
            .envs(variables.iter().copied())
            .stdin(reader.try_clone().unwrap());
        let mut follower = Follower::spawn(&mut command);
        follower.line();
        if left == 0 {
            wait_for("the click to be read", || {
                (rustix::io::ioctl_fionread(&reader).unwrap() == 0).then_some(())
            });
        }
        // What follows shows that it has looked at what it listens to.
        waits(&machine.claude(103), 30);
        follower.line();
        machine.claude(103).file(json!({}));
        follower.line();
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), left);
        drop(follower.child.kill());
    }
}
