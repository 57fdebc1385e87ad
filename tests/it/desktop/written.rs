//! From a line of code to the window of the session that wrote it.

use serde_json::json;

use super::{Desktop, wait_for};
use crate::kit::process::run;

#[test]
#[ignore = "needs a desktop"]
fn why_goes_to_the_window_of_the_session_that_wrote_the_line() {
    let desktop = Desktop::new();
    let writer = desktop.xterm("writer");
    let other = desktop.xterm("other");
    let name = writer.cwd.file_name().unwrap().to_str().unwrap().to_owned();
    desktop.repository(&name);
    let vmux = |words: &[&str]| {
        let mut command = desktop.command(crate::kit::home::VMUX);
        run(command.current_dir(&writer.cwd).args(words))
    };
    assert!(vmux(&["capture", "on"]).status.success());
    writer.set(json!({"sessionId": "aaaa"}));
    let mut talk = desktop.talk("aaaa", &name);
    talk.ask("Add the cart");
    talk.write(&format!("{name}/cart.rs"), "fn cart() {}");
    talk.end("Done.");
    desktop.git(&name, &["add", "cart.rs"]);
    desktop.git(&name, &["commit", "-q", "-m", "cart"]);
    wait_for("the record", || {
        let told = vmux(&["why", "cart.rs:1"]).stdout;
        let told = String::from_utf8_lossy(&told).into_owned();
        (told.contains("Add the cart") && told.contains("line:")).then_some(())
    });
    let [window, elsewhere] = [&writer, &other].map(|shown| desktop.window_of(shown));
    desktop.i3(&format!("[id={window}] move container to workspace 7"));
    desktop.switch(&other);
    assert_eq!(desktop.focused(), Some(elsewhere));
    wait_for("the conversation in the list", || {
        (desktop.session(&writer)?["session_id"] == "aaaa").then_some(())
    });
    let done = vmux(&["why", "--go", "cart.rs:1"]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{error}");
    assert_eq!(desktop.focused(), Some(window));
}
