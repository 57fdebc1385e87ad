//! Sessions in popups of tmux, which are no panes: the client that shows the popup has the window.

use std::process::Stdio;

use super::tmux::Tmux;
use super::{Desktop, Shown, wait_for};

impl Tmux<'_> {
    /// Opens a popup over a client, as a command that waits for its end.
    fn popup(&self, client_tty: &str, script: &str) {
        let mut tmux = self.desktop.command("tmux");
        tmux.arg("-S")
            .arg(&self.socket)
            .args(["display-popup", "-c", client_tty, "-E", script])
            .stdout(Stdio::null());
        self.desktop.spawn(&mut tmux);
    }

    /// The terminals of its clients, in the order in which they were attached.
    fn ttys(&self) -> Vec<String> {
        let format = "#{client_created} #{client_tty}";
        let mut lines: Vec<String> = self
            .ok(&["list-clients", "-F", format])
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        let tty = |line: &String| line.split(' ').nth(1).unwrap().to_owned();
        lines.iter().map(tty).collect()
    }

    /// A popup over a client in which `name` runs.
    fn popup_with(&self, client_tty: &str, name: &str) -> Shown {
        self.popup(client_tty, &self.desktop.script(name));
        self.desktop.register(name)
    }

    /// A popup over a client that shows another tmux session, of this server or another.
    fn popup_onto(&self, client_tty: &str, other: &Tmux<'_>, session: &str) -> String {
        let before = other.ttys();
        let socket = other.socket.display();
        let script = format!("TMUX= exec tmux -S '{socket}' attach -t {session}");
        self.popup(client_tty, &script);
        wait_for("the client in the popup", || {
            other.ttys().into_iter().find(|tty| !before.contains(tty))
        })
    }
}

#[test]
#[ignore = "needs a desktop"]
fn what_runs_in_a_popup_is_where_the_popup_is() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    tmux.ok(&["new-session", "-d", "-s", "work", "sleep", "3600"]);
    let terminal = tmux.attach("work");
    let client = tmux.ttys().remove(0);
    let command = tmux.popup_with(&client, "command");
    desktop.lands(&command, terminal);
    wait_for("the popup in its row", || {
        (desktop.session(&command)?["host"]["target"] == "work (popup)").then_some(())
    });
    tmux.ok(&["display-popup", "-C", "-c", &client]);
    // The usual way: a tmux session a project, attached in a popup over the work.
    let attached = tmux.session("shop", "attached");
    let inner = tmux.popup_onto(&client, &tmux, "shop");
    desktop.lands(&attached, terminal);
    let nested = tmux.popup_with(&inner, "nested");
    desktop.lands(&nested, terminal);
}

#[test]
#[ignore = "needs a desktop"]
fn a_popup_may_show_another_server() {
    let desktop = Desktop::new();
    let outer = Tmux::new(&desktop, "outer");
    let inner = Tmux::new(&desktop, "inner, of 'a b'");
    outer.ok(&["new-session", "-d", "-s", "work", "sleep", "3600"]);
    let terminal = outer.attach("work");
    let shown = inner.session("shop", "inside");
    let inner = {
        let script = "tmux -S \"$INNER\" attach -t shop";
        let client = outer.ttys().remove(0);
        outer.ok(&[
            "set-environment",
            "-g",
            "INNER",
            &inner.socket.to_string_lossy(),
        ]);
        outer.popup(&client, &format!("TMUX= {script}"));
        inner
    };
    wait_for("the client in the popup", || {
        (inner.ttys().len() == 1).then_some(())
    });
    desktop.lands(&shown, terminal);
}

#[test]
#[ignore = "needs a desktop"]
fn of_two_terminals_the_one_with_the_popup_counts() {
    let desktop = Desktop::new();
    let tmux = Tmux::new(&desktop, "a");
    tmux.ok(&["new-session", "-d", "-s", "work", "sleep", "3600"]);
    let first = tmux.attach("work");
    // Of two that were attached in the same second the order is not told.
    let tty = tmux.ttys().remove(0);
    let second = tmux.attach("work");
    let named = tmux.popup_with(&tty, "named");
    desktop.lands(&named, first);
    tmux.ok(&["display-popup", "-C", "-c", &tty]);
    // By a key: only the client that was used since can have opened it.
    tmux.rest();
    let script = desktop.script("by-key");
    tmux.ok(&["bind-key", "-n", "F5", "display-popup", "-E", &script]);
    let press = |terminal: u64, key: &str| {
        desktop.i3(&format!("[id={terminal}] focus"));
        desktop.wait_for_focus(terminal);
        desktop.xdotool(&["key", key]);
    };
    press(second, "F5");
    let by_key = desktop.register("by-key");
    desktop.lands(&by_key, second);
    // Both were used since: nothing tells them apart any more.
    press(first, "x");
    wait_for("an honest refusal", || {
        let done = desktop.vmux(&["switch", &by_key.name]);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        error.contains("several clients of tmux").then_some(())
    });
}
