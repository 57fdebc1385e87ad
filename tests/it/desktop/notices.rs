//! What reaches the person, on a real notification daemon: dunst, on a bus of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::{Desktop, Killed, Shown, wait_for};

/// dunst writes down all it shows, and chooses "Snooze" from its menu.
const DUNSTRC: &str = "[global]\ndmenu = DIR/choose\n\n[all]\nsummary = \"*\"\nscript = DIR/note\n";

struct Dunst<'d> {
    desktop: &'d Desktop,
    daemon: std::cell::RefCell<Option<Killed>>,
}

impl<'d> Dunst<'d> {
    fn start(desktop: &'d Desktop) -> Self {
        let dir = desktop.path("dunst");
        fs::create_dir_all(&dir).unwrap();
        let shown = dir.display();
        // Application, summary, body, icon, urgency: dunst(5), "script".
        let note = format!("#!/bin/sh\nprintf '%s|%s|%s\\n' \"$5\" \"$2\" \"$3\" >> {shown}/log\n");
        let choose = "#!/bin/sh\nexec grep Snooze\n";
        for (name, script) in [("note", note.as_str()), ("choose", choose)] {
            fs::write(dir.join(name), script).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(
            dir.join("dunstrc"),
            DUNSTRC.replace("DIR", &shown.to_string()),
        )
        .unwrap();
        desktop.bus();
        let dunst = Self {
            desktop,
            daemon: None.into(),
        };
        dunst.start_again();
        dunst
    }

    /// Starts dunst, in the place of the one before: it counts its ids from 1 again.
    fn start_again(&self) {
        drop(self.daemon.borrow_mut().take());
        let mut dunst = self.desktop.command("dunst");
        dunst
            .env("DBUS_SESSION_BUS_ADDRESS", self.desktop.bus())
            .arg("-conf")
            .arg(self.desktop.path("dunst/dunstrc"));
        let child = dunst.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        *self.daemon.borrow_mut() = Some(Killed(
            child.expect("dunst is installed (scripts/test does)"),
        ));
        wait_for("dunst", || self.ctl(&["is-paused"]));
    }

    /// Another program shows something with a button.
    fn other_program(&self, summary: &str) {
        let done = self
            .desktop
            .command("gdbus")
            .env("DBUS_SESSION_BUS_ADDRESS", self.desktop.bus())
            .args(["call", "--session", "--dest=org.freedesktop.Notifications"])
            .args(["--object-path=/org/freedesktop/Notifications"])
            .args(["--method=org.freedesktop.Notifications.Notify"])
            .args(["mailer", "0", "", summary, "for you"])
            .args(["['default','Open']", "{}", "0"])
            .output()
            .expect("gdbus is installed (scripts/test does)");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
    }

    fn ctl(&self, words: &[&str]) -> Option<String> {
        let mut ctl = self.desktop.command("dunstctl");
        ctl.args(words)
            .env("DBUS_SESSION_BUS_ADDRESS", self.desktop.bus());
        let done = ctl
            .output()
            .expect("dunst is installed (scripts/test does)");
        let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        done.status.success().then_some(text)
    }

    /// Everything that was shown so far.
    fn log(&self) -> String {
        fs::read_to_string(self.desktop.path("dunst/log")).unwrap_or_default()
    }

    fn wait_for_log(&self, words: &str) {
        wait_for(words, || self.log().contains(words).then_some(()));
    }

    fn wait_for_displayed(&self, count: &str) {
        wait_for(&format!("{count} notifications"), || {
            (self.ctl(&["count", "displayed"])? == count).then_some(())
        });
    }
}

fn out_of_sight(desktop: &Desktop, shown: &Shown) -> u64 {
    let window = desktop.window_of(shown);
    desktop.i3("workspace 8");
    wait_for("the focus to be elsewhere", || {
        (desktop.session(shown)?["window"]["focused"] != true).then_some(())
    });
    window
}

fn asks(shown: &Shown) {
    shown.waits(Duration::from_secs(600));
}

#[test]
#[ignore = "needs a desktop"]
fn a_wait_is_shown_once_and_taken_away_when_it_is_answered() {
    let desktop = Desktop::new();
    let dunst = Dunst::start(&desktop);
    let shown = desktop.xterm("shop");
    out_of_sight(&desktop, &shown);
    asks(&shown);
    let summary = format!("NORMAL|{} asks for a permission|workspace 1", shown.name);
    dunst.wait_for_log(&summary);
    dunst.wait_for_displayed("1");
    shown.set(json!({"status": "busy"}));
    dunst.wait_for_displayed("0");
    shown.set(json!({"status": "idle"}));
    dunst.wait_for_log(&format!("LOW|{} is done|workspace 1", shown.name));
    assert_eq!(dunst.log().lines().count(), 2, "{}", dunst.log());
}

#[test]
#[ignore = "needs a desktop"]
fn nothing_is_shown_of_the_window_one_looks_at() {
    let desktop = Desktop::new();
    let dunst = Dunst::start(&desktop);
    let [other, here] = ["other", "here"].map(|name| desktop.xterm(name));
    desktop.window_of(&other);
    let window = desktop.window_of(&here);
    desktop.wait_for_focus(window);
    wait_for("the focus to be known", || {
        (desktop.session(&here)?["window"]["focused"] == true).then_some(())
    });
    asks(&here);
    wait_for("it to wait", || {
        (desktop.session(&here)?["state"] == "needs_input").then_some(())
    });
    // What comes after it is shown, and it is not.
    asks(&other);
    dunst.wait_for_log(&other.name);
    assert!(!dunst.log().contains(&here.name), "{}", dunst.log());
}

#[test]
#[ignore = "needs a desktop"]
fn its_buttons_go_there_and_snooze() {
    let desktop = Desktop::new();
    let dunst = Dunst::start(&desktop);
    let shown = desktop.xterm("shop");
    let window = out_of_sight(&desktop, &shown);
    asks(&shown);
    dunst.wait_for_displayed("1");
    dunst.ctl(&["context"]).unwrap();
    wait_for("the snooze", || {
        desktop.session(&shown)?["snoozed_until"].as_str().map(drop)
    });
    dunst.wait_for_displayed("0");
    assert!(
        desktop
            .vmux(&["snooze", &shown.name, "off"])
            .status
            .success()
    );
    dunst.wait_for_displayed("1");
    dunst.ctl(&["action", "0"]).unwrap();
    desktop.wait_for_focus(window);
    dunst.wait_for_displayed("0");
}

/// A notification daemon is restarted by updates, crashes and new configurations.
#[test]
#[ignore = "needs a desktop"]
fn notifications_of_other_programs_are_left_alone_when_the_daemon_is_another() {
    let desktop = Desktop::new();
    let dunst = Dunst::start(&desktop);
    let shown = desktop.xterm("shop");
    let window = out_of_sight(&desktop, &shown);
    asks(&shown);
    dunst.wait_for_displayed("1");
    dunst.start_again();
    // Its first id is the one that vmux was given by the daemon before.
    dunst.other_program("mail");
    dunst.wait_for_displayed("1");
    // The session is answered; its own notification went with the daemon that showed it.
    shown.set(json!({"status": "busy"}));
    wait_for("it to work", || {
        (desktop.session(&shown)?["state"] == "working").then_some(())
    });
    // The next news is told by the new daemon, beside the mail.
    shown.set(json!({"status": "idle"}));
    dunst.wait_for_log(&format!("{} is done", shown.name));
    dunst.wait_for_displayed("2");
    assert_ne!(desktop.focused(), Some(window));
    // Which takes that away as ever.
    shown.set(json!({"status": "busy"}));
    dunst.wait_for_displayed("1");
}

#[test]
#[ignore = "needs a desktop"]
fn the_workspace_of_a_wait_is_urgent_until_it_is_answered() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("shop");
    out_of_sight(&desktop, &shown);
    let urgent = |wanted: bool| {
        wait_for(&format!("urgent: {wanted}"), || {
            let reply = desktop.i3_msg(&["-t", "get_workspaces"]).stdout;
            let workspaces: serde_json::Value = serde_json::from_slice(&reply).unwrap();
            let mut all = workspaces.as_array().unwrap().iter();
            let one = all.find(|workspace| workspace["name"] == "1")?;
            (one["urgent"] == wanted).then_some(())
        });
    };
    urgent(false);
    asks(&shown);
    urgent(true);
    shown.set(json!({"status": "busy"}));
    urgent(false);
}

#[test]
#[ignore = "needs a desktop"]
fn what_a_key_could_not_do_is_told() {
    let desktop = Desktop::new();
    let dunst = Dunst::start(&desktop);
    // A key binding has no terminal: i3 runs it.
    let vmux = env!("CARGO_BIN_EXE_vmux");
    desktop.i3(&format!(
        "exec --no-startup-id env XDG_RUNTIME_DIR={} VMUX_DIR={} VMUX_ONLY_CONFIG=1 {vmux} next",
        desktop.path("run").display(),
        desktop.path("vmux").display()
    ));
    dunst.wait_for_log("no other session needs you");
}

#[test]
#[ignore = "needs a desktop"]
fn without_a_notification_daemon_all_else_works() {
    let desktop = Desktop::new();
    let shown = desktop.xterm("shop");
    let window = out_of_sight(&desktop, &shown);
    asks(&shown);
    wait_for("the doctor's word", || {
        let status = desktop.vmux(&["daemon", "status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
        (status["sources"]["notifications"]["ok"] == false).then_some(())
    });
    assert!(desktop.vmux(&["next"]).status.success());
    assert_eq!(desktop.focused(), Some(window));
}
