//! Real bars, set up as the README says: they show what waits, and a click on it lands.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Desktop, Killed, PATIENCE, Shown, wait_for};
use crate::kit::Sway;
use crate::readme::blocks;

/// Text that a bar has for sessions of which one waits since 2026-01-01.
const WAITS: &str = "1 waiting ";
/// Its colour.
const ORANGE: [u8; 3] = [0xf5, 0x79, 0x0a];

/// Lines of a program as they come.
struct Lines(Receiver<String>);

impl Lines {
    fn of(out: ChildStdout) -> Self {
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _gone = sender.send(line);
            }
        });
        Self(lines)
    }

    /// The next line that fits.
    fn wait_for(&self, what: &str) -> String {
        loop {
            let line = self.0.recv_timeout(PATIENCE).expect(what);
            if line.contains(what) {
                return line;
            }
        }
    }
}

/// The block of a language that has all these words.
fn block(language: &str, words: &[&str]) -> String {
    let fits = |block: &String| words.iter().all(|word| block.contains(word));
    blocks(language).into_iter().find(fits).unwrap()
}

/// Two sessions; the first one waits, the second one has the focus.
fn waiting(desktop: &Desktop) -> (Shown, u64) {
    let [calls, rests] = ["calls", "rests"].map(|name| desktop.xterm(name));
    let [window, focused] = [&calls, &rests].map(|shown| desktop.window_of(shown));
    desktop.i3(&format!("[id={window}] move container to workspace 3"));
    desktop.wait_for_focus(focused);
    calls.waits(Duration::from_secs(600));
    wait_for("the wait", || {
        let session = desktop.session(&calls)?;
        (session["state"] == "needs_input" && session["workspace"] == "3").then_some(())
    });
    (calls, window)
}

/// What follows for the bars of a desktop, known by its directory, and the shells around it.
fn followers(dir: &Path) -> Vec<String> {
    let ours = |entry: &fs::DirEntry| {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environ = String::from_utf8_lossy(&read("environ")).into_owned();
        (words.contains("vmux bar --follow") && environ.contains(dir.to_str().unwrap()))
            .then_some(words)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| ours(&entry)).collect()
}

fn wait_until_all_ended(dir: &Path) {
    wait_for("the end of what the bar had started", || {
        followers(dir).is_empty().then_some(())
    });
}

fn pipe(command: &mut Command) -> (Child, Lines) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    (child, lines)
}

fn i3blocks(desktop: &Desktop, blocks: &str) -> (Child, Lines) {
    let config = desktop.path("i3blocks.conf");
    fs::write(&config, blocks).unwrap();
    pipe(desktop.command("i3blocks").arg("-c").arg(config))
}

#[test]
#[ignore = "needs a desktop"]
fn i3blocks_shows_each_change_of_a_persistent_block() {
    let desktop = Desktop::new();
    let (calls, _) = waiting(&desktop);
    let (mut bar, lines) = i3blocks(&desktop, &block("ini", &["persist"]));
    let line = lines.wait_for(WAITS);
    assert!(line.contains("\"color\":\"#f5790a\""), "{line}");
    calls.set(json!({"status": "busy"}));
    let line = lines.wait_for("1 working");
    assert!(!line.contains("color"), "not that of before: {line}");
    let vmux = followers(&desktop.path("vmux"));
    let vmux = vmux.iter().filter(|words| words.starts_with("vmux"));
    assert_eq!(vmux.count(), 1);
    bar.kill().unwrap();
    bar.wait().unwrap();
    wait_until_all_ended(&desktop.path("vmux"));
}

#[test]
#[ignore = "needs a desktop"]
fn a_click_in_i3blocks_lands() {
    let desktop = Desktop::new();
    let (_calls, window) = waiting(&desktop);
    let (mut bar, lines) = i3blocks(&desktop, &block("ini", &["interval=5"]));
    lines.wait_for(WAITS);
    let click = "[\n{\"name\":\"vmux\",\"button\":1,\"x\":9,\"y\":9}\n";
    let stdin = bar.stdin.as_mut().unwrap();
    stdin.write_all(click.as_bytes()).unwrap();
    desktop.wait_for_focus(window);
    bar.kill().unwrap();
    bar.wait().unwrap();
}

/// i3blocks 1.5 gives a persistent block its settings as variables and its clicks as lines.
#[test]
#[ignore = "needs a desktop"]
fn a_click_in_a_persistent_block_lands() {
    let desktop = Desktop::new();
    let (_calls, window) = waiting(&desktop);
    let mut command = desktop.command(env!("CARGO_BIN_EXE_vmux"));
    command.args(["bar", "--follow", "--format", "i3blocks"]);
    let (mut bar, lines) = pipe(command.env("interval", "persist"));
    lines.wait_for(WAITS);
    let click = r#"{"":"","command":"vmux bar","interval":"persist","name":"ai","button":1,"x":9}"#;
    let stdin = bar.stdin.as_mut().unwrap();
    stdin.write_all(format!("{click}\n").as_bytes()).unwrap();
    desktop.wait_for_focus(window);
    bar.kill().unwrap();
    bar.wait().unwrap();
}

#[test]
#[ignore = "needs a desktop"]
fn i3status_goes_on_beside_it() {
    let desktop = Desktop::new();
    let (_calls, _) = waiting(&desktop);
    let config = "general {\n output_format = \"i3bar\"\n interval = 1\n}\norder += \"tztime t\"\n\
                  tztime t {\n format = \"clock\"\n}\n";
    fs::create_dir_all(desktop.path("home/.config/i3status")).unwrap();
    fs::write(desktop.path("home/.config/i3status/config"), config).unwrap();
    let script = block("sh", &["i3status"]);
    let (mut bar, lines) = pipe(desktop.command("sh").args(["-c", &script]));
    assert_eq!(lines.wait_for("version"), r#"{"version":1}"#);
    lines.wait_for("[");
    for _ in 0..2 {
        let line = lines.wait_for(WAITS);
        let value: Value = serde_json::from_str(line.trim_start_matches(',')).unwrap();
        assert_eq!(value[0]["name"], "vmux");
        assert_eq!(value[1]["full_text"], "clock");
    }
    bar.kill().unwrap();
    bar.wait().unwrap();
}

/// Where the pixels of a colour are on a PPM: the middle one of them.
fn find_color(shot: &[u8], color: [u8; 3]) -> Option<(usize, usize)> {
    // P6, width, height, 255, then three bytes a pixel.
    let header = shot
        .iter()
        .enumerate()
        .filter(|(_, b)| b.is_ascii_whitespace());
    let start = header.map(|(at, _)| at).nth(3)? + 1;
    let words = String::from_utf8_lossy(&shot[..start]).into_owned();
    let width: usize = words.split_whitespace().nth(1)?.parse().ok()?;
    let pixels = shot[start..].chunks_exact(3).enumerate();
    let at: Vec<usize> = pixels
        .filter(|(_, p)| *p == color)
        .map(|(at, _)| at)
        .collect();
    let middle = at.get(at.len() / 2)?;
    Some((middle % width, middle / width))
}

/// Keeps a shot for people, where they ask for one.
pub(super) fn keep_shot(name: &str, shot: &[u8]) {
    if let Some(dir) = std::env::var_os("VMUX_TEST_SHOTS") {
        fs::write(PathBuf::from(dir).join(format!("{name}.ppm")), shot).unwrap();
    }
}

/// Clicks on the first thing that is painted in the colour of what waits.
fn click_on_what_waits(desktop: &Desktop, name: &str) {
    let (x, y) = wait_for("the colour of what waits", || {
        find_color(&desktop.screenshot(), ORANGE)
    });
    keep_shot(name, &desktop.screenshot());
    let [x, y] = [x, y].map(|n| n.to_string());
    desktop.xdotool(&["mousemove", &x, &y, "click", "1"]);
}

#[test]
#[ignore = "needs a desktop"]
fn a_click_in_i3bar_lands() {
    let own = block("i3", &["status_command"]);
    // i3 reads a bar's configuration when it starts; the default one has another bar.
    let desktop = Desktop::with_config(&own);
    let (_calls, window) = waiting(&desktop);
    click_on_what_waits(&desktop, "i3bar");
    desktop.wait_for_focus(window);
    // It answers with the end of the connection.
    desktop.i3_msg(&["exit"]);
    wait_until_all_ended(&desktop.path("vmux"));
}

#[test]
#[ignore = "needs a desktop"]
fn a_click_in_polybar_lands() {
    let desktop = Desktop::new();
    let (_calls, window) = waiting(&desktop);
    let config = desktop.path("polybar.ini");
    let bar = "[bar/top]\nwidth = 100%\nheight = 24\nbackground = #202020\nforeground = #ffffff\n\
               font-0 = monospace:size=10\nmodules-left = vmux\n\n";
    fs::write(&config, bar.to_owned() + &block("ini", &["[module/vmux]"])).unwrap();
    let log = fs::File::create(desktop.path("polybar.log")).unwrap();
    let mut polybar = desktop.command("polybar");
    polybar.arg("-c").arg(&config).arg("top");
    polybar.stdout(Stdio::null()).stderr(log);
    let mut polybar = polybar.spawn().unwrap();
    click_on_what_waits(&desktop, "polybar");
    desktop.wait_for_focus(window);
    let said = fs::read_to_string(desktop.path("polybar.log")).unwrap();
    assert!(
        !said.contains("error") && !said.contains("module/vmux"),
        "{said}"
    );
    polybar.kill().unwrap();
    polybar.wait().unwrap();
    wait_until_all_ended(&desktop.path("vmux"));
}

/// A Wayland desktop without a screen has no pointer either: nothing is clicked.
#[test]
#[ignore = "needs a desktop"]
fn waybar_shows_what_waits_in_the_style_of_its_class() {
    let sway = Sway::new();
    let calls = sway.foot("calls");
    wait_for("the session", || sway.session(&calls));
    calls.waits(Duration::from_secs(600));
    let module = block("jsonc", &["custom/vmux"]);
    let config = format!("{{\"layer\": \"top\", \"modules-left\": [\"custom/vmux\"],\n{module}}}");
    fs::write(sway.path("waybar.json"), config).unwrap();
    let style = "* { font-family: monospace; font-size: 13px; }\n\
                 #custom-vmux.waiting { background: #f5790a; color: #000000; padding: 0 8px; }\n";
    fs::write(sway.path("waybar.css"), style).unwrap();
    let log = fs::File::create(sway.path("waybar.log")).unwrap();
    let mut waybar = sway.client("waybar");
    waybar
        .env("GSETTINGS_BACKEND", "memory")
        .env("NO_AT_BRIDGE", "1")
        .arg("-c")
        .arg(sway.path("waybar.json"))
        .arg("-s")
        .arg(sway.path("waybar.css"))
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    let mut waybar = Killed(waybar.spawn().unwrap());
    let mut orange = || {
        let ended = waybar.0.try_wait().unwrap();
        let said = fs::read_to_string(sway.path("waybar.log")).unwrap();
        assert_eq!(ended, None, "{said}");
        find_color(&sway.screenshot(), ORANGE)
    };
    wait_for("the colour of what waits", &mut orange);
    keep_shot("waybar", &sway.screenshot());
    calls.set(json!({"status": "busy"}));
    wait_for("the end of the wait", || orange().is_none().then_some(()));
    drop(waybar);
    wait_until_all_ended(&sway.path("vmux"));
}
