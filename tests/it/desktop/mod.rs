//! A whole desktop of its own: Xvfb, i3 with its default configuration, terminals, menus, and a
//! private daemon. Sessions are real processes whose files the test writes.
//!
//! Where the focus is, is asked of the `i3ipc` crate: another implementation than ours.

mod attention;
mod bars;
mod faults;
mod managers;
mod menus;
mod notices;
mod odd_managers;
mod popups;
mod rofi;
mod screens;
mod sway;
mod switching;
mod tabs;
mod terminals;
mod titles;
mod tmux;
mod ways;
mod written;

use std::time::{Duration, Instant};

pub(crate) use crate::kit::{Desktop, Killed, PATIENCE, Shown, wait_for};

impl Desktop {
    /// The X window that has the focus, by i3ipc.
    pub(crate) fn focused(&self) -> Option<u64> {
        let done = self
            .command(std::env::current_exe().unwrap())
            .args(["desktop::oracle", "--exact", "--ignored", "--nocapture"])
            .env("I3SOCK", self.socket())
            .env("VMUX_TEST_ORACLE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.split_once("FOCUS ")?
            .1
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }

    pub(crate) fn wait_for_focus(&self, window: u64) {
        wait_for("the focus", || {
            (self.focused() == Some(window)).then_some(())
        });
    }

    /// From another workspace a switch to a session focuses this window.
    pub(crate) fn lands(&self, shown: &Shown, terminal: u64) {
        self.i3("workspace 9");
        self.switch(shown);
        assert_eq!(self.focused(), Some(terminal), "{}", shown.name);
    }

    /// The focus is there and stays there: a pointer that takes it back does so within moments.
    pub(crate) fn assert_focus_stays(&self, window: u64) {
        self.wait_for_focus(window);
        let until = Instant::now() + Duration::from_millis(400);
        while Instant::now() < until {
            assert_eq!(self.focused(), Some(window), "the focus was taken back");
        }
    }
}

/// Not a test: what [`Desktop::focused`] runs, because i3ipc takes its socket from the
/// environment of its process only.
#[test]
#[ignore = "run by the desktop tests"]
#[allow(clippy::print_stdout, reason = "its output is its answer")]
fn oracle() {
    if std::env::var_os("VMUX_TEST_ORACLE").is_none() {
        return;
    }
    fn focused(node: &i3ipc::reply::Node) -> Option<i32> {
        if node.focused {
            return node.window;
        }
        node.nodes
            .iter()
            .chain(&node.floating_nodes)
            .find_map(focused)
    }
    let mut i3 = i3ipc::I3Connection::connect().unwrap();
    if let Some(window) = focused(&i3.get_tree().unwrap()) {
        println!("FOCUS {window}");
    }
}
