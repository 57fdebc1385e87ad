//! Logs of sessions, followed to their end; and keys that are the last ones.

use std::process::Stdio;

use super::World;
use crate::kit::home::VMUX;
use crate::kit::wait_for;

impl World {
    /// Follows the log of a session; what it says once it has ended by itself.
    fn follows(&self, name: &str, then: impl FnOnce()) -> String {
        let mut command = self.0.command(VMUX);
        command.args(["logs", "-f", name]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        then();
        let mut pipe = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut said = String::new();
            std::io::Read::read_to_string(&mut pipe, &mut said).unwrap();
            said
        });
        let status = wait_for("the end of `vmux logs -f`", || child.try_wait().unwrap());
        assert!(status.success());
        reader.join().unwrap()
    }
}

#[test]
fn a_log_is_followed_to_the_end_of_a_session_that_wrote_nothing() {
    let world = World::new();
    world.start("quiet", "exec sleep 3339");
    let log = world.follows("quiet", || {
        world.says(&["end", "--yes", "quiet"]);
    });
    assert_eq!(log, "");
}

/// A log is put aside while it is followed.
#[test]
fn a_log_that_is_put_aside_is_followed_past_that() {
    let world = World::new();
    let script = "read go; yes 0123456789 | head -c 11000000; read on; \
                  yes 0123456789 | head -c 6000000; echo the last; read bye";
    world.start("long", script);
    let log = world.follows("long", || {
        world.says(&["send", "--enter", "long", "go"]);
        world.shows("long", "0123456789\n0123456789");
        world.says(&["send", "--enter", "long", "on"]);
        world.shows("long", "the last");
        world.says(&["send", "--enter", "long", "bye"]);
    });
    assert!(log.ends_with("the last\nbye\n"), "{}", log.len());
}

#[test]
fn keys_that_end_a_session_are_typed_like_others() {
    let world = World::new();
    for n in 0..8 {
        let name = format!("ends{n}");
        world.start(&name, "read line; exit 0");
        world.says(&["send", "--enter", &name, "go"]);
    }
}

#[test]
fn who_comes_after_the_end_hears_how_it_ended() {
    let world = World::new();
    let id = world.start("build", "echo built; read line; kill -9 $$")["id"].clone();
    let said = |words: &[&str]| {
        let done = world.0.vmux(words);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.success(), error)
    };
    world.shows("build", "built");
    assert_eq!(said(&["logs", "build"]), (true, String::new()));
    world.says(&["send", "--enter", "build", "go"]);
    let how = "build was ended by signal 9\n";
    let told = wait_for("its end", || {
        let (good, error) = said(&["attach", "build"]);
        (!good && error.contains(how)).then_some(error)
    });
    let hint = format!("hint: `vmux logs {}`", id.as_str().unwrap());
    assert!(told.contains(&hint), "{told}");
    assert_eq!(said(&["logs", "build"]), (true, how.to_owned()));
    assert_eq!(said(&["logs", "-f", "build"]), (true, how.to_owned()));
    let (good, other) = said(&["history", "buil"]);
    assert!(!good && other.contains("no hosted session fits"), "{other}");
}

/// What a session wrote is shown on another terminal, which does nothing of it.
#[test]
fn nothing_of_a_log_or_a_history_acts_on_the_terminal() {
    let world = World::new();
    let script = r"printf 'a\302\233cb\033[31mred\033[m\033]52;c;aGk=\007\033[6n\302\2350;t\302\234.\n'; exec cat";
    world.start("hostile", script);
    world.shows("hostile", "red");
    for words in [
        &["logs", "hostile"][..],
        &["history", "hostile"],
        &["history", "--colours", "hostile"],
    ] {
        let said = world.says(words);
        let rest = said.replace("\x1b[0;31m", "").replace("\x1b[0m", "");
        let rest = rest.replace("\x1b[31m", "").replace("\x1b[m", "");
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(
            !rest.contains(acts) && rest.contains("red"),
            "{words:?}: {said:?}"
        );
    }
}
