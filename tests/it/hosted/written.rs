//! `vmux why --go`, where the session that wrote a line has ended.

use std::fs;
use std::process::Command;

use super::World;
use super::new::{noted, world};
use crate::kit::Tty;
use crate::kit::home::VMUX;
use crate::kit::process::run;

const ID: &str = "68eaa3d6-0000-4000-8000-000000000003";

/// A repository with one line, which a session that has ended wrote.
fn written(world: &World) {
    let home = &world.0;
    home.repository("shop");
    let vmux = |words: &[&str]| {
        let mut command = home.command(VMUX);
        let done = run(command.args(words).current_dir(home.path("work/shop")));
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    vmux(&["capture", "on"]);
    let mut talk = home.talk(ID, "shop");
    talk.ask("Add the cart");
    talk.write("shop/cart.rs", "fn cart() {}");
    talk.end("Done.");
    home.git("shop", &["add", "cart.rs"]);
    home.git("shop", &["commit", "-q", "-m", "cart"]);
    vmux(&["capture", "save"]);
}

fn go(world: &World, words: &[&str]) -> Command {
    let mut command = world.0.command(VMUX);
    command.args(["why", "--go", "cart.rs:1"]).args(words);
    command.current_dir(world.0.path("work/shop"));
    command.env("TERMINAL", "xterm");
    command
}

#[test]
fn why_offers_to_go_on_with_a_conversation_that_has_ended() {
    let world = world();
    written(&world);
    // Where nobody can be asked, it says what to do.
    let asked = run(&mut go(&world, &[]));
    let error = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(2), "{error}");
    assert!(
        error.contains("whether to go on with its conversation"),
        "{error}"
    );
    assert!(
        error.contains(&format!(
            "hint: --yes goes on without asking, `vmux new --resume {ID}`"
        )),
        "{error}"
    );
    // No is no.
    let question = format!("has ended. Go on with it (`claude --resume {ID}` in ");
    for answer in ["n\r", "\r", "\x04"] {
        let mut tty = Tty::run(&go(&world, &[]), 200, 24);
        tty.waits_for(&question);
        tty.waits_for("work/shop)? [y/N] ");
        tty.types(answer);
        assert_eq!(tty.ends().code(), Some(130), "{answer:?}: {}", tty.text());
    }
    assert!(world.ids().is_empty(), "nothing was started");
    assert!(!world.0.path("home/started").exists());
    // Yes goes on, in its directory; it is shown here, where there are no windows.
    let mut tty = Tty::run(&go(&world, &[]), 200, 24);
    tty.waits_for("[y/N] ");
    tty.types("y\r");
    let dir = fs::canonicalize(world.0.path("work/shop")).unwrap();
    let wanted = format!("{} --resume {ID}\n", dir.display());
    assert_eq!(noted(&world, "started", 1), wanted);
    tty.waits_for("\u{1b}]2;shop");
    tty.types("hello\r");
    tty.waits_for("hello\r\nhello");
    tty.types("\u{1d}");
    assert!(tty.ends().success(), "{}", tty.text());
    assert_eq!(world.ids().len(), 1);
}

#[test]
fn why_goes_on_without_asking_and_only_once() {
    let world = world();
    written(&world);
    for _ in 0..2 {
        let done = run(&mut go(&world, &["--yes"]));
        assert!(done.status.success(), "{done:?}");
        let [id] = &world.ids()[..] else {
            panic!("{:?}", world.ids());
        };
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            said.starts_with(id.as_str()) && said.trim_end().ends_with("work/shop"),
            "{said}"
        );
    }
    noted(&world, "opened", 2);
    assert_eq!(noted(&world, "started", 1).lines().count(), 1);
}

#[test]
fn why_says_so_where_a_conversation_is_deleted() {
    let world = world();
    written(&world);
    fs::remove_dir_all(world.0.path("home/.claude/projects")).unwrap();
    let done = run(&mut go(&world, &["--yes"]));
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && world.ids().is_empty());
    assert!(
        error.contains("it has ended, and its conversation is not found here"),
        "{error}"
    );
    assert!(
        error.contains(&format!("`claude --resume {ID}`")),
        "{error}"
    );
}
