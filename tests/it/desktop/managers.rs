//! Window managers other than i3: what is typed reaches the terminal one looks at.

use super::{Desktop, wait_for};
use crate::kit::manager::Manager;

fn a_key_reaches_a_session_under(manager: &str) {
    let desktop = Desktop::under(&Manager::named(manager));
    let listener = desktop.listener("listener");
    wait_for("a key", || {
        let into_it = ["search", "--onlyvisible", "--class", "XTerm"];
        let click = ["mousemove", "--window", "%1", "40", "40", "click", "1"];
        desktop.xdotool(&[&into_it[..], &click, &["key", "a"]].concat());
        listener.typed().contains('a').then_some(())
    });
}

#[test]
#[ignore = "needs a desktop"]
fn a_key_reaches_a_session_under_openbox() {
    a_key_reaches_a_session_under("openbox");
}

#[test]
#[ignore = "needs a desktop"]
fn a_key_reaches_a_session_under_xfwm4() {
    a_key_reaches_a_session_under("xfwm4");
}

#[test]
#[ignore = "needs a desktop"]
fn a_key_reaches_a_session_under_kwin_x11() {
    a_key_reaches_a_session_under("kwin_x11");
}

#[test]
#[ignore = "needs a desktop"]
fn a_key_reaches_a_session_under_awesome() {
    a_key_reaches_a_session_under("awesome");
}

#[test]
#[ignore = "needs a desktop"]
fn a_key_reaches_a_session_under_herbstluftwm() {
    a_key_reaches_a_session_under("herbstluftwm");
}
