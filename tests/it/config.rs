//! `vmux config`, and a daemon that takes a changed file without a restart.

use serde_json::Value;

use crate::machine::Machine;
use crate::service::{Daemon, shown, vmux, wait_for};

#[test]
fn each_value_is_shown_with_where_it_comes_from() {
    let machine = Machine::new();
    let text =
        "# mine\nhints = false\nroots = [\"~/src\", \"/srv/a b\"]\nnotificatoins = \"off\"\n";
    machine.write("vmux/config.toml", text);
    let done = vmux(&machine, &["config"]);
    let told = shown(&machine, &done);
    for line in [
        "hints = false                 # /M/vmux/config.toml:2\n",
        "roots = [\"~/src\",\"/srv/a b\"]  # /M/vmux/config.toml:3\n",
        "notifications = \"all\"         # default\n",
        "# launcher                    # found out when it is needed\n",
    ] {
        assert!(told.contains(line), "{line}in:\n{told}");
    }
    assert!(told.contains("did you mean \"notifications\"?"), "{told}");
    // What it prints is a configuration again, and the same one.
    let printed = String::from_utf8(done.stdout).unwrap();
    machine.write("vmux/config.toml", &printed);
    let again = vmux(&machine, &["config", "show", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["values"]["roots"]["value"][1], "/srv/a b");
    assert_eq!(again["wrong"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_is_an_exit_code() {
    let machine = Machine::new();
    let check = || vmux(&machine, &["config", "check"]).status.code();
    assert_eq!(check(), Some(0), "there is none");
    for (text, code) in [
        ("hints = true\n", 0),
        ("hints = 3\n", 1),
        ("colour = 3\n", 1),
        ("hints = [\n", 1),
    ] {
        machine.write("vmux/config.toml", text);
        assert_eq!(check(), Some(code), "{text}");
    }
    let path = vmux(&machine, &["config", "path"]);
    assert_eq!(shown(&machine, &path), "/M/vmux/config.toml\n");
    let schema = vmux(&machine, &["config", "schema"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["detach_key"].is_object());
}

#[test]
fn a_daemon_takes_a_changed_file_without_a_restart() {
    let machine = Machine::new();
    let claude = machine.claude(101);
    claude.works_in("work/shop");
    claude.file(serde_json::json!({}));
    let daemon = Daemon::start(&machine);
    let explains = || {
        // A list has the file looked at; rofi's page says whether keys are explained.
        daemon.ask(r#"{"action":"list"}"#);
        let mut client = daemon.connect();
        let asked = r#"{"action":"rofi","args":{"outside":1,"keys":["Alt+1"]}}"#;
        let length = client.ask(asked)["payload"].as_u64().unwrap();
        let page = client.bytes(usize::try_from(length).unwrap());
        String::from_utf8_lossy(&page).contains("Alt+1")
    };
    wait_for("the keys", || explains().then_some(()));
    machine.write("vmux/config.toml", "hints = false\n");
    wait_for("no keys", || (!explains()).then_some(()));
    // One that cannot be read leaves what is in force.
    machine.write("vmux/config.toml", "hints = [\n");
    wait_for("the word of it", || {
        daemon.ask(r#"{"action":"list"}"#);
        let status = vmux(&machine, &["daemon", "status", "--json"]).stdout;
        let status: Value = serde_json::from_slice(&status).unwrap();
        let source = &status["sources"]["configuration"];
        (source["ok"] == false).then_some(())
    });
    assert!(!explains());
    machine.write("vmux/config.toml", "");
    wait_for("the keys again", || explains().then_some(()));
}
