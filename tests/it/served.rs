//! What a session of Codex asks, answered from every door through its app-server.

use serde_json::{Value, json};

use crate::kit::app_server::{AppServer, THREAD};
use crate::machine::Machine;
use crate::service::{Daemon, command, shown, vmux, wait_for};

/// A machine with a session of Codex that asks.
fn asking(machine: &Machine) -> AppServer {
    let words = ["codex", "resume", THREAD];
    let codex = machine.process(301, "codex", "/n/codex/bin/codex", &words);
    let cwd = codex.works_in("work/shop");
    AppServer::start(&machine.path("home/.codex"), &cwd, "make install")
}

/// Waits until vmux says that it can be answered; returns its id.
fn answers(daemon: &Daemon<'_>) -> String {
    let session = daemon.wait_for_session("a request", |s| s["answers"] == true);
    assert_eq!(session["state"], "needs_input");
    assert_eq!(session["answerable"], Value::Null, "no hook of it waits");
    session["id"].as_str().unwrap().to_owned()
}

/// What rofi is told when it calls with this.
fn rofi(machine: &Machine, retv: &str, info: &str) -> String {
    let mut rofi = command(machine, env!("CARGO_BIN_EXE_vmux-rofi"));
    rofi.envs([
        ("ROFI_RETV", retv),
        ("ROFI_INFO", info),
        ("ROFI_OUTSIDE", "7"),
    ]);
    String::from_utf8(rofi.output().unwrap().stdout).unwrap()
}

#[test]
fn rofi_shows_the_whole_command_and_allows_it() {
    let machine = Machine::new();
    let server = asking(&machine);
    let daemon = Daemon::start(&machine);
    let id = answers(&daemon);
    let list = rofi(&machine, "0", "");
    assert!(list.contains("shop"), "{list}");
    let page = rofi(&machine, "14", &id);
    assert!(page.contains("make install"), "{page}");
    assert!(page.contains("May I run it?"), "{page}");
    assert!(page.contains("Allow it, this once"), "{page}");
    assert_eq!(server.decisions(), [] as [Value; 0], "nothing was answered");
    let done = rofi(&machine, "1", "allow");
    assert!(done.contains("It was answered."), "{done}");
    assert_eq!(server.decisions(), [json!("accept")]);
    let again = rofi(&machine, "14", &id);
    assert!(again.contains("nothing that can be answered"), "{again}");
}

#[test]
fn a_no_needs_no_reading_and_what_was_answered_is_so_once() {
    let machine = Machine::new();
    let server = asking(&machine);
    let daemon = Daemon::start(&machine);
    answers(&daemon);
    let read = shown(&machine, &vmux(&machine, &["answer", "shop"]));
    assert!(read.contains("asks (request "), "{read}");
    let unread = shown(&machine, &vmux(&machine, &["answer", "shop", "allow"]));
    assert!(unread.contains("say which request is meant"), "{unread}");
    let no = shown(&machine, &vmux(&machine, &["answer", "shop", "deny"]));
    assert!(no.ends_with("was answered\n"), "{no}");
    assert_eq!(server.decisions(), [json!("decline")]);
    let again = vmux(&machine, &["answer", "shop", "deny"]);
    assert_eq!(again.status.code(), Some(1));
}

#[test]
#[ignore = "needs tmux"]
fn pick_shows_the_whole_command_and_allows_it() {
    let machine = Machine::new();
    let server = asking(&machine);
    let daemon = Daemon::start(&machine);
    answers(&daemon);
    let tmux = |words: &[&str]| {
        let mut tmux = command(&machine, "tmux");
        tmux.arg("-S").arg(machine.path("tmux"));
        let done = tmux.args(["-f", "/dev/null"]).args(words).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let shows = |part: &str| {
        wait_for(part, || {
            let screen = tmux(&["capture-pane", "-p"]);
            screen.contains(part).then_some(screen)
        })
    };
    let pick = format!("{} pick", env!("CARGO_BIN_EXE_vmux"));
    tmux(&["new-session", "-d", "-x", "100", "-y", "30", &pick]);
    shows("shop");
    tmux(&["send-keys", "M-a"]);
    let asked = shows("make install");
    assert!(asked.contains("May I run it?"), "{asked}");
    assert_eq!(server.decisions(), [] as [Value; 0], "nothing was answered");
    tmux(&["send-keys", "y", "Enter"]);
    wait_for("the answer", || {
        (server.decisions() == [json!("accept")]).then_some(())
    });
    tmux(&["kill-server"]);
}
