//! Several sessions in the tabs of one window: the tab is shown, or what is not known is said.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::attention::{ok, plain_window};
use super::{Desktop, Shown, wait_for};

struct Kitty<'d> {
    desktop: &'d Desktop,
    socket: PathBuf,
}

/// A kitty with a session in each of its tabs, the last one on top; their titles are hostile.
fn kitty<'d>(desktop: &'d Desktop, names: [&str; 2], options: &[&str]) -> (Kitty<'d>, [Shown; 2]) {
    let mut plan = String::new();
    for name in names {
        let script = desktop.path(&format!("{name}.sh"));
        let title = r#"\033]2;\033[31m"],"ok":false}]\033\\\007"#;
        let text = format!("printf '{title}'\n{}\n", desktop.script(name));
        std::fs::write(&script, text).unwrap();
        plan += &format!("new_tab\nlaunch sh {}\n", script.display());
    }
    plan += "focus\n";
    std::fs::write(desktop.path("tabs"), plan).unwrap();
    let socket = desktop.path("kitty.sock");
    let mut command = desktop.command("kitty");
    command
        .args(["--config", "NONE", "--listen-on"])
        .arg(format!("unix:{}", socket.display()))
        .args(options)
        .arg("--session")
        .arg(desktop.path("tabs"));
    desktop.spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let shown = names.map(|name| desktop.register(name));
    (Kitty { desktop, socket }, shown)
}

impl Kitty<'_> {
    /// By kitty's own client: another implementation than ours.
    fn ask(&self, words: &[&str]) -> Vec<u8> {
        let mut client = self.desktop.command("kitty");
        let to = format!("unix:{}", self.socket.display());
        let done = client.args(["@", "--to", &to]).args(words).output();
        let done = done.unwrap();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "kitty @ {words:?}: {error}");
        done.stdout
    }

    /// First processes of the terminals that are on top of their windows.
    fn on_top(&self) -> Vec<u64> {
        let windows: Vec<Value> = serde_json::from_slice(&self.ask(&["ls"])).unwrap();
        let all = |value: &Value, name: &str| value[name].as_array().unwrap().clone();
        let tabs = windows.iter().flat_map(|window| all(window, "tabs"));
        let tabs = tabs.filter(|tab| tab["is_active_tab"] == true);
        let top = tabs.flat_map(|tab| all(&tab, "windows"));
        let top = top.filter(|terminal| terminal["is_active_window"] == true);
        top.map(|terminal| terminal["pid"].as_u64().unwrap())
            .collect()
    }
}

#[test]
#[ignore = "needs a desktop"]
fn a_tab_of_kitty_comes_to_the_top_and_is_seen_there() {
    let desktop = Desktop::new();
    let remote = ["-o", "allow_remote_control=socket-only"];
    let (kitty, shown) = kitty(&desktop, ["left", "right"], &remote);
    let window = desktop.window_of(&shown[0]);
    assert_eq!(desktop.window_of(&shown[1]), window);
    desktop.i3("workspace 4");
    let home = plain_window(&desktop);
    for (n, from_home) in [(0, true), (1, false), (1, true), (0, false)] {
        if from_home {
            desktop.i3(&format!("[id={home}] focus"));
        }
        desktop.switch(&shown[n]);
        assert_eq!(desktop.focused(), Some(window));
        assert_eq!(kitty.on_top(), [u64::from(shown[n].pid)]);
    }
    // A tab in a window of its own keeps the WINDOWID of its first.
    desktop.switch(&shown[0]);
    kitty.ask(&["detach-tab", "--match", "state:active"]);
    let second = wait_for("another window", || {
        desktop.focused().filter(|focused| *focused != window)
    });
    desktop.i3(&format!("[id={home}] focus"));
    for (n, window) in [(1, window), (0, second), (1, window)] {
        desktop.switch(&shown[n]);
        assert_eq!(desktop.focused(), Some(window), "{}", shown[n].name);
    }
}

#[test]
#[ignore = "needs a desktop"]
fn where_no_tab_can_be_chosen_only_the_window_is_claimed() {
    let desktop = Desktop::new();
    let (_kitty, shown) = kitty(&desktop, ["left", "right"], &[]);
    let window = desktop.window_of(&shown[0]);
    desktop.i3("workspace 4");
    let home = plain_window(&desktop);
    for shown in &shown {
        let done = desktop.vmux(&["switch", &shown.name]);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{error}");
        let words = "but it may be in another tab: kitty has 2 terminals in one window";
        assert!(
            error.starts_with("vmux: focused the window of ") && error.contains(words),
            "{error}"
        );
        assert!(
            error.contains("\nhint: with allow_remote_control"),
            "{error}"
        );
        assert_eq!(desktop.focused(), Some(window), "the certain half is done");
        ok(&desktop, &["back"]);
        assert_eq!(desktop.focused(), Some(home), "and it can be undone");
    }
}
